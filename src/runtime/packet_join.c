/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting TCP segments and UDP packets of one flow together for one write to the
 * interface. Only what gives exactly the same packets when it is cut again is joined, and
 * only packets whose checksum is right.
 */
#include <netinet/in.h>
#include <string.h>

#include "runtime/packet_offload.h"

#define VNET_NEEDS_CSUM 1
#define VNET_GSO_TCPV4	1
#define VNET_GSO_TCPV6	4
#define VNET_GSO_UDP_L4 5

#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define MAX_JOINED 65535u

static uint16_t get16(const uint8_t *packet, size_t at)
{
	struct enn_reader r = enn_reader_of(packet + at, 2);
	return enn_read_u16(&r);
}

static void put16(uint8_t *packet, size_t at, uint16_t value)
{
	struct enn_writer w = enn_writer_of(packet + at, 2);
	enn_write_u16(&w, value);
}

static bool checksum_is_right(const uint8_t *packet, const struct enn_segment *s)
{
	struct enn_bytes all = {packet, s->len};
	size_t part = s->len - s->ip_len;

	if (s->transport == IPPROTO_UDP && get16(packet, s->ip_len + 6) == 0) {
		return false; /* none was computed */
	}
	if (s->version == 4 && enn_sum_fold(enn_sum(packet, s->ip_len, 0)) != 0xffff) {
		return false;
	}
	uint64_t sum = enn_segment_pseudo_sum(all, s, part);
	return enn_sum_fold(enn_sum(packet + s->ip_len, part, sum)) == 0xffff;
}

/* May others follow this one in a join? */
static bool can_lead(const uint8_t *packet, size_t len, const struct enn_segment *s, bool udp)
{
	if (!s->whole || s->len != len || s->len == s->header_len) {
		return false;
	}
	if (s->transport == IPPROTO_UDP) {
		return udp && get16(packet, s->ip_len + 4) == s->len - s->ip_len;
	}
	return (s->flags & (uint8_t)~TCP_PSH) == TCP_ACK;
}

static bool has_df(const uint8_t *packet)
{
	return (get16(packet, 6) & 0x4000) != 0;
}

/* The fields that must be the same; lengths, checksums, sequence and PSH may differ. */
static bool same_ip(const struct enn_join *join, const uint8_t *packet)
{
	const uint8_t *first = join->first;

	if (join->parts.version == 6) {
		return memcmp(first, packet, 4) == 0 && memcmp(first + 6, packet + 6, 34) == 0;
	}
	return memcmp(first, packet, 2) == 0 && memcmp(first + 6, packet + 6, 4) == 0 &&
	       memcmp(first + 12, packet + 12, 8) == 0 &&
	       (has_df(packet) || get16(packet, 4) == join->next_id);
}

static bool same_transport(const struct enn_join *join, const uint8_t *packet,
			   const struct enn_segment *s)
{
	const uint8_t *a = join->first + join->parts.ip_len;
	const uint8_t *b = packet + s->ip_len;
	size_t len = s->header_len - s->ip_len;

	if (memcmp(a, b, 4) != 0) {
		return false; /* ports */
	}
	if (s->transport == IPPROTO_UDP) {
		return true;
	}
	/* acknowledgement and length; window and urgent pointer; options */
	return s->sequence == join->next_sequence && memcmp(a + 8, b + 8, 5) == 0 &&
	       memcmp(a + 14, b + 14, 2) == 0 && memcmp(a + 18, b + 18, len - 18) == 0;
}

static void start(struct enn_join *join, uint8_t *packet, size_t len, bool udp)
{
	join->first = packet;
	join->first_len = len;
	join->count = 1;
	join->iov[1] = (struct iovec){packet, len};
	join->alone = !enn_segment_parse((struct enn_bytes){packet, len}, &join->parts) ||
		      !can_lead(packet, len, &join->parts, udp);
	if (join->alone) {
		return;
	}
	join->size = join->payload = len - join->parts.header_len;
	join->next_sequence = join->parts.sequence + (uint32_t)join->payload;
	join->next_id = join->parts.version == 4 ? (uint16_t)(get16(packet, 4) + 1) : 0;
	join->full = (join->parts.flags & TCP_PSH) != 0;
}

static bool follows(const struct enn_join *join, const uint8_t *packet, size_t len,
		    const struct enn_segment *s, bool udp)
{
	const struct enn_segment *f = &join->parts;
	size_t payload = s->len - s->header_len;

	return s->version == f->version && s->transport == f->transport &&
	       s->header_len == f->header_len && can_lead(packet, len, s, udp) &&
	       payload <= join->size && f->header_len + join->payload + payload <= MAX_JOINED &&
	       same_ip(join, packet) && same_transport(join, packet, s);
}

bool enn_join_add(struct enn_join *join, uint8_t *packet, size_t len, bool udp)
{
	struct enn_segment s;

	if (join->count == 0) {
		start(join, packet, len, udp);
		return true;
	}
	if (join->alone || join->full || join->count == ENN_JOIN_MAX ||
	    !enn_segment_parse((struct enn_bytes){packet, len}, &s) ||
	    !follows(join, packet, len, &s, udp) || !checksum_is_right(packet, &s)) {
		return false;
	}
	if (join->count == 1 && !checksum_is_right(join->first, &join->parts)) {
		join->alone = true;
		return false;
	}
	size_t payload = s.len - s.header_len;
	join->iov[++join->count] = (struct iovec){packet + s.header_len, payload};
	join->payload += payload;
	join->next_sequence += (uint32_t)payload;
	join->next_id++;
	join->full = payload < join->size || (s.flags & TCP_PSH) != 0;
	if ((s.flags & TCP_PSH) != 0) {
		join->parts.flags |= TCP_PSH;
	}
	return true;
}

/* The headers of the whole: the kernel cuts it again if it must go on, or gives it to TCP as it
 * is; so the checksum field holds what a card would need (the pseudo-header's sum). */
static void write_headers(struct enn_join *join)
{
	const struct enn_segment *s = &join->parts;
	uint8_t *packet = join->first;
	size_t len = s->header_len + join->payload;
	size_t field = s->transport == IPPROTO_TCP ? 16 : 6;
	struct enn_writer w = enn_writer_of(join->header, sizeof(join->header));
	uint8_t tcp = s->version == 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;

	if (s->version == 4) {
		put16(packet, 2, (uint16_t)len);
		put16(packet, 10, 0);
		put16(packet, 10, (uint16_t)~enn_sum_fold(enn_sum(packet, s->ip_len, 0)));
	} else {
		put16(packet, 4, (uint16_t)(len - s->ip_len));
	}
	if (s->transport == IPPROTO_TCP) {
		struct enn_writer f = enn_writer_of(packet + s->ip_len + 13, 1);
		enn_write_u8(&f, s->flags);
	} else {
		put16(packet, s->ip_len + 4, (uint16_t)(len - s->ip_len));
	}
	uint64_t sum = enn_segment_pseudo_sum((struct enn_bytes){packet, join->first_len}, s,
					      len - s->ip_len);
	put16(packet, s->ip_len + field, enn_sum_fold(sum));
	enn_write_u8(&w, VNET_NEEDS_CSUM);
	enn_write_u8(&w, s->transport == IPPROTO_TCP ? tcp : VNET_GSO_UDP_L4);
	enn_write_uint_le(&w, s->header_len, 2);
	enn_write_uint_le(&w, join->size, 2);
	enn_write_uint_le(&w, s->ip_len, 2);
	enn_write_uint_le(&w, field, 2);
}

size_t enn_join_take(struct enn_join *join, struct iovec **iov)
{
	size_t pieces = join->count == 0 ? 0 : join->count + 1;

	if (join->count == 1) {
		memset(join->header, 0, sizeof(join->header));
	} else if (join->count > 1) {
		write_headers(join);
	}
	join->iov[0] = (struct iovec){join->header, sizeof(join->header)};
	*iov = join->iov;
	join->count = 0;
	join->full = join->alone = false;
	return pieces;
}
