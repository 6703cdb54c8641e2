/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets by source address: an IPv4 address, or an IPv6 network of 64
 * bits, has one. Bounded: when all places are taken, strangers are refused
 * until the oldest buckets are full again.
 */
#ifndef ENN_FEATURES_RATE_LIMIT_H
#define ENN_FEATURES_RATE_LIMIT_H

#include <stdbool.h>

#include "base/mem.h"
#include "ennead/engine.h"

struct enn_rate_limit;

struct enn_rate_policy {
	uint32_t per_second; /* 0: nothing is allowed */
	uint32_t burst;
	uint32_t places; /* addresses that are remembered at a time */
};

/* seed: 16 random bytes that key the hash of addresses, so that nobody chooses collisions. Takes memory
 * for its buckets as addresses come, and gives it back when they are full again. NULL: out of
 * memory. */
struct enn_rate_limit *enn_rate_limit_new(const struct enn_env *env,
					  const struct enn_rate_policy *policy,
					  const uint8_t seed[16]);
void enn_rate_limit_free(struct enn_rate_limit *r);
/* Takes a token of the address. False: it has none. */
bool enn_rate_limit_take(struct enn_rate_limit *r, enn_time now, const struct enn_address *address);

#endif
