/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded reader and writer.
 */
#include "base/bytes.h"
#include "support.h"

static void test_read_integers(void **state)
{
	static const uint8_t data[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
				       0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12};
	struct enn_reader r = enn_reader_of(data, sizeof(data));

	(void)state;
	assert_int_equal(enn_read_u8(&r), 0x01);
	assert_int_equal(enn_read_u16(&r), 0x0203);
	assert_int_equal(enn_read_u24(&r), 0x040506);
	assert_int_equal(enn_read_u32(&r), 0x0708090a);
	assert_int_equal(enn_reader_left(&r), 8);
	assert_true(enn_read_u64(&r) == UINT64_C(0x0b0c0d0e0f101112));
	assert_true(enn_reader_done(&r));
}

static void test_read_past_end_sticks(void **state)
{
	static const uint8_t data[] = {0xff, 0xff, 0xff};
	struct enn_reader r = enn_reader_of(data, sizeof(data));

	(void)state;
	assert_int_equal(enn_read_u32(&r), 0);
	assert_false(enn_reader_ok(&r));
	/* The three bytes that were there are not handed out afterwards. */
	assert_int_equal(enn_read_u8(&r), 0);
	assert_int_equal(enn_reader_left(&r), 0);
	struct enn_bytes v = enn_read_bytes(&r, 1);
	assert_int_equal(v.len, 0);
	assert_false(enn_reader_done(&r));
}

static void test_read_empty(void **state)
{
	struct enn_reader r = enn_reader_of(NULL, 0);

	(void)state;
	assert_true(enn_reader_done(&r));
	assert_int_equal(enn_read_bytes(&r, 0).len, 0);
	assert_true(enn_reader_done(&r));
	assert_int_equal(enn_read_u8(&r), 0);
	assert_false(enn_reader_ok(&r));
}

static void test_read_huge_length(void **state)
{
	static const uint8_t data[4] = {1, 2, 3, 4};
	struct enn_reader r = enn_reader_of(data, sizeof(data));

	(void)state;
	/* Would wrap if the bound were computed as pos + n. */
	assert_int_equal(enn_read_bytes(&r, SIZE_MAX).len, 0);
	assert_false(enn_reader_ok(&r));
}

static void test_read_vector(void **state)
{
	static const uint8_t data[] = {0x03, 'a', 'b', 'c', 0x00, 0x02, 'd', 'e', 0x00};
	struct enn_reader r = enn_reader_of(data, sizeof(data));

	(void)state;
	struct enn_bytes v = enn_read_vector(&r, 1, 1, 255);
	assert_int_equal(v.len, 3);
	assert_memory_equal(v.data, "abc", 3);
	v = enn_read_vector(&r, 2, 0, 65535);
	assert_int_equal(v.len, 2);
	v = enn_read_vector(&r, 1, 0, 255);
	assert_int_equal(v.len, 0);
	assert_true(enn_reader_done(&r));
}

static void test_read_vector_bounds(void **state)
{
	static const uint8_t data[] = {0x03, 'a', 'b', 'c'};

	(void)state;
	struct enn_reader r = enn_reader_of(data, sizeof(data));
	(void)enn_read_vector(&r, 1, 4, 255);
	assert_false(enn_reader_ok(&r));
	r = enn_reader_of(data, sizeof(data));
	(void)enn_read_vector(&r, 1, 0, 2);
	assert_false(enn_reader_ok(&r));
	r = enn_reader_of(data, sizeof(data) - 1);
	assert_int_equal(enn_read_vector(&r, 1, 0, 255).len, 0);
	assert_false(enn_reader_ok(&r));
}

static void test_read_sub(void **state)
{
	static const uint8_t data[] = {0x04, 0x00, 0x01, 0x00, 0x02, 0xee};
	struct enn_reader r = enn_reader_of(data, sizeof(data));

	(void)state;
	struct enn_reader sub = enn_read_sub(&r, 1, 2, 254);
	assert_int_equal(enn_read_u16(&sub), 1);
	assert_int_equal(enn_read_u16(&sub), 2);
	assert_true(enn_reader_done(&sub));
	(void)enn_read_u8(&sub); /* does not reach into the outer one */
	assert_false(enn_reader_ok(&sub));
	assert_true(enn_reader_ok(&r));
	assert_int_equal(enn_read_u8(&r), 0xee);
	sub = enn_read_sub(&r, 1, 0, 255);
	assert_false(enn_reader_ok(&sub));
}

static void test_write_integers(void **state)
{
	uint8_t buf[18];
	struct enn_writer w = enn_writer_of(buf, sizeof(buf));

	(void)state;
	enn_write_u8(&w, 0x01);
	enn_write_u16(&w, 0x0203);
	enn_write_u24(&w, 0xff040506);
	enn_write_u32(&w, 0x0708090a);
	enn_write_u64(&w, UINT64_C(0x0b0c0d0e0f101112));
	assert_true(enn_writer_ok(&w));
	assert_int_equal(enn_writer_left(&w), 0);
	assert_hex(buf, enn_writer_len(&w), "0102030405060708090a0b0c0d0e0f101112");
}

static void test_write_past_end(void **state)
{
	uint8_t buf[8];
	struct enn_writer w = enn_writer_of(buf, 4);

	(void)state;
	memset(buf, 0x5a, sizeof(buf));
	enn_write_u16(&w, 0x0102);
	enn_write_bytes(&w, "abc", 3);
	assert_false(enn_writer_ok(&w));
	enn_write_u8(&w, 0x03); /* would fit, but nothing is written after a failure */
	assert_hex(buf, sizeof(buf), "01025a5a5a5a5a5a");
	assert_null(enn_write_space(&w, 0));
}

static void test_write_nested(void **state)
{
	uint8_t buf[64];
	struct enn_writer w = enn_writer_of(buf, sizeof(buf));

	(void)state;
	size_t outer = enn_write_begin(&w, 3);
	size_t inner = enn_write_begin(&w, 2);
	enn_write_vector(&w, 1, "xy", 2);
	enn_write_end(&w, inner, 2);
	inner = enn_write_begin(&w, 1);
	enn_write_end(&w, inner, 1);
	enn_write_end(&w, outer, 3);
	assert_true(enn_writer_ok(&w));
	assert_hex(buf, enn_writer_len(&w), "000006 0003 02 7879 00");
}

static void test_write_vector_too_long(void **state)
{
	uint8_t buf[600];
	static const uint8_t zeros[256];
	struct enn_writer w = enn_writer_of(buf, sizeof(buf));

	(void)state;
	enn_write_vector(&w, 1, zeros, 255);
	assert_true(enn_writer_ok(&w));
	assert_int_equal(buf[0], 255);
	enn_write_vector(&w, 1, zeros, 256);
	assert_false(enn_writer_ok(&w));
}

static void test_write_without_memory(void **state)
{
	struct enn_writer w = enn_writer_of(NULL, 0);

	(void)state;
	enn_write_bytes(&w, NULL, 0);
	assert_true(enn_writer_ok(&w));
	size_t mark = enn_write_begin(&w, 2);
	enn_write_u8(&w, 1);
	enn_write_end(&w, mark, 2);
	assert_false(enn_writer_ok(&w));
	assert_int_equal(enn_writer_len(&w), 0);
}

static void test_equal(void **state)
{
	struct enn_bytes a = {(const uint8_t *)"abc", 3};
	struct enn_bytes b = {(const uint8_t *)"abd", 3};
	struct enn_bytes none = {NULL, 0};

	(void)state;
	assert_true(enn_bytes_equal(a, a));
	assert_false(enn_bytes_equal(a, b));
	assert_false(enn_bytes_equal(a, none));
	assert_true(enn_bytes_equal(none, none));
	b.len = 2;
	assert_false(enn_bytes_equal(a, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_integers),
		cmocka_unit_test(test_read_past_end_sticks),
		cmocka_unit_test(test_read_empty),
		cmocka_unit_test(test_read_huge_length),
		cmocka_unit_test(test_read_vector),
		cmocka_unit_test(test_read_vector_bounds),
		cmocka_unit_test(test_read_sub),
		cmocka_unit_test(test_write_integers),
		cmocka_unit_test(test_write_past_end),
		cmocka_unit_test(test_write_nested),
		cmocka_unit_test(test_write_vector_too_long),
		cmocka_unit_test(test_write_without_memory),
		cmocka_unit_test(test_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
