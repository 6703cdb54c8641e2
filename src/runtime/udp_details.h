/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes beside a datagram in control messages: its ECN bits, our address, and the size of
 * the pieces that it is cut into or was joined from.
 */
#ifndef ENN_RUNTIME_UDP_DETAILS_H
#define ENN_RUNTIME_UDP_DETAILS_H

#include <sys/socket.h>

#include "ennead/engine.h"

/* Room for all of them. */
#define ENN_UDP_DETAILS 128

struct enn_udp_details {
	_Alignas(struct cmsghdr) char bytes[ENN_UDP_DETAILS];
	size_t len;
};

/* To be sent: pieces of `segment` bytes. */
void enn_udp_add_segment(struct enn_udp_details *d, size_t segment);
/* The byte of DSCP and ECN. */
void enn_udp_add_tos(struct enn_udp_details *d, uint8_t family, uint8_t tos);
/* Where it is to leave from. */
void enn_udp_add_source(struct enn_udp_details *d, const struct enn_address *source);

/* What was received with a datagram; parts that are not there leave the values as they are.
 * local->port and family are not touched. */
void enn_udp_read_details(struct msghdr *msg, struct enn_address *local, uint8_t *ecn,
			  size_t *segment);
/* Asks the kernel for them. */
void enn_udp_want_details(int fd, uint8_t family);

#endif
