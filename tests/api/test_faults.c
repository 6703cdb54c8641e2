/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation of the objects and the runtime fails once, in turn: whatever comes of
 * it is told by a status or an event, nothing crashes, nothing leaks.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "taps/internal.h"

#define MS ENN_MILLISECOND

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

/* From here on the context allocates through us. It has its runtime already, which comes back
 * through us too. */
static void hook(struct fixture *f)
{
	memset(&heap, 0, sizeof(heap));
	heap.alive = 1;
	f->ctx->rt->env.alloc = take;
	f->ctx->rt->env.free = give;
}

struct outcome {
	bool refused; /* a call answered ENN_E_MEMORY */
	bool error;   /* an event told of an error */
	bool done;    /* the conversation came to its end */
};

static bool ok(struct outcome *o, enum enn_status status)
{
	o->refused |= status != ENN_OK;
	return status == ENN_OK;
}

static void on_event(struct fixture *f, struct outcome *o, const struct enn_taps_event *e)
{
	static char answer[100000];
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};

	switch (e->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		f->server = e->connection;
		(void)ok(o, enn_connection_receive(f->server, 20, 0, NULL)); /* gathers */
		break;
	case ENN_TAPS_READY:
		(void)(ok(o, enn_connection_send(f->client, "question one", 12, NULL)) &&
		       ok(o, enn_connection_send(f->client, "question two", 12, NULL)) &&
		       ok(o, enn_connection_receive(f->client, 1, 0, NULL)));
		(void)ok(o, enn_connection_set_property(f->client, ENN_PROPERTY_CONN_PRIORITY, 1));
		break;
	case ENN_TAPS_RECEIVED:
		(void)enn_message_release(e->u.received.loan);
		if (e->connection.id == f->server.id) {
			(void)ok(o, enn_connection_send(f->server, answer, sizeof(answer), &last));
		} else if (e->u.received.end_of_message) {
			o->done = true;
			(void)enn_connection_close(f->client);
		} else {
			(void)ok(o, enn_connection_receive(f->client, 1, 0, NULL));
		}
		break;
	case ENN_TAPS_SOFT_ERROR:
	case ENN_TAPS_RECEIVE_ERROR:
	case ENN_TAPS_SEND_ERROR:
	case ENN_TAPS_CONNECTION_ERROR:
	case ENN_TAPS_ESTABLISHMENT_ERROR:
		o->error = true;
		break;
	default:
		break;
	}
}

/* One conversation with the n-th allocation failing. */
static struct outcome converse(size_t n)
{
	struct fixture f;
	struct outcome o = {false, false, false};
	struct enn_error error;
	struct enn_taps_event e;
	char port[8];
	struct enn_address address;

	fixture_open(&f, NULL, false);
	f.null.b.tickets = true;
	hook(&f);
	heap.fail_at = n;
	f.server_pre = enn_preconnection_new(f.ctx);
	f.client_pre = enn_preconnection_new(f.ctx);
	if (f.server_pre == NULL || f.client_pre == NULL) {
		o.refused = true;
		goto out;
	}
	if (!ok(&o, enn_preconnection_add_local(f.server_pre, "127.0.0.1", "0")) ||
	    !ok(&o, enn_preconnection_set_pref(f.server_pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY,
					       ENN_PREFER)) ||
	    !ok(&o, enn_preconnection_listen(f.server_pre, &f.listener, &error)) ||
	    !ok(&o, enn_listener_local_address(f.listener, 0, &address))) {
		goto out;
	}
	(void)snprintf(port, sizeof(port), "%u", address.port);
	if (!ok(&o, enn_preconnection_add_remote(f.client_pre, "localhost", port)) ||
	    !ok(&o, enn_preconnection_initiate(f.client_pre, &f.client, &error))) {
		goto out;
	}
	/* the snapshot makes this a copy */
	(void)ok(&o, enn_preconnection_set_u64(f.client_pre, ENN_PROPERTY_CONN_PRIORITY, 3));
	while (!o.done && enn_poll(f.ctx, &e, 1, 250 * MS) == 1) {
		on_event(&f, &o, &e);
	}
out:
	fixture_close(&f);
	return o;
}

static void test_every_allocation(void **state)
{
	size_t n = 1;
	size_t told = 0;
	size_t survived = 0;

	(void)state;
	struct outcome o = converse(0);
	assert_true(o.done && !o.refused && !o.error);
	size_t total = heap.calls;
	assert_int_equal(heap.alive, 0);
	assert_true(total > 40);
	for (; n <= total; n++) {
		o = converse(n);
		if (!heap.failed) {
			continue; /* this run needed fewer */
		}
		assert_int_equal(heap.alive, 0);
		if (!(o.refused || o.error || o.done)) {
			fail_msg("allocation %zu failed and nobody was told", n);
		}
		told += o.refused || o.error;
		survived += o.done;
	}
	assert_true(told > total / 2);
	assert_true(survived > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation),
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
