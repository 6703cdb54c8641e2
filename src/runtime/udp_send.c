/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending: a batch in one sendmsg that the kernel or the card cuts, or with sendmmsg where that
 * does not go.
 */
#include <errno.h>
#include <string.h>

#include "runtime/address.h"
#include "runtime/udp_internal.h"

#define MOST_SEGMENTS 64    /* UDP_MAX_SEGMENTS of the first kernels that had it */
#define MOST_BYTES    65487 /* of one UDP payload over either family */

/* How a piece is sent. What turns out not to work is left out in the next attempt. */
struct attempt {
	bool cut;     /* by the kernel */
	bool source;  /* from the address that the path names */
	bool suspect; /* that was left out to see whether it is to blame */
	bool told;    /* an error that was not about this piece has come already */
};

static size_t segment_of(const struct enn_udp *u)
{
	size_t rest = u->held.len - u->sent;

	return u->held.segment_size == 0 || u->held.segment_size > rest ? rest
									: u->held.segment_size;
}

/* How much goes in one call: some packets if they are cut, else one. */
static size_t piece_len(const struct enn_udp *u, bool cut)
{
	size_t rest = u->held.len - u->sent;
	size_t segment = segment_of(u);
	size_t most = MOST_SEGMENTS < MOST_BYTES / segment ? MOST_SEGMENTS : MOST_BYTES / segment;

	if (!cut || most <= 1) {
		return segment;
	}
	return most * segment < rest ? most * segment : rest;
}

static void fill_details(const struct enn_udp *u, const struct attempt *a, size_t segment,
			 struct enn_udp_details *d)
{
	const struct enn_batch *batch = &u->held;

	d->len = 0;
	if (segment > 0) {
		enn_udp_add_segment(d, segment);
	}
	if (batch->ecn != 0) {
		enn_udp_add_tos(d, batch->path.remote.family, batch->ecn & 3);
	}
	if (a->source) {
		enn_udp_add_source(d, &batch->path.local);
	}
}

static void count_sent(struct enn_udp *u, size_t len)
{
	size_t segment = segment_of(u);

	u->stats.out_bytes += len;
	u->stats.out_packets += (len + segment - 1) / segment;
	u->sent += len;
}

static void count_lost(struct enn_udp *u, size_t len)
{
	size_t segment = segment_of(u);

	u->stats.lost += (len + segment - 1) / segment;
	u->sent += len;
}

/* One call: one piece if the kernel cuts it, else as many packets as sendmmsg takes. Returns 0 or
 * errno, with *len the bytes that it was about. */
static int send_some(struct enn_udp *u, const struct enn_udp_socket *s, const struct attempt *a,
		     size_t *len)
{
	struct mmsghdr msgs[MOST_SEGMENTS];
	struct iovec iov[MOST_SEGMENTS];
	struct sockaddr_storage to;
	struct enn_udp_details d;
	socklen_t to_len = enn_address_to_sockaddr(&u->held.path.remote, &to);
	unsigned n = 0;
	size_t at = u->sent;

	*len = piece_len(u, a->cut);
	fill_details(u, a, *len > segment_of(u) ? segment_of(u) : 0, &d);
	while (n < MOST_SEGMENTS && at < u->held.len && (n == 0 || !a->cut)) {
		size_t rest = u->held.len - at;
		iov[n] = (struct iovec){u->held.buf + at, *len < rest ? *len : rest};
		at += iov[n].iov_len;
		msgs[n].msg_hdr = (struct msghdr){.msg_name = &to,
						  .msg_namelen = to_len,
						  .msg_iov = &iov[n],
						  .msg_iovlen = 1,
						  .msg_control = d.len > 0 ? d.bytes : NULL,
						  .msg_controllen = d.len};
		n++;
	}
	u->stats.sends++;
	int done = sendmmsg(s->fd, msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done <= 0) {
		return errno;
	}
	*len = 0;
	for (int i = 0; i < done; i++) {
		*len += iov[i].iov_len;
	}
	return 0;
}

/* What an ICMP message said about an earlier packet is told by the next call, which sends
 * nothing. */
static bool is_old_news(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EHOSTDOWN || error == EPROTO || error == ENOPROTOOPT;
}

/* Is there another way to send it? An address that is no longer ours is refused as source (EINVAL).
 * Paths whose packets are smaller than the segments refuse batches (EINVAL, EMSGSIZE), and so do
 * devices that cannot compute checksums (EIO). */
static bool try_otherwise(struct enn_udp_socket *s, struct attempt *a, int error, bool several)
{
	if (error == EINVAL && a->source) {
		a->source = false;
		a->suspect = true;
		return true;
	}
	if (several && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
		a->cut = false;
		s->segments = error != EIO;
		a->source |= a->suspect; /* it was not that */
		a->suspect = false;
		return true;
	}
	if (is_old_news(error) && !a->told) {
		a->told = true;
		return true;
	}
	return error == EINTR;
}

bool enn_udp_send_held(struct enn_udp *u)
{
	struct enn_udp_socket *s = enn_udp_socket_for(u, u->held.path.remote.family);
	struct attempt a = {.cut = s != NULL && s->segments};

	a.source = s != NULL && u->held.path.local.family == s->family &&
		   !enn_address_equal(&u->held.path.local, &s->gone);
	while (u->sent < u->held.len) {
		size_t len = u->held.len - u->sent;
		int error = s == NULL ? EAFNOSUPPORT : send_some(u, s, &a, &len);
		if (error == EAGAIN || error == EWOULDBLOCK) {
			return false;
		}
		if (error == 0) {
			count_sent(u, len);
			a.told = false;
			if (a.suspect) {
				s->gone = u->held.path.local;
			}
		} else if (s == NULL || !try_otherwise(s, &a, error, len > segment_of(u))) {
			count_lost(u, len); /* ENOBUFS too: a full queue loses packets */
		}
	}
	u->holds = false;
	return true;
}

enum enn_status enn_udp_send(struct enn_udp *u, const struct enn_batch *batch)
{
	u->held = *batch;
	u->sent = 0;
	u->holds = true;
	if (batch->len == 0 || enn_udp_send_held(u)) {
		u->holds = false;
		return ENN_OK;
	}
	enn_udp_watch(u);
	return ENN_E_AGAIN;
}

bool enn_udp_holds(const struct enn_udp *u)
{
	return u->holds;
}
