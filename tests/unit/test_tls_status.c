/* SPDX-License-Identifier: Apache-2.0
 *
 * OCSP responses with the certificate (RFC 6066 §8, RFC 6960) and pins (RFC 7469 §2.6), on live pairs.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/hash.h"
#include "handshake/wire.h"
#include "ocsp.h"
#include "tls_pair.h"

enum who {
	ROOT,
	MIDDLE,	   /* of ROOT */
	LEAF,	   /* of MIDDLE */
	NEIGHBOUR, /* of MIDDLE too */
	STAPLED,   /* of MIDDLE, must have a response */
	RESPONDER, /* of MIDDLE, for OCSP */
	IDLE,	   /* of MIDDLE, not for OCSP */
	LATE,	   /* of MIDDLE, for OCSP, expired */
	UNCLE,	   /* of ROOT, for OCSP */
	STRANGER,  /* nobody's */
	WHO_COUNT
};

static struct cert *who[WHO_COUNT];
static struct test_env world;
static const char host[] = "a.example";

static int open_world(void **state)
{
	static const struct {
		const char *subject;
		int issuer;
		const char *usage;
		const char *extension;
		bool ca, late;
	} made[WHO_COUNT] = {
		[ROOT] = {"root", -1, NULL, NULL, true, false},
		[MIDDLE] = {"middle", ROOT, NULL, NULL, true, false},
		[LEAF] = {"leaf", MIDDLE, NULL, NULL, false, false},
		[NEIGHBOUR] = {"neighbour", MIDDLE, NULL, NULL, false, false},
		[STAPLED] = {"stapled", MIDDLE, NULL, "tlsfeature=status_request", false, false},
		[RESPONDER] = {"responder", MIDDLE, "OCSPSigning", NULL, false, false},
		[IDLE] = {"idle", MIDDLE, NULL, NULL, false, false},
		[LATE] = {"late", MIDDLE, "OCSPSigning", NULL, false, true},
		[UNCLE] = {"uncle", ROOT, "OCSPSigning", NULL, false, false},
		[STRANGER] = {"stranger", -1, "OCSPSigning", NULL, true, false},
	};

	(void)state;
	for (int i = 0; i < WHO_COUNT; i++) {
		who[i] = cert_make(&(struct cert_options){
			.subject = made[i].subject,
			.names = made[i].ca ? NULL : "DNS:a.example",
			.issuer = made[i].issuer < 0 ? NULL : who[made[i].issuer],
			.extended_key_usage = made[i].usage,
			.extension = made[i].extension,
			.ca = made[i].ca,
			.not_after = made[i].late ? CERT_NOW - 3600 : 0,
			.serial = i + 1,
		});
	}
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = (CERT_NOW - 1) * (int64_t)ENN_SECOND; /* now is one second */
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

static struct enn_credential *credential_of(enum who leaf)
{
	const struct cert *rest[] = {who[MIDDLE]};

	return tls_credential(who[leaf], rest, 1);
}

static struct enn_security *client_with(const char *set)
{
	const char *const settings[] = {set, NULL};
	struct enn_security *s = tls_security(settings);

	tls_trust(s, who[ROOT]);
	return s;
}

/* ---- responses ----------------------------------------------------------------------------------- */

#define GOOD	0, 0
#define REFUSED ENN_REASON_CERT_STATUS_PROBLEM, ENN_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE

static const struct row {
	const char *name;
	enum enn_reason reason;
	uint8_t alert;
	enum who leaf;	      /* LEAF */
	struct cert **about;  /* the leaf */
	struct cert **signer; /* its issuer */
	struct ocsp_options o;
	bool none;	 /* no response at all */
	const char *set; /* of the client */
	bool not_good;	 /* accepted, but not because of a response */
} rows[] = {
	{"good, signed by the issuer", GOOD, .leaf = LEAF},
	{"good, its id made with SHA-256", GOOD, .o = {.hash = "SHA256"}},
	{"good, signed by the issuer's responder", GOOD, .signer = &who[RESPONDER]},
	{"good, without nextUpdate", GOOD, .o = {.next_update = -1}},
	{"signed by one of the issuer's who may not", REFUSED, .signer = &who[IDLE]},
	{"signed by a responder that has expired", REFUSED, .signer = &who[LATE]},
	{"signed by the responder of another issuer", REFUSED, .signer = &who[UNCLE]},
	{"signed by a stranger", REFUSED, .signer = &who[STRANGER]},
	{"signed by the root, which did not issue it", REFUSED, .signer = &who[ROOT]},
	{"a broken signature", REFUSED, .o = {.break_signature = true}},
	{"about another certificate", REFUSED, .about = &who[NEIGHBOUR]},
	{"revoked", ENN_REASON_CERT_REVOKED, ENN_ALERT_CERTIFICATE_REVOKED,
	 .o = {.word = OCSP_REVOKED}},
	{"revoked, signed by a stranger", REFUSED, .signer = &who[STRANGER],
	 .o = {.word = OCSP_REVOKED}},
	{"unknown", REFUSED, .o = {.word = OCSP_UNKNOWN}},
	{"from tomorrow", REFUSED, .o = {.this_update = CERT_NOW + CERT_DAY}},
	{"a minute ahead of our clock", GOOD, .o = {.this_update = CERT_NOW + 60}},
	{"none", GOOD, .none = true, .not_good = true},
	{"none, where one is required", REFUSED, .none = true, .set = "requireStatus=true"},
	{"good, where one is required", GOOD, .set = "requireStatus=true"},
	{"none, where the certificate promises one", REFUSED, .leaf = STAPLED, .none = true},
	{"good, where the certificate promises one", GOOD, .leaf = STAPLED},
	{"a promise is not called in by those who do not ask", GOOD, .leaf = STAPLED, .none = true,
	 .set = "requestStatus=false", .not_good = true},
	{"revoked, and nobody asks", GOOD, .o = {.word = OCSP_REVOKED},
	 .set = "requestStatus=false", .not_good = true},
	{"revoked, and nobody validates", GOOD, .o = {.word = OCSP_REVOKED},
	 .set = "verifyPeer=false", .not_good = true},
};

static void run(const struct row *row)
{
	enum who leaf = row->leaf == 0 ? LEAF : row->leaf;
	struct ocsp_options o = row->o;
	struct tls_pair p = {.user = NULL};
	struct enn_security *client = client_with(row->set == NULL ? "grease=true" : row->set);
	struct enn_security *server = tls_security(NULL);
	struct enn_credential *k = credential_of(leaf);

	o.about = row->about == NULL ? who[leaf] : *row->about;
	o.issuer = who[MIDDLE];
	o.signer = row->signer == NULL ? NULL : *row->signer;
	if (!row->none) {
		struct enn_bytes response = ocsp_make(&o);
		MUST(enn_credential_set_ocsp(k, response.data, response.len, NULL));
		ocsp_free(response);
	}
	MUST(enn_security_add_credential(server, k));
	/* twice: the second verdict may come out of the cache of chains */
	for (int i = 0; i < 2; i++) {
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		if (row->alert == 0) {
			tls_pair_must_be_ready(&p);
			assert_int_equal(p.client.info.peer_status_good, !row->not_good);
			assert_int_equal(p.client.info.peer_status_len > 0,
					 !row->none &&
						 (row->set == NULL ||
						  strcmp(row->set, "requestStatus=false") != 0));
		} else {
			tls_pair_must_fail(&p, false, row->reason, row->alert);
		}
		tls_pair_free(&p);
	}
	enn_credential_free(k);
	enn_security_free(client);
	enn_security_free(server);
}

static void test_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("# %s\n", rows[i].name);
		run(&rows[i]);
	}
}

/* One that is good and then expires: the server stops sending it, and a client that has validated it
 * before does not go on believing it. */
static void test_time(void **state)
{
	struct tls_pair p = {.user = NULL};
	struct enn_security *client = client_with("requireStatus=true");
	struct enn_security *server = tls_security(NULL);
	struct enn_credential *k = credential_of(LEAF);
	struct enn_bytes response = ocsp_make(&(struct ocsp_options){
		.about = who[LEAF], .issuer = who[MIDDLE], .next_update = CERT_NOW + 3600});

	(void)state;
	MUST(enn_credential_set_ocsp(k, response.data, response.len, NULL));
	MUST(enn_security_add_credential(server, k));
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_be_ready(&p);
	tls_pair_free(&p);
	p.now = 3601 * ENN_SECOND;
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_fail(&p, false, REFUSED);
	assert_non_null(strstr(p.client.error.text, "without an OCSP response"));
	tls_pair_free(&p);
	/* A server whose clock is behind sends it nevertheless. */
	struct enn_env behind = world.env;
	behind.wall_offset -= 7200 * (int64_t)ENN_SECOND;
	p.server_env = &behind;
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_fail(&p, false, REFUSED);
	assert_non_null(strstr(p.client.error.text, "expired on"));
	tls_pair_free(&p);
	p.now = 0;
	p.server_env = NULL;
	/* A fresh one for the same credential, while it is in use: the next handshake has it. */
	ocsp_free(response);
	response = ocsp_make(&(struct ocsp_options){
		.about = who[LEAF], .issuer = who[MIDDLE], .word = OCSP_REVOKED});
	MUST(enn_credential_set_ocsp(k, response.data, response.len, NULL));
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_fail(&p, false, ENN_REASON_CERT_REVOKED, ENN_ALERT_CERTIFICATE_REVOKED);
	assert_non_null(strstr(p.client.error.text, "was revoked on 2025-06-14"));
	tls_pair_free(&p);
	ocsp_free(response);
	enn_credential_free(k);
	enn_security_free(client);
	enn_security_free(server);
}

/* A server that requires it of its clients. */
static void test_clients(void **state)
{
	static const char *const requires[] = {"requireClient=true", "requireStatus=true", NULL};
	struct enn_bytes response =
		ocsp_make(&(struct ocsp_options){.about = who[NEIGHBOUR], .issuer = who[MIDDLE]});

	(void)state;
	for (int have = 0; have < 2; have++) {
		struct tls_pair p = {.user = NULL};
		struct enn_security *client = client_with("requestStatus=true");
		struct enn_security *server = tls_security(requires);
		struct enn_credential *mine = credential_of(NEIGHBOUR);
		struct enn_credential *its = credential_of(LEAF);

		tls_trust(server, who[ROOT]);
		MUST(enn_security_add_credential(server, its));
		if (have) {
			MUST(enn_credential_set_ocsp(mine, response.data, response.len, NULL));
		}
		MUST(enn_security_add_credential(client, mine));
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		if (have) {
			tls_pair_must_be_ready(&p);
			assert_true(p.server.info.peer_status_good);
		} else {
			tls_pair_must_fail(&p, true, REFUSED);
		}
		tls_pair_free(&p);
		enn_credential_free(mine);
		enn_credential_free(its);
		enn_security_free(client);
		enn_security_free(server);
	}
	ocsp_free(response);
}

/* What is no response is refused when it is set. */
static void test_setting(void **state)
{
	struct enn_credential *k = credential_of(LEAF);
	struct enn_error error;
	struct enn_bytes later = ocsp_make(&(struct ocsp_options){.try_later = true});
	struct enn_bytes good =
		ocsp_make(&(struct ocsp_options){.about = who[LEAF], .issuer = who[MIDDLE]});

	(void)state;
	MUST(enn_credential_set_ocsp(k, good.data, good.len, &error));
	assert_int_equal(enn_credential_set_ocsp(k, good.data, good.len - 1, &error), ENN_E_PARSE);
	assert_int_equal(enn_credential_set_ocsp(k, later.data, later.len, &error), ENN_E_PARSE);
	assert_int_equal(enn_credential_set_ocsp(NULL, good.data, good.len, &error),
			 ENN_E_ARGUMENT);
	MUST(enn_credential_set_ocsp(k, NULL, 0, &error));
	ocsp_free(good);
	ocsp_free(later);
	enn_credential_free(k);
}

/* ---- pins ------------------------------------------------------------------------------------------ */

static void pin_of(const struct cert *c, uint8_t digest[32], char text[64])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(c->key, &der);

	assert_true(len > 0);
	enn_hash_once(enn_hash_alg(ENN_HASH_SHA256), der, (size_t)len, digest);
	OPENSSL_free(der);
	(void)strcpy(text, "sha256/");
	(void)EVP_EncodeBlock((unsigned char *)text + 7, digest, 32);
}

static void test_pins(void **state)
{
	static const struct {
		enum who pin;
		const char *set;
		bool accepted;
	} pins[] = {
		{LEAF, NULL, true},
		{MIDDLE, NULL, true},
		{ROOT, NULL, true}, /* it is in the path, though not in the message */
		{NEIGHBOUR, NULL, false},
		{STRANGER, NULL, false},
		/* nobody validates: the leaf itself */
		{LEAF, "verifyPeer=false", true},
		{MIDDLE, "verifyPeer=false", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct tls_pair p = {.user = NULL};
		struct enn_security *client =
			client_with(pins[i].set == NULL ? "grease=true" : pins[i].set);
		struct enn_security *server = tls_security(NULL);
		struct enn_credential *k = credential_of(LEAF);
		uint8_t digest[32];
		char text[64];

		pin_of(who[pins[i].pin], digest, text);
		if (i % 2 == 0) {
			MUST(enn_security_pin_spki(client, digest));
		} else {
			MUST(enn_security_pin_text(client, text, NULL));
		}
		MUST(enn_security_add_credential(server, k));
		for (int round = 0; round < 2; round++) {
			tls_pair_run(&p, &world.env, client, server, host, NULL);
			if (pins[i].accepted) {
				tls_pair_must_be_ready(&p);
			} else {
				tls_pair_must_fail(&p, false, ENN_REASON_CERT_PIN_MISMATCH,
						   ENN_ALERT_CERTIFICATE_UNKNOWN);
			}
			tls_pair_free(&p);
		}
		enn_credential_free(k);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* Ordinary validation is not replaced: a pinned key in a certificate of a stranger. And a session that was
 * made without the pin is not resumed with it. */
static void test_pins_add(void **state)
{
	struct tls_pair p = {.user = NULL};
	struct enn_security *client = tls_security(NULL);
	struct enn_security *server = tls_security(NULL);
	struct enn_credential *k = credential_of(LEAF);
	uint8_t digest[32];
	char text[64];

	(void)state;
	MUST(enn_security_add_credential(server, k));
	pin_of(who[LEAF], digest, text);
	tls_trust(client, who[STRANGER]);
	MUST(enn_security_pin_spki(client, digest));
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_fail(&p, false, ENN_REASON_CERT_UNKNOWN_ISSUER, ENN_ALERT_UNKNOWN_CA);
	tls_pair_free(&p);
	enn_security_free(client);

	client = client_with("resume=true");
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_be_ready(&p);
	struct tls_end first = p.client;
	tls_pair_free(&p);
	struct enn_security *pinned = enn_security_copy(client);
	pin_of(who[STRANGER], digest, text);
	MUST(enn_security_pin_spki(pinned, digest));
	tls_pair_run(&p, &world.env, client, server, host, &first);
	tls_pair_must_be_ready(&p);
	assert_true(p.client.info.resumed);
	tls_pair_free(&p);
	tls_pair_run(&p, &world.env, pinned, server, host, &first);
	tls_pair_must_fail(&p, false, ENN_REASON_CERT_PIN_MISMATCH, ENN_ALERT_CERTIFICATE_UNKNOWN);
	tls_pair_free(&p);
	enn_security_free(pinned);
	enn_security_free(client);
	enn_security_free(server);
	enn_credential_free(k);
}

static void test_pin_texts(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256/",
		"sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=x",
		"sha256/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
		"sha256/47DEQpj8HBSa+ TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	};
	struct enn_security *s = tls_security(NULL);
	struct enn_error error;

	(void)state;
	MUST(enn_security_pin_text(s,
				   "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", &error));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (enn_security_pin_text(s, bad[i], &error) != ENN_E_PARSE) {
			fail_msg("'%s' was taken", bad[i]);
		}
	}
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_responses, tls_use_12),
		cmocka_unit_test_setup(test_time, tls_use_12),
		cmocka_unit_test_setup(test_pins, tls_use_12),
		cmocka_unit_test_setup(test_pins_add, tls_use_12),
		cmocka_unit_test_setup(test_responses, tls_use_13),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_setting),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_pins_add),
		cmocka_unit_test(test_pin_texts),
	};
	return cmocka_run_group_tests_name("tls_status", tests, open_world, close_world);
}
