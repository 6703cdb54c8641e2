/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one engine over one TCP stream.
 */
#include "runtime/stream_driver.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ennead/protocol.h"
#include "runtime/tcp_listener.h"

#define LEAST_ROOM   ((size_t)16384) /* below this a fresh block is read into */
#define MOST_BATCHES 16		     /* of one turn, so that one stream cannot starve the others */

struct enn_stream_driver {
	struct enn_runtime *rt;
	const struct enn_driver_ops *ops;
	void *owner;
	uint64_t account;
	struct enn_stream *stream; /* NULL once stopped */
	struct enn_engine *engine; /* NULL until run_engine */
	struct enn_block *reading; /* what is read into; lent to the engine during ingest */
	struct enn_block *copies;  /* takes data that the engine lends from its own memory */
	struct enn_timer timer;
	enn_time writing_since;
	int write_error; /* libuv's; see write_failed */
	bool writing;	 /* a write is pending */
	bool narrow;	 /* the last one was: small batches, to pin little memory */
	bool finish;	 /* FIN when all is written */
	bool again;	 /* a turn ended early */
	bool ended;	 /* the peer's FIN came */
	bool failed;	 /* the stream is of no use any more */
};

/* ---- failure ------------------------------------------------------------------------- */

static void fail(struct enn_stream_driver *d, const struct enn_error *error)
{
	if (d->failed) {
		return;
	}
	d->failed = true;
	d->ops->failed(d->owner, error);
}

static void fail_with(struct enn_stream_driver *d, int uv_error, const char *where)
{
	struct enn_error error = {.wire_code = ENN_NO_WIRE_CODE};
	enum enn_reason reason = ENN_REASON_SYSTEM;

	if (uv_error == UV_ECONNRESET || uv_error == UV_EPIPE) {
		reason = ENN_REASON_CONNECTION_ABORTED;
	} else if (uv_error == UV_ETIMEDOUT) {
		reason = ENN_REASON_TIMEOUT;
	} else if (uv_error == UV_ENOMEM || uv_error == UV_ENOBUFS) {
		reason = ENN_REASON_OUT_OF_MEMORY;
	}
	(void)enn_error_set(&error, ENN_E_SYSTEM, reason, where, "%s", uv_strerror(uv_error));
	error.origin = ENN_ORIGIN_NETWORK;
	error.sys_errno = -uv_error;
	error.wire_code = ENN_NO_WIRE_CODE;
	fail(d, &error);
}

/* ---- the loop of engine.h ------------------------------------------------------------ */

/* Data that lies in the block it was read to is handed on as it is. What an unfinished record of an
 * earlier read left in the engine's own memory is lent for this call only, and is the one thing
 * that is copied. */
static struct enn_block *block_of(struct enn_stream_driver *d, struct enn_message *received)
{
	if (received->len == 0 || enn_block_holds(d->reading, received->data)) {
		return d->reading;
	}
	enn_block_use(&d->copies);
	if (d->copies != NULL && enn_block_left(d->copies) < received->len) {
		enn_block_release(d->copies);
		d->copies = NULL;
	}
	if (d->copies == NULL) {
		d->copies =
			received->len > d->rt->read_pool.size
				? enn_block_new_sized(&d->rt->read_pool, d->account, received->len)
				: enn_block_new(&d->rt->read_pool, d->account);
		if (d->copies == NULL) {
			return NULL;
		}
	}
	uint8_t *to = d->copies->data + d->copies->used;
	memcpy(to, received->data, received->len);
	received->data = to;
	d->copies->used += received->len;
	return d->copies;
}

static void take_events(struct enn_stream_driver *d, enn_time now)
{
	struct enn_event event;
	bool any = false;

	for (;;) {
		struct enn_block *block = NULL;
		enn_engine_next_event(d->engine, now, &event);
		if (event.type == ENN_EVENT_NONE) {
			break;
		}
		any = true;
		if (event.type == ENN_EVENT_RECEIVED) {
			block = block_of(d, &event.u.received);
			if (block == NULL && event.u.received.len > 0) {
				fail_with(d, UV_ENOMEM, "received data");
				break;
			}
		}
		d->ops->event(d->owner, &event, block);
	}
	if (any) {
		d->ops->told(d->owner);
	}
}

/* The peer closed while we were writing. It may have said why, in an alert that is still to be
 * read: the end of the input then decides. */
static void write_failed(struct enn_stream_driver *d, int error)
{
	d->write_error = error;
	d->writing = true;
	if (d->ended || !d->ops->hungry(d->owner)) {
		fail_with(d, error, "write");
	}
}

/* Writes what the engine has until the socket is full. True if it had anything. */
static bool put_out(struct enn_stream_driver *d, enn_time now)
{
	bool any = false;

	while (!d->writing && !d->failed && d->stream != NULL) {
		struct enn_pool *pool = d->narrow ? &d->rt->read_pool : &d->rt->write_pool;
		struct enn_block *block = enn_block_new(pool, 0);
		struct enn_batch batch = {0};
		int error = 0;

		if (block == NULL) {
			fail_with(d, UV_ENOMEM, "output");
			return false;
		}
		batch.buf = block->data;
		batch.cap = block->cap;
		if (enn_engine_transmit(d->engine, now, &batch) != ENN_OK || batch.len == 0) {
			enn_block_release(block);
			break;
		}
		any = true;
		block->used = batch.len;
		switch (enn_stream_write(d->stream, block, &error)) {
		case ENN_OK:
			d->narrow = false;
			d->ops->progress(d->owner);
			break;
		case ENN_E_AGAIN:
			d->narrow = true;
			d->writing = true;
			d->writing_since = now;
			break;
		default:
			write_failed(d, error);
			return false;
		}
	}
	return any;
}

static void on_deadline(void *owner, enn_time now)
{
	struct enn_stream_driver *d = owner;

	if (enn_engine_deadline(d->engine) <= now) {
		enn_engine_expire(d->engine, now);
	}
	enn_driver_run(d);
}

static void arm(struct enn_stream_driver *d, enn_time now)
{
	enn_time deadline = d->failed ? ENN_TIME_NEVER : enn_engine_deadline(d->engine);

	if (deadline <= now) {
		deadline =
			now + ENN_MILLISECOND; /* a turn of the loop lies between two expirations */
	}
	if (d->again) {
		deadline = now; /* on the next turn */
	}
	enn_runtime_set_timer(d->rt, &d->timer, deadline);
}

static void read_or_pause(struct enn_stream_driver *d)
{
	if (d->stream != NULL && !d->failed) {
		enn_stream_read(d->stream, !d->ended && d->ops->hungry(d->owner));
	}
}

static void turn_engine(struct enn_stream_driver *d)
{
	enn_time now = enn_runtime_now(d->rt);
	int batches = 0;

	if (d->engine == NULL || d->stream == NULL || d->failed) {
		return;
	}
	d->again = false;
	take_events(d, now);
	for (;;) {
		bool any = !d->writing && d->ops->pump(d->owner);
		any |= put_out(d, now);
		take_events(d, now);
		if (!any || d->failed || d->writing) {
			break;
		}
		if (++batches == MOST_BATCHES) {
			d->again = true;
			break;
		}
	}
	if (d->failed) {
		enn_runtime_set_timer(d->rt, &d->timer, ENN_TIME_NEVER);
		return;
	}
	if (d->finish && !d->writing && !d->again) {
		enn_stream_shutdown(d->stream);
	}
	arm(d, now);
}

static void run_engine(struct enn_stream_driver *d)
{
	turn_engine(d);
	enn_block_keep(&d->copies);
}

void enn_driver_run(struct enn_stream_driver *d)
{
	run_engine(d);
	if (d->engine != NULL) {
		read_or_pause(d);
	}
}

/* ---- the stream's calls -------------------------------------------------------------- */

static void on_connected(void *owner, int error)
{
	struct enn_stream_driver *d = owner;

	if (error != 0) {
		fail_with(d, error, "connect");
	} else {
		d->ops->connected(d->owner);
	}
}

static uint8_t *on_room(void *owner, size_t *cap)
{
	struct enn_stream_driver *d = owner;

	enn_block_use(&d->reading);
	if (d->reading == NULL) {
		d->reading = enn_block_new(&d->rt->read_pool, d->account);
	}
	if (d->reading == NULL) {
		return NULL;
	}
	*cap = enn_block_left(d->reading);
	return d->reading->data + d->reading->used;
}

/* The block is read into further while something in it is on loan, so that small pieces share one;
 * an idle stream holds none. */
static void settle_block(struct enn_stream_driver *d, size_t len)
{
	struct enn_block *block = d->reading;

	if (block == NULL) {
		return;
	}
	block->used += len;
	if (enn_block_left(block) < LEAST_ROOM) {
		d->reading = NULL;
		enn_block_release(block);
	} else {
		enn_block_keep(&d->reading);
	}
}

static void on_readable(void *owner, uint8_t *data, size_t len)
{
	struct enn_stream_driver *d = owner;
	struct enn_packet packet = {.data = data, .len = len};

	/* FAILED and CLOSED: what comes after the end is of no interest. */
	if (len > 0 && !d->failed &&
	    enn_engine_ingest(d->engine, enn_runtime_now(d->rt), NULL, &packet, 1) == ENN_OK) {
		run_engine(d);
	}
	settle_block(d, len);
	read_or_pause(d);
}

static void on_ended(void *owner, int error)
{
	struct enn_stream_driver *d = owner;

	settle_block(d, 0);
	d->ended = true;
	if (error != 0) {
		fail_with(d, error, d->write_error != 0 ? "write" : "read");
		return;
	}
	if (enn_engine_end(d->engine, enn_runtime_now(d->rt)) == ENN_OK) {
		run_engine(d);
	}
	if (d->write_error != 0) {
		fail_with(d, d->write_error, "write");
	}
}

static void on_drained(void *owner, int error)
{
	struct enn_stream_driver *d = owner;

	if (error != 0) {
		write_failed(d, error);
		return;
	}
	d->writing = false;
	d->ops->progress(d->owner);
	enn_driver_run(d);
}

static const struct enn_stream_ops stream_ops = {
	.connected = on_connected,
	.room = on_room,
	.readable = on_readable,
	.ended = on_ended,
	.drained = on_drained,
};

/* ---- life ---------------------------------------------------------------------------- */

static struct enn_stream_driver *new_driver(struct enn_runtime *rt,
					    const struct enn_driver_ops *ops, void *owner,
					    uint64_t account)
{
	struct enn_stream_driver *d = enn_alloc(&rt->env, sizeof(*d));

	if (d != NULL) {
		d->rt = rt;
		d->ops = ops;
		d->owner = owner;
		d->account = account;
		enn_timer_init(&d->timer, on_deadline, d);
	}
	return d;
}

enum enn_status enn_driver_connect(struct enn_runtime *rt, const struct enn_driver_ops *ops,
				   void *owner, uint64_t account, const struct enn_address *remote,
				   const struct enn_stream_options *options,
				   struct enn_stream_driver **out, int *error)
{
	struct enn_stream_driver *d = new_driver(rt, ops, owner, account);

	if (d == NULL) {
		return ENN_E_MEMORY;
	}
	enum enn_status status =
		enn_stream_connect(rt, &stream_ops, d, remote, options, &d->stream, error);
	if (status != ENN_OK) {
		enn_free(&rt->env, d, sizeof(*d));
		return status;
	}
	*out = d;
	return ENN_OK;
}

enum enn_status enn_driver_accept(struct enn_tcp_listener *listener,
				  const struct enn_driver_ops *ops, void *owner, uint64_t account,
				  struct enn_stream_driver **out, int *error)
{
	struct enn_runtime *rt = enn_tcp_listener_runtime(listener);
	struct enn_stream_driver *d = new_driver(rt, ops, owner, account);

	if (d == NULL) {
		return ENN_E_MEMORY;
	}
	enum enn_status status = enn_stream_accept(listener, &stream_ops, d, &d->stream, error);
	if (status != ENN_OK) {
		enn_free(&rt->env, d, sizeof(*d));
		return status;
	}
	*out = d;
	return ENN_OK;
}

void enn_driver_run_engine(struct enn_stream_driver *d, struct enn_engine *engine)
{
	d->engine = engine;
	/* A failure to start is an event of the engine as any other. */
	if (enn_engine_start(engine, enn_runtime_now(d->rt)) != ENN_OK) {
		struct enn_error error;
		if (!enn_engine_error(engine, &error)) {
			(void)enn_error_set(&error, ENN_E_FAILED, ENN_REASON_ESTABLISHMENT_FAILED,
					    "start", "the protocol could not be started");
		}
		fail(d, &error);
		return;
	}
	enn_driver_run(d);
}

void enn_driver_finish(struct enn_stream_driver *d)
{
	d->finish = true;
}

struct enn_engine *enn_driver_engine(const struct enn_stream_driver *d)
{
	return d->engine;
}

struct enn_stream *enn_driver_stream(const struct enn_stream_driver *d)
{
	return d->stream;
}

bool enn_driver_writing(const struct enn_stream_driver *d)
{
	return d->writing || d->again;
}

enn_time enn_driver_writing_since(const struct enn_stream_driver *d)
{
	return d->writing ? d->writing_since : ENN_TIME_NEVER;
}

void enn_driver_stop(struct enn_stream_driver *d, enum enn_release how)
{
	enn_runtime_set_timer(d->rt, &d->timer, ENN_TIME_NEVER);
	if (d->stream != NULL) {
		enn_stream_release(d->stream, how);
		d->stream = NULL;
	}
	enn_block_use(&d->reading);
	enn_block_use(&d->copies);
	enn_block_release(d->reading);
	enn_block_release(d->copies);
	d->reading = NULL;
	d->copies = NULL;
	d->writing = false;
	d->again = false;
}

void enn_driver_free(struct enn_stream_driver *d)
{
	if (d == NULL) {
		return;
	}
	enn_driver_stop(d, ENN_RELEASE_CLOSE);
	enn_engine_free(d->engine);
	enn_free(&d->rt->env, d, sizeof(*d));
}
