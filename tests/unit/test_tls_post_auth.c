/* SPDX-License-Identifier: Apache-2.0
 *
 * Authentication of the client after the handshake (RFC 8446 §4.6.2), on live pairs.
 */
#include "crypto/sig.h"
#include "features/security.h"
#include "handshake/wire.h"
#include "protocols/tls/internal.h"
#include "tls_pair.h"

static struct cert *root, *other_root, *server_cert, *client_cert, *stranger;
static struct test_env world;
static const char host[] = "a.example";
static const char *const offering[] = {"postHandshakeAuth=true", NULL};

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	other_root = cert_make(&(struct cert_options){.subject = "other root", .ca = true});
	server_cert = cert_make(&(struct cert_options){
		.subject = "server", .issuer = root, .serial = 2, .names = "DNS:a.example"});
	client_cert =
		cert_make(&(struct cert_options){.subject = "client", .issuer = root, .serial = 3});
	stranger = cert_make(
		&(struct cert_options){.subject = "stranger", .issuer = other_root, .serial = 4});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	cert_free(stranger);
	cert_free(client_cert);
	cert_free(server_cert);
	cert_free(other_root);
	cert_free(root);
	return 0;
}

static struct enn_security *client_with(const char *const *settings, const struct cert *own)
{
	struct enn_security *s = tls_security(settings);

	tls_trust(s, root);
	if (own != NULL) {
		tls_add_certificate(s, own);
	}
	return s;
}

static struct enn_security *server_with(const char *const *settings)
{
	struct enn_security *s = tls_security(settings);

	tls_trust(s, root);
	tls_add_certificate(s, server_cert);
	return s;
}

static void start(struct tls_pair *p, const char *const *client, const struct cert *own,
		  const char *const *server)
{
	struct enn_security *c = client_with(client, own);
	struct enn_security *s = server_with(server);

	tls_pair_run(p, &world.env, c, s, host, NULL);
	tls_pair_must_be_ready(p);
	enn_security_free(c);
	enn_security_free(s);
}

static void say(struct tls_pair *p, struct tls_end *end, const char *what)
{
	struct enn_message m = {.data = (const uint8_t *)what, .len = strlen(what)};

	MUST(enn_engine_send(end->e, p->now, &m));
}

/* ---- what goes well ------------------------------------------------------------------------------- */

static void check_known(const struct tls_end *server)
{
	assert_true(server->accepted && server->info.peer_authenticated);
	assert_int_equal(server->info.peer_chain_len, 1);
	assert_int_equal(server->info.signature_code, 0x0403);
}

static void test_asked(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, client_cert, NULL);
	assert_true(p.client.info.post_handshake_auth && p.server.info.post_handshake_auth);
	assert_false(p.server.info.peer_authenticated);
	for (unsigned i = 1; i <= 3; i++) {
		MUST(enn_engine_request_peer(p.server.e, p.now));
		tls_pair_go_on(&p);
		assert_int_equal(p.server.authenticated, i);
		check_known(&p.server);
	}
	say(&p, &p.client, "and data goes on");
	say(&p, &p.server, "both ways");
	tls_pair_go_on(&p);
	assert_int_equal(p.server.received, 16);
	assert_int_equal(p.client.received, 9);
	assert_false(p.client.failed || p.server.failed);
	tls_pair_free(&p);
}

/* The Finished is keyed with the traffic secret of the moment. */
static void test_after_key_updates(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, client_cert, NULL);
	for (unsigned i = 0; i < 3; i++) {
		struct tls_end *asks = i % 2 == 0 ? &p.client : &p.server;
		MUST(enn_engine_rekey(asks->e, p.now, true));
		say(&p, &p.client, "x");
		tls_pair_go_on(&p);
		MUST(enn_engine_request_peer(p.server.e, p.now));
		tls_pair_go_on(&p);
		assert_int_equal(p.server.authenticated, i + 1);
		check_known(&p.server);
	}
	tls_pair_free(&p);
}

static void test_nothing_to_show(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, NULL, NULL);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	say(&p, &p.server, "y");
	tls_pair_go_on(&p);
	assert_int_equal(p.server.authenticated, 1);
	assert_false(p.server.accepted || p.server.info.peer_authenticated);
	assert_false(p.client.failed || p.server.failed);
	tls_pair_free(&p);
}

/* Who has shown itself and then shows nothing stays who it was. */
static void test_known_already(void **state)
{
	static const char *const asks[] = {"requireClient=true", NULL};
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, client_cert, asks);
	assert_true(p.server.info.peer_authenticated);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	tls_pair_go_on(&p);
	check_known(&p.server);
	tls_pair_free(&p);
}

static void test_several(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, client_cert, NULL);
	for (int i = 0; i < 4; i++) {
		MUST(enn_engine_request_peer(p.server.e, p.now));
	}
	assert_int_equal(enn_engine_request_peer(p.server.e, p.now), ENN_E_AGAIN);
	tls_pair_go_on(&p);
	assert_int_equal(p.server.authenticated, 4);
	check_known(&p.server);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	tls_pair_go_on(&p);
	assert_int_equal(p.server.authenticated, 5);
	tls_pair_free(&p);
}

static void test_resumed(void **state)
{
	struct enn_security *client = client_with(offering, client_cert);
	struct enn_security *server = server_with(NULL);
	struct tls_pair first = {.ask = NULL}, p = {.ask = NULL};

	(void)state;
	tls_pair_run(&first, &world.env, client, server, host, NULL);
	tls_pair_run(&p, &world.env, client, server, host, &first.client);
	tls_pair_must_be_ready(&p);
	assert_true(p.server.info.resumed);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	tls_pair_go_on(&p);
	check_known(&p.server);
	tls_pair_free(&first);
	tls_pair_free(&p);
	enn_security_free(client);
	enn_security_free(server);
}

/* ---- who cannot be asked ---------------------------------------------------------------------------- */

static void test_not_offered(void **state)
{
	static const char *const only_12[] = {"postHandshakeAuth=true", "protocolVersion=TLSv1.2",
					      NULL};
	static const char *const server_12[] = {"protocolVersion=TLSv1.2:TLSv1.3", NULL};
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, NULL, client_cert, NULL);
	assert_false(p.client.info.post_handshake_auth || p.server.info.post_handshake_auth);
	assert_int_equal(enn_engine_request_peer(p.server.e, p.now), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_request_peer(p.client.e, p.now), ENN_E_STATE);
	assert_int_equal(enn_engine_request_peer(NULL, p.now), ENN_E_ARGUMENT);
	tls_pair_free(&p);
	start(&p, only_12, client_cert, server_12);
	assert_int_equal(enn_engine_request_peer(p.server.e, p.now), ENN_E_UNSUPPORTED);
	tls_pair_free(&p);
}

static void forget(struct tls_end *end)
{
	struct enn_tls *t = (struct enn_tls *)end->e;

	enn_post_auth_free(t->carrier.result.post_auth, &world.env);
	t->carrier.result.post_auth = NULL;
}

/* §4.6.2: a client that did not offer it is asked, a server that did not ask is answered. */
static void test_unexpected(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	for (int server = 0; server < 2; server++) {
		start(&p, offering, client_cert, NULL);
		MUST(enn_engine_request_peer(p.server.e, p.now));
		forget(server == 1 ? &p.server : &p.client);
		tls_pair_go_on(&p);
		tls_pair_must_fail(&p, server == 1, ENN_REASON_PROTOCOL_FAILED,
				   ENN_ALERT_UNEXPECTED_MESSAGE);
		tls_pair_free(&p);
	}
}

/* ---- what goes wrong ----------------------------------------------------------------------------------- */

static void test_stranger(void **state)
{
	struct tls_pair p = {.ask = NULL};

	(void)state;
	start(&p, offering, stranger, NULL);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	tls_pair_go_on(&p);
	tls_pair_must_fail(&p, true, ENN_REASON_CERT_UNKNOWN_ISSUER, ENN_ALERT_UNKNOWN_CA);
	assert_int_equal(p.server.authenticated, 0);
	tls_pair_free(&p);
}

/* Each of the client's messages with a byte changed before it is protected, and one at a time left out. */
static const struct enn_handshake_carrier_ops *real_ops;
static struct enn_handshake_carrier_ops bad_ops;
static unsigned count_down;
static bool leave_out;

static void bad_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		       size_t len)
{
	uint8_t *message = enn_buffer_tail(&enn_tls_of(c)->flight);

	if (count_down-- == 0) {
		if (leave_out) {
			return;
		}
		message[len - 1] ^= 1;
	}
	real_ops->commit(c, level, type, len);
}

static void test_changed(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 6; which++) {
		struct tls_pair p = {.ask = NULL};
		start(&p, offering, client_cert, NULL);
		struct enn_tls *t = (struct enn_tls *)p.client.e;
		real_ops = t->carrier.ops;
		bad_ops = *real_ops;
		bad_ops.commit = bad_commit;
		t->carrier.ops = &bad_ops;
		count_down = which % 3;
		leave_out = which >= 3;
		MUST(enn_engine_request_peer(p.server.e, p.now));
		tls_pair_go_on(&p);
		if (!p.client.failed) {
			say(&p, &p.client, "data before the exchange is over");
			tls_pair_go_on(&p);
		}
		assert_true(p.server.failed && p.server.error.origin == ENN_ORIGIN_LOCAL);
		assert_int_equal(p.server.authenticated, 0);
		assert_int_equal(p.server.received, 0);
		tls_pair_free(&p);
	}
}

/* ---- questions -------------------------------------------------------------------------------------------- */

struct asked {
	unsigned signatures, verdicts;
	bool refuse, later;
	struct enn_event event;
};

static void answer(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	struct asked *a = p->user;
	struct enn_answer reply = {.type = ENN_ANSWER_PEER, .accept = !a->refuse};
	uint8_t signature[ENN_MAX_SIGNATURE];

	if (event->type == ENN_EVENT_WANT_IDENTITY) {
		struct enn_private_key *key = NULL;
		size_t len = sizeof(signature);
		a->signatures++;
		MUST(enn_credential_parse_key(client_cert->key_pem, strlen(client_cert->key_pem),
					      &key, NULL));
		MUST(enn_sign(&world.env, enn_sig_alg_by_tls(event->u.sign.scheme), key,
			      event->u.sign.input, event->u.sign.input_len, signature, &len));
		enn_private_key_free(key);
		reply = (struct enn_answer){.type = ENN_ANSWER_SIGNATURE,
					    .accept = true,
					    .data = signature,
					    .len = len};
	} else {
		assert_int_equal(event->type, ENN_EVENT_VALIDATE_PEER);
		a->verdicts++;
	}
	if (a->later) {
		/* nothing of the application's goes out between Certificate and CertificateVerify */
		a->event = *event;
		a->later = false;
		say(p, end, "waits");
		return;
	}
	MUST(enn_engine_answer(end->e, p->now, &reply));
}

static void test_questions(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		static const char *const delegates[] = {"delegatePeer=true", NULL};
		struct asked a = {.refuse = how == 1, .later = how == 2};
		struct tls_pair p = {.ask = answer, .user = &a};
		struct enn_security *client = client_with(offering, NULL);
		struct enn_security *server = server_with(delegates);
		struct enn_credential *k = NULL;
		MUST(enn_credential_x509_external(client_cert->pem, strlen(client_cert->pem), &k,
						  NULL));
		MUST(enn_security_add_credential(client, k));
		enn_credential_free(k);
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		tls_pair_must_be_ready(&p);
		MUST(enn_engine_request_peer(p.server.e, p.now));
		tls_pair_go_on(&p);
		if (how == 2) {
			assert_int_equal(p.server.received + p.server.authenticated, 0);
			answer(&p, &p.client, &a.event);
			tls_pair_go_on(&p);
			assert_int_equal(p.server.received, 5);
		}
		if (how == 1) {
			tls_pair_must_fail(&p, true, ENN_REASON_CERT_REJECTED,
					   ENN_ALERT_CERTIFICATE_UNKNOWN);
		} else {
			assert_int_equal(p.server.authenticated, 1);
			check_known(&p.server);
		}
		assert_int_equal(a.verdicts, 1);
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* Both ends close while the client's application still has to sign. */
static void test_close_while_parked(void **state)
{
	struct asked a = {.later = true};
	struct tls_pair p = {.ask = answer, .user = &a};
	struct enn_security *client = client_with(offering, NULL);
	struct enn_security *server = server_with(NULL);
	struct enn_credential *k = NULL;

	(void)state;
	MUST(enn_credential_x509_external(client_cert->pem, strlen(client_cert->pem), &k, NULL));
	MUST(enn_security_add_credential(client, k));
	enn_credential_free(k);
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	MUST(enn_engine_request_peer(p.server.e, p.now));
	tls_pair_go_on(&p);
	MUST(enn_engine_close(p.client.e, p.now, 0));
	tls_pair_go_on(&p);
	assert_int_equal(p.server.authenticated, 0);
	tls_pair_free(&p);
	enn_security_free(client);
	enn_security_free(server);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

static void test_memory(void **state)
{
	bool done = false;

	(void)state;
	for (size_t n = 1; !done && n < 200; n++) {
		struct tls_pair p = {.ask = NULL};
		start(&p, offering, client_cert, NULL);
		world.fail_at = world.calls + n;
		enum enn_status status = enn_engine_request_peer(p.server.e, p.now);
		tls_pair_go_on(&p);
		world.fail_at = 0;
		done = status == ENN_OK && p.server.authenticated == 1;
		if (!done) {
			assert_true(status != ENN_OK || p.client.failed || p.server.failed);
		}
		tls_pair_free(&p);
	}
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked),		cmocka_unit_test(test_after_key_updates),
		cmocka_unit_test(test_nothing_to_show), cmocka_unit_test(test_known_already),
		cmocka_unit_test(test_several),		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_not_offered),	cmocka_unit_test(test_unexpected),
		cmocka_unit_test(test_stranger),	cmocka_unit_test(test_changed),
		cmocka_unit_test(test_questions),	cmocka_unit_test(test_close_while_parked),
		cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests_name("tls_post_auth", tests, open_world, close_world);
}
