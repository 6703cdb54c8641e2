/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS handshake on the wire: code points and limits (RFC 8446 §4, §6, §B).
 *
 *   Handshake message            ClientHello                      ServerHello
 *   +--------+--------------+    u16 legacy_version = 0x0303      u16 legacy_version = 0x0303
 *   | type u8| length u24   |    32  random                       32  random
 *   +--------+--------------+    <0..32>  legacy_session_id       <0..32> legacy_session_id_echo
 *   | body …                |    <2..2^16-2> cipher_suites        u16 cipher_suite
 *   +-----------------------+    <1..2^8-1>  compression = {0}    u8  compression = 0
 *                                <8..2^16-1> extensions           <6..2^16-1> extensions
 *   Extension: u16 type, <0..2^16-1> data
 */
#ifndef ENN_HANDSHAKE_WIRE_H
#define ENN_HANDSHAKE_WIRE_H

#include <stdint.h>

/* RFC 8446 §B.3 */
enum enn_handshake_type {
	ENN_HS_CLIENT_HELLO = 1,
	ENN_HS_SERVER_HELLO = 2,
	ENN_HS_NEW_SESSION_TICKET = 4,
	ENN_HS_END_OF_EARLY_DATA = 5,
	ENN_HS_ENCRYPTED_EXTENSIONS = 8,
	ENN_HS_CERTIFICATE = 11,
	ENN_HS_CERTIFICATE_REQUEST = 13,
	ENN_HS_CERTIFICATE_VERIFY = 15,
	ENN_HS_FINISHED = 20,
	ENN_HS_KEY_UPDATE = 24,
	ENN_HS_MESSAGE_HASH = 254,
};

/* RFC 8446 §4.2 */
enum enn_extension_type {
	ENN_EXT_SERVER_NAME = 0,
	ENN_EXT_MAX_FRAGMENT_LENGTH = 1,
	ENN_EXT_STATUS_REQUEST = 5,
	ENN_EXT_SUPPORTED_GROUPS = 10,
	ENN_EXT_SIGNATURE_ALGORITHMS = 13,
	ENN_EXT_USE_SRTP = 14,
	ENN_EXT_ALPN = 16,
	ENN_EXT_SCT = 18,
	ENN_EXT_CLIENT_CERTIFICATE_TYPE = 19,
	ENN_EXT_SERVER_CERTIFICATE_TYPE = 20,
	ENN_EXT_PADDING = 21,
	ENN_EXT_RECORD_SIZE_LIMIT = 28,
	ENN_EXT_PRE_SHARED_KEY = 41,
	ENN_EXT_EARLY_DATA = 42,
	ENN_EXT_SUPPORTED_VERSIONS = 43,
	ENN_EXT_COOKIE = 44,
	ENN_EXT_PSK_KEY_EXCHANGE_MODES = 45,
	ENN_EXT_CERTIFICATE_AUTHORITIES = 47,
	ENN_EXT_OID_FILTERS = 48,
	ENN_EXT_POST_HANDSHAKE_AUTH = 49,
	ENN_EXT_SIGNATURE_ALGORITHMS_CERT = 50,
	ENN_EXT_KEY_SHARE = 51,
};

/* RFC 8446 §6 */
enum enn_alert {
	ENN_ALERT_CLOSE_NOTIFY = 0,
	ENN_ALERT_UNEXPECTED_MESSAGE = 10,
	ENN_ALERT_BAD_RECORD_MAC = 20,
	ENN_ALERT_RECORD_OVERFLOW = 22,
	ENN_ALERT_HANDSHAKE_FAILURE = 40,
	ENN_ALERT_BAD_CERTIFICATE = 42,
	ENN_ALERT_UNSUPPORTED_CERTIFICATE = 43,
	ENN_ALERT_CERTIFICATE_REVOKED = 44,
	ENN_ALERT_CERTIFICATE_EXPIRED = 45,
	ENN_ALERT_CERTIFICATE_UNKNOWN = 46,
	ENN_ALERT_ILLEGAL_PARAMETER = 47,
	ENN_ALERT_UNKNOWN_CA = 48,
	ENN_ALERT_ACCESS_DENIED = 49,
	ENN_ALERT_DECODE_ERROR = 50,
	ENN_ALERT_DECRYPT_ERROR = 51,
	ENN_ALERT_PROTOCOL_VERSION = 70,
	ENN_ALERT_INSUFFICIENT_SECURITY = 71,
	ENN_ALERT_INTERNAL_ERROR = 80,
	ENN_ALERT_INAPPROPRIATE_FALLBACK = 86,
	ENN_ALERT_USER_CANCELED = 90,
	ENN_ALERT_MISSING_EXTENSION = 109,
	ENN_ALERT_UNSUPPORTED_EXTENSION = 110,
	ENN_ALERT_UNRECOGNIZED_NAME = 112,
	ENN_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE = 113,
	ENN_ALERT_UNKNOWN_PSK_IDENTITY = 115,
	ENN_ALERT_CERTIFICATE_REQUIRED = 116,
	ENN_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

enum enn_tls_version {
	ENN_TLS_1_0 = 0x0301,
	ENN_TLS_1_2 = 0x0303,
	ENN_TLS_1_3 = 0x0304,
};

enum enn_psk_mode { ENN_PSK_MODE_KE = 0, ENN_PSK_MODE_DHE_KE = 1 };

#define ENN_HS_HEADER		   4
#define ENN_HS_RANDOM		   32
#define ENN_HS_MAX_SESSION_ID	   32
#define ENN_HS_DEFAULT_MAX_MESSAGE 131072u
#define ENN_HS_MAX_TICKET_LIFETIME 604800u /* RFC 8446 §4.6.1: seven days */

/* True for the reserved values of RFC 8701 §2: 0x0A0A, 0x1A1A … 0xFAFA. */
static inline int enn_is_grease(uint16_t code)
{
	return (code & 0x0f0f) == 0x0a0a && (code >> 8) == (code & 0xff);
}

/* "ServerHello"; static text. */
const char *enn_handshake_type_name(unsigned type);

#endif
