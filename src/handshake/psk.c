/* SPDX-License-Identifier: Apache-2.0
 *
 * Pre-shared keys: binders, and the server's choice (RFC 8446 §4.2.11).
 */
#include "features/session_cache.h"
#include "handshake/reasons.h"

void enn_psk_binder(const struct enn_handshake *hs, const struct enn_hash_alg *hash,
		    struct enn_bytes key, enum enn_psk_kind kind, struct enn_bytes partial,
		    uint8_t *out)
{
	static const char *const labels[] = {
		[ENN_PSK_RESUMPTION] = "res binder",
		[ENN_PSK_EXTERNAL] = "ext binder",
		[ENN_PSK_IMPORTED] = "imp binder",
	};
	struct enn_key_schedule ks;
	uint8_t binder_key[ENN_MAX_SECRET];
	uint8_t transcript_hash[ENN_MAX_HASH];
	struct enn_hash transcript = *enn_hs_transcript(hs, hash);

	enn_hash_update(&transcript, partial.data, partial.len);
	enn_hash_final(&transcript, transcript_hash);
	enn_key_schedule_early(&ks, enn_hs_prefix(hs->c), hash, key.data, key.len);
	enn_key_schedule_derive(&ks, labels[kind], NULL, binder_key);
	enn_finished_mac(enn_hs_prefix(hs->c), hash, binder_key, transcript_hash, out);
	enn_wipe(binder_key, sizeof(binder_key));
	enn_key_schedule_wipe(&ks);
}

bool enn_psk_is_for_us(const struct enn_credential *k)
{
	return k->type == ENN_CREDENTIAL_PSK &&
	       (k->imported == 0 || k->imported == ENN_PSK_FOR_TLS13);
}

enum enn_psk_kind enn_psk_kind(const struct enn_credential *k)
{
	return k->imported != 0 ? ENN_PSK_IMPORTED : ENN_PSK_EXTERNAL;
}

bool enn_psk_binder_at(const struct enn_client_hello *ch, size_t index, struct enn_bytes *out)
{
	struct enn_reader list = enn_reader_of(ch->psk_binders.data, ch->psk_binders.len);
	for (size_t i = 0; enn_reader_left(&list) > 0; i++) {
		*out = enn_read_vector(&list, 1, 32, 255);
		if (i == index) {
			return enn_reader_ok(&list);
		}
	}
	return false;
}

enum enn_status enn_psk_verify_binder(struct enn_handshake *hs, const struct enn_client_hello *ch,
				      const struct enn_psk_choice *choice, struct enn_bytes message)
{
	struct enn_bytes binder = {NULL, 0};
	struct enn_bytes key = {choice->key, choice->key_len};
	struct enn_bytes partial = {message.data, ENN_HS_HEADER + ch->binders_offset};
	uint8_t expected[ENN_MAX_HASH];

	if (!enn_psk_binder_at(ch, choice->index, &binder)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "ClientHello.pre_shared_key",
					  "there is no binder for the chosen identity");
	}
	enn_psk_binder(hs, choice->hash, key, choice->kind, partial, expected);
	if (binder.len != choice->hash->len ||
	    !enn_equal_secret(binder.data, expected, choice->hash->len)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_DECRYPT_ERROR, ENN_REASON_UNKNOWN_PSK,
					  "ClientHello.pre_shared_key",
					  "the PSK binder does not verify: the keys differ");
	}
	return ENN_OK;
}

void enn_psk_choice_clear(struct enn_psk_choice *choice, const struct enn_env *env)
{
	enn_free_secret(env, choice->state, choice->state_len);
	enn_wipe(choice, sizeof(*choice));
}

/* ---- the server's choice -------------------------------------------------------------------- */

/* Whether a suite with this hash is shared; a PSK is bound to a hash (§4.2.11). */
static bool hash_is_usable(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			   enum enn_hash_id hash)
{
	const struct enn_code_list *suites =
		enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES);

	for (size_t i = 0; i < suites->count; i++) {
		const struct enn_tls_suite *suite = enn_tls_suite_by_code(suites->code[i]);
		if (suite->version == ENN_TLS_1_3 && suite->hash == hash &&
		    enn_u16_list_has(ch->cipher_suites, suites->code[i])) {
			return true;
		}
	}
	return false;
}

/* Which PSK key exchange mode is shared, the server's preference first. */
bool enn_psk_choose_mode(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			 uint8_t *mode)
{
	const struct enn_code_list *modes = enn_security_list(hs->security, ENN_SECURITY_PSK_MODES);

	if (ch->psk_modes.len == 0) {
		return false;
	}
	for (size_t i = 0; i < modes->count; i++) {
		uint8_t code = (uint8_t)modes->code[i];
		if (memchr(ch->psk_modes.data, code, ch->psk_modes.len) != NULL) {
			*mode = code;
			return true;
		}
	}
	return false;
}

/* Without a certificate only a PSK lets anybody in. */
static bool serves_strangers(const struct enn_security *security)
{
	for (size_t i = 0; i < security->credential_count; i++) {
		if (security->credential[i]->type == ENN_CREDENTIAL_X509) {
			return true;
		}
	}
	return false;
}

/* RFC 8446 §4.6.1 and §4.2.11: a ticket counts only for the name and, if a client certificate
 * is required, only if there was one. One from other rules than today's (another authority, no
 * CRL, another PSK) would let in whom a full handshake refuses; only that of a client who
 * proved nothing, to a server that asks for nothing, is as good as ever. */
const char *enn_psk_session_obstacle(const struct enn_handshake *hs,
				     const struct enn_client_hello *ch, const struct enn_session *s,
				     int64_t wall)
{
	struct enn_bytes name =
		ch->server_name.len <= 255 ? ch->server_name : (struct enn_bytes){NULL, 0};
	int64_t age = wall - s->issued;
	bool same_rules = enn_bytes_equal(enn_security_rules(hs->security, true), s->rules);

	if (!enn_bytes_equal(s->server_name, name)) {
		return "it was made for another name";
	}
	if (age < 0 || age >= (int64_t)s->lifetime * (int64_t)ENN_SECOND) {
		return "its time is over";
	}
	if (!same_rules && (s->peer_authenticated || !serves_strangers(hs->security))) {
		return "it was made under other rules of verification";
	}
	if (!s->peer_authenticated &&
	    enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) {
		return "the client was not authenticated then, and has to be";
	}
	return NULL;
}

static const char *ticket_obstacle(const struct enn_handshake *hs,
				   const struct enn_client_hello *ch, const struct enn_session *s,
				   int64_t wall)
{
	if (s->version != ENN_TLS_1_3 || s->datagram != hs->c->datagram) {
		return "it is of another version";
	}
	if (!hash_is_usable(hs, ch, enn_tls_suite_by_code(s->suite)->hash)) {
		return "no cipher suite with its hash is shared now";
	}
	return enn_psk_session_obstacle(hs, ch, s, wall);
}

/* Whether an identity may be the name of a session in the store. */
static bool names_session(const struct enn_handshake *hs, struct enn_bytes identity)
{
	return identity.len == ENN_HS_TICKET_NAME &&
	       enn_security_flag(hs->security, ENN_SECURITY_STATEFUL_TICKETS);
}

/* For one use: it is in the store no more. */
static enum enn_status take_named(struct enn_handshake *hs, enn_time now, struct enn_bytes identity,
				  uint8_t **state, size_t *room, bool *ask)
{
	uint8_t key[ENN_STORE_KEY13];

	return enn_store_take(hs, now, enn_store_key13(identity, key), state, room, ask);
}

static enum enn_status open_ticket(struct enn_handshake *hs, int64_t wall,
				   struct enn_bytes identity, uint8_t **state, size_t *room,
				   size_t *len)
{
	if (identity.len <= ENN_TICKET_OVERHEAD) {
		return ENN_E_NOT_FOUND;
	}
	*state = enn_alloc(hs->env, identity.len);
	if (*state == NULL) {
		return ENN_E_MEMORY;
	}
	*room = identity.len;
	return enn_ticket_open(hs->security->tickets, hs->env, wall, identity.data, identity.len,
			       *state, identity.len, len);
}

static enum enn_status try_ticket(struct enn_handshake *hs, enn_time now,
				  const struct enn_client_hello *ch, struct enn_bytes identity,
				  uint32_t obfuscated_age, struct enn_psk_choice *choice,
				  bool *ours)
{
	int64_t wall = enn_hs_wall(hs->env, now);
	uint8_t *state = NULL;
	size_t room = 0;
	size_t len = 0;

	if (!enn_security_flag(hs->security, ENN_SECURITY_RESUME)) {
		return ENN_OK;
	}
	hs->ask_store = false;
	enum enn_status status =
		names_session(hs, identity)
			? take_named(hs, now, identity, &state, &room, &hs->ask_store)
			: open_ticket(hs, wall, identity, &state, &room, &len);
	if (hs->ask_store || state == NULL) {
		return status == ENN_E_MEMORY
			       ? enn_handshake_no_memory(hs->c, "ClientHello.pre_shared_key")
			       : ENN_OK;
	}
	len = names_session(hs, identity) ? room : len;
	struct enn_session session;
	struct enn_bytes plain = {state, len};
	*ours = status == ENN_OK;
	const char *why = status != ENN_OK ? "it is no ticket of ours, or the key of it is gone"
			  : !enn_session_decode(plain, &session)
				  ? "it cannot be read"
				  : ticket_obstacle(hs, ch, &session, wall);
	enn_reasons_session(hs, "the identity offered is not resumed", why);
	if (why != NULL) {
		enn_free_secret(hs->env, state, room);
		return status == ENN_E_MEMORY
			       ? enn_handshake_no_memory(hs->c, "ClientHello.pre_shared_key")
			       : ENN_OK;
	}
	choice->chosen = true;
	choice->state = state;
	choice->state_len = room;
	choice->session = session;
	choice->hash = enn_hash_alg(enn_tls_suite_by_code(session.suite)->hash);
	choice->key_len = session.psk.len;
	memcpy(choice->key, session.psk.data, session.psk.len);
	choice->client_age_ms = obfuscated_age - session.age_add;
	return ENN_OK;
}

static void choose_external(struct enn_psk_choice *choice, struct enn_bytes key,
			    enum enn_hash_id hash, struct enn_bytes identity,
			    enum enn_psk_kind kind)
{
	choice->chosen = true;
	choice->external = true;
	choice->kind = kind;
	choice->hash = enn_hash_alg(hash);
	choice->key_len = key.len;
	memcpy(choice->key, key.data, key.len);
	choice->identity = identity;
}

static void try_external(struct enn_handshake *hs, const struct enn_client_hello *ch,
			 struct enn_bytes identity, struct enn_psk_choice *choice)
{
	for (size_t i = 0; i < hs->security->credential_count && !choice->chosen; i++) {
		const struct enn_credential *k = hs->security->credential[i];
		if (!enn_psk_is_for_us(k) || !hash_is_usable(hs, ch, k->hash) ||
		    k->secret_len > sizeof(choice->key)) {
			continue;
		}
		struct enn_bytes known = {k->identity, k->identity_len};
		if (enn_bytes_equal(known, identity)) {
			struct enn_bytes key = {k->secret, k->secret_len};
			choose_external(choice, key, k->hash, identity, enn_psk_kind(k));
		}
	}
}

/* Asks the application for each identity once, in order; the answer is for the one asked last. */
static void ask_application(struct enn_handshake *hs, const struct enn_client_hello *ch,
			    struct enn_bytes identity, uint16_t index,
			    struct enn_psk_choice *choice, bool *ask)
{
	if (!hs->psk_answered || index > hs->psk_asked) {
		hs->question = identity;
		hs->psk_asked = index;
		*ask = true;
	} else if (index == hs->psk_asked && hs->answered_psk_len > 0 &&
		   hash_is_usable(hs, ch, hs->answered_psk_hash)) {
		struct enn_bytes key = {hs->answered_psk, hs->answered_psk_len};
		choose_external(choice, key, hs->answered_psk_hash, identity, ENN_PSK_EXTERNAL);
	}
}

/* One identity: a ticket of ours, a PSK we know, or one to ask the application for. */
static enum enn_status try_identity(struct enn_handshake *hs, enn_time now,
				    const struct enn_client_hello *ch, struct enn_bytes identity,
				    uint32_t age, uint16_t index, struct enn_psk_choice *choice,
				    bool *ask)
{
	bool ours = false;

	if (names_session(hs, identity)) { /* only a PSK of ours may look the same */
		try_external(hs, ch, identity, choice);
	}
	if (!choice->chosen) {
		ENN_TRY(try_ticket(hs, now, ch, identity, age, choice, &ours));
	}
	if (hs->ask_store) {
		*ask = true;
		return ENN_OK;
	}
	if (!choice->chosen) {
		try_external(hs, ch, identity, choice);
	}
	if (!choice->chosen && !ours && hs->security->ask_psk) {
		ask_application(hs, ch, identity, index, choice, ask);
	}
	return ENN_OK;
}

enum enn_status enn_psk_choose(struct enn_handshake *hs, enn_time now,
			       const struct enn_client_hello *ch, struct enn_psk_choice *choice,
			       bool *ask)
{
	struct enn_reader list = enn_reader_of(ch->psk_identities.data, ch->psk_identities.len);

	*ask = false;
	hs->ask_store = false;
	if (ch->psk_count != ch->binder_count) {
		return enn_handshake_fail(hs->c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED, "ClientHello.pre_shared_key",
					  "there are %zu identities but %zu binders", ch->psk_count,
					  ch->binder_count);
	}
	if (!enn_psk_choose_mode(hs, ch, &choice->mode)) {
		return ENN_OK;
	}
	for (uint16_t i = 0; enn_reader_left(&list) > 0 && i < ENN_HS_MAX_CLIENT_PSKS; i++) {
		struct enn_bytes identity = enn_read_vector(&list, 2, 1, UINT16_MAX);
		uint32_t age = enn_read_u32(&list);
		ENN_TRY(try_identity(hs, now, ch, identity, age, i, choice, ask));
		if (choice->chosen || *ask) {
			choice->index = i;
			break;
		}
	}
	return ENN_OK;
}
