/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over a byte stream as an engine: the contract of ennead/engine.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "protocols/tls/internal.h"

#define TRIM_AFTER ENN_SECOND /* an empty stash is given back after this long without input */

static const struct enn_handshake_carrier_ops carrier_ops = {
	.reserve = enn_tls_reserve,
	.commit = enn_tls_commit,
	.secret = enn_tls_set_secret,
	.keys12 = enn_tls_set_keys12,
};

static struct enn_tls *tls(struct enn_engine *e)
{
	return (struct enn_tls *)e;
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void wipe_keys(struct enn_tls *t, struct enn_tls_keys *keys)
{
	enn_aead_free(t->carrier.env, keys->aead);
	enn_wipe(keys, sizeof(*keys));
}

/* Everything that reading needed. */
static void stop_receiving(struct enn_tls *t)
{
	enn_tls_drop_input(t);
	wipe_keys(t, &t->receive);
	enn_tls_drop_waiting(t);
	enn_buffer_clear(&t->messages, t->carrier.env);
	/* Data that was told last is lent until the next call of next_event: see take_back. */
	if (t->partial_done == 0) {
		enn_buffer_clear(&t->partial, t->carrier.env);
	}
}

void enn_tls_failed(struct enn_tls *t)
{
	struct enn_error *error = &t->carrier.error;

	if (t->state == ENN_TLS_STATE_FAILED || t->state == ENN_TLS_STATE_CLOSED) {
		return;
	}
	t->state = ENN_TLS_STATE_FAILED;
	t->deadline = ENN_TIME_NEVER;
	t->pending = ENN_TLS_PENDING_FAILED;
	if (error->origin == ENN_ORIGIN_LOCAL && error->wire_code <= UINT8_MAX) {
		t->alert = (uint8_t)error->wire_code;
		t->alert_pending = true;
	}
	enn_log(t->carrier.env, ENN_LOG_WARNING, "TLS failed: %s", error->text);
	enn_handshake_free(t->hs);
	t->hs = NULL;
	stop_receiving(t);
}

void enn_tls_fail(struct enn_tls *t, enum enn_alert alert, enum enn_reason reason,
		  const char *where, const char *format, ...)
{
	char text[ENN_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)enn_handshake_fail(&t->carrier, alert, reason, where, "%s", text);
	enn_tls_failed(t);
}

static void closed(struct enn_tls *t)
{
	t->state = ENN_TLS_STATE_CLOSED;
	t->deadline = ENN_TIME_NEVER;
	t->pending |= ENN_TLS_PENDING_CLOSED;
}

void enn_tls_check_closed(struct enn_tls *t)
{
	if (t->state == ENN_TLS_STATE_OPEN && t->send_closed && t->receive_closed) {
		closed(t);
	}
}

/* ---- life -------------------------------------------------------------------------------------- */

static void tls_free(struct enn_engine *e)
{
	struct enn_tls *t = tls(e);
	const struct enn_env *env = t->carrier.env;

	enn_handshake_free(t->hs);
	stop_receiving(t);
	enn_buffer_clear(&t->partial, env);
	wipe_keys(t, &t->send);
	enn_buffer_clear(&t->flight, env);
	enn_buffer_clear(&t->out, env);
	enn_free_secret(env, t->session, t->session_len);
	enn_store_drop_puts(&t->carrier);
	enn_handshake_result_clear(&t->carrier.result, env);
	enn_security_free(t->carrier.security);
	enn_free_secret(env, t, sizeof(*t));
}

static enum enn_status tls_start(struct enn_engine *e, enn_time now)
{
	struct enn_tls *t = tls(e);
	enum enn_handshake_outcome outcome;
	uint64_t timeout = t->carrier.security->value[ENN_SECURITY_HANDSHAKE_TIMEOUT];

	if (t->state != ENN_TLS_STATE_IDLE) {
		return ENN_E_STATE;
	}
	t->state = ENN_TLS_STATE_HANDSHAKE;
	if (timeout > 0) {
		t->deadline = now + timeout * ENN_MILLISECOND;
	}
	enum enn_status status = enn_handshake_start(t->hs, now, &outcome);
	enn_tls_outcome(t, now, status, outcome);
	return ENN_OK; /* a failure is an event */
}

/* ---- receiving ------------------------------------------------------------------------------------ */

static enum enn_status refuse(const struct enn_tls *t)
{
	switch (t->state) {
	case ENN_TLS_STATE_FAILED:
		return ENN_E_FAILED;
	case ENN_TLS_STATE_CLOSED:
		return ENN_E_CLOSED;
	case ENN_TLS_STATE_IDLE:
		return ENN_E_STATE;
	default:
		return ENN_OK;
	}
}

static enum enn_status tls_ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
				  struct enn_packet *packets, size_t count)
{
	struct enn_tls *t = tls(e);

	(void)path;
	ENN_TRY(refuse(t));
	if (t->ended) {
		return ENN_E_STATE;
	}
	if (t->lent_len > 0 || (t->pending & ENN_TLS_PENDING_RECEIVED) || enn_tls_parked(t)) {
		return ENN_E_AGAIN;
	}
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			/* all but the last piece are kept: a stream driver gives one */
			enn_tls_stash_input(t);
			ENN_TRY(refuse(t));
		}
		t->lent = packets[i].data;
		t->lent_len = packets[i].len;
	}
	t->last_input = now;
	return ENN_OK;
}

static enum enn_status tls_end(struct enn_engine *e, enn_time now)
{
	struct enn_tls *t = tls(e);

	(void)now;
	ENN_TRY(refuse(t));
	t->ended = true;
	return ENN_OK;
}

static void give_question(struct enn_tls *t, struct enn_event *event)
{
	uint16_t scheme = 0;
	const struct enn_handshake *hs = enn_tls_exchange(t);
	struct enn_bytes data = enn_handshake_question(hs, &scheme);

	if (t->question == ENN_OUTCOME_WANT_STORE) {
		enn_handshake_store_question(t->hs, event);
	} else if (t->question == ENN_OUTCOME_VALIDATE_PEER) {
		event->type = ENN_EVENT_VALIDATE_PEER;
	} else if (t->question == ENN_OUTCOME_WANT_CREDENTIAL) {
		struct enn_bytes alpn = enn_handshake_question_alpn(hs);
		event->type = ENN_EVENT_WANT_CREDENTIAL;
		event->u.credential.server_name = (const char *)data.data;
		event->u.credential.server_name_len = data.len;
		event->u.credential.alpn = alpn.data;
		event->u.credential.alpn_len = alpn.len;
	} else if (t->question == ENN_OUTCOME_WANT_PSK) {
		event->type = ENN_EVENT_WANT_PSK;
		event->u.psk.identity = data.data;
		event->u.psk.identity_len = data.len;
	} else {
		event->type = ENN_EVENT_WANT_IDENTITY;
		event->u.sign.scheme = scheme;
		event->u.sign.input = data.data;
		event->u.sign.input_len = data.len;
		event->u.sign.credential = enn_handshake_signer(hs);
	}
}

static void give_event(struct enn_tls *t, uint32_t bit, struct enn_event *event)
{
	switch (bit) {
	case ENN_TLS_PENDING_EARLY_DATA:
		event->type = ENN_EVENT_EARLY_DATA;
		event->u.early_data.accepted =
			t->carrier.result.early_data == ENN_EARLY_DATA_ACCEPTED;
		break;
	case ENN_TLS_PENDING_QUESTION:
		give_question(t, event);
		break;
	case ENN_TLS_PENDING_READY:
		event->type = ENN_EVENT_READY;
		t->trim_chain = true;
		break;
	case ENN_TLS_PENDING_AUTHENTICATED:
		event->type = ENN_EVENT_PEER_AUTHENTICATED;
		event->u.authenticated.accepted =
			enn_post_auth_accepted(t->carrier.result.post_auth);
		t->trim_chain = true;
		break;
	case ENN_TLS_PENDING_SESSION:
		event->type = ENN_EVENT_STORE_SESSION;
		event->u.session.data = t->session;
		event->u.session.len = t->session_len;
		event->u.session.expires = t->session_expires;
		break;
	case ENN_TLS_PENDING_KEYS_RECEIVED:
	case ENN_TLS_PENDING_KEYS_SENT:
		event->type = ENN_EVENT_KEYS_UPDATED;
		event->u.keys.direction = bit == ENN_TLS_PENDING_KEYS_SENT ? ENN_DIRECTION_SEND
									   : ENN_DIRECTION_RECEIVE;
		event->u.keys.generation = bit == ENN_TLS_PENDING_KEYS_SENT ? t->send.generation
									    : t->receive.generation;
		break;
	case ENN_TLS_PENDING_KEYS_EXPIRING:
		event->type = ENN_EVENT_KEYS_EXPIRING;
		event->u.keys.direction = ENN_DIRECTION_SEND;
		event->u.keys.generation = t->send.generation;
		break;
	case ENN_TLS_PENDING_RECEIVED:
		event->type = ENN_EVENT_RECEIVED;
		event->u.received = (struct enn_message){
			.data = t->received, .len = t->received_len, .flags = t->received_flags};
		break;
	case ENN_TLS_PENDING_CLOSED:
		event->type = ENN_EVENT_CLOSED;
		break;
	default:
		event->type = ENN_EVENT_FAILED;
		event->u.error = t->carrier.error;
		break;
	}
}

/* What the last event lent goes back. */
static void take_back(struct enn_tls *t)
{
	if (t->partial_done > 0 && !(t->pending & ENN_TLS_PENDING_RECEIVED)) {
		enn_buffer_consume(&t->partial, t->partial_done);
		t->partial_done = 0;
		if (t->state == ENN_TLS_STATE_FAILED || t->state == ENN_TLS_STATE_CLOSED) {
			enn_buffer_clear(&t->partial, t->carrier.env);
		}
	}
	if (t->session != NULL && !(t->pending & ENN_TLS_PENDING_SESSION)) {
		enn_free_secret(t->carrier.env, t->session, t->session_len);
		t->session = NULL;
		t->session_len = 0;
	}
	if (t->trim_chain && t->state == ENN_TLS_STATE_OPEN) {
		t->trim_chain = false;
		enn_handshake_result_trim(&t->carrier.result, t->carrier.env, t->carrier.security);
	}
}

static void tls_next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	struct enn_tls *t = tls(e);
	const uint32_t last = ENN_TLS_PENDING_CLOSED | ENN_TLS_PENDING_FAILED;

	event->type = ENN_EVENT_NONE;
	take_back(t);
	if (t->pending == 0) {
		(void)enn_tls_advance(t, now);
	}
	uint32_t first = t->pending & ~last;
	if (first != 0) {
		uint32_t bit = first & (~first + 1); /* the lowest */
		t->pending &= ~bit;
		give_event(t, bit, event);
		return;
	}
	if (enn_store_tell_put(&t->carrier, event)) {
		return;
	}
	if (t->state != ENN_TLS_STATE_FAILED && enn_tls_take_sent(t, event)) {
		return;
	}
	if (t->pending != 0) {
		uint32_t bit = t->pending;
		t->pending = 0;
		give_event(t, bit, event);
	}
}

/* ---- sending -------------------------------------------------------------------------------------------- */

static enum enn_status tls_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	batch->len = 0;
	if (tls(e)->state != ENN_TLS_STATE_IDLE) {
		enn_tls_transmit(tls(e), now, batch);
	}
	return ENN_OK;
}

static enum enn_status tls_send(struct enn_engine *e, enn_time now,
				const struct enn_message *message)
{
	struct enn_tls *t = tls(e);

	(void)now;
	ENN_TRY(refuse(t));
	if (t->final_queued || t->closing) {
		return ENN_E_CLOSED;
	}
	if (t->queue_len == ENN_TLS_QUEUE) {
		return ENN_E_AGAIN;
	}
	t->queue[(t->queue_head + t->queue_len) % ENN_TLS_QUEUE] = *message;
	t->queue_len++;
	t->final_queued = (message->flags & ENN_MESSAGE_FINAL) != 0;
	return ENN_OK;
}

/* ---- time --------------------------------------------------------------------------------------------------- */

/* Open, with an empty stash that only costs memory. */
static bool may_trim(const struct enn_tls *t)
{
	return t->state == ENN_TLS_STATE_OPEN && t->partial.mem != NULL &&
	       enn_buffer_len(&t->partial) == 0;
}

static enn_time tls_deadline(const struct enn_engine *e)
{
	const struct enn_tls *t = (const struct enn_tls *)e;

	return may_trim(t) ? t->last_input + TRIM_AFTER : t->deadline;
}

static void tls_expire(struct enn_engine *e, enn_time now)
{
	struct enn_tls *t = tls(e);

	if (now < tls_deadline(e)) {
		return;
	}
	if (t->state == ENN_TLS_STATE_HANDSHAKE) {
		enn_tls_fail(t, ENN_ALERT_USER_CANCELED, ENN_REASON_TIMEOUT, "handshake",
			     "the handshake took longer than %llu ms",
			     (unsigned long long)
				     t->carrier.security->value[ENN_SECURITY_HANDSHAKE_TIMEOUT]);
		return;
	}
	if (may_trim(t)) {
		enn_buffer_clear(&t->partial, t->carrier.env);
	}
}

/* ---- questions and post-connection interfaces --------------------------------------------------------------- */

static enum enn_status tls_answer(struct enn_engine *e, enn_time now,
				  const struct enn_answer *answer)
{
	struct enn_tls *t = tls(e);
	enum enn_handshake_outcome outcome;

	ENN_TRY(refuse(t));
	if (enn_tls_exchange(t) == NULL || (t->pending & ENN_TLS_PENDING_QUESTION)) {
		return ENN_E_STATE;
	}
	enum enn_status status = t->hs != NULL
					 ? enn_handshake_answer(t->hs, now, answer, &outcome)
					 : enn_post_auth_answer(&t->carrier, now, answer, &outcome);
	if (status == ENN_OK || status == ENN_E_FAILED) {
		enn_tls_outcome(t, now, status, outcome);
		return ENN_OK; /* a failure is an event */
	}
	return status;
}

static enum enn_status tls_rekey(struct enn_engine *e, enn_time now, bool both)
{
	struct enn_tls *t = tls(e);

	(void)now;
	ENN_TRY(refuse(t));
	if (t->state != ENN_TLS_STATE_OPEN) {
		return ENN_E_STATE;
	}
	if (enn_tls_is_12(t)) {
		return ENN_E_UNSUPPORTED; /* it has no KeyUpdate, and nobody renegotiates */
	}
	if (t->send_closed) {
		return ENN_E_CLOSED;
	}
	t->key_update_owed = true;
	t->key_update_request = t->key_update_request || both;
	return ENN_OK;
}

/* RFC 7627 §7: without the extended main secret what is exported is not bound to the connection. */
static enum enn_status export_key12(const struct enn_tls *t, const char *label,
				    const uint8_t *context, size_t context_len, uint8_t *out,
				    size_t len)
{
	if (!t->carrier.result.extended_main_secret) {
		return ENN_E_UNSUPPORTED;
	}
	if (context_len > UINT16_MAX) {
		return ENN_E_ARGUMENT;
	}
	enn_tls12_exporter(&t->carrier.result, label, context, context_len, context != NULL, out,
			   len);
	return ENN_OK;
}

static enum enn_status tls_request_peer(struct enn_engine *e, enn_time now)
{
	struct enn_tls *t = tls(e);

	(void)now;
	ENN_TRY(refuse(t));
	if (t->state != ENN_TLS_STATE_OPEN || !t->carrier.result.server) {
		return ENN_E_STATE;
	}
	if (t->send_closed || t->closing || t->receive_closed) {
		return ENN_E_CLOSED;
	}
	enum enn_status status = enn_post_auth_request(&t->carrier, t->receive.secret);
	if (status == ENN_E_FAILED) {
		enn_tls_failed(t);
	}
	return status;
}

static enum enn_status tls_export_key(struct enn_engine *e, const char *label,
				      const uint8_t *context, size_t context_len, bool early,
				      uint8_t *out, size_t len)
{
	struct enn_tls *t = tls(e);
	const struct enn_tls_suite *suite = t->carrier.result.suite;
	const uint8_t *secret = t->carrier.result.exporter_secret;

	if (t->state == ENN_TLS_STATE_FAILED) {
		return ENN_E_FAILED;
	}
	if (early) {
		secret = t->hs == NULL ? NULL : enn_handshake_early_exporter(t->hs, &suite);
	} else if (t->state != ENN_TLS_STATE_OPEN && t->state != ENN_TLS_STATE_CLOSED) {
		return ENN_E_STATE;
	}
	if (secret == NULL || suite == NULL) {
		return ENN_E_STATE;
	}
	const struct enn_hash_alg *hash = enn_hash_alg(suite->hash);
	if (strlen(label) > 249 || len > 255u * hash->len) {
		return ENN_E_ARGUMENT;
	}
	if (enn_tls_is_12(t)) {
		return early ? ENN_E_STATE : export_key12(t, label, context, context_len, out, len);
	}
	enn_exporter(enn_label_tls13, hash, secret, label, context, context_len, out, len);
	return ENN_OK;
}

/* A question after the handshake that nobody will answer any more: the exchange stays as it is. */
static void give_up_exchange(struct enn_tls *t)
{
	enn_post_auth_drop(t->carrier.result.post_auth, t->carrier.env);
	t->pending &= ~(uint32_t)ENN_TLS_PENDING_QUESTION;
}

static enum enn_status tls_close(struct enn_engine *e, enn_time now, uint64_t code)
{
	struct enn_tls *t = tls(e);

	(void)now;
	(void)code;
	ENN_TRY(refuse(t));
	if (t->closing) {
		return ENN_OK;
	}
	t->closing = true;
	t->pending &= ~(uint32_t)ENN_TLS_PENDING_RECEIVED;
	if (enn_post_auth_exchange(t->carrier.result.post_auth) != NULL && enn_tls_parked(t)) {
		give_up_exchange(t);
	}
	if (t->state ==
	    ENN_TLS_STATE_HANDSHAKE) { /* §6.1: canceled; nothing was accepted that could be lost */
		enn_handshake_free(t->hs);
		t->hs = NULL;
		t->pending = 0;
		t->alert = ENN_ALERT_USER_CANCELED;
		t->alert_pending = true;
		stop_receiving(t);
		closed(t);
		return ENN_OK;
	}
	if (t->ended) {
		t->receive_closed = true;
	}
	enn_tls_check_closed(t);
	return ENN_OK;
}

static void tls_info(const struct enn_engine *e, struct enn_info *info)
{
	const struct enn_tls *t = (const struct enn_tls *)e;

	enn_handshake_result_info(&t->carrier.result, info);
	info->protocol = e->protocol;
	info->ready = t->state == ENN_TLS_STATE_OPEN || t->state == ENN_TLS_STATE_CLOSED;
	info->keys_sent = t->send.generation;
	info->keys_received = t->receive.generation;
}

static bool tls_error(const struct enn_engine *e, struct enn_error *error)
{
	const struct enn_tls *t = (const struct enn_tls *)e;

	if (t->state != ENN_TLS_STATE_FAILED) {
		return false;
	}
	*error = t->carrier.error;
	return true;
}

static const struct enn_engine_ops ops = {
	.free = tls_free,
	.start = tls_start,
	.ingest = tls_ingest,
	.end = tls_end,
	.transmit = tls_transmit,
	.deadline = tls_deadline,
	.expire = tls_expire,
	.send = tls_send,
	.next_event = tls_next_event,
	.answer = tls_answer,
	.rekey = tls_rekey,
	.export_key = tls_export_key,
	.close = tls_close,
	.info = tls_info,
	.error = tls_error,
	.request_peer = tls_request_peer,
};

static enum enn_status tls_new(const struct enn_protocol *protocol, const struct enn_env *env,
			       struct enn_security *security, bool server,
			       const struct enn_engine_options *options, struct enn_engine **out,
			       struct enn_error *error)
{
	struct enn_tls *t = enn_alloc(env, sizeof(*t));

	*out = NULL;
	if (t == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "engine",
				     "out of memory");
	}
	t->base.ops = &ops;
	t->base.protocol = protocol;
	t->deadline = ENN_TIME_NEVER;
	t->carrier.ops = &carrier_ops;
	t->carrier.env = env;
	enum enn_status status = enn_security_acquire(security, error);
	if (status != ENN_OK) {
		enn_free(env, t, sizeof(*t));
		return status;
	}
	t->carrier.security = security;
	status = enn_handshake_new(&t->carrier, server, options, &t->hs, error);
	if (status != ENN_OK) {
		tls_free(&t->base);
		return status;
	}
	*out = &t->base;
	return ENN_OK;
}

enum enn_status enn_tls_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				   struct enn_security *security,
				   const struct enn_engine_options *options,
				   struct enn_engine **out, struct enn_error *error)
{
	return tls_new(protocol, env, security, false, options, out, error);
}

enum enn_status enn_tls_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				   struct enn_security *security,
				   const struct enn_engine_options *options,
				   struct enn_engine **out, struct enn_error *error)
{
	return tls_new(protocol, env, security, true, options, out, error);
}
