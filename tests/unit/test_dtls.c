/* SPDX-License-Identifier: Apache-2.0
 *
 * DTLS 1.2 and 1.3: whole associations over datagrams that the test holds in its hands. The simulator
 * (sim_dtls) has the chance events; here are the certain ones.
 */
#include <stdlib.h>

#include "certs.h"
#include "ennead/engine.h"
#include "protocols/dtls/internal.h"
#include "protocols/registry.h"
#include "support.h"

#define MUST(call) assert_int_equal(call, ENN_OK)
#define FLIGHT	   64

static struct cert *root, *leaf, *own;
static struct test_env world;
static const char host[] = "a.example";

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	leaf = cert_make(&(struct cert_options){
		.subject = "leaf", .issuer = root, .serial = 2, .names = "DNS:a.example"});
	own = cert_make(&(struct cert_options){
		.subject = "client", .issuer = root, .serial = 3, .names = "DNS:c.example"});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	cert_free(own);
	cert_free(leaf);
	cert_free(root);
	return 0;
}

/* ---- two ends ----------------------------------------------------------------------------------- */

struct datagram {
	uint8_t data[2048];
	size_t len;
};

struct end {
	struct enn_engine *e;
	bool ready, failed, closed;
	struct enn_error error;
	unsigned received, keys_sent, keys_received;
	uint8_t last[64];
	size_t last_len;
	uint8_t session[8192];
	size_t session_len;
};

struct pair {
	struct end client, server;
	struct enn_security *security[2];
	struct datagram flight[FLIGHT]; /* on their way, in order */
	size_t count;
	bool to_server[FLIGHT];
	enn_time now;
	size_t cap; /* of batches */
};

static struct enn_path path_to(bool server)
{
	struct enn_path p = {.local = {.ip = {192, 0, 2, 1}, .port = 1000, .family = 4},
			     .remote = {.ip = {192, 0, 2, 2}, .port = 2000, .family = 4}};

	if (server) {
		struct enn_address a = p.local;
		p.local = p.remote;
		p.remote = a;
	}
	return p;
}

static void take_events(struct pair *p, struct end *end)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(end->e, p->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			end->ready = true;
			break;
		case ENN_EVENT_FAILED:
			end->failed = true;
			end->error = event.u.error;
			break;
		case ENN_EVENT_CLOSED:
			end->closed = true;
			break;
		case ENN_EVENT_RECEIVED:
			end->received++;
			end->last_len = event.u.received.len;
			assert_true(end->last_len <= sizeof(end->last));
			memcpy(end->last, event.u.received.data, end->last_len);
			break;
		case ENN_EVENT_STORE_SESSION:
			end->session_len = event.u.session.len;
			memcpy(end->session, event.u.session.data, event.u.session.len);
			break;
		case ENN_EVENT_KEYS_UPDATED:
			end->keys_sent += event.u.keys.direction == ENN_DIRECTION_SEND;
			end->keys_received += event.u.keys.direction == ENN_DIRECTION_RECEIVE;
			break;
		default:
			break;
		}
	}
}

/* What an end has to say joins the flight. */
static void collect(struct pair *p, bool from_client)
{
	struct end *end = from_client ? &p->client : &p->server;
	static uint8_t buf[65536];

	for (;;) {
		struct enn_batch batch = {.buf = buf, .cap = p->cap};
		take_events(p, end);
		MUST(enn_engine_transmit(end->e, p->now, &batch));
		if (batch.len == 0) {
			return;
		}
		for (size_t at = 0; at < batch.len; at += batch.segment_size) {
			size_t left = batch.len - at;
			struct datagram *d = &p->flight[p->count];
			d->len = left < batch.segment_size ? left : batch.segment_size;
			assert_true(p->count < FLIGHT && d->len <= sizeof(d->data));
			memcpy(d->data, buf + at, d->len);
			p->to_server[p->count++] = from_client;
		}
	}
}

static void give(struct pair *p, bool to_server, struct datagram *d)
{
	struct end *end = to_server ? &p->server : &p->client;
	const struct enn_path path = path_to(to_server);
	struct enn_packet packet = {.data = d->data, .len = d->len};

	enum enn_status status = enn_engine_ingest(end->e, p->now, &path, &packet, 1);
	assert_true(status == ENN_OK || end->failed || end->closed);
	take_events(p, end);
}

/* The oldest arrives, or is lost. */
static void step(struct pair *p, bool lost)
{
	struct datagram d = p->flight[0];
	bool to_server = p->to_server[0];

	p->count--;
	memmove(p->flight, p->flight + 1, p->count * sizeof(p->flight[0]));
	memmove(p->to_server, p->to_server + 1, p->count * sizeof(p->to_server[0]));
	if (!lost) {
		give(p, to_server, &d);
	}
}

static void settle(struct pair *p)
{
	do {
		while (p->count > 0) {
			step(p, false);
			collect(p, true);
			collect(p, false);
		}
		collect(p, true);
		collect(p, false);
	} while (p->count > 0);
}

/* Time goes on to the next thing that either end waits for. */
static void wait_for_timers(struct pair *p)
{
	enn_time a = enn_engine_deadline(p->client.e);
	enn_time b = enn_engine_deadline(p->server.e);
	enn_time next = a < b ? a : b;

	assert_true(next != ENN_TIME_NEVER);
	p->now = next > p->now ? next : p->now;
	enn_engine_expire(p->client.e, p->now);
	enn_engine_expire(p->server.e, p->now);
	collect(p, true);
	collect(p, false);
}

static struct enn_security *security_of(bool server, const char *versions, bool mutual)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;
	const struct cert *c = server ? leaf : own;

	assert_non_null(s);
	MUST(enn_security_trust_pem(s, root->pem, strlen(root->pem), NULL));
	MUST(enn_security_set_list(s, ENN_SECURITY_VERSIONS, versions, NULL));
	if (server || mutual) {
		MUST(enn_credential_x509_pem(c->pem, strlen(c->pem), c->key_pem, strlen(c->key_pem),
					     &k, NULL));
		MUST(enn_security_add_credential(s, k));
		enn_credential_free(k);
	}
	if (server && mutual) {
		MUST(enn_security_set_bool(s, ENN_SECURITY_REQUIRE_CLIENT, true));
	}
	return s;
}

static void make(struct pair *p, bool server, const struct end *session)
{
	struct enn_engine_options options = {.server_name = host, .path = path_to(server)};
	struct end *end = server ? &p->server : &p->client;
	struct enn_error error;

	if (session != NULL) {
		options.session = session->session;
		options.session_len = session->session_len;
	}
	enum enn_status status =
		server ? enn_engine_new_server(&enn_dtls_protocol, &world.env, p->security[1],
					       &options, &end->e, &error)
		       : enn_engine_new_client(&enn_dtls_protocol, &world.env, p->security[0],
					       &options, &end->e, &error);
	if (status != ENN_OK) {
		fail_msg("%s", error.text);
	}
	MUST(enn_engine_start(end->e, p->now));
}

static struct pair *pair_new(const char *versions, bool mutual, const struct end *session,
			     struct pair *same)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->now = ENN_SECOND;
	p->cap = 65536;
	for (int i = 0; i < 2; i++) {
		p->security[i] = same != NULL ? enn_security_ref(same->security[i])
					      : security_of(i == 1, versions, mutual);
	}
	make(p, false, session);
	make(p, true, NULL);
	collect(p, true);
	return p;
}

static void pair_free(struct pair *p)
{
	enn_engine_free(p->client.e);
	enn_engine_free(p->server.e);
	enn_security_free(p->security[0]);
	enn_security_free(p->security[1]);
	free(p);
}

static void must_be_ready(const struct pair *p)
{
	if (p->client.failed || p->server.failed) {
		fail_msg("%s", p->client.failed ? p->client.error.text : p->server.error.text);
	}
	assert_true(p->client.ready && p->server.ready);
}

static void say(struct pair *p, bool from_client, const char *text)
{
	struct end *from = from_client ? &p->client : &p->server;
	struct end *to = from_client ? &p->server : &p->client;
	struct enn_message m = {.data = (const uint8_t *)text, .len = strlen(text)};
	unsigned before = to->received;

	MUST(enn_engine_send(from->e, p->now, &m));
	collect(p, from_client);
	settle(p);
	assert_int_equal(to->received, before + 1);
	assert_int_equal(to->last_len, m.len);
	assert_memory_equal(to->last, text, m.len);
}

static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};

/* ---- associations --------------------------------------------------------------------------------- */

static void test_whole(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct pair *p = pair_new(versions[i / 2], i % 2 == 1, NULL, NULL);
		struct enn_info info;
		uint8_t a[32], b[32];

		settle(p);
		must_be_ready(p);
		enn_engine_info(p->server.e, &info);
		assert_string_equal(info.version, i / 2 == 0 ? "DTLSv1.2" : "DTLSv1.3");
		assert_int_equal(info.peer_authenticated, i % 2 == 1);
		say(p, true, "to the server");
		say(p, false, "to the client");
		MUST(enn_engine_export_key(p->client.e, "EXPORTER-test", NULL, 0, false, a, 32));
		MUST(enn_engine_export_key(p->server.e, "EXPORTER-test", NULL, 0, false, b, 32));
		assert_memory_equal(a, b, 32);
		MUST(enn_engine_close(p->client.e, p->now, 0));
		collect(p, true);
		settle(p);
		assert_true(p->client.closed && p->server.closed);
		pair_free(p);
	}
}

static void test_resumption(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pair *first = pair_new(versions[i], false, NULL, NULL);
		struct enn_info info;

		settle(first);
		must_be_ready(first);
		assert_true(first->client.session_len > 0);
		struct pair *second = pair_new(NULL, false, &first->client, first);
		settle(second);
		must_be_ready(second);
		enn_engine_info(second->server.e, &info);
		assert_true(info.resumed);
		say(second, true, "resumed");
		pair_free(second);
		pair_free(first);
	}
}

/* Each datagram of the handshake lost once: it comes again by itself. */
static void test_each_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		for (size_t lost = 0; lost < 12; lost++) {
			struct pair *p = pair_new(versions[i], true, NULL, NULL);
			size_t seen = 0;

			for (int turns = 0;
			     turns < 40 && !(p->client.ready && p->server.ready && p->count == 0);
			     turns++) {
				while (p->count > 0) {
					step(p, seen++ == lost);
					collect(p, true);
					collect(p, false);
				}
				if (!(p->client.ready && p->server.ready)) {
					wait_for_timers(p);
				}
			}
			must_be_ready(p);
			say(p, true, "all the same");
			say(p, false, "and back");
			pair_free(p);
		}
	}
}

/* A chain that no datagram holds: messages in fragments, also in small ones after losses. */
static void test_small_datagrams(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(versions[i], true, NULL, NULL);

		enn_engine_free(p->client.e);
		memset(&p->client, 0, sizeof(p->client));
		p->count = 0;
		((struct enn_dtls *)p->server.e)->datagram = 150;
		make(p, false, NULL);
		((struct enn_dtls *)p->client.e)->datagram = 300;
		collect(p, true);
		for (size_t n = 0; n < p->count; n++) {
			assert_true(p->flight[n].len <= 300);
		}
		settle(p);
		must_be_ready(p);
		pair_free(p);
	}
}

/* ---- records --------------------------------------------------------------------------------------- */

/* A record twice is delivered once; changed at any byte, cut at any length: not at all. */
static void test_replay_and_forgery(void **state)
{
	static const char text[] = "once";
	struct enn_message m = {.data = (const uint8_t *)text, .len = 4};
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(versions[i], false, NULL, NULL);
		settle(p);
		must_be_ready(p);
		MUST(enn_engine_send(p->client.e, p->now, &m));
		collect(p, true);
		assert_int_equal(p->count, 1);
		struct datagram good = p->flight[0];
		p->count = 0;
		for (size_t at = 0; at < good.len; at++) {
			struct datagram d = good;
			d.data[at] ^= 0x10;
			give(p, true, &d);
			d = good;
			d.len = at;
			give(p, true, &d);
		}
		assert_int_equal(p->server.received, 0);
		assert_false(p->server.failed);
		struct datagram d = good;
		give(p, true, &d);
		assert_int_equal(p->server.received, 1);
		d = good;
		give(p, true, &d);
		assert_int_equal(p->server.received, 1);
		pair_free(p);
	}
}

static void test_order(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(versions[i], false, NULL, NULL);
		const struct enn_message m = {.data = (const uint8_t *)"x", .len = 1};

		settle(p);
		must_be_ready(p);
		for (int n = 0; n < 20; n++) {
			MUST(enn_engine_send(p->client.e, p->now, &m));
			collect(p, true);
		}
		while (p->count > 0) { /* the last first */
			give(p, true, &p->flight[--p->count]);
		}
		assert_int_equal(p->server.received, 20);
		pair_free(p);
	}
}

static void test_key_update(void **state)
{
	struct pair *p = pair_new("TLSv1.3", false, NULL, NULL);
	(void)state;

	settle(p);
	must_be_ready(p);
	for (unsigned n = 1; n <= 6; n++) { /* past the two bits of the epoch */
		const struct enn_message m = {.data = (const uint8_t *)"before", .len = 6};
		MUST(enn_engine_send(p->client.e, p->now, &m));
		collect(p, true);
		struct datagram late = p->flight[0];
		p->count = 0;
		MUST(enn_engine_rekey(p->client.e, p->now, true));
		collect(p, true);
		settle(p);
		assert_int_equal(p->client.keys_sent, n);
		assert_int_equal(p->client.keys_received, n);
		assert_int_equal(p->server.keys_sent, n);
		unsigned before = p->server.received;
		give(p, true, &late); /* under the keys before */
		assert_int_equal(p->server.received, before + 1);
		say(p, true, "after");
		say(p, false, "after");
	}
	pair_free(p);
	p = pair_new("TLSv1.2", false, NULL, NULL);
	settle(p);
	must_be_ready(p);
	assert_int_equal(enn_engine_rekey(p->client.e, p->now, true), ENN_E_UNSUPPORTED);
	pair_free(p);
}

/* ---- the listener ------------------------------------------------------------------------------------ */

/* A hello from each of many addresses: an answer no longer than three times the question, and nothing is kept. */
static void test_strangers(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(versions[i], false, NULL, NULL);
		struct enn_acceptor *a = NULL;
		struct enn_path path = path_to(true);
		uint8_t reply[2048];
		size_t kept = 0;

		MUST(enn_acceptor_new(&enn_dtls_protocol, &world.env, p->security[1], &a, NULL));
		for (unsigned n = 0; n < 1000; n++) {
			struct datagram d = p->flight[0];
			struct enn_packet packet = {.data = d.data, .len = d.len};
			struct enn_batch batch = {.buf = reply, .cap = sizeof(reply)};
			struct enn_engine *e = NULL;
			bool created = false;
			path.remote.ip[2] = (uint8_t)(n >> 8);
			path.remote.ip[3] = (uint8_t)n;
			MUST(enn_acceptor_accept(a, p->now, &path, &packet, 1, &batch, &e,
						 &created));
			assert_true(e == NULL && !created && batch.len > 0);
			assert_true(batch.len <= 3 * d.len);
			if (n == 0) {
				kept = world.live_bytes;
			}
			assert_int_equal(world.live_bytes, kept);
		}
		enn_acceptor_free(a);
		pair_free(p);
	}
}

/* The cookie is good from its address, and only with the hello that it was given to. */
static void test_cookie(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(versions[i], false, NULL, NULL);
		struct enn_acceptor *a = NULL;
		struct enn_path path = path_to(true), other = path;
		struct datagram d = p->flight[0];
		struct enn_packet packet = {.data = d.data, .len = d.len};
		struct datagram answer;
		struct enn_batch batch = {.buf = answer.data, .cap = sizeof(answer.data)};
		struct enn_engine *e = NULL;
		bool created = false;

		other.remote.port++;
		MUST(enn_acceptor_new(&enn_dtls_protocol, &world.env, p->security[1], &a, NULL));
		MUST(enn_acceptor_accept(a, p->now, &path, &packet, 1, &batch, &e, &created));
		answer.len = batch.len;
		p->count = 0;
		give(p, false, &answer);
		collect(p, true);
		assert_int_equal(p->count, 1);
		d = p->flight[0];
		packet = (struct enn_packet){.data = d.data, .len = d.len};
		MUST(enn_acceptor_accept(a, p->now, &other, &packet, 1, &batch, &e, &created));
		assert_false(created);
		d = p->flight[0];
		MUST(enn_acceptor_accept(a, p->now + 61 * ENN_SECOND, &path, &packet, 1, &batch, &e,
					 &created));
		assert_false(created); /* too late */
		d = p->flight[0];
		MUST(enn_acceptor_accept(a, p->now, &path, &packet, 1, &batch, &e, &created));
		assert_true(created && e != NULL);
		enn_engine_free(p->server.e);
		p->server.e = e;
		MUST(enn_engine_start(e, p->now));
		settle(p);
		must_be_ready(p);
		/* What comes from there is its own now. */
		say(p, true, "hello");
		enn_acceptor_free(a);
		pair_free(p);
	}
}

/* ---- ranges ------------------------------------------------------------------------------------------- */

static void test_ranges(void **state)
{
	uint64_t seed = test_seed();
	(void)state;

	for (int run = 0; run < 2000; run++) {
		struct enn_dtls_ranges s = {.count = 0};
		bool have[64] = {false};
		for (int n = 0; n < 40; n++) {
			uint32_t from = (uint32_t)(test_random(&seed) % 64);
			uint32_t to = from + (uint32_t)(test_random(&seed) % (65 - from));
			if (enn_dtls_ranges_add(&s, from, to)) {
				memset(have + from, true, to - from);
			}
			uint32_t at = (uint32_t)(test_random(&seed) % 64), a, b, want = at;
			while (want < 64 && have[want]) {
				want++;
			}
			assert_int_equal(enn_dtls_ranges_gap(&s, at, 64, &a, &b), want < 64);
			if (want < 64) {
				assert_int_equal(a, want);
				assert_true(b > a && !have[b - 1] && (b == 64 || have[b]));
			}
			assert_int_equal(enn_dtls_ranges_cover(&s, at, want), true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_small_datagrams),
		cmocka_unit_test(test_replay_and_forgery),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_ranges),
	};
	return cmocka_run_group_tests_name("dtls", tests, open_world, close_world);
}
