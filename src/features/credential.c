/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials: who we are. Certificate chains with a key here or elsewhere,
 * and external pre-shared keys.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/compression.h"
#include "features/file.h"
#include "features/security.h"

#define MAX_CHAIN_FILE (1u << 20)
#define MAX_KEY_FILE   (64u << 10)

/* RFC 9257 §7: a PSK of less than 128 bits can be searched for. */
#define MIN_PSK		 16u
#define MAX_PSK_IDENTITY 65535u

struct enn_credential *enn_credential_new(enum enn_credential_type type)
{
	struct enn_credential *c = calloc(1, sizeof(*c));

	if (c != NULL) {
		atomic_init(&c->refs, 1);
		c->type = type;
	}
	return c;
}

struct enn_credential *enn_credential_ref(struct enn_credential *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void enn_credential_free(struct enn_credential *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	enn_chain_free(c->chain);
	enn_private_key_free(c->key);
	if (c->sign_release != NULL) {
		c->sign_release(c->sign_ctx);
	}
	free(c->spki);
	free(c->ocsp);
	enn_credential_drop_compressed(c);
	free(c->identity);
	if (c->secret != NULL) {
		enn_wipe(c->secret, c->secret_len);
		free(c->secret);
	}
	free(c);
}

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "credential",
			     "out of memory");
}

static enum enn_status missing(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "credential",
			     "a parameter is missing");
}

/* ---- X.509 ----------------------------------------------------------------------------------- */

static bool mentions(const char *text, size_t len, const char *what)
{
	return memmem(text, len, what, strlen(what)) != NULL;
}

/* Mistakes that have an answer of their own, told before the parser says that it found no key. */
static enum enn_status check_key_text(const char *key, size_t len, struct enn_error *error)
{
	if (mentions(key, len, "BEGIN ENCRYPTED PRIVATE KEY") ||
	    mentions(key, len, "Proc-Type: 4,ENCRYPTED")) {
		return enn_error_set(
			error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, "private key",
			"the private key is encrypted; only unencrypted keys are taken "
			"(openssl pkey -in KEY -out PLAIN writes one)");
	}
	if (mentions(key, len, "-----BEGIN ") && !mentions(key, len, "PRIVATE KEY-----")) {
		return enn_error_set(
			error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, "private key", "%s",
			mentions(key, len, "BEGIN CERTIFICATE")
				? "a certificate was given where the private key belongs"
				: "the PEM text holds no private key");
	}
	return ENN_OK;
}

static enum enn_status parse_chain(const char *chain, size_t chain_len, struct enn_credential **out,
				   struct enn_error *error)
{
	struct enn_credential *c = enn_credential_new(ENN_CREDENTIAL_X509);

	if (c == NULL) {
		return no_memory(error);
	}
	enum enn_status status = enn_chain_parse_pem(chain, chain_len, &c->chain, error);
	if (status != ENN_OK) {
		enn_credential_free(c);
		return status;
	}
	*out = c;
	return ENN_OK;
}

enum enn_status enn_credential_parse_key(const char *key, size_t len, struct enn_private_key **out,
					 struct enn_error *error)
{
	ENN_TRY(check_key_text(key, len, error));
	return enn_private_key_parse((const uint8_t *)key, len, out, error);
}

static enum enn_status parse_key(struct enn_credential *c, const char *key, size_t key_len,
				 struct enn_error *error)
{
	ENN_TRY(enn_credential_parse_key(key, key_len, &c->key, error));
	/* The analyzer does not see that parse_chain sets it. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	if (!enn_chain_fits_key(c->chain, c->key)) {
		return enn_error_set(error, ENN_E_CRYPTO, ENN_REASON_INVALID_CONFIGURATION,
				     "private key",
				     "the private key does not belong to the first certificate");
	}
	return ENN_OK;
}

enum enn_status enn_credential_x509_pem(const char *chain, size_t chain_len, const char *key,
					size_t key_len, struct enn_credential **out,
					struct enn_error *error)
{
	struct enn_credential *c = NULL;

	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (chain == NULL || key == NULL) {
		return missing(error);
	}
	ENN_TRY(parse_chain(chain, chain_len, &c, error));
	enum enn_status status = parse_key(c, key, key_len, error);
	if (status != ENN_OK) {
		enn_credential_free(c);
		return status;
	}
	*out = c;
	return ENN_OK;
}

enum enn_status enn_credential_x509_external(const char *chain, size_t chain_len,
					     struct enn_credential **out, struct enn_error *error)
{
	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (chain == NULL) {
		return missing(error);
	}
	return parse_chain(chain, chain_len, out, error);
}

static enum enn_status key_from_file(struct enn_credential *c, const char *path,
				     struct enn_error *error)
{
	struct enn_file file;

	ENN_TRY(enn_file_read(path, MAX_KEY_FILE, "private key file", &file, error));
	enum enn_status status = parse_key(c, file.data, file.len, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

enum enn_status enn_credential_x509_file(const char *chain_path, const char *key_path,
					 struct enn_credential **out, struct enn_error *error)
{
	struct enn_credential *c = NULL;
	struct enn_file file;

	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (chain_path == NULL || key_path == NULL) {
		return missing(error);
	}
	ENN_TRY(enn_file_read(chain_path, MAX_CHAIN_FILE, "certificate file", &file, error));
	enum enn_status status = parse_chain(file.data, file.len, &c, error);
	enn_file_free(&file);
	if (status != ENN_OK) {
		enn_file_blame(error, chain_path);
		return status;
	}
	status = key_from_file(c, key_path, error);
	if (status != ENN_OK) {
		enn_credential_free(c);
		return status;
	}
	*out = c;
	return ENN_OK;
}

/* ---- status ------------------------------------------------------------------------------------ */

enum enn_status enn_credential_set_ocsp(struct enn_credential *c, const uint8_t *der, size_t len,
					struct enn_error *error)
{
	struct enn_bytes response = {der, len};
	uint8_t *copy = NULL;
	int64_t until = 0;

	if (c == NULL || c->type != ENN_CREDENTIAL_X509 || (der == NULL && len > 0)) {
		return missing(error);
	}
	if (len > 0 && !enn_x509_status_until(response, &until)) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_CERT_STATUS_PROBLEM,
				     "OCSP response",
				     "this is no OCSP response in DER, or one without an answer");
	}
	if (len > 0) {
		copy = malloc(len);
		if (copy == NULL) {
			return no_memory(error);
		}
		memcpy(copy, der, len);
	}
	free(c->ocsp);
	enn_credential_drop_compressed(c); /* the response is a part of the message */
	c->ocsp = copy;
	c->ocsp_len = len;
	c->ocsp_until = until;
	return ENN_OK;
}

enum enn_status enn_credential_set_ocsp_file(struct enn_credential *c, const char *path,
					     struct enn_error *error)
{
	struct enn_file file;

	if (c == NULL || path == NULL) {
		return missing(error);
	}
	ENN_TRY(enn_file_read(path, MAX_KEY_FILE, "OCSP response file", &file, error));
	enum enn_status status =
		enn_credential_set_ocsp(c, (const uint8_t *)file.data, file.len, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

/* ---- pre-shared keys ------------------------------------------------------------------------- */

enum enn_status enn_credential_psk(const uint8_t *identity, size_t identity_len, const uint8_t *key,
				   size_t key_len, enum enn_psk_hash hash,
				   struct enn_credential **out)
{
	struct enn_credential *c = NULL;

	if (out == NULL) {
		return ENN_E_ARGUMENT;
	}
	*out = NULL;
	if (identity == NULL || identity_len == 0 || identity_len > MAX_PSK_IDENTITY ||
	    key == NULL || key_len < MIN_PSK ||
	    (hash != ENN_PSK_SHA256 && hash != ENN_PSK_SHA384)) {
		return ENN_E_ARGUMENT;
	}
	c = enn_credential_new(ENN_CREDENTIAL_PSK);
	if (c == NULL) {
		return ENN_E_MEMORY;
	}
	c->identity = malloc(identity_len);
	c->secret = malloc(key_len);
	if (c->identity == NULL || c->secret == NULL) {
		/* secret_len is still 0: nothing was copied, nothing is to be wiped. */
		enn_credential_free(c);
		return ENN_E_MEMORY;
	}
	memcpy(c->identity, identity, identity_len);
	memcpy(c->secret, key, key_len);
	c->identity_len = identity_len;
	c->secret_len = key_len;
	c->hash = hash == ENN_PSK_SHA256 ? ENN_HASH_SHA256 : ENN_HASH_SHA384;
	*out = c;
	return ENN_OK;
}
