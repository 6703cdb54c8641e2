/* SPDX-License-Identifier: Apache-2.0
 *
 * A tunnel with an engine that adds nothing: every packet arrives once, in order and valid, also
 * when sockets are full; and what can go wrong is told. Skipped where namespaces and TUN
 * interfaces cannot be made.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "packets.h"
#include "tunnel_fixture.h"

static const struct enn_tunnel_options plain = {.interface = "enr%d"};
static struct world w;
static bool possible;

/* ---- a socket that is full now and then ---------------------------------------------- */

int __real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);

static unsigned refusals;     /* calls that are refused from now on */
static unsigned refuse_every; /* 3: every third; 0: none */
static unsigned calls;

int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	calls++;
	if (refusals > 0 || (refuse_every > 0 && calls % refuse_every == 0)) {
		refusals -= refusals > 0;
		errno = EAGAIN;
		return -1;
	}
	return __real_sendmmsg(fd, msgs, n, flags);
}

/* ---- traffic ------------------------------------------------------------------------- */

static void set_up(const struct enn_tunnel_options *options)
{
	if (!possible) {
		skip();
	}
	refusals = refuse_every = calls = 0;
	world_open(&w, options);
}

/* One call of the application: `count` datagrams, numbered from `first`, as the kernel likes to
 * have them. */
static void say(uint32_t first, size_t count, size_t size)
{
	static uint8_t data[65000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	int segment = (int)size;

	assert_int_equal(inet_pton(AF_INET, BEHIND, &to.sin_addr), 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = htonl(first + (uint32_t)i);
		memset(data + i * size, (int)(first + i), size);
		memcpy(data + i * size, &number, sizeof(number));
	}
	assert_int_equal(setsockopt(w.inside, IPPROTO_UDP, 103, &segment, sizeof(segment)), 0);
	assert_int_equal(
		sendto(w.inside, data, count * size, 0, (const struct sockaddr *)&to, sizeof(to)),
		count * size);
}

/* What the peer gets: one IP packet a datagram. */
static void hear(uint32_t number, size_t size)
{
	uint8_t packet[2048];
	uint32_t found;

	world_wait(&w, w.outside);
	ssize_t n = recv(w.outside, packet, sizeof(packet), 0);
	assert_int_equal(n, size + 28);
	assert_true(packet_is_valid(packet, (size_t)n));
	memcpy(&found, packet + 28, sizeof(found));
	assert_int_equal(ntohl(found), number);
	for (size_t i = 32; i < (size_t)n; i++) {
		assert_int_equal(packet[i], (uint8_t)number);
	}
}

static void check_outward(void)
{
	uint32_t said = 0;
	uint32_t heard = 0;

	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 10; k++) { /* more than fits into the engine, and the ring */
			size_t count = 1 + (size_t)(k * 6);
			say(said, count, 1000);
			said += (uint32_t)count;
		}
		while (heard < said) {
			hear(heard++, 1000);
		}
	}
	struct enn_tunnel_stats stats;
	enn_tunnel_stats(w.tunnel, &stats);
	assert_int_equal(stats.inner_in_packets, said);
	assert_int_equal(stats.outer_out_packets, said);
	assert_int_equal(stats.outer_out_bytes, said * 1028);
	assert_int_equal(stats.dropped, 0);
}

static void test_outward(void **state)
{
	(void)state;
	set_up(&plain);
	assert_string_equal(enn_tunnel_interface(w.tunnel), "enr0");
	assert_int_equal(enn_tunnel_mtu(w.tunnel), 1420);
	check_outward();
	world_close(&w);
}

static void test_outward_without_offload(void **state)
{
	struct enn_tunnel_options options = plain;

	(void)state;
	options.no_offload = true;
	set_up(&options);
	check_outward();
	world_close(&w);
}

/* What cannot be sent waits; nothing is lost and nothing is sent twice. */
static void test_full_sockets(void **state)
{
	(void)state;
	for (unsigned every = 2; every < 6; every++) {
		set_up(&plain);
		refuse_every = every;
		check_outward();
		world_close(&w);
	}
}

static void test_queues(void **state)
{
	struct enn_tunnel_options options = plain;

	(void)state;
	options.queues = 3;
	options.mtu = 1300;
	set_up(&options);
	assert_int_equal(enn_tunnel_mtu(w.tunnel), 1300);
	say(0, 30, 1000);
	for (uint32_t i = 0; i < 30; i++) {
		hear(i, 1000);
	}
	world_close(&w);
}

static bool holds(unsigned number, const uint8_t *data, ssize_t len)
{
	uint8_t expected[2048];
	struct draw d = {number};

	draw_bytes(&d, expected, 600 + number / 50);
	return len == 600 + number / 50 && memcmp(data, expected, (size_t)len) == 0;
}

/* Packets of the peer, in one datagram each. */
static void test_inward(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct enn_tunnel_stats stats;
	uint8_t packet[2048];

	(void)state;
	set_up(&plain);
	to.sin_port = htons(enn_tunnel_port(w.tunnel));
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
	for (unsigned i = 0; i < 200; i++) {
		struct packet_shape s = {.udp = true,
					 .dont_fragment = true,
					 .ttl = 64,
					 .host = (uint8_t)(3 + i % 2),
					 .port = 9,
					 .payload = 600 + i / 50};
		size_t len = packet_make(&s, i, packet);
		if (i == 100) {
			packet[len - 1] ^= 1; /* the kernel will see that it is wrong */
		}
		assert_int_equal(
			sendto(w.outside, packet, len, 0, (const struct sockaddr *)&to, sizeof(to)),
			len);
	}
	unsigned next[2] = {0, 1}; /* the flows may overtake each other, but not themselves */
	for (int i = 0; i < 199; i++) {
		world_wait(&w, w.inside);
		ssize_t n = recv(w.inside, packet, sizeof(packet), 0);
		unsigned flow = holds(next[0], packet, n) ? 0 : 1;
		assert_true(holds(next[flow], packet, n));
		next[flow] += next[flow] == 98 ? 4 : 2; /* the wrong one is left out */
	}
	world_settle(&w);
	assert_int_equal(recv(w.inside, packet, sizeof(packet), 0), -1);
	enn_tunnel_stats(w.tunnel, &stats);
	assert_int_equal(stats.outer_in_packets, 200);
	assert_int_equal(stats.inner_out_packets, 200);
	assert_int_equal(stats.dropped, 0);
	world_close(&w);
}

/* ---- what happens to a tunnel -------------------------------------------------------- */

static void test_nobody_responsible(void **state)
{
	struct enn_tunnel_stats stats;

	(void)state;
	set_up(&plain);
	w.carrier.refuse = true;
	for (uint32_t i = 0; i < 100; i++) {
		say(i * 60, 60, 1000); /* more than the ring holds */
		world_settle(&w);
	}
	enn_tunnel_stats(w.tunnel, &stats);
	assert_int_equal(stats.dropped, 6000);
	w.carrier.refuse = false;
	say(7, 1, 100);
	hear(7, 100);
	world_close(&w);
}

static void test_port_while_full(void **state)
{
	(void)state;
	set_up(&plain);
	uint16_t old = enn_tunnel_port(w.tunnel);
	refusals = 1000000;
	say(0, 60, 1000);
	world_settle(&w);
	refusals = 0;
	assert_int_equal(enn_tunnel_set_port(w.tunnel, 0, NULL), ENN_OK);
	assert_int_not_equal(enn_tunnel_port(w.tunnel), old);
	for (uint32_t i = 16; i < 60; i++) { /* what one batch held is lost with the old sockets */
		hear(i, 1000);
	}
	say(60, 1, 1000);
	hear(60, 1000);
	assert_int_equal(enn_tunnel_set_mark(w.tunnel, 7, NULL), ENN_OK);
	assert_int_equal(enn_tunnel_mark(w.tunnel), 7);
	world_close(&w);
}

static void test_time(void **state)
{
	(void)state;
	set_up(&plain);
	w.carrier.deadline = enn_tunnel_now(w.tunnel) + 30 * ENN_MILLISECOND;
	enn_tunnel_wake(w.tunnel);
	while (w.carrier.expired == 0) {
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	}
	/* an earlier one than was asked for */
	w.carrier.deadline = enn_tunnel_now(w.tunnel) + 3600 * ENN_SECOND;
	enn_tunnel_wake(w.tunnel);
	world_settle(&w);
	w.carrier.deadline = enn_tunnel_now(w.tunnel) + 10 * ENN_MILLISECOND;
	enn_tunnel_wake(w.tunnel);
	while (w.carrier.expired == 1) {
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	}
	world_close(&w);
}

static void test_interface_removed(void **state)
{
	(void)state;
	set_up(&plain);
	world_remove_interface(&w);
	while (w.events == 0) {
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	}
	assert_int_equal(w.last.type, ENN_EVENT_FAILED);
	assert_int_equal(w.last.u.error.status, ENN_E_SYSTEM);
	assert_int_not_equal(w.last.u.error.sys_errno, 0);
	world_settle(&w);
	assert_int_equal(w.events, 1);
	world_close(&w);
}

static void test_engine_fails(void **state)
{
	(void)state;
	set_up(&plain);
	w.carrier.fail = true;
	enn_tunnel_wake(w.tunnel);
	world_settle(&w);
	assert_int_equal(w.events, 1);
	assert_int_equal(w.last.type, ENN_EVENT_FAILED);
	say(0, 1, 100);
	world_settle(&w);
	assert_int_equal(w.carrier.tail, 0); /* nothing moves any more */
	world_close(&w);
}

/* ---- making one ---------------------------------------------------------------------- */

static size_t allocations, fail_at, in_use;

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	if (++allocations == fail_at) {
		return NULL;
	}
	in_use++;
	return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	(void)size;
	in_use--;
	free(ptr);
}

static enum enn_status try_new(const struct enn_tunnel_options *options, struct enn_error *error)
{
	struct enn_env env = {.alloc = take, .free = give};
	struct enn_tunnel *tunnel;
	struct carrier carrier;
	uv_loop_t loop;

	carrier_init(&carrier);
	assert_int_equal(uv_loop_init(&loop), 0);
	enum enn_status status =
		enn_tunnel_new(&loop, &env, &carrier.base, options, &tunnel, error);
	assert_true((status == ENN_OK) == (tunnel != NULL));
	enn_tunnel_free(tunnel);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(in_use, 0);
	return status;
}

static void test_no_memory(void **state)
{
	enum enn_status status = ENN_E_MEMORY;

	(void)state;
	if (!possible) {
		skip();
	}
	for (fail_at = 1; status == ENN_E_MEMORY; fail_at++) {
		struct enn_error error = {.status = ENN_OK};
		allocations = 0;
		status = try_new(&plain, &error);
		assert_int_equal(error.status, status);
	}
	assert_int_equal(status, ENN_OK);
	assert_true(fail_at > 3);
	fail_at = 0;
}

static void test_refused(void **state)
{
	struct enn_tunnel_options options = plain;
	struct enn_error error;

	(void)state;
	if (!possible) {
		skip();
	}
	options.interface = "a name that is too long";
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	assert_int_equal(error.sys_errno, EINVAL);
	options.interface = "";
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	options.interface = "lo"; /* there is one, of another kind */
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	options.interface = "enr%d";
	options.queues = 17;
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	options.queues = 0;
	options.tun_fd = 2; /* no TUN descriptor; it is taken over, so a copy */
	options.tun_fd = dup(0);
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	assert_int_not_equal(error.sys_errno, 0);
	options.tun_fd = 0;
	options.listen_port = 5;
	set_up(&options);
	assert_int_equal(enn_tunnel_port(w.tunnel), 5);
	assert_int_equal(try_new(&options, &error), ENN_E_SYSTEM);
	assert_int_equal(error.sys_errno, EADDRINUSE);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outward),
		cmocka_unit_test(test_outward_without_offload),
		cmocka_unit_test(test_full_sockets),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_inward),
		cmocka_unit_test(test_nobody_responsible),
		cmocka_unit_test(test_port_while_full),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_interface_removed),
		cmocka_unit_test(test_engine_fails),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_refused),
	};

	possible = world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
