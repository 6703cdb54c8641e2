/* SPDX-License-Identifier: Apache-2.0
 *
 * Summing, 32 bytes a step in four sums that do not wait for each other.
 */
#include "base/checksum.h"

/* Adds w and the carry of that: the end-around carry of RFC 1071 with 64-bit words. */
static inline uint64_t add(uint64_t sum, uint64_t w)
{
	sum += w;
	return sum + (sum < w);
}

static inline uint64_t load(const uint8_t *at)
{
	uint64_t w;

	memcpy(&w, at, sizeof(w));
	return w;
}

static inline void store(uint8_t *at, uint64_t w)
{
	memcpy(at, &w, sizeof(w));
}

/* Fewer than eight bytes, as if zeros followed. */
static inline uint64_t load_few(const uint8_t *at, size_t len)
{
	uint64_t w = 0;

	memcpy(&w, at, len);
	return w;
}

/* With `to` a constant NULL or not, the compiler makes the two functions of this. */
static inline uint64_t sum_up(uint8_t *restrict to, const uint8_t *restrict from, size_t len,
			      uint64_t sum)
{
	uint64_t b = 0, c = 0, d = 0;
	size_t i = 0;

	for (; i + 32 <= len; i += 32) {
		uint64_t w[4] = {load(from + i), load(from + i + 8), load(from + i + 16),
				 load(from + i + 24)};
		if (to != NULL) {
			store(to + i, w[0]);
			store(to + i + 8, w[1]);
			store(to + i + 16, w[2]);
			store(to + i + 24, w[3]);
		}
		sum = add(sum, w[0]);
		b = add(b, w[1]);
		c = add(c, w[2]);
		d = add(d, w[3]);
	}
	for (; i + 8 <= len; i += 8) {
		uint64_t w = load(from + i);
		if (to != NULL) {
			store(to + i, w);
		}
		sum = add(sum, w);
	}
	if (i < len) {
		uint64_t w = load_few(from + i, len - i);
		if (to != NULL) {
			memcpy(to + i, from + i, len - i);
		}
		sum = add(sum, w);
	}
	return add(add(sum, b), add(c, d));
}

uint64_t enn_checksum_add(const uint8_t *data, size_t len, uint64_t sum)
{
	return sum_up(NULL, data, len, sum);
}

uint64_t enn_checksum_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t len,
			   uint64_t sum)
{
	return sum_up(to, from, len, sum);
}
