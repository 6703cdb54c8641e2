/* SPDX-License-Identifier: Apache-2.0
 *
 * What Noise protocols compute with: BLAKE2s (RFC 7693) with HMAC and the Noise key derivation,
 * X25519 with raw keys (RFC 7748), XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
 * Keyed and derived BLAKE2s values are those of Python's hashlib and hmac.
 */
#include "support.h"

#include "crypto/blake2s.h"
#include "crypto/x25519.h"
#include "crypto/xchacha.h"

static struct test_env t;

static int open_env(void **state)
{
	(void)state;
	test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
	return 0;
}

static int close_env(void **state)
{
	(void)state;
	test_env_close(&t);
	return 0;
}

/* ---- BLAKE2s ---------------------------------------------------------------------------------- */

static void fill(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		out[i] = (uint8_t)i;
	}
}

static void hashes(void **state)
{
	uint8_t text[100];
	uint8_t out[ENN_BLAKE2S];
	const struct enn_bytes abc = {(const uint8_t *)"abc", 3};
	(void)state;

	assert_int_equal(enn_blake2s(&t.env, &abc, 1, out), ENN_OK);
	assert_hex(out, sizeof(out), /* RFC 7693 appendix B */
		   "508C5E8C327C14E2E1A72BA34EEB452F37458B209ED63A294D999B4C86675982");
	fill(text, sizeof(text));
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		const struct enn_bytes pieces[2] = {{text, cut}, {text + cut, sizeof(text) - cut}};
		assert_int_equal(enn_blake2s(&t.env, pieces, 2, out), ENN_OK);
		assert_hex(out, sizeof(out),
			   "81dcc3a505eace3f879d8f702776770f9df50e521d1428a85daf04f9ad2150e0");
	}
	/* The output may be one of the inputs. */
	uint8_t chain[ENN_BLAKE2S] = {0};
	uint8_t want[ENN_BLAKE2S];
	const struct enn_bytes both[2] = {{chain, sizeof(chain)}, abc};
	assert_int_equal(enn_blake2s(&t.env, both, 2, want), ENN_OK);
	assert_int_equal(enn_blake2s(&t.env, both, 2, chain), ENN_OK);
	assert_memory_equal(chain, want, sizeof(want));
}

static void macs(void **state)
{
	uint8_t text[100];
	uint8_t key[32];
	uint8_t out[ENN_BLAKE2S];
	(void)state;

	fill(text, sizeof(text));
	fill(key, sizeof(key));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(enn_blake2s_mac(&t.env, key, 32, text, sizeof(text), out), ENN_OK);
		assert_hex(out, ENN_BLAKE2S_MAC, "0b67d33f8b859c3157fbabd9e6e47ed0");
		assert_int_equal(enn_blake2s_mac(&t.env, key, 16, text, sizeof(text), out), ENN_OK);
		assert_hex(out, ENN_BLAKE2S_MAC, "56301549e674c3b72a0e1dafb7a2c620");
	}
	assert_int_equal(enn_blake2s_hmac(&t.env, key, text, sizeof(text), out), ENN_OK);
	assert_hex(out, sizeof(out),
		   "a81c95080ba2a7c4ed1b7b4c21dec2c4fd6dc9f03ff37b6d65289dc95a7d1ef1");
}

static void derivations(void **state)
{
	static const char first[] =
		"90d0e91cdaea20e41b7e43ef99a35292921d3d49c1d86f48ddf62dbc1cc1bb01";
	static const char second[] =
		"8814819cb396ee544e3a8314285739d6527a8d87cf930252e61501140ddbba51";
	static const char third[] =
		"2d4748e29b90d92057489d6aaa0ee0d2a135113b4baaefb8d82fb54bffe16496";
	uint8_t text[100];
	uint8_t key[32];
	uint8_t a[32], b[32], c[32];
	(void)state;

	fill(text, sizeof(text));
	fill(key, sizeof(key));
	assert_int_equal(enn_blake2s_kdf(&t.env, key, text, sizeof(text), a, b, c), ENN_OK);
	assert_hex(a, 32, first);
	assert_hex(b, 32, second);
	assert_hex(c, 32, third);
	/* Without the second, which the third is made from. */
	memset(c, 0, sizeof(c));
	assert_int_equal(enn_blake2s_kdf(&t.env, key, text, sizeof(text), a, NULL, c), ENN_OK);
	assert_hex(c, 32, third);
	assert_int_equal(enn_blake2s_kdf(&t.env, key, NULL, 0, a, b, NULL), ENN_OK);
	assert_hex(a, 32, "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624");
	assert_hex(b, 32, "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd");
	/* The first output may be the key. */
	assert_int_equal(enn_blake2s_kdf(&t.env, key, text, sizeof(text), key, NULL, NULL), ENN_OK);
	assert_hex(key, 32, first);
}

/* ---- X25519 ----------------------------------------------------------------------------------- */

static void multiplications(void **state)
{
	uint8_t scalar[32], u[32], out[32];
	(void)state;

	(void)unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", scalar, 32);
	(void)unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u, 32);
	assert_int_equal(enn_x25519(&t.env, scalar, u, out), ENN_OK); /* RFC 7748 §5.2 */
	assert_hex(out, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	/* §6.1, Bob */
	(void)unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", scalar, 32);
	assert_int_equal(enn_x25519_public(&t.env, scalar, out), ENN_OK);
	assert_hex(out, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

static void a_key_that_stays(void **state)
{
	struct enn_x25519_key *key = NULL;
	uint8_t scalar[32], peer[32], public_key[32], out[32], want[32];
	(void)state;

	(void)unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", scalar, 32);
	(void)unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", peer, 32);
	assert_int_equal(enn_x25519_key_new(&t.env, scalar, &key), ENN_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(enn_x25519_key_derive(&t.env, key, peer, out), ENN_OK);
		assert_hex(out, 32, /* RFC 7748 §6.1, the shared secret K */
			   "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
		assert_int_equal(enn_x25519_key_public(&t.env, key, public_key), ENN_OK);
		assert_int_equal(enn_x25519_public(&t.env, scalar, want), ENN_OK);
		assert_memory_equal(public_key, want, 32);
	}
	/* Points of small order give the all-zero secret, which is refused and not handed out. */
	static const uint8_t zero[32];
	memset(peer, 0, sizeof(peer));
	memset(out, 0x55, sizeof(out));
	assert_int_equal(enn_x25519_key_derive(&t.env, key, peer, out), ENN_E_CRYPTO);
	assert_memory_equal(out, zero, 32);
	peer[0] = 1;
	assert_int_equal(enn_x25519(&t.env, scalar, peer, out), ENN_E_CRYPTO);
	enn_x25519_key_free(&t.env, key);
	enn_x25519_key_free(&t.env, NULL);
}

/* ---- XChaCha20-Poly1305 ------------------------------------------------------------------------ */

static void long_nonces(void **state)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				   "only one tip for the future, sunscreen would be it.";
	const size_t len = sizeof(text) - 1;
	uint8_t key[32], nonce[24], aad_bytes[12], out[160], back[160];
	(void)state;

	fill(key, sizeof(key));
	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = (uint8_t)(key[i] | 0x80);
	}
	(void)unhex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, sizeof(nonce));
	(void)unhex("50515253c0c1c2c3c4c5c6c7", aad_bytes, sizeof(aad_bytes));
	const struct enn_bytes aad = {aad_bytes, sizeof(aad_bytes)};
	enn_xchacha_seal(key, nonce, aad, (const uint8_t *)text, len, out);
	assert_hex(out, len + 16, /* appendix A.3.1 */
		   "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
		   "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
		   "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
		   "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
	assert_int_equal(enn_xchacha_open(key, nonce, aad, out, len + 16, back), ENN_OK);
	assert_memory_equal(back, text, len);
	for (size_t i = 0; i < len + 16; i++) {
		out[i] ^= 1;
		memset(back, 7, sizeof(back));
		assert_int_equal(enn_xchacha_open(key, nonce, aad, out, len + 16, back),
				 ENN_E_CRYPTO);
		assert_int_equal(back[0] | back[len - 1], 0);
		out[i] ^= 1;
	}
	assert_int_equal(enn_xchacha_open(key, nonce, aad, out, 15, back), ENN_E_CRYPTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hashes, open_env, close_env),
		cmocka_unit_test_setup_teardown(macs, open_env, close_env),
		cmocka_unit_test_setup_teardown(derivations, open_env, close_env),
		cmocka_unit_test_setup_teardown(multiplications, open_env, close_env),
		cmocka_unit_test_setup_teardown(a_key_that_stays, open_env, close_env),
		cmocka_unit_test_setup_teardown(long_nonces, open_env, close_env),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
