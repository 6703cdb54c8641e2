/* SPDX-License-Identifier: Apache-2.0
 *
 * Ports on the loopback interface: what one sends in batches the other receives packet by packet, and
 * what the kernel refuses is sent in another way. sendmmsg is wrapped, so that it can refuse.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "runtime/address.h"
#include "runtime/udp.h"

#define MOST	1024
#define SEGMENT 1000

struct end {
	struct enn_udp *udp;
	size_t count;
	size_t runs; /* calls of enn_udp_take that gave something */
	size_t lens[MOST];
	uint8_t first[MOST]; /* byte of each packet */
	uint8_t ecn;
	struct enn_path path;
	int writable;
};

static uv_loop_t loop;
static const struct enn_env env;
static struct end a, b;
static uint8_t buffer[65536];

/* ---- sendmmsg ------------------------------------------------------------------------ */

int __real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);

/* What the next calls answer; 0: they are passed on. */
static int answers[16];
static size_t answer_count, answer_next;
static unsigned most_passed; /* messages of a call that are passed on; 0: all */

static void answer(int count, const int *errors)
{
	memcpy(answers, errors, (size_t)count * sizeof(errors[0]));
	answer_count = (size_t)count;
	answer_next = 0;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	int error = answer_next < answer_count ? answers[answer_next++] : 0;

	if (error != 0) {
		errno = error;
		return -1;
	}
	return __real_sendmmsg(fd, msgs, most_passed != 0 && most_passed < n ? most_passed : n,
			       flags);
}

/* ---- two ports ----------------------------------------------------------------------- */

static void on_readable(void *owner)
{
	struct end *e = owner;
	struct enn_packet packets[16];
	size_t n;

	while (enn_udp_receive(e->udp)) {
		while ((n = enn_udp_take(e->udp, &e->path, packets, 16)) > 0) {
			e->runs++;
			for (size_t i = 0; i < n; i++) {
				assert_true(e->count < MOST);
				e->lens[e->count] = packets[i].len;
				e->first[e->count++] = packets[i].data[0];
				e->ecn = packets[i].ecn;
			}
		}
	}
}

static void on_writable(void *owner)
{
	((struct end *)owner)->writable++;
}

static void open_end(struct end *e, bool no_offload)
{
	static const struct enn_udp_ops ops = {.readable = on_readable, .writable = on_writable};
	struct enn_udp_options options = {.no_offload = no_offload};
	int error;

	memset(e, 0, sizeof(*e));
	assert_int_equal(enn_udp_new(&loop, &env, &ops, e, &options, &e->udp, &error), ENN_OK);
	enn_udp_read(e->udp, true);
}

static int set_up(void **state)
{
	(void)state;
	answer_count = answer_next = 0;
	most_passed = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	open_end(&a, false);
	open_end(&b, false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	enn_udp_free(a.udp);
	enn_udp_free(b.udp);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static void on_late(uv_timer_t *timer)
{
	fail_msg("%s", (const char *)timer->data);
}

/* Runs the loop until `count` packets have come. */
static void wait_for(struct end *e, size_t count)
{
	static char late[] = "packets did not come";
	uv_timer_t timer;

	(void)uv_timer_init(&loop, &timer);
	timer.data = late;
	(void)uv_timer_start(&timer, on_late, 10000, 0);
	while (e->count < count) {
		(void)uv_run(&loop, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(e->count, count);
}

static struct enn_address address(uint8_t family, uint8_t last, uint16_t port)
{
	struct enn_address out = {.family = family, .port = port};

	if (family == ENN_FAMILY_IPV4) {
		out.ip[0] = 127;
		out.ip[3] = last;
	} else {
		out.ip[15] = last;
	}
	return out;
}

/* count packets, the last shorter by `less`; the first byte of each is its number. */
static struct enn_batch batch_to(const struct end *e, uint8_t family, size_t count, size_t less)
{
	struct enn_batch batch = {.buf = buffer,
				  .len = count * SEGMENT - less,
				  .segment_size = SEGMENT,
				  .path.remote = address(family, 1, enn_udp_port(e->udp))};

	for (size_t i = 0; i < count; i++) {
		buffer[i * SEGMENT] = (uint8_t)i;
	}
	return batch;
}

static void expect_packets(const struct end *e, size_t count, size_t less)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(e->lens[i], i + 1 < count ? SEGMENT : SEGMENT - less);
		assert_int_equal(e->first[i], i);
	}
	assert_int_equal(enn_udp_stats(e->udp)->in_packets, count);
}

/* ---- tests --------------------------------------------------------------------------- */

static void test_batch(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		uint8_t family = i == 0 ? ENN_FAMILY_IPV4 : ENN_FAMILY_IPV6;
		if (i == 1) {
			assert_int_equal(tear_down(NULL), 0);
			assert_int_equal(set_up(NULL), 0);
		}
		struct enn_batch batch = batch_to(&b, family, 50, 300);
		batch.ecn = 2;
		assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
		assert_int_equal(enn_udp_stats(a.udp)->sends, 1);
		assert_int_equal(enn_udp_stats(a.udp)->out_packets, 50);
		assert_int_equal(enn_udp_stats(a.udp)->out_bytes, 50 * SEGMENT - 300);
		wait_for(&b, 50);
		expect_packets(&b, 50, 300);
		assert_int_equal(b.runs, 4); /* sixteen at a time, of one path */
		assert_int_equal(b.ecn, 2);
		struct enn_address from = address(family, 1, enn_udp_port(a.udp));
		struct enn_address to = address(family, 1, enn_udp_port(b.udp));
		assert_true(enn_address_equal(&b.path.remote, &from));
		assert_true(enn_address_equal(&b.path.local, &to));
	}
}

static void test_more_than_a_datagram(void **state)
{
	struct enn_batch batch;

	(void)state;
	for (size_t i = 0; i < 100; i++) { /* more segments than the kernel takes */
		memset(buffer + i * 100, (int)i, 100);
	}
	batch = batch_to(&b, ENN_FAMILY_IPV4, 0, 0);
	batch.len = 10000;
	batch.segment_size = 100;
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->sends, 2);
	wait_for(&b, 100);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(b.first[i], i);
	}
	batch.len = batch.segment_size = 65507;
	b.count = 0;
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	wait_for(&b, 1);
	assert_int_equal(b.lens[0], 65507);
}

/* Many to different peers go in one call, in between larger ones. */
static void test_singles(void **state)
{
	struct enn_batch batches[12];
	struct end c;

	(void)state;
	open_end(&c, false);
	for (size_t i = 0; i < 12; i++) {
		batches[i] = batch_to(i % 2 == 0 ? &b : &c,
				      i % 3 == 0 ? ENN_FAMILY_IPV6 : ENN_FAMILY_IPV4, 1, i);
	}
	batches[6] = batch_to(&b, ENN_FAMILY_IPV4, 3, 0);
	assert_int_equal(enn_udp_send(a.udp, batches, 12), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->out_packets, 14);
	wait_for(&b, 8);
	wait_for(&c, 6);
	for (size_t i = 0; i < 12; i++) { /* all of one family, to both */
		batches[i] = batch_to(i % 2 == 0 ? &b : &c, ENN_FAMILY_IPV4, 1, i);
	}
	uint64_t before = enn_udp_stats(a.udp)->sends;
	assert_int_equal(enn_udp_send(a.udp, batches, 12), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->sends - before, 1);
	wait_for(&b, 14);
	wait_for(&c, 12);
	assert_int_equal(c.lens[11], SEGMENT - 11);
	enn_udp_free(c.udp);
}

static void test_no_offload(void **state)
{
	struct enn_batch batch;
	struct end c;

	(void)state;
	open_end(&c, true);
	batch = batch_to(&c, ENN_FAMILY_IPV4, 60, 1);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK); /* to one that does not join */
	wait_for(&c, 60);
	expect_packets(&c, 60, 1);
	batch = batch_to(&b, ENN_FAMILY_IPV4, 60, 1);
	assert_int_equal(enn_udp_send(c.udp, &batch, 1), ENN_OK); /* from one that does not cut */
	assert_int_equal(enn_udp_stats(c.udp)->sends, 1);
	wait_for(&b, 60);
	expect_packets(&b, 60, 1);
	enn_udp_free(c.udp);
}

/* Whatever the kernel has against batches and sources, every packet arrives once, in order. */
static void test_refusals(void **state)
{
	static const struct {
		int count;
		int errors[4];
		uint64_t calls;
	} cases[] = {
		{1, {EIO}, 2},
		{1, {EINVAL}, 2}, /* the source, as it seems */
		{2, {EINVAL, EINVAL}, 3},
		{2, {EINVAL, EMSGSIZE}, 3},
		{1, {ENETUNREACH}, 2},
		{1, {EINTR}, 2},
		{1, {ECONNREFUSED}, 2}, /* of an earlier packet */
		{3, {ECONNREFUSED, EINVAL, EIO}, 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct enn_batch batch = batch_to(&b, ENN_FAMILY_IPV4, 20, 7);
		batch.path.local = address(ENN_FAMILY_IPV4, 1, enn_udp_port(a.udp));
		answer(cases[i].count, cases[i].errors);
		assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
		assert_int_equal(enn_udp_stats(a.udp)->sends, cases[i].calls);
		assert_int_equal(enn_udp_stats(a.udp)->lost, 0);
		wait_for(&b, 20);
		expect_packets(&b, 20, 7);
		assert_int_equal(tear_down(NULL), 0);
		assert_int_equal(set_up(NULL), 0);
	}
}

/* An address that is none of ours: found out once, and remembered. */
static void test_source_gone(void **state)
{
	struct enn_batch batch = batch_to(&b, ENN_FAMILY_IPV4, 4, 0);

	(void)state;
	batch.path.local = address(ENN_FAMILY_IPV4, 1, 0);
	batch.path.local.ip[0] = 192; /* 192.0.2.1 of the documentation */
	batch.path.local.ip[2] = 2;
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->sends, 2);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->sends, 3);
	wait_for(&b, 8);
	/* one that is ours is used */
	batch.path.local = address(ENN_FAMILY_IPV4, 77, 0);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->sends, 4);
	wait_for(&b, 12);
	assert_int_equal(b.path.remote.ip[3], 77);
}

static void test_lost(void **state)
{
	static const int errors[] = {ENOBUFS, EPERM, ENETUNREACH, ENETUNREACH};
	struct enn_batch batch = batch_to(&b, ENN_FAMILY_IPV4, 20, 7);

	(void)state;
	answer(4, errors);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->lost, 20);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->lost, 40);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->lost, 60);
	batch.path.remote.family = ENN_FAMILY_NONE; /* nowhere */
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	assert_int_equal(enn_udp_stats(a.udp)->lost, 80);
	assert_int_equal(enn_udp_stats(a.udp)->out_packets, 0);
}

/* A full socket holds the rest until it is writable. */
static void test_full(void **state)
{
	static const int partly[] = {EIO, 0, EAGAIN};
	static const int singles[] = {EAGAIN, EAGAIN};
	struct enn_batch batches[5];

	(void)state;
	batches[0] = batch_to(&b, ENN_FAMILY_IPV4, 20, 7);
	answer(3, partly); /* no batches; five of the packets; no more */
	most_passed = 5;
	assert_int_equal(enn_udp_send(a.udp, batches, 1), ENN_E_AGAIN);
	assert_true(enn_udp_holds(a.udp));
	assert_int_equal(enn_udp_stats(a.udp)->out_packets, 5);
	wait_for(&b, 20);
	expect_packets(&b, 20, 7);
	assert_false(enn_udp_holds(a.udp));
	assert_int_equal(a.writable, 1);

	b.count = 0;
	for (size_t i = 0; i < 5; i++) {
		batches[i] = batch_to(&b, ENN_FAMILY_IPV4, 1, i);
	}
	most_passed = 2;
	answer(2, singles);
	assert_int_equal(enn_udp_send(a.udp, batches, 5), ENN_E_AGAIN);
	wait_for(&b, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(b.lens[i], SEGMENT - i);
	}
	assert_int_equal(a.writable, 2);
}

static void test_set_port(void **state)
{
	static const int full[] = {EAGAIN};
	struct enn_batch batch = batch_to(&b, ENN_FAMILY_IPV6, 3, 0);
	uint16_t old = enn_udp_port(a.udp);
	int error;

	(void)state;
	assert_int_not_equal(old, 0);
	/* taken: nothing changes */
	assert_int_equal(enn_udp_set_port(a.udp, enn_udp_port(b.udp), &error), ENN_E_SYSTEM);
	assert_int_equal(error, EADDRINUSE);
	assert_int_equal(enn_udp_port(a.udp), old);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	wait_for(&b, 3);
	assert_int_equal(b.path.remote.port, old);
	/* another; what was held is gone */
	answer(1, full);
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_E_AGAIN);
	assert_int_equal(enn_udp_set_port(a.udp, 0, &error), ENN_OK);
	assert_int_not_equal(enn_udp_port(a.udp), old);
	assert_false(enn_udp_holds(a.udp));
	assert_int_equal(enn_udp_send(a.udp, &batch, 1), ENN_OK);
	wait_for(&b, 6);
	assert_int_equal(b.path.remote.port, enn_udp_port(a.udp));
	/* and it receives there */
	batch = batch_to(&a, ENN_FAMILY_IPV4, 2, 0);
	assert_int_equal(enn_udp_send(b.udp, &batch, 1), ENN_OK);
	wait_for(&a, 2);
	/* the same one again is no change */
	assert_int_equal(enn_udp_set_port(a.udp, enn_udp_port(a.udp), &error), ENN_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_than_a_datagram, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_singles, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_offload, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_source_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_set_port, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
