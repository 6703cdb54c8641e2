/* SPDX-License-Identifier: Apache-2.0
 *
 * The formats of RTP, RTCP and their secure forms, all big endian.
 *
 *   RTP (RFC 3550 §5.1) and SRTP (RFC 3711 §3.1)
 *   +--+-+-+----+-+-------+----------------+
 *   |V2|P|X| CC |M|  PT   |   sequence     |  12 bytes
 *   |              timestamp               |
 *   |                SSRC                  |
 *   +--------------------------------------+
 *   | CSRC, 4 bytes each, CC of them       |  Cryptex: encrypted
 *   +--------------------------------------+
 *   | by profile (16) | length in words    |  if X; Cryptex: 0xC0DE, 0xC2DE instead of 0xBEDE, 0x1000
 *   | elements                             |  Cryptex: encrypted; RFC 6904: some of them are
 *   +--------------------------------------+
 *   | payload                              |  encrypted; AES-GCM: then its tag (16)
 *   +--------------------------------------+
 *   | MKI, if there is one                 |
 *   | tag (10 or 4; none with AES-GCM)     |
 *   +--------------------------------------+
 *
 *   RTCP (RFC 3550 §6.4.1) and SRTCP (RFC 3711 §3.4)
 *   +--+-+-----+--------+------------------+
 *   |V2|P|  RC |   PT   | length in words  |  8 bytes in the clear
 *   |                SSRC                  |
 *   +--------------------------------------+
 *   | the rest of it, and further packets  |  encrypted if E; AES-GCM: then its tag (16)
 *   +--------------------------------------+
 *   |E| SRTCP index (31)                   |
 *   | MKI, if there is one                 |
 *   | tag (10; none with AES-GCM)          |
 *   +--------------------------------------+
 */
#ifndef ENN_SRTP_WIRE_H
#define ENN_SRTP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define RTP_HEADER	 12u
#define RTCP_HEADER	 8u
#define RTP_EXTENSION	 4u /* its own header */
#define SRTCP_INDEX	 4u
#define SRTCP_ENCRYPTED	 UINT32_C(0x80000000)
#define EXTENSION_ONE	 0xbede /* RFC 8285 §4.2 */
#define EXTENSION_TWO	 0x1000 /* RFC 8285 §4.3; the low four bits are the application's */
#define CRYPTEX_ONE	 0xc0de /* RFC 9335 §5.1 */
#define CRYPTEX_TWO	 0xc2de
#define EXTENSION_ID_END 15 /* in the one-byte form */

/* What shares a port (RFC 7983 §7; RFC 5761 §4). */
enum enn_srtp_kind {
	ENN_SRTP_OTHER, /* neither RTP nor RTCP */
	ENN_SRTP_RTP,
	ENN_SRTP_RTCP,
};

/* Where the parts of an RTP packet are. */
struct enn_rtp {
	uint8_t payload_type;
	uint16_t sequence;
	uint32_t ssrc;
	uint8_t csrc_count;
	bool has_extension;
	uint16_t profile;     /* "defined by profile" */
	size_t extension;     /* offset of its elements */
	size_t extension_len; /* bytes of elements */
	size_t payload;	      /* offset */
};

/* One packet of a compound. */
struct enn_rtcp {
	uint8_t count; /* reports, sources or the subtype */
	uint8_t type;
	uint32_t ssrc; /* 0 if there is none */
	struct enn_bytes body;
};

/* One element of a header extension (RFC 8285). */
struct enn_rtp_element {
	uint8_t id;
	struct enn_bytes data;
};

/* codec.c */

/* By the first two bytes. */
enum enn_srtp_kind enn_srtp_classify(struct enn_bytes packet);
/* The header of RTP or SRTP: all that is before the payload. False: it has not that form. */
bool enn_rtp_parse(struct enn_bytes packet, struct enn_rtp *out);
/* The next packet of a compound; false: the end, or not of that form (then r is bad). */
bool enn_rtcp_next(struct enn_reader *r, struct enn_rtcp *out);
/* The part that stays in the clear: whose packet it is. */
bool enn_rtcp_sender(struct enn_bytes packet, uint32_t *ssrc);
/* A whole compound, or a single packet (RFC 5506), of right lengths. */
bool enn_rtcp_whole(struct enn_bytes packet);
/* The next element of an extension with that profile; false: no more. Padding is skipped. What does not have
 * the form ends it. */
bool enn_rtp_element_next(uint16_t profile, struct enn_reader *r, struct enn_rtp_element *out);

#endif
