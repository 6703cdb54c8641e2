/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer's Certificate message down to X.509: parsed, validated, its key taken.
 */
#include "crypto/x509.h"
#include "fuzz.h"
#include "handshake/codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct enn_trust *trust;
	struct enn_bytes body = {data, size};
	struct enn_certificate_message m;
	struct enn_fault fault;
	struct enn_error error = {.status = ENN_OK};
	struct enn_peer_chain *chain = NULL;

	(void)fuzz_env();
	if (trust == NULL) {
		trust = enn_trust_new();
		FUZZ_ASSERT(trust != NULL &&
			    enn_trust_add_pem(trust, fuzz_cert_pem(), strlen(fuzz_cert_pem()),
					      &error) == ENN_OK);
	}
	if (!enn_parse_certificate(body, 16, &m, &fault) || m.count == 0) {
		return 0;
	}
	if (enn_peer_chain_parse(m.certificates, m.count, &chain, &error) != ENN_OK) {
		FUZZ_ASSERT(error.text[0] != '\0');
		return 0;
	}
	static const uint16_t schemes[] = {0x0807, 0x0403, 0x0804};
	struct enn_verify_policy policy = {
		.peer_is_server = true,
		.name = "localhost",
		.wall_seconds = 1800000000,
		.cert_signatures = schemes,
		.cert_signatures_len = 3,
	};
	if (enn_trust_verify(trust, chain, &policy, &error) != ENN_OK) {
		FUZZ_ASSERT(error.reason != ENN_REASON_NONE && error.text[0] != '\0');
	}
	(void)enn_peer_chain_key(chain);
	(void)enn_peer_chain_may_sign(chain);
	enn_peer_chain_free(chain);
	return 0;
}
