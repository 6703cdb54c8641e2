/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools of large buffers with reference counts.
 */
#include "runtime/pool.h"

#include <stdlib.h>

#include "base/mem.h"

void *enn_alloc_raw(const struct enn_env *env, size_t size)
{
	return env->alloc != NULL ? env->alloc(env->alloc_ctx, size) : malloc(size);
}

void enn_free_raw(const struct enn_env *env, void *ptr, size_t size)
{
	if (ptr == NULL) {
		return;
	}
	if (env->alloc != NULL) {
		env->free(env->alloc_ctx, ptr, size);
	} else {
		free(ptr);
	}
}

void enn_pool_init(struct enn_pool *pool, const struct enn_env *env, size_t size, size_t idle_max,
		   enn_block_account account, void *ctx)
{
	*pool = (struct enn_pool){
		.env = env, .size = size, .idle_max = idle_max, .account = account, .ctx = ctx};
}

/* Application data has been in it: wiped before the memory leaves the pool. */
static void free_block(struct enn_block *block)
{
	struct enn_pool *pool = block->pool;
	size_t size = sizeof(*block) + block->cap;

	pool->bytes -= block->cap;
	enn_wipe(block->data, block->cap);
	enn_free_raw(pool->env, block, size);
}

void enn_pool_clear(struct enn_pool *pool)
{
	while (pool->idle != NULL) {
		struct enn_block *block = pool->idle;
		pool->idle = block->next;
		free_block(block);
	}
	pool->idle_count = 0;
}

static struct enn_block *make_block(struct enn_pool *pool, size_t cap)
{
	struct enn_block *block = NULL;

	if (cap <= SIZE_MAX - sizeof(*block)) {
		block = enn_alloc_raw(pool->env, sizeof(*block) + cap);
	}
	if (block != NULL) {
		*block = (struct enn_block){.pool = pool, .cap = cap};
		pool->bytes += cap;
	}
	return block;
}

void enn_block_charge(struct enn_block *block, uint64_t owner)
{
	block->owner = owner;
	if (owner != 0 && block->pool->account != NULL) {
		block->pool->account(block->pool->ctx, owner, block->cap, true);
	}
}

static struct enn_block *hand_out(struct enn_pool *pool, struct enn_block *block, uint64_t owner)
{
	if (block != NULL) {
		block->refs = 1;
		block->used = 0;
		block->next = NULL;
		pool->blocks++;
		enn_block_charge(block, owner);
	}
	return block;
}

struct enn_block *enn_block_new(struct enn_pool *pool, uint64_t owner)
{
	struct enn_block *block = pool->idle;

	if (block != NULL) {
		pool->idle = block->next;
		pool->idle_count--;
	} else {
		block = make_block(pool, pool->size);
		if (block != NULL) {
			block->pooled = true;
		}
	}
	return hand_out(pool, block, owner);
}

struct enn_block *enn_block_new_sized(struct enn_pool *pool, uint64_t owner, size_t cap)
{
	return hand_out(pool, make_block(pool, cap), owner);
}

struct enn_block *enn_block_ref(struct enn_block *block)
{
	block->refs++;
	return block;
}

void enn_block_keep(struct enn_block **at)
{
	struct enn_block *block = *at;

	if (block == NULL) {
		return;
	}
	if (block->refs == 1) {
		*at = NULL;
		enn_block_release(block);
	} else {
		block->keeper = at;
	}
}

void enn_block_use(struct enn_block **at)
{
	if (*at != NULL) {
		(*at)->keeper = NULL;
	}
}

void enn_block_release(struct enn_block *block)
{
	if (block == NULL) {
		return;
	}
	if (--block->refs == 1 && block->keeper != NULL) {
		*block->keeper = NULL;
		block->keeper = NULL;
		block->refs = 0;
	}
	if (block->refs > 0) {
		return;
	}
	struct enn_pool *pool = block->pool;
	uint64_t owner = block->owner;
	size_t cap = block->cap;

	pool->blocks--;
	if (block->pooled && pool->idle_count < pool->idle_max) {
		block->next = pool->idle;
		pool->idle = block;
		pool->idle_count++;
	} else {
		free_block(block);
	}
	if (owner != 0 && pool->account != NULL) {
		pool->account(pool->ctx, owner, cap, false);
	}
}
