/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share. A target is one function; libFuzzer calls it (-Dfuzz=true), or
 * replay.c with every file of the corpus, so that what was once found stays found.
 */
#ifndef ENN_TESTS_FUZZ_FUZZ_H
#define ENN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ennead/env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A condition that must hold whatever the input is. */
#define FUZZ_ASSERT(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The environment: seeded randomness that starts anew for each input, a bound on memory. */
struct enn_env *fuzz_env(void);
void fuzz_env_reset(void);
size_t fuzz_env_allocated(void);

/* An Ed25519 certificate for "localhost" that is its own authority, as PEM. */
const char *fuzz_cert_pem(void);
const char *fuzz_key_pem(void);

#endif
