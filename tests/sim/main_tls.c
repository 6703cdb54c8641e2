/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_tls: seeded runs of TLS over the simulated byte stream.
 *
 *   sim_tls [--seeds A..B]      a TAP test per thousand seeds; default 1..1000
 *   sim_tls --seed N [-v]       one run, with its scenario and every step
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invariants.h"

#define GROUP  1000u
#define REPEAT 50u /* every so many-th seed runs twice, and once on the other back end */

static const char *program;

struct totals {
	uint64_t runs, steps, bytes, ready, tls12, resumed, early, failed, again;
	size_t peak;
};

/* Runs a seed; the hash of all that happened. */
static uint64_t run_once(struct sim_lab *lab, const struct sim_scenario *scenario,
			 struct totals *totals, char *violation, size_t cap)
{
	struct sim_run run;

	sim_run_init(&run, lab, scenario);
	sim_run_all(&run);
	(void)snprintf(violation, cap, "%s", run.violation);
	totals->runs++;
	totals->steps += run.count.steps;
	totals->bytes += run.count.bytes;
	totals->ready += run.count.ready;
	totals->tls12 += run.count.tls12;
	totals->resumed += run.count.resumed;
	totals->early += run.count.early;
	totals->failed += run.count.failed;
	if (run.peak_before_ready > totals->peak) {
		totals->peak = run.peak_before_ready;
	}
	uint64_t hash = run.hash;
	sim_run_free(&run);
	return hash;
}

/* The same seed again, and with the other AEAD back end: the same to the byte. */
static void run_again(struct sim_lab *lab, struct sim_scenario *scenario, struct totals *totals,
		      uint64_t hash, char *violation, size_t cap)
{
	totals->again++;
	if (run_once(lab, scenario, totals, violation, cap) != hash) {
		(void)snprintf(violation, cap, "the same seed did not do the same twice");
		return;
	}
	scenario->libcrypto = !scenario->libcrypto;
	if (run_once(lab, scenario, totals, violation, cap) != hash) {
		(void)snprintf(violation, cap, "the AEAD back ends do not give the same bytes");
	}
}

/* Whether a run can be the same to the byte. An RSA key keeps its blinding from one signature to the next and draws
 * a new one after so many of them: then what libcrypto draws next is another number than the last time, and the
 * other side's ECDSA signature, for one, has another length. */
static bool is_repeatable(const struct sim_scenario *scenario)
{
	for (size_t i = 0; i < scenario->count; i++) {
		for (int k = 0; k < 2; k++) {
			const struct sim_side *side = &scenario->connection[i].side[k];
			if (side->has_certificate && side->key == SIM_KEY_RSA) {
				return false;
			}
		}
	}
	return true;
}

static bool run_seed(struct sim_lab *lab, uint64_t seed, struct totals *totals)
{
	struct sim_scenario scenario;
	char violation[320];

	sim_scenario_draw(&scenario, seed);
	if (lab->verbose) {
		sim_scenario_print(&scenario);
	}
	uint64_t hash = run_once(lab, &scenario, totals, violation, sizeof(violation));
	if (lab->verbose) {
		printf("# transcript %016llx\n", (unsigned long long)hash);
	} else if (violation[0] == '\0' && seed % REPEAT == 0 && is_repeatable(&scenario)) {
		run_again(lab, &scenario, totals, hash, violation, sizeof(violation));
	}
	if (violation[0] != '\0') {
		printf("# seed %llu: %s\n# replay: %s --seed %llu -v\n", (unsigned long long)seed,
		       violation, program, (unsigned long long)seed);
	}
	return violation[0] == '\0';
}

static int run_range(struct sim_lab *lab, uint64_t from, uint64_t to)
{
	struct totals totals = {0};
	clock_t began = clock();
	unsigned test = 0;
	bool all = true;

	printf("TAP version 13\n1..%llu\n", (unsigned long long)((to - from) / GROUP + 1));
	for (uint64_t at = from; at <= to; at += GROUP) {
		uint64_t last = to - at < GROUP ? to : at + GROUP - 1;
		bool ok = true;
		for (uint64_t seed = at; seed <= last; seed++) {
			ok = run_seed(lab, seed, &totals) && ok;
		}
		printf("%s %u - seeds %llu..%llu\n", ok ? "ok" : "not ok", ++test,
		       (unsigned long long)at, (unsigned long long)last);
		fflush(stdout);
		all = all && ok;
	}
	printf("# %llu runs (%llu of them repeats), %llu steps, %llu bytes on the wire, "
	       "%llu sides ready (%llu in TLS 1.2), %llu resumptions, %llu with early data, %llu "
	       "failures wanted; "
	       "at most %zu bytes of memory before READY; %.1f s\n",
	       (unsigned long long)totals.runs, (unsigned long long)(2 * totals.again),
	       (unsigned long long)totals.steps, (unsigned long long)totals.bytes,
	       (unsigned long long)totals.ready, (unsigned long long)totals.tls12,
	       (unsigned long long)totals.resumed, (unsigned long long)totals.early,
	       (unsigned long long)totals.failed, totals.peak,
	       (double)(clock() - began) / CLOCKS_PER_SEC);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
	fprintf(stderr, "usage: %s [--seeds A..B] [--seed N] [-v]\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static struct sim_lab lab;
	unsigned long long from = 1, to = GROUP;

	program = argv[0];
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			if (sscanf(argv[++i], "%llu..%llu", &from, &to) != 2 || to < from) {
				return usage();
			}
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			from = to = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "-v") == 0) {
			lab.verbose = true;
		} else {
			return usage();
		}
	}
	sim_lab_open(&lab);
	int result = run_range(&lab, from, to);
	sim_lab_close(&lab);
	return result;
}
