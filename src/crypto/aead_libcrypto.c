/* SPDX-License-Identifier: Apache-2.0
 *
 * AEAD through libcrypto: the full fallback. One EVP context per key; a packet
 * sets only its nonce.
 */
#include <limits.h>
#include <openssl/evp.h>

#include "base/compiler.h"
#include "crypto/aead_backend.h"

struct state {
	EVP_CIPHER_CTX *ctx;
};

static enum enn_status rekey(struct enn_aead *aead, const uint8_t *key)
{
	struct state *s = aead->state;
	int sealing = aead->direction == ENN_AEAD_SEAL;

	return EVP_CipherInit_ex(s->ctx, NULL, NULL, key, NULL, sealing) == 1 ? ENN_OK
									      : ENN_E_CRYPTO;
}

static void done(struct enn_aead *aead)
{
	struct state *s = aead->state;
	EVP_CIPHER_CTX_free(s->ctx); /* wipes the key */
	s->ctx = NULL;
}

static enum enn_status init(struct enn_aead *aead, const uint8_t *key)
{
	struct state *s = aead->state;
	int sealing = aead->direction == ENN_AEAD_SEAL;

	s->ctx = EVP_CIPHER_CTX_new();
	if (s->ctx == NULL) {
		return ENN_E_MEMORY;
	}
	if (EVP_CipherInit_ex(s->ctx, aead->crypto->cipher[aead->alg->id], NULL, NULL, NULL,
			      sealing) != 1 ||
	    rekey(aead, key) != ENN_OK) {
		done(aead);
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

/* EVP counts in int, and a NULL output means that the input is AAD: nothing is fed when empty. */
static bool feed(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len)
{
	int n;
	return len == 0 || EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1;
}

static bool begin(EVP_CIPHER_CTX *ctx, const struct enn_aead_job *job)
{
	if (job->in_len > INT_MAX || job->trailer_len > INT_MAX || job->aad_len > INT_MAX) {
		return false;
	}
	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, job->nonce, -1) == 1 &&
	       feed(ctx, NULL, job->aad, job->aad_len);
}

static enum enn_status seal(struct enn_aead *aead, struct enn_aead_job *job)
{
	EVP_CIPHER_CTX *ctx = ((struct state *)aead->state)->ctx;
	uint8_t *tag = job->out + job->in_len + job->trailer_len;
	int n;

	if (!begin(ctx, job) || !feed(ctx, job->out, job->in, job->in_len) ||
	    !feed(ctx, job->out + job->in_len, job->trailer, job->trailer_len) ||
	    EVP_CipherFinal_ex(ctx, tag, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, aead->alg->tag_len, tag) != 1) {
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

static enum enn_status open(struct enn_aead *aead, struct enn_aead_job *job)
{
	EVP_CIPHER_CTX *ctx = ((struct state *)aead->state)->ctx;
	size_t len = job->in_len - aead->alg->tag_len;
	uint8_t tag[ENN_MAX_AEAD_TAG];
	uint8_t none;
	int n;

	memcpy(tag, job->in + len, aead->alg->tag_len);
	if (!begin(ctx, job) || !feed(ctx, job->out, job->in, len) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, aead->alg->tag_len, tag) != 1 ||
	    EVP_CipherFinal_ex(ctx, &none, &n) != 1) {
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

static const struct enn_aead_backend libcrypto = {
	.state_len = sizeof(struct state),
	.state_align = 16,
	.init = init,
	.rekey = rekey,
	.done = done,
	.seal = seal,
	.open = open,
};

const struct enn_aead_backend *enn_aead_libcrypto(enum enn_aead_id id)
{
	return id < ENN_AEAD_COUNT ? &libcrypto : NULL;
}
