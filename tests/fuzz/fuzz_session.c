/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes back from outside: session blobs (an application's file) and tickets (a client's word).
 */
#include <string.h>

#include "features/session_cache.h"
#include "fuzz.h"
#include "handshake/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct enn_ticket_keys *keys;
	struct enn_env *env = fuzz_env();
	struct enn_bytes blob = {data, size};
	struct enn_session s;
	uint8_t out[4096];
	size_t len = 0;

	if (keys == NULL) {
		static const uint8_t key[64] =
			"a ticket key that every run of this target shares, 64 bytes ..";
		keys = enn_ticket_keys_new();
		FUZZ_ASSERT(keys != NULL && enn_ticket_keys_set(keys, key, sizeof(key),
								env->wall_offset) == ENN_OK);
	}
	if (enn_session_decode(blob, &s)) {
		FUZZ_ASSERT(enn_session_size(&s) == size);
		if (size <= sizeof(out)) {
			FUZZ_ASSERT(enn_session_encode(&s, out, sizeof(out)) == size);
		}
	}
	if (size <= sizeof(out)) {
		enum enn_status status = enn_ticket_open(keys, env, env->wall_offset, data, size,
							 out, sizeof(out), &len);
		FUZZ_ASSERT(status != ENN_OK || len < size);
	}
	return 0;
}
