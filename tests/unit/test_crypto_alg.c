/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of algorithms and its names.
 */
#include "crypto/alg.h"
#include "support.h"

static int32_t find(enum enn_alg_kind kind, const char *name)
{
	return enn_alg_find(kind, name, strlen(name));
}

static const char *nearest(enum enn_alg_kind kind, const char *name)
{
	return enn_alg_nearest(kind, name, strlen(name));
}

static void test_rows(void **state)
{
	(void)state;
	for (int i = 0; i < ENN_AEAD_COUNT; i++) {
		const struct enn_aead_alg *a = enn_aead_alg((enum enn_aead_id)i);
		assert_int_equal(a->id, i);
		assert_true(a->key_len <= ENN_MAX_AEAD_KEY && a->key_len >= 16);
		assert_int_equal(a->nonce_len, ENN_MAX_AEAD_NONCE);
		assert_int_equal(a->tag_len, ENN_MAX_AEAD_TAG);
		assert_true(a->seal_limit > 0 && a->open_failure_limit > 0);
	}
	for (int i = 0; i < ENN_HASH_COUNT; i++) {
		const struct enn_hash_alg *h = enn_hash_alg((enum enn_hash_id)i);
		assert_int_equal(h->id, i);
		assert_true(h->len <= ENN_MAX_HASH && h->block_len <= ENN_MAX_HASH_BLOCK);
	}
	for (int i = 0; i < ENN_KX_COUNT; i++) {
		const struct enn_kx_alg *k = enn_kx_alg((enum enn_kx_id)i);
		assert_int_equal(k->id, i);
		assert_true(k->public_len <= ENN_MAX_KX_PUBLIC);
		assert_true(k->secret_len <= ENN_MAX_KX_SECRET);
		assert_ptr_equal(enn_kx_alg_by_tls(k->tls_group), k);
	}
	assert_null(enn_aead_alg(ENN_CBC_END));
	assert_null(enn_hash_alg(ENN_HASH_COUNT));
	assert_null(enn_kx_alg(ENN_KX_COUNT));
	assert_null(enn_kx_alg_by_tls(0x0019));
	assert_null(enn_sig_alg_by_tls(0x0201)); /* rsa_pkcs1_sha1 */
	assert_null(enn_tls_suite_by_code(0x1304));
}

/* RFC 8446 §5.5: 2^24.5 */
static void test_limits(void **state)
{
	(void)state;
	uint64_t limit = enn_aead_alg(ENN_AEAD_AES_128_GCM)->seal_limit;
	assert_true(limit * limit <= UINT64_C(1) << 49);
	assert_true((limit + 1) * (limit + 1) > UINT64_C(1) << 49);
}

static void test_tables_walk(void **state)
{
	size_t n = 0;

	(void)state;
	for (; enn_sig_alg_at(n) != NULL; n++) {
		const struct enn_sig_alg *s = enn_sig_alg_at(n);
		assert_ptr_equal(enn_sig_alg_by_tls(s->tls_scheme), s);
		assert_int_equal(find(ENN_ALG_SIGNATURE, s->name), s->tls_scheme);
	}
	assert_int_equal(n, 12);
	for (n = 0; enn_tls_suite_at(n) != NULL; n++) {
		const struct enn_tls_suite *s = enn_tls_suite_at(n);
		assert_ptr_equal(enn_tls_suite_by_code(s->code), s);
		assert_int_equal(find(ENN_ALG_SUITE, s->name), s->code);
	}
	assert_int_equal(n, 24);
}

static void test_find(void **state)
{
	(void)state;
	assert_int_equal(find(ENN_ALG_GROUP, "X25519"), 0x001d);
	assert_int_equal(find(ENN_ALG_GROUP, "x_255-19"), 0x001d);
	assert_int_equal(find(ENN_ALG_GROUP, "p256"), 0x0017);
	assert_int_equal(find(ENN_ALG_GROUP, "P-384"), 0x0018);
	assert_int_equal(find(ENN_ALG_GROUP, "secp256r1"), 0x0017);
	assert_int_equal(find(ENN_ALG_GROUP, "PRIME256V1"), 0x0017);
	assert_int_equal(find(ENN_ALG_GROUP, "secp384r1"), 0x0018);
	assert_int_equal(find(ENN_ALG_SUITE, "tls-aes-128-gcm-sha256"), 0x1301);
	assert_int_equal(find(ENN_ALG_SUITE, "chacha20poly1305"), 0x1303);
	assert_int_equal(find(ENN_ALG_SUITE, "AES_256_GCM"), 0x1302);
	assert_int_equal(find(ENN_ALG_SIGNATURE, "Ed25519"), 0x0807);
	assert_int_equal(find(ENN_ALG_SIGNATURE, "rsa_pss_rsae_sha256"), 0x0804);
	assert_int_equal(find(ENN_ALG_PSK_MODE, "psk_ke"), 0);
	assert_int_equal(find(ENN_ALG_PSK_MODE, "PSK-DHE-KE"), 1);
}

static void test_find_nothing(void **state)
{
	char longest[200];

	(void)state;
	assert_int_equal(find(ENN_ALG_GROUP, ""), -1);
	assert_int_equal(find(ENN_ALG_GROUP, "--__"), -1);
	assert_int_equal(find(ENN_ALG_GROUP, "X2551"), -1);
	assert_int_equal(find(ENN_ALG_GROUP, "X25519 "), -1);
	assert_int_equal(find(ENN_ALG_SUITE, "X25519"), -1); /* another kind */
	assert_int_equal(enn_alg_find(ENN_ALG_GROUP, "X25519:P-256", 6), 0x001d);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(enn_alg_find(ENN_ALG_SUITE, longest, sizeof(longest)), -1);
}

static void test_nearest(void **state)
{
	char longest[200];

	(void)state;
	assert_string_equal(nearest(ENN_ALG_GROUP, "X25518"), "X25519");
	assert_string_equal(nearest(ENN_ALG_GROUP, "P255"), "P-256");
	assert_string_equal(nearest(ENN_ALG_GROUP, "sec384r1"), "secp384r1");
	assert_string_equal(nearest(ENN_ALG_SUITE, "TLS_AES_128_GMC_SHA256"),
			    "TLS_AES_128_GCM_SHA256");
	assert_string_equal(nearest(ENN_ALG_SUITE, "AES128GMC"), "AES_128_GCM");
	assert_string_equal(nearest(ENN_ALG_SIGNATURE, "ed2519"), "ed25519");
	assert_string_equal(nearest(ENN_ALG_PSK_MODE, "psk"), "psk_ke");
	assert_non_null(nearest(ENN_ALG_SUITE, ""));
	memset(longest, 'a', sizeof(longest));
	assert_non_null(enn_alg_nearest(ENN_ALG_SUITE, longest, sizeof(longest)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	     cmocka_unit_test(test_limits),
		cmocka_unit_test(test_tables_walk),  cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_nothing), cmocka_unit_test(test_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
