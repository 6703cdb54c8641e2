/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc_wireguard: two interfaces of which one gets no memory, or no random bytes, at
 * its n-th request, for every n.
 *
 *   alloc_wireguard [--every K]              everything, or every K-th n
 *   alloc_wireguard --one SHAPE WHAT N       one of them, with every step
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_check.h"
#include "wireguard_world.h"

static const char *program;
static const char *const whats[3] = {"memory-once", "memory-for-good", "random"};

/* ---- what goes on --------------------------------------------------------------------------------- */

static void plan(struct dgram_scenario *s, const struct wg_plan *p)
{
	memcpy(s->own, p, sizeof(*p));
}

static void add_deed(struct dgram_scenario *s, unsigned kind, uint8_t target, enn_time at)
{
	const struct dgram_deed d = {.kind = (uint8_t)kind,
				     .target = target,
				     .at = at,
				     .every = ENN_SECOND,
				     .length = ENN_SECOND,
				     .count = 2};
	(void)dgram_add_deed(s, &d);
}

static void traffic(struct dgram_scenario *s)
{
	static const struct wg_plan known = {
		.mtu = {1420, 1420, 1420},
		.view = {{{0, 4, 0}, {1, 4, 25}}, {{1, 4, 0}}},
		.pair = {{{0, 0, 0}, {0, 1, 0}}},
	};

	s->troubles |= UINT64_C(1) << WG_PSK | UINT64_C(1) << WG_KEEPALIVE;
	plan(s, &known);
}

/* Cookies, new sessions by hand, keys and peers that change. */
static void change(struct dgram_scenario *s)
{
	static const struct wg_plan loaded = {
		.mtu = {1420, 1420, 1420},
		.load = {1, 1},
		.view = {{{0, 4, 0}, {1, 4, 0}}, {{1, 6, 0}}},
	};

	s->troubles |= UINT64_C(1) << WG_LOAD | UINT64_C(1) << WG_SIX;
	s->storm = 30 * ENN_SECOND;
	s->flow[0].count = s->flow[1].count = 12;
	s->flow[0].gap_max = s->flow[1].gap_max = 2 * ENN_SECOND;
	add_deed(s, WG_DEED_REKEY, 0, 8 * ENN_SECOND);
	add_deed(s, WG_DEED_REMOVE, 1, 14 * ENN_SECOND);
	add_deed(s, WG_DEED_SAME, 1, 17 * ENN_SECOND);
	add_deed(s, WG_DEED_NEW_KEY, 0, 20 * ENN_SECOND);
	plan(s, &loaded);
}

/* Ages of keys. */
static void age(struct dgram_scenario *s)
{
	traffic(s);
	s->storm = 400 * ENN_SECOND;
	s->flow[0].count = 20;
	s->flow[0].gap_min = 5 * ENN_SECOND;
	s->flow[0].gap_max = 30 * ENN_SECOND;
	s->flow[1].count = 3;
	s->flow[1].gap_min = s->flow[1].gap_max = 170 * ENN_SECOND;
}

static const struct {
	const char *name;
	void (*make)(struct dgram_scenario *s);
} shapes[] = {{"traffic", traffic}, {"change", change}, {"age", age}};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* ---- one run -------------------------------------------------------------------------------------- */

/* Who is denied something once goes on: at the end the two reach each other, unless the engine could
 * not even be made, or says that it failed. */
static void check_recovery(struct dgram_world *w)
{
	const struct dgram_end *end = w->host[w->starve.host].end[0];

	if (w->starve.for_good || end == NULL || end->failed) {
		return;
	}
	for (unsigned a = 0; a < 2; a++) {
		if (!w->reached[a][!a]) {
			dgram_violation(w,
					"%s does not reach %s though %s was denied something "
					"only once",
					w->host[a].name, w->host[!a].name,
					w->host[w->starve.host].name);
		}
	}
}

static void check_starved(struct dgram_world *w)
{
	wg_check_end(w);
	check_recovery(w);
}

static bool run_starved(struct dgram_lab *lab, size_t shape, int what, unsigned host, uint64_t n,
			bool *starved)
{
	static struct dgram_scenario s;
	struct dgram_world *w = dgram_need(calloc(1, sizeof(*w)));

	dgram_scenario_plain(&s, 4000 + shape);
	s.libcrypto = true;
	shapes[shape].make(&s);
	w->starve.host = host;
	w->starve.for_good = what == 1;
	w->starve.allocation = what < 2 ? n : 0;
	w->starve.random = what == 2 ? n : 0;
	dgram_run(w, lab, &s);
	*starved = w->host[host].heap.failed || w->host[host].random_failed;
	bool ok = !dgram_violated(w);
	if (!ok) {
		printf("# %s\n# replay: %s --one %s %s %llu (host %c)\n", w->violation, program,
		       shapes[shape].name, whats[what], (unsigned long long)(2 * n + host),
		       'A' + (int)host);
	}
	free(w);
	return ok;
}

static bool sweep(struct dgram_lab *lab, size_t shape, int what, uint64_t every, unsigned test)
{
	uint64_t runs = 0;
	bool ok = true;

	for (unsigned host = 0; host < 2; host++) {
		bool starved = true;
		for (uint64_t n = 1; starved; n += every, runs++) {
			ok = run_starved(lab, shape, what, host, n, &starved) && ok;
		}
	}
	ok = ok && runs > 2;
	printf("%s %u - %s at every request of %s\n# %llu runs\n", ok ? "ok" : "not ok", test,
	       whats[what], shapes[shape].name, (unsigned long long)runs);
	fflush(stdout);
	return ok;
}

static int one(struct dgram_lab *lab, char **argv)
{
	unsigned long long n = strtoull(argv[2], NULL, 10);
	bool starved;

	lab->verbose = true;
	for (size_t i = 0; i < SHAPES; i++) {
		for (int what = 0; what < 3; what++) {
			if (strcmp(argv[0], shapes[i].name) == 0 &&
			    strcmp(argv[1], whats[what]) == 0) {
				return run_starved(lab, i, what, n % 2, n / 2, &starved)
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
	static struct dgram_lab lab;
	static struct dgram_protocol protocol;
	uint64_t every = 1;
	unsigned test = 0;
	bool ok = true;

	program = argv[0];
	protocol = wg_protocol;
	protocol.check_end = check_starved;
	dgram_lab_open(&lab, &protocol);
	if (argc == 5 && strcmp(argv[1], "--one") == 0) {
		int result = one(&lab, argv + 2);
		dgram_lab_close(&lab);
		return result;
	}
	if (argc == 3 && strcmp(argv[1], "--every") == 0 && atoi(argv[2]) > 0) {
		every = strtoull(argv[2], NULL, 10);
	}
	printf("TAP version 13\n1..%zu\n", 3 * SHAPES);
	for (int what = 0; what < 3; what++) {
		for (size_t i = 0; i < SHAPES; i++) {
			ok = sweep(&lab, i, what, every, ++test) && ok;
		}
	}
	dgram_lab_close(&lab);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
