/* SPDX-License-Identifier: Apache-2.0
 *
 * What all drivers have in common.
 */
#include "runtime/driver.h"

#include <string.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"

const struct enn_transport *enn_transport_of(const struct enn_protocol *protocol)
{
	static const struct enn_transport *const transports[] = {
		[ENN_SUBSTRATE_BYTE_STREAM] = &enn_stream_transport,
		[ENN_SUBSTRATE_DATAGRAM] = &enn_datagram_transport,
	};

	return (unsigned)protocol->substrate < ENN_ARRAY_LEN(transports)
		       ? transports[protocol->substrate]
		       : NULL;
}

/* ---- failure ------------------------------------------------------------------------- */

void enn_driver_fail(struct enn_driver *d, const struct enn_error *error)
{
	if (d->failed) {
		return;
	}
	d->failed = true;
	d->ops->failed(d->owner, error);
}

void enn_driver_network_error(int uv_error, const char *where, struct enn_error *error)
{
	enum enn_reason reason = ENN_REASON_SYSTEM;

	if (uv_error == UV_ECONNRESET || uv_error == UV_EPIPE) {
		reason = ENN_REASON_CONNECTION_ABORTED;
	} else if (uv_error == UV_ETIMEDOUT) {
		reason = ENN_REASON_TIMEOUT;
	} else if (uv_error == UV_ENOMEM || uv_error == UV_ENOBUFS) {
		reason = ENN_REASON_OUT_OF_MEMORY;
	}
	(void)enn_error_set(error, ENN_E_SYSTEM, reason, where, "%s", uv_strerror(uv_error));
	error->origin = ENN_ORIGIN_NETWORK;
	error->sys_errno = -uv_error;
	error->wire_code = ENN_NO_WIRE_CODE;
}

void enn_driver_fail_with(struct enn_driver *d, int uv_error, const char *where)
{
	struct enn_error error;

	enn_driver_network_error(uv_error, where, &error);
	enn_driver_fail(d, &error);
}

/* ---- the loop of engine.h ------------------------------------------------------------ */

/* What does not lie in the block that was read to is lent for this call only (the rest of an
 * unfinished record, say), or shares its block with others: it is copied. */
static struct enn_block *copy_of(struct enn_driver *d, struct enn_message *received)
{
	struct enn_pool *pool = &d->rt->read_pool;

	enn_block_use(&d->copies);
	if (d->copies != NULL && enn_block_left(d->copies) < received->len) {
		enn_block_release(d->copies);
		d->copies = NULL;
	}
	if (d->copies == NULL) {
		d->copies = received->len > pool->size
				    ? enn_block_new_sized(pool, d->account, received->len)
				    : enn_block_new(pool, d->account);
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

/* Where received data lies, and may stay. False: it was dropped, or the driver has failed. */
static bool place(struct enn_driver *d, struct enn_message *received, struct enn_block *reading,
		  struct enn_block **block)
{
	bool lossy = enn_protocol_is_lossy(d->engine->protocol);

	*block = reading;
	if (lossy && (received->flags & ENN_MESSAGE_FINAL) == 0 && !d->ops->hungry(d->owner)) {
		d->dropped++;
		return false;
	}
	if (received->len == 0 || enn_block_holds(reading, received->data)) {
		return true;
	}
	*block = copy_of(d, received);
	if (*block != NULL) {
		return true;
	}
	if (lossy) {
		d->dropped++;
	} else {
		enn_driver_fail_with(d, UV_ENOMEM, "received data");
	}
	return false;
}

void enn_driver_take_events(struct enn_driver *d, enn_time now, struct enn_block *reading)
{
	struct enn_event event;
	bool any = false;

	while (!d->failed) {
		struct enn_block *block = NULL;
		enn_engine_next_event(d->engine, now, &event);
		if (event.type == ENN_EVENT_NONE) {
			break;
		}
		any = true;
		if (event.type == ENN_EVENT_PATH_CHANGED && d->type->changed_path != NULL) {
			d->type->changed_path(d, &event.u.path);
		}
		if (event.type != ENN_EVENT_RECEIVED ||
		    place(d, &event.u.received, reading, &block)) {
			d->ops->event(d->owner, &event, block);
		}
	}
	if (any) {
		d->ops->told(d->owner);
	}
}

static void on_deadline(void *owner, enn_time now)
{
	struct enn_driver *d = owner;

	if (enn_engine_deadline(d->engine) <= now) {
		enn_engine_expire(d->engine, now);
	}
	d->type->run(d);
}

void enn_driver_arm(struct enn_driver *d, enn_time now)
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

/* ---- life ---------------------------------------------------------------------------- */

struct enn_driver *enn_driver_new(struct enn_runtime *rt, const struct enn_driver_type *type,
				  const struct enn_driver_ops *ops, void *owner, uint64_t account)
{
	struct enn_driver *d = enn_alloc(&rt->env, type->size);

	if (d != NULL) {
		d->type = type;
		d->rt = rt;
		d->ops = ops;
		d->owner = owner;
		d->account = account;
		enn_timer_init(&d->timer, on_deadline, d);
	}
	return d;
}

void enn_driver_run_engine(struct enn_driver *d, struct enn_engine *engine)
{
	d->engine = engine;
	/* A failure to start is an event of the engine as any other. */
	if (enn_engine_start(engine, enn_runtime_now(d->rt)) != ENN_OK) {
		struct enn_error error;
		if (!enn_engine_error(engine, &error)) {
			(void)enn_error_set(&error, ENN_E_FAILED, ENN_REASON_ESTABLISHMENT_FAILED,
					    "start", "the protocol could not be started");
		}
		enn_driver_fail(d, &error);
		return;
	}
	d->type->run(d);
}

void enn_driver_stop(struct enn_driver *d, enum enn_release how)
{
	enn_runtime_set_timer(d->rt, &d->timer, ENN_TIME_NEVER);
	d->type->stop(d, how);
	enn_block_use(&d->copies);
	enn_block_release(d->copies);
	d->copies = NULL;
	d->again = false;
}

void enn_driver_free(struct enn_driver *d)
{
	if (d == NULL) {
		return;
	}
	enn_driver_stop(d, ENN_RELEASE_CLOSE);
	enn_engine_free(d->engine);
	if (d->type->release != NULL) {
		d->type->release(d);
	}
	enn_free(&d->rt->env, d, d->type->size);
}

/* ---- passing on ---------------------------------------------------------------------- */

void enn_driver_run(struct enn_driver *d)
{
	d->type->run(d);
}

void enn_driver_finish(struct enn_driver *d)
{
	d->type->finish(d);
}

enum enn_status enn_driver_migrate(struct enn_driver *d, const struct enn_path *path)
{
	return d->type->migrate(d, path);
}

void enn_driver_set_options(struct enn_driver *d, const struct enn_socket_options *options)
{
	d->type->set_options(d, options);
}

struct enn_engine *enn_driver_engine(const struct enn_driver *d)
{
	return d->engine;
}

void enn_driver_path(const struct enn_driver *d, struct enn_path *path)
{
	memset(path, 0, sizeof(*path));
	d->type->path(d, path);
}

bool enn_driver_writing(const struct enn_driver *d)
{
	return d->again || d->type->writing(d);
}

enn_time enn_driver_writing_since(const struct enn_driver *d)
{
	return d->type->writing_since(d);
}

size_t enn_driver_unwritten(const struct enn_driver *d)
{
	return d->type->unwritten(d);
}

uint64_t enn_driver_dropped(const struct enn_driver *d)
{
	return d->dropped;
}

enum enn_status enn_inbound_add(struct enn_inbound *in, const struct enn_address *local,
				const char *interface, int *error)
{
	if (in->sockets == ENN_INBOUND_SOCKETS) {
		return ENN_E_LIMIT;
	}
	ENN_TRY(in->type->add(in, local, interface, error));
	in->sockets++;
	return ENN_OK;
}

void enn_inbound_remove_last(struct enn_inbound *in)
{
	in->type->remove_last(in);
	in->sockets--;
}

size_t enn_inbound_sockets(const struct enn_inbound *in)
{
	return in->sockets;
}

void enn_inbound_address(const struct enn_inbound *in, size_t index, struct enn_address *out)
{
	in->type->address(in, index, out);
}

void enn_inbound_pause(struct enn_inbound *in, bool paused)
{
	in->type->pause(in, paused);
}

void enn_inbound_rest(struct enn_inbound *in)
{
	in->type->rest(in);
}

enum enn_status enn_inbound_accept(struct enn_inbound *in, const struct enn_driver_ops *ops,
				   void *owner, uint64_t account, struct enn_driver **out,
				   struct enn_engine **engine, int *error)
{
	return in->type->accept(in, ops, owner, account, out, engine, error);
}

void enn_inbound_close(struct enn_inbound *in)
{
	if (in != NULL) {
		in->type->close(in);
	}
}
