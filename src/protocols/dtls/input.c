/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes: datagrams, records, and what their content means.
 */
#include "base/log.h"
#include "handshake/codec.h"
#include "protocols/dtls/internal.h"

/* ---- the handshake's outcome --------------------------------------------------------------------- */

static void free_session(struct enn_dtls *d)
{
	enn_free_secret(d->carrier.env, d->session, d->session_len);
	d->session = NULL;
	d->session_len = 0;
}

static void send_tickets(struct enn_dtls *d, enn_time now)
{
	unsigned n = d->carrier.result.tickets_expected;

	for (unsigned i = 0; i < n && d->state == ENN_DTLS_STATE_OPEN; i++) {
		if (enn_post_send_ticket(&d->carrier, now) != ENN_OK) {
			enn_dtls_failed(d);
		}
	}
}

static void complete(struct enn_dtls *d, enn_time now)
{
	bool server = d->carrier.result.server;

	free_session(d);
	if (enn_handshake_take_session(d->hs, now, &d->session, &d->session_len,
				       &d->session_expires) != ENN_OK) {
		enn_dtls_failed(d);
		return;
	}
	enn_handshake_free(d->hs);
	d->hs = NULL;
	d->state = ENN_DTLS_STATE_OPEN;
	/* A client of 1.3 is done before its Finished is acknowledged: until then its time goes on. */
	if (enn_dtls_is_12(d) || server) {
		d->deadline = ENN_TIME_NEVER;
	}
	d->pending |= ENN_DTLS_PENDING_READY;
	if (d->session != NULL) {
		d->pending |= ENN_DTLS_PENDING_SESSION;
	}
	enn_dtls_keys_wipe(d->carrier.env, &d->receive[ENN_DTLS_SLOT_PLAIN]);
	if (enn_dtls_is_12(d)) {
		/* Whoever has a flight left sent the last one, and keeps it for a peer that asks again. */
		d->final_flight = d->out != NULL;
		d->retransmit_at = ENN_TIME_NEVER;
		return;
	}
	if (server) { /* RFC 9147 §5.8.1: the client's Finished is acknowledged by name */
		d->ack_at = d->ack_count > 0 ? now : ENN_TIME_NEVER;
		if (d->carrier.result.tickets_usable) {
			send_tickets(d, now);
		}
	}
}

void enn_dtls_outcome(struct enn_dtls *d, enn_time now, enum enn_status status,
		      enum enn_handshake_outcome outcome)
{
	if (status != ENN_OK) {
		enn_dtls_failed(d);
		return;
	}
	switch (outcome) {
	case ENN_OUTCOME_VALIDATE_PEER:
	case ENN_OUTCOME_WANT_PSK:
	case ENN_OUTCOME_WANT_STORE:
	case ENN_OUTCOME_WANT_CREDENTIAL:
	case ENN_OUTCOME_WANT_SIGNATURE:
		d->question = outcome;
		d->pending |= ENN_DTLS_PENDING_QUESTION;
		break;
	case ENN_OUTCOME_COMPLETE:
		complete(d, now);
		break;
	default: /* early data, and authentication afterwards, are not part of it */
		break;
	}
}

/* ---- after the handshake --------------------------------------------------------------------------- */

static void unexpected(struct enn_dtls *d, uint8_t type)
{
	enn_dtls_fail(d, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
		      enn_handshake_type_name(type), "unexpected %s (%u) after the handshake",
		      enn_handshake_type_name(type), type);
}

static void receive_key_update(struct enn_dtls *d, struct enn_bytes message)
{
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};
	struct enn_fault fault;
	uint8_t request = 0;

	if (!enn_parse_key_update(body, &request, &fault)) {
		enn_dtls_fail(d, (enum enn_alert)fault.alert, ENN_REASON_PROTOCOL_FAILED,
			      fault.where, "%s %s", fault.where, fault.what);
		return;
	}
	if (enn_dtls_update(d, ENN_DIRECTION_RECEIVE) != ENN_OK) {
		enn_dtls_fail(d, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_OUT_OF_MEMORY, "KeyUpdate",
			      "new keys could not be made");
		return;
	}
	d->pending |= ENN_DTLS_PENDING_KEYS_RECEIVED;
	d->key_update_owed = d->key_update_owed || request == 1;
}

static void receive_ticket(struct enn_dtls *d, enn_time now, struct enn_bytes message)
{
	free_session(d);
	if (enn_post_receive_ticket(&d->carrier, now, message, &d->session, &d->session_len,
				    &d->session_expires) != ENN_OK) {
		enn_dtls_failed(d);
	} else if (d->session != NULL) {
		d->pending |= ENN_DTLS_PENDING_SESSION;
	}
}

void enn_dtls_post_handshake(struct enn_dtls *d, enn_time now, struct enn_bytes message)
{
	uint8_t type = message.data[0];

	if (enn_dtls_is_12(d)) {
		return; /* nobody renegotiates here, and who wants to goes without an answer */
	}
	if (type == ENN_HS_KEY_UPDATE) {
		receive_key_update(d, message);
	} else if (type == ENN_HS_NEW_SESSION_TICKET && !d->carrier.result.server) {
		receive_ticket(d, now, message);
	} else {
		unexpected(d, type);
	}
}

/* ---- content --------------------------------------------------------------------------------------- */

/* Anybody can send a plain alert: it is believed only while there is nothing better. */
static bool may_be_plain(const struct enn_dtls *d)
{
	return d->state == ENN_DTLS_STATE_HANDSHAKE &&
	       !d->receive[ENN_DTLS_SLOT_HANDSHAKE].present &&
	       !d->receive[ENN_DTLS_SLOT_CURRENT].present;
}

static void peer_failed(struct enn_dtls *d, uint8_t alert)
{
	const char *name = enn_alert_name(alert);

	(void)enn_handshake_fail(&d->carrier, (enum enn_alert)alert,
				 ENN_REASON_ESTABLISHMENT_FAILED, "alert", "the peer says: %s",
				 name == NULL ? "an alert that is not known" : name);
	d->carrier.error.origin = ENN_ORIGIN_PEER;
	enn_dtls_failed(d);
}

static void peer_closes(struct enn_dtls *d)
{
	if (d->peer_closed || d->state != ENN_DTLS_STATE_OPEN) {
		return;
	}
	/* Ours goes back, and that is the end: datagrams have no order, so nothing can be behind it
	 * (RFC 5246 §7.2.1, RFC 9147 §5.10). */
	d->peer_closed = true;
	d->closing = true;
}

static void receive_alert(struct enn_dtls *d, const struct enn_dtls_record *record)
{
	struct enn_reader r = enn_reader_of(record->content, record->len);
	uint8_t level = enn_read_u8(&r);
	uint8_t alert = enn_read_u8(&r);

	if (!enn_reader_done(&r) || (record->keys->aead == NULL && !may_be_plain(d))) {
		return;
	}
	if (alert == ENN_ALERT_CLOSE_NOTIFY) {
		if (d->state == ENN_DTLS_STATE_HANDSHAKE) {
			peer_failed(d, ENN_ALERT_USER_CANCELED);
		} else {
			peer_closes(d);
		}
		return;
	}
	bool warning = level == ENN_DTLS_ALERT_WARNING && !enn_dtls_is_13(d);
	if (!warning && alert != ENN_ALERT_USER_CANCELED) {
		peer_failed(d, alert);
	}
}

static void receive_data(struct enn_dtls *d, enn_time now, const struct enn_dtls_record *record)
{
	if (record->keys->level != ENN_LEVEL_APPLICATION || d->state != ENN_DTLS_STATE_OPEN ||
	    d->closing) {
		return; /* before our handshake is over it is not known from whom it is */
	}
	if (d->final_flight) { /* the peer has it */
		d->final_flight = false;
		enn_dtls_flight_done(d, now);
	}
	d->received = record->content;
	d->received_len = record->len;
	d->received_flags = 0;
	d->pending |= ENN_DTLS_PENDING_RECEIVED;
}

static void receive(struct enn_dtls *d, enn_time now, const struct enn_dtls_record *record)
{
	if (record->keys->aead != NULL) {
		d->validated = true;
	}
	switch (record->type) {
	case ENN_DTLS_HANDSHAKE:
		enn_dtls_take_fragments(d, now, record);
		enn_dtls_deliver(d, now);
		break;
	case ENN_DTLS_ALERT:
		receive_alert(d, record);
		break;
	case ENN_DTLS_APPLICATION_DATA:
		receive_data(d, now, record);
		break;
	case ENN_DTLS_ACK:
		if (enn_dtls_is_13(d) || record->keys->aead == NULL) {
			enn_dtls_take_ack(d, now, record);
		}
		break;
	default: /* change_cipher_spec: the epoch in the records says it; others: RFC 6347 §4.1.2.7 */
		break;
	}
}

/* ---- datagrams --------------------------------------------------------------------------------------- */

static void drop_packets(struct enn_dtls *d)
{
	d->packets = NULL;
	d->packet_count = d->packet_at = d->packet_offset = 0;
}

static bool ended(const struct enn_dtls *d)
{
	return d->state == ENN_DTLS_STATE_FAILED || d->state == ENN_DTLS_STATE_CLOSED;
}

bool enn_dtls_advance(struct enn_dtls *d, enn_time now)
{
	while (d->pending == 0 && d->packet_at < d->packet_count && !ended(d)) {
		struct enn_packet *p = &d->packets[d->packet_at];
		struct enn_dtls_record record;
		size_t used = 0;
		if (d->packet_offset >= p->len) {
			d->packet_at++;
			d->packet_offset = 0;
			continue;
		}
		enum enn_dtls_opened how = enn_dtls_open(d, p->data + d->packet_offset,
							 p->len - d->packet_offset, &used, &record);
		d->packet_offset = how == ENN_DTLS_BROKEN ? p->len : d->packet_offset + used;
		if (how == ENN_DTLS_OPENED) {
			receive(d, now, &record);
		}
	}
	if (d->pending == 0 || ended(d)) {
		drop_packets(d);
	}
	return d->pending != 0;
}
