/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong hellos and the alert that each must be answered with (RFC 8446 §4, §6, §9.2):
 * a table of edits to one good message, for the server and for the client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "ennead/engine.h"
#include "ennead/security.h"
#include "handshake/codec.h"
#include "handshake/wire.h"
#include "protocols/registry.h"

static struct enn_env env;
static const uint8_t psk_key[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

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

static struct enn_engine *make_engine(bool server)
{
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;
	struct enn_engine *e = NULL;
	struct enn_error error;
	struct enn_engine_options options = {.server_name = server ? NULL : "example.test"};

	assert_non_null(s);
	assert_int_equal(enn_credential_psk((const uint8_t *)"id", 2, psk_key, sizeof(psk_key),
					    ENN_PSK_SHA256, &k),
			 ENN_OK);
	assert_int_equal(enn_security_add_credential(s, k), ENN_OK);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h2", 2), ENN_OK);
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_VERSIONS, "TLSv1.3", NULL), ENN_OK);
	enn_credential_free(k);
	assert_int_equal(
		server ? enn_engine_new_server(&enn_tls_protocol, &env, s, &options, &e, &error)
		       : enn_engine_new_client(&enn_tls_protocol, &env, s, &options, &e, &error),
		ENN_OK);
	enn_security_free(s);
	assert_int_equal(enn_engine_start(e, 0), ENN_OK);
	return e;
}

/* Feeds bytes and expects the engine to fail with this alert, in its error and on the wire. */
static void expect_alert(struct enn_engine *e, uint8_t *data, size_t len, unsigned alert)
{
	struct enn_packet packet = {.data = data, .len = len};
	struct enn_event event;
	uint8_t out[4096];
	struct enn_batch batch = {.buf = out, .cap = sizeof(out)};

	assert_int_equal(enn_engine_ingest(e, 0, NULL, &packet, 1), ENN_OK);
	do {
		enn_engine_next_event(e, 0, &event);
	} while (event.type != ENN_EVENT_NONE && event.type != ENN_EVENT_FAILED);
	assert_int_equal(event.type, ENN_EVENT_FAILED);
	if (event.u.error.wire_code != alert) {
		print_message("%s\n", event.u.error.text);
	}
	assert_int_equal(event.u.error.wire_code, alert);
	assert_int_equal(event.u.error.origin, ENN_ORIGIN_LOCAL);
	assert_true(event.u.error.text[0] != '\0');
	assert_int_equal(enn_engine_transmit(e, 0, &batch), ENN_OK);
	assert_true(batch.len >= 7);
	const uint8_t *record = out + batch.len - 7;
	const uint8_t expected[7] = {21, 3, 3, 0, 2, 2, (uint8_t)alert};
	assert_memory_equal(record, expected, sizeof(expected));
	assert_int_equal(enn_engine_ingest(e, 0, NULL, &packet, 1), ENN_E_FAILED);
}

/* ---- the server ------------------------------------------------------------------------------ */

/* What is wrong with one ClientHello. Zero is right. */
struct hello {
	const char *name;
	unsigned alert;
	uint32_t leave_out; /* extension bits */
	uint16_t version;
	uint16_t suite;
	uint16_t group;
	uint16_t share_group;
	size_t share_len;
	uint16_t repeat; /* an extension to add a second time, empty */
	uint8_t compression;
	bool compression_two;
	bool psk_first;
	bool early_without_psk;
	bool empty_share;
	const char *alpn;
	bool trailing;
	bool wrong_binder;
	bool extra_binder;
};

static void extension(struct enn_writer *w, uint16_t type, const void *data, size_t len)
{
	enn_write_u16(w, type);
	enn_write_vector(w, 2, data, len);
}

static void put_psk(struct enn_writer *w, const struct hello *h)
{
	static const uint8_t zeros[32];
	enn_write_u16(w, ENN_EXT_PRE_SHARED_KEY);
	size_t data = enn_write_begin(w, 2);
	size_t ids = enn_write_begin(w, 2);
	enn_write_vector(w, 2, "id", 2);
	enn_write_u32(w, 0);
	enn_write_end(w, ids, 2);
	size_t binders = enn_write_begin(w, 2);
	enn_write_vector(w, 1, zeros, 32);
	if (h->extra_binder) {
		enn_write_vector(w, 1, zeros, 32);
	}
	enn_write_end(w, binders, 2);
	enn_write_end(w, data, 2);
}

static void put_share(struct enn_writer *w, const struct hello *h)
{
	uint8_t key[64];
	size_t len = h->share_len == 0 ? 32 : h->share_len;
	memset(key, 9, sizeof(key));
	enn_write_u16(w, ENN_EXT_KEY_SHARE);
	size_t data = enn_write_begin(w, 2);
	size_t list = enn_write_begin(w, 2);
	if (!h->empty_share) {
		enn_write_u16(w, h->share_group == 0 ? 0x001d : h->share_group);
		enn_write_vector(w, 2, key, len);
	}
	enn_write_end(w, list, 2);
	enn_write_end(w, data, 2);
}

static void put_u16_list(struct enn_writer *w, uint16_t type, size_t prefix, uint16_t code)
{
	enn_write_u16(w, type);
	size_t data = enn_write_begin(w, 2);
	size_t list = enn_write_begin(w, prefix);
	enn_write_u16(w, code);
	enn_write_end(w, list, prefix);
	enn_write_end(w, data, 2);
}

static void put_extensions(struct enn_writer *w, const struct hello *h)
{
	uint32_t out = h->leave_out;

	if (h->psk_first) {
		put_psk(w, h);
	}
	if (!(out & ENN_HAS_SUPPORTED_VERSIONS)) {
		put_u16_list(w, ENN_EXT_SUPPORTED_VERSIONS, 1,
			     h->version ? h->version : ENN_TLS_1_3);
	}
	if (!(out & ENN_HAS_SUPPORTED_GROUPS)) {
		put_u16_list(w, ENN_EXT_SUPPORTED_GROUPS, 2, h->group ? h->group : 0x001d);
	}
	if (!(out & ENN_HAS_SIGNATURE_ALGORITHMS)) {
		put_u16_list(w, ENN_EXT_SIGNATURE_ALGORITHMS, 2, 0x0403);
	}
	if (!(out & ENN_HAS_KEY_SHARE)) {
		put_share(w, h);
	}
	if (h->alpn != NULL) {
		uint8_t list[16] = {0, 0};
		size_t len = strlen(h->alpn);
		list[1] = (uint8_t)(len + 1);
		list[2] = (uint8_t)len;
		memcpy(list + 3, h->alpn, len);
		extension(w, ENN_EXT_ALPN, list, len + 3);
	}
	if (h->repeat != 0) {
		extension(w, h->repeat, NULL, 0);
	}
	if (h->early_without_psk) {
		extension(w, ENN_EXT_EARLY_DATA, NULL, 0);
	}
	if (!(out & ENN_HAS_PSK_MODES)) {
		extension(w, ENN_EXT_PSK_KEY_EXCHANGE_MODES, "\x01\x01", 2);
	}
	if (!(out & ENN_HAS_PRE_SHARED_KEY) && !h->psk_first) {
		put_psk(w, h);
	}
}

static size_t make_hello(uint8_t *buf, size_t cap, const struct hello *h)
{
	uint8_t random[32] = {7};
	struct enn_writer w = enn_writer_of(buf, cap);

	enn_write_u8(&w, 22);
	enn_write_u16(&w, 0x0301);
	size_t record = enn_write_begin(&w, 2);
	enn_write_u8(&w, ENN_HS_CLIENT_HELLO);
	size_t body = enn_write_begin(&w, 3);
	enn_write_u16(&w, ENN_TLS_1_2);
	enn_write_bytes(&w, random, sizeof(random));
	enn_write_vector(&w, 1, NULL, 0);
	enn_write_u16(&w, 2);
	enn_write_u16(&w, h->suite ? h->suite : 0x1301);
	enn_write_vector(&w, 1, h->compression_two ? "\x00\x01" : (const char *)&h->compression,
			 h->compression_two ? 2 : 1);
	size_t list = enn_write_begin(&w, 2);
	put_extensions(&w, h);
	enn_write_end(&w, list, 2);
	if (h->trailing) {
		enn_write_u8(&w, 0);
	}
	enn_write_end(&w, body, 3);
	enn_write_end(&w, record, 2);
	assert_true(enn_writer_ok(&w));
	return enn_writer_len(&w);
}

static void test_client_hellos(void **state)
{
	static const struct hello table[] = {
		{"no TLS 1.3", ENN_ALERT_PROTOCOL_VERSION, .version = ENN_TLS_1_2},
		{"no version extension", ENN_ALERT_PROTOCOL_VERSION,
		 .leave_out = ENN_HAS_SUPPORTED_VERSIONS},
		{"compression", ENN_ALERT_ILLEGAL_PARAMETER, .compression = 1},
		{"two compressions", ENN_ALERT_ILLEGAL_PARAMETER, .compression_two = true},
		{"unknown suite", ENN_ALERT_HANDSHAKE_FAILURE, .suite = 0x00ff},
		{"unknown group", ENN_ALERT_HANDSHAKE_FAILURE, .group = 0x0100,
		 .empty_share = true},
		{"share without group", ENN_ALERT_ILLEGAL_PARAMETER, .share_group = 0x0017},
		{"repeated extension", ENN_ALERT_ILLEGAL_PARAMETER,
		 .repeat = ENN_EXT_SUPPORTED_VERSIONS},
		{"psk not last", ENN_ALERT_ILLEGAL_PARAMETER, .psk_first = true},
		{"psk without modes", ENN_ALERT_MISSING_EXTENSION, .leave_out = ENN_HAS_PSK_MODES},
		{"shares without groups", ENN_ALERT_MISSING_EXTENSION,
		 .leave_out = ENN_HAS_SUPPORTED_GROUPS},
		{"groups without shares", ENN_ALERT_MISSING_EXTENSION,
		 .leave_out = ENN_HAS_KEY_SHARE},
		{"no signatures and no psk", ENN_ALERT_MISSING_EXTENSION,
		 .leave_out = ENN_HAS_SIGNATURE_ALGORITHMS | ENN_HAS_PRE_SHARED_KEY},
		{"early data without psk", ENN_ALERT_ILLEGAL_PARAMETER,
		 .leave_out = ENN_HAS_PRE_SHARED_KEY, .early_without_psk = true},
		{"no psk and no certificate", ENN_ALERT_HANDSHAKE_FAILURE,
		 .leave_out = ENN_HAS_PRE_SHARED_KEY},
		{"wrong binder", ENN_ALERT_DECRYPT_ERROR, .wrong_binder = true},
		{"binders and identities differ", ENN_ALERT_ILLEGAL_PARAMETER,
		 .extra_binder = true},
		{"no shared application protocol", ENN_ALERT_NO_APPLICATION_PROTOCOL, .alpn = "zz"},
		{"trailing byte", ENN_ALERT_DECODE_ERROR, .trailing = true},
	};
	uint8_t buf[1024];

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(table); i++) {
		struct enn_engine *e = make_engine(true);
		size_t len = make_hello(buf, sizeof(buf), &table[i]);
		print_message("# %s\n", table[i].name);
		expect_alert(e, buf, len, table[i].alert);
		enn_engine_free(e);
	}
}

static void test_truncated_hellos(void **state)
{
	static const struct hello good = {.name = "good"};
	uint8_t buf[1024];
	uint8_t cut[1024];
	size_t len = make_hello(buf, sizeof(buf), &good);

	(void)state;
	/* a message cut short with its lengths made right again must be a decode error, wherever the cut is */
	for (size_t n = 9; n < len; n++) {
		struct enn_writer w = enn_writer_of(cut, sizeof(cut));
		struct enn_engine *e = make_engine(true);
		enn_write_bytes(&w, buf, 3);
		enn_write_u16(&w, (uint16_t)(n - 5));
		enn_write_u8(&w, ENN_HS_CLIENT_HELLO);
		enn_write_u24(&w, (uint32_t)(n - 9));
		enn_write_bytes(&w, buf + 9, n - 9);
		struct enn_packet packet = {.data = cut, .len = enn_writer_len(&w)};
		struct enn_event event;
		assert_int_equal(enn_engine_ingest(e, 0, NULL, &packet, 1), ENN_OK);
		enn_engine_next_event(e, 0, &event);
		assert_int_equal(event.type, ENN_EVENT_FAILED);
		bool no_extensions = n == 9 + 2 + 32 + 1 + 4 + 2; /* then it is an old client's */
		assert_int_equal(event.u.error.wire_code, no_extensions ? ENN_ALERT_PROTOCOL_VERSION
									: ENN_ALERT_DECODE_ERROR);
		enn_engine_free(e);
	}
}

static void test_wrong_records(void **state)
{
	static const struct {
		const char *name;
		unsigned alert;
		uint8_t bytes[12];
		size_t len;
	} table[] = {
		{"HTTP", ENN_ALERT_UNEXPECTED_MESSAGE, "GET / HTTP", 10},
		{"SSLv2", ENN_ALERT_UNEXPECTED_MESSAGE, {0x80, 0x2e, 1, 3, 1, 0, 0x15}, 7},
		{"too long", ENN_ALERT_RECORD_OVERFLOW, {22, 3, 1, 0x40, 1}, 5},
		{"empty handshake record", ENN_ALERT_UNEXPECTED_MESSAGE, {22, 3, 1, 0, 0}, 5},
		{"early change_cipher_spec", ENN_ALERT_UNEXPECTED_MESSAGE, {20, 3, 3, 0, 1, 1}, 6},
		{"application data first", ENN_ALERT_UNEXPECTED_MESSAGE, {23, 3, 3, 0, 1, 1}, 6},
		{"Finished first", ENN_ALERT_UNEXPECTED_MESSAGE, {22, 3, 3, 0, 4, 20, 0, 0, 0}, 9},
		{"huge message", ENN_ALERT_DECODE_ERROR, {22, 3, 3, 0, 4, 1, 0xff, 0, 0}, 9},
		{"long alert", ENN_ALERT_DECODE_ERROR, {21, 3, 3, 0, 3, 2, 40, 0}, 8},
		{"empty alert", ENN_ALERT_UNEXPECTED_MESSAGE, {21, 3, 3, 0, 0}, 5},
	};

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(table); i++) {
		uint8_t bytes[12];
		struct enn_engine *e = make_engine(true);
		memcpy(bytes, table[i].bytes, sizeof(bytes));
		print_message("# %s\n", table[i].name);
		expect_alert(e, bytes, table[i].len, table[i].alert);
		enn_engine_free(e);
	}
}

/* ---- the client --------------------------------------------------------------------------------- */

struct answer {
	const char *name;
	unsigned alert;
	uint16_t version;
	uint16_t legacy_version;
	uint16_t suite;
	uint16_t group;
	bool no_version;
	bool no_share;
	bool wrong_echo;
	bool retry;
	bool same_group; /* a retry for a share that was sent */
	bool psk_index;
	bool unknown;
	uint8_t compression;
	size_t share_len;
};

static size_t make_answer(uint8_t *buf, size_t cap, const struct answer *a, struct enn_bytes echo)
{
	struct enn_writer w = enn_writer_of(buf, cap);
	uint8_t random[32] = {3};
	uint8_t key[65] = {4};
	uint16_t group = a->group ? a->group : 0x001d;

	enn_write_u8(&w, 22);
	enn_write_u16(&w, 0x0303);
	size_t record = enn_write_begin(&w, 2);
	enn_write_u8(&w, ENN_HS_SERVER_HELLO);
	size_t body = enn_write_begin(&w, 3);
	enn_write_u16(&w, a->legacy_version ? a->legacy_version : ENN_TLS_1_2);
	enn_write_bytes(&w, a->retry ? enn_hello_retry_random : random, 32);
	enn_write_vector(&w, 1, echo.data, a->wrong_echo ? echo.len - 1 : echo.len);
	enn_write_u16(&w, a->suite ? a->suite : 0x1301);
	enn_write_u8(&w, a->compression);
	size_t list = enn_write_begin(&w, 2);
	if (!a->no_version) {
		enn_write_u16(&w, ENN_EXT_SUPPORTED_VERSIONS);
		enn_write_u16(&w, 2);
		enn_write_u16(&w, a->version ? a->version : ENN_TLS_1_3);
	}
	if (a->retry && !a->no_share) {
		enn_write_u16(&w, ENN_EXT_KEY_SHARE);
		enn_write_u16(&w, 2);
		enn_write_u16(&w, group);
	} else if (!a->no_share) {
		enn_write_u16(&w, ENN_EXT_KEY_SHARE);
		size_t data = enn_write_begin(&w, 2);
		enn_write_u16(&w, group);
		enn_write_vector(&w, 2, key, a->share_len ? a->share_len : 32);
		enn_write_end(&w, data, 2);
	}
	if (a->psk_index) {
		extension(&w, ENN_EXT_PRE_SHARED_KEY, "\x00\x07", 2);
	}
	if (a->unknown) {
		extension(&w, 0x1234, NULL, 0);
	}
	enn_write_end(&w, list, 2);
	enn_write_end(&w, body, 3);
	enn_write_end(&w, record, 2);
	assert_true(enn_writer_ok(&w));
	return enn_writer_len(&w);
}

static void test_server_hellos(void **state)
{
	static const struct answer table[] = {
		{"TLS 1.2 server", ENN_ALERT_PROTOCOL_VERSION, .no_version = true,
		 .no_share = true},
		{"version not offered", ENN_ALERT_ILLEGAL_PARAMETER, .version = 0x0305},
		{"legacy version", ENN_ALERT_ILLEGAL_PARAMETER, .legacy_version = 0x0302},
		{"suite not offered", ENN_ALERT_ILLEGAL_PARAMETER, .suite = 0x1304},
		{"GREASE suite", ENN_ALERT_ILLEGAL_PARAMETER, .suite = 0x0a0a},
		{"group not shared", ENN_ALERT_ILLEGAL_PARAMETER, .group = 0x0018},
		{"short share", ENN_ALERT_ILLEGAL_PARAMETER, .share_len = 31},
		{"neither share nor psk", ENN_ALERT_MISSING_EXTENSION, .no_share = true},
		{"wrong echo", ENN_ALERT_ILLEGAL_PARAMETER, .wrong_echo = true},
		{"compression", ENN_ALERT_ILLEGAL_PARAMETER, .compression = 1},
		{"psk out of range", ENN_ALERT_ILLEGAL_PARAMETER, .psk_index = true},
		{"unknown extension", ENN_ALERT_UNSUPPORTED_EXTENSION, .unknown = true},
		{"empty retry", ENN_ALERT_ILLEGAL_PARAMETER, .retry = true, .no_share = true},
		{"retry for a share sent", ENN_ALERT_ILLEGAL_PARAMETER, .retry = true},
		{"retry for a group not offered", ENN_ALERT_ILLEGAL_PARAMETER, .retry = true,
		 .group = 0x0100},
	};
	uint8_t hello[2048];
	uint8_t buf[1024];

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(table); i++) {
		struct enn_engine *e = make_engine(false);
		struct enn_batch batch = {.buf = hello, .cap = sizeof(hello)};
		struct enn_client_hello ch;
		struct enn_fault fault;
		assert_int_equal(enn_engine_transmit(e, 0, &batch), ENN_OK);
		struct enn_bytes body = {hello + 9, batch.len - 9};
		assert_true(enn_parse_client_hello(body, false, &ch, &fault));
		assert_int_equal(ch.session_id.len, 32);
		size_t len = make_answer(buf, sizeof(buf), &table[i], ch.session_id);
		print_message("# %s\n", table[i].name);
		expect_alert(e, buf, len, table[i].alert);
		enn_engine_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_hellos),
		cmocka_unit_test(test_truncated_hellos),
		cmocka_unit_test(test_wrong_records),
		cmocka_unit_test(test_server_hellos),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
