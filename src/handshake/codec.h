/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing of handshake messages: form only, no meaning. Each parser reads a
 * message body into views that borrow from it, checks every length, refuses duplicate
 * extensions (RFC 8446 §4.2) and leaves all judgement to the state machines.
 */
#ifndef ENN_HANDSHAKE_CODEC_H
#define ENN_HANDSHAKE_CODEC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "handshake/wire.h"

/* What is wrong with a message, and the alert that says so. */
struct enn_fault {
	uint8_t alert;
	const char *where; /* "ClientHello.key_share" */
	const char *what;  /* "is truncated" */
};

/* Which of the known extensions a message carried. */
enum enn_extension_bit {
	ENN_HAS_SERVER_NAME = 1u << 0,
	ENN_HAS_SUPPORTED_GROUPS = 1u << 1,
	ENN_HAS_SIGNATURE_ALGORITHMS = 1u << 2,
	ENN_HAS_SIGNATURE_ALGORITHMS_CERT = 1u << 3,
	ENN_HAS_ALPN = 1u << 4,
	ENN_HAS_SUPPORTED_VERSIONS = 1u << 5,
	ENN_HAS_KEY_SHARE = 1u << 6,
	ENN_HAS_PSK_MODES = 1u << 7,
	ENN_HAS_PRE_SHARED_KEY = 1u << 8,
	ENN_HAS_EARLY_DATA = 1u << 9,
	ENN_HAS_COOKIE = 1u << 10,
	ENN_HAS_CERTIFICATE_AUTHORITIES = 1u << 11,
	ENN_HAS_POST_HANDSHAKE_AUTH = 1u << 12,
	ENN_HAS_UNKNOWN = 1u << 31,
};

/* Extensions without a field of their own in the structures below: their data as it came, for the file of
 * the feature to judge. */
enum enn_view {
	ENN_VIEW_SERVER_NAME, /* not of a ClientHello */
	ENN_VIEW_ALPN,	      /* not of a ClientHello */
	ENN_VIEW_MAX_FRAGMENT_LENGTH,
	ENN_VIEW_STATUS_REQUEST,
	ENN_VIEW_EC_POINT_FORMATS,
	ENN_VIEW_USE_SRTP,
	ENN_VIEW_SCT,
	ENN_VIEW_CLIENT_CERTIFICATE_TYPE,
	ENN_VIEW_SERVER_CERTIFICATE_TYPE,
	ENN_VIEW_PADDING,
	ENN_VIEW_ENCRYPT_THEN_MAC,
	ENN_VIEW_EXTENDED_MAIN_SECRET,
	ENN_VIEW_COMPRESS_CERTIFICATE,
	ENN_VIEW_RECORD_SIZE_LIMIT,
	ENN_VIEW_SESSION_TICKET,
	ENN_VIEW_OID_FILTERS,
	ENN_VIEW_QUIC_TRANSPORT_PARAMETERS,
	ENN_VIEW_TICKET_REQUEST,
	ENN_VIEW_ECH_OUTER_EXTENSIONS,
	ENN_VIEW_ENCRYPTED_CLIENT_HELLO,
	ENN_VIEW_RENEGOTIATION_INFO,
	ENN_VIEW_COUNT
};
#define ENN_VIEW_BIT(view) (1u << (view))

struct enn_views {
	uint32_t has; /* ENN_VIEW_BIT of each */
	struct enn_bytes data[ENN_VIEW_COUNT];
};
static inline bool enn_views_have(const struct enn_views *views, enum enn_view view)
{
	return (views->has & ENN_VIEW_BIT(view)) != 0;
}
/* The extension's type. */
uint16_t enn_view_type(enum enn_view view);
/* Takes an extension into the views; false: it is of no type that has one. */
bool enn_views_add(struct enn_views *views, uint16_t type, struct enn_bytes data);
/* Reads a whole extension list (without its length) into views. Those of other types are passed over, and
 * *unknown, unless NULL, gets the first of them or stays as it is. */
bool enn_parse_views(struct enn_bytes list, const char *where, struct enn_views *views,
		     uint16_t *unknown, struct enn_fault *fault);

struct enn_client_hello {
	uint16_t legacy_version;
	struct enn_bytes random;
	struct enn_bytes session_id;
	struct enn_bytes cipher_suites; /* u16 each */
	struct enn_bytes compression;
	uint32_t has;
	struct enn_bytes server_name;	  /* the host_name, empty if the list had none */
	bool bad_server_name;		  /* … or more than one, or what is no name */
	struct enn_bytes groups;	  /* u16 each */
	struct enn_bytes signatures;	  /* u16 each */
	struct enn_bytes cert_signatures; /* u16 each */
	struct enn_bytes authorities;	  /* list of <1..2^16-1> */
	struct enn_bytes alpn;		  /* list of <1..255> */
	struct enn_bytes versions;	  /* u16 each */
	struct enn_bytes key_shares;	  /* list of u16 group, <1..2^16-1> */
	struct enn_bytes psk_modes;	  /* u8 each */
	struct enn_bytes psk_identities;  /* list of <1..2^16-1>, u32 */
	struct enn_bytes psk_binders;	  /* list of <32..255> */
	size_t psk_count;
	size_t binder_count;
	struct enn_bytes cookie;
	struct enn_bytes hello_cookie; /* DTLS 1.2 */
	struct enn_views views;
	/* Offset of the binders' length field from the start of the body: what comes before is
	 * what a binder covers (RFC 8446 §4.2.11.2). */
	size_t binders_offset;
};
/* datagram: a DTLS ClientHello, with the cookie of a HelloVerifyRequest. */
bool enn_parse_client_hello(struct enn_bytes body, bool datagram, struct enn_client_hello *out,
			    struct enn_fault *fault);

struct enn_server_hello {
	uint16_t legacy_version;
	struct enn_bytes random;
	struct enn_bytes session_id;
	uint16_t cipher_suite;
	uint8_t compression;
	bool retry; /* a HelloRetryRequest by its random (§4.1.3) */
	uint32_t has;
	uint16_t selected_version;
	uint16_t group;		/* of key_share */
	struct enn_bytes share; /* empty in a HelloRetryRequest */
	uint16_t psk_index;
	struct enn_bytes cookie;
	struct enn_bytes hello_cookie; /* DTLS 1.2 */
	struct enn_views views;
	uint16_t unknown_extension; /* the first, if ENN_HAS_UNKNOWN */
};
bool enn_parse_server_hello(struct enn_bytes body, struct enn_server_hello *out,
			    struct enn_fault *fault);

struct enn_encrypted_extensions {
	uint32_t has;
	struct enn_bytes alpn; /* the one protocol */
	struct enn_views views;
	uint16_t unknown_extension;
	uint16_t misplaced_extension; /* known, but not allowed in this message; 0xffff if none */
};
bool enn_parse_encrypted_extensions(struct enn_bytes body, struct enn_encrypted_extensions *out,
				    struct enn_fault *fault);

struct enn_certificate_request {
	struct enn_bytes context;
	uint32_t has;
	struct enn_bytes signatures;
	struct enn_bytes cert_signatures;
	struct enn_bytes authorities; /* list of <1..2^16-1> */
	struct enn_views views;
};
bool enn_parse_certificate_request(struct enn_bytes body, struct enn_certificate_request *out,
				   struct enn_fault *fault);

struct enn_certificate_message {
	struct enn_bytes context;
	struct enn_bytes certificates[16];
	struct enn_bytes extensions[16]; /* of each: the list, for enn_parse_views */
	size_t count;
};
/* At most max (<= 16) certificates. */
bool enn_parse_certificate(struct enn_bytes body, size_t max, struct enn_certificate_message *out,
			   struct enn_fault *fault);

struct enn_certificate_verify {
	uint16_t scheme;
	struct enn_bytes signature;
};
bool enn_parse_certificate_verify(struct enn_bytes body, struct enn_certificate_verify *out,
				  struct enn_fault *fault);

/* A certificate's status (RFC 6066 §8), in TLS 1.3 the content of an extension: the OCSP response. */
bool enn_parse_certificate_status(struct enn_bytes body, const char *where,
				  struct enn_bytes *response, struct enn_fault *fault);

struct enn_new_session_ticket {
	uint32_t lifetime;
	uint32_t age_add;
	struct enn_bytes nonce;
	struct enn_bytes ticket;
	bool has_early_data;
	uint32_t max_early_data;
	struct enn_views views;
};
bool enn_parse_new_session_ticket(struct enn_bytes body, struct enn_new_session_ticket *out,
				  struct enn_fault *fault);

/* request_update is 0 or 1. */
bool enn_parse_key_update(struct enn_bytes body, uint8_t *request_update, struct enn_fault *fault);

/* The SHA-256 of "HelloRetryRequest" (§4.1.3). */
extern const uint8_t enn_hello_retry_random[ENN_HS_RANDOM];

/* Walks a list of u16 (a view of even length): true if it has code. */
bool enn_u16_list_has(struct enn_bytes list, uint16_t code);

#endif
