/* SPDX-License-Identifier: Apache-2.0
 *
 * The runtime of one context: an event loop (its own or the application's), the
 * clocks, the timers, the buffer pools, and the account of what is open.
 *
 * Work that API calls cause is not done in the call. They wake the runtime; `flush`
 * then runs once before the loop next waits. So no call re-enters another, and many small
 * sends become one batch.
 */
#ifndef ENN_RUNTIME_RUNTIME_H
#define ENN_RUNTIME_RUNTIME_H

#include <uv.h>

#include "base/timers.h"
#include "ennead/env.h"
#include "runtime/pool.h"

struct enn_stream;
struct enn_redis;

struct enn_runtime_ops {
	void (*flush)(void *owner);   /* do what API calls left to do */
	bool (*pending)(void *owner); /* is there anything for the application to take? */
	enn_block_account account;    /* of read buffers */
};

struct enn_runtime {
	struct enn_env env; /* of every engine and allocation of the context */
	uv_loop_t *uv;
	uv_loop_t own_loop;
	bool own;    /* uv points to own_loop */
	bool orphan; /* its context is gone: goes itself with the last handle */
	const struct enn_runtime_ops *ops;
	void *owner;
	uv_prepare_t prepare; /* flushes */
	uv_idle_t idle;	      /* active while there is something to flush or to take */
	uv_timer_t timer;     /* for the first of `timers` */
	uv_timer_t patience;  /* own loop: the timeout of a turn */
	struct enn_timers timers;
	struct enn_pool read_pool;
	struct enn_pool write_pool;
	struct enn_redis *redis;    /* session stores that are asked on this loop */
	struct enn_stream *streams; /* all that are not closed */
	size_t handles;		    /* libuv handles that are not closed */
	size_t lookups;		    /* name look-ups that libuv still works on */
	size_t sockets;
	uint8_t waste[4096]; /* where released streams read to */
	uint64_t activity;   /* counts callbacks: see enn_runtime_settle */
};

/* A read buffer takes four full TLS records; a write buffer sixteen, so that the AEAD works on many
 * records at a time. */
#define ENN_READ_BLOCK	((size_t)65536)
#define ENN_WRITE_BLOCK ((size_t)262144 + 8192)

/* external NULL: a loop of its own. env is copied, but for wall_offset, which the runtime sets.
 * Errors: ENN_E_MEMORY, ENN_E_SYSTEM. */
enum enn_status enn_runtime_new(uv_loop_t *external, const struct enn_env *env,
				const struct enn_runtime_ops *ops, void *owner,
				struct enn_runtime **out, struct enn_error *error);
/* Closes everything. Its own loop is run until the last handle is closed, which waits for name
 * look-ups that cannot be cancelled; on the application's loop the rest happens on its next
 * turns. */
void enn_runtime_free(struct enn_runtime *rt);

enn_time enn_runtime_now(const struct enn_runtime *rt);
/* Reckons wall_offset anew: the wall clock may have been set. */
void enn_runtime_sync_clock(struct enn_runtime *rt);

/* flush will run before the loop next waits. */
void enn_runtime_wake(struct enn_runtime *rt);
/* Sets, moves or (ENN_TIME_NEVER) stops a timer. */
void enn_runtime_set_timer(struct enn_runtime *rt, struct enn_timer *timer, enn_time when);

/* One turn of its own loop that waits up to `timeout`. False: nothing is left that could happen. */
bool enn_runtime_turn(struct enn_runtime *rt, enn_time timeout);
/* Turns its own loop without waiting until nothing happens any more: only then does the loop's
 * descriptor tell of everything that it waits for. Bounded; what is left keeps the deadline at
 * now. */
void enn_runtime_settle(struct enn_runtime *rt);
enn_time enn_runtime_deadline(const struct enn_runtime *rt);

/* For the objects that own libuv handles: count them in and out. */
void enn_runtime_opened(struct enn_runtime *rt);
void enn_runtime_closed(struct enn_runtime *rt);      /* may free rt */
void enn_runtime_lookup_done(struct enn_runtime *rt); /* the same for a look-up */

#endif
