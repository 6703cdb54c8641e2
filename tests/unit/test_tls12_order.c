/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2, message by message: every other message in the place of every one, at every level, cut off
 * everywhere, with something behind it, or lost; and no memory at every step.
 */
#include <stdlib.h>

#include "hs_pair.h"
#include "tls12_world.h"

/* Every kind of message that either side may send, with and without a body. */
static const uint8_t types[] = {
	ENN_HS_HELLO_REQUEST,	     ENN_HS_CLIENT_HELLO,
	ENN_HS_SERVER_HELLO,	     3, /* HelloVerifyRequest of DTLS */
	ENN_HS_NEW_SESSION_TICKET,   ENN_HS_END_OF_EARLY_DATA,
	ENN_HS_ENCRYPTED_EXTENSIONS, ENN_HS_CERTIFICATE,
	ENN_HS_SERVER_KEY_EXCHANGE,  ENN_HS_CERTIFICATE_REQUEST,
	ENN_HS_SERVER_HELLO_DONE,    ENN_HS_CERTIFICATE_VERIFY,
	ENN_HS_CLIENT_KEY_EXCHANGE,  ENN_HS_FINISHED,
	ENN_HS_CERTIFICATE_STATUS,   23, /* SupplementalData */
	ENN_HS_KEY_UPDATE,	     ENN_HS_COMPRESSED_CERTIFICATE,
	ENN_HS_MESSAGE_HASH,	     255,
};

static struct hs_pair pair; /* large */
static struct hs_end session;

/* What a run does to one message. */
struct plan {
	const struct tls12_flow *flow;
	size_t at;	 /* which message, from 0 */
	unsigned type;	 /* … becomes one of this type */
	bool other_type; /* if this is set */
	int level;	 /* … or comes at this level, if not negative */
	size_t cut;	 /* … or with a body of this length, if `shorter` */
	bool shorter;
	bool longer; /* … or with a byte more */
	bool lost;
	size_t len; /* what it was before */
	unsigned was;
};

static bool carry_out(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	struct plan *plan = p->user;
	size_t index = p->delivered - 1;
	const struct tls12_step *step = &plan->flow->step[index];

	if (index > plan->at) {
		return true;
	}
	assert_true(index < plan->flow->steps);
	assert_int_equal(m->type, step->type);
	assert_ptr_equal(to, step->from == 'c' ? &p->server : &p->client);
	if (index < plan->at) {
		return true;
	}
	plan->len = m->len;
	plan->was = m->type;
	if (plan->other_type) {
		if (m->type == HS_CHANGE_CIPHER_SPEC) {
			m->len = ENN_HS_HEADER;
		}
		m->type = plan->type;
		m->data[0] = (uint8_t)plan->type;
		m->level = plan->level < 0 ? m->level : (enum enn_level)plan->level;
		hs_message_fix(m);
	} else if (plan->level >= 0) {
		m->level = (enum enn_level)plan->level;
	} else if (plan->shorter && m->type != HS_CHANGE_CIPHER_SPEC) {
		m->len = ENN_HS_HEADER + plan->cut;
		hs_message_fix(m);
	} else if (plan->longer && m->type != HS_CHANGE_CIPHER_SPEC) {
		m->data[m->len++] = 0;
		hs_message_fix(m);
	}
	return !plan->lost;
}

/* Runs the flow with the plan; the end that the message went to. */
static struct hs_end *run(struct hs_pair *p, struct plan *plan, struct tls12_sides *sides)
{
	const char *name = TLS12_HOST;

	memset(p, 0, sizeof(*p));
	p->edit = carry_out;
	p->user = plan;
	assert_true(hs_pair_run(p, &tls12.t.env, sides->client, sides->server, name, &session));
	return plan->flow->step[plan->at].from == 'c' ? &p->server : &p->client;
}

/* Nothing of a handshake is left behind, whatever became of it. */
static void end_run(struct hs_pair *p)
{
	hs_pair_free(p);
	assert_int_equal(tls12.t.live_bytes, 0);
}

/* A session to resume, if the flow is one. With an id it is good for one resumption at a time, and what fails
 * loses it: each run gets a new one. */
static void first_session(const struct tls12_flow *flow, struct tls12_sides *sides)
{
	struct hs_pair p = {.user = NULL};

	memset(&session, 0, sizeof(session));
	if (tls12_resumes(flow->kind)) {
		assert_true(hs_pair_run(&p, &tls12.t.env, sides->client, sides->server, TLS12_HOST,
					NULL));
		hs_pair_must_be_complete(&p);
		assert_true(p.client.session_len > 0);
		memcpy(session.session, p.client.session, p.client.session_len);
		session.session_len = p.client.session_len;
		end_run(&p);
	}
}

static void say(const struct plan *plan, char text[128])
{
	(void)snprintf(text, 128, "%s, message %zu (%s)", plan->flow->name, plan->at,
		       enn_handshake_type_name(plan->was));
}

/* ---- as it should be -------------------------------------------------------------------------------- */

static void test_flows(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		struct plan plan = {.flow = &tls12_flows[f], .at = SIZE_MAX, .level = -1};
		struct tls12_sides sides = tls12_sides_of(plan.flow->kind, NULL, NULL);
		print_message("# %s\n", plan.flow->name);
		first_session(plan.flow, &sides);
		plan.at = plan.flow->steps - 1; /* the order is checked up to there */
		(void)run(&pair, &plan, &sides);
		hs_pair_must_be_complete(&pair);
		assert_int_equal(pair.delivered, plan.flow->steps);
		assert_int_equal(pair.client.c.result.resumed, tls12_resumes(plan.flow->kind));
		assert_int_equal(pair.server.c.result.resumed, tls12_resumes(plan.flow->kind));
		assert_true(pair.client.c.result.peer_authenticated);
		assert_true(pair.client.c.result.extended_main_secret);
		end_run(&pair);
		tls12_sides_free(&sides);
	}
}

/* ---- in the wrong place -------------------------------------------------------------------------------- */

/* Where more than one message may come: the two that a server may leave out. */
static bool is_alternative(const struct tls12_step *step, unsigned type)
{
	return type == step->type ||
	       (step->type == ENN_HS_SERVER_HELLO_DONE && step->from == 's' &&
		type == ENN_HS_CERTIFICATE_REQUEST) ||
	       (step->type == ENN_HS_CERTIFICATE_REQUEST && type == ENN_HS_SERVER_HELLO_DONE) ||
	       (step->type == ENN_HS_CERTIFICATE_STATUS && type == ENN_HS_SERVER_KEY_EXCHANGE);
}

static void put_in_place(const struct tls12_flow *flow, struct tls12_sides *sides, size_t at,
			 unsigned type, int level)
{
	struct plan plan = {
		.flow = flow, .at = at, .type = type, .other_type = true, .level = level};
	char text[128];

	first_session(flow, sides);
	const struct hs_end *to = run(&pair, &plan, sides);
	say(&plan, text);
	(void)snprintf(text + strlen(text), 128 - strlen(text), " is a %s at %d",
		       enn_handshake_type_name(type), level);
	hs_end_must_fail(to, ENN_ALERT_UNEXPECTED_MESSAGE, text);
	end_run(&pair);
}

static void test_order(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			for (size_t t = 0; t < ENN_ARRAY_LEN(types); t++) {
				if (!is_alternative(&flow->step[at], types[t])) {
					put_in_place(flow, &sides, at, types[t], -1);
				}
			}
		}
		tls12_sides_free(&sides);
	}
}

/* A change_cipher_spec too early would switch to keys that an attacker can know. */
static void test_early_change(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			/* the keys are there while the ticket comes: then it is at the wrong level */
			if (flow->step[at].type != HS_CHANGE_CIPHER_SPEC &&
			    flow->step[at].type != ENN_HS_NEW_SESSION_TICKET) {
				put_in_place(flow, &sides, at, HS_CHANGE_CIPHER_SPEC, -1);
			}
		}
		tls12_sides_free(&sides);
	}
}

static void test_levels(void **state)
{
	static const enum enn_level levels[] = {ENN_LEVEL_INITIAL, ENN_LEVEL_EARLY,
						ENN_LEVEL_HANDSHAKE, ENN_LEVEL_APPLICATION};

	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			unsigned type = flow->step[at].type;
			enum enn_level right =
				type == ENN_HS_FINISHED ? ENN_LEVEL_APPLICATION : ENN_LEVEL_INITIAL;
			for (size_t l = 0; l < ENN_ARRAY_LEN(levels); l++) {
				if (type != HS_CHANGE_CIPHER_SPEC && levels[l] != right) {
					put_in_place(flow, &sides, at, type, (int)levels[l]);
				}
			}
		}
		tls12_sides_free(&sides);
	}
}

/* ---- cut off, too long, lost ------------------------------------------------------------------------------- */

/* A hello may end before its extensions: then what is missing is what it is refused for. */
static unsigned alert_of_cut(const struct plan *plan, size_t extensions)
{
	return extensions != 0 && plan->cut + ENN_HS_HEADER == extensions
		       ? ENN_ALERT_HANDSHAKE_FAILURE
		       : ENN_ALERT_DECODE_ERROR;
}

static size_t extensions_seen;

static bool note_extensions(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	struct plan *plan = p->user;

	if (p->delivered - 1 == plan->at) {
		extensions_seen = m->type == ENN_HS_CLIENT_HELLO || m->type == ENN_HS_SERVER_HELLO
					  ? hs_message_extensions(m)
					  : 0;
	}
	return carry_out(p, to, m);
}

static void cut_everywhere(const struct tls12_flow *flow, struct tls12_sides *sides, size_t at)
{
	size_t len = SIZE_MAX; /* of the body, when it is known */

	for (size_t cut = 0; cut < len; cut++) {
		struct plan plan = {
			.flow = flow, .at = at, .cut = cut, .shorter = true, .level = -1};
		char text[128];
		memset(&pair, 0, sizeof(pair));
		first_session(flow, sides);
		pair.edit = note_extensions;
		pair.user = &plan;
		assert_true(hs_pair_run(&pair, &tls12.t.env, sides->client, sides->server,
					TLS12_HOST, &session));
		len = plan.len < ENN_HS_HEADER ? 0 : plan.len - ENN_HS_HEADER;
		if (cut < len) {
			say(&plan, text);
			hs_end_must_fail(flow->step[at].from == 'c' ? &pair.server : &pair.client,
					 alert_of_cut(&plan, extensions_seen), text);
		}
		end_run(&pair);
	}
}

static void test_cut_off(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			cut_everywhere(flow, &sides, at);
		}
		tls12_sides_free(&sides);
	}
}

static void test_too_long(void **state)
{
	char text[128];

	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			struct plan plan = {.flow = flow, .at = at, .longer = true, .level = -1};
			if (flow->step[at].type == HS_CHANGE_CIPHER_SPEC) {
				continue;
			}
			first_session(flow, &sides);
			const struct hs_end *to = run(&pair, &plan, &sides);
			say(&plan, text);
			hs_end_must_fail(to, ENN_ALERT_DECODE_ERROR, text);
			end_run(&pair);
		}
		tls12_sides_free(&sides);
	}
}

/* A message that is lost is missed by the next one, or by the Finished. */
static void test_lost(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		for (size_t at = 0; at < flow->steps; at++) {
			struct plan plan = {.flow = flow, .at = at, .lost = true, .level = -1};
			first_session(flow, &sides);
			const struct hs_end *to = run(&pair, &plan, &sides);
			/* without its change_cipher_spec a Finished could not be read: the records see to it */
			if (flow->step[at].type != HS_CHANGE_CIPHER_SPEC) {
				assert_false(to->complete);
			}
			end_run(&pair);
		}
		tls12_sides_free(&sides);
	}
}

/* ---- no memory ---------------------------------------------------------------------------------------------- */

static void test_no_memory(void **state)
{
	(void)state;
	for (size_t f = 0; f < tls12_flow_count; f++) {
		const struct tls12_flow *flow = &tls12_flows[f];
		struct tls12_sides sides = tls12_sides_of(flow->kind, NULL, NULL);
		size_t failures = 0;
		for (size_t n = 1;; n++) {
			struct plan plan = {.flow = flow, .at = 0, .level = -1};
			memset(&pair, 0, sizeof(pair));
			first_session(flow, &sides);
			tls12.t.calls = 0;
			tls12.t.fail_at = n;
			pair.edit = carry_out;
			pair.user = &plan;
			bool begun = hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server,
						 TLS12_HOST, &session);
			tls12.t.fail_at = 0;
			bool reached = tls12.t.calls >= n;
			const struct hs_end *bad = pair.client.failed ? &pair.client : &pair.server;
			if (reached && begun && bad->failed) {
				failures++;
				hs_end_must_fail(bad, ENN_ALERT_INTERNAL_ERROR, flow->name);
				if (bad->c.error.reason != ENN_REASON_OUT_OF_MEMORY) {
					fail_msg("%s, allocation %zu: %s", flow->name, n,
						 bad->c.error.text);
				}
			} else if (begun) { /* what is not needed may fail, as may nothing */
				hs_pair_must_be_complete(&pair);
			}
			end_run(&pair);
			if (!reached) {
				break;
			}
		}
		print_message("# %s: %zu failures\n", flow->name, failures);
		assert_true(failures >= 6);
		tls12_sides_free(&sides);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows),	     cmocka_unit_test(test_order),
		cmocka_unit_test(test_early_change), cmocka_unit_test(test_levels),
		cmocka_unit_test(test_cut_off),	     cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_lost),	     cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, tls12_open, tls12_close);
}
