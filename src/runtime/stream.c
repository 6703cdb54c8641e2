/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP streams on libuv.
 */
#include "runtime/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "runtime/address.h"

/* <linux/in6.h>, which cannot be included beside <netinet/in.h> */
#define IPV6_ADDRESS_PREFERENCES 72
#define PREFER_SOURCE_TEMPORARY	 0x0001
#define PREFER_SOURCE_PUBLIC	 0x0002

#define LINGER (2 * ENN_SECOND)

struct enn_stream {
	uv_tcp_t tcp;
	struct enn_runtime *rt;
	const struct enn_stream_ops *ops;
	void *owner;
	struct enn_stream *next; /* of all streams */
	struct enn_stream **link;
	struct enn_block *writing; /* the pending write's */
	struct enn_timer linger;
	union {
		uv_connect_t connect;
		uv_write_t write;
	} request; /* a write begins after the connect has ended */
	uv_shutdown_t shutdown;
	bool released;
	bool shut; /* shutdown was asked for */
	bool fin;  /* and is done */
	bool ended;
	bool closing;
};

/* ---- life -------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct enn_stream *s = handle->data;
	struct enn_runtime *rt = s->rt;

	enn_block_release(s->writing);
	rt->sockets--;
	enn_free(&rt->env, s, sizeof(*s));
	enn_runtime_closed(rt);
}

static void close_now(struct enn_stream *s)
{
	if (s->closing) {
		return;
	}
	s->closing = true;
	enn_runtime_set_timer(s->rt, &s->linger, ENN_TIME_NEVER);
	*s->link = s->next;
	if (s->next != NULL) {
		s->next->link = s->link;
	}
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void on_linger(void *owner, enn_time now)
{
	(void)now;
	close_now(owner);
}

static enum enn_status new_stream(struct enn_runtime *rt, const struct enn_stream_ops *ops,
				  void *owner, unsigned family, struct enn_stream **out, int *error)
{
	struct enn_stream *s = enn_alloc(&rt->env, sizeof(*s));

	if (s == NULL) {
		return ENN_E_MEMORY;
	}
	*error = uv_tcp_init_ex(rt->uv, &s->tcp, family);
	if (*error != 0) {
		enn_free(&rt->env, s, sizeof(*s));
		return ENN_E_SYSTEM;
	}
	enn_runtime_opened(rt);
	rt->sockets++;
	s->tcp.data = s;
	s->rt = rt;
	s->ops = ops;
	s->owner = owner;
	enn_timer_init(&s->linger, on_linger, s);
	s->next = rt->streams;
	s->link = &rt->streams;
	if (rt->streams != NULL) {
		rt->streams->link = &s->next;
	}
	rt->streams = s;
	*out = s;
	return ENN_OK;
}

void enn_streams_close_all(struct enn_runtime *rt)
{
	while (rt->streams != NULL) {
		rt->streams->released = true;
		close_now(rt->streams);
	}
}

/* A released stream is done when everything is written, FIN is sent and the peer's has come. Closing with
 * unread data would make the kernel send RST, which could destroy what the peer has not read yet. */
static void check_done(struct enn_stream *s)
{
	if (s->released && s->writing == NULL && s->fin && s->ended) {
		close_now(s);
	}
}

/* ---- options ------------------------------------------------------------------------------- */

static int handle_fd(const struct enn_stream *s)
{
	uv_os_fd_t fd = -1;

	return uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0 ? fd : -1;
}

/* Options are wishes: one that the system does not grant changes nothing. */
static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void enn_stream_set_options(struct enn_stream *s, const struct enn_stream_options *options)
{
	int fd = handle_fd(s);

	(void)uv_tcp_nodelay(&s->tcp, 1);
	if (fd < 0) {
		return;
	}
	if (options->user_timeout_ms != 0) {
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
	}
	(void)uv_tcp_keepalive(&s->tcp, options->keepalive_s != 0, options->keepalive_s);
	if (options->pacing != 0) {
		uint64_t rate = options->pacing;
		(void)setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
	}
	if (options->dscp != 0) {
		set_int(fd, IPPROTO_IP, IP_TOS, options->dscp << 2);
		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, options->dscp << 2);
	}
}

static int bind_before_connect(struct enn_stream *s, const struct enn_stream_options *options)
{
	int fd = handle_fd(s);

	if (options->interface != NULL &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->interface,
		       (socklen_t)strlen(options->interface) + 1) != 0) {
		return uv_translate_sys_error(errno);
	}
	if (options->temporary != 0) {
		set_int(fd, IPPROTO_IPV6, IPV6_ADDRESS_PREFERENCES,
			options->temporary > 0 ? PREFER_SOURCE_TEMPORARY : PREFER_SOURCE_PUBLIC);
	}
	if (options->local.family != ENN_FAMILY_NONE) {
		struct sockaddr_storage sa;
		(void)enn_address_to_sockaddr(&options->local, &sa);
		return uv_tcp_bind(&s->tcp, (const struct sockaddr *)&sa, 0);
	}
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void on_connect(uv_connect_t *request, int status)
{
	struct enn_stream *s = request->data;

	s->rt->activity++;
	if (!s->released) {
		s->ops->connected(s->owner, status);
	}
}

enum enn_status enn_stream_connect(struct enn_runtime *rt, const struct enn_stream_ops *ops,
				   void *owner, const struct enn_address *remote,
				   const struct enn_stream_options *options,
				   struct enn_stream **out, int *error)
{
	struct sockaddr_storage sa;
	struct enn_stream *s = NULL;

	if (enn_address_to_sockaddr(remote, &sa) == 0) {
		*error = UV_EAFNOSUPPORT;
		return ENN_E_SYSTEM;
	}
	ENN_TRY(new_stream(rt, ops, owner, sa.ss_family, &s, error));
	s->request.connect.data = s;
	*error = bind_before_connect(s, options);
	if (*error == 0) {
		enn_stream_set_options(s, options);
		*error = uv_tcp_connect(&s->request.connect, &s->tcp, (const struct sockaddr *)&sa,
					on_connect);
	}
	if (*error != 0) {
		enn_stream_release(s, ENN_RELEASE_CLOSE);
		return ENN_E_SYSTEM;
	}
	*out = s;
	return ENN_OK;
}

enum enn_status enn_stream_accept(struct enn_runtime *rt, uv_stream_t *listener,
				  const struct enn_stream_ops *ops, void *owner,
				  struct enn_stream **out, int *error)
{
	struct enn_stream *s = NULL;

	ENN_TRY(new_stream(rt, ops, owner, AF_UNSPEC, &s, error));
	*error = uv_accept(listener, (uv_stream_t *)&s->tcp);
	if (*error != 0) {
		enn_stream_release(s, ENN_RELEASE_CLOSE);
		return ENN_E_SYSTEM;
	}
	*out = s;
	return ENN_OK;
}

void enn_stream_path(const struct enn_stream *s, struct enn_path *path)
{
	struct sockaddr_storage sa;
	int len = sizeof(sa);

	memset(path, 0, sizeof(*path));
	if (uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->local);
	}
	len = sizeof(sa);
	if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&sa, &len) == 0) {
		(void)enn_address_from_sockaddr((const struct sockaddr *)&sa, &path->remote);
	}
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct enn_stream *s = handle->data;
	size_t cap = sizeof(s->rt->waste);
	uint8_t *at = s->released ? (uint8_t *)s->rt->waste : s->ops->room(s->owner, &cap);

	(void)suggested;
	*buf = uv_buf_init((char *)at, at == NULL ? 0 : (unsigned)cap);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct enn_stream *s = stream->data;

	s->rt->activity += n != 0;
	if (n < 0) {
		(void)uv_read_stop(stream);
		s->ended = true;
		if (s->released) {
			check_done(s);
		} else {
			s->ops->ended(s->owner, n == UV_EOF ? 0 : (int)n);
		}
		return;
	}
	if (!s->released) {
		s->ops->readable(s->owner, (uint8_t *)buf->base, (size_t)n);
	}
}

void enn_stream_read(struct enn_stream *s, bool on)
{
	if (s->closing || s->ended) {
		return;
	}
	if (on) {
		(void)uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read);
	} else {
		(void)uv_read_stop((uv_stream_t *)&s->tcp);
	}
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
	struct enn_stream *s = request->data;

	s->rt->activity++;
	enn_block_release(s->writing);
	s->writing = NULL;
	if (!s->released) {
		s->ops->drained(s->owner, status);
	} else if (status != 0) {
		close_now(s);
	} else {
		check_done(s);
	}
}

enum enn_status enn_stream_write(struct enn_stream *s, struct enn_block *block, int *error)
{
	uv_buf_t buf = uv_buf_init((char *)block->data, (unsigned)block->used);
	int n = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);

	if (n == UV_EAGAIN) {
		n = 0;
	}
	if (n < 0) {
		enn_block_release(block);
		*error = n;
		return ENN_E_SYSTEM;
	}
	if ((size_t)n == block->used) {
		enn_block_release(block);
		return ENN_OK;
	}
	buf = uv_buf_init((char *)block->data + n, (unsigned)(block->used - (size_t)n));
	s->request.write.data = s;
	s->writing = block;
	*error = uv_write(&s->request.write, (uv_stream_t *)&s->tcp, &buf, 1, on_written);
	if (*error != 0) {
		s->writing = NULL;
		enn_block_release(block);
		return ENN_E_SYSTEM;
	}
	return ENN_E_AGAIN;
}

size_t enn_stream_unwritten(const struct enn_stream *s)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	struct enn_stream *s = request->data;

	s->rt->activity++;
	s->fin = true;
	if (s->released && status != 0) {
		close_now(s);
	} else {
		check_done(s);
	}
}

void enn_stream_shutdown(struct enn_stream *s)
{
	if (s->shut || s->closing) {
		return;
	}
	s->shut = true;
	s->shutdown.data = s;
	if (uv_shutdown(&s->shutdown, (uv_stream_t *)&s->tcp, on_shutdown) != 0) {
		s->fin = true; /* the connection is gone already */
		s->ended = true;
	}
}

void enn_stream_release(struct enn_stream *s, enum enn_release how)
{
	if (s == NULL) {
		return;
	}
	s->released = true;
	s->owner = NULL;
	if (how == ENN_RELEASE_LINGER) {
		enn_runtime_set_timer(s->rt, &s->linger, enn_runtime_now(s->rt) + LINGER);
		enn_stream_shutdown(s);
		enn_stream_read(s, true);
		check_done(s);
		return;
	}
	/* SO_LINGER 0 makes close send RST; libuv's own call for it refuses a half-closed stream. */
	if (how == ENN_RELEASE_RESET && handle_fd(s) >= 0) {
		struct linger reset = {.l_onoff = 1, .l_linger = 0};
		(void)setsockopt(handle_fd(s), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	close_now(s);
}
