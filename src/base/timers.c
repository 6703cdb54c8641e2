/* SPDX-License-Identifier: Apache-2.0
 *
 * A pairing heap of timers.
 */
#include "base/timers.h"

void enn_timer_init(struct enn_timer *timer, void (*fire)(void *owner, enn_time now), void *owner)
{
	*timer = (struct enn_timer){.when = ENN_TIME_NEVER, .fire = fire, .owner = owner};
}

/* Two roots become one. */
static struct enn_timer *meld(struct enn_timer *a, struct enn_timer *b)
{
	if (a == NULL || b == NULL) {
		return a == NULL ? b : a;
	}
	if (b->when < a->when) {
		struct enn_timer *swap = a;
		a = b;
		b = swap;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child != NULL) {
		a->child->prev = b;
	}
	a->child = b;
	return a;
}

/* Melds a list of siblings in pairs from left to right, then the pairs from right to left. */
static struct enn_timer *meld_siblings(struct enn_timer *first)
{
	struct enn_timer *pairs = NULL; /* linked through next, last pair first */
	struct enn_timer *root = NULL;

	while (first != NULL) {
		struct enn_timer *a = first;
		struct enn_timer *b = a->next;
		first = b == NULL ? NULL : b->next;
		a->next = a->prev = NULL;
		if (b != NULL) {
			b->next = b->prev = NULL;
		}
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct enn_timer *a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

static void take_out(struct enn_timers *timers, struct enn_timer *timer)
{
	struct enn_timer *rest = meld_siblings(timer->child);

	timer->child = NULL;
	if (timers->root == timer) {
		timers->root = rest;
	} else {
		if (timer->prev->child == timer) {
			timer->prev->child = timer->next;
		} else {
			timer->prev->next = timer->next;
		}
		if (timer->next != NULL) {
			timer->next->prev = timer->prev;
		}
		timers->root = meld(timers->root, rest);
	}
	timer->next = timer->prev = NULL;
	timer->armed = false;
}

void enn_timers_set(struct enn_timers *timers, struct enn_timer *timer, enn_time when)
{
	if (timer->armed) {
		if (timer->when == when) {
			return;
		}
		take_out(timers, timer);
	}
	timer->when = when;
	if (when != ENN_TIME_NEVER) {
		timer->armed = true;
		timers->root = meld(timers->root, timer);
	}
}

enn_time enn_timers_first(const struct enn_timers *timers)
{
	return timers->root == NULL ? ENN_TIME_NEVER : timers->root->when;
}

void enn_timers_expire(struct enn_timers *timers, enn_time now)
{
	while (timers->root != NULL && timers->root->when <= now) {
		struct enn_timer *timer = timers->root;
		take_out(timers, timer);
		timer->fire(timer->owner, now);
	}
}
