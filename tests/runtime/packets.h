/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets for the tests of src/runtime/offload.h: made field by field, and checked by a
 * checksum of its own kind, one 16-bit word after the other.
 */
#ifndef ENN_TESTS_RUNTIME_PACKETS_H
#define ENN_TESTS_RUNTIME_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/offload.h"

#define PACKET_MAX 65600

/* A sequence of numbers that a seed decides. */
struct draw {
	uint64_t state;
};
uint32_t draw(struct draw *d, uint32_t below);
void draw_bytes(struct draw *d, uint8_t *out, size_t len);

struct packet_shape {
	bool v6;
	bool udp;
	bool dont_fragment;
	uint8_t tos, ttl;
	uint8_t host; /* the last byte of the source address */
	uint16_t id;
	uint16_t port;
	uint32_t sequence, acknowledgment;
	uint16_t window;
	uint8_t flags;
	uint8_t options; /* bytes of TCP options, a multiple of four */
	size_t payload;
};

/* Draws a shape that can be joined. */
void packet_draw_shape(struct draw *d, struct packet_shape *shape);
/* Writes the packet with a payload drawn from `content`, complete with its checksums; returns its
 * length. */
size_t packet_make(const struct packet_shape *shape, uint64_t content, uint8_t *out);
/* The same as a large packet of the kernel: the checksum is that of the pseudo-header. */
size_t packet_make_large(const struct packet_shape *shape, uint64_t content, size_t size,
			 struct virtio_net_hdr *header, uint8_t *out);
size_t packet_header_len(const struct packet_shape *shape);
/* Are length fields and all checksums right? */
bool packet_is_valid(const uint8_t *packet, size_t len);
/* ~sum of big-endian words, with an odd byte padded. */
uint16_t packet_sum(const uint8_t *data, size_t len, uint32_t start);

/* The bytes that a run would write behind its header. */
size_t packet_of_run(const struct enn_join_run *run, uint8_t *out);

#endif
