/* SPDX-License-Identifier: Apache-2.0
 *
 * Padding lengths and the expiry heap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/expiry.h"
#include "features/padding.h"

static void test_padding_examples(void **state)
{
	(void)state;

	assert_int_equal(enn_padded_length(5, 0, 100), 5);
	assert_int_equal(enn_padded_length(5, 1, 100), 5);
	assert_int_equal(enn_padded_length(0, 1, 100), 0);
	assert_int_equal(enn_padded_length(0, 16, 100), 16);
	assert_int_equal(enn_padded_length(1, 16, 100), 16);
	assert_int_equal(enn_padded_length(16, 16, 100), 16);
	assert_int_equal(enn_padded_length(17, 16, 100), 32);
	assert_int_equal(enn_padded_length(97, 16, 100), 100); /* capped */
	assert_int_equal(enn_padded_length(100, 16, 100), 100);
	assert_int_equal(enn_padded_length(0, 200, 100), 100);
	assert_int_equal(enn_padded_length(0, 16, 0), 0);
	assert_int_equal(enn_padded_length(3, SIZE_MAX, 100), 100);
}

/* Never shorter, never above the cap, a multiple unless capped, and the least such. */
static void test_padding_law(void **state)
{
	const size_t max = 150;
	(void)state;

	for (size_t multiple = 2; multiple < 40; multiple++) {
		for (size_t len = 0; len <= max; len++) {
			size_t padded = enn_padded_length(len, multiple, max);
			assert_true(padded >= len && padded <= max);
			assert_true(padded == max || padded % multiple == 0);
			assert_true(padded > 0 && padded - len <= multiple);
			assert_true(len == 0 || padded - len < multiple);
		}
	}
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* The place that each entry remembers is right, and no child is before its parent. */
static void check_heap(const struct enn_expiry_heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		assert_int_equal(heap->slot[i]->place, i);
		assert_true(i == 0 || heap->slot[(i - 1) / 2]->at <= heap->slot[i]->at);
	}
}

static void test_heap(void **state)
{
	enum { N = 300 };
	static struct enn_expiry entry[N];
	static bool in[N];
	struct enn_expiry_heap heap = {NULL, 0, 0};
	uint32_t seed = 42;
	(void)state;

	assert_null(enn_expiry_first(&heap));
	for (int step = 0; step < 20000; step++) {
		size_t i = next(&seed) % N;
		int64_t at = (int64_t)(next(&seed) % 1000) - 500;
		if (!in[i]) {
			entry[i].at = at;
			assert_true(enn_expiry_add(&heap, &entry[i]));
			in[i] = true;
		} else if (step % 3 == 0) {
			enn_expiry_move(&heap, &entry[i], at);
		} else {
			enn_expiry_remove(&heap, &entry[i]);
			in[i] = false;
		}
		if (step % 16 == 0) {
			check_heap(&heap);
		}
	}
	/* Taken out in order. */
	int64_t last = INT64_MIN;
	size_t left = heap.count;
	for (struct enn_expiry *e; (e = enn_expiry_first(&heap)) != NULL; left--) {
		assert_true(e->at >= last);
		last = e->at;
		enn_expiry_remove(&heap, e);
	}
	assert_int_equal(left, 0);
	enn_expiry_clear(&heap);
	assert_null(heap.slot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padding_examples),
		cmocka_unit_test(test_padding_law),
		cmocka_unit_test(test_heap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
