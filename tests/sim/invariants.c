/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold.
 */
#include "invariants.h"

#include <stdlib.h>
#include <string.h>

/* The most memory that one engine may take. Before the peer is authenticated the limits of struct
 * enn_limits rule: one handshake message (buffered while it grows) and one record. */
#define MAX_BEFORE_READY (120u << 10)
#define MAX_HOSTILE	 (256u << 10)

/* ---- after every step -------------------------------------------------------------------------- */

static bool disturbed(const struct sim_world *w)
{
	return w->pipe[0].fault_hit || w->pipe[1].fault_hit;
}

void sim_check_step(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		struct sim_endpoint *ep = &w->ep[i];
		size_t most = disturbed(w) ? MAX_HOSTILE : MAX_BEFORE_READY;
		if (ep->heap.peak > most) {
			sim_violation(w->run, "%s: took %zu bytes of memory", ep->name,
				      ep->heap.peak);
		}
		if (ep->heap.wrong != NULL) {
			sim_violation(w->run, "%s: %s", ep->name, ep->heap.wrong);
		}
		if (ep->heap.leaked != NULL) {
			sim_violation(w->run, "%s: gave back memory that holds %s", ep->name,
				      ep->heap.leaked);
		}
	}
}

void sim_check_heap(struct sim_endpoint *ep)
{
	struct sim_run *run = ep->w->run;

	if (ep->heap.blocks != 0 || ep->heap.live != 0) {
		sim_violation(run, "%s: %zu blocks of %zu bytes were not given back", ep->name,
			      ep->heap.blocks, ep->heap.live);
	}
	if (ep->heap.wrong != NULL) {
		sim_violation(run, "%s: %s", ep->name, ep->heap.wrong);
	}
	if (ep->heap.leaked != NULL) {
		sim_violation(run, "%s: gave back memory that holds %s", ep->name, ep->heap.leaked);
	}
}

/* ---- both are ready: they agree -------------------------------------------------------------------- */

static void check_secrets(struct sim_world *w)
{
	const struct sim_endpoint *a = &w->ep[0];
	const struct sim_endpoint *b = &w->ep[1];

	for (size_t i = 0; i < a->secret_count; i++) {
		for (size_t k = 0; k < b->secret_count; k++) {
			if (strcmp(a->secrets[i].label, b->secrets[k].label) == 0 &&
			    (a->secrets[i].len != b->secrets[k].len ||
			     memcmp(a->secrets[i].secret, b->secrets[k].secret,
				    a->secrets[i].len) != 0)) {
				sim_violation(w->run, "the sides have different secrets %s",
					      a->secrets[i].label);
			}
		}
	}
}

static void check_agreement(struct sim_world *w)
{
	const struct enn_info *a = &w->ep[0].info;
	const struct enn_info *b = &w->ep[1].info;

	if (a->version_code != b->version_code || a->cipher_code != b->cipher_code ||
	    a->key_exchange_code != b->key_exchange_code || a->resumed != b->resumed ||
	    a->external_psk != b->external_psk || a->hello_retry != b->hello_retry ||
	    strcmp(w->ep[0].alpn, w->ep[1].alpn) != 0) {
		sim_violation(w->run, "the sides agreed on different things");
	}
	if (memcmp(w->ep[0].exported, w->ep[1].exported, sizeof(w->ep[0].exported)) != 0 ||
	    memcmp(w->ep[0].exported[0], w->ep[0].exported[1], 32) == 0 ||
	    memcmp(w->ep[0].exported[0], w->ep[0].exported[2], 32) == 0) {
		sim_violation(w->run, "exported keys differ, or do not");
	}
	check_secrets(w);
}

/* ---- nothing disturbed it: the oracle is right --------------------------------------------------------- */

static void check_failure(struct sim_world *w, const struct sim_expect *x)
{
	const struct sim_endpoint *judge = &w->ep[x->by_server];
	const struct sim_endpoint *other = &w->ep[!x->by_server];

	if (x->either && other->failed && other->error.origin == ENN_ORIGIN_LOCAL) {
		return;
	}
	if (!judge->failed || judge->error.reason != x->reason ||
	    judge->error.origin != ENN_ORIGIN_LOCAL || judge->error.wire_code != x->alert) {
		sim_violation(w->run, "the %s should have failed with %s, alert %u, but: %s %s %s",
			      judge->name, enn_reason_name(x->reason), x->alert,
			      judge->failed ? "failed" : "did not",
			      judge->failed ? enn_reason_name(judge->error.reason) : "",
			      judge->failed ? judge->error.text : "");
		return;
	}
	bool told = other->failed && other->error.origin == ENN_ORIGIN_PEER &&
		    other->error.wire_code == x->alert;
	bool cut_off = other->failed && other->error.reason == ENN_REASON_TRUNCATED;
	/* Who cannot sign has sent its certificate already, which the other may refuse before it sees
	 * the alert. */
	bool refused = x->alert == 80 && other->failed && other->error.origin == ENN_ORIGIN_LOCAL;
	if (!told && !refused && !(x->quiet && cut_off)) {
		sim_violation(w->run, "the %s was not told of alert %u: %s", other->name, x->alert,
			      other->failed ? other->error.text : "it did not fail");
	}
}

static void check_negotiated(struct sim_world *w, const struct sim_expect *x)
{
	const struct enn_info *c = &w->ep[0].info;
	const struct enn_info *s = &w->ep[1].info;

	if (c->version_code != x->version || s->version_code != x->version) {
		sim_violation(w->run, "version %04x and %04x, expected %04x", c->version_code,
			      s->version_code, x->version);
	}
	if (c->cipher_code != x->suite || c->key_exchange_code != x->group ||
	    c->hello_retry != x->hello_retry || c->resumed != x->resumed ||
	    c->external_psk != x->external_psk || strcmp(w->ep[0].alpn, x->alpn) != 0) {
		sim_violation(w->run,
			      "negotiated %04x %04x retry %d resumed %d external %d alpn '%s', "
			      "expected %04x %04x %d %d %d '%s'",
			      c->cipher_code, c->key_exchange_code, c->hello_retry, c->resumed,
			      c->external_psk, w->ep[0].alpn, x->suite, x->group, x->hello_retry,
			      x->resumed, x->external_psk, x->alpn);
	}
	if (s->peer_authenticated != x->server_knows_client ||
	    c->peer_authenticated != x->client_knows_server) {
		sim_violation(w->run, "who is authenticated: client %d, server %d; expected %d, %d",
			      s->peer_authenticated, c->peer_authenticated, x->server_knows_client,
			      x->client_knows_server);
	}
	if (c->early_data != s->early_data || (c->early_data != x->early && !x->early_open)) {
		sim_violation(w->run, "early data: client %d, server %d, expected %d",
			      (int)c->early_data, (int)s->early_data, (int)x->early);
	}
}

static void check_complete(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		const struct sim_endpoint *ep = &w->ep[i];
		const struct sim_endpoint *peer = &w->ep[!i];
		bool all = ep->side->finish != SIM_FINISH_CLOSE_EARLY;
		if (!ep->ready || !ep->closed) {
			sim_violation(w->run, "the %s did not succeed: %s", ep->name,
				      ep->failed ? ep->error.text : "it never ended");
		} else if (all && ep->given_bytes != ep->side->bytes) {
			sim_violation(w->run, "the %s gave only %llu of %zu bytes", ep->name,
				      (unsigned long long)ep->given_bytes, ep->side->bytes);
		} else if (!ep->close_called && ep->received != peer->given_bytes) {
			sim_violation(w->run, "the %s received %llu of %llu bytes", ep->name,
				      (unsigned long long)ep->received,
				      (unsigned long long)peer->given_bytes);
		}
	}
}

static void check_expected(struct sim_world *w, const struct sim_expect *x)
{
	if (w->forced) {
		sim_violation(w->run, "it came to a standstill");
	} else if (!x->success) {
		check_failure(w, x);
	} else if (x->resend_refused && x->early != ENN_EARLY_DATA_ACCEPTED && w->ep[0].failed) {
		if (w->ep[0].error.reason != ENN_REASON_NO_SHARED_PARAMETERS) {
			sim_violation(w->run, "refused to send early data again, but with: %s",
				      w->ep[0].error.text);
		}
	} else {
		check_complete(w);
		check_negotiated(w, x);
	}
}

/* ---- tampering is noticed ------------------------------------------------------------------------------- */

/* The bytes that RFC 8446 leaves outside any protection, and those that come too late. */
static bool harmless(const struct sim_world *w, int d)
{
	const struct sim_fault *fault = &w->c->fault[d];
	const struct sim_wire_spot *spot = &w->wire[d].spot;
	const struct sim_endpoint *sender = &w->ep[d];
	const struct sim_endpoint *receiver = &w->ep[!d];
	bool protected_record = spot->is_protected;

	if (fault->offset >= sender->close_offset ||
	    fault->offset >= receiver->stopped_reading_at) {
		return true;
	}
	/* after close() the end of the stream is as good as the peer's end of data (engine.h) */
	if (receiver->close_called && receiver->end_called) {
		return true;
	}
	/* §4.2.10: rejected early data is skipped unread */
	if (d == 0 && protected_record && fault->offset < w->skip_end) {
		return true;
	}
	switch (fault->kind) {
	case SIM_FAULT_FLIP:
		/* §5.1: legacy_record_version MUST be ignored; it is authenticated with protected records.
		 * §6: the level of an alert can safely be ignored. */
		return (spot->part == SIM_WIRE_VERSION && !protected_record) ||
		       (spot->part == SIM_WIRE_BODY && spot->type == 21 && spot->index == 0);
	case SIM_FAULT_REMOVE: /* §5: a dummy change_cipher_spec may be missing, whole */
		return spot->part == SIM_WIRE_TYPE && spot->type == 20 && fault->len == 6;
	case SIM_FAULT_DUPLICATE: /* or come twice */
		return spot->part == SIM_WIRE_TYPE && spot->previous == 20 && fault->len == 6;
	default:
		return false;
	}
}

static void check_tampering(struct sim_world *w)
{
	for (int d = 0; d < 2; d++) {
		const struct sim_fault *fault = &w->c->fault[d];
		if (!w->pipe[d].fault_hit || fault->kind == SIM_FAULT_FIN ||
		    fault->kind == SIM_FAULT_RESET) {
			continue;
		}
		if (w->ep[0].failed || w->ep[1].failed || w->ep[0].upset || w->ep[1].upset) {
			continue;
		}
		if (!harmless(w, d)) {
			sim_violation(w->run,
				      "nobody noticed: %s at %llu (part %d of a record of "
				      "type %d)",
				      sim_fault_name(fault->kind),
				      (unsigned long long)fault->offset, (int)w->wire[d].spot.part,
				      w->wire[d].spot.type);
		}
	}
}

/* Who gets no memory says so, to its application and to its peer, or can do without. */
static bool check_starved(struct sim_world *w)
{
	bool any = false;

	for (int i = 0; i < 2; i++) {
		const struct sim_endpoint *ep = &w->ep[i];
		enum enn_reason reason =
			ep->random_failed ? ENN_REASON_SYSTEM : ENN_REASON_OUT_OF_MEMORY;
		if (!ep->heap.failed && !ep->random_failed) {
			continue;
		}
		any = true;
		if (ep->failed && ep->error.origin == ENN_ORIGIN_LOCAL &&
		    ep->error.reason != reason) {
			sim_violation(w->run, "the %s had no %s but says: %s", ep->name,
				      ep->random_failed ? "randomness" : "memory", ep->error.text);
		}
	}
	w->run->starved = w->run->starved || any;
	return any;
}

/* A stream that ends too soon, in a connection that would have succeeded, is that and nothing else. */
static void check_truncation(struct sim_world *w, const struct sim_expect *x)
{
	for (int d = 0; d < 2 && x->success; d++) {
		enum sim_fault_kind kind = w->c->fault[d].kind;
		if (!w->pipe[d].fault_hit || (kind != SIM_FAULT_FIN && kind != SIM_FAULT_RESET)) {
			continue;
		}
		for (int i = 0; i < 2; i++) {
			const struct sim_endpoint *ep = &w->ep[i];
			if (ep->failed && ep->error.reason != ENN_REASON_TRUNCATED &&
			    ep->error.origin != ENN_ORIGIN_PEER && !x->resend_refused) {
				sim_violation(w->run, "the %s was cut off but says: %s", ep->name,
					      ep->error.text);
			}
		}
	}
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void check_over(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		struct sim_endpoint *ep = &w->ep[i];
		if (!sim_endpoint_over(ep)) {
			sim_violation(w->run, "the %s neither failed nor closed", ep->name);
		}
		if (ep->closed && !sim_wire_whole(&w->wire[i])) {
			sim_violation(w->run, "the %s ended inside a record", ep->name);
		}
		if (ep->early_received > 0 && ep->early_received > w->ep[0].early_given) {
			sim_violation(w->run, "more early data than was sent");
		}
	}
}

/* Which makes any outcome right. */
static bool short_deadline(const struct sim_world *w)
{
	return w->c->side[0].timeout_ms < 30000 || w->c->side[1].timeout_ms < 30000;
}

void sim_check_end(struct sim_world *w, const struct sim_expect *x)
{
	bool strange = disturbed(w) || w->run->starving;

	check_over(w);
	sim_check_step(w);
	if (w->ep[0].ready && w->ep[1].ready) {
		check_agreement(w);
	}
	if (w->ep[0].early_accepted && w->ep[1].early_accepted) {
		w->run->count.early++;
	}
	w->run->count.resumed += w->ep[0].info.resumed;
	strange = check_starved(w) || strange;
	strange = strange || w->ep[0].upset || w->ep[1].upset || short_deadline(w);
	check_tampering(w);
	if (!short_deadline(w)) {
		check_truncation(w, x);
	}
	if (!strange) {
		check_expected(w, x);
	}
}

/* ---- replay ---------------------------------------------------------------------------------------------------- */

static void replay_events(struct sim_world *w, struct enn_engine *e)
{
	struct enn_event event;
	uint8_t out[1024];
	struct enn_batch batch = {.buf = out, .cap = sizeof(out)};

	do {
		enn_engine_next_event(e, w->now, &event);
		if ((event.type == ENN_EVENT_EARLY_DATA && event.u.early_data.accepted) ||
		    event.type == ENN_EVENT_RECEIVED || event.type == ENN_EVENT_READY) {
			sim_violation(w->run, "replayed early data was accepted");
		}
	} while (event.type != ENN_EVENT_NONE);
	do {
		if (enn_engine_transmit(e, w->now, &batch) != ENN_OK) {
			sim_violation(w->run, "the server of a replay cannot transmit");
		}
	} while (batch.len > 0);
}

void sim_check_replay(struct sim_world *w)
{
	struct sim_endpoint *original = &w->ep[1];
	struct enn_engine_options options = {0};
	struct enn_env env = original->env;
	struct enn_engine *e = NULL;
	struct enn_packet packet = {.data = w->flight, .len = w->flight_len};

	if (!original->early_accepted || w->flight_len == 0) {
		return;
	}
	sim_trace(w, "replay of %zu bytes", w->flight_len);
	env.keylog = NULL;
	original->heap.fail_at = 0;
	original->random_fails_at = 0;
	if (enn_engine_new_server(enn_protocol_by_id(ENN_PROTOCOL_TLS), &env, original->security,
				  &options, &e, NULL) != ENN_OK ||
	    enn_engine_start(e, w->now) != ENN_OK ||
	    enn_engine_ingest(e, w->now, NULL, &packet, 1) != ENN_OK) {
		sim_violation(w->run, "a server for a replay cannot be made");
	} else {
		replay_events(w, e);
	}
	enn_engine_free(e);
}
