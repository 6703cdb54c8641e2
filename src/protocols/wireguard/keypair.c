/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and key pairs: at most three a peer (WP §5.1, §6.2).
 */
#include "protocols/wireguard/internal.h"

/* ---- indices ------------------------------------------------------------------------------- */

struct enn_wg_index *enn_wg_indices_find(const struct enn_wg_indices *indices, uint32_t value)
{
	struct enn_wg_index *found = NULL;

	HASH_FIND(hh, indices->table, &value, sizeof(value), found);
	return found;
}

struct enn_wg_index *enn_wg_index_find(const struct enn_wireguard *d, uint32_t value)
{
	struct enn_wg_index *found = enn_wg_indices_find(d->indices, value);

	return found != NULL && found->peer->device == d ? found : NULL;
}

enum enn_status enn_wg_index_take_value(struct enn_wireguard *d, struct enn_wg_index *index,
					uint32_t value, struct enn_wg_peer *peer,
					struct enn_wg_keypair *keypair)
{
	const struct enn_env *env = d->env;

	index->value = value;
	index->peer = peer;
	index->keypair = keypair;
	HASH_ADD(hh, d->indices->table, value, sizeof(index->value), index);
	if (index->hh.tbl == NULL) {
		return ENN_E_MEMORY;
	}
	index->used = true;
	return ENN_OK;
}

enum enn_status enn_wg_index_take(struct enn_wireguard *d, struct enn_wg_index *index,
				  struct enn_wg_peer *peer, struct enn_wg_keypair *keypair)
{
	uint32_t value;

	do {
		uint8_t bytes[4];
		ENN_TRY(enn_wg_random(&d->tools, bytes, sizeof(bytes)));
		memcpy(&value, bytes, sizeof(bytes));
	} while (enn_wg_indices_find(d->indices, value) != NULL);
	return enn_wg_index_take_value(d, index, value, peer, keypair);
}

void enn_wg_index_release(struct enn_wireguard *d, struct enn_wg_index *index)
{
	const struct enn_env *env = d->env;

	if (index->used) {
		HASH_DEL(d->indices->table, index); /* NOLINT(clang-analyzer-*): uthash */
		index->used = false;
	}
}

void enn_wg_handshake_clear(struct enn_wg_peer *p)
{
	enn_wg_index_release(p->device, &p->handshake_index);
	enn_wg_handshake_wipe(&p->device->tools, &p->handshake);
}

/* ---- key pairs ----------------------------------------------------------------------------- */

enum enn_status enn_wg_keypair_new(struct enn_wg_peer *p, const uint32_t *value,
				   struct enn_wg_keypair **out)
{
	const struct enn_env *env = p->device->env;
	const struct enn_aead_alg *alg = enn_aead_alg(ENN_AEAD_CHACHA20_POLY1305);
	static const uint8_t zero[ENN_WG_KEY];
	struct enn_wg_keypair *kp = enn_alloc(env, sizeof(*kp));

	*out = NULL;
	if (kp == NULL) {
		return ENN_E_MEMORY;
	}
	kp->replay.bits = kp->bits;
	kp->replay.words = REPLAY_WORDS;
	enum enn_status status = enn_aead_new(env, alg, ENN_AEAD_SEAL, zero, &kp->seal);
	if (status == ENN_OK) {
		status = enn_aead_new(env, alg, ENN_AEAD_OPEN, zero, &kp->open);
	}
	if (status == ENN_OK) {
		status = value == NULL
				 ? enn_wg_index_take(p->device, &kp->index, p, kp)
				 : enn_wg_index_take_value(p->device, &kp->index, *value, p, kp);
	}
	if (status != ENN_OK) {
		enn_wg_keypair_free(p, kp);
		return status;
	}
	*out = kp;
	return ENN_OK;
}

void enn_wg_keypair_free(struct enn_wg_peer *p, struct enn_wg_keypair *kp)
{
	const struct enn_env *env = p->device->env;

	if (kp == NULL) {
		return;
	}
	enn_wg_index_release(p->device, &kp->index);
	enn_aead_free(env, kp->seal);
	enn_aead_free(env, kp->open);
	enn_free_secret(env, kp, sizeof(*kp));
}

/* kp takes the place of current, which the peer may go on to use for a while. */
static void replace_current(struct enn_wg_peer *p, struct enn_wg_keypair *kp)
{
	enn_wg_keypair_free(p, p->older);
	p->older = p->previous;
	p->previous = p->current;
	p->current = kp;
	if (p->older != NULL && kp->born - p->older->born >= REJECT_AFTER_TIME) {
		enn_wg_keypair_free(p, p->older); /* as it is after handshakes that did not cross */
		p->older = NULL;
	}
}

void enn_wg_keypair_install(struct enn_wg_peer *p, struct enn_wg_keypair *kp)
{
	if (!kp->initiator) {
		enn_wg_keypair_free(p, p->next);
		p->next = kp;
		return;
	}
	/* next stays: if both sides began at once, the peer may yet use it. */
	replace_current(p, kp);
}

bool enn_wg_keypair_confirm(struct enn_wg_peer *p, struct enn_wg_keypair *kp)
{
	if (kp != p->next) {
		return false;
	}
	p->next = NULL;
	replace_current(p, kp);
	return true;
}

void enn_wg_keypairs_drop(struct enn_wg_peer *p)
{
	enn_wg_keypair_free(p, p->older);
	enn_wg_keypair_free(p, p->previous);
	enn_wg_keypair_free(p, p->current);
	enn_wg_keypair_free(p, p->next);
	p->older = p->previous = p->current = p->next = NULL;
}

struct enn_wg_keypair *enn_wg_keypair_usable(const struct enn_wg_peer *p, enn_time now)
{
	struct enn_wg_keypair *kp = p->current;

	if (kp == NULL || !kp->can_send || now - kp->born >= REJECT_AFTER_TIME ||
	    kp->send_counter >= REJECT_AFTER_MESSAGES) {
		return NULL;
	}
	return kp;
}
