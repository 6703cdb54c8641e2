/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners: families, limits, stopping, and what becomes of connections that do not
 * get through their handshake.
 */
#include "fixture.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS ENN_MILLISECOND

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

static void listen_on(struct fixture *f, const char *host, const char *service)
{
	struct enn_address address;
	struct enn_error error;

	f->server_pre = enn_preconnection_new(f->ctx);
	f->client_pre = enn_preconnection_new(f->ctx);
	CHECK(enn_preconnection_add_local(f->server_pre, host, service));
	if (enn_preconnection_listen(f->server_pre, &f->listener, &error) != ENN_OK) {
		fail_msg("%s", error.text);
	}
	CHECK(enn_listener_local_address(f->listener, 0, &address));
	f->port = address.port;
}

static bool reaches(struct fixture *f, const char *host)
{
	struct enn_preconnection *p = enn_preconnection_new(f->ctx);
	struct enn_taps_event e;
	char port[8];
	bool ready = false;
	struct enn_connection server = {0};

	(void)snprintf(port, sizeof(port), "%u", f->port);
	CHECK(enn_preconnection_add_remote(p, host, port));
	CHECK(enn_preconnection_initiate(p, &f->client, NULL));
	enn_preconnection_free(p);
	for (;;) {
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		if (e.type == ENN_TAPS_ESTABLISHMENT_ERROR) {
			break;
		}
		ready |= e.type == ENN_TAPS_READY;
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			server = e.connection;
		}
		if (ready && server.id != 0) {
			break;
		}
	}
	enn_connection_free(f->client);
	enn_connection_free(server);
	return ready;
}

static void test_ipv4_only(void **state)
{
	struct fixture *f = *state;

	listen_on(f, "0.0.0.0", "0");
	assert_true(reaches(f, "127.0.0.1"));
	assert_false(reaches(f, "::1"));
}

static void test_ipv6_only(void **state)
{
	struct fixture *f = *state;

	listen_on(f, "::", "0");
	assert_true(reaches(f, "::1"));
	assert_false(reaches(f, "127.0.0.1"));
}

static void test_everywhere(void **state)
{
	struct fixture *f = *state;
	struct enn_address a[3];

	listen_on(f, NULL, "0");
	CHECK(enn_listener_local_address(f->listener, 0, &a[0]));
	CHECK(enn_listener_local_address(f->listener, 1, &a[1]));
	assert_int_equal(enn_listener_local_address(f->listener, 2, &a[2]), ENN_E_NOT_FOUND);
	assert_int_equal(a[0].family, ENN_FAMILY_IPV6);
	assert_int_equal(a[1].family, ENN_FAMILY_IPV4);
	assert_int_equal(a[0].port, a[1].port);
	assert_true(reaches(f, "::1"));
	assert_true(reaches(f, "127.0.0.1"));
}

static void test_port_taken(void **state)
{
	struct fixture *f = *state;
	struct enn_error error;
	uint16_t port;
	int fd = raw_listen(&port);
	char text[8];

	(void)snprintf(text, sizeof(text), "%u", port);
	f->server_pre = enn_preconnection_new(f->ctx);
	CHECK(enn_preconnection_add_local(f->server_pre, "127.0.0.1", text));
	assert_int_equal(enn_preconnection_listen(f->server_pre, &f->listener, &error),
			 ENN_E_SYSTEM);
	assert_int_equal(error.sys_errno, 98); /* EADDRINUSE */
	assert_non_null(strstr(error.text, text));
	assert_int_equal(f->listener.id, 0);
	assert_int_equal(usage_of(f).listeners, 0);
	assert_int_equal(usage_of(f).sockets, 0);
	(void)close(fd);
}

static void test_no_local_endpoint(void **state)
{
	struct fixture *f = *state;
	struct enn_error error;

	f->server_pre = enn_preconnection_new(f->ctx);
	assert_int_equal(enn_preconnection_listen(f->server_pre, &f->listener, &error),
			 ENN_E_ARGUMENT);
}

/* RFC 9622 §7.2: the limit counts down, at 0 nothing is delivered, raising it goes on. */
static void test_new_connection_limit(void **state)
{
	struct fixture *f = *state;
	struct enn_connection c[5];

	fixture_preconnections(f);
	fixture_listen(f);
	CHECK(enn_listener_set_new_connection_limit(f->listener, 2));
	for (int i = 0; i < 5; i++) {
		fixture_initiate(f);
		c[i] = f->client;
	}
	size_t received = 0;
	size_t ready = 0;
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		received += e.type == ENN_TAPS_CONNECTION_RECEIVED;
		ready += e.type == ENN_TAPS_READY;
	}
	assert_int_equal(received, 2);
	assert_int_equal(ready, 2);
	CHECK(enn_listener_set_new_connection_limit(f->listener, 1));
	(void)fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		assert_int_equal(e.type, ENN_TAPS_READY);
	}
	CHECK(enn_listener_set_new_connection_limit(f->listener, UINT64_MAX));
	(void)fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	(void)fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	for (int i = 0; i < 5; i++) {
		enn_connection_free(c[i]);
	}
}

/* A connection whose handshake fails gives its place back. */
static void test_limit_and_failures(void **state)
{
	struct fixture *f = *state;

	fixture_preconnections(f);
	CHECK(enn_preconnection_set_pref(f->server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	fixture_listen(f);
	CHECK(enn_listener_set_new_connection_limit(f->listener, 1));
	for (int i = 0; i < 3; i++) {
		int fd = raw_connect(f->port);
		(void)close(fd);
		struct enn_taps_event e = fixture_expect(f, ENN_TAPS_SOFT_ERROR, 0);
		assert_int_equal(e.listener.id, f->listener.id);
		assert_int_equal(e.connection.id, 0);
		assert_int_equal(e.u.error.reason, ENN_REASON_TRUNCATED);
	}
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	assert_int_equal(usage_of(f).connections, 2);
}

/* Not asked for, a failed handshake is no event. */
static void test_failures_are_silent(void **state)
{
	struct fixture *f = *state;

	fixture_preconnections(f);
	fixture_listen(f);
	int fd = raw_connect(f->port);
	(void)close(fd);
	fixture_quiet(f, 50 * MS);
	assert_int_equal(usage_of(f).connections, 0);
	assert_int_equal(usage_of(f).sockets, 1);
}

/* A handshake that hangs ends with the engine's own deadline. */
static void test_engine_deadline(void **state)
{
	struct fixture *f = *state;

	f->null.b.deadline = 40 * MS;
	fixture_preconnections(f);
	CHECK(enn_preconnection_set_pref(f->server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_REQUIRE));
	fixture_listen(f);
	int fd = raw_connect(f->port);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_SOFT_ERROR, 0);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
	(void)close(fd);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;

	fixture_connect(f);
	int hanging = raw_connect(f->port);
	fixture_settle(f);
	assert_int_equal(usage_of(f).connections, 3);
	CHECK(enn_listener_stop(f->listener));
	assert_int_equal(enn_listener_stop(f->listener), ENN_E_CLOSED);
	struct enn_taps_event e = fixture_expect(f, ENN_TAPS_STOPPED, 0);
	assert_int_equal(e.listener.id, f->listener.id);
	assert_int_equal(e.u.error.status, ENN_OK);
	assert_int_equal(usage_of(f).connections, 2); /* the one in its handshake is gone */
	assert_false(reaches(f, "127.0.0.1"));
	/* what was delivered lives on */
	CHECK(enn_connection_send(f->server, "alive", 5, NULL));
	(void)fixture_expect(f, ENN_TAPS_SENT, f->server.id);
	(void)close(hanging);
}

/* Freeing drops what was not taken yet, and only that. */
static void test_free_with_pending(void **state)
{
	struct fixture *f = *state;

	fixture_connect(f);
	struct enn_connection first = f->client;
	fixture_initiate(f);
	fixture_settle(f); /* CONNECTION_RECEIVED of the second is in the queue */
	enn_listener_free(f->listener);
	struct enn_taps_event e;
	while (enn_poll(f->ctx, &e, 1, 50 * MS) == 1) {
		assert_true(e.type == ENN_TAPS_READY || e.type == ENN_TAPS_CONNECTION_ERROR);
		assert_int_equal(e.connection.id, f->client.id);
	}
	assert_int_equal(usage_of(f).connections, 3);
	CHECK(enn_connection_send(first, "alive", 5, NULL));
	(void)fixture_expect(f, ENN_TAPS_SENT, first.id);
}

/* More clients than max_connections: they wait in the kernel until there is room. */
static void test_full_house(void **state)
{
	struct fixture *f = *state;
	struct enn_context_options options = {.max_connections = 2};
	int fd[4];

	fixture_close(f);
	fixture_open(f, &options, false);
	fixture_preconnections(f);
	fixture_listen(f);
	struct enn_connection c[4];
	for (int i = 0; i < 4; i++) {
		fd[i] = raw_connect(f->port);
		assert_int_equal(send(fd[i], "H\0\0", 3, 0), 3);
	}
	c[0] = fixture_expect(f, ENN_TAPS_CONNECTION_RECEIVED, 0).connection;
	c[1] = fixture_expect(f, ENN_TAPS_CONNECTION_RECEIVED, 0).connection;
	fixture_quiet(f, 50 * MS);
	enn_connection_free(c[0]);
	c[2] = fixture_expect(f, ENN_TAPS_CONNECTION_RECEIVED, 0).connection;
	fixture_quiet(f, 50 * MS);
	enn_connection_free(c[1]);
	c[3] = fixture_expect(f, ENN_TAPS_CONNECTION_RECEIVED, 0).connection;
	for (int i = 0; i < 4; i++) {
		(void)close(fd[i]);
	}
}

/* Out of descriptors: told, waited for without spinning, and over when there are some again. */
static void test_no_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;
	struct rlimit low;

	fixture_preconnections(f);
	CHECK(enn_preconnection_set_pref(f->server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	fixture_listen(f);
	int fd = raw_connect(f->port);
	assert_int_equal(send(fd, "H\0\0", 3, 0), 3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	enn_time begin = enn_context_now(f->ctx);
	for (int i = 0; i < 3; i++) {
		struct enn_taps_event e = fixture_expect(f, ENN_TAPS_SOFT_ERROR, 0);
		assert_int_equal(e.u.error.sys_errno, 24); /* EMFILE */
	}
	assert_true(enn_context_now(f->ctx) - begin >= 200 * MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	(void)fixture_await(f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	(void)close(fd);
}

static void test_user_pointer(void **state)
{
	struct fixture *f = *state;
	int mark[3];

	fixture_preconnections(f);
	enn_preconnection_set_user(f->server_pre, &mark[0]);
	enn_preconnection_set_user(f->client_pre, &mark[1]);
	fixture_listen(f);
	fixture_initiate(f);
	for (int i = 0; i < 2; i++) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, ENN_SECOND), 1);
		assert_ptr_equal(e.user, &mark[e.type == ENN_TAPS_READY]);
	}
	CHECK(enn_connection_set_user(f->client, &mark[2]));
	CHECK(enn_connection_send(f->client, "x", 1, NULL));
	assert_ptr_equal(fixture_expect(f, ENN_TAPS_SENT, f->client.id).user, &mark[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ipv4_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_local_endpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_connection_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit_and_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures_are_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_with_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_house, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_pointer, setup, teardown),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
