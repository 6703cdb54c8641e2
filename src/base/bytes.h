/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded reader and writer: nothing else in Ennead indexes wire bytes.
 *
 * Both are sticky. A read past the end sets `bad`, yields zeros or empty views
 * and keeps doing so, so a parser reads a whole message straight through and
 * checks enn_reader_ok / enn_reader_done once at its end. A write past
 * the end sets `bad` and writes nothing more.
 */
#ifndef ENN_BASE_BYTES_H
#define ENN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

/* A borrowed run of bytes. */
struct enn_bytes {
	const uint8_t *data;
	size_t len;
};

struct enn_reader {
	const uint8_t *pos;
	const uint8_t *end;
	bool bad;
};

static inline struct enn_reader enn_reader_of(const uint8_t *data, size_t len)
{
	struct enn_reader r = {data, data ? data + len : data, false};
	return r;
}

static inline size_t enn_reader_left(const struct enn_reader *r)
{
	return (size_t)(r->end - r->pos);
}

static inline bool enn_reader_ok(const struct enn_reader *r)
{
	return !r->bad;
}

/* Everything was well-formed and nothing is left over. */
static inline bool enn_reader_done(const struct enn_reader *r)
{
	return !r->bad && r->pos == r->end;
}

/* A view of the next n bytes, or an empty one and `bad`. */
static inline struct enn_bytes enn_read_bytes(struct enn_reader *r, size_t n)
{
	struct enn_bytes v = {r->pos, n};
	if (ENN_UNLIKELY(r->bad || n > enn_reader_left(r))) {
		r->bad = true;
		r->pos = r->end;
		v.data = r->end;
		v.len = 0;
		return v;
	}
	r->pos += n;
	return v;
}

/* n <= 8 bytes, big endian. */
static inline uint64_t enn_read_uint(struct enn_reader *r, size_t n)
{
	struct enn_bytes v = enn_read_bytes(r, n);
	uint64_t x = 0;
	for (size_t i = 0; i < v.len; i++) {
		x = x << 8 | v.data[i];
	}
	return x;
}

static inline uint8_t enn_read_u8(struct enn_reader *r)
{
	return (uint8_t)enn_read_uint(r, 1);
}
static inline uint16_t enn_read_u16(struct enn_reader *r)
{
	return (uint16_t)enn_read_uint(r, 2);
}
static inline uint32_t enn_read_u24(struct enn_reader *r)
{
	return (uint32_t)enn_read_uint(r, 3);
}
static inline uint32_t enn_read_u32(struct enn_reader *r)
{
	return (uint32_t)enn_read_uint(r, 4);
}
static inline uint64_t enn_read_u64(struct enn_reader *r)
{
	return enn_read_uint(r, 8);
}

/* n <= 8 bytes, little endian. */
static inline uint64_t enn_read_uint_le(struct enn_reader *r, size_t n)
{
	struct enn_bytes v = enn_read_bytes(r, n);
	uint64_t x = 0;
	for (size_t i = v.len; i-- > 0;) {
		x = x << 8 | v.data[i];
	}
	return x;
}

static inline uint32_t enn_read_u32_le(struct enn_reader *r)
{
	return (uint32_t)enn_read_uint_le(r, 4);
}
static inline uint64_t enn_read_u64_le(struct enn_reader *r)
{
	return enn_read_uint_le(r, 8);
}

/* A vector with a big-endian length of `prefix` bytes whose length must lie in [min, max]
 * (the presentation language's opaque x<min..max>). */
static inline struct enn_bytes enn_read_vector(struct enn_reader *r, size_t prefix, size_t min,
					       size_t max)
{
	uint64_t n = enn_read_uint(r, prefix);
	if (ENN_UNLIKELY(n < min || n > max)) {
		r->bad = true;
	}
	return enn_read_bytes(r, (size_t)n);
}

/* The same as a reader of its own; `bad` if the outer one is. */
static inline struct enn_reader enn_read_sub(struct enn_reader *r, size_t prefix, size_t min,
					     size_t max)
{
	struct enn_bytes v = enn_read_vector(r, prefix, min, max);
	struct enn_reader sub = enn_reader_of(v.data, v.len);
	sub.bad = r->bad;
	return sub;
}

struct enn_writer {
	uint8_t *start;
	uint8_t *pos;
	uint8_t *end;
	bool bad;
};

static inline struct enn_writer enn_writer_of(uint8_t *buf, size_t cap)
{
	struct enn_writer w = {buf, buf, buf ? buf + cap : buf, false};
	return w;
}

static inline size_t enn_writer_len(const struct enn_writer *w)
{
	return (size_t)(w->pos - w->start);
}
static inline size_t enn_writer_left(const struct enn_writer *w)
{
	return (size_t)(w->end - w->pos);
}
static inline bool enn_writer_ok(const struct enn_writer *w)
{
	return !w->bad;
}

/* Room for n bytes that the caller fills; NULL and `bad` if there is none. */
static inline uint8_t *enn_write_space(struct enn_writer *w, size_t n)
{
	uint8_t *at = w->pos;
	if (ENN_UNLIKELY(w->bad || n > enn_writer_left(w))) {
		w->bad = true;
		return NULL;
	}
	w->pos += n;
	return at;
}

static inline void enn_write_bytes(struct enn_writer *w, const void *data, size_t n)
{
	uint8_t *at = enn_write_space(w, n);
	if (at != NULL && n > 0) {
		memcpy(at, data, n);
	}
}

/* The low n <= 8 bytes of x, big endian. */
static inline void enn_write_uint(struct enn_writer *w, uint64_t x, size_t n)
{
	uint8_t *at = enn_write_space(w, n);
	if (at != NULL) {
		for (size_t i = n; i-- > 0; x >>= 8) {
			at[i] = (uint8_t)x;
		}
	}
}

static inline void enn_write_u8(struct enn_writer *w, uint8_t x)
{
	enn_write_uint(w, x, 1);
}
static inline void enn_write_u16(struct enn_writer *w, uint16_t x)
{
	enn_write_uint(w, x, 2);
}
static inline void enn_write_u24(struct enn_writer *w, uint32_t x)
{
	enn_write_uint(w, x, 3);
}
static inline void enn_write_u32(struct enn_writer *w, uint32_t x)
{
	enn_write_uint(w, x, 4);
}
static inline void enn_write_u64(struct enn_writer *w, uint64_t x)
{
	enn_write_uint(w, x, 8);
}

/* The low n <= 8 bytes of x, little endian. */
static inline void enn_write_uint_le(struct enn_writer *w, uint64_t x, size_t n)
{
	uint8_t *at = enn_write_space(w, n);
	if (at != NULL) {
		for (size_t i = 0; i < n; i++, x >>= 8) {
			at[i] = (uint8_t)x;
		}
	}
}

static inline void enn_write_u32_le(struct enn_writer *w, uint32_t x)
{
	enn_write_uint_le(w, x, 4);
}
static inline void enn_write_u64_le(struct enn_writer *w, uint64_t x)
{
	enn_write_uint_le(w, x, 8);
}

/* Opens a vector: reserves `prefix` bytes for a length that enn_write_end fills in. The mark
 * is an offset, so marks nest. */
static inline size_t enn_write_begin(struct enn_writer *w, size_t prefix)
{
	size_t mark = enn_writer_len(w);
	(void)enn_write_space(w, prefix);
	return mark;
}

static inline void enn_write_end(struct enn_writer *w, size_t mark, size_t prefix)
{
	if (w->bad) {
		return;
	}
	size_t n = enn_writer_len(w) - mark - prefix;
	if (prefix < sizeof(size_t) && n >> (8 * prefix) != 0) {
		w->bad = true;
		return;
	}
	struct enn_writer length = enn_writer_of(w->start + mark, prefix);
	enn_write_uint(&length, n, prefix);
}

static inline void enn_write_vector(struct enn_writer *w, size_t prefix, const void *data, size_t n)
{
	size_t mark = enn_write_begin(w, prefix);
	enn_write_bytes(w, data, n);
	enn_write_end(w, mark, prefix);
}

static inline bool enn_bytes_equal(struct enn_bytes a, struct enn_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
