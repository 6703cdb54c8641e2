/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data: the edges of the freshness window, replays, restarts, a full store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ennead/env.h"
#include "features/early_data.h"

#define MS	  ((int64_t)ENN_MILLISECOND)
#define WINDOW_MS 10000
#define WINDOW	  (WINDOW_MS * MS)
#define START	  (1700000000 * (int64_t)ENN_SECOND)
#define ISSUED	  (START + 5 * MS)
#define AGE_MS	  60000u
#define EXPECTED  (ISSUED + AGE_MS * MS)

/* In use since START, as if it had sealed a ticket then. */
static struct enn_security *server(size_t max_entries)
{
	struct enn_security *s = enn_security_new();
	struct enn_session_store *store = enn_session_store_new(max_entries);
	uint8_t key[64] = {1};

	assert_non_null(s);
	assert_non_null(store);
	assert_int_equal(enn_security_set_session_store(s, store), ENN_OK);
	enn_session_store_free(store);
	assert_int_equal(enn_security_ticket_key(s, key, sizeof(key), START), ENN_OK);
	assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_EARLY_DATA_WINDOW, WINDOW_MS),
			 ENN_OK);
	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);
	enn_security_free(s);
	return s;
}

static enum enn_early_data_verdict check(struct enn_security *s, int64_t now, uint32_t unique)
{
	return enn_early_data_check(s, now, ISSUED, AGE_MS, (const uint8_t *)&unique,
				    sizeof(unique));
}

static void test_window(void **state)
{
	struct enn_security *s = server(16);
	(void)state;

	assert_int_equal(check(s, EXPECTED, 1), ENN_EARLY_DATA_FRESH);
	assert_int_equal(check(s, EXPECTED + WINDOW, 2), ENN_EARLY_DATA_FRESH);
	assert_int_equal(check(s, EXPECTED + WINDOW + 1, 3), ENN_EARLY_DATA_STALE);
	assert_int_equal(check(s, EXPECTED - WINDOW, 4), ENN_EARLY_DATA_FRESH);
	assert_int_equal(check(s, EXPECTED - WINDOW - 1, 5), ENN_EARLY_DATA_STALE);
	/* What was stale left no record. */
	assert_int_equal(check(s, EXPECTED + WINDOW, 3), ENN_EARLY_DATA_FRESH);
	enn_security_free(s);
}

/* A copy is refused at every moment at which it would be fresh, and after that it is stale. */
static void test_replay(void **state)
{
	(void)state;

	for (int64_t first = -WINDOW; first <= WINDOW; first += WINDOW / 5) {
		struct enn_security *s = server(16);
		assert_int_equal(check(s, EXPECTED + first, 7), ENN_EARLY_DATA_FRESH);
		for (int64_t again = first; again <= WINDOW; again += WINDOW / 50) {
			assert_int_equal(check(s, EXPECTED + again, 7), ENN_EARLY_DATA_REPLAYED);
		}
		assert_int_equal(check(s, EXPECTED + WINDOW, 7), ENN_EARLY_DATA_REPLAYED);
		assert_int_equal(check(s, EXPECTED + WINDOW + 1, 7), ENN_EARLY_DATA_STALE);
		assert_int_equal(check(s, EXPECTED + WINDOW, 8), ENN_EARLY_DATA_FRESH);
		enn_security_free(s);
	}
}

static void test_full(void **state)
{
	struct enn_security *s = server(3);
	(void)state;

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(check(s, EXPECTED, i), ENN_EARLY_DATA_FRESH);
	}
	assert_int_equal(check(s, EXPECTED, 3), ENN_EARLY_DATA_REPLAYED);
	assert_int_equal(enn_session_store_count(s->store), 3);
	/* When the records are no longer needed there is room again. */
	uint32_t unique = 4;
	assert_int_equal(enn_early_data_check(s, EXPECTED + WINDOW + 1, ISSUED, AGE_MS + WINDOW_MS,
					      (const uint8_t *)&unique, 4),
			 ENN_EARLY_DATA_FRESH);
	enn_security_free(s);
}

/* RFC 8446 §8.2: a process with the same key ran before, and its records are lost. */
static void test_restart(void **state)
{
	static const struct {
		int64_t issued; /* relative to START */
		int64_t age;	/* ms */
		enum enn_early_data_verdict verdict;
	} want[] = {
		{0, 0, ENN_EARLY_DATA_FRESH}, /* issued by this process */
		{-1, 0, ENN_EARLY_DATA_REPLAYED},
		{-100 * MS, WINDOW_MS / 2, ENN_EARLY_DATA_REPLAYED},
		{-100 * MS, WINDOW_MS + 100, ENN_EARLY_DATA_REPLAYED}, /* the last one possible */
		{-100 * MS, WINDOW_MS + 101, ENN_EARLY_DATA_FRESH},
		{-3600 * 1000 * MS, 3600 * 1000 + 2 * WINDOW_MS, ENN_EARLY_DATA_FRESH},
	};
	struct enn_security *s = server(16);
	(void)state;

	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		int64_t issued = START + want[i].issued;
		int64_t now = issued + want[i].age * MS;
		assert_int_equal(enn_early_data_check(s, now, issued, (uint32_t)want[i].age,
						      (const uint8_t *)&i, sizeof(i)),
				 want[i].verdict);
	}
	enn_security_free(s);
}

static void test_extremes(void **state)
{
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1,	    0,
					1,	   INT64_MAX - 1, INT64_MAX};
	static const uint32_t ages[] = {0, 1, UINT32_MAX};
	struct enn_security *s = server(1000);
	uint32_t unique = 0;
	(void)state;

	for (size_t now = 0; now < 7; now++) {
		for (size_t issued = 0; issued < 7; issued++) {
			for (size_t age = 0; age < 3; age++) {
				unique++;
				enum enn_early_data_verdict v = enn_early_data_check(
					s, times[now], times[issued], ages[age],
					(const uint8_t *)&unique, sizeof(unique));
				bool far = (times[now] < 0) != (times[issued] < 0) &&
					   (now < 2 || now > 4 || issued < 2 || issued > 4);
				assert_true(!far || v != ENN_EARLY_DATA_FRESH);
			}
		}
	}
	enn_security_free(s);
}

static void test_no_window(void **state)
{
	struct enn_security *s = enn_security_new();
	uint8_t key[64] = {1}, unique = 1;
	(void)state;

	assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_EARLY_DATA_WINDOW, 0), ENN_OK);
	assert_int_equal(enn_security_ticket_key(s, key, sizeof(key), START), ENN_OK);
	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);
	assert_int_equal(enn_early_data_check(s, EXPECTED + 1, ISSUED, AGE_MS, &unique, 1),
			 ENN_EARLY_DATA_STALE);
	assert_int_equal(enn_early_data_check(s, EXPECTED, ISSUED, AGE_MS, &unique, 1),
			 ENN_EARLY_DATA_FRESH);
	assert_int_equal(enn_early_data_check(s, EXPECTED, ISSUED, AGE_MS, &unique, 1),
			 ENN_EARLY_DATA_REPLAYED);
	enn_security_free(s);
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),	 cmocka_unit_test(test_replay),
		cmocka_unit_test(test_full),	 cmocka_unit_test(test_restart),
		cmocka_unit_test(test_extremes), cmocka_unit_test(test_no_window),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
