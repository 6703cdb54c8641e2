/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing WireGuard's messages, and nothing else.
 */
#include "protocols/wireguard/wire.h"

enum enn_wg_type enn_wg_classify(struct enn_bytes message)
{
	static const size_t fixed[] = {
		[ENN_WG_INITIATION] = ENN_WG_INITIATION_LEN,
		[ENN_WG_RESPONSE] = ENN_WG_RESPONSE_LEN,
		[ENN_WG_COOKIE_REPLY] = ENN_WG_COOKIE_REPLY_LEN,
	};
	struct enn_reader r = enn_reader_of(message.data, message.len);
	/* The reserved bytes are zero, so type and they are one number. */
	uint32_t type = enn_read_u32_le(&r);

	if (!enn_reader_ok(&r)) {
		return ENN_WG_NONE;
	}
	switch (type) {
	case ENN_WG_TRANSPORT:
		return message.len >= ENN_WG_TRANSPORT_MIN ? ENN_WG_TRANSPORT : ENN_WG_NONE;
	case ENN_WG_INITIATION:
	case ENN_WG_RESPONSE:
	case ENN_WG_COOKIE_REPLY:
		return message.len == fixed[type] ? (enum enn_wg_type)type : ENN_WG_NONE;
	default:
		return ENN_WG_NONE;
	}
}

/* ---- reading ------------------------------------------------------------------------------- */

static struct enn_reader behind_type(struct enn_bytes message)
{
	struct enn_reader r = enn_reader_of(message.data, message.len);

	(void)enn_read_u32_le(&r);
	return r;
}

void enn_wg_parse_initiation(struct enn_bytes message, struct enn_wg_initiation *out)
{
	struct enn_reader r = behind_type(message);

	out->sender = enn_read_u32_le(&r);
	out->ephemeral = enn_read_bytes(&r, ENN_WG_KEY);
	out->static_key = enn_read_bytes(&r, ENN_WG_KEY + ENN_WG_TAG);
	out->timestamp = enn_read_bytes(&r, ENN_WG_TIMESTAMP + ENN_WG_TAG);
}

void enn_wg_parse_response(struct enn_bytes message, struct enn_wg_response *out)
{
	struct enn_reader r = behind_type(message);

	out->sender = enn_read_u32_le(&r);
	out->receiver = enn_read_u32_le(&r);
	out->ephemeral = enn_read_bytes(&r, ENN_WG_KEY);
	out->nothing = enn_read_bytes(&r, ENN_WG_TAG);
}

void enn_wg_parse_cookie_reply(struct enn_bytes message, struct enn_wg_cookie_reply *out)
{
	struct enn_reader r = behind_type(message);

	out->receiver = enn_read_u32_le(&r);
	out->nonce = enn_read_bytes(&r, ENN_WG_NONCE);
	out->cookie = enn_read_bytes(&r, ENN_WG_COOKIE + ENN_WG_TAG);
}

void enn_wg_parse_transport(struct enn_bytes message, struct enn_wg_transport *out)
{
	struct enn_reader r = behind_type(message);

	out->receiver = enn_read_u32_le(&r);
	out->counter = enn_read_u64_le(&r);
	out->sealed = enn_read_bytes(&r, enn_reader_left(&r));
}

/* ---- writing ------------------------------------------------------------------------------- */

void enn_wg_write_initiation(const struct enn_wg_initiation *m, uint8_t *out)
{
	struct enn_writer w = enn_writer_of(out, ENN_WG_INITIATION_LEN - ENN_WG_MACS);

	enn_write_u32_le(&w, ENN_WG_INITIATION);
	enn_write_u32_le(&w, m->sender);
	enn_write_bytes(&w, m->ephemeral.data, ENN_WG_KEY);
	enn_write_bytes(&w, m->static_key.data, ENN_WG_KEY + ENN_WG_TAG);
	enn_write_bytes(&w, m->timestamp.data, ENN_WG_TIMESTAMP + ENN_WG_TAG);
}

void enn_wg_write_response(const struct enn_wg_response *m, uint8_t *out)
{
	struct enn_writer w = enn_writer_of(out, ENN_WG_RESPONSE_LEN - ENN_WG_MACS);

	enn_write_u32_le(&w, ENN_WG_RESPONSE);
	enn_write_u32_le(&w, m->sender);
	enn_write_u32_le(&w, m->receiver);
	enn_write_bytes(&w, m->ephemeral.data, ENN_WG_KEY);
	enn_write_bytes(&w, m->nothing.data, ENN_WG_TAG);
}

void enn_wg_write_cookie_reply(const struct enn_wg_cookie_reply *m, uint8_t *out)
{
	struct enn_writer w = enn_writer_of(out, ENN_WG_COOKIE_REPLY_LEN);

	enn_write_u32_le(&w, ENN_WG_COOKIE_REPLY);
	enn_write_u32_le(&w, m->receiver);
	enn_write_bytes(&w, m->nonce.data, ENN_WG_NONCE);
	enn_write_bytes(&w, m->cookie.data, ENN_WG_COOKIE + ENN_WG_TAG);
}

void enn_wg_write_transport_header(uint32_t receiver, uint64_t counter, uint8_t *out)
{
	struct enn_writer w = enn_writer_of(out, ENN_WG_TRANSPORT_HEADER);

	enn_write_u32_le(&w, ENN_WG_TRANSPORT);
	enn_write_u32_le(&w, receiver);
	enn_write_u64_le(&w, counter);
}
