/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC (RFC 2104), HKDF (RFC 5869) and HKDF-Expand-Label (RFC 8446 §7.1).
 */
#include "base/mem.h"
#include "crypto/hash.h"

void enn_hmac_init(struct enn_hmac *m, const struct enn_hash_alg *alg, const uint8_t *key,
		   size_t key_len)
{
	uint8_t pad[ENN_MAX_HASH_BLOCK];
	size_t block = alg->block_len;

	memset(pad, 0, block);
	if (key_len > block) {
		enn_hash_once(alg, key, key_len, pad);
	} else if (key_len > 0) {
		memcpy(pad, key, key_len);
	}
	for (size_t i = 0; i < block; i++) {
		pad[i] ^= 0x36;
	}
	enn_hash_init(&m->inner, alg);
	enn_hash_update(&m->inner, pad, block);
	for (size_t i = 0; i < block; i++) {
		pad[i] ^= 0x36 ^ 0x5c;
	}
	enn_hash_init(&m->outer, alg);
	enn_hash_update(&m->outer, pad, block);
	enn_wipe(pad, block);
}

void enn_hmac_update(struct enn_hmac *m, const void *data, size_t len)
{
	enn_hash_update(&m->inner, data, len);
}

void enn_hmac_final(struct enn_hmac *m, uint8_t *out)
{
	uint8_t digest[ENN_MAX_HASH];
	size_t len = m->inner.alg->len;

	enn_hash_final(&m->inner, digest);
	enn_hash_update(&m->outer, digest, len);
	enn_hash_final(&m->outer, out);
	enn_wipe(digest, sizeof(digest));
	enn_wipe(m, sizeof(*m));
}

void enn_hmac_once(const struct enn_hash_alg *alg, const uint8_t *key, size_t key_len,
		   const void *data, size_t len, uint8_t *out)
{
	struct enn_hmac m;
	enn_hmac_init(&m, alg, key, key_len);
	enn_hmac_update(&m, data, len);
	enn_hmac_final(&m, out);
}

void enn_hkdf_extract(const struct enn_hash_alg *alg, const uint8_t *salt, size_t salt_len,
		      const uint8_t *ikm, size_t ikm_len, uint8_t *prk)
{
	/* HMAC pads a key with zeros, so no salt and a salt of zeros are the same (RFC 5869
	 * §2.2). */
	enn_hmac_once(alg, salt, salt == NULL ? 0 : salt_len, ikm, ikm_len, prk);
}

/* RFC 5869 §2.3: T(i) = HMAC(PRK, T(i-1) | info | i). The last step wipes `keyed`. */
static void expand(struct enn_hmac *keyed, const uint8_t *info, size_t info_len, uint8_t *out,
		   size_t out_len)
{
	uint8_t t[ENN_MAX_HASH];
	size_t hash_len = keyed->inner.alg->len;
	size_t done = 0;

	for (uint8_t counter = 1; done < out_len; counter++) {
		size_t n = out_len - done < hash_len ? out_len - done : hash_len;
		bool last = n == out_len - done;
		struct enn_hmac copy;
		struct enn_hmac *m = keyed;

		/* Most expansions are one block long and need no copy. */
		if (!last) {
			copy = *keyed;
			m = &copy;
		}
		if (done > 0) {
			enn_hmac_update(m, t, hash_len);
		}
		enn_hmac_update(m, info, info_len);
		enn_hmac_update(m, &counter, 1);
		enn_hmac_final(m, t);
		memcpy(out + done, t, n);
		done += n;
	}
	enn_wipe(t, sizeof(t));
}

void enn_hkdf_expand(const struct enn_hash_alg *alg, const uint8_t *prk, size_t prk_len,
		     const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
	struct enn_hmac keyed;
	enn_hmac_init(&keyed, alg, prk, prk_len);
	expand(&keyed, info, info_len, out, out_len);
}

void enn_hkdf_expand_label_keyed(const struct enn_hmac *secret, const char *prefix,
				 const char *label, const uint8_t *context, size_t context_len,
				 uint8_t *out, size_t out_len)
{
	uint8_t info[2 + 1 + 255 + 1 + 255];
	struct enn_writer w = enn_writer_of(info, sizeof(info));
	struct enn_hmac keyed = *secret;

	/* struct HkdfLabel */
	enn_write_u16(&w, (uint16_t)out_len);
	size_t name = enn_write_begin(&w, 1);
	enn_write_bytes(&w, prefix, strlen(prefix));
	enn_write_bytes(&w, label, strlen(label));
	enn_write_end(&w, name, 1);
	enn_write_vector(&w, 1, context, context_len);
	expand(&keyed, info, enn_writer_len(&w), out, out_len);
}

void enn_hkdf_expand_label(const struct enn_hash_alg *alg, const uint8_t *secret,
			   const char *prefix, const char *label, const uint8_t *context,
			   size_t context_len, uint8_t *out, size_t out_len)
{
	struct enn_hmac keyed;
	enn_hmac_init(&keyed, alg, secret, alg->len);
	enn_hkdf_expand_label_keyed(&keyed, prefix, label, context, context_len, out, out_len);
	enn_wipe(&keyed, sizeof(keyed));
}
