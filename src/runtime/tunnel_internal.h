/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a tunnel.
 *
 *   tunnel.c      life, the engine's loop, its timer
 *   tunnel_out.c  interface → cut → send → transmit → UDP
 *   tunnel_in.c   UDP → ingest → events → join → interface
 *
 *  interface ──► reading ──► ring ──────► engine ──► batch ──► sockets
 *                (64 KiB)    (lent till              (64 KiB)
 *                             SENT)
 *  interface ◄── join (lent packets) ◄── engine ◄────────────  sockets
 */
#ifndef ENN_RUNTIME_TUNNEL_INTERNAL_H
#define ENN_RUNTIME_TUNNEL_INTERNAL_H

#include "ennead/protocol.h"
#include "ennead/tunnel.h"
#include "runtime/offload.h"
#include "runtime/tun.h"
#include "runtime/udp.h"

/* The largest packet that an interface can give: IPv6 with its header beyond 65535. */
#define ENN_TUNNEL_PACKET ((size_t)65536 + 64)
/* Room in front of it for the virtio header, so that the packet itself is aligned. */
#define ENN_TUNNEL_FRONT ((size_t)64)
/* Packets on loan to the engine. Large enough for what its queue takes at ordinary sizes, small
 * enough to stay in the second level cache. */
#define ENN_TUNNEL_RING	 ((size_t)512 * 1024)
#define ENN_TUNNEL_BATCH ((size_t)65536)
/* Packets up to this size are collected to be sent in one call. */
#define ENN_TUNNEL_SINGLE  ((size_t)2048)
#define ENN_TUNNEL_BATCHES (ENN_TUNNEL_BATCH + ENN_UDP_BATCHES * ENN_TUNNEL_SINGLE)

struct enn_tunnel_queue {
	uv_poll_t poll;
	struct enn_tunnel *tunnel;
	unsigned index;
};

/* Packets on loan, oldest at tail. Free running; message.user is the head after the packet. */
struct enn_tunnel_ring {
	uint8_t *data;
	size_t head, tail;
};

struct enn_tunnel {
	uv_loop_t *loop;
	const struct enn_env *env;
	struct enn_engine *engine;
	struct enn_udp *udp;
	struct enn_tun tun;
	struct enn_tunnel_queue queues[ENN_TUN_QUEUES];
	uv_timer_t timer;
	enn_time armed; /* when the timer fires; ENN_TIME_NEVER: it is stopped */
	enn_time now;	/* of this turn */
	unsigned handles;
	bool started;
	bool over;    /* the engine or the interface failed, or the engine closed */
	bool reading; /* from the interface */
	void (*event)(void *ctx, const struct enn_event *event);
	void *event_ctx;

	/* out */
	uint8_t *memory; /* of all the buffers below */
	uint8_t *packet; /* what was read from the interface */
	uint8_t *batch;
	struct enn_tunnel_ring ring;
	struct enn_cut cut;	   /* of the packet */
	struct enn_message unsent; /* a piece that the engine has not taken; len 0: none */
	bool parked;		   /* the rest of the packet waits for the engine or the sockets */
	size_t on_loan;		   /* packets in the engine */

	/* in */
	struct enn_join join;
	struct enn_tunnel_stats stats;
};

/* ---- tunnel.c ------------------------------------------------------------------------ */

/* Steps 1 to 3 of engine.h's loop. */
void enn_tunnel_turn(struct enn_tunnel *t);
/* Step 4. */
void enn_tunnel_arm(struct enn_tunnel *t);
/* Takes all events. */
void enn_tunnel_events(struct enn_tunnel *t);
/* Nothing moves any more; the owner is told why. */
void enn_tunnel_fail(struct enn_tunnel *t, int error, const char *where);

/* ---- tunnel_out.c -------------------------------------------------------------------- */

/* One batch to the sockets. False: the engine has none, or the sockets are full. */
bool enn_tunnel_put_batch(struct enn_tunnel *t);
/* Goes on with a packet that is parked. */
void enn_tunnel_resume(struct enn_tunnel *t);
void enn_tunnel_on_interface(uv_poll_t *poll, int status, int events);
/* The engine is done with the packet of this SENT. */
void enn_tunnel_packet_sent(struct enn_tunnel *t, const void *user);
/* The sockets take packets again. */
void enn_tunnel_writable(void *owner);

/* ---- tunnel_in.c --------------------------------------------------------------------- */

/* A packet that is lent until enn_tunnel_deliver(…, true). */
void enn_tunnel_packet_received(struct enn_tunnel *t, const struct enn_message *message);
/* Writes what is complete to the interface, or all. */
void enn_tunnel_deliver(struct enn_tunnel *t, bool all);
void enn_tunnel_readable(void *owner);

#endif
