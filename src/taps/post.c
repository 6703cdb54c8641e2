/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls on a connection: closing, the survey's post-connection interfaces, its
 * properties, what is known about it, and the answers to questions.
 */
#include <string.h>

#include "base/mem.h"
#include "taps/internal.h"

/* ---- ending -------------------------------------------------------------------------- */

enum enn_status enn_connection_close(struct enn_connection connection)
{
	struct enn_conn *c = enn_conn_of(connection);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (c->over || c->close_called || c->abort_called) {
		return ENN_E_CLOSED;
	}
	c->close_called = true;
	c->close_time = enn_context_now(c->ctx);
	enn_conn_wake(c);
	return ENN_OK;
}

enum enn_status enn_connection_abort(struct enn_connection connection)
{
	struct enn_conn *c = enn_conn_of(connection);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (c->over || c->abort_called) {
		return ENN_E_CLOSED;
	}
	c->abort_called = true;
	enn_conn_wake(c);
	return ENN_OK;
}

void enn_connection_free(struct enn_connection connection)
{
	struct enn_conn *c = enn_conn_of(connection);

	if (c == NULL) {
		return;
	}
	if (c->server && !c->announced) {
		enn_listen_lost(c, NULL); /* freed at one of its questions */
		return;
	}
	enn_conn_destroy(c, ENN_RELEASE_RESET);
}

/* ---- post-connection interfaces ------------------------------------------------------ */

enum enn_status enn_connection_clone(struct enn_connection connection, struct enn_connection *out)
{
	const struct enn_conn *c = enn_conn_of(connection);

	*out = (struct enn_connection){0};
	/* No protocol of this build has several streams. */
	return c == NULL ? ENN_E_STALE : ENN_E_UNSUPPORTED;
}

/* The engine of an established connection. */
static enum enn_status open_engine(struct enn_conn *c, struct enn_engine **out)
{
	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (c->over || c->close_begun) {
		return ENN_E_CLOSED;
	}
	if (c->winner != NULL && c->winner->failed) {
		return ENN_E_FAILED;
	}
	*out = enn_conn_engine(c);
	return *out == NULL ? ENN_E_STATE : ENN_OK;
}

enum enn_status enn_connection_update_keys(struct enn_connection connection, bool both)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_engine *engine = NULL;

	ENN_TRY(open_engine(c, &engine));
	enum enn_status status = enn_engine_rekey(engine, enn_context_now(c->ctx), both);
	enn_conn_wake(c);
	return status;
}

enum enn_status enn_connection_request_peer(struct enn_connection connection)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_engine *engine = NULL;

	ENN_TRY(open_engine(c, &engine));
	enum enn_status status = enn_engine_request_peer(engine, enn_context_now(c->ctx));
	enn_conn_wake(c);
	return status;
}

enum enn_status enn_connection_export_key(struct enn_connection connection, const char *label,
					  const uint8_t *context, size_t context_len, bool early,
					  uint8_t *out, size_t len)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_engine *engine = NULL;

	ENN_TRY(open_engine(c, &engine));
	return enn_engine_export_key(engine, label, context, context_len, early, out, len);
}

enum enn_status enn_connection_migrate(struct enn_connection connection,
				       const struct enn_path *path)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_engine *engine = NULL;

	ENN_TRY(open_engine(c, &engine));
	enum enn_status status = enn_driver_migrate(c->winner->driver, path);
	enn_conn_wake(c);
	return status;
}

bool enn_connection_has(struct enn_connection connection, enum enn_feature feature)
{
	const struct enn_conn *c = enn_conn_of(connection);

	return c != NULL && enn_protocol_built(c->protocol, feature);
}

/* ---- properties ---------------------------------------------------------------------- */

enum enn_status enn_connection_set_property(struct enn_connection connection, enum enn_property id,
					    uint64_t value)
{
	struct enn_conn *c = enn_conn_of(connection);
	const struct enn_property_row *row = enn_property_at(id);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (row == NULL || row->phase == ENN_PROPERTY_PHASE_readonly ||
	    (row->type != ENN_PROPERTY_TYPE_set && !enn_property_valid(id, value))) {
		return ENN_E_ARGUMENT;
	}
	if (row->phase == ENN_PROPERTY_PHASE_selection) {
		return ENN_E_STATE;
	}
	if (c->value == NULL) {
		size_t size = ENN_PROPERTY_COUNT * sizeof(*c->value);
		c->value = enn_alloc(enn_context_env(c->ctx), size);
		if (c->value == NULL) {
			return ENN_E_MEMORY;
		}
		memcpy(c->value, c->config->value, size);
	}
	c->value[id] = value;
	if (c->winner != NULL && c->winner->driver != NULL) {
		struct enn_socket_options options;
		enn_conn_socket_options(c, &options);
		enn_driver_set_options(c->winner->driver, &options);
	}
	enn_conn_wake(c);
	return ENN_OK;
}

static uint64_t readonly_value(const struct enn_conn *c, enum enn_property id)
{
	uint64_t direction = enn_conn_value(c, ENN_PROPERTY_DIRECTION);

	switch (id) {
	case ENN_PROPERTY_CONN_STATE:
		return enn_conn_state(c);
	case ENN_PROPERTY_CAN_SEND:
		return !c->over && !c->final_queued && !c->close_called && !c->sends_failed &&
		       direction != ENN_UNIDIRECTIONAL_RECEIVE;
	case ENN_PROPERTY_CAN_RECEIVE:
		return !c->over && !c->final_delivered && !c->close_called &&
		       direction != ENN_UNIDIRECTIONAL_SEND;
	case ENN_PROPERTY_SEND_MSG_MAX_LEN:
	case ENN_PROPERTY_RECV_MSG_MAX_LEN:
		return enn_conn_max_message(c);
	default:
		return c->config->value[id];
	}
}

enum enn_status enn_connection_get_property(struct enn_connection connection, enum enn_property id,
					    uint64_t *value)
{
	const struct enn_conn *c = enn_conn_of(connection);
	const struct enn_property_row *row = enn_property_at(id);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (row == NULL || row->type == ENN_PROPERTY_TYPE_set) {
		return ENN_E_ARGUMENT;
	}
	if (row->phase == ENN_PROPERTY_PHASE_readonly) {
		*value = readonly_value(c, id);
	} else if (row->type == ENN_PROPERTY_TYPE_pref && c->ready != 0) {
		*value = enn_protocol_gives(c->protocol, id);
	} else {
		*value = enn_conn_value(c, id);
	}
	return ENN_OK;
}

enum enn_status enn_connection_set_user(struct enn_connection connection, void *user)
{
	struct enn_conn *c = enn_conn_of(connection);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	c->user = user;
	return ENN_OK;
}

/* All candidates are for the same name, and what is here was vouched for: the first will do. */
static void add_ech_retry(const struct enn_conn *c, struct enn_info *info)
{
	for (size_t i = 0; i < c->attempts && info->ech_retry == NULL; i++) {
		info->ech_retry = c->attempt[i]->ech_retry;
		info->ech_retry_len = c->attempt[i]->ech_retry_len;
	}
}

enum enn_status enn_connection_info(struct enn_connection connection,
				    struct enn_connection_info *info)
{
	const struct enn_conn *c = enn_conn_of(connection);

	memset(info, 0, sizeof(*info));
	if (c == NULL) {
		return ENN_E_STALE;
	}
	info->state = enn_conn_state(c);
	info->server_name = c->server ? NULL : enn_config_server_name(c->config);
	info->bytes_sent = c->bytes_sent;
	info->bytes_received = c->bytes_received;
	info->started = c->started;
	info->transport_ready = c->transport_ready;
	info->ready = c->ready;
	for (size_t i = 0; i < c->attempts; i++) {
		info->attempts += c->attempt[i]->started != 0;
	}
	info->security.protocol = c->protocol;
	info->security.server = c->server;
	if (enn_conn_engine(c) != NULL) {
		enn_engine_info(enn_conn_engine(c), &info->security);
	}
	if (c->winner != NULL) {
		if (c->winner->driver != NULL) {
			enn_driver_path(c->winner->driver, &info->path);
			info->messages_dropped = enn_driver_dropped(c->winner->driver);
		}
		if (info->path.remote.family == ENN_FAMILY_NONE) {
			info->path.remote = c->winner->remote;
		}
	}
	info->failed = c->error != NULL;
	if (info->failed) {
		info->error = *c->error;
		add_ech_retry(c, &info->security);
	}
	return ENN_OK;
}

/* ---- answers ------------------------------------------------------------------------- */

static enum enn_status answer(struct enn_connection connection, uint64_t request,
			      enum enn_question question, const struct enn_answer *reply)
{
	struct enn_conn *c = enn_conn_of(connection);

	if (c == NULL) {
		return ENN_E_STALE;
	}
	for (size_t i = 0; i < c->attempts; i++) {
		struct enn_attempt *a = c->attempt[i];
		if (a->question != question || a->request != request || a->driver == NULL) {
			continue;
		}
		enum enn_status status = enn_engine_answer(enn_driver_engine(a->driver),
							   enn_context_now(c->ctx), reply);
		enn_attempt_answered(a);
		a->answered = true;
		enn_conn_wake(c);
		return status;
	}
	return ENN_E_NOT_FOUND;
}

enum enn_status enn_connection_trust_answer(struct enn_connection connection, uint64_t request,
					    bool accept)
{
	struct enn_answer reply = {.type = ENN_ANSWER_PEER, .accept = accept};

	return answer(connection, request, ENN_ASK_TRUST, &reply);
}

enum enn_status enn_connection_psk_answer(struct enn_connection connection, uint64_t request,
					  const uint8_t *key, size_t key_len,
					  enum enn_psk_hash hash)
{
	struct enn_answer reply = {.type = ENN_ANSWER_PSK,
				   .accept = key != NULL,
				   .data = key,
				   .len = key_len,
				   .hash = hash};

	return answer(connection, request, ENN_ASK_PSK, &reply);
}

enum enn_status enn_connection_credential_answer(struct enn_connection connection, uint64_t request,
						 bool accept, struct enn_security *security,
						 struct enn_credential *credential)
{
	struct enn_answer reply = {.type = ENN_ANSWER_CREDENTIAL,
				   .accept = accept,
				   .security = security,
				   .credential = credential};

	return answer(connection, request, ENN_ASK_CREDENTIAL, &reply);
}

enum enn_status enn_connection_sign_answer(struct enn_connection connection, uint64_t request,
					   const uint8_t *signature, size_t signature_len)
{
	struct enn_answer reply = {.type = ENN_ANSWER_SIGNATURE,
				   .accept = signature != NULL,
				   .data = signature,
				   .len = signature_len};

	return answer(connection, request, ENN_ASK_SIGN, &reply);
}
