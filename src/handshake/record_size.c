/* SPDX-License-Identifier: Apache-2.0
 *
 * How long records may be: record_size_limit (RFC 8449), which each side says for itself, and
 * max_fragment_length (RFC 6066 §4), which a client asks for and which holds for both. A server answers one of
 * the two, in EncryptedExtensions (TLS 1.3) or ServerHello (TLS 1.2); the record layer keeps the result.
 *
 *   record_size_limit:    u16, 64 to 2^14 (TLS 1.2) or 2^14+1 (TLS 1.3, content type and padding included)
 *   max_fragment_length:  u8, 1 to 4: 2^9 to 2^12
 */
#include "handshake/internal.h"

#define SMALLEST_LIMIT 64u
#define MAX_PLAINTEXT  16384u

static uint64_t own_limit(const struct enn_handshake *hs)
{
	return hs->security->value[ENN_SECURITY_RECORD_SIZE_LIMIT];
}

static uint64_t own_fragment(const struct enn_handshake *hs)
{
	return hs->security->value[ENN_SECURITY_MAX_FRAGMENT_LENGTH];
}

/* Of a protected record, as RFC 8449 §4 counts. */
static uint16_t longest_plaintext(uint16_t version)
{
	return version == ENN_TLS_1_2 ? MAX_PLAINTEXT : MAX_PLAINTEXT + 1;
}

static uint16_t capped(uint64_t limit, uint16_t version)
{
	uint16_t most = longest_plaintext(version);

	return limit < most ? (uint16_t)limit : most;
}

static uint8_t fragment_code(uint64_t length)
{
	uint8_t code = 1;

	while (code < 4 && (UINT64_C(256) << code) < length) {
		code++;
	}
	return code;
}

static enum enn_status illegal(struct enn_handshake *hs, const char *where, const char *what)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				  where, "%s", what);
}

static enum enn_status malformed(struct enn_handshake *hs, const char *where)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED, where,
				  "an extension about the size of records is malformed");
}

/* ---- reading ---------------------------------------------------------------------------------- */

static enum enn_status read_limit(struct enn_handshake *hs, const struct enn_views *views,
				  const char *where, uint16_t *limit)
{
	struct enn_bytes data = views->data[ENN_VIEW_RECORD_SIZE_LIMIT];
	struct enn_reader r = enn_reader_of(data.data, data.len);

	*limit = enn_read_u16(&r);
	if (!enn_reader_done(&r)) {
		return malformed(hs, where);
	}
	if (*limit < SMALLEST_LIMIT) {
		return illegal(hs, where, "a record_size_limit below 64");
	}
	return ENN_OK;
}

static enum enn_status read_fragment(struct enn_handshake *hs, const struct enn_views *views,
				     const char *where, uint8_t *code)
{
	struct enn_bytes data = views->data[ENN_VIEW_MAX_FRAGMENT_LENGTH];
	struct enn_reader r = enn_reader_of(data.data, data.len);

	*code = enn_read_u8(&r);
	if (!enn_reader_done(&r)) {
		return malformed(hs, where);
	}
	if (*code < 1 || *code > 4) {
		return illegal(hs, where, "a max_fragment_length that does not exist");
	}
	return ENN_OK;
}

static void use_limits(struct enn_handshake *hs, uint16_t peers)
{
	struct enn_handshake_result *result = &hs->c->result;

	result->send_limit = capped(peers, result->version);
	result->receive_limit = capped(own_limit(hs), result->version);
}

/* In TLS 1.3 the length holds for content type and padding too (RFC 8446 §5.4); a peer that counts only the
 * content is borne. */
static void use_fragment(struct enn_handshake *hs, uint8_t code)
{
	struct enn_handshake_result *result = &hs->c->result;
	uint16_t length = (uint16_t)(256u << code);

	result->max_fragment_length = length;
	result->send_limit = length;
	result->receive_limit = (uint16_t)(length + (result->version == ENN_TLS_1_2 ? 0 : 1));
}

/* ---- client ------------------------------------------------------------------------------------- */

void enn_record_size_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_code_list *versions =
		enn_security_list(hs->security, ENN_SECURITY_VERSIONS);

	if (own_limit(hs) != 0) {
		uint16_t best =
			enn_code_list_has(versions, ENN_TLS_1_3) ? ENN_TLS_1_3 : ENN_TLS_1_2;
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_RECORD_SIZE_LIMIT);
		enn_write_u16(w, capped(own_limit(hs), best));
		enn_write_end(w, data, 2);
	}
	if (own_fragment(hs) != 0) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_MAX_FRAGMENT_LENGTH);
		enn_write_u8(w, fragment_code(own_fragment(hs)));
		enn_write_end(w, data, 2);
	}
}

enum enn_status enn_record_size_take(struct enn_handshake *hs, const struct enn_views *views,
				     const char *where)
{
	bool limit = enn_views_have(views, ENN_VIEW_RECORD_SIZE_LIMIT);
	bool fragment = enn_views_have(views, ENN_VIEW_MAX_FRAGMENT_LENGTH);

	if (limit && fragment) { /* RFC 8449 §5 */
		return illegal(hs, where, "both record_size_limit and max_fragment_length");
	}
	if (limit) {
		uint16_t peers = 0;
		ENN_TRY(read_limit(hs, views, where, &peers));
		use_limits(hs, peers);
	}
	if (fragment) {
		uint8_t code = 0;
		ENN_TRY(read_fragment(hs, views, where, &code));
		if (code != fragment_code(own_fragment(hs))) {
			return illegal(hs, where, "a max_fragment_length that was not asked for");
		}
		use_fragment(hs, code);
	}
	return ENN_OK;
}

/* ---- server --------------------------------------------------------------------------------------- */

enum enn_status enn_record_size_choose(struct enn_handshake *hs, const struct enn_views *views)
{
	bool limit = enn_views_have(views, ENN_VIEW_RECORD_SIZE_LIMIT);
	uint16_t peers = 0;
	uint8_t code = 0;

	if (limit) {
		ENN_TRY(read_limit(hs, views, "ClientHello.record_size_limit", &peers));
	}
	/* A wrong value is an error even where it is not the one that is used. */
	if (enn_views_have(views, ENN_VIEW_MAX_FRAGMENT_LENGTH)) {
		ENN_TRY(read_fragment(hs, views, "ClientHello.max_fragment_length", &code));
	}
	if (limit && own_limit(hs) != 0) {
		use_limits(hs, peers);
	} else if (code != 0) {
		use_fragment(hs, code);
	}
	return ENN_OK;
}

void enn_record_size_answer(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_handshake_result *result = &hs->c->result;

	if (result->max_fragment_length != 0) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_MAX_FRAGMENT_LENGTH);
		enn_write_u8(w, fragment_code(result->max_fragment_length));
		enn_write_end(w, data, 2);
	} else if (result->receive_limit != 0) {
		size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_RECORD_SIZE_LIMIT);
		enn_write_u16(w, result->receive_limit);
		enn_write_end(w, data, 2);
	}
}
