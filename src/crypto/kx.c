/* SPDX-License-Identifier: Apache-2.0
 *
 * Ephemeral key exchange through libcrypto.
 */
#include "crypto/kx.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/compiler.h"
#include "crypto/crypto.h"
#include "crypto/kem.h"
#include "crypto/x25519.h"

struct enn_kx_key {
	const struct enn_env *env;
	const struct enn_kx_alg *alg;
	struct enn_x25519_key *x25519;
	uint8_t scalar[ENN_MAX_KX_SECRET]; /* P-256, P-384: big endian */
	EVP_PKEY *kem;			   /* hybrids: ML-KEM's, besides one of the two */
};

/* ---- X25519 ------------------------------------------------------------------------------- */

static enum enn_status x25519_generate(const struct enn_env *env, struct enn_x25519_key **out,
				       uint8_t *public_key)
{
	struct enn_x25519_key *key = NULL;
	uint8_t seed[ENN_X25519];

	if (env->random != NULL) {
		ENN_TRY(enn_random(env, seed, sizeof(seed)));
	} else if (RAND_priv_bytes(seed, sizeof(seed)) != 1) {
		return ENN_E_CRYPTO;
	}
	enum enn_status status = enn_x25519_key_new(env, seed, &key);
	enn_wipe(seed, sizeof(seed));
	if (status == ENN_OK) {
		/* RFC 7748 §6.1: the public key is the function of the private one and the base
		 * point; with that a fifth faster than libcrypto's key generation. */
		status = enn_x25519_key_public(env, key, public_key);
	}
	if (status != ENN_OK) {
		enn_x25519_key_free(env, key);
		return ENN_E_CRYPTO;
	}
	*out = key;
	return ENN_OK;
}

/* ---- P-256, P-384 ------------------------------------------------------------------------- */

static enum enn_status draw_scalar(const struct enn_env *env, const EC_GROUP *group, BIGNUM *k,
				   uint8_t *scalar, size_t len)
{
	const BIGNUM *order = EC_GROUP_get0_order(group);

	/* Each draw fails with probability below 2^-32; a source that fails so often is broken. */
	for (int tries = 0; tries < 16; tries++) {
		ENN_TRY(enn_random(env, scalar, len));
		if (BN_bin2bn(scalar, (int)len, k) == NULL) {
			return ENN_E_MEMORY;
		}
		if (!BN_is_zero(k) && BN_cmp(k, order) < 0) {
			return ENN_OK;
		}
	}
	return ENN_E_CRYPTO;
}

static enum enn_status ec_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				   uint8_t *scalar, uint8_t *public_key)
{
	const EC_GROUP *group = env->crypto->group[alg->id];
	BN_CTX *bn = env->crypto->bn;
	EC_POINT *point = EC_POINT_new(group);
	enum enn_status status = ENN_E_CRYPTO;

	BN_CTX_start(bn);
	BIGNUM *k = BN_CTX_get(bn);
	if (point == NULL || k == NULL) {
		status = ENN_E_MEMORY;
	} else {
		BN_set_flags(k, BN_FLG_CONSTTIME);
		status = draw_scalar(env, group, k, scalar, alg->secret_len);
		if (status == ENN_OK &&
		    (EC_POINT_mul(group, point, k, NULL, NULL, bn) != 1 ||
		     EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public_key,
					alg->public_len, bn) != alg->public_len)) {
			status = ENN_E_CRYPTO;
		}
		BN_clear(k);
	}
	BN_CTX_end(bn);
	EC_POINT_free(point);
	return status;
}

/* EC_POINT_oct2point refuses what is not on the curve; the cofactor is 1, so nothing else is
 * left to check (RFC 8446 §4.2.8.2). */
static enum enn_status ec_derive(const struct enn_crypto *crypto, const struct enn_kx_alg *alg,
				 const uint8_t *scalar, const uint8_t *peer, uint8_t *secret)
{
	const EC_GROUP *group = crypto->group[alg->id];
	BN_CTX *bn = crypto->bn;
	EC_POINT *point = EC_POINT_new(group);
	EC_POINT *product = EC_POINT_new(group);
	enum enn_status status = ENN_E_CRYPTO;

	BN_CTX_start(bn);
	BIGNUM *k = BN_CTX_get(bn);
	BIGNUM *x = BN_CTX_get(bn);
	if (point == NULL || product == NULL || x == NULL) {
		status = ENN_E_MEMORY;
	} else {
		BN_set_flags(k, BN_FLG_CONSTTIME);
		if (BN_bin2bn(scalar, alg->secret_len, k) != NULL &&
		    EC_POINT_oct2point(group, point, peer, alg->public_len, bn) == 1 &&
		    EC_POINT_mul(group, product, NULL, point, k, bn) == 1 &&
		    EC_POINT_get_affine_coordinates(group, product, x, NULL, bn) == 1 &&
		    BN_bn2binpad(x, secret, alg->secret_len) == alg->secret_len) {
			status = ENN_OK;
		}
		BN_clear(k);
		BN_clear(x);
	}
	BN_CTX_end(bn);
	EC_POINT_free(point);
	EC_POINT_clear_free(product);
	return status;
}

/* ---- both ---------------------------------------------------------------------------------- */

static enum enn_status fill_curve(struct enn_kx_key *key, const struct enn_kx_alg *alg,
				  uint8_t *public_key)
{
	if (alg->id == ENN_KX_X25519) {
		return x25519_generate(key->env, &key->x25519, public_key);
	}
	return ec_generate(key->env, alg, key->scalar, public_key);
}

static enum enn_status derive_curve(const struct enn_kx_key *key, const struct enn_kx_alg *alg,
				    const uint8_t *peer, uint8_t *secret)
{
	if (alg->id == ENN_KX_X25519) {
		return enn_x25519_key_derive(key->env, key->x25519, peer, secret);
	}
	/* RFC 8446 §4.2.8.2: the uncompressed form only. */
	if (peer[0] != 0x04) {
		return ENN_E_CRYPTO;
	}
	return ec_derive(key->env->crypto, alg, key->scalar, peer, secret);
}

/* ---- hybrids ------------------------------------------------------------------------------- */

/* Where the parts are in shares and secret: simply one behind the other, ML-KEM's first with X25519, last with
 * P-256 (draft-ietf-tls-ecdhe-mlkem §4). */
struct parts {
	const struct enn_kx_alg *curve;
	size_t curve_at, kem_at;	     /* in who begins' share */
	size_t reply_curve_at, reply_kem_at; /* in the reply */
	size_t secret_curve_at, secret_kem_at;
};

static struct parts parts_of(const struct enn_kx_alg *alg)
{
	if (alg->id == ENN_KX_X25519_MLKEM768) {
		return (struct parts){.curve = enn_kx_alg(ENN_KX_X25519),
				      .curve_at = ENN_KEM_PUBLIC,
				      .reply_curve_at = ENN_KEM_CIPHERTEXT,
				      .secret_curve_at = ENN_KEM_SECRET};
	}
	return (struct parts){.curve = enn_kx_alg(ENN_KX_P256),
			      .kem_at = 65,
			      .reply_kem_at = 65,
			      .secret_kem_at = 32};
}

bool enn_kx_available(uint16_t group)
{
	const struct enn_kx_alg *alg = enn_kx_alg_by_tls(group);

	return alg != NULL && (!enn_kx_is_hybrid(alg) || enn_kem_available());
}

static enum enn_status fill(struct enn_kx_key *key, uint8_t *public_key)
{
	if (!enn_kx_is_hybrid(key->alg)) {
		return fill_curve(key, key->alg, public_key);
	}
	struct parts p = parts_of(key->alg);
	ENN_TRY(fill_curve(key, p.curve, public_key + p.curve_at));
	return enn_kem_generate(key->env, &key->kem, public_key + p.kem_at);
}

static enum enn_status derive(struct enn_kx_key *key, const uint8_t *peer, uint8_t *secret)
{
	if (!enn_kx_is_hybrid(key->alg)) {
		return derive_curve(key, key->alg, peer, secret);
	}
	struct parts p = parts_of(key->alg);
	ENN_TRY(derive_curve(key, p.curve, peer + p.reply_curve_at, secret + p.secret_curve_at));
	return enn_kem_decapsulate(key->kem, peer + p.reply_kem_at, secret + p.secret_kem_at);
}

static enum enn_status respond(struct enn_kx_key *key, const uint8_t *peer, uint8_t *reply,
			       uint8_t *secret)
{
	bool hybrid = enn_kx_is_hybrid(key->alg);
	struct parts p = hybrid ? parts_of(key->alg) : (struct parts){.curve = key->alg};
	enum enn_status status = fill_curve(key, p.curve, reply + p.reply_curve_at);

	if (status != ENN_OK) {
		return status == ENN_E_MEMORY ? status : ENN_E_SYSTEM;
	}
	ENN_TRY(derive_curve(key, p.curve, peer + p.curve_at, secret + p.secret_curve_at));
	return hybrid ? enn_kem_encapsulate(key->env, peer + p.kem_at, reply + p.reply_kem_at,
					    secret + p.secret_kem_at)
		      : ENN_OK;
}

/* ---- all ----------------------------------------------------------------------------------- */

static void empty(struct enn_kx_key *key)
{
	enn_x25519_key_free(key->env, key->x25519);
	EVP_PKEY_free(key->kem);
	enn_wipe(key->scalar, sizeof(key->scalar));
}

enum enn_status enn_kx_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				struct enn_kx_key **out, uint8_t *public_key)
{
	struct enn_kx_key *key = enn_alloc(env, sizeof(*key));

	*out = NULL;
	if (key == NULL) {
		return ENN_E_MEMORY;
	}
	key->env = env;
	key->alg = alg;
	enum enn_status status = fill(key, public_key);
	if (status != ENN_OK) {
		enn_kx_free(key);
		return status;
	}
	*out = key;
	return ENN_OK;
}

enum enn_status enn_kx_derive(struct enn_kx_key *key, const uint8_t *peer, size_t peer_len,
			      uint8_t *secret)
{
	return peer_len == key->alg->reply_len ? derive(key, peer, secret) : ENN_E_CRYPTO;
}

enum enn_status enn_kx_respond(const struct enn_env *env, const struct enn_kx_alg *alg,
			       const uint8_t *peer, size_t peer_len, uint8_t *public_key,
			       uint8_t *secret)
{
	struct enn_kx_key key = {.env = env, .alg = alg};
	enum enn_status status = ENN_E_CRYPTO;

	if (peer_len == alg->public_len) {
		status = respond(&key, peer, public_key, secret);
	}
	empty(&key);
	return status;
}

const struct enn_kx_alg *enn_kx_key_alg(const struct enn_kx_key *key)
{
	return key->alg;
}

void enn_kx_free(struct enn_kx_key *key)
{
	if (key != NULL) {
		const struct enn_env *env = key->env;
		empty(key);
		enn_free_secret(env, key, sizeof(*key));
	}
}
