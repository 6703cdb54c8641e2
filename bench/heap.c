/* SPDX-License-Identifier: Apache-2.0
 *
 * A malloc family that counts, for the whole process: Ennead, libssl, libcrypto and
 * libipsec-mb alike, since the program's own symbols come before the C library's.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "bench.h"

#define HEADER	8				       /* glibc's, in front of each block */
#define FOR_ALL __attribute__((visibility("default"))) /* or the shared libraries keep glibc's */

/* glibc's own entry points. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *ptr);

static struct bench_heap *account;

void bench_heap_count(struct bench_heap *to)
{
	account = to;
}

static void *came(void *ptr)
{
	if (account != NULL && ptr != NULL) {
		account->calls++;
		account->bytes += (int64_t)(malloc_usable_size(ptr) + HEADER);
	}
	return ptr;
}

static void goes(void *ptr)
{
	if (account != NULL && ptr != NULL) {
		account->bytes -= (int64_t)(malloc_usable_size(ptr) + HEADER);
	}
}

FOR_ALL void *malloc(size_t size)
{
	return came(__libc_malloc(size));
}

FOR_ALL void *calloc(size_t count, size_t size)
{
	return came(__libc_calloc(count, size));
}

FOR_ALL void *realloc(void *ptr, size_t size)
{
	goes(ptr);
	return came(__libc_realloc(ptr, size));
}

FOR_ALL void *memalign(size_t align, size_t size)
{
	return came(__libc_memalign(align, size));
}

FOR_ALL void *aligned_alloc(size_t align, size_t size)
{
	return came(__libc_memalign(align, size));
}

FOR_ALL int posix_memalign(void **out, size_t align, size_t size)
{
	void *ptr = came(__libc_memalign(align, size));
	if (ptr == NULL) {
		return ENOMEM;
	}
	*out = ptr;
	return 0;
}

FOR_ALL void free(void *ptr)
{
	goes(ptr);
	__libc_free(ptr);
}
