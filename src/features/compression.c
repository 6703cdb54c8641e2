/* SPDX-License-Identifier: Apache-2.0
 *
 * zlib, Brotli and Zstandard, each by its own library, for messages of a few kilobytes that are
 * compressed once and decompressed from anybody.
 */
#include "features/compression.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Compressed once for many handshakes: more effort than usual, but not the last percent. */
#define ZLIB_LEVEL     9
#define BROTLI_QUALITY 9
#define ZSTD_LEVEL     12

/* What a Brotli stream may make its decoder allocate: the window is the sender's choice, up to 16 MiB. */
#define BROTLI_MEMORY (2u << 20)

/* Compression costs both sides time; it is worth it when it saves so much. */
#define LEAST_SAVING 128u

const char *enn_compression_name(uint16_t algorithm)
{
	static const char *const names[] = {NULL, "zlib", "brotli", "zstd"};

	return algorithm < sizeof(names) / sizeof(names[0]) ? names[algorithm] : NULL;
}

/* ---- compressing -------------------------------------------------------------------------------- */

static size_t bound_of(uint16_t algorithm, size_t len)
{
	switch (algorithm) {
	case ENN_COMPRESSION_ZLIB:
		return compressBound(len);
	case ENN_COMPRESSION_BROTLI:
		return BrotliEncoderMaxCompressedSize(len);
	case ENN_COMPRESSION_ZSTD:
		return ZSTD_compressBound(len);
	default:
		return 0;
	}
}

static bool compress_into(uint16_t algorithm, struct enn_bytes in, uint8_t *out, size_t *len)
{
	if (algorithm == ENN_COMPRESSION_ZLIB) {
		uLongf n = *len;
		bool good = compress2(out, &n, in.data, in.len, ZLIB_LEVEL) == Z_OK;
		*len = n;
		return good;
	}
	if (algorithm == ENN_COMPRESSION_BROTLI) {
		return BrotliEncoderCompress(BROTLI_QUALITY, BROTLI_DEFAULT_WINDOW,
					     BROTLI_MODE_GENERIC, in.len, in.data, len,
					     out) == BROTLI_TRUE;
	}
	*len = ZSTD_compress(out, *len, in.data, in.len, ZSTD_LEVEL);
	return ZSTD_isError(*len) == 0;
}

enum enn_status enn_compress(uint16_t algorithm, struct enn_bytes in, uint8_t **out,
			     size_t *out_len)
{
	size_t len = bound_of(algorithm, in.len);

	*out = NULL;
	if (len == 0) {
		return ENN_E_UNSUPPORTED;
	}
	uint8_t *room = malloc(len);
	if (room == NULL || !compress_into(algorithm, in, room, &len)) {
		free(room);
		return ENN_E_MEMORY; /* there is room for everything: nothing else can fail */
	}
	*out = room;
	*out_len = len;
	return ENN_OK;
}

/* ---- decompressing ------------------------------------------------------------------------------ */

static bool inflate_exactly(struct enn_bytes in, uint8_t *out, size_t out_len)
{
	uLongf n = out_len;
	uLong used = in.len;

	return uncompress2(out, &n, in.data, &used) == Z_OK && n == out_len && used == in.len;
}

struct budget {
	size_t left;
};

static void *budget_alloc(void *ctx, size_t size)
{
	struct budget *b = ctx;

	if (size > b->left) {
		return NULL;
	}
	b->left -= size;
	return malloc(size);
}

static void budget_free(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

static bool brotli_exactly(struct enn_bytes in, uint8_t *out, size_t out_len)
{
	struct budget budget = {BROTLI_MEMORY};
	BrotliDecoderState *state = BrotliDecoderCreateInstance(budget_alloc, budget_free, &budget);
	size_t in_left = in.len;
	size_t out_left = out_len;
	const uint8_t *from = in.data;
	uint8_t *to = out;
	bool good = false;

	if (state != NULL) {
		good = BrotliDecoderDecompressStream(state, &in_left, &from, &out_left, &to,
						     NULL) == BROTLI_DECODER_RESULT_SUCCESS &&
		       in_left == 0 && out_left == 0;
		BrotliDecoderDestroyInstance(state);
	}
	return good;
}

/* In one call Zstandard decodes straight into the result and needs no window besides. */
static bool zstd_exactly(struct enn_bytes in, uint8_t *out, size_t out_len)
{
	return ZSTD_decompress(out, out_len, in.data, in.len) == out_len;
}

enum enn_status enn_decompress(uint16_t algorithm, struct enn_bytes in, uint8_t *out,
			       size_t out_len)
{
	bool good = false;

	if (in.len == 0 || out_len == 0) {
		return ENN_E_PARSE;
	}
	switch (algorithm) {
	case ENN_COMPRESSION_ZLIB:
		good = inflate_exactly(in, out, out_len);
		break;
	case ENN_COMPRESSION_BROTLI:
		good = brotli_exactly(in, out, out_len);
		break;
	case ENN_COMPRESSION_ZSTD:
		good = zstd_exactly(in, out, out_len);
		break;
	default:
		return ENN_E_UNSUPPORTED;
	}
	return good ? ENN_OK : ENN_E_PARSE;
}

/* ---- a credential's message --------------------------------------------------------------------- */

static struct enn_compressed *slot_of(struct enn_credential *c, uint16_t algorithm,
				      bool with_status)
{
	return &c->compressed[algorithm - 1][with_status ? 1 : 0];
}

const struct enn_compressed *enn_credential_find_compressed(const struct enn_credential *c,
							    uint16_t algorithm, bool with_status)
{
	const struct enn_compressed *slot = &c->compressed[algorithm - 1][with_status ? 1 : 0];

	return slot->known ? slot : NULL;
}

struct enn_bytes enn_credential_compressed(struct enn_credential *c, uint16_t algorithm,
					   bool with_status, struct enn_bytes body)
{
	struct enn_compressed *slot = slot_of(c, algorithm, with_status);
	uint8_t *data = NULL;
	size_t len = 0;

	if (!slot->known && enn_compress(algorithm, body, &data, &len) == ENN_OK) {
		slot->known = true;
		slot->full_len = body.len;
		if (len + LEAST_SAVING <= body.len && len <= body.len - body.len / 8) {
			slot->data = data;
			slot->len = len;
		} else {
			free(data);
		}
	}
	return (struct enn_bytes){slot->data, slot->len};
}

void enn_credential_drop_compressed(struct enn_credential *c)
{
	for (size_t i = 0; i < ENN_COMPRESSIONS; i++) {
		for (size_t j = 0; j < 2; j++) {
			free(c->compressed[i][j].data);
			c->compressed[i][j] = (struct enn_compressed){.data = NULL};
		}
	}
}
