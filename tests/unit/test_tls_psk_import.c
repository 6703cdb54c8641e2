/* SPDX-License-Identifier: Apache-2.0
 *
 * The importer of external PSKs (RFC 9258): its keys against a derivation of our own by libcrypto's HKDF, and on
 * live pairs.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "features/security.h"
#include "handshake/wire.h"
#include "tls_pair.h"

static struct test_env world;
static const uint8_t key[32] = "thirty-two bytes that both know.";

static int open_world(void **state)
{
	(void)state;
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	return 0;
}

/* ---- derivation -------------------------------------------------------------------------------------- */

static void hkdf(int mode, const char *hash, const void *secret, size_t secret_len,
		 const void *info, size_t info_len, uint8_t *out, size_t out_len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_len),
		OSSL_PARAM_construct_end(),
		OSSL_PARAM_construct_end(),
	};

	if (info != NULL) {
		params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info,
							      info_len);
	}
	assert_int_equal(EVP_KDF_derive(ctx, out, out_len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* §5.1, written down once more: sizes by hand, hash and HKDF by libcrypto. */
static void expect(const char *hash, size_t hash_len, const char *label, const uint8_t *identity,
		   size_t identity_len, size_t secret_len, uint8_t *out)
{
	uint8_t extracted[64];
	uint8_t digest[64];
	uint8_t info[2 + 1 + 17 + 1 + 64];
	unsigned n = 0;
	size_t len = 0;

	hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, hash, key, sizeof(key), NULL, 0, extracted, hash_len);
	assert_int_equal(EVP_Digest(identity, identity_len, digest, &n,
				    hash_len == 32 ? EVP_sha256() : EVP_sha384(), NULL),
			 1);
	info[len++] = 0;
	info[len++] = (uint8_t)secret_len;
	info[len++] = 17;
	memcpy(info + len, label, 17);
	len += 17;
	info[len++] = (uint8_t)hash_len;
	memcpy(info + len, digest, hash_len);
	len += hash_len;
	hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, hash, extracted, hash_len, info, len, out, secret_len);
}

static void test_derivation(void **state)
{
	static const uint8_t tls_256[] = {0,   5,   'a', 'l', 'i', 'c', 'e', 0, 4,
					  'r', 'o', 'l', 'e', 3,   4,	0,   1};
	static const uint8_t dtls_384[] = {0, 5, 'a', 'l', 'i', 'c', 'e', 0, 0, 0xfe, 0xfc, 0, 2};
	struct enn_psk_import i = {.identity = (const uint8_t *)"alice",
				   .identity_len = 5,
				   .context = (const uint8_t *)"role",
				   .context_len = 4,
				   .key = key,
				   .key_len = sizeof(key)};
	struct enn_credential *k = NULL;
	uint8_t secret[48];

	(void)state;
	MUST(enn_credential_psk_imported(&i, ENN_PSK_FOR_TLS13, ENN_PSK_SHA256, &k));
	assert_int_equal(k->identity_len, sizeof(tls_256));
	assert_memory_equal(k->identity, tls_256, sizeof(tls_256));
	expect("SHA256", 32, "tls13 derived psk", tls_256, sizeof(tls_256), 32, secret);
	assert_int_equal(k->secret_len, 32);
	assert_memory_equal(k->secret, secret, 32);
	enn_credential_free(k);

	i.context = NULL;
	i.context_len = 0;
	i.hash = ENN_PSK_SHA384; /* the key's hash and the target's are two things */
	MUST(enn_credential_psk_imported(&i, ENN_PSK_FOR_DTLS13, ENN_PSK_SHA384, &k));
	assert_int_equal(k->identity_len, sizeof(dtls_384));
	assert_memory_equal(k->identity, dtls_384, sizeof(dtls_384));
	expect("SHA384", 48, "dtls13derived psk", dtls_384, sizeof(dtls_384), 48, secret);
	assert_memory_equal(k->secret, secret, 48);
	enn_credential_free(k);
}

static void test_arguments(void **state)
{
	static uint8_t large[65536];
	struct enn_psk_import good = {
		.identity = large, .identity_len = 65527, .key = key, .key_len = sizeof(key)};
	struct enn_psk_import bad[7];
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;

	(void)state;
	MUST(enn_credential_psk_imported(&good, ENN_PSK_FOR_TLS13, ENN_PSK_SHA384, &k));
	enn_credential_free(k);
	for (size_t i = 0; i < 7; i++) {
		bad[i] = good;
	}
	bad[0].identity_len = 0;
	bad[1].identity_len = 65528;
	bad[2].context_len = 1; /* without bytes */
	bad[3].key_len = 15;
	bad[4].hash = (enum enn_psk_hash)3;
	bad[5].key = NULL;
	bad[6].context = large;
	bad[6].context_len = SIZE_MAX - 8;
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(
			enn_credential_psk_imported(&bad[i], ENN_PSK_FOR_TLS13, ENN_PSK_SHA256, &k),
			ENN_E_ARGUMENT);
		assert_null(k);
		assert_int_equal(enn_security_import_psk(s, &bad[i]), ENN_E_ARGUMENT);
	}
	assert_int_equal(enn_credential_psk_imported(&good, 0x0303, ENN_PSK_SHA256, &k),
			 ENN_E_ARGUMENT);
	for (int i = 0; i < 15; i++) {
		MUST(enn_security_import_psk(s, &good));
	}
	MUST(enn_credential_psk_imported(&good, ENN_PSK_FOR_TLS13, ENN_PSK_SHA256, &k));
	MUST(enn_security_add_credential(s, k));
	assert_int_equal(s->credential_count, ENN_SECURITY_MAX_CREDENTIALS - 1);
	assert_int_equal(enn_security_import_psk(s, &good), ENN_E_LIMIT); /* both or none */
	assert_int_equal(s->credential_count, ENN_SECURITY_MAX_CREDENTIALS - 1);
	enn_credential_free(k);
	enn_security_free(s);
}

/* ---- live pairs ----------------------------------------------------------------------------------------- */

static struct enn_security *importing(const char *context, const char *suites)
{
	char setting[80];
	struct enn_psk_import i = {.identity = (const uint8_t *)"alice",
				   .identity_len = 5,
				   .context = (const uint8_t *)context,
				   .context_len = strlen(context),
				   .key = key,
				   .key_len = sizeof(key)};

	(void)snprintf(setting, sizeof(setting), "ciphersuite=%s", suites);
	const char *const settings[] = {setting, "verifyPeer=false", NULL};
	struct enn_security *s = tls_security(settings);
	MUST(enn_security_import_psk(s, &i));
	return s;
}

static struct enn_security *plain(const uint8_t *identity, size_t identity_len,
				  const uint8_t *secret, size_t secret_len)
{
	static const char *const settings[] = {"verifyPeer=false", NULL};
	struct enn_security *s = tls_security(settings);
	struct enn_credential *k = NULL;

	MUST(enn_credential_psk(identity, identity_len, secret, secret_len, ENN_PSK_SHA256, &k));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
	return s;
}

static void check(struct enn_security *client, struct enn_security *server, bool fits,
		  unsigned alert)
{
	struct tls_pair p = {.ask = NULL};

	tls_pair_run(&p, &world.env, client, server, NULL, NULL);
	if (fits) {
		tls_pair_must_be_ready(&p);
		assert_true(p.client.info.external_psk && p.server.info.external_psk);
		assert_true(p.server.info.peer_authenticated);
		assert_memory_equal(p.server.info.psk_identity + 2, "alice", 5);
	} else {
		tls_pair_must_fail(&p, true,
				   alert == ENN_ALERT_DECRYPT_ERROR ? ENN_REASON_UNKNOWN_PSK
								    : p.server.error.reason,
				   alert);
	}
	tls_pair_free(&p);
	enn_security_free(client);
	enn_security_free(server);
}

static void test_pairs(void **state)
{
	static const char *const all = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
	static const char *const one[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"};

	(void)state;
	check(importing("x", all), importing("x", all), true, 0);
	for (size_t i = 0; i < 2; i++) {
		check(importing("x", one[i]), importing("x", all), true, 0);
		check(importing("x", all), importing("x", one[i]), true, 0);
	}
	check(importing("x", all), importing("", all), false, ENN_ALERT_HANDSHAKE_FAILURE);
}

/* §5.2: who does not import does not get in, even with the identity and the key that importing gives: the binder
 * has another label. */
static void test_not_imported(void **state)
{
	static const char suite[] = "TLS_AES_128_GCM_SHA256";

	(void)state;
	for (int both = 0; both < 2; both++) {
		struct enn_security *s = importing("x", suite);
		const struct enn_credential *k = s->credential[0];
		struct enn_security *raw =
			plain(k->identity, k->identity_len, k->secret, k->secret_len);
		if (both == 0) {
			check(raw, s, false, ENN_ALERT_DECRYPT_ERROR);
		} else {
			check(s, raw, false, ENN_ALERT_DECRYPT_ERROR);
		}
	}
}

/* A key for DTLS is not offered in TLS, and not taken. */
static void test_other_protocol(void **state)
{
	struct enn_psk_import i = {
		.identity = (const uint8_t *)"alice", .identity_len = 5, .key = key, .key_len = 32};
	struct tls_pair p = {.ask = NULL};
	struct enn_security *side[2];

	(void)state;
	for (int at = 0; at < 2; at++) {
		static const char *const settings[] = {"verifyPeer=false", NULL};
		struct enn_credential *k = NULL;
		side[at] = tls_security(settings);
		MUST(enn_credential_psk_imported(&i, ENN_PSK_FOR_DTLS13, ENN_PSK_SHA256, &k));
		MUST(enn_security_add_credential(side[at], k));
		enn_credential_free(k);
	}
	tls_pair_run(&p, &world.env, side[0], side[1], NULL, NULL);
	assert_true(p.server.failed && !p.client.ready);
	tls_pair_free(&p);
	enn_security_free(side[0]);
	enn_security_free(side[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derivation),     cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_pairs),	       cmocka_unit_test(test_not_imported),
		cmocka_unit_test(test_other_protocol),
	};
	return cmocka_run_group_tests_name("tls_psk_import", tests, open_world, close_world);
}
