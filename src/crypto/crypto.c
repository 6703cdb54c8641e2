/* SPDX-License-Identifier: Apache-2.0
 *
 * The cryptographic context: chooses back ends and fetches algorithms once, because
 * a fetch by name in libcrypto costs a lock and a look-up each time.
 */
#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"

static bool fetch_symmetric(struct enn_crypto *c)
{
	static const char *const ciphers[ENN_AEAD_COUNT] = {
		[ENN_AEAD_AES_128_GCM] = "AES-128-GCM",
		[ENN_AEAD_AES_256_GCM] = "AES-256-GCM",
		[ENN_AEAD_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
	};
	static const char *const digests[ENN_HASH_COUNT] = {
		[ENN_HASH_SHA256] = "SHA2-256",
		[ENN_HASH_SHA384] = "SHA2-384",
		[ENN_HASH_SHA512] = "SHA2-512",
	};

	static const char *const masks[] = {"AES-128-ECB", "AES-256-ECB", "ChaCha20"};

	for (size_t i = 0; i < ENN_AEAD_COUNT; i++) {
		c->cipher[i] = EVP_CIPHER_fetch(NULL, ciphers[i], NULL);
		if (c->cipher[i] == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(c->mask); i++) {
		c->mask[i] = EVP_CIPHER_fetch(NULL, masks[i], NULL);
		if (c->mask[i] == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < ENN_HASH_COUNT; i++) {
		c->md[i] = EVP_MD_fetch(NULL, digests[i], NULL);
		if (c->md[i] == NULL) {
			return false;
		}
	}
	return true;
}

static bool fetch_key_exchange(struct enn_crypto *c)
{
	c->x25519 = enn_x25519_open();
	c->group[ENN_KX_P256] = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	c->group[ENN_KX_P384] = EC_GROUP_new_by_curve_name(NID_secp384r1);
	c->bn = BN_CTX_secure_new();
	return c->x25519 != NULL && c->group[ENN_KX_P256] != NULL &&
	       c->group[ENN_KX_P384] != NULL && c->bn != NULL;
}

static enum enn_status open_backend(struct enn_crypto *c, enum enn_crypto_backend backend)
{
	if (backend == ENN_CRYPTO_LIBCRYPTO) {
		return ENN_OK;
	}
	enum enn_status status = enn_ipsec_mb_open(c, backend == ENN_CRYPTO_IPSEC_MB);
	/* Automatic choice: whatever keeps ipsec-mb from working is a reason to do without. */
	return backend == ENN_CRYPTO_AUTO && status == ENN_E_UNSUPPORTED ? ENN_OK : status;
}

static void describe(struct enn_crypto *c)
{
	char multi_buffer[64] = "";
	if (c->mb != NULL) {
		enn_ipsec_mb_describe(c, multi_buffer, sizeof(multi_buffer));
	}
	(void)snprintf(c->description, sizeof(c->description), "%s%s%s", multi_buffer,
		       multi_buffer[0] == '\0' ? "" : ", ", OpenSSL_version(OPENSSL_VERSION));
}

enum enn_status enn_crypto_new(enum enn_crypto_backend backend, struct enn_crypto **out)
{
	struct enn_crypto *c = calloc(1, sizeof(*c));
	enum enn_status status = ENN_OK;

	*out = NULL;
	if (c == NULL) {
		return ENN_E_MEMORY;
	}
	/* The algorithms are in every default provider: a failure here is memory, or a libcrypto
	 * configured without them. */
	if (!fetch_symmetric(c) || !fetch_key_exchange(c)) {
		status = ENN_E_UNSUPPORTED;
	} else {
		status = open_backend(c, backend);
	}
	if (status != ENN_OK) {
		enn_crypto_free(c);
		return status;
	}
	describe(c);
	*out = c;
	return ENN_OK;
}

void enn_crypto_free(struct enn_crypto *c)
{
	if (c == NULL) {
		return;
	}
	enn_ipsec_mb_close(c);
	for (size_t i = 0; i < ENN_AEAD_COUNT; i++) {
		EVP_CIPHER_free(c->cipher[i]);
	}
	for (size_t i = 0; i < ENN_HASH_COUNT; i++) {
		EVP_MD_free(c->md[i]);
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(c->mask); i++) {
		EVP_CIPHER_free(c->mask[i]);
	}
	enn_x25519_close(c->x25519);
	for (size_t i = 0; i < ENN_KX_HYBRID; i++) {
		EC_GROUP_free(c->group[i]);
	}
	BN_CTX_free(c->bn);
	free(c);
}

const char *enn_crypto_describe(const struct enn_crypto *crypto)
{
	return crypto->description;
}
