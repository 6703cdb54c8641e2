/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver's flags, and the security parameters that they ask for.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum flag {
	FLAG_HOST = 256,
	FLAG_PORT,
	FLAG_CONNECTIONS,
	FLAG_TIMEOUT,
	FLAG_CERT,
	FLAG_KEY,
	FLAG_RAW_KEY,
	FLAG_PEER_RAW_KEY,
	FLAG_OCSP,
	FLAG_EXTERNAL_CERT,
	FLAG_EXTERNAL_KEY,
	FLAG_CA,
	FLAG_CRL,
	FLAG_NAME,
	FLAG_ALPN,
	FLAG_SET,
	FLAG_PSK,
	FLAG_ANSWER_PSK,
	FLAG_DELEGATE,
	FLAG_REQUEST_LATER,
	FLAG_ECH,
	FLAG_ECH_KEY,
	FLAG_ECH_RETRY_OUT,
	FLAG_SESSION_IN,
	FLAG_SESSION_OUT,
	FLAG_EARLY,
	FLAG_SEND,
	FLAG_RECEIVE,
	FLAG_ECHO,
	FLAG_FINISH,
	FLAG_WANT_SESSIONS,
	FLAG_WANT_REKEYS,
	FLAG_REKEY,
	FLAG_CHUNK,
	FLAG_SEGMENT,
	FLAG_EXPORT,
	FLAG_KEYLOG,
	FLAG_OUT,
	FLAG_BACKEND,
};

static const struct option flags[] = {
	{"host", required_argument, NULL, FLAG_HOST},
	{"port", required_argument, NULL, FLAG_PORT},
	{"connections", required_argument, NULL, FLAG_CONNECTIONS},
	{"timeout", required_argument, NULL, FLAG_TIMEOUT},
	{"cert", required_argument, NULL, FLAG_CERT},
	{"key", required_argument, NULL, FLAG_KEY},
	{"raw-key", required_argument, NULL, FLAG_RAW_KEY},
	{"peer-raw-key", required_argument, NULL, FLAG_PEER_RAW_KEY},
	{"ocsp", required_argument, NULL, FLAG_OCSP},
	{"external-cert", required_argument, NULL, FLAG_EXTERNAL_CERT},
	{"external-key", required_argument, NULL, FLAG_EXTERNAL_KEY},
	{"ca", required_argument, NULL, FLAG_CA},
	{"crl", required_argument, NULL, FLAG_CRL},
	{"name", required_argument, NULL, FLAG_NAME},
	{"alpn", required_argument, NULL, FLAG_ALPN},
	{"set", required_argument, NULL, FLAG_SET},
	{"psk", required_argument, NULL, FLAG_PSK},
	{"answer-psk", required_argument, NULL, FLAG_ANSWER_PSK},
	{"delegate", required_argument, NULL, FLAG_DELEGATE},
	{"request-later", no_argument, NULL, FLAG_REQUEST_LATER},
	{"ech", required_argument, NULL, FLAG_ECH},
	{"ech-key", required_argument, NULL, FLAG_ECH_KEY},
	{"ech-retry-out", required_argument, NULL, FLAG_ECH_RETRY_OUT},
	{"session-in", required_argument, NULL, FLAG_SESSION_IN},
	{"session-out", required_argument, NULL, FLAG_SESSION_OUT},
	{"early", required_argument, NULL, FLAG_EARLY},
	{"send", required_argument, NULL, FLAG_SEND},
	{"receive", required_argument, NULL, FLAG_RECEIVE},
	{"echo", no_argument, NULL, FLAG_ECHO},
	{"finish", required_argument, NULL, FLAG_FINISH},
	{"want-sessions", required_argument, NULL, FLAG_WANT_SESSIONS},
	{"want-rekeys", required_argument, NULL, FLAG_WANT_REKEYS},
	{"rekey", required_argument, NULL, FLAG_REKEY},
	{"chunk", required_argument, NULL, FLAG_CHUNK},
	{"segment", required_argument, NULL, FLAG_SEGMENT},
	{"export", required_argument, NULL, FLAG_EXPORT},
	{"keylog", required_argument, NULL, FLAG_KEYLOG},
	{"out", required_argument, NULL, FLAG_OUT},
	{"backend", required_argument, NULL, FLAG_BACKEND},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"driver client|server [flags]\n"
	"  --host ADDR --port N      IPv4; a server with port 0 takes a free one and tells it\n"
	"  --connections N           server: end after N connections (one JSON line for each)\n"
	"  --timeout MS              per connection\n"
	"  --ca F --crl F --cert F --key F   PEM; each may be repeated\n"
	"  --raw-key F --peer-raw-key F   raw public keys; --ocsp F about the first certificate\n"
	"  --external-cert F --external-key F   signatures are made outside the engine\n"
	"  --name NAME --alpn ID --set PARAMETER=VALUE (see security.def)\n"
	"  --psk ID:HEX[:sha384]     external PSK; --answer-psk HEX answers for any identity\n"
	"  --delegate accept|refuse  what to answer when asked to validate the peer\n"
	"  --request-later           server: ask for the client's certificate once connected\n"
	"  --ech F --ech-key F       an ECHConfigList to encrypt with, a key to decrypt with\n"
	"  --ech-retry-out F         where a refused client writes the server's ECHConfigList\n"
	"  --session-in F --session-out F   sessions are written to F.0, F.1, …\n"
	"  --early F --send F --receive N --echo --out F\n"
	"  --finish close|half|wait|abort\n"
	"  --want-sessions N --want-rekeys N   do not finish before\n"
	"  --rekey N[:both]          update the sending key after N bytes\n"
	"  --chunk N                 bytes per message\n"
	"  --segment N               at most N bytes per socket call\n"
	"  --export LABEL:LEN[:HEXCONTEXT]\n"
	"  --keylog F --backend auto|libcrypto|ipsec-mb\n";

void progress(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
}

bool blob_load(struct blob *blob, const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (f == NULL) {
		progress("cannot open %s", path);
		return false;
	}
	if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
		fclose(f);
		return false;
	}
	rewind(f);
	blob->len = (size_t)size;
	blob->data = malloc(blob->len + 1);
	if (blob->data == NULL || fread(blob->data, 1, blob->len, f) != blob->len) {
		fclose(f);
		return false;
	}
	blob->data[blob->len] = 0;
	fclose(f);
	return true;
}

bool hex_decode(const char *text, struct blob *blob)
{
	size_t len = strcspn(text, ":") / 2;

	blob->data = malloc(len + 1);
	blob->len = len;
	for (size_t i = 0; blob->data != NULL && i < len; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
			return false;
		}
		blob->data[i] = (uint8_t)byte;
	}
	return blob->data != NULL;
}

static bool push(const char **list, size_t *count, const char *value)
{
	if (*count == MAX_LIST) {
		return false;
	}
	list[(*count)++] = value;
	return true;
}

static bool push_set(struct options *o, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || o->sets == MAX_LIST) {
		return false;
	}
	*equals = 0;
	o->set[o->sets++] = (struct pair){text, equals + 1};
	return true;
}

static bool push_rekey(struct options *o, const char *text)
{
	char *end;

	if (o->rekeys == MAX_LIST) {
		return false;
	}
	o->rekey[o->rekeys].after = strtoull(text, &end, 10);
	o->rekey[o->rekeys++].both = strcmp(end, ":both") == 0;
	return *end == 0 || strcmp(end, ":both") == 0;
}

static bool choose(const char *text, const char *const *names, int *out)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool set_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text != 0 && *end == 0 && *out <= max;
}

/* Flags with a number; *known says whether it was one. */
static bool set_numeric(struct options *o, int flag, const char *text, bool *known)
{
	uint64_t n = 0;
	bool ok;

	*known = true;
	switch (flag) {
	case FLAG_PORT:
		ok = set_number(text, UINT16_MAX, &n);
		o->port = (uint16_t)n;
		return ok;
	case FLAG_CONNECTIONS:
		ok = set_number(text, 1000, &n);
		o->connections = (unsigned)n;
		return ok;
	case FLAG_TIMEOUT:
		ok = set_number(text, 600000, &n);
		o->timeout_ms = (unsigned)n;
		return ok;
	case FLAG_RECEIVE:
		return set_number(text, UINT64_MAX, &o->receive);
	case FLAG_WANT_SESSIONS:
		ok = set_number(text, 100, &n);
		o->want_sessions = (unsigned)n;
		return ok;
	case FLAG_WANT_REKEYS:
		ok = set_number(text, 100, &n);
		o->want_rekeys = (unsigned)n;
		return ok;
	case FLAG_CHUNK:
		ok = set_number(text, 1u << 24, &n);
		o->chunk = (size_t)n;
		return ok && n > 0;
	case FLAG_SEGMENT:
		ok = set_number(text, 1u << 24, &n);
		o->segment = (size_t)n;
		return ok && n > 0;
	default:
		*known = false;
		return true;
	}
}

static bool set_flag(struct options *o, int flag, char *arg)
{
	static const char *const finishes[] = {"close", "half", "wait", "abort", NULL};
	static const char *const backends[] = {"auto", "libcrypto", "ipsec-mb", NULL};
	int choice = 0;
	bool known, ok = set_numeric(o, flag, arg, &known);

	if (known) {
		return ok;
	}
	switch (flag) {
	case FLAG_HOST:
		o->host = arg;
		return true;
	case FLAG_CERT:
		return push(o->cert, &o->certs, arg);
	case FLAG_KEY:
		return push(o->key, &o->keys, arg);
	case FLAG_RAW_KEY:
		o->raw_key = arg;
		return true;
	case FLAG_PEER_RAW_KEY:
		o->peer_raw_key = arg;
		return true;
	case FLAG_OCSP:
		o->ocsp = arg;
		return true;
	case FLAG_EXTERNAL_CERT:
		o->external_cert = arg;
		return true;
	case FLAG_EXTERNAL_KEY:
		o->external_key = arg;
		return true;
	case FLAG_CA:
		return push(o->ca, &o->cas, arg);
	case FLAG_CRL:
		return push(o->crl, &o->crls, arg);
	case FLAG_NAME:
		o->name = arg;
		return true;
	case FLAG_ALPN:
		return push(o->alpn, &o->alpns, arg);
	case FLAG_SET:
		return push_set(o, arg);
	case FLAG_PSK:
		return push(o->psk, &o->psks, arg);
	case FLAG_ANSWER_PSK:
		o->answer_psk = arg;
		return true;
	case FLAG_DELEGATE:
		o->delegate = arg;
		return strcmp(arg, "accept") == 0 || strcmp(arg, "refuse") == 0;
	case FLAG_REQUEST_LATER:
		o->request_later = true;
		return true;
	case FLAG_ECH:
		o->ech = arg;
		return true;
	case FLAG_ECH_KEY:
		o->ech_key = arg;
		return true;
	case FLAG_ECH_RETRY_OUT:
		o->ech_retry_out = arg;
		return true;
	case FLAG_SESSION_IN:
		o->session_in = arg;
		return true;
	case FLAG_SESSION_OUT:
		o->session_out = arg;
		return true;
	case FLAG_EARLY:
		return blob_load(&o->early, arg);
	case FLAG_SEND:
		return blob_load(&o->send, arg);
	case FLAG_ECHO:
		o->echo = true;
		return true;
	case FLAG_REKEY:
		return push_rekey(o, arg);
	case FLAG_EXPORT:
		return push(o->export, &o->exports, arg);
	case FLAG_KEYLOG:
		o->keylog = arg;
		return true;
	case FLAG_OUT:
		o->out = arg;
		return true;
	case FLAG_FINISH:
		ok = choose(arg, finishes, &choice);
		o->finish = (enum finish)choice;
		return ok;
	case FLAG_BACKEND:
		ok = choose(arg, backends, &choice);
		o->backend = (enum enn_crypto_backend)choice;
		return ok;
	default:
		return false;
	}
}

bool options_parse(struct options *o, int argc, char **argv)
{
	int flag;

	*o = (struct options){
		.host = "127.0.0.1", .connections = 1, .timeout_ms = 10000, .chunk = 65536};
	if (argc < 2 || (strcmp(argv[1], "client") != 0 && strcmp(argv[1], "server") != 0)) {
		fputs(usage, stderr);
		return false;
	}
	o->server = strcmp(argv[1], "server") == 0;
	optind = 2;
	while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		/* Set before set_flag cuts the text, for the message. */
		const char *which = argv[optind - 1];

		if (flag < FLAG_HOST || !set_flag(o, flag, optarg)) {
			progress("bad flag or value near '%s'", which);
			fputs(usage, stderr);
			return false;
		}
	}
	if (optind != argc || o->certs != o->keys) {
		progress("stray argument, or --cert without --key");
		return false;
	}
	return true;
}

void options_free(struct options *o)
{
	free(o->early.data);
	free(o->send.data);
}

/* ---- security parameters ------------------------------------------------------- */

static bool check(enum enn_status status, const char *what, const struct enn_error *error)
{
	if (status != ENN_OK) {
		progress("%s: %s %s", what, enn_status_name(status),
			 error != NULL ? error->text : "");
	}
	return status == ENN_OK;
}

static bool add_psk(struct enn_security *s, const char *text)
{
	const char *colon = strchr(text, ':');
	struct enn_credential *credential = NULL;
	enum enn_psk_hash hash = ENN_PSK_SHA256;
	struct blob key = {0};
	bool ok;

	if (colon == NULL || !hex_decode(colon + 1, &key)) {
		free(key.data);
		return false;
	}
	if (strstr(colon + 1, ":sha384") != NULL) {
		hash = ENN_PSK_SHA384;
	}
	ok = check(enn_credential_psk((const uint8_t *)text, (size_t)(colon - text), key.data,
				      key.len, hash, &credential),
		   "psk", NULL) &&
	     check(enn_security_add_credential(s, credential), "psk", NULL);
	enn_credential_free(credential);
	free(key.data);
	return ok;
}

static bool add_raw_keys(const struct options *o, struct enn_security *s)
{
	struct enn_credential *credential = NULL;
	struct enn_error error = {0};
	bool ok = true;

	if (o->raw_key != NULL) {
		ok = check(enn_credential_raw_key_file(o->raw_key, &credential, &error), o->raw_key,
			   &error) &&
		     check(enn_security_add_credential(s, credential), "credential", NULL);
		enn_credential_free(credential);
	}
	if (ok && o->peer_raw_key != NULL) {
		ok = check(enn_security_trust_raw_key_file(s, o->peer_raw_key, &error),
			   o->peer_raw_key, &error);
	}
	return ok;
}

static bool add_certificate(struct enn_security *s, const char *chain, const char *key,
			    const char *ocsp)
{
	struct enn_credential *credential = NULL;
	struct enn_error error = {0};
	struct blob pem = {0};
	bool ok;

	if (key != NULL) {
		ok = check(enn_credential_x509_file(chain, key, &credential, &error), chain,
			   &error);
	} else {
		ok = blob_load(&pem, chain) &&
		     check(enn_credential_x509_external((const char *)pem.data, pem.len,
							&credential, &error),
			   chain, &error);
	}
	ok = ok &&
	     (ocsp == NULL ||
	      check(enn_credential_set_ocsp_file(credential, ocsp, &error), ocsp, &error)) &&
	     check(enn_security_add_credential(s, credential), "credential", NULL);
	enn_credential_free(credential);
	free(pem.data);
	return ok;
}

static bool add_ech(const struct options *o, struct enn_security *s)
{
	struct enn_error error = {0};
	struct blob list = {0};
	bool ok = true;

	if (o->ech != NULL) {
		ok = blob_load(&list, o->ech) &&
		     check(enn_security_set_ech_configs(s, list.data, list.len, &error), o->ech,
			   &error);
	}
	if (ok && o->ech_key != NULL) {
		ok = check(enn_security_add_ech_key_file(s, o->ech_key, &error), o->ech_key,
			   &error);
	}
	free(list.data);
	return ok;
}

static bool fill_security(const struct options *o, struct enn_security *s)
{
	struct enn_error error = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < o->cas; i++) {
		ok = check(enn_security_trust_file(s, o->ca[i], &error), o->ca[i], &error);
	}
	for (size_t i = 0; ok && i < o->crls; i++) {
		ok = check(enn_security_crl_file(s, o->crl[i], &error), o->crl[i], &error);
	}
	for (size_t i = 0; ok && i < o->certs; i++) {
		ok = add_certificate(s, o->cert[i], o->key[i], i == 0 ? o->ocsp : NULL);
	}
	if (ok && o->external_cert != NULL) {
		ok = add_certificate(s, o->external_cert, NULL, NULL);
	}
	ok = ok && add_raw_keys(o, s) && add_ech(o, s);
	for (size_t i = 0; ok && i < o->psks; i++) {
		ok = add_psk(s, o->psk[i]);
	}
	for (size_t i = 0; ok && i < o->alpns; i++) {
		ok = check(
			enn_security_add_alpn(s, (const uint8_t *)o->alpn[i], strlen(o->alpn[i])),
			"alpn", NULL);
	}
	for (size_t i = 0; ok && i < o->sets; i++) {
		ok = check(enn_security_parse(s, o->set[i].a, o->set[i].b, &error), o->set[i].a,
			   &error);
	}
	if (ok && o->answer_psk != NULL) {
		ok = check(enn_security_ask_psk(s, true), "ask-psk", NULL);
	}
	if (ok && o->delegate != NULL) {
		ok = check(enn_security_set_bool(s, ENN_SECURITY_DELEGATE_PEER, true), "delegate",
			   NULL);
	}
	return ok;
}

struct enn_security *options_security(const struct options *o)
{
	struct enn_security *s = enn_security_new();

	if (s != NULL && !fill_security(o, s)) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}
