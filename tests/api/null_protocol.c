/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine contract without any security, for tests.
 */
#include "null_protocol.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "features/security.h"

#define QUEUE  8
#define HEADER 3

enum type {
	HELLO = 'H', /* content: "s" if a session was offered */
	EARLY = 'E',
	DATA = 'D',
	FINAL = 'F', /* no content; the end of one direction */
	UPDATE = 'K',
	TICKET = 'T',
	ALERT = 'X',
};

struct null_engine {
	struct enn_engine base;
	struct null_protocol *p;
	const struct enn_env *env;
	struct enn_security *security;
	bool server, started, hello_sent, ready, offered;
	bool early_known, early_accepted, early_begun;
	bool parked;
	enum null_ask asked;
	bool send_closed, receive_closed, closing, ended;
	bool failed, alert_due, ticket_due, update_due;
	enn_time deadline;
	struct enn_error error;
	uint64_t received, keys_sent, keys_received;
	/* what is to be told, in this order */
	bool tell_question, tell_early, tell_ready, tell_ticket, tell_update_in, tell_update_out;
	bool tell_failed, tell_closed, told_end;
	struct enn_buffer partial;
	size_t partial_done;
	const uint8_t *held; /* a message that waits for something to be told first */
	size_t held_len;
	uint8_t *lent;
	size_t lent_len;
	struct enn_message queue[QUEUE];
	size_t head, len, sealed;
	size_t offset; /* of the message that is being sealed */
	uint8_t question[4];
};

static struct null_engine *of(struct enn_engine *e)
{
	return (struct null_engine *)e;
}

static void fail(struct null_engine *e, enum enn_reason reason, enum enn_origin origin,
		 const char *text)
{
	if (e->failed) {
		return;
	}
	(void)enn_error_set(&e->error, ENN_E_FAILED, reason, "null", "%s", text);
	e->error.origin = origin;
	e->error.wire_code = origin == ENN_ORIGIN_LOCAL ? 42 : ENN_NO_WIRE_CODE;
	e->failed = e->tell_failed = true;
	e->alert_due = origin == ENN_ORIGIN_LOCAL;
	e->deadline = ENN_TIME_NEVER;
}

static void check_closed(struct null_engine *e)
{
	if (e->send_closed && e->receive_closed && !e->told_end && !e->failed) {
		e->told_end = e->tell_closed = true;
	}
}

static void get_ready(struct null_engine *e)
{
	enum null_ask ask = e->server ? e->p->b.server_ask : e->p->b.client_ask;

	if (ask != NULL_ASK_NOTHING && e->asked == NULL_ASK_NOTHING) {
		e->asked = ask;
		e->parked = e->tell_question = true;
		return;
	}
	e->ready = e->tell_ready = true;
	e->deadline = ENN_TIME_NEVER;
	e->ticket_due = e->server && e->p->b.tickets;
}

/* ---- input --------------------------------------------------------------------------- */

static void take_hello(struct null_engine *e, const uint8_t *content, size_t len)
{
	if (e->ready || (e->server && e->p->b.mute)) {
		return;
	}
	if (e->server && e->p->b.refuse) {
		fail(e, ENN_REASON_CERT_REJECTED, ENN_ORIGIN_LOCAL, "refused to order");
		return;
	}
	bool flag = len > 0 && content[0] == 's';
	if (e->server) {
		e->offered = flag;
		e->early_accepted = flag && e->p->b.take_early;
	} else if (e->offered) {
		e->early_known = e->tell_early = true;
		e->early_accepted = flag;
		if (!flag) { /* what was sealed as early data is sealed again */
			e->sealed = e->offset = 0;
		}
	}
	get_ready(e);
}

/* A received message is content, lent by the caller of next_event, or something to be done. */
static void take_message(struct null_engine *e, uint8_t type, const uint8_t *content, size_t len,
			 struct enn_event *event)
{
	if ((type == DATA || type == EARLY) && e->p->b.fail_after > 0 &&
	    ++e->received >= e->p->b.fail_after) {
		fail(e, ENN_REASON_PROTOCOL_FAILED, ENN_ORIGIN_LOCAL, "failed to order");
		return;
	}
	switch (type) {
	case HELLO:
		take_hello(e, content, len);
		break;
	case EARLY:
		if (e->early_accepted && !e->closing) {
			event->type = ENN_EVENT_RECEIVED;
			event->u.received = (struct enn_message){
				.data = content, .len = len, .flags = ENN_MESSAGE_WAS_EARLY};
		}
		break;
	case DATA:
		if (!e->closing) {
			event->type = ENN_EVENT_RECEIVED;
			event->u.received = (struct enn_message){.data = content, .len = len};
		}
		break;
	case FINAL:
		e->receive_closed = true;
		check_closed(e);
		if (!e->closing) {
			event->type = ENN_EVENT_RECEIVED;
			event->u.received = (struct enn_message){.flags = ENN_MESSAGE_FINAL};
		}
		break;
	case UPDATE:
		e->keys_received++;
		e->tell_update_in = true;
		break;
	case TICKET:
		e->tell_ticket = true;
		break;
	default:
		fail(e, ENN_REASON_CERT_REJECTED, ENN_ORIGIN_PEER, "the peer sent an alert");
		break;
	}
}

static bool stash(struct null_engine *e, size_t n)
{
	n = n < e->lent_len ? n : e->lent_len;
	if (n > 0 && enn_buffer_append(&e->partial, e->env, e->lent, n) != ENN_OK) {
		fail(e, ENN_REASON_OUT_OF_MEMORY, ENN_ORIGIN_LOCAL, "out of memory");
		return false;
	}
	e->lent += n;
	e->lent_len -= n;
	return true;
}

/* The next whole message, where it was lent or, if it came in pieces, in our own memory. */
static const uint8_t *next_message(struct null_engine *e, size_t *len)
{
	if (e->partial_done > 0) {
		enn_buffer_consume(&e->partial, e->partial_done);
		e->partial_done = 0;
	}
	size_t have = enn_buffer_len(&e->partial);
	if (have == 0 && e->lent_len >= HEADER) {
		size_t total = HEADER + (size_t)(e->lent[1] << 8 | e->lent[2]);
		if (total <= e->lent_len) {
			const uint8_t *at = e->lent;
			e->lent += total;
			e->lent_len -= total;
			*len = total;
			return at;
		}
	}
	if (have < HEADER && !stash(e, HEADER - have)) {
		return NULL;
	}
	have = enn_buffer_len(&e->partial);
	if (have < HEADER) {
		return NULL;
	}
	const uint8_t *at = enn_buffer_data(&e->partial);
	size_t total = HEADER + (size_t)(at[1] << 8 | at[2]);
	if (!stash(e, total - have) || enn_buffer_len(&e->partial) < total) {
		return NULL;
	}
	e->partial_done = *len = total;
	return enn_buffer_data(&e->partial);
}

static enum enn_status null_ingest(struct enn_engine *base, enn_time now,
				   const struct enn_path *path, struct enn_packet *packets,
				   size_t count)
{
	struct null_engine *e = of(base);

	(void)now;
	(void)path;
	if (e->failed) {
		return ENN_E_FAILED;
	}
	if (e->receive_closed) {
		return ENN_E_CLOSED;
	}
	if (e->lent_len > 0 || count != 1) {
		return e->lent_len > 0 ? ENN_E_AGAIN : ENN_E_ARGUMENT;
	}
	e->lent = packets[0].data;
	e->lent_len = packets[0].len;
	return ENN_OK;
}

static enum enn_status null_end(struct enn_engine *base, enn_time now)
{
	struct null_engine *e = of(base);

	(void)now;
	e->ended = true;
	if (e->closing || e->receive_closed) {
		e->receive_closed = true;
		check_closed(e);
	} else {
		fail(e, ENN_REASON_TRUNCATED, ENN_ORIGIN_NETWORK, "the stream ended early");
	}
	return ENN_OK;
}

/* ---- output -------------------------------------------------------------------------- */

static bool put(struct enn_batch *batch, uint8_t type, const void *content, size_t len)
{
	if (batch->cap - batch->len < HEADER + len) {
		return false;
	}
	uint8_t *at = batch->buf + batch->len;
	at[0] = type;
	at[1] = (uint8_t)(len >> 8);
	at[2] = (uint8_t)len;
	if (len > 0) {
		memcpy(at + HEADER, content, len);
	}
	batch->len += HEADER + len;
	return true;
}

/* Seals what fits; false when the batch is full or nothing may be sealed. */
static bool put_data(struct null_engine *e, struct enn_batch *batch)
{
	struct enn_message *m = &e->queue[(e->head + e->sealed) % QUEUE];
	bool early = !e->ready;

	if (e->sealed == e->len || (early && (!e->offered || !(m->flags & ENN_MESSAGE_EARLY)))) {
		return false;
	}
	size_t n = m->len - e->offset;
	size_t room = batch->cap - batch->len;
	if (room <= HEADER) {
		return false;
	}
	n = n < NULL_MAX_MESSAGE ? n : NULL_MAX_MESSAGE;
	n = n < room - HEADER ? n : room - HEADER;
	if (n > 0 || m->len == 0) {
		bool bare = m->len == 0 && (m->flags & ENN_MESSAGE_FINAL) != 0;
		if (!bare && !put(batch, early ? EARLY : DATA, m->data + e->offset, n)) {
			return false;
		}
		e->p->b.data_messages += !bare;
		e->offset += n;
	}
	if (e->offset < m->len) {
		return true;
	}
	if ((m->flags & ENN_MESSAGE_FINAL) != 0) {
		if (!put(batch, FINAL, NULL, 0)) {
			return false;
		}
		e->send_closed = true;
		check_closed(e);
	}
	e->offset = 0;
	e->sealed++;
	return true;
}

static enum enn_status null_transmit(struct enn_engine *base, enn_time now, struct enn_batch *batch)
{
	struct null_engine *e = of(base);

	(void)now;
	batch->len = 0;
	if (e->alert_due) {
		e->alert_due = !put(batch, ALERT, NULL, 0);
		return ENN_OK;
	}
	if (e->failed || !e->started) {
		return ENN_OK;
	}
	if (!e->hello_sent && !e->server) {
		e->hello_sent = put(batch, HELLO, "s", e->offered ? 1 : 0);
	}
	if (!e->hello_sent && e->server && e->ready) {
		e->hello_sent = put(batch, HELLO, "s", e->early_accepted ? 1 : 0);
	}
	if (!e->hello_sent) {
		return ENN_OK;
	}
	if (e->ticket_due) {
		e->ticket_due = !put(batch, TICKET, NULL, 0);
	}
	if (e->update_due && put(batch, UPDATE, NULL, 0)) {
		e->update_due = false;
		e->keys_sent++;
		e->tell_update_out = true;
	}
	while (put_data(e, batch)) {
	}
	if (e->closing && e->sealed == e->len && !e->send_closed && put(batch, FINAL, NULL, 0)) {
		e->send_closed = true;
		check_closed(e);
	}
	return ENN_OK;
}

static enum enn_status null_send(struct enn_engine *base, enn_time now,
				 const struct enn_message *message)
{
	struct null_engine *e = of(base);

	(void)now;
	if (e->failed) {
		return ENN_E_FAILED;
	}
	if (e->closing || e->send_closed ||
	    (e->len > 0 &&
	     (e->queue[(e->head + e->len - 1) % QUEUE].flags & ENN_MESSAGE_FINAL) != 0)) {
		return ENN_E_CLOSED;
	}
	if (e->len == QUEUE) {
		return ENN_E_AGAIN;
	}
	e->queue[(e->head + e->len++) % QUEUE] = *message;
	return ENN_OK;
}

/* ---- events -------------------------------------------------------------------------- */

static bool tell(bool *flag, struct enn_event *event, enum enn_event_type type)
{
	if (!*flag) {
		return false;
	}
	*flag = false;
	event->type = type;
	return true;
}

static void tell_question(struct null_engine *e, struct enn_event *event)
{
	memcpy(e->question, "ask", sizeof(e->question));
	if (e->asked == NULL_ASK_TRUST) {
		event->type = ENN_EVENT_VALIDATE_PEER;
	} else if (e->asked == NULL_ASK_PSK) {
		event->type = ENN_EVENT_WANT_PSK;
		event->u.psk.identity = e->question;
		event->u.psk.identity_len = 3;
	} else {
		event->type = ENN_EVENT_WANT_IDENTITY;
		event->u.sign.scheme = 0x0403;
		event->u.sign.input = e->question;
		event->u.sign.input_len = 3;
		event->u.sign.credential = NULL;
	}
}

/* True if there was something of its own to tell. */
static bool tell_something(struct null_engine *e, struct enn_event *event)
{
	static const uint8_t session[] = "null session";

	if (tell(&e->tell_early, event, ENN_EVENT_EARLY_DATA)) {
		event->u.early_data.accepted = e->early_accepted;
		return true;
	}
	if (tell(&e->tell_question, event, ENN_EVENT_NONE)) {
		tell_question(e, event);
		return true;
	}
	if (tell(&e->tell_ready, event, ENN_EVENT_READY)) {
		return true;
	}
	if (tell(&e->tell_ticket, event, ENN_EVENT_STORE_SESSION)) {
		event->u.session.data = session;
		event->u.session.len = sizeof(session);
		event->u.session.expires = INT64_MAX;
		return true;
	}
	if (tell(&e->tell_update_in, event, ENN_EVENT_KEYS_UPDATED)) {
		event->u.keys.direction = ENN_DIRECTION_RECEIVE;
		event->u.keys.generation = e->keys_received;
		return true;
	}
	if (tell(&e->tell_update_out, event, ENN_EVENT_KEYS_UPDATED)) {
		event->u.keys.direction = ENN_DIRECTION_SEND;
		event->u.keys.generation = e->keys_sent;
		return true;
	}
	/* before the client knows what became of early data it may have to seal it again */
	if (e->sealed > 0 && e->ready) {
		event->type = ENN_EVENT_SENT;
		event->u.sent.user = e->queue[e->head].user;
		e->head = (e->head + 1) % QUEUE;
		e->len--;
		e->sealed--;
		return true;
	}
	return false;
}

static void null_next_event(struct enn_engine *base, enn_time now, struct enn_event *event)
{
	struct null_engine *e = of(base);
	const uint8_t *at;
	size_t len = 0;

	(void)now;
	event->type = ENN_EVENT_NONE;
	for (;;) {
		if (tell_something(e, event)) {
			return;
		}
		if (e->failed) {
			if (tell(&e->tell_failed, event, ENN_EVENT_FAILED)) {
				event->u.error = e->error;
			}
			e->lent_len = 0;
			return;
		}
		if (e->parked || e->receive_closed) {
			break;
		}
		at = e->held != NULL ? e->held : next_message(e, &len);
		if (at == NULL) {
			break;
		}
		len = e->held != NULL ? e->held_len : len;
		e->held = NULL;
		if (at[0] == EARLY && e->early_accepted && !e->early_begun) {
			e->early_begun = e->tell_early = true; /* told before its data */
			e->held = at;
			e->held_len = len;
			continue;
		}
		take_message(e, at[0], at + HEADER, len - HEADER, event);
		if (event->type != ENN_EVENT_NONE) {
			return;
		}
	}
	if (e->parked && !stash(e, e->lent_len)) {
		return;
	}
	if (e->lent_len > 0 && !stash(e, e->lent_len)) {
		return;
	}
	(void)tell(&e->tell_closed, event, ENN_EVENT_CLOSED);
}

/* ---- the rest ------------------------------------------------------------------------ */

static enum enn_status null_answer(struct enn_engine *base, enn_time now,
				   const struct enn_answer *answer)
{
	struct null_engine *e = of(base);

	(void)now;
	if (!e->parked) {
		return ENN_E_STATE;
	}
	e->parked = false;
	if (!answer->accept || (e->asked == NULL_ASK_SIGN && answer->len != 4)) {
		fail(e, ENN_REASON_CERT_REJECTED, ENN_ORIGIN_LOCAL, "the application refused");
	} else {
		get_ready(e);
	}
	return ENN_OK;
}

static enum enn_status null_start(struct enn_engine *base, enn_time now)
{
	struct null_engine *e = of(base);

	e->started = true;
	if (e->p->b.deadline > 0) {
		e->deadline = now + e->p->b.deadline;
	}
	return ENN_OK;
}

static enn_time null_deadline(const struct enn_engine *base)
{
	return ((const struct null_engine *)base)->deadline;
}

static void null_expire(struct enn_engine *base, enn_time now)
{
	struct null_engine *e = of(base);

	if (e->deadline <= now) {
		fail(e, ENN_REASON_TIMEOUT, ENN_ORIGIN_LOCAL, "the handshake took too long");
	}
}

static enum enn_status null_rekey(struct enn_engine *base, enn_time now, bool both)
{
	struct null_engine *e = of(base);

	(void)now;
	(void)both;
	e->update_due = e->ready;
	return e->ready ? ENN_OK : ENN_E_STATE;
}

static enum enn_status null_close(struct enn_engine *base, enn_time now, uint64_t code)
{
	struct null_engine *e = of(base);

	(void)now;
	(void)code;
	if (e->failed) {
		return ENN_E_FAILED;
	}
	if (e->closing) {
		return ENN_E_CLOSED;
	}
	e->closing = true;
	check_closed(e);
	return ENN_OK;
}

static void null_info(const struct enn_engine *base, struct enn_info *info)
{
	const struct null_engine *e = (const struct null_engine *)base;

	memset(info, 0, sizeof(*info));
	info->protocol = e->base.protocol;
	info->server = e->server;
	info->ready = e->ready;
	info->version = "null";
	info->keys_sent = e->keys_sent;
	info->keys_received = e->keys_received;
	info->early_data = !e->offered	       ? ENN_EARLY_DATA_NONE
			   : e->early_accepted ? ENN_EARLY_DATA_ACCEPTED
					       : ENN_EARLY_DATA_REJECTED;
}

static bool null_error(const struct enn_engine *base, struct enn_error *error)
{
	const struct null_engine *e = (const struct null_engine *)base;

	if (e->failed) {
		*error = e->error;
	}
	return e->failed;
}

static void null_free(struct enn_engine *base)
{
	struct null_engine *e = of(base);

	e->p->b.engines--;
	enn_buffer_clear(&e->partial, e->env);
	enn_security_free(e->security);
	enn_free(e->env, e, sizeof(*e));
}

static const struct enn_engine_ops ops = {
	.free = null_free,
	.start = null_start,
	.ingest = null_ingest,
	.end = null_end,
	.transmit = null_transmit,
	.deadline = null_deadline,
	.expire = null_expire,
	.send = null_send,
	.next_event = null_next_event,
	.answer = null_answer,
	.rekey = null_rekey,
	.close = null_close,
	.info = null_info,
	.error = null_error,
};

static enum enn_status make(const struct enn_protocol *protocol, const struct enn_env *env,
			    struct enn_security *security, const struct enn_engine_options *options,
			    bool server, struct enn_engine **out, struct enn_error *error)
{
	struct null_engine *e;
	enum enn_status status = enn_security_acquire(security, error);

	if (status != ENN_OK) {
		return status;
	}
	e = enn_alloc(env, sizeof(*e));
	if (e == NULL) {
		enn_security_free(security);
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "null",
				     "out of memory");
	}
	e->base.ops = &ops;
	e->base.protocol = protocol;
	e->p = (struct null_protocol *)(void *)protocol; /* row is its first member */
	e->env = env;
	e->security = security;
	e->server = server;
	e->deadline = ENN_TIME_NEVER;
	e->offered = options->session != NULL;
	e->p->b.sessions_offered += e->offered;
	e->p->b.engines++;
	*out = &e->base;
	return ENN_OK;
}

static enum enn_status new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error)
{
	return make(protocol, env, security, options, false, out, error);
}

static enum enn_status new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error)
{
	return make(protocol, env, security, options, true, out, error);
}

void null_protocol_init(struct null_protocol *p)
{
	memset(p, 0, sizeof(*p));
	p->row = *enn_protocol_by_id(ENN_PROTOCOL_TLS);
	p->row.name = "null";
	p->row.min_batch = NULL_MIN_BATCH;
	p->row.new_client = new_client;
	p->row.new_server = new_server;
	p->row.new_acceptor = NULL;
	p->list[0] = &p->row;
}
