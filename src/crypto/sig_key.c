/* SPDX-License-Identifier: Apache-2.0
 *
 * Private and public keys: reading, and what kind they are.
 */
#include "crypto/sig_key.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"

static enum enn_key_type type_of(const EVP_PKEY *pkey)
{
	char curve[32] = "";
	size_t len;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		return ENN_KEY_RSA;
	}
	if (EVP_PKEY_is_a(pkey, "RSA-PSS")) {
		return ENN_KEY_RSA_PSS;
	}
	if (EVP_PKEY_is_a(pkey, "ED25519")) {
		return ENN_KEY_ED25519;
	}
	if (EVP_PKEY_is_a(pkey, "EC") &&
	    EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), &len) == 1) {
		if (strcmp(curve, "prime256v1") == 0) {
			return ENN_KEY_P256;
		}
		if (strcmp(curve, "secp384r1") == 0) {
			return ENN_KEY_P384;
		}
	}
	return ENN_KEY_OTHER;
}

/* RFC 4055 §1.2: a key of type RSA-PSS may be bound to one hash. */
static int restriction_of(EVP_PKEY *pkey)
{
	char name[32];

	if (EVP_PKEY_get_default_digest_name(pkey, name, sizeof(name)) != 2) {
		return -1;
	}
	const EVP_MD *md = EVP_get_digestbyname(name);
	switch (md == NULL ? NID_undef : EVP_MD_get_type(md)) {
	case NID_sha256:
		return ENN_HASH_SHA256;
	case NID_sha384:
		return ENN_HASH_SHA384;
	case NID_sha512:
		return ENN_HASH_SHA512;
	default:
		break;
	}
	return ENN_HASH_COUNT; /* a hash that no scheme of ours has */
}

void enn_key_init(struct enn_key *key, EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);
	*key = (struct enn_key){
		.pkey = pkey,
		.type = type_of(pkey),
		.bits = bits < 0 ? 0 : (unsigned)bits,
		.only_hash = -1,
	};
	if (key->type == ENN_KEY_RSA_PSS) {
		key->only_hash = restriction_of(pkey);
	}
}

void enn_key_clear(struct enn_key *key)
{
	EVP_PKEY_CTX_free(key->ctx);
	EVP_PKEY_free(key->pkey);
	*key = (struct enn_key){.pkey = NULL};
}

bool enn_key_fits(const struct enn_sig_alg *alg, const struct enn_key *key)
{
	if (alg->key != key->type) {
		return false;
	}
	if (key->only_hash >= 0 && key->only_hash != alg->hash) {
		return false;
	}
	if (alg->padding == ENN_SIG_PSS) {
		/* RFC 8017 §9.1.1: emLen >= hLen + sLen + 2, with emBits one less than the
		 * modulus. */
		unsigned em_len = key->bits == 0 ? 0 : (key->bits - 1 + 7) / 8;
		return em_len >= 2u * enn_hash_alg((enum enn_hash_id)alg->hash)->len + 2u;
	}
	return true;
}

/* ---- private ------------------------------------------------------------------------------ */

/* Answers libcrypto's question for a passphrase, and remembers that there was one. */
static int no_passphrase(char *buf, int size, int rwflag, void *asked)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *read_pem(const uint8_t *data, size_t len, bool *encrypted)
{
	BIO *bio = BIO_new_mem_buf(data, (int)len);
	EVP_PKEY *pkey = NULL;
	if (bio != NULL) {
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, encrypted);
	}
	BIO_free(bio);
	return pkey;
}

enum enn_status enn_private_key_parse(const uint8_t *data, size_t len, struct enn_private_key **out,
				      struct enn_error *error)
{
	bool encrypted = false;
	EVP_PKEY *pkey = NULL;

	*out = NULL;
	ERR_set_mark();
	if (len > 0 && len <= INT_MAX) {
		const unsigned char *at = data;
		pkey = data[0] == 0x30 ? d2i_AutoPrivateKey(NULL, &at, (long)len)
				       : read_pem(data, len, &encrypted);
	}
	ERR_pop_to_mark();
	if (pkey == NULL) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION,
				     "private key",
				     encrypted ? "the private key is encrypted; decrypt it first"
					       : "this is no private key in PEM or DER");
	}
	struct enn_private_key *key = calloc(1, sizeof(*key));
	if (key == NULL) {
		EVP_PKEY_free(pkey);
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "private key",
				     "out of memory");
	}
	enn_key_init(&key->key, pkey);
	key->refs = 1;
	if (key->key.type == ENN_KEY_OTHER) {
		const char *name = EVP_PKEY_get0_type_name(pkey);
		enum enn_status status = enn_error_set(
			error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, "private key",
			"%s keys of %u bits cannot be used: RSA, RSA-PSS, P-256, P-384 and "
			"Ed25519 can",
			name == NULL ? "these" : name, key->key.bits);
		enn_private_key_free(key);
		return status;
	}
	*out = key;
	return ENN_OK;
}

struct enn_private_key *enn_private_key_ref(struct enn_private_key *key)
{
	key->refs++;
	return key;
}

void enn_private_key_free(struct enn_private_key *key)
{
	if (key != NULL && --key->refs == 0) {
		enn_key_clear(&key->key);
		free(key);
	}
}

enum enn_key_type enn_private_key_type(const struct enn_private_key *key)
{
	return key->key.type;
}

unsigned enn_private_key_bits(const struct enn_private_key *key)
{
	return key->key.bits;
}

bool enn_sig_fits_private(const struct enn_sig_alg *alg, const struct enn_private_key *key)
{
	return enn_key_fits(alg, &key->key);
}

/* ---- public ------------------------------------------------------------------------------- */

struct enn_public_key *enn_public_key_from(EVP_PKEY *pkey)
{
	struct enn_public_key *key = calloc(1, sizeof(*key));
	if (key == NULL) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	enn_key_init(&key->key, pkey);
	key->refs = 1;
	return key;
}

enum enn_status enn_public_key_parse(const uint8_t *der, size_t len, struct enn_public_key **out)
{
	const unsigned char *at = der;
	EVP_PKEY *pkey;

	*out = NULL;
	if (len > LONG_MAX) {
		return ENN_E_PARSE;
	}
	ERR_set_mark();
	pkey = d2i_PUBKEY(NULL, &at, (long)len);
	ERR_pop_to_mark();
	if (pkey == NULL || at != der + len) {
		EVP_PKEY_free(pkey);
		return ENN_E_PARSE;
	}
	*out = enn_public_key_from(pkey);
	return *out == NULL ? ENN_E_MEMORY : ENN_OK;
}

struct enn_public_key *enn_public_key_ref(struct enn_public_key *key)
{
	key->refs++;
	return key;
}

void enn_public_key_free(struct enn_public_key *key)
{
	if (key != NULL && --key->refs == 0) {
		enn_key_clear(&key->key);
		free(key);
	}
}

enum enn_key_type enn_public_key_type(const struct enn_public_key *key)
{
	return key->key.type;
}

unsigned enn_public_key_bits(const struct enn_public_key *key)
{
	return key->key.bits;
}

bool enn_sig_fits_public(const struct enn_sig_alg *alg, const struct enn_public_key *key)
{
	return enn_key_fits(alg, &key->key);
}
