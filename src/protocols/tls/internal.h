/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS engine's inside, shared by the files of this folder.
 */
#ifndef ENN_PROTOCOLS_TLS_INTERNAL_H
#define ENN_PROTOCOLS_TLS_INTERNAL_H

#include "base/buffer.h"
#include "crypto/aead.h"
#include "handshake/handshake.h"
#include "protocols/tls/wire.h"

/* One direction's protection. */
struct enn_tls_keys {
	struct enn_aead *aead; /* NULL: none yet */
	enum enn_level level;
	uint64_t sequence;
	uint64_t generation; /* key updates so far */
	uint8_t iv[12];
	uint8_t secret[ENN_MAX_SECRET];
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
	ENN_TLS_PENDING_KEYS_RECEIVED = 1u << 4,
	ENN_TLS_PENDING_KEYS_SENT = 1u << 5,
	ENN_TLS_PENDING_RECEIVED = 1u << 6,
	ENN_TLS_PENDING_CLOSED = 1u << 7,
	ENN_TLS_PENDING_FAILED = 1u << 8,
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
	uint8_t *lent; /* the caller's input, see engine.h */
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

/* ---- record.c ------------------------------------------------------------------------------ */

/* Switches one direction's keys; the carrier's `secret`. */
enum enn_status enn_tls_set_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				   enum enn_level level, const struct enn_tls_suite *suite,
				   const uint8_t *secret);
/* The next generation of one direction's application keys (§7.2). */
enum enn_status enn_tls_update_keys(struct enn_tls *t, struct enn_tls_keys *keys);
void enn_tls_write_header(uint8_t header[ENN_TLS_HEADER], uint8_t type, uint16_t version,
			  size_t length);
/* Seals content[0..len) || type || zeros in place: record has room for header, content, type, padding and
 * tag, and holds the content behind its header. Returns the record's length, 0 if sealing failed. */
size_t enn_tls_seal_in_place(struct enn_tls_keys *keys, uint8_t type, uint8_t *record, size_t len,
			     size_t padding);
/* Opens a protected record in place. On success *type, *content and *len. Otherwise the alert to send
 * is in *alert and the result is false. */
bool enn_tls_open_record(struct enn_tls_keys *keys, uint8_t *record, size_t record_len,
			 uint8_t *type, uint8_t **content, size_t *len, uint8_t *alert);
/* Zeros to add to a record of len content bytes under a padding policy (§5.4). */
size_t enn_tls_padding(uint64_t multiple, size_t len);

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
