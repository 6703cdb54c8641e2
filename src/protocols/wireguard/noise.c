/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake's computations, in the order of WP §5.4.2 and §5.4.3. C is the
 * chaining key, H the hash of everything so far.
 */
#include "protocols/wireguard/noise.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "crypto/blake2s.h"
#include "ennead/wireguard.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
static const char label_mac1[] = "mac1----";
static const char label_cookie[] = "cookie--";
static const uint8_t no_nonce[12];

#define TEXT(array) ((struct enn_bytes){(const uint8_t *)(array), sizeof(array) - 1})

/* ---- tools --------------------------------------------------------------------------------- */

enum enn_status enn_wg_tools_open(struct enn_wg_tools *tools, const struct enn_env *env)
{
	const struct enn_aead_alg *alg = enn_aead_alg(ENN_AEAD_CHACHA20_POLY1305);
	static const uint8_t zero[ENN_WG_KEY];

	const struct enn_bytes name = TEXT(construction);

	tools->env = env;
	tools->stock = enn_alloc(env, sizeof(*tools->stock));
	if (tools->stock == NULL) {
		return ENN_E_MEMORY;
	}
	ENN_TRY(enn_blake2s(env, &name, 1, tools->construction));
	ENN_TRY(enn_aead_new(env, alg, ENN_AEAD_SEAL, zero, &tools->seal));
	return enn_aead_new(env, alg, ENN_AEAD_OPEN, zero, &tools->open);
}

void enn_wg_tools_close(struct enn_wg_tools *tools)
{
	enn_aead_free(tools->env, tools->seal);
	enn_aead_free(tools->env, tools->open);
	enn_free_secret(tools->env, tools->stock, sizeof(*tools->stock));
}

enum enn_status enn_wg_random(const struct enn_wg_tools *t, uint8_t *out, size_t len)
{
	struct enn_wg_stock *stock = t->stock;

	if (t->env->random != NULL) { /* a source of the caller's is asked for what is needed */
		return enn_random(t->env, out, len);
	}
	if (stock->left < len) {
		ENN_TRY(enn_random(t->env, stock->bytes, sizeof(stock->bytes)));
		stock->left = sizeof(stock->bytes);
	}
	stock->left -= len;
	memcpy(out, stock->bytes + stock->left, len);
	enn_wipe(stock->bytes + stock->left, len);
	return ENN_OK;
}

/* H = HASH(H || data) */
static enum enn_status mix_hash(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
				struct enn_bytes data)
{
	const struct enn_bytes pieces[2] = {{hs->hash, ENN_WG_HASH}, data};

	return enn_blake2s(t->env, pieces, 2, hs->hash);
}

/* C = KDF1(C, input), or with key: (C, key) = KDF2(C, input) */
static enum enn_status mix_key(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			       const uint8_t *input, uint8_t *key)
{
	return enn_blake2s_kdf(t->env, hs->chaining, input, ENN_WG_KEY, hs->chaining, key, NULL);
}

/* The same with DH(private, public). */
static enum enn_status mix_dh(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			      struct enn_x25519_key *own, const uint8_t *public_key, uint8_t *key)
{
	uint8_t secret[ENN_WG_KEY];
	enum enn_status status = enn_x25519_key_derive(t->env, own, public_key, secret);

	if (status == ENN_OK) {
		status = mix_key(t, hs, secret, key);
	}
	enn_wipe(secret, sizeof(secret));
	return status;
}

/* out = AEAD(key, 0, in, H), and H takes it in. */
static enum enn_status seal(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			    const uint8_t *key, const uint8_t *in, size_t len, uint8_t *out)
{
	struct enn_aead_job job = {
		.nonce = no_nonce,
		.aad = hs->hash,
		.aad_len = ENN_WG_HASH,
		.in = in,
		.in_len = len,
		.out = out,
	};

	ENN_TRY(enn_aead_rekey(t->seal, key));
	ENN_TRY(enn_aead_seal(t->seal, &job));
	return mix_hash(t, hs, (struct enn_bytes){out, len + ENN_WG_TAG});
}

static enum enn_status open(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			    const uint8_t *key, struct enn_bytes sealed, uint8_t *out)
{
	struct enn_aead_job job = {
		.nonce = no_nonce,
		.aad = hs->hash,
		.aad_len = ENN_WG_HASH,
		.in = sealed.data,
		.in_len = sealed.len,
		.out = out,
	};

	ENN_TRY(enn_aead_rekey(t->open, key));
	ENN_TRY(enn_aead_open(t->open, &job));
	return mix_hash(t, hs, sealed);
}

static bool all_zero(const uint8_t *key)
{
	static const uint8_t zero[ENN_WG_KEY];
	return enn_equal_secret(key, zero, ENN_WG_KEY);
}

bool enn_wg_has_psk(const struct enn_wg_remote *remote)
{
	return !all_zero(remote->psk);
}

/* ---- the key log ---------------------------------------------------------------------------- */

static void log_key(const struct enn_env *env, const char *name, const uint8_t *key)
{
	char text[ENN_WIREGUARD_KEY_TEXT];
	char line[96];

	enn_wireguard_key_encode(key, text);
	(void)snprintf(line, sizeof(line), "%s = %s", name, text);
	env->keylog(env->keylog_ctx, line);
	enn_wipe(text, sizeof(text));
	enn_wipe(line, sizeof(line));
}

/* What Wireshark needs to decrypt the handshake. */
static void log_keys(const struct enn_env *env, const struct enn_wg_local *local,
		     const struct enn_wg_remote *remote, const uint8_t ephemeral[ENN_WG_KEY])
{
	if (env->keylog == NULL) {
		return;
	}
	log_key(env, "LOCAL_STATIC_PRIVATE_KEY", local->private_key);
	log_key(env, "REMOTE_STATIC_PUBLIC_KEY", remote->public_key);
	log_key(env, "LOCAL_EPHEMERAL_PRIVATE_KEY", ephemeral);
	if (enn_wg_has_psk(remote)) {
		log_key(env, "PRESHARED_KEY", remote->psk);
	}
}

void enn_wg_handshake_wipe(const struct enn_wg_tools *t, struct enn_wg_handshake *hs)
{
	enn_x25519_key_free(t->env, hs->ephemeral);
	enn_wipe(hs, sizeof(*hs));
}

/* ---- identities ---------------------------------------------------------------------------- */

/* H = HASH(HASH(C || identifier) || the responder's public key); the labelled keys of it. */
static enum enn_status hashes_of(const struct enn_wg_tools *t, const uint8_t *public_key,
				 uint8_t *initial, uint8_t *mac1_key, uint8_t *cookie_key)
{
	uint8_t h[ENN_WG_HASH];
	const struct enn_bytes key = {public_key, ENN_WG_KEY};
	const struct enn_bytes first[2] = {{t->construction, ENN_WG_HASH}, TEXT(identifier)};
	const struct enn_bytes second[2] = {{h, ENN_WG_HASH}, key};
	const struct enn_bytes mac1[2] = {TEXT(label_mac1), key};
	const struct enn_bytes cookie[2] = {TEXT(label_cookie), key};

	ENN_TRY(enn_blake2s(t->env, first, 2, h));
	ENN_TRY(enn_blake2s(t->env, second, 2, initial));
	ENN_TRY(enn_blake2s(t->env, mac1, 2, mac1_key));
	return enn_blake2s(t->env, cookie, 2, cookie_key);
}

enum enn_status enn_wg_local_set(const struct enn_wg_tools *t, struct enn_wg_local *local,
				 const uint8_t private_key[ENN_WG_KEY])
{
	struct enn_wg_local next = {.present = !all_zero(private_key)};
	enum enn_status status = ENN_OK;

	if (next.present) {
		memcpy(next.private_key, private_key, ENN_WG_KEY);
		next.private_key[0] &= 248; /* RFC 7748 §5 */
		next.private_key[31] = (uint8_t)((next.private_key[31] & 127) | 64);
		status = enn_x25519_key_new(t->env, next.private_key, &next.key);
		if (status == ENN_OK) {
			status = enn_x25519_key_public(t->env, next.key, next.public_key);
		}
		if (status == ENN_OK) {
			status = hashes_of(t, next.public_key, next.initial_hash, next.mac1_key,
					   next.cookie_key);
		}
	}
	if (status == ENN_OK) {
		*local = next;
	} else {
		enn_x25519_key_free(t->env, next.key);
	}
	enn_wipe(&next, sizeof(next));
	return status;
}

void enn_wg_local_clear(const struct enn_wg_tools *t, struct enn_wg_local *local)
{
	enn_x25519_key_free(t->env, local->key);
	enn_wipe(local, sizeof(*local));
}

enum enn_status enn_wg_remote_prepare(const struct enn_wg_tools *t,
				      const struct enn_wg_local *local,
				      struct enn_wg_remote *remote)
{
	if (!remote->hashes_known) {
		ENN_TRY(hashes_of(t, remote->public_key, remote->initial_hash, remote->mac1_key,
				  remote->cookie_key));
		remote->hashes_known = true;
	}
	if (!remote->shared_known) {
		ENN_TRY(enn_x25519_key_derive(t->env, local->key, remote->public_key,
					      remote->shared));
		remote->shared_known = true;
	}
	return ENN_OK;
}

/* ---- the initiation (WP §5.4.2) ------------------------------------------------------------- */

/* A fresh key pair; the private half goes to the key log too. */
static enum enn_status make_ephemeral(const struct enn_wg_tools *t,
				      const struct enn_wg_local *local,
				      const struct enn_wg_remote *remote,
				      struct enn_wg_handshake *hs, uint8_t public_key[ENN_WG_KEY])
{
	uint8_t private_key[ENN_WG_KEY] = {0};
	enum enn_status status = enn_wg_random(t, private_key, sizeof(private_key));

	private_key[0] &= 248; /* RFC 7748 §5 */
	private_key[31] = (uint8_t)((private_key[31] & 127) | 64);
	if (status == ENN_OK) {
		status = enn_x25519_key_new(t->env, private_key, &hs->ephemeral);
	}
	if (status == ENN_OK) {
		status = enn_x25519_key_public(t->env, hs->ephemeral, public_key);
	}
	if (status == ENN_OK) {
		log_keys(t->env, local, remote, private_key);
	}
	enn_wipe(private_key, sizeof(private_key));
	return status;
}

/* What both sides do with the initiator's ephemeral key. */
static enum enn_status begin(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			     const uint8_t *initial_hash, const uint8_t *ephemeral)
{
	memcpy(hs->hash, initial_hash, ENN_WG_HASH);
	memcpy(hs->chaining, t->construction, ENN_WG_HASH);
	ENN_TRY(mix_key(t, hs, ephemeral, NULL));
	return mix_hash(t, hs, (struct enn_bytes){ephemeral, ENN_WG_KEY});
}

static enum enn_status initiate(const struct enn_wg_tools *t, const struct enn_wg_local *local,
				const struct enn_wg_remote *remote, const uint8_t *timestamp,
				struct enn_wg_handshake *hs, uint8_t *out)
{
	uint8_t ephemeral[ENN_WG_KEY];
	uint8_t static_key[ENN_WG_KEY + ENN_WG_TAG];
	uint8_t sealed_time[ENN_WG_TIMESTAMP + ENN_WG_TAG];
	uint8_t key[ENN_WG_KEY];

	ENN_TRY(make_ephemeral(t, local, remote, hs, ephemeral));
	ENN_TRY(begin(t, hs, remote->initial_hash, ephemeral));
	ENN_TRY(mix_dh(t, hs, hs->ephemeral, remote->public_key, key));
	enum enn_status status = seal(t, hs, key, local->public_key, ENN_WG_KEY, static_key);
	if (status == ENN_OK) {
		status = mix_key(t, hs, remote->shared, key);
	}
	if (status == ENN_OK) {
		status = seal(t, hs, key, timestamp, ENN_WG_TIMESTAMP, sealed_time);
	}
	enn_wipe(key, sizeof(key));
	if (status != ENN_OK) {
		return status;
	}
	const struct enn_wg_initiation m = {
		.sender = hs->local_index,
		.ephemeral = {ephemeral, sizeof(ephemeral)},
		.static_key = {static_key, sizeof(static_key)},
		.timestamp = {sealed_time, sizeof(sealed_time)},
	};
	enn_wg_write_initiation(&m, out);
	return ENN_OK;
}

enum enn_status enn_wg_make_initiation(const struct enn_wg_tools *t,
				       const struct enn_wg_local *local,
				       const struct enn_wg_remote *remote, uint32_t index,
				       const uint8_t timestamp[ENN_WG_TIMESTAMP],
				       struct enn_wg_handshake *hs, uint8_t *out)
{
	struct enn_wg_handshake next = {.state = ENN_WG_INITIATION_SENT, .local_index = index};
	enum enn_status status = initiate(t, local, remote, timestamp, &next, out);

	if (status == ENN_OK) {
		enn_wg_handshake_wipe(t, hs);
		*hs = next;
	} else {
		enn_x25519_key_free(t->env, next.ephemeral);
	}
	enn_wipe(&next, sizeof(next));
	return status;
}

enum enn_status enn_wg_open_initiation(const struct enn_wg_tools *t,
				       const struct enn_wg_local *local,
				       const struct enn_wg_initiation *m,
				       struct enn_wg_handshake *hs, uint8_t remote_key[ENN_WG_KEY])
{
	struct enn_wg_handshake next = {.state = ENN_WG_INITIATION_RECEIVED,
					.remote_index = m->sender};
	uint8_t key[ENN_WG_KEY];

	memcpy(next.remote_ephemeral, m->ephemeral.data, ENN_WG_KEY);
	enum enn_status status = begin(t, &next, local->initial_hash, next.remote_ephemeral);
	if (status == ENN_OK) {
		status = mix_dh(t, &next, local->key, next.remote_ephemeral, key);
	}
	if (status == ENN_OK) {
		status = open(t, &next, key, m->static_key, remote_key);
	}
	if (status == ENN_OK) {
		*hs = next;
	}
	enn_wipe(key, sizeof(key));
	enn_wipe(&next, sizeof(next));
	return status;
}

enum enn_status enn_wg_prove_initiation(const struct enn_wg_tools *t,
					const struct enn_wg_remote *remote,
					const struct enn_wg_initiation *m,
					struct enn_wg_handshake *hs,
					uint8_t timestamp[ENN_WG_TIMESTAMP])
{
	struct enn_wg_handshake next = *hs;
	uint8_t key[ENN_WG_KEY];
	enum enn_status status = mix_key(t, &next, remote->shared, key);

	if (status == ENN_OK) {
		status = open(t, &next, key, m->timestamp, timestamp);
	}
	if (status == ENN_OK) {
		*hs = next;
	}
	enn_wipe(key, sizeof(key));
	enn_wipe(&next, sizeof(next));
	return status;
}

/* ---- the response (WP §5.4.3) --------------------------------------------------------------- */

/* The pre-shared key, which is zeros if there is none: (C, tau, key) = KDF3(C, Q). */
static enum enn_status mix_psk(const struct enn_wg_tools *t, struct enn_wg_handshake *hs,
			       const uint8_t *psk, uint8_t *key)
{
	uint8_t tau[ENN_WG_HASH];
	enum enn_status status =
		enn_blake2s_kdf(t->env, hs->chaining, psk, ENN_WG_KEY, hs->chaining, tau, key);

	if (status == ENN_OK) {
		status = mix_hash(t, hs, (struct enn_bytes){tau, sizeof(tau)});
	}
	enn_wipe(tau, sizeof(tau));
	return status;
}

/* The transport keys (WP §5.4.5): the initiator sends with the first. */
static enum enn_status split(const struct enn_wg_tools *t, const struct enn_wg_handshake *hs,
			     uint8_t *first, uint8_t *second)
{
	return enn_blake2s_kdf(t->env, hs->chaining, NULL, 0, first, second, NULL);
}

static enum enn_status respond(const struct enn_wg_tools *t, const struct enn_wg_local *local,
			       const struct enn_wg_remote *remote, struct enn_wg_handshake *hs,
			       uint8_t *out, uint8_t *send_key, uint8_t *receive_key)
{
	uint8_t ephemeral[ENN_WG_KEY];
	uint8_t nothing[ENN_WG_TAG];
	uint8_t key[ENN_WG_KEY];

	ENN_TRY(make_ephemeral(t, local, remote, hs, ephemeral));
	ENN_TRY(mix_key(t, hs, ephemeral, NULL));
	ENN_TRY(mix_hash(t, hs, (struct enn_bytes){ephemeral, ENN_WG_KEY}));
	ENN_TRY(mix_dh(t, hs, hs->ephemeral, hs->remote_ephemeral, NULL));
	ENN_TRY(mix_dh(t, hs, hs->ephemeral, remote->public_key, NULL));
	ENN_TRY(mix_psk(t, hs, remote->psk, key));
	enum enn_status status = seal(t, hs, key, NULL, 0, nothing);
	enn_wipe(key, sizeof(key));
	if (status != ENN_OK) {
		return status;
	}
	const struct enn_wg_response m = {
		.sender = hs->local_index,
		.receiver = hs->remote_index,
		.ephemeral = {ephemeral, sizeof(ephemeral)},
		.nothing = {nothing, sizeof(nothing)},
	};
	enn_wg_write_response(&m, out);
	return split(t, hs, receive_key, send_key);
}

enum enn_status enn_wg_make_response(const struct enn_wg_tools *t, const struct enn_wg_local *local,
				     const struct enn_wg_remote *remote, uint32_t index,
				     struct enn_wg_handshake *hs, uint8_t *out,
				     uint8_t send_key[ENN_WG_KEY], uint8_t receive_key[ENN_WG_KEY])
{
	struct enn_wg_handshake next = *hs;

	next.local_index = index;
	enum enn_status status = respond(t, local, remote, &next, out, send_key, receive_key);
	enn_x25519_key_free(t->env, next.ephemeral);
	if (status == ENN_OK) {
		enn_wg_handshake_wipe(t, hs);
	}
	enn_wipe(&next, sizeof(next));
	return status;
}

static enum enn_status accept_response(const struct enn_wg_tools *t,
				       const struct enn_wg_local *local,
				       const struct enn_wg_remote *remote,
				       const struct enn_wg_response *m, struct enn_wg_handshake *hs,
				       uint8_t *send_key, uint8_t *receive_key)
{
	uint8_t key[ENN_WG_KEY];
	uint8_t none[1];

	ENN_TRY(mix_key(t, hs, m->ephemeral.data, NULL));
	ENN_TRY(mix_hash(t, hs, m->ephemeral));
	ENN_TRY(mix_dh(t, hs, hs->ephemeral, m->ephemeral.data, NULL));
	ENN_TRY(mix_dh(t, hs, local->key, m->ephemeral.data, NULL));
	ENN_TRY(mix_psk(t, hs, remote->psk, key));
	enum enn_status status = open(t, hs, key, m->nothing, none);
	enn_wipe(key, sizeof(key));
	return status == ENN_OK ? split(t, hs, send_key, receive_key) : status;
}

enum enn_status enn_wg_open_response(const struct enn_wg_tools *t, const struct enn_wg_local *local,
				     const struct enn_wg_remote *remote,
				     const struct enn_wg_response *m, struct enn_wg_handshake *hs,
				     uint8_t send_key[ENN_WG_KEY], uint8_t receive_key[ENN_WG_KEY])
{
	struct enn_wg_handshake next = *hs;
	enum enn_status status = accept_response(t, local, remote, m, &next, send_key, receive_key);

	if (status == ENN_OK) {
		enn_wg_handshake_wipe(t, hs);
	}
	enn_wipe(&next, sizeof(next));
	return status;
}
