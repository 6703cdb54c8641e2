/* SPDX-License-Identifier: Apache-2.0
 *
 * The main program of every simulation over datagrams:
 *
 *   sim_X [--seeds A..B | --first A --runs N]       a TAP test per thousand seeds
 *   sim_X --seed N [-v] [--without PART,PART…]      one run, with its scenario and every step
 *
 * A seed that fails is made small: parts of its scenario are switched off as long as it fails in the same way,
 * and the command that replays what is left is printed.
 */
#ifndef ENN_TESTS_SIM_DGRAM_MAIN_H
#define ENN_TESTS_SIM_DGRAM_MAIN_H

#include "dgram_world.h"

int dgram_main(const struct dgram_protocol *protocol, int argc, char **argv);

/* Of a run, for those who do more than print it. */
struct dgram_result {
	uint64_t hash;
	char violation[320];
	const char *kind; /* NULL: all held */
};
struct dgram_totals {
	uint64_t runs, steps, packets, bytes, given, delivered, refused, replayed, pairs, apart,
		lossless, again;
};
/* totals may be NULL. */
void dgram_run_scenario(struct dgram_lab *lab, const struct dgram_scenario *s,
			struct dgram_totals *totals, struct dgram_result *result);
/* Switches off all that the failure does not need; writes the names into parts. Returns the number of runs. */
unsigned dgram_shrink(struct dgram_lab *lab, struct dgram_scenario *s, struct dgram_result *result,
		      char *parts, size_t cap);

#endif
