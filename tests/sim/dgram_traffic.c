/* SPDX-License-Identifier: Apache-2.0
 *
 * What applications send, and what becomes of it: the ledger of all messages of a run.
 *
 * A payload is   marker (8) | number (4) | from, to, length (4) | bytes out of seed and number, with the
 * marker again every 64 bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "dgram_world.h"

#define HEAD 16u

/* ---- payloads ----------------------------------------------------------------------------------- */

static void fill(const struct dgram_world *w, const struct dgram_message *m, uint8_t *out)
{
	struct sim_rng r;
	const uint8_t head[8] = {(uint8_t)m->number,
				 (uint8_t)(m->number >> 8),
				 (uint8_t)(m->number >> 16),
				 (uint8_t)(m->number >> 24),
				 m->from,
				 m->to,
				 (uint8_t)m->len,
				 (uint8_t)(m->len >> 8)};

	sim_rng_seed(&r, w->s->seed, 1000000 + m->number);
	sim_rng_fill(&r, out, m->len);
	for (size_t at = 0; at + 8 <= m->len; at += 64) {
		memcpy(out + at, DGRAM_MARKER, 8);
	}
	memcpy(out + 8, head, sizeof(head));
}

static uint32_t number_of(const uint8_t *payload)
{
	return (uint32_t)payload[8] | (uint32_t)payload[9] << 8 | (uint32_t)payload[10] << 16 |
	       (uint32_t)payload[11] << 24;
}

/* ---- sending -------------------------------------------------------------------------------------- */

static void append(uint32_t **list, size_t *head, size_t *tail, size_t *cap, uint32_t number)
{
	if (*head == *tail) {
		*head = *tail = 0;
	}
	if (*tail == *cap) {
		*cap = *cap == 0 ? 16 : 2 * *cap;
		*list = dgram_need(realloc(*list, *cap * sizeof(**list)));
	}
	(*list)[(*tail)++] = number;
}

static struct dgram_end *end_of(struct dgram_host *h, const struct dgram_message *m)
{
	if (!dgram_up(h)) {
		return NULL;
	}
	return h->w->protocol->route != NULL ? h->w->protocol->route(h, m) : h->end[0];
}

/* Nothing can keep it from arriving, if the engine takes it. */
static bool certain(struct dgram_world *w, unsigned from, unsigned to)
{
	const char *why = NULL;

	return w->lossless && !w->calm && dgram_up(&w->host[to]) &&
	       (w->protocol->reach == NULL ||
		w->protocol->reach(w, from, to, &why) == DGRAM_REACH_YES);
}

struct dgram_message *dgram_give(struct dgram_world *w, unsigned from, unsigned to, size_t len)
{
	if (w->message_count == w->message_cap) {
		w->message_cap = w->message_cap == 0 ? 64 : 2 * w->message_cap;
		w->messages =
			dgram_need(realloc(w->messages, w->message_cap * sizeof(w->messages[0])));
	}
	struct dgram_message *m = &w->messages[w->message_count];
	*m = (struct dgram_message){
		.number = (uint32_t)w->message_count++,
		.from = (uint8_t)from,
		.to = (uint8_t)to,
		.len = (uint16_t)(len < HEAD + 8 ? HEAD + 8 : len),
		.life = {w->host[from].life, w->host[to].life},
		.must = certain(w, from, to),
		.given = w->now,
		.probe = w->probing,
	};
	struct dgram_end *end = end_of(&w->host[from], m);
	if (end == NULL) {
		m->state = DGRAM_REFUSED;
		m->status = ENN_E_STATE;
		w->count.refused++;
		return m;
	}
	append(&end->waiting, &end->waiting_head, &end->waiting_tail, &end->waiting_cap, m->number);
	w->count.given++;
	return m;
}

static void refused(struct dgram_end *end, struct dgram_message *m, enum enn_status status)
{
	struct dgram_world *w = end->h->w;

	m->state = DGRAM_REFUSED;
	m->status = status;
	w->count.refused++;
	free(m->data);
	m->data = NULL;
	dgram_trace(w, "%s: send of message %u to %s refused: %s", end->h->name, m->number,
		    w->host[m->to].name, enn_status_name(status));
	bool failed = end->failed || end->closed || end->h->heap.failed || end->h->random_failed;
	if (!failed && (w->protocol->refusal == NULL || !w->protocol->refusal(end->h, m, status))) {
		dgram_violation(w, "%s: send of message %u to %s answers %s", end->h->name,
				m->number, w->host[m->to].name, enn_status_name(status));
	}
}

static void wrap(struct dgram_world *w, struct dgram_message *m)
{
	uint8_t payload[DGRAM_MESSAGE_MAX];
	uint8_t whole[DGRAM_MESSAGE_MAX + 64];

	fill(w, m, payload);
	if (w->protocol->wrap != NULL) {
		m->data_len = w->protocol->wrap(w, m, payload, whole);
	} else {
		memcpy(whole, payload, m->len);
		m->data_len = m->len;
	}
	m->data = dgram_need(malloc(m->data_len));
	memcpy(m->data, whole, m->data_len);
}

/* user: number + 1, so that it is never NULL. */
static void *handle(uint32_t number)
{
	return (void *)((uintptr_t)number + 1);
}

bool dgram_offer(struct dgram_end *end)
{
	struct dgram_world *w = end->h->w;
	bool any = false;

	while (end->waiting_head < end->waiting_tail && !dgram_violated(w)) {
		struct dgram_message *m = &w->messages[end->waiting[end->waiting_head]];
		if (m->data == NULL) {
			wrap(w, m);
		}
		const struct enn_message message = {
			.data = m->data, .len = m->data_len, .user = handle(m->number)};
		enum enn_status status = enn_engine_send(end->e, dgram_clock(end->h), &message);
		if (status == ENN_E_AGAIN) {
			break;
		}
		end->waiting_head++;
		any = true;
		if (status != ENN_OK) {
			refused(end, m, status);
			continue;
		}
		m->state = DGRAM_LENT;
		dgram_trace(w, "%s: message %u to %s, %u bytes", end->h->name, m->number,
			    w->host[m->to].name, m->len);
		append(&end->out, &end->out_head, &end->out_tail, &end->out_cap, m->number);
	}
	return any;
}

static void release(struct dgram_message *m)
{
	if (m->data != NULL) {
		memset(m->data, 0xdd, m->data_len); /* the engine must not look again */
		free(m->data);
		m->data = NULL;
	}
}

void dgram_sent(struct dgram_end *end, void *user)
{
	struct dgram_world *w = end->h->w;

	if (end->out_head == end->out_tail || handle(end->out[end->out_head]) != user) {
		dgram_violation(w, "%s: 'sent' for %llu, which is not the oldest message it has",
				end->h->name, (unsigned long long)(uintptr_t)user - 1);
		return;
	}
	struct dgram_message *m = &w->messages[end->out[end->out_head++]];
	m->state = DGRAM_SENT;
	m->sent = w->now;
	release(m);
}

void dgram_forget(struct dgram_end *end)
{
	struct dgram_world *w = end->h->w;

	for (; end->out_head < end->out_tail; end->out_head++) {
		struct dgram_message *m = &w->messages[end->out[end->out_head]];
		m->state = DGRAM_LOST;
		release(m);
	}
	for (; end->waiting_head < end->waiting_tail; end->waiting_head++) {
		struct dgram_message *m = &w->messages[end->waiting[end->waiting_head]];
		m->state = DGRAM_LOST;
		release(m);
	}
}

void dgram_traffic_free(struct dgram_world *w)
{
	for (size_t i = 0; i < w->message_count; i++) {
		release(&w->messages[i]);
	}
	free(w->messages);
}

/* ---- receiving ------------------------------------------------------------------------------------ */

static void delivered(struct dgram_end *end, struct dgram_message *m, unsigned from)
{
	struct dgram_world *w = end->h->w;

	if (m->to != end->h->index || m->from != from) {
		dgram_violation(w, "%s: got message %u from %s, which %s sent to %s", end->h->name,
				m->number, w->host[from].name, w->host[m->from].name,
				w->host[m->to].name);
	} else if (m->deliveries++ > 0) {
		dgram_violation(w, "%s: got message %u from %s twice", end->h->name, m->number,
				w->host[from].name);
	} else if (m->state == DGRAM_WAITING || m->state == DGRAM_REFUSED) {
		dgram_violation(w, "%s: got message %u from %s, which was never sent", end->h->name,
				m->number, w->host[from].name);
	}
	m->delivered = w->now;
	w->count.delivered++;
	if (m->probe) {
		w->reached[m->from][m->to] = true;
	}
}

void dgram_received(struct dgram_end *end, const struct enn_event *event)
{
	struct dgram_world *w = end->h->w;
	const uint8_t *payload = event->u.received.data;
	size_t len = event->u.received.len;
	uint8_t wanted[DGRAM_MESSAGE_MAX];
	unsigned from = !end->h->index;

	if (w->protocol->unwrap != NULL &&
	    !w->protocol->unwrap(end, event, &payload, &len, &from)) {
		dgram_violation(w, "%s: got %zu bytes that nobody sent", end->h->name,
				event->u.received.len);
		return;
	}
	if (from >= w->s->hosts) {
		dgram_violation(w, "%s: got a message from nobody", end->h->name);
		return;
	}
	uint32_t number = len < HEAD ? UINT32_MAX : number_of(payload);
	if (number >= w->message_count || w->messages[number].len != len) {
		dgram_violation(w, "%s: got %zu bytes of payload that nobody sent", end->h->name,
				len);
		return;
	}
	struct dgram_message *m = &w->messages[number];
	fill(w, m, wanted);
	if (memcmp(wanted, payload, len) != 0) {
		dgram_violation(w, "%s: message %u arrived changed", end->h->name, number);
		return;
	}
	dgram_trace(w, "%s: got message %u from %s", end->h->name, number, w->host[from].name);
	delivered(end, m, from);
}

/* ---- flows ---------------------------------------------------------------------------------------- */

enn_time dgram_flow_due(const struct dgram_world *w)
{
	enn_time t = ENN_TIME_NEVER;

	for (size_t i = 0; i < w->s->flows && !w->calm; i++) {
		t = w->flow[i].next < t ? w->flow[i].next : t;
	}
	return t;
}

static void burst(struct dgram_world *w, const struct dgram_flow *f, struct sim_rng *r)
{
	for (unsigned k = 0; k < f->burst; k++) {
		size_t len = (size_t)sim_rng_size(r, f->size_min, f->size_max);
		struct dgram_message *m = dgram_give(w, f->from, f->to, len);
		if (m->state == DGRAM_REFUSED) {
			return; /* the host is down */
		}
	}
	for (unsigned i = 0; i < DGRAM_ENDS; i++) {
		if (w->host[f->from].end[i] != NULL) {
			dgram_pump(w->host[f->from].end[i]);
		}
	}
}

void dgram_flow_turn(struct dgram_world *w)
{
	for (size_t i = 0; i < w->s->flows && !w->calm && !dgram_violated(w); i++) {
		const struct dgram_flow *f = &w->s->flow[i];
		if (w->flow[i].next > w->now) {
			continue;
		}
		burst(w, f, &w->flow[i].rng);
		bool last = ++w->flow[i].done >= f->count;
		w->flow[i].next =
			last ? ENN_TIME_NEVER
			     : w->now + sim_rng_range(&w->flow[i].rng, f->gap_min, f->gap_max);
	}
}
