/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of enn_security and enn_credential, for the protocols.
 *
 * A protocol takes a reference with enn_security_acquire, which freezes the
 * object, and from then on reads the fields directly.
 */
#ifndef ENN_FEATURES_SECURITY_H
#define ENN_FEATURES_SECURITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "crypto/alg.h"
#include "crypto/sig.h"
#include "crypto/x509.h"
#include "ennead/security.h"
#include "features/ech.h"
#include "features/session_cache.h"

enum enn_credential_type {
	ENN_CREDENTIAL_X509,
	ENN_CREDENTIAL_PSK,
	ENN_CREDENTIAL_STATIC_KEY,
	ENN_CREDENTIAL_RAW_KEY
};

/* A Certificate message in compressed form (compression.c). */
#define ENN_COMPRESSIONS 3
struct enn_compressed {
	bool known;    /* it was tried */
	uint8_t *data; /* NULL: it gained too little */
	size_t len;
	size_t full_len;
};

struct enn_credential {
	atomic_uint refs;
	enum enn_credential_type type;
	/* X509 */
	struct enn_chain *chain;
	struct enn_private_key *key; /* NULL: external, ask with ENN_EVENT_WANT_IDENTITY */
	enn_sign_function sign;	     /* external, and this is how (signer.c); else NULL */
	void (*sign_release)(void *ctx);
	void *sign_ctx;
	/* A response of OCSP about the leaf, or NULL; the one thing that may be replaced in use. */
	uint8_t *ocsp;
	size_t ocsp_len;
	int64_t ocsp_until; /* UNIX seconds at which it expires */
	struct enn_compressed compressed[ENN_COMPRESSIONS][2]; /* without and with the response */
	/* RAW_KEY: `key` and its SubjectPublicKeyInfo. */
	uint8_t *spki;
	size_t spki_len;
	enum enn_key_type key_type;
	/* PSK; a static key has only `secret`, the private key */
	uint8_t *identity;
	size_t identity_len;
	uint8_t *secret;
	size_t secret_len;
	enum enn_hash_id hash;
	uint16_t
		imported; /* the one protocol that an imported key is for (psk_import.c); 0: it is no such */
};

#define ENN_SECURITY_LIST_MAX 32
struct enn_code_list {
	uint16_t code[ENN_SECURITY_LIST_MAX];
	size_t count;
};

#define ENN_SECURITY_MAX_CREDENTIALS 32
#define ENN_SECURITY_MAX_ALPN	     16

struct enn_alpn_id {
	uint8_t len;
	uint8_t id[255];
};

#define ENN_STATIC_KEY 32

struct enn_peer_key {
	uint8_t public_key[ENN_STATIC_KEY];
	uint8_t psk[ENN_STATIC_KEY]; /* zeros: none */
};

/* SHA-256 digests of SubjectPublicKeyInfo, in order, each once. */
#define ENN_DIGEST 32
struct enn_digest_set {
	uint8_t (*digest)[ENN_DIGEST];
	size_t count;
	size_t cap;
};

/* The length of a digest of verification rules. */
#define ENN_SECURITY_RULES 32

struct enn_security {
	atomic_uint refs;
	atomic_bool frozen;
	/* One field per row of security.def, indexed by enum enn_security_parameter: bools and
	 * numbers here … */
	uint64_t value[ENN_SECURITY_PARAMETER_COUNT];
	/* … and lists here (TLS code points; psk modes are 0 = psk_ke, 1 = psk_dhe_ke). */
	struct enn_code_list list[ENN_SECURITY_PARAMETER_COUNT];
	/* ALPN ids, best first; allocated entries. */
	struct enn_alpn_id *alpn[ENN_SECURITY_MAX_ALPN];
	size_t alpn_count;
	struct enn_credential *credential[ENN_SECURITY_MAX_CREDENTIALS];
	size_t credential_count;
	/* Whom we trust. own: the anchors and CRLs that were given. trust: what to verify with,
	 * which is own, or own and the system's; complete once enn_security_trust was called. */
	struct enn_trust *own;
	struct enn_trust *trust; /* never NULL */
	bool trust_complete;
	bool system_trust_set;		/* systemTrust was set explicitly */
	struct enn_digest_set raw_keys; /* raw public keys that are trusted */
	struct enn_digest_set pins;	/* one of these must be in the peer's path */
	struct enn_peer_key *peer_key;	/* static keys that are trusted */
	size_t peer_key_count;
	size_t peer_key_cap;
	bool ask_psk;
	struct enn_ech_settings ech;
	bool ask_credential;
	struct enn_session_store *store; /* never NULL once frozen */
	bool store_given;		 /* set by the application: copies share it */
	struct enn_ticket_keys *tickets; /* never NULL once frozen */
	bool tickets_given;		 /* a key was set by the application: copies get it too */
	/* What "authenticated" means under these parameters, as a digest: equal for equal rules,
	 * anchors and CRLs. A session is bound to it. Set once frozen. */
	uint8_t rules[ENN_SECURITY_RULES];
	/* The same with our own certificates: as whom a client's session lets it in. */
	uint8_t client_rules[ENN_SECURITY_RULES];
};

static inline bool enn_security_flag(const struct enn_security *s, enum enn_security_parameter id)
{
	return s->value[id] != 0;
}

/* What is stored with a session that a client or a server makes under s, which must be frozen. */
static inline struct enn_bytes enn_security_rules(const struct enn_security *s, bool server)
{
	return (struct enn_bytes){server ? s->rules : s->client_rules, ENN_SECURITY_RULES};
}

static inline const struct enn_code_list *enn_security_list(const struct enn_security *s,
							    enum enn_security_parameter id)
{
	return &s->list[id];
}

static inline bool enn_code_list_has(const struct enn_code_list *l, uint16_t code)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->code[i] == code) {
			return true;
		}
	}
	return false;
}

/* Freezes security (making the session store and ticket keys if there are none) and takes a
 * reference. Errors: ENN_E_MEMORY, ENN_E_ARGUMENT (NULL). */
enum enn_status enn_security_acquire(struct enn_security *security, struct enn_error *error);

/* Gives ticket keys and the session store of another object to one that has none and is not frozen. The
 * tickets carry the rules that they were made under, so under other rules they still prove nothing. */
enum enn_status enn_security_inherit(struct enn_security *to, const struct enn_security *from);

/* Completes security->trust: loads the system's trust store if the parameters say so. Call it when
 * a certificate is about to be verified, and only then: loading takes milliseconds, and
 * a server that asks for no client certificates never needs it. Does its work once; a failure
 * changes nothing and may be tried again. Errors: ENN_E_MEMORY, ENN_E_SYSTEM, ENN_E_PARSE. */
enum enn_status enn_security_trust(struct enn_security *security, struct enn_error *error);

/* What trust is built from has changed: it is no longer complete. */
void enn_security_trust_changed(struct enn_security *security);

/* Our static key; NULL: there is none (static_key.c). */
const struct enn_credential *enn_security_static_key(const struct enn_security *s);
bool enn_security_copy_peer_keys(struct enn_security *to, const struct enn_security *from);
void enn_security_free_peer_keys(struct enn_security *s);

/* raw_key.c */
bool enn_digest_set_has(const struct enn_digest_set *set, const uint8_t *digest);
/* ENN_E_LIMIT, ENN_E_MEMORY: unchanged. */
enum enn_status enn_digest_set_add(struct enn_digest_set *set, const uint8_t *digest);
bool enn_digest_set_copy(struct enn_digest_set *to, const struct enn_digest_set *from);
void enn_digest_set_free(struct enn_digest_set *set);
/* What kinds of identity a peer may show: raw public keys if one is trusted or rawPublicKeys is on;
 * certificates unless raw public keys are all that is trusted. */
bool enn_security_takes_raw_keys(const struct enn_security *s);
bool enn_security_takes_certificates(const struct enn_security *s);

/* Fills in rules (security_rules.c). */
void enn_security_digest_rules(struct enn_security *security);

/* The error of every setter of a frozen object: returns ENN_E_STATE. where must be static. */
enum enn_status enn_security_frozen(const char *where, struct enn_error *error);

/* The range of a number, both ends included. False for parameters of another type. */
bool enn_security_range(enum enn_security_parameter id, uint64_t *min, uint64_t *max);

enum enn_security_type { ENN_SECURITY_TYPE_bool, ENN_SECURITY_TYPE_u64, ENN_SECURITY_TYPE_list };
/* id must be one of the enum's. */
enum enn_security_type enn_security_type(enum enn_security_parameter id);
/* By name, ignoring case, '-' and '_'; ENN_SECURITY_PARAMETER_COUNT if there is none. */
enum enn_security_parameter enn_security_find(const char *name);

/* The kind of algorithms in a list. */
enum enn_alg_kind enn_security_list_kind(enum enn_security_parameter id);
/* Reads the names of a list; *out stays as it is if one is wrong. */
enum enn_status enn_security_parse_list(enum enn_security_parameter id, const char *names,
					struct enn_code_list *out, struct enn_error *error);

struct enn_credential *enn_credential_ref(struct enn_credential *credential);
struct enn_credential *enn_credential_new(enum enn_credential_type type); /* NULL: no memory */
/* A private key from text, with the answers to the usual mistakes. */
enum enn_status enn_credential_parse_key(const char *key, size_t len, struct enn_private_key **out,
					 struct enn_error *error);

#endif
