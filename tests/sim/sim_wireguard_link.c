/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_wireguard_link: message connections over WireGuard, one listener and one to
 * four clients, seeded (see dgram_main.h). A client whose connection has failed makes a new one
 * when it has something to say.
 */
#include <stdlib.h>
#include <string.h>

#include "dgram_check.h"
#include "dgram_main.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "ennead/wireguard.h"

#define LISTENER 0u
#define PSK	 DGRAM_OWN

static const char *const own_troubles[] = {"psk"};

struct link_world {
	uint8_t private_key[DGRAM_HOSTS][ENN_WIREGUARD_KEY];
	uint8_t public_key[DGRAM_HOSTS][ENN_WIREGUARD_KEY];
	uint8_t psk[DGRAM_HOSTS][ENN_WIREGUARD_KEY]; /* of each client */
	struct enn_security *security[DGRAM_HOSTS];
	struct sim_scan identities;
	struct enn_address known[16]; /* where the listener has been */
	size_t known_count;
};

static struct link_world *own_of(const struct dgram_world *w)
{
	return w->own;
}

static void need(enum enn_status status)
{
	if (status != ENN_OK) {
		abort();
	}
}

/* ---- identities ----------------------------------------------------------------------------------- */

static void draw(struct dgram_scenario *s, struct sim_rng *r)
{
	s->troubles |= (uint64_t)sim_rng_chance(r, 50) << PSK;
	for (size_t i = 0; i < s->flows; i++) { /* clients do not know each other */
		struct dgram_flow *f = &s->flow[i];
		if (f->from != LISTENER && f->to != LISTENER) {
			f->to = LISTENER;
		}
	}
}

static struct enn_security *security_of(const struct dgram_world *w, unsigned h)
{
	const struct link_world *own = own_of(w);
	struct enn_security *s = dgram_need(enn_security_new());
	struct enn_credential *key = NULL;

	need(enn_credential_static_key(own->private_key[h], &key));
	need(enn_security_add_credential(s, key));
	enn_credential_free(key);
	for (unsigned c = 1; c < w->s->hosts; c++) {
		const uint8_t *psk = dgram_has(w->s, PSK) ? own->psk[c] : NULL;
		if (h == LISTENER) {
			need(enn_security_add_peer_key(s, own->public_key[c], psk));
		} else if (h == c) {
			need(enn_security_add_peer_key(s, own->public_key[LISTENER], psk));
		}
	}
	return s;
}

static void open_world(struct dgram_world *w)
{
	struct link_world *own = dgram_need(calloc(1, sizeof(*own)));

	w->own = own;
	for (unsigned h = 0; h < w->s->hosts; h++) {
		struct sim_rng r;
		sim_rng_seed(&r, w->s->seed, 500 + h);
		sim_rng_fill(&r, own->private_key[h], ENN_WIREGUARD_KEY);
		sim_rng_fill(&r, own->psk[h], ENN_WIREGUARD_KEY);
		own->private_key[h][0] &= 248; /* RFC 7748 §5 */
		own->private_key[h][31] = (uint8_t)((own->private_key[h][31] & 127) | 64);
		need(enn_wireguard_public_key(&w->host[h].env, own->private_key[h],
					      own->public_key[h]));
		sim_scan_add(&w->scan, own->private_key[h], ENN_WIREGUARD_KEY, "a private key");
		sim_scan_add(&w->scan, own->psk[h], ENN_WIREGUARD_KEY, "a pre-shared key");
		sim_scan_add(&own->identities, own->public_key[h], ENN_WIREGUARD_KEY,
			     "an identity");
	}
	for (unsigned h = 0; h < w->s->hosts; h++) {
		own->security[h] = security_of(w, h);
	}
}

static void close_world(struct dgram_world *w)
{
	for (unsigned h = 0; h < w->s->hosts; h++) {
		enn_security_free(own_of(w)->security[h]);
	}
	free(w->own);
}

/* ---- connections ---------------------------------------------------------------------------------- */

/* Where the listener is now: some directory knows. */
static enum enn_status connect_client(struct dgram_host *h)
{
	struct link_world *own = own_of(h->w);
	struct enn_engine_options options = {
		.path.remote = dgram_address(&h->w->net, LISTENER, ENN_FAMILY_IPV4)};
	struct enn_engine *e = NULL;
	enum enn_status status =
		enn_engine_new_client(enn_protocol_by_id(ENN_PROTOCOL_WIREGUARD), &h->env,
				      own->security[h->index], &options, &e, NULL);

	own->known[own->known_count++ % 16] = options.path.remote;
	if (status == ENN_OK) {
		(void)dgram_adopt(h, e);
	}
	return status;
}

static enum enn_status make(struct dgram_host *h)
{
	if (h->index != LISTENER) {
		return connect_client(h);
	}
	return enn_acceptor_new(enn_protocol_by_id(ENN_PROTOCOL_WIREGUARD), &h->env,
				own_of(h->w)->security[LISTENER], &h->acceptor, NULL);
}

static bool over(const struct dgram_end *end)
{
	return end->failed || end->closed;
}

static struct dgram_end *route(struct dgram_host *h, const struct dgram_message *m)
{
	if (h->index != LISTENER) {
		if (h->end[0] != NULL && over(h->end[0])) {
			dgram_drop(h->end[0]);
			(void)connect_client(h);
		}
		return m->to == LISTENER ? h->end[0] : NULL;
	}
	for (unsigned i = DGRAM_ENDS; i-- > 0;) {
		if (h->end[i] != NULL && h->end[i]->peer == m->to && !over(h->end[i])) {
			return h->end[i];
		}
	}
	return NULL;
}

static bool refusal(struct dgram_host *h, const struct dgram_message *m, enum enn_status status)
{
	(void)h;
	(void)m;
	return status == ENN_E_FAILED || status == ENN_E_CLOSED; /* since it was given */
}

static bool unwrap(struct dgram_end *end, const struct enn_event *event, const uint8_t **payload,
		   size_t *len, unsigned *from)
{
	*payload = event->u.received.data;
	*len = event->u.received.len;
	*from = end->h->index == LISTENER ? end->peer : LISTENER;
	return true;
}

static void event(struct dgram_end *end, const struct enn_event *e)
{
	if (e->type == ENN_EVENT_FAILED && e->u.error.reason != ENN_REASON_TIMEOUT &&
	    !end->h->heap.failed && !end->h->random_failed) {
		dgram_violation(end->h->w, "%s: failed: %s", end->h->name, e->u.error.text);
	}
}

/* ---- what holds ----------------------------------------------------------------------------------- */

static void sent(struct dgram_host *h, const struct enn_path *path, const uint8_t *data, size_t len)
{
	(void)path;
	if (sim_scan_find(&own_of(h->w)->identities, data, len) != NULL) {
		dgram_violation(h->w, "%s: transmits somebody's public key", h->name);
	}
}

static bool trusts(const struct dgram_host *h, const struct enn_address *a)
{
	const struct link_world *own = own_of(h->w);

	for (size_t i = 0; h->index != LISTENER && i < own->known_count && i < 16; i++) {
		if (dgram_same_address(a, &own->known[i])) {
			return true;
		}
	}
	return false;
}

static bool validates(const struct dgram_host *h, const struct dgram_datagram *d)
{
	bool handshake = (d->len == 148 && d->data[0] == 1) || (d->len == 92 && d->data[0] == 2);

	if (d->sender == DGRAM_STRANGER || d->sender == h->index) {
		return false;
	}
	return handshake || dgram_is_news(h, d);
}

static bool few(const struct dgram_scenario *s)
{
	unsigned sum[DGRAM_HOSTS][DGRAM_HOSTS] = {{0}};

	for (size_t i = 0; i < s->flows; i++) {
		const struct dgram_flow *f = &s->flow[i];
		sum[f->from][f->to] += f->off ? 0 : (unsigned)f->count * f->burst;
		if (sum[f->from][f->to] > 128) {
			return false;
		}
	}
	return true;
}

static enum dgram_reach reach(struct dgram_world *w, unsigned a, unsigned b, const char **why)
{
	*why = "clients do not know each other";
	if (a != LISTENER && b != LISTENER) {
		return DGRAM_REACH_NO;
	}
	*why = "nobody has asked";
	if (a == LISTENER || w->s->host[LISTENER].nat == DGRAM_NAT_STRICT) {
		return DGRAM_REACH_MAYBE;
	}
	return DGRAM_REACH_YES;
}

static size_t memory(const struct dgram_host *h)
{
	return (1u << 20) + h->w->s->hosts * (256u << 10);
}

static const char *describe(const uint8_t *data, size_t len)
{
	static const char *const names[] = {"initiation", "response", "cookie reply", "data"};

	return len < 4 || data[0] < 1 || data[0] > 4 ? "noise" : names[data[0] - 1];
}

static const struct dgram_protocol protocol = {
	.name = "wireguard link",
	.troubles = own_troubles,
	.trouble_count = 1,
	.storm_least = 2 * ENN_SECOND,
	.storm_most = 400 * ENN_SECOND,
	.settle = 10 * ENN_SECOND,
	.probe_every = 16 * ENN_SECOND,
	.probes = 12,
	.amplification = 100,
	.draw = draw,
	.open = open_world,
	.close = close_world,
	.make = make,
	.route = route,
	.unwrap = unwrap,
	.refusal = refusal,
	.event = event,
	.describe = describe,
	.sent = sent,
	.trusts = trusts,
	.validates = validates,
	.memory = memory,
	.lossless = few,
	.reach = reach,
};

int main(int argc, char **argv)
{
	return dgram_main(&protocol, argc, argv);
}
