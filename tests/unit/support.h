/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of base and crypto share: environments, hex, a seeded generator, an allocator that
 * fails on demand.
 */
#ifndef ENN_TESTS_UNIT_SUPPORT_H
#define ENN_TESTS_UNIT_SUPPORT_H

/* cmocka wants these four before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ennead/env.h"

/* An environment of its own: counts what is allocated and can fail at the n-th allocation. */
struct test_env {
	struct enn_env env;
	size_t live_bytes;
	size_t calls;
	size_t fail_at; /* 1-based; 0: never */
	uint64_t seed;
	const uint8_t *script; /* bytes that env.random gives first */
	size_t script_len;
};

void test_env_open(struct test_env *t, enum enn_crypto_backend backend);
/* For main: the back end named by argv[1] ("libcrypto", the default, or "ipsec-mb"). One that
 * this machine lacks ends the program as a test that was skipped, and says why. */
enum enn_crypto_backend test_backend(int argc, char **argv);
/* Fails the test if memory is still allocated. */
void test_env_close(struct test_env *t);
/* env.random becomes the seeded generator, after the script if there is one. */
void test_env_seed(struct test_env *t, uint64_t seed, const uint8_t *script, size_t script_len);

/* xorshift64*: the same numbers for the same seed everywhere. */
uint64_t test_random(uint64_t *state);
void test_fill(uint64_t *state, uint8_t *out, size_t len);
/* The seed of this run: ENN_TEST_SEED, or one from the clock; printed, so that a failure can be
 * repeated. */
uint64_t test_seed(void);

/* Decodes hex, ignoring white space; returns the length. Fails the test if it does not fit. */
size_t unhex(const char *hex, uint8_t *out, size_t cap);
#define assert_hex(data, len, hex)                                                                 \
	do {                                                                                       \
		uint8_t want_[512];                                                                \
		size_t want_len_ = unhex(hex, want_, sizeof(want_));                               \
		assert_int_equal(len, want_len_);                                                  \
		assert_memory_equal(data, want_, want_len_);                                       \
	} while (0)

#endif
