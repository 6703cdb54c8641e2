/* SPDX-License-Identifier: Apache-2.0
 *
 * wolfSSL's part of a peer program.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "peer.h"

const char peer_library_name[] = "wolfSSL";

static struct {
	const struct peer_options *o;
	struct peer_report *report;
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
} lib;

static const char *const suite_names[][2] = {
	{"TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256"},
	{"TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384"},
	{"TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ECDHE-PSK-AES128-GCM-SHA256"},
	{"TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"},
	{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
	{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
	{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
	{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"},
	{NULL, NULL},
};

static const struct {
	const char *name, *other;
	int id;
} group_names[] = {
	{"X25519", "X25519", WOLFSSL_ECC_X25519},
	{"P-256", "SECP256R1", WOLFSSL_ECC_SECP256R1},
	{"P-384", "SECP384R1", WOLFSSL_ECC_SECP384R1},
};

static void note_alerts(struct peer_report *report)
{
	WOLFSSL_ALERT_HISTORY history;

	if (lib.ssl == NULL || wolfSSL_get_alert_history(lib.ssl, &history) != WOLFSSL_SUCCESS) {
		return;
	}
	if (history.last_rx.code > 0) {
		report->alert_in = history.last_rx.code;
	}
	if (history.last_tx.code > 0) {
		report->alert_out = history.last_tx.code;
	}
}

static bool fail(struct peer_report *report, const char *what, int ret)
{
	char text[WOLFSSL_MAX_ERROR_SZ];
	int code = lib.ssl != NULL ? wolfSSL_get_error(lib.ssl, ret) : ret;

	note_alerts(report);
	wolfSSL_ERR_error_string((unsigned long)code, text);
	return peer_fail(report, "%s: %d %s", what, code, text);
}

/* ---- callbacks ----------------------------------------------------------------------- */

static int on_sni(WOLFSSL *ssl, int *alert, void *arg)
{
	const char *name = wolfSSL_get_servername(ssl, WOLFSSL_SNI_HOST_NAME);

	(void)arg;
	snprintf(lib.report->sni, sizeof(lib.report->sni), "%s", name != NULL ? name : "");
	if (lib.o->sni_expect != NULL && strcmp(lib.report->sni, lib.o->sni_expect) != 0) {
		*alert = unrecognized_name;
		return fatal_return;
	}
	return 0;
}

static unsigned int on_psk_client(WOLFSSL *ssl, const char *hint, char *identity,
				  unsigned int id_max, unsigned char *key, unsigned int key_max,
				  const char **suite)
{
	(void)ssl;
	(void)hint;
	if (strlen(lib.o->psk_identity) >= id_max || lib.o->psk.len > key_max) {
		return 0;
	}
	snprintf(identity, id_max, "%s", lib.o->psk_identity);
	memcpy(key, lib.o->psk.data, lib.o->psk.len);
	*suite = "TLS13-AES128-GCM-SHA256";
	return (unsigned)lib.o->psk.len;
}

static unsigned int on_psk_server(WOLFSSL *ssl, const char *identity, unsigned char *key,
				  unsigned int key_max, const char **suite)
{
	(void)ssl;
	if (strcmp(identity, lib.o->psk_identity) != 0 || lib.o->psk.len > key_max) {
		return 0;
	}
	memcpy(key, lib.o->psk.data, lib.o->psk.len);
	*suite = "TLS13-AES128-GCM-SHA256";
	return (unsigned)lib.o->psk.len;
}

static unsigned int on_psk_client12(WOLFSSL *ssl, const char *hint, char *identity,
				    unsigned int id_max, unsigned char *key, unsigned int key_max)
{
	const char *suite;

	return on_psk_client(ssl, hint, identity, id_max, key, key_max, &suite);
}

static unsigned int on_psk_server12(WOLFSSL *ssl, const char *identity, unsigned char *key,
				    unsigned int key_max)
{
	const char *suite;

	return on_psk_server(ssl, identity, key, key_max, &suite);
}

/* ---- set-up -------------------------------------------------------------------------- */

static bool set_suites(const struct peer_options *o, struct peer_report *report)
{
	char list[256] = "";

	for (size_t i = 0; i < o->n_suites; i++) {
		for (size_t j = 0; suite_names[j][0] != NULL; j++) {
			if (strcmp(o->suites[i], suite_names[j][0]) == 0) {
				size_t used = strlen(list);

				snprintf(list + used, sizeof(list) - used, "%s%s",
					 used > 0 ? ":" : "", suite_names[j][1]);
			}
		}
	}
	return list[0] == 0 || wolfSSL_CTX_set_cipher_list(lib.ctx, list) == WOLFSSL_SUCCESS ||
	       fail(report, "suites", 0);
}

static int group_id(const char *name)
{
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(group_names[i].name, name) == 0) {
			return group_names[i].id;
		}
	}
	return 0;
}

static bool set_groups(const struct peer_options *o, struct peer_report *report)
{
	int ids[PEER_MAX_LIST];

	for (size_t i = 0; i < o->n_groups; i++) {
		ids[i] = group_id(o->groups[i]);
	}
	/* A TLS 1.2 server takes what the client has; a client says it curve by curve. */
	if (o->tls12) {
		for (size_t i = 0; i < o->n_groups && !o->server; i++) {
			if (wolfSSL_CTX_UseSupportedCurve(lib.ctx, (word16)ids[i]) !=
			    WOLFSSL_SUCCESS) {
				return fail(report, "groups", 0);
			}
		}
		return true;
	}
	return o->n_groups == 0 ||
	       wolfSSL_CTX_set_groups(lib.ctx, ids, (int)o->n_groups) == WOLFSSL_SUCCESS ||
	       fail(report, "groups", 0);
}

static bool set_trust(const struct peer_options *o, struct peer_report *report)
{
	int mode = WOLFSSL_VERIFY_NONE;

	if (o->ca != NULL &&
	    wolfSSL_CTX_load_verify_locations(lib.ctx, o->ca, NULL) != WOLFSSL_SUCCESS) {
		return fail(report, "ca", 0);
	}
	if (o->crl != NULL &&
	    (wolfSSL_CTX_EnableCRL(lib.ctx, WOLFSSL_CRL_CHECK) != WOLFSSL_SUCCESS ||
	     wolfSSL_CTX_LoadCRLFile(lib.ctx, o->crl, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)) {
		return fail(report, "crl", 0);
	}
	if (!o->server && !o->no_verify) {
		mode = WOLFSSL_VERIFY_PEER;
	} else if (o->server && o->later) {
		mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_POST_HANDSHAKE;
	} else if (o->server && o->auth != AUTH_NONE) {
		mode = WOLFSSL_VERIFY_PEER |
		       (o->auth == AUTH_REQUIRE ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	}
	wolfSSL_CTX_set_verify(lib.ctx, mode, NULL);
	return true;
}

/* Encrypted ClientHello and raw public keys came after 5.5. */
#if defined(HAVE_ECH) && defined(HAVE_RPK)
static bool make_ech(const struct peer_options *o)
{
	unsigned char list[512];
	word32 len = sizeof(list);
	FILE *f;
	bool ok;

	/* DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM */
	if (wolfSSL_CTX_GenerateEchConfig(lib.ctx, o->ech_name, 0x20, 1, 1) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_GetEchConfigs(lib.ctx, list, &len) != WOLFSSL_SUCCESS) {
		return false;
	}
	f = fopen(o->ech_out, "wb");
	ok = f != NULL && fwrite(list, 1, len, f) == len;
	if (f != NULL) {
		fclose(f);
	}
	return ok;
}

static bool use_ech(const struct peer_options *o)
{
	struct peer_blob list = {NULL, 0};
	bool ok = peer_load(&list, o->ech) &&
		  wolfSSL_SetEchConfigs(lib.ssl, list.data, (word32)list.len) == WOLFSSL_SUCCESS;

	free(list.data);
	return ok;
}

/* RFC 7250: the bytes of the SubjectPublicKeyInfo are all there is to compare. */
static int on_verify_raw(int ok, WOLFSSL_X509_STORE_CTX *store)
{
	struct peer_blob blob = {NULL, 0};
	bool same = store->certs != NULL && store->totalCerts > 0 &&
		    peer_load(&blob, lib.o->peer_key) && blob.len == store->certs[0].length &&
		    memcmp(blob.data, store->certs[0].buffer, blob.len) == 0;

	(void)ok;
	free(blob.data);
	lib.report->raw_key = same;
	return same;
}

static bool set_raw_keys(const struct peer_options *o)
{
	const char type = WOLFSSL_CERT_TYPE_RPK;
	bool server = o->server ? o->raw_key != NULL : o->peer_key != NULL;
	bool client = o->server ? o->peer_key != NULL : o->raw_key != NULL;

	if (o->peer_key != NULL) {
		wolfSSL_CTX_set_verify(lib.ctx,
				       WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				       on_verify_raw);
	}
	return (!server ||
		wolfSSL_CTX_set_server_cert_type(lib.ctx, &type, 1) == WOLFSSL_SUCCESS) &&
	       (!client ||
		wolfSSL_CTX_set_client_cert_type(lib.ctx, &type, 1) == WOLFSSL_SUCCESS) &&
	       (o->raw_key == NULL ||
		(wolfSSL_CTX_use_certificate_file(lib.ctx, o->raw_key_der, WOLFSSL_FILETYPE_ASN1) ==
			 WOLFSSL_SUCCESS &&
		 wolfSSL_CTX_use_PrivateKey_file(lib.ctx, o->key, WOLFSSL_FILETYPE_PEM) ==
			 WOLFSSL_SUCCESS));
}
#else
static bool set_raw_keys(const struct peer_options *o)
{
	return o->raw_key == NULL && o->peer_key == NULL;
}

static bool make_ech(const struct peer_options *o)
{
	(void)o;
	return false;
}

static bool use_ech(const struct peer_options *o)
{
	(void)o;
	return false;
}
#endif

bool peer_library_open(const struct peer_options *o, struct peer_report *report)
{
	WOLFSSL_METHOD *method;

	lib.o = o;
	wolfSSL_Init();
	if (o->tls12) {
		method = o->server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
	} else {
		method = o->server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
	}
	lib.ctx = wolfSSL_CTX_new(method);
	if (lib.ctx == NULL || !set_trust(o, report) || !set_suites(o, report) ||
	    !set_groups(o, report)) {
		return fail(report, "context", 0);
	}
	if (o->cert != NULL &&
	    (wolfSSL_CTX_use_certificate_chain_file(lib.ctx, o->cert) != WOLFSSL_SUCCESS ||
	     wolfSSL_CTX_use_PrivateKey_file(lib.ctx, o->key, WOLFSSL_FILETYPE_PEM) !=
		     WOLFSSL_SUCCESS)) {
		return fail(report, "certificate", 0);
	}
	if (o->psk.data != NULL && o->tls12) {
		wolfSSL_CTX_set_psk_server_callback(lib.ctx, on_psk_server12);
		wolfSSL_CTX_set_psk_client_callback(lib.ctx, on_psk_client12);
	} else if (o->psk.data != NULL && o->server) {
		wolfSSL_CTX_set_psk_server_tls13_callback(lib.ctx, on_psk_server);
	} else if (o->psk.data != NULL) {
		wolfSSL_CTX_set_psk_client_tls13_callback(lib.ctx, on_psk_client);
	}
	if (o->psk_ke && wolfSSL_CTX_no_dhe_psk(lib.ctx) != 0) {
		return fail(report, "psk_ke", 0);
	}
	if (o->server) {
		wolfSSL_CTX_set_servername_callback(lib.ctx, on_sni);
	}
	if (!set_raw_keys(o)) {
		return fail(report, "raw keys", 0);
	}
	if (o->ech_name != NULL && !make_ech(o)) {
		return fail(report, "ech", 0);
	}
	if (o->server && o->tickets == 0) {
		wolfSSL_CTX_no_ticket_TLSv13(lib.ctx);
		wolfSSL_CTX_NoTicketTLSv12(lib.ctx);
	}
	if (o->later && !o->server && wolfSSL_CTX_allow_post_handshake_auth(lib.ctx) != 0) {
		return fail(report, "later", 0);
	}
	if (o->no_etm && wolfSSL_CTX_AllowEncryptThenMac(lib.ctx, 0) != WOLFSSL_SUCCESS) {
		return fail(report, "no encrypt-then-MAC", 0);
	}
	if (o->no_ems) {
		wolfSSL_CTX_DisableExtendedMasterSecret(lib.ctx);
	}
	return true;
}

/* ---- one connection -------------------------------------------------------------------- */

static int set_alpn(const struct peer_options *o)
{
	char list[256] = "";

	for (size_t i = 0; i < o->n_alpn; i++) {
		size_t used = strlen(list);

		snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? "," : "", o->alpn[i]);
	}
	return wolfSSL_UseALPN(lib.ssl, list, (unsigned)strlen(list),
			       WOLFSSL_ALPN_FAILED_ON_MISMATCH);
}

static bool set_client(const struct peer_options *o, struct peer_report *report)
{
	if (o->name != NULL &&
	    (wolfSSL_UseSNI(lib.ssl, WOLFSSL_SNI_HOST_NAME, o->name,
			    (unsigned short)strlen(o->name)) != WOLFSSL_SUCCESS ||
	     (!o->no_verify && wolfSSL_check_domain_name(lib.ssl, o->name) != WOLFSSL_SUCCESS))) {
		return fail(report, "name", 0);
	}
	if (o->tls12 && o->tickets != 0 && wolfSSL_UseSessionTicket(lib.ssl) != WOLFSSL_SUCCESS) {
		return fail(report, "ticket", 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		if (o->max_fragment_length == 512u << i &&
		    wolfSSL_UseMaxFragment(lib.ssl, (unsigned char)(WOLFSSL_MFL_2_9 + i)) !=
			    WOLFSSL_SUCCESS) {
			return fail(report, "max fragment length", 0);
		}
	}
	if (o->shares == 0) {
		wolfSSL_NoKeyShares(lib.ssl);
	}
	for (int i = 0; i < o->shares && (size_t)i < o->n_groups; i++) {
		if (wolfSSL_UseKeyShare(lib.ssl, (word16)group_id(o->groups[i])) !=
		    WOLFSSL_SUCCESS) {
			return fail(report, "key share", 0);
		}
	}
	if (o->session_in.data != NULL) {
		const unsigned char *at = o->session_in.data;
		WOLFSSL_SESSION *session =
			wolfSSL_d2i_SSL_SESSION(NULL, &at, (long)o->session_in.len);
		bool ok =
			session != NULL && wolfSSL_set_session(lib.ssl, session) == WOLFSSL_SUCCESS;

		wolfSSL_SESSION_free(session);
		return ok || fail(report, "session", 0);
	}
	return true;
}

static void tell(const struct peer_options *o, struct peer_report *report)
{
	const char *group = wolfSSL_get_curve_name(lib.ssl);
	WOLFSSL_X509_CHAIN *chain = wolfSSL_get_peer_chain(lib.ssl);
	const char *cipher = wolfSSL_get_cipher(lib.ssl);
	char *alpn = NULL;
	unsigned short alpn_len = 0;

	snprintf(report->version, sizeof(report->version), "%s", wolfSSL_get_version(lib.ssl));
	snprintf(report->cipher, sizeof(report->cipher), "%s", cipher);
	for (size_t i = 0; suite_names[i][0] != NULL; i++) {
		if (strcasecmp(cipher, suite_names[i][1]) == 0) {
			snprintf(report->cipher, sizeof(report->cipher), "%s", suite_names[i][0]);
		}
	}
	for (size_t i = 0; group != NULL && i < 3; i++) {
		if (strcasecmp(group, group_names[i].other) == 0) {
			snprintf(report->group, sizeof(report->group), "%s", group_names[i].name);
		}
	}
	if (wolfSSL_ALPN_GetProtocol(lib.ssl, &alpn, &alpn_len) == WOLFSSL_SUCCESS) {
		snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)alpn_len, alpn);
	}
	report->resumed = wolfSSL_session_reused(lib.ssl) == 1;
	/* wolfSSL_get_peer_certificate gives nothing for Ed25519. */
	report->peer_cert = chain != NULL && wolfSSL_get_chain_count(chain) > 0;
	if (o->export_label != NULL) {
		report->has_export =
			wolfSSL_export_keying_material(lib.ssl, report->exported, o->export_len,
						       o->export_label, strlen(o->export_label),
						       (const unsigned char *)"", 0,
						       o->export_empty) == WOLFSSL_SUCCESS;
	}
}

bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report)
{
	int ret;

	lib.report = report;
	lib.ssl = wolfSSL_new(lib.ctx);
	if (lib.ssl == NULL || wolfSSL_set_fd(lib.ssl, fd) != WOLFSSL_SUCCESS) {
		return fail(report, "new", 0);
	}
	if (o->n_alpn > 0 && set_alpn(o) != WOLFSSL_SUCCESS) {
		return fail(report, "alpn", 0);
	}
	if (!o->server && !set_client(o, report)) {
		return false;
	}
	if (o->ech != NULL && !use_ech(o)) {
		return fail(report, "ech", 0);
	}
	/* wolfSSL keeps the secrets for exporters only when told so before the handshake. */
	if (o->export_label != NULL) {
		wolfSSL_KeepArrays(lib.ssl);
	}
	if (o->cookie && wolfSSL_send_hrr_cookie(lib.ssl, NULL, 0) != WOLFSSL_SUCCESS) {
		return fail(report, "cookie", 0);
	}
	ret = o->server ? wolfSSL_accept(lib.ssl) : wolfSSL_connect(lib.ssl);
	if (ret != WOLFSSL_SUCCESS) {
		return fail(report, "handshake", ret);
	}
	tell(o, report);
	return true;
}

static void save_session(void)
{
	WOLFSSL_SESSION *session;
	unsigned char *der = NULL;
	int len;

	if (lib.o->server || lib.o->session_out == NULL ||
	    (session = wolfSSL_get1_session(lib.ssl)) == NULL) {
		return;
	}
	len = wolfSSL_i2d_SSL_SESSION(session, &der);
	if (len > 0) {
		peer_save_session(der, (size_t)len);
	}
	wolfSSL_OPENSSL_free(der);
	wolfSSL_SESSION_free(session);
}

void peer_library_disconnect(void)
{
	wolfSSL_free(lib.ssl);
	lib.ssl = NULL;
}

void peer_library_close(void)
{
	wolfSSL_CTX_free(lib.ctx);
	wolfSSL_Cleanup();
}

ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report)
{
	int n = wolfSSL_read(lib.ssl, buf, (int)len);
	int code;

	if (n > 0) {
		return n;
	}
	code = wolfSSL_get_error(lib.ssl, n);
	if (code == WOLFSSL_ERROR_ZERO_RETURN) {
		return PEER_CLOSED;
	}
	if (code == SOCKET_PEER_CLOSED_E || code == SOCKET_ERROR_E ||
	    code == WOLFSSL_ERROR_SYSCALL) {
		return PEER_TRUNCATED;
	}
	fail(report, "read", n);
	return PEER_ERROR;
}

bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report)
{
	int n = wolfSSL_write(lib.ssl, buf, (int)len);

	return n == (int)len || fail(report, "write", n);
}

bool peer_library_final(struct peer_report *report)
{
	int ret;

	/* The ticket came after the handshake, with the first data read. */
	save_session();
	ret = wolfSSL_shutdown(lib.ssl);
	return ret == WOLFSSL_SUCCESS || ret == WOLFSSL_SHUTDOWN_NOT_DONE ||
	       fail(report, "shutdown", ret);
}

bool peer_library_rekey(bool both, struct peer_report *report)
{
	int ret;

	if (!both) {
		return peer_fail(report, "wolfSSL always asks the peer to update too");
	}
	ret = wolfSSL_update_keys(lib.ssl);
	return ret == WOLFSSL_SUCCESS || fail(report, "key update", ret);
}

bool peer_library_request(struct peer_report *report)
{
	int ret = wolfSSL_request_certificate(lib.ssl);

	return ret == WOLFSSL_SUCCESS || fail(report, "request", ret);
}

bool peer_library_has_cert(void)
{
	WOLFSSL_X509_CHAIN *chain = wolfSSL_get_peer_chain(lib.ssl);

	return chain != NULL && wolfSSL_get_chain_count(chain) > 0;
}
