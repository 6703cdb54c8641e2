/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks through libcrypto.
 */
#include "crypto/mask.h"

#include <openssl/evp.h>

#include "base/compiler.h"
#include "crypto/crypto.h"

struct enn_mask {
	EVP_CIPHER_CTX *ctx;
	bool stream; /* ChaCha20: the sample is its counter and nonce */
};

static const EVP_CIPHER *cipher_of(const struct enn_crypto *crypto, const struct enn_aead_alg *aead)
{
	switch (aead->id) {
	case ENN_AEAD_AES_128_GCM:
		return crypto->mask[0];
	case ENN_AEAD_AES_256_GCM:
		return crypto->mask[1];
	case ENN_AEAD_CHACHA20_POLY1305:
		return crypto->mask[2];
	default:
		return NULL;
	}
}

enum enn_status enn_mask_new(const struct enn_env *env, const struct enn_aead_alg *aead,
			     const uint8_t *key, struct enn_mask **out)
{
	const EVP_CIPHER *cipher = cipher_of(env->crypto, aead);
	struct enn_mask *mask = cipher == NULL ? NULL : enn_alloc(env, sizeof(*mask));

	*out = NULL;
	if (mask == NULL) {
		return cipher == NULL ? ENN_E_UNSUPPORTED : ENN_E_MEMORY;
	}
	mask->stream = aead->id == ENN_AEAD_CHACHA20_POLY1305;
	mask->ctx = EVP_CIPHER_CTX_new();
	if (mask->ctx == NULL || EVP_EncryptInit_ex2(mask->ctx, cipher, key, NULL, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(mask->ctx, 0) != 1) {
		enn_mask_free(env, mask);
		return ENN_E_MEMORY;
	}
	*out = mask;
	return ENN_OK;
}

void enn_mask_free(const struct enn_env *env, struct enn_mask *mask)
{
	if (mask != NULL) {
		EVP_CIPHER_CTX_free(mask->ctx); /* wipes the key */
		enn_free(env, mask, sizeof(*mask));
	}
}

enum enn_status enn_mask_make(struct enn_mask *mask, const uint8_t sample[ENN_MASK_SAMPLE],
			      uint8_t out[ENN_MASK])
{
	static const uint8_t zeros[ENN_MASK];
	int n = 0;

	if (!mask->stream) {
		return EVP_EncryptUpdate(mask->ctx, out, &n, sample, ENN_MASK_SAMPLE) == 1
			       ? ENN_OK
			       : ENN_E_CRYPTO;
	}
	/* libcrypto's IV is the counter, little endian, and the nonce: just what the sample is. */
	return EVP_EncryptInit_ex2(mask->ctx, NULL, NULL, sample, NULL) == 1 &&
			       EVP_EncryptUpdate(mask->ctx, out, &n, zeros, sizeof(zeros)) == 1
		       ? ENN_OK
		       : ENN_E_CRYPTO;
}
