/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS contenders: Ennead, libssl, and the primitives alone.
 */
#ifndef ENN_BENCH_TLS_H
#define ENN_BENCH_TLS_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "bench.h"

#define TLS_NAME	"server.bench.example"
#define TLS_MESSAGE	16384u /* bytes of one message in the bulk rows */
#define TLS_RECORD_ROOM 16640u

/* ---- certificates (tls_pki.c): a P-256 root, a server's and a client's P-256 leaf under it ------- */

struct tls_identity {
	EVP_PKEY *key;
	X509 *cert;
	char key_pem[512];
	char cert_pem[2048];
};

struct tls_pki {
	struct tls_identity root;
	struct tls_identity server;
	struct tls_identity client;
};

void tls_pki_make(struct tls_pki *pki);
void tls_pki_free(struct tls_pki *pki);

/* ---- what a row wants, for both stacks ------------------------------------------------------------- */

struct tls_setup {
	const struct tls_pki *pki;
	const char *suite; /* IANA name; those of TLS 1.2 say WITH */
	unsigned tickets;  /* that the server sends */
	bool resume;	   /* handshakes resume a session made beforehand */
	bool mutual;
	bool cached_chain; /* Ennead only: its cache of validated chains is on */
	size_t record;	   /* plaintext bytes of one record */
};

/* The one version that the suite is for. */
static inline bool tls_is_12(const struct tls_setup *setup)
{
	return strstr(setup->suite, "_WITH_") != NULL;
}

/* ---- Ennead (tls_ours.c) ------------------------------------------------------------------------------ */

struct ours;
struct ours *ours_new(const struct tls_setup *setup);
void ours_free(struct ours *o);
void ours_handshakes(void *ctx, size_t n);
/* One connection that stays: connect first. Each operation moves one message of TLS_MESSAGE bytes from the
 * client to the server. */
void ours_connect(struct ours *o);
void ours_disconnect(struct ours *o);
void ours_bulk(void *ctx, size_t n);
/* The same with one message of the record's size a call. */
void ours_bulk_single(void *ctx, size_t n);
/* Heap of an idle established connection, by side. */
void ours_idle(struct ours *o, double *client, double *server);
const char *ours_describe(const struct ours *o);

/* ---- libssl (tls_libssl.c) ------------------------------------------------------------------------------ */

struct libssl;
struct libssl *libssl_new(const struct tls_setup *setup);
void libssl_free(struct libssl *l);
void libssl_handshakes(void *ctx, size_t n);
void libssl_connect(struct libssl *l);
void libssl_disconnect(struct libssl *l);
void libssl_bulk(void *ctx, size_t n);
void libssl_bulk_single(void *ctx, size_t n);
void libssl_idle(struct libssl *l, double *client, double *server);

/* ---- primitives (tls_limit.c) ------------------------------------------------------------------------------ */

struct limit;
struct limit *limit_new(const struct tls_setup *setup);
void limit_free(struct limit *l);
void limit_full(void *ctx, size_t n);	     /* 2 keygen, 2 derive, 1 sign, 2 verify */
void limit_known_chain(void *ctx, size_t n); /* 2 keygen, 2 derive, 1 sign, 1 verify */
void limit_resumed(void *ctx, size_t n);     /* 2 keygen, 2 derive */
void limit_mutual(void *ctx, size_t n);	     /* 2 keygen, 2 derive, 2 sign, 4 verify */
void limit_bulk(void *ctx, size_t n);	     /* the records of one message, sealed and opened */
void limit_bulk_single(void *ctx, size_t n);
const char *limit_aead_name(const struct limit *l);
/* Bytes that no connection can do without: two keyed AEADs, secrets, IVs, counters. */
double limit_idle(const struct limit *l);

#endif
