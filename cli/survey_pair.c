/* SPDX-License-Identifier: Apache-2.0
 *
 * Two engines in memory: the loop of engine.h with a wire that is an array.
 */
#include <stdlib.h>
#include <string.h>

#include "survey.h"

struct survey_pair *survey_pair_new(struct survey *s)
{
	struct survey_pair *p = calloc(1, sizeof(*p));

	if (!survey_expect(s, p != NULL, "there is no memory for the check")) {
		return NULL;
	}
	p->survey = s;
	p->now = ENN_SECOND;
	for (int i = 0; i < 2; i++) {
		p->side[i].address = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(i + 1)},
							  .port = 40000,
							  .family = ENN_FAMILY_IPV4};
	}
	return p;
}

void survey_pair_free(struct survey_pair *p)
{
	if (p != NULL) {
		enn_engine_free(p->side[0].engine);
		enn_engine_free(p->side[1].engine);
		free(p);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static void answer(struct survey_side *side, enn_time now, const struct enn_event *event)
{
	struct enn_answer no = {.type = event->type == ENN_EVENT_VALIDATE_PEER ? ENN_ANSWER_PEER
					: event->type == ENN_EVENT_WANT_PSK    ? ENN_ANSWER_PSK
									    : ENN_ANSWER_SIGNATURE,
				.accept = event->type == ENN_EVENT_VALIDATE_PEER};

	if (side->answer != NULL) {
		side->answer(side, now, event);
	} else {
		cli_ignore(enn_engine_answer(side->engine, now, &no));
	}
}

static void keep_received(struct survey_side *side, const struct enn_message *m)
{
	size_t room = sizeof(side->inbox) - side->inbox_len;
	size_t len = m->len < room ? m->len : room;

	if (len > 0) {
		memcpy(side->inbox + side->inbox_len, m->data, len);
	}
	side->inbox_len += len;
	side->flags |= m->flags;
}

static void take_event(struct survey_pair *p, struct survey_side *side,
		       const struct enn_event *event)
{
	side->events[event->type]++;
	side->peer = event->peer != 0 ? event->peer : side->peer;
	switch (event->type) {
	case ENN_EVENT_RECEIVED:
		keep_received(side, &event->u.received);
		break;
	case ENN_EVENT_EARLY_DATA:
		side->early_accepted = event->u.early_data.accepted;
		break;
	case ENN_EVENT_STORE_SESSION:
		if (event->u.session.len <= sizeof(side->session)) {
			memcpy(side->session, event->u.session.data, event->u.session.len);
			side->session_len = event->u.session.len;
		}
		break;
	case ENN_EVENT_FAILED:
		side->error = event->u.error;
		break;
	case ENN_EVENT_VALIDATE_PEER:
	case ENN_EVENT_WANT_PSK:
	case ENN_EVENT_WANT_IDENTITY:
		answer(side, p->now, event);
		break;
	default:
		break;
	}
}

static void take_events(struct survey_pair *p, struct survey_side *side)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(side->engine, p->now, &event);
		if (event.type == ENN_EVENT_NONE) {
			return;
		}
		take_event(p, side, &event);
	}
}

/* ---- the wire -------------------------------------------------------------------------------- */

/* Takes a batch of datagrams apart; a byte stream's is one piece. */
static void put_out(struct survey_pair *p, int from, const struct enn_batch *batch)
{
	struct survey_side *side = &p->side[from];
	size_t segment = batch->segment_size > 0 ? batch->segment_size : batch->len;

	for (size_t at = 0; at < batch->len; at += segment) {
		size_t len = batch->len - at < segment ? batch->len - at : segment;
		if (!survey_expect(p->survey, side->out_count < SURVEY_WIRE,
				   "more packets than anything here needs")) {
			return;
		}
		struct survey_packet *packet = &side->out[side->out_count++];
		packet->path.local = batch->path.remote;
		packet->path.remote = side->address;
		packet->len = len;
		memcpy(packet->data, batch->buf + at, len);
	}
}

void survey_pair_run(struct survey_pair *p, int side)
{
	struct survey_side *s = &p->side[side];
	uint8_t buf[SURVEY_PACKET];

	for (;;) {
		struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
		take_events(p, s);
		if (enn_engine_transmit(s->engine, p->now, &batch) != ENN_OK || batch.len == 0) {
			break;
		}
		put_out(p, side, &batch);
	}
	take_events(p, s);
}

/* Without running: its answers are not on the wire yet. */
static void ingest(struct survey_pair *p, int to, const struct survey_packet *packet)
{
	struct survey_packet copy = *packet;
	struct enn_packet one = {.data = copy.data, .len = copy.len};

	cli_ignore(enn_engine_ingest(p->side[to].engine, p->now, &copy.path, &one, 1));
	take_events(p, &p->side[to]);
}

void survey_pair_inject(struct survey_pair *p, int to, const struct survey_packet *packet)
{
	ingest(p, to, packet);
	survey_pair_run(p, to);
}

void survey_pair_deliver(struct survey_pair *p, int to)
{
	struct survey_side *from = &p->side[1 - to];

	for (size_t i = 0; i < from->out_count; i++) {
		ingest(p, to, &from->out[i]);
	}
	from->out_count = 0;
	survey_pair_run(p, to);
}

void survey_pair_settle(struct survey_pair *p)
{
	survey_pair_run(p, 0);
	survey_pair_run(p, 1);
	/* A pair that talks without end is a fault, not a reason to hang. */
	for (int turn = 0; turn < 200 && p->side[0].out_count + p->side[1].out_count > 0; turn++) {
		survey_pair_deliver(p, turn % 2);
	}
}

void survey_pair_wait(struct survey_pair *p, enn_time duration)
{
	enn_time end = p->now + duration;

	survey_pair_settle(p);
	for (;;) {
		enn_time a = enn_engine_deadline(p->side[0].engine);
		enn_time b = enn_engine_deadline(p->side[1].engine);
		enn_time next = a < b ? a : b;
		if (next > end) {
			break;
		}
		p->now = next > p->now ? next : p->now;
		for (int i = 0; i < 2; i++) {
			if (enn_engine_deadline(p->side[i].engine) <= p->now) {
				enn_engine_expire(p->side[i].engine, p->now);
			}
		}
		survey_pair_settle(p);
	}
	p->now = end;
}

void survey_pair_lose(struct survey_pair *p, int side)
{
	p->side[side].out_count = 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

enum enn_status survey_pair_send(struct survey_pair *p, int from, const void *data, size_t len,
				 uint32_t flags)
{
	struct enn_message message = {.data = data, .len = len, .flags = flags};
	enum enn_status status = enn_engine_send(p->side[from].engine, p->now, &message);

	if (status == ENN_OK) {
		survey_pair_run(p, from);
	}
	return status;
}

bool survey_pair_got(struct survey_pair *p, int side, const void *data, size_t len)
{
	struct survey_side *s = &p->side[side];
	bool same = s->inbox_len == len && memcmp(s->inbox, data, len) == 0;

	s->inbox_len = 0;
	return same;
}

bool survey_pair_shows(const struct survey_pair *p, int side, const void *text, size_t len)
{
	const struct survey_side *s = &p->side[side];

	for (size_t i = 0; i < s->out_count; i++) {
		if (memmem(s->out[i].data, s->out[i].len, text, len) != NULL) {
			return true;
		}
	}
	return false;
}
