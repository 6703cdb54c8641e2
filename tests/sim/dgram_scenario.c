/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing, printing and cutting down scenarios.
 */
#include "dgram_scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_world.h"

#define MS ENN_MILLISECOND

static const char *const trouble_names[DGRAM_TROUBLES] = {
	"drop", "burst", "duplicate", "reorder", "corrupt", "truncate",	   "extend",
	"mtu",	"queue", "ecn",	      "pause",	 "block",   "small-batch", "misuse"};
static const char *const deed_names[DGRAM_DEED_COMMON] = {
	"rebind",  "move",   "restart", "sleep", "replay",    "spoof",	 "cross",
	"reflect", "mutate", "garbage", "flood", "intercept", "overtake"};

const char *dgram_trouble_name(const struct dgram_protocol *p, unsigned trouble)
{
	if (trouble < DGRAM_TROUBLES) {
		return trouble_names[trouble];
	}
	unsigned own = trouble - DGRAM_OWN;
	return trouble >= DGRAM_OWN && own < p->trouble_count ? p->troubles[own] : NULL;
}

const char *dgram_deed_name(const struct dgram_protocol *p, unsigned kind)
{
	if (kind < DGRAM_DEED_COMMON) {
		return deed_names[kind];
	}
	unsigned own = kind - DGRAM_DEED_OWN;
	return kind >= DGRAM_DEED_OWN && own < p->deed_count ? p->deeds[own] : "unknown";
}

/* ---- what loses messages ------------------------------------------------------------------------ */

#define BIT(trouble) (UINT64_C(1) << (trouble))
#define LOSSY                                                                                      \
	(BIT(DGRAM_DROP) | BIT(DGRAM_BURST) | BIT(DGRAM_REORDER) | BIT(DGRAM_CORRUPT) |            \
	 BIT(DGRAM_TRUNCATE) | BIT(DGRAM_EXTEND) | BIT(DGRAM_MTU) | BIT(DGRAM_QUEUE))

static bool harmless_deed(unsigned kind)
{
	return kind >= DGRAM_DEED_REPLAY && kind <= DGRAM_DEED_FLOOD;
}

bool dgram_scenario_lossless(const struct dgram_scenario *s)
{
	if ((s->troubles & LOSSY) != 0) {
		return false;
	}
	for (size_t i = 0; i < s->deeds; i++) {
		const struct dgram_deed *d = &s->deed[i];
		if (!d->off && d->target < s->hosts && !harmless_deed(d->kind) &&
		    d->kind < DGRAM_DEED_OWN) {
			return false;
		}
	}
	return true;
}

/* ---- a plain one -------------------------------------------------------------------------------- */

bool dgram_add_flow(struct dgram_scenario *s, const struct dgram_flow *flow)
{
	if (s->flows == DGRAM_FLOWS) {
		return false;
	}
	s->flow[s->flows++] = *flow;
	return true;
}

bool dgram_add_deed(struct dgram_scenario *s, const struct dgram_deed *deed)
{
	if (s->deeds == DGRAM_DEEDS) {
		return false;
	}
	s->deed[s->deeds++] = *deed;
	return true;
}

void dgram_scenario_plain(struct dgram_scenario *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->hosts = 2;
	s->storm = 5 * ENN_SECOND;
	s->quiet = ENN_SECOND;
	for (unsigned a = 0; a < DGRAM_HOSTS; a++) {
		s->host[a].batch_min = s->host[a].batch_max = 65535;
		s->host[a].together = 16;
		for (unsigned b = 0; b < DGRAM_HOSTS; b++) {
			s->link[a][b].delay = 5 * MS;
		}
	}
	for (uint8_t a = 0; a < 2; a++) {
		const struct dgram_flow flow = {.from = a,
						.to = !a,
						.count = 3,
						.burst = 2,
						.start = a * 50 * MS,
						.gap_min = 100 * MS,
						.gap_max = 100 * MS,
						.size_min = 100,
						.size_max = 1000};
		(void)dgram_add_flow(s, &flow);
	}
}

/* ---- drawing ------------------------------------------------------------------------------------ */

static unsigned draw_rate(struct sim_rng *r)
{
	uint64_t x = sim_rng_below(r, 100);

	return x < 50	? (unsigned)sim_rng_range(r, 1, 30)
	       : x < 90 ? (unsigned)sim_rng_range(r, 30, 250)
			: (unsigned)sim_rng_range(r, 250, 700);
}

static void draw_link(struct sim_rng *r, const struct dgram_scenario *s, struct dgram_link_shape *l)
{
	*l = (struct dgram_link_shape){
		.delay = sim_rng_size(r, MS / 10, 250 * MS),
		.jitter = sim_rng_chance(r, 60) ? sim_rng_size(r, 0, 200 * MS) : 0,
		.drop = draw_rate(r),
		.duplicate = draw_rate(r),
		.reorder = draw_rate(r),
		.corrupt = draw_rate(r),
		.truncate = draw_rate(r),
		.extend = draw_rate(r),
		.mark = draw_rate(r),
		.held = sim_rng_size(r, MS, 4000 * MS),
		.slot = sim_rng_size(r, 200 * MS, s->storm / 2 + 200 * MS),
		.bad = (unsigned)sim_rng_range(r, 50, 500),
		.mtu = {sim_rng_range(r, 576, 1500), sim_rng_range(r, 1280, 1500)},
		.change = sim_rng_below(r, s->storm),
		.rate = sim_rng_size(r, 20000, 10000000),
		.queue = (size_t)sim_rng_size(r, 3000, 200000),
	};
}

static void draw_host(struct sim_rng *r, struct dgram_host_shape *h)
{
	uint64_t x = sim_rng_below(r, 100);

	h->nat = x < 70 ? DGRAM_NAT_NONE : x < 85 ? DGRAM_NAT_OPEN : DGRAM_NAT_STRICT;
	h->batch_max = (size_t)sim_rng_size(r, 1500, 65535);
	h->batch_min = sim_rng_chance(r, 50) ? h->batch_max : h->batch_max / 4;
	h->together = (unsigned)sim_rng_size(r, 1, DGRAM_TOGETHER);
	h->pause_percent = (unsigned)sim_rng_size(r, 1, 40);
	h->pause = sim_rng_size(r, MS, 2000 * MS);
	h->block_percent = (unsigned)sim_rng_size(r, 1, 40);
	h->block = sim_rng_size(r, MS, 1000 * MS);
}

static void draw_troubles(struct sim_rng *r, struct dgram_scenario *s, bool lossless)
{
	for (unsigned t = 0; t < DGRAM_TROUBLES; t++) {
		if (sim_rng_chance(r, 22)) {
			s->troubles |= BIT(t);
		}
	}
	if (lossless) {
		s->troubles &= ~LOSSY;
	}
}

static void draw_flow(struct sim_rng *r, struct dgram_scenario *s)
{
	uint8_t from = (uint8_t)sim_rng_below(r, s->hosts);
	struct dgram_flow f = {
		.from = from,
		.to = (uint8_t)((from + 1 + sim_rng_below(r, s->hosts - 1)) % s->hosts),
		.burst = 1,
		.start = sim_rng_chance(r, 50) ? sim_rng_size(r, 0, ENN_SECOND)
					       : sim_rng_below(r, s->storm),
		.size_min = DGRAM_MESSAGE_MIN,
		.size_max = (size_t)sim_rng_size(r, 64, 1350),
	};
	switch (sim_rng_below(r, 4)) {
	case 0: /* much at once */
		f.count = (uint16_t)sim_rng_range(r, 1, 4);
		f.burst = (uint16_t)sim_rng_size(r, 2, 40);
		f.gap_min = 1 * MS;
		f.gap_max = s->storm / 3;
		break;
	case 1: /* a word now and then */
		f.count = (uint16_t)sim_rng_range(r, 1, 12);
		f.gap_min = s->storm / 20;
		f.gap_max = s->storm / 4;
		break;
	case 2: /* seconds between */
		f.count = (uint16_t)sim_rng_range(r, 5, 25);
		f.gap_min = ENN_SECOND / 2;
		f.gap_max = 12 * ENN_SECOND;
		break;
	default: /* a stream */
		f.count = (uint16_t)sim_rng_size(r, 5, 60);
		f.gap_min = MS;
		f.gap_max = 100 * MS;
	}
	(void)dgram_add_flow(s, &f);
}

static void draw_deed(struct sim_rng *r, struct dgram_scenario *s, bool lossless)
{
	struct dgram_deed d = {
		.kind = (uint8_t)sim_rng_below(r, DGRAM_DEED_COMMON),
		.target = (uint8_t)sim_rng_below(r, s->hosts),
		.at = sim_rng_below(r, s->storm),
		.count = (uint16_t)sim_rng_size(r, 1, 12),
		.every = sim_rng_size(r, 10 * MS, s->storm / 4 + 20 * MS),
		.length = sim_rng_size(r, 10 * MS, s->storm / 2 + 20 * MS),
	};

	if (lossless && !harmless_deed(d.kind)) {
		return;
	}
	switch (d.kind) {
	case DGRAM_DEED_REBIND:
	case DGRAM_DEED_MOVE:
		d.count = (uint16_t)sim_rng_range(r, 1, 3);
		break;
	case DGRAM_DEED_RESTART:
		d.count = 1;
		break;
	case DGRAM_DEED_SLEEP:
		d.count = (uint16_t)sim_rng_range(r, 1, 2);
		d.argument = sim_rng_chance(r, 40);
		d.every += d.length;
		break;
	case DGRAM_DEED_FLOOD:
		d.count = 1;
		d.argument = (uint32_t)sim_rng_size(r, 5, 60);
		break;
	default:
		d.argument = (uint32_t)sim_rng_size(r, 1, 8);
	}
	(void)dgram_add_deed(s, &d);
}

void dgram_scenario_draw(struct dgram_scenario *s, const struct dgram_protocol *p, uint64_t seed)
{
	struct sim_rng r;

	sim_rng_seed(&r, seed, 0);
	dgram_scenario_plain(s, seed);
	s->flows = 0;
	uint64_t x = sim_rng_below(&r, 100);
	s->hosts = x < 65 ? 2 : x < 88 ? 3 : x < 96 ? 4 : 5;
	s->libcrypto = sim_rng_chance(&r, 50);
	s->storm = sim_rng_size(&r, p->storm_least, p->storm_most);
	s->quiet = sim_rng_chance(&r, 30) ? sim_rng_size(&r, ENN_SECOND, 2 * p->storm_most) : 0;
	bool lossless = sim_rng_chance(&r, 25);
	draw_troubles(&r, s, lossless);
	for (unsigned a = 0; a < s->hosts; a++) {
		draw_host(&r, &s->host[a]);
		for (unsigned b = 0; b < s->hosts; b++) {
			draw_link(&r, s, &s->link[a][b]);
		}
	}
	for (uint64_t n = sim_rng_range(&r, 1, 2 * s->hosts); n > 0; n--) {
		draw_flow(&r, s);
	}
	for (uint64_t n = sim_rng_chance(&r, 40) ? 0 : sim_rng_range(&r, 1, 6); n > 0; n--) {
		draw_deed(&r, s, lossless);
	}
	if (p->draw != NULL) {
		p->draw(s, &r);
	}
}

/* ---- printing ----------------------------------------------------------------------------------- */

static double seconds(enn_time t)
{
	return (double)t / (double)ENN_SECOND;
}

static void print_links(const struct dgram_scenario *s)
{
	for (unsigned a = 0; a < s->hosts; a++) {
		for (unsigned b = 0; b < s->hosts; b++) {
			const struct dgram_link_shape *l = &s->link[a][b];
			if (a == b) {
				continue;
			}
			printf("#   %c>%c delay %.1f ms, jitter %.1f", 'A' + (int)a, 'A' + (int)b,
			       seconds(l->delay) * 1000, seconds(l->jitter) * 1000);
			const unsigned rates[] = {l->drop,    l->bad,	   l->duplicate, l->reorder,
						  l->corrupt, l->truncate, l->extend};
			for (unsigned t = 0; t < sizeof(rates) / sizeof(rates[0]); t++) {
				if (dgram_has(s, t)) {
					printf(", %s %u", trouble_names[t], rates[t]);
				}
			}
			if (dgram_has(s, DGRAM_MTU)) {
				printf(", mtu %zu, %zu from %.1f s", l->mtu[0], l->mtu[1],
				       seconds(l->change));
			}
			if (dgram_has(s, DGRAM_QUEUE)) {
				printf(", %llu bytes/s, queue %zu", (unsigned long long)l->rate,
				       l->queue);
			}
			printf("\n");
		}
	}
}

void dgram_scenario_print(const struct dgram_scenario *s, const struct dgram_protocol *p)
{
	static const char *const nats[] = {"", " behind an open NAT", " behind a strict NAT"};

	printf("# seed %llu: %s, %u hosts, storm %.1f s, quiet %.1f s, %s; troubles:",
	       (unsigned long long)s->seed, p->name, s->hosts, seconds(s->storm), seconds(s->quiet),
	       s->libcrypto ? "libcrypto" : "default back end");
	for (unsigned t = 0; t < 64; t++) {
		const char *name = dgram_has(s, t) ? dgram_trouble_name(p, t) : NULL;
		printf("%s%s", name != NULL ? " " : "", name != NULL ? name : "");
	}
	printf("\n");
	for (unsigned h = 0; h < s->hosts; h++) {
		printf("#   %c%s, batches of %zu..%zu, up to %u packets together\n", 'A' + (int)h,
		       nats[s->host[h].nat], s->host[h].batch_min, s->host[h].batch_max,
		       s->host[h].together);
	}
	print_links(s);
	for (size_t i = 0; i < s->flows; i++) {
		const struct dgram_flow *f = &s->flow[i];
		printf("#   flow %zu%s: %c to %c, %u x %u messages of %zu..%zu bytes, from %.2f s, "
		       "every %.2f..%.2f s\n",
		       i, f->off ? " (off)" : "", 'A' + f->from, 'A' + f->to, f->count, f->burst,
		       f->size_min, f->size_max, seconds(f->start), seconds(f->gap_min),
		       seconds(f->gap_max));
	}
	for (size_t i = 0; i < s->deeds; i++) {
		const struct dgram_deed *d = &s->deed[i];
		printf("#   deed %zu%s: %s of %c, at %.2f s, %u times every %.2f s, length %.2f s, "
		       "argument %d\n",
		       i, d->off ? " (off)" : "", dgram_deed_name(p, d->kind), 'A' + d->target,
		       seconds(d->at), d->count, seconds(d->every), seconds(d->length),
		       (int)d->argument);
	}
	if (p->print != NULL) {
		p->print(s);
	}
}
