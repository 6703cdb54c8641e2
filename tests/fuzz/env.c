/* SPDX-License-Identifier: Apache-2.0
 *
 * The seeded environment of the fuzz targets, and one certificate.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define MAX_MEMORY ((size_t)8 * 1024 * 1024)

static struct enn_env env;
static uint64_t state;
static size_t allocated;
static char cert_pem[4096];
static char key_pem[1024];

static int draw(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	for (size_t i = 0; i < len; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		out[i] = (uint8_t)(state >> 56);
	}
	return 0;
}

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	allocated += size;
	FUZZ_ASSERT(allocated < MAX_MEMORY); /* no input may make an endpoint grow without bound */
	return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	allocated -= size;
	free(ptr);
}

static void make_certificate(void)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, (const uint8_t *)"an Ed25519 key for fuzz targets.", 32);
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	X509V3_CTX ctx;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400 * 365L * 20);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:localhost");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	FUZZ_ASSERT(X509_sign(x, key, NULL) > 0);
	PEM_write_bio_X509(bio, x);
	FUZZ_ASSERT(BIO_read(bio, cert_pem, sizeof(cert_pem) - 1) > 0);
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	FUZZ_ASSERT(BIO_read(bio, key_pem, sizeof(key_pem) - 1) > 0);
	BIO_free(bio);
	X509_free(x);
	EVP_PKEY_free(key);
}

struct enn_env *fuzz_env(void)
{
	if (env.crypto == NULL) {
		FUZZ_ASSERT(enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK);
		env.random = draw;
		env.alloc = take;
		env.free = give;
		env.wall_offset = INT64_C(1800000000) * (int64_t)ENN_SECOND;
		make_certificate();
	}
	return &env;
}

void fuzz_env_reset(void)
{
	state = 1;
}

size_t fuzz_env_allocated(void)
{
	return allocated;
}

const char *fuzz_cert_pem(void)
{
	(void)fuzz_env();
	return cert_pem;
}

const char *fuzz_key_pem(void)
{
	(void)fuzz_env();
	return key_pem;
}
