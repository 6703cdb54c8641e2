/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the handshake, shared by its files only.
 */
#ifndef ENN_HANDSHAKE_INTERNAL_H
#define ENN_HANDSHAKE_INTERNAL_H

#include "base/buffer.h"
#include "crypto/hash.h"
#include "crypto/kx.h"
#include "crypto/x509.h"
#include "handshake/codec.h"
#include "handshake/handshake.h"
#include "handshake/post_auth.h"
#include "handshake/session.h"

/* Named after what each expects or awaits; the figure of RFC 8446 §A.1 and §A.2. */
enum enn_hs_state {
	ENN_HS_CLIENT_START,
	ENN_HS_CLIENT_EXPECT_SERVER_HELLO,
	ENN_HS_CLIENT_EXPECT_SECOND_SERVER_HELLO,
	ENN_HS_CLIENT_EXPECT_ENCRYPTED_EXTENSIONS,
	ENN_HS_CLIENT_EXPECT_CERTIFICATE_REQUEST, /* or Certificate */
	ENN_HS_CLIENT_EXPECT_CERTIFICATE,
	ENN_HS_CLIENT_EXPECT_CERTIFICATE_VERIFY,
	ENN_HS_CLIENT_AWAIT_VERDICT,
	ENN_HS_CLIENT_EXPECT_FINISHED,
	ENN_HS_CLIENT_AWAIT_SIGNATURE,
	ENN_HS_SERVER_EXPECT_CLIENT_HELLO,
	ENN_HS_SERVER_EXPECT_SECOND_CLIENT_HELLO,
	ENN_HS_SERVER_AWAIT_CREDENTIAL,
	ENN_HS_SERVER_AWAIT_PSK,
	ENN_HS_SERVER_AWAIT_STORE,
	ENN_HS_SERVER_AWAIT_SIGNATURE,
	ENN_HS_SERVER_EXPECT_END_OF_EARLY_DATA,
	ENN_HS_SERVER_EXPECT_CERTIFICATE,
	ENN_HS_SERVER_EXPECT_CERTIFICATE_VERIFY,
	ENN_HS_SERVER_AWAIT_VERDICT,
	ENN_HS_SERVER_EXPECT_FINISHED,
	/* TLS 1.2 (RFC 5246 §7.3); who awaits an answer is in the states above, but for one. */
	ENN_HS_CLIENT12_EXPECT_CERTIFICATE,
	ENN_HS_CLIENT12_EXPECT_STATUS, /* or ServerKeyExchange */
	ENN_HS_CLIENT12_EXPECT_KEY_EXCHANGE,
	ENN_HS_CLIENT12_EXPECT_REQUEST_OR_DONE,
	ENN_HS_CLIENT12_EXPECT_DONE,
	ENN_HS_CLIENT12_EXPECT_TICKET,
	ENN_HS_CLIENT12_EXPECT_FINISHED,
	ENN_HS_SERVER12_EXPECT_CERTIFICATE,
	ENN_HS_SERVER12_EXPECT_KEY_EXCHANGE,
	ENN_HS_SERVER12_AWAIT_PSK,
	ENN_HS_SERVER12_EXPECT_CERTIFICATE_VERIFY,
	ENN_HS_SERVER12_EXPECT_FINISHED,
	ENN_HS_COMPLETE,
	ENN_HS_FAILED,
};

#define ENN_HS_MAX_SHARES      4 /* three ordinary ones and a hybrid */
#define ENN_HS_MAX_PSKS	       4
#define ENN_HS_TICKET_NAME     32 /* bytes of a ticket that names a session in the store */
#define ENN_HS_MAX_CLIENT_PSKS 8  /* identities of a ClientHello that a server looks at */

/* Where a PSK comes from, which its binder tells (RFC 8446 §4.2.11.2, RFC 9258 §5.2). */
enum enn_psk_kind { ENN_PSK_RESUMPTION, ENN_PSK_EXTERNAL, ENN_PSK_IMPORTED };

/* A PSK that a client offers. */
struct enn_hs_psk {
	struct enn_bytes identity; /* borrowed: session blob or credential */
	struct enn_bytes key;
	uint32_t obfuscated_age;
	const struct enn_hash_alg *hash;
	enum enn_psk_kind kind;
};

/* The reserved values one client sends (RFC 8701 §3), drawn once so that both hellos agree. */
struct enn_hs_grease {
	uint16_t suite;
	uint16_t group;
	uint16_t version;
	uint16_t signature;
	uint16_t extension;
};

struct enn_ech;
struct enn_store_questions;
struct enn_tls12;

/* Where Encrypted ClientHello stands (ech.h). */
enum enn_ech_state {
	ENN_ECH_NONE,	  /* not part of this handshake */
	ENN_ECH_GREASED,  /* client: sent something that looks like it */
	ENN_ECH_OFFERED,  /* client: the server has not said yet */
	ENN_ECH_ACCEPTED, /* the inner hello counts */
	ENN_ECH_REJECTED, /* the outer one does */
};

/* Which ClientHello is written. */
enum enn_hello_form {
	ENN_HELLO_PLAIN,
	ENN_HELLO_INNER, /* goes encrypted inside … */
	ENN_HELLO_OUTER, /* … of this one */
};

struct enn_handshake {
	struct enn_handshake_carrier *c;
	const struct enn_env *env;
	struct enn_security *security;
	enum enn_hs_state state;
	enum enn_hs_state resume_at; /* the state to go on in after AWAIT_* */
	enn_time now;		     /* of the call that is being worked on */
	bool server;

	/* Transcript: both hashes until the suite is known, then one (§4.4.1). */
	const struct enn_hash_alg *hash; /* NULL until then */
	struct enn_hash transcript[2];
	/* DTLS, while it may yet become 1.2: the same with headers as 1.2 has them; and the number of the message that
	 * is added next. */
	struct enn_hash transcript12[2];
	uint16_t message_number;
	uint8_t hello_cookie[ENN_HS_MAX_HELLO_COOKIE];
	uint8_t hello_cookie_len;
	uint8_t hello_verified; /* HelloVerifyRequests that came */

	struct enn_key_schedule ks;
	uint8_t client_secret[ENN_MAX_SECRET]; /* handshake traffic secrets */
	uint8_t server_secret[ENN_MAX_SECRET];
	uint8_t early_exporter[ENN_MAX_SECRET];
	uint8_t next_receive
		[ENN_MAX_SECRET]; /* server: the client's application secret, until its Finished */

	uint8_t random[ENN_HS_RANDOM]; /* the client's: it names the key log lines */
	uint8_t session_id[ENN_HS_MAX_SESSION_ID];
	uint8_t session_id_len;
	enum enn_early_skip early_skip;
	bool half_rtt;

	/* client */
	struct enn_kx_key *share[ENN_HS_MAX_SHARES];
	uint8_t *share_public[ENN_HS_MAX_SHARES];
	size_t share_count;
	uint16_t retry_group; /* 0: no key share was asked for */
	uint8_t *cookie;      /* of a HelloRetryRequest, whoever sent it */
	size_t cookie_len;
	uint8_t address[19]; /* server: what its cookies are bound to */
	uint8_t address_len;
	struct enn_hs_psk psk[ENN_HS_MAX_PSKS];
	size_t psk_count;
	uint8_t *session; /* the session blob, owned */
	size_t session_len;
	struct enn_session session_view;
	struct enn_hs_grease grease;
	uint32_t
		offered; /* ENN_VIEW_BIT of what the ClientHello carried: only that may be answered */
	bool offered_early;
	bool certificate_requested;
	/* The peer's signature_algorithms_cert, or signature_algorithms; borrowed while one is chosen. */
	struct enn_bytes cert_signatures;
	bool own_fits_name;	    /* server: `own` is for the name that was asked for */
	unsigned own_fit;	    /* how well it suits the peer, up to ENN_CERTIFICATE_FITS_ALL */
	struct enn_credential *own; /* the credential to authenticate with, or NULL */
	uint16_t own_scheme;

	/* server */
	struct enn_buffer held; /* a ClientHello that waits for a PSK or a credential */
	struct enn_bytes question_alpn;
	struct enn_credential *given; /* by the application for this connection, or NULL */
	bool credential_answered;
	uint8_t *answered_psk;
	size_t answered_psk_len;
	enum enn_hash_id answered_psk_hash;
	bool psk_answered;
	bool ask_store;	    /* what is to be asked is the session store, not the application */
	uint16_t psk_asked; /* the identity that the answer is for */

	/* RFC 7250, both enum enn_certificate_type: what we show and what the peer shows. */
	uint8_t own_type;
	uint8_t peer_type;
	bool compression_offered; /* we said what we can decompress */
	uint16_t compression;	  /* to send our certificate with; 0: none */
	bool status_wanted;	  /* the peer asked for our certificate's status */
	bool status_asked;	  /* server: we asked for the client's */
	bool peer_type_excluded;  /* server: the client can show nothing that is taken */
	bool ticket_request;	  /* server: the client said how many tickets it wants */
	bool post_auth_offered;	  /* the client may be asked after the handshake */
	/* After the handshake (post_auth.c): the request's context, and the client's application secret. */
	struct enn_bytes context;
	const uint8_t *post_secret;

	struct enn_store_questions *store; /* NULL: the session store was not asked */
	struct enn_ech *ech;		   /* NULL: ENN_ECH_NONE */
	struct enn_tls12 *tls12;	   /* NULL: it cannot become TLS 1.2, or no longer */

	struct enn_peer_chain *peer;
	/* the bytes under a signature: 64 spaces, context string, 0, hash (§4.4.3) */
	uint8_t sign_input[64 + 34 + ENN_MAX_HASH];
	size_t sign_input_len;
	struct enn_bytes question;
};

/* ---- handshake.c: messages and transcript -------------------------------------------- */

/* A message under construction in the carrier's room. */
struct enn_hs_out {
	struct enn_writer w;
	enum enn_level level;
	uint8_t type;
};
enum enn_status enn_hs_begin(struct enn_handshake *hs, struct enn_hs_out *out, enum enn_level level,
			     uint8_t type, size_t cap);
/* Fills in the length, adds the message to the transcript, commits it. */
enum enn_status enn_hs_commit(struct enn_handshake *hs, struct enn_hs_out *out);
/* The same in steps, for a ClientHello whose binders are computed in between. */
enum enn_status enn_hs_finish_length(struct enn_handshake *hs, struct enn_hs_out *out);
void enn_hs_commit_raw(struct enn_handshake *hs, struct enn_hs_out *out);

void enn_hs_transcript_start(struct enn_handshake *hs);
/* It is 1.2: before the next message joins. */
void enn_hs_transcript_12(struct enn_handshake *hs);
/* A version as this carrier writes it. */
uint16_t enn_hs_wire_version(const struct enn_handshake *hs, uint16_t version);
void enn_hs_transcript_add(struct enn_handshake *hs, const void *data, size_t len);
/* Chooses the hash; the other one is forgotten. */
void enn_hs_transcript_choose(struct enn_handshake *hs, const struct enn_hash_alg *hash);
/* The transcript of one hash, whether chosen already or not. */
const struct enn_hash *enn_hs_transcript(const struct enn_handshake *hs,
					 const struct enn_hash_alg *hash);
void enn_hs_transcript_hash(const struct enn_handshake *hs, uint8_t *out);
/* Replaces ClientHello1 by its message_hash (§4.4.1). The hash is chosen. */
void enn_hs_transcript_retry(struct enn_handshake *hs);

/* Fails with a parser's fault. */
enum enn_status enn_hs_fault(struct enn_handshake *hs, const struct enn_fault *fault);
int64_t enn_hs_wall(const struct enn_env *env, enn_time now);
/* One line of the key log, if there is one. */
void enn_hs_keylog(struct enn_handshake *hs, const char *label, const uint8_t *secret);
void enn_hs_keylog_line(struct enn_handshake *hs, const char *label, const uint8_t *secret,
			size_t len);
/* Derives a traffic secret from the schedule and the transcript so far, logs it. */
void enn_hs_traffic_secret(struct enn_handshake *hs, const char *label, const char *log_label,
			   const uint8_t *transcript_hash, uint8_t *out);
enum enn_status enn_hs_secret(struct enn_handshake *hs, enum enn_direction direction,
			      enum enn_level level, const uint8_t *secret);
/* Copies bytes into *to (freed first); an empty run gives NULL. */
enum enn_status enn_hs_copy(const struct enn_env *env, uint8_t **to, size_t *to_len,
			    struct enn_bytes from);
/* A NUL-terminated copy of a server name. */
enum enn_status enn_hs_copy_name(const struct enn_env *env, char **to, struct enn_bytes from);

/* Begins an extension that has a view: its type, the length to come, and, on a client, the note that it was
 * offered. End it with enn_write_end(w, mark, 2). */
size_t enn_hs_extension_begin(struct enn_handshake *hs, struct enn_writer *w, enum enn_view view);
/* Client: an answered extension must have been offered (unsupported_extension) and be allowed in this
 * message, whose views are a mask of ENN_VIEW_BIT (illegal_parameter) (§4.2). */
enum enn_status enn_hs_check_views(struct enn_handshake *hs, const struct enn_views *views,
				   uint32_t allowed, const char *where);

/* ---- TLS 1.2: tls12*.c --------------------------------------------------------------------- */
/* Whether this version may be used in this handshake. */
bool enn_hs_offers(const struct enn_handshake *hs, uint16_t version);
/* Makes ready for TLS 1.2, if it is offered. */
enum enn_status enn_tls12_begin(struct enn_handshake *hs);
void enn_tls12_free(struct enn_handshake *hs);
void enn_tls12_forget_messages(struct enn_handshake *hs);
void enn_tls12_keep_message(struct enn_handshake *hs, const void *data, size_t len);
/* Client: session_view, a session of TLS 1.2, is to be resumed. */
void enn_tls12_offer_session(struct enn_handshake *hs);
/* Client: the extensions that only TLS 1.2 knows. */
void enn_tls12_offer(struct enn_handshake *hs, struct enn_writer *w);
/* Client: a ServerHello without supported_versions. */
enum enn_status enn_tls12_server_hello(struct enn_handshake *hs, const struct enn_server_hello *sh,
				       struct enn_bytes message);
enum enn_status enn_tls12_client_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
					 struct enn_bytes body, struct enn_bytes message,
					 enum enn_handshake_outcome *outcome);
enum enn_status enn_tls12_client_signed(struct enn_handshake *hs, struct enn_bytes signature);
/* Server: a ClientHello that is for TLS 1.2. */
enum enn_status enn_tls12_client_hello(struct enn_handshake *hs, enn_time now,
				       const struct enn_client_hello *ch, struct enn_bytes message,
				       enum enn_handshake_outcome *outcome);
enum enn_status enn_tls12_server_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
					 struct enn_bytes body, struct enn_bytes message,
					 enum enn_handshake_outcome *outcome);
enum enn_status enn_tls12_server_signed(struct enn_handshake *hs, struct enn_bytes signature);
enum enn_status enn_tls12_psk_answered(struct enn_handshake *hs, struct enn_bytes key);
/* Whether the ClientHello names it. */
bool enn_client_hello_offers_suite(const struct enn_handshake *hs,
				   const struct enn_tls_suite *suite);
enum enn_status enn_client_take_alpn(struct enn_handshake *hs, struct enn_bytes alpn);

/* ---- ech_client.c, ech_server.c ---------------------------------------------------------- */
enum enn_ech_state enn_ech_state(const struct enn_handshake *hs);
void enn_ech_free(struct enn_handshake *hs);
/* Client: makes ready what the security parameters ask for. */
enum enn_status enn_ech_prepare(struct enn_handshake *hs);
/* Client: writes the extension of a form; the payload of the outer one is zeros. */
void enn_ech_write(struct enn_handshake *hs, struct enn_writer *w, enum enn_hello_form form);
/* Client: whether two hellos are to be written; and writing them. */
bool enn_ech_wraps(const struct enn_handshake *hs);
enum enn_status enn_ech_send(struct enn_handshake *hs);
/* Client: the transcript that early data is under. */
const struct enn_hash *enn_ech_transcript(const struct enn_handshake *hs,
					  const struct enn_hash_alg *hash);
/* Client: a server's first message decides. Before it joins the transcript. */
enum enn_status enn_ech_decide(struct enn_handshake *hs, const struct enn_hash_alg *hash,
			       const struct enn_server_hello *sh, struct enn_bytes message);
/* Client: what EncryptedExtensions bring. */
enum enn_status enn_ech_take(struct enn_handshake *hs, const struct enn_views *views);
/* Client: the name that the certificate must be for. */
const char *enn_ech_reference_name(const struct enn_handshake *hs);
/* Client: the server is authenticated; if it did not accept, that is the end. */
enum enn_status enn_ech_finish(struct enn_handshake *hs);
/* Server: replaces a ClientHelloOuter by the inner one, if it can be opened. */
enum enn_status enn_ech_open(struct enn_handshake *hs, struct enn_client_hello *ch,
			     struct enn_bytes *message);
/* Server: the zeros for its confirmation in a HelloRetryRequest; and the confirmation itself, in that or
 * (in the random) in a ServerHello, before the message joins the transcript. */
void enn_ech_answer_retry(struct enn_handshake *hs, struct enn_writer *w);
void enn_ech_confirm(struct enn_handshake *hs, struct enn_writer *w, bool retry);
/* Server: the configurations to use instead, in EncryptedExtensions. */
void enn_ech_answer(struct enn_handshake *hs, struct enn_writer *w);

/* ---- client_hello.c -------------------------------------------------------------------- */
enum enn_status enn_client_hello_send(struct enn_handshake *hs, enn_time now);
/* Draws random, session id, grease and key shares; chooses what to offer. */
enum enn_status enn_client_hello_prepare(struct enn_handshake *hs, enn_time now);
/* Writes a ClientHello into a message that was begun, binders included, and ends its length. */
enum enn_status enn_client_hello_write(struct enn_handshake *hs, struct enn_hs_out *out,
				       enum enn_hello_form form);
/* As much room as one can need. */
size_t enn_client_hello_bound(const struct enn_handshake *hs);
enum enn_status enn_client_hello_make_share(struct enn_handshake *hs, uint16_t group);
void enn_client_hello_drop_shares(struct enn_handshake *hs);

/* ---- client.c ------------------------------------------------------------------------------ */
enum enn_status enn_client_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
				   struct enn_bytes body, struct enn_bytes message,
				   enum enn_handshake_outcome *outcome);
enum enn_status enn_client_flight(struct enn_handshake *hs, enn_time now,
				  enum enn_handshake_outcome *outcome);
enum enn_status enn_client_flight_rest(struct enn_handshake *hs,
				       enum enn_handshake_outcome *outcome);

/* ---- server_hello.c, server.c ------------------------------------------------------------ */
enum enn_status enn_server_client_hello(struct enn_handshake *hs, enn_time now,
					struct enn_bytes body, struct enn_bytes message,
					enum enn_handshake_outcome *outcome);
enum enn_status enn_server_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
				   struct enn_bytes body, struct enn_bytes message,
				   enum enn_handshake_outcome *outcome);
enum enn_status enn_server_flight(struct enn_handshake *hs, const struct enn_client_hello *ch,
				  struct enn_bytes shared, enum enn_handshake_outcome *outcome);
/* Writes CertificateRequest. */
enum enn_status enn_server_request_certificate(struct enn_handshake *hs);
enum enn_status enn_server_flight_rest(struct enn_handshake *hs,
				       enum enn_handshake_outcome *outcome);

/* Judges the ClientHello that is held, after an answer. */
enum enn_status enn_server_hello_again(struct enn_handshake *hs, enn_time now,
				       enum enn_handshake_outcome *outcome);

/* ---- server_name.c --------------------------------------------------------------------------- */
/* Asks the application whose name that is, if it wants to be asked: *ask, parked. */
enum enn_status enn_server_name_ask(struct enn_handshake *hs, const struct enn_client_hello *ch,
				    struct enn_bytes message, enum enn_handshake_outcome *outcome,
				    bool *ask);
enum enn_status enn_server_name_answer(struct enn_handshake *hs, enn_time now,
				       const struct enn_answer *answer,
				       enum enn_handshake_outcome *outcome);
/* Whether the second ClientHello names somebody else than the first. */
bool enn_server_name_changed(const struct enn_handshake *hs, const struct enn_client_hello *ch);

/* ---- store.c --------------------------------------------------------------------------------- */
/* Takes the value of a key out of the session store: *state owned by the caller, NULL: there is none. A store
 * that is elsewhere is asked once in a handshake: *ask, and the caller parks. */
enum enn_status enn_store_take(struct enn_handshake *hs, enn_time now, struct enn_bytes key,
			       uint8_t **state, size_t *state_len, bool *ask);
bool enn_store_is_remote(const struct enn_handshake *hs);
/* A store that is elsewhere: claims a key, once; *ask, and the caller parks. Errors: ENN_E_MEMORY. */
enum enn_status enn_store_claim(struct enn_handshake *hs, struct enn_bytes key, int64_t expires,
				bool *ask);
/* What came of it. False: it was refused, or nobody knows. */
bool enn_store_claimed(const struct enn_handshake *hs, int64_t *since);
/* Holds the ClientHello until the store has answered. */
enum enn_status enn_store_park(struct enn_handshake *hs, struct enn_bytes message,
			       enum enn_handshake_outcome *outcome);
enum enn_status enn_store_answer(struct enn_handshake *hs, enn_time now,
				 const struct enn_answer *answer,
				 enum enn_handshake_outcome *outcome);
void enn_store_free(struct enn_handshake *hs);
/* The key of a session that a ticket of TLS 1.3 names. */
#define ENN_STORE_KEY13 (sizeof("tls13") + ENN_HS_TICKET_NAME)
static inline struct enn_bytes enn_store_key13(struct enn_bytes name, uint8_t out[ENN_STORE_KEY13])
{
	memcpy(out, "tls13", sizeof("tls13"));
	memcpy(out + sizeof("tls13"), name.data, ENN_HS_TICKET_NAME);
	return (struct enn_bytes){out, ENN_STORE_KEY13};
}

/* ---- psk.c ------------------------------------------------------------------------------------ */
/* The PSK that the server chose. */
struct enn_psk_choice {
	bool chosen;
	bool external; /* or imported */
	enum enn_psk_kind kind;
	uint16_t index;
	uint8_t key[255];
	size_t key_len;
	const struct enn_hash_alg *hash;
	struct enn_session session; /* a resumption: borrows from state */
	uint8_t *state;		    /* the opened ticket, owned */
	size_t state_len;
	uint32_t client_age_ms;
	struct enn_bytes identity; /* external: borrowed from the ClientHello */
	uint8_t mode;		   /* enum enn_psk_mode */
};
/* The PSK key exchange mode to use: the server's order. False: none is shared. */
bool enn_psk_choose_mode(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			 uint8_t *mode);
void enn_psk_choice_clear(struct enn_psk_choice *choice, const struct enn_env *env);
/* Looks through the offered identities. *ask: parked, the question is set. */
enum enn_status enn_psk_choose(struct enn_handshake *hs, enn_time now,
			       const struct enn_client_hello *ch, struct enn_psk_choice *choice,
			       bool *ask);
/* Server: why a session of ours may not be resumed by this ClientHello, as far as name, age and rules say;
 * NULL: it may. Static text. */
const char *enn_psk_session_obstacle(const struct enn_handshake *hs,
				     const struct enn_client_hello *ch, const struct enn_session *s,
				     int64_t wall);
/* Verifies the binder of the chosen PSK over the ClientHello (§4.2.11.2). The schedule holds its Early
 * Secret. message is the whole message. */
enum enn_status enn_psk_verify_binder(struct enn_handshake *hs, const struct enn_client_hello *ch,
				      const struct enn_psk_choice *choice,
				      struct enn_bytes message);
/* The binder over a partial ClientHello that is appended to the transcript of hash. */
void enn_psk_binder(const struct enn_handshake *hs, const struct enn_hash_alg *hash,
		    struct enn_bytes key, enum enn_psk_kind kind, struct enn_bytes partial,
		    uint8_t *out);
/* Whether a credential is a PSK for TLS 1.3, and not imported for another protocol; of which kind. */
bool enn_psk_is_for_us(const struct enn_credential *k);
enum enn_psk_kind enn_psk_kind(const struct enn_credential *k);
/* Whether it is a PSK for TLS 1.2, for which none is imported (RFC 9258 §5.1). */
static inline bool enn_psk_is_for_12(const struct enn_credential *k)
{
	return k->type == ENN_CREDENTIAL_PSK && k->imported == 0;
}
/* The n-th binder. False: there is none. */
bool enn_psk_binder_at(const struct enn_client_hello *ch, size_t index, struct enn_bytes *out);

/* ---- raw_key.c ------------------------------------------------------------------------------- */
/* Client: the two extensions of RFC 7250, as far as there is something to say. */
void enn_raw_key_offer(struct enn_handshake *hs, struct enn_writer *w);
/* Client: the server's choices, in EncryptedExtensions (1.3) or ServerHello (1.2). */
enum enn_status enn_raw_key_take(struct enn_handshake *hs, const struct enn_views *views,
				 const char *where);
/* Server: the client's list, or X.509 without one. view: the one or the other extension. */
enum enn_status enn_raw_key_types(struct enn_handshake *hs, const struct enn_client_hello *ch,
				  enum enn_view view, struct enn_bytes *types);
/* Server: what the client is to show, if it is asked: peer_type and peer_type_excluded. */
enum enn_status enn_raw_key_choose_peer(struct enn_handshake *hs,
					const struct enn_client_hello *ch);
/* Server: the answers, where the client asked and certificates are used. */
void enn_raw_key_answer(struct enn_handshake *hs, struct enn_writer *w,
			const struct enn_client_hello *ch, bool requested);
/* Takes the peer's SubjectPublicKeyInfo: parses and judges it, unless that is delegated. */
enum enn_status enn_raw_key_receive(struct enn_handshake *hs, struct enn_bytes spki);

/* ---- status.c -------------------------------------------------------------------------------- */
/* Client: asks for an OCSP response. */
void enn_status_offer(struct enn_handshake *hs, struct enn_writer *w);
/* Server: takes the ClientHello's request. */
enum enn_status enn_status_take_request(struct enn_handshake *hs, const struct enn_views *views);
/* Server, TLS 1.3: asks in CertificateRequest. */
void enn_status_ask_client(struct enn_handshake *hs, struct enn_writer *w);
/* The response to send for our own certificate; empty: none was asked for, or there is none. */
struct enn_bytes enn_status_own(const struct enn_handshake *hs);
/* CertificateStatus (RFC 6066 §8): the extension of an entry, or the message of TLS 1.2. */
void enn_status_write(struct enn_writer *w, struct enn_bytes response);
/* Whether the peer may send one. */
bool enn_status_asked(const struct enn_handshake *hs);
/* Keeps the peer's; enn_certificate_validate judges it. */
enum enn_status enn_status_receive(struct enn_handshake *hs, struct enn_bytes body,
				   const char *where);

/* ---- record_size.c --------------------------------------------------------------------------- */
/* Client: record_size_limit and max_fragment_length as the parameters say. */
void enn_record_size_offer(struct enn_handshake *hs, struct enn_writer *w);
/* Client: the server's answer, in EncryptedExtensions (1.3) or ServerHello (1.2); the version is known. */
enum enn_status enn_record_size_take(struct enn_handshake *hs, const struct enn_views *views,
				     const char *where);
/* Server: judges what a ClientHello says and chooses; the version is known. Then the answer. */
enum enn_status enn_record_size_choose(struct enn_handshake *hs, const struct enn_views *views);
void enn_record_size_answer(struct enn_handshake *hs, struct enn_writer *w);

/* ---- post_auth.c ---------------------------------------------------------------------------------- */
/* The handshake is complete, the client's Finished in the transcript: keeps what is needed to ask the client later,
 * if it offered that. */
enum enn_status enn_post_auth_keep(struct enn_handshake *hs);
/* The level of Certificate, CertificateVerify and Finished. */
static inline enum enn_level enn_hs_auth_level(const struct enn_handshake *hs)
{
	return hs->post_secret != NULL ? ENN_LEVEL_APPLICATION : ENN_LEVEL_HANDSHAKE;
}

/* ---- cookie.c: the server's (RFC 8446 §4.2.2) ---------------------------------------------------- */
/* The address that cookies are bound to, if the carrier knows one. */
void enn_cookie_bind(struct enn_handshake *hs, const struct enn_path *path);
/* Whether this ClientHello, a first one, is to be answered with a HelloRetryRequest with a cookie; or one that
 * has a cookie is a second one. */
bool enn_cookie_wanted(const struct enn_handshake *hs);
/* Makes it: the transcript is the ClientHello, group is what will be asked for or 0. Then writes it. */
enum enn_status enn_cookie_make(struct enn_handshake *hs, const struct enn_client_hello *ch,
				uint16_t suite, uint16_t group);
void enn_cookie_write(struct enn_handshake *hs, struct enn_writer *w);
/* Judges what a second ClientHello brings back. */
enum enn_status enn_cookie_check(struct enn_handshake *hs, const struct enn_client_hello *ch);
/* Takes suite, group and transcript, up to the HelloRetryRequest, from the cookie of a ClientHello that is a
 * second one although nothing is known here of a first. */
enum enn_status enn_cookie_continue(struct enn_handshake *hs, const struct enn_client_hello *ch);

/* ---- ticket_request.c ------------------------------------------------------------------------- */
/* Client: how many tickets are wanted (RFC 9149), if that is to be said; the server's answer. */
void enn_ticket_request_offer(struct enn_handshake *hs, struct enn_writer *w);
enum enn_status enn_ticket_request_take(struct enn_handshake *hs, const struct enn_views *views);
/* Server: how many will be sent, when it is known whether a session is resumed. Then the answer. */
enum enn_status enn_ticket_request_choose(struct enn_handshake *hs, const struct enn_views *views);
void enn_ticket_request_answer(struct enn_handshake *hs, struct enn_writer *w);

/* ---- padding.c ---------------------------------------------------------------------------------- */
/* Pads a ClientHello, of which all but pre_shared_key and the lengths is written (RFC 7685). */
void enn_padding_write(struct enn_handshake *hs, struct enn_writer *w);
size_t enn_padding_bound(const struct enn_handshake *hs);

/* ---- encrypt_then_mac.c: TLS 1.2 with CBC ------------------------------------------------------- */
/* Whether a suite may be offered or taken at all under these parameters. */
bool enn_cbc_allows(const struct enn_security *security, const struct enn_tls_suite *suite);
/* Client: the extension, if a suite with CBC is offered; then the server's answer to it (ServerHello). */
void enn_cbc_offer(struct enn_handshake *hs, struct enn_writer *w);
enum enn_status enn_cbc_take(struct enn_handshake *hs, const struct enn_views *views);
/* Server: whether suites with CBC may be chosen for this client; then, with the suite, the answer. */
enum enn_status enn_cbc_choose(struct enn_handshake *hs, const struct enn_views *views,
			       bool *allowed);
void enn_cbc_answer(struct enn_handshake *hs, struct enn_writer *w);

/* ---- compress.c ------------------------------------------------------------------------------ */
/* Writes compress_certificate (ClientHello, CertificateRequest) as certificateCompression says. */
void enn_compress_offer(struct enn_handshake *hs, struct enn_writer *w);
/* The peer's: hs->compression. */
enum enn_status enn_compress_take(struct enn_handshake *hs, const struct enn_views *views,
				  const char *where);
enum enn_status enn_compress_send(struct enn_handshake *hs, enum enn_level level,
				  struct enn_bytes compressed, size_t full_len);
/* The Certificate message in a CompressedCertificate, allocated from env. */
enum enn_status enn_compress_receive(struct enn_handshake *hs, struct enn_bytes body,
				     uint8_t **plain, size_t *plain_len);

/* ---- certificate.c ----------------------------------------------------------------------------- */
#define ENN_CERTIFICATE_FITS_ALL 11u
/* Chooses an own credential of own_type and a scheme for the peer's signature algorithms, name (server; may be
 * empty) and authorities (client). False: none fits. */
bool enn_certificate_choose(struct enn_handshake *hs, struct enn_bytes signatures,
			    struct enn_bytes name, struct enn_bytes authorities);
/* Server: own and peer's certificate types, the own credential and scheme. Fails with the alert that fits. */
enum enn_status enn_certificate_choose_server(struct enn_handshake *hs,
					      const struct enn_client_hello *ch);
/* The same among keys for some of the client's signature algorithms, and untold: a server of TLS 1.2 compares. */
enum enn_status enn_certificate_try_server(struct enn_handshake *hs,
					   const struct enn_client_hello *ch,
					   struct enn_bytes signatures);
/* The names of the authorities that were given (RFC 8446 §4.2.4), with sendAuthorities; how much room that
 * takes. */
void enn_certificate_write_names(const struct enn_handshake *hs, struct enn_writer *w);
void enn_certificate_write_authorities(struct enn_handshake *hs, struct enn_writer *w);
size_t enn_certificate_authorities_size(const struct enn_handshake *hs);
/* Server: whether the client is to be asked; certificate types were chosen. */
bool enn_certificate_wanted(const struct enn_handshake *hs);
/* Writes Certificate (empty without credential). */
enum enn_status enn_certificate_send(struct enn_handshake *hs, enum enn_level level);
/* Writes CertificateVerify with the own key, or with `external` if it is not empty. *ask: no key here, the
 * question is set. */
enum enn_status enn_certificate_verify_send(struct enn_handshake *hs, struct enn_bytes external,
					    bool *ask);
/* The same out of a CompressedCertificate (RFC 8879). */
enum enn_status enn_certificate_receive_compressed(struct enn_handshake *hs, enn_time now,
						   struct enn_bytes body, bool *empty);
/* The entries of our Certificate: the chain, or the one raw key. */
size_t enn_certificate_own_count(const struct enn_credential *own);
struct enn_bytes enn_certificate_own_entry(const struct enn_credential *own, size_t index);
/* Keeps what the peer's Certificate holds, at least one entry, and judges a raw key; certificates are judged by
 * enn_certificate_validate. */
enum enn_status enn_certificate_take(struct enn_handshake *hs,
				     const struct enn_certificate_message *m);
/* Takes the peer's Certificate: parses, keeps, validates unless delegated. *empty: it sent none. */
enum enn_status enn_certificate_receive(struct enn_handshake *hs, enn_time now,
					struct enn_bytes body, bool *empty);
/* The leaf, or raw public key, to put into a session if keepPeerChain says so (post.c); and back. */
struct enn_bytes enn_session_peer_leaf(const struct enn_handshake_carrier *c);
enum enn_status enn_certificate_restore(struct enn_handshake *hs, const struct enn_session *s);
/* The rest of it, when the peer's chain is parsed and its status, if any, is there (TLS 1.2: after
 * CertificateStatus): validates, unless that is delegated. */
enum enn_status enn_certificate_validate(struct enn_handshake *hs, enn_time now);
enum enn_status enn_certificate_verify_receive(struct enn_handshake *hs, struct enn_bytes body);
/* Compares a Finished in constant time. */
enum enn_status enn_finished_receive(struct enn_handshake *hs, const uint8_t *base,
				     struct enn_bytes body);
enum enn_status enn_finished_send(struct enn_handshake *hs, const uint8_t *base);

#endif
