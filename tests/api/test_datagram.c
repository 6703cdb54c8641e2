/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections and listeners over UDP, with a protocol made for tests.
 */
#include "toy_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "runtime/address.h"
#include "taps/internal.h"

#define MS ENN_MILLISECOND

/* ---- conversations ------------------------------------------------------------------- */

static void test_conversation(void **state)
{
	struct toy *t = *state;
	struct enn_connection_info info;
	uint64_t value;

	toy_connect(t);
	CHECK(enn_connection_send(t->f.client, "question", 8, NULL));
	(void)fixture_expect(&t->f, ENN_TAPS_SENT, t->f.client.id);
	toy_expect(t, t->f.server, "question", 8);
	CHECK(enn_connection_send(t->f.server, "answer", 6, NULL));
	(void)fixture_expect(&t->f, ENN_TAPS_SENT, t->f.server.id);
	toy_expect(t, t->f.client, "answer", 6);

	CHECK(enn_connection_info(t->f.client, &info));
	assert_int_equal(info.state, ENN_STATE_ESTABLISHED);
	assert_int_equal(info.path.remote.port, t->f.port);
	assert_int_equal(info.path.local.family, ENN_FAMILY_IPV4);
	assert_true(info.path.local.port != 0);
	assert_int_equal(info.bytes_sent, 8);
	assert_int_equal(info.bytes_received, 6);
	uint16_t port = info.path.local.port;
	CHECK(enn_connection_info(t->f.server, &info));
	assert_int_equal(info.path.remote.port, port);
	assert_int_equal(info.path.local.port, t->f.port);
	assert_int_equal(info.path.local.ip[0], 127);
	CHECK(enn_connection_get_property(t->f.client, ENN_PROPERTY_SEND_MSG_MAX_LEN, &value));
	assert_int_equal(value, TOY_MAX_MESSAGE);
	CHECK(enn_connection_get_property(t->f.client, ENN_PROPERTY_RELIABILITY, &value));
	assert_int_equal(value, 0);
	CHECK(enn_connection_get_property(t->f.client, ENN_PROPERTY_PRESERVE_MSG_BOUNDARIES,
					  &value));
	assert_int_equal(value, 1);

	CHECK(enn_connection_close(t->f.client));
	(void)fixture_expect(&t->f, ENN_TAPS_CLOSED, t->f.client.id);
	(void)fixture_expect(&t->f, ENN_TAPS_CLOSED, t->f.server.id);
	enn_connection_free(t->f.client);
	enn_connection_free(t->f.server);
	assert_int_equal(t->p.b.engines, 0);
}

/* Sends are messages whatever their length, and receives do not change where they end. */
static void test_boundaries(void **state)
{
	static const size_t lengths[] = {0, 1, 2, 1400, 1400, 1400, 700, 0, 9000, 65000, 3};
	struct toy *t = *state;
	static uint8_t data[TOY_MAX_MESSAGE];
	size_t n = ENN_ARRAY_LEN(lengths);

	toy_connect(t);
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 31 >> 3);
	}
	for (size_t i = 0; i < n; i++) {
		CHECK(enn_connection_send_borrowed(t->f.client, data, lengths[i], NULL));
	}
	for (size_t i = 0; i < n; i++) {
		(void)fixture_expect(&t->f, ENN_TAPS_SENT, t->f.client.id);
	}
	for (size_t i = 0; i < n; i++) {
		toy_expect(t, t->f.server, data, lengths[i]);
	}
	fixture_quiet(&t->f, 20 * MS);
	assert_int_equal(usage_of(&t->f).read_buffers, 0);
}

/* A receive with a maximum takes a message in parts; the minimum is of no matter. */
static void test_partial_receive(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	toy_connect(t);
	CHECK(enn_connection_send(t->f.client, "0123456789", 10, NULL));
	CHECK(enn_connection_send(t->f.client, "next", 4, NULL));
	CHECK(enn_connection_receive(t->f.server, 0, 4, NULL));
	CHECK(enn_connection_receive(t->f.server, 0, 6, NULL));
	CHECK(enn_connection_receive(t->f.server, 1000, 0, NULL));
	e = fixture_await(&t->f, ENN_TAPS_RECEIVED, t->f.server.id);
	assert_int_equal(e.u.received.len, 4);
	assert_false(e.u.received.end_of_message);
	(void)enn_message_release(e.u.received.loan);
	e = fixture_await(&t->f, ENN_TAPS_RECEIVED, t->f.server.id);
	assert_int_equal(e.u.received.len, 6);
	assert_memory_equal(e.u.received.data, "456789", 6);
	assert_true(e.u.received.end_of_message);
	(void)enn_message_release(e.u.received.loan);
	e = fixture_await(&t->f, ENN_TAPS_RECEIVED, t->f.server.id);
	assert_int_equal(e.u.received.len, 4);
	assert_true(e.u.received.end_of_message);
	(void)enn_message_release(e.u.received.loan);
}

/* What the protocol cannot carry is refused, and nothing else suffers. */
static void test_too_large(void **state)
{
	static uint8_t data[TOY_MAX_MESSAGE + 1];
	struct toy *t = *state;
	struct enn_message_context m = {.token = data};
	struct enn_taps_event e;

	toy_connect(t);
	CHECK(enn_connection_send(t->f.client, "before", 6, NULL));
	CHECK(enn_connection_send(t->f.client, data, sizeof(data), &m));
	CHECK(enn_connection_send(t->f.client, "behind", 6, NULL));
	e = fixture_await(&t->f, ENN_TAPS_SEND_ERROR, t->f.client.id);
	assert_ptr_equal(e.token, data);
	assert_int_equal(e.u.error.reason, ENN_REASON_MESSAGE_TOO_LARGE);
	toy_expect(t, t->f.server, "before", 6);
	toy_expect(t, t->f.server, "behind", 6);
	CHECK(enn_connection_send(t->f.client, data, TOY_MAX_MESSAGE, NULL));
	toy_expect(t, t->f.server, data, TOY_MAX_MESSAGE);
}

/* FINAL ends what this side sends; nothing of it is seen on the other. */
static void test_final(void **state)
{
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};
	struct toy *t = *state;

	toy_connect(t);
	CHECK(enn_connection_send(t->f.client, "one", 3, NULL));
	CHECK(enn_connection_send(t->f.client, NULL, 0, &last));
	assert_int_equal(enn_connection_send(t->f.client, "x", 1, NULL), ENN_E_CLOSED);
	(void)fixture_expect(&t->f, ENN_TAPS_SENT, t->f.client.id);
	(void)fixture_expect(&t->f, ENN_TAPS_SENT, t->f.client.id);
	toy_expect(t, t->f.server, "one", 3);
	CHECK(enn_connection_send(t->f.server, "two", 3, &last));
	toy_expect(t, t->f.client, "two", 3);
	fixture_quiet(&t->f, 20 * MS);
	CHECK(enn_connection_close(t->f.server));
	(void)fixture_expect(&t->f, ENN_TAPS_CLOSED, t->f.server.id);
	(void)fixture_expect(&t->f, ENN_TAPS_CLOSED, t->f.client.id);
}

/* What was sent before close is on the wire before its end. */
static void test_close_behind_messages(void **state)
{
	struct toy *t = *state;

	toy_connect(t);
	for (int i = 0; i < 500; i++) {
		CHECK(enn_connection_send(t->f.client, &i, sizeof(i), NULL));
	}
	CHECK(enn_connection_close(t->f.client));
	(void)fixture_await(&t->f, ENN_TAPS_CLOSED, t->f.client.id);
	for (int i = 0; i < 500; i++) {
		toy_expect(t, t->f.server, &i, sizeof(i));
	}
	(void)fixture_expect(&t->f, ENN_TAPS_CLOSED, t->f.server.id);
	assert_int_equal(t->p.b.messages, 500);
}

/* Equal messages share a batch, and with it a system call. */
static void test_batches(void **state)
{
	static uint8_t data[1400];
	struct toy *t = *state;
	size_t got = 0;

	toy_connect(t);
	for (int i = 0; i < 64; i++) {
		CHECK(enn_connection_receive(t->f.server, 0, 0, NULL));
		CHECK(enn_connection_send_borrowed(t->f.client, data, sizeof(data), NULL));
	}
	while (got < 64) {
		struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_RECEIVED, t->f.server.id);
		assert_int_equal(e.u.received.len, sizeof(data));
		(void)enn_message_release(e.u.received.loan);
		got++;
	}
	assert_int_equal(t->p.b.messages, 64);
	assert_int_equal(t->p.b.batches, 2); /* 46 fit into one datagram's length */
}

static void test_ecn(void **state)
{
	struct toy *t = *state;

	t->p.b.ecn = 2;
	toy_connect(t);
	CHECK(enn_connection_send(t->f.client, "marked", 6, NULL));
	toy_expect(t, t->f.server, "marked", 6);
	assert_int_equal(t->p.b.ecn_seen, 1);
	CHECK(enn_connection_send(t->f.server, "marked", 6, NULL));
	toy_expect(t, t->f.client, "marked", 6);
	assert_int_equal(t->p.b.ecn_seen, 2);
	t->p.b.ecn = 0;
	CHECK(enn_connection_send(t->f.server, "plain", 5, NULL));
	toy_expect(t, t->f.client, "plain", 5);
	assert_int_equal(t->p.b.ecn_seen, 2);
}

/* ---- loss and pressure --------------------------------------------------------------- */

static void test_loss(void **state)
{
	struct toy *t = *state;
	int expected = 0;

	toy_connect(t);
	t->p.b.lose = 3;
	for (int i = 0; i < 300; i++) {
		CHECK(enn_connection_send(t->f.client, &i, sizeof(i), NULL));
	}
	for (int i = 0; i < 200; i++, expected++) {
		expected += expected % 3 == 2;
		toy_expect(t, t->f.server, &expected, sizeof(expected));
	}
	fixture_quiet(&t->f, 20 * MS);
}

/* Who does not receive keeps a bounded number of messages; the rest is lost and counted, while the
 * protocol goes on. */
static void pressure(struct toy *t, struct enn_connection from, struct enn_connection to)
{
	static uint8_t data[1000];
	struct enn_connection_info info;
	size_t sent = 0;
	size_t got = 0;

	while (sent < 5000) {
		struct enn_taps_event e;
		if (enn_connection_send(from, data, sizeof(data), NULL) == ENN_OK) {
			sent++;
		} else {
			(void)enn_poll(t->f.ctx, &e, 1, 0);
		}
	}
	fixture_settle(&t->f);
	assert_true(usage_of(&t->f).read_buffer_bytes <= (size_t)4 << 20);
	CHECK(enn_connection_info(to, &info));
	assert_true(info.messages_dropped > 0);
	uint64_t kept = info.bytes_received / sizeof(data);
	assert_true(kept >= 100 && kept + info.messages_dropped <= 5000);
	for (uint64_t i = 0; i < kept; i++) {
		toy_expect(t, to, data, sizeof(data));
		got++;
	}
	assert_int_equal(got, kept);
	fixture_settle(&t->f);
	CHECK(enn_connection_send(from, "again", 5, NULL));
	toy_expect(t, to, "again", 5);
}

static void test_pressure_on_server(void **state)
{
	struct toy *t = *state;

	toy_connect(t);
	pressure(t, t->f.client, t->f.server);
}

static void test_pressure_on_client(void **state)
{
	struct toy *t = *state;

	toy_connect(t);
	pressure(t, t->f.server, t->f.client);
}

/* Messages without bytes pin no buffer; their number is bounded all the same. */
static void test_pressure_of_nothing(void **state)
{
	struct toy *t = *state;
	struct enn_connection_info info;
	struct enn_taps_event e;

	toy_connect(t);
	for (int sent = 0; sent < 3 * ENN_MAX_PIECES;) {
		if (enn_connection_send(t->f.client, NULL, 0, NULL) == ENN_OK) {
			sent++;
		} else {
			(void)enn_poll(t->f.ctx, &e, 1, 0);
		}
	}
	fixture_settle(&t->f);
	CHECK(enn_connection_info(t->f.server, &info));
	assert_true(info.messages_dropped >= ENN_MAX_PIECES);
	assert_true(info.messages_dropped <= 2 * ENN_MAX_PIECES);
}

/* Loans beyond the connection's life: the buffers are the application's until it gives them
 * back. */
static void test_loans_outlive(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e[2];

	toy_connect(t);
	for (int i = 0; i < 2; i++) {
		struct enn_connection from = i == 0 ? t->f.client : t->f.server;
		struct enn_connection to = i == 0 ? t->f.server : t->f.client;
		CHECK(enn_connection_send(from, "kept", 4, NULL));
		CHECK(enn_connection_receive(to, 0, 0, NULL));
		e[i] = fixture_await(&t->f, ENN_TAPS_RECEIVED, to.id);
	}
	enn_connection_free(t->f.client);
	enn_connection_free(t->f.server);
	fixture_settle(&t->f);
	for (int i = 0; i < 2; i++) {
		assert_memory_equal(e[i].u.received.data, "kept", 4);
		CHECK(enn_message_release(e[i].u.received.loan));
	}
	assert_int_equal(usage_of(&t->f).read_buffers, 0);
}

/* ---- many clients -------------------------------------------------------------------- */

#define CLIENTS 50

static void test_many_clients(void **state)
{
	struct toy *t = *state;
	struct enn_connection client[CLIENTS];
	struct enn_connection server[CLIENTS];

	toy_prepare(t);
	fixture_listen(&t->f);
	for (size_t i = 0; i < CLIENTS; i++) {
		toy_pair_up(t, &client[i], &server[i]);
	}
	assert_int_equal(usage_of(&t->f).sockets, CLIENTS + 1);
	for (size_t i = 0; i < CLIENTS; i++) {
		CHECK(enn_connection_send(client[i], &i, sizeof(i), NULL));
		CHECK(enn_connection_send(server[i], &i, sizeof(i), NULL));
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		toy_expect(t, server[CLIENTS - 1 - i], &(size_t){CLIENTS - 1 - i}, sizeof(size_t));
		toy_expect(t, client[i], &i, sizeof(i));
	}
	/* Half of them end from one side, half from the other. */
	for (size_t i = 0; i < CLIENTS; i++) {
		CHECK(enn_connection_close(i % 2 == 0 ? client[i] : server[i]));
	}
	for (size_t i = 0; i < 2 * CLIENTS; i++) {
		(void)fixture_await(&t->f, ENN_TAPS_CLOSED, 0);
	}
}

/* Several sockets of a listener are one listener: whatever address they come by. */
static void test_everywhere(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.2", "::1"};
	struct toy *t = *state;
	struct enn_connection_info info;
	struct enn_error error;
	struct enn_address address;
	char port[8];

	t->f.server_pre = enn_preconnection_new(t->f.ctx);
	toy_relax(t->f.server_pre);
	CHECK(enn_preconnection_add_local(t->f.server_pre, NULL, "0"));
	CHECK(enn_preconnection_listen(t->f.server_pre, &t->f.listener, &error));
	CHECK(enn_listener_local_address(t->f.listener, 0, &address));
	(void)snprintf(port, sizeof(port), "%u", address.port);
	for (size_t i = 0; i < ENN_ARRAY_LEN(hosts); i++) {
		if (i == 2 && address.family != ENN_FAMILY_IPV6) {
			break; /* a system without IPv6 */
		}
		t->f.client_pre = enn_preconnection_new(t->f.ctx);
		toy_relax(t->f.client_pre);
		CHECK(enn_preconnection_add_remote(t->f.client_pre, hosts[i], port));
		struct enn_connection client;
		struct enn_connection server;
		toy_pair_up(t, &client, &server);
		CHECK(enn_connection_send(server, hosts[i], 3, NULL));
		toy_expect(t, client, hosts[i], 3);
		CHECK(enn_connection_info(server, &info));
		struct enn_path there = info.path;
		CHECK(enn_connection_info(client, &info));
		assert_memory_equal(there.local.ip, info.path.remote.ip, 16);
		assert_memory_equal(there.remote.ip, info.path.local.ip, 16);
		assert_int_equal(there.remote.port, info.path.local.port);
		enn_preconnection_free(t->f.client_pre);
		t->f.client_pre = NULL;
	}
}

/* ---- the handshake ------------------------------------------------------------------- */

static void test_stateless_retry(void **state)
{
	struct toy *t = *state;

	t->p.b.retry = true;
	toy_connect(t);
	assert_int_equal(t->p.b.replies, 1);
	assert_int_equal(t->p.b.engines, 2);
}

static void test_refused(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	t->p.b.refuse = true;
	toy_prepare(t);
	CHECK(enn_preconnection_set_pref(t->f.server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	fixture_listen(&t->f);
	fixture_initiate(&t->f);
	e = fixture_await(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_CERT_REJECTED);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_PEER);
}

/* A deadline of the engine's is kept. */
static void test_timeout(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	t->p.b.mute = true;
	t->p.b.deadline = 100 * MS;
	toy_prepare(t);
	fixture_listen(&t->f);
	fixture_initiate(&t->f);
	e = fixture_expect(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
	assert_true(t->p.b.hellos >= 2);
	fixture_settle(&t->f);
	enn_connection_free(t->f.client);
	fixture_settle(&t->f);
	assert_int_equal(usage_of(&t->f).connections, 0); /* the server's gave up too */
}

/* Nobody is there: the network says so at once. The candidate goes on, as such reports may be
 * forged, and in the end they tell why. */
static void test_port_unreachable(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;
	uint16_t port;
	int fd = raw_listen(&port); /* of TCP: nothing is at this port of UDP */
	char text[8];

	(void)snprintf(text, sizeof(text), "%u", port);
	t->p.b.deadline = 100 * MS;
	toy_prepare(t);
	CHECK(enn_preconnection_add_remote(t->f.client_pre, "127.0.0.1", text));
	fixture_initiate(&t->f);
	e = fixture_expect(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.sys_errno, ECONNREFUSED);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
	assert_true(t->p.b.hellos >= 2);
	(void)close(fd);
}

/* … and it is there a moment later. */
static void test_late_listener(void **state)
{
	struct toy *t = *state;
	struct enn_error error;
	char text[8];

	toy_prepare(t);
	fixture_listen(&t->f);
	(void)snprintf(text, sizeof(text), "%u", t->f.port);
	enn_listener_free(t->f.listener);
	fixture_settle(&t->f);
	fixture_initiate(&t->f);
	fixture_quiet(&t->f, 50 * MS);
	enn_preconnection_free(t->f.server_pre);
	t->f.server_pre = enn_preconnection_new(t->f.ctx);
	toy_relax(t->f.server_pre);
	CHECK(enn_preconnection_add_local(t->f.server_pre, "127.0.0.1", text));
	CHECK(enn_preconnection_listen(t->f.server_pre, &t->f.listener, &error));
	(void)fixture_await(&t->f, ENN_TAPS_READY, t->f.client.id);
}

/* Happy Eyeballs: an address that does not answer within the delay gets company; one that the
 * network speaks against gets it at once. */
static void race(struct toy *t, bool silent, enn_time least, enn_time most)
{
	struct enn_candidate_report rows[4];
	struct enn_address dead = {.family = ENN_FAMILY_IPV4, .ip = {127, 0, 0, 1}};
	struct enn_address alive = dead;
	struct sockaddr_storage sa;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct enn_path path = {.local = dead};
	socklen_t len = enn_address_to_sockaddr(&path.local, &sa);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(enn_address_from_sockaddr((struct sockaddr *)&sa, &dead));
	if (!silent) {
		(void)close(fd);
	}
	toy_prepare(t);
	CHECK(enn_preconnection_add_remote_address(t->f.client_pre, &dead));
	fixture_listen(&t->f);
	alive.port = t->f.port;
	enn_time began = enn_context_now(t->f.ctx);
	fixture_initiate(&t->f);
	(void)fixture_await(&t->f, ENN_TAPS_READY, t->f.client.id);
	enn_time took = enn_context_now(t->f.ctx) - began;
	assert_true(took >= least && took < most);
	assert_true(enn_connection_explain(t->f.client, rows, 4) >= 2);
	assert_int_equal(rows[0].fate, ENN_CANDIDATE_LOST);
	assert_int_equal(rows[1].fate, ENN_CANDIDATE_WON);
	assert_int_equal(rows[1].remote.port, alive.port);
	if (silent) {
		(void)close(fd);
	}
}

static void test_race_silence(void **state)
{
	race(*state, true, 250 * MS, 5000 * MS);
}

static void test_race_refusal(void **state)
{
	struct enn_context_options options = {.attempt_delay = 2 * ENN_SECOND};
	struct toy t;

	(void)state;
	toy_open(&t, &options);
	race(&t, false, 0, 1500 * MS);
	toy_close(&t);
}

/* ---- listening ----------------------------------------------------------------------- */

static void test_limit(void **state)
{
	struct toy *t = *state;
	struct enn_connection client;
	struct enn_connection server;

	toy_prepare(t);
	fixture_listen(&t->f);
	CHECK(enn_listener_set_new_connection_limit(t->f.listener, 1));
	toy_pair_up(t, &client, &server);
	fixture_initiate(&t->f);
	fixture_quiet(&t->f, 100 * MS);
	assert_int_equal(t->p.b.engines, 3); /* nothing is kept of who must wait */
	CHECK(enn_connection_send(client, "still", 5, NULL));
	toy_expect(t, server, "still", 5);
	CHECK(enn_listener_set_new_connection_limit(t->f.listener, 1));
	(void)fixture_await(&t->f, ENN_TAPS_READY, t->f.client.id);
}

/* Stopped, it lets nobody in; those who are in live on by its socket. */
static void test_stop(void **state)
{
	struct toy *t = *state;
	struct enn_connection late;

	toy_connect(t);
	CHECK(enn_listener_stop(t->f.listener));
	(void)fixture_expect(&t->f, ENN_TAPS_STOPPED, 0);
	struct enn_connection client = t->f.client;
	fixture_initiate(&t->f);
	late = t->f.client;
	fixture_quiet(&t->f, 100 * MS);
	CHECK(enn_connection_send(client, "still", 5, NULL));
	toy_expect(t, t->f.server, "still", 5);
	CHECK(enn_connection_send(t->f.server, "there", 5, NULL));
	toy_expect(t, client, "there", 5);
	enn_listener_free(t->f.listener);
	CHECK(enn_connection_send(client, "even now", 8, NULL));
	toy_expect(t, t->f.server, "even now", 8);
	assert_int_equal(usage_of(&t->f).sockets, 3);
	assert_int_equal(t->p.b.acceptors, 1);
	enn_connection_free(t->f.server);
	fixture_settle(&t->f);
	assert_int_equal(usage_of(&t->f).sockets, 2);
	assert_int_equal(t->p.b.acceptors, 0);
	enn_connection_free(late);
}

/* ---- moving -------------------------------------------------------------------------- */

static void test_migrate(void **state)
{
	struct toy *t = *state;
	struct enn_connection_info info;
	struct enn_path anywhere = {0};
	struct enn_path elsewhere = {.local = {.family = ENN_FAMILY_IPV4, .ip = {127, 0, 0, 9}}};

	toy_connect(t);
	CHECK(enn_connection_info(t->f.client, &info));
	uint16_t old = info.path.local.port;
	assert_int_equal(enn_connection_migrate(t->f.client, NULL), ENN_E_ARGUMENT);
	CHECK(enn_connection_migrate(t->f.client, &anywhere));
	CHECK(enn_connection_send(t->f.client, "moved", 5, NULL));
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_PATH_CHANGE, t->f.server.id);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_int_not_equal(info.path.local.port, old);
	assert_int_equal(e.u.path.remote.port, info.path.local.port);
	toy_expect(t, t->f.server, "moved", 5);
	CHECK(enn_connection_send(t->f.server, "back", 4, NULL));
	toy_expect(t, t->f.client, "back", 4);

	CHECK(enn_connection_migrate(t->f.client, &elsewhere));
	e = fixture_await(&t->f, ENN_TAPS_PATH_CHANGE, t->f.server.id);
	assert_int_equal(e.u.path.remote.ip[3], 9);
	CHECK(enn_connection_send(t->f.server, "there", 5, NULL));
	toy_expect(t, t->f.client, "there", 5);
	assert_int_equal(usage_of(&t->f).sockets, 2);
	/* An address that is not ours: nothing changes. */
	elsewhere.local.ip[0] = 192;
	assert_int_equal(enn_connection_migrate(t->f.client, &elsewhere), ENN_E_SYSTEM);
	CHECK(enn_connection_send(t->f.client, "same", 4, NULL));
	toy_expect(t, t->f.server, "same", 4);
}

/* Once established, what the network says ends nothing and is told to those who want it. */
static void test_soft_error(void **state)
{
	struct toy *t = *state;
	struct enn_taps_event e;

	toy_prepare(t);
	CHECK(enn_preconnection_set_pref(t->f.client_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_REQUIRE));
	fixture_listen(&t->f);
	toy_pair_up(t, &t->f.client, &t->f.server);
	enn_connection_free(t->f.server);
	enn_listener_free(t->f.listener);
	fixture_settle(&t->f);
	CHECK(enn_connection_send(t->f.client, "anybody?", 8, NULL));
	e = fixture_await(&t->f, ENN_TAPS_SOFT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.sys_errno, ECONNREFUSED);
	CHECK(enn_connection_send(t->f.client, "hello", 5, NULL));
	(void)fixture_await(&t->f, ENN_TAPS_SENT, t->f.client.id);
}

/* ---- selection ----------------------------------------------------------------------- */

/* Datagrams are no candidate for who asks for a reliable stream, which is the default. */
static void test_pruned_by_default(void **state)
{
	struct toy *t = *state;
	struct enn_error error;

	fixture_preconnections(&t->f);
	CHECK(enn_preconnection_add_remote(t->f.client_pre, "127.0.0.1", "9"));
	assert_int_equal(enn_preconnection_initiate(t->f.client_pre, &t->f.client, &error),
			 ENN_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "reliability"));
	assert_int_equal(enn_preconnection_listen(t->f.server_pre, &t->f.listener, &error),
			 ENN_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conversation, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_boundaries, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_partial_receive, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_too_large, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_final, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_close_behind_messages, toy_setup,
						toy_teardown),
		cmocka_unit_test_setup_teardown(test_batches, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_ecn, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_loss, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_pressure_on_server, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_pressure_on_client, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_pressure_of_nothing, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_loans_outlive, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_many_clients, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_everywhere, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_stateless_retry, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_refused, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_timeout, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_port_unreachable, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_late_listener, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_race_silence, toy_setup, toy_teardown),
		cmocka_unit_test(test_race_refusal),
		cmocka_unit_test_setup_teardown(test_limit, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_stop, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_migrate, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_soft_error, toy_setup, toy_teardown),
		cmocka_unit_test_setup_teardown(test_pruned_by_default, toy_setup, toy_teardown),
	};

	return cmocka_run_group_tests_name("datagram", tests, NULL, NULL);
}
