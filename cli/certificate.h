/* SPDX-License-Identifier: Apache-2.0
 *
 * What a certificate says, for people and for JSON.
 */
#ifndef ENN_CLI_CERTIFICATE_H
#define ENN_CLI_CERTIFICATE_H

#include <jansson.h>

#include "cli.h"

#define CERTIFICATE_TEXT 512
#define CERTIFICATE_DATE 24
#define CERTIFICATE_PIN	 56

struct certificate {
	char subject[CERTIFICATE_TEXT]; /* RFC 4514, printable ASCII */
	char issuer[CERTIFICATE_TEXT];
	char names[CERTIFICATE_TEXT * 2];  /* "DNS:a.example, IP:192.0.2.1"; may be empty */
	char not_before[CERTIFICATE_DATE]; /* "2026-01-31T00:00:00Z" */
	char not_after[CERTIFICATE_DATE];
	char key[64]; /* "RSA 2048", "EC P-256" */
	char signature[64];
	char serial[64];	   /* hexadecimal */
	char fingerprint[65];	   /* SHA-256 of the whole, hexadecimal */
	char pin[CERTIFICATE_PIN]; /* of the public key (RFC 7469 §2.4): "sha256/…" */
	int64_t begins;		   /* UNIX seconds */
	int64_t ends;
	int bits;
	bool rsa;
	bool authority;	     /* basicConstraints: CA */
	bool self_issued;    /* subject and issuer are one */
	bool weak_signature; /* MD5 or SHA-1 */
};

/* False if it is no certificate. */
bool certificate_read(const uint8_t *der, size_t len, struct certificate *out);
/* "sha256/…" of a SubjectPublicKeyInfo in DER. */
bool certificate_key_pin(const uint8_t *spki, size_t len, char pin[CERTIFICATE_PIN]);
/* Does the name, or address, stand in it (RFC 9525)? */
bool certificate_is_for(const uint8_t *der, size_t len, const char *name);
/* Was it issued by the other: name and signature? */
bool certificate_issued_by(const uint8_t *der, size_t len, const uint8_t *issuer,
			   size_t issuer_len);
json_t *certificate_json(const struct certificate *c);
/* Lines of "title  text", with blanks before. */
void certificate_print(FILE *out, const struct certificate *c, const char *indent);

#endif
