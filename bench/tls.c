/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_tls: the rows of TLS 1.3 and 1.2. See README.md.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

#define AES128		   "TLS_AES_128_GCM_SHA256"
#define AES256		   "TLS_AES_256_GCM_SHA384"
#define CHACHA		   "TLS_CHACHA20_POLY1305_SHA256"
#define AES128_12	   "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
#define ALLOCATION_RECORDS 1000

static struct tls_pki pki;
static char peer_name[64];

/* ---- timed rows ------------------------------------------------------------------------------------ */

struct row {
	const char *name;
	const char *suite;
	enum { HANDSHAKE, BULK, BULK_SINGLE } kind;
	void (*limit)(void *ctx, size_t n);
	size_t record;
	unsigned tickets;
	bool resume;
	bool mutual;
	bool cached_chain;
};

/* clang-format off */
static const struct row timed_rows[] = {
	{"tls13.handshake.full", AES128, HANDSHAKE, limit_full, TLS_MESSAGE, 0, false, false, false},
	{"tls13.handshake.resumed", AES128, HANDSHAKE, limit_resumed, TLS_MESSAGE, 0, true, false, false},
	{"tls13.handshake.full.ticket", AES128, HANDSHAKE, limit_full, TLS_MESSAGE, 1, false, false, false},
	{"tls13.handshake.resumed.ticket", AES128, HANDSHAKE, limit_resumed, TLS_MESSAGE, 1, true, false, false},
	{"tls13.handshake.full.cached-chain", AES128, HANDSHAKE, limit_known_chain, TLS_MESSAGE, 0, false, false, true},
	{"tls13.handshake.mutual", AES128, HANDSHAKE, limit_mutual, TLS_MESSAGE, 0, false, true, false},
	{"tls12.handshake.full", AES128_12, HANDSHAKE, limit_full, TLS_MESSAGE, 0, false, false, false},
	{"tls12.handshake.full.cached-chain", AES128_12, HANDSHAKE, limit_known_chain, TLS_MESSAGE, 0, false, false, true},
	{"tls12.handshake.resumed", AES128_12, HANDSHAKE, NULL, TLS_MESSAGE, 0, true, false, false},
	{"tls12.bulk.16k", AES128_12, BULK, limit_bulk, 16384, 0, false, false, false},
	{"tls12.bulk.1k", AES128_12, BULK, limit_bulk, 1024, 0, false, false, false},
	{"tls.bulk.16k", AES128, BULK, limit_bulk, 16384, 0, false, false, false},
	{"tls.bulk.1k", AES128, BULK, limit_bulk, 1024, 0, false, false, false},
	{"tls.bulk.1k.single", AES128, BULK_SINGLE, limit_bulk_single, 1024, 0, false, false, false},
	{"tls.bulk.16k.aes256", AES256, BULK, limit_bulk, 16384, 0, false, false, false},
	{"tls.bulk.16k.chacha20", CHACHA, BULK, limit_bulk, 16384, 0, false, false, false},
	{"tls.bulk.1k.chacha20", CHACHA, BULK, limit_bulk, 1024, 0, false, false, false},
};
/* clang-format on */

static struct tls_setup setup_of(const struct row *row)
{
	return (struct tls_setup){
		.pki = &pki,
		.suite = row->suite,
		.tickets = row->tickets,
		.resume = row->resume,
		.mutual = row->mutual,
		.cached_chain = row->cached_chain,
		.record = row->record,
	};
}

static void race_handshakes(const struct bench_options *options, const struct row *row,
			    struct bench_contender c[BENCH_CONTENDERS])
{
	c[BENCH_OURS].run = ours_handshakes;
	c[BENCH_PEER].run = libssl_handshakes;
	bench_race(options, c);
	bench_timed(row->name, "1/s", 1, peer_name,
		    row->resume	  ? "2 X25519 key generations, 2 derivations"
		    : row->mutual ? "2 X25519 key generations, 2 derivations, 2 ECDSA signatures, "
				    "4 verifications"
		    : row->cached_chain
			    ? "2 X25519 key generations, 2 derivations, 1 ECDSA signature, "
			      "1 verification"
			    : "2 X25519 key generations, 2 derivations, 1 ECDSA signature, "
			      "2 verifications",
		    c);
}

static void race_bulk(const struct bench_options *options, const struct row *row,
		      struct bench_contender c[BENCH_CONTENDERS])
{
	bool single = row->kind == BULK_SINGLE;
	double bits = 8.0 * (double)(single ? row->record : TLS_MESSAGE);

	ours_connect(c[BENCH_OURS].ctx);
	libssl_connect(c[BENCH_PEER].ctx);
	c[BENCH_OURS].run = single ? ours_bulk_single : ours_bulk;
	c[BENCH_PEER].run = single ? libssl_bulk_single : libssl_bulk;
	bench_race(options, c);
	bench_timed(row->name, "Gbit/s", bits, peer_name, limit_aead_name(c[BENCH_LIMIT].ctx), c);
	ours_disconnect(c[BENCH_OURS].ctx);
	libssl_disconnect(c[BENCH_PEER].ctx);
}

static void run_timed(const struct bench_options *options, const struct row *row)
{
	struct tls_setup setup = setup_of(row);
	struct ours *ours = ours_new(&setup);
	struct libssl *libssl = libssl_new(&setup);
	struct limit *limit = limit_new(&setup);
	struct bench_contender c[BENCH_CONTENDERS] = {
		[BENCH_OURS] = {.ctx = ours},
		[BENCH_PEER] = {.ctx = libssl},
		[BENCH_LIMIT] = {.ctx = limit, .run = row->limit},
	};

	if (row->kind == HANDSHAKE) {
		race_handshakes(options, row, c);
	} else {
		race_bulk(options, row, c);
	}
	ours_free(ours);
	libssl_free(libssl);
	limit_free(limit);
}

/* ---- counted rows -------------------------------------------------------------------------------------- */

static const struct row counted = {
	"tls.memory.idle", AES128, HANDSHAKE, NULL, TLS_MESSAGE, 2, false, false, false};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* Two tickets: the default of both. */
static void run_memory(const struct bench_options *options)
{
	struct tls_setup setup = setup_of(&counted);
	double ours[2];
	double peer[2];

	if (!bench_wanted(options, "tls.memory.idle")) {
		return;
	}
	struct ours *o = ours_new(&setup);
	struct libssl *l = libssl_new(&setup);
	struct limit *limit = limit_new(&setup);
	ours_idle(o, &ours[0], &ours[1]);
	libssl_idle(l, &peer[0], &peer[1]);
	double least = limit_idle(limit);
	const char *note = "two keyed AEADs, secrets, IVs and counters";
	bench_counted("tls.memory.idle", "bytes", false, larger(ours[0], ours[1]),
		      larger(peer[0], peer[1]), least, peer_name, note);
	bench_counted("tls.memory.idle.client", "bytes", false, ours[0], peer[0], least, peer_name,
		      note);
	bench_counted("tls.memory.idle.server", "bytes", false, ours[1], peer[1], least, peer_name,
		      note);
	ours_free(o);
	libssl_free(l);
	limit_free(limit);
}

static double allocations(void (*run)(void *ctx, size_t n), void *ctx)
{
	struct bench_heap heap = {.calls = 0};

	run(ctx, 16); /* what grows once and stays is no allocation per record */
	bench_heap_count(&heap);
	run(ctx, ALLOCATION_RECORDS);
	bench_heap_count(NULL);
	return (double)heap.calls / ALLOCATION_RECORDS;
}

static void run_allocations(const struct bench_options *options)
{
	struct tls_setup setup = setup_of(&counted);

	if (!bench_wanted(options, "tls.allocations.record")) {
		return;
	}
	struct ours *o = ours_new(&setup);
	struct libssl *l = libssl_new(&setup);
	ours_connect(o);
	libssl_connect(l);
	bench_counted("tls.allocations.record", "calls", true, allocations(ours_bulk, o),
		      allocations(libssl_bulk, l), 0, peer_name, "none");
	ours_disconnect(o);
	libssl_disconnect(l);
	ours_free(o);
	libssl_free(l);
}

/* ---- the bars of the project --------------------------------------------------------------------------------- */

static const struct bench_bar bars[] = {
	{"tls13.handshake.full", "times libssl", BENCH_BAR_PEER, 1.2},
	/* As the library is when nothing is configured. With its memory of validated chains off,
	 * libcrypto's parsing of certificates alone keeps any TLS below 0.83 (bench/README.md). */
	{"tls13.handshake.full.cached-chain", "of the primitive limit", BENCH_BAR_LIMIT, 0.85},
	{"tls13.handshake.resumed", "times libssl", BENCH_BAR_PEER, 1.5},
	{"tls13.handshake.resumed", "of the primitive limit", BENCH_BAR_LIMIT, 0.85},
	{"tls.bulk.16k", "times libssl", BENCH_BAR_PEER, 2},
	{"tls.bulk.16k", "of the raw AEAD", BENCH_BAR_LIMIT, 0.9},
	{"tls.bulk.16k.chacha20", "times libssl", BENCH_BAR_PEER, 1},
	{"tls.bulk.1k.chacha20", "times libssl", BENCH_BAR_PEER, 1},
	{"tls.allocations.record", "heap allocations a record", BENCH_BAR_AT_MOST, 0},
	{"tls.memory.idle", "heap bytes of an idle connection", BENCH_BAR_AT_MOST, 6144},
};

/* ---- main ------------------------------------------------------------------------------------------------------ */

static void list_rows(void)
{
	for (size_t i = 0; i < sizeof(timed_rows) / sizeof(timed_rows[0]); i++) {
		(void)puts(timed_rows[i].name);
	}
	(void)puts("tls.memory.idle\ntls.memory.idle.client\ntls.memory.idle.server\n"
		   "tls.allocations.record");
}

static void print_head(const struct bench_options *options)
{
	struct tls_setup setup = setup_of(&counted);
	struct ours *o = ours_new(&setup);
	char machine[128];
	char stacks[256];
	char how[160];
	int core = bench_pin();

	(void)snprintf(stacks, sizeof(stacks), "Ennead on %s; peer %s", ours_describe(o),
		       peer_name);
	(void)snprintf(machine, sizeof(machine), "client and server in one thread on core %d",
		       core);
	(void)snprintf(how, sizeof(how), "%u turns of %.0f ms of each contender, interleaved",
		       options->turns, options->turn_seconds * 1e3);
	const char *lines[] = {stacks, machine, how};
	bench_print_head(lines, 3);
	ours_free(o);
}

int main(int argc, char **argv)
{
	struct bench_options options = {.turns = 21, .turn_seconds = 0.02, .alone = -1};

	bench_parse(argc, argv, "bench_tls", "libssl", &options);
	if (options.list) {
		list_rows();
		return 0;
	}
	(void)snprintf(peer_name, sizeof(peer_name), "OpenSSL %s",
		       OpenSSL_version(OPENSSL_VERSION_STRING));
	tls_pki_make(&pki);
	print_head(&options);
	for (size_t i = 0; i < sizeof(timed_rows) / sizeof(timed_rows[0]); i++) {
		if (bench_wanted(&options, timed_rows[i].name)) {
			run_timed(&options, &timed_rows[i]);
		}
	}
	run_memory(&options);
	run_allocations(&options);
	bench_print_summary();
	if (options.bars) {
		bench_print_bars(bars, sizeof(bars) / sizeof(bars[0]));
	}
	if (options.json != NULL) {
		bench_write_json(options.json);
	}
	tls_pki_free(&pki);
	return 0;
}
