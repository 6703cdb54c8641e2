/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated byte stream.
 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#define BYTEWISE_UNTIL 3000 /* SIM_SEGMENTS_BYTES: more would only cost time */

struct sim_mark {
	uint64_t end; /* index into the bytes ever queued */
	enn_time due;
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
	static const char *const names[SIM_FAULT_COUNT] = {"none",   "fin",	  "reset", "flip",
							   "insert", "duplicate", "remove"};
	return names[kind];
}

void sim_pipe_init(struct sim_pipe *p, const struct sim_pipe_shape *shape,
		   const struct sim_fault *fault, uint64_t seed, uint64_t stream)
{
	memset(p, 0, sizeof(*p));
	p->shape = *shape;
	p->fault = *fault;
	p->fin_due = ENN_TIME_NEVER;
	sim_rng_seed(&p->rng, seed, stream);
}

void sim_pipe_free(struct sim_pipe *p)
{
	free(p->bytes);
	free(p->mark);
}

static void *grown(void *mem, size_t size)
{
	void *p = realloc(mem, size);
	if (p == NULL) {
		abort();
	}
	return p;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void enqueue(struct sim_pipe *p, const uint8_t *data, size_t len)
{
	if (len == 0) {
		return;
	}
	if (p->head > 0 && p->head == p->tail) {
		p->head = p->tail = 0;
	}
	if (p->cap - p->tail < len) {
		if (p->head > 0) {
			memmove(p->bytes, p->bytes + p->head, p->tail - p->head);
			p->tail -= p->head;
			p->head = 0;
		}
		if (p->cap - p->tail < len) {
			p->cap = 2 * (p->tail + len);
			p->bytes = grown(p->bytes, p->cap);
		}
	}
	memcpy(p->bytes + p->tail, data, len);
	p->tail += len;
}

static void enqueue_noise(struct sim_pipe *p, size_t len)
{
	uint8_t noise[64];

	for (; len > 0; len -= len < sizeof(noise) ? len : sizeof(noise)) {
		sim_rng_fill(&p->rng, noise, sizeof(noise));
		/* half of the noise looks like the beginning of a record */
		if (sim_rng_chance(&p->rng, 50)) {
			memcpy(noise, (uint8_t[]){0x17, 3, 3, 0, 40}, 5);
			noise[0] = (uint8_t)sim_rng_range(&p->rng, 20, 24);
		}
		enqueue(p, noise, len < sizeof(noise) ? len : sizeof(noise));
	}
}

/* What to do with the bytes at and after the fault's place. data begins at the fault's offset. */
static void apply_fault(struct sim_pipe *p, const uint8_t *data, size_t len)
{
	uint8_t byte;
	size_t have = p->tail - p->head;
	size_t n;

	p->fault_hit = true;
	switch (p->fault.kind) {
	case SIM_FAULT_FLIP:
		byte = (uint8_t)(data[0] ^ p->fault.mask);
		enqueue(p, &byte, 1);
		data++;
		len--;
		break;
	case SIM_FAULT_INSERT:
		enqueue_noise(p, p->fault.len);
		break;
	case SIM_FAULT_DUPLICATE:
		n = p->fault.len < have ? p->fault.len : have;
		if (n > 0) {
			uint8_t *copy = grown(NULL, n);
			memcpy(copy, p->bytes + p->tail - n, n);
			enqueue(p, copy, n);
			free(copy);
		} else {
			p->fault_hit = false; /* nothing is left of it to be sent twice */
		}
		break;
	case SIM_FAULT_FIN:
		p->cut = true;
		return;
	case SIM_FAULT_RESET:
		p->reset = true;
		return;
	default:
		break;
	}
	enqueue(p, data, len);
}

/* Queues bytes of the sender's stream, which begin at offset p->written. */
static void queue_stream(struct sim_pipe *p, const uint8_t *data, size_t len)
{
	uint64_t at = p->fault.offset;

	if (p->cut || p->reset) {
		return;
	}
	if (p->fault.kind == SIM_FAULT_NONE || at >= p->written + len) {
		enqueue(p, data, len);
		return;
	}
	if (p->fault.kind == SIM_FAULT_REMOVE) {
		uint64_t end = at + p->fault.len;
		for (size_t i = 0; i < len; i++) {
			if (p->written + i >= at && p->written + i < end) {
				p->fault_hit = true;
			} else {
				enqueue(p, data + i, 1);
			}
		}
		return;
	}
	if (at < p->written) {
		enqueue(p, data, len);
		return;
	}
	size_t before = (size_t)(at - p->written);
	enqueue(p, data, before);
	apply_fault(p, data + before, len - before);
}

static enn_time arrival(struct sim_pipe *p, enn_time now)
{
	enn_time due = now + p->shape.latency;

	if (p->shape.jitter > 0) {
		due += sim_rng_below(&p->rng, p->shape.jitter);
	}
	if (due < p->last_due) {
		due = p->last_due;
	}
	p->last_due = due;
	return due;
}

static void mark_end(struct sim_pipe *p, enn_time due)
{
	uint64_t end = p->delivered + (p->tail - p->head);
	uint64_t last = p->mark_head < p->mark_tail ? p->mark[p->mark_tail - 1].end : p->delivered;

	if (end == last) {
		return; /* the fault took it all */
	}
	if (p->mark_head == p->mark_tail) {
		p->mark_head = p->mark_tail = 0;
	}
	if (p->mark_tail == p->mark_cap) {
		p->mark_cap = p->mark_cap == 0 ? 16 : 2 * p->mark_cap;
		p->mark = grown(p->mark, p->mark_cap * sizeof(p->mark[0]));
	}
	p->mark[p->mark_tail++] = (struct sim_mark){.end = end, .due = due};
}

size_t sim_pipe_write(struct sim_pipe *p, enn_time now, const uint8_t *data, size_t len)
{
	size_t room =
		p->tail - p->head < p->shape.capacity ? p->shape.capacity - (p->tail - p->head) : 0;

	if (p->cut || p->reset || p->deaf) {
		p->written += len; /* the sender learns of it later, if at all */
		return len;
	}
	if (len > room) {
		len = room;
	}
	if (len == 0) {
		return 0;
	}
	queue_stream(p, data, len);
	p->written += len;
	enn_time due = arrival(p, now);
	mark_end(p, due);
	if (p->cut) {
		p->fin_due = due;
	}
	return len;
}

void sim_pipe_close(struct sim_pipe *p, enn_time now)
{
	if (p->closed) {
		return;
	}
	p->closed = true;
	if (!p->cut) {
		p->fin_due = arrival(p, now);
	}
}

void sim_pipe_deafen(struct sim_pipe *p)
{
	p->deaf = true;
	p->head = p->tail = 0;
	p->mark_head = p->mark_tail = 0;
}

bool sim_pipe_blocked(const struct sim_pipe *p)
{
	return !p->cut && !p->reset && p->tail - p->head >= p->shape.capacity;
}

/* ---- reading ----------------------------------------------------------------------------------- */

enn_time sim_pipe_due(const struct sim_pipe *p)
{
	if (p->reset || p->deaf) {
		return ENN_TIME_NEVER;
	}
	if (p->head < p->tail) {
		return p->mark[p->mark_head].due;
	}
	return p->fin_due;
}

static size_t segment(struct sim_pipe *p)
{
	enum sim_segments kind = p->shape.segments;

	if (kind == SIM_SEGMENTS_BYTES) {
		if (p->delivered < BYTEWISE_UNTIL) {
			return 1;
		}
		kind = SIM_SEGMENTS_MIXED;
	}
	if (kind == SIM_SEGMENTS_MIXED) {
		static const enum sim_segments mix[] = {SIM_SEGMENTS_WHOLE, SIM_SEGMENTS_MTU,
							SIM_SEGMENTS_RECORD, SIM_SEGMENTS_TINY};
		kind = mix[sim_rng_below(&p->rng, 4)];
	}
	switch (kind) {
	case SIM_SEGMENTS_TINY:
		return p->delivered < BYTEWISE_UNTIL ? sim_rng_range(&p->rng, 1, 7)
						     : sim_rng_range(&p->rng, 1, 700);
	case SIM_SEGMENTS_MTU:
		return sim_rng_range(&p->rng, 1, 1460);
	case SIM_SEGMENTS_RECORD:
		return sim_rng_range(&p->rng, 16000, 17000);
	default:
		return SIZE_MAX;
	}
}

size_t sim_pipe_read(struct sim_pipe *p, enn_time now, const uint8_t **data, bool *fin)
{
	size_t arrived = 0;

	*fin = false;
	while (p->mark_head < p->mark_tail && p->mark[p->mark_head].due <= now) {
		arrived = (size_t)(p->mark[p->mark_head].end - p->delivered);
		if (p->mark_head + 1 == p->mark_tail || p->mark[p->mark_head + 1].due > now) {
			break;
		}
		p->mark_head++;
	}
	if (p->head == p->tail) {
		*fin = p->fin_due <= now && !p->reset;
		return 0;
	}
	size_t n = segment(p);
	n = n < arrived ? n : arrived;
	*data = p->bytes + p->head;
	p->head += n;
	p->delivered += n;
	while (p->mark_head < p->mark_tail && p->mark[p->mark_head].end <= p->delivered) {
		p->mark_head++;
	}
	return n;
}
