/* SPDX-License-Identifier: Apache-2.0
 *
 * Private keys in PKCS #11 tokens, found by URI (RFC 7512), through p11-kit.
 *
 * One session and one key object for each credential. A session is for one thread at a time, so a lock
 * stands around each signature: a token works on one after the other anyway.
 */
#include <stddef.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "features/file.h"
#include "features/security.h"

#define MAX_PIN_FILE	4096u
#define MAX_CERTIFICATE 16384u
#define MAX_SLOTS	64

struct token_key {
	CK_FUNCTION_LIST **modules; /* of p11-kit's configuration; else */
	CK_FUNCTION_LIST *own;	    /* the one that module-path named */
	CK_FUNCTION_LIST *module;   /* where the token is */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	bool open;
	pthread_mutex_t lock;
};

static enum enn_status fail(struct enn_error *error, enum enn_status status, const char *format,
			    const char *detail)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "%s: %s", format, detail);
	return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION, "PKCS #11", "%s",
			     text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void token_key_free(void *ctx)
{
	struct token_key *t = ctx;

	if (t->open) {
		(void)t->module->C_CloseSession(t->session);
	}
	if (t->modules != NULL) {
		p11_kit_modules_finalize_and_release(t->modules);
	}
	if (t->own != NULL) {
		(void)p11_kit_module_finalize(t->own);
		p11_kit_module_release(t->own);
	}
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

static enum enn_status load_modules(struct token_key *t, P11KitUri *uri, struct enn_error *error)
{
	const char *path = p11_kit_uri_get_module_path(uri);

	if (path == NULL) {
		t->modules = p11_kit_modules_load_and_initialize(0);
		return t->modules != NULL
			       ? ENN_OK
			       : fail(error, ENN_E_NOT_FOUND, "no module could be loaded",
				      p11_kit_message() == NULL ? "none is configured"
								: p11_kit_message());
	}
	CK_FUNCTION_LIST *module = p11_kit_module_load(path, 0);
	if (module == NULL) {
		return fail(error, ENN_E_NOT_FOUND, path, "the module cannot be loaded");
	}
	if (p11_kit_module_initialize(module) != CKR_OK) {
		p11_kit_module_release(module);
		return fail(error, ENN_E_SYSTEM, path, "the module cannot be initialised");
	}
	t->own = module;
	return ENN_OK;
}

/* ---- finding ---------------------------------------------------------------------------------- */

static bool token_fits(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, P11KitUri *uri)
{
	CK_TOKEN_INFO info;

	return module->C_GetTokenInfo(slot, &info) == CKR_OK &&
	       p11_kit_uri_match_token_info(uri, &info) == 1;
}

/* The first of a module's tokens that the URI fits. */
static bool find_token(CK_FUNCTION_LIST *module, P11KitUri *uri, CK_SLOT_ID *slot)
{
	CK_SLOT_ID slots[MAX_SLOTS];
	CK_ULONG count = MAX_SLOTS;
	CK_INFO info;

	if (module->C_GetInfo(&info) != CKR_OK || p11_kit_uri_match_module_info(uri, &info) != 1 ||
	    module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK) {
		return false;
	}
	for (CK_ULONG i = 0; i < count; i++) {
		if (token_fits(module, slots[i], uri)) {
			*slot = slots[i];
			return true;
		}
	}
	return false;
}

static enum enn_status open_token(struct token_key *t, P11KitUri *uri, struct enn_error *error)
{
	CK_FUNCTION_LIST *one[2] = {t->own, NULL};
	CK_FUNCTION_LIST **modules = t->own != NULL ? one : t->modules;
	CK_SLOT_ID slot = 0;

	while (*modules != NULL && !find_token(*modules, uri, &slot)) {
		modules++;
	}
	if (*modules == NULL) {
		return fail(error, ENN_E_NOT_FOUND, "token", "none fits the URI");
	}
	t->module = *modules;
	CK_RV rv = t->module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session);
	t->open = rv == CKR_OK;
	return t->open ? ENN_OK
		       : fail(error, ENN_E_SYSTEM, "the token gives no session",
			      p11_kit_strerror(rv));
}

static enum enn_status read_pin(P11KitUri *uri, char *pin, size_t cap, struct enn_error *error)
{
	const char *value = p11_kit_uri_get_pin_value(uri);
	const char *source = p11_kit_uri_get_pin_source(uri);
	struct enn_file file;

	pin[0] = '\0';
	if (value != NULL) {
		(void)snprintf(pin, cap, "%s", value);
		return ENN_OK;
	}
	if (source == NULL) {
		return ENN_OK;
	}
	if (strncmp(source, "file:", 5) == 0) {
		source += 5;
	}
	ENN_TRY(enn_file_read(source, MAX_PIN_FILE, "PIN file", &file, error));
	size_t len = strcspn(file.data, "\r\n");
	len = len < cap - 1 ? len : cap - 1;
	memcpy(pin, file.data, len);
	pin[len] = '\0';
	enn_file_free(&file);
	return ENN_OK;
}

static enum enn_status log_in(struct token_key *t, P11KitUri *uri, struct enn_error *error)
{
	char pin[256];

	ENN_TRY(read_pin(uri, pin, sizeof(pin), error));
	if (pin[0] == '\0') {
		return ENN_OK; /* the token may not want one */
	}
	CK_RV rv = t->module->C_Login(t->session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
	enn_wipe(pin, sizeof(pin));
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
		return ENN_OK;
	}
	return fail(error, ENN_E_AUTH, "the token refuses the PIN", p11_kit_strerror(rv));
}

/* The one object of a class with the URI's label and id; several are one too many. */
static enum enn_status find_object(struct token_key *t, P11KitUri *uri, CK_OBJECT_CLASS class,
				   CK_OBJECT_HANDLE *out)
{
	CK_ATTRIBUTE wanted[3] = {{CKA_CLASS, &class, sizeof(class)}};
	CK_ULONG count = 1;
	CK_OBJECT_HANDLE found[2];
	CK_ULONG found_count = 0;
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_ID};

	for (size_t i = 0; i < ENN_ARRAY_LEN(types); i++) {
		CK_ATTRIBUTE *attribute = p11_kit_uri_get_attribute(uri, types[i]);
		if (attribute != NULL) {
			wanted[count++] = *attribute;
		}
	}
	if (t->module->C_FindObjectsInit(t->session, wanted, count) != CKR_OK) {
		return ENN_E_SYSTEM;
	}
	CK_RV rv = t->module->C_FindObjects(t->session, found, 2, &found_count);
	(void)t->module->C_FindObjectsFinal(t->session);
	if (rv != CKR_OK) {
		return ENN_E_SYSTEM;
	}
	if (found_count != 1) {
		return found_count == 0 ? ENN_E_NOT_FOUND : ENN_E_LIMIT;
	}
	*out = found[0];
	return ENN_OK;
}

static enum enn_status find_key(struct token_key *t, P11KitUri *uri, struct enn_error *error)
{
	enum enn_status status = find_object(t, uri, CKO_PRIVATE_KEY, &t->key);

	switch (status) {
	case ENN_OK:
		return ENN_OK;
	case ENN_E_NOT_FOUND:
		return fail(error, status, "private key",
			    "the token shows none that fits the URI (is a PIN missing?)");
	case ENN_E_LIMIT:
		return fail(error, ENN_E_NOT_FOUND, "private key",
			    "several fit the URI: name it by object or id");
	default:
		return fail(error, status, "private key", "the token cannot be searched");
	}
}

/* ---- signing ----------------------------------------------------------------------------------- */

static CK_MECHANISM_TYPE hash_mechanism(int hash)
{
	return hash == ENN_HASH_SHA256	 ? CKM_SHA256
	       : hash == ENN_HASH_SHA384 ? CKM_SHA384
					 : CKM_SHA512;
}

/* PKCS #11 §2.1.5: hash and RSASSA-PKCS1-v1_5 in one. */
static CK_MECHANISM_TYPE pkcs1_mechanism(int hash)
{
	return hash == ENN_HASH_SHA256	 ? CKM_SHA256_RSA_PKCS
	       : hash == ENN_HASH_SHA384 ? CKM_SHA384_RSA_PKCS
					 : CKM_SHA512_RSA_PKCS;
}

static CK_RSA_PKCS_MGF_TYPE mgf_of(int hash)
{
	return hash == ENN_HASH_SHA256	 ? CKG_MGF1_SHA256
	       : hash == ENN_HASH_SHA384 ? CKG_MGF1_SHA384
					 : CKG_MGF1_SHA512;
}

static CK_RV sign_locked(struct token_key *t, CK_MECHANISM *mechanism, const uint8_t *data,
			 size_t len, uint8_t *out, CK_ULONG *out_len)
{
	(void)pthread_mutex_lock(&t->lock);
	CK_RV rv = t->module->C_SignInit(t->session, mechanism, t->key);
	if (rv == CKR_OK) {
		rv = t->module->C_Sign(t->session, (CK_BYTE *)data, len, out, out_len);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return rv;
}

static enum enn_status token_sign(void *ctx, uint16_t scheme, const uint8_t *input,
				  size_t input_len, uint8_t *signature, size_t *len)
{
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(scheme);
	uint8_t digest[ENN_MAX_HASH];
	uint8_t raw[ENN_MAX_SIGNATURE];
	CK_ULONG raw_len = sizeof(raw);
	CK_RSA_PKCS_PSS_PARAMS pss = {0};
	CK_MECHANISM mechanism = {0};
	const uint8_t *data = input;
	size_t data_len = input_len;

	if (alg == NULL) {
		return ENN_E_UNSUPPORTED;
	}
	if (alg->hash >= 0 && alg->padding != ENN_SIG_PKCS1) {
		const struct enn_hash_alg *hash = enn_hash_alg((enum enn_hash_id)alg->hash);
		enn_hash_once(hash, input, input_len, digest);
		data = digest;
		data_len = hash->len;
		pss = (CK_RSA_PKCS_PSS_PARAMS){hash_mechanism(alg->hash), mgf_of(alg->hash),
					       hash->len};
	}
	switch (alg->key) {
	case ENN_KEY_P256:
	case ENN_KEY_P384:
		mechanism.mechanism = CKM_ECDSA;
		break;
	case ENN_KEY_ED25519:
		mechanism.mechanism = CKM_EDDSA;
		break;
	default:
		mechanism.mechanism = alg->padding == ENN_SIG_PKCS1 ? pkcs1_mechanism(alg->hash)
								    : CKM_RSA_PKCS_PSS;
		if (alg->padding == ENN_SIG_PSS) {
			mechanism.pParameter = &pss;
			mechanism.ulParameterLen = sizeof(pss);
		}
		break;
	}
	if (sign_locked(ctx, &mechanism, data, data_len, raw, &raw_len) != CKR_OK) {
		return ENN_E_SYSTEM;
	}
	if (mechanism.mechanism == CKM_ECDSA) {
		return enn_ecdsa_signature_to_der(raw, raw_len, signature, len);
	}
	if (raw_len > *len) {
		return ENN_E_SPACE;
	}
	memcpy(signature, raw, raw_len);
	*len = raw_len;
	return ENN_OK;
}

/* ---- the certificate ------------------------------------------------------------------------------ */

/* PEM of the certificate that the token holds beside the key. The caller frees *out. */
static enum enn_status read_certificate(struct token_key *t, P11KitUri *uri, char **out,
					struct enn_error *error)
{
	CK_OBJECT_HANDLE object;
	uint8_t *der = malloc(MAX_CERTIFICATE);
	CK_ATTRIBUTE value = {CKA_VALUE, der, MAX_CERTIFICATE};
	enum enn_status status = der == NULL ? ENN_E_MEMORY : ENN_OK;

	if (status == ENN_OK) {
		status = find_object(t, uri, CKO_CERTIFICATE, &object);
	}
	if (status == ENN_OK &&
	    t->module->C_GetAttributeValue(t->session, object, &value, 1) != CKR_OK) {
		status = ENN_E_SYSTEM;
	}
	if (status == ENN_OK) {
		*out = enn_certificate_to_pem(der, value.ulValueLen);
		status = *out == NULL ? ENN_E_PARSE : ENN_OK;
	}
	free(der);
	return status == ENN_OK ? ENN_OK
				: fail(error, status == ENN_E_LIMIT ? ENN_E_NOT_FOUND : status,
				       "certificate", "the token has none for this key");
}

/* One signature, which must verify: a certificate of another key would be noticed by every peer only. */
static enum enn_status prove(struct enn_credential *credential, struct enn_error *error)
{
	static const uint8_t text[] = "ennead: does this key belong to this certificate?";
	struct enn_bytes leaf = enn_chain_der(credential->chain, 0);
	struct enn_peer_chain *parsed = NULL;
	uint8_t signature[ENN_MAX_SIGNATURE];
	size_t len = sizeof(signature);
	enum enn_key_type type = enn_chain_key_type(credential->chain);
	const struct enn_sig_alg *alg = NULL;

	for (size_t i = 0; alg == NULL && enn_sig_alg_at(i) != NULL; i++) {
		alg = enn_sig_alg_at(i)->key == type ? enn_sig_alg_at(i) : NULL;
	}
	if (alg == NULL) {
		return fail(error, ENN_E_UNSUPPORTED, "certificate", "its key is of no known kind");
	}
	if (enn_credential_sign(credential, alg->tls_scheme, text, sizeof(text), signature, &len) !=
	    ENN_OK) {
		return fail(error, ENN_E_SYSTEM, "private key", "the token does not sign with it");
	}
	enum enn_status status = enn_peer_chain_parse(&leaf, 1, &parsed, error);
	if (status != ENN_OK) {
		return status;
	}
	struct enn_public_key *key = enn_peer_chain_key(parsed);
	struct enn_env env = {.wall_offset = 0};
	status = enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &env.crypto);
	if (status == ENN_OK && (key == NULL || enn_verify(&env, alg, key, text, sizeof(text),
							   signature, len) != ENN_OK)) {
		status = fail(error, ENN_E_CRYPTO, "private key",
			      "it does not belong to the first certificate");
	}
	enn_crypto_free(env.crypto);
	enn_peer_chain_free(parsed);
	return status;
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static enum enn_status open_key(struct token_key *t, P11KitUri *uri, struct enn_error *error)
{
	ENN_TRY(load_modules(t, uri, error));
	ENN_TRY(open_token(t, uri, error));
	ENN_TRY(log_in(t, uri, error));
	return find_key(t, uri, error);
}

static enum enn_status make_credential(struct token_key *t, P11KitUri *uri, const char *chain,
				       size_t chain_len, struct enn_credential **out,
				       struct enn_error *error)
{
	char *read = NULL;
	enum enn_status status = open_key(t, uri, error);

	if (status == ENN_OK && chain == NULL) {
		status = read_certificate(t, uri, &read, error);
		chain = read;
		chain_len = read == NULL ? 0 : strlen(read);
	}
	if (status != ENN_OK) {
		token_key_free(t);
		return status;
	}
	status = enn_credential_x509_signer(chain, chain_len, token_sign, token_key_free, t, out,
					    error);
	free(read);
	if (status == ENN_OK) {
		status = prove(*out, error);
		if (status != ENN_OK) {
			enn_credential_free(*out);
			*out = NULL;
		}
	}
	return status;
}

enum enn_status enn_credential_x509_pkcs11(const char *text, const char *chain, size_t chain_len,
					   struct enn_credential **out, struct enn_error *error)
{
	if (out == NULL || text == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "credential", "a parameter is missing");
	}
	*out = NULL;
	struct token_key *t = calloc(1, sizeof(*t));
	P11KitUri *uri = p11_kit_uri_new();
	enum enn_status status = ENN_E_MEMORY;
	if (t == NULL || uri == NULL || pthread_mutex_init(&t->lock, NULL) != 0) {
		free(t);
		(void)enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "credential",
				    "out of memory");
	} else if (p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) != P11_KIT_URI_OK) {
		token_key_free(t);
		status = fail(error, ENN_E_PARSE, "URI", "not a PKCS #11 URI (RFC 7512)");
	} else {
		status = make_credential(t, uri, chain, chain_len, out, error);
	}
	if (uri != NULL) {
		p11_kit_uri_free(uri);
	}
	return status;
}
