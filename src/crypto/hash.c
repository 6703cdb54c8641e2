/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-2 on libcrypto's plain functions.
 *
 * These are deprecated in OpenSSL 3 in favour of EVP. They stay here because an EVP digest
 * allocates a context for each use and dispatches through a provider, which costs several times
 * the two or three compressions that one step of HKDF needs, and because plain values make
 * forking a transcript an assignment.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/hash.h"

#include "base/mem.h"

void enn_hash_init(struct enn_hash *h, const struct enn_hash_alg *alg)
{
	h->alg = alg;
	switch (alg->id) {
	case ENN_HASH_SHA256:
		(void)SHA256_Init(&h->u.sha256);
		break;
	case ENN_HASH_SHA384:
		(void)SHA384_Init(&h->u.sha512);
		break;
	case ENN_HASH_SHA512:
	case ENN_HASH_COUNT:
		(void)SHA512_Init(&h->u.sha512);
		break;
	}
}

void enn_hash_update(struct enn_hash *h, const void *data, size_t len)
{
	if (len == 0) {
		return;
	}
	if (h->alg->id == ENN_HASH_SHA256) {
		(void)SHA256_Update(&h->u.sha256, data, len);
	} else {
		(void)SHA512_Update(&h->u.sha512, data, len);
	}
}

void enn_hash_final(struct enn_hash *h, uint8_t *out)
{
	if (h->alg->id == ENN_HASH_SHA256) {
		(void)SHA256_Final(out, &h->u.sha256);
	} else {
		/* The context remembers its digest length, so this is SHA-384 too. */
		(void)SHA512_Final(out, &h->u.sha512);
	}
}

void enn_hash_peek(const struct enn_hash *h, uint8_t *out)
{
	struct enn_hash copy = *h;
	enn_hash_final(&copy, out);
	enn_wipe(&copy, sizeof(copy));
}

void enn_hash_once(const struct enn_hash_alg *alg, const void *data, size_t len, uint8_t *out)
{
	struct enn_hash h;
	enn_hash_init(&h, alg);
	enn_hash_update(&h, data, len);
	enn_hash_final(&h, out);
	enn_wipe(&h, sizeof(h));
}
