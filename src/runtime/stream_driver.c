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

struct stream_driver {
	struct enn_driver base;
	struct enn_stream *stream; /* NULL once stopped */
	struct enn_block *reading; /* what is read into; lent to the engine during ingest */
	enn_time writing_since;
	int write_error; /* libuv's; see write_failed */
	bool writing;	 /* a write is pending */
	bool narrow;	 /* the last one was: small batches, to pin little memory */
	bool finish;	 /* FIN when all is written */
	bool ended;	 /* the peer's FIN came */
};

static struct stream_driver *of(struct enn_driver *d)
{
	return (struct stream_driver *)d;
}

/* ---- the loop of engine.h ------------------------------------------------------------ */

/* The peer closed while we were writing. It may have said why, in an alert that is still to be
 * read: the end of the input then decides. */
static void write_failed(struct stream_driver *d, int error)
{
	d->write_error = error;
	d->writing = true;
	if (d->ended || !d->base.ops->hungry(d->base.owner)) {
		enn_driver_fail_with(&d->base, error, "write");
	}
}

/* Writes what the engine has until the socket is full. True if it had anything. */
static bool put_out(struct stream_driver *d, enn_time now)
{
	bool any = false;

	while (!d->writing && !d->base.failed && d->stream != NULL) {
		struct enn_pool *pool =
			d->narrow ? &d->base.rt->read_pool : &d->base.rt->write_pool;
		struct enn_block *block = enn_block_new(pool, 0);
		struct enn_batch batch = {0};
		int error = 0;

		if (block == NULL) {
			enn_driver_fail_with(&d->base, UV_ENOMEM, "output");
			return false;
		}
		batch.buf = block->data;
		batch.cap = block->cap;
		if (enn_engine_transmit(d->base.engine, now, &batch) != ENN_OK || batch.len == 0) {
			enn_block_release(block);
			break;
		}
		any = true;
		block->used = batch.len;
		switch (enn_stream_write(d->stream, block, &error)) {
		case ENN_OK:
			d->narrow = false;
			d->base.ops->progress(d->base.owner);
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

static void read_or_pause(struct stream_driver *d)
{
	if (d->stream != NULL && !d->base.failed) {
		enn_stream_read(d->stream, !d->ended && d->base.ops->hungry(d->base.owner));
	}
}

static void turn_engine(struct stream_driver *d)
{
	enn_time now = enn_runtime_now(d->base.rt);
	int batches = 0;

	if (d->base.engine == NULL || d->stream == NULL || d->base.failed) {
		return;
	}
	d->base.again = false;
	enn_driver_take_events(&d->base, now, d->reading);
	for (;;) {
		bool any = !d->writing && d->base.ops->pump(d->base.owner);
		any |= put_out(d, now);
		enn_driver_take_events(&d->base, now, d->reading);
		if (!any || d->base.failed || d->writing) {
			break;
		}
		if (++batches == MOST_BATCHES) {
			d->base.again = true;
			break;
		}
	}
	if (d->base.failed) {
		enn_runtime_set_timer(d->base.rt, &d->base.timer, ENN_TIME_NEVER);
		return;
	}
	if (d->finish && !d->writing && !d->base.again) {
		enn_stream_shutdown(d->stream);
	}
	enn_driver_arm(&d->base, now);
}

static void run_engine(struct stream_driver *d)
{
	turn_engine(d);
	enn_block_keep(&d->base.copies);
}

static void run(struct enn_driver *base)
{
	struct stream_driver *d = of(base);

	run_engine(d);
	if (d->base.engine != NULL) {
		read_or_pause(d);
	}
}

/* ---- the stream's calls -------------------------------------------------------------- */

static void on_connected(void *owner, int error)
{
	struct stream_driver *d = owner;

	if (error != 0) {
		enn_driver_fail_with(&d->base, error, "connect");
	} else {
		d->base.ops->connected(d->base.owner);
	}
}

static uint8_t *on_room(void *owner, size_t *cap)
{
	struct stream_driver *d = owner;

	enn_block_use(&d->reading);
	if (d->reading == NULL) {
		d->reading = enn_block_new(&d->base.rt->read_pool, d->base.account);
	}
	if (d->reading == NULL) {
		return NULL;
	}
	*cap = enn_block_left(d->reading);
	return d->reading->data + d->reading->used;
}

/* The block is read into further while something in it is on loan, so that small pieces share one;
 * an idle stream holds none. */
static void settle_block(struct stream_driver *d, size_t len)
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
	struct stream_driver *d = owner;
	struct enn_packet packet = {.data = data, .len = len};

	/* FAILED and CLOSED: what comes after the end is of no interest. */
	if (len > 0 && !d->base.failed &&
	    enn_engine_ingest(d->base.engine, enn_runtime_now(d->base.rt), NULL, &packet, 1) ==
		    ENN_OK) {
		run_engine(d);
	}
	settle_block(d, len);
	read_or_pause(d);
}

static void on_ended(void *owner, int error)
{
	struct stream_driver *d = owner;

	settle_block(d, 0);
	d->ended = true;
	if (error != 0) {
		enn_driver_fail_with(&d->base, error, d->write_error != 0 ? "write" : "read");
		return;
	}
	if (enn_engine_end(d->base.engine, enn_runtime_now(d->base.rt)) == ENN_OK) {
		run_engine(d);
	}
	if (d->write_error != 0) {
		enn_driver_fail_with(&d->base, d->write_error, "write");
	}
}

static void on_drained(void *owner, int error)
{
	struct stream_driver *d = owner;

	if (error != 0) {
		write_failed(d, error);
		return;
	}
	d->writing = false;
	d->base.ops->progress(d->base.owner);
	run(&d->base);
}

static const struct enn_stream_ops stream_ops = {
	.connected = on_connected,
	.room = on_room,
	.readable = on_readable,
	.ended = on_ended,
	.drained = on_drained,
};

/* ---- what drivers do ----------------------------------------------------------------- */

static void finish(struct enn_driver *base)
{
	of(base)->finish = true;
}

static enum enn_status migrate(struct enn_driver *base, const struct enn_path *path)
{
	return enn_engine_migrate(base->engine, enn_runtime_now(base->rt), path);
}

static void set_options(struct enn_driver *base, const struct enn_socket_options *options)
{
	if (of(base)->stream != NULL) {
		enn_stream_set_options(of(base)->stream, options);
	}
}

static void path_of(const struct enn_driver *base, struct enn_path *path)
{
	const struct stream_driver *d = (const struct stream_driver *)base;

	if (d->stream != NULL) {
		enn_stream_path(d->stream, path);
	}
}

static bool writing(const struct enn_driver *base)
{
	return ((const struct stream_driver *)base)->writing;
}

static enn_time writing_since(const struct enn_driver *base)
{
	const struct stream_driver *d = (const struct stream_driver *)base;

	return d->writing ? d->writing_since : ENN_TIME_NEVER;
}

static size_t unwritten(const struct enn_driver *base)
{
	const struct stream_driver *d = (const struct stream_driver *)base;

	return d->stream == NULL ? 0 : enn_stream_unwritten(d->stream);
}

static void stop(struct enn_driver *base, enum enn_release how)
{
	struct stream_driver *d = of(base);

	if (d->stream != NULL) {
		enn_stream_release(d->stream, how);
		d->stream = NULL;
	}
	enn_block_use(&d->reading);
	enn_block_release(d->reading);
	d->reading = NULL;
	d->writing = false;
}

static const struct enn_driver_type type = {
	.run = run,
	.finish = finish,
	.migrate = migrate,
	.set_options = set_options,
	.path = path_of,
	.writing = writing,
	.writing_since = writing_since,
	.unwritten = unwritten,
	.stop = stop,
	.size = sizeof(struct stream_driver),
};

/* ---- making one ---------------------------------------------------------------------- */

enum enn_status enn_stream_driver_connect(struct enn_runtime *rt, const struct enn_driver_ops *ops,
					  void *owner, uint64_t account,
					  const struct enn_address *remote,
					  const struct enn_socket_options *options,
					  struct enn_driver **out, int *error)
{
	struct enn_driver *base = enn_driver_new(rt, &type, ops, owner, account);

	if (base == NULL) {
		return ENN_E_MEMORY;
	}
	struct stream_driver *d = of(base);
	enum enn_status status =
		enn_stream_connect(rt, &stream_ops, d, remote, options, &d->stream, error);
	if (status != ENN_OK) {
		enn_driver_free(base);
		return status;
	}
	*out = base;
	return ENN_OK;
}

enum enn_status enn_stream_driver_accept(struct enn_tcp_listener *listener,
					 const struct enn_driver_ops *ops, void *owner,
					 uint64_t account, struct enn_driver **out, int *error)
{
	struct enn_runtime *rt = enn_tcp_listener_runtime(listener);
	struct enn_driver *base = enn_driver_new(rt, &type, ops, owner, account);

	if (base == NULL) {
		return ENN_E_MEMORY;
	}
	struct stream_driver *d = of(base);
	enum enn_status status = enn_stream_accept(listener, &stream_ops, d, &d->stream, error);
	if (status != ENN_OK) {
		enn_driver_free(base);
		return status;
	}
	*out = base;
	return ENN_OK;
}
