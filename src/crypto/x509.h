/* SPDX-License-Identifier: Apache-2.0
 *
 * X.509 (RFC 5280) through libcrypto: chains, trust, path validation, names.
 */
#ifndef ENN_CRYPTO_X509_H
#define ENN_CRYPTO_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "crypto/sig.h"

/* ---- our own chains ------------------------------------------------------------------ */

/* A parsed chain, leaf first; reference-counted, immutable. */
struct enn_chain;
/* From PEM text with one or more certificates. error names the one that is bad. */
enum enn_status enn_chain_parse_pem(const char *pem, size_t len, struct enn_chain **out,
				    struct enn_error *error);
/* PEM text of a DER certificate, from malloc; NULL: it is none, or there is no memory. */
char *enn_certificate_to_pem(const uint8_t *der, size_t len);
struct enn_chain *enn_chain_ref(struct enn_chain *chain);
void enn_chain_free(struct enn_chain *chain);
size_t enn_chain_count(const struct enn_chain *chain);
struct enn_bytes enn_chain_der(const struct enn_chain *chain, size_t index);
/* The leaf's public key type; whether a private key is its counterpart. */
enum enn_key_type enn_chain_key_type(const struct enn_chain *chain);
bool enn_chain_fits_key(const struct enn_chain *chain, const struct enn_private_key *key);
/* Whether the leaf is for this host name or IP address literal (RFC 9525). */
bool enn_chain_fits_name(const struct enn_chain *chain, const char *name);
/* Whether it has this very name, not only a wildcard for it. */
bool enn_chain_has_name(const struct enn_chain *chain, const char *name);
/* Whether its certificates are signed with TLS schemes of a list (RFC 8446 §4.2.3, §4.4.2.2). */
bool enn_chain_fits_signatures(const struct enn_chain *chain, const uint16_t *schemes,
			       size_t count);
/* Whether a peer that sent these certificate_authorities (DER names, RFC 8446 §4.2.4; an empty
 * list fits all) would know an issuer of the chain. */
bool enn_chain_fits_authorities(const struct enn_chain *chain, const struct enn_bytes *names,
				size_t count);

/* An OCSP response with a successful answer; until when (UNIX seconds) it may be used. */
bool enn_x509_status_until(struct enn_bytes response, int64_t *until);

/* ---- whom we trust -------------------------------------------------------------------- */

/* Trust anchors and CRLs; reference-counted; mutable until it is first used to verify. */
struct enn_trust;
struct enn_trust *enn_trust_new(void);
struct enn_trust *enn_trust_ref(struct enn_trust *trust);
struct enn_trust *enn_trust_copy(const struct enn_trust *trust);
void enn_trust_free(struct enn_trust *trust);
enum enn_status enn_trust_add_pem(struct enn_trust *trust, const char *pem, size_t len,
				  struct enn_error *error);
enum enn_status enn_trust_add_crl_pem(struct enn_trust *trust, const char *pem, size_t len,
				      struct enn_error *error);
/* The system's own (SSL_CERT_FILE and SSL_CERT_DIR honoured as libcrypto does). */
enum enn_status enn_trust_add_system(struct enn_trust *trust);
bool enn_trust_has_anchors(const struct enn_trust *trust);
/* The subjects of the anchors that were added (RFC 8446 §4.2.4: <1..2^16-1> each), no more than fit
 * 2^16-1 bytes; and the bytes that takes. */
size_t enn_trust_names_size(const struct enn_trust *trust);
void enn_trust_write_names(const struct enn_trust *trust, struct enn_writer *w);
bool enn_trust_has_crls(const struct enn_trust *trust);
/* SHA-256 over the anchors and CRLs in the order in which they were added; the system's count
 * as one unchanging thing. Objects with equal digests trust the same. */
void enn_trust_digest(const struct enn_trust *trust, uint8_t out[32]);
/* A trust object remembers chains that it validated (at most 256, only while every certificate
 * and CRL involved is valid), so that a peer that is met again costs one hash. On by default. */
void enn_trust_set_cache(struct enn_trust *trust, bool on);

struct enn_verify_policy {
	bool peer_is_server; /* the purpose that the leaf must allow (EKU, key usage) */
	const char *name; /* host name or IP literal that the leaf must be for; NULL: not checked */
	int64_t wall_seconds; /* UNIX time of validity */
	bool check_revocation;
	const uint8_t (*pins)[32]; /* SHA-256 of SubjectPublicKeyInfo: one of the path must match */
	size_t pins_len;	   /* 0: none is needed */
	/* The OCSP response for the leaf that came with the chain, or nothing. asked: it could have come, so a
	 * certificate that promises one (RFC 7633) must have it. */
	struct enn_bytes status;
	bool status_asked;
	bool status_required;
	const uint16_t
		*cert_signatures; /* TLS schemes allowed inside the chain (anchor excepted) */
	size_t cert_signatures_len;
};

/* A peer's certificate list. Only its outer form is checked here; the certificates are parsed by
 * the first call that needs them, because a chain that the trust object remembers is not parsed
 * at all. */
struct enn_peer_chain;
enum enn_status enn_peer_chain_parse(const struct enn_bytes *der, size_t count,
				     struct enn_peer_chain **out, struct enn_error *error);
/* The same for a peer that shows its SubjectPublicKeyInfo instead (RFC 7250): no certificates, only the key.
 * ENN_E_AUTH, ENN_E_MEMORY. */
enum enn_status enn_peer_chain_from_key(struct enn_bytes spki, struct enn_peer_chain **out,
					struct enn_error *error);
void enn_peer_chain_free(struct enn_peer_chain *chain);
/* Parses the certificates now: for who does not call enn_trust_verify and wants the error.
 * ENN_E_AUTH with a reason and an alert as below, ENN_E_MEMORY. */
enum enn_status enn_peer_chain_load(struct enn_peer_chain *chain, struct enn_error *error);
/* SHA-256 of the leaf's SubjectPublicKeyInfo; false: malformed. */
bool enn_peer_chain_spki_digest(struct enn_peer_chain *chain, uint8_t out[32]);
/* Lent: lives as long as the chain. NULL: malformed. */
struct enn_public_key *enn_peer_chain_key(struct enn_peer_chain *chain);
/* True unless the leaf has a key usage extension without digitalSignature. */
bool enn_peer_chain_may_sign(struct enn_peer_chain *chain);

/* Path validation. On failure *error has a reason of the ENN_REASON_CERT_* block, a sentence
 * that names the certificate (subject, what is wrong, the dates or names at issue), and as
 * wire_code the TLS alert to send (RFC 8446 §6.2: bad_certificate, certificate_expired,
 * certificate_revoked, unknown_ca, unsupported_certificate, and bad_certificate_status_response).
 * ENN_E_AUTH, ENN_E_MEMORY. */
enum enn_status enn_trust_verify(struct enn_trust *trust, struct enn_peer_chain *chain,
				 const struct enn_verify_policy *policy, struct enn_error *error);

#endif
