/* SPDX-License-Identifier: Apache-2.0
 *
 * The other handshake messages, chosen by the first byte.
 */
#include "fuzz.h"
#include "handshake/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_fault fault = {.where = NULL};
	struct enn_encrypted_extensions ee;
	struct enn_certificate_request cr;
	struct enn_certificate_verify cv;
	struct enn_new_session_ticket nst;
	uint8_t request = 0;
	bool good = true;

	if (size == 0) {
		return 0;
	}
	struct enn_bytes body = {data + 1, size - 1};
	switch (data[0] % 5) {
	case 0:
		good = enn_parse_encrypted_extensions(body, &ee, &fault);
		break;
	case 1:
		good = enn_parse_certificate_request(body, &cr, &fault);
		FUZZ_ASSERT(!good || cr.signatures.len % 2 == 0);
		break;
	case 2:
		good = enn_parse_certificate_verify(body, &cv, &fault);
		FUZZ_ASSERT(!good || cv.signature.len + 4 == body.len);
		break;
	case 3:
		good = enn_parse_new_session_ticket(body, &nst, &fault);
		FUZZ_ASSERT(!good || nst.ticket.len > 0);
		break;
	default:
		good = enn_parse_key_update(body, &request, &fault);
		FUZZ_ASSERT(!good || (body.len == 1 && request <= 1));
		break;
	}
	FUZZ_ASSERT(good || (fault.where != NULL && fault.alert != 0));
	return 0;
}
