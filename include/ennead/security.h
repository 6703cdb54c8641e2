/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters (RFC 9622 §6.3): who we are, whom we trust, what we allow.
 *
 * Safe by default: `enn_security_new()` unchanged validates the peer against the
 * system's trust store and allows only algorithms that RFC 9325 recommends.
 *
 * A parameter object is reference-counted and becomes immutable when the first
 * engine is made from it; setters then answer ENN_E_STATE (copy it to
 * change it). It may be shared by all engines of one thread.
 */
#ifndef ENNEAD_SECURITY_H
#define ENNEAD_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enn_security;
struct enn_credential;
struct enn_session_store;

enum enn_security_parameter {
#define ENN_SECURITY_PARAMETER(id, name, type, def, doc) ENN_SECURITY_##id,
#include "security.def"
#undef ENN_SECURITY_PARAMETER
	ENN_SECURITY_PARAMETER_COUNT
};

ENN_API struct enn_security *enn_security_new(void); /* NULL: out of memory */
/* A deep, mutable copy. Credentials and a session store that was set are shared by reference; a ticket key
 * that was set is copied. The store and keys that an object made for itself stay its own, because
 * what was agreed under its rules may not be good under those of the copy. */
ENN_API struct enn_security *enn_security_copy(const struct enn_security *security);
ENN_API struct enn_security *enn_security_ref(struct enn_security *security);
ENN_API void enn_security_free(struct enn_security *security); /* drops one reference */

/* Typed setters. Errors: ENN_E_ARGUMENT (wrong type or out of range), ENN_E_STATE. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_bool(struct enn_security *security,
							     enum enn_security_parameter id,
							     bool value);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_u64(struct enn_security *security,
							    enum enn_security_parameter id,
							    uint64_t value);
/* *error (may be NULL) names the position and the nearest valid name. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_list(struct enn_security *security,
							     enum enn_security_parameter id,
							     const char *names,
							     struct enn_error *error);
/* A list's names, joined by ':'. Writes at most cap bytes including the NUL and returns the length that all
 * of it has, like snprintf; 0 if id is no list. */
ENN_API size_t enn_security_get_list(const struct enn_security *security,
				     enum enn_security_parameter id, char *buf, size_t cap);

/* What may stand in a list: the names that this build knows, in no order of preference. NULL past the end, or
 * if id is no list. */
ENN_API const char *enn_security_list_name(enum enn_security_parameter id, size_t index);

/* Sets every list of algorithms at once: versions, cipher suites, groups, signature algorithms, those inside
 * certificates, PSK modes. text is a profile (`modern`, the default; `compatible`; `fips-like`) and what is to be
 * different from it, separated by ':', ',' or blanks:
 *   +NAME            also this algorithm, last
 *   -NAME            without this algorithm, or class of algorithms (RSA, ECDSA, PSK, AES128, AES256,
 *                    AESGCM, CHACHA20, CBC, PKCS1, PSS, MLKEM)
 *   !NAME            the same, and to name it again is an error
 *   KIND=NAME:NAME   exactly these; KIND is versions, suites, groups, signatures,
 *                    certificate-signatures or psk-modes
 *   legacy-cbc       from here on suites in CBC mode may be named; without it they are an error
 *   without-ems      TLS 1.2 also with peers without the extended master secret (RFC 7627)
 * as in "compatible:-P-384", "modern:groups=X25519:P-256", "fips-like:!RSA". A version without suites
 * is dropped, and so are suites without their version. ENN_E_ARGUMENT: *error (may be NULL) names the
 * item, the character and the nearest valid name; nothing was changed. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_policy(struct enn_security *security,
							       const char *text,
							       struct enn_error *error);
/* What enn_security_set_policy would be given for these parameters: the nearest profile and the lists that
 * differ from it. Like snprintf. */
ENN_API size_t enn_security_policy_text(const struct enn_security *security, char *buf, size_t cap);
/* The profiles: name, what it means in the same grammar ("": the defaults), one line of documentation. NULL
 * past the end. means and doc may be NULL. */
ENN_API const char *enn_policy_at(size_t index, const char **means, const char **doc);

/* By name and text, for command lines and files: "true", "42", "X25519:P-256". */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_parse(struct enn_security *security,
							  const char *name, const char *value,
							  struct enn_error *error);
ENN_API bool enn_security_get_bool(const struct enn_security *security,
				   enum enn_security_parameter id);
ENN_API uint64_t enn_security_get_u64(const struct enn_security *security,
				      enum enn_security_parameter id);
/* Name, documentation and default of a parameter, static text; NULL past the end. */
ENN_API const char *enn_security_parameter_name(enum enn_security_parameter id);
ENN_API const char *enn_security_parameter_doc(enum enn_security_parameter id);
ENN_API const char *enn_security_parameter_default(enum enn_security_parameter id);

/* Application protocols in order of preference, by the bytes of their ALPN ids (RFC 7301).
 * The server's order decides. A client that offers and a server that has
 * a list but shares none end with no_application_protocol. 1 to 255 bytes each. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_add_alpn(struct enn_security *security,
							     const uint8_t *id, size_t len);

/* ---- whom we trust ---------------------------------------------------------------- */

/* Adds trust anchors (PEM, one or more certificates). With anchors of its own an object no
 * longer uses the system's, unless systemTrust was set to true explicitly.
 * Errors: ENN_E_PARSE with *error naming the certificate, ENN_E_NOT_FOUND, ENN_E_STATE. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_trust_pem(struct enn_security *security,
							      const char *pem, size_t len,
							      struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_trust_file(struct enn_security *security,
							       const char *path,
							       struct enn_error *error);
/* Adds certificate revocation lists (PEM) and requires one for each issuer below the root. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_crl_pem(struct enn_security *security,
							    const char *pem, size_t len,
							    struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_crl_file(struct enn_security *security,
							     const char *path,
							     struct enn_error *error);

/* Trusts raw public keys (RFC 7250): SubjectPublicKeyInfo in DER, or one or more in PEM. With raw keys and
 * nothing else that is trusted, a peer must show one of them: certificates are not taken.
 * Errors: ENN_E_PARSE, ENN_E_NOT_FOUND (file), ENN_E_LIMIT (65536 keys), ENN_E_STATE, ENN_E_MEMORY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_trust_raw_key(struct enn_security *security,
								  const uint8_t *spki, size_t len,
								  struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_trust_raw_key_file(
	struct enn_security *security, const char *path, struct enn_error *error);

/* Pins (RFC 7469 §2.6): besides ordinary validation, one certificate of the validated path (the anchor
 * included), or the raw public key, must have a SubjectPublicKeyInfo with one of these SHA-256 digests.
 * Where nobody validates (verifyPeer off) the leaf itself must. Not looked at with delegatePeer. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_pin_spki(struct enn_security *security,
							     const uint8_t sha256[32]);
/* "sha256/" and the digest in base64. ENN_E_PARSE. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_pin_text(struct enn_security *security,
							     const char *pin,
							     struct enn_error *error);

/* ---- who we are --------------------------------------------------------------------- */

enum enn_psk_hash { ENN_PSK_SHA256 = 1, ENN_PSK_SHA384 = 2 };

/* A certificate chain (leaf first) with its private key, both PEM; encrypted keys are refused.
 * The key must fit the leaf. Errors: ENN_E_PARSE, ENN_E_CRYPTO (key and certificate differ),
 * ENN_E_MEMORY, ENN_E_NOT_FOUND. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_x509_pem(const char *chain, size_t chain_len,
							       const char *key, size_t key_len,
							       struct enn_credential **out,
							       struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_x509_file(const char *chain_path,
								const char *key_path,
								struct enn_credential **out,
								struct enn_error *error);
/* A chain whose key lives elsewhere: signatures are asked for with ENN_EVENT_WANT_IDENTITY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_x509_external(const char *chain,
								    size_t chain_len,
								    struct enn_credential **out,
								    struct enn_error *error);
/* Makes a signature with a key that is elsewhere: in a token, an agent, a service. scheme is a TLS
 * SignatureScheme code point that fits the certificate's key; input are the bytes to sign, not yet hashed;
 * *len in: room, out: length. A connection calls it from a worker thread, never from its own, and from
 * several at a time if several handshakes want it: it may block, and the
 * handshake's time limit ends the wait but not the call. Anything but ENN_OK fails that handshake. */
typedef enum enn_status (*enn_sign_function)(void *ctx, uint16_t scheme, const uint8_t *input,
					     size_t input_len, uint8_t *signature, size_t *len);
/* A chain with such a function. release (may be NULL) is called with ctx when the credential is freed,
 * from whichever thread did that; also if this call fails. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_x509_signer(
	const char *chain, size_t chain_len, enn_sign_function sign, void (*release)(void *ctx),
	void *ctx, struct enn_credential **out, struct enn_error *error);
/* Calls the function, here and now: for who drives engines and has the credential from
 * ENN_EVENT_WANT_IDENTITY. ENN_E_UNSUPPORTED: the credential has none. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_sign(struct enn_credential *credential,
							   uint16_t scheme, const uint8_t *input,
							   size_t input_len, uint8_t *signature,
							   size_t *len);
/* Whether it has one. */
ENN_API bool enn_credential_can_sign(const struct enn_credential *credential);
/* A chain whose key is in a PKCS #11 token, named by a URI (RFC 7512):
 * "pkcs11:token=web;object=server;type=private?pin-source=/etc/web.pin". The modules are those of
 * p11-kit's configuration, or the one that module-path names. The PIN comes from pin-value or from the
 * first line of the file that pin-source names. chain NULL: the certificate is read from the token,
 * as the object with the key's label or id. The token is asked for one signature, which must verify
 * with the certificate. Blocks as long as the token does; afterwards signing happens on worker threads.
 * Errors: ENN_E_PARSE (URI, chain), ENN_E_NOT_FOUND (module, token, key), ENN_E_AUTH (PIN),
 * ENN_E_CRYPTO (key and certificate differ), ENN_E_SYSTEM (the token fails), ENN_E_MEMORY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_x509_pkcs11(const char *uri,
								  const char *chain,
								  size_t chain_len,
								  struct enn_credential **out,
								  struct enn_error *error);
/* The OCSP response (RFC 6960, DER) about an x509 credential's leaf, which is sent to peers that ask for it
 * until it expires. May be replaced at any time, by the thread whose engines use the credential: later
 * handshakes send the new one. len 0: none any more. ENN_E_PARSE: no response, or one without an answer. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_set_ocsp(struct enn_credential *credential,
							       const uint8_t *der, size_t len,
							       struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_set_ocsp_file(
	struct enn_credential *credential, const char *path, struct enn_error *error);
/* A raw public key (RFC 7250): the key pair is the identity, there is no certificate. The private key in PEM,
 * not encrypted. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_raw_key_pem(const char *key, size_t key_len,
								  struct enn_credential **out,
								  struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_raw_key_file(const char *path,
								   struct enn_credential **out,
								   struct enn_error *error);
/* One whose private key lives elsewhere (ENN_EVENT_WANT_IDENTITY): its SubjectPublicKeyInfo, PEM or DER. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_raw_key_external(const uint8_t *spki,
								       size_t len,
								       struct enn_credential **out,
								       struct enn_error *error);
/* A raw key credential's SubjectPublicKeyInfo in DER: what the peer has to trust. *len in: room, out: length.
 * ENN_E_SPACE (*len says how much), ENN_E_ARGUMENT (another kind of credential). */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_spki(const struct enn_credential *credential,
							   uint8_t *out, size_t *len);
/* An external pre-shared key (RFC 8446 §4.2.11): identity 1 to 65535 bytes, key at least 16 bytes
 * of full entropy (RFC 9257: not a password). Copied; wiped on free. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_psk(const uint8_t *identity,
							  size_t identity_len, const uint8_t *key,
							  size_t key_len, enum enn_psk_hash hash,
							  struct enn_credential **out);
/* The importer of external pre-shared keys (RFC 9258): out of one key that two parties share, a key for each
 * protocol and hash, so that what happens under one says nothing about the others. Both sides have to import.
 * Borrowed for the calls only. */
struct enn_psk_import {
	const uint8_t *identity; /* external_identity: 1 byte or more */
	size_t identity_len;
	const uint8_t
		*context; /* what else both must agree on, as roles (RFC 9258 §A); may be NULL */
	size_t context_len;
	const uint8_t *key; /* at least 16 bytes of full entropy, used for nothing but this */
	size_t key_len;
	enum enn_psk_hash hash; /* that belongs to the key; 0: SHA-256 */
};
/* What keys are imported for; QUIC has the number of TLS 1.3. */
enum enn_psk_protocol { ENN_PSK_FOR_TLS13 = 0x0304, ENN_PSK_FOR_DTLS13 = 0xfefc };
/* The key for one protocol and one hash of its key schedule; on the wire its identity is the ImportedIdentity.
 * ENN_E_ARGUMENT: as above, or identity and context take more than 65527 bytes. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_psk_imported(
	const struct enn_psk_import *import, uint16_t protocol, enum enn_psk_hash target,
	struct enn_credential **out);
/* Adds the keys for TLS 1.3 with both hashes: two credentials. ENN_E_STATE, ENN_E_LIMIT. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_import_psk(struct enn_security *security,
							       const struct enn_psk_import *import);
/* A static Curve25519 key of ours, for protocols that know peers by such keys (WireGuard, later
 * MinimaLT and CurveCP). 32 bytes, copied, clamped; wiped on free. ENN_E_ARGUMENT: all zero. */
ENN_API ENN_MUST_CHECK enum enn_status enn_credential_static_key(const uint8_t private_key[32],
								 struct enn_credential **out);
ENN_API void enn_credential_free(struct enn_credential *credential); /* drops one reference */

/* Takes a reference. Several x509 or raw key credentials: the first of a kind that the peer takes, whose key
 * fits its signature algorithms, is used; of those, on a server one whose names fit the SNI (an exact name
 * before a wildcard), on a client one whose issuer the server names, and in each case one whose certificates
 * are signed as the peer can check. Where no name fits the first is the default (requireKnownName). */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_add_credential(
	struct enn_security *security, struct enn_credential *credential);
/* Ask for each client's credential, or parameters, with ENN_EVENT_WANT_CREDENTIAL (server). */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_ask_credential(struct enn_security *security,
								   bool on);
/* Ask for PSKs of unknown identities with ENN_EVENT_WANT_PSK (server). */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_ask_psk(struct enn_security *security, bool on);

/* A static Curve25519 key that is trusted: a client's peer is the one whose key is added, a listener
 * accepts all of them. psk: 32 bytes shared with that peer (WireGuard's PresharedKey), or NULL.
 * The same key again replaces its psk. ENN_E_STATE: frozen. ENN_E_LIMIT: 65536 keys. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_add_peer_key(struct enn_security *security,
								 const uint8_t public_key[32],
								 const uint8_t *psk);

/* ---- Encrypted ClientHello (RFC 9849) ---------------------------------------------------- */

/* Client: the ECHConfigList of the server (from its HTTPS record in the DNS, or from an earlier
 * refusal, see enn_info). The name in the ClientHello that everybody can read is then the
 * configuration's public name. A server that does not accept it ends the handshake, never
 * falls back to sending the name in the clear: ENN_REASON_ECH_REFUSED. Copied.
 * Errors: ENN_E_UNSUPPORTED (libcrypto before 3.2 has no HPKE; no configuration that can be used),
 * ENN_E_PARSE, ENN_E_STATE, ENN_E_MEMORY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_ech_configs(struct enn_security *security,
								    const uint8_t *list, size_t len,
								    struct enn_error *error);
/* Server: a private key and its ECHConfigList as PEM (blocks PRIVATE KEY and ECHCONFIG; `ennead keygen
 * ech` makes one). Up to eight: older ones stay valid, the first is what clients with a wrong or
 * old configuration are given. Errors: as above, ENN_E_CRYPTO (no configuration is for the key),
 * ENN_E_LIMIT. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_add_ech_key_pem(struct enn_security *security,
								    const char *pem, size_t len,
								    struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_add_ech_key_file(struct enn_security *security,
								     const char *path,
								     struct enn_error *error);
/* Writes an ECHConfigList with one configuration for an X25519 public key. public_name: a host name that
 * the server has a certificate for; maximum_name_length: of the names behind it, for padding, 0:
 * not told. Returns the length; 0: a bad name, or cap is too small (400 always does). */
ENN_API size_t enn_ech_config_make(const char *public_name, uint8_t maximum_name_length,
				   uint8_t config_id, const uint8_t public_key[32], uint8_t *out,
				   size_t cap);

/* ---- sessions -------------------------------------------------------------------------- */

/* Where sessions (client) and single-use records of early data (server) live. The in-memory store
 * is bounded, drops the least recently used entry, and honours expiry. An object without
 * a store gets one of maxCachedSessions entries of its own. Takes a reference. */
ENN_API struct enn_session_store *enn_session_store_new(size_t max_entries);
ENN_API void enn_session_store_free(struct enn_session_store *store);
ENN_API ENN_MUST_CHECK enum enn_status enn_security_set_session_store(
	struct enn_security *security, struct enn_session_store *store);
/* Remembers and takes sessions by a key of the caller's (peer name and port, say). take removes the
 * entry: tickets are for one use (RFC 8446 §C.4). Times are UNIX nanoseconds. All calls on a
 * store may come from several threads.
 * put: a value of 1 byte to 1 MiB takes the place of an earlier one with the same key; ENN_E_LIMIT if
 * the store is full of single-use records, which never make way; ENN_E_MEMORY (nothing changed).
 * take: *len in: room, out: length; ENN_E_NOT_FOUND, ENN_E_SPACE (entry kept). */
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_put(struct enn_session_store *store,
							     const uint8_t *key, size_t key_len,
							     const uint8_t *value, size_t value_len,
							     int64_t expires);
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_take(struct enn_session_store *store,
							      const uint8_t *key, size_t key_len,
							      int64_t wall_now, uint8_t *value,
							      size_t *value_len);
/* Adds the key if it is absent: ENN_OK, or ENN_E_STATE if it is there already. The single-use
 * record of RFC 8446 §8.1. ENN_E_LIMIT if it could be remembered only by forgetting a
 * key that was claimed and has not expired (sessions do make way): the caller must then act as
 * if it had been present. */
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_claim(struct enn_session_store *store,
							       const uint8_t *key, size_t key_len,
							       int64_t wall_now, int64_t expires);
ENN_API size_t enn_session_store_count(const struct enn_session_store *store);
/* The sessions in it that have not expired as bytes, to keep them over a restart: secrets, and whoever can
 * change them decides what a client resumes. Claims are left out.
 * export: *len in: room, out: length; ENN_E_SPACE: out may be NULL, *len is what it takes.
 * import: into a store that holds nothing (ENN_E_STATE) and that nobody uses yet; of more than it has room
 * for the last used stay. ENN_E_PARSE: damaged, or not such bytes; nothing changed.
 * enn_session_store_save and _load (taps.h) do it with a file. */
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_export(struct enn_session_store *store,
								int64_t wall_now, uint8_t *out,
								size_t *len);
ENN_API ENN_MUST_CHECK enum enn_status enn_session_store_import(struct enn_session_store *store,
								int64_t wall_now,
								const uint8_t *data, size_t len);

/* Replaces the key that seals tickets (64 bytes: 16 name, 48 key material). Earlier keys still open
 * tickets until `lifetime` has passed. Without a call, a random key is made and rotated by
 * the lifetime. Legal at any time: the one thing about the object that stays mutable. */
ENN_API ENN_MUST_CHECK enum enn_status enn_security_ticket_key(struct enn_security *security,
							       const uint8_t *key, size_t len,
							       int64_t wall_now);

#ifdef __cplusplus
}
#endif
#endif
