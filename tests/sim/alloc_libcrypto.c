/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc_libcrypto: libcrypto's own allocations fail, one by one, while two engines
 * use it. Whatever libcrypto makes of it: nobody crashes, hangs or leaks, and
 * nobody who should have been refused is let in.
 *
 *   alloc_libcrypto [--every N]                 each N-th allocation; default 1
 *   alloc_libcrypto --one CASE N [for-good]     one of them, with every step
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invariants.h"
#include "shapes.h"

static const char *program;

/* ---- libcrypto's allocator ------------------------------------------------------------------- */

static struct {
	bool on;
	bool for_good;
	bool failed;
	uint64_t count, fail_at;
} starve;

static bool refuse(void)
{
	if (!starve.on) {
		return false;
	}
	starve.count++;
	bool no = starve.count == starve.fail_at ||
		  (starve.for_good && starve.count > starve.fail_at);
	starve.failed = starve.failed || no;
	return no;
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return refuse() ? NULL : malloc(size);
}

static void *crypto_realloc(void *ptr, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size == 0) {
		free(ptr);
		return NULL;
	}
	return refuse() ? NULL : realloc(ptr, size);
}

static void crypto_free(void *ptr, const char *file, int line)
{
	(void)file;
	(void)line;
	free(ptr);
}

/* ---- cases ---------------------------------------------------------------------------------------- */

/* The server's certificate is from nobody the client trusts. */
static void wrong_authority(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7101, 1);
	s->connection[0].side[0].trust = SIM_TRUST_STRANGER;
}

static void wrong_name(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7102, 1);
	s->connection[0].side[0].wrong_name = true;
}

/* The client's is, and the server requires one. */
static void wrong_client(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7103, 1);
	s->connection[0].side[0].has_certificate = true;
	s->connection[0].side[1].require_client = true;
	s->connection[0].side[1].trust = SIM_TRUST_STRANGER;
}

static void wrong_psk(struct sim_scenario *s)
{
	sim_shapes[3].make(s);
	s->connection[0].side[0].psk = SIM_PSK_OTHER_KEY;
}

static const struct {
	const char *name;
	void (*make)(struct sim_scenario *s);
	int never_ready; /* the side that must not become ready: 0 client, 1 server; -1: both may */
} cases[] = {
	{"wrong-authority", wrong_authority, 0},
	{"wrong-name", wrong_name, 0},
	{"wrong-client", wrong_client, 1},
	{"wrong-psk", wrong_psk, 1},
	{"full", NULL, -1},
	{"mutual", NULL, -1},
	{"retry", NULL, -1},
	{"psk_ke", NULL, -1},
	{"early", NULL, -1},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void make(size_t at, struct sim_scenario *s)
{
	if (cases[at].make != NULL) {
		cases[at].make(s);
	} else {
		for (size_t i = 0; i < SIM_SHAPES; i++) {
			if (strcmp(sim_shapes[i].name, cases[at].name) == 0) {
				sim_shapes[i].make(s);
			}
		}
	}
	s->libcrypto = true;
	for (size_t i = 0; i < s->count; i++) {
		s->connection[i].replay = false;
	}
}

/* ---- runs --------------------------------------------------------------------------------------------- */

static void begin(struct sim_run *run)
{
	(void)run;
	starve.on = true;
}

static bool run_starved(struct sim_lab *lab, size_t at, uint64_t n, bool for_good)
{
	static struct sim_scenario s;
	struct sim_run r;

	make(at, &s);
	starve.on = false;
	starve.failed = false;
	starve.count = 0;
	starve.fail_at = n;
	starve.for_good = for_good;
	sim_run_init(&r, lab, &s);
	r.starve_libcrypto = begin;
	sim_run_all(&r);
	starve.on = false;
	if (cases[at].never_ready >= 0 && r.was_ready[cases[at].never_ready]) {
		sim_violation(&r, "who must be refused was let in");
	}
	bool ok = !sim_violated(&r);
	if (!ok) {
		printf("# %s\n# replay: %s --one %s %llu%s\n", r.violation, program, cases[at].name,
		       (unsigned long long)n, for_good ? " for-good" : "");
	}
	sim_run_free(&r);
	return ok;
}

static bool sweep(struct sim_lab *lab, size_t at, bool for_good, uint64_t every, unsigned test)
{
	uint64_t n = 1;
	bool ok = true;

	do {
		ok = run_starved(lab, at, n, for_good) && ok;
		n += every;
	} while (starve.failed);
	printf("%s %u - no memory for libcrypto%s: %s\n# %llu allocations\n", ok ? "ok" : "not ok",
	       test, for_good ? " any more" : "", cases[at].name, (unsigned long long)starve.count);
	fflush(stdout);
	return ok && starve.count > 2; /* X25519 alone takes so many */
}

static int one(struct sim_lab *lab, int argc, char **argv)
{
	lab->verbose = true;
	for (size_t i = 0; i < CASES; i++) {
		if (strcmp(argv[0], cases[i].name) == 0) {
			return run_starved(lab, i, strtoull(argv[1], NULL, 10), argc > 2)
				       ? EXIT_SUCCESS
				       : EXIT_FAILURE;
		}
	}
	fprintf(stderr, "%s: there is no such case\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static struct sim_lab lab;
	uint64_t every = 1;
	unsigned test = 0;
	bool ok = true;

	program = argv[0];
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1) {
		fprintf(stderr, "%s: libcrypto allocated before main\n", program);
		return 2;
	}
	sim_lab_open(&lab);
	if (argc >= 4 && strcmp(argv[1], "--one") == 0) {
		return one(&lab, argc - 2, argv + 2);
	}
	if (argc == 3 && strcmp(argv[1], "--every") == 0) {
		every = strtoull(argv[2], NULL, 10);
	}
	printf("TAP version 13\n1..%zu\n", 2 * CASES);
	for (int for_good = 0; for_good < 2; for_good++) {
		for (size_t i = 0; i < CASES; i++) {
			ok = sweep(&lab, i, for_good != 0, every > 0 ? every : 1, ++test) && ok;
		}
	}
	sim_lab_close(&lab);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
