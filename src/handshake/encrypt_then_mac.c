/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy suites of TLS 1.2 with CBC: only if they are named, legacyCbc is on, and both sides put the MAC over
 * the ciphertext (encrypt_then_mac, RFC 7366). The extension is empty.
 */
#include "handshake/internal.h"

static bool is_cbc(const struct enn_tls_suite *suite)
{
	return suite->aead >= ENN_AEAD_COUNT;
}

bool enn_cbc_allows(const struct enn_security *security, const struct enn_tls_suite *suite)
{
	return !is_cbc(suite) || enn_security_flag(security, ENN_SECURITY_LEGACY_CBC);
}

void enn_cbc_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_code_list *suites =
		enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES);

	for (size_t i = 0; i < suites->count; i++) {
		const struct enn_tls_suite *suite = enn_tls_suite_by_code(suites->code[i]);
		if (suite != NULL && is_cbc(suite) && enn_cbc_allows(hs->security, suite)) {
			size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_ENCRYPT_THEN_MAC);
			enn_write_end(w, data, 2);
			return;
		}
	}
}

/* The extension is there, and empty. */
static enum enn_status look(struct enn_handshake *hs, const struct enn_views *views,
			    const char *where, bool *there)
{
	*there = enn_views_have(views, ENN_VIEW_ENCRYPT_THEN_MAC);
	if (*there && views->data[ENN_VIEW_ENCRYPT_THEN_MAC].len != 0) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  where, "encrypt_then_mac is not empty");
	}
	return ENN_OK;
}

enum enn_status enn_cbc_take(struct enn_handshake *hs, const struct enn_views *views)
{
	bool there = false;

	ENN_TRY(look(hs, views, "ServerHello.encrypt_then_mac", &there));
	if (is_cbc(hs->c->result.suite) != there) {
		return there ? enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
						  ENN_REASON_PROTOCOL_FAILED,
						  "ServerHello.encrypt_then_mac",
						  "encrypt_then_mac with an AEAD (RFC 7366 §3)")
			     : enn_handshake_fail(hs->c, ENN_ALERT_HANDSHAKE_FAILURE,
						  ENN_REASON_NO_SHARED_PARAMETERS,
						  "ServerHello.encrypt_then_mac",
						  "the server chose CBC without encrypt_then_mac");
	}
	hs->c->result.encrypt_then_mac = there;
	return ENN_OK;
}

enum enn_status enn_cbc_choose(struct enn_handshake *hs, const struct enn_views *views,
			       bool *allowed)
{
	bool there = false;

	ENN_TRY(look(hs, views, "ClientHello.encrypt_then_mac", &there));
	*allowed = there && enn_security_flag(hs->security, ENN_SECURITY_LEGACY_CBC);
	return ENN_OK;
}

void enn_cbc_answer(struct enn_handshake *hs, struct enn_writer *w)
{
	if (!is_cbc(hs->c->result.suite)) {
		return;
	}
	hs->c->result.encrypt_then_mac = true;
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_ENCRYPT_THEN_MAC);
	enn_write_end(w, data, 2);
}
