/* SPDX-License-Identifier: Apache-2.0
 *
 * SRTP and SRTCP against libsrtp2, packet by packet, in both directions, for every suite that it has. What the two make of one
 * packet must also be equal to the byte, but for the index of SRTCP, which libsrtp2 begins at 1.
 */
#include <srtp2/srtp.h>

#include "../../unit/srtp.h"

struct profile {
	enum enn_srtp_suite_id id;
	void (*rtp)(srtp_crypto_policy_t *);
	void (*rtcp)(srtp_crypto_policy_t *); /* the tag of SRTCP always has 80 bits */
};

static const struct profile profiles[] = {
	{ENN_SRTP_AES_CM_128_HMAC_SHA1_80, srtp_crypto_policy_set_rtp_default,
	 srtp_crypto_policy_set_rtcp_default},
	{ENN_SRTP_AES_CM_128_HMAC_SHA1_32, srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
	 srtp_crypto_policy_set_rtcp_default},
	{ENN_SRTP_AES_192_CM_HMAC_SHA1_80, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80,
	 srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
	{ENN_SRTP_AES_192_CM_HMAC_SHA1_32, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32,
	 srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
	{ENN_SRTP_AES_256_CM_HMAC_SHA1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
	 srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
	{ENN_SRTP_AES_256_CM_HMAC_SHA1_32, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
	 srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
	{ENN_SRTP_AEAD_AES_128_GCM, srtp_crypto_policy_set_aes_gcm_128_16_auth,
	 srtp_crypto_policy_set_aes_gcm_128_16_auth},
	{ENN_SRTP_AEAD_AES_256_GCM, srtp_crypto_policy_set_aes_gcm_256_16_auth,
	 srtp_crypto_policy_set_aes_gcm_256_16_auth},
	{ENN_SRTP_NULL_HMAC_SHA1_80, srtp_crypto_policy_set_null_cipher_hmac_sha1_80,
	 srtp_crypto_policy_set_null_cipher_hmac_sha1_80},
};

#define SSRC 0xcafebabeu

/* ---- the two, both directions ------------------------------------------------------------------ */

enum variant { PLAIN, MKI, HEADERS };

struct world {
	struct srtp_pair ours;
	srtp_t out;
	srtp_t in;
	bool mki;
};

static uint8_t key_bytes[2][64];
static uint8_t mki_bytes[2][4] = {{0, 0, 4, 42}, {1, 2, 3, 4}};
static srtp_master_key_t key[2] = {{key_bytes[0], mki_bytes[0], 4},
				   {key_bytes[1], mki_bytes[1], 4}};
static srtp_master_key_t *keys[2] = {&key[0], &key[1]};
static int encrypted_ids[] = {1, 5};

static void open_theirs(struct world *w, const struct profile *p, enum variant variant)
{
	srtp_policy_t policy;

	memset(&policy, 0, sizeof(policy));
	p->rtp(&policy.rtp);
	p->rtcp(&policy.rtcp);
	policy.window_size = 128;
	if (variant == MKI) {
		policy.keys = keys;
		policy.num_master_keys = 2;
	} else {
		policy.key = key_bytes[0];
	}
	if (variant == HEADERS) {
		policy.enc_xtn_hdr = encrypted_ids;
		policy.enc_xtn_hdr_count = 2;
	}
	policy.ssrc.type = ssrc_any_outbound;
	assert_int_equal(srtp_create(&w->out, &policy), srtp_err_status_ok);
	policy.ssrc.type = ssrc_any_inbound;
	assert_int_equal(srtp_create(&w->in, &policy), srtp_err_status_ok);
}

/* libsrtp2 2.5 derives the keys of AES-192 with the PRF of AES-256, from the 24 bytes of key, the salt and zeros in one
 * piece, and not with AES_192_CM_PRF (RFC 6188 §3; our derivation has its vectors in test_srtp_vectors.c). With session keys
 * made in its way the packets are compared all the same. */
static void derive_as_they_do(struct world *w, unsigned number)
{
	struct enn_srtp_session *const both[2] = {w->ours.out, w->ours.in};
	uint8_t whole[46] = {0};

	memcpy(whole, key_bytes[number], 24 + 14);
	for (unsigned i = 0; i < 4; i++) {
		unsigned rtcp = i & 1;
		uint8_t session[24 + 20];
		uint8_t salt[14];
		const struct {
			unsigned label;
			uint8_t *out;
			size_t len;
		} part[3] = {{0, session, 24}, {1, session + 24, 20}, {2, salt, 14}};
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(
				enn_srtp_derive(&w->ours.t.env, whole, 32, whole + 32, 14,
						(enum enn_srtp_label)(part[k].label + 3 * rtcp), 0,
						part[k].out, part[k].len),
				ENN_OK);
		}
		assert_int_equal(srtp_keys_set(both[i / 2],
					       &both[i / 2]->master[number]->keys[rtcp][0], rtcp,
					       session, salt),
				 ENN_OK);
	}
}

static bool is_192(const struct profile *p)
{
	return enn_srtp_suite(p->id)->key_len == 24;
}

static void open_world(struct world *w, const struct profile *p, enum variant variant)
{
	const struct enn_srtp_suite *suite = enn_srtp_suite(p->id);
	struct enn_srtp_master master[2];
	struct enn_srtp_policy policy = {.suite = p->id,
					 .master = master,
					 .master_count = variant == MKI ? 2 : 1,
					 .null_allowed = !suite->cipher};

	w->mki = variant == MKI;
	for (unsigned i = 0; i < 2; i++) {
		master[i] = srtp_master_of((uint8_t)(i + 1));
		memset(key_bytes[i], 0, sizeof(key_bytes[i]));
		memcpy(key_bytes[i], master[i].key, suite->key_len);
		memcpy(key_bytes[i] + suite->key_len, master[i].salt, suite->salt_len);
		if (!suite->cipher) { /* it takes 30 bytes there too */
			memcpy(key_bytes[i] + 16, master[i].salt, 14);
		}
		master[i].mki_len = variant == MKI ? 4 : 0;
		memcpy(master[i].mki, mki_bytes[i], 4);
	}
	if (variant == HEADERS) {
		policy.encrypted_ids[0] = 1u << 1 | 1u << 5;
	}
	srtp_open(&w->ours, &policy);
	open_theirs(w, p, variant);
	for (unsigned i = 0; is_192(p) && i < policy.master_count; i++) {
		derive_as_they_do(w, i);
	}
}

static void close_world(struct world *w)
{
	srtp_close(&w->ours);
	assert_int_equal(srtp_dealloc(w->out), srtp_err_status_ok);
	assert_int_equal(srtp_dealloc(w->in), srtp_err_status_ok);
}

/* ---- packets ----------------------------------------------------------------------------------- */

static void their_protect(struct world *w, struct srtp_buffer *b, bool rtcp, unsigned which)
{
	int len = (int)b->p.len;
	srtp_err_status_t status =
		rtcp ? srtp_protect_rtcp_mki(w->out, b->data, &len, w->mki, which)
		     : srtp_protect_mki(w->out, b->data, &len, w->mki, which);

	assert_int_equal(status, srtp_err_status_ok);
	b->p.len = (size_t)len;
}

static void their_unprotect(struct world *w, struct srtp_buffer *b, bool rtcp)
{
	int len = (int)b->p.len;
	srtp_err_status_t status = rtcp ? srtp_unprotect_rtcp_mki(w->in, b->data, &len, w->mki)
					: srtp_unprotect_mki(w->in, b->data, &len, w->mki);

	assert_int_equal(status, srtp_err_status_ok);
	b->p.len = (size_t)len;
}

static void same(const struct srtp_buffer *a, const struct srtp_buffer *b)
{
	assert_int_equal(a->p.len, b->p.len);
	assert_memory_equal(a->data, b->data, a->p.len);
}

static void exchange(struct world *w, const struct srtp_buffer *plain, bool rtcp, unsigned which)
{
	struct srtp_buffer ours;
	struct srtp_buffer theirs;

	srtp_raw(&ours, plain->data, plain->p.len, ENN_SRTP_OTHER);
	srtp_raw(&theirs, plain->data, plain->p.len, ENN_SRTP_OTHER);
	assert_int_equal(srtp_send(&w->ours, &ours), ENN_SRTP_OK);
	their_protect(w, &theirs, rtcp, which);
	if (!rtcp) {
		same(&ours, &theirs);
	}
	assert_int_equal(ours.p.len, theirs.p.len);
	their_unprotect(w, &ours, rtcp);
	same(&ours, plain);
	assert_int_equal(srtp_receive(&w->ours, &theirs), ENN_SRTP_OK);
	same(&theirs, plain);
}

/* libsrtp2 looks for the MKI of SRTCP where the tag of SRTP would put it. */
static bool finds_mki(const struct world *w)
{
	return !w->mki || w->ours.out->tag[0] == w->ours.out->tag[1];
}

static void run(struct world *w, unsigned which)
{
	struct srtp_buffer b;

	/* around the end of the sequence numbers, out of order */
	static const uint16_t sequences[] = {65530, 65533, 65531, 65535, 1, 65534, 0, 2, 100, 50};
	for (size_t i = 0; i < ENN_ARRAY_LEN(sequences); i++) {
		srtp_rtp(&b, SSRC, sequences[i], i * 37);
		exchange(w, &b, false, which);
		srtp_rtp_rich(&b, SSRC + 1, sequences[i], 1200 - i);
		exchange(w, &b, false, which);
		srtp_rtcp(&b, SSRC, (uint32_t)i * 77);
		if (finds_mki(w)) {
			exchange(w, &b, true, which);
		}
	}
}

static void every_profile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		struct world w;
		print_message("# suite %d\n", (int)profiles[i].id);
		open_world(&w, &profiles[i], PLAIN);
		run(&w, 0);
		close_world(&w);
	}
}

static void with_mki(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		struct world w;
		struct srtp_buffer b;
		print_message("# suite %d\n", (int)profiles[i].id);
		open_world(&w, &profiles[i], MKI);
		run(&w, 0);
		/* both senders go over to the second key */
		assert_int_equal(enn_srtp_session_use_master(w.ours.out, 1), ENN_OK);
		for (uint16_t k = 101; k < 110; k++) {
			srtp_rtp(&b, SSRC, k, 160);
			exchange(&w, &b, false, 1);
			srtp_rtcp(&b, SSRC, k);
			if (finds_mki(&w)) {
				exchange(&w, &b, true, 1);
			}
		}
		close_world(&w);
	}
}

static void with_encrypted_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		struct world w;
		/* AES-192: their keys would be others too. AES-GCM: libsrtp2 2.5 makes other bytes of the elements than RFC 7714
		 * §8.3 with RFC 6904 §3.2 says, where it is not known to us. */
		if (is_192(&profiles[i]) || enn_srtp_suite(profiles[i].id)->aead) {
			continue;
		}
		print_message("# suite %d\n", (int)profiles[i].id);
		open_world(&w, &profiles[i], HEADERS);
		run(&w, 0);
		close_world(&w);
	}
}

/* Many packets in one call, opened by libsrtp2, and the other way round. */
static void in_batches(void **state)
{
	static struct srtp_buffer buffer[100];
	struct enn_srtp_packet packets[100];
	struct srtp_buffer plain;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		struct world w;
		open_world(&w, &profiles[i], PLAIN);
		for (unsigned k = 0; k < 100; k++) {
			srtp_rtp(&buffer[k], SSRC + k % 7, (uint16_t)(65500 + k), 20 + k * 11);
			packets[k] = buffer[k].p;
		}
		assert_int_equal(enn_srtp_protect(w.ours.out, packets, 100), 100);
		for (unsigned k = 0; k < 100; k++) {
			buffer[k].p.len = packets[k].len;
			their_unprotect(&w, &buffer[k], false);
			srtp_rtp(&plain, SSRC + k % 7, (uint16_t)(65500 + k), 20 + k * 11);
			same(&buffer[k], &plain);
			their_protect(&w, &buffer[k], false, 0);
			packets[k] = buffer[k].p;
			packets[k].kind = ENN_SRTP_OTHER;
		}
		assert_int_equal(enn_srtp_unprotect(w.ours.in, packets, 100), 100);
		close_world(&w);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_profile),
		cmocka_unit_test(with_mki),
		cmocka_unit_test(with_encrypted_headers),
		cmocka_unit_test(in_batches),
	};

	srtp_backend = test_backend(argc, argv);
	if (srtp_init() != srtp_err_status_ok) {
		return 1;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)srtp_shutdown();
	return failed;
}
