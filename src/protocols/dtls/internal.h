/* SPDX-License-Identifier: Apache-2.0
 *
 * The DTLS engine's inside, shared by the files of this folder.
 */
#ifndef ENN_PROTOCOLS_DTLS_INTERNAL_H
#define ENN_PROTOCOLS_DTLS_INTERNAL_H

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/mask.h"
#include "features/replay.h"
#include "handshake/handshake.h"
#include "protocols/dtls/wire.h"

/* ---- keys ------------------------------------------------------------------------------------ */

#define ENN_DTLS_REPLAY_WORDS 16u /* a window of 960 records */

/* One epoch in one direction. */
struct enn_dtls_keys {
	bool present;
	bool unified;	       /* records of 1.3; else with the header of 1.2 */
	struct enn_aead *aead; /* NULL: plain */
	struct enn_mask *mask; /* 1.3 */
	uint64_t epoch;
	uint64_t sequence;  /* sending: of the next record */
	uint64_t forgeries; /* receiving: records that did not open (RFC 9147 §4.5.3) */
	struct enn_replay replay;
	uint64_t window[ENN_DTLS_REPLAY_WORDS];
	enum enn_level level;
	const struct enn_tls_suite *suite;
	uint8_t iv[12];
	uint8_t secret[ENN_MAX_SECRET]; /* 1.3 */
};

/* Receiving: by arrival the plain epoch, the handshake's, and the last two of the application's. */
enum enn_dtls_slot {
	ENN_DTLS_SLOT_PLAIN,
	ENN_DTLS_SLOT_HANDSHAKE,
	ENN_DTLS_SLOT_CURRENT,
	ENN_DTLS_SLOT_PREVIOUS, /* of receiving only: records on the way when the key changed */
	ENN_DTLS_SLOTS
};

/* ---- handshake messages on their way ---------------------------------------------------------- */

struct enn_dtls_range {
	uint32_t from, to;
};
#define ENN_DTLS_RANGES 16

/* Which bytes of a message are there, or were acknowledged: a few ranges, in order, apart. */
struct enn_dtls_ranges {
	struct enn_dtls_range r[ENN_DTLS_RANGES];
	uint8_t count;
};

/* Ours, until it is acknowledged. data is as the handshake wrote it: type, length, body. */
struct enn_dtls_outgoing {
	struct enn_dtls_outgoing *next;
	uint16_t number;
	uint8_t slot;
	bool ccs;	/* 1.2: no message but a change_cipher_spec */
	bool is_update; /* 1.3: a KeyUpdate, behind which the key changes once it is acknowledged */
	uint32_t len;	/* of the body */
	uint32_t sent;	/* bytes of the body that are out in this turn */
	bool begun;	/* an empty body too has to go out once */
	struct enn_dtls_ranges acked;
	bool acked_empty; /* of an empty body */
	size_t room;
	uint8_t data[];
};

/* The peer's, until it is whole and its turn has come. */
struct enn_dtls_incoming {
	uint8_t *data; /* header and body; NULL: nothing came yet */
	uint32_t len;  /* of the body */
	uint8_t type;
	enum enn_level level;
	bool begun;
	struct enn_dtls_ranges have;
};
#define ENN_DTLS_WINDOW 8u /* messages that are kept at a time */

struct enn_dtls_number {
	uint64_t epoch, sequence;
};
#define ENN_DTLS_ACKS 32u
#define ENN_DTLS_SENT 64u

/* What a record of ours carried, to know what its acknowledgement means (1.3). */
struct enn_dtls_sent {
	struct enn_dtls_number number;
	uint16_t message;
	uint32_t from, to;
};

/* ---- the engine ------------------------------------------------------------------------------- */

enum enn_dtls_state {
	ENN_DTLS_STATE_IDLE,
	ENN_DTLS_STATE_HANDSHAKE,
	ENN_DTLS_STATE_OPEN,
	ENN_DTLS_STATE_CLOSED,
	ENN_DTLS_STATE_FAILED,
};

/* Events that wait to be taken, in the order in which they are given out. */
enum enn_dtls_pending {
	ENN_DTLS_PENDING_QUESTION = 1u << 0,
	ENN_DTLS_PENDING_READY = 1u << 1,
	ENN_DTLS_PENDING_SESSION = 1u << 2,
	ENN_DTLS_PENDING_KEYS_RECEIVED = 1u << 3,
	ENN_DTLS_PENDING_KEYS_SENT = 1u << 4,
	ENN_DTLS_PENDING_KEYS_EXPIRING = 1u << 5,
	ENN_DTLS_PENDING_RECEIVED = 1u << 6,
	ENN_DTLS_PENDING_CLOSED = 1u << 7,
	ENN_DTLS_PENDING_FAILED = 1u << 8,
};

#define ENN_DTLS_QUEUE 64u
#define ENN_DTLS_BATCH 64u

struct enn_dtls_hub;

struct enn_dtls {
	struct enn_engine base;
	struct enn_handshake_carrier carrier;
	struct enn_handshake *hs; /* NULL once complete */
	enum enn_dtls_state state;
	uint32_t pending;
	enum enn_handshake_outcome question;
	struct enn_path path;
	enn_time deadline;		     /* of the handshake */
	struct enn_dtls_hub *hub;	     /* of an acceptor; NULL: none */
	uint8_t hello_random[ENN_HS_RANDOM]; /* of the ClientHello that it was made for */

	struct enn_dtls_keys send[ENN_DTLS_SLOTS];
	struct enn_dtls_keys receive[ENN_DTLS_SLOTS];

	/* ---- input ---- */
	struct enn_packet *packets; /* lent */
	size_t packet_count, packet_at, packet_offset;
	const uint8_t *received;
	size_t received_len;
	uint32_t received_flags;
	uint8_t *session;
	size_t session_len;
	int64_t session_expires;

	/* ---- reassembly (incoming.c) ---- */
	uint16_t next_number; /* of the message whose turn it is */
	bool counting;	      /* the first message has come, from which the numbers count */
	struct enn_dtls_incoming incoming[ENN_DTLS_WINDOW];
	size_t incoming_bytes;

	/* ---- the flight (flight.c) ---- */
	struct enn_dtls_outgoing *out, *out_last;
	struct enn_dtls_outgoing *writing; /* reserved, not yet committed */
	bool out_waits;			   /* something of it has to go out now */
	bool final_flight; /* 1.2: ours was the last; kept for a peer that asks again */
	enn_time retransmit_at;
	enn_time timeout;
	enn_time flight_sent_at; /* of the first transmission; ENN_TIME_NEVER: it was repeated */
	enn_time srtt, rttvar;	 /* 0: not measured */
	unsigned retransmissions;
	enn_time fast_until; /* no other early retransmission before */
	struct enn_dtls_sent sent[ENN_DTLS_SENT];
	size_t sent_at;

	/* ---- acknowledgements (1.3) ---- */
	struct enn_dtls_number ack[ENN_DTLS_ACKS];
	size_t ack_count;
	enn_time ack_at; /* when they are due; ENN_TIME_NEVER: not asked for */
	bool ack_due;	 /* with the next transmit */

	/* ---- output ---- */
	struct enn_message queue[ENN_DTLS_QUEUE];
	size_t queue_head, queue_len, queue_sealed;
	uint8_t alert;
	bool alert_pending;
	bool closing;
	bool close_sent;
	bool peer_closed;
	bool key_update_owed;
	bool key_update_request;
	bool key_update_out; /* one waits for its acknowledgement */
	bool expiring_told;
	uint64_t keys_sent, keys_received;
	/* Until the peer has shown that it receives what is sent to it (RFC 9147 §5.1): at most three times what
	 * came. */
	bool validated;
	uint64_t bytes_in, bytes_out;
	size_t datagram; /* bytes of one datagram of the handshake */
};

static inline struct enn_dtls *enn_dtls_of(struct enn_handshake_carrier *c)
{
	return (struct enn_dtls *)((char *)c - offsetof(struct enn_dtls, carrier));
}

static inline bool enn_dtls_is_12(const struct enn_dtls *d)
{
	return d->carrier.result.version == ENN_TLS_1_2;
}

static inline bool enn_dtls_is_13(const struct enn_dtls *d)
{
	return d->carrier.result.version == ENN_TLS_1_3;
}

/* ---- ranges.c --------------------------------------------------------------------------------- */
/* False: it would take one range too many; nothing was added. */
bool enn_dtls_ranges_add(struct enn_dtls_ranges *ranges, uint32_t from, uint32_t to);
bool enn_dtls_ranges_cover(const struct enn_dtls_ranges *ranges, uint32_t from, uint32_t to);
/* The first gap at or behind `at`, below `end`. False: there is none. */
bool enn_dtls_ranges_gap(const struct enn_dtls_ranges *ranges, uint32_t at, uint32_t end,
			 uint32_t *from, uint32_t *to);

/* ---- keys.c ----------------------------------------------------------------------------------- */
void enn_dtls_keys_plain(struct enn_dtls_keys *keys);
void enn_dtls_keys_wipe(const struct enn_env *env, struct enn_dtls_keys *keys);
/* The carrier's. */
enum enn_status enn_dtls_set_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				    enum enn_level level, const struct enn_tls_suite *suite,
				    const uint8_t *secret);
enum enn_status enn_dtls_set_keys12(struct enn_handshake_carrier *c, enum enn_direction direction,
				    const struct enn_tls12_keys *keys);
/* The next generation of the application's keys (RFC 9147 §8). */
enum enn_status enn_dtls_update(struct enn_dtls *d, enum enn_direction direction);
/* Those that a record of ours is sealed with now. */
struct enn_dtls_keys *enn_dtls_send_keys(struct enn_dtls *d);

/* ---- record.c --------------------------------------------------------------------------------- */
/* What a record of len bytes of content takes. */
size_t enn_dtls_record_size(const struct enn_dtls_keys *keys, size_t len);
/* The most content that fits into room bytes; 0: none. */
size_t enn_dtls_record_fits(const struct enn_dtls_keys *keys, size_t room);
/* One record on its way to be sealed. */
struct enn_dtls_sealing {
	struct enn_aead_job job;
	uint8_t nonce[12];
	uint8_t aad[ENN_DTLS_HEADER];
	uint8_t *record;
	size_t header; /* bytes before what is sealed */
	uint8_t type;
};
/* Writes the header and takes the next sequence number. in: content that is elsewhere, or at
 * record + the header's length already. Returns the record's length; plain records are done then. */
size_t enn_dtls_plan(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, uint8_t *record,
		     uint8_t type, const uint8_t *in, size_t len);
/* Seals what was planned, all with the same keys, and masks the numbers. False: libcrypto failed. */
bool enn_dtls_seal(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, size_t count);
/* Where content goes in a record. */
size_t enn_dtls_prefix(const struct enn_dtls_keys *keys);

struct enn_dtls_record {
	uint8_t type;
	struct enn_dtls_keys *keys;
	uint64_t sequence;
	uint8_t *content;
	size_t len;
};
enum enn_dtls_opened {
	ENN_DTLS_OPENED,
	ENN_DTLS_SKIPPED, /* not for us, or not any more: *used says how long it is */
	ENN_DTLS_BROKEN,  /* the rest of the datagram makes no sense */
};
/* Opens the record at the start of data in place. */
enum enn_dtls_opened enn_dtls_open(struct enn_dtls *d, uint8_t *data, size_t len, size_t *used,
				   struct enn_dtls_record *out);

/* ---- incoming.c ------------------------------------------------------------------------------- */
/* A record's content with fragments. What makes no sense is dropped: in a plain record it may be anybody's. */
void enn_dtls_take_fragments(struct enn_dtls *d, enn_time now,
			     const struct enn_dtls_record *record);
/* Gives the handshake the messages whose turn it is, until it parks. */
void enn_dtls_deliver(struct enn_dtls *d, enn_time now);
void enn_dtls_drop_incoming(struct enn_dtls *d);

/* ---- flight.c --------------------------------------------------------------------------------- */
uint8_t *enn_dtls_reserve(struct enn_handshake_carrier *c, enum enn_level level, size_t cap);
void enn_dtls_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		     size_t len);
enum enn_status enn_dtls_add_ccs(struct enn_dtls *d);
/* What was sent has arrived: the peer answers it. */
void enn_dtls_flight_done(struct enn_dtls *d, enn_time now);
void enn_dtls_flight_again(struct enn_dtls *d);
void enn_dtls_take_ack(struct enn_dtls *d, enn_time now, const struct enn_dtls_record *record);
/* Writes a datagram of fragments; 0: nothing waits. */
size_t enn_dtls_write_flight(struct enn_dtls *d, enn_time now, uint8_t *buf, size_t cap);
void enn_dtls_drop_flight(struct enn_dtls *d);
void enn_dtls_expire_flight(struct enn_dtls *d, enn_time now);
/* A record came that is to be acknowledged, at once or when nothing else has done it. */
void enn_dtls_owe_ack(struct enn_dtls *d, enn_time now, uint64_t epoch, uint64_t sequence,
		      bool at_once);
size_t enn_dtls_write_ack(struct enn_dtls *d, enn_time now, uint8_t *buf, size_t cap);

/* ---- input.c ---------------------------------------------------------------------------------- */
bool enn_dtls_advance(struct enn_dtls *d, enn_time now);
void enn_dtls_outcome(struct enn_dtls *d, enn_time now, enum enn_status status,
		      enum enn_handshake_outcome outcome);
void enn_dtls_post_handshake(struct enn_dtls *d, enn_time now, struct enn_bytes message);

/* ---- output.c --------------------------------------------------------------------------------- */
void enn_dtls_transmit(struct enn_dtls *d, enn_time now, struct enn_batch *batch);
bool enn_dtls_take_sent(struct enn_dtls *d, struct enn_event *event);

/* ---- engine.c --------------------------------------------------------------------------------- */
void enn_dtls_failed(struct enn_dtls *d);
void enn_dtls_fail(struct enn_dtls *d, enum enn_alert alert, enum enn_reason reason,
		   const char *where, const char *format, ...) ENN_PRINTF(5, 6);
void enn_dtls_closed(struct enn_dtls *d);
enum enn_status enn_dtls_new(const struct enn_env *env, struct enn_security *security, bool server,
			     const struct enn_engine_options *options, struct enn_dtls **out,
			     struct enn_error *error);
enum enn_status enn_dtls_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security,
				    const struct enn_engine_options *options,
				    struct enn_engine **out, struct enn_error *error);
enum enn_status enn_dtls_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security,
				    const struct enn_engine_options *options,
				    struct enn_engine **out, struct enn_error *error);

/* ---- acceptor.c ------------------------------------------------------------------------------- */
enum enn_status enn_dtls_new_acceptor(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      struct enn_acceptor **out, struct enn_error *error);
void enn_dtls_leave_hub(struct enn_dtls *d);

#endif
