/* SPDX-License-Identifier: Apache-2.0
 *
 * A growable byte queue: appended at the tail, consumed from the head. Wiped
 * when it is freed or outgrown, because most of what it holds is secret.
 */
#ifndef ENN_BASE_BUFFER_H
#define ENN_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Zeroed is an empty buffer. `env` is passed to the calls, so the struct stays small. */
struct enn_buffer {
	uint8_t *mem;
	size_t cap;
	size_t head; /* first unread byte */
	size_t tail; /* one past the last */
};

static inline size_t enn_buffer_len(const struct enn_buffer *b)
{
	return b->tail - b->head;
}
static inline const uint8_t *enn_buffer_data(const struct enn_buffer *b)
{
	return b->mem == NULL ? NULL : b->mem + b->head;
}
static inline uint8_t *enn_buffer_tail(struct enn_buffer *b)
{
	return b->mem + b->tail;
}

/* Makes room for n bytes at the tail; the caller writes at enn_buffer_tail and commits with
 * enn_buffer_added. ENN_E_MEMORY leaves the buffer as it was. */
enum enn_status enn_buffer_reserve(struct enn_buffer *b, const struct enn_env *env, size_t n);
void enn_buffer_added(struct enn_buffer *b, size_t n);
enum enn_status enn_buffer_append(struct enn_buffer *b, const struct enn_env *env, const void *data,
				  size_t n);
void enn_buffer_consume(struct enn_buffer *b, size_t n);
/* Wipes and frees the memory; the buffer is empty and usable. */
void enn_buffer_clear(struct enn_buffer *b, const struct enn_env *env);

#endif
