/* SPDX-License-Identifier: Apache-2.0
 *
 * AES in counter mode and HMAC-SHA1: known answers, and the two back ends against each other.
 */
#include "crypto/ctr_hmac.h"
#include "support.h"

#define STREAM 1044512u /* RFC 3711 B.2: 65282 blocks */
#define ROOM   2048u

static enum enn_crypto_backend backend;

/* RFC 3711 B.2, RFC 6188 §7.1 and §7.3: the blocks 0, 1, 2 and the last three. */
static void keystreams(void **state)
{
	static const struct {
		size_t len;
		const char *key;
		const char *blocks[6];
	} v[] = {
		{16,
		 "2B7E151628AED2A6ABF7158809CF4F3C",
		 {"E03EAD0935C95E80E166B16DD92B4EB4", "D23513162B02D0F72A43A2FE4A5F97AB",
		  "41E95B3BB0A2E8DD477901E4FCA894C0", "EC8CDF7398607CB0F2D21675EA9EA1E4",
		  "362B7C3C6773516318A077D7FC5073AE", "6A2CC3787889374FBEB4C81B17BA6C44"}},
		{32,
		 "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
		 {"92bdd28a93c3f52511c677d08b5515a4", "9da71b2378a854f67050756ded165bac",
		  "63c4868b7096d88421b563b8c94c9a31", "cea518c90fd91ced9cbb18c078a54711",
		  "3dbc4814f4da5f00a08772b63c6a046d", "6eb246913062a16891433e97dd01a57f"}},
		{24,
		 "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
		 {"35096cba4610028dc1b57503804ce37c", "5de986291dcce161d5165ec4568f5c9a",
		  "474a40c77894bc17180202272a4c264d", "d108d1a31a00bad6367ec23eb044b415",
		  "c8f57129fdeb970b59f917b257662d4c", "a5dab625811034e8cebdfeb6dc158dd3"}},
	};
	static uint8_t text[STREAM];
	struct test_env t;

	(void)state;
	test_env_open(&t, backend);
	for (size_t i = 0; i < 3; i++) {
		uint8_t key[32];
		struct enn_ctr_hmac *x;
		struct enn_ctr_job job = {.text = text, .len = sizeof(text)};
		assert_int_equal(unhex(v[i].key, key, sizeof(key)), v[i].len);
		(void)unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", job.iv, sizeof(job.iv));
		memset(text, 0, sizeof(text));
		assert_int_equal(enn_ctr_hmac_new(&t.env, v[i].len, false, key, &x), ENN_OK);
		assert_int_equal(enn_ctr_batch(x, &job, 1), ENN_OK);
		for (size_t k = 0; k < 6; k++) {
			size_t block = k < 3 ? k : 0xfeff + k - 3;
			assert_hex(text + block * 16, 16, v[i].blocks[k]);
		}
		enn_ctr_hmac_free(&t.env, x);
	}
	test_env_close(&t);
}

/* RFC 2202 case 1 with its key of 20 bytes, case 3, and the two in one batch 32 times. */
static void macs(void **state)
{
	struct test_env t;
	uint8_t key[20];
	uint8_t dd[50];
	struct enn_mac_job jobs[ENN_CTR_HMAC_JOBS];
	struct enn_ctr_hmac *x;

	(void)state;
	memset(dd, 0xdd, sizeof(dd));
	memset(key, 0x0b, sizeof(key));
	test_env_open(&t, backend);
	assert_int_equal(enn_ctr_hmac_new(&t.env, 0, true, key, &x), ENN_OK);
	jobs[0] = (struct enn_mac_job){.text = (const uint8_t *)"Hi There", .len = 8};
	enn_hmac_sha1_batch(x, jobs, 1);
	assert_hex(jobs[0].mac, 20, "b617318655057264e28bc0b6fb378c8ef146be00");
	memset(key, 0xaa, sizeof(key));
	assert_int_equal(enn_ctr_hmac_rekey(x, key), ENN_OK);
	for (size_t i = 0; i < ENN_CTR_HMAC_JOBS; i++) {
		jobs[i] = (struct enn_mac_job){.text = dd, .len = sizeof(dd)};
	}
	enn_hmac_sha1_batch(x, jobs, ENN_CTR_HMAC_JOBS);
	for (size_t i = 0; i < ENN_CTR_HMAC_JOBS; i++) {
		assert_hex(jobs[i].mac, 20, "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
	}
	enn_ctr_hmac_free(&t.env, x);
	test_env_close(&t);
}

struct side {
	struct test_env t;
	struct enn_ctr_hmac *x;
	struct enn_ctr_job ctr[ENN_CTR_HMAC_JOBS];
	struct enn_mac_job mac[ENN_CTR_HMAC_JOBS];
	uint8_t text[ENN_CTR_HMAC_JOBS][ROOM];
};

static void one_round(struct side side[2], uint64_t *seed)
{
	static const size_t lens[] = {0, 16, 24, 32};
	size_t cipher = lens[test_random(seed) >> 40 & 3];
	size_t count = 1 + (test_random(seed) >> 40) % ENN_CTR_HMAC_JOBS;
	uint8_t key[52];

	test_fill(seed, key, sizeof(key));
	for (int k = 0; k < 2; k++) {
		assert_int_equal(enn_ctr_hmac_new(&side[k].t.env, cipher, true, key, &side[k].x),
				 ENN_OK);
	}
	for (size_t i = 0; i < count; i++) {
		uint8_t iv[16] = {0};
		size_t at = (test_random(seed) >> 40) % 32;
		size_t len = (test_random(seed) >> 40) % (ROOM - 64);
		len = (test_random(seed) >> 40) % 4 == 0 ? len % 70 : len;
		test_fill(seed, iv, 14);
		test_fill(seed, side[0].text[i], ROOM);
		memcpy(side[1].text[i], side[0].text[i], ROOM);
		for (int k = 0; k < 2; k++) {
			side[k].ctr[i] =
				(struct enn_ctr_job){.text = side[k].text[i] + at, .len = len};
			memcpy(side[k].ctr[i].iv, iv, sizeof(iv));
			side[k].mac[i] =
				(struct enn_mac_job){.text = side[k].text[i] + at, .len = len};
		}
	}
	for (int k = 0; k < 2; k++) {
		assert_int_equal(enn_ctr_batch(side[k].x, side[k].ctr, count), ENN_OK);
		enn_hmac_sha1_batch(side[k].x, side[k].mac, count);
		enn_ctr_hmac_free(&side[k].t.env, side[k].x);
	}
	for (size_t i = 0; i < count; i++) {
		assert_memory_equal(side[0].text[i], side[1].text[i], ROOM);
		assert_memory_equal(side[0].mac[i].mac, side[1].mac[i].mac, ENN_SHA1);
	}
}

static void differential(void **state)
{
	static struct side side[2];
	uint64_t seed = test_seed();

	(void)state;
	test_env_open(&side[0].t, ENN_CRYPTO_LIBCRYPTO);
	test_env_open(&side[1].t, backend);
	for (int i = 0; i < 400; i++) {
		one_round(side, &seed);
	}
	test_env_close(&side[0].t);
	test_env_close(&side[1].t);
}

static void memory_fails(void **state)
{
	struct test_env t;
	struct enn_ctr_hmac *x;
	const uint8_t key[52] = {1};

	(void)state;
	test_env_open(&t, backend);
	t.fail_at = t.calls + 1;
	assert_int_equal(enn_ctr_hmac_new(&t.env, 16, true, key, &x), ENN_E_MEMORY);
	assert_null(x);
	enn_ctr_hmac_free(&t.env, NULL);
	test_env_close(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keystreams),
		cmocka_unit_test(macs),
		cmocka_unit_test(differential),
		cmocka_unit_test(memory_fails),
	};

	backend = test_backend(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
