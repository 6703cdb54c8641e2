/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's questions to its session store. One in memory answers in the call; of one that is elsewhere the
 * engine asks with an event and parks with the ClientHello in hand. Two questions at most in a handshake: the
 * session that a client offers, and whether its early data may be the first of its kind.
 */
#include "features/session_cache.h"
#include "handshake/internal.h"

#define MAX_KEY	    80u
#define MAX_STATE   65536u
#define FIRST_STATE 2048u

struct question {
	bool asked;
	bool accepted;
	bool claim;
	uint8_t key[MAX_KEY];
	size_t key_len;
	int64_t expires;
	int64_t since;
	uint8_t *value;
	size_t value_len;
};

struct enn_store_questions {
	struct question take;
	struct question claim;
	struct question *open; /* waits for its answer */
};

bool enn_store_is_remote(const struct enn_handshake *hs)
{
	void *ctx;

	return enn_session_store_backend(hs->security->store, &ctx) != NULL;
}

/* ---- questions ------------------------------------------------------------------------------------ */

static enum enn_status need_questions(struct enn_handshake *hs)
{
	if (hs->store == NULL) {
		hs->store = enn_alloc(hs->env, sizeof(*hs->store));
	}
	return hs->store == NULL ? ENN_E_MEMORY : ENN_OK;
}

static void ask_for(struct enn_handshake *hs, struct question *q, struct enn_bytes key,
		    int64_t expires)
{
	q->asked = true;
	q->claim = q == &hs->store->claim;
	memcpy(q->key, key.data, key.len);
	q->key_len = key.len;
	q->expires = expires;
	hs->store->open = q;
}

static enum enn_status take_local(struct enn_handshake *hs, enn_time now, struct enn_bytes key,
				  uint8_t **state, size_t *state_len)
{
	size_t room = FIRST_STATE;

	for (;;) {
		size_t len = room;
		uint8_t *value = enn_alloc(hs->env, room);
		if (value == NULL) {
			return ENN_E_MEMORY;
		}
		enum enn_status status =
			enn_session_store_take(hs->security->store, key.data, key.len,
					       enn_hs_wall(hs->env, now), value, &len);
		if (status == ENN_OK) {
			struct enn_bytes found = {value, len};
			status = enn_hs_copy(hs->env, state, state_len, found);
			enn_free_secret(hs->env, value, room);
			return status;
		}
		enn_free_secret(hs->env, value, room);
		if (status != ENN_E_SPACE || room == MAX_STATE) {
			return ENN_OK;
		}
		room = MAX_STATE;
	}
}

enum enn_status enn_store_take(struct enn_handshake *hs, enn_time now, struct enn_bytes key,
			       uint8_t **state, size_t *state_len, bool *ask)
{
	*state = NULL;
	*state_len = 0;
	*ask = false;
	if (key.len == 0 || key.len > MAX_KEY) {
		return ENN_OK;
	}
	if (!enn_store_is_remote(hs)) {
		return take_local(hs, now, key, state, state_len);
	}
	ENN_TRY(need_questions(hs));
	struct question *q = &hs->store->take;
	if (!q->asked) {
		ask_for(hs, q, key, 0);
		*ask = true;
		return ENN_OK;
	}
	/* The answer holds for the rest of the handshake, a second ClientHello included. */
	struct enn_bytes asked = {q->key, q->key_len};
	if (!q->accepted || !enn_bytes_equal(asked, key)) {
		return ENN_OK;
	}
	struct enn_bytes value = {q->value, q->value_len};
	return enn_hs_copy(hs->env, state, state_len, value);
}

enum enn_status enn_store_claim(struct enn_handshake *hs, struct enn_bytes key, int64_t expires,
				bool *ask)
{
	*ask = false;
	ENN_TRY(need_questions(hs));
	if (!hs->store->claim.asked && key.len <= MAX_KEY) {
		ask_for(hs, &hs->store->claim, key, expires);
		*ask = true;
	}
	return ENN_OK;
}

bool enn_store_claimed(const struct enn_handshake *hs, int64_t *since)
{
	*since = hs->store == NULL ? INT64_MAX : hs->store->claim.since;
	return hs->store != NULL && hs->store->claim.accepted;
}

enum enn_status enn_store_park(struct enn_handshake *hs, struct enn_bytes message,
			       enum enn_handshake_outcome *outcome)
{
	bool again = message.data == enn_buffer_data(&hs->held);

	if (!again) {
		enn_buffer_clear(&hs->held, hs->env);
	}
	if (!again && enn_buffer_append(&hs->held, hs->env, message.data, message.len) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello");
	}
	hs->resume_at = hs->c->result.hello_retry ? ENN_HS_SERVER_EXPECT_SECOND_CLIENT_HELLO
						  : ENN_HS_SERVER_EXPECT_CLIENT_HELLO;
	hs->state = ENN_HS_SERVER_AWAIT_STORE;
	*outcome = ENN_OUTCOME_WANT_STORE;
	return ENN_OK;
}

void enn_handshake_store_question(const struct enn_handshake *hs, struct enn_event *event)
{
	const struct question *q = hs->store->open;

	event->type = q->claim ? ENN_EVENT_SESSION_CLAIM : ENN_EVENT_SESSION_TAKE;
	event->u.store.key = q->key;
	event->u.store.key_len = q->key_len;
	event->u.store.value = NULL;
	event->u.store.value_len = 0;
	event->u.store.expires = q->expires;
}

enum enn_status enn_store_answer(struct enn_handshake *hs, enn_time now,
				 const struct enn_answer *answer,
				 enum enn_handshake_outcome *outcome)
{
	struct question *q = hs->store->open;
	struct enn_bytes value = {answer->data, answer->len};

	q->accepted = answer->accept && (q->claim || (answer->len > 0 && answer->len <= MAX_STATE));
	q->since = answer->since;
	if (q->accepted && !q->claim &&
	    enn_hs_copy(hs->env, &q->value, &q->value_len, value) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello");
	}
	hs->store->open = NULL;
	hs->state = hs->resume_at;
	return enn_server_hello_again(hs, now, outcome);
}

void enn_store_free(struct enn_handshake *hs)
{
	if (hs->store != NULL) {
		enn_free_secret(hs->env, hs->store->take.value, hs->store->take.value_len);
		enn_free_secret(hs->env, hs->store, sizeof(*hs->store));
	}
}

/* ---- putting -------------------------------------------------------------------------------------- */

static size_t put_size(const struct enn_store_put *put)
{
	return sizeof(*put) + put->key_len + put->value_len;
}

void enn_store_put(struct enn_handshake_carrier *c, struct enn_bytes key, struct enn_bytes value,
		   int64_t expires)
{
	void *ctx;
	struct enn_session_store *store = c->security->store;

	if (enn_session_store_backend(store, &ctx) == NULL) {
		/* a full store is no reason to fail */
		(void)!enn_session_store_put(store, key.data, key.len, value.data, value.len,
					     expires);
		return;
	}
	struct enn_store_put *put = enn_alloc(c->env, sizeof(*put) + key.len + value.len);
	struct enn_store_put **last = &c->puts;
	if (put == NULL) {
		return;
	}
	put->expires = expires;
	put->key_len = key.len;
	put->value_len = value.len;
	memcpy(put->bytes, key.data, key.len);
	memcpy(put->bytes + key.len, value.data, value.len);
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = put;
}

static void drop_first(struct enn_handshake_carrier *c)
{
	struct enn_store_put *put = c->puts;

	c->puts = put->next;
	enn_free_secret(c->env, put, put_size(put));
}

bool enn_store_tell_put(struct enn_handshake_carrier *c, struct enn_event *event)
{
	if (c->puts != NULL && c->puts->told) {
		drop_first(c);
	}
	if (c->puts == NULL) {
		return false;
	}
	c->puts->told = true;
	event->type = ENN_EVENT_SESSION_PUT;
	event->u.store.key = c->puts->bytes;
	event->u.store.key_len = c->puts->key_len;
	event->u.store.value = c->puts->bytes + c->puts->key_len;
	event->u.store.value_len = c->puts->value_len;
	event->u.store.expires = c->puts->expires;
	return true;
}

void enn_store_drop_puts(struct enn_handshake_carrier *c)
{
	while (c->puts != NULL) {
		drop_first(c);
	}
}
