/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of status codes and reasons, and one line for a whole error value.
 */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/log.h"
#include "ennead/error.h"

static const char *const status_names[] = {
	[-ENN_OK] = "ENN_OK",
	[-ENN_E_AGAIN] = "ENN_E_AGAIN",
	[-ENN_E_MEMORY] = "ENN_E_MEMORY",
	[-ENN_E_ARGUMENT] = "ENN_E_ARGUMENT",
	[-ENN_E_STATE] = "ENN_E_STATE",
	[-ENN_E_UNSUPPORTED] = "ENN_E_UNSUPPORTED",
	[-ENN_E_SPACE] = "ENN_E_SPACE",
	[-ENN_E_PARSE] = "ENN_E_PARSE",
	[-ENN_E_CRYPTO] = "ENN_E_CRYPTO",
	[-ENN_E_AUTH] = "ENN_E_AUTH",
	[-ENN_E_CLOSED] = "ENN_E_CLOSED",
	[-ENN_E_FAILED] = "ENN_E_FAILED",
	[-ENN_E_NOT_FOUND] = "ENN_E_NOT_FOUND",
	[-ENN_E_SYSTEM] = "ENN_E_SYSTEM",
	[-ENN_E_LIMIT] = "ENN_E_LIMIT",
	[-ENN_E_STALE] = "ENN_E_STALE",
};

static const char *const reason_names[] = {
	[ENN_REASON_NONE] = "no error",
	[ENN_REASON_INVALID_CONFIGURATION] = "invalid configuration",
	[ENN_REASON_NO_CANDIDATES] = "no candidates",
	[ENN_REASON_RESOLUTION_FAILED] = "name resolution failed",
	[ENN_REASON_ESTABLISHMENT_FAILED] = "establishment failed",
	[ENN_REASON_POLICY_PROHIBITED] = "prohibited by policy",
	[ENN_REASON_NOT_CLONEABLE] = "connection cannot be cloned",
	[ENN_REASON_MESSAGE_TOO_LARGE] = "message is too large",
	[ENN_REASON_PROTOCOL_FAILED] = "protocol violation",
	[ENN_REASON_INVALID_MESSAGE_PROPERTIES] = "invalid message properties",
	[ENN_REASON_DEFRAMING_FAILED] = "deframing failed",
	[ENN_REASON_CONNECTION_ABORTED] = "connection was aborted",
	[ENN_REASON_TIMEOUT] = "timed out",
	[ENN_REASON_CERT_EXPIRED] = "certificate has expired",
	[ENN_REASON_CERT_NOT_YET_VALID] = "certificate is not yet valid",
	[ENN_REASON_CERT_SELF_SIGNED] = "certificate is self-signed and not trusted",
	[ENN_REASON_CERT_UNKNOWN_ISSUER] = "certificate issuer is not trusted",
	[ENN_REASON_CERT_NAME_MISMATCH] = "certificate is for another name",
	[ENN_REASON_CERT_WRONG_USAGE] = "certificate does not allow this use",
	[ENN_REASON_CERT_REVOKED] = "certificate has been revoked",
	[ENN_REASON_CERT_CRL_PROBLEM] = "certificate revocation list is missing or unusable",
	[ENN_REASON_CERT_WEAK] = "certificate uses a weak key or signature algorithm",
	[ENN_REASON_CERT_BAD_SIGNATURE] = "certificate signature does not verify",
	[ENN_REASON_CERT_MALFORMED] = "certificate is malformed",
	[ENN_REASON_CERT_MISSING] = "certificate is required and was not sent",
	[ENN_REASON_CERT_REJECTED] = "certificate was rejected",
	[ENN_REASON_CERT_OTHER] = "certificate is not acceptable",
	[ENN_REASON_CERT_KEY_UNKNOWN] = "raw public key is not trusted",
	[ENN_REASON_CERT_PIN_MISMATCH] = "no key of the certificate path is pinned",
	[ENN_REASON_CERT_STATUS_PROBLEM] = "certificate status (OCSP) is missing or not usable",
	[ENN_REASON_UNKNOWN_NAME] = "server name is not served here",
	[ENN_REASON_NO_SHARED_PARAMETERS] = "no shared security parameters",
	[ENN_REASON_ECH_REFUSED] = "Encrypted ClientHello was refused",
	[ENN_REASON_UNKNOWN_PSK] = "pre-shared key is unknown",
	[ENN_REASON_TRUNCATED] = "data was truncated",
	[ENN_REASON_KEYS_EXHAUSTED] = "keys are exhausted",
	[ENN_REASON_OUT_OF_MEMORY] = "out of memory",
	[ENN_REASON_SYSTEM] = "system call failed",
};

const char *enn_status_name(enum enn_status status)
{
	long index = -(long)status;
	if (index < 0 || index >= (long)ENN_ARRAY_LEN(status_names)) {
		return "unknown status";
	}
	return status_names[index];
}

const char *enn_reason_name(enum enn_reason reason)
{
	const char *name = NULL;
	if ((size_t)reason < ENN_ARRAY_LEN(reason_names)) {
		name = reason_names[reason];
	}
	return name == NULL ? "unknown reason" : name;
}

/* The alerts of RFC 8446 §6, and of the RFCs it builds upon. */
static const struct {
	uint8_t code;
	const char *name;
} alerts[] = {
	{0, "close_notify"},
	{10, "unexpected_message"},
	{20, "bad_record_mac"},
	{21, "decryption_failed"},
	{22, "record_overflow"},
	{30, "decompression_failure"},
	{40, "handshake_failure"},
	{41, "no_certificate"},
	{42, "bad_certificate"},
	{43, "unsupported_certificate"},
	{44, "certificate_revoked"},
	{45, "certificate_expired"},
	{46, "certificate_unknown"},
	{47, "illegal_parameter"},
	{48, "unknown_ca"},
	{49, "access_denied"},
	{50, "decode_error"},
	{51, "decrypt_error"},
	{60, "export_restriction"},
	{70, "protocol_version"},
	{71, "insufficient_security"},
	{80, "internal_error"},
	{86, "inappropriate_fallback"},
	{90, "user_canceled"},
	{100, "no_renegotiation"},
	{109, "missing_extension"},
	{110, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{112, "unrecognized_name"},
	{113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{115, "unknown_psk_identity"},
	{116, "certificate_required"},
	{120, "no_application_protocol"},
	{121, "ech_required"},
};

const char *enn_alert_name(uint64_t alert)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(alerts); i++) {
		if (alerts[i].code == alert) {
			return alerts[i].name;
		}
	}
	return NULL;
}

/* "sent alert 42 bad_certificate", or nothing. */
static void wire_text(const struct enn_error *error, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (error->wire_code == ENN_NO_WIRE_CODE) {
		return;
	}
	const char *name = enn_alert_name(error->wire_code);
	(void)snprintf(buf, cap, "%s %s %llu%s%s",
		       error->origin == ENN_ORIGIN_PEER ? "received" : "sent",
		       error->wire_code <= UINT8_MAX ? "alert" : "code",
		       (unsigned long long)error->wire_code, name == NULL ? "" : " ",
		       name == NULL ? "" : name);
}

const char *enn_error_string(const struct enn_error *error, char *buf, size_t cap)
{
	char wire[80];
	char system[80] = "";
	const char *where = error->where == NULL ? "" : error->where;
	const char *text = error->text[0] != '\0' ? error->text : enn_reason_name(error->reason);

	wire_text(error, wire, sizeof(wire));
	if (error->sys_errno != 0) {
		(void)snprintf(system, sizeof(system), ": %s", strerror(error->sys_errno));
	}
	if (where[0] == '\0' && wire[0] == '\0') {
		(void)snprintf(buf, cap, "%s%s", text, system);
	} else {
		(void)snprintf(buf, cap, "%s%s (%s%s%s)", text, system, where,
			       where[0] != '\0' && wire[0] != '\0' ? ", " : "", wire);
	}
	return buf;
}
