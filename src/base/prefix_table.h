/* SPDX-License-Identifier: Apache-2.0
 *
 * Longest-prefix match over IPv4 and IPv6: which value is responsible for an address.
 *
 * A binary trie with path compression: at most 32 or 128 steps a look-up, two
 * nodes at most for each prefix.
 */
#ifndef ENN_BASE_PREFIX_TABLE_H
#define ENN_BASE_PREFIX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct enn_prefix_node;

/* Who a prefix belongs to: embedded in the caller's object, zeroed to begin with. It links the
 * prefixes it owns, so it must not move while it has any. */
struct enn_prefix_owner {
	struct enn_prefix_node *first;
	size_t count;
};

/* Zeroed with env set is an empty table. */
struct enn_prefix_table {
	const struct enn_env *env;
	struct enn_prefix_node *root4;
	struct enn_prefix_node *root6;
	struct enn_prefix_node *spare; /* nodes put aside by enn_prefix_reserve */
	size_t spare_count;
	size_t count; /* prefixes */
};

struct enn_prefix {
	uint8_t ip[16]; /* host bits zero */
	uint8_t family; /* 4 or 6 */
	uint8_t bits;
};

/* Puts nodes aside, so that the next `prefixes` insertions cannot fail. ENN_E_MEMORY. */
enum enn_status enn_prefix_reserve(struct enn_prefix_table *t, size_t prefixes);
/* The prefix belongs to `owner` from now on, whoever had it; returns who had it, or NULL. There
 * must be spare nodes. Host bits are ignored. family is 4 or 6, bits fits it. */
struct enn_prefix_owner *enn_prefix_insert(struct enn_prefix_table *t,
					   const struct enn_prefix *prefix,
					   struct enn_prefix_owner *owner);
/* Takes the exact prefix away if it belongs to owner. True if it did. */
bool enn_prefix_remove(struct enn_prefix_table *t, const struct enn_prefix *prefix,
		       struct enn_prefix_owner *owner);
/* Takes all prefixes of owner away; time goes with their number, not with the table's. */
void enn_prefix_remove_all(struct enn_prefix_table *t, struct enn_prefix_owner *owner);
/* The owner of the longest prefix that covers the address; NULL: none. ip is 4 or 16 bytes. */
struct enn_prefix_owner *enn_prefix_lookup4(const struct enn_prefix_table *t, const uint8_t *ip);
struct enn_prefix_owner *enn_prefix_lookup6(const struct enn_prefix_table *t, const uint8_t *ip);
/* The prefixes of owner one by one, in the order in which they were inserted: *at is NULL to begin
 * with. False: no more. */
bool enn_prefix_walk(const struct enn_prefix_owner *owner, const struct enn_prefix_node **at,
		     struct enn_prefix *out);
/* Up to cap of the prefixes of owner, in the order in which they were inserted; returns how many it
 * has. */
size_t enn_prefix_list(const struct enn_prefix_owner *owner, struct enn_prefix *out, size_t cap);
/* Frees everything but the struct. */
void enn_prefix_clear(struct enn_prefix_table *t);

#endif
