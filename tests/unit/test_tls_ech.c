/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello on live pairs. With a libcrypto that has no HPKE only what needs none; the rest
 * runs with the libraries of tools/newer.sh, as a test of its own.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "features/ech.h"
#include "protocols/registry.h"
#include "tls_pair.h"

#define FRONT  "front.example"
#define SECRET "secret.example"

static struct enn_env env;
static struct cert *ca;
static struct cert *front;
static struct cert *hidden;
static struct cert *client_cert;

/* ---- keys ------------------------------------------------------------------------------------ */

struct ech_keys {
	char pem[2048];
	uint8_t list[400];
	size_t list_len;
};

static void make_keys(struct ech_keys *out, uint8_t config_id, const char *public_name)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t public_key[32];
	size_t len = sizeof(public_key);
	char *text;

	assert_int_equal(EVP_PKEY_get_raw_public_key(key, public_key, &len), 1);
	out->list_len = enn_ech_config_make(public_name, 32, config_id, public_key, out->list,
					    sizeof(out->list));
	assert_true(out->list_len > 0);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_true(PEM_write_bio(bio, "ECHCONFIG", "", out->list, (long)out->list_len) > 0);
	long n = BIO_get_mem_data(bio, &text);
	assert_true(n > 0 && (size_t)n < sizeof(out->pem));
	memcpy(out->pem, text, (size_t)n);
	out->pem[n] = '\0';
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static struct enn_security *make_server(const struct ech_keys *keys, const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_add_certificate(s, front);
	tls_add_certificate(s, hidden);
	tls_trust(s, ca);
	if (keys != NULL) {
		MUST(enn_security_add_ech_key_pem(s, keys->pem, strlen(keys->pem), NULL));
	}
	return s;
}

static struct enn_security *make_client(const struct ech_keys *keys, const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_trust(s, ca);
	if (keys != NULL) {
		MUST(enn_security_set_ech_configs(s, keys->list, keys->list_len, NULL));
	}
	return s;
}

struct made {
	struct enn_security *client;
	struct enn_security *server;
	struct tls_pair pair;
};

static void finish(struct made *m)
{
	tls_pair_free(&m->pair);
	enn_security_free(m->client);
	enn_security_free(m->server);
}

static const char *const keep[] = {"keepPeerChain=true", NULL};

/* ---- accepted ---------------------------------------------------------------------------------- */

static void accepted_with(const char *const *client, const char *const *server, bool retry)
{
	struct made m = {.client = NULL};
	struct ech_keys keys;

	make_keys(&keys, 7, FRONT);
	m.client = make_client(&keys, client);
	m.server = make_server(&keys, server);
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_be_ready(&m.pair);
	assert_true(m.pair.client.info.ech_accepted);
	assert_true(m.pair.server.info.ech_accepted);
	assert_string_equal(m.pair.server.info.server_name, SECRET);
	assert_int_equal(m.pair.client.info.hello_retry, retry);
	assert_true(m.pair.client.info.peer_authenticated);
	finish(&m);
}

static void test_accepted(void **state)
{
	(void)state;
	accepted_with(keep, keep, false);
}

static void test_accepted_after_retry(void **state)
{
	static const char *const p384[] = {"keepPeerChain=true", "supportedGroup=P-384", NULL};
	static const char *const chacha[] = {"ciphersuite=TLS_AES_256_GCM_SHA384",
					     "supportedGroup=P-384", NULL};

	(void)state;
	accepted_with(keep, p384, true);
	accepted_with(keep, chacha, true);
}

static void test_accepted_with_sha384(void **state)
{
	static const char *const sha384[] = {"ciphersuite=TLS_AES_256_GCM_SHA384", NULL};

	(void)state;
	accepted_with(keep, sha384, false);
}

/* What goes over the wire in the clear does not have the name; the PSK's identity neither. */
static void test_hides_the_name(void **state)
{
	struct made m = {.client = NULL};
	struct enn_engine_options options = {.server_name = SECRET};
	uint8_t buf[8192];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
	struct ech_keys keys;
	struct enn_engine *e;

	(void)state;
	make_keys(&keys, 7, FRONT);
	m.client = make_client(&keys, keep);
	MUST(enn_security_add_alpn(m.client, (const uint8_t *)"secret/1", 8));
	MUST(enn_engine_new_client(enn_protocol_by_id(ENN_PROTOCOL_TLS), &env, m.client, &options,
				   &e, NULL));
	MUST(enn_engine_start(e, ENN_SECOND));
	MUST(enn_engine_transmit(e, ENN_SECOND, &batch));
	assert_true(batch.len > 0);
	assert_null(memmem(buf, batch.len, "secret", 6));
	assert_non_null(memmem(buf, batch.len, FRONT, strlen(FRONT)));
	enn_engine_free(e);
	enn_security_free(m.client);
}

static void test_resumes(void **state)
{
	static const char *const early[] = {"earlyData=true", "keepPeerChain=true", NULL};
	struct made m = {.client = NULL};
	struct tls_pair again = {.now = 0};
	struct ech_keys keys;

	(void)state;
	make_keys(&keys, 7, FRONT);
	m.client = make_client(&keys, early);
	m.server = make_server(&keys, early);
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_be_ready(&m.pair);
	assert_true(m.pair.client.session_len > 0);
	tls_pair_run(&again, &env, m.client, m.server, SECRET, &m.pair.client);
	tls_pair_must_be_ready(&again);
	assert_true(again.client.info.resumed && again.client.info.ech_accepted);
	assert_int_equal(again.client.info.early_data, ENN_EARLY_DATA_ACCEPTED);
	tls_pair_free(&again);
	finish(&m);
}

static void test_client_certificate(void **state)
{
	static const char *const require[] = {"requireClient=true", "keepPeerChain=true", NULL};
	struct made m = {.client = NULL};
	struct ech_keys keys;

	(void)state;
	make_keys(&keys, 7, FRONT);
	m.client = make_client(&keys, keep);
	tls_add_certificate(m.client, client_cert);
	m.server = make_server(&keys, require);
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_be_ready(&m.pair);
	assert_true(m.pair.server.info.peer_authenticated);
	finish(&m);
}

/* An older key stays good; the newest is handed out. */
static void test_several_keys(void **state)
{
	struct made m = {.client = NULL};
	struct ech_keys old, new;

	(void)state;
	make_keys(&old, 7, FRONT);
	make_keys(&new, 7, FRONT); /* the same id: both are tried */
	m.client = make_client(&old, keep);
	m.server = make_server(&new, keep);
	MUST(enn_security_add_ech_key_pem(m.server, old.pem, strlen(old.pem), NULL));
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_be_ready(&m.pair);
	assert_true(m.pair.client.info.ech_accepted);
	finish(&m);
}

/* ---- refused ------------------------------------------------------------------------------------- */

static void refused_with(const struct ech_keys *server_keys, const char *const *server,
			 bool retry_configs)
{
	struct made m = {.client = NULL};
	struct ech_keys keys;
	struct enn_info info;

	make_keys(&keys, 9, FRONT);
	m.client = make_client(&keys, keep);
	tls_add_certificate(m.client, client_cert); /* which that server must not get */
	m.server = make_server(server_keys, server);
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_fail(&m.pair, false, ENN_REASON_ECH_REFUSED, 121);
	enn_engine_info(m.pair.client.e, &info);
	assert_false(info.ech_accepted);
	assert_int_equal(info.ech_retry != NULL, retry_configs);
	enn_engine_info(m.pair.server.e, &info);
	assert_string_equal(info.server_name, FRONT);
	if (retry_configs) {
		struct enn_security *second = make_client(NULL, keep);
		struct tls_pair again = {.now = 0};
		enn_engine_info(m.pair.client.e, &info);
		MUST(enn_security_set_ech_configs(second, info.ech_retry, info.ech_retry_len,
						  NULL));
		tls_pair_run(&again, &env, second, m.server, SECRET, NULL);
		tls_pair_must_be_ready(&again);
		assert_true(again.client.info.ech_accepted);
		tls_pair_free(&again);
		enn_security_free(second);
	}
	finish(&m);
}

static void test_refused(void **state)
{
	static const char *const p384[] = {"supportedGroup=P-384", NULL};
	static const char *const require[] = {"requestClient=true", NULL};
	struct ech_keys other;

	(void)state;
	make_keys(&other, 9, FRONT);
	refused_with(&other, keep, true);
	refused_with(&other, p384, true);
	refused_with(&other, require, true);
	refused_with(NULL, keep, false);
	refused_with(NULL, p384, false);
}

/* Who cannot prove the public name does not get to say what to do next. */
static void test_refused_by_a_stranger(void **state)
{
	struct made m = {.client = NULL};
	struct ech_keys keys, other;
	struct enn_info info;

	(void)state;
	make_keys(&keys, 9, "elsewhere.example");
	make_keys(&other, 9, FRONT);
	m.client = make_client(&keys, keep);
	m.server = make_server(&other, keep);
	tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
	tls_pair_must_fail(&m.pair, false, ENN_REASON_CERT_NAME_MISMATCH, 42);
	enn_engine_info(m.pair.client.e, &info);
	assert_false(info.peer_authenticated);
	assert_null(info.ech_retry);
	finish(&m);
}

/* ---- GREASE, which needs no HPKE -------------------------------------------------------------------- */

static void test_grease(void **state)
{
	static const char *const grease[] = {"echGrease=true", "keepPeerChain=true", NULL};
	static const char *const p384[] = {"supportedGroup=P-384", NULL};
	struct ech_keys keys;

	(void)state;
	make_keys(&keys, 7, FRONT);
	for (int i = 0; i < 3; i++) {
		struct made m = {.client = make_client(NULL, grease),
				 .server =
					 make_server(i == 1 && enn_hpke_available() ? &keys : NULL,
						     i == 2 ? p384 : keep)};
		tls_pair_run(&m.pair, &env, m.client, m.server, SECRET, NULL);
		tls_pair_must_be_ready(&m.pair);
		assert_false(m.pair.client.info.ech_accepted);
		assert_false(m.pair.server.info.ech_accepted);
		assert_null(m.pair.client.info.ech_retry);
		assert_int_equal(m.pair.client.info.ech_configured, i == 1 && enn_hpke_available());
		finish(&m);
	}
}

static void test_without_hpke(void **state)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error = {0};
	struct ech_keys keys;

	(void)state;
	make_keys(&keys, 7, FRONT);
	assert_int_equal(enn_security_set_ech_configs(s, keys.list, keys.list_len, &error),
			 ENN_E_UNSUPPORTED);
	assert_non_null(strstr(error.text, "3.2"));
	assert_int_equal(enn_security_add_ech_key_pem(s, keys.pem, strlen(keys.pem), &error),
			 ENN_E_UNSUPPORTED);
	enn_security_free(s);
}

/* ---- configurations ------------------------------------------------------------------------------------ */

static void test_config_names(void **state)
{
	static const char *const good[] = {"a.example", "x", "a-b.c9", "1.2.3.x"};
	static const char *const bad[] = {"",	     ".a",     "a.",   "a..b",	"-a",  "a-",
					  "1.2.3.4", "a.0x1f", "a.0x", "a_b.c", "a b", "10"};
	uint8_t key[32] = {9};
	uint8_t out[400];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(enn_ech_config_make(good[i], 0, 1, key, out, sizeof(out)) > 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(enn_ech_config_make(bad[i], 0, 1, key, out, sizeof(out)), 0);
	}
	assert_int_equal(enn_ech_config_make("a.example", 0, 1, key, out, 20), 0);
}

/* Every truncation is refused, and an unknown mandatory extension makes it of no use. */
static void test_config_parsing(void **state)
{
	struct ech_keys keys;
	struct enn_ech_config config;
	struct enn_hpke_suite suite;
	bool well_formed;

	(void)state;
	make_keys(&keys, 7, FRONT);
	for (size_t n = 0; n < keys.list_len; n++) {
		struct enn_bytes list = {keys.list, n};
		assert_false(enn_ech_choose(list, &config, &suite, &well_formed));
		assert_false(well_formed);
	}
	struct enn_bytes whole = {keys.list, keys.list_len};
	assert_int_equal(enn_ech_choose(whole, &config, &suite, &well_formed),
			 enn_hpke_available());
	assert_true(well_formed);
	/* list, version and length are 6 bytes; the extensions' length is the last two */
	uint8_t more[420];
	memcpy(more, keys.list, keys.list_len);
	static const uint8_t extension[] = {0, 4, 0x80, 0x01, 0, 0};
	memcpy(more + keys.list_len - 2, extension, sizeof(extension));
	size_t len = keys.list_len - 2 + sizeof(extension);
	more[1] = (uint8_t)(len - 2);
	more[5] = (uint8_t)(len - 6);
	struct enn_bytes mandatory = {more, len};
	assert_false(enn_ech_choose(mandatory, &config, &suite, &well_formed));
	assert_true(well_formed);
	more[keys.list_len] = 0x00; /* no longer mandatory */
	assert_int_equal(enn_ech_choose(mandatory, &config, &suite, &well_formed),
			 enn_hpke_available());
}

static int setup(void **state)
{
	struct cert_options options = {.subject = "ECH authority", .ca = true};

	(void)state;
	MUST(enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto));
	env.wall_offset = (CERT_NOW - 1) * (int64_t)ENN_SECOND;
	ca = cert_make(&options);
	options = (struct cert_options){.issuer = ca, .names = "DNS:" FRONT};
	front = cert_make(&options);
	options = (struct cert_options){.issuer = ca, .names = "DNS:" SECRET};
	hidden = cert_make(&options);
	options = (struct cert_options){.issuer = ca, .subject = "client"};
	client_cert = cert_make(&options);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cert_free(front);
	cert_free(hidden);
	cert_free(client_cert);
	cert_free(ca);
	enn_crypto_free(env.crypto);
	return 0;
}

int main(void)
{
	const struct CMUnitTest with_hpke[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_accepted_after_retry),
		cmocka_unit_test(test_accepted_with_sha384),
		cmocka_unit_test(test_hides_the_name),
		cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_several_keys),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_by_a_stranger),
		cmocka_unit_test(test_grease),
		cmocka_unit_test(test_config_names),
		cmocka_unit_test(test_config_parsing),
	};
	const struct CMUnitTest without[] = {
		cmocka_unit_test(test_without_hpke),
		cmocka_unit_test(test_grease),
		cmocka_unit_test(test_config_names),
		cmocka_unit_test(test_config_parsing),
	};

	if (enn_hpke_available()) {
		return cmocka_run_group_tests_name("tls_ech", with_hpke, setup, teardown);
	}
	return cmocka_run_group_tests_name("tls_ech_without_hpke", without, setup, teardown);
}
