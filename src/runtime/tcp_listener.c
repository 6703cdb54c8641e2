/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening TCP sockets.
 */
#include "runtime/tcp_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/address.h"

#define BACKLOG	     1024 /* the kernel lowers it to net.core.somaxconn */
#define MOST_ACCEPTS 64	  /* of one turn */
#define REST	     (100 * ENN_MILLISECOND)

struct enn_tcp_listener {
	uv_poll_t poll;
	int fd;
	struct enn_runtime *rt;
	enn_incoming incoming;
	void *owner;
	struct enn_timer rest; /* until there may be descriptors again */
	bool paused;
	bool closed;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct enn_tcp_listener *l = poll->data;

	(void)status; /* accept finds out */
	(void)events;
	l->rt->activity++;
	for (int i = 0; i < MOST_ACCEPTS && !l->closed && !l->paused && !l->rest.armed; i++) {
		if (!l->incoming(l->owner, l)) {
			break;
		}
	}
}

static void watch(struct enn_tcp_listener *l)
{
	if (l->closed) {
		return;
	}
	if (l->paused || l->rest.armed) {
		(void)uv_poll_stop(&l->poll);
	} else {
		(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
	}
}

static void on_rested(void *owner, enn_time now)
{
	(void)now;
	watch(owner);
}

void enn_tcp_listener_pause(struct enn_tcp_listener *l, bool paused)
{
	l->paused = paused;
	watch(l);
}

void enn_tcp_listener_rest(struct enn_tcp_listener *l)
{
	if (!l->closed) {
		enn_runtime_set_timer(l->rt, &l->rest, enn_runtime_now(l->rt) + REST);
		watch(l);
	}
}

int enn_tcp_listener_accept(struct enn_tcp_listener *l, int *error)
{
	int fd;

	do {
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd >= 0) {
		return fd;
	}
	*error = uv_translate_sys_error(errno);
	if (errno != EAGAIN) { /* the connection stays: asking again at once would spin */
		enn_tcp_listener_rest(l);
	}
	return -1;
}

struct enn_runtime *enn_tcp_listener_runtime(const struct enn_tcp_listener *l)
{
	return l->rt;
}

/* ---- life ---------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct enn_tcp_listener *l = handle->data;
	struct enn_runtime *rt = l->rt;

	enn_free(&rt->env, l, sizeof(*l));
	enn_runtime_closed(rt);
}

void enn_tcp_listener_close(struct enn_tcp_listener *l)
{
	if (l->closed) {
		return;
	}
	l->closed = true;
	enn_runtime_set_timer(l->rt, &l->rest, ENN_TIME_NEVER);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	(void)close(l->fd);
	l->rt->sockets--;
}

/* A listening socket, or -1 with errno. */
static int open_socket(const struct enn_address *local, const char *interface)
{
	struct sockaddr_storage sa;
	socklen_t len = enn_address_to_sockaddr(local, &sa);
	int on = 1;
	int fd;

	if (len == 0) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((sa.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    (interface != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
					     (socklen_t)strlen(interface) + 1) != 0) ||
	    bind(fd, (const struct sockaddr *)&sa, len) != 0 || listen(fd, BACKLOG) != 0) {
		int failed = errno;
		(void)close(fd);
		errno = failed;
		return -1;
	}
	return fd;
}

enum enn_status enn_tcp_listen(struct enn_runtime *rt, const struct enn_address *local,
			       const char *interface, enn_incoming incoming, void *owner,
			       struct enn_tcp_listener **out, int *error)
{
	struct enn_tcp_listener *l;
	int fd = open_socket(local, interface);

	if (fd < 0) {
		*error = uv_translate_sys_error(errno);
		return ENN_E_SYSTEM;
	}
	l = enn_alloc(&rt->env, sizeof(*l));
	*error = l == NULL ? UV_ENOMEM : uv_poll_init(rt->uv, &l->poll, fd);
	if (*error != 0) {
		(void)close(fd);
		enn_free(&rt->env, l, sizeof(*l));
		return l == NULL ? ENN_E_MEMORY : ENN_E_SYSTEM;
	}
	enn_runtime_opened(rt);
	rt->sockets++;
	l->poll.data = l;
	l->fd = fd;
	l->rt = rt;
	l->incoming = incoming;
	l->owner = owner;
	enn_timer_init(&l->rest, on_rested, l);
	watch(l);
	*out = l;
	return ENN_OK;
}

void enn_tcp_listener_address(const struct enn_tcp_listener *l, struct enn_address *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(out, 0, sizeof(*out));
	if (getsockname(l->fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, out);
	}
}
