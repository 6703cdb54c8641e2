/* SPDX-License-Identifier: Apache-2.0
 *
 * ML-KEM-768 through libcrypto's EVP_PKEY_encapsulate. The calls are as old as 3.0, the algorithm is not, and
 * neither are the names of its parameters.
 */
#include "crypto/kem.h"

#include <openssl/err.h>
#include <openssl/params.h>
#include <stdatomic.h>

#include "base/compiler.h"

static const char algorithm[] = "ML-KEM-768";

#define SEED  64
#define COINS 32

bool enn_kem_available(void)
{
	enum { UNKNOWN, ABSENT, PRESENT };
	static atomic_int
		known; /* a look-up that finds nothing is slow, and the answer is always the same */

	if (atomic_load(&known) == UNKNOWN) {
		(void)ERR_set_mark();
		EVP_KEM *kem = EVP_KEM_fetch(NULL, algorithm, NULL);
		(void)ERR_pop_to_mark();
		atomic_store(&known, kem == NULL ? ABSENT : PRESENT);
		EVP_KEM_free(kem);
	}
	return atomic_load(&known) == PRESENT;
}

enum enn_status enn_kem_generate(const struct enn_env *env, EVP_PKEY **out,
				 uint8_t public_key[ENN_KEM_PUBLIC])
{
	uint8_t seed[SEED];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string("seed", seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};
	size_t len = ENN_KEM_PUBLIC;

	*out = NULL;
	if (env->random != NULL) {
		ENN_TRY(enn_random(env, seed, sizeof(seed)));
	}
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	bool good = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
		    (env->random == NULL || EVP_PKEY_CTX_set_params(ctx, params) == 1) &&
		    EVP_PKEY_generate(ctx, out) == 1 &&
		    EVP_PKEY_get_raw_public_key(*out, public_key, &len) == 1 &&
		    len == ENN_KEM_PUBLIC;
	EVP_PKEY_CTX_free(ctx);
	enn_wipe(seed, sizeof(seed));
	if (!good) {
		EVP_PKEY_free(*out);
		*out = NULL;
	}
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_kem_encapsulate(const struct enn_env *env,
				    const uint8_t public_key[ENN_KEM_PUBLIC],
				    uint8_t ciphertext[ENN_KEM_CIPHERTEXT],
				    uint8_t secret[ENN_KEM_SECRET])
{
	uint8_t coins[COINS];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string("ikme", coins, sizeof(coins)),
		OSSL_PARAM_construct_end(),
	};
	size_t len = ENN_KEM_CIPHERTEXT;
	size_t secret_len = ENN_KEM_SECRET;

	if (env->random != NULL && enn_random(env, coins, sizeof(coins)) != ENN_OK) {
		return ENN_E_SYSTEM;
	}
	EVP_PKEY *peer =
		EVP_PKEY_new_raw_public_key_ex(NULL, algorithm, NULL, public_key, ENN_KEM_PUBLIC);
	EVP_PKEY_CTX *ctx = peer == NULL ? NULL : EVP_PKEY_CTX_new(peer, NULL);
	bool good = ctx != NULL &&
		    EVP_PKEY_encapsulate_init(ctx, env->random == NULL ? NULL : params) == 1 &&
		    EVP_PKEY_encapsulate(ctx, ciphertext, &len, secret, &secret_len) == 1 &&
		    len == ENN_KEM_CIPHERTEXT && secret_len == ENN_KEM_SECRET;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	enn_wipe(coins, sizeof(coins));
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_kem_decapsulate(EVP_PKEY *key, const uint8_t ciphertext[ENN_KEM_CIPHERTEXT],
				    uint8_t secret[ENN_KEM_SECRET])
{
	size_t len = ENN_KEM_SECRET;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool good = ctx != NULL && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
		    EVP_PKEY_decapsulate(ctx, secret, &len, ciphertext, ENN_KEM_CIPHERTEXT) == 1 &&
		    len == ENN_KEM_SECRET;

	EVP_PKEY_CTX_free(ctx);
	return good ? ENN_OK : ENN_E_CRYPTO;
}
