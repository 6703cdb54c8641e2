/* SPDX-License-Identifier: Apache-2.0
 *
 * A block is   u64 size | u64 magic | bytes … | u64 magic
 */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC UINT64_C(0x5ca1ab1edeadc0de)

struct head {
	uint64_t size;
	uint64_t magic;
};

static void *heap_alloc(void *ctx, size_t size)
{
	struct sim_heap *heap = ctx;
	uint64_t tail = MAGIC;

	heap->allocations++;
	if (heap->fail_at != 0 && (heap->allocations == heap->fail_at ||
				   (heap->fail_for_good && heap->allocations > heap->fail_at))) {
		heap->failed = true;
		return NULL;
	}
	struct head *head = malloc(sizeof(*head) + size + sizeof(tail));
	if (head == NULL) {
		abort();
	}
	*head = (struct head){size, MAGIC};
	uint8_t *bytes = (uint8_t *)(head + 1);
	memset(bytes, 0xa5, size);
	memcpy(bytes + size, &tail, sizeof(tail));
	heap->live += size;
	heap->blocks++;
	heap->peak = heap->live > heap->peak ? heap->live : heap->peak;
	return bytes;
}

static void heap_free(void *ctx, void *ptr, size_t size)
{
	struct sim_heap *heap = ctx;
	struct head *head = (struct head *)ptr - 1;
	uint64_t tail;

	if (head->magic != MAGIC) {
		heap->wrong = "a pointer that is no block's was freed";
		return;
	}
	memcpy(&tail, (uint8_t *)ptr + head->size, sizeof(tail));
	if (head->size != size) {
		heap->wrong = "a block was freed with another size than it was allocated with";
	} else if (tail != MAGIC) {
		heap->wrong = "something was written behind a block's end";
	}
	if (heap->scan != NULL && heap->leaked == NULL) {
		heap->leaked = sim_scan_find(heap->scan, ptr, head->size);
	}
	heap->live -= head->size;
	heap->blocks--;
	head->magic = 0;
	memset(ptr, 0xdd, head->size);
	free(head);
}

void sim_heap_attach(struct sim_heap *heap, struct enn_env *env)
{
	env->alloc = heap_alloc;
	env->free = heap_free;
	env->alloc_ctx = heap;
}
