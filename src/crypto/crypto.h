/* SPDX-License-Identifier: Apache-2.0
 *
 * The cryptographic context behind enn_crypto_new: back ends and prefetched
 * libcrypto objects. Private to src/crypto.
 */
#ifndef ENN_CRYPTO_CRYPTO_H
#define ENN_CRYPTO_CRYPTO_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "crypto/alg.h"
#include "ennead/env.h"

struct IMB_MGR;
struct enn_x25519_provider;

struct enn_crypto {
	struct IMB_MGR *mb; /* NULL: libcrypto only */
	EVP_CIPHER *cipher[ENN_AEAD_COUNT];
	EVP_MD *md[ENN_HASH_COUNT];
	EVP_CIPHER *mask[3]; /* mask.c: AES-128-ECB, AES-256-ECB, ChaCha20 */
	struct enn_x25519_provider *x25519;
	EC_GROUP *group[ENN_KX_HYBRID]; /* P-256 and P-384; NULL for X25519 */
	BN_CTX *bn;			/* scratch of the two */
	char description[160];
};

/* x25519.c. NULL: memory, or a libcrypto without it. */
struct enn_x25519_provider *enn_x25519_open(void);
void enn_x25519_close(struct enn_x25519_provider *p); /* NULL is legal */

/* aead_ipsec_mb.c, or aead_no_ipsec_mb.c in a build without it: sets crypto->mb.
 * ENN_E_UNSUPPORTED: this CPU or this library is not fit for it. `any` accepts instruction sets
 * on which libcrypto would be the better choice. */
enum enn_status enn_ipsec_mb_open(struct enn_crypto *crypto, bool any);
void enn_ipsec_mb_close(struct enn_crypto *crypto);
/* "ipsec-mb 1.3.0 (AVX512)" */
void enn_ipsec_mb_describe(const struct enn_crypto *crypto, char *out, size_t cap);

#endif
