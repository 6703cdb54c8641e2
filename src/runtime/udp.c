/* SPDX-License-Identifier: Apache-2.0
 *
 * Ports: opening, binding anew, waiting.
 */
#include "runtime/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/address.h"
#include "runtime/pool.h"
#include "runtime/udp_internal.h"

/* Some tens of the largest datagrams with what the kernel adds: the time of a few turns. */
#define SOCKET_BUFFER (8 * 1024 * 1024)
/* How often both families are tried for the same port of the system's choice. */
#define PORT_TRIES 50

static const uint8_t families[2] = {ENN_FAMILY_IPV4, ENN_FAMILY_IPV6};

/* ---- waiting ------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

void enn_udp_watch(struct enn_udp *u)
{
	for (size_t i = 0; i < 2; i++) {
		struct enn_udp_socket *s = u->sockets[i];
		if (s == NULL) {
			continue;
		}
		int events = u->reading ? UV_READABLE : 0;
		if (enn_udp_holds(u) && u->held[u->sending].path.remote.family == s->family) {
			events |= UV_WRITABLE;
		}
		if (events == s->watched) {
			continue;
		}
		s->watched = events;
		if (events == 0) {
			(void)uv_poll_stop(&s->poll);
		} else {
			(void)uv_poll_start(&s->poll, events, on_poll);
		}
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct enn_udp_socket *s = poll->data;
	struct enn_udp *u = s->udp;

	if (status <
	    0) { /* an error of the socket: the next call learns of it; libuv has stopped */
		events = UV_READABLE | UV_WRITABLE;
		s->watched = 0;
	}
	if ((events & UV_WRITABLE) != 0 && enn_udp_holds(u) && enn_udp_send_held(u)) {
		u->ops->writable(u->owner);
	}
	if ((events & UV_READABLE) != 0 && s->udp != NULL && u->reading) {
		u->from = s;
		u->dry = false;
		u->ops->readable(u->owner);
	}
	if (s->udp != NULL) {
		u->from = NULL;
		enn_udp_watch(u);
	}
}

void enn_udp_read(struct enn_udp *u, bool on)
{
	u->reading = on;
	enn_udp_watch(u);
}

/* ---- one socket ---------------------------------------------------------------------- */

static bool set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static void set_buffers(int fd)
{
	/* beyond the system's limit only with privileges */
	if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER)) {
		(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	}
	if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER)) {
		(void)set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	}
}

static int set_mark(int fd, uint32_t mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 ? 0 : errno;
}

/* 0 or errno; *port is what it is bound to. */
static int bind_fd(int fd, uint8_t family, uint16_t *port)
{
	struct enn_address any = {.family = family, .port = *port};
	struct sockaddr_storage sa;
	socklen_t len = enn_address_to_sockaddr(&any, &sa);

	if (bind(fd, (const struct sockaddr *)&sa, len) != 0) {
		return errno;
	}
	len = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
	    !enn_address_from_sockaddr((const struct sockaddr *)&sa, &any)) {
		return errno;
	}
	*port = any.port;
	return 0;
}

/* 0 or errno. */
static int open_fd(const struct enn_udp_options *options, uint8_t family, uint16_t *port, int *out)
{
	int fd = socket(family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0) {
		return errno;
	}
	if (family == ENN_FAMILY_IPV6 && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
		error = errno;
	}
	if (error == 0 && options->mark != 0) {
		error = set_mark(fd, options->mark);
	}
	if (error == 0) {
		error = bind_fd(fd, family, port);
	}
	if (error != 0) {
		(void)close(fd);
		return error;
	}
	set_buffers(fd);
	if (family == ENN_FAMILY_IPV4) {
		/* fragments are better than packets that vanish, and an ICMP message that shrinks
		 * the path would have to be believed */
		(void)set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	}
	enn_udp_want_details(fd, family);
	*out = fd;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct enn_udp_socket *s = handle->data;

	enn_free(s->env, s, sizeof(*s));
}

static void close_socket(struct enn_udp_socket *s)
{
	if (s != NULL) {
		if (s->udp->from == s) {
			s->udp->from = NULL;
		}
		s->udp = NULL;
		uv_close((uv_handle_t *)&s->poll, on_closed); /* stops polling */
		(void)close(s->fd);
	}
}

/* Takes the descriptor over. 0 or errno. */
static int new_socket(struct enn_udp *u, uint8_t family, int fd, uint16_t port,
		      struct enn_udp_socket **out)
{
	struct enn_udp_socket *s = enn_alloc(u->env, sizeof(*s));
	int error = s == NULL ? ENOMEM : -uv_poll_init(u->loop, &s->poll, fd);

	if (error != 0) {
		enn_free(u->env, s, sizeof(*s));
		(void)close(fd);
		return error;
	}
	s->poll.data = s;
	s->fd = fd;
	s->family = family;
	s->port = port;
	s->udp = u;
	s->env = u->env;
	if (!u->options.no_offload) {
		(void)set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
		/* asking is the way to know whether the kernel has it; 0 switches nothing on */
		s->segments = set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
	}
	*out = s;
	return 0;
}

/* ---- both ---------------------------------------------------------------------------- */

static bool is_missing(int error)
{
	return error == EAFNOSUPPORT || error == EPFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* Both on one port; fds[i] is -1 where the family is missing. 0 or errno. */
static int open_pair(const struct enn_udp_options *options, uint16_t *port, int fds[2])
{
	uint16_t wanted = *port;
	int error = 0;

	for (int i = 0; i < PORT_TRIES; i++) {
		*port = wanted;
		fds[0] = fds[1] = -1;
		error = open_fd(options, families[0], port, &fds[0]);
		if (error != 0 && !is_missing(error)) {
			return error;
		}
		int second = open_fd(options, families[1], port, &fds[1]);
		if (second == 0 || (is_missing(second) && fds[0] >= 0)) {
			return 0;
		}
		error = second;
		if (fds[0] >= 0) {
			(void)close(fds[0]);
		}
		if (wanted != 0 || error != EADDRINUSE) {
			break;
		}
	}
	return error;
}

/* 0 or errno; on an error nothing has changed. */
static int open_sockets(struct enn_udp *u, uint16_t port)
{
	struct enn_udp_socket *sockets[2] = {NULL, NULL};
	int fds[2];
	int error = open_pair(&u->options, &port, fds);

	for (size_t i = 0; i < 2 && error == 0; i++) {
		if (fds[i] >= 0) {
			error = new_socket(u, families[i], fds[i], port, &sockets[i]);
			fds[i] = -1;
		}
	}
	for (size_t i = 0; i < 2; i++) {
		if (error != 0) {
			close_socket(sockets[i]);
			if (fds[i] >= 0) {
				(void)close(fds[i]);
			}
		} else {
			close_socket(u->sockets[i]);
			u->sockets[i] = sockets[i];
		}
	}
	return error;
}

static enum enn_status status_of(int error)
{
	return error == 0 ? ENN_OK : error == ENOMEM ? ENN_E_MEMORY : ENN_E_SYSTEM;
}

enum enn_status enn_udp_new(uv_loop_t *loop, const struct enn_env *env,
			    const struct enn_udp_ops *ops, void *owner,
			    const struct enn_udp_options *options, struct enn_udp **out, int *error)
{
	struct enn_udp *u = enn_alloc(env, sizeof(*u));

	*out = NULL;
	*error = ENOMEM;
	if (u == NULL) {
		return ENN_E_MEMORY;
	}
	u->loop = loop;
	u->env = env;
	u->ops = ops;
	u->owner = owner;
	u->options = *options;
	u->width = ENN_UDP_MESSAGES;
	u->buffers = enn_alloc_raw(env, ENN_UDP_MESSAGES * ENN_UDP_BUFFER);
	*error = u->buffers == NULL ? ENOMEM : open_sockets(u, options->port);
	if (*error != 0) {
		enn_udp_free(u);
		return status_of(*error);
	}
	*out = u;
	return ENN_OK;
}

void enn_udp_free(struct enn_udp *u)
{
	if (u == NULL) {
		return;
	}
	close_socket(u->sockets[0]);
	close_socket(u->sockets[1]);
	enn_free_raw(u->env, u->buffers, ENN_UDP_MESSAGES * ENN_UDP_BUFFER);
	enn_free(u->env, u, sizeof(*u));
}

struct enn_udp_socket *enn_udp_socket_for(const struct enn_udp *u, uint8_t family)
{
	for (size_t i = 0; i < 2; i++) {
		if (u->sockets[i] != NULL && families[i] == family) {
			return u->sockets[i];
		}
	}
	return NULL;
}

uint16_t enn_udp_port(const struct enn_udp *u)
{
	return u->sockets[0] != NULL ? u->sockets[0]->port : u->sockets[1]->port;
}

uint32_t enn_udp_mark(const struct enn_udp *u)
{
	return u->options.mark;
}

enum enn_status enn_udp_set_port(struct enn_udp *u, uint16_t port, int *error)
{
	*error = 0;
	if (port != 0 && port == enn_udp_port(u)) {
		return ENN_OK;
	}
	*error = open_sockets(u, port);
	if (*error == 0) {
		u->options.port = port;
		u->held_count = u->sending = 0;
		enn_udp_watch(u);
	}
	return status_of(*error);
}

enum enn_status enn_udp_set_mark(struct enn_udp *u, uint32_t mark, int *error)
{
	*error = 0;
	for (size_t i = 0; i < 2 && *error == 0; i++) {
		if (u->sockets[i] != NULL) {
			*error = set_mark(u->sockets[i]->fd, mark);
		}
	}
	if (*error == 0) {
		u->options.mark = mark;
	}
	return status_of(*error);
}

const struct enn_udp_stats *enn_udp_stats(const struct enn_udp *u)
{
	return &u->stats;
}
