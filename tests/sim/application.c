/* SPDX-License-Identifier: Apache-2.0
 *
 * The applications: each sends a stream of bytes that both know, in messages of
 * seeded sizes, and ends in its own way.
 *
 * The stream consists of cells of 16 bytes: eight that are the same everywhere, so that one
 * search finds any plaintext on the wire, and eight that are different everywhere, so
 * that lost, repeated or moved data shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define CELL 16u

static const uint8_t plaintext_mark[8] = {'p', 'L', 'a', '1', 'N', 't', 'X', '7'};

/* ---- the data ---------------------------------------------------------------------------- */

static void cell(const struct sim_world *w, bool server, uint64_t number, uint8_t out[CELL])
{
	uint64_t x = number * 4 + w->index + (server ? UINT64_C(1) << 62 : 0);

	x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	memcpy(out, plaintext_mark, 8);
	memcpy(out + 8, &x, 8);
}

void sim_application_bytes(const struct sim_world *w, bool server, uint64_t at, uint8_t *out,
			   size_t n)
{
	uint8_t c[CELL];

	while (n > 0) {
		size_t skip = (size_t)(at % CELL);
		size_t take = CELL - skip < n ? CELL - skip : n;
		cell(w, server, at / CELL, c);
		memcpy(out, c + skip, take);
		out += take;
		at += take;
		n -= take;
	}
}

/* ---- receiving ------------------------------------------------------------------------------ */

void sim_application_check(struct sim_endpoint *ep, const uint8_t *data, size_t len, uint64_t at)
{
	uint8_t expected[1024];

	while (len > 0) {
		size_t n = len < sizeof(expected) ? len : sizeof(expected);
		sim_application_bytes(ep->w, !ep->server, at, expected, n);
		if (memcmp(expected, data, n) != 0) {
			sim_violation(ep->w->run,
				      "%s: wrong data was delivered at offset %llu or after",
				      ep->name, (unsigned long long)at);
			return;
		}
		data += n;
		at += n;
		len -= n;
	}
}

static void check_order(struct sim_endpoint *ep, const struct enn_message *m)
{
	bool early = (m->flags & ENN_MESSAGE_WAS_EARLY) != 0;

	if (ep->final_received) {
		sim_violation(ep->w->run, "%s: data after the end of data", ep->name);
	}
	if (ep->close_called) {
		sim_violation(ep->w->run, "%s: data after close()", ep->name);
	}
	if (early && (!ep->server || ep->ready || !ep->early_accepted)) {
		sim_violation(ep->w->run, "%s: early data at a wrong time", ep->name);
	}
	if (!early && !ep->ready) {
		sim_violation(ep->w->run, "%s: data before READY", ep->name);
	}
	if (m->flags & ~(uint32_t)(ENN_MESSAGE_FINAL | ENN_MESSAGE_WAS_EARLY)) {
		sim_violation(ep->w->run, "%s: unknown flags %x", ep->name, m->flags);
	}
}

void sim_application_received(struct sim_endpoint *ep, const struct enn_message *m)
{
	const struct sim_endpoint *peer = &ep->w->ep[!ep->server];

	check_order(ep, m);
	if (ep->received + m->len > peer->given_bytes) {
		sim_violation(ep->w->run, "%s: more data than was sent", ep->name);
		return;
	}
	sim_application_check(ep, m->data, m->len, ep->received);
	ep->received += m->len;
	if (m->flags & ENN_MESSAGE_WAS_EARLY) {
		ep->early_received += m->len;
	}
	if (!(m->flags & ENN_MESSAGE_FINAL)) {
		return;
	}
	ep->final_received = true;
	ep->stopped_reading_at = ep->w->pipe[!ep->server].delivered;
	if (!peer->final_given && !peer->close_called) {
		sim_violation(ep->w->run, "%s: an end of data that was not sent", ep->name);
	}
	if (ep->received != peer->given_bytes) {
		sim_violation(ep->w->run, "%s: the end of data after %llu of %llu bytes", ep->name,
			      (unsigned long long)ep->received,
			      (unsigned long long)peer->given_bytes);
	}
}

/* ---- sending ---------------------------------------------------------------------------------- */

/* Memory that was lent comes back: what the engine still reads from it would be seen. */
static void drop(struct sim_outgoing *o)
{
	if (o->data != NULL) {
		memset(o->data, 0xee, o->len);
		free(o->data);
		o->data = NULL;
	}
}

void sim_application_sent(struct sim_endpoint *ep, const void *user)
{
	struct sim_outgoing *o = &ep->out[ep->reported % SIM_OUTGOING];

	if (ep->reported == ep->given || user != o || o->number != ep->reported) {
		sim_violation(ep->w->run, "%s: a SENT event out of order", ep->name);
		return;
	}
	ep->reported++;
	if (o->final) {
		ep->final_sent = true;
		ep->close_offset = ep->transmitted;
	}
	drop(o);
}

void sim_application_free(struct sim_endpoint *ep)
{
	for (size_t i = 0; i < SIM_OUTGOING; i++) {
		drop(&ep->out[i]);
	}
}

/* While the driver rests it has not yet heard how the engine ended. */
static bool ended_unheard(const struct sim_endpoint *ep, enum enn_status status)
{
	return ep->paused && (status == ENN_E_FAILED || status == ENN_E_CLOSED);
}

/* True if the engine took it. */
static bool give(struct sim_endpoint *ep, size_t len, uint32_t flags)
{
	struct sim_outgoing *o = &ep->out[ep->given % SIM_OUTGOING];

	if (ep->given - ep->reported == SIM_OUTGOING) {
		return false;
	}
	drop(o); /* a cancelled engine reports nothing */
	*o = (struct sim_outgoing){.data = malloc(len + 1), .len = len, .number = ep->given};
	if (o->data == NULL) {
		abort();
	}
	o->final = (flags & ENN_MESSAGE_FINAL) != 0;
	sim_application_bytes(ep->w, ep->server, ep->given_bytes, o->data, len);
	struct enn_message m = {.data = o->data, .len = len, .user = o, .flags = flags};
	enum enn_status status = enn_engine_send(ep->e, ep->w->now, &m);
	if (status != ENN_OK) {
		bool full = status == ENN_E_AGAIN && ep->given > ep->reported;
		if (!full && !ended_unheard(ep, status)) {
			sim_violation(ep->w->run, "%s: send answers %s", ep->name,
				      enn_status_name(status));
		}
		drop(o);
		return false;
	}
	ep->given++;
	ep->given_bytes += len;
	ep->early_given += flags & ENN_MESSAGE_EARLY ? len : 0;
	ep->final_given = o->final;
	return true;
}

static size_t draw_message(struct sim_endpoint *ep, size_t left)
{
	size_t len = (size_t)sim_rng_range(&ep->rng, ep->side->message_min, ep->side->message_max);
	return len < left ? len : left;
}

static bool may_end(const struct sim_endpoint *ep)
{
	switch (ep->side->finish) {
	case SIM_FINISH_AFTER_PEER:
		return ep->final_received;
	case SIM_FINISH_CLOSE:
	case SIM_FINISH_CLOSE_EARLY:
		return ep->ready;
	default:
		return true;
	}
}

static bool send_some(struct sim_endpoint *ep)
{
	const struct sim_side *side = ep->side;
	bool on_last = side->finish == SIM_FINISH_FINAL;
	size_t stop = side->finish == SIM_FINISH_CLOSE_EARLY ? side->bytes / 2 : side->bytes;
	bool any = false;

	while (!ep->final_given && ep->given_bytes < stop) {
		size_t len = draw_message(ep, stop - (size_t)ep->given_bytes);
		bool last = ep->given_bytes + len == side->bytes;
		uint32_t flags = last && on_last ? ENN_MESSAGE_FINAL : 0;
		if (!ep->server && ep->given_bytes + len <= side->early_bytes) {
			flags |= ENN_MESSAGE_EARLY;
		}
		if (!give(ep, len, flags)) {
			return any;
		}
		any = true;
	}
	return any;
}

static bool close_now(struct sim_endpoint *ep)
{
	enum enn_status status = enn_engine_close(ep->e, ep->w->now, 0);

	ep->close_called = true;
	ep->cancelled = !ep->ready;
	sim_trace(ep->w, "%s: close", ep->name);
	if (status != ENN_OK && !ended_unheard(ep, status)) {
		sim_violation(ep->w->run, "%s: close answers %s", ep->name,
			      enn_status_name(status));
	}
	return true;
}

static bool end_of_data(struct sim_endpoint *ep)
{
	const struct sim_side *side = ep->side;
	size_t stop = side->finish == SIM_FINISH_CLOSE_EARLY ? side->bytes / 2 : side->bytes;

	if (ep->final_given || ep->given_bytes < stop || !may_end(ep)) {
		return false;
	}
	if (side->finish == SIM_FINISH_CLOSE || side->finish == SIM_FINISH_CLOSE_EARLY) {
		return close_now(ep);
	}
	return give(ep, 0, ENN_MESSAGE_FINAL);
}

static bool rekey(struct sim_endpoint *ep)
{
	if (!ep->ready || ep->rekeyed >= ep->side->rekeys || ep->final_sent ||
	    !sim_rng_chance(&ep->rng, 30)) {
		return false;
	}
	bool both = sim_rng_chance(&ep->rng, ep->side->rekey_both);
	enum enn_status status = enn_engine_rekey(ep->e, ep->w->now, both);
	ep->rekeyed++;
	bool none = ep->info.version_code == 0x0303 && status == ENN_E_UNSUPPORTED;
	if (status != ENN_OK && !none && !ended_unheard(ep, status)) {
		sim_violation(ep->w->run, "%s: rekey answers %s", ep->name,
			      enn_status_name(status));
	}
	return true;
}

static void expect(struct sim_endpoint *ep, const char *what, enum enn_status got,
		   enum enn_status wanted)
{
	if (got != wanted) {
		sim_violation(ep->w->run, "%s: %s answers %s, not %s", ep->name, what,
			      enn_status_name(got), enn_status_name(wanted));
	}
}

/* Calls that must be refused and change nothing. */
static void misuse(struct sim_endpoint *ep)
{
	uint8_t byte = 0;
	struct enn_batch small = {.buf = &byte, .cap = 1};
	struct enn_message bad = {.flags = ENN_MESSAGE_WAS_EARLY};
	struct enn_answer none = {.type = ENN_ANSWER_PSK};
	enn_time now = ep->w->now;

	switch (sim_rng_below(&ep->rng, 7)) {
	case 0:
		expect(ep, "a second start", enn_engine_start(ep->e, now), ENN_E_STATE);
		break;
	case 1:
		expect(ep, "a tiny transmit", enn_engine_transmit(ep->e, now, &small), ENN_E_SPACE);
		break;
	case 2:
		expect(ep, "a bad flag", enn_engine_send(ep->e, now, &bad), ENN_E_ARGUMENT);
		break;
	case 3:
		expect(ep, "migrate", enn_engine_migrate(ep->e, now, &(struct enn_path){0}),
		       ENN_E_UNSUPPORTED);
		break;
	case 4:
		if (ep->question != ENN_EVENT_WANT_PSK) {
			expect(ep, "an unasked answer", enn_engine_answer(ep->e, now, &none),
			       ENN_E_STATE);
		}
		break;
	case 5:
		if (!ep->ready) {
			expect(ep, "an early rekey", enn_engine_rekey(ep->e, now, true),
			       ENN_E_STATE);
		}
		break;
	default:
		if (ep->close_called || ep->final_given) {
			bad.flags = 0;
			expect(ep, "send after the end", enn_engine_send(ep->e, now, &bad),
			       ENN_E_CLOSED);
		}
		break;
	}
}

bool sim_application_turn(struct sim_endpoint *ep)
{
	bool any = false;

	if (ep->e == NULL || ep->failed || ep->closed) {
		return false;
	}
	ep->turns++;
	if (ep->side->upset != SIM_UPSET_NONE && ep->turns > ep->side->upset_turn) {
		ep->upset = true;
		if (ep->side->upset == SIM_UPSET_FREE) {
			sim_endpoint_free_engine(ep);
			return false;
		}
		return ep->close_called ? false : close_now(ep);
	}
	if (ep->side->misuse && !ep->paused && sim_rng_chance(&ep->rng, 20)) {
		misuse(ep);
	}
	if (ep->close_called) {
		return false;
	}
	any = rekey(ep);
	any = send_some(ep) || any;
	return end_of_data(ep) || any;
}
