/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP streams: their life, and reading and writing. Opening them is in stream_open.c.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/stream_internal.h"

#define LINGER	   (2 * ENN_SECOND)
#define MOST_READS 16 /* of one turn, so that one stream cannot starve the others */

/* ---- waiting ------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

void enn_stream_watch(struct enn_stream *s)
{
	int events = 0;

	if (s->closing) {
		return;
	}
	if (s->connecting || s->writing != NULL) {
		events |= UV_WRITABLE;
	}
	if (!s->connecting && s->reading && !s->ended) {
		events |= UV_READABLE;
	}
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

/* ---- life ---------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct enn_stream *s = handle->data;
	struct enn_runtime *rt = s->rt;

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
	enn_block_release(s->writing);
	s->writing = NULL;
	uv_close((uv_handle_t *)&s->poll, on_closed); /* stops polling: the descriptor can go now */
	(void)close(s->fd);
	s->rt->sockets--;
}

static void on_linger(void *owner, enn_time now)
{
	(void)now;
	close_now(owner);
}

enum enn_status enn_stream_new(struct enn_runtime *rt, int fd, const struct enn_stream_ops *ops,
			       void *owner, struct enn_stream **out, int *error)
{
	struct enn_stream *s = enn_alloc(&rt->env, sizeof(*s));

	if (s == NULL) {
		(void)close(fd);
		return ENN_E_MEMORY;
	}
	*error = uv_poll_init(rt->uv, &s->poll, fd);
	if (*error != 0) {
		(void)close(fd);
		enn_free(&rt->env, s, sizeof(*s));
		return ENN_E_SYSTEM;
	}
	enn_runtime_opened(rt);
	rt->sockets++;
	s->poll.data = s;
	s->fd = fd;
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

/* A released stream is done when everything is written, FIN is sent and the peer's has come.
 * Closing with unread data would make the kernel send RST, which could destroy what the peer has
 * not read yet. */
static void check_done(struct enn_stream *s)
{
	if (s->released && s->writing == NULL && s->fin && s->ended) {
		close_now(s);
	}
}

void enn_stream_release(struct enn_stream *s, enum enn_release how)
{
	if (s == NULL) {
		return;
	}
	s->released = true;
	s->owner = NULL;
	if (how == ENN_RELEASE_LINGER && !s->connecting) {
		enn_runtime_set_timer(s->rt, &s->linger, enn_runtime_now(s->rt) + LINGER);
		enn_stream_shutdown(s);
		enn_stream_read(s, true);
		check_done(s);
		return;
	}
	if (how == ENN_RELEASE_RESET) { /* a linger time of 0 makes close send RST */
		struct linger reset = {.l_onoff = 1, .l_linger = 0};
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	close_now(s);
}

/* ---- reading ------------------------------------------------------------------------- */

static void end_reading(struct enn_stream *s, int error)
{
	s->ended = true;
	if (s->released) {
		check_done(s);
	} else {
		s->ops->ended(s->owner, error);
	}
}

/* One read; false when there is no more to read now. */
static bool read_once(struct enn_stream *s)
{
	size_t cap = sizeof(s->rt->waste);
	uint8_t *at = s->released ? s->rt->waste : s->ops->room(s->owner, &cap);
	ssize_t n;

	if (at == NULL) {
		end_reading(s, UV_ENOMEM);
		return false;
	}
	do {
		n = recv(s->fd, at, cap, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	int error = n < 0 ? uv_translate_sys_error(errno) : 0;
	if (n <= 0 && error != UV_EAGAIN) {
		end_reading(s, error);
		return false;
	}
	if (!s->released) {
		s->ops->readable(s->owner, at, n < 0 ? 0 : (size_t)n);
	}
	return n == (ssize_t)cap;
}

void enn_stream_read(struct enn_stream *s, bool on)
{
	s->reading = on;
	enn_stream_watch(s);
}

/* ---- writing ------------------------------------------------------------------------- */

/* Writes what it can; 0 or libuv's error. */
static int write_some(struct enn_stream *s, const struct enn_block *block)
{
	while (s->written < block->used) {
		ssize_t n = send(s->fd, block->data + s->written, block->used - s->written,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			s->written += (size_t)n;
		} else if (errno == EAGAIN) {
			return 0;
		} else if (errno != EINTR) {
			return uv_translate_sys_error(errno);
		}
	}
	return 0;
}

enum enn_status enn_stream_write(struct enn_stream *s, struct enn_block *block, int *error)
{
	s->written = 0;
	*error = write_some(s, block);
	if (*error == 0 && s->written < block->used) {
		s->writing = block;
		enn_stream_watch(s);
		return ENN_E_AGAIN;
	}
	enn_block_release(block);
	return *error == 0 ? ENN_OK : ENN_E_SYSTEM;
}

size_t enn_stream_unwritten(const struct enn_stream *s)
{
	return s->writing == NULL ? 0 : s->writing->used - s->written;
}

static void send_fin(struct enn_stream *s)
{
	if (s->shut && !s->fin && s->writing == NULL) {
		s->fin = true;
		/* It fails if the connection is gone already. An owner is told by the read that finds
		 * out why; without one nothing is to be waited for. */
		if (shutdown(s->fd, SHUT_WR) != 0 && s->released) {
			s->ended = true;
		}
		check_done(s);
	}
}

void enn_stream_shutdown(struct enn_stream *s)
{
	s->shut = true;
	send_fin(s);
}

static void write_more(struct enn_stream *s)
{
	int error = write_some(s, s->writing);

	if (error == 0 && s->written < s->writing->used) {
		return;
	}
	enn_block_release(s->writing);
	s->writing = NULL;
	if (!s->released) {
		s->ops->drained(s->owner, error);
		send_fin(s);
	} else if (error != 0) {
		close_now(s);
	} else {
		send_fin(s);
	}
}

/* ---- what happens -------------------------------------------------------------------- */

static void finish_connect(struct enn_stream *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	s->connecting = false;
	s->ops->connected(s->owner, uv_translate_sys_error(error));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct enn_stream *s = poll->data;

	s->rt->activity++;
	if (status <
	    0) { /* an error: the calls below find out which, and libuv has stopped polling */
		events = UV_READABLE | UV_WRITABLE;
		s->watched = 0;
	}
	if (s->connecting) {
		finish_connect(s);
	} else {
		if ((events & UV_WRITABLE) != 0 && s->writing != NULL) {
			write_more(s);
		}
		for (int i = 0; (events & UV_READABLE) != 0 && i < MOST_READS && s->reading &&
				!s->ended && !s->closing;
		     i++) {
			if (!read_once(s)) {
				break;
			}
		}
	}
	enn_stream_watch(s);
}
