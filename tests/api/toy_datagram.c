/* SPDX-License-Identifier: Apache-2.0
 *
 * A datagram protocol for tests, without any security.
 */
#include "toy_datagram.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/security.h"
#include "runtime/address.h"

#define QUEUE	     64
#define HELLO_AGAIN  (20 * ENN_MILLISECOND)
#define MOST_PACKETS 64
#define MOST_BYTES   65000

enum type {
	HELLO = 'H', /* content: the cookie, if one was asked for */
	READY = 'R',
	RETRY = 'Y', /* stateless: send the hello again, with this cookie */
	DATA = 'D',
	PING = 'P', /* from a new address */
	CLOSE = 'C',
	ALERT = 'X',
};

struct toy_engine {
	struct enn_engine base;
	struct toy_protocol *p;
	const struct enn_env *env;
	struct enn_security *security;
	struct toy_engine *next; /* of the servers */
	uint32_t id;
	struct enn_path path;
	bool server, started, ready, cookie;
	bool hello_due, ready_due, ping_due, alert_due, close_due;
	bool closing, closed, failed;
	bool tell_ready, tell_path, tell_closed, tell_failed;
	struct enn_error error;
	enn_time hello_at, deadline;
	struct enn_packet *packets; /* lent */
	size_t count, next_packet;
	struct enn_message queue[QUEUE];
	uint32_t told, sealed, tail; /* free running */
};

struct toy_acceptor {
	struct enn_acceptor base;
	struct toy_protocol *p;
	const struct enn_env *env;
	struct enn_security *security;
};

static const struct enn_engine_ops ops;

static struct toy_engine *of(struct enn_engine *e)
{
	return (struct toy_engine *)e;
}

static void fail(struct toy_engine *e, enum enn_reason reason, enum enn_origin origin,
		 const char *text)
{
	if (e->failed || e->closed) {
		return;
	}
	(void)enn_error_set(&e->error, ENN_E_FAILED, reason, "toy", "%s", text);
	e->error.origin = origin;
	e->error.wire_code = ENN_NO_WIRE_CODE;
	e->failed = e->tell_failed = true;
	e->alert_due = origin == ENN_ORIGIN_LOCAL && reason != ENN_REASON_TIMEOUT;
	e->deadline = e->hello_at = ENN_TIME_NEVER;
}

static void end(struct toy_engine *e)
{
	if (!e->closed && !e->failed) {
		e->closed = e->tell_closed = true;
		e->hello_at = e->deadline = ENN_TIME_NEVER;
	}
}

/* ---- input --------------------------------------------------------------------------- */

static void seen_at(struct toy_engine *e, const struct enn_path *path)
{
	if (!enn_address_equal(&e->path.remote, &path->remote)) {
		e->path = *path;
		e->tell_path = true;
	}
}

static void take_hello(struct toy_engine *e)
{
	if (!e->server || e->p->b.mute) {
		return;
	}
	if (e->p->b.refuse) {
		fail(e, ENN_REASON_CERT_REJECTED, ENN_ORIGIN_LOCAL, "refused to order");
		return;
	}
	e->tell_ready = !e->ready;
	e->ready = e->ready_due = true;
	e->deadline = ENN_TIME_NEVER;
}

/* One packet; true if it was data to tell. */
static bool take_packet(struct toy_engine *e, const struct enn_packet *packet,
			struct enn_event *event)
{
	if (packet->len < TOY_HEADER) {
		return false;
	}
	switch (packet->data[0]) {
	case HELLO:
		take_hello(e);
		return false;
	case RETRY:
		e->cookie = e->hello_due = true;
		return false;
	case READY:
		e->tell_ready = !e->ready;
		e->ready = true;
		e->hello_at = e->deadline = ENN_TIME_NEVER;
		return false;
	case DATA:
		e->p->b.ecn_seen += packet->ecn != 0;
		if (!e->ready || e->closing ||
		    (e->p->b.lose > 0 && ++e->p->arrived % e->p->b.lose == 0)) {
			return false;
		}
		event->type = ENN_EVENT_RECEIVED;
		event->u.received = (struct enn_message){.data = packet->data + TOY_HEADER,
							 .len = packet->len - TOY_HEADER};
		return true;
	case CLOSE:
		end(e);
		return false;
	case ALERT:
		fail(e, ENN_REASON_CERT_REJECTED, ENN_ORIGIN_PEER, "the peer sent an alert");
		return false;
	default:
		return false;
	}
}

static enum enn_status toy_ingest(struct enn_engine *base, enn_time now,
				  const struct enn_path *path, struct enn_packet *packets,
				  size_t count)
{
	struct toy_engine *e = of(base);

	(void)now;
	if (e->failed || e->closed) {
		return e->failed ? ENN_E_FAILED : ENN_E_CLOSED;
	}
	if (e->next_packet < e->count) {
		return ENN_E_AGAIN;
	}
	seen_at(e, path);
	e->packets = packets;
	e->count = count;
	e->next_packet = 0;
	return ENN_OK;
}

/* ---- output -------------------------------------------------------------------------- */

static void put_header(const struct toy_engine *e, uint8_t type, uint8_t *at)
{
	at[0] = type;
	memcpy(at + 1, &e->id, sizeof(e->id));
}

static bool put(const struct toy_engine *e, uint8_t type, struct enn_batch *batch, bool *due)
{
	if (!*due) {
		return false;
	}
	*due = false;
	put_header(e, type, batch->buf);
	batch->len = batch->segment_size = TOY_HEADER;
	return true;
}

/* Messages of one length, the last maybe shorter. */
static void put_data(struct toy_engine *e, struct enn_batch *batch)
{
	size_t first = e->queue[e->sealed % QUEUE].len;

	batch->segment_size = TOY_HEADER + first;
	for (int i = 0; i < MOST_PACKETS && e->sealed != e->tail; i++) {
		const struct enn_message *m = &e->queue[e->sealed % QUEUE];
		size_t len = TOY_HEADER + m->len;
		if (m->len > first || (i > 0 && batch->len + len > MOST_BYTES) ||
		    batch->len + len > batch->cap) {
			break;
		}
		put_header(e, DATA, batch->buf + batch->len);
		if (m->len > 0) {
			memcpy(batch->buf + batch->len + TOY_HEADER, m->data, m->len);
		}
		batch->len += len;
		e->sealed++;
		e->p->b.messages++;
		if (m->len < first) {
			break;
		}
	}
	batch->ecn = e->p->b.ecn;
	e->p->b.batches++;
}

static enum enn_status toy_transmit(struct enn_engine *base, enn_time now, struct enn_batch *batch)
{
	struct toy_engine *e = of(base);

	batch->path = e->path;
	if (put(e, ALERT, batch, &e->alert_due) || e->failed || !e->started ||
	    e->p->b.hold_output) {
		return ENN_OK;
	}
	if (e->hello_due) {
		e->hello_at = now + (e->p->b.hello > 0 ? e->p->b.hello : HELLO_AGAIN);
		e->p->b.hellos++;
		(void)put(e, HELLO, batch, &e->hello_due);
		if (e->cookie) {
			batch->buf[batch->len++] = 'c';
			batch->segment_size++;
		}
		return ENN_OK;
	}
	if (put(e, READY, batch, &e->ready_due) || put(e, PING, batch, &e->ping_due)) {
		return ENN_OK;
	}
	if (e->ready && e->sealed != e->tail) {
		put_data(e, batch);
	} else if (e->closing && put(e, CLOSE, batch, &e->close_due)) {
		end(e);
	}
	return ENN_OK;
}

static enum enn_status toy_send(struct enn_engine *base, enn_time now,
				const struct enn_message *message)
{
	struct toy_engine *e = of(base);

	(void)now;
	if (e->failed || e->closing || e->closed) {
		return e->failed ? ENN_E_FAILED : ENN_E_CLOSED;
	}
	if (message->len > e->p->b.max_message || message->flags != 0) {
		return ENN_E_ARGUMENT;
	}
	if (e->tail - e->told == QUEUE) {
		return ENN_E_AGAIN;
	}
	e->queue[e->tail++ % QUEUE] = *message;
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

static void toy_next_event(struct enn_engine *base, enn_time now, struct enn_event *event)
{
	struct toy_engine *e = of(base);

	(void)now;
	while (!e->failed) {
		if (tell(&e->tell_ready, event, ENN_EVENT_READY)) {
			return;
		}
		if (tell(&e->tell_path, event, ENN_EVENT_PATH_CHANGED)) {
			event->u.path = e->path;
			return;
		}
		if (e->told != e->sealed) {
			event->type = ENN_EVENT_SENT;
			event->u.sent.user = e->queue[e->told++ % QUEUE].user;
			return;
		}
		if (e->next_packet == e->count) {
			break;
		}
		if (take_packet(e, &e->packets[e->next_packet++], event)) {
			return;
		}
	}
	e->count = e->next_packet = 0;
	if (tell(&e->tell_failed, event, ENN_EVENT_FAILED)) {
		event->u.error = e->error;
		return;
	}
	(void)tell(&e->tell_closed, event, ENN_EVENT_CLOSED);
}

/* ---- the rest ------------------------------------------------------------------------ */

static enum enn_status toy_start(struct enn_engine *base, enn_time now)
{
	struct toy_engine *e = of(base);

	e->started = true;
	e->hello_due = !e->server;
	if (e->p->b.deadline > 0) {
		e->deadline = now + e->p->b.deadline;
	}
	return ENN_OK;
}

static enn_time toy_deadline(const struct enn_engine *base)
{
	const struct toy_engine *e = (const struct toy_engine *)base;

	return e->deadline < e->hello_at ? e->deadline : e->hello_at;
}

static void toy_expire(struct enn_engine *base, enn_time now)
{
	struct toy_engine *e = of(base);

	if (e->deadline <= now) {
		fail(e, ENN_REASON_TIMEOUT, ENN_ORIGIN_NETWORK, "there was no answer");
	} else if (e->hello_at <= now) {
		e->hello_at = ENN_TIME_NEVER;
		e->hello_due = true;
	}
}

static enum enn_status toy_migrate(struct enn_engine *base, enn_time now,
				   const struct enn_path *path)
{
	struct toy_engine *e = of(base);

	(void)now;
	if (!e->ready) {
		return ENN_E_STATE;
	}
	e->path = *path;
	e->ping_due = true;
	return ENN_OK;
}

static enum enn_status toy_close(struct enn_engine *base, enn_time now, uint64_t code)
{
	struct toy_engine *e = of(base);

	(void)now;
	(void)code;
	if (e->failed || e->closing || e->closed) {
		return e->failed ? ENN_E_FAILED : ENN_E_CLOSED;
	}
	e->closing = e->close_due = true;
	return ENN_OK;
}

static void toy_info(const struct enn_engine *base, struct enn_info *info)
{
	const struct toy_engine *e = (const struct toy_engine *)base;

	info->server = e->server;
	info->ready = e->ready;
	info->version = "toy";
	info->max_message = e->p->b.max_message;
}

static bool toy_error(const struct enn_engine *base, struct enn_error *error)
{
	const struct toy_engine *e = (const struct toy_engine *)base;

	if (e->failed) {
		*error = e->error;
	}
	return e->failed;
}

static void toy_free(struct enn_engine *base)
{
	struct toy_engine *e = of(base);

	for (struct toy_engine **at = &e->p->servers; *at != NULL; at = &(*at)->next) {
		if (*at == e) {
			*at = e->next;
			break;
		}
	}
	e->p->b.engines--;
	enn_security_free(e->security);
	enn_free(e->env, e, sizeof(*e));
}

static const struct enn_engine_ops ops = {
	.free = toy_free,
	.start = toy_start,
	.ingest = toy_ingest,
	.transmit = toy_transmit,
	.deadline = toy_deadline,
	.expire = toy_expire,
	.send = toy_send,
	.next_event = toy_next_event,
	.migrate = toy_migrate,
	.close = toy_close,
	.info = toy_info,
	.error = toy_error,
};

/* ---- construction -------------------------------------------------------------------- */

static struct toy_engine *make(struct toy_protocol *p, const struct enn_env *env,
			       struct enn_security *security, const struct enn_path *path,
			       bool server)
{
	struct toy_engine *e = enn_alloc(env, sizeof(*e));

	if (e != NULL) {
		e->base.ops = &ops;
		e->base.protocol = &p->row;
		e->p = p;
		e->env = env;
		e->security = enn_security_ref(security);
		e->path = *path;
		e->server = server;
		e->hello_at = e->deadline = ENN_TIME_NEVER;
		p->b.engines++;
	}
	return e;
}

static enum enn_status out_of_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "toy", "out of memory");
}

static enum enn_status new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error)
{
	struct toy_protocol *p = (struct toy_protocol *)(void *)protocol; /* row is first */

	if (options->path.remote.family == ENN_FAMILY_NONE ||
	    options->path.local.family == ENN_FAMILY_NONE) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "toy",
				     "there is no path");
	}
	struct toy_engine *e = make(p, env, security, &options->path, false);
	if (e == NULL) {
		return out_of_memory(error);
	}
	e->id = ++p->last_id;
	*out = &e->base;
	return ENN_OK;
}

static enum enn_status toy_accept(struct enn_acceptor *base, enn_time now,
				  const struct enn_path *path, struct enn_packet *packets,
				  size_t count, struct enn_batch *reply, struct enn_engine **out,
				  bool *created)
{
	struct toy_acceptor *a = (struct toy_acceptor *)base;
	struct toy_protocol *p = a->p;
	struct toy_engine *e = p->servers;
	uint32_t id;

	(void)now;
	(void)count;
	if (packets[0].len < TOY_HEADER) {
		return ENN_OK;
	}
	memcpy(&id, packets[0].data + 1, sizeof(id));
	while (e != NULL && (e->id != id || e->closed || e->failed)) {
		e = e->next;
	}
	if (e == NULL && packets[0].data[0] == HELLO) {
		if (p->b.retry && packets[0].len == TOY_HEADER) {
			memcpy(reply->buf, packets[0].data, TOY_HEADER);
			reply->buf[0] = RETRY;
			reply->len = reply->segment_size = TOY_HEADER;
			reply->path = *path;
			p->b.replies++;
			return ENN_OK;
		}
		e = make(p, a->env, a->security, path, true);
		if (e == NULL) {
			return ENN_E_MEMORY;
		}
		e->id = id;
		e->next = p->servers;
		p->servers = e;
		*created = true;
	}
	*out = e == NULL ? NULL : &e->base;
	return ENN_OK;
}

static void toy_acceptor_free(struct enn_acceptor *base)
{
	struct toy_acceptor *a = (struct toy_acceptor *)base;

	a->p->b.acceptors--;
	enn_security_free(a->security);
	enn_free(a->env, a, sizeof(*a));
}

static const struct enn_acceptor_ops acceptor_ops = {.free = toy_acceptor_free,
						     .accept = toy_accept};

static enum enn_status new_acceptor(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security, struct enn_acceptor **out,
				    struct enn_error *error)
{
	struct toy_acceptor *a = enn_alloc(env, sizeof(*a));

	if (a == NULL) {
		return out_of_memory(error);
	}
	a->base.ops = &acceptor_ops;
	a->base.protocol = protocol;
	a->p = (struct toy_protocol *)(void *)protocol;
	a->env = env;
	a->security = enn_security_ref(security);
	a->p->b.acceptors++;
	*out = &a->base;
	return ENN_OK;
}

void toy_protocol_init(struct toy_protocol *p)
{
	memset(p, 0, sizeof(*p));
	p->row = *enn_protocol_by_id(ENN_PROTOCOL_DTLS);
	p->row.name = "toy";
	p->row.min_batch = 64;
	p->row.new_client = new_client;
	p->row.new_acceptor = new_acceptor;
	p->b.max_message = TOY_MAX_MESSAGE;
	p->list[0] = &p->row;
}
