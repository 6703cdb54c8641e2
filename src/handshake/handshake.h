/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS handshake as a message-level state machine, for every protocol that
 * carries it: TLS records, DTLS flights, QUIC CRYPTO frames.
 *
 * The carrier gives it whole handshake messages with the level they came at, and
 * takes from it messages to send and traffic secrets to switch to, in order:
 *
 *   carrier ── enn_handshake_receive(level, message) ──► handshake
 *   carrier ◄── ops->reserve / commit(level, bytes) ──── handshake
 *   carrier ◄── ops->secret(direction, level, secret) ── handshake
 *
 * `secret` means: from now on, in this direction, this level. What was committed before is
 * protected by the level before. After each receive or answer the carrier
 * looks at `outcome` and acts: deliver an event, answer later, or go on.
 */
#ifndef ENN_HANDSHAKE_HANDSHAKE_H
#define ENN_HANDSHAKE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ennead/engine.h"
#include "features/security.h"
#include "handshake/key_schedule.h"
#include "handshake/wire.h"

enum enn_level {
	ENN_LEVEL_INITIAL, /* no protection (QUIC: Initial keys) */
	ENN_LEVEL_EARLY,   /* 0-RTT */
	ENN_LEVEL_HANDSHAKE,
	ENN_LEVEL_APPLICATION,
};

/* What the handshake leaves behind: lives in the carrier for the connection's life. */
struct enn_post_auth;

struct enn_handshake_result {
	const struct enn_tls_suite *suite;
	uint16_t version;
	uint16_t group;	    /* 0 with psk_ke */
	uint16_t signature; /* the peer's scheme, 0 without certificate */
	bool server;
	bool resumed;
	bool external_psk;
	bool hello_retry;
	bool peer_authenticated;
	bool peer_raw_key;		 /* peer_chain holds one SubjectPublicKeyInfo (RFC 7250) */
	bool middlebox_compatible;	 /* client: sent, server: was sent, a session id */
	bool peer_status_good;		 /* peer_status, and it says so */
	uint8_t certificate_compression; /* of the peer's certificate (RFC 8879) */
	enum enn_early_data_state early_data;
	uint32_t max_early_data; /* bytes that may be sent or received as early data */
	uint8_t alpn_len;
	uint8_t *alpn;
	char *server_name;
	uint8_t *psk_identity;
	size_t psk_identity_len;
	uint8_t *peer_chain; /* u24 length, DER, … */
	size_t peer_chain_size;
	uint8_t *peer_status; /* the OCSP response that came with it */
	size_t peer_status_len;
	uint8_t *ech_retry; /* client, ECH refused: an ECHConfigList to use instead */
	size_t ech_retry_len;
	bool certificate_requested; /* of the client */
	bool ech_accepted;
	bool ech_configured; /* client that sent GREASE: the server answered with configurations */
	uint8_t exporter_secret[ENN_MAX_SECRET];
	uint8_t resumption_secret[ENN_MAX_SECRET];
	uint64_t tickets_sent;	  /* the nonce of the next ticket */
	bool tickets_usable;	  /* server: the client could use one (psk_key_exchange_modes) */
	uint8_t tickets_expected; /* server: to send; client: as the server said (RFC 9149) */
	/* TLS 1.2: what the exporter needs (RFC 5705 §4); exporter_secret is the main secret there. */
	uint8_t client_random[32];
	uint8_t server_random[32];
	bool extended_main_secret;	 /* RFC 7627 */
	struct enn_post_auth *post_auth; /* NULL: the client cannot be asked later (post_auth.h) */
	bool encrypt_then_mac;		 /* RFC 7366 */
	/* The longest plaintext of a protected record, by direction, as RFC 8449 §4 counts it; 0: the version's. */
	uint16_t send_limit;
	uint16_t receive_limit;
	uint16_t
		max_fragment_length; /* RFC 6066 §4: of unprotected records too; 0: not negotiated */
};
void enn_handshake_result_clear(struct enn_handshake_result *result, const struct enn_env *env);
/* Drops what is needed only until READY. */
void enn_handshake_result_trim(struct enn_handshake_result *result, const struct enn_env *env,
			       const struct enn_security *security);
void enn_handshake_result_drop_chain(struct enn_handshake_result *result,
				     const struct enn_env *env);
void enn_handshake_result_info(const struct enn_handshake_result *result, struct enn_info *info);

struct enn_handshake_carrier;

/* TLS 1.2: one direction's keys out of the key block (RFC 5246 §6.3). */
struct enn_tls12_keys {
	const struct enn_tls_suite *suite;
	struct enn_bytes key;
	struct enn_bytes iv;  /* the fixed part of the nonce; nothing with CBC */
	struct enn_bytes mac; /* the MAC key; nothing with an AEAD */
};

/* A session for a store that is elsewhere (ENN_EVENT_SESSION_PUT). */
struct enn_store_put {
	struct enn_store_put *next;
	bool told;
	int64_t expires;
	size_t key_len;
	size_t value_len;
	uint8_t bytes[]; /* key, value */
};

struct enn_handshake_carrier_ops {
	/* Room for one message of at most cap bytes at a level; NULL: no memory. */
	uint8_t *(*reserve)(struct enn_handshake_carrier *c, enum enn_level level, size_t cap);
	/* The message of len bytes that was written into the room. */
	void (*commit)(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		       size_t len);
	/* Switches one direction to a level. secret is suite's hash long and is copied. */
	enum enn_status (*secret)(struct enn_handshake_carrier *c, enum enn_direction direction,
				  enum enn_level level, const struct enn_tls_suite *suite,
				  const uint8_t *secret);
	/* TLS 1.2: these keys begin in one direction with its change_cipher_spec. Sending: it goes out
	 * behind what was committed so far, and what is committed from then on is at
	 * ENN_LEVEL_APPLICATION. Receiving: they wait until it comes; what comes before it is at
	 * ENN_LEVEL_INITIAL, what comes after it at ENN_LEVEL_APPLICATION; one that comes without keys
	 * waiting is unexpected. Copied. */
	enum enn_status (*keys12)(struct enn_handshake_carrier *c, enum enn_direction direction,
				  const struct enn_tls12_keys *keys);
};

/* The first member of whoever carries a handshake. */
struct enn_handshake_carrier {
	const struct enn_handshake_carrier_ops *ops;
	const struct enn_env *env;
	struct enn_security *security;
	struct enn_handshake_result result;
	struct enn_store_put *puts; /* to be told, oldest first */
	/* DTLS: its versions, its ClientHello, its labels; and in 1.2 a transcript in which each message has its
	 * number (RFC 6347 §4.2.6): of the one being received, and of the one that is committed next. */
	bool datagram;
	bool want_cookie; /* the server asks for a cookie whatever helloRetryCookie says */
	uint16_t message_in;
	uint16_t message_out;
	struct enn_error
		error; /* filled in when a call answers ENN_E_FAILED; wire_code is the alert */
};

/* What a call left to do. */
enum enn_handshake_outcome {
	ENN_OUTCOME_GO_ON = 0,		/* feed the next message */
	ENN_OUTCOME_EARLY_DATA,		/* result.early_data was decided */
	ENN_OUTCOME_VALIDATE_PEER,	/* parked */
	ENN_OUTCOME_WANT_PSK,		/* parked; enn_handshake_question */
	ENN_OUTCOME_WANT_CREDENTIAL,	/* parked; enn_handshake_question and _question_alpn */
	ENN_OUTCOME_WANT_STORE,		/* parked; enn_handshake_store_question */
	ENN_OUTCOME_WANT_SIGNATURE,	/* parked; enn_handshake_question */
	ENN_OUTCOME_COMPLETE,		/* done: the handshake can be freed */
	ENN_OUTCOME_PEER_AUTHENTICATED, /* after the handshake (post_auth.h) */
};

struct enn_handshake;

/* The prefix of the labels of this carrier's keys. */
static inline const char *enn_hs_prefix(const struct enn_handshake_carrier *c)
{
	return c->datagram ? enn_label_dtls13 : enn_label_tls13;
}

/* name and session are copied. Errors: ENN_E_MEMORY, ENN_E_ARGUMENT (no name to check, no credential). */
enum enn_status enn_handshake_new(struct enn_handshake_carrier *carrier, bool server,
				  const struct enn_engine_options *options,
				  struct enn_handshake **out, struct enn_error *error);
/* Wipes. NULL is legal. */
void enn_handshake_free(struct enn_handshake *hs);

/* All three: ENN_OK with *outcome set; ENN_E_FAILED with carrier->error set. */
enum enn_status enn_handshake_start(struct enn_handshake *hs, enn_time now,
				    enum enn_handshake_outcome *outcome);
/* One whole message with its header. more: the carrier holds further bytes of this level. */
enum enn_status enn_handshake_receive(struct enn_handshake *hs, enn_time now, enum enn_level level,
				      struct enn_bytes message, bool more,
				      enum enn_handshake_outcome *outcome);
/* ENN_E_STATE: not parked on this question. */
enum enn_status enn_handshake_answer(struct enn_handshake *hs, enn_time now,
				     const struct enn_answer *answer,
				     enum enn_handshake_outcome *outcome);
/* The parked question's data: the identity, or the bytes to sign with *scheme. */
struct enn_bytes enn_handshake_question(const struct enn_handshake *hs, uint16_t *scheme);

/* Parked on WANT_SIGNATURE: the credential that is to sign. */
struct enn_credential *enn_handshake_signer(const struct enn_handshake *hs);

/* Of ENN_OUTCOME_WANT_CREDENTIAL, whose question is the name: the application protocols offered. */
struct enn_bytes enn_handshake_question_alpn(const struct enn_handshake *hs);

/* Fills in the event of ENN_OUTCOME_WANT_STORE. */
void enn_handshake_store_question(const struct enn_handshake *hs, struct enn_event *event);

/* Puts a session into the store of c's parameters; for one that is elsewhere, into c->puts. A session that
 * cannot be kept is no error. */
void enn_store_put(struct enn_handshake_carrier *c, struct enn_bytes key, struct enn_bytes value,
		   int64_t expires);
/* Tells the next put, if there is one; the one told before goes. */
bool enn_store_tell_put(struct enn_handshake_carrier *c, struct enn_event *event);
void enn_store_drop_puts(struct enn_handshake_carrier *c);

/* Whether parked; whether early data may be sent (client) or its records may still come and
 * must be skipped (server). */
bool enn_handshake_parked(const struct enn_handshake *hs);
bool enn_handshake_may_send_early(const struct enn_handshake *hs);
enum enn_early_skip { ENN_SKIP_NONE, ENN_SKIP_UNTIL_SECOND_HELLO, ENN_SKIP_UNDECIPHERABLE };
enum enn_early_skip enn_handshake_early_skip(const struct enn_handshake *hs);
/* Server: whether application data may go out before the client's Finished: early data was accepted and
 * the client is not asked for a certificate (RFC 8446 §4.4.4: 0.5-RTT). */
bool enn_handshake_may_send_half_rtt(const struct enn_handshake *hs);
/* The early exporter secret; NULL without early data (RFC 8446 §7.5). */
const uint8_t *enn_handshake_early_exporter(const struct enn_handshake *hs,
					    const struct enn_tls_suite **suite);
/* Client: early data was offered for another application protocol than was negotiated (§4.2.10). */
bool enn_handshake_changed_alpn(const struct enn_handshake *hs);
/* RFC 8446 §5: the record version is free in the first ClientHello only. */
bool enn_handshake_is_first_flight(const struct enn_handshake *hs);

/* TLS 1.2, when it is complete: the client's session, encoded into *out (allocated from env, *out_len bytes; the
 * caller frees it as a secret); *out NULL if there is none to keep, as always in TLS 1.3. */
enum enn_status enn_handshake_take_session(struct enn_handshake *hs, enn_time now, uint8_t **out,
					   size_t *out_len, int64_t *expires);
/* TLS 1.2's exporter (RFC 5705 §4), where no context and an empty one differ. context_len at most 65535. */
void enn_tls12_exporter(const struct enn_handshake_result *result, const char *label,
			const uint8_t *context, size_t context_len, bool has_context, uint8_t *out,
			size_t len);

/* ---- after the handshake ----------------------------------------------------------- */

/* Server: writes one NewSessionTicket (RFC 8446 §4.6.1) to the carrier. ENN_OK also if resumption is off
 * or the state does not fit a ticket: then nothing was written. */
enum enn_status enn_post_send_ticket(struct enn_handshake_carrier *c, enn_time now);
/* Client: a session out of a NewSessionTicket message, encoded into *out (allocated from env, *out_len
 * bytes; the caller frees it as a secret); *out NULL if the ticket is not to be kept. */
enum enn_status enn_post_receive_ticket(struct enn_handshake_carrier *c, enn_time now,
					struct enn_bytes message, uint8_t **out, size_t *out_len,
					int64_t *expires);
enum enn_status enn_post_send_key_update(struct enn_handshake_carrier *c, bool request);

/* Fills carrier->error: alert, reason, a sentence. Always ENN_E_FAILED. */
enum enn_status enn_handshake_fail(struct enn_handshake_carrier *c, enum enn_alert alert,
				   enum enn_reason reason, const char *where, const char *format,
				   ...) ENN_PRINTF(5, 6);
/* The same for a failed allocation. */
enum enn_status enn_handshake_no_memory(struct enn_handshake_carrier *c, const char *where);

#endif
