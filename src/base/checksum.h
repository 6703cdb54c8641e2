/* SPDX-License-Identifier: Apache-2.0
 *
 * The Internet checksum (RFC 1071). Sums are kept unfolded, in the machine's byte order: the ones'
 * complement sum does not care (RFC 1071 §2 B), only its result is stored as it is.
 */
#ifndef ENN_BASE_CHECKSUM_H
#define ENN_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds len bytes to a sum. Pieces before the last must have an even length. */
uint64_t enn_checksum_add(const uint8_t *data, size_t len, uint64_t sum);
/* The same while copying them. The areas do not overlap. */
uint64_t enn_checksum_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t len,
			   uint64_t sum);

/* Two sums as one. */
static inline uint64_t enn_checksum_join(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

/* The 16 bits that a sum comes to, not yet complemented. */
static inline uint16_t enn_checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Puts 16 bits of a sum where a header has its checksum. */
static inline void enn_checksum_store(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

#endif
