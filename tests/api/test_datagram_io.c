/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP sockets that are full, refuse batches, or report errors: what the system calls
 * answer is made up here.
 */
#include "toy_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "taps/internal.h"

#define MS	 ENN_MILLISECOND
#define MESSAGES 150

/* The answers of sendmsg, which the linker leads here (meson.build). */
static struct {
	int error;	/* errno of a call that fails */
	unsigned every; /* each so-manyth call does; 0: none */
	unsigned calls;
	bool batches_only; /* of those that send several packets */
	unsigned failed;
	unsigned batches; /* that went through */
} answers;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

static bool is_batch(const struct msghdr *msg)
{
	const struct cmsghdr *c = msg->msg_controllen == 0 ? NULL : CMSG_FIRSTHDR(msg);

	return c != NULL && c->cmsg_level == IPPROTO_UDP;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	bool batch = is_batch(msg);

	if (answers.every > 0 && (batch || !answers.batches_only) &&
	    ++answers.calls % answers.every == 0) {
		answers.failed++;
		errno = answers.error;
		return -1;
	}
	answers.batches += batch;
	return __real_sendmsg(fd, msg, flags);
}

static int setup(void **state)
{
	memset(&answers, 0, sizeof(answers));
	return toy_setup(state);
}

/* Messages of two lengths, both ways; all of them arrive, once and in order. */
static void converse(struct toy *t, struct enn_connection a, struct enn_connection b)
{
	struct enn_connection end[2] = {a, b};
	size_t got[2] = {0, 0};
	size_t sent = 0;
	uint8_t message[600];

	for (size_t i = 0; i < MESSAGES; i++) {
		memset(message, (int)i, sizeof(message));
		for (int k = 0; k < 2; k++) {
			CHECK(enn_connection_send(end[k], message, i % 7 == 0 ? 300 : 600, NULL));
			CHECK(enn_connection_receive(end[k], 0, 0, NULL));
		}
	}
	while (got[0] < MESSAGES || got[1] < MESSAGES || sent < (size_t)2 * MESSAGES) {
		struct enn_taps_event e;
		if (enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND) != 1) {
			fail_msg("%zu and %zu messages arrived", got[0], got[1]);
		}
		if (e.type == ENN_TAPS_SENT) {
			sent++;
			continue;
		}
		assert_int_equal(e.type, ENN_TAPS_RECEIVED);
		size_t *n = &got[e.connection.id == b.id];
		assert_int_equal(e.u.received.len, *n % 7 == 0 ? 300 : 600);
		assert_int_equal(e.u.received.data[299], (uint8_t)*n);
		(*n)++;
		(void)enn_message_release(e.u.received.loan);
	}
}

/* A full socket holds the rest of a batch, and those behind it wait. */
static void test_full_socket(void **state)
{
	static const unsigned every[] = {1000, 7, 3, 2};
	struct toy *t = *state;

	toy_connect(t);
	answers.error = EAGAIN;
	for (size_t i = 0; i < ENN_ARRAY_LEN(every); i++) {
		answers.every = every[i];
		converse(t, t->f.client, t->f.server);
	}
	assert_true(answers.failed > 20);
	assert_true(answers.batches > 0);
}

static void test_interrupted(void **state)
{
	struct toy *t = *state;

	toy_connect(t);
	answers.error = EINTR;
	answers.every = 2;
	converse(t, t->f.client, t->f.server);
	assert_true(answers.failed > 5);
}

/* Devices and paths that take no batches: their packets go one by one. */
static void test_no_batches(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL, EIO};
	struct toy *t = *state;

	toy_connect(t);
	answers.batches_only = true;
	for (size_t i = 0; i < ENN_ARRAY_LEN(errors); i++) {
		answers.error = errors[i];
		answers.every = 1;
		answers.failed = answers.batches = 0;
		converse(t, t->f.client, t->f.server);
		assert_true(answers.failed > 0);
		assert_int_equal(answers.batches, 0);
	}
	/* The last was for good, on both sockets. */
	answers.failed = 0;
	converse(t, t->f.client, t->f.server);
	assert_int_equal(answers.failed, 0);
}

/* An ICMP message about an earlier packet is told in place of sending the next: that one is sent
 * all the same. */
static void test_old_news(void **state)
{
	struct toy *t = *state;
	bool told = false;
	size_t got = 0;

	toy_prepare(t);
	CHECK(enn_preconnection_set_pref(t->f.client_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	fixture_listen(&t->f);
	toy_pair_up(t, &t->f.client, &t->f.server);
	answers.error = EHOSTUNREACH;
	answers.every = 2;
	for (int i = 0; i < 20; i++) {
		CHECK(enn_connection_send(t->f.client, &i, sizeof(i), NULL));
		CHECK(enn_connection_receive(t->f.server, 0, 0, NULL));
		fixture_settle(&t->f);
	}
	while (!told || got < 20) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		if (e.type == ENN_TAPS_SOFT_ERROR) {
			assert_int_equal(e.connection.id, t->f.client.id);
			assert_int_equal(e.u.error.sys_errno, EHOSTUNREACH);
			told = true;
		} else if (e.type == ENN_TAPS_RECEIVED) {
			(void)enn_message_release(e.u.received.loan);
			got++;
		}
	}
}

/* What the system does not send is lost as on the network, and is told. */
static void test_lost_here(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	toy_prepare(t);
	CHECK(enn_preconnection_set_pref(t->f.client_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	fixture_listen(&t->f);
	toy_pair_up(t, &t->f.client, &t->f.server);
	answers.error = ENOBUFS;
	answers.every = 1;
	CHECK(enn_connection_send(t->f.client, "lost", 4, NULL));
	e = fixture_await(&t->f, ENN_TAPS_SOFT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.sys_errno, ENOBUFS);
	answers.every = 0;
	CHECK(enn_connection_send(t->f.client, "found", 5, NULL));
	toy_expect(t, t->f.server, "found", 5);
}

/* The connections of a listener share its socket: each gets its turn. */
static void test_shared_socket(void **state)
{
	enum { CLIENTS = 12, EACH = 100 };
	struct toy *t = *state;
	struct enn_connection client[CLIENTS];
	struct enn_connection server[CLIENTS];
	size_t got[CLIENTS] = {0};
	uint8_t data[1000] = {0};
	size_t all = 0;

	toy_prepare(t);
	fixture_listen(&t->f);
	for (size_t i = 0; i < CLIENTS; i++) {
		toy_pair_up(t, &client[i], &server[i]);
	}
	answers.error = EAGAIN;
	answers.every = 2;
	for (size_t n = 0; n < EACH; n++) {
		for (size_t i = 0; i < CLIENTS; i++) {
			CHECK(enn_connection_send(server[i], data, sizeof(data), NULL));
			CHECK(enn_connection_receive(client[i], 0, 0, NULL));
		}
	}
	while (all < (size_t)CLIENTS * EACH) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		for (size_t i = 0; i < CLIENTS && e.type == ENN_TAPS_RECEIVED; i++) {
			if (e.connection.id == client[i].id) {
				got[i]++;
				all++;
				(void)enn_message_release(e.u.received.loan);
				break;
			}
		}
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(got[i], EACH);
	}
	/* One of those that wait goes, and the others do not care. */
	answers.every = 1;
	for (size_t i = 0; i < CLIENTS; i++) {
		CHECK(enn_connection_send(server[i], data, sizeof(data), NULL));
	}
	(void)enn_poll(t->f.ctx, &(struct enn_taps_event){0}, 1, 10 * MS);
	enn_connection_free(server[1]);
	enn_connection_free(server[CLIENTS - 1]);
	(void)enn_poll(t->f.ctx, &(struct enn_taps_event){0}, 1, 10 * MS);
	answers.every = 0;
	toy_expect(t, client[0], data, sizeof(data));
	toy_expect(t, client[CLIENTS - 2], data, sizeof(data));
}

/* Close waits for a full socket. */
static void test_close_full(void **state)
{
	struct toy *t = *state;

	toy_connect(t);
	answers.error = EAGAIN;
	answers.every = 1;
	CHECK(enn_connection_send(t->f.client, "last words", 10, NULL));
	CHECK(enn_connection_close(t->f.client));
	(void)fixture_expect(&t->f, ENN_TAPS_SENT,
			     t->f.client.id); /* what is sealed is held here */
	fixture_quiet(&t->f, 20 * MS);
	answers.every = 0;
	toy_expect(t, t->f.server, "last words", 10);
}

/* A socket that stays full for connTimeout ends the connection. */
static void test_full_for_good(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	toy_connect(t);
	CHECK(enn_connection_set_property(t->f.client, ENN_PROPERTY_CONN_TIMEOUT, 50 * MS));
	answers.error = EAGAIN;
	answers.every = 1;
	CHECK(enn_connection_send(t->f.client, "never", 5, NULL));
	e = fixture_await(&t->f, ENN_TAPS_CONNECTION_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
}

/* ---- where packets are received to --------------------------------------------------- */

/* Loans keep a block, which is received into further; a datagram that does not fit the rest of it
 * goes into the next as a whole. */
static void test_across_blocks(void **state)
{
	static uint8_t data[65000];
	struct enn_context_options options = {.receive_window = (size_t)64 << 20};
	struct enn_taps_event e[64];
	struct toy t;
	uint32_t seed = 7;

	(void)state;
	memset(&answers, 0, sizeof(answers));
	toy_open(&t, &options);
	toy_connect(&t);
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 2654435761u >> 11);
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(e); i++) {
		seed = seed * 1664525 + 1013904223;
		size_t len = i % 3 == 0 ? 1 + (seed >> 16) : 1 + (seed >> 21);
		len = len > sizeof(data) ? sizeof(data) : len;
		CHECK(enn_connection_send(t.f.server, data + sizeof(data) - len, len, NULL));
		CHECK(enn_connection_receive(t.f.client, 0, 0, NULL));
		e[i] = fixture_await(&t.f, ENN_TAPS_RECEIVED, t.f.client.id);
		assert_int_equal(e[i].u.received.len, len);
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(e); i++) {
		size_t len = e[i].u.received.len;
		assert_memory_equal(e[i].u.received.data, data + sizeof(data) - len, len);
		CHECK(enn_message_release(e[i].u.received.loan));
	}
	fixture_settle(&t.f);
	assert_int_equal(usage_of(&t.f).read_buffers, 0);
	toy_close(&t);
}

/* A service that does not lose messages pauses instead: then they wait in the kernel. */
static void test_pause(void **state)
{
	static uint8_t data[1000];
	struct toy *t = *state;
	struct enn_connection_info info;
	struct enn_taps_event e;
	size_t got = 0;

	t->p.row.service = ENN_SERVICE_BYTE_STREAM;
	toy_connect(t);
	for (int i = 0; i < 400; i++) {
		CHECK(enn_connection_send(t->f.server, data, sizeof(data), NULL));
	}
	fixture_settle(&t->f);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_int_equal(info.messages_dropped, 0);
	assert_true(info.bytes_received < 262144);
	assert_true(usage_of(&t->f).read_buffer_bytes <= (size_t)2 << 20);
	uint64_t before = info.bytes_received;
	for (;;) { /* until the kernel has no more: it may have lost some of them */
		CHECK(enn_connection_receive(t->f.client, 0, 0, NULL));
		if (enn_poll(t->f.ctx, &e, 1, 100 * MS) != 1) {
			break;
		}
		if (e.type == ENN_TAPS_RECEIVED) {
			got += e.u.received.len;
			(void)enn_message_release(e.u.received.loan);
		}
	}
	assert_true(got > before);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_int_equal(info.messages_dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full_socket, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_no_batches, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_old_news, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_lost_here, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_shared_socket, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_close_full, setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_full_for_good, setup, toy_teardown),
		cmocka_unit_test(test_across_blocks),
		cmocka_unit_test_setup_teardown(test_pause, setup, toy_teardown),
	};

	return cmocka_run_group_tests_name("datagram_io", tests, NULL, NULL);
}
