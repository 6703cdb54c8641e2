/* SPDX-License-Identifier: Apache-2.0
 *
 * sweep_tls: one fault at every single byte of every flight, of handshakes of every
 * shape.
 *
 *   sweep_tls [fin|reset|flip|remove|duplicate|insert …] [--all-bits] [--every N]
 *   sweep_tls --one SHAPE KIND DIRECTION OFFSET MASK      one of them, with every step
 *
 * Without arguments: fin, reset and flip; flips turn one bit of each byte, a different one from byte to
 * byte, or with --all-bits each of the eight.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invariants.h"
#include "shapes.h"

static const char *program;
static uint64_t every = 1; /* offset */

/* ---- one run ---------------------------------------------------------------------------------- */

/* Runs it, with the last connection's bytes counted per direction. */
static bool run(struct sim_lab *lab, const struct sim_scenario *s, uint64_t sent[2],
		char *violation, size_t cap)
{
	struct sim_run r;

	sim_run_init(&r, lab, s);
	sim_run_all(&r);
	(void)snprintf(violation, cap, "%s", r.violation);
	sent[0] = r.sent[0];
	sent[1] = r.sent[1];
	sim_run_free(&r);
	return violation[0] == '\0';
}

static bool run_fault(struct sim_lab *lab, size_t shape, int d, const struct sim_fault *fault)
{
	static struct sim_scenario s;
	char violation[320];
	uint64_t sent[2];

	sim_shapes[shape].make(&s);
	s.connection[s.count - 1].fault[d] = *fault;
	if (lab->verbose) {
		sim_scenario_print(&s);
	}
	if (run(lab, &s, sent, violation, sizeof(violation))) {
		return true;
	}
	printf("# %s\n# replay: %s --one %s %s %d %llu %02x\n", violation, program,
	       sim_shapes[shape].name, sim_fault_name(fault->kind), d,
	       (unsigned long long)fault->offset, fault->mask);
	return false;
}

/* ---- sweeps ---------------------------------------------------------------------------------------- */

/* All offsets of one direction; the number of runs, 0 if one went wrong. */
static uint64_t sweep(struct sim_lab *lab, size_t shape, enum sim_fault_kind kind, bool all_bits,
		      int d, uint64_t len)
{
	uint64_t runs = 0;

	for (uint64_t offset = 0; offset < len; offset += every) {
		unsigned bits = kind == SIM_FAULT_FLIP && all_bits ? 8 : 1;
		for (unsigned b = 0; b < bits; b++) {
			struct sim_fault fault = {
				.kind = kind,
				.offset = offset,
				.mask = (uint8_t)(1u << ((offset * 5 + b) % 8)),
				.len = 1,
			};
			runs++;
			if (!run_fault(lab, shape, d, &fault)) {
				return 0;
			}
		}
	}
	return runs;
}

static bool sweep_shape(struct sim_lab *lab, size_t shape, enum sim_fault_kind kind, bool all_bits,
			unsigned test)
{
	static struct sim_scenario s;
	char violation[320];
	uint64_t sent[2];
	clock_t began = clock();
	uint64_t runs[2];

	sim_shapes[shape].make(&s);
	bool ok = run(lab, &s, sent, violation, sizeof(violation));
	if (!ok) {
		printf("# undisturbed: %s\n", violation);
	}
	for (int d = 0; d < 2 && ok; d++) {
		runs[d] = sweep(lab, shape, kind, all_bits, d, sent[d]);
		ok = runs[d] > 0;
	}
	printf("%s %u - %s at every byte of %s\n", ok ? "ok" : "not ok", test, sim_fault_name(kind),
	       sim_shapes[shape].name);
	if (ok) {
		printf("# %llu + %llu bytes, %llu runs, %.1f s\n", (unsigned long long)sent[0],
		       (unsigned long long)sent[1], (unsigned long long)(runs[0] + runs[1]),
		       (double)(clock() - began) / CLOCKS_PER_SEC);
	}
	fflush(stdout);
	return ok;
}

static int find_kind(const char *name)
{
	for (int k = 1; k < SIM_FAULT_COUNT; k++) {
		if (strcmp(sim_fault_name((enum sim_fault_kind)k), name) == 0) {
			return k;
		}
	}
	return -1;
}

static int one(struct sim_lab *lab, char **argv)
{
	int kind = find_kind(argv[1]);

	for (size_t i = 0; i < SIM_SHAPES && kind > 0; i++) {
		if (strcmp(sim_shapes[i].name, argv[0]) == 0) {
			struct sim_fault fault = {
				.kind = (enum sim_fault_kind)kind,
				.offset = strtoull(argv[3], NULL, 10),
				.mask = (uint8_t)strtoul(argv[4], NULL, 16),
				.len = 1,
			};
			lab->verbose = true;
			return run_fault(lab, i, atoi(argv[2]) != 0, &fault) ? EXIT_SUCCESS
									     : EXIT_FAILURE;
		}
	}
	fprintf(stderr, "%s: no such shape or kind\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static struct sim_lab lab;
	enum sim_fault_kind kinds[SIM_FAULT_COUNT] = {SIM_FAULT_FIN, SIM_FAULT_RESET,
						      SIM_FAULT_FLIP};
	size_t count = 0;
	bool all_bits = false;
	bool ok = true;
	unsigned test = 0;

	program = argv[0];
	sim_lab_open(&lab);
	if (argc == 7 && strcmp(argv[1], "--one") == 0) {
		int result = one(&lab, argv + 2);
		sim_lab_close(&lab);
		return result;
	}
	for (int i = 1; i < argc && count < SIM_FAULT_COUNT; i++) {
		int kind = find_kind(argv[i]);
		if (strcmp(argv[i], "--all-bits") == 0) {
			all_bits = true;
		} else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc &&
			   atoi(argv[i + 1]) > 0) {
			every = strtoull(argv[++i], NULL, 10);
		} else if (kind > 0) {
			kinds[count++] = (enum sim_fault_kind)kind;
		} else {
			fprintf(stderr, "%s: what is %s?\n", program, argv[i]);
			return 2;
		}
	}
	count = count == 0 ? 3 : count;
	printf("TAP version 13\n1..%zu\n", count * SIM_SHAPES);
	for (size_t k = 0; k < count; k++) {
		for (size_t i = 0; i < SIM_SHAPES; i++) {
			ok = sweep_shape(&lab, i, kinds[k], all_bits, ++test) && ok;
		}
	}
	sim_lab_close(&lab);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
