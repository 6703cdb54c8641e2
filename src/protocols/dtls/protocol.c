/* SPDX-License-Identifier: Apache-2.0
 *
 * DTLS's row of the survey's table, and what this build has of it.
 */
#include "protocols/dtls/internal.h"
#include "protocols/registry.h"
#include "protocols/survey.h"

const struct enn_protocol enn_dtls_protocol = {
	.id = ENN_PROTOCOL_DTLS,
	.name = "DTLS",
	.scheme = "dtls",
	.title = "DTLS",
	.spec = "RFC 9147",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_DATAGRAM,
	.min_batch = 2048,
	.features = ENN_SURVEY_DTLS,
	/* `ennead survey` does not prove its rows yet, so none is claimed. */
	.built = 0,
	.interfaces = ENN_INTERFACE_IDENTITY | ENN_INTERFACE_ALGORITHMS |
		      ENN_INTERFACE_SESSION_CACHE | ENN_INTERFACE_AUTHENTICATION_DELEGATION |
		      ENN_INTERFACE_PSK_IMPORT | ENN_INTERFACE_IDENTITY_VALIDATION |
		      ENN_INTERFACE_SOURCE_VALIDATION | ENN_INTERFACE_TERMINATION |
		      ENN_INTERFACE_KEY_UPDATE | ENN_INTERFACE_KEY_EXPORT |
		      ENN_INTERFACE_KEY_EXPIRATION,
	.new_client = enn_dtls_new_client,
	.new_server = enn_dtls_new_server,
	.new_acceptor = enn_dtls_new_acceptor,
};
