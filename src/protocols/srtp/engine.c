/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine contract (ennead/engine.h) around a session for each direction.
 */
#include "protocols/srtp/engine.h"

#include <string.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"
#include "ennead/protocol.h"

#define QUEUE 256u /* messages between send and their SENT events; a power of two */
#define RUN   32u  /* packets sealed or opened in one go */

struct srtp_engine {
	struct enn_engine base;
	const struct enn_env *env;
	struct enn_srtp_session *session[2]; /* by enum enn_direction */
	struct enn_path path;
	struct enn_message queue[QUEUE];
	uint32_t told, sealed, tail; /* free running: SENT is told up to here, sealed, queued */
	struct enn_packet *packets;  /* lent */
	size_t packet_count;
	size_t packet_next;
	struct enn_srtp_packet opened[RUN];
	size_t opened_count;
	size_t opened_next;
	bool started, ready_told, closing, closed, failed, failed_told;
	bool expiring_told[2];
	struct enn_error error;
};

static struct srtp_engine *of(struct enn_engine *e)
{
	return (struct srtp_engine *)e;
}

static enum enn_status status_of(const struct srtp_engine *e)
{
	if (e->failed) {
		return ENN_E_FAILED;
	}
	if (e->closing) {
		return ENN_E_CLOSED;
	}
	return e->started ? ENN_OK : ENN_E_STATE;
}

static void fail_exhausted(struct srtp_engine *e)
{
	e->failed = true;
	(void)enn_error_set(&e->error, ENN_E_FAILED, ENN_REASON_KEYS_EXHAUSTED, "SRTP",
			    "the lifetime of the master key is used up");
}

static enum enn_status start(struct enn_engine *base, enn_time now)
{
	struct srtp_engine *e = of(base);

	(void)now;
	if (e->started) {
		return ENN_E_STATE;
	}
	e->started = true;
	return ENN_OK;
}

/* ---- out --------------------------------------------------------------------------------------- */

static size_t max_message(const struct srtp_engine *e)
{
	/* 4: the extension that Cryptex may add */
	return ENN_SRTP_MIN_BATCH - 4 -
	       enn_srtp_session_overhead(e->session[ENN_DIRECTION_SEND], true);
}

static bool is_packet(struct enn_bytes b)
{
	struct enn_rtp rtp;

	switch (enn_srtp_classify(b)) {
	case ENN_SRTP_RTP:
		return enn_rtp_parse(b, &rtp);
	case ENN_SRTP_RTCP:
		return b.len >= RTCP_HEADER && enn_rtcp_whole(b);
	default:
		return false;
	}
}

static enum enn_status send(struct enn_engine *base, enn_time now, const struct enn_message *m)
{
	struct srtp_engine *e = of(base);

	(void)now;
	ENN_TRY(status_of(e));
	if (m->flags != 0 || m->len > max_message(e) ||
	    !is_packet((struct enn_bytes){m->data, m->len})) {
		return ENN_E_ARGUMENT;
	}
	if (e->tail - e->told == QUEUE) {
		return ENN_E_AGAIN;
	}
	e->queue[e->tail++ % QUEUE] = *m;
	return ENN_OK;
}

/* Segments of a batch have the size of the first, but for the last, which may be shorter. */
static size_t fill(struct srtp_engine *e, struct enn_batch *batch, struct enn_srtp_packet *p)
{
	size_t room = ENN_SRTP_MIN_BATCH - max_message(e);
	size_t first = 0;
	size_t at = 0;
	size_t count = 0;

	while (count < RUN && e->sealed != e->tail) {
		const struct enn_message *m = &e->queue[e->sealed % QUEUE];
		if ((count > 0 && m->len > first) || batch->cap - at < m->len + room) {
			break;
		}
		first = count == 0 ? m->len : first;
		memcpy(batch->buf + at, m->data, m->len);
		p[count++] = (struct enn_srtp_packet){
			.data = batch->buf + at, .len = m->len, .cap = m->len + room};
		e->sealed++;
		at += m->len + room;
		if (m->len < first) {
			break;
		}
	}
	return count;
}

/* Protected packets lie with gaps, and some may not be fit to send. */
static void close_up(struct srtp_engine *e, struct enn_batch *batch, struct enn_srtp_packet *p,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (p[i].result == ENN_SRTP_EXPIRED_KEY) {
			fail_exhausted(e);
		}
		if (p[i].result != ENN_SRTP_OK) {
			continue;
		}
		memmove(batch->buf + batch->len, p[i].data, p[i].len);
		batch->len += p[i].len;
		batch->segment_size = batch->segment_size == 0 ? p[i].len : batch->segment_size;
	}
}

/* Only packets of one kind grow by the same, and Cryptex makes some grow by more: one at a time then. */
static size_t uniform(const struct enn_srtp_packet *p, size_t count)
{
	size_t n = 1;
	enum enn_srtp_kind kind = enn_srtp_classify((struct enn_bytes){p[0].data, p[0].len});

	while (n < count && ((p[n].data[0] ^ p[0].data[0]) & 0x1f) == 0 &&
	       enn_srtp_classify((struct enn_bytes){p[n].data, p[n].len}) == kind) {
		n++;
	}
	return n;
}

static enum enn_status transmit(struct enn_engine *base, enn_time now, struct enn_batch *batch)
{
	struct srtp_engine *e = of(base);
	struct enn_srtp_packet p[RUN];

	(void)now;
	while (!e->failed && batch->len == 0 && e->sealed != e->tail) {
		size_t count = fill(e, batch, p);
		size_t n = uniform(p, count);
		e->sealed -= (uint32_t)(count - n); /* copied for nothing */
		(void)enn_srtp_protect(e->session[ENN_DIRECTION_SEND], p, n);
		close_up(e, batch, p, n);
		batch->path = e->path;
		batch->ecn = 0;
	}
	return ENN_OK;
}

/* A transmit that drops all it has writes nothing, so nobody would ask for the events that it made: then at once. */
static enn_time deadline(const struct enn_engine *base)
{
	const struct srtp_engine *e = (const struct srtp_engine *)base;

	return e->told != e->sealed || (e->failed && !e->failed_told) ? 0 : ENN_TIME_NEVER;
}

static void expire(struct enn_engine *base, enn_time now)
{
	(void)base;
	(void)now;
}

/* ---- in ---------------------------------------------------------------------------------------- */

static enum enn_status ingest(struct enn_engine *base, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count)
{
	struct srtp_engine *e = of(base);

	(void)now;
	(void)path;
	ENN_TRY(status_of(e));
	if (e->packet_next < e->packet_count || e->opened_next < e->opened_count) {
		return ENN_E_AGAIN;
	}
	e->packets = packets;
	e->packet_count = count;
	e->packet_next = 0;
	return ENN_OK;
}

static void open_some(struct srtp_engine *e)
{
	e->opened_next = 0;
	e->opened_count = 0;
	while (e->opened_count < RUN && e->packet_next < e->packet_count) {
		const struct enn_packet *from = &e->packets[e->packet_next++];
		e->opened[e->opened_count++] = (struct enn_srtp_packet){
			.data = from->data, .len = from->len, .cap = from->len};
	}
	(void)enn_srtp_unprotect(e->session[ENN_DIRECTION_RECEIVE], e->opened, e->opened_count);
}

static bool next_received(struct srtp_engine *e, struct enn_event *event)
{
	while (e->opened_next < e->opened_count || e->packet_next < e->packet_count) {
		if (e->opened_next == e->opened_count) {
			open_some(e);
		}
		const struct enn_srtp_packet *p = &e->opened[e->opened_next++];
		if (p->result == ENN_SRTP_OK && !e->closing) {
			event->type = ENN_EVENT_RECEIVED;
			event->u.received = (struct enn_message){.data = p->data, .len = p->len};
			return true;
		}
	}
	return false;
}

/* ---- events ------------------------------------------------------------------------------------ */

static bool next_expiring(struct srtp_engine *e, struct enn_event *event)
{
	for (unsigned i = 0; i < 2; i++) {
		bool expires = enn_srtp_session_key_state(e->session[i]) != ENN_SRTP_KEY_FRESH;
		bool tell = expires && !e->expiring_told[i];
		e->expiring_told[i] = expires; /* again for the next key */
		if (tell) {
			event->type = ENN_EVENT_KEYS_EXPIRING;
			event->u.keys.direction = (enum enn_direction)i;
			event->u.keys.generation = 0;
			return true;
		}
	}
	return false;
}

static void next_event(struct enn_engine *base, enn_time now, struct enn_event *event)
{
	struct srtp_engine *e = of(base);

	(void)now;
	if (!e->started) {
		return;
	}
	if (!e->ready_told) {
		e->ready_told = true;
		event->type = ENN_EVENT_READY;
		return;
	}
	if (e->told != e->sealed) {
		event->type = ENN_EVENT_SENT;
		event->u.sent.user = e->queue[e->told++ % QUEUE].user;
		event->u.sent.stream = 0;
		return;
	}
	if (next_received(e, event) || (!e->failed && !e->closing && next_expiring(e, event))) {
		return;
	}
	if (e->failed && !e->failed_told) {
		e->failed_told = true;
		event->type = ENN_EVENT_FAILED;
		event->u.error = e->error;
	} else if (e->closing && !e->failed && !e->closed && e->sealed == e->tail) {
		e->closed = true;
		event->type = ENN_EVENT_CLOSED;
	}
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static enum enn_status close(struct enn_engine *base, enn_time now, uint64_t code)
{
	struct srtp_engine *e = of(base);

	(void)now;
	(void)code;
	ENN_TRY(status_of(e));
	e->closing = true;
	return ENN_OK;
}

static void info(const struct enn_engine *base, struct enn_info *info)
{
	const struct srtp_engine *e = (const struct srtp_engine *)base;

	info->ready = e->ready_told && !e->failed;
	info->external_psk = true;
	info->peer_authenticated = true; /* as who has the keys */
	info->max_message = max_message(e);
}

static bool error(const struct enn_engine *base, struct enn_error *out)
{
	const struct srtp_engine *e = (const struct srtp_engine *)base;

	if (e->failed) {
		*out = e->error;
	}
	return e->failed;
}

static void free_engine(struct enn_engine *base)
{
	struct srtp_engine *e = of(base);

	enn_srtp_session_free(e->session[0]);
	enn_srtp_session_free(e->session[1]);
	enn_free_secret(e->env, e, sizeof(*e));
}

static const struct enn_engine_ops ops = {
	.free = free_engine,
	.start = start,
	.ingest = ingest,
	.transmit = transmit,
	.deadline = deadline,
	.expire = expire,
	.send = send,
	.next_event = next_event,
	.close = close,
	.info = info,
	.error = error,
};

static enum enn_status open_sessions(struct srtp_engine *e, const struct enn_srtp_keys *keys,
				     struct enn_error *error_out)
{
	const struct enn_srtp_policy *const policy[2] = {keys->send, keys->receive};

	for (unsigned i = 0; i < 2; i++) {
		const char *why = NULL;
		enum enn_status status = enn_srtp_session_new(
			e->env, policy[i], i == ENN_DIRECTION_SEND, &e->session[i], &why);
		if (status != ENN_OK) {
			return enn_error_set(error_out, status, ENN_REASON_INVALID_CONFIGURATION,
					     "SRTP", "%s",
					     why != NULL ? why : "the keys cannot be set up");
		}
	}
	return ENN_OK;
}

enum enn_status enn_srtp_engine_new(const struct enn_env *env, const struct enn_srtp_keys *keys,
				    struct enn_engine **out, struct enn_error *error_out)
{
	*out = NULL;
	if (keys->path.remote.family == ENN_FAMILY_NONE) {
		return enn_error_set(error_out, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "path", "SRTP needs the peer's address and port");
	}
	struct srtp_engine *e = enn_alloc(env, sizeof(*e));
	if (e == NULL) {
		return enn_error_set(error_out, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "SRTP",
				     "out of memory");
	}
	e->base.ops = &ops;
	e->base.protocol = enn_protocol_by_id(ENN_PROTOCOL_SRTP);
	e->env = env;
	e->path = keys->path;
	enum enn_status status = open_sessions(e, keys, error_out);
	if (status != ENN_OK) {
		free_engine(&e->base);
		return status;
	}
	*out = &e->base;
	return ENN_OK;
}

struct enn_srtp_session *enn_srtp_engine_session(struct enn_engine *e, enum enn_direction direction)
{
	return of(e)->session[direction];
}
