/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside the in-memory store of sessions, for the files that make it up.
 */
#ifndef ENN_FEATURES_SESSION_STORE_H
#define ENN_FEATURES_SESSION_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "features/expiry.h"
#include "features/session_cache.h"

/* A table that cannot grow for want of memory is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
/* The keys are digests already: any four bytes are a good hash. */
#define HASH_FUNCTION(key, len, hash) ((void)(len), memcpy(&(hash), (key), sizeof(hash)))
#include <uthash.h>
#include <utlist.h>

#define ENN_STORE_DIGEST 32u
/* A session with a client certificate in it is a few KiB; this only bounds what one entry may
 * take. */
#define ENN_STORE_MAX_VALUE (1u << 20)

enum enn_store_kind { ENN_STORE_SESSION = 1, ENN_STORE_CLAIM_KIND = 2 };

struct enn_store_entry {
	struct enn_expiry expiry; /* first: the heap's pointer is the entry's */
	uint8_t digest[ENN_STORE_DIGEST];
	enum enn_store_kind kind;
	struct enn_store_entry *prev, *next; /* sessions: least recently used first */
	UT_hash_handle hh;
	uint8_t *value; /* NULL for a claim */
	size_t len;
};

struct enn_session_store {
	atomic_uint refs;
	pthread_mutex_t lock;
	uint8_t secret[ENN_STORE_DIGEST];
	size_t max;
	struct enn_store_entry *table;
	struct enn_store_entry *sessions;
	struct enn_expiry_heap expiries;
	int64_t now; /* the last time that a caller told; put has none of its own */
	const struct enn_store_backend *backend; /* NULL: this is all there is */
	void *backend_ctx;
	struct enn_ticket_keys *tickets;
};

/* Puts a session under the digest of its key, with the lock held. Takes over value unless it fails. */
enum enn_status enn_session_store_put_digest(struct enn_session_store *store,
					     const uint8_t digest[ENN_STORE_DIGEST], uint8_t *value,
					     size_t len, int64_t expires);

#endif
