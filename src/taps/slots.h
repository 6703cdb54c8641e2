/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles: a table of objects whose ids carry a generation, so that an id whose
 * object is gone is recognised for what it is.
 */
#ifndef ENN_TAPS_SLOTS_H
#define ENN_TAPS_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "ennead/env.h"

struct enn_slot {
	void *object; /* NULL: free */
	uint32_t generation;
	uint32_t next; /* of the free list, index + 1 */
};

/* Zeroed is empty. An id is generation << 32 | (index + 1), and never 0. */
struct enn_slots {
	struct enn_slot *slot;
	size_t cap;
	size_t count;
	uint32_t first_free; /* index + 1 */
};

/* 0: out of memory. */
uint64_t enn_slots_add(struct enn_slots *slots, const struct enn_env *env, void *object);
/* NULL: there is no such object (any more). */
void *enn_slots_get(const struct enn_slots *slots, uint64_t id);
void enn_slots_remove(struct enn_slots *slots, uint64_t id);
/* The object at an index below cap, or NULL: for walking all of them. */
void *enn_slots_at(const struct enn_slots *slots, size_t index);
void enn_slots_clear(struct enn_slots *slots, const struct enn_env *env);

#endif
