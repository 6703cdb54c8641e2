/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's cookie in a HelloRetryRequest (RFC 8446 §4.2.2): with it, and the second ClientHello that brings
 * it back, the handshake goes on, if need be in another process that never saw the first one.
 *
 *   state: u16 suite   u16 group asked for, or 0   <32..48> Hash(ClientHello1)
 *          32 SHA-256 over what the second hello must repeat: random, session id, server name
 */
#include "features/cookie.h"

#include "handshake/internal.h"

#define DIGEST 32

static enum enn_status refuse(struct enn_handshake *hs, enum enn_alert alert, const char *what)
{
	return enn_handshake_fail(hs->c, alert, ENN_REASON_PROTOCOL_FAILED, "ClientHello.cookie",
				  "%s", what);
}

void enn_cookie_bind(struct enn_handshake *hs, const struct enn_path *path)
{
	const struct enn_address *remote = &path->remote;
	struct enn_writer w = enn_writer_of(hs->address, sizeof(hs->address));

	if (remote->family != ENN_FAMILY_NONE) {
		enn_write_u8(&w, remote->family);
		enn_write_bytes(&w, remote->ip, sizeof(remote->ip));
		enn_write_u16(&w, remote->port);
		hs->address_len = (uint8_t)enn_writer_len(&w);
	}
}

bool enn_cookie_wanted(const struct enn_handshake *hs)
{
	/* The context of an encrypted hello (RFC 9849 §7.1.1) is not in the cookie. */
	bool wanted = hs->c->want_cookie ||
		      enn_security_flag(hs->security, ENN_SECURITY_HELLO_RETRY_COOKIE);

	return wanted && !hs->c->result.hello_retry && enn_ech_state(hs) != ENN_ECH_ACCEPTED;
}

static void digest_constants(const struct enn_client_hello *ch, uint8_t out[DIGEST])
{
	struct enn_hash hash;
	uint8_t len = (uint8_t)ch->session_id.len;

	enn_hash_init(&hash, enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_update(&hash, ch->random.data, ch->random.len);
	enn_hash_update(&hash, &len, 1);
	enn_hash_update(&hash, ch->session_id.data, ch->session_id.len);
	enn_hash_update(&hash, ch->server_name.data, ch->server_name.len);
	enn_hash_final(&hash, out);
}

enum enn_status enn_cookie_make(struct enn_handshake *hs, const struct enn_client_hello *ch,
				uint16_t suite, uint16_t group)
{
	uint8_t state[4 + 1 + ENN_MAX_HASH + DIGEST];
	uint8_t hello[ENN_MAX_HASH];
	uint8_t constants[DIGEST];
	struct enn_writer w = enn_writer_of(state, sizeof(state));
	struct enn_bytes address = {hs->address, hs->address_len};
	uint64_t lifetime = hs->security->value[ENN_SECURITY_TICKET_LIFETIME];
	uint8_t cookie[ENN_COOKIE_OVERHEAD + sizeof(hs->address) + sizeof(state)];
	size_t len = 0;

	enn_hs_transcript_hash(hs, hello);
	digest_constants(ch, constants);
	enn_write_u16(&w, suite);
	enn_write_u16(&w, group);
	enn_write_vector(&w, 1, hello, hs->hash->len);
	enn_write_bytes(&w, constants, sizeof(constants));
	struct enn_bytes bytes = {state, enn_writer_len(&w)};
	enum enn_status status =
		enn_cookie_seal(hs->security->tickets, hs->env, enn_hs_wall(hs->env, hs->now),
				(int64_t)lifetime * (int64_t)ENN_SECOND, address, bytes, cookie,
				sizeof(cookie), &len);
	if (status == ENN_OK) {
		struct enn_bytes made = {cookie, len};
		status = enn_hs_copy(hs->env, &hs->cookie, &hs->cookie_len, made);
	}
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "HelloRetryRequest.cookie");
	}
	return status == ENN_OK
		       ? ENN_OK
		       : enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM,
					    "HelloRetryRequest.cookie", "sealing a cookie failed");
}

void enn_cookie_write(struct enn_handshake *hs, struct enn_writer *w)
{
	if (hs->cookie_len > 0) {
		enn_write_u16(w, ENN_EXT_COOKIE);
		size_t data = enn_write_begin(w, 2);
		enn_write_vector(w, 2, hs->cookie, hs->cookie_len);
		enn_write_end(w, data, 2);
	}
}

enum enn_status enn_cookie_check(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_bytes sent = {hs->cookie, hs->cookie_len};

	if (sent.len == 0) {
		return ch->has & ENN_HAS_COOKIE ? refuse(hs, ENN_ALERT_UNSUPPORTED_EXTENSION,
							 "a cookie that was never given")
						: ENN_OK;
	}
	if (!(ch->has & ENN_HAS_COOKIE)) {
		return refuse(hs, ENN_ALERT_MISSING_EXTENSION,
			      "the second ClientHello lacks the cookie");
	}
	return enn_bytes_equal(ch->cookie, sent)
		       ? ENN_OK
		       : refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER, "the cookie is another one");
}

/* What the state says, if it fits this hello. */
static bool take_state(struct enn_handshake *hs, const struct enn_client_hello *ch,
		       struct enn_bytes state)
{
	struct enn_reader r = enn_reader_of(state.data, state.len);
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(enn_read_u16(&r));
	uint16_t group = enn_read_u16(&r);
	struct enn_bytes hello = enn_read_vector(&r, 1, 0, ENN_MAX_HASH);
	struct enn_bytes digest = enn_read_bytes(&r, DIGEST);
	uint8_t constants[DIGEST];
	uint8_t header[ENN_HS_HEADER] = {ENN_HS_MESSAGE_HASH, 0, 0, (uint8_t)hello.len};

	if (!enn_reader_done(&r) || suite == NULL || hello.len != enn_hash_alg(suite->hash)->len) {
		return false;
	}
	digest_constants(ch, constants);
	if (memcmp(digest.data, constants, DIGEST) != 0) {
		return false;
	}
	hs->c->result.suite = suite;
	hs->c->result.hello_retry = true;
	hs->retry_group = group;
	/* §4.4.1: the first hello counts as its hash. */
	enn_hs_transcript_choose(hs, enn_hash_alg(suite->hash));
	enn_hs_transcript_add(hs, header, sizeof(header));
	enn_hs_transcript_add(hs, hello.data, hello.len);
	return true;
}

enum enn_status enn_cookie_continue(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_bytes address = {hs->address, hs->address_len};
	uint8_t *room = enn_alloc(hs->env, ch->cookie.len);
	struct enn_bytes state;

	if (room == NULL ||
	    enn_hs_copy(hs->env, &hs->cookie, &hs->cookie_len, ch->cookie) != ENN_OK) {
		enn_free(hs->env, room, ch->cookie.len);
		return enn_handshake_no_memory(hs->c, "ClientHello.cookie");
	}
	enum enn_status status =
		enn_cookie_open(hs->security->tickets, hs->env, enn_hs_wall(hs->env, hs->now),
				address, ch->cookie, room, &state);
	bool fits = status == ENN_OK && take_state(hs, ch, state);
	enn_free_secret(hs->env, room, ch->cookie.len);
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "ClientHello.cookie");
	}
	return fits ? ENN_OK
		    : refuse(hs, ENN_ALERT_ILLEGAL_PARAMETER,
			     status == ENN_E_STALE ? "the cookie is too old"
			     : status == ENN_OK	   ? "the cookie is for another ClientHello"
						   : "the cookie is not one of ours");
}
