/* SPDX-License-Identifier: Apache-2.0
 *
 * The nine protocols of the survey, in its order, and what they offer.
 */
#include "protocols/registry.h"

#include <strings.h>

#include "base/compiler.h"
#include "protocols/srtp/engine.h"
#include "protocols/survey.h"

/* ---- rows of protocols without an engine: what the survey says, and nothing built ------------ */

static const struct enn_protocol quic = {
	.id = ENN_PROTOCOL_QUIC,
	.name = "QUIC",
	.scheme = "quic",
	.title = "IETF QUIC",
	.spec = "RFC 9000, RFC 9001, RFC 9002",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_MULTISTREAM,
	.features = ENN_SURVEY_QUIC,
};

static const struct enn_protocol ikev2_esp = {
	.id = ENN_PROTOCOL_IKEV2_ESP,
	.name = "IKEv2+ESP",
	.scheme = "ikev2",
	.title = "IKEv2+ESP",
	.spec = "RFC 7296, RFC 4303",
	.substrate = ENN_SUBSTRATE_IP_PACKET,
	.service = ENN_SERVICE_IP_PACKET,
	.features = ENN_SURVEY_IKEV2_ESP,
};

static const struct enn_protocol srtp = {
	.id = ENN_PROTOCOL_SRTP,
	.name = "SRTP",
	.scheme = "srtp",
	.title = "SRTP+DTLS",
	.spec = "RFC 3711, RFC 5764",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_DATAGRAM,
	.min_batch =
		ENN_SRTP_MIN_BATCH, /* of engines made with keys; it has no other constructors */
	.features = ENN_SURVEY_SRTP,
};

static const struct enn_protocol tcpcrypt = {
	.id = ENN_PROTOCOL_TCPCRYPT,
	.name = "tcpcrypt",
	.scheme = "tcpcrypt",
	.title = "tcpcrypt",
	.spec = "RFC 8548, RFC 8547",
	.substrate = ENN_SUBSTRATE_INSIDE_TCP,
	.service = ENN_SERVICE_BYTE_STREAM,
	.features = ENN_SURVEY_TCPCRYPT,
};

static const struct enn_protocol minimalt = {
	.id = ENN_PROTOCOL_MINIMALT,
	.name = "MinimaLT",
	.scheme = "minimalt",
	.title = "MinimalT", /* the survey's spelling */
	.spec = "Petullo et al., MinimaLT, CCS 2013",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_MULTISTREAM,
	.features = ENN_SURVEY_MINIMALT,
};

static const struct enn_protocol curvecp = {
	.id = ENN_PROTOCOL_CURVECP,
	.name = "CurveCP",
	.scheme = "curvecp",
	.title = "CurveCP",
	.spec = "Bernstein, CurveCP, 2011",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_BYTE_STREAM,
	.features = ENN_SURVEY_CURVECP,
};

static const struct enn_protocol *const protocols[ENN_PROTOCOL_COUNT] = {
	&enn_tls_protocol, &enn_dtls_protocol,	    &quic,     &ikev2_esp, &srtp,
	&tcpcrypt,	   &enn_wireguard_protocol, &minimalt, &curvecp,
};

/* ---- looking up ------------------------------------------------------------------------------ */

const struct enn_protocol *enn_protocol_at(size_t index)
{
	return index < ENN_PROTOCOL_COUNT ? protocols[index] : NULL;
}

const struct enn_protocol *enn_protocol_by_id(enum enn_protocol_id id)
{
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		if (protocols[i]->id == id) {
			return protocols[i];
		}
	}
	return NULL;
}

const struct enn_protocol *enn_protocol_by_scheme(const char *scheme)
{
	if (scheme == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		if (strcasecmp(protocols[i]->scheme, scheme) == 0) {
			return protocols[i];
		}
	}
	return NULL;
}

/* ---- features -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *abbreviation;
} feature_names[ENN_FEATURE_COUNT] = {
	[ENN_FEATURE_AUTHENTICATED_ENCRYPTION] = {"Authenticated encryption", ""},
	[ENN_FEATURE_FORWARD_SECRECY] = {"Forward-secure key establishment", ""},
	[ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION] = {"Public-key authentication", ""},
	[ENN_FEATURE_RESPONDER_AUTHENTICATION] = {"Unilateral responder authentication", ""},
	[ENN_FEATURE_PRE_SHARED_KEY] = {"Pre-shared key support", ""},
	[ENN_FEATURE_ALGORITHM_NEGOTIATION] = {"Cryptographic algorithm negotiation", "AN"},
	[ENN_FEATURE_AUTHENTICATION_DELEGATION] = {"Application authentication delegation", "AD"},
	[ENN_FEATURE_MUTUAL_AUTHENTICATION] = {"Mutual authentication", "MA"},
	[ENN_FEATURE_DOS_MITIGATION] = {"DoS mitigation", "DM"},
	[ENN_FEATURE_CONNECTION_MOBILITY] = {"Connection mobility", "CM"},
	[ENN_FEATURE_SOURCE_VALIDATION] = {"Source validation", "SV"},
	[ENN_FEATURE_APPLICATION_NEGOTIATION] = {"Application-layer feature negotiation", "AFN"},
	[ENN_FEATURE_CONFIGURATION_EXTENSIONS] = {"Configuration extensions", "CX"},
	[ENN_FEATURE_SESSION_CACHE] = {"Session caching and management", "SC"},
	[ENN_FEATURE_LENGTH_HIDING_PADDING] = {"Length-hiding padding", "LHP"},
	[ENN_FEATURE_EARLY_DATA] = {"Early data support", "ED"},
};

static bool valid(enum enn_feature feature)
{
	return (unsigned)feature < ENN_FEATURE_COUNT;
}

enum enn_support enn_protocol_feature(const struct enn_protocol *protocol, enum enn_feature feature)
{
	return protocol != NULL && valid(feature) ? protocol->features[feature]
						  : ENN_SUPPORT_UNSUPPORTED;
}

bool enn_protocol_built(const struct enn_protocol *protocol, enum enn_feature feature)
{
	return protocol != NULL && valid(feature) && (protocol->built >> feature & 1u) != 0;
}

const char *enn_feature_name(enum enn_feature feature)
{
	return valid(feature) ? feature_names[feature].name : "unknown feature";
}

const char *enn_feature_abbreviation(enum enn_feature feature)
{
	return valid(feature) ? feature_names[feature].abbreviation : "";
}
