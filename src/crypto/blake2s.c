/* SPDX-License-Identifier: Apache-2.0
 *
 * BLAKE2s through libb2, which is faster than libcrypto's and whose states are plain values.
 */
#include "crypto/blake2s.h"

#include <blake2.h>

#include "base/compiler.h"

#define BLOCK 64

enum enn_status enn_blake2s(const struct enn_env *env, const struct enn_bytes *pieces, size_t count,
			    uint8_t out[ENN_BLAKE2S])
{
	blake2s_state state;
	bool good = blake2s_init(&state, ENN_BLAKE2S) == 0;

	(void)env;
	for (size_t i = 0; i < count; i++) {
		good = good && blake2s_update(&state, pieces[i].data, pieces[i].len) == 0;
	}
	good = good && blake2s_final(&state, out, ENN_BLAKE2S) == 0;
	enn_wipe(&state, sizeof(state));
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_blake2s_mac(const struct enn_env *env, const uint8_t *key, size_t key_len,
				const void *data, size_t len, uint8_t out[ENN_BLAKE2S_MAC])
{
	blake2s_state state;
	bool good = blake2s_init_key(&state, ENN_BLAKE2S_MAC, key, key_len) == 0 &&
		    blake2s_update(&state, data, len) == 0 &&
		    blake2s_final(&state, out, ENN_BLAKE2S_MAC) == 0;

	(void)env;
	enn_wipe(&state, sizeof(state));
	return good ? ENN_OK : ENN_E_CRYPTO;
}

static enum enn_status hash_once(const struct enn_env *env, const uint8_t *data, size_t len,
				 uint8_t *out)
{
	const struct enn_bytes piece = {data, len};
	return enn_blake2s(env, &piece, 1, out);
}

/* Texts of a key derivation are at most a hash and a byte; copied behind the pad they take one call
 * instead of two. */
#define SHORT_TEXT (ENN_BLAKE2S + 1)

/* RFC 2104 with the hash H of 64-byte blocks: H(key ^ opad || H(key ^ ipad || text)). */
static enum enn_status hmac(const struct enn_env *env, const uint8_t pads[2][BLOCK],
			    struct enn_bytes text, uint8_t *out)
{
	uint8_t all[BLOCK + SHORT_TEXT];
	enum enn_status status;

	memcpy(all, pads[0], BLOCK);
	if (text.len <= SHORT_TEXT) {
		if (text.len > 0) {
			memcpy(all + BLOCK, text.data, text.len);
		}
		status = hash_once(env, all, BLOCK + text.len, all + BLOCK);
	} else {
		const struct enn_bytes in[2] = {{all, BLOCK}, text};
		status = enn_blake2s(env, in, 2, all + BLOCK);
	}
	if (status == ENN_OK) {
		memcpy(all, pads[1], BLOCK);
		status = hash_once(env, all, BLOCK + ENN_BLAKE2S, out);
	}
	enn_wipe(all, sizeof(all));
	return status;
}

static void make_pads(const uint8_t key[ENN_BLAKE2S], uint8_t pads[2][BLOCK])
{
	for (size_t i = 0; i < BLOCK; i++) {
		uint8_t k = i < ENN_BLAKE2S ? key[i] : 0;
		pads[0][i] = k ^ 0x36;
		pads[1][i] = k ^ 0x5c;
	}
}

enum enn_status enn_blake2s_hmac(const struct enn_env *env, const uint8_t key[ENN_BLAKE2S],
				 const void *data, size_t len, uint8_t out[ENN_BLAKE2S])
{
	uint8_t pads[2][BLOCK];
	const struct enn_bytes text = {data, len};

	make_pads(key, pads);
	enum enn_status status = hmac(env, pads, text, out);
	enn_wipe(pads, sizeof(pads));
	return status;
}

/* HMAC for several texts: the states behind the two pads. */
struct keyed {
	blake2s_state inner, outer;
};

/* The state behind one block. libb2 keeps a block until more than another has come, as it may be
 * the last: more comes, and is taken back. */
static bool absorb(blake2s_state *state, const uint8_t block[BLOCK])
{
	static const uint8_t more[BLOCK + 1];
	bool good = blake2s_init(state, ENN_BLAKE2S) == 0 &&
		    blake2s_update(state, block, BLOCK) == 0 &&
		    blake2s_update(state, more, sizeof(more)) == 0;

	state->buflen = 0;
	return good;
}

static bool finish(const blake2s_state *keyed, const uint8_t *text, size_t len, uint8_t *out)
{
	blake2s_state state = *keyed;
	bool good = blake2s_update(&state, text, len) == 0 &&
		    blake2s_final(&state, out, ENN_BLAKE2S) == 0;

	enn_wipe(&state, sizeof(state));
	return good;
}

/* Ti = HMAC(PRK, Ti-1 || i) for all of them. */
static bool expand_all(const struct keyed *k, uint8_t *const *out, size_t count)
{
	uint8_t last[ENN_BLAKE2S + 1]; /* the output before, and the number */
	size_t last_len = 0;
	bool good = true;

	for (size_t i = 0; i < count && good; i++) {
		last[last_len] = (uint8_t)(i + 1);
		good = finish(&k->inner, last, last_len + 1, last) &&
		       finish(&k->outer, last, ENN_BLAKE2S, last);
		last_len = ENN_BLAKE2S;
		if (good && out[i] != NULL) {
			memcpy(out[i], last, ENN_BLAKE2S);
		}
	}
	enn_wipe(last, sizeof(last));
	return good;
}

/* T1 = HMAC(PRK, 1), T2 = HMAC(PRK, T1 || 2), T3 = HMAC(PRK, T2 || 3) */
static enum enn_status expand(const struct enn_env *env, const uint8_t *prk, uint8_t *const out[3])
{
	static const uint8_t one = 1;
	const size_t count = out[2] != NULL ? 3 : 2;
	uint8_t pads[2][BLOCK];
	struct keyed k;

	if (out[1] == NULL && out[2] == NULL) {
		return enn_blake2s_hmac(env, prk, &one, 1, out[0]);
	}
	make_pads(prk, pads);
	bool good = absorb(&k.inner, pads[0]) && absorb(&k.outer, pads[1]) &&
		    expand_all(&k, out, count);
	enn_wipe(pads, sizeof(pads));
	enn_wipe(&k, sizeof(k));
	return good ? ENN_OK : ENN_E_CRYPTO;
}

enum enn_status enn_blake2s_kdf(const struct enn_env *env, const uint8_t key[ENN_BLAKE2S],
				const void *input, size_t len, uint8_t *out1, uint8_t *out2,
				uint8_t *out3)
{
	uint8_t prk[ENN_BLAKE2S];
	uint8_t *const out[3] = {out1, out2, out3};
	enum enn_status status = enn_blake2s_hmac(env, key, input, len, prk);

	if (status == ENN_OK) {
		status = expand(env, prk, out);
	}
	enn_wipe(prk, sizeof(prk));
	return status;
}
