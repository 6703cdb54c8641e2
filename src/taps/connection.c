/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections: life, work, and end. See internal.h for who calls what when.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/internal.h"
#include "taps/preconnection.h"

/* ---- marking ------------------------------------------------------------------------- */

void enn_conn_wake(struct enn_conn *c)
{
	struct enn_context *ctx = c->ctx;

	if (c->mark_link != NULL) {
		return;
	}
	c->next_marked = ctx->marked;
	c->mark_link = &ctx->marked;
	if (ctx->marked != NULL) {
		ctx->marked->mark_link = &c->next_marked;
	}
	ctx->marked = c;
	enn_runtime_wake(ctx->rt);
}

void enn_conn_unmark(struct enn_conn *c)
{
	if (c->mark_link == NULL) {
		return;
	}
	*c->mark_link = c->next_marked;
	if (c->next_marked != NULL) {
		c->next_marked->mark_link = c->mark_link;
	}
	c->mark_link = NULL;
	c->next_marked = NULL;
}

static void on_timer(void *owner, enn_time now)
{
	(void)now;
	enn_conn_wake(owner);
}

/* ---- life ---------------------------------------------------------------------------- */

enum enn_status enn_conn_new(struct enn_context *ctx, struct enn_config *config,
			     const struct enn_protocol *protocol, struct enn_conn **out)
{
	const struct enn_env *env = enn_context_env(ctx);
	struct enn_conn *c;

	if (ctx->connections.count >= ctx->options.max_connections) {
		return ENN_E_LIMIT;
	}
	if (!enn_queue_promise(&ctx->queue, env, ENN_EVENTS_PER_CONN)) {
		return ENN_E_MEMORY;
	}
	c = enn_alloc(env, sizeof(*c));
	if (c != NULL) {
		c->id = enn_slots_add(&ctx->connections, env, c);
	}
	if (c == NULL || c->id == 0) {
		enn_queue_forgo(&ctx->queue, ENN_EVENTS_PER_CONN);
		enn_free(env, c, sizeof(*c));
		return ENN_E_MEMORY;
	}
	c->ctx = ctx;
	c->promises = ENN_EVENTS_PER_CONN;
	c->config = enn_config_ref(config);
	c->protocol = protocol;
	c->user = config->user;
	c->started = enn_context_now(ctx);
	c->sends_tail = &c->sends;
	c->receives_tail = &c->receives;
	c->pieces_tail = &c->pieces;
	enn_timer_init(&c->timer, on_timer, c);
	*out = c;
	return ENN_OK;
}

void enn_conn_destroy(struct enn_conn *c, enum enn_release how)
{
	struct enn_context *ctx = c->ctx;
	const struct enn_env *env = enn_context_env(ctx);

	enn_conn_unmark(c);
	enn_runtime_set_timer(ctx->rt, &c->timer, ENN_TIME_NEVER);
	enn_establish_free(c);
	for (size_t i = 0; i < c->attempts; i++) {
		if (c->attempt[i]->driver != NULL) {
			enn_driver_stop(c->attempt[i]->driver, how);
		}
		enn_attempt_free(c->attempt[i]);
	}
	enn_free(env, c->attempt, c->attempts_cap * sizeof(struct enn_attempt *));
	/* After the engines, which borrow from the messages. */
	enn_conn_free_sends(c);
	enn_conn_free_receives(c);
	enn_conn_drop_pieces(c);
	enn_queue_forgo(&ctx->queue, c->promises);
	enn_free(env, c->value, ENN_PROPERTY_COUNT * sizeof(*c->value));
	enn_free(env, c->error, sizeof(*c->error));
	enn_config_free(c->config);
	enn_slots_remove(&ctx->connections, c->id);
	enn_free(env, c, sizeof(*c));
	enn_listen_room(ctx);
}

struct enn_conn *enn_conn_of(struct enn_connection connection)
{
	if (connection.context == NULL) {
		return NULL;
	}
	return enn_slots_get(&connection.context->connections, connection.id);
}

struct enn_engine *enn_conn_engine(const struct enn_conn *c)
{
	return c->winner == NULL || c->winner->driver == NULL
		       ? NULL
		       : enn_driver_engine(c->winner->driver);
}

uint64_t enn_conn_value(const struct enn_conn *c, enum enn_property id)
{
	return c->value != NULL ? c->value[id] : c->config->value[id];
}

enum enn_connection_state enn_conn_state(const struct enn_conn *c)
{
	if (c->over) {
		return ENN_STATE_CLOSED;
	}
	if (c->close_called || c->abort_called || c->error != NULL) {
		return ENN_STATE_CLOSING;
	}
	return c->ready != 0 ? ENN_STATE_ESTABLISHED : ENN_STATE_ESTABLISHING;
}

/* ---- events -------------------------------------------------------------------------- */

void enn_conn_keep(struct enn_conn *c, struct enn_queued *event)
{
	event->connection = c->id;
	c->promises--;
	enn_context_keep(c->ctx, event);
}

void enn_conn_push(struct enn_conn *c, struct enn_queued *event)
{
	event->connection = c->id;
	if (!enn_context_push(c->ctx, event)) {
		enn_log(enn_context_env(c->ctx), ENN_LOG_WARNING,
			"out of memory: the event %s is not reported",
			enn_taps_event_name(event->type));
	}
}

void enn_conn_soft_error(struct enn_conn *c, const struct enn_error *error)
{
	struct enn_queued queued = {.type = ENN_TAPS_SOFT_ERROR, .connection = c->id};

	if (enn_conn_value(c, ENN_PROPERTY_SOFT_ERROR_NOTIFY) > ENN_PREFER || c->over ||
	    c->soft_errors >= ENN_MAX_SOFT_ERRORS) {
		return;
	}
	queued.u.soft = enn_error_copy(enn_context_env(c->ctx), error);
	if (queued.u.soft == NULL) {
		return;
	}
	if (enn_context_push(c->ctx, &queued)) {
		c->soft_errors++;
	} else {
		enn_context_discard(c->ctx, &queued);
	}
}

/* ---- the end ------------------------------------------------------------------------- */

void enn_conn_end(struct enn_conn *c, enum enn_taps_event_type type, const struct enn_error *error,
		  enum enn_release how)
{
	struct enn_queued last = {.type = type};
	enum enn_status status = error == NULL ? ENN_E_CLOSED : ENN_OK;

	if (error != NULL && error != c->error) {
		enn_free(enn_context_env(c->ctx), c->error, sizeof(*c->error));
		c->error = enn_error_copy(enn_context_env(c->ctx), error);
	}
	last.u.error.reason = error == NULL ? ENN_REASON_NONE : error->reason;
	enn_establish_free(c);
	for (size_t i = 0; i < c->attempts; i++) {
		struct enn_attempt *a = c->attempt[i];
		if (a == c->winner && a->driver != NULL) {
			enn_driver_stop(a->driver, how); /* its engine can still tell things */
		} else {
			enn_attempt_drop(a, ENN_CANDIDATE_LOST, ENN_RELEASE_CLOSE);
		}
	}
	c->over = true;
	enn_conn_fail_sends(c, status, last.u.error.reason);
	enn_conn_fail_receives(c, status, last.u.error.reason);
	enn_conn_drop_pieces(c);
	enn_runtime_set_timer(c->ctx->rt, &c->timer, ENN_TIME_NEVER);
	if (c->server && !c->announced) {
		enn_listen_lost(c, error);
		return; /* c is gone */
	}
	enn_conn_keep(c, &last);
}

static void end_with(struct enn_conn *c, enum enn_reason reason, enum enn_release how,
		     const char *text)
{
	struct enn_error error;
	bool established = c->ready != 0 || c->announced;

	(void)enn_error_set(&error, ENN_E_FAILED, reason, "connection", "%s", text);
	error.wire_code = ENN_NO_WIRE_CODE;
	enn_conn_end(c, established ? ENN_TAPS_CONNECTION_ERROR : ENN_TAPS_ESTABLISHMENT_ERROR,
		     &error, how);
}

/* ---- work ---------------------------------------------------------------------------- */

/* The winner's stream or engine failed. Data that arrived before is still delivered, so the last
 * event waits for the application to receive it; senders are told at once. */
static bool work_failed(struct enn_conn *c)
{
	struct enn_attempt *a = c->winner;

	if (a == NULL || !a->failed) {
		return false;
	}
	if (c->error == NULL && a->error != NULL) {
		c->error = enn_error_copy(enn_context_env(c->ctx), a->error);
	}
	if (!c->sends_failed) {
		c->sends_failed = true;
		enn_driver_stop(a->driver,
				ENN_RELEASE_LINGER); /* a closing alert may be on its way */
		enn_conn_fail_sends(c, ENN_OK, ENN_REASON_NONE);
	}
	if (c->pieces != NULL && !c->close_called) {
		return true;
	}
	if (c->error == NULL) {
		end_with(c, ENN_REASON_OUT_OF_MEMORY, ENN_RELEASE_LINGER, "out of memory");
	} else {
		enn_conn_end(c,
			     c->ready != 0 || c->announced ? ENN_TAPS_CONNECTION_ERROR
							   : ENN_TAPS_ESTABLISHMENT_ERROR,
			     c->error, ENN_RELEASE_LINGER);
	}
	return true;
}

/* Close was called and the engine is open: tell it, once everything that waits is in it. */
static void begin_close(struct enn_conn *c, enn_time now)
{
	struct enn_attempt *a = c->winner;
	struct enn_send *waiting = c->sends;

	while (waiting != NULL && waiting->begun) {
		waiting = waiting->next;
	}
	if (waiting != NULL || c->close_begun || c->ready == 0) {
		return;
	}
	c->close_begun = true;
	/* CLOSED: the engine has ended by itself. */
	if (enn_engine_close(enn_driver_engine(a->driver), now, 0) == ENN_OK) {
		enn_driver_finish(a->driver);
		enn_driver_run(a->driver);
	}
}

static enn_time writing_since(const struct enn_conn *c)
{
	return c->winner == NULL || c->winner->driver == NULL
		       ? ENN_TIME_NEVER
		       : enn_driver_writing_since(c->winner->driver);
}

/* A pending write moves without telling: compare what is left of it. */
static void watch_progress(struct enn_conn *c, enn_time now)
{
	if (writing_since(c) != ENN_TIME_NEVER) {
		size_t unwritten = enn_driver_unwritten(c->winner->driver);
		if (unwritten != c->unwritten) {
			c->progress = now;
			c->unwritten = unwritten;
		}
	}
}

static enn_time close_deadline(const struct enn_conn *c)
{
	enn_time since = c->close_time > c->progress ? c->close_time : c->progress;

	return c->close_called ? since + c->ctx->options.close_timeout : ENN_TIME_NEVER;
}

/* True if the connection has ended. */
static bool work_close(struct enn_conn *c, enn_time now)
{
	struct enn_attempt *a = c->winner;

	if (c->close_called) {
		enn_conn_drop_pieces(c);
		if (c->ready == 0 && !c->announced && c->sends == NULL) {
			/* nothing was promised to anybody yet */
			enn_conn_end(c, ENN_TAPS_CLOSED, NULL, ENN_RELEASE_CLOSE);
			return true;
		}
		if (a != NULL) {
			begin_close(c, now);
		}
	}
	if (a != NULL && a->closed && !enn_driver_writing(a->driver) && c->pieces == NULL) {
		enn_conn_end(c, ENN_TAPS_CLOSED, NULL, ENN_RELEASE_LINGER);
		return true;
	}
	if (now < close_deadline(c)) {
		return false;
	}
	if (a != NULL && c->close_begun && c->sends == NULL && !enn_driver_writing(a->driver)) {
		/* All of ours is sent; the peer owes its end and does not give it. */
		enn_conn_end(c, ENN_TAPS_CLOSED, NULL, ENN_RELEASE_CLOSE);
	} else {
		end_with(c, ENN_REASON_TIMEOUT, ENN_RELEASE_RESET,
			 "the connection could not be closed in time");
	}
	return true;
}

/* RFC 9622 §8.1.3. When to give up; ENN_TIME_NEVER if there is no limit or nothing is waited
 * for. */
static enn_time give_up_time(const struct enn_conn *c)
{
	enn_time limit = enn_conn_value(c, ENN_PROPERTY_CONN_TIMEOUT);
	enn_time since = c->started;

	if (limit == ENN_TIME_NEVER || (c->server && c->ready == 0)) {
		return ENN_TIME_NEVER;
	}
	if (c->ready != 0) {
		enn_time writing = writing_since(c);
		if (writing == ENN_TIME_NEVER) {
			return ENN_TIME_NEVER;
		}
		since = writing > c->progress ? writing : c->progress;
	}
	return limit > ENN_TIME_NEVER - since ? ENN_TIME_NEVER : since + limit;
}

static bool work_timeout(struct enn_conn *c, enn_time now)
{
	if (give_up_time(c) > now) {
		return false;
	}
	end_with(c, ENN_REASON_TIMEOUT, ENN_RELEASE_RESET,
		 c->ready == 0 ? "the connection was not established within connTimeout"
			       : "sent data made no progress within connTimeout");
	return true;
}

static void arm(struct enn_conn *c)
{
	enn_time when = give_up_time(c);
	enn_time others[3] = {close_deadline(c), enn_conn_next_expiry(c),
			      c->establish == NULL ? ENN_TIME_NEVER
						   : enn_race_deadline(&c->establish->race)};

	for (size_t i = 0; i < ENN_ARRAY_LEN(others); i++) {
		when = others[i] < when ? others[i] : when;
	}
	enn_runtime_set_timer(c->ctx->rt, &c->timer, when);
}

void enn_conn_work(struct enn_conn *c)
{
	enn_time now = enn_context_now(c->ctx);

	if (c->over) {
		return;
	}
	if (c->abort_called) {
		end_with(c, ENN_REASON_CONNECTION_ABORTED, ENN_RELEASE_RESET,
			 "the application aborted the connection");
		return;
	}
	if (c->establish != NULL) {
		enn_establish_work(c, now);
		if (c->over) {
			return;
		}
	}
	for (size_t i = 0; i < c->attempts; i++) {
		struct enn_attempt *a = c->attempt[i];
		if (a->driver != NULL && (a == c->winner || a->answered)) {
			a->answered = false;
			enn_driver_run(a->driver);
		}
	}
	enn_conn_match(c);
	enn_conn_expire(c, now);
	watch_progress(c, now);
	if (work_failed(c) || work_close(c, now) || work_timeout(c, now)) {
		return;
	}
	arm(c);
}
