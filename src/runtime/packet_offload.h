/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network card does, in software: cutting large TCP and UDP packets into such
 * as fit the path, putting them together again, and the checksums of both. Pure functions
 * on buffers.
 */
#ifndef ENN_RUNTIME_PACKET_OFFLOAD_H
#define ENN_RUNTIME_PACKET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "runtime/tun_device.h"

/* ---- checksums (RFC 1071) -------------------------------------------------------------------- */

/* The sum of 16-bit words in network order, not folded; an odd byte at the end is padded. */
uint64_t enn_sum(const uint8_t *data, size_t len, uint64_t sum);
/* The same while copying; from and to do not overlap. */
uint64_t enn_sum_copy(uint8_t *to, const uint8_t *from, size_t len, uint64_t sum);
/* Folded to 16 bits, not complemented. */
uint16_t enn_sum_fold(uint64_t sum);

/* ---- headers ----------------------------------------------------------------------------------- */

/* A TCP or UDP packet whose headers are whole. */
struct enn_segment {
	uint8_t version;   /* 4 or 6 */
	uint8_t transport; /* IPPROTO_TCP or IPPROTO_UDP */
	size_t ip_len;	   /* of the IP header */
	size_t header_len; /* of both headers */
	size_t len;	   /* of the packet */
	uint32_t sequence; /* TCP */
	uint8_t flags;	   /* TCP */
	bool whole;	   /* no fragment, no IP options or extension headers */
};

/* False: another kind of packet, or not whole. */
bool enn_segment_parse(struct enn_bytes packet, struct enn_segment *out);
/* The sum over the pseudo-header for a transport part of `len` bytes. */
uint64_t enn_segment_pseudo_sum(struct enn_bytes packet, const struct enn_segment *s, size_t len);

/* ---- cutting ----------------------------------------------------------------------------------- */

/* One packet off the interface, with its virtio header in front of it. */
struct enn_cut {
	struct enn_bytes packet; /* without the virtio header */
	struct enn_segment parts;
	size_t gso_size; /* payload of each piece; 0: one packet */
	size_t offset;	 /* of the payload that comes next */
};

/* Reads the virtio header, and completes the checksum if that is all there is to do. False: not
 * understood, to be dropped. data is changed in place. */
bool enn_cut_begin(struct enn_cut *cut, uint8_t *data, size_t len);
/* The next piece into `to`; its length, or 0 when there is no more (or it does not fit: cap must be
 * at least headers and gso_size). Not for a cut with gso_size 0. */
size_t enn_cut_next(struct enn_cut *cut, uint8_t *to, size_t cap);

/* ---- putting together --------------------------------------------------------------------------- */

#define ENN_JOIN_MAX 64

/* Packets on their way to the interface. Zeroed is empty. They are lent until enn_join_take. */
struct enn_join {
	struct enn_segment parts; /* of the first */
	uint8_t *first;
	size_t first_len;
	size_t size;	/* payload of each but the last */
	size_t payload; /* of all */
	uint32_t next_sequence;
	uint16_t next_id; /* IPv4 without DF */
	bool full;	  /* nothing may be added: a short one or a PSH was the last */
	bool alone;	  /* it cannot be joined to */
	size_t count;
	uint8_t header[ENN_VNET_HEADER];
	struct iovec iov[ENN_JOIN_MAX + 1];
};

/* True: taken. False: take what is there first. An empty one takes everything. */
bool enn_join_add(struct enn_join *join, uint8_t *packet, size_t len, bool udp);
/* What to write to the interface; returns how many pieces, 0 if empty. The join is empty after. */
size_t enn_join_take(struct enn_join *join, struct iovec **iov);

#endif
