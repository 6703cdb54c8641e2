/* SPDX-License-Identifier: Apache-2.0
 *
 * What keys look like inside. Private to src/crypto.
 */
#ifndef ENN_CRYPTO_SIG_KEY_H
#define ENN_CRYPTO_SIG_KEY_H

#include <openssl/evp.h>

#include "crypto/sig.h"

/* A libcrypto key and what we ask of it again and again. */
struct enn_key {
	EVP_PKEY *pkey;
	OSSL_LIB_CTX *library; /* that pkey was made in; NULL: libcrypto's own */
	enum enn_key_type type;
	unsigned bits;
	int only_hash; /* an RSA-PSS key that is restricted to one hash: enum enn_hash_id; else -1 */
	/* Initialised for the scheme that was last used: setting it up again costs more than
	 * some of the operations. A key belongs to one thread. */
	EVP_PKEY_CTX *ctx;
	uint16_t ctx_scheme;
};

struct enn_private_key {
	struct enn_key key;
	unsigned refs;
};

struct enn_public_key {
	struct enn_key key;
	unsigned refs;
};

/* Takes over pkey. */
void enn_key_init(struct enn_key *key, EVP_PKEY *pkey);
void enn_key_clear(struct enn_key *key);
bool enn_key_fits(const struct enn_sig_alg *alg, const struct enn_key *key);

/* Takes over pkey, also when it fails. */
struct enn_public_key *enn_public_key_from(EVP_PKEY *pkey);
struct enn_public_key *enn_public_key_ref(struct enn_public_key *key);

#endif
