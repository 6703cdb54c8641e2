/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of TLS 1.2: against libcrypto directly, and what an engine does with them when the keys are given by
 * hand (RFC 5246 §6.2, §7; RFC 5288, 7905, 7366, 8449).
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "record12.h"

static struct enn_env env;

static int setup(void **state)
{
	(void)state;
	env.wall_offset = INT64_C(1700000000) * (int64_t)ENN_SECOND;
	return enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	enn_crypto_free(env.crypto);
	return 0;
}

/* ---- the same record made by libcrypto alone --------------------------------------------------- */

static const EVP_CIPHER *cipher_of(const struct enn_tls_suite *suite)
{
	switch (suite->code) {
	case 0xc02f:
		return EVP_aes_128_gcm();
	case 0xc030:
		return EVP_aes_256_gcm();
	case 0xcca8:
		return EVP_chacha20_poly1305();
	case 0xc013:
	case 0xc027:
		return EVP_aes_128_cbc();
	default:
		return EVP_aes_256_cbc();
	}
}

static const EVP_MD *digest_of(const struct enn_tls_suite *suite)
{
	return suite->code == 0xc027 ? EVP_sha256()
				     : (suite->code == 0xc028 ? EVP_sha384() : EVP_sha1());
}

static void put_aad(uint8_t aad[13], uint8_t sequence, uint8_t type, size_t len)
{
	const uint8_t head[] = {0, 0, 0, 0, 0, 0, 0, sequence, type, 3, 3};

	memcpy(aad, head, sizeof(head));
	aad[11] = (uint8_t)(len >> 8);
	aad[12] = (uint8_t)len;
}

/* RFC 5288 §3 (salt, then the explicit nonce: the sequence number here) and RFC 7905 §2 (XOR). */
static size_t aead_record(const struct enn_tls_suite *suite, const struct enn_tls12_keys *keys,
			  uint8_t sequence, uint8_t type, const uint8_t *content, size_t len,
			  uint8_t *out)
{
	bool gcm = suite->code != 0xcca8;
	size_t explicit = gcm ? 8 : 0;
	size_t body = explicit + len + 16;
	uint8_t nonce[12] = {0};
	uint8_t aad[13];
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	out[0] = type;
	out[1] = 3;
	out[2] = 3;
	out[3] = (uint8_t)(body >> 8);
	out[4] = (uint8_t)body;
	memcpy(nonce, keys->iv.data, keys->iv.len);
	nonce[11] = gcm ? sequence : (uint8_t)(nonce[11] ^ sequence);
	memcpy(out + 5, nonce + 4, explicit);
	put_aad(aad, sequence, type, len);
	assert_int_equal(EVP_EncryptInit_ex(ctx, cipher_of(suite), NULL, keys->key.data, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad)), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, out + 5 + explicit, &n, content, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out + 5 + explicit + n, &n), 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + explicit + len), 1);
	EVP_CIPHER_CTX_free(ctx);
	return 5 + body;
}

/* RFC 7366 §3 with `fill` bytes of padding (the last one included), of value `value`. */
static size_t cbc_record(const struct enn_tls_suite *suite, const struct enn_tls12_keys *keys,
			 uint8_t sequence, uint8_t type, const uint8_t *content, size_t len,
			 size_t fill, uint8_t value, uint8_t *out)
{
	static uint8_t plain[20000];
	uint8_t mac_input[13 + 20000];
	unsigned mac_len = 0;
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	memcpy(plain, content, len);
	memset(plain + len, value, fill);
	memset(out + 5, 0x5a, 16);
	assert_int_equal(EVP_EncryptInit_ex(ctx, cipher_of(suite), NULL, keys->key.data, out + 5),
			 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_EncryptUpdate(ctx, out + 21, &n, plain, (int)(len + fill)), 1);
	assert_int_equal(n, len + fill);
	EVP_CIPHER_CTX_free(ctx);
	put_aad(mac_input, sequence, type, 16 + len + fill);
	memcpy(mac_input + 13, out + 5, 16 + len + fill);
	assert_non_null(HMAC(digest_of(suite), keys->mac.data, (int)keys->mac.len, mac_input,
			     13 + 16 + len + fill, out + 21 + len + fill, &mac_len));
	size_t body = 16 + len + fill + mac_len;
	out[0] = type;
	out[1] = 3;
	out[2] = 3;
	out[3] = (uint8_t)(body >> 8);
	out[4] = (uint8_t)body;
	return 5 + body;
}

static size_t hand_made(const struct enn_tls_suite *suite, bool client_writes, uint8_t sequence,
			uint8_t type, const uint8_t *content, size_t len, uint8_t *out)
{
	struct enn_tls12_keys keys = r12_keys(suite, client_writes);
	size_t fill = 16 - len % 16;

	return suite->aead >= ENN_AEAD_COUNT
		       ? cbc_record(suite, &keys, sequence, type, content, len, fill,
				    (uint8_t)(fill - 1), out)
		       : aead_record(suite, &keys, sequence, type, content, len, out);
}

/* Skips the change_cipher_spec record that begins the keys. */
static const uint8_t *behind_ccs(const uint8_t *wire)
{
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};

	assert_memory_equal(wire, ccs, sizeof(ccs));
	return wire + sizeof(ccs);
}

static void test_sealed_as_libcrypto_does(void **state)
{
	static uint8_t wire[4096], want[4096];
	const uint8_t one[] = "the first record";
	const uint8_t two[] = "2";

	(void)state;
	for (size_t i = 0; i < 3; i++) { /* CBC draws its initialisation vectors */
		struct r12_end end;
		struct enn_tls12_keys keys = r12_keys(&r12_suite[i], true);
		r12_start(&end, &env, false, NULL);
		assert_int_equal(enn_tls_set_keys12(&end.t->carrier, ENN_DIRECTION_SEND, &keys),
				 ENN_OK);
		r12_open(&end, &r12_suite[i]);
		r12_send(&end, one, sizeof(one), 0);
		size_t n = r12_take(&end, wire, sizeof(wire));
		const uint8_t *at = behind_ccs(wire);
		size_t m = hand_made(&r12_suite[i], true, 0, 23, one, sizeof(one), want);
		assert_int_equal(n, 6 + m);
		assert_memory_equal(at, want, m);
		r12_send(&end, two, sizeof(two), 0);
		n = r12_take(&end, wire, sizeof(wire));
		m = hand_made(&r12_suite[i], true, 1, 23, two, sizeof(two), want);
		assert_int_equal(n, m);
		assert_memory_equal(wire, want, m);
		r12_free(&end);
	}
}

/* What libcrypto makes is opened, by every suite, at every length modulo a block. */
static void test_opens_what_libcrypto_seals(void **state)
{
	static uint8_t record[20000], content[16384];

	(void)state;
	memset(content, 0xc3, sizeof(content));
	for (size_t i = 0; i < R12_SUITES; i++) {
		static struct r12_pair p;
		r12_pair_open(&p, &env, &r12_suite[i], NULL);
		for (uint8_t k = 0; k < 20; k++) {
			size_t len = k < 18 ? k : (k == 18 ? 1000u : 16384u);
			size_t n = hand_made(&r12_suite[i], true, k, 23, content, len, record);
			p.server.got_len = 0;
			r12_feed(&p.server, record, n);
			assert_false(p.server.failed);
			assert_int_equal(p.server.got_len, len);
			assert_memory_equal(p.server.got, content, len);
		}
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

static void test_data_both_ways_and_end(void **state)
{
	static uint8_t data[50000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7 + i / 256);
	}
	for (size_t i = 0; i < R12_SUITES; i++) {
		static struct r12_pair p;
		r12_pair_open(&p, &env, &r12_suite[i], NULL);
		r12_send(&p.client, data, 10, 0); /* gathered with the next one */
		r12_send(&p.client, data + 10, sizeof(data) - 10, 0);
		r12_send(&p.server, data, 5, ENN_MESSAGE_FINAL);
		r12_carry(&p.client, &p.server);
		r12_carry(&p.server, &p.client);
		assert_int_equal(p.server.got_len, sizeof(data));
		assert_memory_equal(p.server.got, data, sizeof(data));
		assert_int_equal(p.client.got_len, 5);
		assert_memory_equal(p.client.got, data, 5);
		assert_true(p.client.final);
		assert_int_equal(p.client.sent, 2);
		assert_int_equal(enn_engine_close(p.client.e, 1, 0), ENN_OK);
		r12_carry(&p.client, &p.server);
		assert_true(p.server.final && p.server.closed && p.client.closed);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

/* ---- what does not authenticate ------------------------------------------------------------------ */

static void test_changed_records(void **state)
{
	uint8_t record[256];
	const uint8_t content[] = "content";

	(void)state;
	for (size_t i = 0; i < R12_SUITES; i++) {
		size_t len =
			hand_made(&r12_suite[i], true, 0, 23, content, sizeof(content), record);
		for (size_t at = 0; at <= len; at++) {
			struct r12_pair *p = test_malloc(sizeof(*p));
			r12_pair_open(p, &env, &r12_suite[i], NULL);
			size_t n = hand_made(&r12_suite[i], true, at == len, 23, content,
					     sizeof(content), record);
			if (at == 0) {
				record[0] = 22; /* another type that exists */
			} else if (at == 4) {
				n = 5u + --record[4];
			} else if (at != 3 && at < len) {
				record[at] ^= 0x40;
			} else if (at == 3) {
				n = 5; /* shorter than any */
				record[3] = record[4] = 0;
			} /* at == len: out of sequence */
			r12_feed(&p->server, record, n);
			r12_must_fail(&p->server, ENN_ALERT_BAD_RECORD_MAC);
			assert_int_equal(p->server.got_len, 0);
			r12_free(&p->client);
			r12_free(&p->server);
			test_free(p);
		}
	}
}

/* The MAC is good and the padding is not: RFC 5246 §6.2.3.2. */
static void test_wrong_padding(void **state)
{
	static const struct {
		size_t len, fill;
		uint8_t value;
		unsigned alert; /* 0: taken */
	} cases[] = {
		{16, 16, 15, 0},
		{17, 15, 15, ENN_ALERT_BAD_RECORD_MAC}, /* the byte before is another one */
		{15, 1, 0, 0},
		{0, 256, 255, 0},
		{16, 256, 255, 0},
		{8, 8, 200, ENN_ALERT_BAD_RECORD_MAC}, /* more than there is */
	};
	uint8_t content[64] = {1, 2, 3};
	uint8_t record[1024];

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(cases); i++) {
		static struct r12_pair p;
		struct enn_tls12_keys keys = r12_keys(&r12_suite[3], true);
		r12_pair_open(&p, &env, &r12_suite[3], NULL);
		size_t n = cbc_record(&r12_suite[3], &keys, 0, 23, content, cases[i].len,
				      cases[i].fill, cases[i].value, record);
		r12_feed(&p.server, record, n);
		if (cases[i].alert != 0) {
			r12_must_fail(&p.server, cases[i].alert);
		} else {
			assert_false(p.server.failed);
			assert_int_equal(p.server.got_len, cases[i].len);
		}
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

/* ---- limits ------------------------------------------------------------------------------------------ */

static void test_record_size_limit(void **state)
{
	static uint8_t data[4000], wire[20000];

	(void)state;
	for (size_t i = 0; i < R12_SUITES; i++) {
		static struct r12_pair p;
		r12_pair_open(&p, &env, &r12_suite[i], NULL);
		p.client.t->carrier.result.send_limit = 100;
		p.server.t->carrier.result.receive_limit = 100;
		r12_send(&p.client, data, sizeof(data), 0);
		size_t n = r12_take(&p.client, wire, sizeof(wire));
		size_t records = 0;
		for (size_t at = 0; at < n; at += 5u + (size_t)(wire[at + 3] << 8 | wire[at + 4])) {
			records++;
		}
		assert_int_equal(records, sizeof(data) / 100);
		r12_feed(&p.server, wire, n);
		assert_int_equal(p.server.got_len, sizeof(data));
		r12_inject(&p.client, &p.server, 23, data, 101);
		r12_must_fail(&p.server, ENN_ALERT_RECORD_OVERFLOW);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

static void test_plaintext_too_long(void **state)
{
	static uint8_t data[16400];

	(void)state;
	for (size_t i = 0; i < R12_SUITES; i++) {
		static struct r12_pair p;
		r12_pair_open(&p, &env, &r12_suite[i], NULL);
		r12_inject(&p.client, &p.server, 23, data, 16385);
		r12_must_fail(&p.server, ENN_ALERT_RECORD_OVERFLOW);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

/* RFC 8449 §4.1: padding must not make a record longer than the longest. */
static void test_padding_within_the_limit(void **state)
{
	uint8_t content[256] = {0};
	uint8_t record[1024];

	(void)state;
	for (size_t fill = 22; fill <= 38; fill += 16) {
		static struct r12_pair p;
		struct enn_tls12_keys keys = r12_keys(&r12_suite[3], true);
		r12_pair_open(&p, &env, &r12_suite[3], NULL);
		p.server.t->carrier.result.receive_limit = 256;
		size_t n = cbc_record(&r12_suite[3], &keys, 0, 23, content, 250, fill,
				      (uint8_t)(fill - 1), record);
		r12_feed(&p.server, record, n);
		if (fill == 22) { /* the RFC's example: 21 bytes and their length */
			assert_false(p.server.failed);
			assert_int_equal(p.server.got_len, 250);
		} else {
			r12_must_fail(&p.server, ENN_ALERT_RECORD_OVERFLOW);
		}
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

static void test_keys_expire(void **state)
{
	static const char *const settings[] = {"keyUpdateRecords", "5", NULL};
	static struct r12_pair p;
	uint8_t one[1] = {1};

	(void)state;
	r12_pair_open(&p, &env, &r12_suite[0], settings);
	for (int i = 0; i < 10; i++) {
		r12_send(&p.client, one, 1, 0);
		r12_carry(&p.client, &p.server);
		assert_int_equal(p.client.expiring, i >= 4 ? 1 : 0); /* once, from the fifth on */
	}
	assert_int_equal(p.server.got_len, 10);
	assert_int_equal(enn_engine_rekey(p.client.e, 1, true), ENN_E_UNSUPPORTED);
	uint64_t limit = enn_aead_alg(ENN_AEAD_AES_128_GCM)->seal_limit;
	p.client.t->send.sequence = p.server.t->receive.sequence = limit - 2;
	r12_send(&p.client, one, 1, 0);
	r12_carry(&p.client, &p.server);
	assert_int_equal(p.server.got_len, 11);
	r12_send(&p.client, one, 1, 0);
	r12_carry(&p.client, &p.server);
	assert_int_equal(p.server.got_len, 11);
	assert_true(p.client.failed && p.server.failed);
	assert_int_equal(p.client.error.reason, ENN_REASON_KEYS_EXHAUSTED);
	assert_int_equal(p.server.error.wire_code, ENN_ALERT_INTERNAL_ERROR);
	assert_int_equal(p.server.error.origin, ENN_ORIGIN_PEER);
	r12_free(&p.client);
	r12_free(&p.server);
}

/* ---- change_cipher_spec -------------------------------------------------------------------------------- */

static void test_change_cipher_spec(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t len;
		bool keys; /* wait */
		bool taken;
	} cases[] = {
		{{20, 3, 3, 0, 1, 1}, 6, true, true},
		{{20, 3, 3, 0, 1, 1}, 6, false, false},
		{{20, 3, 3, 0, 1, 2}, 6, true, false},
		{{20, 3, 3, 0, 2, 1, 1}, 7, true, false},
		{{20, 3, 3, 0, 0}, 5, true, false},
		{{22, 3, 3, 0, 2, 20, 0, 20, 3, 3, 0, 1, 1},
		 13,
		 true,
		 false}, /* inside a message */
	};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(cases); i++) {
		struct r12_end *end = test_malloc(sizeof(*end));
		struct enn_tls12_keys keys = r12_keys(&r12_suite[0], true);
		r12_start(end, &env, true, NULL);
		if (cases[i].keys) {
			assert_int_equal(
				enn_tls_set_keys12(&end->t->carrier, ENN_DIRECTION_RECEIVE, &keys),
				ENN_OK);
		}
		r12_feed(end, cases[i].bytes, cases[i].len);
		assert_int_equal(end->failed, !cases[i].taken);
		if (cases[i].taken) {
			assert_ptr_equal(end->t->receive.protection, &enn_tls_protection_12_gcm);
			assert_null(end->t->waiting);
		} else {
			r12_must_fail(end, ENN_ALERT_UNEXPECTED_MESSAGE);
		}
		r12_free(end);
		test_free(end);
	}
}

/* Another one under protection, and data before the handshake is over. */
static void test_out_of_place(void **state)
{
	static const uint8_t one[1] = {1};

	(void)state;
	for (uint8_t type = 20; type <= 23; type += 3) {
		static struct r12_pair p;
		struct enn_tls12_keys up = r12_keys(&r12_suite[0], true);
		static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};
		r12_pair_open(&p, &env, &r12_suite[0], NULL);
		struct r12_end *early = test_malloc(sizeof(*early));
		r12_start(early, &env, true, NULL);
		assert_int_equal(enn_tls_set_keys12(&early->t->carrier, ENN_DIRECTION_RECEIVE, &up),
				 ENN_OK);
		r12_feed(early, ccs, sizeof(ccs));
		r12_inject(&p.client, early, type, one, 1);
		r12_must_fail(early, ENN_ALERT_UNEXPECTED_MESSAGE);
		r12_free(early);
		test_free(early);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

/* ---- alerts and renegotiation ------------------------------------------------------------------------------ */

static void test_warnings_are_borne(void **state)
{
	static const uint8_t warning[] = {1, 112}; /* unrecognized_name */
	static struct r12_pair p;

	(void)state;
	r12_pair_open(&p, &env, &r12_suite[0], NULL);
	for (int i = 0; i < 4; i++) {
		r12_inject(&p.server, &p.client, 21, warning, 2);
		assert_false(p.client.failed);
	}
	r12_inject(&p.server, &p.client, 21, warning, 2);
	r12_must_fail(&p.client, ENN_ALERT_UNEXPECTED_MESSAGE);
	r12_free(&p.client);
	r12_free(&p.server);
}

static void test_fatal_alert(void **state)
{
	static const uint8_t fatal[] = {2, 112};
	static struct r12_pair p;

	(void)state;
	r12_pair_open(&p, &env, &r12_suite[0], NULL);
	r12_inject(&p.server, &p.client, 21, fatal, 2);
	assert_true(p.client.failed);
	assert_int_equal(p.client.error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(p.client.error.wire_code, 112);
	r12_free(&p.client);
	r12_free(&p.server);
}

/* RFC 5746 §4.4, §4.5: asked to renegotiate, either side says no, and goes on. */
static void test_no_renegotiation(void **state)
{
	static const uint8_t request[] = {0, 0, 0, 0};
	static const uint8_t hello[] = {1, 0, 0, 2, 3, 3};

	(void)state;
	for (int by_client = 0; by_client < 2; by_client++) {
		static struct r12_pair p;
		static uint8_t wire[1024];
		r12_pair_open(&p, &env, &r12_suite[0], NULL);
		struct r12_end *asks = by_client ? &p.client : &p.server;
		struct r12_end *says_no = by_client ? &p.server : &p.client;
		for (int i = 0; i < 4; i++) {
			uint8_t type = 0, alert = 0, *content = NULL;
			size_t len = 0;
			r12_inject(asks, says_no, 22, by_client ? hello : request,
				   by_client ? sizeof(hello) : sizeof(request));
			assert_false(says_no->failed);
			size_t n = r12_take(says_no, wire, sizeof(wire));
			assert_true(enn_tls_open_record(&asks->t->receive, wire, n, &type, &content,
							&len, &alert));
			assert_int_equal(type, 21);
			assert_int_equal(len, 2);
			assert_int_equal(content[0], 1);
			assert_int_equal(content[1], ENN_ALERT_NO_RENEGOTIATION);
		}
		r12_send(says_no, request, 1, 0);
		r12_carry(says_no, asks);
		assert_int_equal(asks->got_len, 1);
		r12_inject(asks, says_no, 22, by_client ? hello : request,
			   by_client ? sizeof(hello) : sizeof(request));
		r12_must_fail(says_no, ENN_ALERT_UNEXPECTED_MESSAGE);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

/* What TLS 1.3 has after the handshake, TLS 1.2 has not. */
static void test_no_post_handshake(void **state)
{
	static const uint8_t update[] = {24, 0, 0, 1, 0};
	static const uint8_t ticket[] = {4, 0, 0, 6, 0, 0, 0, 9, 0, 0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		static struct r12_pair p;
		r12_pair_open(&p, &env, &r12_suite[0], NULL);
		r12_inject(&p.server, &p.client, 22, i == 0 ? update : ticket,
			   i == 0 ? sizeof(update) : sizeof(ticket));
		r12_must_fail(&p.client, ENN_ALERT_UNEXPECTED_MESSAGE);
		r12_free(&p.client);
		r12_free(&p.server);
	}
}

static void test_many_empty_records(void **state)
{
	static struct r12_pair p;

	(void)state;
	r12_pair_open(&p, &env, &r12_suite[0], NULL);
	for (int i = 0; i < 64; i++) {
		r12_inject(&p.server, &p.client, 23, (const uint8_t *)"", 0);
		assert_false(p.client.failed);
	}
	r12_inject(&p.server, &p.client, 23, (const uint8_t *)"", 0);
	r12_must_fail(&p.client, ENN_ALERT_UNEXPECTED_MESSAGE);
	r12_free(&p.client);
	r12_free(&p.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sealed_as_libcrypto_does),
		cmocka_unit_test(test_opens_what_libcrypto_seals),
		cmocka_unit_test(test_data_both_ways_and_end),
		cmocka_unit_test(test_changed_records),
		cmocka_unit_test(test_wrong_padding),
		cmocka_unit_test(test_record_size_limit),
		cmocka_unit_test(test_plaintext_too_long),
		cmocka_unit_test(test_padding_within_the_limit),
		cmocka_unit_test(test_keys_expire),
		cmocka_unit_test(test_change_cipher_spec),
		cmocka_unit_test(test_out_of_place),
		cmocka_unit_test(test_warnings_are_borne),
		cmocka_unit_test(test_fatal_alert),
		cmocka_unit_test(test_no_renegotiation),
		cmocka_unit_test(test_no_post_handshake),
		cmocka_unit_test(test_many_empty_records),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
