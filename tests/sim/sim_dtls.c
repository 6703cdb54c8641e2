/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_dtls: DTLS 1.2 and 1.3, one listener and one to four clients, seeded (see dgram_main.h). A client whose
 * connection has failed makes a new one when it has something to say.
 */
#include <stdlib.h>
#include <string.h>

#include "dgram_check.h"
#include "dgram_main.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "pki.h"

#define LISTENER 0u
#define PSK	 DGRAM_OWN
#define ONLY12	 (DGRAM_OWN + 1) /* a client that speaks 1.2 alone */
#define MUTUAL	 (DGRAM_OWN + 2)
#define P256	 (DGRAM_OWN + 3) /* a group that the client has no key for: a retry */

static const char *const own_troubles[] = {"psk", "only12", "mutual", "p256"};

struct dtls_world {
	struct enn_security *security[DGRAM_HOSTS];
	struct enn_address known[16]; /* where the listener has been */
	size_t known_count;
};

static struct sim_pki *pki;

static struct dtls_world *own_of(const struct dgram_world *w)
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
	s->troubles |= (uint64_t)sim_rng_chance(r, 30) << PSK;
	s->troubles |= (uint64_t)sim_rng_chance(r, 40) << ONLY12;
	s->troubles |= (uint64_t)sim_rng_chance(r, 30) << MUTUAL;
	s->troubles |= (uint64_t)sim_rng_chance(r, 20) << P256;
	for (size_t i = 0; i < s->flows; i++) { /* clients do not know each other */
		struct dgram_flow *f = &s->flow[i];
		if (f->from != LISTENER && f->to != LISTENER) {
			f->to = LISTENER;
		}
	}
}

static void add_psk(struct enn_security *s)
{
	static const uint8_t key[32] = {0x5b, 0x17, 0xd2, 0x88, 0x3c, 0x41, 0xf0, 0x9e};
	struct enn_credential *psk = NULL;

	need(enn_credential_psk((const uint8_t *)"client", 6, key, sizeof(key), ENN_PSK_SHA256,
				&psk));
	need(enn_security_add_credential(s, psk));
	enn_credential_free(psk);
}

static struct enn_security *security_of(const struct dgram_world *w, unsigned h)
{
	struct enn_security *s = dgram_need(enn_security_new());
	bool server = h == LISTENER;
	const char *root = sim_pki_root(pki);

	need(enn_security_trust_pem(s, root, strlen(root), NULL));
	need(enn_security_set_u64(s, ENN_SECURITY_HANDSHAKE_TIMEOUT, 60000));
	if (dgram_has(w->s, PSK)) {
		add_psk(s);
		return s;
	}
	if (server || dgram_has(w->s, MUTUAL)) {
		need(enn_security_add_credential(
			s, sim_pki_credential(pki, server, SIM_KEY_ED25519, false)));
	}
	if (server && dgram_has(w->s, MUTUAL)) {
		need(enn_security_set_bool(s, ENN_SECURITY_REQUIRE_CLIENT, true));
	}
	if (server && dgram_has(w->s, P256)) {
		need(enn_security_set_list(s, ENN_SECURITY_GROUPS, "secp256r1", NULL));
	}
	if (!server && dgram_has(w->s, ONLY12)) {
		need(enn_security_set_list(s, ENN_SECURITY_VERSIONS, "TLSv1.2", NULL));
	}
	return s;
}

static void open_world(struct dgram_world *w)
{
	struct dtls_world *own = dgram_need(calloc(1, sizeof(*own)));

	w->own = own;
	sim_pki_secrets(pki, &w->scan);
	for (unsigned h = 0; h < w->s->hosts; h++) {
		w->host[h].env.wall_offset = SIM_EPOCH * (int64_t)ENN_SECOND;
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
	struct dtls_world *own = own_of(h->w);
	struct enn_engine_options options = {
		.server_name = SIM_SERVER_NAME,
		.path.remote = dgram_address(&h->w->net, LISTENER, ENN_FAMILY_IPV4)};
	struct enn_engine *e = NULL;
	enum enn_status status =
		enn_engine_new_client(enn_protocol_by_id(ENN_PROTOCOL_DTLS), &h->env,
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
	return enn_acceptor_new(enn_protocol_by_id(ENN_PROTOCOL_DTLS), &h->env,
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

/* Without connection IDs an association is bound to its addresses. */
static bool moves(const struct dgram_scenario *s)
{
	for (size_t i = 0; i < s->deeds; i++) {
		enum dgram_deed_kind kind = s->deed[i].kind;
		if (!s->deed[i].off && (kind == DGRAM_DEED_REBIND || kind == DGRAM_DEED_MOVE ||
					kind == DGRAM_DEED_RESTART)) {
			return true;
		}
	}
	return false;
}

/* The beginning of a handshake is in the clear: who changes it, or invents it, ends it. */
static bool is_meddled(const struct dgram_scenario *s)
{
	bool any = dgram_has(s, DGRAM_CORRUPT) || dgram_has(s, DGRAM_TRUNCATE) ||
		   dgram_has(s, DGRAM_EXTEND);

	for (size_t i = 0; i < s->deeds; i++) {
		any = any || (!s->deed[i].off && s->deed[i].kind >= DGRAM_DEED_REPLAY);
	}
	return any;
}

static void event(struct dgram_end *end, const struct enn_event *e)
{
	/* A cookie is refused that is brought from another address, or by a client that began anew and was
	 * given the one of its life before. */
	bool moved = moves(end->h->w->s);

	if (e->type == ENN_EVENT_FAILED && !is_meddled(end->h->w->s) && !moved &&
	    e->u.error.reason != ENN_REASON_TIMEOUT &&
	    e->u.error.reason != ENN_REASON_CONNECTION_ABORTED && !end->h->heap.failed &&
	    !end->h->random_failed) {
		dgram_violation(end->h->w, "%s: failed: %s", end->h->name, e->u.error.text);
	}
}

/* ---- what holds ----------------------------------------------------------------------------------- */

/* What is added behind a record leaves it good, and a cookie is worth as much in a hello that was changed elsewhere. */
static bool validates(const struct dgram_host *h, const struct dgram_datagram *d)
{
	if (d->sender == DGRAM_STRANGER || d->sender == h->index) {
		return false;
	}
	return dgram_is_news(h, d) || dgram_has(h->w->s, DGRAM_EXTEND) ||
	       dgram_has(h->w->s, DGRAM_CORRUPT);
}

static bool trusts(const struct dgram_host *h, const struct enn_address *a)
{
	const struct dtls_world *own = own_of(h->w);

	for (size_t i = 0; h->index != LISTENER && i < own->known_count && i < 16; i++) {
		if (dgram_same_address(a, &own->known[i])) {
			return true;
		}
	}
	return false;
}

/* What a client sends at once and overtakes its Finished cannot be read yet, and is lost. */
static bool loses_nothing(const struct dgram_scenario *s)
{
	(void)s;
	return false;
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
	*why = "the association is bound to an address that is another's now";
	return moves(w->s) ? DGRAM_REACH_MAYBE : DGRAM_REACH_YES;
}

static size_t memory(const struct dgram_host *h)
{
	return (1u << 20) + h->w->s->hosts * (512u << 10);
}

static const char *describe(const uint8_t *data, size_t len)
{
	if (len == 0) {
		return "nothing";
	}
	switch (data[0]) {
	case 20:
		return "change_cipher_spec";
	case 21:
		return "alert";
	case 22:
		return "handshake";
	case 23:
		return "data";
	default:
		return (data[0] & 0xe0) == 0x20 ? "unified" : "noise";
	}
}

static const struct dgram_protocol protocol = {
	.name = "DTLS",
	.troubles = own_troubles,
	.trouble_count = 4,
	.storm_least = 2 * ENN_SECOND,
	.storm_most = 400 * ENN_SECOND,
	.settle = 10 * ENN_SECOND,
	.probe_every = 16 * ENN_SECOND,
	.probes = 12,
	.amplification = 300,
	.draw = draw,
	.open = open_world,
	.close = close_world,
	.make = make,
	.route = route,
	.unwrap = unwrap,
	.refusal = refusal,
	.event = event,
	.describe = describe,
	.trusts = trusts,
	.validates = validates,
	.memory = memory,
	.lossless = loses_nothing,
	.reach = reach,
};

int main(int argc, char **argv)
{
	pki = sim_pki_new(1u << SIM_KEY_ED25519);
	int status = dgram_main(&protocol, argc, argv);
	sim_pki_free(pki);
	return status;
}
