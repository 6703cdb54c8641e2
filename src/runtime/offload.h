/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network card would do for the kernel: large packets of a TUN interface are cut into IP
 * packets of ordinary size (TSO, USO), and runs of received packets are joined into large ones (GRO).
 * Functions on memory; nothing in a packet is believed.
 *
 *                 vnet header (linux/virtio_net.h), packet
 *      interface ───────────────────────────────────────► enn_cut   ──► IP packets
 *      interface ◄─────────────────────────────────────── enn_join  ◄── IP packets
 */
#ifndef ENN_RUNTIME_OFFLOAD_H
#define ENN_RUNTIME_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ennead/error.h"

/* Newer than the oldest headers that this is built with. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define ENN_VNET_HEADER ((size_t)10) /* struct virtio_net_hdr on a TUN descriptor */

/* ---- cutting: offload_cut.c ------------------------------------------------------------------ */

/* One packet of the interface on its way to become packets of at most `size` bytes of payload. */
struct enn_cut {
	const uint8_t *packet;
	size_t len;
	size_t header;	 /* IP and TCP or UDP: what every piece begins with */
	size_t l4;	 /* where the TCP or UDP header begins; what the checksum covers */
	size_t sum_at;	 /* where the checksum is; 0: there is nothing to compute */
	size_t size;	 /* of the payload of each piece but the last; 0: the packet stays whole */
	size_t done;	 /* bytes that were given out: of the payload, or of the whole packet */
	uint64_t pseudo; /* sum of the pseudo-header without its length */
	uint16_t count;
};

/* The packet is borrowed until enn_cut_next has returned 0. ENN_E_PARSE: header and packet
 * contradict each other. */
enum enn_status enn_cut_begin(struct enn_cut *cut, const struct virtio_net_hdr *header,
			      const uint8_t *packet, size_t len);
/* No piece is longer. */
size_t enn_cut_room(const struct enn_cut *cut);
/* Writes the next piece, complete with its checksums, and returns its length; 0: there is none. */
size_t enn_cut_next(struct enn_cut *cut, uint8_t *out);

/* ---- joining: offload_join.c ----------------------------------------------------------------- */

#define ENN_JOIN_PIECES 64 /* packets in a large one: what the kernel takes for UDP */
#define ENN_JOIN_RUNS	32

/* What can be told about a packet by looking at it alone. */
struct enn_join_packet {
	uint8_t *data;
	size_t len;
	size_t l4;
	size_t payload; /* where it begins */
	uint32_t flow;	/* hash of addresses, protocol and ports; 0 if they are not known */
	uint32_t sequence;
	uint8_t family;
	uint8_t protocol;
	bool joins; /* may be a piece of a large packet */
	bool push;  /* TCP: PSH is set */
};

/* Packets that will be written as one. */
struct enn_join_run {
	struct enn_join_packet first;
	uint32_t next_sequence;
	uint32_t count;
	size_t len;    /* of the large packet */
	size_t size;   /* of the payload of each piece but the last */
	bool open;     /* may grow */
	bool verified; /* the first packet's checksums are good */
	struct virtio_net_hdr header;
	struct iovec iov[1 + ENN_JOIN_PIECES]; /* the header, the first packet, payloads */
};

/* Runs in the order in which they began. Packets are lent until they were taken. */
struct enn_join {
	bool tcp; /* the interface takes large packets of TCP, */
	bool udp; /* of UDP */
	uint32_t head, tail;
	struct enn_join_run runs[ENN_JOIN_RUNS];
};

void enn_join_init(struct enn_join *join, bool tcp, bool udp);
/* Adds a packet, which stays unaltered if it remains alone. False: no place; take runs first. */
bool enn_join_add(struct enn_join *join, uint8_t *packet, size_t len);
/* The first run that is not taken, made ready to be written with one writev of run->iov[0 …
 * run->count]; NULL: there is none, or (unless `all`) it may still grow. Its place, and only that,
 * is used again by the next enn_join_add. */
struct enn_join_run *enn_join_take(struct enn_join *join, bool all);

#endif
