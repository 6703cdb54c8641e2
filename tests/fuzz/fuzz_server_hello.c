/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of ServerHello and HelloRetryRequest.
 */
#include "fuzz.h"
#include "handshake/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_bytes body = {data, size};
	struct enn_server_hello sh;
	struct enn_fault fault = {.where = NULL};

	if (enn_parse_server_hello(body, &sh, &fault)) {
		FUZZ_ASSERT(sh.random.len == ENN_HS_RANDOM);
		FUZZ_ASSERT(sh.share.len == 0 || sh.share.data + sh.share.len <= data + size);
	} else {
		FUZZ_ASSERT(fault.where != NULL && fault.alert != 0);
	}
	return 0;
}
