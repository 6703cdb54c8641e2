/* SPDX-License-Identifier: Apache-2.0
 *
 * Record protection of TLS 1.3 and its keys (RFC 8446 §5.2, §5.3, §7.2, §7.3), and what is the same in all
 * versions.
 */
#include "features/padding.h"
#include "protocols/tls/internal.h"

/* Content type application_data and the zeros of padding behind it, as the trailer of a sealed record. */
static const uint8_t application_trailer[1 + ENN_TLS_MAX_PLAINTEXT] = {ENN_TLS_APPLICATION_DATA};

/* ---- keys ------------------------------------------------------------------------------------- */

static enum enn_status set_keys(struct enn_tls *t, struct enn_tls_keys *keys,
				enum enn_aead_direction direction,
				const struct enn_tls_suite *suite)
{
	const struct enn_aead_alg *alg = enn_aead_alg(suite->aead);
	uint8_t key[ENN_MAX_AEAD_KEY];
	enum enn_status status;

	enn_traffic_keys(enn_label_tls13, enn_hash_alg(suite->hash), keys->secret, key,
			 alg->key_len, keys->iv);
	if (keys->aead != NULL && enn_aead_algorithm(keys->aead) == alg) {
		status = enn_aead_rekey(keys->aead, key);
	} else {
		enn_aead_free(t->carrier.env, keys->aead);
		keys->aead = NULL;
		keys->protection = NULL;
		status = enn_aead_new(t->carrier.env, alg, direction, key, &keys->aead);
	}
	enn_wipe(key, sizeof(key));
	keys->sequence = 0;
	if (keys->aead != NULL) {
		keys->protection = &enn_tls_protection_13;
	}
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

	enn_traffic_secret_update(enn_label_tls13, enn_hash_alg(suite->hash), keys->secret);
	keys->generation++;
	return set_keys(t, keys, keys == &t->send ? ENN_AEAD_SEAL : ENN_AEAD_OPEN, suite);
}

/* ---- all versions ------------------------------------------------------------------------------ */

void enn_tls_write_header(uint8_t header[ENN_TLS_HEADER], uint8_t type, uint16_t version,
			  size_t length)
{
	struct enn_writer w = enn_writer_of(header, ENN_TLS_HEADER);
	enn_write_u8(&w, type);
	enn_write_u16(&w, version);
	enn_write_u16(&w, (uint16_t)length);
}

/* The longest plaintext of a protected record that goes out now, as RFC 8449 §4 counts it. */
static size_t plaintext_limit(const struct enn_tls *t)
{
	size_t most = ENN_TLS_MAX_PLAINTEXT + (t->send.protection->typed ? 1u : 0u);
	size_t limit = enn_tls_limit(&t->send, t->carrier.result.send_limit);

	return limit != 0 && limit < most ? limit : most;
}

size_t enn_tls_most_content(const struct enn_tls *t)
{
	size_t most = (size_t)t->carrier.security->value[ENN_SECURITY_MAX_RECORD];

	if (t->send.protection != NULL) {
		size_t limit = plaintext_limit(t) - (t->send.protection->typed ? 1 : 0);
		most = limit < most ? limit : most;
	} else if (t->carrier.result.max_fragment_length != 0 &&
		   t->carrier.result.max_fragment_length < most) {
		most = t->carrier.result.max_fragment_length;
	}
	return most;
}

size_t enn_tls_padding(const struct enn_tls *t, size_t len)
{
	uint64_t multiple = t->carrier.security->value[ENN_SECURITY_PADDING];

	if (!t->send.protection->pads) {
		return 0;
	}
	/* the content type counts as content here: it is hidden too */
	return enn_padded_length(len + 1, (size_t)multiple, plaintext_limit(t)) - (len + 1);
}

size_t enn_tls_seal_in_place(struct enn_tls_keys *keys, const struct enn_env *env, uint8_t type,
			     uint8_t *record, size_t len, size_t padding)
{
	struct enn_tls_sealing s;
	size_t total = keys->protection->size(keys, len, padding);
	enum enn_status status = keys->protection->plan(
		keys, env, &s, record, type, record + keys->protection->prefix, len, padding);

	if (status != ENN_OK || enn_aead_seal(keys->aead, &s.job) != ENN_OK) {
		return 0;
	}
	return total;
}

bool enn_tls_open_record(struct enn_tls_keys *keys, uint8_t *record, size_t record_len,
			 uint8_t *type, uint8_t **content, size_t *len, uint8_t *alert)
{
	return keys->protection->open(keys, record, record_len, type, content, len, alert);
}

/* ---- TLS 1.3 --------------------------------------------------------------------------------------- */

static size_t size_13(const struct enn_tls_keys *keys, size_t len, size_t padding)
{
	(void)keys;
	return ENN_TLS_OVERHEAD + len + padding;
}

static size_t fits_13(const struct enn_tls_keys *keys, size_t room)
{
	(void)keys;
	return room > ENN_TLS_OVERHEAD ? room - ENN_TLS_OVERHEAD : 0;
}

static enum enn_status plan_13(struct enn_tls_keys *keys, const struct enn_env *env,
			       struct enn_tls_sealing *s, uint8_t *record, uint8_t type,
			       const uint8_t *in, size_t len, size_t padding)
{
	uint8_t *out = record + ENN_TLS_HEADER;
	size_t inner = len + 1 + padding;

	(void)env;
	enn_tls_write_header(record, ENN_TLS_APPLICATION_DATA, ENN_TLS_1_2, inner + ENN_TLS_TAG);
	enn_aead_nonce(s->nonce, keys->iv, keys->sequence++);
	s->job = (struct enn_aead_job){
		.nonce = s->nonce,
		.aad = record,
		.aad_len = ENN_TLS_HEADER,
		.in = in,
		.in_len = len,
		.out = out,
	};
	if (type == ENN_TLS_APPLICATION_DATA) {
		s->job.trailer = application_trailer;
		s->job.trailer_len = 1 + padding;
	} else {
		out[len] = type;
		memset(out + len + 1, 0, padding);
		s->job.in_len = inner;
	}
	return ENN_OK;
}

static bool open_13(struct enn_tls_keys *keys, uint8_t *record, size_t record_len, uint8_t *type,
		    uint8_t **content, size_t *len, uint8_t *alert)
{
	uint8_t nonce[12];
	uint8_t *body = record + ENN_TLS_HEADER;
	size_t body_len = record_len - ENN_TLS_HEADER;
	size_t most = keys->limit != 0 ? keys->limit : ENN_TLS_MAX_PLAINTEXT + 1u;

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
	if (inner > most) { /* §5.4, RFC 8449 §4: with content type and padding */
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

const struct enn_tls_protection enn_tls_protection_13 = {
	.version = ENN_TLS_1_3,
	.pads = true,
	.typed = true,
	.prefix = ENN_TLS_HEADER,
	.longest_body = ENN_TLS_MAX_PLAINTEXT + ENN_TLS_MAX_EXPANSION,
	.size = size_13,
	.fits = fits_13,
	.plan = plan_13,
	.open = open_13,
};
