/* SPDX-License-Identifier: Apache-2.0
 *
 * Hybrid groups with ML-KEM-768: by themselves, against libcrypto's own, and on live pairs. Where libcrypto has no
 * ML-KEM, that they fall away.
 */
#include <openssl/evp.h>

#include "crypto/kem.h"
#include "crypto/kx.h"
#include "features/security.h"
#include "handshake/codec.h"
#include "protocols/registry.h"
#include "tls_pair.h"

static struct cert *root, *leaf;
static struct test_env world;
static const char host[] = "a.example";

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	leaf = cert_make(&(struct cert_options){
		.subject = "leaf", .issuer = root, .serial = 2, .names = "DNS:a.example"});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	print_message("# ML-KEM: %s\n", enn_kem_available() ? "here" : "not in this libcrypto");
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	cert_free(leaf);
	cert_free(root);
	return 0;
}

/* ---- without it -------------------------------------------------------------------------------------- */

static void test_availability(void **state)
{
	bool here = enn_kem_available();
	struct enn_security *s = enn_security_new();
	const struct enn_code_list *groups = enn_security_list(s, ENN_SECURITY_GROUPS);
	struct enn_error error;

	(void)state;
	assert_int_equal(enn_kx_available(0x11ec), here);
	assert_int_equal(enn_kx_available(0x11eb), here);
	assert_true(enn_kx_available(0x001d));
	assert_false(enn_kx_available(0x0019));
	assert_int_equal(groups->count, here ? 4 : 3);
	assert_int_equal(groups->code[0], here ? 0x11ec : 0x001d);
	enum enn_status status = enn_security_set_list(s, ENN_SECURITY_GROUPS,
						       "SecP256r1MLKEM768:X25519MLKEM768", &error);
	assert_int_equal(status, here ? ENN_OK : ENN_E_UNSUPPORTED);
	assert_true(here || strstr(error.text, "ML-KEM") != NULL);
	MUST(enn_security_set_list(s, ENN_SECURITY_GROUPS, "P-384:x25519_mlkem768", &error));
	assert_int_equal(groups->count, here ? 2 : 1);
	MUST(enn_security_set_policy(s, "modern:groups=P-256:X25519MLKEM768", &error));
	assert_int_equal(groups->count, here ? 2 : 1);
	MUST(enn_security_set_policy(s, "fips-like", &error));
	assert_int_equal(groups->count, 2);
	/* a wrong name is wrong everywhere */
	assert_int_equal(
		enn_security_set_list(s, ENN_SECURITY_GROUPS, "X25519MLKEM76:X25519", &error),
		ENN_E_ARGUMENT);
	enn_security_free(s);
}

/* ---- the groups themselves ------------------------------------------------------------------------------ */

static const enum enn_kx_id hybrids[] = {ENN_KX_X25519_MLKEM768, ENN_KX_P256_MLKEM768};

static void test_agreement(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct enn_kx_alg *alg = enn_kx_alg(hybrids[i]);
		uint8_t ours[ENN_MAX_KX_PUBLIC], reply[ENN_MAX_KX_PUBLIC], again[ENN_MAX_KX_PUBLIC];
		uint8_t a[ENN_MAX_KX_SECRET], b[ENN_MAX_KX_SECRET];
		struct enn_kx_key *key;
		MUST(enn_kx_generate(&world.env, alg, &key, ours));
		MUST(enn_kx_respond(&world.env, alg, ours, alg->public_len, reply, b));
		MUST(enn_kx_derive(key, reply, alg->reply_len, a));
		assert_memory_equal(a, b, alg->secret_len);
		assert_int_equal(enn_kx_derive(key, reply, alg->public_len, a), ENN_E_CRYPTO);
		assert_int_equal(
			enn_kx_respond(&world.env, alg, ours, alg->public_len - 1u, again, b),
			ENN_E_CRYPTO);
		/* each part of the reply counts */
		for (size_t at = 70; at < alg->reply_len; at += 97) {
			uint8_t c[ENN_MAX_KX_SECRET];
			reply[at] ^= 1;
			if (enn_kx_derive(key, reply, alg->reply_len, c) == ENN_OK) {
				assert_memory_not_equal(b, c, alg->secret_len);
			}
			reply[at] ^= 1;
		}
		/* FIPS 203 §7.2: a coefficient of q or more is refused */
		memset(ours + (i == 0 ? 0 : 65), 0xff, 3);
		assert_int_equal(enn_kx_respond(&world.env, alg, ours, alg->public_len, again, b),
				 ENN_E_CRYPTO);
		enn_kx_free(key);
	}
}

static void test_seeded(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct enn_kx_alg *alg = enn_kx_alg(hybrids[i]);
		uint8_t ours[2][ENN_MAX_KX_PUBLIC], reply[2][ENN_MAX_KX_PUBLIC];
		uint8_t secret[2][ENN_MAX_KX_SECRET];
		struct test_env t;
		test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
		for (int run = 0; run < 2; run++) {
			struct enn_kx_key *key;
			test_env_seed(&t, 7, NULL, 0);
			MUST(enn_kx_generate(&t.env, alg, &key, ours[run]));
			MUST(enn_kx_respond(&t.env, alg, ours[run], alg->public_len, reply[run],
					    secret[run]));
			enn_kx_free(key);
		}
		assert_memory_equal(ours[0], ours[1], alg->public_len);
		assert_memory_equal(reply[0], reply[1], alg->reply_len);
		assert_memory_equal(secret[0], secret[1], alg->secret_len);
		test_env_close(&t);
	}
}

/* libcrypto has the hybrids as key types of their own, made for its TLS: the layout must be the same. */
static void test_libcrypto(void **state)
{
	static const char *const names[] = {"X25519MLKEM768", "SecP256r1MLKEM768"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct enn_kx_alg *alg = enn_kx_alg(hybrids[i]);
		uint8_t ours[ENN_MAX_KX_PUBLIC], reply[ENN_MAX_KX_PUBLIC];
		uint8_t a[ENN_MAX_KX_SECRET], b[ENN_MAX_KX_SECRET];
		size_t reply_len = sizeof(reply), secret_len = sizeof(b), len = 0;
		struct enn_kx_key *key;

		MUST(enn_kx_generate(&world.env, alg, &key, ours));
		EVP_PKEY *peer =
			EVP_PKEY_new_raw_public_key_ex(NULL, names[i], NULL, ours, alg->public_len);
		assert_non_null(peer);
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(peer, NULL);
		assert_int_equal(EVP_PKEY_encapsulate_init(ctx, NULL), 1);
		assert_int_equal(EVP_PKEY_encapsulate(ctx, reply, &reply_len, b, &secret_len), 1);
		assert_int_equal(reply_len, alg->reply_len);
		assert_int_equal(secret_len, alg->secret_len);
		MUST(enn_kx_derive(key, reply, reply_len, a));
		assert_memory_equal(a, b, secret_len);
		enn_kx_free(key);
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(peer);

		ctx = EVP_PKEY_CTX_new_from_name(NULL, names[i], NULL);
		peer = NULL;
		assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
		assert_int_equal(EVP_PKEY_generate(ctx, &peer), 1);
		EVP_PKEY_CTX_free(ctx);
		assert_int_equal(EVP_PKEY_get_octet_string_param(peer, "encoded-pub-key", ours,
								 sizeof(ours), &len),
				 1);
		MUST(enn_kx_respond(&world.env, alg, ours, len, reply, a));
		ctx = EVP_PKEY_CTX_new(peer, NULL);
		secret_len = sizeof(b);
		assert_int_equal(EVP_PKEY_decapsulate_init(ctx, NULL), 1);
		assert_int_equal(EVP_PKEY_decapsulate(ctx, b, &secret_len, reply, alg->reply_len),
				 1);
		assert_memory_equal(a, b, alg->secret_len);
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(peer);
	}
}

/* ---- live pairs --------------------------------------------------------------------------------------------- */

struct pairing {
	const char *client[3], *server[2];
	const char *group; /* what comes of it where there is ML-KEM */
	bool retry;
};

static const struct pairing pairings[] = {
	{.client = {NULL}, .server = {NULL}, .group = "X25519MLKEM768"},
	{.client = {"supportedGroup=SecP256r1MLKEM768:X25519"}, .group = "X25519"},
	{.client = {"supportedGroup=SecP256r1MLKEM768:P-256"},
	 .server = {"supportedGroup=SecP256r1MLKEM768:P-256"},
	 .group = "SecP256r1MLKEM768"},
	/* who does not know it costs no round trip */
	{.client = {NULL}, .server = {"supportedGroup=X25519:P-256"}, .group = "X25519"},
	{.client = {"supportedGroup=P-256:X25519MLKEM768:X25519"}, .group = "P-256"},
	/* only one that is asked for */
	{.client = {"supportedGroup=P-256:X25519MLKEM768:P-384"},
	 .server = {"supportedGroup=X25519MLKEM768:P-384"},
	 .group = "X25519MLKEM768",
	 .retry = true},
	{.client = {"keyShares=0"}, .server = {NULL}, .group = "X25519MLKEM768", .retry = true},
	{.client = {"keyShares=3"}, .server = {"supportedGroup=P-384"}, .group = "P-384"},
};

static void run_pairs(const char *group)
{
	for (size_t i = 0; i < sizeof(pairings) / sizeof(pairings[0]); i++) {
		const struct pairing *g = &pairings[i];
		struct enn_security *client = tls_security(g->client);
		struct enn_security *server = tls_security(g->server);
		struct tls_pair p = {.ask = NULL}, again = {.ask = NULL};
		tls_trust(client, root);
		tls_add_certificate(server, leaf);
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		tls_pair_must_be_ready(&p);
		if (group == NULL) {
			assert_string_equal(p.client.info.key_exchange, g->group);
			assert_int_equal(p.client.info.hello_retry, g->retry);
		} else {
			assert_null(strstr(p.client.info.key_exchange, group));
		}
		assert_string_equal(p.server.info.key_exchange, p.client.info.key_exchange);
		tls_pair_run(&again, &world.env, client, server, host, &p.client);
		tls_pair_must_be_ready(&again);
		assert_true(again.client.info.resumed);
		assert_string_equal(again.client.info.key_exchange, p.client.info.key_exchange);
		tls_pair_free(&again);
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

static void test_pairs(void **state)
{
	(void)state;
	run_pairs(NULL);
}

/* The same parameters with a libcrypto that has no ML-KEM: connections are made with what is left. */
static void test_fallen_away(void **state)
{
	(void)state;
	run_pairs("MLKEM");
}

int main(void)
{
	const struct CMUnitTest with_kem[] = {
		cmocka_unit_test(test_availability), cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_seeded),	     cmocka_unit_test(test_libcrypto),
		cmocka_unit_test(test_pairs),
	};
	const struct CMUnitTest without[] = {
		cmocka_unit_test(test_availability),
		cmocka_unit_test(test_fallen_away),
	};

	if (enn_kem_available()) {
		return cmocka_run_group_tests_name("tls_mlkem", with_kem, open_world, close_world);
	}
	return cmocka_run_group_tests_name("tls_mlkem_without_kem", without, open_world,
					   close_world);
}
