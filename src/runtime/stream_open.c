/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening TCP streams, and their socket options.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "runtime/address.h"
#include "runtime/stream_internal.h"
#include "runtime/tcp_listener.h"

/* <linux/in6.h>, which cannot be included beside <netinet/in.h> */
#define IPV6_ADDRESS_PREFERENCES 72
#define PREFER_SOURCE_TEMPORARY	 0x0001
#define PREFER_SOURCE_PUBLIC	 0x0002

/* ---- options ------------------------------------------------------------------------- */

/* Options are wishes: one that the system does not grant changes nothing. */
static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void enn_stream_set_options(struct enn_stream *s, const struct enn_socket_options *options)
{
	uint64_t rate = options->pacing == 0 ? UINT64_MAX : options->pacing;
	bool plain = options->user_timeout_ms == 0 && options->keepalive_s == 0 &&
		     options->pacing == 0 && options->dscp == 0;

	set_int(s->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (plain && !s->tuned) {
		return; /* the defaults need no calls */
	}
	s->tuned = true;
	set_int(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
	set_int(s->fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive_s != 0);
	if (options->keepalive_s != 0) {
		set_int(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)options->keepalive_s);
	}
	(void)setsockopt(s->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
	set_int(s->fd, IPPROTO_IP, IP_TOS, options->dscp << 2);
	set_int(s->fd, IPPROTO_IPV6, IPV6_TCLASS, options->dscp << 2);
}

/* 0 or errno. */
static int bind_before_connect(const struct enn_stream *s, const struct enn_socket_options *options)
{
	struct sockaddr_storage sa;
	socklen_t len = enn_address_to_sockaddr(&options->local, &sa);

	if (options->interface != NULL &&
	    setsockopt(s->fd, SOL_SOCKET, SO_BINDTODEVICE, options->interface,
		       (socklen_t)strlen(options->interface) + 1) != 0) {
		return errno;
	}
	if (options->temporary != 0) {
		set_int(s->fd, IPPROTO_IPV6, IPV6_ADDRESS_PREFERENCES,
			options->temporary > 0 ? PREFER_SOURCE_TEMPORARY : PREFER_SOURCE_PUBLIC);
	}
	if (len > 0) {
		set_int(s->fd, SOL_SOCKET, SO_REUSEADDR, 1);
		return bind(s->fd, (const struct sockaddr *)&sa, len) == 0 ? 0 : errno;
	}
	return 0;
}

/* ---- connecting and accepting -------------------------------------------------------- */

enum enn_status enn_stream_connect(struct enn_runtime *rt, const struct enn_stream_ops *ops,
				   void *owner, const struct enn_address *remote,
				   const struct enn_socket_options *options,
				   struct enn_stream **out, int *error)
{
	struct sockaddr_storage sa;
	socklen_t len = enn_address_to_sockaddr(remote, &sa);
	struct enn_stream *s = NULL;
	int fd =
		len == 0 ? -1 : socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*error = len == 0 ? UV_EAFNOSUPPORT : uv_translate_sys_error(errno);
		return ENN_E_SYSTEM;
	}
	ENN_TRY(enn_stream_new(rt, fd, ops, owner, &s, error));
	int failed = bind_before_connect(s, options);
	if (failed == 0) {
		enn_stream_set_options(s, options);
		failed = connect(fd, (const struct sockaddr *)&sa, len) == 0 ? 0 : errno;
	}
	if (failed != 0 && failed != EINPROGRESS) {
		*error = uv_translate_sys_error(failed);
		enn_stream_release(s, ENN_RELEASE_CLOSE);
		return ENN_E_SYSTEM;
	}
	s->connecting = true;
	enn_stream_watch(s);
	*out = s;
	return ENN_OK;
}

enum enn_status enn_stream_accept(struct enn_tcp_listener *listener,
				  const struct enn_stream_ops *ops, void *owner,
				  struct enn_stream **out, int *error)
{
	int fd = enn_tcp_listener_accept(listener, error);

	if (fd < 0) {
		return *error == UV_EAGAIN ? ENN_E_AGAIN : ENN_E_SYSTEM;
	}
	return enn_stream_new(enn_tcp_listener_runtime(listener), fd, ops, owner, out, error);
}

void enn_stream_path(const struct enn_stream *s, struct enn_path *path)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(path, 0, sizeof(*path));
	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->local);
	}
	len = sizeof(sa);
	if (getpeername(s->fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->remote);
	}
}
