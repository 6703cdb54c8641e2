/* SPDX-License-Identifier: Apache-2.0
 *
 * Which credential is shown: by name, by signature algorithms, by authority, and by the application that is
 * asked (ENN_EVENT_WANT_CREDENTIAL), which may also give each name its own trust.
 */
#include "handshake/wire.h"
#include "tls_pair.h"

enum who {
	ROOT_A,
	ROOT_B,
	ROOT_RSA,
	DEFAULT,  /* of A, x.example */
	WILDCARD, /* of A, *.a.example */
	EXACT,	  /* of A, www.a.example */
	ED,	  /* of A, www.a.example, Ed25519 */
	RSA_MADE, /* of RSA, www.a.example */
	OF_B,	  /* of B, www.a.example */
	CLIENT_A,
	CLIENT_B,
	WHO_COUNT
};

static struct cert *who[WHO_COUNT];
static struct test_env world;

static int open_world(void **state)
{
	static const struct {
		const char *names;
		int issuer;
		const char *key_type;
	} made[WHO_COUNT] = {
		[ROOT_A] = {NULL, -1, NULL},
		[ROOT_B] = {NULL, -1, NULL},
		[ROOT_RSA] = {NULL, -1, "RSA-2048"},
		[DEFAULT] = {"DNS:x.example", ROOT_A, NULL},
		[WILDCARD] = {"DNS:*.a.example", ROOT_A, NULL},
		[EXACT] = {"DNS:www.a.example", ROOT_A, NULL},
		[ED] = {"DNS:www.a.example", ROOT_A, "ED25519"},
		[RSA_MADE] = {"DNS:www.a.example", ROOT_RSA, NULL},
		[OF_B] = {"DNS:www.a.example", ROOT_B, NULL},
		[CLIENT_A] = {"DNS:client", ROOT_A, NULL},
		[CLIENT_B] = {"DNS:client", ROOT_B, NULL},
	};
	static const char *const subjects[WHO_COUNT] = {"A",   "B",	   "RSA",     "default",
							"*",   "exact",	   "ed",      "rsa-made",
							"ofb", "client-a", "client-b"};

	(void)state;
	for (int i = 0; i < WHO_COUNT; i++) {
		who[i] = cert_make(&(struct cert_options){
			.subject = subjects[i],
			.names = made[i].names,
			.issuer = made[i].issuer < 0 ? NULL : who[made[i].issuer],
			.key_type = made[i].key_type,
			.ca = made[i].issuer < 0,
			.serial = i + 1,
		});
	}
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	for (int i = 0; i < WHO_COUNT; i++) {
		cert_free(who[i]);
	}
	return 0;
}

static void must_be_shown(const struct tls_end *end, enum who leaf)
{
	assert_true(end->info.peer_chain_len >= 1);
	if (end->info.peer_chain[0].len != who[leaf]->der.len ||
	    memcmp(end->info.peer_chain[0].der, who[leaf]->der.data, who[leaf]->der.len) != 0) {
		fail_msg("not the certificate that was expected (%d)", (int)leaf);
	}
}

static struct enn_security *make(const enum who *shown, size_t count, const char *set)
{
	const char *const settings[] = {set, NULL};
	struct enn_security *s = tls_security(set == NULL ? NULL : settings);

	for (size_t i = 0; i < count; i++) {
		tls_add_certificate(s, who[shown[i]]);
	}
	return s;
}

/* ---- by name and algorithm ------------------------------------------------------------------------ */

#define NONE WHO_COUNT

static void test_choice(void **state)
{
	static const struct {
		const char *what;
		enum who shown[4];
		size_t count;
		const char *name;
		const char *client, *server; /* settings */
		enum who expected;	     /* NONE: refused */
		enum enn_reason reason;
		uint8_t alert;
		bool by_server;
	} rows[] = {
		{"the exact name before the wildcard",
		 {DEFAULT, WILDCARD, EXACT},
		 3,
		 "www.a.example",
		 NULL,
		 NULL,
		 EXACT,
		 0,
		 0,
		 false},
		{"the wildcard",
		 {DEFAULT, WILDCARD, EXACT},
		 3,
		 "mail.a.example",
		 NULL,
		 NULL,
		 WILDCARD,
		 0,
		 0,
		 false},
		{"the wildcard is one label",
		 {DEFAULT, WILDCARD},
		 2,
		 "b.a.a.example",
		 "checkName=false",
		 NULL,
		 DEFAULT,
		 0,
		 0,
		 false},
		{"the default, which the client judges",
		 {DEFAULT, EXACT},
		 2,
		 "b.example",
		 NULL,
		 NULL,
		 NONE,
		 ENN_REASON_CERT_NAME_MISMATCH,
		 ENN_ALERT_BAD_CERTIFICATE,
		 false},
		{"no default when names are strict",
		 {DEFAULT, EXACT},
		 2,
		 "b.example",
		 NULL,
		 "requireKnownName=true",
		 NONE,
		 ENN_REASON_UNKNOWN_NAME,
		 ENN_ALERT_UNRECOGNIZED_NAME,
		 true},
		{"strict, a name that is there",
		 {DEFAULT, EXACT},
		 2,
		 "www.a.example",
		 NULL,
		 "requireKnownName=true",
		 EXACT,
		 0,
		 0,
		 false},
		{"strict, no name",
		 {DEFAULT, EXACT},
		 2,
		 NULL,
		 "checkName=false",
		 "requireKnownName=true",
		 DEFAULT,
		 0,
		 0,
		 false},
		{"the key that fits",
		 {EXACT, ED},
		 2,
		 "www.a.example",
		 "signatureAlgorithm=ed25519",
		 NULL,
		 ED,
		 0,
		 0,
		 false},
		{"the first of keys that fit",
		 {ED, EXACT},
		 2,
		 "www.a.example",
		 NULL,
		 NULL,
		 ED,
		 0,
		 0,
		 false},
		{"a key that fits is more than a name",
		 {DEFAULT, ED},
		 2,
		 "x.example",
		 "signatureAlgorithm=ed25519",
		 NULL,
		 NONE,
		 ENN_REASON_CERT_NAME_MISMATCH,
		 ENN_ALERT_BAD_CERTIFICATE,
		 false},
		{"no key fits",
		 {DEFAULT, EXACT},
		 2,
		 "x.example",
		 "signatureAlgorithm=ed25519",
		 NULL,
		 NONE,
		 ENN_REASON_NO_SHARED_PARAMETERS,
		 ENN_ALERT_HANDSHAKE_FAILURE,
		 true},
		{"certificates signed as the client can check",
		 {RSA_MADE, EXACT},
		 2,
		 "www.a.example",
		 "certificateSignatureAlgorithm=ecdsa_secp256r1_sha256",
		 NULL,
		 EXACT,
		 0,
		 0,
		 false},
		{"none is, and the client may judge",
		 {RSA_MADE},
		 1,
		 "www.a.example",
		 "certificateSignatureAlgorithm=ecdsa_secp256r1_sha256",
		 NULL,
		 NONE,
		 ENN_REASON_CERT_WEAK,
		 ENN_ALERT_UNSUPPORTED_CERTIFICATE,
		 false},
		{"the client's authorities",
		 {OF_B, EXACT},
		 2,
		 "www.a.example",
		 "sendAuthorities=true",
		 NULL,
		 EXACT,
		 0,
		 0,
		 false},
		{"which it need not tell",
		 {OF_B, EXACT},
		 2,
		 "www.a.example",
		 NULL,
		 NULL,
		 NONE,
		 ENN_REASON_CERT_UNKNOWN_ISSUER,
		 ENN_ALERT_UNKNOWN_CA,
		 false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_pair p = {.user = NULL};
		struct enn_security *client = make(NULL, 0, rows[i].client);
		struct enn_security *server = make(rows[i].shown, rows[i].count, rows[i].server);

		print_message("# %s\n", rows[i].what);
		tls_trust(client, who[ROOT_A]);
		tls_trust(client, who[ROOT_RSA]);
		tls_pair_run(&p, &world.env, client, server, rows[i].name, NULL);
		if (rows[i].expected == NONE) {
			tls_pair_must_fail(&p, rows[i].by_server, rows[i].reason, rows[i].alert);
		} else {
			tls_pair_must_be_ready(&p);
			must_be_shown(&p.client, rows[i].expected);
		}
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* A client with two certificates is told whose is wanted. */
static void test_client_choice(void **state)
{
	static const enum who mine[] = {CLIENT_A, CLIENT_B};
	static const enum who its[] = {EXACT};

	(void)state;
	for (int told = 0; told < 2; told++) {
		struct tls_pair p = {.user = NULL};
		struct enn_security *client = make(mine, 2, NULL);
		struct enn_security *server = make(its, 1, "requireClient=true");

		MUST(enn_security_set_bool(server, ENN_SECURITY_SEND_AUTHORITIES, told == 1));
		tls_trust(client, who[ROOT_A]);
		tls_trust(server, who[ROOT_B]);
		tls_pair_run(&p, &world.env, client, server, "www.a.example", NULL);
		if (told) {
			tls_pair_must_be_ready(&p);
			must_be_shown(&p.server, CLIENT_B);
		} else {
			tls_pair_must_fail(&p, true, ENN_REASON_CERT_UNKNOWN_ISSUER,
					   ENN_ALERT_UNKNOWN_CA);
		}
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* ---- the application is asked --------------------------------------------------------------------- */

/* What the application answers for a name; all NULL: refuse it. */
struct site {
	const char *name; /* "" for no name */
	struct enn_security *security;
	struct enn_credential *credential;
	bool listener; /* with what the listener has */
};

struct book {
	struct site site[4];
	char name[64];
	uint8_t alpn[64];
	size_t alpn_len;
	bool later; /* keep the question */
	struct enn_answer answer;
};

static void look_up(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	struct book *book = p->user;

	assert_ptr_equal(end, &p->server);
	assert_int_equal(event->type, ENN_EVENT_WANT_CREDENTIAL);
	assert_true(event->u.credential.server_name_len < sizeof(book->name));
	if (event->u.credential.server_name_len > 0) {
		memcpy(book->name, event->u.credential.server_name,
		       event->u.credential.server_name_len);
	}
	book->name[event->u.credential.server_name_len] = '\0';
	assert_true(event->u.credential.alpn_len <= sizeof(book->alpn));
	book->alpn_len = event->u.credential.alpn_len;
	if (book->alpn_len > 0) {
		memcpy(book->alpn, event->u.credential.alpn, book->alpn_len);
	}
	book->answer = (struct enn_answer){.type = ENN_ANSWER_CREDENTIAL};
	for (size_t i = 0; i < 4 && book->site[i].name != NULL; i++) {
		const struct site *site = &book->site[i];
		if (strcmp(site->name, book->name) == 0) {
			book->answer.accept = true;
			book->answer.security = site->security;
			book->answer.credential = site->credential;
		}
	}
	if (!book->later) {
		MUST(enn_engine_answer(end->e, p->now, &book->answer));
	}
}

static struct enn_security *asking(void)
{
	struct enn_security *s = tls_security(NULL);

	MUST(enn_security_ask_credential(s, true));
	return s;
}

static struct enn_security *client_of(const char *set)
{
	struct enn_security *s = make(NULL, 0, set);

	tls_trust(s, who[ROOT_A]);
	tls_trust(s, who[ROOT_B]);
	return s;
}

static void add_alpn(struct enn_security *s, const char *id)
{
	MUST(enn_security_add_alpn(s, (const uint8_t *)id, strlen(id)));
}

static void test_question(void **state)
{
	struct book book = {.site = {{.name = "www.a.example"}, {.name = "x.example"}}};
	struct tls_pair p = {.ask = look_up, .user = &book};
	struct enn_security *listener = asking(); /* which has nothing itself */
	struct enn_security *client = client_of(NULL);
	static const enum who one[] = {EXACT};

	(void)state;
	book.site[0].security = make(one, 1, NULL);
	add_alpn(book.site[0].security, "h2");
	book.site[1].credential = tls_credential(who[DEFAULT], NULL, 0);
	add_alpn(client, "http/1.1");
	add_alpn(client, "h2");

	/* with parameters of its own: another certificate and other application protocols */
	tls_pair_run(&p, &world.env, client, listener, "www.a.example", NULL);
	tls_pair_must_be_ready(&p);
	assert_int_equal(p.server.questions, 1);
	assert_string_equal(book.name, "www.a.example");
	assert_int_equal(book.alpn_len, 12);
	assert_memory_equal(book.alpn, "\x08http/1.1\x02h2", 12);
	must_be_shown(&p.client, EXACT);
	assert_int_equal(p.client.info.alpn_len, 2);
	assert_memory_equal(p.client.info.alpn, "h2", 2);
	tls_pair_free(&p);

	/* with a credential only */
	tls_pair_run(&p, &world.env, client, listener, "x.example", NULL);
	tls_pair_must_be_ready(&p);
	must_be_shown(&p.client, DEFAULT);
	assert_int_equal(p.client.info.alpn_len, 0);
	tls_pair_free(&p);

	/* whom nobody knows */
	tls_pair_run(&p, &world.env, client, listener, "b.example", NULL);
	tls_pair_must_fail(&p, true, ENN_REASON_UNKNOWN_NAME, ENN_ALERT_UNRECOGNIZED_NAME);
	tls_pair_free(&p);
	enn_security_free(book.site[0].security);
	enn_credential_free(book.site[1].credential);
	enn_security_free(listener);
	enn_security_free(client);
}

/* Accepted, and then there is nothing to show. */
static void test_nothing(void **state)
{
	struct book book = {.site = {{.name = "c.example"}}};
	struct tls_pair p = {.ask = look_up, .user = &book};
	struct enn_security *listener = asking();
	struct enn_security *client = client_of(NULL);

	(void)state;
	tls_pair_run(&p, &world.env, client, listener, "c.example", NULL);
	tls_pair_must_fail(&p, true, ENN_REASON_UNKNOWN_PSK, ENN_ALERT_HANDSHAKE_FAILURE);
	tls_pair_free(&p);
	enn_security_free(listener);
	enn_security_free(client);
}

/* Answered later, with early data of the client's waiting behind its hello, and after a retry only once. */
static void test_later(void **state)
{
	struct book book = {.site = {{.name = "www.a.example"}}, .later = true};
	struct tls_pair p = {.ask = look_up, .user = &book};
	struct enn_security *listener = asking();
	struct enn_security *client = client_of("earlyData=true");
	struct enn_security *retries = client_of("keyShares=0");
	struct enn_answer wrong = {.type = ENN_ANSWER_PSK};
	static const enum who one[] = {EXACT};

	(void)state;
	book.site[0].security = make(one, 1, "earlyData=true");
	tls_pair_run(&p, &world.env, client, listener, "www.a.example", NULL);
	assert_false(p.server.ready || p.server.failed || p.client.ready);
	assert_int_equal(enn_engine_answer(p.server.e, p.now, &wrong), ENN_E_STATE);
	MUST(enn_engine_answer(p.server.e, p.now, &book.answer));
	assert_int_equal(enn_engine_answer(p.server.e, p.now, &book.answer), ENN_E_STATE);
	tls_pair_go_on(&p);
	tls_pair_must_be_ready(&p);
	struct tls_end first = p.client;
	tls_pair_free(&p);
	assert_true(first.session_len > 0);

	/* freed while the question is open */
	tls_pair_run(&p, &world.env, client, listener, "www.a.example", NULL);
	assert_int_equal(p.server.questions, 1);
	tls_pair_free(&p);

	tls_pair_run(&p, &world.env, retries, listener, "www.a.example", NULL);
	MUST(enn_engine_answer(p.server.e, p.now, &book.answer));
	tls_pair_go_on(&p);
	tls_pair_must_be_ready(&p);
	assert_true(p.server.info.hello_retry);
	assert_int_equal(p.server.questions, 1);
	tls_pair_free(&p);

	/* a session of these parameters is resumed under them, though the listener has other ticket keys */
	p.early = "early";
	tls_pair_run(&p, &world.env, client, listener, "www.a.example", &first);
	MUST(enn_engine_answer(p.server.e, p.now, &book.answer));
	tls_pair_go_on(&p);
	tls_pair_must_be_ready(&p);
	assert_true(p.server.info.resumed);
	assert_int_equal(p.server.info.early_data, ENN_EARLY_DATA_ACCEPTED);
	assert_int_equal(p.server.received, 5);
	tls_pair_free(&p);
	enn_security_free(book.site[0].security);
	enn_security_free(listener);
	enn_security_free(client);
	enn_security_free(retries);
}

/* Whom the server trusts may differ from connection to connection of one listener. */
static void test_trust_by_name(void **state)
{
	struct book book = {.site = {{.name = "www.a.example"}, {.name = "x.example"}}};
	struct tls_pair p = {.ask = look_up, .user = &book};
	struct enn_security *listener = asking();
	static const enum who one[] = {EXACT};
	static const enum who two[] = {DEFAULT};
	static const enum who clients[] = {CLIENT_A, CLIENT_B};
	static const char *const names[] = {"www.a.example", "x.example"};

	(void)state;
	book.site[0].security = make(one, 1, "requireClient=true");
	book.site[1].security = make(two, 1, "requireClient=true");
	tls_trust(book.site[0].security, who[ROOT_A]);
	tls_trust(book.site[1].security, who[ROOT_B]);
	for (int c = 0; c < 2; c++) {
		struct enn_security *client = client_of(NULL);
		tls_add_certificate(client, who[clients[c]]);
		for (int n = 0; n < 2; n++) {
			tls_pair_run(&p, &world.env, client, listener, names[n], NULL);
			if (c == n) {
				tls_pair_must_be_ready(&p);
				must_be_shown(&p.server, clients[c]);
			} else {
				tls_pair_must_fail(&p, true, ENN_REASON_CERT_UNKNOWN_ISSUER,
						   ENN_ALERT_UNKNOWN_CA);
			}
			tls_pair_free(&p);
		}
		enn_security_free(client);
	}
	enn_security_free(book.site[0].security);
	enn_security_free(book.site[1].security);
	enn_security_free(listener);
}

/* ---- no memory ------------------------------------------------------------------------------------- */

static size_t fail_after;

static void fail_later(struct tls_pair *p)
{
	(void)p;
	world.fail_at = fail_after == 0 ? 0 : world.calls + fail_after;
}

/* Every allocation of a handshake with all of this fails once: an error, and nothing is left behind. */
static void test_memory(void **state)
{
	struct book book = {.site = {{.name = "www.a.example"}}};
	struct tls_pair p = {.ask = look_up, .user = &book, .begun = fail_later};
	struct enn_security *listener = asking();
	struct enn_security *client = client_of(NULL);
	struct enn_credential *mine = NULL;
	const struct cert *rest[] = {who[ROOT_A]};
	static const enum who one[] = {EXACT};
	bool failed = true;

	(void)state;
	book.site[0].security = make(one, 1, "requireClient=true");
	book.site[0].credential = tls_credential(who[EXACT], rest, 1);
	tls_trust(book.site[0].security, who[ROOT_A]);
	mine = tls_credential(who[CLIENT_A], rest, 1);
	MUST(enn_security_add_credential(client, mine));
	enn_credential_free(mine);
	for (fail_after = 1; failed; fail_after++) {
		assert_true(fail_after < 500);
		tls_pair_run(&p, &world.env, client, listener, "www.a.example", NULL);
		failed = p.client.failed || p.server.failed;
		if (failed) {
			assert_true((p.client.failed &&
				     p.client.error.reason == ENN_REASON_OUT_OF_MEMORY) ||
				    (p.server.failed &&
				     p.server.error.reason == ENN_REASON_OUT_OF_MEMORY));
		}
		tls_pair_free(&p);
	}
	world.fail_at = 0;
	print_message("# %zu allocations\n", fail_after - 1);
	assert_true(fail_after > 10);
	enn_security_free(book.site[0].security);
	enn_credential_free(book.site[0].credential);
	enn_security_free(listener);
	enn_security_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_choice, tls_use_12),
		cmocka_unit_test_setup(test_client_choice, tls_use_12),
		cmocka_unit_test_setup(test_question, tls_use_12),
		cmocka_unit_test_setup(test_trust_by_name, tls_use_12),
		cmocka_unit_test_setup(test_choice, tls_use_13),
		cmocka_unit_test(test_client_choice),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_trust_by_name),
		cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests_name("tls_selection", tests, open_world, close_world);
}
