/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine that plays one party of a trace: what test_client.c and test_server.c share.
 *
 * WHAT IS REPLACED, and why. The other party's records go in as the trace has them, randoms and ephemeral keys
 * come from the trace through env->random, and so most of what our engine writes is the trace's byte
 * for byte. Two messages cannot be, because TLS leaves their contents to the sender: our ClientHello
 * offers other extensions in another order than that of the RFC's client, and our EncryptedExtensions and
 * CertificateRequest have other extensions than those of its server. They go into the transcript, on which
 * everything after them depends. So where our side has written such a message, the test replaces our engine's
 * transcript by that of the trace's messages, and from there on all bytes can be compared.
 */
#ifndef ENN_TESTS_RFC8448_REPLAY_H
#define ENN_TESTS_RFC8448_REPLAY_H

#include "trace.h"

#include "handshake/internal.h"
#include "protocols/tls/internal.h"

#define REPLAY_SECRETS 8

struct replay_bytes {
	uint8_t data[8192];
	size_t len;
};

struct replay {
	struct trace *trace;
	struct enn_env env;
	struct script script;
	struct enn_security *security;
	struct enn_engine *engine;
	enn_time now;
	struct replay_bytes input;    /* lent to the engine */
	struct replay_bytes sent;     /* by our engine, since the last replay_expect */
	struct replay_bytes received; /* application data */
	uint32_t received_flags;
	bool ready;
	bool closed;
	bool finished_receiving;
	bool early_accepted;
	struct enn_bytes session; /* the last ENN_EVENT_STORE_SESSION, copied */
	/* The question that the engine is parked on, NONE if it is not. */
	enum enn_event_type question;
	uint16_t sign_scheme;
	uint8_t sign_input[256];
	size_t sign_input_len;
	/* the key log */
	struct {
		char label[40];
		uint8_t secret[32];
	} secret[REPLAY_SECRETS];
	size_t secret_count;
};

/* Security parameters that fit the traces: no GREASE, validation delegated (the traces' certificates are
 * self-signed, of 1024 bits and expired), a session id only if the trace has one. */
struct replay *replay_new(const char *trace);
void replay_free(struct replay *r);
/* Makes and starts the engine. session may be empty. */
void replay_start(struct replay *r, bool server, struct enn_bytes session);
static inline struct enn_tls *replay_tls(struct replay *r)
{
	return (struct enn_tls *)r->engine;
}

/* A credential with the certificates of a Certificate message of the trace, without key. */
void replay_add_certificate(struct replay *r, struct enn_bytes certificate_message);
/* The leaf of a Certificate message. */
struct enn_bytes replay_leaf(struct enn_bytes certificate_message);
/* The signature of a CertificateVerify message. */
struct enn_bytes replay_signature(struct enn_bytes certificate_verify);

/* Takes all events. */
void replay_events(struct replay *r);
/* A record of the other party; then events. */
void replay_ingest(struct replay *r, struct enn_bytes record);
/* Gathers what the engine has to send. */
void replay_transmit(struct replay *r);
/* What was sent must begin with these bytes; they are taken off. */
void replay_expect(struct replay *r, struct enn_bytes record);
void replay_answer_peer(struct replay *r);
void replay_answer_signature(struct replay *r, struct enn_bytes signature);
/* Our engine sends this as application data. */
void replay_send(struct replay *r, struct enn_bytes data, uint32_t flags);

/* The transcript becomes that of these messages, the trace's own. */
void replay_transcript(struct replay *r, const struct enn_bytes *messages, size_t count);
/* RFC 8446 §4.4.1: what a first ClientHello is replaced by after a retry. */
struct enn_bytes replay_message_hash(struct enn_bytes client_hello, uint8_t out[36]);

/* The secrets that our engine logged must be the trace's. */
void replay_check_secrets(struct replay *r);
/* From the step behind the client's Finished to the end: application data, alerts. */
void replay_rest(struct replay *r, bool server);

#endif
