/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, keys and revocation lists made at test time, with everything that can be wrong with
 * them. Failures inside are assertions.
 */
#ifndef ENN_TESTS_UNIT_CERTS_H
#define ENN_TESTS_UNIT_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The time at which the certificates below are valid unless said otherwise. */
#define CERT_NOW INT64_C(1750000000)
#define CERT_DAY INT64_C(86400)

struct cert {
	void *x509; /* X509 */
	void *key;  /* EVP_PKEY */
	struct enn_bytes der;
	char *pem;
	char *key_pem;
};

/* Zero and NULL mean the default that is given in the comments. */
struct cert_options {
	const char *subject; /* common name; "test" */
	const char *names;   /* subjectAltName in libcrypto's notation: "DNS:a.example,IP:::1" */
	const char
		*key_type; /* "P-256"; "P-384", "P-521", "ED25519", "ED448", "RSA-1024", "RSA-2048",
				* "RSA-PSS", "RSA-PSS-SHA256" */
	const char *hash;  /* of the signature: "SHA256"; ignored for Ed25519 issuers */
	bool pss;	   /* an RSA issuer signs with PSS */
	const struct cert *issuer;	/* self-signed */
	const struct cert *same_key_as; /* takes that key instead of a new one */
	int64_t not_before;		/* CERT_NOW - 1 day */
	int64_t not_after;		/* CERT_NOW + 30 days */
	bool ca;			/* basicConstraints CA:TRUE with keyCertSign and cRLSign */
	const char *basic_constraints;	/* instead */
	const char *key_usage;		/* instead; "digitalSignature" for leaves, "" for none */
	const char *extended_key_usage; /* none */
	const char *extension;		/* one more, "1.2.3.4=critical,DER:0500" */
	long serial;			/* 1 */
	bool break_signature;
};

struct cert *cert_make(const struct cert_options *options);
void cert_free(struct cert *cert);

struct crl_options {
	const struct cert *issuer;
	const long *revoked; /* serial numbers */
	size_t revoked_count;
	int64_t last_update; /* CERT_NOW - 1 day */
	int64_t next_update; /* CERT_NOW + 7 days */
	bool break_signature;
};

/* PEM; free with free(). */
char *crl_make(const struct crl_options *options);

#endif
