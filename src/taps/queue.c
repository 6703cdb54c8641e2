/* SPDX-License-Identifier: Apache-2.0
 *
 * The event queue: a ring that grows.
 */
#include "taps/queue.h"

#include "base/mem.h"

#define FIRST_CAP 64

bool enn_queue_promise(struct enn_queue *q, const struct enn_env *env, size_t n)
{
	size_t need = q->len + q->promised + n;
	size_t cap = q->cap == 0 ? FIRST_CAP : q->cap;

	while (cap < need) {
		cap *= 2;
	}
	if (cap != q->cap) {
		struct enn_queued *ring = enn_alloc(env, cap * sizeof(*ring));
		if (ring == NULL) {
			return false;
		}
		for (size_t i = 0; i < q->len; i++) {
			ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
		}
		enn_free(env, q->ring, q->cap * sizeof(*ring));
		q->ring = ring;
		q->cap = cap;
		q->head = 0;
	}
	q->promised += n;
	return true;
}

void enn_queue_forgo(struct enn_queue *q, size_t n)
{
	q->promised -= n;
}

void enn_queue_keep(struct enn_queue *q, const struct enn_queued *event)
{
	q->promised--;
	q->ring[(q->head + q->len) & (q->cap - 1)] = *event;
	q->len++;
}

bool enn_queue_push(struct enn_queue *q, const struct enn_env *env, const struct enn_queued *event)
{
	if (!enn_queue_promise(q, env, 1)) {
		return false;
	}
	enn_queue_keep(q, event);
	return true;
}

bool enn_queue_pop(struct enn_queue *q, struct enn_queued *event)
{
	if (q->len == 0) {
		return false;
	}
	*event = q->ring[q->head];
	q->head = (q->head + 1) & (q->cap - 1);
	q->len--;
	return true;
}

void enn_queue_clear(struct enn_queue *q, const struct enn_env *env)
{
	enn_free(env, q->ring, q->cap * sizeof(*q->ring));
	*q = (struct enn_queue){0};
}
