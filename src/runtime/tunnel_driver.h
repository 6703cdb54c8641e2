/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a tunnel: interface, sockets, buffers.
 */
#ifndef ENN_RUNTIME_TUNNEL_DRIVER_H
#define ENN_RUNTIME_TUNNEL_DRIVER_H

#include <sys/socket.h>
#include <uv.h>

#include "base/mem.h"
#include "ennead/tunnel.h"
#include "runtime/offload.h"
#include "runtime/tun_device.h"

/* ---- tunnel_sockets.c ------------------------------------------------------------------------------ */

#define RECEIVE_SLOTS 8
/* Each may hold 64 datagrams that the kernel has put together (UDP_GRO). */
#define RECEIVE_SLOT 65536u
#define MAX_SEGMENTS 64

struct enn_tunnel_udp {
	int fd; /* -1: there is none of this family */
	sa_family_t family;
	bool cuts; /* UDP_SEGMENT works */
	uv_poll_t *poll;
};

/* What one recvmmsg gave. */
struct enn_tunnel_received {
	uint8_t *data;
	size_t len;
	size_t segment;
	uint8_t ecn;
	struct enn_path path;
};

/* port 0: any; *port is what it became. ENN_E_SYSTEM. */
enum enn_status enn_tunnel_udp_open(struct enn_tunnel_udp *u, sa_family_t family, uint16_t *port,
				    uint32_t mark, bool offload, struct enn_error *error);
enum enn_status enn_tunnel_udp_set_mark(const struct enn_tunnel_udp *u, uint32_t mark,
					struct enn_error *error);
/* Sends from batch->buf + *done on; *done grows by what was sent or lost. 0, EAGAIN, or the errno of
 * packets that were lost. */
int enn_tunnel_udp_send(struct enn_tunnel_udp *u, const struct enn_batch *batch, size_t *done,
			uint64_t *calls);
/* buffers: RECEIVE_SLOTS of RECEIVE_SLOT. Returns how many were received; 0: none. */
int enn_tunnel_udp_receive(const struct enn_tunnel_udp *u, uint8_t *buffers,
			   struct enn_tunnel_received *out);

/* ---- tunnel_driver.c ---------------------------------------------------------------------------------- */

/* Packets that were read and wait to be taken by the engine: they are lent to it. */
#define INNER_ROOM (4 * 65536u)
#define BATCH_ROOM 65536u
/* How much is done before the other direction has its turn. */
#define INNER_BUDGET 16 /* reads */
#define OUTER_BUDGET 4	/* recvmmsg calls */

struct enn_tunnel {
	const struct enn_env *env;
	struct enn_engine *engine;
	uv_loop_t *loop;
	struct enn_tun tun;
	struct enn_tunnel_udp udp[2]; /* IPv4, IPv6 */
	uv_poll_t *tun_poll[ENN_TUN_MAX_QUEUES];
	uv_timer_t *timer;
	uv_idle_t *wake;
	uint16_t port;
	uint16_t mtu;
	uint32_t mark;
	bool offload;
	bool started;
	bool stopped;
	bool reading; /* the interface is polled */
	bool running; /* inside the engine's loop */
	unsigned handles;
	enn_time now;
	void (*on_event)(void *ctx, const struct enn_event *event);
	void *on_event_ctx;
	struct enn_tunnel_stats stats;
	/* outward */
	uint8_t *read_room; /* one super-packet */
	uint8_t *inner;	    /* INNER_ROOM: packets lent to the engine */
	size_t inner_used;
	uint8_t *batch_room; /* BATCH_ROOM */
	struct enn_batch batch;
	size_t batch_done; /* less than batch.len: a socket is full */
	/* inward */
	uint8_t *receive_room;
	struct enn_join join;
};

/* The loop of engine.h, until a socket is full. */
void enn_tunnel_run(struct enn_tunnel *t);
/* tunnel_packets.c */
void enn_tunnel_read_interface(struct enn_tunnel *t, int fd);
void enn_tunnel_read_socket(struct enn_tunnel *t, const struct enn_tunnel_udp *u);
void enn_tunnel_deliver(struct enn_tunnel *t, const struct enn_message *message);
/* Writes packets to the interface: those that cannot grow by joining any more, or all. */
void enn_tunnel_flush_join(struct enn_tunnel *t, bool all);
void enn_tunnel_tick(struct enn_tunnel *t);

#endif
