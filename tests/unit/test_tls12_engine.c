/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2 over whole engines: change_cipher_spec lost, doubled and too early, records changed, and the application
 * that judges, signs or knows the PSK itself.
 */
#include "crypto/sig.h"
#include "features/security.h"
#include "handshake/wire.h"
#include "tls12_world.h"

/* ---- records -------------------------------------------------------------------------------------- */

enum what {
	NOTHING,
	CCS_FIRST,  /* before all else */
	CCS_BEFORE, /* before the side's second transmission */
	CCS_LOST,
	CCS_TWICE,
	CCS_LONG, /* with a byte more */
	FINISHED_CHANGED,
	FINISHED_AS_DATA, /* the record says that it is application data */
	FINISHED_AS_ALERT,
	VERSION, /* of the record with Finished */
};

static const struct attack {
	const char *name;
	enum what what;
	bool to_server;
	bool resumes;
	unsigned alert;
} attacks[] = {
	{"nothing", NOTHING, true, false, 0},
	{"change_cipher_spec before ClientHello", CCS_FIRST, true, false, 10},
	{"change_cipher_spec before ServerHello", CCS_FIRST, false, false, 10},
	{"change_cipher_spec before ClientKeyExchange", CCS_BEFORE, true, false, 10},
	{"the client's change_cipher_spec lost", CCS_LOST, true, false, 10},
	{"the server's change_cipher_spec lost", CCS_LOST, false, false, 10},
	{"the client's change_cipher_spec twice", CCS_TWICE, true, false, 20},
	{"the server's change_cipher_spec twice", CCS_TWICE, false, false, 20},
	{"the client's change_cipher_spec too long", CCS_LONG, true, false, 10},
	{"the server's change_cipher_spec too long", CCS_LONG, false, false, 10},
	{"the client's Finished changed", FINISHED_CHANGED, true, false, 20},
	{"the server's Finished changed", FINISHED_CHANGED, false, false, 20},
	{"the client's Finished as data", FINISHED_AS_DATA, true, false, 20},
	{"the server's Finished as data", FINISHED_AS_DATA, false, false, 20},
	{"the client's Finished as an alert", FINISHED_AS_ALERT, true, false, 20},
	{"the client's Finished in a record of TLS 1.1", VERSION, true, false, 20},
	{"nothing, resumed", NOTHING, true, true, 0},
	{"change_cipher_spec before ServerHello, resumed", CCS_FIRST, false, true, 10},
	{"the server's change_cipher_spec lost, resumed", CCS_LOST, false, true, 10},
	{"the client's change_cipher_spec lost, resumed", CCS_LOST, true, true, 10},
	{"the client's Finished changed, resumed", FINISHED_CHANGED, true, true, 20},
	{"the server's Finished changed, resumed", FINISHED_CHANGED, false, true, 20},
};

struct run {
	const struct attack *attack;
	unsigned transmissions; /* to the victim */
	bool changed;		/* its change_cipher_spec went by */
	bool done;
};

static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};

static size_t insert(uint8_t *data, size_t len, size_t at, size_t cap)
{
	assert_true(len + sizeof(ccs) <= cap);
	memmove(data + at + sizeof(ccs), data + at, len - at);
	memcpy(data + at, ccs, sizeof(ccs));
	return len + sizeof(ccs);
}

static size_t drop(uint8_t *data, size_t len, size_t at, size_t size)
{
	memmove(data + at, data + at + size, len - at - size);
	return len - size;
}

/* The record at `at` of the victim's input: the length of all then. */
static size_t change(struct run *run, uint8_t *data, size_t len, size_t at, size_t cap)
{
	size_t size = 5 + ((size_t)data[at + 3] << 8 | data[at + 4]);
	bool is_ccs = data[at] == 20;
	bool is_finished = run->changed && !is_ccs;

	assert_true(at + size <= len);
	run->changed = run->changed || is_ccs;
	if (run->done || (!is_ccs && !is_finished)) {
		return len;
	}
	run->done = true;
	switch (run->attack->what) {
	case CCS_LOST:
		run->done = is_ccs;
		return is_ccs ? drop(data, len, at, size) : len;
	case CCS_TWICE:
		return insert(data, len, at, cap);
	case CCS_LONG:
		len = insert(data, len, at, cap);
		len = drop(data, len, at + 6, 5); /* the second's header: 1, 1 are left */
		data[at + 4] = 2;
		return len;
	case FINISHED_CHANGED:
	case FINISHED_AS_DATA:
	case FINISHED_AS_ALERT:
	case VERSION:
		run->done = is_finished;
		if (is_finished && run->attack->what == FINISHED_CHANGED) {
			data[at + size - 1] ^= 1;
		} else if (is_finished && run->attack->what == VERSION) {
			data[at + 2] = 2;
		} else if (is_finished) {
			data[at] = run->attack->what == FINISHED_AS_DATA ? 23 : 21;
		}
		return len;
	default:
		return len;
	}
}

static size_t wire(struct tls_pair *p, const struct tls_end *to, uint8_t *data, size_t len,
		   size_t cap)
{
	struct run *run = p->user;
	const struct attack *attack = run->attack;
	unsigned which = attack->what == CCS_FIRST ? 1 : attack->what == CCS_BEFORE ? 2 : 0;

	if ((to == &p->server) != attack->to_server || to->failed) {
		return len;
	}
	run->transmissions++;
	if (which == run->transmissions) {
		run->done = true;
		return insert(data, len, 0, cap);
	}
	if (which != 0) {
		return len;
	}
	for (size_t at = 0; at + 5 <= len;) {
		size_t before = len;
		len = change(run, data, len, at, cap);
		if (len < before && attack->what == CCS_LOST) {
			continue; /* another record is here now */
		}
		at += 5 + ((size_t)data[at + 3] << 8 | data[at + 4]);
	}
	return len;
}

static bool run_attack(const struct attack *attack)
{
	struct tls12_sides sides =
		tls12_sides_of(attack->resumes ? TLS12_ID : TLS12_FULL, NULL, "tickets=0");
	static struct tls_end session;
	struct run run = {.attack = attack};
	struct tls_pair p = {.user = NULL};
	bool good;

	if (attack->resumes) {
		tls_pair_run(&p, &tls12.t.env, sides.client, sides.server, TLS12_HOST, NULL);
		tls_pair_must_be_ready(&p);
		session = p.client;
		tls_pair_free(&p);
	}
	p = (struct tls_pair){.user = &run, .wire = wire};
	tls_pair_run(&p, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
		     attack->resumes ? &session : NULL);
	const struct tls_end *victim = attack->to_server ? &p.server : &p.client;
	if (attack->alert == 0) {
		good = p.client.ready && p.server.ready && !p.client.failed && !p.server.failed &&
		       p.client.info.resumed == attack->resumes;
	} else {
		unsigned alert = (unsigned)victim->error.wire_code;
		/* Lost: what is protected is read as a message, of any type and length. */
		good = run.done && victim->failed && !victim->ready &&
		       victim->error.origin == ENN_ORIGIN_LOCAL &&
		       (alert == attack->alert ||
			(attack->what == CCS_LOST && alert == ENN_ALERT_DECODE_ERROR));
	}
	if (!good) {
		print_message("# %s: %s alert %u: %s\n", attack->name,
			      victim->failed ? "failed" : "goes on",
			      (unsigned)victim->error.wire_code, victim->error.text);
	}
	tls_pair_free(&p);
	tls12_sides_free(&sides);
	return good;
}

static void test_records(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(attacks); i++) {
		wrong += !run_attack(&attacks[i]);
	}
	assert_int_equal(wrong, 0);
}

/* ---- questions -------------------------------------------------------------------------------------- */

struct asked {
	unsigned signatures, verdicts, keys;
	bool refuse, wrong, later;
	struct enn_answer reply;
	struct tls_end *end; /* that waits */
	uint8_t data[ENN_MAX_SIGNATURE];
};

static void sign(struct tls_pair *p, const struct enn_event *event, struct asked *a)
{
	const struct cert *cert = a->end == &p->server ? tls12.ecdsa : tls12.client;
	struct enn_private_key *key = NULL;
	size_t len = sizeof(a->data);

	MUST(enn_credential_parse_key(cert->key_pem, strlen(cert->key_pem), &key, NULL));
	MUST(enn_sign(&tls12.t.env, enn_sig_alg_by_tls(event->u.sign.scheme), key,
		      event->u.sign.input, event->u.sign.input_len, a->data, &len));
	enn_private_key_free(key);
	a->data[len - 1] ^= a->wrong ? 1 : 0;
	a->reply = (struct enn_answer){.type = ENN_ANSWER_SIGNATURE,
				       .accept = !a->refuse,
				       .data = a->data,
				       .len = a->refuse ? 0 : len};
}

static void ask(struct tls_pair *p, struct tls_end *end, const struct enn_event *event)
{
	struct asked *a = p->user;

	a->end = end;
	if (event->type == ENN_EVENT_WANT_IDENTITY) {
		a->signatures++;
		sign(p, event, a);
	} else if (event->type == ENN_EVENT_WANT_PSK) {
		a->keys++;
		memset(a->data, a->wrong ? 8 : 7, 32);
		a->reply = (struct enn_answer){.type = ENN_ANSWER_PSK,
					       .accept = !a->refuse,
					       .data = a->data,
					       .len = a->refuse ? 0 : 32,
					       .hash = ENN_PSK_SHA256};
	} else {
		assert_int_equal(event->type, ENN_EVENT_VALIDATE_PEER);
		a->verdicts++;
		a->reply = (struct enn_answer){.type = ENN_ANSWER_PEER, .accept = !a->refuse};
	}
	if (!a->later) {
		MUST(enn_engine_answer(end->e, p->now, &a->reply));
	}
}

/* Runs it; with `later` the answers come when all stands still. */
static void run_asking(struct tls_pair *p, struct asked *a, const struct tls12_sides *sides)
{
	p->user = a;
	p->ask = ask;
	tls_pair_run(p, &tls12.t.env, sides->client, sides->server, TLS12_HOST, NULL);
	for (int i = 0; a->later && i < 8 && a->end != NULL; i++) {
		struct tls_end *end = a->end;
		a->end = NULL;
		assert_false(p->client.ready && p->server.ready);
		MUST(enn_engine_answer(end->e, p->now, &a->reply));
		tls_pair_go_on(p);
	}
}

static void end_asking(struct tls_pair *p, struct tls12_sides *sides)
{
	tls_pair_free(p);
	tls12_sides_free(sides);
}

static struct tls12_sides with_keys_elsewhere(void)
{
	const char *const c[] = {"protocolVersion=TLSv1.2", NULL};
	const char *const s[] = {"protocolVersion=TLSv1.2", "requireClient=true", NULL};
	struct tls12_sides sides = {tls_security(c), tls_security(s)};
	struct enn_credential *k = NULL;

	MUST(enn_credential_x509_external(tls12.ecdsa->pem, strlen(tls12.ecdsa->pem), &k, NULL));
	MUST(enn_security_add_credential(sides.server, k));
	enn_credential_free(k);
	MUST(enn_credential_x509_external(tls12.client->pem, strlen(tls12.client->pem), &k, NULL));
	MUST(enn_security_add_credential(sides.client, k));
	enn_credential_free(k);
	tls_trust(sides.client, tls12.root);
	tls_trust(sides.server, tls12.root);
	return sides;
}

static void test_signed_elsewhere(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct tls12_sides sides = with_keys_elsewhere();
		struct asked a = {.later = how == 1, .wrong = how == 2, .refuse = how == 3};
		struct tls_pair p = {.user = NULL};
		run_asking(&p, &a, &sides);
		if (how < 2) {
			tls_pair_must_be_ready(&p);
			assert_int_equal(a.signatures, 2);
		} else if (how == 2) { /* the server's is wrong already */
			tls_pair_must_fail(&p, false, ENN_REASON_PROTOCOL_FAILED,
					   ENN_ALERT_DECRYPT_ERROR);
		} else {
			assert_true(p.server.failed && p.server.error.origin == ENN_ORIGIN_LOCAL);
			assert_true(p.client.failed && !p.client.ready);
		}
		end_asking(&p, &sides);
	}
}

static void test_judged_by_the_application(void **state)
{
	(void)state;
	for (int how = 0; how < 6; how++) {
		bool by_server = how % 2 == 1;
		struct asked a = {.later = how / 2 == 1, .refuse = how / 2 == 2};
		struct tls12_sides sides = tls12_sides_of(TLS12_MUTUAL, NULL, NULL);
		struct tls_pair p = {.user = NULL};
		MUST(enn_security_set_bool(by_server ? sides.server : sides.client,
					   ENN_SECURITY_DELEGATE_PEER, true));
		run_asking(&p, &a, &sides);
		assert_int_equal(a.verdicts, 1);
		if (a.refuse) {
			const struct tls_end *judge = by_server ? &p.server : &p.client;
			assert_true(judge->failed && judge->error.origin == ENN_ORIGIN_LOCAL);
			assert_false(judge->ready);
			assert_false(by_server ? p.client.ready : p.server.ready);
		} else {
			tls_pair_must_be_ready(&p);
		}
		end_asking(&p, &sides);
	}
}

static void test_psk_of_the_application(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		const char *const c[] = {"protocolVersion=TLSv1.2", NULL};
		struct tls12_sides sides = {tls_security(c), tls_security(c)};
		struct asked a = {.later = how == 1, .wrong = how == 2, .refuse = how == 3};
		struct tls_pair p = {.user = NULL};
		tls12_add_psk(sides.client, "somebody", 7);
		MUST(enn_security_ask_psk(sides.server, true));
		run_asking(&p, &a, &sides);
		assert_int_equal(a.keys, 1);
		if (how < 2) {
			tls_pair_must_be_ready(&p);
		} else if (how == 2) { /* the client's Finished cannot be opened */
			tls_pair_must_fail(&p, true, ENN_REASON_PROTOCOL_FAILED,
					   ENN_ALERT_BAD_RECORD_MAC);
		} else {
			tls_pair_must_fail(&p, true, ENN_REASON_UNKNOWN_PSK,
					   ENN_ALERT_UNKNOWN_PSK_IDENTITY);
		}
		end_asking(&p, &sides);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_signed_elsewhere),
		cmocka_unit_test(test_judged_by_the_application),
		cmocka_unit_test(test_psk_of_the_application),
	};
	return cmocka_run_group_tests(tests, tls12_open, tls12_close);
}
