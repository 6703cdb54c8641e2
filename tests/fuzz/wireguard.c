/* SPDX-License-Identifier: Apache-2.0 */
#include "wireguard.h"

#include <string.h>

#include "ennead/protocol.h"

#define HEAD	   20u /* IPv4 */
#define MAX_ROUNDS 400u
#define MAX_EXPIRE 4000u

/* ---- life ----------------------------------------------------------------------------------- */

void fuzz_wg_configure(struct fuzz_wg *w, unsigned side, const struct enn_wireguard_change *change)
{
	struct enn_error error;

	FUZZ_ASSERT(enn_wireguard_configure(w->side[side].engine, w->now, change, &error) ==
		    ENN_OK);
}

struct enn_wireguard_change fuzz_wg_peer(const struct fuzz_wg *w, unsigned side,
					 struct enn_wireguard_peer_change *peer,
					 struct enn_wireguard_prefix prefix[2])
{
	const struct fuzz_wg_side *other = &w->side[!side];

	prefix[0] = (struct enn_wireguard_prefix){
		.ip = {10, 0, 0, (uint8_t)(2 - side)}, .family = ENN_FAMILY_IPV4, .bits = 32};
	prefix[1] = (struct enn_wireguard_prefix){
		.ip = {0xfd, 0, (uint8_t)(2 - side)}, .family = ENN_FAMILY_IPV6, .bits = 48};
	*peer = (struct enn_wireguard_peer_change){
		.flags = ENN_WIREGUARD_PEER_REPLACE_IPS | ENN_WIREGUARD_PEER_ENDPOINT,
		.endpoint = other->address,
		.allowed_ips = prefix,
		.allowed_ips_count = 2,
	};
	memcpy(peer->public_key, other->public_key, sizeof(peer->public_key));
	return (struct enn_wireguard_change){.peers = peer, .peer_count = 1};
}

static void make(struct fuzz_wg *w, unsigned side)
{
	struct fuzz_wg_side *s = &w->side[side];
	struct enn_wireguard_prefix prefix[2];
	struct enn_wireguard_peer_change peer;
	struct enn_wireguard_change change = fuzz_wg_peer(w, side, &peer, prefix);
	struct enn_error error;

	change.set_private_key = true;
	memcpy(change.private_key, s->private_key, sizeof(change.private_key));
	FUZZ_ASSERT(enn_wireguard_new(fuzz_env(), &s->engine, &error) == ENN_OK);
	fuzz_wg_configure(w, side, &change);
	FUZZ_ASSERT(enn_engine_start(s->engine, w->now) == ENN_OK);
}

void fuzz_wg_open(struct fuzz_wg *w)
{
	static uint8_t keys[2][2][ENN_WIREGUARD_KEY]; /* the same for every input */

	memset(w, 0, sizeof(*w));
	w->now = 1000 * ENN_SECOND;
	for (unsigned i = 0; i < 2; i++) {
		if (keys[i][0][31] == 0) {
			FUZZ_ASSERT(enn_wireguard_generate_key(fuzz_env(), keys[i][0]) == ENN_OK &&
				    enn_wireguard_public_key(fuzz_env(), keys[i][0], keys[i][1]) ==
					    ENN_OK);
		}
		memcpy(w->side[i].private_key, keys[i][0], ENN_WIREGUARD_KEY);
		memcpy(w->side[i].public_key, keys[i][1], ENN_WIREGUARD_KEY);
		w->side[i].address = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(1 + i)},
							  .port = 51820,
							  .family = ENN_FAMILY_IPV4};
	}
	fuzz_env_reset();
	make(w, 0);
	make(w, 1);
}

static void give_back(struct fuzz_wg_side *s)
{
	free(s->held);
	s->held = NULL;
}

void fuzz_wg_close(struct fuzz_wg *w)
{
	for (unsigned i = 0; i < 2; i++) {
		enn_engine_free(w->side[i].engine);
		give_back(&w->side[i]);
	}
}

void fuzz_wg_restart(struct fuzz_wg *w, unsigned side)
{
	enn_engine_free(w->side[side].engine);
	give_back(&w->side[side]);
	make(w, side);
}

/* ---- inner packets ---------------------------------------------------------------------------- */

/* 10.0.0.1 or .2 to the other, with the message's number and bytes that follow from it. */
static void compose(uint8_t *out, unsigned from, size_t number, size_t len)
{
	memset(out, (int)(number * 7 + 1) & 0xff, len);
	memset(out, 0, HEAD);
	out[0] = 0x45;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	memcpy(out + 12, (uint8_t[]){10, 0, 0, (uint8_t)(1 + from)}, 4);
	memcpy(out + 16, (uint8_t[]){10, 0, 0, (uint8_t)(2 - from)}, 4);
	out[HEAD] = (uint8_t)(number >> 8);
	out[HEAD + 1] = (uint8_t)number;
}

bool fuzz_wg_send(struct fuzz_wg *w, unsigned from, size_t len)
{
	uint8_t packet[FUZZ_WG_PACKET];
	struct enn_message m = {.data = packet, .len = len};

	if (w->messages == FUZZ_WG_MESSAGES || len < 48 || len > 2000) {
		return false;
	}
	compose(packet, from, w->messages, len);
	enum enn_status status = enn_engine_send(w->side[from].engine, w->now, &m);
	FUZZ_ASSERT(status == ENN_OK || status == ENN_E_NOT_FOUND || status == ENN_E_STATE ||
		    status == ENN_E_AGAIN);
	if (status == ENN_OK) {
		w->message[w->messages].from = (uint8_t)from;
		w->message[w->messages++].len = (uint16_t)len;
		fuzz_wg_pump(w, from); /* the packet is lent until then */
	}
	return status == ENN_OK;
}

/* What comes out was sent by the other one, once, and is unchanged. */
static void received(struct fuzz_wg *w, unsigned side, const struct enn_message *m)
{
	uint8_t wanted[FUZZ_WG_PACKET];

	FUZZ_ASSERT(m->len > HEAD + 2);
	size_t number = (size_t)m->data[HEAD] << 8 | m->data[HEAD + 1];
	FUZZ_ASSERT(number < w->messages && w->message[number].from == !side &&
		    w->message[number].len == m->len && !w->message[number].delivered);
	w->message[number].delivered = true;
	compose(wanted, !side, number, m->len);
	FUZZ_ASSERT(memcmp(wanted, m->data, m->len) == 0);
}

/* ---- the loop --------------------------------------------------------------------------------- */

static bool take_events(struct fuzz_wg *w, unsigned side)
{
	struct fuzz_wg_side *s = &w->side[side];
	struct enn_event event;
	bool any = false;

	for (;;) {
		enn_engine_next_event(s->engine, w->now, &event);
		if (event.type == ENN_EVENT_NONE) {
			give_back(s);
			return any;
		}
		any = true;
		FUZZ_ASSERT(event.type != ENN_EVENT_FAILED);
		if (event.type == ENN_EVENT_RECEIVED) {
			received(w, side, &event.u.received);
		}
	}
}

static void put_batch(struct fuzz_wg *w, unsigned side, const struct enn_batch *batch)
{
	struct fuzz_wg_packet packet = {
		.to = !side,
		.path = {.local = batch->path.remote, .remote = w->side[side].address}};

	FUZZ_ASSERT(batch->segment_size > 0 && batch->segment_size <= batch->len);
	for (size_t at = 0; at < batch->len; at += batch->segment_size) {
		packet.len = batch->len - at < batch->segment_size ? batch->len - at
								   : batch->segment_size;
		FUZZ_ASSERT(packet.len <= sizeof(packet.data));
		memcpy(packet.data, batch->buf + at, packet.len);
		w->side[side].out_bytes += packet.len;
		if (w->tap != NULL) {
			w->tap(w, &packet);
		}
		fuzz_wg_put(w, &packet);
	}
}

static bool transmit(struct fuzz_wg *w, unsigned side)
{
	uint8_t buf[8192];
	bool any = false;

	for (;;) {
		struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
		FUZZ_ASSERT(enn_engine_transmit(w->side[side].engine, w->now, &batch) == ENN_OK &&
			    batch.len <= sizeof(buf));
		if (batch.len == 0) {
			return any;
		}
		any = true;
		put_batch(w, side, &batch);
	}
}

void fuzz_wg_pump(struct fuzz_wg *w, unsigned side)
{
	bool any;

	do {
		any = take_events(w, side);
		any = transmit(w, side) || any;
	} while (any);
}

/* ---- the wire --------------------------------------------------------------------------------- */

void fuzz_wg_put(struct fuzz_wg *w, const struct fuzz_wg_packet *packet)
{
	if (w->count < FUZZ_WG_WIRE) {
		w->wire[w->count++] = *packet;
	}
}

void fuzz_wg_take(struct fuzz_wg *w, size_t place, struct fuzz_wg_packet *out)
{
	*out = w->wire[place];
	memmove(&w->wire[place], &w->wire[place + 1], (--w->count - place) * sizeof(w->wire[0]));
}

void fuzz_wg_lend(struct fuzz_wg *w, unsigned side, const struct fuzz_wg_packet *packets,
		  size_t count)
{
	struct fuzz_wg_side *s = &w->side[side];

	if (s->held != NULL) {
		fuzz_wg_pump(w, side);
	}
	count = count < 8 ? count : 8;
	s->held = malloc(count * sizeof(*packets));
	FUZZ_ASSERT(s->held != NULL);
	memcpy(s->held, packets, count * sizeof(*packets));
	s->held_path = packets[0].path;
	for (size_t i = 0; i < count; i++) {
		s->packets[i] = (struct enn_packet){.data = s->held[i].data,
						    .len = packets[i].len,
						    .ecn = (uint8_t)(packets[i].len & 3)};
	}
	FUZZ_ASSERT(enn_engine_ingest(s->engine, w->now, &s->held_path, s->packets, count) ==
		    ENN_OK);
}

void fuzz_wg_deliver(struct fuzz_wg *w)
{
	struct fuzz_wg_packet packet;

	if (w->count > 0) {
		fuzz_wg_take(w, 0, &packet);
		fuzz_wg_lend(w, packet.to, &packet, 1);
		fuzz_wg_pump(w, packet.to);
	}
}

void fuzz_wg_settle(struct fuzz_wg *w)
{
	fuzz_wg_pump(w, 0);
	fuzz_wg_pump(w, 1);
	for (unsigned i = 0; i < MAX_ROUNDS && w->count > 0; i++) {
		fuzz_wg_deliver(w);
	}
}

/* ---- time ------------------------------------------------------------------------------------- */

void fuzz_wg_wait(struct fuzz_wg *w, enn_time time)
{
	enn_time end = w->now + time;

	for (unsigned i = 0; i < MAX_EXPIRE; i++) {
		enn_time first = end;
		unsigned who = 2;
		for (unsigned side = 0; side < 2; side++) {
			enn_time due = enn_engine_deadline(w->side[side].engine);
			who = due < first ? side : who;
			first = due < first ? due : first;
		}
		w->now = first > w->now ? first : w->now;
		if (who == 2) {
			return;
		}
		enn_engine_expire(w->side[who].engine, w->now);
		FUZZ_ASSERT(enn_engine_deadline(w->side[who].engine) > w->now);
		fuzz_wg_pump(w, who);
	}
}
