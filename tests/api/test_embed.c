/* SPDX-License-Identifier: Apache-2.0
 *
 * Somebody else's loop: a context driven by its descriptor under poll(), and a context
 * inside a uv_loop_t that the application owns.
 */
#include "fixture.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "taps/internal.h"

#define MS ENN_MILLISECOND

/* ---- descriptor, deadline, step ------------------------------------------------------ */

/* Waits as a program with its own poll() would: for the descriptor and the deadline, nothing else.
 * Returns false after five seconds without an event. */
static bool poll_for_event(struct enn_context *ctx, struct enn_taps_event *event, size_t *waits)
{
	enn_time until = enn_context_now(ctx) + 5 * ENN_SECOND;

	while (enn_poll(ctx, event, 1, 0) == 0) {
		enn_time now = enn_context_now(ctx);
		enn_time deadline = enn_context_deadline(ctx);
		struct pollfd fd = {.fd = enn_context_fd(ctx), .events = POLLIN};
		int timeout = 5000;
		if (now >= until) {
			return false;
		}
		if (deadline <= now) {
			timeout = 0;
		} else if (deadline != ENN_TIME_NEVER) {
			timeout = (int)((deadline - now) / MS) + 1;
		}
		(void)poll(&fd, 1, timeout);
		++*waits;
		enn_context_step(ctx);
	}
	return true;
}

static void test_poll_loop(void **state)
{
	struct fixture f;
	struct enn_taps_event e;
	size_t waits = 0;
	size_t echoed = 0;
	static char data[300000];

	(void)state;
	fixture_open(&f, NULL, false);
	fixture_preconnections(&f);
	fixture_listen(&f);
	fixture_initiate(&f);
	CHECK(enn_connection_send(f.client, data, sizeof(data), NULL));
	CHECK(enn_connection_receive(f.client, 1, 0, NULL));
	while (echoed < sizeof(data)) {
		if (!poll_for_event(f.ctx, &e, &waits)) {
			fail_msg("nothing happens any more after %zu bytes", echoed);
		}
		if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			f.server = e.connection;
			CHECK(enn_connection_receive(f.server, 1, 0, NULL));
		} else if (e.type == ENN_TAPS_RECEIVED) {
			if (e.connection.id == f.server.id) {
				CHECK(enn_connection_send(f.server, e.u.received.data,
							  e.u.received.len, NULL));
			} else {
				echoed += e.u.received.len;
			}
			CHECK(enn_message_release(e.u.received.loan));
			CHECK(enn_connection_receive(e.connection, 1, 0, NULL));
		}
	}
	CHECK(enn_connection_close(f.client));
	CHECK(enn_connection_close(f.server));
	for (int closed = 0; closed < 2;) {
		if (!poll_for_event(f.ctx, &e, &waits)) {
			fail_msg("not closed");
		}
		closed += e.type == ENN_TAPS_CLOSED;
	}
	/* it waited, and did not spin: far fewer turns than would fit in the time */
	assert_true(waits < 5000);
	fixture_close(&f);
}

/* Timers come through the deadline alone. */
static void test_deadline(void **state)
{
	struct fixture f;
	struct enn_taps_event e;
	size_t waits = 0;

	(void)state;
	fixture_open(&f, NULL, false);
	assert_true(enn_context_deadline(f.ctx) == ENN_TIME_NEVER);
	f.null.b.mute = true;
	fixture_preconnections(&f);
	CHECK(enn_preconnection_parse(f.client_pre, "connTimeout", "60", NULL));
	fixture_listen(&f);
	fixture_initiate(&f);
	enn_time begin = enn_context_now(f.ctx);
	assert_true(enn_context_deadline(f.ctx) <= enn_context_now(f.ctx)); /* there is work */
	assert_true(poll_for_event(f.ctx, &e, &waits));
	assert_int_equal(e.type, ENN_TAPS_ESTABLISHMENT_ERROR);
	assert_true(enn_context_now(f.ctx) - begin >= 60 * MS);
	assert_true(enn_context_now(f.ctx) - begin < ENN_SECOND);
	assert_true(waits < 50);
	fixture_close(&f);
}

/* ---- the application's own libuv loop ------------------------------------------------ */

struct app {
	uv_loop_t loop;
	uv_idle_t idle;
	uv_timer_t ticker;
	size_t notified;
	size_t ticks;
	size_t echoed;
	size_t ended;
	struct fixture f;
};

static void on_idle(uv_idle_t *idle);

static void notify(void *ctx)
{
	struct app *app = ctx;

	app->notified++;
	assert_int_equal(uv_idle_start(&app->idle, on_idle), 0);
}

static void on_event(struct app *app, const struct enn_taps_event *e)
{
	switch (e->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		app->f.server = e->connection;
		CHECK(enn_connection_receive(e->connection, 1, 0, NULL));
		break;
	case ENN_TAPS_RECEIVED:
		if (e->connection.id == app->f.server.id) {
			CHECK(enn_connection_send(e->connection, e->u.received.data,
						  e->u.received.len, NULL));
			CHECK(enn_connection_receive(e->connection, 1, 0, NULL));
		} else {
			app->echoed += e->u.received.len;
			CHECK(enn_connection_close(e->connection));
			CHECK(enn_connection_close(app->f.server));
		}
		CHECK(enn_message_release(e->u.received.loan));
		break;
	case ENN_TAPS_CLOSED:
		app->ended++;
		enn_connection_free(e->connection);
		if (app->ended == 2) {
			enn_listener_free(app->f.listener);
			(void)uv_timer_stop(&app->ticker);
		}
		break;
	default:
		break;
	}
}

static void on_idle(uv_idle_t *idle)
{
	struct app *app = idle->data;
	struct enn_taps_event e;

	(void)uv_idle_stop(idle);
	while (enn_poll(app->f.ctx, &e, 1, ENN_TIME_NEVER) == 1) { /* does not wait all the same */
		on_event(app, &e);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct app *app = timer->data;

	app->ticks++;
}

static void open_app(struct app *app)
{
	struct enn_context_options options = {
		.loop = &app->loop, .notify = notify, .notify_ctx = app};

	memset(app, 0, sizeof(*app));
	assert_int_equal(uv_loop_init(&app->loop), 0);
	assert_int_equal(uv_idle_init(&app->loop, &app->idle), 0);
	assert_int_equal(uv_timer_init(&app->loop, &app->ticker), 0);
	app->idle.data = app->ticker.data = app;
	assert_int_equal(uv_timer_start(&app->ticker, on_tick, 0, 1), 0);
	fixture_open(&app->f, &options, false);
	assert_int_equal(enn_context_fd(app->f.ctx), -1);
}

static void close_app(struct app *app)
{
	fixture_close(&app->f);
	uv_close((uv_handle_t *)&app->idle, NULL);
	uv_close((uv_handle_t *)&app->ticker, NULL);
	assert_int_equal(uv_run(&app->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&app->loop), 0); /* nothing of ours is left in it */
}

static void test_own_loop(void **state)
{
	static struct app app;

	(void)state;
	open_app(&app);
	fixture_preconnections(&app.f);
	fixture_listen(&app.f);
	fixture_initiate(&app.f);
	CHECK(enn_connection_send(app.f.client, "through your loop", 17, NULL));
	CHECK(enn_connection_receive(app.f.client, 17, 0, NULL));
	/* the loop ends by itself when the last of our connections and the listener are gone */
	assert_int_equal(uv_run(&app.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(app.ended, 2);
	assert_int_equal(app.echoed, 17);
	assert_true(app.notified > 0);
	assert_true(app.ticks > 0);
	close_app(&app);
}

/* The context is freed while its loop is busy with it. */
static void test_own_loop_freed_early(void **state)
{
	static struct app app;

	(void)state;
	for (int turns = 0; turns < 30; turns++) {
		open_app(&app);
		fixture_preconnections(&app.f);
		CHECK(enn_preconnection_add_remote(app.f.client_pre, "localhost", "9"));
		fixture_listen(&app.f);
		fixture_initiate(&app.f);
		CHECK(enn_connection_send(app.f.client, "unfinished", 10, NULL));
		for (int i = 0; i < turns; i++) {
			(void)uv_run(&app.loop, UV_RUN_NOWAIT);
		}
		close_app(&app);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll_loop),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_own_loop),
		cmocka_unit_test(test_own_loop_freed_early),
	};

	return cmocka_run_group_tests_name("embed", tests, NULL, NULL);
}
