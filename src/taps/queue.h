/* SPDX-License-Identifier: Apache-2.0
 *
 * The event queue. What must be reported has its place promised when it is asked
 * for (a send, a receive, a connection), so reporting it later cannot fail.
 */
#ifndef ENN_TAPS_QUEUE_H
#define ENN_TAPS_QUEUE_H

#include "ennead/taps.h"

/* An event in its short form; the rest is filled in when it is taken. */
struct enn_queued {
	enum enn_taps_event_type type;
	uint32_t flags;
	bool end_of_message; /* of RECEIVED */
	uint64_t connection; /* ids */
	uint64_t listener;
	void *token;
	union {
		struct {
			const uint8_t *data;
			size_t len;
			uint64_t loan;
		} received;
		struct {
			enum enn_status status; /* ENN_OK: the connection's own error */
			enum enn_reason reason;
		} error;
		struct enn_error *soft; /* owned */
		uint64_t request;	/* of a question */
		int64_t expires;	/* of a session */
		bool accepted;		/* early data, authentication */
		enum enn_direction direction;
	} u;
};

struct enn_queue {
	struct enn_queued *ring;
	size_t cap; /* a power of two */
	size_t head;
	size_t len;
	size_t promised; /* places, beyond len, that are spoken for */
};

/* Makes n promises; false: out of memory. */
bool enn_queue_promise(struct enn_queue *q, const struct enn_env *env, size_t n);
/* Takes back what was promised and is not needed. */
void enn_queue_forgo(struct enn_queue *q, size_t n);
/* Puts an event in the place that was promised for it. */
void enn_queue_keep(struct enn_queue *q, const struct enn_queued *event);
/* Puts an event for which there was no promise; false: out of memory. */
bool enn_queue_push(struct enn_queue *q, const struct enn_env *env, const struct enn_queued *event);
bool enn_queue_pop(struct enn_queue *q, struct enn_queued *event);
void enn_queue_clear(struct enn_queue *q, const struct enn_env *env);

#endif
