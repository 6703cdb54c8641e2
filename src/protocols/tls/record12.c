/* SPDX-License-Identifier: Apache-2.0
 *
 * Record protection of TLS 1.2: AES-GCM (RFC 5288), ChaCha20-Poly1305 (RFC 7905), and CBC with the MAC over
 * the ciphertext (RFC 7366), which crypto/cbc_hmac.c presents as one more AEAD; and the keys that begin with
 * change_cipher_spec (RFC 5246 §6.3, §7.1).
 */
#include "protocols/tls/internal.h"

/* ---- nonces and additional data ---------------------------------------------------------------- */

static void write_u64(uint8_t out[8], uint64_t value)
{
	for (size_t i = 0; i < 8; i++) {
		out[i] = (uint8_t)(value >> (56 - 8 * i));
	}
}

/* RFC 5246 §6.2.3.3: seq_num + type + version + length. The header gives type and version. */
static void write_aad(uint8_t aad[ENN_TLS_12_AAD], uint64_t sequence, const uint8_t *header,
		      size_t len)
{
	write_u64(aad, sequence);
	memcpy(aad + 8, header, 3);
	aad[11] = (uint8_t)(len >> 8);
	aad[12] = (uint8_t)len;
}

/* RFC 5288 §3: the salt out of the key block, then what the record says: here the sequence number, as RFC 9325
 * §7.2.1 wants it. */
static void gcm_nonce(uint8_t *nonce, const struct enn_tls_keys *keys, const uint8_t *explicit)
{
	memcpy(nonce, keys->iv, 4);
	memcpy(nonce + 4, explicit, ENN_TLS_EXPLICIT);
}

/* ---- sealing ------------------------------------------------------------------------------------ */

static size_t size_aead(const struct enn_tls_keys *keys, size_t len, size_t padding)
{
	(void)padding;
	return keys->protection->prefix + len + ENN_TLS_TAG;
}

static size_t fits_aead(const struct enn_tls_keys *keys, size_t room)
{
	size_t overhead = keys->protection->prefix + ENN_TLS_TAG;

	return room > overhead ? room - overhead : 0;
}

static enum enn_status plan_aead(struct enn_tls_keys *keys, const struct enn_env *env,
				 struct enn_tls_sealing *s, uint8_t *record, uint8_t type,
				 const uint8_t *in, size_t len, size_t padding)
{
	size_t prefix = keys->protection->prefix;

	(void)env;
	(void)padding;
	enn_tls_write_header(record, type, ENN_TLS_1_2,
			     prefix - ENN_TLS_HEADER + len + ENN_TLS_TAG);
	write_aad(s->aad, keys->sequence, record, len);
	if (prefix > ENN_TLS_HEADER) {
		write_u64(record + ENN_TLS_HEADER, keys->sequence);
		gcm_nonce(s->nonce, keys, record + ENN_TLS_HEADER);
	} else {
		enn_aead_nonce(s->nonce, keys->iv, keys->sequence);
	}
	keys->sequence++;
	s->job = (struct enn_aead_job){
		.nonce = s->nonce,
		.aad = s->aad,
		.aad_len = ENN_TLS_12_AAD,
		.in = in,
		.in_len = len,
		.out = record + prefix,
	};
	return ENN_OK;
}

/* At least one byte of padding: what says how much there is (RFC 5246 §6.2.3.2). */
static size_t cbc_padding(size_t len)
{
	return ENN_TLS_BLOCK - len % ENN_TLS_BLOCK;
}

static size_t size_cbc(const struct enn_tls_keys *keys, size_t len, size_t padding)
{
	(void)padding;
	return keys->protection->prefix + len + cbc_padding(len) +
	       enn_aead_algorithm(keys->aead)->tag_len;
}

static size_t fits_cbc(const struct enn_tls_keys *keys, size_t room)
{
	size_t overhead = keys->protection->prefix + enn_aead_algorithm(keys->aead)->tag_len;

	if (room < overhead + ENN_TLS_BLOCK) {
		return 0;
	}
	return (room - overhead) / ENN_TLS_BLOCK * ENN_TLS_BLOCK - 1;
}

static enum enn_status plan_cbc(struct enn_tls_keys *keys, const struct enn_env *env,
				struct enn_tls_sealing *s, uint8_t *record, uint8_t type,
				const uint8_t *in, size_t len, size_t padding)
{
	size_t fill = cbc_padding(len);
	size_t mac_len = enn_aead_algorithm(keys->aead)->tag_len;
	size_t covered = ENN_TLS_BLOCK + len + fill;

	(void)padding;
	/* an initialisation vector that nobody can foretell */
	ENN_TRY(enn_random(env, s->nonce, ENN_TLS_BLOCK));
	memcpy(record + ENN_TLS_HEADER, s->nonce, ENN_TLS_BLOCK);
	enn_tls_write_header(record, type, ENN_TLS_1_2, covered + mac_len);
	write_aad(s->aad, keys->sequence++, record, covered);
	memset(s->trailer, (int)(fill - 1), fill);
	s->job = (struct enn_aead_job){
		.nonce = s->nonce,
		.aad = s->aad,
		.aad_len = ENN_TLS_12_AAD,
		.in = in,
		.in_len = len,
		.trailer = s->trailer,
		.trailer_len = fill,
		.out = record + keys->protection->prefix,
	};
	return ENN_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static bool fail(uint8_t *alert, enum enn_alert with)
{
	*alert = (uint8_t)with;
	return false;
}

static bool within_limit(const struct enn_tls_keys *keys, size_t len)
{
	return len <= (keys->limit != 0 ? keys->limit : ENN_TLS_MAX_PLAINTEXT);
}

static bool open_aead(struct enn_tls_keys *keys, uint8_t *record, size_t record_len, uint8_t *type,
		      uint8_t **content, size_t *len, uint8_t *alert)
{
	size_t prefix = keys->protection->prefix;
	uint8_t nonce[ENN_TLS_MAX_NONCE];
	uint8_t aad[ENN_TLS_12_AAD];

	if (record_len < prefix + ENN_TLS_TAG) {
		return fail(alert, ENN_ALERT_BAD_RECORD_MAC);
	}
	size_t plain = record_len - prefix - ENN_TLS_TAG;
	write_aad(aad, keys->sequence, record, plain);
	if (prefix > ENN_TLS_HEADER) {
		gcm_nonce(nonce, keys, record + ENN_TLS_HEADER);
	} else {
		enn_aead_nonce(nonce, keys->iv, keys->sequence);
	}
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = aad,
		.aad_len = sizeof(aad),
		.in = record + prefix,
		.in_len = record_len - prefix,
		.out = record + prefix,
	};
	if (enn_aead_open(keys->aead, &job) != ENN_OK) {
		return fail(alert, ENN_ALERT_BAD_RECORD_MAC);
	}
	keys->sequence++;
	if (!within_limit(keys, plain)) {
		return fail(alert, ENN_ALERT_RECORD_OVERFLOW);
	}
	*type = record[0];
	*content = record + prefix;
	*len = plain;
	return true;
}

/* RFC 5246 §6.2.3.2. The MAC was good: whoever made the padding has the keys, nothing is to be hidden. */
static bool strip_padding(const uint8_t *plain, size_t *len)
{
	size_t fill = plain[*len - 1] + 1u;

	if (fill > *len) {
		return false;
	}
	for (size_t i = *len - fill; i < *len; i++) {
		if (plain[i] != fill - 1) {
			return false;
		}
	}
	*len -= fill;
	return true;
}

/* RFC 8449 §4.1: no more padding than the longest record needs. */
static bool padded_too_long(const struct enn_tls_keys *keys, size_t padded)
{
	return keys->limit != 0 && padded > keys->limit + cbc_padding(keys->limit);
}

static bool open_cbc(struct enn_tls_keys *keys, uint8_t *record, size_t record_len, uint8_t *type,
		     uint8_t **content, size_t *len, uint8_t *alert)
{
	size_t prefix = keys->protection->prefix;
	size_t mac_len = enn_aead_algorithm(keys->aead)->tag_len;
	uint8_t nonce[ENN_TLS_BLOCK];
	uint8_t aad[ENN_TLS_12_AAD];

	if (record_len < prefix + ENN_TLS_BLOCK + mac_len) {
		return fail(alert, ENN_ALERT_BAD_RECORD_MAC);
	}
	size_t plain = record_len - prefix - mac_len;
	memcpy(nonce, record + ENN_TLS_HEADER, sizeof(nonce));
	write_aad(aad, keys->sequence, record, ENN_TLS_BLOCK + plain);
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = aad,
		.aad_len = sizeof(aad),
		.in = record + prefix,
		.in_len = record_len - prefix,
		.out = record + prefix,
	};
	if (enn_aead_open(keys->aead, &job) != ENN_OK) {
		return fail(alert, ENN_ALERT_BAD_RECORD_MAC);
	}
	keys->sequence++;
	if (padded_too_long(keys, plain)) {
		return fail(alert, ENN_ALERT_RECORD_OVERFLOW);
	}
	if (!strip_padding(record + prefix, &plain)) {
		return fail(alert, ENN_ALERT_BAD_RECORD_MAC);
	}
	if (!within_limit(keys, plain)) {
		return fail(alert, ENN_ALERT_RECORD_OVERFLOW);
	}
	*type = record[0];
	*content = record + prefix;
	*len = plain;
	return true;
}

const struct enn_tls_protection enn_tls_protection_12_gcm = {
	.version = ENN_TLS_1_2,
	.prefix = ENN_TLS_HEADER + ENN_TLS_EXPLICIT,
	.longest_body = ENN_TLS_12_MAX_BODY,
	.size = size_aead,
	.fits = fits_aead,
	.plan = plan_aead,
	.open = open_aead,
};

const struct enn_tls_protection enn_tls_protection_12_chacha = {
	.version = ENN_TLS_1_2,
	.prefix = ENN_TLS_HEADER,
	.longest_body = ENN_TLS_12_MAX_BODY,
	.size = size_aead,
	.fits = fits_aead,
	.plan = plan_aead,
	.open = open_aead,
};

const struct enn_tls_protection enn_tls_protection_12_cbc = {
	.version = ENN_TLS_1_2,
	.prefix = ENN_TLS_HEADER + ENN_TLS_BLOCK,
	.longest_body = ENN_TLS_12_MAX_BODY,
	.size = size_cbc,
	.fits = fits_cbc,
	.plan = plan_cbc,
	.open = open_cbc,
};

/* ---- keys ---------------------------------------------------------------------------------------------- */

static const struct enn_tls_protection *protection_of(enum enn_aead_id id)
{
	if (id >= ENN_AEAD_COUNT) {
		return &enn_tls_protection_12_cbc;
	}
	return id == ENN_AEAD_CHACHA20_POLY1305 ? &enn_tls_protection_12_chacha
						: &enn_tls_protection_12_gcm;
}

static enum enn_status make_keys(const struct enn_env *env, enum enn_direction direction,
				 const struct enn_tls12_keys *from, struct enn_tls_keys *out)
{
	uint8_t key[ENN_MAX_AEAD_KEY + ENN_MAX_HASH];
	struct enn_writer w = enn_writer_of(key, sizeof(key));

	enn_write_bytes(&w, from->key.data, from->key.len);
	enn_write_bytes(&w, from->mac.data, from->mac.len);
	enum enn_status status = enn_aead_new(
		env, enn_aead_alg(from->suite->aead),
		direction == ENN_DIRECTION_SEND ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, key, &out->aead);
	enn_wipe(key, sizeof(key));
	if (status != ENN_OK) {
		return status;
	}
	if (from->iv.len > 0) {
		memcpy(out->iv, from->iv.data,
		       from->iv.len < sizeof(out->iv) ? from->iv.len : sizeof(out->iv));
	}
	out->protection = protection_of(from->suite->aead);
	out->level = ENN_LEVEL_APPLICATION;
	return ENN_OK;
}

enum enn_status enn_tls_set_keys12(struct enn_handshake_carrier *c, enum enn_direction direction,
				   const struct enn_tls12_keys *keys)
{
	struct enn_tls *t = enn_tls_of(c);
	struct enn_tls_keys made = {.protection = NULL};

	if (direction == ENN_DIRECTION_SEND) {
		ENN_TRY(make_keys(c->env, direction, keys, &made));
		enum enn_status status = enn_tls_flush(t);
		if (status == ENN_OK) {
			status = enn_tls_write_ccs(t);
		}
		if (status != ENN_OK) {
			enn_aead_free(c->env, made.aead);
			return status;
		}
		enn_aead_free(c->env, t->send.aead);
		t->send = made;
		enn_wipe(&made, sizeof(made));
		return ENN_OK;
	}
	enn_tls_drop_waiting(t);
	t->waiting = enn_alloc(c->env, sizeof(*t->waiting));
	if (t->waiting == NULL) {
		return ENN_E_MEMORY;
	}
	return make_keys(c->env, direction, keys, t->waiting);
}

void enn_tls_drop_waiting(struct enn_tls *t)
{
	if (t->waiting != NULL) {
		enn_aead_free(t->carrier.env, t->waiting->aead);
		enn_free_secret(t->carrier.env, t->waiting, sizeof(*t->waiting));
		t->waiting = NULL;
	}
}

bool enn_tls_switch_keys12(struct enn_tls *t)
{
	if (t->waiting == NULL) {
		return false;
	}
	enn_aead_free(t->carrier.env, t->receive.aead);
	t->receive = *t->waiting;
	t->waiting->aead = NULL;
	enn_tls_drop_waiting(t);
	return true;
}
