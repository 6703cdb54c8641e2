/* SPDX-License-Identifier: Apache-2.0
 *
 * Two WireGuard interfaces and the packets between them, for the fuzz targets: small,
 * and the same for every input.
 */
#ifndef ENN_TESTS_FUZZ_WIREGUARD_H
#define ENN_TESTS_FUZZ_WIREGUARD_H

#include <stdbool.h>

#include "ennead/wireguard.h"
#include "fuzz.h"

#define FUZZ_WG_PACKET	 2304 /* bytes, at most */
#define FUZZ_WG_WIRE	 64   /* packets on the way */
#define FUZZ_WG_MESSAGES 256  /* inner packets of one run */

struct fuzz_wg_packet {
	uint8_t to;	      /* side */
	struct enn_path path; /* as the receiver sees it */
	size_t len;
	uint8_t data[FUZZ_WG_PACKET];
};

struct fuzz_wg_side {
	struct enn_engine *engine;
	struct enn_address address;
	uint8_t private_key[ENN_WIREGUARD_KEY];
	uint8_t public_key[ENN_WIREGUARD_KEY];
	/* packets that the engine was lent and whose events are not taken yet */
	struct fuzz_wg_packet *held;
	struct enn_packet packets[8];
	struct enn_path held_path;
	size_t out_bytes; /* transmitted since it was last set to 0 */
};

struct fuzz_wg {
	enn_time now;
	struct fuzz_wg_side side[2];
	struct fuzz_wg_packet wire[FUZZ_WG_WIRE]; /* the oldest first */
	size_t count;
	struct {
		uint8_t from;
		uint16_t len;
		bool delivered;
	} message[FUZZ_WG_MESSAGES];
	size_t messages;
	/* called with each packet before it is put on the wire; may be NULL */
	void (*tap)(struct fuzz_wg *w, const struct fuzz_wg_packet *packet);
};

/* Both made, configured and started. */
void fuzz_wg_open(struct fuzz_wg *w);
void fuzz_wg_close(struct fuzz_wg *w);
/* Frees a side's engine and makes it anew. */
void fuzz_wg_restart(struct fuzz_wg *w, unsigned side);
void fuzz_wg_configure(struct fuzz_wg *w, unsigned side, const struct enn_wireguard_change *change);
/* A change that makes the other one known as it is at the beginning; peer is the caller's. */
struct enn_wireguard_change fuzz_wg_peer(const struct fuzz_wg *w, unsigned side,
					 struct enn_wireguard_peer_change *peer,
					 struct enn_wireguard_prefix prefix[2]);
/* The loop of engine.h for one side. */
void fuzz_wg_pump(struct fuzz_wg *w, unsigned side);
/* Lends packets of one path without taking events. */
void fuzz_wg_lend(struct fuzz_wg *w, unsigned side, const struct fuzz_wg_packet *packets,
		  size_t count);
/* An IP packet of at least 48 bytes in all; false if it was refused, or there were enough. */
bool fuzz_wg_send(struct fuzz_wg *w, unsigned from, size_t len);
/* The packet at that place is taken off the wire, and what follows moves up. */
void fuzz_wg_take(struct fuzz_wg *w, size_t place, struct fuzz_wg_packet *out);
void fuzz_wg_put(struct fuzz_wg *w, const struct fuzz_wg_packet *packet);
/* The oldest one arrives. */
void fuzz_wg_deliver(struct fuzz_wg *w);
/* All of them, and what comes of it. */
void fuzz_wg_settle(struct fuzz_wg *w);
/* Moves the clock, with the deadlines on the way. */
void fuzz_wg_wait(struct fuzz_wg *w, enn_time time);

#endif
