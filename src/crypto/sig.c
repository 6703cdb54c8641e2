/* SPDX-License-Identifier: Apache-2.0
 *
 * Signing and verifying. What is signed is hashed here (hash.h), so that libcrypto is asked only
 * for the public-key operation, on a context that stays set up.
 */
#include "crypto/sig.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/compiler.h"
#include "crypto/crypto.h"
#include "crypto/hash.h"
#include "crypto/sig_key.h"

typedef int (*init_fn)(EVP_PKEY_CTX *ctx);

static bool set_padding(EVP_PKEY_CTX *ctx, const struct enn_sig_alg *alg, const EVP_MD *md)
{
	if (alg->padding == ENN_SIG_NONE) {
		return true;
	}
	int mode = alg->padding == ENN_SIG_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
	if (EVP_PKEY_CTX_set_rsa_padding(ctx, mode) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0) {
		return false;
	}
	return alg->padding != ENN_SIG_PSS ||
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/* The key's context, set up for this scheme. A key is used either to sign or to verify, so the
 * scheme alone tells whether it must be set up again. */
static EVP_PKEY_CTX *context(const struct enn_env *env, struct enn_key *key,
			     const struct enn_sig_alg *alg, init_fn init)
{
	if (key->ctx != NULL && key->ctx_scheme == alg->tls_scheme) {
		return key->ctx;
	}
	if (key->ctx == NULL) {
		key->ctx = EVP_PKEY_CTX_new_from_pkey(key->library, key->pkey, NULL);
	}
	key->ctx_scheme = 0;
	if (key->ctx == NULL || init(key->ctx) <= 0 ||
	    !set_padding(key->ctx, alg, env->crypto->md[alg->hash])) {
		return NULL;
	}
	key->ctx_scheme = alg->tls_scheme;
	return key->ctx;
}

static enum enn_status sign_whole(struct enn_key *key, const uint8_t *data, size_t len,
				  uint8_t *sig, size_t *sig_len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, key->pkey) == 1 &&
		  EVP_DigestSign(md, sig, sig_len, data, len) == 1;
	EVP_MD_CTX_free(md);
	return ok ? ENN_OK : ENN_E_CRYPTO;
}

static enum enn_status verify_whole(struct enn_key *key, const uint8_t *data, size_t len,
				    const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, key->pkey) == 1 &&
		  EVP_DigestVerify(md, sig, sig_len, data, len) == 1;
	EVP_MD_CTX_free(md);
	return ok ? ENN_OK : ENN_E_CRYPTO;
}

static enum enn_status sign(const struct enn_env *env, const struct enn_sig_alg *alg,
			    struct enn_private_key *key, const uint8_t *data, size_t len,
			    uint8_t *sig, size_t *sig_len)
{
	uint8_t digest[ENN_MAX_HASH];
	enum enn_status status = ENN_E_CRYPTO;
	const size_t room = *sig_len;

	ERR_set_mark();
	if (alg->hash < 0) {
		status = sign_whole(&key->key, data, len, sig, sig_len);
	} else {
		const struct enn_hash_alg *hash = enn_hash_alg((enum enn_hash_id)alg->hash);
		EVP_PKEY_CTX *ctx = context(env, &key->key, alg, EVP_PKEY_sign_init);
		enn_hash_once(hash, data, len, digest);
		if (ctx != NULL && EVP_PKEY_sign(ctx, sig, sig_len, digest, hash->len) == 1) {
			status = ENN_OK;
		}
	}
	ERR_pop_to_mark();
	/* Out of memory, ECDSA in libcrypto 3.0 answers success with a length of (unsigned)-1. */
	return status == ENN_OK && (*sig_len == 0 || *sig_len > room) ? ENN_E_CRYPTO : status;
}

enum enn_status enn_sign(const struct enn_env *env, const struct enn_sig_alg *alg,
			 struct enn_private_key *key, const uint8_t *data, size_t len, uint8_t *sig,
			 size_t *sig_len)
{
	return enn_key_fits(alg, &key->key) ? sign(env, alg, key, data, len, sig, sig_len)
					    : ENN_E_CRYPTO;
}

static enum enn_status verify(const struct enn_env *env, const struct enn_sig_alg *alg,
			      struct enn_public_key *key, const uint8_t *data, size_t len,
			      const uint8_t *sig, size_t sig_len)
{
	uint8_t digest[ENN_MAX_HASH];
	enum enn_status status = ENN_E_CRYPTO;

	ERR_set_mark();
	if (alg->hash < 0) {
		status = verify_whole(&key->key, data, len, sig, sig_len);
	} else {
		const struct enn_hash_alg *hash = enn_hash_alg((enum enn_hash_id)alg->hash);
		EVP_PKEY_CTX *ctx = context(env, &key->key, alg, EVP_PKEY_verify_init);
		enn_hash_once(hash, data, len, digest);
		if (ctx != NULL && EVP_PKEY_verify(ctx, sig, sig_len, digest, hash->len) == 1) {
			status = ENN_OK;
		}
	}
	ERR_pop_to_mark();
	return status;
}

enum enn_status enn_verify(const struct enn_env *env, const struct enn_sig_alg *alg,
			   struct enn_public_key *key, const uint8_t *data, size_t len,
			   const uint8_t *sig, size_t sig_len)
{
	return enn_key_fits(alg, &key->key) ? verify(env, alg, key, data, len, sig, sig_len)
					    : ENN_E_CRYPTO;
}

static bool is_ecdsa(enum enn_key_type type)
{
	return type == ENN_KEY_P256 || type == ENN_KEY_P384;
}

static bool fits12(const struct enn_sig_alg *alg, const struct enn_key *key)
{
	return enn_key_fits(alg, key) || (is_ecdsa(alg->key) && is_ecdsa(key->type));
}

bool enn_sig_fits_private12(const struct enn_sig_alg *alg, const struct enn_private_key *key)
{
	return fits12(alg, &key->key);
}

bool enn_sig_fits_public12(const struct enn_sig_alg *alg, const struct enn_public_key *key)
{
	return fits12(alg, &key->key);
}

enum enn_status enn_sign12(const struct enn_env *env, const struct enn_sig_alg *alg,
			   struct enn_private_key *key, const uint8_t *data, size_t len,
			   uint8_t *sig, size_t *sig_len)
{
	return fits12(alg, &key->key) ? sign(env, alg, key, data, len, sig, sig_len) : ENN_E_CRYPTO;
}

enum enn_status enn_verify12(const struct enn_env *env, const struct enn_sig_alg *alg,
			     struct enn_public_key *key, const uint8_t *data, size_t len,
			     const uint8_t *sig, size_t sig_len)
{
	return enn_sig_fits_public12(alg, key) ? verify(env, alg, key, data, len, sig, sig_len)
					       : ENN_E_CRYPTO;
}

enum enn_status enn_ecdsa_signature_to_der(const uint8_t *raw, size_t raw_len, uint8_t *der,
					   size_t *der_len)
{
	size_t half = raw_len / 2;
	enum enn_status status = ENN_E_MEMORY;

	if (raw_len == 0 || raw_len % 2 != 0 || half > 66) {
		return ENN_E_CRYPTO;
	}
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, (int)half, NULL);
	BIGNUM *s = BN_bin2bn(raw + half, (int)half, NULL);
	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = NULL;
		s = NULL;
		int len = i2d_ECDSA_SIG(sig, NULL);
		status = len <= 0 ? ENN_E_MEMORY : (size_t)len > *der_len ? ENN_E_SPACE : ENN_OK;
		if (status == ENN_OK) {
			*der_len = (size_t)i2d_ECDSA_SIG(sig, &der);
		}
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return status;
}
