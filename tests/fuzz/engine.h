/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine in every state: the input is a little program that drives a real pair to some state
 * and then feeds one side changed, invented or well-sealed nonsense.
 */
#ifndef ENN_TESTS_FUZZ_ENGINE_H
#define ENN_TESTS_FUZZ_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void fuzz_engine(bool server, const uint8_t *data, size_t size);

#endif
