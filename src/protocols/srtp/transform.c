/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done to single packets: nonces, encrypted elements of header extensions, Cryptex.
 */
#include "protocols/srtp/internal.h"

void srtp_nonce(const struct enn_srtp_session *s, const uint8_t salt[16], uint32_t ssrc,
		uint64_t index, uint8_t out[16])
{
	/* AES-CM: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16), 16 bytes.
	 * AES-GCM: (0 || SSRC || index of 48 bits) XOR salt, 12 bytes. */
	size_t at = s->suite->aead ? 2 : 4;

	memcpy(out, salt, 16);
	for (size_t i = 0; i < 4; i++) {
		out[at + i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
	}
	for (size_t i = 0; i < 6; i++) {
		out[at + 4 + i] ^= (uint8_t)(index >> (40 - 8 * i));
	}
}

/* ---- RFC 6904 ---------------------------------------------------------------------------------- */

#define MASK_PIECE 1024u /* of keystream at a time */

static bool is_encrypted(const struct enn_srtp_session *s, uint8_t id)
{
	return (s->encrypted_ids[id / 64] >> (id % 64) & 1) != 0;
}

/* The keystream for bytes at, at + 1, … of the extension; at is a multiple of a block. */
static enum enn_status keystream(const struct enn_srtp_session *s, const struct srtp_keys *k,
				 const struct srtp_item *item, size_t at, uint8_t *out, size_t len)
{
	struct enn_ctr_job job = {.text = out, .len = len};
	uint32_t ssrc = item->ssrc;

	memcpy(job.iv, k->header_salt, sizeof(job.iv));
	for (size_t i = 0; i < 4; i++) {
		job.iv[4 + i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
	}
	for (size_t i = 0; i < 6; i++) {
		job.iv[8 + i] ^= (uint8_t)(item->index >> (40 - 8 * i));
	}
	job.iv[14] = (uint8_t)(at / 16 >> 8);
	job.iv[15] = (uint8_t)(at / 16);
	memset(out, 0, len);
	(void)s;
	return enn_ctr_batch(k->header, &job, 1);
}

enum enn_status srtp_mask_header(const struct enn_srtp_session *s, const struct srtp_keys *k,
				 const struct srtp_item *item)
{
	uint8_t *extension = item->packet->data + item->rtp.extension;
	struct enn_reader r = enn_reader_of(extension, item->rtp.extension_len);
	struct enn_rtp_element element;
	uint8_t stream[MASK_PIECE];
	size_t have = SIZE_MAX; /* where the keystream in hand begins */
	enum enn_status status = ENN_OK;

	if (!s->masks_headers || k->header == NULL || item->rtp.extension_len == 0) {
		return ENN_OK;
	}
	/* Element headers stay as they are, so the elements are where they were. */
	while (status == ENN_OK && enn_rtp_element_next(item->rtp.profile, &r, &element)) {
		size_t at = (size_t)(element.data.data - extension);
		for (size_t i = 0; i < element.data.len && is_encrypted(s, element.id); i++) {
			size_t piece = (at + i) / MASK_PIECE * MASK_PIECE;
			if (piece != have) {
				status = keystream(s, k, item, piece, stream, sizeof(stream));
				have = piece;
			}
			extension[at + i] ^= stream[(at + i) % MASK_PIECE];
		}
	}
	enn_wipe(stream, sizeof(stream));
	return status;
}

/* ---- RFC 9335 ---------------------------------------------------------------------------------- */

static void set_profile(uint8_t *at, uint16_t profile)
{
	at[0] = (uint8_t)(profile >> 8);
	at[1] = (uint8_t)profile;
}

/* RFC 9335 §5.2: CSRCs without an extension get an empty one. */
static enum enn_srtp_result add_extension(struct srtp_item *item)
{
	struct enn_srtp_packet *p = item->packet;
	uint8_t *at = p->data + item->rtp.extension;

	if (p->cap - p->len < RTP_EXTENSION) {
		return ENN_SRTP_NO_ROOM;
	}
	memmove(at + RTP_EXTENSION, at, p->len - item->rtp.extension);
	memset(at, 0, RTP_EXTENSION);
	set_profile(at, EXTENSION_ONE);
	p->data[0] |= 0x10;
	p->len += RTP_EXTENSION;
	item->rtp.has_extension = true;
	item->rtp.profile = EXTENSION_ONE;
	item->rtp.extension += RTP_EXTENSION;
	item->rtp.payload += RTP_EXTENSION;
	return ENN_SRTP_OK;
}

enum enn_srtp_result srtp_cryptex_begin(const struct enn_srtp_session *s, struct srtp_item *item)
{
	struct enn_rtp *rtp = &item->rtp;

	item->cryptex = false;
	if (s->cryptex == ENN_SRTP_CRYPTEX_OFF || (!rtp->has_extension && rtp->csrc_count == 0)) {
		return ENN_SRTP_OK;
	}
	if (!rtp->has_extension) {
		enum enn_srtp_result result = add_extension(item);
		if (result != ENN_SRTP_OK) {
			return result;
		}
	}
	/* RFC 9335 §5.1 has values for these two only. */
	if (rtp->profile != EXTENSION_ONE && rtp->profile != EXTENSION_TWO) {
		return ENN_SRTP_REFUSED;
	}
	set_profile(item->packet->data + rtp->extension - RTP_EXTENSION,
		    rtp->profile == EXTENSION_ONE ? CRYPTEX_ONE : CRYPTEX_TWO);
	item->cryptex = true;
	item->body = RTP_HEADER + RTP_EXTENSION;
	return ENN_SRTP_OK;
}

enum enn_srtp_result srtp_cryptex_check(const struct enn_srtp_session *s, struct srtp_item *item)
{
	const struct enn_rtp *rtp = &item->rtp;

	item->cryptex = s->cryptex != ENN_SRTP_CRYPTEX_OFF && rtp->has_extension &&
			(rtp->profile == CRYPTEX_ONE || rtp->profile == CRYPTEX_TWO);
	if (item->cryptex) {
		item->body = RTP_HEADER + RTP_EXTENSION;
		return ENN_SRTP_OK;
	}
	return s->cryptex == ENN_SRTP_CRYPTEX_REQUIRED &&
			       (rtp->has_extension || rtp->csrc_count > 0)
		       ? ENN_SRTP_REFUSED
		       : ENN_SRTP_OK;
}

void srtp_cryptex_gather(const struct srtp_item *item)
{
	uint8_t *at = item->packet->data + RTP_HEADER;
	size_t csrcs = (size_t)item->rtp.csrc_count * 4;
	uint8_t head[RTP_EXTENSION];

	if (item->cryptex && csrcs > 0) {
		memcpy(head, at + csrcs, sizeof(head));
		memmove(at + sizeof(head), at, csrcs);
		memcpy(at, head, sizeof(head));
	}
}

void srtp_cryptex_scatter(const struct srtp_item *item)
{
	uint8_t *at = item->packet->data + RTP_HEADER;
	size_t csrcs = (size_t)item->rtp.csrc_count * 4;
	uint8_t head[RTP_EXTENSION];

	if (item->cryptex && csrcs > 0) {
		memcpy(head, at, sizeof(head));
		memmove(at, at + sizeof(head), csrcs);
		memcpy(at + csrcs, head, sizeof(head));
	}
}

void srtp_cryptex_end(const struct srtp_item *item)
{
	if (item->cryptex) {
		set_profile(item->packet->data + item->rtp.extension - RTP_EXTENSION,
			    item->rtp.profile == CRYPTEX_ONE ? EXTENSION_ONE : EXTENSION_TWO);
	}
}
