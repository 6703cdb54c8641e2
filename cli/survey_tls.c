/* SPDX-License-Identifier: Apache-2.0
 *
 * The survey's features of TLS 1.3, on connections in memory.
 */
#include "survey_tls.h"

#include <string.h>

#define RECORD_HEADER		      5
#define KEY_SHARE		      51 /* RFC 8446 §4.2.8 */
#define GREASE			      0x0a0a
#define ALERT_BAD_RECORD_MAC	      20
#define ALERT_DECRYPT_ERROR	      51
#define ALERT_ILLEGAL_PARAMETER	      47
#define ALERT_NO_APPLICATION_PROTOCOL 120
#define COOKIE			      44 /* RFC 8446 §4.2.2 */
#define COOKIE_LIFETIME		      (60 * ENN_SECOND)

static const char secret_text[] = "nobody may read this";

static const struct tls_pki *pki(const struct survey *s)
{
	return s->fixture;
}

/* A server and a client as they are by default. */
static struct tls_end server_of(const struct survey *s)
{
	return (struct tls_end){.own = &pki(s)->server};
}

static struct survey_pair *connect_plain(struct survey *s)
{
	const struct tls_end server = server_of(s);
	struct survey_pair *p = tls_connect(s, &(struct tls_end){.own = NULL}, &server);

	if (p != NULL && !survey_expect(s, tls_ready(p), "a plain connection did not come about")) {
		survey_pair_free(p);
		return NULL;
	}
	return p;
}

/* Connects, and expects this side to fail for this reason. */
static void expect_refusal(struct survey *s, const struct tls_end *client,
			   const struct tls_end *server, int side, enum enn_reason reason,
			   const char *otherwise)
{
	struct survey_pair *p = tls_connect(s, client, server);

	if (p != NULL) {
		(void)survey_expect(s,
				    !tls_ready(p) && p->side[side].events[ENN_EVENT_FAILED] == 1 &&
					    p->side[side].error.reason == reason,
				    otherwise);
	}
	survey_pair_free(p);
}

/* ---- mandatory features ------------------------------------------------------------------------- */

/* One connection, one record, one changed byte. */
static void change_byte(struct survey *s, size_t at)
{
	struct survey_pair *p = connect_plain(s);

	if (p == NULL) {
		return;
	}
	cli_ignore(survey_pair_send(p, 0, secret_text, sizeof(secret_text), 0));
	if (survey_expect(s, p->side[0].out_count == 1, "a message was not one record")) {
		(void)survey_expect(s, !survey_pair_shows(p, 0, secret_text, sizeof(secret_text)),
				    "the text is on the wire in clear");
		p->side[0].out[0].data[at] ^= 1;
		survey_pair_settle(p);
		(void)survey_expect(s, p->side[1].inbox_len == 0, "a changed record was taken");
		(void)survey_expect(
			s, at < RECORD_HEADER || p->side[1].error.wire_code == ALERT_BAD_RECORD_MAC,
			"a changed record was not answered with bad_record_mac");
	}
	survey_pair_free(p);
}

static void authenticated_encryption(struct survey *s)
{
	struct survey_pair *p = connect_plain(s);
	size_t len = 0;

	if (p == NULL) {
		return;
	}
	cli_ignore(survey_pair_send(p, 0, secret_text, sizeof(secret_text), 0));
	len = p->side[0].out[0].len;
	survey_pair_settle(p);
	(void)survey_expect(s, survey_pair_got(p, 1, secret_text, sizeof(secret_text)),
			    "a message did not arrive");
	for (size_t at = 0; at < len && !s->refuted; at++) {
		change_byte(s, at);
	}
	survey_tell(s, "%s: a change of each of a record's %zu bytes was refused",
		    tls_info(p, 0).cipher, len);
	survey_pair_free(p);
}

/* Copies the key share of both sides, with the connection under way. */
static void shake_hands(struct survey_pair *p, uint8_t share[2][SURVEY_PACKET])
{
	for (int i = 0; i < 2; i++) {
		struct tls_field field = {NULL, 0};
		survey_pair_run(p, i);
		if (survey_expect(p->survey,
				  p->side[i].out_count > 0 &&
					  tls_extension(&p->side[i].out[0], i, KEY_SHARE, &field),
				  "a hello has no key share")) {
			memcpy(share[i], field.data, field.len);
		}
		survey_pair_deliver(p, 1 - i);
	}
	survey_pair_settle(p);
}

static void export_key(struct survey_pair *p, uint8_t key[32])
{
	(void)survey_expect(p->survey,
			    enn_engine_export_key(p->side[0].engine, "EXPORTER-survey", NULL, 0,
						  false, key, 32) == ENN_OK,
			    "no key could be exported");
}

static void forward_secrecy(struct survey *s)
{
	static uint8_t share[2][2][SURVEY_PACKET];
	uint8_t key[2][32] = {{0}};
	const struct tls_end end = server_of(s);
	struct enn_security *client = tls_security(s, &(struct tls_end){.own = NULL});
	struct enn_security *server = tls_security(s, &end);
	struct survey_pair *first = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	struct survey_pair *second = NULL;

	memset(share, 0, sizeof(share));
	if (first != NULL) {
		shake_hands(first, share[0]);
		export_key(first, key[0]);
		second = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, &first->side[0]);
	}
	if (second != NULL) {
		shake_hands(second, share[1]);
		export_key(second, key[1]);
		(void)survey_expect(s, tls_info(second, 1).resumed, "no session was resumed");
		(void)survey_expect(s, tls_info(second, 1).key_exchange != NULL,
				    "a resumed connection had no key exchange");
		(void)survey_expect(s,
				    memcmp(share[0][0], share[1][0], SURVEY_PACKET) != 0 &&
					    memcmp(share[0][1], share[1][1], SURVEY_PACKET) != 0,
				    "an ephemeral key was used twice");
		(void)survey_expect(s, memcmp(key[0], key[1], 32) != 0,
				    "two connections have the same keys");
		survey_tell(s,
			    "%s: new key shares of both sides in each connection, resumed ones too",
			    tls_info(second, 1).key_exchange);
	}
	survey_pair_free(first);
	survey_pair_free(second);
	enn_security_free(client);
	enn_security_free(server);
}

/* The application signs, with the key in answer_ctx (ecdsa_secp256r1_sha256). */
static void sign(struct survey_side *side, enn_time now, const struct enn_event *event)
{
	uint8_t signature[128];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct enn_answer answer = {.type = ENN_ANSWER_SIGNATURE, .data = signature};

	answer.accept = event->type == ENN_EVENT_WANT_IDENTITY && ctx != NULL &&
			EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, side->answer_ctx) == 1 &&
			EVP_DigestSign(ctx, signature, &len, event->u.sign.input,
				       event->u.sign.input_len) == 1;
	answer.len = len;
	EVP_MD_CTX_free(ctx);
	cli_ignore(enn_engine_answer(side->engine, now, &answer));
}

/* A server that shows its certificate and signs with `key`. */
static struct survey_pair *connect_signing(struct survey *s, EVP_PKEY *key)
{
	const struct tls_end end = {.own = &pki(s)->server, .key_elsewhere = true};
	struct enn_security *client = tls_security(s, &(struct tls_end){.own = NULL});
	struct enn_security *server = tls_security(s, &end);
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);

	enn_security_free(client);
	enn_security_free(server);
	if (p != NULL) {
		p->side[1].answer = sign;
		p->side[1].answer_ctx = key;
		survey_pair_settle(p);
	}
	return p;
}

static void public_key_authentication(struct survey *s)
{
	struct survey_pair *right = connect_signing(s, pki(s)->server.key);
	struct survey_pair *wrong = connect_signing(s, pki(s)->other_server.key);

	if (right != NULL && wrong != NULL) {
		(void)survey_expect(s, tls_ready(right) && tls_info(right, 0).peer_authenticated,
				    "the right key was refused");
		(void)survey_expect(s, wrong->side[0].events[ENN_EVENT_READY] == 0,
				    "a signature by another key was accepted");
		(void)survey_expect(s,
				    wrong->side[1].events[ENN_EVENT_WANT_IDENTITY] == 1 &&
					    wrong->side[0].error.wire_code == ALERT_DECRYPT_ERROR,
				    "another key's signature was not answered with decrypt_error");
		survey_tell(s,
			    "%s verified; the same certificate with another key's signature: "
			    "decrypt_error",
			    tls_info(right, 0).signature);
	}
	survey_pair_free(right);
	survey_pair_free(wrong);
}

static void responder_authentication(struct survey *s)
{
	const struct tls_end client = {.own = NULL};
	const struct tls_end right = server_of(s);
	const struct tls_end wrong = {.own = &pki(s)->other_server};
	struct enn_security *c = tls_security(s, &client);
	struct enn_security *d = tls_security(s, &right);
	struct survey_pair *p = tls_pair(s, ENN_SECOND, c, d, "other.example", NULL);

	if (p != NULL) {
		survey_pair_settle(p);
		(void)survey_expect(s, p->side[0].error.reason == ENN_REASON_CERT_NAME_MISMATCH,
				    "a certificate for another name was accepted");
	}
	survey_pair_free(p);
	enn_security_free(c);
	enn_security_free(d);
	expect_refusal(s, &client, &wrong, 0, ENN_REASON_CERT_UNKNOWN_ISSUER,
		       "a certificate of an unknown authority was accepted");
	p = connect_plain(s);
	if (p != NULL) {
		(void)survey_expect(s, tls_info(p, 0).peer_authenticated,
				    "the client did not authenticate the server");
	}
	survey_pair_free(p);
	survey_tell(s,
		    "the right server was accepted; another name and an unknown authority refused");
}

static void preshared_key(struct survey *s)
{
	static const uint8_t one[32] = {1, 2, 3};
	static const uint8_t two[32] = {1, 2, 4};
	const struct tls_end client = {.psk = one};
	const struct tls_end other = {.psk = two};
	struct survey_pair *p = tls_connect(s, &client, &client);

	if (p != NULL) {
		(void)survey_expect(s, tls_ready(p) && tls_info(p, 1).external_psk,
				    "equal keys did not connect");
	}
	survey_pair_free(p);
	p = tls_connect(s, &client, &other);
	if (p != NULL) {
		(void)survey_expect(
			s, !tls_ready(p) && p->side[1].error.wire_code == ALERT_DECRYPT_ERROR,
			"different keys under one identity connected");
	}
	survey_pair_free(p);
	survey_tell(s, "equal keys connected without certificates; a different one: decrypt_error");
}

/* ---- optional features ---------------------------------------------------------------------------- */

static void algorithm_negotiation(struct survey *s)
{
	const struct tls_end any = {.own = NULL};
	const struct tls_end aes = {.setting = {"ciphersuite", "TLS_AES_128_GCM_SHA256"}};
	const struct tls_end chacha = {.own = &pki(s)->server,
				       .setting = {"ciphersuite", "TLS_CHACHA20_POLY1305_SHA256",
						   "supportedGroup", "P-384"}};
	struct survey_pair *p = tls_connect(s, &any, &chacha);

	if (p != NULL) {
		struct enn_info info = tls_info(p, 0);
		if (survey_expect(s, tls_ready(p) && info.hello_retry,
				  "a server with other preferences could not connect")) {
			(void)survey_expect(s,
					    strcmp(info.cipher, "TLS_CHACHA20_POLY1305_SHA256") ==
							    0 &&
						    info.key_exchange != NULL,
					    "the suite is not the one that both have");
			survey_tell(
				s,
				"%s and %s (HelloRetryRequest) agreed; nothing in common: refused",
				info.cipher, info.key_exchange);
		}
	}
	survey_pair_free(p);
	expect_refusal(s, &aes, &chacha, 1, ENN_REASON_NO_SHARED_PARAMETERS,
		       "sides without a common suite connected");
}

static void refuse(struct survey_side *side, enn_time now, const struct enn_event *event)
{
	const struct enn_answer answer = {.type = ENN_ANSWER_PEER, .accept = false};

	(void)event;
	cli_ignore(enn_engine_answer(side->engine, now, &answer));
}

static void authentication_delegation(struct survey *s)
{
	const struct tls_end client_end = {.setting = {"delegatePeer", "true"}};
	const struct tls_end server_end = {.own = &pki(s)->other_server};

	for (int yes = 0; yes < 2; yes++) {
		struct enn_security *client = tls_security(s, &client_end);
		struct enn_security *server = tls_security(s, &server_end);
		struct survey_pair *p =
			tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
		enn_security_free(client);
		enn_security_free(server);
		if (p == NULL) {
			return;
		}
		p->side[0].answer = yes ? NULL : refuse;
		survey_pair_settle(p);
		(void)survey_expect(s, p->side[0].events[ENN_EVENT_VALIDATE_PEER] == 1,
				    "the application was not asked");
		(void)survey_expect(s, tls_ready(p) == (yes == 1),
				    "the application's answer was not heeded");
		survey_pair_free(p);
	}
	survey_tell(
		s,
		"the application was asked about an unknown authority; its yes and its no decided");
}

static void mutual_authentication(struct survey *s)
{
	const struct tls_end server = {.own = &pki(s)->server,
				       .setting = {"requireClient", "true"}};
	const struct tls_end nobody = {.own = NULL};
	const struct tls_end known = {.own = &pki(s)->client};
	const struct tls_end stranger = {.own = &pki(s)->other_client};
	struct survey_pair *p = tls_connect(s, &known, &server);

	if (p != NULL) {
		(void)survey_expect(s, tls_ready(p) && tls_info(p, 1).peer_authenticated,
				    "a client with a certificate was not authenticated");
	}
	survey_pair_free(p);
	p = tls_connect(s, &nobody, &server);
	if (p != NULL) {
		(void)survey_expect(s,
				    p->side[1].events[ENN_EVENT_READY] == 0 &&
					    p->side[1].error.reason == ENN_REASON_CERT_MISSING,
				    "a client without a certificate was accepted");
	}
	survey_pair_free(p);
	p = tls_connect(s, &stranger, &server);
	if (p != NULL) {
		(void)survey_expect(s,
				    p->side[1].events[ENN_EVENT_READY] == 0 &&
					    p->side[1].error.reason ==
						    ENN_REASON_CERT_UNKNOWN_ISSUER,
				    "a client of an unknown authority was accepted");
	}
	survey_pair_free(p);
	survey_tell(
		s,
		"a client's certificate was required: its own was accepted, none and a stranger's "
		"refused");
}

/* What TCP validates, the engine must not spoil by speaking first. */
static void source_validation(struct survey *s)
{
	const struct tls_end end = server_of(s);
	struct enn_security *client = tls_security(s, &(struct tls_end){.own = NULL});
	struct enn_security *server = tls_security(s, &end);
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	struct enn_acceptor *acceptor = NULL;

	if (p != NULL) {
		(void)survey_expect(s,
				    s->protocol->substrate == ENN_SUBSTRATE_BYTE_STREAM &&
					    enn_acceptor_new(s->protocol, &s->env, server,
							     &acceptor, NULL) == ENN_E_UNSUPPORTED,
				    "there is a listener that takes packets from anywhere");
		survey_pair_run(p, 0);
		struct survey_packet hello = p->side[0].out[0];
		hello.len--;
		survey_pair_run(p, 1);
		survey_pair_inject(p, 1, &hello);
		(void)survey_expect(s, p->side[1].out_count == 0,
				    "the server answered less than a ClientHello");
		survey_tell(s, "engines exist for accepted streams only; not a byte before a whole "
			       "ClientHello");
	}
	survey_pair_free(p);
	enn_security_free(client);
	enn_security_free(server);
}

static void application_negotiation(struct survey *s)
{
	const struct tls_end client = {.alpn = {"one", "two", "three"}};
	const struct tls_end server = {.own = &pki(s)->server, .alpn = {"two", "three"}};
	const struct tls_end other = {.own = &pki(s)->server, .alpn = {"four"}};
	struct survey_pair *p = tls_connect(s, &client, &server);

	for (int i = 0; p != NULL && i < 2; i++) {
		struct enn_info info = tls_info(p, i);
		(void)survey_expect(
			s, tls_ready(p) && info.alpn_len == 3 && memcmp(info.alpn, "two", 3) == 0,
			"the sides do not agree on the server's choice");
	}
	survey_pair_free(p);
	p = tls_connect(s, &client, &other);
	if (p != NULL) {
		(void)survey_expect(s, p->side[1].error.wire_code == ALERT_NO_APPLICATION_PROTOCOL,
				    "no common protocol was not an error");
	}
	survey_pair_free(p);
	survey_tell(s, "ALPN: the server's first of three offered was agreed; none in common: "
		       "no_application_protocol");
}

static void configuration_extensions(struct survey *s)
{
	const struct tls_end end = server_of(s);
	struct enn_security *client = tls_security(s, &(struct tls_end){.own = NULL});
	struct enn_security *server = tls_security(s, &end);
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	struct tls_field field;

	if (p != NULL) {
		survey_pair_run(p, 0);
		(void)survey_expect(s,
				    p->side[0].out_count > 0 &&
					    tls_extension(&p->side[0].out[0], 0, GREASE, &field),
				    "the ClientHello has no reserved extension");
		survey_pair_settle(p);
		const char *name = tls_info(p, 1).server_name;
		(void)survey_expect(
			s, tls_ready(p) && name != NULL && strcmp(name, SURVEY_TLS_NAME) == 0,
			"the server does not know the name that was asked for");
		survey_tell(s, "the server read server_name and passed over an extension that "
			       "nobody knows "
			       "(GREASE)");
	}
	survey_pair_free(p);
	enn_security_free(client);
	enn_security_free(server);
}

static void session_cache(struct survey *s)
{
	const struct tls_end end = {.own = &pki(s)->server,
				    .setting = {"cachedSessionLifetimeSeconds", "3600"}};
	struct enn_security *client = tls_security(s, &(struct tls_end){.own = NULL});
	struct enn_security *server = tls_security(s, &end);
	struct survey_pair *first = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	const enn_time later[2] = {60 * ENN_SECOND, 3700 * ENN_SECOND};

	if (first != NULL) {
		survey_pair_settle(first);
		(void)survey_expect(s, tls_ready(first) && !tls_info(first, 1).resumed,
				    "the first connection is no full one");
	}
	for (int i = 0; first != NULL && i < 2; i++) {
		struct survey_pair *p =
			tls_pair(s, later[i], client, server, SURVEY_TLS_NAME, &first->side[0]);
		if (p != NULL) {
			survey_pair_settle(p);
			bool resumed = tls_info(p, 0).resumed && tls_info(p, 1).resumed;
			(void)survey_expect(s, tls_ready(p) && resumed == (i == 0),
					    i == 0 ? "a session was not resumed"
						   : "a session was resumed after its lifetime");
		}
		survey_pair_free(p);
	}
	survey_tell(
		s,
		"a session was resumed after a minute, and no more after its lifetime of an hour");
	survey_pair_free(first);
	enn_security_free(client);
	enn_security_free(server);
}

/* The bytes on the wire of a message of len bytes. */
static size_t size_on_wire(struct survey_pair *p, size_t len)
{
	static const uint8_t zeros[256];
	size_t size = 0;

	cli_ignore(survey_pair_send(p, 0, zeros, len, 0));
	for (size_t i = 0; i < p->side[0].out_count; i++) {
		size += p->side[0].out[i].len;
	}
	survey_pair_settle(p);
	(void)survey_expect(p->survey, survey_pair_got(p, 1, zeros, len),
			    "a message did not arrive as it was");
	return size;
}

static void length_hiding_padding(struct survey *s)
{
	const struct tls_end server = server_of(s);
	const struct tls_end client = {.setting = {"padding", "256"}};
	struct survey_pair *plain = connect_plain(s);
	struct survey_pair *padded = tls_connect(s, &client, &server);

	if (plain != NULL && padded != NULL) {
		(void)survey_expect(s, size_on_wire(plain, 1) != size_on_wire(plain, 200),
				    "records are padded without being asked to");
		size_t size = size_on_wire(padded, 1);
		(void)survey_expect(s, size == size_on_wire(padded, 200),
				    "messages of 1 and 200 bytes can be told apart");
		survey_tell(
			s,
			"with padding=256, messages of 1 and 200 bytes were both %zu on the wire",
			size);
	}
	survey_pair_free(plain);
	survey_pair_free(padded);
}

/* The client's first flight once more, to another engine of the same server. */
static void replay_flight(struct survey *s, struct enn_security *client,
			  struct enn_security *server, const struct survey_side *flight)
{
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);

	if (p == NULL) {
		return;
	}
	for (size_t i = 0; i < flight->out_count; i++) {
		survey_pair_inject(p, 1, &flight->out[i]);
	}
	(void)survey_expect(s, p->side[1].inbox_len == 0, "early data was delivered twice");
	survey_pair_free(p);
}

static void early_data(struct survey *s)
{
	const struct tls_end client_end = {.setting = {"earlyData", "true"}};
	const struct tls_end server_end = {.own = &pki(s)->server,
					   .setting = {"earlyData", "true"}};
	struct enn_security *client = tls_security(s, &client_end);
	struct enn_security *server = tls_security(s, &server_end);
	struct survey_pair *first = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	struct survey_pair *p = NULL;
	static struct survey_side flight;

	if (first != NULL) {
		survey_pair_settle(first);
		p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, &first->side[0]);
	}
	if (p != NULL) {
		cli_ignore(survey_pair_send(p, 0, secret_text, sizeof(secret_text),
					    ENN_MESSAGE_EARLY));
		flight = p->side[0];
		survey_pair_deliver(p, 1);
		(void)survey_expect(s, p->side[1].events[ENN_EVENT_READY] == 0,
				    "the server was ready before the client had answered");
		(void)survey_expect(s,
				    (p->side[1].flags & ENN_MESSAGE_WAS_EARLY) != 0 &&
					    survey_pair_got(p, 1, secret_text, sizeof(secret_text)),
				    "early data was not delivered and marked as such");
		survey_pair_settle(p);
		(void)survey_expect(s, tls_ready(p) && p->side[0].early_accepted,
				    "the client was not told that early data was accepted");
		replay_flight(s, client, server, &flight);
	}
	survey_tell(
		s,
		"data came with the first flight and was marked; the same flight replayed brought "
		"none");
	survey_pair_free(first);
	survey_pair_free(p);
	enn_security_free(client);
	enn_security_free(server);
}

/* ---- DoS mitigation ------------------------------------------------------------------------------ */

/* A server in another process, as far as engines go: all that it has of the first is the parameters. Its
 * carrier says where the client is. */
static bool replace_server(struct survey_pair *p, struct enn_security *server)
{
	const struct enn_engine_options at = {
		.path = {.local = p->side[1].address, .remote = p->side[0].address}};

	enn_engine_free(p->side[1].engine);
	p->side[1].engine = NULL;
	return survey_expect(p->survey,
			     enn_engine_new_server(p->survey->protocol, &p->survey->env, server,
						   &at, &p->side[1].engine, NULL) == ENN_OK &&
				     enn_engine_start(p->side[1].engine, p->now) == ENN_OK,
			     "another server could not be made");
}

/* A first hello, the server's answer to it, and the second hello waiting on the wire for a server that knows
 * nothing of either. */
static struct survey_pair *ask_for_cookie(struct survey *s, struct enn_security *client,
					  struct enn_security *server, size_t *answer)
{
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	struct tls_field cookie = {NULL, 0};

	if (p == NULL || !replace_server(p, server)) {
		survey_pair_free(p);
		return NULL;
	}
	survey_pair_run(p, 0);
	survey_pair_deliver(p, 1);
	*answer = p->side[1].out_count > 0 ? p->side[1].out[0].len : 0;
	(void)survey_expect(s,
			    p->side[1].out_count == 1 &&
				    tls_extension(&p->side[1].out[0], 1, COOKIE, &cookie),
			    "the first hello was not answered with a cookie alone");
	survey_pair_deliver(p, 0);
	return p;
}

/* The second hello comes in a way that must not work. */
enum cookie_case { COOKIE_CHANGED, COOKIE_ELSEWHERE, COOKIE_LATE, COOKIE_CASES };

static void misuse_cookie(struct survey *s, struct enn_security *client,
			  struct enn_security *server, enum cookie_case which)
{
	static const char *const taken[] = {"a changed cookie was taken",
					    "a cookie was good from another address",
					    "a cookie was good after its minute"};
	size_t answer = 0;
	struct survey_pair *p = ask_for_cookie(s, client, server, &answer);

	if (p == NULL) {
		return;
	}
	struct survey_packet *second = &p->side[0].out[0];
	struct tls_field cookie = {NULL, 0};
	if (survey_expect(s, tls_extension(second, 0, COOKIE, &cookie),
			  "the second hello has no cookie")) {
		if (which == COOKIE_CHANGED) {
			second->data[(size_t)(cookie.data - second->data) + cookie.len - 1] ^= 1;
		} else if (which == COOKIE_ELSEWHERE) {
			p->side[0].address.ip[0] ^= 1;
		} else {
			p->now += COOKIE_LIFETIME;
		}
		if (replace_server(p, server)) {
			survey_pair_deliver(p, 1);
		}
		(void)survey_expect(s,
				    p->side[1].error.wire_code == ALERT_ILLEGAL_PARAMETER &&
					    p->side[1].error.origin == ENN_ORIGIN_LOCAL,
				    taken[which]);
	}
	survey_pair_free(p);
}

/* Proof of origin by cookie (§5.2): until the client has brought it back nothing is kept of it, and no key was
 * made and nothing signed for it. */
static void dos_mitigation(struct survey *s)
{
	/* A server that saw no first hello expects no dummy change_cipher_spec before the second. */
	const struct tls_end client_end = {.setting = {"middleboxCompatibility", "false"}};
	const struct tls_end server_end = {
		.own = &pki(s)->server,
		.setting = {"helloRetryCookie", "true", "middleboxCompatibility", "false"}};
	struct enn_security *client = tls_security(s, &client_end);
	struct enn_security *server = tls_security(s, &server_end);
	struct survey_pair *p = NULL;
	size_t answer = 0;

	if (client != NULL && server != NULL) {
		p = ask_for_cookie(s, client, server, &answer);
	}
	if (p != NULL && replace_server(p, server)) {
		survey_pair_deliver(p, 1);
		survey_pair_settle(p);
		(void)survey_expect(s, tls_ready(p) && tls_info(p, 1).hello_retry,
				    "a server that knew nothing but the cookie did not go on");
		for (int i = 0; i < COOKIE_CASES && !s->refuted; i++) {
			misuse_cookie(s, client, server, (enum cookie_case)i);
		}
		survey_tell(s,
			    "answer of %zu bytes; a server that saw the second hello only went on; "
			    "a changed cookie, one from another address and an old one refused",
			    answer);
	}
	survey_pair_free(p);
	enn_security_free(client);
	enn_security_free(server);
}

const struct survey_subject survey_tls = {
	.id = ENN_PROTOCOL_TLS,
	.open = tls_pki_open,
	.close = tls_pki_close,
	.check =
		{
			[ENN_FEATURE_AUTHENTICATED_ENCRYPTION] = authenticated_encryption,
			[ENN_FEATURE_FORWARD_SECRECY] = forward_secrecy,
			[ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION] = public_key_authentication,
			[ENN_FEATURE_RESPONDER_AUTHENTICATION] = responder_authentication,
			[ENN_FEATURE_PRE_SHARED_KEY] = preshared_key,
			[ENN_FEATURE_ALGORITHM_NEGOTIATION] = algorithm_negotiation,
			[ENN_FEATURE_AUTHENTICATION_DELEGATION] = authentication_delegation,
			[ENN_FEATURE_MUTUAL_AUTHENTICATION] = mutual_authentication,
			[ENN_FEATURE_DOS_MITIGATION] = dos_mitigation,
			[ENN_FEATURE_SOURCE_VALIDATION] = source_validation,
			[ENN_FEATURE_APPLICATION_NEGOTIATION] = application_negotiation,
			[ENN_FEATURE_CONFIGURATION_EXTENSIONS] = configuration_extensions,
			[ENN_FEATURE_SESSION_CACHE] = session_cache,
			[ENN_FEATURE_LENGTH_HIDING_PADDING] = length_hiding_padding,
			[ENN_FEATURE_EARLY_DATA] = early_data,
		},
	.substrate = {[ENN_FEATURE_SOURCE_VALIDATION] = "by TCP"},
	.more = survey_tls_more,
};
