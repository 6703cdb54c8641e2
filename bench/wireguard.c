/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_wireguard: the rows of WireGuard that need no network. See README.md.
 */
#include <stdio.h>

#include "wireguard.h"

#define TRANSPORT  "wireguard.transport.1400"
#define HANDSHAKE  "wireguard.handshake"
#define MEMORY	   "wireguard.memory.peer"
#define LOAD	   "wireguard.load.100k"
#define LOAD_PEERS 100000

static const char *const no_peer = "-"; /* wireguard-go cannot be called from C */

static const struct bench_bar bars[] = {
	{TRANSPORT, "of the raw AEAD", BENCH_BAR_LIMIT, 0.9},
	{HANDSHAKE, "of the X25519 limit", BENCH_BAR_LIMIT, 0.85},
	{MEMORY, "heap bytes of a configured idle peer", BENCH_BAR_AT_MOST, 2048},
	{LOAD, "seconds to configure 100,000 peers", BENCH_BAR_AT_MOST, 2},
};

static void run_timed(const struct bench_options *options, const char *name, bool transport)
{
	if (!bench_wanted(options, name)) {
		return;
	}
	struct wg_ours *ours = wg_ours_new();
	struct wg_limit *limit = wg_limit_new();
	struct bench_contender c[BENCH_CONTENDERS] = {
		[BENCH_OURS] = {.ctx = ours,
				.run = transport ? wg_ours_transport : wg_ours_handshakes},
		[BENCH_LIMIT] = {.ctx = limit,
				 .run = transport ? wg_limit_transport : wg_limit_handshakes},
	};

	bench_race(options, c);
	bench_timed(name, transport ? "packets/s" : "1/s", 1, no_peer,
		    transport ? wg_limit_aead_name(limit) : wg_limit_x25519_name(limit), c);
	wg_ours_free(ours);
	wg_limit_free(limit);
}

static void run_load(const struct bench_options *options)
{
	if (!bench_wanted(options, MEMORY) && !bench_wanted(options, LOAD)) {
		return;
	}
	struct wg_load load = wg_ours_load(LOAD_PEERS);
	if (bench_wanted(options, MEMORY)) {
		bench_counted(MEMORY, "bytes", false, load.bytes, -1, wg_limit_peer(), no_peer,
			      "keys, endpoint, timestamp and two prefixes");
	}
	if (bench_wanted(options, LOAD)) {
		bench_counted(LOAD, "s", false, load.seconds, -1, -1, no_peer, NULL);
	}
}

static void print_head(const struct bench_options *options)
{
	struct wg_ours *o = wg_ours_new();
	char stacks[256];
	char machine[128];
	char how[160];
	int core = bench_pin();

	(void)snprintf(stacks, sizeof(stacks), "Ennead on %s", wg_ours_describe(o));
	(void)snprintf(machine, sizeof(machine), "both ends in one thread on core %d", core);
	(void)snprintf(how, sizeof(how), "%u turns of %.0f ms of each contender, interleaved",
		       options->turns, options->turn_seconds * 1e3);
	const char *lines[] = {stacks, machine, how};
	bench_print_head(lines, 3);
	wg_ours_free(o);
}

int main(int argc, char **argv)
{
	struct bench_options options = {.turns = 21, .turn_seconds = 0.02, .alone = -1};

	bench_parse(argc, argv, "bench_wireguard", "none", &options);
	if (options.list) {
		(void)puts(TRANSPORT "\n" HANDSHAKE "\n" MEMORY "\n" LOAD);
		return 0;
	}
	print_head(&options);
	run_timed(&options, TRANSPORT, true);
	run_timed(&options, HANDSHAKE, false);
	run_load(&options);
	bench_print_summary();
	if (options.bars) {
		bench_print_bars(bars, sizeof(bars) / sizeof(bars[0]));
	}
	if (options.json != NULL) {
		bench_write_json(options.json);
	}
	return 0;
}
