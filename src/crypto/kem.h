/* SPDX-License-Identifier: Apache-2.0
 *
 * ML-KEM-768 (FIPS 203) through libcrypto, which has it from 3.5 on: what is there is found at run time, so that one
 * build serves with any. Private to src/crypto: kx.c makes hybrid groups of it.
 */
#ifndef ENN_CRYPTO_KEM_H
#define ENN_CRYPTO_KEM_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

#define ENN_KEM_PUBLIC	   1184u /* the encapsulation key */
#define ENN_KEM_CIPHERTEXT 1088u
#define ENN_KEM_SECRET	   32u

bool enn_kem_available(void);
/* With env->random, from 64 bytes of that source alone (d and z of FIPS 203 §7.1). ENN_E_CRYPTO. */
enum enn_status enn_kem_generate(const struct enn_env *env, EVP_PKEY **out,
				 uint8_t public_key[ENN_KEM_PUBLIC]);
/* With env->random, from 32 bytes of it. ENN_E_SYSTEM: no randomness; ENN_E_CRYPTO: no valid encapsulation key
 * (§7.2: a coefficient that is not reduced). */
enum enn_status enn_kem_encapsulate(const struct enn_env *env,
				    const uint8_t public_key[ENN_KEM_PUBLIC],
				    uint8_t ciphertext[ENN_KEM_CIPHERTEXT],
				    uint8_t secret[ENN_KEM_SECRET]);
/* A ciphertext that is not for this key gives another secret, not an error (§7.3). */
enum enn_status enn_kem_decapsulate(EVP_PKEY *key, const uint8_t ciphertext[ENN_KEM_CIPHERTEXT],
				    uint8_t secret[ENN_KEM_SECRET]);

#endif
