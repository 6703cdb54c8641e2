/* SPDX-License-Identifier: Apache-2.0
 *
 * The growable byte queue.
 */
#include "base/buffer.h"

#define BUFFER_MIN 256

/* Bytes that were consumed stay readable in memory until the block is wiped; moving the rest down
 * must not leave a second copy of it behind. */
static void move_down(struct enn_buffer *b)
{
	size_t len = enn_buffer_len(b);
	memmove(b->mem, b->mem + b->head, len);
	enn_wipe(b->mem + len, b->tail - len);
	b->head = 0;
	b->tail = len;
}

enum enn_status enn_buffer_reserve(struct enn_buffer *b, const struct enn_env *env, size_t n)
{
	size_t len = enn_buffer_len(b);

	if (b->cap - b->tail >= n) {
		return ENN_OK;
	}
	/* Moving costs len and wins head bytes: linear over all only while head >= len. */
	if (b->head >= len && b->cap - len >= n) {
		move_down(b);
		return ENN_OK;
	}
	if (n > SIZE_MAX / 4 || len > SIZE_MAX / 4) {
		return ENN_E_MEMORY;
	}
	/* Twice what is needed, so that by the time the tail is at the end again a backlog of the same
	 * length can be moved. An empty queue gets just what it asks for. */
	size_t cap = len == 0 ? n : 2 * (len + n);
	if (cap < BUFFER_MIN) {
		cap = BUFFER_MIN;
	}
	uint8_t *mem = enn_alloc(env, cap);
	if (mem == NULL) {
		return ENN_E_MEMORY;
	}
	if (len > 0) {
		memcpy(mem, b->mem + b->head, len);
	}
	enn_free_secret(env, b->mem, b->cap);
	*b = (struct enn_buffer){.mem = mem, .cap = cap, .head = 0, .tail = len};
	return ENN_OK;
}

void enn_buffer_added(struct enn_buffer *b, size_t n)
{
	b->tail += n <= b->cap - b->tail ? n : b->cap - b->tail;
}

enum enn_status enn_buffer_append(struct enn_buffer *b, const struct enn_env *env, const void *data,
				  size_t n)
{
	if (n == 0) {
		return ENN_OK;
	}
	ENN_TRY(enn_buffer_reserve(b, env, n));
	memcpy(enn_buffer_tail(b), data, n);
	b->tail += n;
	return ENN_OK;
}

void enn_buffer_consume(struct enn_buffer *b, size_t n)
{
	b->head += n <= enn_buffer_len(b) ? n : enn_buffer_len(b);
	if (b->head == b->tail) {
		b->head = 0;
		b->tail = 0;
	}
}

void enn_buffer_clear(struct enn_buffer *b, const struct enn_env *env)
{
	enn_free_secret(env, b->mem, b->cap);
	*b = (struct enn_buffer){.mem = NULL};
}
