/* SPDX-License-Identifier: Apache-2.0
 *
 * Work that may block, on libuv's thread pool.
 */
#ifndef ENN_RUNTIME_WORK_H
#define ENN_RUNTIME_WORK_H

#include "runtime/runtime.h"

struct enn_work;

/* run is called on a thread of the pool, or not at all if the work was cancelled while it waited for
 * one. Then done is called on the loop's thread, exactly once, also when the context is being freed:
 * ran says whether run was called. The handle is gone by then. */
struct enn_work_ops {
	void (*run)(void *task);
	void (*done)(struct enn_runtime *rt, void *task, bool ran);
};

enum enn_status enn_work_start(struct enn_runtime *rt, const struct enn_work_ops *ops, void *task,
			       struct enn_work **out);
/* Only what waits for a thread can be cancelled; done is called all the same, later. */
void enn_work_cancel(struct enn_work *work);

#endif
