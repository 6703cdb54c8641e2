/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-CBC with HMAC over the ciphertext, through libcrypto.
 */
#include "crypto/cbc_hmac.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>

#include "base/compiler.h"

#define BLOCK 16u

struct state {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac;
};

static const char *digest_name(enum enn_aead_id id)
{
	switch (id) {
	case ENN_CBC_AES_128_SHA256:
		return "SHA2-256";
	case ENN_CBC_AES_256_SHA384:
		return "SHA2-384";
	default:
		return "SHA1";
	}
}

static enum enn_status rekey(struct enn_aead *aead, const uint8_t *key)
{
	struct state *s = aead->state;
	const struct enn_aead_alg *alg = aead->alg;

	return EVP_CipherInit_ex(s->cipher, NULL, NULL, key, NULL, -1) == 1 &&
			       EVP_MAC_init(s->mac, key + alg->key_len, alg->mac_key_len, NULL) == 1
		       ? ENN_OK
		       : ENN_E_CRYPTO;
}

static void done(struct enn_aead *aead)
{
	struct state *s = aead->state;

	EVP_CIPHER_CTX_free(s->cipher); /* both wipe their keys */
	EVP_MAC_CTX_free(s->mac);
	s->cipher = NULL;
	s->mac = NULL;
}

static bool open_cipher(struct enn_aead *aead)
{
	struct state *s = aead->state;
	const char *name = aead->alg->key_len == 16 ? "AES-128-CBC" : "AES-256-CBC";
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	bool ok = cipher != NULL && s->cipher != NULL &&
		  EVP_CipherInit_ex(s->cipher, cipher, NULL, NULL, NULL,
				    aead->direction == ENN_AEAD_SEAL) == 1 &&
		  EVP_CIPHER_CTX_set_padding(s->cipher, 0) == 1;

	EVP_CIPHER_free(cipher);
	return ok;
}

static bool open_mac(struct enn_aead *aead)
{
	struct state *s = aead->state;
	char digest[16];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	(void)snprintf(digest, sizeof(digest), "%s", digest_name(aead->alg->id));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	s->mac = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	return s->mac != NULL && EVP_MAC_CTX_set_params(s->mac, params) == 1;
}

static enum enn_status init(struct enn_aead *aead, const uint8_t *key)
{
	struct state *s = aead->state;

	s->cipher = EVP_CIPHER_CTX_new();
	if (!open_cipher(aead) || !open_mac(aead) || rekey(aead, key) != ENN_OK) {
		done(aead);
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

static enum enn_status compute_mac(const struct enn_aead *aead, const struct enn_aead_job *job,
				   const uint8_t *ciphertext, size_t len, uint8_t tag[ENN_MAX_HASH])
{
	EVP_MAC_CTX *mac = ((struct state *)aead->state)->mac;
	size_t n = 0;

	/* no key given: the one it has, from the start */
	return EVP_MAC_init(mac, NULL, 0, NULL) == 1 &&
			       EVP_MAC_update(mac, job->aad, job->aad_len) == 1 &&
			       EVP_MAC_update(mac, job->nonce, BLOCK) == 1 &&
			       EVP_MAC_update(mac, ciphertext, len) == 1 &&
			       EVP_MAC_final(mac, tag, &n, ENN_MAX_HASH) == 1 &&
			       n == aead->alg->tag_len
		       ? ENN_OK
		       : ENN_E_CRYPTO;
}

static bool feed(EVP_CIPHER_CTX *ctx, uint8_t **out, const uint8_t *in, size_t len)
{
	int n = 0;

	if (len > 0 && EVP_CipherUpdate(ctx, *out, &n, in, (int)len) != 1) {
		return false;
	}
	*out += n;
	return true;
}

static enum enn_status seal(struct enn_aead *aead, struct enn_aead_job *job)
{
	EVP_CIPHER_CTX *ctx = ((struct state *)aead->state)->cipher;
	size_t len = job->in_len + job->trailer_len;
	uint8_t last[2 * BLOCK];
	size_t whole = job->in_len / BLOCK * BLOCK;
	size_t rest = job->in_len - whole;
	uint8_t *at = job->out;

	if (len > INT_MAX || len % BLOCK != 0 || rest + job->trailer_len > sizeof(last)) {
		return ENN_E_CRYPTO;
	}
	/* The block that content and padding share is put together aside: the input is not ours to write to. */
	if (rest > 0) {
		memcpy(last, job->in + whole, rest);
	}
	if (job->trailer_len > 0) {
		memcpy(last + rest, job->trailer, job->trailer_len);
	}
	bool ok = EVP_CipherInit_ex(ctx, NULL, NULL, NULL, job->nonce, -1) == 1 &&
		  feed(ctx, &at, job->in, whole) && feed(ctx, &at, last, rest + job->trailer_len) &&
		  at == job->out + len;
	enn_wipe(last, sizeof(last));
	if (!ok) {
		return ENN_E_CRYPTO;
	}
	uint8_t tag[ENN_MAX_HASH];
	ENN_TRY(compute_mac(aead, job, job->out, len, tag));
	memcpy(job->out + len, tag, aead->alg->tag_len);
	return ENN_OK;
}

static enum enn_status open(struct enn_aead *aead, struct enn_aead_job *job)
{
	EVP_CIPHER_CTX *ctx = ((struct state *)aead->state)->cipher;
	size_t len = job->in_len - aead->alg->tag_len;
	uint8_t tag[ENN_MAX_HASH];
	uint8_t *at = job->out;

	ENN_TRY(compute_mac(aead, job, job->in, len, tag));
	if (!enn_equal_secret(tag, job->in + len, aead->alg->tag_len) || len > INT_MAX ||
	    len % BLOCK != 0) {
		return ENN_E_CRYPTO;
	}
	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, job->nonce, -1) == 1 &&
			       feed(ctx, &at, job->in, len) && at == job->out + len
		       ? ENN_OK
		       : ENN_E_CRYPTO;
}

static const struct enn_aead_backend cbc_hmac = {
	.state_len = sizeof(struct state),
	.state_align = 16,
	.init = init,
	.rekey = rekey,
	.done = done,
	.seal = seal,
	.open = open,
};

const struct enn_aead_backend *enn_cbc_hmac(enum enn_aead_id id)
{
	return id >= ENN_AEAD_COUNT && id < ENN_CBC_END ? &cbc_hmac : NULL;
}
