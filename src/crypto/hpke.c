/* SPDX-License-Identifier: Apache-2.0
 *
 * HPKE through libcrypto's OSSL_HPKE functions, which are found with dlsym: the headers of this build may be
 * older than the library it runs with.
 */
#include "crypto/hpke.h"

#include <dlfcn.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define MODE_BASE      0
#define ROLE_SENDER    0
#define ROLE_RECIPIENT 1
#define IKM	       32 /* input keying material of an ephemeral key: RFC 9180 §7.1.3 wants Nsk bytes */

/* libcrypto's OSSL_HPKE_SUITE, which is passed by value. */
struct suite {
	uint16_t kem;
	uint16_t kdf;
	uint16_t aead;
};

/* openssl/hpke.h of 3.2 and later, as far as it is used. */
struct api {
	void *(*new)(int mode, struct suite suite, int role, OSSL_LIB_CTX *library,
		     const char *properties);
	void (*free)(void *ctx);
	int (*set_ikm)(void *ctx, const uint8_t *ikm, size_t len);
	int (*encap)(void *ctx, uint8_t *enc, size_t *enc_len, const uint8_t *public_key,
		     size_t public_len, const uint8_t *info, size_t info_len);
	int (*decap)(void *ctx, const uint8_t *enc, size_t enc_len, EVP_PKEY *key,
		     const uint8_t *info, size_t info_len);
	int (*seal)(void *ctx, uint8_t *ciphertext, size_t *ciphertext_len, const uint8_t *aad,
		    size_t aad_len, const uint8_t *text, size_t len);
	int (*open)(void *ctx, uint8_t *text, size_t *len, const uint8_t *aad, size_t aad_len,
		    const uint8_t *ciphertext, size_t ciphertext_len);
	int (*check)(struct suite suite);
};

struct enn_hpke {
	const struct enn_env *env;
	struct api api;
	void *ctx;
};

struct enn_hpke_key {
	atomic_uint refs;
	EVP_PKEY *pkey;
};

/* ---- libcrypto's functions -------------------------------------------------------------------- */

static bool find(const char *name, void *function)
{
	void *address = dlsym(RTLD_DEFAULT, name);

	memcpy(function, &address, sizeof(address)); /* what POSIX says to do with dlsym's answer */
	return address != NULL;
}

static bool load(struct api *api)
{
	return find("OSSL_HPKE_CTX_new", &api->new) && find("OSSL_HPKE_CTX_free", &api->free) &&
	       find("OSSL_HPKE_CTX_set1_ikme", &api->set_ikm) &&
	       find("OSSL_HPKE_encap", &api->encap) && find("OSSL_HPKE_decap", &api->decap) &&
	       find("OSSL_HPKE_seal", &api->seal) && find("OSSL_HPKE_open", &api->open) &&
	       find("OSSL_HPKE_suite_check", &api->check);
}

bool enn_hpke_available(void)
{
	struct api api;

	return load(&api);
}

size_t enn_hpke_public_len(uint16_t kem)
{
	switch (kem) {
	case ENN_HPKE_KEM_X25519:
		return 32;
	case ENN_HPKE_KEM_P256:
		return 65;
	default:
		return 0;
	}
}

bool enn_hpke_supports(const struct enn_hpke_suite *suite)
{
	struct suite theirs = {suite->kem, suite->kdf, suite->aead};
	struct api api;

	/* AEAD 0xffff only exports; KDFs above 3 are not HKDF. */
	return enn_hpke_public_len(suite->kem) > 0 && suite->aead >= 1 && suite->aead <= 3 &&
	       suite->kdf >= 1 && suite->kdf <= 3 && load(&api) && api.check(theirs) == 1;
}

/* ---- keys ---------------------------------------------------------------------------------------- */

static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)ctx;
	return -1;
}

static EVP_PKEY *read_key(const uint8_t *data, size_t len)
{
	EVP_PKEY *pkey = NULL;

	if (len == 0 || len > INT_MAX) {
		return NULL;
	}
	if (data[0] == 0x30) {
		return d2i_AutoPrivateKey(NULL, &data, (long)len);
	}
	BIO *bio = BIO_new_mem_buf(data, (int)len);
	if (bio != NULL) {
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	}
	BIO_free(bio);
	return pkey;
}

static bool public_of(EVP_PKEY *pkey, uint16_t *kem, uint8_t *public_key, size_t *public_len)
{
	char group[32] = "";
	size_t len = 0;

	*public_len = ENN_HPKE_MAX_ENC;
	if (EVP_PKEY_is_a(pkey, "X25519")) {
		*kem = ENN_HPKE_KEM_X25519;
		return EVP_PKEY_get_raw_public_key(pkey, public_key, public_len) == 1;
	}
	*kem = ENN_HPKE_KEM_P256;
	return EVP_PKEY_is_a(pkey, "EC") &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
	       strcmp(group, "prime256v1") == 0 &&
	       EVP_PKEY_get_octet_string_param(pkey, "encoded-pub-key", public_key,
					       ENN_HPKE_MAX_ENC, public_len) == 1;
}

enum enn_status enn_hpke_key_parse(const uint8_t *data, size_t len, struct enn_hpke_key **out,
				   uint16_t *kem, uint8_t *public_key, size_t *public_len)
{
	struct enn_hpke_key *key = calloc(1, sizeof(*key));

	*out = NULL;
	if (key == NULL) {
		return ENN_E_MEMORY;
	}
	ERR_set_mark();
	atomic_init(&key->refs, 1);
	key->pkey = read_key(data, len);
	bool good = key->pkey != NULL && public_of(key->pkey, kem, public_key, public_len);
	ERR_pop_to_mark();
	if (!good) {
		enn_hpke_key_free(key);
		return ENN_E_PARSE;
	}
	*out = key;
	return ENN_OK;
}

struct enn_hpke_key *enn_hpke_key_ref(struct enn_hpke_key *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

void enn_hpke_key_free(struct enn_hpke_key *key)
{
	if (key != NULL && atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) == 1) {
		EVP_PKEY_free(key->pkey);
		free(key);
	}
}

enum enn_status enn_hpke_config_parse(const char *pem, size_t len, uint8_t **out, size_t *out_len)
{
	char *name = NULL;
	char *header = NULL;
	uint8_t *data = NULL;
	long data_len = 0;
	enum enn_status status = ENN_E_PARSE;
	BIO *bio = len == 0 || len > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)len);

	*out = NULL;
	ERR_set_mark();
	while (bio != NULL && status == ENN_E_PARSE &&
	       PEM_read_bio(bio, &name, &header, &data, &data_len) == 1) {
		if (strcmp(name, "ECHCONFIG") == 0 && data_len > 0) {
			*out = malloc((size_t)data_len);
			status = *out == NULL ? ENN_E_MEMORY : ENN_OK;
		}
		if (status == ENN_OK) {
			memcpy(*out, data, (size_t)data_len);
			*out_len = (size_t)data_len;
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)data_len);
	}
	ERR_pop_to_mark();
	BIO_free(bio);
	return status;
}

/* ---- contexts --------------------------------------------------------------------------------------- */

static enum enn_status hpke_new(const struct enn_env *env, const struct enn_hpke_suite *suite,
				int role, struct enn_hpke **out)
{
	struct suite theirs = {suite->kem, suite->kdf, suite->aead};

	*out = NULL;
	if (!enn_hpke_supports(suite)) {
		return ENN_E_UNSUPPORTED;
	}
	struct enn_hpke *hpke = enn_alloc(env, sizeof(*hpke));
	if (hpke == NULL) {
		return ENN_E_MEMORY;
	}
	hpke->env = env;
	(void)load(&hpke->api);
	hpke->ctx = hpke->api.new(MODE_BASE, theirs, role, NULL, NULL);
	if (hpke->ctx == NULL) {
		enn_hpke_free(hpke);
		return ENN_E_MEMORY;
	}
	*out = hpke;
	return ENN_OK;
}

void enn_hpke_free(struct enn_hpke *hpke)
{
	if (hpke != NULL) {
		if (hpke->ctx != NULL) {
			hpke->api.free(hpke->ctx);
		}
		enn_free_secret(hpke->env, hpke, sizeof(*hpke));
	}
}

static enum enn_status encapsulate(struct enn_hpke *hpke, struct enn_bytes public_key,
				   struct enn_bytes info, uint8_t *enc, size_t enc_len)
{
	uint8_t ikm[IKM];

	ENN_TRY(enn_random(hpke->env, ikm, sizeof(ikm)));
	ERR_set_mark();
	bool good = hpke->api.set_ikm(hpke->ctx, ikm, sizeof(ikm)) == 1 &&
		    hpke->api.encap(hpke->ctx, enc, &enc_len, public_key.data, public_key.len,
				    info.data, info.len) == 1;
	ERR_pop_to_mark();
	enn_wipe(ikm, sizeof(ikm));
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_hpke_sender(const struct enn_env *env, const struct enn_hpke_suite *suite,
				struct enn_bytes public_key, struct enn_bytes info, uint8_t *enc,
				struct enn_hpke **out)
{
	size_t enc_len = enn_hpke_public_len(suite->kem);

	*out = NULL;
	if (info.len > ENN_HPKE_MAX_INFO || public_key.len != enc_len) {
		return ENN_E_CRYPTO;
	}
	ENN_TRY(hpke_new(env, suite, ROLE_SENDER, out));
	enum enn_status status = encapsulate(*out, public_key, info, enc, enc_len);
	if (status != ENN_OK) {
		enn_hpke_free(*out);
		*out = NULL;
	}
	return status;
}

enum enn_status enn_hpke_recipient(const struct enn_env *env, const struct enn_hpke_suite *suite,
				   struct enn_hpke_key *key, struct enn_bytes enc,
				   struct enn_bytes info, struct enn_hpke **out)
{
	*out = NULL;
	if (info.len > ENN_HPKE_MAX_INFO || enc.len != enn_hpke_public_len(suite->kem)) {
		return ENN_E_CRYPTO;
	}
	ENN_TRY(hpke_new(env, suite, ROLE_RECIPIENT, out));
	struct enn_hpke *hpke = *out;
	ERR_set_mark();
	bool good =
		hpke->api.decap(hpke->ctx, enc.data, enc.len, key->pkey, info.data, info.len) == 1;
	ERR_pop_to_mark();
	if (!good) {
		enn_hpke_free(hpke);
		*out = NULL;
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

enum enn_status enn_hpke_seal(struct enn_hpke *hpke, struct enn_bytes aad, struct enn_bytes text,
			      uint8_t *ciphertext)
{
	size_t len = text.len + ENN_HPKE_TAG;

	ERR_set_mark();
	bool good = hpke->api.seal(hpke->ctx, ciphertext, &len, aad.data, aad.len, text.data,
				   text.len) == 1 &&
		    len == text.len + ENN_HPKE_TAG;
	ERR_pop_to_mark();
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_hpke_open(struct enn_hpke *hpke, struct enn_bytes aad,
			      struct enn_bytes ciphertext, uint8_t *text)
{
	if (ciphertext.len <= ENN_HPKE_TAG) {
		return ENN_E_CRYPTO;
	}
	size_t len = ciphertext.len - ENN_HPKE_TAG;
	ERR_set_mark();
	bool good = hpke->api.open(hpke->ctx, text, &len, aad.data, aad.len, ciphertext.data,
				   ciphertext.len) == 1 &&
		    len == ciphertext.len - ENN_HPKE_TAG;
	ERR_pop_to_mark();
	return good ? ENN_OK : ENN_E_CRYPTO;
}
