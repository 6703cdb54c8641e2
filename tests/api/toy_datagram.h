/* SPDX-License-Identifier: Apache-2.0
 *
 * A datagram protocol for tests: the engine and acceptor contracts without any
 * security. It stands in for WireGuard and DTLS where a test is about what lies around the
 * engine, and misbehaves to order.
 *
 * Packets: one byte of type, four that name the connection (the client draws them), the
 * content.
 */
#ifndef TESTS_API_TOY_DATAGRAM_H
#define TESTS_API_TOY_DATAGRAM_H

#include "ennead/protocol.h"

/* What is counted and what is done, for all engines of one row; change it at any time. */
struct toy_behaviour {
	bool mute;	   /* server: never answers the hello */
	bool refuse;	   /* server: answers the hello with an alert */
	bool retry;	   /* server: asks for a cookie first, without keeping anything */
	bool hold_output;  /* transmit has nothing: as if it waited for the network */
	uint64_t lose;	   /* each so-manyth data packet is lost on arrival; 0: none */
	enn_time hello;	   /* between two hellos; 0: 20 ms */
	enn_time deadline; /* of the handshake, after start; 0: none */
	size_t max_message;
	uint8_t ecn; /* of data packets that are sent */
	/* counted */
	size_t engines; /* alive */
	size_t acceptors;
	size_t hellos;	 /* sent */
	size_t replies;	 /* stateless ones */
	size_t messages; /* sealed */
	size_t batches;	 /* with data */
	size_t ecn_seen; /* data packets that came with other than 0 */
};

struct toy_engine;

struct toy_protocol {
	struct enn_protocol row;
	struct toy_behaviour b;
	struct toy_engine *servers;
	uint32_t last_id;
	uint64_t arrived;		    /* data packets, for `lose` */
	const struct enn_protocol *list[2]; /* for enn_context_set_protocols */
};

/* Makes a row that poses as DTLS. */
void toy_protocol_init(struct toy_protocol *p);

#define TOY_HEADER	5
#define TOY_MAX_MESSAGE 65000

#endif
