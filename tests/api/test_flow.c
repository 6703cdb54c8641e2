/* SPDX-License-Identifier: Apache-2.0
 *
 * Flow control: loans bound what is read, windows bound what is sent, and nothing is
 * lost, reordered or copied on the way.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#define BIG ((size_t)8 << 20)

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

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 2654435761u >> 13);
}

static uint8_t *make_data(size_t len)
{
	uint8_t *data = malloc(len);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		data[i] = pattern(i);
	}
	return data;
}

static void check_data(const struct enn_taps_event *e, size_t at)
{
	for (size_t i = 0; i < e->u.received.len; i++) {
		if (e->u.received.data[i] != pattern(at + i)) {
			fail_msg("byte %zu differs", at + i);
		}
	}
}

/* A borrowed send of any size arrives whole; the sender's memory is not copied. */
static void test_borrowed_send(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(BIG);
	struct enn_message_context m = {.token = data, .flags = ENN_MESSAGE_FINAL};
	size_t at = 0;
	bool sent = false;
	bool end = false;

	fixture_connect(f);
	CHECK(enn_connection_send_borrowed(f->client, data, BIG, &m));
	assert_int_equal(usage_of(f).queued_send_bytes, 0);
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	while (!sent || !end) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_SENT) {
			assert_ptr_equal(e.token, data);
			memset(data, 0, BIG); /* it is ours again: nothing reads it any more */
			sent = true;
			continue;
		}
		assert_int_equal(e.type, ENN_TAPS_RECEIVED);
		check_data(&e, at);
		at += e.u.received.len;
		end = e.u.received.end_of_message;
		(void)enn_message_release(e.u.received.loan);
		if (!end) {
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		}
	}
	assert_int_equal(at, BIG);
	assert_int_equal(usage_of(f).loans, 0);
	assert_int_equal(usage_of(f).read_buffers, 0);
	free(data);
}

/* A reader that keeps what it gets: the memory on loan stays in the window, the sender is held up,
 * and nothing is lost when the reader goes on. */
static void test_slow_reader(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(BIG);
	struct enn_taps_event held[64];
	size_t n = 0;
	size_t at = 0;
	bool sent = false;

	fixture_connect(f);
	CHECK(enn_connection_send_borrowed(f->client, data, BIG, NULL));
	for (int i = 0; i < 64; i++) {
		CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	}
	while (n < 64 && enn_poll(f->ctx, &held[n], 1, 50 * ENN_MILLISECOND) == 1) {
		assert_int_equal(held[n].type, ENN_TAPS_RECEIVED);
		n++;
	}
	fixture_settle(f);
	struct enn_context_usage u = usage_of(f);
	size_t on_loan = 0;
	for (size_t i = 0; i < n; i++) {
		on_loan += held[i].u.received.len;
	}
	assert_true(n > 0 && n < 64);
	assert_true(on_loan <= 262144);
	assert_int_equal(u.loans, n);
	assert_true(u.read_buffers * 65536 <= 262144);
	/* give back one after the other, in order: all of it arrives */
	for (size_t i = 0;; i++) {
		struct enn_taps_event *e = &held[i % 64];
		if (i >= n) {
			break;
		}
		check_data(e, at);
		at += e->u.received.len;
		CHECK(enn_message_release(e->u.received.loan));
		while (at < BIG && i + 1 == n) {
			struct enn_taps_event next;
			assert_int_equal(enn_poll(f->ctx, &next, 1, ENN_SECOND), 1);
			if (next.type == ENN_TAPS_SENT) {
				sent = true;
				continue;
			}
			assert_int_equal(next.type, ENN_TAPS_RECEIVED);
			check_data(&next, at);
			at += next.u.received.len;
			CHECK(enn_message_release(next.u.received.loan));
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
			assert_true(usage_of(f).read_buffers * 65536 <= 262144);
		}
	}
	assert_int_equal(at, BIG);
	if (!sent) {
		(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	}
	assert_int_equal(usage_of(f).loans, 0);
	free(data);
}

/* A reader that never asks: the same bound, for the data that waits. */
static void test_no_reader(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(BIG);

	fixture_connect(f);
	CHECK(enn_connection_send_borrowed(f->client, data, BIG, NULL));
	fixture_settle(f);
	fixture_quiet(f, 20 * ENN_MILLISECOND);
	struct enn_context_usage u = usage_of(f);
	assert_true(u.read_buffers > 0 && u.read_buffers * 65536 <= 262144);
	assert_int_equal(u.loans, 0);
	/* the reader's own sends are not held up by that */
	CHECK(enn_connection_send(f->server, "still here", 10, NULL));
	CHECK(enn_connection_receive(f->client, 1, 0, NULL));
	(void)fixture_expect(f, ENN_TAPS_SENT, f->server.id);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_RECEIVED, f->client.id);
	assert_int_equal(e.u.received.len, 10);
	CHECK(enn_message_release(e.u.received.loan));
	enn_connection_free(f->server);
	enn_connection_free(f->client);
	free(data);
	assert_int_equal(usage_of(f).read_buffers, 0);
}

/* Copies: the window refuses, a Sent makes room, and the account is exact. */
static void test_send_window(void **state)
{
	struct fixture *f = *state;
	static const char kib[1024];
	size_t queued = 0;
	enum enn_status status;

	fixture_connect(f);
	while ((status = enn_connection_send(f->client, kib, sizeof(kib), NULL)) == ENN_OK) {
		queued++;
	}
	assert_int_equal(status, ENN_E_AGAIN);
	assert_int_equal(queued, 1024); /* messages, and exactly the 1 MiB window */
	assert_int_equal(usage_of(f).queued_send_bytes, 1048576);
	(void)fixture_expect(f, ENN_TAPS_SENT, f->client.id);
	CHECK(enn_connection_send(f->client, kib, sizeof(kib), NULL));
	for (size_t i = 0; i < 1024; i++) {
		(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
	}
	assert_int_equal(usage_of(f).queued_send_bytes, 0);
}

/* One message larger than the window goes when nothing else waits, and only then. */
static void test_oversized_copy(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(BIG);

	fixture_connect(f);
	CHECK(enn_connection_send(f->client, data, BIG, NULL));
	memset(data, 0, BIG); /* it was copied */
	assert_int_equal(enn_connection_send(f->client, data, 1, NULL), ENN_E_AGAIN);
	assert_int_equal(usage_of(f).queued_send_bytes, BIG);
	free(data);
	size_t at = 0;
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	while (at < BIG) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_RECEIVED) {
			check_data(&e, at);
			at += e.u.received.len;
			CHECK(enn_message_release(e.u.received.loan));
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		}
	}
	assert_int_equal(usage_of(f).queued_send_bytes, 0);
}

/* min_incomplete gathers, max splits. */
static void test_min_and_max(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(100000);
	size_t at = 0;
	struct enn_taps_event e;

	fixture_connect(f);
	for (size_t i = 0; i < 100; i++) {
		CHECK(enn_connection_send(f->client, data + i * 1000, 1000, NULL));
		(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
	}
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};
	CHECK(enn_connection_send(f->client, NULL, 0, &last));
	(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
	CHECK(enn_connection_receive(f->server, 1, 300, NULL));
	e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_int_equal(e.u.received.len, 300);
	check_data(&e, at);
	at += 300;
	CHECK(enn_message_release(e.u.received.loan));
	CHECK(enn_connection_receive(f->server, 50000, 0, NULL));
	CHECK(enn_connection_receive(f->server, 20000, 20000, NULL));
	e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_true(e.u.received.len >= 50000);
	check_data(&e, at);
	at += e.u.received.len;
	CHECK(enn_message_release(e.u.received.loan));
	e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_int_equal(e.u.received.len, 20000);
	check_data(&e, at);
	at += e.u.received.len;
	CHECK(enn_message_release(e.u.received.loan));
	/* less than the minimum only at the end of the data */
	CHECK(enn_connection_receive(f->server, 100000, 0, NULL));
	e = fixture_expect(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_int_equal(at + e.u.received.len, 100000);
	assert_true(e.u.received.end_of_message);
	check_data(&e, at);
	CHECK(enn_message_release(e.u.received.loan));
	assert_int_equal(usage_of(f).read_buffers, 0);
	free(data);
}

/* A minimum as large as the window, in tiny messages: gathering must not wait for a window that it
 * fills itself. */
static void test_gather_the_window(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = make_data(262144);
	size_t sent = 0;
	struct enn_taps_event e;

	fixture_connect(f);
	CHECK(enn_connection_receive(f->server, 262144, 0, NULL));
	while (sent < 262144) {
		if (enn_connection_send(f->client, data + sent, 64, NULL) == ENN_OK) {
			sent += 64;
		} else {
			(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
		}
	}
	e = fixture_await(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_int_equal(e.u.received.len, 262144);
	check_data(&e, 0);
	/* on loan it counts: nothing more is read until it is back */
	CHECK(enn_message_release(e.u.received.loan));
	assert_int_equal(usage_of(f).read_buffers, 0);
	free(data);
}

/* Loans outlive their connection, and end with the context. */
static void test_loans_outlive(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e[2];

	fixture_connect(f);
	for (int i = 0; i < 2; i++) {
		CHECK(enn_connection_send(f->client, "keep me", 7, NULL));
		CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		e[i] = fixture_await(f, ENN_TAPS_RECEIVED, f->server.id);
	}
	enn_connection_free(f->client);
	enn_connection_free(f->server);
	fixture_settle(f);
	assert_memory_equal(e[0].u.received.data, "keep me", 7);
	CHECK(enn_message_release(e[0].u.received.loan));
	assert_int_equal(enn_message_release(e[0].u.received.loan), ENN_E_STALE);
	assert_memory_equal(e[1].u.received.data, "keep me", 7);
	assert_int_equal(usage_of(f).loans, 1); /* the context frees this one */
}

/* The smallest window still lets everything through, a buffer at a time. */
static void test_tiny_window(void **state)
{
	struct fixture *f = *state;
	struct enn_context_options options = {.receive_window = 1};
	uint8_t *data = make_data(1 << 20);
	size_t at = 0;

	fixture_close(f);
	fixture_open(f, &options, false);
	fixture_connect(f);
	CHECK(enn_connection_send_borrowed(f->client, data, 1 << 20, NULL));
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	while (at < 1 << 20) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_RECEIVED) {
			check_data(&e, at);
			at += e.u.received.len;
			/* the piece that an earlier read left unfinished has a buffer of its own */
			assert_true(usage_of(f).read_buffers <= 2);
			CHECK(enn_message_release(e.u.received.loan));
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		}
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_borrowed_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oversized_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_min_and_max, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gather_the_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loans_outlive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tiny_window, setup, teardown),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
