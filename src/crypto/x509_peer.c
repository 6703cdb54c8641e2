/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer's certificates: copied when they arrive, parsed when they are needed, because a chain that
 * was validated before need not be parsed again.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/x509_internal.h"

static enum enn_status malformed(struct enn_error *error, size_t index)
{
	enum enn_status status =
		enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_MALFORMED, "certificate",
			      "certificate %zu of the peer's chain is malformed", index + 1);
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_BAD;
	}
	return status;
}

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "certificate",
			     "out of memory");
}

/* One DER SEQUENCE that fills the bytes exactly: what can be told without parsing. */
static bool is_sequence(struct enn_bytes der)
{
	struct enn_reader r = enn_reader_of(der.data, der.len);
	bool sequence = enn_read_u8(&r) == 0x30;
	uint64_t len = enn_read_u8(&r);

	if (len > 0x80 && len <= 0x84) {
		len = enn_read_uint(&r, len - 0x80);
	} else if (len >= 0x80) {
		return false;
	}
	return sequence && enn_reader_ok(&r) && len == enn_reader_left(&r);
}

enum enn_status enn_peer_chain_parse(const struct enn_bytes *der, size_t count,
				     struct enn_peer_chain **out, struct enn_error *error)
{
	size_t len = 0;

	*out = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!is_sequence(der[i])) {
			return malformed(error, i);
		}
		len += der[i].len;
	}
	if (count == 0) {
		return enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_MISSING, "certificate",
				     "the peer sent no certificate");
	}
	struct enn_peer_chain *chain =
		calloc(1, sizeof(*chain) + count * sizeof(struct enn_bytes) + len);
	if (chain == NULL) {
		return no_memory(error);
	}
	chain->der = (struct enn_bytes *)(chain + 1);
	uint8_t *copy = (uint8_t *)(chain->der + count);
	for (size_t i = 0; i < count; i++) {
		memcpy(copy, der[i].data, der[i].len);
		chain->der[i] = (struct enn_bytes){copy, der[i].len};
		copy += der[i].len;
	}
	chain->count = count;
	chain->der_len = len;
	*out = chain;
	return ENN_OK;
}

void enn_peer_chain_free(struct enn_peer_chain *chain)
{
	if (chain != NULL) {
		enn_public_key_free(chain->key);
		X509_free(chain->leaf);
		sk_X509_pop_free(chain->others, X509_free);
		free(chain);
	}
}

static X509 *parse_one(struct enn_bytes der)
{
	const unsigned char *at = der.data;
	X509 *cert = X509_new_ex(enn_x509_library(), NULL);

	/* On failure d2i has freed the object and cleared the pointer, or has done neither. */
	if (cert == NULL || d2i_X509(&cert, &at, (long)der.len) == NULL ||
	    at != der.data + der.len) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

static enum enn_status load_others(struct enn_peer_chain *chain, struct enn_error *error)
{
	STACK_OF(X509) *others = sk_X509_new_reserve(NULL, (int)chain->count - 1);
	if (others == NULL) {
		return no_memory(error);
	}
	for (size_t i = 1; i < chain->count; i++) {
		X509 *cert = parse_one(chain->der[i]);
		if (cert == NULL || sk_X509_push(others, cert) <= 0) {
			X509_free(cert);
			sk_X509_pop_free(others, X509_free);
			return malformed(error, i);
		}
	}
	chain->others = others;
	return ENN_OK;
}

/* The leaf's key could not be read: because it is broken, or of a kind that nothing here can
 * use. */
static enum enn_status bad_key(const struct enn_peer_chain *chain, struct enn_error *error)
{
	char subject[ENN_X509_TEXT_MAX];
	ASN1_OBJECT *algorithm = NULL;

	(void)X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL,
				     X509_get_X509_PUBKEY(chain->leaf));
	int nid = OBJ_obj2nid(algorithm);
	if (nid == NID_X9_62_id_ecPublicKey || nid == NID_rsaEncryption || nid == NID_rsassaPss ||
	    nid == NID_ED25519) {
		return malformed(error, 0);
	}
	const char *name = OBJ_nid2sn(nid);
	(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_OTHER, "certificate",
			    "certificate \"%s\" has a key that cannot be used here: %s",
			    enn_x509_subject(chain->leaf, subject), name == NULL ? "?" : name);
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_UNSUPPORTED;
	}
	return ENN_E_AUTH;
}

static enum enn_status load(struct enn_peer_chain *chain, struct enn_error *error)
{
	if (chain->leaf == NULL) {
		chain->leaf = parse_one(chain->der[0]);
	}
	if (chain->leaf == NULL || (X509_get_extension_flags(chain->leaf) & EXFLAG_INVALID) != 0) {
		return malformed(error, 0);
	}
	if (chain->count > 1 && chain->others == NULL) {
		ENN_TRY(load_others(chain, error));
	}
	if (!chain->known) {
		EVP_PKEY *pkey = X509_get_pubkey(chain->leaf);
		if (pkey == NULL) {
			return bad_key(chain, error);
		}
		chain->key = enn_public_key_from(pkey);
		if (chain->key == NULL) {
			return no_memory(error);
		}
		chain->key->key.library = enn_x509_library();
		/* Without the extension every bit reads as set. */
		chain->may_sign = (X509_get_key_usage(chain->leaf) & KU_DIGITAL_SIGNATURE) != 0;
		chain->known = true;
	}
	return ENN_OK;
}

enum enn_status enn_peer_chain_load(struct enn_peer_chain *chain, struct enn_error *error)
{
	if (chain->count == 0) {
		return ENN_OK; /* a raw public key: there is nothing more to parse */
	}
	ERR_set_mark();
	enum enn_status status = load(chain, error);
	ERR_pop_to_mark();
	return status;
}

void enn_peer_chain_adopt(struct enn_peer_chain *chain, struct enn_public_key *key, bool may_sign)
{
	if (!chain->known) {
		chain->key = enn_public_key_ref(key);
		chain->may_sign = may_sign;
		chain->known = true;
	}
}

struct enn_public_key *enn_peer_chain_key(struct enn_peer_chain *chain)
{
	if (!chain->known && enn_peer_chain_load(chain, NULL) != ENN_OK) {
		return NULL;
	}
	return chain->key;
}

bool enn_peer_chain_may_sign(struct enn_peer_chain *chain)
{
	if (!chain->known && enn_peer_chain_load(chain, NULL) != ENN_OK) {
		return false;
	}
	return chain->may_sign;
}

/* ---- shared helpers -------------------------------------------------------------------------- */

bool enn_x509_seconds(const ASN1_TIME *time, int64_t *seconds)
{
	struct tm tm;

	if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) {
		return false;
	}
	*seconds = (int64_t)timegm(&tm);
	return true;
}

size_t enn_x509_address(const char *name, uint8_t address[16])
{
	if (inet_pton(AF_INET, name, address) == 1) {
		return 4;
	}
	return inet_pton(AF_INET6, name, address) == 1 ? 16 : 0;
}

/* Certificates never have the root's dot (RFC 9525 §2). */
size_t enn_x509_host_len(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || name[0] == '.') {
		return 0;
	}
	return name[len - 1] == '.' ? len - 1 : len;
}

const char *enn_x509_name_text(const X509_NAME *name, char out[ENN_X509_TEXT_MAX])
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	(void)snprintf(out, ENN_X509_TEXT_MAX, "(no name)");
	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) > 0) {
		long len = BIO_get_mem_data(bio, &text);
		if (len > 0) {
			bool cut = len >= ENN_X509_TEXT_MAX;
			(void)snprintf(out, ENN_X509_TEXT_MAX, "%.*s%s",
				       cut ? ENN_X509_TEXT_MAX - 4 : (int)len, text,
				       cut ? "..." : "");
		}
	}
	BIO_free(bio);
	return out;
}

const char *enn_x509_subject(const X509 *cert, char out[ENN_X509_TEXT_MAX])
{
	return enn_x509_name_text(X509_get_subject_name(cert), out);
}
