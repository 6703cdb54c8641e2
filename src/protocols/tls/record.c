/* SPDX-License-Identifier: Apache-2.0
 *
 * Record protection and its keys (RFC 8446 §5.2, §5.3, §7.2, §7.3).
 */
#include "features/padding.h"
#include "protocols/tls/internal.h"

static enum enn_status set_keys(struct enn_tls *t, struct enn_tls_keys *keys,
				enum enn_aead_direction direction,
				const struct enn_tls_suite *suite)
{
	const struct enn_aead_alg *alg = enn_aead_alg(suite->aead);
	uint8_t key[ENN_MAX_AEAD_KEY];
	enum enn_status status;

	enn_traffic_keys(enn_hash_alg(suite->hash), keys->secret, key, alg->key_len, keys->iv);
	if (keys->aead != NULL && enn_aead_algorithm(keys->aead) == alg) {
		status = enn_aead_rekey(keys->aead, key);
	} else {
		enn_aead_free(t->carrier.env, keys->aead);
		keys->aead = NULL;
		status = enn_aead_new(t->carrier.env, alg, direction, key, &keys->aead);
	}
	enn_wipe(key, sizeof(key));
	keys->sequence = 0;
	return status;
}

enum enn_status enn_tls_set_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				   enum enn_level level, const struct enn_tls_suite *suite,
				   const uint8_t *secret)
{
	struct enn_tls *t = enn_tls_of(c);
	bool send = direction == ENN_DIRECTION_SEND;
	struct enn_tls_keys *keys = send ? &t->send : &t->receive;

	if (send) {
		ENN_TRY(enn_tls_flush(t));
		/* §D.4: the client's dummy change_cipher_spec goes before its first protected record */
		if (!c->result.server && c->result.middlebox_compatible && !t->ccs_sent) {
			ENN_TRY(enn_tls_write_ccs(t));
		}
	}
	memcpy(keys->secret, secret, enn_hash_alg(suite->hash)->len);
	keys->level = level;
	return set_keys(t, keys, send ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, suite);
}

enum enn_status enn_tls_update_keys(struct enn_tls *t, struct enn_tls_keys *keys)
{
	const struct enn_tls_suite *suite = t->carrier.result.suite;

	enn_traffic_secret_update(enn_hash_alg(suite->hash), keys->secret);
	keys->generation++;
	return set_keys(t, keys, keys == &t->send ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, suite);
}

void enn_tls_write_header(uint8_t header[ENN_TLS_HEADER], uint8_t type, uint16_t version,
			  size_t length)
{
	struct enn_writer w = enn_writer_of(header, ENN_TLS_HEADER);
	enn_write_u8(&w, type);
	enn_write_u16(&w, version);
	enn_write_u16(&w, (uint16_t)length);
}

size_t enn_tls_padding(uint64_t multiple, size_t len)
{
	/* the content type counts as content here: it is hidden too */
	return enn_padded_length(len + 1, (size_t)multiple, ENN_TLS_MAX_PLAINTEXT + 1) - (len + 1);
}

size_t enn_tls_seal_in_place(struct enn_tls_keys *keys, uint8_t type, uint8_t *record, size_t len,
			     size_t padding)
{
	uint8_t nonce[12];
	uint8_t *content = record + ENN_TLS_HEADER;
	size_t inner = len + 1 + padding;

	content[len] = type;
	memset(content + len + 1, 0, padding);
	enn_tls_write_header(record, ENN_TLS_APPLICATION_DATA, ENN_TLS_1_2, inner + ENN_TLS_TAG);
	enn_aead_nonce(nonce, keys->iv, keys->sequence);
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = record,
		.aad_len = ENN_TLS_HEADER,
		.in = content,
		.in_len = inner,
		.out = content,
	};
	if (enn_aead_seal(keys->aead, &job) != ENN_OK) {
		return 0;
	}
	keys->sequence++;
	return ENN_TLS_HEADER + inner + ENN_TLS_TAG;
}

bool enn_tls_open_record(struct enn_tls_keys *keys, uint8_t *record, size_t record_len,
			 uint8_t *type, uint8_t **content, size_t *len, uint8_t *alert)
{
	uint8_t nonce[12];
	uint8_t *body = record + ENN_TLS_HEADER;
	size_t body_len = record_len - ENN_TLS_HEADER;

	if (body_len <= ENN_TLS_TAG) {
		*alert = ENN_ALERT_BAD_RECORD_MAC;
		return false;
	}
	enn_aead_nonce(nonce, keys->iv, keys->sequence);
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = record,
		.aad_len = ENN_TLS_HEADER,
		.in = body,
		.in_len = body_len,
		.out = body,
	};
	if (enn_aead_open(keys->aead, &job) != ENN_OK) {
		*alert = ENN_ALERT_BAD_RECORD_MAC;
		return false;
	}
	keys->sequence++;
	size_t inner = body_len - ENN_TLS_TAG;
	if (inner > ENN_TLS_MAX_PLAINTEXT + 1) { /* §5.4 */
		*alert = ENN_ALERT_RECORD_OVERFLOW;
		return false;
	}
	/* §5.4: the content type is the last byte that is not zero. */
	while (inner > 0 && body[inner - 1] == 0) {
		inner--;
	}
	if (inner == 0) {
		*alert = ENN_ALERT_UNEXPECTED_MESSAGE;
		return false;
	}
	*type = body[inner - 1];
	*content = body;
	*len = inner - 1;
	return true;
}
