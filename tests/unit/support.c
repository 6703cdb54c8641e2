/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdlib.h>
#include <time.h>

static void *count_alloc(void *ctx, size_t size)
{
	struct test_env *t = ctx;

	t->calls++;
	if (t->calls == t->fail_at) {
		return NULL;
	}
	void *ptr = malloc(size);
	if (ptr != NULL) {
		memset(ptr, 0xa5, size); /* the callee must not count on zeros of ours */
		t->live_bytes += size;
	}
	return ptr;
}

static void count_free(void *ctx, void *ptr, size_t size)
{
	struct test_env *t = ctx;
	assert_true(t->live_bytes >= size);
	t->live_bytes -= size;
	free(ptr);
}

void test_env_open(struct test_env *t, enum enn_crypto_backend backend)
{
	*t = (struct test_env){.fail_at = 0};
	assert_int_equal(enn_crypto_new(backend, &t->env.crypto), ENN_OK);
	t->env.alloc = count_alloc;
	t->env.free = count_free;
	t->env.alloc_ctx = t;
}

enum enn_crypto_backend test_backend(int argc, char **argv)
{
	struct enn_crypto *crypto;

	if (argc < 2 || strcmp(argv[1], "ipsec-mb") != 0) {
		return ENN_CRYPTO_LIBCRYPTO;
	}
	if (enn_crypto_new(ENN_CRYPTO_IPSEC_MB, &crypto) != ENN_OK) {
		/* cmocka reports a skipped test as a failed one; a whole program can be skipped. */
		(void)puts("1..0 # SKIP ipsec-mb is not usable here: not in this build, or the CPU "
			   "lacks AES-NI or AVX2");
		exit(0);
	}
	enn_crypto_free(crypto);
	return ENN_CRYPTO_IPSEC_MB;
}

void test_env_close(struct test_env *t)
{
	assert_int_equal(t->live_bytes, 0);
	enn_crypto_free(t->env.crypto);
}

uint64_t test_random(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

void test_fill(uint64_t *state, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		out[i] = (uint8_t)(test_random(state) >> 56);
	}
}

static int seeded(void *ctx, uint8_t *out, size_t len)
{
	struct test_env *t = ctx;
	size_t n = len < t->script_len ? len : t->script_len;

	if (n > 0) {
		memcpy(out, t->script, n);
	}
	t->script += n;
	t->script_len -= n;
	test_fill(&t->seed, out + n, len - n);
	return 0;
}

void test_env_seed(struct test_env *t, uint64_t seed, const uint8_t *script, size_t script_len)
{
	t->seed = seed | 1;
	t->script = script;
	t->script_len = script_len;
	t->env.random = seeded;
	t->env.random_ctx = t;
}

uint64_t test_seed(void)
{
	const char *text = getenv("ENN_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	print_message("# ENN_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed << 1 | 1;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
	size_t len = 0;
	int high = -1;

	for (; *hex != '\0'; hex++) {
		int d = digit(*hex);
		if (d < 0) {
			assert_true(*hex == ' ' || *hex == '\n' || *hex == '\t');
			continue;
		}
		if (high < 0) {
			high = d;
			continue;
		}
		assert_true(len < cap);
		out[len++] = (uint8_t)(high << 4 | d);
		high = -1;
	}
	assert_int_equal(high, -1);
	return len;
}
