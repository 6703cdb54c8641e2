/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocator that a simulated engine gets through its environment: it counts,
 * fails on demand, checks what it gets back, and looks for secrets in it.
 */
#ifndef ENN_TESTS_SIM_HEAP_H
#define ENN_TESTS_SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/env.h"
#include "scan.h"

struct sim_heap {
	size_t live;   /* bytes */
	size_t peak;   /* since the last sim_heap_mark */
	size_t blocks; /* live */
	uint64_t allocations;
	uint64_t fail_at;   /* the allocation with this number (from 1) fails; 0: none */
	bool fail_for_good; /* and so do all after it */
	bool failed;	    /* one was made to fail */
	/* What was wrong with a block that came back: NULL, or static text. */
	const char *wrong;
	const struct sim_scan
		*scan;	    /* secrets that freed memory must not hold; NULL: do not look */
	const char *leaked; /* a secret that was found in freed memory */
};

/* Points env's allocator at the heap. */
void sim_heap_attach(struct sim_heap *heap, struct enn_env *env);

#endif
