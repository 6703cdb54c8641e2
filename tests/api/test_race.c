/* SPDX-License-Identifier: Apache-2.0
 *
 * Happy Eyeballs (RFC 8305) with a clock and a network that the test makes up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "taps/race.h"

#define MS ENN_MILLISECOND

static struct enn_address v6(uint8_t last)
{
	struct enn_address a = {.family = ENN_FAMILY_IPV6, .port = 443};

	a.ip[0] = 0x20;
	a.ip[15] = last;
	return a;
}

static struct enn_address v4(uint8_t last)
{
	struct enn_address a = {.family = ENN_FAMILY_IPV4, .port = 443};

	a.ip[0] = 192;
	a.ip[3] = last;
	return a;
}

static void begin(struct enn_race *r)
{
	enn_race_init(r, 250 * MS, 50 * MS, 16);
	enn_race_expect(r, 0, ENN_FAMILY_IPV6);
	enn_race_expect(r, 0, ENN_FAMILY_IPV4);
}

static void add6(struct enn_race *r, enn_time now, uint8_t first, size_t n)
{
	struct enn_address a[32];

	for (size_t i = 0; i < n; i++) {
		a[i] = v6((uint8_t)(first + i));
	}
	enn_race_add(r, now, 0, ENN_FAMILY_IPV6, a, n);
}

static void add4(struct enn_race *r, enn_time now, uint8_t first, size_t n)
{
	struct enn_address a[32];

	for (size_t i = 0; i < n; i++) {
		a[i] = v4((uint8_t)(first + i));
	}
	enn_race_add(r, now, 0, ENN_FAMILY_IPV4, a, n);
}

static void expect_start(struct enn_race *r, enn_time now, struct enn_address wanted, size_t *index)
{
	size_t i = 99;

	assert_true(enn_race_start(r, now, &i));
	assert_int_equal(r->candidate[i].address.family, wanted.family);
	assert_memory_equal(r->candidate[i].address.ip, wanted.ip, 16);
	if (index != NULL) {
		*index = i;
	}
}

static void expect_none(struct enn_race *r, enn_time now)
{
	size_t i;

	assert_false(enn_race_start(r, now, &i));
}

/* §4: the families alternate, beginning with IPv6, one attempt every 250 ms. */
static void test_order_and_stagger(void **state)
{
	struct enn_race r;

	(void)state;
	begin(&r);
	assert_int_equal(enn_race_deadline(&r), ENN_TIME_NEVER);
	add6(&r, 1000 * MS, 1, 3);
	add4(&r, 1000 * MS, 1, 2);
	expect_start(&r, 1000 * MS, v6(1), NULL);
	expect_none(&r, 1000 * MS);
	assert_int_equal(enn_race_deadline(&r), 1250 * MS);
	expect_none(&r, 1249 * MS);
	expect_start(&r, 1250 * MS, v4(1), NULL);
	expect_start(&r, 1500 * MS, v6(2), NULL);
	expect_start(&r, 1750 * MS, v4(2), NULL);
	expect_start(&r, 2000 * MS, v6(3), NULL);
	assert_int_equal(enn_race_deadline(&r), ENN_TIME_NEVER);
	expect_none(&r, 9999 * MS);
	assert_false(enn_race_over(&r));
}

/* §5: a failure starts the next at once, whatever else still runs. */
static void test_failure_starts_next(void **state)
{
	struct enn_race r;
	size_t first;
	size_t second;

	(void)state;
	begin(&r);
	add6(&r, 0, 1, 2);
	add4(&r, 0, 1, 1);
	expect_start(&r, 0, v6(1), &first);
	expect_start(&r, 250 * MS, v4(1), &second);
	enn_race_failed(&r, 300 * MS, second);
	expect_start(&r, 300 * MS, v6(2), NULL);
	enn_race_failed(&r, 310 * MS, first);
	enn_race_failed(&r, 310 * MS, first); /* once is enough */
	assert_int_equal(r.running, 1);
	assert_false(enn_race_over(&r));
}

/* §3: IPv4 came first: it waits 50 ms for IPv6. */
static void test_resolution_delay(void **state)
{
	struct enn_race r;

	(void)state;
	begin(&r);
	add4(&r, 100 * MS, 1, 1);
	expect_none(&r, 100 * MS);
	assert_int_equal(enn_race_deadline(&r), 150 * MS);
	add6(&r, 120 * MS, 1, 1);
	expect_start(&r, 120 * MS, v6(1), NULL);
	expect_start(&r, 370 * MS, v4(1), NULL);

	begin(&r);
	add4(&r, 100 * MS, 1, 2);
	expect_none(&r, 149 * MS);
	expect_start(&r, 150 * MS, v4(1), NULL);
	/* what comes late takes its turn */
	add6(&r, 160 * MS, 1, 1);
	expect_none(&r, 399 * MS);
	expect_start(&r, 400 * MS, v6(1), NULL);
	expect_start(&r, 650 * MS, v4(2), NULL);
}

/* §3: a negative answer for IPv6 ends the wait, and IPv6 alone never waits for IPv4. */
static void test_resolution_answers(void **state)
{
	struct enn_race r;

	(void)state;
	begin(&r);
	add4(&r, 0, 1, 1);
	expect_none(&r, 10 * MS);
	add6(&r, 20 * MS, 0, 0);
	expect_start(&r, 20 * MS, v4(1), NULL);

	begin(&r);
	add6(&r, 0, 1, 1);
	expect_start(&r, 0, v6(1), NULL);
	assert_false(enn_race_over(&r));
	add4(&r, 10 * MS, 0, 0);
	enn_race_failed(&r, 20 * MS, 0);
	assert_true(enn_race_over(&r));

	begin(&r);
	add6(&r, 0, 0, 0);
	assert_false(enn_race_over(&r));
	add4(&r, 0, 0, 0);
	assert_true(enn_race_over(&r));
	expect_none(&r, 0);
}

/* A failed attempt does not bring the hold of the first attempt back. */
static void test_no_hold_later(void **state)
{
	struct enn_race r;
	size_t first;

	(void)state;
	begin(&r);
	add4(&r, 0, 1, 2);
	expect_start(&r, 50 * MS, v4(1), &first);
	enn_race_failed(&r, 51 * MS, first);
	expect_start(&r, 51 * MS, v4(2), NULL);
}

/* Remote endpoints go in their order; an earlier one that is being looked up is waited for as IPv6
 * is. */
static void test_groups(void **state)
{
	struct enn_race r;
	struct enn_address a = v4(1);
	struct enn_address b = v6(2);

	(void)state;
	enn_race_init(&r, 250 * MS, 50 * MS, 16);
	enn_race_expect(&r, 0, ENN_FAMILY_IPV6);
	enn_race_expect(&r, 0, ENN_FAMILY_IPV4);
	enn_race_add(&r, 0, 1, ENN_FAMILY_IPV6, &b, 1);
	expect_none(&r, 49 * MS);
	enn_race_add(&r, 10 * MS, 0, ENN_FAMILY_IPV4, &a, 1);
	enn_race_add(&r, 10 * MS, 0, ENN_FAMILY_IPV6, NULL, 0);
	expect_start(&r, 10 * MS, v4(1), NULL);
	expect_start(&r, 260 * MS, v6(2), NULL);
}

static void test_bounds(void **state)
{
	struct enn_race r;
	size_t n = 0;
	size_t i;

	(void)state;
	enn_race_init(&r, 1, 50 * MS, 4); /* §8: never less than 10 ms, never more than 2 s */
	assert_int_equal(r.attempt_delay, 10 * MS);
	enn_race_init(&r, 3600 * ENN_SECOND, 50 * MS, 4);
	assert_int_equal(r.attempt_delay, 2 * ENN_SECOND);
	add6(&r, 0, 1, 10);
	add4(&r, 0, 1, 10);
	assert_int_equal(r.count, 4);
	assert_int_equal(r.dropped, 16);
	for (enn_time t = 0; t < 60 * ENN_SECOND; t += ENN_SECOND) {
		n += enn_race_start(&r, t, &i);
	}
	assert_int_equal(n, 4);
	enn_race_init(&r, 250 * MS, 50 * MS, 1000);
	assert_int_equal(r.max, ENN_RACE_MAX);
	add6(&r, 0, 1, 2);
	add6(&r, 0, 1, 3); /* two of these are known */
	assert_int_equal(r.count, 3);
}

/* Whatever fails whenever: every address is tried once, never two within the delay unless one
 * failed, and the race ends. */
static void test_random_runs(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int run = 0; run < 2000; run++) {
		struct enn_race r;
		bool tried[ENN_RACE_MAX] = {false};
		enn_time last_start = 0;
		bool failed_since = true;
		enn_time now = 0;

		begin(&r);
		size_t n6 = seed % 5;
		size_t n4 = seed / 7 % 5;
		enn_time t6 = seed / 11 % 200 * MS;
		enn_time t4 = seed / 13 % 200 * MS;
		for (; !enn_race_over(&r); now += MS) {
			size_t i;
			if (now == t6) {
				add6(&r, now, 1, n6);
			}
			if (now == t4) {
				add4(&r, now, 1, n4);
			}
			while (enn_race_start(&r, now, &i)) {
				assert_false(tried[i]);
				tried[i] = true;
				assert_true(failed_since || now - last_start >= 250 * MS);
				last_start = now;
				failed_since = false;
			}
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (r.running > 0 && seed % 100 == 0) {
				for (i = 0; r.candidate[i].state != ENN_RACE_RUNNING; i++) {
				}
				enn_race_failed(&r, now, i);
				failed_since = true;
			}
			assert_true(now < 100 * ENN_SECOND);
		}
		for (size_t i = 0; i < n4 + n6; i++) {
			assert_true(tried[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_stagger),
		cmocka_unit_test(test_failure_starts_next),
		cmocka_unit_test(test_resolution_delay),
		cmocka_unit_test(test_resolution_answers),
		cmocka_unit_test(test_no_hold_later),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_random_runs),
	};

	return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
