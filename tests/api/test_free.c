/* SPDX-License-Identifier: Apache-2.0
 *
 * Freeing at any time, stale handles, and that nothing is left behind.
 */
#include "fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "taps/internal.h"

/* ---- stale handles ------------------------------------------------------------------- */

static void expect_stale(struct enn_connection c)
{
	struct enn_connection_info info;
	struct enn_connection clone;
	struct enn_candidate_report row;
	uint64_t value;
	uint8_t key[16];

	assert_int_equal(enn_connection_send(c, "x", 1, NULL), ENN_E_STALE);
	assert_int_equal(enn_connection_send_borrowed(c, "x", 1, NULL), ENN_E_STALE);
	assert_int_equal(enn_connection_receive(c, 1, 0, NULL), ENN_E_STALE);
	assert_int_equal(enn_connection_close(c), ENN_E_STALE);
	assert_int_equal(enn_connection_abort(c), ENN_E_STALE);
	assert_int_equal(enn_connection_clone(c, &clone), ENN_E_STALE);
	assert_int_equal(enn_connection_update_keys(c, true), ENN_E_STALE);
	assert_int_equal(enn_connection_export_key(c, "x", NULL, 0, false, key, 16), ENN_E_STALE);
	assert_int_equal(enn_connection_migrate(c, NULL), ENN_E_STALE);
	assert_int_equal(enn_connection_set_property(c, ENN_PROPERTY_CONN_TIMEOUT, 1), ENN_E_STALE);
	assert_int_equal(enn_connection_get_property(c, ENN_PROPERTY_CONN_TIMEOUT, &value),
			 ENN_E_STALE);
	assert_int_equal(enn_connection_set_user(c, NULL), ENN_E_STALE);
	assert_int_equal(enn_connection_info(c, &info), ENN_E_STALE);
	assert_int_equal(enn_connection_trust_answer(c, 1, true), ENN_E_STALE);
	assert_int_equal(enn_connection_psk_answer(c, 1, NULL, 0, ENN_PSK_SHA256), ENN_E_STALE);
	assert_int_equal(enn_connection_sign_answer(c, 1, NULL, 0), ENN_E_STALE);
	assert_int_equal(enn_connection_explain(c, &row, 1), 0);
	assert_false(enn_connection_has(c, ENN_FEATURE_FORWARD_SECRECY));
	enn_connection_free(c);
}

static void test_stale_handles(void **state)
{
	struct fixture f;
	struct enn_address address;

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_connect(&f);
	struct enn_connection old = f.client;
	enn_connection_free(f.client);
	expect_stale(old);
	expect_stale((struct enn_connection){0});
	expect_stale((struct enn_connection){f.ctx, 0});
	expect_stale((struct enn_connection){f.ctx, UINT64_MAX});
	expect_stale((struct enn_connection){f.ctx, 12345});
	fixture_initiate(&f); /* takes the same slot: the old handle stays stale */
	assert_int_equal((uint32_t)f.client.id, (uint32_t)old.id);
	expect_stale(old);
	struct enn_listener listener = f.listener;
	enn_listener_free(listener);
	assert_int_equal(enn_listener_stop(listener), ENN_E_STALE);
	assert_int_equal(enn_listener_set_new_connection_limit(listener, 1), ENN_E_STALE);
	assert_int_equal(enn_listener_local_address(listener, 0, &address), ENN_E_STALE);
	enn_listener_free(listener);
	enn_listener_free((struct enn_listener){0});
	assert_int_equal(enn_message_release((struct enn_loan){0}), ENN_E_STALE);
	assert_int_equal(enn_message_release((struct enn_loan){f.ctx, 99}), ENN_E_STALE);
	fixture_close(&f);
}

static void test_null_is_legal(void **state)
{
	(void)state;
	enn_context_free(NULL);
	enn_preconnection_free(NULL);
}

/* ---- freeing at the n-th event ------------------------------------------------------- */

enum victim { CLIENT, SERVER, LISTENER, ABORT_CLIENT, CLOSE_SERVER, EVERYTHING, VICTIMS };

static void strike(struct fixture *f, enum victim victim, const struct enn_taps_event *event)
{
	switch (victim) {
	case CLIENT:
		enn_connection_free(f->client);
		break;
	case SERVER:
		enn_connection_free(event->type == ENN_TAPS_CONNECTION_RECEIVED ? event->connection
										: f->server);
		break;
	case LISTENER:
		enn_listener_free(f->listener);
		break;
	case ABORT_CLIENT:
		(void)enn_connection_abort(f->client);
		break;
	case CLOSE_SERVER:
		(void)enn_connection_close(f->server);
		break;
	default:
		break;
	}
}

/* What an application does that does not look at results: the calls must stand it. */
static void carry_on(struct fixture *f, const struct enn_taps_event *event)
{
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};
	enum enn_status status = ENN_OK;

	switch (event->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		f->server = event->connection;
		status = enn_connection_receive(f->server, 1, 0, NULL);
		break;
	case ENN_TAPS_READY:
		status = enn_connection_send(f->client, "question", 8, NULL);
		if (status == ENN_OK) {
			status = enn_connection_receive(f->client, 1, 0, NULL);
		}
		if (status == ENN_OK) {
			status = enn_connection_update_keys(f->client, false);
		}
		break;
	case ENN_TAPS_RECEIVED:
		(void)enn_message_release(event->u.received.loan);
		if (event->connection.id == f->server.id) {
			status = enn_connection_send(f->server, "answer", 6, &last);
		} else {
			status = enn_connection_close(f->client);
		}
		break;
	default:
		break;
	}
	(void)status;
}

static bool is_last(const struct enn_taps_event *event)
{
	return event->type == ENN_TAPS_CLOSED || event->type == ENN_TAPS_CONNECTION_ERROR ||
	       event->type == ENN_TAPS_ESTABLISHMENT_ERROR;
}

/* Runs a conversation and strikes at the n-th event. Returns how many events there were. */
static size_t run_and_strike(enum victim victim, size_t n)
{
	struct fixture f;
	size_t count = 0;
	uint64_t gone = 0;
	bool ended_client = false;

	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	fixture_listen(&f);
	fixture_initiate(&f);
	for (;;) {
		struct enn_taps_event event;
		if (enn_poll(f.ctx, &event, 1, 15 * ENN_MILLISECOND) == 0) {
			break;
		}
		assert_true(gone == 0 || event.connection.id != gone);
		assert_false(event.connection.id == f.client.id && ended_client);
		ended_client |= event.connection.id == f.client.id && is_last(&event);
		count++;
		if (count == n) {
			strike(&f, victim, &event);
			if (victim == EVERYTHING) {
				break;
			}
			gone = victim == CLIENT ? f.client.id : 0;
			if (victim == SERVER) {
				gone = event.type == ENN_TAPS_CONNECTION_RECEIVED
					       ? event.connection.id
					       : f.server.id;
			}
		}
		carry_on(&f, &event);
		assert_true(count < 100);
	}
	fixture_close(&f);
	return count;
}

static void test_free_at_every_event(void **state)
{
	(void)state;
	for (enum victim victim = CLIENT; victim < VICTIMS; victim++) {
		size_t events = run_and_strike(victim, SIZE_MAX);
		assert_true(events >= 8);
		for (size_t n = 1; n <= events; n++) {
			(void)run_and_strike(victim, n);
		}
	}
}

/* Between events too: after every single turn of the loop. */
static void test_free_at_every_turn(void **state)
{
	bool over = false;

	(void)state;
	for (int turns = 0; turns < 400 && !over; turns++) {
		struct fixture f;
		struct enn_taps_event event;
		int left = turns;
		int quiet = 0;
		fixture_open(&f, NULL, false);
		fixture_preconnections(&f);
		fixture_listen(&f);
		fixture_initiate(&f);
		CHECK(enn_connection_send(f.client, "early bird", 10, NULL));
		for (; left > 0 && quiet < 20; left--) {
			if (enn_poll(f.ctx, &event, 1, 0) == 1) {
				carry_on(&f, &event);
				quiet = 0;
			} else {
				quiet++;
			}
		}
		over = quiet == 20;
		if (turns % 2 == 0) {
			enn_connection_free(f.client);
			enn_connection_free(f.server);
			enn_listener_free(f.listener);
			fixture_settle(&f);
			/* a stream that ends in the background may still linger */
			assert_int_equal(usage_of(&f).connections, 0);
			assert_int_equal(usage_of(&f).queued_send_bytes, 0);
			assert_int_equal(f.null.b.engines, 0);
		}
		fixture_close(&f);
	}
	assert_true(over);
}

static void test_borrowed_returns_with_free(void **state)
{
	struct fixture f;
	static uint8_t buffer[65536];

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_connect(&f);
	for (int i = 0; i < 100; i++) {
		CHECK(enn_connection_send_borrowed(f.client, buffer, sizeof(buffer), NULL));
	}
	fixture_settle(&f);
	enn_connection_free(f.client);
	memset(buffer, 0xff, sizeof(buffer)); /* nobody reads it any more */
	/* the server still receives what had arrived, and then learns of the end */
	size_t received = 0;
	for (;;) {
		struct enn_taps_event e;
		if (enn_connection_receive(f.server, 1, 0, NULL) == ENN_OK) {
			received++;
		}
		assert_int_equal(enn_poll(f.ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_CONNECTION_ERROR) {
			assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
			break;
		}
		if (e.type == ENN_TAPS_RECEIVE_ERROR) {
			continue;
		}
		assert_int_equal(e.type, ENN_TAPS_RECEIVED);
		for (size_t i = 0; i < e.u.received.len; i++) {
			assert_int_equal(e.u.received.data[i], 0);
		}
		CHECK(enn_message_release(e.u.received.loan));
	}
	assert_true(received > 1);
	fixture_close(&f);
}

/* The events of one poll: handling the first frees what the second is about. */
static void test_free_in_a_batch(void **state)
{
	struct fixture f;
	struct enn_taps_event events[8];

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_connect(&f);
	for (int i = 0; i < 4; i++) {
		CHECK(enn_connection_receive(f.server, 1, 0, NULL));
		CHECK(enn_connection_send(f.client, "x", 1, NULL));
	}
	fixture_settle(&f);
	size_t n = enn_poll(f.ctx, events, 3, 0);
	assert_int_equal(n, 3);
	enn_connection_free(f.client);
	enn_connection_free(f.server);
	n = enn_poll(f.ctx, events, 8, 20 * ENN_MILLISECOND);
	assert_int_equal(n, 0);
	assert_int_equal(usage_of(&f).loans, 0);
	fixture_close(&f);
}

static void test_preconnection_snapshot(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	fixture_listen(&f);
	fixture_initiate(&f);
	/* what is changed now has no effect on what is under way */
	CHECK(enn_preconnection_set_u64(f.client_pre, ENN_PROPERTY_CONN_TIMEOUT, 1));
	CHECK(enn_preconnection_set_pref(f.client_pre, ENN_PROPERTY_RELIABILITY, ENN_PROHIBIT));
	enn_preconnection_free(f.client_pre);
	enn_preconnection_free(f.server_pre);
	f.client_pre = f.server_pre = NULL;
	(void)fixture_await(&f, ENN_TAPS_READY, f.client.id);
	uint64_t value = 0;
	CHECK(enn_connection_get_property(f.client, ENN_PROPERTY_CONN_TIMEOUT, &value));
	assert_true(value == ENN_TIME_NEVER);
	fixture_close(&f);
}

/* A preconnection may outlive its context. */
static void test_preconnection_outlives(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	fixture_listen(&f);
	enn_context_free(f.ctx);
	f.ctx = NULL;
	fixture_close(&f);
}

/* ---- many ---------------------------------------------------------------------------- */

static void test_thousand_connections(void **state)
{
	enum { MANY = 1000 };
	static struct enn_connection clients[MANY];
	static struct enn_connection servers[MANY];
	struct fixture f;
	struct enn_taps_event event;
	size_t ready = 0;
	size_t received = 0;

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	fixture_listen(&f);
	for (size_t round = 0; round < 3; round++) {
		ready = received = 0;
		for (size_t i = 0; i < MANY; i++) {
			fixture_initiate(&f);
			clients[i] = f.client;
		}
		while (ready < MANY || received < MANY) {
			assert_int_equal(enn_poll(f.ctx, &event, 1, 5 * ENN_SECOND), 1);
			if (event.type == ENN_TAPS_READY) {
				ready++;
			} else {
				assert_int_equal(event.type, ENN_TAPS_CONNECTION_RECEIVED);
				servers[received++] = event.connection;
			}
		}
		assert_int_equal(usage_of(&f).connections, 2 * MANY);
		assert_int_equal(f.null.b.engines, 2 * MANY);
		assert_int_equal(usage_of(&f).read_buffers, 0); /* idle ones hold none */
		for (size_t i = 0; i < MANY; i++) {
			if (round == 0) { /* orderly */
				CHECK(enn_connection_close(clients[i]));
				CHECK(enn_connection_close(servers[i]));
			} else if (round == 1) { /* one side vanishes */
				enn_connection_free(clients[i]);
			}
		}
		for (size_t n = 0; n < (round == 0 ? 2 * MANY : round == 1 ? MANY : 0); n++) {
			assert_int_equal(enn_poll(f.ctx, &event, 1, 5 * ENN_SECOND), 1);
			assert_int_equal(event.type,
					 round == 0 ? ENN_TAPS_CLOSED : ENN_TAPS_CONNECTION_ERROR);
		}
		for (size_t i = 0; i < MANY; i++) {
			enn_connection_free(clients[i]);
			enn_connection_free(servers[i]);
		}
		fixture_settle(&f);
		assert_int_equal(usage_of(&f).connections, 0);
		assert_int_equal(usage_of(&f).sockets, 1);
		assert_int_equal(usage_of(&f).events, 0);
		assert_int_equal(usage_of(&f).loans, 0);
		assert_int_equal(f.ctx->queue.promised, 1); /* the listener's Stopped */
		assert_int_equal(f.null.b.engines, 0);
	}
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale_handles),
		cmocka_unit_test(test_null_is_legal),
		cmocka_unit_test(test_free_at_every_event),
		cmocka_unit_test(test_free_at_every_turn),
		cmocka_unit_test(test_borrowed_returns_with_free),
		cmocka_unit_test(test_free_in_a_batch),
		cmocka_unit_test(test_preconnection_snapshot),
		cmocka_unit_test(test_preconnection_outlives),
		cmocka_unit_test(test_thousand_connections),
	};

	return cmocka_run_group_tests_name("free", tests, NULL, NULL);
}
