/* SPDX-License-Identifier: Apache-2.0
 *
 * Static Curve25519 keys: ours as a credential, and those of the peers we trust.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/security.h"

#define MAX_PEER_KEYS 65536u

enum enn_status enn_credential_static_key(const uint8_t private_key[32],
					  struct enn_credential **out)
{
	static const uint8_t zero[ENN_STATIC_KEY];

	if (out == NULL) {
		return ENN_E_ARGUMENT;
	}
	*out = NULL;
	if (private_key == NULL || enn_equal_secret(private_key, zero, sizeof(zero))) {
		return ENN_E_ARGUMENT;
	}
	struct enn_credential *c = calloc(1, sizeof(*c));
	uint8_t *secret = malloc(ENN_STATIC_KEY);
	if (c == NULL || secret == NULL) {
		free(c);
		free(secret);
		return ENN_E_MEMORY;
	}
	atomic_init(&c->refs, 1);
	c->type = ENN_CREDENTIAL_STATIC_KEY;
	memcpy(secret, private_key, ENN_STATIC_KEY);
	secret[0] &= 248; /* RFC 7748 §5 */
	secret[31] = (uint8_t)((secret[31] & 127) | 64);
	c->secret = secret;
	c->secret_len = ENN_STATIC_KEY;
	*out = c;
	return ENN_OK;
}

const struct enn_credential *enn_security_static_key(const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (s->credential[i]->type == ENN_CREDENTIAL_STATIC_KEY) {
			return s->credential[i];
		}
	}
	return NULL;
}

/* ---- peers ----------------------------------------------------------------------------------- */

static bool grow(struct enn_security *s)
{
	size_t cap = s->peer_key_cap == 0 ? 4 : 2 * s->peer_key_cap;
	struct enn_peer_key *keys = calloc(cap, sizeof(*keys));

	if (keys == NULL) {
		return false;
	}
	if (s->peer_key_count > 0) {
		memcpy(keys, s->peer_key, s->peer_key_count * sizeof(*keys));
	}
	enn_security_free_peer_keys(s);
	s->peer_key = keys;
	s->peer_key_cap = cap;
	return true;
}

enum enn_status enn_security_add_peer_key(struct enn_security *s, const uint8_t public_key[32],
					  const uint8_t *psk)
{
	struct enn_peer_key *key = NULL;

	if (s == NULL || public_key == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	for (size_t i = 0; i < s->peer_key_count && key == NULL; i++) {
		if (memcmp(s->peer_key[i].public_key, public_key, ENN_STATIC_KEY) == 0) {
			key = &s->peer_key[i];
		}
	}
	if (key == NULL) {
		if (s->peer_key_count == MAX_PEER_KEYS) {
			return ENN_E_LIMIT;
		}
		if (s->peer_key_count == s->peer_key_cap && !grow(s)) {
			return ENN_E_MEMORY;
		}
		key = &s->peer_key[s->peer_key_count++];
		memcpy(key->public_key, public_key, ENN_STATIC_KEY);
	}
	if (psk != NULL) {
		memcpy(key->psk, psk, ENN_STATIC_KEY);
	} else {
		memset(key->psk, 0, ENN_STATIC_KEY);
	}
	return ENN_OK;
}

bool enn_security_copy_peer_keys(struct enn_security *to, const struct enn_security *from)
{
	if (from->peer_key_count == 0) {
		return true;
	}
	to->peer_key = calloc(from->peer_key_count, sizeof(*to->peer_key));
	if (to->peer_key == NULL) {
		return false;
	}
	memcpy(to->peer_key, from->peer_key, from->peer_key_count * sizeof(*to->peer_key));
	to->peer_key_count = to->peer_key_cap = from->peer_key_count;
	return true;
}

void enn_security_free_peer_keys(struct enn_security *s)
{
	if (s->peer_key != NULL) {
		enn_wipe(s->peer_key, s->peer_key_cap * sizeof(*s->peer_key));
	}
	free(s->peer_key);
	s->peer_key = NULL;
}
