/* SPDX-License-Identifier: Apache-2.0
 *
 * The question that a server may put to the application when it sees a ClientHello: whose certificate,
 * or all of whose security parameters, the name in it asks for. So nobody has to load thousands of
 * certificates before the first of them is wanted. It comes before anything is decided, because what is
 * decided may differ by name.
 */
#include "handshake/internal.h"

enum enn_status enn_server_name_ask(struct enn_handshake *hs, const struct enn_client_hello *ch,
				    struct enn_bytes message, enum enn_handshake_outcome *outcome,
				    bool *ask)
{
	*ask = false;
	if (!hs->security->ask_credential || hs->credential_answered) {
		return ENN_OK;
	}
	if (ch->server_name.len > 255) {
		return enn_handshake_fail(hs->c, ENN_ALERT_UNRECOGNIZED_NAME,
					  ENN_REASON_PROTOCOL_FAILED, "ClientHello.server_name",
					  "the client asks for what is no host name");
	}
	enn_buffer_clear(&hs->held, hs->env);
	if (enn_buffer_append(&hs->held, hs->env, message.data, message.len) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.server_name");
	}
	const uint8_t *held = enn_buffer_data(&hs->held);
	hs->question = (struct enn_bytes){NULL, 0};
	hs->question_alpn = (struct enn_bytes){NULL, 0};
	if (ch->server_name.len > 0) {
		hs->question = (struct enn_bytes){held + (ch->server_name.data - message.data),
						  ch->server_name.len};
	}
	if (ch->alpn.len > 0) {
		hs->question_alpn =
			(struct enn_bytes){held + (ch->alpn.data - message.data), ch->alpn.len};
	}
	hs->resume_at = hs->state;
	hs->state = ENN_HS_SERVER_AWAIT_CREDENTIAL;
	*ask = true;
	*outcome = ENN_OUTCOME_WANT_CREDENTIAL;
	return ENN_OK;
}

/* From now on this connection lives under other parameters. */
static enum enn_status take_security(struct enn_handshake *hs, struct enn_security *security)
{
	struct enn_error error = {.status = ENN_OK};

	if (enn_security_acquire(security, &error) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.server_name");
	}
	enn_security_free(hs->c->security);
	hs->c->security = security;
	hs->security = security;
	return ENN_OK;
}

enum enn_status enn_server_name_answer(struct enn_handshake *hs, enn_time now,
				       const struct enn_answer *answer,
				       enum enn_handshake_outcome *outcome)
{
	if (!answer->accept) {
		return enn_handshake_fail(
			hs->c, ENN_ALERT_UNRECOGNIZED_NAME, ENN_REASON_UNKNOWN_NAME,
			"ClientHello.server_name", "the application has no such name: \"%.*s\"",
			hs->question.len > 64 ? 64 : (int)hs->question.len,
			hs->question.len == 0 ? "" : (const char *)hs->question.data);
	}
	if (answer->security != NULL) {
		ENN_TRY(take_security(hs, answer->security));
	}
	if (answer->credential != NULL) {
		hs->given = enn_credential_ref(answer->credential);
	}
	hs->credential_answered = true;
	hs->state = hs->resume_at;
	return enn_server_hello_again(hs, now, outcome);
}

bool enn_server_name_changed(const struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	const char *before = hs->c->result.server_name;
	struct enn_bytes name = {(const uint8_t *)before, before == NULL ? 0 : strlen(before)};

	return !enn_bytes_equal(name, ch->server_name);
}
