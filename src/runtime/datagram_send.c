/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending batches of equal packets: one sendmsg with UDP_SEGMENT where kernel and
 * device can cut them, otherwise one for each.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/address.h"
#include "runtime/datagram_internal.h"
#include "runtime/udp_details.h"

#define MOST_SEGMENTS 64    /* UDP_MAX_SEGMENTS of the first kernels that had it */
#define MOST_BYTES    65487 /* of one UDP payload over either family */

static void fill_details(const struct enn_datagram_socket *s, size_t segment,
			 struct enn_udp_details *d)
{
	const struct enn_batch *batch = &s->batch;

	memset(d, 0, sizeof(*d));
	if (segment > 0) {
		enn_udp_add_segment(d, segment);
	}
	if (batch->ecn != 0) {
		enn_udp_add_tos(d, s->family, (uint8_t)(s->dscp << 2 | (batch->ecn & 3)));
	}
	/* From which of our addresses, on a socket that has several. */
	if (!s->connected && batch->path.local.family == s->family) {
		enn_udp_add_source(d, &batch->path.local);
	}
}

/* 0 or errno. segment 0: one packet. */
static int send_piece(const struct enn_datagram_socket *s, uint8_t *data, size_t len,
		      size_t segment)
{
	struct iovec iov = {data, len};
	struct sockaddr_storage to;
	struct enn_udp_details d;

	fill_details(s, segment, &d);
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = d.len > 0 ? d.bytes : NULL,
			     .msg_controllen = d.len};
	if (!s->connected) {
		msg.msg_name = &to;
		msg.msg_namelen = enn_address_to_sockaddr(&s->batch.path.remote, &to);
	}
	return sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

/* How much of the rest may go in one call. */
static size_t piece_len(const struct enn_datagram_socket *s, bool cut)
{
	size_t rest = s->batch.len - s->written;
	size_t segment = s->batch.segment_size == 0 ? rest : s->batch.segment_size;
	size_t most = MOST_SEGMENTS < MOST_BYTES / segment ? MOST_SEGMENTS : MOST_BYTES / segment;

	if (!cut || most <= 1) {
		return segment < rest ? segment : rest;
	}
	return most * segment < rest ? most * segment : rest;
}

/* Devices that cannot compute checksums refuse batches (EIO), and so do paths whose packets are
 * smaller than the segments (EINVAL, EMSGSIZE). */
static bool refuses_batches(int error)
{
	return error == EIO || error == EINVAL || error == EMSGSIZE;
}

/* What an ICMP message said about an earlier packet is told by the next call, which sends
 * nothing. */
static bool is_old_news(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EHOSTDOWN || error == EPROTO || error == ENOPROTOOPT;
}

/* Sends what it can of the batch; false: the socket is full. *lost: errno of packets that were
 * lost, or 0. */
static bool send_batch(struct enn_datagram_socket *s, int *lost)
{
	bool cut = s->segments;
	bool again = false;

	while (s->written < s->batch.len) {
		size_t len = piece_len(s, cut);
		bool several = len > s->batch.segment_size && s->batch.segment_size > 0;
		int failed = send_piece(s, s->batch.buf + s->written, len,
					several ? s->batch.segment_size : 0);
		if (failed == EAGAIN || failed == EWOULDBLOCK) {
			return false;
		}
		if (failed == EINTR) {
			continue;
		}
		if (several && refuses_batches(failed)) {
			cut = false; /* this batch goes piece by piece */
			s->segments = failed != EIO;
			continue;
		}
		if (failed != 0) {
			*lost = failed;
			if (is_old_news(failed) && !again) {
				again = true;
				continue;
			}
		}
		again = false;
		s->written += len;
	}
	return true;
}

int enn_datagram_write(struct enn_datagram_socket *s, struct enn_block *block,
		       const struct enn_batch *batch)
{
	int lost = 0;

	s->batch = *batch;
	s->written = 0;
	if (send_batch(s, &lost)) {
		enn_block_release(block);
	} else {
		s->pending = block;
		enn_datagram_watch(s);
	}
	return lost == 0 ? 0 : uv_translate_sys_error(lost);
}

void enn_datagram_write_more(struct enn_datagram_socket *s)
{
	int lost = 0; /* nobody is there to be told: the next write meets the same */

	if (send_batch(s, &lost)) {
		struct enn_block *block = s->pending;
		s->pending = NULL;
		enn_block_release(block);
	}
}

bool enn_datagram_full(const struct enn_datagram_socket *s)
{
	return s->pending != NULL;
}

size_t enn_datagram_unwritten(const struct enn_datagram_socket *s)
{
	return s->pending == NULL ? 0 : s->batch.len - s->written;
}
