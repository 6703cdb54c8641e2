/* SPDX-License-Identifier: Apache-2.0
 *
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): the AEAD with a nonce that is long
 * enough to be random. Through libsodium.
 */
#ifndef ENN_CRYPTO_XCHACHA_H
#define ENN_CRYPTO_XCHACHA_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define ENN_XCHACHA_KEY	  32
#define ENN_XCHACHA_NONCE 24
#define ENN_XCHACHA_TAG	  16

/* out gets len + 16 bytes. */
void enn_xchacha_seal(const uint8_t key[ENN_XCHACHA_KEY], const uint8_t nonce[ENN_XCHACHA_NONCE],
		      struct enn_bytes aad, const uint8_t *in, size_t len, uint8_t *out);
/* len includes the tag; out gets len - 16 bytes, and is wiped on ENN_E_CRYPTO. */
enum enn_status enn_xchacha_open(const uint8_t key[ENN_XCHACHA_KEY],
				 const uint8_t nonce[ENN_XCHACHA_NONCE], struct enn_bytes aad,
				 const uint8_t *in, size_t len, uint8_t *out);

#endif
