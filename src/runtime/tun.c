/* SPDX-License-Identifier: Apache-2.0
 *
 * TUN interfaces.
 */
#include "runtime/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

/* Linux 6.2; older headers do not have them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define DEVICE "/dev/net/tun"

/* ---- the interface's own properties -------------------------------------------------- */

static int ask(struct enn_tun *tun, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0) {
		return errno;
	}
	(void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", tun->name);
	if (ioctl(fd, request, ifr) != 0) {
		error = errno;
	}
	(void)close(fd);
	return error;
}

static int settle_mtu(struct enn_tun *tun, uint16_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};
	int error = ask(tun, mtu == 0 ? SIOCGIFMTU : SIOCSIFMTU, &ifr);

	if (error == 0) {
		tun->mtu = ifr.ifr_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)ifr.ifr_mtu;
	}
	return error;
}

/* ---- descriptors --------------------------------------------------------------------- */

/* Tries the wishes from many to few. */
static void set_offload(struct enn_tun *tun, bool none)
{
	static const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	static const unsigned wishes[] = {tcp | TUN_F_USO4 | TUN_F_USO6, tcp, TUN_F_CSUM, 0};
	size_t first = none ? ENN_ARRAY_LEN(wishes) - 1 : 0;

	for (size_t i = first; i < ENN_ARRAY_LEN(wishes); i++) {
		if (ioctl(tun->fds[0], TUNSETOFFLOAD, (unsigned long)wishes[i]) == 0) {
			tun->large_tcp = (wishes[i] & TUN_F_TSO4) != 0;
			tun->large_udp = (wishes[i] & TUN_F_USO4) != 0;
			return;
		}
	}
}

static int set_header(int fd)
{
	int size = (int)ENN_VNET_HEADER;

	return ioctl(fd, TUNSETVNETHDRSZ, &size) == 0 ? 0 : errno;
}

static int open_queue(struct enn_tun *tun, const char *name, bool several)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		return errno;
	}
	tun->fds[tun->queues++] = fd;
	if (several) {
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	}
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
		return errno;
	}
	(void)snprintf(tun->name, sizeof(tun->name), "%s", ifr.ifr_name);
	return set_header(fd);
}

static int adopt(struct enn_tun *tun, int fd)
{
	struct ifreq ifr = {.ifr_flags = 0};
	int flags = fcntl(fd, F_GETFL);

	tun->fds[tun->queues++] = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ioctl(fd, TUNGETIFF, &ifr) != 0) {
		return errno;
	}
	if ((ifr.ifr_flags & (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)) !=
	    (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)) {
		return EINVAL;
	}
	(void)snprintf(tun->name, sizeof(tun->name), "%s", ifr.ifr_name);
	return set_header(fd);
}

static int open_queues(struct enn_tun *tun, const struct enn_tun_options *options)
{
	unsigned queues = options->queues == 0 ? 1 : options->queues;
	int error = 0;

	if (options->fd > 0) {
		return adopt(tun, options->fd);
	}
	if (queues > ENN_TUN_QUEUES || options->name == NULL || options->name[0] == '\0' ||
	    strlen(options->name) >= sizeof(tun->name)) {
		return EINVAL;
	}
	for (unsigned i = 0; i < queues && error == 0; i++) {
		/* from the second on, the name that the first was given */
		error = open_queue(tun, i == 0 ? options->name : tun->name, queues > 1);
	}
	return error;
}

int enn_tun_open(struct enn_tun *tun, const struct enn_tun_options *options, const char **where)
{
	memset(tun, 0, sizeof(*tun));
	*where = options->fd > 0 ? "TUN descriptor" : DEVICE;
	int error = open_queues(tun, options);
	if (error == 0) {
		set_offload(tun, options->no_offload);
		tun->index = if_nametoindex(tun->name);
		*where = "MTU";
		error = settle_mtu(tun, options->mtu);
	}
	if (error != 0) {
		enn_tun_close(tun);
	}
	return error;
}

void enn_tun_close(struct enn_tun *tun)
{
	while (tun->queues > 0) {
		(void)close(tun->fds[--tun->queues]);
	}
}

/* ---- packets ------------------------------------------------------------------------- */

ssize_t enn_tun_read(const struct enn_tun *tun, unsigned queue, uint8_t *packet, size_t cap,
		     struct virtio_net_hdr *header)
{
	ssize_t n;

	do {
		n = read(tun->fds[queue], packet - ENN_VNET_HEADER, cap + ENN_VNET_HEADER);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	}
	if ((size_t)n <= ENN_VNET_HEADER) {
		return -EPROTO;
	}
	memcpy(header, packet - ENN_VNET_HEADER, ENN_VNET_HEADER);
	return n - (ssize_t)ENN_VNET_HEADER;
}

int enn_tun_write(const struct enn_tun *tun, unsigned queue, const struct enn_join_run *run)
{
	ssize_t n;

	do {
		n = writev(tun->fds[queue], run->iov, (int)run->count + 1);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}
