/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes seeds from real handshakes: the messages of connections with a certificate, and in TLS 1.2 with a raw public
 * key and a PSK too, one file a message, for the parsers. usage: make_corpus DIRECTORY (with the targets' folders in it)
 */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "ennead/engine.h"
#include "ennead/security.h"
#include "fuzz.h"
#include "handshake/wire.h"
#include "protocols/registry.h"
#include "protocols/tls/internal.h"

static const char *directory;
static int serial;
static bool raw_keys; /* the certificates of this connection are such */

static void save(const char *target, int prefix, const uint8_t *data, size_t len)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s/real-%d", directory, target, serial++);
	FILE *file = fopen(path, "wb");
	FUZZ_ASSERT(file != NULL);
	if (prefix >= 0) {
		(void)fputc(prefix, file);
	}
	(void)fwrite(data, 1, len, file);
	(void)fclose(file);
}

static void save_message(uint8_t type, const uint8_t *body, size_t len)
{
	switch (type) {
	case ENN_HS_CLIENT_HELLO:
		save("client_hello", -1, body, len);
		break;
	case ENN_HS_SERVER_HELLO:
		save("server_hello", -1, body, len);
		break;
	case ENN_HS_CERTIFICATE:
		save("certificate", -1, body, len);
		break;
	case ENN_HS_ENCRYPTED_EXTENSIONS:
		save("handshake_message", 0, body, len);
		break;
	case ENN_HS_CERTIFICATE_REQUEST:
		save("handshake_message", 1, body, len);
		break;
	case ENN_HS_CERTIFICATE_VERIFY:
		save("handshake_message", 2, body, len);
		break;
	case ENN_HS_NEW_SESSION_TICKET:
		save("handshake_message", 3, body, len);
		break;
	case ENN_HS_KEY_UPDATE:
		save("handshake_message", 4, body, len);
		break;
	default:
		break;
	}
}

/* See fuzz_tls12_message.c for the first byte. */
static void save_message12(const struct enn_handshake_result *result, uint8_t type,
			   const uint8_t *body, size_t len)
{
	bool psk = result->suite->auth == ENN_SUITE_PSK;
	uint8_t more[4096] = {2}; /* certificates are allowed */

	switch (type) {
	case ENN_HS_SERVER_KEY_EXCHANGE:
		save("tls12_message", psk ? 1 : 0, body, len);
		break;
	case ENN_HS_CLIENT_KEY_EXCHANGE:
		save("tls12_message", psk ? 3 : 2, body, len);
		break;
	case ENN_HS_CERTIFICATE:
		FUZZ_ASSERT(len < sizeof(more));
		memcpy(more + 1, body, len);
		save("tls12_message", raw_keys ? 5 : 4, more, len + 1);
		break;
	case ENN_HS_CERTIFICATE_REQUEST:
		save("tls12_message", 6, body, len);
		break;
	case ENN_HS_NEW_SESSION_TICKET:
		save("tls12_message", 7, body, len);
		break;
	case ENN_HS_CERTIFICATE_STATUS:
		save("tls12_message", 8, body, len);
		break;
	default: /* hellos are of one form in both, Finished has none */
		save_message(type, body, len);
		break;
	}
}

static const struct enn_handshake_carrier_ops *real_ops;

static void spy_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
		       size_t len)
{
	const struct enn_tls *t = enn_tls_of(c);
	const uint8_t *message = t->flight.mem + t->flight.tail;

	if (c->result.version == ENN_TLS_1_2) {
		save_message12(&c->result, type, message + 4, len - 4);
	} else {
		save_message(type, message + 4, len - 4);
	}
	real_ops->commit(c, level, type, len);
}

static void spy(struct enn_engine *e)
{
	static struct enn_handshake_carrier_ops ops;
	struct enn_tls *t = (struct enn_tls *)e;

	real_ops = t->carrier.ops;
	ops = *real_ops;
	ops.commit = spy_commit;
	t->carrier.ops = &ops;
}

static void pass(struct enn_engine *from, struct enn_engine *to)
{
	uint8_t buf[32768];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
	struct enn_event event;

	FUZZ_ASSERT(enn_engine_transmit(from, 1, &batch) == ENN_OK);
	if (batch.len > 0) {
		save("record", 0, buf, batch.len < 4096 ? batch.len : 4096);
		struct enn_packet packet = {.data = buf, .len = batch.len};
		FUZZ_ASSERT(enn_engine_ingest(to, 1, NULL, &packet, 1) == ENN_OK);
	}
	do {
		enn_engine_next_event(to, 1, &event);
		if (event.type == ENN_EVENT_STORE_SESSION) {
			save("session", -1, event.u.session.data, event.u.session.len);
		}
		FUZZ_ASSERT(event.type != ENN_EVENT_FAILED);
	} while (event.type != ENN_EVENT_NONE);
}

/* A revocation list of the certificate's own authority. */
static void crl_seed(void)
{
	BIO *in = BIO_new_mem_buf(fuzz_cert_pem(), -1);
	BIO *key_in = BIO_new_mem_buf(fuzz_key_pem(), -1);
	BIO *out = BIO_new(BIO_s_mem());
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_in, NULL, NULL, NULL);
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_adj(NULL, 1800000000, 0, 0);
	uint8_t *pem;

	FUZZ_ASSERT(cert != NULL && key != NULL && crl != NULL && t != NULL &&
		    X509_CRL_set_issuer_name(crl, X509_get_subject_name(cert)) == 1 &&
		    X509_CRL_set1_lastUpdate(crl, t) == 1 &&
		    X509_CRL_set1_nextUpdate(crl, t) == 1 && X509_CRL_sign(crl, key, NULL) > 0 &&
		    PEM_write_bio_X509_CRL(out, crl) == 1);
	long len = BIO_get_mem_data(out, (char **)&pem);
	save("security", 4, pem, (size_t)len);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(out);
	BIO_free(key_in);
	BIO_free(in);
}

static void text_seeds(void)
{
	static const char *const parameters[] = {
		"supportedGroup=X25519:P-256", "ciphersuite=TLS_AES_256_GCM_SHA384", "padding=512",
		"earlyData=true", "pskMode=psk_ke:psk_dhe_ke"};

	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		save("security", 0, (const uint8_t *)parameters[i], strlen(parameters[i]));
	}
	save("security", 2, (const uint8_t *)fuzz_cert_pem(), strlen(fuzz_cert_pem()));
	char both[6000];
	(void)snprintf(both, sizeof(both), "%s%s", fuzz_cert_pem(), fuzz_key_pem());
	save("security", 1, (const uint8_t *)both, strlen(both));
	save("security", 3, (const uint8_t *)fuzz_cert_pem(), strlen(fuzz_cert_pem()));
}

static void engine_seeds(void)
{
	/* configuration, resumption, then operations: see step() in engine.c */
	static const uint8_t programs[][24] = {
		{0, 0, 13, 7, 9, 8, 9, 13, 9, 25, 13, 11, 13},
		{1, 0, 13, 7, 5, 13, 12},
		{2, 0, 13, 8, 200, 13, 12},
		{4, 1, 39, 3, 13, 13, 8, 1, 13},
		{20, 1, 39, 3, 13, 13, 8, 1, 13},
		{8, 0, 13, 13, 7, 1, 13},
		{16, 0, 13, 3, 20, 0, 7, 13},
		{0, 0, 1, 2, 1, 2, 6, 2, 5, 24, 0, 0, 1, 1, 13},
		{128, 0, 13, 5, 2, 4, 1, 0, 0, 0, 13},
		{65, 0, 13, 10, 40, 13},
		/* forged messages: wait, what, where (2), value, bytes */
		{0, 2, 0, 0, 0, 40, 1, 13, 13},
		{0, 2, 1, 2, 0, 9, 0, 13, 13},
		{2, 4, 2, 1, 0, 7, 255, 1, 6, 0, 0, 0, 13, 13},
		{4, 3, 0, 3, 0, 0, 4, 0, 42, 0, 0, 13, 13},
		{16, 2, 1, 5, 0, 30, 6, 1, 2, 3, 4, 5, 6, 13, 13},
		{1, 2, 0, 7, 0, 0, 0, 13, 13},
		{0, 0, 13, 255, 0, 6, 0, 0, 0, 24, 13},
		{0, 0, 13, 255, 0, 4, 0, 0, 20, 24, 13},
		/* TLS 1.2: whole, resumed, forged; suites with CBC; small records; two versions */
		{0, 8, 13, 7, 9, 8, 9, 13, 9, 25, 13, 11, 13},
		{1, 8, 13, 7, 5, 13, 12},
		{2, 9, 13, 8, 200, 13, 12},
		{2, 10, 0, 0, 0, 40, 1, 13, 13},
		{0, 10, 1, 2, 0, 9, 0, 13, 13},
		{2, 12, 2, 1, 0, 7, 255, 1, 6, 0, 0, 0, 13, 13},
		{0, 8, 13, 6, 2, 4, 0, 0, 0, 0, 6, 1, 2, 1, 100, 13},
		{0, 8, 13, 6, 2, 6, 1, 0, 0, 2, 3, 3, 6, 0, 1, 1, 13},
		{0, 8, 1, 2, 1, 5, 0, 1, 1, 2, 13, 13},
		{0, 40, 13, 7, 9, 8, 9, 13, 6, 3, 0, 13, 12},
		{1, 40, 13, 3, 20, 0, 9, 1, 7, 13},
		{0, 72, 13, 7, 20, 8, 20, 13, 11, 13},
		{0, 64, 13, 7, 20, 8, 20, 13, 11, 13},
		{0, 136, 13, 7, 20, 8, 20, 13, 11, 13},
		{0, 16, 13, 7, 5, 13, 12},
		{0, 24, 13, 7, 5, 13, 12},
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		save("engine_client", -1, programs[i], sizeof(programs[i]));
		save("engine_server", -1, programs[i], sizeof(programs[i]));
	}
}

/* A file of sessions with none in it, and with two. */
static void session_store_seeds(void)
{
	struct enn_session_store *store = enn_session_store_new(4);
	uint8_t out[512];
	size_t len = sizeof(out);

	FUZZ_ASSERT(store != NULL && enn_session_store_export(store, 0, out, &len) == ENN_OK);
	save("session_store", -1, out, len);
	FUZZ_ASSERT(enn_session_store_put(store, out, 1, out, 40, INT64_MAX) == ENN_OK &&
		    enn_session_store_put(store, out, 2, out, 1, 1) == ENN_OK);
	len = sizeof(out);
	FUZZ_ASSERT(enn_session_store_export(store, 0, out, &len) == ENN_OK);
	save("session_store", -1, out, len);
	enn_session_store_free(store);
}

/* What only TLS 1.2 looks into; and an answer to status_request. */
static void extension_seeds(void)
{
	static const uint8_t points[] = {1, 0};
	static const uint8_t info[] = {0};
	static const uint8_t status[] = {1, 0, 0, 5, 0x30, 3, 0x0a, 1, 6};

	save("tls12_message", 9, points, sizeof(points));
	save("tls12_message", 9, info, sizeof(info));
	save("tls12_message", 8, status, sizeof(status));
}

enum kind { CERTIFICATE, RAW_KEY, PSK };

static void add_credential(struct enn_security *s, enum kind kind)
{
	const char *cert = fuzz_cert_pem();
	const char *key = fuzz_key_pem();
	static const uint8_t secret[32] = "a pre-shared key of 32 bytes ...";
	struct enn_credential *k = NULL;
	struct enn_error error;
	uint8_t spki[128];
	size_t len = sizeof(spki);

	if (kind == PSK) {
		FUZZ_ASSERT(enn_credential_psk((const uint8_t *)"id", 2, secret, 32, ENN_PSK_SHA256,
					       &k) == ENN_OK);
	} else if (kind == RAW_KEY) {
		FUZZ_ASSERT(enn_credential_raw_key_pem(key, strlen(key), &k, &error) == ENN_OK &&
			    enn_credential_spki(k, spki, &len) == ENN_OK &&
			    enn_security_trust_raw_key(s, spki, len, &error) == ENN_OK);
	} else {
		FUZZ_ASSERT(enn_credential_x509_pem(cert, strlen(cert), key, strlen(key), &k,
						    &error) == ENN_OK &&
			    enn_security_trust_pem(s, cert, strlen(cert), &error) == ENN_OK);
	}
	FUZZ_ASSERT(enn_security_add_credential(s, k) == ENN_OK);
	enn_credential_free(k);
}

/* A whole connection of one version, watched. */
static void connection(enum kind kind, const char *version)
{
	struct enn_env *env = fuzz_env();
	struct enn_security *s = enn_security_new();
	struct enn_error error;
	struct enn_engine *client = NULL;
	struct enn_engine *server = NULL;
	struct enn_engine_options options = {.server_name = "localhost"};

	fuzz_env_reset();
	FUZZ_ASSERT(s != NULL);
	raw_keys = kind == RAW_KEY;
	add_credential(s, kind);
	FUZZ_ASSERT(enn_security_parse(s, "protocolVersion", version, &error) == ENN_OK);
	FUZZ_ASSERT(enn_security_set_bool(s, ENN_SECURITY_REQUEST_CLIENT, true) == ENN_OK);
	FUZZ_ASSERT(enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, true) == ENN_OK);
	FUZZ_ASSERT(enn_security_set_bool(s, ENN_SECURITY_SEND_AUTHORITIES, true) == ENN_OK);
	FUZZ_ASSERT(enn_security_add_alpn(s, (const uint8_t *)"h2", 2) == ENN_OK);
	FUZZ_ASSERT(enn_engine_new_client(&enn_tls_protocol, env, s, &options, &client, &error) ==
		    ENN_OK);
	FUZZ_ASSERT(enn_engine_new_server(&enn_tls_protocol, env, s, &options, &server, &error) ==
		    ENN_OK);
	spy(client);
	spy(server);
	FUZZ_ASSERT(enn_engine_start(client, 1) == ENN_OK && enn_engine_start(server, 1) == ENN_OK);
	for (int i = 0; i < 4; i++) {
		pass(client, server);
		pass(server, client);
	}
	if (enn_engine_rekey(client, 1, true) == ENN_OK) { /* not in TLS 1.2 */
		pass(client, server);
	}
	enn_engine_free(client);
	enn_engine_free(server);
	enn_security_free(s);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		return 1;
	}
	directory = argv[1];
	connection(CERTIFICATE, "TLSv1.3");
	connection(CERTIFICATE, "TLSv1.2");
	connection(RAW_KEY, "TLSv1.2");
	connection(PSK, "TLSv1.2");
	extension_seeds();
	session_store_seeds();
	text_seeds();
	crl_seed();
	engine_seeds();
	return 0;
}
