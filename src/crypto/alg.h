/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of algorithms: one constant row per algorithm; a row knows its name,
 * its sizes and limits, and its code point in every protocol that uses it.
 */
#ifndef ENN_CRYPTO_ALG_H
#define ENN_CRYPTO_ALG_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define ENN_MAX_HASH	   64
#define ENN_MAX_HASH_BLOCK 128
#define ENN_MAX_AEAD_KEY   32
#define ENN_MAX_AEAD_NONCE 12
#define ENN_MAX_AEAD_TAG   16
#define ENN_MAX_KX_PUBLIC  1249
#define ENN_MAX_KX_SECRET  66
#define ENN_MAX_SIGNATURE  512

enum enn_aead_id {
	ENN_AEAD_AES_128_GCM,
	ENN_AEAD_AES_256_GCM,
	ENN_AEAD_CHACHA20_POLY1305,
	ENN_AEAD_COUNT,
	/* No AEADs, but presented as such: CBC with HMAC over the ciphertext (RFC 7366); cbc_hmac.h */
	ENN_CBC_AES_128_SHA1 = ENN_AEAD_COUNT,
	ENN_CBC_AES_256_SHA1,
	ENN_CBC_AES_128_SHA256,
	ENN_CBC_AES_256_SHA384,
	ENN_CBC_END
};

struct enn_aead_alg {
	enum enn_aead_id id;
	const char *name; /* RFC 5116 registry name */
	uint8_t key_len;
	uint8_t nonce_len;
	uint8_t tag_len;
	uint8_t mac_key_len;   /* CBC with HMAC only: follows the key of key_len bytes */
	uint8_t esp_transform; /* IKEv2 ENCR id with a 16-byte ICV, 0 if none */
	uint16_t tcpcrypt;     /* RFC 8548 table 5 */
	uint16_t srtp_profile; /* RFC 7714 §14.2 */
	uint64_t seal_limit;   /* records per key before it must be replaced (RFC 8446 §5.5) */
	uint64_t open_failure_limit; /* forgery attempts (RFC 9147 §4.5.3, RFC 9001 §6.6) */
};
const struct enn_aead_alg *enn_aead_alg(enum enn_aead_id id);

enum enn_hash_id { ENN_HASH_SHA256, ENN_HASH_SHA384, ENN_HASH_SHA512, ENN_HASH_COUNT };

struct enn_hash_alg {
	enum enn_hash_id id;
	const char *name;
	uint8_t len;
	uint8_t block_len;
};
const struct enn_hash_alg *enn_hash_alg(enum enn_hash_id id);

enum enn_kx_id {
	ENN_KX_X25519,
	ENN_KX_P256,
	ENN_KX_P384,
	ENN_KX_HYBRID, /* from here on: one of the above together with ML-KEM-768 */
	ENN_KX_X25519_MLKEM768 = ENN_KX_HYBRID,
	ENN_KX_P256_MLKEM768,
	ENN_KX_COUNT
};

struct enn_kx_alg {
	enum enn_kx_id id;
	const char *name;    /* "X25519", "P-256" */
	uint16_t tls_group;  /* RFC 8446 §4.2.7 */
	uint16_t ike_group;  /* IKEv2 transform type 4 */
	uint16_t public_len; /* of who begins; on the wire: raw, or 0x04 || X || Y */
	uint16_t reply_len;  /* of who responds */
	uint16_t secret_len;
};
const struct enn_kx_alg *enn_kx_alg(enum enn_kx_id id);
const struct enn_kx_alg *enn_kx_alg_by_tls(uint16_t group);
static inline bool enn_kx_is_hybrid(const struct enn_kx_alg *alg)
{
	return alg->id >= ENN_KX_HYBRID;
}
/* Whether this libcrypto can do it; false too for a group that is not known (kx.c). */
bool enn_kx_available(uint16_t group);

enum enn_key_type {
	ENN_KEY_RSA,
	ENN_KEY_RSA_PSS,
	ENN_KEY_P256,
	ENN_KEY_P384,
	ENN_KEY_ED25519,
	ENN_KEY_OTHER
};

enum enn_sig_padding { ENN_SIG_NONE, ENN_SIG_PKCS1, ENN_SIG_PSS };

struct enn_sig_alg {
	uint16_t tls_scheme; /* RFC 8446 §4.2.3 */
	const char *name;    /* "ecdsa_secp256r1_sha256" */
	enum enn_key_type key;
	enum enn_sig_padding padding;
	int hash;      /* enum enn_hash_id, or -1: the algorithm hashes by itself */
	uint8_t level; /* strength in units of 16 bits: for logs and policy */
};
/* By code point; NULL if unknown. enn_sig_alg_at walks the table. */
const struct enn_sig_alg *enn_sig_alg_by_tls(uint16_t scheme);
const struct enn_sig_alg *enn_sig_alg_at(size_t index);

/* How a cipher suite of TLS 1.2 authenticates; those of TLS 1.3 leave it open. */
enum enn_suite_auth { ENN_SUITE_ANY, ENN_SUITE_ECDSA, ENN_SUITE_RSA, ENN_SUITE_PSK };

/* A cipher suite of TLS 1.3 (RFC 8446 §B.4), or of TLS 1.2 with ECDHE (RFC 5289, 7905, 8422, 8442, 5489). */
struct enn_tls_suite {
	uint16_t code;
	const char *name;
	enum enn_aead_id aead;
	enum enn_hash_id hash; /* of the transcript and of HKDF or the PRF */
	uint16_t version;      /* 0x0304 or 0x0303: the one version that it is for */
	enum enn_suite_auth auth;
};
const struct enn_tls_suite *enn_tls_suite_by_code(uint16_t code);
const struct enn_tls_suite *enn_tls_suite_at(size_t index);

/* TLS 1.2: what a direction's keys are made of (RFC 5246 §6.3). */
size_t enn_tls_suite_key_len(const struct enn_tls_suite *suite);
size_t enn_tls_suite_mac_len(const struct enn_tls_suite *suite);
size_t enn_tls_suite_iv_len(const struct enn_tls_suite *suite);

/* Finds a name among all algorithms of one kind, ignoring case, '-' and '_'; aliases ("secp256r1",
 * "prime256v1") included. -1 if there is none. The numbers are TLS code points. */
enum enn_alg_kind {
	ENN_ALG_SUITE,
	ENN_ALG_GROUP,
	ENN_ALG_SIGNATURE,
	ENN_ALG_PSK_MODE,
	ENN_ALG_VERSION,
	ENN_ALG_COMPRESSION
};
int32_t enn_alg_find(enum enn_alg_kind kind, const char *name, size_t len);
/* The known name nearest to a wrong one (edit distance), for error messages. Never NULL. */
const char *enn_alg_nearest(enum enn_alg_kind kind, const char *name, size_t len);
/* Walks the algorithms of a kind that this libcrypto has: the name, NULL past the end, and the code point. */
const char *enn_alg_at(enum enn_alg_kind kind, size_t index, uint16_t *code);
/* By code point; "?" if unknown. */
const char *enn_alg_name(enum enn_alg_kind kind, uint16_t code);
/* How far a written name is from one that is known, in edits; 0: the same but for case, '-' and '_'. */
size_t enn_alg_distance(const char *name, size_t len, const char *known);

#endif
