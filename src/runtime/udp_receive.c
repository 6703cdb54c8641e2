/* SPDX-License-Identifier: Apache-2.0
 *
 * Receiving: many messages a call, each of which may be many packets.
 */
#include <errno.h>
#include <string.h>

#include "runtime/address.h"
#include "runtime/udp_internal.h"

/* So much is received at once that it is still in the second level cache when it is worked on. */
#define GOOD_READ ((size_t)131072)
/* In a row, before the socket is left alone until the next time. */
#define MOST_ERRORS 16

/* What recvmmsg fills in. */
struct call {
	struct mmsghdr msgs[ENN_UDP_MESSAGES];
	struct iovec iov[ENN_UDP_MESSAGES];
	struct sockaddr_storage from[ENN_UDP_MESSAGES];
	struct enn_udp_details details[ENN_UDP_MESSAGES];
};

static uint8_t *buffer(const struct enn_udp *u, unsigned i)
{
	return u->buffers + i * ENN_UDP_BUFFER;
}

static void prepare(const struct enn_udp *u, struct call *call)
{
	for (unsigned i = 0; i < u->width; i++) {
		call->iov[i] = (struct iovec){buffer(u, i), ENN_UDP_BUFFER};
		call->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &call->from[i],
			.msg_namelen = sizeof(call->from[i]),
			.msg_iov = &call->iov[i],
			.msg_iovlen = 1,
			.msg_control = call->details[i].bytes,
			.msg_controllen = sizeof(call->details[i].bytes),
		};
	}
}

static void note(struct enn_udp *u, struct mmsghdr *msg, struct enn_udp_message *m)
{
	struct enn_udp_socket *s = u->from;
	size_t len = msg->msg_len;

	*m = (struct enn_udp_message){.len = len, .segment = len};
	m->path.local.family = s->family;
	m->path.local.port = s->port;
	if (!enn_address_from_sockaddr(msg->msg_hdr.msg_name, &m->path.remote)) {
		m->len = 0;
		return;
	}
	enn_udp_read_details(&msg->msg_hdr, &m->path.local, &m->ecn, &m->segment);
	if (s->gone.family != ENN_FAMILY_NONE && enn_address_equal(&s->gone, &m->path.local)) {
		s->gone.family = ENN_FAMILY_NONE; /* it is ours again */
	}
	u->stats.in_bytes += len;
	u->stats.in_packets += m->segment == 0 ? 1 : (len + m->segment - 1) / m->segment;
}

/* Many small messages or few large ones. */
static void adapt(struct enn_udp *u, unsigned count, size_t bytes)
{
	if (bytes > GOOD_READ && u->width > 2) {
		u->width /= 2;
	} else if (count == u->width && bytes <= GOOD_READ / 2 && u->width < ENN_UDP_MESSAGES) {
		u->width *= 2;
	}
}

/* An error is what an ICMP message said of an earlier packet. It is told once, and is no news: who
 * wrote it is not known. */
static int receive(struct enn_udp *u, struct call *call)
{
	int n = -1;

	for (int i = 0; i < MOST_ERRORS && n < 0; i++) {
		u->stats.receives++;
		n = recvmmsg(u->from->fd, call->msgs, u->width, MSG_DONTWAIT, NULL);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			break;
		}
	}
	return n;
}

bool enn_udp_receive(struct enn_udp *u)
{
	struct call call;
	size_t bytes = 0;

	if (u->from == NULL || u->dry) {
		return false; /* if there is more by now, the loop says so */
	}
	prepare(u, &call);
	int n = receive(u, &call);
	u->next = 0;
	u->count = n < 0 ? 0 : (unsigned)n;
	u->dry = u->count < u->width;
	for (unsigned i = 0; i < u->count; i++) {
		note(u, &call.msgs[i], &u->messages[i]);
		bytes += u->messages[i].len;
	}
	adapt(u, u->count, bytes);
	return n > 0;
}

static bool same_path(const struct enn_path *a, const struct enn_path *b)
{
	return enn_address_equal(&a->remote, &b->remote) && enn_address_equal(&a->local, &b->local);
}

static size_t cut(struct enn_udp *u, struct enn_udp_message *m, struct enn_packet *packets,
		  size_t cap)
{
	uint8_t *data = buffer(u, u->next);
	size_t n = 0;

	while (n < cap && m->taken < m->len) {
		size_t left = m->len - m->taken;
		size_t len = m->segment < left ? m->segment : left;
		packets[n++] = (struct enn_packet){data + m->taken, len, m->ecn};
		m->taken += len;
	}
	return n;
}

size_t enn_udp_take(struct enn_udp *u, struct enn_path *path, struct enn_packet *packets,
		    size_t cap)
{
	size_t n = 0;

	while (u->next < u->count && n < cap) {
		struct enn_udp_message *m = &u->messages[u->next];
		if (m->taken == m->len) { /* also one that was empty */
			u->next++;
			continue;
		}
		if (n > 0 && !same_path(&m->path, path)) {
			break;
		}
		*path = m->path;
		n += cut(u, m, packets + n, cap - n);
	}
	return n;
}
