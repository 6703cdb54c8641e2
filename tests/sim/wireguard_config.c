/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard's hosts: identities, configurations, and the deeds that change them.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/blake2s.h"
#include "wireguard_world.h"

/* ---- identities ------------------------------------------------------------------------------------ */

static void draw_identity(struct dgram_world *w, unsigned h)
{
	struct wg_host *own = &wg_of(w)->host[h];
	const struct enn_env *env = &w->host[h].env;
	struct sim_rng r;

	sim_rng_seed(&r, w->s->seed, 500 + 10 * h + own->keys++);
	sim_rng_fill(&r, own->private_key, sizeof(own->private_key));
	own->private_key[0] &= 248; /* RFC 7748 §5 */
	own->private_key[31] = (uint8_t)((own->private_key[31] & 127) | 64);
	const struct enn_bytes pieces[2] = {{(const uint8_t *)"mac1----", 8},
					    {own->public_key, sizeof(own->public_key)}};
	if (enn_wireguard_public_key(env, own->private_key, own->public_key) != ENN_OK ||
	    enn_blake2s(env, pieces, 2, own->mac1_key) != ENN_OK) {
		abort();
	}
	size_t place = wg_of(w)->identity_count++ % WG_IDENTITIES;
	memcpy(wg_of(w)->identity[place].public_key, own->public_key, sizeof(own->public_key));
	memcpy(wg_of(w)->identity[place].mac1_key, own->mac1_key, sizeof(own->mac1_key));
	wg_of(w)->identity[place].host = (uint8_t)h;
	sim_scan_add(&w->scan, own->private_key, sizeof(own->private_key), "a private key");
	sim_scan_add(&wg_of(w)->identities, own->public_key, sizeof(own->public_key),
		     "an identity");
}

static void draw_psk(struct dgram_world *w, unsigned a, unsigned b, bool both)
{
	struct wg_world *own = wg_of(w);
	struct sim_rng r;

	sim_rng_seed(&r, w->s->seed, 700 + own->drawn++);
	sim_rng_fill(&r, own->psk[a][b], ENN_WIREGUARD_KEY);
	sim_scan_add(&w->scan, own->psk[a][b], ENN_WIREGUARD_KEY, "a pre-shared key");
	if (both) {
		memcpy(own->psk[b][a], own->psk[a][b], ENN_WIREGUARD_KEY);
	}
}

void wg_open(struct dgram_world *w)
{
	struct wg_world *own = dgram_need(calloc(1, sizeof(*own)));

	w->own = own;
	wg_plan_of(w->s, &own->plan);
	for (unsigned a = 0; a < w->s->hosts; a++) {
		struct wg_host *h = &own->host[a];
		draw_identity(w, a);
		h->load = own->plan.load[a];
		h->wall_high = INT64_MIN;
		for (unsigned b = 0; b < w->s->hosts; b++) {
			h->last_initiation[b] = h->owed[b] = ENN_TIME_NEVER;
			h->must_initiate[b] = ENN_TIME_NEVER;
			own->keepalive[a][b] = own->plan.view[a][b].keepalive;
			if (a < b && own->plan.pair[a][b].psk) {
				draw_psk(w, a, b, true);
			}
			if (a < b && own->plan.pair[a][b].wrong_psk) {
				draw_psk(w, a, b, false);
			}
		}
	}
}

void wg_close(struct dgram_world *w)
{
	free(w->own);
}

static const struct wg_pair *pair_of(const struct dgram_world *w, unsigned a, unsigned b)
{
	return &wg_of(w)->plan.pair[a < b ? a : b][a < b ? b : a];
}

bool wg_linked(const struct dgram_world *w, unsigned a, unsigned b)
{
	const struct wg_world *own = wg_of(w);

	return !pair_of(w, a, b)->strangers && !own->removed[a][b] && !own->unrouted[a][b];
}

/* ---- configuration --------------------------------------------------------------------------------- */

static void trust(struct wg_host *h, const struct enn_address *a)
{
	h->trusted[h->trusted_count++ % WG_TRUSTED] = *a;
}

/* a's view of b as a change. routes is the caller's, for two prefixes. */
static struct enn_wireguard_peer_change view_of(struct dgram_world *w, unsigned a, unsigned b,
						struct enn_wireguard_prefix *routes, bool endpoint)
{
	struct wg_world *own = wg_of(w);
	const struct wg_view *v = &own->plan.view[a][b];
	struct enn_wireguard_peer_change c = {
		.flags = ENN_WIREGUARD_PEER_REPLACE_IPS | ENN_WIREGUARD_PEER_PSK |
			 ENN_WIREGUARD_PEER_KEEPALIVE,
		.persistent_keepalive = own->keepalive[a][b],
		.allowed_ips = routes,
		.allowed_ips_count = own->unrouted[a][b] ? 0 : 2,
	};

	memcpy(c.public_key, own->host[b].public_key, sizeof(c.public_key));
	memcpy(c.preshared_key, own->psk[a][b], sizeof(c.preshared_key));
	routes[0] = (struct enn_wireguard_prefix){.family = ENN_FAMILY_IPV4, .bits = 24};
	routes[1] = (struct enn_wireguard_prefix){.family = ENN_FAMILY_IPV6, .bits = 64};
	wg_inner_address(b, ENN_FAMILY_IPV4, 0, routes[0].ip);
	wg_inner_address(b, ENN_FAMILY_IPV6, 0, routes[1].ip);
	if (endpoint && v->knows) {
		c.flags |= ENN_WIREGUARD_PEER_ENDPOINT;
		c.endpoint = dgram_address(&w->net, b, v->family);
		trust(&own->host[a], &c.endpoint);
	}
	return c;
}

static struct enn_engine *engine_of(struct dgram_world *w, unsigned h)
{
	return w->host[h].end[0] != NULL ? w->host[h].end[0]->e : NULL;
}

static void apply(struct dgram_world *w, unsigned h, struct enn_engine *e,
		  const struct enn_wireguard_change *change)
{
	struct enn_error error;
	enum enn_status status =
		enn_wireguard_configure(e, dgram_clock(&w->host[h]), change, &error);

	if (status != ENN_OK && !w->host[h].heap.failed && !w->host[h].random_failed) {
		dgram_violation(w, "%s: cannot be configured: %s", w->host[h].name, error.text);
	}
	if (w->host[h].end[0] != NULL && e == engine_of(w, h)) {
		dgram_pump(w->host[h].end[0]);
	}
}

/* Everything. endpoints: those of the plan are set too. */
static void configure(struct dgram_world *w, unsigned a, struct enn_engine *e, bool endpoints)
{
	struct wg_world *own = wg_of(w);
	struct enn_wireguard_prefix routes[DGRAM_HOSTS][2];
	struct enn_wireguard_peer_change peers[DGRAM_HOSTS];
	struct enn_wireguard_change change = {
		.set_private_key = true,
		.replace_peers = true,
		.set_mtu = true,
		.mtu = own->plan.mtu[a],
		.set_under_load = true,
		.under_load = own->host[a].load,
		.peers = peers,
	};

	memcpy(change.private_key, own->host[a].private_key, sizeof(change.private_key));
	for (unsigned b = 0; b < w->s->hosts; b++) {
		if (own->host[b].keys > 1) { /* perhaps a new peer */
			own->host[a].must_initiate[b] = ENN_TIME_NEVER;
		}
		if (a != b && !pair_of(w, a, b)->strangers && !own->removed[a][b]) {
			peers[change.peer_count] =
				view_of(w, a, b, routes[change.peer_count], endpoints);
			change.peer_count++;
		}
	}
	apply(w, a, e, &change);
}

enum enn_status wg_make(struct dgram_host *h)
{
	struct wg_host *own = &wg_of(h->w)->host[h->index];
	struct enn_engine *e = NULL;
	struct enn_error error;
	enum enn_status status = enn_wireguard_new(&h->env, &e, &error);

	for (unsigned b = 0; b < DGRAM_HOSTS; b++) {
		own->last_initiation[b] = own->owed[b] = ENN_TIME_NEVER;
		own->answered[b] = own->unanswered[b] = 0;
		own->must_initiate[b] = ENN_TIME_NEVER;
	}
	own->bytes_out = own->bytes_in = 0;
	if (status == ENN_OK) {
		configure(h->w, h->index, e, true);
		(void)dgram_adopt(h, e);
	}
	return status;
}

/* ---- deeds ------------------------------------------------------------------------------------------ */

static void change_one(struct dgram_world *w, unsigned a, unsigned b, uint32_t flags)
{
	struct enn_wireguard_prefix routes[2];
	struct enn_wireguard_peer_change peer = view_of(w, a, b, routes, false);
	struct enn_wireguard_change change = {.peers = &peer, .peer_count = 1};
	struct enn_engine *e = engine_of(w, a);

	peer.flags |= flags;
	if ((flags & ENN_WIREGUARD_PEER_ENDPOINT) != 0) {
		peer.endpoint = dgram_address(&w->net, b, wg_of(w)->plan.view[a][b].family);
		trust(&wg_of(w)->host[a], &peer.endpoint);
	}
	if (e != NULL && dgram_up(&w->host[a])) {
		apply(w, a, e, &change);
	}
}

static void new_key(struct dgram_world *w, unsigned a, bool tell_peers)
{
	struct wg_world *own = wg_of(w);

	if (!tell_peers) {
		draw_identity(w, a);
		for (unsigned b = 0; b < w->s->hosts; b++) { /* to others it is somebody new */
			own->host[b].last_initiation[a] = own->host[b].owed[a] = ENN_TIME_NEVER;
			own->host[b].must_initiate[a] = ENN_TIME_NEVER;
			own->host[a].must_initiate[b] = ENN_TIME_NEVER;
			own->host[a].last_initiation[b] = own->host[a].owed[b] = ENN_TIME_NEVER;
		}
		if (engine_of(w, a) != NULL && dgram_up(&w->host[a])) {
			configure(w, a, engine_of(w, a), true);
		}
		return;
	}
	for (unsigned b = 0; b < w->s->hosts; b++) {
		if (b != a && engine_of(w, b) != NULL && dgram_up(&w->host[b])) {
			own->host[b].forgot = true;
			configure(w, b, engine_of(w, b), true);
		}
	}
}

static void remove_peer(struct dgram_world *w, unsigned a, unsigned b)
{
	struct wg_world *own = wg_of(w);

	own->removed[a][b] = !own->removed[a][b];
	own->host[a].forgot = true;
	own->host[a].owed[b] = own->host[a].last_initiation[b] = ENN_TIME_NEVER;
	own->host[a].must_initiate[b] = ENN_TIME_NEVER;
	if (own->removed[a][b]) {
		change_one(w, a, b, ENN_WIREGUARD_PEER_REMOVE);
	} else {
		change_one(w, a, b, own->plan.view[a][b].knows ? ENN_WIREGUARD_PEER_ENDPOINT : 0);
	}
}

/* argument chooses the other host, and says which half of the deed it is: deeds alternate. */
void wg_deed(struct dgram_world *w, const struct dgram_deed *d)
{
	struct wg_world *own = wg_of(w);
	unsigned a = d->target;
	unsigned b = (a + 1 + d->argument % (w->s->hosts - 1)) % w->s->hosts;
	uint32_t half = w->deed[d - w->s->deed].done % 2;

	if (pair_of(w, a, b)->strangers) {
		return;
	}
	switch (d->kind) {
	case WG_DEED_REMOVE:
		remove_peer(w, a, b);
		break;
	case WG_DEED_NEW_PSK:
		if (half == 0) {
			draw_psk(w, a, b, false);
		} else {
			memcpy(own->psk[b][a], own->psk[a][b], ENN_WIREGUARD_KEY);
		}
		if (!own->removed[half ? b : a][half ? a : b]) {
			change_one(w, half ? b : a, half ? a : b, 0);
		}
		break;
	case WG_DEED_NEW_KEY:
		new_key(w, a, half == 1);
		break;
	case WG_DEED_ROUTES:
		own->unrouted[a][b] = !own->unrouted[a][b];
		if (!own->removed[a][b]) {
			change_one(w, a, b, 0);
		}
		break;
	case WG_DEED_ENDPOINT:
		if (!own->removed[a][b]) {
			change_one(w, a, b, ENN_WIREGUARD_PEER_ENDPOINT);
		}
		break;
	case WG_DEED_LOAD:
		own->host[a].load = !own->host[a].load;
		own->host[a].load_since = w->now;
		if (engine_of(w, a) != NULL && dgram_up(&w->host[a])) {
			const struct enn_wireguard_change change = {
				.set_under_load = true, .under_load = own->host[a].load};
			apply(w, a, engine_of(w, a), &change);
		}
		break;
	case WG_DEED_REKEY:
		if (engine_of(w, a) != NULL && dgram_up(&w->host[a])) {
			(void)!enn_engine_rekey(engine_of(w, a), dgram_clock(&w->host[a]), true);
			dgram_pump(w->host[a].end[0]);
		}
		break;
	case WG_DEED_SAME:
		if (engine_of(w, a) != NULL && dgram_up(&w->host[a])) {
			configure(w, a, engine_of(w, a), false);
		}
		break;
	case WG_DEED_KEEPALIVE:
		own->keepalive[a][b] =
			half == 0 ? (uint16_t)(d->argument % 40) : own->plan.view[a][b].keepalive;
		if (!own->removed[a][b]) {
			change_one(w, a, b, 0);
		}
		break;
	default:
		abort();
	}
}

/* Everybody knows everybody's key again, and the pre-shared keys fit as the plan has it. Where peers are is left
 * for them to find out. */
void wg_calm(struct dgram_world *w)
{
	struct wg_world *own = wg_of(w);

	for (unsigned a = 0; a < w->s->hosts; a++) {
		for (unsigned b = a + 1; b < w->s->hosts; b++) {
			if (!own->plan.pair[a][b].wrong_psk) {
				memcpy(own->psk[b][a], own->psk[a][b], ENN_WIREGUARD_KEY);
			}
		}
	}
	memset(own->removed, 0, sizeof(own->removed));
	memset(own->unrouted, 0, sizeof(own->unrouted));
	for (unsigned a = 0; a < w->s->hosts; a++) {
		for (unsigned b = 0; b < w->s->hosts; b++) {
			own->keepalive[a][b] = own->plan.view[a][b].keepalive;
			own->host[a].last_passed[b] = w->now;
		}
		if (engine_of(w, a) != NULL) {
			configure(w, a, engine_of(w, a), false);
		}
	}
}

/* ---- queries ---------------------------------------------------------------------------------------- */

unsigned wg_peer_host(const struct dgram_host *h, uint64_t id)
{
	const struct wg_world *own = wg_of(h->w);
	size_t have = own->identity_count < WG_IDENTITIES ? own->identity_count : WG_IDENTITIES;
	struct enn_wireguard_peer_info info;
	uint64_t cursor = 0;

	while (h->end[0] != NULL && enn_wireguard_next_peer(h->end[0]->e, &cursor, &info)) {
		for (size_t i = 0; i < have && info.id == id; i++) {
			if (memcmp(own->identity[i].public_key, info.public_key,
				   sizeof(info.public_key)) == 0) {
				return own->identity[i].host;
			}
		}
	}
	return DGRAM_STRANGER;
}

bool wg_peer_info(const struct dgram_host *h, unsigned peer, struct enn_wireguard_peer_info *info)
{
	return h->end[0] != NULL &&
	       enn_wireguard_find_peer(h->end[0]->e, wg_of(h->w)->host[peer].public_key, info);
}
