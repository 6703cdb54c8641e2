/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL's part of a peer program.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

const char peer_library_name[] = "OpenSSL";

/* What came after 3.0 is there if the program runs with a newer library. */
#pragma weak SSL_CTX_set1_server_cert_type
#pragma weak SSL_CTX_set1_client_cert_type
#pragma weak SSL_add_expected_rpk
#pragma weak SSL_get0_peer_rpk
#pragma weak SSL_CTX_set1_cert_comp_preference
#pragma weak SSL_CTX_compress_certs
#pragma weak SSL_get0_group_name
int SSL_CTX_set1_server_cert_type(SSL_CTX *ctx, const unsigned char *types, size_t len);
int SSL_CTX_set1_client_cert_type(SSL_CTX *ctx, const unsigned char *types, size_t len);
int SSL_add_expected_rpk(SSL *ssl, EVP_PKEY *key);
EVP_PKEY *SSL_get0_peer_rpk(const SSL *ssl);
int SSL_CTX_set1_cert_comp_preference(SSL_CTX *ctx, int *algorithms, size_t len);
int SSL_CTX_compress_certs(SSL_CTX *ctx, int algorithm);
const char *SSL_get0_group_name(SSL *ssl);

static struct {
	const struct peer_options *o;
	struct peer_report *report;
	SSL_CTX *ctx;
	SSL *ssl;
	FILE *keylog;
} lib;

static bool fail(struct peer_report *report, const char *what)
{
	char text[200];

	ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
	return peer_fail(report, "%s: %s", what, text);
}

/* ---- callbacks ----------------------------------------------------------------------- */

static void on_info(const SSL *ssl, int where, int ret)
{
	(void)ssl;
	if (lib.report == NULL || (where & SSL_CB_ALERT) == 0) {
		return;
	}
	if ((where & SSL_CB_READ) != 0 && (ret & 0xff) != SSL_AD_CLOSE_NOTIFY) {
		lib.report->alert_in = ret & 0xff;
	} else if ((where & SSL_CB_WRITE) != 0 && (ret & 0xff) != SSL_AD_CLOSE_NOTIFY) {
		lib.report->alert_out = ret & 0xff;
	}
}

static void on_keylog(const SSL *ssl, const char *line)
{
	(void)ssl;
	fprintf(lib.keylog, "%s\n", line);
	fflush(lib.keylog);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	unsigned char *der = NULL;
	int len = i2d_SSL_SESSION(session, &der);

	(void)ssl;
	if (len > 0 && !lib.o->server) {
		peer_save_session(der, (size_t)len);
	}
	OPENSSL_free(der);
	return 0;
}

static int on_sni(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)arg;
	if (name != NULL && lib.report != NULL) {
		snprintf(lib.report->sni, sizeof(lib.report->sni), "%s", name);
	}
	if (lib.o->sni_expect != NULL && (name == NULL || strcmp(name, lib.o->sni_expect) != 0)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (size_t i = 0; i < lib.o->n_alpn; i++) {
		size_t len = strlen(lib.o->alpn[i]);

		for (unsigned at = 0; at < in_len; at += in[at] + 1u) {
			if (in[at] == len && memcmp(in + at + 1, lib.o->alpn[i], len) == 0) {
				*out = in + at + 1;
				*out_len = in[at];
				return SSL_TLSEXT_ERR_OK;
			}
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_SESSION *psk_session(SSL *ssl)
{
	const unsigned char suite[] = {0x13, 0x01};
	SSL_SESSION *session = SSL_SESSION_new();

	if (session == NULL ||
	    SSL_SESSION_set1_master_key(session, lib.o->psk.data, lib.o->psk.len) != 1 ||
	    SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, suite)) != 1 ||
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
		SSL_SESSION_free(session);
		return NULL;
	}
	return session;
}

static int on_psk_use(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
		      SSL_SESSION **out)
{
	*out = NULL;
	if (md != NULL && EVP_MD_get_type(md) != NID_sha256) {
		return 1;
	}
	*id = (const unsigned char *)lib.o->psk_identity;
	*id_len = strlen(lib.o->psk_identity);
	*out = psk_session(ssl);
	return *out != NULL;
}

static int on_psk_find(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **out)
{
	*out = NULL;
	if (id_len == strlen(lib.o->psk_identity) && memcmp(id, lib.o->psk_identity, id_len) == 0) {
		*out = psk_session(ssl);
	}
	return 1;
}

/* The PSK of TLS 1.2 (RFC 4279). */
static unsigned on_psk_client(SSL *ssl, const char *hint, char *identity, unsigned id_max,
			      unsigned char *key, unsigned key_max)
{
	(void)ssl;
	(void)hint;
	if (strlen(lib.o->psk_identity) >= id_max || lib.o->psk.len > key_max) {
		return 0;
	}
	snprintf(identity, id_max, "%s", lib.o->psk_identity);
	memcpy(key, lib.o->psk.data, lib.o->psk.len);
	return (unsigned)lib.o->psk.len;
}

static unsigned on_psk_server(SSL *ssl, const char *identity, unsigned char *key, unsigned key_max)
{
	(void)ssl;
	if (strcmp(identity, lib.o->psk_identity) != 0 || lib.o->psk.len > key_max) {
		return 0;
	}
	memcpy(key, lib.o->psk.data, lib.o->psk.len);
	return (unsigned)lib.o->psk.len;
}

static int on_cookie_make(SSL *ssl, unsigned char *cookie, size_t *len)
{
	(void)ssl;
	memset(cookie, 0x5a, 32);
	*len = 32;
	return 1;
}

static int on_cookie_check(SSL *ssl, const unsigned char *cookie, size_t len)
{
	(void)ssl;
	return len == 32 && cookie[0] == 0x5a && cookie[31] == 0x5a;
}

/* ---- set-up -------------------------------------------------------------------------- */

static bool join(char *out, size_t cap, const char *const *list, size_t n)
{
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(out + used, cap - used, "%s%s", i > 0 ? ":" : "", list[i]);

		if (len < 0 || used + (size_t)len >= cap) {
			return false;
		}
		used += (size_t)len;
	}
	return true;
}

static bool set_trust(const struct peer_options *o, struct peer_report *report)
{
	int mode = SSL_VERIFY_NONE;

	if (o->ca != NULL && SSL_CTX_load_verify_locations(lib.ctx, o->ca, NULL) != 1) {
		return fail(report, "ca");
	}
	if (o->crl != NULL) {
		X509_STORE *store = SSL_CTX_get_cert_store(lib.ctx);

		if (X509_load_crl_file(X509_STORE_add_lookup(store, X509_LOOKUP_file()), o->crl,
				       X509_FILETYPE_PEM) < 1 ||
		    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1) {
			return fail(report, "crl");
		}
	}
	if (!o->server && !o->no_verify) {
		mode = SSL_VERIFY_PEER;
	} else if (o->server && o->later) {
		mode = SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE;
	} else if (o->server && o->auth != AUTH_NONE) {
		mode = SSL_VERIFY_PEER |
		       (o->auth == AUTH_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	}
	SSL_CTX_set_verify(lib.ctx, mode, NULL);
	SSL_CTX_set_post_handshake_auth(lib.ctx, o->later);
	if (o->fallback) {
		SSL_CTX_set_mode(lib.ctx, SSL_MODE_SEND_FALLBACK_SCSV);
	}
	return true;
}

/* TLS 1.2 suites have other names here, and a list of their own. */
static bool set_suites(const struct peer_options *o, struct peer_report *report)
{
	const char *newer[PEER_MAX_LIST], *older[PEER_MAX_LIST];
	size_t n_newer = 0, n_older = 0;
	char list[512];

	for (size_t i = 0; i < o->n_suites; i++) {
		if (strstr(o->suites[i], "_WITH_") != NULL) {
			older[n_older++] = OPENSSL_cipher_name(o->suites[i]);
		} else {
			newer[n_newer++] = o->suites[i];
		}
	}
	if (n_newer > 0 && (!join(list, sizeof(list), newer, n_newer) ||
			    SSL_CTX_set_ciphersuites(lib.ctx, list) != 1)) {
		return fail(report, "suites");
	}
	if (n_older > 0 && (!join(list, sizeof(list), older, n_older) ||
			    SSL_CTX_set_cipher_list(lib.ctx, list) != 1)) {
		return fail(report, "suites");
	}
	return true;
}

static bool set_algorithms(const struct peer_options *o, struct peer_report *report)
{
	char list[512];

	if (!set_suites(o, report)) {
		return false;
	}
	if (o->n_groups > 0 && (!join(list, sizeof(list), o->groups, o->n_groups) ||
				SSL_CTX_set1_groups_list(lib.ctx, list) != 1)) {
		return fail(report, "groups");
	}
	if (SSL_CTX_set_min_proto_version(lib.ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(lib.ctx, o->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) !=
		    1) {
		return fail(report, "versions");
	}
	SSL_CTX_set_options(lib.ctx, (o->no_ems ? SSL_OP_NO_EXTENDED_MASTER_SECRET : 0) |
					     (o->no_etm ? SSL_OP_NO_ENCRYPT_THEN_MAC : 0) |
					     (o->tls12 && o->tickets == 0 ? SSL_OP_NO_TICKET : 0));
	return true;
}

static bool set_fragments(const struct peer_options *o, struct peer_report *report)
{
	for (unsigned i = 0; i < 4; i++) {
		if (o->max_fragment_length == 512u << i &&
		    SSL_CTX_set_tlsext_max_fragment_length(
			    lib.ctx, (uint8_t)(TLSEXT_max_fragment_length_512 + i)) != 1) {
			return fail(report, "max fragment length");
		}
	}
	return true;
}

static bool set_alpn(const struct peer_options *o)
{
	unsigned char wire[256];
	size_t used = 0;

	if (o->server) {
		SSL_CTX_set_alpn_select_cb(lib.ctx, on_alpn, NULL);
		return true;
	}
	for (size_t i = 0; i < o->n_alpn; i++) {
		size_t len = strlen(o->alpn[i]);

		if (used + 1 + len > sizeof(wire)) {
			return false;
		}
		wire[used++] = (unsigned char)len;
		memcpy(wire + used, o->alpn[i], len);
		used += len;
	}
	return SSL_CTX_set_alpn_protos(lib.ctx, wire, (unsigned)used) == 0;
}

static void set_sessions(const struct peer_options *o)
{
	if (o->tickets >= 0) {
		SSL_CTX_set_num_tickets(lib.ctx, (size_t)o->tickets);
	}
	/* A client's own PSK sessions have no context, and must not need one. */
	if (o->server) {
		SSL_CTX_set_session_id_context(lib.ctx, (const unsigned char *)"interop", 7);
	}
	SSL_CTX_set_session_cache_mode(lib.ctx, SSL_SESS_CACHE_BOTH);
	SSL_CTX_sess_set_new_cb(lib.ctx, on_session);
	SSL_CTX_set_max_early_data(lib.ctx, o->early_max);
	SSL_CTX_set_recv_max_early_data(lib.ctx, o->early_max);
	if (o->psk.data != NULL && o->tls12) {
		SSL_CTX_set_psk_client_callback(lib.ctx, on_psk_client);
		SSL_CTX_set_psk_server_callback(lib.ctx, on_psk_server);
	} else if (o->psk.data != NULL) {
		SSL_CTX_set_psk_use_session_callback(lib.ctx, on_psk_use);
		SSL_CTX_set_psk_find_session_callback(lib.ctx, on_psk_find);
	}
	if (o->psk_ke) {
		SSL_CTX_set_options(lib.ctx, SSL_OP_ALLOW_NO_DHE_KEX);
	}
}

/* RFC 7250. */
static bool set_raw_keys(const struct peer_options *o, struct peer_report *report)
{
	static const unsigned char raw = 2;
	bool server = o->server ? o->raw_key != NULL : o->peer_key != NULL;
	bool client = o->server ? o->peer_key != NULL : o->raw_key != NULL;

	if (!server && !client) {
		return true;
	}
	if (SSL_add_expected_rpk == NULL ||
	    (server && SSL_CTX_set1_server_cert_type(lib.ctx, &raw, 1) != 1) ||
	    (client && SSL_CTX_set1_client_cert_type(lib.ctx, &raw, 1) != 1) ||
	    (o->raw_key != NULL &&
	     SSL_CTX_use_PrivateKey_file(lib.ctx, o->key, SSL_FILETYPE_PEM) != 1)) {
		return fail(report, "raw key");
	}
	return true;
}

/* RFC 8879. */
static bool set_compression(const struct peer_options *o, struct peer_report *report)
{
	int algorithm;

	if (o->compress == NULL) {
		return true;
	}
	algorithm = strcmp(o->compress, "zlib") == 0 ? 1 : 3;
	if (SSL_CTX_compress_certs == NULL ||
	    SSL_CTX_set1_cert_comp_preference(lib.ctx, &algorithm, 1) != 1 ||
	    (o->cert != NULL && SSL_CTX_compress_certs(lib.ctx, algorithm) != 1)) {
		return fail(report, "compression");
	}
	return true;
}

static int on_status(SSL *ssl, void *arg)
{
	struct peer_blob blob = {NULL, 0};
	unsigned char *copy;

	(void)arg;
	if (!lib.o->server) {
		const unsigned char *response;

		lib.report->status = SSL_get_tlsext_status_ocsp_resp(ssl, &response) > 0;
		return 1;
	}
	if (lib.o->staple == NULL || !peer_load(&blob, lib.o->staple)) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	copy = OPENSSL_memdup(blob.data, blob.len); /* the library frees it its own way */
	free(blob.data);
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)blob.len);
	lib.report->status = true;
	return SSL_TLSEXT_ERR_OK;
}

bool peer_library_open(const struct peer_options *o, struct peer_report *report)
{
	lib.o = o;
	lib.ctx = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
	if (lib.ctx == NULL || !set_trust(o, report) || !set_algorithms(o, report)) {
		return fail(report, "context");
	}
	SSL_CTX_set_tlsext_status_cb(lib.ctx, on_status);
	if (o->want_status) {
		SSL_CTX_set_tlsext_status_type(lib.ctx, TLSEXT_STATUSTYPE_ocsp);
	}
	if (o->cert != NULL &&
	    (SSL_CTX_use_certificate_chain_file(lib.ctx, o->cert) != 1 ||
	     SSL_CTX_use_PrivateKey_file(lib.ctx, o->key, SSL_FILETYPE_PEM) != 1)) {
		return fail(report, "certificate");
	}
	if (o->n_alpn > 0 && !set_alpn(o)) {
		return fail(report, "alpn");
	}
	if ((!o->server && !set_fragments(o, report)) || !set_raw_keys(o, report) ||
	    !set_compression(o, report)) {
		return false;
	}
	set_sessions(o);
	SSL_CTX_set_info_callback(lib.ctx, on_info);
	SSL_CTX_set_tlsext_servername_callback(lib.ctx, on_sni);
	SSL_CTX_set_stateless_cookie_generate_cb(lib.ctx, on_cookie_make);
	SSL_CTX_set_stateless_cookie_verify_cb(lib.ctx, on_cookie_check);
	if (o->no_compat) {
		SSL_CTX_clear_options(lib.ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	}
	if (o->padding > 0) {
		SSL_CTX_set_block_padding(lib.ctx, o->padding);
	}
	if (o->keylog != NULL && (lib.keylog = fopen(o->keylog, "a")) != NULL) {
		SSL_CTX_set_keylog_callback(lib.ctx, on_keylog);
	}
	return true;
}

/* ---- one connection -------------------------------------------------------------------- */

static bool use_session(const struct peer_options *o, struct peer_report *report)
{
	const unsigned char *at = o->session_in.data;
	SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)o->session_in.len);
	bool ok = session != NULL && SSL_set_session(lib.ssl, session) == 1;

	SSL_SESSION_free(session);
	return ok || fail(report, "session");
}

static bool send_early(const struct peer_options *o, struct peer_report *report)
{
	size_t written = 0;

	if (SSL_write_early_data(lib.ssl, o->early.data, o->early.len, &written) != 1) {
		return fail(report, "early data");
	}
	return true;
}

static bool receive_early(struct peer_report *report)
{
	unsigned char buf[4096];

	for (;;) {
		size_t len = 0;

		switch (SSL_read_early_data(lib.ssl, buf, sizeof(buf), &len)) {
		case SSL_READ_EARLY_DATA_SUCCESS:
			peer_take_early(buf, len);
			break;
		case SSL_READ_EARLY_DATA_FINISH:
			return true;
		default:
			return fail(report, "early data");
		}
	}
}

/* The first call answers with a HelloRetryRequest, the second takes the reply. */
static bool demand_cookie(void)
{
	return SSL_stateless(lib.ssl) == 0 && SSL_stateless(lib.ssl) == 1;
}

static bool handshake(const struct peer_options *o, struct peer_report *report)
{
	if (!o->server) {
		if (o->early.data != NULL && !send_early(o, report)) {
			return false;
		}
		return SSL_connect(lib.ssl) == 1 || fail(report, "connect");
	}
	if (o->cookie && !demand_cookie()) {
		return fail(report, "stateless");
	}
	if (o->early_max > 0 && !receive_early(report)) {
		return false;
	}
	return SSL_accept(lib.ssl) == 1 || fail(report, "accept");
}

static void tell(const struct peer_options *o, struct peer_report *report)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	int nid = (int)SSL_get_negotiated_group(lib.ssl);
	X509 *cert = SSL_get0_peer_certificate(lib.ssl);

	snprintf(report->version, sizeof(report->version), "%s", SSL_get_version(lib.ssl));
	snprintf(report->cipher, sizeof(report->cipher), "%s",
		 SSL_CIPHER_standard_name(SSL_get_current_cipher(lib.ssl)));
	snprintf(report->group, sizeof(report->group), "%s",
		 nid == NID_X9_62_prime256v1 ? "P-256"
		 : nid == NID_secp384r1	     ? "P-384"
		 : nid == NID_X25519	     ? "X25519"
					     : "");
	if (report->group[0] == 0 && SSL_get0_group_name != NULL) {
		snprintf(report->group, sizeof(report->group), "%s", SSL_get0_group_name(lib.ssl));
	}
	report->raw_key = SSL_get0_peer_rpk != NULL && SSL_get0_peer_rpk(lib.ssl) != NULL;
	SSL_get0_alpn_selected(lib.ssl, &alpn, &alpn_len);
	snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)alpn_len, (const char *)alpn);
	report->resumed = SSL_session_reused(lib.ssl) == 1;
	report->peer_cert = cert != NULL;
	if (!o->server && o->early.data != NULL) {
		snprintf(report->early, sizeof(report->early), "%s",
			 SSL_get_early_data_status(lib.ssl) == SSL_EARLY_DATA_ACCEPTED
				 ? "accepted"
				 : "rejected");
	}
	if (o->export_label != NULL) {
		report->has_export = SSL_export_keying_material(
					     lib.ssl, report->exported, o->export_len,
					     o->export_label, strlen(o->export_label),
					     (const unsigned char *)"", 0, o->export_empty) == 1;
	}
}

static bool expect_raw_key(const struct peer_options *o)
{
	struct peer_blob blob = {NULL, 0};
	const unsigned char *at;
	EVP_PKEY *key;
	bool ok;

	if (!peer_load(&blob, o->peer_key)) {
		return false;
	}
	at = blob.data;
	key = d2i_PUBKEY(NULL, &at, (long)blob.len);
	/* It is kept as a DANE record. */
	ok = key != NULL && SSL_CTX_dane_enable(lib.ctx) == 1 &&
	     SSL_dane_enable(lib.ssl, NULL) == 1 && SSL_add_expected_rpk(lib.ssl, key) == 1;
	EVP_PKEY_free(key);
	free(blob.data);
	return ok;
}

bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report)
{
	lib.report = report;
	lib.ssl = SSL_new(lib.ctx);
	if (lib.ssl == NULL || SSL_set_fd(lib.ssl, fd) != 1) {
		return fail(report, "new");
	}
	if (o->peer_key != NULL && !expect_raw_key(o)) {
		return fail(report, "peer key");
	}
	if (!o->server && o->name != NULL &&
	    (SSL_set_tlsext_host_name(lib.ssl, o->name) != 1 ||
	     SSL_set1_host(lib.ssl, o->name) != 1)) {
		return fail(report, "name");
	}
	if (o->session_in.data != NULL && !use_session(o, report)) {
		return false;
	}
	if (!handshake(o, report)) {
		return false;
	}
	tell(o, report);
	return true;
}

void peer_library_disconnect(void)
{
	SSL_free(lib.ssl);
	lib.ssl = NULL;
	lib.report = NULL;
	ERR_clear_error();
}

void peer_library_close(void)
{
	SSL_CTX_free(lib.ctx);
	if (lib.keylog != NULL) {
		fclose(lib.keylog);
	}
}

ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report)
{
	int n = SSL_read(lib.ssl, buf, (int)len);

	if (n > 0) {
		return n;
	}
	if (SSL_get_error(lib.ssl, n) == SSL_ERROR_ZERO_RETURN) {
		return PEER_CLOSED;
	}
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		return PEER_TRUNCATED;
	}
	fail(report, "read");
	return PEER_ERROR;
}

bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report)
{
	return SSL_write(lib.ssl, buf, (int)len) == (int)len || fail(report, "write");
}

bool peer_library_final(struct peer_report *report)
{
	return SSL_shutdown(lib.ssl) >= 0 || fail(report, "shutdown");
}

bool peer_library_rekey(bool both, struct peer_report *report)
{
	int kind = both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;

	if (SSL_key_update(lib.ssl, kind) != 1 || SSL_do_handshake(lib.ssl) != 1) {
		return fail(report, "key update");
	}
	return true;
}

bool peer_library_request(struct peer_report *report)
{
	if (SSL_verify_client_post_handshake(lib.ssl) != 1 || SSL_do_handshake(lib.ssl) != 1) {
		return fail(report, "request");
	}
	return true;
}

bool peer_library_has_cert(void)
{
	return SSL_get0_peer_certificate(lib.ssl) != NULL;
}
