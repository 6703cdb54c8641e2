/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts: construction, the queue's two ends, and turning the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/internal.h"

#define BUSY_TURN ENN_MILLISECOND /* between two looks at the network while events are in hand */

#define DEFAULT(field, value)                                                                      \
	if (o->field == 0) {                                                                       \
		o->field = (value);                                                                \
	}

static void fill_defaults(struct enn_context_options *o)
{
	DEFAULT(max_connections, 65536)
	DEFAULT(max_candidates, 16)
	DEFAULT(receive_window, 262144)
	DEFAULT(send_window, 1048576)
	DEFAULT(max_sends, 1024)
	DEFAULT(attempt_delay, 250 * ENN_MILLISECOND)
	DEFAULT(resolution_delay, 50 * ENN_MILLISECOND)
	DEFAULT(close_timeout, 10 * ENN_SECOND)
	if (o->max_candidates > ENN_RACE_MAX) {
		o->max_candidates = ENN_RACE_MAX;
	}
}

/* ---- what the runtime calls ---------------------------------------------------------- */

static void flush(void *owner)
{
	struct enn_context *ctx = owner;

	/* What is marked meanwhile waits for the next turn, so that a turn ends. */
	struct enn_listen *l = ctx->marked_listeners;
	ctx->marked_listeners = NULL;
	ctx->working = ctx->marked;
	ctx->marked = NULL;
	if (ctx->working != NULL) {
		ctx->working->mark_link = &ctx->working;
	}
	while (l != NULL) {
		struct enn_listen *next = l->next_marked;
		l->marked = false;
		enn_listen_work(l);
		l = next;
	}
	while (ctx->working != NULL) {
		struct enn_conn *c = ctx->working;
		enn_conn_unmark(c);
		enn_conn_work(c);
	}
}

static bool pending(void *owner)
{
	const struct enn_context *ctx = owner;

	return ctx->queue.len > 0;
}

static void account(void *owner, uint64_t id, size_t cap, bool taken)
{
	struct enn_context *ctx = owner;
	struct enn_conn *c = enn_slots_get(&ctx->connections, id);

	if (c == NULL) {
		return; /* a loan that outlived its connection */
	}
	if (taken) {
		c->pinned += cap;
		return;
	}
	c->pinned -= cap;
	if (c->starved) {
		c->starved = false;
		enn_conn_wake(c);
	}
}

static const struct enn_runtime_ops runtime_ops = {
	.flush = flush,
	.pending = pending,
	.account = account,
};

/* ---- construction -------------------------------------------------------------------- */

static void keylog_sink(void *context, const char *line)
{
	struct enn_context *ctx = context;

	if (ctx->keylog_file != NULL) {
		(void)fprintf(ctx->keylog_file, "%s\n", line);
		(void)fflush(ctx->keylog_file);
	}
	if (ctx->options.keylog != NULL) {
		ctx->options.keylog(ctx->options.keylog_ctx, line);
	}
}

/* Keys that decrypt traffic: the file is for its owner only. */
static enum enn_status open_keylog(struct enn_context *ctx, const char *path,
				   struct enn_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ctx->keylog_file = fd < 0 ? NULL : fdopen(fd, "a");
	if (ctx->keylog_file != NULL) {
		return ENN_OK;
	}
	int failed = errno;
	if (fd >= 0) {
		(void)close(fd);
	}
	(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "keylog_path", "%s: %s", path,
			    strerror(failed));
	if (error != NULL) {
		error->sys_errno = failed;
	}
	return ENN_E_SYSTEM;
}

static enum enn_status build(struct enn_context *ctx, const struct enn_context_options *options,
			     struct enn_error *error)
{
	struct enn_env env = {.limits = options->limits,
			      .log = options->log,
			      .log_ctx = options->log_ctx,
			      .trace = options->trace,
			      .trace_ctx = options->trace_ctx};
	enum enn_status status = enn_crypto_new(options->crypto_backend, &ctx->crypto);

	if (status != ENN_OK) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
				     "crypto_backend",
				     "the cryptographic back end is not available");
	}
	if (options->keylog_path != NULL) {
		ENN_TRY(open_keylog(ctx, options->keylog_path, error));
	}
	if (options->keylog_path != NULL || options->keylog != NULL) {
		env.keylog = keylog_sink;
		env.keylog_ctx = ctx;
	}
	env.crypto = ctx->crypto;
	return enn_runtime_new(options->loop, &env, &runtime_ops, ctx, &ctx->rt, error);
}

enum enn_status enn_context_new(const struct enn_context_options *options, struct enn_context **out,
				struct enn_error *error)
{
	static const struct enn_context_options none;
	static const struct enn_env plain;
	struct enn_context *ctx = enn_alloc(&plain, sizeof(*ctx));

	*out = NULL;
	if (ctx == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "context",
				     "out of memory");
	}
	if (options == NULL) {
		options = &none;
	}
	ctx->options = *options;
	ctx->options.keylog_path = NULL;
	fill_defaults(&ctx->options);
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		ctx->registry[i] = enn_protocol_at(i);
	}
	ctx->protocols = ctx->registry;
	enum enn_status status = build(ctx, options, error);
	if (status != ENN_OK) {
		enn_context_free(ctx);
		return status;
	}
	*out = ctx;
	return ENN_OK;
}

static void free_objects(struct enn_context *ctx)
{
	struct enn_queued queued;

	while (enn_queue_pop(&ctx->queue, &queued)) {
		enn_context_discard(ctx, &queued);
	}
	for (size_t i = 0; i < ctx->listeners.cap; i++) {
		struct enn_listen *l = enn_slots_at(&ctx->listeners, i);
		if (l != NULL) {
			enn_listen_destroy(l);
		}
	}
	for (size_t i = 0; i < ctx->connections.cap; i++) {
		struct enn_conn *c = enn_slots_at(&ctx->connections, i);
		if (c != NULL) {
			enn_conn_destroy(c, ENN_RELEASE_RESET);
		}
	}
	for (size_t i = 0; i < ctx->loans.cap; i++) {
		enn_block_release(enn_slots_at(&ctx->loans, i));
	}
	enn_queue_clear(&ctx->queue, enn_context_env(ctx));
	enn_slots_clear(&ctx->loans, enn_context_env(ctx));
	enn_slots_clear(&ctx->connections, enn_context_env(ctx));
	enn_slots_clear(&ctx->listeners, enn_context_env(ctx));
}

void enn_context_free(struct enn_context *ctx)
{
	static const struct enn_env plain;

	if (ctx == NULL) {
		return;
	}
	if (ctx->rt != NULL) {
		free_objects(ctx);
		enn_runtime_free(ctx->rt);
	}
	if (ctx->keylog_file != NULL) {
		(void)fclose(ctx->keylog_file);
	}
	enn_crypto_free(ctx->crypto);
	enn_free(&plain, ctx, sizeof(*ctx));
}

void enn_context_set_protocols(struct enn_context *ctx, const struct enn_protocol *const *list)
{
	ctx->protocols = list;
}

const char *enn_context_describe(const struct enn_context *ctx)
{
	return enn_crypto_describe(ctx->crypto);
}

void enn_context_usage(const struct enn_context *ctx, struct enn_context_usage *usage)
{
	*usage = (struct enn_context_usage){
		.connections = ctx->connections.count,
		.listeners = ctx->listeners.count,
		.sockets = ctx->rt->sockets,
		.loans = ctx->loans.count,
		.read_buffers = ctx->rt->read_pool.blocks,
		.read_buffer_bytes = ctx->rt->read_pool.bytes,
		.queued_send_bytes = ctx->send_bytes,
		.events = ctx->queue.len,
	};
}

struct enn_error *enn_error_copy(const struct enn_env *env, const struct enn_error *error)
{
	struct enn_error *copy = enn_alloc(env, sizeof(*copy));

	if (copy != NULL) {
		*copy = *error;
	}
	return copy;
}

/* ---- the queue ----------------------------------------------------------------------- */

static void notify(struct enn_context *ctx)
{
	if (ctx->queue.len == 1 && ctx->options.notify != NULL) {
		ctx->options.notify(ctx->options.notify_ctx);
	}
}

void enn_context_keep(struct enn_context *ctx, const struct enn_queued *event)
{
	enn_queue_keep(&ctx->queue, event);
	notify(ctx);
}

bool enn_context_push(struct enn_context *ctx, const struct enn_queued *event)
{
	bool pushed = enn_queue_push(&ctx->queue, enn_context_env(ctx), event);

	if (pushed) {
		notify(ctx);
	}
	return pushed;
}

static size_t take(struct enn_context *ctx, struct enn_taps_event *events, size_t n)
{
	struct enn_queued queued;
	size_t taken = 0;

	while (taken < n && enn_queue_pop(&ctx->queue, &queued)) {
		if (enn_context_deliver(ctx, &queued, &events[taken])) {
			taken++;
		} else {
			enn_context_discard(ctx, &queued);
		}
	}
	return taken;
}

static bool turn(struct enn_context *ctx, enn_time timeout)
{
	bool alive = enn_runtime_turn(ctx->rt, timeout);

	ctx->last_turn = enn_context_now(ctx);
	return alive;
}

size_t enn_poll(struct enn_context *ctx, struct enn_taps_event *events, size_t n, enn_time timeout)
{
	enn_time until = ENN_TIME_NEVER;
	size_t taken;

	if (ctx->rt->own && enn_context_now(ctx) - ctx->last_turn > BUSY_TURN) {
		(void)turn(ctx,
			   0); /* an application that is always busy must not starve the network */
	}
	taken = take(ctx, events, n);
	if (taken > 0 || n == 0) {
		return taken;
	}
	flush(ctx);
	taken = take(ctx, events, n);
	if (taken > 0 || !ctx->rt->own) {
		return taken;
	}
	if (timeout != ENN_TIME_NEVER) {
		until = enn_context_now(ctx) + timeout;
	}
	for (;;) {
		enn_time now = enn_context_now(ctx);
		enn_time rest = until == ENN_TIME_NEVER ? ENN_TIME_NEVER
				: until > now		? until - now
							: 0;
		bool alive = turn(ctx, rest);
		taken = take(ctx, events, n);
		if (taken > 0 || rest == 0 || (!alive && ctx->marked == NULL)) {
			return taken;
		}
	}
}

/* ---- embedding ----------------------------------------------------------------------- */

enn_time enn_context_now(const struct enn_context *ctx)
{
	return enn_runtime_now(ctx->rt);
}

int enn_context_fd(const struct enn_context *ctx)
{
	return ctx->rt->own ? uv_backend_fd(ctx->rt->uv) : -1;
}

enn_time enn_context_deadline(const struct enn_context *ctx)
{
	return ctx->queue.len > 0 ? enn_context_now(ctx) : enn_runtime_deadline(ctx->rt);
}

void enn_context_step(struct enn_context *ctx)
{
	if (ctx->rt->own) {
		enn_runtime_settle(ctx->rt);
	}
}
