/* SPDX-License-Identifier: Apache-2.0
 *
 * Ennead's WireGuard engines, two in one thread with memory between them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ennead/wireguard.h"
#include "wireguard.h"

#define BUFFER	    65536u
#define BATCHES	    4u		       /* a burst takes two */
#define OLD	    (125 * ENN_SECOND) /* past the time after which the initiator renews */
#define START	    (1000 * ENN_SECOND)
#define WALL_OFFSET (INT64_C(1750000000) * (int64_t)ENN_SECOND)

struct wg_ours {
	struct enn_env env;
	struct enn_engine *engine[2];
	struct enn_address address[2];
	enn_time now;
	size_t received;
	size_t ready; /* handshakes that either side has reported */
	uint8_t packet[WG_BURST][WG_PACKET];
	uint8_t buffer[BATCHES][BUFFER];
};

/* ---- driving ---------------------------------------------------------------------------------- */

static void take_events(struct wg_ours *o, int side)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(o->engine[side], o->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:
			o->received++;
			break;
		case ENN_EVENT_READY:
		case ENN_EVENT_KEYS_UPDATED:
			o->ready++;
			break;
		case ENN_EVENT_FAILED:
			bench_die("an engine failed");
		default:
			break;
		}
	}
}

/* What a UDP socket with GRO would hand over. */
static void deliver(struct wg_ours *o, int to, const struct enn_batch *batch)
{
	const struct enn_path path = {.local = o->address[to], .remote = o->address[1 - to]};
	struct enn_packet packets[WG_BURST];
	size_t count = 0;

	for (size_t at = 0; at < batch->len; at += batch->segment_size) {
		size_t left = batch->len - at;
		packets[count++] = (struct enn_packet){
			.data = batch->buf + at,
			.len = left < batch->segment_size ? left : batch->segment_size,
			.ecn = batch->ecn,
		};
	}
	BENCH_NEED(enn_engine_ingest(o->engine[to], o->now, &path, packets, count) == ENN_OK);
	take_events(o, to);
}

/* Moves what one side has to send. False: it had nothing. */
static bool move(struct wg_ours *o, int from)
{
	struct enn_batch batch[BATCHES];
	size_t count = 0;

	for (; count < BATCHES; count++) {
		batch[count] = (struct enn_batch){.buf = o->buffer[count], .cap = BUFFER};
		BENCH_NEED(enn_engine_transmit(o->engine[from], o->now, &batch[count]) == ENN_OK);
		if (batch[count].len == 0) {
			break;
		}
	}
	take_events(o, from);
	for (size_t i = 0; i < count; i++) {
		deliver(o, 1 - from, &batch[i]);
	}
	return count > 0;
}

static void settle(struct wg_ours *o)
{
	bool moved;

	do {
		moved = move(o, 0);
		moved = move(o, 1) || moved;
	} while (moved);
}

/* ---- the work ---------------------------------------------------------------------------------- */

static void send_packet(struct wg_ours *o, size_t i)
{
	const struct enn_message message = {.data = o->packet[i], .len = WG_PACKET};
	BENCH_NEED(enn_engine_send(o->engine[0], o->now, &message) == ENN_OK);
}

void wg_ours_transport(void *ctx, size_t n)
{
	struct wg_ours *o = ctx;
	size_t before = o->received;

	for (size_t done = 0; done < n;) {
		size_t count = n - done < WG_BURST ? n - done : WG_BURST;
		for (size_t i = 0; i < count; i++) {
			send_packet(o, i);
		}
		BENCH_NEED(move(o, 0));
		done += count;
		o->now += count * 100; /* or the session would never be used at a later time */
		if (enn_engine_deadline(o->engine[0]) <= o->now) {
			enn_engine_expire(o->engine[0], o->now);
			settle(o);
		}
		if (enn_engine_deadline(o->engine[1]) <= o->now) {
			enn_engine_expire(o->engine[1], o->now);
			settle(o);
		}
	}
	BENCH_NEED(o->received - before >= n);
}

void wg_ours_handshakes(void *ctx, size_t n)
{
	struct wg_ours *o = ctx;

	for (size_t i = 0; i < n; i++) {
		size_t before = o->ready;
		o->now += OLD;
		for (int side = 0; side < 2; side++) {
			if (enn_engine_deadline(o->engine[side]) <= o->now) {
				enn_engine_expire(o->engine[side], o->now);
			}
		}
		send_packet(o, 0);
		settle(o);
		BENCH_NEED(o->ready >= before + 2); /* both sides have the new session */
	}
}

/* ---- life -------------------------------------------------------------------------------------- */

static struct enn_wireguard_prefix prefix4(uint32_t number)
{
	struct enn_wireguard_prefix p = {.family = ENN_FAMILY_IPV4, .bits = 32};
	const uint8_t ip[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
			       (uint8_t)number};
	memcpy(p.ip, ip, sizeof(ip));
	return p;
}

static struct enn_wireguard_prefix prefix6(uint32_t number)
{
	struct enn_wireguard_prefix p = {.family = ENN_FAMILY_IPV6, .bits = 128};
	const uint8_t ip[16] = {0xfd, [12] = (uint8_t)(number >> 24), (uint8_t)(number >> 16),
				(uint8_t)(number >> 8), (uint8_t)number};
	memcpy(p.ip, ip, sizeof(ip));
	return p;
}

/* An IPv4 packet with a UDP header, from the inner address of side 0 to that of side 1. */
static void make_packet(uint8_t *out)
{
	static const uint8_t head[28] = {0x45,
					 0,
					 WG_PACKET >> 8,
					 WG_PACKET & 0xff,
					 0,
					 0,
					 0x40,
					 0,
					 64,
					 17,
					 0,
					 0,
					 10,
					 0,
					 0,
					 1,
					 10,
					 0,
					 0,
					 2,
					 0x1f,
					 64,
					 0x1f,
					 65,
					 (WG_PACKET - 20) >> 8,
					 (WG_PACKET - 20) & 0xff,
					 0,
					 0};

	memset(out, 0x5a, WG_PACKET);
	memcpy(out, head, sizeof(head));
}

static void configure(struct wg_ours *o, uint8_t private_key[2][ENN_WIREGUARD_KEY], int side)
{
	const struct enn_wireguard_prefix allowed[2] = {prefix4((uint32_t)(2 - side)),
							prefix6((uint32_t)(2 - side))};
	struct enn_wireguard_peer_change peer = {
		.flags = ENN_WIREGUARD_PEER_ENDPOINT,
		.endpoint = o->address[1 - side],
		.allowed_ips = allowed,
		.allowed_ips_count = 2,
	};
	struct enn_wireguard_change change = {.set_private_key = true,
					      .set_mtu = true,
					      .mtu = 1420,
					      .peers = &peer,
					      .peer_count = 1};

	BENCH_NEED(enn_wireguard_public_key(&o->env, private_key[1 - side], peer.public_key) ==
		   ENN_OK);
	memcpy(change.private_key, private_key[side], ENN_WIREGUARD_KEY);
	BENCH_NEED(enn_wireguard_configure(o->engine[side], o->now, &change, NULL) == ENN_OK);
	BENCH_NEED(enn_engine_start(o->engine[side], o->now) == ENN_OK);
}

struct wg_ours *wg_ours_new(void)
{
	struct wg_ours *o = calloc(1, sizeof(*o));
	uint8_t private_key[2][ENN_WIREGUARD_KEY];

	BENCH_NEED(o != NULL);
	BENCH_NEED(enn_crypto_new(ENN_CRYPTO_AUTO, &o->env.crypto) == ENN_OK);
	o->env.wall_offset = WALL_OFFSET;
	o->now = START;
	for (int side = 0; side < 2; side++) {
		o->address[side] = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(side + 1)},
							.port = 51820,
							.family = ENN_FAMILY_IPV4};
		BENCH_NEED(enn_wireguard_generate_key(&o->env, private_key[side]) == ENN_OK);
		BENCH_NEED(enn_wireguard_new(&o->env, &o->engine[side], NULL) == ENN_OK);
	}
	for (int side = 0; side < 2; side++) {
		configure(o, private_key, side);
	}
	for (size_t i = 0; i < WG_BURST; i++) {
		make_packet(o->packet[i]);
	}
	send_packet(o, 0);
	settle(o);
	BENCH_NEED(o->received == 1);
	return o;
}

void wg_ours_free(struct wg_ours *o)
{
	enn_engine_free(o->engine[0]);
	enn_engine_free(o->engine[1]);
	enn_crypto_free(o->env.crypto);
	free(o);
}

const char *wg_ours_describe(const struct wg_ours *o)
{
	return enn_crypto_describe(o->env.crypto);
}

/* ---- many peers --------------------------------------------------------------------------------- */

static struct enn_wireguard_peer_change *make_peers(size_t count)
{
	struct enn_wireguard_peer_change *peers = calloc(count, sizeof(*peers));
	struct enn_wireguard_prefix *allowed = calloc(2 * count, sizeof(*allowed));

	BENCH_NEED(peers != NULL && allowed != NULL);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = (uint32_t)i + 1;
		allowed[2 * i] = prefix4(number);
		allowed[2 * i + 1] = prefix6(number);
		peers[i] = (struct enn_wireguard_peer_change){
			.flags = ENN_WIREGUARD_PEER_ENDPOINT,
			.endpoint = {.ip = {198, 18, (uint8_t)(number >> 8), (uint8_t)number},
				     .port = (uint16_t)(1024 + number % 50000),
				     .family = ENN_FAMILY_IPV4},
			.allowed_ips = &allowed[2 * i],
			.allowed_ips_count = 2,
		};
		BENCH_NEED(getrandom(peers[i].public_key, ENN_WIREGUARD_KEY, 0) ==
			   ENN_WIREGUARD_KEY);
	}
	return peers;
}

struct wg_load wg_ours_load(size_t count)
{
	struct enn_wireguard_peer_change *peers = make_peers(count);
	struct enn_wireguard_change change = {.set_private_key = true};
	struct bench_heap heap = {.calls = 0};
	struct enn_env env = {.wall_offset = WALL_OFFSET};
	struct enn_engine *engine;

	BENCH_NEED(enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK);
	BENCH_NEED(enn_wireguard_generate_key(&env, change.private_key) == ENN_OK);
	BENCH_NEED(enn_wireguard_new(&env, &engine, NULL) == ENN_OK);
	BENCH_NEED(enn_wireguard_configure(engine, START, &change, NULL) == ENN_OK);
	BENCH_NEED(enn_engine_start(engine, START) == ENN_OK);

	change.set_private_key = false;
	change.peers = peers;
	change.peer_count = count;
	double begin = bench_seconds();
	bench_heap_count(&heap);
	BENCH_NEED(enn_wireguard_configure(engine, START, &change, NULL) == ENN_OK);
	bench_heap_count(NULL);
	struct wg_load load = {.bytes = (double)heap.bytes / (double)count,
			       .seconds = bench_seconds() - begin};

	struct enn_wireguard_info info;
	enn_wireguard_info(engine, &info);
	BENCH_NEED(info.peer_count == count);
	enn_engine_free(engine);
	enn_crypto_free(env.crypto);
	free((void *)(uintptr_t)peers[0].allowed_ips);
	free(peers);
	return load;
}
