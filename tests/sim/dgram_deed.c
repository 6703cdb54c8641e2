/* SPDX-License-Identifier: Apache-2.0
 *
 * The scenario's deeds at their times.
 */
#include "dgram_attack.h"

enn_time dgram_deed_due(const struct dgram_world *w)
{
	enn_time t = ENN_TIME_NEVER;

	for (size_t i = 0; i < w->s->deeds && !w->calm; i++) {
		t = w->deed[i].next < t ? w->deed[i].next : t;
	}
	return t;
}

/* A restart's argument says how the new life's wall clock differs from what it should be, in seconds, as
 * a signed number. */
static void restart(struct dgram_host *h, const struct dgram_deed *d, bool second)
{
	if (!second) {
		dgram_host_stop(h);
		return;
	}
	if (h->down) {
		h->env.wall_offset += (int64_t)(int32_t)d->argument * (int64_t)ENN_SECOND;
		dgram_host_start(h);
	}
}

static void perform(struct dgram_world *w, const struct dgram_deed *d, size_t i)
{
	struct dgram_host *h = &w->host[d->target];

	switch (d->kind) {
	case DGRAM_DEED_REBIND:
		dgram_rebind(&w->net, d->target);
		break;
	case DGRAM_DEED_MOVE:
		dgram_move(&w->net, d->target);
		break;
	case DGRAM_DEED_RESTART:
		restart(h, d, w->deed[i].done % 2 == 1);
		break;
	case DGRAM_DEED_SLEEP:
		if (dgram_up(h)) {
			h->asleep = true;
			h->wake = w->now + d->length;
			/* some clocks stand still meanwhile */
			h->lag += d->argument != 0 ? d->length : 0;
		}
		break;
	default:
		if (d->kind >= DGRAM_DEED_OWN) {
			w->protocol->deed(w, d);
		} else {
			dgram_attack(w, d, &w->deed[i].rng);
		}
	}
}

void dgram_deed_turn(struct dgram_world *w)
{
	for (size_t i = 0; i < w->s->deeds && !w->calm && !dgram_violated(w); i++) {
		const struct dgram_deed *d = &w->s->deed[i];
		if (w->deed[i].next > w->now) {
			continue;
		}
		dgram_trace(w, "deed %zu: %s of %s", i, dgram_deed_name(w->protocol, d->kind),
			    w->host[d->target].name);
		perform(w, d, i);
		w->deed[i].done++;
		/* a restart has two halves */
		bool again = d->kind == DGRAM_DEED_RESTART ? w->deed[i].done < 2
							   : w->deed[i].done < d->count;
		enn_time gap = d->kind == DGRAM_DEED_RESTART ? d->length : d->every;
		w->deed[i].next = again ? w->now + gap : ENN_TIME_NEVER;
	}
}
