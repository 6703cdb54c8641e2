/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and checking packets.
 */
#include "packets.h"

#include <string.h>

uint32_t draw(struct draw *d, uint32_t below)
{
	d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((d->state >> 33) % below);
}

void draw_bytes(struct draw *d, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		out[i] = (uint8_t)draw(d, 256);
	}
}

uint16_t packet_sum(const uint8_t *data, size_t len, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void put(uint8_t *at, uint32_t value, size_t len)
{
	for (size_t i = len; i-- > 0; value >>= 8) {
		at[i] = (uint8_t)value;
	}
}

static uint32_t get(const uint8_t *at, size_t len)
{
	uint32_t value = 0;

	for (size_t i = 0; i < len; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

static size_t ip_len(bool v6)
{
	return v6 ? 40 : 20;
}

size_t packet_header_len(const struct packet_shape *s)
{
	return ip_len(s->v6) + (s->udp ? 8u : 20u + s->options);
}

void packet_draw_shape(struct draw *d, struct packet_shape *s)
{
	*s = (struct packet_shape){
		.v6 = draw(d, 2) == 0,
		.udp = draw(d, 3) == 0,
		.dont_fragment = draw(d, 2) == 0,
		.tos = (uint8_t)draw(d, 256),
		.ttl = (uint8_t)(1 + draw(d, 255)),
		.host = (uint8_t)draw(d, 256),
		.id = (uint16_t)draw(d, 65536),
		.port = (uint16_t)draw(d, 65536),
		.sequence = draw(d, 1u << 31) * 2 + 1,
		.acknowledgment = draw(d, 1u << 31),
		.window = (uint16_t)draw(d, 65536),
		.flags = 0x10,
		.options = (uint8_t)(draw(d, 11) * 4),
	};
	s->payload = 1 + draw(d, 1500);
}

/* ~sum of the pseudo-header for a part of l4 bytes; RFC 9293 §3.1, RFC 8200 §8.1. */
static uint16_t pseudo(const uint8_t *packet, bool v6, uint8_t protocol, size_t l4)
{
	uint8_t tail[4] = {0, protocol, (uint8_t)(l4 >> 8), (uint8_t)l4};
	uint16_t addresses = packet_sum(packet + (v6 ? 8 : 12), v6 ? 32 : 8, 0);

	return packet_sum(tail, sizeof(tail), (uint16_t)~addresses);
}

static void make_ip(const struct packet_shape *s, size_t len, uint8_t *out)
{
	if (s->v6) {
		put(out, 6u << 28 | (uint32_t)s->tos << 20 | 0x12345, 4);
		put(out + 4, (uint32_t)(len - 40), 2);
		out[6] = s->udp ? 17 : 6;
		out[7] = s->ttl;
		memset(out + 8, 0x20, 32);
		out[23] = s->host;
		return;
	}
	out[0] = 0x45;
	out[1] = s->tos;
	put(out + 2, (uint32_t)len, 2);
	put(out + 4, s->id, 2);
	put(out + 6, s->dont_fragment ? 0x4000 : 0, 2);
	out[8] = s->ttl;
	out[9] = s->udp ? 17 : 6;
	put(out + 10, 0, 2);
	put(out + 12, 0x0a630000u | s->host, 4);
	put(out + 16, 0x0a630002, 4);
	put(out + 10, packet_sum(out, 20, 0), 2);
}

static void make_l4(const struct packet_shape *s, size_t len, uint8_t *out)
{
	put(out, s->port, 2);
	put(out + 2, 5201, 2);
	if (s->udp) {
		put(out + 4, (uint32_t)len, 2);
		put(out + 6, 0, 2);
		return;
	}
	put(out + 4, s->sequence, 4);
	put(out + 8, s->acknowledgment, 4);
	out[12] = (uint8_t)((20 + s->options) / 4 << 4);
	out[13] = s->flags;
	put(out + 14, s->window, 2);
	put(out + 16, 0, 4);
	memset(out + 20, 1, s->options); /* no operation */
}

static size_t make(const struct packet_shape *s, uint64_t content, uint8_t *out)
{
	struct draw d = {content};
	size_t header = packet_header_len(s);
	size_t len = header + s->payload;

	make_ip(s, len, out);
	make_l4(s, len - ip_len(s->v6), out + ip_len(s->v6));
	draw_bytes(&d, out + header, s->payload);
	return len;
}

size_t packet_make(const struct packet_shape *s, uint64_t content, uint8_t *out)
{
	size_t len = make(s, content, out);
	size_t ip = ip_len(s->v6);
	uint16_t start = (uint16_t)~pseudo(out, s->v6, s->udp ? 17 : 6, len - ip);
	uint16_t sum = packet_sum(out + ip, len - ip, start);

	put(out + ip + (s->udp ? 6 : 16), sum == 0 ? 0xffff : sum, 2);
	return len;
}

size_t packet_make_large(const struct packet_shape *s, uint64_t content, size_t size,
			 struct virtio_net_hdr *header, uint8_t *out)
{
	size_t len = make(s, content, out);
	size_t ip = ip_len(s->v6);
	size_t at = s->udp ? 6 : 16;

	put(out + ip + at, (uint16_t)~pseudo(out, s->v6, s->udp ? 17 : 6, len - ip), 2);
	*header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->udp  ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				    : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)packet_header_len(s),
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)ip,
		.csum_offset = (uint16_t)at,
	};
	return len;
}

bool packet_is_valid(const uint8_t *packet, size_t len)
{
	bool v6 = packet[0] >> 4 == 6;
	size_t ip = ip_len(v6);
	uint8_t protocol = packet[v6 ? 6 : 9];

	if (len < ip + 8 || (v6 ? get(packet + 4, 2) + 40 : get(packet + 2, 2)) != len ||
	    (!v6 && packet_sum(packet, ip, 0) != 0)) {
		return false;
	}
	if (protocol == 17 && get(packet + ip + 4, 2) != len - ip) {
		return false;
	}
	return packet_sum(packet + ip, len - ip,
			  (uint16_t)~pseudo(packet, v6, protocol, len - ip)) == 0;
}

size_t packet_of_run(const struct enn_join_run *run, uint8_t *out)
{
	size_t len = 0;

	for (uint32_t i = 1; i <= run->count; i++) {
		memcpy(out + len, run->iov[i].iov_base, run->iov[i].iov_len);
		len += run->iov[i].iov_len;
	}
	return len;
}
