/* SPDX-License-Identifier: Apache-2.0
 *
 * What the shim says at the end of a connection: the name of its failure, and each expectation
 * that was not met.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "shim.h"

void say(unsigned number, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "tls_shim: connection %u: ", number);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* enum enn_reason as it is spelled, without the prefix. */
static const char *reason_token(enum enn_reason reason)
{
#define NAME(token) [ENN_REASON_##token] = #token
	static const char *const names[] = {
		NAME(NONE),
		NAME(INVALID_CONFIGURATION),
		NAME(ESTABLISHMENT_FAILED),
		NAME(POLICY_PROHIBITED),
		NAME(MESSAGE_TOO_LARGE),
		NAME(PROTOCOL_FAILED),
		NAME(INVALID_MESSAGE_PROPERTIES),
		NAME(DEFRAMING_FAILED),
		NAME(CONNECTION_ABORTED),
		NAME(TIMEOUT),
		NAME(CERT_EXPIRED),
		NAME(CERT_NOT_YET_VALID),
		NAME(CERT_SELF_SIGNED),
		NAME(CERT_UNKNOWN_ISSUER),
		NAME(CERT_NAME_MISMATCH),
		NAME(CERT_WRONG_USAGE),
		NAME(CERT_REVOKED),
		NAME(CERT_CRL_PROBLEM),
		NAME(CERT_WEAK),
		NAME(CERT_BAD_SIGNATURE),
		NAME(CERT_MALFORMED),
		NAME(CERT_MISSING),
		NAME(CERT_REJECTED),
		NAME(CERT_OTHER),
		NAME(CERT_KEY_UNKNOWN),
		NAME(CERT_PIN_MISMATCH),
		NAME(CERT_STATUS_PROBLEM),
		NAME(UNKNOWN_NAME),
		NAME(NO_SHARED_PARAMETERS),
		NAME(UNKNOWN_PSK),
		NAME(ECH_REFUSED),
		NAME(TRUNCATED),
		NAME(KEYS_EXHAUSTED),
		NAME(OUT_OF_MEMORY),
		NAME(SYSTEM),
	};
#undef NAME
	const char *name = (size_t)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : NULL;

	return name != NULL ? name : "OTHER";
}

/* ":LOCAL:UNEXPECTED_MESSAGE:PROTOCOL_FAILED:", for a runner's table of errors. */
static void failure_name(const struct shim *s, enum status status, char *out, size_t cap)
{
	static const char *const origins[] = {"LOCAL", "PEER", "NETWORK"};
	const char *alert = s->failed ? enn_alert_name(s->error.wire_code) : NULL;

	snprintf(out, cap, ":%s:%s:%s:",
		 s->failed		    ? origins[s->error.origin]
		 : status == STATUS_TIMEOUT ? "LOCAL"
					    : "SYSTEM",
		 alert != NULL ? alert : "NONE",
		 s->failed		    ? reason_token(s->error.reason)
		 : status == STATUS_TIMEOUT ? "TIMEOUT"
					    : "SYSTEM");
	for (char *c = out; *c != 0; c++) {
		*c = (char)toupper((unsigned char)*c);
	}
}

static bool same(const struct shim *s, const char *what, const char *expected, const char *found)
{
	if (expected == NULL || strcmp(expected, found != NULL ? found : "none") == 0) {
		return true;
	}
	say(s->number, ":EXPECTATION:%s: %s instead of %s", what, found != NULL ? found : "none",
	    expected);
	return false;
}

static const char *yes(bool value)
{
	return value ? "yes" : "no";
}

static bool check_info(const struct shim *s)
{
	static const char *const early[] = {"none", "offered", "accepted", "rejected"};
	const struct flags *f = s->flags;
	struct enn_info now;
	char alpn[256] = "none", psk[256] = "none";
	bool ok = true;

	enn_engine_info(s->engine, &now);
	if (now.alpn_len > 0) {
		snprintf(alpn, sizeof(alpn), "%.*s", (int)now.alpn_len, (const char *)now.alpn);
	}
	if (now.psk_identity_len > 0) {
		snprintf(psk, sizeof(psk), "%.*s", (int)now.psk_identity_len,
			 (const char *)now.psk_identity);
	}
	ok = same(s, "VERSION", f->expect_version, now.version) && ok;
	ok = same(s, "CIPHER", f->expect_cipher, now.cipher) && ok;
	ok = same(s, "GROUP", f->expect_group, now.key_exchange) && ok;
	ok = same(s, "SIGNATURE", f->expect_signature, now.signature) && ok;
	ok = same(s, "ALPN", f->expect_alpn, alpn) && ok;
	ok = same(s, "SERVER_NAME", f->expect_server_name, now.server_name) && ok;
	ok = same(s, "PSK", f->expect_psk, psk) && ok;
	ok = same(s, "RESUMED", f->expect_resumed, yes(now.resumed)) && ok;
	ok = same(s, "RETRY", f->expect_retry, yes(now.hello_retry)) && ok;
	ok = same(s, "EARLY", f->expect_early, early[now.early_data]) && ok;
	ok = same(s, "AUTHENTICATED", f->expect_authenticated, yes(now.peer_authenticated)) && ok;
	ok = same(s, "RAW_KEY", f->expect_raw_key, yes(now.peer_raw_key)) && ok;
	/* What belongs to the certificate is gone with it. */
	return same(s, "COMPRESSION", f->expect_compression, s->info.certificate_compression) && ok;
}

static bool check_rest(const struct shim *s)
{
	const struct flags *f = s->flags;
	char exported[2 * MAX_EXPORT + 1] = "", sessions[16];
	bool ok = true;

	for (size_t i = 0; i < s->exported_len; i++) {
		snprintf(exported + 2 * i, 3, "%02x", s->exported[i]);
	}
	snprintf(sessions, sizeof(sessions), "%u", s->sessions);
	ok = same(s, "EXPORT", f->expect_export, exported) && ok;
	ok = same(s, "SESSIONS", f->expect_sessions, sessions) && ok;
	return same(s, "DATA", f->expect_data, s->data) && ok;
}

enum status check(const struct shim *s, enum status status)
{
	char name[128], line[512];

	if (status != STATUS_OK) {
		failure_name(s, status, name, sizeof(name));
		say(s->number, "%s %s", name,
		    s->failed ? enn_error_string(&s->error, line, sizeof(line)) : "");
	}
	if (s->flags->expect_failure != NULL) {
		if (status != STATUS_OK && strstr(name, s->flags->expect_failure) != NULL) {
			return STATUS_OK;
		}
		say(s->number, ":EXPECTATION:FAILURE: %s did not come", s->flags->expect_failure);
		return STATUS_EXPECTATION;
	}
	if (status != STATUS_OK) {
		return status;
	}
	/* All are looked at, so that one run says everything. */
	bool info = check_info(s), rest = check_rest(s);

	return info && rest ? STATUS_OK : STATUS_EXPECTATION;
}
