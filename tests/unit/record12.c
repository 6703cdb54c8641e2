/* SPDX-License-Identifier: Apache-2.0 */
#include "record12.h"

#include <stdlib.h>

#include "ennead/security.h"
#include "protocols/registry.h"

const struct enn_tls_suite r12_suite[R12_SUITES] = {
	{0xc02f, "aes-128-gcm", ENN_AEAD_AES_128_GCM, ENN_HASH_SHA256, ENN_TLS_1_2, ENN_SUITE_RSA},
	{0xc030, "aes-256-gcm", ENN_AEAD_AES_256_GCM, ENN_HASH_SHA384, ENN_TLS_1_2, ENN_SUITE_RSA},
	{0xcca8, "chacha20", ENN_AEAD_CHACHA20_POLY1305, ENN_HASH_SHA256, ENN_TLS_1_2,
	 ENN_SUITE_RSA},
	{0xc013, "aes-128-cbc-sha", ENN_CBC_AES_128_SHA1, ENN_HASH_SHA256, ENN_TLS_1_2,
	 ENN_SUITE_RSA},
	{0xc014, "aes-256-cbc-sha", ENN_CBC_AES_256_SHA1, ENN_HASH_SHA256, ENN_TLS_1_2,
	 ENN_SUITE_RSA},
	{0xc027, "aes-128-cbc-sha256", ENN_CBC_AES_128_SHA256, ENN_HASH_SHA256, ENN_TLS_1_2,
	 ENN_SUITE_RSA},
	{0xc028, "aes-256-cbc-sha384", ENN_CBC_AES_256_SHA384, ENN_HASH_SHA384, ENN_TLS_1_2,
	 ENN_SUITE_RSA},
};

struct enn_tls12_keys r12_keys(const struct enn_tls_suite *suite, bool client_writes)
{
	static uint8_t bytes[2][3][64];
	const struct enn_aead_alg *alg = enn_aead_alg(suite->aead);
	bool cbc = suite->aead >= ENN_AEAD_COUNT;
	uint8_t(*mine)[64] = bytes[client_writes];

	for (size_t i = 0; i < 3; i++) {
		memset(mine[i], (int)(16 * i + 1 + client_writes), sizeof(mine[i]));
		mine[i][0] = (uint8_t)(0xa0 + i);
	}
	return (struct enn_tls12_keys){
		.suite = suite,
		.key = {mine[0], alg->key_len},
		.iv = {mine[1], cbc ? 0u : (suite->aead == ENN_AEAD_CHACHA20_POLY1305 ? 12u : 4u)},
		.mac = {mine[2], alg->mac_key_len},
	};
}

void r12_start(struct r12_end *end, const struct enn_env *env, bool server,
	       const char *const *settings)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;
	struct enn_error error;
	struct enn_engine_options options = {.server_name = server ? NULL : "example.test"};
	static const uint8_t key[32] = {7};
	uint8_t hello[2048];

	memset(end, 0, sizeof(*end));
	assert_non_null(s);
	assert_int_equal(
		enn_credential_psk((const uint8_t *)"id", 2, key, sizeof(key), ENN_PSK_SHA256, &k),
		ENN_OK);
	assert_int_equal(enn_security_add_credential(s, k), ENN_OK);
	enn_credential_free(k);
	for (; settings != NULL && *settings != NULL; settings += 2) {
		assert_int_equal(enn_security_parse(s, settings[0], settings[1], &error), ENN_OK);
	}
	assert_int_equal(
		server ? enn_engine_new_server(&enn_tls_protocol, env, s, &options, &end->e, &error)
		       : enn_engine_new_client(&enn_tls_protocol, env, s, &options, &end->e,
					       &error),
		ENN_OK);
	enn_security_free(s);
	end->t = (struct enn_tls *)end->e;
	assert_int_equal(enn_engine_start(end->e, 1), ENN_OK);
	if (!server) {
		assert_true(r12_take(end, hello, sizeof(hello)) > 0);
	}
	end->t->carrier.result.version = ENN_TLS_1_2;
}

void r12_open(struct r12_end *end, const struct enn_tls_suite *suite)
{
	enn_handshake_free(end->t->hs);
	end->t->hs = NULL;
	end->t->state = ENN_TLS_STATE_OPEN;
	end->t->deadline = ENN_TIME_NEVER;
	end->t->carrier.result.suite = suite;
}

void r12_pair_open(struct r12_pair *p, const struct enn_env *env, const struct enn_tls_suite *suite,
		   const char *const *settings)
{
	struct enn_tls12_keys up = r12_keys(suite, true);
	struct enn_tls12_keys down = r12_keys(suite, false);

	r12_start(&p->client, env, false, settings);
	r12_start(&p->server, env, true, settings);
	assert_int_equal(enn_tls_set_keys12(&p->client.t->carrier, ENN_DIRECTION_RECEIVE, &down),
			 ENN_OK);
	assert_int_equal(enn_tls_set_keys12(&p->server.t->carrier, ENN_DIRECTION_RECEIVE, &up),
			 ENN_OK);
	assert_int_equal(enn_tls_set_keys12(&p->client.t->carrier, ENN_DIRECTION_SEND, &up),
			 ENN_OK);
	assert_int_equal(enn_tls_set_keys12(&p->server.t->carrier, ENN_DIRECTION_SEND, &down),
			 ENN_OK);
	r12_carry(&p->client, &p->server);
	r12_carry(&p->server, &p->client);
	r12_open(&p->client, suite);
	r12_open(&p->server, suite);
}

void r12_free(struct r12_end *end)
{
	enn_engine_free(end->e);
	end->e = NULL;
}

void r12_events(struct r12_end *end)
{
	struct enn_event event;

	do {
		enn_engine_next_event(end->e, 1, &event);
		switch (event.type) {
		case ENN_EVENT_RECEIVED:
			assert_true(event.u.received.len <= sizeof(end->got) - end->got_len);
			if (event.u.received.len > 0) {
				memcpy(end->got + end->got_len, event.u.received.data,
				       event.u.received.len);
			}
			end->got_len += event.u.received.len;
			end->final = end->final || (event.u.received.flags & ENN_MESSAGE_FINAL);
			break;
		case ENN_EVENT_SENT:
			end->sent++;
			break;
		case ENN_EVENT_KEYS_EXPIRING:
			assert_int_equal(event.u.keys.direction, ENN_DIRECTION_SEND);
			end->expiring++;
			break;
		case ENN_EVENT_KEYS_UPDATED:
			end->updated++;
			break;
		case ENN_EVENT_CLOSED:
			end->closed = true;
			break;
		case ENN_EVENT_FAILED:
			end->failed = true;
			end->error = event.u.error;
			break;
		default:
			assert_int_equal(event.type, ENN_EVENT_NONE);
			break;
		}
	} while (event.type != ENN_EVENT_NONE);
}

void r12_feed(struct r12_end *end, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len + 1); /* exactly this long, for valgrind */

	assert_non_null(copy);
	memcpy(copy, data, len);
	struct enn_packet packet = {.data = copy, .len = len};
	enum enn_status status = enn_engine_ingest(end->e, 1, NULL, &packet, 1);
	assert_true(status == ENN_OK || end->failed || end->closed);
	r12_events(end);
	free(copy);
}

size_t r12_take(struct r12_end *end, uint8_t *out, size_t cap)
{
	size_t n = 0;
	struct enn_batch batch;

	do {
		batch = (struct enn_batch){.buf = out + n, .cap = cap - n};
		if (batch.cap < 256) {
			break;
		}
		assert_int_equal(enn_engine_transmit(end->e, 1, &batch), ENN_OK);
		n += batch.len;
		r12_events(end);
	} while (batch.len > 0);
	return n;
}

void r12_carry(struct r12_end *from, struct r12_end *to)
{
	static uint8_t wire[400000];
	size_t n = r12_take(from, wire, sizeof(wire));

	if (n > 0) {
		r12_feed(to, wire, n);
	}
}

void r12_send(struct r12_end *end, const uint8_t *data, size_t len, uint32_t flags)
{
	struct enn_message m = {.data = data, .len = len, .flags = flags};

	assert_int_equal(enn_engine_send(end->e, 1, &m), ENN_OK);
}

void r12_inject(struct r12_end *from, struct r12_end *to, uint8_t type, const uint8_t *content,
		size_t len)
{
	static uint8_t record[ENN_TLS_MAX_OVERHEAD + 20000];
	struct enn_tls_keys *keys = &from->t->send;

	memcpy(record + keys->protection->prefix, content, len);
	size_t total = enn_tls_seal_in_place(keys, from->t->carrier.env, type, record, len, 0);
	assert_true(total > 0);
	r12_feed(to, record, total);
}

void r12_must_fail(const struct r12_end *end, unsigned alert)
{
	assert_true(end->failed);
	if (end->error.wire_code != alert) {
		print_message("%s\n", end->error.text);
	}
	assert_int_equal(end->error.wire_code, alert);
	assert_int_equal(end->error.origin, ENN_ORIGIN_LOCAL);
}
