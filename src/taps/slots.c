/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles with generations.
 */
#include "taps/slots.h"

#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 16

static uint32_t index_of(uint64_t id)
{
	return (uint32_t)id - 1; /* id 0 becomes the largest index, which is never valid */
}

static bool grow(struct enn_slots *s, const struct enn_env *env)
{
	size_t cap = s->cap == 0 ? FIRST_CAP : 2 * s->cap;
	struct enn_slot *more;

	if (cap > UINT32_MAX / 2) {
		return false;
	}
	more = enn_alloc(env, cap * sizeof(*more));
	if (more == NULL) {
		return false;
	}
	if (s->cap > 0) {
		memcpy(more, s->slot, s->cap * sizeof(*more));
		enn_free(env, s->slot, s->cap * sizeof(*more));
	}
	for (size_t i = cap; i-- > s->cap;) {
		more[i].generation = 1;
		more[i].next = s->first_free;
		s->first_free = (uint32_t)(i + 1);
	}
	s->slot = more;
	s->cap = cap;
	return true;
}

uint64_t enn_slots_add(struct enn_slots *s, const struct enn_env *env, void *object)
{
	if (s->first_free == 0 && !grow(s, env)) {
		return 0;
	}
	uint32_t at = s->first_free;
	struct enn_slot *slot = &s->slot[at - 1];
	s->first_free = slot->next;
	slot->object = object;
	s->count++;
	return (uint64_t)slot->generation << 32 | at;
}

static struct enn_slot *find(const struct enn_slots *s, uint64_t id)
{
	uint32_t i = index_of(id);

	if (i >= s->cap || s->slot[i].object == NULL ||
	    s->slot[i].generation != (uint32_t)(id >> 32)) {
		return NULL;
	}
	return &s->slot[i];
}

void *enn_slots_get(const struct enn_slots *s, uint64_t id)
{
	struct enn_slot *slot = find(s, id);

	return slot == NULL ? NULL : slot->object;
}

void enn_slots_remove(struct enn_slots *s, uint64_t id)
{
	struct enn_slot *slot = find(s, id);

	if (slot == NULL) {
		return;
	}
	slot->object = NULL;
	if (++slot->generation == 0) {
		slot->generation = 1;
	}
	slot->next = s->first_free;
	s->first_free = index_of(id) + 1;
	s->count--;
}

void *enn_slots_at(const struct enn_slots *s, size_t index)
{
	return index < s->cap ? s->slot[index].object : NULL;
}

void enn_slots_clear(struct enn_slots *s, const struct enn_env *env)
{
	enn_free(env, s->slot, s->cap * sizeof(*s->slot));
	*s = (struct enn_slots){0};
}
