/* SPDX-License-Identifier: Apache-2.0
 *
 * Attackers.
 */
#include "dgram_attack.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS		   256u /* packets that are remembered, the newest ones */
#define MAX_FORGED	   2048u
#define INTERCEPTS_PERCENT 60u

/* Where nothing may be lost, attackers use only what has arrived already: a copy that overtakes its original may
 * rightly move a peer to the attacker's address. */
#define OLD_NEWS (3 * ENN_SECOND)

struct dgram_recorder {
	struct dgram_datagram *ring;
	enn_time at[RECORDS];
	uint64_t count;
};

struct enn_address dgram_stranger(struct sim_rng *r, unsigned family)
{
	uint64_t x = sim_rng_u64(r);
	struct enn_address a = {.family = (uint8_t)family, .port = (uint16_t)(1024 + x % 60000)};

	if (family == ENN_FAMILY_IPV4) {
		memcpy(a.ip, (uint8_t[]){198, 18, (uint8_t)(x >> 16), (uint8_t)(x >> 24)}, 4);
	} else {
		memcpy(a.ip, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 66, 6}, 6);
		memcpy(a.ip + 6, &x, sizeof(x));
	}
	return a;
}

/* ---- on the way ------------------------------------------------------------------------------------ */

static bool active(const struct dgram_world *w, const struct dgram_deed *d, unsigned kind)
{
	return d->kind == kind && !d->off && !w->calm && w->now >= d->at &&
	       w->now < d->at + d->length;
}

static void forward_later(struct dgram_world *w, const struct dgram_datagram *d,
			  const struct dgram_deed *deed, struct sim_rng *r)
{
	struct dgram_datagram copy = *d;
	enn_time later = sim_rng_chance(r, 20)
				 ? ENN_TIME_NEVER
				 : w->now + sim_rng_size(r, ENN_MILLISECOND, deed->every);

	copy.fate |= DGRAM_FATE_FORGED;
	if (sim_rng_chance(r, 30)) {
		copy.path.remote = dgram_stranger(r, d->path.remote.family);
	}
	if (later < w->s->storm) {
		dgram_inject(&w->net, later, &copy);
	}
}

static bool tap(void *ctx, enn_time now, const struct dgram_datagram *d)
{
	struct dgram_world *w = ctx;
	struct dgram_recorder *rec = w->recorder;
	struct dgram_datagram *slot = &rec->ring[rec->count % RECORDS];
	bool taken = false;

	rec->at[rec->count++ % RECORDS] = now;
	free(slot->data);
	*slot = *d;
	slot->data = dgram_need(malloc(d->len > 0 ? d->len : 1));
	memcpy(slot->data, d->data, d->len);
	for (size_t i = 0; i < w->s->deeds && d->receiver != DGRAM_STRANGER; i++) {
		const struct dgram_deed *deed = &w->s->deed[i];
		if (deed->target != d->receiver && deed->target != d->sender) {
			continue;
		}
		if (active(w, deed, DGRAM_DEED_INTERCEPT) && !taken &&
		    sim_rng_chance(&w->deed[i].rng, INTERCEPTS_PERCENT)) {
			forward_later(w, d, deed, &w->deed[i].rng);
			taken = true;
		}
		if (active(w, deed, DGRAM_DEED_OVERTAKE) && sim_rng_chance(&w->deed[i].rng, 50)) {
			struct dgram_datagram copy = *d;
			copy.fate |= DGRAM_FATE_FORGED;
			copy.path.remote = dgram_stranger(&w->deed[i].rng, d->path.remote.family);
			dgram_inject(&w->net, now + ENN_MICROSECOND, &copy);
		}
	}
	return taken;
}

static bool is_attack(const struct dgram_deed *d)
{
	return d->kind >= DGRAM_DEED_REPLAY && d->kind < DGRAM_DEED_COMMON;
}

void dgram_recorder_open(struct dgram_world *w)
{
	bool any = false;

	for (size_t i = 0; i < w->s->deeds; i++) {
		any = any || (is_attack(&w->s->deed[i]) && !w->s->deed[i].off);
	}
	if (!any) {
		return; /* nobody listens */
	}
	w->recorder = dgram_need(calloc(1, sizeof(*w->recorder)));
	w->recorder->ring = dgram_need(calloc(RECORDS, sizeof(w->recorder->ring[0])));
	w->net.tap = tap;
	w->net.tap_ctx = w;
}

void dgram_recorder_close(struct dgram_world *w)
{
	if (w->recorder == NULL) {
		return;
	}
	for (size_t i = 0; i < RECORDS; i++) {
		free(w->recorder->ring[i].data);
	}
	free(w->recorder->ring);
	free(w->recorder);
	w->recorder = NULL;
}

/* ---- from outside ------------------------------------------------------------------------------------ */

/* A recorded packet that a kind of attack can use, the newest ones more often; NULL: there is none. */
static const struct dgram_datagram *pick(const struct dgram_world *w, const struct dgram_deed *deed,
					 struct sim_rng *r)
{
	const struct dgram_recorder *rec = w->recorder;
	uint64_t have = rec->count < RECORDS ? rec->count : RECORDS;

	for (unsigned tries = 0; tries < 12 && have > 0; tries++) {
		uint64_t back = sim_rng_chance(r, 50) ? sim_rng_size(r, 0, have - 1)
						      : sim_rng_below(r, have);
		uint64_t at = (rec->count - 1 - back) % RECORDS;
		const struct dgram_datagram *d = &rec->ring[at];
		if (w->lossless && rec->at[at] + OLD_NEWS > w->now) {
			continue;
		}
		switch (deed->kind) {
		case DGRAM_DEED_CROSS:
			if (d->receiver != deed->target && d->sender != deed->target) {
				return d;
			}
			break;
		case DGRAM_DEED_REFLECT:
			if (d->sender == deed->target) {
				return d;
			}
			break;
		default:
			if (d->receiver == deed->target) {
				return d;
			}
		}
	}
	return NULL;
}

/* Fields lie in the first bytes: types, lengths, indices, counters. */
static void mutate(const struct dgram_world *w, struct dgram_datagram *d, struct sim_rng *r)
{
	const struct dgram_recorder *rec = w->recorder;
	const struct dgram_datagram *other = &rec->ring[sim_rng_below(r, RECORDS)];
	size_t at = d->len == 0 ? 0 : (size_t)sim_rng_size(r, 0, d->len - 1);

	switch (sim_rng_below(r, 5)) {
	case 0: /* one byte */
		if (d->len > 0) {
			d->data[at] ^= (uint8_t)sim_rng_range(r, 1, 255);
		}
		break;
	case 1: /* a field */
		for (size_t i = at; i < d->len && i < at + 4; i++) {
			d->data[i] = sim_rng_chance(r, 30) ? 0xff : (uint8_t)sim_rng_below(r, 4);
		}
		break;
	case 2: /* shorter */
		d->len = (size_t)sim_rng_below(r, d->len + 1);
		break;
	case 3: /* longer */
		at = (size_t)sim_rng_size(r, 1, 64);
		sim_rng_fill(r, d->data + d->len, at);
		d->len += at;
		break;
	default: /* the end of another one, which it may become altogether */
		for (size_t i = at; i < d->len && other->data != NULL && i < other->len; i++) {
			d->data[i] = other->data[i];
		}
		if (d->len == other->len && memcmp(d->data, other->data, d->len) == 0) {
			d->id = other->id;
			d->sender = other->sender;
			d->fate = other->fate | DGRAM_FATE_FORGED;
			return;
		}
	}
}

static void play(struct dgram_world *w, const struct dgram_deed *deed, struct sim_rng *r)
{
	const struct dgram_datagram *found = pick(w, deed, r);

	if (found == NULL || found->len > MAX_FORGED) {
		return;
	}
	uint8_t bytes[MAX_FORGED + 64];
	struct dgram_datagram d = *found;
	d.data = bytes;
	d.fate |= DGRAM_FATE_FORGED;
	memcpy(bytes, found->data, found->len);
	d.path.local = dgram_address(&w->net, deed->target, d.path.local.family);
	if (deed->kind == DGRAM_DEED_REFLECT) {
		d.path.remote = found->path.local;
	}
	if (deed->kind == DGRAM_DEED_SPOOF || sim_rng_chance(r, 15)) {
		unsigned other = (unsigned)sim_rng_below(r, w->s->hosts);
		d.path.remote = sim_rng_chance(r, 70)
					? dgram_stranger(r, d.path.remote.family)
					: dgram_address(&w->net, other, d.path.remote.family);
	}
	if (deed->kind == DGRAM_DEED_MUTATE) {
		mutate(w, &d, r);
		bool changed = d.id == found->id &&
			       (d.len != found->len || memcmp(bytes, found->data, d.len) != 0);
		d.fate |= changed ? DGRAM_FATE_CHANGED : 0;
	}
	w->count.replayed++;
	dgram_inject(&w->net, w->now + sim_rng_size(r, 0, 20 * ENN_MILLISECOND), &d);
}

static void invent(struct dgram_world *w, const struct dgram_deed *deed, struct sim_rng *r)
{
	uint8_t bytes[MAX_FORGED];
	unsigned family = sim_rng_chance(r, 50) ? ENN_FAMILY_IPV4 : ENN_FAMILY_IPV6;
	struct dgram_datagram d = {.sender = DGRAM_STRANGER,
				   .fate = DGRAM_FATE_FORGED | DGRAM_FATE_CHANGED,
				   .data = bytes};

	d.path.local = dgram_address(&w->net, deed->target, family);
	d.path.remote =
		sim_rng_chance(r, 80)
			? dgram_stranger(r, family)
			: dgram_address(&w->net, (unsigned)sim_rng_below(r, w->s->hosts), family);
	d.ecn = (uint8_t)sim_rng_below(r, 4);
	bool first = deed->kind == DGRAM_DEED_FLOOD;
	if (w->protocol->forge != NULL && (first || sim_rng_chance(r, 80))) {
		d.len = w->protocol->forge(w, deed->target, first, r, bytes, sizeof(bytes));
	} else {
		d.len = (size_t)sim_rng_size(r, 0, sizeof(bytes));
		sim_rng_fill(r, bytes, d.len);
	}
	w->count.replayed++;
	dgram_inject(&w->net, w->now, &d);
}

void dgram_attack(struct dgram_world *w, const struct dgram_deed *deed, struct sim_rng *r)
{
	uint32_t packets = deed->argument > 0 ? deed->argument : 1;

	switch (deed->kind) {
	case DGRAM_DEED_INTERCEPT:
	case DGRAM_DEED_OVERTAKE:
		break; /* see tap */
	case DGRAM_DEED_GARBAGE:
	case DGRAM_DEED_FLOOD:
		for (uint32_t i = 0; i < packets; i++) {
			invent(w, deed, r);
		}
		break;
	default:
		for (uint32_t i = 0; i < packets; i++) {
			play(w, deed, r);
		}
	}
}
