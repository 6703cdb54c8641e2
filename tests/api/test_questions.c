/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the application, sessions and early data, at the level of the objects:
 * with the null protocol, so that each order of events can be had.
 */
#include "fixture.h"

#include <string.h>
#include <unistd.h>

#include "taps/internal.h"

#define MS ENN_MILLISECOND

static int setup(void **state)
{
	static struct fixture f;

	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* ---- questions ----------------------------------------------------------------------- */

static void test_trust(void **state)
{
	struct fixture *f = *state;

	f->null.b.client_ask = NULL_ASK_TRUST;
	fixture_listen(f);
	fixture_initiate(f);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_TRUST_REQUEST, f->client.id);
	assert_string_equal(e.u.trust.server_name, "null.example");
	assert_int_equal(e.u.trust.remote.port, f->port);
	fixture_quiet(f, 30 * MS); /* parked */
	assert_int_equal(enn_connection_trust_answer(f->client, e.u.trust.request + 1, true),
			 ENN_E_NOT_FOUND);
	assert_int_equal(enn_connection_psk_answer(f->client, e.u.trust.request,
						   (const uint8_t *)"k", 1, ENN_PSK_SHA256),
			 ENN_E_NOT_FOUND);
	CHECK(enn_connection_trust_answer(f->client, e.u.trust.request, true));
	assert_int_equal(enn_connection_trust_answer(f->client, e.u.trust.request, true),
			 ENN_E_NOT_FOUND);
	(void)fixture_expect(f, ENN_TAPS_READY, f->client.id);
}

static void test_no_trust(void **state)
{
	struct fixture *f = *state;

	f->null.b.client_ask = NULL_ASK_TRUST;
	fixture_listen(f);
	fixture_initiate(f);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_TRUST_REQUEST, f->client.id);
	CHECK(enn_connection_trust_answer(f->client, e.u.trust.request, false));
	e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_CERT_REJECTED);
}

/* A server's question names the coming connection, which can be answered for, or freed. */
static void test_server_questions(void **state)
{
	struct fixture *f = *state;

	f->null.b.server_ask = NULL_ASK_PSK;
	fixture_listen(f);
	fixture_initiate(f);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_PSK_REQUEST, 0);
	assert_int_equal(e.u.psk.identity_len, 3);
	assert_memory_equal(e.u.psk.identity, "ask", 3);
	CHECK(enn_connection_psk_answer(e.connection, e.u.psk.request, (const uint8_t *)"key", 3,
					ENN_PSK_SHA256));
	struct enn_taps_event r = fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	assert_int_equal(r.connection.id, e.connection.id);

	f->null.b.server_ask = NULL_ASK_SIGN;
	fixture_initiate(f);
	e = fixture_await(f, ENN_TAPS_SIGN_REQUEST, 0);
	assert_int_equal(e.u.sign.scheme, 0x0403);
	assert_memory_equal(e.u.sign.input, "ask", 3);
	CHECK(enn_connection_sign_answer(e.connection, e.u.sign.request, (const uint8_t *)"sig!",
					 4));
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);

	fixture_initiate(f);
	e = fixture_await(f, ENN_TAPS_SIGN_REQUEST, 0);
	enn_connection_free(e.connection);
	e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
}

/* A question whose candidate is gone before it was taken is not asked. */
static void test_question_of_the_dead(void **state)
{
	struct fixture *f = *state;

	f->null.b.client_ask = NULL_ASK_TRUST;
	f->null.b.deadline = 30 * MS;
	fixture_listen(f);
	fixture_initiate(f);
	/* it is asked, not taken, and then the handshake times out */
	for (enn_time until = enn_context_now(f->ctx) + 60 * MS; enn_context_now(f->ctx) < until;) {
		(void)enn_runtime_turn(f->ctx->rt, MS);
	}
	bool failed = false;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		assert_int_not_equal(e.type, ENN_TAPS_TRUST_REQUEST);
		failed |= e.type == ENN_TAPS_ESTABLISHMENT_ERROR;
	}
	assert_true(failed);
}

/* ---- sessions ------------------------------------------------------------------------ */

static void test_sessions(void **state)
{
	struct fixture *f = *state;

	f->null.b.tickets = true;
	fixture_listen(f);
	fixture_initiate(f);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_SESSION_STORED, f->client.id);
	assert_true(e.u.session.expires == INT64_MAX);
	assert_int_equal(f->null.b.sessions_offered, 0);
	fixture_initiate(f); /* the same preconnection: the same store */
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	assert_int_equal(f->null.b.sessions_offered, 1);
	(void)fixture_await(f, ENN_TAPS_SESSION_STORED, f->client.id);
	/* isolated: neither takes nor leaves one */
	CHECK(enn_preconnection_set_bool(f->client_pre, ENN_PROPERTY_ISOLATE_SESSION, true));
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	struct enn_taps_event more;
	while (enn_poll(f->ctx, &more, 1, 30 * MS) == 1) {
		assert_int_not_equal(more.type, ENN_TAPS_SESSION_STORED);
	}
	assert_int_equal(f->null.b.sessions_offered, 1);
	/* another name is another peer */
	CHECK(enn_preconnection_set_bool(f->client_pre, ENN_PROPERTY_ISOLATE_SESSION, false));
	CHECK(enn_preconnection_set_server_name(f->client_pre, "other.example"));
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	assert_int_equal(f->null.b.sessions_offered, 1);
	CHECK(enn_preconnection_set_server_name(f->client_pre, "null.example"));
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	assert_int_equal(f->null.b.sessions_offered, 2);
}

/* A session made without verification is not offered by a connection that verifies. */
static void test_session_strictness(void **state)
{
	struct fixture *f = *state;
	struct enn_security *s = enn_security_new();
	struct enn_session_store *store = enn_session_store_new(8);

	CHECK(enn_security_set_session_store(s, store));
	CHECK(enn_security_set_bool(s, ENN_SECURITY_VERIFY_PEER, false));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	f->null.b.tickets = true;
	fixture_listen(f);
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_SESSION_STORED, f->client.id);
	CHECK(enn_security_set_bool(s, ENN_SECURITY_VERIFY_PEER, true));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	assert_int_equal(f->null.b.sessions_offered, 0);
	CHECK(enn_security_set_bool(s, ENN_SECURITY_VERIFY_PEER, false));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	assert_int_equal(f->null.b.sessions_offered, 1);
	enn_security_free(s);
	enn_session_store_free(store);
}

/* ---- early data ---------------------------------------------------------------------- */

static void get_session(struct fixture *f)
{
	struct enn_security *s = enn_security_new();

	CHECK(enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, true));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	enn_security_free(s);
	f->null.b.tickets = true;
	fixture_listen(f);
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_SESSION_STORED, f->client.id);
	f->null.b.tickets = false;
	enn_connection_free(f->client);
	fixture_settle(f);
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 30 * MS) == 1) {
		if (e.type == ENN_TAPS_CONNECTION_ERROR) {
			enn_connection_free(e.connection);
		}
	}
	f->null.b.data_messages = 0;
}

static void send_early(struct fixture *f)
{
	struct enn_message_context m = {.flags = ENN_MESSAGE_EARLY, .token = f};

	CHECK(enn_preconnection_initiate_with_send(f->client_pre, "replay me", 9, &m, &f->client,
						   NULL));
}

static void test_early_data_accepted(void **state)
{
	struct fixture *f = *state;

	get_session(f);
	f->null.b.take_early = true;
	/* the server can be made to wait before Ready: early data is there already */
	send_early(f);
	bool sent = false;
	bool ready = false;
	bool told = false;
	bool received = false;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		switch (e.type) {
		case ENN_TAPS_CONNECTION_RECEIVED:
			f->server = e.connection;
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
			break;
		case ENN_TAPS_RECEIVED:
			assert_int_equal(e.u.received.flags, ENN_MESSAGE_WAS_EARLY);
			assert_int_equal(e.u.received.len, 9);
			CHECK(enn_message_release(e.u.received.loan));
			received = true;
			break;
		case ENN_TAPS_EARLY_DATA:
			assert_true(e.u.early_data.accepted);
			told |= e.connection.id == f->client.id;
			assert_true(!ready || e.connection.id != f->client.id);
			break;
		case ENN_TAPS_SENT:
			assert_ptr_equal(e.token, f);
			assert_true(ready); /* Sent is not told before Ready */
			assert_false(sent);
			sent = true;
			break;
		case ENN_TAPS_READY:
			ready |= e.connection.id == f->client.id;
			break;
		default:
			fail_msg("unexpected %s", enn_taps_event_name(e.type));
		}
	}
	assert_true(sent && ready && told && received);
	assert_int_equal(f->null.b.data_messages, 1);
}

static void test_early_data_rejected(void **state)
{
	struct fixture *f = *state;

	get_session(f);
	send_early(f);
	bool sent = false;
	size_t received = 0;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			f->server = e.connection;
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
		} else if (e.type == ENN_TAPS_RECEIVED) {
			assert_int_equal(e.u.received.flags, 0);
			assert_int_equal(e.u.received.len, 9);
			CHECK(enn_message_release(e.u.received.loan));
			CHECK(enn_connection_receive(f->server, 1, 0, NULL));
			received++;
		} else if (e.type == ENN_TAPS_EARLY_DATA) {
			assert_false(e.u.early_data.accepted);
		} else if (e.type == ENN_TAPS_SENT) {
			assert_false(sent);
			sent = true;
		}
	}
	assert_true(sent);
	assert_int_equal(received, 1);		      /* once */
	assert_int_equal(f->null.b.data_messages, 2); /* sealed twice */
}

/* Nothing is sent early that was not marked, or behind something that was not. */
static void test_early_data_needs_the_mark(void **state)
{
	struct fixture *f = *state;
	struct enn_message_context early = {.flags = ENN_MESSAGE_EARLY};

	get_session(f);
	f->null.b.take_early = true;
	fixture_initiate(f);
	CHECK(enn_connection_send(f->client, "not early", 9, NULL));
	CHECK(enn_connection_send(f->client, "late after all", 14, &early));
	bool done = false;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			CHECK(enn_connection_receive(e.connection, 23, 0, NULL));
		} else if (e.type == ENN_TAPS_RECEIVED) {
			assert_int_equal(e.u.received.flags, 0);
			assert_memory_equal(e.u.received.data, "not earlylate after all", 23);
			CHECK(enn_message_release(e.u.received.loan));
			done = true;
		}
	}
	assert_true(done);
}

/* The candidate that had the session loses: the message goes out on the winner, once. */
static void test_early_data_on_the_loser(void **state)
{
	struct fixture *f = *state;
	uint16_t port;
	int mute = raw_listen(&port);
	struct enn_preconnection *p = enn_preconnection_new(f->ctx);
	char text[8];

	get_session(f);
	/* the same port and name as the session's, at an address where nobody answers the hello,
	 * and before it */
	f->null.b.take_early = true;
	(void)snprintf(text, sizeof(text), "%u", port);
	struct enn_session_store *store = enn_session_store_new(4);
	struct enn_security *s = enn_security_new();
	CHECK(enn_security_set_session_store(s, store));
	CHECK(enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, true));
	CHECK(enn_preconnection_set_security(p, s));
	CHECK(enn_preconnection_set_server_name(p, "null.example"));
	CHECK(enn_preconnection_add_remote(p, "127.0.0.1", text));
	(void)snprintf(text, sizeof(text), "%u", f->port);
	CHECK(enn_preconnection_add_remote(p, "127.0.0.1", text));
	/* a session under this preconnection's key: protocol, checks, port, name */
	uint8_t key[18] = {ENN_PROTOCOL_TLS,
			   3,
			   (uint8_t)(port >> 8),
			   (uint8_t)port,
			   0,
			   12,
			   'n',
			   'u',
			   'l',
			   'l',
			   '.',
			   'e',
			   'x',
			   'a',
			   'm',
			   'p',
			   'l',
			   'e'};
	CHECK(enn_session_store_put(store, key, sizeof(key), (const uint8_t *)"s", 1, INT64_MAX));
	struct enn_message_context m = {.flags = ENN_MESSAGE_EARLY};
	CHECK(enn_preconnection_initiate_with_send(p, "only once", 9, &m, &f->client, NULL));
	size_t received = 0;
	size_t sent = 0;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 400 * MS) == 1) {
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
			CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
		} else if (e.type == ENN_TAPS_RECEIVED) {
			assert_memory_equal(e.u.received.data, "only once", 9);
			assert_int_equal(e.u.received.flags, 0);
			CHECK(enn_message_release(e.u.received.loan));
			received++;
		} else if (e.type == ENN_TAPS_SENT) {
			sent++;
		}
	}
	assert_int_equal(f->null.b.sessions_offered, 1);
	assert_int_equal(f->null.b.data_messages, 2); /* on the loser and on the winner */
	assert_int_equal(received, 1);
	assert_int_equal(sent, 1);
	enn_preconnection_free(p);
	enn_security_free(s);
	enn_session_store_free(store);
	(void)close(mute);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_trust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_question_of_the_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_session_strictness, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_data_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_data_rejected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_data_needs_the_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_data_on_the_loser, setup, teardown),
	};

	return cmocka_run_group_tests_name("questions", tests, NULL, NULL);
}
