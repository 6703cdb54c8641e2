/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation, buffers, wiping, errors and log lines.
 */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "support.h"

static int open_env(void **state)
{
	static struct test_env t;
	test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
	*state = &t;
	return 0;
}

static int close_env(void **state)
{
	test_env_close(*state);
	return 0;
}

static void test_alloc_zeroed(void **state)
{
	struct test_env *t = *state;
	static const uint8_t zeros[100];
	uint8_t *p = enn_alloc(&t->env, 100);

	assert_memory_equal(p, zeros, 100);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_int_equal(t->live_bytes, 100);
	enn_free_secret(&t->env, p, 100);
	void *none = enn_alloc(&t->env, 0);
	assert_non_null(none);
	enn_free(&t->env, none, 0);
	enn_free(&t->env, NULL, 10);
	enn_free_secret(&t->env, NULL, 10);
	assert_int_equal(t->live_bytes, 0);
}

static void test_alloc_default(void **state)
{
	const struct enn_env plain = {.crypto = NULL};
	uint8_t *p = enn_alloc(&plain, 40);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p[0] | p[39], 0);
	enn_free_secret(&plain, p, 40);
	p = enn_alloc_aligned(&plain, 4096, 10);
	assert_int_equal((uintptr_t)p % 4096, 0);
	enn_free_aligned_secret(&plain, p, 4096, 10);
}

static void test_alloc_aligned(void **state)
{
	struct test_env *t = *state;

	for (size_t align = 1; align <= 4096; align *= 2) {
		uint8_t *p = enn_alloc_aligned(&t->env, align, 33);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % align, 0);
		memset(p, 0xff, 33);
		enn_free_aligned_secret(&t->env, p, align, 33);
		assert_int_equal(t->live_bytes, 0);
	}
	assert_null(enn_alloc_aligned(&t->env, 64, SIZE_MAX - 8));
	enn_free_aligned_secret(&t->env, NULL, 64, 1);
	t->fail_at = t->calls + 1;
	assert_null(enn_alloc_aligned(&t->env, 64, 1));
}

static void test_secrets(void **state)
{
	uint8_t a[32];
	uint8_t b[32];

	(void)state;
	memset(a, 7, sizeof(a));
	memset(b, 7, sizeof(b));
	assert_true(enn_equal_secret(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(enn_equal_secret(a, b, sizeof(a)));
		assert_true(enn_equal_secret(a, b, i));
		b[i] ^= 0x80;
	}
	enn_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	enn_wipe(NULL, 0);
}

static int broken_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	(void)out;
	(void)len;
	return 1;
}

static void test_random_sources(void **state)
{
	struct test_env *t = *state;
	static uint8_t a[100000];
	static uint8_t b[100000];

	assert_int_equal(enn_random(&t->env, a, sizeof(a)), ENN_OK);
	assert_int_equal(enn_random(&t->env, b, sizeof(b)), ENN_OK);
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(a + sizeof(a) - 32, b + sizeof(b) - 32, 32);
	test_env_seed(t, 5, NULL, 0);
	assert_int_equal(enn_random(&t->env, a, 64), ENN_OK);
	test_env_seed(t, 5, NULL, 0);
	assert_int_equal(enn_random(&t->env, b, 64), ENN_OK);
	assert_memory_equal(a, b, 64);
	t->env.random = broken_random;
	assert_int_equal(enn_random(&t->env, a, 1), ENN_E_CRYPTO);
	t->env.random = NULL;
}

static void test_buffer_queue(void **state)
{
	struct test_env *t = *state;
	struct enn_buffer b = {.mem = NULL};
	uint8_t byte = 0;
	uint8_t expect = 0;

	assert_int_equal(enn_buffer_len(&b), 0);
	assert_null(enn_buffer_data(&b));
	assert_int_equal(enn_buffer_append(&b, &t->env, NULL, 0), ENN_OK);
	/* In at the tail in sevens, out at the head in fives, over many growths and moves. */
	for (int round = 0; round < 2000; round++) {
		uint8_t seven[7];
		for (size_t i = 0; i < sizeof(seven); i++) {
			seven[i] = byte++;
		}
		assert_int_equal(enn_buffer_append(&b, &t->env, seven, sizeof(seven)), ENN_OK);
		for (size_t i = 0; i < 5; i++) {
			assert_int_equal(enn_buffer_data(&b)[i], (uint8_t)(expect + i));
		}
		enn_buffer_consume(&b, 5);
		expect = (uint8_t)(expect + 5);
	}
	assert_int_equal(enn_buffer_len(&b), 4000);
	while (enn_buffer_len(&b) > 0) {
		assert_int_equal(enn_buffer_data(&b)[0], expect++);
		enn_buffer_consume(&b, 1);
	}
	assert_int_equal(b.head, 0);
	enn_buffer_clear(&b, &t->env);
	assert_int_equal(t->live_bytes, 0);
	assert_int_equal(b.cap, 0);
	enn_buffer_clear(&b, &t->env);
}

static void test_buffer_steady(void **state)
{
	struct test_env *t = *state;
	struct enn_buffer b = {.mem = NULL};
	uint8_t packet[200] = {0};

	size_t calls = t->calls;

	/* A queue that is emptied as fast as it fills hardly grows and seldom allocates. */
	for (int round = 0; round < 1000; round++) {
		assert_int_equal(enn_buffer_append(&b, &t->env, packet, sizeof(packet)), ENN_OK);
		enn_buffer_consume(&b, round % 3 == 2 ? 200 : 199);
	}
	assert_true(b.cap <= 4096);
	assert_in_range(t->calls - calls, 1, 8);
	enn_buffer_clear(&b, &t->env);
}

static void test_buffer_reserve(void **state)
{
	struct test_env *t = *state;
	struct enn_buffer b = {.mem = NULL};

	assert_int_equal(enn_buffer_reserve(&b, &t->env, 1000), ENN_OK);
	assert_true(b.cap - b.tail >= 1000);
	memset(enn_buffer_tail(&b), 'x', 1000);
	enn_buffer_added(&b, 1000);
	assert_int_equal(enn_buffer_len(&b), 1000);
	enn_buffer_added(&b, SIZE_MAX); /* never past the end */
	assert_int_equal(b.tail, b.cap);
	enn_buffer_consume(&b, SIZE_MAX);
	assert_int_equal(enn_buffer_len(&b), 0);
	assert_int_equal(enn_buffer_reserve(&b, &t->env, SIZE_MAX), ENN_E_MEMORY);
	enn_buffer_clear(&b, &t->env);
}

static void test_buffer_no_memory(void **state)
{
	struct test_env *t = *state;
	struct enn_buffer b = {.mem = NULL};
	static const uint8_t big[1000];

	assert_int_equal(enn_buffer_append(&b, &t->env, "abc", 3), ENN_OK);
	t->fail_at = t->calls + 1;
	assert_int_equal(enn_buffer_append(&b, &t->env, big, sizeof(big)), ENN_E_MEMORY);
	assert_int_equal(enn_buffer_len(&b), 3);
	assert_memory_equal(enn_buffer_data(&b), "abc", 3);
	assert_int_equal(enn_buffer_append(&b, &t->env, big, sizeof(big)), ENN_OK);
	enn_buffer_clear(&b, &t->env);
	t->fail_at = 0;
}

static void test_error_set(void **state)
{
	struct enn_error e;
	char line[256];

	(void)state;
	assert_int_equal(enn_error_set(NULL, ENN_E_PARSE, ENN_REASON_NONE, "x", "y"), ENN_E_PARSE);
	assert_int_equal(enn_error_set(&e, ENN_E_AUTH, ENN_REASON_CERT_EXPIRED, "certificate",
				       "it expired %d days ago", 3),
			 ENN_E_AUTH);
	assert_int_equal(e.status, ENN_E_AUTH);
	assert_int_equal(e.reason, ENN_REASON_CERT_EXPIRED);
	assert_true(e.wire_code == ENN_NO_WIRE_CODE);
	assert_string_equal(enn_error_string(&e, line, sizeof(line)),
			    "it expired 3 days ago (certificate)");
	e.wire_code = 45;
	assert_string_equal(
		enn_error_string(&e, line, sizeof(line)),
		"it expired 3 days ago (certificate, sent alert 45 certificate_expired)");
	e.origin = ENN_ORIGIN_PEER;
	e.wire_code = 200;
	e.where = "";
	assert_string_equal(enn_error_string(&e, line, sizeof(line)),
			    "it expired 3 days ago (received alert 200)");
	e.wire_code = ENN_NO_WIRE_CODE;
	e.text[0] = '\0';
	assert_string_equal(enn_error_string(&e, line, sizeof(line)), "certificate has expired");
	assert_string_equal(enn_error_string(&e, line, 12), "certificate");
}

static void test_error_text_is_cut(void **state)
{
	struct enn_error e;
	char text[500];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)enn_error_set(&e, ENN_E_PARSE, ENN_REASON_NONE, NULL, "%s", text);
	assert_int_equal(strlen(e.text), ENN_ERROR_TEXT_MAX - 1);
	assert_non_null(e.where);
}

static void test_names(void **state)
{
	(void)state;
	for (int s = 0; s >= ENN_E_STALE; s--) {
		assert_int_equal(strncmp(enn_status_name((enum enn_status)s), "ENN_", 4), 0);
	}
	assert_string_equal(enn_status_name((enum enn_status)7), "unknown status");
	assert_string_equal(enn_status_name((enum enn_status) - 100), "unknown status");
	assert_string_equal(enn_reason_name(ENN_REASON_CERT_REVOKED),
			    "certificate has been revoked");
	assert_string_equal(enn_reason_name((enum enn_reason)20), "unknown reason");
	assert_string_equal(enn_reason_name((enum enn_reason)9999), "unknown reason");
	for (int r = ENN_REASON_CERT_EXPIRED; r <= ENN_REASON_SYSTEM; r++) {
		assert_string_not_equal(enn_reason_name((enum enn_reason)r), "unknown reason");
	}
}

static char last_line[600];
static void keep_line(void *ctx, enum enn_log_level level, const char *text)
{
	*(int *)ctx = (int)level;
	(void)snprintf(last_line, sizeof(last_line), "%s", text);
}

static void test_log(void **state)
{
	int level = -1;
	struct enn_env env = {.log = keep_line, .log_ctx = &level};
	char text[400];

	(void)state;
	enn_log(&env, ENN_LOG_WARNING, "%s %d", "answer", 42);
	assert_int_equal(level, ENN_LOG_WARNING);
	assert_string_equal(last_line, "answer 42");
	memset(text, 'b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	enn_log(&env, ENN_LOG_ERROR, "%s", text);
	assert_int_equal(strlen(last_line), 255);
	env.log = NULL;
	enn_log(&env, ENN_LOG_ERROR, "nobody hears this");
	assert_int_equal(strlen(last_line), 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alloc_zeroed, open_env, close_env),
		cmocka_unit_test(test_alloc_default),
		cmocka_unit_test_setup_teardown(test_alloc_aligned, open_env, close_env),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test_setup_teardown(test_random_sources, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_buffer_queue, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_buffer_steady, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_buffer_reserve, open_env, close_env),
		cmocka_unit_test_setup_teardown(test_buffer_no_memory, open_env, close_env),
		cmocka_unit_test(test_error_set),
		cmocka_unit_test(test_error_text_is_cut),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
