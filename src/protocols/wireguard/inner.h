/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tunnel looks at in the IP packets that it carries: where from, where to, how
 * long, and the two ECN bits.
 */
#ifndef ENN_WIREGUARD_INNER_H
#define ENN_WIREGUARD_INNER_H

#include "base/bytes.h"
#include "ennead/engine.h"

#define ENN_ECN_MASK 3u
#define ENN_ECN_CE   3u

struct enn_inner {
	enum enn_family family;
	struct enn_bytes source;
	struct enn_bytes destination;
	size_t len; /* of the packet without what follows it */
	uint8_t ecn;
};

/* False: not a whole IPv4 or IPv6 packet. */
static inline bool enn_inner_parse(struct enn_bytes packet, struct enn_inner *out)
{
	struct enn_reader r = enn_reader_of(packet.data, packet.len);
	uint8_t first = enn_read_u8(&r);
	uint8_t second = enn_read_u8(&r);

	if (first >> 4 == 4) { /* RFC 791 §3.1 */
		out->family = ENN_FAMILY_IPV4;
		out->ecn = second & ENN_ECN_MASK;
		out->len = enn_read_u16(&r);
		(void)enn_read_bytes(&r, 8);
		out->source = enn_read_bytes(&r, 4);
		out->destination = enn_read_bytes(&r, 4);
		return enn_reader_ok(&r) && out->len >= 20 && out->len <= packet.len;
	}
	if (first >> 4 == 6) { /* RFC 8200 §3 */
		out->family = ENN_FAMILY_IPV6;
		out->ecn = (second >> 4) & ENN_ECN_MASK;
		(void)enn_read_u16(&r);
		out->len = 40 + (size_t)enn_read_u16(&r);
		(void)enn_read_u16(&r);
		out->source = enn_read_bytes(&r, 16);
		out->destination = enn_read_bytes(&r, 16);
		return enn_reader_ok(&r) && out->len <= packet.len;
	}
	return false;
}

/* RFC 6040 §4.2: congestion met on the outside is told inside, if the inner transport can be told.
 * The packet parses. */
void enn_inner_mark_congestion(uint8_t *packet, const struct enn_inner *inner);

#endif
