/* SPDX-License-Identifier: Apache-2.0
 *
 * The runtime of one context on libuv.
 */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <time.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/redis_store.h"
#include "runtime/stream.h"

#define IDLE_READ_BLOCKS  16 /* kept for the next reader: 1 MiB */
#define IDLE_WRITE_BLOCKS 2
#define SETTLE_TURNS	  64
#define BASE_HANDLES	  4 /* prepare, idle, timer, patience */

enn_time enn_runtime_now(const struct enn_runtime *rt)
{
	(void)rt;
	return uv_hrtime();
}

void enn_runtime_sync_clock(struct enn_runtime *rt)
{
	struct timespec wall;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	rt->env.wall_offset = (int64_t)wall.tv_sec * (int64_t)ENN_SECOND + (int64_t)wall.tv_nsec -
			      (int64_t)enn_runtime_now(rt);
}

/* ---- timers -------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* libuv counts milliseconds from the loop's cached time: refresh it, and round up so as not to
 * come early. */
static uint64_t milliseconds_until(struct enn_runtime *rt, enn_time when)
{
	enn_time now = enn_runtime_now(rt);

	uv_update_time(rt->uv);
	return when <= now ? 0 : (when - now + ENN_MILLISECOND - 1) / ENN_MILLISECOND;
}

static void arm(struct enn_runtime *rt)
{
	enn_time first = enn_timers_first(&rt->timers);

	if (first == ENN_TIME_NEVER) {
		(void)uv_timer_stop(&rt->timer);
	} else {
		(void)uv_timer_start(&rt->timer, on_timer, milliseconds_until(rt, first), 0);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct enn_runtime *rt = timer->data;

	rt->activity++;
	enn_timers_expire(&rt->timers, enn_runtime_now(rt));
	arm(rt);
}

void enn_runtime_set_timer(struct enn_runtime *rt, struct enn_timer *timer, enn_time when)
{
	enn_time before = enn_timers_first(&rt->timers);

	enn_timers_set(&rt->timers, timer, when);
	if (enn_timers_first(&rt->timers) != before) {
		arm(rt);
	}
}

/* ---- flushing ------------------------------------------------------------------------ */

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* being active keeps the loop from waiting; there is nothing to do */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct enn_runtime *rt = prepare->data;

	(void)uv_idle_stop(&rt->idle);
	rt->ops->flush(rt->owner);
	if (rt->own && rt->ops->pending(rt->owner)) {
		(void)uv_idle_start(&rt->idle, on_idle); /* do not wait with events in hand */
	}
}

void enn_runtime_wake(struct enn_runtime *rt)
{
	if (!uv_is_active((uv_handle_t *)&rt->idle)) {
		(void)uv_idle_start(&rt->idle, on_idle);
	}
}

/* ---- turning ------------------------------------------------------------------------- */

static void on_patience(uv_timer_t *timer)
{
	(void)timer; /* it ended the wait */
}

bool enn_runtime_turn(struct enn_runtime *rt, enn_time timeout)
{
	int alive;

	if (timeout == 0) {
		return uv_run(rt->uv, UV_RUN_NOWAIT) != 0;
	}
	if (timeout != ENN_TIME_NEVER) {
		uv_update_time(rt->uv);
		(void)uv_timer_start(&rt->patience, on_patience,
				     (timeout + ENN_MILLISECOND - 1) / ENN_MILLISECOND, 0);
	}
	alive = uv_run(rt->uv, UV_RUN_ONCE);
	(void)uv_timer_stop(&rt->patience);
	return alive != 0;
}

void enn_runtime_settle(struct enn_runtime *rt)
{
	uint64_t before;
	int turns = 0;

	do {
		before = rt->activity;
		(void)uv_run(rt->uv, UV_RUN_NOWAIT);
	} while (rt->activity != before && ++turns < SETTLE_TURNS);
	if (turns == SETTLE_TURNS) {
		enn_runtime_wake(rt);
	}
}

enn_time enn_runtime_deadline(const struct enn_runtime *rt)
{
	if (uv_loop_alive(rt->uv) == 0) {
		return ENN_TIME_NEVER;
	}
	if (uv_backend_timeout(rt->uv) == 0) {
		return enn_runtime_now(rt);
	}
	/* The exact time of the first timer, which libuv only knows in milliseconds. */
	return enn_timers_first(&rt->timers);
}

/* ---- life ---------------------------------------------------------------------------- */

void enn_runtime_opened(struct enn_runtime *rt)
{
	rt->handles++;
}

static void free_if_orphan(struct enn_runtime *rt)
{
	if (!rt->orphan || rt->handles > 0 || rt->lookups > 0) {
		return;
	}
	enn_pool_clear(&rt->read_pool);
	enn_pool_clear(&rt->write_pool);
	if (rt->own) {
		(void)uv_loop_close(&rt->own_loop);
	}
	struct enn_env env = rt->env;
	enn_free(&env, rt, sizeof(*rt));
}

void enn_runtime_closed(struct enn_runtime *rt)
{
	rt->handles--;
	rt->activity++;
	if (!rt->own) {
		free_if_orphan(rt);
	}
}

void enn_runtime_lookup_done(struct enn_runtime *rt)
{
	rt->lookups--;
	rt->activity++;
	if (!rt->own) {
		free_if_orphan(rt);
	}
}

static void on_close(uv_handle_t *handle)
{
	enn_runtime_closed(handle->data);
}

static void init_base_handles(struct enn_runtime *rt)
{
	/* None of these four can fail on Unix. */
	(void)uv_prepare_init(rt->uv, &rt->prepare);
	(void)uv_idle_init(rt->uv, &rt->idle);
	(void)uv_timer_init(rt->uv, &rt->timer);
	(void)uv_timer_init(rt->uv, &rt->patience);
	rt->prepare.data = rt->idle.data = rt->timer.data = rt->patience.data = rt;
	rt->handles += BASE_HANDLES;
	(void)uv_prepare_start(&rt->prepare, on_prepare);
	uv_unref((uv_handle_t *)&rt->prepare);
}

enum enn_status enn_runtime_new(uv_loop_t *external, const struct enn_env *env,
				const struct enn_runtime_ops *ops, void *owner,
				struct enn_runtime **out, struct enn_error *error)
{
	struct enn_runtime *rt = enn_alloc(env, sizeof(*rt));
	int status = 0;

	if (rt == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "context",
				     "out of memory");
	}
	rt->env = *env;
	rt->own = external == NULL;
	rt->uv = rt->own ? &rt->own_loop : external;
	rt->ops = ops;
	rt->owner = owner;
	if (rt->own) {
		status = uv_loop_init(&rt->own_loop);
	}
	if (status != 0) {
		enn_free(env, rt, sizeof(*rt));
		(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "uv_loop_init",
				    "the event loop could not be made: %s", uv_strerror(status));
		if (error != NULL) {
			error->sys_errno = -status;
		}
		return ENN_E_SYSTEM;
	}
	enn_pool_init(&rt->read_pool, &rt->env, ENN_READ_BLOCK, IDLE_READ_BLOCKS, ops->account,
		      owner);
	enn_pool_init(&rt->write_pool, &rt->env, ENN_WRITE_BLOCK, IDLE_WRITE_BLOCKS, NULL, NULL);
	init_base_handles(rt);
	enn_runtime_sync_clock(rt);
	*out = rt;
	return ENN_OK;
}

void enn_runtime_free(struct enn_runtime *rt)
{
	if (rt == NULL) {
		return;
	}
	rt->orphan = true;
	rt->read_pool.account = NULL; /* its context is going */
	enn_streams_close_all(rt);
	enn_redis_detach_all(rt);
	(void)uv_prepare_stop(&rt->prepare);
	uv_close((uv_handle_t *)&rt->prepare, on_close);
	uv_close((uv_handle_t *)&rt->idle, on_close);
	uv_close((uv_handle_t *)&rt->timer, on_close);
	uv_close((uv_handle_t *)&rt->patience, on_close);
	if (rt->own) {
		while (rt->handles > 0 || rt->lookups > 0) {
			(void)uv_run(rt->uv, UV_RUN_ONCE);
		}
		free_if_orphan(rt);
	}
}
