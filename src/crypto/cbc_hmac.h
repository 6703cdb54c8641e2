/* SPDX-License-Identifier: Apache-2.0
 *
 * AES in CBC mode with HMAC over the ciphertext (encrypt-then-MAC, RFC 7366), for the legacy suites of TLS 1.2,
 * in the shape of an AEAD: the nonce is the initialisation vector, which the caller draws at random; the tag is
 *
 *   HMAC(MAC key, additional data ‖ initialisation vector ‖ ciphertext)
 *
 * The plaintext with its trailer must be whole blocks: padding is the caller's. The key is the cipher's, then
 * the MAC's. The tag is compared, in constant time, before anything is decrypted.
 */
#ifndef ENN_CRYPTO_CBC_HMAC_H
#define ENN_CRYPTO_CBC_HMAC_H

#include "crypto/aead_backend.h"

/* NULL: no such combination. */
const struct enn_aead_backend *enn_cbc_hmac(enum enn_aead_id id);

#endif
