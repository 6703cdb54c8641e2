/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS engine's inside, shared by the files of this folder.
 */
#ifndef ENN_PROTOCOLS_TLS_INTERNAL_H
#define ENN_PROTOCOLS_TLS_INTERNAL_H

#include "base/buffer.h"
#include "crypto/aead.h"
#include "handshake/handshake.h"
#include "handshake/post_auth.h"
#include "protocols/tls/wire.h"

struct enn_tls_keys;

/* One record on its way to be sealed, with the memory that the job points into. */
struct enn_tls_sealing {
	struct enn_aead_job job;
	uint8_t nonce[ENN_TLS_MAX_NONCE];
	uint8_t aad[ENN_TLS_12_AAD];
	uint8_t trailer[ENN_TLS_BLOCK];
};

/* How a version protects records: one constant for TLS 1.3 (record.c), three for TLS 1.2 (record12.c). */
struct enn_tls_protection {
	uint16_t version;
	bool pads;  /* zeros may hide the length */
	bool typed; /* the content type is inside: from outside all records are application data */
	size_t prefix;	     /* header and explicit nonce: where the content begins */
	size_t longest_body; /* of a record, behind its header */
	/* The whole record's length for len bytes of content. */
	size_t (*size)(const struct enn_tls_keys *keys, size_t len, size_t padding);
	/* The most content that a record of room bytes can hold; 0: none. */
	size_t (*fits)(const struct enn_tls_keys *keys, size_t room);
	/* Writes the header and all that is not sealed, and takes the next sequence number. in: the content;
	 * it is application data, or is at record + prefix already with room behind it. */
	enum enn_status (*plan)(struct enn_tls_keys *keys, const struct enn_env *env,
				struct enn_tls_sealing *s, uint8_t *record, uint8_t type,
				const uint8_t *in, size_t len, size_t padding);
	/* See enn_tls_open_record. */
	bool (*open)(struct enn_tls_keys *keys, uint8_t *record, size_t record_len, uint8_t *type,
		     uint8_t **content, size_t *len, uint8_t *alert);
};

/* One direction's protection. */
struct enn_tls_keys {
	const struct enn_tls_protection *protection; /* NULL: none yet */
	struct enn_aead *aead;
	enum enn_level level;
	uint16_t limit; /* receiving: the longest plaintext of a record, 0: the version's own */
	bool expiring;	/* sending: ENN_EVENT_KEYS_EXPIRING was told */
	uint64_t sequence;
	uint64_t generation; /* key updates so far */
	uint8_t iv[12];
	uint8_t secret[ENN_MAX_SECRET]; /* TLS 1.3 */
};

enum enn_tls_state {
	ENN_TLS_STATE_IDLE, /* before start */
	ENN_TLS_STATE_HANDSHAKE,
	ENN_TLS_STATE_OPEN,
	ENN_TLS_STATE_CLOSED,
	ENN_TLS_STATE_FAILED,
};

/* Events that wait to be taken, in the order in which they are given out. */
enum enn_tls_pending {
	ENN_TLS_PENDING_EARLY_DATA = 1u << 0,
	ENN_TLS_PENDING_QUESTION = 1u << 1,
	ENN_TLS_PENDING_READY = 1u << 2,
	ENN_TLS_PENDING_SESSION = 1u << 3,
	ENN_TLS_PENDING_AUTHENTICATED = 1u << 4,
	ENN_TLS_PENDING_KEYS_RECEIVED = 1u << 5,
	ENN_TLS_PENDING_KEYS_SENT = 1u << 6,
	ENN_TLS_PENDING_KEYS_EXPIRING = 1u << 7,
	ENN_TLS_PENDING_RECEIVED = 1u << 8,
	ENN_TLS_PENDING_CLOSED = 1u << 9,
	ENN_TLS_PENDING_FAILED = 1u << 10,
};

#define ENN_TLS_QUEUE 16u /* messages that send accepts before one is sealed */

struct enn_tls {
	struct enn_engine base;
	struct enn_handshake_carrier carrier;
	struct enn_handshake *hs; /* NULL once complete */
	enum enn_tls_state state;
	uint32_t pending;
	enum enn_handshake_outcome question;
	enn_time deadline; /* of the handshake */
	enn_time last_input;

	/* ---- receiving (input.c) ---- */
	struct enn_tls_keys receive;
	struct enn_tls_keys *waiting; /* TLS 1.2: they begin with the peer's change_cipher_spec */
	uint8_t *lent;		      /* the caller's input, see engine.h */
	size_t lent_len;
	struct enn_buffer partial;  /* raw bytes that outlived their input: an unfinished record */
	size_t partial_done;	    /* bytes of it that the last event still lends */
	struct enn_buffer messages; /* handshake bytes until a message is whole */
	const uint8_t *received;    /* the content of ENN_TLS_PENDING_RECEIVED */
	size_t received_len;
	uint32_t received_flags;
	uint32_t early_bytes; /* early data received or skipped */
	uint8_t *session;     /* of ENN_TLS_PENDING_SESSION, then lent */
	size_t session_len;
	int64_t session_expires;
	uint8_t ccs_received;
	uint8_t empty_records;
	uint8_t warnings;    /* TLS 1.2: warning alerts and wishes to renegotiate */
	bool receive_closed; /* close_notify came */
	bool peer_canceled;  /* user_canceled came */
	bool ended;	     /* the byte stream ended */
	bool trim_chain;     /* READY was delivered: the peer's chain can go */

	/* ---- sending (output.c) ---- */
	struct enn_tls_keys send;
	struct enn_buffer flight; /* handshake messages of one level, not yet in records */
	struct enn_buffer out;	  /* whole records */
	struct enn_message queue[ENN_TLS_QUEUE];
	uint8_t queue_head; /* the first message not reported as sent */
	uint8_t queue_len;
	uint8_t queue_sealed; /* of these, wholly sealed */
	size_t queue_offset;  /* sealed bytes of the next one */
	uint32_t early_sent;
	uint32_t early_padded;
	uint8_t alert; /* to send, if alert_pending */
	bool alert_pending;
	bool hello_sent; /* client: the first ClientHello is out */
	bool ccs_sent;
	bool ccs_after_flight;
	bool key_update_owed;
	bool key_update_request;
	bool final_queued; /* a FINAL message was accepted */
	bool closing;	   /* close was called */
	bool send_closed;  /* close_notify was handed to transmit */
};

static inline struct enn_tls *enn_tls_of(struct enn_handshake_carrier *c)
{
	return (struct enn_tls *)((char *)c - offsetof(struct enn_tls, carrier));
}

/* The handshake, or an exchange after it; NULL: neither. */
static inline struct enn_handshake *enn_tls_exchange(const struct enn_tls *t)
{
	return t->hs != NULL ? t->hs : enn_post_auth_exchange(t->carrier.result.post_auth);
}

static inline bool enn_tls_parked(const struct enn_tls *t)
{
	const struct enn_handshake *hs = enn_tls_exchange(t);

	return hs != NULL && enn_handshake_parked(hs);
}

static inline bool enn_tls_is_12(const struct enn_tls *t)
{
	return t->carrier.result.version == ENN_TLS_1_2;
}

/* What was negotiated of the size of records does not hold for early data, which went before (RFC 8449 §4). */
static inline uint16_t enn_tls_limit(const struct enn_tls_keys *keys, uint16_t negotiated)
{
	return keys->level == ENN_LEVEL_EARLY ? 0 : negotiated;
}

/* ---- record.c ------------------------------------------------------------------------------ */

extern const struct enn_tls_protection enn_tls_protection_13;

/* Switches one direction's keys; the carrier's `secret`. */
enum enn_status enn_tls_set_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				   enum enn_level level, const struct enn_tls_suite *suite,
				   const uint8_t *secret);
/* The next generation of one direction's application keys (§7.2). */
enum enn_status enn_tls_update_keys(struct enn_tls *t, struct enn_tls_keys *keys);
void enn_tls_write_header(uint8_t header[ENN_TLS_HEADER], uint8_t type, uint16_t version,
			  size_t length);
/* Seals content[0..len) in place: record has room for enn_tls_record_size bytes and holds the content behind
 * its prefix. Returns the record's length, 0 if sealing failed. */
size_t enn_tls_seal_in_place(struct enn_tls_keys *keys, const struct enn_env *env, uint8_t type,
			     uint8_t *record, size_t len, size_t padding);
/* Opens a protected record in place. On success *type, *content and *len. Otherwise the alert to send
 * is in *alert and the result is false. */
bool enn_tls_open_record(struct enn_tls_keys *keys, uint8_t *record, size_t record_len,
			 uint8_t *type, uint8_t **content, size_t *len, uint8_t *alert);
/* The longest content of a record that goes out now, under what is configured and what the peer takes. */
size_t enn_tls_most_content(const struct enn_tls *t);
/* Zeros to add to a record of len content bytes that go out now (§5.4). */
size_t enn_tls_padding(const struct enn_tls *t, size_t len);

/* ---- record12.c ---------------------------------------------------------------------------- */

extern const struct enn_tls_protection enn_tls_protection_12_gcm;
extern const struct enn_tls_protection enn_tls_protection_12_chacha;
extern const struct enn_tls_protection enn_tls_protection_12_cbc;

/* The carrier's `keys12`. */
enum enn_status enn_tls_set_keys12(struct enn_handshake_carrier *c, enum enn_direction direction,
				   const struct enn_tls12_keys *keys);
/* The keys that waited for the peer's change_cipher_spec begin. False: none waits. */
bool enn_tls_switch_keys12(struct enn_tls *t);
void enn_tls_drop_waiting(struct enn_tls *t);

/* ---- input.c ---------------------------------------------------------------------------------- */
/* Works on what is lent until something is pending (true) or nothing is left to work on. */
bool enn_tls_advance(struct enn_tls *t, enn_time now);
/* Copies what is left of the lent input: it goes back to its owner. */
void enn_tls_stash_input(struct enn_tls *t);
void enn_tls_drop_input(struct enn_tls *t);
void enn_tls_outcome(struct enn_tls *t, enn_time now, enum enn_status status,
		     enum enn_handshake_outcome outcome);

/* ---- output.c ---------------------------------------------------------------------------------- */
uint8_t *enn_tls_reserve(struct enn_handshake_carrier *c, enum enn_level level, size_t cap);
void enn_tls_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		    size_t len);
/* Puts the flight into records. */
enum enn_status enn_tls_flush(struct enn_tls *t);
enum enn_status enn_tls_write_ccs(struct enn_tls *t);
/* TLS 1.2: an alert that ends nothing. */
enum enn_status enn_tls_write_warning(struct enn_tls *t, uint8_t alert);
void enn_tls_transmit(struct enn_tls *t, enn_time now, struct enn_batch *batch);
bool enn_tls_take_sent(struct enn_tls *t, struct enn_event *event);
/* The server rejected early data: it goes out again after the handshake. */
void enn_tls_rewind_early(struct enn_tls *t);

/* ---- engine.c ------------------------------------------------------------------------------------ */
/* Ends the connection with carrier.error; sends its alert unless the peer or the network ended it. */
void enn_tls_failed(struct enn_tls *t);
/* Fails with an alert and a sentence. */
void enn_tls_fail(struct enn_tls *t, enum enn_alert alert, enum enn_reason reason,
		  const char *where, const char *format, ...) ENN_PRINTF(5, 6);
enum enn_status enn_tls_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				   struct enn_security *security,
				   const struct enn_engine_options *options,
				   struct enn_engine **out, struct enn_error *error);
enum enn_status enn_tls_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				   struct enn_security *security,
				   const struct enn_engine_options *options,
				   struct enn_engine **out, struct enn_error *error);
/* CLOSED if both directions are. */
void enn_tls_check_closed(struct enn_tls *t);

#endif
