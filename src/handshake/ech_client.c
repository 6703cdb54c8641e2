/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello, the client's side (RFC 9849 §6).
 */
#include "features/ech.h"

#include "handshake/ech.h"

#define GREASE_SLACK                                                                               \
	32 /* payloads of GREASE are multiples of this, as padded hellos are (§6.1.3) */

enum enn_ech_state enn_ech_state(const struct enn_handshake *hs)
{
	return hs->ech == NULL ? ENN_ECH_NONE : hs->ech->state;
}

void enn_ech_free(struct enn_handshake *hs)
{
	struct enn_ech *ech = hs->ech;

	if (ech != NULL) {
		enn_hpke_free(ech->hpke);
		enn_free(hs->env, ech->extension, ech->extension_len);
		enn_free(hs->env, ech->retry, ech->retry_len);
		enn_free_secret(hs->env, ech->hello, ech->hello_len);
		enn_free_secret(hs->env, ech, sizeof(*ech));
		hs->ech = NULL;
	}
}

static enum enn_status failed(struct enn_handshake *hs, const char *what)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM,
				  "ClientHello.encrypted_client_hello", "%s", what);
}

static enum enn_status no_memory(struct enn_handshake *hs)
{
	return enn_handshake_no_memory(hs->c, "ClientHello.encrypted_client_hello");
}

/* ---- what is offered ------------------------------------------------------------------------- */

static enum enn_status offer(struct enn_handshake *hs, struct enn_ech *ech)
{
	const struct enn_security *s = hs->security;
	struct enn_bytes list = {s->ech.list, s->ech.list_len};
	struct enn_ech_config config;
	uint8_t info[ENN_HPKE_MAX_INFO];
	bool well_formed;

	if (!enn_ech_choose(list, &config, &ech->suite, &well_formed)) {
		return failed(hs, "no configuration for Encrypted ClientHello can be used");
	}
	struct enn_bytes given = {info, enn_ech_info(&config, info)};
	ech->config_id = config.config_id;
	ech->maximum_name_length = config.maximum_name_length;
	memcpy(ech->public_name, config.public_name.data, config.public_name.len);
	ech->enc_len = config.public_key.len;
	if (enn_random(hs->env, ech->inner_random, ENN_HS_RANDOM) != ENN_OK) {
		return failed(hs, "the random source failed");
	}
	enum enn_status status = enn_hpke_sender(hs->env, &ech->suite, config.public_key, given,
						 ech->enc, &ech->hpke);
	if (status != ENN_OK) {
		return status == ENN_E_MEMORY ? no_memory(hs)
					      : failed(hs, "encryption to the server's key failed");
	}
	ech->state = ENN_ECH_OFFERED;
	return ENN_OK;
}

/* §6.2: an extension that looks as if. The public key is 32 random bytes, which every X25519 key could be. */
static enum enn_status make_grease(struct enn_handshake *hs, struct enn_ech *ech)
{
	size_t hello = enn_client_hello_bound(hs) / 8; /* about as long as a real one */
	size_t payload = (hello / GREASE_SLACK) * GREASE_SLACK + ENN_HPKE_TAG;
	uint8_t drawn[2];

	if (enn_random(hs->env, drawn, sizeof(drawn)) != ENN_OK) {
		return failed(hs, "the random source failed");
	}
	payload += (size_t)(drawn[0] % 4) * GREASE_SLACK;
	ech->extension_len = 1 + 4 + 1 + 2 + 32 + 2 + payload;
	ech->extension = enn_alloc(hs->env, ech->extension_len);
	if (ech->extension == NULL) {
		return no_memory(hs);
	}
	struct enn_writer w = enn_writer_of(ech->extension, ech->extension_len);
	enn_write_u8(&w, ENN_ECH_OUTER);
	enn_write_u16(&w, 1); /* HKDF-SHA256 */
	enn_write_u16(&w, 1); /* AES-128-GCM */
	enn_write_u8(&w, drawn[1]);
	enn_write_u16(&w, 32);
	uint8_t *enc = enn_write_space(&w, 32);
	enn_write_u16(&w, (uint16_t)payload);
	uint8_t *text = enn_write_space(&w, payload);
	if (enn_random(hs->env, enc, 32) != ENN_OK ||
	    enn_random(hs->env, text, payload) != ENN_OK) {
		return failed(hs, "the random source failed");
	}
	ech->state = ENN_ECH_GREASED;
	return ENN_OK;
}

enum enn_status enn_ech_prepare(struct enn_handshake *hs)
{
	bool real = hs->security->ech.list_len > 0;

	if (!enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_VERSIONS),
			       ENN_TLS_1_3) ||
	    (!real && !enn_security_flag(hs->security, ENN_SECURITY_ECH_GREASE))) {
		return ENN_OK;
	}
	hs->ech = enn_alloc(hs->env, sizeof(*hs->ech));
	if (hs->ech == NULL) {
		return no_memory(hs);
	}
	return real ? offer(hs, hs->ech) : make_grease(hs, hs->ech);
}

bool enn_ech_wraps(const struct enn_handshake *hs)
{
	enum enn_ech_state state = enn_ech_state(hs);

	return state == ENN_ECH_OFFERED || state == ENN_ECH_ACCEPTED;
}

const struct enn_hash *enn_ech_transcript(const struct enn_handshake *hs,
					  const struct enn_hash_alg *hash)
{
	if (enn_ech_state(hs) == ENN_ECH_OFFERED) {
		return &hs->ech->inner[hash->id == ENN_HASH_SHA384 ? 1 : 0];
	}
	return enn_hs_transcript(hs, hash);
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* The outer extension with zeros for its payload. */
static void write_outer(const struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_ech *ech = hs->ech;

	enn_write_u8(w, ENN_ECH_OUTER);
	enn_write_u16(w, ech->suite.kdf);
	enn_write_u16(w, ech->suite.aead);
	enn_write_u8(w, ech->config_id);
	enn_write_vector(w, 2, ech->enc, ech->enc_len);
	enn_write_u16(w, (uint16_t)ech->payload_len);
	uint8_t *zeros = enn_write_space(w, ech->payload_len);
	if (zeros != NULL) {
		memset(zeros, 0, ech->payload_len);
	}
}

void enn_ech_write(struct enn_handshake *hs, struct enn_writer *w, enum enn_hello_form form)
{
	if (hs->ech == NULL) {
		return;
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_ENCRYPTED_CLIENT_HELLO);
	if (form == ENN_HELLO_INNER) {
		enn_write_u8(w, ENN_ECH_INNER);
	} else if (enn_ech_wraps(hs)) {
		write_outer(hs, w);
	} else { /* GREASE, or after a refusal: as it was sent first */
		enn_write_bytes(w, hs->ech->extension, hs->ech->extension_len);
	}
	enn_write_end(w, data, 2);
}

/* The extensions that write_extensions keeps together; they are the same in both hellos. */
static bool is_shared(uint16_t type)
{
	switch (type) {
	case ENN_EXT_SUPPORTED_GROUPS:
	case ENN_EXT_SIGNATURE_ALGORITHMS:
	case ENN_EXT_SIGNATURE_ALGORITHMS_CERT:
	case ENN_EXT_SUPPORTED_VERSIONS:
	case ENN_EXT_COOKIE:
	case ENN_EXT_KEY_SHARE:
	case ENN_EXT_PSK_KEY_EXCHANGE_MODES:
	case ENN_EXT_STATUS_REQUEST:
	case ENN_EXT_COMPRESS_CERTIFICATE:
		return true;
	default:
		return false;
	}
}

/* One run of shared extensions becomes ech_outer_extensions (§5.1). */
static void encode_extensions(struct enn_reader *list, struct enn_writer *w)
{
	uint16_t types[16];
	size_t count = 0;
	bool told = false;

	while (enn_reader_left(list) > 0) {
		uint16_t type = enn_read_u16(list);
		struct enn_bytes data = enn_read_vector(list, 2, 0, UINT16_MAX);
		if (is_shared(type) && !told && count < ENN_ARRAY_LEN(types)) {
			types[count++] = type;
			continue;
		}
		if (count > 0 && !told) {
			told = true;
			enn_write_u16(w, ENN_EXT_ECH_OUTER_EXTENSIONS);
			size_t mark = enn_write_begin(w, 2);
			size_t codes = enn_write_begin(w, 1);
			for (size_t i = 0; i < count; i++) {
				enn_write_u16(w, types[i]);
			}
			enn_write_end(w, codes, 1);
			enn_write_end(w, mark, 2);
		}
		enn_write_u16(w, type);
		enn_write_vector(w, 2, data.data, data.len);
	}
	if (count > 0 && !told) {
		enn_write_u16(w, ENN_EXT_ECH_OUTER_EXTENSIONS);
		enn_write_u16(w, (uint16_t)(1 + 2 * count));
		enn_write_u8(w, (uint8_t)(2 * count));
		for (size_t i = 0; i < count; i++) {
			enn_write_u16(w, types[i]);
		}
	}
}

/* §6.1.3: for the name as far as the server says, then to a multiple of 32. */
static size_t padding(const struct enn_handshake *hs, size_t len)
{
	const char *name = hs->c->result.server_name;
	size_t name_len = name == NULL ? 0 : strlen(name);
	size_t most = hs->ech->maximum_name_length;
	size_t n = name_len == 0 ? most + 9 : most > name_len ? most - name_len : 0;

	return n + 31 - (len + n - 1) % 32;
}

/* EncodedClientHelloInner (§5.1) of an inner hello (with its header) into w: no session id, the shared
 * extensions by name, padding. */
static void encode(const struct enn_handshake *hs, struct enn_bytes hello, struct enn_writer *w)
{
	struct enn_reader r = enn_reader_of(hello.data, hello.len);

	(void)enn_read_bytes(&r, ENN_HS_HEADER);
	struct enn_bytes head = enn_read_bytes(&r, 2 + ENN_HS_RANDOM);
	(void)enn_read_vector(&r, 1, 0, ENN_HS_MAX_SESSION_ID);
	struct enn_bytes suites = enn_read_vector(&r, 2, 2, UINT16_MAX);
	struct enn_bytes compression = enn_read_vector(&r, 1, 1, 255);
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);

	enn_write_bytes(w, head.data, head.len);
	enn_write_u8(w, 0);
	enn_write_vector(w, 2, suites.data, suites.len);
	enn_write_vector(w, 1, compression.data, compression.len);
	size_t extensions = enn_write_begin(w, 2);
	encode_extensions(&list, w);
	enn_write_end(w, extensions, 2);
	size_t zeros = padding(hs, enn_writer_len(w));
	uint8_t *at = enn_write_space(w, zeros);
	if (at != NULL) {
		memset(at, 0, zeros);
	}
}

/* Where the payload of an outer hello is. */
static uint8_t *payload_of(struct enn_writer *hello, size_t *len)
{
	struct enn_bytes body = {hello->start + ENN_HS_HEADER,
				 enn_writer_len(hello) - ENN_HS_HEADER};
	struct enn_client_hello ch;
	struct enn_fault fault;

	if (!enn_parse_client_hello(body, false, &ch, &fault)) {
		return NULL;
	}
	struct enn_bytes data = ch.views.data[ENN_VIEW_ENCRYPTED_CLIENT_HELLO];
	struct enn_reader r = enn_reader_of(data.data, data.len);
	(void)enn_read_bytes(&r, 6);
	(void)enn_read_vector(&r, 2, 0, UINT16_MAX);
	struct enn_bytes payload = enn_read_vector(&r, 2, 1, UINT16_MAX);
	*len = payload.len;
	return payload.data == NULL ? NULL : hello->start + (payload.data - hello->start);
}

static enum enn_status keep_extension(struct enn_handshake *hs, const uint8_t *payload,
				      size_t payload_len)
{
	size_t head = 1 + 4 + 1 + 2 + hs->ech->enc_len + 2;
	struct enn_bytes extension = {payload - head, head + payload_len};

	return enn_hs_copy(hs->env, &hs->ech->extension, &hs->ech->extension_len, extension) ==
			       ENN_OK
		       ? ENN_OK
		       : no_memory(hs);
}

/* The outer hello around what was encoded. */
static enum enn_status send_outer(struct enn_handshake *hs, struct enn_bytes encoded, bool first)
{
	struct enn_hs_out out;
	size_t len = 0;

	hs->ech->payload_len = encoded.len + ENN_HPKE_TAG;
	enum enn_status status = enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CLIENT_HELLO,
					      enn_client_hello_bound(hs) + encoded.len + 128);
	if (status == ENN_OK) {
		status = enn_client_hello_write(hs, &out, ENN_HELLO_OUTER);
	}
	ENN_TRY(status);
	uint8_t *payload = payload_of(&out.w, &len);
	struct enn_bytes aad = {out.w.start + ENN_HS_HEADER,
				enn_writer_len(&out.w) - ENN_HS_HEADER};
	if (payload == NULL || len != encoded.len + ENN_HPKE_TAG) {
		return failed(hs, "the outer hello cannot be written");
	}
	/* The payload is still zeros: that is what is authenticated (§5.2). Sealed aside, because it is
	 * inside the additional data. */
	uint8_t *sealed = enn_alloc(hs->env, len);
	if (sealed == NULL) {
		return no_memory(hs);
	}
	status = enn_hpke_seal(hs->ech->hpke, aad, encoded, sealed);
	memcpy(payload, sealed, len);
	enn_free(hs->env, sealed, len);
	if (status != ENN_OK) {
		return failed(hs, "encryption of the inner hello failed");
	}
	if (first) {
		ENN_TRY(keep_extension(hs, payload, len));
		enn_hs_commit_raw(hs, &out);
		return ENN_OK;
	}
	hs->c->ops->commit(hs->c, out.level, out.type, enn_writer_len(&out.w));
	return ENN_OK;
}

/* The inner hello joins the transcript that it is for. */
static void add_inner(struct enn_handshake *hs, struct enn_bytes hello, bool first)
{
	if (!first) {
		enn_hs_transcript_add(hs, hello.data, hello.len);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		hs->ech->inner[i] = hs->transcript[i];
		enn_hash_update(&hs->ech->inner[i], hello.data, hello.len);
	}
}

enum enn_status enn_ech_send(struct enn_handshake *hs)
{
	bool first = hs->ech->state == ENN_ECH_OFFERED;
	size_t cap = enn_client_hello_bound(hs) + 1024;
	uint8_t *room = enn_alloc(hs->env, 2 * cap);
	struct enn_hs_out inner = {.type = ENN_HS_CLIENT_HELLO};

	if (room == NULL) {
		return no_memory(hs);
	}
	if (!first) {
		hs->ech->enc_len = 0; /* §6.1.5: the context goes on */
	}
	inner.w = enn_writer_of(room, cap);
	enn_write_u8(&inner.w, ENN_HS_CLIENT_HELLO);
	(void)enn_write_begin(&inner.w, 3);
	enum enn_status status = enn_client_hello_write(hs, &inner, ENN_HELLO_INNER);
	if (status == ENN_OK) {
		struct enn_bytes hello = {room, enn_writer_len(&inner.w)};
		struct enn_writer w = enn_writer_of(room + cap, cap);
		encode(hs, hello, &w);
		struct enn_bytes encoded = {room + cap, enn_writer_len(&w)};
		add_inner(hs, hello, first);
		status = enn_writer_ok(&w) ? send_outer(hs, encoded, first)
					   : failed(hs, "the inner hello is too large");
	}
	enn_free_secret(hs->env, room, 2 * cap);
	return status;
}

/* ---- the server's verdict ------------------------------------------------------------------------- */

void enn_ech_confirmation(const struct enn_handshake *hs, const struct enn_hash *transcript,
			  const struct enn_hash_alg *alg, const uint8_t *inner_random,
			  const char *label, struct enn_bytes message, size_t at,
			  uint8_t out[ENN_ECH_CONFIRMATION])
{
	static const uint8_t zeros[ENN_ECH_CONFIRMATION];
	struct enn_hash hash = *transcript;
	uint8_t digest[ENN_MAX_HASH];
	uint8_t secret[ENN_MAX_HASH];

	(void)hs;
	enn_hash_update(&hash, message.data, at);
	enn_hash_update(&hash, zeros, sizeof(zeros));
	enn_hash_update(&hash, message.data + at + sizeof(zeros), message.len - at - sizeof(zeros));
	enn_hash_final(&hash, digest);
	enn_hkdf_extract(alg, NULL, 0, inner_random, ENN_HS_RANDOM, secret);
	enn_hkdf_expand_label(alg, secret, "tls13 ", label, digest, alg->len, out,
			      ENN_ECH_CONFIRMATION);
	enn_wipe(secret, sizeof(secret));
}

static void accept_inner(struct enn_handshake *hs)
{
	hs->ech->state = ENN_ECH_ACCEPTED;
	hs->transcript[0] = hs->ech->inner[0];
	hs->transcript[1] = hs->ech->inner[1];
	memcpy(hs->random, hs->ech->inner_random, ENN_HS_RANDOM);
}

/* §6.1.6, §6.1.2: no PSK was offered to that server, and early data is not its business. */
static void reject_inner(struct enn_handshake *hs)
{
	hs->ech->state = ENN_ECH_REJECTED;
	hs->psk_count = 0;
}

static enum enn_status decide_retry(struct enn_handshake *hs, const struct enn_hash_alg *hash,
				    const struct enn_server_hello *sh, struct enn_bytes message)
{
	struct enn_bytes sent = sh->views.data[ENN_VIEW_ENCRYPTED_CLIENT_HELLO];
	struct enn_hash transcript = hs->ech->inner[hash->id == ENN_HASH_SHA384 ? 1 : 0];
	uint8_t head[ENN_HS_HEADER] = {ENN_HS_MESSAGE_HASH, 0, 0, hash->len};
	uint8_t first[ENN_MAX_HASH];
	uint8_t expected[ENN_ECH_CONFIRMATION];

	if (!enn_views_have(&sh->views, ENN_VIEW_ENCRYPTED_CLIENT_HELLO)) {
		if (hs->ech->state == ENN_ECH_OFFERED) {
			reject_inner(hs);
		}
		return ENN_OK;
	}
	if (sent.len != ENN_ECH_CONFIRMATION) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "HelloRetryRequest.encrypted_client_hello",
					  "the confirmation is not of eight bytes");
	}
	if (hs->ech->state != ENN_ECH_OFFERED) {
		return ENN_OK; /* §6.2: GREASE ignores it */
	}
	enn_hash_final(&transcript, first); /* §4.4.1 of RFC 8446 */
	enn_hash_init(&transcript, hash);
	enn_hash_update(&transcript, head, sizeof(head));
	enn_hash_update(&transcript, first, hash->len);
	enn_ech_confirmation(hs, &transcript, hash, hs->ech->inner_random,
			     "hrr ech accept confirmation", message,
			     (size_t)(sent.data - message.data), expected);
	if (enn_equal_secret(expected, sent.data, sizeof(expected))) {
		accept_inner(hs);
	} else {
		reject_inner(hs);
	}
	return ENN_OK;
}

enum enn_status enn_ech_decide(struct enn_handshake *hs, const struct enn_hash_alg *hash,
			       const struct enn_server_hello *sh, struct enn_bytes message)
{
	uint8_t expected[ENN_ECH_CONFIRMATION];
	size_t at = (size_t)(sh->random.data - message.data) + ENN_HS_RANDOM - sizeof(expected);

	if (hs->ech == NULL) {
		return ENN_OK;
	}
	if (sh->retry) {
		return decide_retry(hs, hash, sh, message);
	}
	if (!enn_ech_wraps(hs)) {
		return ENN_OK;
	}
	const struct enn_hash *transcript = enn_ech_transcript(hs, hash);
	enn_ech_confirmation(hs, transcript, hash, hs->ech->inner_random, "ech accept confirmation",
			     message, at, expected);
	bool accepted = enn_equal_secret(expected, message.data + at, sizeof(expected));
	if (hs->ech->state == ENN_ECH_OFFERED) {
		if (accepted) {
			accept_inner(hs);
		} else {
			reject_inner(hs);
		}
		return ENN_OK;
	}
	if (!accepted) { /* §6.1.5 */
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "ServerHello.random",
					  "the server took the Encrypted ClientHello in its "
					  "HelloRetryRequest and not in its ServerHello");
	}
	return ENN_OK;
}

enum enn_status enn_ech_take(struct enn_handshake *hs, const struct enn_views *views)
{
	struct enn_bytes list = views->data[ENN_VIEW_ENCRYPTED_CLIENT_HELLO];
	struct enn_ech_config config;

	if (!enn_views_have(views, ENN_VIEW_ENCRYPTED_CLIENT_HELLO)) {
		return ENN_OK;
	}
	if (hs->ech->state == ENN_ECH_ACCEPTED) { /* §5 */
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED,
					  "EncryptedExtensions.encrypted_client_hello",
					  "the server took the Encrypted ClientHello and sends "
					  "other configurations");
	}
	struct enn_reader r = enn_reader_of(list.data, list.len);
	struct enn_reader configs = enn_read_sub(&r, 2, 4, UINT16_MAX);
	bool good = enn_reader_done(&r);
	while (good && enn_reader_left(&configs) > 0) {
		good = enn_ech_config_next(&configs, &config);
	}
	if (!good) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
					  "EncryptedExtensions.encrypted_client_hello",
					  "the retry configurations are malformed");
	}
	if (hs->ech->state != ENN_ECH_REJECTED) { /* §6.2: GREASE must not keep them */
		hs->c->result.ech_configured = true;
		return ENN_OK;
	}
	return enn_hs_copy(hs->env, &hs->ech->retry, &hs->ech->retry_len, list) == ENN_OK
		       ? ENN_OK
		       : no_memory(hs);
}

const char *enn_ech_reference_name(const struct enn_handshake *hs)
{
	return enn_ech_state(hs) == ENN_ECH_REJECTED ? hs->ech->public_name
						     : hs->c->result.server_name;
}

enum enn_status enn_ech_finish(struct enn_handshake *hs)
{
	hs->c->result.ech_accepted = enn_ech_state(hs) == ENN_ECH_ACCEPTED;
	if (enn_ech_state(hs) != ENN_ECH_REJECTED) {
		return ENN_OK;
	}
	/* §6.1.6: what the server says is worth something only now that it has proved the public name. */
	if (hs->c->result.peer_authenticated &&
	    !enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER) &&
	    enn_security_flag(hs->security, ENN_SECURITY_CHECK_NAME)) {
		hs->c->result.ech_retry = hs->ech->retry;
		hs->c->result.ech_retry_len = hs->ech->retry_len;
		hs->ech->retry = NULL;
		hs->ech->retry_len = 0;
	}
	return enn_handshake_fail(
		hs->c, ENN_ALERT_ECH_REQUIRED, ENN_REASON_ECH_REFUSED, "encrypted_client_hello",
		"the server did not take the Encrypted ClientHello%s",
		hs->c->result.ech_retry_len > 0 ? "; it sent other configurations to try" : "");
}
