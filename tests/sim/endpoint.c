/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver of one engine: THE LOOP of ennead/engine.h against the simulated
 * network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* ---- the environment -------------------------------------------------------------------------- */

static int env_random(void *ctx, uint8_t *out, size_t len)
{
	struct sim_endpoint *ep = ctx;

	if (++ep->randoms == ep->random_fails_at) {
		ep->random_failed = true;
		return -1;
	}
	sim_rng_fill(&ep->random, out, len);
	return 0;
}

static size_t parse_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned byte;

	while (n < cap && sscanf(hex + 2 * n, "%2x", &byte) == 1) {
		out[n++] = (uint8_t)byte;
	}
	return n;
}

/* "LABEL client_random secret" */
static void env_keylog(void *ctx, const char *line)
{
	struct sim_endpoint *ep = ctx;
	const char *random = strchr(line, ' ');
	const char *secret = random == NULL ? NULL : strchr(random + 1, ' ');

	if (secret == NULL || ep->secret_count == SIM_SECRETS) {
		sim_violation(ep->w->run, "%s: a strange key log line", ep->name);
		return;
	}
	size_t i = ep->secret_count++;
	size_t n = (size_t)(random - line);
	n = n < sizeof(ep->secrets[i].label) ? n : sizeof(ep->secrets[i].label) - 1;
	memcpy(ep->secrets[i].label, line, n);
	ep->secrets[i].len =
		parse_hex(secret + 1, ep->secrets[i].secret, sizeof(ep->secrets[i].secret));
	sim_scan_add(&ep->w->scan, ep->secrets[i].secret, ep->secrets[i].len, "a traffic secret");
}

static void env_log(void *ctx, enum enn_log_level level, const char *text)
{
	struct sim_endpoint *ep = ctx;

	sim_trace(ep->w, "%s: log %d: %s", ep->name, (int)level, text);
	if (sim_scan_find(&ep->w->scan, (const uint8_t *)text, strlen(text)) != NULL) {
		sim_violation(ep->w->run, "%s: a secret in the log", ep->name);
	}
}

void sim_endpoint_init(struct sim_endpoint *ep, struct sim_world *w, bool server)
{
	struct sim_run *run = w->run;
	uint64_t stream = 10 + 2 * w->index + (server ? 1u : 0u);

	memset(ep, 0, sizeof(*ep));
	ep->w = w;
	ep->server = server;
	ep->name = server ? "server" : "client";
	ep->side = &w->c->side[server];
	ep->stopped_reading_at = UINT64_MAX;
	ep->close_offset = UINT64_MAX;
	sim_rng_seed(&ep->rng, run->scenario->seed, stream + 100);
	sim_rng_seed(&ep->random, run->scenario->seed, stream + 200);
	ep->half_closes = sim_rng_chance(&ep->rng, 50);
	ep->env = (struct enn_env){
		.crypto = run->scenario->libcrypto ? run->lab->libcrypto : run->lab->crypto,
		.wall_offset = SIM_EPOCH * (int64_t)ENN_SECOND + (server ? 0 : run->skew),
		.random = env_random,
		.random_ctx = ep,
		.keylog = env_keylog,
		.keylog_ctx = ep,
		.log = env_log,
		.log_ctx = ep,
	};
	ep->heap.scan = &w->scan;
	if (w->index + 1 == run->scenario->count && server == run->starve.server) {
		ep->heap.fail_at = run->starve.allocation;
		ep->heap.fail_for_good = run->starve.for_good;
		ep->random_fails_at = run->starve.random;
	}
	sim_heap_attach(&ep->heap, &ep->env);
	ep->batch = malloc(ep->side->batch_max);
	ep->security = sim_security(run, w->c, server);
	if (ep->batch == NULL || ep->security == NULL) {
		abort();
	}
}

/* ---- life ----------------------------------------------------------------------------------------- */

void sim_endpoint_open(struct sim_endpoint *ep)
{
	struct sim_world *w = ep->w;
	const struct enn_protocol *tls = enn_protocol_by_id(ENN_PROTOCOL_TLS);
	struct enn_engine_options options = {0};
	struct enn_error error = {0};
	enum enn_status status;

	if (ep->server) {
		status = enn_engine_new_server(tls, &ep->env, ep->security, &options, &ep->e,
					       &error);
	} else {
		options.server_name = ep->side->wrong_name ? "other.sim.example" : SIM_SERVER_NAME;
		if (w->c->offer_session && w->run->session.blob != NULL) {
			options.session = w->run->session.blob;
			options.session_len = w->run->session.len;
		}
		status = enn_engine_new_client(tls, &ep->env, ep->security, &options, &ep->e,
					       &error);
	}
	if (status == ENN_OK) {
		status = enn_engine_start(ep->e, w->now);
		ep->started = true;
	}
	if (status != ENN_OK &&
	    !(status == ENN_E_MEMORY && (ep->heap.failed || w->run->starving))) {
		sim_violation(w->run, "%s: the engine cannot be made or started: %s %s", ep->name,
			      enn_status_name(status), error.text);
	}
	if (status != ENN_OK) {
		sim_endpoint_free_engine(ep);
	}
}

void sim_endpoint_free_engine(struct sim_endpoint *ep)
{
	sim_trace(ep->w, "%s: freed", ep->name);
	if (ep->stopped_reading_at == UINT64_MAX) {
		ep->stopped_reading_at = ep->w->pipe[!ep->server].delivered;
	}
	enn_engine_free(ep->e);
	ep->e = NULL;
	ep->batch_len = ep->batch_at = 0;
	free(ep->lent);
	ep->lent = NULL;
	ep->lending = false;
	ep->paused = false;
	ep->question = ENN_EVENT_NONE;
}

void sim_endpoint_close(struct sim_endpoint *ep)
{
	if (ep->e != NULL) {
		sim_endpoint_free_engine(ep);
	}
	enn_security_free(ep->security);
	sim_application_free(ep);
	free(ep->batch);
}

bool sim_endpoint_over(const struct sim_endpoint *ep)
{
	return ep->e == NULL || ep->failed || ep->closed;
}

/* ---- output ------------------------------------------------------------------------------------------ */

/* Everything that an engine makes is looked at, whether the network takes it or not. */
static void inspect(struct sim_endpoint *ep, const uint8_t *data, size_t len)
{
	struct sim_world *w = ep->w;
	struct sim_wire *wire = &w->wire[ep->server];
	const char *found = sim_scan_find(&w->scan, data, len);

	if (found != NULL) {
		sim_violation(w->run, "%s: transmits %s", ep->name, found);
	}
	sim_wire_see(wire, data, len);
	if (wire->wrong != NULL) {
		sim_violation(w->run, "%s: %s", ep->name, wire->wrong);
	}
	if (ep->final_sent && !ep->failed) {
		sim_violation(w->run, "%s: transmits after its end of data", ep->name);
	}
	if (!ep->server && w->pipe[1].delivered == 0 && w->c->replay) {
		w->flight = realloc(w->flight, w->flight_len + len);
		if (w->flight == NULL) {
			abort();
		}
		memcpy(w->flight + w->flight_len, data, len);
		w->flight_len += len;
	}
	uint8_t mark = ep->server ? 0x81 : 0x80;
	sim_hash(w->run, &mark, 1);
	sim_hash(w->run, data, len);
	ep->transmitted += len;
	w->run->count.bytes += len;
}

static void push(struct sim_endpoint *ep)
{
	struct sim_pipe *pipe = &ep->w->pipe[ep->server];
	size_t n;

	do {
		n = sim_pipe_write(pipe, ep->w->now, ep->batch + ep->batch_at,
				   ep->batch_len - ep->batch_at);
		ep->batch_at += n;
	} while (n > 0 && ep->batch_at < ep->batch_len);
}

static bool transmit(struct sim_endpoint *ep)
{
	struct sim_world *w = ep->w;
	bool any = false;

	while (ep->e != NULL && !sim_violated(w->run)) {
		push(ep);
		if (ep->batch_at < ep->batch_len) {
			return any; /* the network is full */
		}
		struct enn_batch batch = {
			.buf = ep->batch,
			.cap = sim_rng_range(&ep->rng, ep->side->batch_min, ep->side->batch_max)};
		enum enn_status status = enn_engine_transmit(ep->e, w->now, &batch);
		if (status != ENN_OK || batch.len > batch.cap || batch.segment_size != 0) {
			sim_violation(w->run, "%s: transmit answers %s with %zu bytes of %zu",
				      ep->name, enn_status_name(status), batch.len, batch.cap);
			return any;
		}
		ep->batch_len = batch.len;
		ep->batch_at = 0;
		if (batch.len == 0) {
			break;
		}
		any = true;
		inspect(ep, ep->batch, batch.len);
	}
	/* With nothing left to transmit, close() has said its last word. */
	if (ep->close_called && ep->close_offset == UINT64_MAX && (ep->ready || ep->cancelled)) {
		ep->close_offset = ep->transmitted;
	}
	return any;
}

static void check_after_end(struct sim_endpoint *ep)
{
	enum enn_status wanted = ep->failed ? ENN_E_FAILED : ENN_E_CLOSED;
	struct enn_message m = {.data = NULL};
	struct enn_packet p = {.data = NULL};
	enn_time now = ep->w->now;

	if (enn_engine_send(ep->e, now, &m) != wanted ||
	    enn_engine_ingest(ep->e, now, NULL, &p, 1) != wanted ||
	    enn_engine_end(ep->e, now) != wanted || enn_engine_close(ep->e, now, 0) != wanted ||
	    enn_engine_rekey(ep->e, now, true) != wanted ||
	    enn_engine_deadline(ep->e) != ENN_TIME_NEVER) {
		sim_violation(ep->w->run, "%s: a call after the end does not answer %s", ep->name,
			      enn_status_name(wanted));
	}
}

void sim_endpoint_pump(struct sim_endpoint *ep)
{
	bool was_over = ep->failed || ep->closed;
	bool any;

	if (ep->e == NULL) {
		return;
	}
	do {
		any = sim_take_events(ep);
		any = sim_application_turn(ep) || any;
		any = transmit(ep) || any;
	} while (any && !sim_violated(ep->w->run));
	if (ep->e != NULL && !was_over && (ep->failed || ep->closed)) {
		check_after_end(ep);
	}
	bool ended = ep->closed || ep->failed || (ep->final_sent && ep->half_closes);
	if (ep->e != NULL && ended && ep->batch_at == ep->batch_len) {
		sim_pipe_close(&ep->w->pipe[ep->server], ep->w->now);
	}
}

/* ---- input ---------------------------------------------------------------------------------------------- */

bool sim_endpoint_can_read(const struct sim_endpoint *ep)
{
	return ep->e != NULL && !ep->paused && !ep->lending && ep->question == ENN_EVENT_NONE &&
	       !ep->failed && !ep->closed && !ep->fin_seen;
}

static size_t cut(struct sim_endpoint *ep, uint8_t *data, size_t n)
{
	/* what comes in pieces is gathered by the engine: not too much of it, or its memory says nothing */
	size_t count = n > 8000 ? 1 : (size_t)sim_rng_range(&ep->rng, 1, ep->side->pieces);

	for (size_t i = 0; i < count; i++) {
		size_t len = i + 1 == count ? n : (size_t)sim_rng_below(&ep->rng, n + 1);
		ep->packets[i] = (struct enn_packet){.data = data, .len = len};
		data += len;
		n -= len;
	}
	return count;
}

void sim_endpoint_input(struct sim_endpoint *ep, const uint8_t *data, size_t n)
{
	/* a block of its own, so that a checker sees every byte read or written outside it */
	ep->lent = malloc(n);
	if (ep->lent == NULL) {
		abort();
	}
	memcpy(ep->lent, data, n);
	size_t count = cut(ep, ep->lent, n);
	enum enn_status status = enn_engine_ingest(ep->e, ep->w->now, NULL, ep->packets, count);
	ep->lending = true;
	if (status != ENN_OK && !(status == ENN_E_FAILED && ep->heap.failed)) {
		sim_violation(ep->w->run, "%s: ingest answers %s", ep->name,
			      enn_status_name(status));
	}
	sim_endpoint_pump(ep);
}

void sim_endpoint_end(struct sim_endpoint *ep)
{
	ep->fin_seen = true;
	if (ep->e == NULL || ep->end_called || ep->failed || ep->closed) {
		return;
	}
	ep->end_called = true;
	sim_trace(ep->w, "%s: end of stream", ep->name);
	enum enn_status status = enn_engine_end(ep->e, ep->w->now);
	if (status != ENN_OK && status != ENN_E_FAILED && status != ENN_E_CLOSED) {
		sim_violation(ep->w->run, "%s: end answers %s", ep->name, enn_status_name(status));
	}
	sim_endpoint_pump(ep);
}

/* ---- time ------------------------------------------------------------------------------------------------- */

enn_time sim_endpoint_deadline(const struct sim_endpoint *ep)
{
	enn_time t = enn_engine_deadline(ep->e);

	if (ep->paused && ep->wake < t) {
		t = ep->wake;
	}
	if (ep->question != ENN_EVENT_NONE && !ep->failed && !ep->closed && ep->answer_at < t) {
		t = ep->answer_at;
	}
	return t;
}

void sim_endpoint_expire(struct sim_endpoint *ep)
{
	enn_time now = ep->w->now;

	if (ep->e == NULL) {
		return;
	}
	if (ep->paused && ep->wake <= now) {
		ep->paused = false;
		if (ep->held_len > 0) { /* still lent, so still there */
			sim_application_check(ep, ep->held, ep->held_len, ep->held_at);
		}
		ep->held_len = 0;
	}
	if (ep->question != ENN_EVENT_NONE && ep->answer_at <= now) {
		if (ep->failed || ep->closed) {
			ep->question = ENN_EVENT_NONE;
		} else {
			sim_answer(ep);
		}
	}
	if (enn_engine_deadline(ep->e) <= now) {
		enn_engine_expire(ep->e, now);
	}
	sim_endpoint_pump(ep);
}
