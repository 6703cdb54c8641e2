/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API tests share.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "taps/internal.h"

#define PATIENCE (5 * ENN_SECOND)

void fixture_open(struct fixture *f, const struct enn_context_options *options, bool tls)
{
	struct enn_error error;

	memset(f, 0, sizeof(*f));
	null_protocol_init(&f->null);
	if (enn_context_new(options, &f->ctx, &error) != ENN_OK) {
		fail_msg("context: %s", error.text);
	}
	if (!tls) {
		enn_context_set_protocols(f->ctx, f->null.list);
	}
}

void fixture_close(struct fixture *f)
{
	enn_preconnection_free(f->server_pre);
	enn_preconnection_free(f->client_pre);
	enn_context_free(f->ctx);
	assert_int_equal(f->null.b.engines, 0);
}

void fixture_preconnections(struct fixture *f)
{
	f->server_pre = enn_preconnection_new(f->ctx);
	f->client_pre = enn_preconnection_new(f->ctx);
	assert_non_null(f->server_pre);
	assert_non_null(f->client_pre);
	CHECK(enn_preconnection_add_local(f->server_pre, "127.0.0.1", "0"));
	CHECK(enn_preconnection_set_server_name(f->client_pre, "null.example"));
}

void fixture_listen(struct fixture *f)
{
	struct enn_address address;
	struct enn_error error;
	char port[8];

	if (enn_preconnection_listen(f->server_pre, &f->listener, &error) != ENN_OK) {
		fail_msg("listen: %s", error.text);
	}
	CHECK(enn_listener_local_address(f->listener, 0, &address));
	f->port = address.port;
	(void)snprintf(port, sizeof(port), "%u", f->port);
	CHECK(enn_preconnection_add_remote(f->client_pre, "127.0.0.1", port));
}

void fixture_initiate(struct fixture *f)
{
	struct enn_error error;

	if (enn_preconnection_initiate(f->client_pre, &f->client, &error) != ENN_OK) {
		fail_msg("initiate: %s", error.text);
	}
}

void fixture_connect(struct fixture *f)
{
	bool ready = false;
	bool received = false;

	fixture_preconnections(f);
	fixture_listen(f);
	fixture_initiate(f);
	while (!ready || !received) {
		struct enn_taps_event event;
		if (enn_poll(f->ctx, &event, 1, PATIENCE) != 1) {
			fail_msg("no connection within five seconds");
		}
		if (event.type == ENN_TAPS_READY) {
			assert_int_equal(event.connection.id, f->client.id);
			ready = true;
		} else if (event.type == ENN_TAPS_CONNECTION_RECEIVED) {
			assert_int_equal(event.listener.id, f->listener.id);
			f->server = event.connection;
			received = true;
		} else {
			fail_msg("unexpected %s", enn_taps_event_name(event.type));
		}
	}
}

struct enn_taps_event fixture_expect(struct fixture *f, enum enn_taps_event_type type, uint64_t id)
{
	struct enn_taps_event event;

	if (enn_poll(f->ctx, &event, 1, PATIENCE) != 1) {
		fail_msg("no %s within five seconds", enn_taps_event_name(type));
	}
	if (event.type != type || (id != 0 && event.connection.id != id)) {
		fail_msg("%s of connection %#llx instead of %s of %#llx",
			 enn_taps_event_name(event.type), (unsigned long long)event.connection.id,
			 enn_taps_event_name(type), (unsigned long long)id);
	}
	return event;
}

struct enn_taps_event fixture_await(struct fixture *f, enum enn_taps_event_type type, uint64_t id)
{
	struct enn_taps_event event;
	enn_time until = enn_context_now(f->ctx) + PATIENCE;

	while (enn_context_now(f->ctx) < until) {
		if (enn_poll(f->ctx, &event, 1, PATIENCE) != 1) {
			break;
		}
		if (event.type == type && (id == 0 || event.connection.id == id)) {
			return event;
		}
		if (event.type == ENN_TAPS_RECEIVED) {
			(void)enn_message_release(event.u.received.loan);
		}
	}
	fail_msg("no %s within five seconds", enn_taps_event_name(type));
	return event;
}

void fixture_quiet(struct fixture *f, enn_time time)
{
	struct enn_taps_event event;

	if (enn_poll(f->ctx, &event, 1, time) != 0) {
		fail_msg("unexpected %s", enn_taps_event_name(event.type));
	}
}

void fixture_settle(struct fixture *f)
{
	for (int calm = 0; calm < 5; calm++) {
		uint64_t before = f->ctx->rt->activity;
		(void)enn_runtime_turn(f->ctx->rt, 2 * ENN_MILLISECOND);
		if (f->ctx->rt->activity != before) {
			calm = 0;
		}
	}
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

int raw_connect(uint16_t port)
{
	struct sockaddr_in in = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

int raw_listen(uint16_t *port)
{
	struct sockaddr_in in = loopback(0);
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

struct enn_context_usage usage_of(const struct fixture *f)
{
	struct enn_context_usage usage;

	enn_context_usage(f->ctx, &usage);
	return usage;
}
