/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures: ECDSA, Ed25519, RSA-PSS, and RSA PKCS #1 v1.5 for certificates and TLS 1.2.
 */
#ifndef ENN_CRYPTO_SIG_H
#define ENN_CRYPTO_SIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "crypto/alg.h"

struct enn_private_key;
struct enn_public_key;

/* PEM or DER (PKCS #8, SEC 1, PKCS #1), unencrypted. */
enum enn_status enn_private_key_parse(const uint8_t *data, size_t len, struct enn_private_key **out,
				      struct enn_error *error);
struct enn_private_key *enn_private_key_ref(struct enn_private_key *key);
void enn_private_key_free(struct enn_private_key *key);
enum enn_key_type enn_private_key_type(const struct enn_private_key *key);
/* RSA modulus or curve size in bits. */
unsigned enn_private_key_bits(const struct enn_private_key *key);

/* True if this kind of key can make (or check) this kind of signature; an RSA key too small for the
 * hash of a PSS scheme cannot. */
bool enn_sig_fits_private(const struct enn_sig_alg *alg, const struct enn_private_key *key);
bool enn_sig_fits_public(const struct enn_sig_alg *alg, const struct enn_public_key *key);

/* *sig_len in: room (at least ENN_MAX_SIGNATURE unless the key is known), out: length. PSS salts
 * have the length of the hash (RFC 8446 §4.2.3). The crypto context gives prefetched algorithms. */
enum enn_status enn_sign(const struct enn_env *env, const struct enn_sig_alg *alg,
			 struct enn_private_key *key, const uint8_t *data, size_t len, uint8_t *sig,
			 size_t *sig_len);
/* ENN_E_CRYPTO: it does not verify. */
enum enn_status enn_verify(const struct enn_env *env, const struct enn_sig_alg *alg,
			   struct enn_public_key *key, const uint8_t *data, size_t len,
			   const uint8_t *sig, size_t sig_len);

/* In TLS 1.2 an ECDSA scheme is not bound to its curve (RFC 8422 §5.1.1): the same four with that. */
bool enn_sig_fits_private12(const struct enn_sig_alg *alg, const struct enn_private_key *key);
enum enn_status enn_sign12(const struct enn_env *env, const struct enn_sig_alg *alg,
			   struct enn_private_key *key, const uint8_t *data, size_t len,
			   uint8_t *sig, size_t *sig_len);
bool enn_sig_fits_public12(const struct enn_sig_alg *alg, const struct enn_public_key *key);
enum enn_status enn_verify12(const struct enn_env *env, const struct enn_sig_alg *alg,
			     struct enn_public_key *key, const uint8_t *data, size_t len,
			     const uint8_t *sig, size_t sig_len);

/* Tokens give an ECDSA signature as r || s of equal lengths (PKCS #11), TLS wants a DER Ecdsa-Sig-Value.
 * *der_len in: room, out: length. ENN_E_CRYPTO: an odd or oversized raw_len. ENN_E_SPACE, ENN_E_MEMORY. */
enum enn_status enn_ecdsa_signature_to_der(const uint8_t *raw, size_t raw_len, uint8_t *der,
					   size_t *der_len);
/* The DER SubjectPublicKeyInfo of a private key's public half; the caller's to free(). */
enum enn_status enn_private_key_spki(const struct enn_private_key *key, uint8_t **der, size_t *len);
/* Calls fn for each public key in PEM text, or for the one in DER (spki.c). The first status of fn
 * that is not ENN_OK ends it and is returned. ENN_E_PARSE: there is none, or one that cannot be used. */
typedef enum enn_status (*enn_spki_fn)(void *ctx, struct enn_bytes spki, enum enn_key_type type);
enum enn_status enn_spki_each(const uint8_t *data, size_t len, enn_spki_fn fn, void *ctx,
			      struct enn_error *error);
void enn_spki_digest(struct enn_bytes spki, uint8_t out[32]); /* SHA-256: RFC 7469 §2.4 */
/* "sha256/" and the digest in base64. */
#define ENN_PIN_TEXT 52
const char *enn_spki_pin_text(const uint8_t digest[32], char out[ENN_PIN_TEXT]);
bool enn_spki_pin_parse(const char *text, uint8_t digest[32]);

/* From a DER SubjectPublicKeyInfo. */
enum enn_status enn_public_key_parse(const uint8_t *der, size_t len, struct enn_public_key **out);
void enn_public_key_free(struct enn_public_key *key);
enum enn_key_type enn_public_key_type(const struct enn_public_key *key);
unsigned enn_public_key_bits(const struct enn_public_key *key);

#endif
