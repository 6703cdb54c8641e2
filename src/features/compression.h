/* SPDX-License-Identifier: Apache-2.0
 *
 * Compression of certificates (RFC 8879): bounded in memory whatever the input is.
 */
#ifndef ENN_FEATURES_COMPRESSION_H
#define ENN_FEATURES_COMPRESSION_H

#include "base/bytes.h"
#include "features/security.h"

/* RFC 8879 §7.3; the numbers of certificateCompression. */
enum enn_compression {
	ENN_COMPRESSION_NONE = 0,
	ENN_COMPRESSION_ZLIB = 1,
	ENN_COMPRESSION_BROTLI = 2,
	ENN_COMPRESSION_ZSTD = 3,
};

/* "brotli"; NULL for none and unknown ones. */
const char *enn_compression_name(uint16_t algorithm);

/* Into what malloc gives. ENN_E_MEMORY, ENN_E_UNSUPPORTED (the algorithm). */
enum enn_status enn_compress(uint16_t algorithm, struct enn_bytes in, uint8_t **out,
			     size_t *out_len);
/* Exactly out_len bytes out of exactly all of the input; anything else is ENN_E_PARSE. */
enum enn_status enn_decompress(uint16_t algorithm, struct enn_bytes in, uint8_t *out,
			       size_t out_len);

/* A credential's Certificate message in compressed form, made from `body` when it is wanted for the first
 * time: with_status tells the two forms of the message apart. Empty: compression gains too little. Lent
 * until the credential changes. */
struct enn_bytes enn_credential_compressed(struct enn_credential *c, uint16_t algorithm,
					   bool with_status, struct enn_bytes body);
/* What is remembered of that; NULL: it has to be made. */
const struct enn_compressed *enn_credential_find_compressed(const struct enn_credential *c,
							    uint16_t algorithm, bool with_status);
void enn_credential_drop_compressed(struct enn_credential *c);

#endif
