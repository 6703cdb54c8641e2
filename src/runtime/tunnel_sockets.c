/* SPDX-License-Identifier: Apache-2.0
 *
 * The outer sockets of a tunnel: a batch is one sendmsg, and one recvmmsg brings
 * hundreds of packets.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "runtime/address.h"
#include "runtime/tunnel_driver.h"

#define SOCKET_BUFFER (8 << 20)

static enum enn_status fail(struct enn_error *error, const char *what)
{
	int saved = errno;
	enum enn_status status = enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "udp",
					       "%s: %s", what, strerror(saved));

	if (error != NULL) {
		error->sys_errno = saved;
	}
	return status;
}

static bool set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* Wishes: what the kernel does not grant costs speed, or a detail. */
static void set_options(struct enn_tunnel_udp *u, bool offload)
{
	if (!set_int(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER)) {
		(void)set_int(u->fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	}
	if (!set_int(u->fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER)) {
		(void)set_int(u->fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	}
	if (u->family == AF_INET) {
		(void)set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
		(void)set_int(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
		/* The inner packets have their own mind about their size; outer ones may be cut. */
		(void)set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	} else {
		(void)set_int(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		(void)set_int(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		(void)set_int(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	}
	if (offload) {
		(void)set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1);
		u->cuts = set_int(u->fd, IPPROTO_UDP, UDP_SEGMENT, 0);
	}
}

static bool bind_port(int fd, sa_family_t family, uint16_t *port)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(*port)};
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	struct enn_address address;
	int failed = family == AF_INET ? bind(fd, (const struct sockaddr *)&a4, sizeof(a4))
				       : bind(fd, (const struct sockaddr *)&a6, sizeof(a6));

	if (failed != 0 || getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
	    !enn_address_from_sockaddr((const struct sockaddr *)&bound, &address)) {
		return false;
	}
	*port = address.port;
	return true;
}

enum enn_status enn_tunnel_udp_open(struct enn_tunnel_udp *u, sa_family_t family, uint16_t *port,
				    uint32_t mark, bool offload, struct enn_error *error)
{
	u->family = family;
	u->cuts = false;
	u->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0) {
		return fail(error, "no UDP socket");
	}
	enum enn_status status = ENN_OK;
	if (family == AF_INET6 && !set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
		status = fail(error, "no IPv6 socket");
	} else if (!bind_port(u->fd, family, port)) {
		status = fail(error, "cannot bind the UDP port");
	} else if (mark != 0) {
		status = enn_tunnel_udp_set_mark(u, mark, error);
	}
	if (status != ENN_OK) {
		(void)close(u->fd);
		u->fd = -1;
		return status;
	}
	set_options(u, offload);
	return ENN_OK;
}

enum enn_status enn_tunnel_udp_set_mark(const struct enn_tunnel_udp *u, uint32_t mark,
					struct enn_error *error)
{
	if (u->fd >= 0 && setsockopt(u->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) {
		return fail(error, "cannot mark packets");
	}
	return ENN_OK;
}

/* ---- sending ----------------------------------------------------------------------------------- */

struct details {
	_Alignas(struct cmsghdr) char bytes[128];
	size_t len;
};

static void add(struct details *d, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(d->bytes + d->len);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	d->len += CMSG_SPACE(len);
}

static void describe(const struct enn_tunnel_udp *u, const struct enn_batch *batch, bool cut,
		     bool source, struct details *d)
{
	int tos = batch->ecn & 3;
	uint16_t segment = (uint16_t)batch->segment_size;

	memset(d, 0, sizeof(*d));
	if (cut) {
		add(d, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	}
	if (tos != 0) {
		add(d, u->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		    u->family == AF_INET ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	}
	if (!source || batch->path.local.family != batch->path.remote.family) {
		return;
	}
	if (u->family == AF_INET) {
		struct in_pktinfo info = {.ipi_ifindex = 0};
		memcpy(&info.ipi_spec_dst, batch->path.local.ip, 4);
		add(d, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = batch->path.local.scope};
		memcpy(&info.ipi6_addr, batch->path.local.ip, 16);
		add(d, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

/* 0 or errno. */
static int send_piece(const struct enn_tunnel_udp *u, const struct enn_batch *batch, size_t from,
		      size_t len, bool source)
{
	struct sockaddr_storage to;
	struct iovec iov = {batch->buf + from, len};
	struct details d;
	struct msghdr msg = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};

	describe(u, batch, len > batch->segment_size, source, &d);
	msg.msg_namelen = enn_address_to_sockaddr(&batch->path.remote, &to);
	msg.msg_control = d.len > 0 ? d.bytes : NULL;
	msg.msg_controllen = d.len;
	return sendmsg(u->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

static size_t piece_len(const struct enn_tunnel_udp *u, const struct enn_batch *batch, size_t done)
{
	size_t left = batch->len - done;
	size_t most = u->cuts ? MAX_SEGMENTS * batch->segment_size : batch->segment_size;

	return left < most ? left : most;
}

/* The source address that the peer was reached from may be gone. */
static bool wrong_source(int failed)
{
	return failed == EINVAL || failed == EADDRNOTAVAIL || failed == ENETUNREACH;
}

int enn_tunnel_udp_send(struct enn_tunnel_udp *u, const struct enn_batch *batch, size_t *done,
			uint64_t *calls)
{
	bool source = true;
	int lost = 0;

	while (*done < batch->len) {
		size_t len = piece_len(u, batch, *done);
		bool several = len > batch->segment_size;
		int failed = u->fd < 0 ? EAFNOSUPPORT : send_piece(u, batch, *done, len, source);
		(*calls)++;
		if (failed == EINTR) {
			continue;
		}
		if (failed == EAGAIN || failed == EWOULDBLOCK || failed == ENOBUFS) {
			return EAGAIN;
		}
		if (failed != 0 && source && wrong_source(failed) &&
		    batch->path.local.family != ENN_FAMILY_NONE) {
			source = false;
			continue;
		}
		if (several && (failed == EIO || failed == EINVAL || failed == EMSGSIZE)) {
			u->cuts = false; /* this device or path does not do it */
			continue;
		}
		lost = failed;
		*done += len;
	}
	return lost;
}

/* ---- receiving --------------------------------------------------------------------------------- */

static void read_details(struct msghdr *msg, struct enn_tunnel_received *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		int value = 0;
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			out->segment = value > 0 ? (size_t)value : out->len;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			out->ecn = *CMSG_DATA(c) & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			out->ecn = (uint8_t)(value & 3);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(out->path.local.ip, &info.ipi_addr, 4);
			out->path.local.family = ENN_FAMILY_IPV4;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(out->path.local.ip, &info.ipi6_addr, 16);
			out->path.local.scope = out->path.remote.scope;
			out->path.local.family = ENN_FAMILY_IPV6;
		}
	}
}

int enn_tunnel_udp_receive(const struct enn_tunnel_udp *u, uint8_t *buffers,
			   struct enn_tunnel_received *out)
{
	struct mmsghdr messages[RECEIVE_SLOTS];
	struct iovec iov[RECEIVE_SLOTS];
	struct sockaddr_storage from[RECEIVE_SLOTS];
	_Alignas(struct cmsghdr) char details[RECEIVE_SLOTS][128];

	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < RECEIVE_SLOTS; i++) {
		iov[i] = (struct iovec){buffers + i * RECEIVE_SLOT, RECEIVE_SLOT};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = details[i],
			.msg_controllen = sizeof(details[i]),
		};
	}
	int n;
	do { /* an error is news of an earlier packet, told once */
		n = recvmmsg(u->fd, messages, RECEIVE_SLOTS, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF);
	for (int i = 0; i < n; i++) {
		out[i] = (struct enn_tunnel_received){
			.data = buffers + (size_t)i * RECEIVE_SLOT,
			.len = messages[i].msg_len,
			.segment = messages[i].msg_len,
		};
		(void)enn_address_from_sockaddr((const struct sockaddr *)&from[i],
						&out[i].path.remote);
		read_details(&messages[i].msg_hdr, &out[i]);
	}
	return n < 0 ? 0 : n;
}
