/* SPDX-License-Identifier: Apache-2.0
 *
 * Ticket keys: sealing, forgery, rotation, and which earlier keys still open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "features/session_cache.h"

#define SECOND	   ((int64_t)ENN_SECOND)
#define DAY	   (86400 * SECOND)
#define STATE	   "the state of a session, some fifty bytes of it ...."
#define STATE_LEN  (sizeof(STATE) - 1)
#define TICKET_LEN (STATE_LEN + ENN_TICKET_OVERHEAD)

struct fixture {
	struct enn_env env;
	struct enn_ticket_keys *keys;
	int random_failures; /* the next calls of the random source that fail */
	uint8_t random_next;
};

static int count_up(void *ctx, uint8_t *out, size_t len)
{
	struct fixture *f = ctx;

	if (f->random_failures > 0) {
		f->random_failures--;
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = f->random_next++;
	}
	f->random_next++;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &f->env.crypto), ENN_OK);
	f->env.random = count_up;
	f->env.random_ctx = f;
	f->keys = enn_ticket_keys_new();
	assert_non_null(f->keys);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	enn_ticket_keys_free(f->keys);
	enn_crypto_free(f->env.crypto);
	free(f);
	return 0;
}

static void seal(struct fixture *f, int64_t now, int64_t lifetime, uint8_t *ticket)
{
	size_t len;

	assert_int_equal(enn_ticket_seal(f->keys, &f->env, now, lifetime, (const uint8_t *)STATE,
					 STATE_LEN, ticket, TICKET_LEN, &len),
			 ENN_OK);
	assert_int_equal(len, TICKET_LEN);
}

static enum enn_status open_with(struct fixture *f, struct enn_ticket_keys *keys, int64_t now,
				 const uint8_t *ticket, size_t len)
{
	uint8_t out[TICKET_LEN];
	size_t out_len = 99;
	enum enn_status status =
		enn_ticket_open(keys, &f->env, now, ticket, len, out, sizeof(out), &out_len);

	if (status == ENN_OK) {
		assert_int_equal(out_len, STATE_LEN);
		assert_memory_equal(out, STATE, STATE_LEN);
	} else {
		assert_int_equal(out_len, 0);
	}
	return status;
}

static enum enn_status open_ticket(struct fixture *f, int64_t now, const uint8_t *ticket)
{
	return open_with(f, f->keys, now, ticket, TICKET_LEN);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	uint8_t a[TICKET_LEN], b[TICKET_LEN], none[ENN_TICKET_OVERHEAD];
	size_t len;

	seal(f, 0, DAY, a);
	seal(f, 1, DAY, b);
	assert_memory_equal(a, b, 16);		     /* the same key name */
	assert_memory_not_equal(a + 16, b + 16, 12); /* another salt */
	assert_memory_not_equal(a + 28, b + 28, TICKET_LEN - 28);
	assert_int_equal(open_ticket(f, 2, a), ENN_OK);
	assert_int_equal(open_ticket(f, 2, b), ENN_OK);
	assert_int_equal(open_ticket(f, 2, a), ENN_OK); /* stateless: as often as one likes */
	/* The state is not to be seen in it. */
	assert_null(memmem(a, sizeof(a), STATE, 8));
	/* No state at all is a ticket, too. */
	assert_int_equal(enn_ticket_seal(f->keys, &f->env, 0, DAY, a, 0, none, sizeof(none), &len),
			 ENN_OK);
	assert_int_equal(len, ENN_TICKET_OVERHEAD);
	assert_int_equal(enn_ticket_open(f->keys, &f->env, 0, none, len, b, 0, &len), ENN_OK);
	assert_int_equal(len, 0);
}

static void test_space(void **state)
{
	struct fixture *f = *state;
	uint8_t ticket[TICKET_LEN], out[STATE_LEN];
	size_t len = 1;

	for (size_t cap = 0; cap < TICKET_LEN; cap++) {
		assert_int_equal(enn_ticket_seal(f->keys, &f->env, 0, DAY, (const uint8_t *)STATE,
						 STATE_LEN, ticket, cap, &len),
				 ENN_E_SPACE);
		assert_int_equal(len, 0);
	}
	seal(f, 0, DAY, ticket);
	assert_int_equal(enn_ticket_open(f->keys, &f->env, 0, ticket, sizeof(ticket), out,
					 STATE_LEN - 1, &len),
			 ENN_E_SPACE);
	assert_int_equal(len, 0);
	assert_int_equal(
		enn_ticket_open(f->keys, &f->env, 0, ticket, sizeof(ticket), out, STATE_LEN, &len),
		ENN_OK);
}

static void test_every_bit(void **state)
{
	struct fixture *f = *state;
	uint8_t ticket[TICKET_LEN];

	seal(f, 0, DAY, ticket);
	for (size_t i = 0; i < sizeof(ticket) * 8; i++) {
		ticket[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(open_ticket(f, 0, ticket),
				 i / 8 < 16 ? ENN_E_NOT_FOUND : ENN_E_CRYPTO);
		ticket[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(open_ticket(f, 0, ticket), ENN_OK);
}

static void test_every_length(void **state)
{
	struct fixture *f = *state;
	uint8_t ticket[TICKET_LEN + 1] = {0};

	seal(f, 0, DAY, ticket);
	for (size_t len = 0; len <= sizeof(ticket); len++) {
		enum enn_status want = len < ENN_TICKET_OVERHEAD ? ENN_E_NOT_FOUND
				       : len == TICKET_LEN	 ? ENN_OK
								 : ENN_E_CRYPTO;
		uint8_t *exact = malloc(len == 0 ? 1 : len); /* for the address sanitizer */
		assert_non_null(exact);
		memcpy(exact, ticket, len);
		assert_int_equal(open_with(f, f->keys, 0, exact, len), want);
		free(exact);
	}
	assert_int_equal(open_with(f, f->keys, 0, NULL, 0), ENN_E_NOT_FOUND);
}

/* A name that is known with a body that another key sealed. */
static void test_mixed(void **state)
{
	struct fixture *f = *state;
	uint8_t a[TICKET_LEN], b[TICKET_LEN];

	seal(f, 0, DAY, a);
	seal(f, DAY / 2, DAY, b);
	assert_memory_not_equal(a, b, 16);
	memcpy(b, a, 16);
	assert_int_equal(open_ticket(f, DAY / 2, b), ENN_E_CRYPTO);
	assert_int_equal(open_ticket(f, DAY / 2, a), ENN_OK);
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	uint8_t a[TICKET_LEN], b[TICKET_LEN], c[TICKET_LEN];

	seal(f, 0, DAY, a);
	seal(f, DAY / 2 - 1, DAY, b);
	assert_memory_equal(a, b, 16); /* not yet */
	seal(f, DAY / 2, DAY, c);
	assert_memory_not_equal(a, c, 16);
	/* The last ticket of the first key lives until DAY / 2 + DAY: so does the key. */
	assert_int_equal(open_ticket(f, DAY / 2 + DAY - 1, b), ENN_OK);
	assert_int_equal(open_ticket(f, DAY / 2 + DAY - 1, a), ENN_OK);
	assert_int_equal(open_ticket(f, DAY / 2 + DAY, b), ENN_E_NOT_FOUND);
	assert_int_equal(open_ticket(f, DAY / 2 + DAY, a), ENN_E_NOT_FOUND);
	assert_int_equal(open_ticket(f, DAY / 2 + DAY, c), ENN_OK);
	assert_int_equal(open_ticket(f, 0, a), ENN_E_NOT_FOUND); /* gone is gone */
}

/* With steady traffic every ticket opens for all of its life. */
static void test_whole_life(void **state)
{
	struct fixture *f = *state;
	enum { STEPS = 200, PER_LIFE = 24 };
	static uint8_t tickets[STEPS][TICKET_LEN];
	const int64_t hour = DAY / PER_LIFE;

	for (int64_t i = 0; i < STEPS; i++) {
		seal(f, i * hour, DAY, tickets[i]);
		for (int64_t old = i > PER_LIFE ? i - PER_LIFE + 1 : 0; old <= i; old++) {
			assert_int_equal(open_ticket(f, i * hour, tickets[old]), ENN_OK);
		}
		if (i >= 2 * PER_LIFE) { /* and twice its life is too long for any */
			assert_int_equal(open_ticket(f, i * hour, tickets[i - 2 * PER_LIFE]),
					 ENN_E_NOT_FOUND);
		}
	}
}

static void test_clock_set_back(void **state)
{
	struct fixture *f = *state;
	uint8_t a[TICKET_LEN], b[TICKET_LEN], c[TICKET_LEN];

	seal(f, 100 * DAY, DAY, a);
	seal(f, 10 * DAY, DAY, b); /* a lot earlier: its age begins again */
	assert_memory_equal(a, b, 16);
	seal(f, 10 * DAY + DAY / 2, DAY, c);
	assert_memory_not_equal(b, c, 16);
	seal(f, INT64_MIN, DAY, a);
	seal(f, INT64_MAX, DAY, b);
	assert_memory_not_equal(a, b, 16);
	assert_int_equal(open_ticket(f, INT64_MAX, b), ENN_OK);
}

static void make_key(uint8_t key[64], uint8_t name)
{
	memset(key, name, 16);
	memset(key + 16, 0x5a ^ name, 48);
}

static void test_given_keys(void **state)
{
	struct fixture *f = *state;
	uint8_t key[64] = {0}, a[TICKET_LEN], b[TICKET_LEN];

	assert_int_equal(enn_ticket_keys_set(NULL, key, 64, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_ticket_keys_set(f->keys, NULL, 64, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 48, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 65, 0), ENN_E_ARGUMENT);
	make_key(key, 1);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 0), ENN_OK);
	seal(f, 0, DAY, a);
	assert_memory_equal(a, key, 16);
	/* It is not rotated: the other servers of the pool have it. */
	seal(f, 100 * DAY, DAY, b);
	assert_memory_equal(b, key, 16);
	/* Replaced, it opens for one lifetime more. */
	make_key(key, 2);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 200 * DAY), ENN_OK);
	seal(f, 200 * DAY, DAY, b);
	assert_memory_equal(b, key, 16);
	assert_int_equal(open_ticket(f, 201 * DAY - 1, a), ENN_OK);
	assert_int_equal(open_ticket(f, 201 * DAY, a), ENN_E_NOT_FOUND);
	/* The same name with other material counts, and is not there twice. */
	memset(key + 16, 9, 48);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 201 * DAY), ENN_OK);
	assert_int_equal(open_ticket(f, 201 * DAY, b), ENN_E_CRYPTO);
	seal(f, 201 * DAY, DAY, b);
	assert_int_equal(open_ticket(f, 201 * DAY, b), ENN_OK);
}

/* A pool's keys change by the clock: one seals until its time, the next and the earlier ones only open. */
static void test_periods(void **state)
{
	struct fixture *f = *state;
	uint8_t earlier[64], now[64], next[64], ticket[TICKET_LEN], own[TICKET_LEN];

	make_key(earlier, 1);
	make_key(now, 2);
	make_key(next, 3);
	/* None seals yet: what only opens is not kept. */
	assert_int_equal(enn_ticket_keys_add(f->keys, earlier, 64, 0, 3 * DAY), ENN_OK);
	assert_int_equal(enn_ticket_keys_set_until(f->keys, earlier, 64, 0, DAY), ENN_OK);
	seal(f, 0, DAY, ticket); /* under the earlier one */
	assert_int_equal(enn_ticket_keys_set_until(f->keys, now, 64, DAY, 2 * DAY), ENN_OK);
	assert_int_equal(enn_ticket_keys_add(f->keys, earlier, 64, DAY, 3 * DAY), ENN_OK);
	assert_int_equal(enn_ticket_keys_add(f->keys, next, 64, DAY, 4 * DAY), ENN_OK);
	assert_int_equal(enn_ticket_keys_add(f->keys, next, 64, DAY, 4 * DAY), ENN_OK);
	assert_int_equal(open_ticket(f, DAY, ticket), ENN_OK);
	seal(f, DAY, DAY, ticket);
	assert_memory_equal(ticket, now, 16);
	seal(f, 2 * DAY - 1, DAY, ticket);
	assert_memory_equal(ticket, now, 16);
	/* Nobody brought the next one in time: a key of our own. */
	seal(f, 2 * DAY, DAY, own);
	assert_memory_not_equal(own, now, 16);
	assert_memory_not_equal(own, next, 16);
	assert_int_equal(open_ticket(f, 2 * DAY, ticket), ENN_OK);
	/* It comes after all. */
	assert_int_equal(enn_ticket_keys_set_until(f->keys, next, 64, 2 * DAY + 1, 3 * DAY),
			 ENN_OK);
	seal(f, 2 * DAY + 1, DAY, ticket);
	assert_memory_equal(ticket, next, 16);
	assert_int_equal(open_ticket(f, 2 * DAY + 1, own), ENN_OK);
	assert_int_equal(enn_ticket_keys_add(f->keys, next, 63, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_ticket_keys_add(NULL, next, 64, 0, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_ticket_keys_set_until(f->keys, NULL, 64, 0, 1), ENN_E_ARGUMENT);
}

/* One that only opens is gone when it has expired. */
static void test_added_keys_expire(void **state)
{
	struct fixture *f = *state;
	struct enn_ticket_keys *other = enn_ticket_keys_new();
	uint8_t key[64], mine[64], ticket[TICKET_LEN];

	make_key(key, 1);
	make_key(mine, 2);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 0), ENN_OK);
	seal(f, 0, DAY, ticket);
	assert_int_equal(enn_ticket_keys_set_until(other, mine, 64, 0, DAY), ENN_OK);
	assert_int_equal(open_with(f, other, 0, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	assert_int_equal(enn_ticket_keys_add(other, key, 64, 0, 5), ENN_OK);
	assert_int_equal(open_with(f, other, 4, ticket, TICKET_LEN), ENN_OK);
	assert_int_equal(open_with(f, other, 5, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	assert_int_equal(enn_ticket_keys_add(other, key, 64, 5, 5), ENN_OK); /* at once */
	assert_int_equal(open_with(f, other, 5, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	enn_ticket_keys_free(other);
}

static void test_four_earlier_keys(void **state)
{
	struct fixture *f = *state;
	uint8_t key[64], tickets[6][TICKET_LEN];

	for (uint8_t i = 0; i < 6; i++) {
		make_key(key, i);
		assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, i), ENN_OK);
		seal(f, i, DAY, tickets[i]);
	}
	assert_int_equal(open_ticket(f, 6, tickets[0]), ENN_E_NOT_FOUND);
	for (size_t i = 1; i < 6; i++) {
		assert_int_equal(open_ticket(f, 6, tickets[i]), ENN_OK);
	}
}

/* Two servers with one key open each other's tickets; two without do not. */
static void test_pool(void **state)
{
	struct fixture *f = *state;
	struct enn_ticket_keys *other = enn_ticket_keys_new();
	uint8_t key[64], ticket[TICKET_LEN];

	seal(f, 0, DAY, ticket);
	assert_int_equal(open_with(f, other, 0, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	make_key(key, 3);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 0), ENN_OK);
	assert_int_equal(enn_ticket_keys_set(other, key, 64, 0), ENN_OK);
	seal(f, 0, DAY, ticket);
	assert_int_equal(open_with(f, other, 0, ticket, TICKET_LEN), ENN_OK);
	enn_ticket_keys_free(other);
}

static void test_copy_and_references(void **state)
{
	struct fixture *f = *state;
	uint8_t key[64], ticket[TICKET_LEN];
	struct enn_ticket_keys *copy;

	make_key(key, 1);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 0), ENN_OK);
	copy = enn_ticket_keys_copy(f->keys);
	assert_non_null(copy);
	assert_true(enn_ticket_keys_since(copy) == INT64_MAX); /* unused so far */
	make_key(key, 2);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, 64, 0), ENN_OK);
	seal(f, 0, DAY, ticket);
	assert_int_equal(open_with(f, copy, 0, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	assert_ptr_equal(enn_ticket_keys_ref(copy), copy);
	enn_ticket_keys_free(copy);
	assert_int_equal(open_with(f, copy, 0, ticket, TICKET_LEN), ENN_E_NOT_FOUND);
	enn_ticket_keys_free(copy);
	enn_ticket_keys_free(NULL);
}

static void test_since(void **state)
{
	struct fixture *f = *state;
	uint8_t ticket[TICKET_LEN];

	assert_true(enn_ticket_keys_since(f->keys) == INT64_MAX);
	seal(f, 70, DAY, ticket);
	assert_int_equal(enn_ticket_keys_since(f->keys), 70);
	seal(f, 80, DAY, ticket);
	assert_int_equal(open_ticket(f, 90, ticket), ENN_OK);
	assert_int_equal(enn_ticket_keys_since(f->keys), 70);
}

static void test_random_fails(void **state)
{
	struct fixture *f = *state;
	uint8_t ticket[TICKET_LEN];
	size_t len = 1;

	for (int failing = 1; failing <= 2; failing++) { /* the key, then the salt */
		f->random_failures = 1;
		assert_int_equal(enn_ticket_seal(f->keys, &f->env, 0, DAY, (const uint8_t *)STATE,
						 STATE_LEN, ticket, sizeof(ticket), &len),
				 ENN_E_CRYPTO);
		assert_int_equal(len, 0);
		if (failing == 1) {
			seal(f, 0, DAY, ticket); /* makes the key */
		}
	}
	seal(f, 0, DAY, ticket);
	assert_int_equal(open_ticket(f, 0, ticket), ENN_OK);
}

/* The format once more, from the description: HKDF-Expand, then AES-256-GCM, the name as AAD. */
static void test_format(void **state)
{
	struct fixture *f = *state;
	uint8_t key[64], ticket[TICKET_LEN], info[13 + 12], derived[44], out[STATE_LEN];
	struct enn_aead *aead;

	make_key(key, 5);
	assert_int_equal(enn_ticket_keys_set(f->keys, key, sizeof(key), 0), ENN_OK);
	seal(f, 0, DAY, ticket);
	memcpy(info, "ennead ticket", 13);
	memcpy(info + 13, ticket + 16, 12);
	enn_hkdf_expand(enn_hash_alg(ENN_HASH_SHA384), key + 16, 48, info, sizeof(info), derived,
			sizeof(derived));
	assert_int_equal(enn_aead_new(&f->env, enn_aead_alg(ENN_AEAD_AES_256_GCM), ENN_AEAD_OPEN,
				      derived, &aead),
			 ENN_OK);
	struct enn_aead_job job = {
		.nonce = derived + 32,
		.aad = key,
		.aad_len = 16,
		.in = ticket + 28,
		.in_len = sizeof(ticket) - 28,
		.out = out,
	};
	assert_int_equal(enn_aead_open(aead, &job), ENN_OK);
	assert_memory_equal(out, STATE, STATE_LEN);
	enn_aead_free(&f->env, aead);
}

/* The same environment makes the same bytes. */
static void test_repeatable(void **state)
{
	struct fixture *f = *state;
	uint8_t a[TICKET_LEN], b[TICKET_LEN];

	f->random_next = 17;
	seal(f, 0, DAY, a);
	enn_ticket_keys_free(f->keys);
	f->keys = enn_ticket_keys_new();
	assert_non_null(f->keys);
	f->random_next = 17;
	seal(f, 0, DAY, b);
	assert_memory_equal(a, b, sizeof(a));
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_round_trip), UNIT(test_space),
		UNIT(test_every_bit),  UNIT(test_every_length),
		UNIT(test_mixed),      UNIT(test_rotation),
		UNIT(test_whole_life), UNIT(test_clock_set_back),
		UNIT(test_given_keys), UNIT(test_four_earlier_keys),
		UNIT(test_pool),       UNIT(test_copy_and_references),
		UNIT(test_since),      UNIT(test_random_fails),
		UNIT(test_repeatable), UNIT(test_format),
		UNIT(test_periods),    UNIT(test_added_keys_expire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
