/* SPDX-License-Identifier: Apache-2.0
 *
 * The sliding replay window after RFC 6479 §2.
 */
#include "features/replay.h"

#define WORD_BITS 64u

static uint64_t *word_of(const struct enn_replay *w, uint64_t counter)
{
	return &w->bits[counter / WORD_BITS & (w->words - 1)];
}

bool enn_replay_fresh(const struct enn_replay *w, uint64_t counter)
{
	if (counter >= w->next) {
		return counter < UINT64_MAX; /* `next` has no value for the one after it */
	}
	/* One word less than there are, because the newest is only partly in use. */
	if (w->next - counter > (uint64_t)(w->words - 1) * WORD_BITS) {
		return false;
	}
	return (*word_of(w, counter) >> counter % WORD_BITS & 1) == 0;
}

bool enn_replay_accept(struct enn_replay *w, uint64_t counter)
{
	if (!enn_replay_fresh(w, counter)) {
		return false;
	}
	if (counter >= w->next) {
		uint64_t word = w->next == 0 ? 0 : (w->next - 1) / WORD_BITS;
		uint64_t steps = counter / WORD_BITS - word;
		steps = steps < w->words ? steps : w->words;
		for (uint64_t i = 0; i < steps; i++) {
			*word_of(w, counter - i * WORD_BITS) = 0;
		}
		w->next = counter + 1;
	}
	*word_of(w, counter) |= UINT64_C(1) << counter % WORD_BITS;
	return true;
}
