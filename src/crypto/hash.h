/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes, HMAC (RFC 2104) and HKDF (RFC 5869) with the labels of RFC 8446 §7.1.
 *
 * The contexts are plain values without allocation: copy them by assignment to fork
 * a transcript, wipe them when done. None of these calls can fail.
 */
#ifndef ENN_CRYPTO_HASH_H
#define ENN_CRYPTO_HASH_H

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/alg.h"

struct enn_hash {
	const struct enn_hash_alg *alg;
	union {
		SHA256_CTX sha256;
		SHA512_CTX sha512; /* SHA-384 too */
	} u;
};

void enn_hash_init(struct enn_hash *h, const struct enn_hash_alg *alg);
void enn_hash_update(struct enn_hash *h, const void *data, size_t len);
/* Writes alg->len bytes; h must be initialised again before the next use. */
void enn_hash_final(struct enn_hash *h, uint8_t *out);
/* The hash so far, without disturbing h. */
void enn_hash_peek(const struct enn_hash *h, uint8_t *out);
void enn_hash_once(const struct enn_hash_alg *alg, const void *data, size_t len, uint8_t *out);

struct enn_hmac {
	struct enn_hash inner;
	struct enn_hash outer;
};
/* Keyed state: copy it to MAC several messages with one key. */
void enn_hmac_init(struct enn_hmac *m, const struct enn_hash_alg *alg, const uint8_t *key,
		   size_t key_len);
void enn_hmac_update(struct enn_hmac *m, const void *data, size_t len);
void enn_hmac_final(struct enn_hmac *m, uint8_t *out); /* wipes m */
void enn_hmac_once(const struct enn_hash_alg *alg, const uint8_t *key, size_t key_len,
		   const void *data, size_t len, uint8_t *out);

/* salt NULL is alg->len zeros. prk is alg->len bytes. */
void enn_hkdf_extract(const struct enn_hash_alg *alg, const uint8_t *salt, size_t salt_len,
		      const uint8_t *ikm, size_t ikm_len, uint8_t *prk);
/* out_len <= 255 * alg->len. prk is alg->len bytes unless prk_len says otherwise. */
void enn_hkdf_expand(const struct enn_hash_alg *alg, const uint8_t *prk, size_t prk_len,
		     const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len);
/* HKDF-Expand-Label(secret, label, context, out_len). prefix is "tls13 " or "dtls13";
 * prefix and label together at most 255 bytes, context at most 255. secret is alg->len bytes. */
void enn_hkdf_expand_label(const struct enn_hash_alg *alg, const uint8_t *secret,
			   const char *prefix, const char *label, const uint8_t *context,
			   size_t context_len, uint8_t *out, size_t out_len);
/* The same with a secret that enn_hmac_init has taken already: for several labels of one secret. */
void enn_hkdf_expand_label_keyed(const struct enn_hmac *secret, const char *prefix,
				 const char *label, const uint8_t *context, size_t context_len,
				 uint8_t *out, size_t out_len);

#endif
