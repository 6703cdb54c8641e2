/* SPDX-License-Identifier: Apache-2.0
 *
 * Message connections over WireGuard: a listener with many clients, by the engine contract alone.
 */
#include "pair.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "protocols/registry.h"

#define CLIENTS 20

static struct enn_env env;
static uint64_t seed;
static size_t allocated;
static enn_time now;

struct end {
	struct enn_engine *engine;
	struct enn_address address;
	uint8_t private_key[32];
	uint8_t public_key[32];
	bool ready;
	struct enn_error error; /* of FAILED */
	bool failed;
	bool closed;
	size_t received;
	uint8_t last[WIRE_BYTES];
	size_t last_len;
	unsigned sent;
};

static struct end server;	 /* only its keys and address */
static struct end side[CLIENTS]; /* the server's end of each */
static struct end client[CLIENTS];
static struct enn_acceptor *acceptor;

static int seeded(void *ctx, uint8_t *out, size_t len)
{
	uint64_t *s = ctx;

	for (size_t i = 0; i < len; i++) {
		*s ^= *s << 13;
		*s ^= *s >> 7;
		*s ^= *s << 17;
		out[i] = (uint8_t)(*s >> 32);
	}
	return 0;
}

static void *count_alloc(void *ctx, size_t size)
{
	(void)ctx;
	allocated += size;
	return malloc(size);
}

static void count_free(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	allocated -= ptr == NULL ? 0 : size;
	free(ptr);
}

static int open_world(void **state)
{
	(void)state;
	memset(side, 0, sizeof(side));
	memset(client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	seed = 4711;
	now = ENN_SECOND;
	env = (struct enn_env){
		.wall_offset = INT64_C(1700000000) * (int64_t)ENN_SECOND,
		.random = seeded,
		.random_ctx = &seed,
		.alloc = count_alloc,
		.free = count_free,
	};
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto), ENN_OK);
	allocated = 0;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	enn_acceptor_free(acceptor);
	acceptor = NULL;
	for (int i = 0; i < CLIENTS; i++) {
		enn_engine_free(client[i].engine);
		enn_engine_free(side[i].engine);
	}
	enn_crypto_free(env.crypto);
	assert_int_equal(allocated, 0);
	return 0;
}

static void make_keys(struct end *e, uint8_t number, uint16_t port)
{
	e->address = (struct enn_address){
		.ip = {198, 51, 100, number}, .port = port, .family = ENN_FAMILY_IPV4};
	assert_int_equal(enn_wireguard_generate_key(&env, e->private_key), ENN_OK);
	assert_int_equal(enn_wireguard_public_key(&env, e->private_key, e->public_key), ENN_OK);
}

static struct enn_security *security_of(const struct end *e)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *key = NULL;

	assert_non_null(s);
	assert_int_equal(enn_credential_static_key(e->private_key, &key), ENN_OK);
	assert_int_equal(enn_security_add_credential(s, key), ENN_OK);
	enn_credential_free(key);
	return s;
}

static void open_server(int clients, const uint8_t *psk)
{
	struct enn_error error;

	make_keys(&server, 1, 51820);
	struct enn_security *s = security_of(&server);
	for (int i = 0; i < clients; i++) {
		make_keys(&client[i], (uint8_t)(10 + i), 40000);
		assert_int_equal(enn_security_add_peer_key(s, client[i].public_key, psk), ENN_OK);
	}
	assert_int_equal(enn_acceptor_new(&enn_wireguard_protocol, &env, s, &acceptor, &error),
			 ENN_OK);
	enn_security_free(s);
}

static void open_client(struct end *c, const uint8_t *peer, const uint8_t *psk)
{
	struct enn_security *s = security_of(c);
	struct enn_engine_options options = {
		.path = {.local = c->address, .remote = server.address}};
	struct enn_error error;

	assert_int_equal(enn_security_add_peer_key(s, peer, psk), ENN_OK);
	assert_int_equal(enn_engine_new_client(&enn_wireguard_protocol, &env, s, &options,
					       &c->engine, &error),
			 ENN_OK);
	enn_security_free(s);
	assert_int_equal(enn_engine_start(c->engine, now), ENN_OK);
}

/* ---- moving packets --------------------------------------------------------------------------- */

static void events(struct end *e)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(e->engine, now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			e->ready = true;
			break;
		case ENN_EVENT_SENT:
			e->sent++;
			break;
		case ENN_EVENT_RECEIVED:
			e->received++;
			e->last_len = event.u.received.len;
			memcpy(e->last, event.u.received.data, event.u.received.len);
			break;
		case ENN_EVENT_FAILED:
			e->failed = true;
			e->error = event.u.error;
			break;
		case ENN_EVENT_CLOSED:
			e->closed = true;
			break;
		default:
			break;
		}
	}
}

static bool run(struct end *from);

static void to_server(const struct end *from, uint8_t *data, size_t len)
{
	struct enn_path path = {.local = server.address, .remote = from->address};
	struct enn_packet packet = {.data = data, .len = len};
	struct enn_engine *engine;
	uint8_t out[2048];
	struct enn_batch reply = {.buf = out, .cap = sizeof(out)};
	bool created;

	assert_int_equal(
		enn_acceptor_accept(acceptor, now, &path, &packet, 1, &reply, &engine, &created),
		ENN_OK);
	if (engine == NULL) {
		return;
	}
	int i = 0;
	while (side[i].engine != NULL && side[i].engine != engine) {
		i++;
	}
	if (created) {
		side[i].engine = engine;
		assert_int_equal(enn_engine_start(engine, now), ENN_OK);
	}
	assert_ptr_equal(side[i].engine, engine);
	if (enn_engine_ingest(engine, now, &path, &packet, 1) == ENN_OK) {
		events(&side[i]);
	}
	(void)run(&side[i]);
}

static void to_client(const struct enn_batch *batch, uint8_t *data, size_t len)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct end *c = &client[i];
		if (c->engine == NULL || c->address.ip[3] != batch->path.remote.ip[3] ||
		    c->address.port != batch->path.remote.port) {
			continue;
		}
		struct enn_path path = {.local = c->address, .remote = server.address};
		struct enn_packet packet = {.data = data, .len = len};
		if (enn_engine_ingest(c->engine, now, &path, &packet, 1) == ENN_OK) {
			events(c);
		}
		(void)run(c);
		return;
	}
}

/* The loop of engine.h, each packet delivered at once. True: something was sent. */
static bool run(struct end *from)
{
	bool any = false;
	bool is_client = from >= client && from < client + CLIENTS;

	for (;;) {
		uint8_t *buf = malloc(65536);
		struct enn_batch batch = {.buf = buf, .cap = 65536};
		events(from);
		assert_int_equal(enn_engine_transmit(from->engine, now, &batch), ENN_OK);
		for (size_t at = 0; at < batch.len; at += batch.segment_size) {
			size_t len = batch.len - at;
			len = len < batch.segment_size ? len : batch.segment_size;
			if (is_client) {
				to_server(from, buf + at, len);
			} else {
				to_client(&batch, buf + at, len);
			}
		}
		free(buf);
		if (batch.len == 0) {
			break;
		}
		any = true;
	}
	events(from);
	return any;
}

static void pass_time(enn_time until)
{
	struct end *all[2 * CLIENTS];
	size_t n = 0;

	for (int i = 0; i < CLIENTS; i++) {
		all[n++] = &client[i];
		all[n++] = &side[i];
	}
	while (now < until) {
		enn_time next = until;
		for (size_t i = 0; i < n; i++) {
			enn_time d = all[i]->engine == NULL ? until
							    : enn_engine_deadline(all[i]->engine);
			next = d < next ? d : next;
		}
		now = next > now ? next : now;
		for (size_t i = 0; i < n; i++) {
			if (all[i]->engine != NULL && enn_engine_deadline(all[i]->engine) <= now) {
				enn_engine_expire(all[i]->engine, now);
				(void)run(all[i]);
			}
		}
	}
}

static void say(struct end *from, struct end *to, const char *text, size_t len)
{
	struct enn_message message = {.data = (const uint8_t *)text, .len = len};
	size_t before = to->received;

	assert_int_equal(enn_engine_send(from->engine, now, &message), ENN_OK);
	assert_true(run(from));
	assert_int_equal(to->received, before + 1);
	assert_int_equal(to->last_len, len);
	assert_memory_equal(to->last, text, len);
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void messages_both_ways(void **state)
{
	static const uint8_t psk[32] = {7};
	char big[1800];
	(void)state;

	open_server(1, psk);
	open_client(&client[0], server.public_key, psk);
	(void)run(&client[0]);
	assert_true(client[0].ready);
	assert_true(side[0].ready);
	memset(big, 'b', sizeof(big));
	for (size_t len = 0; len < sizeof(big); len += 13) {
		say(&client[0], &side[0], big, len);
		say(&side[0], &client[0], big, len);
	}
	struct enn_info info;
	enn_engine_info(client[0].engine, &info);
	assert_true(info.ready && info.peer_authenticated && info.external_psk && !info.server);
	assert_string_equal(info.cipher, "ChaCha20-Poly1305");
}

static void many_clients(void **state)
{
	(void)state;
	open_server(CLIENTS, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		open_client(&client[i], server.public_key, NULL);
		(void)run(&client[i]);
		assert_true(client[i].ready && side[i].ready);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CLIENTS; i++) {
			say(&client[i], &side[i], "question", 8);
			say(&side[i], &client[i], "answer", 6);
		}
		pass_time(now + 130 * ENN_SECOND);
	}
}

static void a_stranger_gets_nothing(void **state)
{
	uint8_t other[32];
	(void)state;

	open_server(1, NULL);
	/* Somebody whose key is not known. */
	memcpy(other, client[0].private_key, 32);
	make_keys(&client[0], 10, 40000);
	open_client(&client[0], server.public_key, NULL);
	(void)run(&client[0]);
	assert_false(client[0].ready);
	assert_null(side[0].engine);
	pass_time(now + 31 * ENN_SECOND);
	assert_true(client[0].failed);
	assert_int_equal(client[0].error.reason, ENN_REASON_TIMEOUT);
	struct enn_error error;
	assert_true(enn_engine_error(client[0].engine, &error));
	struct enn_message message = {.data = other, .len = 1};
	assert_int_equal(enn_engine_send(client[0].engine, now, &message), ENN_E_FAILED);
}

static void the_wrong_server_is_not_believed(void **state)
{
	static const uint8_t psk[32] = {7};
	uint8_t wrong[32];
	(void)state;

	open_server(2, NULL);
	assert_int_equal(enn_wireguard_public_key(&env, client[1].private_key, wrong), ENN_OK);
	open_client(&client[0], wrong, NULL);
	open_client(&client[1], server.public_key, psk); /* which the server does not have */
	(void)run(&client[0]);
	(void)run(&client[1]);
	pass_time(now + 31 * ENN_SECOND);
	assert_true(client[0].failed && client[1].failed);
	assert_false(client[0].ready || client[1].ready);
	assert_true(side[0].failed); /* of client 1, which never confirmed */
}

static void a_client_may_start_again(void **state)
{
	(void)state;
	open_server(1, NULL);
	open_client(&client[0], server.public_key, NULL);
	(void)run(&client[0]);
	say(&client[0], &side[0], "one", 3);
	enn_engine_free(client[0].engine);
	now += ENN_SECOND;
	client[0].address.port = 41000;
	open_client(&client[0], server.public_key, NULL);
	(void)run(&client[0]);
	say(&client[0], &side[0], "two", 3);
	say(&side[0], &client[0], "three", 5);
	/* The server forgets it; an old initiation does not bring it back, a new one does. */
	enn_engine_free(side[0].engine);
	memset(&side[0], 0, sizeof(side[0]));
	pass_time(now + 30 * ENN_SECOND);
	struct enn_message message = {.data = (const uint8_t *)"x", .len = 1};
	assert_int_equal(enn_engine_send(client[0].engine, now, &message), ENN_OK);
	(void)run(&client[0]);
	pass_time(now + 40 * ENN_SECOND);
	assert_non_null(side[0].engine);
	say(&client[0], &side[0], "four", 4);
}

static void the_end(void **state)
{
	(void)state;
	open_server(1, NULL);
	open_client(&client[0], server.public_key, NULL);
	(void)run(&client[0]);
	assert_int_equal(enn_engine_close(client[0].engine, now, 0), ENN_OK);
	(void)run(&client[0]);
	assert_true(client[0].closed);
	struct enn_message message = {.data = (const uint8_t *)"x", .len = 1};
	assert_int_equal(enn_engine_send(client[0].engine, now, &message), ENN_E_CLOSED);
	/* The protocol has no word for it: the other side finds out when it wants something. */
	assert_int_equal(enn_engine_send(side[0].engine, now, &message), ENN_OK);
	(void)run(&side[0]);
	pass_time(now + 200 * ENN_SECOND);
	assert_true(side[0].failed);
	assert_int_equal(side[0].error.reason, ENN_REASON_TIMEOUT);
}

static void wrong_use_is_refused(void **state)
{
	struct enn_engine *e;
	struct enn_error error;
	struct enn_engine_options options = {
		.path = {.remote = {.port = 1, .family = ENN_FAMILY_IPV4}}};
	(void)state;

	make_keys(&server, 1, 51820);
	struct enn_security *s = enn_security_new();
	assert_int_equal(
		enn_engine_new_client(&enn_wireguard_protocol, &env, s, &options, &e, &error),
		ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "static key"));
	enn_security_free(s);
	s = security_of(&server);
	assert_int_equal(
		enn_engine_new_client(&enn_wireguard_protocol, &env, s, &options, &e, &error),
		ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "peer key"));
	enn_security_free(s);
	s = security_of(&server);
	assert_int_equal(enn_security_add_peer_key(s, server.public_key, NULL), ENN_OK);
	assert_int_equal(
		enn_engine_new_client(&enn_wireguard_protocol, &env, s, &options, &e, &error),
		ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "our own"));
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_both_ways, open_world, close_world),
		cmocka_unit_test_setup_teardown(many_clients, open_world, close_world),
		cmocka_unit_test_setup_teardown(a_stranger_gets_nothing, open_world, close_world),
		cmocka_unit_test_setup_teardown(the_wrong_server_is_not_believed, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(a_client_may_start_again, open_world, close_world),
		cmocka_unit_test_setup_teardown(the_end, open_world, close_world),
		cmocka_unit_test_setup_teardown(wrong_use_is_refused, open_world, close_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
