/* SPDX-License-Identifier: Apache-2.0
 *
 * A session store in Redis or Valkey. What is in it, keys being prefix, a letter and the MAC of a name:
 *
 *   s…  a session, sealed with the pool's key; taken once, gone when it expires
 *   c…  a claim: there, until it expires
 *   k…  the ticket key of one period, sealed with the pool's key
 *   e…  since when this run of the server has all claims: a server that forgot begins a new one
 */
#ifndef ENN_RUNTIME_REDIS_STORE_H
#define ENN_RUNTIME_REDIS_STORE_H

#include <hiredis/async.h>

#include "crypto/hash.h"
#include "ennead/taps.h"
#include "features/session_cache.h"
#include "runtime/resolver.h"
#include "runtime/runtime.h"

enum enn_status enn_redis_store_new(struct enn_runtime *rt, const struct enn_redis_options *options,
				    struct enn_session_store **out, struct enn_error *error);
/* The runtime is going: its stores say no from now on. */
void enn_redis_detach_all(struct enn_runtime *rt);

/* ---- redis_url.c ----------------------------------------------------------------------- */

#define ENN_REDIS_PREFIX 64

struct enn_redis_url {
	char host[256]; /* empty: a Unix socket */
	uint16_t port;
	char path[108];
	char user[128];
	char password[256];
	unsigned database;
};
/* False: *what says what is wrong. */
bool enn_redis_parse_url(const char *text, struct enn_redis_url *url, const char **what);

/* ---- the inside, shared by redis_*.c ----------------------------------------------------- */

#define ENN_REDIS_QUERIES 1024u /* under way at a time; who comes then is told no */
#define ENN_REDIS_NAME	  (ENN_REDIS_PREFIX + 1 + 64 + 1)
#define ENN_REDIS_DIGEST  32u

struct enn_redis {
	struct enn_redis *next;	  /* of the same runtime */
	struct enn_runtime *rt;	  /* NULL: gone */
	struct enn_runtime *home; /* the same, until the handles are closed */
	struct enn_redis_url url;
	char prefix[ENN_REDIS_PREFIX + 1];
	struct enn_hmac names;		 /* keyed */
	struct enn_ticket_keys *seal;	 /* out of the pool's key */
	struct enn_ticket_keys *tickets; /* shared with the store */
	enn_time timeout;
	int64_t period; /* of a ticket key, nanoseconds */
	bool released;	/* the store is gone */
	size_t handles;

	/* redis_link.c */
	redisAsyncContext *link; /* NULL: there is none */
	struct enn_lookup *lookup;
	enn_time not_before; /* a failed connection is not tried again earlier */
	unsigned failures;
	char run_id[64];     /* of the server's process; empty: not known yet */
	bool without_getdel; /* before Redis 6.2 */

	/* redis_store.c */
	struct enn_store_query *queries; /* oldest first */
	size_t query_count;
	uv_timer_t patience; /* for the oldest of them */

	/* redis_keys.c */
	uv_timer_t rotation;
	int64_t current; /* the period whose key seals; -1: none yet */
	int64_t ready;	 /* the newest period whose key is there */
};

int64_t enn_redis_wall(const struct enn_redis *r);
/* prefix, kind, and the MAC of kind and name in hexadecimal; the MAC itself in digest. */
void enn_redis_name(const struct enn_redis *r, char kind, const void *name, size_t len,
		    uint8_t digest[ENN_REDIS_DIGEST], char out[ENN_REDIS_NAME]);
/* Seals a value for the place that digest names; free it with enn_free_secret(env, …, *out_len). */
uint8_t *enn_redis_seal(struct enn_redis *r, const uint8_t digest[ENN_REDIS_DIGEST],
			const uint8_t *value, size_t len, size_t *out_len);
/* The value, *len bytes of it, in a buffer of *room bytes; NULL: forged, or from another place. */
uint8_t *enn_redis_open(struct enn_redis *r, const uint8_t digest[ENN_REDIS_DIGEST],
			const uint8_t *sealed, size_t sealed_len, uint8_t **value, size_t *len,
			size_t *room);

/* Begins to count since when this run of the server has all claims, unless that is known already. */
void enn_redis_begin_epoch(struct enn_redis *r);

/* ---- redis_link.c */
/* True: commands may be given to r->link. Connects if it is time to. */
bool enn_redis_linked(struct enn_redis *r);
/* It does not answer: all that waits is told so, and it is connected again later. */
void enn_redis_unlink(struct enn_redis *r, const char *why);

/* ---- redis_keys.c */
/* Sees to the ticket keys: fetches or makes what is due. */
void enn_redis_rotate(struct enn_redis *r);

#endif
