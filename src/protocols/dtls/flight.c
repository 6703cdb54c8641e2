/* SPDX-License-Identifier: Apache-2.0
 *
 * Our handshake messages until the peer has them: flights, fragments, timers, acknowledgements
 * (RFC 6347 §4.2.4; RFC 9147 §5.5, §5.8, §7).
 */
#include "base/compiler.h"
#include "protocols/dtls/internal.h"

#define FIRST_TIMEOUT	(1000 * ENN_MILLISECOND) /* RFC 9147 §5.8.2 */
#define LEAST_TIMEOUT	(200 * ENN_MILLISECOND)
#define LONGEST_TIMEOUT (60 * ENN_SECOND)
#define ACK_DELAY_PART	4   /* of the timeout, §7.1 */
#define SMALL_DATAGRAM	508 /* what IPv4 must carry, less IP and UDP headers */
#define SHRINK_AFTER	2   /* retransmissions, RFC 6347 §4.1.1.1 */

/* ---- what the handshake writes ------------------------------------------------------------------ */

static void free_message(struct enn_dtls *d, struct enn_dtls_outgoing *m)
{
	enn_free_secret(d->carrier.env, m, sizeof(*m) + m->room);
}

static struct enn_dtls_outgoing *new_message(struct enn_dtls *d, size_t room)
{
	struct enn_dtls_outgoing *m = enn_alloc(d->carrier.env, sizeof(*m) + room);

	if (m != NULL) {
		memset(m, 0, sizeof(*m));
		m->room = room;
	}
	return m;
}

uint8_t *enn_dtls_reserve(struct enn_handshake_carrier *c, enum enn_level level, size_t cap)
{
	struct enn_dtls *d = enn_dtls_of(c);

	(void)level;
	if (d->writing != NULL) {
		free_message(d, d->writing);
	}
	d->writing = new_message(d, cap);
	return d->writing == NULL ? NULL : d->writing->data;
}

static uint8_t slot_of(enum enn_level level)
{
	switch (level) {
	case ENN_LEVEL_INITIAL:
		return ENN_DTLS_SLOT_PLAIN;
	case ENN_LEVEL_HANDSHAKE:
		return ENN_DTLS_SLOT_HANDSHAKE;
	default:
		return ENN_DTLS_SLOT_CURRENT;
	}
}

static void forget_acks(struct enn_dtls *d)
{
	d->ack_count = 0;
	d->ack_at = ENN_TIME_NEVER;
	d->ack_due = false;
}

static void append(struct enn_dtls *d, struct enn_dtls_outgoing *m)
{
	if (d->out == NULL) { /* a new flight */
		d->out = m;
		d->retransmissions = 0;
		d->flight_sent_at = 0;
		d->timeout = d->srtt == 0 ? FIRST_TIMEOUT : d->srtt + 4 * d->rttvar;
		d->timeout = d->timeout < LEAST_TIMEOUT ? LEAST_TIMEOUT : d->timeout;
		d->retransmit_at = ENN_TIME_NEVER;
	} else {
		d->out_last->next = m;
	}
	d->out_last = m;
	d->out_waits = true;
}

void enn_dtls_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		     size_t len)
{
	struct enn_dtls *d = enn_dtls_of(c);
	struct enn_dtls_outgoing *m = d->writing;

	d->writing = NULL;
	m->len = (uint32_t)(len - ENN_HS_HEADER);
	m->number = c->message_out++;
	m->slot = slot_of(level);
	m->is_update = type == ENN_HS_KEY_UPDATE;
	if (d->hs != NULL) {
		forget_acks(d); /* an answer acknowledges what it answers */
	}
	append(d, m);
}

enum enn_status enn_dtls_add_ccs(struct enn_dtls *d)
{
	struct enn_dtls_outgoing *m = new_message(d, 0);

	if (m == NULL) {
		return ENN_E_MEMORY;
	}
	m->ccs = true;
	m->slot = ENN_DTLS_SLOT_PLAIN;
	append(d, m);
	return ENN_OK;
}

void enn_dtls_drop_flight(struct enn_dtls *d)
{
	while (d->out != NULL) {
		struct enn_dtls_outgoing *m = d->out;
		d->out = m->next;
		free_message(d, m);
	}
	if (d->writing != NULL) {
		free_message(d, d->writing);
		d->writing = NULL;
	}
	d->out_last = NULL;
	d->out_waits = false;
	d->retransmit_at = ENN_TIME_NEVER;
}

/* ---- time --------------------------------------------------------------------------------------- */

/* RFC 6298 §2, by Karn's rule only of flights that were sent once. */
static void measure(struct enn_dtls *d, enn_time now)
{
	if (d->flight_sent_at == 0 || d->flight_sent_at == ENN_TIME_NEVER ||
	    now < d->flight_sent_at) {
		return;
	}
	enn_time rtt = now - d->flight_sent_at;
	rtt = rtt == 0 ? 1 : rtt;
	if (d->srtt == 0) {
		d->srtt = rtt;
		d->rttvar = rtt / 2;
	} else {
		enn_time off = d->srtt > rtt ? d->srtt - rtt : rtt - d->srtt;
		d->rttvar = (3 * d->rttvar + off) / 4;
		d->srtt = (7 * d->srtt + rtt) / 8;
	}
	d->flight_sent_at = ENN_TIME_NEVER;
}

void enn_dtls_flight_done(struct enn_dtls *d, enn_time now)
{
	if (d->out != NULL) {
		measure(d, now);
		enn_dtls_drop_flight(d);
	}
}

void enn_dtls_flight_again(struct enn_dtls *d)
{
	for (struct enn_dtls_outgoing *m = d->out; m != NULL; m = m->next) {
		m->sent = 0;
		m->begun = false;
	}
	d->out_waits = d->out != NULL;
	d->flight_sent_at = ENN_TIME_NEVER;
}

void enn_dtls_expire_flight(struct enn_dtls *d, enn_time now)
{
	if (d->out == NULL || now < d->retransmit_at) {
		return;
	}
	d->retransmit_at = ENN_TIME_NEVER;
	d->timeout = 2 * d->timeout < LONGEST_TIMEOUT ? 2 * d->timeout : LONGEST_TIMEOUT;
	if (++d->retransmissions >= SHRINK_AFTER && d->datagram > SMALL_DATAGRAM) {
		d->datagram = SMALL_DATAGRAM;
	}
	enn_dtls_flight_again(d);
}

/* ---- out ---------------------------------------------------------------------------------------- */

/* The next piece of a message that is not acknowledged. False: all of it is out. */
static bool next_piece(const struct enn_dtls_outgoing *m, uint32_t *from, uint32_t *to)
{
	if (m->len == 0) {
		*from = *to = 0;
		return !m->begun && !m->acked_empty;
	}
	return enn_dtls_ranges_gap(&m->acked, m->sent, m->len, from, to);
}

static struct enn_dtls_outgoing *next_message(struct enn_dtls *d, uint32_t *from, uint32_t *to)
{
	for (struct enn_dtls_outgoing *m = d->out; m != NULL; m = m->next) {
		if (m->ccs ? !m->begun : next_piece(m, from, to)) {
			return m;
		}
	}
	return NULL;
}

static void remember(struct enn_dtls *d, const struct enn_dtls_keys *keys, uint16_t message,
		     uint32_t from, uint32_t to)
{
	d->sent[d->sent_at] = (struct enn_dtls_sent){.number = {keys->epoch, keys->sequence - 1},
						     .message = message,
						     .from = from,
						     .to = to};
	d->sent_at = (d->sent_at + 1) % ENN_DTLS_SENT;
}

static size_t write_record(struct enn_dtls_keys *keys, uint8_t *record, uint8_t type, size_t len)
{
	struct enn_dtls_sealing s;
	size_t size = enn_dtls_plan(keys, &s, record, type, record + enn_dtls_prefix(keys), len);

	return enn_dtls_seal(keys, &s, 1) ? size : 0;
}

/* A record with one fragment; 0: there is no room for a useful one. */
static size_t write_fragment(struct enn_dtls *d, struct enn_dtls_outgoing *m, uint32_t from,
			     uint32_t to, uint8_t *buf, size_t cap)
{
	struct enn_dtls_keys *keys = &d->send[m->slot];
	size_t room = enn_dtls_record_fits(keys, cap);
	uint8_t *at = buf + enn_dtls_prefix(keys);

	if (room < ENN_DTLS_FRAGMENT + (to > from ? 1u : 0u)) {
		return 0;
	}
	room -= ENN_DTLS_FRAGMENT;
	if (to - from > room) {
		to = from + (uint32_t)room;
	}
	struct enn_writer w = enn_writer_of(at, ENN_DTLS_FRAGMENT + (to - from));
	enn_write_u8(&w, m->data[0]);
	enn_write_u24(&w, m->len);
	enn_write_u16(&w, m->number);
	enn_write_u24(&w, from);
	enn_write_u24(&w, to - from);
	enn_write_bytes(&w, m->data + ENN_HS_HEADER + from, to - from);
	size_t size = write_record(keys, buf, ENN_DTLS_HANDSHAKE, enn_writer_len(&w));
	if (size > 0) {
		remember(d, keys, m->number, from, to);
		m->sent = to;
		m->begun = true;
	}
	return size;
}

static size_t write_ccs(struct enn_dtls *d, struct enn_dtls_outgoing *m, uint8_t *buf, size_t cap)
{
	struct enn_dtls_keys *keys = &d->send[ENN_DTLS_SLOT_PLAIN];

	if (enn_dtls_record_fits(keys, cap) < 1) {
		return 0;
	}
	buf[ENN_DTLS_HEADER] = 1;
	m->begun = true;
	return write_record(keys, buf, ENN_DTLS_CHANGE_CIPHER_SPEC, 1);
}

static bool keys_left(const struct enn_dtls *d, const struct enn_dtls_outgoing *m)
{
	return d->send[m->slot].present && d->send[m->slot].sequence < ENN_DTLS_MAX_SEQUENCE;
}

static void flight_is_out(struct enn_dtls *d, enn_time now)
{
	d->out_waits = false;
	if (d->flight_sent_at == 0) {
		d->flight_sent_at = now;
	}
	if (!d->final_flight) { /* whose loss the peer will tell */
		d->retransmit_at = now + d->timeout;
	}
}

size_t enn_dtls_write_flight(struct enn_dtls *d, enn_time now, uint8_t *buf, size_t cap)
{
	struct enn_dtls_outgoing *m = NULL;
	uint32_t from = 0, to = 0;
	size_t len = 0;

	while (d->out_waits && (m = next_message(d, &from, &to)) != NULL && keys_left(d, m)) {
		size_t more = m->ccs ? write_ccs(d, m, buf + len, cap - len)
				     : write_fragment(d, m, from, to, buf + len, cap - len);
		if (more == 0) {
			break;
		}
		len += more;
	}
	if (d->out_waits && (m == NULL || !keys_left(d, m))) {
		flight_is_out(d, now);
	}
	return len;
}

/* ---- acknowledgements that come --------------------------------------------------------------------- */

static bool is_acked(const struct enn_dtls_outgoing *m)
{
	return m->len == 0 ? m->acked_empty : enn_dtls_ranges_cover(&m->acked, 0, m->len);
}

static void mark(struct enn_dtls *d, const struct enn_dtls_sent *s)
{
	for (struct enn_dtls_outgoing *m = d->out; m != NULL; m = m->next) {
		if (m->number == s->message && !m->ccs) {
			m->acked_empty = m->acked_empty || m->len == 0;
			(void)enn_dtls_ranges_add(&m->acked, s->from, s->to);
		}
	}
}

/* RFC 9147 §8: the new keys begin when the peer is known to have them. */
static void update_is_known(struct enn_dtls *d)
{
	d->key_update_out = false;
	if (enn_dtls_update(d, ENN_DIRECTION_SEND) != ENN_OK) {
		enn_dtls_fail(d, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_OUT_OF_MEMORY, "KeyUpdate",
			      "new keys could not be made");
		return;
	}
	d->pending |= ENN_DTLS_PENDING_KEYS_SENT;
}

/* Messages that have arrived whole go. */
static void drop_acked(struct enn_dtls *d)
{
	struct enn_dtls_outgoing **at = &d->out;
	bool updated = false;

	d->out_last = NULL;
	while (*at != NULL) {
		struct enn_dtls_outgoing *m = *at;
		if (!m->ccs && is_acked(m)) {
			*at = m->next;
			updated = updated || m->is_update;
			free_message(d, m);
		} else {
			d->out_last = m;
			at = &m->next;
		}
	}
	if (updated) {
		update_is_known(d);
	}
}

void enn_dtls_take_ack(struct enn_dtls *d, enn_time now, const struct enn_dtls_record *record)
{
	struct enn_reader r = enn_reader_of(record->content, record->len);
	/* Anybody can write a plain one: it tells of plain records only. */
	uint64_t most = record->keys->aead == NULL ? ENN_DTLS_EPOCH_PLAIN : UINT64_MAX;
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);
	bool any = false;

	if (!enn_reader_done(&r) || enn_reader_left(&list) % 16 != 0) {
		return;
	}
	while (enn_reader_left(&list) > 0) {
		uint64_t epoch = enn_read_u64(&list);
		uint64_t sequence = enn_read_u64(&list);
		for (size_t i = 0; i < ENN_DTLS_SENT; i++) {
			const struct enn_dtls_sent *s = &d->sent[i];
			if (epoch <= most && s->number.epoch == epoch &&
			    s->number.sequence == sequence) {
				mark(d, s);
				any = true;
			}
		}
	}
	drop_acked(d);
	if (d->out == NULL) {
		measure(d, now);
		enn_dtls_drop_flight(d);
		if (d->state == ENN_DTLS_STATE_OPEN) {
			d->deadline = ENN_TIME_NEVER;
		}
	} else if ((any || record->len == 2) && !d->out_waits && now >= d->fast_until) {
		/* §7.2: what is missing goes out again without waiting for the timer. */
		enn_dtls_flight_again(d);
		d->fast_until = now + (d->srtt > 0 ? d->srtt : FIRST_TIMEOUT / ACK_DELAY_PART);
	}
}

/* ---- and that go ------------------------------------------------------------------------------------ */

void enn_dtls_owe_ack(struct enn_dtls *d, enn_time now, uint64_t epoch, uint64_t sequence,
		      bool at_once)
{
	enn_time due = at_once ? now : now + FIRST_TIMEOUT / ACK_DELAY_PART;

	if (d->ack_count == ENN_DTLS_ACKS) { /* the oldest are the least likely to be asked for */
		memmove(d->ack, d->ack + 1, (ENN_DTLS_ACKS - 1) * sizeof(d->ack[0]));
		d->ack_count--;
	}
	d->ack[d->ack_count++] = (struct enn_dtls_number){epoch, sequence};
	d->ack_at = due < d->ack_at ? due : d->ack_at;
}

size_t enn_dtls_write_ack(struct enn_dtls *d, enn_time now, uint8_t *buf, size_t cap)
{
	struct enn_dtls_keys *keys = enn_dtls_send_keys(d);
	size_t len = 2 + 16 * d->ack_count;

	if (!d->ack_due && now < d->ack_at) {
		return 0;
	}
	d->ack_due = false;
	d->ack_at = ENN_TIME_NEVER;
	if (d->ack_count == 0 || enn_dtls_record_fits(keys, cap) < len) {
		return 0;
	}
	struct enn_writer w = enn_writer_of(buf + enn_dtls_prefix(keys), len);
	enn_write_u16(&w, (uint16_t)(len - 2));
	for (size_t i = 0; i < d->ack_count; i++) {
		enn_write_u64(&w, d->ack[i].epoch);
		enn_write_u64(&w, d->ack[i].sequence);
	}
	if (d->hs == NULL) { /* in the handshake later ones repeat them: this one may be lost */
		d->ack_count = 0;
	}
	return write_record(keys, buf, ENN_DTLS_ACK, len);
}
