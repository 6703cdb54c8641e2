/* SPDX-License-Identifier: Apache-2.0
 *
 * A WireGuard session from its first packet to its last (WP §5, §6).
 */
#include "pair.h"

static struct pair p;

static int close_pair(void **state)
{
	(void)state;
	pair_close(&p);
	memset(&p, 0, sizeof(p));
	return 0;
}

static size_t seen[5]; /* messages on the wire by type */

static bool count_types(struct pair *pair, int to, struct wire_packet *packet)
{
	(void)pair;
	(void)to;
	seen[packet->data[0] < 5 ? packet->data[0] : 0]++;
	return true;
}

static void start_counting(void)
{
	memset(seen, 0, sizeof(seen));
	p.meddle = count_types;
}

/* ---- handshake -------------------------------------------------------------------------------- */

static void first_packet_starts_a_handshake(void **state)
{
	(void)state;
	pair_open(&p, NULL);
	start_counting();
	pair_expect_delivery(&p, 0, 100, 1);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 1);
	assert_int_equal(seen[4], 1);
	assert_int_equal(p.side[0].events.ready, 1);
	assert_int_equal(p.side[1].events.ready, 1);
	assert_int_equal(p.side[0].events.sent, 1);
	pair_expect_delivery(&p, 1, 1420, 2);
	pair_expect_delivery(&p, 0, 20, 3);
	assert_int_equal(seen[1], 1);
}

static void preshared_key_must_agree(void **state)
{
	uint8_t psk[32] = {1, 2, 3};
	uint8_t packet[64];
	(void)state;

	pair_open(&p, psk);
	pair_expect_delivery(&p, 0, 100, 1);
	pair_close(&p);
	pair_open(&p, psk);
	struct enn_wireguard_peer_change change = {.flags = ENN_WIREGUARD_PEER_PSK,
						   .preshared_key = {9}};
	struct enn_wireguard_change whole = {.peers = &change, .peer_count = 1};
	memcpy(change.public_key, p.side[0].public_key, 32);
	assert_int_equal(enn_wireguard_configure(p.side[1].engine, p.now, &whole, NULL), ENN_OK);
	pair_packet(&p, 0, packet, sizeof(packet), 1);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_settle(&p);
	assert_int_equal(p.side[1].received, 0);
	assert_int_equal(p.side[0].events.ready, 0);
}

static void both_may_begin_at_once(void **state)
{
	uint8_t a[64], b[64];
	(void)state;

	pair_open(&p, NULL);
	pair_packet(&p, 0, a, sizeof(a), 1);
	pair_packet(&p, 1, b, sizeof(b), 2);
	assert_int_equal(pair_send(&p, 0, a, sizeof(a)), ENN_OK);
	assert_int_equal(pair_send(&p, 1, b, sizeof(b)), ENN_OK);
	pair_settle(&p);
	pair_until(&p, p.now + 20 * ENN_SECOND);
	assert_int_equal(p.side[0].received, 1);
	assert_int_equal(p.side[1].received, 1);
	pair_expect_delivery(&p, 0, 100, 3);
	pair_expect_delivery(&p, 1, 100, 4);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void keys_are_renewed_after_120_seconds(void **state)
{
	(void)state;
	pair_open(&p, NULL);
	start_counting();
	for (uint32_t i = 0; i < 300; i++) {
		pair_expect_delivery(&p, (int)(i & 1), 100, i);
		pair_until(&p, p.now + ENN_SECOND);
	}
	assert_in_range(seen[1], 3, 4);
	assert_int_equal(seen[1], seen[2]);
	assert_int_equal(p.side[0].events.ready, 1);
}

static void a_silent_peer_is_asked_after_15_seconds(void **state)
{
	uint8_t packet[64];
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	start_counting();
	/* Data in one direction: the other side sends a keepalive after 10 seconds. */
	pair_until(&p, p.now + 11 * ENN_SECOND);
	assert_int_equal(seen[4], 1);
	pair_until(&p, p.now + 100 * ENN_SECOND);
	assert_int_equal(seen[4], 1);
	assert_int_equal(seen[1], 0);
	pair_packet(&p, 0, packet, sizeof(packet), 1);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_run(&p, 0);
	p.to[1].count = 0; /* lost */
	pair_until(&p, p.now + 16 * ENN_SECOND);
	assert_int_equal(seen[1], 1);
}

static bool lose_all(struct pair *pair, int to, struct wire_packet *packet)
{
	(void)count_types(pair, to, packet);
	return false;
}

static void an_attempt_ends_after_90_seconds(void **state)
{
	uint8_t packet[64];
	(void)state;

	pair_open(&p, NULL);
	start_counting();
	p.meddle = lose_all;
	pair_packet(&p, 0, packet, sizeof(packet), 1);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_settle(&p);
	pair_until(&p, p.now + 300 * ENN_SECOND);
	assert_in_range(seen[1], 17, 19);
	/* What waited was given up: it does not come when the peer can be reached again. */
	p.meddle = count_types;
	pair_until(&p, p.now + 30 * ENN_SECOND);
	assert_int_equal(p.side[1].received, 0);
	pair_expect_delivery(&p, 0, 100, 2);
}

static void keys_are_gone_after_540_seconds(void **state)
{
	struct enn_wireguard_peer_info info;
	uint64_t cursor = 0;
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	assert_true(enn_wireguard_next_peer(p.side[0].engine, &cursor, &info));
	assert_true(info.has_session);
	assert_int_equal(info.last_handshake, p.side[0].env.wall_offset + (int64_t)ENN_SECOND);
	pair_until(&p, p.now + 541 * ENN_SECOND);
	assert_true(enn_wireguard_find_peer(p.side[0].engine, p.side[1].public_key, &info));
	assert_false(info.has_session);
	assert_int_equal(enn_engine_deadline(p.side[0].engine), ENN_TIME_NEVER);
	pair_expect_delivery(&p, 1, 100, 2);
}

static void persistent_keepalive_keeps_its_pace(void **state)
{
	struct enn_wireguard_peer_change change = {.flags = ENN_WIREGUARD_PEER_KEEPALIVE,
						   .persistent_keepalive = 25};
	struct enn_wireguard_change whole = {.peers = &change, .peer_count = 1};
	(void)state;

	pair_open(&p, NULL);
	start_counting();
	memcpy(change.public_key, p.side[1].public_key, 32);
	assert_int_equal(enn_wireguard_configure(p.side[0].engine, p.now, &whole, NULL), ENN_OK);
	pair_until(&p, p.now + 110 * ENN_SECOND);
	assert_int_equal(seen[1], 1);
	assert_in_range(seen[4], 5, 6); /* one confirms the keys */
}

/* ---- attacks ---------------------------------------------------------------------------------- */

static void a_replayed_packet_is_dropped(void **state)
{
	uint8_t packet[100];
	struct wire_packet copy;
	struct enn_wireguard_info info;
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	pair_packet(&p, 0, packet, sizeof(packet), 2);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_run(&p, 0);
	assert_int_equal(p.to[1].count, 1);
	copy = p.to[1].packet[0];
	pair_settle(&p);
	size_t before = p.side[1].received;
	p.to[1].packet[0] = copy;
	p.to[1].count = 1;
	pair_settle(&p);
	assert_int_equal(p.side[1].received, before);
	enn_wireguard_info(p.side[1].engine, &info);
	assert_int_equal(info.packets_dropped, 1);
}

static void a_replayed_initiation_is_dropped(void **state)
{
	uint8_t packet[100];
	struct wire_packet copy;
	(void)state;

	pair_open(&p, NULL);
	pair_packet(&p, 0, packet, sizeof(packet), 2);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_run(&p, 0);
	copy = p.to[1].packet[0];
	pair_settle(&p);
	start_counting();
	pair_until(&p, p.now + ENN_SECOND);
	p.to[1].packet[0] = copy;
	p.to[1].count = 1;
	pair_settle(&p);
	assert_int_equal(seen[2], 0);
}

static void every_flipped_bit_is_noticed(void **state)
{
	uint8_t packet[64];
	struct wire_packet copy;
	(void)state;

	pair_open(&p, NULL);
	pair_packet(&p, 0, packet, sizeof(packet), 2);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_run(&p, 0);
	copy = p.to[1].packet[0];
	start_counting();
	for (size_t bit = 0; bit < 8 * (copy.len - 16); bit++) {
		p.to[1].packet[0] = copy;
		p.to[1].packet[0].data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		p.to[1].count = 1;
		pair_settle(&p);
	}
	assert_int_equal(seen[2], 0);
	assert_int_equal(p.side[1].received, 0);
}

static void the_source_must_be_allowed(void **state)
{
	uint8_t packet[100];
	(void)state;

	pair_open(&p, NULL);
	pair_packet(&p, 0, packet, sizeof(packet), 1);
	packet[15] = 77;
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_settle(&p);
	assert_int_equal(p.side[1].received, 0);
	assert_int_equal(p.side[1].events.ready, 1);
	packet[19] = 77;
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_E_NOT_FOUND);
	packet[0] = 0x15;
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_E_ARGUMENT);
}

/* ---- cookies ---------------------------------------------------------------------------------- */

static void under_load_a_cookie_is_asked_for(void **state)
{
	struct enn_wireguard_change load = {.set_under_load = true, .under_load = true};
	uint8_t packet[100];
	(void)state;

	pair_open(&p, NULL);
	start_counting();
	assert_int_equal(enn_wireguard_configure(p.side[1].engine, p.now, &load, NULL), ENN_OK);
	pair_packet(&p, 0, packet, sizeof(packet), 1);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_settle(&p);
	assert_int_equal(seen[3], 1);
	assert_int_equal(seen[2], 0);
	pair_until(&p, p.now + 6 * ENN_SECOND);
	assert_int_equal(seen[1], 2);
	assert_int_equal(seen[2], 1);
	assert_int_equal(p.side[1].received, 1);
	/* Both directions: the response needs one too. */
	pair_until(&p, p.now + 600 * ENN_SECOND);
	assert_int_equal(enn_wireguard_configure(p.side[0].engine, p.now, &load, NULL), ENN_OK);
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_settle(&p);
	pair_until(&p, p.now + 20 * ENN_SECOND);
	assert_int_equal(p.side[1].received, 2);
}

/* ---- roaming ---------------------------------------------------------------------------------- */

static void a_peer_may_move(void **state)
{
	struct enn_wireguard_peer_info info;
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	unsigned before = p.side[1].events.path;
	p.side[0].address.ip[3] = 99;
	p.side[0].address.port = 4242;
	pair_expect_delivery(&p, 0, 100, 2);
	assert_int_equal(p.side[1].events.path, before + 1);
	assert_true(enn_wireguard_find_peer(p.side[1].engine, p.side[0].public_key, &info));
	assert_int_equal(info.path.remote.port, 4242);
	pair_expect_delivery(&p, 1, 100, 3);
}

static void batches_have_equal_segments(void **state)
{
	static uint8_t packets[100][1420];
	static uint8_t buf[65536];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	for (uint32_t i = 0; i < 100; i++) {
		size_t len = i == 29 ? 700 : sizeof(packets[i]);
		pair_packet(&p, 0, packets[i], len, i);
		assert_int_equal(pair_send(&p, 0, packets[i], len), ENN_OK);
	}
	assert_int_equal(enn_engine_transmit(p.side[0].engine, p.now, &batch), ENN_OK);
	assert_int_equal(batch.segment_size, 1420 + 32);
	assert_int_equal(batch.len, 29 * 1452 + 704 + 32);
	batch = (struct enn_batch){.buf = buf, .cap = sizeof(buf)};
	assert_int_equal(enn_engine_transmit(p.side[0].engine, p.now, &batch), ENN_OK);
	assert_int_equal(batch.len, 45 * 1452);
	assert_int_equal(batch.path.remote.port, 51820);
}

static void congestion_is_told_inside(void **state)
{
	uint8_t packet[100];
	(void)state;

	pair_open(&p, NULL);
	pair_expect_delivery(&p, 0, 100, 1);
	pair_packet(&p, 0, packet, sizeof(packet), 2);
	packet[1] = 2; /* ECT(0) */
	assert_int_equal(pair_send(&p, 0, packet, sizeof(packet)), ENN_OK);
	pair_run(&p, 0);
	assert_int_equal(p.to[1].packet[0].ecn, 2);
	p.to[1].packet[0].ecn = 3;
	pair_settle(&p);
	assert_int_equal(p.side[1].inbox[1].data[1], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(first_packet_starts_a_handshake, close_pair),
		cmocka_unit_test_teardown(preshared_key_must_agree, close_pair),
		cmocka_unit_test_teardown(both_may_begin_at_once, close_pair),
		cmocka_unit_test_teardown(keys_are_renewed_after_120_seconds, close_pair),
		cmocka_unit_test_teardown(a_silent_peer_is_asked_after_15_seconds, close_pair),
		cmocka_unit_test_teardown(an_attempt_ends_after_90_seconds, close_pair),
		cmocka_unit_test_teardown(keys_are_gone_after_540_seconds, close_pair),
		cmocka_unit_test_teardown(persistent_keepalive_keeps_its_pace, close_pair),
		cmocka_unit_test_teardown(a_replayed_packet_is_dropped, close_pair),
		cmocka_unit_test_teardown(a_replayed_initiation_is_dropped, close_pair),
		cmocka_unit_test_teardown(every_flipped_bit_is_noticed, close_pair),
		cmocka_unit_test_teardown(the_source_must_be_allowed, close_pair),
		cmocka_unit_test_teardown(under_load_a_cookie_is_asked_for, close_pair),
		cmocka_unit_test_teardown(a_peer_may_move, close_pair),
		cmocka_unit_test_teardown(batches_have_equal_segments, close_pair),
		cmocka_unit_test_teardown(congestion_is_told_inside, close_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
