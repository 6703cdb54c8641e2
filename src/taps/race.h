/* SPDX-License-Identifier: Apache-2.0
 *
 * Happy Eyeballs version 2 (RFC 8305) as a pure state machine: it is told what was
 * resolved, what failed and what time it is, and says which address to try next.
 *
 * Remote endpoints are groups, tried in order; within a group the families alternate
 * beginning with IPv6 (§4, First Address Family Count 1), each family in the order of the
 * system's address selection.
 */
#ifndef ENN_TAPS_RACE_H
#define ENN_TAPS_RACE_H

#include "ennead/engine.h"

#define ENN_RACE_MAX	64 /* candidates */
#define ENN_RACE_GROUPS 8

enum enn_race_state {
	ENN_RACE_WAITING,
	ENN_RACE_RUNNING,
	ENN_RACE_FAILED,
};

struct enn_race_candidate {
	struct enn_address address;
	uint8_t group;
	uint8_t state; /* enum enn_race_state */
};

struct enn_race_group {
	uint8_t open; /* look-ups that are not answered, by family: bits of race_bit */
	uint8_t last; /* the family tried last, ENN_FAMILY_NONE before the first */
};

struct enn_race {
	enn_time attempt_delay;
	enn_time resolution_delay;
	size_t max; /* candidates */
	struct enn_race_group group[ENN_RACE_GROUPS];
	struct enn_race_candidate candidate[ENN_RACE_MAX];
	size_t count;
	size_t waiting;
	size_t running;
	size_t dropped;	       /* addresses beyond max */
	enn_time first_usable; /* when the first address was known; ENN_TIME_NEVER before */
	enn_time next_attempt; /* not before this, while one is running */
};

/* Delays are kept in the bounds of RFC 8305 §8: attempts 10 ms to 2 s apart. */
void enn_race_init(struct enn_race *race, enn_time attempt_delay, enn_time resolution_delay,
		   size_t max);
/* An answer for this group and family will come. */
void enn_race_expect(struct enn_race *race, size_t group, enum enn_family family);
/* The answer, or addresses that needed no look-up. Duplicates are dropped. */
void enn_race_add(struct enn_race *race, enn_time now, size_t group, enum enn_family family,
		  const struct enn_address *addresses, size_t count);
/* Which candidate is to be started now? Call until it is false. */
bool enn_race_start(struct enn_race *race, enn_time now, size_t *index);
void enn_race_failed(struct enn_race *race, enn_time now, size_t index);
/* One that runs is in doubt and goes on: the next need not wait for its turn. */
void enn_race_doubt(struct enn_race *race, enn_time now);
/* When enn_race_start may next say something without another event. */
enn_time enn_race_deadline(const struct enn_race *race);
/* Nothing runs, nothing waits, nothing is looked up: lost. */
bool enn_race_over(const struct enn_race *race);

#endif
