/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard to the byte: vectors/handshake.json, which vectors.py computes
 * independently, against the handshake's functions and against whole engines
 * whose randomness is scripted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/wireguard/internal.h"

#define LONGEST 1500

static json_t *vectors;
static struct enn_crypto *crypto;

/* ---- the file ------------------------------------------------------------------------------- */

struct blob {
	uint8_t data[LONGEST];
	size_t len;
};

static const char *text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text == NULL) {
		fail_msg("the vector has no '%s'", name);
	}
	return text;
}

static struct blob blob(json_t *object, const char *name)
{
	const char *hex = text_of(object, name);
	struct blob b = {.len = strlen(hex) / 2};

	assert_true(b.len <= sizeof(b.data));
	for (size_t i = 0; i < b.len; i++) {
		const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
		b.data[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return b;
}

static uint64_t number(json_t *object, const char *name)
{
	return strtoull(text_of(object, name), NULL, 16);
}

static void expect(json_t *object, const char *name, const uint8_t *data, size_t len)
{
	struct blob want = blob(object, name);

	if (len != want.len || memcmp(data, want.data, len) != 0) {
		fail_msg("'%s' differs", name);
	}
}

static void expect_step(json_t *handshake, const char *name, const struct enn_wg_handshake *hs)
{
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(handshake, "steps"), i, step)
	{
		if (strcmp(text_of(step, "step"), name) == 0) {
			expect(step, "C", hs->chaining, sizeof(hs->chaining));
			expect(step, "H", hs->hash, sizeof(hs->hash));
			return;
		}
	}
	fail_msg("there is no step '%s'", name);
}

/* ---- scripted randomness --------------------------------------------------------------------- */

/* An engine's draws are told apart by their lengths. */
struct script {
	uint32_t index;
	struct blob wide[2]; /* 32 bytes: ephemeral keys, the cookie's secret; in this order */
	size_t next;
	struct blob nonce; /* 24 bytes */
};

static int scripted(void *ctx, uint8_t *out, size_t len)
{
	struct script *s = ctx;

	memset(out, 0, len);
	if (len == sizeof(s->index)) {
		memcpy(out, &s->index, len);
	} else if (len == 32) {
		assert_true(s->next < 2 && s->wide[s->next].len == len);
		memcpy(out, s->wide[s->next++].data, len);
	} else if (s->nonce.len > 0) {
		for (size_t at = 0; at + s->nonce.len <= len; at += s->nonce.len) {
			memcpy(out + at, s->nonce.data, s->nonce.len);
		}
	}
	return 0;
}

static struct enn_env env_of(struct script *script, json_t *v)
{
	int64_t unix_time = json_integer_value(json_object_get(v, "unix time"));

	assert_true(unix_time > 0);
	return (struct enn_env){
		.crypto = crypto,
		.wall_offset = (unix_time - 1) * (int64_t)ENN_SECOND,
		.random = scripted,
		.random_ctx = script,
	};
}

/* ---- the computations (noise.c, codec.c) ------------------------------------------------------ */

static void constants_are_the_known_ones(void **state)
{
	static const uint8_t construction[32] = {0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0,
						 0x2e, 0xc3, 0x35, 0xe2, 0xa0, 0x25, 0xd2, 0xd0,
						 0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72, 0x77, 0xf5,
						 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36};
	static const uint8_t identifier[32] = {0x22, 0x11, 0xb3, 0x61, 0x08, 0x1a, 0xc5, 0x66,
					       0x69, 0x12, 0x43, 0xdb, 0x45, 0x8a, 0xd5, 0x32,
					       0x2d, 0x9c, 0x6c, 0x66, 0x22, 0x93, 0xe8, 0xb7,
					       0x0e, 0xe1, 0x9c, 0x65, 0xba, 0x07, 0x9e, 0xf3};
	struct enn_env env = {.crypto = crypto};
	struct enn_wg_tools tools = {.env = &env};
	(void)state;

	expect(vectors, "construction", construction, 32);
	expect(vectors, "identifier", identifier, 32);
	assert_int_equal(enn_wg_tools_open(&tools, &env), ENN_OK);
	assert_memory_equal(tools.construction, construction, 32);
	enn_wg_tools_close(&tools);
}

/* Both sides of one handshake as noise.c sees them. */
struct sides {
	struct script script[2]; /* initiator, responder */
	struct enn_env env[2];
	struct enn_wg_tools tools[2];
	struct enn_wg_local local[2];
	struct enn_wg_remote remote[2];
};

static void open_sides(struct sides *s, json_t *v)
{
	static const char *const name[2] = {"initiator", "responder"};
	char field[64];

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < 2; i++) {
		(void)snprintf(field, sizeof(field), "%s ephemeral", name[i]);
		s->script[i].wide[0] = blob(v, field);
		s->env[i] = env_of(&s->script[i], v);
		assert_int_equal(enn_wg_tools_open(&s->tools[i], &s->env[i]), ENN_OK);
		(void)snprintf(field, sizeof(field), "%s private", name[i]);
		assert_int_equal(enn_wg_local_set(&s->tools[i], &s->local[i], blob(v, field).data),
				 ENN_OK);
		(void)snprintf(field, sizeof(field), "%s public", name[i]);
		expect(v, field, s->local[i].public_key, 32);
		memcpy(s->remote[1 - i].public_key, s->local[i].public_key, 32);
		memcpy(s->remote[i].psk, blob(v, "psk").data, 32);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(enn_wg_remote_prepare(&s->tools[i], &s->local[i], &s->remote[i]),
				 ENN_OK);
		expect(v, "static shared", s->remote[i].shared, 32);
	}
}

static void close_sides(struct sides *s)
{
	for (int i = 0; i < 2; i++) {
		enn_wg_local_clear(&s->tools[i], &s->local[i]);
		enn_wg_tools_close(&s->tools[i]);
	}
}

static void expect_identities(const struct sides *s, json_t *v)
{
	expect(v, "mac1 key of initiator", s->local[0].mac1_key, 32);
	expect(v, "mac1 key of initiator", s->remote[1].mac1_key, 32);
	expect(v, "mac1 key of responder", s->local[1].mac1_key, 32);
	expect(v, "mac1 key of responder", s->remote[0].mac1_key, 32);
	expect(v, "cookie key of responder", s->local[1].cookie_key, 32);
	expect(v, "cookie key of initiator", s->remote[1].cookie_key, 32);
	assert_memory_equal(s->local[1].initial_hash, s->remote[0].initial_hash, 32);
}

/* Message 1 without its MACs; mine: the initiator's state, theirs: the responder's. */
static void run_initiation(struct sides *s, json_t *v, struct enn_wg_handshake *mine,
			   struct enn_wg_handshake *theirs)
{
	uint8_t message[ENN_WG_INITIATION_LEN] = {0};
	uint8_t timestamp[ENN_WG_TIMESTAMP];
	uint8_t key[ENN_WG_KEY];
	struct blob whole = blob(v, "initiation");
	struct enn_wg_initiation m;

	assert_int_equal(enn_wg_make_initiation(&s->tools[0], &s->local[0], &s->remote[0],
						(uint32_t)number(v, "initiator index"),
						blob(v, "timestamp").data, mine, message),
			 ENN_OK);
	assert_memory_equal(message, whole.data, ENN_WG_INITIATION_LEN - ENN_WG_MACS);
	expect_step(v, "initiation: timestamp", mine);

	struct enn_bytes bytes = {whole.data, whole.len};
	assert_int_equal(enn_wg_classify(bytes), ENN_WG_INITIATION);
	enn_wg_parse_initiation(bytes, &m);
	assert_int_equal(m.sender, number(v, "initiator index"));
	assert_int_equal(enn_wg_open_initiation(&s->tools[1], &s->local[1], &m, theirs, key),
			 ENN_OK);
	expect(v, "initiator public", key, sizeof(key));
	expect_step(v, "initiation: static", theirs);
	assert_int_equal(
		enn_wg_prove_initiation(&s->tools[1], &s->remote[1], &m, theirs, timestamp),
		ENN_OK);
	expect(v, "timestamp", timestamp, sizeof(timestamp));
	expect_step(v, "initiation: timestamp", theirs);
}

static void run_response(struct sides *s, json_t *v, struct enn_wg_handshake *mine,
			 struct enn_wg_handshake *theirs)
{
	uint8_t message[ENN_WG_RESPONSE_LEN] = {0};
	uint8_t send[ENN_WG_KEY], receive[ENN_WG_KEY];
	struct blob whole = blob(v, "response");
	struct enn_wg_response m;

	assert_int_equal(enn_wg_make_response(&s->tools[1], &s->local[1], &s->remote[1],
					      (uint32_t)number(v, "responder index"), theirs,
					      message, send, receive),
			 ENN_OK);
	assert_memory_equal(message, whole.data, ENN_WG_RESPONSE_LEN - ENN_WG_MACS);
	expect(v, "key r to i", send, sizeof(send));
	expect(v, "key i to r", receive, sizeof(receive));

	struct enn_bytes bytes = {whole.data, whole.len};
	assert_int_equal(enn_wg_classify(bytes), ENN_WG_RESPONSE);
	enn_wg_parse_response(bytes, &m);
	assert_int_equal(m.sender, number(v, "responder index"));
	assert_int_equal(m.receiver, number(v, "initiator index"));
	assert_int_equal(enn_wg_open_response(&s->tools[0], &s->local[0], &s->remote[0], &m, mine,
					      send, receive),
			 ENN_OK);
	expect(v, "key i to r", send, sizeof(send));
	expect(v, "key r to i", receive, sizeof(receive));
}

static void handshake_computes_the_vectors(void **state)
{
	static const struct enn_wg_handshake idle;
	struct sides s;
	json_t *v;
	size_t i;
	(void)state;

	json_array_foreach(json_object_get(vectors, "handshakes"), i, v)
	{
		struct enn_wg_handshake mine = idle, theirs = idle;
		open_sides(&s, v);
		expect_identities(&s, v);
		run_initiation(&s, v, &mine, &theirs);
		run_response(&s, v, &mine, &theirs);
		/* What a finished handshake knew is gone. */
		assert_memory_equal(&mine, &idle, sizeof(idle));
		assert_memory_equal(&theirs, &idle, sizeof(idle));
		close_sides(&s);
	}
	assert_int_equal(i, 2);
}

/* ---- whole engines ------------------------------------------------------------------------------ */

struct net {
	struct script script[2];
	struct enn_env env[2];
	struct enn_engine *engine[2];
	struct enn_address address[2];
	enn_time now;
	uint8_t inbox[LONGEST]; /* the last inner packet */
	size_t inbox_len;
	size_t received;
};

/* What the sender of message 1 comes from is part of the vectors of cookies. */
static void open_net(struct net *n, json_t *v)
{
	static const char *const fields[2][3] = {
		{"initiator private", "initiator index", "responder public"},
		{"responder private", "responder index", "initiator public"}};

	memset(n, 0, sizeof(*n));
	n->now = ENN_SECOND;
	for (int i = 0; i < 2; i++) {
		n->address[i] = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(i + 1)},
						     .port = 51820,
						     .family = ENN_FAMILY_IPV4};
	}
	for (int i = 0; i < 2; i++) {
		struct enn_wireguard_prefix allowed = {
			.ip = {10, 0, 0, (uint8_t)(2 - i)}, .family = ENN_FAMILY_IPV4, .bits = 32};
		struct enn_wireguard_peer_change peer = {.flags = ENN_WIREGUARD_PEER_PSK |
								  ENN_WIREGUARD_PEER_ENDPOINT,
							 .endpoint = n->address[1 - i],
							 .allowed_ips = &allowed,
							 .allowed_ips_count = 1};
		struct enn_wireguard_change change = {
			.set_private_key = true, .peers = &peer, .peer_count = 1};
		memcpy(change.private_key, blob(v, fields[i][0]).data, 32);
		n->script[i].index = (uint32_t)number(v, fields[i][1]);
		memcpy(peer.public_key, blob(v, fields[i][2]).data, 32);
		memcpy(peer.preshared_key, blob(v, "psk").data, 32);
		n->env[i] = env_of(&n->script[i], v);
		assert_int_equal(enn_wireguard_new(&n->env[i], &n->engine[i], NULL), ENN_OK);
		assert_int_equal(enn_wireguard_configure(n->engine[i], n->now, &change, NULL),
				 ENN_OK);
		assert_int_equal(enn_engine_start(n->engine[i], n->now), ENN_OK);
	}
}

static void close_net(struct net *n)
{
	enn_engine_free(n->engine[0]);
	enn_engine_free(n->engine[1]);
}

static void take_events(struct net *n, int i)
{
	struct enn_event event;

	do {
		enn_engine_next_event(n->engine[i], n->now, &event);
		if (event.type == ENN_EVENT_RECEIVED) {
			n->inbox_len = event.u.received.len;
			assert_true(n->inbox_len <= sizeof(n->inbox));
			memcpy(n->inbox, event.u.received.data, n->inbox_len);
			n->received++;
		}
	} while (event.type != ENN_EVENT_NONE);
}

/* The next message of engine i must be `name` of v; it is delivered to the other. */
static void pass_on(struct net *n, int i, json_t *v, const char *name)
{
	uint8_t buf[2 * LONGEST];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	take_events(n, i);
	assert_int_equal(enn_engine_transmit(n->engine[i], n->now, &batch), ENN_OK);
	expect(v, name, batch.buf, batch.len);
	assert_memory_equal(&batch.path.remote, &n->address[1 - i], sizeof(n->address[0]));
	struct enn_path path = {.local = n->address[1 - i], .remote = n->address[i]};
	struct enn_packet packet = {.data = buf, .len = batch.len};
	assert_int_equal(enn_engine_ingest(n->engine[1 - i], n->now, &path, &packet, 1), ENN_OK);
	take_events(n, 1 - i);
}

static void expect_quiet(struct net *n, int i)
{
	uint8_t buf[2 * LONGEST];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	assert_int_equal(enn_engine_transmit(n->engine[i], n->now, &batch), ENN_OK);
	assert_int_equal(batch.len, 0);
}

static void send_packet(struct net *n, int i, const struct blob *packet)
{
	struct enn_message message = {.data = packet->data, .len = packet->len};

	assert_int_equal(enn_engine_send(n->engine[i], n->now, &message), ENN_OK);
}

static struct enn_wg_peer *peer_of(struct net *n, int i)
{
	return ((struct enn_wireguard *)n->engine[i])->peers[0];
}

static void pass_packets(struct net *n, json_t *v)
{
	size_t before = n->received;
	size_t k;
	json_t *p;

	json_array_foreach(json_object_get(v, "packets"), k, p)
	{
		int from = strcmp(text_of(p, "way"), "i to r") == 0 ? 0 : 1;
		struct blob packet = blob(p, "packet");
		peer_of(n, from)->current->send_counter = number(p, "counter");
		if (k > 0) { /* the first has waited for the handshake */
			send_packet(n, from, &packet);
		}
		pass_on(n, from, p, "message");
		assert_int_equal(n->received, ++before);
		expect(p, "packet", n->inbox, n->inbox_len);
		expect_quiet(n, from);
	}
	assert_int_equal(k, 10);
}

static void engines_speak_the_vectors(void **state)
{
	struct net n;
	json_t *v;
	size_t i;
	(void)state;

	json_array_foreach(json_object_get(vectors, "handshakes"), i, v)
	{
		open_net(&n, v);
		n.script[0].wide[0] = blob(v, "initiator ephemeral");
		n.script[1].wide[0] = blob(v, "responder ephemeral");
		struct blob first =
			blob(json_array_get(json_object_get(v, "packets"), 0), "packet");
		send_packet(&n, 0, &first);
		pass_on(&n, 0, v, "initiation");
		pass_on(&n, 1, v, "response");
		pass_packets(&n, v);
		close_net(&n);
	}
}

static void engines_speak_the_cookie_vectors(void **state)
{
	json_t *v = json_object_get(vectors, "under load");
	struct enn_wireguard_change load = {.set_under_load = true, .under_load = true};
	struct blob packet = blob(
		json_array_get(
			json_object_get(json_array_get(json_object_get(vectors, "handshakes"), 0),
					"packets"),
			0),
		"packet");
	struct enn_wireguard_info info;
	struct net n;
	(void)state;

	open_net(&n, v);
	n.script[0].wide[0] = blob(v, "initiator ephemeral");
	n.script[0].wide[1] = blob(v, "second ephemeral");
	n.script[1].wide[0] = blob(v, "secret");
	n.script[1].wide[1] = blob(v, "responder ephemeral");
	n.script[1].nonce = blob(v, "nonce");
	assert_int_equal(enn_wireguard_configure(n.engine[1], n.now, &load, NULL), ENN_OK);
	send_packet(&n, 0, &packet);
	pass_on(&n, 0, v, "initiation");
	pass_on(&n, 1, v, "cookie reply");
	expect(v, "cookie", peer_of(&n, 0)->cookie, ENN_WG_COOKIE);
	expect_quiet(&n, 0); /* the cookie is for the next attempt (WP §6.6) */

	n.now += 6 * ENN_SECOND;
	assert_true(enn_engine_deadline(n.engine[0]) <= n.now);
	enn_engine_expire(n.engine[0], n.now);
	pass_on(&n, 0, v, "second initiation");
	pass_on(&n, 1, v, "response");
	enn_wireguard_info(n.engine[1], &info);
	assert_int_equal(info.handshakes_dropped, 1);
	close_net(&n);
}

/* Nothing that is changed in a message of the vectors leaves a handshake standing. */
static void every_byte_of_the_initiation_counts(void **state)
{
	json_t *v = json_array_get(json_object_get(vectors, "handshakes"), 1);
	struct blob message = blob(v, "initiation");
	struct enn_path path;
	struct net n;
	(void)state;

	open_net(&n, v);
	path = (struct enn_path){.local = n.address[1], .remote = n.address[0]};
	n.script[1].wide[0] = blob(v, "responder ephemeral");
	for (size_t at = 0; at < ENN_WG_INITIATION_LEN - ENN_WG_MAC; at++) {
		struct blob changed = message;
		struct enn_packet packet = {.data = changed.data, .len = changed.len};
		changed.data[at] ^= 0x80;
		assert_int_equal(enn_engine_ingest(n.engine[1], n.now, &path, &packet, 1), ENN_OK);
		take_events(&n, 1);
		expect_quiet(&n, 1);
	}
	struct enn_packet packet = {.data = message.data, .len = message.len};
	assert_int_equal(enn_engine_ingest(n.engine[1], n.now, &path, &packet, 1), ENN_OK);
	pass_on(&n, 1, v, "response");
	close_net(&n);
}

/* ---- the program ---------------------------------------------------------------------------------- */

static int open_all(void **state)
{
	const char *path = getenv("WIREGUARD_VECTORS");
	json_error_t error;
	(void)state;

	vectors = json_load_file(path == NULL ? "vectors/handshake.json" : path, 0, &error);
	return vectors != NULL && enn_crypto_new(ENN_CRYPTO_AUTO, &crypto) == ENN_OK ? 0 : -1;
}

static int close_all(void **state)
{
	(void)state;
	json_decref(vectors);
	enn_crypto_free(crypto);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_are_the_known_ones),
		cmocka_unit_test(handshake_computes_the_vectors),
		cmocka_unit_test(engines_speak_the_vectors),
		cmocka_unit_test(engines_speak_the_cookie_vectors),
		cmocka_unit_test(every_byte_of_the_initiation_counts),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
