/* SPDX-License-Identifier: Apache-2.0
 *
 * An observer of WireGuard without keys: what must hold of the packets on the wire
 * and of their times (WP §5.4 and §6).
 */
#include <string.h>

#include "crypto/blake2s.h"
#include "wireguard_world.h"

#define REJECT_AFTER	  (180 * ENN_SECOND)
#define REKEY_AFTER	  (120 * ENN_SECOND)
#define REKEY_TIMEOUT	  (5 * ENN_SECOND)
#define KEEPALIVE_TIMEOUT (10 * ENN_SECOND)
#define ZERO_AFTER	  (3 * REJECT_AFTER)
#define SLACK		  (20 * ENN_MILLISECOND)

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- handshakes ------------------------------------------------------------------------------------ */

/* Whom a handshake message is for: whose key, of now or of earlier, its mac1 has. */
static unsigned addressee(struct dgram_host *h, const uint8_t *data, size_t len)
{
	const struct wg_world *own = wg_of(h->w);
	size_t have = own->identity_count < WG_IDENTITIES ? own->identity_count : WG_IDENTITIES;
	uint8_t mac[16];

	for (size_t i = 0; i < have; i++) {
		if (own->identity[i].host != h->index &&
		    enn_blake2s_mac(&h->env, own->identity[i].mac1_key, 32, data, len - 32, mac) ==
			    ENN_OK &&
		    memcmp(mac, data + len - 32, sizeof(mac)) == 0) {
			return own->identity[i].host;
		}
	}
	return DGRAM_STRANGER;
}

static void note_passed(struct dgram_host *h, unsigned peer)
{
	struct wg_host *own = &wg_of(h->w)->host[h->index];

	if (peer != DGRAM_STRANGER) {
		own->owed[peer] = ENN_TIME_NEVER;
		own->last_passed[peer] = h->w->now;
	}
}

static void saw_handshake(struct dgram_host *h, const uint8_t *data, size_t len)
{
	struct dgram_world *w = h->w;
	struct wg_world *own = wg_of(w);
	struct wg_host *me = &own->host[h->index];
	unsigned to = addressee(h, data, len);

	own->index[own->indices % WG_INDICES].value = get32(data + 4);
	own->index[own->indices % WG_INDICES].responder = data[0] == 2;
	own->index[own->indices++ % WG_INDICES].owner = (uint8_t)h->index;
	if (to == DGRAM_STRANGER) {
		dgram_violation(w, "%s: sends a handshake message whose mac1 is nobody's", h->name);
		return;
	}
	note_passed(h, to);
	if (data[0] == 2) {
		me->answered[to] = me->unanswered[to] != 0 ? me->unanswered[to] : me->answered[to];
		me->unanswered[to] = 0;
		own->responses++;
		if (me->load && !me->mac2_seen[to] && w->now - me->load_since > 2 * ENN_SECOND) {
			dgram_violation(w, "%s: answers %s under load without a cookie", h->name,
					w->host[to].name);
		}
		return;
	}
	own->initiations++;
	enn_time now = dgram_clock(h);
	/* who has had several keys may be several peers, and starts anew with a new one of its own */
	if (own->host[to].keys == 1 && me->keys == 1 && me->last_initiation[to] != ENN_TIME_NEVER &&
	    now - me->last_initiation[to] < REKEY_TIMEOUT) {
		dgram_violation(w, "%s: two initiations for %s within %.3f s", h->name,
				w->host[to].name,
				(double)(now - me->last_initiation[to]) / (double)ENN_SECOND);
	}
	me->last_initiation[to] = now;
	me->must_initiate[to] = ENN_TIME_NEVER;
}

/* ---- transport data -------------------------------------------------------------------------------- */

/* Whose index it is, and how it was told. */
static void find_index(const struct wg_world *own, uint32_t value, struct wg_stream *s)
{
	size_t have = own->indices < WG_INDICES ? own->indices : WG_INDICES;

	s->to = DGRAM_STRANGER;
	for (size_t i = 0; i < have; i++) {
		if (own->index[i].value == value) {
			s->to = own->index[i].owner;
			s->initiator = own->index[i].responder;
		}
	}
}

static struct wg_stream *stream_of(struct dgram_host *h, uint32_t receiver)
{
	struct wg_world *own = wg_of(h->w);
	size_t have = own->streams < WG_STREAMS ? own->streams : WG_STREAMS;

	for (size_t i = 1; i <= have; i++) {
		struct wg_stream *s = &own->stream[(own->streams - i) % WG_STREAMS];
		if (s->from == h->index && s->life == h->life && s->receiver == receiver) {
			return s;
		}
	}
	struct wg_stream *s = &own->stream[own->streams++ % WG_STREAMS];
	*s = (struct wg_stream){
		.from = (uint8_t)h->index,
		.life = h->life,
		.receiver = receiver,
		.first = dgram_clock(h),
	};
	find_index(own, receiver, s);
	return s;
}

static void saw_transport(struct dgram_host *h, const uint8_t *data, size_t len)
{
	struct dgram_world *w = h->w;
	struct wg_world *own = wg_of(w);
	struct wg_stream *s = stream_of(h, get32(data + 4));
	uint64_t counter = get64(data + 8);

	if (counter != s->counter) {
		dgram_violation(
			w, "%s: counter %llu after %llu: a nonce is used twice, or left out",
			h->name, (unsigned long long)counter, (unsigned long long)s->counter);
	}
	s->counter = counter + 1;
	if (dgram_clock(h) - s->first > REJECT_AFTER) {
		dgram_violation(w, "%s: uses a key that is older than %llu s", h->name,
				(unsigned long long)(REJECT_AFTER / ENN_SECOND));
	}
	if (s->initiator && s->to != DGRAM_STRANGER && dgram_clock(h) - s->first >= REKEY_AFTER &&
	    own->host[h->index].must_initiate[s->to] == ENN_TIME_NEVER) {
		own->host[h->index].must_initiate[s->to] = dgram_clock(h);
	}
	if ((len - 32) % 16 != 0 && len - 32 < own->plan.mtu[h->index]) {
		dgram_violation(w, "%s: %zu bytes of data are not padded", h->name, len - 32);
	}
	if (len == 32) {
		own->keepalives++;
	} else {
		own->data++;
	}
	note_passed(h, s->to);
}

/* ---- who deserves an answer ------------------------------------------------------------------------ */

static bool mac1_fits(struct dgram_host *h, const uint8_t *data, size_t len)
{
	uint8_t mac[16];

	return (len == 148 || len == 92) &&
	       enn_blake2s_mac(&h->env, wg_of(h->w)->host[h->index].mac1_key, 32, data, len - 32,
			       mac) == ENN_OK &&
	       memcmp(mac, data + len - 32, sizeof(mac)) == 0;
}

static void greet(struct dgram_host *h, const struct dgram_datagram *d)
{
	struct wg_host *me = &wg_of(h->w)->host[h->index];
	bool genuine = d->sender != DGRAM_STRANGER && (d->fate & DGRAM_FATE_CHANGED) == 0;

	if (genuine || mac1_fits(h, d->data, d->len)) {
		me->greeted[me->greeted_count++ % WG_GREETED] = d->path.remote;
	}
}

/* WP §5.1: silence is a virtue. */
static void check_greeted(struct dgram_host *h, const struct enn_address *to)
{
	const struct wg_host *me = &wg_of(h->w)->host[h->index];
	char text[DGRAM_ADDRESS_TEXT];

	for (size_t i = 0; i < me->greeted_count && i < WG_GREETED; i++) {
		if (dgram_same_address(&me->greeted[i], to)) {
			return;
		}
	}
	if (me->greeted_count <= WG_GREETED && !h->w->protocol->trusts(h, to)) {
		dgram_violation(h->w, "%s: sends to %s, from where nothing came that it could know",
				h->name, dgram_address_text(to, text, sizeof(text)));
	}
}

void wg_saw_sent(struct dgram_host *h, const struct enn_path *path, const uint8_t *data, size_t len)
{
	struct dgram_world *w = h->w;
	bool form = len >= 32 && data[1] == 0 && data[2] == 0 && data[3] == 0;

	check_greeted(h, &path->remote);
	wg_of(w)->host[h->index].bytes_out += data[0] == 3 ? 0 : len;
	if (sim_scan_find(&wg_of(w)->identities, data, len) != NULL) {
		dgram_violation(w, "%s: transmits somebody's public key", h->name);
	}
	if (form && ((data[0] == 1 && len == 148) || (data[0] == 2 && len == 92))) {
		saw_handshake(h, data, len);
	} else if (form && data[0] == 3 && len == 64) {
		wg_of(w)->cookies++;
		wg_of(w)->host[h->index].loaded = true;
	} else if (form && data[0] == 4) {
		saw_transport(h, data, len);
	} else {
		dgram_violation(w, "%s: transmits %zu bytes that are no message", h->name, len);
	}
}

void wg_saw_arrived(struct dgram_host *h, const struct dgram_datagram *d)
{
	struct wg_host *me = &wg_of(h->w)->host[h->index];
	static const uint8_t none[16];

	greet(h, d);
	me->bytes_in += d->len;
	if (d->sender != DGRAM_STRANGER && d->len == 148 &&
	    memcmp(d->data + 132, none, sizeof(none)) != 0) {
		me->mac2_seen[d->sender] = true;
	}
	if (d->sender == DGRAM_STRANGER || (d->fate & DGRAM_FATE_CHANGED) != 0) {
		return;
	}
	me->last_passed[d->sender] = h->w->now;
	if (d->len == 148 && d->id > me->answered[d->sender] &&
	    (me->unanswered[d->sender] == 0 || d->id < me->unanswered[d->sender])) {
		me->unanswered[d->sender] = d->id;
	}
}

void wg_saw_received(struct dgram_host *h, unsigned from)
{
	struct wg_host *own = &wg_of(h->w)->host[h->index];

	if (h->w->calm && own->owed[from] == ENN_TIME_NEVER) {
		own->owed[from] = dgram_clock(h);
	}
}

/* ---- times ------------------------------------------------------------------------------------------ */

/* Has it a session for so long yet that nothing prevents an answer? */
static bool can_answer(const struct dgram_host *h, unsigned peer)
{
	const struct wg_world *own = wg_of(h->w);
	size_t have = own->streams < WG_STREAMS ? own->streams : WG_STREAMS;

	for (size_t i = 0; i < have; i++) {
		const struct wg_stream *s = &own->stream[i];
		if (s->from == h->index && s->to == peer && s->life == h->life &&
		    dgram_clock(h) - s->first < REJECT_AFTER / 2) {
			return true;
		}
	}
	return false;
}

static bool somebody_sleeps(const struct dgram_scenario *s)
{
	for (size_t i = 0; i < s->deeds; i++) {
		if (s->deed[i].kind == DGRAM_DEED_SLEEP && !s->deed[i].off) {
			return true;
		}
	}
	return false;
}

/* WP §6.2: who began a session and uses it after two minutes asks for a new one. */
static void check_rekey(struct dgram_world *w, unsigned a, unsigned b)
{
	struct wg_host *me = &wg_of(w)->host[a];
	enn_time now = dgram_clock(&w->host[a]);
	bool asked = me->last_initiation[b] != ENN_TIME_NEVER &&
		     now - me->last_initiation[b] < REKEY_TIMEOUT + ENN_SECOND;

	if (me->must_initiate[b] == ENN_TIME_NEVER || asked || somebody_sleeps(w->s)) {
		me->must_initiate[b] = ENN_TIME_NEVER;
	} else if (now - me->must_initiate[b] > REKEY_TIMEOUT + 2 * ENN_SECOND) {
		dgram_violation(w, "%s: uses an old key with %s and asks for no new one",
				w->host[a].name, w->host[b].name);
	}
}

static void check_pair(struct dgram_world *w, unsigned a, unsigned b)
{
	const struct wg_world *own = wg_of(w);
	const struct wg_host *me = &own->host[a];
	struct dgram_host *h = &w->host[a];
	enn_time now = dgram_clock(h);
	enn_time every = own->keepalive[a][b] * ENN_SECOND;
	struct enn_wireguard_peer_info info;

	if (me->owed[b] != ENN_TIME_NEVER && now - me->owed[b] > KEEPALIVE_TIMEOUT + SLACK &&
	    can_answer(h, b)) {
		dgram_violation(w, "%s: has answered nothing to %s for more than 10 s", h->name,
				w->host[b].name);
	}
	every = every < REKEY_TIMEOUT + ENN_SECOND ? REKEY_TIMEOUT + ENN_SECOND : every;
	if (own->keepalive[a][b] > 0 && w->now - me->last_passed[b] > every + 3 * ENN_SECOND &&
	    wg_linked(w, a, b) && wg_peer_info(h, b, &info) &&
	    info.path.remote.family != ENN_FAMILY_NONE) {
		dgram_violation(w, "%s: no persistent keepalive to %s", h->name, w->host[b].name);
	}
}

void wg_check(struct dgram_world *w)
{
	for (unsigned a = 0; !w->closing && a < w->s->hosts; a++) {
		for (unsigned b = 0; b < w->s->hosts && dgram_up(&w->host[a]); b++) {
			if (a == b || w->host[a].end[0] == NULL) {
				continue;
			}
			check_rekey(w, a, b);
			if (w->calm) {
				check_pair(w, a, b);
			}
		}
	}
}

/* ---- memory ----------------------------------------------------------------------------------------- */

#define BASE	    (64u << 10)
#define IDLE_PEER   2048u
#define ACTIVE_PEER (12u << 10)
#define STAGED	    (128u * 1500u)

size_t wg_memory(const struct dgram_host *h)
{
	return BASE + h->w->s->hosts * (ACTIVE_PEER + STAGED);
}

static bool any_keepalive(const struct dgram_world *w)
{
	for (unsigned a = 0; a < w->s->hosts; a++) {
		for (unsigned b = 0; b < w->s->hosts; b++) {
			if (wg_of(w)->keepalive[a][b] > 0) {
				return true;
			}
		}
	}
	return false;
}

/* Peers that went took their counts along. */
static bool peers_went(const struct dgram_world *w, const struct wg_host *me)
{
	for (unsigned b = 0; b < w->s->hosts; b++) {
		if (wg_of(w)->host[b].keys > 1) {
			return true;
		}
	}
	return me->forgot;
}

/* What the interface has counted is what went over the wire. */
static void check_counters(struct dgram_host *h)
{
	const struct wg_host *me = &wg_of(h->w)->host[h->index];
	struct enn_wireguard_peer_info info;
	struct enn_wireguard_info all;
	uint64_t sent = 0, received = 0, cursor = 0;
	size_t peers = 0;
	int64_t wall = h->env.wall_offset + (int64_t)dgram_clock(h);

	enn_wireguard_info(h->end[0]->e, &all);
	for (; enn_wireguard_next_peer(h->end[0]->e, &cursor, &info); peers++) {
		struct enn_wireguard_prefix prefix[4];
		size_t routes = enn_wireguard_allowed_ips(h->end[0]->e, info.id, prefix, 4);
		sent += info.sent_bytes;
		received += info.received_bytes;
		if (routes != 2 || info.allowed_ips_count != 2 || prefix[0].bits != 24 ||
		    prefix[1].bits != 64 || info.last_handshake > wall) {
			dgram_violation(h->w, "%s: tells something wrong of a peer", h->name);
		}
	}
	if (peers != all.peer_count ||
	    memcmp(all.public_key, me->public_key, sizeof(all.public_key)) != 0) {
		dgram_violation(h->w, "%s: tells something wrong of itself", h->name);
	}
	if (!peers_went(h->w, me) && (sent != me->bytes_out || received > me->bytes_in)) {
		dgram_violation(
			h->w, "%s: has counted %llu bytes sent and %llu received, not %llu, %llu",
			h->name, (unsigned long long)sent, (unsigned long long)received,
			(unsigned long long)me->bytes_out, (unsigned long long)me->bytes_in);
	}
}

/* WP §6.3: after long silence no session is left, and its memory is free. */
void wg_check_end(struct dgram_world *w)
{
	struct enn_wireguard_peer_info info;

	for (unsigned a = 0; a < w->s->hosts && !w->starved; a++) {
		if (w->host[a].end[0] != NULL) {
			check_counters(&w->host[a]);
		}
	}
	if (w->s->quiet < ZERO_AFTER + 60 * ENN_SECOND || any_keepalive(w)) {
		return;
	}
	for (unsigned a = 0; a < w->s->hosts; a++) {
		struct dgram_host *h = &w->host[a];
		for (unsigned b = 0; b < w->s->hosts && h->end[0] != NULL; b++) {
			if (a != b && wg_peer_info(h, b, &info) && info.has_session) {
				dgram_violation(w, "%s: still has keys for %s", h->name,
						w->host[b].name);
			}
		}
		if (h->heap.live > BASE + w->s->hosts * IDLE_PEER) {
			dgram_violation(w, "%s: has %zu bytes of memory when nothing goes on",
					h->name, h->heap.live);
		}
	}
}
