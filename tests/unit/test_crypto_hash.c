/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes, HMAC, HKDF and the labels of TLS 1.3 against the vectors of their RFCs.
 */
#include "crypto/hash.h"
#include "support.h"

static const struct enn_hash_alg *sha(enum enn_hash_id id)
{
	return enn_hash_alg(id);
}

static void test_sha2(void **state)
{
	/* FIPS 180-4's example "abc", and the empty string. */
	static const struct {
		enum enn_hash_id id;
		const char *abc;
		const char *empty;
	} vectors[] = {
		{ENN_HASH_SHA256,
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{ENN_HASH_SHA384,
		 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		 "8086072ba1e7cc2358baeca134c825a7",
		 "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
		 "274edebfe76f65fbd51ad2f14898b95b"},
		{ENN_HASH_SHA512,
		 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		 "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
		 "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
	};
	uint8_t out[ENN_MAX_HASH];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct enn_hash_alg *alg = sha(vectors[i].id);
		enn_hash_once(alg, "abc", 3, out);
		assert_hex(out, alg->len, vectors[i].abc);
		enn_hash_once(alg, NULL, 0, out);
		assert_hex(out, alg->len, vectors[i].empty);
	}
}

/* However a message is cut, and wherever it is forked, the digest is the same. */
static void test_pieces_and_forks(void **state)
{
	uint8_t message[700];
	uint64_t seed = test_seed();

	(void)state;
	test_fill(&seed, message, sizeof(message));
	for (int i = 0; i < ENN_HASH_COUNT; i++) {
		const struct enn_hash_alg *alg = sha((enum enn_hash_id)i);
		uint8_t whole[ENN_MAX_HASH];
		uint8_t out[ENN_MAX_HASH];
		struct enn_hash h;
		enn_hash_once(alg, message, sizeof(message), whole);
		enn_hash_init(&h, alg);
		for (size_t at = 0; at < sizeof(message);) {
			size_t n = test_random(&seed) % 150;
			n = n > sizeof(message) - at ? sizeof(message) - at : n;
			enn_hash_update(&h, message + at, n);
			at += n;
			enn_hash_peek(&h, out);
			uint8_t direct[ENN_MAX_HASH];
			enn_hash_once(alg, message, at, direct);
			assert_memory_equal(out, direct, alg->len);
		}
		struct enn_hash fork = h;
		enn_hash_update(&fork, "x", 1);
		enn_hash_final(&fork, out);
		assert_memory_not_equal(out, whole, alg->len);
		enn_hash_final(&h, out);
		assert_memory_equal(out, whole, alg->len);
	}
}

/* RFC 6234 §8.5, the cases of RFC 4231; the fifth is cut to 128 bits. */
static const struct {
	const char *key;
	const char *data;
	const char *mac[ENN_HASH_COUNT];
} hmac_vectors[] = {
	{
		"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		"4869205468657265",
		{"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		 "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
		 "faea9ea9076ede7f4af152e8b2fa9cb6",
		 "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
		 "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	},
	{
		"4a656665",
		"7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		{"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		 "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
		 "8e2240ca5e69e2c78b3239ecfab21649",
		 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		 "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	},
	{
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddddddddddddddddddd",
		{"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		 "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
		 "2a5ab39dc13814b94e3ab6e101a34f27",
		 "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
		 "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
	},
	{
		"0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		{"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
		 "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
		 "6801dd23c4a7d679ccf8a386c674cffb",
		 "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
		 "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
	},
	{
		"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
		"546573742057697468205472756e636174696f6e",
		{"a3b6167473100ee06e0c796c2955552b", "3abf34c3503b2a23a46efc619baef897",
		 "415fad6271580a531d4179bc891d87a6"},
	},
	{
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
		"65204b6579202d2048617368204b6579204669727374",
		{"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		 "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
		 "0c2ef6ab4030fe8296248df163f44952",
		 "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		 "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	},
	{
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa",
		"5468697320697320612074657374207573696e672061206c6172676572207468"
		"616e20626c6f636b2d73697a65206b657920616e642061206c61726765722074"
		"68616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565"
		"647320746f20626520686173686564206265666f7265206265696e6720757365"
		"642062792074686520484d414320616c676f726974686d2e",
		{"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
		 "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5"
		 "a678cc31e799176d3860e6110c46523e",
		 "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
		 "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"},
	},
};

static void test_hmac(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hmac_vectors) / sizeof(hmac_vectors[0]); i++) {
		uint8_t key[200];
		uint8_t data[200];
		uint8_t mac[ENN_MAX_HASH];
		size_t key_len = unhex(hmac_vectors[i].key, key, sizeof(key));
		size_t data_len = unhex(hmac_vectors[i].data, data, sizeof(data));
		for (int id = 0; id < ENN_HASH_COUNT; id++) {
			const struct enn_hash_alg *alg = sha((enum enn_hash_id)id);
			const char *want = hmac_vectors[i].mac[id];
			enn_hmac_once(alg, key, key_len, data, data_len, mac);
			assert_hex(mac, strlen(want) / 2, want);
		}
	}
}

static void test_hmac_keyed_state(void **state)
{
	uint8_t a[32];
	uint8_t b[32];
	struct enn_hmac keyed;

	(void)state;
	enn_hmac_init(&keyed, sha(ENN_HASH_SHA256), (const uint8_t *)"key", 3);
	for (int i = 0; i < 3; i++) {
		struct enn_hmac m = keyed;
		enn_hmac_update(&m, "mes", 3);
		enn_hmac_update(&m, NULL, 0);
		enn_hmac_update(&m, "sage", 4);
		enn_hmac_final(&m, a);
		enn_hmac_once(sha(ENN_HASH_SHA256), (const uint8_t *)"key", 3, "message", 7, b);
		assert_memory_equal(a, b, 32);
	}
	enn_hmac_once(sha(ENN_HASH_SHA256), NULL, 0, NULL, 0, a);
	assert_hex(a, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869 appendix A, the cases with SHA-256. */
static void test_hkdf(void **state)
{
	static const struct {
		const char *ikm;
		const char *salt;
		const char *info;
		const char *prk;
		const char *okm;
	} v[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
		 "f0f1f2f3f4f5f6f7f8f9",
		 "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
		 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
		 "34007208d5b887185865"},
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
		 "404142434445464748494a4b4c4d4e4f",
		 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
		 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
		 "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
		 "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
		 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		 "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
		 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
		 "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
		 "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		 "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
		 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
		 "9d201395faa4b61a96c8"},
	};
	const struct enn_hash_alg *alg = sha(ENN_HASH_SHA256);

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint8_t ikm[100];
		uint8_t salt[100];
		uint8_t info[100];
		uint8_t prk[32];
		uint8_t okm[100];
		size_t ikm_len = unhex(v[i].ikm, ikm, sizeof(ikm));
		size_t salt_len = unhex(v[i].salt, salt, sizeof(salt));
		size_t info_len = unhex(v[i].info, info, sizeof(info));
		size_t okm_len = strlen(v[i].okm) / 2;
		enn_hkdf_extract(alg, salt_len == 0 ? NULL : salt, salt_len, ikm, ikm_len, prk);
		assert_hex(prk, 32, v[i].prk);
		enn_hkdf_expand(alg, prk, 32, info, info_len, okm, okm_len);
		assert_hex(okm, okm_len, v[i].okm);
	}
}

/* Any length is the front of a longer one, up to the largest that RFC 5869 §2.3 allows. */
static void test_hkdf_lengths(void **state)
{
	static uint8_t all[255 * 64];
	static uint8_t out[255 * 64];
	static const uint8_t prk[64] = {1, 2, 3};

	(void)state;
	for (int id = 0; id < ENN_HASH_COUNT; id++) {
		const struct enn_hash_alg *alg = sha((enum enn_hash_id)id);
		size_t max = 255u * alg->len;
		enn_hkdf_expand(alg, prk, alg->len, (const uint8_t *)"info", 4, all, max);
		const size_t lens[] = {0, 1, alg->len - 1u, alg->len, alg->len + 1u, 200, max};
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			memset(out, 0x77, sizeof(out));
			enn_hkdf_expand(alg, prk, alg->len, (const uint8_t *)"info", 4, out,
					lens[i]);
			assert_memory_equal(out, all, lens[i]);
			if (lens[i] < sizeof(out)) {
				assert_int_equal(out[lens[i]], 0x77);
			}
		}
	}
}

/* RFC 8448 §3: early secret, its "derived", and the handshake secret from them. */
static void test_expand_label(void **state)
{
	const struct enn_hash_alg *alg = sha(ENN_HASH_SHA256);
	static const uint8_t zeros[32];
	uint8_t early[32];
	uint8_t empty[32];
	uint8_t out[32];
	uint8_t shared[32];

	(void)state;
	enn_hkdf_extract(alg, NULL, 0, zeros, sizeof(zeros), early);
	assert_hex(early, 32, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
	enn_hash_once(alg, NULL, 0, empty);
	enn_hkdf_expand_label(alg, early, "tls13 ", "derived", empty, 32, out, 32);
	assert_hex(out, 32, "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba");
	(void)unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d", shared, 32);
	enn_hkdf_extract(alg, out, 32, shared, 32, out);
	assert_hex(out, 32, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
	/* The longest label and context there can be. */
	char label[250];
	uint8_t context[255] = {0};
	memset(label, 'l', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	enn_hkdf_expand_label(alg, early, "tls13 ", label, context, 255, out, 32);
	enn_hkdf_expand_label(alg, early, "tls13 ", label, context, 254, shared, 32);
	assert_memory_not_equal(out, shared, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha2),	     cmocka_unit_test(test_pieces_and_forks),
		cmocka_unit_test(test_hmac),	     cmocka_unit_test(test_hmac_keyed_state),
		cmocka_unit_test(test_hkdf),	     cmocka_unit_test(test_hkdf_lengths),
		cmocka_unit_test(test_expand_label),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
