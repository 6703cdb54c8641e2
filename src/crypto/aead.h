/* SPDX-License-Identifier: Apache-2.0
 *
 * Authenticated encryption (RFC 5116), single and in batches.
 *
 * Two back ends give the same bytes: ipsec-mb (multi-buffer, chosen at run time)
 * and libcrypto. Nothing here allocates after enn_aead_new.
 */
#ifndef ENN_CRYPTO_AEAD_H
#define ENN_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "crypto/alg.h"

/* A keyed AEAD for one direction. Owned; free wipes. */
struct enn_aead;

enum enn_aead_direction { ENN_AEAD_SEAL, ENN_AEAD_OPEN };

/* key is alg->key_len bytes, then alg->mac_key_len. Memory comes from env. ENN_E_MEMORY, ENN_E_CRYPTO. */
enum enn_status enn_aead_new(const struct enn_env *env, const struct enn_aead_alg *alg,
			     enum enn_aead_direction direction, const uint8_t *key,
			     struct enn_aead **out);
void enn_aead_free(const struct enn_env *env, struct enn_aead *aead);
const struct enn_aead_alg *enn_aead_algorithm(const struct enn_aead *aead);
/* Replaces the key without allocating. ENN_E_CRYPTO. */
enum enn_status enn_aead_rekey(struct enn_aead *aead, const uint8_t *key);

/* One packet. Sealing: the plaintext is in[0..in_len) followed by trailer[0..trailer_len) (TLS
 * 1.3's content type and padding; may be empty), out gets in_len + trailer_len bytes of
 * ciphertext followed by the tag. Opening: in is ciphertext and tag, in_len includes the tag;
 * out gets in_len - tag_len bytes. out may be equal to in, and must not overlap it otherwise. On
 * failure to open, out is wiped. */
struct enn_aead_job {
	const uint8_t *nonce; /* alg->nonce_len bytes */
	const uint8_t *aad;
	size_t aad_len;
	const uint8_t *in;
	size_t in_len;
	const uint8_t *trailer; /* sealing only */
	size_t trailer_len;
	uint8_t *out;
	enum enn_status status; /* set by the batch calls: ENN_OK or ENN_E_CRYPTO */
};

/* ENN_E_CRYPTO: sealing failed inside the library, or the tag does not fit (compared in constant
 * time). */
enum enn_status enn_aead_seal(struct enn_aead *aead, struct enn_aead_job *job);
enum enn_status enn_aead_open(struct enn_aead *aead, struct enn_aead_job *job);

/* Many packets with one key (all of one batch), each with a result of its own. */
void enn_aead_seal_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);
void enn_aead_open_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);

/* The nonce of TLS 1.3, QUIC and others: iv XOR sequence number, padded left (RFC 8446 §5.3). */
static inline void enn_aead_nonce(uint8_t nonce[12], const uint8_t iv[12], uint64_t sequence)
{
	for (int i = 0; i < 4; i++) {
		nonce[i] = iv[i];
	}
	for (int i = 0; i < 8; i++) {
		nonce[4 + i] = (uint8_t)(iv[4 + i] ^ (uint8_t)(sequence >> (56 - 8 * i)));
	}
}

#endif
