/* SPDX-License-Identifier: Apache-2.0
 *
 * AES in counter mode and HMAC-SHA1 through libipsec-mb's synchronous bursts: they leave nothing in the manager, so
 * several keys can share it.
 *
 * The calls without checks are used: every field they read is set here, none from the network.
 */
#define NO_COMPAT_IMB_API_053 /* its old names take those of libcrypto */
#include <intel-ipsec-mb.h>

#include "crypto/ctr_hmac_backend.h"

#define BLOCK 64u

static void expand(IMB_MGR *mb, struct enn_ctr_hmac *x, const uint8_t *key)
{
	switch (x->cipher_len) {
	case 16:
		IMB_AES_KEYEXP_128(mb, key, x->mb->expanded, x->mb->inverse);
		break;
	case 24:
		IMB_AES_KEYEXP_192(mb, key, x->mb->expanded, x->mb->inverse);
		break;
	case 32:
		IMB_AES_KEYEXP_256(mb, key, x->mb->expanded, x->mb->inverse);
		break;
	default:
		break;
	}
}

void enn_ctr_hmac_mb_rekey(struct enn_ctr_hmac *x, const uint8_t *key)
{
	IMB_MGR *mb = x->crypto->mb;
	uint8_t pad[BLOCK] = {0};

	expand(mb, x, key);
	if (!x->mac) {
		return;
	}
	memcpy(pad, key + x->cipher_len, ENN_SHA1);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] ^= 0x36;
	}
	IMB_SHA1_ONE_BLOCK(mb, pad, x->mb->inner);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] ^= 0x36 ^ 0x5c;
	}
	IMB_SHA1_ONE_BLOCK(mb, pad, x->mb->outer);
	enn_wipe(pad, sizeof(pad));
}

void enn_ctr_mb(struct enn_ctr_hmac *x, struct enn_ctr_job *jobs, size_t count)
{
	IMB_JOB burst[ENN_CTR_HMAC_JOBS];
	uint32_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (jobs[i].len == 0) {
			continue;
		}
		IMB_JOB *job = &burst[n++];
		job->enc_keys = x->mb->expanded;
		job->dec_keys = x->mb->inverse;
		job->key_len_in_bytes = x->cipher_len;
		job->src = jobs[i].text;
		job->dst = jobs[i].text;
		job->cipher_start_src_offset_in_bytes = 0;
		job->msg_len_to_cipher_in_bytes = jobs[i].len;
		job->iv = jobs[i].iv;
		job->iv_len_in_bytes = ENN_CTR_IV;
	}
	if (n > 0) {
		IMB_MGR *mb = x->crypto->mb;
		(void)IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb, burst, n, IMB_CIPHER_CNTR,
						      IMB_DIR_ENCRYPT,
						      (IMB_KEY_SIZE_BYTES)x->cipher_len);
	}
}

void enn_hmac_sha1_mb(struct enn_ctr_hmac *x, struct enn_mac_job *jobs, size_t count)
{
	IMB_MGR *mb = x->crypto->mb;
	IMB_JOB burst[ENN_CTR_HMAC_JOBS];

	for (size_t i = 0; i < count; i++) {
		IMB_JOB *job = &burst[i];
		job->src = jobs[i].text;
		job->hash_start_src_offset_in_bytes = 0;
		job->msg_len_to_hash_in_bytes = jobs[i].len;
		job->auth_tag_output = jobs[i].mac;
		job->auth_tag_output_len_in_bytes = ENN_SHA1;
		job->u.HMAC._hashed_auth_key_xor_ipad = x->mb->inner;
		job->u.HMAC._hashed_auth_key_xor_opad = x->mb->outer;
	}
	(void)IMB_SUBMIT_HASH_BURST_NOCHECK(mb, burst, (uint32_t)count, IMB_AUTH_HMAC_SHA_1);
}
