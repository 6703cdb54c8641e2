/* SPDX-License-Identifier: Apache-2.0
 *
 * A session store that is elsewhere: what the server's engine asks of it, and answers of every kind: at once,
 * late, never, "no", twice, garbage. The store behind the events is one in memory.
 */
#include "features/session_cache.h"
#include "tls_pair.h"

static struct cert *root, *leaf;
static struct test_env world; /* the client's */
static struct test_env server_world;
static const char host[] = "a.example";

/* What is there of a store, and how it answers. */
static struct elsewhere {
	struct enn_session_store *values;
	struct enn_store_reply reply;
	unsigned takes, claims, puts;
	bool silent;   /* do not answer takes and claims: the test does */
	bool refuse;   /* they are answered with "no" */
	int64_t since; /* of claims */
	size_t damage; /* 1-based: this byte of a value taken is changed */
	uint8_t value[16384];
	size_t len;
} store;

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	leaf = cert_make(&(struct cert_options){
		.subject = "leaf", .issuer = root, .serial = 2, .names = "DNS:a.example"});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	test_env_open(&server_world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = server_world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&server_world);
	test_env_close(&world);
	cert_free(leaf);
	cert_free(root);
	return 0;
}

static int open_store(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	store.values = enn_session_store_new(100);
	assert_non_null(store.values);
	return 0;
}

static int close_store(void **state)
{
	(void)state;
	enn_session_store_free(store.values);
	return 0;
}

/* ---- the store behind the events ---------------------------------------------------------------- */

static void release(void *backend)
{
	(void)backend;
}

/* The engine only looks whether there is one: its driver would call it. */
static const struct enn_store_backend backend = {.release = release};

static struct enn_security *server_with(const char *const *settings)
{
	struct enn_security *s = tls_security(settings);
	struct enn_ticket_keys *keys = enn_ticket_keys_new();
	struct enn_session_store *remote = enn_session_store_new_remote(&backend, NULL, keys, 10);

	assert_non_null(remote);
	MUST(enn_security_set_session_store(s, remote));
	enn_session_store_free(remote);
	enn_ticket_keys_free(keys);
	tls_add_certificate(s, leaf);
	return s;
}

static struct enn_security *client_with(const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_trust(s, root);
	return s;
}

static int64_t wall(const struct tls_pair *p)
{
	return server_world.env.wall_offset + (int64_t)p->now;
}

static struct enn_answer find_answer(const struct tls_pair *p, const struct enn_event *event)
{
	struct enn_answer answer = {.type = ENN_ANSWER_STORE, .since = store.since};

	if (event->type == ENN_EVENT_SESSION_TAKE) {
		store.len = sizeof(store.value);
		answer.accept = enn_session_store_take(store.values, event->u.store.key,
						       event->u.store.key_len, wall(p), store.value,
						       &store.len) == ENN_OK;
		answer.data = store.value;
		answer.len = answer.accept ? store.len : 0;
		if (answer.accept && store.damage > 0) {
			store.value[(store.damage - 1) % store.len] ^= 0x41;
		}
	} else {
		answer.accept = enn_session_store_claim(store.values, event->u.store.key,
							event->u.store.key_len, wall(p),
							event->u.store.expires) == ENN_OK;
	}
	if (store.refuse) {
		answer = (struct enn_answer){.type = ENN_ANSWER_STORE};
	}
	return answer;
}

static void ask(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	assert_ptr_equal(end, &p->server);
	if (event->type == ENN_EVENT_SESSION_PUT) {
		store.puts++;
		MUST(enn_session_store_put(store.values, event->u.store.key, event->u.store.key_len,
					   event->u.store.value, event->u.store.value_len,
					   event->u.store.expires));
		return;
	}
	assert_true(event->type == ENN_EVENT_SESSION_TAKE ||
		    event->type == ENN_EVENT_SESSION_CLAIM);
	store.takes += event->type == ENN_EVENT_SESSION_TAKE;
	store.claims += event->type == ENN_EVENT_SESSION_CLAIM;
	if (!store.silent) {
		struct enn_answer answer = find_answer(p, event);
		MUST(enn_engine_answer(end->e, p->now, &answer));
	}
}

/* ---- connections --------------------------------------------------------------------------------- */

static const char *const named[] = {"statefulTickets=true", "tickets=1", NULL};
static const char *const plain[] = {NULL};

struct ends {
	struct enn_security *client, *server;
	struct tls_pair pair;
	struct tls_end session; /* of the last connection */
};

static void ends_open(struct ends *t, const char *const *client, const char *const *server)
{
	memset(t, 0, sizeof(*t));
	t->client = client_with(client);
	t->server = server_with(server);
	t->pair.ask = ask;
	t->pair.server_env = &server_world.env;
}

static void ends_close(struct ends *t)
{
	enn_security_free(t->client);
	enn_security_free(t->server);
}

static void run(struct ends *t, const struct tls_end *session)
{
	tls_pair_run(&t->pair, &world.env, t->client, t->server, host, session);
}

/* A whole connection; whether it resumed. Its session is t->session then. */
static bool connect(struct ends *t, const struct tls_end *session)
{
	run(t, session);
	tls_pair_must_be_ready(&t->pair);
	bool resumed = t->pair.server.info.resumed;
	assert_int_equal(t->pair.client.info.resumed, resumed);
	t->session = t->pair.client;
	tls_pair_free(&t->pair);
	return resumed;
}

static void test_for_one_use(void **state)
{
	struct ends t;
	struct tls_end first;
	(void)state;

	ends_open(&t, plain, named);
	assert_false(connect(&t, NULL));
	assert_int_equal(store.takes, 0);
	assert_int_equal(store.puts, 1);
	first = t.session;
	assert_true(connect(&t, &first));
	assert_int_equal(store.takes, 1);
	assert_int_equal(store.puts, 2);
	struct tls_end second = t.session;
	assert_false(connect(&t, &first)); /* it is gone */
	assert_true(connect(&t, &second));
	assert_int_equal(store.takes, 3);
	ends_close(&t);
}

/* TLS 1.2: a session id instead. */
static void test_session_ids(void **state)
{
	static const char *const settings[] = {"tickets=0", NULL};
	struct ends t;

	tls_use_12(state);
	ends_open(&t, plain, settings);
	assert_false(connect(&t, NULL));
	assert_int_equal(store.puts, 1);
	assert_true(connect(&t, &t.session));
	assert_int_equal(store.takes, 1);
	store.refuse = true;
	assert_false(connect(&t, &t.session));
	assert_int_equal(store.takes, 2);
	ends_close(&t);
	tls_use_13(state);
}

static void test_no_is_a_full_handshake(void **state)
{
	struct ends t;
	(void)state;

	ends_open(&t, plain, named);
	assert_false(connect(&t, NULL));
	store.refuse = true;
	assert_false(connect(&t, &t.session));
	ends_close(&t);
}

/* Each byte of a session that comes back changed: a full handshake, or one that the binder refuses. */
static void test_damaged_values(void **state)
{
	struct ends t;
	size_t refused = 0, full = 0;
	(void)state;

	ends_open(&t, plain, named);
	for (store.damage = 1; store.damage <= 200; store.damage++) {
		assert_false(connect(&t, NULL));
		run(&t, &t.session);
		if (t.pair.server.failed) {
			assert_int_equal(t.pair.server.error.origin, ENN_ORIGIN_LOCAL);
			refused++;
		} else {
			tls_pair_must_be_ready(&t.pair);
			full += !t.pair.server.info.resumed;
		}
		tls_pair_free(&t.pair);
	}
	assert_true(refused > 0 && full > 0);
	ends_close(&t);
}

/* ---- late, never, wrong ------------------------------------------------------------------------------ */

static struct enn_answer late;

static void remember(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	if (event->type == ENN_EVENT_SESSION_PUT) {
		ask(p, end, event);
	} else {
		late = find_answer(p, event);
	}
}

static void test_late(void **state)
{
	struct ends t;
	const struct enn_answer other = {.type = ENN_ANSWER_PEER, .accept = true};
	(void)state;

	ends_open(&t, plain, named);
	assert_false(connect(&t, NULL));
	t.pair.ask = remember;
	run(&t, &t.session);
	assert_false(t.pair.server.ready || t.pair.server.failed);
	assert_int_equal(t.pair.server.questions, 1);
	assert_true(enn_engine_answer(t.pair.server.e, t.pair.now, &other) != ENN_OK);
	t.pair.now += ENN_SECOND;
	tls_pair_go_on(&t.pair);
	assert_false(t.pair.server.ready || t.pair.server.failed);
	MUST(enn_engine_answer(t.pair.server.e, t.pair.now, &late));
	assert_int_equal(enn_engine_answer(t.pair.server.e, t.pair.now, &late), ENN_E_STATE);
	tls_pair_go_on(&t.pair);
	tls_pair_must_be_ready(&t.pair);
	assert_true(t.pair.server.info.resumed);
	tls_pair_free(&t.pair);
	ends_close(&t);
}

static void test_never(void **state)
{
	struct ends t;
	(void)state;

	ends_open(&t, plain, named);
	assert_false(connect(&t, NULL));
	store.silent = true;
	run(&t, &t.session);
	t.pair.now += 40 * ENN_SECOND;
	assert_true(enn_engine_deadline(t.pair.server.e) <= t.pair.now);
	enn_engine_expire(t.pair.server.e, t.pair.now);
	tls_pair_go_on(&t.pair);
	assert_true(t.pair.server.failed);
	assert_int_equal(t.pair.server.error.reason, ENN_REASON_TIMEOUT);
	assert_true(enn_engine_answer(t.pair.server.e, t.pair.now, &late) != ENN_OK);
	tls_pair_free(&t.pair);
	/* and one that goes while it waits */
	t.pair.now = ENN_SECOND;
	run(&t, &t.session);
	assert_false(t.pair.server.ready);
	tls_pair_free(&t.pair);
	ends_close(&t);
}

/* After a HelloRetryRequest the session that was taken for the first hello serves the second. */
static void test_hello_retry(void **state)
{
	static const char *const client[] = {"supportedGroup=x25519:secp256r1", NULL};
	static const char *const server[] = {"statefulTickets=true", "tickets=1",
					     "supportedGroup=secp256r1", NULL};
	struct ends t;
	(void)state;

	ends_open(&t, client, server);
	assert_false(connect(&t, NULL));
	run(&t, &t.session);
	tls_pair_must_be_ready(&t.pair);
	assert_true(t.pair.server.info.hello_retry);
	assert_true(t.pair.server.info.resumed);
	assert_int_equal(store.takes, 1);
	tls_pair_free(&t.pair);
	ends_close(&t);
}

/* ---- early data --------------------------------------------------------------------------------------- */

static enum enn_early_data_state early_data(struct ends *t)
{
	t->pair.early = "early";
	run(t, &t->session);
	tls_pair_must_be_ready(&t->pair);
	assert_int_equal(t->pair.server.received, 5); /* early or after, once */
	enum enn_early_data_state had = t->pair.server.info.early_data;
	assert_int_equal(t->pair.client.info.early_data, had);
	t->pair.early = NULL;
	t->session = t->pair.client;
	tls_pair_free(&t->pair);
	return had;
}

static void early_data_with(const char *const *server)
{
	static const char *const client[] = {"earlyData=true", NULL};
	const int64_t window = 10 * (int64_t)ENN_SECOND;
	struct ends t;

	ends_open(&t, client, server);
	store.since = INT64_MIN;
	assert_false(connect(&t, NULL));
	assert_int_equal(early_data(&t), ENN_EARLY_DATA_ACCEPTED);
	assert_int_equal(store.claims, 1);
	/* A store that has not been there for long enough knows nothing of replays. */
	store.since = wall(&t.pair) - window;
	assert_int_equal(early_data(&t), ENN_EARLY_DATA_REJECTED);
	store.since = wall(&t.pair) - window - 1;
	assert_int_equal(early_data(&t), ENN_EARLY_DATA_ACCEPTED);
	store.since = INT64_MAX;
	assert_int_equal(early_data(&t), ENN_EARLY_DATA_REJECTED);
	store.since = INT64_MIN;
	store.refuse = true;
	assert_int_equal(early_data(&t), ENN_EARLY_DATA_REJECTED);
	store.refuse = false;
	ends_close(&t);
}

static void test_early_data(void **state)
{
	static const char *const server[] = {"earlyData=true", "tickets=1", NULL};
	(void)state;
	early_data_with(server);
}

/* ---- no memory ---------------------------------------------------------------------------------------- */

static size_t countdown;

static void begin_to_fail(struct tls_pair *p)
{
	(void)p;
	server_world.fail_at = server_world.calls + countdown;
}

/* Every allocation of the server fails once while it resumes: it is ready all the same, or says why not; and
 * nothing is kept, which close_world sees. */
static void test_no_memory(void **state)
{
	struct ends t;
	size_t failures = 0;
	bool reached = true;
	(void)state;

	ends_open(&t, plain, named);
	for (countdown = 1; reached; countdown++) {
		assert_false(connect(&t, NULL));
		t.pair.begun = begin_to_fail;
		run(&t, &t.session);
		t.pair.begun = NULL;
		reached = server_world.calls >= server_world.fail_at;
		server_world.fail_at = 0;
		if (t.pair.server.failed) {
			assert_int_equal(t.pair.server.error.reason, ENN_REASON_OUT_OF_MEMORY);
			failures++;
		} else {
			assert_true(t.pair.server.ready);
		}
		tls_pair_free(&t.pair);
	}
	assert_true(failures > 3);
	ends_close(&t);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_for_one_use),
		UNIT(test_session_ids),
		UNIT(test_no_is_a_full_handshake),
		UNIT(test_damaged_values),
		UNIT(test_late),
		UNIT(test_never),
		UNIT(test_hello_retry),
		UNIT(test_early_data),
		UNIT(test_no_memory),
	};
	return cmocka_run_group_tests_name("tls_store", tests, open_world, close_world);
}
