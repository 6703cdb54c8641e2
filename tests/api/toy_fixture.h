/* SPDX-License-Identifier: Apache-2.0
 *
 * The fixture with the toy datagram protocol.
 */
#ifndef TESTS_API_TOY_FIXTURE_H
#define TESTS_API_TOY_FIXTURE_H

#include "fixture.h"
#include "toy_datagram.h"

struct toy {
	struct fixture f; /* first */
	struct toy_protocol p;
};

void toy_open(struct toy *t, const struct enn_context_options *options);
/* Frees everything and checks that engines and acceptors are gone. */
void toy_close(struct toy *t);
/* For cmocka: a toy of the test's own as its state. */
int toy_setup(void **state);
int toy_teardown(void **state);

/* What UDP does not give by itself is not asked for. */
void toy_relax(struct enn_preconnection *pre);
/* Both preconnections. */
void toy_prepare(struct toy *t);
/* One more client, Ready and delivered. */
void toy_pair_up(struct toy *t, struct enn_connection *client, struct enn_connection *server);
/* Listens and connects. */
void toy_connect(struct toy *t);
/* Receives one message, and nothing else than it. */
void toy_expect(struct toy *t, struct enn_connection c, const void *data, size_t len);

#endif
