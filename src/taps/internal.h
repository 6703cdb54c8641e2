/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of contexts, connections and listeners.
 *
 * Who does what when. API calls only change state and mark the connection (enn_conn_wake); network
 * and timers drive engines, whose events change state and mark. enn_conn_work then looks at a
 * marked connection from outside of all that and makes what progress there is: it starts attempts,
 * ends connections, frees what is over. So nothing is ever freed under the feet of its caller.
 */
#ifndef ENN_TAPS_INTERNAL_H
#define ENN_TAPS_INTERNAL_H

#include <stdio.h>

#include "ennead/taps.h"
#include "runtime/driver.h"
#include "runtime/resolver.h"
#include "runtime/work.h"
#include "taps/config.h"
#include "taps/queue.h"
#include "taps/race.h"
#include "taps/slots.h"

#define ENN_MAX_RECEIVES    1024
#define ENN_MAX_PIECES	    4096 /* messages that wait, where they may be lost */
#define ENN_EVENTS_PER_CONN 3	 /* promised: CONNECTION_RECEIVED, READY, the last */

struct enn_conn;

struct enn_context {
	struct enn_runtime *rt;
	struct enn_crypto *crypto;
	struct enn_context_options options; /* with the defaults filled in; strings are not kept */
	FILE *keylog_file;
	const struct enn_protocol *registry[ENN_PROTOCOL_COUNT + 1];
	const struct enn_protocol *const *protocols; /* NULL-terminated: registry, but for tests */
	struct enn_slots connections;
	struct enn_slots listeners;
	struct enn_slots loans; /* of struct enn_block */
	struct enn_queue queue;
	struct enn_conn *marked;  /* connections with work to do */
	struct enn_conn *working; /* those of this turn that are still to come */
	struct enn_listen *marked_listeners;
	bool held; /* a listener waits for room */
	enn_time last_turn;
	uint64_t last_request;
	size_t send_bytes; /* copies that wait */
};

/* ---- one candidate, or the one way of a server's connection -------------------------- */

enum enn_question { ENN_NO_QUESTION, ENN_ASK_TRUST, ENN_ASK_PSK, ENN_ASK_CREDENTIAL, ENN_ASK_SIGN };

struct enn_attempt {
	struct enn_conn *conn;
	struct enn_driver *driver; /* NULL once over */
	struct enn_address remote;
	enum enn_candidate_fate fate;
	enn_time started;
	enn_time ended;
	enn_time connected;
	struct enn_error *error;   /* of FAILED */
	struct enn_error *trouble; /* what the network last said while nothing had failed */
	bool failed;		   /* work is to be done about it */
	bool doubtful;		   /* in trouble since the race was last told */
	bool closed;		   /* the engine said CLOSED */
	bool early;		   /* its engine may send early data */
	bool answered;		   /* its engine goes on */
	enum enn_question question;
	uint16_t scheme;
	uint64_t request;
	uint8_t *asked; /* PSK identity, the input to sign, or a server name, NUL and ALPN ids */
	size_t asked_len;
	struct enn_store_query *asking; /* the session store is asked for it */
	struct enn_signing *signing;	/* a worker thread makes a signature for it */
	uint8_t *ech_retry;		/* of FAILED: enn_info.ech_retry */
	size_t ech_retry_len;
};

/* ---- a connection -------------------------------------------------------------------- */

struct enn_send {
	struct enn_send *next;
	void *token;
	const uint8_t *data;
	size_t len;
	size_t size; /* of this allocation */
	enn_time expires;
	uint64_t stream;
	uint32_t flags;
	bool copied;
	bool begun;  /* is in an engine */
	bool sealed; /* by a candidate that has not won yet */
};

struct enn_receive {
	struct enn_receive *next;
	void *token;
	size_t min;
	size_t max;		    /* 0: none */
	struct enn_block *gathered; /* min > 1 and not in one piece */
	uint32_t flags;		    /* of what was gathered */
};

/* Received data that nobody asked for yet. */
struct enn_piece {
	struct enn_piece *next;
	struct enn_block *block;
	const uint8_t *data;
	size_t len;
	uint64_t stream;
	uint32_t flags;
};

struct enn_lookup_slot {
	struct enn_conn *conn;
	struct enn_lookup *lookup;
	size_t group;
};

/* What only a client that is being established needs. */
struct enn_establish {
	struct enn_race race;
	struct enn_lookup_slot lookup[2 * ENN_MAX_REMOTES];
	size_t lookups;
	int lookup_error; /* libuv's, the last one */
	char unresolved[ENN_HOST_MAX];
	bool begun;
};

struct enn_conn {
	struct enn_context *ctx;
	uint64_t id;
	struct enn_config *config;
	const struct enn_protocol *protocol;
	void *user;
	uint64_t *value; /* own connection properties, once one was changed */
	struct enn_conn *next_marked;
	struct enn_conn **mark_link; /* what points at it in the list; NULL: not marked */

	/* establishment */
	struct enn_establish *establish; /* client: until a candidate has won */
	struct enn_attempt **attempt;
	size_t attempts;
	size_t attempts_cap;
	struct enn_attempt *winner;
	uint64_t listener;
	struct enn_timer timer;
	enn_time started;
	enn_time transport_ready;
	enn_time ready;
	enn_time progress;   /* when output last moved */
	enn_time close_time; /* when close was called */
	uint64_t bytes_sent;
	uint64_t bytes_received;
	size_t unwritten; /* of the pending write, when progress was last seen */

	/* data */
	struct enn_send *sends; /* begun ones first */
	struct enn_send **sends_tail;
	size_t send_count;
	size_t send_bytes; /* copied */
	size_t expiring;   /* how many have a lifetime */
	struct enn_receive *receives;
	struct enn_receive **receives_tail;
	size_t receive_count;
	struct enn_piece *pieces;
	struct enn_piece **pieces_tail;
	size_t piece_count;
	size_t pinned; /* read buffer bytes on this connection's account */
	size_t promises;

	uint32_t resolved; /* remote endpoints that have an address: a bit each */
	bool server;
	bool announced;	      /* server: CONNECTION_RECEIVED is in the queue, or was taken */
	bool taken;	      /* server: the application has the handle */
	bool final_queued;    /* no further sends */
	bool final_arrived;   /* no further pieces */
	bool final_delivered; /* no further receives */
	bool close_called;
	bool close_begun; /* the engine was told */
	bool abort_called;
	bool starved; /* reading waits for loans to come back */
	bool over;    /* the last event is in the queue */
	bool sends_failed;
	bool keys_queued[2];
	bool session_queued;
	size_t soft_errors;	 /* in the queue */
	struct enn_error *error; /* why it failed */
};

/* ---- a listener ---------------------------------------------------------------------- */

#define ENN_MAX_SOFT_ERRORS 64 /* of one listener or connection in the queue */

struct enn_listen {
	struct enn_context *ctx;
	uint64_t id;
	struct enn_config *config;
	const struct enn_protocol *protocol;
	void *user;
	struct enn_inbound *inbound; /* NULL once stopped */
	uint64_t limit;		     /* connections still to be delivered */
	size_t handshaking;	     /* accepted and not yet announced */
	size_t soft_errors;
	bool held; /* connections wait in its sockets */
	bool stopped;
	bool promised;
	bool marked;
	struct enn_listen *next_marked;
};

/* ---- context.c ----------------------------------------------------------------------- */

static inline const struct enn_env *enn_context_env(const struct enn_context *ctx)
{
	return &ctx->rt->env;
}

struct enn_conn *enn_conn_of(struct enn_connection connection);
struct enn_listen *enn_listen_of(struct enn_listener listener);
/* For tests: a registry of the caller's, NULL-terminated, which must outlive the context. */
void enn_context_set_protocols(struct enn_context *ctx, const struct enn_protocol *const *list);
const struct enn_protocol *enn_context_protocol(const struct enn_context *ctx,
						enum enn_protocol_id id);
/* Into the queue, promised or not, and the application is told if it was empty. */
void enn_context_keep(struct enn_context *ctx, const struct enn_queued *event);
bool enn_context_push(struct enn_context *ctx, const struct enn_queued *event);
/* Makes the full event of a queued one; false if its object is gone (deliver.c). */
bool enn_context_deliver(struct enn_context *ctx, struct enn_queued *queued,
			 struct enn_taps_event *event);
/* Gives back what an undelivered event holds. */
void enn_context_discard(struct enn_context *ctx, struct enn_queued *queued);
struct enn_error *enn_error_copy(const struct enn_env *env, const struct enn_error *error);

/* ---- connection.c -------------------------------------------------------------------- */

enum enn_status enn_conn_new(struct enn_context *ctx, struct enn_config *config,
			     const struct enn_protocol *protocol, struct enn_conn **out);
/* Frees it and everything of it, saying nothing to anybody. */
void enn_conn_destroy(struct enn_conn *c, enum enn_release how);
void enn_conn_wake(struct enn_conn *c);
void enn_conn_unmark(struct enn_conn *c);
void enn_conn_work(struct enn_conn *c);
/* Ends it: everything open gets its error, then the last event. */
void enn_conn_end(struct enn_conn *c, enum enn_taps_event_type type, const struct enn_error *error,
		  enum enn_release how);
void enn_conn_keep(struct enn_conn *c, struct enn_queued *event);
void enn_conn_push(struct enn_conn *c, struct enn_queued *event);
/* Tells of what ended nothing, if the application wants to know. */
void enn_conn_soft_error(struct enn_conn *c, const struct enn_error *error);
uint64_t enn_conn_value(const struct enn_conn *c, enum enn_property id);
struct enn_engine *enn_conn_engine(const struct enn_conn *c);
enum enn_connection_state enn_conn_state(const struct enn_conn *c);
/* Are its messages kept apart, and may they be lost? Otherwise it is a stream of bytes. */
static inline bool enn_conn_has_messages(const struct enn_conn *c)
{
	return enn_protocol_is_lossy(c->protocol);
}

/* ---- attempt.c ----------------------------------------------------------------------- */

struct enn_attempt *enn_attempt_new(struct enn_conn *c, const struct enn_address *remote);
void enn_attempt_connect(struct enn_attempt *a);
/* Takes who arrived, and makes the server's engine. ENN_E_AGAIN: there is nobody. */
enum enn_status enn_attempt_accept(struct enn_attempt *a, struct enn_inbound *inbound,
				   struct enn_error *error);
void enn_attempt_fail(struct enn_attempt *a, const struct enn_error *error);
/* Ends an attempt that is not the winner. */
void enn_attempt_drop(struct enn_attempt *a, enum enn_candidate_fate fate, enum enn_release how);
void enn_attempt_free(struct enn_attempt *a);
void enn_conn_socket_options(const struct enn_conn *c, struct enn_socket_options *out);
void enn_attempt_answered(struct enn_attempt *a);

/* ---- sign.c -------------------------------------------------------------------------- */

/* Has the event's credential sign; the engine gets its answer later. */
enum enn_status enn_attempt_sign(struct enn_attempt *a, const struct enn_event *event);
/* Nobody waits for it any more. */
void enn_attempt_stop_signing(struct enn_attempt *a);
/* store.c: questions to a session store that is elsewhere, which the application does not see. */
void enn_attempt_ask_store(struct enn_attempt *a, const struct enn_event *event);
void enn_attempt_stop_asking(struct enn_attempt *a);
void enn_attempt_put(struct enn_attempt *a, const struct enn_event *event);

/* ---- establish.c --------------------------------------------------------------------- */

enum enn_status enn_establish_new(struct enn_conn *c);
void enn_establish_free(struct enn_conn *c);
void enn_establish_work(struct enn_conn *c, enn_time now);
/* The candidate's security handshake is complete: the others go. */
void enn_establish_won(struct enn_attempt *a);

/* ---- send.c, receive.c --------------------------------------------------------------- */

bool enn_conn_pump(struct enn_conn *c, struct enn_attempt *a);
void enn_conn_sent(struct enn_conn *c, struct enn_attempt *a, void *user);
/* The candidate that had begun them is gone. */
void enn_conn_unsend(struct enn_conn *c);
/* Reports what a candidate sealed before it won. */
void enn_conn_report_sealed(struct enn_conn *c);
void enn_conn_expire(struct enn_conn *c, enn_time now);
enn_time enn_conn_next_expiry(const struct enn_conn *c);
/* The longest message that can be sent; UINT64_MAX: no limit, or none that is known yet. */
uint64_t enn_conn_max_message(const struct enn_conn *c);
/* status ENN_OK: the connection's own error. */
void enn_conn_fail_sends(struct enn_conn *c, enum enn_status status, enum enn_reason reason);
void enn_conn_free_sends(struct enn_conn *c);

void enn_conn_received(struct enn_conn *c, const struct enn_message *message,
		       struct enn_block *block);
void enn_conn_match(struct enn_conn *c);
void enn_conn_drop_pieces(struct enn_conn *c);
void enn_conn_fail_receives(struct enn_conn *c, enum enn_status status, enum enn_reason reason);
void enn_conn_free_receives(struct enn_conn *c);
bool enn_conn_hungry(const struct enn_conn *c);

/* ---- session.c ----------------------------------------------------------------------- */

/* A stored session for this connection, taken out of the store; NULL if there is none. The caller
 * wipes and frees it with enn_session_drop. */
uint8_t *enn_session_take(const struct enn_conn *c, size_t *len);
void enn_session_drop(const struct enn_conn *c, uint8_t *session, size_t len);
/* True if it was stored. */
bool enn_session_keep(const struct enn_conn *c, const uint8_t *data, size_t len, int64_t expires);

/* ---- listener.c ---------------------------------------------------------------------- */

void enn_listen_wake(struct enn_listen *l);
void enn_listen_work(struct enn_listen *l);
/* A connection was freed: listeners that wait for room look again. */
void enn_listen_room(struct enn_context *ctx);
void enn_listen_destroy(struct enn_listen *l);
/* The handshake of one of its connections is complete (or early data begins): deliver it. */
void enn_listen_announce(struct enn_conn *c);
/* One that was not announced is gone; error may be NULL. */
void enn_listen_lost(struct enn_conn *c, const struct enn_error *error);

#endif
