/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate, CertificateVerify and Finished, both ways (RFC 8446 §4.4).
 */
#include "features/compression.h"
#include "handshake/internal.h"

/* ---- sending ------------------------------------------------------------------------------ */

/* The entries of our Certificate: the chain, or the one raw key. */
size_t enn_certificate_own_count(const struct enn_credential *own)
{
	if (own == NULL) {
		return 0;
	}
	return own->type == ENN_CREDENTIAL_RAW_KEY ? 1 : enn_chain_count(own->chain);
}

struct enn_bytes enn_certificate_own_entry(const struct enn_credential *own, size_t index)
{
	if (own->type == ENN_CREDENTIAL_RAW_KEY) {
		return (struct enn_bytes){own->spki, own->spki_len};
	}
	return enn_chain_der(own->chain, index);
}

static size_t body_bound(const struct enn_credential *own, struct enn_bytes ocsp)
{
	size_t bound = 16 + 255 + ocsp.len;

	for (size_t i = 0; i < enn_certificate_own_count(own); i++) {
		bound += 5 + enn_certificate_own_entry(own, i).len;
	}
	return bound;
}

static void write_body(struct enn_handshake *hs, struct enn_writer *w, struct enn_bytes ocsp)
{
	enn_write_vector(w, 1, hs->context.data, hs->context.len); /* empty in the handshake */
	size_t list = enn_write_begin(w, 3);
	for (size_t i = 0; i < enn_certificate_own_count(hs->own); i++) {
		struct enn_bytes der = enn_certificate_own_entry(hs->own, i);
		enn_write_vector(w, 3, der.data, der.len);
		size_t extensions = enn_write_begin(w, 2);
		if (i == 0 && ocsp.len > 0) {
			size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_STATUS_REQUEST);
			enn_status_write(w, ocsp);
			enn_write_end(w, data, 2);
		}
		enn_write_end(w, extensions, 2);
	}
	enn_write_end(w, list, 3);
}

/* The compressed message, made when it is wanted for the first time. data NULL: not compressed. */
static enum enn_status compressed_body(struct enn_handshake *hs, struct enn_bytes ocsp,
				       struct enn_bytes *compressed, size_t *full_len)
{
	bool with_status = ocsp.len > 0;

	*compressed = (struct enn_bytes){NULL, 0};
	if (hs->compression == ENN_COMPRESSION_NONE || hs->own == NULL ||
	    hs->own->type != ENN_CREDENTIAL_X509) {
		return ENN_OK;
	}
	const struct enn_compressed *known =
		enn_credential_find_compressed(hs->own, hs->compression, with_status);
	if (known == NULL) {
		size_t bound = body_bound(hs->own, ocsp);
		uint8_t *body = enn_alloc(hs->env, bound);
		if (body == NULL) {
			return enn_handshake_no_memory(hs->c, "Certificate");
		}
		struct enn_writer w = enn_writer_of(body, bound);
		write_body(hs, &w, ocsp);
		struct enn_bytes plain = {body, enn_writer_len(&w)};
		(void)enn_credential_compressed(hs->own, hs->compression, with_status, plain);
		enn_free(hs->env, body, bound);
		known = enn_credential_find_compressed(hs->own, hs->compression, with_status);
	}
	if (known != NULL) {
		*compressed = (struct enn_bytes){known->data, known->len};
		*full_len = known->full_len;
	}
	return ENN_OK;
}

enum enn_status enn_certificate_send(struct enn_handshake *hs, enum enn_level level)
{
	struct enn_hs_out out;
	struct enn_bytes ocsp = enn_status_own(hs);
	struct enn_bytes compressed;
	size_t full_len = 0;

	ENN_TRY(compressed_body(hs, ocsp, &compressed, &full_len));
	if (compressed.len > 0) {
		return enn_compress_send(hs, level, compressed, full_len);
	}
	ENN_TRY(enn_hs_begin(hs, &out, level, ENN_HS_CERTIFICATE, body_bound(hs->own, ocsp)));
	write_body(hs, &out.w, ocsp);
	return enn_hs_commit(hs, &out);
}

/* §4.4.3: what is signed. */
static void make_sign_input(struct enn_handshake *hs, bool by_server)
{
	static const char server[] = "TLS 1.3, server CertificateVerify";
	static const char client[] = "TLS 1.3, client CertificateVerify";
	struct enn_writer w = enn_writer_of(hs->sign_input, sizeof(hs->sign_input));
	uint8_t *spaces = enn_write_space(&w, 64);

	memset(spaces, ' ', 64);
	enn_write_bytes(&w, by_server ? server : client, sizeof(server)); /* with its NUL */
	uint8_t *hash = enn_write_space(&w, hs->hash->len);
	enn_hs_transcript_hash(hs, hash);
	hs->sign_input_len = enn_writer_len(&w);
}

enum enn_status enn_certificate_verify_send(struct enn_handshake *hs, struct enn_bytes external,
					    bool *ask)
{
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(hs->own_scheme);
	struct enn_hs_out out;
	uint8_t signature[ENN_MAX_SIGNATURE];
	size_t len = sizeof(signature);

	*ask = false;
	make_sign_input(hs, hs->server);
	if (hs->own->key == NULL && external.len == 0) {
		hs->question = (struct enn_bytes){hs->sign_input, hs->sign_input_len};
		*ask = true;
		return ENN_OK;
	}
	if (external.len == 0) {
		enum enn_status status = enn_sign(hs->env, alg, hs->own->key, hs->sign_input,
						  hs->sign_input_len, signature, &len);
		if (status != ENN_OK) {
			return enn_handshake_fail(
				hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_ESTABLISHMENT_FAILED,
				"CertificateVerify", "signing with %s failed", alg->name);
		}
		external = (struct enn_bytes){signature, len};
	}
	ENN_TRY(enn_hs_begin(hs, &out, enn_hs_auth_level(hs), ENN_HS_CERTIFICATE_VERIFY,
			     4 + external.len));
	enn_write_u16(&out.w, hs->own_scheme);
	enn_write_vector(&out.w, 2, external.data, external.len);
	return enn_hs_commit(hs, &out);
}

enum enn_status enn_finished_send(struct enn_handshake *hs, const uint8_t *base)
{
	struct enn_hs_out out;
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t mac[ENN_MAX_HASH];

	enn_hs_transcript_hash(hs, transcript);
	enn_finished_mac(enn_hs_prefix(hs->c), hs->hash, base, transcript, mac);
	ENN_TRY(enn_hs_begin(hs, &out, enn_hs_auth_level(hs), ENN_HS_FINISHED, hs->hash->len));
	enn_write_bytes(&out.w, mac, hs->hash->len);
	return enn_hs_commit(hs, &out);
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Keeps the chain for enn_info: u24 length, DER, … */
static enum enn_status keep_chain(struct enn_handshake *hs, const struct enn_certificate_message *m)
{
	struct enn_handshake_result *result = &hs->c->result;
	size_t size = 0;

	for (size_t i = 0; i < m->count; i++) {
		size += 3 + m->certificates[i].len;
	}
	result->peer_chain = enn_alloc(hs->env, size);
	if (result->peer_chain == NULL) {
		return enn_handshake_no_memory(hs->c, "Certificate");
	}
	result->peer_chain_size = size;
	struct enn_writer w = enn_writer_of(result->peer_chain, size);
	for (size_t i = 0; i < m->count; i++) {
		enn_write_vector(&w, 3, m->certificates[i].data, m->certificates[i].len);
	}
	return ENN_OK;
}

enum enn_status enn_certificate_restore(struct enn_handshake *hs, const struct enn_session *s)
{
	struct enn_handshake_result *result = &hs->c->result;

	result->peer_raw_key = s->peer_raw_key;
	if (s->peer.len == 0) {
		return ENN_OK;
	}
	result->peer_chain = enn_alloc(hs->env, s->peer.len + 3);
	if (result->peer_chain == NULL) {
		return enn_handshake_no_memory(hs->c, "session");
	}
	result->peer_chain_size = s->peer.len + 3;
	struct enn_writer w = enn_writer_of(result->peer_chain, result->peer_chain_size);
	enn_write_vector(&w, 3, s->peer.data, s->peer.len);
	return ENN_OK;
}

static enum enn_status chain_error(struct enn_handshake *hs, const struct enn_error *error,
				   enum enn_status status)
{
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "Certificate");
	}
	enum enn_alert alert = error->wire_code <= UINT8_MAX ? (enum enn_alert)error->wire_code
							     : ENN_ALERT_BAD_CERTIFICATE;
	return enn_handshake_fail(hs->c, alert, error->reason, "Certificate", "%s", error->text);
}

static enum enn_status validate_chain(struct enn_handshake *hs, enn_time now)
{
	struct enn_security *s = hs->security;
	const struct enn_code_list *schemes = enn_security_list(s, ENN_SECURITY_CERT_SIGNATURES);
	struct enn_error error = {.status = ENN_OK};

	if (enn_security_trust(s, &error) != ENN_OK) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, error.reason,
					  "trust store", "%s", error.text);
	}
	struct enn_verify_policy policy = {
		.peer_is_server = !hs->server,
		.name = hs->server || !enn_security_flag(s, ENN_SECURITY_CHECK_NAME)
				? NULL
				: enn_ech_reference_name(hs),
		.wall_seconds = enn_hs_wall(hs->env, now) / (int64_t)ENN_SECOND,
		.pins = (const uint8_t(*)[ENN_DIGEST])s->pins.digest,
		.pins_len = s->pins.count,
		.status = {hs->c->result.peer_status, hs->c->result.peer_status_len},
		.status_asked = enn_status_asked(hs),
		.status_required = enn_security_flag(s, ENN_SECURITY_REQUIRE_STATUS),
		.check_revocation = enn_security_flag(s, ENN_SECURITY_CHECK_REVOCATION) ||
				    enn_trust_has_crls(s->trust),
		.cert_signatures = schemes->code,
		.cert_signatures_len = schemes->count,
	};
	enum enn_status status = enn_trust_verify(s->trust, hs->peer, &policy, &error);
	if (status != ENN_OK) {
		return chain_error(hs, &error, status);
	}
	hs->c->result.peer_authenticated = true;
	hs->c->result.peer_status_good = policy.status.len > 0;
	return ENN_OK;
}

/* Nobody validates the path; with pins the leaf's key itself must be one of them. */
static enum enn_status check_leaf_pin(struct enn_handshake *hs)
{
	const struct enn_security *s = hs->security;
	uint8_t digest[ENN_DIGEST];

	if (s->pins.count == 0 || (enn_peer_chain_spki_digest(hs->peer, digest) &&
				   enn_digest_set_has(&s->pins, digest))) {
		return ENN_OK;
	}
	return enn_handshake_fail(hs->c, ENN_ALERT_CERTIFICATE_UNKNOWN,
				  ENN_REASON_CERT_PIN_MISMATCH, "Certificate",
				  "the certificate's key is not pinned");
}

static enum enn_status parse_certificate(struct enn_handshake *hs, struct enn_bytes body,
					 struct enn_certificate_message *m)
{
	struct enn_fault fault;
	size_t max = hs->env->limits.max_certificates;

	if (!enn_parse_certificate(body, max == 0 ? ENN_MAX_CERTIFICATES : max, m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (!enn_bytes_equal(m->context, hs->context)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED,
					  "Certificate.certificate_request_context",
					  "the certificate has another request context");
	}
	/* §4.4.2: extensions of an entry answer ones that we sent: status_request. */
	for (size_t i = 0; i < m->count; i++) {
		struct enn_views views;
		uint16_t unknown = 0; /* server_name has a view */
		if (!enn_parse_views(m->extensions[i], "Certificate", &views, &unknown, &fault)) {
			return enn_hs_fault(hs, &fault);
		}
		uint32_t allowed = enn_status_asked(hs) ? ENN_VIEW_BIT(ENN_VIEW_STATUS_REQUEST) : 0;
		if ((views.has & ~allowed) != 0 || unknown != 0) {
			return enn_handshake_fail(
				hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION, ENN_REASON_PROTOCOL_FAILED,
				"Certificate.extensions",
				"the certificate has an extension that was not asked for");
		}
		/* Those of issuers are not looked at: what is asked about is the leaf. */
		if (i == 0 && enn_views_have(&views, ENN_VIEW_STATUS_REQUEST)) {
			ENN_TRY(enn_status_receive(hs, views.data[ENN_VIEW_STATUS_REQUEST],
						   "Certificate.status_request"));
		}
	}
	return ENN_OK;
}

enum enn_status enn_certificate_take(struct enn_handshake *hs,
				     const struct enn_certificate_message *m)
{
	struct enn_error error = {.status = ENN_OK};

	if (hs->peer_type == ENN_CERTIFICATE_RAW_KEY) {
		if (m->count != 1) { /* §4.4.2 */
			return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
						  ENN_REASON_PROTOCOL_FAILED, "Certificate",
						  "more than one raw public key");
		}
		ENN_TRY(keep_chain(hs, m));
		return enn_raw_key_receive(hs, m->certificates[0]);
	}
	if (!enn_security_takes_certificates(hs->security)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_CERTIFICATE,
					  ENN_REASON_CERT_KEY_UNKNOWN, "Certificate",
					  "the peer showed a certificate, and only raw public keys "
					  "are trusted here");
	}
	ENN_TRY(keep_chain(hs, m));
	enum enn_status status = enn_peer_chain_parse(m->certificates, m->count, &hs->peer, &error);
	return status == ENN_OK ? ENN_OK : chain_error(hs, &error, status);
}

enum enn_status enn_certificate_receive(struct enn_handshake *hs, enn_time now,
					struct enn_bytes body, bool *empty)
{
	struct enn_certificate_message m;

	ENN_TRY(parse_certificate(hs, body, &m));
	*empty = m.count == 0;
	if (*empty) {
		return ENN_OK;
	}
	ENN_TRY(enn_certificate_take(hs, &m));
	return hs->peer_type == ENN_CERTIFICATE_RAW_KEY ? ENN_OK
							: enn_certificate_validate(hs, now);
}

enum enn_status enn_certificate_receive_compressed(struct enn_handshake *hs, enn_time now,
						   struct enn_bytes body, bool *empty)
{
	uint8_t *plain = NULL;
	size_t len = 0;

	ENN_TRY(enn_compress_receive(hs, body, &plain, &len));
	struct enn_bytes certificate = {plain, len};
	enum enn_status status = enn_certificate_receive(hs, now, certificate, empty);
	enn_free(hs->env, plain, len);
	return status;
}

enum enn_status enn_certificate_validate(struct enn_handshake *hs, enn_time now)
{
	bool verify = hs->server || enn_security_flag(hs->security, ENN_SECURITY_VERIFY_PEER);
	bool delegated = enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER);
	struct enn_error error = {.status = ENN_OK};

	if (verify && !delegated) {
		return validate_chain(hs, now);
	}
	/* whoever judges it: it must be certificates */
	enum enn_status status = enn_peer_chain_load(hs->peer, &error);
	if (status != ENN_OK) {
		return chain_error(hs, &error, status);
	}
	return delegated ? ENN_OK : check_leaf_pin(hs);
}

enum enn_status enn_certificate_verify_receive(struct enn_handshake *hs, struct enn_bytes body)
{
	struct enn_certificate_verify m;
	struct enn_fault fault;
	struct enn_public_key *key = enn_peer_chain_key(hs->peer);

	if (!enn_parse_certificate_verify(body, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	const struct enn_sig_alg *alg = enn_sig_alg_by_tls(m.scheme);
	/* §4.4.3: one that we offered; PKCS #1 v1.5 never; and one that the key can make. */
	if (alg == NULL || alg->padding == ENN_SIG_PKCS1 ||
	    !enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_SIGNATURES),
			       m.scheme)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "CertificateVerify.algorithm",
					  "signature algorithm 0x%04x was not offered", m.scheme);
	}
	if (key == NULL || !enn_sig_fits_public(alg, key)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "CertificateVerify.algorithm",
					  "%s does not fit the certificate's key", alg->name);
	}
	if (!enn_peer_chain_may_sign(hs->peer)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_BAD_CERTIFICATE,
					  ENN_REASON_CERT_WRONG_USAGE, "Certificate",
					  "the certificate's key usage does not allow signatures");
	}
	make_sign_input(hs, !hs->server);
	if (enn_verify(hs->env, alg, key, hs->sign_input, hs->sign_input_len, m.signature.data,
		       m.signature.len) != ENN_OK) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECRYPT_ERROR,
					  ENN_REASON_PROTOCOL_FAILED, "CertificateVerify",
					  "the signature does not verify");
	}
	hs->c->result.signature = m.scheme;
	return ENN_OK;
}

enum enn_status enn_finished_receive(struct enn_handshake *hs, const uint8_t *base,
				     struct enn_bytes body)
{
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t mac[ENN_MAX_HASH];

	if (body.len != hs->hash->len) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "Finished", "Finished has a wrong length");
	}
	enn_hs_transcript_hash(hs, transcript);
	enn_finished_mac(enn_hs_prefix(hs->c), hs->hash, base, transcript, mac);
	if (!enn_equal_secret(body.data, mac, hs->hash->len)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECRYPT_ERROR,
					  ENN_REASON_PROTOCOL_FAILED, "Finished",
					  "Finished does not verify");
	}
	return ENN_OK;
}
