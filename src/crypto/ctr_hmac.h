/* SPDX-License-Identifier: Apache-2.0
 *
 * AES in counter mode and HMAC-SHA1, each in batches: what SRTP protects packets with (RFC 3711 §4.1.1, §4.2.1).
 *
 * The two are apart because SRTP puts work between them. Two back ends give the same bytes: ipsec-mb
 * (multi-buffer) and libcrypto. Nothing here allocates after enn_ctr_hmac_new.
 */
#ifndef ENN_CRYPTO_CTR_HMAC_H
#define ENN_CRYPTO_CTR_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define ENN_CTR_IV	  16
#define ENN_SHA1	  20
#define ENN_CTR_HMAC_JOBS 32 /* of one batch */

struct enn_ctr_hmac;

/* cipher_len is 16, 24 or 32, or 0: no cipher. The key is that, then 20 bytes of the MAC's if `mac`.
 * ENN_E_MEMORY, ENN_E_CRYPTO. Owned; free wipes. */
enum enn_status enn_ctr_hmac_new(const struct enn_env *env, size_t cipher_len, bool mac,
				 const uint8_t *key, struct enn_ctr_hmac **out);
void enn_ctr_hmac_free(const struct enn_env *env, struct enn_ctr_hmac *x);
/* Replaces the key without allocating. */
enum enn_status enn_ctr_hmac_rekey(struct enn_ctr_hmac *x, const uint8_t *key);

/* Encrypts or decrypts in place. The last 16 bits of iv count the blocks and begin at zero, so a text has
 * at most 2^20 bytes. */
struct enn_ctr_job {
	uint8_t iv[ENN_CTR_IV];
	uint8_t *text;
	size_t len;
};

struct enn_mac_job {
	const uint8_t *text;
	size_t len;
	uint8_t mac[ENN_SHA1];
};

/* At most ENN_CTR_HMAC_JOBS. ENN_E_CRYPTO: the library failed, and no text is to be used. */
enum enn_status enn_ctr_batch(struct enn_ctr_hmac *x, struct enn_ctr_job *jobs, size_t count);
void enn_hmac_sha1_batch(struct enn_ctr_hmac *x, struct enn_mac_job *jobs, size_t count);

#endif
