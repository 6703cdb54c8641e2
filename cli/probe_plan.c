/* SPDX-License-Identifier: Apache-2.0
 *
 * What a probe asks, and in which order. A list of algorithms is found out by offering all of
 * them, taking away what the server chose, and offering the rest, until it refuses: that is the
 * server's own order, if it goes by one.
 */
#include "probe.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const probe_version_name[PROBE_VERSIONS] = {"TLSv1.3", "TLSv1.2"};
static const uint16_t version_code[PROBE_VERSIONS] = {0x0304, 0x0303};

/* ---- policies -------------------------------------------------------------------------------------- */

static bool append(char *text, size_t cap, const char *more)
{
	size_t len = strlen(text);
	size_t n = strlen(more);

	if (len + n >= cap) {
		return false;
	}
	memcpy(text + len, more, n + 1);
	return true;
}

/* RFC 5246 §A.5: names of its suites have WITH in them. Those with a PSK cannot be tried. */
static bool is_asked(const char *suite, enum probe_version version)
{
	return (strstr(suite, "_WITH_") != NULL) == (version == PROBE_TLS12) &&
	       strstr(suite, "_PSK_") == NULL;
}

static bool append_list(char *policy, enum probe_version version, const char *kind,
			enum enn_security_parameter id)
{
	const char *name;
	const char *before = "=";
	bool good = append(policy, PROBE_POLICY, ":") && append(policy, PROBE_POLICY, kind);

	for (size_t i = 0; good && (name = enn_security_list_name(id, i)) != NULL; i++) {
		if (id == ENN_SECURITY_CIPHER_SUITES && !is_asked(name, version)) {
			continue;
		}
		good = append(policy, PROBE_POLICY, before) && append(policy, PROBE_POLICY, name);
		before = ":";
	}
	return good;
}

bool probe_policy(char policy[PROBE_POLICY], enum probe_version version, const char *list,
		  const char *names)
{
	static const struct {
		const char *kind;
		enum enn_security_parameter id;
	} kinds[] = {{"suites", ENN_SECURITY_CIPHER_SUITES},
		     {"groups", ENN_SECURITY_GROUPS},
		     {"signatures", ENN_SECURITY_SIGNATURES},
		     {"certificate-signatures", ENN_SECURITY_CERT_SIGNATURES}};
	bool good = true;

	(void)snprintf(policy, PROBE_POLICY, "modern:legacy-cbc:without-ems:versions=%s",
		       probe_version_name[version]);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && good; i++) {
		if (list != NULL && strcmp(list, kinds[i].kind) == 0) {
			good = append(policy, PROBE_POLICY, ":") &&
			       append(policy, PROBE_POLICY, list) &&
			       append(policy, PROBE_POLICY, "=") &&
			       append(policy, PROBE_POLICY, names);
		} else {
			good = append_list(policy, version, kinds[i].kind, kinds[i].id);
		}
	}
	return good;
}

bool probe_failed_at(const struct enn_error *error, const char *where)
{
	return error->where != NULL && strcmp(error->where, where) == 0;
}

/* An ordinary shot of one version, with all that this build knows. */
static struct probe_shot *fire(struct probe *p, enum probe_version version,
			       void (*done)(struct probe_shot *shot))
{
	struct probe_shot *shot = probe_fire(p, done, &p->version[version]);

	if (shot != NULL) {
		(void)probe_policy(shot->policy, version, NULL, NULL);
	}
	return shot;
}

static enum probe_version version_of(const struct probe_shot *shot)
{
	const struct probe_of_version *v = shot->user;

	return (enum probe_version)(v - shot->probe->version);
}

/* ---- lists of algorithms ----------------------------------------------------------------------------- */

/* One list on its way. */
struct probe_search {
	struct probe_search *next;
	struct probe_of_version *v;
	enum probe_version version;
	enum enn_security_parameter id;
	const char *kind;
	struct probe_list *found;
	char rest[PROBE_LIST][PROBE_NAME]; /* not chosen yet */
	size_t rest_count;
	bool without_share; /* TLS 1.3 groups: the server names the one it wants */
};

static void fire_search(struct probe *p, struct probe_search *search);

static const char *chosen(const struct probe_search *search, const struct enn_info *info)
{
	return search->id == ENN_SECURITY_CIPHER_SUITES ? info->cipher
	       : search->id == ENN_SECURITY_GROUPS	? info->key_exchange
							: info->signature;
}

/* Takes the choice out of the rest. False: it is none of them. */
static bool take(struct probe_search *search, const char *name)
{
	for (size_t i = 0; name != NULL && i < search->rest_count; i++) {
		if (strcmp(search->rest[i], name) == 0) {
			memmove(search->rest[i], search->rest[i + 1],
				(--search->rest_count - i) * PROBE_NAME);
			(void)snprintf(search->found->name[search->found->count++], PROBE_NAME,
				       "%s", name);
			return true;
		}
	}
	return false;
}

/* The same two or more once more, the other way round: does the choice change? */
static void on_order(struct probe_shot *shot)
{
	struct probe_search *search = shot->user;
	const char *name = shot->ready ? chosen(search, &shot->info) : NULL;

	if (name != NULL) {
		search->found->order =
			strcmp(name, search->found->name[0]) == 0 ? "server's" : "client's";
	}
}

static void fire_order(struct probe *p, struct probe_search *search)
{
	struct probe_shot *shot = probe_fire(p, on_order, search);
	char names[PROBE_LIST * PROBE_NAME] = "";

	for (size_t i = search->found->count; i-- > 0;) {
		(void)append(names, sizeof(names), search->found->name[i]);
		(void)append(names, sizeof(names), i > 0 ? ":" : "");
	}
	if (shot == NULL) {
		return;
	}
	(void)probe_policy(shot->policy, search->version, search->kind, names);
	shot->setting[0][0] = search->without_share ? "keyShares" : NULL;
	shot->setting[0][1] = "0";
}

static void on_search(struct probe_shot *shot)
{
	struct probe_search *search = shot->user;
	struct probe *p = shot->probe;

	if (shot->ready && search->id == ENN_SECURITY_SIGNATURES) {
		probe_keep_chain(p, shot, search->version);
	}
	if (shot->ready && shot->info.hello_retry) {
		search->v->retry = true;
	}
	if (shot->ready && take(search, chosen(search, &shot->info)) && search->rest_count > 0) {
		fire_search(p, search);
		return;
	}
	if (!shot->ready && search->without_share && search->found->count == 0) {
		search->v->needs_share = true;
		search->without_share = false;
		fire_search(p, search);
		return;
	}
	if (!shot->ready && probe_failed_at(&shot->error, "ServerHello.encrypt_then_mac")) {
		search->v->cbc_without_etm = true;
	}
	search->found->complete = shot->ready || shot->error.sys_errno == 0;
	if (search->found->count > 1) {
		fire_order(p, search);
	}
}

static void fire_search(struct probe *p, struct probe_search *search)
{
	struct probe_shot *shot = probe_fire(p, on_search, search);
	char names[PROBE_LIST * PROBE_NAME] = "";

	for (size_t i = 0; i < search->rest_count; i++) {
		(void)append(names, sizeof(names), i > 0 ? ":" : "");
		(void)append(names, sizeof(names), search->rest[i]);
	}
	if (shot == NULL) {
		return;
	}
	(void)probe_policy(shot->policy, search->version, search->kind, names);
	shot->setting[0][0] = search->without_share ? "keyShares" : NULL;
	shot->setting[0][1] = "0";
}

static void begin_search(struct probe *p, enum probe_version version,
			 enum enn_security_parameter id, const char *kind, struct probe_list *found)
{
	struct probe_search *search = calloc(1, sizeof(*search));
	const char *name;

	if (search == NULL) {
		cli_error("out of memory");
		return;
	}
	search->next = p->searches;
	p->searches = search;
	search->v = &p->version[version];
	search->version = version;
	search->id = id;
	search->kind = kind;
	search->found = found;
	search->without_share = id == ENN_SECURITY_GROUPS && version == PROBE_TLS13;
	for (size_t i = 0; (name = enn_security_list_name(id, i)) != NULL; i++) {
		bool old = strstr(name, "_CBC_") != NULL;
		bool fits = id != ENN_SECURITY_CIPHER_SUITES ||
			    (is_asked(name, version) && old == (found == &search->v->old_suites));
		if (fits && search->rest_count < PROBE_LIST) {
			(void)snprintf(search->rest[search->rest_count++], PROBE_NAME, "%s", name);
		}
	}
	if (search->rest_count > 0) {
		fire_search(p, search);
	}
}

/* ---- sessions ------------------------------------------------------------------------------------------ */

static struct probe_shot *fire_resumption(struct probe *p, enum probe_version version,
					  void (*done)(struct probe_shot *shot))
{
	struct probe_tickets *t = &p->version[version].tickets;
	struct probe_shot *shot = fire(p, version, done);

	if (shot != NULL) {
		shot->session = t->session;
		shot->session_len = t->session_len;
	}
	return shot;
}

static void on_early_data(struct probe_shot *shot)
{
	struct probe_of_version *v = shot->user;

	v->tickets.early_data = shot->info.early_data;
}

static void on_session_for_early_data(struct probe_shot *shot)
{
	struct probe_of_version *v = shot->user;
	struct probe_tickets *t = &v->tickets;
	struct probe_shot *next;

	t->session_len = sizeof(t->session);
	if (enn_connection_take_session(shot->c, t->session, &t->session_len) == ENN_OK &&
	    (next = fire_resumption(shot->probe, version_of(shot), on_early_data)) != NULL) {
		next->setting[0][0] = "earlyData";
		next->setting[0][1] = "true";
	}
}

/* Early data wants a ticket that was not used yet (RFC 8446 §8.1). */
static void on_resumed_again(struct probe_shot *shot)
{
	struct probe_of_version *v = shot->user;
	struct probe_shot *next;

	v->tickets.resumed_again = shot->ready && shot->info.resumed;
	if (version_of(shot) == PROBE_TLS13 &&
	    (next = fire(shot->probe, PROBE_TLS13, on_session_for_early_data)) != NULL) {
		next->want_tickets = true;
	}
}

static void on_resumed(struct probe_shot *shot)
{
	struct probe_of_version *v = shot->user;

	v->tickets.resumed = shot->ready && shot->info.resumed;
	if (v->tickets.resumed) { /* RFC 8446 §C.4: does the server take a ticket twice? */
		(void)fire_resumption(shot->probe, version_of(shot), on_resumed_again);
	}
}

static void on_session(struct probe_shot *shot)
{
	struct probe_of_version *v = shot->user;
	struct probe_tickets *t = &v->tickets;

	t->asked = shot->ready;
	t->offered = shot->stored;
	t->session_len = sizeof(t->session);
	if (!shot->stored ||
	    enn_connection_take_session(shot->c, t->session, &t->session_len) != ENN_OK) {
		return;
	}
	t->lifetime = shot->ticket_expires / (int64_t)ENN_SECOND - (int64_t)time(NULL);
	(void)fire_resumption(shot->probe, version_of(shot), on_resumed);
}

/* ---- one question each ------------------------------------------------------------------------------------ */

static void on_key_update(struct probe_shot *shot)
{
	struct probe *p = shot->probe;

	if (shot->ready) {
		p->key_update = shot->peer_updated ? "answered"
				: shot->broke	   ? "refused"
						   : "taken, not answered yet";
	}
}

static void on_without_name(struct probe_shot *shot)
{
	shot->probe->without_name = !shot->ready ? "refused"
				    : probe_shows_first_chain(shot->probe, shot)
					    ? "the same certificate"
					    : "another certificate";
}

static bool agreed(const struct probe_shot *shot, const char *protocol)
{
	return shot->ready && shot->info.alpn_len == strlen(protocol) &&
	       memcmp(shot->info.alpn, protocol, shot->info.alpn_len) == 0;
}

static void on_protocol(struct probe_shot *shot)
{
	struct probe_list *found = &shot->probe->protocols;

	if (agreed(shot, shot->protocol[0]) && found->count < PROBE_LIST) {
		(void)snprintf(found->name[found->count++], PROBE_NAME, "%s", shot->protocol[0]);
	}
}

static void on_unknown_protocol(struct probe_shot *shot)
{
	shot->probe->unknown_protocol = shot->ready ? "ignored" : "refused";
}

/* One at a time: a server that has a list may choose none but its best. */
static void ask_protocols(struct probe *p, enum probe_version version)
{
	static const char *const usual[] = {"h2", "http/1.1", "http/1.0"};
	const char *const *names = p->asked_count > 0 ? p->asked : usual;
	size_t count = p->asked_count > 0 ? p->asked_count : 3;

	for (size_t i = 0; i < count; i++) {
		struct probe_shot *shot = fire(p, version, on_protocol);
		if (shot != NULL) {
			shot->protocol[0] = names[i];
		}
	}
	struct probe_shot *shot = fire(p, version, on_unknown_protocol);
	if (shot != NULL) {
		shot->protocol[0] = "x-nobody-knows-this";
	}
}

/* What is the same in both versions is asked in the newest. */
static void ask_once(struct probe *p, enum probe_version version)
{
	struct probe_shot *shot = fire(p, version, on_without_name);

	if (shot != NULL) {
		shot->no_name = true;
	}
	ask_protocols(p, version);
	probe_ask_extensions(p, version);
}

static void ask_version(struct probe *p, enum probe_version version)
{
	struct probe_of_version *v = &p->version[version];
	struct probe_shot *shot;

	begin_search(p, version, ENN_SECURITY_CIPHER_SUITES, "suites", &v->suites);
	begin_search(p, version, ENN_SECURITY_CIPHER_SUITES, "suites", &v->old_suites);
	begin_search(p, version, ENN_SECURITY_GROUPS, "groups", &v->groups);
	begin_search(p, version, ENN_SECURITY_SIGNATURES, "signatures", &v->signatures);
	if ((shot = fire(p, version, on_session)) != NULL) {
		shot->want_tickets = true;
	}
	if (version == PROBE_TLS13 && (shot = fire(p, version, on_key_update)) != NULL) {
		shot->want_update = true;
	}
}

/* ---- the beginning -------------------------------------------------------------------------------------------- */

/* Everything that is not the connection's. */
static void keep_info(struct probe_of_version *v, const struct enn_info *info)
{
	v->info = *info;
	v->info.alpn = NULL;
	v->info.server_name = NULL;
	v->info.psk_identity = NULL;
	v->info.peer_key = NULL;
	v->info.peer_chain_len = 0;
}

/* RFC 7250 §4.2: a server that has raw public keys only and is not offered to show one says
 * unsupported_certificate (43), or finds nothing in common (40). Once more, then, and they are taken. */
static bool is_for_raw_keys(const struct probe_shot *shot)
{
	const struct enn_error *e = &shot->error;

	return !shot->ready && !shot->probe->raw_keys_only && e->origin == ENN_ORIGIN_PEER &&
	       (e->wire_code == 40 || e->wire_code == 43);
}

static void on_version(struct probe_shot *shot)
{
	struct probe *p = shot->probe;
	struct probe_of_version *v = shot->user;
	enum probe_version version = version_of(shot);

	if (is_for_raw_keys(shot) && fire(p, version, on_version) != NULL) {
		p->raw_keys_only = true;
		return;
	}
	v->supported = shot->ready && shot->info.version_code == version_code[version];
	v->error = shot->error;
	p->reached = p->reached || shot->reached;
	if (v->supported) {
		keep_info(v, &shot->info);
		p->asks_client = p->asks_client || shot->info.certificate_requested;
		probe_keep_chain(p, shot, version);
		ask_version(p, version);
	}
	if (version == PROBE_TLS13) { /* the others wait for what the first finds out */
		if (!shot->reached) {
			p->error = shot->error;
			return;
		}
		if (v->supported) {
			ask_once(p, version);
		}
		if (p->version[PROBE_TLS12].known) {
			(void)fire(p, PROBE_TLS12, on_version);
		}
	} else if (v->supported && !p->version[PROBE_TLS13].supported) {
		ask_once(p, version);
	}
}

static bool can_speak(enum probe_version version)
{
	struct enn_security *s = enn_security_new();
	char policy[PROBE_POLICY];
	bool can = s != NULL && probe_policy(policy, version, NULL, NULL) &&
		   enn_security_set_policy(s, policy, NULL) == ENN_OK;

	enn_security_free(s);
	return can;
}

void probe_begin(struct probe *p)
{
	for (int v = 0; v < PROBE_VERSIONS; v++) {
		p->version[v].known = can_speak((enum probe_version)v);
	}
	(void)fire(p, PROBE_TLS13, on_version);
}

void probe_end(struct probe *p)
{
	while (p->searches != NULL) {
		struct probe_search *search = p->searches;
		p->searches = search->next;
		free(search);
	}
}
