/* SPDX-License-Identifier: Apache-2.0
 *
 * The identities of a simulation.
 */
#include "pki.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HALF_YEAR (183L * 86400L)

struct identity {
	EVP_PKEY *key;
	char *chain_pem;
	char *key_pem;
	struct enn_credential *credential;
	struct enn_credential *external;
};

struct sim_pki {
	struct identity side[2][SIM_KEY_COUNT]; /* by server */
	char *root_pem;
	char *stranger_pem;
};

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "sim: making test identities failed: %s\n", what);
		abort();
	}
}

static EVP_PKEY *make_key(enum sim_key kind)
{
	switch (kind) {
	case SIM_KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case SIM_KEY_P256:
		return EVP_EC_gen("P-256");
	case SIM_KEY_P384:
		return EVP_EC_gen("P-384");
	default:
		return EVP_RSA_gen(2048);
	}
}

static char *take_text(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = malloc((size_t)len + 1);

	must(text != NULL && len > 0, "memory");
	memcpy(text, data, (size_t)len);
	text[len] = '\0';
	BIO_free(bio);
	return text;
}

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e != NULL && X509_add_ext(cert, e, -1) == 1, value);
	X509_EXTENSION_free(e);
}

/* issuer NULL: a root. */
static X509 *make_certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
			      long serial)
{
	X509 *cert = X509_new();

	must(cert != NULL && X509_set_version(cert, 2) == 1, "X509_new");
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(SIM_EPOCH - HALF_YEAR));
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(SIM_EPOCH + HALF_YEAR));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer == NULL ? cert : issuer));
	must(X509_set_pubkey(cert, key) == 1, "X509_set_pubkey");
	if (issuer == NULL) {
		extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
		extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	} else {
		char san[128];
		(void)snprintf(san, sizeof(san), "DNS:%s", name);
		extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE");
		extension(cert, issuer, NID_key_usage, "critical,digitalSignature");
		extension(cert, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
		extension(cert, issuer, NID_subject_alt_name, san);
	}
	must(X509_sign(cert, issuer_key, NULL) > 0, "X509_sign");
	return cert;
}

static char *certificate_pem(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_X509(bio, cert) == 1, "PEM");
	return take_text(bio);
}

static char *make_root(const char *name, X509 **cert, EVP_PKEY **key)
{
	*key = make_key(SIM_KEY_ED25519);
	must(*key != NULL, "CA key");
	*cert = make_certificate(name, *key, NULL, *key, 1);
	return certificate_pem(*cert);
}

static void make_identity(struct identity *id, const char *name, enum sim_key kind, X509 *root,
			  EVP_PKEY *root_key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct enn_error error;

	id->key = make_key(kind);
	must(id->key != NULL, "leaf key");
	X509 *cert = make_certificate(name, id->key, root, root_key, 2 + (long)kind);
	id->chain_pem = certificate_pem(cert);
	X509_free(cert);
	must(PEM_write_bio_PKCS8PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL) == 1, "PEM");
	id->key_pem = take_text(bio);
	must(enn_credential_x509_pem(id->chain_pem, strlen(id->chain_pem), id->key_pem,
				     strlen(id->key_pem), &id->credential, &error) == ENN_OK,
	     "credential");
	must(enn_credential_x509_external(id->chain_pem, strlen(id->chain_pem), &id->external,
					  &error) == ENN_OK,
	     "external credential");
}

struct sim_pki *sim_pki_new(unsigned keys)
{
	struct sim_pki *pki = calloc(1, sizeof(*pki));
	X509 *root;
	EVP_PKEY *root_key;

	must(pki != NULL, "memory");
	pki->stranger_pem = make_root("sim stranger", &root, &root_key);
	X509_free(root);
	EVP_PKEY_free(root_key);
	pki->root_pem = make_root("sim root", &root, &root_key);
	for (int kind = 0; kind < SIM_KEY_COUNT; kind++) {
		if (!(keys & 1u << kind)) {
			continue;
		}
		make_identity(&pki->side[true][kind], SIM_SERVER_NAME, (enum sim_key)kind, root,
			      root_key);
		make_identity(&pki->side[false][kind], "client.sim.example", (enum sim_key)kind,
			      root, root_key);
	}
	X509_free(root);
	EVP_PKEY_free(root_key);
	return pki;
}

void sim_pki_free(struct sim_pki *pki)
{
	for (int side = 0; side < 2; side++) {
		for (int kind = 0; kind < SIM_KEY_COUNT; kind++) {
			struct identity *id = &pki->side[side][kind];
			enn_credential_free(id->credential);
			enn_credential_free(id->external);
			EVP_PKEY_free(id->key);
			free(id->chain_pem);
			free(id->key_pem);
		}
	}
	free(pki->root_pem);
	free(pki->stranger_pem);
	free(pki);
}

struct enn_credential *sim_pki_credential(const struct sim_pki *pki, bool server, enum sim_key key,
					  bool external)
{
	const struct identity *id = &pki->side[server][key];
	return external ? id->external : id->credential;
}

const char *sim_pki_root(const struct sim_pki *pki)
{
	return pki->root_pem;
}

const char *sim_pki_stranger(const struct sim_pki *pki)
{
	return pki->stranger_pem;
}

const char *sim_pki_leaf_pem(const struct sim_pki *pki, bool server, enum sim_key key)
{
	return pki->side[server][key].chain_pem;
}

const char *sim_pki_key_pem(const struct sim_pki *pki, bool server, enum sim_key key)
{
	return pki->side[server][key].key_pem;
}

/* ---- signing elsewhere ----------------------------------------------------------------------- */

static const char *digest_of(uint16_t scheme)
{
	switch (scheme) {
	case 0x0403: /* ecdsa_secp256r1_sha256 */
	case 0x0804: /* rsa_pss_rsae_sha256 */
		return "SHA256";
	case 0x0503: /* ecdsa_secp384r1_sha384 */
	case 0x0805:
		return "SHA384";
	case 0x0806:
		return "SHA512";
	default:
		return NULL; /* ed25519 hashes by itself */
	}
}

size_t sim_pki_sign(const struct sim_pki *pki, bool server, enum sim_key key, uint16_t scheme,
		    const uint8_t *input, size_t len, uint8_t *signature, size_t cap)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	size_t n = cap;
	bool ok = md != NULL && EVP_DigestSignInit_ex(md, &ctx, digest_of(scheme), NULL, NULL,
						      pki->side[server][key].key, NULL) == 1;

	if (ok && scheme >> 8 == 0x08 && scheme != 0x0807) {
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	}
	ok = ok && EVP_DigestSign(md, signature, &n, input, len) == 1;
	EVP_MD_CTX_free(md);
	return ok ? n : 0;
}

void sim_pki_secrets(const struct sim_pki *pki, struct sim_scan *scan)
{
	for (int i = 0; i < 2 * SIM_KEY_COUNT; i++) {
		const struct identity *id = &pki->side[i / SIM_KEY_COUNT][i % SIM_KEY_COUNT];
		BIGNUM *secret = NULL;
		uint8_t raw[256];
		size_t len = sizeof(raw);

		if (id->key == NULL) {
			continue;
		}
		if (EVP_PKEY_get_raw_private_key(id->key, raw, &len) != 1) {
			bool rsa = i % SIM_KEY_COUNT == SIM_KEY_RSA;
			must(EVP_PKEY_get_bn_param(id->key,
						   rsa ? OSSL_PKEY_PARAM_RSA_D
						       : OSSL_PKEY_PARAM_PRIV_KEY,
						   &secret) == 1,
			     "private key");
			len = (size_t)BN_bn2bin(secret, raw);
			BN_clear_free(secret);
		}
		sim_scan_add(scan, raw, len, "a private key");
	}
}
