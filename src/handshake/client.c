/* SPDX-License-Identifier: Apache-2.0
 *
 * The client after its hello (RFC 8446 §A.1).
 */
#include "handshake/internal.h"
#include "handshake/reasons.h"

#define MAX_HELLO_VERIFY 3 /* a server's secret may change in between */

static enum enn_status illegal(struct enn_handshake *hs, const char *where, const char *what)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				  where, "%s", what);
}

/* ---- ServerHello ------------------------------------------------------------------------- */

/* §4.1.3: a server that could do TLS 1.3 but was made to speak less says so in its random. */
static bool has_downgrade_sentinel(struct enn_bytes random)
{
	static const uint8_t sentinel[7] = {'D', 'O', 'W', 'N', 'G', 'R', 'D'};
	return memcmp(random.data + 24, sentinel, sizeof(sentinel)) == 0 && random.data[31] <= 1;
}

/* What both a ServerHello and a HelloRetryRequest must fulfil (§4.1.3, §4.1.4). */
static enum enn_status check_server_hello(struct enn_handshake *hs,
					  const struct enn_server_hello *sh)
{
	/* RFC 9147 §5.2: it is not echoed there. */
	struct enn_bytes sent = {hs->session_id, hs->c->datagram ? 0 : hs->session_id_len};

	if (!(sh->has & ENN_HAS_SUPPORTED_VERSIONS)) {
		if (has_downgrade_sentinel(sh->random)) {
			return illegal(hs, "ServerHello.random",
				       "the server signals a downgrade attack");
		}
		return enn_handshake_fail(hs->c, ENN_ALERT_PROTOCOL_VERSION,
					  ENN_REASON_NO_SHARED_PARAMETERS, "ServerHello",
					  "the server does not speak %s",
					  enn_hs_offers(hs, ENN_TLS_1_3) ? "TLS 1.3" : "TLS 1.2");
	}
	if (sh->selected_version != enn_hs_wire_version(hs, ENN_TLS_1_3)) {
		return illegal(hs, "ServerHello.supported_versions",
			       "the server selected a version that was not offered");
	}
	if (sh->legacy_version != enn_hs_wire_version(hs, ENN_TLS_1_2)) {
		return illegal(hs, "ServerHello.legacy_version",
			       "legacy_version is not that of 1.2");
	}
	if (!enn_bytes_equal(sh->session_id, sent)) {
		return illegal(hs, "ServerHello.legacy_session_id_echo",
			       "the server did not echo the session id");
	}
	if (sh->compression != 0) {
		return illegal(hs, "ServerHello.legacy_compression_method",
			       "the server selected a compression method");
	}
	if (!enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES),
			       sh->cipher_suite) ||
	    enn_tls_suite_by_code(sh->cipher_suite)->version != ENN_TLS_1_3) {
		return illegal(hs, "ServerHello.cipher_suite",
			       "the server selected a cipher suite that was not offered");
	}
	if (sh->has & ENN_HAS_UNKNOWN) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "ServerHello",
					  "extension %u was not asked for", sh->unknown_extension);
	}
	return enn_hs_check_views(hs, &sh->views,
				  sh->retry ? ENN_VIEW_BIT(ENN_VIEW_ENCRYPTED_CLIENT_HELLO) : 0,
				  sh->retry ? "HelloRetryRequest" : "ServerHello");
}

/* §4.2.11, §4.1.4: after a retry only PSKs of the chosen hash are still of use. */
static void drop_psks_of_other_hashes(struct enn_handshake *hs)
{
	size_t kept = 0;
	for (size_t i = 0; i < hs->psk_count; i++) {
		if (hs->psk[i].hash == hs->hash) {
			hs->psk[kept++] = hs->psk[i];
		}
	}
	hs->psk_count = kept;
}

static enum enn_status take_retry_group(struct enn_handshake *hs, uint16_t group)
{
	if (!enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_GROUPS), group)) {
		return illegal(hs, "HelloRetryRequest.key_share",
			       "the server asks for a group that was not offered");
	}
	for (size_t i = 0; i < hs->share_count; i++) {
		if (enn_kx_key_alg(hs->share[i])->tls_group == group) {
			return illegal(hs, "HelloRetryRequest.key_share",
				       "the server asks for a key share that it already has");
		}
	}
	enn_client_hello_drop_shares(hs);
	hs->retry_group = group;
	return enn_client_hello_make_share(hs, group);
}

static enum enn_status receive_hello_retry(struct enn_handshake *hs, enn_time now,
					   const struct enn_server_hello *sh,
					   struct enn_bytes message,
					   enum enn_handshake_outcome *outcome)
{
	if (hs->state == ENN_HS_CLIENT_EXPECT_SECOND_SERVER_HELLO) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNEXPECTED_MESSAGE,
					  ENN_REASON_PROTOCOL_FAILED, "HelloRetryRequest",
					  "a second HelloRetryRequest");
	}
	ENN_TRY(check_server_hello(hs, sh));
	if (sh->has & ENN_HAS_PRE_SHARED_KEY) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "HelloRetryRequest",
					  "pre_shared_key is not allowed in a HelloRetryRequest");
	}
	if (!(sh->has & (ENN_HAS_KEY_SHARE | ENN_HAS_COOKIE))) {
		return illegal(hs, "HelloRetryRequest",
			       "the HelloRetryRequest would not change the ClientHello");
	}
	hs->c->result.suite = enn_tls_suite_by_code(sh->cipher_suite);
	hs->c->result.hello_retry = true;
	ENN_TRY(enn_ech_decide(hs, enn_hash_alg(hs->c->result.suite->hash), sh, message));
	enn_hs_transcript_choose(hs, enn_hash_alg(hs->c->result.suite->hash));
	enn_hs_transcript_retry(hs);
	enn_hs_transcript_add(hs, message.data, message.len);
	drop_psks_of_other_hashes(hs);
	if (sh->has & ENN_HAS_KEY_SHARE) {
		ENN_TRY(take_retry_group(hs, sh->group));
	}
	if (sh->has & ENN_HAS_COOKIE &&
	    enn_hs_copy(hs->env, &hs->cookie, &hs->cookie_len, sh->cookie) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "HelloRetryRequest.cookie");
	}
	/* §4.2.10: early data is over; what was sent comes again after the handshake. */
	if (hs->offered_early) {
		hs->c->result.early_data = ENN_EARLY_DATA_REJECTED;
		enn_reasons_early_data(hs);
		*outcome = ENN_OUTCOME_EARLY_DATA;
	}
	return enn_client_hello_send(hs, now);
}

/* The PSK and (EC)DHE inputs of the schedule as the server chose them. */
static enum enn_status choose_psk(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	struct enn_bytes psk = {NULL, 0};

	if (sh->has & ENN_HAS_PRE_SHARED_KEY) {
		if (sh->psk_index >= hs->psk_count || hs->psk[sh->psk_index].hash != hs->hash) {
			return illegal(hs, "ServerHello.pre_shared_key",
				       "the server chose a PSK that was not offered or does not "
				       "fit the cipher suite");
		}
		const struct enn_hs_psk *k = &hs->psk[sh->psk_index];
		psk = k->key;
		bool external = k->kind != ENN_PSK_RESUMPTION;
		hs->c->result.external_psk = external;
		hs->c->result.resumed = !external;
		hs->c->result.peer_authenticated = external || hs->session_view.peer_authenticated;
		hs->c->result.peer_raw_key = !external && hs->session_view.peer_raw_key;
		if (external &&
		    enn_hs_copy(hs->env, &hs->c->result.psk_identity,
				&hs->c->result.psk_identity_len, k->identity) != ENN_OK) {
			return enn_handshake_no_memory(hs->c, "ServerHello.pre_shared_key");
		}
	}
	enn_key_schedule_early(&hs->ks, enn_hs_prefix(hs->c), hs->hash, psk.data, psk.len);
	return ENN_OK;
}

static enum enn_status derive_shared(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	uint8_t shared[ENN_MAX_KX_SECRET];

	for (size_t i = 0; i < hs->share_count; i++) {
		const struct enn_kx_alg *alg = enn_kx_key_alg(hs->share[i]);
		if (alg->tls_group != sh->group) {
			continue;
		}
		if (enn_kx_derive(hs->share[i], sh->share.data, sh->share.len, shared) != ENN_OK) {
			return illegal(hs, "ServerHello.key_share",
				       "the server's key share is not a valid public key");
		}
		hs->c->result.group = sh->group;
		enn_key_schedule_handshake(&hs->ks, shared, alg->secret_len);
		enn_wipe(shared, sizeof(shared));
		return ENN_OK;
	}
	return illegal(hs, "ServerHello.key_share",
		       "the server chose a group for which no key share was sent");
}

static bool mode_offered(const struct enn_handshake *hs, uint16_t mode)
{
	return enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_PSK_MODES), mode);
}

static enum enn_status exchange_keys(struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	bool psk = (sh->has & ENN_HAS_PRE_SHARED_KEY) != 0;

	ENN_TRY(choose_psk(hs, sh));
	if (sh->has & ENN_HAS_KEY_SHARE) {
		if (psk && !mode_offered(hs, ENN_PSK_MODE_DHE_KE)) {
			return illegal(hs, "ServerHello.key_share",
				       "the server chose psk_dhe_ke, which was not offered");
		}
		return derive_shared(hs, sh);
	}
	if (!psk) {
		return enn_handshake_fail(hs->c, ENN_ALERT_MISSING_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "ServerHello.key_share",
					  "the server sent neither a key share nor a PSK");
	}
	if (!mode_offered(hs, ENN_PSK_MODE_KE)) {
		return illegal(hs, "ServerHello.pre_shared_key",
			       "the server chose psk_ke, which was not offered");
	}
	enn_key_schedule_handshake(&hs->ks, NULL, 0);
	return ENN_OK;
}

static enum enn_status handshake_keys(struct enn_handshake *hs)
{
	uint8_t transcript[ENN_MAX_HASH];

	enn_hs_transcript_hash(hs, transcript);
	enn_hs_traffic_secret(hs, "c hs traffic", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", transcript,
			      hs->client_secret);
	enn_hs_traffic_secret(hs, "s hs traffic", "SERVER_HANDSHAKE_TRAFFIC_SECRET", transcript,
			      hs->server_secret);
	enn_key_schedule_main(&hs->ks);
	/* Our own handshake keys at once, so that an alert is protected; but while early data may still
	 * flow, its keys stay until the server's verdict. */
	if (hs->c->result.early_data != ENN_EARLY_DATA_OFFERED) {
		ENN_TRY(enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_HANDSHAKE,
				      hs->client_secret));
	}
	return enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_HANDSHAKE, hs->server_secret);
}

/* A server that answers as of old, to a client that offered that. Behind a HelloRetryRequest it may not, nor
 * when early data went with the ClientHello (RFC 8446 §4.2.10). */
static bool is_for_tls12(const struct enn_handshake *hs, const struct enn_server_hello *sh)
{
	return hs->tls12 != NULL && !(sh->has & ENN_HAS_SUPPORTED_VERSIONS) &&
	       sh->legacy_version == enn_hs_wire_version(hs, ENN_TLS_1_2) &&
	       !hs->c->result.hello_retry && !hs->offered_early;
}

static enum enn_status receive_server_hello(struct enn_handshake *hs, enn_time now,
					    struct enn_bytes body, struct enn_bytes message,
					    enum enn_handshake_outcome *outcome)
{
	struct enn_server_hello sh;
	struct enn_fault fault;

	if (!enn_parse_server_hello(body, &sh, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (sh.retry) {
		return receive_hello_retry(hs, now, &sh, message, outcome);
	}
	if (is_for_tls12(hs, &sh)) {
		return enn_tls12_server_hello(hs, &sh, message);
	}
	ENN_TRY(check_server_hello(hs, &sh));
	enn_tls12_free(hs);
	if (sh.has & ENN_HAS_COOKIE) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "ServerHello.cookie",
					  "a cookie is not allowed in a ServerHello");
	}
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(sh.cipher_suite);
	/* §4.1.4: the suite of the retry stands, and the group it asked for. */
	if (hs->c->result.hello_retry && suite != hs->c->result.suite) {
		return illegal(hs, "ServerHello.cipher_suite",
			       "the server changed the cipher suite after its HelloRetryRequest");
	}
	if (hs->retry_group != 0 && sh.has & ENN_HAS_KEY_SHARE && sh.group != hs->retry_group) {
		return illegal(hs, "ServerHello.key_share",
			       "the server changed the group after its HelloRetryRequest");
	}
	hs->c->result.suite = suite;
	hs->c->result.version = ENN_TLS_1_3;
	ENN_TRY(enn_ech_decide(hs, enn_hash_alg(suite->hash), &sh, message));
	enn_hs_transcript_choose(hs, enn_hash_alg(suite->hash));
	enn_hs_transcript_add(hs, message.data, message.len);
	ENN_TRY(exchange_keys(hs, &sh));
	enn_reasons_client(hs);
	hs->state = ENN_HS_CLIENT_EXPECT_ENCRYPTED_EXTENSIONS;
	return handshake_keys(hs);
}

/* DTLS 1.2, RFC 6347 §4.2.1: the same hello once more, with the cookie. Neither the first one nor this message
 * is part of the transcript. */
static enum enn_status receive_hello_verify(struct enn_handshake *hs, enn_time now,
					    struct enn_bytes body)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	(void)enn_read_u16(&r); /* the version says nothing (§4.2.1) */
	struct enn_bytes cookie = enn_read_vector(&r, 1, 0, ENN_HS_MAX_HELLO_COOKIE);
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "HelloVerifyRequest", "HelloVerifyRequest is malformed");
	}
	if (hs->tls12 == NULL || hs->hello_verified == MAX_HELLO_VERIFY) {
		return enn_handshake_fail(
			hs->c, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			"HelloVerifyRequest",
			hs->tls12 == NULL ? "a HelloVerifyRequest, and DTLS 1.2 is not offered"
					  : "one HelloVerifyRequest after another");
	}
	hs->hello_verified++;
	memcpy(hs->hello_cookie, cookie.data, cookie.len);
	hs->hello_cookie_len = (uint8_t)cookie.len;
	enn_hs_transcript_start(hs);
	ENN_TRY(enn_client_hello_send(hs, now));
	hs->state = ENN_HS_CLIENT_EXPECT_SERVER_HELLO;
	return ENN_OK;
}

/* ---- EncryptedExtensions --------------------------------------------------------------------- */

static bool was_offered_alpn(const struct enn_handshake *hs, struct enn_bytes alpn)
{
	for (size_t i = 0; i < hs->security->alpn_count; i++) {
		struct enn_bytes id = {hs->security->alpn[i]->id, hs->security->alpn[i]->len};
		if (enn_bytes_equal(id, alpn)) {
			return true;
		}
	}
	return false;
}

enum enn_status enn_client_take_alpn(struct enn_handshake *hs, struct enn_bytes alpn)
{
	size_t len = 0;

	if (hs->security->alpn_count == 0) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "EncryptedExtensions.alpn",
					  "ALPN was not offered");
	}
	if (!was_offered_alpn(hs, alpn)) {
		return illegal(hs, "EncryptedExtensions.alpn",
			       "the server selected an application protocol that was not offered");
	}
	if (enn_hs_copy(hs->env, &hs->c->result.alpn, &len, alpn) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "EncryptedExtensions.alpn");
	}
	hs->c->result.alpn_len = (uint8_t)len;
	return ENN_OK;
}

/* §4.2.10: accepted only with the first PSK and the session's suite and application protocol. */
static enum enn_status take_early_data(struct enn_handshake *hs,
				       const struct enn_encrypted_extensions *ee,
				       enum enn_handshake_outcome *outcome)
{
	struct enn_handshake_result *result = &hs->c->result;
	bool accepted = (ee->has & ENN_HAS_EARLY_DATA) != 0;

	if (result->early_data != ENN_EARLY_DATA_OFFERED) {
		if (!accepted) {
			return ENN_OK;
		}
		/* after a retry it was withdrawn, else never offered */
		return enn_handshake_fail(
			hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION, ENN_REASON_PROTOCOL_FAILED,
			"EncryptedExtensions.early_data", "early data was not offered");
	}
	if (accepted) {
		struct enn_bytes alpn = {result->alpn, result->alpn_len};
		if (!result->resumed || result->suite->code != hs->session_view.suite ||
		    !enn_bytes_equal(alpn, hs->session_view.alpn)) {
			return illegal(hs, "EncryptedExtensions.early_data",
				       "early data was accepted with other parameters than the "
				       "session's");
		}
	}
	result->early_data = accepted ? ENN_EARLY_DATA_ACCEPTED : ENN_EARLY_DATA_REJECTED;
	if (!accepted) {
		enn_reasons_early_data(hs);
	}
	*outcome = ENN_OUTCOME_EARLY_DATA;
	if (!accepted) {
		/* its keys are of no more use: the next thing sent is protected by handshake keys */
		return enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_HANDSHAKE,
				     hs->client_secret);
	}
	return ENN_OK;
}

static enum enn_status receive_encrypted_extensions(struct enn_handshake *hs, struct enn_bytes body,
						    enum enn_handshake_outcome *outcome)
{
	struct enn_encrypted_extensions ee;
	struct enn_fault fault;

	if (!enn_parse_encrypted_extensions(body, &ee, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (ee.misplaced_extension != UINT16_MAX) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "EncryptedExtensions",
					  "extension %u is not allowed here",
					  ee.misplaced_extension);
	}
	if (ee.has & ENN_HAS_UNKNOWN ||
	    (ee.has & ENN_HAS_SERVER_NAME && hs->c->result.server_name == NULL)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, "EncryptedExtensions",
					  "extension %u was not asked for", ee.unknown_extension);
	}
	ENN_TRY(enn_hs_check_views(hs, &ee.views,
				   ENN_VIEW_BIT(ENN_VIEW_CLIENT_CERTIFICATE_TYPE) |
					   ENN_VIEW_BIT(ENN_VIEW_ENCRYPTED_CLIENT_HELLO) |
					   ENN_VIEW_BIT(ENN_VIEW_RECORD_SIZE_LIMIT) |
					   ENN_VIEW_BIT(ENN_VIEW_MAX_FRAGMENT_LENGTH) |
					   ENN_VIEW_BIT(ENN_VIEW_TICKET_REQUEST) |
					   ENN_VIEW_BIT(ENN_VIEW_SERVER_CERTIFICATE_TYPE),
				   "EncryptedExtensions"));
	ENN_TRY(enn_ech_take(hs, &ee.views));
	ENN_TRY(enn_raw_key_take(hs, &ee.views, "EncryptedExtensions.certificate_type"));
	ENN_TRY(enn_record_size_take(hs, &ee.views, "EncryptedExtensions"));
	ENN_TRY(enn_ticket_request_take(hs, &ee.views));
	if (ee.has & ENN_HAS_ALPN) {
		ENN_TRY(enn_client_take_alpn(hs, ee.alpn));
	}
	bool psk = hs->c->result.resumed || hs->c->result.external_psk;
	hs->state = psk ? ENN_HS_CLIENT_EXPECT_FINISHED : ENN_HS_CLIENT_EXPECT_CERTIFICATE_REQUEST;
	return take_early_data(hs, &ee, outcome);
}

/* ---- authentication ------------------------------------------------------------------------------ */

static enum enn_status receive_certificate_request(struct enn_handshake *hs, struct enn_bytes body)
{
	struct enn_certificate_request m;
	struct enn_fault fault;

	if (!enn_parse_certificate_request(body, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (m.context.len != 0) {
		return illegal(hs, "CertificateRequest.certificate_request_context",
			       "the request context is not empty in the handshake");
	}
	if (!(m.has & ENN_HAS_SIGNATURE_ALGORITHMS)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_MISSING_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED,
					  "CertificateRequest.signature_algorithms",
					  "signature_algorithms is missing");
	}
	struct enn_bytes no_name = {NULL, 0};
	hs->cert_signatures = m.cert_signatures;
	if (enn_ech_state(hs) != ENN_ECH_REJECTED) { /* RFC 9849 §6.1.7: that server gets none */
		(void)enn_certificate_choose(hs, m.signatures, no_name, m.authorities);
	}
	hs->cert_signatures = no_name;
	ENN_TRY(enn_compress_take(hs, &m.views, "CertificateRequest.compress_certificate"));
	hs->status_wanted = enn_views_have(&m.views, ENN_VIEW_STATUS_REQUEST);
	hs->certificate_requested = true;
	hs->c->result.certificate_requested = true;
	hs->state = ENN_HS_CLIENT_EXPECT_CERTIFICATE;
	return ENN_OK;
}

static enum enn_status receive_certificate(struct enn_handshake *hs, enn_time now, uint8_t type,
					   struct enn_bytes body)
{
	bool empty = false;

	ENN_TRY(type == ENN_HS_COMPRESSED_CERTIFICATE
			? enn_certificate_receive_compressed(hs, now, body, &empty)
			: enn_certificate_receive(hs, now, body, &empty));
	if (empty) { /* §4.4.2.4 */
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_CERT_MISSING,
					  "Certificate", "the server sent no certificate");
	}
	hs->state = ENN_HS_CLIENT_EXPECT_CERTIFICATE_VERIFY;
	return ENN_OK;
}

/* ---- the client's second flight ------------------------------------------------------------------- */

/* §4.4.4: master secrets from the transcript up to the server's Finished, resumption after ours. */
static enum enn_status finish(struct enn_handshake *hs, const uint8_t *server_finished_hash,
			      enum enn_handshake_outcome *outcome)
{
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t client[ENN_MAX_SECRET];
	uint8_t server[ENN_MAX_SECRET];
	enum enn_status status;

	enn_hs_traffic_secret(hs, "c ap traffic", "CLIENT_TRAFFIC_SECRET_0", server_finished_hash,
			      client);
	enn_hs_traffic_secret(hs, "s ap traffic", "SERVER_TRAFFIC_SECRET_0", server_finished_hash,
			      server);
	enn_hs_traffic_secret(hs, "exp master", "EXPORTER_SECRET", server_finished_hash,
			      hs->c->result.exporter_secret);
	enn_hs_transcript_hash(hs, transcript);
	enn_key_schedule_derive(&hs->ks, "res master", transcript, hs->c->result.resumption_secret);
	status = enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_APPLICATION, client);
	if (status == ENN_OK) {
		status = enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_APPLICATION, server);
	}
	enn_wipe(client, sizeof(client));
	enn_wipe(server, sizeof(server));
	if (status == ENN_OK) {
		status = enn_post_auth_keep(hs);
	}
	hs->state = ENN_HS_COMPLETE;
	*outcome = ENN_OUTCOME_COMPLETE;
	return status;
}

enum enn_status enn_client_flight_rest(struct enn_handshake *hs,
				       enum enn_handshake_outcome *outcome)
{
	ENN_TRY(enn_finished_send(hs, hs->client_secret));
	return finish(hs, hs->next_receive, outcome);
}

static enum enn_status send_end_of_early_data(struct enn_handshake *hs)
{
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_EARLY, ENN_HS_END_OF_EARLY_DATA, 0));
	return enn_hs_commit(hs, &out);
}

enum enn_status enn_client_flight(struct enn_handshake *hs, enn_time now,
				  enum enn_handshake_outcome *outcome)
{
	bool ask = false;
	struct enn_bytes none = {NULL, 0};

	(void)now;
	ENN_TRY(enn_ech_finish(hs));
	/* next_receive holds the transcript hash at the server's Finished until the secrets are made */
	enn_hs_transcript_hash(hs, hs->next_receive);
	if (hs->c->result.early_data == ENN_EARLY_DATA_ACCEPTED) {
		ENN_TRY(send_end_of_early_data(hs));
		ENN_TRY(enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_HANDSHAKE,
				      hs->client_secret));
	}
	if (hs->certificate_requested) {
		ENN_TRY(enn_certificate_send(hs, ENN_LEVEL_HANDSHAKE));
		if (hs->own != NULL) {
			ENN_TRY(enn_certificate_verify_send(hs, none, &ask));
		}
	}
	if (ask) {
		hs->state = ENN_HS_CLIENT_AWAIT_SIGNATURE;
		*outcome = ENN_OUTCOME_WANT_SIGNATURE;
		return ENN_OK;
	}
	return enn_client_flight_rest(hs, outcome);
}

/* ---- dispatch ------------------------------------------------------------------------------------ */

enum enn_status enn_client_receive(struct enn_handshake *hs, enn_time now, uint8_t type,
				   struct enn_bytes body, struct enn_bytes message,
				   enum enn_handshake_outcome *outcome)
{
	if (type == ENN_HS_HELLO_VERIFY_REQUEST) {
		return receive_hello_verify(hs, now, body);
	}
	if (type == ENN_HS_SERVER_HELLO) { /* keeps its own order with the transcript */
		return receive_server_hello(hs, now, body, message, outcome);
	}
	if (type == ENN_HS_CERTIFICATE_VERIFY) {
		ENN_TRY(enn_certificate_verify_receive(hs, body));
	}
	if (type == ENN_HS_FINISHED) {
		ENN_TRY(enn_finished_receive(hs, hs->server_secret, body));
	}
	enn_hs_transcript_add(hs, message.data, message.len);
	switch (type) {
	case ENN_HS_ENCRYPTED_EXTENSIONS:
		return receive_encrypted_extensions(hs, body, outcome);
	case ENN_HS_CERTIFICATE_REQUEST:
		return receive_certificate_request(hs, body);
	case ENN_HS_CERTIFICATE:
	case ENN_HS_COMPRESSED_CERTIFICATE:
		return receive_certificate(hs, now, type, body);
	case ENN_HS_CERTIFICATE_VERIFY:
		hs->state = ENN_HS_CLIENT_EXPECT_FINISHED;
		if (enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER)) {
			hs->resume_at = hs->state;
			hs->state = ENN_HS_CLIENT_AWAIT_VERDICT;
			*outcome = ENN_OUTCOME_VALIDATE_PEER;
		}
		return ENN_OK;
	default: /* Finished: the table lets nothing else through */
		return enn_client_flight(hs, now, outcome);
	}
}
