/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets in: runs of transport messages for one key pair are opened together, in
 * place; the packets inside are told one by one.
 */
#include "protocols/wireguard/inner.h"
#include "protocols/wireguard/internal.h"

/* Told packets of a run keep their place in the caller's array: data is the inner packet then, or
 * NULL if it was dropped. */

static struct enn_bytes bytes_of(const struct enn_packet *packet)
{
	return (struct enn_bytes){packet->data, packet->len};
}

static void drop(struct enn_wireguard *d, struct enn_packet *packet)
{
	d->packets_dropped++;
	packet->data = NULL;
	packet->len = 0;
}

/* WP §2.1: roaming. The newest authentic message says where the peer is. */
void enn_wg_seen_at(struct enn_wg_peer *p)
{
	const struct enn_path *path = &p->device->input.path;
	bool moved = !enn_wg_same_address(&p->path.remote, &path->remote);

	p->path = *path;
	if (moved) {
		enn_wg_tell(p, NEWS_PATH);
	}
}

/* ---- one run --------------------------------------------------------------------------------- */

/* The messages of a run, and what becomes of them. */
struct run {
	struct enn_wg_keypair *kp;
	size_t first;
	size_t count;
	size_t jobs;
	size_t authentic;
	size_t with_data;
	size_t place[BATCH]; /* of each job in the input */
	uint64_t counter[BATCH];
	uint8_t nonce[BATCH][12];
	struct enn_aead_job job[BATCH];
};

/* As many of the next packets as have the same receiver; the fresh ones become jobs. */
static void gather(struct enn_wireguard *d, struct run *run, uint32_t receiver)
{
	const struct enn_wg_input *in = &d->input;

	for (size_t i = in->next; i < in->count && run->count < BATCH; i++, run->count++) {
		struct enn_packet *packet = &in->packets[i];
		struct enn_wg_transport m;
		if (enn_wg_classify(bytes_of(packet)) != ENN_WG_TRANSPORT) {
			break;
		}
		enn_wg_parse_transport(bytes_of(packet), &m);
		if (m.receiver != receiver) {
			break;
		}
		if (m.counter >= REJECT_AFTER_MESSAGES ||
		    !enn_replay_fresh(&run->kp->replay, m.counter)) {
			drop(d, packet);
			continue;
		}
		size_t k = run->jobs++;
		struct enn_writer w = enn_writer_of(run->nonce[k], sizeof(run->nonce[k]));
		enn_write_u32(&w, 0);
		enn_write_u64_le(&w, m.counter);
		run->place[k] = i;
		run->counter[k] = m.counter;
		run->job[k] = (struct enn_aead_job){
			.nonce = run->nonce[k],
			.in = m.sealed.data,
			.in_len = m.sealed.len,
			.out = packet->data + ENN_WG_TRANSPORT_HEADER,
		};
	}
}

/* Cryptokey routing (WP §2): the source must be the peer's. Most packets of a run have the source
 * of the one before. */
static bool source_is_allowed(const struct enn_wireguard *d, const struct enn_wg_peer *p,
			      const struct enn_inner *inner, struct enn_bytes *last)
{
	if (enn_bytes_equal(inner->source, *last)) {
		return true;
	}
	struct enn_prefix_owner *owner =
		inner->family == ENN_FAMILY_IPV4
			? enn_prefix_lookup4(&d->routes, inner->source.data)
			: enn_prefix_lookup6(&d->routes, inner->source.data);
	if (owner != &p->allowed) {
		return false;
	}
	*last = inner->source;
	return true;
}

/* What an authentic message holds. */
static void look_inside(struct enn_wireguard *d, struct run *run, size_t k, struct enn_bytes *last)
{
	struct enn_packet *packet = &d->input.packets[run->place[k]];
	struct enn_bytes text = {run->job[k].out, run->job[k].in_len - ENN_WG_TAG};
	struct enn_inner inner;

	if (text.len == 0) { /* a keepalive (WP §6.5) */
		packet->data = NULL;
		packet->len = 0;
		return;
	}
	run->with_data++;
	if (!enn_inner_parse(text, &inner) ||
	    !source_is_allowed(d, run->kp->index.peer, &inner, last)) {
		drop(d, packet);
		return;
	}
	if ((packet->ecn & ENN_ECN_MASK) == ENN_ECN_CE) {
		enn_inner_mark_congestion(run->job[k].out, &inner);
	}
	packet->data = run->job[k].out;
	packet->len = inner.len;
}

static void settle(struct enn_wireguard *d, struct run *run)
{
	struct enn_bytes last = {NULL, 0};

	for (size_t k = 0; k < run->jobs; k++) {
		struct enn_packet *packet = &d->input.packets[run->place[k]];
		if (run->job[k].status != ENN_OK ||
		    !enn_replay_accept(&run->kp->replay, run->counter[k])) {
			drop(d, packet);
			continue;
		}
		run->authentic++;
		run->kp->index.peer->received_bytes += packet->len;
		look_inside(d, run, k, &last);
	}
}

/* WP §6: what authentic messages mean for the session. */
static void note(struct enn_wg_peer *p, const struct run *run, enn_time now)
{
	if (enn_wg_keypair_confirm(p, run->kp)) {
		enn_wg_timers_handshake_complete(p, now);
		if (p->staged != NULL) {
			enn_wg_want(p, WANT_STAGED);
		}
	}
	enn_wg_seen_at(p);
	enn_wg_keep_fresh_received(p, now);
	enn_wg_timers_authenticated_received(p, now);
	if (run->with_data > 0) {
		enn_wg_timers_data_received(p, now);
	}
}

static void open_run(struct enn_wireguard *d, enn_time now, uint32_t receiver)
{
	struct enn_wg_input *in = &d->input;
	struct enn_wg_index *index = enn_wg_index_find(d, receiver);
	struct run run;

	if (index == NULL || index->keypair == NULL ||
	    now - index->keypair->born >= REJECT_AFTER_TIME) {
		drop(d, &in->packets[in->next++]);
		in->opened_next = in->next;
		return;
	}
	run.kp = index->keypair;
	run.count = run.jobs = run.authentic = run.with_data = 0;
	gather(d, &run, receiver);
	enn_aead_open_batch(run.kp->open, run.job, run.jobs);
	settle(d, &run);
	in->peer = index->peer->id;
	in->opened_next = in->next;
	in->next += run.count;
	if (run.authentic > 0) {
		note(index->peer, &run, now);
	}
}

/* ---- the input -------------------------------------------------------------------------------- */

static bool tell_opened(struct enn_wg_input *in, struct enn_event *event)
{
	while (in->opened_next < in->next) {
		const struct enn_packet *packet = &in->packets[in->opened_next++];
		if (packet->data != NULL) {
			event->type = ENN_EVENT_RECEIVED;
			event->peer = in->peer;
			event->u.received = (struct enn_message){
				.data = packet->data,
				.len = packet->len,
				.stream = in->peer,
			};
			return true;
		}
	}
	return false;
}

/* The next packet or run. */
static void work(struct enn_wireguard *d, enn_time now)
{
	struct enn_wg_input *in = &d->input;
	struct enn_packet *packet = &in->packets[in->next];
	struct enn_bytes message = bytes_of(packet);
	enum enn_wg_type type = enn_wg_classify(message);
	struct enn_wg_transport transport;

	if (type == ENN_WG_TRANSPORT) {
		enn_wg_parse_transport(message, &transport);
		open_run(d, now, transport.receiver);
		return;
	}
	in->next++;
	in->opened_next = in->next;
	switch (type) {
	case ENN_WG_INITIATION:
	case ENN_WG_RESPONSE:
		enn_wg_receive_handshake(d, now, type, message);
		break;
	case ENN_WG_COOKIE_REPLY:
		enn_wg_receive_cookie(d, now, message);
		break;
	case ENN_WG_TRANSPORT:
	case ENN_WG_NONE:
		d->packets_dropped++;
		break;
	}
}

bool enn_wg_next_packet(struct enn_wireguard *d, enn_time now, struct enn_event *event)
{
	struct enn_wg_input *in = &d->input;

	for (;;) {
		/* What the last run brought about is told before its data: keys before what they
		 * protect. */
		if (d->news != NULL) {
			return false;
		}
		if (tell_opened(in, event)) {
			return true;
		}
		if (in->next == in->count) {
			return false;
		}
		work(d, now);
	}
}
