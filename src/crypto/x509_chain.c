/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own certificate chains.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/x509_internal.h"

#define CHAIN_MAX 32

struct enn_chain {
	unsigned refs;
	size_t count;
	enum enn_key_type key_type;
	X509 *cert[CHAIN_MAX];
	uint8_t *der[CHAIN_MAX]; /* libcrypto's allocation */
	size_t der_len[CHAIN_MAX];
};

static enum enn_status add(struct enn_chain *chain, X509 *cert)
{
	int len = i2d_X509(cert, &chain->der[chain->count]);
	if (len <= 0) {
		X509_free(cert);
		return ENN_E_MEMORY;
	}
	chain->cert[chain->count] = cert;
	chain->der_len[chain->count] = (size_t)len;
	chain->count++;
	return ENN_OK;
}

/* Reads certificates until there are no more; libcrypto says NO_START_LINE at the end. */
static enum enn_status read_all(struct enn_chain *chain, BIO *bio, struct enn_error *error)
{
	for (;;) {
		X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (cert == NULL) {
			break;
		}
		if (chain->count == CHAIN_MAX) {
			X509_free(cert);
			return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, "chain",
					     "the chain has more than %d certificates", CHAIN_MAX);
		}
		ENN_TRY(add(chain, cert));
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, "chain",
				     "certificate %zu of the chain cannot be read",
				     chain->count + 1);
	}
	if (chain->count == 0) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MISSING, "chain",
				     "there is no certificate in this PEM text");
	}
	return ENN_OK;
}

static enum enn_key_type type_of_leaf(const struct enn_chain *chain)
{
	struct enn_key key;
	EVP_PKEY *pkey = X509_get_pubkey(chain->cert[0]);

	if (pkey == NULL) {
		return ENN_KEY_OTHER;
	}
	enn_key_init(&key, pkey);
	enum enn_key_type type = key.type;
	enn_key_clear(&key);
	return type;
}

enum enn_status enn_chain_parse_pem(const char *pem, size_t len, struct enn_chain **out,
				    struct enn_error *error)
{
	enum enn_status status = ENN_E_MEMORY;

	*out = NULL;
	if (len > INT_MAX) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_MALFORMED, "chain",
				     "the text is too long");
	}
	struct enn_chain *chain = calloc(1, sizeof(*chain));
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	ERR_set_mark();
	if (chain != NULL) {
		chain->refs = 1;
	}
	if (chain != NULL && bio != NULL) {
		status = read_all(chain, bio, error);
	}
	ERR_pop_to_mark();
	BIO_free(bio);
	if (status == ENN_E_MEMORY) {
		(void)enn_error_set(error, status, ENN_REASON_OUT_OF_MEMORY, "chain",
				    "out of memory");
	}
	if (status != ENN_OK) {
		enn_chain_free(chain);
		return status;
	}
	chain->key_type = type_of_leaf(chain);
	*out = chain;
	return ENN_OK;
}

struct enn_chain *enn_chain_ref(struct enn_chain *chain)
{
	chain->refs++;
	return chain;
}

void enn_chain_free(struct enn_chain *chain)
{
	if (chain == NULL || --chain->refs > 0) {
		return;
	}
	for (size_t i = 0; i < chain->count; i++) {
		X509_free(chain->cert[i]);
		OPENSSL_free(chain->der[i]);
	}
	free(chain);
}

size_t enn_chain_count(const struct enn_chain *chain)
{
	return chain->count;
}

struct enn_bytes enn_chain_der(const struct enn_chain *chain, size_t index)
{
	if (index >= chain->count) {
		return (struct enn_bytes){NULL, 0};
	}
	return (struct enn_bytes){chain->der[index], chain->der_len[index]};
}

enum enn_key_type enn_chain_key_type(const struct enn_chain *chain)
{
	return chain->key_type;
}

bool enn_chain_fits_key(const struct enn_chain *chain, const struct enn_private_key *key)
{
	ERR_set_mark();
	bool fits = X509_check_private_key(chain->cert[0], key->key.pkey) == 1;
	ERR_pop_to_mark();
	return fits;
}

bool enn_chain_fits_name(const struct enn_chain *chain, const char *name)
{
	uint8_t address[16];
	X509 *leaf = chain->cert[0];
	size_t len = enn_x509_address(name, address);

	if (len > 0) {
		return X509_check_ip(leaf, address, len, ENN_X509_NAME_FLAGS) == 1;
	}
	len = enn_x509_host_len(name);
	return len > 0 && X509_check_host(leaf, name, len, ENN_X509_NAME_FLAGS, NULL) == 1;
}

bool enn_chain_has_name(const struct enn_chain *chain, const char *name)
{
	size_t len = enn_x509_host_len(name);

	return len > 0 &&
	       X509_check_host(chain->cert[0], name, len,
			       ENN_X509_NAME_FLAGS | X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}

bool enn_chain_fits_signatures(const struct enn_chain *chain, const uint16_t *schemes, size_t count)
{
	for (size_t i = 0; i < chain->count; i++) {
		/* §4.4.2.2: a self-signed one is not checked, so it may be signed with anything */
		bool self_signed = (X509_get_extension_flags(chain->cert[i]) & EXFLAG_SS) != 0;
		if (!self_signed && !enn_x509_signature_allowed(chain->cert[i], schemes, count)) {
			return false;
		}
	}
	return true;
}

bool enn_chain_fits_authorities(const struct enn_chain *chain, const struct enn_bytes *names,
				size_t count)
{
	if (count == 0) {
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		const unsigned char *at = names[i].data;
		X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)names[i].len);
		bool found = false;
		for (size_t j = 0; name != NULL && !found && j < chain->count; j++) {
			found = X509_NAME_cmp(name, X509_get_issuer_name(chain->cert[j])) == 0;
		}
		X509_NAME_free(name);
		if (found) {
			return true;
		}
	}
	return false;
}

char *enn_certificate_to_pem(const uint8_t *der, size_t len)
{
	X509 *cert = len > LONG_MAX ? NULL : d2i_X509(NULL, &der, (long)len);
	BIO *bio = cert == NULL ? NULL : BIO_new(BIO_s_mem());
	char *data = NULL;
	char *text = NULL;

	if (bio != NULL && PEM_write_bio_X509(bio, cert) == 1) {
		long n = BIO_get_mem_data(bio, &data);
		text = n > 0 ? strndup(data, (size_t)n) : NULL;
	}
	BIO_free(bio);
	X509_free(cert);
	return text;
}
