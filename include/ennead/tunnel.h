/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnels: an engine that carries IP packets, between a TUN interface and UDP sockets.
 *
 * The engine stays the caller's to configure (wireguard.h); the tunnel drives it: packets from
 * the interface go in with send, what transmit gives leaves by UDP with GSO, what arrives
 * (GRO, recvmmsg) is ingested, and the inner packets are written to the interface, coalesced.
 *
 * Everything happens on the caller's uv_loop_t and in its thread. Making the
 * interface and setting SO_MARK need CAP_NET_ADMIN; once enn_tunnel_new has returned nothing here
 * needs a privilege, except enn_tunnel_set_port below 1024 and enn_tunnel_set_mark.
 */
#ifndef ENNEAD_TUNNEL_H
#define ENNEAD_TUNNEL_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;
struct enn_tunnel;

/* Zeroed is valid, but for the interface's name or descriptor. */
struct enn_tunnel_options {
	const char
		*interface; /* name of the TUN interface to make; "wg%d" lets the kernel choose */
	int tun_fd; /* > 0: an open TUN descriptor with IFF_VNET_HDR to use instead; taken over */
	unsigned queues;      /* of the interface (IFF_MULTI_QUEUE); 0 means 1 */
	uint16_t mtu;	      /* 0 means 1420 */
	uint16_t listen_port; /* 0: the system chooses */
	uint32_t mark;	      /* SO_MARK of outer packets; 0: none */
	bool no_offload;      /* no GSO and GRO, neither inside nor outside */
};

/* env is borrowed, as the engine's; its wall_offset belongs to the clock of uv_hrtime. The engine is
 * borrowed too, must not be started yet, and must outlive the tunnel. The tunnel starts
 * it. Errors: ENN_E_SYSTEM with sys_errno, ENN_E_MEMORY, ENN_E_ARGUMENT. */
ENN_API ENN_MUST_CHECK enum enn_status enn_tunnel_new(
	struct uv_loop_s *loop, const struct enn_env *env, struct enn_engine *engine,
	const struct enn_tunnel_options *options, struct enn_tunnel **out, struct enn_error *error);
/* Begins to move packets (the interface may be configured before). */
ENN_API ENN_MUST_CHECK enum enn_status enn_tunnel_start(struct enn_tunnel *t,
							struct enn_error *error);
/* Closes sockets and the interface, which disappears with its last descriptor. The loop must run
 * until its handles are closed. NULL is legal. */
ENN_API void enn_tunnel_free(struct enn_tunnel *t);

/* The name that the kernel gave, and its index. */
ENN_API const char *enn_tunnel_interface(const struct enn_tunnel *t);
ENN_API unsigned enn_tunnel_interface_index(const struct enn_tunnel *t);
ENN_API uint16_t enn_tunnel_port(const struct enn_tunnel *t);
ENN_API uint32_t enn_tunnel_mark(const struct enn_tunnel *t);
ENN_API uint16_t enn_tunnel_mtu(const struct enn_tunnel *t);
/* Binds both sockets anew; on an error the old ones stay. */
ENN_API ENN_MUST_CHECK enum enn_status enn_tunnel_set_port(struct enn_tunnel *t, uint16_t port,
							   struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_tunnel_set_mark(struct enn_tunnel *t, uint32_t mark,
							   struct enn_error *error);
/* The clock that the engine sees. */
ENN_API enn_time enn_tunnel_now(const struct enn_tunnel *t);
/* To be called after the engine was changed from outside (configured): runs the engine's loop soon. */
ENN_API void enn_tunnel_wake(struct enn_tunnel *t);

/* The events of the engine other than data, told in the loop. The callback must not free the tunnel.
 * One at a time; NULL: none. */
ENN_API void enn_tunnel_on_event(struct enn_tunnel *t,
				 void (*event)(void *ctx, const struct enn_event *event),
				 void *ctx);

struct enn_tunnel_stats {
	uint64_t inner_in_packets, inner_in_bytes;   /* from the interface */
	uint64_t inner_out_packets, inner_out_bytes; /* to the interface */
	uint64_t outer_in_packets, outer_in_bytes;
	uint64_t outer_out_packets, outer_out_bytes;
	uint64_t reads, writes;	  /* system calls on the interface */
	uint64_t receives, sends; /* system calls on the sockets */
	uint64_t dropped;	  /* packets that no peer, no buffer or no socket would take */
};
ENN_API void enn_tunnel_stats(const struct enn_tunnel *t, struct enn_tunnel_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
