/* SPDX-License-Identifier: Apache-2.0
 *
 * Length-hiding padding (survey LHP): how long a record shall be.
 */
#ifndef ENN_FEATURES_PADDING_H
#define ENN_FEATURES_PADDING_H

#include <stddef.h>

/* The length to which content of len bytes is padded: the next multiple of `multiple`, but at
 * most max (the largest content that the record may have; len <= max). An empty content becomes
 * one whole multiple, so that it does not stand out. multiple 0 or 1 is no padding. */
static inline size_t enn_padded_length(size_t len, size_t multiple, size_t max)
{
	if (multiple <= 1) {
		return len;
	}
	size_t rest = len % multiple;
	size_t add = len == 0 ? multiple : rest == 0 ? 0 : multiple - rest;
	return add > max - len ? max : len + add;
}

#endif
