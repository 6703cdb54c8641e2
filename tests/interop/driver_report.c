/* SPDX-License-Identifier: Apache-2.0
 *
 * What the driver tells: one JSON object per connection on standard output,
 * progress lines on standard error.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static const char *event_name(enum enn_event_type type)
{
	static const char *const names[] = {
		[ENN_EVENT_NONE] = "none",
		[ENN_EVENT_READY] = "ready",
		[ENN_EVENT_RECEIVED] = "received",
		[ENN_EVENT_SENT] = "sent",
		[ENN_EVENT_EARLY_DATA] = "early-data",
		[ENN_EVENT_VALIDATE_PEER] = "validate-peer",
		[ENN_EVENT_WANT_PSK] = "want-psk",
		[ENN_EVENT_WANT_IDENTITY] = "want-identity",
		[ENN_EVENT_VALIDATE_SOURCE] = "validate-source",
		[ENN_EVENT_STORE_SESSION] = "store-session",
		[ENN_EVENT_KEYS_UPDATED] = "keys-updated",
		[ENN_EVENT_KEYS_EXPIRING] = "keys-expiring",
		[ENN_EVENT_PATH_CHANGED] = "path-changed",
		[ENN_EVENT_CLOSED] = "closed",
		[ENN_EVENT_FAILED] = "failed",
		[ENN_EVENT_PEER_AUTHENTICATED] = "peer-authenticated",
	};

	return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static const char *result_name(enum result result)
{
	static const char *const names[] = {
		[RESULT_CLOSED] = "closed", [RESULT_FAILED] = "failed",
		[RESULT_USAGE] = "usage",   [RESULT_TIMEOUT] = "timeout",
		[RESULT_SYSTEM] = "system", [RESULT_ABORTED] = "aborted",
	};

	return names[result];
}

static void hex(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sprintf(out + 2 * i, "%02x", data[i]);
	}
	out[2 * len] = 0;
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static json_t *bytes_or_null(const uint8_t *data, size_t len)
{
	return data != NULL && len > 0 ? json_stringn_nocheck((const char *)data, len)
				       : json_null();
}

bool report_open(struct conn *c)
{
	c->events = json_array();
	c->counts = json_object();
	c->exports = json_object();
	c->chain = json_array();
	c->hash_in = EVP_MD_CTX_new();
	if (c->o->out != NULL) {
		c->out_file = fopen(c->o->out, "wb");
	}
	return c->events != NULL && c->counts != NULL && c->exports != NULL && c->chain != NULL &&
	       c->hash_in != NULL && EVP_DigestInit_ex(c->hash_in, EVP_sha256(), NULL) == 1 &&
	       (c->o->out == NULL || c->out_file != NULL);
}

void report_event(struct conn *c, const struct enn_event *event)
{
	const char *name = event_name(event->type);
	json_int_t count = json_integer_value(json_object_get(c->counts, name));

	json_object_set_new(c->counts, name, json_integer(count + 1));
	if (c->last_event == NULL || strcmp(c->last_event, name) != 0) {
		json_array_append_new(c->events, json_string(name));
		progress("event %s", name);
	}
	c->last_event = name;
}

static void export_one(struct conn *c, const char *spec)
{
	char label[128], text[2 * 255 + 1];
	uint8_t out[255];
	struct blob context = {0};
	unsigned len = 0;
	int used = 0;

	if (sscanf(spec, "%127[^:]:%u%n", label, &len, &used) != 2 || len > sizeof(out)) {
		progress("bad --export %s", spec);
		return;
	}
	if (spec[used] == ':' && !hex_decode(spec + used + 1, &context)) {
		return;
	}
	if (enn_engine_export_key(c->e, label, context.data, context.len, false, out, len) ==
	    ENN_OK) {
		hex(text, out, len);
		json_object_set_new(c->exports, spec, json_string(text));
	}
	free(context.data);
}

/* Called with READY: what lives only until then, and exporters. */
void report_ready(struct conn *c)
{
	struct enn_info info;

	enn_engine_info(c->e, &info);
	c->compression = info.certificate_compression;
	c->status_good = info.peer_status_good;
	for (size_t i = 0; i < info.peer_chain_len; i++) {
		uint8_t digest[32];
		char text[65];

		if (EVP_Digest(info.peer_chain[i].der, info.peer_chain[i].len, digest, NULL,
			       EVP_sha256(), NULL) == 1) {
			hex(text, digest, sizeof(digest));
			json_array_append_new(c->chain, json_string(text));
		}
	}
	for (size_t i = 0; i < c->o->exports; i++) {
		export_one(c, c->o->export[i]);
	}
}

static json_t *report_info(struct conn *c)
{
	static const char *const early[] = {"none", "offered", "accepted", "rejected"};
	struct enn_info info;

	memset(&info, 0, sizeof(info));
	enn_engine_info(c->e, &info);
	return json_pack(
		"{s:b, s:b, s:b, s:b, s:b, s:I, s:b, s:o, s:b, "
		"s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:s, s:o, s:O, s:I, "
		"s:I}",
		"ech", info.ech_accepted, "extended_main_secret", info.extended_main_secret,
		"encrypt_then_mac", info.encrypt_then_mac, "accepted_later", c->accepted_later,
		"post_handshake_auth", info.post_handshake_auth, "tickets_expected",
		(json_int_t)info.tickets_expected, "raw_key", info.peer_raw_key, "compression",
		text_or_null(c->compression), "status_good", c->status_good, "server", info.server,
		"ready", info.ready, "version", text_or_null(info.version), "cipher",
		text_or_null(info.cipher), "key_exchange", text_or_null(info.key_exchange),
		"signature", text_or_null(info.signature), "alpn",
		bytes_or_null(info.alpn, info.alpn_len), "server_name",
		text_or_null(info.server_name), "resumed", info.resumed, "external_psk",
		info.external_psk, "hello_retry", info.hello_retry, "peer_authenticated",
		info.peer_authenticated, "early_data", early[info.early_data], "psk_identity",
		bytes_or_null(info.psk_identity, info.psk_identity_len), "peer_chain", c->chain,
		"keys_sent", (json_int_t)info.keys_sent, "keys_received",
		(json_int_t)info.keys_received);
}

static json_t *report_error(struct conn *c)
{
	static const char *const origins[] = {"local", "peer", "network"};
	json_t *alert = json_null();
	char line[512];

	if (!c->failed) {
		return json_null();
	}
	if (c->error.wire_code != ENN_NO_WIRE_CODE) {
		alert = json_integer((json_int_t)c->error.wire_code);
	}
	return json_pack("{s:s, s:i, s:s, s:s, s:o, s:s, s:s, s:s}", "status",
			 enn_status_name(c->error.status), "reason", (int)c->error.reason,
			 "reason_text", enn_reason_name(c->error.reason), "origin",
			 origins[c->error.origin], "alert", alert, "where",
			 c->error.where != NULL ? c->error.where : "", "text", c->error.text,
			 "line", enn_error_string(&c->error, line, sizeof(line)));
}

void report_print(struct conn *c, enum result result)
{
	uint8_t digest[32] = {0};
	char text[65];
	json_t *object;

	(void)EVP_DigestFinal_ex(c->hash_in, digest, NULL);
	hex(text, digest, sizeof(digest));
	object = json_pack(
		"{s:s, s:i, s:o, s:o, s:I, s:I, s:s, s:I, s:b, s:b, s:b, s:i, s:O, s:O, s:O}",
		"result", result_name(result), "exit", (int)result, "info", report_info(c), "error",
		report_error(c), "bytes_in", (json_int_t)c->bytes_in, "bytes_in_early",
		(json_int_t)c->bytes_in_early, "sha256_in", text, "bytes_out",
		(json_int_t)c->sealed, "final_sent", c->final_sent, "final_seen", c->final_seen,
		"eof", c->eof, "sessions", (int)c->sessions, "exports", c->exports, "events",
		c->events, "counts", c->counts);
	if (object != NULL) {
		json_dumpf(object, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		json_decref(object);
	} else {
		/* Peer-chosen bytes that are not UTF-8, for one. */
		fputs("{\"result\":\"unprintable\",\"exit\":4}", stdout);
	}
	fputc('\n', stdout);
	fflush(stdout);
}

void report_close(struct conn *c)
{
	json_decref(c->events);
	json_decref(c->counts);
	json_decref(c->exports);
	json_decref(c->chain);
	EVP_MD_CTX_free(c->hash_in);
	if (c->out_file != NULL) {
		fclose(c->out_file);
	}
}
