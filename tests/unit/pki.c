/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and keys for tests, made on the spot with libcrypto.
 */
#include "pki.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static void take_text(BIO *bio, char *out, size_t cap)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	assert(len > 0 && (size_t)len < cap);
	memcpy(out, data, (size_t)len);
	out[len] = '\0';
	BIO_free(bio);
}

void pki_make(struct pki_pair *pair, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *bio;
	int ok = key != NULL && cert != NULL && X509_set_version(cert, 2) &&
		 ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
		 X509_gmtime_adj(X509_getm_notBefore(cert), -43200) != NULL &&
		 X509_gmtime_adj(X509_getm_notAfter(cert), 43200) != NULL &&
		 X509_set_pubkey(cert, key);

	X509_NAME *subject = X509_get_subject_name(cert);
	ok = ok &&
	     X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
					-1, -1, 0) &&
	     X509_set_issuer_name(cert, subject) && X509_sign(cert, key, EVP_sha256()) > 0;
	bio = BIO_new(BIO_s_mem());
	ok = ok && PEM_write_bio_X509(bio, cert);
	take_text(bio, pair->cert, sizeof(pair->cert));
	bio = BIO_new(BIO_s_mem());
	ok = ok && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	take_text(bio, pair->key, sizeof(pair->key));
	bio = BIO_new(BIO_s_mem());
	ok = ok &&
	     PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	take_text(bio, pair->encrypted_key, sizeof(pair->encrypted_key));
	assert(ok);
	(void)ok;
	X509_free(cert);
	EVP_PKEY_free(key);
}
