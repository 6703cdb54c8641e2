/* SPDX-License-Identifier: Apache-2.0
 *
 * Session caching and management (survey SC): the in-memory store and the keys that
 * seal stateless tickets.
 */
#ifndef ENN_FEATURES_SESSION_CACHE_H
#define ENN_FEATURES_SESSION_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "ennead/security.h"

enum enn_store_op { ENN_STORE_TAKE, ENN_STORE_CLAIM };

struct enn_store_reply {
	bool accept;	     /* found; claimed */
	const uint8_t *data; /* what was taken */
	size_t len;
	int64_t since; /* of a claim: since when the store has all of them */
};

struct enn_store_query;
typedef void (*enn_store_done)(void *owner, const struct enn_store_reply *reply);

/* A store that is elsewhere, and takes its time. `done` is called later, once; a store that fails says no. */
struct enn_store_backend {
	/* domain: an object that the caller and the backend share the thread of. NULL: the answer is no, and
	 * `done` is not called. */
	struct enn_store_query *(*ask)(void *backend, const void *domain, enum enn_store_op op,
				       const uint8_t *key, size_t key_len, int64_t expires,
				       enn_store_done done, void *owner);
	void (*cancel)(struct enn_store_query *query); /* `done` is not called any more */
	void (*put)(void *backend, const void *domain, const uint8_t *key, size_t key_len,
		    const uint8_t *value, size_t value_len, int64_t expires);
	void (*release)(void *backend);
};

struct enn_ticket_keys;

/* A store that servers ask through a backend, which it owns, also if this fails; tickets (a reference is
 * taken) are what all parameters with this store seal with. The calls of security.h work on a part of it that
 * is in memory, where a client's sessions are. NULL: out of memory. */
struct enn_session_store *enn_session_store_new_remote(const struct enn_store_backend *backend,
						       void *ctx, struct enn_ticket_keys *tickets,
						       size_t max_entries);
/* NULL: it is in memory. */
const struct enn_store_backend *enn_session_store_backend(const struct enn_session_store *store,
							  void **ctx);
/* NULL: it has none of its own. */
struct enn_ticket_keys *enn_session_store_tickets(const struct enn_session_store *store);

struct enn_session_store *enn_session_store_ref(struct enn_session_store *store);

/* Ticket protection after the recipe of RFC 5077 §4 with an AEAD: key name, nonce, AES-256-GCM. */
struct enn_ticket_keys;
#define ENN_TICKET_OVERHEAD (16u + 12u + 16u)

struct enn_ticket_keys *enn_ticket_keys_new(void);
struct enn_ticket_keys *enn_ticket_keys_ref(struct enn_ticket_keys *keys);
/* An independent copy of all keys. NULL: out of memory. */
struct enn_ticket_keys *enn_ticket_keys_copy(const struct enn_ticket_keys *keys);
void enn_ticket_keys_free(struct enn_ticket_keys *keys);
enum enn_status enn_ticket_keys_set(struct enn_ticket_keys *keys, const uint8_t *key, size_t len,
				    int64_t wall_now);

/* The same for a key of a pool: it seals until `until`; then, if nobody set another, keys of our own are made
 * again. */
enum enn_status enn_ticket_keys_set_until(struct enn_ticket_keys *keys, const uint8_t *key,
					  size_t len, int64_t wall_now, int64_t until);
/* A key that only opens, until `expires`: an earlier or the next one of a pool. Nothing happens if it is known
 * already, or while there is none that seals. */
enum enn_status enn_ticket_keys_add(struct enn_ticket_keys *keys, const uint8_t *key, size_t len,
				    int64_t wall_now, int64_t expires);

/* Seals state into out (len + ENN_TICKET_OVERHEAD bytes). Makes and rotates random keys (from
 * env's random source) as lifetime demands. ENN_E_SPACE, ENN_E_CRYPTO, ENN_E_MEMORY. */
enum enn_status enn_ticket_seal(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, int64_t lifetime, const uint8_t *state,
				size_t len, uint8_t *out, size_t cap, size_t *out_len);
/* Opens into out (at least len bytes of room). ENN_E_NOT_FOUND: not one of ours, or its key is
 * gone. ENN_E_CRYPTO: forged. */
enum enn_status enn_ticket_open(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, const uint8_t *ticket, size_t len, uint8_t *out,
				size_t cap, size_t *out_len);

/* UNIX time of the first use of these keys by this process; INT64_MAX before it. A ticket issued
 * earlier comes from another process that had the same key (RFC 8446 §8.2). */
int64_t enn_ticket_keys_since(const struct enn_ticket_keys *keys);

#endif
