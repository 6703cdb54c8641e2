/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a WireGuard interface: peers, key pairs, timers, queues.
 *
 *   engine.c     the contract            device.c   configuration and queries
 *   send.c       packets out             receive.c  packets in
 *   handshake.c  messages 1 and 2        cookie.c   mac1, mac2, load (WP §5.3)
 *   keypair.c    rotation                timers.c   WP §6
 *   noise.c      the computations        codec.c    the formats
 */
#ifndef ENN_WIREGUARD_INTERNAL_H
#define ENN_WIREGUARD_INTERNAL_H

/* uthash takes memory where `env` of the surrounding function says. */
#define HASH_NONFATAL_OOM     1
#define uthash_malloc(sz)     enn_alloc(env, sz)
#define uthash_free(ptr, sz)  enn_free(env, ptr, sz)
#define uthash_bzero(ptr, sz) memset(ptr, 0, sz)
/* Keys are random or public keys: their first bytes are a hash. */
#define HASH_FUNCTION(key, len, hash) ((void)(len), memcpy(&(hash), (key), sizeof(hash)))

#include <string.h>
#include <uthash.h>

#include "base/compiler.h"
#include "base/prefix_table.h"
#include "base/timers.h"
#include "ennead/wireguard.h"
#include "features/rate_limit.h"
#include "features/replay.h"
#include "protocols/registry.h"
#include "protocols/wireguard/noise.h"

/* WP §6.1 */
#define REKEY_AFTER_MESSAGES  (UINT64_C(1) << 60)
#define REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
#define REKEY_AFTER_TIME      (120 * ENN_SECOND)
#define REJECT_AFTER_TIME     (180 * ENN_SECOND)
#define REKEY_ATTEMPT_TIME    (90 * ENN_SECOND)
#define REKEY_TIMEOUT	      (5 * ENN_SECOND)
#define KEEPALIVE_TIMEOUT     (10 * ENN_SECOND)
/* Up to so much is added to a retry, so that two peers do not stay in step. */
#define REKEY_JITTER	       (333 * ENN_MILLISECOND)
#define COOKIE_SECRET_TIME     (120 * ENN_SECOND)
#define COOKIE_LATENCY	       (5 * ENN_SECOND)
#define INITIATIONS_PER_SECOND 50

#define REPLAY_WORDS 128 /* 2^13 counters */
#define MAX_STAGED   128 /* packets of one peer that wait for a session */
#define MAX_PEERS    (1u << 24)
#define SEND_RING    256   /* packets between send and transmit; a power of two */
#define REPLY_RING   64	   /* cookie replies that wait for transmit; a power of two */
#define BATCH	     64	   /* packets sealed or opened in one go */
#define MAX_INNER    65475 /* the largest inner packet that still fits a UDP datagram */
#define MIN_BATCH    2048

struct enn_wg_peer;

/* The receiver indices of all engines that share a socket. */
struct enn_wg_indices {
	struct enn_wg_index *table;
};

/* Who a receiver index belongs to: a handshake of ours, or a key pair. */
struct enn_wg_index {
	uint32_t value;
	bool used;
	struct enn_wg_peer *peer;
	struct enn_wg_keypair *keypair; /* NULL: the handshake */
	UT_hash_handle hh;
};

struct enn_wg_keypair {
	struct enn_wg_index index; /* ours: where the peer sends to */
	uint32_t remote_index;
	bool initiator;
	bool can_send;
	enn_time born;
	uint64_t send_counter;
	struct enn_aead *seal;
	struct enn_aead *open;
	struct enn_replay replay;
	uint64_t bits[REPLAY_WORDS];
};

struct enn_wg_staged {
	struct enn_wg_staged *next;
	size_t len;
	uint8_t data[];
};

/* What a peer's timers wait for (WP §6.2 to §6.5). */
enum enn_wg_deadline {
	DEADLINE_RETRY,	     /* no response to our initiation */
	DEADLINE_KEEPALIVE,  /* we owe the peer a sign of life */
	DEADLINE_SILENCE,    /* the peer owes us one: make new keys */
	DEADLINE_ZERO_KEYS,  /* nothing new for so long that all keys go */
	DEADLINE_PERSISTENT, /* persistent keepalive */
	DEADLINE_COUNT
};

/* What transmit has to write for a peer. */
enum enn_wg_want {
	WANT_INITIATION = 1u << 0,
	WANT_RESPONSE = 1u << 1,
	WANT_STAGED = 1u << 2,
	WANT_KEEPALIVE = 1u << 3,
};

/* What next_event has to tell about a peer. */
enum enn_wg_news {
	NEWS_KEYS = 1u << 0,
	NEWS_PATH = 1u << 1,
};

struct enn_wg_peer {
	struct enn_prefix_owner allowed; /* first: the table gives it back */
	struct enn_wireguard *device;
	uint64_t id;
	UT_hash_handle hh; /* by public key */
	struct enn_wg_remote remote;
	struct enn_wg_handshake handshake; /* that we have begun */
	struct enn_wg_handshake incoming;  /* that the peer has begun; both may be under way */
	struct enn_wg_index handshake_index;
	uint8_t latest_timestamp[ENN_WG_TIMESTAMP];
	enn_time last_initiation_received; /* ENN_TIME_NEVER: none */
	enn_time last_initiation_sent;	   /* the same */
	/* WP §5.1: next is ours as responder until the peer has used it. */
	struct enn_wg_keypair *current;
	struct enn_wg_keypair *previous;
	/* After handshakes that crossed, the peer may use the one before previous. */
	struct enn_wg_keypair *older;
	struct enn_wg_keypair *next;
	/* The cookie that the peer gave us, and what it must be bound to. */
	uint8_t cookie[ENN_WG_COOKIE];
	enn_time cookie_until; /* 0: none */
	uint8_t last_mac1[ENN_WG_MAC];
	bool mac1_sent;
	struct enn_path path;
	struct enn_timer timer; /* armed at or before the first of: */
	enn_time deadline[DEADLINE_COUNT];
	uint32_t attempts;
	enn_time unanswered_since; /* ENN_TIME_NEVER: the last initiation was answered */
	bool another_keepalive;	   /* data came while a keepalive was due already */
	bool last_minute;	   /* a handshake was begun because the keys are nearly too old */
	uint16_t persistent_keepalive;
	struct enn_wg_staged *staged;
	struct enn_wg_staged **staged_tail;
	uint32_t staged_count;
	uint32_t wants; /* enum enn_wg_want; in the list of writers if not 0 */
	uint32_t news;	/* enum enn_wg_news; in the list of news if not 0 */
	struct enn_wg_peer *next_writer, *prev_writer;
	struct enn_wg_peer *next_news, *prev_news;
	int64_t last_handshake;
	uint64_t sent_bytes;
	uint64_t received_bytes;
	uint64_t generation; /* sessions so far */
	bool fresh;	     /* made by the change that is being checked */
	bool kept;	     /* named by it */
};

/* A packet to seal: head, then data. */
struct enn_wg_plain {
	const uint8_t *head; /* what a message connection puts in front; else empty */
	size_t head_len;
	const uint8_t *data;
	size_t data_len;
};

static inline size_t enn_wg_plain_len(const struct enn_wg_plain *plain)
{
	return plain->head_len + plain->data_len;
}

struct enn_wg_queued {
	struct enn_wg_plain plain;
	void *user;
	struct enn_wg_peer *peer; /* NULL: it went */
};

struct enn_wg_reply {
	struct enn_path path;
	uint8_t message[ENN_WG_COOKIE_REPLY_LEN];
};

/* So many now, and more with time. */
struct enn_wg_tokens {
	uint32_t left;
	enn_time at;
};

/* Ours to give away (WP §5.4.7). */
struct enn_wg_cookies {
	uint8_t secret[ENN_WG_HASH];
	enn_time secret_until; /* 0: none yet */
	enn_time load_until;
	struct enn_wg_tokens messages; /* that may still come before this counts as load */
	struct enn_wg_tokens replies;  /* that may still be given */
	bool always;
	struct enn_rate_limit *rates;
	uint8_t cookie[ENN_WG_COOKIE]; /* for the sender of the message that was judged last */
};

/* The packets of one ingest, worked through by next_event. */
struct enn_wg_input {
	struct enn_packet *packets;
	size_t count;
	size_t next;	    /* first that was not looked at */
	size_t opened_next; /* the opened ones that are to be told: [opened_next, next) */
	struct enn_path path;
	uint64_t peer; /* of the opened ones */
};

struct enn_wireguard {
	struct enn_engine base;
	const struct enn_env *env;
	bool started;
	bool ready_told;
	bool ready;
	bool closed;
	bool closed_told;
	uint16_t mtu;
	struct enn_wg_tools tools;
	struct enn_wg_local local;
	struct enn_wg_peer *by_key;
	struct enn_wg_peer **peers; /* by id */
	size_t peer_count;
	size_t peer_cap;
	uint64_t last_id;
	struct enn_wg_indices own_indices;
	struct enn_wg_indices *indices; /* own, or those of the acceptor */
	struct enn_prefix_table routes;
	struct enn_timers timers;
	struct enn_wg_cookies cookies;
	int64_t last_timestamp; /* no two initiations have the same */
	struct enn_wg_input input;
	struct enn_wg_peer *writers; /* a ring through next_writer, first to be served first */
	struct enn_wg_peer *news;
	struct enn_wg_reply replies[REPLY_RING];
	uint32_t reply_head, reply_tail;
	struct enn_wg_queued queue[SEND_RING];
	uint32_t queue_told, queue_sealed, queue_tail; /* free running */
	uint64_t handshakes_dropped;
	uint64_t packets_dropped;
	struct enn_wg_link *link; /* NULL: an interface */
};

static inline struct enn_wg_peer *enn_wg_peer_of(struct enn_prefix_owner *owner)
{
	return (struct enn_wg_peer *)owner;
}

static inline bool enn_wg_same_address(const struct enn_address *a, const struct enn_address *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* ---- engine.c -------------------------------------------------------------------------------- */

/* An interface without identity and peers. ENN_E_MEMORY, ENN_E_CRYPTO. */
enum enn_status enn_wg_device_new(const struct enn_env *env, struct enn_wg_indices *indices,
				  struct enn_wireguard **out);
void enn_wg_device_free(struct enn_wireguard *d);
void enn_wg_device_next_event(struct enn_wireguard *d, enn_time now, struct enn_event *event);
void enn_wg_device_close(struct enn_wireguard *d);

/* ---- device.c ------------------------------------------------------------------------------- */

extern const struct enn_engine_ops enn_wg_ops; /* engine.c */
void enn_wg_free_peers(struct enn_wireguard *d);

/* Wanting and telling: lists that a peer is in at most once. */
void enn_wg_want(struct enn_wg_peer *p, uint32_t wants);
void enn_wg_unwant(struct enn_wg_peer *p, uint32_t wants);
void enn_wg_tell(struct enn_wg_peer *p, uint32_t news);
void enn_wg_untell(struct enn_wg_peer *p, uint32_t news);

/* ---- keypair.c ------------------------------------------------------------------------------ */

/* Draws an index that nobody has. ENN_E_MEMORY, ENN_E_CRYPTO. */
enum enn_status enn_wg_index_take(struct enn_wireguard *d, struct enn_wg_index *index,
				  struct enn_wg_peer *peer, struct enn_wg_keypair *keypair);
/* The same with a value that is known to be free. */
enum enn_status enn_wg_index_take_value(struct enn_wireguard *d, struct enn_wg_index *index,
					uint32_t value, struct enn_wg_peer *peer,
					struct enn_wg_keypair *keypair);
void enn_wg_index_release(struct enn_wireguard *d, struct enn_wg_index *index);
struct enn_wg_index *enn_wg_indices_find(const struct enn_wg_indices *indices, uint32_t value);
/* The same among those of d. */
struct enn_wg_index *enn_wg_index_find(const struct enn_wireguard *d, uint32_t value);

/* A key pair that is not yet in the peer. value: its index, which is free; NULL: a new one. */
enum enn_status enn_wg_keypair_new(struct enn_wg_peer *p, const uint32_t *value,
				   struct enn_wg_keypair **out);
void enn_wg_keypair_free(struct enn_wg_peer *p, struct enn_wg_keypair *kp);
/* Puts a new one in its place; the initiator may use it at once. */
void enn_wg_keypair_install(struct enn_wg_peer *p, struct enn_wg_keypair *kp);
/* The peer has used it. True: it was next and has become current. */
bool enn_wg_keypair_confirm(struct enn_wg_peer *p, struct enn_wg_keypair *kp);
void enn_wg_keypairs_drop(struct enn_wg_peer *p);
/* The one to send with now; NULL: there is none. */
struct enn_wg_keypair *enn_wg_keypair_usable(const struct enn_wg_peer *p, enn_time now);
/* Ours; not the incoming one. */
void enn_wg_handshake_clear(struct enn_wg_peer *p);

/* ---- timers.c: what happened ----------------------------------------------------------------- */

void enn_wg_timers_init(struct enn_wg_peer *p);
void enn_wg_timers_stop(struct enn_wg_peer *p);
/* An initiation is wanted, but the last one is less than REKEY_TIMEOUT ago. */
void enn_wg_timers_wait_for_retry(struct enn_wg_peer *p);
void enn_wg_timers_initiation_sent(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_handshake_complete(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_session_derived(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_data_sent(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_data_received(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_authenticated_sent(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_authenticated_received(struct enn_wg_peer *p, enn_time now);
void enn_wg_timers_keepalive_changed(struct enn_wg_peer *p, enn_time now);

/* ---- handshake.c ---------------------------------------------------------------------------- */

/* Wants an initiation, unless one was sent within REKEY_TIMEOUT. retry: of the attempt that is under
 * way; else a new attempt begins. */
void enn_wg_begin_handshake(struct enn_wg_peer *p, enn_time now, bool retry);
/* Write a message; 0 bytes: it cannot be made now. */
size_t enn_wg_write_initiation_now(struct enn_wg_peer *p, enn_time now, uint8_t *out);
size_t enn_wg_write_response_now(struct enn_wg_peer *p, enn_time now, uint8_t *out);
void enn_wg_receive_handshake(struct enn_wireguard *d, enn_time now, enum enn_wg_type type,
			      struct enn_bytes message);

/* ---- cookie.c ------------------------------------------------------------------------------- */

enum enn_wg_verdict { VERDICT_DROP, VERDICT_COOKIE, VERDICT_WORK };

enum enn_status enn_wg_cookies_open(struct enn_wireguard *d);
void enn_wg_cookies_close(struct enn_wireguard *d);
bool enn_wg_under_load(const struct enn_wireguard *d, enn_time now);
/* What to do about a message 1 or 2. */
enum enn_wg_verdict enn_wg_judge(struct enn_wireguard *d, enn_time now, struct enn_bytes message);
/* Queues a cookie reply for the message that was just judged. */
void enn_wg_reply_cookie(struct enn_wireguard *d, struct enn_bytes message);
void enn_wg_receive_cookie(struct enn_wireguard *d, enn_time now, struct enn_bytes message);
/* Fills in the last 32 bytes of a message 1 or 2. */
enum enn_status enn_wg_add_macs(struct enn_wg_peer *p, enn_time now, uint8_t *message, size_t len);

/* ---- send.c --------------------------------------------------------------------------------- */

/* Into the queue. ENN_E_AGAIN: it is full. */
enum enn_status enn_wg_queue(struct enn_wireguard *d, struct enn_wg_peer *p,
			     const struct enn_wg_plain *plain, void *user);
enum enn_status enn_wg_send(struct enn_engine *e, enn_time now, const struct enn_message *message);
enum enn_status enn_wg_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch);
void enn_wg_unstage(struct enn_wg_peer *p);
/* Packets of the peer in the queue have nobody to go to any more. */
void enn_wg_forget_queued(struct enn_wg_peer *p);
/* Handshakes that the age of the keys calls for (WP §6.2). */
void enn_wg_keep_fresh_sent(struct enn_wg_peer *p, enn_time now);
void enn_wg_keep_fresh_received(struct enn_wg_peer *p, enn_time now);

/* ---- receive.c ------------------------------------------------------------------------------ */

/* Works on the input until there is a packet to tell. False: there is no more. */
bool enn_wg_next_packet(struct enn_wireguard *d, enn_time now, struct enn_event *event);
/* The first cookie reply that waits. */
void enn_wg_write_reply(struct enn_wireguard *d, struct enn_batch *batch);
/* An authentic message came on the input's path. */
void enn_wg_seen_at(struct enn_wg_peer *p);

#endif
