/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking for bytes that must not be seen.
 */
#include "scan.h"

#include <stdbool.h>
#include <string.h>

static uint32_t slot(uint64_t word)
{
	return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 49);
}

void sim_scan_clear(struct sim_scan *scan)
{
	memset(scan->bloom, 0, sizeof(scan->bloom));
	scan->count = 0;
}

/* Eight bytes of which at least five differ from their neighbours are no accident elsewhere. */
static bool telling(const uint8_t *p)
{
	int changes = 0;

	for (int i = 1; i < 8; i++) {
		changes += p[i] != p[i - 1];
	}
	return changes >= 5;
}

void sim_scan_add(struct sim_scan *scan, const uint8_t *needle, size_t len, const char *what)
{
	for (size_t at = 0; at + 8 <= len && scan->count < SIM_SCAN_WORDS; at += 8) {
		uint64_t word;
		if (!telling(needle + at)) {
			continue;
		}
		memcpy(&word, needle + at, sizeof(word));
		uint32_t bit = slot(word);
		scan->bloom[bit >> 6] |= UINT64_C(1) << (bit & 63);
		scan->word[scan->count++] = (struct sim_scan_word){word, what};
	}
}

static const char *look_up(const struct sim_scan *scan, uint64_t word)
{
	for (size_t i = 0; i < scan->count; i++) {
		if (scan->word[i].word == word) {
			return scan->word[i].what;
		}
	}
	return NULL;
}

const char *sim_scan_find(const struct sim_scan *scan, const uint8_t *hay, size_t len)
{
	for (size_t at = 0; at + 8 <= len; at++) {
		uint64_t word;
		memcpy(&word, hay + at, sizeof(word));
		uint32_t bit = slot(word);
		if (scan->bloom[bit >> 6] >> (bit & 63) & 1) {
			const char *what = look_up(scan, word);
			if (what != NULL) {
				return what;
			}
		}
	}
	return NULL;
}
