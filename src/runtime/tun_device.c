/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and describing TUN interfaces.
 */
#include "runtime/tun_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"

/* Since Linux 6.2; headers may be older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static enum enn_status fail(struct enn_error *error, const char *what, const char *name)
{
	int saved = errno;
	enum enn_status status = enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "tun",
					       "%s %s: %s", what, name, strerror(saved));

	if (error != NULL) {
		error->sys_errno = saved;
	}
	return status;
}

/* Without offloads nothing is lost but speed. */
static void set_offload(struct enn_tun *tun, bool offload)
{
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	const unsigned udp = TUN_F_USO4 | TUN_F_USO6;

	tun->segments_udp = offload;
	for (unsigned i = 0; i < tun->queues; i++) {
		if (!offload) {
			(void)ioctl(tun->fd[i], TUNSETOFFLOAD, 0);
		} else if (ioctl(tun->fd[i], TUNSETOFFLOAD, tcp | udp) != 0) {
			tun->segments_udp = false;
			(void)ioctl(tun->fd[i], TUNSETOFFLOAD, tcp);
		}
	}
}

static enum enn_status open_queue(struct enn_tun *tun, short flags, struct enn_error *error)
{
	struct ifreq request = {.ifr_flags = flags};
	int header = (int)ENN_VNET_HEADER;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		return fail(error, "cannot open", "/dev/net/tun");
	}
	memcpy(request.ifr_name, tun->name, sizeof(request.ifr_name));
	if (ioctl(fd, TUNSETIFF, &request) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) != 0) {
		(void)fail(error, "cannot make the interface", tun->name);
		(void)close(fd);
		return ENN_E_SYSTEM;
	}
	memcpy(tun->name, request.ifr_name, sizeof(tun->name));
	tun->fd[tun->queues++] = fd;
	return ENN_OK;
}

static enum enn_status describe(struct enn_tun *tun, struct enn_error *error)
{
	tun->index = if_nametoindex(tun->name);
	return tun->index == 0 ? fail(error, "cannot find the interface", tun->name) : ENN_OK;
}

enum enn_status enn_tun_open(struct enn_tun *tun, const char *name, unsigned queues, bool offload,
			     struct enn_error *error)
{
	short flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;

	memset(tun, 0, sizeof(*tun));
	if (strlen(name) >= sizeof(tun->name) || strlen(name) == 0 || queues == 0 ||
	    queues > ENN_TUN_MAX_QUEUES) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "tun",
				     "a name has 1 to 15 characters, and there are 1 to %d "
				     "queues",
				     ENN_TUN_MAX_QUEUES);
	}
	memcpy(tun->name, name, strlen(name) + 1);
	if (queues > 1) {
		flags = (short)(flags | IFF_MULTI_QUEUE);
	}
	enum enn_status status = ENN_OK;
	while (status == ENN_OK && tun->queues < queues) {
		status = open_queue(tun, flags, error);
	}
	if (status == ENN_OK) {
		set_offload(tun, offload);
		status = describe(tun, error);
	}
	if (status != ENN_OK) {
		enn_tun_close(tun);
	}
	return status;
}

enum enn_status enn_tun_adopt(struct enn_tun *tun, int fd, bool offload, struct enn_error *error)
{
	struct ifreq request;
	int header = (int)ENN_VNET_HEADER;

	memset(tun, 0, sizeof(*tun));
	memset(&request, 0, sizeof(request));
	if (ioctl(fd, TUNGETIFF, &request) != 0) {
		return fail(error, "no TUN descriptor:", "tun_fd");
	}
	if ((request.ifr_flags & IFF_VNET_HDR) == 0) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "tun",
				     "%s was opened without IFF_VNET_HDR", request.ifr_name);
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) != 0) {
		return fail(error, "cannot set the header size of", request.ifr_name);
	}
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	memcpy(tun->name, request.ifr_name, sizeof(tun->name));
	ENN_TRY(describe(tun, error));
	tun->fd[0] = fd;
	tun->queues = 1;
	set_offload(tun, offload);
	return ENN_OK;
}

enum enn_status enn_tun_set_mtu(const struct enn_tun *tun, uint16_t mtu, struct enn_error *error)
{
	struct ifreq request = {.ifr_mtu = mtu};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return fail(error, "cannot set the MTU of", tun->name);
	}
	memcpy(request.ifr_name, tun->name, sizeof(request.ifr_name));
	enum enn_status status = ENN_OK;
	if (ioctl(fd, SIOCSIFMTU, &request) != 0) {
		status = fail(error, "cannot set the MTU of", tun->name);
	}
	(void)close(fd);
	return status;
}

void enn_tun_close(struct enn_tun *tun)
{
	for (unsigned i = 0; i < tun->queues; i++) {
		(void)close(tun->fd[i]);
	}
	tun->queues = 0;
}
