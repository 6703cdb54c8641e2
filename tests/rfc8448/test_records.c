/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8448: every record of every trace. A protected record must open to the payload under the keys that
 * the trace derived for its sender, and the payload must seal to the record again, byte for byte, with the
 * sequence numbers that come from doing all records in order. A record in the clear is its header and payload.
 */
#include "trace.h"

#include "protocols/tls/internal.h"

enum epoch { NO_EPOCH, EARLY, HANDSHAKE, APPLICATION, EPOCHS };

/* The keys of one sender in one epoch. */
struct epoch_keys {
	bool known;
	uint8_t key[16];
	uint8_t iv[12];
};

struct sender {
	struct epoch_keys keys[EPOCHS];
	struct enn_tls_keys seal; /* current; aead NULL: in the clear */
	struct enn_tls_keys open;
	size_t records;
};

struct walk {
	struct enn_env env;
	struct sender sender[2]; /* client, server */
	size_t opened;
};

static enum epoch epoch_of(const struct trace_step *step)
{
	return strstr(step->name, "early application data") != NULL ? EARLY
	       : strstr(step->name, "handshake data") != NULL	    ? HANDSHAKE
								    : APPLICATION;
}

static struct enn_aead *new_aead(const struct walk *w, enum enn_aead_direction direction,
				 const uint8_t *key)
{
	struct enn_aead *aead = NULL;
	assert_int_equal(
		enn_aead_new(&w->env, enn_aead_alg(ENN_AEAD_AES_128_GCM), direction, key, &aead),
		ENN_OK);
	return aead;
}

static void use_epoch(struct walk *w, struct sender *s, enum epoch epoch)
{
	const struct epoch_keys *keys = &s->keys[epoch];

	assert_true(keys->known);
	enn_aead_free(&w->env, s->seal.aead);
	enn_aead_free(&w->env, s->open.aead);
	s->seal = (struct enn_tls_keys){.protection = &enn_tls_protection_13,
					.aead = new_aead(w, ENN_AEAD_SEAL, keys->key)};
	s->open = (struct enn_tls_keys){.protection = &enn_tls_protection_13,
					.aead = new_aead(w, ENN_AEAD_OPEN, keys->key)};
	memcpy(s->seal.iv, keys->iv, 12);
	memcpy(s->open.iv, keys->iv, 12);
}

/* A party's read keys are the other's write keys; who derives write keys goes on to use them. */
static void take_keys(struct walk *w, const struct trace_step *step)
{
	bool write = trace_begins(step, "derive write");
	struct sender *s = &w->sender[write ? step->server : !step->server];
	enum epoch epoch = epoch_of(step);

	if (step->count > 0) {
		struct enn_bytes prk = trace_get(step, "PRK");
		struct epoch_keys *keys = &s->keys[epoch];
		enn_traffic_keys(enn_label_tls13, enn_hash_alg(ENN_HASH_SHA256), prk.data,
				 keys->key, 16, keys->iv);
		keys->known = true;
	}
	if (write) {
		use_epoch(w, s, epoch);
	}
}

static uint8_t content_type(const struct trace_step *step)
{
	return trace_is(step, "send handshake record")		? ENN_TLS_HANDSHAKE
	       : trace_is(step, "send application_data record") ? ENN_TLS_APPLICATION_DATA
	       : trace_is(step, "send alert record")		? ENN_TLS_ALERT
								: ENN_TLS_CHANGE_CIPHER_SPEC;
}

static void check_plain(const struct trace_step *step, uint8_t type)
{
	struct enn_bytes payload = trace_get(step, "payload");
	struct enn_bytes record = trace_get(step, "complete record");
	uint8_t header[ENN_TLS_HEADER];
	/* RFC 8446 §5.1: the first ClientHello may say 0x0301. */
	uint16_t version =
		type == ENN_TLS_HANDSHAKE && record.data[2] == 1 ? ENN_TLS_1_0 : ENN_TLS_1_2;

	enn_tls_write_header(header, type, version, payload.len);
	assert_bytes((struct enn_bytes){record.data, ENN_TLS_HEADER}, header, sizeof(header));
	assert_bytes((struct enn_bytes){record.data + ENN_TLS_HEADER, record.len - ENN_TLS_HEADER},
		     payload.data, payload.len);
}

static void check_protected(struct walk *w, struct sender *s, const struct trace_step *step,
			    uint8_t type)
{
	struct enn_bytes payload = trace_get(step, "payload");
	struct enn_bytes record = trace_get(step, "complete record");
	uint8_t room[2048];
	uint8_t got = 0;
	uint8_t alert = 0;
	uint8_t *content = NULL;
	size_t len = 0;

	assert_true(record.len <= sizeof(room));
	memcpy(room, record.data, record.len);
	assert_true(enn_tls_open_record(&s->open, room, record.len, &got, &content, &len, &alert));
	assert_int_equal(got, type);
	assert_bytes(payload, content, len);

	memset(room, 0xa5, sizeof(room));
	memcpy(room + ENN_TLS_HEADER, payload.data, payload.len);
	len = enn_tls_seal_in_place(&s->seal, &w->env, type, room, payload.len, 0);
	assert_bytes(record, room, len);

	/* The same record again is out of sequence, and a changed one is forged. */
	assert_false(enn_tls_open_record(&s->open, room, len, &got, &content, &len, &alert));
	assert_int_equal(alert, ENN_ALERT_BAD_RECORD_MAC);
	w->opened++;
}

static void take_record(struct walk *w, const struct trace_step *step)
{
	struct sender *s = &w->sender[step->server];
	uint8_t type = content_type(step);

	if (s->seal.aead == NULL || type == ENN_TLS_CHANGE_CIPHER_SPEC) {
		check_plain(step, type);
	} else {
		check_protected(w, s, step, type);
	}
	s->records++;
}

static void test_trace(void **state)
{
	struct trace *trace = trace_load(*state);
	struct walk w = {.opened = 0};

	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &w.env.crypto), ENN_OK);
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_step *step = &trace->step[i];
		if (strstr(step->name, "traffic keys") != NULL) {
			take_keys(&w, step);
		} else if (trace_begins(step, "send ")) {
			take_record(&w, step);
		}
	}
	/* at least the server's flight, the client's, and an alert each */
	assert_true(w.opened >= 4);
	for (int i = 0; i < 2; i++) {
		assert_true(w.sender[i].records >= 3);
		enn_aead_free(&w.env, w.sender[i].seal.aead);
		enn_aead_free(&w.env, w.sender[i].open.aead);
	}
	enn_crypto_free(w.env.crypto);
	trace_free(trace);
}

#define TRACE(title, file)                                                                         \
	{                                                                                          \
		.name = "rfc8448_records_" title, .test_func = test_trace, .initial_state = file   \
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
