/* SPDX-License-Identifier: Apache-2.0
 *
 * The ClientHello parser: views stay inside the message, binders' offset too.
 */
#include "fuzz.h"
#include "handshake/codec.h"

static void inside(struct enn_bytes view, const uint8_t *data, size_t size)
{
	FUZZ_ASSERT(view.len == 0 ||
		    (view.data >= data && view.len <= size && view.data + view.len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_bytes body = {data, size};
	struct enn_client_hello ch;
	struct enn_fault fault = {.where = NULL};

	/* The last bit of the random says which of the two it is. */
	bool datagram = size > 33 && (data[33] & 1) != 0;
	if (!enn_parse_client_hello(body, datagram, &ch, &fault)) {
		FUZZ_ASSERT(fault.where != NULL && fault.what != NULL && fault.alert != 0);
		return 0;
	}
	inside(ch.hello_cookie, data, size);
	inside(ch.session_id, data, size);
	inside(ch.cipher_suites, data, size);
	inside(ch.server_name, data, size);
	inside(ch.groups, data, size);
	inside(ch.signatures, data, size);
	inside(ch.alpn, data, size);
	inside(ch.key_shares, data, size);
	inside(ch.psk_identities, data, size);
	inside(ch.psk_binders, data, size);
	inside(ch.cookie, data, size);
	FUZZ_ASSERT(ch.random.len == ENN_HS_RANDOM && ch.binders_offset <= size);
	return 0;
}
