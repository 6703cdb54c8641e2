/* SPDX-License-Identifier: Apache-2.0
 *
 * Control messages of UDP sockets.
 */
#include "runtime/udp_details.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

static void add(struct enn_udp_details *d, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(d->bytes + d->len);

	memset(c, 0, CMSG_SPACE(len)); /* the padding too: the kernel copies it */
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	d->len += CMSG_SPACE(len);
}

void enn_udp_add_segment(struct enn_udp_details *d, size_t segment)
{
	uint16_t size = (uint16_t)segment;

	add(d, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
}

void enn_udp_add_tos(struct enn_udp_details *d, uint8_t family, uint8_t tos)
{
	int value = tos;

	if (family == ENN_FAMILY_IPV4) {
		add(d, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	} else {
		add(d, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
	}
}

void enn_udp_add_source(struct enn_udp_details *d, const struct enn_address *source)
{
	if (source->family == ENN_FAMILY_IPV4) {
		struct in_pktinfo info = {.ipi_ifindex = 0};
		memcpy(&info.ipi_spec_dst, source->ip, 4);
		add(d, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = source->scope};
		memcpy(&info.ipi6_addr, source->ip, 16);
		add(d, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void read_source(const struct cmsghdr *c, struct enn_address *local)
{
	if (c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(local->ip, &info.ipi_addr, 4);
	}
}

static void read_source6(const struct cmsghdr *c, struct enn_address *local)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	memcpy(local->ip, &info.ipi6_addr, 16);
	/* only these need it, and it would tie the answers to one interface */
	local->scope = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? (uint32_t)info.ipi6_ifindex : 0;
}

void enn_udp_read_details(struct msghdr *msg, struct enn_address *local, uint8_t *ecn,
			  size_t *segment)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		int value = 0;
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			*segment = value > 0 ? (size_t)value : *segment;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			*ecn = *CMSG_DATA(c) & 3; /* one byte here, four when sent */
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			*ecn = (uint8_t)(value & 3);
		} else if (c->cmsg_level == IPPROTO_IP) {
			read_source(c, local);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			read_source6(c, local);
		}
	}
}

void enn_udp_want_details(int fd, uint8_t family)
{
	const int on = 1;

	if (family == ENN_FAMILY_IPV4) {
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	} else {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
}
