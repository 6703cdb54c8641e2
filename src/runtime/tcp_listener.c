/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening TCP sockets on libuv.
 */
#include "runtime/tcp_listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "runtime/address.h"

#define BACKLOG 1024 /* the kernel lowers it to net.core.somaxconn */

struct enn_tcp_listener {
	uv_tcp_t tcp;
	struct enn_runtime *rt;
	enn_incoming incoming; /* NULL: closed */
	void *owner;
};

static void on_connection(uv_stream_t *stream, int status)
{
	struct enn_tcp_listener *l = stream->data;

	l->rt->activity++;
	if (l->incoming != NULL) {
		l->incoming(l->owner, l, status);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct enn_tcp_listener *l = handle->data;
	struct enn_runtime *rt = l->rt;

	rt->sockets--;
	enn_free(&rt->env, l, sizeof(*l));
	enn_runtime_closed(rt);
}

void enn_tcp_listener_close(struct enn_tcp_listener *l)
{
	if (l != NULL && l->incoming != NULL) {
		l->incoming = NULL;
		uv_close((uv_handle_t *)&l->tcp, on_closed);
	}
}

static int bind_and_listen(struct enn_tcp_listener *l, const struct sockaddr_storage *sa,
			   const char *interface)
{
	uv_os_fd_t fd = -1;
	unsigned flags = sa->ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0;

	if (interface != NULL &&
	    (uv_fileno((const uv_handle_t *)&l->tcp, &fd) != 0 ||
	     setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
			(socklen_t)strlen(interface) + 1) != 0)) {
		return uv_translate_sys_error(errno);
	}
	int status = uv_tcp_bind(&l->tcp, (const struct sockaddr *)sa, flags);
	return status != 0 ? status : uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
}

enum enn_status enn_tcp_listen(struct enn_runtime *rt, const struct enn_address *local,
			       const char *interface, enn_incoming incoming, void *owner,
			       struct enn_tcp_listener **out, int *error)
{
	struct sockaddr_storage sa;
	struct enn_tcp_listener *l;

	if (enn_address_to_sockaddr(local, &sa) == 0) {
		*error = UV_EAFNOSUPPORT;
		return ENN_E_SYSTEM;
	}
	l = enn_alloc(&rt->env, sizeof(*l));
	if (l == NULL) {
		return ENN_E_MEMORY;
	}
	*error = uv_tcp_init_ex(rt->uv, &l->tcp, sa.ss_family);
	if (*error != 0) {
		enn_free(&rt->env, l, sizeof(*l));
		return ENN_E_SYSTEM;
	}
	enn_runtime_opened(rt);
	rt->sockets++;
	l->tcp.data = l;
	l->rt = rt;
	l->incoming = incoming;
	l->owner = owner;
	*error = bind_and_listen(l, &sa, interface);
	if (*error != 0) {
		enn_tcp_listener_close(l);
		return ENN_E_SYSTEM;
	}
	*out = l;
	return ENN_OK;
}

uv_stream_t *enn_tcp_listener_handle(struct enn_tcp_listener *l)
{
	return (uv_stream_t *)&l->tcp;
}

void enn_tcp_listener_address(const struct enn_tcp_listener *l, struct enn_address *out)
{
	struct sockaddr_storage sa;
	int len = sizeof(sa);

	memset(out, 0, sizeof(*out));
	if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, out);
	}
}
