/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2, the server (RFC 5246 §7.3, RFC 8422, RFC 5489).
 */
#include "handshake/reasons.h"
#include "handshake/tls12.h"

#define P_256 0x0017 /* secp256r1, which everybody has */

static enum enn_status fail(struct enn_handshake *hs, enum enn_alert alert, enum enn_reason reason,
			    const char *where, const char *what)
{
	return enn_tls12_fail(hs, alert, reason, where, what);
}

/* ---- ClientHello: form and security ---------------------------------------------------------------- */

static enum enn_status check_points(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	bool malformed;

	if (enn_tls12_points_ok(&ch->views, &malformed)) {
		return ENN_OK;
	}
	return fail(hs, malformed ? ENN_ALERT_DECODE_ERROR : ENN_ALERT_ILLEGAL_PARAMETER,
		    ENN_REASON_PROTOCOL_FAILED, "ClientHello.ec_point_formats",
		    malformed ? "is malformed" : "the uncompressed form is missing");
}

static enum enn_status check_hello(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	if (memchr(ch->compression.data, 0, ch->compression.len) == NULL) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.compression_methods", "the null method is missing");
	}
	/* RFC 7507 §3: a client that speaks less than it could, to a server that could more. */
	if (enn_hs_offers(hs, ENN_TLS_1_3) &&
	    enn_u16_list_has(ch->cipher_suites, ENN_TLS12_FALLBACK_SCSV)) {
		return fail(hs, ENN_ALERT_INAPPROPRIATE_FALLBACK, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.cipher_suites",
			    "the client fell back to TLS 1.2 and would not have to");
	}
	/* RFC 5746 §3.6. A client without it is taken: it is in no danger, for nobody renegotiates here. */
	if (enn_views_have(&ch->views, ENN_VIEW_RENEGOTIATION_INFO) &&
	    !enn_tls12_renegotiation_ok(&ch->views)) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.renegotiation_info", "is of a renegotiation (RFC 5746)");
	}
	bool ems = enn_views_have(&ch->views, ENN_VIEW_EXTENDED_MAIN_SECRET);
	if (ems && ch->views.data[ENN_VIEW_EXTENDED_MAIN_SECRET].len != 0) {
		return fail(hs, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.extended_master_secret", "is not empty");
	}
	if (!ems && enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_EMS)) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			    "ClientHello.extended_master_secret",
			    "the client does not bind the main secret to the handshake (RFC 7627)");
	}
	hs->c->result.extended_main_secret = ems;
	return check_points(hs, ch);
}

/* RFC 8422 §4: who names no groups takes any. Such a client is older than X25519: P-256 if it is allowed here, else
 * our first. */
static const struct enn_kx_alg *choose_group(const struct enn_handshake *hs,
					     const struct enn_client_hello *ch)
{
	const struct enn_code_list *ours = enn_security_list(hs->security, ENN_SECURITY_GROUPS);
	bool any = !(ch->has & ENN_HAS_SUPPORTED_GROUPS);

	if (any && enn_code_list_has(ours, P_256)) {
		return enn_kx_alg_by_tls(P_256);
	}
	for (size_t i = 0; i < ours->count; i++) {
		const struct enn_kx_alg *group = enn_kx_alg_by_tls(ours->code[i]);
		if (group != NULL && !enn_kx_is_hybrid(group) &&
		    (any || enn_u16_list_has(ch->groups, ours->code[i]))) {
			return group;
		}
	}
	return NULL;
}

/* ---- suite and certificate --------------------------------------------------------------------------- */

static bool has_psk(const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (enn_psk_is_for_12(s->credential[i])) {
			return true;
		}
	}
	return s->ask_psk;
}

/* Chooses the credential among those of one kind of key. */
static enum enn_status try_kind(struct enn_handshake *hs, const struct enn_client_hello *ch,
				enum enn_suite_auth auth)
{
	uint8_t schemes[2 * ENN_SECURITY_LIST_MAX + 64];
	struct enn_bytes usable =
		enn_tls12_filter_schemes(ch->signatures, auth, schemes, sizeof(schemes));

	/* Without the extension SHA-1 is meant (RFC 5246 §7.4.1.4.1), which is not to be had here. */
	if (usable.len == 0) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			    "ClientHello.signature_algorithms", "none is for this kind of key");
	}
	return enn_certificate_try_server(hs, ch, usable);
}

/* What each way to authenticate is worth to this client: 0 for one that cannot be gone. */
struct worth {
	bool known[ENN_SUITE_PSK + 1];
	unsigned of[ENN_SUITE_PSK + 1];
	struct enn_error telling; /* what no other suite mends is the better answer in the end */
};

static unsigned worth_of(struct enn_handshake *hs, const struct enn_client_hello *ch,
			 enum enn_suite_auth auth, struct worth *worth)
{
	if (worth->known[auth]) {
		return worth->of[auth];
	}
	worth->known[auth] = true;
	if (auth == ENN_SUITE_PSK) { /* no name, issuer or signature could be wrong with it */
		worth->of[auth] = has_psk(hs->security) ? 1 + ENN_CERTIFICATE_FITS_ALL : 0;
	} else if (try_kind(hs, ch, auth) == ENN_OK) {
		worth->of[auth] = 1 + hs->own_fit;
	} else if (hs->c->error.wire_code == ENN_ALERT_UNRECOGNIZED_NAME ||
		   hs->c->error.wire_code == ENN_ALERT_UNSUPPORTED_CERTIFICATE) {
		worth->telling = hs->c->error;
	}
	return worth->of[auth];
}

/* Suite and certificate belong together: of the shared suites the first whose kind of key has the certificate that
 * suits the client best, so that who asks for a name with an RSA key is not shown another's ECDSA key. */
static enum enn_status choose_suite(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	const struct enn_code_list *ours =
		enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES);
	struct enn_error before = hs->c->error;
	struct worth worth = {.telling = {.status = ENN_OK}};
	const struct enn_tls_suite *best = NULL;
	bool any = false;
	bool cbc = false;

	ENN_TRY(enn_cbc_choose(hs, &ch->views, &cbc));

	for (size_t i = 0; i < ours->count; i++) {
		const struct enn_tls_suite *suite = enn_tls12_suite(hs, ours->code[i]);
		if (suite == NULL || !enn_u16_list_has(ch->cipher_suites, suite->code) ||
		    (!cbc && enn_tls_suite_mac_len(suite) > 0)) {
			continue;
		}
		any = true;
		if (worth_of(hs, ch, suite->auth, &worth) > 0 &&
		    (best == NULL || worth.of[suite->auth] > worth.of[best->auth])) {
			best = suite;
		}
	}
	if (best == NULL && worth.telling.status != ENN_OK) {
		hs->c->error = worth.telling;
		return ENN_E_FAILED;
	}
	if (best == NULL) {
		return fail(
			hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			"ClientHello.cipher_suites",
			any ? "no certificate or key fits the client's cipher suites and signature "
			      "algorithms"
			    : "no cipher suite is shared");
	}
	hs->c->error = before; /* what the others lacked */
	hs->c->result.suite = best;
	if (best->auth != ENN_SUITE_PSK) { /* the last that was tried may be of another kind */
		ENN_TRY(try_kind(hs, ch, best->auth));
		enn_reasons_certificate(hs, ch->server_name);
	}
	return ENN_OK;
}

/* ---- ServerHello ----------------------------------------------------------------------------------------- */

static enum enn_status make_random(struct enn_handshake *hs)
{
	static const uint8_t downgraded[8] = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};
	struct enn_handshake_result *result = &hs->c->result;
	struct enn_tls12 *t = hs->tls12;

	if (enn_random(hs->env, result->server_random, ENN_HS_RANDOM) != ENN_OK ||
	    (!t->resumes && !t->ticket_expected &&
	     enn_random(hs->env, t->session_id, ENN_HS_MAX_SESSION_ID) != ENN_OK)) {
		return fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
			    "the random source failed");
	}
	if (enn_hs_offers(hs, ENN_TLS_1_3)) { /* RFC 8446 §4.1.3 */
		memcpy(result->server_random + 24, downgraded, sizeof(downgraded));
	}
	return ENN_OK;
}

static void write_alpn(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_handshake_result *result = &hs->c->result;

	if (result->alpn_len > 0) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_ALPN);
		size_t names = enn_write_begin(w, 2);
		enn_write_vector(w, 1, result->alpn, result->alpn_len);
		enn_write_end(w, names, 2);
		enn_write_end(w, data, 2);
	}
}

static void write_extensions(struct enn_handshake *hs, struct enn_writer *w,
			     const struct enn_client_hello *ch)
{
	const struct enn_tls12 *t = hs->tls12;
	bool certificate = !t->resumes && hs->c->result.suite->auth != ENN_SUITE_PSK;
	size_t list = enn_write_begin(w, 2);

	if (enn_views_have(&ch->views, ENN_VIEW_RENEGOTIATION_INFO) ||
	    enn_u16_list_has(ch->cipher_suites, ENN_TLS12_RENEGOTIATION_SCSV)) {
		enn_tls12_write_renegotiation(hs, w);
	}
	if (hs->c->result.extended_main_secret) {
		enn_tls12_write_empty(hs, w, ENN_VIEW_EXTENDED_MAIN_SECRET);
	}
	if (ch->server_name.len > 0 && hs->c->result.server_name != NULL && !t->resumes) {
		enn_tls12_write_empty(hs, w, ENN_VIEW_SERVER_NAME);
	}
	if (enn_views_have(&ch->views, ENN_VIEW_EC_POINT_FORMATS) && !t->resumes) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_EC_POINT_FORMATS);
		enn_write_u8(w, 1);
		enn_write_u8(w, 0);
		enn_write_end(w, data, 2);
	}
	if (t->ticket_expected) {
		enn_tls12_write_empty(hs, w, ENN_VIEW_SESSION_TICKET);
	}
	if (t->status_expected) {
		enn_tls12_write_empty(hs, w, ENN_VIEW_STATUS_REQUEST);
	}
	if (certificate) {
		enn_raw_key_answer(hs, w, ch, hs->certificate_requested);
	}
	enn_record_size_answer(hs, w);
	enn_cbc_answer(hs, w);
	write_alpn(hs, w);
	enn_write_end(w, list, 2);
}

static enum enn_status send_hello(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	const struct enn_tls12 *t = hs->tls12;
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_SERVER_HELLO, 1024));
	enn_write_u16(&out.w, enn_hs_wire_version(hs, ENN_TLS_1_2));
	enn_write_bytes(&out.w, hs->c->result.server_random, ENN_HS_RANDOM);
	if (t->resumes) { /* §7.4.1.3: the client's id says that it goes on */
		enn_write_vector(&out.w, 1, hs->session_id, hs->session_id_len);
	} else {
		enn_write_vector(&out.w, 1, t->session_id, t->session_id_len);
	}
	enn_write_u16(&out.w, hs->c->result.suite->code);
	enn_write_u8(&out.w, 0);
	write_extensions(hs, &out.w, ch);
	return enn_hs_commit(hs, &out);
}

/* ---- the rest of the flight --------------------------------------------------------------------------------- */

static enum enn_status send_status(struct enn_handshake *hs)
{
	struct enn_bytes response = enn_status_own(hs);
	struct enn_hs_out out;

	if (!hs->tls12->status_expected) {
		return ENN_OK;
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CERTIFICATE_STATUS,
			     8 + response.len));
	enn_status_write(&out.w, response);
	return enn_hs_commit(hs, &out);
}

/* Our share; what is to be signed of it is kept. */
static enum enn_status make_params(struct enn_handshake *hs)
{
	const struct enn_handshake_result *result = &hs->c->result;
	struct enn_tls12 *t = hs->tls12;
	uint8_t room[8 + ENN_MAX_KX_PUBLIC];
	struct enn_writer w = enn_writer_of(room, sizeof(room));
	struct enn_buffer *b = &t->signed_params;
	enum enn_status status = enn_kx_generate(hs->env, t->group, &t->share, t->public_key);

	if (status != ENN_OK) {
		return status == ENN_E_MEMORY
			       ? enn_handshake_no_memory(hs->c, "ServerKeyExchange")
			       : fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
				      "the random source failed");
	}
	enn_write_u8(&w, 3); /* named_curve */
	enn_write_u16(&w, t->group->tls_group);
	enn_write_vector(&w, 1, t->public_key, t->group->public_len);
	if (enn_buffer_append(b, hs->env, result->client_random, ENN_HS_RANDOM) != ENN_OK ||
	    enn_buffer_append(b, hs->env, result->server_random, ENN_HS_RANDOM) != ENN_OK ||
	    enn_buffer_append(b, hs->env, room, enn_writer_len(&w)) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ServerKeyExchange");
	}
	hs->c->result.group = t->group->tls_group;
	return ENN_OK;
}

static enum enn_status send_key_exchange(struct enn_handshake *hs, struct enn_bytes external,
					 bool *ask)
{
	struct enn_buffer *b = &hs->tls12->signed_params;
	struct enn_bytes data = {enn_buffer_data(b), enn_buffer_len(b)};
	bool psk = hs->c->result.suite->auth == ENN_SUITE_PSK;
	uint8_t signature[ENN_MAX_SIGNATURE];
	size_t len = 0;
	struct enn_hs_out out;

	*ask = false;
	if (data.data == NULL ||
	    data.len < 2 * (size_t)ENN_HS_RANDOM) { /* make_params came before */
		return enn_handshake_no_memory(hs->c, "ServerKeyExchange");
	}
	if (!psk) {
		ENN_TRY(enn_tls12_sign(hs, data, external, signature, &len, ask));
	}
	if (*ask) {
		return ENN_OK;
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_SERVER_KEY_EXCHANGE,
			     16 + data.len + len));
	if (psk) {
		enn_write_u16(&out.w, 0); /* no hint */
	}
	enn_write_bytes(&out.w, data.data + 2 * ENN_HS_RANDOM, data.len - 2 * ENN_HS_RANDOM);
	if (!psk) {
		enn_write_u16(&out.w, hs->own_scheme);
		enn_write_vector(&out.w, 2, signature, len);
	}
	enn_buffer_clear(b, hs->env);
	return enn_hs_commit(hs, &out);
}

static enum enn_status send_request(struct enn_handshake *hs)
{
	const struct enn_code_list *schemes =
		enn_security_list(hs->security, ENN_SECURITY_SIGNATURES);
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CERTIFICATE_REQUEST,
			     16 + 2 * schemes->count + enn_certificate_authorities_size(hs)));
	enn_write_u8(&out.w, 2);
	enn_write_u8(&out.w, 64); /* ecdsa_sign */
	enn_write_u8(&out.w, 1);  /* rsa_sign */
	size_t list = enn_write_begin(&out.w, 2);
	for (size_t i = 0; i < schemes->count; i++) {
		enn_write_u16(&out.w, schemes->code[i]);
	}
	enn_write_end(&out.w, list, 2);
	size_t names = enn_write_begin(&out.w, 2);
	enn_certificate_write_names(hs, &out.w);
	enn_write_end(&out.w, names, 2);
	return enn_hs_commit(hs, &out);
}

static enum enn_status flight_rest(struct enn_handshake *hs)
{
	struct enn_hs_out out;

	if (hs->certificate_requested) {
		ENN_TRY(send_request(hs));
	}
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_SERVER_HELLO_DONE, 0));
	ENN_TRY(enn_hs_commit(hs, &out));
	hs->state = hs->certificate_requested ? ENN_HS_SERVER12_EXPECT_CERTIFICATE
					      : ENN_HS_SERVER12_EXPECT_KEY_EXCHANGE;
	return ENN_OK;
}

static enum enn_status send_flight(struct enn_handshake *hs, enum enn_handshake_outcome *outcome)
{
	struct enn_bytes none = {NULL, 0};
	bool ask = false;

	if (hs->c->result.suite->auth != ENN_SUITE_PSK) {
		ENN_TRY(enn_tls12_send_certificate(hs));
		ENN_TRY(send_status(hs));
	}
	ENN_TRY(make_params(hs));
	ENN_TRY(send_key_exchange(hs, none, &ask));
	if (ask) {
		hs->state = ENN_HS_SERVER_AWAIT_SIGNATURE;
		*outcome = ENN_OUTCOME_WANT_SIGNATURE;
		return ENN_OK;
	}
	return flight_rest(hs);
}

enum enn_status enn_tls12_server_signed(struct enn_handshake *hs, struct enn_bytes signature)
{
	bool ask = false;

	ENN_TRY(send_key_exchange(hs, signature, &ask));
	return flight_rest(hs);
}

/* ---- the whole of a ClientHello ---------------------------------------------------------------------------- */

static enum enn_status resume(struct enn_handshake *hs, enn_time now,
			      const struct enn_client_hello *ch)
{
	hs->c->result.resumed = true;
	ENN_TRY(make_random(hs));
	ENN_TRY(send_hello(hs, ch));
	if (hs->tls12->ticket_expected) {
		ENN_TRY(enn_tls12_send_ticket(hs, now));
	}
	ENN_TRY(enn_tls12_send_finished(hs));
	ENN_TRY(enn_tls12_keys(hs, ENN_DIRECTION_RECEIVE));
	hs->state = ENN_HS_SERVER12_EXPECT_FINISHED;
	return ENN_OK;
}

static enum enn_status begin_full(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_handshake_result *result = &hs->c->result;
	struct enn_tls12 *t = hs->tls12;
	bool tickets = hs->security->value[ENN_SECURITY_TICKETS] > 0;

	ENN_TRY(choose_suite(hs, ch));
	/* With a PSK nothing is resumed that the PSK would not give again. */
	bool remember = enn_security_flag(hs->security, ENN_SECURITY_RESUME) &&
			result->suite->auth != ENN_SUITE_PSK;
	t->group = choose_group(hs, ch);
	if (t->group == NULL) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			    "ClientHello.supported_groups", "no key exchange group is shared");
	}
	enn_reasons_server(hs, ch, result->suite, t->group, true, false);
	ENN_TRY(enn_status_take_request(hs, &ch->views));
	t->status_expected = result->suite->auth != ENN_SUITE_PSK && enn_status_own(hs).len > 0;
	hs->certificate_requested =
		result->suite->auth != ENN_SUITE_PSK && enn_certificate_wanted(hs);
	t->ticket_expected =
		remember && tickets && enn_views_have(&ch->views, ENN_VIEW_SESSION_TICKET);
	t->session_id_len = remember && !t->ticket_expected ? ENN_HS_MAX_SESSION_ID : 0;
	return ENN_OK;
}

enum enn_status enn_tls12_client_hello(struct enn_handshake *hs, enn_time now,
				       const struct enn_client_hello *ch, struct enn_bytes message,
				       enum enn_handshake_outcome *outcome)
{
	struct enn_handshake_result *result = &hs->c->result;

	if (hs->tls12 == NULL) { /* a HelloRetryRequest went before */
		return fail(hs, ENN_ALERT_PROTOCOL_VERSION, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.supported_versions",
			    "the second ClientHello is for another version");
	}
	result->version = ENN_TLS_1_2;
	enn_hs_transcript_12(hs);
	result->middlebox_compatible = false;
	result->tickets_usable = false; /* those of TLS 1.3 */
	memcpy(result->client_random, ch->random.data, ENN_HS_RANDOM);
	ENN_TRY(check_hello(hs, ch));
	ENN_TRY(enn_record_size_choose(hs, &ch->views));
	ENN_TRY(enn_tls12_find_session(hs, now, ch));
	if (!hs->tls12->resumes) {
		ENN_TRY(begin_full(hs, ch));
	}
	enn_hs_transcript_choose(hs, enn_hash_alg(result->suite->hash));
	enn_hs_transcript_add(hs, message.data, message.len);
	if (hs->tls12->resumes) {
		return resume(hs, now, ch);
	}
	ENN_TRY(make_random(hs));
	ENN_TRY(send_hello(hs, ch));
	return send_flight(hs, outcome);
}

/* ---- the client's flight ------------------------------------------------------------------------------------- */

static enum enn_status receive_certificate(struct enn_handshake *hs, enn_time now,
					   struct enn_bytes body)
{
	bool empty = false;

	hs->tls12->status_expected = false; /* ours; a client sends none in TLS 1.2 */
	ENN_TRY(enn_tls12_receive_certificate(hs, now, body, &empty));
	if (empty && enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) {
		/* §7.4.6: there is no alert of its own before TLS 1.3 */
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_CERT_MISSING, "Certificate",
			    "the client sent no certificate and one is required");
	}
	hs->certificate_requested = !empty; /* whether CertificateVerify is due */
	hs->state = ENN_HS_SERVER12_EXPECT_KEY_EXCHANGE;
	return ENN_OK;
}

/* The shared secret is there: on with the key of the PSK, if there is one. */
static enum enn_status keys_known(struct enn_handshake *hs, struct enn_bytes psk)
{
	ENN_TRY(enn_tls12_derive(hs, psk));
	if (hs->certificate_requested) {
		hs->state = ENN_HS_SERVER12_EXPECT_CERTIFICATE_VERIFY;
		return ENN_OK;
	}
	hs->state = ENN_HS_SERVER12_EXPECT_FINISHED;
	return enn_tls12_keys(hs, ENN_DIRECTION_RECEIVE);
}

static enum enn_status find_psk(struct enn_handshake *hs, struct enn_bytes identity,
				enum enn_handshake_outcome *outcome)
{
	struct enn_handshake_result *result = &hs->c->result;

	result->external_psk = true;
	if (enn_hs_copy(hs->env, &result->psk_identity, &result->psk_identity_len, identity) !=
	    ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientKeyExchange");
	}
	for (size_t i = 0; i < hs->security->credential_count; i++) {
		const struct enn_credential *k = hs->security->credential[i];
		struct enn_bytes known = {k->identity, k->identity_len};
		if (enn_psk_is_for_12(k) && enn_bytes_equal(known, identity)) {
			struct enn_bytes key = {k->secret, k->secret_len};
			return keys_known(hs, key);
		}
	}
	if (!hs->security->ask_psk) { /* RFC 4279 §2 */
		return fail(hs, ENN_ALERT_UNKNOWN_PSK_IDENTITY, ENN_REASON_UNKNOWN_PSK,
			    "ClientKeyExchange.psk_identity", "the PSK identity is unknown");
	}
	hs->question = (struct enn_bytes){result->psk_identity, result->psk_identity_len};
	hs->state = ENN_HS_SERVER12_AWAIT_PSK;
	*outcome = ENN_OUTCOME_WANT_PSK;
	return ENN_OK;
}

enum enn_status enn_tls12_psk_answered(struct enn_handshake *hs, struct enn_bytes key)
{
	if (key.len == 0) {
		return fail(hs, ENN_ALERT_UNKNOWN_PSK_IDENTITY, ENN_REASON_UNKNOWN_PSK,
			    "ClientKeyExchange.psk_identity",
			    "the application does not know the PSK identity");
	}
	return keys_known(hs, key);
}

static enum enn_status receive_key_exchange(struct enn_handshake *hs, struct enn_bytes body,
					    enum enn_handshake_outcome *outcome)
{
	struct enn_tls12 *t = hs->tls12;
	bool psk = hs->c->result.suite->auth == ENN_SUITE_PSK;
	struct enn_bytes identity;
	struct enn_bytes public_key;
	struct enn_bytes none = {NULL, 0};
	struct enn_fault fault;

	if (!enn_parse_client_key_exchange(body, psk, &identity, &public_key, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	enum enn_status status =
		enn_kx_derive(t->share, public_key.data, public_key.len, t->shared);
	if (status != ENN_OK) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientKeyExchange.public",
			    "the client's key share is not a valid public key");
	}
	t->shared_len = t->group->secret_len;
	enn_kx_free(t->share);
	t->share = NULL;
	return psk ? find_psk(hs, identity, outcome) : keys_known(hs, none);
}

/* §7.4.8: over all messages before it. */
static enum enn_status receive_verify(struct enn_handshake *hs, struct enn_bytes body,
				      struct enn_bytes message, enum enn_handshake_outcome *outcome)
{
	struct enn_buffer *b = &hs->tls12->messages;
	struct enn_bytes data = {enn_buffer_data(b), enn_buffer_len(b)};
	struct enn_certificate_verify m;
	struct enn_fault fault;

	if (hs->tls12->lost) {
		return enn_handshake_no_memory(hs->c, "CertificateVerify");
	}
	if (!enn_parse_certificate_verify(body, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	ENN_TRY(enn_tls12_verify(hs, m.scheme, data, m.signature, "CertificateVerify"));
	enn_hs_transcript_add(hs, message.data, message.len);
	hs->state = ENN_HS_SERVER12_EXPECT_FINISHED;
	ENN_TRY(enn_tls12_keys(hs, ENN_DIRECTION_RECEIVE));
	if (enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER)) {
		hs->resume_at = hs->state;
		hs->state = ENN_HS_SERVER_AWAIT_VERDICT;
		*outcome = ENN_OUTCOME_VALIDATE_PEER;
	}
	return ENN_OK;
}

static enum enn_status receive_finished(struct enn_handshake *hs, enn_time now,
					struct enn_bytes body, struct enn_bytes message,
					enum enn_handshake_outcome *outcome)
{
	ENN_TRY(enn_tls12_check_finished(hs, body));
	enn_hs_transcript_add(hs, message.data, message.len);
	if (hs->c->result.external_psk) {
		hs->c->result.peer_authenticated = true;
	}
	if (!hs->tls12->resumes) {
		if (hs->tls12->ticket_expected) {
			ENN_TRY(enn_tls12_send_ticket(hs, now));
		}
		ENN_TRY(enn_tls12_send_finished(hs));
	}
	enn_tls12_store_session(hs, now);
	hs->state = ENN_HS_COMPLETE;
	*outcome = ENN_OUTCOME_COMPLETE;
	return ENN_OK;
}

enum enn_status enn_tls12_server_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
					 struct enn_bytes body, struct enn_bytes message,
					 enum enn_handshake_outcome *outcome)
{
	switch (type) { /* the first two keep their own order with the transcript */
	case ENN_HS_CERTIFICATE_VERIFY:
		return receive_verify(hs, body, message, outcome);
	case ENN_HS_FINISHED:
		return receive_finished(hs, now, body, message, outcome);
	case ENN_HS_CERTIFICATE:
		enn_hs_transcript_add(hs, message.data, message.len);
		return receive_certificate(hs, now, body);
	default: /* ClientKeyExchange: the table lets nothing else through */
		enn_hs_transcript_add(hs, message.data, message.len);
		return receive_key_exchange(hs, body, outcome);
	}
}
