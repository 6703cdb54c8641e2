/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: the table in the manner of Google Benchmark, the ratios, the bars, JSON.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define MAX_ROWS 64
#define LINE	 "--------------------------------------------------------------------------------"

static struct bench_row rows[MAX_ROWS];
static size_t row_count;

static const char *const contender_name[BENCH_CONTENDERS] = {"ennead", NULL, "limit"};

bool bench_wanted(const struct bench_options *options, const char *name)
{
	for (size_t i = 0; i < options->only_count; i++) {
		if (strncmp(name, options->only[i], strlen(options->only[i])) == 0) {
			return true;
		}
	}
	return options->only_count == 0;
}

const struct bench_row *bench_find(const char *name)
{
	for (size_t i = 0; i < row_count; i++) {
		if (strcmp(rows[i].name, name) == 0) {
			return &rows[i];
		}
	}
	return NULL;
}

double bench_ratio(const struct bench_row *row, int other)
{
	double add = row->is_count ? 1 : 0;
	double ours = row->value[BENCH_OURS] + add;
	double theirs = row->value[other] + add;

	if (!row->has[other] || ours <= 0 || theirs <= 0) {
		return 0;
	}
	return row->less_is_better ? theirs / ours : ours / theirs;
}

static struct bench_row *add(const char *name, const char *unit, const char *peer_name,
			     const char *note)
{
	BENCH_NEED(row_count < MAX_ROWS);
	struct bench_row *row = &rows[row_count++];
	*row = (struct bench_row){.name = name, .unit = unit, .peer_name = peer_name, .note = note};
	return row;
}

/* "12.3 us" in nine places */
static void print_time(double ns)
{
	if (ns < 1e4) {
		(void)printf("%9.1f ns", ns);
	} else if (ns < 1e7) {
		(void)printf("%9.1f us", ns / 1e3);
	} else {
		(void)printf("%9.1f ms", ns / 1e6);
	}
}

static void print_label(const struct bench_row *row, int i)
{
	char label[96];
	const char *who = i == BENCH_PEER ? row->peer_name : contender_name[i];
	(void)snprintf(label, sizeof(label), "%s/%.*s", row->name, (int)strcspn(who, " "), who);
	(void)printf("%-38s", label);
}

/* Behind the limit's rate: what it is. */
static void print_note(const struct bench_row *row, int i)
{
	if (i == BENCH_LIMIT && row->note != NULL) {
		(void)printf(" (%s)", row->note);
	}
	(void)putchar('\n');
}

void bench_print_head(const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		(void)printf("%s\n", lines[i]);
	}
	(void)printf("%s\n%-38s%12s%12s%11s %s\n%s\n", LINE, "Benchmark", "Best", "Median",
		     "Operations", "Rate", LINE);
}

void bench_timed(const char *name, const char *unit, double per, const char *peer_name,
		 const char *note, const struct bench_contender c[BENCH_CONTENDERS])
{
	struct bench_row *row = add(name, unit, peer_name, note);
	bool bits = per > 1;

	for (int i = 0; i < BENCH_CONTENDERS; i++) {
		if (c[i].run == NULL) {
			continue;
		}
		row->has[i] = true;
		row->value[i] = bits ? per / c[i].best : per * 1e9 / c[i].best;
		print_label(row, i);
		print_time(c[i].best);
		print_time(c[i].median);
		(void)printf("%11zu ", c[i].operations * c[i].turns);
		(void)printf(bits ? "%.2f %s" : "%.0f %s", row->value[i], unit);
		print_note(row, i);
		(void)fflush(stdout);
	}
}

void bench_counted(const char *name, const char *unit, bool is_count, double ours, double peer,
		   double limit, const char *peer_name, const char *note)
{
	struct bench_row *row = add(name, unit, peer_name, note);
	const double value[BENCH_CONTENDERS] = {ours, peer, limit};

	row->less_is_better = true;
	row->is_count = is_count;
	for (int i = 0; i < BENCH_CONTENDERS; i++) {
		row->has[i] = value[i] >= 0;
		if (!row->has[i]) {
			continue;
		}
		row->value[i] = value[i];
		print_label(row, i);
		(void)printf("%12s%12s%11s %g %s", "", "", "", value[i], unit);
		print_note(row, i);
	}
}

/* ---- what it comes to --------------------------------------------------------------------------- */

static void print_value(const struct bench_row *row, int i)
{
	if (!row->has[i]) {
		(void)printf("%11s", "-");
	} else if (row->is_count) {
		(void)printf("%11.3g", row->value[i]);
	} else {
		(void)printf(row->value[i] < 1000 ? "%11.2f" : "%11.0f", row->value[i]);
	}
}

static void print_ratio(const struct bench_row *row, int i)
{
	double ratio = bench_ratio(row, i);
	if (ratio > 0) {
		(void)printf("%8.2f", ratio);
	} else {
		(void)printf("%8s", "-");
	}
}

void bench_print_summary(void)
{
	(void)printf("\n%s\n%-32s%11s%11s%11s%8s%8s\n%s\n", LINE,
		     "Ratios: above 1 Ennead is better", "Ennead", "peer", "limit", "x peer",
		     "x limit", LINE);
	for (size_t i = 0; i < row_count; i++) {
		(void)printf("%-32s", rows[i].name);
		for (int k = 0; k < BENCH_CONTENDERS; k++) {
			print_value(&rows[i], k);
		}
		print_ratio(&rows[i], BENCH_PEER);
		print_ratio(&rows[i], BENCH_LIMIT);
		(void)printf("  %s\n", rows[i].unit);
	}
}

void bench_print_bars(const struct bench_bar *bars, size_t count)
{
	(void)printf("\n%s\nBars\n%s\n", LINE, LINE);
	for (size_t i = 0; i < count; i++) {
		const struct bench_bar *bar = &bars[i];
		const struct bench_row *row = bench_find(bar->row);
		if (row == NULL) {
			continue;
		}
		bool at_most = bar->kind == BENCH_BAR_AT_MOST;
		double have = at_most ? row->value[BENCH_OURS]
				      : bench_ratio(row, bar->kind == BENCH_BAR_PEER ? BENCH_PEER
										     : BENCH_LIMIT);
		bool holds = at_most ? have <= bar->bound : have >= bar->bound;
		(void)printf("%-8s %-32s %s: %g (bar: %s %g)\n", holds ? "holds" : "MISSED",
			     bar->row, bar->text, have, at_most ? "at most" : "at least",
			     bar->bound);
	}
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void write_number(FILE *f, const char *key, bool has, double value)
{
	if (has) {
		(void)fprintf(f, ", \"%s\": %.6g", key, value);
	} else {
		(void)fprintf(f, ", \"%s\": null", key);
	}
}

/* All strings are this program's own and need no escapes. */
void bench_write_json(const char *path)
{
	FILE *f = fopen(path, "w");
	if (f == NULL) {
		bench_die("%s cannot be written", path);
	}
	(void)fputs("[\n", f);
	for (size_t i = 0; i < row_count; i++) {
		const struct bench_row *r = &rows[i];
		double peer = bench_ratio(r, BENCH_PEER);
		double limit = bench_ratio(r, BENCH_LIMIT);
		(void)fprintf(f, "  {\"name\": \"%s\", \"unit\": \"%s\"", r->name, r->unit);
		write_number(f, "ours", r->has[BENCH_OURS], r->value[BENCH_OURS]);
		write_number(f, "peer", r->has[BENCH_PEER], r->value[BENCH_PEER]);
		(void)fprintf(f, ", \"peer_name\": \"%s\"", r->peer_name);
		write_number(f, "limit", r->has[BENCH_LIMIT], r->value[BENCH_LIMIT]);
		write_number(f, "ratio_peer", peer > 0, peer);
		write_number(f, "ratio_limit", limit > 0, limit);
		(void)fprintf(f, "}%s\n", i + 1 < row_count ? "," : "");
	}
	(void)fputs("]\n", f);
	if (fclose(f) != 0) {
		bench_die("%s cannot be written", path);
	}
}
