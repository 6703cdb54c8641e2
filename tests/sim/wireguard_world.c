/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard as a protocol of the simulator: who can reach whom, what an engine may
 * answer, and the table of all that.
 */
#include "wireguard_world.h"

#include <string.h>

#include "dgram_check.h"

static bool refusal(struct dgram_host *h, const struct dgram_message *m, enum enn_status status)
{
	struct enn_wireguard_peer_info info;
	bool known = wg_peer_info(h, m->to, &info);

	switch (status) {
	case ENN_E_NOT_FOUND:
		return !wg_linked(h->w, h->index, m->to) || !known;
	case ENN_E_STATE: /* or known by an old key only */
		return !known || info.path.remote.family == ENN_FAMILY_NONE;
	default:
		return false;
	}
}

static bool trusts(const struct dgram_host *h, const struct enn_address *a)
{
	const struct wg_host *own = &wg_of(h->w)->host[h->index];
	size_t have = own->trusted_count < WG_TRUSTED ? own->trusted_count : WG_TRUSTED;

	for (size_t i = 0; i < have; i++) {
		if (dgram_same_address(a, &own->trusted[i])) {
			return true;
		}
	}
	return false;
}

/* A host believes in the source of whatever is authentic and new to it. An initiation that came before may be new
 * still, for not every one is read: under load, or many a second. mac2 is outside of what is authenticated, so a
 * changed handshake message may be good. */
static bool validates(const struct dgram_host *h, const struct dgram_datagram *d)
{
	const struct wg_host *own = &wg_of(h->w)->host[h->index];
	bool initiation = d->len == 148 && d->data[0] == 1;
	bool response = d->len == 92 && d->data[0] == 2;

	if (d->sender == DGRAM_STRANGER || d->sender == h->index) {
		return false;
	}
	if (response && own->loaded) {
		return true;
	}
	if (initiation && (own->forgot || d->id > own->answered[d->sender])) {
		return true;
	}
	if ((initiation || response) && (d->fate & DGRAM_FATE_CHANGED) != 0) {
		return true;
	}
	return dgram_is_news(h, d);
}

static void keylog(struct dgram_host *h, const char *line)
{
	static const char wanted[] = "LOCAL_EPHEMERAL_PRIVATE_KEY";
	const char *equals = strchr(line, '=');
	uint8_t key[ENN_WIREGUARD_KEY];

	if (strncmp(line, wanted, sizeof(wanted) - 1) != 0 || equals == NULL) {
		return;
	}
	equals += equals[1] == ' ' ? 2 : 1;
	if (enn_wireguard_key_decode(equals, strlen(equals), key) != ENN_OK) {
		dgram_violation(h->w, "%s: a line of the key log has no key: %s", h->name, line);
		return;
	}
	sim_scan_add(&h->w->scan, key, sizeof(key), "an ephemeral private key");
}

/* ---- who can reach whom ----------------------------------------------------------------------------- */

static int64_t wall(const struct dgram_host *h)
{
	return h->env.wall_offset + (int64_t)dgram_clock(h);
}

/* Can a's packets get to b now? */
static bool knows_way(struct dgram_world *w, unsigned a, unsigned b)
{
	struct enn_wireguard_peer_info info;
	const struct dgram_place *place = &w->net.place[b];

	if (!wg_peer_info(&w->host[a], b, &info) || info.path.remote.family == ENN_FAMILY_NONE) {
		return false;
	}
	struct enn_address there = dgram_address(&w->net, b, info.path.remote.family);
	if (!dgram_same_address(&there, &info.path.remote)) {
		return false;
	}
	if (w->s->host[b].nat != DGRAM_NAT_STRICT) {
		return true;
	}
	struct enn_address here = dgram_address(&w->net, a, info.path.remote.family);
	for (size_t i = 0; i < place->heard_count && i < 32; i++) {
		if (dgram_same_address(&place->heard[i], &here)) {
			return true;
		}
	}
	return false;
}

static enum dgram_reach reach(struct dgram_world *w, unsigned a, unsigned b, const char **why)
{
	struct wg_world *own = wg_of(w);

	*why = "no peers";
	if (!wg_linked(w, a, b) || !wg_linked(w, b, a)) {
		return DGRAM_REACH_NO;
	}
	*why = "different pre-shared keys";
	if (memcmp(own->psk[a][b], own->psk[b][a], ENN_WIREGUARD_KEY) != 0) {
		return DGRAM_REACH_NO;
	}
	*why = "neither knows where the other is";
	bool there = knows_way(w, a, b);
	bool back = knows_way(w, b, a);
	if (!w->calm && !there) {
		return DGRAM_REACH_MAYBE; /* the other one need not send anything */
	}
	if (!there && !back) {
		return DGRAM_REACH_NO;
	}
	/* Who was set back in time is not heard; it can still be asked. */
	*why = "its clock is behind that of an earlier life";
	if ((!there || wall(&w->host[a]) <= own->host[a].wall_high) &&
	    (!back || wall(&w->host[b]) <= own->host[b].wall_high)) {
		return DGRAM_REACH_MAYBE;
	}
	return DGRAM_REACH_YES;
}

static void event(struct dgram_end *end, const struct enn_event *e)
{
	struct dgram_host *h = end->h;

	if (e->type != ENN_EVENT_FAILED && e->type != ENN_EVENT_CLOSED &&
	    wg_peer_host(h, e->peer) == DGRAM_STRANGER) {
		dgram_violation(h->w, "%s: an event about nobody, peer %llu", h->name,
				(unsigned long long)e->peer);
	}
	if (e->type == ENN_EVENT_FAILED && !h->heap.failed && !h->random_failed) {
		dgram_violation(h->w, "%s: failed: %s", h->name, e->u.error.text);
	}
}

static void stops(struct dgram_host *h)
{
	struct wg_host *own = &wg_of(h->w)->host[h->index];

	own->wall_high = wall(h) > own->wall_high ? wall(h) : own->wall_high;
}

const struct dgram_protocol wg_protocol = {
	.name = "wireguard",
	.troubles = wg_trouble_names,
	.trouble_count = WG_TROUBLES_END - DGRAM_OWN,
	.deeds = wg_deed_names,
	.deed_count = WG_DEEDS_END - DGRAM_DEED_OWN,
	.storm_least = 2 * ENN_SECOND,
	.storm_most = 700 * ENN_SECOND,
	.settle = 10 * ENN_SECOND,
	.probe_every = 16 * ENN_SECOND,
	.probes = 8,
	.amplification = 100,
	.draw = wg_draw,
	.print = wg_print,
	.open = wg_open,
	.close = wg_close,
	.make = wg_make,
	.stops = stops,
	.wrap = wg_wrap,
	.unwrap = wg_unwrap,
	.refusal = refusal,
	.event = event,
	.keylog = keylog,
	.deed = wg_deed,
	.calm = wg_calm,
	.forge = wg_forge,
	.describe = wg_describe,
	.sent = wg_saw_sent,
	.arrived = wg_saw_arrived,
	.trusts = trusts,
	.validates = validates,
	.memory = wg_memory,
	.check = wg_check,
	.check_end = wg_check_end,
	.lossless = wg_lossless,
	.reach = reach,
};
