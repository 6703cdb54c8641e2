/* SPDX-License-Identifier: Apache-2.0
 *
 * The mask that hides a record's or packet's number: DTLS 1.3 (RFC 9147 §4.2.3), QUIC (RFC 9001 §5.4).
 */
#ifndef ENN_CRYPTO_MASK_H
#define ENN_CRYPTO_MASK_H

#include <stdint.h>

#include "base/mem.h"
#include "crypto/alg.h"

#define ENN_MASK_SAMPLE 16
#define ENN_MASK	16

/* A keyed mask. Owned; free wipes. Nothing allocates after new. */
struct enn_mask;

/* key is as long as the AEAD's. AES-ECB for AES-GCM; ChaCha20 with counter and nonce out of the sample for
 * ChaCha20-Poly1305. ENN_E_MEMORY. */
enum enn_status enn_mask_new(const struct enn_env *env, const struct enn_aead_alg *aead,
			     const uint8_t *key, struct enn_mask **out);
void enn_mask_free(const struct enn_env *env, struct enn_mask *mask); /* NULL is legal */
/* ENN_E_CRYPTO. */
enum enn_status enn_mask_make(struct enn_mask *mask, const uint8_t sample[ENN_MASK_SAMPLE],
			      uint8_t out[ENN_MASK]);

#endif
