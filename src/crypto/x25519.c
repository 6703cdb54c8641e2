/* SPDX-License-Identifier: Apache-2.0
 *
 * X25519 with raw keys through libcrypto.
 */
#include "crypto/x25519.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/compiler.h"
#include "crypto/crypto.h"

static const uint8_t base_point[ENN_X25519] = {9};

/* As in kx.c: with a public key that is given, libcrypto does not compute one. */
static EVP_PKEY_CTX *context_of(const struct enn_crypto *crypto, const uint8_t *private_key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)private_key,
						  ENN_X25519),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)base_point,
						  ENN_X25519),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = NULL;

	if (EVP_PKEY_fromdata(crypto->x25519_maker, &key, EVP_PKEY_KEYPAIR, params) == 1) {
		ctx = EVP_PKEY_CTX_new(key, NULL);
	}
	EVP_PKEY_free(key);
	if (ctx != NULL && EVP_PKEY_derive_init(ctx) != 1) {
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* The key is its context. */
static EVP_PKEY_CTX *inside(struct enn_x25519_key *key)
{
	return (EVP_PKEY_CTX *)key;
}

enum enn_status enn_x25519_key_new(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				   struct enn_x25519_key **out)
{
	*out = (struct enn_x25519_key *)context_of(env->crypto, private_key);
	return *out == NULL ? ENN_E_MEMORY : ENN_OK;
}

void enn_x25519_key_free(struct enn_x25519_key *key)
{
	EVP_PKEY_CTX_free(inside(key));
}

static enum enn_status derive(struct enn_x25519_key *key, EVP_PKEY *peer, uint8_t *out)
{
	size_t len = ENN_X25519;

	/* libcrypto refuses the all-zero secret (RFC 7748 §6.1). */
	if (EVP_PKEY_derive_set_peer_ex(inside(key), peer, 0) != 1 ||
	    EVP_PKEY_derive(inside(key), out, &len) != 1) {
		enn_wipe(out, ENN_X25519);
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

enum enn_status enn_x25519_key_public(const struct enn_env *env, struct enn_x25519_key *key,
				      uint8_t public_key[ENN_X25519])
{
	return derive(key, env->crypto->x25519_base, public_key);
}

enum enn_status enn_x25519_key_derive(const struct enn_env *env, struct enn_x25519_key *key,
				      const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519])
{
	if (EVP_PKEY_set1_encoded_public_key(env->crypto->x25519_peer, peer, ENN_X25519) != 1) {
		enn_wipe(secret, ENN_X25519);
		return ENN_E_CRYPTO;
	}
	return derive(key, env->crypto->x25519_peer, secret);
}

enum enn_status enn_x25519_public(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				  uint8_t public_key[ENN_X25519])
{
	struct enn_x25519_key *key;

	ENN_TRY(enn_x25519_key_new(env, private_key, &key));
	enum enn_status status = enn_x25519_key_public(env, key, public_key);
	enn_x25519_key_free(key);
	return status;
}

enum enn_status enn_x25519(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
			   const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519])
{
	struct enn_x25519_key *key;

	ENN_TRY(enn_x25519_key_new(env, private_key, &key));
	enum enn_status status = enn_x25519_key_derive(env, key, peer, secret);
	enn_x25519_key_free(key);
	return status;
}
