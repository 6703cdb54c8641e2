/* SPDX-License-Identifier: Apache-2.0
 *
 * The bench: contenders that do the same work, raced against each other in turns, and
 * the rows that come out of it. Protocol-independent; see README.md for the method.
 */
#ifndef ENN_BENCH_BENCH_H
#define ENN_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prints what went wrong and exits: a benchmark has nothing to recover. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define BENCH_NEED(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			bench_die("%s:%d: failed: %s", __FILE__, __LINE__, #condition);            \
		}                                                                                  \
	} while (0)

/* ---- the command line (options.c) ----------------------------------------------------------- */

struct bench_options;
/* Fills in what argv says; ends the program after --help and on errors. `peer` names that contender. */
void bench_parse(int argc, char **argv, const char *program, const char *peer,
		 struct bench_options *options);
/* Binds the thread to one core and returns its number; -1 if that cannot be. */
int bench_pin(void);

/* ---- racing (bench.c) --------------------------------------------------------------------- */

enum { BENCH_OURS, BENCH_PEER, BENCH_LIMIT, BENCH_CONTENDERS };

/* Does n operations. */
struct bench_contender {
	void (*run)(void *ctx, size_t n);
	void *ctx;
	double best;   /* out: nanoseconds of one operation in the best turn … */
	double median; /* … and in the middle one */
	size_t turns;
	size_t operations; /* of one turn */
};

struct bench_options {
	unsigned turns;	      /* of each contender */
	double turn_seconds;  /* of one */
	const char *only[16]; /* prefixes of row names; none: all */
	size_t only_count;
	const char *json;
	int alone; /* this contender only, for a profiler; -1: all */
	bool bars;
	bool list;
};

/* The thread's own processor time: everything measured here is one thread that never waits, and so other
 * processes on the machine do not count. */
double bench_seconds(void);

/* Runs the contenders in turns: A B C A B C … so that a slow spell of the machine hits all. Those without
 * `run` are left out. */
void bench_race(const struct bench_options *options, struct bench_contender c[BENCH_CONTENDERS]);

/* ---- rows (report.c) ------------------------------------------------------------------------ */

struct bench_row {
	const char *name;
	const char *unit;
	const char *peer_name;
	const char *note; /* what the limit is */
	double value[BENCH_CONTENDERS];
	bool has[BENCH_CONTENDERS];
	bool less_is_better;
	bool is_count; /* may be zero: the ratio is of value + 1 */
};

/* > 1 means that we are better; 0 if there is nothing to compare with. */
double bench_ratio(const struct bench_row *row, int other);
/* Whether the options ask for this row. */
bool bench_wanted(const struct bench_options *options, const char *name);
/* A timed row: `per` operations' worth of units in one operation (1: operations a second; bits of one
 * operation: Gbit/s). Prints the contenders' lines and keeps the row. */
void bench_timed(const char *name, const char *unit, double per, const char *peer_name,
		 const char *note, const struct bench_contender c[BENCH_CONTENDERS]);
/* A counted row. A negative value: there is none. */
void bench_counted(const char *name, const char *unit, bool is_count, double ours, double peer,
		   double limit, const char *peer_name, const char *note);
void bench_print_head(const char *const *lines, size_t count);
void bench_print_summary(void);
const struct bench_row *bench_find(const char *name);
void bench_write_json(const char *path);

/* A bar: the row's ratio to a contender, or its own value, against a bound. */
struct bench_bar {
	const char *row;
	const char *text;
	enum { BENCH_BAR_PEER, BENCH_BAR_LIMIT, BENCH_BAR_AT_MOST } kind;
	double bound;
};
void bench_print_bars(const struct bench_bar *bars, size_t count);

/* ---- heap (heap.c) ---------------------------------------------------------------------------- */

/* malloc and its family are replaced in this process by ones that can count. Counting is off until
 * bench_heap_count; blocks are charged to the account that is selected when they come and go. */
struct bench_heap {
	uint64_t calls; /* malloc, calloc, realloc and the aligned ones */
	int64_t bytes;	/* live: what malloc really handed out, with its own header */
};
void bench_heap_count(struct bench_heap *account); /* NULL: off */

#endif
