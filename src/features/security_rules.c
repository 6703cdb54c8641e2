/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters: what "the peer is authenticated" means under them, as a
 * digest. A session is resumed only under the rules by which its peer was
 * validated; otherwise a session made without a look at the name, or before a
 * certificate was revoked, would be good for ever.
 */
#include "base/bytes.h"
#include "crypto/hash.h"
#include "features/security.h"

static void add_number(struct enn_hash *hash, uint64_t value)
{
	uint8_t bytes[8];
	struct enn_writer w = enn_writer_of(bytes, sizeof(bytes));

	enn_write_u64(&w, value);
	enn_hash_update(hash, bytes, sizeof(bytes));
}

static void add_list(struct enn_hash *hash, const struct enn_code_list *list)
{
	add_number(hash, list->count);
	for (size_t i = 0; i < list->count; i++) {
		add_number(hash, list->code[i]);
	}
}

/* The keys too, since one may be replaced under the same identity. Nothing can be learned from the
 * digest: they have full entropy (RFC 9257 §7). */
static void add_psks(struct enn_hash *hash, const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		const struct enn_credential *k = s->credential[i];
		if (k->type == ENN_CREDENTIAL_PSK) {
			add_number(hash, k->identity_len);
			enn_hash_update(hash, k->identity, k->identity_len);
			add_number(hash, k->hash);
			add_number(hash, k->secret_len);
			enn_hash_update(hash, k->secret, k->secret_len);
		}
	}
}

static void add_digests(struct enn_hash *hash, const struct enn_digest_set *set)
{
	add_number(hash, set->count);
	for (size_t i = 0; i < set->count; i++) {
		enn_hash_update(hash, set->digest[i], ENN_DIGEST);
	}
}

/* Who we are as a client: the leaves and the raw keys. */
static void digest_identity(struct enn_security *s)
{
	struct enn_hash hash;

	enn_hash_init(&hash, enn_hash_alg(ENN_HASH_SHA256));
	enn_hash_update(&hash, s->rules, sizeof(s->rules));
	for (size_t i = 0; i < s->credential_count; i++) {
		const struct enn_credential *k = s->credential[i];
		if (k->type == ENN_CREDENTIAL_X509) {
			struct enn_bytes leaf = enn_chain_der(k->chain, 0);
			add_number(&hash, leaf.len);
			enn_hash_update(&hash, leaf.data, leaf.len);
		} else if (k->type == ENN_CREDENTIAL_RAW_KEY) {
			add_number(&hash, k->spki_len);
			enn_hash_update(&hash, k->spki, k->spki_len);
		}
	}
	enn_hash_final(&hash, s->client_rules);
}

void enn_security_digest_rules(struct enn_security *s)
{
	static const enum enn_security_parameter flags[] = {
		ENN_SECURITY_VERIFY_PEER,      ENN_SECURITY_CHECK_NAME,
		ENN_SECURITY_CHECK_REVOCATION, ENN_SECURITY_DELEGATE_PEER,
		ENN_SECURITY_SYSTEM_TRUST,     ENN_SECURITY_RAW_KEYS,
		ENN_SECURITY_REQUEST_STATUS,   ENN_SECURITY_REQUIRE_STATUS,
	};
	uint8_t trust[ENN_SECURITY_RULES];
	struct enn_hash hash;

	enn_hash_init(&hash, enn_hash_alg(ENN_HASH_SHA256));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		add_number(&hash, s->value[flags[i]]);
	}
	add_number(&hash, s->system_trust_set);
	add_list(&hash, enn_security_list(s, ENN_SECURITY_SIGNATURES));
	add_list(&hash, enn_security_list(s, ENN_SECURITY_CERT_SIGNATURES));
	enn_trust_digest(s->own, trust);
	enn_hash_update(&hash, trust, sizeof(trust));
	add_digests(&hash, &s->raw_keys);
	add_digests(&hash, &s->pins);
	add_number(&hash, s->ask_psk);
	add_psks(&hash, s);
	enn_hash_final(&hash, s->rules);
	digest_identity(s);
}
