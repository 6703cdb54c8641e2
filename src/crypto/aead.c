/* SPDX-License-Identifier: Apache-2.0
 *
 * AEAD: choice of the back end, keys, and what both back ends have in common.
 */
#include "crypto/aead.h"

#include "base/compiler.h"
#include "crypto/aead_backend.h"
#include "crypto/cbc_hmac.h"

static const struct enn_aead_backend *choose(const struct enn_crypto *crypto, enum enn_aead_id id)
{
	if (id >= ENN_AEAD_COUNT) {
		return enn_cbc_hmac(id);
	}
	return crypto->mb != NULL ? enn_aead_ipsec_mb(id) : enn_aead_libcrypto(id);
}

enum enn_status enn_aead_new(const struct enn_env *env, const struct enn_aead_alg *alg,
			     enum enn_aead_direction direction, const uint8_t *key,
			     struct enn_aead **out)
{
	const struct enn_aead_backend *backend = choose(env->crypto, alg->id);
	/* Header and aligned state in one block. */
	size_t size = sizeof(struct enn_aead) + backend->state_len + backend->state_align - 1;
	struct enn_aead *aead = enn_alloc(env, size);

	*out = NULL;
	if (aead == NULL) {
		return ENN_E_MEMORY;
	}
	uintptr_t at = (uintptr_t)(aead + 1);
	uintptr_t gap = (0 - at) & (backend->state_align - 1);
	aead->backend = backend;
	aead->alg = alg;
	aead->crypto = env->crypto;
	aead->state = (uint8_t *)(aead + 1) + gap;
	aead->size = (uint32_t)size;
	aead->direction = direction;
	enum enn_status status = backend->init(aead, key);
	if (status != ENN_OK) {
		enn_free_secret(env, aead, size);
		return status;
	}
	*out = aead;
	return ENN_OK;
}

void enn_aead_free(const struct enn_env *env, struct enn_aead *aead)
{
	if (aead == NULL) {
		return;
	}
	if (aead->backend->done != NULL) {
		aead->backend->done(aead);
	}
	enn_free_secret(env, aead, aead->size);
}

const struct enn_aead_alg *enn_aead_algorithm(const struct enn_aead *aead)
{
	return aead->alg;
}

enum enn_status enn_aead_rekey(struct enn_aead *aead, const uint8_t *key)
{
	return aead->backend->rekey(aead, key);
}

enum enn_status enn_aead_seal(struct enn_aead *aead, struct enn_aead_job *job)
{
	return aead->backend->seal(aead, job);
}

enum enn_status enn_aead_open(struct enn_aead *aead, struct enn_aead_job *job)
{
	size_t tag_len = aead->alg->tag_len;

	if (ENN_UNLIKELY(job->in_len < tag_len)) {
		return ENN_E_CRYPTO;
	}
	enum enn_status status = aead->backend->open(aead, job);
	if (ENN_UNLIKELY(status != ENN_OK)) {
		enn_wipe(job->out, job->in_len - tag_len);
	}
	return status;
}

void enn_aead_seal_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count)
{
	if (aead->backend->seal_batch != NULL) {
		aead->backend->seal_batch(aead, jobs, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		jobs[i].status = aead->backend->seal(aead, &jobs[i]);
	}
}

/* Wipes what did not open; a job that is too short never reached the back end. */
static void settle(const struct enn_aead *aead, struct enn_aead_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].status != ENN_OK && jobs[i].in_len >= aead->alg->tag_len) {
			enn_wipe(jobs[i].out, jobs[i].in_len - aead->alg->tag_len);
		}
	}
}

void enn_aead_open_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count)
{
	if (aead->backend->open_batch == NULL) {
		for (size_t i = 0; i < count; i++) {
			jobs[i].status = enn_aead_open(aead, &jobs[i]);
		}
		return;
	}
	aead->backend->open_batch(aead, jobs, count);
	settle(aead, jobs, count);
}
