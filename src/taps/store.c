/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in a store that is elsewhere: what an engine wants of it goes there and comes back
 * without the application. A store that fails says no, and the handshake is a full one.
 */
#include "features/security.h"
#include "runtime/redis_store.h"
#include "taps/internal.h"

static void give(struct enn_attempt *a, const struct enn_store_reply *reply)
{
	struct enn_answer answer = {.type = ENN_ANSWER_STORE,
				    .accept = reply->accept,
				    .data = reply->data,
				    .len = reply->len,
				    .since = reply->since};

	/* ENN_E_STATE: the handshake ended meanwhile, which its own event tells. */
	(void)!enn_engine_answer(enn_driver_engine(a->driver), enn_context_now(a->conn->ctx),
				 &answer);
	a->answered = true;
	enn_conn_wake(a->conn);
}

static void done(void *owner, const struct enn_store_reply *reply)
{
	struct enn_attempt *a = owner;

	a->asking = NULL;
	give(a, reply);
}

void enn_attempt_ask_store(struct enn_attempt *a, const struct enn_event *event)
{
	static const struct enn_store_reply no;
	void *ctx;
	const struct enn_store_backend *backend =
		enn_session_store_backend(a->conn->config->security->store, &ctx);
	enum enn_store_op op =
		event->type == ENN_EVENT_SESSION_TAKE ? ENN_STORE_TAKE : ENN_STORE_CLAIM;

	if (backend != NULL) {
		a->asking = backend->ask(ctx, a->conn->ctx->rt, op, event->u.store.key,
					 event->u.store.key_len, event->u.store.expires, done, a);
	}
	if (a->asking == NULL) {
		give(a, &no);
	}
}

void enn_attempt_stop_asking(struct enn_attempt *a)
{
	void *ctx;

	if (a->asking != NULL) {
		enn_session_store_backend(a->conn->config->security->store, &ctx)
			->cancel(a->asking);
		a->asking = NULL;
	}
}

void enn_attempt_put(struct enn_attempt *a, const struct enn_event *event)
{
	void *ctx;
	const struct enn_store_backend *backend =
		enn_session_store_backend(a->conn->config->security->store, &ctx);

	if (backend != NULL) {
		backend->put(ctx, a->conn->ctx->rt, event->u.store.key, event->u.store.key_len,
			     event->u.store.value, event->u.store.value_len,
			     event->u.store.expires);
	}
}

enum enn_status enn_context_redis_store(struct enn_context *context,
					const struct enn_redis_options *options,
					struct enn_session_store **out, struct enn_error *error)
{
	if (context == NULL || options == NULL || out == NULL) {
		return ENN_E_ARGUMENT;
	}
	return enn_redis_store_new(context->rt, options, out, error);
}
