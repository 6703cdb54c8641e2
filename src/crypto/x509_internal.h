/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of X.509. Private to x509*.c.
 */
#ifndef ENN_CRYPTO_X509_INTERNAL_H
#define ENN_CRYPTO_X509_INTERNAL_H

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "crypto/sig_key.h"
#include "crypto/x509.h"

/* The certificate alerts of RFC 8446 §6.2. */
enum {
	ENN_X509_ALERT_BAD = 42,
	ENN_X509_ALERT_UNSUPPORTED = 43,
	ENN_X509_ALERT_REVOKED = 44,
	ENN_X509_ALERT_EXPIRED = 45,
	ENN_X509_ALERT_UNKNOWN = 46,
	ENN_X509_ALERT_UNKNOWN_CA = 48,
	ENN_X509_ALERT_BAD_STATUS = 113,
};

/* RFC 9525 §6: only subject alternative names count, and a wildcard is a whole label. */
#define ENN_X509_NAME_FLAGS                                                                        \
	(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

#define ENN_X509_TEXT_MAX 64

/* Seconds since 1970; false if it is no time at all. */
bool enn_x509_seconds(const ASN1_TIME *time, int64_t *seconds);
/* The subject for a person, cut to fit, control characters escaped. Returns out. */
const char *enn_x509_subject(const X509 *cert, char out[ENN_X509_TEXT_MAX]);
const char *enn_x509_name_text(const X509_NAME *name, char out[ENN_X509_TEXT_MAX]);

/* An IPv4 or IPv6 address literal in binary: 4 or 16, or 0 if it is none. */
size_t enn_x509_address(const char *name, uint8_t address[16]);
/* The length of a host name without the root's dot; 0 if it is no name that can be looked for:
 * empty, or with a leading dot, which libcrypto reads as "any host below". */
size_t enn_x509_host_len(const char *name);

/* The context to parse a peer's certificates in; NULL: libcrypto's own (x509_library.c). */
OSSL_LIB_CTX *enn_x509_library(void);

/* x509_verify.c: whether a certificate's signature is of one of these kinds (TLS schemes). */
bool enn_x509_signature_allowed(X509 *cert, const uint16_t *schemes, size_t count);

/* spki.c */
bool enn_x509_spki_digest(X509 *cert, uint8_t out[32]);

struct enn_peer_chain {
	size_t count;
	size_t der_len;
	X509 *leaf;		 /* NULL until parsed */
	STACK_OF(X509) * others; /* NULL until parsed, and if there is just a leaf */
	struct enn_public_key *key;
	bool known; /* key and may_sign are set */
	bool may_sign;
	struct enn_bytes *der; /* count views into the copy behind them */
};

/* Takes leaf facts from a chain that was validated before. */
void enn_peer_chain_adopt(struct enn_peer_chain *chain, struct enn_public_key *key, bool may_sign);

/* ---- the cache of validated chains (x509_cache.c) -------------------------------------------- */

#define ENN_X509_DIGEST 32

struct enn_chain_cache;

struct enn_chain_facts {
	int64_t valid_from;  /* seconds */
	int64_t valid_until; /* the first second at which libcrypto would refuse */
	struct enn_public_key *key;
	bool may_sign;
};

/* What the verdict depends on, except the time and the trust object itself. */
void enn_chain_cache_digest(const struct enn_peer_chain *chain,
			    const struct enn_verify_policy *policy,
			    uint8_t digest[ENN_X509_DIGEST]);
struct enn_chain_cache *enn_chain_cache_new(void);
void enn_chain_cache_free(struct enn_chain_cache *cache);
void enn_chain_cache_clear(struct enn_chain_cache *cache);
size_t enn_chain_cache_count(const struct enn_chain_cache *cache);
/* NULL: not known, or not valid at `now`. Lent until the next call. */
const struct enn_chain_facts *enn_chain_cache_find(struct enn_chain_cache *cache,
						   const uint8_t digest[ENN_X509_DIGEST],
						   int64_t now);
/* Takes a reference of facts->key. Without memory nothing is remembered. */
void enn_chain_cache_add(struct enn_chain_cache *cache, const uint8_t digest[ENN_X509_DIGEST],
			 const struct enn_chain_facts *facts);

struct enn_trust {
	unsigned refs;
	bool frozen;
	bool system;
	size_t anchors;
	size_t crls;
	uint8_t digest[ENN_X509_DIGEST]; /* of all that was added, in order */
	X509_STORE *store;
	X509_STORE_CTX *ctx;	       /* reused by every verification */
	struct enn_chain_cache *cache; /* NULL: switched off, or no memory for it */
};

/* x509_status.c: the OCSP response of the policy, or that there is none. Narrows the time for which the verdict
 * holds. path: validated. */
enum enn_status enn_x509_check_status(STACK_OF(X509) * path, const struct enn_verify_policy *policy,
				      struct enn_chain_facts *facts, struct enn_error *error);

/* x509_error.c */
#define ENN_X509_DATE_MAX 32
void enn_x509_date_text(const ASN1_TIME *time, char out[ENN_X509_DATE_MAX]);
void enn_x509_seconds_text(int64_t seconds, char out[ENN_X509_DATE_MAX]);
/* Says what X509_verify_cert found wrong. */
enum enn_status enn_x509_explain(X509_STORE_CTX *ctx, const struct enn_verify_policy *policy,
				 struct enn_error *error);

#endif
