/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, keys and the kinds of handshake that the tests of TLS 1.2 go through.
 */
#ifndef ENN_TESTS_UNIT_TLS12_WORLD_H
#define ENN_TESTS_UNIT_TLS12_WORLD_H

#include "tls_pair.h"

#define TLS12_HOST "a.example"

struct tls12_world {
	struct test_env t;
	struct cert *root, *ecdsa, *ed25519, *rsa, *client, *rsa_client;
};
extern struct tls12_world tls12;

/* For cmocka's groups. */
int tls12_open(void **state);
int tls12_close(void **state);

enum tls12_kind { TLS12_FULL, TLS12_MUTUAL, TLS12_PSK, TLS12_STATUS, TLS12_TICKET, TLS12_ID };

/* One kind of handshake: who takes part, and what goes over the wire in it. */
struct tls12_flow {
	const char *name;
	enum tls12_kind kind;
	/* The types of the messages in order, each with its direction: 'c' from the client. */
	struct tls12_step {
		char from;
		unsigned type;
	} step[20];
	size_t steps;
};
extern const struct tls12_flow tls12_flows[];
extern const size_t tls12_flow_count;

struct tls12_sides {
	struct enn_security *client, *server;
};
/* The parameters of a flow; each side takes one more "name=value", or NULL. */
struct tls12_sides tls12_sides_of(enum tls12_kind kind, const char *client, const char *server);
void tls12_sides_free(struct tls12_sides *sides);
bool tls12_resumes(enum tls12_kind kind);

void tls12_add_psk(struct enn_security *s, const char *identity, uint8_t key);

#endif
