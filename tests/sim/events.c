/* SPDX-License-Identifier: Apache-2.0
 *
 * Acting on the events of an engine, and checking that they make sense together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handshake/session.h"
#include "world.h"

/* ---- READY ---------------------------------------------------------------------------------- */

static void export_keys(struct sim_endpoint *ep)
{
	static const uint8_t context[] = {1, 2, 3};
	struct {
		const char *label;
		size_t context_len;
	} cases[3] = {{"EXPORTER-sim-one", 0}, {"EXPORTER-sim-one", 3}, {"EXPORTER-sim-two", 0}};

	for (int i = 0; i < 3; i++) {
		enum enn_status status = enn_engine_export_key(
			ep->e, cases[i].label, cases[i].context_len > 0 ? context : NULL,
			cases[i].context_len, false, ep->exported[i], sizeof(ep->exported[i]));
		if (status != ENN_OK) {
			sim_violation(ep->w->run, "%s: export_key answers %s", ep->name,
				      enn_status_name(status));
		}
		sim_scan_add(&ep->w->scan, ep->exported[i], sizeof(ep->exported[i]),
			     "an exported key");
	}
}

static void on_ready(struct sim_endpoint *ep)
{
	if (ep->ready || ep->close_called) {
		sim_violation(ep->w->run, "%s: READY twice or after close()", ep->name);
	}
	ep->ready = true;
	ep->ready_at = ep->w->now;
	ep->w->run->count.ready++;
	enn_engine_info(ep->e, &ep->info);
	ep->w->run->count.tls12 += ep->info.version_code == 0x0303;
	if (!ep->info.ready || ep->info.server != ep->server || ep->info.alpn_len > 31) {
		sim_violation(ep->w->run, "%s: enn_engine_info contradicts READY", ep->name);
		return;
	}
	if (ep->info.alpn_len > 0) {
		memcpy(ep->alpn, ep->info.alpn, ep->info.alpn_len);
	}
	if (ep->heap.peak > ep->w->run->peak_before_ready) {
		ep->w->run->peak_before_ready = ep->heap.peak;
	}
	export_keys(ep);
}

/* ---- sessions ----------------------------------------------------------------------------------- */

static void on_session(struct sim_endpoint *ep, const struct enn_event *event)
{
	struct sim_run *run = ep->w->run;
	const struct sim_endpoint *server = &ep->w->ep[1];
	struct enn_bytes blob = {event->u.session.data, event->u.session.len};
	struct enn_session view;

	if (ep->server || !ep->ready || !enn_session_decode(blob, &view)) {
		sim_violation(run, "%s: a session at a wrong time or of a wrong form", ep->name);
		return;
	}
	sim_scan_add(&ep->w->scan, view.psk.data, view.psk.len, "a session's key");
	int64_t last = view.issued + (int64_t)view.lifetime * (int64_t)ENN_SECOND;
	if (event->u.session.expires != last) {
		sim_violation(run, "a session's expiry is wrong");
	}
	/* A client that resumes in TLS 1.2 is ready first, with what the session before said. */
	int64_t issued =
		server->env.wall_offset + (int64_t)(server->ready ? server->ready_at : ep->w->now);
	bool authenticated = server->ready
				     ? server->info.peer_authenticated && !server->info.external_psk
				     : run->session.client_authenticated;
	free(run->session.blob);
	run->session = (struct sim_session){
		.blob = malloc(blob.len),
		.len = blob.len,
		.server_issued = issued,
		.client_authenticated = authenticated,
		.side = {*ep->side, *server->side},
	};
	if (run->session.blob == NULL) {
		abort();
	}
	memcpy(run->session.blob, blob.data, blob.len);
}

/* ---- questions ------------------------------------------------------------------------------------ */

static void on_question(struct sim_endpoint *ep, const struct enn_event *event)
{
	struct enn_info info;

	if (ep->question != ENN_EVENT_NONE) {
		sim_violation(ep->w->run, "%s: a question before the last was answered", ep->name);
	}
	ep->question = event->type;
	ep->answer_at = ep->w->now + ep->side->answer_delay;
	if (event->type == ENN_EVENT_WANT_IDENTITY) {
		ep->scheme = event->u.sign.scheme;
		ep->sign_input_len = event->u.sign.input_len;
		if (ep->sign_input_len > sizeof(ep->sign_input)) {
			sim_violation(ep->w->run, "%s: too much to sign", ep->name);
			return;
		}
		memcpy(ep->sign_input, event->u.sign.input, ep->sign_input_len);
	} else if (event->type == ENN_EVENT_WANT_PSK) {
		size_t n = event->u.psk.identity_len;
		ep->identity_len = n < sizeof(ep->identity) ? n : 0;
		memcpy(ep->identity, event->u.psk.identity, ep->identity_len);
	} else {
		enn_engine_info(ep->e, &info);
		if (info.peer_chain_len == 0 || info.peer_authenticated) {
			sim_violation(ep->w->run, "%s: asked to validate nobody", ep->name);
		}
	}
}

static bool is_known_identity(const struct sim_endpoint *ep)
{
	return ep->side->psk == SIM_PSK_SHARED && ep->identity_len == sim_psk_identity_len &&
	       memcmp(ep->identity, sim_psk_identity, sim_psk_identity_len) == 0;
}

void sim_answer(struct sim_endpoint *ep)
{
	struct enn_answer answer = {.accept = ep->side->answer_yes};
	uint8_t signature[512];

	switch (ep->question) {
	case ENN_EVENT_VALIDATE_PEER:
		answer.type = ENN_ANSWER_PEER;
		break;
	case ENN_EVENT_WANT_PSK:
		answer.type = ENN_ANSWER_PSK;
		answer.accept = answer.accept && is_known_identity(ep);
		answer.data = sim_psk_key;
		answer.len = sizeof(sim_psk_key);
		answer.hash = ep->side->psk_sha384 ? ENN_PSK_SHA384 : ENN_PSK_SHA256;
		break;
	default:
		answer.type = ENN_ANSWER_SIGNATURE;
		answer.data = signature;
		answer.len = sim_pki_sign(ep->w->run->lab->pki, ep->server, ep->side->key,
					  ep->scheme, ep->sign_input, ep->sign_input_len, signature,
					  sizeof(signature));
		answer.accept = answer.accept && answer.len > 0;
		break;
	}
	ep->question = ENN_EVENT_NONE;
	sim_trace(ep->w, "%s: answers %s", ep->name, answer.accept ? "yes" : "no");
	enum enn_status status = enn_engine_answer(ep->e, ep->w->now, &answer);
	if (status != ENN_OK && status != ENN_E_FAILED && status != ENN_E_CLOSED) {
		sim_violation(ep->w->run, "%s: answer answers %s", ep->name,
			      enn_status_name(status));
	}
}

/* ---- ends ------------------------------------------------------------------------------------------- */

static void on_failed(struct sim_endpoint *ep, const struct enn_event *event)
{
	struct enn_error again;

	ep->failed = true;
	ep->error = event->u.error;
	ep->stopped_reading_at = ep->w->pipe[!ep->server].delivered;
	ep->w->run->count.failed++;
	if (ep->error.status == ENN_OK || ep->error.reason == ENN_REASON_NONE ||
	    ep->error.where == NULL || ep->error.text[0] == '\0' ||
	    !enn_engine_error(ep->e, &again) || again.reason != ep->error.reason) {
		sim_violation(ep->w->run, "%s: failed without a proper error", ep->name);
	}
}

static void on_closed(struct sim_endpoint *ep)
{
	ep->closed = true;
	ep->stopped_reading_at = ep->w->pipe[!ep->server].delivered;
	if (!ep->final_received && !ep->close_called) {
		sim_violation(ep->w->run, "%s: CLOSED, but the peer's data had no end", ep->name);
	}
	if (!ep->cancelled && ep->reported != ep->given) {
		sim_violation(ep->w->run, "%s: CLOSED, but %llu of %llu messages were sent",
			      ep->name, (unsigned long long)ep->reported,
			      (unsigned long long)ep->given);
	}
}

static void on_keys(struct sim_endpoint *ep, const struct enn_event *event)
{
	uint64_t *last = &ep->generation[event->u.keys.direction];

	if (!ep->ready || event->u.keys.generation <= *last) {
		sim_violation(ep->w->run, "%s: KEYS_UPDATED does not count up", ep->name);
	}
	*last = event->u.keys.generation;
}

static void on_early_data(struct sim_endpoint *ep, const struct enn_event *event)
{
	bool accepted = event->u.early_data.accepted;

	if (ep->early_decided || ep->ready || (ep->server && !accepted)) {
		sim_violation(ep->w->run, "%s: EARLY_DATA at a wrong time", ep->name);
	}
	ep->early_decided = true;
	ep->early_accepted = accepted;
	if (!ep->server && !accepted) {
		ep->w->skip_end = ep->transmitted;
	}
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static const char *event_name(enum enn_event_type type)
{
	static const char *const names[] = {"NONE",
					    "READY",
					    "RECEIVED",
					    "SENT",
					    "EARLY_DATA",
					    "VALIDATE_PEER",
					    "WANT_PSK",
					    "WANT_CREDENTIAL",
					    "WANT_IDENTITY",
					    "VALIDATE_SOURCE",
					    "STORE_SESSION",
					    "KEYS_UPDATED",
					    "KEYS_EXPIRING",
					    "PATH_CHANGED",
					    "CLOSED",
					    "FAILED",
					    "PEER_AUTHENTICATED"};
	return names[type];
}

static void trace_event(const struct sim_endpoint *ep, const struct enn_event *event)
{
	char text[256];

	if (!ep->w->run->lab->verbose) {
		return;
	}
	if (event->type == ENN_EVENT_FAILED) {
		sim_trace(ep->w, "%s: FAILED %s: %s", ep->name,
			  enn_reason_name(event->u.error.reason),
			  enn_error_string(&event->u.error, text, sizeof(text)));
	} else if (event->type == ENN_EVENT_RECEIVED) {
		sim_trace(ep->w, "%s: RECEIVED %zu bytes, flags %x", ep->name,
			  event->u.received.len, event->u.received.flags);
	} else if (event->type == ENN_EVENT_EARLY_DATA) {
		sim_trace(ep->w, "%s: EARLY_DATA %s", ep->name,
			  event->u.early_data.accepted ? "accepted" : "rejected");
	} else {
		sim_trace(ep->w, "%s: %s", ep->name, event_name(event->type));
	}
}

static void rest(struct sim_endpoint *ep, const struct enn_message *m)
{
	unsigned most =
		ep->ready ? 40 : 2; /* a server may read early data before its handshake ends */

	if (ep->pauses >= most || !sim_rng_chance(&ep->rng, ep->side->pause_percent)) {
		return;
	}
	ep->pauses++;
	ep->paused = true;
	ep->wake = ep->w->now + ep->side->pause;
	ep->held = m->data;
	ep->held_len = m->len;
	ep->held_at = ep->received - m->len;
}

static void on_event(struct sim_endpoint *ep, const struct enn_event *event)
{
	switch (event->type) {
	case ENN_EVENT_READY:
		on_ready(ep);
		break;
	case ENN_EVENT_RECEIVED:
		sim_application_received(ep, &event->u.received);
		rest(ep, &event->u.received);
		break;
	case ENN_EVENT_SENT:
		sim_application_sent(ep, event->u.sent.user);
		break;
	case ENN_EVENT_EARLY_DATA:
		on_early_data(ep, event);
		break;
	case ENN_EVENT_VALIDATE_PEER:
	case ENN_EVENT_WANT_PSK:
	case ENN_EVENT_WANT_IDENTITY:
		on_question(ep, event);
		break;
	case ENN_EVENT_STORE_SESSION:
		on_session(ep, event);
		break;
	case ENN_EVENT_KEYS_UPDATED:
		on_keys(ep, event);
		break;
	case ENN_EVENT_CLOSED:
		on_closed(ep);
		break;
	case ENN_EVENT_FAILED:
		on_failed(ep, event);
		break;
	case ENN_EVENT_KEYS_EXPIRING:
		if (ep->info.version_code != 0x0303 || ep->expiring) {
			sim_violation(ep->w->run, "%s: KEYS_EXPIRING twice, or in TLS 1.3",
				      ep->name);
		}
		ep->expiring = true;
		break;
	default:
		sim_violation(ep->w->run, "%s: event %d does not belong to TLS", ep->name,
			      (int)event->type);
		break;
	}
}

bool sim_take_events(struct sim_endpoint *ep)
{
	bool any = false;

	while (ep->e != NULL && !ep->paused && !sim_violated(ep->w->run)) {
		struct enn_event event;
		bool over = ep->failed || ep->closed;
		enn_engine_next_event(ep->e, ep->w->now, &event);
		if (event.type == ENN_EVENT_NONE) {
			free(ep->lent);
			ep->lent = NULL;
			ep->lending = false;
			return any;
		}
		if (over) {
			sim_violation(ep->w->run, "%s: %s after the last event", ep->name,
				      event_name(event.type));
			return true;
		}
		any = true;
		uint8_t mark[2] = {ep->server, (uint8_t)event.type};
		sim_hash(ep->w->run, mark, sizeof(mark));
		trace_event(ep, &event);
		on_event(ep, &event);
	}
	return any;
}
