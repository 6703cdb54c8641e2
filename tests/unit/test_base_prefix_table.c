/* SPDX-License-Identifier: Apache-2.0
 *
 * Longest-prefix match, held against a plain list.
 */
#include "support.h"

#include "base/prefix_table.h"

#define OWNERS	7
#define ENTRIES 300

struct entry {
	struct enn_prefix prefix;
	struct enn_prefix_owner *owner; /* NULL: not in the table */
};

static struct test_env t;
static struct enn_prefix_table table;
static struct enn_prefix_owner owners[OWNERS];
static struct entry model[ENTRIES];

static int open_table(void **state)
{
	(void)state;
	test_env_open(&t, ENN_CRYPTO_LIBCRYPTO);
	memset(&table, 0, sizeof(table));
	memset(owners, 0, sizeof(owners));
	memset(model, 0, sizeof(model));
	table.env = &t.env;
	return 0;
}

static int close_table(void **state)
{
	(void)state;
	enn_prefix_clear(&table);
	for (int i = 0; i < OWNERS; i++) {
		assert_null(owners[i].first);
	}
	test_env_close(&t);
	return 0;
}

static struct enn_prefix prefix_of(const char *hex, uint8_t family, uint8_t bits)
{
	struct enn_prefix p = {.family = family, .bits = bits};

	(void)unhex(hex, p.ip, sizeof(p.ip));
	return p;
}

static void insert(const struct enn_prefix *p, struct enn_prefix_owner *owner)
{
	assert_int_equal(enn_prefix_reserve(&table, 1), ENN_OK);
	(void)enn_prefix_insert(&table, p, owner);
}

/* ---- by hand ----------------------------------------------------------------------------------- */

static void the_longest_wins(void **state)
{
	const struct enn_prefix all = prefix_of("00000000", 4, 0);
	const struct enn_prefix ten = prefix_of("0a000000", 4, 8);
	const struct enn_prefix net = prefix_of("0a010200", 4, 24);
	const struct enn_prefix host = prefix_of("0a010203", 4, 32);
	const uint8_t a[4] = {10, 1, 2, 3}, b[4] = {10, 1, 2, 4}, c[4] = {10, 9, 9, 9},
		      d[4] = {11, 0, 0, 0};
	(void)state;

	assert_null(enn_prefix_lookup4(&table, a));
	insert(&host, &owners[3]);
	insert(&ten, &owners[1]);
	insert(&all, &owners[0]);
	insert(&net, &owners[2]);
	assert_ptr_equal(enn_prefix_lookup4(&table, a), &owners[3]);
	assert_ptr_equal(enn_prefix_lookup4(&table, b), &owners[2]);
	assert_ptr_equal(enn_prefix_lookup4(&table, c), &owners[1]);
	assert_ptr_equal(enn_prefix_lookup4(&table, d), &owners[0]);
	assert_false(enn_prefix_remove(&table, &net, &owners[1]));
	assert_true(enn_prefix_remove(&table, &net, &owners[2]));
	assert_ptr_equal(enn_prefix_lookup4(&table, b), &owners[1]);
	assert_int_equal(table.count, 3);
}

static void a_prefix_moves(void **state)
{
	const struct enn_prefix six = prefix_of("20010db8000000000000000000000000", 6, 32);
	const uint8_t a[16] = {0x20, 1, 0xd, 0xb8, 1};
	(void)state;

	insert(&six, &owners[0]);
	assert_int_equal(enn_prefix_reserve(&table, 1), ENN_OK);
	assert_ptr_equal(enn_prefix_insert(&table, &six, &owners[1]), &owners[0]);
	assert_int_equal(owners[0].count, 0);
	assert_int_equal(owners[1].count, 1);
	assert_int_equal(table.count, 1);
	assert_ptr_equal(enn_prefix_lookup6(&table, a), &owners[1]);
	assert_ptr_equal(enn_prefix_insert(&table, &six, &owners[1]), &owners[1]);
	assert_int_equal(owners[1].count, 1);
}

static void host_bits_do_not_matter(void **state)
{
	const struct enn_prefix sloppy = prefix_of("c0a801ff", 4, 24);
	struct enn_prefix out[2];
	(void)state;

	insert(&sloppy, &owners[0]);
	assert_int_equal(enn_prefix_list(&owners[0], out, 2), 1);
	assert_hex(out[0].ip, 4, "c0a80100");
	assert_int_equal(out[0].bits, 24);
}

static void listed_as_they_came(void **state)
{
	static const uint8_t numbers[6] = {9, 3, 200, 1, 77, 4};
	static const uint8_t left[5] = {3, 200, 1, 4, 77}; /* 9 goes; 77 leaves and comes again */
	struct enn_prefix p = {.family = 4, .bits = 32};
	const struct enn_prefix_node *at = NULL;
	struct enn_prefix out;
	(void)state;

	for (size_t i = 0; i < sizeof(numbers); i++) {
		p.ip[3] = numbers[i];
		insert(&p, &owners[0]);
	}
	p.ip[3] = 9;
	assert_true(enn_prefix_remove(&table, &p, &owners[0]));
	p.ip[3] = 77;
	insert(&p, &owners[1]);
	insert(&p, &owners[0]);
	for (size_t i = 0; i < sizeof(left); i++) {
		assert_true(enn_prefix_walk(&owners[0], &at, &out));
		assert_int_equal(out.ip[3], left[i]);
	}
	assert_false(enn_prefix_walk(&owners[0], &at, &out));
	assert_int_equal(owners[1].count, 0);
}

static void without_memory_nothing_changes(void **state)
{
	const struct enn_prefix ten = prefix_of("0a000000", 4, 8);
	(void)state;

	t.fail_at = t.calls + 2;
	assert_int_equal(enn_prefix_reserve(&table, 5), ENN_E_MEMORY);
	t.fail_at = 0;
	insert(&ten, &owners[0]);
	assert_int_equal(table.count, 1);
}

/* ---- against a list ---------------------------------------------------------------------------- */

static bool covers(const struct enn_prefix *p, const uint8_t *ip)
{
	for (unsigned i = 0; i < p->bits; i++) {
		if (((p->ip[i / 8] ^ ip[i / 8]) >> (7 - i % 8) & 1) != 0) {
			return false;
		}
	}
	return true;
}

static struct enn_prefix_owner *search(uint8_t family, const uint8_t *ip)
{
	const struct entry *best = NULL;

	for (int i = 0; i < ENTRIES; i++) {
		const struct entry *e = &model[i];
		if (e->owner != NULL && e->prefix.family == family && covers(&e->prefix, ip) &&
		    (best == NULL || e->prefix.bits > best->prefix.bits)) {
			best = e;
		}
	}
	return best == NULL ? NULL : best->owner;
}

/* Few different bits, so that prefixes meet. */
static void draw_ip(uint64_t *seed, uint8_t ip[16])
{
	test_fill(seed, ip, 16);
	for (int i = 0; i < 16; i++) {
		ip[i] &= i % 4 == 3 ? 0xff : 0x81;
	}
}

static struct entry *entry_of(const struct enn_prefix *p)
{
	struct entry *empty = NULL;

	for (int i = 0; i < ENTRIES; i++) {
		struct entry *e = &model[i];
		if (e->owner != NULL && e->prefix.family == p->family &&
		    e->prefix.bits == p->bits && covers(p, e->prefix.ip)) {
			return e;
		}
		empty = e->owner == NULL ? e : empty;
	}
	return empty;
}

static void step(uint64_t *seed)
{
	struct enn_prefix p = {.family = test_random(seed) % 2 == 0 ? 4 : 6};
	struct enn_prefix_owner *owner = &owners[test_random(seed) % OWNERS];
	uint64_t what = test_random(seed) % 16;

	p.bits = (uint8_t)(test_random(seed) % (p.family == 4 ? 33 : 129));
	draw_ip(seed, p.ip);
	struct entry *e = entry_of(&p);
	if (what < 10 && e != NULL) {
		insert(&p, owner);
		*e = (struct entry){p, owner};
	} else if (what < 15) {
		bool there = e != NULL && e->owner == owner;
		assert_int_equal(enn_prefix_remove(&table, &p, owner), there);
		if (there) {
			e->owner = NULL;
		}
	} else {
		enn_prefix_remove_all(&table, owner);
		for (int i = 0; i < ENTRIES; i++) {
			model[i].owner = model[i].owner == owner ? NULL : model[i].owner;
		}
	}
}

static void compare(uint64_t *seed)
{
	size_t counts[OWNERS] = {0};
	size_t total = 0;
	struct enn_prefix listed[ENTRIES];

	for (int i = 0; i < 20; i++) {
		uint8_t ip[16];
		draw_ip(seed, ip);
		assert_ptr_equal(enn_prefix_lookup4(&table, ip), search(4, ip));
		assert_ptr_equal(enn_prefix_lookup6(&table, ip), search(6, ip));
	}
	for (int i = 0; i < ENTRIES; i++) {
		if (model[i].owner != NULL) {
			counts[model[i].owner - owners]++;
			total++;
		}
	}
	assert_int_equal(table.count, total);
	for (int i = 0; i < OWNERS; i++) {
		assert_int_equal(enn_prefix_list(&owners[i], listed, ENTRIES), counts[i]);
	}
}

static void as_a_list_would(void **state)
{
	uint64_t seed = test_seed();
	(void)state;

	for (int i = 0; i < 4000; i++) {
		step(&seed);
		compare(&seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_longest_wins, open_table, close_table),
		cmocka_unit_test_setup_teardown(a_prefix_moves, open_table, close_table),
		cmocka_unit_test_setup_teardown(host_bits_do_not_matter, open_table, close_table),
		cmocka_unit_test_setup_teardown(listed_as_they_came, open_table, close_table),
		cmocka_unit_test_setup_teardown(without_memory_nothing_changes, open_table,
						close_table),
		cmocka_unit_test_setup_teardown(as_a_list_would, open_table, close_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
