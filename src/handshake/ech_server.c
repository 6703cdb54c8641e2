/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello, the server's side in shared mode (RFC 9849 §7): it opens the inner hello, and goes
 * on as if that had come.
 */
#include "features/ech.h"

#include "handshake/ech.h"

static enum enn_status refuse(struct enn_handshake *hs, enum enn_alert alert, const char *what)
{
	return enn_handshake_fail(hs->c, alert, ENN_REASON_PROTOCOL_FAILED,
				  "ClientHello.encrypted_client_hello", "%s", what);
}

static enum enn_status no_memory(struct enn_handshake *hs)
{
	return enn_handshake_no_memory(hs->c, "ClientHello.encrypted_client_hello");
}

/* The outer extension, taken apart. */
struct outer {
	uint16_t kdf;
	uint16_t aead;
	uint8_t config_id;
	struct enn_bytes enc;
	struct enn_bytes payload;
};

static enum enn_status parse_outer(struct enn_handshake *hs, struct enn_bytes data,
				   struct outer *out)
{
	struct enn_reader r = enn_reader_of(data.data, data.len);
	uint8_t type = enn_read_u8(&r);

	if (enn_reader_ok(&r) && type != ENN_ECH_OUTER) {
		/* §7: an inner one comes from a front server only, never from the network. */
		return refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER, "is not of the outer type");
	}
	out->kdf = enn_read_u16(&r);
	out->aead = enn_read_u16(&r);
	out->config_id = enn_read_u8(&r);
	out->enc = enn_read_vector(&r, 2, 0, UINT16_MAX);
	out->payload = enn_read_vector(&r, 2, 1, UINT16_MAX);
	return enn_reader_done(&r) ? ENN_OK : refuse(hs, ENN_ALERT_DECODE_ERROR, "is malformed");
}

/* ---- opening -------------------------------------------------------------------------------------- */

/* ClientHelloOuterAAD (§5.2): the hello with zeros for the payload. From the env's allocator. */
static uint8_t *make_aad(struct enn_handshake *hs, struct enn_bytes body, struct enn_bytes payload)
{
	uint8_t *aad = enn_alloc(hs->env, body.len);

	if (aad != NULL) {
		memcpy(aad, body.data, body.len);
		memset(aad + (payload.data - body.data), 0, payload.len);
	}
	return aad;
}

/* With one key. ENN_E_CRYPTO: it is not for that one. */
static enum enn_status try_key(struct enn_handshake *hs, const struct enn_ech_key *key,
			       const struct outer *outer, struct enn_bytes aad, uint8_t *text)
{
	struct enn_reader r = enn_reader_of(key->config, key->config_len);
	uint8_t info[ENN_HPKE_MAX_INFO];
	struct enn_ech_config config;

	if (!enn_ech_config_next(&r, &config) || config.config_id != outer->config_id ||
	    !enn_ech_has_suite(&config, outer->kdf, outer->aead)) {
		return ENN_E_CRYPTO;
	}
	struct enn_bytes given = {info, enn_ech_info(&config, info)};
	hs->ech->suite = (struct enn_hpke_suite){config.kem, outer->kdf, outer->aead};
	ENN_TRY(enn_hpke_recipient(hs->env, &hs->ech->suite, key->key, outer->enc, given,
				   &hs->ech->hpke));
	enum enn_status status = enn_hpke_open(hs->ech->hpke, aad, outer->payload, text);
	if (status != ENN_OK) {
		enn_hpke_free(hs->ech->hpke);
		hs->ech->hpke = NULL;
	}
	return status;
}

static enum enn_status open_first(struct enn_handshake *hs, const struct outer *outer,
				  struct enn_bytes aad, uint8_t *text)
{
	hs->ech = enn_alloc(hs->env, sizeof(*hs->ech));
	if (hs->ech == NULL) {
		return ENN_E_MEMORY;
	}
	hs->ech->state = ENN_ECH_REJECTED;
	hs->ech->config_id = outer->config_id;
	for (size_t i = 0; i < hs->security->ech.key_count; i++) {
		enum enn_status status = try_key(hs, &hs->security->ech.key[i], outer, aad, text);
		if (status == ENN_OK) {
			hs->ech->state = ENN_ECH_ACCEPTED;
			return ENN_OK;
		}
		if (status == ENN_E_MEMORY) {
			return status;
		}
	}
	return ENN_OK; /* §7.1: GREASE, or an old key: the outer hello it is */
}

/* §7.1.1: the second hello continues the context of the first. */
static enum enn_status open_second(struct enn_handshake *hs, const struct outer *outer,
				   struct enn_bytes aad, uint8_t *text)
{
	const struct enn_ech *ech = hs->ech;

	if (outer->kdf != ech->suite.kdf || outer->aead != ech->suite.aead ||
	    outer->config_id != ech->config_id || outer->enc.len != 0) {
		return refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER,
			      "differs from the first ClientHello's");
	}
	if (enn_hpke_open(ech->hpke, aad, outer->payload, text) != ENN_OK) {
		return refuse(hs, ENN_ALERT_DECRYPT_ERROR, "cannot be decrypted");
	}
	return ENN_OK;
}

/* ---- the inner hello ---------------------------------------------------------------------------------- */

/* Takes the extensions that `types` names out of the outer hello, in one pass: they come in its order, each
 * once (§5.1, §10.12.3). */
static bool copy_outer(struct enn_reader *types, struct enn_reader *outer, struct enn_writer *w)
{
	while (enn_reader_left(types) > 0) {
		uint16_t wanted = enn_read_u16(types);
		bool found = false;
		if (wanted == ENN_EXT_ENCRYPTED_CLIENT_HELLO) {
			return false;
		}
		while (!found && enn_reader_left(outer) > 0) {
			uint16_t type = enn_read_u16(outer);
			struct enn_bytes data = enn_read_vector(outer, 2, 0, UINT16_MAX);
			found = type == wanted;
			if (found) {
				enn_write_u16(w, type);
				enn_write_vector(w, 2, data.data, data.len);
			}
		}
		if (!found) {
			return false;
		}
	}
	return enn_reader_ok(types) && enn_reader_ok(outer);
}

/* The list of extensions of a hello's body. */
static struct enn_reader extensions_of(struct enn_bytes body)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	(void)enn_read_bytes(&r, 2 + ENN_HS_RANDOM);
	(void)enn_read_vector(&r, 1, 0, ENN_HS_MAX_SESSION_ID);
	(void)enn_read_vector(&r, 2, 2, UINT16_MAX);
	(void)enn_read_vector(&r, 1, 1, 255);
	return enn_read_sub(&r, 2, 0, UINT16_MAX);
}

static bool all_zeros(struct enn_reader *r)
{
	uint8_t any = 0;

	while (enn_reader_left(r) > 0) {
		any |= enn_read_u8(r);
	}
	return any == 0;
}

/* From EncodedClientHelloInner to a whole message (§5.1). */
static bool decode(struct enn_bytes encoded, const struct enn_client_hello *ch,
		   struct enn_bytes outer_body, struct enn_writer *w)
{
	struct enn_reader r = enn_reader_of(encoded.data, encoded.len);
	struct enn_bytes head = enn_read_bytes(&r, 2 + ENN_HS_RANDOM);
	struct enn_bytes session_id = enn_read_vector(&r, 1, 0, ENN_HS_MAX_SESSION_ID);
	struct enn_bytes suites = enn_read_vector(&r, 2, 2, UINT16_MAX);
	struct enn_bytes compression = enn_read_vector(&r, 1, 1, 255);
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);
	struct enn_reader outer = extensions_of(outer_body);
	bool told = false;

	if (!enn_reader_ok(&r) || session_id.len != 0 || !all_zeros(&r)) {
		return false;
	}
	enn_write_u8(w, ENN_HS_CLIENT_HELLO);
	size_t body = enn_write_begin(w, 3);
	enn_write_bytes(w, head.data, head.len);
	enn_write_vector(w, 1, ch->session_id.data, ch->session_id.len);
	enn_write_vector(w, 2, suites.data, suites.len);
	enn_write_vector(w, 1, compression.data, compression.len);
	size_t extensions = enn_write_begin(w, 2);
	while (enn_reader_left(&list) > 0) {
		uint16_t type = enn_read_u16(&list);
		struct enn_bytes data = enn_read_vector(&list, 2, 0, UINT16_MAX);
		if (type != ENN_EXT_ECH_OUTER_EXTENSIONS) {
			enn_write_u16(w, type);
			enn_write_vector(w, 2, data.data, data.len);
			continue;
		}
		struct enn_reader named = enn_reader_of(data.data, data.len);
		struct enn_reader types = enn_read_sub(&named, 1, 2, 254);
		if (told || !enn_reader_done(&named) || !copy_outer(&types, &outer, w)) {
			return false;
		}
		told = true;
	}
	enn_write_end(w, extensions, 2);
	enn_write_end(w, body, 3);
	return enn_reader_done(&list) && enn_writer_ok(w);
}

/* §7.1: marked as an inner one, and not for an old version. */
static bool is_inner(const struct enn_client_hello *ch)
{
	struct enn_bytes mark = ch->views.data[ENN_VIEW_ENCRYPTED_CLIENT_HELLO];
	struct enn_reader r = enn_reader_of(ch->versions.data, ch->versions.len);
	bool old = !(ch->has & ENN_HAS_SUPPORTED_VERSIONS);

	while (enn_reader_left(&r) > 0) {
		uint16_t version = enn_read_u16(&r);
		old = old || (version <= ENN_TLS_1_2 && !enn_is_grease(version));
	}
	return !old && mark.len == 1 && mark.data[0] == ENN_ECH_INNER;
}

static enum enn_status take_inner(struct enn_handshake *hs, struct enn_bytes encoded,
				  struct enn_client_hello *ch, struct enn_bytes *message)
{
	struct enn_bytes outer = {message->data + ENN_HS_HEADER, message->len - ENN_HS_HEADER};
	size_t cap = ENN_HS_HEADER + encoded.len + ENN_HS_MAX_SESSION_ID + outer.len;
	uint8_t *room = enn_alloc(hs->env, cap);
	struct enn_fault fault;

	if (room == NULL) {
		return no_memory(hs);
	}
	enn_free_secret(hs->env, hs->ech->hello, hs->ech->hello_len);
	hs->ech->hello = room;
	hs->ech->hello_len = cap;
	struct enn_writer w = enn_writer_of(room, cap);
	if (!decode(encoded, ch, outer, &w)) {
		return refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER, "holds a malformed inner hello");
	}
	*message = (struct enn_bytes){room, enn_writer_len(&w)};
	struct enn_bytes body = {room + ENN_HS_HEADER, message->len - ENN_HS_HEADER};
	if (!enn_parse_client_hello(body, false, ch, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	return is_inner(ch) ? ENN_OK
			    : refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER,
				     "holds a hello that is no inner one");
}

enum enn_status enn_ech_open(struct enn_handshake *hs, struct enn_client_hello *ch,
			     struct enn_bytes *message)
{
	bool accepted = enn_ech_state(hs) == ENN_ECH_ACCEPTED;
	bool second = hs->c->result.hello_retry;
	struct outer outer = {0};

	/* One that waited for an answer is the inner one already. */
	if (message->data == enn_buffer_data(&hs->held) ||
	    (hs->security->ech.key_count == 0 && !accepted)) {
		return ENN_OK;
	}
	if (!enn_views_have(&ch->views, ENN_VIEW_ENCRYPTED_CLIENT_HELLO)) {
		return accepted ? refuse(hs, ENN_ALERT_MISSING_EXTENSION,
					 "is missing in the second ClientHello")
				: ENN_OK;
	}
	ENN_TRY(parse_outer(hs, ch->views.data[ENN_VIEW_ENCRYPTED_CLIENT_HELLO], &outer));
	if ((second && !accepted) || outer.payload.len <= ENN_HPKE_TAG) {
		return ENN_OK;
	}
	struct enn_bytes body = {message->data + ENN_HS_HEADER, message->len - ENN_HS_HEADER};
	uint8_t *aad = make_aad(hs, body, outer.payload);
	size_t text_len = outer.payload.len - ENN_HPKE_TAG;
	uint8_t *text = enn_alloc(hs->env, text_len);
	enum enn_status status = ENN_E_MEMORY;
	if (aad != NULL && text != NULL) {
		struct enn_bytes bytes = {aad, body.len};
		status = second ? open_second(hs, &outer, bytes, text)
				: open_first(hs, &outer, bytes, text);
	}
	if (status == ENN_E_MEMORY) {
		status = no_memory(hs);
	}
	if (status == ENN_OK && enn_ech_state(hs) == ENN_ECH_ACCEPTED) {
		struct enn_bytes encoded = {text, text_len};
		status = take_inner(hs, encoded, ch, message);
	}
	enn_free(hs->env, aad, body.len);
	enn_free_secret(hs->env, text, text_len);
	return status;
}

/* ---- answering ------------------------------------------------------------------------------------------ */

void enn_ech_answer_retry(struct enn_handshake *hs, struct enn_writer *w)
{
	static const uint8_t zeros[ENN_ECH_CONFIRMATION];

	if (enn_ech_state(hs) == ENN_ECH_ACCEPTED) {
		enn_write_u16(w, ENN_EXT_ENCRYPTED_CLIENT_HELLO);
		enn_write_vector(w, 2, zeros, sizeof(zeros));
	}
}

/* Where the confirmation belongs: in the random of a ServerHello, at the end of a HelloRetryRequest, of which
 * it is the last extension. */
void enn_ech_confirm(struct enn_handshake *hs, struct enn_writer *w, bool retry)
{
	struct enn_bytes message = {w->start, enn_writer_len(w)};
	size_t at = retry ? message.len - ENN_ECH_CONFIRMATION
			  : ENN_HS_HEADER + 2 + ENN_HS_RANDOM - ENN_ECH_CONFIRMATION;

	if (enn_ech_state(hs) == ENN_ECH_ACCEPTED) {
		enn_ech_confirmation(hs, &hs->transcript[0], hs->hash, hs->random,
				     retry ? "hrr ech accept confirmation"
					   : "ech accept confirmation",
				     message, at, w->start + at);
	}
}

void enn_ech_answer(struct enn_handshake *hs, struct enn_writer *w)
{
	if (enn_ech_state(hs) != ENN_ECH_REJECTED) {
		return;
	}
	const struct enn_ech_key *key = &hs->security->ech.key[0];
	enn_write_u16(w, ENN_EXT_ENCRYPTED_CLIENT_HELLO);
	size_t data = enn_write_begin(w, 2);
	enn_write_vector(w, 2, key->config, key->config_len);
	enn_write_end(w, data, 2);
}
