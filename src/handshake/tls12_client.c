/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2, the client after its hello (RFC 5246 §7.3).
 */
#include "handshake/reasons.h"
#include "handshake/tls12.h"

static enum enn_status illegal(struct enn_handshake *hs, const char *where, const char *what)
{
	return enn_tls12_fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED, where,
			      what);
}

/* ---- ServerHello -------------------------------------------------------------------------------- */

/* RFC 8446 §4.1.3: a server that could do TLS 1.3 but was made to speak less says so. */
static enum enn_status check_downgrade(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	static const uint8_t sentinel[7] = {'D', 'O', 'W', 'N', 'G', 'R', 'D'};

	if (enn_hs_offers(hs, ENN_TLS_1_3) &&
	    memcmp(sh->random.data + 24, sentinel, sizeof(sentinel)) == 0 &&
	    sh->random.data[31] <= 1) {
		return illegal(hs, "ServerHello.random", "the server signals a downgrade attack");
	}
	return ENN_OK;
}

static enum enn_status check_hello(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	const struct enn_tls_suite *suite = enn_tls12_suite(hs, sh->cipher_suite);

	ENN_TRY(check_downgrade(hs, sh));
	if (suite == NULL || !enn_client_hello_offers_suite(hs, suite)) {
		return illegal(hs, "ServerHello.cipher_suite",
			       "the server selected a cipher suite that was not offered");
	}
	if (sh->compression != 0) {
		return illegal(hs, "ServerHello.compression_method",
			       "the server selected a compression method");
	}
	if (sh->has != 0) {
		return enn_tls12_fail(hs, ENN_ALERT_UNSUPPORTED_EXTENSION,
				      ENN_REASON_PROTOCOL_FAILED, "ServerHello",
				      "an extension that is not for TLS 1.2");
	}
	/* RFC 5746 §3.4: without it an attacker's data may come before ours. */
	if (!enn_tls12_renegotiation_ok(&sh->views)) {
		return enn_tls12_fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello.renegotiation_info",
				      "the server does not have secure renegotiation (RFC 5746)");
	}
	hs->c->result.extended_main_secret =
		enn_views_have(&sh->views, ENN_VIEW_EXTENDED_MAIN_SECRET);
	if (!hs->c->result.extended_main_secret &&
	    enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_EMS)) {
		return enn_tls12_fail(hs, ENN_ALERT_HANDSHAKE_FAILURE,
				      ENN_REASON_NO_SHARED_PARAMETERS,
				      "ServerHello.extended_master_secret",
				      "the server does not bind the main secret to the handshake "
				      "(RFC 7627)");
	}
	return ENN_OK;
}

#define ANSWERS                                                                                    \
	(ENN_VIEW_BIT(ENN_VIEW_SERVER_NAME) | ENN_VIEW_BIT(ENN_VIEW_ALPN) |                        \
	 ENN_VIEW_BIT(ENN_VIEW_MAX_FRAGMENT_LENGTH) | ENN_VIEW_BIT(ENN_VIEW_STATUS_REQUEST) |      \
	 ENN_VIEW_BIT(ENN_VIEW_EC_POINT_FORMATS) |                                                 \
	 ENN_VIEW_BIT(ENN_VIEW_CLIENT_CERTIFICATE_TYPE) |                                          \
	 ENN_VIEW_BIT(ENN_VIEW_SERVER_CERTIFICATE_TYPE) |                                          \
	 ENN_VIEW_BIT(ENN_VIEW_ENCRYPT_THEN_MAC) | ENN_VIEW_BIT(ENN_VIEW_EXTENDED_MAIN_SECRET) |   \
	 ENN_VIEW_BIT(ENN_VIEW_RECORD_SIZE_LIMIT) | ENN_VIEW_BIT(ENN_VIEW_SESSION_TICKET) |        \
	 ENN_VIEW_BIT(ENN_VIEW_RENEGOTIATION_INFO))

static enum enn_status take_alpn(struct enn_handshake *hs, struct enn_bytes data)
{
	struct enn_reader r = enn_reader_of(data.data, data.len);
	struct enn_reader list = enn_read_sub(&r, 2, 2, UINT16_MAX);
	struct enn_bytes alpn = enn_read_vector(&list, 1, 1, 255);

	if (!enn_reader_done(&r) || !enn_reader_done(&list)) {
		return enn_tls12_fail(hs, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello.alpn", "is malformed");
	}
	return enn_client_take_alpn(hs, alpn);
}

/* Answers that say all by being there, and the point formats. */
static enum enn_status check_contents(struct enn_handshake *hs, const struct enn_views *views)
{
	static const enum enn_view empty[] = {ENN_VIEW_SERVER_NAME, ENN_VIEW_STATUS_REQUEST,
					      ENN_VIEW_EXTENDED_MAIN_SECRET,
					      ENN_VIEW_SESSION_TICKET};
	bool malformed = false;
	bool points = enn_tls12_points_ok(views, &malformed);

	for (size_t i = 0; i < ENN_ARRAY_LEN(empty); i++) {
		malformed = malformed ||
			    (enn_views_have(views, empty[i]) && views->data[empty[i]].len != 0);
	}
	if (malformed) {
		return enn_tls12_fail(hs, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello", "an extension is malformed");
	}
	return points ? ENN_OK
		      : illegal(hs, "ServerHello.ec_point_formats",
				"the uncompressed form is missing");
}

static enum enn_status take_extensions(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	const struct enn_views *views = &sh->views;
	struct enn_tls12 *t = hs->tls12;

	ENN_TRY(enn_hs_check_views(hs, views, ANSWERS, "ServerHello"));
	ENN_TRY(check_contents(hs, views));
	if (enn_views_have(views, ENN_VIEW_ALPN)) {
		ENN_TRY(take_alpn(hs, views->data[ENN_VIEW_ALPN]));
	}
	ENN_TRY(enn_raw_key_take(hs, views, "ServerHello.certificate_type"));
	ENN_TRY(enn_record_size_take(hs, views, "ServerHello"));
	ENN_TRY(enn_cbc_take(hs, views));
	t->status_expected = enn_views_have(views, ENN_VIEW_STATUS_REQUEST);
	t->ticket_expected = enn_views_have(views, ENN_VIEW_SESSION_TICKET);
	return ENN_OK;
}

/* §7.4.1.3: the session id that we sent, sent back, says that the session goes on. */
static bool is_resumed(const struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	struct enn_bytes ours = {hs->session_id, hs->session_id_len};

	return sh->session_id.len > 0 && enn_bytes_equal(sh->session_id, ours);
}

enum enn_status enn_tls12_server_hello(struct enn_handshake *hs, const struct enn_server_hello *sh,
				       struct enn_bytes message)
{
	struct enn_handshake_result *result = &hs->c->result;
	struct enn_tls12 *t = hs->tls12;

	ENN_TRY(check_hello(hs, sh));
	result->suite = enn_tls_suite_by_code(sh->cipher_suite);
	result->version = ENN_TLS_1_2;
	enn_hs_transcript_12(hs);
	result->middlebox_compatible = false;
	memcpy(result->client_random, hs->random, ENN_HS_RANDOM);
	memcpy(result->server_random, sh->random.data, ENN_HS_RANDOM);
	memcpy(t->session_id, sh->session_id.data, sh->session_id.len);
	t->session_id_len = sh->session_id.len;
	hs->psk_count = 0;
	ENN_TRY(take_extensions(hs, sh));
	enn_hs_transcript_choose(hs, enn_hash_alg(result->suite->hash));
	enn_hs_transcript_add(hs, message.data, message.len);
	if (is_resumed(hs, sh)) {
		return enn_tls12_resume(hs);
	}
	t->resumes = false;
	hs->state = result->suite->auth == ENN_SUITE_PSK ? ENN_HS_CLIENT12_EXPECT_KEY_EXCHANGE
							 : ENN_HS_CLIENT12_EXPECT_CERTIFICATE;
	return ENN_OK;
}

/* ---- Certificate, CertificateStatus ------------------------------------------------------------- */

static enum enn_status receive_certificate(struct enn_handshake *hs, enn_time now,
					   struct enn_bytes body)
{
	bool empty = false;

	ENN_TRY(enn_tls12_receive_certificate(hs, now, body, &empty));
	if (empty) {
		return enn_tls12_fail(hs, ENN_ALERT_DECODE_ERROR, ENN_REASON_CERT_MISSING,
				      "Certificate", "the server sent no certificate");
	}
	hs->state = hs->tls12->status_expected ? ENN_HS_CLIENT12_EXPECT_STATUS
					       : ENN_HS_CLIENT12_EXPECT_KEY_EXCHANGE;
	return ENN_OK;
}

static enum enn_status receive_status(struct enn_handshake *hs, enn_time now, struct enn_bytes body)
{
	ENN_TRY(enn_status_receive(hs, body, "CertificateStatus"));
	hs->state = ENN_HS_CLIENT12_EXPECT_KEY_EXCHANGE;
	return hs->peer_type == ENN_CERTIFICATE_RAW_KEY ? ENN_OK
							: enn_certificate_validate(hs, now);
}

/* RFC 6066 §8: a server that said that it would send a status may leave it out. */
static enum enn_status status_left_out(struct enn_handshake *hs, enn_time now)
{
	return hs->peer_type == ENN_CERTIFICATE_RAW_KEY ? ENN_OK
							: enn_certificate_validate(hs, now);
}

/* ---- ServerKeyExchange ------------------------------------------------------------------------------ */

static enum enn_status check_signature(struct enn_handshake *hs,
				       const struct enn_tls12_key_exchange *m)
{
	const struct enn_handshake_result *result = &hs->c->result;
	struct enn_buffer *b = &hs->tls12->signed_params;
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(m->scheme);
	uint8_t code[2] = {(uint8_t)(m->scheme >> 8), (uint8_t)m->scheme};
	struct enn_bytes scheme = {code, 2};
	uint8_t kept[2];

	if (alg != NULL &&
	    enn_tls12_filter_schemes(scheme, result->suite->auth, kept, 2).len == 0) {
		return illegal(hs, "ServerKeyExchange.algorithm",
			       "the signature is not of the cipher suite's kind");
	}
	if (enn_buffer_append(b, hs->env, result->client_random, ENN_HS_RANDOM) != ENN_OK ||
	    enn_buffer_append(b, hs->env, result->server_random, ENN_HS_RANDOM) != ENN_OK ||
	    enn_buffer_append(b, hs->env, m->params.data, m->params.len) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ServerKeyExchange");
	}
	struct enn_bytes data = {enn_buffer_data(b), enn_buffer_len(b)};
	enum enn_status status =
		enn_tls12_verify(hs, m->scheme, data, m->signature, "ServerKeyExchange");
	enn_buffer_clear(b, hs->env);
	return status;
}

/* Our share, and the shared secret. */
static enum enn_status exchange(struct enn_handshake *hs, const struct enn_tls12_key_exchange *m)
{
	const struct enn_kx_alg *group = enn_kx_alg_by_tls(m->curve);
	struct enn_tls12 *t = hs->tls12;

	if (group == NULL || enn_kx_is_hybrid(group) ||
	    !enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_GROUPS), m->curve)) {
		return illegal(hs, "ServerKeyExchange.named_curve",
			       "the server chose a group that was not offered");
	}
	enum enn_status status = enn_kx_respond(hs->env, group, m->public_key.data,
						m->public_key.len, t->public_key, t->shared);
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "ServerKeyExchange");
	}
	if (status == ENN_E_SYSTEM) {
		return enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
				      "the random source failed");
	}
	if (status != ENN_OK) {
		return illegal(hs, "ServerKeyExchange.public",
			       "the server's key share is not a valid public key");
	}
	t->group = group;
	t->shared_len = group->secret_len;
	hs->c->result.group = m->curve;
	return ENN_OK;
}

static enum enn_status receive_key_exchange(struct enn_handshake *hs, struct enn_bytes body,
					    enum enn_handshake_outcome *outcome)
{
	bool psk = hs->c->result.suite->auth == ENN_SUITE_PSK;
	struct enn_tls12_key_exchange m;
	struct enn_fault fault;

	if (!enn_parse_server_key_exchange(body, psk, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (!psk) {
		ENN_TRY(check_signature(hs, &m));
	}
	ENN_TRY(exchange(hs, &m));
	enn_reasons_client(hs);
	hs->state = psk ? ENN_HS_CLIENT12_EXPECT_DONE : ENN_HS_CLIENT12_EXPECT_REQUEST_OR_DONE;
	if (!psk && enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER)) {
		hs->resume_at = hs->state;
		hs->state = ENN_HS_CLIENT_AWAIT_VERDICT;
		*outcome = ENN_OUTCOME_VALIDATE_PEER;
	}
	return ENN_OK;
}

/* ---- CertificateRequest --------------------------------------------------------------------------------- */

static bool wants_kind(struct enn_bytes types, enum enn_suite_auth auth)
{
	uint8_t code = auth == ENN_SUITE_RSA ? 1 : 64; /* rsa_sign, ecdsa_sign */

	return memchr(types.data, code, types.len) != NULL;
}

static enum enn_status receive_request(struct enn_handshake *hs, struct enn_bytes body)
{
	static const enum enn_suite_auth kinds[] = {ENN_SUITE_ECDSA, ENN_SUITE_RSA};
	struct enn_tls12_certificate_request m;
	struct enn_bytes no_name = {NULL, 0};
	struct enn_fault fault;
	uint8_t schemes[128];
	size_t len = 0;

	if (!enn_parse_certificate_request12(body, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(kinds); i++) {
		if (wants_kind(m.types, kinds[i])) {
			len += enn_tls12_filter_schemes(m.signatures, kinds[i], schemes + len,
							sizeof(schemes) - len)
				       .len;
		}
	}
	struct enn_bytes usable = {schemes, len};
	hs->cert_signatures = m.signatures;
	(void)enn_certificate_choose(hs, usable, no_name, m.authorities);
	hs->certificate_requested = true;
	hs->c->result.certificate_requested = true;
	hs->state = ENN_HS_CLIENT12_EXPECT_DONE;
	return ENN_OK;
}

/* ---- the client's second flight --------------------------------------------------------------------------- */

static const struct enn_credential *own_psk(const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (enn_psk_is_for_12(s->credential[i])) {
			return s->credential[i];
		}
	}
	return NULL;
}

static enum enn_status send_key_exchange(struct enn_handshake *hs)
{
	struct enn_handshake_result *result = &hs->c->result;
	const struct enn_tls12 *t = hs->tls12;
	const struct enn_credential *k = own_psk(hs->security);
	bool psk = result->suite->auth == ENN_SUITE_PSK;
	struct enn_bytes key = {NULL, 0};
	struct enn_hs_out out;

	if (t->group == NULL || (psk && k == NULL)) {
		return enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "ClientKeyExchange", "there is no key to exchange");
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CLIENT_KEY_EXCHANGE,
			     8 + (psk ? k->identity_len : 0) + t->group->public_len));
	if (psk) {
		enn_write_vector(&out.w, 2, k->identity, k->identity_len);
		key = (struct enn_bytes){k->secret, k->secret_len};
		struct enn_bytes identity = {k->identity, k->identity_len};
		if (enn_hs_copy(hs->env, &result->psk_identity, &result->psk_identity_len,
				identity) != ENN_OK) {
			return enn_handshake_no_memory(hs->c, "ClientKeyExchange");
		}
		result->external_psk = true;
	}
	enn_write_vector(&out.w, 1, t->public_key, t->group->public_len);
	ENN_TRY(enn_hs_commit(hs, &out));
	return enn_tls12_derive(hs, key);
}

static enum enn_status send_verify(struct enn_handshake *hs, struct enn_bytes external, bool *ask)
{
	struct enn_buffer *b = &hs->tls12->messages;
	struct enn_bytes data = {enn_buffer_data(b), enn_buffer_len(b)};
	uint8_t signature[ENN_MAX_SIGNATURE];
	size_t len = sizeof(signature);
	struct enn_hs_out out;

	if (hs->tls12->lost) {
		return enn_handshake_no_memory(hs->c, "CertificateVerify");
	}
	ENN_TRY(enn_tls12_sign(hs, data, external, signature, &len, ask));
	if (*ask) {
		return ENN_OK;
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CERTIFICATE_VERIFY, 4 + len));
	enn_write_u16(&out.w, hs->own_scheme);
	enn_write_vector(&out.w, 2, signature, len);
	return enn_hs_commit(hs, &out);
}

static enum enn_status flight_rest(struct enn_handshake *hs)
{
	ENN_TRY(enn_tls12_send_finished(hs));
	ENN_TRY(enn_tls12_keys(hs, ENN_DIRECTION_RECEIVE));
	hs->state = hs->tls12->ticket_expected ? ENN_HS_CLIENT12_EXPECT_TICKET
					       : ENN_HS_CLIENT12_EXPECT_FINISHED;
	return ENN_OK;
}

static enum enn_status send_flight(struct enn_handshake *hs, enum enn_handshake_outcome *outcome)
{
	struct enn_bytes none = {NULL, 0};
	bool ask = false;

	if (hs->certificate_requested) {
		ENN_TRY(enn_tls12_send_certificate(hs));
	}
	ENN_TRY(send_key_exchange(hs));
	if (hs->certificate_requested && hs->own != NULL) {
		ENN_TRY(send_verify(hs, none, &ask));
	}
	if (ask) {
		hs->state = ENN_HS_CLIENT_AWAIT_SIGNATURE;
		*outcome = ENN_OUTCOME_WANT_SIGNATURE;
		return ENN_OK;
	}
	return flight_rest(hs);
}

enum enn_status enn_tls12_client_signed(struct enn_handshake *hs, struct enn_bytes signature)
{
	bool ask = false;

	ENN_TRY(send_verify(hs, signature, &ask));
	return flight_rest(hs);
}

/* ---- NewSessionTicket, Finished ------------------------------------------------------------------------------ */

static enum enn_status receive_ticket(struct enn_handshake *hs, struct enn_bytes body)
{
	struct enn_tls12 *t = hs->tls12;
	struct enn_bytes ticket;
	struct enn_fault fault;

	if (!enn_parse_ticket12(body, &t->ticket_lifetime, &ticket, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (enn_hs_copy(hs->env, &t->ticket, &t->ticket_len, ticket) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "NewSessionTicket");
	}
	hs->state = ENN_HS_CLIENT12_EXPECT_FINISHED;
	return ENN_OK;
}

static enum enn_status receive_finished(struct enn_handshake *hs, struct enn_bytes message,
					struct enn_bytes body, enum enn_handshake_outcome *outcome)
{
	struct enn_handshake_result *result = &hs->c->result;

	ENN_TRY(enn_tls12_check_finished(hs, body));
	enn_hs_transcript_add(hs, message.data, message.len);
	if (result->external_psk) { /* who could finish has the key */
		result->peer_authenticated = true;
	}
	if (hs->tls12->resumes) {
		ENN_TRY(enn_tls12_send_finished(hs));
	}
	hs->state = ENN_HS_COMPLETE;
	*outcome = ENN_OUTCOME_COMPLETE;
	return ENN_OK;
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

enum enn_status enn_tls12_client_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
					 struct enn_bytes body, struct enn_bytes message,
					 enum enn_handshake_outcome *outcome)
{
	if (type == ENN_HS_FINISHED) {
		return receive_finished(hs, message, body, outcome);
	}
	if (hs->state == ENN_HS_CLIENT12_EXPECT_STATUS && type == ENN_HS_SERVER_KEY_EXCHANGE) {
		ENN_TRY(status_left_out(hs, now));
	}
	enn_hs_transcript_add(hs, message.data, message.len);
	switch (type) {
	case ENN_HS_CERTIFICATE:
		return receive_certificate(hs, now, body);
	case ENN_HS_CERTIFICATE_STATUS:
		return receive_status(hs, now, body);
	case ENN_HS_SERVER_KEY_EXCHANGE:
		return receive_key_exchange(hs, body, outcome);
	case ENN_HS_CERTIFICATE_REQUEST:
		return receive_request(hs, body);
	case ENN_HS_SERVER_HELLO_DONE:
		if (body.len != 0) {
			return enn_tls12_fail(hs, ENN_ALERT_DECODE_ERROR,
					      ENN_REASON_PROTOCOL_FAILED, "ServerHelloDone",
					      "ServerHelloDone is not empty");
		}
		return send_flight(hs, outcome);
	default: /* NewSessionTicket: the table lets nothing else through */
		return receive_ticket(hs, body);
	}
}
