/* SPDX-License-Identifier: Apache-2.0
 *
 * hostile_tls: what a stranger can make an endpoint spend before anybody is
 * authenticated: memory, and work that leads nowhere. TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define KIB (size_t)1024

struct attack {
	const char *name;
	bool on_server;
	uint8_t type;	      /* of the records */
	size_t record;	      /* bytes in each */
	const uint8_t *begin; /* of the stream in the records; zeros follow */
	size_t begin_len;
	size_t total;	 /* bytes inside records that are offered */
	size_t most;	 /* bytes of memory that the engine may take */
	size_t must_end; /* it must have failed after so many bytes inside records; 0: need not */
	uint8_t alert;
};

/* A ClientHello and a ServerHello of 131072 bytes, the default limit, and of one more. */
static const uint8_t hello_limit[4] = {1, 2, 0, 0}, hello_over[4] = {1, 2, 0, 1};
static const uint8_t server_limit[4] = {2, 2, 0, 0}, server_over[4] = {2, 2, 0, 1};
static const uint8_t ccs[1] = {1};

static const struct attack attacks[] = {
	{"a ClientHello as long as allowed", true, 22, 16384, hello_limit, 4, 147456, 240 * KIB,
	 147456, 10},
	{"a ClientHello as long as allowed, byte by byte", true, 22, 1, hello_limit, 4, 140000,
	 240 * KIB, 131076, 50},
	{"a ClientHello that is too long", true, 22, 16384, hello_over, 4, 140000, 48 * KIB, 16384,
	 50},
	{"a ServerHello as long as allowed", false, 22, 16384, server_limit, 4, 147456, 240 * KIB,
	 147456, 70},
	{"a ServerHello that is too long", false, 22, 16384, server_over, 4, 140000, 48 * KIB,
	 16384, 50},
	{"change_cipher_spec before a ClientHello", true, 20, 1, ccs, 1, 100, 48 * KIB, 1, 10},
	{"change_cipher_spec without end", false, 20, 1, NULL, 0, 100, 48 * KIB, 100, 10},
	{"a record that is too long", true, 22, 16385, hello_limit, 4, 16385, 48 * KIB, 16385, 22},
	{"empty records", true, 22, 0, NULL, 0, 1, 48 * KIB, 1, 10},
	{"half a record, for ever", true, 22, 16384, hello_limit, 4, 16383, 48 * KIB, 0, 0},
};
#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static int env_random(void *ctx, uint8_t *out, size_t len)
{
	sim_rng_fill(ctx, out, len);
	return 0;
}

/* True once the engine has failed; *error says how. */
static bool feed(struct enn_engine *e, uint8_t *data, size_t len, struct enn_error *error)
{
	struct enn_packet packet = {.data = data, .len = len};
	struct enn_event event;
	bool failed = false;

	if (enn_engine_ingest(e, 1, NULL, &packet, 1) != ENN_OK) {
		return true;
	}
	do {
		enn_engine_next_event(e, 1, &event);
		if (event.type == ENN_EVENT_FAILED) {
			failed = true;
			*error = event.u.error;
		}
	} while (event.type != ENN_EVENT_NONE);
	return failed;
}

static struct enn_engine *make(struct sim_run *run, const struct sim_connection *c,
			       const struct enn_env *env, bool server)
{
	struct enn_engine_options options = {.server_name = SIM_SERVER_NAME};
	struct enn_security *s = sim_security(run, c, server);
	const struct enn_protocol *tls = enn_protocol_by_id(ENN_PROTOCOL_TLS);
	struct enn_engine *e = NULL;

	if (s == NULL ||
	    (server ? enn_engine_new_server(tls, env, s, NULL, &e, NULL)
		    : enn_engine_new_client(tls, env, s, &options, &e, NULL)) != ENN_OK ||
	    enn_engine_start(e, 1) != ENN_OK) {
		abort();
	}
	enn_security_free(s);
	return e;
}

/* Offers the attack's records. The bytes inside records that were taken before it failed. */
static size_t attack_engine(struct enn_engine *e, const struct attack *a, bool *failed,
			    struct enn_error *error)
{
	static uint8_t record[5 + 20000];
	size_t sent = 0;

	for (*failed = false; sent < a->total && !*failed;) {
		size_t n = a->record < a->total - sent ? a->record : a->total - sent;
		memset(record, a->type == 20, sizeof(record));
		record[0] = a->type;
		record[1] = record[2] = 3;
		record[3] = (uint8_t)(a->record >> 8);
		record[4] = (uint8_t)a->record;
		for (size_t i = 0; i < n && sent + i < a->begin_len; i++) {
			record[5 + i] = a->begin[sent + i];
		}
		*failed = feed(e, record, 5 + n, error);
		sent += n > 0 ? n : 1;
	}
	return sent;
}

static bool run_attack(struct sim_lab *lab, const struct attack *a, unsigned test)
{
	static struct sim_scenario s;
	struct sim_run run;
	struct sim_heap heap = {.live = 0};
	struct sim_rng rng;
	struct enn_env env = {.crypto = lab->crypto, .random = env_random, .random_ctx = &rng};
	struct enn_error error = {.wire_code = 0};
	bool failed;

	sim_scenario_plain(&s, 8000 + test, 1);
	sim_run_init(&run, lab, &s);
	sim_rng_seed(&rng, 8000 + test, 1);
	sim_heap_attach(&heap, &env);
	env.wall_offset = SIM_EPOCH * (int64_t)ENN_SECOND;
	struct enn_engine *e = make(&run, &s.connection[0], &env, a->on_server);
	size_t sent = attack_engine(e, a, &failed, &error);
	bool good = heap.peak <= a->most && failed == (a->must_end > 0) &&
		    (!failed || (sent <= a->must_end && error.wire_code == a->alert &&
				 error.origin == ENN_ORIGIN_LOCAL));
	size_t live = heap.live;
	enn_engine_free(e);
	good = good && heap.blocks == 0 && heap.wrong == NULL;
	sim_run_free(&run);
	printf("%s %u - %s\n# after %zu bytes: %s, alert %llu; at most %zu bytes of memory, then "
	       "%zu\n",
	       good ? "ok" : "not ok", test, a->name, sent, failed ? error.text : "still there",
	       (unsigned long long)error.wire_code, heap.peak, live);
	return good;
}

int main(void)
{
	static struct sim_lab lab;
	bool ok = true;

	sim_lab_open(&lab);
	printf("TAP version 13\n1..%zu\n", ATTACKS);
	for (unsigned i = 0; i < ATTACKS; i++) {
		ok = run_attack(&lab, &attacks[i], i + 1) && ok;
	}
	sim_lab_close(&lab);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
