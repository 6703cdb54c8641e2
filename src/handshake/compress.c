/* SPDX-License-Identifier: Apache-2.0
 *
 * CompressedCertificate (RFC 8879): each side says in its hello, or CertificateRequest, which algorithms
 * it can undo; the other may then send that message in the place of Certificate.
 *
 *   compress_certificate: <2..2^8-2> algorithms, u16 each
 *   CompressedCertificate: u16 algorithm, u24 uncompressed_length, <1..2^24-1> compressed
 */
#include "features/compression.h"
#include "handshake/internal.h"

void enn_compress_offer(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_code_list *list =
		enn_security_list(hs->security, ENN_SECURITY_CERT_COMPRESSION);
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		count += list->code[i] != ENN_COMPRESSION_NONE;
	}
	if (count == 0) {
		return;
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_COMPRESS_CERTIFICATE);
	size_t codes = enn_write_begin(w, 1);
	for (size_t i = 0; i < list->count; i++) {
		if (list->code[i] != ENN_COMPRESSION_NONE) {
			enn_write_u16(w, list->code[i]);
		}
	}
	enn_write_end(w, codes, 1);
	enn_write_end(w, data, 2);
	hs->compression_offered = true;
}

enum enn_status enn_compress_take(struct enn_handshake *hs, const struct enn_views *views,
				  const char *where)
{
	const struct enn_code_list *ours =
		enn_security_list(hs->security, ENN_SECURITY_CERT_COMPRESSION);

	hs->compression = ENN_COMPRESSION_NONE;
	if (!enn_views_have(views, ENN_VIEW_COMPRESS_CERTIFICATE)) {
		return ENN_OK;
	}
	struct enn_bytes view = views->data[ENN_VIEW_COMPRESS_CERTIFICATE];
	struct enn_reader r = enn_reader_of(view.data, view.len);
	struct enn_bytes codes = enn_read_vector(&r, 1, 2, 254);
	if (!enn_reader_done(&r) || codes.len % 2 != 0) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  where, "compress_certificate is malformed");
	}
	for (size_t i = 0; i < ours->count; i++) {
		if (ours->code[i] != ENN_COMPRESSION_NONE &&
		    enn_u16_list_has(codes, ours->code[i])) {
			hs->compression = ours->code[i];
			break;
		}
	}
	return ENN_OK;
}

enum enn_status enn_compress_send(struct enn_handshake *hs, enum enn_level level,
				  struct enn_bytes compressed, size_t full_len)
{
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, level, ENN_HS_COMPRESSED_CERTIFICATE, 8 + compressed.len));
	enn_write_u16(&out.w, hs->compression);
	enn_write_u24(&out.w, (uint32_t)full_len);
	enn_write_vector(&out.w, 3, compressed.data, compressed.len);
	return enn_hs_commit(hs, &out);
}

static enum enn_status bad(struct enn_handshake *hs, const char *what)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_BAD_CERTIFICATE, ENN_REASON_CERT_MALFORMED,
				  "CompressedCertificate", "the compressed certificate %s", what);
}

enum enn_status enn_compress_receive(struct enn_handshake *hs, struct enn_bytes body,
				     uint8_t **plain, size_t *plain_len)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	uint16_t algorithm = enn_read_u16(&r);
	size_t len = enn_read_u24(&r);
	struct enn_bytes compressed = enn_read_vector(&r, 3, 1, 0xffffff);
	size_t most = hs->env->limits.max_handshake_message;

	*plain = NULL;
	if (!hs->compression_offered) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNEXPECTED_MESSAGE,
					  ENN_REASON_PROTOCOL_FAILED, "CompressedCertificate",
					  "a compressed certificate that was not asked for");
	}
	if (!enn_reader_done(&r)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "CompressedCertificate",
					  "CompressedCertificate is malformed");
	}
	if (algorithm == ENN_COMPRESSION_NONE ||
	    !enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_CERT_COMPRESSION),
			       algorithm)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED,
					  "CompressedCertificate.algorithm",
					  "compression algorithm %u was not offered", algorithm);
	}
	/* §5: what a message may have uncompressed, before anything is decompressed. */
	if (len > (most == 0 ? ENN_HS_DEFAULT_MAX_MESSAGE : most)) {
		return bad(hs, "is larger than allowed");
	}
	if (len == 0) {
		return bad(hs, "is empty");
	}
	*plain = enn_alloc(hs->env, len);
	if (*plain == NULL) {
		return enn_handshake_no_memory(hs->c, "CompressedCertificate");
	}
	*plain_len = len;
	if (enn_decompress(algorithm, compressed, *plain, len) != ENN_OK) {
		enn_free(hs->env, *plain, len);
		*plain = NULL;
		return bad(hs, "cannot be decompressed to the length that it tells");
	}
	hs->c->result.certificate_compression = (uint8_t)algorithm;
	return ENN_OK;
}
