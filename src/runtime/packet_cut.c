/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing IP with TCP or UDP, and cutting packets that the interface gives in one
 * piece (struct virtio_net_hdr: TSO and USO).
 */
#include <netinet/in.h>
#include <string.h>

#include "runtime/packet_offload.h"

/* struct virtio_net_hdr, in the machine's order. */
#define VNET_NEEDS_CSUM	 1
#define VNET_GSO_NONE	 0
#define VNET_GSO_TCPV4	 1
#define VNET_GSO_TCPV6	 4
#define VNET_GSO_UDP_L4	 5
#define VNET_GSO_ECN	 0x80

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/* Where fields are. */
#define IP4_TOTAL_LENGTH 2
#define IP4_ID		 4
#define IP4_CHECKSUM	 10
#define IP6_PAYLOAD	 4
#define TCP_SEQUENCE	 4
#define TCP_FLAGS	 13
#define TCP_CHECKSUM	 16
#define UDP_LENGTH	 4
#define UDP_CHECKSUM	 6

static void put16(uint8_t *packet, size_t at, uint16_t value)
{
	struct enn_writer w = enn_writer_of(packet + at, 2);
	enn_write_u16(&w, value);
}

/* ---- parsing ---------------------------------------------------------------------------------- */

static bool parse_ip4(struct enn_reader *r, struct enn_segment *out)
{
	uint8_t first = enn_read_u8(r);
	(void)enn_read_u8(r);
	out->version = 4;
	out->ip_len = (size_t)(first & 15) * 4;
	out->len = enn_read_u16(r);
	(void)enn_read_u16(r);
	uint16_t fragment = enn_read_u16(r);
	(void)enn_read_u8(r);
	out->transport = enn_read_u8(r);
	(void)enn_read_bytes(r, 10);
	out->whole = out->ip_len == 20 && (fragment & 0x3fff) == 0;
	if (out->ip_len > 20) {
		(void)enn_read_bytes(r, out->ip_len - 20);
	}
	return out->ip_len >= 20;
}

static bool parse_ip6(struct enn_reader *r, struct enn_segment *out)
{
	(void)enn_read_u32(r);
	out->version = 6;
	out->ip_len = 40;
	out->len = 40 + (size_t)enn_read_u16(r);
	out->transport = enn_read_u8(r);
	(void)enn_read_bytes(r, 33);
	out->whole = true;
	return true;
}

static bool parse_transport(struct enn_reader *r, struct enn_segment *out)
{
	if (out->transport == IPPROTO_UDP) {
		(void)enn_read_bytes(r, 8);
		out->header_len = out->ip_len + 8;
		return enn_reader_ok(r);
	}
	if (out->transport != IPPROTO_TCP) {
		return false;
	}
	(void)enn_read_u32(r);
	out->sequence = enn_read_u32(r);
	(void)enn_read_u32(r);
	size_t tcp_len = (size_t)(enn_read_u8(r) >> 4) * 4;
	out->flags = enn_read_u8(r);
	(void)enn_read_bytes(r, 6);
	out->header_len = out->ip_len + tcp_len;
	return enn_reader_ok(r) && tcp_len >= 20;
}

bool enn_segment_parse(struct enn_bytes packet, struct enn_segment *out)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	struct enn_reader peek = r;
	uint8_t version = enn_read_u8(&peek) >> 4;

	memset(out, 0, sizeof(*out));
	bool good = version == 4 ? parse_ip4(&r, out) : version == 6 && parse_ip6(&r, out);
	return good && parse_transport(&r, out) && out->header_len <= out->len &&
	       out->len <= packet.len;
}

uint64_t enn_segment_pseudo_sum(struct enn_bytes packet, const struct enn_segment *s, size_t len)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	size_t addresses = s->version == 4 ? 8 : 32;

	(void)enn_read_bytes(&r, s->version == 4 ? 12 : 8);
	struct enn_bytes both = enn_read_bytes(&r, addresses);
	return enn_sum(both.data, both.len, s->transport + (uint64_t)(len >> 16) + (len & 0xffff));
}

/* ---- beginning -------------------------------------------------------------------------------- */

struct vnet {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t header_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

static struct vnet read_vnet(struct enn_reader *r)
{
	struct vnet v = {.flags = enn_read_u8(r), .gso_type = enn_read_u8(r)};
	/* Little endian on every machine this is built for (TUNSETVNETLE is its default there). */
	v.header_len = (uint16_t)enn_read_uint_le(r, 2);
	v.gso_size = (uint16_t)enn_read_uint_le(r, 2);
	v.csum_start = (uint16_t)enn_read_uint_le(r, 2);
	v.csum_offset = (uint16_t)enn_read_uint_le(r, 2);
	return v;
}

/* The field holds the pseudo-header's sum: the rest is added, and the result goes there. */
static bool complete_checksum(uint8_t *packet, size_t len, const struct vnet *v)
{
	size_t at = (size_t)v->csum_start + v->csum_offset;

	if (v->csum_start >= len || at + 2 > len) {
		return false;
	}
	uint16_t sum = (uint16_t)~enn_sum_fold(enn_sum(packet + v->csum_start,
						       len - v->csum_start, 0));
	put16(packet, at, sum == 0 ? 0xffff : sum);
	return true;
}

bool enn_cut_begin(struct enn_cut *cut, uint8_t *data, size_t len)
{
	struct enn_reader r = enn_reader_of(data, len);
	struct vnet v = read_vnet(&r);

	memset(cut, 0, sizeof(*cut));
	if (!enn_reader_ok(&r) || len == ENN_VNET_HEADER) {
		return false;
	}
	cut->packet = (struct enn_bytes){data + ENN_VNET_HEADER, len - ENN_VNET_HEADER};
	if (v.gso_type == VNET_GSO_NONE) {
		return (v.flags & VNET_NEEDS_CSUM) == 0 ||
		       complete_checksum(data + ENN_VNET_HEADER, cut->packet.len, &v);
	}
	if (!enn_segment_parse(cut->packet, &cut->parts) || v.gso_size == 0) {
		return false;
	}
	uint8_t kind = v.gso_type & (uint8_t)~VNET_GSO_ECN;
	bool tcp = kind == (cut->parts.version == 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6);
	if (cut->parts.transport == IPPROTO_TCP ? !tcp : kind != VNET_GSO_UDP_L4) {
		return false;
	}
	cut->gso_size = v.gso_size;
	cut->offset = cut->parts.header_len;
	return cut->parts.len == cut->packet.len;
}

/* ---- cutting ---------------------------------------------------------------------------------- */

static void fix_ip(uint8_t *to, const struct enn_segment *s, size_t len, size_t number)
{
	if (s->version == 6) {
		put16(to, IP6_PAYLOAD, (uint16_t)(len - s->ip_len));
		return;
	}
	struct enn_reader r = enn_reader_of(to + IP4_ID, 2);
	put16(to, IP4_ID, (uint16_t)(enn_read_u16(&r) + number));
	put16(to, IP4_TOTAL_LENGTH, (uint16_t)len);
	put16(to, IP4_CHECKSUM, 0);
	put16(to, IP4_CHECKSUM, (uint16_t)~enn_sum_fold(enn_sum(to, s->ip_len, 0)));
}

static void fix_tcp(uint8_t *tcp, const struct enn_cut *cut, bool first, bool last)
{
	struct enn_writer w = enn_writer_of(tcp + TCP_SEQUENCE, 4);
	uint8_t flags = cut->parts.flags;

	enn_write_u32(&w, cut->parts.sequence +
				  (uint32_t)(cut->offset - cut->parts.header_len));
	if (!last) {
		flags &= (uint8_t)~(TCP_FIN | TCP_PSH);
	}
	if (!first) { /* RFC 3168 §6.1.2 */
		flags &= (uint8_t)~TCP_CWR;
	}
	struct enn_writer f = enn_writer_of(tcp + TCP_FLAGS, 1);
	enn_write_u8(&f, flags);
}

size_t enn_cut_next(struct enn_cut *cut, uint8_t *to, size_t cap)
{
	const struct enn_segment *s = &cut->parts;
	size_t left = s->len - cut->offset;
	size_t payload = left < cut->gso_size ? left : cut->gso_size;
	size_t len = s->header_len + payload;
	bool first = cut->offset == s->header_len;
	bool last = payload == left;
	uint8_t *transport = to + s->ip_len;

	if (payload == 0 || len > cap) {
		return 0;
	}
	memcpy(to, cut->packet.data, s->header_len);
	fix_ip(to, s, len, (cut->offset - s->header_len) / cut->gso_size);
	uint64_t sum = enn_segment_pseudo_sum((struct enn_bytes){to, len}, s, len - s->ip_len);
	size_t field = s->transport == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	if (s->transport == IPPROTO_TCP) {
		fix_tcp(transport, cut, first, last);
	} else {
		put16(transport, UDP_LENGTH, (uint16_t)(len - s->ip_len));
	}
	put16(transport, field, 0);
	sum = enn_sum(transport, s->header_len - s->ip_len, sum);
	sum = enn_sum_copy(to + s->header_len, cut->packet.data + cut->offset, payload, sum);
	uint16_t checksum = (uint16_t)~enn_sum_fold(sum);
	put16(transport, field, checksum == 0 ? 0xffff : checksum);
	cut->offset += payload;
	return len;
}
