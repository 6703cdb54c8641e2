/* SPDX-License-Identifier: Apache-2.0
 *
 * How many session tickets a client wants (RFC 9149).
 *
 *   ClientHello:          u8 new_session_count, u8 resumption_count
 *   EncryptedExtensions:  u8 expected_count
 */
#include "handshake/internal.h"

/* What is sent when nobody says a number: a resumption replaces the one ticket that it used up. */
static uint8_t own_count(const struct enn_handshake *hs)
{
	uint64_t n = hs->security->value[ENN_SECURITY_TICKETS];

	return (uint8_t)(hs->c->result.resumed && n > 1 ? 1 : n);
}

/* ---- client ------------------------------------------------------------------------------------- */

void enn_ticket_request_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	uint64_t fresh = hs->security->value[ENN_SECURITY_TICKETS_WANTED];
	uint64_t again = hs->security->value[ENN_SECURITY_TICKETS_WANTED_RESUMED];
	bool use = enn_security_flag(hs->security, ENN_SECURITY_RESUME);

	if (use && fresh == 0) {
		return;
	}
	/* §3: resumption_count is 0 in a new connection. After a HelloRetryRequest it may be that no session is
	 * offered any more, and the numbers stay. */
	bool session = hs->session_len > 0;
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_TICKET_REQUEST);
	enn_write_u8(w, use ? (uint8_t)fresh : 0);
	enn_write_u8(w, use && session ? (uint8_t)again : 0);
	enn_write_end(w, data, 2);
}

enum enn_status enn_ticket_request_take(struct enn_handshake *hs, const struct enn_views *views)
{
	if (!enn_views_have(views, ENN_VIEW_TICKET_REQUEST)) {
		return ENN_OK;
	}
	struct enn_bytes data = views->data[ENN_VIEW_TICKET_REQUEST];
	struct enn_reader r = enn_reader_of(data.data, data.len);
	hs->c->result.tickets_expected = enn_read_u8(&r);
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "EncryptedExtensions.ticket_request",
					  "ticket_request is malformed");
	}
	return ENN_OK;
}

/* ---- server --------------------------------------------------------------------------------------- */

enum enn_status enn_ticket_request_choose(struct enn_handshake *hs, const struct enn_views *views)
{
	struct enn_handshake_result *result = &hs->c->result;
	/* The server's own limit holds however many are wanted. */
	uint64_t most = hs->security->value[ENN_SECURITY_TICKETS];

	result->tickets_expected = own_count(hs);
	if (enn_views_have(views, ENN_VIEW_TICKET_REQUEST)) {
		struct enn_bytes data = views->data[ENN_VIEW_TICKET_REQUEST];
		struct enn_reader r = enn_reader_of(data.data, data.len);
		uint8_t fresh = enn_read_u8(&r);
		uint8_t again = enn_read_u8(&r);
		if (!enn_reader_done(&r)) {
			return enn_handshake_fail(
				hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
				"ClientHello.ticket_request", "ticket_request is malformed");
		}
		uint8_t wanted = result->resumed ? again : fresh;
		result->tickets_expected = wanted < most ? wanted : (uint8_t)most;
		hs->ticket_request = true;
	}
	if (!result->tickets_usable || !enn_security_flag(hs->security, ENN_SECURITY_RESUME)) {
		result->tickets_expected = 0;
	}
	return ENN_OK;
}

void enn_ticket_request_answer(struct enn_handshake *hs, struct enn_writer *w)
{
	if (hs->ticket_request) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_TICKET_REQUEST);
		enn_write_u8(w, hs->c->result.tickets_expected);
		enn_write_end(w, data, 2);
	}
}
