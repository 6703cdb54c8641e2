/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and certificates, through libcrypto.
 */
#ifndef ENN_CLI_KEYGEN_H
#define ENN_CLI_KEYGEN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "cli.h"

#define KEYGEN_MAX_HOSTS 32

/* `keygen wireguard`: argv begins with that word. Returns the exit status. */
int cli_keygen_wireguard(int argc, char **argv);
/* `keygen ech`, likewise. */
int cli_keygen_ech(int argc, char **argv);
/* `keygen pool-key`, likewise (session_store.c). */
int cli_keygen_pool_key(int argc, char **argv);

struct keygen {
	const char *type;
	const char *out;    /* PREFIX.key, PREFIX.pem */
	const char *name;   /* subject's common name */
	const char *issuer; /* PREFIX of the issuing authority */
	const char *sign;   /* a certificate request to sign */
	const char *revoke[KEYGEN_MAX_HOSTS];
	size_t revoke_count;
	const char *host[KEYGEN_MAX_HOSTS];
	size_t host_count;
	long days;
	bool ca;
	bool csr;
	bool raw;
	bool crl;
	bool client;
	bool server;
	bool force;
};

/* All return NULL or false after a message. */
EVP_PKEY *keygen_key(const char *type);
X509 *keygen_certificate(const struct keygen *k, EVP_PKEY *subject_key, X509 *issuer,
			 EVP_PKEY *issuer_key);
X509_REQ *keygen_request(const struct keygen *k, EVP_PKEY *key);
/* A certificate for what a request asks for: its key, subject and alternative names. */
X509 *keygen_sign_request(const struct keygen *k, X509_REQ *request, X509 *issuer,
			  EVP_PKEY *issuer_key);
X509_CRL *keygen_crl(const struct keygen *k, X509 *issuer, EVP_PKEY *issuer_key);

#endif
