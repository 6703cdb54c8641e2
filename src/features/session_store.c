/* SPDX-License-Identifier: Apache-2.0
 *
 * The in-memory store of sessions and of single-use records (survey SC).
 *
 * Entries are found through a keyed digest of their key: peers choose some of the keys and must
 * not be able to choose where they land, and names of peers need not be kept. A store may be
 * shared between threads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "features/session_store.h"

/* ---- life ------------------------------------------------------------------------------------ */

struct enn_session_store *enn_session_store_new(size_t max_entries)
{
	static const struct enn_env no_env; /* libcrypto's generator */
	struct enn_session_store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		return NULL;
	}
	atomic_init(&store->refs, 1);
	store->max = max_entries;
	store->now = INT64_MIN;
	if (enn_random(&no_env, store->secret, sizeof(store->secret)) != ENN_OK ||
	    pthread_mutex_init(&store->lock, NULL) != 0) {
		enn_wipe(store, sizeof(*store));
		free(store);
		return NULL;
	}
	return store;
}

struct enn_session_store *enn_session_store_new_remote(const struct enn_store_backend *backend,
						       void *ctx, struct enn_ticket_keys *tickets,
						       size_t max_entries)
{
	struct enn_session_store *store = enn_session_store_new(max_entries);

	if (store == NULL) {
		backend->release(ctx);
		return NULL;
	}
	store->backend = backend;
	store->backend_ctx = ctx;
	store->tickets = enn_ticket_keys_ref(tickets);
	return store;
}

const struct enn_store_backend *enn_session_store_backend(const struct enn_session_store *store,
							  void **ctx)
{
	*ctx = store == NULL ? NULL : store->backend_ctx;
	return store == NULL ? NULL : store->backend;
}

struct enn_ticket_keys *enn_session_store_tickets(const struct enn_session_store *store)
{
	return store == NULL ? NULL : store->tickets;
}

struct enn_session_store *enn_session_store_ref(struct enn_session_store *store)
{
	atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
	return store;
}

static void value_free(uint8_t *value, size_t len)
{
	if (value != NULL) {
		enn_wipe(value, len);
		free(value);
	}
}

static void entry_free(struct enn_store_entry *e)
{
	value_free(e->value, e->len);
	enn_wipe(e, sizeof(*e));
	free(e);
}

/* Takes an entry out of everything and frees it. */
static void drop(struct enn_session_store *store, struct enn_store_entry *e)
{
	HASH_DEL(store->table, e);
	enn_expiry_remove(&store->expiries, &e->expiry);
	if (e->kind == ENN_STORE_SESSION) {
		DL_DELETE(store->sessions, e);
	}
	entry_free(e);
}

void enn_session_store_free(struct enn_session_store *store)
{
	struct enn_store_entry *e, *next;

	if (store == NULL ||
	    atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	HASH_ITER(hh, store->table, e, next)
	{
		HASH_DEL(store->table, e); /* NOLINT(clang-analyzer-unix.Malloc): uthash */
		entry_free(e);
	}
	enn_expiry_clear(&store->expiries);
	if (store->backend != NULL) {
		store->backend->release(store->backend_ctx);
	}
	enn_ticket_keys_free(store->tickets);
	(void)pthread_mutex_destroy(&store->lock);
	enn_wipe(store, sizeof(*store));
	free(store);
}

/* ---- finding and making room (all under the lock, but for the digest) ------------------------ */

static void digest_of(const struct enn_session_store *store, enum enn_store_kind kind,
		      const uint8_t *key, size_t len, uint8_t digest[ENN_STORE_DIGEST])
{
	uint8_t tag = (uint8_t)kind;
	struct enn_hmac m;

	enn_hmac_init(&m, enn_hash_alg(ENN_HASH_SHA256), store->secret, sizeof(store->secret));
	enn_hmac_update(&m, &tag, 1);
	enn_hmac_update(&m, key, len);
	enn_hmac_final(&m, digest);
}

static struct enn_store_entry *find(struct enn_session_store *store,
				    const uint8_t digest[ENN_STORE_DIGEST])
{
	struct enn_store_entry *e = NULL;

	HASH_FIND(hh, store->table, digest, ENN_STORE_DIGEST, e);
	return e;
}

static size_t count(const struct enn_session_store *store)
{
	return store->expiries.count;
}

static void drop_expired(struct enn_session_store *store)
{
	struct enn_expiry *first;

	while ((first = enn_expiry_first(&store->expiries)) != NULL && first->at <= store->now) {
		drop(store, (struct enn_store_entry *)first);
	}
}

/* Makes room for one entry. Sessions make way, least recently used first; a claim that has
 * not expired never does, because to forget it is to accept a replay. */
static bool make_room(struct enn_session_store *store)
{
	if (count(store) < store->max) {
		return true;
	}
	drop_expired(store);
	while (count(store) >= store->max && store->sessions != NULL) {
		drop(store, store->sessions);
	}
	return count(store) < store->max;
}

/* Takes over value unless it fails. */
static enum enn_status insert(struct enn_session_store *store, enum enn_store_kind kind,
			      const uint8_t digest[ENN_STORE_DIGEST], uint8_t *value, size_t len,
			      int64_t expires)
{
	struct enn_store_entry *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		return ENN_E_MEMORY;
	}
	e->kind = kind;
	e->expiry.at = expires;
	memcpy(e->digest, digest, ENN_STORE_DIGEST);
	if (!enn_expiry_add(&store->expiries, &e->expiry)) {
		entry_free(e);
		return ENN_E_MEMORY;
	}
	HASH_ADD(hh, store->table, digest, ENN_STORE_DIGEST, e);
	if (e->hh.tbl == NULL) {
		enn_expiry_remove(&store->expiries, &e->expiry);
		entry_free(e);
		return ENN_E_MEMORY;
	}
	e->value = value;
	e->len = len;
	if (kind == ENN_STORE_SESSION) {
		DL_APPEND(store->sessions, e);
	}
	return ENN_OK;
}

/* In place, so that it cannot fail half way. */
static void replace(struct enn_session_store *store, struct enn_store_entry *e, uint8_t *value,
		    size_t len, int64_t expires)
{
	value_free(e->value, e->len);
	e->value = value;
	e->len = len;
	enn_expiry_move(&store->expiries, &e->expiry, expires);
	DL_DELETE(store->sessions, e);
	DL_APPEND(store->sessions, e);
}

/* ---- the calls ------------------------------------------------------------------------------- */

enum enn_status enn_session_store_put_digest(struct enn_session_store *store,
					     const uint8_t digest[ENN_STORE_DIGEST], uint8_t *value,
					     size_t len, int64_t expires)
{
	struct enn_store_entry *old = find(store, digest);

	if (old != NULL) {
		replace(store, old, value, len, expires);
		return ENN_OK;
	}
	if (!make_room(store)) {
		return ENN_E_LIMIT;
	}
	return insert(store, ENN_STORE_SESSION, digest, value, len, expires);
}

enum enn_status enn_session_store_put(struct enn_session_store *store, const uint8_t *key,
				      size_t key_len, const uint8_t *value, size_t value_len,
				      int64_t expires)
{
	uint8_t digest[ENN_STORE_DIGEST];

	if (store == NULL || key == NULL || key_len == 0 || value == NULL || value_len == 0 ||
	    value_len > ENN_STORE_MAX_VALUE) {
		return ENN_E_ARGUMENT;
	}
	uint8_t *copy = malloc(value_len);
	if (copy == NULL) {
		return ENN_E_MEMORY;
	}
	memcpy(copy, value, value_len);
	digest_of(store, ENN_STORE_SESSION, key, key_len, digest);
	(void)pthread_mutex_lock(&store->lock);
	enum enn_status status =
		enn_session_store_put_digest(store, digest, copy, value_len, expires);
	(void)pthread_mutex_unlock(&store->lock);
	if (status != ENN_OK) {
		value_free(copy, value_len);
	}
	return status;
}

static enum enn_status take(struct enn_session_store *store, const uint8_t digest[ENN_STORE_DIGEST],
			    uint8_t *value, size_t *value_len)
{
	struct enn_store_entry *e = find(store, digest);

	if (e == NULL) {
		return ENN_E_NOT_FOUND;
	}
	if (e->expiry.at <= store->now) {
		drop(store, e);
		return ENN_E_NOT_FOUND;
	}
	if (*value_len < e->len) {
		*value_len = e->len;
		return ENN_E_SPACE;
	}
	if (e->len > 0) {
		memcpy(value, e->value, e->len);
	}
	*value_len = e->len;
	drop(store, e);
	return ENN_OK;
}

enum enn_status enn_session_store_take(struct enn_session_store *store, const uint8_t *key,
				       size_t key_len, int64_t wall_now, uint8_t *value,
				       size_t *value_len)
{
	uint8_t digest[ENN_STORE_DIGEST];

	if (store == NULL || key == NULL || key_len == 0 || value_len == NULL ||
	    (value == NULL && *value_len > 0)) {
		return ENN_E_ARGUMENT;
	}
	digest_of(store, ENN_STORE_SESSION, key, key_len, digest);
	(void)pthread_mutex_lock(&store->lock);
	store->now = wall_now;
	enum enn_status status = take(store, digest, value, value_len);
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

static enum enn_status claim(struct enn_session_store *store,
			     const uint8_t digest[ENN_STORE_DIGEST], int64_t expires)
{
	struct enn_store_entry *e = find(store, digest);

	if (e != NULL && e->expiry.at > store->now) {
		return ENN_E_STATE;
	}
	if (e != NULL) {
		drop(store, e);
	}
	if (!make_room(store)) {
		return ENN_E_LIMIT;
	}
	return insert(store, ENN_STORE_CLAIM_KIND, digest, NULL, 0, expires);
}

enum enn_status enn_session_store_claim(struct enn_session_store *store, const uint8_t *key,
					size_t key_len, int64_t wall_now, int64_t expires)
{
	uint8_t digest[ENN_STORE_DIGEST];

	if (store == NULL || key == NULL || key_len == 0 || expires <= wall_now) {
		return ENN_E_ARGUMENT;
	}
	digest_of(store, ENN_STORE_CLAIM_KIND, key, key_len, digest);
	(void)pthread_mutex_lock(&store->lock);
	store->now = wall_now;
	enum enn_status status = claim(store, digest, expires);
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

size_t enn_session_store_count(const struct enn_session_store *store)
{
	if (store == NULL) {
		return 0;
	}
	/* The lock is not part of what const promises. */
	(void)pthread_mutex_lock((pthread_mutex_t *)&store->lock);
	size_t n = count(store);
	(void)pthread_mutex_unlock((pthread_mutex_t *)&store->lock);
	return n;
}
