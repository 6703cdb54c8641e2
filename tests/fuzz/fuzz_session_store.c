/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of sessions. The check against damage is made to fit, so that what it guards is reached; what
 * is taken in is given out again and must be the same.
 */
#include <string.h>

#include "crypto/hash.h"
#include "ennead/security.h"
#include "fuzz.h"

#define SECRET_AT 8u
#define MAC	  32u
#define LONGEST	  65536u

static void seal(uint8_t *data, size_t len)
{
	if (len >= SECRET_AT + 32u + MAC) {
		enn_hmac_once(enn_hash_alg(ENN_HASH_SHA256), data + SECRET_AT, 32, data, len - MAC,
			      data + len - MAC);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t in[LONGEST], out[LONGEST];
	struct enn_session_store *store = enn_session_store_new(64);
	struct enn_session_store *other = enn_session_store_new(64);
	size_t len = sizeof(out);

	FUZZ_ASSERT(store != NULL && other != NULL);
	if (size <= LONGEST) {
		memcpy(in, data, size);
		seal(in, size);
		if (enn_session_store_import(store, 0, in, size) == ENN_OK) {
			FUZZ_ASSERT(enn_session_store_count(store) <= 64);
			FUZZ_ASSERT(enn_session_store_export(store, 0, out, &len) == ENN_OK);
			FUZZ_ASSERT(len <= size);
			FUZZ_ASSERT(enn_session_store_import(other, 0, out, len) == ENN_OK);
			FUZZ_ASSERT(enn_session_store_count(other) ==
				    enn_session_store_count(store));
		} else {
			FUZZ_ASSERT(enn_session_store_count(store) == 0);
		}
	}
	enn_session_store_free(store);
	enn_session_store_free(other);
	return 0;
}
