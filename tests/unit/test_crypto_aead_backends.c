/* SPDX-License-Identifier: Apache-2.0
 *
 * The two AEAD back ends against each other: random sizes, alignments, additional data, trailers
 * and batch shapes. Equal keys and packets must give equal bytes and equal verdicts.
 */
#include "crypto/aead.h"
#include "support.h"

#define ROUNDS	     3000
#define BATCH_ROUNDS 300
#define BATCH_MAX    40
#define ROOM	     (20000 + 64)

static struct test_env lib;
static struct test_env mb;

static int open_both(void **state)
{
	(void)state;
	test_env_open(&lib, ENN_CRYPTO_LIBCRYPTO);
	test_env_open(&mb, ENN_CRYPTO_IPSEC_MB);
	return 0;
}

static int close_both(void **state)
{
	(void)state;
	test_env_close(&lib);
	test_env_close(&mb);
	return 0;
}

/* Small sizes and block boundaries more often than large ones. */
static size_t size_of(uint64_t *seed, size_t max)
{
	uint64_t r = test_random(seed) >> 8;
	switch (r & 7) {
	case 0:
		return r >> 3 & 15;
	case 1:
	case 2:
		return (r >> 3) % 300;
	case 3: {
		size_t near = ((r >> 3) % (max / 64)) * 64 + ((r >> 40) & 3);
		return near > 0 ? near - 1 : 0;
	}
	case 4:
	case 5:
		return (r >> 3) % 1500;
	default:
		return (r >> 3) % max;
	}
}

struct pair {
	struct enn_aead *lib_seal;
	struct enn_aead *lib_open;
	struct enn_aead *mb_seal;
	struct enn_aead *mb_open;
};

static void open_pair(struct pair *p, enum enn_aead_id id, const uint8_t *key)
{
	const struct enn_aead_alg *alg = enn_aead_alg(id);
	assert_int_equal(enn_aead_new(&lib.env, alg, ENN_AEAD_SEAL, key, &p->lib_seal), ENN_OK);
	assert_int_equal(enn_aead_new(&lib.env, alg, ENN_AEAD_OPEN, key, &p->lib_open), ENN_OK);
	assert_int_equal(enn_aead_new(&mb.env, alg, ENN_AEAD_SEAL, key, &p->mb_seal), ENN_OK);
	assert_int_equal(enn_aead_new(&mb.env, alg, ENN_AEAD_OPEN, key, &p->mb_open), ENN_OK);
}

static void close_pair(struct pair *p)
{
	enn_aead_free(&lib.env, p->lib_seal);
	enn_aead_free(&lib.env, p->lib_open);
	enn_aead_free(&mb.env, p->mb_seal);
	enn_aead_free(&mb.env, p->mb_open);
}

static uint8_t text[ROOM];
static uint8_t out_lib[ROOM];
static uint8_t out_mb[ROOM];
static uint8_t opened_lib[ROOM];
static uint8_t opened_mb[ROOM];
static uint8_t aad[512];

static void one_round(struct pair *p, uint64_t *seed)
{
	uint8_t nonce[12];
	uint8_t trailer[256];
	size_t len = size_of(seed, 17000);
	size_t trailer_len = test_random(seed) & 1 ? 1 : size_of(seed, 256) % 256;
	bool in_place = test_random(seed) & 1;
	size_t shift = test_random(seed) >> 60; /* unaligned by 0 to 15 */
	size_t sealed = len + trailer_len + 16;

	test_fill(seed, nonce, sizeof(nonce));
	test_fill(seed, trailer, sizeof(trailer));
	struct enn_aead_job a = {.nonce = nonce,
				 .aad = aad + shift,
				 .aad_len = size_of(seed, 400) % 400,
				 .in = text + shift,
				 .in_len = len,
				 .trailer = trailer,
				 .trailer_len = trailer_len,
				 .out = out_lib + shift};
	struct enn_aead_job b = a;
	b.out = out_mb + (shift ^ 5);
	if (in_place) {
		memcpy(a.out, text + shift, len);
		memcpy(b.out, text + shift, len);
		a.in = a.out;
		b.in = b.out;
	}
	uint8_t after = b.out[sealed];
	assert_int_equal(enn_aead_seal(p->lib_seal, &a), ENN_OK);
	assert_int_equal(enn_aead_seal(p->mb_seal, &b), ENN_OK);
	assert_memory_equal(a.out, b.out, sealed);
	assert_int_equal(b.out[sealed], after);

	/* Crosswise open; every fourth with one bit changed. */
	bool forged = (test_random(seed) >> 62) == 0;
	if (forged) {
		size_t bit = test_random(seed) % (sealed * 8);
		a.out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		b.out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	a.trailer_len = b.trailer_len = 0;
	a.in_len = b.in_len = sealed;
	if (in_place) {
		a.in = a.out;
		b.in = b.out;
	} else {
		/* Each opens what the other sealed. */
		a.in = b.out;
		b.in = a.out;
		a.out = opened_lib;
		b.out = opened_mb;
	}
	enum enn_status verdict = enn_aead_open(p->lib_open, &a);
	assert_int_equal(verdict, forged ? ENN_E_CRYPTO : ENN_OK);
	assert_int_equal(enn_aead_open(p->mb_open, &b), verdict);
	assert_memory_equal(a.out, b.out, len + trailer_len);
	if (!forged) {
		assert_memory_equal(a.out, text + shift, len);
		assert_memory_equal(a.out + len, trailer, trailer_len);
	}
}

static void test_single(void **state)
{
	uint8_t key[32];
	uint64_t seed = test_seed();

	(void)state;
	test_fill(&seed, text, sizeof(text));
	test_fill(&seed, aad, sizeof(aad));
	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		for (int round = 0; round < ROUNDS; round += 100) {
			struct pair p;
			test_fill(&seed, key, sizeof(key));
			open_pair(&p, (enum enn_aead_id)id, key);
			for (int i = 0; i < 100; i++) {
				one_round(&p, &seed);
			}
			close_pair(&p);
		}
	}
}

/* Every size from nothing to a little over a few blocks of everything there is. */
static void test_every_small_size(void **state)
{
	static const uint8_t key[32] = {3, 1, 4};
	static const uint8_t nonce[12] = {1, 5, 9};

	(void)state;
	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct pair p;
		open_pair(&p, (enum enn_aead_id)id, key);
		for (size_t len = 0; len < 1200; len++) {
			for (size_t trailer = 0; trailer < 3; trailer++) {
				struct enn_aead_job a = {.nonce = nonce,
							 .aad = aad,
							 .aad_len = len % 30,
							 .in = text,
							 .in_len = len,
							 .trailer = aad,
							 .trailer_len = trailer,
							 .out = out_lib};
				struct enn_aead_job b = a;
				b.out = out_mb;
				assert_int_equal(enn_aead_seal(p.lib_seal, &a), ENN_OK);
				assert_int_equal(enn_aead_seal(p.mb_seal, &b), ENN_OK);
				assert_memory_equal(out_lib, out_mb, len + trailer + 16);
			}
		}
		close_pair(&p);
	}
}

struct batch {
	uint8_t nonce[BATCH_MAX][12];
	uint8_t trailer[BATCH_MAX][8];
	uint8_t lib[BATCH_MAX][2100];
	uint8_t mb[BATCH_MAX][2100];
	struct enn_aead_job a[BATCH_MAX];
	struct enn_aead_job b[BATCH_MAX];
};

static void one_batch(struct pair *p, struct batch *s, uint64_t *seed)
{
	size_t count = 1 + test_random(seed) % BATCH_MAX;
	bool in_place = test_random(seed) & 1;

	for (size_t i = 0; i < count; i++) {
		size_t len = size_of(seed, 2000);
		test_fill(seed, s->nonce[i], 12);
		test_fill(seed, s->trailer[i], 8);
		s->a[i] = (struct enn_aead_job){.nonce = s->nonce[i],
						.aad = aad + i,
						.aad_len = test_random(seed) % 40,
						.in = in_place ? s->lib[i] : text + i,
						.in_len = len,
						.trailer = s->trailer[i],
						.trailer_len = test_random(seed) % 9,
						.out = s->lib[i]};
		s->b[i] = s->a[i];
		s->b[i].out = s->mb[i];
		if (in_place) {
			memcpy(s->lib[i], text + i, len);
			memcpy(s->mb[i], text + i, len);
			s->b[i].in = s->mb[i];
		}
	}
	enn_aead_seal_batch(p->lib_seal, s->a, count);
	enn_aead_seal_batch(p->mb_seal, s->b, count);
	for (size_t i = 0; i < count; i++) {
		size_t sealed = s->a[i].in_len + s->a[i].trailer_len + 16;
		assert_int_equal(s->a[i].status, ENN_OK);
		assert_int_equal(s->b[i].status, ENN_OK);
		assert_memory_equal(s->lib[i], s->mb[i], sealed);
		if (test_random(seed) % 8 == 0) {
			size_t bit = test_random(seed) % (sealed * 8);
			s->lib[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
			s->mb[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		s->a[i].in = s->a[i].out;
		s->b[i].in = s->b[i].out;
		s->a[i].in_len = s->b[i].in_len = test_random(seed) % 50 == 0 ? 9 : sealed;
		s->a[i].trailer_len = s->b[i].trailer_len = 0;
	}
	enn_aead_open_batch(p->lib_open, s->a, count);
	enn_aead_open_batch(p->mb_open, s->b, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(s->a[i].status, s->b[i].status);
		if (s->a[i].in_len > 16) {
			assert_memory_equal(s->lib[i], s->mb[i], s->a[i].in_len - 16);
		}
	}
}

static void test_batches(void **state)
{
	static struct batch s;
	uint8_t key[32];
	uint64_t seed = test_seed();

	(void)state;
	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct pair p;
		test_fill(&seed, key, sizeof(key));
		open_pair(&p, (enum enn_aead_id)id, key);
		for (int round = 0; round < BATCH_ROUNDS; round++) {
			one_batch(&p, &s, &seed);
		}
		close_pair(&p);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_every_small_size),
		cmocka_unit_test(test_batches),
	};
	(void)test_backend(argc, argv); /* skips without ipsec-mb */
	return cmocka_run_group_tests(tests, open_both, close_both);
}
