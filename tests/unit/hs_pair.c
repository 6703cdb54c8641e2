/* SPDX-License-Identifier: Apache-2.0 */
#include "hs_pair.h"

#include <stdlib.h>

#include "base/bytes.h"

/* ---- the carrier --------------------------------------------------------------------------------- */

static struct hs_end *end_of(struct enn_handshake_carrier *c)
{
	return (struct hs_end *)c;
}

static struct hs_message *push(struct hs_end *end, unsigned type, enum enn_level level)
{
	struct hs_message *m = malloc(sizeof(*m));

	assert_non_null(m);
	assert_true(end->queued < sizeof(end->queue) / sizeof(end->queue[0]));
	m->type = type;
	m->level = level;
	m->len = 0;
	end->queue[end->queued++] = m;
	return m;
}

static uint8_t *reserve(struct enn_handshake_carrier *c, enum enn_level level, size_t cap)
{
	struct hs_end *end = end_of(c);

	(void)level;
	assert_true(cap <= HS_MAX_MESSAGE);
	/* from the environment, so that it can fail as any other allocation */
	enn_free(c->env, end->room, HS_MAX_MESSAGE);
	end->room = enn_alloc(c->env, HS_MAX_MESSAGE);
	return end->room;
}

static void commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type, size_t len)
{
	struct hs_end *end = end_of(c);
	struct hs_message *m = push(end, type, level);

	assert_int_equal(end->room[0], type);
	memcpy(m->data, end->room, len);
	m->len = len;
}

static enum enn_status take_secret(struct enn_handshake_carrier *c, enum enn_direction direction,
				   enum enn_level level, const struct enn_tls_suite *suite,
				   const uint8_t *secret)
{
	(void)c;
	(void)direction;
	(void)level;
	(void)suite;
	(void)secret;
	return ENN_OK;
}

static enum enn_status take_keys12(struct enn_handshake_carrier *c, enum enn_direction direction,
				   const struct enn_tls12_keys *keys)
{
	struct hs_end *end = end_of(c);
	struct hs_keys *into = direction == ENN_DIRECTION_SEND ? &end->sends : &end->receives;
	struct enn_writer w = enn_writer_of(into->block, sizeof(into->block));

	assert_false(into->given); /* there is no renegotiation */
	into->given = true;
	into->suite = keys->suite;
	enn_write_bytes(&w, keys->key.data, keys->key.len);
	enn_write_bytes(&w, keys->iv.data, keys->iv.len);
	enn_write_bytes(&w, keys->mac.data, keys->mac.len);
	assert_true(enn_writer_ok(&w));
	into->len = enn_writer_len(&w);
	if (direction == ENN_DIRECTION_SEND) {
		(void)push(end, HS_CHANGE_CIPHER_SPEC, ENN_LEVEL_INITIAL);
	}
	return ENN_OK;
}

static const struct enn_handshake_carrier_ops ops = {reserve, commit, take_secret, take_keys12};

/* ---- running ----------------------------------------------------------------------------------------- */

static void after(struct hs_pair *p, struct hs_end *end, enum enn_status status,
		  enum enn_handshake_outcome outcome);

static void answer(struct hs_pair *p, struct hs_end *end)
{
	const struct enn_answer yes = {.type = ENN_ANSWER_PEER, .accept = true};
	enum enn_handshake_outcome outcome;

	if (p->ask != NULL) {
		p->ask(p, end);
		return;
	}
	enum enn_status status = enn_handshake_answer(end->hs, p->now, &yes, &outcome);
	after(p, end, status, outcome);
}

static void keep_session(struct hs_pair *p, struct hs_end *end)
{
	uint8_t *session = NULL;
	int64_t expires = 0;
	size_t len = 0;

	if (enn_handshake_take_session(end->hs, p->now, &session, &len, &expires) != ENN_OK) {
		end->failed = true;
		return;
	}
	if (session != NULL) {
		assert_true(len <= sizeof(end->session));
		assert_true(expires > end->c.env->wall_offset);
		memcpy(end->session, session, len);
		end->session_len = len;
		enn_free_secret(end->c.env, session, len);
	}
}

static void after(struct hs_pair *p, struct hs_end *end, enum enn_status status,
		  enum enn_handshake_outcome outcome)
{
	if (status != ENN_OK) {
		assert_int_equal(status, ENN_E_FAILED);
		assert_true(end->c.error.wire_code != 0);
		end->failed = true;
		return;
	}
	if (outcome == ENN_OUTCOME_COMPLETE) {
		end->complete = true;
		keep_session(p, end);
		return;
	}
	if (outcome != ENN_OUTCOME_GO_ON && outcome != ENN_OUTCOME_EARLY_DATA) {
		assert_true(enn_handshake_parked(end->hs));
		end->question = outcome;
		answer(p, end);
	}
}

/* What a carrier does with a change_cipher_spec: it needs keys that wait for it (RFC 5246 §7.1). */
static void take_change(struct hs_end *end)
{
	if (!end->receives.given || end->reads_protected) {
		(void)enn_handshake_fail(&end->c, ENN_ALERT_UNEXPECTED_MESSAGE,
					 ENN_REASON_PROTOCOL_FAILED, "change_cipher_spec",
					 "unexpected change_cipher_spec");
		end->failed = true;
		return;
	}
	end->reads_protected = true;
}

static void deliver(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	enum enn_handshake_outcome outcome = ENN_OUTCOME_GO_ON;
	struct enn_bytes message = {m->data, m->len};

	p->delivered++;
	if (p->edit != NULL && !p->edit(p, to, m)) {
		return;
	}
	if (m->type == HS_CHANGE_CIPHER_SPEC) {
		take_change(to);
		return;
	}
	message.len = m->len;
	enum enn_status status =
		enn_handshake_receive(to->hs, p->now, m->level, message, false, &outcome);
	after(p, to, status, outcome);
}

static bool carry(struct hs_pair *p, struct hs_end *from, struct hs_end *to)
{
	if (from->queued == 0 || from->failed || to->failed || to->complete) {
		return false;
	}
	struct hs_message *m = from->queue[0];
	from->queued--;
	memmove(from->queue, from->queue + 1, from->queued * sizeof(from->queue[0]));
	deliver(p, to, m);
	free(m);
	return true;
}

static bool begin(struct hs_pair *p, struct hs_end *end, bool server,
		  const struct enn_engine_options *options)
{
	enum enn_handshake_outcome outcome = ENN_OUTCOME_GO_ON;
	struct enn_error error;

	enum enn_status status = enn_handshake_new(&end->c, server, options, &end->hs, &error);
	if (status != ENN_OK) {
		if (status != ENN_E_MEMORY) {
			fail_msg("%s", error.text);
		}
		return false;
	}
	status = enn_handshake_start(end->hs, p->now, &outcome);
	after(p, end, status, outcome);
	return true;
}

bool hs_pair_run(struct hs_pair *p, const struct enn_env *env, struct enn_security *client,
		 struct enn_security *server, const char *name, const struct hs_end *session)
{
	struct enn_engine_options options = {.server_name = name};

	memset(&p->client, 0, sizeof(p->client));
	memset(&p->server, 0, sizeof(p->server));
	p->now = ENN_SECOND;
	p->delivered = 0;
	p->client.c.ops = p->server.c.ops = &ops;
	p->client.c.env = p->server.c.env = env;
	p->client.c.security = client;
	p->server.c.security = server;
	if (enn_security_acquire(client, NULL) != ENN_OK) {
		p->client.c.security = p->server.c.security = NULL;
		return false;
	}
	if (enn_security_acquire(server, NULL) != ENN_OK) {
		p->server.c.security = NULL;
		return false;
	}
	if (session != NULL) {
		options.session = session->session;
		options.session_len = session->session_len;
	}
	if (!begin(p, &p->client, false, &options) || !begin(p, &p->server, true, &options)) {
		return false;
	}
	while (carry(p, &p->client, &p->server) || carry(p, &p->server, &p->client)) {
	}
	return true;
}

static void end_free(struct hs_end *end)
{
	if (end->c.env == NULL) {
		return;
	}
	for (size_t i = 0; i < end->queued; i++) {
		free(end->queue[i]);
	}
	enn_free(end->c.env, end->room, HS_MAX_MESSAGE);
	enn_handshake_free(end->hs);
	enn_handshake_result_clear(&end->c.result, end->c.env);
	enn_security_free(end->c.security);
	end->c.env = NULL;
}

void hs_pair_free(struct hs_pair *p)
{
	end_free(&p->client);
	end_free(&p->server);
}

/* ---- expectations ---------------------------------------------------------------------------------------- */

static void same_keys(const struct hs_keys *a, const struct hs_keys *b)
{
	assert_true(a->given && b->given);
	assert_ptr_equal(a->suite, b->suite);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->block, b->block, a->len);
}

void hs_pair_must_be_complete(const struct hs_pair *p)
{
	const struct hs_end *bad = p->client.failed ? &p->client : &p->server;

	if (!p->client.complete || !p->server.complete || p->client.failed || p->server.failed) {
		fail_msg("the %s says: %s", bad == &p->client ? "client" : "server",
			 bad->failed ? bad->c.error.text : "nothing");
	}
	same_keys(&p->client.sends, &p->server.receives);
	same_keys(&p->server.sends, &p->client.receives);
	assert_memory_not_equal(p->client.sends.block, p->server.sends.block, 16);
	assert_memory_equal(p->client.c.result.exporter_secret, p->server.c.result.exporter_secret,
			    48);
}

void hs_end_must_fail(const struct hs_end *end, unsigned alert, const char *what)
{
	if (!end->failed) {
		fail_msg("%s: not refused%s", what, end->complete ? ", and complete" : "");
	}
	if (end->c.error.wire_code != alert) {
		fail_msg("%s: alert %u: %s", what, (unsigned)end->c.error.wire_code,
			 end->c.error.text);
	}
}

/* ---- editing ------------------------------------------------------------------------------------------------- */

void hs_message_fix(struct hs_message *m)
{
	size_t body = m->len - ENN_HS_HEADER;

	m->data[1] = (uint8_t)(body >> 16);
	m->data[2] = (uint8_t)(body >> 8);
	m->data[3] = (uint8_t)body;
}

static size_t get16(const struct hs_message *m, size_t at)
{
	return (size_t)m->data[at] << 8 | m->data[at + 1];
}

static void put16(struct hs_message *m, size_t at, size_t value)
{
	m->data[at] = (uint8_t)(value >> 8);
	m->data[at + 1] = (uint8_t)value;
}

size_t hs_message_extensions(const struct hs_message *m)
{
	size_t at = ENN_HS_HEADER + 2 + ENN_HS_RANDOM;

	at += 1u + m->data[at]; /* session id */
	if (m->type == ENN_HS_CLIENT_HELLO) {
		at += 2 + get16(m, at);
		return at + 1 + m->data[at];
	}
	return at + 3;
}

bool hs_message_drop_extension(struct hs_message *m, uint16_t type)
{
	size_t list = hs_message_extensions(m);
	size_t at = list + 2;

	while (at < m->len) {
		size_t size = 4 + get16(m, at + 2);
		if (get16(m, at) != type) {
			at += size;
			continue;
		}
		memmove(m->data + at, m->data + at + size, m->len - at - size);
		m->len -= size;
		put16(m, list, get16(m, list) - size);
		hs_message_fix(m);
		return true;
	}
	return false;
}

void hs_message_add_extension(struct hs_message *m, uint16_t type, const void *data, size_t len)
{
	size_t list = hs_message_extensions(m);
	struct enn_writer w = enn_writer_of(m->data + m->len, sizeof(m->data) - m->len);

	enn_write_u16(&w, type);
	enn_write_vector(&w, 2, data, len);
	assert_true(enn_writer_ok(&w));
	m->len += enn_writer_len(&w);
	put16(m, list, get16(m, list) + enn_writer_len(&w));
	hs_message_fix(m);
}

void hs_message_set_extension(struct hs_message *m, uint16_t type, const void *data, size_t len)
{
	(void)hs_message_drop_extension(m, type);
	hs_message_add_extension(m, type, data, len);
}
