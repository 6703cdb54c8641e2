/* SPDX-License-Identifier: Apache-2.0
 *
 * Ennead in an application that owns a libuv loop: the application's timer ticks while a
 * connection runs on the same loop. `notify` says that events are pending; it must
 * not call back into Ennead, so it wakes an async handle, and that one takes them.
 *
 *     libuv_embed HOST PORT [TRUST.pem]
 */
#include <stdio.h>
#include <string.h>

#include <ennead/ennead.h>
#include <uv.h>

struct program {
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t ticker;
	unsigned ticks;
	struct enn_context *context;
	struct enn_connection connection;
	int result;
};

/* The last event has come: let go of everything that keeps the loop running. */
static void finish(struct program *p, int result)
{
	p->result = result;
	enn_connection_free(p->connection);
	enn_context_free(p->context);
	p->context = NULL;
	uv_close((uv_handle_t *)&p->wake, NULL);
	uv_close((uv_handle_t *)&p->ticker, NULL);
}

static void handle(struct program *p, const struct enn_taps_event *event)
{
	char line[256];

	switch (event->type) {
	case ENN_TAPS_READY:
		if (enn_connection_receive(p->connection, 1, 0, NULL) != ENN_OK) {
			finish(p, 1);
		}
		break;
	case ENN_TAPS_RECEIVED:
		(void)fwrite(event->u.received.data, 1, event->u.received.len, stdout);
		(void)enn_message_release(event->u.received.loan);
		if (!event->u.received.end_of_message &&
		    enn_connection_receive(p->connection, 1, 0, NULL) != ENN_OK) {
			finish(p, 1);
		}
		break;
	case ENN_TAPS_CLOSED:
		finish(p, 0);
		break;
	case ENN_TAPS_ESTABLISHMENT_ERROR:
	case ENN_TAPS_CONNECTION_ERROR:
		(void)fprintf(stderr, "libuv_embed: %s\n",
			      enn_error_string(&event->u.error, line, sizeof(line)));
		finish(p, 1);
		break;
	default:
		break;
	}
}

static void on_wake(uv_async_t *async)
{
	struct program *p = async->data;
	struct enn_taps_event event;

	while (p->context != NULL && enn_poll(p->context, &event, 1, 0) == 1) {
		handle(p, &event);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct program *p = timer->data;

	p->ticks++;
}

static void notify(void *ctx)
{
	struct program *p = ctx;

	(void)uv_async_send(&p->wake);
}

static enum enn_status connect_to(struct program *p, const char *host, const char *port,
				  const char *trust, struct enn_error *error)
{
	static const char hello[] = "hello\n";
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};
	struct enn_security *security = enn_security_new();
	struct enn_preconnection *pre = enn_preconnection_new(p->context);
	enum enn_status status = ENN_OK;

	if (trust != NULL) {
		status = enn_security_trust_file(security, trust, error);
	}
	if (status == ENN_OK) {
		status = enn_preconnection_set_security(pre, security);
	}
	if (status == ENN_OK) {
		status = enn_preconnection_add_remote(pre, host, port);
	}
	if (status == ENN_OK) {
		status = enn_preconnection_initiate_with_send(pre, hello, strlen(hello), &last,
							      &p->connection, error);
	}
	enn_preconnection_free(pre);
	enn_security_free(security);
	return status;
}

int main(int argc, char **argv)
{
	static struct program p = {.result = 1};
	struct enn_context_options options = {.loop = &p.loop, .notify = notify, .notify_ctx = &p};
	struct enn_error error = {0};

	if (argc != 3 && argc != 4) {
		(void)fprintf(stderr, "usage: libuv_embed HOST PORT [TRUST.pem]\n");
		return 2;
	}
	if (uv_loop_init(&p.loop) != 0 || uv_async_init(&p.loop, &p.wake, on_wake) != 0 ||
	    uv_timer_init(&p.loop, &p.ticker) != 0) {
		return 1;
	}
	p.wake.data = p.ticker.data = &p;
	(void)uv_timer_start(&p.ticker, on_tick, 0, 10);
	if (enn_context_new(&options, &p.context, &error) != ENN_OK) {
		return 1;
	}
	if (connect_to(&p, argv[1], argv[2], argc == 4 ? argv[3] : NULL, &error) != ENN_OK) {
		(void)fprintf(stderr, "libuv_embed: the connection could not be begun\n");
		finish(&p, 1);
	}
	(void)uv_run(&p.loop, UV_RUN_DEFAULT); /* until the last handle is closed */
	(void)fprintf(stderr, "libuv_embed: %u ticks meanwhile\n", p.ticks);
	return uv_loop_close(&p.loop) == 0 ? p.result : 1;
}
