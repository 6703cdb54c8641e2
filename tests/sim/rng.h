/* SPDX-License-Identifier: Apache-2.0
 *
 * The only randomness of a simulated run: xoshiro256** seeded through splitmix64.
 * Each consumer has a stream of its own, so that one more draw in one place
 * does not change what happens in another.
 */
#ifndef ENN_TESTS_SIM_RNG_H
#define ENN_TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_rng {
	uint64_t s[4];
};

/* The same seed and stream give the same numbers on every machine. */
void sim_rng_seed(struct sim_rng *r, uint64_t seed, uint64_t stream);
uint64_t sim_rng_u64(struct sim_rng *r);
/* 0 … n - 1; n > 0. */
uint64_t sim_rng_below(struct sim_rng *r, uint64_t n);
/* low … high, both included. */
uint64_t sim_rng_range(struct sim_rng *r, uint64_t low, uint64_t high);
/* True in `percent` of 100 cases. */
bool sim_rng_chance(struct sim_rng *r, unsigned percent);
/* low … high with small values as likely as large ones: uniform in the number of bits. */
uint64_t sim_rng_size(struct sim_rng *r, uint64_t low, uint64_t high);
void sim_rng_fill(struct sim_rng *r, uint8_t *out, size_t len);

/* Makes libcrypto's own generator (ECDSA nonces, PSS salts, key generation) a stream of this kind, for the
 * whole process, and starts it again from seed. */
void sim_rng_libcrypto(uint64_t seed);

#endif
