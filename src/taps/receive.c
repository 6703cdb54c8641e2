/* SPDX-License-Identifier: Apache-2.0
 *
 * Receiving. What arrives waits as pieces that point into read buffers; a receive
 * takes from the first of them. A piece, and then its loan, holds a reference to its
 * buffer, and while a connection holds too many buffers nothing is read for it.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/internal.h"

/* ---- pieces -------------------------------------------------------------------------- */

static void drop_piece(struct enn_conn *c)
{
	struct enn_piece *p = c->pieces;

	c->pieces = p->next;
	if (c->pieces == NULL) {
		c->pieces_tail = &c->pieces;
	}
	c->piece_count--;
	enn_block_release(p->block);
	enn_free(enn_context_env(c->ctx), p, sizeof(*p));
}

void enn_conn_drop_pieces(struct enn_conn *c)
{
	while (c->pieces != NULL) {
		drop_piece(c);
	}
}

static void out_of_memory(struct enn_conn *c)
{
	struct enn_error error;

	(void)enn_error_set(&error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "receive",
			    "out of memory");
	error.wire_code = ENN_NO_WIRE_CODE;
	if (c->winner != NULL) {
		enn_attempt_fail(c->winner, &error);
	}
}

void enn_conn_received(struct enn_conn *c, const struct enn_message *message,
		       struct enn_block *block)
{
	struct enn_piece *p;

	if (c->over || c->close_called || c->final_arrived) {
		return;
	}
	p = enn_alloc(enn_context_env(c->ctx), sizeof(*p));
	if (p == NULL) {
		out_of_memory(c);
		return;
	}
	p->data = message->data;
	p->len = message->len;
	p->flags = message->flags;
	p->stream = message->stream;
	p->block = message->len > 0 ? enn_block_ref(block) : NULL;
	*c->pieces_tail = p;
	c->pieces_tail = &p->next;
	c->piece_count++;
	c->bytes_received += message->len;
	c->final_arrived = (message->flags & ENN_MESSAGE_FINAL) != 0;
}

/* One read takes at most two buffers, its own and one for the rest of an earlier read. With nothing
 * pinned it may, so that even the smallest window makes progress. Where messages may be lost, each
 * is asked for, and those without bytes pin nothing but are counted. */
bool enn_conn_hungry(const struct enn_conn *c)
{
	size_t window = c->ctx->options.receive_window;

	if (c->pinned == 0 || c->close_called) {
		return c->piece_count < ENN_MAX_PIECES || !enn_conn_has_messages(c);
	}
	if (enn_conn_has_messages(c)) {
		return c->pinned < window && c->piece_count < ENN_MAX_PIECES;
	}
	return c->pinned + 2 * ENN_READ_BLOCK <= window;
}

/* ---- receives ------------------------------------------------------------------------ */

static void free_receive(struct enn_conn *c)
{
	struct enn_receive *r = c->receives;

	c->receives = r->next;
	if (c->receives == NULL) {
		c->receives_tail = &c->receives;
	}
	c->receive_count--;
	enn_block_release(r->gathered);
	enn_free(enn_context_env(c->ctx), r, sizeof(*r));
}

void enn_conn_free_receives(struct enn_conn *c)
{
	while (c->receives != NULL) {
		free_receive(c);
	}
}

void enn_conn_fail_receives(struct enn_conn *c, enum enn_status status, enum enn_reason reason)
{
	struct enn_queued queued = {.type = ENN_TAPS_RECEIVE_ERROR};

	queued.u.error.status = status;
	queued.u.error.reason = reason;
	while (c->receives != NULL) {
		queued.token = c->receives->token;
		free_receive(c);
		enn_conn_keep(c, &queued);
	}
}

/* Reports data for the first receive. end: of a message. Takes the reference to block (NULL with
 * len 0); false: out of memory. */
static bool hand_over(struct enn_conn *c, struct enn_block *block, const uint8_t *data, size_t len,
		      uint32_t flags, bool end)
{
	struct enn_queued queued = {.type = ENN_TAPS_RECEIVED,
				    .flags = flags,
				    .end_of_message = end,
				    .token = c->receives->token};

	if (block != NULL) {
		queued.u.received.loan =
			enn_slots_add(&c->ctx->loans, enn_context_env(c->ctx), block);
		if (queued.u.received.loan == 0) {
			enn_block_release(block);
			return false;
		}
	}
	queued.u.received.data = data == NULL ? (const uint8_t *)"" : data;
	queued.u.received.len = len;
	free_receive(c);
	enn_conn_keep(c, &queued);
	if ((flags & ENN_MESSAGE_FINAL) != 0) {
		c->final_delivered = true;
		enn_conn_fail_receives(c, ENN_E_CLOSED, ENN_REASON_NONE);
	}
	return true;
}

/* Is the next thing after the first piece the bare end of the data? Then it is told with it. */
static uint32_t end_behind(const struct enn_piece *p)
{
	return p->next != NULL && p->next->len == 0 ? p->next->flags & ENN_MESSAGE_FINAL : 0;
}

/* The first piece, or what the receive's maximum allows of it. */
static bool hand_over_piece(struct enn_conn *c)
{
	const struct enn_receive *r = c->receives;
	struct enn_piece *p = c->pieces;
	size_t len = r->max > 0 && r->max < p->len ? r->max : p->len;
	uint32_t flags = p->flags;
	struct enn_block *block = len > 0 ? enn_block_ref(p->block) : NULL;
	const uint8_t *data = p->data;
	bool end = enn_conn_has_messages(c) && len == p->len;

	if (len < p->len) {
		flags &= ~(uint32_t)ENN_MESSAGE_FINAL;
		p->data += len;
		p->len -= len;
	} else {
		uint32_t behind = end_behind(p);
		flags |= behind;
		drop_piece(c);
		if (behind != 0) {
			drop_piece(c);
		}
	}
	return hand_over(c, block, data, len, flags, end || (flags & ENN_MESSAGE_FINAL) != 0);
}

/* Copies pieces together until the receive's minimum is there. */
static bool gather(struct enn_conn *c)
{
	struct enn_receive *r = c->receives;
	uint32_t flags = 0;

	if (r->gathered == NULL) {
		r->gathered = enn_block_new_sized(&c->ctx->rt->read_pool, 0, r->min);
		if (r->gathered == NULL) {
			return false;
		}
	}
	struct enn_block *block = r->gathered;
	while (c->pieces != NULL && enn_block_left(block) > 0 && (flags & ENN_MESSAGE_FINAL) == 0) {
		struct enn_piece *p = c->pieces;
		size_t n = p->len < enn_block_left(block) ? p->len : enn_block_left(block);
		if (n > 0) {
			memcpy(block->data + block->used, p->data, n);
		}
		block->used += n;
		p->data += n;
		p->len -= n;
		r->flags |= p->flags & ENN_MESSAGE_WAS_EARLY;
		if (p->len == 0) {
			flags |= (p->flags & ENN_MESSAGE_FINAL) | end_behind(p);
			bool end = end_behind(p) != 0;
			drop_piece(c);
			if (end) {
				drop_piece(c);
			}
		}
	}
	if (enn_block_left(block) > 0 && (flags & ENN_MESSAGE_FINAL) == 0) {
		return true; /* more has to come */
	}
	flags |= r->flags;
	r->gathered = NULL;
	if (block->used == 0) {
		enn_block_release(block);
		return hand_over(c, NULL, NULL, 0, flags, true);
	}
	enn_block_charge(block, c->id); /* from now on it counts as lent */
	return hand_over(c, block, block->data, block->used, flags,
			 (flags & ENN_MESSAGE_FINAL) != 0);
}

void enn_conn_match(struct enn_conn *c)
{
	bool ok = true;

	/* Nothing is received before the connection was handed to the application. */
	if (c->server ? !c->announced : c->ready == 0) {
		return;
	}
	while (ok && c->receives != NULL && c->pieces != NULL) {
		const struct enn_receive *r = c->receives;
		const struct enn_piece *p = c->pieces;
		const struct enn_receive *before = r;

		/* A message is there as a whole, or not at all. */
		bool enough = r->min <= 1 || p->len >= r->min || enn_conn_has_messages(c);
		if (r->gathered == NULL && enough) {
			ok = hand_over_piece(c);
			continue;
		}
		ok = gather(c);
		if (c->receives == before) {
			break;
		}
	}
	if (!ok) {
		out_of_memory(c);
	}
	/* The last event may have waited for this. */
	if (c->pieces == NULL && c->winner != NULL && (c->winner->closed || c->winner->failed)) {
		enn_conn_wake(c);
	}
}

/* ---- the calls ----------------------------------------------------------------------- */

enum enn_status enn_connection_receive(struct enn_connection connection, size_t min_incomplete,
				       size_t max, void *token)
{
	struct enn_conn *c = enn_conn_of(connection);
	struct enn_receive *r;

	if (c == NULL) {
		return ENN_E_STALE;
	}
	if (min_incomplete > c->ctx->options.receive_window || (max > 0 && max < min_incomplete)) {
		return ENN_E_ARGUMENT;
	}
	if (c->over || c->final_delivered || c->close_called || c->abort_called) {
		return ENN_E_CLOSED;
	}
	if (enn_conn_value(c, ENN_PROPERTY_DIRECTION) == ENN_UNIDIRECTIONAL_SEND) {
		return ENN_E_STATE;
	}
	if (c->receive_count >= ENN_MAX_RECEIVES) {
		return ENN_E_LIMIT;
	}
	const struct enn_env *env = enn_context_env(c->ctx);
	if (!enn_queue_promise(&c->ctx->queue, env, 1)) {
		return ENN_E_MEMORY;
	}
	r = enn_alloc(env, sizeof(*r));
	if (r == NULL) {
		enn_queue_forgo(&c->ctx->queue, 1);
		return ENN_E_MEMORY;
	}
	c->promises++;
	r->token = token;
	r->min = min_incomplete;
	r->max = max;
	*c->receives_tail = r;
	c->receives_tail = &r->next;
	c->receive_count++;
	enn_conn_wake(c);
	return ENN_OK;
}

enum enn_status enn_message_release(struct enn_loan loan)
{
	struct enn_block *block;

	if (loan.context == NULL || loan.id == 0) {
		return ENN_E_STALE;
	}
	block = enn_slots_get(&loan.context->loans, loan.id);
	if (block == NULL) {
		return ENN_E_STALE;
	}
	enn_slots_remove(&loan.context->loans, loan.id);
	enn_block_release(block);
	return ENN_OK;
}
