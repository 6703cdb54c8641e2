/* SPDX-License-Identifier: Apache-2.0
 *
 * The passive side of byte streams: listening TCP sockets, and an engine for each
 * connection that they bring.
 */
#include <string.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/stream_driver.h"
#include "runtime/tcp_listener.h"

struct stream_inbound {
	struct enn_inbound base;
	struct enn_tcp_listener *socket[ENN_INBOUND_SOCKETS];
	struct enn_tcp_listener *current; /* that something arrived at */
};

static struct stream_inbound *of(struct enn_inbound *in)
{
	return (struct stream_inbound *)in;
}

static bool on_incoming(void *owner, struct enn_tcp_listener *socket)
{
	struct stream_inbound *in = owner;

	in->current = socket;
	return in->base.arrival(in->base.owner, &in->base);
}

static enum enn_status add(struct enn_inbound *base, const struct enn_address *local,
			   const char *interface, int *error)
{
	struct stream_inbound *in = of(base);

	return enn_tcp_listen(base->rt, local, interface, on_incoming, in,
			      &in->socket[base->sockets], error);
}

static void remove_last(struct enn_inbound *base)
{
	enn_tcp_listener_close(of(base)->socket[base->sockets - 1]);
}

static void address_of(const struct enn_inbound *base, size_t index, struct enn_address *out)
{
	enn_tcp_listener_address(((const struct stream_inbound *)base)->socket[index], out);
}

static void set_pause(struct enn_inbound *base, bool paused)
{
	for (size_t i = 0; i < base->sockets; i++) {
		enn_tcp_listener_pause(of(base)->socket[i], paused);
	}
}

static void rest(struct enn_inbound *base)
{
	enn_tcp_listener_rest(of(base)->current);
}

static enum enn_status accept_one(struct enn_inbound *base, const struct enn_driver_ops *ops,
				  void *owner, uint64_t account, struct enn_driver **out,
				  struct enn_engine **engine, int *error)
{
	*engine = NULL;
	return enn_stream_driver_accept(of(base)->current, ops, owner, account, out, error);
}

static void close_all(struct enn_inbound *base)
{
	for (size_t i = 0; i < base->sockets; i++) {
		enn_tcp_listener_close(of(base)->socket[i]);
	}
	enn_free(&base->rt->env, base, sizeof(struct stream_inbound));
}

static const struct enn_inbound_type type = {
	.add = add,
	.remove_last = remove_last,
	.address = address_of,
	.pause = set_pause,
	.rest = rest,
	.accept = accept_one,
	.close = close_all,
};

/* A server that could not serve is refused here and not at its first client. */
static enum enn_status try_engine(struct enn_runtime *rt, const struct enn_protocol *protocol,
				  struct enn_security *security, struct enn_error *error)
{
	struct enn_engine *engine = NULL;

	ENN_TRY(enn_engine_new_server(protocol, &rt->env, security, NULL, &engine, error));
	enn_engine_free(engine);
	return ENN_OK;
}

static enum enn_status listen_for(struct enn_runtime *rt, const struct enn_protocol *protocol,
				  struct enn_security *security, enn_arrival arrival, void *owner,
				  struct enn_inbound **out, struct enn_error *error)
{
	struct stream_inbound *in;

	ENN_TRY(try_engine(rt, protocol, security, error));
	in = enn_alloc(&rt->env, sizeof(*in));
	if (in == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "listen",
				     "out of memory");
	}
	in->base =
		(struct enn_inbound){.type = &type, .rt = rt, .arrival = arrival, .owner = owner};
	*out = &in->base;
	return ENN_OK;
}

const struct enn_transport enn_stream_transport = {
	.connect = enn_stream_driver_connect,
	.listen = listen_for,
};
