/* SPDX-License-Identifier: Apache-2.0
 *
 * The sliding replay window, after RFC 6479: a ring of words, so that moving
 * the window clears whole words and never shifts. Serves dtls, esp, srtp,
 * wireguard, minimalt and curvecp.
 */
#ifndef ENN_FEATURES_REPLAY_H
#define ENN_FEATURES_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The window accepts counters above highest - (words - 1) * 64. words is a power of two ≥ 2; bits
 * is an array of so many, given by the owner, zeroed to begin with. */
struct enn_replay {
	uint64_t next; /* highest accepted counter + 1; 0: none yet */
	uint64_t *bits;
	uint32_t words;
};

/* Would it be accepted? To be asked before a packet is authenticated, changes nothing. The counter
 * 2^64 - 1 never is. */
bool enn_replay_fresh(const struct enn_replay *w, uint64_t counter);
/* Notes an authenticated counter; false: seen already, or too old. */
bool enn_replay_accept(struct enn_replay *w, uint64_t counter);

#endif
