/* SPDX-License-Identifier: Apache-2.0
 *
 * Two WireGuard interfaces, a wire between them that the test can look at and
 * interfere with, and a clock that it moves.
 */
#ifndef ENN_TESTS_WIREGUARD_PAIR_H
#define ENN_TESTS_WIREGUARD_PAIR_H

/* cmocka wants these four before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "ennead/wireguard.h"

#define WIRE_PACKETS 512
#define WIRE_BYTES   2048
#define INBOX	     512

struct wire_packet {
	struct enn_path path; /* as the receiver sees it */
	size_t len;
	uint8_t ecn;
	uint8_t data[WIRE_BYTES];
};

/* What one side sent and the other has not seen. */
struct wire {
	struct wire_packet packet[WIRE_PACKETS];
	size_t count;
};

struct side {
	struct enn_engine *engine;
	struct enn_env env;
	struct enn_address address;
	uint8_t private_key[32];
	uint8_t public_key[32];
	uint64_t seed;
	/* what came out */
	struct enn_event_type_count {
		unsigned ready, keys, path, sent;
	} events;
	size_t received; /* inner packets */
	struct {
		size_t len;
		uint8_t data[WIRE_BYTES];
	} inbox[INBOX];
};

struct pair {
	struct enn_crypto *crypto;
	enn_time now;
	struct side side[2];
	struct wire to[2]; /* packets for side[i] */
	bool (*meddle)(struct pair *p, int to, struct wire_packet *packet); /* false: lost */
};

/* Two interfaces that know each other: side 0 is 10.0.0.1 and fd00::1, side 1 is .2 and ::2. */
void pair_open(struct pair *p, const uint8_t *psk);
void pair_close(struct pair *p);
/* The loop of engine.h for one side, without time. */
void pair_run(struct pair *p, int side);
/* Both sides until nothing moves any more. */
void pair_settle(struct pair *p);
/* Moves the clock to `until`, with every deadline on the way. */
void pair_until(struct pair *p, enn_time until);
/* Makes an IPv4 packet from side `from` with `len` bytes in all. */
void pair_packet(const struct pair *p, int from, uint8_t *out, size_t len, uint32_t marker);
enum enn_status pair_send(struct pair *p, int from, const uint8_t *packet, size_t len);
/* Sends one packet and expects it to arrive, with everything that is needed for it. */
void pair_expect_delivery(struct pair *p, int from, size_t len, uint32_t marker);

#endif
