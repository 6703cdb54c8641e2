/* SPDX-License-Identifier: Apache-2.0
 *
 * Two interfaces and the wire between them.
 */
#include "pair.h"

#include <stdlib.h>

static int seeded(void *ctx, uint8_t *out, size_t len)
{
	uint64_t *s = ctx;

	for (size_t i = 0; i < len; i++) {
		*s ^= *s << 13;
		*s ^= *s >> 7;
		*s ^= *s << 17;
		out[i] = (uint8_t)(*s >> 32);
	}
	return 0;
}

static void configure(struct pair *p, int i, const uint8_t *psk)
{
	struct side *s = &p->side[i];
	struct side *other = &p->side[1 - i];
	struct enn_wireguard_prefix allowed[2] = {
		{.ip = {10, 0, 0, (uint8_t)(2 - i)}, .family = ENN_FAMILY_IPV4, .bits = 32},
		{.ip = {0xfd}, .family = ENN_FAMILY_IPV6, .bits = 128},
	};
	allowed[1].ip[15] = (uint8_t)(2 - i);
	struct enn_wireguard_peer_change peer = {
		.flags = ENN_WIREGUARD_PEER_ENDPOINT,
		.endpoint = other->address,
		.allowed_ips = allowed,
		.allowed_ips_count = 2,
	};
	struct enn_wireguard_change change = {
		.set_private_key = true, .peers = &peer, .peer_count = 1};
	struct enn_error error;

	memcpy(peer.public_key, other->public_key, 32);
	if (psk != NULL) {
		peer.flags |= ENN_WIREGUARD_PEER_PSK;
		memcpy(peer.preshared_key, psk, 32);
	}
	memcpy(change.private_key, s->private_key, 32);
	assert_int_equal(enn_wireguard_configure(s->engine, p->now, &change, &error), ENN_OK);
}

void pair_open(struct pair *p, const uint8_t *psk)
{
	struct enn_error error;

	memset(p, 0, sizeof(*p));
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &p->crypto), ENN_OK);
	p->now = ENN_SECOND;
	for (int i = 0; i < 2; i++) {
		struct side *s = &p->side[i];
		s->seed = 0x9e3779b97f4a7c15u + (uint64_t)i;
		s->env = (struct enn_env){
			.crypto = p->crypto,
			.wall_offset = INT64_C(1700000000) * (int64_t)ENN_SECOND,
			.random = seeded,
			.random_ctx = &s->seed,
		};
		s->address = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(i + 1)},
						  .port = 51820,
						  .family = ENN_FAMILY_IPV4};
		assert_int_equal(enn_wireguard_generate_key(&s->env, s->private_key), ENN_OK);
		assert_int_equal(enn_wireguard_public_key(&s->env, s->private_key, s->public_key),
				 ENN_OK);
		assert_int_equal(enn_wireguard_new(&s->env, &s->engine, &error), ENN_OK);
	}
	for (int i = 0; i < 2; i++) {
		configure(p, i, psk);
		assert_int_equal(enn_engine_start(p->side[i].engine, p->now), ENN_OK);
	}
}

void pair_close(struct pair *p)
{
	enn_engine_free(p->side[0].engine);
	enn_engine_free(p->side[1].engine);
	enn_crypto_free(p->crypto);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void take_events(struct pair *p, struct side *s)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(s->engine, p->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			s->events.ready++;
			break;
		case ENN_EVENT_KEYS_UPDATED:
			s->events.keys++;
			break;
		case ENN_EVENT_PATH_CHANGED:
			s->events.path++;
			break;
		case ENN_EVENT_SENT:
			s->events.sent++;
			break;
		case ENN_EVENT_RECEIVED:
			assert_true(s->received < INBOX);
			s->inbox[s->received].len = event.u.received.len;
			memcpy(s->inbox[s->received].data, event.u.received.data,
			       event.u.received.len);
			s->received++;
			break;
		default:
			fail_msg("event %d", (int)event.type);
		}
	}
}

/* Takes a batch apart as UDP GSO does. */
static void put_on_wire(struct pair *p, int from, const struct enn_batch *batch)
{
	struct wire *w = &p->to[1 - from];

	assert_true(batch->segment_size > 0);
	for (size_t at = 0; at < batch->len; at += batch->segment_size) {
		size_t len = batch->len - at;
		len = len < batch->segment_size ? len : batch->segment_size;
		assert_true(w->count < WIRE_PACKETS && len <= WIRE_BYTES);
		struct wire_packet *packet = &w->packet[w->count];
		packet->path.remote = p->side[from].address;
		packet->path.local = batch->path.remote;
		packet->len = len;
		packet->ecn = batch->ecn;
		memcpy(packet->data, batch->buf + at, len);
		if (p->meddle == NULL || p->meddle(p, 1 - from, packet)) {
			w->count++;
		}
	}
}

void pair_run(struct pair *p, int side)
{
	static uint8_t buf[65536];
	struct side *s = &p->side[side];

	for (;;) {
		struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
		take_events(p, s);
		assert_int_equal(enn_engine_transmit(s->engine, p->now, &batch), ENN_OK);
		if (batch.len == 0) {
			break;
		}
		put_on_wire(p, side, &batch);
	}
	take_events(p, s);
}

static void deliver(struct pair *p, int to)
{
	struct wire *w = &p->to[to];
	size_t count = w->count;
	struct enn_packet packets[WIRE_PACKETS];

	for (size_t i = 0; i < count;) {
		size_t n = 0;
		struct enn_path path = w->packet[i].path;
		while (i + n < count && memcmp(&w->packet[i + n].path, &path, sizeof(path)) == 0) {
			struct wire_packet *x = &w->packet[i + n];
			packets[n++] =
				(struct enn_packet){.data = x->data, .len = x->len, .ecn = x->ecn};
		}
		assert_int_equal(enn_engine_ingest(p->side[to].engine, p->now, &path, packets, n),
				 ENN_OK);
		take_events(p, &p->side[to]);
		i += n;
	}
	w->count = 0;
	pair_run(p, to);
}

void pair_settle(struct pair *p)
{
	pair_run(p, 0);
	pair_run(p, 1);
	while (p->to[0].count + p->to[1].count > 0) {
		for (int i = 0; i < 2; i++) {
			if (p->to[i].count > 0) {
				deliver(p, i);
			}
		}
	}
}

void pair_until(struct pair *p, enn_time until)
{
	for (;;) {
		enn_time a = enn_engine_deadline(p->side[0].engine);
		enn_time b = enn_engine_deadline(p->side[1].engine);
		enn_time next = a < b ? a : b;
		if (next > until) {
			break;
		}
		p->now = next > p->now ? next : p->now;
		for (int i = 0; i < 2; i++) {
			if (enn_engine_deadline(p->side[i].engine) <= p->now) {
				enn_engine_expire(p->side[i].engine, p->now);
			}
		}
		pair_settle(p);
	}
	p->now = until;
}

/* ---- traffic --------------------------------------------------------------------------------- */

void pair_packet(const struct pair *p, int from, uint8_t *out, size_t len, uint32_t marker)
{
	(void)p;
	memset(out, 0x5a, len);
	out[0] = 0x45;
	out[1] = 0;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	const uint8_t addresses[8] = {10, 0, 0, (uint8_t)(from + 1), 10, 0, 0, (uint8_t)(2 - from)};
	memcpy(out + 12, addresses, sizeof(addresses));
	memcpy(out + 20, &marker, len >= 24 ? sizeof(marker) : 0);
}

enum enn_status pair_send(struct pair *p, int from, const uint8_t *packet, size_t len)
{
	struct enn_message message = {.data = packet, .len = len};

	return enn_engine_send(p->side[from].engine, p->now, &message);
}

void pair_expect_delivery(struct pair *p, int from, size_t len, uint32_t marker)
{
	uint8_t packet[WIRE_BYTES];
	struct side *to = &p->side[1 - from];
	size_t before = to->received;

	pair_packet(p, from, packet, len, marker);
	assert_int_equal(pair_send(p, from, packet, len), ENN_OK);
	pair_settle(p);
	assert_int_equal(to->received, before + 1);
	assert_int_equal(to->inbox[before].len, len);
	assert_memory_equal(to->inbox[before].data, packet, len);
}
