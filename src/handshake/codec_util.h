/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the parsers only.
 */
#ifndef ENN_HANDSHAKE_CODEC_UTIL_H
#define ENN_HANDSHAKE_CODEC_UTIL_H

#include "handshake/codec.h"

/* The types seen in one extension list: a bit for each of the 2^16, however many a peer sends. */
struct enn_extension_set {
	uint64_t bits[(1u << 16) / 64];
};

/* Fills *fault and returns false. */
bool enn_codec_fault(struct enn_fault *fault, uint8_t alert, const char *where, const char *what);

/* Takes the next extension off a non-empty list, refusing one that was there already. */
bool enn_codec_next_extension(struct enn_reader *list, struct enn_extension_set *seen,
			      uint16_t *type, struct enn_reader *data, const char *where,
			      struct enn_fault *fault);

/* certificate_authorities: checked, and the list without its length. */
bool enn_codec_authorities(struct enn_reader *data, struct enn_bytes *out);

#endif
