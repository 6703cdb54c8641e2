/* SPDX-License-Identifier: Apache-2.0
 *
 * The importer of external pre-shared keys (RFC 9258): one key becomes several, each good for one protocol and one
 * hash, and none that is used with a protocol gives another away.
 *
 *   ImportedIdentity: <1..2^16-1> external_identity  <0..2^16-1> context  u16 target_protocol  u16 target_kdf
 */
#include <stdlib.h>

#include "crypto/hash.h"
#include "features/security.h"

#define MIN_PSK 16u
#define MAX_IDENTITY                                                                               \
	65535u /* of the serialised ImportedIdentity: it has to fit into pre_shared_key */

static enum enn_hash_id hash_of(enum enn_psk_hash hash)
{
	return hash == ENN_PSK_SHA384 ? ENN_HASH_SHA384 : ENN_HASH_SHA256;
}

static bool known_hash(enum enn_psk_hash hash)
{
	return hash == ENN_PSK_SHA256 || hash == ENN_PSK_SHA384;
}

static bool valid(const struct enn_psk_import *i)
{
	return i != NULL && i->identity != NULL && i->identity_len > 0 && i->key != NULL &&
	       i->key_len >= MIN_PSK && (i->context != NULL || i->context_len == 0) &&
	       i->identity_len <= MAX_IDENTITY && i->context_len <= MAX_IDENTITY &&
	       2 + i->identity_len + 2 + i->context_len + 4 <= MAX_IDENTITY &&
	       ((int)i->hash == 0 || known_hash(i->hash));
}

/* §5.1. The hash is the external key's own, the length that of the target's. */
static void derive(const struct enn_psk_import *i, uint16_t protocol, struct enn_bytes imported,
		   uint8_t *out, size_t len)
{
	const struct enn_hash_alg *alg = enn_hash_alg(hash_of(i->hash));
	uint8_t extracted[ENN_MAX_HASH];
	uint8_t digest[ENN_MAX_HASH];

	enn_hkdf_extract(alg, NULL, 0, i->key, i->key_len, extracted);
	enn_hash_once(alg, imported.data, imported.len, digest);
	enn_hkdf_expand_label(alg, extracted, protocol == ENN_PSK_FOR_DTLS13 ? "dtls13" : "tls13 ",
			      "derived psk", digest, alg->len, out, len);
	enn_wipe(extracted, sizeof(extracted));
}

enum enn_status enn_credential_psk_imported(const struct enn_psk_import *import, uint16_t protocol,
					    enum enn_psk_hash target, struct enn_credential **out)
{
	uint8_t secret[ENN_MAX_HASH];

	if (out == NULL) {
		return ENN_E_ARGUMENT;
	}
	*out = NULL;
	/* §5.1: MUST NOT be imported for (D)TLS 1.2 or prior. */
	if (!valid(import) || !known_hash(target) ||
	    (protocol != ENN_PSK_FOR_TLS13 && protocol != ENN_PSK_FOR_DTLS13)) {
		return ENN_E_ARGUMENT;
	}
	size_t len = 2 + import->identity_len + 2 + import->context_len + 4;
	uint8_t *identity = malloc(len);
	if (identity == NULL) {
		return ENN_E_MEMORY;
	}
	struct enn_writer w = enn_writer_of(identity, len);
	enn_write_vector(&w, 2, import->identity, import->identity_len);
	enn_write_vector(&w, 2, import->context, import->context_len);
	enn_write_u16(&w, protocol);
	enn_write_u16(&w, target == ENN_PSK_SHA256 ? 0x0001 : 0x0002); /* §10 */
	size_t secret_len = enn_hash_alg(hash_of(target))->len;
	struct enn_bytes imported = {identity, len};
	derive(import, protocol, imported, secret, secret_len);
	enum enn_status status = enn_credential_psk(identity, len, secret, secret_len, target, out);
	if (status == ENN_OK) {
		(*out)->imported = protocol;
	}
	enn_wipe(secret, sizeof(secret));
	free(identity);
	return status;
}

enum enn_status enn_security_import_psk(struct enn_security *security,
					const struct enn_psk_import *import)
{
	static const enum enn_psk_hash targets[] = {ENN_PSK_SHA256, ENN_PSK_SHA384};

	if (security == NULL || !valid(import)) {
		return ENN_E_ARGUMENT;
	}
	if (security->credential_count + 2 > ENN_SECURITY_MAX_CREDENTIALS) {
		return ENN_E_LIMIT; /* both or none */
	}
	for (size_t i = 0; i < 2; i++) {
		struct enn_credential *k = NULL;
		ENN_TRY(enn_credential_psk_imported(import, ENN_PSK_FOR_TLS13, targets[i], &k));
		enum enn_status status = enn_security_add_credential(security, k);
		enn_credential_free(k);
		if (status != ENN_OK) {
			return status;
		}
	}
	return ENN_OK;
}
