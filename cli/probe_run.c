/* SPDX-License-Identifier: Apache-2.0
 *
 * Fires the shots of a probe: a bounded number at a time, each closed in an orderly way, all of
 * them within one time limit.
 */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_WAIT (400 * ENN_MILLISECOND)
#define UPDATE_WAIT (600 * ENN_MILLISECOND)

struct probe_shot *probe_fire(struct probe *p, void (*done)(struct probe_shot *shot), void *user)
{
	struct probe_shot *shot = calloc(1, sizeof(*shot));

	if (shot == NULL) {
		cli_error("out of memory");
		return NULL;
	}
	shot->probe = p;
	shot->done = done;
	shot->user = user;
	shot->linger = ENN_TIME_NEVER;
	*p->last = shot;
	p->last = &shot->next;
	return shot;
}

/* ---- one shot --------------------------------------------------------------------------------- */

static bool add_trust(const struct cli_options *o, struct enn_security *s)
{
	bool good = true;

	for (size_t i = 0; i < o->ca.count && good; i++) {
		good = enn_security_trust_file(s, o->ca.item[i], NULL) == ENN_OK;
	}
	for (size_t i = 0; i < o->crl.count && good; i++) {
		good = enn_security_crl_file(s, o->crl.item[i], NULL) == ENN_OK;
	}
	return good;
}

static bool set_flag(struct enn_security *s, enum enn_security_parameter id, bool value)
{
	return enn_security_set_bool(s, id, value) == ENN_OK;
}

/* How long one handshake may take: a part of the whole, so that one that hangs does not use it up. */
static uint64_t patience(const struct probe *p)
{
	uint64_t all = (p->deadline - p->started) / ENN_MILLISECOND;

	return all / 4 < 8000 ? all / 4 + 1 : 8000;
}

static struct enn_security *security_of(const struct probe_shot *shot)
{
	struct enn_security *s = enn_security_new();
	bool good =
		s != NULL && set_flag(s, ENN_SECURITY_VERIFY_PEER, shot->verify) &&
		set_flag(s, ENN_SECURITY_KEEP_PEER_CHAIN, true) &&
		set_flag(s, ENN_SECURITY_RAW_KEYS, shot->probe->raw_keys_only && !shot->verify) &&
		set_flag(s, ENN_SECURITY_RESUME, shot->want_tickets || shot->session != NULL) &&
		enn_security_set_u64(s, ENN_SECURITY_HANDSHAKE_TIMEOUT, patience(shot->probe)) ==
			ENN_OK;

	good = good && (shot->policy[0] == '\0' ||
			enn_security_set_policy(s, shot->policy, NULL) == ENN_OK);
	good = good && (!shot->verify || add_trust(shot->probe->o, s)) &&
	       (!shot->hide || cli_add_ech(shot->probe->o, s));
	for (size_t i = 0; good && i < 4 && shot->setting[i][0] != NULL; i++) {
		good = enn_security_parse(s, shot->setting[i][0], shot->setting[i][1], NULL) ==
		       ENN_OK;
	}
	for (size_t i = 0; good && i < PROBE_PROTOCOLS && shot->protocol[i] != NULL; i++) {
		good = enn_security_add_alpn(s, (const uint8_t *)shot->protocol[i],
					     strlen(shot->protocol[i])) == ENN_OK;
	}
	if (!good) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}

static bool aim(const struct probe *p, struct enn_preconnection *pre)
{
	bool known = p->address.family != ENN_FAMILY_NONE;
	enum enn_status status =
		known ? enn_preconnection_add_remote_address(pre, &p->address)
		      : enn_preconnection_add_remote(pre, p->o->host, p->o->service);

	if (status == ENN_OK && p->o->family != 0) {
		status =
			enn_preconnection_add_local(pre, p->o->family == 4 ? "0.0.0.0" : "::", "0");
	}
	return status == ENN_OK;
}

static bool initiate(struct probe_shot *shot)
{
	struct probe *p = shot->probe;
	struct enn_preconnection *pre = enn_preconnection_new(p->context);
	struct enn_security *security = security_of(shot);
	bool good = pre != NULL && security != NULL && aim(p, pre) &&
		    enn_preconnection_allow_protocol(pre, p->o->protocol->id) == ENN_OK &&
		    enn_preconnection_set_security(pre, security) == ENN_OK &&
		    enn_preconnection_set_server_name(pre, shot->no_name ? "" : p->name) == ENN_OK;

	if (good && shot->session != NULL) {
		good = enn_preconnection_set_session(pre, shot->session, shot->session_len) ==
		       ENN_OK;
	}
	if (pre != NULL) {
		enn_preconnection_set_user(pre, shot);
	}
	good = good && enn_preconnection_initiate(pre, &shot->c, &shot->error) == ENN_OK;
	enn_security_free(security);
	enn_preconnection_free(pre);
	return good;
}

/* ---- what happens to it ------------------------------------------------------------------------ */

static void forget(struct probe_shot *shot)
{
	struct probe *p = shot->probe;

	for (struct probe_shot **at = &p->open; *at != NULL; at = &(*at)->next) {
		if (*at == shot) {
			*at = shot->next;
			p->open_count--;
			break;
		}
	}
	enn_connection_free(shot->c);
	free(shot);
}

/* Did it come to a handshake? The error of a connection that failed before names the system's. */
static bool came_to_handshake(const struct enn_error *error)
{
	return error->sys_errno == ECONNRESET || error->sys_errno == EPIPE ||
	       cli_exit_for(error, false) == CLI_HANDSHAKE;
}

/* The address that answered: all other shots go there too. */
static void find_address(struct probe_shot *shot, const struct enn_connection_info *info)
{
	struct enn_candidate_report tried[16];
	size_t n = enn_connection_explain(shot->c, tried, 16);

	if (info->transport_ready != 0) {
		shot->probe->address = info->path.remote;
		return;
	}
	for (size_t i = 0; i < n && i < 16; i++) {
		if (tried[i].fate == ENN_CANDIDATE_FAILED && came_to_handshake(&tried[i].error)) {
			shot->probe->address = tried[i].remote;
			return;
		}
	}
}

static void look(struct probe_shot *shot)
{
	struct enn_connection_info info;

	if (enn_connection_info(shot->c, &info) != ENN_OK) {
		return;
	}
	shot->info = info.security;
	shot->reached = shot->ready || came_to_handshake(&shot->error);
	if (shot->probe->address.family == ENN_FAMILY_NONE && shot->reached) {
		find_address(shot, &info);
	}
}

/* Nothing more is expected of it: the plan goes on while it is being closed. */
static void settle(struct probe_shot *shot)
{
	look(shot);
	shot->settled = true;
	shot->linger = ENN_TIME_NEVER;
	shot->done(shot);
}

static void finish(struct probe_shot *shot)
{
	if (!shot->settled) {
		settle(shot);
	}
	cli_ignore(enn_connection_close(shot->c));
}

static void on_ready(struct probe_shot *shot)
{
	enn_time now = enn_context_now(shot->probe->context);

	shot->ready = true;
	cli_ignore(enn_connection_receive(shot->c, 0, 0, NULL));
	if (shot->want_update) {
		shot->linger = enn_connection_update_keys(shot->c, true) == ENN_OK
				       ? now + UPDATE_WAIT
				       : now;
	} else if (shot->want_tickets) {
		shot->linger = now + TICKET_WAIT;
	} else {
		finish(shot);
	}
}

static void on_received(struct probe_shot *shot, const struct enn_taps_event *e)
{
	if (e->u.received.len > 0) {
		cli_ignore(enn_message_release(e->u.received.loan));
	}
	if ((e->u.received.flags & ENN_MESSAGE_FINAL) == 0 && !shot->settled) {
		cli_ignore(enn_connection_receive(shot->c, 0, 0, NULL));
	} else if (!shot->settled) {
		finish(shot); /* the server has ended it: nothing more will come */
	}
}

static void on_ticket(struct probe_shot *shot, const struct enn_taps_event *e)
{
	shot->stored = true;
	shot->ticket_expires = e->u.session.expires;
	if (shot->want_tickets && !shot->settled) {
		finish(shot);
	}
}

static void on_error(struct probe_shot *shot, const struct enn_error *error)
{
	shot->error = *error;
	shot->broke = shot->ready;
	if (!shot->ready && (error->sys_errno != 0 || error->reason == ENN_REASON_TIMEOUT ||
			     error->reason == ENN_REASON_RESOLUTION_FAILED)) {
		shot->probe->unanswered++;
	}
	if (!shot->settled) {
		settle(shot);
	}
	forget(shot);
}

static void on_event(const struct enn_taps_event *e)
{
	struct probe_shot *shot = e->user;

	switch (e->type) {
	case ENN_TAPS_READY:
		on_ready(shot);
		break;
	case ENN_TAPS_RECEIVED:
		on_received(shot, e);
		break;
	case ENN_TAPS_SESSION_STORED:
		on_ticket(shot, e);
		break;
	case ENN_TAPS_KEYS_UPDATED:
		shot->peer_updated =
			shot->peer_updated || e->u.keys.direction == ENN_DIRECTION_RECEIVE;
		if (shot->peer_updated && !shot->settled) {
			finish(shot);
		}
		break;
	case ENN_TAPS_CLOSED:
		if (!shot->settled) {
			settle(shot);
		}
		forget(shot);
		break;
	case ENN_TAPS_ESTABLISHMENT_ERROR:
	case ENN_TAPS_CONNECTION_ERROR:
		on_error(shot, &e->u.error);
		break;
	default:
		break;
	}
}

/* ---- all of them -------------------------------------------------------------------------------- */

static size_t at_a_time(const struct probe *p)
{
	return p->o->parallel == 0 ? 4 : p->o->parallel < 16 ? (size_t)p->o->parallel : 16;
}

static void start_waiting(struct probe *p)
{
	while (p->waiting != NULL && p->open_count < at_a_time(p)) {
		struct probe_shot *shot = p->waiting;
		p->waiting = shot->next;
		p->last = p->waiting == NULL ? &p->waiting : p->last;
		p->connections++;
		if (initiate(shot)) {
			shot->next = p->open;
			p->open = shot;
			p->open_count++;
		} else {
			p->unanswered++;
			shot->done(shot);
			free(shot);
		}
	}
}

/* Ends the waiting of those who have waited long enough; returns when the next has. */
static enn_time end_waiting(struct probe *p)
{
	enn_time now = enn_context_now(p->context);
	enn_time next = p->deadline;
	struct probe_shot *after;

	for (struct probe_shot *shot = p->open; shot != NULL; shot = after) {
		after = shot->next;
		if (shot->linger <= now) {
			finish(shot);
		}
		next = shot->linger < next ? shot->linger : next;
	}
	return next > now ? next - now : 0;
}

void probe_run(struct probe *p)
{
	struct enn_taps_event events[16];

	for (;;) {
		start_waiting(p);
		if (p->open == NULL) {
			break;
		}
		size_t n = enn_poll(p->context, events, 16, end_waiting(p));
		for (size_t i = 0; i < n; i++) {
			on_event(&events[i]);
		}
		if (enn_context_now(p->context) >= p->deadline) {
			p->timed_out = true;
			break;
		}
	}
	p->ended = enn_context_now(p->context);
}

void probe_clear(struct probe *p)
{
	while (p->open != NULL) {
		struct probe_shot *shot = p->open;
		p->open = shot->next;
		enn_connection_free(shot->c);
		free(shot);
	}
	while (p->waiting != NULL) {
		struct probe_shot *shot = p->waiting;
		p->waiting = shot->next;
		free(shot);
	}
	for (size_t i = 0; i < p->chain_count; i++) {
		for (size_t j = 0; j < p->chain[i].count; j++) {
			free(p->chain[i].certificate[j].der);
		}
	}
	for (int v = 0; v < PROBE_VERSIONS; v++) {
		explicit_bzero(&p->version[v].tickets, sizeof(p->version[v].tickets));
	}
	probe_end(p);
}
