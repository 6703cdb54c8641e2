/* SPDX-License-Identifier: Apache-2.0
 *
 * OCSP responses made at test time, with everything that can be wrong with them.
 */
#ifndef ENN_TESTS_UNIT_OCSP_H
#define ENN_TESTS_UNIT_OCSP_H

#include "certs.h"

enum ocsp_word { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

/* Zero and NULL mean the default that is given in the comments. */
struct ocsp_options {
	const struct cert *about;  /* the certificate */
	const struct cert *issuer; /* whose it is */
	const struct cert *signer; /* the issuer itself; another one is put into the response */
	enum ocsp_word word;
	const char *hash;    /* of the certificate's id: "SHA1" */
	int64_t this_update; /* CERT_NOW - 1 hour */
	int64_t next_update; /* CERT_NOW + 1 day; -1: none */
	bool break_signature;
	bool try_later; /* no answer at all */
};

/* DER; free with ocsp_free. */
struct enn_bytes ocsp_make(const struct ocsp_options *options);
void ocsp_free(struct enn_bytes response);

#endif
