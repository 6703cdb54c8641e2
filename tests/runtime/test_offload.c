/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting and joining: one undoes the other, everything that comes out is valid, and what lies is
 * refused or left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "packets.h"

#define RUNS 1000

static uint8_t large[PACKET_MAX];
static uint8_t again[PACKET_MAX];
static uint8_t pieces[PACKET_MAX * 4];
static struct enn_join join;

/* ---- checksum ------------------------------------------------------------------------ */

static void test_checksum(void **state)
{
	struct draw d = {1};

	(void)state;
	for (int i = 0; i < 4000; i++) {
		size_t from = draw(&d, 64);
		size_t to = draw(&d, 64);
		size_t len = draw(&d, i < 2000 ? 100 : 3000);
		size_t half = len / 4 * 2;
		draw_bytes(&d, large, from + len);
		if (draw(&d, 4) == 0) {
			memset(large, draw(&d, 2) == 0 ? 0xff : 0, from + len);
		}
		memset(again, 0x55, to + len + 1);
		uint16_t expected = packet_sum(large + from, len, 0);
		uint64_t sum = enn_checksum_add(large + from, len, 0);
		uint8_t stored[2];
		enn_checksum_store(stored, (uint16_t)~enn_checksum_fold(sum));
		assert_int_equal(stored[0] << 8 | stored[1], expected);
		/* in two parts, and while copying */
		sum = enn_checksum_copy(again + to, large + from, half, 0);
		sum = enn_checksum_copy(again + to + half, large + from + half, len - half, sum);
		enn_checksum_store(stored, (uint16_t)~enn_checksum_fold(sum));
		assert_int_equal(stored[0] << 8 | stored[1], expected);
		assert_memory_equal(again + to, large + from, len);
		assert_int_equal(again[to + len], 0x55);
	}
}

/* ---- cutting ------------------------------------------------------------------------- */

/* Everything that a piece must have in common with the packet it comes from, and what not. */
static void check_piece(const struct packet_shape *s, const uint8_t *piece, size_t len, size_t at,
			size_t index, bool last)
{
	size_t header = packet_header_len(s);
	struct packet_shape expected = *s;

	assert_true(packet_is_valid(piece, len));
	expected.payload = len - header;
	expected.id = (uint16_t)(s->id + index);
	expected.sequence += (uint32_t)at;
	if (!last) {
		expected.flags &= (uint8_t)~0x09; /* FIN, PSH */
	}
	if (index > 0) {
		expected.flags &= (uint8_t)~0x80; /* CWR */
	}
	/* all header bytes but the checksum, which depends on the payload */
	size_t sum_at = header - (s->udp ? 2u : 4u + s->options);
	(void)packet_make(&expected, 0, again);
	assert_memory_equal(piece, again, sum_at);
	assert_memory_equal(piece + sum_at + 2, again + sum_at + 2, header - sum_at - 2);
	assert_memory_equal(piece + header, large + header + at, len - header);
}

/* Cuts `large` into `pieces` one behind the other; returns how many there are. */
static size_t cut_all(const struct packet_shape *s, const struct virtio_net_hdr *header, size_t len,
		      size_t lens[])
{
	struct enn_cut cut;
	size_t count = 0;
	size_t at = 0;
	size_t total = 0;

	assert_int_equal(enn_cut_begin(&cut, header, large, len), ENN_OK);
	for (;;) {
		size_t room = enn_cut_room(&cut);
		size_t n;
		pieces[total + room] = 0xa5;
		n = enn_cut_next(&cut, pieces + total);
		assert_true(n <= room);
		assert_int_equal(pieces[total + room], 0xa5);
		if (n == 0) {
			return count;
		}
		size_t payload = n - packet_header_len(s);
		check_piece(s, pieces + total, n, at, count, at + payload == s->payload);
		at += payload;
		total += n;
		lens[count++] = n;
	}
}

static void draw_large(struct draw *d, struct packet_shape *s, size_t *size)
{
	packet_draw_shape(d, s);
	*size = 1 + draw(d, 1460);
	s->payload = 1 + draw(d, (uint32_t)(*size * 64));
	if (s->payload + packet_header_len(s) > 65535) {
		s->payload = 65535 - packet_header_len(s);
	}
}

static void test_cut(void **state)
{
	static const uint8_t flags[] = {0x10, 0x18, 0x11, 0x19, 0x90, 0x99, 0x50};
	struct draw d = {2};
	size_t lens[64];

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		struct virtio_net_hdr header;
		struct packet_shape s;
		size_t size;
		draw_large(&d, &s, &size);
		s.flags = flags[draw(&d, sizeof(flags))];
		size_t len = packet_make_large(&s, (uint64_t)i, size, &header, large);
		if (draw(&d, 8) == 0) {
			header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		}
		assert_int_equal(cut_all(&s, &header, len, lens), (s.payload + size - 1) / size);
	}
}

static void test_cut_whole(void **state)
{
	struct draw d = {3};

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		struct virtio_net_hdr header = {.flags = 0};
		struct packet_shape s;
		struct enn_cut cut;
		packet_draw_shape(&d, &s);
		size_t len = packet_make(&s, (uint64_t)i, large);
		/* complete: it comes out as it went in */
		assert_int_equal(enn_cut_begin(&cut, &header, large, len), ENN_OK);
		assert_int_equal(enn_cut_room(&cut), len);
		assert_int_equal(enn_cut_next(&cut, pieces), len);
		assert_memory_equal(pieces, large, len);
		assert_int_equal(enn_cut_next(&cut, pieces), 0);
		/* with the checksum still to do */
		(void)packet_make(&s, (uint64_t)i, again);
		(void)packet_make_large(&s, (uint64_t)i, 1, &header, large);
		header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		header.gso_size = 0;
		assert_int_equal(enn_cut_begin(&cut, &header, large, len), ENN_OK);
		assert_int_equal(enn_cut_next(&cut, pieces), len);
		assert_memory_equal(pieces, again, len);
	}
}

/* 0 in a UDP header would mean that there is no checksum. */
static void test_cut_udp_zero(void **state)
{
	struct packet_shape s = {.udp = true, .ttl = 1, .payload = 4};
	struct virtio_net_hdr header;
	struct enn_cut cut;

	(void)state;
	size_t len = packet_make(&s, 7, large);
	/* the first two bytes of the payload become what makes the sum come to nothing */
	uint16_t sum = (uint16_t)(large[26] << 8 | large[27]);
	uint32_t first = (uint32_t)(large[28] << 8 | large[29]) + sum;
	first = (first & 0xffff) + (first >> 16);
	(void)packet_make_large(&s, 7, 2000, &header, large);
	large[28] = (uint8_t)(first >> 8);
	large[29] = (uint8_t)first;
	assert_int_equal(enn_cut_begin(&cut, &header, large, len), ENN_OK);
	assert_int_equal(enn_cut_next(&cut, pieces), len);
	assert_int_equal(pieces[26], 0xff);
	assert_int_equal(pieces[27], 0xff);
	assert_true(packet_is_valid(pieces, len));
}

static void expect_refused(const struct virtio_net_hdr *header, size_t len)
{
	struct enn_cut cut;

	assert_int_equal(enn_cut_begin(&cut, header, large, len), ENN_E_PARSE);
}

static void test_cut_refuses(void **state)
{
	struct packet_shape s = {.ttl = 1, .flags = 0x10, .payload = 3000, .options = 12};
	struct virtio_net_hdr good;
	struct virtio_net_hdr bad;
	struct enn_cut cut;

	(void)state;
	size_t len = packet_make_large(&s, 1, 1000, &good, large);
	assert_int_equal(enn_cut_begin(&cut, &good, large, len), ENN_OK);
#define REFUSE(change)                                                                             \
	do {                                                                                       \
		bad = good;                                                                        \
		change;                                                                            \
		expect_refused(&bad, len);                                                         \
	} while (0)
	REFUSE(bad.gso_size = 0);
	REFUSE(bad.flags = 0);
	REFUSE(bad.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSE(bad.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4);
	REFUSE(bad.gso_type = VIRTIO_NET_HDR_GSO_UDP);
	REFUSE(bad.gso_type = 0x7f);
	REFUSE(bad.csum_start = 24);
	REFUSE(bad.csum_start = 0);
	REFUSE(bad.csum_start = 0xffff);
	REFUSE(bad.csum_offset = 6);
#undef REFUSE
	expect_refused(&good, 0);
	expect_refused(&good, len - 1); /* longer or shorter than the IP header says */
	expect_refused(&good, len + 1);
	expect_refused(&good, 51); /* no payload */
	large[6] = 0x20;	   /* a fragment */
	expect_refused(&good, len);
	large[6] = 0;
	large[0] = 0x44; /* a header shorter than it can be */
	expect_refused(&good, len);
	large[0] = 0x45;
	large[9] = 17;
	expect_refused(&good, len);
	large[9] = 6;
	large[20 + 12] = 0x40; /* TCP, the same */
	expect_refused(&good, len);
	large[20 + 12] = 0x80;
	assert_int_equal(enn_cut_begin(&cut, &good, large, len), ENN_OK);
}

static void test_cut_partial_refuses(void **state)
{
	struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20};
	struct enn_cut cut;

	(void)state;
	memset(large, 0x45, 64);
	header.csum_offset = 42;
	assert_int_equal(enn_cut_begin(&cut, &header, large, 64), ENN_OK);
	header.csum_offset = 43; /* one byte of the field would be outside */
	expect_refused(&header, 64);
	header.csum_offset = 0xffff;
	expect_refused(&header, 64);
	header.csum_start = 0xffff;
	expect_refused(&header, 64);
}

/* ---- joining ------------------------------------------------------------------------- */

/* What was cut is joined to what it was cut from. */
static void test_round_trip(void **state)
{
	struct draw d = {4};
	size_t lens[64];

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		struct virtio_net_hdr header;
		struct packet_shape s;
		size_t size;
		draw_large(&d, &s, &size);
		s.flags |= draw(&d, 2) == 0 ? 0x08 : 0;
		size_t len = packet_make_large(&s, (uint64_t)i, size, &header, large);
		size_t count = cut_all(&s, &header, len, lens);
		enn_join_init(&join, true, true);
		for (size_t k = 0, at = 0; k < count; at += lens[k++]) {
			assert_true(enn_join_add(&join, pieces + at, lens[k]));
		}
		struct enn_join_run *run = enn_join_take(&join, true);
		assert_non_null(run);
		assert_null(enn_join_take(&join, true));
		assert_int_equal(run->count, count);
		assert_int_equal(run->len, len);
		assert_int_equal(packet_of_run(run, again), len);
		if (count > 1) {
			assert_memory_equal(again, large, len);
			assert_memory_equal(&run->header, &header, sizeof(header));
		} else {
			assert_true(packet_is_valid(again, len));
			assert_int_equal(run->header.flags, 0);
			assert_int_equal(run->header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		}
	}
}

/* Adds two packets that follow each other, the second changed; returns how many runs they make. */
static size_t runs_of_two(const struct packet_shape *first, const struct packet_shape *second)
{
	size_t a = packet_make(first, 1, pieces);
	size_t b = packet_make(second, 2, pieces + 4096);
	size_t runs = 0;

	assert_true(enn_join_add(&join, pieces, a));
	assert_true(enn_join_add(&join, pieces + 4096, b));
	while (enn_join_take(&join, true) != NULL) {
		runs++;
	}
	return runs;
}

static void test_what_joins(void **state)
{
	struct packet_shape first = {.ttl = 9, .flags = 0x10, .options = 12, .payload = 1000};
	struct packet_shape second = first;
	struct packet_shape other;

	(void)state;
	enn_join_init(&join, true, true);
	second.sequence += 1000;
	second.id++;
	assert_int_equal(runs_of_two(&first, &second), 1);
#define APART(change)                                                                              \
	do {                                                                                       \
		other = second;                                                                    \
		change;                                                                            \
		assert_int_equal(runs_of_two(&first, &other), 2);                                  \
	} while (0)
	APART(other.sequence++);
	APART(other.sequence--);
	APART(other.acknowledgment++);
	APART(other.window++);
	APART(other.id++);
	APART(other.tos ^= 1);
	APART(other.tos ^= 0x80);
	APART(other.ttl++);
	APART(other.host++);
	APART(other.port++);
	APART(other.options = 16);
	APART(other.payload = 1001);
	APART(other.payload = 0);
	APART(other.dont_fragment = true);
	APART((other.udp = true, other.options = 0));
	for (int bit = 0; bit < 8; bit++) {
		if (bit != 3) {
			APART(other.flags = (uint8_t)(other.flags ^ 1u << bit));
		}
	}
#undef APART
	other = second;
	other.flags |= 0x08;
	assert_int_equal(runs_of_two(&first, &other), 1);
	assert_int_equal(runs_of_two(&other, &second), 2); /* after PSH nothing follows */
	other = second;
	other.payload = 1;
	assert_int_equal(runs_of_two(&first, &other), 1);
	/* where nobody may fragment, the id means nothing */
	first.dont_fragment = second.dont_fragment = true;
	second.id += 100;
	assert_int_equal(runs_of_two(&first, &second), 1);
	enn_join_init(&join, false, true);
	assert_int_equal(runs_of_two(&first, &second), 2);
	first.udp = second.udp = true;
	assert_int_equal(runs_of_two(&first, &second), 1);
	enn_join_init(&join, true, false);
	assert_int_equal(runs_of_two(&first, &second), 2);
}

/* A packet with a wrong checksum goes on alone as it came, wherever in the flow it is. */
static void test_wrong_checksum(void **state)
{
	struct draw d = {5};

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		struct packet_shape s;
		size_t at[4] = {0};
		packet_draw_shape(&d, &s);
		uint32_t bad = draw(&d, 3);
		for (size_t k = 0; k < 3; k++) {
			size_t len = packet_make(&s, (uint64_t)i + k, pieces + at[k]);
			s.sequence += (uint32_t)s.payload;
			s.id++;
			at[k + 1] = at[k] + len;
		}
		/* any bit that the checksums cover; others would make it another flow's */
		size_t header = packet_header_len(&s);
		size_t from = s.udp ? header - 2 : header - s.options - 4;
		size_t where = at[bad] + from + draw(&d, (uint32_t)(at[1] - from));
		pieces[where] ^= (uint8_t)(1u << draw(&d, 8));
		memcpy(large, pieces, at[3]);
		enn_join_init(&join, true, true);
		for (size_t k = 0; k < 3; k++) {
			assert_true(enn_join_add(&join, pieces + at[k], at[k + 1] - at[k]));
		}
		size_t seen = 0;
		struct enn_join_run *run;
		while ((run = enn_join_take(&join, true)) != NULL) {
			if (seen <= bad && bad < seen + run->count) {
				assert_int_equal(run->count, 1);
				assert_memory_equal(run->iov[1].iov_base, large + at[bad], at[1]);
			}
			seen += run->count;
		}
		assert_int_equal(seen, 3);
	}
}

/* ---- order --------------------------------------------------------------------------- */

#define FLOWS	4
#define PACKETS 40

struct sent {
	uint8_t data[1600];
	size_t len;
	unsigned flow;
};

static struct sent sent[PACKETS];

static unsigned flow_of(const uint8_t *packet)
{
	return packet[packet[0] >> 4 == 6 ? 23 : 15];
}

/* Packets that now and then do not fit to the ones before. */
static void draw_traffic(struct draw *d)
{
	struct packet_shape flows[FLOWS];

	for (unsigned f = 0; f < FLOWS; f++) {
		packet_draw_shape(d, &flows[f]);
		flows[f].host = (uint8_t)f;
		flows[f].dont_fragment = false;
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		unsigned f = draw(d, FLOWS);
		struct packet_shape s = flows[f];
		switch (draw(d, 24)) {
		case 0:
			s.flags = (uint8_t)draw(d, 256);
			break;
		case 1:
			s.payload = draw(d, (uint32_t)s.payload + 20);
			break;
		case 2:
			s.tos ^= 3;
			break;
		case 3:
			s.sequence++;
			break;
		default:
			break;
		}
		sent[i].flow = f;
		sent[i].len = packet_make(&s, d->state, sent[i].data);
		if (draw(d, 30) == 0) {
			sent[i].data[sent[i].len - 1] ^= 1;
		}
		flows[f].sequence = s.sequence + (uint32_t)s.payload;
		flows[f].id++;
	}
}

/* Cuts a run again and holds the pieces against what was sent. next[]: by flow. */
static void check_run(const struct enn_join_run *run, unsigned next[FLOWS])
{
	struct enn_cut cut;
	size_t len = packet_of_run(run, large);
	size_t n;

	assert_int_equal(len, run->len);
	assert_int_equal(enn_cut_begin(&cut, &run->header, large, len), ENN_OK);
	while ((n = enn_cut_next(&cut, again)) > 0) {
		unsigned f = flow_of(again);
		assert_true(f < FLOWS);
		while (next[f] < PACKETS && sent[next[f]].flow != f) {
			next[f]++;
		}
		assert_true(next[f] < PACKETS);
		assert_int_equal(n, sent[next[f]].len);
		assert_memory_equal(again, sent[next[f]].data, n);
		next[f]++;
	}
}

static void test_order(void **state)
{
	struct draw d = {6};
	size_t joined = 0;

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		unsigned next[FLOWS] = {0};
		size_t at = 0;
		size_t count = 0;
		struct enn_join_run *run;
		draw_traffic(&d);
		enn_join_init(&join, true, true);
		for (unsigned k = 0; k < PACKETS; k++) {
			memcpy(pieces + at, sent[k].data, sent[k].len);
			while (!enn_join_add(&join, pieces + at, sent[k].len)) {
				run = enn_join_take(&join, true);
				assert_non_null(run);
				count += run->count;
				check_run(run, next);
			}
			at += sent[k].len;
			if (draw(&d, 10) == 0) {
				while ((run = enn_join_take(&join, draw(&d, 4) == 0)) != NULL) {
					count += run->count;
					check_run(run, next);
				}
			}
		}
		while ((run = enn_join_take(&join, true)) != NULL) {
			count += run->count;
			joined += run->count - 1;
			check_run(run, next);
		}
		assert_int_equal(count, PACKETS);
	}
	assert_true(joined > RUNS * 5); /* it was about something */
}

/* A fragment may belong to any flow, so nothing is moved in front of it. */
static void test_fragment_ends_runs(void **state)
{
	struct packet_shape s = {.ttl = 9, .flags = 0x10, .payload = 100};
	struct packet_shape fragment = s;

	(void)state;
	enn_join_init(&join, true, true);
	size_t len = packet_make(&s, 1, pieces);
	assert_true(enn_join_add(&join, pieces, len));
	(void)packet_make(&fragment, 1, pieces + 1000);
	pieces[1006] = 0x20;
	assert_true(enn_join_add(&join, pieces + 1000, len));
	s.sequence += 100;
	s.id++;
	(void)packet_make(&s, 2, pieces + 2000);
	assert_true(enn_join_add(&join, pieces + 2000, len));
	for (int i = 0; i < 3; i++) {
		struct enn_join_run *run = enn_join_take(&join, true);
		assert_non_null(run);
		assert_ptr_equal(run->iov[1].iov_base, pieces + 1000 * i);
	}
	assert_null(enn_join_take(&join, true));
}

/* What is complete may be taken early, what may grow not. */
static void test_take_early(void **state)
{
	struct packet_shape s = {.ttl = 9, .flags = 0x10, .payload = 1000};
	size_t at = 0;

	(void)state;
	enn_join_init(&join, true, true);
	for (int i = 0; i < 65; i++) {
		size_t len = packet_make(&s, 1, pieces + at);
		assert_true(enn_join_add(&join, pieces + at, len));
		at += len;
		s.sequence += 1000;
		s.id++;
		if (i < 63) {
			assert_null(enn_join_take(&join, false));
		}
	}
	struct enn_join_run *run = enn_join_take(&join, false);
	assert_non_null(run);
	assert_int_equal(run->count, 64);
	assert_null(enn_join_take(&join, false));
	assert_int_equal(enn_join_take(&join, true)->count, 1);
}

static void test_no_place(void **state)
{
	struct packet_shape s = {.ttl = 9, .flags = 0x10, .payload = 10};
	size_t at = 0;
	int added = 0;

	(void)state;
	enn_join_init(&join, true, true);
	for (;; added++) {
		size_t len = packet_make(&s, 1, pieces + at);
		if (!enn_join_add(&join, pieces + at, len)) {
			break;
		}
		at += len;
		s.port++;
	}
	assert_int_equal(added, ENN_JOIN_RUNS);
	/* one of a flow that has a run does not need a place */
	s.port = 0;
	s.sequence += 10;
	s.id++;
	size_t len = packet_make(&s, 1, pieces + at);
	assert_true(enn_join_add(&join, pieces + at, len));
	assert_int_equal(enn_join_take(&join, true)->count, 2);
	s.port = 9999;
	len = packet_make(&s, 1, pieces + at + len);
	assert_true(enn_join_add(&join, pieces + at + len, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_whole),
		cmocka_unit_test(test_cut_udp_zero),
		cmocka_unit_test(test_cut_refuses),
		cmocka_unit_test(test_cut_partial_refuses),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_joins),
		cmocka_unit_test(test_wrong_checksum),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_fragment_ends_runs),
		cmocka_unit_test(test_take_early),
		cmocka_unit_test(test_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
