/* SPDX-License-Identifier: Apache-2.0
 *
 * DTLS 1.2 and 1.3 as an engine: the contract of ennead/engine.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/log.h"
#include "protocols/dtls/internal.h"
#include "protocols/registry.h"

/* What fits into a datagram on any path worth the name (RFC 8899 §5.1.2), less headers. */
#define FIRST_DATAGRAM 1200u

static const struct enn_handshake_carrier_ops carrier_ops = {
	.reserve = enn_dtls_reserve,
	.commit = enn_dtls_commit,
	.secret = enn_dtls_set_secret,
	.keys12 = enn_dtls_set_keys12,
};

static struct enn_dtls *dtls(struct enn_engine *e)
{
	return (struct enn_dtls *)e;
}

/* ---- ends --------------------------------------------------------------------------------------- */

static void stop(struct enn_dtls *d)
{
	enn_handshake_free(d->hs);
	d->hs = NULL;
	d->deadline = ENN_TIME_NEVER;
	d->ack_at = ENN_TIME_NEVER;
	d->ack_due = false;
	enn_dtls_drop_flight(d);
	enn_dtls_drop_incoming(d);
	for (size_t i = 0; i < ENN_DTLS_SLOTS; i++) {
		enn_dtls_keys_wipe(d->carrier.env, &d->receive[i]);
	}
	if (d->hub != NULL) {
		enn_dtls_leave_hub(d);
	}
}

void enn_dtls_failed(struct enn_dtls *d)
{
	struct enn_error *error = &d->carrier.error;

	if (d->state == ENN_DTLS_STATE_FAILED || d->state == ENN_DTLS_STATE_CLOSED) {
		return;
	}
	d->state = ENN_DTLS_STATE_FAILED;
	d->pending = ENN_DTLS_PENDING_FAILED;
	if (error->origin == ENN_ORIGIN_LOCAL && error->wire_code <= UINT8_MAX) {
		d->alert = (uint8_t)error->wire_code;
		d->alert_pending = true;
	}
	enn_log(d->carrier.env, ENN_LOG_WARNING, "DTLS failed: %s", error->text);
	stop(d);
}

void enn_dtls_fail(struct enn_dtls *d, enum enn_alert alert, enum enn_reason reason,
		   const char *where, const char *format, ...)
{
	char text[ENN_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)enn_handshake_fail(&d->carrier, alert, reason, where, "%s", text);
	enn_dtls_failed(d);
}

void enn_dtls_closed(struct enn_dtls *d)
{
	if (d->state == ENN_DTLS_STATE_CLOSED || d->state == ENN_DTLS_STATE_FAILED) {
		return;
	}
	d->state = ENN_DTLS_STATE_CLOSED;
	d->pending |= ENN_DTLS_PENDING_CLOSED;
	stop(d);
}

/* ---- life --------------------------------------------------------------------------------------- */

static void dtls_free(struct enn_engine *e)
{
	struct enn_dtls *d = dtls(e);
	const struct enn_env *env = d->carrier.env;

	stop(d);
	for (size_t i = 0; i < ENN_DTLS_SLOTS; i++) {
		enn_dtls_keys_wipe(env, &d->send[i]);
	}
	enn_free_secret(env, d->session, d->session_len);
	enn_store_drop_puts(&d->carrier);
	enn_handshake_result_clear(&d->carrier.result, env);
	enn_security_free(d->carrier.security);
	enn_free_secret(env, d, sizeof(*d));
}

static enum enn_status dtls_start(struct enn_engine *e, enn_time now)
{
	struct enn_dtls *d = dtls(e);
	enum enn_handshake_outcome outcome;
	uint64_t timeout = d->carrier.security->value[ENN_SECURITY_HANDSHAKE_TIMEOUT];

	if (d->state != ENN_DTLS_STATE_IDLE) {
		return ENN_E_STATE;
	}
	d->state = ENN_DTLS_STATE_HANDSHAKE;
	if (timeout > 0) {
		d->deadline = now + timeout * ENN_MILLISECOND;
	}
	enum enn_status status = enn_handshake_start(d->hs, now, &outcome);
	enn_dtls_outcome(d, now, status, outcome);
	return ENN_OK; /* a failure is an event */
}

static enum enn_status refuse(const struct enn_dtls *d)
{
	switch (d->state) {
	case ENN_DTLS_STATE_FAILED:
		return ENN_E_FAILED;
	case ENN_DTLS_STATE_CLOSED:
		return ENN_E_CLOSED;
	case ENN_DTLS_STATE_IDLE:
		return ENN_E_STATE;
	default:
		return ENN_OK;
	}
}

/* ---- receiving ------------------------------------------------------------------------------------ */

static enum enn_status dtls_ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
				   struct enn_packet *packets, size_t count)
{
	struct enn_dtls *d = dtls(e);

	(void)now;
	ENN_TRY(refuse(d));
	if (d->packet_at < d->packet_count || (d->pending & ENN_DTLS_PENDING_RECEIVED) != 0) {
		return ENN_E_AGAIN;
	}
	if (d->path.remote.family == ENN_FAMILY_NONE) {
		d->path = *path;
	}
	for (size_t i = 0; i < count; i++) {
		d->bytes_in += packets[i].len;
	}
	d->packets = packets;
	d->packet_count = count;
	d->packet_at = d->packet_offset = 0;
	return ENN_OK;
}

static void give_question(struct enn_dtls *d, struct enn_event *event)
{
	uint16_t scheme = 0;
	struct enn_bytes data = enn_handshake_question(d->hs, &scheme);

	switch (d->question) {
	case ENN_OUTCOME_WANT_STORE:
		enn_handshake_store_question(d->hs, event);
		break;
	case ENN_OUTCOME_VALIDATE_PEER:
		event->type = ENN_EVENT_VALIDATE_PEER;
		break;
	case ENN_OUTCOME_WANT_CREDENTIAL: {
		struct enn_bytes alpn = enn_handshake_question_alpn(d->hs);
		event->type = ENN_EVENT_WANT_CREDENTIAL;
		event->u.credential.server_name = (const char *)data.data;
		event->u.credential.server_name_len = data.len;
		event->u.credential.alpn = alpn.data;
		event->u.credential.alpn_len = alpn.len;
		break;
	}
	case ENN_OUTCOME_WANT_PSK:
		event->type = ENN_EVENT_WANT_PSK;
		event->u.psk.identity = data.data;
		event->u.psk.identity_len = data.len;
		break;
	default:
		event->type = ENN_EVENT_WANT_IDENTITY;
		event->u.sign.scheme = scheme;
		event->u.sign.input = data.data;
		event->u.sign.input_len = data.len;
		event->u.sign.credential = enn_handshake_signer(d->hs);
		break;
	}
}

static void give_keys(struct enn_event *event, enum enn_event_type type,
		      enum enn_direction direction, uint64_t generation)
{
	event->type = type;
	event->u.keys.direction = direction;
	event->u.keys.generation = generation;
}

static void give_event(struct enn_dtls *d, uint32_t bit, struct enn_event *event)
{
	switch (bit) {
	case ENN_DTLS_PENDING_QUESTION:
		give_question(d, event);
		break;
	case ENN_DTLS_PENDING_READY:
		event->type = ENN_EVENT_READY;
		break;
	case ENN_DTLS_PENDING_SESSION:
		event->type = ENN_EVENT_STORE_SESSION;
		event->u.session.data = d->session;
		event->u.session.len = d->session_len;
		event->u.session.expires = d->session_expires;
		break;
	case ENN_DTLS_PENDING_KEYS_RECEIVED:
		give_keys(event, ENN_EVENT_KEYS_UPDATED, ENN_DIRECTION_RECEIVE, d->keys_received);
		break;
	case ENN_DTLS_PENDING_KEYS_SENT:
		give_keys(event, ENN_EVENT_KEYS_UPDATED, ENN_DIRECTION_SEND, d->keys_sent);
		break;
	case ENN_DTLS_PENDING_KEYS_EXPIRING:
		give_keys(event, ENN_EVENT_KEYS_EXPIRING, ENN_DIRECTION_SEND, d->keys_sent);
		break;
	case ENN_DTLS_PENDING_RECEIVED:
		event->type = ENN_EVENT_RECEIVED;
		event->u.received = (struct enn_message){
			.data = d->received, .len = d->received_len, .flags = d->received_flags};
		break;
	case ENN_DTLS_PENDING_CLOSED:
		event->type = ENN_EVENT_CLOSED;
		break;
	default:
		event->type = ENN_EVENT_FAILED;
		event->u.error = d->carrier.error;
		break;
	}
}

static void dtls_next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	struct enn_dtls *d = dtls(e);
	const uint32_t last = ENN_DTLS_PENDING_CLOSED | ENN_DTLS_PENDING_FAILED;

	event->type = ENN_EVENT_NONE;
	if (d->session != NULL && !(d->pending & ENN_DTLS_PENDING_SESSION)) {
		enn_free_secret(d->carrier.env, d->session, d->session_len);
		d->session = NULL;
		d->session_len = 0;
	}
	if (d->pending == 0) {
		(void)enn_dtls_advance(d, now);
	}
	uint32_t first = d->pending & ~last;
	if (first != 0) {
		uint32_t bit = first & (~first + 1); /* the lowest */
		d->pending &= ~bit;
		give_event(d, bit, event);
		return;
	}
	if (enn_store_tell_put(&d->carrier, event)) {
		return;
	}
	if (d->state != ENN_DTLS_STATE_FAILED && enn_dtls_take_sent(d, event)) {
		return;
	}
	if (d->pending != 0) {
		uint32_t bit = d->pending;
		d->pending = 0;
		give_event(d, bit, event);
	}
}

/* ---- sending ----------------------------------------------------------------------------------------- */

static enum enn_status dtls_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	batch->len = 0;
	if (dtls(e)->state != ENN_DTLS_STATE_IDLE) {
		enn_dtls_transmit(dtls(e), now, batch);
	}
	return ENN_OK;
}

static enum enn_status dtls_send(struct enn_engine *e, enn_time now,
				 const struct enn_message *message)
{
	struct enn_dtls *d = dtls(e);

	(void)now;
	ENN_TRY(refuse(d));
	if (d->closing) {
		return ENN_E_CLOSED;
	}
	if (message->len > ENN_DTLS_MAX_PLAINTEXT) {
		return ENN_E_LIMIT;
	}
	if (d->queue_len == ENN_DTLS_QUEUE) {
		return ENN_E_AGAIN;
	}
	if ((message->flags & ENN_MESSAGE_FINAL) != 0) {
		d->closing = true;
		if (message->len == 0 && message->user == NULL) {
			return ENN_OK;
		}
	}
	d->queue[(d->queue_head + d->queue_len) % ENN_DTLS_QUEUE] = *message;
	d->queue_len++;
	return ENN_OK;
}

/* ---- time ----------------------------------------------------------------------------------------------- */

static enn_time dtls_deadline(const struct enn_engine *e)
{
	const struct enn_dtls *d = (const struct enn_dtls *)e;
	enn_time first = d->deadline;

	first = d->retransmit_at < first ? d->retransmit_at : first;
	return d->ack_at < first ? d->ack_at : first;
}

static void dtls_expire(struct enn_engine *e, enn_time now)
{
	struct enn_dtls *d = dtls(e);

	if (now >= d->deadline) {
		enn_dtls_fail(d, ENN_ALERT_USER_CANCELED, ENN_REASON_TIMEOUT, "handshake",
			      "the handshake took longer than %llu ms",
			      (unsigned long long)
				      d->carrier.security->value[ENN_SECURITY_HANDSHAKE_TIMEOUT]);
		return;
	}
	if (now >= d->retransmit_at) {
		enn_dtls_expire_flight(d, now);
	}
	if (now >= d->ack_at) {
		d->ack_due = true;
		d->ack_at = ENN_TIME_NEVER;
	}
}

/* ---- questions and post-connection interfaces ------------------------------------------------------------- */

static enum enn_status dtls_answer(struct enn_engine *e, enn_time now,
				   const struct enn_answer *answer)
{
	struct enn_dtls *d = dtls(e);
	enum enn_handshake_outcome outcome;

	ENN_TRY(refuse(d));
	if (d->hs == NULL || (d->pending & ENN_DTLS_PENDING_QUESTION) != 0) {
		return ENN_E_STATE;
	}
	enum enn_status status = enn_handshake_answer(d->hs, now, answer, &outcome);
	if (status == ENN_OK || status == ENN_E_FAILED) {
		enn_dtls_outcome(d, now, status, outcome);
		if (d->state == ENN_DTLS_STATE_HANDSHAKE || d->state == ENN_DTLS_STATE_OPEN) {
			enn_dtls_deliver(d, now); /* what came meanwhile */
		}
		return ENN_OK; /* a failure is an event */
	}
	return status;
}

static enum enn_status dtls_rekey(struct enn_engine *e, enn_time now, bool both)
{
	struct enn_dtls *d = dtls(e);

	(void)now;
	ENN_TRY(refuse(d));
	if (d->state != ENN_DTLS_STATE_OPEN) {
		return ENN_E_STATE;
	}
	if (enn_dtls_is_12(d)) {
		return ENN_E_UNSUPPORTED; /* it has no KeyUpdate, and nobody renegotiates */
	}
	if (d->closing) {
		return ENN_E_CLOSED;
	}
	d->key_update_owed = true;
	d->key_update_request = d->key_update_request || both;
	return ENN_OK;
}

static enum enn_status dtls_export_key(struct enn_engine *e, const char *label,
				       const uint8_t *context, size_t context_len, bool early,
				       uint8_t *out, size_t len)
{
	const struct enn_dtls *d = dtls(e);
	const struct enn_handshake_result *result = &d->carrier.result;

	if (d->state == ENN_DTLS_STATE_FAILED) {
		return ENN_E_FAILED;
	}
	if (early || (d->state != ENN_DTLS_STATE_OPEN && d->state != ENN_DTLS_STATE_CLOSED)) {
		return ENN_E_STATE;
	}
	const struct enn_hash_alg *hash = enn_hash_alg(result->suite->hash);
	if (strlen(label) > 249 || len > 255u * hash->len || context_len > UINT16_MAX) {
		return ENN_E_ARGUMENT;
	}
	if (!enn_dtls_is_12(d)) {
		enn_exporter(enn_label_dtls13, hash, result->exporter_secret, label, context,
			     context_len, out, len);
		return ENN_OK;
	}
	if (!result->extended_main_secret) { /* RFC 7627 §7 */
		return ENN_E_UNSUPPORTED;
	}
	enn_tls12_exporter(result, label, context, context_len, context != NULL, out, len);
	return ENN_OK;
}

static enum enn_status dtls_close(struct enn_engine *e, enn_time now, uint64_t code)
{
	struct enn_dtls *d = dtls(e);

	(void)now;
	(void)code;
	ENN_TRY(refuse(d));
	d->closing = true;
	d->pending &= ~(uint32_t)ENN_DTLS_PENDING_RECEIVED;
	if (d->state ==
	    ENN_DTLS_STATE_HANDSHAKE) { /* canceled; nothing was accepted that could be lost */
		d->pending = 0;
		d->queue_sealed = d->queue_len; /* given back, and never to be sent */
		d->alert = ENN_ALERT_USER_CANCELED;
		d->alert_pending = true;
		enn_dtls_closed(d);
	}
	return ENN_OK;
}

static void dtls_info(const struct enn_engine *e, struct enn_info *info)
{
	const struct enn_dtls *d = (const struct enn_dtls *)e;

	enn_handshake_result_info(&d->carrier.result, info);
	if (d->carrier.result.version != 0) {
		info->version = enn_dtls_is_12(d) ? "DTLSv1.2" : "DTLSv1.3";
	}
	info->protocol = e->protocol;
	info->ready = d->state == ENN_DTLS_STATE_OPEN || d->state == ENN_DTLS_STATE_CLOSED;
	info->keys_sent = d->keys_sent;
	info->keys_received = d->keys_received;
	info->max_message = ENN_DTLS_MAX_PLAINTEXT;
}

static bool dtls_error(const struct enn_engine *e, struct enn_error *error)
{
	const struct enn_dtls *d = (const struct enn_dtls *)e;

	if (d->state != ENN_DTLS_STATE_FAILED) {
		return false;
	}
	*error = d->carrier.error;
	return true;
}

static const struct enn_engine_ops ops = {
	.free = dtls_free,
	.start = dtls_start,
	.ingest = dtls_ingest,
	.transmit = dtls_transmit,
	.deadline = dtls_deadline,
	.expire = dtls_expire,
	.send = dtls_send,
	.next_event = dtls_next_event,
	.answer = dtls_answer,
	.rekey = dtls_rekey,
	.export_key = dtls_export_key,
	.close = dtls_close,
	.info = dtls_info,
	.error = dtls_error,
};

/* ---- making ----------------------------------------------------------------------------------------- */

static void fill(struct enn_dtls *d, const struct enn_env *env,
		 const struct enn_engine_options *options)
{
	d->base.ops = &ops;
	d->base.protocol = &enn_dtls_protocol;
	d->deadline = d->retransmit_at = d->ack_at = ENN_TIME_NEVER;
	d->datagram = FIRST_DATAGRAM;
	d->carrier.ops = &carrier_ops;
	d->carrier.env = env;
	d->carrier.datagram = true;
	d->path = options->path;
	enn_dtls_keys_plain(&d->send[ENN_DTLS_SLOT_PLAIN]);
	enn_dtls_keys_plain(&d->receive[ENN_DTLS_SLOT_PLAIN]);
}

enum enn_status enn_dtls_new(const struct enn_env *env, struct enn_security *security, bool server,
			     const struct enn_engine_options *options, struct enn_dtls **out,
			     struct enn_error *error)
{
	struct enn_dtls *d = enn_alloc(env, sizeof(*d));

	*out = NULL;
	if (d == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "engine",
				     "out of memory");
	}
	fill(d, env, options);
	enum enn_status status = enn_security_acquire(security, error);
	if (status != ENN_OK) {
		enn_free(env, d, sizeof(*d));
		return status;
	}
	d->carrier.security = security;
	status = enn_handshake_new(&d->carrier, server, options, &d->hs, error);
	if (status != ENN_OK) {
		dtls_free(&d->base);
		return status;
	}
	*out = d;
	return ENN_OK;
}

enum enn_status enn_dtls_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security,
				    const struct enn_engine_options *options,
				    struct enn_engine **out, struct enn_error *error)
{
	struct enn_dtls *d = NULL;
	enum enn_status status = enn_dtls_new(env, security, false, options, &d, error);

	(void)protocol;
	*out = status == ENN_OK ? &d->base : NULL;
	return status;
}

enum enn_status enn_dtls_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security,
				    const struct enn_engine_options *options,
				    struct enn_engine **out, struct enn_error *error)
{
	struct enn_dtls *d = NULL;
	enum enn_status status = enn_dtls_new(env, security, true, options, &d, error);

	(void)protocol;
	if (d == NULL) {
		*out = NULL;
		return status;
	}
	d->validated = true; /* without an acceptor that is its owner's to see to */
	*out = &d->base;
	return ENN_OK;
}
