/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* assert() goes away with NDEBUG; these must not. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "certs.c:%d: %s\n", __LINE__, #condition);           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static EVP_PKEY *make_key(const char *type)
{
	EVP_PKEY *key = NULL;

	if (strncmp(type, "P-", 2) == 0) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
	} else if (strncmp(type, "RSA-P", 5) == 0) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
		MUST(EVP_PKEY_keygen_init(ctx) == 1 &&
		     EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1);
		if (strcmp(type, "RSA-PSS-SHA256") == 0) {
			MUST(EVP_PKEY_CTX_set_rsa_pss_keygen_md(ctx, EVP_sha256()) == 1 &&
			     EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(ctx, EVP_sha256()) == 1 &&
			     EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx, 32) == 1);
		}
		MUST(EVP_PKEY_generate(ctx, &key) == 1);
		EVP_PKEY_CTX_free(ctx);
	} else if (strncmp(type, "RSA-", 4) == 0) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(type + 4, NULL, 10));
	} else {
		key = EVP_PKEY_Q_keygen(NULL, NULL, type);
	}
	MUST(key != NULL);
	return key;
}

static char *text_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = malloc((size_t)len + 1);
	MUST(len > 0 && text != NULL);
	memcpy(text, data, (size_t)len);
	text[len] = '\0';
	BIO_free(bio);
	return text;
}

static void extend(X509 *cert, X509V3_CTX *ctx, const char *name, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, ctx, name, value);
	MUST(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *cert, X509 *issuer, const struct cert_options *o)
{
	const char *usage = o->key_usage;
	const char *constraints = o->basic_constraints;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	if (constraints == NULL) {
		constraints = o->ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
	}
	if (constraints[0] != '\0') {
		extend(cert, &ctx, "basicConstraints", constraints);
	}
	if (usage == NULL) {
		usage = o->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
	}
	if (usage[0] != '\0') {
		extend(cert, &ctx, "keyUsage", usage);
	}
	if (o->extended_key_usage != NULL) {
		extend(cert, &ctx, "extendedKeyUsage", o->extended_key_usage);
	}
	if (o->names != NULL) {
		extend(cert, &ctx, "subjectAltName", o->names);
	}
	extend(cert, &ctx, "subjectKeyIdentifier", "hash");
	if (issuer != cert) {
		extend(cert, &ctx, "authorityKeyIdentifier", "keyid:always");
	}
	if (o->extension != NULL) {
		char name[64];
		const char *value = strchr(o->extension, '=');
		MUST(value != NULL && (size_t)(value - o->extension) < sizeof(name));
		(void)snprintf(name, sizeof(name), "%.*s", (int)(value - o->extension),
			       o->extension);
		extend(cert, &ctx, name, value + 1);
	}
}

static void sign(X509 *cert, EVP_PKEY *key, const struct cert_options *o)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	const EVP_MD *hash = NULL;

	if (!EVP_PKEY_is_a(key, "ED25519") && !EVP_PKEY_is_a(key, "ED448")) {
		hash = EVP_get_digestbyname(o->hash == NULL ? "SHA256" : o->hash);
		MUST(hash != NULL);
	}
	MUST(EVP_DigestSignInit(md, &ctx, hash, NULL, key) == 1);
	if (o->pss || EVP_PKEY_is_a(key, "RSA-PSS")) {
		MUST(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	MUST(X509_sign_ctx(cert, md) > 0);
	EVP_MD_CTX_free(md);
}

/* libcrypto writes the signature last: the last byte of the DER is its last byte. */
static void break_last_byte(uint8_t *der, size_t len)
{
	der[len - 1] ^= 1;
}

static void encode(struct cert *c, X509 *cert, bool broken)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(len > 0);
	if (broken) {
		break_last_byte(der, (size_t)len);
	}
	const unsigned char *at = der;
	c->x509 = d2i_X509(NULL, &at, len);
	c->der = (struct enn_bytes){der, (size_t)len};
	MUST(c->x509 != NULL && PEM_write_bio_X509(bio, c->x509) == 1);
	c->pem = text_of(bio);
	bio = BIO_new(BIO_s_mem());
	MUST(PEM_write_bio_PKCS8PrivateKey(bio, c->key, NULL, NULL, 0, NULL, NULL) == 1);
	c->key_pem = text_of(bio);
}

struct cert *cert_make(const struct cert_options *o)
{
	struct cert *c = calloc(1, sizeof(*c));
	X509 *cert = X509_new();
	const char *subject = o->subject == NULL ? "test" : o->subject;

	MUST(c != NULL && cert != NULL);
	c->key = make_key(o->key_type == NULL ? "P-256" : o->key_type);
	if (o->same_key_as != NULL) {
		EVP_PKEY_free(c->key);
		c->key = o->same_key_as->key;
		EVP_PKEY_up_ref(c->key);
	}
	X509 *issuer = o->issuer == NULL ? cert : o->issuer->x509;
	MUST(X509_set_version(cert, X509_VERSION_3) == 1);
	MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), o->serial == 0 ? 1 : o->serial) == 1);
	MUST(ASN1_TIME_set(X509_getm_notBefore(cert),
			   o->not_before == 0 ? CERT_NOW - CERT_DAY : o->not_before) != NULL);
	MUST(ASN1_TIME_set(X509_getm_notAfter(cert),
			   o->not_after == 0 ? CERT_NOW + 30 * CERT_DAY : o->not_after) != NULL);
	MUST(X509_set_pubkey(cert, c->key) == 1);
	MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
					(const unsigned char *)subject, -1, -1, 0) == 1);
	MUST(X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1);
	add_extensions(cert, issuer, o);
	sign(cert, o->issuer == NULL ? c->key : o->issuer->key, o);
	encode(c, cert, o->break_signature);
	X509_free(cert);
	return c;
}

void cert_free(struct cert *c)
{
	if (c != NULL) {
		X509_free(c->x509);
		EVP_PKEY_free(c->key);
		OPENSSL_free((void *)(uintptr_t)c->der.data);
		free(c->pem);
		free(c->key_pem);
		free(c);
	}
}

static void revoke(X509_CRL *crl, long serial)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, CERT_NOW - CERT_DAY);

	MUST(ASN1_INTEGER_set(number, serial) == 1 &&
	     X509_REVOKED_set_serialNumber(revoked, number) == 1 &&
	     X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
	     X509_CRL_add0_revoked(crl, revoked) == 1);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(when);
}

char *crl_make(const struct crl_options *o)
{
	X509_CRL *crl = X509_CRL_new();
	BIO *bio = BIO_new(BIO_s_mem());
	ASN1_TIME *time =
		ASN1_TIME_set(NULL, o->last_update == 0 ? CERT_NOW - CERT_DAY : o->last_update);

	MUST(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	MUST(X509_CRL_set_issuer_name(crl, X509_get_subject_name(o->issuer->x509)) == 1);
	MUST(X509_CRL_set1_lastUpdate(crl, time) == 1);
	MUST(ASN1_TIME_set(time, o->next_update == 0 ? CERT_NOW + 7 * CERT_DAY : o->next_update));
	MUST(X509_CRL_set1_nextUpdate(crl, time) == 1);
	for (size_t i = 0; i < o->revoked_count; i++) {
		revoke(crl, o->revoked[i]);
	}
	MUST(X509_CRL_sign(crl, o->issuer->key, EVP_sha256()) > 0);
	if (o->break_signature) {
		unsigned char *der = NULL;
		int len = i2d_X509_CRL(crl, &der);
		MUST(len > 0);
		break_last_byte(der, (size_t)len);
		const unsigned char *at = der;
		X509_CRL_free(crl);
		crl = d2i_X509_CRL(NULL, &at, len);
		OPENSSL_free(der);
		MUST(crl != NULL);
	}
	MUST(PEM_write_bio_X509_CRL(bio, crl) == 1);
	ASN1_TIME_free(time);
	X509_CRL_free(crl);
	return text_of(bio);
}
