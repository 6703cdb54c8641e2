/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of alerts and handshake messages, as RFC 8446 writes them.
 */
#include <stddef.h>

#include "base/compiler.h"
#include "handshake/wire.h"

struct name {
	unsigned code;
	const char *text;
};

static const struct name alerts[] = {
	{ENN_ALERT_CLOSE_NOTIFY, "close_notify"},
	{ENN_ALERT_UNEXPECTED_MESSAGE, "unexpected_message"},
	{ENN_ALERT_BAD_RECORD_MAC, "bad_record_mac"},
	{21, "decryption_failed"},
	{ENN_ALERT_RECORD_OVERFLOW, "record_overflow"},
	{30, "decompression_failure"},
	{ENN_ALERT_HANDSHAKE_FAILURE, "handshake_failure"},
	{41, "no_certificate"},
	{ENN_ALERT_BAD_CERTIFICATE, "bad_certificate"},
	{ENN_ALERT_UNSUPPORTED_CERTIFICATE, "unsupported_certificate"},
	{ENN_ALERT_CERTIFICATE_REVOKED, "certificate_revoked"},
	{ENN_ALERT_CERTIFICATE_EXPIRED, "certificate_expired"},
	{ENN_ALERT_CERTIFICATE_UNKNOWN, "certificate_unknown"},
	{ENN_ALERT_ILLEGAL_PARAMETER, "illegal_parameter"},
	{ENN_ALERT_UNKNOWN_CA, "unknown_ca"},
	{ENN_ALERT_ACCESS_DENIED, "access_denied"},
	{ENN_ALERT_DECODE_ERROR, "decode_error"},
	{ENN_ALERT_DECRYPT_ERROR, "decrypt_error"},
	{60, "export_restriction"},
	{ENN_ALERT_PROTOCOL_VERSION, "protocol_version"},
	{ENN_ALERT_INSUFFICIENT_SECURITY, "insufficient_security"},
	{ENN_ALERT_INTERNAL_ERROR, "internal_error"},
	{ENN_ALERT_INAPPROPRIATE_FALLBACK, "inappropriate_fallback"},
	{ENN_ALERT_USER_CANCELED, "user_canceled"},
	{100, "no_renegotiation"},
	{ENN_ALERT_MISSING_EXTENSION, "missing_extension"},
	{ENN_ALERT_UNSUPPORTED_EXTENSION, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{ENN_ALERT_UNRECOGNIZED_NAME, "unrecognized_name"},
	{ENN_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{ENN_ALERT_UNKNOWN_PSK_IDENTITY, "unknown_psk_identity"},
	{ENN_ALERT_CERTIFICATE_REQUIRED, "certificate_required"},
	{ENN_ALERT_NO_APPLICATION_PROTOCOL, "no_application_protocol"},
};

static const struct name messages[] = {
	{0, "HelloRequest"},
	{ENN_HS_CLIENT_HELLO, "ClientHello"},
	{ENN_HS_SERVER_HELLO, "ServerHello"},
	{ENN_HS_NEW_SESSION_TICKET, "NewSessionTicket"},
	{ENN_HS_END_OF_EARLY_DATA, "EndOfEarlyData"},
	{ENN_HS_ENCRYPTED_EXTENSIONS, "EncryptedExtensions"},
	{ENN_HS_CERTIFICATE, "Certificate"},
	{12, "ServerKeyExchange"},
	{ENN_HS_CERTIFICATE_REQUEST, "CertificateRequest"},
	{14, "ServerHelloDone"},
	{ENN_HS_CERTIFICATE_VERIFY, "CertificateVerify"},
	{16, "ClientKeyExchange"},
	{ENN_HS_FINISHED, "Finished"},
	{ENN_HS_KEY_UPDATE, "KeyUpdate"},
	{ENN_HS_MESSAGE_HASH, "message_hash"},
};

static const char *find(const struct name *names, size_t count, unsigned code)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i].code == code) {
			return names[i].text;
		}
	}
	return "unknown";
}

const char *enn_alert_name(unsigned alert)
{
	return find(alerts, ENN_ARRAY_LEN(alerts), alert);
}

const char *enn_handshake_type_name(unsigned type)
{
	return find(messages, ENN_ARRAY_LEN(messages), type);
}
