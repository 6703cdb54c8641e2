/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's hello: what is offered, and the message itself (RFC 8446 §4.1.2,
 * §4.2), the first and, after a HelloRetryRequest, the second.
 */
#include "handshake/ech.h"
#include "handshake/reasons.h"

/* ---- what is offered -------------------------------------------------------------------- */

static enum enn_status no_random(struct enn_handshake *hs)
{
	return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
				  "the random source failed");
}

/* RFC 8701 §3.1: random reserved values; the two used in one list would have to differ, but each list
 * gets one. None among the PSK modes: mbedTLS 3.6 refuses a mode that it does not know. */
#define GREASE_BYTES 5
static void set_grease(struct enn_handshake *hs, const uint8_t r[GREASE_BYTES])
{
	uint16_t v[GREASE_BYTES];

	for (size_t i = 0; i < ENN_ARRAY_LEN(v); i++) {
		uint8_t byte = (uint8_t)((r[i] & 0xf0) | 0x0a);
		v[i] = (uint16_t)(byte << 8 | byte);
	}
	hs->grease = (struct enn_hs_grease){.suite = v[0],
					    .group = v[1],
					    .version = v[2],
					    .signature = v[3],
					    .extension = v[4]};
}

enum enn_status enn_client_hello_make_share(struct enn_handshake *hs, uint16_t group)
{
	const struct enn_kx_alg *alg = enn_kx_alg_by_tls(group);

	if (alg == NULL || hs->share_count == ENN_HS_MAX_SHARES) {
		return ENN_OK;
	}
	uint8_t *public_key = enn_alloc(hs->env, alg->public_len);
	enum enn_status status = ENN_E_MEMORY;
	if (public_key != NULL) {
		status = enn_kx_generate(hs->env, alg, &hs->share[hs->share_count], public_key);
	}
	if (status != ENN_OK) {
		enn_free(hs->env, public_key, alg->public_len);
	}
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "ClientHello.key_share");
	}
	if (status != ENN_OK) {
		return enn_handshake_fail(hs->c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM,
					  "ClientHello.key_share", "%s key generation failed",
					  alg->name);
	}
	hs->share_public[hs->share_count++] = public_key;
	return ENN_OK;
}

void enn_client_hello_drop_shares(struct enn_handshake *hs)
{
	for (size_t i = 0; i < hs->share_count; i++) {
		enn_free(hs->env, hs->share_public[i], enn_kx_key_alg(hs->share[i])->public_len);
		enn_kx_free(hs->share[i]);
		hs->share[i] = NULL;
	}
	hs->share_count = 0;
}

/* As many as keyShares says, of the best groups. A hybrid comes besides: many servers do not know it, and without
 * the share of an ordinary group each of them would cost a round trip. One of them is enough, they are large. */
static enum enn_status make_shares(struct enn_handshake *hs)
{
	const struct enn_code_list *groups = enn_security_list(hs->security, ENN_SECURITY_GROUPS);
	uint64_t wanted = hs->security->value[ENN_SECURITY_KEY_SHARES];

	bool hybrid_made = false;
	for (size_t i = 0; i < groups->count && wanted > 0; i++) {
		const struct enn_kx_alg *alg = enn_kx_alg_by_tls(groups->code[i]);
		bool hybrid = enn_kx_is_hybrid(alg);
		/* RFC 9147 §5.1: a first hello in one datagram can be answered without state */
		if (!hybrid || (!hybrid_made && !hs->c->datagram)) {
			ENN_TRY(enn_client_hello_make_share(hs, groups->code[i]));
		}
		hybrid_made = hybrid_made || hybrid;
		wanted -= hybrid ? 0 : 1;
	}
	return ENN_OK;
}

/* Why a stored session may not be offered now; NULL: it may. It must be for this peer, in time, with an allowed suite, and not one that
 * was made without the authentication that is wanted now. */
static const char *session_obstacle(const struct enn_handshake *hs, const struct enn_session *s,
				    int64_t wall)
{
	const char *name = hs->c->result.server_name == NULL ? "" : hs->c->result.server_name;
	struct enn_bytes wanted = {(const uint8_t *)name, strlen(name)};
	int64_t age = wall - s->issued;

	if (s->ticket.len == 0 || !enn_bytes_equal(s->server_name, wanted)) {
		return "it is for another name";
	}
	if (age < 0 || age >= (int64_t)s->lifetime * (int64_t)ENN_SECOND) {
		return "its time is over";
	}
	if (s->datagram != hs->c->datagram || !enn_hs_offers(hs, s->version)) {
		return "its version is not allowed now";
	}
	if (!enn_code_list_has(enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES),
			       s->suite)) {
		return "its cipher suite is not allowed now";
	}
	/* A session is worth what the full handshake checked: under other rules it proves nothing. It is
	 * also the certificate that we gave then: with another one we would be somebody else. */
	if (!enn_bytes_equal(enn_security_rules(hs->security, false), s->rules)) {
		return "it was made under other rules of verification, or as another client";
	}
	if (!s->peer_authenticated && enn_security_flag(hs->security, ENN_SECURITY_VERIFY_PEER)) {
		return "the server was not authenticated then";
	}
	return NULL;
}

static bool alpn_is_offered(const struct enn_security *security, struct enn_bytes alpn)
{
	for (size_t i = 0; i < security->alpn_count; i++) {
		struct enn_bytes id = {security->alpn[i]->id, security->alpn[i]->len};
		if (enn_bytes_equal(id, alpn)) {
			return true;
		}
	}
	return alpn.len == 0;
}

static void offer_session(struct enn_handshake *hs, int64_t wall)
{
	struct enn_bytes blob = {hs->session, hs->session_len};
	struct enn_session *s = &hs->session_view;

	if (!enn_security_flag(hs->security, ENN_SECURITY_RESUME) || blob.len == 0) {
		return;
	}
	const char *why =
		enn_session_decode(blob, s) ? session_obstacle(hs, s, wall) : "it cannot be read";
	enn_reasons_session(hs, "the session is not offered", why);
	if (why != NULL) {
		return;
	}
	if (s->version == ENN_TLS_1_2) {
		enn_tls12_offer_session(hs);
		return;
	}
	uint64_t age_ms = (uint64_t)(wall - s->issued) / ENN_MILLISECOND;
	hs->psk[hs->psk_count++] = (struct enn_hs_psk){
		.identity = s->ticket,
		.key = s->psk,
		.obfuscated_age = (uint32_t)age_ms + s->age_add,
		.hash = enn_hash_alg(enn_tls_suite_by_code(s->suite)->hash),
	};
	/* §4.2.10: with the ticket's own suite and application protocol. */
	hs->offered_early = !hs->c->datagram &&
			    enn_security_flag(hs->security, ENN_SECURITY_EARLY_DATA) &&
			    s->max_early_data > 0 && alpn_is_offered(hs->security, s->alpn);
	if (hs->offered_early) {
		hs->c->result.early_data = ENN_EARLY_DATA_OFFERED;
		hs->c->result.max_early_data = s->max_early_data;
	}
}

static bool suite_with_hash(const struct enn_security *security, enum enn_hash_id hash)
{
	const struct enn_code_list *suites =
		enn_security_list(security, ENN_SECURITY_CIPHER_SUITES);
	for (size_t i = 0; i < suites->count; i++) {
		const struct enn_tls_suite *suite = enn_tls_suite_by_code(suites->code[i]);
		if (suite->version == ENN_TLS_1_3 && suite->hash == hash) {
			return true;
		}
	}
	return false;
}

static void offer_external_psks(struct enn_handshake *hs)
{
	for (size_t i = 0; i < hs->security->credential_count; i++) {
		const struct enn_credential *k = hs->security->credential[i];
		if (!enn_psk_is_for_us(k) || hs->psk_count == ENN_HS_MAX_PSKS ||
		    !suite_with_hash(hs->security, k->hash)) {
			continue;
		}
		hs->psk[hs->psk_count++] = (struct enn_hs_psk){
			.identity = {k->identity, k->identity_len},
			.key = {k->secret, k->secret_len},
			.hash = enn_hash_alg(k->hash),
			.kind = enn_psk_kind(k),
		};
	}
}

enum enn_status enn_client_hello_prepare(struct enn_handshake *hs, enn_time now)
{
	bool tls13 = enn_hs_offers(hs, ENN_TLS_1_3);
	bool compatible = tls13 && !hs->c->datagram &&
			  enn_security_flag(hs->security, ENN_SECURITY_MIDDLEBOX_COMPATIBILITY);
	bool grease = enn_security_flag(hs->security, ENN_SECURITY_GREASE);
	uint8_t drawn[ENN_HS_RANDOM + ENN_HS_MAX_SESSION_ID + GREASE_BYTES];
	size_t want = ENN_HS_RANDOM + (compatible ? ENN_HS_MAX_SESSION_ID : 0u) +
		      (grease ? GREASE_BYTES : 0u);
	struct enn_reader r = enn_reader_of(drawn, want);

	/* In one draw: libcrypto's generator costs more a call than a byte. */
	if (enn_random(hs->env, drawn, want) != ENN_OK) {
		return no_random(hs);
	}
	memcpy(hs->random, enn_read_bytes(&r, ENN_HS_RANDOM).data, ENN_HS_RANDOM);
	if (compatible) {
		hs->session_id_len = ENN_HS_MAX_SESSION_ID;
		hs->c->result.middlebox_compatible = true;
		memcpy(hs->session_id, enn_read_bytes(&r, ENN_HS_MAX_SESSION_ID).data,
		       ENN_HS_MAX_SESSION_ID);
	}
	if (grease) {
		set_grease(hs, enn_read_bytes(&r, GREASE_BYTES).data);
	}
	if (tls13) {
		ENN_TRY(make_shares(hs));
	}
	ENN_TRY(enn_tls12_begin(hs));
	offer_session(hs, enn_hs_wall(hs->env, now));
	if (tls13) {
		offer_external_psks(hs);
	}
	return hs->c->datagram ? ENN_OK : enn_ech_prepare(hs);
}

/* ---- the message ---------------------------------------------------------------------------- */

/* PKCS #1 v1.5 is for TLS 1.2 (RFC 8446 §4.2.3). */
static void write_signatures(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_code_list *list = enn_security_list(hs->security, ENN_SECURITY_SIGNATURES);

	enn_write_u16(w, ENN_EXT_SIGNATURE_ALGORITHMS);
	size_t data = enn_write_begin(w, 2);
	size_t codes = enn_write_begin(w, 2);
	if (hs->grease.signature != 0) {
		enn_write_u16(w, hs->grease.signature);
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct enn_sig_alg *alg = enn_sig_alg_by_tls(list->code[i]);
		if (hs->tls12 != NULL || alg == NULL || alg->padding != ENN_SIG_PKCS1) {
			enn_write_u16(w, list->code[i]);
		}
	}
	enn_write_end(w, codes, 2);
	enn_write_end(w, data, 2);
}

static void write_list(struct enn_writer *w, uint16_t type, uint16_t grease,
		       const struct enn_code_list *list)
{
	enn_write_u16(w, type);
	size_t data = enn_write_begin(w, 2);
	size_t codes = enn_write_begin(w, 2);
	if (grease != 0) {
		enn_write_u16(w, grease);
	}
	for (size_t i = 0; i < list->count; i++) {
		enn_write_u16(w, list->code[i]);
	}
	enn_write_end(w, codes, 2);
	enn_write_end(w, data, 2);
}

/* RFC 6066 §3: literal addresses are not permitted as host names. No host name has a colon or lacks a
 * letter (its last label is alphabetic, RFC 1123 §2.1). */
static bool is_ip_literal(const char *name)
{
	bool letter = false;
	for (const char *p = name; *p != '\0'; p++) {
		if (*p == ':') {
			return true;
		}
		letter = letter || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
	}
	return !letter;
}

static void write_server_name(struct enn_handshake *hs, struct enn_writer *w,
			      enum enn_hello_form form)
{
	const char *name =
		form == ENN_HELLO_OUTER ? hs->ech->public_name : hs->c->result.server_name;
	if (name == NULL || is_ip_literal(name)) {
		return;
	}
	size_t len = strlen(name);
	if (len > 1 && name[len - 1] == '.') {
		len--; /* without a trailing dot */
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_SERVER_NAME);
	size_t list = enn_write_begin(w, 2);
	enn_write_u8(w, 0);
	enn_write_vector(w, 2, name, len);
	enn_write_end(w, list, 2);
	enn_write_end(w, data, 2);
}

static void write_alpn(struct enn_handshake *hs, struct enn_writer *w)
{
	if (hs->security->alpn_count == 0) {
		return;
	}
	size_t data = enn_hs_extension_begin(hs, w, ENN_VIEW_ALPN);
	size_t list = enn_write_begin(w, 2);
	for (size_t i = 0; i < hs->security->alpn_count; i++) {
		enn_write_vector(w, 1, hs->security->alpn[i]->id, hs->security->alpn[i]->len);
	}
	enn_write_end(w, list, 2);
	enn_write_end(w, data, 2);
}

static void write_versions(struct enn_handshake *hs, struct enn_writer *w)
{
	enn_write_u16(w, ENN_EXT_SUPPORTED_VERSIONS);
	size_t data = enn_write_begin(w, 2);
	size_t list = enn_write_begin(w, 1);
	if (hs->grease.version != 0) {
		enn_write_u16(w, hs->grease.version);
	}
	const struct enn_code_list *versions =
		enn_security_list(hs->security, ENN_SECURITY_VERSIONS);
	for (size_t i = 0; i < versions->count; i++) {
		if (enn_hs_offers(hs, versions->code[i])) {
			enn_write_u16(w, enn_hs_wire_version(hs, versions->code[i]));
		}
	}
	enn_write_end(w, list, 1);
	enn_write_end(w, data, 2);
}

static void write_key_shares(struct enn_handshake *hs, struct enn_writer *w)
{
	enn_write_u16(w, ENN_EXT_KEY_SHARE);
	size_t data = enn_write_begin(w, 2);
	size_t list = enn_write_begin(w, 2);
	/* The share asked for by a HelloRetryRequest stands alone (§4.2.8). */
	if (hs->grease.group != 0 && hs->retry_group == 0) {
		enn_write_u16(w, hs->grease.group);
		enn_write_vector(w, 2, "", 1);
	}
	for (size_t i = 0; i < hs->share_count; i++) {
		const struct enn_kx_alg *alg = enn_kx_key_alg(hs->share[i]);
		enn_write_u16(w, alg->tls_group);
		enn_write_vector(w, 2, hs->share_public[i], alg->public_len);
	}
	enn_write_end(w, list, 2);
	enn_write_end(w, data, 2);
}

static void write_psk_modes(struct enn_handshake *hs, struct enn_writer *w)
{
	const struct enn_code_list *modes = enn_security_list(hs->security, ENN_SECURITY_PSK_MODES);
	enn_write_u16(w, ENN_EXT_PSK_KEY_EXCHANGE_MODES);
	size_t data = enn_write_begin(w, 2);
	size_t list = enn_write_begin(w, 1);
	for (size_t i = 0; i < modes->count; i++) {
		enn_write_u8(w, (uint8_t)modes->code[i]);
	}
	enn_write_end(w, list, 1);
	enn_write_end(w, data, 2);
}

/* Identities, then binders of zeros; returns the offset of the binders' length field. */
static size_t write_psks(struct enn_handshake *hs, struct enn_writer *w)
{
	static const uint8_t zeros[ENN_MAX_HASH];

	enn_write_u16(w, ENN_EXT_PRE_SHARED_KEY);
	size_t data = enn_write_begin(w, 2);
	size_t identities = enn_write_begin(w, 2);
	for (size_t i = 0; i < hs->psk_count; i++) {
		enn_write_vector(w, 2, hs->psk[i].identity.data, hs->psk[i].identity.len);
		enn_write_u32(w, hs->psk[i].obfuscated_age);
	}
	enn_write_end(w, identities, 2);
	size_t at = enn_writer_len(w);
	size_t binders = enn_write_begin(w, 2);
	for (size_t i = 0; i < hs->psk_count; i++) {
		enn_write_vector(w, 1, zeros, hs->psk[i].hash->len);
	}
	enn_write_end(w, binders, 2);
	enn_write_end(w, data, 2);
	return at;
}

/* RFC 9849 §6.1.2: the outer hello shows as many identities and binders, of the same lengths, all random. */
static bool write_grease_psks(struct enn_handshake *hs, struct enn_writer *w)
{
	bool good = true;

	enn_write_u16(w, ENN_EXT_PRE_SHARED_KEY);
	size_t data = enn_write_begin(w, 2);
	size_t identities = enn_write_begin(w, 2);
	for (size_t i = 0; i < hs->psk_count; i++) {
		size_t len = hs->psk[i].identity.len;
		enn_write_u16(w, (uint16_t)len);
		uint8_t *at = enn_write_space(w, len + 4);
		good = good && at != NULL && enn_random(hs->env, at, len + 4) == ENN_OK;
	}
	enn_write_end(w, identities, 2);
	size_t binders = enn_write_begin(w, 2);
	for (size_t i = 0; i < hs->psk_count; i++) {
		size_t len = hs->psk[i].hash->len;
		enn_write_u8(w, (uint8_t)len);
		uint8_t *at = enn_write_space(w, len);
		good = good && at != NULL && enn_random(hs->env, at, len) == ENN_OK;
	}
	enn_write_end(w, binders, 2);
	enn_write_end(w, data, 2);
	return good;
}

static void fill_binders(struct enn_handshake *hs, struct enn_writer *hello, size_t binders_at)
{
	struct enn_bytes partial = {hello->start, binders_at};
	struct enn_writer w =
		enn_writer_of(hello->start + binders_at, enn_writer_len(hello) - binders_at);

	(void)enn_write_space(&w, 2);
	for (size_t i = 0; i < hs->psk_count; i++) {
		uint8_t binder[ENN_MAX_HASH];
		enn_psk_binder(hs, hs->psk[i].hash, hs->psk[i].key, hs->psk[i].kind, partial,
			       binder);
		(void)enn_write_space(&w, 1);
		enn_write_bytes(&w, binder, hs->psk[i].hash->len);
	}
}

size_t enn_client_hello_bound(const struct enn_handshake *hs)
{
	size_t n = 2048 + (hs->ech == NULL ? 0 : hs->ech->extension_len) +
		   enn_certificate_authorities_size(hs) + hs->cookie_len + enn_padding_bound(hs);
	for (size_t i = 0; i < hs->security->alpn_count; i++) {
		n += 1u + hs->security->alpn[i]->len;
	}
	for (size_t i = 0; i < hs->share_count; i++) {
		n += 4u + enn_kx_key_alg(hs->share[i])->public_len;
	}
	for (size_t i = 0; i < hs->psk_count; i++) {
		n += hs->psk[i].identity.len + 6 + 1 + ENN_MAX_HASH;
	}
	n += hs->session_view.ticket.len;
	return n;
}

static bool has_psk(const struct enn_security *s)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (enn_psk_is_for_12(s->credential[i])) {
			return true;
		}
	}
	return false;
}

bool enn_client_hello_offers_suite(const struct enn_handshake *hs,
				   const struct enn_tls_suite *suite)
{
	bool cbc = suite->aead >= ENN_AEAD_COUNT;

	if (!enn_hs_offers(hs, suite->version) || !enn_cbc_allows(hs->security, suite) ||
	    (cbc && hs->c->datagram)) { /* not built for DTLS */
		return false;
	}
	return suite->auth != ENN_SUITE_PSK || has_psk(hs->security);
}

static void write_hello_head(struct enn_handshake *hs, struct enn_writer *w,
			     enum enn_hello_form form)
{
	const struct enn_code_list *suites =
		enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES);

	enn_write_u16(w, enn_hs_wire_version(hs, ENN_TLS_1_2));
	enn_write_bytes(w, form == ENN_HELLO_INNER ? hs->ech->inner_random : hs->random,
			ENN_HS_RANDOM);
	enn_write_vector(w, 1, hs->session_id, hs->session_id_len);
	if (hs->c->datagram) {
		enn_write_vector(w, 1, hs->hello_cookie, hs->hello_cookie_len);
	}
	size_t list = enn_write_begin(w, 2);
	if (hs->grease.suite != 0) {
		enn_write_u16(w, hs->grease.suite);
	}
	for (size_t i = 0; i < suites->count; i++) {
		if (enn_client_hello_offers_suite(hs, enn_tls_suite_by_code(suites->code[i]))) {
			enn_write_u16(w, suites->code[i]);
		}
	}
	enn_write_end(w, list, 2);
	enn_write_vector(w, 1, "", 1); /* legacy_compression_methods = {null} */
}

/* All extensions; pre_shared_key last (§4.2.11). Those from supported_groups to compress_certificate are
 * together and alike in an inner and an outer hello: ech_client.c sends them once. *binders_at: the
 * offset of the binders to fill in, 0 without. */
static enum enn_status write_extensions(struct enn_handshake *hs, struct enn_writer *w,
					enum enn_hello_form form, size_t *binders_at)
{
	size_t list = enn_write_begin(w, 2);

	if (hs->grease.extension != 0) {
		enn_write_u16(w, hs->grease.extension);
		enn_write_u16(w, 0);
	}
	write_server_name(hs, w, form);
	if (form != ENN_HELLO_OUTER) { /* what the inner hello is to hide */
		write_alpn(hs, w);
		enn_raw_key_offer(hs, w);
	}
	if (hs->tls12 != NULL) {
		enn_tls12_offer(hs, w);
	}
	enn_ech_write(hs, w, form);
	write_list(w, ENN_EXT_SUPPORTED_GROUPS, hs->grease.group,
		   enn_security_list(hs->security, ENN_SECURITY_GROUPS));
	write_signatures(hs, w);
	write_list(w, ENN_EXT_SIGNATURE_ALGORITHMS_CERT, 0,
		   enn_security_list(hs->security, ENN_SECURITY_CERT_SIGNATURES));
	if (enn_hs_offers(hs, ENN_TLS_1_3)) {
		write_versions(hs, w);
	}
	if (hs->cookie_len > 0) {
		enn_write_u16(w, ENN_EXT_COOKIE);
		size_t data = enn_write_begin(w, 2);
		enn_write_vector(w, 2, hs->cookie, hs->cookie_len);
		enn_write_end(w, data, 2);
	}
	if (enn_hs_offers(hs, ENN_TLS_1_3)) {
		write_key_shares(hs, w);
		write_psk_modes(hs, w);
	}
	enn_status_offer(hs, w);
	enn_compress_offer(hs, w);
	enn_record_size_offer(hs, w);
	enn_ticket_request_offer(hs, w);
	if (enn_security_flag(hs->security, ENN_SECURITY_POST_HANDSHAKE_AUTH) &&
	    enn_hs_offers(hs, ENN_TLS_1_3)) {
		enn_write_u16(w, ENN_EXT_POST_HANDSHAKE_AUTH);
		enn_write_u16(w, 0);
		hs->post_auth_offered = true;
	}
	enn_certificate_write_authorities(hs, w);
	if (hs->offered_early && hs->state == ENN_HS_CLIENT_START) {
		enn_write_u16(w, ENN_EXT_EARLY_DATA);
		enn_write_u16(w, 0);
	}
	*binders_at = 0;
	if (form != ENN_HELLO_INNER) { /* which has a padding of its own */
		enn_padding_write(hs, w);
	}
	if (hs->psk_count > 0 && form != ENN_HELLO_OUTER) {
		*binders_at = write_psks(hs, w);
	} else if (hs->psk_count > 0 && !write_grease_psks(hs, w)) {
		return no_random(hs);
	}
	enn_write_end(w, list, 2);
	return ENN_OK;
}

/* The keys of 0-RTT: client_early_traffic_secret (§7.1), right behind the first ClientHello. */
static enum enn_status start_early_data(struct enn_handshake *hs)
{
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(hs->session_view.suite);
	const struct enn_hash_alg *hash = enn_hash_alg(suite->hash);
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t secret[ENN_MAX_SECRET];

	enn_key_schedule_early(&hs->ks, enn_hs_prefix(hs->c), hash, hs->psk[0].key.data,
			       hs->psk[0].key.len);
	enn_hash_peek(enn_ech_transcript(hs, hash), transcript);
	enn_hs_traffic_secret(hs, "c e traffic", "CLIENT_EARLY_TRAFFIC_SECRET", transcript, secret);
	enn_hs_traffic_secret(hs, "e exp master", "EARLY_EXPORTER_SECRET", transcript,
			      hs->early_exporter);
	hs->c->result.suite = suite;
	enum enn_status status = enn_hs_secret(hs, ENN_DIRECTION_SEND, ENN_LEVEL_EARLY, secret);
	enn_wipe(secret, sizeof(secret));
	return status;
}

enum enn_status enn_client_hello_write(struct enn_handshake *hs, struct enn_hs_out *out,
				       enum enn_hello_form form)
{
	size_t binders_at = 0;

	write_hello_head(hs, &out->w, form);
	ENN_TRY(write_extensions(hs, &out->w, form, &binders_at));
	ENN_TRY(enn_hs_finish_length(hs, out));
	if (binders_at > 0) {
		fill_binders(hs, &out->w, binders_at);
	}
	return ENN_OK;
}

static enum enn_status send_plain(struct enn_handshake *hs)
{
	struct enn_hs_out out;
	/* After a refusal it is the outer hello that goes on: the inner one stays hidden. */
	enum enn_hello_form form =
		enn_ech_state(hs) == ENN_ECH_REJECTED ? ENN_HELLO_OUTER : ENN_HELLO_PLAIN;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_CLIENT_HELLO,
			     enn_client_hello_bound(hs)));
	ENN_TRY(enn_client_hello_write(hs, &out, form));
	enn_hs_commit_raw(hs, &out);
	return ENN_OK;
}

enum enn_status enn_client_hello_send(struct enn_handshake *hs, enn_time now)
{
	bool first = hs->state == ENN_HS_CLIENT_START;

	(void)now;
	ENN_TRY(enn_ech_wraps(hs) ? enn_ech_send(hs) : send_plain(hs));
	if (first && hs->offered_early) {
		ENN_TRY(start_early_data(hs));
	}
	hs->state = first ? ENN_HS_CLIENT_EXPECT_SERVER_HELLO
			  : ENN_HS_CLIENT_EXPECT_SECOND_SERVER_HELLO;
	return ENN_OK;
}
