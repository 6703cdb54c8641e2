/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person, or with --json a program, is told: all of it on stderr, because
 * stdout belongs to the connection.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "cli.h"

void cli_error(const char *format, ...)
{
	va_list args;

	fputs("ennead: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void print_json(json_t *object)
{
	json_dumpf(object, stderr, JSON_COMPACT);
	fputc('\n', stderr);
	json_decref(object);
}

/* Text of the peer's may be anything; JSON is UTF-8. */
static json_t *text_of(const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	char *plain = string == NULL ? malloc(len + 1) : NULL;

	if (plain != NULL) {
		for (size_t i = 0; i < len; i++) {
			plain[i] = text[i];
			if ((unsigned char)text[i] >= 0x80) {
				plain[i] = '?';
			}
		}
		string = json_stringn(plain, len);
		free(plain);
	}
	return string;
}

static const char *origin_name(enum enn_origin origin)
{
	return origin == ENN_ORIGIN_PEER      ? "peer"
	       : origin == ENN_ORIGIN_NETWORK ? "network"
					      : "local";
}

void cli_report_warning(const struct cli_options *o, const char *text)
{
	if (o->json) {
		print_json(json_pack("{s:s,s:s}", "event", "warning", "text", text));
	} else {
		fprintf(stderr, "ennead: WARNING: %s\n", text);
	}
}

/* The library's log: decisions with -v, the rest with -vv. Failures come as events too. */
void cli_report_log(void *options, enum enn_log_level level, const char *text)
{
	const struct cli_options *o = options;

	if (level < ENN_LOG_INFO || (level == ENN_LOG_DEBUG && o->verbose < 2)) {
		return;
	}
	if (o->json) {
		print_json(json_pack("{s:s,s:o}", "event", "reason", "text",
				     text_of(text, strlen(text))));
	} else {
		fprintf(stderr, "why        %s\n", text);
	}
}

void cli_report_error(const struct cli_options *o, const char *what, const struct enn_error *error)
{
	char text[ENN_ERROR_TEXT_MAX + 160];

	if (o->json) {
		json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "event", "error", "what", what,
				      "reason", enn_reason_name(error->reason), "origin",
				      origin_name(error->origin), "where", error->where, "text",
				      text_of(error->text, strlen(error->text)));
		if (error->wire_code != ENN_NO_WIRE_CODE) {
			json_object_set_new(j, "alert", json_integer((json_int_t)error->wire_code));
		}
		print_json(j);
		return;
	}
	cli_error("%s: %s", what, enn_error_string(error, text, sizeof(text)));
}

int cli_exit_for(const struct enn_error *error, bool established)
{
	if (established) {
		return CLI_LOST;
	}
	switch (error->reason) {
	case ENN_REASON_RESOLUTION_FAILED:
	case ENN_REASON_NO_CANDIDATES:
	case ENN_REASON_SYSTEM:
		return CLI_CONNECT;
	case ENN_REASON_TIMEOUT:
		return error->origin == ENN_ORIGIN_NETWORK ? CLI_CONNECT : CLI_HANDSHAKE;
	default:
		return error->sys_errno != 0 ? CLI_CONNECT : CLI_HANDSHAKE;
	}
}

/* ---- ready -------------------------------------------------------------------------------- */

static const char *early_name(enum enn_early_data_state state)
{
	static const char *const names[] = {"none", "offered", "accepted", "rejected"};
	return names[state];
}

/* What else was agreed, where it was. */
static void add_details(json_t *j, const struct enn_info *s)
{
	char pin[CERTIFICATE_PIN];

	if (s->peer_raw_key && certificate_key_pin(s->peer_key, s->peer_key_len, pin)) {
		json_object_set_new(j, "peer_key", json_string(pin));
	}
	if (s->peer_status_len > 0) {
		json_object_set_new(j, "ocsp",
				    json_string(s->peer_status_good ? "good" : "unused"));
	}
	if (s->certificate_compression != NULL) {
		json_object_set_new(j, "certificate_compression",
				    json_string(s->certificate_compression));
	}
	if (s->ech_accepted) {
		json_object_set_new(j, "ech", json_true());
	}
}

/* Early data makes a listener's connection known before its handshake is over. */
static double handshake_ms(const struct enn_connection_info *info)
{
	return info->ready == 0 ? 0 : (double)(info->ready - info->started) / 1e6;
}

static void ready_json(const struct enn_connection_info *info)
{
	const struct enn_info *s = &info->security;
	char remote[ENN_ADDRESS_TEXT_MAX];
	json_t *chain = json_array();

	for (size_t i = 0; i < s->peer_chain_len; i++) {
		struct certificate c;
		if (certificate_read(s->peer_chain[i].der, s->peer_chain[i].len, &c)) {
			json_array_append_new(chain, certificate_json(&c));
		}
	}
	json_t *j = json_pack(
		"{s:s,s:s,s:s,s:s*,s:s*,s:b,s:b,s:b,s:b,s:s,s:o,s:f}", "event", "ready", "remote",
		enn_address_string(&info->path.remote, remote, sizeof(remote)), "version",
		s->version, "group", s->key_exchange, "signature", s->signature, "resumed",
		s->resumed, "psk", s->external_psk, "retry", s->hello_retry, "authenticated",
		s->peer_authenticated, "early_data", early_name(s->early_data), "chain", chain,
		"milliseconds", handshake_ms(info));
	json_object_set_new(j, "cipher", json_string(s->cipher));
	if (s->alpn_len > 0) {
		json_object_set_new(j, "alpn", text_of((const char *)s->alpn, s->alpn_len));
	}
	if (s->server_name != NULL) {
		json_object_set_new(j, "server_name",
				    text_of(s->server_name, strlen(s->server_name)));
	}
	add_details(j, s);
	print_json(j);
}

static void details_text(const struct enn_info *s)
{
	char pin[CERTIFICATE_PIN];

	if (s->peer_raw_key && certificate_key_pin(s->peer_key, s->peer_key_len, pin)) {
		fprintf(stderr, "raw key    %s\n", pin);
	}
	if (s->peer_status_len > 0) {
		fprintf(stderr, "ocsp       %s\n",
			s->peer_status_good ? "good" : "came, and was not looked at");
	}
	if (s->certificate_compression != NULL) {
		fprintf(stderr, "compressed with %s (its certificate)\n",
			s->certificate_compression);
	}
	if (s->ech_accepted) {
		fprintf(stderr, "hello      encrypted (ECH)\n");
	}
}

static void ready_text(const struct cli_options *o, const struct enn_connection_info *info)
{
	const struct enn_info *s = &info->security;
	char remote[ENN_ADDRESS_TEXT_MAX];

	fprintf(stderr, "connected  %s in %.1f ms\n",
		enn_address_string(&info->path.remote, remote, sizeof(remote)), handshake_ms(info));
	fprintf(stderr, "security   %s, %s, %s%s%s\n", s->version, s->cipher,
		s->key_exchange		    ? s->key_exchange
		: s->version_code == 0x0303 ? "the session's keys"
					    : "no key exchange (psk_ke)",
		s->signature ? ", " : "", s->signature ? s->signature : "");
	fprintf(stderr, "peer       %s%s%s\n",
		s->peer_authenticated ? "authenticated" : "NOT authenticated",
		s->resumed	  ? " (session resumed)"
		: s->external_psk ? " (pre-shared key)"
				  : "",
		s->hello_retry ? ", after a retry" : "");
	if (s->server_name != NULL) {
		fprintf(stderr, "name       %s\n", s->server_name);
	}
	if (s->alpn_len > 0) {
		fprintf(stderr, "alpn       %.*s\n", (int)s->alpn_len, (const char *)s->alpn);
	}
	if (s->early_data != ENN_EARLY_DATA_NONE) {
		fprintf(stderr, "early data %s\n", early_name(s->early_data));
	}
	details_text(s);
	for (size_t i = 0; i < s->peer_chain_len && (i == 0 || o->verbose > 1); i++) {
		struct certificate c;
		if (certificate_read(s->peer_chain[i].der, s->peer_chain[i].len, &c)) {
			fprintf(stderr, "cert %zu\n", i);
			certificate_print(stderr, &c, "  ");
		}
	}
}

void cli_report_ready(const struct cli_options *o, struct enn_connection c)
{
	struct enn_connection_info info;

	if ((!o->json && o->verbose == 0) || enn_connection_info(c, &info) != ENN_OK) {
		return;
	}
	if (o->json) {
		ready_json(&info);
	} else {
		ready_text(o, &info);
	}
}

void cli_report_event(const struct cli_options *o, const struct enn_taps_event *event)
{
	const char *name = NULL;
	json_t *j = NULL;

	switch (event->type) {
	case ENN_TAPS_EARLY_DATA:
		name = event->u.early_data.accepted ? "early data accepted" : "early data rejected";
		j = json_pack("{s:s,s:b}", "event", "early_data", "accepted",
			      event->u.early_data.accepted);
		break;
	case ENN_TAPS_KEYS_UPDATED:
		name = event->u.keys.direction == ENN_DIRECTION_SEND ? "sending keys renewed"
								     : "receiving keys renewed";
		j = json_pack("{s:s,s:s,s:I}", "event", "keys_updated", "direction",
			      event->u.keys.direction == ENN_DIRECTION_SEND ? "send" : "receive",
			      "generation", (json_int_t)event->u.keys.generation);
		break;
	case ENN_TAPS_PEER_AUTHENTICATED:
		name = event->u.authenticated.accepted ? "the client showed who it is"
						       : "the client has no certificate to show";
		j = json_pack("{s:s,s:b}", "event", "authenticated", "accepted",
			      event->u.authenticated.accepted);
		break;
	case ENN_TAPS_SESSION_STORED:
		name = "session stored";
		j = json_pack("{s:s}", "event", "session_stored");
		break;
	default:
		return;
	}
	if (o->json) {
		print_json(j);
		return;
	}
	json_decref(j);
	if (o->verbose > 0) {
		fprintf(stderr, "%s\n", name);
	}
}

void cli_report_listening(const struct cli_options *o, struct enn_listener l)
{
	struct enn_address address;
	char text[ENN_ADDRESS_TEXT_MAX];

	for (size_t i = 0; enn_listener_local_address(l, i, &address) == ENN_OK; i++) {
		char url[ENN_ADDRESS_TEXT_MAX + 16];
		(void)snprintf(url, sizeof(url), "%s://%s", o->protocol->scheme,
			       enn_address_string(&address, text, sizeof(text)));
		if (o->json) {
			print_json(json_pack("{s:s,s:s,s:i}", "event", "listening", "url", url,
					     "port", (int)address.port));
		} else if (!o->quiet) {
			fprintf(stderr, "listening on %s\n", url);
		}
	}
}

void cli_report_reloaded(const struct cli_options *o)
{
	if (o->json) {
		print_json(json_pack("{s:s}", "event", "reloaded"));
	} else if (!o->quiet) {
		fputs("reloaded   certificates, keys, CRLs and OCSP responses\n", stderr);
	}
}

void cli_report_ech_retry(const struct cli_options *o, const struct cli_ech_retry *retry)
{
	if (o->json) {
		print_json(json_pack("{s:s,s:s}", "event", "ech_retry", "configs", retry->text));
	} else if (!o->quiet) {
		fprintf(stderr,
			"the server did not take the encrypted hello; once more with its own "
			"configurations (ECH): %s\n",
			retry->text);
	}
}

void cli_report_end(const struct cli_options *o, struct enn_connection c)
{
	struct enn_connection_info info;

	if ((!o->json && o->verbose == 0) || enn_connection_info(c, &info) != ENN_OK) {
		return;
	}
	if (o->json) {
		print_json(json_pack("{s:s,s:I,s:I}", "event", "closed", "bytes_sent",
				     (json_int_t)info.bytes_sent, "bytes_received",
				     (json_int_t)info.bytes_received));
	} else {
		fprintf(stderr, "closed     %llu bytes sent, %llu received\n",
			(unsigned long long)info.bytes_sent,
			(unsigned long long)info.bytes_received);
	}
}

/* ---- progress --------------------------------------------------------------------------------- */

static const char *human(double n, char *buf, size_t cap)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;

	for (; n >= 1024 && u + 1 < sizeof(units) / sizeof(units[0]); u++) {
		n /= 1024;
	}
	(void)snprintf(buf, cap, u == 0 ? "%.0f %s" : "%.1f %s", n, units[u]);
	return buf;
}

static bool progress_shown(bool set)
{
	static bool shown; /* the command is one process with one terminal */
	bool before = shown;

	shown = set;
	return before;
}

void cli_progress(const struct cli_options *o, uint64_t sent, uint64_t received, double seconds)
{
	char a[32];
	char b[32];
	char c[32];

	if (o->quiet || o->json || seconds < 1 || isatty(STDERR_FILENO) != 1) {
		return;
	}
	(void)progress_shown(true);
	fprintf(stderr, "\r%s sent, %s received, %s/s, %.0f s \033[K",
		human((double)sent, a, sizeof(a)), human((double)received, b, sizeof(b)),
		human((double)(sent + received) / seconds, c, sizeof(c)), seconds);
	(void)fflush(stderr);
}

void cli_progress_end(void)
{
	if (progress_shown(false)) {
		fputc('\n', stderr);
	}
}
