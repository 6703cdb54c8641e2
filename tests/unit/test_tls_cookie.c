/* SPDX-License-Identifier: Apache-2.0
 *
 * Cookies of a HelloRetryRequest (RFC 8446 §4.2.2): by themselves, on live pairs, and for a server that never
 * saw the first ClientHello.
 */
#include <stdlib.h>

#include "features/cookie.h"
#include "handshake/wire.h"
#include "protocols/registry.h"
#include "tls_pair.h"

static struct cert *root, *leaf;
static struct test_env world;
static const char host[] = "a.example";
static const char *const with_cookie[] = {"helloRetryCookie=true", NULL};
/* No dummy change_cipher_spec before the second hello: a server that saw no first one expects none. */
static const char *const plain_client[] = {"middleboxCompatibility=false", NULL};

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	leaf = cert_make(&(struct cert_options){
		.subject = "leaf", .issuer = root, .serial = 2, .names = "DNS:a.example"});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	cert_free(leaf);
	cert_free(root);
	return 0;
}

static struct enn_security *client_with(const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_trust(s, root);
	return s;
}

static struct enn_security *server_with(const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_add_certificate(s, leaf);
	return s;
}

static struct enn_bytes text(const char *s)
{
	return (struct enn_bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- the cookie by itself --------------------------------------------------------------------------- */

#define DAY (86400 * (int64_t)ENN_SECOND)

static enum enn_status open_cookie(struct enn_ticket_keys *keys, int64_t now, const char *address,
				   const uint8_t *cookie, size_t len)
{
	uint8_t *room = malloc(len + 1);
	struct enn_bytes bytes = {cookie, len};
	struct enn_bytes state;

	enum enn_status status =
		enn_cookie_open(keys, &world.env, now, text(address), bytes, room, &state);
	if (status == ENN_OK) {
		assert_true(enn_bytes_equal(state, text("what is to be known again")));
	}
	free(room);
	return status;
}

static void test_cookies(void **state)
{
	struct enn_ticket_keys *keys = enn_ticket_keys_new();
	struct enn_ticket_keys *others = enn_ticket_keys_new();
	const char *address = "192.0.2.1 port 443";
	struct enn_bytes what = text("what is to be known again");
	int64_t now = CERT_NOW * (int64_t)ENN_SECOND;
	uint8_t cookie[200], copy[200], ticket[200];
	size_t len = 0, ticket_len = 0;

	(void)state;
	MUST(enn_cookie_seal(keys, &world.env, now, DAY, text(address), what, cookie,
			     sizeof(cookie), &len));
	assert_int_equal(len, ENN_COOKIE_OVERHEAD + strlen(address) + what.len);
	MUST(open_cookie(keys, now, address, cookie, len));
	MUST(open_cookie(keys, now + ENN_COOKIE_LIFETIME - 1, address, cookie, len));
	assert_int_equal(open_cookie(keys, now + ENN_COOKIE_LIFETIME, address, cookie, len),
			 ENN_E_STALE);
	assert_int_equal(open_cookie(keys, now - 1, address, cookie, len), ENN_E_STALE);
	assert_int_equal(open_cookie(keys, now, "192.0.2.2 port 443", cookie, len),
			 ENN_E_NOT_FOUND);
	assert_int_equal(open_cookie(keys, now, "", cookie, len), ENN_E_NOT_FOUND);
	assert_int_equal(open_cookie(others, now, address, cookie, len), ENN_E_NOT_FOUND);
	for (size_t i = 0; i < len; i++) {
		memcpy(copy, cookie, len);
		copy[i] ^= 1;
		assert_int_equal(open_cookie(keys, now, address, copy, len), ENN_E_NOT_FOUND);
		assert_int_equal(open_cookie(keys, now, address, cookie, i), ENN_E_NOT_FOUND);
	}
	/* something else that the same keys sealed */
	MUST(enn_ticket_seal(keys, &world.env, now, DAY, (const uint8_t *)"\2 a session", 11,
			     ticket, sizeof(ticket), &ticket_len));
	assert_int_equal(open_cookie(keys, now, address, ticket, ticket_len), ENN_E_NOT_FOUND);
	/* the keys change, and earlier ones still open */
	int64_t later = now + DAY / 2;
	MUST(enn_ticket_seal(keys, &world.env, later, DAY, ticket, 1, copy, sizeof(copy),
			     &ticket_len));
	assert_int_equal(open_cookie(keys, later, address, cookie, len), ENN_E_STALE);
	assert_int_equal(enn_cookie_seal(keys, &world.env, now, DAY, text(address), what, cookie,
					 len - 1, &len),
			 ENN_E_SPACE);
	enn_ticket_keys_free(keys);
	enn_ticket_keys_free(others);
}

/* ---- live pairs -------------------------------------------------------------------------------------- */

static void check_pair(const char *const *client_settings, const char *const *server_settings,
		       bool early)
{
	struct enn_security *client = client_with(client_settings);
	struct enn_security *server = server_with(server_settings);
	struct tls_pair first = {.ask = NULL};
	struct tls_pair second = {.early = early ? "early" : NULL};

	tls_pair_run(&first, &world.env, client, server, host, NULL);
	tls_pair_must_be_ready(&first);
	assert_true(first.client.info.hello_retry && first.server.info.hello_retry);
	tls_pair_run(&second, &world.env, client, server, host, &first.client);
	tls_pair_must_be_ready(&second);
	assert_true(second.client.info.resumed && second.server.info.hello_retry);
	if (early) { /* rejected, and sent again */
		assert_int_equal(second.server.info.early_data, ENN_EARLY_DATA_REJECTED);
		assert_int_equal(second.server.received, 5);
	}
	tls_pair_free(&first);
	tls_pair_free(&second);
	enn_security_free(client);
	enn_security_free(server);
}

static void test_pairs(void **state)
{
	static const char *const another_group[] = {"supportedGroup=P-256:X25519", NULL};
	static const char *const no_share[] = {"keyShares=0", "helloPadding=512", NULL};
	static const char *const plain_psk[] = {"pskMode=psk_ke:psk_dhe_ke", NULL};
	static const char *const only_x25519[] = {"supportedGroup=X25519", "helloRetryCookie=true",
						  NULL};
	static const char *const psk_server[] = {"helloRetryCookie=true", "pskMode=psk_ke", NULL};
	static const char *const early[] = {"earlyData=true", NULL};
	static const char *const early_server[] = {"earlyData=true", "helloRetryCookie=true", NULL};

	(void)state;
	check_pair(NULL, with_cookie, false);
	check_pair(no_share, with_cookie, false);
	check_pair(another_group, only_x25519, false);
	check_pair(plain_psk, psk_server, false);
	check_pair(early, early_server, true);
}

/* ---- a server that saw only the second hello ------------------------------------------------------------ */

struct flight {
	uint8_t bytes[4096];
	size_t len;
};

static struct enn_engine *make(struct enn_security *s, bool server, const struct enn_path *path,
			       enn_time now)
{
	struct enn_engine_options options = {.server_name = server ? NULL : host};
	struct enn_engine *e = NULL;

	if (path != NULL) {
		options.path = *path;
	}
	if (server) {
		MUST(enn_engine_new_server(&enn_tls_protocol, &world.env, s, &options, &e, NULL));
	} else {
		MUST(enn_engine_new_client(&enn_tls_protocol, &world.env, s, &options, &e, NULL));
	}
	MUST(enn_engine_start(e, now));
	return e;
}

static bool take_events(struct enn_engine *e, enn_time now)
{
	struct enn_event event;
	bool ready = false;

	do {
		enn_engine_next_event(e, now, &event);
		ready = ready || event.type == ENN_EVENT_READY;
	} while (event.type != ENN_EVENT_NONE && event.type != ENN_EVENT_FAILED);
	return ready;
}

static void send_flight(struct enn_engine *e, enn_time now, struct flight *out)
{
	struct enn_batch batch = {.buf = out->bytes, .cap = sizeof(out->bytes)};

	(void)take_events(e, now);
	MUST(enn_engine_transmit(e, now, &batch));
	out->len = batch.len;
	assert_true(out->len > 0);
}

/* False: the engine failed. */
static bool give(struct enn_engine *e, enn_time now, const struct flight *in)
{
	static uint8_t lent[4096];
	struct enn_packet packet = {.data = lent, .len = in->len};
	struct enn_error error;

	memcpy(lent, in->bytes, in->len);
	MUST(enn_engine_ingest(e, now, NULL, &packet, 1));
	(void)take_events(e, now);
	return !enn_engine_error(e, &error);
}

struct setting {
	struct enn_security *client, *first, *second;
	struct enn_path first_path, second_path;
	enn_time wait; /* between the hellos */
	size_t change; /* a byte of the second hello's cookie, from its end; 0: none */
	bool ready;    /* how it must end */
	const char *why;
};

static void change_cookie(struct flight *f, size_t from_end)
{
	static const uint8_t type[] = {0, ENN_EXT_COOKIE};
	uint8_t *at = memmem(f->bytes, f->len, type, sizeof(type));

	/* the two bytes may come by chance: a cookie is the one with both lengths */
	while (at != NULL && (at[2] << 8 | at[3]) != (at[4] << 8 | at[5]) + 2) {
		size_t left = f->len - (size_t)(at + 1 - f->bytes);
		at = memmem(at + 1, left, type, sizeof(type));
	}
	assert_non_null(at);
	at[6 + (size_t)(at[4] << 8 | at[5]) - from_end] ^= 0x10;
}

static void continue_elsewhere(const struct setting *s)
{
	enn_time now = ENN_SECOND;
	struct enn_engine *client = make(s->client, false, NULL, now);
	struct enn_engine *first = make(s->first, true, &s->first_path, now);
	struct enn_engine *second = make(s->second, true, &s->second_path, now);
	struct flight f;

	send_flight(client, now, &f);
	assert_true(give(first, now, &f));
	send_flight(first, now, &f); /* the HelloRetryRequest */
	enn_engine_free(first);
	assert_true(give(client, now, &f));
	send_flight(client, now, &f);
	now += s->wait;
	if (s->change > 0) {
		change_cookie(&f, s->change);
	}
	if (!give(second, now, &f)) {
		struct enn_error error;
		assert_true(enn_engine_error(second, &error));
		assert_false(s->ready);
		assert_int_equal(error.wire_code, ENN_ALERT_ILLEGAL_PARAMETER);
		assert_non_null(strstr(error.text, s->why));
	} else {
		struct enn_info info;
		assert_true(s->ready);
		send_flight(second, now, &f);
		assert_true(give(client, now, &f));
		send_flight(client, now, &f);
		assert_true(give(second, now, &f));
		enn_engine_info(second, &info);
		assert_true(info.ready && info.hello_retry);
		assert_string_equal(info.server_name, host);
	}
	enn_engine_free(client);
	enn_engine_free(second);
}

static void test_stateless(void **state)
{
	static const char *const no_share[] = {"keyShares=0", "middleboxCompatibility=false", NULL};
	static const char *const sha384[] = {"ciphersuite=TLS_AES_256_GCM_SHA384",
					     "middleboxCompatibility=false", NULL};
	static const struct enn_path here = {
		.remote = {.ip = {192, 0, 2, 1}, .port = 443, .family = 4}};
	static const struct enn_path there = {
		.remote = {.ip = {192, 0, 2, 2}, .port = 443, .family = 4}};
	static const struct enn_path port = {
		.remote = {.ip = {192, 0, 2, 1}, .port = 444, .family = 4}};
	static const uint8_t key[64] =
		"shared by all servers of a pool, and so are cookies ........";
	static const uint8_t other_key[64] = "another one";
	int64_t wall = CERT_NOW * (int64_t)ENN_SECOND;
	struct enn_security *client = client_with(plain_client);
	struct enn_security *asks = client_with(no_share);
	struct enn_security *large = client_with(sha384);
	struct enn_security *server = server_with(with_cookie);
	struct enn_security *pool[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		pool[i] = server_with(with_cookie);
		MUST(enn_security_ticket_key(pool[i], i < 2 ? key : other_key, sizeof(key), wall));
	}
	const struct setting settings[] = {
		{client, server, server, .ready = true},
		{asks, server, server, .ready = true},
		{large, server, server, .ready = true},
		{client, pool[0], pool[1], .ready = true},
		{client, server, server, here, here, .ready = true},
		{client, server, server, .wait = 59 * ENN_SECOND, .ready = true},
		{client, server, server, .wait = 60 * ENN_SECOND, .why = "too old"},
		{client, server, server, here, there, .why = "not one of ours"},
		{client, server, server, here, port, .why = "not one of ours"},
		{client, server, server, .second_path = here, .why = "not one of ours"},
		{client, pool[0], pool[2], .why = "not one of ours"},
		{client, server, server, .change = 1, .why = "not one of ours"},
		{client, server, server, .change = 40, .why = "not one of ours"},
		{client, server, server, .change = 100, .why = "not one of ours"},
	};
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		continue_elsewhere(&settings[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		enn_security_free(pool[i]);
	}
	enn_security_free(server);
	enn_security_free(large);
	enn_security_free(asks);
	enn_security_free(client);
}

/* A hello that comes with the cookie of another hello: the random, and so the client, is another one. */
static void test_another_hello(void **state)
{
	struct enn_security *client = client_with(plain_client);
	struct enn_security *server = server_with(with_cookie);
	enn_time now = ENN_SECOND;
	struct enn_engine *c = make(client, false, NULL, now);
	struct enn_engine *s = make(server, true, NULL, now);
	struct enn_error error;
	struct flight f;

	(void)state;
	send_flight(c, now, &f);
	assert_true(give(s, now, &f));
	send_flight(s, now, &f);
	enn_engine_free(s);
	assert_true(give(c, now, &f));
	send_flight(c, now, &f);
	f.bytes[5 + 4 + 2] ^= 1;
	s = make(server, true, NULL, now);
	assert_false(give(s, now, &f));
	assert_true(enn_engine_error(s, &error));
	assert_int_equal(error.wire_code, ENN_ALERT_ILLEGAL_PARAMETER);
	assert_non_null(strstr(error.text, "another ClientHello"));
	enn_engine_free(s);
	/* and one that is changed in the same connection */
	for (size_t from_end = 1; from_end < 100; from_end += 33) {
		struct enn_engine *client_again = make(client, false, NULL, now);
		s = make(server, true, NULL, now);
		send_flight(client_again, now, &f);
		assert_true(give(s, now, &f));
		send_flight(s, now, &f);
		assert_true(give(client_again, now, &f));
		send_flight(client_again, now, &f);
		change_cookie(&f, from_end);
		assert_false(give(s, now, &f));
		assert_true(enn_engine_error(s, &error));
		assert_int_equal(error.wire_code, ENN_ALERT_ILLEGAL_PARAMETER);
		enn_engine_free(s);
		enn_engine_free(client_again);
	}
	enn_engine_free(c);
	enn_security_free(client);
	enn_security_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_stateless),
		cmocka_unit_test(test_another_hello),
	};
	return cmocka_run_group_tests_name("tls_cookie", tests, open_world, close_world);
}
