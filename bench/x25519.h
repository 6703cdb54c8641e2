/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of X25519: libcrypto with keys and contexts prepared beforehand.
 */
#ifndef ENN_BENCH_X25519_H
#define ENN_BENCH_X25519_H

struct bench_x25519;
struct bench_x25519 *bench_x25519_new(void);
void bench_x25519_free(struct bench_x25519 *x);
/* A fresh key pair: made by EVP_PKEY_generate, or derived from the base point, which is the same
 * function (RFC 7748 §6.1): whichever is faster on this machine. */
void bench_x25519_generate(const struct bench_x25519 *x);
void bench_x25519_derive(const struct bench_x25519 *x);
/* How key pairs are made. */
const char *bench_x25519_way(const struct bench_x25519 *x);

#endif
