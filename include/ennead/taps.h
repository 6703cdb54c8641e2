/* SPDX-License-Identifier: Apache-2.0
 *
 * Transport Services (RFC 9622): connections that run themselves. An application
 * describes what it wants in a preconnection, initiates or listens, and takes
 * events from one queue. `examples/client.c` is the smallest complete program.
 *
 * OWNERSHIP, six rules:
 *   1. x_new returns an object that the caller owns; x_free(NULL) is legal; free wipes secrets.
 *   2. A preconnection is a snapshot the moment initiate or listen is called: changing or freeing
 *      it afterwards touches nothing that is already under way.
 *   3. `const` inputs are borrowed for the call. The one exception has it in its name: the buffer
 *      of enn_connection_send_borrowed stays borrowed until its Sent, Expired or SendError
 *      event is taken, or until the connection is freed.
 *   4. Received data is a loan until enn_message_release, also beyond the connection's life. What
 *      is not released is not read again from the network: loans are the flow control.
 *   5. enn_connection_free is legal at any time, while its event is handled too. On a live
 *      connection it aborts, and no later event names it. Handles carry a generation: a call with
 *      a handle whose object is gone answers ENN_E_STALE.
 *   6. A context belongs to one thread and two contexts share nothing. There is no global state
 *      and no library initialisation.
 *
 * EVENTS are a queue. Nothing here calls the application back, except for the sinks and the
 * notification in struct enn_context_options. What the queue guarantees:
 *   - each send brings exactly one of Sent, Expired, SendError, and Sent comes in send order;
 *   - each receive brings exactly one of Received, ReceiveError;
 *   - nothing is received before Ready (early data on a server excepted, see ENN_TAPS_RECEIVED);
 *   - EstablishmentError, Closed and ConnectionError are the last event of their connection, and
 *     exactly one of them comes unless the application frees the connection first. Sends and
 *     receives still open get their error events before it;
 *   - what arrived before the end is delivered before it: Closed and ConnectionError wait until the
 *     application has received it, or calls close, abort or free.
 * A connection keeps its slot and its information until enn_connection_free, after the last
 * event too.
 */
#ifndef ENNEAD_TAPS_H
#define ENNEAD_TAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "env.h"
#include "error.h"
#include "protocol.h"
#include "security.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enn_context;
struct enn_preconnection;
struct uv_loop_s; /* uv_loop_t */

/* Handles: small values, copied freely. id 0 is never valid. */
struct enn_connection {
	struct enn_context *context;
	uint64_t id;
};
struct enn_listener {
	struct enn_context *context;
	uint64_t id;
};
/* Received data on loan. Releasing it twice answers ENN_E_STALE. */
struct enn_loan {
	struct enn_context *context;
	uint64_t id;
};

/* ---- context ------------------------------------------------------------------------- */

/* Plain data, borrowed for enn_context_new only. Zeroed is valid: 0 and NULL mean the default. */
struct enn_context_options {
	/* An event loop that the application owns and runs; it must outlive the context. Afterwards
	 * enn_poll is called with timeout 0. NULL: the context has a loop of its own. */
	struct uv_loop_s *loop;
	/* Called from inside the loop when events become pending in an empty queue. It must not
	 * call back into Ennead: set a flag, or start a uv_idle or uv_async handle. With a loop of
	 * the application's it is how enn_poll is prompted. */
	void (*notify)(void *ctx);
	void *notify_ctx;

	enum enn_crypto_backend crypto_backend;
	/* NSS key log, for Wireshark: a file that lines are appended to, or a sink. Both may be
	 * set. The environment variable SSLKEYLOGFILE is not read: that is the application's
	 * choice. */
	const char *keylog_path;
	void (*keylog)(void *ctx, const char *line);
	void *keylog_ctx;
	void (*log)(void *ctx, enum enn_log_level level, const char *text);
	void *log_ctx;
	void (*trace)(void *ctx, enn_time now, const char *json);
	void *trace_ctx;

	struct enn_limits limits; /* of each engine */
	size_t max_connections;	  /* live at a time, both directions; 65536 */
	size_t max_candidates;	  /* addresses tried for one connection; 16 */
	size_t receive_window;	  /* bytes of one connection waiting or on loan; 262144 */
	size_t send_window;	  /* copied bytes of one connection waiting; 1048576 */
	size_t max_sends;	  /* messages of one connection waiting; 1024 */

	enn_time attempt_delay; /* RFC 8305 §5, between attempts; 250 ms, kept in [10 ms, 2 s] */
	enn_time resolution_delay; /* RFC 8305 §3, waiting for IPv6 after IPv4; 50 ms */
	enn_time close_timeout;	   /* waiting for the peer's end after ours; 10 s */
};

/* options may be NULL. Errors: ENN_E_MEMORY, ENN_E_UNSUPPORTED (crypto back end), ENN_E_SYSTEM
 * (loop, key log file); *error (may be NULL) says why. */
ENN_API ENN_MUST_CHECK enum enn_status enn_context_new(const struct enn_context_options *options,
						       struct enn_context **out,
						       struct enn_error *error);
/* Aborts and frees everything that is left in it; loans end. May wait for a name look-up that the
 * system's resolver cannot be made to give up. With a loop of the application's it waits for
 * nothing, and the last handles close on its next turns: run it until it is empty before
 * uv_loop_close. Not from inside `notify`. */
ENN_API void enn_context_free(struct enn_context *context);

/* ---- a session store for a pool of servers -------------------------------------------- */

/* Plain data, borrowed for enn_context_redis_store only. */
struct enn_redis_options {
	const char *url;    /* redis://[[user]:password@]host[:port][/db] or unix:///path[?db=n] */
	const char *prefix; /* of all keys in it, at most 64 characters; NULL: "ennead:" */
	const uint8_t *pool_key;  /* the pool's secret, the same on all its servers … */
	size_t pool_key_len;	  /* … at least 32 bytes */
	enn_time timeout;	  /* of one question; 0: 200 ms */
	enn_time ticket_key_life; /* how long one ticket key seals; 0: 12 hours. The same on all */
};

/* A session store in Redis or Valkey, shared by the servers of a pool: for enn_security_set_session_store, for
 * connections of this context only. It holds server sessions that are named by session id or by stateful
 * tickets, claims of early data, and the ticket keys of the pool, which all parameters with this store
 * then seal with. Everything in it is sealed with the pool's key. A client's sessions are kept in memory.
 * Connects in the background and again after failures; while the store does not answer handshakes are full
 * ones, early data is refused, and the ticket keys that are there stay in use. Free it with
 * enn_session_store_free, on the context's thread; a store that outlives its context says no.
 * Errors: ENN_E_PARSE (url), ENN_E_ARGUMENT, ENN_E_MEMORY; *error says why. */
ENN_API ENN_MUST_CHECK enum enn_status enn_context_redis_store(
	struct enn_context *context, const struct enn_redis_options *options,
	struct enn_session_store **out, struct enn_error *error);

/* ---- a client's sessions in a file ----------------------------------------------------- */

/* Sessions of clients over a restart. The file has mode 0600 and is replaced in one step; of several processes
 * that use one file the last to save decides, and a session may be used by more than one of them.
 * load: into a new store, before it is used. ENN_E_NOT_FOUND: there is no such file. ENN_E_AUTH: it belongs to
 * somebody else, or others may read or write it. ENN_E_PARSE: damaged; the next save replaces it.
 * Both: ENN_E_SYSTEM, ENN_E_MEMORY; *error, unless NULL, says why. Blocks for the file. */
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_load(struct enn_session_store *store,
							      const char *path,
							      struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_save(struct enn_session_store *store,
							      const char *path,
							      struct enn_error *error);

/* Takes up to n events; waits up to `timeout` nanoseconds for the first (0: does not wait,
 * ENN_TIME_NEVER: as long as it takes). Returns how many. 0 with ENN_TIME_NEVER
 * means that nothing is left that could bring an event. With a loop of the application's it never
 * waits and never runs the loop. */
struct enn_taps_event;
ENN_API size_t enn_poll(struct enn_context *context, struct enn_taps_event *events, size_t n,
			enn_time timeout);

/* For epoll, poll or GLib: watch fd for reading, call step when it is readable or `deadline` (on
 * enn_context_now's clock) has come, then take events with enn_poll(…, 0). With a loop
 * of the application's fd is -1 and step does nothing. */
ENN_API int enn_context_fd(const struct enn_context *context);
ENN_API enn_time enn_context_deadline(const struct enn_context *context);
ENN_API void enn_context_step(struct enn_context *context);
ENN_API enn_time enn_context_now(const struct enn_context *context);
/* What the cryptography runs on; see enn_crypto_describe. */
ENN_API const char *enn_context_describe(const struct enn_context *context);

/* What is alive: for tests, limits and curiosity. */
struct enn_context_usage {
	size_t connections; /* slots taken, ended ones that were not freed included */
	size_t listeners;
	size_t sockets; /* open ones, listening ones included */
	size_t loans;
	size_t read_buffers;	  /* in use or on loan */
	size_t read_buffer_bytes; /* the same in bytes, idle pooled ones included */
	size_t queued_send_bytes; /* copies that are waiting */
	size_t events;		  /* in the queue */
};
ENN_API void enn_context_usage(const struct enn_context *context, struct enn_context_usage *usage);

/* ---- properties ---------------------------------------------------------------------- */

/* RFC 9622 §6.2: Require and Prohibit prune candidates, Prefer and Avoid sort them. */
enum enn_preference {
	ENN_REQUIRE = 1,
	ENN_PREFER,
	ENN_NO_PREFERENCE,
	ENN_AVOID,
	ENN_PROHIBIT,
};

enum enn_direction_kind {
	ENN_BIDIRECTIONAL,
	ENN_UNIDIRECTIONAL_SEND,
	ENN_UNIDIRECTIONAL_RECEIVE,
};
enum enn_multipath { ENN_MULTIPATH_DISABLED, ENN_MULTIPATH_ACTIVE, ENN_MULTIPATH_PASSIVE };
enum enn_multipath_policy { ENN_HANDOVER, ENN_INTERACTIVE, ENN_AGGREGATE };
enum enn_scheduler {
	ENN_SCHEDULER_WFQ,  /* weighted fair queueing */
	ENN_SCHEDULER_FCFS, /* first come, first served */
	ENN_SCHEDULER_RR,   /* round robin */
	ENN_SCHEDULER_PRIO, /* strict priority */
};
enum enn_capacity_profile {
	ENN_CAPACITY_DEFAULT,
	ENN_CAPACITY_SCAVENGER,
	ENN_CAPACITY_LOW_LATENCY_INTERACTIVE,
	ENN_CAPACITY_LOW_LATENCY_NON_INTERACTIVE,
	ENN_CAPACITY_CONSTANT_RATE,
	ENN_CAPACITY_SEEKING,
};
enum enn_connection_state {
	ENN_STATE_ESTABLISHING,
	ENN_STATE_ESTABLISHED,
	ENN_STATE_CLOSING,
	ENN_STATE_CLOSED,
};

enum enn_property {
#define ENN_PROPERTY(id, name, type, def, phase, doc) ENN_PROPERTY_##id,
#include "properties.def"
#undef ENN_PROPERTY
	ENN_PROPERTY_COUNT
};

/* "connTimeout", and its one line of documentation. NULL for an unknown id. */
ENN_API const char *enn_property_name(enum enn_property id);
ENN_API const char *enn_property_doc(enum enn_property id);
/* By name, ignoring case, '-' and '_'; ENN_PROPERTY_COUNT if there is none. */
ENN_API enum enn_property enn_property_find(const char *name);

/* ---- preconnection ------------------------------------------------------------------- */

ENN_API struct enn_preconnection *enn_preconnection_new(struct enn_context *context);
/* Legal before or after the context was freed. */
ENN_API void enn_preconnection_free(struct enn_preconnection *pre);

/* A remote endpoint: a host name or a literal address ("::1", "fe80::1%eth0"), and a port or
 * service name ("443", "https"). Several make further candidates, in this order. The host of the
 * first is also the name that the peer must prove (SNI, certificate), unless set_server_name says
 * otherwise. Errors: ENN_E_ARGUMENT, ENN_E_LIMIT, ENN_E_MEMORY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_add_remote(struct enn_preconnection *pre,
								    const char *host,
								    const char *service);
/* A remote endpoint that needs no resolution. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_add_remote_address(
	struct enn_preconnection *pre, const struct enn_address *address);
/* A local endpoint: listeners need a service ("0" is any free port); host NULL is every address of
 * both families. For initiate: the address or port to leave from. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_add_local(struct enn_preconnection *pre,
								   const char *host,
								   const char *service);
/* The name the peer must prove when it differs from the remote's host. "" is none: then the
 * security parameters must not ask for one (checkName or verifyPeer off, or a PSK). */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_server_name(
	struct enn_preconnection *pre, const char *name);
/* Makes a copy: later changes of `security` have no effect; its credentials and trust are shared by
 * reference, and so is a session store that was set in it. Without one, connections of the same
 * preconnection resume each other's sessions, and no others. Without a call: enn_security_new(). */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_security(
	struct enn_preconnection *pre, const struct enn_security *security);
/* A session for the first connection made from it, from enn_connection_take_session: tried before
 * the store. Copied; wiped when it was used. ENN_E_ARGUMENT: empty, or over 65535 bytes. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_session(struct enn_preconnection *pre,
								     const uint8_t *data,
								     size_t len);
/* Adds to the protocols that may be used, best first. Without a call: all that this build has and
 * the properties leave over, in the registry's order. There is never a fall-back from one security
 * protocol to another: the first that is left is used. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_allow_protocol(
	struct enn_preconnection *pre, enum enn_protocol_id id);
/* The pointer that comes with each event of connections and listeners made from it. */
ENN_API void enn_preconnection_set_user(struct enn_preconnection *pre, void *user);

/* Typed setters. Errors: ENN_E_ARGUMENT (wrong type, out of range, or read-only). */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_pref(struct enn_preconnection *pre,
								  enum enn_property id,
								  enum enn_preference value);
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_bool(struct enn_preconnection *pre,
								  enum enn_property id, bool value);
/* u64, limit, duration (nanoseconds) and the enums. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_u64(struct enn_preconnection *pre,
								 enum enn_property id,
								 uint64_t value);
/* ENN_PROPERTY_INTERFACE and ENN_PROPERTY_PVD: one more (preference, name) pair. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_set_entry(struct enn_preconnection *pre,
								   enum enn_property id,
								   enum enn_preference preference,
								   const char *name);
/* By name and text, for command lines and files: "require", "true", "250",
 * "low-latency-interactive". For a set: "require eth0". *error (may be NULL) says what is wrong and
 * names the nearest valid name. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_parse(struct enn_preconnection *pre,
							       const char *name, const char *value,
							       struct enn_error *error);
/* Any type but sets; preferences and bools as numbers. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_get(const struct enn_preconnection *pre,
							     enum enn_property id, uint64_t *value);

/* Active open. What can be seen at once is returned: ENN_E_ARGUMENT (no remote endpoint),
 * ENN_E_NOT_FOUND (everything was pruned: enn_preconnection_explain says why), ENN_E_LIMIT
 * (max_connections), ENN_E_MEMORY. The rest is Ready or EstablishmentError. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_initiate(struct enn_preconnection *pre,
								  struct enn_connection *out,
								  struct enn_error *error);
/* The same with a first message, which is copied. With ENN_MESSAGE_EARLY (or safelyReplayable) it
 * goes out as early data if there is a session that allows it. */
struct enn_message_context;
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_initiate_with_send(
	struct enn_preconnection *pre, const void *data, size_t len,
	const struct enn_message_context *message, struct enn_connection *out,
	struct enn_error *error);
/* Passive open on every local endpoint. ENN_E_SYSTEM: an address could not be bound (sys_errno).
 * Host names are resolved in the call: give addresses. */
ENN_API ENN_MUST_CHECK enum enn_status enn_preconnection_listen(struct enn_preconnection *pre,
								struct enn_listener *out,
								struct enn_error *error);

/* ---- sending and receiving ----------------------------------------------------------- */

/* RFC 9622's MessageContext. NULL instead of one, and zero fields, mean the properties'
 * defaults. */
struct enn_message_context {
	void *token;	   /* comes back in the event */
	uint32_t flags;	   /* ENN_MESSAGE_FINAL, ENN_MESSAGE_EARLY */
	enn_time lifetime; /* msgLifetime: not begun after this long: Expired. 0: the property's */
	uint64_t stream;   /* 0 where the protocol has one stream */
};

/* Queues a message; legal from initiate on. data may be NULL with len 0 (a bare FINAL).
 * On a byte stream messages are joined. Where the protocol keeps them apart (it has
 * preserveMsgBoundaries) one send is one message that arrives whole or not at all; one longer than
 * sendMsgMaxLen brings SendError with ENN_REASON_MESSAGE_TOO_LARGE; and FINAL only says that no
 * more is sent, unless the protocol has an end of data.
 * ENN_E_AGAIN: the send window or queue is full; try after the next Sent. ENN_E_CLOSED: after
 * FINAL, close, or the end. ENN_E_MEMORY, ENN_E_ARGUMENT, ENN_E_STALE. No event follows a
 * refusal. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_send(
	struct enn_connection connection, const void *data, size_t len,
	const struct enn_message_context *message);
/* The same without a copy: data must stay valid and unchanged, see rule 3. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_send_borrowed(
	struct enn_connection connection, const void *data, size_t len,
	const struct enn_message_context *message);

/* Asks for one receive event: at least min_incomplete bytes (0 and 1 mean any; less only at the end
 * of the data) and at most max (0: no limit). More than one may be open. min_incomplete above 1 may
 * cost a copy and must not pass the receive window. Where the protocol keeps messages apart, one
 * receive takes one message, or with max a part of it, whatever the minimum; messages for which
 * there is no room in the receive window are dropped and counted.
 * ENN_E_LIMIT: 1024 are open. ENN_E_CLOSED: the
 * peer's FINAL was delivered, or the connection is over. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_receive(struct enn_connection connection,
							      size_t min_incomplete, size_t max,
							      void *token);
/* Gives received data back; needed for every ENN_TAPS_RECEIVED with len > 0; with len 0 there
 * is no loan, and this answers ENN_E_STALE. */
ENN_API enum enn_status enn_message_release(struct enn_loan loan);

/* ---- the connection ------------------------------------------------------------------ */

/* Graceful: what is queued is sent, then the protocol's end in both directions; data that still
 * arrives is dropped. Closed follows. Legal at any time, ENN_E_CLOSED when it was called before. */
ENN_API enum enn_status enn_connection_close(struct enn_connection connection);
/* At once: ConnectionError with ENN_REASON_CONNECTION_ABORTED follows. */
ENN_API enum enn_status enn_connection_abort(struct enn_connection connection);
/* See rule 5. */
ENN_API void enn_connection_free(struct enn_connection connection);

/* Another stream of the same association. ENN_E_UNSUPPORTED where the protocol has one stream. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_clone(struct enn_connection connection,
							    struct enn_connection *out);
/* Takes the stored session that fits this connection out of the store, to keep it elsewhere, in a
 * file say; legal after ENN_TAPS_SESSION_STORED. It holds secrets. *len in: room, out: length.
 * ENN_E_NOT_FOUND: there is none. ENN_E_SPACE: *len says how much is needed; it stays stored. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_take_session(struct enn_connection connection,
								   uint8_t *data, size_t *len);
/* The survey's post-connection interfaces; see the calls of the same names in engine.h. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_update_keys(struct enn_connection connection,
								  bool both);
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_request_peer(
	struct enn_connection connection);
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_export_key(struct enn_connection connection,
								 const char *label,
								 const uint8_t *context,
								 size_t context_len, bool early,
								 uint8_t *out, size_t len);
/* Over datagrams a client moves to a new socket: bound to path->local, or with a zeroed one to what
 * the system chooses; a zeroed path->remote stays what it is. ENN_E_SYSTEM: there is no such
 * socket, and nothing has changed. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_migrate(struct enn_connection connection,
							      const struct enn_path *path);
/* True if the connection's protocol has the feature and this build implements it. */
ENN_API bool enn_connection_has(struct enn_connection connection, enum enn_feature feature);

/* Connection properties may change at any time; a refusal changes nothing and harms nothing.
 * Selection properties answer ENN_E_STATE. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_set_property(struct enn_connection connection,
								   enum enn_property id,
								   uint64_t value);
/* Preferences read back as 0 or 1 once the connection is established (RFC 9622 §8). */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_get_property(struct enn_connection connection,
								   enum enn_property id,
								   uint64_t *value);
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_set_user(struct enn_connection connection,
							       void *user);

struct enn_connection_info {
	enum enn_connection_state state;
	struct enn_path path; /* addresses of the socket in use, once there is one */
	/* Pointers live until enn_connection_free. ech_retry is there after an EstablishmentError with
	 * ENN_REASON_ECH_REFUSED: a new preconnection with it (enn_security_set_ech_configs) is the one
	 * retry that RFC 9849 §6.1.6 wants. */
	struct enn_info security;
	const char *server_name;   /* client: the name the peer must prove; NULL if none */
	uint64_t bytes_sent;	   /* application data sealed */
	uint64_t bytes_received;   /* application data delivered to the queue */
	uint64_t messages_dropped; /* received, and nobody took what came before them */
	enn_time started;	   /* on enn_context_now's clock */
	enn_time transport_ready;  /* the TCP connection or the UDP socket stood; 0 before */
	enn_time ready;		   /* the security handshake was complete; 0 before */
	size_t attempts;	   /* candidates that were started */
	bool failed;
	struct enn_error error; /* if failed */
};
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_info(struct enn_connection connection,
							   struct enn_connection_info *info);

/* Answers to the questions; `request` is the event's. Everything is copied. ENN_E_NOT_FOUND: the
 * question is no longer open (its candidate lost, say). */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_trust_answer(struct enn_connection connection,
								   uint64_t request, bool accept);
/* key NULL: there is no such PSK. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_psk_answer(struct enn_connection connection,
								 uint64_t request,
								 const uint8_t *key, size_t key_len,
								 enum enn_psk_hash hash);
/* Under which parameters (security: frozen from then on, a reference is taken) or with which credential
 * (a reference is taken) the connection goes on; both NULL: those of the listener. accept false: the
 * client is refused, there is no such name. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_credential_answer(
	struct enn_connection connection, uint64_t request, bool accept,
	struct enn_security *security, struct enn_credential *credential);
/* signature NULL: it could not be made. */
ENN_API ENN_MUST_CHECK enum enn_status enn_connection_sign_answer(struct enn_connection connection,
								  uint64_t request,
								  const uint8_t *signature,
								  size_t signature_len);

/* ---- the listener -------------------------------------------------------------------- */

/* No further connections; those delivered live on, those in their handshake are dropped. Stopped
 * follows. */
ENN_API ENN_MUST_CHECK enum enn_status enn_listener_stop(struct enn_listener listener);
/* Stops if need be; no later event names it. Legal at any time, stale handles too. */
ENN_API void enn_listener_free(struct enn_listener listener);
/* RFC 9622 §7.2: how many more connections to deliver. At 0 the listener accepts no more until
 * the limit is raised: TCP connections wait, over datagrams clients have to try again.
 * UINT64_MAX, the beginning: no limit. */
ENN_API ENN_MUST_CHECK enum enn_status enn_listener_set_new_connection_limit(
	struct enn_listener listener, uint64_t limit);
/* Other security parameters, copied, for connections that arrive from now on: certificates, keys, CRLs and
 * OCSP responses are renewed so. Connections that are there keep theirs. Ticket keys and the session store
 * go on where the new parameters have none of their own, so that clients still resume what the rules of
 * verification still allow. ENN_E_ARGUMENT: a server cannot be made with them (*error says why), and
 * nothing has changed. ENN_E_UNSUPPORTED: over datagrams. */
ENN_API ENN_MUST_CHECK enum enn_status enn_listener_set_security(
	struct enn_listener listener, const struct enn_security *security, struct enn_error *error);
/* The addresses it is bound to; ENN_E_NOT_FOUND past the last. */
ENN_API ENN_MUST_CHECK enum enn_status enn_listener_local_address(struct enn_listener listener,
								  size_t index,
								  struct enn_address *out);

/* ---- explanations -------------------------------------------------------------------- */

enum enn_candidate_fate {
	ENN_CANDIDATE_PRUNED,	  /* by a property, the security parameters or this build */
	ENN_CANDIDATE_UNRESOLVED, /* the host has no address */
	ENN_CANDIDATE_WAITING,	  /* not started yet */
	ENN_CANDIDATE_CONNECTING,
	ENN_CANDIDATE_HANDSHAKE,
	ENN_CANDIDATE_WON,
	ENN_CANDIDATE_LOST,    /* another was faster */
	ENN_CANDIDATE_UNTRIED, /* never needed */
	ENN_CANDIDATE_FAILED,
};

struct enn_candidate_report {
	enum enn_candidate_fate fate;
	const struct enn_protocol *protocol;
	struct enn_address
		remote;	  /* family ENN_FAMILY_NONE where the protocol was pruned as such */
	enn_time started; /* 0 if it never was */
	enn_time ended;
	struct enn_error error; /* why: text for PRUNED, LOST and UNTRIED too */
};
ENN_API const char *enn_candidate_fate_name(enum enn_candidate_fate fate);

/* Fills up to n rows and returns how many there are. Every protocol and every address that was
 * considered is there, in order. 0 for a stale handle. */
ENN_API size_t enn_connection_explain(struct enn_connection connection,
				      struct enn_candidate_report *out, size_t n);
/* What would be pruned, before initiate: one row a protocol. */
ENN_API size_t enn_preconnection_explain(const struct enn_preconnection *pre, bool listen,
					 struct enn_candidate_report *out, size_t n);

/* "[2001:db8::1%2]:443". Writes at most cap bytes including the NUL and returns buf. */
#define ENN_ADDRESS_TEXT_MAX 72
ENN_API const char *enn_address_string(const struct enn_address *address, char *buf, size_t cap);

/* ---- events -------------------------------------------------------------------------- */

enum enn_taps_event_type {
	ENN_TAPS_NONE = 0,
	/* The security handshake is complete and the peer authenticated as configured. */
	ENN_TAPS_READY,
	/* Last event: no candidate could be established. u.error is the most telling one. */
	ENN_TAPS_ESTABLISHMENT_ERROR,
	/* A listener delivers `connection`, established. The application owns it now. */
	ENN_TAPS_CONNECTION_RECEIVED,
	/* Last event of a listener. u.error.status is ENN_OK after enn_listener_stop. */
	ENN_TAPS_STOPPED,
	/* Received and ReceivedPartial of RFC 9622 in one: u.received.end_of_message tells them
	 * apart. On a byte stream all data up to the peer's end is one message. ENN_MESSAGE_FINAL:
	 * the authenticated end of the peer's data (len may be 0). ENN_MESSAGE_WAS_EARLY: may be a
	 * replay. */
	ENN_TAPS_RECEIVED,
	ENN_TAPS_RECEIVE_ERROR, /* token, u.error */
	ENN_TAPS_SENT,		/* token */
	ENN_TAPS_EXPIRED,	/* token: the lifetime passed before it began */
	ENN_TAPS_SEND_ERROR,	/* token, u.error */
	/* u.error; with softErrorNotify preferred or required. Of a listener: somebody did not get
	 * through the handshake. Of a connection over datagrams: packets were lost, and the network
	 * (ICMP) or the system says why. */
	ENN_TAPS_SOFT_ERROR,
	ENN_TAPS_PATH_CHANGE,	   /* u.path */
	ENN_TAPS_CLOSED,	   /* last event: both directions ended in an orderly way */
	ENN_TAPS_CONNECTION_ERROR, /* last event: u.error */
	/* The security parameters delegate the peer's validation: enn_connection_trust_answer.
	 * Before CONNECTION_RECEIVED a question names the coming connection. */
	ENN_TAPS_TRUST_REQUEST,
	ENN_TAPS_PSK_REQUEST, /* an unknown PSK identity: enn_connection_psk_answer */
	/* The listener's parameters say that each client's name is to be asked about
	 * (enn_security_ask_credential): enn_connection_credential_answer. */
	ENN_TAPS_CREDENTIAL_REQUEST,
	ENN_TAPS_SIGN_REQUEST, /* an external key: enn_connection_sign_answer */
	ENN_TAPS_EARLY_DATA,   /* client: u.early_data.accepted. Server: early data begins */
	ENN_TAPS_KEYS_UPDATED,
	ENN_TAPS_KEYS_EXPIRING,
	ENN_TAPS_SESSION_STORED, /* a later connection to this peer can resume */
	/* enn_connection_request_peer was answered: u.authenticated.accepted, the peer showed an identity, which is
	 * valid (keepPeerChain keeps it for enn_connection_info) */
	ENN_TAPS_PEER_AUTHENTICATED,
};
/* "READY". Never NULL. */
ENN_API const char *enn_taps_event_name(enum enn_taps_event_type type);

struct enn_taps_event {
	enum enn_taps_event_type type;
	struct enn_connection connection; /* id 0 where the event is the listener's */
	struct enn_listener listener;	  /* CONNECTION_RECEIVED and STOPPED; id 0 otherwise */
	void *user;			  /* of the preconnection, or enn_connection_set_user */
	void *token;			  /* of the send or receive that this event completes */
	union {
		struct {
			const uint8_t *data; /* never NULL */
			size_t len;
			uint32_t flags; /* enum enn_message_flag */
			bool end_of_message;
			uint64_t stream;
			struct enn_loan loan; /* rule 4 */
		} received;
		struct {
			/* Valid until the answer, or the next enn_poll, enn_context_step or turn of
			 * the application's loop. */
			uint64_t request;
			const char *server_name; /* client: the name to be proved; NULL if none */
			struct enn_address remote;
			struct {
				const uint8_t *der;
				size_t len;
			} chain[ENN_MAX_CERTIFICATES];
			size_t chain_len;
			const uint8_t *key; /* or a raw public key: SubjectPublicKeyInfo in DER */
			size_t key_len;
			const uint8_t *status; /* the OCSP response that came along, in DER */
			size_t status_len;
		} trust;
		struct {
			uint64_t request;
			const uint8_t *identity; /* valid as in trust */
			size_t identity_len;
		} psk;
		struct {
			uint64_t request;
			const char
				*server_name; /* valid as in trust; NULL: the client names none */
			struct enn_address remote;
			const uint8_t *alpn; /* what it offers: u8 length, id, … */
			size_t alpn_len;
		} credential;
		struct {
			uint64_t request;
			uint16_t scheme;      /* TLS SignatureScheme code point */
			const uint8_t *input; /* valid as in trust; not yet hashed */
			size_t input_len;
		} sign;
		struct {
			bool accepted;
		} early_data;
		struct {
			bool accepted;
		} authenticated;
		struct {
			enum enn_direction direction;
			uint64_t generation;
		} keys;
		struct {
			int64_t expires; /* UNIX time in nanoseconds */
		} session;
		struct enn_path path;
		struct enn_error error;
	} u;
};

#ifdef __cplusplus
}
#endif
#endif
