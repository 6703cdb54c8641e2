/* SPDX-License-Identifier: Apache-2.0
 *
 * After the handshake: tickets and key updates (RFC 8446 §4.6).
 */
#include "features/session_cache.h"
#include "handshake/internal.h"

#define NONCE_LEN 8

/* Puts the connection's state into the store: the ticket is its name there. */
static enum enn_status name_ticket(struct enn_handshake_carrier *c, const struct enn_session *s,
				   uint8_t ticket[ENN_HS_TICKET_NAME], size_t *len)
{
	uint8_t key[ENN_STORE_KEY13];
	size_t bound = enn_session_size(s);

	*len = 0;
	if (enn_random(c->env, ticket, ENN_HS_TICKET_NAME) != ENN_OK) {
		return enn_handshake_fail(c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
					  "the random source failed");
	}
	uint8_t *state = enn_alloc(c->env, bound);
	if (state == NULL) {
		return enn_handshake_no_memory(c, "NewSessionTicket");
	}
	size_t state_len = enn_session_encode(s, state, bound);
	if (state_len > 0) {
		struct enn_bytes name = {ticket, ENN_HS_TICKET_NAME};
		struct enn_bytes value = {state, state_len};
		enn_store_put(c, enn_store_key13(name, key), value,
			      s->issued + (int64_t)s->lifetime * (int64_t)ENN_SECOND);
		*len = ENN_HS_TICKET_NAME;
	}
	enn_free_secret(c->env, state, bound);
	return ENN_OK;
}

/* Seals the connection's state into a ticket; *len 0 if it cannot be one. */
static enum enn_status seal_ticket(struct enn_handshake_carrier *c, int64_t wall,
				   const struct enn_session *s, uint8_t *ticket, size_t cap,
				   size_t *len)
{
	size_t bound = enn_session_size(s);
	uint8_t *state = enn_alloc(c->env, bound);

	*len = 0;
	if (state == NULL) {
		return enn_handshake_no_memory(c, "NewSessionTicket");
	}
	size_t state_len = enn_session_encode(s, state, bound);
	enum enn_status status = ENN_OK;
	if (state_len > 0) {
		status = enn_ticket_seal(c->security->tickets, c->env, wall,
					 (int64_t)s->lifetime * (int64_t)ENN_SECOND, state,
					 state_len, ticket, cap, len);
	}
	enn_free_secret(c->env, state, bound);
	if (status != ENN_OK) {
		return status == ENN_E_MEMORY
			       ? enn_handshake_no_memory(c, "NewSessionTicket")
			       : enn_handshake_fail(c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM,
						    "NewSessionTicket", "sealing a ticket failed");
	}
	return ENN_OK;
}

/* The first certificate of the peer's chain, if it is to be remembered. */
struct enn_bytes enn_session_peer_leaf(const struct enn_handshake_carrier *c)
{
	struct enn_reader r = enn_reader_of(c->result.peer_chain, c->result.peer_chain_size);
	struct enn_bytes none = {NULL, 0};

	if (c->result.peer_chain_size == 0 ||
	    !enn_security_flag(c->security, ENN_SECURITY_KEEP_PEER_CHAIN)) {
		return none;
	}
	struct enn_bytes leaf = enn_read_vector(&r, 3, 0, 0xffffff);
	return leaf.len <= 16384 ? leaf : none;
}

static enum enn_status write_ticket(struct enn_handshake_carrier *c, const struct enn_session *s,
				    const uint8_t *nonce, const uint8_t *ticket, size_t ticket_len)
{
	uint8_t *room = c->ops->reserve(c, ENN_LEVEL_APPLICATION, ENN_HS_HEADER + 64 + ticket_len);
	uint8_t r = 0;

	if (room == NULL) {
		return enn_handshake_no_memory(c, "NewSessionTicket");
	}
	struct enn_writer w = enn_writer_of(room, ENN_HS_HEADER + 64 + ticket_len);
	enn_write_u8(&w, ENN_HS_NEW_SESSION_TICKET);
	size_t body = enn_write_begin(&w, 3);
	enn_write_u32(&w, s->lifetime);
	enn_write_u32(&w, s->age_add);
	enn_write_vector(&w, 1, nonce, NONCE_LEN);
	enn_write_vector(&w, 2, ticket, ticket_len);
	size_t list = enn_write_begin(&w, 2);
	if (s->max_early_data > 0) {
		enn_write_u16(&w, ENN_EXT_EARLY_DATA);
		enn_write_u16(&w, 4);
		enn_write_u32(&w, s->max_early_data);
	}
	/* RFC 8701 §4.1: a reserved extension. */
	if (enn_security_flag(c->security, ENN_SECURITY_GREASE) &&
	    enn_random(c->env, &r, 1) == ENN_OK) {
		uint8_t byte = (uint8_t)((r & 0xf0) | 0x0a);
		enn_write_u16(&w, (uint16_t)(byte << 8 | byte));
		enn_write_u16(&w, 0);
	}
	enn_write_end(&w, list, 2);
	enn_write_end(&w, body, 3);
	c->ops->commit(c, ENN_LEVEL_APPLICATION, ENN_HS_NEW_SESSION_TICKET, enn_writer_len(&w));
	return ENN_OK;
}

enum enn_status enn_post_send_ticket(struct enn_handshake_carrier *c, enn_time now)
{
	struct enn_handshake_result *result = &c->result;
	const struct enn_hash_alg *hash = enn_hash_alg(result->suite->hash);
	uint8_t nonce[NONCE_LEN];
	uint8_t psk[ENN_MAX_SECRET];
	uint8_t age_add[4];
	struct enn_writer nw = enn_writer_of(nonce, sizeof(nonce));

	if (!enn_security_flag(c->security, ENN_SECURITY_RESUME)) {
		return ENN_OK;
	}
	if (enn_random(c->env, age_add, sizeof(age_add)) != ENN_OK) {
		return enn_handshake_fail(c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
					  "the random source failed");
	}
	enn_write_u64(&nw, result->tickets_sent++);
	enn_resumption_psk(enn_hs_prefix(c), hash, result->resumption_secret, nonce, sizeof(nonce),
			   psk);
	struct enn_reader age = enn_reader_of(age_add, sizeof(age_add));
	bool early = !c->datagram && enn_security_flag(c->security, ENN_SECURITY_EARLY_DATA);
	const char *name = result->server_name == NULL ? "" : result->server_name;
	struct enn_session s = {
		.version = ENN_TLS_1_3,
		.datagram = c->datagram,
		.suite = result->suite->code,
		.issued = c->env->wall_offset + (int64_t)now,
		.lifetime = (uint32_t)c->security->value[ENN_SECURITY_TICKET_LIFETIME],
		.age_add = enn_read_u32(&age),
		.max_early_data =
			early ? (uint32_t)c->security->value[ENN_SECURITY_MAX_EARLY_DATA] : 0,
		.peer_raw_key = result->peer_raw_key,
		.peer_authenticated = result->peer_authenticated && !result->external_psk,
		.rules = enn_security_rules(c->security, true),
		.psk = {psk, hash->len},
		.server_name = {(const uint8_t *)name, strlen(name)},
		.alpn = {result->alpn, result->alpn_len},
		.peer = enn_session_peer_leaf(c),
	};
	size_t cap = enn_session_size(&s) + ENN_TICKET_OVERHEAD;
	uint8_t *ticket = enn_alloc(c->env, cap);
	enum enn_status status = ENN_OK;
	size_t len = 0;
	if (ticket == NULL) {
		status = enn_handshake_no_memory(c, "NewSessionTicket");
	} else {
		status = enn_security_flag(c->security, ENN_SECURITY_STATEFUL_TICKETS)
				 ? name_ticket(c, &s, ticket, &len)
				 : seal_ticket(c, s.issued, &s, ticket, cap, &len);
	}
	if (status == ENN_OK && len > 0) {
		status = write_ticket(c, &s, nonce, ticket, len);
	}
	enn_free(c->env, ticket, cap);
	enn_wipe(psk, sizeof(psk));
	return status;
}

enum enn_status enn_post_receive_ticket(struct enn_handshake_carrier *c, enn_time now,
					struct enn_bytes message, uint8_t **out, size_t *out_len,
					int64_t *expires)
{
	const struct enn_handshake_result *result = &c->result;
	const struct enn_hash_alg *hash = enn_hash_alg(result->suite->hash);
	struct enn_new_session_ticket m;
	struct enn_fault fault;
	uint8_t psk[ENN_MAX_SECRET];

	*out = NULL;
	*out_len = 0;
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};
	if (!enn_parse_new_session_ticket(body, &m, &fault)) {
		return enn_handshake_fail(c, fault.alert, ENN_REASON_PROTOCOL_FAILED, fault.where,
					  "%s %s", fault.where, fault.what);
	}
	if (m.lifetime > ENN_HS_MAX_TICKET_LIFETIME) { /* §4.6.1: MUST NOT */
		return enn_handshake_fail(
			c, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			"NewSessionTicket.ticket_lifetime",
			"a ticket lifetime of %u seconds is above seven days", m.lifetime);
	}
	if (m.lifetime == 0 || !enn_security_flag(c->security, ENN_SECURITY_RESUME)) {
		return ENN_OK; /* §4.6.1: zero means discard immediately */
	}
	uint64_t own = c->security->value[ENN_SECURITY_TICKET_LIFETIME];
	const char *name = result->server_name == NULL ? "" : result->server_name;
	enn_resumption_psk(enn_hs_prefix(c), hash, result->resumption_secret, m.nonce.data,
			   m.nonce.len, psk);
	struct enn_session s = {
		.version = ENN_TLS_1_3,
		.datagram = c->datagram,
		.suite = result->suite->code,
		.issued = c->env->wall_offset + (int64_t)now,
		.lifetime = m.lifetime < own ? m.lifetime : (uint32_t)own,
		.age_add = m.age_add,
		.max_early_data = m.has_early_data ? m.max_early_data : 0,
		.peer_raw_key = result->peer_raw_key,
		.peer_authenticated = result->peer_authenticated,
		.rules = enn_security_rules(c->security, false),
		.psk = {psk, hash->len},
		.server_name = {(const uint8_t *)name, strlen(name)},
		.alpn = {result->alpn, result->alpn_len},
		.ticket = m.ticket,
	};
	size_t bound = enn_session_size(&s);
	*out = enn_alloc(c->env, bound);
	if (*out == NULL) {
		enn_wipe(psk, sizeof(psk));
		return enn_handshake_no_memory(c, "NewSessionTicket");
	}
	*out_len = bound;
	*expires = s.issued + (int64_t)s.lifetime * (int64_t)ENN_SECOND;
	if (enn_session_encode(&s, *out, bound) == 0) {
		enn_free_secret(c->env, *out, bound);
		*out = NULL;
		*out_len = 0;
	}
	enn_wipe(psk, sizeof(psk));
	return ENN_OK;
}

enum enn_status enn_post_send_key_update(struct enn_handshake_carrier *c, bool request)
{
	uint8_t *room = c->ops->reserve(c, ENN_LEVEL_APPLICATION, ENN_HS_HEADER + 1);

	if (room == NULL) {
		return enn_handshake_no_memory(c, "KeyUpdate");
	}
	struct enn_writer w = enn_writer_of(room, ENN_HS_HEADER + 1);
	enn_write_u8(&w, ENN_HS_KEY_UPDATE);
	enn_write_u24(&w, 1);
	enn_write_u8(&w, request ? 1 : 0);
	c->ops->commit(c, ENN_LEVEL_APPLICATION, ENN_HS_KEY_UPDATE, enn_writer_len(&w));
	return ENN_OK;
}
