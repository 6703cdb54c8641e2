/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds, ranges of them, and what fails made small.
 */
#include "dgram_main.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GROUP	  1000u
#define REPEAT	  50u  /* every so many-th seed runs twice, and once on the other back end */
#define MOST_RUNS 600u /* of a shrinking */

static const char *program;

/* ---- a crash says which seed it was -------------------------------------------------------------- */

static char current[64];

static void say_seed(void)
{
	(void)!write(STDOUT_FILENO, current, strlen(current));
}

static void on_signal(int number)
{
	say_seed();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch_crashes(void)
{
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(say_seed);
		return;
	}
	(void)signal(SIGSEGV, on_signal);
	(void)signal(SIGABRT, on_signal);
	(void)signal(SIGFPE, on_signal);
}

/* ---- one run -------------------------------------------------------------------------------------- */

static void add_up(struct dgram_totals *t, const struct dgram_world *w)
{
	t->runs++;
	t->steps += w->count.steps;
	t->packets += w->count.packets;
	t->bytes += w->count.bytes;
	t->given += w->count.given;
	t->delivered += w->count.delivered;
	t->refused += w->count.refused;
	t->replayed += w->count.replayed;
	t->pairs += w->count.pairs;
	t->apart += w->count.apart;
	t->lossless += w->lossless;
}

void dgram_run_scenario(struct dgram_lab *lab, const struct dgram_scenario *s,
			struct dgram_totals *totals, struct dgram_result *result)
{
	struct dgram_world *w = dgram_need(calloc(1, sizeof(*w)));

	(void)snprintf(current, sizeof(current), "\n# seed %llu crashed\n",
		       (unsigned long long)s->seed);
	w->starve.host = DGRAM_HOSTS;
	dgram_run(w, lab, s);
	if (totals != NULL) {
		add_up(totals, w);
	}
	result->hash = w->hash;
	result->kind = w->violated;
	(void)snprintf(result->violation, sizeof(result->violation), "%s", w->violation);
	free(w);
}

/* ---- making it small ------------------------------------------------------------------------------ */

static bool still_fails(struct dgram_lab *lab, const struct dgram_scenario *s,
			struct dgram_result *result)
{
	struct dgram_result now;

	dgram_run_scenario(lab, s, NULL, &now);
	if (now.kind != result->kind) {
		return false;
	}
	*result = now;
	return true;
}

unsigned dgram_shrink(struct dgram_lab *lab, struct dgram_scenario *s, struct dgram_result *result,
		      char *parts, size_t cap)
{
	static struct dgram_scenario less;
	unsigned runs = 0;
	size_t len = strlen(parts);

	for (bool progress = true; progress && runs < MOST_RUNS;) {
		progress = false;
		/* the coarsest first */
		for (size_t part = dgram_parts(); part-- > 0 && runs < MOST_RUNS;) {
			char name[64];
			dgram_part_name(s, lab->protocol, part, name, sizeof(name));
			less = *s;
			if (name[0] == '\0' || !dgram_switch_off(&less, lab->protocol, name)) {
				continue;
			}
			runs++;
			if (still_fails(lab, &less, result)) {
				*s = less;
				progress = true;
				len += (size_t)snprintf(parts + len, len < cap ? cap - len : 0,
							"%s%s", len > 0 ? "," : "", name);
				len = len < cap ? len : cap - 1;
			}
		}
	}
	return runs;
}

static void report(struct dgram_lab *lab, struct dgram_scenario *s, struct dgram_result *result)
{
	static char parts[4096];

	printf("# seed %llu: %s\n# replay: %s --seed %llu -v\n", (unsigned long long)s->seed,
	       result->violation, program, (unsigned long long)s->seed);
	if (lab->verbose || result->kind == NULL) {
		return;
	}
	parts[0] = '\0';
	unsigned runs = dgram_shrink(lab, s, result, parts, sizeof(parts));
	printf("# the smallest that fails like that, after %u runs: %s\n", runs, result->violation);
	dgram_scenario_print(s, lab->protocol);
	printf("# replay: %s --seed %llu -v --without %s\n", program, (unsigned long long)s->seed,
	       parts);
}

/* ---- many ----------------------------------------------------------------------------------------- */

/* The same seed again, and with the other AEAD back end: the same to the byte. */
static void run_again(struct dgram_lab *lab, struct dgram_scenario *s, struct dgram_totals *totals,
		      struct dgram_result *result)
{
	uint64_t hash = result->hash;

	totals->again += 2;
	dgram_run_scenario(lab, s, totals, result);
	if (result->hash != hash) {
		(void)snprintf(result->violation, sizeof(result->violation),
			       "the same seed did not do the same twice");
		return;
	}
	s->libcrypto = !s->libcrypto;
	dgram_run_scenario(lab, s, totals, result);
	s->libcrypto = !s->libcrypto;
	if (result->hash != hash) {
		(void)snprintf(result->violation, sizeof(result->violation),
			       "the AEAD back ends do not give the same bytes");
	}
}

static bool run_seed(struct dgram_lab *lab, uint64_t seed, const char *without,
		     struct dgram_totals *totals)
{
	static struct dgram_scenario s;
	struct dgram_result result;

	dgram_scenario_draw(&s, lab->protocol, seed);
	if (!dgram_switch_off(&s, lab->protocol, without)) {
		fprintf(stderr, "%s: there is no such part in '%s'\n", program, without);
		exit(2);
	}
	if (lab->verbose) {
		dgram_scenario_print(&s, lab->protocol);
	}
	dgram_run_scenario(lab, &s, totals, &result);
	if (lab->verbose) {
		printf("# transcript %016llx\n", (unsigned long long)result.hash);
	} else if (result.kind == NULL && seed % REPEAT == 0) {
		run_again(lab, &s, totals, &result);
	}
	if (result.violation[0] != '\0') {
		report(lab, &s, &result);
	}
	return result.violation[0] == '\0';
}

static void print_totals(const struct dgram_totals *t, double time)
{
	printf("# %llu runs (%llu of them repeats, %llu on loss-free links), %llu steps, %llu "
	       "packets of %llu bytes, %llu more by attackers; %llu messages given, %llu "
	       "delivered, "
	       "%llu refused; %llu pairs that reach each other, %llu that cannot; %.1f s\n",
	       (unsigned long long)t->runs, (unsigned long long)t->again,
	       (unsigned long long)t->lossless, (unsigned long long)t->steps,
	       (unsigned long long)t->packets, (unsigned long long)t->bytes,
	       (unsigned long long)t->replayed, (unsigned long long)t->given,
	       (unsigned long long)t->delivered, (unsigned long long)t->refused,
	       (unsigned long long)t->pairs, (unsigned long long)t->apart, time);
}

static int run_range(struct dgram_lab *lab, uint64_t from, uint64_t to, const char *without)
{
	struct dgram_totals totals = {0};
	clock_t began = clock();
	unsigned test = 0;
	bool all = true;

	printf("TAP version 13\n1..%llu\n", (unsigned long long)((to - from) / GROUP + 1));
	for (uint64_t at = from; at <= to; at += GROUP) {
		uint64_t last = to - at < GROUP ? to : at + GROUP - 1;
		bool ok = true;
		for (uint64_t seed = at; seed <= last; seed++) {
			ok = run_seed(lab, seed, without, &totals) && ok;
		}
		printf("%s %u - seeds %llu..%llu\n", ok ? "ok" : "not ok", ++test,
		       (unsigned long long)at, (unsigned long long)last);
		fflush(stdout);
		all = all && ok;
	}
	print_totals(&totals, (double)(clock() - began) / CLOCKS_PER_SEC);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: %s [--seeds A..B | --first A --runs N | --seed N] [-v] [--without PARTS]\n",
		program);
	return 2;
}

int dgram_main(const struct dgram_protocol *protocol, int argc, char **argv)
{
	static struct dgram_lab lab;
	unsigned long long from = 1, to = GROUP;
	const char *without = "";

	program = argv[0];
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0) {
			lab.verbose = true;
			continue;
		}
		if (value == NULL) {
			return usage();
		}
		if (strcmp(argv[i], "--seeds") == 0) {
			if (sscanf(value, "%llu..%llu", &from, &to) != 2 || to < from) {
				return usage();
			}
		} else if (strcmp(argv[i], "--seed") == 0) {
			from = to = strtoull(value, NULL, 10);
		} else if (strcmp(argv[i], "--first") == 0) {
			to = strtoull(value, NULL, 10) + (to - from);
			from = strtoull(value, NULL, 10);
		} else if (strcmp(argv[i], "--runs") == 0 && strtoull(value, NULL, 10) > 0) {
			to = from + strtoull(value, NULL, 10) - 1;
		} else if (strcmp(argv[i], "--without") == 0) {
			without = value;
		} else {
			return usage();
		}
		i++;
	}
	watch_crashes();
	dgram_lab_open(&lab, protocol);
	int result = run_range(&lab, from, to, without);
	dgram_lab_close(&lab);
	return result;
}
