/* SPDX-License-Identifier: Apache-2.0
 *
 * Work on libuv's thread pool. It counts as a look-up does: the runtime's own loop is not gone
 * before it is done.
 */
#include "runtime/work.h"

#include "base/mem.h"

struct enn_work {
	uv_work_t request;
	struct enn_runtime *rt;
	const struct enn_work_ops *ops;
	void *task;
};

static void on_run(uv_work_t *request)
{
	struct enn_work *work = request->data;

	work->ops->run(work->task);
}

static void on_done(uv_work_t *request, int status)
{
	struct enn_work *work = request->data;
	struct enn_runtime *rt = work->rt;

	work->ops->done(rt, work->task, status == 0);
	enn_free(&rt->env, work, sizeof(*work));
	enn_runtime_lookup_done(rt);
}

enum enn_status enn_work_start(struct enn_runtime *rt, const struct enn_work_ops *ops, void *task,
			       struct enn_work **out)
{
	struct enn_work *work = enn_alloc(&rt->env, sizeof(*work));

	if (work == NULL) {
		return ENN_E_MEMORY;
	}
	work->rt = rt;
	work->ops = ops;
	work->task = task;
	work->request.data = work;
	if (uv_queue_work(rt->uv, &work->request, on_run, on_done) != 0) {
		enn_free(&rt->env, work, sizeof(*work));
		return ENN_E_SYSTEM;
	}
	rt->lookups++;
	*out = work;
	return ENN_OK;
}

void enn_work_cancel(struct enn_work *work)
{
	if (work != NULL) {
		(void)uv_cancel((uv_req_t *)&work->request);
	}
}
