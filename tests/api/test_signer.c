/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials that sign elsewhere: on a worker thread, while the context goes on.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../unit/certs.h"
#include "crypto/sig.h"
#include "fixture.h"

#define MS ENN_MILLISECOND

/* A key behind a slow function. */
struct slow_key {
	struct enn_private_key *key;
	struct enn_env env;
	pthread_t caller; /* of the test */
	unsigned milliseconds;
	enum enn_status answer;
	atomic_int calls;
	atomic_int released;
	atomic_bool on_own_thread;
};

static struct cert *cert;

static enum enn_status slow_sign(void *ctx, uint16_t scheme, const uint8_t *input, size_t input_len,
				 uint8_t *signature, size_t *len)
{
	struct slow_key *k = ctx;

	atomic_fetch_add(&k->calls, 1);
	if (pthread_equal(pthread_self(), k->caller)) {
		atomic_store(&k->on_own_thread, true);
	}
	(void)usleep(k->milliseconds * 1000);
	if (k->answer != ENN_OK) {
		return k->answer;
	}
	return enn_sign(&k->env, enn_sig_alg_by_tls(scheme), k->key, input, input_len, signature,
			len);
}

static void slow_release(void *ctx)
{
	struct slow_key *k = ctx;

	atomic_fetch_add(&k->released, 1);
}

struct signer_fixture {
	struct fixture f;
	struct slow_key slow;
	struct enn_credential *credential;
};

static int setup(void **state)
{
	struct signer_fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	fixture_open(&t->f, NULL, true);
	fixture_preconnections(&t->f);
	CHECK(enn_preconnection_set_server_name(t->f.client_pre, "server.example"));
	t->slow.caller = pthread_self();
	t->slow.milliseconds = 150;
	CHECK(enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &t->slow.env.crypto));
	CHECK(enn_private_key_parse((const uint8_t *)cert->key_pem, strlen(cert->key_pem),
				    &t->slow.key, NULL));
	CHECK(enn_credential_x509_signer(cert->pem, strlen(cert->pem), slow_sign, slow_release,
					 &t->slow, &t->credential, NULL));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct signer_fixture *t = *state;

	enn_credential_free(t->credential);
	if (t->f.ctx != NULL) {
		fixture_close(&t->f);
	}
	assert_int_equal(atomic_load(&t->slow.released), 1);
	assert_false(atomic_load(&t->slow.on_own_thread));
	enn_private_key_free(t->slow.key);
	enn_crypto_free(t->slow.env.crypto);
	free(t);
	return 0;
}

static struct enn_security *trusting(void)
{
	struct enn_security *s = enn_security_new();

	CHECK(enn_security_trust_pem(s, cert->pem, strlen(cert->pem), NULL));
	return s;
}

static void listen_with(struct signer_fixture *t, bool ask_client)
{
	struct enn_security *server = trusting();
	struct enn_security *client = trusting();

	CHECK(enn_security_add_credential(server, t->credential));
	CHECK(enn_security_set_bool(server, ENN_SECURITY_REQUIRE_CLIENT, ask_client));
	if (ask_client) {
		CHECK(enn_security_add_credential(client, t->credential));
	}
	CHECK(enn_preconnection_set_security(t->f.server_pre, server));
	CHECK(enn_preconnection_set_security(t->f.client_pre, client));
	enn_security_free(server);
	enn_security_free(client);
	fixture_listen(&t->f);
}

static void wait_for_call(struct signer_fixture *t)
{
	struct enn_taps_event e;

	while (atomic_load(&t->slow.calls) == 0) {
		assert_int_equal(enn_poll(t->f.ctx, &e, 1, 10 * MS), 0);
	}
}

/* While the worker signs, the context's own thread is free. */
static void test_waits_elsewhere(void **state)
{
	struct signer_fixture *t = *state;
	struct enn_taps_event e;
	size_t turns = 0;

	listen_with(t, false);
	fixture_initiate(&t->f);
	wait_for_call(t);
	while (enn_poll(t->f.ctx, &e, 1, 5 * MS) == 0) {
		turns++;
	}
	assert_true(turns >= 5);
	assert_true(e.type == ENN_TAPS_READY || e.type == ENN_TAPS_CONNECTION_RECEIVED);
	assert_int_equal(atomic_load(&t->slow.calls), 1);
}

static void test_both_ends(void **state)
{
	struct signer_fixture *t = *state;

	t->slow.milliseconds = 5;
	listen_with(t, true);
	fixture_initiate(&t->f);
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_CONNECTION_RECEIVED, 0);
	assert_int_equal(atomic_load(&t->slow.calls), 2);
	struct enn_connection_info info;
	CHECK(enn_connection_info(e.connection, &info));
	assert_true(info.security.peer_authenticated);
}

static void test_refuses_to_sign(void **state)
{
	struct signer_fixture *t = *state;

	t->slow.answer = ENN_E_AUTH;
	listen_with(t, false);
	fixture_initiate(&t->f);
	struct enn_taps_event e =
		fixture_await(&t->f, ENN_TAPS_ESTABLISHMENT_ERROR, t->f.client.id);
	assert_int_equal(e.u.error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(e.u.error.wire_code, 80); /* internal_error */
}

/* The client goes while the server's worker is at it: its signature comes to nobody. */
static void test_connection_goes(void **state)
{
	struct signer_fixture *t = *state;

	listen_with(t, false);
	fixture_initiate(&t->f);
	wait_for_call(t);
	enn_connection_free(t->f.client);
	fixture_quiet(&t->f, 300 * MS);
	assert_int_equal(usage_of(&t->f).connections, 0);
}

static void test_context_goes(void **state)
{
	struct signer_fixture *t = *state;

	listen_with(t, false);
	fixture_initiate(&t->f);
	wait_for_call(t);
	fixture_close(&t->f); /* waits for the worker */
	t->f.ctx = NULL;
}

static void test_arguments(void **state)
{
	struct signer_fixture *t = *state;
	struct enn_credential *credential = NULL;
	struct slow_key other = {.answer = ENN_OK};
	uint8_t out[16];
	size_t len = sizeof(out);

	assert_int_equal(enn_credential_x509_signer("junk", 4, slow_sign, slow_release, &other,
						    &credential, NULL),
			 ENN_E_PARSE);
	assert_int_equal(enn_credential_x509_signer(cert->pem, strlen(cert->pem), NULL,
						    slow_release, &other, &credential, NULL),
			 ENN_E_ARGUMENT);
	assert_int_equal(atomic_load(&other.released), 2);
	CHECK(enn_credential_x509_external(cert->pem, strlen(cert->pem), &credential, NULL));
	assert_false(enn_credential_can_sign(credential));
	assert_true(enn_credential_can_sign(t->credential));
	assert_int_equal(enn_credential_sign(credential, 0x0403, out, 1, out, &len),
			 ENN_E_UNSUPPORTED);
	enn_credential_free(credential);
}

int main(void)
{
	struct cert_options options = {.names = "DNS:server.example",
				       .not_before = time(NULL) - CERT_DAY,
				       .not_after = time(NULL) + CERT_DAY};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_waits_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_to_sign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_context_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
	};

	cert = cert_make(&options);
	int failed = cmocka_run_group_tests_name("signer", tests, NULL, NULL);
	cert_free(cert);
	return failed;
}
