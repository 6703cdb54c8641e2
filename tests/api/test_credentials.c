/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a listener is: the question about each client's name (CREDENTIAL_REQUEST), and parameters that are
 * replaced while it listens.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/certs.h"
#include "fixture.h"

static struct cert *cert[2]; /* self-signed for the same name, so each is its own anchor */
static struct cert *other;   /* for another name */

struct world {
	struct fixture f;
	struct enn_security *server;
	struct enn_security *client; /* trusts all */
};

static struct cert *make_cert(const char *names)
{
	return cert_make(&(struct cert_options){.names = names,
						.not_before = time(NULL) - CERT_DAY,
						.not_after = time(NULL) + CERT_DAY});
}

static struct enn_credential *credential_of(const struct cert *c)
{
	struct enn_credential *credential = NULL;

	CHECK(enn_credential_x509_pem(c->pem, strlen(c->pem), c->key_pem, strlen(c->key_pem),
				      &credential, NULL));
	return credential;
}

static struct enn_security *security_of(const struct cert *c)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *credential = credential_of(c);

	CHECK(enn_security_add_credential(s, credential));
	enn_credential_free(credential);
	return s;
}

static int setup(void **state)
{
	static struct world w;
	const struct cert *all[] = {cert[0], cert[1], other};

	memset(&w, 0, sizeof(w));
	fixture_open(&w.f, NULL, true);
	fixture_preconnections(&w.f);
	w.client = enn_security_new();
	for (size_t i = 0; i < 3; i++) {
		CHECK(enn_security_trust_pem(w.client, all[i]->pem, strlen(all[i]->pem), NULL));
	}
	CHECK(enn_security_set_bool(w.client, ENN_SECURITY_KEEP_PEER_CHAIN, true));
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	enn_security_free(w->server);
	enn_security_free(w->client);
	fixture_close(&w->f);
	return 0;
}

static void begin(struct world *w, const char *name)
{
	CHECK(enn_preconnection_set_server_name(w->f.client_pre, name));
	if (w->f.port == 0) {
		/* once: its copy is what keeps the sessions */
		CHECK(enn_preconnection_set_security(w->f.client_pre, w->client));
		CHECK(enn_preconnection_set_security(w->f.server_pre, w->server));
		fixture_listen(&w->f);
	}
	fixture_initiate(&w->f);
}

static bool shows(struct world *w, const struct cert *c, bool *resumed)
{
	struct enn_connection_info info;

	CHECK(enn_connection_info(w->f.client, &info));
	*resumed = info.security.resumed;
	return info.security.peer_chain_len == 1 && info.security.peer_chain[0].len == c->der.len &&
	       memcmp(info.security.peer_chain[0].der, c->der.data, c->der.len) == 0;
}

/* ---- the question -------------------------------------------------------------------------------- */

static void test_question(void **state)
{
	struct world *w = *state;
	struct enn_security *site = security_of(cert[1]);
	struct enn_credential *credential = credential_of(other);
	bool resumed;

	w->server = enn_security_new();
	CHECK(enn_security_ask_credential(w->server, true));
	CHECK(enn_security_set_bool(w->client, ENN_SECURITY_RESUME, false));
	CHECK(enn_security_add_alpn(w->client, (const uint8_t *)"h2", 2));
	CHECK(enn_security_add_alpn(site, (const uint8_t *)"h2", 2));

	begin(w, "server.example");
	struct enn_taps_event e = fixture_await(&w->f, ENN_TAPS_CREDENTIAL_REQUEST, 0);
	assert_string_equal(enn_taps_event_name(e.type), "CREDENTIAL_REQUEST");
	assert_string_equal(e.u.credential.server_name, "server.example");
	assert_int_equal(e.u.credential.alpn_len, 3);
	assert_memory_equal(e.u.credential.alpn, "\x02h2", 3);
	/* other questions' answers do not fit, and a wrong number neither */
	assert_int_equal(enn_connection_trust_answer(e.connection, e.u.credential.request, true),
			 ENN_E_NOT_FOUND);
	assert_int_equal(enn_connection_credential_answer(e.connection, e.u.credential.request + 1,
							  true, site, NULL),
			 ENN_E_NOT_FOUND);
	CHECK(enn_connection_credential_answer(e.connection, e.u.credential.request, true, site,
					       NULL));
	assert_int_equal(enn_connection_credential_answer(e.connection, e.u.credential.request,
							  true, site, NULL),
			 ENN_E_NOT_FOUND);
	(void)fixture_await(&w->f, ENN_TAPS_READY, w->f.client.id);
	assert_true(shows(w, cert[1], &resumed));

	begin(w, "other.example");
	e = fixture_await(&w->f, ENN_TAPS_CREDENTIAL_REQUEST, 0);
	CHECK(enn_connection_credential_answer(e.connection, e.u.credential.request, true, NULL,
					       credential));
	(void)fixture_await(&w->f, ENN_TAPS_READY, w->f.client.id);
	assert_true(shows(w, other, &resumed));

	begin(w, "nobody.example");
	e = fixture_await(&w->f, ENN_TAPS_CREDENTIAL_REQUEST, 0);
	CHECK(enn_connection_credential_answer(e.connection, e.u.credential.request, false, NULL,
					       NULL));
	e = fixture_await(&w->f, ENN_TAPS_ESTABLISHMENT_ERROR, w->f.client.id);
	assert_int_equal(e.u.error.wire_code, 112); /* unrecognized_name */
	enn_credential_free(credential);
	enn_security_free(site);
}

/* A raw public key that the application judges. */
static void test_raw_key(void **state)
{
	struct world *w = *state;
	struct enn_credential *raw = NULL;
	uint8_t spki[256];
	size_t len = sizeof(spki);

	CHECK(enn_credential_raw_key_pem(cert[0]->key_pem, strlen(cert[0]->key_pem), &raw, NULL));
	CHECK(enn_credential_spki(raw, spki, &len));
	w->server = enn_security_new();
	CHECK(enn_security_add_credential(w->server, raw));
	enn_credential_free(raw);
	CHECK(enn_security_set_bool(w->client, ENN_SECURITY_DELEGATE_PEER, true));
	CHECK(enn_security_set_bool(w->client, ENN_SECURITY_RAW_KEYS, true));
	for (int accept = 0; accept < 2; accept++) {
		begin(w, "server.example");
		struct enn_taps_event e =
			fixture_await(&w->f, ENN_TAPS_TRUST_REQUEST, w->f.client.id);
		assert_int_equal(e.u.trust.chain_len, 0);
		assert_int_equal(e.u.trust.key_len, len);
		assert_memory_equal(e.u.trust.key, spki, len);
		CHECK(enn_connection_trust_answer(w->f.client, e.u.trust.request, accept == 1));
		(void)fixture_await(&w->f, accept ? ENN_TAPS_READY : ENN_TAPS_ESTABLISHMENT_ERROR,
				    w->f.client.id);
	}
}

/* ---- new parameters --------------------------------------------------------------------------------- */

static void drop(struct enn_connection c)
{
	enn_connection_free(c);
}

static void test_reload(void **state)
{
	struct world *w = *state;
	struct enn_security *next = security_of(cert[1]);
	struct enn_security *empty = enn_security_new();
	struct enn_error error;
	bool resumed;

	w->server = security_of(cert[0]);
	begin(w, "server.example");
	struct enn_taps_event old = fixture_await(&w->f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	(void)fixture_await(&w->f, ENN_TAPS_SESSION_STORED, w->f.client.id);
	assert_true(shows(w, cert[0], &resumed));
	struct enn_connection before = w->f.client;

	/* nothing a server could be made with: everything stays */
	assert_int_equal(enn_listener_set_security(w->f.listener, empty, &error), ENN_E_ARGUMENT);
	assert_true(strlen(error.text) > 0);
	assert_int_equal(enn_listener_set_security(w->f.listener, NULL, &error), ENN_E_ARGUMENT);
	CHECK(enn_listener_set_security(w->f.listener, next, &error));

	/* the client resumes: the ticket keys go on */
	begin(w, "server.example");
	(void)fixture_await(&w->f, ENN_TAPS_READY, w->f.client.id);
	(void)shows(w, cert[0], &resumed);
	assert_true(resumed);
	drop(w->f.client);

	/* a client that does not sees the new certificate */
	CHECK(enn_security_set_bool(w->client, ENN_SECURITY_RESUME, false));
	CHECK(enn_preconnection_set_security(w->f.client_pre, w->client));
	begin(w, "server.example");
	(void)fixture_await(&w->f, ENN_TAPS_READY, w->f.client.id);
	assert_true(shows(w, cert[1], &resumed));
	drop(w->f.client);

	/* and the old connection works on */
	CHECK(enn_connection_send(before, "still", 5, NULL));
	CHECK(enn_connection_receive(old.connection, 5, 0, NULL));
	struct enn_taps_event e = fixture_await(&w->f, ENN_TAPS_RECEIVED, old.connection.id);
	assert_int_equal(e.u.received.len, 5);
	assert_memory_equal(e.u.received.data, "still", 5);
	CHECK(enn_message_release(e.u.received.loan));

	/* whom the server trusts changes too: who had no certificate is no longer let in, resumed or not */
	CHECK(enn_security_set_bool(w->client, ENN_SECURITY_RESUME, true));
	CHECK(enn_preconnection_set_security(w->f.client_pre, w->client));
	begin(w, "server.example");
	(void)fixture_await(&w->f, ENN_TAPS_SESSION_STORED, w->f.client.id);
	drop(w->f.client);
	struct enn_security *strict = enn_security_copy(next);
	CHECK(enn_security_set_bool(strict, ENN_SECURITY_REQUIRE_CLIENT, true));
	CHECK(enn_security_trust_pem(strict, other->pem, strlen(other->pem), NULL));
	CHECK(enn_listener_set_security(w->f.listener, strict, &error));
	begin(w, "server.example");
	for (;;) {
		assert_int_equal(enn_poll(w->f.ctx, &e, 1, 5 * ENN_SECOND), 1);
		if (e.connection.id == w->f.client.id && (e.type == ENN_TAPS_CONNECTION_ERROR ||
							  e.type == ENN_TAPS_ESTABLISHMENT_ERROR)) {
			break;
		}
	}
	assert_int_equal(e.u.error.wire_code, 116); /* certificate_required */
	enn_security_free(strict);
	enn_security_free(next);
	enn_security_free(empty);

	CHECK(enn_listener_stop(w->f.listener));
	assert_int_equal(enn_listener_set_security(w->f.listener, w->server, &error), ENN_E_CLOSED);
	struct enn_listener stale = {w->f.ctx, 12345};
	assert_int_equal(enn_listener_set_security(stale, w->server, &error), ENN_E_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_raw_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
	};

	cert[0] = make_cert("DNS:server.example");
	cert[1] = make_cert("DNS:server.example");
	other = make_cert("DNS:other.example");
	int failed = cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
	cert_free(cert[0]);
	cert_free(cert[1]);
	cert_free(other);
	return failed;
}
