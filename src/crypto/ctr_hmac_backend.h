/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of ctr_hmac*.c. Private to them.
 */
#ifndef ENN_CRYPTO_CTR_HMAC_BACKEND_H
#define ENN_CRYPTO_CTR_HMAC_BACKEND_H

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "crypto/crypto.h"
#include "crypto/ctr_hmac.h"

/* What ipsec-mb computes with: expanded keys of both directions, which counter mode does not need,
 * and the states behind the first blocks of HMAC. */
struct enn_ctr_hmac_mb {
	_Alignas(16) uint8_t expanded[15 * 16];
	_Alignas(16) uint8_t inverse[15 * 16];
	_Alignas(16) uint8_t inner[ENN_SHA1 + 12];
	_Alignas(16) uint8_t outer[ENN_SHA1 + 12];
};

struct enn_ctr_hmac {
	const struct enn_crypto *crypto;
	size_t cipher_len;
	bool mac;
	EVP_CIPHER_CTX *ctx; /* NULL: no cipher, or ipsec-mb has it */
	SHA_CTX inner;	     /* HMAC behind its first blocks */
	SHA_CTX outer;
	struct enn_ctr_hmac_mb *mb; /* NULL: libcrypto only; inside the same allocation */
};

/* ctr_hmac_ipsec_mb.c, or ctr_hmac_no_ipsec_mb.c in a build without it. Called only with crypto->mb. */
void enn_ctr_hmac_mb_rekey(struct enn_ctr_hmac *x, const uint8_t *key);
void enn_ctr_mb(struct enn_ctr_hmac *x, struct enn_ctr_job *jobs, size_t count);
void enn_hmac_sha1_mb(struct enn_ctr_hmac *x, struct enn_mac_job *jobs, size_t count);

#endif
