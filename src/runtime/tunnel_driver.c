/* SPDX-License-Identifier: Apache-2.0
 *
 * A tunnel: the loop of engine.h between a TUN interface and UDP sockets, on
 * the caller's libuv loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "runtime/tunnel_driver.h"

#define DEFAULT_MTU 1420

static void set_timer(struct enn_tunnel *t);

/* ---- waiting ----------------------------------------------------------------------------------- */

static void on_inner(uv_poll_t *poll, int status, int events);
static void on_outer(uv_poll_t *poll, int status, int events);

static bool is_full(const struct enn_tunnel *t)
{
	return t->batch_done < t->batch.len;
}

/* The interface is read while the sockets take what comes out of it. */
static void watch(struct enn_tunnel *t)
{
	bool full = is_full(t);

	if (t->reading == !full || t->stopped) {
		return;
	}
	t->reading = !full;
	for (unsigned i = 0; i < t->tun.queues; i++) {
		if (full) {
			(void)uv_poll_stop(t->tun_poll[i]);
		} else {
			(void)uv_poll_start(t->tun_poll[i], UV_READABLE, on_inner);
		}
	}
	for (int i = 0; i < 2; i++) {
		if (t->udp[i].poll != NULL) {
			(void)uv_poll_start(t->udp[i].poll, UV_READABLE | (full ? UV_WRITABLE : 0),
					    on_outer);
		}
	}
}

static int fd_of(const uv_poll_t *poll)
{
	uv_os_fd_t fd = -1;

	(void)uv_fileno((const uv_handle_t *)poll, &fd);
	return fd;
}

void enn_tunnel_tick(struct enn_tunnel *t)
{
	t->now = uv_hrtime();
}

static void on_inner(uv_poll_t *poll, int status, int events)
{
	struct enn_tunnel *t = poll->data;

	(void)status;
	(void)events;
	enn_tunnel_tick(t);
	enn_tunnel_read_interface(t, fd_of(poll));
	set_timer(t);
	watch(t);
}

static void on_outer(uv_poll_t *poll, int status, int events)
{
	struct enn_tunnel *t = poll->data;

	enn_tunnel_tick(t);
	if ((events & UV_WRITABLE) != 0 || status < 0) {
		enn_tunnel_run(t);
	}
	for (int i = 0; i < 2; i++) {
		if (t->udp[i].poll == poll) {
			enn_tunnel_read_socket(t, &t->udp[i]);
		}
	}
	if (status < 0) { /* libuv has stopped polling */
		t->reading = is_full(t);
	}
	set_timer(t);
	watch(t);
}

/* ---- the engine's loop -------------------------------------------------------------------------- */

static void take_events(struct enn_tunnel *t)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(t->engine, t->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:
			enn_tunnel_deliver(t, &event.u.received);
			break;
		case ENN_EVENT_SENT:
			break;
		default:
			if (t->on_event != NULL) {
				t->on_event(t->on_event_ctx, &event);
			}
			break;
		}
	}
}

/* False: the socket is full. */
static bool send_batch(struct enn_tunnel *t)
{
	struct enn_tunnel_udp *u = &t->udp[t->batch.path.remote.family == ENN_FAMILY_IPV6 ? 1 : 0];
	int failed = enn_tunnel_udp_send(u, &t->batch, &t->batch_done, &t->stats.sends);

	if (failed == EAGAIN) {
		return false;
	}
	size_t packets = (t->batch.len + t->batch.segment_size - 1) / t->batch.segment_size;
	if (failed != 0) {
		t->stats.dropped += packets;
		return true;
	}
	t->stats.outer_out_packets += packets;
	t->stats.outer_out_bytes += t->batch.len;
	return true;
}

void enn_tunnel_run(struct enn_tunnel *t)
{
	if (t->running) {
		return;
	}
	t->running = true;
	if (is_full(t) && !send_batch(t)) {
		take_events(t);
		t->running = false;
		return;
	}
	for (;;) {
		take_events(t);
		t->batch = (struct enn_batch){.buf = t->batch_room, .cap = BATCH_ROOM};
		t->batch_done = 0;
		if (enn_engine_transmit(t->engine, t->now, &t->batch) != ENN_OK ||
		    t->batch.len == 0) {
			t->batch.len = 0;
			break;
		}
		if (!send_batch(t)) {
			break;
		}
	}
	take_events(t);
	enn_tunnel_flush_join(t, false);
	t->running = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct enn_tunnel *t = timer->data;

	enn_tunnel_tick(t);
	if (enn_engine_deadline(t->engine) <= t->now) {
		enn_engine_expire(t->engine, t->now);
	}
	enn_tunnel_run(t);
	set_timer(t);
	watch(t);
}

static void set_timer(struct enn_tunnel *t)
{
	enn_time deadline = enn_engine_deadline(t->engine);

	if (t->stopped) {
		return;
	}
	if (deadline == ENN_TIME_NEVER) {
		(void)uv_timer_stop(t->timer);
		return;
	}
	uint64_t wait = deadline <= t->now ? 0 : (deadline - t->now) / ENN_MILLISECOND + 1;
	uv_update_time(t->loop);
	(void)uv_timer_start(t->timer, on_timer, wait, 0);
}

static void on_wake(uv_idle_t *idle)
{
	struct enn_tunnel *t = idle->data;

	(void)uv_idle_stop(idle);
	enn_tunnel_tick(t);
	enn_tunnel_run(t);
	set_timer(t);
	watch(t);
}

void enn_tunnel_wake(struct enn_tunnel *t)
{
	if (t->started && !t->stopped) {
		(void)uv_idle_start(t->wake, on_wake);
	}
}

/* ---- life --------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct enn_tunnel *t = handle->data;

	free(handle);
	if (--t->handles > 0) {
		return;
	}
	enn_tun_close(&t->tun);
	for (int i = 0; i < 2; i++) {
		if (t->udp[i].fd >= 0) {
			(void)close(t->udp[i].fd);
		}
	}
	free(t->read_room);
	free(t->inner);
	free(t->batch_room);
	free(t->receive_room);
	free(t);
}

/* A handle goes by itself; those of a tunnel are counted. */
static void close_handle(void *handle)
{
	if (handle != NULL) {
		uv_close(handle, on_closed);
	}
}

void enn_tunnel_free(struct enn_tunnel *t)
{
	if (t == NULL || t->stopped) {
		return;
	}
	t->stopped = true;
	t->handles++; /* so that the last of them is not the first */
	for (unsigned i = 0; i < t->tun.queues; i++) {
		close_handle(t->tun_poll[i]);
	}
	close_handle(t->udp[0].poll);
	close_handle(t->udp[1].poll);
	close_handle(t->timer);
	uv_handle_t *last = (uv_handle_t *)t->wake;
	t->handles--;
	close_handle(last);
}

static uv_poll_t *new_poll(struct enn_tunnel *t, int fd)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	if (poll == NULL || uv_poll_init(t->loop, poll, fd) != 0) {
		free(poll);
		return NULL;
	}
	poll->data = t;
	t->handles++;
	return poll;
}

static bool new_handles(struct enn_tunnel *t)
{
	t->wake = calloc(1, sizeof(*t->wake));
	if (t->wake == NULL) {
		return false;
	}
	(void)uv_idle_init(t->loop, t->wake);
	t->wake->data = t;
	t->handles++;
	t->timer = calloc(1, sizeof(*t->timer));
	if (t->timer == NULL) {
		return false;
	}
	(void)uv_timer_init(t->loop, t->timer);
	t->timer->data = t;
	t->handles++;
	for (unsigned i = 0; i < t->tun.queues; i++) {
		t->tun_poll[i] = new_poll(t, t->tun.fd[i]);
		if (t->tun_poll[i] == NULL) {
			return false;
		}
	}
	for (int i = 0; i < 2; i++) {
		if (t->udp[i].fd >= 0) {
			t->udp[i].poll = new_poll(t, t->udp[i].fd);
			if (t->udp[i].poll == NULL) {
				return false;
			}
		}
	}
	return true;
}

static bool new_rooms(struct enn_tunnel *t)
{
	t->read_room = malloc(ENN_TUN_READ_MAX);
	t->inner = aligned_alloc(64, INNER_ROOM);
	t->batch_room = aligned_alloc(64, BATCH_ROOM);
	t->receive_room = aligned_alloc(64, (size_t)RECEIVE_SLOTS * RECEIVE_SLOT);
	return t->read_room != NULL && t->inner != NULL && t->batch_room != NULL &&
	       t->receive_room != NULL;
}

/* IPv6 may be switched off on this machine; IPv4 not. With port 0, both get the same. */
static enum enn_status open_sockets(struct enn_tunnel_udp udp[2], uint16_t *port, uint32_t mark,
				    bool offload, struct enn_error *error)
{
	bool any_port = *port == 0;

	for (int tries = 0; tries < 16; tries++) {
		udp[0].fd = udp[1].fd = -1;
		if (any_port) {
			*port = 0;
		}
		ENN_TRY(enn_tunnel_udp_open(&udp[0], AF_INET, port, mark, offload, error));
		enum enn_status status =
			enn_tunnel_udp_open(&udp[1], AF_INET6, port, mark, offload, error);
		bool no_ipv6 =
			status != ENN_OK && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
		if (status == ENN_OK || no_ipv6) {
			return ENN_OK;
		}
		(void)close(udp[0].fd);
		udp[0].fd = -1;
		if (!any_port) {
			return status;
		}
	}
	return ENN_E_SYSTEM;
}

static enum enn_status open_all(struct enn_tunnel *t, const struct enn_tunnel_options *o,
				struct enn_error *error)
{
	if (o->tun_fd > 0) {
		ENN_TRY(enn_tun_adopt(&t->tun, o->tun_fd, t->offload, error));
	} else {
		ENN_TRY(enn_tun_open(&t->tun, o->interface, o->queues == 0 ? 1 : o->queues,
				     t->offload, error));
	}
	enn_join_init(&t->join, t->offload, t->tun.segments_udp);
	ENN_TRY(enn_tun_set_mtu(&t->tun, t->mtu, error));
	ENN_TRY(open_sockets(t->udp, &t->port, t->mark, t->offload, error));
	if (!new_rooms(t) || !new_handles(t)) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "tunnel",
				     "out of memory");
	}
	return ENN_OK;
}

/* Before there is a handle there is nothing to wait for. */
static void give_up(struct enn_tunnel *t)
{
	if (t->wake == NULL) {
		enn_tun_close(&t->tun);
		for (int i = 0; i < 2; i++) {
			if (t->udp[i].fd >= 0) {
				(void)close(t->udp[i].fd);
			}
		}
		free(t->read_room);
		free(t->inner);
		free(t->batch_room);
		free(t->receive_room);
		free(t);
		return;
	}
	enn_tunnel_free(t);
}

enum enn_status enn_tunnel_new(struct uv_loop_s *loop, const struct enn_env *env,
			       struct enn_engine *engine, const struct enn_tunnel_options *options,
			       struct enn_tunnel **out, struct enn_error *error)
{
	if (loop == NULL || env == NULL || engine == NULL || options == NULL || out == NULL ||
	    (options->interface == NULL && options->tun_fd <= 0)) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "tunnel", "a parameter is missing");
	}
	struct enn_tunnel *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "tunnel",
				     "out of memory");
	}
	t->loop = loop;
	t->env = env;
	t->engine = engine;
	t->mtu = options->mtu == 0 ? DEFAULT_MTU : options->mtu;
	t->port = options->listen_port;
	t->mark = options->mark;
	t->offload = !options->no_offload;
	t->udp[0].fd = t->udp[1].fd = -1;
	enn_tunnel_tick(t);
	enum enn_status status = open_all(t, options, error);
	if (status != ENN_OK) {
		give_up(t);
		return status;
	}
	*out = t;
	return ENN_OK;
}

enum enn_status enn_tunnel_start(struct enn_tunnel *t, struct enn_error *error)
{
	if (t->started) {
		return ENN_E_STATE;
	}
	enn_tunnel_tick(t);
	enum enn_status status = enn_engine_start(t->engine, t->now);
	if (status != ENN_OK) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION, "tunnel",
				     "the engine does not start");
	}
	t->started = true;
	watch(t);
	enn_tunnel_wake(t);
	return ENN_OK;
}

/* ---- changes while it runs ----------------------------------------------------------------------- */

static void close_socket(struct enn_tunnel *t, int i)
{
	if (t->udp[i].poll != NULL) {
		close_handle(t->udp[i].poll);
	}
	if (t->udp[i].fd >= 0) {
		(void)close(t->udp[i].fd);
	}
}

enum enn_status enn_tunnel_set_port(struct enn_tunnel *t, uint16_t port, struct enn_error *error)
{
	struct enn_tunnel_udp next[2] = {{.fd = -1}, {.fd = -1}};
	uint16_t became = port;

	if (port != 0 && port == t->port) {
		return ENN_OK;
	}
	ENN_TRY(open_sockets(next, &became, t->mark, t->offload, error));
	for (int i = 0; i < 2; i++) {
		if (next[i].fd >= 0) {
			next[i].poll = new_poll(t, next[i].fd);
		}
	}
	for (int i = 0; i < 2; i++) {
		close_socket(t, i);
		t->udp[i] = next[i];
	}
	t->port = became;
	t->reading = is_full(t); /* so that the new ones are watched */
	if (t->started) {
		watch(t);
	}
	return ENN_OK;
}

enum enn_status enn_tunnel_set_mark(struct enn_tunnel *t, uint32_t mark, struct enn_error *error)
{
	ENN_TRY(enn_tunnel_udp_set_mark(&t->udp[0], mark, error));
	ENN_TRY(enn_tunnel_udp_set_mark(&t->udp[1], mark, error));
	t->mark = mark;
	return ENN_OK;
}

/* ---- queries ------------------------------------------------------------------------------------- */

const char *enn_tunnel_interface(const struct enn_tunnel *t)
{
	return t->tun.name;
}

unsigned enn_tunnel_interface_index(const struct enn_tunnel *t)
{
	return t->tun.index;
}

uint16_t enn_tunnel_port(const struct enn_tunnel *t)
{
	return t->port;
}

uint32_t enn_tunnel_mark(const struct enn_tunnel *t)
{
	return t->mark;
}

uint16_t enn_tunnel_mtu(const struct enn_tunnel *t)
{
	return t->mtu;
}

enn_time enn_tunnel_now(const struct enn_tunnel *t)
{
	(void)t;
	return uv_hrtime();
}

void enn_tunnel_on_event(struct enn_tunnel *t,
			 void (*event)(void *ctx, const struct enn_event *event), void *ctx)
{
	t->on_event = event;
	t->on_event_ctx = ctx;
}

void enn_tunnel_stats(const struct enn_tunnel *t, struct enn_tunnel_stats *stats)
{
	*stats = t->stats;
}
