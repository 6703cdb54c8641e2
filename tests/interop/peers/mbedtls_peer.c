/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS's part of a peer program, for 2.28 (TLS 1.2 only) and 3.6.
 */
#include <mbedtls/version.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

#define MBEDTLS_3 (MBEDTLS_VERSION_MAJOR >= 3)
#if MBEDTLS_3
#include <psa/crypto.h>
#else
#define MBEDTLS_PRIVATE(member) member
#endif

const char peer_library_name[] = "mbedTLS";

static struct {
	const struct peer_options *o;
	struct peer_report *report;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca, cert;
	mbedtls_x509_crl crl;
	mbedtls_pk_context key;
	mbedtls_ssl_cache_context cache;
	mbedtls_ssl_ticket_context tickets;
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	int suites[PEER_MAX_LIST + 1];
	const char *alpn[PEER_MAX_LIST + 1];
	bool verified, restored; /* a chain was seen, a server found a session again */
#if MBEDTLS_3
	uint16_t groups[PEER_MAX_LIST + 1];
#else
	mbedtls_ecp_group_id groups[PEER_MAX_LIST + 1];
	unsigned char main_secret[48], randoms[64]; /* for the exporter, which 2.28 has not */
	mbedtls_tls_prf_types prf;
#endif
} lib;

static bool fail(struct peer_report *report, const char *what, int code)
{
	char text[160] = "";

	mbedtls_strerror(code, text, sizeof(text));
	if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE &&
	    lib.ssl.MBEDTLS_PRIVATE(in_msg) != NULL) {
		report->alert_in = lib.ssl.MBEDTLS_PRIVATE(in_msg)[1];
	}
	return peer_fail(report, "%s: -%#x %s", what, (unsigned)-code, text);
}

/* ---- callbacks ----------------------------------------------------------------------- */

static int on_verify(void *arg, mbedtls_x509_crt *cert, int depth, uint32_t *flags)
{
	(void)arg;
	(void)cert;
	(void)depth;
	(void)flags;
	lib.verified = true;
	return 0;
}

static int on_sni(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
	(void)arg;
	(void)ssl;
	snprintf(lib.report->sni, sizeof(lib.report->sni), "%.*s", (int)len, (const char *)name);
	return lib.o->sni_expect == NULL || strcmp(lib.report->sni, lib.o->sni_expect) == 0 ? 0
											    : -1;
}

static int on_ticket(void *arg, mbedtls_ssl_session *session, unsigned char *buf, size_t len)
{
	int code = mbedtls_ssl_ticket_parse(arg, session, buf, len);

	lib.restored = lib.restored || code == 0;
	return code;
}

#if MBEDTLS_3
static int on_cache(void *arg, const unsigned char *id, size_t len, mbedtls_ssl_session *session)
{
	int code = mbedtls_ssl_cache_get(arg, id, len, session);
#else
static int on_cache(void *arg, mbedtls_ssl_session *session)
{
	int code = mbedtls_ssl_cache_get(arg, session);
#endif
	lib.restored = lib.restored || code == 0;
	return code;
}

#if !MBEDTLS_3
static int on_keys(void *arg, const unsigned char *secret, const unsigned char *block, size_t mac,
		   size_t key, size_t iv, const unsigned char client_random[32],
		   const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
	(void)arg;
	(void)block;
	(void)mac;
	(void)key;
	(void)iv;
	memcpy(lib.main_secret, secret, sizeof(lib.main_secret));
	memcpy(lib.randoms, client_random, 32);
	memcpy(lib.randoms + 32, server_random, 32);
	lib.prf = prf;
	return 0;
}
#endif

/* ---- set-up -------------------------------------------------------------------------- */

/* "TLS_ECDHE_RSA_WITH_…" is "TLS-ECDHE-RSA-WITH-…" here, and "TLS1-3-AES-…" in TLS 1.3. */
static void swap_marks(char *text, char from, char to)
{
	for (; *text != 0; text++) {
		*text = *text == from ? to : *text;
	}
}

static int suite_id(const char *name)
{
	char text[80];
	bool newer = strstr(name, "_WITH_") == NULL;

	snprintf(text, sizeof(text), "%s%s", newer ? "TLS1-3-" : "", newer ? name + 4 : name);
	swap_marks(text, '_', '-');
	return mbedtls_ssl_get_ciphersuite_id(text);
}

static void suite_name(const char *name, char *out, size_t cap)
{
	bool newer = strncmp(name, "TLS1-3-", 7) == 0;

	snprintf(out, cap, "%s%s", newer ? "TLS_" : "", newer ? name + 7 : name);
	swap_marks(out, '-', '_');
}

static void set_groups(const struct peer_options *o)
{
	static const struct {
		const char *name;
		int old, group;
	} names[] = {{"X25519", MBEDTLS_ECP_DP_CURVE25519, 29},
		     {"P-256", MBEDTLS_ECP_DP_SECP256R1, 23},
		     {"P-384", MBEDTLS_ECP_DP_SECP384R1, 24}};
	size_t used = 0;

	for (size_t i = 0; i < o->n_groups; i++) {
		for (size_t j = 0; j < 3; j++) {
			if (strcmp(names[j].name, o->groups[i]) == 0) {
#if MBEDTLS_3
				lib.groups[used++] = (uint16_t)names[j].group;
#else
				lib.groups[used++] = (mbedtls_ecp_group_id)names[j].old;
#endif
			}
		}
	}
	if (used > 0) {
#if MBEDTLS_3
		mbedtls_ssl_conf_groups(&lib.conf, lib.groups);
#else
		/* It is also the list of curves of certificates. */
		for (size_t j = 0; j < 3; j++) {
			lib.groups[used++] = (mbedtls_ecp_group_id)names[j].old;
		}
		lib.groups[o->n_groups] = MBEDTLS_ECP_DP_NONE;
		mbedtls_ssl_conf_curves(&lib.conf, lib.groups);
#endif
	}
}

static void set_versions(const struct peer_options *o)
{
#if MBEDTLS_3
	mbedtls_ssl_protocol_version v =
		o->tls12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3;
	int modes = MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL;

	mbedtls_ssl_conf_min_tls_version(&lib.conf, v);
	mbedtls_ssl_conf_max_tls_version(&lib.conf, v);
	if (o->psk.data != NULL) {
		modes = o->psk_ke ? MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK
				  : MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL;
	} else if (o->psk_ke) {
		modes = MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK |
			MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL;
	}
	mbedtls_ssl_conf_tls13_key_exchange_modes(&lib.conf, modes);
	if (!o->server) {
		mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
			&lib.conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	} else if (o->tickets > 0) {
		mbedtls_ssl_conf_new_session_tickets(&lib.conf, (uint16_t)o->tickets);
	}
#else
	mbedtls_ssl_conf_fallback(&lib.conf, o->fallback ? MBEDTLS_SSL_IS_FALLBACK
							 : MBEDTLS_SSL_IS_NOT_FALLBACK);
	mbedtls_ssl_conf_min_version(&lib.conf, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_export_keys_ext_cb(&lib.conf, on_keys, NULL);
#endif
}

static bool set_identity(const struct peer_options *o, struct peer_report *report)
{
	int mode = MBEDTLS_SSL_VERIFY_NONE, code = 0;

	if (o->ca != NULL) {
		code = mbedtls_x509_crt_parse_file(&lib.ca, o->ca);
	}
	if (code == 0 && o->crl != NULL) {
		code = mbedtls_x509_crl_parse_file(&lib.crl, o->crl);
	}
	if (code == 0 && o->cert != NULL) {
		code = mbedtls_x509_crt_parse_file(&lib.cert, o->cert);
#if MBEDTLS_3
		code = code != 0 ? code
				 : mbedtls_pk_parse_keyfile(&lib.key, o->key, NULL,
							    mbedtls_ctr_drbg_random, &lib.random);
#else
		code = code != 0 ? code : mbedtls_pk_parse_keyfile(&lib.key, o->key, NULL);
#endif
		code = code != 0 ? code : mbedtls_ssl_conf_own_cert(&lib.conf, &lib.cert, &lib.key);
	}
	if (code == 0 && o->psk.data != NULL) {
		code = mbedtls_ssl_conf_psk(&lib.conf, o->psk.data, o->psk.len,
					    (const unsigned char *)o->psk_identity,
					    strlen(o->psk_identity));
	}
	if (!o->server && !o->no_verify) {
		mode = MBEDTLS_SSL_VERIFY_REQUIRED;
	} else if (o->server && o->auth != AUTH_NONE) {
		mode = o->auth == AUTH_REQUIRE ? MBEDTLS_SSL_VERIFY_REQUIRED
					       : MBEDTLS_SSL_VERIFY_OPTIONAL;
	}
	mbedtls_ssl_conf_authmode(&lib.conf, mode);
	mbedtls_ssl_conf_ca_chain(&lib.conf, &lib.ca, o->crl != NULL ? &lib.crl : NULL);
	mbedtls_ssl_conf_verify(&lib.conf, on_verify, NULL);
	return code == 0 || fail(report, "certificate", code);
}

static int set_sessions(const struct peer_options *o)
{
	int code = 0;

	mbedtls_ssl_conf_session_tickets(&lib.conf, o->tickets == 0
							    ? MBEDTLS_SSL_SESSION_TICKETS_DISABLED
							    : MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
	if (o->server) {
		mbedtls_ssl_conf_session_cache(&lib.conf, &lib.cache, on_cache,
					       mbedtls_ssl_cache_set);
	}
	if (o->server && o->tickets != 0) {
		code = mbedtls_ssl_ticket_setup(&lib.tickets, mbedtls_ctr_drbg_random, &lib.random,
						MBEDTLS_CIPHER_AES_256_GCM, 86400);
		mbedtls_ssl_conf_session_tickets_cb(&lib.conf, mbedtls_ssl_ticket_write, on_ticket,
						    &lib.tickets);
	}
	return code;
}

static int set_extensions(const struct peer_options *o)
{
	static const unsigned char sizes[] = {
		MBEDTLS_SSL_MAX_FRAG_LEN_512, MBEDTLS_SSL_MAX_FRAG_LEN_1024,
		MBEDTLS_SSL_MAX_FRAG_LEN_2048, MBEDTLS_SSL_MAX_FRAG_LEN_4096};
	int code = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (o->max_fragment_length == 512u << i) {
			code = mbedtls_ssl_conf_max_frag_len(&lib.conf, sizes[i]);
		}
	}
	mbedtls_ssl_conf_extended_master_secret(&lib.conf,
						o->no_ems ? MBEDTLS_SSL_EXTENDED_MS_DISABLED
							  : MBEDTLS_SSL_EXTENDED_MS_ENABLED);
	mbedtls_ssl_conf_encrypt_then_mac(&lib.conf, o->no_etm ? MBEDTLS_SSL_ETM_DISABLED
							       : MBEDTLS_SSL_ETM_ENABLED);
	for (size_t i = 0; i < o->n_alpn; i++) {
		lib.alpn[i] = o->alpn[i];
	}
	if (code == 0 && o->n_alpn > 0) {
		code = mbedtls_ssl_conf_alpn_protocols(&lib.conf, lib.alpn);
	}
	if (o->server) {
		mbedtls_ssl_conf_sni(&lib.conf, on_sni, NULL);
	}
	return code;
}

bool peer_library_open(const struct peer_options *o, struct peer_report *report)
{
	int code;

	lib.o = o;
#if MBEDTLS_3
	if (psa_crypto_init() != PSA_SUCCESS) {
		return peer_fail(report, "psa");
	}
#endif
	mbedtls_entropy_init(&lib.entropy);
	mbedtls_ctr_drbg_init(&lib.random);
	mbedtls_ssl_config_init(&lib.conf);
	mbedtls_x509_crt_init(&lib.ca);
	mbedtls_x509_crt_init(&lib.cert);
	mbedtls_x509_crl_init(&lib.crl);
	mbedtls_pk_init(&lib.key);
	mbedtls_ssl_cache_init(&lib.cache);
	mbedtls_ssl_ticket_init(&lib.tickets);
	code = mbedtls_ctr_drbg_seed(&lib.random, mbedtls_entropy_func, &lib.entropy, NULL, 0);
	if (code == 0) {
		code = mbedtls_ssl_config_defaults(
			&lib.conf, o->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
			MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	}
	if (code != 0) {
		return fail(report, "config", code);
	}
	mbedtls_ssl_conf_rng(&lib.conf, mbedtls_ctr_drbg_random, &lib.random);
	if (!set_identity(o, report)) {
		return false;
	}
	set_versions(o);
	set_groups(o);
	for (size_t i = 0; i < o->n_suites; i++) {
		lib.suites[i] = suite_id(o->suites[i]);
	}
	if (o->n_suites > 0) {
		mbedtls_ssl_conf_ciphersuites(&lib.conf, lib.suites);
	}
	code = set_sessions(o);
	code = code != 0 ? code : set_extensions(o);
	return code == 0 || fail(report, "config", code);
}

/* ---- one connection -------------------------------------------------------------------- */

static int use_session(const struct peer_options *o)
{
	mbedtls_ssl_session session;
	int code;

	mbedtls_ssl_session_init(&session);
	code = mbedtls_ssl_session_load(&session, o->session_in.data, o->session_in.len);
	if (code == 0) {
		code = mbedtls_ssl_set_session(&lib.ssl, &session);
	}
	mbedtls_ssl_session_free(&session);
	return code;
}

static void save_session(void)
{
	static unsigned char buf[65536];
	mbedtls_ssl_session session;
	size_t len = 0;

	mbedtls_ssl_session_init(&session);
	if (!lib.o->server && mbedtls_ssl_get_session(&lib.ssl, &session) == 0 &&
	    mbedtls_ssl_session_save(&session, buf, sizeof(buf), &len) == 0) {
		peer_save_session(buf, len);
	}
	mbedtls_ssl_session_free(&session);
}

static bool export_key(const struct peer_options *o, struct peer_report *report)
{
#if MBEDTLS_3
	return mbedtls_ssl_export_keying_material(
		       &lib.ssl, report->exported, o->export_len, o->export_label,
		       strlen(o->export_label), (const unsigned char *)"", 0, o->export_empty) == 0;
#else
	/* RFC 5705 §4: behind the randoms the length of a context, where there is one. */
	unsigned char seed[sizeof(lib.randoms) + 2] = {0};

	memcpy(seed, lib.randoms, sizeof(lib.randoms));
	return mbedtls_ssl_tls_prf(lib.prf, lib.main_secret, sizeof(lib.main_secret),
				   o->export_label, seed,
				   o->export_empty ? sizeof(seed) : sizeof(lib.randoms),
				   report->exported, o->export_len) == 0;
#endif
}

static void tell(const struct peer_options *o, struct peer_report *report)
{
	const char *alpn = mbedtls_ssl_get_alpn_protocol(&lib.ssl);

	snprintf(report->version, sizeof(report->version), "%s", mbedtls_ssl_get_version(&lib.ssl));
	suite_name(mbedtls_ssl_get_ciphersuite(&lib.ssl), report->cipher, sizeof(report->cipher));
	snprintf(report->alpn, sizeof(report->alpn), "%s", alpn != NULL ? alpn : "");
	report->peer_cert = mbedtls_ssl_get_peer_cert(&lib.ssl) != NULL;
	/* The library does not tell. A client that offered a session and was shown no chain… */
	report->resumed = o->server ? lib.restored : o->session_in.data != NULL && !lib.verified;
	if (o->export_label != NULL) {
		report->has_export = export_key(o, report);
	}
}

static bool prepare(const struct peer_options *o, struct peer_report *report)
{
	int code = mbedtls_ssl_setup(&lib.ssl, &lib.conf);

	if (code == 0 && !o->server) {
		code = mbedtls_ssl_set_hostname(&lib.ssl, o->name);
	}
	if (code == 0 && o->session_in.data != NULL) {
		code = use_session(o);
	}
	mbedtls_ssl_set_bio(&lib.ssl, &lib.net, mbedtls_net_send, mbedtls_net_recv, NULL);
	return code == 0 || fail(report, "setup", code);
}

bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report)
{
	unsigned tries = 0;
	int code;

	lib.report = report;
	lib.verified = lib.restored = false;
	lib.net.fd = fd;
	mbedtls_ssl_init(&lib.ssl);
	if (!prepare(o, report)) {
		return false;
	}
	do {
		code = mbedtls_ssl_handshake(&lib.ssl);
	} while (code == MBEDTLS_ERR_SSL_WANT_READ && tries++ < 4);
	if (code != 0) {
		return fail(report, "handshake", code);
	}
	tell(o, report);
	/* In TLS 1.3 tickets follow, and each is told of when something is read. */
	if (strcmp(report->version, "TLSv1.2") == 0) {
		save_session();
	}
	return true;
}

void peer_library_disconnect(void)
{
	mbedtls_ssl_free(&lib.ssl);
}

void peer_library_close(void)
{
	mbedtls_ssl_config_free(&lib.conf);
	mbedtls_x509_crt_free(&lib.ca);
	mbedtls_x509_crt_free(&lib.cert);
	mbedtls_x509_crl_free(&lib.crl);
	mbedtls_pk_free(&lib.key);
	mbedtls_ssl_cache_free(&lib.cache);
	mbedtls_ssl_ticket_free(&lib.tickets);
	mbedtls_ctr_drbg_free(&lib.random);
	mbedtls_entropy_free(&lib.entropy);
}

static bool is_ticket(int code)
{
#if MBEDTLS_3
	return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
	(void)code;
	return false;
#endif
}

ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report)
{
	unsigned tries = 0;
	int n;

	/* WANT_READ follows a handshake message, on a blocking socket too. */
	do {
		n = mbedtls_ssl_read(&lib.ssl, buf, len);
		if (is_ticket(n)) {
			save_session();
		}
	} while (is_ticket(n) || (n == MBEDTLS_ERR_SSL_WANT_READ && tries++ < 64));
	if (n > 0) {
		return n;
	}
	if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
		return PEER_CLOSED;
	}
	if (n == 0 || n == MBEDTLS_ERR_SSL_CONN_EOF || n == MBEDTLS_ERR_NET_CONN_RESET) {
		return PEER_TRUNCATED;
	}
	fail(report, "read", n);
	return PEER_ERROR;
}

bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report)
{
	while (len > 0) {
		int n = mbedtls_ssl_write(&lib.ssl, buf, len);

		if (n < 0) {
			return fail(report, "write", n);
		}
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

bool peer_library_final(struct peer_report *report)
{
	int code = mbedtls_ssl_close_notify(&lib.ssl);

	return code == 0 || fail(report, "close", code);
}

bool peer_library_rekey(bool both, struct peer_report *report)
{
	(void)both;
	return peer_fail(report, "mbedTLS has no key update");
}

bool peer_library_request(struct peer_report *report)
{
	return peer_fail(report, "mbedTLS cannot ask a client later");
}

bool peer_library_has_cert(void)
{
	return mbedtls_ssl_get_peer_cert(&lib.ssl) != NULL;
}
