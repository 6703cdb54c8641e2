/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsers of the messages that only TLS 1.2 has, or that it has in another form (RFC 5246 §7.4, RFC 8422 §5,
 * RFC 5489 §2, RFC 5077 §3.3, RFC 6066 §8).
 */
#include "handshake/codec_util.h"
#include "handshake/tls12.h"

#define NAMED_CURVE 3 /* the only curve_type left (RFC 8422 §5.4) */
#define STATUS_OCSP 1

bool enn_parse_server_key_exchange(struct enn_bytes body, bool psk,
				   struct enn_tls12_key_exchange *out, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	memset(out, 0, sizeof(*out));
	if (psk) {
		out->hint = enn_read_vector(&r, 2, 0, UINT16_MAX);
	}
	const uint8_t *start = r.pos;
	uint8_t type = enn_read_u8(&r);
	if (enn_reader_ok(&r) && type != NAMED_CURVE) {
		return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER, "ServerKeyExchange",
				       "does not name a curve");
	}
	out->curve = enn_read_u16(&r);
	out->public_key = enn_read_vector(&r, 1, 1, 255);
	if (enn_reader_ok(&r)) {
		out->params = (struct enn_bytes){start, (size_t)(r.pos - start)};
	}
	if (!psk) {
		out->scheme = enn_read_u16(&r);
		out->signature = enn_read_vector(&r, 2, 0, UINT16_MAX);
	}
	return enn_reader_done(&r) || enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR,
						      "ServerKeyExchange", "has a wrong length");
}

bool enn_parse_client_key_exchange(struct enn_bytes body, bool psk, struct enn_bytes *identity,
				   struct enn_bytes *public_key, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	*identity = (struct enn_bytes){NULL, 0};
	if (psk) {
		*identity = enn_read_vector(&r, 2, 0, UINT16_MAX);
	}
	*public_key = enn_read_vector(&r, 1, 1, 255);
	return enn_reader_done(&r) || enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR,
						      "ClientKeyExchange", "has a wrong length");
}

bool enn_parse_certificate12(struct enn_bytes body, bool raw_key, size_t max,
			     struct enn_certificate_message *out, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	memset(out, 0, sizeof(*out));
	if (raw_key) { /* RFC 7250 §3: the key is all there is; an empty one says that there is none */
		out->certificates[0] = enn_read_vector(&r, 3, 0, 0xffffff);
		out->count = out->certificates[0].len > 0 ? 1 : 0;
		return enn_reader_done(&r) || enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR,
							      "Certificate", "has a wrong length");
	}
	struct enn_reader list = enn_read_sub(&r, 3, 0, 0xffffff);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "Certificate",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		struct enn_bytes der = enn_read_vector(&list, 3, 1, 0xffffff);
		if (!enn_reader_ok(&list)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "Certificate",
					       "has a truncated entry");
		}
		if (out->count == max || out->count == ENN_ARRAY_LEN(out->certificates)) {
			return enn_codec_fault(fault, ENN_ALERT_BAD_CERTIFICATE, "Certificate",
					       "has more certificates than allowed");
		}
		out->certificates[out->count++] = der;
	}
	return true;
}

bool enn_parse_certificate_request12(struct enn_bytes body,
				     struct enn_tls12_certificate_request *out,
				     struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	out->types = enn_read_vector(&r, 1, 1, 255);
	out->signatures = enn_read_vector(&r, 2, 2, UINT16_MAX - 1);
	out->authorities = enn_read_vector(&r, 2, 0, UINT16_MAX);
	struct enn_reader names = enn_reader_of(out->authorities.data, out->authorities.len);
	while (enn_reader_left(&names) > 0) {
		(void)enn_read_vector(&names, 2, 1, UINT16_MAX);
	}
	return (enn_reader_done(&r) && enn_reader_done(&names) && out->signatures.len % 2 == 0) ||
	       enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "CertificateRequest", "is malformed");
}

bool enn_parse_ticket12(struct enn_bytes body, uint32_t *lifetime, struct enn_bytes *ticket,
			struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	*lifetime = enn_read_u32(&r);
	*ticket = enn_read_vector(&r, 2, 0, UINT16_MAX); /* empty: there is none after all */
	return enn_reader_done(&r) || enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR,
						      "NewSessionTicket", "has a wrong length");
}

bool enn_parse_certificate_status(struct enn_bytes body, const char *where,
				  struct enn_bytes *response, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	uint8_t type = enn_read_u8(&r);

	if (enn_reader_ok(&r) && type != STATUS_OCSP) {
		return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER, where,
				       "has a status of a type that was not asked for");
	}
	*response = enn_read_vector(&r, 3, 1, 0xffffff);
	return enn_reader_done(&r) ||
	       enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, where, "has a malformed status");
}
