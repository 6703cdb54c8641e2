/* SPDX-License-Identifier: Apache-2.0
 *
 * What two endpoints of TLS 1.3 with given parameters must agree on, or which of them must refuse:
 * RFC 8446 §4.1.1, §4.2.8 to §4.2.11 and §4.4 once more, from the scenario alone.
 */
#include <string.h>

#include "handshake/session.h"
#include "invariants.h"

enum { HASH_256, HASH_384 };

static const uint16_t suite_codes[3] = {0x1301, 0x1302, 0x1303};
static const int suite_hashes[3] = {HASH_256, HASH_384, HASH_256};
static const uint16_t group_codes[3] = {0x001d, 0x0017, 0x0018};

/* What is offered as PSK, and what the server makes of it. */
struct offer {
	bool session; /* fits, so it is offered */
	bool early;   /* with early data */
	bool external;
	struct enn_session view;
	int session_suite; /* index */
	enum { CHOSE_NONE, CHOSE_SESSION, CHOSE_EXTERNAL } chosen;
	int hash; /* of the chosen one */
};

static int index_of(const struct sim_list *list, uint8_t what)
{
	for (int i = 0; i < list->count; i++) {
		if (list->at[i] == what) {
			return i;
		}
	}
	return -1;
}

static bool has_hash(const struct sim_list *list, int hash)
{
	for (int i = 0; i < list->count; i++) {
		if (suite_hashes[list->at[i]] == hash) {
			return true;
		}
	}
	return false;
}

/* Whether both know a suite with this hash. */
static bool shared_hash(const struct sim_side *c, const struct sim_side *s, int hash)
{
	for (int i = 0; i < s->suites.count; i++) {
		uint8_t at = s->suites.at[i];
		if (suite_hashes[at] == hash && index_of(&c->suites, at) >= 0) {
			return true;
		}
	}
	return false;
}

void sim_fails(struct sim_expect *x, bool by_server, enum enn_reason reason, uint8_t alert)
{
	x->success = false;
	x->by_server = by_server;
	x->reason = reason;
	x->alert = alert;
}

/* ---- ALPN ---------------------------------------------------------------------------------- */

/* RFC 7301 §3.2. False: the server refuses. */
bool sim_choose_alpn(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s)
{
	x->alpn = "";
	if (c->alpn.count == 0 || s->alpn.count == 0) {
		return true;
	}
	for (int i = 0; i < s->alpn.count; i++) {
		if (index_of(&c->alpn, s->alpn.at[i]) >= 0) {
			x->alpn = sim_alpn_names[s->alpn.at[i]];
			return true;
		}
	}
	return false;
}

static bool session_alpn_is(const struct enn_session *view, const char *name)
{
	return view->alpn.len == strlen(name) &&
	       (view->alpn.len == 0 || memcmp(view->alpn.data, name, view->alpn.len) == 0);
}

static bool session_alpn_offered(const struct enn_session *view, const struct sim_side *c)
{
	if (view->alpn.len == 0) {
		return true;
	}
	for (int i = 0; i < c->alpn.count; i++) {
		if (session_alpn_is(view, sim_alpn_names[c->alpn.at[i]])) {
			return true;
		}
	}
	return false;
}

/* ---- PSKs ------------------------------------------------------------------------------------- */

/* Whether two connections of one side are made under the same rules: then a session of the one is
 * good for the other. */
static bool same_rules(const struct sim_side *a, const struct sim_side *b)
{
	return a->trust == b->trust && a->ask_psk == b->ask_psk &&
	       (a->ask_psk ||
		(a->psk == b->psk && (a->psk == SIM_PSK_NONE || a->psk_sha384 == b->psk_sha384)));
}

/* A client is also bound to the certificate that it may be asked for. */
static bool same_client(const struct sim_side *a, const struct sim_side *b)
{
	return same_rules(a, b) && a->has_certificate == b->has_certificate &&
	       (!a->has_certificate || a->key == b->key);
}

bool sim_offers_session(const struct sim_run *run, const struct sim_connection *conn,
			struct enn_session *view)
{
	const struct sim_side *c = &conn->side[0];
	struct enn_bytes blob = {run->session.blob, run->session.len};
	int64_t now = SIM_EPOCH * (int64_t)ENN_SECOND + run->skew + (int64_t)run->now;
	const char *name = c->wrong_name ? "other.sim.example" : SIM_SERVER_NAME;

	if (!conn->offer_session || blob.data == NULL || !c->resume ||
	    !enn_session_decode(blob, view)) {
		return false;
	}
	return now - view->issued < (int64_t)view->lifetime * (int64_t)ENN_SECOND &&
	       view->server_name.len == strlen(name) &&
	       memcmp(view->server_name.data, name, strlen(name)) == 0 &&
	       same_client(c, &run->session.side[0]) &&
	       (view->peer_authenticated || c->trust == SIM_TRUST_NONE);
}

static void client_offers(struct offer *o, const struct sim_run *run,
			  const struct sim_connection *conn)
{
	const struct sim_side *c = &conn->side[0];

	o->external = c->psk != SIM_PSK_NONE && has_hash(&c->suites, c->psk_sha384);
	if (!sim_offers_session(run, conn, &o->view)) {
		return;
	}
	for (int i = 0; i < 3; i++) {
		o->session_suite = suite_codes[i] == o->view.suite ? i : o->session_suite;
	}
	o->session = index_of(&c->suites, (uint8_t)o->session_suite) >= 0;
	o->early = o->session && c->early && o->view.max_early_data > 0 &&
		   session_alpn_offered(&o->view, c);
}

bool sim_takes_session(const struct sim_run *run, const struct sim_connection *conn)
{
	const struct sim_side *s = &conn->side[1];
	int64_t age =
		SIM_EPOCH * (int64_t)ENN_SECOND + (int64_t)run->now - run->session.server_issued;

	/* the margin: the hello is on its way for a while */
	return s->resume && age < (int64_t)86399 * (int64_t)ENN_SECOND &&
	       (same_rules(s, &run->session.side[1]) ||
		(!run->session.client_authenticated && s->has_certificate)) &&
	       (run->session.client_authenticated || !s->require_client);
}

static bool server_takes_session(const struct offer *o, const struct sim_run *run,
				 const struct sim_connection *conn)
{
	return o->session && sim_takes_session(run, conn) &&
	       shared_hash(&conn->side[0], &conn->side[1], suite_hashes[o->session_suite]);
}

bool sim_server_knows(const struct sim_side *c, const struct sim_side *s)
{
	return s->psk == SIM_PSK_SHARED &&
	       (c->psk == SIM_PSK_SHARED || c->psk == SIM_PSK_OTHER_KEY) &&
	       (!s->ask_psk || s->answer_yes);
}

/* The first identity that the server can use, in a mode that both know. False: the server refuses. */
static bool choose_psk(struct sim_expect *x, struct offer *o, const struct sim_run *run,
		       const struct sim_connection *conn, bool *ke)
{
	const struct sim_side *c = &conn->side[0];
	const struct sim_side *s = &conn->side[1];
	bool mode = false;

	for (int i = 0; i < s->modes.count && !mode; i++) {
		mode = index_of(&c->modes, s->modes.at[i]) >= 0;
		*ke = mode && s->modes.at[i] == 0;
	}
	if (!mode) {
		return true;
	}
	if (server_takes_session(o, run, conn)) {
		o->chosen = CHOSE_SESSION;
		o->hash = suite_hashes[o->session_suite];
	} else if (o->external && sim_server_knows(c, s) && shared_hash(c, s, c->psk_sha384)) {
		o->chosen = CHOSE_EXTERNAL;
		o->hash = c->psk_sha384;
		if (c->psk == SIM_PSK_OTHER_KEY) {
			sim_fails(x, true, ENN_REASON_UNKNOWN_PSK, 51);
			return false;
		}
	}
	return true;
}

/* ---- suite, group ----------------------------------------------------------------------------- */

static int choose_suite(const struct offer *o, const struct sim_side *c, const struct sim_side *s)
{
	if (o->chosen == CHOSE_SESSION && index_of(&s->suites, (uint8_t)o->session_suite) >= 0) {
		return o->session_suite;
	}
	for (int i = 0; i < s->suites.count; i++) {
		uint8_t at = s->suites.at[i];
		if (index_of(&c->suites, at) >= 0 &&
		    (o->chosen == CHOSE_NONE || suite_hashes[at] == o->hash)) {
			return at;
		}
	}
	return -1;
}

/* §4.2.8: the server's best for which a share came, else its best, asked for. -1: none is shared. */
static int choose_group(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s)
{
	int first = -1;

	for (int i = 0; i < s->groups.count; i++) {
		int at = index_of(&c->groups, s->groups.at[i]);
		if (at >= 0 && at < (int)c->key_shares) {
			return s->groups.at[i];
		}
		first = at >= 0 && first < 0 ? s->groups.at[i] : first;
	}
	x->hello_retry = first >= 0;
	return first;
}

/* ---- authentication ---------------------------------------------------------------------------- */

/* One side judges the other's certificate. False: it refuses. */
static bool judge(struct sim_expect *x, bool by_server, const struct sim_side *judge)
{
	if (judge->trust == SIM_TRUST_STRANGER) {
		sim_fails(x, by_server, ENN_REASON_CERT_UNKNOWN_ISSUER, 48);
		return false;
	}
	if (judge->wrong_name && judge->trust == SIM_TRUST_ROOT) {
		sim_fails(x, by_server, ENN_REASON_CERT_NAME_MISMATCH, 42);
		return false;
	}
	if (judge->trust == SIM_TRUST_DELEGATE && !judge->answer_yes) {
		sim_fails(x, by_server, ENN_REASON_CERT_REJECTED, 46);
		return false;
	}
	return true;
}

static bool can_sign(struct sim_expect *x, bool server, const struct sim_side *side)
{
	if (side->external_key && !side->answer_yes) {
		sim_fails(x, server, ENN_REASON_ESTABLISHMENT_FAILED, 80);
		return false;
	}
	return true;
}

bool sim_authenticate(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s)
{
	if (!s->has_certificate) {
		sim_fails(x, true, ENN_REASON_UNKNOWN_PSK, 40);
		return false;
	}
	if (!can_sign(x, true, s)) {
		/* its certificate may be judged while it waits for the signature */
		x->either = c->trust == SIM_TRUST_STRANGER || c->wrong_name;
		return false;
	}
	if (!judge(x, false, c)) {
		return false;
	}
	x->client_knows_server = c->trust != SIM_TRUST_NONE;
	if (!s->request_client && !s->require_client) {
		return true;
	}
	if (!c->has_certificate) {
		if (s->require_client) {
			/* there is no alert of its own before TLS 1.3 */
			sim_fails(x, true, ENN_REASON_CERT_MISSING,
				  x->version == 0x0303 ? 40 : 116);
		}
		return !s->require_client;
	}
	if (!can_sign(x, false, c) || !judge(x, true, s)) {
		return false;
	}
	x->server_knows_client = true;
	return true;
}

/* ---- early data ----------------------------------------------------------------------------------- */

static void decide_early_data(struct sim_expect *x, const struct offer *o,
			      const struct sim_run *run, const struct sim_connection *conn,
			      int suite)
{
	const struct sim_side *s = &conn->side[1];
	/* how much later than made the ticket came to the client: its age is reckoned from there */
	int64_t lag = o->view.issued - run->skew - run->session.server_issued;

	x->early = ENN_EARLY_DATA_NONE;
	if (!o->early) {
		return;
	}
	bool accept = s->early && o->chosen == CHOSE_SESSION && !x->hello_retry &&
		      suite == o->session_suite && session_alpn_is(&o->view, x->alpn) &&
		      !conn->server_restart;
	x->early = accept ? ENN_EARLY_DATA_ACCEPTED : ENN_EARLY_DATA_REJECTED;
	x->early_open = accept && lag > (int64_t)(5 * ENN_SECOND);
	x->resend_refused = conn->side[0].early_bytes > 0 && !session_alpn_is(&o->view, x->alpn);
}

void sim_expect(struct sim_expect *x, const struct sim_run *run, size_t index)
{
	const struct sim_connection *conn = &run->scenario->connection[index];
	const struct sim_side *c = &conn->side[0];
	const struct sim_side *s = &conn->side[1];
	struct offer o = {.session_suite = 0};
	bool ke = false;
	int group = -1;

	memset(x, 0, sizeof(*x));
	x->version = (uint16_t)sim_version(conn);
	if (x->version == 0) {
		sim_fails(x, true, ENN_REASON_NO_SHARED_PARAMETERS, 70);
		return;
	}
	if (x->version == 0x0303) {
		sim_expect12(x, run, index);
		return;
	}
	client_offers(&o, run, conn);
	x->quiet = o.early;
	if (!sim_choose_alpn(x, c, s)) {
		sim_fails(x, true, ENN_REASON_NO_SHARED_PARAMETERS, 120);
		return;
	}
	bool psk_ok = choose_psk(x, &o, run, conn, &ke);
	int suite = choose_suite(&o, c, s);
	bool with_group = o.chosen == CHOSE_NONE || !ke;
	if (suite >= 0 && with_group) {
		group = choose_group(x, c, s);
	}
	if (suite < 0 || (with_group && group < 0)) {
		sim_fails(x, true, ENN_REASON_NO_SHARED_PARAMETERS, 40);
		return;
	}
	if (!psk_ok) {
		return; /* a wrong key shows when the server answers, after a retry if there is one */
	}
	x->suite = suite_codes[suite];
	x->group = with_group ? group_codes[group] : 0;
	decide_early_data(x, &o, run, conn, suite);
	x->resumed = o.chosen == CHOSE_SESSION;
	x->external_psk = o.chosen == CHOSE_EXTERNAL;
	if (o.chosen == CHOSE_NONE) {
		x->success = sim_authenticate(x, c, s);
		return;
	}
	x->success = true;
	x->server_knows_client = x->external_psk || run->session.client_authenticated;
	x->client_knows_server = x->external_psk || o.view.peer_authenticated;
}
