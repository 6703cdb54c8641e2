/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools of large buffers with reference counts. A read buffer is filled from the
 * socket, decrypted in place and lent to the application; it returns to its pool
 * when the last reference goes. Nothing is copied on that way.
 */
#ifndef ENN_RUNTIME_POOL_H
#define ENN_RUNTIME_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/env.h"

struct enn_pool;

struct enn_block {
	struct enn_pool *pool;
	struct enn_block *next; /* while idle */
	uint64_t owner;		/* whose account it is on; 0: nobody's */
	size_t cap;
	size_t used; /* bytes at the start that hold something */
	uint32_t refs;
	bool pooled; /* of the pool's size: kept for the next */
	/* Where a last reference lies that is to go when all others are gone, see
	 * enn_block_keep. */
	struct enn_block **keeper;
	uint8_t data[];
};

/* Told when a block of `cap` bytes is taken for an owner, and when it came back. */
typedef void (*enn_block_account)(void *ctx, uint64_t owner, size_t cap, bool taken);

struct enn_pool {
	const struct enn_env *env;
	enn_block_account account;
	void *ctx;
	size_t size;
	size_t idle_max;
	struct enn_block *idle;
	size_t idle_count;
	size_t blocks; /* in use */
	size_t bytes;  /* in use and idle */
};

void enn_pool_init(struct enn_pool *pool, const struct enn_env *env, size_t size, size_t idle_max,
		   enn_block_account account, void *ctx);
/* Frees the idle blocks; none may be in use. */
void enn_pool_clear(struct enn_pool *pool);

/* An empty block with one reference; its content is undefined. NULL: out of memory. */
struct enn_block *enn_block_new(struct enn_pool *pool, uint64_t owner);
/* The same of another size, which is not kept when it comes back. */
struct enn_block *enn_block_new_sized(struct enn_pool *pool, uint64_t owner, size_t cap);
/* Puts a block that is nobody's on somebody's account. */
void enn_block_charge(struct enn_block *block, uint64_t owner);
struct enn_block *enn_block_ref(struct enn_block *block);
void enn_block_release(struct enn_block *block); /* NULL is legal */

/* *at holds a reference only for as long as somebody else does: it becomes NULL with the last of
 * the others, or now. So what is kept to be filled further is never kept for nothing. */
void enn_block_keep(struct enn_block **at);
/* The reference in *at counts like any other again, if there is one. */
void enn_block_use(struct enn_block **at);

static inline size_t enn_block_left(const struct enn_block *block)
{
	return block->cap - block->used;
}
static inline bool enn_block_holds(const struct enn_block *block, const uint8_t *data)
{
	return block != NULL && data >= block->data && data < block->data + block->cap;
}

/* Memory of the environment that is not zeroed, for large buffers. */
void *enn_alloc_raw(const struct enn_env *env, size_t size);
void enn_free_raw(const struct enn_env *env, void *ptr, size_t size);

#endif
