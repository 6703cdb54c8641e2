/* SPDX-License-Identifier: Apache-2.0
 *
 * Key exchange: the vectors of RFC 7748 and RFC 5903, agreement of both roles, refusals.
 */
#include "crypto/kx.h"
#include "support.h"

static int open_env(void **state)
{
	static struct test_env t;
	test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
	*state = &t;
	return 0;
}

static int close_env(void **state)
{
	test_env_close(*state);
	return 0;
}

/* RFC 7748 §6.1, RFC 5903 §8.1 and §8.2 */
static const struct vector {
	enum enn_kx_id id;
	const char *a;
	const char *a_public;
	const char *b;
	const char *b_public;
	const char *secret;
} vectors[] = {
	{ENN_KX_X25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	 "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	{ENN_KX_P256, "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
	 "04 DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
	 "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
	 "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
	 "04 D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
	 "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
	 "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
	{ENN_KX_P384,
	 "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655"
	 "E35B538041E649EE3FAEF896783AB194",
	 "04 667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6"
	 "DE3AC808ACB4BDB4C88732AEE95F41AA"
	 "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38E"
	 "EB9FCFF3C2C947DAE69B4C634573A81C",
	 "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942"
	 "E0308312916B8ED2960E4BD55A7448FC",
	 "04 E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D"
	 "0D1AC43A0336DEF96FDA41D0774A3571"
	 "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FF"
	 "F83FA40142209DFF5EAAD96DB9E6386C",
	 "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4"
	 "D603135569B9E9D09CF5D4A270F59746"},
};

static void test_vectors(void **state)
{
	struct test_env *t = *state;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		const struct enn_kx_alg *alg = enn_kx_alg(v->id);
		uint8_t scalar[ENN_MAX_KX_SECRET];
		uint8_t public_key[ENN_MAX_KX_PUBLIC];
		uint8_t peer[ENN_MAX_KX_PUBLIC];
		uint8_t secret[ENN_MAX_KX_SECRET];
		struct enn_kx_key *key;

		size_t len = unhex(v->a, scalar, sizeof(scalar));
		test_env_seed(t, 1, scalar, len);
		assert_int_equal(enn_kx_generate(&t->env, alg, &key, public_key), ENN_OK);
		assert_ptr_equal(enn_kx_key_alg(key), alg);
		assert_hex(public_key, alg->public_len, v->a_public);
		size_t peer_len = unhex(v->b_public, peer, sizeof(peer));
		assert_int_equal(enn_kx_derive(key, peer, peer_len, secret), ENN_OK);
		assert_hex(secret, alg->secret_len, v->secret);
		enn_kx_free(key);

		len = unhex(v->b, scalar, sizeof(scalar));
		test_env_seed(t, 1, scalar, len);
		memset(secret, 0, sizeof(secret));
		assert_int_equal(
			enn_kx_respond(&t->env, alg, public_key, alg->public_len, peer, secret),
			ENN_OK);
		assert_hex(peer, alg->public_len, v->b_public);
		assert_hex(secret, alg->secret_len, v->secret);
	}
}

/* With libcrypto's generator: fresh keys each time, both sides agree. */
static void test_agreement(void **state)
{
	struct test_env *t = *state;

	for (int id = 0; id < ENN_KX_HYBRID; id++) {
		const struct enn_kx_alg *alg = enn_kx_alg((enum enn_kx_id)id);
		uint8_t last[ENN_MAX_KX_PUBLIC] = {0};
		for (int round = 0; round < 8; round++) {
			uint8_t a[ENN_MAX_KX_PUBLIC];
			uint8_t b[ENN_MAX_KX_PUBLIC];
			uint8_t ours[ENN_MAX_KX_SECRET];
			uint8_t theirs[ENN_MAX_KX_SECRET];
			struct enn_kx_key *key;
			assert_int_equal(enn_kx_generate(&t->env, alg, &key, a), ENN_OK);
			assert_int_equal(
				enn_kx_respond(&t->env, alg, a, alg->public_len, b, theirs),
				ENN_OK);
			assert_int_equal(enn_kx_derive(key, b, alg->public_len, ours), ENN_OK);
			assert_memory_equal(ours, theirs, alg->secret_len);
			assert_memory_not_equal(a, b, alg->public_len);
			assert_memory_not_equal(a, last, alg->public_len);
			memcpy(last, a, sizeof(last));
			enn_kx_free(key);
		}
	}
}

/* The same seed gives the same keys, and keys in use do not disturb each other. */
static void test_seeded(void **state)
{
	struct test_env *t = *state;

	for (int id = 0; id < ENN_KX_HYBRID; id++) {
		const struct enn_kx_alg *alg = enn_kx_alg((enum enn_kx_id)id);
		uint8_t public_key[2][3][ENN_MAX_KX_PUBLIC];
		struct enn_kx_key *keys[3];
		uint8_t s[2][ENN_MAX_KX_SECRET];
		for (int run = 0; run < 2; run++) {
			test_env_seed(t, 42, NULL, 0);
			for (int i = 0; i < 3; i++) {
				assert_int_equal(
					enn_kx_generate(&t->env, alg, &keys[i], public_key[run][i]),
					ENN_OK);
			}
			assert_int_equal(
				enn_kx_derive(keys[0], public_key[run][2], alg->public_len, s[0]),
				ENN_OK);
			assert_int_equal(
				enn_kx_derive(keys[2], public_key[run][0], alg->public_len, s[1]),
				ENN_OK);
			assert_memory_equal(s[0], s[1], alg->secret_len);
			for (int i = 0; i < 3; i++) {
				enn_kx_free(keys[i]);
			}
		}
		for (int i = 0; i < 3; i++) {
			assert_memory_equal(public_key[0][i], public_key[1][i], alg->public_len);
		}
	}
}

/* A draw of 0, or of the order or more, is thrown away and drawn again. */
static void test_scalar_range(void **state)
{
	struct test_env *t = *state;
	uint8_t script[4 * 32];
	uint8_t public_key[ENN_MAX_KX_PUBLIC];
	struct enn_kx_key *key;

	memset(script, 0, 32);
	memset(script + 32, 0xff, 32);
	(void)unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", script + 64,
		    32);
	memset(script + 96, 0, 32);
	script[127] = 1; /* the generator itself */
	test_env_seed(t, 1, script, sizeof(script));
	assert_int_equal(enn_kx_generate(&t->env, enn_kx_alg(ENN_KX_P256), &key, public_key),
			 ENN_OK);
	assert_hex(public_key, 65,
		   "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
		   "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
	enn_kx_free(key);
}

static int zero_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
	return 0;
}

static int broken_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	(void)out;
	(void)len;
	return -1;
}

static void test_bad_sources(void **state)
{
	struct test_env *t = *state;
	uint8_t public_key[ENN_MAX_KX_PUBLIC];
	uint8_t secret[ENN_MAX_KX_SECRET];
	struct enn_kx_key *key;

	for (int id = 0; id < ENN_KX_HYBRID; id++) {
		const struct enn_kx_alg *alg = enn_kx_alg((enum enn_kx_id)id);
		t->env.random = broken_random;
		assert_int_equal(enn_kx_generate(&t->env, alg, &key, public_key), ENN_E_CRYPTO);
		assert_null(key);
		assert_int_equal(enn_kx_respond(&t->env, alg, public_key, alg->public_len,
						public_key, secret),
				 ENN_E_SYSTEM);
	}
	t->env.random = zero_random;
	assert_int_equal(enn_kx_generate(&t->env, enn_kx_alg(ENN_KX_P256), &key, public_key),
			 ENN_E_CRYPTO);
	t->env.random = NULL;
	t->fail_at = t->calls + 1;
	assert_int_equal(enn_kx_generate(&t->env, enn_kx_alg(ENN_KX_X25519), &key, public_key),
			 ENN_E_MEMORY);
	assert_null(key);
	enn_kx_free(NULL);
}

static void test_bad_peers(void **state)
{
	struct test_env *t = *state;

	for (int id = 0; id < ENN_KX_HYBRID; id++) {
		const struct enn_kx_alg *alg = enn_kx_alg((enum enn_kx_id)id);
		uint8_t own[ENN_MAX_KX_PUBLIC];
		uint8_t peer[ENN_MAX_KX_PUBLIC + 1];
		uint8_t secret[ENN_MAX_KX_SECRET];
		struct enn_kx_key *key;
		assert_int_equal(enn_kx_generate(&t->env, alg, &key, own), ENN_OK);
		memcpy(peer, own, alg->public_len);
		assert_int_equal(enn_kx_derive(key, peer, alg->public_len, secret), ENN_OK);
		const size_t lens[] = {0, 1, alg->public_len - 1u, alg->public_len + 1u};
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			assert_int_equal(enn_kx_derive(key, peer, lens[i], secret), ENN_E_CRYPTO);
		}
		memset(peer, 0, sizeof(peer)); /* X25519: order 4, P-*: no point at all */
		assert_int_equal(enn_kx_derive(key, peer, alg->public_len, secret), ENN_E_CRYPTO);
		assert_int_equal(enn_kx_respond(&t->env, alg, peer, alg->public_len, own, secret),
				 ENN_E_CRYPTO);
		/* A refusal must not spoil the key or the context. */
		assert_int_equal(enn_kx_respond(&t->env, alg, own, alg->public_len, peer, secret),
				 ENN_OK);
		enn_kx_free(key);
	}
}

static void test_bad_points(void **state)
{
	struct test_env *t = *state;

	for (int id = ENN_KX_P256; id <= ENN_KX_P384; id++) {
		const struct enn_kx_alg *alg = enn_kx_alg((enum enn_kx_id)id);
		uint8_t peer[ENN_MAX_KX_PUBLIC];
		uint8_t own[ENN_MAX_KX_PUBLIC];
		uint8_t secret[ENN_MAX_KX_SECRET];
		struct enn_kx_key *key;
		assert_int_equal(enn_kx_generate(&t->env, alg, &key, own), ENN_OK);
		for (size_t i = 0; i < alg->public_len; i++) {
			memcpy(peer, own, alg->public_len);
			peer[i] ^= 1; /* off the curve, or another form */
			assert_int_equal(enn_kx_derive(key, peer, alg->public_len, secret),
					 ENN_E_CRYPTO);
		}
		/* Compressed and hybrid forms, the point at infinity, coordinates not below p. */
		memcpy(peer, own, alg->public_len);
		peer[0] = (uint8_t)(2 | (own[alg->public_len - 1] & 1));
		assert_int_equal(enn_kx_derive(key, peer, 1u + alg->secret_len, secret),
				 ENN_E_CRYPTO);
		peer[0] = (uint8_t)(6 | (own[alg->public_len - 1] & 1));
		assert_int_equal(enn_kx_derive(key, peer, alg->public_len, secret), ENN_E_CRYPTO);
		peer[0] = 0;
		assert_int_equal(enn_kx_derive(key, peer, 1, secret), ENN_E_CRYPTO);
		memset(peer, 0xff, sizeof(peer));
		peer[0] = 4;
		assert_int_equal(enn_kx_derive(key, peer, alg->public_len, secret), ENN_E_CRYPTO);
		enn_kx_free(key);
	}
}

/* RFC 7748 §6.1: every point of small order gives the all-zero secret. */
static void test_small_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct test_env *t = *state;
	uint8_t own[32];
	uint8_t peer[32];
	uint8_t secret[32];
	struct enn_kx_key *key;

	assert_int_equal(enn_kx_generate(&t->env, enn_kx_alg(ENN_KX_X25519), &key, own), ENN_OK);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		(void)unhex(points[i], peer, sizeof(peer));
		assert_int_equal(enn_kx_derive(key, peer, 32, secret), ENN_E_CRYPTO);
	}
	enn_kx_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vectors, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_agreement, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_seeded, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_scalar_range, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_bad_sources, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_bad_peers, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_bad_points, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_small_order, open_env, close_env),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
