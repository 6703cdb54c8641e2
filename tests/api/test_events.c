/* SPDX-License-Identifier: Apache-2.0
 *
 * The guarantees of the event queue.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
	static struct fixture f;

	fixture_open(&f, NULL, false);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void *token(size_t n)
{
	return (void *)(uintptr_t)n;
}

static void send_text(struct enn_connection c, const char *text, uint32_t flags, size_t n)
{
	struct enn_message_context m = {.token = token(n), .flags = flags};

	CHECK(enn_connection_send(c, text, strlen(text), &m));
}

static void expect_text(struct fixture *f, uint64_t id, const char *text, uint32_t flags, size_t n)
{
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_RECEIVED, id);

	assert_int_equal(e.u.received.len, strlen(text));
	assert_memory_equal(e.u.received.data, text, strlen(text));
	assert_int_equal(e.u.received.flags, flags);
	assert_ptr_equal(e.token, token(n));
	if (e.u.received.len > 0) {
		CHECK(enn_message_release(e.u.received.loan));
	}
	assert_int_equal(enn_message_release(e.u.received.loan), ENN_E_STALE);
}

/* Each send has its Sent, in order, and each receive its Received, in order. */
static void test_one_event_each(void **state)
{
	struct fixture *f = *state;
	char text[16];

	fixture_connect(f);
	for (size_t i = 1; i <= 100; i++) {
		(void)snprintf(text, sizeof(text), "message %zu", i);
		send_text(f->client, text, 0, i);
	}
	for (size_t i = 1; i <= 100; i++) {
		struct enn_taps_event e = fixture_expect(f, ENN_TAPS_SENT, f->client.id);
		assert_ptr_equal(e.token, token(i));
	}
	fixture_quiet(f, 20 * ENN_MILLISECOND); /* nothing is received that was not asked for */
	for (size_t i = 1; i <= 100; i++) {
		CHECK(enn_connection_receive(f->server, 0, 0, token(1000 + i)));
	}
	for (size_t i = 1; i <= 100; i++) {
		(void)snprintf(text, sizeof(text), "message %zu", i);
		expect_text(f, f->server.id, text, 0, 1000 + i);
	}
	fixture_quiet(f, 20 * ENN_MILLISECOND);
	assert_int_equal(usage_of(f).loans, 0);
	assert_int_equal(usage_of(f).queued_send_bytes, 0);
}

static void test_close_is_last_and_once(void **state)
{
	struct fixture *f = *state;

	fixture_connect(f);
	CHECK(enn_connection_receive(f->server, 1, 0, token(7)));
	CHECK(enn_connection_receive(f->server, 1, 0, token(8)));
	send_text(f->client, "bye", 0, 1);
	CHECK(enn_connection_close(f->client));
	assert_int_equal(enn_connection_close(f->client), ENN_E_CLOSED);
	assert_int_equal(enn_connection_send(f->client, "x", 1, NULL), ENN_E_CLOSED);
	assert_int_equal(enn_connection_receive(f->client, 1, 0, NULL), ENN_E_CLOSED);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_ptr_equal(e.token, token(7));
	assert_int_equal(e.u.received.len, 3);
	CHECK(enn_message_release(e.u.received.loan));
	/* the end comes with the data if it was there already, else by itself: one event for each
	 * receive either way */
	if (e.u.received.end_of_message) {
		e = fixture_expect(f, ENN_TAPS_RECEIVE_ERROR, f->server.id);
		assert_int_equal(e.u.error.status, ENN_E_CLOSED);
	} else {
		e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
		assert_int_equal(e.u.received.flags, ENN_MESSAGE_FINAL);
	}
	assert_ptr_equal(e.token, token(8));
	assert_int_equal(enn_connection_receive(f->server, 1, 0, NULL), ENN_E_CLOSED);
	CHECK(enn_connection_close(f->server));
	bool closed[2] = {false, false};
	for (int i = 0; i < 2; i++) {
		e = fixture_expect(f, ENN_TAPS_CLOSED, 0);
		closed[e.connection.id == f->client.id] = true;
	}
	assert_true(closed[0] && closed[1]);
	fixture_quiet(f, 20 * ENN_MILLISECOND);
	/* the slots live until free, and say that they are closed */
	struct enn_connection_info info;
	CHECK(enn_connection_info(f->client, &info));
	assert_int_equal(info.state, ENN_STATE_CLOSED);
	assert_int_equal(info.bytes_sent, 3);
	assert_string_equal(info.security.version, "null");
	assert_false(info.failed);
}

static void test_half_close(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 0;

	fixture_connect(f);
	CHECK(enn_connection_receive(f->server, 1, 0, token(1)));
	CHECK(enn_connection_receive(f->client, 1, 0, token(2)));
	send_text(f->client, "last words", ENN_MESSAGE_FINAL, 3);
	assert_int_equal(enn_connection_send(f->client, "x", 1, NULL), ENN_E_CLOSED);
	CHECK(enn_connection_get_property(f->client, ENN_PROPERTY_CAN_SEND, &value));
	assert_int_equal(value, 0);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	expect_text(f, f->server.id, "last words", ENN_MESSAGE_FINAL, 1);
	/* the other direction lives on for as long as it likes */
	fixture_quiet(f, 50 * ENN_MILLISECOND);
	send_text(f->server, "an answer", 0, 4);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->server.id);
	expect_text(f, f->client.id, "an answer", 0, 2);
	CHECK(enn_connection_receive(f->client, 1, 0, token(5)));
	send_text(f->server, "", ENN_MESSAGE_FINAL, 6);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->server.id);
	/* both directions have ended: Closed on both sides, after the data */
	int closed = 0;
	bool ended = false;
	while (closed < 2) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_RECEIVED) {
			assert_int_equal(e.u.received.flags, ENN_MESSAGE_FINAL);
			assert_true(e.u.received.end_of_message);
			ended = true;
		} else {
			assert_int_equal(e.type, ENN_TAPS_CLOSED);
			assert_true(ended || e.connection.id == f->server.id);
			closed++;
		}
	}
	fixture_quiet(f, 20 * ENN_MILLISECOND);
}

/* Closed waits for what arrived before it. */
static void test_data_before_closed(void **state)
{
	struct fixture *f = *state;

	fixture_connect(f);
	send_text(f->client, "first", 0, 0);
	send_text(f->client, "second", ENN_MESSAGE_FINAL, 0);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	send_text(f->server, "", ENN_MESSAGE_FINAL, 0);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->server.id);
	fixture_quiet(f, 50 * ENN_MILLISECOND);
	CHECK(enn_connection_receive(f->server, 0, 0, token(1)));
	CHECK(enn_connection_receive(f->client, 0, 0, token(9)));
	expect_text(f, f->server.id, "first", 0, 1);
	CHECK(enn_connection_receive(f->server, 0, 0, token(2)));
	expect_text(f, f->server.id, "second", ENN_MESSAGE_FINAL, 2);
	(void)fixture_await(f, ENN_TAPS_CLOSED, f->server.id);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;

	fixture_connect(f);
	CHECK(enn_connection_receive(f->server, 1, 0, token(1)));
	CHECK(enn_connection_receive(f->client, 1, 0, token(2)));
	CHECK(enn_connection_abort(f->client));
	assert_int_equal(enn_connection_abort(f->client), ENN_E_CLOSED);
	e = fixture_expect(f, ENN_TAPS_RECEIVE_ERROR, f->client.id);
	assert_ptr_equal(e.token, token(2));
	e = fixture_expect(f, ENN_TAPS_CONNECTION_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_CONNECTION_ABORTED);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_LOCAL);
	e = fixture_expect(f, ENN_TAPS_RECEIVE_ERROR, f->server.id);
	assert_ptr_equal(e.token, token(1));
	e = fixture_expect(f, ENN_TAPS_CONNECTION_ERROR, f->server.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_CONNECTION_ABORTED);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
	fixture_quiet(f, 20 * ENN_MILLISECOND);
}

/* Sends that can no longer be sent have their SendError before the last event. */
static void test_send_errors(void **state)
{
	struct fixture *f = *state;
	static char big[1 << 20];

	fixture_connect(f);
	for (size_t i = 1; i <= 40; i++) {
		struct enn_message_context m = {.token = token(i)};
		CHECK(enn_connection_send_borrowed(f->client, big, sizeof(big), &m));
	}
	fixture_settle(f);
	CHECK(enn_connection_abort(f->client));
	size_t seen = 0;
	for (;;) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.connection.id != f->client.id) {
			continue;
		}
		if (e.type == ENN_TAPS_CONNECTION_ERROR) {
			break;
		}
		assert_true(e.type == ENN_TAPS_SENT || e.type == ENN_TAPS_SEND_ERROR);
		assert_ptr_equal(e.token, token(++seen));
		if (e.type == ENN_TAPS_SEND_ERROR) {
			assert_int_equal(e.u.error.reason, ENN_REASON_CONNECTION_ABORTED);
		}
	}
	assert_int_equal(seen, 40);
}

static void test_truncation(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;

	fixture_preconnections(f);
	fixture_listen(f);
	int fd = raw_connect(f->port);
	assert_int_equal(send(fd, "H\0\0D\0\3abc", 9, 0), 9);
	e = fixture_expect(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	f->server = e.connection;
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	fixture_settle(f);
	/* the data is delivered, and then the truth about its end */
	CHECK(enn_connection_receive(f->server, 1, 0, token(1)));
	CHECK(enn_connection_receive(f->server, 1, 0, token(2)));
	expect_text(f, f->server.id, "abc", 0, 1);
	e = fixture_expect(f, ENN_TAPS_RECEIVE_ERROR, f->server.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TRUNCATED);
	e = fixture_expect(f, ENN_TAPS_CONNECTION_ERROR, f->server.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TRUNCATED);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
	(void)close(fd);
}

static void test_expired(void **state)
{
	struct fixture *f = *state;
	static char big[1 << 20];
	struct enn_taps_event e;
	struct enn_message_context m = {.token = token(1)};

	fixture_connect(f);
	/* more than the sockets hold, so that the last message cannot begin */
	for (size_t i = 0; i < 24; i++) {
		CHECK(enn_connection_send_borrowed(f->client, big, sizeof(big), &m));
	}
	m.token = token(2);
	m.lifetime = 30 * ENN_MILLISECOND;
	CHECK(enn_connection_send(f->client, "too late", 8, &m));
	m.token = token(3);
	m.lifetime = ENN_SECOND * 100;
	CHECK(enn_connection_send(f->client, "in time", 7, &m));
	e = fixture_await(f, ENN_TAPS_EXPIRED, f->client.id);
	assert_ptr_equal(e.token, token(2));
	/* the rest arrives when the server reads */
	size_t left = sizeof(big) * 24 + 7;
	while (left > 0) {
		CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		do {
			assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
			assert_int_not_equal(e.type, ENN_TAPS_EXPIRED);
		} while (e.type != ENN_TAPS_RECEIVED);
		left -= e.u.received.len;
		CHECK(enn_message_release(e.u.received.loan));
	}
	assert_int_equal(usage_of(f).queued_send_bytes, 0);
}

/* RFC 9622 §8.1.3: msgLifetime as a property of the preconnection. */
static void test_expired_by_property(void **state)
{
	struct fixture *f = *state;

	f->null.b.mute = true;
	fixture_preconnections(f);
	CHECK(enn_preconnection_parse(f->client_pre, "msgLifetime", "20", NULL));
	fixture_listen(f);
	fixture_initiate(f);
	CHECK(enn_connection_send(f->client, "x", 1, NULL));
	(void)fixture_expect(f, ENN_TAPS_EXPIRED, f->client.id);
	fixture_quiet(f, 20 * ENN_MILLISECOND);
}

static void test_conn_timeout(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;

	f->null.b.mute = true;
	fixture_preconnections(f);
	CHECK(enn_preconnection_set_u64(f->client_pre, ENN_PROPERTY_CONN_TIMEOUT,
					40 * ENN_MILLISECOND));
	fixture_listen(f);
	fixture_initiate(f);
	CHECK(enn_connection_send(f->client, "x", 1, NULL));
	(void)fixture_expect(f, ENN_TAPS_SEND_ERROR, f->client.id);
	e = fixture_expect(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
	fixture_quiet(f, 50 * ENN_MILLISECOND);
}

/* Established, but the peer does not read: data makes no progress. */
static void test_conn_timeout_while_sending(void **state)
{
	struct fixture *f = *state;
	static char big[1 << 20];
	struct enn_taps_event e;

	fixture_connect(f);
	CHECK(enn_connection_set_property(f->client, ENN_PROPERTY_CONN_TIMEOUT,
					  100 * ENN_MILLISECOND));
	for (size_t i = 0; i < 24; i++) {
		CHECK(enn_connection_send_borrowed(f->client, big, sizeof(big), NULL));
	}
	enn_time begin = enn_context_now(f->ctx);
	e = fixture_await(f, ENN_TAPS_CONNECTION_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
	assert_true(enn_context_now(f->ctx) - begin >= 100 * ENN_MILLISECOND);
}

/* The peer never ends its direction: the close timeout does. */
static void test_close_timeout(void **state)
{
	struct fixture *f = *state;
	struct enn_context_options options = {.close_timeout = 50 * ENN_MILLISECOND};

	fixture_close(f);
	fixture_open(f, &options, false);
	fixture_connect(f);
	CHECK(enn_connection_close(f->client));
	(void)fixture_expect(f, ENN_TAPS_CLOSED, f->client.id);
}

static void test_arguments(void **state)
{
	struct fixture *f = *state;
	struct enn_message_context m = {.flags = ENN_MESSAGE_WAS_EARLY};

	fixture_connect(f);
	assert_int_equal(enn_connection_send(f->client, NULL, 1, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_connection_send(f->client, "x", 1, &m), ENN_E_ARGUMENT);
	assert_int_equal(enn_connection_receive(f->client, 10, 5, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_connection_receive(f->client, 262145, 0, NULL), ENN_E_ARGUMENT);
	struct enn_connection clone;
	assert_int_equal(enn_connection_clone(f->client, &clone), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_connection_migrate(f->client, NULL), ENN_E_ARGUMENT);
	struct enn_path path = {0};
	assert_int_equal(enn_connection_migrate(f->client, &path), ENN_E_UNSUPPORTED);
	for (int i = 0; i < 1024; i++) {
		CHECK(enn_connection_receive(f->client, 1, 0, NULL));
	}
	assert_int_equal(enn_connection_receive(f->client, 1, 0, NULL), ENN_E_LIMIT);
	fixture_quiet(f, 10 * ENN_MILLISECOND);
}

static void test_keys_updated(void **state)
{
	struct fixture *f = *state;
	bool out = false;
	bool in = false;

	fixture_connect(f);
	CHECK(enn_connection_update_keys(f->client, false));
	for (int i = 0; i < 2; i++) {
		struct enn_taps_event e = fixture_expect(f, ENN_TAPS_KEYS_UPDATED, 0);
		assert_int_equal(e.u.keys.generation, 1);
		out |= e.connection.id == f->client.id && e.u.keys.direction == ENN_DIRECTION_SEND;
		in |= e.connection.id == f->server.id &&
		      e.u.keys.direction == ENN_DIRECTION_RECEIVE;
	}
	assert_true(in && out);
}

static void test_engine_failure(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;

	fixture_connect(f);
	f->null.b.fail_after = 1;
	send_text(f->client, "poison", 0, 1);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	e = fixture_expect(f, ENN_TAPS_CONNECTION_ERROR, f->server.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_PROTOCOL_FAILED);
	/* the alert reached the client, which says so rather than that the stream ended */
	e = fixture_expect(f, ENN_TAPS_CONNECTION_ERROR, f->client.id);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(enn_connection_update_keys(f->client, false), ENN_E_CLOSED);
	struct enn_connection_info info;
	CHECK(enn_connection_info(f->client, &info));
	assert_true(info.failed);
	assert_int_equal(info.error.reason, ENN_REASON_CERT_REJECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_event_each, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_is_last_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_before_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired_by_property, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conn_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conn_timeout_while_sending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_updated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_failure, setup, teardown),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
