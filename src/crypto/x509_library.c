/* SPDX-License-Identifier: Apache-2.0
 *
 * The library context that peers' certificates are parsed in.
 *
 * To make a key out of a SubjectPublicKeyInfo, libcrypto 3.0 goes through every decoder and every
 * key type that its providers have, for each certificate anew: four fifths of the time that parsing
 * takes. This context offers the default provider's algorithms but, among decoders and key types,
 * only those that a certificate of TLS 1.3 can need.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/compiler.h"
#include "crypto/x509_internal.h"

#define MAX_ROWS 16

/* Made once and never changed afterwards, like libcrypto's own default context. */
static struct {
	CRYPTO_ONCE once;
	OSSL_LIB_CTX *source; /* where the default provider lives */
	OSSL_PROVIDER *provider;
	OSSL_LIB_CTX *reduced; /* NULL: could not be made */
	OSSL_ALGORITHM decoder[MAX_ROWS + 1];
	OSSL_ALGORITHM key_type[MAX_ROWS + 1];
} library = {.once = CRYPTO_ONCE_STATIC_INIT};

/* The first of the names, which are separated by colons. */
static bool is_wanted(const char *names)
{
	static const char *const wanted[] = {"EC", "RSA", "RSA-PSS", "ED25519"};
	size_t len = strcspn(names, ":");

	for (size_t i = 0; i < ENN_ARRAY_LEN(wanted); i++) {
		if (strlen(wanted[i]) == len && strncmp(names, wanted[i], len) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_public_key_decoder(const char *properties)
{
	return strstr(properties, "input=der") != NULL &&
	       strstr(properties, "structure=SubjectPublicKeyInfo") != NULL;
}

static void select_rows(int operation, OSSL_ALGORITHM *to)
{
	int no_cache = 0;
	size_t count = 0;
	const OSSL_ALGORITHM *row =
		OSSL_PROVIDER_query_operation(library.provider, operation, &no_cache);

	for (; row != NULL && row->algorithm_names != NULL && count < MAX_ROWS; row++) {
		if (is_wanted(row->algorithm_names) &&
		    (operation != OSSL_OP_DECODER ||
		     is_public_key_decoder(row->property_definition))) {
			to[count++] = *row;
		}
	}
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_DECODER:
		return library.decoder;
	case OSSL_OP_KEYMGMT:
		return library.key_type;
	default:
		return OSSL_PROVIDER_query_operation(library.provider, operation, no_cache);
	}
}

static const OSSL_PARAM *gettable(void *provider)
{
	static const OSSL_PARAM none[] = {OSSL_PARAM_END};
	(void)provider;
	return none;
}

static int get(void *provider, OSSL_PARAM params[])
{
	OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
	(void)provider;
	return status == NULL || OSSL_PARAM_set_int(status, 1);
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
		 void **provider)
{
	static const OSSL_DISPATCH calls[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
		{OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable},
		{OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get},
		{0, NULL},
	};
	(void)handle;
	(void)in;
	*out = calls;
	*provider = OSSL_PROVIDER_get0_provider_ctx(library.provider);
	return 1;
}

static void make(void)
{
	static const char name[] = "ennead-certificates";

	library.source = OSSL_LIB_CTX_new();
	if (library.source == NULL) {
		return;
	}
	library.provider = OSSL_PROVIDER_load(library.source, "default");
	if (library.provider == NULL) {
		return;
	}
	select_rows(OSSL_OP_DECODER, library.decoder);
	select_rows(OSSL_OP_KEYMGMT, library.key_type);
	OSSL_LIB_CTX *reduced = OSSL_LIB_CTX_new();
	if (reduced != NULL && OSSL_PROVIDER_add_builtin(reduced, name, start) == 1 &&
	    OSSL_PROVIDER_load(reduced, name) != NULL) {
		library.reduced = reduced;
	} else {
		OSSL_LIB_CTX_free(reduced);
	}
}

OSSL_LIB_CTX *enn_x509_library(void)
{
	(void)CRYPTO_THREAD_run_once(&library.once, make);
	return library.reduced;
}
