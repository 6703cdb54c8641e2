/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP sockets for drivers: opening, receiving and waiting. Sending is in
 * datagram_send.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/address.h"
#include "runtime/datagram_internal.h"
#include "runtime/udp_details.h"

/* The system's default is made for single packets; a batch is many. */
#define SOCKET_BUFFER (2 * 1024 * 1024)
/* Below this a fresh block is received into at once. */
#define LEAST_ROOM ((size_t)2048)

/* <linux/in6.h>, which cannot be included beside <netinet/in.h> */
#define IPV6_ADDRESS_PREFERENCES 72
#define PREFER_SOURCE_TEMPORARY	 0x0001
#define PREFER_SOURCE_PUBLIC	 0x0002

/* ---- waiting ------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

void enn_datagram_watch(struct enn_datagram_socket *s)
{
	int events = 0;

	if (s->closing) {
		return;
	}
	events |= s->reading ? UV_READABLE : 0;
	events |= s->pending != NULL || s->waiters != NULL ? UV_WRITABLE : 0;
	if (events == s->watched) {
		return;
	}
	s->watched = events;
	if (events == 0) {
		(void)uv_poll_stop(&s->poll);
	} else {
		(void)uv_poll_start(&s->poll, events, on_poll);
	}
}

void enn_datagram_read(struct enn_datagram_socket *s, bool on)
{
	s->reading = on;
	enn_datagram_watch(s);
}

void enn_datagram_wait(struct enn_datagram_socket *s, struct enn_datagram_waiter *w)
{
	struct enn_datagram_waiter **link = &s->waiters;

	if (w->link != NULL) {
		return;
	}
	if (s->waiters != NULL) {
		link = s->waiters_tail;
	}
	w->next = NULL;
	w->link = link;
	*link = w;
	s->waiters_tail = &w->next;
	w->socket = s;
	enn_datagram_watch(s);
}

void enn_datagram_forget(struct enn_datagram_waiter *w)
{
	if (w->link == NULL) {
		return;
	}
	*w->link = w->next;
	if (w->next != NULL) {
		w->next->link = w->link;
	} else {
		w->socket->waiters_tail = w->link;
	}
	w->link = NULL;
	w->next = NULL;
}

/* Each once: those who come back, or come to wait meanwhile, are served next time. */
static void serve_waiters(struct enn_datagram_socket *s)
{
	const struct enn_datagram_waiter *served = NULL;

	while (s->waiters != NULL && s->waiters != served && s->pending == NULL) {
		struct enn_datagram_waiter *w = s->waiters;
		enn_datagram_forget(w);
		w->ready(w->owner);
		if (served == NULL && w->link != NULL) {
			served = w;
		}
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct enn_datagram_socket *s = poll->data;

	s->rt->activity++;
	if (status < 0) { /* an error: receiving finds out which, and libuv has stopped polling */
		events = UV_READABLE | UV_WRITABLE;
		s->watched = 0;
	}
	if ((events & UV_WRITABLE) != 0) {
		if (s->pending != NULL) {
			enn_datagram_write_more(s);
		}
		serve_waiters(s);
	}
	if ((events & UV_READABLE) != 0 && s->reading && !s->closing) {
		s->ops->readable(s->owner, s);
	}
	enn_datagram_watch(s);
}

/* ---- opening ------------------------------------------------------------------------- */

/* Options are wishes: one that the system does not grant changes nothing. */
static bool set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

void enn_datagram_set_options(struct enn_datagram_socket *s,
			      const struct enn_socket_options *options)
{
	uint64_t rate = options->pacing == 0 ? UINT64_MAX : options->pacing;

	if (options->dscp != s->dscp) {
		s->dscp = options->dscp;
		(void)set_int(s->fd, IPPROTO_IP, IP_TOS, options->dscp << 2);
		(void)set_int(s->fd, IPPROTO_IPV6, IPV6_TCLASS, options->dscp << 2);
	}
	if (options->pacing != 0 || s->paced) {
		s->paced = true;
		(void)setsockopt(s->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
	}
}

static void ask_for_details(struct enn_datagram_socket *s)
{
	enn_udp_want_details(s->fd, s->family);
	(void)set_int(s->fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	(void)set_int(s->fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	(void)set_int(s->fd, IPPROTO_UDP, UDP_GRO, 1);
	/* Asking is the way to know whether the kernel has it: 0 switches nothing on. */
	s->segments = set_int(s->fd, IPPROTO_UDP, UDP_SEGMENT, 0);
}

/* 0 or errno. */
static int bind_socket(const struct enn_datagram_socket *s,
		       const struct enn_socket_options *options)
{
	struct sockaddr_storage sa;
	socklen_t len = enn_address_to_sockaddr(&options->local, &sa);

	if (s->family == ENN_FAMILY_IPV6 && !set_int(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
		return errno;
	}
	if (options->interface != NULL &&
	    setsockopt(s->fd, SOL_SOCKET, SO_BINDTODEVICE, options->interface,
		       (socklen_t)strlen(options->interface) + 1) != 0) {
		return errno;
	}
	if (options->temporary != 0 && s->family == ENN_FAMILY_IPV6) {
		(void)set_int(s->fd, IPPROTO_IPV6, IPV6_ADDRESS_PREFERENCES,
			      options->temporary > 0 ? PREFER_SOURCE_TEMPORARY
						     : PREFER_SOURCE_PUBLIC);
	}
	return len == 0 || bind(s->fd, (const struct sockaddr *)&sa, len) == 0 ? 0 : errno;
}

/* 0 or errno. */
static int set_up(struct enn_datagram_socket *s, const struct enn_address *remote,
		  const struct enn_socket_options *options)
{
	struct sockaddr_storage sa;
	socklen_t len = remote == NULL ? 0 : enn_address_to_sockaddr(remote, &sa);
	int failed = bind_socket(s, options);

	if (failed != 0) {
		return failed;
	}
	if (len > 0 && connect(s->fd, (const struct sockaddr *)&sa, len) != 0) {
		return errno;
	}
	s->connected = len > 0;
	ask_for_details(s);
	enn_datagram_set_options(s, options);
	enn_datagram_path(s, &s->path);
	return 0;
}

static int new_fd(uint8_t family)
{
	if (family != ENN_FAMILY_IPV4 && family != ENN_FAMILY_IPV6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return socket(family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6,
		      SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

enum enn_status enn_datagram_open(struct enn_runtime *rt, const struct enn_datagram_ops *ops,
				  void *owner, uint64_t account, const struct enn_address *remote,
				  const struct enn_socket_options *options,
				  struct enn_datagram_socket **out, int *error)
{
	uint8_t family = remote != NULL ? remote->family : options->local.family;
	struct enn_datagram_socket *s;
	int fd = new_fd(family);

	if (fd < 0) {
		*error = uv_translate_sys_error(errno);
		return ENN_E_SYSTEM;
	}
	s = enn_alloc(&rt->env, sizeof(*s));
	if (s == NULL) {
		(void)close(fd);
		*error = UV_ENOMEM;
		return ENN_E_MEMORY;
	}
	s->fd = fd;
	s->family = family;
	s->rt = rt;
	s->ops = ops;
	s->owner = owner;
	s->account = account;
	*error = uv_translate_sys_error(set_up(s, remote, options));
	if (*error == 0) {
		*error = uv_poll_init(rt->uv, &s->poll, fd);
	}
	if (*error != 0) {
		(void)close(fd);
		enn_free(&rt->env, s, sizeof(*s));
		return ENN_E_SYSTEM;
	}
	s->poll.data = s;
	enn_runtime_opened(rt);
	rt->sockets++;
	*out = s;
	return ENN_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct enn_datagram_socket *s = handle->data;
	struct enn_runtime *rt = s->rt;

	enn_free(&rt->env, s, sizeof(*s));
	enn_runtime_closed(rt);
}

void enn_datagram_close(struct enn_datagram_socket *s)
{
	s->closing = true;
	while (s->waiters != NULL) {
		enn_datagram_forget(s->waiters);
	}
	enn_block_release(s->pending);
	s->pending = NULL;
	uv_close((uv_handle_t *)&s->poll, on_closed); /* stops polling: the descriptor can go now */
	(void)close(s->fd);
	s->rt->sockets--;
}

void enn_datagram_path(const struct enn_datagram_socket *s, struct enn_path *path)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(path, 0, sizeof(*path));
	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->local);
	}
	len = sizeof(sa);
	if (s->connected && getpeername(s->fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->remote);
	}
}

const struct enn_address *enn_datagram_local(const struct enn_datagram_socket *s)
{
	return &s->path.local;
}

/* ---- receiving ----------------------------------------------------------------------- */

/* Something lies in both blocks: all of it goes into the second, which takes the place of the
 * first. */
static void join(struct enn_block **block, struct enn_block *spare, size_t len)
{
	struct enn_block *full = *block;
	size_t head = enn_block_left(full);

	memmove(spare->data + head, spare->data, len - head);
	memcpy(spare->data, full->data + full->used, head);
	enn_block_charge(spare, full->owner);
	enn_block_release(full);
	*block = spare;
}

/* A block to receive to, and one for what may not fit it; a datagram never takes more than one. */
static bool make_room(struct enn_datagram_socket *s, struct enn_block **block,
		      struct enn_block **spare)
{
	struct enn_pool *pool = &s->rt->read_pool;

	*spare = NULL;
	if (*block != NULL && enn_block_left(*block) < LEAST_ROOM) {
		enn_block_release(*block);
		*block = NULL;
	}
	if (*block == NULL) {
		*block = enn_block_new(pool, s->account);
		return *block != NULL;
	}
	if ((*block)->used == 0) {
		return true;
	}
	*spare = enn_block_new(pool, 0);
	return *spare != NULL;
}

enum enn_status enn_datagram_receive(struct enn_datagram_socket *s, struct enn_block **block,
				     struct enn_datagram_run *run, int *error)
{
	struct sockaddr_storage from;
	struct enn_udp_details details;
	struct enn_block *spare;
	struct iovec iov[2];
	ssize_t n;

	if (!make_room(s, block, &spare)) {
		return ENN_E_MEMORY;
	}
	iov[0] = (struct iovec){(*block)->data + (*block)->used, enn_block_left(*block)};
	if (spare != NULL) {
		iov[1] = (struct iovec){spare->data, spare->cap};
	}
	struct msghdr msg = {.msg_name = s->connected ? NULL : &from,
			     .msg_namelen = s->connected ? 0 : sizeof(from),
			     .msg_iov = iov,
			     .msg_iovlen = spare == NULL ? 1 : 2,
			     .msg_control = details.bytes,
			     .msg_controllen = sizeof(details.bytes)};
	do {
		n = recvmsg(s->fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && spare != NULL && (size_t)n > enn_block_left(*block)) {
		join(block, spare, (size_t)n);
	} else {
		enn_block_release(spare);
	}
	if (n < 0) {
		*error = uv_translate_sys_error(errno);
		return *error == UV_EAGAIN ? ENN_E_AGAIN : ENN_E_SYSTEM;
	}
	*run = (struct enn_datagram_run){.data = (*block)->data + (*block)->used,
					 .len = (size_t)n,
					 .segment = (size_t)n,
					 .path = s->path};
	if (!s->connected &&
	    !enn_address_from_sockaddr((const struct sockaddr *)&from, &run->path.remote)) {
		run->len = 0;
	}
	enn_udp_read_details(&msg, &run->path.local, &run->ecn, &run->segment);
	return ENN_OK;
}

size_t enn_datagram_slice(struct enn_datagram_run *run, struct enn_packet *packets, size_t n)
{
	size_t count = 0;

	while (count < n && run->len > 0) {
		size_t len = run->segment < run->len ? run->segment : run->len;
		packets[count++] =
			(struct enn_packet){.data = run->data, .len = len, .ecn = run->ecn};
		run->data += len;
		run->len -= len;
	}
	return count;
}
