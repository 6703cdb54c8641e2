/* SPDX-License-Identifier: Apache-2.0
 *
 * ChaCha20-Poly1305 through libipsec-mb, which has it in two forms: as a job, with a one-call
 * kernel that wins for packets, and as init, update and finish, which wins for large records and
 * takes text and trailer apart.
 */
#include <intel-ipsec-mb.h>

#include "base/compiler.h"
#include "crypto/aead_ipsec_mb.h"

/* Measured with AVX-512: level at 4 KiB, from there on the direct calls gain. */
#define JOB_MAX 4096

static const uint8_t nothing[1];

struct state {
	uint8_t key[32];    /* there is no key schedule */
	uint8_t beyond[16]; /* the AVX2 kernel of 1.3 loads 32 bytes from the middle of the key */
};

static enum enn_status rekey(struct enn_aead *aead, const uint8_t *key)
{
	memcpy(((struct state *)aead->state)->key, key, 32);
	return ENN_OK;
}

/* ---- as a job -------------------------------------------------------------------------------- */

/* Runs one job to its end. The manager is this thread's alone and every job is drained here, so its
 * queue is empty before and after. */
static bool run_job(const struct enn_aead *aead, IMB_CIPHER_DIRECTION direction,
		    const struct enn_aead_job *p, const uint8_t *in, size_t len, uint8_t *tag)
{
	IMB_MGR *mb = aead->crypto->mb;
	const struct state *s = aead->state;
	IMB_JOB *job = IMB_GET_NEXT_JOB(mb);

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = direction;
	job->chain_order =
		direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = s->key;
	job->dec_keys = s->key;
	job->key_len_in_bytes = sizeof(s->key);
	job->src = in;
	job->dst = p->out;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = len;
	job->msg_len_to_hash_in_bytes = len;
	job->iv = p->nonce;
	job->iv_len_in_bytes = aead->alg->nonce_len;
	job->u.CHACHA20_POLY1305.aad = p->aad_len == 0 ? nothing : p->aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = p->aad_len;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = aead->alg->tag_len;
	job = IMB_SUBMIT_JOB_NOCHECK(mb);
	if (job == NULL) {
		job = IMB_FLUSH_JOB(mb);
	}
	return job != NULL && job->status == IMB_STATUS_COMPLETED;
}

static enum enn_status seal_job(struct enn_aead *aead, const struct enn_aead_job *p, size_t len)
{
	const uint8_t *in = p->in;

	if (p->trailer_len > 0) {
		if (p->in != p->out && p->in_len > 0) {
			memcpy(p->out, p->in, p->in_len);
		}
		memcpy(p->out + p->in_len, p->trailer, p->trailer_len);
		in = p->out;
	}
	return run_job(aead, IMB_DIR_ENCRYPT, p, in, len, p->out + len) ? ENN_OK : ENN_E_CRYPTO;
}

/* ---- as calls -------------------------------------------------------------------------------- */

static void begin(const struct enn_aead *aead, struct chacha20_poly1305_context_data *ctx,
		  const struct enn_aead_job *p)
{
	const struct state *s = aead->state;
	IMB_CHACHA20_POLY1305_INIT(aead->crypto->mb, s->key, ctx, p->nonce,
				   p->aad_len == 0 ? nothing : p->aad, p->aad_len);
}

static enum enn_status seal(struct enn_aead *aead, struct enn_aead_job *p)
{
	const IMB_MGR *mb = aead->crypto->mb;
	const struct state *s = aead->state;
	size_t len = p->in_len + p->trailer_len;
	struct chacha20_poly1305_context_data ctx;

	if (len > 0 && len <= JOB_MAX) {
		return seal_job(aead, p, len);
	}
	begin(aead, &ctx, p);
	if (p->in_len > 0) {
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, s->key, &ctx, p->out, p->in, p->in_len);
	}
	if (p->trailer_len > 0) {
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, s->key, &ctx, p->out + p->in_len, p->trailer,
						 p->trailer_len);
	}
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb, &ctx, p->out + len, aead->alg->tag_len);
	enn_wipe(&ctx, sizeof(ctx));
	return ENN_OK;
}

static void decrypt(const struct enn_aead *aead, const struct enn_aead_job *p, size_t len,
		    uint8_t *tag)
{
	const IMB_MGR *mb = aead->crypto->mb;
	const struct state *s = aead->state;
	struct chacha20_poly1305_context_data ctx;

	begin(aead, &ctx, p);
	if (len > 0) {
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mb, s->key, &ctx, p->out, p->in, len);
	}
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb, &ctx, tag, aead->alg->tag_len);
	enn_wipe(&ctx, sizeof(ctx));
}

static enum enn_status open(struct enn_aead *aead, struct enn_aead_job *p)
{
	size_t tag_len = aead->alg->tag_len;
	size_t len = p->in_len - tag_len;
	uint8_t tag[ENN_MAX_AEAD_TAG];

	if (len > 0 && len <= JOB_MAX) {
		if (!run_job(aead, IMB_DIR_DECRYPT, p, p->in, len, tag)) {
			return ENN_E_CRYPTO;
		}
	} else {
		decrypt(aead, p, len, tag);
	}
	return enn_equal_secret(tag, p->in + len, tag_len) ? ENN_OK : ENN_E_CRYPTO;
}

const struct enn_aead_backend enn_aead_mb_chacha = {
	.state_len = sizeof(struct state),
	.state_align = 16,
	.init = rekey,
	.rekey = rekey,
	.seal = seal,
	.open = open,
};
