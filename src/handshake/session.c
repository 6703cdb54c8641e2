/* SPDX-License-Identifier: Apache-2.0
 *
 *   u8  format = 2      u16 version      u16 suite      u64 issued (UNIX ns)
 *   u32 lifetime        u32 age_add      u32 max_early_data
 *   u8  flags           u8[32] rules
 *   <1..255> psk     <0..255> server_name   <0..255> alpn
 *   <0..2^16-1> ticket  <0..2^16-1> peer
 */
#include "handshake/session.h"

#include "crypto/alg.h"
#include "handshake/wire.h"

#define SESSION_FORMAT			2
#define SESSION_FLAG_PEER_AUTHENTICATED 1u
#define SESSION_FLAG_PEER_RAW_KEY	2u
#define SESSION_FLAG_EXTENDED_SECRET	4u
#define SESSION_FLAG_BY_ID		8u
#define SESSION_FLAG_DATAGRAM		16u

#define MAIN_SECRET 48 /* of TLS 1.2 */

size_t enn_session_size(const struct enn_session *s)
{
	return 33 + s->rules.len + s->psk.len + s->server_name.len + s->alpn.len + s->ticket.len +
	       s->peer.len;
}

size_t enn_session_encode(const struct enn_session *s, uint8_t *out, size_t cap)
{
	struct enn_writer w = enn_writer_of(out, cap);

	enn_write_u8(&w, SESSION_FORMAT);
	enn_write_u16(&w, s->version);
	enn_write_u16(&w, s->suite);
	enn_write_u64(&w, (uint64_t)s->issued);
	enn_write_u32(&w, s->lifetime);
	enn_write_u32(&w, s->age_add);
	enn_write_u32(&w, s->max_early_data);
	enn_write_u8(&w, (uint8_t)((s->peer_authenticated ? SESSION_FLAG_PEER_AUTHENTICATED : 0) |
				   (s->peer_raw_key ? SESSION_FLAG_PEER_RAW_KEY : 0) |
				   (s->extended_main_secret ? SESSION_FLAG_EXTENDED_SECRET : 0) |
				   (s->by_id ? SESSION_FLAG_BY_ID : 0) |
				   (s->datagram ? SESSION_FLAG_DATAGRAM : 0)));
	enn_write_bytes(&w, s->rules.data, s->rules.len);
	enn_write_vector(&w, 1, s->psk.data, s->psk.len);
	enn_write_vector(&w, 1, s->server_name.data, s->server_name.len);
	enn_write_vector(&w, 1, s->alpn.data, s->alpn.len);
	enn_write_vector(&w, 2, s->ticket.data, s->ticket.len);
	enn_write_vector(&w, 2, s->peer.data, s->peer.len);
	return enn_writer_ok(&w) ? enn_writer_len(&w) : 0;
}

bool enn_session_decode(struct enn_bytes data, struct enn_session *out)
{
	struct enn_reader r = enn_reader_of(data.data, data.len);

	memset(out, 0, sizeof(*out));
	if (enn_read_u8(&r) != SESSION_FORMAT) {
		return false;
	}
	out->version = enn_read_u16(&r);
	out->suite = enn_read_u16(&r);
	out->issued = (int64_t)enn_read_u64(&r);
	out->lifetime = enn_read_u32(&r);
	out->age_add = enn_read_u32(&r);
	out->max_early_data = enn_read_u32(&r);
	uint8_t flags = enn_read_u8(&r);
	out->peer_authenticated = (flags & SESSION_FLAG_PEER_AUTHENTICATED) != 0;
	out->peer_raw_key = (flags & SESSION_FLAG_PEER_RAW_KEY) != 0;
	out->extended_main_secret = (flags & SESSION_FLAG_EXTENDED_SECRET) != 0;
	out->datagram = (flags & SESSION_FLAG_DATAGRAM) != 0;
	out->by_id = (flags & SESSION_FLAG_BY_ID) != 0;
	out->rules = enn_read_bytes(&r, ENN_SECURITY_RULES);
	out->psk = enn_read_vector(&r, 1, 1, 255);
	out->server_name = enn_read_vector(&r, 1, 0, 255);
	out->alpn = enn_read_vector(&r, 1, 0, 255);
	out->ticket = enn_read_vector(&r, 2, 0, UINT16_MAX);
	out->peer = enn_read_vector(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r) || out->lifetime > ENN_HS_MAX_TICKET_LIFETIME) {
		return false;
	}
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(out->suite);
	if (suite == NULL || suite->version != out->version ||
	    (out->by_id &&
	     (out->version != ENN_TLS_1_2 || out->ticket.len > ENN_HS_MAX_SESSION_ID))) {
		return false;
	}
	return out->psk.len ==
	       (out->version == ENN_TLS_1_2 ? MAIN_SECRET : enn_hash_alg(suite->hash)->len);
}
