/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of epochs: of 1.3 out of traffic secrets (RFC 9147 §4.2.3, §6.1), of 1.2 out of the key block.
 */
#include "base/compiler.h"
#include "protocols/dtls/internal.h"

void enn_dtls_keys_wipe(const struct enn_env *env, struct enn_dtls_keys *keys)
{
	enn_aead_free(env, keys->aead);
	enn_mask_free(env, keys->mask);
	enn_wipe(keys, sizeof(*keys));
}

static void begin(struct enn_dtls_keys *keys, uint64_t epoch, enum enn_level level)
{
	keys->present = true;
	keys->epoch = epoch;
	keys->level = level;
	keys->sequence = 0;
	keys->forgeries = 0;
	memset(keys->window, 0, sizeof(keys->window));
	keys->replay = (struct enn_replay){.bits = keys->window, .words = ENN_DTLS_REPLAY_WORDS};
}

void enn_dtls_keys_plain(struct enn_dtls_keys *keys)
{
	begin(keys, ENN_DTLS_EPOCH_PLAIN, ENN_LEVEL_INITIAL);
}

/* The replay window points into its own keys: they do not move but by this. */
static void move(struct enn_dtls_keys *to, struct enn_dtls_keys *from)
{
	*to = *from;
	to->replay.bits = to->window;
	enn_wipe(from, sizeof(*from));
}

/* Makes AEAD, IV and mask out of keys->secret. */
static enum enn_status derive(const struct enn_env *env, struct enn_dtls_keys *keys,
			      enum enn_direction direction)
{
	const struct enn_aead_alg *aead = enn_aead_alg(keys->suite->aead);
	const struct enn_hash_alg *hash = enn_hash_alg(keys->suite->hash);
	enum enn_aead_direction way =
		direction == ENN_DIRECTION_SEND ? ENN_AEAD_SEAL : ENN_AEAD_OPEN;
	uint8_t key[ENN_MAX_AEAD_KEY];

	enn_traffic_keys(enn_label_dtls13, hash, keys->secret, key, aead->key_len, keys->iv);
	enum enn_status status = enn_aead_new(env, aead, way, key, &keys->aead);
	if (status == ENN_OK) {
		enn_hkdf_expand_label(hash, keys->secret, enn_label_dtls13, "sn", NULL, 0, key,
				      aead->key_len);
		status = enn_mask_new(env, aead, key, &keys->mask);
	}
	enn_wipe(key, sizeof(key));
	return status;
}

enum enn_status enn_dtls_set_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				    enum enn_level level, const struct enn_tls_suite *suite,
				    const uint8_t *secret)
{
	struct enn_dtls *d = enn_dtls_of(c);
	struct enn_dtls_keys *slots = direction == ENN_DIRECTION_SEND ? d->send : d->receive;
	bool handshake = level == ENN_LEVEL_HANDSHAKE;
	struct enn_dtls_keys *keys =
		&slots[handshake ? ENN_DTLS_SLOT_HANDSHAKE : ENN_DTLS_SLOT_CURRENT];

	if (level == ENN_LEVEL_EARLY) {
		return ENN_E_UNSUPPORTED;
	}
	enn_dtls_keys_wipe(c->env, keys);
	begin(keys, handshake ? ENN_DTLS_EPOCH_HANDSHAKE : ENN_DTLS_EPOCH_APPLICATION, level);
	keys->unified = true;
	keys->suite = suite;
	memcpy(keys->secret, secret, enn_hash_alg(suite->hash)->len);
	return derive(c->env, keys, direction);
}

enum enn_status enn_dtls_set_keys12(struct enn_handshake_carrier *c, enum enn_direction direction,
				    const struct enn_tls12_keys *given)
{
	struct enn_dtls *d = enn_dtls_of(c);
	bool sending = direction == ENN_DIRECTION_SEND;
	struct enn_dtls_keys *keys = &(sending ? d->send : d->receive)[ENN_DTLS_SLOT_CURRENT];

	if (sending) {
		ENN_TRY(enn_dtls_add_ccs(d));
	}
	enn_dtls_keys_wipe(c->env, keys);
	begin(keys, 1, ENN_LEVEL_APPLICATION);
	keys->suite = given->suite;
	memcpy(keys->iv, given->iv.data, given->iv.len);
	return enn_aead_new(c->env, enn_aead_alg(given->suite->aead),
			    sending ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, given->key.data, &keys->aead);
}

enum enn_status enn_dtls_update(struct enn_dtls *d, enum enn_direction direction)
{
	const struct enn_env *env = d->carrier.env;
	struct enn_dtls_keys *slots = direction == ENN_DIRECTION_SEND ? d->send : d->receive;
	struct enn_dtls_keys next = {.present = false};

	next.suite = slots[ENN_DTLS_SLOT_CURRENT].suite;
	memcpy(next.secret, slots[ENN_DTLS_SLOT_CURRENT].secret, sizeof(next.secret));
	enn_traffic_secret_update(enn_label_dtls13, enn_hash_alg(next.suite->hash), next.secret);
	begin(&next, slots[ENN_DTLS_SLOT_CURRENT].epoch + 1, ENN_LEVEL_APPLICATION);
	next.unified = true;
	enum enn_status status = derive(env, &next, direction);
	if (status != ENN_OK) {
		enn_dtls_keys_wipe(env, &next);
		return status;
	}
	enn_dtls_keys_wipe(env, &slots[ENN_DTLS_SLOT_PREVIOUS]);
	if (direction == ENN_DIRECTION_SEND) {
		enn_dtls_keys_wipe(env, &slots[ENN_DTLS_SLOT_CURRENT]);
		d->keys_sent++;
		d->expiring_told = false;
	} else {
		move(&slots[ENN_DTLS_SLOT_PREVIOUS], &slots[ENN_DTLS_SLOT_CURRENT]);
		d->keys_received++;
	}
	move(&slots[ENN_DTLS_SLOT_CURRENT], &next);
	return ENN_OK;
}

struct enn_dtls_keys *enn_dtls_send_keys(struct enn_dtls *d)
{
	if (d->send[ENN_DTLS_SLOT_CURRENT].present) {
		return &d->send[ENN_DTLS_SLOT_CURRENT];
	}
	return d->send[ENN_DTLS_SLOT_HANDSHAKE].present ? &d->send[ENN_DTLS_SLOT_HANDSHAKE]
							: &d->send[ENN_DTLS_SLOT_PLAIN];
}
