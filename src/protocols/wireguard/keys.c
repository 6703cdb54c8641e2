/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as people handle them: made, derived, and as text.
 */
#include <sodium.h>
#include <string.h>

#include "base/compiler.h"
#include "crypto/x25519.h"
#include "ennead/wireguard.h"

enum enn_status enn_wireguard_generate_key(const struct enn_env *env,
					   uint8_t private_key[ENN_WIREGUARD_KEY])
{
	ENN_TRY(enn_random(env, private_key, ENN_WIREGUARD_KEY));
	private_key[0] &= 248;
	private_key[31] = (uint8_t)((private_key[31] & 127) | 64);
	return ENN_OK;
}

enum enn_status enn_wireguard_public_key(const struct enn_env *env,
					 const uint8_t private_key[ENN_WIREGUARD_KEY],
					 uint8_t public_key[ENN_WIREGUARD_KEY])
{
	return enn_x25519_public(env, private_key, public_key);
}

void enn_wireguard_key_encode(const uint8_t key[ENN_WIREGUARD_KEY],
			      char out[ENN_WIREGUARD_KEY_TEXT])
{
	(void)sodium_bin2base64(out, ENN_WIREGUARD_KEY_TEXT, key, ENN_WIREGUARD_KEY,
				sodium_base64_VARIANT_ORIGINAL);
}

enum enn_status enn_wireguard_key_decode(const char *text, size_t len,
					 uint8_t key[ENN_WIREGUARD_KEY])
{
	uint8_t out[ENN_WIREGUARD_KEY];
	size_t out_len = 0;

	if (text == NULL || len != ENN_WIREGUARD_KEY_TEXT - 1 ||
	    sodium_base642bin(out, sizeof(out), text, len, NULL, &out_len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    out_len != sizeof(out)) {
		sodium_memzero(out, sizeof(out));
		return ENN_E_PARSE;
	}
	memcpy(key, out, sizeof(out));
	sodium_memzero(out, sizeof(out));
	return ENN_OK;
}
