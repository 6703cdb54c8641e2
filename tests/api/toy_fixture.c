/* SPDX-License-Identifier: Apache-2.0
 *
 * The fixture with the toy datagram protocol.
 */
#include "toy_fixture.h"

#include <string.h>

#include "taps/internal.h"

void toy_open(struct toy *t, const struct enn_context_options *options)
{
	memset(t, 0, sizeof(*t));
	toy_protocol_init(&t->p);
	fixture_open(&t->f, options, true);
	enn_context_set_protocols(t->f.ctx, t->p.list);
}

void toy_close(struct toy *t)
{
	fixture_close(&t->f);
	assert_int_equal(t->p.b.engines, 0);
	assert_int_equal(t->p.b.acceptors, 0);
}

int toy_setup(void **state)
{
	static struct toy t;

	toy_open(&t, NULL);
	*state = &t;
	return 0;
}

int toy_teardown(void **state)
{
	toy_close(*state);
	return 0;
}

void toy_relax(struct enn_preconnection *pre)
{
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_RELIABILITY, ENN_NO_PREFERENCE));
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_PRESERVE_ORDER, ENN_NO_PREFERENCE));
	CHECK(enn_preconnection_set_pref(pre, ENN_PROPERTY_CONGESTION_CONTROL, ENN_NO_PREFERENCE));
}

void toy_prepare(struct toy *t)
{
	fixture_preconnections(&t->f);
	toy_relax(t->f.server_pre);
	toy_relax(t->f.client_pre);
}

void toy_pair_up(struct toy *t, struct enn_connection *client, struct enn_connection *server)
{
	bool ready = false;
	bool received = false;

	fixture_initiate(&t->f);
	*client = t->f.client;
	while (!ready || !received) {
		struct enn_taps_event e;
		if (enn_poll(t->f.ctx, &e, 1, 5 * ENN_SECOND) != 1) {
			fail_msg("no connection within five seconds");
		}
		if (e.type == ENN_TAPS_READY) {
			assert_int_equal(e.connection.id, client->id);
			ready = true;
		} else if (e.type == ENN_TAPS_CONNECTION_RECEIVED) {
			*server = e.connection;
			received = true;
		} else {
			fail_msg("unexpected %s", enn_taps_event_name(e.type));
		}
	}
}

void toy_connect(struct toy *t)
{
	toy_prepare(t);
	fixture_listen(&t->f);
	toy_pair_up(t, &t->f.client, &t->f.server);
}

void toy_expect(struct toy *t, struct enn_connection c, const void *data, size_t len)
{
	CHECK(enn_connection_receive(c, 0, 0, NULL));
	struct enn_taps_event e = fixture_await(&t->f, ENN_TAPS_RECEIVED, c.id);
	assert_int_equal(e.u.received.len, len);
	assert_memory_equal(e.u.received.data, data, len);
	assert_true(e.u.received.end_of_message);
	assert_int_equal(e.u.received.flags, 0);
	(void)enn_message_release(e.u.received.loan);
}
