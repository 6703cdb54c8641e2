/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking for bytes that must not be seen: secrets and plaintext in what is
 * transmitted, secrets in memory that is given back.
 *
 * Every aligned 8-byte word of a needle is remembered, so a run of 15 bytes of it, at any offset, is
 * found in one pass over the haystack.
 */
#ifndef ENN_TESTS_SIM_SCAN_H
#define ENN_TESTS_SIM_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define SIM_SCAN_WORDS 1024u

struct sim_scan_word {
	uint64_t word;
	const char *what;
};

struct sim_scan {
	uint64_t bloom[512]; /* 2^15 bits by the word's hash */
	struct sim_scan_word word[SIM_SCAN_WORDS];
	size_t count;
};

void sim_scan_clear(struct sim_scan *scan);
/* what is static text. Words of little content (zeros, say) are not taken. */
void sim_scan_add(struct sim_scan *scan, const uint8_t *needle, size_t len, const char *what);
/* What was found first, or NULL. */
const char *sim_scan_find(const struct sim_scan *scan, const uint8_t *hay, size_t len);

#endif
