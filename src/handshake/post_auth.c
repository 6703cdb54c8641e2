/* SPDX-License-Identifier: Apache-2.0
 *
 * Authentication of the client after the handshake (RFC 8446 §4.6.2). The server asks, the client answers with
 * Certificate, CertificateVerify and Finished, or with an empty Certificate and Finished; nothing comes between.
 *
 * Each exchange is a small handshake of its own: a struct enn_handshake whose transcript begins where the real one
 * ended, and that is there only while its messages are.
 */
#include "handshake/post_auth.h"

#include "handshake/internal.h"

#define CONTEXT	     16 /* bytes of our certificate_request_context: unpredictable */
#define MAX_REQUESTS 4	/* that a client may leave unanswered */

struct request {
	struct request *next;
	uint8_t context[CONTEXT];
	struct enn_hash transcript; /* with the CertificateRequest */
};

struct enn_post_auth {
	struct enn_hash transcript; /* of the handshake, up to the client's Finished */
	uint8_t own_type;	    /* as negotiated (RFC 7250) */
	uint8_t peer_type;
	bool accepted;
	struct request *asked;	  /* server: not yet answered, oldest first */
	struct request *answered; /* the one that is being answered */
	struct enn_handshake *exchange;
	uint8_t *context; /* client: of the request that is being answered */
	size_t context_len;
};

static enum enn_status unexpected(struct enn_handshake_carrier *c, uint8_t type)
{
	return enn_handshake_fail(c, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
				  enn_handshake_type_name(type),
				  "unexpected %s (%u) after the handshake",
				  enn_handshake_type_name(type), type);
}

/* ---- life ---------------------------------------------------------------------------------------- */

enum enn_status enn_post_auth_keep(struct enn_handshake *hs)
{
	struct enn_post_auth *p;

	if (!hs->post_auth_offered) {
		return ENN_OK;
	}
	p = enn_alloc(hs->env, sizeof(*p));
	if (p == NULL) {
		return enn_handshake_no_memory(hs->c, "post_handshake_auth");
	}
	p->transcript = hs->transcript[0];
	p->own_type = hs->own_type;
	p->peer_type = hs->peer_type;
	hs->c->result.post_auth = p;
	return ENN_OK;
}

void enn_post_auth_drop(struct enn_post_auth *p, const struct enn_env *env)
{
	if (p == NULL) {
		return;
	}
	enn_handshake_free(p->exchange);
	p->exchange = NULL;
	enn_free(env, p->answered, sizeof(*p->answered));
	p->answered = NULL;
	enn_free(env, p->context, p->context_len);
	p->context = NULL;
	p->context_len = 0;
}

void enn_post_auth_free(struct enn_post_auth *p, const struct enn_env *env)
{
	if (p == NULL) {
		return;
	}
	enn_post_auth_drop(p, env);
	while (p->asked != NULL) {
		struct request *next = p->asked->next;
		enn_free(env, p->asked, sizeof(*p->asked));
		p->asked = next;
	}
	enn_free_secret(env, p, sizeof(*p));
}

struct enn_handshake *enn_post_auth_exchange(const struct enn_post_auth *p)
{
	return p == NULL ? NULL : p->exchange;
}

bool enn_post_auth_accepted(const struct enn_post_auth *p)
{
	return p != NULL && p->accepted;
}

/* A handshake that goes on from a transcript. */
static enum enn_status begin(struct enn_handshake_carrier *c, const struct enn_hash *transcript,
			     const uint8_t *secret, struct enn_handshake **out)
{
	const struct enn_post_auth *p = c->result.post_auth;
	struct enn_handshake *hs = enn_alloc(c->env, sizeof(*hs));

	*out = hs;
	if (hs == NULL) {
		return enn_handshake_no_memory(c, "post_handshake_auth");
	}
	hs->c = c;
	hs->env = c->env;
	hs->security = c->security;
	hs->server = c->result.server;
	hs->state = ENN_HS_COMPLETE;
	hs->hash = enn_hash_alg(c->result.suite->hash);
	hs->transcript[0] = *transcript;
	hs->own_type = p->own_type;
	hs->peer_type = p->peer_type;
	hs->post_secret = secret;
	return ENN_OK;
}

/* ---- asking ---------------------------------------------------------------------------------------- */

static size_t count_asked(const struct enn_post_auth *p)
{
	size_t n = 0;

	for (const struct request *r = p->asked; r != NULL; r = r->next) {
		n++;
	}
	return n;
}

static enum enn_status write_request(struct enn_handshake_carrier *c, struct request *r,
				     const uint8_t *secret)
{
	struct enn_handshake *hs;

	if (enn_random(c->env, r->context, sizeof(r->context)) != ENN_OK) {
		return enn_handshake_fail(c, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
					  "the random source failed");
	}
	ENN_TRY(begin(c, &c->result.post_auth->transcript, secret, &hs));
	hs->context = (struct enn_bytes){r->context, sizeof(r->context)};
	enum enn_status status = enn_server_request_certificate(hs);
	r->transcript = hs->transcript[0];
	enn_handshake_free(hs);
	return status;
}

enum enn_status enn_post_auth_request(struct enn_handshake_carrier *c, const uint8_t *secret)
{
	struct enn_post_auth *p = c->result.post_auth;

	if (p == NULL) {
		return ENN_E_UNSUPPORTED;
	}
	if (count_asked(p) + (p->answered != NULL) >= MAX_REQUESTS) {
		return ENN_E_AGAIN;
	}
	struct request *r = enn_alloc(c->env, sizeof(*r));
	if (r == NULL) {
		return ENN_E_MEMORY;
	}
	enum enn_status status = write_request(c, r, secret);
	if (status != ENN_OK) {
		enn_free(c->env, r, sizeof(*r));
		return status;
	}
	struct request **end = &p->asked;
	while (*end != NULL) {
		end = &(*end)->next;
	}
	*end = r;
	return ENN_OK;
}

/* ---- the server takes the answer --------------------------------------------------------------------- */

/* Finds the request by its context and takes it out: each may be answered once, in any order. */
static struct request *take_request(struct enn_post_auth *p, struct enn_bytes context)
{
	for (struct request **at = &p->asked; *at != NULL; at = &(*at)->next) {
		struct request *r = *at;
		struct enn_bytes known = {r->context, sizeof(r->context)};
		if (enn_bytes_equal(known, context)) {
			*at = r->next;
			r->next = NULL;
			return r;
		}
	}
	return NULL;
}

static enum enn_status receive_certificate(struct enn_handshake_carrier *c, enn_time now,
					   struct enn_bytes message, const uint8_t *secret)
{
	struct enn_post_auth *p = c->result.post_auth;
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_bytes context = enn_read_vector(&r, 1, 0, 255);
	bool empty = false;

	p->answered = enn_reader_ok(&r) ? take_request(p, context) : NULL;
	if (p->answered == NULL) {
		return enn_handshake_fail(c, ENN_ALERT_ILLEGAL_PARAMETER,
					  ENN_REASON_PROTOCOL_FAILED,
					  "Certificate.certificate_request_context",
					  "the certificate answers no request");
	}
	ENN_TRY(begin(c, &p->answered->transcript, secret, &p->exchange));
	struct enn_handshake *hs = p->exchange;
	hs->context = (struct enn_bytes){p->answered->context, CONTEXT};
	hs->status_asked = enn_security_flag(c->security, ENN_SECURITY_REQUIRE_STATUS);
	/* What was known of the client gives way to what it shows now; if that is nothing, it stays. */
	if (body.len > 1u + context.len + 3u) {
		enn_handshake_result_drop_chain(&c->result, c->env);
		c->result.peer_raw_key = false;
		c->result.peer_authenticated = false;
	}
	ENN_TRY(enn_certificate_receive(hs, now, body, &empty));
	enn_hs_transcript_add(hs, message.data, message.len);
	p->accepted = !empty;
	hs->state = empty ? ENN_HS_SERVER_EXPECT_FINISHED : ENN_HS_SERVER_EXPECT_CERTIFICATE_VERIFY;
	return ENN_OK;
}

static enum enn_status receive_verify(struct enn_handshake *hs, struct enn_bytes message,
				      enum enn_handshake_outcome *outcome)
{
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};

	ENN_TRY(enn_certificate_verify_receive(hs, body));
	enn_hs_transcript_add(hs, message.data, message.len);
	hs->state = ENN_HS_SERVER_EXPECT_FINISHED;
	if (enn_security_flag(hs->security, ENN_SECURITY_DELEGATE_PEER)) {
		hs->resume_at = hs->state;
		hs->state = ENN_HS_SERVER_AWAIT_VERDICT;
		*outcome = ENN_OUTCOME_VALIDATE_PEER;
	}
	return ENN_OK;
}

static enum enn_status server_receive(struct enn_handshake_carrier *c, enn_time now,
				      struct enn_bytes message, const uint8_t *secret,
				      enum enn_handshake_outcome *outcome)
{
	struct enn_post_auth *p = c->result.post_auth;
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};
	enum enn_hs_state state = p->exchange == NULL ? ENN_HS_COMPLETE : p->exchange->state;
	uint8_t type = message.data[0];

	if (state == ENN_HS_COMPLETE && type == ENN_HS_CERTIFICATE) {
		return receive_certificate(c, now, message, secret);
	}
	if (state == ENN_HS_SERVER_EXPECT_CERTIFICATE_VERIFY && type == ENN_HS_CERTIFICATE_VERIFY) {
		return receive_verify(p->exchange, message, outcome);
	}
	if (state == ENN_HS_SERVER_EXPECT_FINISHED && type == ENN_HS_FINISHED) {
		ENN_TRY(enn_finished_receive(p->exchange, secret, body));
		enn_post_auth_drop(p, c->env);
		*outcome = ENN_OUTCOME_PEER_AUTHENTICATED;
		return ENN_OK;
	}
	return unexpected(c, type);
}

/* ---- the client answers ---------------------------------------------------------------------------------- */

/* Chooses what to show; the messages of the flight borrow nothing from the request. */
static enum enn_status take_certificate_request(struct enn_handshake *hs, struct enn_bytes body)
{
	struct enn_post_auth *p = hs->c->result.post_auth;
	struct enn_bytes no_name = {NULL, 0};
	struct enn_certificate_request m;
	struct enn_fault fault;

	if (!enn_parse_certificate_request(body, &m, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	if (!(m.has & ENN_HAS_SIGNATURE_ALGORITHMS)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_MISSING_EXTENSION,
					  ENN_REASON_PROTOCOL_FAILED,
					  "CertificateRequest.signature_algorithms",
					  "signature_algorithms is missing");
	}
	if (enn_hs_copy(hs->env, &p->context, &p->context_len, m.context) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "CertificateRequest");
	}
	hs->context = (struct enn_bytes){p->context, p->context_len};
	hs->cert_signatures = m.cert_signatures;
	hs->status_wanted = enn_views_have(&m.views, ENN_VIEW_STATUS_REQUEST);
	(void)enn_certificate_choose(hs, m.signatures, no_name, m.authorities);
	return ENN_OK;
}

static enum enn_status client_receive(struct enn_handshake_carrier *c, enn_time now,
				      struct enn_bytes message, const uint8_t *secret,
				      enum enn_handshake_outcome *outcome)
{
	struct enn_post_auth *p = c->result.post_auth;
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};
	struct enn_bytes none = {NULL, 0};
	bool ask = false;

	if (p->exchange != NULL || message.data[0] != ENN_HS_CERTIFICATE_REQUEST) {
		return unexpected(c, message.data[0]);
	}
	ENN_TRY(begin(c, &p->transcript, secret, &p->exchange));
	struct enn_handshake *hs = p->exchange;
	hs->now = now;
	enn_hs_transcript_add(hs, message.data, message.len);
	ENN_TRY(take_certificate_request(hs, body));
	ENN_TRY(enn_certificate_send(hs, ENN_LEVEL_APPLICATION));
	if (hs->own != NULL) {
		ENN_TRY(enn_certificate_verify_send(hs, none, &ask));
	}
	if (ask) {
		hs->state = ENN_HS_CLIENT_AWAIT_SIGNATURE;
		*outcome = ENN_OUTCOME_WANT_SIGNATURE;
		return ENN_OK;
	}
	ENN_TRY(enn_finished_send(hs, secret));
	enn_post_auth_drop(p, c->env);
	return ENN_OK;
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

enum enn_status enn_post_auth_receive(struct enn_handshake_carrier *c, enn_time now,
				      struct enn_bytes message, const uint8_t *secret,
				      enum enn_handshake_outcome *outcome)
{
	*outcome = ENN_OUTCOME_GO_ON;
	if (c->result.post_auth == NULL) { /* §4.6.2: nobody said that this may come */
		return unexpected(c, message.data[0]);
	}
	return c->result.server ? server_receive(c, now, message, secret, outcome)
				: client_receive(c, now, message, secret, outcome);
}

enum enn_status enn_post_auth_answer(struct enn_handshake_carrier *c, enn_time now,
				     const struct enn_answer *answer,
				     enum enn_handshake_outcome *outcome)
{
	struct enn_post_auth *p = c->result.post_auth;
	enum enn_status status = enn_handshake_answer(p->exchange, now, answer, outcome);

	if (status == ENN_OK && !c->result.server) {
		enn_post_auth_drop(p, c->env); /* the signature was the last that was missing */
	}
	return status;
}
