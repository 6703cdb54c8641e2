/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and signatures: RFC 8032's vectors, every scheme both ways, what fits what, bad input.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "certs.h"
#include "crypto/sig.h"
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

/* One key of each type, made once; RSA keys take their time. */
static struct {
	const char *type;
	enum enn_key_type want;
	unsigned bits;
	struct enn_private_key *private_key;
	struct enn_public_key *public_key;
	struct cert *cert;
} keys[] = {
	{"P-256", ENN_KEY_P256, 256, NULL, NULL, NULL},
	{"P-384", ENN_KEY_P384, 384, NULL, NULL, NULL},
	{"ED25519", ENN_KEY_ED25519, 256, NULL, NULL, NULL},
	{"RSA-2048", ENN_KEY_RSA, 2048, NULL, NULL, NULL},
	{"RSA-1024", ENN_KEY_RSA, 1024, NULL, NULL, NULL},
	{"RSA-PSS", ENN_KEY_RSA_PSS, 2048, NULL, NULL, NULL},
	{"RSA-PSS-SHA256", ENN_KEY_RSA_PSS, 2048, NULL, NULL, NULL},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static int make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		unsigned char *spki = NULL;
		keys[i].cert = cert_make(&(struct cert_options){.key_type = keys[i].type});
		const char *pem = keys[i].cert->key_pem;
		assert_int_equal(enn_private_key_parse((const uint8_t *)pem, strlen(pem),
						       &keys[i].private_key, NULL),
				 ENN_OK);
		int len = i2d_PUBKEY(keys[i].cert->key, &spki);
		assert_int_equal(enn_public_key_parse(spki, (size_t)len, &keys[i].public_key),
				 ENN_OK);
		OPENSSL_free(spki);
	}
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		enn_private_key_free(keys[i].private_key);
		enn_public_key_free(keys[i].public_key);
		cert_free(keys[i].cert);
	}
	return 0;
}

static void test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		assert_int_equal(enn_private_key_type(keys[i].private_key), keys[i].want);
		assert_int_equal(enn_public_key_type(keys[i].public_key), keys[i].want);
		/* libcrypto counts an Ed25519 key as 253 or 256 bits. */
		assert_in_range(enn_private_key_bits(keys[i].private_key), keys[i].bits - 3,
				keys[i].bits);
		assert_in_range(enn_public_key_bits(keys[i].public_key), keys[i].bits - 3,
				keys[i].bits);
	}
}

/* RFC 8446 §4.2.3; PSS with SHA-512 needs 130 bytes, a 1024-bit key has 128. */
static bool should_fit(const struct enn_sig_alg *alg, size_t key)
{
	if (alg->key != keys[key].want) {
		return false;
	}
	if (strcmp(keys[key].type, "RSA-PSS-SHA256") == 0) {
		return alg->hash == ENN_HASH_SHA256;
	}
	return !(keys[key].bits == 1024 && alg->padding == ENN_SIG_PSS &&
		 alg->hash == ENN_HASH_SHA512);
}

static void check_pair(struct test_env *t, const struct enn_sig_alg *alg, size_t k)
{
	uint8_t message[200];
	uint8_t sig[ENN_MAX_SIGNATURE];
	size_t sig_len = sizeof(sig);
	struct enn_public_key *pub = keys[k].public_key;

	memset(message, 'm', sizeof(message));
	if (alg->padding == ENN_SIG_PKCS1) {
		/* Only inside certificates, but the primitive is one. */
		assert_true(enn_sig_fits_public(alg, pub));
	}
	assert_int_equal(enn_sign(&t->env, alg, keys[k].private_key, message, 130, sig, &sig_len),
			 ENN_OK);
	assert_in_range(sig_len, 1, sizeof(sig));
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, sig_len), ENN_OK);
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 129, sig, sig_len), ENN_E_CRYPTO);
	message[64] ^= 1;
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, sig_len), ENN_E_CRYPTO);
	message[64] ^= 1;
	for (size_t i = 0; i < sig_len; i += 7) {
		sig[i] ^= 0x20;
		assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, sig_len),
				 ENN_E_CRYPTO);
		sig[i] ^= 0x20;
	}
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, sig_len - 1),
			 ENN_E_CRYPTO);
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, 0), ENN_E_CRYPTO);
	/* After all those failures it still verifies. */
	assert_int_equal(enn_verify(&t->env, alg, pub, message, 130, sig, sig_len), ENN_OK);
	sig_len = 10;
	assert_int_equal(enn_sign(&t->env, alg, keys[k].private_key, message, 130, sig, &sig_len),
			 ENN_E_CRYPTO);
}

/* Every scheme with every key: those that fit work, in any order on one key; the others are
 * refused. */
static void test_every_scheme(void **state)
{
	struct test_env *t = *state;

	for (int round = 0; round < 2; round++) {
		for (size_t a = 0; enn_sig_alg_at(a) != NULL; a++) {
			const struct enn_sig_alg *alg = enn_sig_alg_at(a);
			for (size_t k = 0; k < KEYS; k++) {
				bool fits = should_fit(alg, k);
				uint8_t sig[ENN_MAX_SIGNATURE] = {0};
				size_t len = sizeof(sig);
				assert_int_equal(enn_sig_fits_private(alg, keys[k].private_key),
						 fits);
				assert_int_equal(enn_sig_fits_public(alg, keys[k].public_key),
						 fits);
				if (fits) {
					check_pair(t, alg, k);
					continue;
				}
				assert_int_equal(enn_sign(&t->env, alg, keys[k].private_key, sig, 1,
							  sig, &len),
						 ENN_E_CRYPTO);
				assert_int_equal(enn_verify(&t->env, alg, keys[k].public_key, sig,
							    1, sig, 64),
						 ENN_E_CRYPTO);
			}
		}
	}
}

/* A signature by one key is none by another of the same kind, whichever was used last. */
static void test_keys_do_not_mix(void **state)
{
	struct test_env *t = *state;
	static const char *const types[] = {"P-256", "P-384", "ED25519"};

	for (size_t k = 0; k < 3; k++) {
		const struct enn_sig_alg *alg = enn_sig_alg_at(k);
		struct cert *other = cert_make(&(struct cert_options){.key_type = types[k]});
		unsigned char *spki = NULL;
		struct enn_public_key *pub;
		uint8_t sig[ENN_MAX_SIGNATURE];
		size_t len = sizeof(sig);
		int spki_len = i2d_PUBKEY(other->key, &spki);
		assert_int_equal(enn_public_key_parse(spki, (size_t)spki_len, &pub), ENN_OK);
		assert_int_equal(enn_sign(&t->env, alg, keys[k].private_key, (const uint8_t *)"x",
					  1, sig, &len),
				 ENN_OK);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(
				enn_verify(&t->env, alg, pub, (const uint8_t *)"x", 1, sig, len),
				ENN_E_CRYPTO);
			assert_int_equal(enn_verify(&t->env, alg, keys[k].public_key,
						    (const uint8_t *)"x", 1, sig, len),
					 ENN_OK);
		}
		OPENSSL_free(spki);
		enn_public_key_free(pub);
		cert_free(other);
	}
}

/* RFC 8032 §7.1, tests 1 to 3. */
static void test_ed25519_vectors(void **state)
{
	struct test_env *t = *state;
	static const struct {
		const char *secret;
		const char *pub;
		const char *message;
		const char *sig;
	} v[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		 "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		 "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
		{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		 "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	};
	/* RFC 8410 §7 and §4: what stands before the 32 bytes. */
	static const char pkcs8[] = "302e020100300506032b657004220420";
	static const char spki[] = "302a300506032b6570032100";
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(0x0807);

	for (size_t i = 0; i < 3; i++) {
		uint8_t der[64];
		uint8_t message[2];
		uint8_t sig[64];
		size_t sig_len = sizeof(sig);
		struct enn_private_key *key;
		struct enn_public_key *pub;
		size_t len = unhex(pkcs8, der, sizeof(der));
		len += unhex(v[i].secret, der + len, 32);
		assert_int_equal(enn_private_key_parse(der, len, &key, NULL), ENN_OK);
		len = unhex(spki, der, sizeof(der));
		len += unhex(v[i].pub, der + len, 32);
		assert_int_equal(enn_public_key_parse(der, len, &pub), ENN_OK);
		len = unhex(v[i].message, message, sizeof(message));
		assert_int_equal(enn_sign(&t->env, alg, key, message, len, sig, &sig_len), ENN_OK);
		assert_hex(sig, sig_len, v[i].sig);
		assert_int_equal(enn_verify(&t->env, alg, pub, message, len, sig, sig_len), ENN_OK);
		enn_private_key_free(key);
		enn_public_key_free(pub);
	}
}

/* PEM and DER; PKCS #8, SEC 1 and PKCS #1. */
static void test_private_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		EVP_PKEY *pkey = keys[i].cert->key;
		struct enn_private_key *key;
		unsigned char *der = NULL;
		int len = i2d_PrivateKey(pkey, &der); /* the traditional form if there is one */
		assert_true(len > 0);
		assert_int_equal(enn_private_key_parse(der, (size_t)len, &key, NULL), ENN_OK);
		assert_int_equal(enn_private_key_type(key), keys[i].want);
		assert_ptr_equal(enn_private_key_ref(key), key);
		enn_private_key_free(key);
		enn_private_key_free(key);
		OPENSSL_free(der);

		if (keys[i].want == ENN_KEY_ED25519 || keys[i].want == ENN_KEY_RSA_PSS) {
			continue; /* these have no traditional form */
		}
		BIO *bio = BIO_new(BIO_s_mem());
		char *text;
		assert_int_equal(
			PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL),
			1);
		long n = BIO_get_mem_data(bio, &text);
		assert_int_equal(
			enn_private_key_parse((const uint8_t *)text, (size_t)n, &key, NULL),
			ENN_OK);
		enn_private_key_free(key);
		BIO_free(bio);
	}
	enn_private_key_free(NULL);
	enn_public_key_free(NULL);
}

static void test_private_refused(void **state)
{
	struct enn_private_key *key;
	struct enn_error error;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	(void)state;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, keys[0].cert->key, EVP_aes_128_cbc(),
						       "secret", 6, NULL, NULL),
			 1);
	long n = BIO_get_mem_data(bio, &text);
	assert_int_equal(enn_private_key_parse((const uint8_t *)text, (size_t)n, &key, &error),
			 ENN_E_PARSE);
	assert_string_equal(error.text, "the private key is encrypted; decrypt it first");
	assert_null(key);
	BIO_free(bio);

	const char *const junk[] = {
		"", "junk", "-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		assert_int_equal(enn_private_key_parse((const uint8_t *)junk[i], strlen(junk[i]),
						       &key, &error),
				 ENN_E_PARSE);
		assert_string_equal(error.text, "this is no private key in PEM or DER");
	}
	const char *pem = keys[0].cert->pem; /* a certificate */
	assert_int_equal(enn_private_key_parse((const uint8_t *)pem, strlen(pem), &key, NULL),
			 ENN_E_PARSE);
	struct cert *odd = cert_make(&(struct cert_options){.key_type = "P-521"});
	assert_int_equal(enn_private_key_parse((const uint8_t *)odd->key_pem, strlen(odd->key_pem),
					       &key, &error),
			 ENN_E_PARSE);
	assert_non_null(strstr(error.text, "EC keys of 521 bits cannot be used"));
	cert_free(odd);
}

static void test_public_refused(void **state)
{
	struct enn_public_key *key;

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		unsigned char *spki = NULL;
		int len = i2d_PUBKEY(keys[i].cert->key, &spki);
		for (int cut = 0; cut < len; cut++) {
			assert_int_equal(enn_public_key_parse(spki, (size_t)cut, &key),
					 ENN_E_PARSE);
			assert_null(key);
		}
		uint8_t *longer = malloc((size_t)len + 1);
		memcpy(longer, spki, (size_t)len);
		longer[len] = 0;
		assert_int_equal(enn_public_key_parse(longer, (size_t)len + 1, &key), ENN_E_PARSE);
		free(longer);
		if (keys[i].want == ENN_KEY_P256 || keys[i].want == ENN_KEY_P384) {
			spki[len - 1] ^= 1; /* off the curve */
			assert_int_equal(enn_public_key_parse(spki, (size_t)len, &key),
					 ENN_E_PARSE);
		}
		OPENSSL_free(spki);
	}
	struct cert *odd = cert_make(&(struct cert_options){.key_type = "P-521"});
	unsigned char *spki = NULL;
	int len = i2d_PUBKEY(odd->key, &spki);
	assert_int_equal(enn_public_key_parse(spki, (size_t)len, &key), ENN_OK);
	assert_int_equal(enn_public_key_type(key), ENN_KEY_OTHER);
	for (size_t a = 0; enn_sig_alg_at(a) != NULL; a++) {
		assert_false(enn_sig_fits_public(enn_sig_alg_at(a), key));
	}
	enn_public_key_free(key);
	OPENSSL_free(spki);
	cert_free(odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test_setup_teardown(test_every_scheme, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_keys_do_not_mix, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_ed25519_vectors, open_env, close_env),
		cmocka_unit_test(test_private_forms),
		cmocka_unit_test(test_private_refused),
		cmocka_unit_test(test_public_refused),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
