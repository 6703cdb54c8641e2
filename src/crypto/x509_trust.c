/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust objects: anchors and CRLs in one libcrypto store that is built once and used by many
 * handshakes.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/x509_internal.h"

/* libcrypto's level of 112 bits: RSA below 2048 bits and SHA-1 signatures are refused. */
#define AUTH_LEVEL 2

/* RFC 5280 §6.1.1: an anchor is what we were told to trust; it need not be self-signed, and it does
 * not need a CRL that would have to come from above it. */
static int on_error(int ok, X509_STORE_CTX *ctx)
{
	if (ok == 1 || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNABLE_TO_GET_CRL) {
		return ok;
	}
	int last = sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
	if (last > 0 && X509_STORE_CTX_get_error_depth(ctx) == last) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	return 0;
}

struct enn_trust *enn_trust_new(void)
{
	struct enn_trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL) {
		return NULL;
	}
	trust->refs = 1;
	trust->store = X509_STORE_new();
	trust->ctx = X509_STORE_CTX_new();
	trust->cache = enn_chain_cache_new();
	if (trust->store == NULL || trust->ctx == NULL || trust->cache == NULL) {
		enn_trust_free(trust);
		return NULL;
	}
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(trust->store);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	(void)X509_VERIFY_PARAM_set_flags(param,
					  X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	X509_STORE_set_verify_cb(trust->store, on_error);
	return trust;
}

struct enn_trust *enn_trust_ref(struct enn_trust *trust)
{
	trust->refs++;
	return trust;
}

void enn_trust_free(struct enn_trust *trust)
{
	if (trust != NULL && --trust->refs == 0) {
		enn_chain_cache_free(trust->cache);
		X509_STORE_CTX_free(trust->ctx);
		X509_STORE_free(trust->store);
		free(trust);
	}
}

static bool copy_object(struct enn_trust *to, const X509_OBJECT *object)
{
	X509 *cert = X509_OBJECT_get0_X509(object);
	X509_CRL *crl = X509_OBJECT_get0_X509_CRL(object);

	if (cert != NULL) {
		return X509_STORE_add_cert(to->store, cert) == 1;
	}
	return crl == NULL || X509_STORE_add_crl(to->store, crl) == 1;
}

struct enn_trust *enn_trust_copy(const struct enn_trust *trust)
{
	struct enn_trust *copy = enn_trust_new();
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(trust->store);

	if (copy == NULL) {
		return NULL;
	}
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		if (!copy_object(copy, sk_X509_OBJECT_value(objects, i))) {
			enn_trust_free(copy);
			return NULL;
		}
	}
	copy->anchors = trust->anchors;
	copy->crls = trust->crls;
	memcpy(copy->digest, trust->digest, sizeof(copy->digest));
	if (trust->system && enn_trust_add_system(copy) != ENN_OK) {
		enn_trust_free(copy);
		return NULL;
	}
	enn_trust_set_cache(copy, trust->cache != NULL);
	return copy;
}

void enn_trust_set_cache(struct enn_trust *trust, bool on)
{
	if (!on) {
		enn_chain_cache_free(trust->cache);
		trust->cache = NULL;
	} else if (trust->cache == NULL) {
		trust->cache = enn_chain_cache_new();
	}
}

void enn_trust_digest(const struct enn_trust *trust, uint8_t out[32])
{
	uint8_t system = trust->system ? 1 : 0;
	struct enn_hash hash;

	enn_hash_init(&hash, enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_update(&hash, trust->digest, sizeof(trust->digest));
	enn_hash_update(&hash, &system, 1);
	enn_hash_final(&hash, out);
}

/* What it is, and its SHA-256, are added to the digest of what is there. */
static void extend_digest(struct enn_trust *trust, uint8_t what, const uint8_t *object)
{
	struct enn_hash hash;

	enn_hash_init(&hash, enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_update(&hash, trust->digest, sizeof(trust->digest));
	enn_hash_update(&hash, &what, 1);
	enn_hash_update(&hash, object, ENN_X509_DIGEST);
	enn_hash_final(&hash, trust->digest);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static enum enn_status add_cert(struct enn_trust *trust, BIO *bio, bool *end)
{
	X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	enum enn_status status = ENN_OK;
	uint8_t object[ENN_X509_DIGEST];

	*end = cert == NULL;
	if (cert != NULL) {
		status = X509_STORE_add_cert(trust->store, cert) == 1 ? ENN_OK : ENN_E_MEMORY;
		trust->anchors += status == ENN_OK;
		if (X509_digest(cert, EVP_sha256(), object, NULL) == 1) {
			extend_digest(trust, 'A', object);
		} else {
			status = ENN_E_MEMORY;
		}
	}
	X509_free(cert);
	return status;
}

static enum enn_status add_crl(struct enn_trust *trust, BIO *bio, bool *end)
{
	X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	enum enn_status status = ENN_OK;
	uint8_t object[ENN_X509_DIGEST];

	*end = crl == NULL;
	if (crl != NULL) {
		status = X509_STORE_add_crl(trust->store, crl) == 1 ? ENN_OK : ENN_E_MEMORY;
		trust->crls += status == ENN_OK;
		if (X509_CRL_digest(crl, EVP_sha256(), object, NULL) == 1) {
			extend_digest(trust, 'R', object);
		} else {
			status = ENN_E_MEMORY;
		}
	}
	X509_CRL_free(crl);
	return status;
}

typedef enum enn_status (*add_fn)(struct enn_trust *trust, BIO *bio, bool *end);

static enum enn_status add_each(struct enn_trust *trust, BIO *bio, add_fn add, const char *what,
				struct enn_error *error)
{
	size_t count = 0;

	for (;; count++) {
		bool end;
		if (add(trust, bio, &end) != ENN_OK) {
			return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, what,
					     "out of memory");
		}
		if (end) {
			break;
		}
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, what,
				     "%s %zu cannot be read", what, count + 1);
	}
	if (count == 0) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, what,
				     "there is no %s in this PEM text", what);
	}
	return ENN_OK;
}

static enum enn_status add_pem(struct enn_trust *trust, const char *pem, size_t len, add_fn add,
			       const char *what, struct enn_error *error)
{
	if (trust->frozen) {
		return enn_error_set(error, ENN_E_STATE, ENN_REASON_INVALID_CONFIGURATION, what,
				     "this trust object is in use; change a copy");
	}
	if (len > INT_MAX) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, what,
				     "the text is too long");
	}
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, what,
				     "out of memory");
	}
	ERR_set_mark();
	enum enn_status status = add_each(trust, bio, add, what, error);
	ERR_pop_to_mark();
	BIO_free(bio);
	return status;
}

enum enn_status enn_trust_add_pem(struct enn_trust *trust, const char *pem, size_t len,
				  struct enn_error *error)
{
	return add_pem(trust, pem, len, add_cert, "trust anchor", error);
}

enum enn_status enn_trust_add_crl_pem(struct enn_trust *trust, const char *pem, size_t len,
				      struct enn_error *error)
{
	return add_pem(trust, pem, len, add_crl, "CRL", error);
}

enum enn_status enn_trust_add_system(struct enn_trust *trust)
{
	if (trust->frozen) {
		return ENN_E_STATE;
	}
	if (trust->system) {
		return ENN_OK;
	}
	ERR_set_mark();
	bool ok = X509_STORE_set_default_paths(trust->store) == 1;
	ERR_pop_to_mark();
	trust->system = ok;
	return ok ? ENN_OK : ENN_E_MEMORY;
}

bool enn_trust_has_anchors(const struct enn_trust *trust)
{
	return trust->anchors > 0 || trust->system;
}

bool enn_trust_has_crls(const struct enn_trust *trust)
{
	return trust->crls > 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

#define NAMES_MAX 65535u

static size_t walk_names(const struct enn_trust *trust, struct enn_writer *w)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(trust->store);
	size_t total = 0;

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		const unsigned char *der = NULL;
		size_t len = 0;
		if (cert == NULL ||
		    X509_NAME_get0_der(X509_get_subject_name(cert), &der, &len) != 1 || len == 0 ||
		    total + 2 + len > NAMES_MAX) {
			continue;
		}
		total += 2 + len;
		if (w != NULL) {
			enn_write_vector(w, 2, der, len);
		}
	}
	return total;
}

size_t enn_trust_names_size(const struct enn_trust *trust)
{
	return walk_names(trust, NULL);
}

void enn_trust_write_names(const struct enn_trust *trust, struct enn_writer *w)
{
	(void)walk_names(trust, w);
}
