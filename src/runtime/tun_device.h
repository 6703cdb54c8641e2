/* SPDX-License-Identifier: Apache-2.0
 *
 * TUN interfaces with offloads: packets come as large as TCP makes them, with a virtio header
 * that says how they are to be cut, and go back the same way.
 */
#ifndef ENN_RUNTIME_TUN_DEVICE_H
#define ENN_RUNTIME_TUN_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/error.h"
#include "runtime/offload.h"

#define ENN_TUN_MAX_QUEUES 16
/* What a read may give: the header and the largest packet. */
#define ENN_TUN_READ_MAX (ENN_VNET_HEADER + 65535u)

struct enn_tun {
	int fd[ENN_TUN_MAX_QUEUES];
	unsigned queues;
	bool segments_udp; /* the kernel takes and gives UDP segments (Linux 6.2) */
	char name[IFNAMSIZ];
	unsigned index;
};

/* name may hold "%d". offload false: single packets only. Errors: ENN_E_SYSTEM, ENN_E_ARGUMENT. */
enum enn_status enn_tun_open(struct enn_tun *tun, const char *name, unsigned queues, bool offload,
			     struct enn_error *error);
/* Takes over an open descriptor of one queue. */
enum enn_status enn_tun_adopt(struct enn_tun *tun, int fd, bool offload, struct enn_error *error);
enum enn_status enn_tun_set_mtu(const struct enn_tun *tun, uint16_t mtu, struct enn_error *error);
void enn_tun_close(struct enn_tun *tun);

#endif
