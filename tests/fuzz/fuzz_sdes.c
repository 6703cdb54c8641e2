/* SPDX-License-Identifier: Apache-2.0
 *
 * a=crypto lines: what is read, is written so that it reads the same.
 */
#include <string.h>

#include "fuzz.h"
#include "protocols/srtp/sdes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct enn_srtp_sdes first;
	static struct enn_srtp_sdes second;
	static uint8_t line[2 * ENN_SRTP_SDES_MAX];
	struct enn_writer w = enn_writer_of(line, sizeof(line));
	const char *why = NULL;
	enum enn_status status = enn_srtp_sdes_parse((struct enn_bytes){data, size}, &first, &why);

	FUZZ_ASSERT((status == ENN_OK) == (why == NULL));
	if (status != ENN_OK) {
		return 0;
	}
	enn_srtp_sdes_write(&w, &first);
	FUZZ_ASSERT(enn_writer_ok(&w));
	FUZZ_ASSERT(enn_srtp_sdes_parse((struct enn_bytes){line, enn_writer_len(&w)}, &second,
					NULL) == ENN_OK);
	FUZZ_ASSERT(memcmp(&first, &second, sizeof(first)) == 0);
	return 0;
}
