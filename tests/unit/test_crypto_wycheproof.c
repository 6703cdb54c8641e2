/* SPDX-License-Identifier: Apache-2.0
 *
 * Project Wycheproof's vectors (tests/vectors/wycheproof) through our own interfaces, the AEAD ones
 * through both back ends with equal verdicts (the program is run once for each). "acceptable"
 * leaves the verdict to the implementation; whatever is accepted must then be right.
 */
#include <jansson.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kx.h"
#include "crypto/sig.h"
#include "support.h"

static enum enn_crypto_backend backend;

struct blob {
	uint8_t *data;
	size_t len;
};

static struct blob blob_of(json_t *object, const char *key)
{
	const char *hex = json_string_value(json_object_get(object, key));
	struct blob b;
	assert_non_null(hex);
	b.data = malloc(strlen(hex) / 2 + 1);
	assert_non_null(b.data);
	b.len = unhex(hex, b.data, strlen(hex) / 2 + 1);
	return b;
}

static int64_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

enum verdict { VALID, INVALID, ACCEPTABLE };

struct vector {
	struct test_env *env;
	json_t *group;
	json_t *test;
	enum verdict verdict;
	const void *what; /* the algorithm */
};

/* Whether the answer agrees with the verdict; names the vector if not. */
static void judge(const struct vector *v, bool accepted)
{
	if (v->verdict != ACCEPTABLE && accepted != (v->verdict == VALID)) {
		print_error("vector %lld (%s): %s\n", (long long)number(v->test, "tcId"),
			    json_string_value(json_object_get(v->test, "comment")),
			    accepted ? "accepted" : "refused");
		fail();
	}
}

/* Returns false if the vector is outside of what the interface takes. */
typedef bool (*run_fn)(const struct vector *v);

static size_t run_file(struct test_env *env, const char *file, const void *what, run_fn run)
{
	const char *dir = getenv("WYCHEPROOF_DIR");
	char path[1024];
	json_error_t error;
	size_t done = 0;
	size_t i;
	size_t j;
	json_t *group;
	json_t *test;

	(void)snprintf(path, sizeof(path), "%s/%s_test.json",
		       dir == NULL ? "../vectors/wycheproof" : dir, file);
	json_t *root = json_load_file(path, 0, &error);
	if (root == NULL) {
		print_error("%s: %s\n", path, error.text);
	}
	assert_non_null(root);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			const char *result = json_string_value(json_object_get(test, "result"));
			struct vector v = {.env = env, .group = group, .test = test, .what = what};
			v.verdict = strcmp(result, "valid") == 0     ? VALID
				    : strcmp(result, "invalid") == 0 ? INVALID
								     : ACCEPTABLE;
			done += run(&v);
		}
	}
	json_decref(root);
	return done;
}

static int open_env(void **state)
{
	static struct test_env t;
	test_env_open(&t, backend);
	*state = &t;
	return 0;
}

static int close_env(void **state)
{
	test_env_close(*state);
	return 0;
}

/* ---- AEAD ------------------------------------------------------------------------------------ */

struct aead_case {
	struct blob key;
	struct blob iv;
	struct blob aad;
	struct blob msg;
	struct blob sealed;
};

static void free_case(struct aead_case *c)
{
	free(c->key.data);
	free(c->iv.data);
	free(c->aad.data);
	free(c->msg.data);
	free(c->sealed.data);
}

static void load_case(json_t *test, struct aead_case *c)
{
	struct blob ct = blob_of(test, "ct");
	struct blob tag = blob_of(test, "tag");
	c->key = blob_of(test, "key");
	c->iv = blob_of(test, "iv");
	c->aad = blob_of(test, "aad");
	c->msg = blob_of(test, "msg");
	c->sealed.len = ct.len + tag.len;
	c->sealed.data = malloc(c->sealed.len + 1);
	assert_non_null(c->sealed.data);
	memcpy(c->sealed.data, ct.data, ct.len);
	memcpy(c->sealed.data + ct.len, tag.data, tag.len);
	free(ct.data);
	free(tag.data);
}

static bool run_aead(const struct vector *v)
{
	const struct enn_aead_alg *alg = NULL;
	struct aead_case c;
	struct enn_aead *open;
	struct enn_aead *seal;

	for (int id = *(const int *)v->what; id <= *((const int *)v->what + 1); id++) {
		if (enn_aead_alg((enum enn_aead_id)id)->key_len * 8 ==
		    number(v->group, "keySize")) {
			alg = enn_aead_alg((enum enn_aead_id)id);
		}
	}
	if (alg == NULL || number(v->group, "ivSize") != alg->nonce_len * 8 ||
	    number(v->group, "tagSize") != alg->tag_len * 8) {
		return false;
	}
	/* With nothing left to the implementation, both back ends must answer alike. */
	assert_int_not_equal(v->verdict, ACCEPTABLE);
	load_case(v->test, &c);
	assert_int_equal(enn_aead_new(&v->env->env, alg, ENN_AEAD_OPEN, c.key.data, &open), ENN_OK);
	assert_int_equal(enn_aead_new(&v->env->env, alg, ENN_AEAD_SEAL, c.key.data, &seal), ENN_OK);
	uint8_t *out = malloc(c.sealed.len + 1);
	struct enn_aead_job job = {.nonce = c.iv.data,
				   .aad = c.aad.data,
				   .aad_len = c.aad.len,
				   .in = c.sealed.data,
				   .in_len = c.sealed.len,
				   .out = out};
	bool accepted = enn_aead_open(open, &job) == ENN_OK;
	judge(v, accepted);
	enn_aead_open_batch(open, &job, 1);
	assert_int_equal(job.status == ENN_OK, accepted);
	if (accepted) {
		assert_memory_equal(out, c.msg.data, c.msg.len);
		job.in = c.msg.data;
		job.in_len = c.msg.len;
		assert_int_equal(enn_aead_seal(seal, &job), ENN_OK);
		assert_memory_equal(out, c.sealed.data, c.sealed.len);
	}
	free(out);
	free_case(&c);
	enn_aead_free(&v->env->env, open);
	enn_aead_free(&v->env->env, seal);
	return true;
}

static const int gcm_ids[2] = {ENN_AEAD_AES_128_GCM, ENN_AEAD_AES_256_GCM};
static const int chacha_ids[2] = {ENN_AEAD_CHACHA20_POLY1305, ENN_AEAD_CHACHA20_POLY1305};

static void test_aead(void **state)
{
	assert_in_range(run_file(*state, "aes_gcm", gcm_ids, run_aead), 100, 1000);
	assert_in_range(run_file(*state, "chacha20_poly1305", chacha_ids, run_aead), 250, 1000);
}

/* ---- key exchange ---------------------------------------------------------------------------- */

/* Private scalars come as integers of any length. */
static void fit_scalar(struct blob *b, size_t len)
{
	uint8_t *scalar = calloc(1, len);
	assert_non_null(scalar);
	size_t extra = b->len > len ? b->len - len : 0;
	for (size_t i = 0; i < extra; i++) {
		assert_int_equal(b->data[i], 0);
	}
	memcpy(scalar + len - (b->len - extra), b->data + extra, b->len - extra);
	free(b->data);
	*b = (struct blob){scalar, len};
}

static bool run_kx(const struct vector *v)
{
	const struct enn_kx_alg *alg = v->what;
	struct blob peer = blob_of(v->test, "public");
	struct blob scalar = blob_of(v->test, "private");
	struct blob shared = blob_of(v->test, "shared");
	uint8_t own[ENN_MAX_KX_PUBLIC];
	uint8_t secret[ENN_MAX_KX_SECRET];
	static const uint8_t zeros[ENN_MAX_KX_SECRET];
	struct enn_kx_key *key;

	fit_scalar(&scalar, alg->secret_len);
	test_env_seed(v->env, 1, scalar.data, scalar.len);
	assert_int_equal(enn_kx_generate(&v->env->env, alg, &key, own), ENN_OK);
	bool accepted = enn_kx_derive(key, peer.data, peer.len, secret) == ENN_OK;
	judge(v, accepted);
	if (accepted) {
		assert_int_equal(shared.len, alg->secret_len);
		assert_memory_equal(secret, shared.data, shared.len);
		if (alg->id == ENN_KX_X25519) {
			assert_memory_not_equal(secret, zeros, shared.len);
		}
	}
	enn_kx_free(key);
	free(peer.data);
	free(scalar.data);
	free(shared.data);
	return true;
}

static void test_x25519(void **state)
{
	assert_int_equal(run_file(*state, "x25519", enn_kx_alg(ENN_KX_X25519), run_kx), 518);
}

static void test_ecdh(void **state)
{
	assert_int_equal(
		run_file(*state, "ecdh_secp256r1_ecpoint", enn_kx_alg(ENN_KX_P256), run_kx), 355);
	assert_int_equal(
		run_file(*state, "ecdh_secp384r1_ecpoint", enn_kx_alg(ENN_KX_P384), run_kx), 790);
}

/* ---- signatures ------------------------------------------------------------------------------ */

static bool run_signature(const struct vector *v)
{
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(*(const uint16_t *)v->what);
	struct blob spki = blob_of(v->group, "publicKeyDer");
	struct blob msg = blob_of(v->test, "msg");
	struct blob sig = blob_of(v->test, "sig");
	struct enn_public_key *key;

	assert_int_equal(enn_public_key_parse(spki.data, spki.len, &key), ENN_OK);
	assert_true(enn_sig_fits_public(alg, key));
	judge(v,
	      enn_verify(&v->env->env, alg, key, msg.data, msg.len, sig.data, sig.len) == ENN_OK);
	enn_public_key_free(key);
	free(spki.data);
	free(msg.data);
	free(sig.data);
	return true;
}

static void test_signatures(void **state)
{
	static const struct {
		const char *file;
		uint16_t scheme;
		size_t count;
	} files[] = {{"ecdsa_secp256r1_sha256", 0x0403, 484},
		     {"ecdsa_secp384r1_sha384", 0x0503, 504},
		     {"ed25519", 0x0807, 151},
		     {"rsa_pss_2048_sha256_mgf1_32", 0x0804, 108}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(run_file(*state, files[i].file, &files[i].scheme, run_signature),
				 files[i].count);
	}
}

/* ---- HMAC and HKDF --------------------------------------------------------------------------- */

static bool run_hmac(const struct vector *v)
{
	const struct enn_hash_alg *alg = v->what;
	struct blob key = blob_of(v->test, "key");
	struct blob msg = blob_of(v->test, "msg");
	struct blob tag = blob_of(v->test, "tag");
	uint8_t mac[ENN_MAX_HASH];

	assert_in_range(tag.len, 1, alg->len);
	enn_hmac_once(alg, key.data, key.len, msg.data, msg.len, mac);
	judge(v, enn_equal_secret(mac, tag.data, tag.len));
	free(key.data);
	free(msg.data);
	free(tag.data);
	return true;
}

static bool run_hkdf(const struct vector *v)
{
	const struct enn_hash_alg *alg = v->what;
	struct blob ikm = blob_of(v->test, "ikm");
	struct blob salt = blob_of(v->test, "salt");
	struct blob info = blob_of(v->test, "info");
	struct blob okm = blob_of(v->test, "okm");
	size_t size = (size_t)number(v->test, "size");
	uint8_t prk[ENN_MAX_HASH];

	if (v->verdict == INVALID) {
		/* More than the interface promises to make (RFC 5869 §2.3). */
		assert_true(size > 255u * alg->len);
	} else {
		uint8_t *out = malloc(size + 1);
		assert_non_null(out);
		assert_int_equal(okm.len, size);
		enn_hkdf_extract(alg, salt.data, salt.len, ikm.data, ikm.len, prk);
		enn_hkdf_expand(alg, prk, alg->len, info.data, info.len, out, size);
		assert_memory_equal(out, okm.data, size);
		free(out);
	}
	free(ikm.data);
	free(salt.data);
	free(info.data);
	free(okm.data);
	return true;
}

static void test_hmac_hkdf(void **state)
{
	const struct enn_hash_alg *sha256 = enn_hash_alg(ENN_HASH_SHA256);
	const struct enn_hash_alg *sha384 = enn_hash_alg(ENN_HASH_SHA384);
	assert_int_equal(run_file(*state, "hmac_sha256", sha256, run_hmac), 174);
	assert_int_equal(run_file(*state, "hmac_sha384", sha384, run_hmac), 174);
	assert_int_equal(run_file(*state, "hkdf_sha256", sha256, run_hkdf), 86);
	assert_int_equal(run_file(*state, "hkdf_sha384", sha384, run_hkdf), 83);
}

/* With "ipsec-mb" only what that back end does. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_aead, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_x25519, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_ecdh, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_signatures, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_hmac_hkdf, open_env, close_env),
	};
	const struct CMUnitTest aead[] = {
		cmocka_unit_test_setup_teardown(test_aead, open_env, close_env),
	};

	backend = test_backend(argc, argv);
	if (backend == ENN_CRYPTO_IPSEC_MB) {
		return cmocka_run_group_tests(aead, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
