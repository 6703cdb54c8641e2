/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_dgram: the simulator over datagrams, tested with a toy protocol.
 *
 *   sim_dgram                        the sound toy passes, and each defect is found and made small
 *   sim_dgram --defect NAME [...]    as the other programs (dgram_main.h), with that toy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_main.h"
#include "dgram_toy.h"

#define SOUND_SEEDS  1500u
#define DEFECT_SEEDS 400u /* at most, until it is found */

static const uint8_t key[16] = {0x4b, 0x19, 0x83, 0xe6, 0x2f, 0xc5, 0x70, 0x9a,
				0xd1, 0x3c, 0x58, 0xf4, 0x07, 0xbe, 0x61, 0xa2};
static enum toy_defect defect;

/* ---- the protocol -------------------------------------------------------------------------------- */

static void toy_open(struct dgram_world *w)
{
	sim_scan_add(&w->scan, key, sizeof(key), "the key");
}

/* Every other host has an acceptor, where that is on. */
#define TOY_LISTEN DGRAM_OWN
static const char *const own_troubles[] = {"listen"};

static void toy_draw(struct dgram_scenario *s, struct sim_rng *r)
{
	s->troubles |= (uint64_t)sim_rng_chance(r, 30) << TOY_LISTEN;
}

static bool listens(const struct dgram_scenario *s, unsigned host)
{
	return dgram_has(s, TOY_LISTEN) && host % 2 == 1;
}

static enum enn_status toy_make(struct dgram_host *h)
{
	struct enn_address peers[TOY_PEERS];
	struct enn_engine *e = NULL;

	for (unsigned i = 0; i < TOY_PEERS; i++) {
		peers[i] = dgram_address(&h->w->net, i, ENN_FAMILY_IPV4);
	}
	if (listens(h->w->s, h->index)) {
		return toy_acceptor_new(&h->env, defect, h->index, peers, key, &h->acceptor);
	}
	enum enn_status status = toy_new(&h->env, defect, h->index, peers, key, &e);
	if (status == ENN_OK) {
		(void)dgram_adopt(h, e);
	}
	return status;
}

static size_t toy_wrap(struct dgram_world *w, const struct dgram_message *m, const uint8_t *payload,
		       uint8_t *out)
{
	(void)w;
	out[0] = m->to;
	memcpy(out + 1, payload, m->len);
	return 1u + m->len;
}

static bool toy_unwrap(struct dgram_end *end, const struct enn_event *event,
		       const uint8_t **payload, size_t *len, unsigned *from)
{
	(void)end;
	*from = event->u.received.data[0];
	*payload = event->u.received.data + 1;
	*len = event->u.received.len - 1;
	return *from + 1 == event->peer;
}

static const char *toy_describe(const uint8_t *data, size_t len)
{
	static const char *const names[] = {"hello", "reply", "data"};
	return len > 0 && data[0] >= 1 && data[0] <= 3 ? names[data[0] - 1] : "noise";
}

static bool toy_trusts(const struct dgram_host *h, const struct enn_address *a)
{
	(void)h;
	return a->family == ENN_FAMILY_IPV4 && a->ip[0] != 198; /* what it was configured with */
}

static size_t toy_memory(const struct dgram_host *h)
{
	(void)h;
	return 30000 + 4 * 64 * 1600; /* with full queues */
}

static bool toy_lossless(const struct dgram_scenario *s)
{
	unsigned sum[DGRAM_HOSTS][DGRAM_HOSTS] = {{0}};

	for (size_t i = 0; i < s->flows; i++) { /* no more than may wait */
		const struct dgram_flow *f = &s->flow[i];
		sum[f->from][f->to] += f->off ? 0 : (unsigned)f->count * f->burst;
		if (sum[f->from][f->to] > 64) {
			return false;
		}
	}
	for (unsigned h = 0; h < s->hosts; h++) {
		if (s->host[h].nat == DGRAM_NAT_STRICT) {
			return false;
		}
	}
	return true;
}

static enum dgram_reach toy_reach(struct dgram_world *w, unsigned from, unsigned to,
				  const char **why)
{
	(void)to;
	if (listens(w->s, from)) {
		*why = "nobody has asked";
		return DGRAM_REACH_MAYBE;
	}
	*why = "addresses that nobody knows any more";
	for (size_t i = 0; i < w->s->deeds; i++) {
		const struct dgram_deed *d = &w->s->deed[i];
		if (!d->off && (d->kind == DGRAM_DEED_REBIND || d->kind == DGRAM_DEED_MOVE)) {
			return DGRAM_REACH_MAYBE;
		}
	}
	for (unsigned h = 0; h < w->s->hosts; h++) {
		if (w->s->host[h].nat == DGRAM_NAT_STRICT) {
			return DGRAM_REACH_MAYBE;
		}
	}
	return DGRAM_REACH_YES;
}

static size_t toy_forge(struct dgram_world *w, unsigned target, bool first, struct sim_rng *r,
			uint8_t *out, size_t cap)
{
	size_t len = first ? TOY_HELLO : (size_t)sim_rng_range(r, 1, cap);

	sim_rng_fill(r, out, len);
	out[0] = first ? 1 : (uint8_t)sim_rng_range(r, 0, 4);
	if (len > 1) {
		out[1] = (uint8_t)((target + 1) % w->s->hosts);
	}
	return len;
}

static const struct dgram_protocol toy = {
	.name = "toy",
	.troubles = own_troubles,
	.trouble_count = 1,
	.storm_least = 2 * ENN_SECOND,
	.storm_most = 40 * ENN_SECOND,
	.settle = 20 * ENN_SECOND,
	.probe_every = 5 * ENN_SECOND,
	.probes = 6,
	.amplification = 100,
	.draw = toy_draw,
	.open = toy_open,
	.make = toy_make,
	.wrap = toy_wrap,
	.unwrap = toy_unwrap,
	.describe = toy_describe,
	.trusts = toy_trusts,
	.memory = toy_memory,
	.lossless = toy_lossless,
	.reach = toy_reach,
	.forge = toy_forge,
};

/* ---- the tests ----------------------------------------------------------------------------------- */

/* What each defect must be called, and a part without which it cannot show itself. */
static const struct {
	const char *says;
	const char *needs[4]; /* one of these, if any, is left when it has been made small */
} expected[TOY_DEFECTS] = {
	[TOY_TWICE] = {"twice", {"duplicate", "deed:"}},
	[TOY_TRUSTING] = {"", {"corrupt", "truncate", "extend", "deed:"}},
	[TOY_PLAIN] = {"transmits plaintext", {NULL}},
	[TOY_KEY] = {"transmits the key", {NULL}},
	[TOY_BUSY] = {"called again at once", {NULL}},
	[TOY_LOUD] = {"knows only by", {"deed:"}},
	[TOY_FORGETFUL] = {"was lost though", {NULL}},
	[TOY_HOARDER] = {"bytes of memory", {NULL}},
	[TOY_LEAKY] = {"not given back", {NULL}},
	[TOY_ORDER] = {"not the oldest", {NULL}},
	[TOY_DEAF] = {"does not reach", {NULL}},
};

static bool sound(struct dgram_lab *lab)
{
	static struct dgram_scenario s;
	struct dgram_totals totals = {0};
	bool ok = true;

	defect = TOY_SOUND;
	for (uint64_t seed = 1; seed <= SOUND_SEEDS; seed++) {
		struct dgram_result result, again;
		dgram_scenario_draw(&s, &toy, seed);
		dgram_run_scenario(lab, &s, &totals, &result);
		if (result.kind != NULL) {
			printf("# seed %llu: %s\n", (unsigned long long)seed, result.violation);
			ok = false;
		}
		if (seed % 10 == 0) {
			dgram_run_scenario(lab, &s, NULL, &again);
			ok = ok && again.hash == result.hash;
		}
	}
	printf("# %llu messages given, %llu delivered, %llu runs loss-free, %llu pairs reach each "
	       "other, %llu need not\n",
	       (unsigned long long)totals.given, (unsigned long long)totals.delivered,
	       (unsigned long long)totals.lossless, (unsigned long long)totals.pairs,
	       (unsigned long long)totals.apart);
	return ok && totals.delivered > 10000 && totals.lossless > 100;
}

/* Some part that is still on has that name, or begins so. */
static bool left_over(const struct dgram_scenario *s, const char *const *needs)
{
	char name[64];

	for (size_t part = 0; part < dgram_parts(); part++) {
		dgram_part_name(s, &toy, part, name, sizeof(name));
		for (size_t i = 0; i < 4 && needs[i] != NULL; i++) {
			if (strncmp(name, needs[i], strlen(needs[i])) == 0) {
				return true;
			}
		}
	}
	return needs[0] == NULL;
}

static bool found(struct dgram_lab *lab, enum toy_defect which)
{
	static struct dgram_scenario s, whole;
	static char parts[4096];
	struct dgram_result result;

	defect = which;
	for (uint64_t seed = 1; seed <= DEFECT_SEEDS; seed++) {
		dgram_scenario_draw(&s, &toy, seed);
		dgram_run_scenario(lab, &s, NULL, &result);
		if (result.kind == NULL || strstr(result.violation, expected[which].says) == NULL) {
			continue; /* a defect may show itself in more than one way */
		}
		parts[0] = '\0';
		unsigned runs = dgram_shrink(lab, &s, &result, parts, sizeof(parts));
		printf("# seed %llu: %s\n# %u runs to make it small; without %s\n",
		       (unsigned long long)seed, result.violation, runs, parts);
		/* the names that are printed lead to the same scenario again */
		struct dgram_result replayed;
		dgram_scenario_draw(&whole, &toy, seed);
		bool known = dgram_switch_off(&whole, &toy, parts);
		dgram_run_scenario(lab, &whole, NULL, &replayed);
		return known && replayed.hash == result.hash &&
		       strcmp(replayed.violation, result.violation) == 0 &&
		       left_over(&s, expected[which].needs);
	}
	return false;
}

static int self_test(void)
{
	static struct dgram_lab lab;
	bool all;

	dgram_lab_open(&lab, &toy);
	printf("TAP version 13\n1..%d\n", TOY_DEFECTS);
	all = sound(&lab);
	printf("%s 1 - %u seeds of a sound protocol\n", all ? "ok" : "not ok", SOUND_SEEDS);
	for (int d = TOY_SOUND + 1; d < TOY_DEFECTS; d++) {
		bool ok = found(&lab, (enum toy_defect)d);
		printf("%s %d - the defect '%s' is found and made small\n", ok ? "ok" : "not ok",
		       d + 1, toy_defect_names[d]);
		fflush(stdout);
		all = all && ok;
	}
	dgram_lab_close(&lab);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		return self_test();
	}
	if (argc < 3 || strcmp(argv[1], "--defect") != 0) {
		return 2;
	}
	for (int d = 0; d < TOY_DEFECTS; d++) {
		if (strcmp(argv[2], toy_defect_names[d]) == 0) {
			defect = (enum toy_defect)d;
		}
	}
	return dgram_main(&toy, argc - 2, argv + 2);
}
