/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending. Messages wait in the connection's list, of which a first part is in the
 * engine. They are given to it only while the socket takes output, so that what
 * has not begun can still expire.
 */
#include <string.h>

#include "base/mem.h"
#include "runtime/pool.h"
#include "taps/internal.h"

#define KNOWN_FLAGS ((uint32_t)(ENN_MESSAGE_FINAL | ENN_MESSAGE_EARLY))

/* ---- the list ------------------------------------------------------------------------ */

static void free_send(struct enn_conn *c, struct enn_send *s)
{
	c->send_count--;
	if (s->copied) {
		c->send_bytes -= s->len;
		c->ctx->send_bytes -= s->len;
		enn_wipe((uint8_t *)(s + 1), s->len);
	}
	if (s->expires != ENN_TIME_NEVER) {
		c->expiring--;
	}
	enn_free_raw(enn_context_env(c->ctx), s, s->size);
}

/* Takes the message that *link points at off the list. */
static struct enn_send *unlink_send(struct enn_conn *c, struct enn_send **link)
{
	struct enn_send *s = *link;

	*link = s->next;
	if (s->next == NULL) {
		c->sends_tail = link;
	}
	return s;
}

static void report(struct enn_conn *c, struct enn_send **link, struct enn_queued *queued)
{
	struct enn_send *s = unlink_send(c, link);

	queued->token = s->token;
	c->promises--;
	queued->connection = c->id;
	enn_context_keep(c->ctx, queued);
	free_send(c, s);
}

/* ---- into the engine ----------------------------------------------------------------- */

/* What becomes of a message when its turn comes. */
enum turn {
	TURN_BEGUN,   /* it is in the engine */
	TURN_LATER,   /* it has to wait, and so do those behind it */
	TURN_DONE,    /* there was nothing to do */
	TURN_REFUSED, /* the protocol cannot carry it */
};

/* Messages of protocols that have no end of data: the last is a message like any other, and the
 * bare end, in its place behind all others, is nothing to be sent. */
static enum turn begin_last(struct enn_conn *c, struct enn_engine *engine,
			    struct enn_message *message, struct enn_send *s)
{
	if (message->len == 0) {
		return s == c->sends ? TURN_DONE : TURN_LATER;
	}
	message->flags &= ~(uint32_t)ENN_MESSAGE_FINAL;
	s->begun = enn_engine_send(engine, enn_context_now(c->ctx), message) == ENN_OK;
	return s->begun ? TURN_BEGUN : TURN_REFUSED;
}

static enum turn begin(struct enn_conn *c, struct enn_attempt *a, struct enn_send *s)
{
	struct enn_engine *engine = enn_driver_engine(a->driver);
	struct enn_message message = {
		.data = s->data, .len = s->len, .user = s, .stream = s->stream, .flags = s->flags};

	/* before Ready only early data may go, in order */
	if (c->ready == 0 && (s->flags & ENN_MESSAGE_EARLY) == 0) {
		return TURN_LATER;
	}
	if (c->ready != 0) {
		message.flags &= ~(uint32_t)ENN_MESSAGE_EARLY;
	}
	switch (enn_engine_send(engine, enn_context_now(c->ctx), &message)) {
	case ENN_OK:
		s->begun = true;
		return TURN_BEGUN;
	case ENN_E_ARGUMENT:
		if (enn_conn_has_messages(c) && (message.flags & ENN_MESSAGE_FINAL) != 0) {
			return begin_last(c, engine, &message, s);
		}
		return TURN_REFUSED;
	default:
		return TURN_LATER; /* full; or failed or closed, which its event tells */
	}
}

static void report_turn(struct enn_conn *c, struct enn_send **link, enum turn turn)
{
	struct enn_queued queued = {.type = ENN_TAPS_SENT};

	if (turn == TURN_REFUSED) { /* this ends the message, and nothing else */
		queued.type = ENN_TAPS_SEND_ERROR;
		queued.u.error.status = ENN_E_ARGUMENT;
		queued.u.error.reason = enn_conn_has_messages(c) && (*link)->stream == 0
						? ENN_REASON_MESSAGE_TOO_LARGE
						: ENN_REASON_INVALID_MESSAGE_PROPERTIES;
		if (((*link)->flags & ENN_MESSAGE_FINAL) != 0) {
			c->final_queued = false; /* the end was not sent: more may be */
		}
	}
	report(c, link, &queued);
}

bool enn_conn_pump(struct enn_conn *c, struct enn_attempt *a)
{
	struct enn_send **link = &c->sends;
	bool any = false;

	if (c->winner == NULL ? !a->early : c->winner != a) {
		return false;
	}
	while (*link != NULL) {
		struct enn_send *s = *link;
		if (s->begun) {
			link = &s->next;
			continue;
		}
		enum turn turn = begin(c, a, s);
		if (turn == TURN_LATER) {
			break;
		}
		if (turn == TURN_BEGUN) {
			any = true;
			link = &s->next;
		} else {
			report_turn(c, link, turn);
		}
	}
	if (c->close_called && !c->close_begun) {
		enn_conn_wake(c); /* it may be time to tell the engine */
	}
	return any;
}

void enn_conn_sent(struct enn_conn *c, struct enn_attempt *a, void *user)
{
	struct enn_queued queued = {.type = ENN_TAPS_SENT};
	struct enn_send *s = user;

	if (c->winner == NULL && !c->server) {
		s->sealed = true;
		return;
	}
	if (a == NULL || c->winner != a || s != c->sends) {
		return;
	}
	c->bytes_sent += s->len;
	if ((s->flags & ENN_MESSAGE_FINAL) != 0) {
		enn_driver_finish(a->driver);
	}
	report(c, &c->sends, &queued);
	if (c->close_called) {
		enn_conn_wake(c);
	}
}

void enn_conn_report_sealed(struct enn_conn *c)
{
	while (c->sends != NULL && c->sends->sealed) {
		enn_conn_sent(c, c->winner, c->sends);
	}
}

void enn_conn_unsend(struct enn_conn *c)
{
	for (struct enn_send *s = c->sends; s != NULL; s = s->next) {
		s->begun = s->sealed = false;
	}
}

/* ---- expiry and failure -------------------------------------------------------------- */

enn_time enn_conn_next_expiry(const struct enn_conn *c)
{
	enn_time first = ENN_TIME_NEVER;

	for (const struct enn_send *s = c->expiring > 0 ? c->sends : NULL; s != NULL; s = s->next) {
		if (!s->begun && s->expires < first) {
			first = s->expires;
		}
	}
	return first;
}

void enn_conn_expire(struct enn_conn *c, enn_time now)
{
	struct enn_queued queued = {.type = ENN_TAPS_EXPIRED};
	struct enn_send **link = &c->sends;

	while (c->expiring > 0 && *link != NULL) {
		struct enn_send *s = *link;
		if (s->begun || s->expires > now) {
			link = &s->next;
			continue;
		}
		if ((s->flags & ENN_MESSAGE_FINAL) != 0) {
			c->final_queued = false; /* the end was not sent: more may be */
		}
		report(c, link, &queued);
	}
}

void enn_conn_fail_sends(struct enn_conn *c, enum enn_status status, enum enn_reason reason)
{
	struct enn_queued queued = {.type = ENN_TAPS_SEND_ERROR};

	queued.u.error.status = status;
	queued.u.error.reason = reason;
	while (c->sends != NULL) {
		report(c, &c->sends, &queued);
	}
}

void enn_conn_free_sends(struct enn_conn *c)
{
	while (c->sends != NULL) {
		free_send(c, unlink_send(c, &c->sends));
	}
}

uint64_t enn_conn_max_message(const struct enn_conn *c)
{
	struct enn_info info;

	enn_engine_info(enn_conn_engine(c), &info);
	return info.max_message == 0 ? UINT64_MAX : info.max_message;
}

/* ---- the calls ----------------------------------------------------------------------- */

static enum enn_status check(const struct enn_conn *c, const void *data, size_t len, uint32_t flags,
			     bool copied)
{
	const struct enn_context_options *o = &c->ctx->options;

	if ((data == NULL && len > 0) || (flags & ~KNOWN_FLAGS) != 0) {
		return ENN_E_ARGUMENT;
	}
	if (c->over || c->final_queued || c->close_called || c->abort_called) {
		return ENN_E_CLOSED;
	}
	if (c->sends_failed) {
		return ENN_E_FAILED;
	}
	if (enn_conn_value(c, ENN_PROPERTY_DIRECTION) == ENN_UNIDIRECTIONAL_RECEIVE &&
	    (len > 0 || (flags & ENN_MESSAGE_FINAL) == 0)) {
		return ENN_E_STATE;
	}
	/* A message larger than the window may go when nothing else waits. */
	if (c->send_count >= o->max_sends ||
	    (copied && c->send_bytes > 0 &&
	     (c->send_bytes >= o->send_window || len > o->send_window - c->send_bytes))) {
		return ENN_E_AGAIN;
	}
	return ENN_OK;
}

static uint32_t flags_of(const struct enn_conn *c, const struct enn_message_context *message)
{
	uint32_t flags = message == NULL ? 0 : message->flags;

	if (enn_conn_value(c, ENN_PROPERTY_SAFELY_REPLAYABLE) != 0) {
		flags |= ENN_MESSAGE_EARLY;
	}
	if (enn_conn_value(c, ENN_PROPERTY_FINAL) != 0) {
		flags |= ENN_MESSAGE_FINAL;
	}
	return flags;
}

static enn_time expiry_of(const struct enn_conn *c, const struct enn_message_context *message)
{
	enn_time now = enn_context_now(c->ctx);
	enn_time lifetime = message == NULL || message->lifetime == 0
				    ? enn_conn_value(c, ENN_PROPERTY_MSG_LIFETIME)
				    : message->lifetime;

	return lifetime >= ENN_TIME_NEVER - now ? ENN_TIME_NEVER : now + lifetime;
}

static enum enn_status send_message(struct enn_connection connection, const void *data, size_t len,
				    const struct enn_message_context *message, bool copy)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_send *s = NULL;

	if (c == NULL) {
		return ENN_E_STALE;
	}
	const struct enn_env *env = enn_context_env(c->ctx);
	uint32_t flags = flags_of(c, message);
	size_t size = sizeof(*s) + (copy ? len : 0);
	ENN_TRY(check(c, data, len, flags, copy));
	if ((copy && size < len) || !enn_queue_promise(&c->ctx->queue, env, 1)) {
		return ENN_E_MEMORY;
	}
	s = enn_alloc_raw(env, size);
	if (s == NULL) {
		enn_queue_forgo(&c->ctx->queue, 1);
		return ENN_E_MEMORY;
	}
	c->promises++;
	*s = (struct enn_send){.token = message == NULL ? NULL : message->token,
			       .data = copy ? (const uint8_t *)(s + 1) : data,
			       .len = len,
			       .size = size,
			       .expires = expiry_of(c, message),
			       .stream = message == NULL ? 0 : message->stream,
			       .flags = flags,
			       .copied = copy};
	if (copy) {
		if (len > 0) {
			memcpy(s + 1, data, len);
		}
		c->send_bytes += len;
		c->ctx->send_bytes += len;
	}
	c->expiring += s->expires != ENN_TIME_NEVER;
	c->send_count++;
	c->final_queued = (flags & ENN_MESSAGE_FINAL) != 0;
	*c->sends_tail = s;
	c->sends_tail = &s->next;
	enn_conn_wake(c);
	return ENN_OK;
}

enum enn_status enn_connection_send(struct enn_connection connection, const void *data, size_t len,
				    const struct enn_message_context *message)
{
	return send_message(connection, data, len, message, true);
}

enum enn_status enn_connection_send_borrowed(struct enn_connection connection, const void *data,
					     size_t len, const struct enn_message_context *message)
{
	return send_message(connection, data, len, message, false);
}
