/* SPDX-License-Identifier: Apache-2.0
 *
 * Congestion marks on inner packets.
 */
#include "protocols/wireguard/inner.h"

/* RFC 1624: HC' = ~(~HC + ~m + m'). */
static uint16_t updated_checksum(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~checksum;

	sum += (uint16_t)~before;
	sum += after;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void mark_ipv4(uint8_t *packet)
{
	struct enn_reader r = enn_reader_of(packet, 20);
	struct enn_writer w = enn_writer_of(packet, 20);
	uint16_t before = enn_read_u16(&r);
	uint16_t after = before | ENN_ECN_CE;

	(void)enn_read_bytes(&r, 8);
	uint16_t checksum = enn_read_u16(&r);
	enn_write_u16(&w, after);
	(void)enn_write_space(&w, 8);
	enn_write_u16(&w, updated_checksum(checksum, before, after));
}

void enn_inner_mark_congestion(uint8_t *packet, const struct enn_inner *inner)
{
	if (inner->ecn == 0 || inner->ecn == ENN_ECN_CE) {
		return; /* not capable, or told already */
	}
	if (inner->family == ENN_FAMILY_IPV4) {
		mark_ipv4(packet);
		return;
	}
	struct enn_reader r = enn_reader_of(packet, 2);
	struct enn_writer w = enn_writer_of(packet, 2);
	enn_write_u16(&w, enn_read_u16(&r) | (ENN_ECN_CE << 4));
}
