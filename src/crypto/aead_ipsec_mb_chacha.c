/* SPDX-License-Identifier: Apache-2.0
 *
 * ChaCha20-Poly1305 through libipsec-mb.
 */
#include <intel-ipsec-mb.h>

#include "base/compiler.h"
#include "crypto/aead_ipsec_mb.h"

static const uint8_t nothing[1];

struct state {
	uint8_t key[32]; /* there is no key schedule */
};

static enum enn_status rekey(struct enn_aead *aead, const uint8_t *key)
{
	memcpy(((struct state *)aead->state)->key, key, 32);
	return ENN_OK;
}

static void begin(const struct enn_aead *aead, struct chacha20_poly1305_context_data *ctx,
		  const struct enn_aead_job *job)
{
	const struct state *s = aead->state;
	IMB_CHACHA20_POLY1305_INIT(aead->crypto->mb, s->key, ctx, job->nonce,
				   job->aad_len == 0 ? nothing : job->aad, job->aad_len);
}

static enum enn_status seal(struct enn_aead *aead, struct enn_aead_job *job)
{
	const IMB_MGR *mb = aead->crypto->mb;
	const struct state *s = aead->state;
	struct chacha20_poly1305_context_data ctx;

	begin(aead, &ctx, job);
	if (job->in_len > 0) {
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, s->key, &ctx, job->out, job->in, job->in_len);
	}
	if (job->trailer_len > 0) {
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, s->key, &ctx, job->out + job->in_len,
						 job->trailer, job->trailer_len);
	}
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb, &ctx, job->out + job->in_len + job->trailer_len,
					   aead->alg->tag_len);
	enn_wipe(&ctx, sizeof(ctx));
	return ENN_OK;
}

static enum enn_status open(struct enn_aead *aead, struct enn_aead_job *job)
{
	const IMB_MGR *mb = aead->crypto->mb;
	const struct state *s = aead->state;
	size_t tag_len = aead->alg->tag_len;
	size_t len = job->in_len - tag_len;
	struct chacha20_poly1305_context_data ctx;
	uint8_t tag[ENN_MAX_AEAD_TAG];

	begin(aead, &ctx, job);
	if (len > 0) {
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mb, s->key, &ctx, job->out, job->in, len);
	}
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb, &ctx, tag, tag_len);
	enn_wipe(&ctx, sizeof(ctx));
	return enn_equal_secret(tag, job->in + len, tag_len) ? ENN_OK : ENN_E_CRYPTO;
}

const struct enn_aead_backend enn_aead_mb_chacha = {
	.state_len = sizeof(struct state),
	.state_align = 16,
	.init = rekey,
	.rekey = rekey,
	.seal = seal,
	.open = open,
};
