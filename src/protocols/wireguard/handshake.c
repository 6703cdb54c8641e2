/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshake messages in and out: when they are made, and what they change.
 */
#include "base/log.h"
#include "protocols/wireguard/internal.h"

/* ---- our initiation ------------------------------------------------------------------------- */

void enn_wg_begin_handshake(struct enn_wg_peer *p, enn_time now, bool retry)
{
	if (!retry) {
		p->attempts = 0;
	}
	if (!p->device->local.present || p->path.remote.family == ENN_FAMILY_NONE) {
		return;
	}
	if (p->last_initiation_sent != ENN_TIME_NEVER &&
	    now - p->last_initiation_sent < REKEY_TIMEOUT) {
		enn_wg_timers_wait_for_retry(p); /* too soon (WP §6.1) */
		return;
	}
	enn_wg_want(p, WANT_INITIATION);
}

/* TAI64N, coarse, so that it tells nothing about our clock beyond 17 ms, and never the same twice:
 * the peer takes only later ones (WP §5.1, §5.4.2). */
static void timestamp(struct enn_wireguard *d, enn_time now, uint8_t out[ENN_WG_TIMESTAMP])
{
	const int64_t grain = INT64_C(1) << 24;
	const int64_t second = (int64_t)ENN_SECOND;
	const uint64_t tai_epoch = (UINT64_C(1) << 62) + 10;
	int64_t wall = (d->env->wall_offset + (int64_t)now) / grain * grain;
	struct enn_writer w = enn_writer_of(out, ENN_WG_TIMESTAMP);

	if (wall <= d->last_timestamp) {
		wall = d->last_timestamp + grain;
	}
	d->last_timestamp = wall;
	enn_write_u64(&w, tai_epoch + (uint64_t)(wall / second));
	enn_write_u32(&w, (uint32_t)(wall % second));
}

size_t enn_wg_write_initiation_now(struct enn_wg_peer *p, enn_time now, uint8_t *out)
{
	struct enn_wireguard *d = p->device;
	uint8_t time[ENN_WG_TIMESTAMP];

	if (!d->local.present || p->path.remote.family == ENN_FAMILY_NONE) {
		return 0;
	}
	/* Set first: whatever goes wrong below is not tried again at once. */
	p->last_initiation_sent = now;
	enn_wg_timers_initiation_sent(p, now);
	enn_wg_handshake_clear(p);
	timestamp(d, now, time);
	if (enn_wg_remote_prepare(&d->tools, &d->local, &p->remote) != ENN_OK ||
	    enn_wg_index_take(d, &p->handshake_index, p, NULL) != ENN_OK ||
	    enn_wg_make_initiation(&d->tools, &d->local, &p->remote, p->handshake_index.value, time,
				   &p->handshake, out) != ENN_OK ||
	    enn_wg_add_macs(p, now, out, ENN_WG_INITIATION_LEN) != ENN_OK) {
		enn_log(d->env, ENN_LOG_WARNING, "wireguard: no initiation for peer %llu",
			(unsigned long long)p->id);
		enn_wg_handshake_clear(p);
		return 0;
	}
	enn_wg_timers_authenticated_sent(p, now);
	return ENN_WG_INITIATION_LEN;
}

/* ---- our response --------------------------------------------------------------------------- */

/* What a finished handshake gives. */
struct session {
	bool initiator;
	uint32_t remote_index;
	uint8_t send_key[ENN_WG_KEY];
	uint8_t receive_key[ENN_WG_KEY];
};

/* kp becomes the peer's key pair for it; or is freed. */
static bool derive(struct enn_wg_peer *p, struct enn_wg_keypair *kp, enn_time now,
		   const struct session *s)
{
	if (enn_aead_rekey(kp->seal, s->send_key) != ENN_OK ||
	    enn_aead_rekey(kp->open, s->receive_key) != ENN_OK) {
		enn_wg_keypair_free(p, kp);
		return false;
	}
	kp->initiator = s->initiator;
	kp->remote_index = s->remote_index;
	kp->can_send = true;
	kp->born = now;
	enn_wg_keypair_install(p, kp);
	enn_wg_timers_session_derived(p, now);
	return true;
}

static bool respond(struct enn_wg_peer *p, enn_time now, uint8_t *out, struct session *s)
{
	struct enn_wireguard *d = p->device;
	struct enn_wg_keypair *kp;

	if (enn_wg_keypair_new(p, NULL, &kp) != ENN_OK) {
		return false;
	}
	s->remote_index = p->incoming.remote_index;
	if (enn_wg_make_response(&d->tools, &d->local, &p->remote, kp->index.value, &p->incoming,
				 out, s->send_key, s->receive_key) != ENN_OK ||
	    enn_wg_add_macs(p, now, out, ENN_WG_RESPONSE_LEN) != ENN_OK) {
		enn_wg_keypair_free(p, kp);
		return false;
	}
	return derive(p, kp, now, s);
}

size_t enn_wg_write_response_now(struct enn_wg_peer *p, enn_time now, uint8_t *out)
{
	struct session s = {.initiator = false};

	if (p->incoming.state != ENN_WG_INITIATION_RECEIVED ||
	    p->path.remote.family == ENN_FAMILY_NONE) {
		return 0;
	}
	bool made = respond(p, now, out, &s);
	enn_wipe(&s, sizeof(s));
	enn_wg_handshake_wipe(&p->device->tools, &p->incoming);
	if (!made) {
		enn_log(p->device->env, ENN_LOG_WARNING, "wireguard: no response to peer %llu",
			(unsigned long long)p->id);
		return 0;
	}
	enn_wg_timers_authenticated_sent(p, now);
	return ENN_WG_RESPONSE_LEN;
}

/* ---- theirs --------------------------------------------------------------------------------- */

static struct enn_wg_peer *peer_by_key(struct enn_wireguard *d, const uint8_t *key)
{
	struct enn_wg_peer *p = NULL;

	HASH_FIND(hh, d->by_key, key, ENN_WG_KEY, p);
	return p;
}

/* WP §5.1: an initiation counts only with a later timestamp than all before it, and there are at
 * most so many a second. */
static bool is_new(const struct enn_wg_peer *p, enn_time now, const uint8_t *time)
{
	bool flood = p->last_initiation_received != ENN_TIME_NEVER &&
		     now - p->last_initiation_received < ENN_SECOND / INITIATIONS_PER_SECOND;

	return !flood && memcmp(time, p->latest_timestamp, ENN_WG_TIMESTAMP) > 0;
}

static bool receive_initiation(struct enn_wireguard *d, enn_time now, struct enn_bytes message)
{
	struct enn_wg_initiation m;
	struct enn_wg_handshake hs = {.state = ENN_WG_HANDSHAKE_IDLE};
	uint8_t key[ENN_WG_KEY];
	uint8_t time[ENN_WG_TIMESTAMP];
	bool taken = false;

	enn_wg_parse_initiation(message, &m);
	if (enn_wg_open_initiation(&d->tools, &d->local, &m, &hs, key) != ENN_OK) {
		return false;
	}
	struct enn_wg_peer *p = peer_by_key(d, key);
	if (p != NULL && enn_wg_remote_prepare(&d->tools, &d->local, &p->remote) == ENN_OK &&
	    enn_wg_prove_initiation(&d->tools, &p->remote, &m, &hs, time) == ENN_OK &&
	    is_new(p, now, time)) {
		memcpy(p->latest_timestamp, time, sizeof(time));
		p->last_initiation_received = now;
		/* Ours may go on: if both began at once, two sessions are better than none. */
		enn_wg_handshake_wipe(&p->device->tools, &p->incoming);
		p->incoming = hs;
		p->received_bytes += message.len;
		enn_wg_seen_at(p);
		enn_wg_timers_authenticated_received(p, now);
		enn_wg_unwant(p, WANT_INITIATION);
		enn_wg_want(p, WANT_RESPONSE);
		taken = true;
	}
	enn_wipe(&hs, sizeof(hs));
	return taken;
}

static bool accept(struct enn_wg_peer *p, enn_time now, const struct enn_wg_response *m,
		   struct session *s)
{
	struct enn_wireguard *d = p->device;
	struct enn_wg_keypair *kp;

	if (enn_wg_open_response(&d->tools, &d->local, &p->remote, m, &p->handshake, s->send_key,
				 s->receive_key) != ENN_OK) {
		return false;
	}
	/* The peer sends to the index of the initiation: the key pair takes it over. */
	uint32_t index = p->handshake_index.value;
	enn_wg_handshake_clear(p);
	s->remote_index = m->sender;
	return enn_wg_keypair_new(p, &index, &kp) == ENN_OK && derive(p, kp, now, s);
}

static bool receive_response(struct enn_wireguard *d, enn_time now, struct enn_bytes message)
{
	struct enn_wg_response m;
	struct session s = {.initiator = true};

	enn_wg_parse_response(message, &m);
	struct enn_wg_index *index = enn_wg_index_find(d, m.receiver);
	if (index == NULL || index->keypair != NULL ||
	    index->peer->handshake.state != ENN_WG_INITIATION_SENT) {
		return false;
	}
	struct enn_wg_peer *p = index->peer;
	bool taken = accept(p, now, &m, &s);
	enn_wipe(&s, sizeof(s));
	if (!taken) {
		return false;
	}
	p->received_bytes += message.len;
	enn_wg_seen_at(p);
	enn_wg_timers_authenticated_received(p, now);
	enn_wg_timers_handshake_complete(p, now);
	/* What waits goes out now; with nothing waiting a keepalive confirms the keys (WP §5.1). */
	enn_wg_want(p, p->staged != NULL ? WANT_STAGED : WANT_KEEPALIVE);
	return true;
}

void enn_wg_receive_handshake(struct enn_wireguard *d, enn_time now, enum enn_wg_type type,
			      struct enn_bytes message)
{
	bool taken = false;

	switch (enn_wg_judge(d, now, message)) {
	case VERDICT_DROP:
		break;
	case VERDICT_COOKIE:
		enn_wg_reply_cookie(d, message);
		break;
	case VERDICT_WORK:
		taken = type == ENN_WG_INITIATION ? receive_initiation(d, now, message)
						  : receive_response(d, now, message);
		break;
	}
	if (!taken) {
		d->handshakes_dropped++;
	}
}
