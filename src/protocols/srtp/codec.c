/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading RTP and RTCP. SRTP writes no headers of its own: it changes packets in place.
 */
#include "protocols/srtp/wire.h"

#define VERSION 2

enum enn_srtp_kind enn_srtp_classify(struct enn_bytes packet)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	uint8_t first = enn_read_u8(&r);
	uint8_t type = enn_read_u8(&r);

	if (!enn_reader_ok(&r) || first >> 6 != VERSION) {
		return ENN_SRTP_OTHER;
	}
	/* RFC 5761 §4: RTP with the marker and the types 64 to 95 would look the same, so they are not used. */
	return type >= 192 && type <= 223 ? ENN_SRTP_RTCP : ENN_SRTP_RTP;
}

bool enn_rtp_parse(struct enn_bytes packet, struct enn_rtp *out)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	uint8_t first = enn_read_u8(&r);

	out->payload_type = enn_read_u8(&r) & 0x7f;
	out->sequence = enn_read_u16(&r);
	(void)enn_read_u32(&r);
	out->ssrc = enn_read_u32(&r);
	out->csrc_count = first & 0x0f;
	out->has_extension = (first & 0x10) != 0;
	out->profile = 0;
	out->extension_len = 0;
	(void)enn_read_bytes(&r, (size_t)out->csrc_count * 4);
	if (out->has_extension) {
		out->profile = enn_read_u16(&r);
		out->extension_len = (size_t)enn_read_u16(&r) * 4;
	}
	out->extension = (size_t)(r.pos - packet.data);
	(void)enn_read_bytes(&r, out->extension_len);
	out->payload = (size_t)(r.pos - packet.data);
	return enn_reader_ok(&r) && first >> 6 == VERSION;
}

bool enn_rtcp_next(struct enn_reader *r, struct enn_rtcp *out)
{
	if (enn_reader_left(r) == 0) {
		return false;
	}
	uint8_t first = enn_read_u8(r);
	out->count = first & 0x1f;
	out->type = enn_read_u8(r);
	size_t words = enn_read_u16(r);
	out->body = enn_read_bytes(r, words * 4);
	if (first >> 6 != VERSION) {
		r->bad = true;
	}
	struct enn_reader body = enn_reader_of(out->body.data, out->body.len);
	out->ssrc = out->body.len >= 4 ? enn_read_u32(&body) : 0;
	return enn_reader_ok(r);
}

bool enn_rtcp_sender(struct enn_bytes packet, uint32_t *ssrc)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	uint32_t first = enn_read_u32(&r);

	*ssrc = enn_read_u32(&r);
	return enn_reader_ok(&r) && first >> 30 == VERSION;
}

bool enn_rtcp_whole(struct enn_bytes packet)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	struct enn_rtcp part;
	size_t count = 0;

	while (enn_rtcp_next(&r, &part)) {
		count++;
	}
	return enn_reader_done(&r) && count > 0;
}

/* RFC 8285 §4.2: id (4) | length - 1 (4). */
static bool next_one(struct enn_reader *r, struct enn_rtp_element *out)
{
	uint8_t head = enn_read_u8(r);

	out->id = head >> 4;
	if (out->id == 0) { /* padding, whatever its length says */
		out->data = (struct enn_bytes){r->pos, 0};
		return enn_reader_ok(r);
	}
	if (out->id == EXTENSION_ID_END) { /* the rest is not looked at */
		r->pos = r->end;
		return false;
	}
	out->data = enn_read_bytes(r, (head & 0x0fu) + 1u);
	return enn_reader_ok(r);
}

/* RFC 8285 §4.3: id (8) | length (8). */
static bool next_two(struct enn_reader *r, struct enn_rtp_element *out)
{
	out->id = enn_read_u8(r);
	if (out->id == 0) {
		out->data = (struct enn_bytes){r->pos, 0};
		return enn_reader_ok(r);
	}
	out->data = enn_read_vector(r, 1, 0, 255);
	return enn_reader_ok(r);
}

bool enn_rtp_element_next(uint16_t profile, struct enn_reader *r, struct enn_rtp_element *out)
{
	bool one = profile == EXTENSION_ONE;

	if (!one && (profile & 0xfff0) != EXTENSION_TWO) {
		return false;
	}
	while (enn_reader_left(r) > 0) {
		if (!(one ? next_one(r, out) : next_two(r, out))) {
			return false;
		}
		if (out->id != 0) {
			return true;
		}
	}
	return false;
}
