/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts large packets of a TUN interface. The payload is copied and summed in one pass.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/checksum.h"
#include "runtime/ip_format.h"
#include "runtime/offload.h"

/* ---- reading ------------------------------------------------------------------------- */

/* Length and kind of the IP header must fit what is to be cut. */
static bool read_ip4(const struct enn_cut *cut, uint8_t protocol)
{
	struct enn_reader r = enn_reader_of(cut->packet, cut->len);
	uint8_t first = enn_read_u8(&r);

	(void)enn_read_u8(&r); /* TOS */
	size_t total = enn_read_u16(&r);
	(void)enn_read_u16(&r); /* id */
	unsigned fragment = enn_read_u16(&r);
	(void)enn_read_u8(&r); /* TTL */
	uint8_t inside = enn_read_u8(&r);
	return enn_reader_ok(&r) && first >> 4 == 4 && cut->l4 >= IP4_HEADER &&
	       cut->l4 == (size_t)(first & 15) * 4 && total == cut->len &&
	       (fragment & IP4_IS_FRAGMENT) == 0 && inside == protocol;
}

/* Extension headers may come in between: where TCP or UDP begins is the kernel's word. */
static bool read_ip6(const struct enn_cut *cut)
{
	struct enn_reader r = enn_reader_of(cut->packet, cut->len);
	uint32_t first = enn_read_u32(&r);
	size_t payload = enn_read_u16(&r);

	return enn_reader_ok(&r) && first >> 28 == 6 && cut->l4 >= IP6_HEADER &&
	       payload + IP6_HEADER == cut->len;
}

static bool is_ip4(const struct enn_cut *cut)
{
	return cut->len > 0 && cut->packet[0] >> 4 == 4;
}

/* The TCP or UDP header. */
static bool read_l4(struct enn_cut *cut, uint8_t protocol)
{
	struct enn_reader r = enn_reader_of(cut->packet, cut->len);

	(void)enn_read_bytes(&r, cut->l4);
	if (protocol == IPPROTO_TCP) {
		(void)enn_read_bytes(&r, TCP_OFFSET);
		size_t header = (size_t)(enn_read_u8(&r) >> 4) * 4;
		cut->header = cut->l4 + header;
		cut->sum_at = cut->l4 + TCP_SUM;
		return enn_reader_ok(&r) && header >= TCP_HEADER && cut->header < cut->len;
	}
	(void)enn_read_u32(&r); /* ports */
	size_t total = enn_read_u16(&r);
	cut->header = cut->l4 + UDP_HEADER;
	cut->sum_at = cut->l4 + UDP_SUM;
	return enn_reader_ok(&r) && cut->header < cut->len && total == cut->len - cut->l4;
}

static uint64_t raw(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static enum enn_status begin_pieces(struct enn_cut *cut, const struct virtio_net_hdr *header,
				    uint8_t protocol)
{
	cut->l4 = header->csum_start;
	cut->size = header->gso_size;
	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || cut->size == 0 ||
	    !(is_ip4(cut) ? read_ip4(cut, protocol) : read_ip6(cut)) || !read_l4(cut, protocol) ||
	    cut->sum_at != cut->l4 + header->csum_offset) {
		return ENN_E_PARSE;
	}
	/* The header's checksum field is the sum of the pseudo-header with the length of all; the
	 * length goes out again: a ones' complement is subtracted by adding its inverse. */
	cut->pseudo =
		raw(cut->packet + cut->sum_at) + (uint16_t)~htons((uint16_t)(cut->len - cut->l4));
	return ENN_OK;
}

static enum enn_status begin_whole(struct enn_cut *cut, const struct virtio_net_hdr *header)
{
	cut->size = 0;
	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
		cut->l4 = header->csum_start;
		cut->sum_at = cut->l4 + header->csum_offset;
		if (cut->sum_at < cut->l4 || cut->sum_at + 2 > cut->len || cut->sum_at == 0) {
			return ENN_E_PARSE;
		}
	}
	return ENN_OK;
}

enum enn_status enn_cut_begin(struct enn_cut *cut, const struct virtio_net_hdr *header,
			      const uint8_t *packet, size_t len)
{
	*cut = (struct enn_cut){.packet = packet, .len = len};
	if (len == 0 || len > UINT16_MAX + (size_t)IP6_HEADER) {
		return ENN_E_PARSE;
	}
	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return begin_whole(cut, header);
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return is_ip4(cut) ? begin_pieces(cut, header, IPPROTO_TCP) : ENN_E_PARSE;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return is_ip4(cut) ? ENN_E_PARSE : begin_pieces(cut, header, IPPROTO_TCP);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return begin_pieces(cut, header, IPPROTO_UDP);
	default:
		return ENN_E_PARSE;
	}
}

/* ---- writing ------------------------------------------------------------------------- */

size_t enn_cut_room(const struct enn_cut *cut)
{
	return cut->size == 0 || cut->header + cut->size > cut->len ? cut->len
								    : cut->header + cut->size;
}

static void store_sum(uint8_t *at, uint64_t sum)
{
	uint16_t value = (uint16_t)~enn_checksum_fold(sum);

	/* UDP says "no checksum" with 0; both mean the same (RFC 768), and so they do in TCP */
	enn_checksum_store(at, value == 0 ? UINT16_MAX : value);
}

static size_t next_whole(struct enn_cut *cut, uint8_t *out)
{
	if (cut->done > 0) {
		return 0;
	}
	cut->done = cut->len;
	if (cut->sum_at == 0) {
		memcpy(out, cut->packet, cut->len);
		return cut->len;
	}
	/* the sum of the pseudo-header is in the field, and counted with the rest */
	memcpy(out, cut->packet, cut->l4);
	store_sum(out + cut->sum_at,
		  enn_checksum_copy(out + cut->l4, cut->packet + cut->l4, cut->len - cut->l4, 0));
	return cut->len;
}

static void write_ip(const struct enn_cut *cut, uint8_t *out, size_t len)
{
	if (!is_ip4(cut)) {
		enn_patch_u16(out + IP6_LENGTH, len - IP6_HEADER);
		return;
	}
	struct enn_reader r = enn_reader_of(cut->packet + IP4_ID, 2);
	enn_patch_u16(out + IP4_LENGTH, len);
	enn_patch_u16(out + IP4_ID, (uint16_t)(enn_read_u16(&r) + cut->count));
	enn_patch_u16(out + IP4_SUM, 0);
	enn_checksum_store(out + IP4_SUM,
			   (uint16_t)~enn_checksum_fold(enn_checksum_add(out, cut->l4, 0)));
}

static void write_l4(const struct enn_cut *cut, uint8_t *out, size_t len, bool last)
{
	uint8_t *l4 = out + cut->l4;

	if (cut->sum_at == cut->l4 + UDP_SUM) {
		enn_patch_u16(l4 + UDP_LENGTH, len - cut->l4);
		return;
	}
	struct enn_reader r = enn_reader_of(cut->packet + cut->l4 + TCP_SEQUENCE, 4);
	enn_patch_u32(l4 + TCP_SEQUENCE, enn_read_u32(&r) + (uint32_t)cut->done);
	if (!last) {
		l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	}
	if (cut->count > 0) { /* RFC 3168 §6.1.2: once */
		l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	}
}

size_t enn_cut_next(struct enn_cut *cut, uint8_t *out)
{
	if (cut->size == 0) {
		return next_whole(cut, out);
	}
	size_t left = cut->len - cut->header - cut->done;
	size_t payload = left < cut->size ? left : cut->size;
	size_t len = cut->header + payload;

	if (payload == 0) {
		return 0;
	}
	memcpy(out, cut->packet, cut->header);
	write_ip(cut, out, len);
	write_l4(cut, out, len, payload == left);
	enn_checksum_store(out + cut->sum_at, 0);
	uint64_t sum = enn_checksum_add(out + cut->l4, cut->header - cut->l4,
					cut->pseudo + htons((uint16_t)(len - cut->l4)));
	store_sum(out + cut->sum_at,
		  enn_checksum_copy(out + cut->header, cut->packet + cut->header + cut->done,
				    payload, sum));
	cut->done += payload;
	cut->count++;
	return len;
}
