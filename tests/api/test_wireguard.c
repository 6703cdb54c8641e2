/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard as a message connection: static keys on both sides, no interface.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "ennead/wireguard.h"
#include "taps/internal.h"

#define MS	ENN_MILLISECOND
#define CLIENTS 50
#define LONGEST 65427 /* 65507 of UDP over IPv4, less 32 of WireGuard and 48 inside */

struct identity {
	uint8_t private_key[ENN_WIREGUARD_KEY];
	uint8_t public_key[ENN_WIREGUARD_KEY];
};

static int setup(void **state)
{
	static struct fixture f;

	fixture_open(&f, NULL, true);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* ---- keys ---------------------------------------------------------------------------- */

static struct identity new_identity(struct fixture *f)
{
	const struct enn_env *env = enn_context_env(f->ctx);
	struct identity id;

	CHECK(enn_wireguard_generate_key(env, id.private_key));
	CHECK(enn_wireguard_public_key(env, id.private_key, id.public_key));
	return id;
}

static struct enn_security *security_of(const struct identity *own)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *key = NULL;

	assert_non_null(s);
	CHECK(enn_credential_static_key(own->private_key, &key));
	CHECK(enn_security_add_credential(s, key));
	enn_credential_free(key);
	return s;
}

static void allow_datagrams(struct enn_preconnection *pre)
{
	CHECK(enn_preconnection_allow_protocol(pre, ENN_PROTOCOL_WIREGUARD));
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_RELIABILITY, ENN_NO_PREFERENCE));
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_PRESERVE_ORDER, ENN_NO_PREFERENCE));
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_CONGESTION_CONTROL, ENN_NO_PREFERENCE));
}

/* Both sides know each other's key; psk of each may be NULL. */
static void prepare(struct fixture *f, const struct identity *client, const uint8_t *client_psk,
		    const struct identity *server, const uint8_t *server_psk)
{
	struct enn_security *ours = security_of(client);
	struct enn_security *theirs = security_of(server);

	fixture_preconnections(f);
	allow_datagrams(f->client_pre);
	allow_datagrams(f->server_pre);
	CHECK(enn_security_add_peer_key(ours, server->public_key, client_psk));
	CHECK(enn_security_add_peer_key(theirs, client->public_key, server_psk));
	CHECK(enn_security_set_u64(ours, ENN_SECURITY_HANDSHAKE_TIMEOUT, 3000));
	CHECK(enn_preconnection_set_security(f->client_pre, ours));
	CHECK(enn_preconnection_set_security(f->server_pre, theirs));
	enn_security_free(ours);
	enn_security_free(theirs);
}

static void pair_up(struct fixture *f)
{
	bool ready = false;
	bool received = false;

	fixture_initiate(f);
	while (!ready || !received) {
		struct enn_taps_event e;
		if (enn_poll(f->ctx, &e, 1, 5 * ENN_SECOND) != 1) {
			fail_msg("no connection within five seconds");
		}
		if (e.type == ENN_TAPS_READY) {
			ready = true;
		} else if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			f->server = e.connection;
			received = true;
		} else {
			assert_int_equal(e.type, ENN_TAPS_KEYS_UPDATED);
		}
	}
}

static void connect_pair(struct fixture *f)
{
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);

	prepare(f, &client, NULL, &server, NULL);
	fixture_listen(f);
	pair_up(f);
}

static void expect_message(struct fixture *f, struct enn_connection c, const void *data, size_t len)
{
	CHECK(enn_connection_receive(c, 0, 0, NULL));
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_RECEIVED, c.id);
	assert_int_equal(e.u.received.len, len);
	assert_memory_equal(e.u.received.data, data, len);
	assert_true(e.u.received.end_of_message);
	(void)enn_message_release(e.u.received.loan);
}

/* ---- tests --------------------------------------------------------------------------- */

static void test_conversation(void **state)
{
	struct fixture *f = *state;
	struct enn_connection_info info;
	uint64_t longest;

	connect_pair(f);
	CHECK(enn_connection_send(f->client, "ping", 4, NULL));
	expect_message(f, f->server, "ping", 4);
	CHECK(enn_connection_send(f->server, "pong", 4, NULL));
	expect_message(f, f->client, "pong", 4);
	CHECK(enn_connection_info(f->client, &info));
	assert_int_equal(info.security.protocol->id, ENN_PROTOCOL_WIREGUARD);
	assert_true(info.security.peer_authenticated);
	assert_false(info.security.external_psk);
	assert_int_equal(info.path.remote.port, f->port);
	CHECK(enn_connection_get_property(f->client, ENN_PROPERTY_SEND_MSG_MAX_LEN, &longest));
	assert_int_equal(longest, LONGEST);
	assert_true(enn_connection_has(f->client, ENN_FEATURE_MUTUAL_AUTHENTICATION));
	CHECK(enn_connection_close(f->client));
	(void)fixture_await(f, ENN_TAPS_CLOSED, f->client.id);
	CHECK(enn_connection_close(f->server));
	(void)fixture_await(f, ENN_TAPS_CLOSED, f->server.id);
}

static void test_preshared_key(void **state)
{
	struct fixture *f = *state;
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);
	const uint8_t psk[32] = {1, 2, 3};
	struct enn_connection_info info;

	prepare(f, &client, psk, &server, psk);
	fixture_listen(f);
	pair_up(f);
	CHECK(enn_connection_send(f->client, "with a key", 10, NULL));
	expect_message(f, f->server, "with a key", 10);
	CHECK(enn_connection_info(f->client, &info));
	assert_true(info.security.external_psk);
}

/* A peer that does not know us, or whom we do not know, says nothing at all. */
static void expect_silence(struct fixture *f)
{
	struct enn_taps_event e;

	fixture_listen(f);
	fixture_initiate(f);
	e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_TIMEOUT);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
}

static void set_patience(struct fixture *f, const struct identity *own, const struct identity *peer,
			 const uint8_t *psk)
{
	struct enn_security *s = security_of(own);

	CHECK(enn_security_add_peer_key(s, peer->public_key, psk));
	CHECK(enn_security_set_u64(s, ENN_SECURITY_HANDSHAKE_TIMEOUT, 200));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	enn_security_free(s);
}

static void test_unknown_client(void **state)
{
	struct fixture *f = *state;
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);
	struct identity stranger = new_identity(f);

	prepare(f, &client, NULL, &server, NULL);
	set_patience(f, &stranger, &server, NULL);
	expect_silence(f);
	assert_int_equal(usage_of(f).connections, 1);
}

static void test_wrong_server_key(void **state)
{
	struct fixture *f = *state;
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);
	struct identity other = new_identity(f);

	prepare(f, &client, NULL, &server, NULL);
	set_patience(f, &client, &other, NULL);
	expect_silence(f);
}

static void test_wrong_preshared_key(void **state)
{
	struct fixture *f = *state;
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);
	const uint8_t psk[2][32] = {{1}, {2}};

	prepare(f, &client, psk[0], &server, psk[1]);
	set_patience(f, &client, &server, psk[0]);
	expect_silence(f);
}

static void test_nobody_there(void **state)
{
	struct fixture *f = *state;
	struct identity client = new_identity(f);
	struct identity server = new_identity(f);
	struct enn_taps_event e;
	char text[8];

	prepare(f, &client, NULL, &server, NULL);
	set_patience(f, &client, &server, NULL);
	fixture_listen(f);
	(void)snprintf(text, sizeof(text), "%u", f->port);
	enn_listener_free(f->listener);
	fixture_settle(f);
	fixture_initiate(f);
	e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.sys_errno, ECONNREFUSED);
}

/* Both ways at the same time, each message once and in order, as loopback has it. */
static void test_thousand_messages(void **state)
{
	struct fixture *f = *state;
	size_t sent[2] = {0, 0};
	size_t got[2] = {0, 0};
	uint8_t message[1400];

	connect_pair(f);
	struct enn_connection end[2] = {f->client, f->server};
	CHECK(enn_connection_receive(end[0], 0, 0, NULL));
	CHECK(enn_connection_receive(end[1], 0, 0, NULL));
	memset(message, 'x', sizeof(message));
	while (got[0] < 1000 || got[1] < 1000) {
		struct enn_taps_event e;
		for (size_t i = 0; i < 2; i++) { /* at most so many on their way */
			while (sent[i] < 1000 && sent[i] < got[1 - i] + 50) {
				memcpy(message, &sent[i], sizeof(sent[i]));
				CHECK(enn_connection_send(end[i], message, sizeof(size_t) + sent[i],
							  NULL));
				sent[i]++;
			}
		}
		if (enn_poll(f->ctx, &e, 1, 5 * ENN_SECOND) != 1) {
			fail_msg("%zu and %zu of 1000 messages arrived", got[0], got[1]);
		}
		if (e.type != ENN_TAPS_RECEIVED) {
			assert_true(e.type == ENN_TAPS_SENT || e.type == ENN_TAPS_KEYS_UPDATED);
			continue;
		}
		size_t i = e.connection.id == end[1].id;
		assert_int_equal(e.u.received.len, sizeof(size_t) + got[i]);
		assert_memory_equal(e.u.received.data, &got[i], sizeof(size_t));
		got[i]++;
		(void)enn_message_release(e.u.received.loan);
		CHECK(enn_connection_receive(end[i], 0, 0, NULL));
	}
}

static void test_longest_message(void **state)
{
	static uint8_t data[LONGEST + 1];
	struct fixture *f = *state;
	struct enn_taps_event e;

	connect_pair(f);
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7 >> 2);
	}
	CHECK(enn_connection_send(f->client, data, LONGEST, NULL));
	expect_message(f, f->server, data, LONGEST);
	CHECK(enn_connection_send(f->server, NULL, 0, NULL));
	expect_message(f, f->client, "", 0);
	CHECK(enn_connection_send(f->client, data, LONGEST + 1, NULL));
	e = fixture_await(f, ENN_TAPS_SEND_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_MESSAGE_TOO_LARGE);
}

static void test_many_clients(void **state)
{
	struct fixture *f = *state;
	struct identity server = new_identity(f);
	struct identity client[CLIENTS];
	struct enn_connection near[CLIENTS];
	struct enn_connection far[CLIENTS];
	struct enn_security *theirs = security_of(&server);

	for (size_t i = 0; i < CLIENTS; i++) {
		client[i] = new_identity(f);
		CHECK(enn_security_add_peer_key(theirs, client[i].public_key, NULL));
	}
	prepare(f, &client[0], NULL, &server, NULL);
	CHECK(enn_preconnection_set_security(f->server_pre, theirs));
	enn_security_free(theirs);
	fixture_listen(f);
	for (size_t i = 0; i < CLIENTS; i++) {
		struct enn_security *ours = security_of(&client[i]);
		CHECK(enn_security_add_peer_key(ours, server.public_key, NULL));
		CHECK(enn_preconnection_set_security(f->client_pre, ours));
		enn_security_free(ours);
		pair_up(f);
		near[i] = f->client;
		far[i] = f->server;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		CHECK(enn_connection_send(near[i], &i, sizeof(i), NULL));
	}
	for (size_t i = CLIENTS; i-- > 0;) {
		expect_message(f, far[i], &i, sizeof(i));
		CHECK(enn_connection_send(far[i], &i, sizeof(i), NULL));
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		expect_message(f, near[i], &i, sizeof(i));
	}
}

/* The client moves to another port and address; the server follows the first authentic message. */
static void test_roaming(void **state)
{
	struct fixture *f = *state;
	struct enn_connection_info info;
	struct enn_path path = {.remote = {.family = ENN_FAMILY_NONE}};
	struct enn_taps_event e;

	connect_pair(f);
	CHECK(enn_connection_send(f->client, "here", 4, NULL));
	expect_message(f, f->server, "here", 4);
	for (int i = 0; i < 3; i++) {
		CHECK(enn_connection_migrate(f->client, &path));
		e = fixture_await(f, ENN_TAPS_PATH_CHANGE, f->server.id);
		CHECK(enn_connection_info(f->client, &info));
		assert_int_equal(e.u.path.remote.port, info.path.local.port);
		CHECK(enn_connection_send(f->server, "found you", 9, NULL));
		expect_message(f, f->client, "found you", 9);
		CHECK(enn_connection_send(f->client, "indeed", 6, NULL));
		expect_message(f, f->server, "indeed", 6);
		path.local = (struct enn_address){.family = ENN_FAMILY_IPV4,
						  .ip = {127, 0, 0, (uint8_t)(2 + i)}};
	}
}

static void test_update_keys(void **state)
{
	struct fixture *f = *state;
	struct enn_connection_info info;
	struct enn_taps_event e;

	connect_pair(f);
	CHECK(enn_connection_send(f->client, "old", 3, NULL));
	expect_message(f, f->server, "old", 3);
	CHECK(enn_connection_info(f->client, &info));
	uint64_t before = info.security.keys_sent;
	/* Not more than one initiation in five seconds (WP §6.2): it waits for its time. */
	CHECK(enn_connection_update_keys(f->client, true));
	enn_time until = enn_context_now(f->ctx) + 8 * ENN_SECOND;
	while (info.security.keys_sent == before && enn_context_now(f->ctx) < until) {
		(void)enn_poll(f->ctx, &e, 1, 100 * MS);
		CHECK(enn_connection_info(f->client, &info));
	}
	assert_true(info.security.keys_sent > before);
	CHECK(enn_connection_send(f->client, "new", 3, NULL));
	expect_message(f, f->server, "new", 3);
}

/* Two initiations of a peer within a fiftieth of a second are one too many (WP §5.1). */
static void let_time_pass(struct fixture *f)
{
	fixture_quiet(f, 60 * MS);
}

/* The server's connection has ended and the application still holds it: the peer may come back. */
static void test_again(void **state)
{
	struct fixture *f = *state;

	connect_pair(f);
	for (int i = 0; i < 3; i++) {
		struct enn_connection ended = f->server;
		CHECK(enn_connection_close(f->server));
		(void)fixture_await(f, ENN_TAPS_CLOSED, f->server.id);
		enn_connection_free(f->client);
		let_time_pass(f);
		pair_up(f);
		assert_int_not_equal(f->server.id, ended.id);
		CHECK(enn_connection_send(f->client, "again", 5, NULL));
		expect_message(f, f->server, "again", 5);
	}
}

/* A client that was started anew goes on where its peer's connection is. */
static void test_restarted_client(void **state)
{
	struct fixture *f = *state;

	connect_pair(f);
	CHECK(enn_connection_send(f->client, "first", 5, NULL));
	expect_message(f, f->server, "first", 5);
	enn_connection_free(f->client);
	let_time_pass(f);
	fixture_initiate(f);
	(void)fixture_await(f, ENN_TAPS_READY, f->client.id);
	CHECK(enn_connection_send(f->client, "second", 6, NULL));
	expect_message(f, f->server, "second", 6);
	CHECK(enn_connection_send(f->server, "third", 5, NULL));
	expect_message(f, f->client, "third", 5);
}

/* ---- selection ----------------------------------------------------------------------- */

static const char *why_pruned(struct enn_preconnection *pre, bool listen)
{
	static struct enn_candidate_report rows[ENN_PROTOCOL_COUNT];
	size_t n = enn_preconnection_explain(pre, listen, rows, ENN_PROTOCOL_COUNT);

	for (size_t i = 0; i < n; i++) {
		if (rows[i].protocol->id == ENN_PROTOCOL_WIREGUARD) {
			return rows[i].fate == ENN_CANDIDATE_PRUNED ? rows[i].error.text : NULL;
		}
	}
	return "not there";
}

static void test_pruned_without_keys(void **state)
{
	struct fixture *f = *state;
	struct identity own = new_identity(f);
	struct identity peer = new_identity(f);
	struct identity other = new_identity(f);
	struct enn_preconnection *pre = enn_preconnection_new(f->ctx);
	struct enn_error error;

	CHECK(enn_preconnection_add_remote(pre, "127.0.0.1", "51820"));
	CHECK(enn_preconnection_allow_protocol(pre, ENN_PROTOCOL_WIREGUARD));
	assert_non_null(strstr(why_pruned(pre, false), "reliability"));
	allow_datagrams(pre);
	assert_non_null(strstr(why_pruned(pre, false), "static key"));
	assert_int_equal(enn_preconnection_initiate(pre, &f->client, &error), ENN_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "static key"));

	struct enn_security *s = security_of(&own);
	CHECK(enn_preconnection_set_security(pre, s));
	assert_non_null(strstr(why_pruned(pre, false), "peer's public key"));
	assert_non_null(strstr(why_pruned(pre, true), "peer's public key"));
	CHECK(enn_security_add_peer_key(s, peer.public_key, NULL));
	CHECK(enn_preconnection_set_security(pre, s));
	assert_null(why_pruned(pre, false));
	CHECK(enn_security_add_peer_key(s, other.public_key, NULL));
	CHECK(enn_preconnection_set_security(pre, s));
	assert_non_null(strstr(why_pruned(pre, false), "one peer"));
	assert_null(why_pruned(pre, true));
	enn_security_free(s);
	enn_preconnection_free(pre);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conversation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preshared_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_server_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_preshared_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thousand_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roaming, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restarted_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pruned_without_keys, setup, teardown),
	};

	return cmocka_run_group_tests_name("wireguard", tests, NULL, NULL);
}
