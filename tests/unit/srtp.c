/* SPDX-License-Identifier: Apache-2.0 */
#include "srtp.h"

enum enn_crypto_backend srtp_backend;

struct enn_srtp_master srtp_master_of(uint8_t seed)
{
	struct enn_srtp_master m = {.mki_len = 0};

	for (size_t i = 0; i < sizeof(m.key); i++) {
		m.key[i] = (uint8_t)(seed * 31u + i * 7u);
	}
	for (size_t i = 0; i < sizeof(m.salt); i++) {
		m.salt[i] = (uint8_t)(seed + i * 13u);
	}
	return m;
}

void srtp_open(struct srtp_pair *pair, const struct enn_srtp_policy *policy)
{
	const struct enn_srtp_master master = srtp_master_of(1);
	struct enn_srtp_policy p = *policy;
	const char *why = NULL;

	if (p.master == NULL) {
		p.master = &master;
		p.master_count = 1;
	}
	test_env_open(&pair->t, srtp_backend);
	assert_int_equal(enn_srtp_session_new(&pair->t.env, &p, true, &pair->out, &why), ENN_OK);
	assert_int_equal(enn_srtp_session_new(&pair->t.env, &p, false, &pair->in, &why), ENN_OK);
	assert_null(why);
}

void srtp_close(struct srtp_pair *pair)
{
	enn_srtp_session_free(pair->out);
	enn_srtp_session_free(pair->in);
	test_env_close(&pair->t);
}

void srtp_raw(struct srtp_buffer *b, const void *data, size_t len, enum enn_srtp_kind kind)
{
	assert_true(len <= SRTP_ROOM);
	if (len > 0) {
		memmove(b->data, data, len);
	}
	b->p = (struct enn_srtp_packet){
		.data = b->data, .len = len, .cap = SRTP_ROOM, .kind = kind};
}

static void write_packet(struct srtp_buffer *b, bool rich, uint32_t ssrc, uint16_t sequence,
			 size_t payload)
{
	static const uint8_t elements[8] = {0x11, 0xa1, 0xa2, 0x52, 0xb1, 0xb2, 0xb3, 0};
	struct enn_writer w = enn_writer_of(b->data, SRTP_ROOM);

	enn_write_u8(&w, rich ? 0x92 : 0x80);
	enn_write_u8(&w, 0x60);
	enn_write_u16(&w, sequence);
	enn_write_u32(&w, sequence * 160u);
	enn_write_u32(&w, ssrc);
	if (rich) {
		enn_write_u32(&w, 0x11111111);
		enn_write_u32(&w, 0x22222222);
		enn_write_u16(&w, EXTENSION_ONE);
		enn_write_u16(&w, 2);
		enn_write_bytes(&w, elements, sizeof(elements));
	}
	for (size_t i = 0; i < payload; i++) {
		enn_write_u8(&w, (uint8_t)(sequence + i));
	}
	assert_true(enn_writer_ok(&w));
	srtp_raw(b, b->data, enn_writer_len(&w), ENN_SRTP_OTHER);
}

void srtp_rtp(struct srtp_buffer *b, uint32_t ssrc, uint16_t sequence, size_t payload)
{
	write_packet(b, false, ssrc, sequence, payload);
}

void srtp_rtp_rich(struct srtp_buffer *b, uint32_t ssrc, uint16_t sequence, size_t payload)
{
	write_packet(b, true, ssrc, sequence, payload);
}

void srtp_rtcp(struct srtp_buffer *b, uint32_t ssrc, uint32_t value)
{
	struct enn_writer w = enn_writer_of(b->data, SRTP_ROOM);

	enn_write_u32(&w, 0x80c80006); /* SR, 7 words */
	enn_write_u32(&w, ssrc);
	for (int i = 0; i < 5; i++) {
		enn_write_u32(&w, value);
	}
	enn_write_u32(&w, 0x81ca0002); /* SDES, 3 words */
	enn_write_u32(&w, ssrc);
	enn_write_u32(&w, 0x01016100);
	srtp_raw(b, b->data, enn_writer_len(&w), ENN_SRTP_OTHER);
}

enum enn_srtp_result srtp_send(struct srtp_pair *pair, struct srtp_buffer *b)
{
	size_t good = enn_srtp_protect(pair->out, &b->p, 1);

	assert_int_equal(good, b->p.result == ENN_SRTP_OK);
	return b->p.result;
}

enum enn_srtp_result srtp_receive(struct srtp_pair *pair, struct srtp_buffer *b)
{
	size_t good = enn_srtp_unprotect(pair->in, &b->p, 1);

	assert_int_equal(good, b->p.result == ENN_SRTP_OK);
	return b->p.result;
}

void srtp_across(struct srtp_pair *pair, struct srtp_buffer *b)
{
	struct srtp_buffer plain;
	struct srtp_buffer copy;

	srtp_raw(&plain, b->data, b->p.len, ENN_SRTP_OTHER);
	assert_int_equal(srtp_send(pair, b), ENN_SRTP_OK);
	srtp_raw(&copy, b->data, b->p.len, ENN_SRTP_OTHER);
	assert_int_equal(srtp_receive(pair, &copy), ENN_SRTP_OK);
	assert_int_equal(copy.p.len, plain.p.len);
	assert_memory_equal(copy.data, plain.data, plain.p.len);
}
