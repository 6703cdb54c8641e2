/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers that live inside the objects they serve: a pairing heap, so setting one
 * never allocates and never fails, and freeing its object only needs it stopped.
 */
#ifndef ENN_BASE_TIMERS_H
#define ENN_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

#include "ennead/env.h"

struct enn_timer {
	enn_time when; /* while armed */
	void (*fire)(void *owner, enn_time now);
	void *owner;
	bool armed;
	/* the heap: first child; next sibling; previous sibling, or the parent of a first child */
	struct enn_timer *child;
	struct enn_timer *next;
	struct enn_timer *prev;
};

struct enn_timers {
	struct enn_timer *root;
};

void enn_timer_init(struct enn_timer *timer, void (*fire)(void *owner, enn_time now), void *owner);
/* ENN_TIME_NEVER stops it. */
void enn_timers_set(struct enn_timers *timers, struct enn_timer *timer, enn_time when);
enn_time enn_timers_first(const struct enn_timers *timers);
/* Fires all that are due, each stopped before its call. */
void enn_timers_expire(struct enn_timers *timers, enn_time now);

#endif
