/* SPDX-License-Identifier: Apache-2.0
 *
 * NSS's part of a peer program. NSS runs without a database here: PEM is turned into DER
 * by libcrypto, and certificates, keys and CRLs are imported for the life of the program.
 */
#include <nspr.h>
#include <nss.h>
#include <pk11pub.h>
#include <private/pprio.h>
#include <ssl.h>
#include <sslerr.h>
#include <sslexp.h>
#include <sslproto.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nss_parts.h"
#include "peer.h"

const char peer_library_name[] = "NSS";

static struct {
	const struct peer_options *o;
	struct peer_report *report;
	CERTCertificate *certs[8]; /* held so that chains can be built from them */
	size_t n_certs;
	CERTCertificate *leaf;
	SECKEYPrivateKey *key;
	PK11SymKey *psk;
	SSLAntiReplayContext *anti_replay;
	PRFileDesc *fd;
	bool close_seen;
} lib;

static bool fail(struct peer_report *report, const char *what)
{
	PRErrorCode code = PR_GetError();

	return peer_fail(report, "%s: %s", what, PR_ErrorToName(code) ? PR_ErrorToName(code) : "?");
}

/* ---- PEM ------------------------------------------------------------------------------ */

static CERTCertificate *hold(X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	SECItem item = {siBuffer, der, (unsigned)len};
	CERTCertificate *cert = NULL;

	if (len > 0 && lib.n_certs < 8) {
		cert = CERT_NewTempCertificate(CERT_GetDefaultCertDB(), &item, NULL, PR_FALSE,
					       PR_TRUE);
		if (cert != NULL) {
			lib.certs[lib.n_certs++] = cert;
		}
	}
	OPENSSL_free(der);
	return cert;
}

/* Imports every certificate of a file; *first is the first one. */
static bool import_certs(const char *path, CERTCertificate **first)
{
	BIO *bio = BIO_new_file(path, "r");
	bool any = false;
	X509 *x;

	while (bio != NULL && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		CERTCertificate *cert = hold(x);

		X509_free(x);
		if (cert == NULL) {
			break;
		}
		if (!any) {
			*first = cert;
		}
		any = true;
	}
	BIO_free(bio);
	return any;
}

static bool import_trust(const char *path)
{
	CERTCertificate *cert = NULL;
	CERTCertTrust trust;

	return import_certs(path, &cert) && CERT_DecodeTrustString(&trust, "CT,,") == SECSuccess &&
	       CERT_ChangeCertTrust(CERT_GetDefaultCertDB(), cert, &trust) == SECSuccess;
}

static bool import_crl(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	X509_CRL *crl = bio != NULL ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
	static unsigned char *der; /* NSS refers to it from then on */
	static SECItem item;
	int len = crl != NULL ? i2d_X509_CRL(crl, &der) : -1;

	X509_CRL_free(crl);
	BIO_free(bio);
	item = (SECItem){siBuffer, der, (unsigned)len};
	return len > 0 && CERT_CacheCRL(CERT_GetDefaultCertDB(), &item) == SECSuccess;
}

/* NSS finds a key again by its public value: the point, or the modulus. */
static int public_value(EVP_PKEY *key, unsigned char *out, size_t cap)
{
	BIGNUM *n = NULL;
	size_t len = 0;
	int used;

	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, cap, &len) == 1) {
		return (int)len;
	}
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1) {
		return -1;
	}
	used = BN_num_bytes(n) <= (int)cap ? BN_bn2bin(n, out) : -1;
	BN_free(n);
	return used;
}

static bool import_key(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	PKCS8_PRIV_KEY_INFO *info = key != NULL ? EVP_PKEY2PKCS8(key) : NULL;
	PK11SlotInfo *slot = PK11_GetInternalSlot();
	unsigned char *der = NULL, public[600];
	int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	int public_len = key != NULL ? public_value(key, public, sizeof(public)) : -1;
	SECItem item = {siBuffer, der, (unsigned)len},
		value = {siBuffer, public, (unsigned)public_len};
	bool ok;

	ok = len > 0 && public_len > 0 &&
	     PK11_ImportDERPrivateKeyInfoAndReturnKey(slot, &item, NULL, &value, PR_FALSE, PR_TRUE,
						      KU_DIGITAL_SIGNATURE, &lib.key,
						      NULL) == SECSuccess;
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(key);
	BIO_free(bio);
	PK11_FreeSlot(slot);
	return ok;
}

/* ---- callbacks ----------------------------------------------------------------------- */

static void on_alert_in(const PRFileDesc *fd, void *arg, const SSLAlert *alert)
{
	(void)fd;
	(void)arg;
	if (alert->description == 0) {
		lib.close_seen = true;
	} else {
		lib.report->alert_in = alert->description;
	}
}

static void on_alert_out(const PRFileDesc *fd, void *arg, const SSLAlert *alert)
{
	(void)fd;
	(void)arg;
	if (alert->description != 0) {
		lib.report->alert_out = alert->description;
	}
}

static SECStatus accept_any(void *arg, PRFileDesc *fd, PRBool check, PRBool is_server)
{
	(void)arg;
	(void)fd;
	(void)check;
	(void)is_server;
	return SECSuccess;
}

static SECStatus on_client_auth(void *arg, PRFileDesc *fd, CERTDistNames *names,
				CERTCertificate **cert, SECKEYPrivateKey **key)
{
	(void)arg;
	(void)fd;
	(void)names;
	if (lib.leaf == NULL) {
		return SECFailure;
	}
	*cert = CERT_DupCertificate(lib.leaf);
	*key = SECKEY_CopyPrivateKey(lib.key);
	return SECSuccess;
}

static PRInt32 on_sni(PRFileDesc *fd, const SECItem *names, PRUint32 count, void *arg)
{
	(void)fd;
	(void)arg;
	if (count > 0) {
		snprintf(lib.report->sni, sizeof(lib.report->sni), "%.*s", (int)names[0].len,
			 (const char *)names[0].data);
	}
	if (lib.o->sni_expect != NULL && strcmp(lib.report->sni, lib.o->sni_expect) != 0) {
		return SSL_SNI_SEND_ALERT;
	}
	return SSL_SNI_CURRENT_CONFIG_IS_USED;
}

static SECStatus on_token(PRFileDesc *fd, const PRUint8 *token, unsigned int len, void *ctx)
{
	(void)fd;
	(void)ctx;
	peer_save_session(token, len);
	return SECSuccess;
}

static SSLHelloRetryRequestAction on_retry(PRBool first, const PRUint8 *token,
					   unsigned int token_len, PRUint8 *out,
					   unsigned int *out_len, unsigned int max, void *arg)
{
	(void)token;
	(void)token_len;
	(void)arg;
	if (!first) {
		return ssl_hello_retry_accept;
	}
	*out_len = max < 4 ? max : 4;
	memset(out, 0x5a, *out_len);
	return ssl_hello_retry_request;
}

/* ---- set-up -------------------------------------------------------------------------- */

static bool make_psk(const struct peer_options *o)
{
	PK11SlotInfo *slot = PK11_GetInternalSlot();
	SECItem key = {siBuffer, o->psk.data, (unsigned)o->psk.len};

	lib.psk = PK11_ImportSymKey(slot, CKM_HKDF_KEY_GEN, PK11_OriginUnwrap, CKA_DERIVE, &key,
				    NULL);
	PK11_FreeSlot(slot);
	return lib.psk != NULL;
}

bool peer_library_open(const struct peer_options *o, struct peer_report *report)
{
	CERTCertificate *first = NULL;

	lib.o = o;
	PR_Init(PR_USER_THREAD, PR_PRIORITY_NORMAL, 0);
	if (NSS_NoDB_Init(NULL) != SECSuccess || NSS_SetDomesticPolicy() != SECSuccess) {
		return fail(report, "init");
	}
	if (o->ca != NULL && !import_trust(o->ca)) {
		return fail(report, "ca");
	}
	if (o->crl != NULL && !import_crl(o->crl)) {
		return fail(report, "crl");
	}
	if (o->cert != NULL && (!import_certs(o->cert, &first) || !import_key(o->key))) {
		return fail(report, "certificate");
	}
	lib.leaf = first;
	if (o->psk.data != NULL && !make_psk(o)) {
		return fail(report, "psk");
	}
	if (o->ech_name != NULL && !nss_ech_open(o)) {
		return fail(report, "ech");
	}
	if (o->server && SSL_ConfigServerSessionIDCache(0, 0, 0, ".") != SECSuccess) {
		return fail(report, "cache");
	}
	if (o->early_max > 0 &&
	    SSL_CreateAntiReplayContext(PR_Now() - 20 * PR_USEC_PER_SEC, 10 * PR_USEC_PER_SEC, 7,
					14, &lib.anti_replay) != SECSuccess) {
		return fail(report, "anti-replay");
	}
	return true;
}

/* The library names suites as IANA does. */
static const char *suite_name(PRUint16 id)
{
	static SSLCipherSuiteInfo info;

	return SSL_GetCipherSuiteInfo(id, &info, sizeof(info)) == SECSuccess ? info.cipherSuiteName
									     : "";
}

static const struct {
	const char *name;
	SSLNamedGroup id;
} groups[] = {{"X25519", ssl_grp_ec_curve25519},
	      {"P-256", ssl_grp_ec_secp256r1},
	      {"P-384", ssl_grp_ec_secp384r1},
	      {"X25519MLKEM768", (SSLNamedGroup)4588}}; /* from NSS 3.105 */

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

static SECStatus set_suites(const struct peer_options *o)
{
	const PRUint16 *all = SSL_GetImplementedCiphers();

	if (o->n_suites == 0) {
		return SECSuccess;
	}
	for (PRUint16 i = 0; i < SSL_GetNumImplementedCiphers(); i++) {
		bool on = false;

		for (size_t j = 0; j < o->n_suites; j++) {
			on = on || strcmp(o->suites[j], suite_name(all[i])) == 0;
		}
		if (SSL_CipherPrefSet(lib.fd, all[i], on ? PR_TRUE : PR_FALSE) != SECSuccess) {
			return SECFailure;
		}
	}
	return SECSuccess;
}

static SECStatus set_groups(const struct peer_options *o)
{
	SSLNamedGroup ids[PEER_MAX_LIST];

	for (size_t i = 0; i < o->n_groups; i++) {
		for (size_t j = 0; j < N_GROUPS; j++) {
			if (strcmp(o->groups[i], groups[j].name) == 0) {
				ids[i] = groups[j].id;
			}
		}
	}
	if (o->n_groups > 0 &&
	    SSL_NamedGroupConfig(lib.fd, ids, (unsigned)o->n_groups) != SECSuccess) {
		return SECFailure;
	}
	return o->shares > 1 ? SSL_SendAdditionalKeyShares(lib.fd, (unsigned)o->shares - 1)
			     : SECSuccess;
}

static SECStatus set_alpn(const struct peer_options *o)
{
	unsigned char wire[256];
	unsigned used = 0;

	for (size_t i = 0; i < o->n_alpn; i++) {
		unsigned len = (unsigned)strlen(o->alpn[i]);

		if (used + 1 + len > sizeof(wire)) {
			return SECFailure;
		}
		wire[used++] = (unsigned char)len;
		memcpy(wire + used, o->alpn[i], len);
		used += len;
	}
	return used == 0 ? SECSuccess : SSL_SetNextProtoNego(lib.fd, wire, used);
}

static SECStatus set_certificate(const struct peer_options *o)
{
	struct peer_blob blob = {NULL, 0};
	SECItem item = {siBuffer, NULL, 0};
	SECItemArray array = {&item, 1};
	SSLExtraServerCertData extra = {.authType = ssl_auth_null};
	SECStatus status;

	if (o->staple != NULL && peer_load(&blob, o->staple)) {
		item.data = blob.data;
		item.len = (unsigned)blob.len;
		extra.stapledOCSPResponses = &array;
	}
	status = SSL_ConfigServerCert(lib.fd, lib.leaf, lib.key, &extra, sizeof(extra));
	free(blob.data);
	return status;
}

static SECStatus set_server(const struct peer_options *o)
{
	if (lib.leaf != NULL && set_certificate(o) != SECSuccess) {
		return SECFailure;
	}
	if (SSL_SNISocketConfigHook(lib.fd, on_sni, NULL) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_REQUEST_CERTIFICATE, o->auth != AUTH_NONE) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_REQUIRE_CERTIFICATE,
			  o->auth == AUTH_REQUIRE ? SSL_REQUIRE_ALWAYS : SSL_REQUIRE_NEVER) !=
		    SECSuccess) {
		return SECFailure;
	}
	if (o->early_max > 0 && (SSL_SetAntiReplayContext(lib.fd, lib.anti_replay) != SECSuccess ||
				 SSL_SetMaxEarlyDataSize(lib.fd, o->early_max) != SECSuccess)) {
		return SECFailure;
	}
	return o->cookie ? SSL_HelloRetryRequestCallback(lib.fd, on_retry, NULL) : SECSuccess;
}

static SECStatus set_client(const struct peer_options *o)
{
	if (o->name != NULL && SSL_SetURL(lib.fd, o->name) != SECSuccess) {
		return SECFailure;
	}
	/* NSS 3.87 dies when it encodes a session that has no peer certificate. */
	if (lib.psk == NULL &&
	    SSL_SetResumptionTokenCallback(lib.fd, on_token, NULL) != SECSuccess) {
		return SECFailure;
	}
	if (SSL_GetClientAuthDataHook(lib.fd, on_client_auth, NULL) != SECSuccess) {
		return SECFailure;
	}
	if (o->session_in.data == NULL) {
		return SECSuccess;
	}
	return SSL_SetResumptionToken(lib.fd, o->session_in.data, (unsigned)o->session_in.len);
}

static SECStatus set_signatures(const struct peer_options *o)
{
	static const SSLSignatureScheme all[] = {
		ssl_sig_ecdsa_secp256r1_sha256, ssl_sig_ecdsa_secp384r1_sha384,
		ssl_sig_rsa_pss_rsae_sha256,	ssl_sig_rsa_pss_pss_sha256,
		ssl_sig_rsa_pss_pss_sha384,	ssl_sig_rsa_pss_pss_sha512,
	};

	return o->pss_keys ? SSL_SignatureSchemePrefSet(lib.fd, all, sizeof(all) / sizeof(all[0]))
			   : SECSuccess;
}

static SECStatus set_options(const struct peer_options *o)
{
	PRUint16 version = o->tls12 ? SSL_LIBRARY_VERSION_TLS_1_2 : SSL_LIBRARY_VERSION_TLS_1_3;
	SSLVersionRange range = {version, version};
	bool early = o->early_max > 0 || o->early.data != NULL;

	if (SSL_VersionRangeSet(lib.fd, &range) != SECSuccess || set_suites(o) != SECSuccess ||
	    set_groups(o) != SECSuccess || set_signatures(o) != SECSuccess ||
	    set_alpn(o) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_SESSION_TICKETS, o->tickets != 0) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_OCSP_STAPLING, o->want_status) != SECSuccess ||
	    (o->record_size_limit > 0 &&
	     SSL_OptionSet(lib.fd, SSL_RECORD_SIZE_LIMIT, (PRIntn)o->record_size_limit) !=
		     SECSuccess) ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_EXTENDED_MASTER_SECRET, !o->no_ems) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_FALLBACK_SCSV, o->fallback) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_POST_HANDSHAKE_AUTH, o->later) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_TLS13_COMPAT_MODE, !o->no_compat) != SECSuccess ||
	    SSL_OptionSet(lib.fd, SSL_ENABLE_0RTT_DATA, early) != SECSuccess ||
	    SSL_AlertReceivedCallback(lib.fd, on_alert_in, NULL) != SECSuccess ||
	    SSL_AlertSentCallback(lib.fd, on_alert_out, NULL) != SECSuccess) {
		return SECFailure;
	}
	if (o->no_verify && SSL_AuthCertificateHook(lib.fd, accept_any, NULL) != SECSuccess) {
		return SECFailure;
	}
	if (lib.psk != NULL &&
	    SSL_AddExternalPsk(lib.fd, lib.psk, (const PRUint8 *)o->psk_identity,
			       (unsigned)strlen(o->psk_identity), ssl_hash_sha256) != SECSuccess) {
		return SECFailure;
	}
	if (nss_ech_set(lib.fd, o) != SECSuccess || nss_compress_set(lib.fd, o) != SECSuccess) {
		return SECFailure;
	}
	return o->server ? set_server(o) : set_client(o);
}

/* ---- one connection -------------------------------------------------------------------- */

static bool nonblocking(bool on)
{
	PRSocketOptionData option = {.option = PR_SockOpt_Nonblocking};

	option.value.non_blocking = on ? PR_TRUE : PR_FALSE;
	return PR_SetSocketOption(lib.fd, &option) == PR_SUCCESS;
}

/* A layer between NSS and the socket that can keep back what has arrived: early data that waits for
 * the server's answer is not early. */
static bool holding;

static PRInt32 hold_recv(PRFileDesc *fd, void *buf, PRInt32 len, PRIntn flags,
			 PRIntervalTime timeout)
{
	if (holding) {
		PR_SetError(PR_WOULD_BLOCK_ERROR, 0);
		return -1;
	}
	return fd->lower->methods->recv(fd->lower, buf, len, flags, timeout);
}

static bool push_hold(PRFileDesc *socket)
{
	static PRIOMethods methods;
	PRFileDesc *layer;

	methods = *PR_GetDefaultIOMethods();
	methods.recv = hold_recv;
	layer = PR_CreateIOLayerStub(PR_GetUniqueIdentity("hold"), &methods);
	return layer != NULL && PR_PushIOLayer(socket, PR_TOP_IO_LAYER, layer) == PR_SUCCESS;
}

/* A blocking write would wait for the whole handshake. */
static bool send_early(const struct peer_options *o, struct peer_report *report)
{
	PRInt32 len = (PRInt32)o->early.len;
	bool ok = nonblocking(true);

	holding = true;
	(void)SSL_ForceHandshake(lib.fd);
	ok = ok && PR_Write(lib.fd, o->early.data, len) == len;
	holding = false;
	return (nonblocking(false) && ok) || fail(report, "early data");
}

static bool take_early(void)
{
	unsigned char buf[4096];
	PRInt32 n = PR_Read(lib.fd, buf, sizeof(buf));

	if (n > 0) {
		peer_take_early(buf, (size_t)n);
	}
	return n > 0;
}

static void tell(const struct peer_options *o, struct peer_report *report)
{
	CERTCertificate *cert = SSL_PeerCertificate(lib.fd);
	SSLChannelInfo info;
	SSLNextProtoState state;
	unsigned char alpn[64];
	unsigned len = 0;

	memset(&info, 0, sizeof(info));
	SSL_GetChannelInfo(lib.fd, &info, sizeof(info));
	snprintf(report->version, sizeof(report->version), "%s",
		 info.protocolVersion == SSL_LIBRARY_VERSION_TLS_1_3 ? "TLSv1.3" : "TLSv1.2");
	snprintf(report->cipher, sizeof(report->cipher), "%s", suite_name(info.cipherSuite));
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (groups[i].id == info.keaGroup) {
			snprintf(report->group, sizeof(report->group), "%s", groups[i].name);
		}
	}
	if (SSL_GetNextProto(lib.fd, &state, alpn, &len, sizeof(alpn)) == SECSuccess &&
	    state != SSL_NEXT_PROTO_NO_SUPPORT) {
		snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)len, (const char *)alpn);
	}
	report->status = SSL_PeerStapledOCSPResponses(lib.fd) != NULL &&
			 SSL_PeerStapledOCSPResponses(lib.fd)->len > 0;
	report->ech = info.echAccepted == PR_TRUE;
	report->resumed = info.resumed == PR_TRUE;
	report->peer_cert = cert != NULL;
	CERT_DestroyCertificate(cert);
	if (o->early.data != NULL || (o->server && o->early_max > 0)) {
		snprintf(report->early, sizeof(report->early), "%s",
			 info.earlyDataAccepted ? "accepted" : "rejected");
	}
	if (o->export_label != NULL) {
		report->has_export =
			SSL_ExportKeyingMaterial(
				lib.fd, o->export_label, (unsigned)strlen(o->export_label),
				o->export_empty ? PR_TRUE : PR_FALSE, (const unsigned char *)"", 0,
				report->exported, (unsigned)o->export_len) == SECSuccess;
	}
}

bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report)
{
	lib.report = report;
	lib.close_seen = false;
	lib.fd = PR_ImportTCPSocket(fd);
	if (lib.fd == NULL || !push_hold(lib.fd)) {
		return fail(report, "socket");
	}
	lib.fd = SSL_ImportFD(NULL, lib.fd);
	/* The reset drops a session that was set, so it comes first. */
	if (lib.fd == NULL ||
	    SSL_ResetHandshake(lib.fd, o->server ? PR_TRUE : PR_FALSE) != SECSuccess ||
	    set_options(o) != SECSuccess) {
		return fail(report, "options");
	}
	if (!o->server && o->early.data != NULL && !send_early(o, report)) {
		return false;
	}
	/* A server's handshake stops where early data can be read. */
	while (SSL_ForceHandshake(lib.fd) != SECSuccess) {
		if (!o->server || o->early_max == 0 || PR_GetError() != PR_WOULD_BLOCK_ERROR ||
		    !take_early()) {
			fail(report, "handshake");
			nss_ech_keep_retry(lib.fd, o);
			return false;
		}
	}
	tell(o, report);
	return true;
}

void peer_library_disconnect(void)
{
	/* The descriptor stays open: peer.c closes it. */
	if (lib.fd != NULL) {
		PRFileDesc *bottom = PR_GetIdentitiesLayer(lib.fd, PR_NSPR_IO_LAYER);

		if (bottom != NULL) {
			PR_ChangeFileDescNativeHandle(bottom, -1);
		}
		PR_Close(lib.fd);
	}
	lib.fd = NULL;
}

void peer_library_close(void)
{
	nss_ech_close();
	for (size_t i = 0; i < lib.n_certs; i++) {
		CERT_DestroyCertificate(lib.certs[i]);
	}
	if (lib.o->server) {
		SSL_ShutdownServerSessionIDCache();
	}
}

ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report)
{
	PRInt32 n = PR_Recv(lib.fd, buf, (PRInt32)len, 0, PR_SecondsToInterval(lib.o->timeout_s));

	if (n > 0) {
		return n;
	}
	if (n == 0 || PR_GetError() == PR_END_OF_FILE_ERROR) {
		return lib.close_seen ? PEER_CLOSED : PEER_TRUNCATED;
	}
	fail(report, "read");
	return PEER_ERROR;
}

bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report)
{
	return PR_Write(lib.fd, buf, (PRInt32)len) == (PRInt32)len || fail(report, "write");
}

bool peer_library_final(struct peer_report *report)
{
	/* It closes the stream below too, which the peer may already have done. */
	return PR_Shutdown(lib.fd, PR_SHUTDOWN_SEND) == PR_SUCCESS ||
	       PR_GetError() == PR_NOT_CONNECTED_ERROR || fail(report, "shutdown");
}

bool peer_library_rekey(bool both, struct peer_report *report)
{
	return SSL_KeyUpdate(lib.fd, both ? PR_TRUE : PR_FALSE) == SECSuccess ||
	       fail(report, "key update");
}

bool peer_library_request(struct peer_report *report)
{
	if (SSL_OptionSet(lib.fd, SSL_REQUEST_CERTIFICATE, PR_TRUE) != SECSuccess ||
	    SSL_SendCertificateRequest(lib.fd) != SECSuccess) {
		return fail(report, "request");
	}
	return true;
}

bool peer_library_has_cert(void)
{
	CERTCertificate *cert = SSL_PeerCertificate(lib.fd);
	bool has = cert != NULL;

	CERT_DestroyCertificate(cert);
	return has;
}
