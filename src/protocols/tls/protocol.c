/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS's row of the survey's table, and what this build has of it.
 */
#include "protocols/registry.h"
#include "protocols/survey.h"
#include "protocols/tls/internal.h"

#define BUILT(feature) (1u << ENN_FEATURE_##feature)

const struct enn_protocol enn_tls_protocol = {
	.id = ENN_PROTOCOL_TLS,
	.name = "TLS",
	.scheme = "tls",
	.title = "TLS",
	.spec = "RFC 8446",
	.substrate = ENN_SUBSTRATE_BYTE_STREAM,
	.service = ENN_SERVICE_BYTE_STREAM,
	.min_batch = 256,
	.features = ENN_SURVEY_TLS,
	/* Source validation is TCP's. DoS mitigation is helloRetryCookie: over a byte stream it is off by default. */
	.built = BUILT(AUTHENTICATED_ENCRYPTION) | BUILT(FORWARD_SECRECY) |
		 BUILT(PUBLIC_KEY_AUTHENTICATION) | BUILT(RESPONDER_AUTHENTICATION) |
		 BUILT(PRE_SHARED_KEY) | BUILT(ALGORITHM_NEGOTIATION) |
		 BUILT(AUTHENTICATION_DELEGATION) | BUILT(MUTUAL_AUTHENTICATION) |
		 BUILT(DOS_MITIGATION) | BUILT(SOURCE_VALIDATION) | BUILT(APPLICATION_NEGOTIATION) |
		 BUILT(CONFIGURATION_EXTENSIONS) | BUILT(SESSION_CACHE) |
		 BUILT(LENGTH_HIDING_PADDING) | BUILT(EARLY_DATA),
	.interfaces = ENN_INTERFACE_IDENTITY | ENN_INTERFACE_ALGORITHMS |
		      ENN_INTERFACE_SESSION_CACHE | ENN_INTERFACE_AUTHENTICATION_DELEGATION |
		      ENN_INTERFACE_PSK_IMPORT | ENN_INTERFACE_IDENTITY_VALIDATION |
		      ENN_INTERFACE_TERMINATION | ENN_INTERFACE_KEY_UPDATE |
		      ENN_INTERFACE_KEY_EXPORT,
	.new_client = enn_tls_new_client,
	.new_server = enn_tls_new_server,
};
