/* SPDX-License-Identifier: Apache-2.0
 *
 * SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): what a raw public key is on the wire, and what a pin is the
 * digest of.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/x509_internal.h"

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "public key",
			     "out of memory");
}

static enum enn_status malformed(struct enn_error *error, const char *what)
{
	enum enn_status status = enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED,
					       "public key", "%s", what);
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_BAD;
	}
	return status;
}

/* libcrypto's allocation into one of malloc. */
static enum enn_status take(unsigned char *from, int from_len, uint8_t **der, size_t *len)
{
	*der = NULL;
	if (from_len > 0) {
		*der = malloc((size_t)from_len);
	}
	if (*der != NULL) {
		memcpy(*der, from, (size_t)from_len);
		*len = (size_t)from_len;
	}
	OPENSSL_free(from);
	return *der == NULL ? ENN_E_MEMORY : ENN_OK;
}

enum enn_status enn_private_key_spki(const struct enn_private_key *key, uint8_t **der, size_t *len)
{
	unsigned char *out = NULL;
	int out_len = i2d_PUBKEY(key->key.pkey, &out);

	return take(out, out_len, der, len);
}

/* The next PEM block of a public key as DER; NULL at the end. */
static enum enn_status next_pem(BIO *bio, uint8_t **der, size_t *len, bool *end)
{
	unsigned char *data = NULL;
	long data_len = 0;

	*end = PEM_bytes_read_bio(&data, &data_len, NULL, PEM_STRING_PUBLIC, bio, NULL, NULL) != 1;
	return *end ? ENN_OK : take(data, data_len > INT_MAX ? 0 : (int)data_len, der, len);
}

static enum enn_status give(uint8_t *der, size_t len, enn_spki_fn fn, void *ctx,
			    struct enn_error *error)
{
	struct enn_public_key *key = NULL;
	enum enn_status status = enn_public_key_parse(der, len, &key);

	if (status == ENN_E_MEMORY) {
		return no_memory(error);
	}
	if (status != ENN_OK || enn_public_key_type(key) == ENN_KEY_OTHER) {
		enn_public_key_free(key);
		return malformed(error, status == ENN_OK
						? "this kind of public key cannot be used: RSA, "
						  "RSA-PSS, P-256, P-384 and Ed25519 can"
						: "this is no public key in PEM or DER "
						  "(SubjectPublicKeyInfo)");
	}
	struct enn_bytes spki = {der, len};
	status = fn(ctx, spki, enn_public_key_type(key));
	enn_public_key_free(key);
	return status == ENN_E_MEMORY ? no_memory(error) : status;
}

static enum enn_status each_pem(BIO *bio, enn_spki_fn fn, void *ctx, struct enn_error *error)
{
	for (size_t count = 0;; count++) {
		uint8_t *der = NULL;
		size_t len = 0;
		bool end = false;
		if (next_pem(bio, &der, &len, &end) != ENN_OK) {
			return no_memory(error);
		}
		if (end) {
			bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
			return clean && count > 0
				       ? ENN_OK
				       : malformed(error, "there is no public key in this text "
							  "(BEGIN PUBLIC KEY)");
		}
		enum enn_status status = give(der, len, fn, ctx, error);
		free(der);
		ENN_TRY(status);
	}
}

enum enn_status enn_spki_each(const uint8_t *data, size_t len, enn_spki_fn fn, void *ctx,
			      struct enn_error *error)
{
	enum enn_status status;

	if (len == 0 || len > INT_MAX) {
		return malformed(error, "there is no public key");
	}
	ERR_set_mark();
	if (data[0] == 0x30) {
		/* a DER SEQUENCE; no text begins with '0' and holds a PEM block behind it */
		status = give((uint8_t *)(uintptr_t)data, len, fn, ctx, error);
	} else {
		BIO *bio = BIO_new_mem_buf(data, (int)len);
		status = bio == NULL ? no_memory(error) : each_pem(bio, fn, ctx, error);
		BIO_free(bio);
	}
	ERR_pop_to_mark();
	return status;
}

void enn_spki_digest(struct enn_bytes spki, uint8_t out[32])
{
	enn_hash_once(enn_hash_alg(ENN_HASH_SHA256), spki.data, spki.len, out);
}

bool enn_x509_spki_digest(X509 *cert, uint8_t out[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	struct enn_bytes spki = {der, len > 0 ? (size_t)len : 0};

	enn_spki_digest(spki, out);
	OPENSSL_free(der);
	return len > 0;
}

bool enn_peer_chain_spki_digest(struct enn_peer_chain *chain, uint8_t out[32])
{
	return enn_peer_chain_load(chain, NULL) == ENN_OK && chain->leaf != NULL &&
	       enn_x509_spki_digest(chain->leaf, out);
}

/* ---- pins as text (RFC 7469 §2.1.1) ------------------------------------------------------------ */

static const char pin_prefix[] = "sha256/";
#define PIN_PREFIX (sizeof(pin_prefix) - 1)
#define PIN_BASE64 44u /* of 32 bytes: 43 characters and one '=' */

const char *enn_spki_pin_text(const uint8_t digest[32], char out[ENN_PIN_TEXT])
{
	memcpy(out, pin_prefix, PIN_PREFIX);
	(void)EVP_EncodeBlock((unsigned char *)out + PIN_PREFIX, digest, 32);
	return out;
}

bool enn_spki_pin_parse(const char *text, uint8_t digest[32])
{
	uint8_t decoded[PIN_BASE64 / 4 * 3];

	if (strncmp(text, pin_prefix, PIN_PREFIX) != 0) {
		return false;
	}
	const char *base64 = text + PIN_PREFIX;
	if (strlen(base64) != PIN_BASE64 || strcspn(base64, " \t\r\n=") != PIN_BASE64 - 1 ||
	    base64[PIN_BASE64 - 1] != '=' ||
	    EVP_DecodeBlock(decoded, (const unsigned char *)base64, (int)PIN_BASE64) !=
		    (int)sizeof(decoded)) {
		return false;
	}
	memcpy(digest, decoded, 32);
	return true;
}

/* ---- a peer that shows a key instead of certificates ------------------------------------------ */

enum enn_status enn_peer_chain_from_key(struct enn_bytes spki, struct enn_peer_chain **out,
					struct enn_error *error)
{
	const unsigned char *at = spki.data;
	struct enn_peer_chain *chain = NULL;

	*out = NULL;
	ERR_set_mark();
	EVP_PKEY *pkey = spki.len > LONG_MAX ? NULL
					     : d2i_PUBKEY_ex(NULL, &at, (long)spki.len,
							     enn_x509_library(), NULL);
	ERR_pop_to_mark();
	if (pkey == NULL || at != spki.data + spki.len) {
		EVP_PKEY_free(pkey);
		(void)malformed(error, "the peer's raw public key is malformed, or of a kind that "
				       "cannot be used here");
		return ENN_E_AUTH;
	}
	chain = calloc(1, sizeof(*chain));
	if (chain != NULL) {
		chain->key = enn_public_key_from(pkey);
	} else {
		EVP_PKEY_free(pkey);
	}
	if (chain == NULL || chain->key == NULL) {
		free(chain);
		return no_memory(error);
	}
	chain->key->key.library = enn_x509_library();
	chain->known = true;
	chain->may_sign = true;
	*out = chain;
	return ENN_OK;
}
