/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello over the TAPS objects: what a client learns when it is refused, and the retry of
 * RFC 9849 §6.1.6. Without HPKE (libcrypto 3.2) there is nothing to test; the libraries of tools/newer.sh
 * have it.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/certs.h"
#include "crypto/hpke.h"
#include "fixture.h"

#define FRONT  "front.example"
#define SECRET "secret.example"

static struct cert *both; /* for both names */

/* A key for FRONT, as PEM for the server and as a list for the client. */
struct key {
	char pem[2048];
	uint8_t list[400];
	size_t len;
};

static void make_key(struct key *out)
{
	EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t public_key[32];
	size_t len = sizeof(public_key);

	assert_int_equal(EVP_PKEY_get_raw_public_key(pair, public_key, &len), 1);
	out->len = enn_ech_config_make(FRONT, 32, 1, public_key, out->list, sizeof(out->list));
	assert_true(out->len > 0);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL), 1);
	assert_true(PEM_write_bio(bio, "ECHCONFIG", "", out->list, (long)out->len) > 0);
	int n = BIO_read(bio, out->pem, (int)sizeof(out->pem) - 1);
	assert_true(n > 0);
	out->pem[n] = '\0';
	BIO_free(bio);
	EVP_PKEY_free(pair);
}

static void add_certificate(struct enn_security *s)
{
	struct enn_credential *credential = NULL;

	CHECK(enn_credential_x509_pem(both->pem, strlen(both->pem), both->key_pem,
				      strlen(both->key_pem), &credential, NULL));
	CHECK(enn_security_add_credential(s, credential));
	enn_credential_free(credential);
}

static void begin(struct fixture *f, const uint8_t *list, size_t len)
{
	struct enn_security *s = enn_security_new();

	CHECK(enn_security_trust_pem(s, both->pem, strlen(both->pem), NULL));
	CHECK(enn_security_set_ech_configs(s, list, len, NULL));
	CHECK(enn_preconnection_set_security(f->client_pre, s));
	CHECK(enn_preconnection_set_server_name(f->client_pre, SECRET));
	enn_security_free(s);
	fixture_initiate(f);
}

static void listen_with(struct fixture *f, const struct key *key)
{
	struct enn_security *s = enn_security_new();

	add_certificate(s);
	if (key != NULL) {
		CHECK(enn_security_add_ech_key_pem(s, key->pem, strlen(key->pem), NULL));
	}
	CHECK(enn_preconnection_set_security(f->server_pre, s));
	enn_security_free(s);
	fixture_listen(f);
}

static void refuse(struct fixture *f, const struct key *wrong, struct enn_connection_info *info)
{
	begin(f, wrong->list, wrong->len);
	struct enn_taps_event e = fixture_await(f, ENN_TAPS_ESTABLISHMENT_ERROR, f->client.id);
	assert_int_equal(e.u.error.reason, ENN_REASON_ECH_REFUSED);
	CHECK(enn_connection_info(f->client, info));
	assert_true(info->failed);
}

static void test_retry(void **state)
{
	struct fixture f = {.ctx = NULL};
	struct enn_connection_info info;
	struct key right, wrong;

	(void)state;
	make_key(&right);
	make_key(&wrong);
	fixture_open(&f, NULL, true);
	fixture_preconnections(&f);
	listen_with(&f, &right);
	refuse(&f, &wrong, &info);
	assert_int_equal(info.security.ech_retry_len, right.len);
	assert_memory_equal(info.security.ech_retry, right.list, right.len);

	/* what was told lives as long as the handle, the retry too */
	struct enn_connection refused = f.client;
	begin(&f, info.security.ech_retry, info.security.ech_retry_len);
	(void)fixture_await(&f, ENN_TAPS_READY, f.client.id);
	assert_memory_equal(info.security.ech_retry, right.list, right.len);
	enn_connection_free(refused);
	CHECK(enn_connection_info(f.client, &info));
	assert_true(info.security.ech_accepted);
	assert_null(info.security.ech_retry);
	fixture_close(&f);
}

static void test_nothing_to_retry_with(void **state)
{
	struct fixture f = {.ctx = NULL};
	struct enn_connection_info info;
	struct key wrong;

	(void)state;
	make_key(&wrong);
	fixture_open(&f, NULL, true);
	fixture_preconnections(&f);
	listen_with(&f, NULL);
	refuse(&f, &wrong, &info);
	assert_null(info.security.ech_retry);
	assert_int_equal(info.security.ech_retry_len, 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_nothing_to_retry_with),
	};

	if (!enn_hpke_available()) {
		puts("1..0 # SKIP libcrypto has no HPKE");
		return 0;
	}
	both = cert_make(&(struct cert_options){.names = "DNS:" FRONT ",DNS:" SECRET,
						.not_before = time(NULL) - CERT_DAY,
						.not_after = time(NULL) + CERT_DAY});
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	cert_free(both);
	return failed;
}
