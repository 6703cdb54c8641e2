/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of tunnels stand on: an engine that carries IP packets as they are, a network
 * namespace with one tunnel in it, and a plain UDP socket as its peer.
 */
#ifndef ENN_TESTS_RUNTIME_TUNNEL_FIXTURE_H
#define ENN_TESTS_RUNTIME_TUNNEL_FIXTURE_H

#include <uv.h>

#include "ennead/tunnel.h"

/* The addresses: the interface, the peer behind it, the peer's socket. */
#define INSIDE	     "10.99.0.2"
#define BEHIND	     "10.99.0.1"
#define INSIDE_PORT  5201
#define CARRIER_ROOM 16

/* An engine without any security: an IP packet is a datagram. */
struct carrier {
	struct enn_engine base;
	struct enn_path path; /* where all goes to */
	struct enn_message queue[CARRIER_ROOM];
	unsigned head, sealed, tail; /* free running */
	struct enn_packet *packets;
	size_t count, next;
	bool refuse; /* has no place for any packet */
	bool fail;
	bool failed;
	enn_time deadline;
	unsigned expired;
};

struct world {
	uv_loop_t loop;
	struct enn_env env;
	struct carrier carrier;
	struct enn_tunnel *tunnel;
	int inside;  /* UDP, bound to INSIDE, behind the interface */
	int outside; /* UDP, on loopback: the peer */
	unsigned events;
	struct enn_event last; /* of the tunnel */
};

void carrier_init(struct carrier *c);

/* In a namespace of its own. False: not allowed here. */
bool world_enter(void);
/* A tunnel that is up. */
void world_open(struct world *w, const struct enn_tunnel_options *options);
void world_close(struct world *w);
/* Runs the loop until the descriptor is readable, or fails. */
void world_wait(struct world *w, int fd);
/* Runs the loop for a moment. */
void world_settle(struct world *w);
/* Removes the interface as `ip link delete` would. */
void world_remove_interface(struct world *w);

#endif
