/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: allocation through the environment, and secrets.
 */
#ifndef ENN_BASE_MEM_H
#define ENN_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ennead/env.h"

/* Zeroed memory of the environment's allocator, aligned to 16; NULL if there is none. */
void *enn_alloc(const struct enn_env *env, size_t size);
/* The same aligned to `align` (a power of two up to 4096); free with enn_free_aligned. */
void *enn_alloc_aligned(const struct enn_env *env, size_t align, size_t size);
/* Returns memory without wiping it. NULL is legal. */
void enn_free(const struct enn_env *env, void *ptr, size_t size);
/* Wipes, then returns. For everything that held a secret. NULL is legal. */
void enn_free_secret(const struct enn_env *env, void *ptr, size_t size);
void enn_free_aligned_secret(const struct enn_env *env, void *ptr, size_t align, size_t size);

/* Not removed by the compiler. */
void enn_wipe(void *ptr, size_t len);
/* Constant time in the contents: only the lengths may be learned. */
bool enn_equal_secret(const void *a, const void *b, size_t len);

/* Random bytes of the environment. ENN_E_CRYPTO if the source fails. */
enum enn_status enn_random(const struct enn_env *env, uint8_t *out, size_t len);

#endif
