/* SPDX-License-Identifier: Apache-2.0
 *
 * Padding of the ClientHello (RFC 7685): its length, the header included, becomes a multiple of helloPadding. With
 * 512 none has between 256 and 511 bytes, which some servers cannot read (§4).
 */
#include "handshake/internal.h"

#define EXTENSION_HEADER 4

/* The bytes that pre_shared_key takes, which comes behind the padding (RFC 8446 §4.2.11). */
static size_t psk_size(const struct enn_handshake *hs)
{
	size_t n = EXTENSION_HEADER + 2 + 2;

	if (hs->psk_count == 0) {
		return 0;
	}
	for (size_t i = 0; i < hs->psk_count; i++) {
		n += 2 + hs->psk[i].identity.len + 4 + 1 + hs->psk[i].hash->len;
	}
	return n;
}

size_t enn_padding_bound(const struct enn_handshake *hs)
{
	return (size_t)hs->security->value[ENN_SECURITY_HELLO_PADDING] + EXTENSION_HEADER;
}

void enn_padding_write(struct enn_handshake *hs, struct enn_writer *w)
{
	size_t unit = (size_t)hs->security->value[ENN_SECURITY_HELLO_PADDING];

	if (unit <= 1) {
		return;
	}
	size_t len = enn_writer_len(w) + psk_size(hs);
	size_t missing = (unit - len % unit) % unit;
	if (missing == 0) {
		return;
	}
	/* An empty extension takes four bytes already. */
	while (missing < EXTENSION_HEADER) {
		missing += unit;
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_PADDING);
	uint8_t *zeros = enn_write_space(w, missing - EXTENSION_HEADER);
	if (zeros != NULL) {
		memset(zeros, 0, missing - EXTENSION_HEADER);
	}
	enn_write_end(w, data, 2);
}
