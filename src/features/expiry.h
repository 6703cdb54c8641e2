/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap of things by the time they expire. What is put in embeds a
 * struct enn_expiry; the heap keeps the place in it, so removal needs no search.
 */
#ifndef ENN_FEATURES_EXPIRY_H
#define ENN_FEATURES_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enn_expiry {
	int64_t at;
	size_t place;
};

/* Zeroed is an empty heap. */
struct enn_expiry_heap {
	struct enn_expiry **slot;
	size_t count;
	size_t cap;
};

/* False: out of memory. */
bool enn_expiry_add(struct enn_expiry_heap *heap, struct enn_expiry *entry);
void enn_expiry_remove(struct enn_expiry_heap *heap, struct enn_expiry *entry);
void enn_expiry_move(struct enn_expiry_heap *heap, struct enn_expiry *entry, int64_t at);
/* The entry that expires first, or NULL. */
struct enn_expiry *enn_expiry_first(const struct enn_expiry_heap *heap);
void enn_expiry_clear(struct enn_expiry_heap *heap);

#endif
