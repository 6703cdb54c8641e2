/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's and a server's engine joined in memory, for tests of what is negotiated between them.
 */
#ifndef ENN_TESTS_UNIT_TLS_PAIR_H
#define ENN_TESTS_UNIT_TLS_PAIR_H

#include "certs.h"
#include "ennead/engine.h"
#include "ennead/security.h"
#include "support.h"

#define MUST(call) assert_int_equal(call, ENN_OK)

struct tls_end {
	struct enn_engine *e;
	bool ready, failed;
	struct enn_error error;
	struct enn_info
		info; /* at READY; its pointers live as long as the engine with keepPeerChain */
	uint8_t session[8192];
	size_t session_len;
	unsigned sessions;	/* that were given to store */
	size_t received;	/* bytes of handshake and data that came */
	unsigned questions;	/* events that the hook saw */
	unsigned authenticated; /* answers to enn_engine_request_peer, and what the last one was */
	bool accepted;
};

struct tls_pair {
	struct tls_end client, server;
	/* Sees every question (validate, PSK, signature, credential) of either end. NULL: peers are accepted. */
	void (*ask)(struct tls_pair *p, struct tls_end *end, const struct enn_event *event);
	/* Sees the bytes of each transmission on its way, and may change them: their length then. */
	size_t (*wire)(struct tls_pair *p, const struct tls_end *to, uint8_t *data, size_t len,
		       size_t cap);
	void *user;
	enn_time now;			   /* ENN_SECOND */
	void (*begun)(struct tls_pair *p); /* called when both engines stand; or NULL */
	const char *early;		  /* sent as early data if it can be, else after; or NULL */
	const struct enn_env *server_env; /* NULL: the client's */
};

/* Runs a whole connection: both ends as they are when nothing more moves. p is zeroed but for ask and
 * user. name may be NULL; session of an earlier run, or NULL. */
void tls_pair_run(struct tls_pair *p, const struct enn_env *env, struct enn_security *client,
		  struct enn_security *server, const char *name, const struct tls_end *session);
/* Goes on after an answer that was given later. */
void tls_pair_go_on(struct tls_pair *p);
void tls_pair_free(struct tls_pair *p);
/* Fails the test unless both are ready. */
void tls_pair_must_be_ready(const struct tls_pair *p);
/* The one end refuses with this reason and alert, the other is told the alert. */
void tls_pair_must_fail(const struct tls_pair *p, bool by_server, enum enn_reason reason,
			unsigned alert);

/* For tests that are run once for each version: setups that make tls_security allow only that one. */
int tls_use_12(void **state);
int tls_use_13(void **state);

/* Parameters out of "name=value" and certificates. */
struct enn_security *tls_security(const char *const *settings);
void tls_trust(struct enn_security *s, const struct cert *anchor);
void tls_add_certificate(struct enn_security *s, const struct cert *leaf);
/* A chain: the leaf and what is behind it. */
struct enn_credential *tls_credential(const struct cert *leaf, const struct cert *const *rest,
				      size_t rest_count);

#endif
