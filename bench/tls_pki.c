/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for the TLS rows, made on the spot.
 */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls.h"

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	BENCH_NEED(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void take_text(BIO *bio, char *out, size_t cap)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	BENCH_NEED(len > 0 && (size_t)len < cap);
	memcpy(out, data, (size_t)len);
	out[len] = '\0';
	BIO_free(bio);
}

static void finish(struct tls_identity *id, EVP_PKEY *signer)
{
	BENCH_NEED(X509_sign(id->cert, signer, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	BENCH_NEED(PEM_write_bio_X509(bio, id->cert) == 1);
	take_text(bio, id->cert_pem, sizeof(id->cert_pem));
	bio = BIO_new(BIO_s_mem());
	BENCH_NEED(PEM_write_bio_PKCS8PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL) == 1);
	take_text(bio, id->key_pem, sizeof(id->key_pem));
}

static void begin(struct tls_identity *id, const char *name, long serial, X509 *issuer)
{
	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	BENCH_NEED(id->key != NULL && id->cert != NULL && X509_set_version(id->cert, 2) == 1);
	X509_NAME *subject = X509_get_subject_name(id->cert);
	BENCH_NEED(ASN1_INTEGER_set(X509_get_serialNumber(id->cert), serial) == 1 &&
		   X509_gmtime_adj(X509_getm_notBefore(id->cert), -86400) != NULL &&
		   X509_gmtime_adj(X509_getm_notAfter(id->cert), 30 * 86400) != NULL &&
		   X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
					      (const unsigned char *)name, -1, -1, 0) == 1 &&
		   X509_set_issuer_name(id->cert,
					issuer == NULL ? subject : X509_get_subject_name(issuer)) ==
			   1 &&
		   X509_set_pubkey(id->cert, id->key) == 1);
}

static void make_leaf(struct tls_identity *leaf, const struct tls_identity *root, const char *name,
		      const char *usage, long serial)
{
	begin(leaf, name, serial, root->cert);
	extend(leaf->cert, root->cert, NID_basic_constraints, "critical,CA:FALSE");
	extend(leaf->cert, root->cert, NID_key_usage, "critical,digitalSignature");
	extend(leaf->cert, root->cert, NID_ext_key_usage, usage);
	extend(leaf->cert, root->cert, NID_subject_key_identifier, "hash");
	extend(leaf->cert, root->cert, NID_authority_key_identifier, "keyid");
	extend(leaf->cert, root->cert, NID_subject_alt_name, "DNS:" TLS_NAME);
	finish(leaf, root->key);
}

void tls_pki_make(struct tls_pki *pki)
{
	begin(&pki->root, "Ennead bench root", 1, NULL);
	extend(pki->root.cert, pki->root.cert, NID_basic_constraints, "critical,CA:TRUE");
	extend(pki->root.cert, pki->root.cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	extend(pki->root.cert, pki->root.cert, NID_subject_key_identifier, "hash");
	finish(&pki->root, pki->root.key);
	make_leaf(&pki->server, &pki->root, "bench server", "serverAuth", 2);
	make_leaf(&pki->client, &pki->root, "bench client", "clientAuth", 3);
}

void tls_pki_free(struct tls_pki *pki)
{
	struct tls_identity *id[3] = {&pki->root, &pki->server, &pki->client};

	for (size_t i = 0; i < 3; i++) {
		X509_free(id[i]->cert);
		EVP_PKEY_free(id[i]->key);
		OPENSSL_cleanse(id[i]->key_pem, sizeof(id[i]->key_pem));
	}
}
