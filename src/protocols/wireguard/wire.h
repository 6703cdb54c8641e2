/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard's messages (WP §5.4). Integers are little endian; every message
 * begins with its type and three zero bytes.
 *
 *   initiation, 148 bytes                      response, 92 bytes
 *   +--------+--------+                        +--------+--------+--------+
 *   | type 1 | sender |                        | type 2 | sender |receiver|
 *   +--------+--------+--------------+         +--------+--------+--------+-----+
 *   | ephemeral key             (32) |         | ephemeral key           (32)   |
 *   | static key       (32 + 16 tag) |         | nothing            (0 + 16 tag)|
 *   | timestamp        (12 + 16 tag) |         | mac1 (16)     | mac2 (16)      |
 *   | mac1 (16)     | mac2 (16)      |         +---------------+----------------+
 *   +---------------+----------------+
 *
 *   cookie reply, 64 bytes                     transport data, 32 bytes or more
 *   +--------+--------+                        +--------+--------+-----------+
 *   | type 3 |receiver|                        | type 4 |receiver|counter (8)|
 *   +--------+--------+--------------+         +--------+--------+-----------+----+
 *   | nonce                     (24) |         | IP packet, zeros to a multiple   |
 *   | cookie           (16 + 16 tag) |         | of 16           (16 n + 16 tag)  |
 *   +--------------------------------+         +----------------------------------+
 */
#ifndef ENN_WIREGUARD_WIRE_H
#define ENN_WIREGUARD_WIRE_H

#include <stdint.h>

#include "base/bytes.h"

enum enn_wg_type {
	ENN_WG_NONE = 0, /* not a message of this protocol */
	ENN_WG_INITIATION = 1,
	ENN_WG_RESPONSE = 2,
	ENN_WG_COOKIE_REPLY = 3,
	ENN_WG_TRANSPORT = 4,
};

#define ENN_WG_KEY	 32
#define ENN_WG_HASH	 32
#define ENN_WG_TAG	 16
#define ENN_WG_MAC	 16
#define ENN_WG_COOKIE	 16
#define ENN_WG_TIMESTAMP 12 /* TAI64N */
#define ENN_WG_NONCE	 24 /* of a cookie reply */

#define ENN_WG_INITIATION_LEN	148
#define ENN_WG_RESPONSE_LEN	92
#define ENN_WG_COOKIE_REPLY_LEN 64
#define ENN_WG_TRANSPORT_HEADER 16
#define ENN_WG_TRANSPORT_MIN	32
/* mac1 and mac2 end both handshake messages. */
#define ENN_WG_MACS (2 * ENN_WG_MAC)

/* Views into the message. */
struct enn_wg_initiation {
	uint32_t sender;
	struct enn_bytes ephemeral;
	struct enn_bytes static_key;
	struct enn_bytes timestamp;
};

struct enn_wg_response {
	uint32_t sender;
	uint32_t receiver;
	struct enn_bytes ephemeral;
	struct enn_bytes nothing;
};

struct enn_wg_cookie_reply {
	uint32_t receiver;
	struct enn_bytes nonce;
	struct enn_bytes cookie;
};

struct enn_wg_transport {
	uint32_t receiver;
	uint64_t counter;
	struct enn_bytes sealed;
};

/* codec.c. The type by the first bytes and the length; the parsers below expect a message of that
 * type and cannot fail on it. */
enum enn_wg_type enn_wg_classify(struct enn_bytes message);
void enn_wg_parse_initiation(struct enn_bytes message, struct enn_wg_initiation *out);
void enn_wg_parse_response(struct enn_bytes message, struct enn_wg_response *out);
void enn_wg_parse_cookie_reply(struct enn_bytes message, struct enn_wg_cookie_reply *out);
void enn_wg_parse_transport(struct enn_bytes message, struct enn_wg_transport *out);
/* out has the length of the message; the MACs are left for enn_wg_add_macs. */
void enn_wg_write_initiation(const struct enn_wg_initiation *m, uint8_t *out);
void enn_wg_write_response(const struct enn_wg_response *m, uint8_t *out);
void enn_wg_write_cookie_reply(const struct enn_wg_cookie_reply *m, uint8_t *out);
void enn_wg_write_transport_header(uint32_t receiver, uint64_t counter, uint8_t *out);

#endif
