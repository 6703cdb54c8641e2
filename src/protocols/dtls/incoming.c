/* SPDX-License-Identifier: Apache-2.0
 *
 * The peer's handshake messages: put together out of fragments that come in any order, overlap or come twice,
 * and given to the handshake one by one (RFC 6347 §4.2.2, §4.2.3; RFC 9147 §5.2, §5.5).
 */
#include "protocols/dtls/internal.h"

struct fragment {
	uint8_t type;
	uint32_t len; /* of the whole body */
	uint16_t number;
	uint32_t offset;
	struct enn_bytes bytes;
};

static bool read_fragment(struct enn_reader *r, struct fragment *f)
{
	f->type = enn_read_u8(r);
	f->len = enn_read_u24(r);
	f->number = enn_read_u16(r);
	f->offset = enn_read_u24(r);
	uint32_t len = enn_read_u24(r);
	f->bytes = enn_read_bytes(r, len);
	return enn_reader_ok(r) && f->offset <= f->len && len <= f->len - f->offset;
}

static size_t most(const struct enn_dtls *d)
{
	size_t limit = d->carrier.env->limits.max_handshake_message;

	return limit == 0 ? ENN_HS_DEFAULT_MAX_MESSAGE : limit;
}

static void drop(struct enn_dtls *d, struct enn_dtls_incoming *m)
{
	if (m->data != NULL) {
		enn_free_secret(d->carrier.env, m->data, ENN_HS_HEADER + (size_t)m->len);
		d->incoming_bytes -= m->len;
	}
	memset(m, 0, sizeof(*m));
}

void enn_dtls_drop_incoming(struct enn_dtls *d)
{
	for (size_t i = 0; i < ENN_DTLS_WINDOW; i++) {
		drop(d, &d->incoming[i]);
	}
}

static bool begin(struct enn_dtls *d, struct enn_dtls_incoming *m, const struct fragment *f,
		  enum enn_level level)
{
	/* All that is kept at a time takes no more than two messages of the largest size. */
	if (f->len > most(d) || d->incoming_bytes + f->len > 2 * most(d)) {
		return false;
	}
	m->data = enn_alloc(d->carrier.env, ENN_HS_HEADER + (size_t)f->len);
	if (m->data == NULL) {
		return false; /* it comes again */
	}
	struct enn_writer w = enn_writer_of(m->data, ENN_HS_HEADER);
	enn_write_u8(&w, f->type);
	enn_write_u24(&w, f->len);
	m->begun = true;
	m->type = f->type;
	m->len = f->len;
	m->level = level;
	d->incoming_bytes += f->len;
	return true;
}

static bool is_whole(const struct enn_dtls_incoming *m)
{
	return m->begun && enn_dtls_ranges_cover(&m->have, 0, m->len);
}

/* What only we send comes from somebody who sends it back to us. */
static bool is_ours(const struct enn_dtls *d, uint8_t type)
{
	switch (type) {
	case ENN_HS_CLIENT_HELLO:
	case ENN_HS_CLIENT_KEY_EXCHANGE:
		return !d->carrier.result.server;
	case ENN_HS_HELLO_VERIFY_REQUEST:
	case ENN_HS_SERVER_HELLO:
	case ENN_HS_SERVER_KEY_EXCHANGE:
	case ENN_HS_SERVER_HELLO_DONE:
	case ENN_HS_ENCRYPTED_EXTENSIONS:
		return d->carrier.result.server;
	default:
		return false;
	}
}

/* True: it is, or was already, taken. */
static bool take(struct enn_dtls *d, const struct fragment *f, enum enn_level level)
{
	struct enn_dtls_incoming *m = &d->incoming[f->number % ENN_DTLS_WINDOW];

	if (!m->begun && !begin(d, m, f, level)) {
		return false;
	}
	/* Who sends parts of different messages under one number is no peer of ours. */
	if (m->type != f->type || m->len != f->len || m->level != level) {
		return false;
	}
	if (f->bytes.len > 0 &&
	    !enn_dtls_ranges_cover(&m->have, f->offset, f->offset + (uint32_t)f->bytes.len)) {
		if (!enn_dtls_ranges_add(&m->have, f->offset, f->offset + (uint32_t)f->bytes.len)) {
			return false;
		}
		memcpy(m->data + ENN_HS_HEADER + f->offset, f->bytes.data, f->bytes.len);
	}
	return true;
}

/* A server's first ClientHello counts from the number that it has: behind a stateless answer it is 1. */
static void begin_to_count(struct enn_dtls *d, const struct enn_dtls_record *record,
			   const struct fragment *f)
{
	if (!d->carrier.result.server || d->counting || f->number > 1 ||
	    f->type != ENN_HS_CLIENT_HELLO) {
		return;
	}
	d->counting = true;
	d->next_number = f->number;
	d->carrier.message_out = f->number;
	/* RFC 6347 §4.2.1: what was answered before used this number. */
	d->send[ENN_DTLS_SLOT_PLAIN].sequence = record->sequence;
}

/* A message that we have had: the peer did not get our answer. */
static void answer_again(struct enn_dtls *d, enn_time now)
{
	if (!enn_dtls_is_13(d) && d->out != NULL && now >= d->fast_until) {
		enn_dtls_flight_again(d);
		d->fast_until = now + 100 * ENN_MILLISECOND;
	}
}

void enn_dtls_take_fragments(struct enn_dtls *d, enn_time now, const struct enn_dtls_record *record)
{
	struct enn_reader r = enn_reader_of(record->content, record->len);
	bool all = true, old = false;

	/* In 1.3 nothing is plain behind the hellos: who writes so is not the peer. */
	if (record->keys->aead == NULL && d->receive[ENN_DTLS_SLOT_HANDSHAKE].present) {
		return;
	}
	while (enn_reader_left(&r) > 0) {
		struct fragment f;
		if (!read_fragment(&r, &f)) {
			return; /* in a plain record it may be anybody's */
		}
		if (is_ours(d, f.type)) {
			return;
		}
		if (d->hs != NULL) {
			begin_to_count(d, record, &f);
		}
		uint16_t ahead = (uint16_t)(f.number - d->next_number);
		if (ahead >= 0x8000) {
			old = true;
		} else if (ahead >= ENN_DTLS_WINDOW || !take(d, &f, record->keys->level)) {
			all = false;
		}
	}
	if (old) {
		answer_again(d, now);
	}
	if (enn_dtls_is_13(d) && all) {
		enn_dtls_owe_ack(d, now, record->keys->epoch, record->sequence,
				 d->hs == NULL || old);
	}
}

static void deliver_one(struct enn_dtls *d, enn_time now, struct enn_dtls_incoming *m)
{
	struct enn_bytes message = {m->data, ENN_HS_HEADER + (size_t)m->len};
	enum enn_handshake_outcome outcome;

	d->carrier.message_in = d->next_number;
	if (d->hs == NULL) {
		enn_dtls_post_handshake(d, now, message);
		return;
	}
	/* What comes in the handshake answers what we sent before (RFC 9147 §5.8.1). */
	enn_dtls_flight_done(d, now);
	enum enn_status status =
		enn_handshake_receive(d->hs, now, m->level, message, false, &outcome);
	enn_dtls_outcome(d, now, status, outcome);
}

void enn_dtls_deliver(struct enn_dtls *d, enn_time now)
{
	for (;;) {
		struct enn_dtls_incoming *m = &d->incoming[d->next_number % ENN_DTLS_WINDOW];
		bool parked = d->hs != NULL && enn_handshake_parked(d->hs);
		if (!is_whole(m) || parked || d->state == ENN_DTLS_STATE_FAILED ||
		    d->state == ENN_DTLS_STATE_CLOSED) {
			return;
		}
		deliver_one(d, now, m);
		drop(d, m);
		d->next_number++;
	}
}
