/* SPDX-License-Identifier: Apache-2.0
 *
 * Master keys and the session keys derived from them (RFC 3711 §4.3, RFC 6188 §3, RFC 6904 §2, RFC 7714 §11).
 */
#include "protocols/srtp/internal.h"

/* PRF(k_master, key_id XOR master_salt): the keystream of AES in counter mode that begins at x * 2^16. key_id is
 * label || r, right-aligned in the salt's 112 bits; a salt of 96 bits is followed by zeros. */
static enum enn_status derive(struct enn_ctr_hmac *prf, const uint8_t salt[ENN_SRTP_MAX_SALT],
			      enum enn_srtp_label label, uint64_t r, uint8_t *out, size_t len)
{
	struct enn_ctr_job job = {.text = out, .len = len};

	memcpy(job.iv, salt, ENN_SRTP_MAX_SALT);
	job.iv[7] ^= (uint8_t)label;
	for (int i = 0; i < 6; i++) {
		job.iv[8 + i] ^= (uint8_t)(r >> (40 - 8 * i));
	}
	memset(out, 0, len);
	return enn_ctr_batch(prf, &job, 1);
}

enum enn_status enn_srtp_derive(const struct enn_env *env, const uint8_t *key, size_t key_len,
				const uint8_t *salt, size_t salt_len, enum enn_srtp_label label,
				uint64_t r, uint8_t *out, size_t out_len)
{
	uint8_t padded[ENN_SRTP_MAX_SALT] = {0};
	struct enn_ctr_hmac *prf;

	if ((key_len != 16 && key_len != 24 && key_len != 32) || salt_len > sizeof(padded)) {
		return ENN_E_ARGUMENT;
	}
	memcpy(padded, salt, salt_len);
	ENN_TRY(enn_ctr_hmac_new(env, key_len, false, key, &prf));
	enum enn_status status = derive(prf, padded, label, r, out, out_len);
	enn_ctr_hmac_free(env, prf);
	enn_wipe(padded, sizeof(padded));
	return status;
}

/* ---- session keys ------------------------------------------------------------------------------ */

static size_t cipher_len(const struct enn_srtp_session *s)
{
	return s->suite->cipher ? s->suite->key_len : 0;
}

enum enn_status srtp_keys_set(const struct enn_srtp_session *s, struct srtp_keys *k, unsigned rtcp,
			      const uint8_t *key, const uint8_t *salt)
{
	const struct enn_env *env = s->env;

	memset(k->salt, 0, sizeof(k->salt));
	memcpy(k->salt, salt, s->suite->salt_len);
	k->valid = false;
	if (s->suite->aead) {
		enum enn_aead_id id =
			s->suite->key_len == 16 ? ENN_AEAD_AES_128_GCM : ENN_AEAD_AES_256_GCM;
		if (k->aead != NULL) {
			ENN_TRY(enn_aead_rekey(k->aead, key));
		} else {
			ENN_TRY(enn_aead_new(env, enn_aead_alg(id),
					     s->sending ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, key,
					     &k->aead));
		}
	} else if (k->cm != NULL) {
		ENN_TRY(enn_ctr_hmac_rekey(k->cm, key));
	} else {
		ENN_TRY(enn_ctr_hmac_new(env, cipher_len(s), s->tag[rtcp] > 0, key, &k->cm));
	}
	k->valid = true;
	return ENN_OK;
}

/* RFC 6904 §2: also where the packets are under AES-GCM (RFC 7714 §8.3). */
static enum enn_status make_header_keys(const struct enn_srtp_session *s, struct srtp_master *m,
					uint64_t r, struct srtp_keys *k)
{
	uint8_t key[ENN_SRTP_MAX_KEY];
	size_t len = s->suite->key_len;

	memset(k->header_salt, 0, sizeof(k->header_salt));
	ENN_TRY(derive(m->prf, m->salt, ENN_SRTP_LABEL_HEADER_SALT, r, k->header_salt,
		       ENN_SRTP_MAX_SALT));
	enum enn_status status = derive(m->prf, m->salt, ENN_SRTP_LABEL_HEADER_KEY, r, key, len);
	if (status == ENN_OK) {
		status = k->header != NULL ? enn_ctr_hmac_rekey(k->header, key)
					   : enn_ctr_hmac_new(s->env, len, false, key, &k->header);
	}
	enn_wipe(key, sizeof(key));
	return status;
}

static enum enn_status make_keys(const struct enn_srtp_session *s, struct srtp_master *m,
				 unsigned rtcp, uint64_t r, struct srtp_keys *k)
{
	uint8_t key[ENN_SRTP_MAX_KEY + AUTH_KEY];
	uint8_t salt[ENN_SRTP_MAX_SALT];
	size_t len = cipher_len(s);
	unsigned label = rtcp * 3; /* those of RTCP follow those of RTP */

	enum enn_status status = derive(m->prf, m->salt, (enum enn_srtp_label)(label + 2), r, salt,
					s->suite->salt_len);
	if (status == ENN_OK && len > 0) {
		status = derive(m->prf, m->salt, (enum enn_srtp_label)label, r, key, len);
	}
	if (status == ENN_OK && s->tag[rtcp] > 0) {
		status = derive(m->prf, m->salt, (enum enn_srtp_label)(label + 1), r, key + len,
				AUTH_KEY);
	}
	if (status == ENN_OK) {
		status = srtp_keys_set(s, k, rtcp, key, salt);
	}
	if (status == ENN_OK && rtcp == 0 && s->masks_headers && len > 0) {
		status = make_header_keys(s, m, r, k);
	}
	k->valid = status == ENN_OK;
	k->r = r;
	enn_wipe(key, sizeof(key));
	enn_wipe(salt, sizeof(salt));
	return status;
}

/* index DIV key_derivation_rate, with a DIV 0 = 0 */
static uint64_t rate_of(const struct enn_srtp_session *s, uint64_t index)
{
	return s->kdr == 0 ? 0 : index >> s->kdr;
}

struct srtp_keys *srtp_keys_find(const struct enn_srtp_session *s, struct srtp_master *m,
				 unsigned rtcp, uint64_t index)
{
	uint64_t r = rate_of(s, index);
	size_t sets = s->kdr == 0 ? 1 : KEY_SETS;

	for (size_t i = 0; i < sets; i++) {
		struct srtp_keys *k = &m->keys[rtcp][i];
		if (k->valid && k->r == r) {
			return k;
		}
	}
	return NULL;
}

enum enn_status srtp_keys_make(const struct enn_srtp_session *s, struct srtp_master *m,
			       unsigned rtcp, uint64_t index, struct srtp_keys **out)
{
	size_t sets = s->kdr == 0 ? 1 : KEY_SETS;
	struct srtp_keys *k = &m->keys[rtcp][m->next[rtcp]++ % sets];

	*out = k;
	return make_keys(s, m, rtcp, rate_of(s, index), k);
}

/* ---- master keys ------------------------------------------------------------------------------- */

void srtp_master_free(const struct enn_srtp_session *s, struct srtp_master *m)
{
	if (m == NULL) {
		return;
	}
	for (size_t i = 0; i < 2 * (size_t)KEY_SETS; i++) {
		struct srtp_keys *k = &m->keys[i / KEY_SETS][i % KEY_SETS];
		enn_ctr_hmac_free(s->env, k->cm);
		enn_ctr_hmac_free(s->env, k->header);
		enn_aead_free(s->env, k->aead);
	}
	enn_ctr_hmac_free(s->env, m->prf);
	enn_free_secret(s->env, m, sizeof(*m));
}

static uint64_t limit_of(uint64_t lifetime, uint64_t most)
{
	return lifetime == 0 || lifetime > most ? most : lifetime;
}

enum enn_status srtp_master_new(const struct enn_srtp_session *s,
				const struct enn_srtp_master *from, struct srtp_master **out)
{
	struct srtp_master *m = enn_alloc(s->env, sizeof(*m));
	struct srtp_keys *keys;

	*out = NULL;
	if (m == NULL) {
		return ENN_E_MEMORY;
	}
	memcpy(m->salt, from->salt, s->suite->salt_len);
	memcpy(m->mki, from->mki, from->mki_len);
	m->from = from->from;
	m->to = from->to;
	m->limit[0] = limit_of(from->lifetime, ENN_SRTP_RTP_LIFETIME);
	m->limit[1] = limit_of(from->lifetime, ENN_SRTP_RTCP_LIFETIME);
	enum enn_status status =
		enn_ctr_hmac_new(s->env, s->suite->key_len, false, from->key, &m->prf);
	/* The first keys of each kind, so that packets find them; all sets' memory with a rate. */
	for (unsigned i = 0; status == ENN_OK && i < 2 * (s->kdr == 0 ? 1 : KEY_SETS); i++) {
		status = srtp_keys_make(s, m, i & 1, (uint64_t)(i / 2) << s->kdr, &keys);
	}
	if (status != ENN_OK) {
		srtp_master_free(s, m);
		return status;
	}
	*out = m;
	return ENN_OK;
}
