/* SPDX-License-Identifier: Apache-2.0
 *
 * Hybrid Public Key Encryption (RFC 9180), base mode, through libcrypto.
 *
 * libcrypto has it from 3.2 on. It is looked up at run time, so that one build serves with any.
 */
#ifndef ENN_CRYPTO_HPKE_H
#define ENN_CRYPTO_HPKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/mem.h"

#define ENN_HPKE_TAG	  16u	/* of every AEAD below */
#define ENN_HPKE_MAX_ENC  65u	/* an encapsulated key: X25519 32, P-256 65 */
#define ENN_HPKE_MAX_INFO 1024u /* libcrypto takes no more */

enum enn_hpke_kem { ENN_HPKE_KEM_P256 = 0x0010, ENN_HPKE_KEM_X25519 = 0x0020 };

/* Code points of RFC 9180 §7. */
struct enn_hpke_suite {
	uint16_t kem;
	uint16_t kdf;
	uint16_t aead;
};

/* Whether this libcrypto has it at all; whether it and we can do this combination. */
bool enn_hpke_available(void);
bool enn_hpke_supports(const struct enn_hpke_suite *suite);
/* Bytes of an encapsulated key, which is also what a public key takes; 0: an unknown KEM. */
size_t enn_hpke_public_len(uint16_t kem);

struct enn_hpke;     /* one side's context; its messages are numbered */
struct enn_hpke_key; /* a recipient's private key, reference-counted */

/* PEM or PKCS #8 DER; *kem says for which KEM it is, public_key gets enn_hpke_public_len bytes.
 * ENN_E_PARSE, ENN_E_MEMORY. */
enum enn_status enn_hpke_key_parse(const uint8_t *data, size_t len, struct enn_hpke_key **out,
				   uint16_t *kem, uint8_t *public_key, size_t *public_len);
/* The ECHCONFIG block of a PEM text, from malloc. ENN_E_PARSE: there is none. */
enum enn_status enn_hpke_config_parse(const char *pem, size_t len, uint8_t **out, size_t *out_len);
struct enn_hpke_key *enn_hpke_key_ref(struct enn_hpke_key *key);
void enn_hpke_key_free(struct enn_hpke_key *key);

/* Sender: encapsulates to a public key. With env->random, from that source alone. enc gets
 * enn_hpke_public_len bytes. ENN_E_UNSUPPORTED, ENN_E_CRYPTO (not a public key), ENN_E_MEMORY. */
enum enn_status enn_hpke_sender(const struct enn_env *env, const struct enn_hpke_suite *suite,
				struct enn_bytes public_key, struct enn_bytes info, uint8_t *enc,
				struct enn_hpke **out);
/* ciphertext gets text.len + ENN_HPKE_TAG bytes. */
enum enn_status enn_hpke_seal(struct enn_hpke *hpke, struct enn_bytes aad, struct enn_bytes text,
			      uint8_t *ciphertext);
/* Recipient. ENN_E_CRYPTO: enc is no encapsulated key. */
enum enn_status enn_hpke_recipient(const struct enn_env *env, const struct enn_hpke_suite *suite,
				   struct enn_hpke_key *key, struct enn_bytes enc,
				   struct enn_bytes info, struct enn_hpke **out);
/* text gets ciphertext.len - ENN_HPKE_TAG bytes. ENN_E_CRYPTO: forged, or for another key. */
enum enn_status enn_hpke_open(struct enn_hpke *hpke, struct enn_bytes aad,
			      struct enn_bytes ciphertext, uint8_t *text);
void enn_hpke_free(struct enn_hpke *hpke); /* NULL is legal */

#endif
