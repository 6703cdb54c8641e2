/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard's part of a scenario.
 */
#include <stdio.h>
#include <string.h>

#include "wireguard_world.h"

const char *const wg_trouble_names[WG_TROUBLES_END - DGRAM_OWN] = {
	"psk", "wrong-psk", "one-sided", "six", "keepalive", "load", "strangers"};
const char *const wg_deed_names[WG_DEEDS_END - DGRAM_DEED_OWN] = {
	"remove", "new-psk", "new-key", "routes", "endpoint", "load", "rekey", "same", "keepalive"};

_Static_assert(sizeof(struct wg_plan) <= sizeof(((struct dgram_scenario *)0)->own),
	       "the plan fits into the scenario");

static bool harmless(unsigned kind)
{
	return kind == WG_DEED_LOAD || kind == WG_DEED_REKEY || kind == WG_DEED_SAME ||
	       kind == WG_DEED_KEEPALIVE || kind == WG_DEED_ENDPOINT;
}

#define STAGED 128u /* packets that may wait for a session */

/* Before there is a session, no more than so many messages wait for it. */
static bool few(const struct dgram_scenario *s)
{
	unsigned sum[DGRAM_HOSTS][DGRAM_HOSTS] = {{0}};

	for (size_t i = 0; i < s->flows; i++) {
		const struct dgram_flow *f = &s->flow[i];
		unsigned *n = &sum[f->from][f->to];
		*n += f->off ? 0 : (unsigned)f->count * f->burst;
		if (*n > STAGED) {
			return false;
		}
	}
	return true;
}

bool wg_lossless(const struct dgram_scenario *s)
{
	for (size_t i = 0; i < s->deeds; i++) {
		const struct dgram_deed *d = &s->deed[i];
		if (!d->off && d->target < s->hosts && d->kind >= DGRAM_DEED_OWN &&
		    !harmless(d->kind)) {
			return false;
		}
	}
	return few(s);
}

static void draw_pairs(struct dgram_scenario *s, struct sim_rng *r, struct wg_plan *p)
{
	for (unsigned a = 0; a < s->hosts; a++) {
		p->mtu[a] = (uint16_t)sim_rng_range(r, 1280, 1500);
		p->load[a] = sim_rng_chance(r, 50);
		for (unsigned b = 0; b < s->hosts; b++) {
			p->view[a][b] = (struct wg_view){
				.knows = sim_rng_chance(r, 60),
				.family = sim_rng_chance(r, 60) ? ENN_FAMILY_IPV6 : ENN_FAMILY_IPV4,
				.keepalive = sim_rng_chance(r, 50)
						     ? (uint16_t)sim_rng_size(r, 1, 60)
						     : 0,
			};
			p->pair[a][b] = (struct wg_pair){
				.strangers = sim_rng_chance(r, 20),
				.psk = sim_rng_chance(r, 70),
				.wrong_psk = sim_rng_chance(r, 50),
			};
		}
	}
}

static void draw_deed(struct dgram_scenario *s, struct sim_rng *r, bool lossless)
{
	struct dgram_deed d = {
		.kind = (uint8_t)sim_rng_range(r, DGRAM_DEED_OWN, WG_DEEDS_END - 1),
		.target = (uint8_t)sim_rng_below(r, s->hosts),
		.at = sim_rng_below(r, s->storm),
		.every = sim_rng_size(r, 10 * ENN_MILLISECOND, s->storm / 2),
		.count = (uint16_t)sim_rng_range(r, 1, 4),
		.argument = (uint32_t)sim_rng_u64(r),
	};

	if (!lossless || harmless(d.kind)) {
		(void)dgram_add_deed(s, &d);
	}
}

void wg_draw(struct dgram_scenario *s, struct sim_rng *r)
{
	struct wg_plan plan = {.mtu = {0}};
	static const unsigned percent[] = {50, 5, 40, 30, 20, 12, 10};
	bool lossless = dgram_scenario_lossless(s);

	draw_pairs(s, r, &plan);
	memcpy(s->own, &plan, sizeof(plan));
	for (unsigned t = DGRAM_OWN; t < WG_TROUBLES_END; t++) {
		if (sim_rng_chance(r, percent[t - DGRAM_OWN])) {
			s->troubles |= UINT64_C(1) << t;
		}
	}
	for (uint64_t n = sim_rng_chance(r, 60) ? 0 : sim_rng_range(r, 1, 4); n > 0; n--) {
		draw_deed(s, r, lossless);
	}
	/* more initiations at once than are no load yet */
	if (sim_rng_chance(r, 2)) {
		const struct dgram_deed flood = {
			.kind = DGRAM_DEED_FLOOD,
			.target = (uint8_t)sim_rng_below(r, s->hosts),
			.at = sim_rng_size(r, 0, s->storm - 1),
			.count = 1,
			.argument = 320,
		};
		(void)dgram_add_deed(s, &flood);
	}
	/* a restart may come with another idea of what time it is */
	for (size_t i = 0; i < s->deeds; i++) {
		if (s->deed[i].kind == DGRAM_DEED_RESTART && sim_rng_chance(r, 25)) {
			s->deed[i].argument = (uint32_t)((int32_t)sim_rng_below(r, 4000) - 2000);
		}
	}
}

void wg_plan_of(const struct dgram_scenario *s, struct wg_plan *p)
{
	memcpy(p, s->own, sizeof(*p));
	for (unsigned a = 0; a < DGRAM_HOSTS; a++) {
		p->load[a] = p->load[a] && dgram_has(s, WG_LOAD);
		for (unsigned b = 0; b < DGRAM_HOSTS; b++) {
			struct wg_view *v = &p->view[a][b];
			struct wg_pair *pair = &p->pair[a][b];
			v->knows = v->knows || !dgram_has(s, WG_ONE_SIDED);
			v->family = dgram_has(s, WG_SIX) ? v->family : ENN_FAMILY_IPV4;
			v->keepalive = dgram_has(s, WG_KEEPALIVE) ? v->keepalive : 0;
			pair->strangers = pair->strangers && dgram_has(s, WG_STRANGERS);
			pair->psk = pair->psk && dgram_has(s, WG_PSK);
			pair->wrong_psk =
				pair->wrong_psk && pair->psk && dgram_has(s, WG_WRONG_PSK);
		}
	}
}

void wg_print(const struct dgram_scenario *s)
{
	struct wg_plan p;

	wg_plan_of(s, &p);
	for (unsigned a = 0; a < s->hosts; a++) {
		printf("#   %c: mtu %u%s\n", 'A' + (int)a, p.mtu[a],
		       p.load[a] ? ", under load" : "");
		for (unsigned b = 0; b < s->hosts; b++) {
			const struct wg_pair *pair = &p.pair[a < b ? a : b][a < b ? b : a];
			if (a == b) {
				continue;
			}
			if (pair->strangers) {
				printf("#     %c is no peer\n", 'A' + (int)b);
				continue;
			}
			printf("#     %c: endpoint %s (IPv%u), keepalive %u%s\n", 'A' + (int)b,
			       p.view[a][b].knows ? "known" : "unknown", p.view[a][b].family,
			       p.view[a][b].keepalive,
			       pair->wrong_psk ? ", different pre-shared keys"
			       : pair->psk     ? ", pre-shared key"
					       : "");
		}
	}
}
