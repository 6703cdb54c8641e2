/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a port: udp.c opens and waits, udp_receive.c and udp_send.c move packets.
 */
#ifndef ENN_RUNTIME_UDP_INTERNAL_H
#define ENN_RUNTIME_UDP_INTERNAL_H

#include "runtime/udp.h"
#include "runtime/udp_details.h"

#define ENN_UDP_MESSAGES 16
/* The largest datagram, and enough more that buffers do not fall on the same lines of a cache. */
#define ENN_UDP_BUFFER ((size_t)65536 + 2112)

/* A socket lives until the loop has closed its handle. */
struct enn_udp_socket {
	uv_poll_t poll;
	int fd;
	int watched; /* what uv_poll was started for */
	uint8_t family;
	bool segments; /* the kernel cuts batches */
	uint16_t port;
	struct enn_udp *udp; /* NULL: closed */
	const struct enn_env *env;
	/* A source address that is none of ours any more; of the family if there is one. */
	struct enn_address gone;
};

/* What one recvmsg brought. */
struct enn_udp_message {
	size_t len;
	size_t segment;
	size_t taken;
	uint8_t ecn;
	struct enn_path path;
};

struct enn_udp {
	uv_loop_t *loop;
	const struct enn_env *env;
	const struct enn_udp_ops *ops;
	void *owner;
	struct enn_udp_options options;
	struct enn_udp_socket *sockets[2]; /* IPv4, IPv6; NULL: not in this system */
	bool reading;
	/* receiving */
	struct enn_udp_socket *from; /* the readable one, while the owner is told */
	bool dry;		     /* it has given less than was asked for */
	unsigned width;		     /* how many messages are asked for at once */
	unsigned count;		     /* that were received, */
	unsigned next;		     /* and the first that is not taken */
	struct enn_udp_message messages[ENN_UDP_MESSAGES];
	uint8_t *buffers;
	/* sending: batches from `sending` on, of which `sent` bytes are gone */
	struct enn_batch held[ENN_UDP_BATCHES];
	size_t held_count;
	size_t sending;
	size_t sent;
	struct enn_udp_stats stats;
};

struct enn_udp_socket *enn_udp_socket_for(const struct enn_udp *u, uint8_t family);
/* Waits for what the state says. */
void enn_udp_watch(struct enn_udp *u);
/* Goes on with what is held. True: all of it is sent, or lost. */
bool enn_udp_send_held(struct enn_udp *u);

#endif
