/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation through the environment, wiping, constant-time compare, randomness.
 */
#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

void *enn_alloc(const struct enn_env *env, size_t size)
{
	if (size == 0) {
		size = 1;
	}
	if (env->alloc == NULL) {
		return calloc(1, size);
	}
	void *ptr = env->alloc(env->alloc_ctx, size);
	if (ptr != NULL) {
		memset(ptr, 0, size);
	}
	return ptr;
}

void enn_free(const struct enn_env *env, void *ptr, size_t size)
{
	if (ptr == NULL) {
		return;
	}
	if (env->alloc == NULL) {
		free(ptr);
	} else {
		env->free(env->alloc_ctx, ptr, size == 0 ? 1 : size);
	}
}

void enn_free_secret(const struct enn_env *env, void *ptr, size_t size)
{
	if (ptr != NULL) {
		enn_wipe(ptr, size);
		enn_free(env, ptr, size);
	}
}

/* The environment's allocator aligns to 16, so between its block and the aligned address lie at
 * least 16 bytes when the block is larger by `align`: the block's own address is kept there. */
void *enn_alloc_aligned(const struct enn_env *env, size_t align, size_t size)
{
	if (align < 16) {
		align = 16;
	}
	if (size > SIZE_MAX - align) {
		return NULL;
	}
	uint8_t *block = enn_alloc(env, size + align);
	if (block == NULL) {
		return NULL;
	}
	uint8_t *at = block + (align - ((uintptr_t)block & (align - 1)));
	memcpy(at - sizeof(block), &block, sizeof(block));
	return at;
}

void enn_free_aligned_secret(const struct enn_env *env, void *ptr, size_t align, size_t size)
{
	uint8_t *block;

	if (ptr == NULL) {
		return;
	}
	if (align < 16) {
		align = 16;
	}
	memcpy(&block, (uint8_t *)ptr - sizeof(block), sizeof(block));
	enn_free_secret(env, block, size + align);
}

void enn_wipe(void *ptr, size_t len)
{
	if (len > 0) { /* the pointer may be NULL then */
		explicit_bzero(ptr, len);
	}
}

bool enn_equal_secret(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

enum enn_status enn_random(const struct enn_env *env, uint8_t *out, size_t len)
{
	if (env->random != NULL) {
		return env->random(env->random_ctx, out, len) == 0 ? ENN_OK : ENN_E_CRYPTO;
	}
	while (len > 0) {
		int n = len > 65536 ? 65536 : (int)len;
		if (RAND_bytes(out, n) != 1) {
			return ENN_E_CRYPTO;
		}
		out += n;
		len -= (size_t)n;
	}
	return ENN_OK;
}
