/* SPDX-License-Identifier: Apache-2.0
 *
 * XChaCha20-Poly1305 through libsodium.
 */
#include "crypto/xchacha.h"

#include <sodium.h>

void enn_xchacha_seal(const uint8_t key[ENN_XCHACHA_KEY], const uint8_t nonce[ENN_XCHACHA_NONCE],
		      struct enn_bytes aad, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, len, aad.data, aad.len,
							 NULL, nonce, key);
}

enum enn_status enn_xchacha_open(const uint8_t key[ENN_XCHACHA_KEY],
				 const uint8_t nonce[ENN_XCHACHA_NONCE], struct enn_bytes aad,
				 const uint8_t *in, size_t len, uint8_t *out)
{
	if (len < ENN_XCHACHA_TAG) {
		return ENN_E_CRYPTO;
	}
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, aad.data, aad.len,
						       nonce, key) != 0) {
		enn_wipe(out, len - ENN_XCHACHA_TAG);
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}
