/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock and the order of things.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invariants.h"

#define MAX_STEPS 400000u
#define MAX_TIME  (3600 * ENN_SECOND) /* of one connection */

/* ---- the lab ---------------------------------------------------------------------------------- */

void sim_lab_open(struct sim_lab *lab)
{
	sim_rng_libcrypto(1);
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &lab->crypto) != ENN_OK ||
	    enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &lab->libcrypto) != ENN_OK) {
		fprintf(stderr, "sim: no cryptographic context\n");
		abort();
	}
	lab->pki = sim_pki_new(SIM_KEYS_ALL);
}

void sim_lab_close(struct sim_lab *lab)
{
	sim_pki_free(lab->pki);
	enn_crypto_free(lab->crypto);
	enn_crypto_free(lab->libcrypto);
}

/* ---- reports -------------------------------------------------------------------------------------- */

void sim_violation(struct sim_run *run, const char *format, ...)
{
	va_list args;

	if (sim_violated(run)) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(run->violation, sizeof(run->violation), format, args);
	va_end(args);
	if (run->lab->verbose) {
		printf("# VIOLATION: %s\n", run->violation);
	}
}

void sim_trace(const struct sim_world *w, const char *format, ...)
{
	va_list args;

	if (!w->run->lab->verbose) {
		return;
	}
	printf("# %12.6f  ", (double)w->now / (double)ENN_SECOND);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* 64-bit FNV-1a over 8-byte words, with a final byte-wise tail: a checksum, nothing more. */
void sim_hash(struct sim_run *run, const void *data, size_t len)
{
	const uint64_t prime = UINT64_C(0x100000001b3);
	const uint8_t *p = data;
	uint64_t h = run->hash;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t x;
		memcpy(&x, p, sizeof(x));
		h = (h ^ x) * prime;
		h ^= h >> 32;
	}
	for (; len > 0; len--, p++) {
		h = (h ^ *p) * prime;
	}
	run->hash = h;
}

/* ---- one connection ------------------------------------------------------------------------------- */

/* Early data goes before anything is negotiated, and a server skips only so many bytes of it. */
static bool maybe_early(const struct sim_connection *c, int side)
{
	return side == 0 && c->offer_session && c->side[0].early;
}

/* Nobody changes what the other side says of its limits (RFC 8449). */
static bool true_limits(const struct sim_connection *c)
{
	return c->fault[0].kind <= SIM_FAULT_RESET && c->fault[1].kind <= SIM_FAULT_RESET;
}

/* The padding that the observer can insist on: where batches have room for any record, else one may have to do
 * without. */
static uint64_t visible_padding(const struct sim_connection *c, int side)
{
	bool visible = c->side[side].batch_min >= 17000 && !maybe_early(c, side) && true_limits(c);

	return visible && sim_version(c) != 0x0303 ? c->side[side].padding : 0;
}

static enum sim_wire_version visible_version(const struct sim_connection *c)
{
	bool only13 = sim_version(c) != 0x0303;

	for (int i = 0; i < 2 && !true_limits(c); i++) {
		if (memchr(c->side[i].versions.at, 1, c->side[i].versions.count) != NULL) {
			return SIM_WIRE_EITHER;
		}
	}
	return only13 ? SIM_WIRE_TLS13 : SIM_WIRE_TLS12;
}

/* The longest plaintext that this side may send, where the observer can insist on it. */
static uint64_t visible_limit(const struct sim_connection *c, int side)
{
	const uint64_t most = 16385;

	if (maybe_early(c, side) || !true_limits(c)) {
		return most;
	}
	if (c->side[0].record_limit != 0 && c->side[1].record_limit != 0) {
		return c->side[!side].record_limit;
	}
	return c->side[0].max_fragment != 0 ? c->side[0].max_fragment : most;
}

void sim_world_open(struct sim_world *w, struct sim_run *run, size_t index)
{
	const struct sim_connection *c = &run->scenario->connection[index];

	memset(w, 0, sizeof(*w));
	w->run = run;
	w->c = c;
	w->index = index;
	w->now = run->now;
	sim_scan_add(&w->scan, (const uint8_t *)"pLa1NtX7", 8, "plaintext");
	sim_scan_add(&w->scan, sim_psk_key, sizeof(sim_psk_key), "a pre-shared key");
	sim_scan_add(&w->scan, run->ticket_key + 16, 48, "the ticket key");
	sim_pki_secrets(run->lab->pki, &w->scan);
	for (int d = 0; d < 2; d++) {
		const struct sim_fault *fault = &c->fault[d];
		uint64_t watched = fault->kind == SIM_FAULT_NONE ? UINT64_MAX : fault->offset;
		sim_pipe_init(&w->pipe[d], &c->shape[d], fault, run->scenario->seed,
			      20 + 2 * index + (unsigned)d);
		sim_wire_init(&w->wire[d], d == 1, watched, visible_padding(c, d),
			      visible_limit(c, d), visible_version(c));
	}
	for (int i = 0; i < 2; i++) {
		sim_endpoint_init(&w->ep[i], w, i == 1);
	}
	if (run->starve_libcrypto != NULL && index + 1 == run->scenario->count) {
		run->starving = true;
		run->starve_libcrypto(run);
	}
	for (int i = 0; i < 2; i++) {
		sim_endpoint_open(&w->ep[i]);
	}
	for (int i = 0; i < 2; i++) {
		sim_endpoint_pump(&w->ep[i]);
	}
}

/* A reset, or a peer that is gone: nothing more arrives, and each side learns that it is over. */
static void handle_reset(struct sim_world *w)
{
	bool gone = w->pipe[0].reset || w->pipe[1].reset;

	for (int i = 0; i < 2; i++) {
		gone = gone || (w->ep[i].e == NULL && w->ep[i].started);
	}
	if (!gone ||
	    (w->pipe[0].reset && w->pipe[1].reset && w->ep[0].fin_seen && w->ep[1].fin_seen)) {
		return;
	}
	w->pipe[0].reset = w->pipe[1].reset = true;
	for (int i = 0; i < 2; i++) {
		struct sim_endpoint *ep = &w->ep[i];
		if (!ep->fin_seen && !ep->paused && !ep->lending) {
			sim_endpoint_end(ep);
		}
	}
}

static bool readable(const struct sim_world *w, int receiver)
{
	return sim_endpoint_can_read(&w->ep[receiver]);
}

static enn_time next_time(const struct sim_world *w)
{
	enn_time t = ENN_TIME_NEVER;

	for (int i = 0; i < 2; i++) {
		enn_time due = readable(w, i) ? sim_pipe_due(&w->pipe[!i]) : ENN_TIME_NEVER;
		enn_time deadline =
			w->ep[i].e == NULL ? ENN_TIME_NEVER : sim_endpoint_deadline(&w->ep[i]);
		t = due < t ? due : t;
		t = deadline < t ? deadline : t;
	}
	return t;
}

static void deliver(struct sim_world *w, int receiver)
{
	struct sim_pipe *pipe = &w->pipe[!receiver];
	const uint8_t *data = NULL;
	bool fin = false;
	bool blocked = sim_pipe_blocked(pipe);
	size_t n = sim_pipe_read(pipe, w->now, &data, &fin);

	if (fin) {
		sim_endpoint_end(&w->ep[receiver]);
	} else if (n > 0) {
		sim_endpoint_input(&w->ep[receiver], data, n);
		if (blocked) { /* the sender's socket is writable again */
			sim_endpoint_pump(&w->ep[!receiver]);
		}
	}
}

static void step(struct sim_world *w)
{
	int first = (int)(w->run->count.steps & 1);

	for (int k = 0; k < 2; k++) {
		int i = first ^ k;
		struct sim_endpoint *ep = &w->ep[i];
		if (ep->e != NULL && sim_endpoint_deadline(ep) <= w->now) {
			sim_endpoint_expire(ep);
		}
		if (readable(w, i) && sim_pipe_due(&w->pipe[!i]) <= w->now) {
			deliver(w, i);
		}
	}
	handle_reset(w);
	for (int i = 0; i < 2; i++) {
		if (sim_endpoint_over(&w->ep[i]) && !w->pipe[!i].deaf) {
			sim_pipe_deafen(&w->pipe[!i]);
			sim_endpoint_pump(&w->ep[!i]); /* whose writes no longer block */
		}
	}
}

/* Nothing will happen any more by itself: the applications give up and close their sockets. What an engine
 * that is over could not write any more is nobody's concern. */
static bool give_up(struct sim_world *w)
{
	if (w->forced || (sim_endpoint_over(&w->ep[0]) && sim_endpoint_over(&w->ep[1]))) {
		return false;
	}
	w->forced = true;
	sim_trace(w, "nothing moves: the streams are ended");
	for (int i = 0; i < 2; i++) {
		w->ep[i].fin_seen = false;
		sim_endpoint_end(&w->ep[i]);
	}
	return true;
}

void sim_world_go(struct sim_world *w)
{
	enn_time start = w->now;
	uint64_t steps = 0;

	handle_reset(w);
	while (!sim_violated(w->run)) {
		enn_time t = next_time(w);
		if (t == ENN_TIME_NEVER) {
			if (give_up(w)) {
				continue;
			}
			break;
		}
		w->now = t > w->now ? t : w->now;
		if (++steps > MAX_STEPS || w->now - start > MAX_TIME) {
			sim_violation(w->run, "no end after %llu steps and %llu s",
				      (unsigned long long)steps,
				      (unsigned long long)((w->now - start) / ENN_SECOND));
			break;
		}
		w->run->count.steps++;
		step(w);
		sim_check_step(w);
	}
}

void sim_world_close(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		sim_endpoint_close(&w->ep[i]);
		sim_check_heap(&w->ep[i]);
	}
	for (int d = 0; d < 2; d++) {
		w->run->sent[d] = w->pipe[d].written;
		sim_pipe_free(&w->pipe[d]);
	}
	w->run->was_ready[0] = w->ep[0].ready;
	w->run->was_ready[1] = w->ep[1].ready;
	free(w->flight);
	w->run->now = w->now;
}

/* ---- a run ------------------------------------------------------------------------------------------- */

void sim_run_init(struct sim_run *run, struct sim_lab *lab, const struct sim_scenario *scenario)
{
	struct sim_rng r;

	memset(run, 0, sizeof(*run));
	run->lab = lab;
	run->scenario = scenario;
	run->hash = UINT64_C(0xcbf29ce484222325);
	sim_rng_seed(&r, scenario->seed, 2);
	sim_rng_libcrypto(scenario->seed);
	run->now = sim_rng_below(&r, 1000) * ENN_SECOND;
	run->skew = sim_rng_chance(&r, 70) ? 0
					   : (int64_t)sim_rng_below(&r, 7200 * ENN_SECOND) -
						     (int64_t)(3600 * ENN_SECOND);
	sim_rng_fill(&r, run->ticket_key, sizeof(run->ticket_key));
	run->store = enn_session_store_new(100);
	if (run->store == NULL) {
		abort();
	}
}

void sim_run_free(struct sim_run *run)
{
	free(run->session.blob);
	enn_session_store_free(run->store);
}

void sim_run_connection(struct sim_run *run, size_t index)
{
	static struct sim_world w; /* large; one at a time */
	struct sim_expect expect;

	run->now += run->scenario->connection[index].gap;
	sim_expect(&expect, run, index);
	sim_world_open(&w, run, index);
	sim_world_go(&w);
	sim_check_end(&w, &expect);
	if (run->scenario->connection[index].replay && !sim_violated(run)) {
		sim_check_replay(&w);
	}
	sim_world_close(&w);
}

void sim_run_all(struct sim_run *run)
{
	for (size_t i = 0; i < run->scenario->count && !sim_violated(run); i++) {
		sim_run_connection(run, i);
	}
}
