/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate status, "OCSP stapling": asking for it and giving it (RFC 6066 §8). In TLS 1.3 a response
 * is an extension of the leaf's entry in Certificate, and a server may ask too (RFC 8446 §4.4.2.1); in
 * TLS 1.2 it is a message of its own behind Certificate, if the server said that it would come.
 *
 *   ClientHello, status_request:  u8 type = 1 (ocsp), <0..2^16-1> responder ids, <0..2^16-1> extensions
 *   CertificateRequest (1.3), ServerHello (1.2):  empty
 *   entry of Certificate (1.3), CertificateStatus (1.2):  u8 type = 1, <1..2^24-1> OCSPResponse
 */
#include "handshake/internal.h"

#define STATUS_OCSP 1u

void enn_status_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	if (!enn_security_flag(hs->security, ENN_SECURITY_REQUEST_STATUS) &&
	    !enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_STATUS)) {
		return;
	}
	if (!enn_security_takes_certificates(hs->security)) {
		return; /* raw public keys have no status */
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_STATUS_REQUEST);
	enn_write_u8(w, STATUS_OCSP);
	enn_write_u16(w, 0); /* any responder */
	enn_write_u16(w, 0); /* no nonce: the response was made before */
	enn_write_end(w, data, 2);
}

enum enn_status enn_status_take_request(struct enn_handshake *hs, const struct enn_views *views)
{
	if (!enn_views_have(views, ENN_VIEW_STATUS_REQUEST)) {
		return ENN_OK;
	}
	struct enn_bytes view = views->data[ENN_VIEW_STATUS_REQUEST];
	struct enn_reader r = enn_reader_of(view.data, view.len);
	if (enn_read_u8(&r) != STATUS_OCSP) {
		return ENN_OK; /* another kind of status: none that we could give */
	}
	(void)enn_read_vector(&r, 2, 0, UINT16_MAX);
	(void)enn_read_vector(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "ClientHello.status_request",
					  "status_request is malformed");
	}
	hs->status_wanted = true;
	return ENN_OK;
}

void enn_status_ask_client(struct enn_handshake *hs, struct enn_writer *w)
{
	if (!enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_STATUS)) {
		return;
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_STATUS_REQUEST);
	enn_write_end(w, data, 2);
	hs->status_asked = true;
}

struct enn_bytes enn_status_own(const struct enn_handshake *hs)
{
	const struct enn_credential *own = hs->own;
	struct enn_bytes none = {NULL, 0};

	/* One that has expired would only have us refused. */
	if (!hs->status_wanted || own == NULL || own->type != ENN_CREDENTIAL_X509 ||
	    own->ocsp_len == 0 ||
	    enn_hs_wall(hs->env, hs->now) / (int64_t)ENN_SECOND >= own->ocsp_until) {
		return none;
	}
	return (struct enn_bytes){own->ocsp, own->ocsp_len};
}

void enn_status_write(struct enn_writer *w, struct enn_bytes response)
{
	enn_write_u8(w, STATUS_OCSP);
	enn_write_vector(w, 3, response.data, response.len);
}

bool enn_status_asked(const struct enn_handshake *hs)
{
	return hs->status_asked || (hs->offered & ENN_VIEW_BIT(ENN_VIEW_STATUS_REQUEST)) != 0;
}

enum enn_status enn_status_receive(struct enn_handshake *hs, struct enn_bytes body,
				   const char *where)
{
	struct enn_handshake_result *result = &hs->c->result;
	struct enn_bytes response;
	struct enn_fault fault;

	if (!enn_parse_certificate_status(body, where, &response, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (enn_hs_copy(hs->env, &result->peer_status, &result->peer_status_len, response) !=
	    ENN_OK) {
		return enn_handshake_no_memory(hs->c, where);
	}
	return ENN_OK;
}
