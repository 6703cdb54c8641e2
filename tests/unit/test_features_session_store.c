/* SPDX-License-Identifier: Apache-2.0
 *
 * The in-memory session store: least recently used, expiry, single use, limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "features/session_cache.h"

#define NEVER INT64_MAX

static enum enn_status put(struct enn_session_store *s, const char *key, const char *value,
			   int64_t expires)
{
	return enn_session_store_put(s, (const uint8_t *)key, strlen(key), (const uint8_t *)value,
				     strlen(value), expires);
}

/* "" if there is none. */
static const char *take(struct enn_session_store *s, const char *key, int64_t now)
{
	static char value[256];
	size_t len = sizeof(value) - 1;

	if (enn_session_store_take(s, (const uint8_t *)key, strlen(key), now, (uint8_t *)value,
				   &len) != ENN_OK) {
		return "";
	}
	value[len] = '\0';
	return value;
}

static enum enn_status claim(struct enn_session_store *s, const char *key, int64_t now,
			     int64_t expires)
{
	return enn_session_store_claim(s, (const uint8_t *)key, strlen(key), now, expires);
}

static void test_put_and_take(void **state)
{
	struct enn_session_store *s = enn_session_store_new(3);
	(void)state;

	assert_non_null(s);
	assert_int_equal(enn_session_store_count(s), 0);
	assert_string_equal(take(s, "a", 0), "");
	assert_int_equal(put(s, "a", "one", NEVER), ENN_OK);
	assert_int_equal(put(s, "b", "two", NEVER), ENN_OK);
	assert_int_equal(enn_session_store_count(s), 2);
	assert_string_equal(take(s, "a", 0), "one");
	assert_string_equal(take(s, "a", 0), ""); /* one use */
	assert_int_equal(enn_session_store_count(s), 1);
	/* A later one for the same key takes the place of the earlier. */
	assert_int_equal(put(s, "b", "three", NEVER), ENN_OK);
	assert_int_equal(enn_session_store_count(s), 1);
	assert_string_equal(take(s, "b", 0), "three");
	assert_int_equal(enn_session_store_count(s), 0);
	/* Keys are bytes: one is not another's prefix, and zeros count. */
	assert_int_equal(
		enn_session_store_put(s, (const uint8_t *)"k\0", 2, (const uint8_t *)"x", 1, NEVER),
		ENN_OK);
	assert_string_equal(take(s, "k", 0), "");
	enn_session_store_free(s);
	enn_session_store_free(NULL);
}

static void test_least_recently_used(void **state)
{
	struct enn_session_store *s = enn_session_store_new(3);
	(void)state;

	assert_int_equal(put(s, "a", "1", NEVER), ENN_OK);
	assert_int_equal(put(s, "b", "2", NEVER), ENN_OK);
	assert_int_equal(put(s, "c", "3", NEVER), ENN_OK);
	assert_int_equal(put(s, "a", "4", NEVER), ENN_OK); /* used again */
	assert_int_equal(put(s, "d", "5", NEVER), ENN_OK); /* drops b */
	assert_int_equal(enn_session_store_count(s), 3);
	assert_string_equal(take(s, "b", 0), "");
	assert_string_equal(take(s, "a", 0), "4");
	assert_string_equal(take(s, "c", 0), "3");
	assert_string_equal(take(s, "d", 0), "5");
	enn_session_store_free(s);
}

static void test_expiry(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	(void)state;

	assert_int_equal(put(s, "a", "1", 100), ENN_OK);
	assert_string_equal(take(s, "a", 99), "1");
	assert_int_equal(put(s, "a", "1", 100), ENN_OK);
	assert_string_equal(take(s, "a", 100), "");
	assert_int_equal(enn_session_store_count(s), 0);
	/* Room is made from what has expired before what is merely old. */
	assert_int_equal(put(s, "old", "1", 1000), ENN_OK);
	assert_int_equal(put(s, "short", "2", 200), ENN_OK);
	assert_string_equal(take(s, "none", 500), ""); /* the store learns the time */
	assert_int_equal(put(s, "new", "3", 1000), ENN_OK);
	assert_string_equal(take(s, "old", 500), "1");
	assert_string_equal(take(s, "new", 500), "3");
	assert_string_equal(take(s, "short", 100), "");
	enn_session_store_free(s);
}

static void test_space(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	uint8_t value[8];
	size_t len = 3;
	(void)state;

	assert_int_equal(put(s, "a", "12345", NEVER), ENN_OK);
	assert_int_equal(enn_session_store_take(s, (const uint8_t *)"a", 1, 0, value, &len),
			 ENN_E_SPACE);
	assert_int_equal(len, 5);
	assert_int_equal(enn_session_store_count(s), 1); /* kept */
	len = 0;
	assert_int_equal(enn_session_store_take(s, (const uint8_t *)"a", 1, 0, NULL, &len),
			 ENN_E_SPACE);
	len = 5;
	assert_int_equal(enn_session_store_take(s, (const uint8_t *)"a", 1, 0, value, &len),
			 ENN_OK);
	assert_int_equal(len, 5);
	assert_memory_equal(value, "12345", 5);
	enn_session_store_free(s);
}

static void test_claim(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	(void)state;

	assert_int_equal(claim(s, "a", 0, 100), ENN_OK);
	assert_int_equal(claim(s, "a", 99, 200), ENN_E_STATE);
	assert_int_equal(claim(s, "a", 100, 200), ENN_OK); /* the first has expired */
	assert_int_equal(claim(s, "b", 100, 300), ENN_OK);
	/* Full of keys that are needed: a third cannot be remembered, again and again. */
	assert_int_equal(claim(s, "c", 150, 300), ENN_E_LIMIT);
	assert_int_equal(claim(s, "c", 150, 300), ENN_E_LIMIT);
	assert_int_equal(claim(s, "a", 150, 300), ENN_E_STATE);
	assert_int_equal(claim(s, "b", 150, 300), ENN_E_STATE);
	assert_int_equal(enn_session_store_count(s), 2);
	/* Nor does a session push a claim out. */
	assert_int_equal(put(s, "session", "1", NEVER), ENN_E_LIMIT);
	assert_int_equal(claim(s, "a", 199, 300), ENN_E_STATE);
	/* a expires at 200 and makes room, b does not. */
	assert_int_equal(claim(s, "c", 200, 300), ENN_OK);
	assert_int_equal(claim(s, "b", 200, 300), ENN_E_STATE);
	assert_int_equal(enn_session_store_count(s), 2);
	enn_session_store_free(s);
}

/* Sessions and claims share the room and nothing else; a claim may push out a session, which
 * costs one full handshake. */
static void test_claims_and_sessions(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	(void)state;

	assert_int_equal(put(s, "a", "1", NEVER), ENN_OK);
	assert_int_equal(claim(s, "a", 0, 100), ENN_OK);
	assert_int_equal(claim(s, "a", 0, 100), ENN_E_STATE);
	assert_string_equal(take(s, "a", 0), "1");
	assert_string_equal(take(s, "a", 0), "");
	assert_int_equal(put(s, "b", "2", NEVER), ENN_OK);
	assert_int_equal(claim(s, "c", 0, 100), ENN_OK);
	assert_string_equal(take(s, "b", 0), "");
	assert_int_equal(claim(s, "d", 0, 100), ENN_E_LIMIT);
	enn_session_store_free(s);
}

static void test_arguments(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	const uint8_t *k = (const uint8_t *)"k";
	uint8_t value[4];
	size_t len = sizeof(value);
	(void)state;

	assert_int_equal(enn_session_store_put(NULL, k, 1, k, 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_put(s, NULL, 1, k, 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_put(s, k, 0, k, 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_put(s, k, 1, NULL, 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_put(s, k, 1, k, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_put(s, k, 1, k, (1u << 20) + 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_take(NULL, k, 1, 0, value, &len), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_take(s, NULL, 1, 0, value, &len), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_take(s, k, 1, 0, value, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_take(s, k, 1, 0, NULL, &len), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_claim(NULL, k, 1, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_claim(s, NULL, 1, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_claim(s, k, 0, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_claim(s, k, 1, 1, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_count(s), 0);
	assert_int_equal(enn_session_store_count(NULL), 0);
	enn_session_store_free(s);
}

/* A store for nothing keeps nothing and says so. */
static void test_no_room_at_all(void **state)
{
	struct enn_session_store *s = enn_session_store_new(0);
	(void)state;

	assert_int_equal(put(s, "a", "1", NEVER), ENN_E_LIMIT);
	assert_int_equal(claim(s, "a", 0, 100), ENN_E_LIMIT);
	assert_string_equal(take(s, "a", 0), "");
	assert_int_equal(enn_session_store_count(s), 0);
	enn_session_store_free(s);
}

static void test_references(void **state)
{
	struct enn_session_store *s = enn_session_store_new(2);
	(void)state;

	assert_ptr_equal(enn_session_store_ref(s), s);
	assert_int_equal(put(s, "a", "1", NEVER), ENN_OK);
	enn_session_store_free(s);
	assert_string_equal(take(s, "a", 0), "1");
	enn_session_store_free(s);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

#define MODEL_KEYS 40
#define MODEL_MAX  12

struct model {
	int64_t expires[2][MODEL_KEYS]; /* sessions and claims; 0: absent */
	uint64_t used[MODEL_KEYS];
	size_t count;
};

static void model_drop(struct model *m, size_t kind, size_t key)
{
	m->expires[kind][key] = 0;
	m->count--;
}

/* What make_room is documented to do, by exhaustive search. */
static bool model_room(struct model *m, int64_t now)
{
	if (m->count < MODEL_MAX) {
		return true;
	}
	for (size_t i = 0; i < 2 * MODEL_KEYS; i++) {
		if (m->expires[i & 1][i / 2] != 0 && m->expires[i & 1][i / 2] <= now) {
			model_drop(m, i & 1, i / 2);
		}
	}
	while (m->count >= MODEL_MAX) {
		size_t oldest = MODEL_KEYS;
		for (size_t i = 0; i < MODEL_KEYS; i++) {
			if (m->expires[0][i] != 0 &&
			    (oldest == MODEL_KEYS || m->used[i] < m->used[oldest])) {
				oldest = i;
			}
		}
		if (oldest == MODEL_KEYS) {
			return false;
		}
		model_drop(m, 0, oldest);
	}
	return true;
}

/* Random calls against the obvious implementation. */
static void test_against_model(void **state)
{
	struct enn_session_store *s = enn_session_store_new(MODEL_MAX);
	struct model m;
	uint32_t seed = 20260729;
	int64_t now = 1000;
	(void)state;

	memset(&m, 0, sizeof(m));
	assert_string_equal(take(s, "the time", now), "");
	for (uint64_t step = 1; step <= 60000; step++) {
		uint8_t key = (uint8_t)(next(&seed) % MODEL_KEYS);
		uint8_t value[4] = {key, 1, 2, 3}, out[4];
		size_t len = sizeof(out);
		int64_t expires = now + 1 + next(&seed) % 60;
		enum enn_status want;

		switch (next(&seed) % 4) {
		case 0:
			want = ENN_OK;
			if (m.expires[0][key] == 0) {
				want = model_room(&m, now) ? ENN_OK : ENN_E_LIMIT;
				m.count += want == ENN_OK;
			}
			if (want == ENN_OK) {
				m.expires[0][key] = expires;
				m.used[key] = step;
			}
			assert_int_equal(enn_session_store_put(s, &key, 1, value, 4, expires),
					 want);
			break;
		case 1:
			now += next(&seed) % 4;
			want = m.expires[0][key] > now ? ENN_OK : ENN_E_NOT_FOUND;
			if (m.expires[0][key] != 0) {
				model_drop(&m, 0, key);
			}
			assert_int_equal(enn_session_store_take(s, &key, 1, now, out, &len), want);
			if (want == ENN_OK) {
				assert_memory_equal(out, value, 4);
			}
			break;
		default:
			now += next(&seed) % 4;
			expires = now + 1 + next(&seed) % 60;
			want = ENN_E_STATE;
			if (m.expires[1][key] <= now) {
				if (m.expires[1][key] != 0) {
					model_drop(&m, 1, key);
				}
				want = model_room(&m, now) ? ENN_OK : ENN_E_LIMIT;
				if (want == ENN_OK) {
					m.expires[1][key] = expires;
					m.count++;
				}
			}
			assert_int_equal(enn_session_store_claim(s, &key, 1, now, expires), want);
			break;
		}
		assert_int_equal(enn_session_store_count(s), m.count);
	}
	enn_session_store_free(s);
}

/* Large enough that anything quadratic would be noticed by the test's own time limit. */
static void test_many(void **state)
{
	const uint32_t n = 100000;
	struct enn_session_store *s = enn_session_store_new(n);
	uint8_t value[64] = {1}, out[64];
	(void)state;

	for (uint32_t i = 0; i < 2 * n; i++) {
		assert_int_equal(enn_session_store_put(s, (const uint8_t *)&i, 4, value, 64, 1000),
				 ENN_OK);
	}
	assert_int_equal(enn_session_store_count(s), n);
	for (uint32_t i = 0; i < 2 * n; i++) {
		size_t len = sizeof(out);
		assert_int_equal(enn_session_store_take(s, (const uint8_t *)&i, 4, 0, out, &len),
				 i < n ? ENN_E_NOT_FOUND : ENN_OK);
	}
	assert_int_equal(enn_session_store_count(s), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(enn_session_store_claim(s, (const uint8_t *)&i, 4, 0, 10 + i),
				 ENN_OK);
	}
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(enn_session_store_claim(s, (const uint8_t *)&i, 4, 9, 10),
				 ENN_E_STATE);
	}
	uint32_t one_more = n;
	assert_int_equal(enn_session_store_claim(s, (const uint8_t *)&one_more, 4, 9, 10),
			 ENN_E_LIMIT);
	assert_int_equal(enn_session_store_claim(s, (const uint8_t *)&one_more, 4, 10, 11), ENN_OK);
	enn_session_store_free(s);
}

/* Several threads claim the same keys: each key is won once. */
#define THREADS 4
#define RACES	20000

struct racer {
	pthread_t thread;
	struct enn_session_store *store;
	uint32_t won;
	uint32_t other; /* answers that are neither won nor lost */
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (uint32_t i = 0; i < RACES; i++) {
		enum enn_status status =
			enn_session_store_claim(r->store, (const uint8_t *)&i, 4, 0, 100);
		r->won += status == ENN_OK;
		r->other += status != ENN_OK && status != ENN_E_STATE;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct enn_session_store *s = enn_session_store_new(RACES);
	struct racer racers[THREADS];
	uint32_t won = 0;
	(void)state;

	for (size_t i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){.store = s};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
		assert_int_equal(racers[i].other, 0);
		won += racers[i].won;
	}
	assert_int_equal(won, RACES);
	assert_int_equal(enn_session_store_count(s), RACES);
	enn_session_store_free(s);
}

/* ---- as bytes ---------------------------------------------------------------------------------- */

static size_t export(struct enn_session_store *s, int64_t now, uint8_t *out, size_t cap)
{
	size_t len = 0;

	assert_int_equal(enn_session_store_export(s, now, NULL, &len), ENN_E_SPACE);
	assert_true(len <= cap);
	size_t less = len - 1;
	assert_int_equal(enn_session_store_export(s, now, out, &less), ENN_E_SPACE);
	assert_int_equal(less, len);
	assert_int_equal(enn_session_store_export(s, now, out, &len), ENN_OK);
	return len;
}

static struct enn_session_store *filled(void)
{
	struct enn_session_store *s = enn_session_store_new(10);

	assert_int_equal(put(s, "a", "one", 100), ENN_OK);
	assert_int_equal(put(s, "b", "two", 200), ENN_OK);
	assert_int_equal(put(s, "c", "three", NEVER), ENN_OK);
	assert_int_equal(claim(s, "claimed", 0, NEVER), ENN_OK);
	return s;
}

static void test_export_and_import(void **state)
{
	uint8_t bytes[1024];
	struct enn_session_store *s = filled();
	struct enn_session_store *other = enn_session_store_new(10);
	(void)state;

	size_t len = export(s, 100, bytes, sizeof(bytes)); /* the first has expired */
	assert_int_equal(enn_session_store_import(other, 150, bytes, len), ENN_OK);
	assert_int_equal(enn_session_store_count(other), 2);
	assert_string_equal(take(other, "a", 150), "");
	assert_string_equal(take(other, "b", 150), "two");
	assert_string_equal(take(other, "c", 150), "three");
	assert_int_equal(claim(other, "claimed", 150, NEVER), ENN_OK); /* none came along */
	/* It holds something: the digests of one are not those of the other. */
	assert_int_equal(enn_session_store_import(other, 150, bytes, len), ENN_E_STATE);
	enn_session_store_free(other);
	/* Expired meanwhile. */
	other = enn_session_store_new(10);
	assert_int_equal(enn_session_store_import(other, 200, bytes, len), ENN_OK);
	assert_int_equal(enn_session_store_count(other), 1);
	enn_session_store_free(other);
	/* The last used stay. */
	other = enn_session_store_new(1);
	assert_int_equal(enn_session_store_import(other, 150, bytes, len), ENN_OK);
	assert_string_equal(take(other, "c", 150), "three");
	enn_session_store_free(other);
	enn_session_store_free(s);
}

static void test_an_empty_store_as_bytes(void **state)
{
	uint8_t bytes[1024];
	struct enn_session_store *s = enn_session_store_new(10);
	struct enn_session_store *other = enn_session_store_new(10);
	(void)state;

	size_t len = export(s, 0, bytes, sizeof(bytes));
	assert_int_equal(enn_session_store_import(other, 0, bytes, len), ENN_OK);
	assert_int_equal(enn_session_store_count(other), 0);
	enn_session_store_free(other);
	enn_session_store_free(s);
}

static void test_damaged_bytes(void **state)
{
	uint8_t bytes[1024];
	struct enn_session_store *s = filled();
	struct enn_session_store *other = enn_session_store_new(10);
	(void)state;

	size_t len = export(s, 0, bytes, sizeof(bytes));
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(enn_session_store_import(other, 0, bytes, i), ENN_E_PARSE);
		bytes[i] ^= 0x40;
		assert_int_equal(enn_session_store_import(other, 0, bytes, len), ENN_E_PARSE);
		bytes[i] ^= 0x40;
	}
	assert_int_equal(enn_session_store_count(other), 0);
	assert_int_equal(enn_session_store_import(other, 0, bytes, len), ENN_OK);
	assert_int_equal(enn_session_store_count(other), 3);
	assert_int_equal(enn_session_store_import(NULL, 0, bytes, len), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_import(other, 0, NULL, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_export(other, 0, bytes, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_session_store_export(NULL, 0, bytes, &len), ENN_E_ARGUMENT);
	enn_session_store_free(other);
	enn_session_store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_take),
		cmocka_unit_test(test_least_recently_used),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_claims_and_sessions),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_no_room_at_all),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_export_and_import),
		cmocka_unit_test(test_an_empty_store_as_bytes),
		cmocka_unit_test(test_damaged_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
