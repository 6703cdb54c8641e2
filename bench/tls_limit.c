/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit: what the cryptographic libraries alone take for the same work, each asked in its
 * cheapest way, with keys and contexts prepared beforehand.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"
#include "x25519.h"

#ifdef ENN_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#define AAD 5
#define TAG 16

/* Seals one record from `in` to `out`, then opens it in place. */
typedef void (*record_fn)(struct limit *l, const uint8_t *in, uint8_t *out, size_t len);

struct limit {
	struct bench_x25519 *x25519;
	EVP_PKEY_CTX *sign;
	EVP_PKEY_CTX *verify;
	uint8_t signature[128];
	size_t signature_len;
	uint8_t digest[32];
	size_t record;
	record_fn seal_and_open;
	const char *aead_name;
	size_t aead_size; /* of one keyed AEAD */
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
#ifdef ENN_HAVE_IPSEC_MB
	IMB_MGR *mb;
	struct gcm_key_data *gcm;
	bool aes256;
#endif
	uint8_t key[32];
	uint8_t iv[12];
	uint8_t *message;
	uint8_t *wire;
};

/* ---- public key ----------------------------------------------------------------------------------- */

static void sign(struct limit *l)
{
	l->signature_len = sizeof(l->signature);
	BENCH_NEED(EVP_PKEY_sign(l->sign, l->signature, &l->signature_len, l->digest, 32) == 1);
}

static void verify(struct limit *l)
{
	BENCH_NEED(EVP_PKEY_verify(l->verify, l->signature, l->signature_len, l->digest, 32) == 1);
}

void limit_resumed(void *ctx, size_t n)
{
	const struct limit *l = ctx;

	for (size_t i = 0; i < n; i++) {
		bench_x25519_generate(l->x25519);
		bench_x25519_generate(l->x25519);
		bench_x25519_derive(l->x25519);
		bench_x25519_derive(l->x25519);
	}
}

void limit_known_chain(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		limit_resumed(ctx, 1);
		sign(ctx);
		verify(ctx);
	}
}

void limit_full(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		limit_known_chain(ctx, 1);
		verify(ctx);
	}
}

void limit_mutual(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		limit_full(ctx, 1);
		sign(ctx);
		verify(ctx);
		verify(ctx);
	}
}

static void prepare_keys(struct limit *l, const struct tls_setup *setup)
{
	l->x25519 = bench_x25519_new();
	l->sign = EVP_PKEY_CTX_new(setup->pki->server.key, NULL);
	l->verify = EVP_PKEY_CTX_new(setup->pki->server.key, NULL);
	BENCH_NEED(l->sign != NULL && EVP_PKEY_sign_init(l->sign) == 1 && l->verify != NULL &&
		   EVP_PKEY_verify_init(l->verify) == 1);
	sign(l);
	verify(l);
}

/* ---- records ----------------------------------------------------------------------------------------- */

/* A new nonce for each record, as the protocol has it. */
static void next_nonce(struct limit *l)
{
	for (size_t i = sizeof(l->iv); i-- > 4 && ++l->iv[i] == 0;) {
	}
}

static void evp_record(struct limit *l, const uint8_t *in, uint8_t *out, size_t len)
{
	uint8_t *body = out + AAD;
	int n;

	next_nonce(l);
	BENCH_NEED(EVP_EncryptInit_ex(l->seal, NULL, NULL, NULL, l->iv) == 1 &&
		   EVP_EncryptUpdate(l->seal, NULL, &n, out, AAD) == 1 &&
		   EVP_EncryptUpdate(l->seal, body, &n, in, (int)len) == 1 &&
		   EVP_EncryptFinal_ex(l->seal, body + len, &n) == 1 &&
		   EVP_CIPHER_CTX_ctrl(l->seal, EVP_CTRL_AEAD_GET_TAG, TAG, body + len) == 1);
	BENCH_NEED(EVP_DecryptInit_ex(l->open, NULL, NULL, NULL, l->iv) == 1 &&
		   EVP_DecryptUpdate(l->open, NULL, &n, out, AAD) == 1 &&
		   EVP_DecryptUpdate(l->open, body, &n, body, (int)len) == 1 &&
		   EVP_CIPHER_CTX_ctrl(l->open, EVP_CTRL_AEAD_SET_TAG, TAG, body + len) == 1 &&
		   EVP_DecryptFinal_ex(l->open, body + len, &n) == 1);
}

static void prepare_evp(struct limit *l, const char *cipher_name, const char *label)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name, NULL);

	l->seal = EVP_CIPHER_CTX_new();
	l->open = EVP_CIPHER_CTX_new();
	struct bench_heap heap = {.calls = 0};
	bench_heap_count(&heap);
	EVP_CIPHER_CTX *one = EVP_CIPHER_CTX_new();
	BENCH_NEED(one != NULL && EVP_EncryptInit_ex(one, cipher, NULL, l->key, l->iv) == 1);
	bench_heap_count(NULL);
	EVP_CIPHER_CTX_free(one);
	BENCH_NEED(cipher != NULL && l->seal != NULL && l->open != NULL &&
		   EVP_EncryptInit_ex(l->seal, cipher, NULL, l->key, l->iv) == 1 &&
		   EVP_DecryptInit_ex(l->open, cipher, NULL, l->key, l->iv) == 1);
	EVP_CIPHER_free(cipher);
	l->seal_and_open = evp_record;
	l->aead_name = label;
	l->aead_size = (size_t)heap.bytes;
}

#ifdef ENN_HAVE_IPSEC_MB
static void gcm_record(struct limit *l, const uint8_t *in, uint8_t *out, size_t len)
{
	struct gcm_context_data ctx;
	uint8_t *body = out + AAD;
	uint8_t tag[TAG];

	next_nonce(l);
	if (l->aes256) {
		IMB_AES256_GCM_ENC(l->mb, l->gcm, &ctx, body, in, len, l->iv, out, AAD, body + len,
				   TAG);
		IMB_AES256_GCM_DEC(l->mb, l->gcm, &ctx, body, body, len, l->iv, out, AAD, tag, TAG);
	} else {
		IMB_AES128_GCM_ENC(l->mb, l->gcm, &ctx, body, in, len, l->iv, out, AAD, body + len,
				   TAG);
		IMB_AES128_GCM_DEC(l->mb, l->gcm, &ctx, body, body, len, l->iv, out, AAD, tag, TAG);
	}
	BENCH_NEED(CRYPTO_memcmp(tag, body + len, TAG) == 0);
}

static void chacha_record(struct limit *l, const uint8_t *in, uint8_t *out, size_t len)
{
	struct chacha20_poly1305_context_data ctx;
	uint8_t *body = out + AAD;
	uint8_t tag[TAG];

	next_nonce(l);
	IMB_CHACHA20_POLY1305_INIT(l->mb, l->key, &ctx, l->iv, out, AAD);
	IMB_CHACHA20_POLY1305_ENC_UPDATE(l->mb, l->key, &ctx, body, in, len);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(l->mb, &ctx, body + len, TAG);
	IMB_CHACHA20_POLY1305_INIT(l->mb, l->key, &ctx, l->iv, out, AAD);
	IMB_CHACHA20_POLY1305_DEC_UPDATE(l->mb, l->key, &ctx, body, body, len);
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(l->mb, &ctx, tag, TAG);
	BENCH_NEED(CRYPTO_memcmp(tag, body + len, TAG) == 0);
}

/* The same as jobs, which is cheaper for short records. */
static bool chacha_job(struct limit *l, IMB_CIPHER_DIRECTION direction, const uint8_t *in,
		       uint8_t *out, size_t len, uint8_t *tag)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(l->mb);

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = direction;
	job->chain_order =
		direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = l->key;
	job->dec_keys = l->key;
	job->key_len_in_bytes = sizeof(l->key);
	job->src = in;
	job->dst = out + AAD;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = len;
	job->msg_len_to_hash_in_bytes = len;
	job->iv = l->iv;
	job->iv_len_in_bytes = sizeof(l->iv);
	job->u.CHACHA20_POLY1305.aad = out;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = AAD;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = TAG;
	job = IMB_SUBMIT_JOB_NOCHECK(l->mb);
	if (job == NULL) {
		job = IMB_FLUSH_JOB(l->mb);
	}
	return job != NULL && job->status == IMB_STATUS_COMPLETED;
}

static void chacha_job_record(struct limit *l, const uint8_t *in, uint8_t *out, size_t len)
{
	uint8_t *body = out + AAD;
	uint8_t tag[TAG];

	next_nonce(l);
	BENCH_NEED(chacha_job(l, IMB_DIR_ENCRYPT, in, out, len, body + len) &&
		   chacha_job(l, IMB_DIR_DECRYPT, body, out, len, tag) &&
		   CRYPTO_memcmp(tag, body + len, TAG) == 0);
}

static double time_records(struct limit *l, record_fn seal_and_open)
{
	double best = 1;

	for (int turn = 0; turn < 8; turn++) {
		double start = bench_seconds();
		for (int i = 0; i < 256; i++) {
			seal_and_open(l, l->message, l->wire, l->record + 1);
		}
		double took = bench_seconds() - start;
		best = took < best ? took : best;
	}
	return best;
}

static void prepare_chacha(struct limit *l)
{
	bool job = time_records(l, chacha_job_record) < time_records(l, chacha_record);

	l->seal_and_open = job ? chacha_job_record : chacha_record;
	l->aead_name = job ? "ipsec-mb ChaCha20-Poly1305, one job a record"
			   : "ipsec-mb ChaCha20-Poly1305, direct calls";
	l->aead_size = sizeof(l->key);
}

static bool prepare_mb(struct limit *l, const char *suite)
{
	IMB_ARCH arch;

	l->mb = alloc_mb_mgr(0);
	BENCH_NEED(l->mb != NULL);
	init_mb_mgr_auto(l->mb, &arch);
	if (imb_get_errno(l->mb) != 0) {
		return false;
	}
	if (strstr(suite, "CHACHA20") != NULL) {
		prepare_chacha(l);
		return true;
	}
	l->aes256 = strstr(suite, "AES_256") != NULL;
	BENCH_NEED(posix_memalign((void **)&l->gcm, 64, sizeof(*l->gcm)) == 0);
	if (l->aes256) {
		IMB_AES256_GCM_PRE(l->mb, l->key, l->gcm);
	} else {
		IMB_AES128_GCM_PRE(l->mb, l->key, l->gcm);
	}
	l->seal_and_open = gcm_record;
	l->aead_name = "ipsec-mb AES-GCM, one call a record";
	l->aead_size = sizeof(*l->gcm);
	return true;
}
#endif

static void prepare_records(struct limit *l, const char *suite)
{
	bool chacha = strstr(suite, "CHACHA20") != NULL;

	memset(l->key, 'k', sizeof(l->key));
#ifdef ENN_HAVE_IPSEC_MB
	if (prepare_mb(l, suite)) {
		return;
	}
#endif
	if (chacha) {
		prepare_evp(l, "ChaCha20-Poly1305", "libcrypto ChaCha20-Poly1305");
	} else if (strstr(suite, "AES_256") != NULL) {
		prepare_evp(l, "AES-256-GCM", "libcrypto AES-256-GCM");
	} else {
		prepare_evp(l, "AES-128-GCM", "libcrypto AES-128-GCM");
	}
}

void limit_bulk(void *ctx, size_t n)
{
	struct limit *l = ctx;

	for (size_t i = 0; i < n; i++) {
		uint8_t *out = l->wire;
		for (size_t at = 0; at < TLS_MESSAGE; at += l->record) {
			l->seal_and_open(l, l->message + at, out, l->record + 1);
			out += AAD + l->record + 1 + TAG;
		}
	}
}

void limit_bulk_single(void *ctx, size_t n)
{
	struct limit *l = ctx;
	for (size_t i = 0; i < n; i++) {
		l->seal_and_open(l, l->message, l->wire, l->record + 1);
	}
}

double limit_idle(const struct limit *l)
{
	/* two directions of AEAD key, traffic secret, IV and counter; exporter and resumption secrets */
	return 2.0 * ((double)l->aead_size + 32 + 12 + 8) + 2 * 32;
}

const char *limit_aead_name(const struct limit *l)
{
	return l->aead_name;
}

/* ---- life ----------------------------------------------------------------------------------------------- */

struct limit *limit_new(const struct tls_setup *setup)
{
	struct limit *l = calloc(1, sizeof(*l));

	BENCH_NEED(l != NULL);
	l->record = setup->record;
	l->message = calloc(1, TLS_MESSAGE + 1);
	l->wire = calloc(1, TLS_MESSAGE / l->record * (l->record + 1 + AAD + TAG));
	BENCH_NEED(l->message != NULL && l->wire != NULL);
	prepare_keys(l, setup);
	prepare_records(l, setup->suite);
	return l;
}

void limit_free(struct limit *l)
{
	bench_x25519_free(l->x25519);
	EVP_PKEY_CTX_free(l->sign);
	EVP_PKEY_CTX_free(l->verify);
	EVP_CIPHER_CTX_free(l->seal);
	EVP_CIPHER_CTX_free(l->open);
#ifdef ENN_HAVE_IPSEC_MB
	free(l->gcm);
	if (l->mb != NULL) {
		free_mb_mgr(l->mb);
	}
#endif
	free(l->message);
	free(l->wire);
	free(l);
}
