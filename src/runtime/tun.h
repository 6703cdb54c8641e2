/* SPDX-License-Identifier: Apache-2.0
 *
 * TUN interfaces: IP packets from and to the kernel, large ones with a virtio header
 * (offload.h).
 */
#ifndef ENN_RUNTIME_TUN_H
#define ENN_RUNTIME_TUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/offload.h"

#define ENN_TUN_QUEUES 16

struct enn_tun_options {
	const char *name; /* "%d" in it: the kernel chooses a number */
	int fd;		  /* > 0: an open descriptor to use instead, which is taken over */
	unsigned queues;  /* 0 means 1 */
	uint16_t mtu;	  /* 0: as it is */
	bool no_offload;
};

struct enn_tun {
	int fds[ENN_TUN_QUEUES];
	unsigned queues;
	unsigned index;
	char name[IF_NAMESIZE];
	uint16_t mtu;
	bool large_tcp; /* large packets come, and may be written */
	bool large_udp;
};

/* Makes the interface, down and without addresses. 0 or errno; *where (static) says in what. */
int enn_tun_open(struct enn_tun *tun, const struct enn_tun_options *options, const char **where);
/* The interface goes with its last descriptor. */
void enn_tun_close(struct enn_tun *tun);

/* Reads one packet of up to `cap` bytes. The header lies in front of it: ENN_VNET_HEADER bytes before
 * `packet` must be the caller's to write. Returns the packet's length, 0 when there is
 * none, or a negative errno. */
ssize_t enn_tun_read(const struct enn_tun *tun, unsigned queue, uint8_t *packet, size_t cap,
		     struct virtio_net_hdr *header);
/* 0 or errno. */
int enn_tun_write(const struct enn_tun *tun, unsigned queue, const struct enn_join_run *run);

#endif
