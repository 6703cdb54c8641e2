/* SPDX-License-Identifier: Apache-2.0
 *
 * record_size_limit (RFC 8449) and max_fragment_length (RFC 6066 §4): what is negotiated, that records keep to
 * it in both directions, and wrong values; and the channel binding tls-exporter (RFC 9266).
 */
#include "handshake/internal.h"
#include "protocols/tls/internal.h"
#include "tls_pair.h"

static struct cert *root, *leaf;
static struct test_env world;
static const char host[] = "a.example";

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

static void connect_pair(struct tls_pair *p, const char *const *client, const char *const *server)
{
	struct enn_security *c = tls_security(client);
	struct enn_security *s = tls_security(server);

	tls_trust(c, root);
	tls_add_certificate(s, leaf);
	tls_pair_run(p, &world.env, c, s, host, NULL);
	enn_security_free(c);
	enn_security_free(s);
}

/* ---- live pairs --------------------------------------------------------------------------------- */

/* Sends 3000 bytes and gives the longest record's plaintext, counted as RFC 8449 §4 does. */
static size_t longest_record(struct tls_end *from, struct tls_end *to, size_t overhead)
{
	static uint8_t data[3000], wire[9000];
	struct enn_message m = {.data = data, .len = sizeof(data)};
	struct enn_batch batch = {.buf = wire, .cap = sizeof(wire)};
	struct enn_event event;
	size_t longest = 0, before = to->received;

	MUST(enn_engine_send(from->e, ENN_SECOND, &m));
	MUST(enn_engine_transmit(from->e, ENN_SECOND, &batch));
	for (size_t at = 0; at < batch.len;) {
		size_t body = (size_t)(wire[at + 3] << 8 | wire[at + 4]);
		longest = body - overhead > longest ? body - overhead : longest;
		at += ENN_TLS_HEADER + body;
	}
	struct enn_packet packet = {.data = wire, .len = batch.len};
	MUST(enn_engine_ingest(to->e, ENN_SECOND, NULL, &packet, 1));
	do {
		enn_engine_next_event(to->e, ENN_SECOND, &event);
		assert_int_not_equal(event.type, ENN_EVENT_FAILED);
		to->received += event.type == ENN_EVENT_RECEIVED ? event.u.received.len : 0;
	} while (event.type != ENN_EVENT_NONE);
	assert_int_equal(to->received - before, sizeof(data));
	return longest;
}

/* Versions of the client, and what a record of each has besides its plaintext. */
static const struct {
	const char *version;
	size_t overhead;
} versions[] = {
	{"protocolVersion=TLSv1.3", ENN_TLS_TAG},
	{"protocolVersion=TLSv1.2", ENN_TLS_EXPLICIT + ENN_TLS_TAG},
};

static void test_negotiated(void **state)
{
	static const struct {
		const char *client[4], *server[4];
		size_t from_client, from_server; /* the longest plaintext each may send */
		uint16_t fragment;
		uint16_t client_is_told, server_is_told;
	} cases[] = {
		{{"recordSizeLimit=0"}, {"recordSizeLimit=100"}, 3001, 3001, 0, 0, 0},
		{{"recordSizeLimit=100"}, {"recordSizeLimit=0"}, 3001, 3001, 0, 0, 0},
		{{"recordSizeLimit=100"}, {"recordSizeLimit=64"}, 64, 100, 0, 64, 100},
		{{"recordSizeLimit=16385"}, {"recordSizeLimit=700"}, 700, 3001, 0, 700, 16385},
		{{"recordSizeLimit=0", "maxFragmentLength=512"},
		 {"recordSizeLimit=300"},
		 512,
		 512,
		 512,
		 0,
		 0},
		{{"recordSizeLimit=1000", "maxFragmentLength=512"},
		 {"recordSizeLimit=300"},
		 300,
		 1000,
		 0,
		 300,
		 1000},
		{{"recordSizeLimit=1000", "maxFragmentLength=2048"},
		 {"recordSizeLimit=0"},
		 2048,
		 2048,
		 2048,
		 0,
		 0},
		{{"recordSizeLimit=64", "padding=1024"},
		 {"recordSizeLimit=64", "padding=1024"},
		 64,
		 64,
		 0,
		 64,
		 64},
	};

	(void)state;
	for (size_t k = 0; k < 2 * ENN_ARRAY_LEN(cases); k++) {
		size_t i = k / 2;
		size_t version = k % 2;
		struct tls_pair p = {.now = 0};
		const char *client[4] = {versions[version].version, cases[i].client[0],
					 cases[i].client[1], NULL};
		connect_pair(&p, client, cases[i].server);
		tls_pair_must_be_ready(&p);
		uint16_t told = cases[i].server_is_told;
		assert_int_equal(p.client.info.record_size_limit, cases[i].client_is_told);
		assert_int_equal(p.server.info.record_size_limit,
				 version == 1 && told > 16384 ? 16384 : told);
		assert_int_equal(p.client.info.max_fragment_length, cases[i].fragment);
		assert_int_equal(p.server.info.max_fragment_length, cases[i].fragment);
		/* without a limit the 3000 bytes go in one record, with its content type in TLS 1.3 */
		size_t up = cases[i].from_client - (version == 1 && cases[i].from_client == 3001);
		size_t down = cases[i].from_server - (version == 1 && cases[i].from_server == 3001);
		assert_int_equal(longest_record(&p.client, &p.server, versions[version].overhead),
				 up);
		assert_int_equal(longest_record(&p.server, &p.client, versions[version].overhead),
				 down);
		tls_pair_free(&p);
	}
}

/* Suites of TLS 1.2 with CBC need to be named, allowed, and encrypt_then_mac on both sides. */
static void test_cbc(void **state)
{
	static const char *const names[] = {"AES_128_CBC_SHA", "AES_256_CBC_SHA",
					    "AES_128_CBC_SHA256", "AES_256_CBC_SHA384"};

	(void)state;
	for (int i = 0; i < 16; i++) {
		char suite[80];
		bool by_client = (i & 4) != 0;
		bool by_server = (i & 8) != 0;
		struct tls_pair p = {.now = 0};
		(void)snprintf(suite, sizeof(suite), "ciphersuite=TLS_ECDHE_ECDSA_WITH_%s",
			       names[i & 3]);
		const char *client[] = {suite, by_client ? "legacyCbc=on" : "legacyCbc=off",
					"protocolVersion=TLSv1.2", NULL};
		const char *server[] = {suite, by_server ? "legacyCbc=on" : "legacyCbc=off", NULL};
		connect_pair(&p, client, server);
		if (by_client && by_server) {
			tls_pair_must_be_ready(&p);
			assert_true(p.client.info.encrypt_then_mac &&
				    p.server.info.encrypt_then_mac);
			assert_string_equal(p.client.info.cipher, suite + strlen("ciphersuite="));
			(void)longest_record(&p.client, &p.server, 0);
			(void)longest_record(&p.server, &p.client, 0);
		} else {
			assert_true(p.client.failed && p.server.failed);
			assert_false(p.client.ready || p.server.ready);
		}
		tls_pair_free(&p);
	}
}

/* ---- what the other side may not say ---------------------------------------------------------------- */

static void test_wrong_values(void **state)
{
	static const struct {
		bool server; /* judges a ClientHello, else a server's answer */
		const char *limit;
		size_t limit_len;
		const char *fragment;
		size_t fragment_len;
		unsigned alert;	      /* 0: fine */
		uint16_t send, takes; /* limits then */
	} cases[] = {
		{true, "\0\x40", 2, NULL, 0, 0, 64, 1000},
		{true, "\0\x3f", 2, NULL, 0, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{true, "\0\0", 2, NULL, 0, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{true, "\x40", 1, NULL, 0, ENN_ALERT_DECODE_ERROR, 0, 0},
		{true, "\0\x40\0", 3, NULL, 0, ENN_ALERT_DECODE_ERROR, 0, 0},
		{true, "\xff\xff", 2, NULL, 0, 0, 16385, 1000}, /* §4: not for us to enforce */
		{true, NULL, 0, "\1", 1, 0, 512, 513},
		{true, NULL, 0, "\4", 1, 0, 4096, 4097},
		{true, NULL, 0, "\5", 1, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{true, NULL, 0, "\0", 1, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{true, NULL, 0, "", 0, ENN_ALERT_DECODE_ERROR, 0, 0},
		{true, "\0\x50", 2, "\1", 1, 0, 80, 1000},
		{true, "\0\x50", 2, "\xff", 1, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{false, "\0\x50", 2, NULL, 0, 0, 80, 1000},
		{false, "\0\x20", 2, NULL, 0, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0},
		{false, NULL, 0, "\2", 1, 0, 1024, 1025},
		{false, NULL, 0, "\3", 1, ENN_ALERT_ILLEGAL_PARAMETER, 0,
		 0}, /* another than ours */
		{false, "\0\x50", 2, "\2", 1, ENN_ALERT_ILLEGAL_PARAMETER, 0, 0}, /* RFC 8449 §5 */
		{false, NULL, 0, NULL, 0, 0, 0, 0},
	};
	static const char *const settings[] = {"recordSizeLimit=1000", "maxFragmentLength=1024",
					       NULL};
	struct enn_security *s = tls_security(settings);

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(cases); i++) {
		struct enn_handshake_carrier c = {
			.env = &world.env, .security = s, .result.version = ENN_TLS_1_3};
		struct enn_handshake hs = {
			.c = &c, .env = &world.env, .security = s, .server = cases[i].server};
		struct enn_views views = {.has = 0};
		if (cases[i].limit != NULL) {
			views.has |= ENN_VIEW_BIT(ENN_VIEW_RECORD_SIZE_LIMIT);
			views.data[ENN_VIEW_RECORD_SIZE_LIMIT] = (struct enn_bytes){
				(const uint8_t *)cases[i].limit, cases[i].limit_len};
		}
		if (cases[i].fragment != NULL) {
			views.has |= ENN_VIEW_BIT(ENN_VIEW_MAX_FRAGMENT_LENGTH);
			views.data[ENN_VIEW_MAX_FRAGMENT_LENGTH] = (struct enn_bytes){
				(const uint8_t *)cases[i].fragment, cases[i].fragment_len};
		}
		enum enn_status status = cases[i].server
						 ? enn_record_size_choose(&hs, &views)
						 : enn_record_size_take(&hs, &views, "answer");
		if (cases[i].alert != 0) {
			assert_int_equal(status, ENN_E_FAILED);
			assert_int_equal(c.error.wire_code, cases[i].alert);
		} else {
			assert_int_equal(status, ENN_OK);
			assert_int_equal(c.result.send_limit, cases[i].send);
			assert_int_equal(c.result.receive_limit, cases[i].takes);
		}
	}
	enn_security_free(s);
}

static void test_parameters(void **state)
{
	struct enn_security *s = enn_security_new();

	(void)state;
	assert_non_null(s);
	for (uint64_t v = 0; v < 70; v++) {
		assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_RECORD_SIZE_LIMIT, v),
				 v == 0 || v >= 64 ? ENN_OK : ENN_E_ARGUMENT);
	}
	assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_RECORD_SIZE_LIMIT, 16385), ENN_OK);
	assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_RECORD_SIZE_LIMIT, 16386),
			 ENN_E_ARGUMENT);
	for (uint64_t v = 1; v < 5000; v++) {
		bool fits = v == 512 || v == 1024 || v == 2048 || v == 4096;
		assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_MAX_FRAGMENT_LENGTH, v),
				 fits ? ENN_OK : ENN_E_ARGUMENT);
	}
	enn_security_free(s);
}

/* ---- channel binding --------------------------------------------------------------------------------- */

/* RFC 9266 §2: the context is the string without any bytes. */
static enum enn_status binding(const struct tls_end *end, uint8_t out[32])
{
	return enn_engine_export_key(end->e, "EXPORTER-Channel-Binding", (const uint8_t *)"", 0,
				     false, out, 32);
}

static void test_channel_binding(void **state)
{
	uint8_t first[32], ours[32], theirs[32], none[32];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct tls_pair p = {.now = 0};
		const char *client[] = {versions[i / 2].version, NULL};
		connect_pair(&p, client, NULL);
		tls_pair_must_be_ready(&p);
		MUST(binding(&p.client, ours));
		MUST(binding(&p.server, theirs));
		assert_memory_equal(ours, theirs, 32);
		/* RFC 5705 §4: no context is another one in TLS 1.2 only */
		MUST(enn_engine_export_key(p.client.e, "EXPORTER-Channel-Binding", NULL, 0, false,
					   none, 32));
		assert_int_equal(memcmp(none, ours, 32) == 0, i < 2);
		if (i % 2 == 0) {
			memcpy(first, ours, 32);
		} else {
			assert_memory_not_equal(first, ours, 32); /* each connection has its own */
		}
		tls_pair_free(&p);
	}
}

/* RFC 9266 §2, RFC 7627 §7: what the main secret does not bind, nobody may be bound to. */
static void test_no_binding_without_extended_main_secret(void **state)
{
	uint8_t out[32];
	struct tls_pair p = {.now = 0};
	const char *client[] = {versions[1].version, NULL};

	(void)state;
	connect_pair(&p, client, NULL);
	tls_pair_must_be_ready(&p);
	struct enn_tls *t = (struct enn_tls *)p.client.e;
	t->carrier.result.extended_main_secret = false;
	assert_int_equal(binding(&p.client, out), ENN_E_UNSUPPORTED);
	tls_pair_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negotiated),
		cmocka_unit_test(test_cbc),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_channel_binding),
		cmocka_unit_test(test_no_binding_without_extended_main_secret),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
