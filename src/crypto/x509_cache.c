/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains that were validated, by the digest of all that the verdict depends on. Bounded; the least
 * recently used goes first. Only successes are remembered, and each only as long as every
 * certificate of its path, and every CRL, is valid.
 */
#define HASH_NONFATAL_OOM 1

#include <stdlib.h>
#include <uthash.h>

#include "crypto/hash.h"
#include "crypto/x509_internal.h"

#define CACHE_MAX 256

struct entry {
	uint8_t digest[ENN_X509_DIGEST];
	struct enn_chain_facts facts;
	UT_hash_handle hh;
};

struct enn_chain_cache {
	struct entry *entries; /* in order of use: the oldest first */
};

static void add_length(struct enn_hash *h, uint64_t len)
{
	uint8_t bytes[8];
	struct enn_writer w = enn_writer_of(bytes, sizeof(bytes));
	enn_write_u64(&w, len);
	enn_hash_update(h, bytes, sizeof(bytes));
}

/* Every part with its length in front, so that no two inputs read the same. */
void enn_chain_cache_digest(const struct enn_peer_chain *chain,
			    const struct enn_verify_policy *policy, uint8_t digest[ENN_X509_DIGEST])
{
	struct enn_hash h;
	uint8_t flags[5] = {policy->peer_is_server, policy->check_revocation, policy->name != NULL,
			    policy->status_asked, policy->status_required};
	size_t name_len = policy->name == NULL ? 0 : strlen(policy->name);

	enn_hash_init(&h, enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_update(&h, flags, sizeof(flags));
	add_length(&h, name_len);
	enn_hash_update(&h, policy->name, name_len);
	add_length(&h, policy->cert_signatures_len);
	enn_hash_update(&h, policy->cert_signatures,
			policy->cert_signatures_len * sizeof(policy->cert_signatures[0]));
	add_length(&h, policy->pins_len);
	enn_hash_update(&h, policy->pins, policy->pins_len * sizeof(policy->pins[0]));
	add_length(&h, policy->status.len);
	enn_hash_update(&h, policy->status.data, policy->status.len);
	add_length(&h, chain->count);
	for (size_t i = 0; i < chain->count; i++) {
		add_length(&h, chain->der[i].len);
		enn_hash_update(&h, chain->der[i].data, chain->der[i].len);
	}
	enn_hash_final(&h, digest);
}

struct enn_chain_cache *enn_chain_cache_new(void)
{
	return calloc(1, sizeof(struct enn_chain_cache));
}

static void drop(struct enn_chain_cache *cache, struct entry *e)
{
	HASH_DEL(cache->entries, e);
	enn_public_key_free(e->facts.key);
	free(e);
}

void enn_chain_cache_clear(struct enn_chain_cache *cache)
{
	struct entry *e;
	struct entry *next;

	if (cache != NULL) {
		HASH_ITER(hh, cache->entries, e, next)
		{
			drop(cache, e);
		}
	}
}

void enn_chain_cache_free(struct enn_chain_cache *cache)
{
	enn_chain_cache_clear(cache);
	free(cache);
}

size_t enn_chain_cache_count(const struct enn_chain_cache *cache)
{
	return cache == NULL ? 0 : HASH_COUNT(cache->entries);
}

/* Appends, so that it is the newest. Without memory it is gone. */
static void append(struct enn_chain_cache *cache, struct entry *e)
{
	e->hh.tbl = NULL;
	HASH_ADD(hh, cache->entries, digest, ENN_X509_DIGEST, e);
	if (e->hh.tbl == NULL) {
		enn_public_key_free(e->facts.key);
		free(e);
	}
}

const struct enn_chain_facts *enn_chain_cache_find(struct enn_chain_cache *cache,
						   const uint8_t digest[ENN_X509_DIGEST],
						   int64_t now)
{
	struct entry *e = NULL;

	HASH_FIND(hh, cache->entries, digest, ENN_X509_DIGEST, e);
	if (e == NULL) {
		return NULL;
	}
	if (now < e->facts.valid_from || now >= e->facts.valid_until) {
		drop(cache, e);
		return NULL;
	}
	/* Already the newest: the usual case of a client with one server. */
	if (e->hh.next != NULL) {
		HASH_DEL(cache->entries, e);
		append(cache, e);
		HASH_FIND(hh, cache->entries, digest, ENN_X509_DIGEST, e);
	}
	return e == NULL ? NULL : &e->facts;
}

void enn_chain_cache_add(struct enn_chain_cache *cache, const uint8_t digest[ENN_X509_DIGEST],
			 const struct enn_chain_facts *facts)
{
	struct entry *e = NULL;

	HASH_FIND(hh, cache->entries, digest, ENN_X509_DIGEST, e);
	if (e != NULL) {
		drop(cache, e);
	}
	if (HASH_COUNT(cache->entries) >= CACHE_MAX) {
		drop(cache, cache->entries);
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL) {
		return;
	}
	memcpy(e->digest, digest, ENN_X509_DIGEST);
	e->facts = *facts;
	e->facts.key = enn_public_key_ref(facts->key);
	append(cache, e);
}
