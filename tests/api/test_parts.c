/* SPDX-License-Identifier: Apache-2.0
 *
 * The small parts below the objects: handles, the queue, timers, buffers, addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/timers.h"
#include "ennead/taps.h"
#include "runtime/address.h"
#include "runtime/pool.h"
#include "taps/queue.h"
#include "taps/slots.h"

static const struct enn_env plain;

static uint64_t next_random(void)
{
	static uint64_t seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void test_slots(void **state)
{
	struct enn_slots s = {0};
	uint64_t id[1000];
	int object[1000];

	(void)state;
	assert_null(enn_slots_get(&s, 0));
	assert_null(enn_slots_get(&s, 1));
	for (size_t i = 0; i < 1000; i++) {
		id[i] = enn_slots_add(&s, &plain, &object[i]);
		assert_true(id[i] != 0);
	}
	assert_int_equal(s.count, 1000);
	for (size_t i = 0; i < 1000; i += 2) {
		enn_slots_remove(&s, id[i]);
		enn_slots_remove(&s, id[i]); /* the second time it is nobody's */
	}
	assert_int_equal(s.count, 500);
	for (size_t i = 0; i < 1000; i++) {
		assert_ptr_equal(enn_slots_get(&s, id[i]), i % 2 == 0 ? NULL : &object[i]);
	}
	/* a slot used again has another id; the old one stays stale */
	uint64_t again = enn_slots_add(&s, &plain, &object[0]);
	assert_ptr_equal(enn_slots_get(&s, again), &object[0]);
	for (size_t i = 0; i < 1000; i += 2) {
		assert_true(again != id[i]);
		assert_null(enn_slots_get(&s, id[i]));
	}
	size_t seen = 0;
	for (size_t i = 0; i < s.cap; i++) {
		seen += enn_slots_at(&s, i) != NULL;
	}
	assert_int_equal(seen, 501);
	enn_slots_clear(&s, &plain);
	assert_null(enn_slots_get(&s, again));
}

/* A promise is kept also when there is no memory any more. */
static void *no_memory(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	return NULL;
}

static void free_it(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	(void)size;
	free(ptr);
}

static void test_queue(void **state)
{
	struct enn_env poor = {.alloc = no_memory, .free = free_it};
	struct enn_queue q = {0};
	struct enn_queued event = {0};
	size_t in = 0;
	size_t out = 0;

	(void)state;
	assert_false(enn_queue_pop(&q, &event));
	assert_false(enn_queue_push(&q, &poor, &event));
	assert_true(enn_queue_promise(&q, &plain, 300));
	for (int round = 0; round < 1000; round++) {
		for (uint64_t n = next_random() % 8; n > 0; n--) {
			event.token = (void *)(uintptr_t)in++;
			assert_true(enn_queue_push(&q, &plain, &event));
		}
		for (uint64_t n = next_random() % 8; n > 0 && enn_queue_pop(&q, &event); n--) {
			assert_ptr_equal(event.token, (void *)(uintptr_t)out++);
		}
	}
	while (enn_queue_push(&q, &poor, &event)) { /* fill what is free … */
		in++;
	}
	assert_int_equal(q.promised, 300);
	for (int i = 0; i < 300; i++) { /* … the promised places are still there */
		enn_queue_keep(&q, &event);
		in++;
	}
	assert_int_equal(q.promised, 0);
	assert_true(q.len <= q.cap);
	while (enn_queue_pop(&q, &event)) {
		out++;
	}
	assert_int_equal(in, out);
	enn_queue_clear(&q, &plain);
}

struct alarm {
	struct enn_timer timer;
	enn_time due;
	bool rang;
};

static enn_time last_rang;

static void ring(void *owner, enn_time now)
{
	struct alarm *a = owner;

	assert_false(a->rang);
	assert_false(a->timer.armed);
	assert_true(a->due <= now);
	assert_true(a->due >= last_rang);
	last_rang = a->due;
	a->rang = true;
}

/* Against the plainest model: everything due rings once, in order, whatever was set, moved and
 * stopped before. */
static void test_timers(void **state)
{
	enum { COUNT = 300 };
	static struct alarm alarms[COUNT];
	struct enn_timers timers = {0};

	(void)state;
	assert_true(enn_timers_first(&timers) == ENN_TIME_NEVER);
	for (size_t i = 0; i < COUNT; i++) {
		enn_timer_init(&alarms[i].timer, ring, &alarms[i]);
		alarms[i].due = ENN_TIME_NEVER;
	}
	enn_time now = 0;
	for (int step = 0; step < 3000; step++) {
		for (uint64_t n = next_random() % 20; n > 0; n--) {
			struct alarm *a = &alarms[next_random() % COUNT];
			a->due = next_random() % 8 == 0 ? ENN_TIME_NEVER
							: now + 1 + next_random() % 1000;
			a->rang = false;
			enn_timers_set(&timers, &a->timer, a->due);
		}
		enn_time first = ENN_TIME_NEVER;
		for (size_t i = 0; i < COUNT; i++) {
			if (!alarms[i].rang && alarms[i].due < first) {
				first = alarms[i].due;
			}
		}
		assert_true(enn_timers_first(&timers) == first);
		now += next_random() % 50;
		last_rang = 0;
		enn_timers_expire(&timers, now);
		for (size_t i = 0; i < COUNT; i++) {
			assert_true(alarms[i].rang ||
				    (alarms[i].due > now) == alarms[i].timer.armed ||
				    alarms[i].due == ENN_TIME_NEVER);
			assert_false(!alarms[i].rang && alarms[i].due <= now);
		}
	}
	for (size_t i = 0; i < COUNT; i++) {
		enn_timers_set(&timers, &alarms[i].timer, ENN_TIME_NEVER);
	}
	assert_null(timers.root);
}

static size_t accounted;

static void account(void *ctx, uint64_t owner, size_t cap, bool taken)
{
	(void)ctx;
	assert_int_equal(owner, 42);
	accounted += taken ? cap : (size_t)0 - cap;
}

static void test_pool(void **state)
{
	struct enn_pool pool;
	struct enn_block *b[4];

	(void)state;
	enn_pool_init(&pool, &plain, 1000, 2, account, NULL);
	for (int i = 0; i < 4; i++) {
		b[i] = enn_block_new(&pool, i == 0 ? 0 : 42);
		assert_int_equal(b[i]->cap, 1000);
	}
	assert_int_equal(accounted, 3000);
	assert_int_equal(pool.blocks, 4);
	assert_ptr_equal(enn_block_ref(b[1]), b[1]);
	enn_block_release(b[1]);
	assert_int_equal(pool.blocks, 4);
	for (int i = 0; i < 4; i++) {
		enn_block_release(b[i]);
	}
	enn_block_release(NULL);
	assert_int_equal(accounted, 0);
	assert_int_equal(pool.blocks, 0);
	assert_int_equal(pool.bytes, 2000); /* two are kept */
	assert_ptr_equal(enn_block_new_sized(&pool, 0, SIZE_MAX), NULL);
	b[0] = enn_block_new_sized(&pool, 42, 50);
	b[1] = enn_block_new_sized(&pool, 0, 0);
	enn_block_charge(b[1], 42);
	assert_int_equal(accounted, 50);
	enn_block_release(b[0]);
	enn_block_release(b[1]);
	assert_int_equal(pool.bytes, 2000);

	/* a kept reference goes with the last of the others, or at once */
	b[0] = enn_block_new(&pool, 42);
	b[1] = enn_block_ref(b[0]);
	enn_block_keep(&b[0]);
	assert_non_null(b[0]);
	enn_block_use(&b[0]); /* it counts again … */
	enn_block_release(b[1]);
	assert_non_null(b[0]);
	assert_int_equal(accounted, 1000);
	b[1] = enn_block_ref(b[0]);
	enn_block_keep(&b[0]); /* … and not */
	enn_block_release(b[1]);
	assert_null(b[0]);
	assert_int_equal(accounted, 0);
	b[0] = enn_block_new(&pool, 42);
	enn_block_keep(&b[0]);
	assert_null(b[0]);
	enn_block_keep(&b[0]);
	enn_pool_clear(&pool);
	assert_int_equal(pool.bytes, 0);
}

static void expect_address(const char *text, const char *printed)
{
	struct enn_address a;
	struct enn_address b;
	struct sockaddr_storage sa;
	char buf[ENN_ADDRESS_TEXT_MAX];

	assert_true(enn_address_parse(text, 443, &a));
	assert_string_equal(enn_address_string(&a, buf, sizeof(buf)), printed);
	assert_true(enn_address_to_sockaddr(&a, &sa) > 0);
	assert_true(enn_address_from_sockaddr((struct sockaddr *)&sa, &b));
	assert_true(enn_address_equal(&a, &b));
	b.port = 444;
	assert_false(enn_address_equal(&a, &b));
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {
		"",
		"localhost",
		"1.2.3",
		"1.2.3.4.5",
		"256.1.1.1",
		"1.2.3.4%lo",
		"::1%",
		"::1%nope0",
		"[::1]",
		"::g",
		"1.2.3.4 ",
		"%lo",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct enn_address a = {0};
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	uint16_t port = 0;

	(void)state;
	expect_address("127.0.0.1", "127.0.0.1:443");
	expect_address("::1", "[::1]:443");
	expect_address("2001:db8::192.0.2.1", "[2001:db8::c000:201]:443");
	expect_address("fe80::1%lo", "[fe80::1%1]:443");
	expect_address("fe80::1%7", "[fe80::1%7]:443");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (enn_address_parse(wrong[i], 443, &a)) {
			fail_msg("\"%s\" was taken for an address", wrong[i]);
		}
	}
	a.family = ENN_FAMILY_NONE;
	assert_int_equal(enn_address_to_sockaddr(&a, &sa), 0);
	sa.ss_family = AF_UNIX;
	assert_false(enn_address_from_sockaddr((struct sockaddr *)&sa, &a));
	assert_true(enn_service_parse("65535", &port));
	assert_int_equal(port, 65535);
	assert_false(enn_service_parse("65536", &port));
	assert_false(enn_service_parse("", &port));
	assert_false(enn_service_parse("-1", &port));
	char name[64];
	assert_true(enn_address_parse("127.0.0.1", 9, &a));
	assert_true(enn_address_interface(&a, name));
	assert_string_equal(name, "lo");
	assert_true(enn_address_parse("192.0.2.1", 9, &a));
	assert_false(enn_address_interface(&a, name));
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i <= ENN_TAPS_SESSION_STORED; i++) {
		assert_true(strlen(enn_taps_event_name((enum enn_taps_event_type)i)) > 3);
	}
	assert_string_equal(enn_taps_event_name((enum enn_taps_event_type)99), "?");
	assert_string_equal(enn_taps_event_name(ENN_TAPS_READY), "READY");
	for (int i = 0; i <= ENN_CANDIDATE_FAILED; i++) {
		assert_true(strlen(enn_candidate_fate_name((enum enn_candidate_fate)i)) > 2);
	}
	assert_string_equal(enn_candidate_fate_name((enum enn_candidate_fate)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),	  cmocka_unit_test(test_queue),
		cmocka_unit_test(test_timers),	  cmocka_unit_test(test_pool),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
