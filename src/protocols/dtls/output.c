/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes: alerts, acknowledgements, flights, and application data in batches.
 */
#include "protocols/dtls/internal.h"

/* ---- limits ------------------------------------------------------------------------------------- */

/* RFC 9147 §5.1: what may still go to somebody who has not shown that he is where he says. */
static size_t allowance(const struct enn_dtls *d, size_t cap)
{
	if (d->validated || !d->carrier.result.server) {
		return cap;
	}
	uint64_t most = 3 * d->bytes_in;
	uint64_t left = most > d->bytes_out ? most - d->bytes_out : 0;
	return left < cap ? (size_t)left : cap;
}

static uint64_t limit_of(const struct enn_dtls_keys *keys)
{
	uint64_t limit = keys->suite == NULL ? ENN_DTLS_MAX_SEQUENCE
					     : enn_aead_alg(keys->suite->aead)->seal_limit;

	return limit < ENN_DTLS_MAX_SEQUENCE ? limit : ENN_DTLS_MAX_SEQUENCE;
}

/* Long before the limit: 1.3 makes new keys, 1.2 can only say so. */
static void watch_limit(struct enn_dtls *d)
{
	const struct enn_dtls_keys *keys = enn_dtls_send_keys(d);

	if (keys->sequence < limit_of(keys) / 8 * 7 || d->expiring_told) {
		return;
	}
	d->expiring_told = true;
	if (keys->unified) {
		d->key_update_owed = true;
	} else {
		d->pending |= ENN_DTLS_PENDING_KEYS_EXPIRING;
	}
}

/* ---- single records --------------------------------------------------------------------------------- */

static size_t write_alert(struct enn_dtls *d, uint8_t *buf, size_t cap, uint8_t level,
			  uint8_t alert)
{
	struct enn_dtls_keys *keys = enn_dtls_send_keys(d);
	uint8_t *content = buf + enn_dtls_prefix(keys);
	struct enn_dtls_sealing s;

	if (!keys->present || enn_dtls_record_fits(keys, cap) < 2) {
		return 0;
	}
	content[0] = level;
	content[1] = alert;
	size_t size = enn_dtls_plan(keys, &s, buf, ENN_DTLS_ALERT, content, 2);
	return enn_dtls_seal(keys, &s, 1) ? size : 0;
}

static void write_key_update(struct enn_dtls *d)
{
	bool request = d->key_update_request;

	/* One at a time: its acknowledgement changes the keys (RFC 9147 §8). */
	if (!d->key_update_owed || d->key_update_out || d->state != ENN_DTLS_STATE_OPEN ||
	    d->closing) {
		return;
	}
	d->key_update_owed = d->key_update_request = false;
	if (enn_post_send_key_update(&d->carrier, request) != ENN_OK) {
		enn_dtls_failed(d);
		return;
	}
	d->key_update_out = true;
}

/* ---- application data -------------------------------------------------------------------------------- */

static const struct enn_message *next_message(const struct enn_dtls *d, size_t ahead)
{
	size_t at = d->queue_sealed + ahead;

	return at < d->queue_len ? &d->queue[(d->queue_head + at) % ENN_DTLS_QUEUE] : NULL;
}

/* Records of one size, the last perhaps shorter: one run for the network (enn_batch). */
static void write_data(struct enn_dtls *d, struct enn_batch *batch)
{
	struct enn_dtls_keys *keys = &d->send[ENN_DTLS_SLOT_CURRENT];
	struct enn_dtls_sealing s[ENN_DTLS_BATCH];
	const struct enn_message *m;
	size_t count = 0;

	while (count < ENN_DTLS_BATCH && (m = next_message(d, count)) != NULL &&
	       keys->sequence < limit_of(keys)) {
		size_t size = enn_dtls_record_size(keys, m->len);
		if (count == 0) {
			batch->segment_size = size;
		}
		if (size > batch->segment_size || batch->len + size > batch->cap) {
			break;
		}
		(void)enn_dtls_plan(keys, &s[count], batch->buf + batch->len,
				    ENN_DTLS_APPLICATION_DATA, m->data, m->len);
		batch->len += size;
		count++;
		if (size < batch->segment_size) {
			break;
		}
	}
	if (count > 0 && !enn_dtls_seal(keys, s, count)) {
		batch->len = 0;
		enn_dtls_fail(d, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "record",
			      "sealing failed");
		return;
	}
	d->queue_sealed += count;
}

bool enn_dtls_take_sent(struct enn_dtls *d, struct enn_event *event)
{
	if (d->queue_sealed == 0) {
		return false;
	}
	event->type = ENN_EVENT_SENT;
	event->u.sent.user = d->queue[d->queue_head].user;
	event->u.sent.stream = 0;
	d->queue_head = (d->queue_head + 1) % ENN_DTLS_QUEUE;
	d->queue_len--;
	d->queue_sealed--;
	return true;
}

/* ---- transmit ---------------------------------------------------------------------------------------- */

static size_t write_small(struct enn_dtls *d, enn_time now, uint8_t *buf, size_t cap)
{
	size_t most = allowance(d, cap < d->datagram ? cap : d->datagram);
	size_t len = 0;

	if (d->alert_pending) {
		d->alert_pending = false;
		return write_alert(d, buf, most, ENN_DTLS_ALERT_FATAL, d->alert);
	}
	if (d->state == ENN_DTLS_STATE_FAILED || d->state == ENN_DTLS_STATE_CLOSED) {
		return 0;
	}
	len = enn_dtls_write_ack(d, now, buf, most);
	if (d->out_waits) {
		len += enn_dtls_write_flight(d, now, buf + len, most - len);
	}
	return len;
}

static void write_close(struct enn_dtls *d, struct enn_batch *batch)
{
	batch->len = write_alert(d, batch->buf, batch->cap, ENN_DTLS_ALERT_WARNING,
				 ENN_ALERT_CLOSE_NOTIFY);
	batch->segment_size = batch->len;
	d->close_sent = true;
	enn_dtls_closed(d);
}

void enn_dtls_transmit(struct enn_dtls *d, enn_time now, struct enn_batch *batch)
{
	batch->path = d->path;
	batch->ecn = 0;
	write_key_update(d);
	batch->len = write_small(d, now, batch->buf, batch->cap);
	batch->segment_size = batch->len;
	if (batch->len == 0 && d->state == ENN_DTLS_STATE_OPEN) {
		write_data(d, batch);
		watch_limit(d);
		if (batch->len == 0 && d->closing && !d->close_sent &&
		    d->queue_sealed == d->queue_len) {
			write_close(d, batch);
		}
	}
	d->bytes_out += batch->len;
}
