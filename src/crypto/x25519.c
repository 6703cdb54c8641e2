/* SPDX-License-Identifier: Apache-2.0
 *
 * X25519 with raw keys through libcrypto.
 *
 * Around each key the EVP interface looks names up, takes locks and allocates, which costs a tenth
 * of a multiplication. So EVP is asked once which provider serves X25519, and the provider's own
 * functions (provider-keymgmt(7), provider-keyexch(7)) are called from then on.
 */
#include "crypto/x25519.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "crypto/crypto.h"

static const uint8_t base_point[ENN_X25519] = {9};

struct enn_x25519_provider {
	EVP_KEYEXCH *exchange; /* keeps the provider */
	void *provider;
	OSSL_FUNC_keymgmt_new_fn *key_new;
	OSSL_FUNC_keymgmt_free_fn *key_free;
	OSSL_FUNC_keymgmt_import_fn *key_import;
	OSSL_FUNC_keymgmt_set_params_fn *key_set;
	OSSL_FUNC_keyexch_newctx_fn *ctx_new;
	OSSL_FUNC_keyexch_freectx_fn *ctx_free;
	OSSL_FUNC_keyexch_init_fn *ctx_init;
	OSSL_FUNC_keyexch_set_peer_fn *ctx_set_peer;
	OSSL_FUNC_keyexch_derive_fn *ctx_derive;
	void *ctx;  /* each derivation sets both its keys */
	void *base; /* the base point as a peer's key; it is no secret */
	void *peer; /* its public key is replaced for each derivation */
};

/* ---- the provider's functions ------------------------------------------------------------- */

static bool has_name(const OSSL_ALGORITHM *row, const char *name)
{
	size_t len = strlen(name); /* of names that are separated by colons, the first */

	return strncmp(row->algorithm_names, name, len) == 0 &&
	       (row->algorithm_names[len] == ':' || row->algorithm_names[len] == '\0');
}

static const OSSL_DISPATCH *functions_of(const EVP_KEYEXCH *exchange, int operation)
{
	int no_cache = 0;
	const OSSL_ALGORITHM *row = OSSL_PROVIDER_query_operation(
		EVP_KEYEXCH_get0_provider(exchange), operation, &no_cache);

	for (; row != NULL && row->algorithm_names != NULL; row++) {
		if (has_name(row, "X25519")) {
			return row->implementation;
		}
	}
	return NULL;
}

static bool find_key_functions(struct enn_x25519_provider *p)
{
	const OSSL_DISPATCH *f = functions_of(p->exchange, OSSL_OP_KEYMGMT);

	for (; f != NULL && f->function_id != 0; f++) {
		switch (f->function_id) {
		case OSSL_FUNC_KEYMGMT_NEW:
			p->key_new = OSSL_FUNC_keymgmt_new(f);
			break;
		case OSSL_FUNC_KEYMGMT_FREE:
			p->key_free = OSSL_FUNC_keymgmt_free(f);
			break;
		case OSSL_FUNC_KEYMGMT_IMPORT:
			p->key_import = OSSL_FUNC_keymgmt_import(f);
			break;
		case OSSL_FUNC_KEYMGMT_SET_PARAMS:
			p->key_set = OSSL_FUNC_keymgmt_set_params(f);
			break;
		default:
			break;
		}
	}
	return p->key_new != NULL && p->key_free != NULL && p->key_import != NULL &&
	       p->key_set != NULL;
}

static bool find_exchange_functions(struct enn_x25519_provider *p)
{
	const OSSL_DISPATCH *f = functions_of(p->exchange, OSSL_OP_KEYEXCH);

	for (; f != NULL && f->function_id != 0; f++) {
		switch (f->function_id) {
		case OSSL_FUNC_KEYEXCH_NEWCTX:
			p->ctx_new = OSSL_FUNC_keyexch_newctx(f);
			break;
		case OSSL_FUNC_KEYEXCH_FREECTX:
			p->ctx_free = OSSL_FUNC_keyexch_freectx(f);
			break;
		case OSSL_FUNC_KEYEXCH_INIT:
			p->ctx_init = OSSL_FUNC_keyexch_init(f);
			break;
		case OSSL_FUNC_KEYEXCH_SET_PEER:
			p->ctx_set_peer = OSSL_FUNC_keyexch_set_peer(f);
			break;
		case OSSL_FUNC_KEYEXCH_DERIVE:
			p->ctx_derive = OSSL_FUNC_keyexch_derive(f);
			break;
		default:
			break;
		}
	}
	return p->ctx_new != NULL && p->ctx_free != NULL && p->ctx_init != NULL &&
	       p->ctx_set_peer != NULL && p->ctx_derive != NULL;
}

/* With a public key that is given, the provider does not compute one, in its slow way; nor is it
 * used when deriving. */
static void *make_key(const struct enn_x25519_provider *p, const uint8_t *private_key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)private_key,
						  ENN_X25519),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)base_point,
						  ENN_X25519),
		OSSL_PARAM_construct_end(),
	};
	void *key = p->key_new(p->provider);

	if (key != NULL && p->key_import(key, OSSL_KEYMGMT_SELECT_KEYPAIR, params) != 1) {
		p->key_free(key);
		key = NULL;
	}
	return key;
}

static bool open_provider(struct enn_x25519_provider *p)
{
	p->exchange = EVP_KEYEXCH_fetch(NULL, "X25519", NULL);
	if (p->exchange == NULL) {
		return false;
	}
	p->provider = OSSL_PROVIDER_get0_provider_ctx(EVP_KEYEXCH_get0_provider(p->exchange));
	if (!find_key_functions(p) || !find_exchange_functions(p)) {
		return false;
	}
	p->ctx = p->ctx_new(p->provider);
	p->base = make_key(p, base_point);
	p->peer = make_key(p, base_point);
	return p->ctx != NULL && p->base != NULL && p->peer != NULL;
}

struct enn_x25519_provider *enn_x25519_open(void)
{
	struct enn_x25519_provider *p = calloc(1, sizeof(*p));

	if (p != NULL && !open_provider(p)) {
		enn_x25519_close(p);
		p = NULL;
	}
	return p;
}

void enn_x25519_close(struct enn_x25519_provider *p)
{
	if (p == NULL) {
		return;
	}
	if (p->ctx != NULL) {
		p->ctx_free(p->ctx);
	}
	if (p->base != NULL) {
		p->key_free(p->base);
	}
	if (p->peer != NULL) {
		p->key_free(p->peer);
	}
	EVP_KEYEXCH_free(p->exchange);
	free(p);
}

/* ---- keys --------------------------------------------------------------------------------- */

enum enn_status enn_x25519_key_new(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				   struct enn_x25519_key **out)
{
	*out = make_key(env->crypto->x25519, private_key);
	return *out == NULL ? ENN_E_MEMORY : ENN_OK;
}

void enn_x25519_key_free(const struct enn_env *env, struct enn_x25519_key *key)
{
	if (key != NULL) {
		env->crypto->x25519->key_free(key);
	}
}

static enum enn_status derive(const struct enn_x25519_provider *p, struct enn_x25519_key *key,
			      void *peer, uint8_t *out)
{
	size_t len = 0;

	/* The provider refuses the all-zero secret (RFC 7748 §6.1). */
	bool good = p->ctx_init(p->ctx, key, NULL) == 1 && p->ctx_set_peer(p->ctx, peer) == 1 &&
		    p->ctx_derive(p->ctx, out, &len, ENN_X25519) == 1 && len == ENN_X25519;
	/* The context lets go of the key, which is wiped as soon as its owner frees it. */
	good = p->ctx_init(p->ctx, p->base, NULL) == 1 && good;
	if (!good) {
		enn_wipe(out, ENN_X25519);
	}
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_x25519_key_public(const struct enn_env *env, struct enn_x25519_key *key,
				      uint8_t public_key[ENN_X25519])
{
	const struct enn_x25519_provider *p = env->crypto->x25519;
	return derive(p, key, p->base, public_key);
}

enum enn_status enn_x25519_key_derive(const struct enn_env *env, struct enn_x25519_key *key,
				      const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519])
{
	const struct enn_x25519_provider *p = env->crypto->x25519;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, (void *)peer,
						  ENN_X25519),
		OSSL_PARAM_construct_end(),
	};

	if (p->key_set(p->peer, params) != 1) {
		enn_wipe(secret, ENN_X25519);
		return ENN_E_CRYPTO;
	}
	return derive(p, key, p->peer, secret);
}

enum enn_status enn_x25519_public(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
				  uint8_t public_key[ENN_X25519])
{
	struct enn_x25519_key *key;

	ENN_TRY(enn_x25519_key_new(env, private_key, &key));
	enum enn_status status = enn_x25519_key_public(env, key, public_key);
	enn_x25519_key_free(env, key);
	return status;
}

enum enn_status enn_x25519(const struct enn_env *env, const uint8_t private_key[ENN_X25519],
			   const uint8_t peer[ENN_X25519], uint8_t secret[ENN_X25519])
{
	struct enn_x25519_key *key;

	ENN_TRY(enn_x25519_key_new(env, private_key, &key));
	enum enn_status status = enn_x25519_key_derive(env, key, peer, secret);
	enn_x25519_key_free(env, key);
	return status;
}
