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

static const struct enn_batch *current(const struct enn_udp *u)
{
	return &u->held[u->sending];
}

/* How a piece is sent. What turns out not to work is left out in the next attempt. */
struct attempt {
	bool cut;     /* by the kernel */
	bool source;  /* from the address that the path names */
	bool suspect; /* that was left out to see whether it is to blame */
	bool told;    /* an error that was not about this piece has come already */
};

static size_t segment_of(const struct enn_udp *u)
{
	const struct enn_batch *batch = current(u);
	size_t rest = batch->len - u->sent;

	return batch->segment_size == 0 || batch->segment_size > rest ? rest : batch->segment_size;
}

/* How much goes in one call: some packets if they are cut, else one. */
static size_t piece_len(const struct enn_udp *u, bool cut)
{
	size_t rest = current(u)->len - u->sent;
	size_t segment = segment_of(u);
	size_t most = MOST_SEGMENTS < MOST_BYTES / segment ? MOST_SEGMENTS : MOST_BYTES / segment;

	if (!cut || most <= 1) {
		return segment;
	}
	return most * segment < rest ? most * segment : rest;
}

static void fill_details(const struct enn_batch *batch, const struct attempt *a, size_t segment,
			 struct enn_udp_details *d)
{
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

static struct mmsghdr message(struct sockaddr_storage *to, socklen_t to_len, struct iovec *iov,
			      struct enn_udp_details *d)
{
	return (struct mmsghdr){.msg_hdr = {.msg_name = to,
					    .msg_namelen = to_len,
					    .msg_iov = iov,
					    .msg_iovlen = 1,
					    .msg_control = d->len > 0 ? d->bytes : NULL,
					    .msg_controllen = d->len}};
}

static int call(struct enn_udp *u, const struct enn_udp_socket *s, struct mmsghdr *msgs, unsigned n)
{
	u->stats.sends++;
	return sendmmsg(s->fd, msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One call: one piece if the kernel cuts it, else as many packets as sendmmsg takes. Returns 0 or
 * errno, with *len the bytes that it was about. */
static int send_some(struct enn_udp *u, const struct enn_udp_socket *s, const struct attempt *a,
		     size_t *len)
{
	const struct enn_batch *batch = current(u);
	struct mmsghdr msgs[MOST_SEGMENTS];
	struct iovec iov[MOST_SEGMENTS];
	struct sockaddr_storage to;
	struct enn_udp_details d;
	socklen_t to_len = enn_address_to_sockaddr(&batch->path.remote, &to);
	unsigned n = 0;
	size_t at = u->sent;

	*len = piece_len(u, a->cut);
	fill_details(batch, a, *len > segment_of(u) ? segment_of(u) : 0, &d);
	while (n < MOST_SEGMENTS && at < batch->len && (n == 0 || !a->cut)) {
		size_t rest = batch->len - at;
		iov[n] = (struct iovec){batch->buf + at, *len < rest ? *len : rest};
		at += iov[n].iov_len;
		msgs[n] = message(&to, to_len, &iov[n], &d);
		n++;
	}
	int done = call(u, s, msgs, n);
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

/* An address that is no longer ours: what the kernel says to it depends on its version. */
static bool refuses_source(int error)
{
	return error == EINVAL || error == ENETUNREACH || error == EADDRNOTAVAIL;
}

/* Is there another way to send it? Without the source that the path names; or one by one: paths
 * whose packets are smaller than the segments refuse batches (EINVAL, EMSGSIZE), and so do devices
 * that cannot compute checksums (EIO). */
static bool try_otherwise(struct enn_udp_socket *s, struct attempt *a, int error, bool several)
{
	if (refuses_source(error) && a->source) {
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

static bool may_use_source(const struct enn_udp_socket *s, const struct enn_batch *batch)
{
	return batch->path.local.family == s->family &&
	       !enn_address_equal(&batch->path.local, &s->gone);
}

/* The rest of the current batch. False: the socket is full. */
static bool send_batch(struct enn_udp *u)
{
	const struct enn_batch *batch = current(u);
	struct enn_udp_socket *s = enn_udp_socket_for(u, batch->path.remote.family);
	struct attempt a = {.cut = s != NULL && s->segments};

	a.source = s != NULL && may_use_source(s, batch);
	while (u->sent < batch->len) {
		size_t len = batch->len - u->sent;
		int error = s == NULL ? EAFNOSUPPORT : send_some(u, s, &a, &len);
		if (error == EAGAIN || error == EWOULDBLOCK) {
			return false;
		}
		if (error == 0) {
			count_sent(u, len);
			a.told = false;
			if (a.suspect) {
				s->gone = batch->path.local;
			}
		} else if (s == NULL || !try_otherwise(s, &a, error, len > segment_of(u))) {
			count_lost(u, len); /* ENOBUFS too: a full queue loses packets */
		}
	}
	return true;
}

static bool is_single(const struct enn_batch *batch)
{
	return batch->segment_size == 0 || batch->segment_size >= batch->len;
}

/* Single packets, each for somebody else, as far as they go without trouble. */
static void send_singles(struct enn_udp *u)
{
	struct enn_udp_socket *s = enn_udp_socket_for(u, current(u)->path.remote.family);
	struct mmsghdr msgs[ENN_UDP_BATCHES];
	struct iovec iov[ENN_UDP_BATCHES];
	struct sockaddr_storage to[ENN_UDP_BATCHES];
	struct enn_udp_details d[ENN_UDP_BATCHES];
	unsigned n = 0;

	while (s != NULL && u->sent == 0 && u->sending + n < u->held_count) {
		const struct enn_batch *batch = current(u) + n;
		struct attempt a = {.source = may_use_source(s, batch)};
		if (!is_single(batch) || batch->path.remote.family != s->family) {
			break;
		}
		iov[n] = (struct iovec){batch->buf, batch->len};
		fill_details(batch, &a, 0, &d[n]);
		msgs[n] = message(&to[n], enn_address_to_sockaddr(&batch->path.remote, &to[n]),
				  &iov[n], &d[n]);
		n++;
	}
	int done = n < 2 ? 0 : call(u, s, msgs, n);
	for (int i = 0; i < done; i++) {
		count_sent(u, current(u)->len);
		u->sending++;
		u->sent = 0;
	}
}

bool enn_udp_send_held(struct enn_udp *u)
{
	while (u->sending < u->held_count) {
		send_singles(u);
		if (u->sending <
		    u->held_count) { /* the first that did not go, or is another kind */
			if (!send_batch(u)) {
				return false;
			}
			u->sending++;
			u->sent = 0;
		}
	}
	u->held_count = u->sending = 0;
	return true;
}

enum enn_status enn_udp_send(struct enn_udp *u, const struct enn_batch *batches, size_t count)
{
	memcpy(u->held, batches, count * sizeof(*batches));
	u->held_count = count;
	u->sending = 0;
	u->sent = 0;
	if (enn_udp_send_held(u)) {
		return ENN_OK;
	}
	enn_udp_watch(u);
	return ENN_E_AGAIN;
}

bool enn_udp_holds(const struct enn_udp *u)
{
	return u->held_count > 0;
}
