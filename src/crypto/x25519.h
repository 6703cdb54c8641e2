/* SPDX-License-Identifier: Apache-2.0
 *
 * X25519 with raw keys (RFC 7748). kx.h has the form of it that the TLS handshake uses.
 */
#ifndef ENN_CRYPTO_X25519_H
#define ENN_CRYPTO_X25519_H

#include <stdint.h>

#include "base/mem.h"

#define ENN_X25519 32

/* A private key that is used more than once. Belongs to the thread of env. */
struct enn_x25519_key;
/* ENN_E_MEMORY. */
enum enn_status enn_x25519_key_new(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				   struct enn_x25519_key **out);
/* Wipes; NULL is legal. */
void enn_x25519_key_free(const struct enn_env *env, struct enn_x25519_key *key);
enum enn_status enn_x25519_key_public(const struct enn_env *env, struct enn_x25519_key *key,
				      uint8_t public_key[ENN_X25519]);
enum enn_status enn_x25519_key_derive(const struct enn_env *env, struct enn_x25519_key *key,
				      const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519]);

/* The same with a key that is used once. ENN_E_CRYPTO, ENN_E_MEMORY. */
enum enn_status enn_x25519_public(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				  uint8_t public_key[ENN_X25519]);
/* ENN_E_CRYPTO also for the all-zero secret (RFC 7748 §6.1); secret is wiped then. */
enum enn_status enn_x25519(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
			   const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519]);

#endif
