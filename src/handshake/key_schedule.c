/* SPDX-License-Identifier: Apache-2.0 */
#include "handshake/key_schedule.h"

#include "base/mem.h"

const char enn_label_tls13[] = "tls13 ";
const char enn_label_dtls13[] = "dtls13";

static void empty_hash(const struct enn_hash_alg *hash, uint8_t *out)
{
	enn_hash_once(hash, NULL, 0, out);
}

static void derive(const char *prefix, const struct enn_hash_alg *hash, const uint8_t *secret,
		   const char *label, const uint8_t *transcript_hash, uint8_t *out)
{
	uint8_t empty[ENN_MAX_HASH];
	if (transcript_hash == NULL) {
		empty_hash(hash, empty);
		transcript_hash = empty;
	}
	enn_hkdf_expand_label(hash, secret, prefix, label, transcript_hash, hash->len, out,
			      hash->len);
}

/* The step between two stages: Extract(salt = Derive-Secret(secret, "derived", ""), ikm). */
static void advance(struct enn_key_schedule *ks, const uint8_t *ikm, size_t ikm_len)
{
	static const uint8_t zeros[ENN_MAX_HASH];
	uint8_t salt[ENN_MAX_HASH];

	enn_key_schedule_derive(ks, "derived", NULL, salt);
	enn_hkdf_extract(ks->hash, salt, ks->hash->len, ikm == NULL ? zeros : ikm,
			 ikm == NULL ? ks->hash->len : ikm_len, ks->secret);
	enn_hmac_init(&ks->keyed, ks->hash, ks->secret, ks->hash->len);
	enn_wipe(salt, sizeof(salt));
}

void enn_key_schedule_early(struct enn_key_schedule *ks, const char *prefix,
			    const struct enn_hash_alg *hash, const uint8_t *psk, size_t psk_len)
{
	static const uint8_t zeros[ENN_MAX_HASH];
	ks->hash = hash;
	ks->prefix = prefix;
	enn_hkdf_extract(hash, NULL, 0, psk == NULL ? zeros : psk,
			 psk == NULL ? hash->len : psk_len, ks->secret);
	enn_hmac_init(&ks->keyed, hash, ks->secret, hash->len);
}

void enn_key_schedule_handshake(struct enn_key_schedule *ks, const uint8_t *shared,
				size_t shared_len)
{
	advance(ks, shared, shared_len);
}

void enn_key_schedule_main(struct enn_key_schedule *ks)
{
	advance(ks, NULL, 0);
}

void enn_key_schedule_derive(const struct enn_key_schedule *ks, const char *label,
			     const uint8_t *transcript_hash, uint8_t *out)
{
	uint8_t empty[ENN_MAX_HASH];
	if (transcript_hash == NULL) {
		empty_hash(ks->hash, empty);
		transcript_hash = empty;
	}
	enn_hkdf_expand_label_keyed(&ks->keyed, ks->prefix, label, transcript_hash, ks->hash->len,
				    out, ks->hash->len);
}

void enn_key_schedule_wipe(struct enn_key_schedule *ks)
{
	enn_wipe(ks->secret, sizeof(ks->secret));
	enn_wipe(&ks->keyed, sizeof(ks->keyed));
}

void enn_finished_mac(const char *prefix, const struct enn_hash_alg *hash, const uint8_t *base,
		      const uint8_t *transcript_hash, uint8_t *out)
{
	uint8_t key[ENN_MAX_HASH];
	enn_hkdf_expand_label(hash, base, prefix, "finished", NULL, 0, key, hash->len);
	enn_hmac_once(hash, key, hash->len, transcript_hash, hash->len, out);
	enn_wipe(key, sizeof(key));
}

void enn_traffic_secret_update(const char *prefix, const struct enn_hash_alg *hash, uint8_t *secret)
{
	uint8_t next[ENN_MAX_HASH];
	enn_hkdf_expand_label(hash, secret, prefix, "traffic upd", NULL, 0, next, hash->len);
	memcpy(secret, next, hash->len);
	enn_wipe(next, sizeof(next));
}

void enn_traffic_keys(const char *prefix, const struct enn_hash_alg *hash, const uint8_t *secret,
		      uint8_t *key, size_t key_len, uint8_t iv[12])
{
	struct enn_hmac keyed;
	enn_hmac_init(&keyed, hash, secret, hash->len);
	enn_hkdf_expand_label_keyed(&keyed, prefix, "key", NULL, 0, key, key_len);
	enn_hkdf_expand_label_keyed(&keyed, prefix, "iv", NULL, 0, iv, 12);
	enn_wipe(&keyed, sizeof(keyed));
}

void enn_resumption_psk(const char *prefix, const struct enn_hash_alg *hash,
			const uint8_t *resumption_secret, const uint8_t *nonce, size_t nonce_len,
			uint8_t *out)
{
	enn_hkdf_expand_label(hash, resumption_secret, prefix, "resumption", nonce, nonce_len, out,
			      hash->len);
}

void enn_exporter(const char *prefix, const struct enn_hash_alg *hash,
		  const uint8_t *exporter_secret, const char *label, const uint8_t *context,
		  size_t context_len, uint8_t *out, size_t len)
{
	uint8_t secret[ENN_MAX_HASH];
	uint8_t context_hash[ENN_MAX_HASH];

	derive(prefix, hash, exporter_secret, label, NULL, secret);
	enn_hash_once(hash, context, context_len, context_hash);
	enn_hkdf_expand_label(hash, secret, prefix, "exporter", context_hash, hash->len, out, len);
	enn_wipe(secret, sizeof(secret));
}
