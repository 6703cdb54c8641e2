/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: sessions, by ticket (RFC 5077) or by id (RFC 5246 §7.3), and what may be resumed (RFC 7627 §5.3).
 */
#include "features/session_cache.h"
#include "handshake/reasons.h"
#include "handshake/tls12.h"

#define ID_KEY "tls12" /* before the id, as the key in the store */

/* ---- what a session is --------------------------------------------------------------------------- */

static struct enn_session describe(struct enn_handshake *hs, enn_time now)
{
	const struct enn_handshake_result *result = &hs->c->result;
	const char *name = result->server_name == NULL ? "" : result->server_name;

	return (struct enn_session){
		.version = ENN_TLS_1_2,
		.datagram = hs->c->datagram,
		.suite = result->suite->code,
		.issued = enn_hs_wall(hs->env, now),
		.lifetime = (uint32_t)hs->security->value[ENN_SECURITY_TICKET_LIFETIME],
		.peer_authenticated = result->peer_authenticated && !result->external_psk,
		.peer_raw_key = result->peer_raw_key,
		.extended_main_secret = result->extended_main_secret,
		.rules = enn_security_rules(hs->security, hs->server),
		.psk = {hs->tls12->main_secret, ENN_TLS12_SECRET},
		.server_name = {(const uint8_t *)name, strlen(name)},
		.alpn = {result->alpn, result->alpn_len},
		.peer = hs->server ? enn_session_peer_leaf(hs->c) : (struct enn_bytes){NULL, 0},
	};
}

/* The bytes of one, as a secret from the env's allocator. */
static uint8_t *encode(struct enn_handshake *hs, const struct enn_session *s, size_t *len)
{
	size_t bound = enn_session_size(s);
	uint8_t *state = enn_alloc(hs->env, bound);

	*len = bound;
	if (state != NULL && enn_session_encode(s, state, bound) == 0) {
		enn_free_secret(hs->env, state, bound);
		state = NULL;
	}
	return state;
}

/* ---- server: giving --------------------------------------------------------------------------------- */

/* With external PSKs nothing is resumed that the PSK itself would not give again. */
static bool is_worth(const struct enn_handshake *hs)
{
	return !hs->c->result.external_psk;
}

enum enn_status enn_tls12_send_ticket(struct enn_handshake *hs, enn_time now)
{
	struct enn_session s = describe(hs, now);
	size_t state_len = 0;
	size_t len = 0;
	struct enn_hs_out out;
	uint8_t *state = is_worth(hs) ? encode(hs, &s, &state_len) : NULL;
	size_t cap = state_len + ENN_TICKET_OVERHEAD;
	uint8_t *ticket = state == NULL ? NULL : enn_alloc(hs->env, cap);
	enum enn_status status = ENN_OK;

	if (ticket != NULL) {
		status = enn_ticket_seal(hs->security->tickets, hs->env, s.issued,
					 (int64_t)s.lifetime * (int64_t)ENN_SECOND, state,
					 state_len, ticket, cap, &len);
	}
	enn_free_secret(hs->env, state, state_len);
	if (status == ENN_OK) {
		status = enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_NEW_SESSION_TICKET,
				      8 + len);
		if (status == ENN_OK) {
			enn_write_u32(&out.w, len > 0 ? s.lifetime : 0);
			enn_write_vector(&out.w, 2, ticket, len); /* §3.3: may be empty */
			status = enn_hs_commit(hs, &out);
		}
	} else if (status == ENN_E_MEMORY) {
		status = enn_handshake_no_memory(hs->c, "NewSessionTicket");
	} else {
		status = enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM,
					"NewSessionTicket", "sealing a ticket failed");
	}
	enn_free(hs->env, ticket, cap);
	return status;
}

static size_t store_key(struct enn_bytes id, uint8_t out[sizeof(ID_KEY) + ENN_HS_MAX_SESSION_ID])
{
	memcpy(out, ID_KEY, sizeof(ID_KEY));
	memcpy(out + sizeof(ID_KEY), id.data, id.len);
	return sizeof(ID_KEY) + id.len;
}

void enn_tls12_store_session(struct enn_handshake *hs, enn_time now)
{
	struct enn_tls12 *t = hs->tls12;
	uint8_t key[sizeof(ID_KEY) + ENN_HS_MAX_SESSION_ID];
	struct enn_session s = describe(hs, now);
	struct enn_bytes id = {t->session_id, t->session_id_len};
	size_t len = 0;

	if (id.len == 0 || !is_worth(hs)) {
		return;
	}
	if (t->resumes) { /* as old as it was */
		s.issued = t->session.issued;
	}
	uint8_t *state = encode(hs, &s, &len);
	if (state != NULL) { /* a full store is no reason to fail */
		enn_store_put(hs->c, (struct enn_bytes){key, store_key(id, key)},
			      (struct enn_bytes){state, len},
			      s.issued + (int64_t)s.lifetime * (int64_t)ENN_SECOND);
	}
	enn_free_secret(hs->env, state, len);
}

/* ---- server: taking up -------------------------------------------------------------------------------- */

static enum enn_status load_ticket(struct enn_handshake *hs, int64_t wall, struct enn_bytes ticket,
				   size_t *len)
{
	struct enn_tls12 *t = hs->tls12;

	t->state = enn_alloc(hs->env, ticket.len);
	t->state_len = ticket.len;
	if (t->state == NULL) {
		return enn_handshake_no_memory(hs->c, "ClientHello.session_ticket");
	}
	enum enn_status status = enn_ticket_open(hs->security->tickets, hs->env, wall, ticket.data,
						 ticket.len, t->state, ticket.len, len);
	return status == ENN_E_MEMORY ? enn_handshake_no_memory(hs->c, "ClientHello.session_ticket")
				      : ENN_OK;
}

enum enn_status enn_tls12_ask_store(struct enn_handshake *hs, enn_time now,
				    const struct enn_client_hello *ch, bool *ask)
{
	uint8_t key[sizeof(ID_KEY) + ENN_HS_MAX_SESSION_ID];
	uint8_t *state = NULL;
	size_t len = 0;

	*ask = false;
	if (!enn_store_is_remote(hs) || !enn_security_flag(hs->security, ENN_SECURITY_RESUME) ||
	    ch->session_id.len == 0 ||
	    ch->views.data[ENN_VIEW_SESSION_TICKET].len > ENN_TICKET_OVERHEAD) {
		return ENN_OK;
	}
	struct enn_bytes k = {key, store_key(ch->session_id, key)};
	enum enn_status status = enn_store_take(hs, now, k, &state, &len, ask);
	enn_free_secret(hs->env, state, len); /* load_id takes it again */
	return status == ENN_OK ? ENN_OK : enn_handshake_no_memory(hs->c, "ClientHello.session_id");
}

static enum enn_status load_id(struct enn_handshake *hs, enn_time now, struct enn_bytes id,
			       size_t *len)
{
	struct enn_tls12 *t = hs->tls12;
	uint8_t key[sizeof(ID_KEY) + ENN_HS_MAX_SESSION_ID];
	struct enn_bytes k = {key, store_key(id, key)};
	bool ask = false;

	/* Out of the store while the handshake runs; put back when it is done. */
	if (enn_store_take(hs, now, k, &t->state, &t->state_len, &ask) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.session_id");
	}
	*len = t->state_len;
	memcpy(t->session_id, id.data, id.len);
	t->session_id_len = *len > 0 ? id.len : 0;
	return ENN_OK;
}

/* Whether all is as it was: suite, name, rules; RFC 7627 §5.3 says what to do about the main secret. */
static enum enn_status judge(struct enn_handshake *hs, const struct enn_client_hello *ch,
			     int64_t wall, struct enn_bytes state, bool *fits)
{
	struct enn_session *s = &hs->tls12->session;
	const char *why = NULL;

	*fits = false;
	if (state.len == 0) {
		return ENN_OK;
	}
	if (!enn_session_decode(state, s) || s->version != ENN_TLS_1_2 ||
	    s->datagram != hs->c->datagram) {
		why = "it cannot be read, or is of another version";
	} else if (enn_tls12_suite(hs, s->suite) == NULL ||
		   !enn_u16_list_has(ch->cipher_suites, s->suite)) {
		why = "its cipher suite is not shared now";
	} else if (enn_tls_suite_mac_len(enn_tls_suite_by_code(s->suite)) > 0 &&
		   !enn_views_have(&ch->views, ENN_VIEW_ENCRYPT_THEN_MAC)) {
		why = "the client does not put the MAC over the ciphertext now";
	} else {
		why = enn_psk_session_obstacle(hs, ch, s, wall);
	}
	enn_reasons_session(hs, "the session offered is not resumed", why);
	if (why != NULL) {
		return ENN_OK;
	}
	if (s->extended_main_secret && !hs->c->result.extended_main_secret) {
		return enn_tls12_fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_PROTOCOL_FAILED,
				      "ClientHello.extended_master_secret",
				      "the session had it and its resumption does not");
	}
	*fits = s->extended_main_secret == hs->c->result.extended_main_secret;
	return ENN_OK;
}

enum enn_status enn_tls12_find_session(struct enn_handshake *hs, enn_time now,
				       const struct enn_client_hello *ch)
{
	struct enn_handshake_result *result = &hs->c->result;
	struct enn_tls12 *t = hs->tls12;
	struct enn_bytes ticket = ch->views.data[ENN_VIEW_SESSION_TICKET];
	int64_t wall = enn_hs_wall(hs->env, now);
	size_t len = 0;

	if (!enn_security_flag(hs->security, ENN_SECURITY_RESUME)) {
		return ENN_OK;
	}
	if (ticket.len > ENN_TICKET_OVERHEAD) {
		ENN_TRY(load_ticket(hs, wall, ticket, &len));
	} else if (ch->session_id.len > 0) {
		ENN_TRY(load_id(hs, now, ch->session_id, &len));
	}
	struct enn_bytes state = {t->state, len};
	ENN_TRY(judge(hs, ch, wall, state, &t->resumes));
	if (!t->resumes) {
		t->session_id_len = 0;
		return ENN_OK;
	}
	result->suite = enn_tls_suite_by_code(t->session.suite);
	result->peer_authenticated = t->session.peer_authenticated;
	ENN_TRY(enn_certificate_restore(hs, &t->session));
	memcpy(t->main_secret, t->session.psk.data, ENN_TLS12_SECRET);
	enn_tls12_log_secret(hs);
	return ENN_OK;
}

/* ---- client ------------------------------------------------------------------------------------------------ */

enum enn_status enn_tls12_resume(struct enn_handshake *hs)
{
	struct enn_handshake_result *result = &hs->c->result;
	const struct enn_session *s = &hs->session_view;
	struct enn_tls12 *t = hs->tls12;

	if (!t->resumes) {
		return enn_tls12_fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello.session_id",
				      "the server resumes a session that was not offered");
	}
	if (s->suite != result->suite->code) {
		return enn_tls12_fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello.cipher_suite",
				      "the resumed session has another cipher suite");
	}
	if (s->extended_main_secret != result->extended_main_secret) { /* RFC 7627 §5.3 */
		return enn_tls12_fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_PROTOCOL_FAILED,
				      "ServerHello.extended_master_secret",
				      "differs from that of the resumed session");
	}
	result->resumed = true;
	result->peer_authenticated = s->peer_authenticated;
	result->peer_raw_key = s->peer_raw_key;
	memcpy(t->main_secret, s->psk.data, ENN_TLS12_SECRET);
	enn_tls12_log_secret(hs);
	t->status_expected = false;
	hs->state = t->ticket_expected ? ENN_HS_CLIENT12_EXPECT_TICKET
				       : ENN_HS_CLIENT12_EXPECT_FINISHED;
	return enn_tls12_keys(hs, ENN_DIRECTION_RECEIVE);
}

enum enn_status enn_handshake_take_session(struct enn_handshake *hs, enn_time now, uint8_t **out,
					   size_t *out_len, int64_t *expires)
{
	struct enn_tls12 *t = hs->tls12;

	*out = NULL;
	*out_len = 0;
	if (hs->server || t == NULL || hs->c->result.version != ENN_TLS_1_2 || !is_worth(hs) ||
	    !enn_security_flag(hs->security, ENN_SECURITY_RESUME)) {
		return ENN_OK;
	}
	struct enn_session s = describe(hs, now);
	bool old = t->resumes && t->ticket_len == 0; /* still good: it goes back as it is */
	s.by_id = t->ticket_len == 0 && !(old && !hs->session_view.by_id);
	s.ticket = t->ticket_len > 0 ? (struct enn_bytes){t->ticket, t->ticket_len}
		   : old	     ? hs->session_view.ticket
				     : (struct enn_bytes){t->session_id, t->session_id_len};
	if (old) {
		s.issued = hs->session_view.issued;
		s.lifetime = hs->session_view.lifetime;
	} else if (t->ticket_len > 0 && t->ticket_lifetime > 0 && t->ticket_lifetime < s.lifetime) {
		s.lifetime = t->ticket_lifetime;
	}
	if (s.ticket.len == 0 || s.lifetime > ENN_HS_MAX_TICKET_LIFETIME) {
		return ENN_OK;
	}
	*out = encode(hs, &s, out_len);
	if (*out == NULL) {
		*out_len = 0;
		return enn_handshake_no_memory(hs->c, "session");
	}
	*expires = s.issued + (int64_t)s.lifetime * (int64_t)ENN_SECOND;
	return ENN_OK;
}
