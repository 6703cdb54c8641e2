/* SPDX-License-Identifier: Apache-2.0
 *
 * What the checks of TLS share: certificates made for the occasion, and connections.
 */
#ifndef ENN_CLI_SURVEY_TLS_H
#define ENN_CLI_SURVEY_TLS_H

#include <openssl/evp.h>

#include "survey.h"

#define SURVEY_TLS_NAME "server.example"

/* A certificate with its key; PEM besides. */
struct tls_identity {
	EVP_PKEY *key;
	char *chain_pem;
	size_t chain_len;
	char *key_pem;
	size_t key_len;
};

struct tls_pki {
	struct tls_identity ca, other_ca;
	struct tls_identity server;	  /* for SURVEY_TLS_NAME, by ca */
	struct tls_identity other_server; /* the same by other_ca */
	struct tls_identity client, other_client;
};

bool tls_pki_open(struct survey *s);
void tls_pki_close(struct survey *s);

/* What one side brings along; it trusts ca in any case. Zeroed is valid. */
struct tls_end {
	const struct tls_identity *own;
	bool key_elsewhere;	/* own has its certificate only */
	const uint8_t *psk;	/* 32 bytes */
	const char *alpn[4];	/* up to a NULL */
	const char *setting[8]; /* name, value, … up to a NULL */
};

/* NULL, and refuted, if it cannot be made. */
struct enn_security *tls_security(struct survey *s, const struct tls_end *end);

/* Two engines that have been started at `now` and have sent nothing; `session` of an earlier client, or
 * NULL. NULL, and refuted, if they cannot be made. */
struct survey_pair *tls_pair(struct survey *s, enn_time now, struct enn_security *client,
			     struct enn_security *server, const char *name,
			     const struct survey_side *session);
/* The whole of it: security parameters, engines, handshake. */
struct survey_pair *tls_connect(struct survey *s, const struct tls_end *client,
				const struct tls_end *server);

struct enn_info tls_info(const struct survey_pair *p, int side);
/* Both are ready. */
bool tls_ready(const struct survey_pair *p);

/* An extension of the ClientHello (side 0) or ServerHello (side 1) that begins the packet; false: it has
 * none. type 0x0a0a: any that RFC 8701 reserves. */
struct tls_field {
	const uint8_t *data;
	size_t len;
};
bool tls_extension(const struct survey_packet *packet, int side, unsigned type,
		   struct tls_field *out);

#endif
