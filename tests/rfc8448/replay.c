/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine that plays one party of a trace.
 */
#include "replay.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "ennead/protocol.h"

/* ---- life ----------------------------------------------------------------------------------------- */

static void put(struct replay_bytes *to, const uint8_t *data, size_t len)
{
	assert_true(len <= sizeof(to->data) - to->len);
	if (len > 0) {
		memcpy(to->data + to->len, data, len);
	}
	to->len += len;
}

/* "LABEL client-random secret" in hexadecimal. */
static void keylog(void *ctx, const char *line)
{
	struct replay *r = ctx;
	size_t label = strcspn(line, " ");
	const char *secret = strrchr(line, ' ') + 1;

	assert_true(r->secret_count < REPLAY_SECRETS);
	assert_true(label < sizeof(r->secret[0].label));
	memcpy(r->secret[r->secret_count].label, line, label);
	for (size_t i = 0; i < 32; i++) {
		unsigned byte;
		assert_int_equal(sscanf(secret + 2 * i, "%2x", &byte), 1);
		r->secret[r->secret_count].secret[i] = (uint8_t)byte;
	}
	r->secret_count++;
}

static void set_bool(struct replay *r, enum enn_security_parameter id, bool value)
{
	assert_int_equal(enn_security_set_bool(r->security, id, value), ENN_OK);
}

struct replay *replay_new(const char *trace)
{
	struct replay *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->trace = trace_load(trace);
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &r->env.crypto), ENN_OK);
	r->env.random = script_random;
	r->env.random_ctx = &r->script;
	r->env.keylog = keylog;
	r->env.keylog_ctx = r;
	r->now = ENN_SECOND;
	r->security = enn_security_new();
	assert_non_null(r->security);
	set_bool(r, ENN_SECURITY_GREASE, false);
	set_bool(r, ENN_SECURITY_DELEGATE_PEER, true);
	set_bool(r, ENN_SECURITY_SYSTEM_TRUST, false);
	struct enn_bytes hello = trace_find(r->trace, false, "send handshake record", 0, "payload");
	set_bool(r, ENN_SECURITY_MIDDLEBOX_COMPATIBILITY, hello.data[38] > 0);
	return r;
}

void replay_free(struct replay *r)
{
	enn_engine_free(r->engine);
	enn_security_free(r->security);
	enn_crypto_free(r->env.crypto);
	free((void *)r->session.data);
	trace_free(r->trace);
	free(r);
}

void replay_start(struct replay *r, bool server, struct enn_bytes session)
{
	const struct enn_protocol *tls = enn_protocol_by_id(ENN_PROTOCOL_TLS);
	struct enn_engine_options options = {.server_name = server ? NULL : "server",
					     .session = session.data,
					     .session_len = session.len};
	struct enn_error error;
	enum enn_status status = server ? enn_engine_new_server(tls, &r->env, r->security, &options,
								&r->engine, &error)
					: enn_engine_new_client(tls, &r->env, r->security, &options,
								&r->engine, &error);

	if (status != ENN_OK) {
		fail_msg("%s: %s", error.where, error.text);
	}
	assert_int_equal(enn_engine_start(r->engine, r->now), ENN_OK);
	replay_events(r);
}

/* ---- certificates -------------------------------------------------------------------------------------- */

struct enn_bytes replay_leaf(struct enn_bytes message)
{
	struct enn_reader m = enn_reader_of(message.data, message.len);

	(void)enn_read_bytes(&m, ENN_HS_HEADER);
	(void)enn_read_vector(&m, 1, 0, 0);
	struct enn_reader list = enn_read_sub(&m, 3, 1, 0xffffff);
	struct enn_bytes leaf = enn_read_vector(&list, 3, 1, 0xffffff);
	assert_true(enn_reader_ok(&list) && enn_reader_done(&m));
	return leaf;
}

struct enn_bytes replay_signature(struct enn_bytes message)
{
	struct enn_reader m = enn_reader_of(message.data, message.len);

	(void)enn_read_bytes(&m, ENN_HS_HEADER);
	(void)enn_read_u16(&m);
	struct enn_bytes signature = enn_read_vector(&m, 2, 1, UINT16_MAX);
	assert_true(enn_reader_done(&m));
	return signature;
}

void replay_add_certificate(struct replay *r, struct enn_bytes message)
{
	struct enn_bytes leaf = replay_leaf(message);
	struct enn_credential *credential;
	struct enn_error error;
	uint8_t base64[2048];
	char pem[2304];

	assert_true(leaf.len < sizeof(base64) / 2);
	(void)EVP_EncodeBlock(base64, leaf.data, (int)leaf.len);
	size_t used = (size_t)snprintf(pem, sizeof(pem), "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; at < strlen((char *)base64); at += 64) {
		used += (size_t)snprintf(pem + used, sizeof(pem) - used, "%.64s\n",
					 (char *)base64 + at);
	}
	used += (size_t)snprintf(pem + used, sizeof(pem) - used, "-----END CERTIFICATE-----\n");
	if (enn_credential_x509_external(pem, used, &credential, &error) != ENN_OK) {
		fail_msg("%s: %s", error.where, error.text);
	}
	assert_int_equal(enn_security_add_credential(r->security, credential), ENN_OK);
	enn_credential_free(credential);
}

/* ---- driving --------------------------------------------------------------------------------------------- */

static void take_session(struct replay *r, const struct enn_event *event)
{
	uint8_t *copy = malloc(event->u.session.len);

	assert_non_null(copy);
	memcpy(copy, event->u.session.data, event->u.session.len);
	free((void *)r->session.data);
	r->session = (struct enn_bytes){copy, event->u.session.len};
}

static void take_event(struct replay *r, const struct enn_event *event)
{
	switch (event->type) {
	case ENN_EVENT_READY:
		r->ready = true;
		break;
	case ENN_EVENT_RECEIVED:
		put(&r->received, event->u.received.data, event->u.received.len);
		r->received_flags = event->u.received.flags;
		break;
	case ENN_EVENT_EARLY_DATA:
		r->early_accepted = event->u.early_data.accepted;
		break;
	case ENN_EVENT_WANT_IDENTITY:
		r->sign_scheme = event->u.sign.scheme;
		assert_true(event->u.sign.input_len <= sizeof(r->sign_input));
		memcpy(r->sign_input, event->u.sign.input, event->u.sign.input_len);
		r->sign_input_len = event->u.sign.input_len;
		r->question = event->type;
		break;
	case ENN_EVENT_VALIDATE_PEER:
		r->question = event->type;
		break;
	case ENN_EVENT_STORE_SESSION:
		take_session(r, event);
		break;
	case ENN_EVENT_CLOSED:
		r->closed = true;
		break;
	case ENN_EVENT_SENT:
		break;
	case ENN_EVENT_FAILED:
		fail_msg("the engine failed: %s: %s", event->u.error.where, event->u.error.text);
		break;
	default:
		fail_msg("an unexpected event %d", (int)event->type);
		break;
	}
}

void replay_events(struct replay *r)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(r->engine, r->now, &event);
		if (event.type == ENN_EVENT_NONE) {
			return;
		}
		take_event(r, &event);
	}
}

void replay_ingest(struct replay *r, struct enn_bytes record)
{
	r->input.len = 0;
	put(&r->input, record.data, record.len);
	struct enn_packet packet = {.data = r->input.data, .len = r->input.len};
	assert_int_equal(enn_engine_ingest(r->engine, r->now, NULL, &packet, 1), ENN_OK);
	replay_events(r);
}

void replay_transmit(struct replay *r)
{
	struct enn_batch batch;

	do {
		batch = (struct enn_batch){.buf = r->sent.data + r->sent.len,
					   .cap = sizeof(r->sent.data) - r->sent.len};
		assert_int_equal(enn_engine_transmit(r->engine, r->now, &batch), ENN_OK);
		r->sent.len += batch.len;
		replay_events(r);
	} while (batch.len > 0);
}

void replay_expect(struct replay *r, struct enn_bytes record)
{
	assert_true(r->sent.len >= record.len);
	assert_bytes(record, r->sent.data, record.len);
	r->sent.len -= record.len;
	memmove(r->sent.data, r->sent.data + record.len, r->sent.len);
}

void replay_answer_peer(struct replay *r)
{
	struct enn_answer answer = {.type = ENN_ANSWER_PEER, .accept = true};

	assert_int_equal(r->question, ENN_EVENT_VALIDATE_PEER);
	r->question = ENN_EVENT_NONE;
	assert_int_equal(enn_engine_answer(r->engine, r->now, &answer), ENN_OK);
	replay_events(r);
}

void replay_answer_signature(struct replay *r, struct enn_bytes signature)
{
	struct enn_answer answer = {.type = ENN_ANSWER_SIGNATURE,
				    .accept = true,
				    .data = signature.data,
				    .len = signature.len};

	assert_int_equal(r->question, ENN_EVENT_WANT_IDENTITY);
	r->question = ENN_EVENT_NONE;
	assert_int_equal(enn_engine_answer(r->engine, r->now, &answer), ENN_OK);
	replay_events(r);
}

void replay_send(struct replay *r, struct enn_bytes data, uint32_t flags)
{
	struct enn_message message = {.data = data.data, .len = data.len, .flags = flags};

	assert_int_equal(enn_engine_send(r->engine, r->now, &message), ENN_OK);
	replay_transmit(r);
}

/* ---- transcript -------------------------------------------------------------------------------------------- */

void replay_transcript(struct replay *r, const struct enn_bytes *messages, size_t count)
{
	struct enn_handshake *hs = replay_tls(r)->hs;

	assert_non_null(hs);
	if (hs->hash == NULL) {
		enn_hs_transcript_start(hs);
	} else {
		enn_hash_init(&hs->transcript[0], hs->hash);
	}
	for (size_t i = 0; i < count; i++) {
		enn_hs_transcript_add(hs, messages[i].data, messages[i].len);
	}
}

struct enn_bytes replay_message_hash(struct enn_bytes client_hello, uint8_t out[36])
{
	const struct enn_hash_alg *hash = enn_hash_alg(ENN_HASH_SHA256);

	memcpy(out, (const uint8_t[]){ENN_HS_MESSAGE_HASH, 0, 0, 32}, ENN_HS_HEADER);
	enn_hash_once(hash, client_hello.data, client_hello.len, out + ENN_HS_HEADER);
	return (struct enn_bytes){out, 36};
}

/* ---- checks ---------------------------------------------------------------------------------------------------- */

static void check_secret(struct replay *r, const char *label, const char *step)
{
	for (size_t i = r->secret_count; i-- > 0;) { /* the last of the name counts */
		if (strcmp(r->secret[i].label, label) == 0) {
			assert_bytes(trace_find(r->trace, true, step, 0, "expanded"),
				     r->secret[i].secret, 32);
			return;
		}
	}
	fail_msg("%s was not logged", label);
}

void replay_check_secrets(struct replay *r)
{
	check_secret(r, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "derive secret \"tls13 c hs traffic\"");
	check_secret(r, "SERVER_HANDSHAKE_TRAFFIC_SECRET", "derive secret \"tls13 s hs traffic\"");
	check_secret(r, "CLIENT_TRAFFIC_SECRET_0", "derive secret \"tls13 c ap traffic\"");
	check_secret(r, "SERVER_TRAFFIC_SECRET_0", "derive secret \"tls13 s ap traffic\"");
	check_secret(r, "EXPORTER_SECRET", "derive secret \"tls13 exp master\"");
	/* the resumption secret is never logged */
	assert_bytes(
		trace_find(r->trace, false, "derive secret \"tls13 res master\"", 0, "expanded"),
		replay_tls(r)->carrier.result.resumption_secret, 32);
}

static void rest_sent(struct replay *r, const struct trace_step *step)
{
	if (trace_is(step, "send application_data record")) {
		replay_send(r, trace_get(step, "payload"), 0);
	} else {
		assert_true(trace_is(step, "send alert record")); /* close_notify */
		assert_int_equal(enn_engine_close(r->engine, r->now, 0), ENN_OK);
		replay_events(r);
		replay_transmit(r);
	}
	replay_expect(r, trace_get(step, "complete record"));
	assert_int_equal(r->sent.len, 0);
}

static void rest_received(struct replay *r, const struct trace_step *step)
{
	r->received.len = 0;
	r->received_flags = 0;
	replay_ingest(r, trace_get(step, "complete record"));
	if (trace_is(step, "send application_data record")) {
		assert_bytes(trace_get(step, "payload"), r->received.data, r->received.len);
	} else if (trace_is(step, "send alert record")) {
		assert_true(r->closed || (r->received_flags & ENN_MESSAGE_FINAL) != 0);
	}
}

void replay_rest(struct replay *r, bool server)
{
	size_t i = r->trace->count;

	/* the last handshake record of the client holds its Finished */
	while (i-- > 0) {
		const struct trace_step *step = &r->trace->step[i];
		if (!step->server && trace_is(step, "send handshake record")) {
			break;
		}
	}
	for (i++; i < r->trace->count; i++) {
		const struct trace_step *step = &r->trace->step[i];
		if (!trace_begins(step, "send ")) {
			continue;
		}
		if (step->server != server) {
			rest_received(r, step);
		} else if (trace_is(step, "send handshake record")) {
			/* The server's ticket is its own business: ours was told to send none, and only
			 * counts the record. */
			assert_true(server);
			replay_tls(r)->send.sequence++;
		} else {
			rest_sent(r, step);
		}
	}
	assert_true(r->closed);
}
