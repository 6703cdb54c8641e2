/* SPDX-License-Identifier: Apache-2.0
 *
 * A host: its environment, its engines, and the driver of each: the loop of ennead/engine.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_check.h"
#include "ennead/protocol.h"

#define EPOCH	   INT64_C(1800000000) /* UNIX time at the beginning */
#define INBOX_MOST 4096u	       /* packets; a socket has no more room either */

/* ---- the environment -------------------------------------------------------------------------- */

static int env_random(void *ctx, uint8_t *out, size_t len)
{
	struct dgram_host *h = ctx;

	if (++h->randoms == h->random_fails_at) {
		h->random_failed = true;
		return -1;
	}
	sim_rng_fill(&h->random, out, len);
	return 0;
}

static void env_keylog(void *ctx, const char *line)
{
	struct dgram_host *h = ctx;

	if (h->w->protocol->keylog != NULL) {
		h->w->protocol->keylog(h, line);
	}
}

static void env_log(void *ctx, enum enn_log_level level, const char *text)
{
	struct dgram_host *h = ctx;

	dgram_trace(h->w, "%s: log %d: %s", h->name, (int)level, text);
	if (sim_scan_find(&h->w->scan, (const uint8_t *)text, strlen(text)) != NULL) {
		dgram_violation(h->w, "%s: a secret in the log", h->name);
	}
}

void dgram_host_open(struct dgram_world *w, unsigned index)
{
	struct dgram_host *h = &w->host[index];

	h->w = w;
	h->index = index;
	h->name[0] = (char)('A' + index);
	h->name[1] = '\0';
	sim_rng_seed(&h->rng, w->s->seed, 100 + index);
	sim_rng_seed(&h->random, w->s->seed, 200 + index);
	h->env = (struct enn_env){
		.crypto = w->s->libcrypto ? w->lab->libcrypto : w->lab->crypto,
		.wall_offset = EPOCH * (int64_t)ENN_SECOND,
		.random = env_random,
		.random_ctx = h,
		.keylog = env_keylog,
		.keylog_ctx = h,
		.log = env_log,
		.log_ctx = h,
	};
	h->heap.scan = &w->scan;
	if (index == w->starve.host) {
		h->heap.fail_at = w->starve.allocation;
		h->heap.fail_for_good = w->starve.for_good;
		h->random_fails_at = w->starve.random;
	}
	sim_heap_attach(&h->heap, &h->env);
	h->down = true;
}

void dgram_host_close(struct dgram_host *h)
{
	dgram_host_stop(h);
	free(h->inbox);
	free(h->sources);
}

/* ---- life --------------------------------------------------------------------------------------- */

void dgram_host_start(struct dgram_host *h)
{
	h->down = false;
	h->life++;
	dgram_trace(h->w, "%s: starts, life %u", h->name, h->life);
	enum enn_status status = h->w->protocol->make(h);
	if (status != ENN_OK && !h->heap.failed && !h->random_failed) {
		dgram_violation(h->w, "%s: the engine cannot be made: %s", h->name,
				enn_status_name(status));
	}
}

void dgram_drop(struct dgram_end *end)
{
	for (unsigned i = 0; i < DGRAM_ENDS; i++) {
		end->h->end[i] = end->h->end[i] == end ? NULL : end->h->end[i];
	}
	enn_engine_free(end->e);
	dgram_forget(end);
	for (size_t i = 0; i < end->lent_count; i++) {
		free(end->lent[i]);
	}
	free(end->waiting);
	free(end->out);
	free(end);
}

void dgram_host_stop(struct dgram_host *h)
{
	if (!h->down && h->w->protocol->stops != NULL) {
		h->w->protocol->stops(h);
	}
	for (unsigned i = 0; i < DGRAM_ENDS; i++) {
		if (h->end[i] != NULL) {
			dgram_drop(h->end[i]);
		}
	}
	enn_acceptor_free(h->acceptor);
	h->acceptor = NULL;
	while (h->inbox_head < h->inbox_tail) {
		free(h->inbox[h->inbox_head++].data);
	}
	if (!h->down) {
		dgram_trace(h->w, "%s: stops", h->name);
	}
	h->down = true;
	dgram_check_empty(h);
}

struct dgram_end *dgram_adopt(struct dgram_host *h, struct enn_engine *e)
{
	unsigned place = 0;

	while (place < DGRAM_ENDS && h->end[place] != NULL) {
		place++;
	}
	enum enn_status status =
		place < DGRAM_ENDS ? enn_engine_start(e, dgram_clock(h)) : ENN_E_LIMIT;
	if (status != ENN_OK) {
		if (!h->heap.failed && !h->random_failed) {
			dgram_violation(h->w, "%s: the engine cannot be started: %s", h->name,
					enn_status_name(status));
		}
		enn_engine_free(e);
		return NULL;
	}
	struct dgram_end *end = dgram_need(calloc(1, sizeof(*end)));
	end->h = h;
	end->e = e;
	end->peer = DGRAM_STRANGER;
	h->end[place] = end;
	dgram_pump(end);
	return end;
}

/* ---- events ------------------------------------------------------------------------------------- */

static const char *event_name(enum enn_event_type type)
{
	static const char *const names[] = {
		"none",		 "ready",	  "received",	   "sent",	   "early-data",
		"validate-peer", "want-psk",	  "want-identity", "source valid", "session",
		"keys updated",	 "keys expiring", "path changed",  "closed",	   "failed"};

	return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static void check_order(struct dgram_end *end, enum enn_event_type type)
{
	if (end->failed || end->closed) {
		dgram_violation(end->h->w, "%s: event '%s' after the last one", end->h->name,
				event_name(type));
	}
	if (!end->ready && (type == ENN_EVENT_RECEIVED || type == ENN_EVENT_KEYS_UPDATED)) {
		dgram_violation(end->h->w, "%s: event '%s' before 'ready'", end->h->name,
				event_name(type));
	}
}

static void take_event(struct dgram_end *end, const struct enn_event *event)
{
	struct dgram_host *h = end->h;
	struct dgram_world *w = h->w;
	const uint8_t mark[3] = {0xe0, (uint8_t)h->index, (uint8_t)event->type};

	dgram_hash(w, mark, sizeof(mark));
	check_order(end, event->type);
	switch (event->type) {
	case ENN_EVENT_RECEIVED:
		dgram_received(end, event);
		if (dgram_has(w->s, DGRAM_PAUSE) && !w->calm &&
		    sim_rng_chance(&h->rng, w->s->host[h->index].pause_percent)) {
			end->paused = true;
			end->wake = w->now + w->s->host[h->index].pause;
		}
		return;
	case ENN_EVENT_SENT:
		dgram_sent(end, event->u.sent.user);
		return;
	case ENN_EVENT_READY:
		end->ready = true;
		break;
	case ENN_EVENT_FAILED:
		end->failed = true;
		end->error = event->u.error;
		dgram_trace(w, "%s: failed: %s", h->name, event->u.error.text);
		break;
	case ENN_EVENT_CLOSED:
		end->closed = true;
		break;
	default:
		break;
	}
	dgram_trace(w, "%s: %s, peer %llu", h->name, event_name(event->type),
		    (unsigned long long)event->peer);
	if (w->protocol->event != NULL) {
		w->protocol->event(end, event);
	}
}

static void give_back(struct dgram_end *end)
{
	for (size_t i = 0; i < end->lent_count; i++) {
		memset(end->lent[i], 0xdd, end->packets[i].len);
		free(end->lent[i]);
	}
	end->lent_count = 0;
	end->lending = false;
}

static bool take_events(struct dgram_end *end)
{
	struct enn_event event;
	bool any = false;

	while (!end->paused && !dgram_violated(end->h->w)) {
		enn_engine_next_event(end->e, dgram_clock(end->h), &event);
		if (event.type == ENN_EVENT_NONE) {
			give_back(end);
			break;
		}
		any = true;
		take_event(end, &event);
	}
	return any;
}

/* ---- output ------------------------------------------------------------------------------------- */

static size_t room_for_batch(struct dgram_end *end)
{
	const struct dgram_scenario *s = end->h->w->s;
	const struct dgram_host_shape *shape = &s->host[end->h->index];
	size_t least = end->e->protocol->min_batch;

	if (dgram_has(s, DGRAM_SMALL_BATCH)) {
		return least + (size_t)sim_rng_below(&end->h->rng, 4);
	}
	size_t room = (size_t)sim_rng_range(&end->h->rng, shape->batch_min, shape->batch_max);
	return room > least ? room : least;
}

static void cut_batch(struct dgram_end *end, const struct enn_batch *batch)
{
	struct dgram_host *h = end->h;
	struct dgram_world *w = h->w;

	for (size_t at = 0; at < batch->len; at += batch->segment_size) {
		size_t left = batch->len - at;
		size_t len = left < batch->segment_size ? left : batch->segment_size;
		dgram_check_sent(h, &batch->path, batch->buf + at, len);
		if (w->protocol->sent != NULL) {
			w->protocol->sent(h, &batch->path, batch->buf + at, len);
		}
		(void)dgram_send(&w->net, w->now, h->index, &batch->path, batch->buf + at, len,
				 batch->ecn);
	}
}

static void maybe_block(struct dgram_end *end)
{
	struct dgram_host *h = end->h;
	const struct dgram_host_shape *shape = &h->w->s->host[h->index];

	if (dgram_has(h->w->s, DGRAM_BLOCK) && !h->w->calm &&
	    sim_rng_chance(&h->rng, shape->block_percent)) {
		end->blocked = true;
		end->unblock = h->w->now + shape->block;
	}
}

static bool transmit(struct dgram_end *end)
{
	struct dgram_world *w = end->h->w;
	bool any = false;

	for (bool more = true; more && !end->blocked && !dgram_violated(w);) {
		size_t room = room_for_batch(end);
		struct enn_batch batch = {.buf = dgram_need(malloc(room)), .cap = room};
		enum enn_status status = enn_engine_transmit(end->e, dgram_clock(end->h), &batch);
		if (status != ENN_OK) {
			dgram_violation(w, "%s: transmit answers %s", end->h->name,
					enn_status_name(status));
		} else if (batch.len > 0) {
			dgram_check_batch(end, &batch, room);
			if (!dgram_violated(w)) {
				cut_batch(end, &batch);
			}
			any = true;
		}
		more = batch.len > 0;
		free(batch.buf);
		if (more) {
			maybe_block(end);
		}
	}
	return any;
}

static bool turn(struct dgram_end *end)
{
	bool moved = false;
	bool any;

	do {
		any = take_events(end);
		any = dgram_offer(end) || any;
		any = transmit(end) || any;
		moved = moved || any;
	} while (any && !dgram_violated(end->h->w));
	return moved;
}

void dgram_pump(struct dgram_end *end)
{
	(void)turn(end);
}

void dgram_end_close(struct dgram_end *end)
{
	enum enn_status status = enn_engine_close(end->e, dgram_clock(end->h), 0);
	bool over = end->failed || end->closed;

	dgram_trace(end->h->w, "%s: close: %s", end->h->name, enn_status_name(status));
	end->close_called = status == ENN_OK;
	if (status != ENN_OK && status != ENN_E_UNSUPPORTED && !over) {
		dgram_violation(end->h->w, "%s: close answers %s", end->h->name,
				enn_status_name(status));
	}
	(void)turn(end);
}

/* ---- input -------------------------------------------------------------------------------------- */

void dgram_host_input(struct dgram_host *h, const struct dgram_datagram *d)
{
	if (!dgram_up(h) || h->inbox_tail - h->inbox_head >= INBOX_MOST) {
		free(d->data);
		return;
	}
	if (h->inbox_head == h->inbox_tail) {
		h->inbox_head = h->inbox_tail = 0;
	}
	if (h->inbox_tail == h->inbox_cap) {
		h->inbox_cap = h->inbox_cap == 0 ? 16 : 2 * h->inbox_cap;
		h->inbox = dgram_need(realloc(h->inbox, h->inbox_cap * sizeof(h->inbox[0])));
	}
	h->inbox[h->inbox_tail++] = *d;
}

static bool same_path(const struct enn_path *a, const struct enn_path *b)
{
	return dgram_same_address(&a->local, &b->local) &&
	       dgram_same_address(&a->remote, &b->remote);
}

/* Packets of one path that wait one behind the other go in together, as GRO has them. */
static size_t gather(const struct dgram_host *h, size_t most)
{
	const struct dgram_datagram *first = &h->inbox[h->inbox_head];
	size_t count = 1;

	while (count < most && h->inbox_head + count < h->inbox_tail &&
	       same_path(&first->path, &first[count].path)) {
		count++;
	}
	return count;
}

static void ingest(struct dgram_end *end, size_t count)
{
	struct dgram_host *h = end->h;
	const struct dgram_datagram *d = &h->inbox[h->inbox_head];
	const struct enn_path path = d->path;
	bool over = end->failed || end->closed;

	for (size_t i = 0; i < count; i++) {
		end->lent[i] = d[i].data;
		end->packets[i] =
			(struct enn_packet){.data = d[i].data, .len = d[i].len, .ecn = d[i].ecn};
	}
	end->lent_count = count;
	h->inbox_head += count;
	enum enn_status status =
		enn_engine_ingest(end->e, dgram_clock(h), &path, end->packets, count);
	end->lending = status == ENN_OK;
	if (status != ENN_OK && !(over && (status == ENN_E_FAILED || status == ENN_E_CLOSED))) {
		dgram_violation(h->w, "%s: ingest answers %s", h->name, enn_status_name(status));
	}
	if (!end->lending) {
		give_back(end);
	}
	(void)turn(end);
}

/* An engine that has events to give takes no packets; one that has none to give may take none of them amiss. */
static void misuse(struct dgram_end *end)
{
	struct dgram_host *h = end->h;

	if (end->failed || end->closed || !dgram_has(h->w->s, DGRAM_MISUSE)) {
		return;
	}
	const struct enn_path path = h->inbox[h->inbox_head].path;
	enum enn_status status = enn_engine_ingest(end->e, dgram_clock(h), &path, NULL, 0);
	if (status != ENN_E_AGAIN && status != ENN_OK) {
		dgram_violation(h->w,
				"%s: ingest before the last packets' events are taken answers %s",
				h->name, enn_status_name(status));
	}
}

/* Whose is it? The acceptor may make an engine for it. NULL: nobody's, and it is gone. */
static struct dgram_end *find_end(struct dgram_host *h)
{
	struct dgram_datagram *d = &h->inbox[h->inbox_head];
	uint8_t reply[2048];
	struct enn_batch batch = {.buf = reply, .cap = sizeof(reply)};
	struct enn_packet p = {.data = d->data, .len = d->len, .ecn = d->ecn};
	struct enn_engine *e = NULL;
	bool created = false;

	if (h->acceptor == NULL) {
		return h->end[0];
	}
	enum enn_status status = enn_acceptor_accept(h->acceptor, dgram_clock(h), &d->path, &p, 1,
						     &batch, &e, &created);
	if (status != ENN_OK && !h->heap.failed && !h->random_failed) {
		dgram_violation(h->w, "%s: accept answers %s", h->name, enn_status_name(status));
	}
	if (batch.len > 0) {
		dgram_check_sent(h, &batch.path, reply, batch.len);
		(void)dgram_send(&h->w->net, h->w->now, h->index, &batch.path, reply, batch.len,
				 batch.ecn);
	}
	if (created) {
		struct dgram_end *end = dgram_adopt(h, e);
		if (end != NULL) {
			end->peer = d->sender;
		}
		return end;
	}
	for (unsigned i = 0; e != NULL && i < DGRAM_ENDS; i++) {
		if (h->end[i] != NULL && h->end[i]->e == e) {
			return h->end[i];
		}
	}
	return NULL;
}

/* Who listens lets go of what has ended. */
static void reap(struct dgram_host *h)
{
	for (unsigned i = 0; i < DGRAM_ENDS && h->acceptor != NULL; i++) {
		struct dgram_end *end = h->end[i];
		if (end != NULL && (end->failed || end->closed) && !end->close_called) {
			dgram_drop(end);
		}
	}
}

void dgram_host_ingest(struct dgram_host *h)
{
	reap(h);
	while (dgram_up(h) && h->inbox_head < h->inbox_tail && !dgram_violated(h->w)) {
		struct dgram_end *end = find_end(h);
		if (end == NULL) {
			free(h->inbox[h->inbox_head++].data);
			continue;
		}
		if (end->lending || end->paused) {
			misuse(end);
			return;
		}
		size_t most = sim_rng_range(&h->rng, 1, h->w->s->host[h->index].together);
		ingest(end, h->acceptor != NULL ? 1 : gather(h, most));
	}
}

/* ---- time --------------------------------------------------------------------------------------- */

enn_time dgram_host_deadline(const struct dgram_host *h)
{
	enn_time t = ENN_TIME_NEVER;

	if (h->asleep) {
		return h->wake;
	}
	for (unsigned i = 0; i < DGRAM_ENDS && !h->down; i++) {
		const struct dgram_end *end = h->end[i];
		if (end == NULL) {
			continue;
		}
		enn_time due = enn_engine_deadline(end->e);
		due = due == ENN_TIME_NEVER ? due : due + h->lag;
		t = due < t ? due : t;
		t = end->paused && end->wake < t ? end->wake : t;
		t = end->blocked && end->unblock < t ? end->unblock : t;
	}
	return t;
}

void dgram_host_expire(struct dgram_host *h)
{
	enn_time now = dgram_clock(h);

	for (unsigned i = 0; i < DGRAM_ENDS && dgram_up(h); i++) {
		struct dgram_end *end = h->end[i];
		if (end == NULL) {
			continue;
		}
		if ((end->paused && end->wake <= h->w->now) ||
		    (end->blocked && end->unblock <= h->w->now)) {
			end->paused = end->paused && end->wake > h->w->now;
			end->blocked = end->blocked && end->unblock > h->w->now;
			(void)turn(end);
		}
		if (enn_engine_deadline(end->e) <= now) {
			enn_engine_expire(end->e, now);
			dgram_check_rest(end, turn(end));
		}
	}
	dgram_host_ingest(h);
}
