/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8448: every key, secret, hash and MAC of every trace.
 *
 * Each trace is walked from its first step to its last. On the way our own transcript takes up the
 * handshake messages and our own key schedule the PSK and the shared secret; each value that a step shows must be
 * what our functions make of that state. The shared secrets come from our key exchange with the private
 * keys of the trace.
 */
#include "trace.h"

#include "crypto/kx.h"
#include "handshake/key_schedule.h"
#include "handshake/wire.h"

enum stage { EARLY, HANDSHAKE, MAIN, STAGES };

struct walk {
	const struct enn_hash_alg *hash; /* all traces use TLS_AES_128_GCM_SHA256 */
	struct enn_env env;
	struct script script;
	struct enn_hash transcript;
	struct enn_key_schedule stage[STAGES];
	bool reached[STAGES];
	struct enn_kx_key *key[2]; /* the client's and the server's latest */
	struct enn_bytes public_key[2];
	/* what each party has constructed and not sent yet */
	struct {
		uint8_t data[2048];
		size_t len;
	} constructed[2];
	size_t checked;
};

/* ---- transcript -------------------------------------------------------------------------------- */

/* RFC 8446 §4.4.1: before a HelloRetryRequest the first ClientHello becomes its hash. */
static void retry(struct walk *w)
{
	uint8_t synthetic[ENN_HS_HEADER + 32] = {ENN_HS_MESSAGE_HASH, 0, 0, 32};

	enn_hash_peek(&w->transcript, synthetic + ENN_HS_HEADER);
	enn_hash_init(&w->transcript, w->hash);
	enn_hash_update(&w->transcript, synthetic, sizeof(synthetic));
}

static bool is_retry(struct enn_bytes server_hello)
{
	static const uint8_t first[4] = {0xcf, 0x21, 0xad,
					 0x74}; /* of SHA-256("HelloRetryRequest") */
	return memcmp(server_hello.data + 6, first, sizeof(first)) == 0;
}

static void take_message(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes message = {step->value[0].data, step->value[0].len};
	size_t *used = &w->constructed[step->server].len;

	assert_true(message.len <= sizeof(w->constructed[0].data) - *used);
	memcpy(w->constructed[step->server].data + *used, message.data, message.len);
	*used += message.len;
	/* A ClientHello counts when it is sent: before, its binders are missing. */
	if (message.data[0] == ENN_HS_CLIENT_HELLO ||
	    message.data[0] == ENN_HS_NEW_SESSION_TICKET) {
		return;
	}
	if (message.data[0] == ENN_HS_SERVER_HELLO && is_retry(message)) {
		retry(w);
	}
	enn_hash_update(&w->transcript, message.data, message.len);
}

static void take_record(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes payload = trace_get(step, "payload");
	size_t len = w->constructed[step->server].len;

	/* A record has what was constructed; a ClientHello has its binders behind it. */
	w->constructed[step->server].len = 0;
	if (payload.data[0] == ENN_HS_CLIENT_HELLO) {
		assert_true(len <= payload.len);
		assert_memory_equal(payload.data, w->constructed[step->server].data, len);
		enn_hash_update(&w->transcript, payload.data, payload.len);
	} else {
		assert_bytes(payload, w->constructed[step->server].data, len);
	}
}

static void transcript_hash(const struct walk *w, uint8_t out[ENN_MAX_HASH])
{
	enn_hash_peek(&w->transcript, out);
}

/* ---- key exchange -------------------------------------------------------------------------------- */

static void check_key_pair(struct walk *w, const struct trace_step *step)
{
	bool p256 = strstr(step->name, "P-256") != NULL;
	const struct enn_kx_alg *alg = enn_kx_alg(p256 ? ENN_KX_P256 : ENN_KX_X25519);
	struct enn_kx_key **key = &w->key[step->server];
	uint8_t public_key[ENN_MAX_KX_PUBLIC];

	w->script = (struct script){.len = 0};
	script_add(&w->script, trace_get(step, "private key"));
	enn_kx_free(*key);
	assert_int_equal(enn_kx_generate(&w->env, alg, key, public_key), ENN_OK);
	w->public_key[step->server] = trace_get(step, "public key");
	assert_bytes(w->public_key[step->server], public_key, alg->public_len);
	w->checked++;
}

/* Both ends come to the shared secret of the trace. */
static void check_shared_secret(struct walk *w, struct enn_bytes shared)
{
	uint8_t secret[ENN_MAX_KX_SECRET];

	for (int server = 0; server < 2; server++) {
		struct enn_bytes peer = w->public_key[!server];
		assert_int_equal(enn_kx_derive(w->key[server], peer.data, peer.len, secret),
				 ENN_OK);
		assert_bytes(shared, secret, 32);
		w->checked++;
	}
}

/* ---- schedule ------------------------------------------------------------------------------------- */

static bool all_zero(struct enn_bytes b)
{
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] != 0) {
			return false;
		}
	}
	return true;
}

/* The plain functions first, then the schedule's step. */
static void check_extract(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes ikm = trace_get(step, "IKM");
	struct enn_bytes secret = trace_get(step, "secret");
	struct enn_bytes salt = {NULL, 0};
	uint8_t out[ENN_MAX_HASH];
	enum stage to = MAIN;

	if (trace_has(step, "salt")) {
		salt = trace_get(step, "salt");
	}
	enn_hkdf_extract(w->hash, salt.data, salt.len, ikm.data, ikm.len, out);
	assert_bytes(secret, out, w->hash->len);

	if (trace_is(step, "extract secret \"early\"")) {
		to = EARLY;
		enn_key_schedule_early(&w->stage[EARLY], enn_label_tls13, w->hash,
				       all_zero(ikm) ? NULL : ikm.data,
				       all_zero(ikm) ? 0 : ikm.len);
	} else if (trace_is(step, "extract secret \"handshake\"")) {
		to = HANDSHAKE;
		check_shared_secret(w, ikm);
		w->stage[HANDSHAKE] = w->stage[EARLY];
		enn_key_schedule_handshake(&w->stage[HANDSHAKE], ikm.data, ikm.len);
	} else {
		assert_true(trace_is(step, "extract secret \"master\""));
		w->stage[MAIN] = w->stage[HANDSHAKE];
		enn_key_schedule_main(&w->stage[MAIN]);
	}
	w->reached[to] = true;
	assert_bytes(secret, w->stage[to].secret, w->hash->len);
	w->checked++;
}

/* The stage whose secret is the step's PRK. */
static const struct enn_key_schedule *stage_of(const struct walk *w, struct enn_bytes prk)
{
	for (int i = 0; i < STAGES; i++) {
		if (w->reached[i] && memcmp(w->stage[i].secret, prk.data, prk.len) == 0) {
			return &w->stage[i];
		}
	}
	fail_msg("a PRK that our schedule has not come to");
	return NULL;
}

static void check_expansion(struct walk *w, const struct trace_step *step, const char *label)
{
	struct enn_bytes prk = trace_get(step, "PRK");
	struct enn_bytes info = trace_get(step, "info");
	struct enn_bytes context = trace_get(step, "hash");
	struct enn_bytes expanded = trace_get(step, "expanded");
	uint8_t out[ENN_MAX_HASH];

	enn_hkdf_expand(w->hash, prk.data, prk.len, info.data, info.len, out, expanded.len);
	assert_bytes(expanded, out, expanded.len);
	enn_hkdf_expand_label(w->hash, prk.data, "tls13 ", label, context.data, context.len, out,
			      expanded.len);
	assert_bytes(expanded, out, expanded.len);
	w->checked++;
}

/* Derive-Secret of one of the three stages, over our transcript. */
static void check_derive(struct walk *w, const struct trace_step *step)
{
	char label[32];
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t out[ENN_MAX_HASH];
	struct enn_bytes hash = trace_get(step, "hash");
	const struct enn_key_schedule *ks = stage_of(w, trace_get(step, "PRK"));
	bool between = strcmp(trace_label(step, label), "derived") == 0; /* over no message */

	check_expansion(w, step, label);
	if (between) {
		enn_hash_once(w->hash, NULL, 0, transcript);
	} else {
		transcript_hash(w, transcript);
	}
	assert_bytes(hash, transcript, w->hash->len);
	enn_key_schedule_derive(ks, label, between ? NULL : transcript, out);
	assert_bytes(trace_get(step, "expanded"), out, w->hash->len);
}

static void check_finished(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes prk = trace_get(step, "PRK");
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t out[ENN_MAX_HASH];

	check_expansion(w, step, "finished");
	transcript_hash(w, transcript);
	enn_finished_mac(enn_label_tls13, w->hash, prk.data, transcript, out);
	assert_bytes(trace_get(step, "finished"), out, w->hash->len);
}

static void check_binder(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes prefix = trace_get(step, "ClientHello prefix");
	uint8_t binder_key[ENN_MAX_HASH];
	uint8_t hash[ENN_MAX_HASH];
	uint8_t out[ENN_MAX_HASH];

	enn_hash_once(w->hash, prefix.data, prefix.len, hash);
	assert_bytes(trace_get(step, "binder hash"), hash, w->hash->len);
	enn_key_schedule_derive(&w->stage[EARLY], "res binder", NULL, binder_key);
	assert_bytes(trace_get(step, "PRK"), binder_key, w->hash->len);
	check_expansion(w, step, "finished");
	enn_finished_mac(enn_label_tls13, w->hash, binder_key, hash, out);
	assert_bytes(trace_get(step, "finished"), out, w->hash->len);
}

static void check_traffic_keys(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes prk = trace_get(step, "PRK");
	struct enn_bytes key_info = trace_get(step, "key info");
	struct enn_bytes iv_info = trace_get(step, "iv info");
	uint8_t key[ENN_MAX_AEAD_KEY];
	uint8_t iv[12];

	enn_traffic_keys(enn_label_tls13, w->hash, prk.data, key, 16, iv);
	assert_bytes(trace_get(step, "key expanded"), key, 16);
	assert_bytes(trace_get(step, "iv expanded"), iv, 12);
	enn_hkdf_expand(w->hash, prk.data, prk.len, key_info.data, key_info.len, key, 16);
	assert_bytes(trace_get(step, "key expanded"), key, 16);
	enn_hkdf_expand(w->hash, prk.data, prk.len, iv_info.data, iv_info.len, iv, 12);
	assert_bytes(trace_get(step, "iv expanded"), iv, 12);
	w->checked++;
}

static void check_resumption(struct walk *w, const struct trace_step *step)
{
	struct enn_bytes prk = trace_get(step, "PRK");
	struct enn_bytes nonce = trace_get(step, "hash");
	uint8_t out[ENN_MAX_HASH];

	check_expansion(w, step, "resumption");
	enn_resumption_psk(enn_label_tls13, w->hash, prk.data, nonce.data, nonce.len, out);
	assert_bytes(trace_get(step, "expanded"), out, w->hash->len);
}

/* ---- the walk ---------------------------------------------------------------------------------------- */

static void take_step(struct walk *w, const struct trace_step *step)
{
	if (trace_begins(step, "create an ephemeral")) {
		check_key_pair(w, step);
	} else if (trace_begins(step, "construct a")) {
		take_message(w, step);
	} else if (trace_is(step, "send handshake record")) {
		take_record(w, step);
	} else if (trace_begins(step, "extract secret")) {
		check_extract(w, step);
	} else if (trace_begins(step, "derive secret")) {
		check_derive(w, step);
	} else if (trace_begins(step, "calculate finished")) {
		check_finished(w, step);
	} else if (trace_is(step, "calculate PSK binder")) {
		check_binder(w, step);
	} else if (trace_begins(step, "generate resumption secret")) {
		check_resumption(w, step);
	} else if (strstr(step->name, "traffic keys") != NULL) {
		check_traffic_keys(w, step);
	} else {
		/* application data, alerts and change_cipher_spec have no part in the schedule */
		assert_true(trace_begins(step, "send "));
	}
}

static void test_trace(void **state)
{
	struct trace *trace = trace_load(*state);
	struct walk w = {.hash = enn_hash_alg(ENN_HASH_SHA256)};

	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &w.env.crypto), ENN_OK);
	w.env.random = script_random;
	w.env.random_ctx = &w.script;
	enn_hash_init(&w.transcript, w.hash);
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->step[i].count > 0) {
			take_step(&w, &trace->step[i]);
		}
	}
	assert_true(w.reached[MAIN]);
	assert_true(w.checked > 20);
	enn_kx_free(w.key[0]);
	enn_kx_free(w.key[1]);
	enn_crypto_free(w.env.crypto);
	trace_free(trace);
}

#define TRACE(title, file)                                                                         \
	{                                                                                          \
		.name = "rfc8448_schedule_" title, .test_func = test_trace, .initial_state = file  \
	}

int main(void)
{
	static char simple[] = "simple";
	static char resumed[] = "resumed";
	static char retried[] = "retry";
	static char client_auth[] = "client-auth";
	static char compatibility[] = "compatibility";
	const struct CMUnitTest tests[] = {
		TRACE("3_simple", simple),
		TRACE("4_resumed_0rtt", resumed),
		TRACE("5_hello_retry_request", retried),
		TRACE("6_client_authentication", client_auth),
		TRACE("7_compatibility_mode", compatibility),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
