/* SPDX-License-Identifier: Apache-2.0
 *
 * What a protocol is and offers: one constant row per protocol, which an
 * application can query before it chooses (RFC 8922 §5, and section 5 of the
 * survey draft-ietf-taps-transport-security-03).
 */
#ifndef ENNEAD_PROTOCOL_H
#define ENNEAD_PROTOCOL_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the protocol runs on. */
enum enn_substrate {
	ENN_SUBSTRATE_BYTE_STREAM, /* TCP */
	ENN_SUBSTRATE_DATAGRAM,	   /* UDP */
	ENN_SUBSTRATE_IP_PACKET,   /* ESP */
	ENN_SUBSTRATE_INSIDE_TCP,  /* tcpcrypt */
};

/* What it offers above. */
enum enn_service {
	ENN_SERVICE_BYTE_STREAM,
	ENN_SERVICE_DATAGRAM,
	ENN_SERVICE_MULTISTREAM,
	ENN_SERVICE_IP_PACKET,
};

/* The survey's sections 5.1 and 5.2. */
enum enn_feature {
	/* mandatory features */
	ENN_FEATURE_AUTHENTICATED_ENCRYPTION,
	ENN_FEATURE_FORWARD_SECRECY,
	ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION,
	ENN_FEATURE_RESPONDER_AUTHENTICATION,
	ENN_FEATURE_PRE_SHARED_KEY,
	/* optional features, in the order of the survey's table */
	ENN_FEATURE_ALGORITHM_NEGOTIATION,     /* AN */
	ENN_FEATURE_AUTHENTICATION_DELEGATION, /* AD */
	ENN_FEATURE_MUTUAL_AUTHENTICATION,     /* MA */
	ENN_FEATURE_DOS_MITIGATION,	       /* DM */
	ENN_FEATURE_CONNECTION_MOBILITY,       /* CM */
	ENN_FEATURE_SOURCE_VALIDATION,	       /* SV */
	ENN_FEATURE_APPLICATION_NEGOTIATION,   /* AFN */
	ENN_FEATURE_CONFIGURATION_EXTENSIONS,  /* CX */
	ENN_FEATURE_SESSION_CACHE,	       /* SC */
	ENN_FEATURE_LENGTH_HIDING_PADDING,     /* LHP */
	ENN_FEATURE_EARLY_DATA,		       /* ED */
	ENN_FEATURE_COUNT
};
#define ENN_FEATURE_OPTIONAL_FIRST ENN_FEATURE_ALGORITHM_NEGOTIATION

enum enn_support {
	ENN_SUPPORT_UNSUPPORTED = 0, /* U: not offered by the protocol */
	ENN_SUPPORT_SUPPORTED = 1,   /* S: optional */
	ENN_SUPPORT_MANDATORY = 2,   /* M: intrinsic */
};

/* The survey's section 6, as a set. */
enum enn_interface {
	ENN_INTERFACE_IDENTITY = 1u << 0,
	ENN_INTERFACE_ALGORITHMS = 1u << 1,
	ENN_INTERFACE_SESSION_CACHE = 1u << 2,
	ENN_INTERFACE_AUTHENTICATION_DELEGATION = 1u << 3,
	ENN_INTERFACE_PSK_IMPORT = 1u << 4,
	ENN_INTERFACE_IDENTITY_VALIDATION = 1u << 5,
	ENN_INTERFACE_SOURCE_VALIDATION = 1u << 6,
	ENN_INTERFACE_TERMINATION = 1u << 7,
	ENN_INTERFACE_KEY_UPDATE = 1u << 8,
	ENN_INTERFACE_KEY_EXPORT = 1u << 9,
	ENN_INTERFACE_KEY_EXPIRATION = 1u << 10,
	ENN_INTERFACE_MOBILITY = 1u << 11,
};

/* Stable numbers: part of the ABI and of struct enn_error.protocol users' logs. */
enum enn_protocol_id {
	ENN_PROTOCOL_TLS = 1,
	ENN_PROTOCOL_DTLS,
	ENN_PROTOCOL_QUIC,
	ENN_PROTOCOL_IKEV2_ESP,
	ENN_PROTOCOL_SRTP,
	ENN_PROTOCOL_TCPCRYPT,
	ENN_PROTOCOL_WIREGUARD,
	ENN_PROTOCOL_MINIMALT,
	ENN_PROTOCOL_CURVECP,
};
#define ENN_PROTOCOL_COUNT 9

struct enn_protocol {
	enum enn_protocol_id id;
	const char *name;   /* "TLS" */
	const char *scheme; /* "tls", as in tls://host:port */
	const char *title;  /* as the survey's table has it */
	const char *spec;   /* "RFC 8446" */
	enum enn_substrate substrate;
	enum enn_service service;
	size_t min_batch; /* smallest enn_batch.cap that transmit accepts */
	/* As the survey states it. What this build can do is `built`: a set with bit
	 * (1 << feature) for each feature that this build implements. */
	enum enn_support features[ENN_FEATURE_COUNT];
	uint32_t built;
	uint32_t interfaces; /* enum enn_interface, implemented */
	/* Constructors; NULL where this build has no engine for the protocol. */
	enum enn_status (*new_client)(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      const struct enn_engine_options *options,
				      struct enn_engine **out, struct enn_error *error);
	enum enn_status (*new_server)(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      const struct enn_engine_options *options,
				      struct enn_engine **out, struct enn_error *error);
	enum enn_status (*new_acceptor)(const struct enn_protocol *protocol,
					const struct enn_env *env, struct enn_security *security,
					struct enn_acceptor **out, struct enn_error *error);
};

/* The nine rows in the survey's order; index 0 … ENN_PROTOCOL_COUNT - 1. NULL past the end. */
ENN_API const struct enn_protocol *enn_protocol_at(size_t index);
ENN_API const struct enn_protocol *enn_protocol_by_id(enum enn_protocol_id id);
/* By URL scheme, case-insensitive; NULL if there is none. */
ENN_API const struct enn_protocol *enn_protocol_by_scheme(const char *scheme);

ENN_API enum enn_support enn_protocol_feature(const struct enn_protocol *protocol,
					      enum enn_feature feature);
/* True if this build implements it. */
ENN_API bool enn_protocol_built(const struct enn_protocol *protocol, enum enn_feature feature);
/* "Early data support" and "ED"; the mandatory five have an empty abbreviation. */
ENN_API const char *enn_feature_name(enum enn_feature feature);
ENN_API const char *enn_feature_abbreviation(enum enn_feature feature);

#ifdef __cplusplus
}
#endif
#endif
