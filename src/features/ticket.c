/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that seal stateless session tickets, and their rotation.
 *
 *   ticket = key name (16) || salt (12) || AES-256-GCM ciphertext || tag (16)
 *
 * The AEAD key and nonce are derived from the key material and the salt, so each ticket has its
 * own: should two salts ever be equal, those two tickets are at risk and not the key.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "features/session_cache.h"

#define NAME_LEN     16u
#define MATERIAL_LEN 48u
#define SALT_LEN     12u
#define TAG_LEN	     16u
#define KEY_LEN	     32u
#define NONCE_LEN    12u
#define DERIVED_LEN  48u /* SHA-384: KEY_LEN, NONCE_LEN, and four bytes that are not used */

#define MAX_KEYS 5u /* the one in use and four earlier ones */

/* What an earlier key is kept for when no ticket said a lifetime: RFC 8446 §4.6.1. */
#define MAX_LIFETIME ((int64_t)604800 * (int64_t)ENN_SECOND)

struct ticket_key {
	uint8_t name[NAME_LEN];
	struct enn_hmac mac; /* keyed with the material: the expensive half, done once */
	int64_t made;	     /* UNIX time of its first use */
	int64_t expires;     /* once replaced: when the last ticket it sealed has expired */
};

struct enn_ticket_keys {
	atomic_uint refs;
	pthread_mutex_t lock;		 /* a server's threads may share keys */
	struct ticket_key key[MAX_KEYS]; /* [0] seals, the others are earlier ones, newest first */
	size_t count;
	bool given;	  /* key[0] came from enn_ticket_keys_set and is not rotated … */
	int64_t until;	  /* … before this */
	int64_t lifetime; /* the longest that a ticket was sealed for; 0: none yet */
	int64_t since;
};

/* ---- life ------------------------------------------------------------------------------------ */

struct enn_ticket_keys *enn_ticket_keys_new(void)
{
	struct enn_ticket_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL) {
		return NULL;
	}
	if (pthread_mutex_init(&keys->lock, NULL) != 0) {
		free(keys);
		return NULL;
	}
	atomic_init(&keys->refs, 1);
	keys->since = INT64_MAX;
	return keys;
}

struct enn_ticket_keys *enn_ticket_keys_ref(struct enn_ticket_keys *keys)
{
	atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
	return keys;
}

/* The lock is not part of what const promises. */
static void lock(const struct enn_ticket_keys *keys)
{
	(void)pthread_mutex_lock((pthread_mutex_t *)&keys->lock);
}

static void unlock(const struct enn_ticket_keys *keys)
{
	(void)pthread_mutex_unlock((pthread_mutex_t *)&keys->lock);
}

struct enn_ticket_keys *enn_ticket_keys_copy(const struct enn_ticket_keys *keys)
{
	struct enn_ticket_keys *copy = enn_ticket_keys_new();

	if (copy == NULL) {
		return NULL;
	}
	lock(keys);
	memcpy(copy->key, keys->key, sizeof(copy->key));
	copy->count = keys->count;
	copy->given = keys->given;
	copy->until = keys->until;
	copy->lifetime = keys->lifetime;
	unlock(keys);
	return copy;
}

void enn_ticket_keys_free(struct enn_ticket_keys *keys)
{
	if (keys == NULL || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	(void)pthread_mutex_destroy(&keys->lock);
	enn_wipe(keys, sizeof(*keys));
	free(keys);
}

int64_t enn_ticket_keys_since(const struct enn_ticket_keys *keys)
{
	lock(keys);
	int64_t since = keys->since;
	unlock(keys);
	return since;
}

/* ---- which keys there are (all under the lock) ----------------------------------------------- */

static void used(struct enn_ticket_keys *keys, int64_t wall_now)
{
	if (keys->since == INT64_MAX) {
		keys->since = wall_now;
	}
}

static void forget(struct enn_ticket_keys *keys, size_t index)
{
	memmove(&keys->key[index], &keys->key[index + 1],
		(keys->count - index - 1) * sizeof(keys->key[0]));
	keys->count--;
	enn_wipe(&keys->key[keys->count], sizeof(keys->key[0]));
}

static void forget_expired(struct enn_ticket_keys *keys, int64_t wall_now)
{
	for (size_t i = keys->count; i-- > 1;) {
		if (wall_now >= keys->key[i].expires) {
			forget(keys, i);
		}
	}
}

static void key_init(struct ticket_key *k, const uint8_t *key, int64_t made, int64_t expires)
{
	memcpy(k->name, key, NAME_LEN);
	enn_hmac_init(&k->mac, enn_hash_alg(ENN_HASH_SHA384), key + NAME_LEN, MATERIAL_LEN);
	k->made = made;
	k->expires = expires;
}

static void replace(struct enn_ticket_keys *keys, const uint8_t *key, int64_t wall_now)
{
	for (size_t i = keys->count; i-- > 0;) {
		if (memcmp(keys->key[i].name, key, NAME_LEN) == 0) {
			forget(keys, i);
		}
	}
	if (keys->count == MAX_KEYS) {
		forget(keys, MAX_KEYS - 1);
	}
	if (keys->count > 0) {
		int64_t lifetime = keys->lifetime > 0 ? keys->lifetime : MAX_LIFETIME;
		memmove(&keys->key[1], &keys->key[0], keys->count * sizeof(keys->key[0]));
		if (keys->key[1].expires == INT64_MAX &&
		    __builtin_add_overflow(wall_now, lifetime, &keys->key[1].expires)) {
			keys->key[1].expires = INT64_MAX - 1;
		}
	}
	key_init(&keys->key[0], key, wall_now, INT64_MAX); /* in use */
	keys->count++;
}

enum enn_status enn_ticket_keys_set(struct enn_ticket_keys *keys, const uint8_t *key, size_t len,
				    int64_t wall_now)
{
	return enn_ticket_keys_set_until(keys, key, len, wall_now, INT64_MAX);
}

enum enn_status enn_ticket_keys_add(struct enn_ticket_keys *keys, const uint8_t *key, size_t len,
				    int64_t wall_now, int64_t expires)
{
	bool known = false;

	if (keys == NULL || key == NULL || len != NAME_LEN + MATERIAL_LEN) {
		return ENN_E_ARGUMENT;
	}
	lock(keys);
	forget_expired(keys, wall_now);
	for (size_t i = 0; i < keys->count; i++) {
		known = known || memcmp(keys->key[i].name, key, NAME_LEN) == 0;
	}
	if (!known && keys->count > 0 && expires > wall_now) {
		if (keys->count == MAX_KEYS) {
			forget(keys, MAX_KEYS - 1);
		}
		memmove(&keys->key[2], &keys->key[1], (keys->count - 1) * sizeof(keys->key[0]));
		key_init(&keys->key[1], key, wall_now, expires);
		keys->count++;
	}
	unlock(keys);
	return ENN_OK;
}

enum enn_status enn_ticket_keys_set_until(struct enn_ticket_keys *keys, const uint8_t *key,
					  size_t len, int64_t wall_now, int64_t until)
{
	if (keys == NULL || key == NULL || len != NAME_LEN + MATERIAL_LEN) {
		return ENN_E_ARGUMENT;
	}
	lock(keys);
	used(keys, wall_now);
	forget_expired(keys, wall_now);
	replace(keys, key, wall_now);
	keys->given = true;
	keys->until = until;
	unlock(keys);
	return ENN_OK;
}

static bool is_due(struct enn_ticket_keys *keys, int64_t wall_now, int64_t lifetime)
{
	int64_t age;

	if (keys->count == 0) {
		return true;
	}
	if (keys->given) {
		return wall_now >= keys->until;
	}
	if (wall_now < keys->key[0].made) {
		keys->key[0].made = wall_now; /* the clock was set back */
	}
	return __builtin_sub_overflow(wall_now, keys->key[0].made, &age) || age >= lifetime / 2;
}

/* Makes key[0] fit to seal with. */
static enum enn_status rotate(struct enn_ticket_keys *keys, const struct enn_env *env,
			      int64_t wall_now, int64_t lifetime)
{
	uint8_t fresh[NAME_LEN + MATERIAL_LEN];

	if (lifetime > keys->lifetime) {
		keys->lifetime = lifetime;
	}
	forget_expired(keys, wall_now);
	if (!is_due(keys, wall_now, lifetime)) {
		return ENN_OK;
	}
	ENN_TRY(enn_random(env, fresh, sizeof(fresh)));
	replace(keys, fresh, wall_now);
	keys->given = false;
	enn_wipe(fresh, sizeof(fresh));
	return ENN_OK;
}

/* ---- sealing and opening --------------------------------------------------------------------- */

/* HKDF-Expand(material, label || salt, 44) of RFC 5869, which is a single block of SHA-384. */
static void derive(const struct ticket_key *key, const uint8_t *salt, uint8_t derived[DERIVED_LEN])
{
	static const uint8_t first_block = 1;
	struct enn_hmac m = key->mac;

	enn_hmac_update(&m, "ennead ticket", 13);
	enn_hmac_update(&m, salt, SALT_LEN);
	enn_hmac_update(&m, &first_block, 1);
	enn_hmac_final(&m, derived);
}

static enum enn_status ticket_aead(const struct enn_env *env, const struct ticket_key *key,
				   const uint8_t *salt, enum enn_aead_direction direction,
				   struct enn_aead **aead, uint8_t nonce[NONCE_LEN])
{
	uint8_t derived[DERIVED_LEN];

	derive(key, salt, derived);
	memcpy(nonce, derived + KEY_LEN, NONCE_LEN);
	enum enn_status status =
		enn_aead_new(env, enn_aead_alg(ENN_AEAD_AES_256_GCM), direction, derived, aead);
	enn_wipe(derived, sizeof(derived));
	return status;
}

static enum enn_status seal_with(const struct ticket_key *key, const struct enn_env *env,
				 const uint8_t *state, size_t len, struct enn_writer *w)
{
	uint8_t nonce[NONCE_LEN];
	struct enn_aead *aead;

	enn_write_bytes(w, key->name, NAME_LEN);
	uint8_t *salt = enn_write_space(w, SALT_LEN);
	uint8_t *sealed = enn_write_space(w, len + TAG_LEN);
	if (!enn_writer_ok(w)) {
		return ENN_E_SPACE;
	}
	ENN_TRY(enn_random(env, salt, SALT_LEN));
	ENN_TRY(ticket_aead(env, key, salt, ENN_AEAD_SEAL, &aead, nonce));
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = key->name,
		.aad_len = NAME_LEN,
		.in = state,
		.in_len = len,
		.out = sealed,
	};
	enum enn_status status = enn_aead_seal(aead, &job);
	enn_aead_free(env, aead);
	return status;
}

enum enn_status enn_ticket_seal(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, int64_t lifetime, const uint8_t *state,
				size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
	struct ticket_key key;

	*out_len = 0;
	if (cap < ENN_TICKET_OVERHEAD || cap - ENN_TICKET_OVERHEAD < len) {
		return ENN_E_SPACE;
	}
	lock(keys);
	used(keys, wall_now);
	enum enn_status status = rotate(keys, env, wall_now, lifetime);
	key = keys->key[0];
	unlock(keys);
	if (status == ENN_OK) {
		struct enn_writer w = enn_writer_of(out, cap);
		status = seal_with(&key, env, state, len, &w);
		*out_len = status == ENN_OK ? enn_writer_len(&w) : 0;
	}
	enn_wipe(&key, sizeof(key));
	return status;
}

/* Names are public; still, the time does not tell which of the keys it was. */
static bool find_key(struct enn_ticket_keys *keys, const uint8_t *name, struct ticket_key *found)
{
	bool any = false;

	for (size_t i = 0; i < keys->count; i++) {
		if (enn_equal_secret(keys->key[i].name, name, NAME_LEN)) {
			*found = keys->key[i];
			any = true;
		}
	}
	return any;
}

enum enn_status enn_ticket_open(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, const uint8_t *ticket, size_t len, uint8_t *out,
				size_t cap, size_t *out_len)
{
	struct enn_reader r = enn_reader_of(ticket, len);
	struct enn_bytes name = enn_read_bytes(&r, NAME_LEN);
	struct enn_bytes salt = enn_read_bytes(&r, SALT_LEN);
	struct enn_bytes sealed = enn_read_bytes(&r, enn_reader_left(&r));
	uint8_t nonce[NONCE_LEN];
	struct ticket_key key;
	struct enn_aead *aead;

	*out_len = 0;
	if (!enn_reader_done(&r) || sealed.len < TAG_LEN) {
		return ENN_E_NOT_FOUND;
	}
	lock(keys);
	used(keys, wall_now);
	forget_expired(keys, wall_now);
	bool found = find_key(keys, name.data, &key);
	unlock(keys);
	if (!found) {
		return ENN_E_NOT_FOUND;
	}
	enum enn_status status = ENN_E_SPACE;
	if (cap >= sealed.len - TAG_LEN) {
		status = ticket_aead(env, &key, salt.data, ENN_AEAD_OPEN, &aead, nonce);
	}
	if (status == ENN_OK) {
		struct enn_aead_job job = {
			.nonce = nonce,
			.aad = name.data,
			.aad_len = NAME_LEN,
			.in = sealed.data,
			.in_len = sealed.len,
			.out = out,
		};
		status = enn_aead_open(aead, &job);
		enn_aead_free(env, aead);
		*out_len = status == ENN_OK ? sealed.len - TAG_LEN : 0;
	}
	enn_wipe(&key, sizeof(key));
	return status;
}
