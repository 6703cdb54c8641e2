/* SPDX-License-Identifier: Apache-2.0
 *
 * Where things are in IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293) and UDP (RFC 768)
 * headers, for changing them in place.
 */
#ifndef ENN_RUNTIME_IP_FORMAT_H
#define ENN_RUNTIME_IP_FORMAT_H

#include "base/bytes.h"

enum {
	IP4_TOS = 1,
	IP4_LENGTH = 2,
	IP4_ID = 4,
	IP4_FRAGMENT = 6,
	IP4_PROTOCOL = 9,
	IP4_SUM = 10,
	IP4_SOURCE = 12, /* the destination follows */
	IP4_HEADER = 20,

	IP6_LENGTH = 4,
	IP6_NEXT = 6,
	IP6_SOURCE = 8, /* the destination follows */
	IP6_HEADER = 40,

	TCP_SEQUENCE = 4,
	TCP_ACK = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_SUM = 16,
	TCP_URGENT = 18,
	TCP_HEADER = 20,

	UDP_LENGTH = 4,
	UDP_SUM = 6,
	UDP_HEADER = 8,
};

enum { IP4_DONT_FRAGMENT = 0x4000, IP4_IS_FRAGMENT = 0x3fff };

enum {
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_ACK_FLAG = 0x10,
	TCP_CWR = 0x80,
};

static inline void enn_patch_u16(uint8_t *at, size_t value)
{
	struct enn_writer w = enn_writer_of(at, 2);

	enn_write_u16(&w, (uint16_t)value);
}

static inline void enn_patch_u32(uint8_t *at, uint32_t value)
{
	struct enn_writer w = enn_writer_of(at, 4);

	enn_write_u32(&w, value);
}

#endif
