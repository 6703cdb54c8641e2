/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials that sign elsewhere: the signature is made on a worker thread, and the
 * application is not asked.
 */
#include <string.h>

#include "base/mem.h"
#include "features/security.h"
#include "taps/internal.h"

struct enn_signing {
	struct enn_attempt *attempt; /* NULL: it is gone, nobody waits */
	struct enn_work *work;
	struct enn_credential *credential;
	enum enn_status status;
	uint16_t scheme;
	uint8_t signature[ENN_MAX_SIGNATURE];
	size_t signature_len;
	size_t input_len;
	uint8_t input[];
};

static void run(void *task)
{
	struct enn_signing *s = task;

	s->signature_len = sizeof(s->signature);
	s->status = enn_credential_sign(s->credential, s->scheme, s->input, s->input_len,
					s->signature, &s->signature_len);
}

static void free_signing(const struct enn_env *env, struct enn_signing *s)
{
	enn_credential_free(s->credential);
	enn_free(env, s, sizeof(*s) + s->input_len);
}

static void done(struct enn_runtime *rt, void *task, bool ran)
{
	struct enn_signing *s = task;
	struct enn_attempt *a = s->attempt;

	if (a != NULL) {
		bool good = ran && s->status == ENN_OK && s->signature_len <= sizeof(s->signature);
		struct enn_answer answer = {.type = ENN_ANSWER_SIGNATURE,
					    .accept = good,
					    .data = s->signature,
					    .len = good ? s->signature_len : 0};
		a->signing = NULL;
		/* ENN_E_STATE: the handshake ended meanwhile, which its own event tells. */
		(void)!enn_engine_answer(enn_driver_engine(a->driver),
					 enn_context_now(a->conn->ctx), &answer);
		a->answered = true;
		enn_conn_wake(a->conn);
	}
	free_signing(&rt->env, s);
}

enum enn_status enn_attempt_sign(struct enn_attempt *a, const struct enn_event *event)
{
	static const struct enn_work_ops ops = {.run = run, .done = done};
	struct enn_runtime *rt = a->conn->ctx->rt;
	struct enn_signing *s = enn_alloc(&rt->env, sizeof(*s) + event->u.sign.input_len);

	if (s == NULL) {
		return ENN_E_MEMORY;
	}
	s->attempt = a;
	s->credential = enn_credential_ref(event->u.sign.credential);
	s->scheme = event->u.sign.scheme;
	s->input_len = event->u.sign.input_len;
	memcpy(s->input, event->u.sign.input, s->input_len);
	enum enn_status status = enn_work_start(rt, &ops, s, &s->work);
	if (status != ENN_OK) {
		free_signing(&rt->env, s);
		return status;
	}
	a->signing = s;
	return ENN_OK;
}

void enn_attempt_stop_signing(struct enn_attempt *a)
{
	if (a->signing != NULL) {
		a->signing->attempt = NULL;
		enn_work_cancel(a->signing->work);
		a->signing = NULL;
	}
}
