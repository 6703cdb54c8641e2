/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one engine over UDP.
 */
#include "runtime/datagram_driver.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"

#define MOST_BATCHES 16 /* of one turn, so that one connection cannot starve the others */
#define MOST_READS   16
#define SLICE	     64 /* packets given to the engine in one call */

struct enn_datagram_driver {
	struct enn_driver base;
	struct enn_datagram_listener *listener; /* NULL: a client */
	struct enn_datagram_member member;	/* of it */
	struct enn_datagram_socket *socket;	/* a client's own; NULL once stopped */
	struct enn_block *reading;		/* a client's: what is received into */
	struct enn_path path;
	struct enn_socket_options options;
	struct enn_datagram_waiter waiter;
	enn_time writing_since;
	bool connecting; /* `connected` is still to be called */
	bool stopped;
};

static struct enn_datagram_driver *of(struct enn_driver *d)
{
	return (struct enn_datagram_driver *)d;
}

struct enn_driver *enn_datagram_driver_base(struct enn_datagram_driver *d)
{
	return &d->base;
}

static bool waits(const struct enn_datagram_driver *d)
{
	return d->waiter.link != NULL;
}

static void trouble(struct enn_datagram_driver *d, int uv_error, const char *where)
{
	struct enn_error error;

	enn_driver_network_error(uv_error, where, &error);
	d->base.ops->troubled(d->base.owner, &error);
}

/* ---- output -------------------------------------------------------------------------- */

/* A socket that must be written to first; NULL: go ahead. */
static struct enn_datagram_socket *full_socket(const struct enn_datagram_driver *d)
{
	if (d->listener != NULL) {
		return enn_datagram_listener_full(d->listener);
	}
	return enn_datagram_full(d->socket) ? d->socket : NULL;
}

static struct enn_datagram_socket *socket_for(const struct enn_datagram_driver *d,
					      const struct enn_path *path)
{
	return d->listener != NULL ? enn_datagram_listener_socket(d->listener, path) : d->socket;
}

/* True if nothing is in the way of a write; otherwise `ready` comes. */
static bool may_write(struct enn_datagram_driver *d, enn_time now)
{
	struct enn_datagram_socket *full = full_socket(d);

	if (full != NULL && !waits(d)) {
		d->writing_since = now;
		enn_datagram_wait(full, &d->waiter);
	}
	return full == NULL;
}

/* One batch; false: the engine has none, or it could not be written. */
static bool put_batch(struct enn_datagram_driver *d, enn_time now)
{
	struct enn_block *block = enn_block_new(&d->base.rt->read_pool, 0);
	struct enn_batch batch = {0};

	if (block == NULL) {
		enn_driver_fail_with(&d->base, UV_ENOMEM, "output");
		return false;
	}
	batch.buf = block->data;
	batch.cap = block->cap;
	batch.path = d->path;
	if (enn_engine_transmit(d->base.engine, now, &batch) != ENN_OK || batch.len == 0) {
		enn_block_release(block);
		return false;
	}
	struct enn_datagram_socket *s = socket_for(d, &batch.path);
	if (s == NULL) { /* of a family that nothing is bound in */
		enn_block_release(block);
		trouble(d, UV_EAFNOSUPPORT, "write");
		return true;
	}
	int lost = enn_datagram_write(s, block, &batch);
	if (lost != 0) {
		trouble(d, lost, "write");
	}
	d->base.ops->progress(d->base.owner);
	return true;
}

/* ---- the loop of engine.h ------------------------------------------------------------ */

static bool is_open(const struct enn_datagram_driver *d)
{
	return d->base.engine != NULL && !d->stopped && !d->base.failed;
}

static void turn_engine(struct enn_datagram_driver *d, struct enn_block *reading)
{
	enn_time now = enn_runtime_now(d->base.rt);
	int batches = 0;

	if (!is_open(d)) {
		return;
	}
	d->base.again = false;
	enn_driver_take_events(&d->base, now, reading);
	while (!d->base.failed && may_write(d, now)) {
		bool any = d->base.ops->pump(d->base.owner);
		any |= put_batch(d, now);
		enn_driver_take_events(&d->base, now, reading);
		if (!any) {
			break;
		}
		if (++batches == MOST_BATCHES) {
			d->base.again = true;
			break;
		}
	}
	if (d->base.failed) {
		enn_runtime_set_timer(d->base.rt, &d->base.timer, ENN_TIME_NEVER);
	} else {
		enn_driver_arm(&d->base, now);
	}
	enn_block_keep(&d->base.copies);
}

/* Only a client can pause: a listener's packets are everybody's. */
static void read_or_pause(struct enn_datagram_driver *d)
{
	if (d->socket == NULL) {
		return;
	}
	enn_datagram_read(d->socket,
			  is_open(d) && (enn_protocol_is_lossy(d->base.engine->protocol) ||
					 d->base.ops->hungry(d->base.owner)));
}

static void run(struct enn_driver *base)
{
	struct enn_datagram_driver *d = of(base);

	turn_engine(d, d->reading);
	read_or_pause(d);
}

void enn_datagram_driver_ingest(struct enn_datagram_driver *d, const struct enn_path *path,
				struct enn_packet *packets, size_t count, struct enn_block *block)
{
	/* FAILED and CLOSED: what comes after the end is of no interest. */
	if (is_open(d) && enn_engine_ingest(d->base.engine, enn_runtime_now(d->base.rt), path,
					    packets, count) == ENN_OK) {
		turn_engine(d, block);
	}
}

static void on_ready_to_write(void *owner)
{
	struct enn_datagram_driver *d = owner;

	if (d->connecting) {
		d->connecting = false;
		d->base.ops->connected(d->base.owner);
		return;
	}
	d->base.ops->progress(d->base.owner);
	run(&d->base);
}

/* ---- input of a client --------------------------------------------------------------- */

/* The block is received into further while something in it is on loan, so that small packets share
 * one; an idle connection holds none. */
static void settle_block(struct enn_datagram_driver *d, const struct enn_datagram_run *run)
{
	if (d->reading == NULL) {
		return;
	}
	if (run != NULL && d->reading->refs > 1) {
		d->reading->used = (size_t)(run->data - d->reading->data);
	}
	enn_block_keep(&d->reading);
}

/* False: there is no more to receive now. */
static bool receive_once(struct enn_datagram_driver *d, struct enn_datagram_socket *s)
{
	struct enn_datagram_run run;
	struct enn_packet packets[SLICE];
	size_t count;
	int error = 0;

	enn_block_use(&d->reading);
	enum enn_status status = enn_datagram_receive(s, &d->reading, &run, &error);
	if (status != ENN_OK) {
		settle_block(d, NULL);
		if (status == ENN_E_SYSTEM) {
			trouble(d, error, "read");
		}
		return status == ENN_E_SYSTEM;
	}
	while ((count = enn_datagram_slice(&run, packets, SLICE)) > 0) {
		enn_datagram_driver_ingest(d, &run.path, packets, count, d->reading);
	}
	settle_block(d, &run);
	return true;
}

static void on_readable(void *owner, struct enn_datagram_socket *s)
{
	struct enn_datagram_driver *d = owner;

	for (int i = 0; i < MOST_READS && is_open(d) && d->socket == s; i++) {
		if (!receive_once(d, s)) {
			break;
		}
		if (!enn_protocol_is_lossy(d->base.engine->protocol) &&
		    !d->base.ops->hungry(d->base.owner)) {
			break;
		}
	}
	read_or_pause(d);
}

static const struct enn_datagram_ops socket_ops = {.readable = on_readable};

/* ---- what drivers do ----------------------------------------------------------------- */

static void finish(struct enn_driver *base)
{
	(void)base; /* datagrams have no end of their own */
}

/* A client moves by opening another socket. Without a local address the system chooses one, and a
 * port that was not in use. */
static enum enn_status move(struct enn_datagram_driver *d, const struct enn_path *path)
{
	struct enn_socket_options options = d->options;
	const struct enn_address *remote =
		path->remote.family == ENN_FAMILY_NONE ? &d->path.remote : &path->remote;
	struct enn_datagram_socket *s = NULL;
	struct enn_path actual;
	int error = 0;

	options.local = path->local;
	ENN_TRY(enn_datagram_open(d->base.rt, &socket_ops, d, d->base.account, remote, &options, &s,
				  &error));
	enn_datagram_path(s, &actual);
	enum enn_status status =
		enn_engine_migrate(d->base.engine, enn_runtime_now(d->base.rt), &actual);
	if (status != ENN_OK) {
		enn_datagram_close(s);
		return status;
	}
	enn_datagram_forget(&d->waiter);
	enn_datagram_close(d->socket);
	d->socket = s;
	d->path = actual;
	read_or_pause(d);
	return ENN_OK;
}

static enum enn_status migrate(struct enn_driver *base, const struct enn_path *path)
{
	struct enn_datagram_driver *d = of(base);

	if (path == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (d->socket != NULL && !d->base.failed) {
		return move(d, path);
	}
	return enn_engine_migrate(base->engine, enn_runtime_now(base->rt), path);
}

static void set_options(struct enn_driver *base, const struct enn_socket_options *options)
{
	struct enn_datagram_driver *d = of(base);

	d->options.dscp = options->dscp;
	d->options.pacing = options->pacing;
	if (d->socket != NULL) {
		enn_datagram_set_options(d->socket, options);
	}
}

static void path_of(const struct enn_driver *base, struct enn_path *path)
{
	const struct enn_datagram_driver *d = (const struct enn_datagram_driver *)base;

	if (!d->stopped) {
		*path = d->path;
	}
}

static bool writing(const struct enn_driver *base)
{
	return waits((const struct enn_datagram_driver *)base);
}

static enn_time writing_since(const struct enn_driver *base)
{
	const struct enn_datagram_driver *d = (const struct enn_datagram_driver *)base;

	return waits(d) && !d->connecting ? d->writing_since : ENN_TIME_NEVER;
}

static size_t unwritten(const struct enn_driver *base)
{
	const struct enn_datagram_driver *d = (const struct enn_datagram_driver *)base;

	return d->socket == NULL ? 0 : enn_datagram_unwritten(d->socket);
}

static void stop(struct enn_driver *base, enum enn_release how)
{
	struct enn_datagram_driver *d = of(base);

	(void)how; /* what the kernel has is on its way */
	enn_datagram_forget(&d->waiter);
	d->stopped = true;
	if (d->socket != NULL) {
		enn_datagram_close(d->socket);
		d->socket = NULL;
	}
	if (d->listener != NULL) {
		enn_datagram_listener_leave(d->listener, &d->member);
	}
	enn_block_use(&d->reading);
	enn_block_release(d->reading);
	d->reading = NULL;
}

static void release(struct enn_driver *base)
{
	if (of(base)->listener != NULL) {
		enn_datagram_listener_release(of(base)->listener);
	}
}

static void changed_path(struct enn_driver *base, const struct enn_path *path)
{
	struct enn_datagram_driver *d = of(base);

	if (path->remote.family != ENN_FAMILY_NONE) {
		d->path.remote = path->remote;
	}
	if (path->local.family != ENN_FAMILY_NONE) {
		d->path.local = path->local;
	}
}

static const struct enn_driver_type type = {
	.run = run,
	.finish = finish,
	.migrate = migrate,
	.set_options = set_options,
	.path = path_of,
	.changed_path = changed_path,
	.writing = writing,
	.writing_since = writing_since,
	.unwritten = unwritten,
	.stop = stop,
	.release = release,
	.size = sizeof(struct enn_datagram_driver),
};

/* ---- making one ---------------------------------------------------------------------- */

static struct enn_datagram_driver *new_driver(struct enn_runtime *rt,
					      const struct enn_driver_ops *ops, void *owner,
					      uint64_t account)
{
	struct enn_driver *base = enn_driver_new(rt, &type, ops, owner, account);

	if (base == NULL) {
		return NULL;
	}
	of(base)->waiter.ready = on_ready_to_write;
	of(base)->waiter.owner = base;
	return of(base);
}

enum enn_status enn_datagram_driver_connect(struct enn_runtime *rt,
					    const struct enn_driver_ops *ops, void *owner,
					    uint64_t account, const struct enn_address *remote,
					    const struct enn_socket_options *options,
					    struct enn_driver **out, int *error)
{
	struct enn_datagram_driver *d = new_driver(rt, ops, owner, account);

	if (d == NULL) {
		return ENN_E_MEMORY;
	}
	d->options = *options;
	enum enn_status status =
		enn_datagram_open(rt, &socket_ops, d, account, remote, options, &d->socket, error);
	if (status != ENN_OK) {
		enn_driver_free(&d->base);
		return status;
	}
	enn_datagram_path(d->socket, &d->path);
	d->connecting = true; /* told on the next turn, as with any other substrate */
	enn_datagram_wait(d->socket, &d->waiter);
	*out = &d->base;
	return ENN_OK;
}

struct enn_datagram_driver *enn_datagram_driver_new(struct enn_datagram_listener *listener,
						    struct enn_engine *engine,
						    const struct enn_path *path,
						    struct enn_runtime *rt,
						    const struct enn_driver_ops *ops, void *owner,
						    uint64_t account)
{
	struct enn_datagram_driver *d = new_driver(rt, ops, owner, account);

	if (d == NULL) {
		return NULL;
	}
	d->member.engine = engine;
	d->member.driver = d;
	if (!enn_datagram_listener_enter(listener, &d->member)) {
		enn_driver_free(&d->base);
		return NULL;
	}
	d->listener = listener;
	d->path = *path;
	return d;
}
