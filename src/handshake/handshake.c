/* SPDX-License-Identifier: Apache-2.0
 *
 * What both sides share: life, messages, transcript, dispatch.
 */
#include "handshake/handshake.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "handshake/internal.h"

/* ---- failure -------------------------------------------------------------------------- */

enum enn_status enn_handshake_fail(struct enn_handshake_carrier *c, enum enn_alert alert,
				   enum enn_reason reason, const char *where, const char *format,
				   ...)
{
	char text[ENN_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)enn_error_set(&c->error, ENN_E_FAILED, reason, where, "%s", text);
	c->error.wire_code = alert;
	return ENN_E_FAILED;
}

enum enn_status enn_handshake_no_memory(struct enn_handshake_carrier *c, const char *where)
{
	(void)enn_handshake_fail(c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_OUT_OF_MEMORY, where,
				 "out of memory");
	c->error.status = ENN_E_MEMORY;
	return ENN_E_FAILED;
}

enum enn_status enn_hs_fault(struct enn_handshake *hs, const struct enn_fault *fault)
{
	return enn_handshake_fail(hs->c, fault->alert, ENN_REASON_PROTOCOL_FAILED, fault->where,
				  "%s %s", fault->where, fault->what);
}

/* ---- small things ----------------------------------------------------------------------- */

int64_t enn_hs_wall(const struct enn_env *env, enn_time now)
{
	return env->wall_offset + (int64_t)now;
}

enum enn_status enn_hs_copy(const struct enn_env *env, uint8_t **to, size_t *to_len,
			    struct enn_bytes from)
{
	uint8_t *copy = NULL;
	if (from.len > 0) {
		copy = enn_alloc(env, from.len);
		if (copy == NULL) {
			return ENN_E_MEMORY;
		}
		memcpy(copy, from.data, from.len);
	}
	enn_free_secret(env, *to, *to_len);
	*to = copy;
	*to_len = from.len;
	return ENN_OK;
}

enum enn_status enn_hs_copy_name(const struct enn_env *env, char **to, struct enn_bytes from)
{
	char *copy = enn_alloc(env, from.len + 1);
	if (copy == NULL) {
		return ENN_E_MEMORY;
	}
	if (from.len > 0) {
		memcpy(copy, from.data, from.len);
	}
	copy[from.len] = '\0';
	if (*to != NULL) {
		enn_free(env, *to, strlen(*to) + 1);
	}
	*to = copy;
	return ENN_OK;
}

void enn_hs_keylog(struct enn_handshake *hs, const char *label, const uint8_t *secret)
{
	enn_hs_keylog_line(hs, label, secret, hs->ks.hash->len);
}

void enn_hs_keylog_line(struct enn_handshake *hs, const char *label, const uint8_t *secret,
			size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char line[40 + 1 + 2 * ENN_HS_RANDOM + 1 + 2 * ENN_MAX_SECRET + 1];
	struct enn_writer w = enn_writer_of((uint8_t *)line, sizeof(line));

	if (hs->env->keylog == NULL) {
		return;
	}
	enn_write_bytes(&w, label, strlen(label));
	enn_write_u8(&w, ' ');
	for (size_t i = 0; i < ENN_HS_RANDOM; i++) {
		enn_write_u8(&w, (uint8_t)hex[hs->random[i] >> 4]);
		enn_write_u8(&w, (uint8_t)hex[hs->random[i] & 15]);
	}
	enn_write_u8(&w, ' ');
	for (size_t i = 0; i < len; i++) {
		enn_write_u8(&w, (uint8_t)hex[secret[i] >> 4]);
		enn_write_u8(&w, (uint8_t)hex[secret[i] & 15]);
	}
	enn_write_u8(&w, 0);
	if (enn_writer_ok(&w)) {
		hs->env->keylog(hs->env->keylog_ctx, line);
	}
	enn_wipe(line, sizeof(line));
}

void enn_hs_traffic_secret(struct enn_handshake *hs, const char *label, const char *log_label,
			   const uint8_t *transcript_hash, uint8_t *out)
{
	enn_key_schedule_derive(&hs->ks, label, transcript_hash, out);
	enn_hs_keylog(hs, log_label, out);
}

enum enn_status enn_hs_secret(struct enn_handshake *hs, enum enn_direction direction,
			      enum enn_level level, const uint8_t *secret)
{
	enum enn_status status =
		hs->c->ops->secret(hs->c, direction, level, hs->c->result.suite, secret);
	if (status == ENN_OK || status == ENN_E_FAILED) {
		return status;
	}
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "traffic keys");
	}
	return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_PROTOCOL_FAILED,
				  "traffic keys", "traffic keys could not be made");
}

/* ---- transcript ----------------------------------------------------------------------------- */

static void start(struct enn_hash transcript[2])
{
	enn_hash_init(&transcript[0], enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_init(&transcript[1], enn_hash_alg(ENN_HASH_SHA384));
}

void enn_hs_transcript_start(struct enn_handshake *hs)
{
	hs->hash = NULL;
	start(hs->transcript);
	start(hs->transcript12);
	if (hs->tls12 != NULL) {
		enn_tls12_forget_messages(hs);
	}
}

static void add(struct enn_handshake *hs, struct enn_hash transcript[2], const void *data,
		size_t len)
{
	enn_hash_update(&transcript[0], data, len);
	if (hs->hash == NULL) {
		enn_hash_update(&transcript[1], data, len);
	}
}

/* DTLS 1.2: as if the message had come in one fragment (RFC 6347 §4.2.6). */
#define HEADER_12 12
static void add_datagram(struct enn_handshake *hs, const uint8_t *data, size_t len)
{
	uint16_t version = hs->c->result.version;
	uint8_t header[HEADER_12];
	struct enn_writer w = enn_writer_of(header, sizeof(header));

	if (version != ENN_TLS_1_2) {
		add(hs, hs->transcript, data, len);
	}
	if (version == ENN_TLS_1_3 || hs->tls12 == NULL || len < ENN_HS_HEADER) {
		return;
	}
	enn_write_bytes(&w, data, ENN_HS_HEADER);
	enn_write_u16(&w, hs->message_number);
	enn_write_u24(&w, 0);
	enn_write_bytes(&w, data + 1, 3);
	struct enn_hash *to = version == ENN_TLS_1_2 ? hs->transcript : hs->transcript12;
	add(hs, to, header, sizeof(header));
	add(hs, to, data + ENN_HS_HEADER, len - ENN_HS_HEADER);
	enn_tls12_keep_message(hs, header, sizeof(header));
	enn_tls12_keep_message(hs, data + ENN_HS_HEADER, len - ENN_HS_HEADER);
}

void enn_hs_transcript_12(struct enn_handshake *hs)
{
	if (hs->c->datagram) {
		memcpy(hs->transcript, hs->transcript12, sizeof(hs->transcript));
	}
}

uint16_t enn_hs_wire_version(const struct enn_handshake *hs, uint16_t version)
{
	/* DTLS counts downwards, and its 1.2 and 1.3 are made of the same versions of TLS. */
	return hs->c->datagram ? (uint16_t)(ENN_DTLS_1_2 - (version - ENN_TLS_1_2)) : version;
}

void enn_hs_transcript_add(struct enn_handshake *hs, const void *data, size_t len)
{
	if (hs->c->datagram) {
		add_datagram(hs, data, len);
		return;
	}
	add(hs, hs->transcript, data, len);
	if (hs->tls12 != NULL) {
		enn_tls12_keep_message(hs, data, len);
	}
}

void enn_hs_transcript_choose(struct enn_handshake *hs, const struct enn_hash_alg *hash)
{
	if (hs->hash == NULL && hash->id == ENN_HASH_SHA384) {
		hs->transcript[0] = hs->transcript[1];
	}
	hs->hash = hash;
}

const struct enn_hash *enn_hs_transcript(const struct enn_handshake *hs,
					 const struct enn_hash_alg *hash)
{
	if (hs->hash != NULL) {
		return &hs->transcript[0];
	}
	return &hs->transcript[hash->id == ENN_HASH_SHA384 ? 1 : 0];
}

void enn_hs_transcript_hash(const struct enn_handshake *hs, uint8_t *out)
{
	enn_hash_peek(&hs->transcript[0], out);
}

void enn_hs_transcript_retry(struct enn_handshake *hs)
{
	uint8_t header[ENN_HS_HEADER] = {ENN_HS_MESSAGE_HASH, 0, 0, hs->hash->len};
	uint8_t first[ENN_MAX_HASH];

	enn_hash_final(&hs->transcript[0], first);
	enn_hash_init(&hs->transcript[0], hs->hash);
	enn_hash_update(&hs->transcript[0], header, sizeof(header));
	enn_hash_update(&hs->transcript[0], first, hs->hash->len);
}

/* ---- messages --------------------------------------------------------------------------------- */

enum enn_status enn_hs_begin(struct enn_handshake *hs, struct enn_hs_out *out, enum enn_level level,
			     uint8_t type, size_t cap)
{
	uint8_t *room = hs->c->ops->reserve(hs->c, level, cap + ENN_HS_HEADER);
	if (room == NULL) {
		return enn_handshake_no_memory(hs->c, enn_handshake_type_name(type));
	}
	out->w = enn_writer_of(room, cap + ENN_HS_HEADER);
	out->level = level;
	out->type = type;
	enn_write_u8(&out->w, type);
	(void)enn_write_begin(&out->w, 3);
	return ENN_OK;
}

enum enn_status enn_hs_finish_length(struct enn_handshake *hs, struct enn_hs_out *out)
{
	enn_write_end(&out->w, 1, 3);
	if (!enn_writer_ok(&out->w)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR,
					  ENN_REASON_INVALID_CONFIGURATION,
					  enn_handshake_type_name(out->type),
					  "%s would be too large: too many or too long parameters",
					  enn_handshake_type_name(out->type));
	}
	return ENN_OK;
}

void enn_hs_commit_raw(struct enn_handshake *hs, struct enn_hs_out *out)
{
	size_t len = enn_writer_len(&out->w);
	hs->message_number = hs->c->message_out;
	enn_hs_transcript_add(hs, out->w.start, len);
	hs->c->ops->commit(hs->c, out->level, out->type, len);
}

enum enn_status enn_hs_commit(struct enn_handshake *hs, struct enn_hs_out *out)
{
	ENN_TRY(enn_hs_finish_length(hs, out));
	enn_hs_commit_raw(hs, out);
	return ENN_OK;
}

/* ---- extensions --------------------------------------------------------------------------------- */

size_t enn_hs_extension_begin(struct enn_handshake *hs, struct enn_writer *w, enum enn_view view)
{
	if (!hs->server) {
		hs->offered |= ENN_VIEW_BIT(view);
	}
	enn_write_u16(w, enn_view_type(view));
	return enn_write_begin(w, 2);
}

enum enn_status enn_hs_check_views(struct enn_handshake *hs, const struct enn_views *views,
				   uint32_t allowed, const char *where)
{
	for (unsigned i = 0; i < ENN_VIEW_COUNT; i++) {
		if (!enn_views_have(views, (enum enn_view)i) ||
		    (hs->offered & allowed & ENN_VIEW_BIT(i)) != 0) {
			continue;
		}
		bool offered = (hs->offered & ENN_VIEW_BIT(i)) != 0;
		return enn_handshake_fail(hs->c,
					  offered ? ENN_ALERT_ILLEGAL_PARAMETER
						  : ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED, where, "extension %u %s",
					  enn_view_type((enum enn_view)i),
					  offered ? "is not allowed here" : "was not asked for");
	}
	return ENN_OK;
}

/* ---- dispatch ----------------------------------------------------------------------------------- */

/* Which message a state takes at which level: all that is not here is unexpected (§4: "MUST abort the
 * handshake with an unexpected_message alert"). */
static const struct {
	uint8_t state;
	uint8_t type;
	uint8_t level;
} accepted[] = {
	{ENN_HS_CLIENT_EXPECT_SERVER_HELLO, ENN_HS_SERVER_HELLO, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT_EXPECT_SERVER_HELLO, ENN_HS_HELLO_VERIFY_REQUEST, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT_EXPECT_SECOND_SERVER_HELLO, ENN_HS_SERVER_HELLO, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT_EXPECT_ENCRYPTED_EXTENSIONS, ENN_HS_ENCRYPTED_EXTENSIONS,
	 ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE_REQUEST, ENN_HS_CERTIFICATE_REQUEST, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE_REQUEST, ENN_HS_CERTIFICATE, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE, ENN_HS_CERTIFICATE, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE_REQUEST, ENN_HS_COMPRESSED_CERTIFICATE,
	 ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE, ENN_HS_COMPRESSED_CERTIFICATE, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_CERTIFICATE_VERIFY, ENN_HS_CERTIFICATE_VERIFY, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_CLIENT_EXPECT_FINISHED, ENN_HS_FINISHED, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_SERVER_EXPECT_CLIENT_HELLO, ENN_HS_CLIENT_HELLO, ENN_LEVEL_INITIAL},
	{ENN_HS_SERVER_EXPECT_SECOND_CLIENT_HELLO, ENN_HS_CLIENT_HELLO, ENN_LEVEL_INITIAL},
	{ENN_HS_SERVER_EXPECT_END_OF_EARLY_DATA, ENN_HS_END_OF_EARLY_DATA, ENN_LEVEL_EARLY},
	{ENN_HS_SERVER_EXPECT_CERTIFICATE, ENN_HS_CERTIFICATE, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_SERVER_EXPECT_CERTIFICATE, ENN_HS_COMPRESSED_CERTIFICATE, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_SERVER_EXPECT_CERTIFICATE_VERIFY, ENN_HS_CERTIFICATE_VERIFY, ENN_LEVEL_HANDSHAKE},
	{ENN_HS_SERVER_EXPECT_FINISHED, ENN_HS_FINISHED, ENN_LEVEL_HANDSHAKE},
	/* TLS 1.2: what comes behind the change_cipher_spec is at the application's level */
	{ENN_HS_CLIENT12_EXPECT_CERTIFICATE, ENN_HS_CERTIFICATE, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_STATUS, ENN_HS_CERTIFICATE_STATUS, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_STATUS, ENN_HS_SERVER_KEY_EXCHANGE, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_KEY_EXCHANGE, ENN_HS_SERVER_KEY_EXCHANGE, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_REQUEST_OR_DONE, ENN_HS_CERTIFICATE_REQUEST, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_REQUEST_OR_DONE, ENN_HS_SERVER_HELLO_DONE, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_DONE, ENN_HS_SERVER_HELLO_DONE, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_TICKET, ENN_HS_NEW_SESSION_TICKET, ENN_LEVEL_INITIAL},
	{ENN_HS_CLIENT12_EXPECT_FINISHED, ENN_HS_FINISHED, ENN_LEVEL_APPLICATION},
	{ENN_HS_SERVER12_EXPECT_CERTIFICATE, ENN_HS_CERTIFICATE, ENN_LEVEL_INITIAL},
	{ENN_HS_SERVER12_EXPECT_KEY_EXCHANGE, ENN_HS_CLIENT_KEY_EXCHANGE, ENN_LEVEL_INITIAL},
	{ENN_HS_SERVER12_EXPECT_CERTIFICATE_VERIFY, ENN_HS_CERTIFICATE_VERIFY, ENN_LEVEL_INITIAL},
	{ENN_HS_SERVER12_EXPECT_FINISHED, ENN_HS_FINISHED, ENN_LEVEL_APPLICATION},
};

static bool is_accepted(enum enn_hs_state state, uint8_t type, enum enn_level level)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(accepted); i++) {
		if (accepted[i].state == state && accepted[i].type == type &&
		    accepted[i].level == level) {
			return true;
		}
	}
	return false;
}

/* Messages after which the reading keys change must end their record (§5.1): nothing of the old level may
 * follow. A ServerHello that may be one of TLS 1.2, where the flight goes on in the clear, is judged when it
 * has been read. */
static bool changes_read_keys(const struct enn_handshake *hs, uint8_t type)
{
	return type == ENN_HS_FINISHED || type == ENN_HS_END_OF_EARLY_DATA ||
	       type == ENN_HS_CLIENT_HELLO || (type == ENN_HS_SERVER_HELLO && hs->tls12 == NULL);
}

static enum enn_status unexpected(struct enn_handshake *hs, uint8_t type)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
				  enn_handshake_type_name(type),
				  "unexpected handshake message %s (%u)",
				  enn_handshake_type_name(type), type);
}

static enum enn_status dispatch(struct enn_handshake *hs, enn_time now, uint8_t type,
				struct enn_bytes body, struct enn_bytes message,
				enum enn_handshake_outcome *outcome)
{
	bool tls12 = hs->c->result.version == ENN_TLS_1_2;

	if (hs->server) {
		return tls12 ? enn_tls12_server_receive(hs, now, type, body, message, outcome)
			     : enn_server_receive(hs, now, type, body, message, outcome);
	}
	return tls12 ? enn_tls12_client_receive(hs, now, type, body, message, outcome)
		     : enn_client_receive(hs, now, type, body, message, outcome);
}

enum enn_status enn_handshake_receive(struct enn_handshake *hs, enn_time now, enum enn_level level,
				      struct enn_bytes message, bool more,
				      enum enn_handshake_outcome *outcome)
{
	uint8_t type = message.len > 0 ? message.data[0] : 0;
	struct enn_reader r = enn_reader_of(message.data, message.len);

	*outcome = ENN_OUTCOME_GO_ON;
	hs->now = now;
	hs->message_number = hs->c->message_in;
	(void)enn_read_bytes(&r, 1);
	struct enn_bytes body = enn_read_vector(&r, 3, 0, 0xffffff);
	if (hs->state == ENN_HS_FAILED || hs->state == ENN_HS_COMPLETE || !enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR,
					  ENN_REASON_PROTOCOL_FAILED, "handshake",
					  "the handshake was fed out of turn");
	}
	enum enn_status status = ENN_OK;
	bool foreign = type == ENN_HS_HELLO_VERIFY_REQUEST && !hs->c->datagram;
	if (foreign || !is_accepted(hs->state, type, level) ||
	    (more && changes_read_keys(hs, type))) {
		status = unexpected(hs, type);
	} else {
		status = dispatch(hs, now, type, body, message, outcome);
	}
	if (status == ENN_OK && more && type == ENN_HS_SERVER_HELLO &&
	    hs->c->result.version != ENN_TLS_1_2) {
		status = unexpected(hs, type);
	}
	if (status != ENN_OK) {
		hs->state = ENN_HS_FAILED;
	}
	return status;
}

/* ---- answers --------------------------------------------------------------------------------------- */

static enum enn_status answer_peer(struct enn_handshake *hs, const struct enn_answer *answer)
{
	if (!answer->accept) {
		return enn_handshake_fail(hs->c, ENN_ALERT_CERTIFICATE_UNKNOWN,
					  ENN_REASON_CERT_REJECTED, "Certificate",
					  "the application refused the peer's certificate");
	}
	hs->c->result.peer_authenticated = true;
	hs->state = hs->resume_at;
	return ENN_OK;
}

static enum enn_status answer_signature(struct enn_handshake *hs, const struct enn_answer *answer,
					enum enn_handshake_outcome *outcome)
{
	struct enn_bytes signature = {answer->data, answer->len};
	bool ask = false;

	if (!answer->accept || answer->len == 0) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR,
					  ENN_REASON_ESTABLISHMENT_FAILED, "CertificateVerify",
					  "the application did not sign");
	}
	if (hs->c->result.version == ENN_TLS_1_2) {
		return hs->server ? enn_tls12_server_signed(hs, signature)
				  : enn_tls12_client_signed(hs, signature);
	}
	ENN_TRY(enn_certificate_verify_send(hs, signature, &ask));
	if (hs->post_secret != NULL) {
		return enn_finished_send(hs, hs->post_secret);
	}
	return hs->server ? enn_server_flight_rest(hs, outcome)
			  : enn_client_flight_rest(hs, outcome);
}

enum enn_status enn_server_hello_again(struct enn_handshake *hs, enn_time now,
				       enum enn_handshake_outcome *outcome)
{
	struct enn_bytes message = {enn_buffer_data(&hs->held), enn_buffer_len(&hs->held)};
	struct enn_reader r = enn_reader_of(message.data, message.len);

	hs->message_number = hs->c->message_in;
	(void)enn_read_bytes(&r, 1);
	struct enn_bytes body = enn_read_vector(&r, 3, 0, 0xffffff);
	return enn_server_client_hello(hs, now, body, message, outcome);
}

static enum enn_status answer_psk(struct enn_handshake *hs, enn_time now,
				  const struct enn_answer *answer,
				  enum enn_handshake_outcome *outcome)
{
	struct enn_bytes key = {answer->data, answer->accept ? answer->len : 0};

	if (key.len > 255 ||
	    enn_hs_copy(hs->env, &hs->answered_psk, &hs->answered_psk_len, key) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.pre_shared_key");
	}
	hs->answered_psk_hash = answer->hash == ENN_PSK_SHA384 ? ENN_HASH_SHA384 : ENN_HASH_SHA256;
	hs->psk_answered = true;
	hs->state = hs->resume_at;
	return enn_server_hello_again(hs, now, outcome);
}

enum enn_status enn_handshake_answer(struct enn_handshake *hs, enn_time now,
				     const struct enn_answer *answer,
				     enum enn_handshake_outcome *outcome)
{
	enum enn_status status = ENN_E_STATE;
	enum enn_hs_state state = hs->state;

	*outcome = ENN_OUTCOME_GO_ON;
	hs->now = now;
	switch (answer->type) {
	case ENN_ANSWER_PEER:
		if (state == ENN_HS_CLIENT_AWAIT_VERDICT || state == ENN_HS_SERVER_AWAIT_VERDICT) {
			status = answer_peer(hs, answer);
		}
		break;
	case ENN_ANSWER_PSK:
		if (state == ENN_HS_SERVER_AWAIT_PSK) {
			status = answer_psk(hs, now, answer, outcome);
		} else if (state == ENN_HS_SERVER12_AWAIT_PSK) {
			struct enn_bytes key = {answer->data, answer->accept ? answer->len : 0};
			status = enn_tls12_psk_answered(hs, key);
		}
		break;
	case ENN_ANSWER_STORE:
		if (state == ENN_HS_SERVER_AWAIT_STORE) {
			status = enn_store_answer(hs, now, answer, outcome);
		}
		break;
	case ENN_ANSWER_CREDENTIAL:
		if (state == ENN_HS_SERVER_AWAIT_CREDENTIAL) {
			status = enn_server_name_answer(hs, now, answer, outcome);
		}
		break;
	case ENN_ANSWER_SIGNATURE:
		if (state == ENN_HS_CLIENT_AWAIT_SIGNATURE ||
		    state == ENN_HS_SERVER_AWAIT_SIGNATURE) {
			status = answer_signature(hs, answer, outcome);
		}
		break;
	default:
		return ENN_E_ARGUMENT;
	}
	if (status == ENN_E_FAILED) {
		hs->state = ENN_HS_FAILED;
	}
	return status;
}

struct enn_bytes enn_handshake_question(const struct enn_handshake *hs, uint16_t *scheme)
{
	*scheme = hs->own_scheme;
	return hs->question;
}

struct enn_credential *enn_handshake_signer(const struct enn_handshake *hs)
{
	return hs->own;
}

struct enn_bytes enn_handshake_question_alpn(const struct enn_handshake *hs)
{
	return hs->question_alpn;
}

bool enn_handshake_parked(const struct enn_handshake *hs)
{
	switch (hs->state) {
	case ENN_HS_CLIENT_AWAIT_VERDICT:
	case ENN_HS_CLIENT_AWAIT_SIGNATURE:
	case ENN_HS_SERVER_AWAIT_CREDENTIAL:
	case ENN_HS_SERVER_AWAIT_PSK:
	case ENN_HS_SERVER_AWAIT_STORE:
	case ENN_HS_SERVER_AWAIT_SIGNATURE:
	case ENN_HS_SERVER_AWAIT_VERDICT:
	case ENN_HS_SERVER12_AWAIT_PSK:
		return true;
	default:
		return false;
	}
}

bool enn_handshake_may_send_early(const struct enn_handshake *hs)
{
	return !hs->server && hs->c->result.early_data == ENN_EARLY_DATA_OFFERED;
}

enum enn_early_skip enn_handshake_early_skip(const struct enn_handshake *hs)
{
	return hs->early_skip;
}

bool enn_handshake_may_send_half_rtt(const struct enn_handshake *hs)
{
	return hs->half_rtt;
}

const uint8_t *enn_handshake_early_exporter(const struct enn_handshake *hs,
					    const struct enn_tls_suite **suite)
{
	bool have = hs->server ? hs->c->result.early_data == ENN_EARLY_DATA_ACCEPTED
			       : hs->offered_early;
	if (!have) {
		return NULL;
	}
	*suite = hs->server ? hs->c->result.suite : enn_tls_suite_by_code(hs->session_view.suite);
	return hs->early_exporter;
}

bool enn_handshake_changed_alpn(const struct enn_handshake *hs)
{
	struct enn_bytes now = {hs->c->result.alpn, hs->c->result.alpn_len};
	return hs->offered_early && !enn_bytes_equal(now, hs->session_view.alpn);
}

bool enn_handshake_is_first_flight(const struct enn_handshake *hs)
{
	return hs->state == ENN_HS_SERVER_EXPECT_CLIENT_HELLO ||
	       hs->state == ENN_HS_CLIENT_EXPECT_SERVER_HELLO;
}

/* ---- life --------------------------------------------------------------------------------------------- */

static enum enn_status check_client(const struct enn_security *security,
				    const struct enn_engine_options *options,
				    struct enn_error *error)
{
	bool verify = enn_security_flag(security, ENN_SECURITY_VERIFY_PEER) &&
		      enn_security_flag(security, ENN_SECURITY_CHECK_NAME) &&
		      enn_security_takes_certificates(security) && /* a raw key has no name */
		      !enn_security_flag(security, ENN_SECURITY_DELEGATE_PEER);
	const char *name = options->server_name;

	if (name != NULL && (name[0] == '\0' || strlen(name) > 253)) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "server_name",
				     "the server name must have 1 to 253 characters");
	}
	if (verify && name == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "server_name",
				     "a server name is needed to check the server's certificate");
	}
	return ENN_OK;
}

static enum enn_status check_server(const struct enn_security *security, struct enn_error *error)
{
	if (security->credential_count == 0 && !security->ask_psk && !security->ask_credential) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "credential", "a server needs a certificate or a PSK");
	}
	return ENN_OK;
}

enum enn_status enn_handshake_new(struct enn_handshake_carrier *carrier, bool server,
				  const struct enn_engine_options *options,
				  struct enn_handshake **out, struct enn_error *error)
{
	const struct enn_env *env = carrier->env;
	struct enn_handshake *hs;

	*out = NULL;
	ENN_TRY(server ? check_server(carrier->security, error)
		       : check_client(carrier->security, options, error));
	hs = enn_alloc(env, sizeof(*hs));
	if (hs == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "handshake",
				     "out of memory");
	}
	hs->c = carrier;
	hs->env = env;
	hs->security = carrier->security;
	hs->server = server;
	hs->state = server ? ENN_HS_SERVER_EXPECT_CLIENT_HELLO : ENN_HS_CLIENT_START;
	carrier->result.server = server;
	enn_hs_transcript_start(hs);
	if (options != NULL) {
		enn_cookie_bind(hs, &options->path);
	}
	if (!server && options->server_name != NULL) {
		struct enn_bytes name = {(const uint8_t *)options->server_name,
					 strlen(options->server_name)};
		if (enn_hs_copy_name(env, &carrier->result.server_name, name) != ENN_OK) {
			goto no_memory;
		}
	}
	if (!server && options->session_len > 0) {
		struct enn_bytes session = {options->session, options->session_len};
		if (enn_hs_copy(env, &hs->session, &hs->session_len, session) != ENN_OK) {
			goto no_memory;
		}
	}
	*out = hs;
	return ENN_OK;
no_memory:
	enn_handshake_free(hs);
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "handshake",
			     "out of memory");
}

void enn_handshake_free(struct enn_handshake *hs)
{
	if (hs == NULL) {
		return;
	}
	enn_client_hello_drop_shares(hs);
	enn_free(hs->env, hs->cookie, hs->cookie_len);
	enn_free_secret(hs->env, hs->session, hs->session_len);
	enn_free_secret(hs->env, hs->answered_psk, hs->answered_psk_len);
	enn_buffer_clear(&hs->held, hs->env);
	enn_credential_free(hs->given);
	enn_peer_chain_free(hs->peer);
	enn_ech_free(hs);
	enn_store_free(hs);
	enn_tls12_free(hs);
	enn_free_secret(hs->env, hs, sizeof(*hs));
}

enum enn_status enn_handshake_start(struct enn_handshake *hs, enn_time now,
				    enum enn_handshake_outcome *outcome)
{
	*outcome = ENN_OUTCOME_GO_ON;
	if (hs->server) {
		return ENN_OK;
	}
	enum enn_status status = enn_client_hello_prepare(hs, now);
	if (status == ENN_OK) {
		status = enn_client_hello_send(hs, now);
	}
	if (status != ENN_OK) {
		hs->state = ENN_HS_FAILED;
	}
	return status;
}
