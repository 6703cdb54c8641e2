/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS server in every state; see engine.h.
 */
#include "engine.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_engine(true, data, size);
	return 0;
}
