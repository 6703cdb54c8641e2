/* SPDX-License-Identifier: Apache-2.0
 *
 * The server after its ServerHello (RFC 8446 §A.2).
 */
#include "handshake/internal.h"

/* ---- the server's flight ------------------------------------------------------------------- */

static enum enn_status send_encrypted_extensions(struct enn_handshake *hs,
						 const struct enn_client_hello *ch)
{
	const struct enn_handshake_result *result = &hs->c->result;
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_HANDSHAKE, ENN_HS_ENCRYPTED_EXTENSIONS, 2048));
	size_t list = enn_write_begin(&out.w, 2);
	if (ch->server_name.len > 0 && result->server_name != NULL && !result->resumed) {
		enn_write_u16(&out.w, ENN_EXT_SERVER_NAME); /* RFC 6066 §3: it was used */
		enn_write_u16(&out.w, 0);
	}
	if (result->alpn_len > 0) {
		enn_write_u16(&out.w, ENN_EXT_ALPN);
		size_t data = enn_write_begin(&out.w, 2);
		size_t names = enn_write_begin(&out.w, 2);
		enn_write_vector(&out.w, 1, result->alpn, result->alpn_len);
		enn_write_end(&out.w, names, 2);
		enn_write_end(&out.w, data, 2);
	}
	if (result->early_data == ENN_EARLY_DATA_ACCEPTED) {
		enn_write_u16(&out.w, ENN_EXT_EARLY_DATA);
		enn_write_u16(&out.w, 0);
	}
	if (!result->resumed && !result->external_psk) {
		enn_raw_key_answer(hs, &out.w, ch, enn_certificate_wanted(hs));
	}
	enn_record_size_answer(hs, &out.w);
	enn_ticket_request_answer(hs, &out.w);
	enn_ech_answer(hs, &out.w);
	enn_write_end(&out.w, list, 2);
	return enn_hs_commit(hs, &out);
}

static void write_schemes(struct enn_writer *w, uint16_t type, const struct enn_code_list *list)
{
	enn_write_u16(w, type);
	size_t data = enn_write_begin(w, 2);
	size_t codes = enn_write_begin(w, 2);
	for (size_t i = 0; i < list->count; i++) {
		enn_write_u16(w, list->code[i]);
	}
	enn_write_end(w, codes, 2);
	enn_write_end(w, data, 2);
}

enum enn_status enn_server_request_certificate(struct enn_handshake *hs)
{
	struct enn_hs_out out;
	uint8_t r = 0;

	ENN_TRY(enn_hs_begin(hs, &out, enn_hs_auth_level(hs), ENN_HS_CERTIFICATE_REQUEST,
			     512 + enn_certificate_authorities_size(hs)));
	enn_write_vector(&out.w, 1, hs->context.data, hs->context.len); /* empty in the handshake */
	size_t list = enn_write_begin(&out.w, 2);
	write_schemes(&out.w, ENN_EXT_SIGNATURE_ALGORITHMS,
		      enn_security_list(hs->security, ENN_SECURITY_SIGNATURES));
	write_schemes(&out.w, ENN_EXT_SIGNATURE_ALGORITHMS_CERT,
		      enn_security_list(hs->security, ENN_SECURITY_CERT_SIGNATURES));
	enn_status_ask_client(hs, &out.w);
	if (hs->post_secret == NULL) {
		enn_compress_offer(hs, &out.w);
	}
	enn_certificate_write_authorities(hs, &out.w);
	/* RFC 8701 §4.1: a server may send a reserved extension here. */
	if (enn_security_flag(hs->security, ENN_SECURITY_GREASE) &&
	    enn_random(hs->env, &r, 1) == ENN_OK) {
		uint8_t byte = (uint8_t)((r & 0xf0) | 0x0a);
		enn_write_u16(&out.w, (uint16_t)(byte << 8 | byte));
		enn_write_u16(&out.w, 0);
	}
	enn_write_end(&out.w, list, 2);
	return enn_hs_commit(hs, &out);
}

enum enn_status enn_server_flight_rest(struct enn_handshake *hs,
				       enum enn_handshake_outcome *outcome)
{
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t secret[ENN_MAX_SECRET];
	bool early = hs->c->result.early_data == ENN_EARLY_DATA_ACCEPTED;

	ENN_TRY(enn_finished_send(hs, hs->server_secret));
	enn_key_schedule_main(&hs->ks);
	enn_hs_transcript_hash(hs, transcript);
	enn_hs_traffic_secret(hs, "c ap traffic", "CLIENT_TRAFFIC_SECRET_0", transcript,
			      hs->next_receive);
	enn_hs_traffic_secret(hs, "s ap traffic", "SERVER_TRAFFIC_SECRET_0", transcript, secret);
	enn_hs_traffic_secret(hs, "exp master", "EXPORTER_SECRET", transcript,
			      hs->c->result.exporter_secret);
	enum enn_status status =
		enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_APPLICATION, secret);
	enn_wipe(secret, sizeof(secret));
	if (status == ENN_OK && !early) {
		status = enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_HANDSHAKE,
				       hs->client_secret);
	}
	hs->half_rtt = early && !hs->certificate_requested;
	hs->state = early			? ENN_HS_SERVER_EXPECT_END_OF_EARLY_DATA
		    : hs->certificate_requested ? ENN_HS_SERVER_EXPECT_CERTIFICATE
						: ENN_HS_SERVER_EXPECT_FINISHED;
	if (early) {
		*outcome = ENN_OUTCOME_EARLY_DATA;
	}
	return status;
}

enum enn_status enn_server_flight(struct enn_handshake *hs, const struct enn_client_hello *ch,
				  struct enn_bytes shared, enum enn_handshake_outcome *outcome)
{
	uint8_t transcript[ENN_MAX_HASH];
	struct enn_bytes none = {NULL, 0};
	bool ask = false;

	enn_key_schedule_handshake(&hs->ks, shared.data, shared.len);
	enn_hs_transcript_hash(hs, transcript);
	enn_hs_traffic_secret(hs, "c hs traffic", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", transcript,
			      hs->client_secret);
	enn_hs_traffic_secret(hs, "s hs traffic", "SERVER_HANDSHAKE_TRAFFIC_SECRET", transcript,
			      hs->server_secret);
	ENN_TRY(enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_HANDSHAKE, hs->server_secret));
	ENN_TRY(send_encrypted_extensions(hs, ch));
	if (!hs->c->result.resumed && !hs->c->result.external_psk) {
		hs->certificate_requested = enn_certificate_wanted(hs);
		hs->c->result.certificate_requested = hs->certificate_requested;
		if (hs->certificate_requested) {
			ENN_TRY(enn_server_request_certificate(hs));
		}
		ENN_TRY(enn_certificate_send(hs, ENN_LEVEL_HANDSHAKE));
		ENN_TRY(enn_certificate_verify_send(hs, none, &ask));
	}
	if (ask) {
		hs->state = ENN_HS_SERVER_AWAIT_SIGNATURE;
		*outcome = ENN_OUTCOME_WANT_SIGNATURE;
		return ENN_OK;
	}
	return enn_server_flight_rest(hs, outcome);
}

/* ---- the client's flight ------------------------------------------------------------------------ */

static enum enn_status receive_end_of_early_data(struct enn_handshake *hs, struct enn_bytes body)
{
	if (body.len != 0) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "EndOfEarlyData", "EndOfEarlyData is not empty");
	}
	hs->state = ENN_HS_SERVER_EXPECT_FINISHED; /* a PSK handshake has no certificates */
	return enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_HANDSHAKE, hs->client_secret);
}

static enum enn_status receive_certificate(struct enn_handshake *hs, enn_time now, uint8_t type,
					   struct enn_bytes body)
{
	bool empty = false;

	hs->early_skip = ENN_SKIP_NONE;
	ENN_TRY(type == ENN_HS_COMPRESSED_CERTIFICATE
			? enn_certificate_receive_compressed(hs, now, body, &empty)
			: enn_certificate_receive(hs, now, body, &empty));
	if (empty && enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_CERTIFICATE_REQUIRED,
					  ENN_REASON_CERT_MISSING, "Certificate",
					  "the client sent no certificate and one is required");
	}
	hs->state = empty ? ENN_HS_SERVER_EXPECT_FINISHED : ENN_HS_SERVER_EXPECT_CERTIFICATE_VERIFY;
	return ENN_OK;
}

static enum enn_status complete(struct enn_handshake *hs, enum enn_handshake_outcome *outcome)
{
	uint8_t transcript[ENN_MAX_HASH];

	enn_hs_transcript_hash(hs, transcript);
	enn_key_schedule_derive(&hs->ks, "res master", transcript, hs->c->result.resumption_secret);
	hs->c->result.ech_accepted = enn_ech_state(hs) == ENN_ECH_ACCEPTED;
	hs->early_skip = ENN_SKIP_NONE;
	ENN_TRY(enn_post_auth_keep(hs));
	hs->state = ENN_HS_COMPLETE;
	*outcome = ENN_OUTCOME_COMPLETE;
	return enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_APPLICATION, hs->next_receive);
}

enum enn_status enn_server_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
				   struct enn_bytes body, struct enn_bytes message,
				   enum enn_handshake_outcome *outcome)
{
	switch (type) {
	case ENN_HS_CLIENT_HELLO: /* keeps its own order with the transcript */
		return enn_server_client_hello(hs, now, body, message, outcome);
	case ENN_HS_CERTIFICATE_VERIFY:
		ENN_TRY(enn_certificate_verify_receive(hs, body));
		enn_hs_transcript_add(hs, message.data, message.len);
		hs->state = ENN_HS_SERVER_EXPECT_FINISHED;
		if (enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER)) {
			hs->resume_at = hs->state;
			hs->state = ENN_HS_SERVER_AWAIT_VERDICT;
			*outcome = ENN_OUTCOME_VALIDATE_PEER;
		}
		return ENN_OK;
	case ENN_HS_FINISHED:
		ENN_TRY(enn_finished_receive(hs, hs->client_secret, body));
		enn_hs_transcript_add(hs, message.data, message.len);
		return complete(hs, outcome);
	case ENN_HS_CERTIFICATE:
	case ENN_HS_COMPRESSED_CERTIFICATE:
		enn_hs_transcript_add(hs, message.data, message.len);
		return receive_certificate(hs, now, type, body);
	default: /* EndOfEarlyData: the table lets nothing else through */
		enn_hs_transcript_add(hs, message.data, message.len);
		return receive_end_of_early_data(hs, body);
	}
}
