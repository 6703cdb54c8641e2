/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets by source address. A bucket is what is left of it at the time
 * it was last used; one that would be full again needs no memory.
 */
#include "features/rate_limit.h"

#include <sodium.h>
#include <string.h>

#include "base/compiler.h"

#define KEY_LEN 9 /* the family, and 4 or 8 bytes */

struct bucket;
struct enn_rate_limit;

/* SipHash under the limiter's own key; `r` is in scope wherever the table is used. */
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, len, hash)                                                              \
	do {                                                                                       \
		uint8_t digest_[crypto_shorthash_BYTES];                                           \
		(void)crypto_shorthash(digest_, (const uint8_t *)(key), (len), r->seed);           \
		memcpy(&(hash), digest_, sizeof(hash));                                            \
	} while (0)
#define uthash_malloc(sz)     enn_alloc(r->env, sz)
#define uthash_free(ptr, sz)  enn_free(r->env, ptr, sz)
#define uthash_bzero(ptr, sz) memset(ptr, 0, sz)
#include <uthash.h>

struct bucket {
	uint8_t key[KEY_LEN];
	enn_time full_at; /* when its tokens will all be back */
	UT_hash_handle hh;
};

struct enn_rate_limit {
	const struct enn_env *env;
	struct enn_rate_policy policy;
	uint8_t seed[crypto_shorthash_KEYBYTES];
	struct bucket *table; /* in order of last use, oldest first */
	size_t count;
};

struct enn_rate_limit *enn_rate_limit_new(const struct enn_env *env,
					  const struct enn_rate_policy *policy,
					  const uint8_t seed[16])
{
	struct enn_rate_limit *r = enn_alloc(env, sizeof(*r));

	if (r != NULL) {
		r->env = env;
		r->policy = *policy;
		memcpy(r->seed, seed, sizeof(r->seed));
	}
	return r;
}

static void drop(struct enn_rate_limit *r, struct bucket *b)
{
	HASH_DEL(r->table, b);
	enn_free(r->env, b, sizeof(*b));
	r->count--;
}

void enn_rate_limit_free(struct enn_rate_limit *r)
{
	struct bucket *b;
	struct bucket *next;

	if (r == NULL) {
		return;
	}
	HASH_ITER(hh, r->table, b, next)
	{
		drop(r, b);
	}
	enn_free_secret(r->env, r, sizeof(*r));
}

/* An IPv6 network of 64 bits is one customer (RFC 6177). */
static void key_of(const struct enn_address *address, uint8_t key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	key[0] = address->family;
	memcpy(key + 1, address->ip, address->family == ENN_FAMILY_IPV4 ? 4 : 8);
}

static struct bucket *add(struct enn_rate_limit *r, enn_time now, const uint8_t key[KEY_LEN])
{
	/* The oldest two that are full again make room, so the table shrinks when it is quiet. */
	for (int i = 0; i < 2 && r->table != NULL && r->table->full_at <= now; i++) {
		drop(r, r->table);
	}
	if (r->count >= r->policy.places) {
		return NULL;
	}
	struct bucket *b = enn_alloc(r->env, sizeof(*b));
	if (b == NULL) {
		return NULL;
	}
	memcpy(b->key, key, KEY_LEN);
	HASH_ADD(hh, r->table, key, KEY_LEN, b);
	if (b->hh.tbl == NULL) {
		enn_free(r->env, b, sizeof(*b));
		return NULL;
	}
	r->count++;
	return b;
}

/* Moves it to the end: the table stays in order of last use. */
static void touch(struct enn_rate_limit *r, struct bucket *b)
{
	if (b->hh.next == NULL) {
		return; /* there already; and uthash would free the table with its only bucket */
	}
	HASH_DEL(r->table, b);
	HASH_ADD(hh, r->table, key, KEY_LEN, b);
	if (b->hh.tbl == NULL) {
		enn_free(r->env, b, sizeof(*b));
		r->count--;
	}
}

bool enn_rate_limit_take(struct enn_rate_limit *r, enn_time now, const struct enn_address *address)
{
	uint8_t key[KEY_LEN];
	struct bucket *b = NULL;

	if (r->policy.per_second == 0) {
		return false;
	}
	const enn_time token = ENN_SECOND / r->policy.per_second;
	key_of(address, key);
	HASH_FIND(hh, r->table, key, KEY_LEN, b);
	if (b == NULL) {
		b = add(r, now, key);
		if (b == NULL) {
			return false;
		}
		b->full_at = now + token;
		return true;
	}
	enn_time full_at = b->full_at > now ? b->full_at : now;
	if (full_at + token > now + token * r->policy.burst) {
		return false;
	}
	b->full_at = full_at + token;
	touch(r, b);
	return true;
}
