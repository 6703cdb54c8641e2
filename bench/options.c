/* SPDX-License-Identifier: Apache-2.0
 *
 * What every bench_<protocol> understands on its command line.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static void usage(FILE *to, const char *program, const char *peer)
{
	(void)fprintf(to,
		      "usage: %s [--only PREFIX]… [--json FILE] [--bars] [--quick]\n"
		      "       [--alone CONTENDER] [--list]\n"
		      "  --only   rows whose name begins with PREFIX (also separated by commas)\n"
		      "  --json   write the rows to FILE\n"
		      "  --bars   say which of the project's bars hold\n"
		      "  --quick  fewer and shorter turns: a smoke test, not a measurement\n"
		      "  --alone  ennead, %s or limit: no race, for a profiler\n"
		      "  --list   the names of all rows\n",
		      program, peer);
}

static void parse_only(struct bench_options *options, char *list)
{
	for (char *p = strtok(list, ","); p != NULL; p = strtok(NULL, ",")) {
		BENCH_NEED(options->only_count < sizeof(options->only) / sizeof(options->only[0]));
		options->only[options->only_count++] = p;
	}
}

static int parse_contender(const char *name, const char *peer)
{
	const char *const names[BENCH_CONTENDERS] = {"ennead", peer, "limit"};

	for (int i = 0; i < BENCH_CONTENDERS; i++) {
		if (strcmp(name, names[i]) == 0) {
			return i;
		}
	}
	bench_die("there is no contender %s", name);
}

void bench_parse(int argc, char **argv, const char *program, const char *peer,
		 struct bench_options *options)
{
	static const struct option names[] = {
		{"only", required_argument, NULL, 'o'},	 {"json", required_argument, NULL, 'j'},
		{"bars", no_argument, NULL, 'b'},	 {"quick", no_argument, NULL, 'q'},
		{"alone", required_argument, NULL, 'a'}, {"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'o':
			parse_only(options, optarg);
			break;
		case 'j':
			options->json = optarg;
			break;
		case 'b':
			options->bars = true;
			break;
		case 'q':
			options->turns = 3;
			options->turn_seconds = 0.002;
			break;
		case 'a':
			options->alone = parse_contender(optarg, peer);
			break;
		case 'l':
			options->list = true;
			break;
		case 'h':
			usage(stdout, program, peer);
			exit(0);
		default:
			usage(stderr, program, peer);
			exit(2);
		}
	}
	if (optind < argc) {
		usage(stderr, program, peer);
		exit(2);
	}
}

/* The last core that we may use: the first ones get the interrupts. */
int bench_pin(void)
{
	cpu_set_t set;
	size_t core = CPU_SETSIZE;

	if (sched_getaffinity(0, sizeof(set), &set) != 0) {
		return -1;
	}
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		core = CPU_ISSET(i, &set) ? i : core;
	}
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? (int)core : -1;
}
