/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold.
 */
#include "dgram_check.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SEGMENTS 64u    /* UDP_MAX_SEGMENTS of Linux */
#define MAX_SEND     65507u /* of one sendmsg */
#define IDLE_CALLS   4u	    /* expire calls at the same moment that may come to nothing */
#define BUSY_CALLS   2000u  /* and any at all */

struct dgram_source {
	struct enn_address address;
	uint64_t in, out; /* bytes */
	bool valid;
};

/* ---- packets that leave --------------------------------------------------------------------------- */

void dgram_check_batch(struct dgram_end *end, const struct enn_batch *batch, size_t room)
{
	struct dgram_world *w = end->h->w;
	size_t size = batch->segment_size;

	if (batch->len > room) {
		dgram_violation(w, "%s: transmit wrote %zu bytes into %zu", end->h->name,
				batch->len, room);
	} else if (size == 0 || size > batch->len) {
		dgram_violation(w, "%s: a batch of %zu bytes in segments of %zu", end->h->name,
				batch->len, size);
	} else if ((batch->len + size - 1) / size > MAX_SEGMENTS || batch->len > MAX_SEND) {
		dgram_violation(w, "%s: a batch of %zu segments, %zu bytes: too much for a call",
				end->h->name, (batch->len + size - 1) / size, batch->len);
	} else if (batch->path.remote.family == ENN_FAMILY_NONE) {
		dgram_violation(w, "%s: a batch for nobody", end->h->name);
	} else if (batch->ecn > 3) {
		dgram_violation(w, "%s: ECN bits %u", end->h->name, batch->ecn);
	}
}

static struct dgram_source *source(struct dgram_host *h, const struct enn_address *a)
{
	for (size_t i = 0; i < h->source_count; i++) {
		if (dgram_same_address(&h->sources[i].address, a)) {
			return &h->sources[i];
		}
	}
	if (h->source_count == h->source_cap) {
		h->source_cap = h->source_cap == 0 ? 8 : 2 * h->source_cap;
		h->sources = dgram_need(realloc(h->sources, h->source_cap * sizeof(h->sources[0])));
	}
	h->sources[h->source_count] = (struct dgram_source){.address = *a};
	return &h->sources[h->source_count++];
}

static void check_amplification(struct dgram_host *h, const struct enn_address *to, size_t len)
{
	const struct dgram_protocol *p = h->w->protocol;
	struct dgram_source *s = source(h, to);
	char text[DGRAM_ADDRESS_TEXT];

	s->out += len;
	if (p->amplification == 0 || s->valid || s->out * 100 <= s->in * p->amplification) {
		return;
	}
	if (p->trusts != NULL && p->trusts(h, to)) {
		s->valid = true;
		return;
	}
	dgram_violation(h->w,
			"%s: sent %llu bytes to %s, an address that it knows only by %llu bytes",
			h->name, (unsigned long long)s->out,
			dgram_address_text(to, text, sizeof(text)), (unsigned long long)s->in);
}

void dgram_check_sent(struct dgram_host *h, const struct enn_path *path, const uint8_t *data,
		      size_t len)
{
	struct dgram_world *w = h->w;
	const uint8_t mark[2] = {0x50, (uint8_t)h->index};
	const char *found = sim_scan_find(&w->scan, data, len);
	char text[DGRAM_ADDRESS_TEXT];

	w->count.packets++;
	w->count.bytes += len;
	dgram_hash(w, mark, sizeof(mark));
	dgram_hash(w, &path->remote.port, sizeof(path->remote.port));
	dgram_hash(w, data, len);
	if (w->lab->verbose) {
		dgram_trace(w, "%s: > %s, %zu bytes to %s", h->name,
			    w->protocol->describe != NULL ? w->protocol->describe(data, len)
							  : "packet",
			    len, dgram_address_text(&path->remote, text, sizeof(text)));
	}
	if (found != NULL) {
		dgram_violation(w, "%s: transmits %s", h->name, found);
	}
	if (memmem(data, len, DGRAM_MARKER, 8) != NULL) {
		dgram_violation(w, "%s: transmits plaintext", h->name);
	}
	check_amplification(h, &path->remote, len);
}

/* ---- packets that arrive --------------------------------------------------------------------------- */

bool dgram_is_news(const struct dgram_host *h, const struct dgram_datagram *d)
{
	const struct dgram_world *w = h->w;

	if (d->id == 0 || (d->fate & DGRAM_FATE_CHANGED) != 0 || d->sender == h->index) {
		return false;
	}
	return d->id >= w->receipt_cap || w->receipts[d->id].host != h->index + 1 ||
	       w->receipts[d->id].life != h->life;
}

static void note_receipt(struct dgram_host *h, const struct dgram_datagram *d)
{
	struct dgram_world *w = h->w;

	if (d->id == 0 || (d->fate & DGRAM_FATE_CHANGED) != 0) {
		return;
	}
	if (d->id >= w->receipt_cap) {
		size_t cap = 2 * (size_t)d->id + 64;
		w->receipts = dgram_need(realloc(w->receipts, cap * sizeof(w->receipts[0])));
		memset(w->receipts + w->receipt_cap, 0,
		       (cap - w->receipt_cap) * sizeof(w->receipts[0]));
		w->receipt_cap = cap;
	}
	w->receipts[d->id] =
		(struct dgram_receipt){.host = (uint8_t)(h->index + 1), .life = h->life};
}

void dgram_check_arrived(struct dgram_host *h, const struct dgram_datagram *d)
{
	struct dgram_world *w = h->w;
	struct dgram_source *s = source(h, &d->path.remote);
	char text[DGRAM_ADDRESS_TEXT];

	s->in += d->len;
	if (w->protocol->validates != NULL ? w->protocol->validates(h, d) : dgram_is_news(h, d)) {
		s->valid = true;
	}
	note_receipt(h, d);
	if (w->lab->verbose) {
		dgram_trace(w, "%s: < %s, %zu bytes from %s%s%s%s", h->name,
			    w->protocol->describe != NULL ? w->protocol->describe(d->data, d->len)
							  : "packet",
			    d->len, dgram_address_text(&d->path.remote, text, sizeof(text)),
			    (d->fate & DGRAM_FATE_FORGED) != 0 ? ", by an attacker" : "",
			    (d->fate & DGRAM_FATE_CHANGED) != 0 ? ", changed" : "",
			    (d->fate & DGRAM_FATE_COPY) != 0 ? ", copy" : "");
	}
}

/* ---- after every step ------------------------------------------------------------------------------ */

void dgram_check_rest(struct dgram_end *end, bool moved)
{
	struct dgram_host *h = end->h;
	bool again = enn_engine_deadline(end->e) <= dgram_clock(h);

	if (h->w->now != end->idle_at) {
		end->idle = 0;
	}
	end->idle_at = h->w->now;
	end->idle += again ? 1 : 0;
	if (again && !end->blocked &&
	    ((!moved && end->idle > IDLE_CALLS) || end->idle > BUSY_CALLS)) {
		dgram_violation(h->w, "%s: wants to be called again at once, for ever", h->name);
	}
}

void dgram_check_heap(struct dgram_host *h)
{
	struct dgram_world *w = h->w;

	if (h->heap.wrong != NULL) {
		dgram_violation(w, "%s: %s", h->name, h->heap.wrong);
	}
	if (h->heap.leaked != NULL) {
		dgram_violation(w, "%s: gave back memory that holds %s", h->name, h->heap.leaked);
	}
	if (w->protocol->memory != NULL && !h->down) {
		size_t most = w->protocol->memory(h);
		if (h->heap.live > most) {
			dgram_violation(w, "%s: has %zu bytes of memory, more than %zu", h->name,
					h->heap.live, most);
		}
	}
}

void dgram_check_step(struct dgram_world *w)
{
	for (unsigned i = 0; i < w->s->hosts; i++) {
		dgram_check_heap(&w->host[i]);
	}
	if (w->protocol->check != NULL) {
		w->protocol->check(w);
	}
}

void dgram_check_closed(struct dgram_end *end)
{
	struct dgram_world *w = end->h->w;
	const struct enn_message m = {.data = NULL};
	struct enn_path path = {.remote = {.family = ENN_FAMILY_IPV4, .port = 1}};
	enum enn_status wanted = end->failed ? ENN_E_FAILED : ENN_E_CLOSED;
	enn_time now = dgram_clock(end->h);

	if (!end->close_called) {
		return;
	}
	if (!end->failed && !end->closed) {
		dgram_violation(w, "%s: was closed and never says so", end->h->name);
	} else if (enn_engine_send(end->e, now, &m) != wanted ||
		   enn_engine_ingest(end->e, now, &path, NULL, 0) != wanted ||
		   enn_engine_close(end->e, now, 0) != wanted ||
		   enn_engine_deadline(end->e) != ENN_TIME_NEVER) {
		dgram_violation(w, "%s: a call after the end does not answer %s", end->h->name,
				enn_status_name(wanted));
	} else if (end->out_head < end->out_tail) {
		dgram_violation(w, "%s: messages were never given back after the end",
				end->h->name);
	}
}

void dgram_check_empty(struct dgram_host *h)
{
	if (h->heap.blocks != 0 || h->heap.live != 0) {
		dgram_violation(h->w, "%s: %zu blocks of %zu bytes were not given back", h->name,
				h->heap.blocks, h->heap.live);
	}
	dgram_check_heap(h);
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void check_messages(struct dgram_world *w)
{
	for (size_t i = 0; i < w->message_count; i++) {
		const struct dgram_message *m = &w->messages[i];
		const struct dgram_host *from = &w->host[m->from];
		if (m->must && m->deliveries == 0 && m->state != DGRAM_REFUSED && !w->starved) {
			dgram_violation(w,
					"%s: message %u to %s, given at %.3f s, was lost though "
					"nothing is lost on the way",
					from->name, m->number, w->host[m->to].name,
					(double)m->given / (double)ENN_SECOND);
		}
	}
}

/* Who can be reached gets what was lent, so that it comes back. */
static void check_lent(struct dgram_world *w, const struct dgram_end *end)
{
	const struct dgram_message *m = &w->messages[end->out[end->out_head]];
	const char *why = NULL;

	if (!end->failed && !end->closed &&
	    (w->protocol->reach == NULL ||
	     w->protocol->reach(w, m->from, m->to, &why) == DGRAM_REACH_YES)) {
		dgram_violation(w, "%s: message %u to %s was never given back", end->h->name,
				m->number, w->host[m->to].name);
	}
}

static void check_pairs(struct dgram_world *w)
{
	for (unsigned a = 0; a < w->s->hosts; a++) {
		for (unsigned b = 0; b < w->s->hosts; b++) {
			const char *why = "no reason";
			if (a == b) {
				continue;
			}
			enum dgram_reach reach = w->protocol->reach == NULL
							 ? DGRAM_REACH_YES
							 : w->protocol->reach(w, a, b, &why);
			w->count.pairs += w->reached[a][b];
			w->count.apart += !w->reached[a][b];
			if (reach == DGRAM_REACH_YES && !w->reached[a][b]) {
				dgram_violation(w, "%s does not reach %s after %u probes",
						w->host[a].name, w->host[b].name, w->probes_done);
			} else if (reach == DGRAM_REACH_NO && w->reached[a][b]) {
				dgram_violation(w, "%s reaches %s in spite of %s", w->host[a].name,
						w->host[b].name, why);
			} else if (!w->reached[a][b]) {
				dgram_trace(w, "%s does not reach %s: %s", w->host[a].name,
					    w->host[b].name, why);
			}
		}
	}
}

void dgram_check_end(struct dgram_world *w)
{
	for (unsigned i = 0; i < w->s->hosts; i++) {
		w->starved = w->starved || w->host[i].heap.failed || w->host[i].random_failed;
	}
	if (!w->starved) {
		check_pairs(w);
	}
	check_messages(w);
	for (unsigned i = 0; i < w->s->hosts * DGRAM_ENDS && !w->starved; i++) {
		const struct dgram_end *end = w->host[i / DGRAM_ENDS].end[i % DGRAM_ENDS];
		if (end != NULL && end->out_head < end->out_tail) {
			check_lent(w, end);
		}
	}
	if (w->protocol->check_end != NULL) {
		w->protocol->check_end(w);
	}
}
