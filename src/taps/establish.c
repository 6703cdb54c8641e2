/* SPDX-License-Identifier: Apache-2.0
 *
 * Active establishment: look-ups and attempts as the race (race.c) wants them. The
 * winner is the first whose security handshake is complete.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/internal.h"
#include "taps/preconnection.h"

enum enn_status enn_establish_new(struct enn_conn *c)
{
	const struct enn_context_options *o = &c->ctx->options;

	c->establish = enn_alloc(enn_context_env(c->ctx), sizeof(*c->establish));
	if (c->establish == NULL) {
		return ENN_E_MEMORY;
	}
	enn_race_init(&c->establish->race, o->attempt_delay, o->resolution_delay,
		      o->max_candidates);
	return ENN_OK;
}

void enn_establish_free(struct enn_conn *c)
{
	struct enn_establish *e = c->establish;

	if (e == NULL) {
		return;
	}
	for (size_t i = 0; i < e->lookups; i++) {
		enn_lookup_cancel(e->lookup[i].lookup);
	}
	enn_free(enn_context_env(c->ctx), e, sizeof(*e));
	c->establish = NULL;
}

/* ---- resolution ---------------------------------------------------------------------- */

/* Tells the race, and keeps one attempt for each of its candidates under the same index. */
static void add(struct enn_conn *c, size_t group, enum enn_family family,
		const struct enn_address *addresses, size_t count)
{
	struct enn_race *race = &c->establish->race;

	c->resolved |= (uint32_t)(count > 0) << group;
	enn_race_add(race, enn_context_now(c->ctx), group, family, addresses, count);
	while (c->attempts < race->count) {
		if (enn_attempt_new(c, &race->candidate[c->attempts].address) == NULL) {
			race->waiting -= race->count - c->attempts;
			race->count = c->attempts; /* no memory: as if they had not been found */
		}
	}
}

static void on_resolved(void *owner, enum enn_family family, const struct enn_address *addresses,
			size_t count, int uv_error)
{
	struct enn_lookup_slot *slot = owner;
	struct enn_conn *c = slot->conn;
	struct enn_establish *e = c->establish;

	slot->lookup = NULL;
	if (count == 0) {
		e->lookup_error = uv_error;
		(void)strcpy(e->unresolved, c->config->remote[slot->group]->host);
	}
	add(c, slot->group, family, addresses, count);
	enn_conn_wake(c);
}

static void look_up(struct enn_conn *c, size_t group, enum enn_family family)
{
	struct enn_establish *e = c->establish;
	const struct enn_remote *remote = c->config->remote[group];
	struct enn_lookup_slot *slot = &e->lookup[e->lookups];

	slot->conn = c;
	slot->group = group;
	if (enn_lookup_start(c->ctx->rt, remote->host, remote->address.port, family,
			     c->ctx->options.max_candidates, on_resolved, slot,
			     &slot->lookup) == ENN_OK) {
		e->lookups++;
		enn_race_expect(&e->race, group, family);
	} else {
		e->lookup_error = UV_EAI_MEMORY;
		(void)strcpy(e->unresolved, remote->host);
	}
}

static void begin(struct enn_conn *c)
{
	c->establish->begun = true;
	for (size_t i = 0; i < c->config->remotes; i++) {
		const struct enn_remote *remote = c->config->remote[i];
		if (remote->address.family != ENN_FAMILY_NONE) {
			add(c, i, (enum enn_family)remote->address.family, &remote->address, 1);
		} else { /* RFC 8305 §3: AAAA first, then A at once */
			look_up(c, i, ENN_FAMILY_IPV6);
			look_up(c, i, ENN_FAMILY_IPV4);
		}
	}
}

/* ---- attempts ------------------------------------------------------------------------ */

/* True if any failed. */
static bool reap_failed(struct enn_conn *c, enn_time now)
{
	bool any = false;

	for (size_t i = 0; i < c->attempts; i++) {
		struct enn_attempt *a = c->attempt[i];
		if (!a->failed || a->fate == ENN_CANDIDATE_FAILED) {
			continue;
		}
		a->fate = ENN_CANDIDATE_FAILED;
		enn_attempt_drop(a, ENN_CANDIDATE_FAILED, ENN_RELEASE_LINGER);
		enn_race_failed(&c->establish->race, now, i);
		any = true;
	}
	return any;
}

/* A candidate that the network speaks against goes on, in the company of the next. */
static void hear_doubts(struct enn_conn *c, enn_time now)
{
	for (size_t i = 0; i < c->attempts; i++) {
		if (c->attempt[i]->doubtful) {
			c->attempt[i]->doubtful = false;
			enn_race_doubt(&c->establish->race, now);
		}
	}
}

/* What an operator can do something about is told rather than what the network did: a refused
 * certificate before a refused connection. */
static const struct enn_error *most_telling(const struct enn_conn *c)
{
	const struct enn_error *best = NULL;

	for (size_t i = 0; i < c->attempts; i++) {
		const struct enn_error *e = c->attempt[i]->error;
		if (e != NULL && (best == NULL || (best->origin == ENN_ORIGIN_NETWORK &&
						   e->origin != ENN_ORIGIN_NETWORK))) {
			best = e;
		}
	}
	return best;
}

static void lost(struct enn_conn *c)
{
	const struct enn_error *telling = most_telling(c);
	struct enn_error error;

	if (telling != NULL) {
		error = *telling;
	} else if (c->establish->unresolved[0] != '\0') {
		(void)enn_error_set(&error, ENN_E_NOT_FOUND, ENN_REASON_RESOLUTION_FAILED,
				    "resolution", "%.100s: %s", c->establish->unresolved,
				    uv_strerror(c->establish->lookup_error));
		error.origin = ENN_ORIGIN_NETWORK;
		error.wire_code = ENN_NO_WIRE_CODE;
	} else {
		(void)enn_error_set(&error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "establishment",
				    "out of memory");
		error.wire_code = ENN_NO_WIRE_CODE;
	}
	enn_conn_end(c, ENN_TAPS_ESTABLISHMENT_ERROR, &error, ENN_RELEASE_LINGER);
}

void enn_establish_work(struct enn_conn *c, enn_time now)
{
	struct enn_race *race = &c->establish->race;
	size_t index = 0;

	if (!c->establish->begun) {
		begin(c);
	}
	hear_doubts(c, now);
	do {
		(void)reap_failed(c, now);
		while (enn_race_start(race, now, &index)) {
			enn_attempt_connect(c->attempt[index]);
		}
	} while (reap_failed(c, now)); /* one that failed in the call lets the next start */
	if (enn_race_over(race)) {
		lost(c);
	}
}

void enn_establish_won(struct enn_attempt *a)
{
	struct enn_conn *c = a->conn;

	c->winner = a;
	a->fate = ENN_CANDIDATE_WON;
	c->ready = a->ended = enn_context_now(c->ctx);
	c->transport_ready = a->connected;
	for (size_t i = 0; i < c->attempts; i++) {
		if (c->attempt[i] != a) {
			enn_attempt_drop(c->attempt[i], ENN_CANDIDATE_LOST, ENN_RELEASE_CLOSE);
		}
	}
	enn_establish_free(c);
	enn_conn_report_sealed(c);
}

/* ---- initiate ------------------------------------------------------------------------ */

enum enn_status enn_preconnection_initiate(struct enn_preconnection *pre,
					   struct enn_connection *out, struct enn_error *error)
{
	const struct enn_protocol *protocol = NULL;
	struct enn_conn *c = NULL;

	*out = (struct enn_connection){0};
	if (pre->config->remotes == 0) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "preconnection", "there is no remote endpoint");
	}
	ENN_TRY(enn_preconnection_complete(pre, error));
	ENN_TRY(enn_preconnection_select(pre, false, &protocol, error));
	enn_runtime_sync_clock(pre->ctx->rt);
	enum enn_status status = enn_conn_new(pre->ctx, pre->config, protocol, &c);
	if (status == ENN_OK) {
		status = enn_establish_new(c);
		if (status != ENN_OK) {
			enn_conn_destroy(c, ENN_RELEASE_CLOSE);
		}
	}
	if (status != ENN_OK) {
		return enn_error_set(
			error, status, ENN_REASON_ESTABLISHMENT_FAILED, "preconnection",
			status == ENN_E_LIMIT ? "max_connections are open" : "out of memory");
	}
	enn_conn_wake(c);
	*out = (struct enn_connection){pre->ctx, c->id};
	return ENN_OK;
}

enum enn_status enn_preconnection_initiate_with_send(struct enn_preconnection *pre,
						     const void *data, size_t len,
						     const struct enn_message_context *message,
						     struct enn_connection *out,
						     struct enn_error *error)
{
	ENN_TRY(enn_preconnection_initiate(pre, out, error));
	enum enn_status status = enn_connection_send(*out, data, len, message);
	if (status != ENN_OK) {
		enn_connection_free(*out);
		*out = (struct enn_connection){0};
		return enn_error_set(error, status, ENN_REASON_INVALID_MESSAGE_PROPERTIES,
				     "preconnection", "the first message was refused");
	}
	return ENN_OK;
}
