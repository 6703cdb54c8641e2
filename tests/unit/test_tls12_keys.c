/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: the PRF against published vectors, and the key block, Finished and exporter of whole handshakes against
 * libcrypto's TLS1-PRF.
 */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "handshake/tls12.h"
#include "hs_pair.h"
#include "tls12_world.h"

/* ---- vectors ------------------------------------------------------------------------------------ */

/* Posted to the IETF's TLS list in 2009 (archive of the list, msg03416), label "test label". */
static const struct {
	enum enn_hash_id hash;
	const char *secret, *seed, *output;
} published[] = {
	{ENN_HASH_SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
	 "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
	 "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
	 "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
	 "87347b66"},
	{ENN_HASH_SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
	 "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd"
	 "e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd"
	 "8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425"
	 "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6"
	 "91c8f3a26854308d5eaa3be85e0990703d73e56f"},
};

/* NIST's ACVP sample of TLS-v1.2-KDF-RFC7627, by its numbers: the extended main secret, and the key block. */
static const struct {
	enum enn_hash_id hash;
	int number;
	const char *premaster, *session_hash, *client_random, *server_random, *main_secret,
		*key_block;
} nist[] = {
	{ENN_HASH_SHA256, 1,
	 "8252b983a6459a6fb3b9debe8725247e276139ebf7c9adccdd7d240f3ada7f5e"
	 "3351b2769b6c8dc169a6d799c3c0ffeb",
	 "1359d7df74cb27c67f74c98d521d442b887eaf0decf6e382c62434d6c3dd7d0d",
	 "abe7af69affc5e0944f4009b3e7abd1cc0a5cce8db055eff4a509e5b6de9475a",
	 "50e0a1a1fd64a55259781a5c22580a81f99799c32f52d3f48d2c10c5c692e289",
	 "43a5e821fcf5446c712207f7cd161ed213ee3b9d001d418c57231befd596b583"
	 "ecd55ab2c4456b02738698f90bc59ac0",
	 "4886e75be82dd4fb73c540729072d3e29b93c164e1cffe071f1212b1237b98dc"
	 "0b0a5895f331f7180ceb30b17bb8c3e92a074b26325ff975237dbd22320c0b88"
	 "d64931f39c777b1527d36a999ad5fe5ee7f53fc42a509beb22634b17ec7b768e"
	 "af6a87977cf8670b34d0a76ebce6a659dab6c15b4b86b98b9a63c50bbe1e2a09"},
	{ENN_HASH_SHA256, 2,
	 "cbf55e41501394407612d1ec385104fa1a8e59eb00832eccbd0b92c2404af47e"
	 "7171eaec467f04e06f8dcae0add1bbee",
	 "6d7cbb7e2dffd4e1ad853998e74c647586838c47b1e113af5b58586d66a26a4d",
	 "f4dd2b599984f5e514320d12dcda8d11b32e61efd888f5aba1ad28b780b2b739",
	 "804814a3c29b9d842b5aa0e1f11c4ba580bdacb0a33caab74ccf02da90787397",
	 "89902a83be5fe73e31a5dfe1f631effccb490326f2781e9983b5695e728f10f9"
	 "ea12f659b62dbe98886959aec0833092",
	 "b0bf5c1f8582fadd3356a1a2d68c438aa17689401a95d5e7564e9743637c2bcd"
	 "1ae29fc67b553b4a8369548d1f9917ff1ff8f977bc45ec6d7ec2c98515e3abd5"
	 "776b111883d19ef82fb49834f4d3749f902bfce5de527ce7b622728e9a0d368b"
	 "8028019793f2bfd854838c9b02de7e056ad19a71621d986a2fb1757c0901dde8"},
	{ENN_HASH_SHA384, 22,
	 "32bdbc2f1adb591d2682b14dff7e26768e9c34a0d0aaae27fffef3d275a458a7"
	 "f594c1689e61be432e9ce7904706c343",
	 "51e9a191453b2d82d6dbc789820c78f06ad0e31778577ed5f5a894434128d222"
	 "0f8ecc3ce12007c450a39fb3d5aa1dc3",
	 "3464635915bf52f75a850bbfc3f0b537e0382b4735ffb4742eef7b945cf8cccb",
	 "11d5d9bc41659d47bf9125b0db0d5af5578ea6c8d40ddd8975d673eb4bad0694",
	 "cb8f1036b1075cbe9e6d664264d27528a3eda3f2440e1108fdec85c947d649d3"
	 "0bb88d0f25d3f2f7902273348a661391",
	 "e5e87b3ba661642f2e402160c41406fe9dd8b7ee1f546c967f8ab1724b5b1484"
	 "6464cc26f0f5f324885f8b8f99211060b74a5fa959fa5d4716a74356c3b50a32"
	 "0123c7ec77476e3a45bab9e6b130acf29101af7ca99820dd00ed81a6401ecf03"
	 "4f7cdf772b82c63e79032932a0a719aea7e5c6c614468073e65a0709bfbba114"},
	{ENN_HASH_SHA384, 23,
	 "dd89c0e77800986427e92f5fe71b0697cf85c5c645fad91f53aff57143db98d4"
	 "33edeebedaf60a297fa4e16414fe10ab",
	 "05405d3bb4876524fcafadf73d691d4f5e6b37f4d9dfb3aea4d305d2b8432684"
	 "63b85ee78bf4aa60b6e19a20d8ce89dc",
	 "51691e7d6c934777d66c7af5ca3c953e29c108bb6d292ab5d70ad17dc1f49de0",
	 "96599e3d36491d3065107520a5755da41b414183cd8892127de1aa4257f9d973",
	 "11e1dc3c7b8582fa671c7404411e00a5fb699918af7e4b56b126815f0f952906"
	 "113908f7d629a8c63daf8551bb53db5a",
	 "74ec0f77b5b6fae09566755606628964c9ba8a7e59d9e8d5018ea9a4ab78f67e"
	 "ebbd6c11d92ad3b897a6b62ca0f9e2bc682265b42c4a75b6b817f6ddb8f5547a"
	 "38fb994a7cbb8627884db5a5bfeff17fa89e52060d25959785b59477e3a10c1d"
	 "22bf8d9bf6b68c2dc42a1ea3d2de46b92137b15f7b60ef5dc23edcdf9f8ba7d3"},
};

static void test_published(void **state)
{
	uint8_t secret[64];
	uint8_t seed[64];
	uint8_t out[256];

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(published); i++) {
		const struct enn_hash_alg *hash = enn_hash_alg(published[i].hash);
		size_t len = strlen(published[i].output) / 2;
		struct enn_bytes key = {secret, unhex(published[i].secret, secret, sizeof(secret))};
		size_t seed_len = unhex(published[i].seed, seed, sizeof(seed));
		/* however the seed is divided, and as the start of something longer */
		for (size_t cut = 0; cut <= seed_len; cut++) {
			struct enn_bytes first = {seed, cut};
			struct enn_bytes rest = {seed + cut, seed_len - cut};
			enn_tls12_prf(hash, key, "test label", first, rest, out, len + cut);
			assert_hex(out, len, published[i].output);
		}
	}
}

static void test_extended_main_secret(void **state)
{
	uint8_t premaster[64];
	uint8_t digest[64];
	uint8_t client[32];
	uint8_t server[32];
	uint8_t secret[ENN_TLS12_SECRET];
	uint8_t block[128];
	struct enn_bytes none = {NULL, 0};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(nist); i++) {
		const struct enn_hash_alg *hash = enn_hash_alg(nist[i].hash);
		struct enn_bytes pms = {premaster,
					unhex(nist[i].premaster, premaster, sizeof(premaster))};
		struct enn_bytes session = {digest,
					    unhex(nist[i].session_hash, digest, sizeof(digest))};
		struct enn_bytes ms = {secret, sizeof(secret)};
		struct enn_bytes cr = {client,
				       unhex(nist[i].client_random, client, sizeof(client))};
		struct enn_bytes sr = {server,
				       unhex(nist[i].server_random, server, sizeof(server))};
		print_message("# vector %d\n", nist[i].number);
		assert_int_equal(session.len, hash->len);
		enn_tls12_prf(hash, pms, "extended master secret", session, none, secret,
			      sizeof(secret));
		assert_hex(secret, sizeof(secret), nist[i].main_secret);
		enn_tls12_prf(hash, ms, "key expansion", sr, cr, block, sizeof(block));
		assert_hex(block, sizeof(block), nist[i].key_block);
	}
}

/* ---- whole handshakes ------------------------------------------------------------------------------- */

/* What libcrypto says. */
static void other_prf(const char *digest, const uint8_t *secret, size_t secret_len,
		      const uint8_t *seed, size_t seed_len, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest,
						 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret,
						  secret_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed,
						  seed_len),
		OSSL_PARAM_construct_end(),
	};

	assert_non_null(ctx);
	assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* What went over the wire: all handshake messages in order, and where each Finished begins. */
struct wire {
	uint8_t bytes[32768];
	size_t len;
	size_t finished[2]; /* the client's, the server's */
};

static bool record(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	struct wire *w = p->user;

	if (m->type == HS_CHANGE_CIPHER_SPEC) {
		return true;
	}
	if (m->type == ENN_HS_FINISHED) {
		w->finished[to == &p->client] = w->len;
	}
	assert_true(w->len + m->len <= sizeof(w->bytes));
	memcpy(w->bytes + w->len, m->data, m->len);
	w->len += m->len;
	return true;
}

/* label + one or two parts: what a seed is to libcrypto. */
static size_t seed_of(uint8_t *out, const char *label, const uint8_t *first, size_t first_len,
		      const uint8_t *second, size_t second_len)
{
	size_t len = strlen(label);

	memcpy(out, label, len);
	memcpy(out + len, first, first_len);
	if (second_len > 0) {
		memcpy(out + len + first_len, second, second_len);
	}
	return len + first_len + second_len;
}

static void check_finished(const struct wire *w, const struct enn_handshake_result *r, bool server)
{
	const struct enn_hash_alg *hash = enn_hash_alg(r->suite->hash);
	const char *digest = r->suite->hash == ENN_HASH_SHA384 ? "SHA384" : "SHA256";
	size_t at = w->finished[server];
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t seed[128];
	uint8_t expected[ENN_TLS12_VERIFY_DATA];

	enn_hash_once(hash, w->bytes, at, transcript);
	size_t len = seed_of(seed, server ? "server finished" : "client finished", transcript,
			     hash->len, NULL, 0);
	other_prf(digest, r->exporter_secret, ENN_TLS12_SECRET, seed, len, expected,
		  sizeof(expected));
	assert_memory_equal(w->bytes + at + ENN_HS_HEADER, expected, sizeof(expected));
}

/* Keys and IVs stand in the key block behind the MAC keys, the client's first (RFC 5246 §6.3). */
static void check_keys(const struct hs_keys *keys, const uint8_t *block, bool server)
{
	size_t mac = enn_tls_suite_mac_len(keys->suite);
	size_t key = enn_tls_suite_key_len(keys->suite);
	size_t iv = enn_tls_suite_iv_len(keys->suite);
	size_t second = server ? 1 : 0;

	assert_int_equal(keys->len, mac + key + iv);
	assert_memory_equal(keys->block, block + 2 * mac + second * key, key);
	assert_memory_equal(keys->block + key, block + 2 * mac + 2 * key + second * iv, iv);
	assert_memory_equal(keys->block + key + iv, block + second * mac, mac);
}

static void check_exporter(const struct enn_handshake_result *r, const char *digest)
{
	static const uint8_t context[] = {0, 3, 'a', 'b', 'c'}; /* with its length (RFC 5705 §4) */
	uint8_t randoms[64 + sizeof(context)];
	uint8_t seed[128];
	uint8_t expected[77];
	uint8_t out[77];

	memcpy(randoms, r->client_random, 32);
	memcpy(randoms + 32, r->server_random, 32);
	memcpy(randoms + 64, context, sizeof(context));
	for (int with = 0; with < 2; with++) {
		size_t len = seed_of(seed, "EXPORTER-test", randoms, 64, context,
				     with ? sizeof(context) : 0);
		other_prf(digest, r->exporter_secret, ENN_TLS12_SECRET, seed, len, expected,
			  sizeof(expected));
		enn_tls12_exporter(r, "EXPORTER-test", context + 2, with ? 3 : 0, with == 1, out,
				   sizeof(out));
		assert_memory_equal(out, expected, sizeof(out));
	}
}

static void one_handshake(enum tls12_kind kind, const char *suite)
{
	static struct hs_pair p; /* large */
	static struct wire w;
	char list[96];
	uint8_t seed[128];
	uint8_t block[256];

	print_message("# %s\n", suite);
	(void)snprintf(list, sizeof(list), "ciphersuite=%s", suite);
	struct tls12_sides sides = tls12_sides_of(kind, list, list);
	if (strstr(suite, "_CBC_") != NULL) {
		MUST(enn_security_set_bool(sides.client, ENN_SECURITY_LEGACY_CBC, true));
		MUST(enn_security_set_bool(sides.server, ENN_SECURITY_LEGACY_CBC, true));
	}
	memset(&p, 0, sizeof(p));
	memset(&w, 0, sizeof(w));
	p.edit = record;
	p.user = &w;
	assert_true(hs_pair_run(&p, &tls12.t.env, sides.client, sides.server, TLS12_HOST, NULL));
	hs_pair_must_be_complete(&p);
	const struct enn_handshake_result *r = &p.client.c.result;
	const char *digest = r->suite->hash == ENN_HASH_SHA384 ? "SHA384" : "SHA256";
	size_t len = seed_of(seed, "key expansion", r->server_random, 32, r->client_random, 32);
	other_prf(digest, r->exporter_secret, ENN_TLS12_SECRET, seed, len, block, sizeof(block));
	check_keys(&p.client.sends, block, false);
	check_keys(&p.client.receives, block, true);
	check_finished(&w, r, false);
	check_finished(&w, r, true);
	check_exporter(r, digest);
	check_exporter(&p.server.c.result, digest);
	hs_pair_free(&p);
	tls12_sides_free(&sides);
}

static void test_against_libcrypto(void **state)
{
	static const struct {
		enum tls12_kind kind;
		const char *suite;
	} rows[] = {
		{TLS12_FULL, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{TLS12_FULL, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		{TLS12_MUTUAL, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		{TLS12_STATUS, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		{TLS12_PSK, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"},
		{TLS12_FULL, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
		{TLS12_FULL, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
		{TLS12_FULL, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
	};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(rows); i++) {
		one_handshake(rows[i].kind, rows[i].suite);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_extended_main_secret),
		cmocka_unit_test(test_against_libcrypto),
	};
	return cmocka_run_group_tests(tests, tls12_open, tls12_close);
}
