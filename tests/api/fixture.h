/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API tests share: a context with the null protocol (or real TLS), a listener
 * and connections to it in the same process, and waiting for events.
 */
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ennead/ennead.h"
#include "null_protocol.h"

struct fixture {
	struct enn_context *ctx;
	struct null_protocol null;
	struct enn_preconnection *server_pre;
	struct enn_preconnection *client_pre;
	struct enn_listener listener;
	uint16_t port;
	struct enn_connection client;
	struct enn_connection server;
	size_t allocated; /* by the failing allocator, see fixture_count_allocations */
};

#define CHECK(expr) assert_int_equal((expr), ENN_OK)

/* A context. options may be NULL. The null protocol replaces the registry unless `tls`. */
void fixture_open(struct fixture *f, const struct enn_context_options *options, bool tls);
/* Frees everything and checks that all engines are gone. */
void fixture_close(struct fixture *f);

/* Listens on 127.0.0.1 and prepares a client for it. With TLS, security parameters are the caller's
 * to set first: fixture_preconnections makes the two preconnections. */
void fixture_preconnections(struct fixture *f);
void fixture_listen(struct fixture *f);
void fixture_initiate(struct fixture *f);
/* All of it: both ends established, Ready and ConnectionReceived taken. */
void fixture_connect(struct fixture *f);

/* Waits for an event of the type on that connection (id 0: any object); events of other types are a
 * failure unless they are among `skipped` (bits of 1 << type). Fails after five seconds. */
struct enn_taps_event fixture_expect(struct fixture *f, enum enn_taps_event_type type, uint64_t id);
/* Takes events until one of the type; all others are dropped (received data is released). */
struct enn_taps_event fixture_await(struct fixture *f, enum enn_taps_event_type type, uint64_t id);
/* Fails if any event comes within the time. */
void fixture_quiet(struct fixture *f, enn_time time);
/* Runs until nothing happens for a few milliseconds; leaves events in the queue. */
void fixture_settle(struct fixture *f);

/* A socket that a raw peer uses. Connects to, or listens on, 127.0.0.1. */
int raw_connect(uint16_t port);
int raw_listen(uint16_t *port);

struct enn_context_usage usage_of(const struct fixture *f);

#endif
