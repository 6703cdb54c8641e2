/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: what a server chooses (suite and certificate together, group, signature), and sessions of which the two
 * sides remember different things about the extended main secret (RFC 7627 §5.3).
 */
#include "features/session_cache.h"
#include "handshake/tls12.h"
#include "hs_pair.h"
#include "tls12_world.h"

#define RSA_FIRST                                                                                  \
	"ciphersuite=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:"                                       \
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"
#define ECDSA_FIRST                                                                                \
	"ciphersuite=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:"                                     \
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"
#define ANY_NAME "checkName=false"

enum who {
	NOBODY, /* refused */
	WITH_PSK,
	EC_A, /* ECDSA for a.example */
	EC_B,
	RSA_A, /* RSA */
	RSA_B,
	RSA_STAR, /* *.b.example */
	EC_OF_RSA /* for a.example, of an authority with an RSA key */
};

static struct cert *certs[EC_OF_RSA + 1];
static struct cert *rsa_root;
static struct hs_pair pair; /* large */

static int open_world(void **state)
{
	static const struct {
		const char *names, *key_type;
	} made[EC_OF_RSA + 1] = {
		[EC_A] = {"DNS:a.example", "P-256"},
		[EC_B] = {"DNS:b.example", "P-256"},
		[RSA_A] = {"DNS:a.example", "RSA-2048"},
		[RSA_B] = {"DNS:b.example", "RSA-2048"},
		[RSA_STAR] = {"DNS:*.b.example", "RSA-2048"},
		[EC_OF_RSA] = {"DNS:a.example", "P-256"},
	};

	(void)tls12_open(state);
	rsa_root = cert_make(&(struct cert_options){
		.subject = "RSA root", .key_type = "RSA-2048", .ca = true, .serial = 90});
	for (int i = EC_A; i <= EC_OF_RSA; i++) {
		certs[i] = cert_make(&(struct cert_options){
			.subject = "leaf",
			.names = made[i].names,
			.key_type = made[i].key_type,
			.issuer = i == EC_OF_RSA ? rsa_root : tls12.root,
			.pss = i == EC_OF_RSA,
			.serial = 100 + i,
		});
	}
	return 0;
}

static int close_world(void **state)
{
	for (int i = EC_A; i <= EC_OF_RSA; i++) {
		cert_free(certs[i]);
	}
	cert_free(rsa_root);
	return tls12_close(state);
}

/* ---- suite and certificate ------------------------------------------------------------------------ */

static const struct row {
	const char *what;
	enum who has[3];
	const char *name;
	const char *client, *server; /* a setting more */
	enum who expected;
	unsigned alert;
} rows[] = {
	{"the name has an RSA key, and ECDSA comes first",
	 {EC_A, RSA_B},
	 "b.example",
	 ECDSA_FIRST,
	 ECDSA_FIRST,
	 RSA_B,
	 0},
	{"the name has an ECDSA key, and RSA comes first",
	 {RSA_B, EC_A},
	 "a.example",
	 RSA_FIRST,
	 RSA_FIRST,
	 EC_A,
	 0},
	{"both keys are for the name: the server's first suite",
	 {RSA_A, EC_A},
	 "a.example",
	 RSA_FIRST,
	 ECDSA_FIRST,
	 EC_A,
	 0},
	{"the server's first suite is of RSA",
	 {EC_A, RSA_A},
	 "a.example",
	 ECDSA_FIRST,
	 RSA_FIRST,
	 RSA_A,
	 0},
	{"a wildcard is better than none",
	 {EC_A, RSA_STAR},
	 "www.b.example",
	 ECDSA_FIRST,
	 ECDSA_FIRST,
	 RSA_STAR,
	 0},
	{"the name itself is better than a wildcard",
	 {RSA_STAR, EC_B, RSA_A},
	 "b.example",
	 RSA_FIRST,
	 RSA_FIRST,
	 EC_B,
	 0},
	{"no key is for the name: the first suite",
	 {RSA_B, EC_A},
	 "c.example",
	 ANY_NAME,
	 ECDSA_FIRST,
	 EC_A,
	 0},
	{"the client has suites for RSA only",
	 {EC_A, RSA_A},
	 "a.example",
	 "ciphersuite=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	 ECDSA_FIRST,
	 RSA_A,
	 0},
	{"the client has signatures for RSA only",
	 {EC_A, RSA_A},
	 "a.example",
	 "signatureAlgorithm=rsa_pss_rsae_sha256",
	 ECDSA_FIRST,
	 RSA_A,
	 0},
	{"known names only, and this one has an RSA key",
	 {EC_A, RSA_B},
	 "b.example",
	 ECDSA_FIRST,
	 "requireKnownName=true",
	 RSA_B,
	 0},
	{"known names only, and this is none",
	 {EC_A, RSA_B},
	 "c.example",
	 ANY_NAME,
	 "requireKnownName=true",
	 NOBODY,
	 ENN_ALERT_UNRECOGNIZED_NAME},
	{"a PSK where no certificate is for the name",
	 {EC_A, WITH_PSK},
	 "b.example",
	 ECDSA_FIRST,
	 ECDSA_FIRST,
	 WITH_PSK,
	 0},
	{"the certificate where one is",
	 {WITH_PSK, EC_B},
	 "b.example",
	 ECDSA_FIRST,
	 ECDSA_FIRST,
	 EC_B,
	 0},
	{"keys that the client cannot use",
	 {RSA_A, RSA_B},
	 "a.example",
	 "signatureAlgorithm=ecdsa_secp256r1_sha256:ed25519",
	 NULL,
	 NOBODY,
	 ENN_ALERT_HANDSHAKE_FAILURE},
};

static void add(struct enn_security *s, enum who who)
{
	if (who == WITH_PSK) {
		tls12_add_psk(s, "somebody", 7);
	} else if (who != NOBODY) {
		tls_add_certificate(s, certs[who]);
	}
}

static bool is_shown(const struct hs_end *client, enum who who)
{
	const struct enn_handshake_result *r = &client->c.result;

	if (who == WITH_PSK) {
		return r->external_psk && r->peer_chain_size == 0;
	}
	return r->peer_chain_size == 3 + certs[who]->der.len &&
	       memcmp(r->peer_chain + 3, certs[who]->der.data, certs[who]->der.len) == 0;
}

static bool run_row(const struct row *row)
{
	const char *const c[] = {"protocolVersion=TLSv1.2", row->client, NULL};
	const char *const s[] = {"protocolVersion=TLSv1.2", row->server, NULL};
	struct enn_security *client = tls_security(c);
	struct enn_security *server = tls_security(s);
	bool good;

	tls_trust(client, tls12.root);
	tls_trust(client, rsa_root);
	for (size_t i = 0; i < ENN_ARRAY_LEN(row->has); i++) {
		add(server, row->has[i]);
		if (row->has[i] == WITH_PSK) {
			add(client, WITH_PSK);
		}
	}
	memset(&pair, 0, sizeof(pair));
	assert_true(hs_pair_run(&pair, &tls12.t.env, client, server, row->name, NULL));
	if (row->expected == NOBODY) {
		good = pair.server.failed && pair.server.c.error.wire_code == row->alert;
	} else {
		good = pair.client.complete && pair.server.complete &&
		       is_shown(&pair.client, row->expected);
	}
	if (!good) {
		print_message("# %s: %s%s\n", row->what, pair.client.c.error.text,
			      pair.server.c.error.text);
	}
	hs_pair_free(&pair);
	assert_int_equal(tls12.t.live_bytes, 0);
	enn_security_free(client);
	enn_security_free(server);
	return good;
}

static void test_suite_and_certificate(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(rows); i++) {
		wrong += !run_row(&rows[i]);
	}
	assert_int_equal(wrong, 0);
}

/* Certificates may be signed with whatever the client takes, also if the suite wants another kind of key: without
 * signature_algorithms_cert that is the whole of signature_algorithms (RFC 8446 §4.2.3). */
static bool drop_cert_signatures(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	(void)p;
	(void)to;
	if (m->type == ENN_HS_CLIENT_HELLO) {
		assert_true(hs_message_drop_extension(m, ENN_EXT_SIGNATURE_ALGORITHMS_CERT));
	}
	return true;
}

static void test_signed_by_another_kind(void **state)
{
	struct tls12_sides sides = tls12_sides_of(TLS12_PSK, ECDSA_FIRST, ECDSA_FIRST);

	(void)state;
	tls_trust(sides.client, rsa_root);
	add(sides.server, EC_OF_RSA);
	add(sides.server, EC_A);
	memset(&pair, 0, sizeof(pair));
	pair.edit = drop_cert_signatures;
	assert_true(
		hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, "a.example", NULL));
	assert_true(is_shown(&pair.client, EC_OF_RSA));
	hs_end_must_fail(&pair.server, ENN_ALERT_DECRYPT_ERROR, "the hello was changed");
	hs_pair_free(&pair);
	tls12_sides_free(&sides);
}

/* ---- group and signature ------------------------------------------------------------------------------ */

/* A client older than supported_groups; notes the curve of the ServerKeyExchange. */
static bool drop_groups(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	uint16_t *curve = p->user;

	(void)to;
	if (m->type == ENN_HS_CLIENT_HELLO) {
		assert_true(hs_message_drop_extension(m, ENN_EXT_SUPPORTED_GROUPS));
	} else if (m->type == ENN_HS_SERVER_KEY_EXCHANGE) {
		*curve = (uint16_t)(m->data[ENN_HS_HEADER + 1] << 8 | m->data[ENN_HS_HEADER + 2]);
	}
	return true;
}

static void test_no_groups(void **state)
{
	static const struct {
		const char *server;
		uint16_t curve;
	} table[] = {
		{NULL, 0x0017},
		{"supportedGroup=X25519:P-384:P-256", 0x0017},
		{"supportedGroup=P-384:X25519", 0x0018},
		{"supportedGroup=X25519", 0x001d},
	};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(table); i++) {
		struct tls12_sides sides = tls12_sides_of(TLS12_FULL, NULL, table[i].server);
		uint16_t curve = 0;
		memset(&pair, 0, sizeof(pair));
		pair.edit = drop_groups;
		pair.user = &curve;
		assert_true(hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
					NULL));
		assert_int_equal(curve, table[i].curve);
		hs_pair_free(&pair);
		tls12_sides_free(&sides);
	}
}

/* RFC 8422 §5.1.1: a P-256 key and SHA-384, for who wants no other hash; not so in TLS 1.3 (RFC 8446 §4.2.3). */
static void test_hash_and_curve(void **state)
{
	static const char wish[] = "signatureAlgorithm=ecdsa_secp384r1_sha384";

	(void)state;
	for (int how = 0; how < 4; how++) {
		enum tls12_kind kind = how == 2 ? TLS12_MUTUAL : TLS12_FULL;
		/* the server is asked for it, nobody is, both are, and in TLS 1.3 */
		struct tls12_sides sides =
			tls12_sides_of(kind, how == 1 ? NULL : wish, how == 2 ? wish : NULL);
		uint16_t expected = how == 1 ? 0x0403 : 0x0503;
		if (how == 3) {
			MUST(enn_security_set_list(sides.client, ENN_SECURITY_VERSIONS, "TLSv1.3",
						   NULL));
			MUST(enn_security_set_list(sides.server, ENN_SECURITY_VERSIONS, "TLSv1.3",
						   NULL));
		}
		memset(&pair, 0, sizeof(pair));
		assert_true(hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
					NULL));
		if (how == 3) {
			hs_end_must_fail(&pair.server, ENN_ALERT_HANDSHAKE_FAILURE, "TLS 1.3");
		} else {
			hs_pair_must_be_complete(&pair);
			assert_int_equal(pair.client.c.result.signature, expected);
			assert_int_equal(pair.server.c.result.signature, how == 2 ? 0x0503 : 0);
		}
		hs_pair_free(&pair);
		tls12_sides_free(&sides);
	}
}

/* ---- what is remembered of the extended main secret -------------------------------------------------------- */

/* Makes the server's side of a session, in the ticket, say `ems`. */
static size_t change_ticket(struct enn_security *server, struct enn_bytes ticket, bool ems,
			    uint8_t *out, size_t cap)
{
	const struct enn_env *env = &tls12.t.env;
	int64_t wall = env->wall_offset + (int64_t)ENN_SECOND;
	uint8_t state[2048];
	uint8_t changed[2048];
	size_t len = sizeof(state);
	struct enn_session s;

	MUST(enn_ticket_open(server->tickets, env, wall, ticket.data, ticket.len, state,
			     sizeof(state), &len));
	struct enn_bytes bytes = {state, len};
	assert_true(enn_session_decode(bytes, &s));
	assert_true(s.extended_main_secret);
	s.extended_main_secret = ems;
	len = enn_session_encode(&s, changed, sizeof(changed));
	assert_true(len > 0);
	size_t out_len = 0;
	MUST(enn_ticket_seal(server->tickets, env, wall, 3600 * (int64_t)ENN_SECOND, changed, len,
			     out, cap, &out_len));
	return out_len;
}

static void test_extended_main_secret(void **state)
{
	static const struct {
		bool client, server; /* what it remembers */
		bool resumed;
		unsigned alert; /* of the client; 0: it goes well */
	} table[] = {
		{true, true, true, 0},
		{true, false, false, 0}, /* the server MUST NOT resume it */
		{false, false, false, 0},
		{false, true, true, ENN_ALERT_HANDSHAKE_FAILURE}, /* the client MUST abort */
	};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(table); i++) {
		struct tls12_sides sides =
			tls12_sides_of(TLS12_FULL, "requireExtendedMainSecret=false", NULL);
		static struct hs_end kept;
		uint8_t ticket[4096];
		struct enn_session s;
		memset(&pair, 0, sizeof(pair));
		assert_true(hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
					NULL));
		hs_pair_must_be_complete(&pair);
		struct enn_bytes blob = {pair.client.session, pair.client.session_len};
		assert_true(enn_session_decode(blob, &s));
		assert_true(s.extended_main_secret);
		s.extended_main_secret = table[i].client;
		size_t len = change_ticket(sides.server, s.ticket, table[i].server, ticket,
					   sizeof(ticket));
		s.ticket = (struct enn_bytes){ticket, len};
		kept.session_len = enn_session_encode(&s, kept.session, sizeof(kept.session));
		assert_true(kept.session_len > 0);
		hs_pair_free(&pair);
		assert_true(hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
					&kept));
		assert_int_equal(pair.server.c.result.resumed, table[i].resumed);
		if (table[i].alert == 0) {
			hs_pair_must_be_complete(&pair);
			assert_int_equal(pair.client.c.result.resumed, table[i].resumed);
			assert_true(pair.server.c.result.extended_main_secret);
		} else {
			hs_end_must_fail(&pair.client, table[i].alert, "the client's session");
		}
		hs_pair_free(&pair);
		tls12_sides_free(&sides);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite_and_certificate),
		cmocka_unit_test(test_signed_by_another_kind),
		cmocka_unit_test(test_no_groups),
		cmocka_unit_test(test_hash_and_curve),
		cmocka_unit_test(test_extended_main_secret),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
