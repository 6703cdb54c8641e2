/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects over TLS 1.3: what the null protocol cannot show.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../unit/certs.h"

#define MS ENN_MILLISECOND

static struct cert *server_cert; /* self-signed, so each is its own anchor */
static struct cert *client_cert;

struct tls_fixture {
	struct fixture f;
	struct enn_security *server;
	struct enn_security *client;
};

static struct enn_credential *credential_of(const struct cert *cert)
{
	struct enn_credential *credential = NULL;

	CHECK(enn_credential_x509_pem(cert->pem, strlen(cert->pem), cert->key_pem,
				      strlen(cert->key_pem), &credential, NULL));
	return credential;
}

static struct cert *make_cert(const char *names)
{
	struct cert_options options = {.names = names,
				       .not_before = time(NULL) - CERT_DAY,
				       .not_after = time(NULL) + CERT_DAY};

	return cert_make(&options);
}

static int setup(void **state)
{
	static struct tls_fixture t;
	struct enn_credential *credential = credential_of(server_cert);

	memset(&t, 0, sizeof(t));
	fixture_open(&t.f, NULL, true);
	fixture_preconnections(&t.f);
	CHECK(enn_preconnection_set_server_name(t.f.client_pre, "server.example"));
	t.server = enn_security_new();
	t.client = enn_security_new();
	CHECK(enn_security_add_credential(t.server, credential));
	CHECK(enn_security_trust_pem(t.client, server_cert->pem, strlen(server_cert->pem), NULL));
	enn_credential_free(credential);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct tls_fixture *t = *state;

	enn_security_free(t->server);
	enn_security_free(t->client);
	fixture_close(&t->f);
	return 0;
}

static void apply(struct tls_fixture *t)
{
	CHECK(enn_preconnection_set_security(t->f.server_pre, t->server));
	CHECK(enn_preconnection_set_security(t->f.client_pre, t->client));
	if (t->f.port == 0) {
		fixture_listen(&t->f);
	}
}

/* Both ends ready; other events of the two are not expected before. */
static void connect_both(struct tls_fixture *t)
{
	bool ready = false;
	bool received = false;

	fixture_initiate(&t->f);
	while (!ready || !received) {
		struct enn_taps_event e;
		char line[256];
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		if (e.type == ENN_TAPS_ESTABLISHMENT_ERROR) {
			fail_msg("%s", enn_error_string(&e.u.error, line, sizeof(line)));
		}
		ready |= e.type == ENN_TAPS_READY;
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			t->f.server = e.connection;
			received = true;
		}
	}
}

static struct enn_error expect_refusal(struct tls_fixture *t)
{
	fixture_initiate(&t->f);
	return fixture_await(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id).u.error;
}

static void close_both(struct tls_fixture *t)
{
	CHECK(enn_connection_close(t->f.client));
	CHECK(enn_connection_close(t->f.server));
	for (int closed = 0; closed < 2;) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		assert_int_not_equal(e.type, ENN_TAPS_CONNECTION_ERROR);
		closed += e.type == ENN_TAPS_CLOSED;
	}
	enn_connection_free(t->f.client);
	enn_connection_free(t->f.server);
}

/* ---- the ordinary connection --------------------------------------------------------- */

static void test_connection(void **state)
{
	struct tls_fixture *t = *state;
	struct enn_connection_info info;
	uint8_t key[2][32];

	CHECK(enn_security_add_alpn(t->server, (const uint8_t *)"test", 4));
	CHECK(enn_security_add_alpn(t->client, (const uint8_t *)"test", 4));
	apply(t);
	connect_both(t);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_string_equal(info.security.version, "TLSv1.3");
	assert_int_equal(info.security.alpn_len, 4);
	assert_memory_equal(info.security.alpn, "test", 4);
	assert_true(info.security.peer_authenticated);
	assert_int_equal(info.state, ENN_STATE_ESTABLISHED);
	CHECK(enn_connection_info(t->f.server, &info));
	assert_string_equal(info.security.server_name, "server.example");
	assert_true(enn_connection_has(t->f.client, ENN_FEATURE_SESSION_CACHE));
	assert_false(enn_connection_has(t->f.client, ENN_FEATURE_CONNECTION_MOBILITY));
	CHECK(enn_connection_export_key(t->f.client, "EXPORTER-test", NULL, 0, false, key[0], 32));
	CHECK(enn_connection_export_key(t->f.server, "EXPORTER-test", NULL, 0, false, key[1], 32));
	assert_memory_equal(key[0], key[1], 32);
	struct enn_path path = {0};
	assert_int_equal(enn_connection_migrate(t->f.client, &path), ENN_E_UNSUPPORTED);
	close_both(t);
}

/* 16 MiB each way at the same time, with key updates in between, and every byte is checked. */
static void test_bulk(void **state)
{
	enum { SIZE = 16 << 20 };
	struct tls_fixture *t = *state;
	struct fixture *f = &t->f;
	uint8_t *data = malloc(SIZE);
	size_t got[2] = {0, 0};
	bool end[2] = {false, false};
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};

	assert_non_null(data);
	for (size_t i = 0; i < SIZE; i++) {
		data[i] = (uint8_t)(i * 2654435761u >> 11);
	}
	apply(t);
	connect_both(t);
	CHECK(enn_connection_send_borrowed(f->client, data, SIZE, &last));
	CHECK(enn_connection_send_borrowed(f->server, data, SIZE, &last));
	CHECK(enn_connection_receive(f->client, 1, 0, NULL));
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	for (int closed = 0; closed < 2;) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(f->ctx, &e, 1, 5 * ENN_SECOND), 1);
		closed += e.type == ENN_TAPS_CLOSED;
		if (e.type != ENN_TAPS_RECEIVED) {
			assert_int_not_equal(e.type, ENN_TAPS_CONNECTION_ERROR);
			continue;
		}
		size_t side = e.connection.id == f->client.id;
		assert_memory_equal(e.u.received.data, data + got[side], e.u.received.len);
		got[side] += e.u.received.len;
		end[side] = e.u.received.end_of_message;
		(void)enn_message_release(e.u.received.loan);
		if (!end[side]) {
			CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
		}
		if (got[0] + got[1] > SIZE && got[0] + got[1] < SIZE + 65536) {
			enum enn_status status = enn_connection_update_keys(f->client, true);
			assert_true(status == ENN_OK || status == ENN_E_CLOSED);
		}
	}
	assert_int_equal(got[0], SIZE);
	assert_int_equal(got[1], SIZE);
	assert_true(end[0] && end[1]);
	assert_int_equal(usage_of(f).loans, 0);
	assert_int_equal(usage_of(f).read_buffers, 0);
	free(data);
}

static void test_many_small_messages(void **state)
{
	struct tls_fixture *t = *state;
	struct fixture *f = &t->f;
	size_t sent = 0;
	size_t confirmed = 0;
	size_t received = 0;

	apply(t);
	connect_both(t);
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	while (received < 10000) {
		struct enn_taps_event e;
		uint8_t byte = (uint8_t)sent;
		while (sent < 10000 && enn_connection_send(f->client, &byte, 1, NULL) == ENN_OK) {
			byte = (uint8_t)++sent;
		}
		assert_int_equal(enn_poll(f->ctx, &e, 1, 5 * ENN_SECOND), 1);
		confirmed += e.type == ENN_TAPS_SENT;
		if (e.type != ENN_TAPS_RECEIVED) {
			continue;
		}
		for (size_t i = 0; i < e.u.received.len; i++) {
			assert_int_equal(e.u.received.data[i], (uint8_t)received++);
		}
		CHECK(enn_message_release(e.u.received.loan));
		CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	}
	while (confirmed < 10000) {
		(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
		confirmed++;
	}
	close_both(t);
}

/* ---- refusals ------------------------------------------------------------------------ */

static void test_wrong_name(void **state)
{
	struct tls_fixture *t = *state;

	CHECK(enn_preconnection_set_server_name(t->f.client_pre, "other.example"));
	apply(t);
	assert_int_equal(expect_refusal(t).reason, ENN_REASON_CERT_NAME_MISMATCH);
}

static void test_wrong_issuer(void **state)
{
	struct tls_fixture *t = *state;

	enn_security_free(t->client);
	t->client = enn_security_new();
	CHECK(enn_security_trust_pem(t->client, client_cert->pem, strlen(client_cert->pem), NULL));
	apply(t);
	struct enn_error error = expect_refusal(t);
	assert_true(error.reason == ENN_REASON_CERT_SELF_SIGNED ||
		    error.reason == ENN_REASON_CERT_UNKNOWN_ISSUER);
	assert_int_equal(error.origin, ENN_ORIGIN_LOCAL);
}

/* A server without anything to prove itself with is refused at listen. */
static void test_listen_without_credential(void **state)
{
	struct tls_fixture *t = *state;
	struct enn_security *bare = enn_security_new();
	struct enn_error error;

	CHECK(enn_preconnection_set_security(t->f.server_pre, bare));
	assert_int_not_equal(enn_preconnection_listen(t->f.server_pre, &t->f.listener, &error),
			     ENN_OK);
	assert_true(strlen(error.text) > 0);
	assert_int_equal(usage_of(&t->f).sockets, 0);
	enn_security_free(bare);
}

/* The client's certificate is refused after the client is ready: the alert is what it learns. */
static void test_client_certificate(void **state)
{
	struct tls_fixture *t = *state;
	struct enn_credential *credential = credential_of(client_cert);

	CHECK(enn_security_set_bool(t->server, ENN_SECURITY_REQUIRE_CLIENT, true));
	CHECK(enn_security_trust_pem(t->server, client_cert->pem, strlen(client_cert->pem), NULL));
	apply(t);
	fixture_initiate(&t->f);
	CHECK(enn_connection_receive(t->f.client, 1, 0, NULL));
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_CONNECTION_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(e.u.error.reason, ENN_REASON_CERT_MISSING);
	CHECK(enn_security_add_credential(t->client, credential));
	apply(t);
	connect_both(t);
	struct enn_connection_info info;
	CHECK(enn_connection_info(t->f.server, &info));
	assert_true(info.security.peer_authenticated);
	enn_credential_free(credential);
}

/* ---- questions ----------------------------------------------------------------------- */

static void test_trust_question(void **state)
{
	struct tls_fixture *t = *state;

	CHECK(enn_security_set_bool(t->client, ENN_SECURITY_DELEGATE_PEER, true));
	CHECK(enn_security_set_bool(t->client, ENN_SECURITY_RESUME, false)); /* it would not ask */
	apply(t);
	fixture_initiate(&t->f);
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_TRUST_REQUEST, t->f.client.id);
	assert_string_equal(e.u.trust.server_name, "server.example");
	assert_int_equal(e.u.trust.chain_len, 1);
	assert_true(e.u.trust.chain[0].len > 100);
	assert_int_equal(e.u.trust.chain[0].der[0], 0x30);
	CHECK(enn_connection_trust_answer(t->f.client, e.u.trust.request, true));
	(void)fixture_await(&t->f, ENN_TAPS_READY, t->f.client.id);
	fixture_initiate(&t->f);
	e = fixture_await(&t->f, ENN_TAPS_TRUST_REQUEST, t->f.client.id);
	CHECK(enn_connection_trust_answer(t->f.client, e.u.trust.request, false));
	e = fixture_await(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_CERT_REJECTED);
}

static void test_psk_question(void **state)
{
	static const uint8_t key[32] = {1, 2, 3};
	struct tls_fixture *t = *state;
	struct enn_credential *psk = NULL;

	CHECK(enn_credential_psk((const uint8_t *)"who", 3, key, sizeof(key), ENN_PSK_SHA256,
				 &psk));
	CHECK(enn_security_add_credential(t->client, psk));
	CHECK(enn_security_ask_psk(t->server, true));
	enn_credential_free(psk);
	apply(t);
	fixture_initiate(&t->f);
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_PSK_REQUEST, 0);
	assert_int_equal(e.u.psk.identity_len, 3);
	assert_memory_equal(e.u.psk.identity, "who", 3);
	CHECK(enn_connection_psk_answer(e.connection, e.u.psk.request, key, sizeof(key),
					ENN_PSK_SHA256));
	(void)fixture_await(&t->f, ENN_TAPS_READY, t->f.client.id);
	struct enn_connection_info info;
	CHECK(enn_connection_info(t->f.client, &info));
	assert_true(info.security.external_psk);
}

/* ---- sessions, early data ------------------------------------------------------------ */

static void test_resumption(void **state)
{
	struct tls_fixture *t = *state;
	struct enn_connection_info info;

	apply(t);
	connect_both(t);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_false(info.security.resumed);
	(void)fixture_await(&t->f, ENN_TAPS_SESSION_STORED, t->f.client.id);
	close_both(t);
	connect_both(t);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_true(info.security.resumed);
	close_both(t);
	/* not with `resume` off */
	CHECK(enn_security_set_bool(t->client, ENN_SECURITY_RESUME, false));
	apply(t);
	connect_both(t);
	CHECK(enn_connection_info(t->f.client, &info));
	assert_false(info.security.resumed);
	close_both(t);
}

static void test_early_data(void **state)
{
	struct tls_fixture *t = *state;
	struct enn_message_context early = {.flags = ENN_MESSAGE_EARLY};
	struct enn_connection_info info;
	bool received = false;
	bool sent = false;

	CHECK(enn_security_set_bool(t->server, ENN_SECURITY_EARLY_DATA, true));
	CHECK(enn_security_set_bool(t->client, ENN_SECURITY_EARLY_DATA, true));
	apply(t);
	connect_both(t);
	(void)fixture_await(&t->f, ENN_TAPS_SESSION_STORED, t->f.client.id);
	close_both(t);
	CHECK(enn_preconnection_initiate_with_send(t->f.client_pre, "GET /", 5, &early,
						   &t->f.client, NULL));
	while (!received || !sent) {
		struct enn_taps_event e;
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			t->f.server = e.connection;
			CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
		} else if (e.type == ENN_TAPS_RECEIVED) {
			assert_int_equal(e.u.received.flags, ENN_MESSAGE_WAS_EARLY);
			assert_memory_equal(e.u.received.data, "GET /", 5);
			CHECK(enn_message_release(e.u.received.loan));
			received = true;
		}
		sent |= e.type == ENN_TAPS_SENT;
	}
	CHECK(enn_connection_info(t->f.client, &info));
	assert_int_equal(info.security.early_data, ENN_EARLY_DATA_ACCEPTED);
	close_both(t);
}

/* ---- endings ------------------------------------------------------------------------- */

/* The connection is cut after data: what arrived is delivered, and the end is not taken for one. */
static void test_truncation(void **state)
{
	struct tls_fixture *t = *state;
	struct fixture *f = &t->f;

	apply(t);
	connect_both(t);
	CHECK(enn_connection_send(f->client, "cut o", 5, NULL));
	(void)fixture_await(f, ENN_TAPS_SENT, f->client.id);
	fixture_settle(f);
	enn_connection_free(f->client); /* RST */
	CHECK(enn_connection_receive(f->server, 1, 0, NULL));
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_RECEIVED, f->server.id);
	assert_int_equal(e.u.received.len, 5);
	assert_false(e.u.received.end_of_message);
	CHECK(enn_message_release(e.u.received.loan));
	e = fixture_await(f, ENN_TAPS_CONNECTION_ERROR, f->server.id);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_NETWORK);
}

/* Not TLS at all: refused with a reason, and the alert goes out. */
static void test_garbage(void **state)
{
	struct tls_fixture *t = *state;
	uint8_t reply[64];

	CHECK(enn_preconnection_set_pref(t->f.server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					 ENN_PREFER));
	apply(t);
	int fd = raw_connect(t->f.port);
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	struct enn_taps_event e = fixture_expect(&t->f, ENN_TAPS_SOFT_ERROR, 0);
	assert_int_equal(e.u.error.reason, ENN_REASON_PROTOCOL_FAILED);
	fixture_settle(&t->f);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 7); /* one plaintext alert … */
	assert_int_equal(reply[0], 21);
	assert_int_equal(reply[5], 2);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 0); /* … and FIN, not RST */
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_small_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_issuer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listen_without_credential, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trust_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_psk_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resumption, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
	};

	server_cert = make_cert("DNS:server.example");
	client_cert = make_cert("DNS:client.example");
	int failed = cmocka_run_group_tests_name("tls", tests, NULL, NULL);
	cert_free(server_cert);
	cert_free(client_cert);
	return failed;
}
