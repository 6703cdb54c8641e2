/* SPDX-License-Identifier: Apache-2.0
 *
 * A session is worth what was checked when it was made: a table of pairs of connections. The second
 * has the first one's session, and other parameters. It may resume only if it would have checked
 * the same; otherwise a full handshake gives its own verdict.
 */
#include <stdlib.h>

#include "certs.h"
#include "ennead/engine.h"
#include "ennead/security.h"
#include "features/security.h"
#include "protocols/registry.h"
#include "support.h"

/* ---- the world ----------------------------------------------------------------------------- */

enum who {
	NOBODY,
	SERVER,	      /* of authority A, for the name that clients ask for */
	SERVER_AGAIN, /* the same with a new key */
	SERVER_B,     /* of authority B */
	SERVER_OTHER, /* of authority A, for another name */
	CLIENT,	      /* of authority A */
	CLIENT_AGAIN,
	CLIENT_B,
	WHO_COUNT
};

enum crl { NO_CRL, CLEAN_CRL, REVOKING_CRL };

static struct cert *authority[2];
static struct cert *leaf[WHO_COUNT];
static char *crl_pem[3];
static struct test_env world;
static const uint8_t ticket_key[64] =
	"sixteen bytes ! and another forty-eight bytes of key material";
static const char server_name[] = "a.example";

static int open_world(void **state)
{
	static const struct {
		const char *names;
		int authority;
		long serial;
	} leaves[WHO_COUNT] = {
		[SERVER] = {"DNS:a.example", 0, 2},
		[SERVER_AGAIN] = {"DNS:a.example", 0, 3},
		[SERVER_B] = {"DNS:a.example", 1, 2},
		[SERVER_OTHER] = {"DNS:b.example", 0, 4},
		[CLIENT] = {"DNS:client.example", 0, 5},
		[CLIENT_AGAIN] = {"DNS:client.example", 0, 6},
		[CLIENT_B] = {"DNS:client.example", 1, 5},
	};
	static const long revoked[] = {2, 5};
	static const long unused[] = {99};

	(void)state;
	for (int i = 0; i < 2; i++) {
		authority[i] = cert_make(
			&(struct cert_options){.subject = i == 0 ? "A" : "B", .ca = true});
	}
	for (int i = 1; i < WHO_COUNT; i++) {
		leaf[i] = cert_make(&(struct cert_options){
			.subject = leaves[i].names,
			.names = leaves[i].names,
			.issuer = authority[leaves[i].authority],
			.serial = leaves[i].serial,
		});
	}
	crl_pem[CLEAN_CRL] = crl_make(&(struct crl_options){
		.issuer = authority[0], .revoked = unused, .revoked_count = 1});
	crl_pem[REVOKING_CRL] = crl_make(&(struct crl_options){
		.issuer = authority[0], .revoked = revoked, .revoked_count = 2});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	for (int i = 1; i < WHO_COUNT; i++) {
		cert_free(leaf[i]);
	}
	cert_free(authority[0]);
	cert_free(authority[1]);
	free(crl_pem[CLEAN_CRL]);
	free(crl_pem[REVOKING_CRL]);
	return 0;
}

/* ---- parameters ---------------------------------------------------------------------------- */

/* Zero is the default. */
struct side {
	enum who who;
	bool a, b; /* authorities that are trusted */
	enum crl crl;
	const char *psk;
	bool psk_changed;   /* another key under the same identity */
	const char *set[2]; /* "name=value" */
};

#define MUST(call) assert_int_equal(call, ENN_OK)

static void trust(struct enn_security *s, const struct cert *anchor)
{
	MUST(enn_security_trust_pem(s, anchor->pem, strlen(anchor->pem), NULL));
}

static void set_text(struct enn_security *s, const char *text)
{
	char name[64];
	size_t len = strcspn(text, "=");
	struct enn_error error;

	assert_true(len < sizeof(name));
	memcpy(name, text, len);
	name[len] = '\0';
	if (enn_security_parse(s, name, text + len + 1, &error) != ENN_OK) {
		fail_msg("%s: %s", text, error.text);
	}
}

static void add_certificate(struct enn_security *s, const struct cert *c)
{
	struct enn_credential *k = NULL;

	MUST(enn_credential_x509_pem(c->pem, strlen(c->pem), c->key_pem, strlen(c->key_pem), &k,
				     NULL));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
}

static void add_psk(struct enn_security *s, const struct side *side)
{
	struct enn_credential *k = NULL;
	uint8_t key[32] = "32 bytes of a key that is shared";

	key[0] = side->psk_changed ? '9' : '3';
	MUST(enn_credential_psk((const uint8_t *)side->psk, strlen(side->psk), key, sizeof(key),
				ENN_PSK_SHA256, &k));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
}

static struct enn_security *make_security(const struct side *side, bool server)
{
	struct enn_security *s = enn_security_new();

	assert_non_null(s);
	MUST(enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, true));
	if (side->a) {
		trust(s, authority[0]);
	}
	if (side->b) {
		trust(s, authority[1]);
	}
	if (side->crl != NO_CRL) {
		const char *pem = crl_pem[side->crl];
		MUST(enn_security_crl_pem(s, pem, strlen(pem), NULL));
	}
	if (side->who != NOBODY) {
		add_certificate(s, leaf[side->who]);
	}
	if (side->psk != NULL) {
		add_psk(s, side);
	}
	for (size_t i = 0; i < 2 && side->set[i] != NULL; i++) {
		set_text(s, side->set[i]);
	}
	if (server) {
		MUST(enn_security_ticket_key(s, ticket_key, sizeof(ticket_key),
					     world.env.wall_offset));
	}
	return s;
}

/* ---- connections --------------------------------------------------------------------------- */

struct session {
	uint8_t data[4096];
	size_t len;
};

struct end {
	struct enn_engine *e;
	bool ready, failed;
	struct enn_error error;
	struct enn_info info; /* at READY */
	struct session session;
};

static void take_events(struct end *end)
{
	struct enn_answer yes = {.type = ENN_ANSWER_PEER, .accept = true};
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(end->e, ENN_SECOND, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			end->ready = true;
			enn_engine_info(end->e, &end->info);
			break;
		case ENN_EVENT_VALIDATE_PEER:
			MUST(enn_engine_answer(end->e, ENN_SECOND, &yes));
			break;
		case ENN_EVENT_STORE_SESSION:
			assert_true(event.u.session.len <= sizeof(end->session.data));
			memcpy(end->session.data, event.u.session.data, event.u.session.len);
			end->session.len = event.u.session.len;
			break;
		case ENN_EVENT_FAILED:
			end->failed = true;
			end->error = event.u.error;
			break;
		default:
			break;
		}
	}
}

static bool carry(struct end *from, struct end *to)
{
	static uint8_t buf[32768];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	take_events(from);
	MUST(enn_engine_transmit(from->e, ENN_SECOND, &batch));
	if (batch.len == 0) {
		return false;
	}
	struct enn_packet packet = {.data = buf, .len = batch.len};
	enum enn_status status = enn_engine_ingest(to->e, ENN_SECOND, NULL, &packet, 1);
	assert_true(status == ENN_OK || to->failed);
	take_events(to);
	return true;
}

/* A whole connection: both ends as they are when nothing more moves. Early data is offered
 * whenever a session allows it. */
static void connect_ends(struct end end[2], struct enn_security *client,
			 struct enn_security *server, const struct session *session)
{
	static const uint8_t secret[] = "early data is for the peer of that session only";
	struct enn_message early = {
		.data = secret, .len = sizeof(secret), .flags = ENN_MESSAGE_EARLY};
	struct enn_engine_options options = {.server_name = server_name};
	bool any;

	memset(end, 0, 2 * sizeof(end[0]));
	if (session != NULL) {
		options.session = session->data;
		options.session_len = session->len;
	}
	MUST(enn_engine_new_client(&enn_tls_protocol, &world.env, client, &options, &end[0].e,
				   NULL));
	MUST(enn_engine_new_server(&enn_tls_protocol, &world.env, server, NULL, &end[1].e, NULL));
	MUST(enn_engine_start(end[0].e, ENN_SECOND));
	MUST(enn_engine_start(end[1].e, ENN_SECOND));
	MUST(enn_engine_send(end[0].e, ENN_SECOND, &early));
	do {
		any = carry(&end[0], &end[1]);
		any = carry(&end[1], &end[0]) || any;
	} while (any);
}

static void free_ends(struct end end[2])
{
	enn_engine_free(end[0].e);
	enn_engine_free(end[1].e);
}

/* One connection that must succeed; its session. */
static struct session make_session(struct enn_security *client, struct enn_security *server)
{
	struct end end[2];

	connect_ends(end, client, server, NULL);
	for (int i = 0; i < 2; i++) {
		if (end[i].failed) {
			fail_msg("the first connection failed: %s", end[i].error.text);
		}
		assert_true(end[i].ready);
		assert_false(end[i].info.resumed);
	}
	assert_true(end[0].session.len > 0);
	struct session session = end[0].session;
	free_ends(end);
	return session;
}

/* ---- the table ----------------------------------------------------------------------------- */

enum verdict { RESUMES, FULL, FAILS };

struct pair {
	const char *name;
	struct side client[2], server[2]; /* of the first connection and of the second */
	enum verdict verdict;
	enum enn_reason reason; /* FAILS: at the end that refuses */
	bool by_server;
	bool client_known; /* whether the server says that the client is authenticated */
};

/* A client that trusts authority A and checks everything, a server of authority A. */
#define STRICT                                                                                     \
	{                                                                                          \
		.a = true                                                                          \
	}
#define PLAIN                                                                                      \
	{                                                                                          \
		.who = SERVER                                                                      \
	}
#define PLAIN_SERVER	   .server = {PLAIN, PLAIN}
#define STRICT_CLIENT	   .client = {STRICT, STRICT}
#define FAILS_BY(end, why) .verdict = FAILS, .by_server = (end), .reason = ENN_REASON_##why

static const struct pair client_pairs[] = {
	{"the same parameters", .client = {STRICT, STRICT}, PLAIN_SERVER},
	{"verifyPeer off, then on, a server of a stranger",
	 .client = {{.a = true, .set = {"verifyPeer=false"}}, STRICT},
	 .server = {{.who = SERVER_B}, {.who = SERVER_B}}, FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"verifyPeer off, then on, a good server",
	 .client = {{.a = true, .set = {"verifyPeer=false"}}, STRICT}, PLAIN_SERVER,
	 .verdict = FULL},
	{"verifyPeer on, then off", .client = {STRICT, {.a = true, .set = {"verifyPeer=false"}}},
	 PLAIN_SERVER, .verdict = FULL},
	{"verifyPeer off both times",
	 .client = {{.set = {"verifyPeer=false"}}, {.set = {"verifyPeer=false"}}},
	 .server = {{.who = SERVER_B}, {.who = SERVER_B}}},
	{"checkName off, then on", .client = {{.a = true, .set = {"checkName=false"}}, STRICT},
	 .server = {{.who = SERVER_OTHER}, {.who = SERVER_OTHER}},
	 FAILS_BY(false, CERT_NAME_MISMATCH)},
	{"checkName off both times",
	 .client = {{.a = true, .set = {"checkName=false"}},
		    {.a = true, .set = {"checkName=false"}}},
	 .server = {{.who = SERVER_OTHER}, {.who = SERVER_OTHER}}},
	{"another authority", .client = {{.b = true}, STRICT},
	 .server = {{.who = SERVER_B}, {.who = SERVER_B}}, FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"one authority less", .client = {{.a = true, .b = true}, STRICT},
	 .server = {{.who = SERVER_B}, {.who = SERVER_B}}, FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"the first of two authorities less", .client = {{.a = true, .b = true}, {.b = true}},
	 PLAIN_SERVER, FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"one authority more", .client = {STRICT, {.a = true, .b = true}}, PLAIN_SERVER,
	 .verdict = FULL},
	{"the system's authorities too",
	 .client = {STRICT, {.a = true, .set = {"systemTrust=true"}}}, PLAIN_SERVER,
	 .verdict = FULL},
	{"no CRL, then one with the server on it",
	 .client = {STRICT, {.a = true, .crl = REVOKING_CRL}}, PLAIN_SERVER,
	 FAILS_BY(false, CERT_REVOKED)},
	{"no CRL, then one without the server", .client = {STRICT, {.a = true, .crl = CLEAN_CRL}},
	 PLAIN_SERVER, .verdict = FULL},
	{"a newer CRL", .client = {{.a = true, .crl = CLEAN_CRL}, {.a = true, .crl = REVOKING_CRL}},
	 PLAIN_SERVER, FAILS_BY(false, CERT_REVOKED)},
	{"the same CRL", .client = {{.a = true, .crl = CLEAN_CRL}, {.a = true, .crl = CLEAN_CRL}},
	 PLAIN_SERVER},
	{"checkRevocation off, then on, without a CRL",
	 .client = {STRICT, {.a = true, .set = {"checkRevocation=true"}}}, PLAIN_SERVER,
	 FAILS_BY(false, CERT_CRL_PROBLEM)},
	{"an OCSP response is required from now on",
	 .client = {STRICT, {.a = true, .set = {"requireStatus=true"}}}, PLAIN_SERVER,
	 FAILS_BY(false, CERT_STATUS_PROBLEM)},
	{"an OCSP response was not asked for",
	 .client = {{.a = true, .set = {"requestStatus=false"}}, STRICT}, PLAIN_SERVER,
	 .verdict = FULL},
	{"the application decides, then the authorities",
	 .client = {{.a = true, .set = {"delegatePeer=true"}}, STRICT},
	 .server = {{.who = SERVER_B}, {.who = SERVER_B}}, FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"the authorities decide, then the application",
	 .client = {STRICT, {.a = true, .set = {"delegatePeer=true"}}}, PLAIN_SERVER,
	 .verdict = FULL},
	{"a signature in the certificate is no longer allowed",
	 .client = {STRICT, {.a = true, .set = {"certificateSignatureAlgorithm=ed25519"}}},
	 PLAIN_SERVER, FAILS_BY(false, CERT_WEAK)},
	{"the server's signature is no longer allowed",
	 .client = {STRICT, {.a = true, .set = {"signatureAlgorithm=ed25519"}}}, PLAIN_SERVER,
	 FAILS_BY(true, NO_SHARED_PARAMETERS)},
	{"another PSK", .client = {{.psk = "one"}, {.psk = "two"}},
	 .server = {{.psk = "one"}, {.psk = "two"}}, .verdict = FULL, .client_known = true},
	{"another key under the PSK's identity",
	 .client = {{.psk = "one"}, {.psk = "one", .psk_changed = true}},
	 .server = {{.psk = "one"}, {.psk = "one", .psk_changed = true}}, .verdict = FULL,
	 .client_known = true},
	{"a PSK, then a certificate", .client = {{.psk = "one"}, STRICT},
	 .server = {{.psk = "one", .who = SERVER_B}, {.psk = "one", .who = SERVER_B}},
	 FAILS_BY(false, CERT_UNKNOWN_ISSUER)},
	{"the same PSK", .client = {{.psk = "one"}, {.psk = "one"}},
	 .server = {{.psk = "one"}, {.psk = "one"}}},
	{"with a certificate of our own, then without",
	 .client = {{.a = true, .who = CLIENT}, STRICT},
	 .server = {{.who = SERVER, .a = true, .set = {"requestClient=true"}},
		    {.who = SERVER, .a = true, .set = {"requestClient=true"}}},
	 .verdict = FULL},
	{"with another certificate of our own",
	 .client = {{.a = true, .who = CLIENT}, {.a = true, .who = CLIENT_AGAIN}},
	 .server = {{.who = SERVER, .a = true, .set = {"requireClient=true"}},
		    {.who = SERVER, .a = true, .set = {"requireClient=true"}}},
	 .verdict = FULL, .client_known = true},
	{"parameters that are no rules",
	 .client = {{.a = true, .set = {"padding=64", "supportedGroup=P-256"}},
		    {.a = true, .set = {"grease=false", "keepPeerChain=true"}}},
	 PLAIN_SERVER},
};

#define ASKS                                                                                       \
	{                                                                                          \
		.who = SERVER, .a = true, .set = { "requestClient=true" }                          \
	}
#define WITH_CERTIFICATE .client = {{.a = true, .who = CLIENT}, {.a = true, .who = CLIENT}}

static const struct pair server_pairs[] = {
	{"a known client, the same parameters", WITH_CERTIFICATE, .server = {ASKS, ASKS},
	 .client_known = true},
	{"a known client, and one more authority", WITH_CERTIFICATE,
	 .server = {ASKS, {.who = SERVER, .a = true, .b = true, .set = {"requestClient=true"}}},
	 .verdict = FULL, .client_known = true},
	{"a known client, whose authority is no longer trusted",
	 .client = {{.a = true, .who = CLIENT_B}, {.a = true, .who = CLIENT_B}},
	 .server = {{.who = SERVER, .a = true, .b = true, .set = {"requestClient=true"}}, ASKS},
	 FAILS_BY(true, CERT_UNKNOWN_ISSUER)},
	{"a known client that was revoked", WITH_CERTIFICATE,
	 .server = {ASKS,
		    {.who = SERVER, .a = true, .crl = REVOKING_CRL, .set = {"requestClient=true"}}},
	 FAILS_BY(true, CERT_REVOKED)},
	{"a known client, and a CRL without it", WITH_CERTIFICATE,
	 .server = {ASKS,
		    {.who = SERVER, .a = true, .crl = CLEAN_CRL, .set = {"requireClient=true"}}},
	 .verdict = FULL, .client_known = true},
	{"a known client that the application let in",
	 .client = {{.a = true, .who = CLIENT_B}, {.a = true, .who = CLIENT_B}},
	 .server = {{.who = SERVER, .a = true, .set = {"requestClient=true", "delegatePeer=true"}},
		    ASKS},
	 FAILS_BY(true, CERT_UNKNOWN_ISSUER)},
	{"a known client, whose signature is no longer allowed", WITH_CERTIFICATE,
	 .server = {ASKS,
		    {.who = SERVER,
		     .a = true,
		     .set = {"requestClient=true", "certificateSignatureAlgorithm=ed25519"}}},
	 FAILS_BY(true, CERT_WEAK)},
	{"a known client, and nobody is asked any more", WITH_CERTIFICATE,
	 .server = {ASKS, {.who = SERVER, .a = true}}, .client_known = true},
	{"a known client, and a new certificate of the server", WITH_CERTIFICATE,
	 .server = {ASKS, {.who = SERVER_AGAIN, .a = true, .set = {"requestClient=true"}}},
	 .client_known = true},
	{"an unknown client, and other authorities", STRICT_CLIENT,
	 .server = {PLAIN, {.who = SERVER, .b = true, .crl = CLEAN_CRL}}},
	{"an unknown client, and now one must be known", STRICT_CLIENT,
	 .server = {ASKS, {.who = SERVER, .a = true, .set = {"requireClient=true"}}},
	 FAILS_BY(true, CERT_MISSING)},
	{"a PSK that was removed", .client = {{.psk = "one"}, {.psk = "one"}},
	 .server = {{.psk = "one"}, {.psk = "two"}}, FAILS_BY(true, UNKNOWN_PSK)},
	{"a PSK whose key was replaced", .client = {{.psk = "one"}, {.psk = "one"}},
	 .server = {{.psk = "one"}, {.psk = "one", .psk_changed = true}},
	 FAILS_BY(true, UNKNOWN_PSK)},
};

static void check_refusal(const struct pair *p, const struct end end[2])
{
	const struct end *refuses = &end[p->by_server];

	if (!refuses->failed || refuses->ready || refuses->error.reason != p->reason ||
	    refuses->error.origin != ENN_ORIGIN_LOCAL) {
		fail_msg("%s: wanted \"%s\", got %s", p->name, enn_reason_name(p->reason),
			 refuses->failed ? refuses->error.text : "a connection");
	}
}

static void check_connection(const struct pair *p, const struct end end[2])
{
	bool resumed = p->verdict == RESUMES;

	for (int i = 0; i < 2; i++) {
		if (!end[i].ready || end[i].failed) {
			fail_msg("%s: %s", p->name, end[i].error.text);
		}
		if (end[i].info.resumed != resumed) {
			fail_msg("%s: %s", p->name, resumed ? "not resumed" : "resumed");
		}
	}
	assert_int_equal(end[1].info.peer_authenticated, p->client_known);
}

/* The early data of a session that may not be used is not even offered. */
static void check_early_data(const struct pair *p, const struct end end[2], bool client_differs)
{
	struct enn_info info;

	enn_engine_info(end[0].e, &info);
	if (p->verdict == RESUMES) {
		assert_int_equal(info.early_data, ENN_EARLY_DATA_ACCEPTED);
	} else if (client_differs) {
		assert_int_equal(info.early_data, ENN_EARLY_DATA_NONE);
	} else {
		assert_int_not_equal(info.early_data, ENN_EARLY_DATA_ACCEPTED);
	}
}

static void run_pair(const struct pair *p, bool client_differs)
{
	struct enn_security *client[2];
	struct enn_security *server[2];
	struct end end[2];

	print_message("# %s\n", p->name);
	for (int i = 0; i < 2; i++) {
		client[i] = make_security(&p->client[i], false);
		server[i] = make_security(&p->server[i], true);
	}
	struct session session = make_session(client[0], server[0]);
	connect_ends(end, client[1], server[1], &session);
	if (p->verdict == FAILS) {
		check_refusal(p, end);
	} else {
		check_connection(p, end);
	}
	check_early_data(p, end, client_differs);
	free_ends(end);
	for (int i = 0; i < 2; i++) {
		enn_security_free(client[i]);
		enn_security_free(server[i]);
	}
}

static void test_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(client_pairs) / sizeof(client_pairs[0]); i++) {
		run_pair(&client_pairs[i], true);
	}
}

static void test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(server_pairs) / sizeof(server_pairs[0]); i++) {
		run_pair(&server_pairs[i], false);
	}
}

/* ---- copies, and sessions that were tampered with ------------------------------------------- */

static bool resumes(struct enn_security *client, struct enn_security *server,
		    const struct session *session)
{
	struct end end[2];

	connect_ends(end, client, server, session);
	assert_true(end[0].ready && end[1].ready);
	bool resumed = end[0].info.resumed;
	assert_int_equal(end[1].info.resumed, resumed);
	free_ends(end);
	return resumed;
}

static void test_copies(void **state)
{
	const struct side strict = {.a = true, .crl = CLEAN_CRL};
	const struct side plain = PLAIN;
	struct enn_security *client = make_security(&strict, false);
	struct enn_security *server = make_security(&plain, true);

	(void)state;
	struct session session = make_session(client, server);
	struct enn_security *copy = enn_security_copy(client);
	struct enn_security *server_copy = enn_security_copy(server);
	assert_true(resumes(copy, server_copy, &session));

	/* the copy of a frozen object has no rules yet: it may get others */
	struct enn_security *changed = enn_security_copy(client);
	MUST(enn_security_set_bool(changed, ENN_SECURITY_CHECK_NAME, false));
	assert_false(resumes(changed, server, &session));
	struct enn_security *more = enn_security_copy(client);
	trust(more, authority[1]);
	assert_false(resumes(more, server, &session));
	assert_true(resumes(client, server, &session));

	enn_security_free(more);
	enn_security_free(changed);
	enn_security_free(server_copy);
	enn_security_free(copy);
	enn_security_free(server);
	enn_security_free(client);
}

/* A session is a client's own file, but one of an earlier format or with any other rules in it is not
 * used, and is not an error. */
static void test_blobs(void **state)
{
	const struct side strict = STRICT;
	const struct side plain = PLAIN;
	struct enn_security *client = make_security(&strict, false);
	struct enn_security *server = make_security(&plain, true);

	(void)state;
	struct session session = make_session(client, server);
	struct enn_bytes rules = enn_security_rules(client, false);
	uint8_t *at = memmem(session.data, session.len, rules.data, rules.len);
	assert_non_null(at);
	for (size_t i = 0; i < rules.len; i++) {
		at[i] ^= 0x40;
		assert_false(resumes(client, server, &session));
		at[i] ^= 0x40;
	}
	for (int format = 0; format < 256; format++) {
		uint8_t own = session.data[0];
		session.data[0] = (uint8_t)format;
		assert_int_equal(resumes(client, server, &session), format == own);
		session.data[0] = own;
	}
	enn_security_free(server);
	enn_security_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_blobs),
	};
	return cmocka_run_group_tests_name("tls_session_rules", tests, open_world, close_world);
}
