/* SPDX-License-Identifier: Apache-2.0
 *
 * Client sessions in the security parameters' store. The key names what a session is
 * good for: protocol, name, port, the application protocols offered, and how strictly the
 * peer was verified, so that a session made without verification never serves
 * a connection that asks for it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "features/security.h"
#include "taps/internal.h"
#include "taps/preconnection.h"

#define MAX_KEY	     (8 + ENN_HOST_MAX + ENN_SECURITY_MAX_ALPN * 256)
#define MAX_SESSION  65536
#define FIRST_LENGTH 4096

static size_t make_key(const struct enn_conn *c, uint8_t key[MAX_KEY])
{
	const struct enn_security *s = c->config->security;
	const char *name = enn_config_server_name(c->config);
	struct enn_writer w = enn_writer_of(key, MAX_KEY);
	uint64_t checks = s->value[ENN_SECURITY_VERIFY_PEER] |
			  s->value[ENN_SECURITY_CHECK_NAME] << 1 |
			  s->value[ENN_SECURITY_DELEGATE_PEER] << 2 |
			  s->value[ENN_SECURITY_CHECK_REVOCATION] << 3;

	enn_write_u8(&w, (uint8_t)c->protocol->id);
	enn_write_u8(&w, (uint8_t)checks);
	enn_write_u16(&w, c->config->remote[0]->address.port);
	enn_write_vector(&w, 2, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
	for (size_t i = 0; i < s->alpn_count; i++) {
		enn_write_vector(&w, 1, s->alpn[i]->id, s->alpn[i]->len);
	}
	return enn_writer_ok(&w) ? enn_writer_len(&w) : 0;
}

static bool usable(const struct enn_conn *c)
{
	/* Without a name nothing says whom the session is with. */
	return enn_security_get_bool(c->config->security, ENN_SECURITY_RESUME) &&
	       enn_conn_value(c, ENN_PROPERTY_ISOLATE_SESSION) == 0 &&
	       enn_config_server_name(c->config) != NULL;
}

static int64_t wall_now(const struct enn_conn *c)
{
	return enn_context_env(c->ctx)->wall_offset + (int64_t)enn_context_now(c->ctx);
}

uint8_t *enn_session_take(const struct enn_conn *c, size_t *len)
{
	const struct enn_env *env = enn_context_env(c->ctx);
	struct enn_session_store *store = c->config->security->store;
	uint8_t key[MAX_KEY];
	size_t key_len;
	size_t room = FIRST_LENGTH;

	*len = 0;
	if (c->config->session != NULL && usable(c)) {
		uint8_t *given = c->config->session;
		*len = c->config->session_len;
		c->config->session = NULL;
		c->config->session_len = 0;
		return given;
	}
	if (store == NULL || !usable(c)) {
		return NULL;
	}
	key_len = make_key(c, key);
	for (;;) {
		uint8_t *session = enn_alloc(env, room);
		size_t got = room;
		if (session == NULL) {
			return NULL;
		}
		enum enn_status status =
			enn_session_store_take(store, key, key_len, wall_now(c), session, &got);
		if (status == ENN_OK) {
			/* Exactly its size, for enn_session_drop. */
			uint8_t *exact = enn_alloc(env, got);
			if (exact != NULL) {
				memcpy(exact, session, got);
				*len = got;
			}
			enn_free_secret(env, session, room);
			return exact;
		}
		enn_free_secret(env, session, room);
		if (status != ENN_E_SPACE || room == MAX_SESSION) {
			return NULL;
		}
		room = MAX_SESSION;
	}
}

void enn_session_drop(const struct enn_conn *c, uint8_t *session, size_t len)
{
	enn_free_secret(enn_context_env(c->ctx), session, len);
}

bool enn_session_keep(const struct enn_conn *c, const uint8_t *data, size_t len, int64_t expires)
{
	uint8_t key[MAX_KEY];
	struct enn_session_store *store = c->config->security->store;

	if (c->server || store == NULL || len > MAX_SESSION || !usable(c)) {
		return false;
	}
	return enn_session_store_put(store, key, make_key(c, key), data, len, expires) == ENN_OK;
}

/* ---- sessions that the application keeps --------------------------------------------- */

enum enn_status enn_preconnection_set_session(struct enn_preconnection *pre, const uint8_t *data,
					      size_t len)
{
	if (data == NULL || len == 0 || len > UINT16_MAX) {
		return ENN_E_ARGUMENT;
	}
	struct enn_config *config = enn_preconnection_change(pre);
	uint8_t *copy = config == NULL ? NULL : enn_alloc(&config->env, len);
	if (copy == NULL) {
		return ENN_E_MEMORY;
	}
	memcpy(copy, data, len);
	enn_free_secret(&config->env, config->session, config->session_len);
	config->session = copy;
	config->session_len = len;
	return ENN_OK;
}

enum enn_status enn_connection_take_session(struct enn_connection connection, uint8_t *data,
					    size_t *len)
{
	const struct enn_conn *c = enn_conn_of(connection);
	uint8_t key[MAX_KEY];

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (data == NULL || len == NULL) {
		return ENN_E_ARGUMENT;
	}
	struct enn_session_store *store = c->config->security->store;
	if (store == NULL || !usable(c)) {
		return ENN_E_NOT_FOUND;
	}
	return enn_session_store_take(store, key, make_key(c, key), wall_now(c), data, len);
}
