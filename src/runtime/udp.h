/* SPDX-License-Identifier: Apache-2.0
 *
 * A port: an IPv4 and an IPv6 UDP socket for many peers, for large numbers of packets. One batch
 * is one system call with UDP_SEGMENT; what arrives comes many at a time (recvmmsg) and joined
 * (UDP_GRO).
 */
#ifndef ENN_RUNTIME_UDP_H
#define ENN_RUNTIME_UDP_H

#include <stdbool.h>
#include <uv.h>

#include "ennead/engine.h"

struct enn_udp;

/* Called by the loop. */
struct enn_udp_ops {
	void (*readable)(void *owner);
	void (*writable)(void *owner); /* what was held is sent */
};

struct enn_udp_options {
	uint16_t port; /* 0: the system chooses */
	uint32_t mark; /* SO_MARK; 0: none */
	bool no_offload;
};

struct enn_udp_stats {
	uint64_t in_packets, in_bytes;
	uint64_t out_packets, out_bytes;
	uint64_t receives, sends; /* system calls */
	uint64_t lost;		  /* packets that the system would not send */
};

/* One of the families may be missing in the system. Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error
 * (an errno). */
enum enn_status enn_udp_new(uv_loop_t *loop, const struct enn_env *env,
			    const struct enn_udp_ops *ops, void *owner,
			    const struct enn_udp_options *options, struct enn_udp **out,
			    int *error);
/* What is held is lost. The memory goes with the last handle of the loop. NULL is legal. */
void enn_udp_free(struct enn_udp *u);

uint16_t enn_udp_port(const struct enn_udp *u);
uint32_t enn_udp_mark(const struct enn_udp *u);
/* New sockets; on an error the old ones stay. What is held is lost. ENN_E_SYSTEM. */
enum enn_status enn_udp_set_port(struct enn_udp *u, uint16_t port, int *error);
enum enn_status enn_udp_set_mark(struct enn_udp *u, uint32_t mark, int *error);

void enn_udp_read(struct enn_udp *u, bool on);
/* In the call of `readable`: receives what fits into the buffers, which are used anew each time.
 * False: there is nothing. */
bool enn_udp_receive(struct enn_udp *u);
/* Cuts the next packets out of what was received: as many as came on one path one after the other, up
 * to `cap`. They may be written to. 0: that was all. */
size_t enn_udp_take(struct enn_udp *u, struct enn_path *path, struct enn_packet *packets,
		    size_t cap);

#define ENN_UDP_BATCHES 32

/* Sends up to ENN_UDP_BATCHES batches; single packets that follow each other go in one call. ENN_OK:
 * they are with the kernel, or lost. ENN_E_AGAIN: the rest is held, and with it the batches'
 * memory, until `writable`; no other send till then. */
enum enn_status enn_udp_send(struct enn_udp *u, const struct enn_batch *batches, size_t count);
bool enn_udp_holds(const struct enn_udp *u);

const struct enn_udp_stats *enn_udp_stats(const struct enn_udp *u);

#endif
