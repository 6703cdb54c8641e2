/* SPDX-License-Identifier: Apache-2.0
 *
 * AEAD: vectors of the RFCs and the promises of aead.h, on the back end that the
 * argument names.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "support.h"

static enum enn_crypto_backend backend;

static int open_env(void **state)
{
	static struct test_env t;
	test_env_open(&t, backend);
	*state = &t;
	return 0;
}

static int close_env(void **state)
{
	test_env_close(*state);
	return 0;
}

static struct enn_aead *make(struct test_env *t, enum enn_aead_id id,
			     enum enn_aead_direction direction, const uint8_t *key)
{
	struct enn_aead *aead;
	assert_int_equal(enn_aead_new(&t->env, enn_aead_alg(id), direction, key, &aead), ENN_OK);
	assert_ptr_equal(enn_aead_algorithm(aead), enn_aead_alg(id));
	return aead;
}

/* RFC 7714 §16.1.1 and §16.2.1, RFC 8439 §2.8.2 */
static const struct vector {
	enum enn_aead_id id;
	const char *key;
	const char *nonce;
	const char *aad;
	const char *plain;
	const char *sealed;
} vectors[] = {
	{ENN_AEAD_AES_128_GCM, "000102030405060708090a0b0c0d0e0f", "51753c6580c2726f20718414",
	 "8040f17b8041f8d35501a0b2",
	 "47616c6c696120657374206f6d6e69732064697669736120696e207061727465"
	 "732074726573",
	 "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b"
	 "36de3adf8833 899d7f27beb16a9152cf765ee4390cce"},
	{ENN_AEAD_AES_256_GCM, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 "51753c6580c2726f20718414", "8040f17b8041f8d35501a0b2",
	 "47616c6c696120657374206f6d6e69732064697669736120696e207061727465"
	 "732074726573",
	 "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f"
	 "1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13"},
	{ENN_AEAD_CHACHA20_POLY1305,
	 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	 "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	 "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	 "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	 "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	 "637265656e20776f756c642062652069742e",
	 "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	 "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	 "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	 "3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691"},
};

struct packet {
	uint8_t key[32];
	uint8_t nonce[12];
	uint8_t aad[64];
	size_t aad_len;
	uint8_t plain[256];
	size_t len;
	uint8_t sealed[256];
};

static void load(const struct vector *v, struct packet *p)
{
	(void)unhex(v->key, p->key, sizeof(p->key));
	(void)unhex(v->nonce, p->nonce, sizeof(p->nonce));
	p->aad_len = unhex(v->aad, p->aad, sizeof(p->aad));
	p->len = unhex(v->plain, p->plain, sizeof(p->plain));
	assert_int_equal(unhex(v->sealed, p->sealed, sizeof(p->sealed)), p->len + 16);
}

static void test_vectors(void **state)
{
	struct test_env *t = *state;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct packet p;
		uint8_t out[256];
		load(&vectors[i], &p);
		struct enn_aead *seal = make(t, vectors[i].id, ENN_AEAD_SEAL, p.key);
		struct enn_aead *open = make(t, vectors[i].id, ENN_AEAD_OPEN, p.key);
		/* The plaintext may be cut into text and trailer anywhere, in place or not. */
		for (size_t cut = 0; cut <= p.len; cut++) {
			struct enn_aead_job job = {.nonce = p.nonce,
						   .aad = p.aad,
						   .aad_len = p.aad_len,
						   .in = p.plain,
						   .in_len = cut,
						   .trailer = p.plain + cut,
						   .trailer_len = p.len - cut,
						   .out = out};
			memset(out, 0, sizeof(out));
			assert_int_equal(enn_aead_seal(seal, &job), ENN_OK);
			assert_memory_equal(out, p.sealed, p.len + 16);
			memcpy(out, p.plain, cut);
			memset(out + cut, 0, sizeof(out) - cut);
			job.in = out;
			assert_int_equal(enn_aead_seal(seal, &job), ENN_OK);
			assert_memory_equal(out, p.sealed, p.len + 16);
		}
		struct enn_aead_job job = {.nonce = p.nonce,
					   .aad = p.aad,
					   .aad_len = p.aad_len,
					   .in = p.sealed,
					   .in_len = p.len + 16,
					   .out = out};
		assert_int_equal(enn_aead_open(open, &job), ENN_OK);
		assert_memory_equal(out, p.plain, p.len);
		job.in = memcpy(out, p.sealed, p.len + 16);
		assert_int_equal(enn_aead_open(open, &job), ENN_OK);
		assert_memory_equal(out, p.plain, p.len);
		enn_aead_free(&t->env, seal);
		enn_aead_free(&t->env, open);
	}
}

/* Every bit of ciphertext, tag, nonce, AAD and key counts, and what fails leaves nothing behind. */
static void test_forgeries(void **state)
{
	struct test_env *t = *state;
	static const uint8_t zeros[256];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct packet p;
		uint8_t out[256];
		load(&vectors[i], &p);
		struct enn_aead *open = make(t, vectors[i].id, ENN_AEAD_OPEN, p.key);
		struct enn_aead_job job = {.nonce = p.nonce,
					   .aad = p.aad,
					   .aad_len = p.aad_len,
					   .in = p.sealed,
					   .in_len = p.len + 16,
					   .out = out};
		struct {
			uint8_t *at;
			size_t len;
		} parts[] = {{p.sealed, p.len + 16}, {p.nonce, 12}, {p.aad, p.aad_len}};
		for (size_t part = 0; part < 3; part++) {
			for (size_t bit = 0; bit < parts[part].len * 8; bit++) {
				parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
				memset(out, 0xee, sizeof(out));
				assert_int_equal(enn_aead_open(open, &job), ENN_E_CRYPTO);
				assert_memory_equal(out, zeros, p.len);
				assert_int_equal(out[p.len], 0xee);
				parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
		for (size_t len = 0; len < p.len + 16; len++) {
			job.in_len = len;
			assert_int_equal(enn_aead_open(open, &job), ENN_E_CRYPTO);
		}
		job.in_len = p.len + 16;
		job.aad_len--;
		assert_int_equal(enn_aead_open(open, &job), ENN_E_CRYPTO);
		job.aad_len++;
		assert_int_equal(enn_aead_open(open, &job), ENN_OK);
		p.key[0] ^= 1;
		assert_int_equal(enn_aead_rekey(open, p.key), ENN_OK);
		assert_int_equal(enn_aead_open(open, &job), ENN_E_CRYPTO);
		p.key[0] ^= 1;
		assert_int_equal(enn_aead_rekey(open, p.key), ENN_OK);
		assert_int_equal(enn_aead_open(open, &job), ENN_OK);
		enn_aead_free(&t->env, open);
	}
}

/* In place, a failure wipes the ciphertext that was overwritten, but not the tag behind it. */
static void test_forgery_in_place(void **state)
{
	struct test_env *t = *state;
	static const uint8_t zeros[256];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct packet p;
		load(&vectors[i], &p);
		struct enn_aead *open = make(t, vectors[i].id, ENN_AEAD_OPEN, p.key);
		struct enn_aead_job job = {.nonce = p.nonce,
					   .aad = p.aad,
					   .aad_len = p.aad_len,
					   .in = p.sealed,
					   .in_len = p.len + 16,
					   .out = p.sealed};
		p.sealed[p.len + 15] ^= 1;
		assert_int_equal(enn_aead_open(open, &job), ENN_E_CRYPTO);
		assert_memory_equal(p.sealed, zeros, p.len);
		enn_aead_free(&t->env, open);
	}
}

static void test_empty(void **state)
{
	struct test_env *t = *state;
	static const uint8_t key[32] = {9};
	static const uint8_t nonce[12] = {8};
	uint8_t tag[16];
	uint8_t other[16];

	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct enn_aead *seal = make(t, (enum enn_aead_id)id, ENN_AEAD_SEAL, key);
		struct enn_aead *open = make(t, (enum enn_aead_id)id, ENN_AEAD_OPEN, key);
		struct enn_aead_job job = {.nonce = nonce, .out = tag};
		assert_int_equal(enn_aead_seal(seal, &job), ENN_OK);
		struct enn_aead_job with_aad = {
			.nonce = nonce, .aad = key, .aad_len = 5, .out = other};
		assert_int_equal(enn_aead_seal(seal, &with_aad), ENN_OK);
		assert_memory_not_equal(tag, other, 16);
		struct enn_aead_job back = {.nonce = nonce, .in = tag, .in_len = 16, .out = other};
		assert_int_equal(enn_aead_open(open, &back), ENN_OK);
		tag[3] ^= 4;
		assert_int_equal(enn_aead_open(open, &back), ENN_E_CRYPTO);
		enn_aead_free(&t->env, seal);
		enn_aead_free(&t->env, open);
	}
}

static void test_batch(void **state)
{
	struct test_env *t = *state;
	enum { COUNT = 37, SIZE = 300 };
	static uint8_t plain[COUNT][SIZE];
	static uint8_t sealed[COUNT][SIZE + 24];
	static uint8_t opened[COUNT][SIZE + 24];
	static uint8_t nonces[COUNT][12];
	static const uint8_t key[32] = {1, 2, 3};
	static const uint8_t iv[12] = {5};
	static const uint8_t trailer[3] = {23, 0, 0};
	struct enn_aead_job jobs[COUNT];
	uint64_t seed = 99;

	test_fill(&seed, plain[0], sizeof(plain));
	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct enn_aead *seal = make(t, (enum enn_aead_id)id, ENN_AEAD_SEAL, key);
		struct enn_aead *open = make(t, (enum enn_aead_id)id, ENN_AEAD_OPEN, key);
		for (size_t i = 0; i < COUNT; i++) {
			enn_aead_nonce(nonces[i], iv, i);
			jobs[i] = (struct enn_aead_job){.nonce = nonces[i],
							.aad = plain[i],
							.aad_len = i % 20,
							.in = plain[i],
							.in_len = i * 8,
							.trailer = trailer,
							.trailer_len = i % 4,
							.out = sealed[i],
							.status = ENN_E_AGAIN};
		}
		enn_aead_seal_batch(seal, jobs, COUNT);
		for (size_t i = 0; i < COUNT; i++) {
			size_t len = jobs[i].in_len + jobs[i].trailer_len;
			assert_int_equal(jobs[i].status, ENN_OK);
			jobs[i].out = opened[i]; /* sealed alone it is the same */
			assert_int_equal(enn_aead_seal(seal, &jobs[i]), ENN_OK);
			assert_memory_equal(opened[i], sealed[i], len + 16);
			jobs[i].in = sealed[i];
			jobs[i].in_len = len + 16;
			jobs[i].trailer_len = 0;
			jobs[i].status = ENN_E_AGAIN;
		}
		sealed[7][20] ^= 1; /* one bad packet spoils no other */
		jobs[3].in_len = 15;
		enn_aead_open_batch(open, jobs, COUNT);
		for (size_t i = 0; i < COUNT; i++) {
			bool bad = i == 7 || i == 3;
			assert_int_equal(jobs[i].status, bad ? ENN_E_CRYPTO : ENN_OK);
			if (!bad) {
				assert_memory_equal(opened[i], plain[i], i * 8);
				assert_memory_equal(opened[i] + i * 8, trailer, i % 4);
			}
		}
		enn_aead_seal_batch(seal, jobs, 0);
		enn_aead_open_batch(open, jobs, 0);
		enn_aead_free(&t->env, seal);
		enn_aead_free(&t->env, open);
	}
}

/* Memory that ends at a page that must not be touched: *end is one past the last usable byte. */
static uint8_t *guarded(uint8_t **end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *at =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at + 2 * page, page, PROT_NONE), 0);
	*end = at + 2 * page;
	return at;
}

/* Neither back end reads or writes a byte beyond what it was given, though both work in wide
 * registers. */
static void test_page_ends(void **state)
{
	struct test_env *t = *state;
	uint8_t *end[5];
	uint8_t *map[5];
	static const uint8_t key[32] = {2};

	for (int i = 0; i < 5; i++) {
		map[i] = guarded(&end[i]);
	}
	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct enn_aead *seal = make(t, (enum enn_aead_id)id, ENN_AEAD_SEAL, key);
		struct enn_aead *open = make(t, (enum enn_aead_id)id, ENN_AEAD_OPEN, key);
		for (size_t len = 0; len < 4200; len += len < 300 ? 1 : 97) {
			size_t aad_len = len % 37;
			size_t trailer_len = len % 3;
			size_t sealed = len + trailer_len + 16;
			struct enn_aead_job job = {.nonce = end[0] - 12,
						   .aad = end[1] - aad_len,
						   .aad_len = aad_len,
						   .in = end[2] - len,
						   .in_len = len,
						   .trailer = end[3] - trailer_len,
						   .trailer_len = trailer_len,
						   .out = end[4] - sealed};
			assert_int_equal(enn_aead_seal(seal, &job), ENN_OK);
			struct enn_aead_job back = job;
			back.in = job.out;
			back.in_len = sealed;
			back.trailer_len = 0;
			back.out = end[2] - (len + trailer_len);
			assert_int_equal(enn_aead_open(open, &back), ENN_OK);
		}
		enn_aead_free(&t->env, seal);
		enn_aead_free(&t->env, open);
	}
	for (int i = 0; i < 5; i++) {
		(void)munmap(map[i], 3 * (size_t)sysconf(_SC_PAGESIZE));
	}
}

/* What a connection holds for each direction. libcrypto's own context is not in this count. */
static void test_memory(void **state)
{
	struct test_env *t = *state;
	static const uint8_t key[32] = {7};

	for (int id = 0; id < ENN_AEAD_COUNT; id++) {
		struct enn_aead *aead = make(t, (enum enn_aead_id)id, ENN_AEAD_SEAL, key);
		size_t most = id == ENN_AEAD_CHACHA20_POLY1305 ? 128 : 1152;
		assert_in_range(t->live_bytes, 1, most);
		size_t calls = t->calls;
		uint8_t out[64];
		struct enn_aead_job job = {.nonce = key, .in = key, .in_len = 32, .out = out};
		assert_int_equal(enn_aead_seal(aead, &job), ENN_OK);
		assert_int_equal(enn_aead_rekey(aead, key), ENN_OK);
		assert_int_equal(t->calls, calls);
		enn_aead_free(&t->env, aead);
		assert_int_equal(t->live_bytes, 0);
		t->fail_at = t->calls + 1;
		assert_int_equal(enn_aead_new(&t->env, enn_aead_alg((enum enn_aead_id)id),
					      ENN_AEAD_SEAL, key, &aead),
				 ENN_E_MEMORY);
		assert_null(aead);
	}
	enn_aead_free(&t->env, NULL);
}

static void test_nonce(void **state)
{
	uint8_t iv[12] = {0x5d, 0x31, 0x3e, 0xb2, 0x67, 0x12, 0x76, 0xee, 0x13, 0x00, 0x0b, 0x30};
	uint8_t nonce[12];

	(void)state;
	enn_aead_nonce(nonce, iv, 0);
	assert_memory_equal(nonce, iv, 12);
	enn_aead_nonce(nonce, iv, UINT64_C(0x0102030405060708));
	assert_hex(nonce, 12, "5d313eb2661075ea16060c38");
}

static void test_describe(void **state)
{
	struct test_env *t = *state;
	const char *text = enn_crypto_describe(t->env.crypto);

	assert_non_null(strstr(text, "OpenSSL "));
	assert_int_equal(strncmp(text, "ipsec-mb ", 9) == 0, backend == ENN_CRYPTO_IPSEC_MB);
	print_message("# %s\n", text);
}

static void test_backend_choice(void **state)
{
	struct enn_crypto *crypto;

	(void)state;
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &crypto), ENN_OK);
	assert_null(strstr(enn_crypto_describe(crypto), "ipsec-mb"));
	enn_crypto_free(crypto);
	assert_int_equal(enn_crypto_new(ENN_CRYPTO_AUTO, &crypto), ENN_OK);
	enn_crypto_free(crypto);
	enn_crypto_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_env, close_env)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_describe),
		TEST(test_vectors),
		TEST(test_forgeries),
		TEST(test_forgery_in_place),
		TEST(test_empty),
		TEST(test_batch),
		TEST(test_page_ends),
		TEST(test_memory),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_backend_choice),
	};

	backend = test_backend(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
