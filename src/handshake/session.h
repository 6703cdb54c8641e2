/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered between connections, as bytes: the client's session (given
 * to the application with ENN_EVENT_STORE_SESSION) and the server's state inside a ticket.
 */
#ifndef ENN_HANDSHAKE_SESSION_H
#define ENN_HANDSHAKE_SESSION_H

#include <stdbool.h>

#include "base/bytes.h"
#include "features/security.h"
#include "handshake/key_schedule.h"

/* Both ends store the same fields; the views borrow from what was decoded. Times are UNIX
 * nanoseconds. */
struct enn_session {
	uint16_t version;
	uint16_t suite;
	int64_t issued;
	uint32_t lifetime; /* seconds */
	uint32_t age_add;
	uint32_t max_early_data;
	bool datagram; /* of DTLS */
	bool peer_raw_key;
	bool extended_main_secret; /* TLS 1.2 (RFC 7627) */
	bool by_id;		   /* TLS 1.2, client: `ticket` is a session id */
	bool peer_authenticated;   /* client: the server was validated; server: the client was */
	struct enn_bytes rules;	   /* by which it was: enn_security_rules */
	struct enn_bytes psk;	   /* TLS 1.2: the main secret */
	struct enn_bytes server_name;
	struct enn_bytes alpn;
	struct enn_bytes ticket; /* client only */
	struct enn_bytes peer;	 /* server: the client's leaf certificate, if it is to be kept */
};

/* The exact length of the encoding. */
size_t enn_session_size(const struct enn_session *s);
/* The length written, or 0 if it does not fit. */
size_t enn_session_encode(const struct enn_session *s, uint8_t *out, size_t cap);
/* False: not a session of this version of the format. */
bool enn_session_decode(struct enn_bytes data, struct enn_session *out);

#endif
