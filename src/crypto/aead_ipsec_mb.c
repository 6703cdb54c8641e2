/* SPDX-License-Identifier: Apache-2.0
 *
 * AEAD through libipsec-mb: AES-GCM by its direct calls.
 *
 * The library's *_DEC calls hand back a computed tag and leave the comparison to the caller.
 * With argument checks built in, a call that is given a NULL pointer returns without doing
 * anything and without saying so: pointers of empty inputs are replaced here.
 */
#include <intel-ipsec-mb.h>
#include <stdio.h>

#include "base/compiler.h"
#include "crypto/aead_backend.h"
#include "crypto/aead_ipsec_mb.h"

static const uint8_t nothing[1];

enum enn_status enn_ipsec_mb_open(struct enn_crypto *crypto, bool any)
{
	const uint64_t least = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2;
	const uint64_t wide = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
	const uint64_t need = any ? least : least | wide;
	IMB_MGR *mb = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (mb == NULL) {
		return ENN_E_MEMORY;
	}
	init_mb_mgr_auto(mb, &arch);
	bool fit = imb_get_errno(mb) == 0 && (mb->features & need) == need;
	if ((mb->features & IMB_FEATURE_SELF_TEST) != 0 &&
	    (mb->features & IMB_FEATURE_SELF_TEST_PASS) == 0) {
		fit = false;
	}
	if (!fit) {
		free_mb_mgr(mb);
		return ENN_E_UNSUPPORTED;
	}
	crypto->mb = mb;
	return ENN_OK;
}

void enn_ipsec_mb_close(struct enn_crypto *crypto)
{
	if (crypto->mb != NULL) {
		free_mb_mgr(crypto->mb);
		crypto->mb = NULL;
	}
}

void enn_ipsec_mb_describe(const struct enn_crypto *crypto, char *out, size_t cap)
{
	uint64_t wide = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES;
	bool avx512 = (crypto->mb->features & wide) == wide;

	(void)snprintf(out, cap, "ipsec-mb %s (%s)", imb_get_version_str(),
		       avx512 ? "AVX512" : "AVX2");
}

/* ---- AES-GCM ---------------------------------------------------------------------------- */

/* The library's calls for one key size. Every function below is built once for each. */
struct calls {
	aes_gcm_pre_t pre;
	aes_gcm_enc_dec_t enc;
	aes_gcm_enc_dec_t dec;
	aes_gcm_init_t begin;
	aes_gcm_enc_dec_update_t update;
	aes_gcm_enc_dec_finalize_t finish;
};

static inline struct calls calls_128(const struct enn_aead *aead)
{
	const IMB_MGR *mb = aead->crypto->mb;
	return (struct calls){mb->gcm128_pre,  mb->gcm128_enc,	      mb->gcm128_dec,
			      mb->gcm128_init, mb->gcm128_enc_update, mb->gcm128_enc_finalize};
}

static inline struct calls calls_256(const struct enn_aead *aead)
{
	const IMB_MGR *mb = aead->crypto->mb;
	return (struct calls){mb->gcm256_pre,  mb->gcm256_enc,	      mb->gcm256_dec,
			      mb->gcm256_init, mb->gcm256_enc_update, mb->gcm256_enc_finalize};
}

/* Text and trailer that lie apart. Up to this size copying them together is cheaper than the calls
 * for pieces. */
#define COPY_MAX 2048

static inline void seal_pieces(const struct calls call, struct enn_aead *aead,
			       const struct enn_aead_job *job, const uint8_t *aad, uint8_t *tag)
{
	const struct gcm_key_data *key = aead->state;
	struct gcm_context_data ctx;

	call.begin(key, &ctx, job->nonce, aad, job->aad_len);
	call.update(key, &ctx, job->out, job->in, job->in_len);
	call.update(key, &ctx, job->out + job->in_len, job->trailer, job->trailer_len);
	call.finish(key, &ctx, tag, aead->alg->tag_len);
}

static inline enum enn_status seal(const struct calls call, struct enn_aead *aead,
				   struct enn_aead_job *job)
{
	const uint8_t *aad = job->aad_len == 0 ? nothing : job->aad;
	const uint8_t *in = job->in_len == 0 ? nothing : job->in;
	size_t len = job->in_len + job->trailer_len;
	uint8_t *tag = job->out + len;
	struct gcm_context_data ctx;

	if (job->trailer_len > 0) {
		if (job->in != job->out && job->in_len > COPY_MAX) {
			seal_pieces(call, aead, job, aad, tag);
			return ENN_OK;
		}
		/* The trailer's room is behind the text. */
		if (job->in != job->out && job->in_len > 0) {
			memcpy(job->out, job->in, job->in_len);
		}
		memcpy(job->out + job->in_len, job->trailer, job->trailer_len);
		in = job->out;
	}
	call.enc(aead->state, &ctx, job->out, in, len, job->nonce, aad, job->aad_len, tag,
		 aead->alg->tag_len);
	return ENN_OK;
}

static inline enum enn_status open(const struct calls call, struct enn_aead *aead,
				   struct enn_aead_job *job)
{
	size_t tag_len = aead->alg->tag_len;
	size_t len = job->in_len - tag_len;
	struct gcm_context_data ctx;
	uint8_t tag[ENN_MAX_AEAD_TAG];

	call.dec(aead->state, &ctx, job->out, job->in, len, job->nonce,
		 job->aad_len == 0 ? nothing : job->aad, job->aad_len, tag, tag_len);
	return enn_equal_secret(tag, job->in + len, tag_len) ? ENN_OK : ENN_E_CRYPTO;
}

static enum enn_status rekey_128(struct enn_aead *aead, const uint8_t *key)
{
	calls_128(aead).pre(key, aead->state);
	return ENN_OK;
}

static enum enn_status seal_128(struct enn_aead *aead, struct enn_aead_job *job)
{
	return seal(calls_128(aead), aead, job);
}

static enum enn_status open_128(struct enn_aead *aead, struct enn_aead_job *job)
{
	return open(calls_128(aead), aead, job);
}

static enum enn_status rekey_256(struct enn_aead *aead, const uint8_t *key)
{
	calls_256(aead).pre(key, aead->state);
	return ENN_OK;
}

static enum enn_status seal_256(struct enn_aead *aead, struct enn_aead_job *job)
{
	return seal(calls_256(aead), aead, job);
}

static enum enn_status open_256(struct enn_aead *aead, struct enn_aead_job *job)
{
	return open(calls_256(aead), aead, job);
}

static const struct enn_aead_backend gcm_128 = {
	.state_len = sizeof(struct gcm_key_data),
	.state_align = 64,
	.init = rekey_128,
	.rekey = rekey_128,
	.seal = seal_128,
	.open = open_128,
};

static const struct enn_aead_backend gcm_256 = {
	.state_len = sizeof(struct gcm_key_data),
	.state_align = 64,
	.init = rekey_256,
	.rekey = rekey_256,
	.seal = seal_256,
	.open = open_256,
};

const struct enn_aead_backend *enn_aead_ipsec_mb(enum enn_aead_id id)
{
	switch (id) {
	case ENN_AEAD_AES_128_GCM:
		return &gcm_128;
	case ENN_AEAD_AES_256_GCM:
		return &gcm_256;
	case ENN_AEAD_CHACHA20_POLY1305:
		return &enn_aead_mb_chacha;
	default:
		break;
	}
	return NULL;
}
