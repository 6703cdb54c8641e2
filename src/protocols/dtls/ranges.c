/* SPDX-License-Identifier: Apache-2.0
 *
 * A few ranges of bytes, in order and apart.
 */
#include <string.h>

#include "protocols/dtls/internal.h"

bool enn_dtls_ranges_add(struct enn_dtls_ranges *s, uint32_t from, uint32_t to)
{
	uint8_t first = 0;
	uint8_t last;

	if (from >= to) {
		return true;
	}
	while (first < s->count && s->r[first].to < from) {
		first++;
	}
	/* [first, last) touch the new one and become part of it. */
	for (last = first; last < s->count && s->r[last].from <= to; last++) {
		from = s->r[last].from < from ? s->r[last].from : from;
		to = s->r[last].to > to ? s->r[last].to : to;
	}
	if (last == first && s->count == ENN_DTLS_RANGES) {
		return false;
	}
	memmove(&s->r[first + 1], &s->r[last], (size_t)(s->count - last) * sizeof(s->r[0]));
	s->count = (uint8_t)(s->count - (last - first) + 1);
	s->r[first] = (struct enn_dtls_range){from, to};
	return true;
}

bool enn_dtls_ranges_cover(const struct enn_dtls_ranges *s, uint32_t from, uint32_t to)
{
	for (uint8_t i = 0; i < s->count; i++) {
		if (s->r[i].from <= from && to <= s->r[i].to) {
			return true;
		}
	}
	return from >= to;
}

bool enn_dtls_ranges_gap(const struct enn_dtls_ranges *s, uint32_t at, uint32_t end, uint32_t *from,
			 uint32_t *to)
{
	for (uint8_t i = 0; i < s->count && s->r[i].from <= at; i++) {
		at = s->r[i].to > at ? s->r[i].to : at;
	}
	*from = at;
	*to = end;
	for (uint8_t i = 0; i < s->count; i++) {
		if (s->r[i].from > at && s->r[i].from < *to) {
			*to = s->r[i].from;
		}
	}
	return at < end;
}
