/* SPDX-License-Identifier: Apache-2.0
 *
 * GnuTLS's part of a peer program.
 */
#include <gnutls/gnutls.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

const char peer_library_name[] = "GnuTLS";

static struct {
	const struct peer_options *o;
	struct peer_report *report;
	gnutls_certificate_credentials_t certs;
	gnutls_psk_client_credentials_t psk_client;
	gnutls_psk_server_credentials_t psk_server;
	gnutls_datum_t ticket_key;
	gnutls_anti_replay_t anti_replay;
	gnutls_session_t session;
	bool saved;
	FILE *keylog;
	char priority[1024];
} lib;

static bool fail(struct peer_report *report, const char *what, int code)
{
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		report->alert_in = (int)gnutls_alert_get(lib.session);
	}
	return peer_fail(report, "%s: %s", what, gnutls_strerror(code));
}

/* ---- callbacks ----------------------------------------------------------------------- */

/* RFC 7250: the bytes of the SubjectPublicKeyInfo are all there is to compare. */
static int check_raw_key(const gnutls_datum_t *key)
{
	struct peer_blob blob = {NULL, 0};
	bool same = key != NULL && lib.o->peer_key != NULL && peer_load(&blob, lib.o->peer_key) &&
		    blob.len == key->size && memcmp(blob.data, key->data, blob.len) == 0;

	free(blob.data);
	lib.report->raw_key = same;
	return same ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int on_verify(gnutls_session_t session)
{
	const struct peer_options *o = lib.o;
	gnutls_typed_vdata_st data[2];
	unsigned status = 0, count = 0, used = 0;
	const char *purpose = o->server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
	int code;

	if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) == GNUTLS_CRT_RAWPK) {
		return check_raw_key(gnutls_certificate_get_peers(session, &count));
	}
	gnutls_certificate_get_peers(session, &count);
	if (o->no_verify || (count == 0 && o->auth != AUTH_REQUIRE)) {
		return 0;
	}
	data[used++] = (gnutls_typed_vdata_st){.type = GNUTLS_DT_KEY_PURPOSE_OID,
					       .data = (unsigned char *)(uintptr_t)purpose};
	if (!o->server && o->name != NULL) {
		data[used++] = (gnutls_typed_vdata_st){.type = GNUTLS_DT_DNS_HOSTNAME,
						       .data = (unsigned char *)(uintptr_t)o->name};
	}
	code = gnutls_certificate_verify_peers(session, data, used, &status);
	if (code < 0 || status != 0) {
		peer_fail(lib.report, "certificate status %#x", status);
		return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
	}
	return 0;
}

static int on_hello(gnutls_session_t session)
{
	char name[128] = "";
	size_t len = sizeof(name) - 1;
	unsigned type;

	if (gnutls_server_name_get(session, name, &len, &type, 0) == GNUTLS_E_SUCCESS) {
		snprintf(lib.report->sni, sizeof(lib.report->sni), "%s", name);
	}
	if (lib.o->sni_expect != NULL && strcmp(lib.report->sni, lib.o->sni_expect) != 0) {
		return GNUTLS_E_UNRECOGNIZED_NAME;
	}
	return 0;
}

static int on_psk(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
	(void)session;
	if (strcmp(user, lib.o->psk_identity) != 0) {
		return -1;
	}
	key->data = gnutls_malloc(lib.o->psk.len);
	if (key->data == NULL) {
		return -1;
	}
	memcpy(key->data, lib.o->psk.data, lib.o->psk.len);
	key->size = (unsigned)lib.o->psk.len;
	return 0;
}

static int on_keylog(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
	gnutls_datum_t client, server;

	gnutls_session_get_random(session, &client, &server);
	fprintf(lib.keylog, "%s ", label);
	for (unsigned i = 0; i < client.size; i++) {
		fprintf(lib.keylog, "%02x", client.data[i]);
	}
	fputc(' ', lib.keylog);
	for (unsigned i = 0; i < secret->size; i++) {
		fprintf(lib.keylog, "%02x", secret->data[i]);
	}
	fputc('\n', lib.keylog);
	fflush(lib.keylog);
	return 0;
}

/* The store of an anti-replay window: the last few binders' digests are enough for a test. */
static int on_anti_replay(void *ptr, time_t expires, const gnutls_datum_t *key,
			  const gnutls_datum_t *data)
{
	static unsigned char seen[16][64];
	static unsigned count;

	(void)ptr;
	(void)expires;
	(void)data;
	for (unsigned i = 0; i < count; i++) {
		if (key->size <= 64 && memcmp(seen[i], key->data, key->size) == 0) {
			return GNUTLS_E_DB_ENTRY_EXISTS;
		}
	}
	if (count == 16 || key->size > 64) {
		return GNUTLS_E_DB_ENTRY_EXISTS;
	}
	memcpy(seen[count++], key->data, key->size);
	return 0;
}

/* The store of session IDs: a server without tickets finds its sessions here. */
static struct {
	gnutls_datum_t id, data;
} store[8];
static size_t stored;

static bool copy(gnutls_datum_t *to, const gnutls_datum_t *from)
{
	to->data = gnutls_malloc(from->size);
	if (to->data != NULL) {
		memcpy(to->data, from->data, from->size);
		to->size = from->size;
	}
	return to->data != NULL;
}

static int on_store(void *arg, gnutls_datum_t id, gnutls_datum_t data)
{
	(void)arg;
	if (stored == 8 || !copy(&store[stored].id, &id) || !copy(&store[stored].data, &data)) {
		return -1;
	}
	stored++;
	return 0;
}

static gnutls_datum_t on_retrieve(void *arg, gnutls_datum_t id)
{
	gnutls_datum_t found = {NULL, 0};

	(void)arg;
	for (size_t i = 0; i < stored && found.data == NULL; i++) {
		if (store[i].id.size == id.size &&
		    memcmp(store[i].id.data, id.data, id.size) == 0) {
			(void)copy(&found, &store[i].data);
		}
	}
	return found;
}

static int on_remove(void *arg, gnutls_datum_t id)
{
	(void)arg;
	(void)id;
	return 0;
}

/* ---- set-up -------------------------------------------------------------------------- */

static void append(const char *text)
{
	size_t used = strlen(lib.priority);

	snprintf(lib.priority + used, sizeof(lib.priority) - used, "%s", text);
}

static void append_each(const char *const *list, size_t n, const char *const (*map)[2])
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; map[j][0] != NULL; j++) {
			if (strcmp(list[i], map[j][0]) == 0) {
				append(map[j][1]);
			}
		}
	}
}

/* TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 -> :+ECDHE-RSA:+AES-128-CBC:+SHA256; an AEAD has no MAC. */
static void append_older(const char *suite)
{
	const char *with = strstr(suite, "_WITH_");
	const char *hash = strrchr(suite, '_') + 1;
	char text[96], cipher[48];
	bool cbc = strstr(suite, "_CBC_") != NULL;

	snprintf(cipher, sizeof(cipher), "%.*s", (int)(hash - 1 - (with + 6)), with + 6);
	snprintf(text, sizeof(text), ":+%.*s:+%s:+%s", (int)(with - suite - 4), suite + 4, cipher,
		 !cbc			    ? "AEAD"
		 : strcmp(hash, "SHA") == 0 ? "SHA1"
					    : hash);
	for (char *c = text; *c != 0; c++) {
		*c = *c == '_' ? '-' : *c;
	}
	append(text);
}

static void append_suites(const struct peer_options *o)
{
	static const char *const suites[][2] = {
		{"TLS_AES_128_GCM_SHA256", ":+AES-128-GCM"},
		{"TLS_AES_256_GCM_SHA384", ":+AES-256-GCM"},
		{"TLS_CHACHA20_POLY1305_SHA256", ":+CHACHA20-POLY1305"},
		{NULL, NULL},
	};

	append(o->tls12 ? ":-KX-ALL:-CIPHER-ALL:-MAC-ALL" : ":-CIPHER-ALL");
	append_each(o->suites, o->n_suites, suites);
	for (size_t i = 0; i < o->n_suites; i++) {
		if (strstr(o->suites[i], "_WITH_") != NULL) {
			append_older(o->suites[i]);
		}
	}
}

static void make_priority(const struct peer_options *o)
{
	static const char *const groups[][2] = {
		{"X25519", ":+GROUP-X25519"},
		{"P-256", ":+GROUP-SECP256R1"},
		{"P-384", ":+GROUP-SECP384R1"},
		{NULL, NULL},
	};

	append("NORMAL:-VERS-ALL");
	append(o->tls12 ? ":+VERS-TLS1.2" : ":+VERS-TLS1.3");
	if (o->n_suites > 0) {
		append_suites(o);
	}
	if (o->n_groups > 0) {
		append(":-GROUP-ALL");
		append_each(o->groups, o->n_groups, groups);
	}
	if (o->psk.data != NULL && o->tls12) {
		append(o->n_suites > 0 ? "" : ":-KX-ALL:+ECDHE-PSK");
	} else if (o->psk.data != NULL) {
		append(o->psk_ke ? ":-KX-ALL:+PSK" : ":-KX-ALL:+ECDHE-PSK:+DHE-PSK");
	} else if (o->psk_ke) {
		append(":+PSK");
	}
	if (o->no_compat) {
		append(":%DISABLE_TLS13_COMPAT_MODE");
	}
	if (o->raw_key != NULL || o->peer_key != NULL) {
		append(":+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK");
	}
	append(o->no_ems ? ":%NO_SESSION_HASH" : "");
	append(o->no_etm ? ":%NO_ETM" : "");
	append(o->fallback ? ":%FALLBACK_SCSV" : "");
}

static bool open_psk(const struct peer_options *o, struct peer_report *report)
{
	gnutls_datum_t key = {o->psk.data, (unsigned)o->psk.len};
	int code;

	if (o->server) {
		code = gnutls_psk_allocate_server_credentials(&lib.psk_server);
		if (code == 0) {
			gnutls_psk_set_server_credentials_function(lib.psk_server, on_psk);
		}
	} else {
		code = gnutls_psk_allocate_client_credentials(&lib.psk_client);
		if (code == 0) {
			code = gnutls_psk_set_client_credentials(lib.psk_client, o->psk_identity,
								 &key, GNUTLS_PSK_KEY_RAW);
		}
	}
	return code == 0 || fail(report, "psk", code);
}

bool peer_library_open(const struct peer_options *o, struct peer_report *report)
{
	int code = gnutls_certificate_allocate_credentials(&lib.certs);

	lib.o = o;
	if (code == 0 && o->ca != NULL) {
		code = gnutls_certificate_set_x509_trust_file(lib.certs, o->ca,
							      GNUTLS_X509_FMT_PEM);
	}
	if (code >= 0 && o->crl != NULL) {
		code = gnutls_certificate_set_x509_crl_file(lib.certs, o->crl, GNUTLS_X509_FMT_PEM);
	}
	if (code >= 0 && o->raw_key != NULL) {
		code = gnutls_certificate_set_rawpk_key_file(
			lib.certs, o->raw_key, o->key, GNUTLS_X509_FMT_PEM, NULL, 0, NULL, 0, 0, 0);
	}
	if (code >= 0 && o->cert != NULL) {
		code = gnutls_certificate_set_x509_key_file(lib.certs, o->cert, o->key,
							    GNUTLS_X509_FMT_PEM);
	}
	if (code >= 0 && o->staple != NULL) {
		code = gnutls_certificate_set_ocsp_status_request_file(lib.certs, o->staple, 0);
	}
	if (code < 0) {
		return fail(report, "credentials", code);
	}
	gnutls_certificate_set_verify_function(lib.certs, on_verify);
	if (o->psk.data != NULL && !open_psk(o, report)) {
		return false;
	}
	if (o->server && (code = gnutls_session_ticket_key_generate(&lib.ticket_key)) < 0) {
		return fail(report, "ticket key", code);
	}
	if (o->server && o->early_max > 0) {
		code = gnutls_anti_replay_init(&lib.anti_replay);
		if (code < 0) {
			return fail(report, "anti-replay", code);
		}
		gnutls_anti_replay_set_add_function(lib.anti_replay, on_anti_replay);
	}
	if (o->keylog != NULL) {
		lib.keylog = fopen(o->keylog, "a");
	}
	make_priority(o);
	return true;
}

/* ---- one connection -------------------------------------------------------------------- */

static int set_alpn(const struct peer_options *o)
{
	gnutls_datum_t ids[PEER_MAX_LIST];

	for (size_t i = 0; i < o->n_alpn; i++) {
		ids[i].data = (unsigned char *)(uintptr_t)o->alpn[i];
		ids[i].size = (unsigned)strlen(o->alpn[i]);
	}
	return gnutls_alpn_set_protocols(lib.session, ids, (unsigned)o->n_alpn,
					 GNUTLS_ALPN_MANDATORY);
}

static int set_server(const struct peer_options *o)
{
	static const gnutls_certificate_request_t requests[] = {
		[AUTH_NONE] = GNUTLS_CERT_IGNORE,
		[AUTH_REQUEST] = GNUTLS_CERT_REQUEST,
		[AUTH_REQUIRE] = GNUTLS_CERT_REQUIRE,
	};

	gnutls_certificate_server_set_request(lib.session, requests[o->auth]);
	gnutls_handshake_set_post_client_hello_function(lib.session, on_hello);
	if (o->early_max > 0) {
		gnutls_record_set_max_early_data_size(lib.session, o->early_max);
		gnutls_anti_replay_enable(lib.session, lib.anti_replay);
	}
	gnutls_db_set_retrieve_function(lib.session, on_retrieve);
	gnutls_db_set_store_function(lib.session, on_store);
	gnutls_db_set_remove_function(lib.session, on_remove);
	if (o->tickets != 0) {
		return gnutls_session_ticket_enable_server(lib.session, &lib.ticket_key);
	}
	return 0;
}

static int set_client(const struct peer_options *o)
{
	int code = 0;

	if (o->name != NULL) {
		code = gnutls_server_name_set(lib.session, GNUTLS_NAME_DNS, o->name,
					      strlen(o->name));
	}
	if (code == 0 && o->max_fragment_length > 0) {
		code = (int)gnutls_record_set_max_size(lib.session, o->max_fragment_length);
	}
	if (code == 0 && o->session_in.data != NULL) {
		code = gnutls_session_set_data(lib.session, o->session_in.data, o->session_in.len);
	}
	return code;
}

static int set_session(const struct peer_options *o)
{
	unsigned flags = o->server ? GNUTLS_SERVER : GNUTLS_CLIENT;
	int code;

	if (o->early_max > 0 || o->early.data != NULL) {
		flags |= GNUTLS_ENABLE_EARLY_DATA;
	}
	if (!o->server && o->shares > 0) {
		flags |= o->shares == 1	  ? GNUTLS_KEY_SHARE_TOP
			 : o->shares == 2 ? GNUTLS_KEY_SHARE_TOP2
					  : GNUTLS_KEY_SHARE_TOP3;
	}
	if (o->tickets == 0 && o->server) {
		flags |= GNUTLS_NO_TICKETS;
	}
	if (o->later) {
		flags |= GNUTLS_POST_HANDSHAKE_AUTH;
	}
	if (o->raw_key != NULL || o->peer_key != NULL) {
		flags |= GNUTLS_ENABLE_RAWPK;
	}
	if ((code = gnutls_init(&lib.session, flags)) < 0 ||
	    (code = gnutls_priority_set_direct(lib.session, lib.priority, NULL)) < 0 ||
	    (code = gnutls_credentials_set(lib.session, GNUTLS_CRD_CERTIFICATE, lib.certs)) < 0) {
		return code;
	}
	if (lib.psk_client != NULL) {
		code = gnutls_credentials_set(lib.session, GNUTLS_CRD_PSK, lib.psk_client);
	} else if (lib.psk_server != NULL) {
		code = gnutls_credentials_set(lib.session, GNUTLS_CRD_PSK, lib.psk_server);
	}
	if (code == 0 && o->n_alpn > 0) {
		code = set_alpn(o);
	}
	if (code == 0 && o->record_size_limit > 0) {
		code = (int)gnutls_record_set_max_recv_size(lib.session, o->record_size_limit);
	}
	if (code == 0) {
		code = o->server ? set_server(o) : set_client(o);
	}
	if (lib.keylog != NULL) {
		gnutls_session_set_keylog_function(lib.session, on_keylog);
	}
	return code;
}

static void take_early(void)
{
	unsigned char buf[4096];
	ssize_t n;

	while ((n = gnutls_record_recv_early_data(lib.session, buf, sizeof(buf))) > 0) {
		peer_take_early(buf, (size_t)n);
	}
}

static void tell(const struct peer_options *o, struct peer_report *report)
{
	static const char *const groups[][2] = {
		{"X25519", "X25519"}, {"SECP256R1", "P-256"}, {"SECP384R1", "P-384"}};
	const char *group = gnutls_group_get_name(gnutls_group_get(lib.session));
	gnutls_datum_t alpn = {NULL, 0};
	unsigned count = 0;

	snprintf(report->version, sizeof(report->version), "%s",
		 gnutls_protocol_get_version(lib.session) == GNUTLS_TLS1_3 ? "TLSv1.3" : "TLSv1.2");
	/* "TLS1.3", cipher and MAC make the IANA name; gnutls_ciphersuite_get exists from 3.7.4. */
	snprintf(report->cipher, sizeof(report->cipher), "%s", gnutls_ciphersuite_get(lib.session));
	for (size_t i = 0; group != NULL && i < 3; i++) {
		if (strcmp(group, groups[i][0]) == 0) {
			snprintf(report->group, sizeof(report->group), "%s", groups[i][1]);
		}
	}
	if (gnutls_alpn_get_selected_protocol(lib.session, &alpn) == 0) {
		snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)alpn.size,
			 (char *)alpn.data);
	}
	report->resumed = gnutls_session_is_resumed(lib.session) != 0;
	report->status = gnutls_ocsp_status_request_is_checked(lib.session, 0) != 0;
	report->peer_cert = gnutls_certificate_get_peers(lib.session, &count) != NULL && count > 0;
	if (!o->server && o->early.data != NULL) {
		snprintf(report->early, sizeof(report->early), "%s",
			 (gnutls_session_get_flags(lib.session) & GNUTLS_SFLAGS_EARLY_DATA) != 0
				 ? "accepted"
				 : "rejected");
	}
	if (o->export_label != NULL) {
		report->has_export =
			gnutls_prf_rfc5705(lib.session, strlen(o->export_label), o->export_label, 0,
					   o->export_empty ? "" : NULL, o->export_len,
					   (char *)report->exported) == 0;
	}
}

bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report)
{
	unsigned tries = 0;
	int code;

	lib.report = report;
	lib.saved = false;
	code = set_session(o);
	if (code < 0) {
		return fail(report, "session", code);
	}
	gnutls_transport_set_int(lib.session, fd);
	if (!o->server && o->early.data != NULL) {
		ssize_t n = gnutls_record_send_early_data(lib.session, o->early.data, o->early.len);

		if (n < 0) {
			return fail(report, "early data", (int)n);
		}
	}
	/* A server's handshake is also interrupted for early data. */
	do {
		code = gnutls_handshake(lib.session);
	} while (code < 0 && gnutls_error_is_fatal(code) == 0 && tries++ < 64);
	if (code < 0) {
		int level;

		fail(report, "handshake", code);
		if (code != GNUTLS_E_FATAL_ALERT_RECEIVED &&
		    gnutls_alert_send_appropriate(lib.session, code) == 0) {
			report->alert_out = gnutls_error_to_alert(code, &level);
		}
		return false;
	}
	if (o->server && o->early_max > 0) {
		take_early();
	}
	tell(o, report);
	return true;
}

void peer_library_disconnect(void)
{
	if (lib.session != NULL) {
		gnutls_deinit(lib.session);
	}
	lib.session = NULL;
}

void peer_library_close(void)
{
	gnutls_certificate_free_credentials(lib.certs);
	if (lib.psk_client != NULL) {
		gnutls_psk_free_client_credentials(lib.psk_client);
	}
	if (lib.psk_server != NULL) {
		gnutls_psk_free_server_credentials(lib.psk_server);
	}
	if (lib.anti_replay != NULL) {
		gnutls_anti_replay_deinit(lib.anti_replay);
	}
	gnutls_free(lib.ticket_key.data);
	if (lib.keylog != NULL) {
		fclose(lib.keylog);
	}
}

static void save_ticket(void)
{
	gnutls_datum_t data = {NULL, 0};

	/* In TLS 1.3 a session is worth something only once its ticket has come. */
	if (lib.saved || lib.o->server ||
	    (gnutls_protocol_get_version(lib.session) == GNUTLS_TLS1_3 &&
	     (gnutls_session_get_flags(lib.session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0)) {
		return;
	}
	if (gnutls_session_get_data2(lib.session, &data) == 0) {
		peer_save_session(data.data, data.size);
		lib.saved = true;
	}
	gnutls_free(data.data);
}

ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report)
{
	unsigned tries = 0;
	ssize_t n;

	/* AGAIN also follows a handshake message such as a ticket, on a blocking socket too. */
	do {
		n = gnutls_record_recv(lib.session, buf, len);
		if (n == GNUTLS_E_REAUTH_REQUEST && gnutls_reauth(lib.session, 0) == 0) {
			n = GNUTLS_E_AGAIN;
		}
	} while ((n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN) && tries++ < 64);
	save_ticket();
	if (n >= 0) {
		return n;
	}
	if (n == GNUTLS_E_PREMATURE_TERMINATION) {
		return PEER_TRUNCATED;
	}
	fail(report, "read", (int)n);
	return PEER_ERROR;
}

bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report)
{
	while (len > 0) {
		size_t pad = lib.o->padding > 0 ? (lib.o->padding - (len + 1) % lib.o->padding) %
							  lib.o->padding
						: 0;
		ssize_t n;

		/* The library refuses padding that does not fit the record. */
		pad = len + pad + 1 > 16384 ? 0 : pad;
		n = gnutls_record_send2(lib.session, buf, len, pad, 0);
		if (n < 0) {
			return fail(report, "write", (int)n);
		}
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

bool peer_library_final(struct peer_report *report)
{
	int code = gnutls_bye(lib.session, GNUTLS_SHUT_WR);

	return code == 0 || fail(report, "bye", code);
}

bool peer_library_rekey(bool both, struct peer_report *report)
{
	int code = gnutls_session_key_update(lib.session, both ? GNUTLS_KU_PEER : 0);

	return code == 0 || fail(report, "key update", code);
}

/* Waits for the answer: nothing else may come before it. */
bool peer_library_request(struct peer_report *report)
{
	int code;

	gnutls_certificate_server_set_request(lib.session, GNUTLS_CERT_REQUEST);
	code = gnutls_reauth(lib.session, 0);
	if (code < 0) {
		int level;

		fail(report, "reauth", code);
		if (code != GNUTLS_E_FATAL_ALERT_RECEIVED &&
		    gnutls_alert_send_appropriate(lib.session, code) == 0) {
			report->alert_out = gnutls_error_to_alert(code, &level);
		}
		return false;
	}
	return true;
}

bool peer_library_has_cert(void)
{
	unsigned count = 0;

	return gnutls_certificate_get_peers(lib.session, &count) != NULL && count > 0;
}
