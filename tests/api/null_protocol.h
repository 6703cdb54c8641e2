/* SPDX-License-Identifier: Apache-2.0
 *
 * A protocol for tests: the engine contract without any security. It stands in for TLS
 * where a test is about what lies above the engine, and misbehaves to order.
 *
 * Messages on the wire: one byte of type, two of length, the content.
 */
#ifndef TESTS_API_NULL_PROTOCOL_H
#define TESTS_API_NULL_PROTOCOL_H

#include "ennead/protocol.h"

enum null_ask { NULL_ASK_NOTHING, NULL_ASK_TRUST, NULL_ASK_PSK, NULL_ASK_SIGN };

/* What is counted and what is done, for all engines of one row; change it at any time. */
struct null_behaviour {
	bool mute;		  /* server: never answers the hello */
	bool refuse;		  /* server: answers the hello with an alert */
	enum null_ask client_ask; /* before a client is ready */
	enum null_ask server_ask;
	bool tickets;	     /* server: gives a session after the hello */
	bool take_early;     /* server: accepts early data */
	uint64_t fail_after; /* an engine fails when it has received this many messages; 0: never */
	enn_time deadline;   /* of the handshake, after start; 0: none */
	size_t engines;	     /* alive */
	size_t sessions_offered;
	size_t data_messages; /* sealed */
};

struct null_protocol {
	struct enn_protocol row;
	struct null_behaviour b;
	const struct enn_protocol *list[2]; /* for enn_context_set_protocols */
};

/* Makes a row that poses as TLS. */
void null_protocol_init(struct null_protocol *p);

#define NULL_MIN_BATCH	 64
#define NULL_MAX_MESSAGE 16384

#endif
