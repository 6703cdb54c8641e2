/* SPDX-License-Identifier: Apache-2.0
 *
 * Records: sealed in batches, opened in place (RFC 6347 §4.1, RFC 9147 §4).
 */
#include "base/compiler.h"
#include "protocols/dtls/internal.h"

/* ---- sizes ---------------------------------------------------------------------------------- */

static size_t explicit_len(const struct enn_dtls_keys *keys)
{
	return keys->aead != NULL && !keys->unified &&
			       keys->suite->aead != ENN_AEAD_CHACHA20_POLY1305
		       ? ENN_DTLS_EXPLICIT
		       : 0;
}

size_t enn_dtls_prefix(const struct enn_dtls_keys *keys)
{
	return keys->unified ? ENN_DTLS_UNIFIED_LEN : ENN_DTLS_HEADER + explicit_len(keys);
}

static size_t overhead(const struct enn_dtls_keys *keys)
{
	return enn_dtls_prefix(keys) + (keys->aead != NULL ? ENN_DTLS_TAG : 0) +
	       (keys->unified ? 1u : 0u);
}

size_t enn_dtls_record_size(const struct enn_dtls_keys *keys, size_t len)
{
	return overhead(keys) + len;
}

size_t enn_dtls_record_fits(const struct enn_dtls_keys *keys, size_t room)
{
	size_t more = overhead(keys);
	size_t len = room > more ? room - more : 0;

	return len < ENN_DTLS_MAX_PLAINTEXT ? len : ENN_DTLS_MAX_PLAINTEXT;
}

/* ---- sealing -------------------------------------------------------------------------------- */

static void write_number(struct enn_writer *w, uint64_t epoch, uint64_t sequence)
{
	enn_write_u16(w, (uint16_t)epoch);
	enn_write_uint(w, sequence, 6);
}

/* What 1.2 puts before and beside the ciphertext. */
static size_t plan_12(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, uint8_t *record,
		      uint8_t type, size_t len)
{
	size_t explicit = explicit_len(keys);
	size_t body = len + (keys->aead != NULL ? explicit + ENN_DTLS_TAG : 0);
	struct enn_writer w = enn_writer_of(record, ENN_DTLS_HEADER + explicit);
	struct enn_writer aad = enn_writer_of(s->aad, sizeof(s->aad));

	enn_write_u8(&w, type);
	enn_write_u16(&w, ENN_DTLS_1_2);
	write_number(&w, keys->epoch, keys->sequence);
	enn_write_u16(&w, (uint16_t)body);
	if (keys->aead == NULL) {
		return ENN_DTLS_HEADER + body;
	}
	write_number(&aad, keys->epoch, keys->sequence);
	enn_write_u8(&aad, type);
	enn_write_u16(&aad, ENN_DTLS_1_2);
	enn_write_u16(&aad, (uint16_t)len);
	if (explicit > 0) { /* RFC 5288 §3 */
		write_number(&w, keys->epoch, keys->sequence);
		memcpy(s->nonce, keys->iv, 4);
		memcpy(s->nonce + 4, record + ENN_DTLS_HEADER, ENN_DTLS_EXPLICIT);
	} else { /* RFC 7905 §2 */
		enn_aead_nonce(s->nonce, keys->iv, keys->epoch << 48 | keys->sequence);
	}
	s->job.aad = s->aad;
	s->job.aad_len = sizeof(s->aad);
	return ENN_DTLS_HEADER + body;
}

static size_t plan_13(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, uint8_t *record,
		      uint8_t type, size_t len)
{
	size_t body = len + 1 + ENN_DTLS_TAG;
	struct enn_writer w = enn_writer_of(record, ENN_DTLS_UNIFIED_LEN);

	enn_write_u8(&w,
		     (uint8_t)(ENN_DTLS_UNIFIED | ENN_DTLS_UNIFIED_SEQ16 | ENN_DTLS_UNIFIED_LENGTH |
			       (keys->epoch & ENN_DTLS_UNIFIED_EPOCH)));
	enn_write_u16(&w, (uint16_t)keys->sequence);
	enn_write_u16(&w, (uint16_t)body);
	enn_aead_nonce(s->nonce, keys->iv, keys->sequence);
	s->type = type;
	s->job.aad = record;
	s->job.aad_len = ENN_DTLS_UNIFIED_LEN;
	s->job.trailer = &s->type;
	s->job.trailer_len = 1;
	return ENN_DTLS_UNIFIED_LEN + body;
}

size_t enn_dtls_plan(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, uint8_t *record,
		     uint8_t type, const uint8_t *in, size_t len)
{
	uint8_t *at = record + enn_dtls_prefix(keys);

	*s = (struct enn_dtls_sealing){.record = record, .header = enn_dtls_prefix(keys)};
	s->job = (struct enn_aead_job){.nonce = s->nonce, .in = in, .in_len = len, .out = at};
	size_t size = keys->unified ? plan_13(keys, s, record, type, len)
				    : plan_12(keys, s, record, type, len);
	if (keys->aead == NULL && in != at && len > 0) {
		memcpy(at, in, len);
	}
	keys->sequence++;
	return size;
}

/* RFC 9147 §4.2.3 */
static bool mask_number(struct enn_dtls_keys *keys, uint8_t *record, size_t number_at,
			size_t number_len, const uint8_t *ciphertext)
{
	uint8_t mask[ENN_MASK];

	if (enn_mask_make(keys->mask, ciphertext, mask) != ENN_OK) {
		return false;
	}
	for (size_t i = 0; i < number_len; i++) {
		record[number_at + i] ^= mask[i];
	}
	return true;
}

bool enn_dtls_seal(struct enn_dtls_keys *keys, struct enn_dtls_sealing *s, size_t count)
{
	struct enn_aead_job jobs[ENN_DTLS_BATCH];
	bool good = true;

	if (keys->aead == NULL) {
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		jobs[i] = s[i].job;
	}
	enn_aead_seal_batch(keys->aead, jobs, count);
	for (size_t i = 0; i < count; i++) {
		good = good && jobs[i].status == ENN_OK;
		if (keys->unified) {
			good = good &&
			       mask_number(keys, s[i].record, 1, 2, s[i].record + s[i].header);
		}
	}
	return good;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* The number nearest to the next one expected whose low bits are these (RFC 9147 §4.2.2). */
static uint64_t whole_number(uint64_t expected, uint64_t low, unsigned bits)
{
	uint64_t window = UINT64_C(1) << bits;
	uint64_t candidate = (expected & ~(window - 1)) | low;

	if (candidate + window / 2 <= expected && candidate + window <= ENN_DTLS_MAX_SEQUENCE) {
		return candidate + window;
	}
	if (candidate > expected + window / 2 && candidate >= window) {
		return candidate - window;
	}
	return candidate;
}

/* RFC 9147 §4.5.3: with so many forgeries one may be near to succeed. */
static void count_forgery(struct enn_dtls *d, struct enn_dtls_keys *keys)
{
	if (++keys->forgeries >= enn_aead_alg(keys->suite->aead)->open_failure_limit) {
		enn_dtls_fail(d, ENN_ALERT_BAD_RECORD_MAC, ENN_REASON_KEYS_EXHAUSTED, "record",
			      "too many records that were forged");
	}
}

static bool open_job(struct enn_dtls *d, struct enn_dtls_keys *keys, struct enn_aead_job *job)
{
	if (enn_aead_open(keys->aead, job) != ENN_OK) {
		count_forgery(d, keys);
		return false;
	}
	return true;
}

static struct enn_dtls_keys *find_unified(struct enn_dtls *d, uint8_t bits)
{
	static const uint8_t order[] = {ENN_DTLS_SLOT_CURRENT, ENN_DTLS_SLOT_PREVIOUS,
					ENN_DTLS_SLOT_HANDSHAKE};

	for (size_t i = 0; i < sizeof(order); i++) {
		struct enn_dtls_keys *keys = &d->receive[order[i]];
		if (keys->present && keys->unified &&
		    (keys->epoch & ENN_DTLS_UNIFIED_EPOCH) == bits) {
			return keys;
		}
	}
	return NULL;
}

/* §4.1: content, type, zeros. */
static bool strip(struct enn_dtls_record *out)
{
	while (out->len > 0 && out->content[out->len - 1] == 0) {
		out->len--;
	}
	if (out->len == 0) {
		return false;
	}
	out->type = out->content[--out->len];
	return out->len <= ENN_DTLS_MAX_PLAINTEXT;
}

static enum enn_dtls_opened open_unified(struct enn_dtls *d, uint8_t *data, size_t len,
					 size_t *used, struct enn_dtls_record *out)
{
	struct enn_reader r = enn_reader_of(data, len);
	uint8_t first = enn_read_u8(&r);
	size_t number_len = (first & ENN_DTLS_UNIFIED_SEQ16) != 0 ? 2 : 1;

	if ((first & ENN_DTLS_UNIFIED_CID) != 0) {
		return ENN_DTLS_BROKEN; /* none was negotiated */
	}
	(void)enn_read_bytes(&r, number_len);
	size_t body_len = (first & ENN_DTLS_UNIFIED_LENGTH) != 0 ? enn_read_u16(&r) : SIZE_MAX;
	if (body_len == SIZE_MAX) {
		body_len = enn_reader_left(&r);
	}
	size_t header = (size_t)(r.pos - data);
	if (!enn_reader_ok(&r) || body_len > enn_reader_left(&r)) {
		return ENN_DTLS_BROKEN;
	}
	*used = header + body_len;
	struct enn_dtls_keys *keys = find_unified(d, first & ENN_DTLS_UNIFIED_EPOCH);
	if (keys == NULL || body_len < ENN_DTLS_TAG + 1 ||
	    !mask_number(keys, data, 1, number_len, data + header)) {
		return ENN_DTLS_SKIPPED;
	}
	struct enn_reader number = enn_reader_of(data + 1, number_len);
	out->sequence = whole_number(keys->replay.next, enn_read_uint(&number, number_len),
				     (unsigned)(8 * number_len));
	if (!enn_replay_fresh(&keys->replay, out->sequence)) {
		return ENN_DTLS_SKIPPED;
	}
	uint8_t nonce[12];
	enn_aead_nonce(nonce, keys->iv, out->sequence);
	struct enn_aead_job job = {.nonce = nonce,
				   .aad = data,
				   .aad_len = header,
				   .in = data + header,
				   .in_len = body_len,
				   .out = data + header};
	out->keys = keys;
	out->content = data + header;
	out->len = body_len - ENN_DTLS_TAG;
	if (!open_job(d, keys, &job) || !enn_replay_accept(&keys->replay, out->sequence)) {
		return ENN_DTLS_SKIPPED;
	}
	return strip(out) ? ENN_DTLS_OPENED : ENN_DTLS_SKIPPED;
}

static bool open_12(struct enn_dtls *d, struct enn_dtls_keys *keys, uint8_t *data, size_t body_len,
		    struct enn_dtls_record *out)
{
	size_t explicit = explicit_len(keys);
	uint8_t aad[ENN_DTLS_HEADER];
	uint8_t nonce[12];
	struct enn_writer w = enn_writer_of(aad, sizeof(aad));

	if (body_len < explicit + ENN_DTLS_TAG) {
		return false;
	}
	size_t len = body_len - explicit - ENN_DTLS_TAG;
	write_number(&w, keys->epoch, out->sequence);
	enn_write_u8(&w, out->type);
	enn_write_bytes(&w, data + 1, 2);
	enn_write_u16(&w, (uint16_t)len);
	if (explicit > 0) {
		memcpy(nonce, keys->iv, 4);
		memcpy(nonce + 4, data + ENN_DTLS_HEADER, ENN_DTLS_EXPLICIT);
	} else {
		enn_aead_nonce(nonce, keys->iv, keys->epoch << 48 | out->sequence);
	}
	out->content = data + ENN_DTLS_HEADER + explicit;
	out->len = len;
	struct enn_aead_job job = {.nonce = nonce,
				   .aad = aad,
				   .aad_len = sizeof(aad),
				   .in = out->content,
				   .in_len = len + ENN_DTLS_TAG,
				   .out = out->content};
	return open_job(d, keys, &job) && len <= ENN_DTLS_MAX_PLAINTEXT;
}

static struct enn_dtls_keys *find_12(struct enn_dtls *d, uint16_t epoch)
{
	struct enn_dtls_keys *keys =
		&d->receive[epoch == ENN_DTLS_EPOCH_PLAIN ? ENN_DTLS_SLOT_PLAIN
							  : ENN_DTLS_SLOT_CURRENT];

	return epoch <= 1 && keys->present && !keys->unified ? keys : NULL;
}

static enum enn_dtls_opened open_old(struct enn_dtls *d, uint8_t *data, size_t len, size_t *used,
				     struct enn_dtls_record *out)
{
	struct enn_reader r = enn_reader_of(data, len);

	out->type = enn_read_u8(&r);
	uint8_t major = enn_read_u8(&r);
	(void)enn_read_u8(&r);
	uint16_t epoch = enn_read_u16(&r);
	out->sequence = enn_read_uint(&r, 6);
	struct enn_bytes body = enn_read_vector(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_ok(&r) || major != ENN_DTLS_1_2 >> 8) {
		return ENN_DTLS_BROKEN;
	}
	*used = ENN_DTLS_HEADER + body.len;
	out->keys = find_12(d, epoch);
	if (out->keys == NULL || !enn_replay_fresh(&out->keys->replay, out->sequence)) {
		return ENN_DTLS_SKIPPED;
	}
	out->content = data + ENN_DTLS_HEADER;
	out->len = body.len;
	bool good = out->keys->aead == NULL ? body.len <= ENN_DTLS_MAX_PLAINTEXT
					    : open_12(d, out->keys, data, body.len, out);
	/* Plain records prove nothing: they do not move the window for those that are to come. */
	if (good && out->keys->aead != NULL) {
		good = enn_replay_accept(&out->keys->replay, out->sequence);
	}
	return good ? ENN_DTLS_OPENED : ENN_DTLS_SKIPPED;
}

enum enn_dtls_opened enn_dtls_open(struct enn_dtls *d, uint8_t *data, size_t len, size_t *used,
				   struct enn_dtls_record *out)
{
	*used = len;
	return (data[0] & ENN_DTLS_UNIFIED_MASK) == ENN_DTLS_UNIFIED
		       ? open_unified(d, data, len, used, out)
		       : open_old(d, data, len, used, out);
}
