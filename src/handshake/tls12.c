/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: what client and server do alike.
 */
#include "handshake/tls12.h"

enum enn_status enn_tls12_fail(struct enn_handshake *hs, enum enn_alert alert,
			       enum enn_reason reason, const char *where, const char *what)
{
	return enn_handshake_fail(hs->c, alert, reason, where, "%s", what);
}

const struct enn_tls_suite *enn_tls12_suite(const struct enn_handshake *hs, uint16_t code)
{
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(code);

	return suite != NULL && suite->version == ENN_TLS_1_2 &&
			       enn_cbc_allows(hs->security, suite) &&
			       !(hs->c->datagram && suite->aead >= ENN_AEAD_COUNT) &&
			       enn_code_list_has(
				       enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES),
				       code)
		       ? suite
		       : NULL;
}

/* ---- life ----------------------------------------------------------------------------------------- */

bool enn_hs_offers(const struct enn_handshake *hs, uint16_t version)
{
	/* RFC 9849 §6.1: an inner hello is for TLS 1.3 alone, and so is ours around it. */
	if (version == ENN_TLS_1_2 && !hs->server && hs->security->ech.list_len > 0) {
		return false;
	}
	return enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_VERSIONS), version);
}

static bool has_certificate(const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (s->credential[i]->type == ENN_CREDENTIAL_X509 ||
		    s->credential[i]->type == ENN_CREDENTIAL_RAW_KEY) {
			return true;
		}
	}
	return false;
}

enum enn_status enn_tls12_begin(struct enn_handshake *hs)
{
	bool may_verify =
		hs->server ? enn_security_flag(hs->security, ENN_SECURITY_REQUEST_CLIENT) ||
				     enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)
			   : has_certificate(hs->security);

	if (hs->tls12 != NULL || !enn_hs_offers(hs, ENN_TLS_1_2)) {
		return ENN_OK;
	}
	hs->tls12 = enn_alloc(hs->env, sizeof(*hs->tls12));
	if (hs->tls12 == NULL) {
		return enn_handshake_no_memory(hs->c, "handshake");
	}
	hs->tls12->keep = may_verify;
	return ENN_OK;
}

void enn_tls12_free(struct enn_handshake *hs)
{
	struct enn_tls12 *t = hs->tls12;

	if (t != NULL) {
		enn_buffer_clear(&t->messages, hs->env);
		enn_buffer_clear(&t->signed_params, hs->env);
		enn_kx_free(t->share);
		enn_free_secret(hs->env, t->ticket, t->ticket_len);
		enn_free_secret(hs->env, t->state, t->state_len);
		enn_free_secret(hs->env, t, sizeof(*t));
		hs->tls12 = NULL;
	}
}

void enn_tls12_forget_messages(struct enn_handshake *hs)
{
	enn_buffer_clear(&hs->tls12->messages, hs->env);
}

void enn_tls12_keep_message(struct enn_handshake *hs, const void *data, size_t len)
{
	struct enn_tls12 *t = hs->tls12;

	if (t->keep && !t->lost && enn_buffer_append(&t->messages, hs->env, data, len) != ENN_OK) {
		t->lost = true;
	}
}

/* ---- extensions ------------------------------------------------------------------------------------- */

bool enn_tls12_renegotiation_ok(const struct enn_views *views)
{
	struct enn_bytes info = views->data[ENN_VIEW_RENEGOTIATION_INFO];

	return enn_views_have(views, ENN_VIEW_RENEGOTIATION_INFO) && info.len == 1 &&
	       info.data[0] == 0;
}

bool enn_tls12_points_ok(const struct enn_views *views, bool *malformed)
{
	struct enn_bytes data = views->data[ENN_VIEW_EC_POINT_FORMATS];
	struct enn_reader r = enn_reader_of(data.data, data.len);

	*malformed = false;
	if (!enn_views_have(views, ENN_VIEW_EC_POINT_FORMATS)) {
		return true;
	}
	struct enn_bytes formats = enn_read_vector(&r, 1, 1, 255);
	*malformed = !enn_reader_done(&r);
	return !*malformed && memchr(formats.data, 0, formats.len) != NULL;
}

void enn_tls12_write_empty(struct enn_handshake *hs, struct enn_writer *w, enum enn_view view)
{
	size_t data = enn_hs_extension_begin(hs, w, view);

	enn_write_end(w, data, 2);
}

void enn_tls12_write_renegotiation(struct enn_handshake *hs, struct enn_writer *w)
{
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_RENEGOTIATION_INFO);

	enn_write_u8(w, 0);
	enn_write_end(w, data, 2);
}

void enn_tls12_offer_session(struct enn_handshake *hs)
{
	const struct enn_session *s = &hs->session_view;

	if (hs->tls12 == NULL) {
		return;
	}
	hs->tls12->resumes = true;
	if (s->by_id) {
		memcpy(hs->session_id, s->ticket.data, s->ticket.len);
		hs->session_id_len = (uint8_t)s->ticket.len;
	} else if (hs->session_id_len == 0) {
		/* RFC 5077 §3.4: an id of ours, by which the server says that it took the ticket. It is no
		 * secret: the random will do. */
		memcpy(hs->session_id, hs->random, ENN_HS_MAX_SESSION_ID);
		hs->session_id_len = ENN_HS_MAX_SESSION_ID;
	}
}

void enn_tls12_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_session *s = &hs->session_view;
	bool by_ticket = hs->tls12->resumes && !s->by_id;

	enn_tls12_write_empty(hs, w, ENN_VIEW_EXTENDED_MAIN_SECRET);
	enn_tls12_write_renegotiation(hs, w);
	enn_cbc_offer(hs, w);
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_EC_POINT_FORMATS);
	enn_write_u8(w, 1);
	enn_write_u8(w, 0); /* uncompressed (RFC 8422 §5.1.2) */
	enn_write_end(w, data, 2);
	if (enn_security_flag(hs->security, ENN_SECURITY_RESUME)) {
		data = enn_hs_extension_begin(hs, w, ENN_VIEW_SESSION_TICKET);
		if (by_ticket) {
			enn_write_bytes(w, s->ticket.data, s->ticket.len);
		}
		enn_write_end(w, data, 2);
	}
}

/* ---- Certificate -------------------------------------------------------------------------------------- */

/* Which kinds of key a suite's authentication is for: Ed25519 counts as ECDSA (RFC 8422 §2.2). */
static bool serves(const struct enn_sig_alg *alg, enum enn_suite_auth auth)
{
	bool rsa = alg->key == ENN_KEY_RSA || alg->key == ENN_KEY_RSA_PSS;

	return auth == ENN_SUITE_RSA ? rsa : auth == ENN_SUITE_ECDSA && !rsa;
}

struct enn_bytes enn_tls12_filter_schemes(struct enn_bytes schemes, enum enn_suite_auth auth,
					  uint8_t *out, size_t cap)
{
	struct enn_reader r = enn_reader_of(schemes.data, schemes.len);
	struct enn_writer w = enn_writer_of(out, cap);

	while (enn_reader_left(&r) >= 2 && enn_writer_left(&w) >= 2) {
		uint16_t code = enn_read_u16(&r);
		const struct enn_sig_alg *alg = enn_sig_alg_by_tls(code);
		if (alg != NULL && serves(alg, auth)) {
			enn_write_u16(&w, code);
		}
	}
	return (struct enn_bytes){out, enn_writer_len(&w)};
}

enum enn_status enn_tls12_send_certificate(struct enn_handshake *hs)
{
	struct enn_hs_out out;
	size_t count = enn_certificate_own_count(hs->own);
	bool raw = hs->own_type == ENN_CERTIFICATE_RAW_KEY;
	size_t bound = 8;

	for (size_t i = 0; i < count; i++) {
		bound += 3 + enn_certificate_own_entry(hs->own, i).len;
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CERTIFICATE, bound));
	if (raw) {
		struct enn_bytes key = {NULL, 0};
		key = count > 0 ? enn_certificate_own_entry(hs->own, 0) : key;
		enn_write_vector(&out.w, 3, key.data, key.len);
		return enn_hs_commit(hs, &out);
	}
	size_t list = enn_write_begin(&out.w, 3);
	for (size_t i = 0; i < count; i++) {
		struct enn_bytes der = enn_certificate_own_entry(hs->own, i);
		enn_write_vector(&out.w, 3, der.data, der.len);
	}
	enn_write_end(&out.w, list, 3);
	return enn_hs_commit(hs, &out);
}

enum enn_status enn_tls12_receive_certificate(struct enn_handshake *hs, enn_time now,
					      struct enn_bytes body, bool *empty)
{
	struct enn_certificate_message m;
	struct enn_fault fault;
	size_t max = hs->env->limits.max_certificates;

	if (!enn_parse_certificate12(body, hs->peer_type == ENN_CERTIFICATE_RAW_KEY,
				     max == 0 ? ENN_MAX_CERTIFICATES : max, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	*empty = m.count == 0;
	if (*empty) {
		return ENN_OK;
	}
	ENN_TRY(enn_certificate_take(hs, &m));
	/* A status that was announced comes behind it, and belongs to the judgement. */
	return hs->peer_type == ENN_CERTIFICATE_RAW_KEY || hs->tls12->status_expected
		       ? ENN_OK
		       : enn_certificate_validate(hs, now);
}

/* ---- signatures ------------------------------------------------------------------------------------------ */

enum enn_status enn_tls12_verify(struct enn_handshake *hs, uint16_t scheme, struct enn_bytes data,
				 struct enn_bytes signature, const char *where)
{
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(scheme);
	struct enn_public_key *key = enn_peer_chain_key(hs->peer);

	if (alg == NULL ||
	    !enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_SIGNATURES), scheme)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, where,
					  "signature algorithm 0x%04x was not offered", scheme);
	}
	if (key == NULL || !enn_sig_fits_public12(alg, key)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, where,
					  "%s does not fit the certificate's key", alg->name);
	}
	if (hs->peer != NULL && !enn_peer_chain_may_sign(hs->peer)) {
		return enn_tls12_fail(hs, ENN_ALERT_BAD_CERTIFICATE, ENN_REASON_CERT_WRONG_USAGE,
				      "Certificate",
				      "the certificate's key usage does not allow signatures");
	}
	if (enn_verify12(hs->env, alg, key, data.data, data.len, signature.data, signature.len) !=
	    ENN_OK) {
		return enn_tls12_fail(hs, ENN_ALERT_DECRYPT_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      where, "the signature does not verify");
	}
	hs->c->result.signature = scheme;
	return ENN_OK;
}

enum enn_status enn_tls12_sign(struct enn_handshake *hs, struct enn_bytes data,
			       struct enn_bytes external, uint8_t *out, size_t *len, bool *ask)
{
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(hs->own_scheme);

	*ask = false;
	if (hs->own->key == NULL && external.len == 0) {
		hs->question = data;
		*ask = true;
		return ENN_OK;
	}
	if (external.len > ENN_MAX_SIGNATURE) {
		return enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_ESTABLISHMENT_FAILED,
				      "signature", "the signature is too long");
	}
	if (external.len > 0) {
		memcpy(out, external.data, external.len);
		*len = external.len;
		return ENN_OK;
	}
	*len = ENN_MAX_SIGNATURE;
	if (enn_sign12(hs->env, alg, hs->own->key, data.data, data.len, out, len) != ENN_OK) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR,
					  ENN_REASON_ESTABLISHMENT_FAILED, "signature",
					  "signing with %s failed", alg->name);
	}
	return ENN_OK;
}

/* ---- secrets and Finished ---------------------------------------------------------------------------------- */

enum enn_status enn_tls12_derive(struct enn_handshake *hs, struct enn_bytes psk)
{
	struct enn_tls12 *t = hs->tls12;
	uint8_t premaster[2 + ENN_MAX_KX_SECRET + 2 + 255];
	struct enn_writer w = enn_writer_of(premaster, sizeof(premaster));

	if (hs->c->result.suite->auth == ENN_SUITE_PSK) {
		enn_write_vector(&w, 2, t->shared, t->shared_len);
		enn_write_vector(&w, 2, psk.data, psk.len);
	} else {
		enn_write_bytes(&w, t->shared, t->shared_len);
	}
	struct enn_bytes secret = {premaster, enn_writer_len(&w)};
	if (enn_writer_ok(&w)) {
		enn_tls12_make_main_secret(hs, secret);
	}
	enn_wipe(premaster, sizeof(premaster));
	enn_wipe(t->shared, sizeof(t->shared));
	return enn_writer_ok(&w) ? ENN_OK
				 : enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR,
						  ENN_REASON_INVALID_CONFIGURATION, "PSK",
						  "a pre-shared key of more than 255 bytes");
}

enum enn_status enn_tls12_send_finished(struct enn_handshake *hs)
{
	struct enn_hs_out out;
	uint8_t data[ENN_TLS12_VERIFY_DATA];

	ENN_TRY(enn_tls12_keys(hs, ENN_DIRECTION_SEND));
	enn_tls12_verify_data(hs, hs->server, data);
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_APPLICATION, ENN_HS_FINISHED, sizeof(data)));
	enn_write_bytes(&out.w, data, sizeof(data));
	return enn_hs_commit(hs, &out);
}

enum enn_status enn_tls12_check_finished(struct enn_handshake *hs, struct enn_bytes body)
{
	uint8_t expected[ENN_TLS12_VERIFY_DATA];

	if (body.len != sizeof(expected)) {
		return enn_tls12_fail(hs, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "Finished", "Finished has a wrong length");
	}
	enn_tls12_verify_data(hs, !hs->server, expected);
	if (!enn_equal_secret(body.data, expected, sizeof(expected))) {
		return enn_tls12_fail(hs, ENN_ALERT_DECRYPT_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "Finished", "Finished does not verify");
	}
	return ENN_OK;
}
