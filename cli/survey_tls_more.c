/* SPDX-License-Identifier: Apache-2.0
 *
 * What TLS has here besides the features of the survey's table, proved in the same way.
 */
#include <openssl/pem.h>
#include <string.h>

#include "certificate.h"
#include "survey_tls.h"

#define RECORD_HEADER 5

static const struct tls_pki *pki(const struct survey *s)
{
	return s->fixture;
}

static const struct tls_end nobody = {.own = NULL};

/* A pair under parameters that the check has changed; takes them over. */
static struct survey_pair *settle(struct survey *s, struct enn_security *client,
				  struct enn_security *server, const char *name)
{
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, name, NULL);

	enn_security_free(client);
	enn_security_free(server);
	if (p != NULL) {
		survey_pair_settle(p);
	}
	return p;
}

static void expect(struct survey *s, struct survey_pair *p, bool ready, enum enn_reason reason,
		   const char *otherwise)
{
	if (p != NULL) {
		bool refused = p->side[0].events[ENN_EVENT_FAILED] == 1 &&
			       p->side[0].error.reason == reason;
		(void)survey_expect(s, ready ? tls_ready(p) : !tls_ready(p) && refused, otherwise);
	}
	survey_pair_free(p);
}

/* ---- TLS 1.2 and the size of records ------------------------------------------------------------------ */

static void tls12(struct survey *s)
{
	const struct tls_end both = {.own = &pki(s)->server};
	const struct tls_end old = {.own = &pki(s)->server,
				    .setting = {"protocolVersion", "TLSv1.2"}};
	const struct tls_end only = {.setting = {"protocolVersion", "TLSv1.3"}};
	struct survey_pair *p = tls_connect(s, &nobody, &old);
	struct survey_pair *newest = tls_connect(s, &nobody, &both);

	if (p != NULL && newest != NULL) {
		struct enn_info info = tls_info(p, 0);
		(void)survey_expect(s,
				    tls_ready(p) && info.version_code == 0x0303 &&
					    info.extended_main_secret && info.peer_authenticated,
				    "TLS 1.2 with extended main secret did not come about");
		(void)survey_expect(s, tls_info(newest, 0).version_code == 0x0304,
				    "sides that both have TLS 1.3 did not choose it");
		survey_tell(s,
			    "%s with extended main secret; TLS 1.3 where both have it, refused "
			    "where one insists on it",
			    info.cipher);
	}
	survey_pair_free(p);
	survey_pair_free(newest);
	p = tls_connect(s, &only, &old);
	if (p != NULL) {
		(void)survey_expect(s, !tls_ready(p) && p->side[0].error.wire_code == 70,
				    "who insists on TLS 1.3 was not answered protocol_version");
	}
	survey_pair_free(p);
}

static void record_size_limit(struct survey *s)
{
	static const uint8_t data[3000];
	const struct tls_end client = {.setting = {"recordSizeLimit", "512"}};
	const struct tls_end server = {.own = &pki(s)->server};
	struct survey_pair *p = tls_connect(s, &client, &server);
	size_t records = 0;

	if (p != NULL && survey_expect(s, tls_ready(p), "a limit on records was not taken")) {
		cli_ignore(survey_pair_send(p, 1, data, sizeof(data), 0));
		for (size_t i = 0; i < p->side[1].out_count; i++) {
			const struct survey_packet *out = &p->side[1].out[i];
			for (size_t at = 0; at + RECORD_HEADER <= out->len; records++) {
				size_t len = (size_t)out->data[at + 3] << 8 | out->data[at + 4];
				(void)survey_expect(s, len <= 512 + 16,
						    "a record is longer than the client takes");
				at += RECORD_HEADER + len;
			}
		}
		survey_pair_settle(p);
		(void)survey_expect(s, survey_pair_got(p, 0, data, sizeof(data)),
				    "the data did not arrive");
		survey_tell(s, "told to send at most 512: 3000 bytes came in %zu records", records);
	}
	survey_pair_free(p);
}

/* ---- raw public keys and pins --------------------------------------------------------------------- */

/* The public half of a key of the fixture's: SubjectPublicKeyInfo. */
static size_t public_half(EVP_PKEY *key, uint8_t *out, size_t cap)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	size_t n = len > 0 && (size_t)len <= cap ? (size_t)len : 0;

	memcpy(out, der == NULL ? out : der, n);
	OPENSSL_free(der);
	return n;
}

static struct enn_security *raw_server(struct survey *s)
{
	struct enn_security *server = tls_security(s, &nobody);
	struct enn_credential *key = NULL;
	const struct tls_identity *id = &pki(s)->server;

	if (server != NULL &&
	    survey_expect(
		    s, enn_credential_raw_key_pem(id->key_pem, id->key_len, &key, NULL) == ENN_OK,
		    "a raw key cannot be used")) {
		(void)survey_expect(s, enn_security_add_credential(server, key) == ENN_OK,
				    "a raw key was not taken");
	}
	enn_credential_free(key);
	return server;
}

static struct enn_security *raw_client(struct survey *s, EVP_PKEY *trusted)
{
	struct enn_security *client = enn_security_new();
	uint8_t spki[256];
	size_t len = public_half(trusted, spki, sizeof(spki));

	(void)survey_expect(
		s, client != NULL && enn_security_trust_raw_key(client, spki, len, NULL) == ENN_OK,
		"a raw public key cannot be trusted");
	return client;
}

static void raw_public_keys(struct survey *s)
{
	struct survey_pair *p =
		settle(s, raw_client(s, pki(s)->server.key), raw_server(s), SURVEY_TLS_NAME);

	if (p != NULL) {
		(void)survey_expect(s, tls_ready(p) && tls_info(p, 0).peer_raw_key,
				    "a trusted raw public key was not accepted");
	}
	survey_pair_free(p);
	expect(s,
	       settle(s, raw_client(s, pki(s)->other_server.key), raw_server(s), SURVEY_TLS_NAME),
	       false, ENN_REASON_CERT_KEY_UNKNOWN, "an unknown raw public key was accepted");
	survey_tell(s, "a server showed a bare key: the trusted one accepted, another refused");
}

static void pins(struct survey *s)
{
	const struct tls_end end = {.own = &pki(s)->server};
	EVP_PKEY *const keys[2] = {pki(s)->ca.key, pki(s)->other_ca.key};

	for (int right = 0; right < 2; right++) {
		struct enn_security *client = tls_security(s, &nobody);
		char pin[CERTIFICATE_PIN];
		uint8_t spki[256];
		size_t len = public_half(keys[right == 0], spki, sizeof(spki));
		(void)survey_expect(s,
				    client != NULL && certificate_key_pin(spki, len, pin) &&
					    enn_security_pin_text(client, pin, NULL) == ENN_OK,
				    "a pin was not taken");
		expect(s, settle(s, client, tls_security(s, &end), SURVEY_TLS_NAME), right == 1,
		       ENN_REASON_CERT_PIN_MISMATCH,
		       right == 1 ? "a chain with the pinned key was refused"
				  : "a trusted chain without the pinned key was accepted");
	}
	survey_tell(s, "the authority's key pinned: accepted; another's: the same chain refused");
}

/* ---- certificates ------------------------------------------------------------------------------------ */

/* One certificate hardly shrinks; with its issuer's, which has much in common with it, it does. */
static bool with_issuer(const struct tls_pki *from, struct tls_identity *out, char *text,
			size_t cap)
{
	size_t len = from->server.chain_len;

	if (len + from->ca.chain_len > cap) {
		return false;
	}
	memcpy(text, from->server.chain_pem, len);
	memcpy(text + len, from->ca.chain_pem, from->ca.chain_len);
	*out = from->server;
	out->chain_pem = text;
	out->chain_len = len + from->ca.chain_len;
	return true;
}

static void certificate_compression(struct survey *s)
{
	char text[8192];
	struct tls_identity both;
	const struct tls_end server = {
		.own = with_issuer(pki(s), &both, text, sizeof(text)) ? &both : NULL};
	const struct tls_end none = {.setting = {"certificateCompression", "none"}};
	struct survey_pair *p = tls_connect(s, &nobody, &server);
	struct survey_pair *plain = tls_connect(s, &none, &server);

	if (p != NULL && plain != NULL) {
		struct enn_info info = tls_info(p, 0);
		(void)survey_expect(
			s, tls_ready(p) && tls_ready(plain) && info.certificate_compression != NULL,
			"no certificate came compressed");
		(void)survey_expect(s, tls_info(plain, 0).certificate_compression == NULL,
				    "a certificate came compressed that nobody asked for");
		survey_tell(s, "the certificate came in %s, and plainly where none was offered",
			    info.certificate_compression);
	}
	survey_pair_free(p);
	survey_pair_free(plain);
}

/* ---- keys --------------------------------------------------------------------------------------------- */

static bool export_key(const struct survey_pair *p, int side, const char *label, uint8_t out[32])
{
	return enn_engine_export_key(p->side[side].engine, label, NULL, 0, false, out, 32) ==
	       ENN_OK;
}

static void key_export(struct survey *s)
{
	const struct tls_end server = {.own = &pki(s)->server};
	struct survey_pair *p = tls_connect(s, &nobody, &server);
	struct survey_pair *q = tls_connect(s, &nobody, &server);
	uint8_t key[4][32];

	if (p != NULL && q != NULL) {
		bool good = export_key(p, 0, "EXPORTER-one", key[0]) &&
			    export_key(p, 1, "EXPORTER-one", key[1]) &&
			    export_key(p, 0, "EXPORTER-two", key[2]) &&
			    export_key(q, 0, "EXPORTER-one", key[3]);
		(void)survey_expect(s, good && memcmp(key[0], key[1], 32) == 0,
				    "the sides do not export the same");
		(void)survey_expect(
			s, memcmp(key[0], key[2], 32) != 0 && memcmp(key[0], key[3], 32) != 0,
			"another label, or another connection, exports the same");
		survey_tell(s, "equal on both sides; other for another label and connection");
	}
	survey_pair_free(p);
	survey_pair_free(q);
}

static void key_update(struct survey *s)
{
	static const char text[] = "under new keys";
	const struct tls_end server = {.own = &pki(s)->server};
	struct survey_pair *p = tls_connect(s, &nobody, &server);

	if (p != NULL) {
		(void)survey_expect(s, enn_engine_rekey(p->side[0].engine, p->now, true) == ENN_OK,
				    "the keys cannot be renewed");
		survey_pair_settle(p);
		cli_ignore(survey_pair_send(p, 0, text, sizeof(text), 0));
		survey_pair_settle(p);
		(void)survey_expect(s,
				    survey_pair_got(p, 1, text, sizeof(text)) &&
					    tls_info(p, 0).keys_sent == 1 &&
					    tls_info(p, 0).keys_received == 1,
				    "the keys of both directions were not renewed");
		survey_tell(s, "both directions renewed on request, and data came through");
	}
	survey_pair_free(p);
}

/* ---- policy ----------------------------------------------------------------------------------------------- */

static void algorithm_policy(struct survey *s)
{
	const struct tls_end end = {.own = &pki(s)->server};
	struct enn_security *client = tls_security(s, &nobody);
	struct enn_security *server = tls_security(s, &end);
	char text[256] = "";

	(void)survey_expect(s,
			    client != NULL && server != NULL &&
				    enn_security_set_policy(client, "fips-like", NULL) == ENN_OK &&
				    enn_security_set_policy(server, "modern:!P-256", NULL) ==
					    ENN_OK &&
				    enn_security_policy_text(client, text, sizeof(text)) > 0,
			    "a policy was not taken");
	struct survey_pair *p = settle(s, client, server, SURVEY_TLS_NAME);
	if (p != NULL) {
		struct enn_info info = tls_info(p, 0);
		(void)survey_expect(s,
				    tls_ready(p) && strcmp(info.key_exchange, "P-384") == 0 &&
					    strstr(info.cipher, "AES") != NULL,
				    "what was agreed is not what both policies allow");
		survey_tell(s, "%s with modern:!P-256 agreed on %s and %s", text, info.cipher,
			    info.key_exchange);
	}
	survey_pair_free(p);
}

/* ---- Encrypted ClientHello ---------------------------------------------------------------------------------- */

/* A key and its configuration, as PEM for the server and as a list for the client. */
static bool make_ech(struct enn_security *server, struct enn_security *client,
		     enum enn_status *status)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	BIO *out = BIO_new(BIO_s_mem());
	uint8_t open_key[32];
	size_t len = sizeof(open_key);
	uint8_t list[512];
	char *pem = NULL;
	bool good =
		key != NULL && out != NULL && EVP_PKEY_get_raw_public_key(key, open_key, &len) == 1;
	size_t n = good ? enn_ech_config_make("public.example", 0, 7, open_key, list, sizeof(list))
			: 0;

	good = n > 0 && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	       PEM_write_bio(out, "ECHCONFIG", "", list, (long)n) > 0;
	long pem_len = good ? BIO_get_mem_data(out, &pem) : 0;
	*status = good ? enn_security_add_ech_key_pem(server, pem, (size_t)pem_len, NULL)
		       : ENN_E_CRYPTO;
	if (*status == ENN_OK) {
		*status = enn_security_set_ech_configs(client, list, n, NULL);
	}
	BIO_free(out);
	EVP_PKEY_free(key);
	return *status == ENN_OK;
}

/* ---- what else a handshake can have ---------------------------------------------------------------------- */

/* Asks the client of a connection that is there; true if it showed who it is. */
static bool ask_later(struct survey *s, const struct tls_identity *own)
{
	const struct tls_end client = {.own = own, .setting = {"postHandshakeAuth", "true"}};
	const struct tls_end server = {.own = &pki(s)->server};
	struct survey_pair *p = tls_connect(s, &client, &server);
	bool shown = false;

	if (p != NULL &&
	    survey_expect(s, tls_ready(p) && !tls_info(p, 1).peer_authenticated,
			  "a client could not connect without a certificate") &&
	    survey_expect(s, enn_engine_request_peer(p->side[1].engine, p->now) == ENN_OK,
			  "the client cannot be asked")) {
		survey_pair_settle(p);
		shown = p->side[1].events[ENN_EVENT_PEER_AUTHENTICATED] == 1 &&
			tls_info(p, 1).peer_authenticated;
	}
	survey_pair_free(p);
	return shown;
}

static void asked_later(struct survey *s)
{
	bool right = ask_later(s, &pki(s)->client);
	bool wrong = ask_later(s, &pki(s)->other_client);
	bool none = ask_later(s, NULL);

	(void)survey_expect(s, right, "a client's certificate was not taken after the handshake");
	(void)survey_expect(s, !wrong && !none, "a stranger passed for somebody");
	survey_tell(s, "a connected client showed its certificate when asked; a stranger's was "
		       "refused, and none counted for none");
}

static void hybrid_groups(struct survey *s)
{
	static const char hybrid[] = "X25519MLKEM768";
	const struct tls_end client = {.setting = {"supportedGroup", hybrid}};
	const struct tls_end server = {.own = &pki(s)->server};
	struct enn_security *probe = enn_security_new();

	if (probe != NULL && enn_security_parse(probe, "supportedGroup", hybrid, NULL) != ENN_OK) {
		survey_absent(s, "needs ML-KEM, which libcrypto has since 3.5");
		enn_security_free(probe);
		return;
	}
	enn_security_free(probe);
	struct survey_pair *p = tls_connect(s, &client, &server);
	if (p != NULL) {
		const char *group = tls_info(p, 0).key_exchange;
		(void)survey_expect(s, tls_ready(p) && group != NULL && strcmp(group, hybrid) == 0,
				    "a hybrid group was not agreed on");
		survey_tell(s, "%s agreed on by default of the server", hybrid);
	}
	survey_pair_free(p);
}

static void legacy_cbc(struct survey *s)
{
	static const char suite[] = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256";
	const struct tls_end client = {.setting = {"ciphersuite", suite, "legacyCbc", "true",
						   "protocolVersion", "TLSv1.2"}};
	const struct tls_end server = {.own = &pki(s)->server,
				       .setting = {"ciphersuite", suite, "legacyCbc", "true"}};
	const struct tls_end plain = {.own = &pki(s)->server};
	struct survey_pair *p = tls_connect(s, &client, &server);

	if (p != NULL) {
		(void)survey_expect(s, tls_ready(p) && tls_info(p, 0).encrypt_then_mac,
				    "CBC with encrypt-then-MAC was not agreed on");
	}
	survey_pair_free(p);
	expect(s, tls_connect(s, &client, &plain), false, ENN_REASON_NO_SHARED_PARAMETERS,
	       "CBC was agreed on though nobody had allowed it");
	survey_tell(s, "%s where both sides allow it, refused by default", suite);
}

static void encrypted_hello(struct survey *s)
{
	const struct tls_end end = {.own = &pki(s)->server};
	struct enn_security *client = tls_security(s, &nobody);
	struct enn_security *server = tls_security(s, &end);
	enum enn_status status = ENN_E_MEMORY;

	if (client == NULL || server == NULL || !make_ech(server, client, &status)) {
		if (status == ENN_E_UNSUPPORTED) {
			survey_absent(s, "needs HPKE, which libcrypto has since 3.2");
		} else {
			survey_refute(s, "no key could be made");
		}
		enn_security_free(client);
		enn_security_free(server);
		return;
	}
	struct survey_pair *p = tls_pair(s, ENN_SECOND, client, server, SURVEY_TLS_NAME, NULL);
	if (p != NULL) {
		survey_pair_run(p, 0);
		bool hidden = !survey_pair_shows(p, 0, SURVEY_TLS_NAME, strlen(SURVEY_TLS_NAME)) &&
			      survey_pair_shows(p, 0, "public.example", 14);
		survey_pair_settle(p);
		(void)survey_expect(s, hidden, "the name is on the wire in clear");
		(void)survey_expect(s,
				    tls_ready(p) && tls_info(p, 0).ech_accepted &&
					    strcmp(tls_info(p, 1).server_name, SURVEY_TLS_NAME) ==
						    0,
				    "the server did not read the encrypted name");
		survey_tell(s, "the wire showed public.example only; the server knew the name");
	}
	survey_pair_free(p);
	enn_security_free(client);
	enn_security_free(server);
}

const struct survey_more survey_tls_more[] = {
	{"TLS 1.2 (RFC 5246, 7627)", tls12},
	{"Record size limit (RFC 8449)", record_size_limit},
	{"Raw public keys (RFC 7250)", raw_public_keys},
	{"Public key pins (RFC 7469)", pins},
	{"Certificate compression (RFC 8879)", certificate_compression},
	{"Key export (RFC 5705)", key_export},
	{"Key update (RFC 8446)", key_update},
	{"Algorithm policies", algorithm_policy},
	{"Encrypted ClientHello (RFC 9849)", encrypted_hello},
	{"Clients asked later (RFC 8446 4.6.2)", asked_later},
	{"Hybrid key exchange (ML-KEM)", hybrid_groups},
	{"CBC with encrypt-then-MAC (RFC 7366)", legacy_cbc},
	{NULL, NULL},
};
