/* SPDX-License-Identifier: Apache-2.0
 *
 * The passive side of datagram protocols.
 *
 * It lives until it is closed and the last of its connections is gone: they write to its
 * sockets, and its acceptor knows which packets are theirs.
 */
#include <string.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"
#include "runtime/datagram_driver.h"

#define MOST_READS 64 /* of one turn */
#define SLICE	   64 /* packets given to the acceptor in one call */
#define REST	   (100 * ENN_MILLISECOND)
/* Received at once for one connection: so much is not copied, its block goes to the connection. */
#define WORTH_A_BLOCK ((size_t)16384)

struct enn_datagram_listener {
	struct enn_inbound base;
	struct enn_acceptor *acceptor;
	struct enn_datagram_socket *socket[ENN_INBOUND_SOCKETS];
	struct enn_datagram_member *members; /* by engine */
	size_t refs;			     /* drivers, and itself until it is closed */
	struct enn_block *reading;
	struct enn_block *reply;
	/* An engine that is being introduced; NULL once somebody took it. */
	struct enn_engine *fresh;
	const struct enn_path *fresh_path;
	struct enn_timer rest;
	bool paused;
	bool closed;
};

static struct enn_datagram_listener *of(struct enn_inbound *in)
{
	return (struct enn_datagram_listener *)in;
}

static const struct enn_env *env_of(const struct enn_datagram_listener *l)
{
	return &l->base.rt->env;
}

/* ---- its drivers --------------------------------------------------------------------- */

bool enn_datagram_listener_enter(struct enn_datagram_listener *l, struct enn_datagram_member *m)
{
	const struct enn_env *env = env_of(l);

	HASH_ADD_PTR(l->members, engine, m);
	l->refs += m->hh.tbl != NULL;
	return m->hh.tbl != NULL;
}

void enn_datagram_listener_leave(struct enn_datagram_listener *l, struct enn_datagram_member *m)
{
	const struct enn_env *env = env_of(l);

	if (m->hh.tbl != NULL) {
		HASH_DEL(l->members, m);
		m->hh.tbl = NULL;
	}
}

void enn_datagram_listener_release(struct enn_datagram_listener *l)
{
	if (--l->refs > 0) {
		return;
	}
	for (size_t i = 0; i < l->base.sockets; i++) {
		enn_datagram_close(l->socket[i]);
	}
	enn_acceptor_free(l->acceptor);
	enn_free(env_of(l), l, sizeof(*l));
}

static struct enn_datagram_driver *driver_of(const struct enn_datagram_listener *l,
					     const struct enn_engine *engine)
{
	struct enn_datagram_member *m = NULL;

	HASH_FIND_PTR(l->members, &engine, m);
	return m == NULL ? NULL : m->driver;
}

struct enn_datagram_socket *enn_datagram_listener_full(const struct enn_datagram_listener *l)
{
	for (size_t i = 0; i < l->base.sockets; i++) {
		if (enn_datagram_full(l->socket[i])) {
			return l->socket[i];
		}
	}
	return NULL;
}

/* The one that is bound to the local address, or to every address of the family. */
struct enn_datagram_socket *enn_datagram_listener_socket(const struct enn_datagram_listener *l,
							 const struct enn_path *path)
{
	static const struct enn_address any;
	struct enn_datagram_socket *found = NULL;

	for (size_t i = 0; i < l->base.sockets; i++) {
		const struct enn_address *bound = enn_datagram_local(l->socket[i]);
		if (bound->family != path->remote.family ||
		    (path->local.port != 0 && bound->port != path->local.port)) {
			continue;
		}
		if (enn_address_equal(bound, &path->local)) {
			return l->socket[i];
		}
		if (found == NULL || memcmp(bound->ip, any.ip, sizeof(any.ip)) == 0) {
			found = l->socket[i];
		}
	}
	return found;
}

/* ---- packets ------------------------------------------------------------------------- */

/* The application gets to know of a new engine, or it goes again. Its driver, or NULL. */
static struct enn_datagram_driver *introduce(struct enn_datagram_listener *l,
					     struct enn_engine *engine, const struct enn_path *path)
{
	l->fresh = engine;
	l->fresh_path = path;
	if (!l->closed && !l->paused && !l->rest.armed) {
		(void)l->base.arrival(l->base.owner, &l->base);
	}
	if (l->fresh != NULL) { /* nobody took it: the peer will try again */
		enn_engine_free(l->fresh);
		l->fresh = NULL;
		return NULL;
	}
	return driver_of(l, engine);
}

static bool prepare_reply(struct enn_datagram_listener *l, struct enn_batch *reply)
{
	if (l->reply == NULL) {
		l->reply = enn_block_new(&l->base.rt->read_pool, 0);
	}
	*reply = (struct enn_batch){0};
	if (l->reply != NULL) {
		reply->buf = l->reply->data;
		reply->cap = l->reply->cap;
	}
	return l->reply != NULL;
}

static void send_reply(struct enn_datagram_listener *l, struct enn_datagram_socket *s,
		       const struct enn_path *path, struct enn_batch *reply)
{
	if (reply->len == 0 || enn_datagram_full(s)) {
		return; /* the peer will ask again */
	}
	reply->path = *path;
	(void)enn_datagram_write(s, l->reply, reply);
	l->reply = NULL;
}

/* Packets of one path. block: where received data may stay, if anybody's packets fill it. */
static struct enn_datagram_driver *hand_out(struct enn_datagram_listener *l,
					    struct enn_datagram_socket *s,
					    const struct enn_path *path, struct enn_packet *packets,
					    size_t count, struct enn_block *block)
{
	struct enn_engine *engine = NULL;
	struct enn_datagram_driver *d = NULL;
	struct enn_batch reply;
	bool created = false;

	if (!prepare_reply(l, &reply) ||
	    enn_acceptor_accept(l->acceptor, enn_runtime_now(l->base.rt), path, packets, count,
				&reply, &engine, &created) != ENN_OK) {
		return NULL;
	}
	send_reply(l, s, path, &reply);
	if (engine != NULL) {
		d = created ? introduce(l, engine, path) : driver_of(l, engine);
	}
	if (d != NULL) {
		enn_datagram_driver_ingest(d, path, packets, count, block);
	}
	return d;
}

/* A large run may stay where it is: its block then goes to the connection. */
static void hand_out_run(struct enn_datagram_listener *l, struct enn_datagram_socket *s,
			 struct enn_datagram_run *run)
{
	struct enn_block *block = run->len >= WORTH_A_BLOCK ? l->reading : NULL;
	struct enn_datagram_driver *taker = NULL;
	struct enn_packet packets[SLICE];
	size_t count;

	while ((count = enn_datagram_slice(run, packets, SLICE)) > 0) {
		struct enn_datagram_driver *d = hand_out(l, s, &run->path, packets, count, block);
		if (block != NULL && block->refs > 1 && taker == NULL) {
			taker = d;
		}
	}
	if (taker != NULL) {
		enn_block_charge(block, enn_datagram_driver_base(taker)->account);
		enn_block_release(block);
		l->reading = NULL;
	}
}

static void on_readable(void *owner, struct enn_datagram_socket *s)
{
	struct enn_datagram_listener *l = owner;

	for (int i = 0; i < MOST_READS; i++) {
		struct enn_datagram_run run;
		int error = 0;
		enum enn_status status = enn_datagram_receive(s, &l->reading, &run, &error);
		if (status == ENN_E_AGAIN || status == ENN_E_MEMORY) {
			break;
		}
		if (status == ENN_OK) {
			hand_out_run(l, s, &run);
		}
	}
	enn_block_release(l->reading); /* an idle listener holds none */
	enn_block_release(l->reply);
	l->reading = l->reply = NULL;
}

static const struct enn_datagram_ops socket_ops = {.readable = on_readable};

/* ---- what passive sides do ----------------------------------------------------------- */

static enum enn_status add(struct enn_inbound *base, const struct enn_address *local,
			   const char *interface, int *error)
{
	struct enn_datagram_listener *l = of(base);
	struct enn_socket_options options = {.interface = interface, .local = *local};
	struct enn_datagram_socket **at = &l->socket[base->sockets];

	ENN_TRY(enn_datagram_open(base->rt, &socket_ops, l, 0, NULL, &options, at, error));
	enn_datagram_read(*at, true);
	return ENN_OK;
}

static void remove_last(struct enn_inbound *base)
{
	enn_datagram_close(of(base)->socket[base->sockets - 1]);
}

static void address_of(const struct enn_inbound *base, size_t index, struct enn_address *out)
{
	*out = *enn_datagram_local(((const struct enn_datagram_listener *)base)->socket[index]);
}

static void set_pause(struct enn_inbound *base, bool paused)
{
	of(base)->paused = paused;
}

static void on_rested(void *owner, enn_time now)
{
	(void)owner; /* being armed was all */
	(void)now;
}

static void take_rest(struct enn_inbound *base)
{
	enn_runtime_set_timer(base->rt, &of(base)->rest, enn_runtime_now(base->rt) + REST);
}

static enum enn_status accept_one(struct enn_inbound *base, const struct enn_driver_ops *ops,
				  void *owner, uint64_t account, struct enn_driver **out,
				  struct enn_engine **engine, int *error)
{
	struct enn_datagram_listener *l = of(base);
	struct enn_datagram_driver *d;

	(void)error;
	if (l->fresh == NULL) {
		return ENN_E_AGAIN;
	}
	d = enn_datagram_driver_new(l, l->fresh, l->fresh_path, base->rt, ops, owner, account);
	if (d == NULL) {
		return ENN_E_MEMORY;
	}
	*out = enn_datagram_driver_base(d);
	*engine = l->fresh;
	l->fresh = NULL;
	return ENN_OK;
}

static void close_all(struct enn_inbound *base)
{
	struct enn_datagram_listener *l = of(base);

	l->closed = true;
	enn_runtime_set_timer(base->rt, &l->rest, ENN_TIME_NEVER);
	enn_datagram_listener_release(l);
}

static const struct enn_inbound_type type = {
	.add = add,
	.remove_last = remove_last,
	.address = address_of,
	.pause = set_pause,
	.rest = take_rest,
	.accept = accept_one,
	.close = close_all,
};

/* ---- making one ---------------------------------------------------------------------- */

static enum enn_status listen_for(struct enn_runtime *rt, const struct enn_protocol *protocol,
				  struct enn_security *security, enn_arrival arrival, void *owner,
				  struct enn_inbound **out, struct enn_error *error)
{
	struct enn_acceptor *acceptor = NULL;
	struct enn_datagram_listener *l;

	ENN_TRY(enn_acceptor_new(protocol, &rt->env, security, &acceptor, error));
	l = enn_alloc(&rt->env, sizeof(*l));
	if (l == NULL) {
		enn_acceptor_free(acceptor);
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "listen",
				     "out of memory");
	}
	l->base = (struct enn_inbound){.type = &type, .rt = rt, .arrival = arrival, .owner = owner};
	l->acceptor = acceptor;
	l->refs = 1;
	enn_timer_init(&l->rest, on_rested, l);
	*out = &l->base;
	return ENN_OK;
}

const struct enn_transport enn_datagram_transport = {
	.connect = enn_datagram_driver_connect,
	.listen = listen_for,
};
