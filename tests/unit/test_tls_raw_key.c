/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw public keys (RFC 7250) on live pairs: each key type, both directions, what is negotiated when a
 * side has certificates too, keys that nobody trusts, keys that live elsewhere, resumption.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/sig.h"
#include "handshake/wire.h"
#include "tls_pair.h"

enum { P256, P384, ED25519, RSA2048, OTHER, SHORT, KEY_COUNT };
static const char *const key_types[KEY_COUNT] = {"P-256",    "P-384", "ED25519",
						 "RSA-2048", "P-256", "RSA-1024"};
static struct cert *key[KEY_COUNT]; /* only their keys are used */
static struct cert *authority, *leaf;
static struct test_env world;
static const char host[] = "a.example";

static int open_world(void **state)
{
	(void)state;
	for (int i = 0; i < KEY_COUNT; i++) {
		key[i] = cert_make(&(struct cert_options){.key_type = key_types[i]});
	}
	authority = cert_make(&(struct cert_options){.subject = "A", .ca = true});
	leaf = cert_make(&(struct cert_options){.names = "DNS:a.example", .issuer = authority});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	for (int i = 0; i < KEY_COUNT; i++) {
		cert_free(key[i]);
	}
	cert_free(leaf);
	cert_free(authority);
	return 0;
}

/* The SubjectPublicKeyInfo as libcrypto writes it: not by the code under test. */
static size_t spki_of(const struct cert *c, uint8_t out[1024])
{
	unsigned char *at = out;
	int len = i2d_PUBKEY(c->key, &at);

	assert_true(len > 0 && len <= 1024);
	return (size_t)len;
}

static void add_key(struct enn_security *s, const struct cert *c)
{
	struct enn_credential *k = NULL;

	MUST(enn_credential_raw_key_pem(c->key_pem, strlen(c->key_pem), &k, NULL));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
}

static void trust_key(struct enn_security *s, const struct cert *c)
{
	uint8_t spki[1024];

	MUST(enn_security_trust_raw_key(s, spki, spki_of(c, spki), NULL));
}

static void must_have_shown(const struct tls_end *end, const struct cert *c)
{
	uint8_t spki[1024];
	size_t len = spki_of(c, spki);

	assert_true(end->info.peer_raw_key);
	assert_int_equal(end->info.peer_chain_len, 0);
	assert_int_equal(end->info.peer_key_len, len);
	assert_memory_equal(end->info.peer_key, spki, len);
}

/* ---- both directions ------------------------------------------------------------------------ */

static void test_key_types(void **state)
{
	(void)state;
	for (int i = P256; i <= RSA2048; i++) {
		static const char *const requires[] = {"requireClient=true", NULL};
		struct enn_security *client = tls_security(NULL);
		struct enn_security *server = tls_security(requires);
		struct tls_pair p = {.user = NULL};

		trust_key(client, key[i]);
		add_key(client, key[RSA2048 - i]);
		trust_key(server, key[OTHER]);
		trust_key(server, key[RSA2048 - i]);
		add_key(server, key[i]);
		/* no name: a key has none */
		tls_pair_run(&p, &world.env, client, server, NULL, NULL);
		tls_pair_must_be_ready(&p);
		must_have_shown(&p.client, key[i]);
		must_have_shown(&p.server, key[RSA2048 - i]);
		assert_true(p.client.info.peer_authenticated);
		assert_true(p.server.info.peer_authenticated);
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* ---- what is negotiated ---------------------------------------------------------------------- */

struct side {
	struct cert *const *shows; /* a raw key */
	bool certificate;	   /* shows one */
	struct cert *const *trusts;
	bool anchor; /* trusts the authority */
	const char *set[2];
};

enum verdict { KEY, CERTIFICATE, NOBODY, CLIENT_REFUSES, SERVER_REFUSES };

static const struct row {
	const char *name;
	struct side client, server;
	enum verdict server_is; /* what the server showed, or who refused */
	enum verdict client_is;
	enum enn_reason reason;
	uint8_t alert;
} rows[] = {
	{"a key that is not trusted",
	 {.trusts = &key[OTHER]},
	 {.shows = &key[P256]},
	 CLIENT_REFUSES,
	 NOBODY,
	 ENN_REASON_CERT_KEY_UNKNOWN,
	 ENN_ALERT_CERTIFICATE_UNKNOWN},
	{"a client's key that is not trusted",
	 {.trusts = &key[P256], .shows = &key[P384]},
	 {.shows = &key[P256], .trusts = &key[OTHER], .set = {"requireClient=true"}},
	 SERVER_REFUSES,
	 NOBODY,
	 ENN_REASON_CERT_KEY_UNKNOWN,
	 ENN_ALERT_CERTIFICATE_UNKNOWN},
	{"a key that is trusted and too short",
	 {.trusts = &key[SHORT]},
	 {.shows = &key[SHORT]},
	 CLIENT_REFUSES,
	 NOBODY,
	 ENN_REASON_CERT_WEAK,
	 ENN_ALERT_BAD_CERTIFICATE},
	{"a client that takes only keys, a server that has a certificate",
	 {.trusts = &key[P256]},
	 {.certificate = true},
	 SERVER_REFUSES,
	 NOBODY,
	 ENN_REASON_NO_SHARED_PARAMETERS,
	 ENN_ALERT_UNSUPPORTED_CERTIFICATE},
	{"a client that knows nothing of keys, a server that has only one",
	 {.anchor = true},
	 {.shows = &key[P256]},
	 SERVER_REFUSES,
	 NOBODY,
	 ENN_REASON_NO_SHARED_PARAMETERS,
	 ENN_ALERT_UNSUPPORTED_CERTIFICATE},
	{"a client that takes both, a server that has a certificate",
	 {.trusts = &key[P256], .anchor = true},
	 {.certificate = true},
	 CERTIFICATE,
	 NOBODY,
	 0,
	 0},
	{"a client that takes both, a server that has both: the key is preferred",
	 {.trusts = &key[P256], .anchor = true},
	 {.certificate = true, .shows = &key[P256]},
	 KEY,
	 NOBODY,
	 0,
	 0},
	{"a client that takes certificates, a server that has both",
	 {.anchor = true},
	 {.certificate = true, .shows = &key[P256]},
	 CERTIFICATE,
	 NOBODY,
	 0,
	 0},
	{"the server by certificate, the client by key",
	 {.anchor = true, .shows = &key[P384]},
	 {.certificate = true, .trusts = &key[P384], .set = {"requireClient=true"}},
	 CERTIFICATE,
	 KEY,
	 0,
	 0},
	{"the server by key, the client by certificate",
	 {.trusts = &key[P256], .certificate = true},
	 {.shows = &key[P256], .anchor = true, .set = {"requireClient=true"}},
	 KEY,
	 CERTIFICATE,
	 0,
	 0},
	{"a client with a key, a server that wants certificates and can do without",
	 {.anchor = true, .shows = &key[P384]},
	 {.certificate = true, .anchor = true, .set = {"requestClient=true"}},
	 CERTIFICATE,
	 NOBODY,
	 0,
	 0},
	{"a client with a key, a server that must have a certificate",
	 {.anchor = true, .shows = &key[P384]},
	 {.certificate = true, .anchor = true, .set = {"requireClient=true"}},
	 SERVER_REFUSES,
	 NOBODY,
	 ENN_REASON_NO_SHARED_PARAMETERS,
	 ENN_ALERT_UNSUPPORTED_CERTIFICATE},
	{"a client without anything, a server that must have a key",
	 {.anchor = true},
	 {.certificate = true, .trusts = &key[P384], .set = {"requireClient=true"}},
	 SERVER_REFUSES,
	 NOBODY,
	 ENN_REASON_NO_SHARED_PARAMETERS,
	 ENN_ALERT_UNSUPPORTED_CERTIFICATE},
	{"nobody validates",
	 {.set = {"verifyPeer=false", "rawPublicKeys=true"}},
	 {.shows = &key[ED25519]},
	 KEY,
	 NOBODY,
	 0,
	 0},
};

static struct enn_security *make(const struct side *side)
{
	const char *const set[] = {side->set[0], side->set[1], NULL};
	struct enn_security *s = tls_security(set);

	if (side->certificate) {
		tls_add_certificate(s, leaf);
	}
	if (side->shows != NULL) {
		add_key(s, *side->shows);
	}
	if (side->trusts != NULL) {
		trust_key(s, *side->trusts);
	}
	if (side->anchor) {
		tls_trust(s, authority);
	}
	return s;
}

static void must_be(const struct tls_end *end, enum verdict what, const struct side *peer)
{
	switch (what) {
	case KEY:
		must_have_shown(end, *peer->shows);
		break;
	case CERTIFICATE:
		assert_false(end->info.peer_raw_key);
		assert_int_equal(end->info.peer_chain_len, 1);
		assert_null(end->info.peer_key);
		break;
	default:
		assert_false(end->info.peer_raw_key || end->info.peer_authenticated);
		assert_int_equal(end->info.peer_chain_len, 0);
		break;
	}
}

static void test_negotiation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_pair p = {.user = NULL};
		struct enn_security *client = make(&rows[i].client);
		struct enn_security *server = make(&rows[i].server);

		print_message("# %s\n", rows[i].name);
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		if (rows[i].server_is >= CLIENT_REFUSES) {
			tls_pair_must_fail(&p, rows[i].server_is == SERVER_REFUSES, rows[i].reason,
					   rows[i].alert);
		} else {
			tls_pair_must_be_ready(&p);
			must_be(&p.client, rows[i].server_is, &rows[i].server);
			must_be(&p.server, rows[i].client_is, &rows[i].client);
		}
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* ---- the application decides, and signs -------------------------------------------------------- */

static void answer(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	struct enn_answer a = {.type = ENN_ANSWER_PEER, .accept = *(const bool *)p->user};
	struct enn_private_key *private_key = NULL;
	uint8_t signature[512];
	size_t len = sizeof(signature);

	if (event->type == ENN_EVENT_WANT_IDENTITY) {
		const struct cert *c = key[ED25519];
		MUST(enn_private_key_parse((const uint8_t *)c->key_pem, strlen(c->key_pem),
					   &private_key, NULL));
		MUST(enn_sign(&world.env, enn_sig_alg_by_tls(event->u.sign.scheme), private_key,
			      event->u.sign.input, event->u.sign.input_len, signature, &len));
		enn_private_key_free(private_key);
		a = (struct enn_answer){.type = ENN_ANSWER_SIGNATURE,
					.accept = true,
					.data = signature,
					.len = len};
	} else {
		struct enn_info info;
		assert_int_equal(event->type, ENN_EVENT_VALIDATE_PEER);
		enn_engine_info(end->e, &info);
		assert_true(info.peer_raw_key && info.peer_key_len > 0);
	}
	MUST(enn_engine_answer(end->e, p->now, &a));
}

static void test_delegation(void **state)
{
	static const char *const delegates[] = {"delegatePeer=true", "rawPublicKeys=true", NULL};

	(void)state;
	for (int accept = 0; accept < 2; accept++) {
		bool verdict = accept == 1;
		struct tls_pair p = {.ask = answer, .user = &verdict};
		struct enn_security *client = tls_security(delegates);
		struct enn_security *server = tls_security(NULL);
		struct enn_credential *k = NULL;
		uint8_t spki[1024];
		uint8_t told[1024];
		size_t len = spki_of(key[ED25519], spki);
		size_t told_len = sizeof(told);

		MUST(enn_credential_raw_key_external(spki, len, &k, NULL));
		MUST(enn_credential_spki(k, told, &told_len));
		assert_int_equal(told_len, len);
		assert_memory_equal(told, spki, len);
		MUST(enn_security_add_credential(server, k));
		enn_credential_free(k);
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		assert_int_equal(p.server.questions, 1);
		assert_int_equal(p.client.questions, 1);
		if (verdict) {
			tls_pair_must_be_ready(&p);
			must_have_shown(&p.client, key[ED25519]);
		} else {
			tls_pair_must_fail(&p, false, ENN_REASON_CERT_REJECTED,
					   ENN_ALERT_CERTIFICATE_UNKNOWN);
		}
		tls_pair_free(&p);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* ---- resumption ----------------------------------------------------------------------------------- */

/* A session is good for those who would be accepted by a full handshake: not after a key was taken off
 * the list. */
static void test_resumption(void **state)
{
	static const char *const requires[] = {"requireClient=true", NULL};
	static const uint8_t ticket_key[64] = "a key that both servers have";
	struct enn_security *client = tls_security(NULL);
	struct enn_security *server[2];
	struct tls_pair p = {.user = NULL};

	(void)state;
	trust_key(client, key[P256]);
	add_key(client, key[P384]);
	for (int i = 0; i < 2; i++) {
		server[i] = tls_security(requires);
		add_key(server[i], key[P256]);
		trust_key(server[i], key[i == 0 ? P384 : OTHER]);
		MUST(enn_security_ticket_key(server[i], ticket_key, sizeof(ticket_key),
					     world.env.wall_offset));
	}
	tls_pair_run(&p, &world.env, client, server[0], host, NULL);
	tls_pair_must_be_ready(&p);
	struct tls_end first = p.client;
	tls_pair_free(&p);
	assert_true(first.session_len > 0);

	tls_pair_run(&p, &world.env, client, server[0], host, &first);
	tls_pair_must_be_ready(&p);
	assert_true(p.server.info.resumed);
	assert_true(p.server.info.peer_authenticated);
	must_have_shown(&p.server, key[P384]);
	tls_pair_free(&p);

	tls_pair_run(&p, &world.env, client, server[1], host, &first);
	tls_pair_must_fail(&p, true, ENN_REASON_CERT_KEY_UNKNOWN, ENN_ALERT_CERTIFICATE_UNKNOWN);
	tls_pair_free(&p);

	/* The client's side: the same with what it trusts. */
	struct enn_security *other = enn_security_copy(client);
	trust_key(other, key[OTHER]);
	tls_pair_run(&p, &world.env, other, server[0], host, &first);
	tls_pair_must_be_ready(&p);
	assert_false(p.server.info.resumed);
	tls_pair_free(&p);
	enn_security_free(other);
	enn_security_free(client);
	enn_security_free(server[0]);
	enn_security_free(server[1]);
}

/* ---- texts ------------------------------------------------------------------------------------------ */

static void test_texts(void **state)
{
	struct enn_security *s = tls_security(NULL);
	struct enn_credential *k = NULL;
	struct enn_error error;
	uint8_t spki[1024];
	size_t len = spki_of(key[P256], spki);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;

	(void)state;
	for (int i = P256; i <= RSA2048; i++) {
		assert_int_equal(PEM_write_bio_PUBKEY(bio, key[i]->key), 1);
	}
	long pem_len = BIO_get_mem_data(bio, &pem);
	MUST(enn_security_trust_raw_key(s, (const uint8_t *)pem, (size_t)pem_len, &error));
	/* cut off, with something behind it, no key at all, a private key */
	assert_int_equal(enn_security_trust_raw_key(s, spki, len - 1, &error), ENN_E_PARSE);
	spki[len] = 0;
	assert_int_equal(enn_security_trust_raw_key(s, spki, len + 1, &error), ENN_E_PARSE);
	assert_int_equal(enn_security_trust_raw_key(s, (const uint8_t *)"nothing", 7, &error),
			 ENN_E_PARSE);
	assert_int_equal(enn_security_trust_raw_key(s, (const uint8_t *)key[P256]->key_pem,
						    strlen(key[P256]->key_pem), &error),
			 ENN_E_PARSE);
	assert_int_equal(enn_credential_raw_key_pem(pem, (size_t)pem_len, &k, &error), ENN_E_PARSE);
	assert_null(k);
	BIO_free(bio);
	len = 10;
	MUST(enn_credential_raw_key_pem(key[P256]->key_pem, strlen(key[P256]->key_pem), &k, NULL));
	assert_int_equal(enn_credential_spki(k, spki, &len), ENN_E_SPACE);
	assert_true(len > 10);
	enn_credential_free(k);
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_key_types, tls_use_12),
		cmocka_unit_test_setup(test_negotiation, tls_use_12),
		cmocka_unit_test_setup(test_delegation, tls_use_12),
		cmocka_unit_test_setup(test_resumption, tls_use_12),
		cmocka_unit_test_setup(test_key_types, tls_use_13),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_delegation),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests_name("tls_raw_key", tests, open_world, close_world);
}
