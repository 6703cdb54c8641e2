/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps replays and floods out: the sliding window (RFC 6479) and the token buckets by
 * address.
 */
#include "support.h"

#include "features/rate_limit.h"
#include "features/replay.h"

static struct test_env t;

static int open_env(void **state)
{
	(void)state;
	test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
	return 0;
}

static int close_env(void **state)
{
	(void)state;
	test_env_close(&t);
	return 0;
}

/* ---- the window -------------------------------------------------------------------------------- */

#define WORDS 4
#define REACH ((WORDS - 1) * 64)

static void once_and_not_too_late(void **state)
{
	uint64_t bits[WORDS] = {0};
	struct enn_replay w = {.bits = bits, .words = WORDS};
	(void)state;

	assert_true(enn_replay_accept(&w, 0));
	assert_false(enn_replay_fresh(&w, 0));
	assert_false(enn_replay_accept(&w, 0));
	assert_true(enn_replay_accept(&w, REACH));
	assert_false(enn_replay_fresh(&w, 0));
	assert_true(enn_replay_accept(&w, 1));
	assert_true(enn_replay_accept(&w, REACH + 1));
	assert_false(enn_replay_accept(&w, 1));
	assert_true(enn_replay_accept(&w, 2));
	assert_true(enn_replay_accept(&w, UINT64_MAX - 1));
	assert_false(enn_replay_accept(&w, UINT64_MAX - 1 - REACH));
	assert_true(enn_replay_accept(&w, UINT64_MAX - REACH));
}

/* The last of all counters is refused: after it the window could not tell new from old. */
static void the_last_counter(void **state)
{
	uint64_t bits[WORDS] = {0};
	struct enn_replay w = {.bits = bits, .words = WORDS};
	(void)state;

	assert_true(enn_replay_accept(&w, UINT64_MAX - 1));
	assert_false(enn_replay_fresh(&w, UINT64_MAX));
	assert_false(enn_replay_accept(&w, UINT64_MAX));
	assert_false(enn_replay_fresh(&w, UINT64_MAX - 1));
	assert_false(enn_replay_accept(&w, 0));
}

/* Every counter in a range, in a random order with repetitions: the same as a set with a rule. */
static void as_a_set_would(void **state)
{
	static bool seen[20000];
	uint64_t bits[WORDS] = {0};
	struct enn_replay w = {.bits = bits, .words = WORDS};
	uint64_t seed = test_seed();
	uint64_t highest = 0;
	bool any = false;
	(void)state;

	memset(seen, 0, sizeof(seen));
	for (uint64_t at = 0; at < 19000; at += test_random(&seed) % 4) {
		uint64_t jump = test_random(&seed) % 64 == 0 ? test_random(&seed) % 900 : 0;
		uint64_t back = test_random(&seed) % (2 * REACH);
		uint64_t counter = at + jump < back ? 0 : at + jump - back;
		bool late = any && highest + 1 > REACH && counter < highest + 1 - REACH;
		bool fresh = !seen[counter] && !late;
		assert_int_equal(enn_replay_fresh(&w, counter), fresh);
		assert_int_equal(enn_replay_accept(&w, counter), fresh);
		if (fresh) {
			seen[counter] = true;
			highest = !any || counter > highest ? counter : highest;
			any = true;
		}
	}
}

/* ---- buckets ----------------------------------------------------------------------------------- */

static const uint8_t seed_key[16] = {1, 2, 3};

static struct enn_address ipv4(uint32_t number)
{
	return (struct enn_address){.ip = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
					   (uint8_t)(number >> 8), (uint8_t)number},
				    .family = ENN_FAMILY_IPV4,
				    .port = (uint16_t)number};
}

static void a_burst_and_a_rate(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 20, .burst = 5, .places = 100};
	struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
	struct enn_address a = ipv4(1);
	enn_time now = 1000 * ENN_SECOND;
	unsigned taken = 0;
	(void)state;

	assert_non_null(r);
	for (int i = 0; i < 10; i++) {
		taken += enn_rate_limit_take(r, now, &a);
	}
	assert_int_equal(taken, 5);
	for (int ms = 0; ms < 10000; ms++) {
		now += ENN_MILLISECOND;
		a.port++; /* ports do not make another address */
		taken += enn_rate_limit_take(r, now, &a);
	}
	assert_in_range(taken, 204, 206);
	enn_rate_limit_free(r);
}

static void one_source_takes_no_memory_again(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 10, .burst = 5, .places = 50};
	struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
	struct enn_address a = ipv4(1);
	(void)state;

	assert_non_null(r);
	assert_true(enn_rate_limit_take(r, ENN_SECOND, &a));
	size_t calls = t.calls;
	for (enn_time s = 2; s < 100; s++) {
		assert_true(enn_rate_limit_take(r, s * ENN_SECOND, &a));
	}
	assert_int_equal(t.calls, calls);
	enn_rate_limit_free(r);
}

static void a_rate_of_nothing_allows_nothing(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 0, .burst = 5, .places = 100};
	struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
	const struct enn_address a = ipv4(1);
	(void)state;

	assert_non_null(r);
	size_t calls = t.calls;
	for (enn_time s = 0; s < 10; s++) {
		assert_false(enn_rate_limit_take(r, s * ENN_SECOND, &a));
	}
	assert_int_equal(t.calls, calls); /* nor is anything remembered */
	enn_rate_limit_free(r);
}

static void an_ipv6_network_is_one(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 1, .burst = 1, .places = 100};
	struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
	struct enn_address a = {.ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1}, .family = ENN_FAMILY_IPV6};
	(void)state;

	assert_true(enn_rate_limit_take(r, ENN_SECOND, &a));
	a.ip[15] = 9;
	assert_false(enn_rate_limit_take(r, ENN_SECOND, &a));
	a.ip[7] = 2;
	assert_true(enn_rate_limit_take(r, ENN_SECOND, &a));
	enn_rate_limit_free(r);
	enn_rate_limit_free(NULL);
}

static void the_table_is_bounded_and_shrinks(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 10, .burst = 5, .places = 50};
	struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
	enn_time now = ENN_SECOND;
	(void)state;

	for (uint32_t i = 0; i < 1000; i++) {
		struct enn_address a = ipv4(i);
		assert_int_equal(enn_rate_limit_take(r, now, &a), i < 50);
	}
	/* One that is known is still served. */
	struct enn_address known = ipv4(7);
	assert_true(enn_rate_limit_take(r, now, &known));
	size_t full = t.live_bytes;
	now += ENN_SECOND;
	for (uint32_t i = 0; i < 200; i++) {
		struct enn_address a = ipv4(5000 + i);
		assert_true(enn_rate_limit_take(r, now, &a));
		now += ENN_SECOND;
	}
	assert_true(t.live_bytes < full);
	enn_rate_limit_free(r);
}

static void without_memory_it_refuses(void **state)
{
	const struct enn_rate_policy policy = {.per_second = 10, .burst = 5, .places = 50};
	(void)state;

	for (size_t n = 1; n < 8; n++) {
		struct enn_address a = ipv4(1);
		t.fail_at = t.calls + n;
		struct enn_rate_limit *r = enn_rate_limit_new(&t.env, &policy, seed_key);
		bool taken = r != NULL && enn_rate_limit_take(r, ENN_SECOND, &a);
		bool again = r != NULL && enn_rate_limit_take(r, ENN_SECOND, &a);
		t.fail_at = 0;
		assert_true(r == NULL ? !taken : taken || again || n < 5);
		assert_true(r == NULL || enn_rate_limit_take(r, ENN_SECOND, &a));
		enn_rate_limit_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_and_not_too_late),
		cmocka_unit_test(the_last_counter),
		cmocka_unit_test(as_a_set_would),
		cmocka_unit_test_setup_teardown(a_burst_and_a_rate, open_env, close_env),
		cmocka_unit_test_setup_teardown(one_source_takes_no_memory_again, open_env,
						close_env),
		cmocka_unit_test_setup_teardown(a_rate_of_nothing_allows_nothing, open_env,
						close_env),
		cmocka_unit_test_setup_teardown(an_ipv6_network_is_one, open_env, close_env),
		cmocka_unit_test_setup_teardown(the_table_is_bounded_and_shrinks, open_env,
						close_env),
		cmocka_unit_test_setup_teardown(without_memory_it_refuses, open_env, close_env),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
