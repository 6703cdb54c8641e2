/* SPDX-License-Identifier: Apache-2.0
 *
 * Ephemeral key exchange: X25519 (RFC 7748), ECDH over P-256 and P-384, and hybrids of these with ML-KEM-768
 * (draft-ietf-tls-ecdhe-mlkem), which an attacker has to break both of.
 *
 * The initiator keeps a key between its two steps; the responder does both at
 * once, which is also the shape of a KEM.
 */
#ifndef ENN_CRYPTO_KX_H
#define ENN_CRYPTO_KX_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "crypto/alg.h"

struct enn_kx_key;

/* Makes an ephemeral key; with env->random, from that source alone (X25519: 32 bytes become the
 * private key as they are; P-256 and P-384: secret_len bytes are the scalar, drawn again while
 * it is 0 or not below the order; a hybrid draws for ML-KEM, 64 bytes, behind that). public gets
 * alg->public_len bytes. */
enum enn_status enn_kx_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				struct enn_kx_key **out, uint8_t *public_key);
/* peer's is a reply. secret gets alg->secret_len bytes. ENN_E_CRYPTO: peer's key is of the wrong length or form,
 * not on the curve, or gives the all-zero secret (RFC 7748 §6.1). */
enum enn_status enn_kx_derive(struct enn_kx_key *key, const uint8_t *peer, size_t peer_len,
			      uint8_t *secret);
/* Generates, writes its reply of alg->reply_len bytes, derives, forgets. ENN_E_SYSTEM: no key could be made;
 * ENN_E_CRYPTO: the peer's is not valid. */
enum enn_status enn_kx_respond(const struct enn_env *env, const struct enn_kx_alg *alg,
			       const uint8_t *peer, size_t peer_len, uint8_t *public_key,
			       uint8_t *secret);
const struct enn_kx_alg *enn_kx_key_alg(const struct enn_kx_key *key);
void enn_kx_free(struct enn_kx_key *key); /* NULL is legal */

#endif
