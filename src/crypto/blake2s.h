/* SPDX-License-Identifier: Apache-2.0
 *
 * BLAKE2s (RFC 7693), HMAC over it, and the key derivation of the Noise framework.
 *
 * Through a library's BLAKE2s. Nothing here allocates. ENN_E_CRYPTO: the library failed.
 */
#ifndef ENN_CRYPTO_BLAKE2S_H
#define ENN_CRYPTO_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define ENN_BLAKE2S	32
#define ENN_BLAKE2S_MAC 16

/* BLAKE2s-256 over the pieces, one after the other. out may be one of the pieces. */
enum enn_status enn_blake2s(const struct enn_env *env, const struct enn_bytes *pieces, size_t count,
			    uint8_t out[ENN_BLAKE2S]);
/* Keyed BLAKE2s with 16 bytes of output; key_len at most 32. */
enum enn_status enn_blake2s_mac(const struct enn_env *env, const uint8_t *key, size_t key_len,
				const void *data, size_t len, uint8_t out[ENN_BLAKE2S_MAC]);
/* HMAC-BLAKE2s-256; the key has 32 bytes. */
enum enn_status enn_blake2s_hmac(const struct enn_env *env, const uint8_t key[ENN_BLAKE2S],
				 const void *data, size_t len, uint8_t out[ENN_BLAKE2S]);
/* The Noise HKDF with one to three outputs of 32 bytes (NULL: not wanted; the later ones first). out1
 * may be key. input may be empty. */
enum enn_status enn_blake2s_kdf(const struct enn_env *env, const uint8_t key[ENN_BLAKE2S],
				const void *input, size_t len, uint8_t *out1, uint8_t *out2,
				uint8_t *out3);

#endif
