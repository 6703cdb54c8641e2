/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and keys for tests, made on the spot.
 */
#ifndef ENN_TESTS_UNIT_PKI_H
#define ENN_TESTS_UNIT_PKI_H

#include <stddef.h>

struct pki_pair {
	char cert[4096]; /* PEM */
	char key[2048];	 /* PEM, PKCS #8 */
	char encrypted_key[2048];
};

/* A self-signed P-256 certificate for name, valid for a day around the present. */
void pki_make(struct pki_pair *pair, const char *name);

#endif
