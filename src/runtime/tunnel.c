/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnels: life, and the loop of engine.h.
 */
#include "ennead/tunnel.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/tunnel_internal.h"

#define DEFAULT_MTU 1420
#define MEMORY	    (ENN_TUNNEL_FRONT + ENN_TUNNEL_PACKET + ENN_TUNNEL_RING + ENN_TUNNEL_BATCHES)
#define ALIGNMENT   ((size_t)64)

/* ---- the engine's loop --------------------------------------------------------------- */

static void tell(struct enn_tunnel *t, const struct enn_event *event)
{
	if (t->event != NULL) {
		t->event(t->event_ctx, event);
	}
}

void enn_tunnel_events(struct enn_tunnel *t)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(t->engine, t->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:
			enn_tunnel_packet_received(t, &event.u.received);
			break;
		case ENN_EVENT_SENT:
			enn_tunnel_packet_sent(t, event.u.sent.user);
			break;
		case ENN_EVENT_CLOSED:
		case ENN_EVENT_FAILED:
			t->over = true;
			tell(t, &event);
			return;
		default:
			tell(t, &event);
			break;
		}
	}
}

static void watch(struct enn_tunnel *t)
{
	bool wanted = t->started && !t->over && !t->parked && !enn_udp_holds(t->udp);

	if (wanted == t->reading) {
		return;
	}
	t->reading = wanted;
	for (unsigned i = 0; i < t->tun.queues; i++) {
		uv_poll_t *poll = &t->queues[i].poll;
		if (wanted) {
			(void)uv_poll_start(poll, UV_READABLE, enn_tunnel_on_interface);
		} else {
			(void)uv_poll_stop(poll);
		}
	}
}

void enn_tunnel_turn(struct enn_tunnel *t)
{
	do {
		enn_tunnel_events(t);
		enn_tunnel_resume(t);
	} while (enn_tunnel_put_batch(t));
	watch(t);
	if (t->over) {
		enn_udp_read(t->udp, false);
	}
}

/* ---- time ---------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct enn_tunnel *t = timer->data;

	t->armed = ENN_TIME_NEVER;
	if (!t->started || t->over) {
		return;
	}
	t->now = uv_hrtime();
	if (enn_engine_deadline(t->engine) <= t->now) {
		enn_engine_expire(t->engine, t->now);
	}
	enn_tunnel_turn(t);
	enn_tunnel_arm(t);
}

/* A timer that is early costs one call; setting it for every packet would cost more. */
void enn_tunnel_arm(struct enn_tunnel *t)
{
	enn_time deadline = t->over ? ENN_TIME_NEVER : enn_engine_deadline(t->engine);

	if (deadline >= t->armed) {
		return;
	}
	enn_time wait = deadline > t->now ? deadline - t->now : 0;
	t->armed = deadline;
	(void)uv_timer_start(&t->timer, on_timer, (wait + ENN_MILLISECOND - 1) / ENN_MILLISECOND,
			     0);
}

void enn_tunnel_wake(struct enn_tunnel *t)
{
	if (t->started && !t->over && t->armed > 0) {
		t->armed = 0;
		(void)uv_timer_start(&t->timer, on_timer, 0, 0);
	}
}

enn_time enn_tunnel_now(const struct enn_tunnel *t)
{
	(void)t;
	return uv_hrtime();
}

/* ---- from nothing to the loop -------------------------------------------------------- */

static void release(struct enn_tunnel *t)
{
	enn_free_aligned_secret(t->env, t->memory, ALIGNMENT, MEMORY); /* packets */
	enn_free(t->env, t, sizeof(*t));
}

static void on_closed(uv_handle_t *handle)
{
	struct enn_tunnel *t = handle->data;

	if (--t->handles == 0) {
		release(t);
	}
}

static void on_queue_closed(uv_handle_t *handle)
{
	struct enn_tunnel_queue *queue = handle->data;
	uv_handle_t as_timer = {.data = queue->tunnel};

	on_closed(&as_timer);
}

static enum enn_status system_error(struct enn_error *error, int sys_errno, const char *where)
{
	enum enn_status status = sys_errno == ENOMEM ? ENN_E_MEMORY : ENN_E_SYSTEM;

	(void)enn_error_set(error, status,
			    sys_errno == ENOMEM ? ENN_REASON_OUT_OF_MEMORY : ENN_REASON_SYSTEM,
			    where, "%s", strerror(sys_errno));
	if (error != NULL) {
		error->sys_errno = sys_errno;
	}
	return status;
}

void enn_tunnel_fail(struct enn_tunnel *t, int error, const char *where)
{
	struct enn_event event = {.type = ENN_EVENT_FAILED};

	if (!t->over) {
		t->over = true;
		(void)system_error(&event.u.error, error, where);
		tell(t, &event);
	}
}

static enum enn_status take_memory(struct enn_tunnel *t)
{
	t->memory = enn_alloc_aligned(t->env, ALIGNMENT, MEMORY);
	if (t->memory == NULL) {
		return ENN_E_MEMORY;
	}
	t->packet = t->memory + ENN_TUNNEL_FRONT;
	t->batch = t->packet + ENN_TUNNEL_PACKET;
	t->ring.data = t->batch + ENN_TUNNEL_BATCHES;
	return ENN_OK;
}

static enum enn_status open_interface(struct enn_tunnel *t,
				      const struct enn_tunnel_options *options,
				      struct enn_error *error)
{
	struct enn_tun_options tun = {.name = options->interface,
				      .fd = options->tun_fd,
				      .queues = options->queues,
				      .mtu = options->mtu,
				      .no_offload = options->no_offload};
	const char *where;

	if (tun.mtu == 0 && tun.fd <= 0) {
		tun.mtu = DEFAULT_MTU;
	}
	int failed = enn_tun_open(&t->tun, &tun, &where);
	if (failed != 0) {
		return system_error(error, failed, where);
	}
	enn_join_init(&t->join, t->tun.large_tcp, t->tun.large_udp);
	return ENN_OK;
}

static enum enn_status open_sockets(struct enn_tunnel *t, const struct enn_tunnel_options *options,
				    struct enn_error *error)
{
	static const struct enn_udp_ops ops = {.readable = enn_tunnel_readable,
					       .writable = enn_tunnel_writable};
	struct enn_udp_options udp = {.port = options->listen_port,
				      .mark = options->mark,
				      .no_offload = options->no_offload};
	int failed;
	enum enn_status status = enn_udp_new(t->loop, t->env, &ops, t, &udp, &t->udp, &failed);

	return status == ENN_OK ? ENN_OK : system_error(error, failed, "UDP port");
}

static enum enn_status open_handles(struct enn_tunnel *t, struct enn_error *error)
{
	(void)uv_timer_init(t->loop, &t->timer); /* cannot fail */
	t->timer.data = t;
	t->handles++;
	for (unsigned i = 0; i < t->tun.queues; i++) {
		struct enn_tunnel_queue *queue = &t->queues[i];
		int failed = uv_poll_init(t->loop, &queue->poll, t->tun.fds[i]);
		if (failed != 0) {
			return system_error(error, -failed, "interface");
		}
		queue->poll.data = queue;
		queue->tunnel = t;
		queue->index = i;
		t->handles++;
	}
	return ENN_OK;
}

enum enn_status enn_tunnel_new(struct uv_loop_s *loop, const struct enn_env *env,
			       struct enn_engine *engine, const struct enn_tunnel_options *options,
			       struct enn_tunnel **out, struct enn_error *error)
{
	*out = NULL;
	if (loop == NULL || env == NULL || engine == NULL || options == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "tunnel", "a parameter is missing");
	}
	struct enn_tunnel *t = enn_alloc(env, sizeof(*t));
	if (t == NULL) {
		return system_error(error, ENOMEM, "tunnel");
	}
	t->loop = loop;
	t->env = env;
	t->engine = engine;
	t->armed = ENN_TIME_NEVER;
	enum enn_status status = take_memory(t);
	if (status != ENN_OK) {
		(void)system_error(error, ENOMEM, "tunnel");
	}
	if (status == ENN_OK) {
		status = open_interface(t, options, error);
	}
	if (status == ENN_OK) {
		status = open_sockets(t, options, error);
	}
	if (status == ENN_OK) {
		status = open_handles(t, error);
	}
	if (status != ENN_OK) {
		enn_tunnel_free(t);
		return status;
	}
	*out = t;
	return ENN_OK;
}

enum enn_status enn_tunnel_start(struct enn_tunnel *t, struct enn_error *error)
{
	if (t->started) {
		return enn_error_set(error, ENN_E_STATE, ENN_REASON_INVALID_CONFIGURATION, "tunnel",
				     "it has been started already");
	}
	t->now = uv_hrtime();
	enum enn_status status = enn_engine_start(t->engine, t->now);
	if (status != ENN_OK) {
		return enn_error_set(error, status, ENN_REASON_ESTABLISHMENT_FAILED, "tunnel",
				     "the engine cannot be started");
	}
	t->started = true;
	enn_udp_read(t->udp, true);
	enn_tunnel_turn(t);
	enn_tunnel_arm(t);
	return ENN_OK;
}

void enn_tunnel_free(struct enn_tunnel *t)
{
	if (t == NULL) {
		return;
	}
	enn_udp_free(t->udp);
	unsigned handles = t->handles;
	if (handles > 0) {
		uv_close((uv_handle_t *)&t->timer, on_closed);
	}
	for (unsigned i = 0; i + 1 < handles; i++) {
		uv_close((uv_handle_t *)&t->queues[i].poll, on_queue_closed);
	}
	enn_tun_close(&t->tun);
	if (handles == 0) {
		release(t);
	}
}

/* ---- questions and changes ----------------------------------------------------------- */

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
	return enn_udp_port(t->udp);
}

uint32_t enn_tunnel_mark(const struct enn_tunnel *t)
{
	return enn_udp_mark(t->udp);
}

uint16_t enn_tunnel_mtu(const struct enn_tunnel *t)
{
	return t->tun.mtu;
}

enum enn_status enn_tunnel_set_port(struct enn_tunnel *t, uint16_t port, struct enn_error *error)
{
	int failed;
	enum enn_status status = enn_udp_set_port(t->udp, port, &failed);

	if (status != ENN_OK) {
		return system_error(error, failed, "UDP port");
	}
	enn_tunnel_wake(t); /* the old sockets may have been full */
	return ENN_OK;
}

enum enn_status enn_tunnel_set_mark(struct enn_tunnel *t, uint32_t mark, struct enn_error *error)
{
	int failed;
	enum enn_status status = enn_udp_set_mark(t->udp, mark, &failed);

	return status == ENN_OK ? ENN_OK : system_error(error, failed, "mark");
}

void enn_tunnel_on_event(struct enn_tunnel *t,
			 void (*event)(void *ctx, const struct enn_event *event), void *ctx)
{
	t->event = event;
	t->event_ctx = ctx;
}

void enn_tunnel_stats(const struct enn_tunnel *t, struct enn_tunnel_stats *stats)
{
	const struct enn_udp_stats *udp = enn_udp_stats(t->udp);

	*stats = t->stats;
	stats->outer_in_packets = udp->in_packets;
	stats->outer_in_bytes = udp->in_bytes;
	stats->outer_out_packets = udp->out_packets;
	stats->outer_out_bytes = udp->out_bytes;
	stats->receives = udp->receives;
	stats->sends = udp->sends;
	stats->dropped += udp->lost;
}
