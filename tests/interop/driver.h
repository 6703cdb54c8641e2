/* SPDX-License-Identifier: Apache-2.0
 *
 * The interop driver: one engine on one TCP socket, told by flags what to do and
 * telling in one JSON object what happened. Shared by its files.
 */
#ifndef TESTS_INTEROP_DRIVER_H
#define TESTS_INTEROP_DRIVER_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <ennead/engine.h>
#include <ennead/protocol.h>
#include <ennead/security.h>

#define MAX_LIST 16

/* Exit codes, also in the JSON object as "result". */
enum result {
	RESULT_CLOSED = 0,  /* ended in an orderly way */
	RESULT_FAILED = 1,  /* the engine failed; "error" says why */
	RESULT_USAGE = 2,   /* bad flags, or the engine could not be made */
	RESULT_TIMEOUT = 3, /* nothing happened for too long */
	RESULT_SYSTEM = 4,  /* a socket or file operation failed */
	RESULT_ABORTED = 5, /* --finish abort: the socket was closed without a close_notify */
};

/* What to do once everything that was asked for has been sent and received. */
enum finish {
	FINISH_CLOSE, /* enn_engine_close */
	FINISH_HALF,  /* FINAL with the last data, then wait for the peer's */
	FINISH_WAIT,  /* FINAL after the peer's */
	FINISH_ABORT, /* close the socket and nothing else */
};

struct blob {
	uint8_t *data;
	size_t len;
};

struct pair {
	const char *a;
	const char *b;
};

struct rekey_point {
	uint64_t after; /* bytes of application data sealed */
	bool both;
};

struct options {
	bool server;
	const char *host;
	uint16_t port;
	unsigned connections;
	unsigned timeout_ms;

	const char *cert[MAX_LIST];
	const char *key[MAX_LIST];
	size_t certs, keys;
	const char *raw_key, *peer_raw_key; /* RFC 7250: our private key, the peer's public one */
	const char *ocsp;		    /* DER, about the first certificate */
	const char *external_cert;
	const char *external_key;
	const char *ca[MAX_LIST];
	size_t cas;
	const char *crl[MAX_LIST];
	size_t crls;
	const char *name;
	const char *alpn[MAX_LIST];
	size_t alpns;
	struct pair set[MAX_LIST];
	size_t sets;
	const char *psk[MAX_LIST];
	size_t psks;
	const char *answer_psk;
	const char *delegate;
	bool request_later; /* server: RFC 8446 §4.6.2, once connected */
	const char *ech, *ech_key, *ech_retry_out;

	const char *session_in;
	const char *session_out;
	struct blob early;
	struct blob send;
	uint64_t receive;
	bool echo;
	enum finish finish;
	unsigned want_sessions;
	unsigned want_rekeys;
	struct rekey_point rekey[MAX_LIST];
	size_t rekeys;
	size_t chunk;
	size_t segment;
	const char *export[MAX_LIST];
	size_t exports;
	const char *keylog;
	const char *out;
	enum enn_crypto_backend backend;
};

/* Data that is on its way out of an echoing driver; its address is the message's user value. */
struct echo_block {
	struct echo_block *next;
	size_t len;
	uint8_t data[];
};

struct conn {
	const struct options *o;
	const struct enn_env *env;
	struct enn_engine *e;
	int fd;

	uint8_t *out; /* one batch, and what of it the socket has not taken yet */
	size_t out_cap, out_len, out_pos;
	uint8_t *in;
	size_t in_cap;

	bool ready, final_sent, final_seen, closing, closed, failed, eof, broken;
	size_t early_queued, queued; /* bytes of o->early and o->send given to the engine */
	/* Everything not yet SENT, in order, and the first of it that the engine has not taken. */
	struct echo_block *echo_head, *echo_next, **echo_tail;
	uint64_t sealed, bytes_in, bytes_in_early, echo_backlog;
	size_t next_rekey;
	unsigned sessions, keys_in;
	EVP_MD_CTX *hash_in;
	FILE *out_file;
	json_t *events; /* names in order, repetitions left out */
	json_t *counts;
	json_t *exports;
	json_t *chain;
	const char *last_event;
	const char *compression; /* of the peer's certificate */
	bool status_good;
	bool asked_later, answered_later, accepted_later;
	struct enn_error error;
};

/* driver.c: the loop */
enn_time clock_now(clockid_t id);
enn_time now_mono(void);
enum result run(struct conn *c);
void linger(struct conn *c); /* ends the writing side and reads what still comes */

/* driver_options.c */
bool options_parse(struct options *o, int argc, char **argv);
void options_free(struct options *o);
bool blob_load(struct blob *blob, const char *path);
bool hex_decode(const char *text, struct blob *blob);
struct enn_security *options_security(const struct options *o);

/* driver_answer.c: questions of the engine */
bool answer_psk(struct conn *c, enn_time now, const struct enn_event *event);
bool answer_sign(struct conn *c, enn_time now, const struct enn_event *event);
bool answer_peer(struct conn *c, enn_time now);

/* driver_report.c */
bool report_open(struct conn *c);
void report_event(struct conn *c, const struct enn_event *event);
void report_ready(struct conn *c);
void report_print(struct conn *c, enum result result);
void report_close(struct conn *c);
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
