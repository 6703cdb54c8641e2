/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagram connections that end at any time, and for want of memory.
 */
#include "toy_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "taps/internal.h"

#define MS ENN_MILLISECOND

/* ---- freeing ------------------------------------------------------------------------- */

/* Whether there still is anything to use or not. */
static void use(struct enn_connection c)
{
	enum enn_status ignored = enn_connection_send(c, "some bytes", 10, NULL);

	ignored = enn_connection_receive(c, 0, 0, NULL);
	(void)ignored;
}

/* At each step of a conversation one of the objects goes. */
static void free_at(struct toy *t, int step, int victim)
{
	struct enn_taps_event e;

	toy_prepare(t);
	fixture_listen(&t->f);
	fixture_initiate(&t->f);
	for (int i = 0; i < 60; i++) {
		if (i == step) {
			if (victim == 0) {
				enn_connection_free(t->f.client);
			} else if (victim == 1) {
				enn_connection_free(t->f.server);
			} else if (victim == 2) {
				enn_listener_free(t->f.listener);
			} else {
				(void)enn_connection_abort(t->f.client);
				(void)enn_connection_abort(t->f.server);
			}
		}
		use(t->f.client);
		use(t->f.server);
		if (enn_poll(t->f.ctx, &e, 1, 0) == 1) {
			if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
				t->f.server = e.connection;
			} else if (e.type == ENN_TAPS_RECEIVED && i % 3 != 0) {
				(void)enn_message_release(e.u.received.loan);
			}
		}
	}
}

static void test_free_any_time(void **state)
{
	(void)state;
	for (int victim = 0; victim < 4; victim++) {
		for (int step = 0; step < 40; step += 1 + step / 8) {
			struct toy t;
			toy_open(&t, NULL);
			free_at(&t, step, victim);
			toy_close(&t);
		}
	}
}

/* ---- allocation failures ------------------------------------------------------------- */

static struct {
	size_t calls;
	size_t fail_at; /* this call fails; 0: none */
	size_t alive;
	bool failed;
} heap;

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	if (++heap.calls == heap.fail_at) {
		heap.failed = true;
		return NULL;
	}
	heap.alive++;
	return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	(void)size;
	heap.alive--;
	free(ptr);
}

/* A conversation in which the n-th allocation fails, with what a datagram protocol does about it:
 * tries again, or gives up in good order. */
static bool talk(struct toy *t)
{
	struct enn_taps_event e;
	struct enn_error error;
	enn_time until = enn_context_now(t->f.ctx) + 2 * ENN_SECOND;
	bool sent = false;

	if (enn_preconnection_listen(t->f.server_pre, &t->f.listener, &error) != ENN_OK) {
		return false;
	}
	CHECK(enn_listener_local_address(t->f.listener, 0, &(struct enn_address){0}));
	if (enn_preconnection_initiate(t->f.client_pre, &t->f.client, &error) != ENN_OK) {
		return false;
	}
	while (enn_context_now(t->f.ctx) < until) {
		if (enn_poll(t->f.ctx, &e, 1, 50 * MS) == 0) {
			if (sent) {
				return true; /* the message was lost for want of memory */
			}
			continue;
		}
		switch (e.type) {
		case ENN_TAPS_CONNECTION_RECEIVED:
			t->f.server = e.connection;
			if (enn_connection_receive(t->f.server, 0, 0, NULL) != ENN_OK) {
				return false;
			}
			break;
		case ENN_TAPS_READY:
			if (enn_connection_send(t->f.client, "hello", 5, NULL) != ENN_OK) {
				return false;
			}
			sent = true;
			break;
		case ENN_TAPS_RECEIVED:
			(void)enn_message_release(e.u.received.loan);
			return true;
		case ENN_TAPS_ESTABLISHMENT_ERROR:
		case ENN_TAPS_CONNECTION_ERROR:
		case ENN_TAPS_SEND_ERROR:
			return false;
		default:
			break;
		}
	}
	fail_msg("nothing came of it within two seconds (allocation %zu)", heap.fail_at);
	return false;
}

static void test_allocation_failures(void **state)
{
	size_t n = 0;

	(void)state;
	do {
		struct toy t;
		uint16_t port;
		char text[8];
		toy_open(&t, NULL);
		toy_prepare(&t);
		/* a port that is free for UDP, so that both can be told before the failure */
		int fd = raw_listen(&port);
		(void)snprintf(text, sizeof(text), "%u", port);
		CHECK(enn_preconnection_add_remote(t.f.client_pre, "127.0.0.1", text));
		enn_preconnection_free(t.f.server_pre);
		t.f.server_pre = enn_preconnection_new(t.f.ctx);
		toy_relax(t.f.server_pre);
		CHECK(enn_preconnection_add_local(t.f.server_pre, "127.0.0.1", text));
		memset(&heap, 0, sizeof(heap));
		heap.fail_at = ++n;
		t.f.ctx->rt->env.alloc = take;
		t.f.ctx->rt->env.free = give;
		bool worked = talk(&t);
		assert_true(worked || heap.failed);
		heap.fail_at = 0;
		toy_close(&t);
		(void)close(fd);
	} while (heap.failed);
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_any_time),
		cmocka_unit_test(test_allocation_failures),
	};

	return cmocka_run_group_tests_name("datagram_faults", tests, NULL, NULL);
}
