/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock, the order of things, and the course of a run.
 */
#include "dgram_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_attack.h"
#include "dgram_check.h"

#define MAX_STEPS   1000000u
#define TAIL_ROUNDS 3u
#define TAIL_WAIT   (20 * ENN_SECOND)
#define PROBE_BYTES 64u
#define CLOSE_WAIT  (60 * ENN_SECOND) /* a protocol may ask several times whether it was heard */

void *dgram_need(void *mem)
{
	if (mem == NULL) {
		abort();
	}
	return mem;
}

/* ---- the lab ------------------------------------------------------------------------------------ */

void dgram_lab_open(struct dgram_lab *lab, const struct dgram_protocol *protocol)
{
	sim_rng_libcrypto(1);
	lab->protocol = protocol;
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &lab->crypto) != ENN_OK ||
	    enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &lab->libcrypto) != ENN_OK) {
		fprintf(stderr, "sim: no cryptographic context\n");
		abort();
	}
}

void dgram_lab_close(struct dgram_lab *lab)
{
	enn_crypto_free(lab->crypto);
	enn_crypto_free(lab->libcrypto);
}

/* ---- reports ------------------------------------------------------------------------------------ */

void dgram_violation(struct dgram_world *w, const char *format, ...)
{
	va_list args;

	if (dgram_violated(w)) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(w->violation, sizeof(w->violation), format, args);
	va_end(args);
	w->violated = format;
	dgram_trace(w, "VIOLATION: %s", w->violation);
}

void dgram_trace(const struct dgram_world *w, const char *format, ...)
{
	va_list args;

	if (!w->lab->verbose) {
		return;
	}
	printf("# %12.6f  ", (double)w->now / (double)ENN_SECOND);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* FNV-1a over 8-byte words, with a byte-wise tail: a checksum, nothing more. */
void dgram_hash(struct dgram_world *w, const void *data, size_t len)
{
	const uint64_t prime = UINT64_C(0x100000001b3);
	const uint8_t *p = data;
	uint64_t h = w->hash;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t x;
		memcpy(&x, p, sizeof(x));
		h = (h ^ x) * prime;
		h ^= h >> 32;
	}
	for (; len > 0; len--, p++) {
		h = (h ^ *p) * prime;
	}
	w->hash = h;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static void schedule(struct dgram_world *w)
{
	for (size_t i = 0; i < w->s->flows; i++) {
		const struct dgram_flow *f = &w->s->flow[i];
		bool off =
			f->off || f->from >= w->s->hosts || f->to >= w->s->hosts || f->count == 0;
		w->flow[i].next = off ? ENN_TIME_NEVER : w->now + f->start;
		sim_rng_seed(&w->flow[i].rng, w->s->seed, 300 + i);
	}
	for (size_t i = 0; i < w->s->deeds; i++) {
		const struct dgram_deed *d = &w->s->deed[i];
		bool off = d->off || d->target >= w->s->hosts || d->count == 0;
		w->deed[i].next = off ? ENN_TIME_NEVER : w->now + d->at;
		sim_rng_seed(&w->deed[i].rng, w->s->seed, 400 + i);
	}
}

void dgram_open(struct dgram_world *w, struct dgram_lab *lab, const struct dgram_scenario *s)
{
	w->lab = lab;
	w->protocol = lab->protocol;
	w->s = s;
	w->hash = UINT64_C(0xcbf29ce484222325);
	sim_rng_libcrypto(s->seed);
	w->lossless = dgram_scenario_lossless(s) &&
		      (w->protocol->lossless == NULL || w->protocol->lossless(s));
	dgram_net_init(&w->net, s);
	dgram_recorder_open(w);
	for (unsigned h = 0; h < s->hosts; h++) {
		dgram_host_open(w, h);
	}
	if (w->protocol->open != NULL) {
		w->protocol->open(w);
	}
	schedule(w);
	for (unsigned h = 0; h < s->hosts; h++) {
		dgram_host_start(&w->host[h]);
	}
}

void dgram_close(struct dgram_world *w)
{
	for (unsigned h = 0; h < w->s->hosts; h++) {
		dgram_host_close(&w->host[h]);
	}
	if (w->protocol->close != NULL) {
		w->protocol->close(w);
	}
	dgram_recorder_close(w);
	dgram_net_free(&w->net);
	dgram_traffic_free(w);
	free(w->receipts);
}

/* ---- the clock ---------------------------------------------------------------------------------- */

static enn_time next_time(const struct dgram_world *w)
{
	enn_time t = dgram_due(&w->net);
	enn_time deed = dgram_deed_due(w);
	enn_time flow = dgram_flow_due(w);

	t = deed < t ? deed : t;
	t = flow < t ? flow : t;
	for (unsigned h = 0; h < w->s->hosts; h++) {
		enn_time due = dgram_host_deadline(&w->host[h]);
		t = due < t ? due : t;
	}
	return t;
}

static void wake(struct dgram_host *h)
{
	if (h->asleep && h->wake <= h->w->now) {
		dgram_trace(h->w, "%s: wakes", h->name);
		h->asleep = false;
	}
}

static void deliver(struct dgram_world *w)
{
	struct dgram_datagram d;
	unsigned receivers = 0;

	while (dgram_take(&w->net, w->now, &d)) {
		struct dgram_host *h = &w->host[d.receiver];
		if (dgram_up(h)) {
			dgram_check_arrived(h, &d);
			if (w->protocol->arrived != NULL) {
				w->protocol->arrived(h, &d);
			}
		}
		dgram_host_input(h, &d);
		receivers |= 1u << d.receiver;
	}
	for (unsigned h = 0; h < w->s->hosts; h++) {
		if ((receivers >> h & 1) != 0) {
			dgram_host_ingest(&w->host[h]);
		}
	}
}

static void step(struct dgram_world *w)
{
	dgram_deed_turn(w);
	for (unsigned h = 0; h < w->s->hosts && !dgram_violated(w); h++) {
		wake(&w->host[h]);
		if (dgram_host_deadline(&w->host[h]) <= w->now) {
			dgram_host_expire(&w->host[h]);
		}
	}
	dgram_flow_turn(w);
	deliver(w);
	dgram_check_step(w);
}

void dgram_go(struct dgram_world *w, enn_time until)
{
	while (!dgram_violated(w)) {
		enn_time t = next_time(w);
		if (t > until) {
			w->now = until > w->now ? until : w->now;
			return;
		}
		w->now = t > w->now ? t : w->now;
		if (++w->count.steps > MAX_STEPS) {
			dgram_violation(w, "no end after %llu steps",
					(unsigned long long)w->count.steps);
		}
		step(w);
	}
}

static void pump_all(struct dgram_world *w)
{
	for (unsigned h = 0; h < w->s->hosts; h++) {
		for (unsigned i = 0; i < DGRAM_ENDS && !dgram_violated(w); i++) {
			if (w->host[h].end[i] != NULL) {
				dgram_pump(w->host[h].end[i]);
			}
		}
	}
}

/* ---- the course --------------------------------------------------------------------------------- */

void dgram_calm(struct dgram_world *w)
{
	dgram_trace(w, "the calm begins");
	w->calm = true;
	dgram_net_calm(&w->net);
	for (unsigned h = 0; h < w->s->hosts; h++) {
		struct dgram_host *host = &w->host[h];
		if (host->asleep) {
			host->wake = w->now;
			wake(host);
			dgram_host_expire(host);
		}
		if (host->down) {
			dgram_host_start(host);
		}
	}
	if (w->protocol->calm != NULL) {
		w->protocol->calm(w);
		pump_all(w);
	}
}

static enum dgram_reach reach(struct dgram_world *w, unsigned a, unsigned b)
{
	const char *why = NULL;

	return w->protocol->reach == NULL ? DGRAM_REACH_YES : w->protocol->reach(w, a, b, &why);
}

/* True if there was somebody to ask. */
static bool probe_round(struct dgram_world *w, bool first)
{
	bool any = false;

	w->probing = true;
	for (unsigned a = 0; a < w->s->hosts; a++) {
		for (unsigned b = 0; b < w->s->hosts; b++) {
			if (a == b || w->reached[a][b] ||
			    (!first && reach(w, a, b) == DGRAM_REACH_NO)) {
				continue;
			}
			(void)dgram_give(w, a, b, PROBE_BYTES);
			any = true;
		}
	}
	w->probing = false;
	pump_all(w);
	return any;
}

static void probe(struct dgram_world *w)
{
	dgram_trace(w, "probes begin");
	while (w->probes_done < w->protocol->probes && !dgram_violated(w) &&
	       probe_round(w, w->probes_done == 0)) {
		w->probes_done++;
		dgram_go(w, w->now + w->protocol->probe_every);
	}
}

static void tail(struct dgram_world *w)
{
	dgram_trace(w, "the tail begins");
	for (unsigned round = 0; round < TAIL_ROUNDS && !dgram_violated(w); round++) {
		for (unsigned a = 0; a < w->s->hosts; a++) {
			for (unsigned b = 0; b < w->s->hosts; b++) {
				if (w->reached[a][b]) {
					dgram_give(w, a, b, 100 + 300 * round)->must = true;
				}
			}
		}
		pump_all(w);
		dgram_go(w, w->now + ENN_SECOND / 4);
	}
	dgram_go(w, w->now + TAIL_WAIT);
}

/* Every third run some hosts close their engines before they free them. */
static void close_some(struct dgram_world *w)
{
	for (unsigned h = 0; h < w->s->hosts; h++) {
		for (unsigned i = 0; i < DGRAM_ENDS && !dgram_violated(w); i++) {
			if (w->host[h].end[i] != NULL && (w->s->seed + h) % 3 == 0) {
				dgram_end_close(w->host[h].end[i]);
			}
		}
	}
	dgram_go(w, w->now + CLOSE_WAIT);
	for (unsigned h = 0; h < w->s->hosts; h++) {
		for (unsigned i = 0; i < DGRAM_ENDS && !dgram_violated(w); i++) {
			if (w->host[h].end[i] != NULL) {
				dgram_check_closed(w->host[h].end[i]);
			}
		}
	}
}

void dgram_finish(struct dgram_world *w)
{
	if (!dgram_violated(w)) {
		dgram_check_end(w);
		w->closing = true;
		close_some(w);
	}
	for (unsigned h = 0; h < w->s->hosts; h++) {
		dgram_host_stop(&w->host[h]);
	}
}

void dgram_run(struct dgram_world *w, struct dgram_lab *lab, const struct dgram_scenario *s)
{
	dgram_open(w, lab, s);
	dgram_go(w, s->storm);
	dgram_calm(w);
	dgram_go(w, w->now + w->protocol->settle);
	probe(w);
	tail(w);
	dgram_go(w, w->now + s->quiet);
	dgram_finish(w);
	dgram_close(w);
}
