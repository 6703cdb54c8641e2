/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate types (RFC 7250): which kind of identity each side shows, and what a raw public key is
 * worth. In TLS 1.3 the server answers in EncryptedExtensions and the key stands in the only entry of
 * Certificate (RFC 8446 §4.4.2); in TLS 1.2 it answers in ServerHello and the key is all of Certificate
 * (RFC 7250 §3).
 *
 *   ClientHello:  <1..2^8-1> types, best first         answer: u8 type
 */
#include "handshake/internal.h"

/* What may stand in the lists. */
struct type_list {
	uint8_t type[2];
	size_t count;
};

static void add_type(struct type_list *list, uint8_t type)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->type[i] == type) {
			return;
		}
	}
	if (list->count < ENN_ARRAY_LEN(list->type)) {
		list->type[list->count++] = type;
	}
}

static bool has_type(const struct type_list *list, uint8_t type)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->type[i] == type) {
			return true;
		}
	}
	return false;
}

/* What we take from the peer. */
static struct type_list taken(const struct enn_security *s)
{
	struct type_list list = {.count = 0};

	if (enn_security_takes_raw_keys(s)) {
		add_type(&list, ENN_CERTIFICATE_RAW_KEY);
	}
	if (enn_security_takes_certificates(s)) {
		add_type(&list, ENN_CERTIFICATE_X509);
	}
	return list;
}

/* What we can show, in the order of the credentials. */
static struct type_list shown(const struct enn_security *s)
{
	struct type_list list = {.count = 0};

	for (size_t i = 0; i < s->credential_count; i++) {
		if (s->credential[i]->type == ENN_CREDENTIAL_RAW_KEY) {
			add_type(&list, ENN_CERTIFICATE_RAW_KEY);
		} else if (s->credential[i]->type == ENN_CREDENTIAL_X509) {
			add_type(&list, ENN_CERTIFICATE_X509);
		}
	}
	return list;
}

/* ---- client ------------------------------------------------------------------------------------ */

/* §4.1: X.509 alone is what is meant without the extension. */
static void offer(struct enn_handshake *hs, struct enn_writer *w, enum enn_view view,
		  const struct type_list *list)
{
	if (!has_type(list, ENN_CERTIFICATE_RAW_KEY)) {
		return;
	}
	size_t data = enn_hs_extension_begin(hs, w, view);
	enn_write_vector(w, 1, list->type, list->count);
	enn_write_end(w, data, 2);
}

void enn_raw_key_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	struct type_list server = taken(hs->security);
	struct type_list client = shown(hs->security);

	offer(hs, w, ENN_VIEW_CLIENT_CERTIFICATE_TYPE, &client);
	offer(hs, w, ENN_VIEW_SERVER_CERTIFICATE_TYPE, &server);
}

static enum enn_status take_one(struct enn_handshake *hs, const struct enn_views *views,
				enum enn_view view, const struct type_list *offered,
				const char *where, uint8_t *type)
{
	if (!enn_views_have(views, view)) {
		return ENN_OK;
	}
	struct enn_reader r = enn_reader_of(views->data[view].data, views->data[view].len);
	*type = enn_read_u8(&r);
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  where, "the certificate type is malformed");
	}
	if (!has_type(offered, *type)) {
		return enn_handshake_fail(
			hs->c, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED, where,
			"the server chose certificate type %u, which was not offered", *type);
	}
	return ENN_OK;
}

enum enn_status enn_raw_key_take(struct enn_handshake *hs, const struct enn_views *views,
				 const char *where)
{
	struct type_list server = taken(hs->security);
	struct type_list client = shown(hs->security);

	ENN_TRY(take_one(hs, views, ENN_VIEW_SERVER_CERTIFICATE_TYPE, &server, where,
			 &hs->peer_type));
	return take_one(hs, views, ENN_VIEW_CLIENT_CERTIFICATE_TYPE, &client, where, &hs->own_type);
}

/* ---- server ------------------------------------------------------------------------------------ */

enum enn_status enn_raw_key_types(struct enn_handshake *hs, const struct enn_client_hello *ch,
				  enum enn_view view, struct enn_bytes *types)
{
	static const uint8_t only[] = {ENN_CERTIFICATE_X509};

	*types = (struct enn_bytes){only, sizeof(only)};
	if (!enn_views_have(&ch->views, view)) {
		return ENN_OK;
	}
	struct enn_reader r = enn_reader_of(ch->views.data[view].data, ch->views.data[view].len);
	*types = enn_read_vector(&r, 1, 1, 255);
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "ClientHello.certificate_type",
					  "the list of certificate types is malformed");
	}
	return ENN_OK;
}

enum enn_status enn_raw_key_choose_peer(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct type_list ours = taken(hs->security);
	struct enn_bytes types;

	hs->peer_type_excluded = false;
	ENN_TRY(enn_raw_key_types(hs, ch, ENN_VIEW_CLIENT_CERTIFICATE_TYPE, &types));
	for (size_t i = 0; i < types.len; i++) {
		if (has_type(&ours, types.data[i])) {
			hs->peer_type = types.data[i];
			return ENN_OK;
		}
	}
	/* §4.2: without a common type there is no client authentication. */
	hs->peer_type_excluded = true;
	if (enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) {
		return enn_handshake_fail(
			hs->c, ENN_ALERT_UNSUPPORTED_CERTIFICATE, ENN_REASON_NO_SHARED_PARAMETERS,
			"ClientHello.client_certificate_type",
			"the client has no kind of certificate that is taken here");
	}
	return ENN_OK;
}

void enn_raw_key_answer(struct enn_handshake *hs, struct enn_writer *w,
			const struct enn_client_hello *ch, bool requested)
{
	if (requested && enn_views_have(&ch->views, ENN_VIEW_CLIENT_CERTIFICATE_TYPE)) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_CLIENT_CERTIFICATE_TYPE);
		enn_write_u8(w, hs->peer_type);
		enn_write_end(w, data, 2);
	}
	if (enn_views_have(&ch->views, ENN_VIEW_SERVER_CERTIFICATE_TYPE)) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_SERVER_CERTIFICATE_TYPE);
		enn_write_u8(w, hs->own_type);
		enn_write_end(w, data, 2);
	}
}

/* ---- judging ------------------------------------------------------------------------------------- */

static enum enn_status refuse(struct enn_handshake *hs, enum enn_alert alert,
			      enum enn_reason reason, const char *what,
			      const uint8_t digest[ENN_DIGEST])
{
	char text[ENN_PIN_TEXT];

	return enn_handshake_fail(hs->c, alert, reason, "Certificate", "the raw public key %s %s",
				  enn_spki_pin_text(digest, text), what);
}

static enum enn_status judge(struct enn_handshake *hs, struct enn_bytes spki)
{
	const struct enn_security *s = hs->security;
	const struct enn_public_key *key = enn_peer_chain_key(hs->peer);
	enum enn_key_type type = enn_public_key_type(key);
	uint8_t digest[ENN_DIGEST];
	bool verify = hs->server || enn_security_flag(s, ENN_SECURITY_VERIFY_PEER);

	if (enn_security_flag(s, ENN_SECURITY_DELEGATE_PEER)) {
		return ENN_OK;
	}
	enn_spki_digest(spki, digest);
	if (verify && (type == ENN_KEY_RSA || type == ENN_KEY_RSA_PSS) &&
	    enn_public_key_bits(key) < 2048) {
		return refuse(hs, ENN_ALERT_BAD_CERTIFICATE, ENN_REASON_CERT_WEAK,
			      "is shorter than 2048 bits", digest);
	}
	if (verify && !enn_digest_set_has(&s->raw_keys, digest)) {
		return refuse(hs, ENN_ALERT_CERTIFICATE_UNKNOWN, ENN_REASON_CERT_KEY_UNKNOWN,
			      "is not trusted", digest);
	}
	if (s->pins.count > 0 && !enn_digest_set_has(&s->pins, digest)) {
		return refuse(hs, ENN_ALERT_CERTIFICATE_UNKNOWN, ENN_REASON_CERT_PIN_MISMATCH,
			      "is not pinned", digest);
	}
	hs->c->result.peer_authenticated = verify;
	return ENN_OK;
}

enum enn_status enn_raw_key_receive(struct enn_handshake *hs, struct enn_bytes spki)
{
	struct enn_error error = {.status = ENN_OK};

	enum enn_status status = enn_peer_chain_from_key(spki, &hs->peer, &error);
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "Certificate");
	}
	if (status != ENN_OK) {
		return enn_handshake_fail(hs->c, ENN_ALERT_BAD_CERTIFICATE, error.reason,
					  "Certificate", "%s", error.text);
	}
	hs->c->result.peer_raw_key = true;
	return judge(hs, spki);
}
