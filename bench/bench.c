/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock, and contenders in turns.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fputs("bench: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	exit(1);
}

double bench_seconds(void)
{
	struct timespec t;

	BENCH_NEED(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double timed(struct bench_contender *c, size_t n)
{
	double start = bench_seconds();
	c->run(c->ctx, n);
	return bench_seconds() - start;
}

/* How many operations make one turn. Warms the contender up on the way. */
static size_t calibrate(struct bench_contender *c, double turn)
{
	size_t n = 1;
	double took = timed(c, n);

	while (took < turn / 4) {
		n *= 2;
		took = timed(c, n);
	}
	double want = (double)n * turn / took;
	return want < 1 ? 1 : (size_t)want;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return x < y ? -1 : x > y;
}

void bench_race(const struct bench_options *options, struct bench_contender c[BENCH_CONTENDERS])
{
	double *took[BENCH_CONTENDERS] = {NULL};

	for (size_t i = 0; i < BENCH_CONTENDERS; i++) {
		if (options->alone >= 0 && i != (size_t)options->alone) {
			c[i].run = NULL;
		}
		if (c[i].run != NULL) {
			took[i] = calloc(options->turns, sizeof(double));
			BENCH_NEED(took[i] != NULL);
			c[i].operations = calibrate(&c[i], options->turn_seconds);
			c[i].turns = options->turns;
		}
	}
	for (size_t turn = 0; turn < options->turns; turn++) {
		for (size_t i = 0; i < BENCH_CONTENDERS; i++) {
			if (c[i].run != NULL) {
				took[i][turn] = timed(&c[i], c[i].operations);
			}
		}
	}
	for (size_t i = 0; i < BENCH_CONTENDERS; i++) {
		if (c[i].run != NULL) {
			qsort(took[i], options->turns, sizeof(double), compare);
			double scale = 1e9 / (double)c[i].operations;
			c[i].best = took[i][0] * scale;
			c[i].median = took[i][options->turns / 2] * scale;
			free(took[i]);
		}
	}
}
