/* SPDX-License-Identifier: Apache-2.0
 *
 * From the queue's short form to the application's event. An object may have gone since
 * its event was queued; then nobody is told.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/internal.h"

static const char *sentence(enum enn_status status)
{
	switch (status) {
	case ENN_E_CLOSED:
		return "the connection is closed in this direction";
	case ENN_E_MEMORY:
		return "out of memory";
	case ENN_E_ARGUMENT:
		return "the protocol cannot carry this message";
	default:
		return "the operation did not complete";
	}
}

static void fill_error(const struct enn_conn *c, const struct enn_queued *queued,
		       struct enn_error *error)
{
	if (queued->u.error.status == ENN_OK && c->error != NULL) {
		*error = *c->error;
		return;
	}
	enum enn_status status =
		queued->u.error.status == ENN_OK ? ENN_E_FAILED : queued->u.error.status;
	(void)enn_error_set(error, status, queued->u.error.reason, "connection", "%s",
			    sentence(status));
	error->wire_code = ENN_NO_WIRE_CODE;
}

static bool fill_question(const struct enn_conn *c, const struct enn_queued *queued,
			  struct enn_taps_event *event)
{
	const struct enn_attempt *a = NULL;

	for (size_t i = 0; i < c->attempts; i++) {
		if (c->attempt[i]->question != ENN_NO_QUESTION &&
		    c->attempt[i]->request == queued->u.request) {
			a = c->attempt[i];
		}
	}
	if (a == NULL) {
		return false; /* its candidate is gone */
	}
	if (a->question == ENN_ASK_PSK) {
		event->u.psk.request = a->request;
		event->u.psk.identity = a->asked;
		event->u.psk.identity_len = a->asked_len;
	} else if (a->question == ENN_ASK_CREDENTIAL) {
		size_t name_len = strlen((const char *)a->asked);
		event->u.credential.request = a->request;
		event->u.credential.server_name = name_len == 0 ? NULL : (const char *)a->asked;
		event->u.credential.remote = a->remote;
		event->u.credential.alpn = a->asked + name_len + 1;
		event->u.credential.alpn_len = a->asked_len - name_len - 1;
	} else if (a->question == ENN_ASK_SIGN) {
		event->u.sign.request = a->request;
		event->u.sign.scheme = a->scheme;
		event->u.sign.input = a->asked;
		event->u.sign.input_len = a->asked_len;
	} else {
		struct enn_info info;
		enn_engine_info(enn_driver_engine(a->driver), &info);
		event->u.trust.request = a->request;
		event->u.trust.server_name = c->server ? NULL : enn_config_server_name(c->config);
		event->u.trust.remote = a->remote;
		event->u.trust.key = info.peer_key;
		event->u.trust.key_len = info.peer_key_len;
		event->u.trust.status = info.peer_status;
		event->u.trust.status_len = info.peer_status_len;
		event->u.trust.chain_len = info.peer_chain_len;
		for (size_t i = 0; i < info.peer_chain_len; i++) {
			event->u.trust.chain[i].der = info.peer_chain[i].der;
			event->u.trust.chain[i].len = info.peer_chain[i].len;
		}
	}
	return true;
}

static void fill_received(const struct enn_context *ctx, const struct enn_queued *queued,
			  struct enn_taps_event *event)
{
	event->u.received.data = queued->u.received.data;
	event->u.received.len = queued->u.received.len;
	event->u.received.flags = queued->flags;
	event->u.received.end_of_message = queued->end_of_message;
	event->u.received.loan.context = (struct enn_context *)ctx;
	event->u.received.loan.id = queued->u.received.loan;
}

/* False if it should not be told after all. */
static bool fill(struct enn_context *ctx, struct enn_conn *c, const struct enn_queued *queued,
		 struct enn_taps_event *event)
{
	struct enn_info info;

	switch (event->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		c->taken = true;
		return true;
	case ENN_TAPS_RECEIVED:
		fill_received(ctx, queued, event);
		return true;
	case ENN_TAPS_ESTABLISHMENT_ERROR:
	case ENN_TAPS_CONNECTION_ERROR:
	case ENN_TAPS_RECEIVE_ERROR:
	case ENN_TAPS_SEND_ERROR:
		fill_error(c, queued, &event->u.error);
		return true;
	case ENN_TAPS_TRUST_REQUEST:
	case ENN_TAPS_PSK_REQUEST:
	case ENN_TAPS_CREDENTIAL_REQUEST:
	case ENN_TAPS_SIGN_REQUEST:
		return fill_question(c, queued, event);
	case ENN_TAPS_EARLY_DATA:
		event->u.early_data.accepted = queued->u.accepted;
		return true;
	case ENN_TAPS_PEER_AUTHENTICATED:
		event->u.authenticated.accepted = queued->u.accepted;
		return true;
	case ENN_TAPS_KEYS_UPDATED:
		c->keys_queued[queued->u.direction] = false;
		enn_engine_info(enn_conn_engine(c), &info);
		event->u.keys.direction = queued->u.direction;
		event->u.keys.generation = queued->u.direction == ENN_DIRECTION_SEND
						   ? info.keys_sent
						   : info.keys_received;
		return true;
	case ENN_TAPS_SESSION_STORED:
		c->session_queued = false;
		event->u.session.expires = queued->u.expires;
		return true;
	case ENN_TAPS_SOFT_ERROR:
		event->u.error = *queued->u.soft;
		enn_free(enn_context_env(ctx), queued->u.soft, sizeof(*queued->u.soft));
		c->soft_errors--;
		return true;
	case ENN_TAPS_PATH_CHANGE:
		if (c->winner->driver != NULL) {
			enn_driver_path(c->winner->driver, &event->u.path);
		}
		return true;
	default:
		return true;
	}
}

static bool deliver_listener(struct enn_context *ctx, const struct enn_queued *queued,
			     struct enn_taps_event *event)
{
	struct enn_listen *l = enn_slots_get(&ctx->listeners, queued->listener);

	if (l == NULL) {
		return false;
	}
	event->user = l->user;
	if (queued->u.soft != NULL) {
		event->u.error = *queued->u.soft;
		enn_free(enn_context_env(ctx), queued->u.soft, sizeof(*queued->u.soft));
		l->soft_errors--;
	} else {
		event->u.error.where = "listener";
		event->u.error.wire_code = ENN_NO_WIRE_CODE;
	}
	return true;
}

bool enn_context_deliver(struct enn_context *ctx, struct enn_queued *queued,
			 struct enn_taps_event *event)
{
	memset(event, 0, sizeof(*event));
	event->type = queued->type;
	event->token = queued->token;
	if (queued->listener != 0) {
		event->listener = (struct enn_listener){ctx, queued->listener};
	}
	if (queued->connection == 0) {
		return deliver_listener(ctx, queued, event);
	}
	struct enn_conn *c = enn_slots_get(&ctx->connections, queued->connection);
	if (c == NULL) {
		return false;
	}
	event->connection = (struct enn_connection){ctx, queued->connection};
	event->user = c->user;
	return fill(ctx, c, queued, event);
}

void enn_context_discard(struct enn_context *ctx, struct enn_queued *queued)
{
	if (queued->type == ENN_TAPS_RECEIVED && queued->u.received.loan != 0) {
		(void)enn_message_release((struct enn_loan){ctx, queued->u.received.loan});
	}
	if ((queued->connection == 0 || queued->type == ENN_TAPS_SOFT_ERROR) &&
	    queued->u.soft != NULL) {
		enn_free(enn_context_env(ctx), queued->u.soft, sizeof(*queued->u.soft));
	}
}

const char *enn_taps_event_name(enum enn_taps_event_type type)
{
	static const char *const names[] = {
		[ENN_TAPS_NONE] = "NONE",
		[ENN_TAPS_READY] = "READY",
		[ENN_TAPS_ESTABLISHMENT_ERROR] = "ESTABLISHMENT_ERROR",
		[ENN_TAPS_CONNECTION_RECEIVED] = "CONNECTION_RECEIVED",
		[ENN_TAPS_STOPPED] = "STOPPED",
		[ENN_TAPS_RECEIVED] = "RECEIVED",
		[ENN_TAPS_RECEIVE_ERROR] = "RECEIVE_ERROR",
		[ENN_TAPS_SENT] = "SENT",
		[ENN_TAPS_EXPIRED] = "EXPIRED",
		[ENN_TAPS_SEND_ERROR] = "SEND_ERROR",
		[ENN_TAPS_SOFT_ERROR] = "SOFT_ERROR",
		[ENN_TAPS_PATH_CHANGE] = "PATH_CHANGE",
		[ENN_TAPS_CLOSED] = "CLOSED",
		[ENN_TAPS_CONNECTION_ERROR] = "CONNECTION_ERROR",
		[ENN_TAPS_TRUST_REQUEST] = "TRUST_REQUEST",
		[ENN_TAPS_PSK_REQUEST] = "PSK_REQUEST",
		[ENN_TAPS_CREDENTIAL_REQUEST] = "CREDENTIAL_REQUEST",
		[ENN_TAPS_SIGN_REQUEST] = "SIGN_REQUEST",
		[ENN_TAPS_EARLY_DATA] = "EARLY_DATA",
		[ENN_TAPS_KEYS_UPDATED] = "KEYS_UPDATED",
		[ENN_TAPS_KEYS_EXPIRING] = "KEYS_EXPIRING",
		[ENN_TAPS_SESSION_STORED] = "SESSION_STORED",
		[ENN_TAPS_PEER_AUTHENTICATED] = "PEER_AUTHENTICATED",
	};

	return (unsigned)type < ENN_ARRAY_LEN(names) ? names[type] : "?";
}
