/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap of things by the time they expire.
 */
#include "features/expiry.h"

#include <stdlib.h>

static void put(struct enn_expiry_heap *heap, size_t place, struct enn_expiry *entry)
{
	heap->slot[place] = entry;
	entry->place = place;
}

static void sift_up(struct enn_expiry_heap *heap, size_t place)
{
	struct enn_expiry *entry = heap->slot[place];

	while (place > 0) {
		size_t parent = (place - 1) / 2;
		if (heap->slot[parent]->at <= entry->at) {
			break;
		}
		put(heap, place, heap->slot[parent]);
		place = parent;
	}
	put(heap, place, entry);
}

static void sift_down(struct enn_expiry_heap *heap, size_t place)
{
	struct enn_expiry *entry = heap->slot[place];

	for (;;) {
		size_t child = 2 * place + 1;
		if (child >= heap->count) {
			break;
		}
		if (child + 1 < heap->count && heap->slot[child + 1]->at < heap->slot[child]->at) {
			child++;
		}
		if (entry->at <= heap->slot[child]->at) {
			break;
		}
		put(heap, place, heap->slot[child]);
		place = child;
	}
	put(heap, place, entry);
}

bool enn_expiry_add(struct enn_expiry_heap *heap, struct enn_expiry *entry)
{
	if (heap->count == heap->cap) {
		size_t cap = heap->cap == 0 ? 16 : heap->cap * 2;
		struct enn_expiry **slot = realloc(heap->slot, cap * sizeof(struct enn_expiry *));
		if (slot == NULL) {
			return false;
		}
		heap->slot = slot;
		heap->cap = cap;
	}
	put(heap, heap->count++, entry);
	sift_up(heap, entry->place);
	return true;
}

void enn_expiry_remove(struct enn_expiry_heap *heap, struct enn_expiry *entry)
{
	size_t place = entry->place;
	struct enn_expiry *last = heap->slot[--heap->count];

	if (last == entry) {
		return;
	}
	put(heap, place, last);
	sift_up(heap, place);
	sift_down(heap, last->place);
}

void enn_expiry_move(struct enn_expiry_heap *heap, struct enn_expiry *entry, int64_t at)
{
	entry->at = at;
	sift_up(heap, entry->place);
	sift_down(heap, entry->place);
}

struct enn_expiry *enn_expiry_first(const struct enn_expiry_heap *heap)
{
	return heap->count > 0 ? heap->slot[0] : NULL;
}

void enn_expiry_clear(struct enn_expiry_heap *heap)
{
	free(heap->slot);
	*heap = (struct enn_expiry_heap){NULL, 0, 0};
}
