/* SPDX-License-Identifier: Apache-2.0
 *
 * Active establishment over real sockets: which candidate wins, what the others become,
 * and what is told when none does.
 */
#include "fixture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS ENN_MILLISECOND

static int setup_with(void **state, enn_time attempt_delay)
{
	static struct fixture f;
	struct enn_context_options options = {.attempt_delay = attempt_delay};

	fixture_open(&f, &options, false);
	fixture_preconnections(&f);
	*state = &f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, 50 * MS);
}

static int setup_slow(void **state)
{
	return setup_with(state, 2 * ENN_SECOND);
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void add_remote(struct fixture *f, const char *host, uint16_t port)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%u", port);
	CHECK(enn_preconnection_add_remote(f->client_pre, host, text));
}

/* A port on which nobody listens. */
static uint16_t closed_port(void)
{
	uint16_t port;
	int fd = raw_listen(&port);

	(void)close(fd);
	return port;
}

static size_t explain(struct fixture *f, struct enn_candidate_report rows[16])
{
	size_t n = enn_connection_explain(f->client, rows, 16);

	assert_true(n <= 16);
	return n;
}

static void await_ready(struct fixture *f)
{
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
}

/* ---- the race ------------------------------------------------------------------------ */

static void test_refused_then_good(void **state)
{
	struct fixture *f = *state;
	struct enn_candidate_report rows[16];
	struct enn_connection_info info;

	add_remote(f, "127.0.0.1", closed_port());
	fixture_listen(f); /* adds the good one */
	enn_time begin = enn_context_now(f->ctx);
	fixture_initiate(f);
	await_ready(f);
	assert_true(enn_context_now(f->ctx) - begin < ENN_SECOND); /* not the 2 s of the stagger */
	assert_true(explain(f, rows) >= 2);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_FAILED);
	assert_int_equal(rows[0].error.sys_errno, 111); /* ECONNREFUSED */
	assert_int_equal(rows[0].error.origin, ENN_ORIGIN_NETWORK);
	assert_int_equal(rows[1].fate, ENN_CANDIDATE_WON);
	assert_int_equal(rows[1].remote.port, f->port);
	CHECK(enn_connection_info(f->client, &info));
	assert_int_equal(info.attempts, 2);
	assert_int_equal(info.path.remote.port, f->port);
	assert_true(info.transport_ready >= info.started && info.ready >= info.transport_ready);
	assert_string_equal(info.server_name, "null.example");
}

/* The transport of the first connects, its security handshake never ends: the second wins after the
 * delay. */
static void test_mute_then_good(void **state)
{
	struct fixture *f = *state;
	struct enn_candidate_report rows[16];
	uint16_t port;
	int mute = raw_listen(&port);

	add_remote(f, "127.0.0.1", port);
	fixture_listen(f);
	enn_time begin = enn_context_now(f->ctx);
	fixture_initiate(f);
	await_ready(f);
	assert_true(enn_context_now(f->ctx) - begin >= 50 * MS);
	assert_true(explain(f, rows) >= 2);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_LOST);
	assert_int_equal(rows[1].fate, ENN_CANDIDATE_WON);
	assert_true(rows[1].started - rows[0].started >= 50 * MS);
	assert_true(rows[0].ended >= rows[1].started);
	/* the loser is closed */
	int fd = accept(mute, NULL, NULL);
	char c[8];
	fixture_settle(f);
	while (recv(fd, c, sizeof(c), 0) > 0) {
	}
	(void)close(fd);
	(void)close(mute);
	assert_int_equal(f->null.b.engines, 2); /* the winner's and the server's */
}

/* A security failure starts the next at once, and stays the reason that is told when all fail. */
static void test_security_failure(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;
	uint16_t port;
	int refusing = raw_listen(&port);

	add_remote(f, "127.0.0.1", port);
	add_remote(f, "127.0.0.1", closed_port());
	enn_time begin = enn_context_now(f->ctx);
	fixture_initiate(f);
	fixture_settle(f);
	int fd = accept(refusing, NULL, NULL);
	assert_int_equal(send(fd, "X\0\0", 3, 0), 3);
	e = fixture_expect(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_true(enn_context_now(f->ctx) - begin < ENN_SECOND);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(e.u.error.reason, ENN_REASON_CERT_REJECTED);
	fixture_quiet(f, 20 * MS);
	(void)close(fd);
	(void)close(refusing);
}

static void test_all_refused(void **state)
{
	struct fixture *f = *state;
	struct enn_taps_event e;
	struct enn_candidate_report rows[16];

	add_remote(f, "127.0.0.1", closed_port());
	add_remote(f, "127.0.0.2", closed_port());
	fixture_initiate(f);
	CHECK(enn_connection_send(f->client, "never sent", 10, NULL));
	CHECK(enn_connection_receive(f->client, 1, 0, NULL));
	(void)fixture_expect(f, ENN_TAPS_SEND_ERROR, f->client.id);
	(void)fixture_expect(f, ENN_TAPS_RECEIVE_ERROR, f->client.id);
	e = fixture_expect(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.sys_errno, 111);
	assert_true(explain(f, rows) >= 2);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_FAILED);
	assert_int_equal(rows[1].fate, ENN_CANDIDATE_FAILED);
	assert_int_equal(usage_of(f).sockets, 0);
}

static void test_close_before_ready(void **state)
{
	struct fixture *f = *state;
	uint16_t port;
	int mute = raw_listen(&port);

	add_remote(f, "127.0.0.1", port);
	fixture_initiate(f);
	fixture_settle(f);
	CHECK(enn_connection_close(f->client));
	(void)fixture_expect(f, ENN_TAPS_CLOSED, f->client.id);
	(void)close(mute);
}

/* What is queued before Ready is sent before a close that was called before Ready. */
static void test_send_and_close_before_ready(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f);
	fixture_initiate(f);
	CHECK(enn_connection_send(f->client, "all of it", 9, NULL));
	CHECK(enn_connection_close(f->client));
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
	e = fixture_await(f, ENN_TAPS_RECEIVED, e.connection.id);
	assert_int_equal(e.u.received.len, 9);
	CHECK(enn_message_release(e.u.received.loan));
	CHECK(enn_connection_close(e.connection));
	(void)fixture_await(f, ENN_TAPS_CLOSED, f->client.id);
}

/* ---- resolution ---------------------------------------------------------------------- */

static void test_resolution_failure(void **state)
{
	struct fixture *f = *state;
	struct enn_candidate_report rows[16];

	add_remote(f, "two..dots", 443);
	fixture_initiate(f);
	assert_true(explain(f, rows) >= 1);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_WAITING);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_RESOLUTION_FAILED);
	assert_non_null(strstr(e.u.error.text, "two..dots"));
	assert_true(explain(f, rows) >= 1);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_UNRESOLVED);
}

static void test_by_name(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f);
	enn_preconnection_free(f->client_pre);
	f->client_pre = enn_preconnection_new(f->ctx);
	add_remote(f, "localhost", f->port);
	fixture_initiate(f);
	await_ready(f);
	struct enn_connection_info info;
	CHECK(enn_connection_info(f->client, &info));
	assert_string_equal(info.server_name, "localhost");
}

/* Freed at every moment of a resolution: nothing comes afterwards, nothing leaks. */
static void test_cancel_resolution(void **state)
{
	struct fixture *f = *state;

	add_remote(f, "localhost", closed_port());
	for (int turns = 0; turns < 6; turns++) {
		struct enn_taps_event e;
		fixture_initiate(f);
		for (int i = 0; i < turns; i++) {
			(void)enn_poll(f->ctx, &e, 1, 0);
		}
		enn_connection_free(f->client);
	}
	fixture_quiet(f, 50 * MS);
	assert_int_equal(usage_of(f).sockets, 0);
	fixture_initiate(f); /* and the context is freed under one more */
}

static void test_too_many_candidates(void **state)
{
	struct fixture *f = *state;
	struct enn_context_options options = {.max_candidates = 2};
	struct enn_candidate_report rows[16];

	fixture_close(f);
	fixture_open(f, &options, false);
	fixture_preconnections(f);
	for (int i = 0; i < 8; i++) {
		add_remote(f, "127.0.0.1", closed_port());
	}
	assert_int_equal(enn_preconnection_add_remote(f->client_pre, "127.0.0.1", "1"),
			 ENN_E_LIMIT);
	fixture_initiate(f);
	(void)fixture_expect(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	size_t n = explain(f, rows);
	size_t tried = 0;
	for (size_t i = 0; i < n; i++) {
		tried += rows[i].fate == ENN_CANDIDATE_FAILED;
	}
	assert_int_equal(tried, 2);
}

/* ---- local endpoints and interfaces -------------------------------------------------- */

static void test_local_endpoint(void **state)
{
	struct fixture *f = *state;
	struct enn_connection_info info;

	fixture_listen(f);
	CHECK(enn_preconnection_add_local(f->client_pre, "127.0.0.77", NULL));
	fixture_initiate(f);
	await_ready(f);
	CHECK(enn_connection_info(f->client, &info));
	assert_int_equal(info.path.local.ip[3], 77);
}

static void test_local_endpoint_of_other_family(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f);
	CHECK(enn_preconnection_add_local(f->client_pre, "::1", NULL));
	fixture_initiate(f);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_NO_CANDIDATES);
}

static void test_interfaces(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f);
	CHECK(enn_preconnection_parse(f->client_pre, "interface", "require lo", NULL));
	fixture_initiate(f);
	await_ready(f);
	enn_connection_free(f->client);
	CHECK(enn_preconnection_parse(f->client_pre, "interface", "prohibit lo", NULL));
	fixture_initiate(f);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_POLICY_PROHIBITED);
}

/* ---- arguments ----------------------------------------------------------------------- */

static void test_arguments(void **state)
{
	struct fixture *f = *state;
	struct enn_preconnection *p = f->client_pre;
	struct enn_connection c;
	struct enn_error error;
	char text[ENN_ADDRESS_TEXT_MAX];
	struct enn_address none = {0};

	assert_int_equal(enn_preconnection_initiate(p, &c, &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, "", "443"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, "h", "0"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, "h", "65536"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, "h", "44x"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, "h", "no-such-service"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote(p, NULL, "443"), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_add_remote_address(p, &none), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_server_name(p, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_security(p, NULL), ENN_E_ARGUMENT);
	assert_string_equal(enn_address_string(&none, text, sizeof(text)), "none");
	struct enn_address v6 = {.family = ENN_FAMILY_IPV6, .port = 443, .scope = 2};
	v6.ip[15] = 1;
	assert_string_equal(enn_address_string(&v6, text, sizeof(text)), "[::1%2]:443");
	assert_string_equal(enn_address_string(&v6, text, 6), "[::1%");
}

static void test_max_connections(void **state)
{
	struct fixture *f = *state;
	struct enn_context_options options = {.max_connections = 2};
	struct enn_connection c[3];
	struct enn_error error;

	fixture_close(f);
	fixture_open(f, &options, false);
	fixture_preconnections(f);
	add_remote(f, "127.0.0.1", closed_port());
	CHECK(enn_preconnection_initiate(f->client_pre, &c[0], &error));
	CHECK(enn_preconnection_initiate(f->client_pre, &c[1], &error));
	assert_int_equal(enn_preconnection_initiate(f->client_pre, &c[2], &error), ENN_E_LIMIT);
	enn_connection_free(c[0]);
	CHECK(enn_preconnection_initiate(f->client_pre, &c[2], &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_then_good, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_mute_then_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_security_failure, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_all_refused, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_close_before_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_and_close_before_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resolution_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_resolution, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_candidates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local_endpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local_endpoint_of_other_family, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_interfaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_max_connections, setup, teardown),
	};

	return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
