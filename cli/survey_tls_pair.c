/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and connections for the checks of TLS.
 */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "keygen.h"
#include "survey_tls.h"

/* ---- certificates ---------------------------------------------------------------------------- */

/* Takes what was written to a BIO and frees it. */
static char *text_of(BIO *bio, bool good, size_t *len)
{
	char *data = NULL;
	long n = good ? BIO_get_mem_data(bio, &data) : 0;
	char *copy = n > 0 ? malloc((size_t)n) : NULL;

	if (copy != NULL) {
		memcpy(copy, data, (size_t)n);
		*len = (size_t)n;
	}
	BIO_free(bio);
	return copy;
}

static bool write_pem(struct tls_identity *id, X509 *certificate)
{
	BIO *chain = BIO_new(BIO_s_mem());
	BIO *key = BIO_new(BIO_s_mem());

	id->chain_pem = text_of(chain, PEM_write_bio_X509(chain, certificate) == 1, &id->chain_len);
	id->key_pem =
		text_of(key, PEM_write_bio_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL) == 1,
			&id->key_len);
	return id->chain_pem != NULL && id->key_pem != NULL;
}

/* issuer NULL: an authority. The certificate itself goes to *out, if that is wanted. */
static bool make_identity(struct tls_identity *id, const struct keygen *k, X509 *issuer,
			  EVP_PKEY *issuer_key, X509 **out)
{
	id->key = keygen_key("p256");
	X509 *x = id->key == NULL ? NULL : keygen_certificate(k, id->key, issuer, issuer_key);
	bool good = x != NULL && write_pem(id, x);

	if (out != NULL) {
		*out = x;
	} else {
		X509_free(x);
	}
	return good;
}

/* An authority, a server's and a client's certificate of it. */
static bool make_family(struct tls_identity *ca, struct tls_identity *server,
			struct tls_identity *client)
{
	const struct keygen for_ca = {.name = "survey", .days = 30, .ca = true};
	const struct keygen for_server = {
		.host = {SURVEY_TLS_NAME}, .host_count = 1, .days = 30, .server = true};
	const struct keygen for_client = {.name = "client", .days = 30, .client = true};
	X509 *issuer = NULL;

	bool good = make_identity(ca, &for_ca, NULL, NULL, &issuer) &&
		    make_identity(server, &for_server, issuer, ca->key, NULL) &&
		    make_identity(client, &for_client, issuer, ca->key, NULL);
	X509_free(issuer);
	return good;
}

static void clear_identity(struct tls_identity *id)
{
	EVP_PKEY_free(id->key);
	free(id->chain_pem);
	if (id->key_pem != NULL) {
		OPENSSL_cleanse(id->key_pem, id->key_len);
	}
	free(id->key_pem);
}

bool tls_pki_open(struct survey *s)
{
	struct tls_pki *pki = calloc(1, sizeof(*pki));

	s->fixture = pki;
	return survey_expect(
		s,
		pki != NULL && make_family(&pki->ca, &pki->server, &pki->client) &&
			make_family(&pki->other_ca, &pki->other_server, &pki->other_client),
		"no certificates could be made");
}

void tls_pki_close(struct survey *s)
{
	struct tls_pki *pki = s->fixture;

	if (pki != NULL) {
		struct tls_identity *all[] = {&pki->ca,	    &pki->other_ca,
					      &pki->server, &pki->other_server,
					      &pki->client, &pki->other_client};
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			clear_identity(all[i]);
		}
		free(pki);
	}
	s->fixture = NULL;
}

/* ---- security parameters ----------------------------------------------------------------------- */

static bool add_credential(struct enn_security *security, enum enn_status made,
			   struct enn_credential *credential)
{
	bool good = made == ENN_OK && enn_security_add_credential(security, credential) == ENN_OK;

	if (made == ENN_OK) {
		enn_credential_free(credential);
	}
	return good;
}

static bool add_certificate(struct enn_security *security, const struct tls_end *end)
{
	struct enn_credential *credential = NULL;
	enum enn_status made =
		end->key_elsewhere
			? enn_credential_x509_external(end->own->chain_pem, end->own->chain_len,
						       &credential, NULL)
			: enn_credential_x509_pem(end->own->chain_pem, end->own->chain_len,
						  end->own->key_pem, end->own->key_len, &credential,
						  NULL);

	return add_credential(security, made, credential);
}

static bool add_psk(struct enn_security *security, const uint8_t *key)
{
	static const uint8_t identity[] = {'s', 'u', 'r', 'v', 'e', 'y'};
	struct enn_credential *credential = NULL;
	enum enn_status made = enn_credential_psk(identity, sizeof(identity), key, 32,
						  ENN_PSK_SHA256, &credential);

	return add_credential(security, made, credential);
}

static bool fill(struct enn_security *security, const struct tls_pki *pki,
		 const struct tls_end *end)
{
	bool good = enn_security_trust_pem(security, pki->ca.chain_pem, pki->ca.chain_len, NULL) ==
		    ENN_OK;

	if (end->own != NULL) {
		good = good && add_certificate(security, end);
	}
	if (end->psk != NULL) {
		good = good && add_psk(security, end->psk);
	}
	for (size_t i = 0; good && end->setting[i] != NULL; i += 2) {
		good = enn_security_parse(security, end->setting[i], end->setting[i + 1], NULL) ==
		       ENN_OK;
	}
	for (size_t i = 0; good && end->alpn[i] != NULL; i++) {
		good = enn_security_add_alpn(security, (const uint8_t *)end->alpn[i],
					     strlen(end->alpn[i])) == ENN_OK;
	}
	return good;
}

struct enn_security *tls_security(struct survey *s, const struct tls_end *end)
{
	struct enn_security *security = enn_security_new();

	if (!survey_expect(s, security != NULL && fill(security, s->fixture, end),
			   "the security parameters cannot be made")) {
		enn_security_free(security);
		return NULL;
	}
	return security;
}

/* ---- connections --------------------------------------------------------------------------------- */

static bool make_engines(struct survey_pair *p, struct enn_security *client,
			 struct enn_security *server, const struct enn_engine_options *options)
{
	const struct survey *s = p->survey;
	const struct enn_engine_options none = {.server_name = NULL};

	return enn_engine_new_client(s->protocol, &s->env, client, options, &p->side[0].engine,
				     NULL) == ENN_OK &&
	       enn_engine_new_server(s->protocol, &s->env, server, &none, &p->side[1].engine,
				     NULL) == ENN_OK &&
	       enn_engine_start(p->side[0].engine, p->now) == ENN_OK &&
	       enn_engine_start(p->side[1].engine, p->now) == ENN_OK;
}

struct survey_pair *tls_pair(struct survey *s, enn_time now, struct enn_security *client,
			     struct enn_security *server, const char *name,
			     const struct survey_side *session)
{
	struct enn_engine_options options = {.server_name = name};
	struct survey_pair *p = client == NULL || server == NULL ? NULL : survey_pair_new(s);

	if (p == NULL) {
		return NULL;
	}
	p->now = now;
	if (session != NULL) {
		(void)survey_expect(s, session->session_len > 0, "there was no session to keep");
		options.session = session->session_len > 0 ? session->session : NULL;
		options.session_len = session->session_len;
	}
	if (!survey_expect(s, make_engines(p, client, server, &options),
			   "the engines cannot be made")) {
		survey_pair_free(p);
		return NULL;
	}
	return p;
}

struct survey_pair *tls_connect(struct survey *s, const struct tls_end *client,
				const struct tls_end *server)
{
	struct enn_security *c = tls_security(s, client);
	struct enn_security *d = tls_security(s, server);
	struct survey_pair *p = tls_pair(s, ENN_SECOND, c, d, SURVEY_TLS_NAME, NULL);

	enn_security_free(c);
	enn_security_free(d);
	if (p != NULL) {
		survey_pair_settle(p);
	}
	return p;
}

struct enn_info tls_info(const struct survey_pair *p, int side)
{
	struct enn_info info;

	enn_engine_info(p->side[side].engine, &info);
	return info;
}

bool tls_ready(const struct survey_pair *p)
{
	return p->side[0].events[ENN_EVENT_READY] == 1 && p->side[1].events[ENN_EVENT_READY] == 1;
}

/* ---- hellos -------------------------------------------------------------------------------------- */

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static const uint8_t *skip(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

static size_t number(struct cursor *c, size_t bytes)
{
	const uint8_t *at = skip(c, bytes);
	size_t value = 0;

	for (size_t i = 0; at != NULL && i < bytes; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

/* RFC 8446 §4.1.2, §4.1.3 */
bool tls_extension(const struct survey_packet *packet, int side, unsigned type,
		   struct tls_field *out)
{
	struct cursor c = {packet->data, packet->len, false};

	(void)skip(&c, 5 + 4 + 2 + 32); /* record, message, version, random */
	(void)skip(&c, number(&c, 1));	/* session id */
	if (side == 0) {
		(void)skip(&c, number(&c, 2)); /* cipher suites */
		(void)skip(&c, number(&c, 1)); /* compression methods */
	} else {
		(void)skip(&c, 2 + 1);
	}
	size_t all = number(&c, 2);
	c.left = c.left < all ? c.left : all;
	while (c.left > 0 && !c.bad) {
		size_t found = number(&c, 2);
		size_t len = number(&c, 2);
		const uint8_t *data = skip(&c, len);
		bool reserved = (found & 0x0f0f) == 0x0a0a && found >> 8 == (found & 0xff);
		if (!c.bad && (type == 0x0a0a ? reserved : found == type)) {
			*out = (struct tls_field){data, len};
			return true;
		}
	}
	return false;
}
