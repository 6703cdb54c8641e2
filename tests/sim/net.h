/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated network, byte-stream form: one pipe per direction that delivers
 * what was written in order, in pieces of seeded sizes, after seeded delays, with
 * a bounded number of bytes on the way, and with at most one fault.
 */
#ifndef ENN_TESTS_SIM_NET_H
#define ENN_TESTS_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/env.h"
#include "rng.h"

enum sim_segments {
	SIM_SEGMENTS_WHOLE,  /* everything that has arrived, coalesced */
	SIM_SEGMENTS_BYTES,  /* one byte at a time, for the first bytes; then MIXED */
	SIM_SEGMENTS_TINY,   /* 1 to 7 */
	SIM_SEGMENTS_MTU,    /* 1 to 1460 */
	SIM_SEGMENTS_RECORD, /* around the size of a full record */
	SIM_SEGMENTS_MIXED,  /* one of the others each time */
	SIM_SEGMENTS_COUNT
};

struct sim_pipe_shape {
	enum sim_segments segments;
	enn_time latency;
	enn_time jitter; /* added to each write, at most this much */
	size_t capacity; /* bytes on the way before writing blocks */
};

enum sim_fault_kind {
	SIM_FAULT_NONE,
	SIM_FAULT_FIN,	  /* the stream ends after `offset` bytes */
	SIM_FAULT_RESET,  /* both directions are gone after `offset` bytes were sent in this one */
	SIM_FAULT_FLIP,	  /* the byte at `offset` is XORed with mask */
	SIM_FAULT_INSERT, /* len foreign bytes come before the byte at `offset` */
	SIM_FAULT_DUPLICATE, /* the len bytes before `offset` come twice */
	SIM_FAULT_REMOVE,    /* len bytes from `offset` on never come */
	SIM_FAULT_COUNT
};
const char *sim_fault_name(enum sim_fault_kind kind);

/* At a place in the sender's byte stream, whatever the segmentation. */
struct sim_fault {
	enum sim_fault_kind kind;
	uint64_t offset;
	uint8_t mask;
	size_t len;
};

struct sim_mark; /* where a write ends, and when it arrives */

struct sim_pipe {
	struct sim_pipe_shape shape;
	struct sim_fault fault;
	struct sim_rng rng;
	bool fault_hit;

	uint8_t *bytes; /* on the way */
	size_t head, tail, cap;
	struct sim_mark *mark;
	size_t mark_head, mark_tail, mark_cap;

	uint64_t written;   /* the sender's stream offset */
	uint64_t delivered; /* bytes handed to the receiver */
	bool closed;	    /* no more writes: FIN follows the last byte */
	bool cut;	    /* by SIM_FAULT_FIN: writes vanish */
	bool reset;
	bool deaf; /* the receiver is gone: what is written vanishes */
	enn_time fin_due;
	enn_time last_due; /* what is written later does not arrive earlier */
};

void sim_pipe_init(struct sim_pipe *p, const struct sim_pipe_shape *shape,
		   const struct sim_fault *fault, uint64_t seed, uint64_t stream);
void sim_pipe_free(struct sim_pipe *p);

/* Takes up to len bytes as a socket does; the number taken. */
size_t sim_pipe_write(struct sim_pipe *p, enn_time now, const uint8_t *data, size_t len);
/* The sender is done. */
void sim_pipe_close(struct sim_pipe *p, enn_time now);
/* When there will be something to read (bytes or FIN); ENN_TIME_NEVER. */
enn_time sim_pipe_due(const struct sim_pipe *p);
/* The next piece: its length, or 0 and *fin true at the end. data is lent until the next call
 * for this pipe. */
size_t sim_pipe_read(struct sim_pipe *p, enn_time now, const uint8_t **data, bool *fin);
/* The receiver closed its socket. */
void sim_pipe_deafen(struct sim_pipe *p);
bool sim_pipe_blocked(const struct sim_pipe *p);

#endif
