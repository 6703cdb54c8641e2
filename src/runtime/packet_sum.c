/* SPDX-License-Identifier: Apache-2.0
 *
 * The Internet checksum, eight bytes at a time: words are summed in the machine's order, which
 * gives the same sum with its bytes swapped (RFC 1071 §2).
 */
#include <string.h>

#include "runtime/packet_offload.h"

uint16_t enn_sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t to_network(uint16_t x)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint16_t)(x << 8 | x >> 8);
#else
	return x;
#endif
}

/* 32-bit halves into 64-bit sums: no carry is lost below 2^32 words. Four sums, so that the
 * additions do not wait for each other. */
static inline uint64_t run(uint8_t *to, const uint8_t *from, size_t len, bool copy)
{
	uint64_t sums[4] = {0, 0, 0, 0};

	while (len >= 32) {
		uint64_t w[4];
		memcpy(w, from, sizeof(w));
		if (copy) {
			memcpy(to, w, sizeof(w));
			to += 32;
		}
		for (int i = 0; i < 4; i++) {
			sums[i] += (w[i] & 0xffffffff) + (w[i] >> 32);
		}
		from += 32;
		len -= 32;
	}
	while (len > 0) {
		uint64_t w = 0;
		size_t n = len < 8 ? len : 8;
		memcpy(&w, from, n);
		if (copy) {
			memcpy(to, &w, n);
			to += n;
		}
		sums[0] += (w & 0xffffffff) + (w >> 32);
		from += n;
		len -= n;
	}
	return sums[0] + sums[1] + sums[2] + sums[3];
}

uint64_t enn_sum(const uint8_t *data, size_t len, uint64_t sum)
{
	return sum + to_network(enn_sum_fold(run(NULL, data, len, false)));
}

uint64_t enn_sum_copy(uint8_t *to, const uint8_t *from, size_t len, uint64_t sum)
{
	return sum + to_network(enn_sum_fold(run(to, from, len, true)));
}
