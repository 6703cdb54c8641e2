/* SPDX-License-Identifier: Apache-2.0
 *
 * Marking bytes as secret or public for memcheck; no effect outside of it.
 */
#ifndef ENN_TESTS_CT_WRAP_H
#define ENN_TESTS_CT_WRAP_H

#include <stdbool.h>
#include <stddef.h>

void ct_secret(const void *p, size_t len);
void ct_public(const void *p, size_t len);
/* True if any of the bytes is marked. Always false outside of memcheck. */
bool ct_is_secret(const void *p, size_t len);
/* True while the library draws a private key from the environment's random source. */
bool ct_drawing_keys(void);

#endif
