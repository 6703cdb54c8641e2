/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc_tls: connections of every shape in which one side gets no memory, or no
 * random bytes, at its n-th request, for every n.
 *
 *   alloc_tls                                          everything
 *   alloc_tls --one SHAPE WHAT SIDE N                  one of them, with every step
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invariants.h"
#include "shapes.h"

static const char *program;
static const char *const whats[3] = {"memory-once", "memory-for-good", "random"};

/* Starves one side at its n-th request. *starved: it made that many. */
static bool run_starved(struct sim_lab *lab, size_t shape, int what, bool server, uint64_t n,
			bool *starved)
{
	static struct sim_scenario s;
	struct sim_run r;

	sim_shapes[shape].make(&s);
	sim_run_init(&r, lab, &s);
	r.starve.server = server;
	r.starve.for_good = what == 1;
	r.starve.allocation = what < 2 ? n : 0;
	r.starve.random = what == 2 ? n : 0;
	sim_run_all(&r);
	*starved = r.starved;
	bool ok = !sim_violated(&r);
	if (!ok) {
		printf("# %s\n# replay: %s --one %s %s %d %llu\n", r.violation, program,
		       sim_shapes[shape].name, whats[what], server, (unsigned long long)n);
	}
	sim_run_free(&r);
	return ok;
}

static bool sweep(struct sim_lab *lab, size_t shape, int what, unsigned test)
{
	uint64_t runs = 0;
	bool ok = true;

	for (int server = 0; server < 2; server++) {
		bool starved = true;
		for (uint64_t n = 1; starved; n++, runs++) {
			ok = run_starved(lab, shape, what, server != 0, n, &starved) && ok;
		}
	}
	ok = ok && runs > 2;
	printf("%s %u - %s at every request of %s\n# %llu runs\n", ok ? "ok" : "not ok", test,
	       whats[what], sim_shapes[shape].name, (unsigned long long)runs);
	return ok;
}

static int one(struct sim_lab *lab, char **argv)
{
	bool starved;

	lab->verbose = true;
	for (size_t i = 0; i < SIM_SHAPES; i++) {
		for (int what = 0; what < 3; what++) {
			if (strcmp(argv[0], sim_shapes[i].name) == 0 &&
			    strcmp(argv[1], whats[what]) == 0) {
				return run_starved(lab, i, what, atoi(argv[2]) != 0,
						   strtoull(argv[3], NULL, 10), &starved)
					       ? EXIT_SUCCESS
					       : EXIT_FAILURE;
			}
		}
	}
	fprintf(stderr, "%s: there is no such thing\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static struct sim_lab lab;
	unsigned test = 0;
	bool ok = true;

	program = argv[0];
	sim_lab_open(&lab);
	if (argc == 6 && strcmp(argv[1], "--one") == 0) {
		int result = one(&lab, argv + 2);
		sim_lab_close(&lab);
		return result;
	}
	printf("TAP version 13\n1..%d\n", 3 * SIM_SHAPES);
	for (int what = 0; what < 3; what++) {
		for (size_t i = 0; i < SIM_SHAPES; i++) {
			ok = sweep(&lab, i, what, ++test) && ok;
		}
	}
	sim_lab_close(&lab);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
