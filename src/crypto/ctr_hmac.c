/* SPDX-License-Identifier: Apache-2.0
 *
 * AES in counter mode and HMAC-SHA1: keys, the choice of the back end, and libcrypto's.
 *
 * SHA-1 is taken from libcrypto's plain functions, as SHA-2 in hash.c and for the same reasons. HMAC with it is
 * sound where a tag is all that is asked of it (RFC 6194 §3.3), and SRTP has no other.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/compiler.h"
#include "crypto/ctr_hmac_backend.h"

#define BLOCK 64u /* of SHA-1 */

/* From so many packets on several lanes are worth their set-up; below it SHA-1 of one packet after another is
 * faster where the processor has instructions for it. */
#define MAC_LANES 8u

static const EVP_CIPHER *cipher_of(const struct enn_ctr_hmac *x)
{
	switch (x->cipher_len) {
	case 16:
		return EVP_aes_128_ctr();
	case 24:
		return EVP_aes_192_ctr();
	default:
		return EVP_aes_256_ctr();
	}
}

static void set_mac_key(struct enn_ctr_hmac *x, const uint8_t *key)
{
	uint8_t pad[BLOCK] = {0};

	memcpy(pad, key, ENN_SHA1);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] ^= 0x36;
	}
	(void)SHA1_Init(&x->inner);
	(void)SHA1_Update(&x->inner, pad, BLOCK);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] ^= 0x36 ^ 0x5c;
	}
	(void)SHA1_Init(&x->outer);
	(void)SHA1_Update(&x->outer, pad, BLOCK);
	enn_wipe(pad, sizeof(pad));
}

enum enn_status enn_ctr_hmac_rekey(struct enn_ctr_hmac *x, const uint8_t *key)
{
	if (x->mac) {
		set_mac_key(x, key + x->cipher_len);
	}
	if (x->mb != NULL) {
		enn_ctr_hmac_mb_rekey(x, key);
		return ENN_OK;
	}
	if (x->ctx != NULL && EVP_EncryptInit_ex(x->ctx, NULL, NULL, key, NULL) != 1) {
		return ENN_E_CRYPTO;
	}
	return ENN_OK;
}

enum enn_status enn_ctr_hmac_new(const struct enn_env *env, size_t cipher_len, bool mac,
				 const uint8_t *key, struct enn_ctr_hmac **out)
{
	/* Both in one block, which enn_alloc aligns to 16. */
	const size_t head = (sizeof(struct enn_ctr_hmac) + 15) / 16 * 16;
	struct enn_ctr_hmac *x = enn_alloc(env, head + sizeof(struct enn_ctr_hmac_mb));
	enum enn_status status = ENN_OK;

	*out = NULL;
	if (x == NULL) {
		return ENN_E_MEMORY;
	}
	x->crypto = env->crypto;
	x->cipher_len = cipher_len;
	x->mac = mac;
	if (env->crypto->mb != NULL) {
		x->mb = (struct enn_ctr_hmac_mb *)(void *)((uint8_t *)x + head);
	} else if (cipher_len > 0) {
		x->ctx = EVP_CIPHER_CTX_new();
		status = x->ctx == NULL ? ENN_E_MEMORY
			 : EVP_EncryptInit_ex(x->ctx, cipher_of(x), NULL, NULL, NULL) == 1
				 ? ENN_OK
				 : ENN_E_CRYPTO;
	}
	if (status == ENN_OK) {
		status = enn_ctr_hmac_rekey(x, key);
	}
	if (status != ENN_OK) {
		enn_ctr_hmac_free(env, x);
		return status;
	}
	*out = x;
	return ENN_OK;
}

void enn_ctr_hmac_free(const struct enn_env *env, struct enn_ctr_hmac *x)
{
	const size_t head = (sizeof(struct enn_ctr_hmac) + 15) / 16 * 16;

	if (x != NULL) {
		EVP_CIPHER_CTX_free(x->ctx); /* wipes the key */
		enn_free_secret(env, x, head + sizeof(struct enn_ctr_hmac_mb));
	}
}

static bool encrypt(EVP_CIPHER_CTX *ctx, struct enn_ctr_job *job)
{
	int n;

	if (job->len == 0) {
		return true;
	}
	return job->len <= (1u << 20) && EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, job->iv) == 1 &&
	       EVP_EncryptUpdate(ctx, job->text, &n, job->text, (int)job->len) == 1;
}

enum enn_status enn_ctr_batch(struct enn_ctr_hmac *x, struct enn_ctr_job *jobs, size_t count)
{
	if (x->cipher_len == 0) {
		return ENN_OK;
	}
	if (x->mb != NULL) {
		enn_ctr_mb(x, jobs, count);
		return ENN_OK;
	}
	for (size_t i = 0; i < count; i++) {
		if (ENN_UNLIKELY(!encrypt(x->ctx, &jobs[i]))) {
			return ENN_E_CRYPTO;
		}
	}
	return ENN_OK;
}

static void mac_one(const struct enn_ctr_hmac *x, struct enn_mac_job *job)
{
	SHA_CTX ctx = x->inner;

	(void)SHA1_Update(&ctx, job->text, job->len);
	(void)SHA1_Final(job->mac, &ctx);
	ctx = x->outer;
	(void)SHA1_Update(&ctx, job->mac, ENN_SHA1);
	(void)SHA1_Final(job->mac, &ctx);
	enn_wipe(&ctx, sizeof(ctx));
}

/* ipsec-mb takes no empty text. */
static bool has_empty(const struct enn_mac_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].len == 0) {
			return true;
		}
	}
	return false;
}

void enn_hmac_sha1_batch(struct enn_ctr_hmac *x, struct enn_mac_job *jobs, size_t count)
{
	if (x->mb != NULL && count >= MAC_LANES && !has_empty(jobs, count)) {
		enn_hmac_sha1_mb(x, jobs, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		mac_one(x, &jobs[i]);
	}
}
