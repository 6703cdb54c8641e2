/* SPDX-License-Identifier: Apache-2.0
 *
 * Small extensions of the hello on live pairs: ticket_request (RFC 9149) and padding (RFC 7685).
 */
#include "handshake/codec.h"
#include "protocols/registry.h"
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

/* ---- ticket_request ------------------------------------------------------------------------------ */

struct count {
	const char *client[4], *server[4];
	unsigned full, resumed;	     /* tickets that come */
	unsigned told, told_resumed; /* what the server says before; 0 without an answer */
};

static const struct count counts[] = {
	{.client = {NULL}, .server = {NULL}, .full = 2, .resumed = 1},
	{.client = {"ticketsWanted=1"}, .full = 1, .resumed = 1, .told = 1, .told_resumed = 1},
	{.client = {"ticketsWanted=3", "ticketsWantedResumed=2"},
	 .server = {"tickets=16"},
	 .full = 3,
	 .resumed = 2,
	 .told = 3,
	 .told_resumed = 2},
	/* the server's limit holds */
	{.client = {"ticketsWanted=255", "ticketsWantedResumed=255"},
	 .server = {"tickets=4"},
	 .full = 4,
	 .resumed = 4,
	 .told = 4,
	 .told_resumed = 4},
	{.client = {"ticketsWanted=5", "ticketsWantedResumed=0"},
	 .server = {"tickets=5"},
	 .full = 5,
	 .resumed = 0,
	 .told = 5,
	 .told_resumed = 0},
	{.client = {"ticketsWanted=5"}, .server = {"tickets=0"}},
	/* none for who does not resume, whoever it is */
	{.client = {"resume=false"}},
	{.client = {"ticketsWanted=5"}, .server = {"resume=false"}},
	/* the numbers stay in the second hello */
	{.client = {"ticketsWanted=3", "supportedGroup=P-256:X25519"},
	 .server = {"supportedGroup=X25519", "tickets=9"},
	 .full = 3,
	 .resumed = 1,
	 .told = 3,
	 .told_resumed = 1},
};

static void test_ticket_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const struct count *c = &counts[i];
		struct enn_security *client = client_with(c->client);
		struct enn_security *server = server_with(c->server);
		struct tls_pair first = {.ask = NULL}, second = {.ask = NULL};
		tls_pair_run(&first, &world.env, client, server, host, NULL);
		tls_pair_must_be_ready(&first);
		assert_int_equal(first.client.sessions, c->full);
		assert_int_equal(first.client.info.tickets_expected, c->told);
		assert_int_equal(first.server.info.tickets_expected, c->full);
		if (c->full > 0) {
			tls_pair_run(&second, &world.env, client, server, host, &first.client);
			tls_pair_must_be_ready(&second);
			assert_true(second.client.info.resumed);
			assert_int_equal(second.client.sessions, c->resumed);
			assert_int_equal(second.client.info.tickets_expected, c->told_resumed);
			tls_pair_free(&second);
		}
		tls_pair_free(&first);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* ---- the ClientHello itself ----------------------------------------------------------------------- */

struct hello {
	uint8_t bytes[16384];
	size_t len; /* the message with its header */
	struct enn_client_hello parsed;
};

static void write_hello(struct enn_security *client, const struct tls_end *session,
			struct hello *out)
{
	struct enn_engine_options options = {.server_name = host};
	struct enn_batch batch = {.buf = out->bytes, .cap = sizeof(out->bytes)};
	struct enn_engine *e = NULL;
	struct enn_fault fault;

	if (session != NULL) {
		options.session = session->session;
		options.session_len = session->session_len;
	}
	MUST(enn_engine_new_client(&enn_tls_protocol, &world.env, client, &options, &e, NULL));
	MUST(enn_engine_start(e, ENN_SECOND));
	MUST(enn_engine_transmit(e, ENN_SECOND, &batch));
	struct enn_reader r = enn_reader_of(out->bytes, batch.len);
	(void)enn_read_bytes(&r, 3);
	struct enn_bytes message = enn_read_vector(&r, 2, 1, UINT16_MAX);
	assert_true(enn_reader_done(&r)); /* one record */
	out->len = message.len;
	struct enn_bytes body = {message.data + 4, message.len - 4};
	assert_true(enn_parse_client_hello(body, false, &out->parsed, &fault));
	enn_engine_free(e);
}

static void check_padding(struct enn_security *client, const struct tls_end *session, size_t unit)
{
	static struct hello h;

	write_hello(client, session, &h);
	if (unit <= 1) {
		assert_false(enn_views_have(&h.parsed.views, ENN_VIEW_PADDING));
		return;
	}
	assert_int_equal(h.len % unit, 0);
	struct enn_bytes zeros = h.parsed.views.data[ENN_VIEW_PADDING];
	for (size_t i = 0; i < zeros.len; i++) {
		assert_int_equal(zeros.data[i], 0);
	}
	assert_true(zeros.len < unit + 4);
	assert_int_equal((h.parsed.has & ENN_HAS_PRE_SHARED_KEY) != 0, session != NULL);
}

static void test_padding(void **state)
{
	static const unsigned units[] = {0, 1, 2, 3, 4, 5, 7, 16, 255, 256, 512, 4096};
	struct enn_security *server = server_with(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char setting[32];
		(void)snprintf(setting, sizeof(setting), "helloPadding=%u", units[i]);
		const char *const plain[] = {setting, NULL};
		const char *const retried[] = {setting, "keyShares=0", NULL};
		struct enn_security *client = client_with(plain);
		struct enn_security *second = client_with(retried);
		struct tls_pair p = {.ask = NULL};
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		tls_pair_must_be_ready(&p);
		check_padding(client, NULL, units[i]);
		check_padding(client, &p.client, units[i]);
		check_padding(second, NULL, units[i]);
		struct tls_pair again = {.ask = NULL};
		tls_pair_run(&again, &world.env, client, server, host, &p.client);
		tls_pair_must_be_ready(&again);
		assert_true(again.server.info.resumed);
		tls_pair_free(&again);
		tls_pair_free(&p);
		/* both hellos of a retry are padded, and it is no difference that matters */
		tls_pair_run(&p, &world.env, second, server, host, NULL);
		tls_pair_must_be_ready(&p);
		assert_true(p.client.info.hello_retry);
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(second);
	}
	enn_security_free(server);
}

/* Whatever the padding is for, 512 never leaves a length that some servers cannot read. */
static void test_bad_lengths(void **state)
{
	static const char *const settings[] = {"helloPadding=512", NULL};
	static struct hello h;

	(void)state;
	for (size_t names = 0; names < 16; names++) {
		struct enn_security *client = client_with(settings);
		uint8_t id[255] = {'x'};
		for (size_t i = 0; i < names; i++) {
			id[0] = (uint8_t)('a' + i);
			MUST(enn_security_add_alpn(client, id, 1 + 7 * i));
		}
		write_hello(client, NULL, &h);
		assert_true(h.len < 256 || h.len >= 512);
		enn_security_free(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket_counts),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_bad_lengths),
	};
	return cmocka_run_group_tests_name("tls_hello", tests, open_world, close_world);
}
