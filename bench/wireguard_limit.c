/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit: what the libraries alone take for WireGuard's cryptography, each asked in its cheapest
 * way, with keys and contexts prepared beforehand.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "wireguard.h"
#include "x25519.h"

#ifdef ENN_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#define TAG 16u

struct wg_limit {
	/* packets */
	void (*burst)(struct wg_limit *l, bool seal, size_t count);
	const char *aead_name;
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
#ifdef ENN_HAVE_IPSEC_MB
	IMB_MGR *mb;
#endif
	uint64_t counter;
	uint8_t key[64]; /* one kernel of 1.3 loads 32 bytes from the middle of the key */
	uint8_t nonce[WG_BURST][12];
	uint8_t plain[WG_BURST][WG_PADDED];
	uint8_t wire[WG_BURST][WG_SEALED]; /* header, text and tag, as a batch has them */
	/* handshakes */
	struct bench_x25519 *x25519;
};

/* ---- packets: seal from plain to wire, open in wire ------------------------------------------------ */

static void evp_burst(struct wg_limit *l, bool seal, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		EVP_CIPHER_CTX *ctx = seal ? l->seal : l->open;
		uint8_t *text = l->wire[i] + 16;
		int len;
		BENCH_NEED(EVP_CipherInit_ex2(ctx, NULL, NULL, l->nonce[i], -1, NULL) == 1);
		if (!seal) {
			BENCH_NEED(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG,
						       text + WG_PADDED) == 1);
		}
		BENCH_NEED(EVP_CipherUpdate(ctx, text, &len, seal ? l->plain[i] : text,
					    (int)WG_PADDED) == 1);
		BENCH_NEED(EVP_CipherFinal_ex(ctx, text + len, &len) == 1);
		if (seal) {
			BENCH_NEED(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG,
						       text + WG_PADDED) == 1);
		}
	}
}

static EVP_CIPHER_CTX *keyed(const struct wg_limit *l, int seal)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	BENCH_NEED(cipher != NULL && ctx != NULL &&
		   EVP_CipherInit_ex2(ctx, cipher, l->key, NULL, seal, NULL) == 1);
	EVP_CIPHER_free(cipher);
	return ctx;
}

#ifdef ENN_HAVE_IPSEC_MB
static void fill(struct wg_limit *l, IMB_JOB *job, bool seal, size_t i, uint8_t *tag)
{
	uint8_t *text = l->wire[i] + 16;

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = l->key;
	job->dec_keys = l->key;
	job->key_len_in_bytes = 32;
	job->src = seal ? l->plain[i] : text;
	job->dst = text;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = WG_PADDED;
	job->msg_len_to_hash_in_bytes = WG_PADDED;
	job->iv = l->nonce[i];
	job->iv_len_in_bytes = 12;
	job->u.CHACHA20_POLY1305.aad = l->key;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->auth_tag_output = seal ? text + WG_PADDED : tag;
	job->auth_tag_output_len_in_bytes = TAG;
}

static void check_job(const IMB_JOB *job)
{
	BENCH_NEED(job == NULL || job->status == IMB_STATUS_COMPLETED);
}

static void mb_burst(struct wg_limit *l, bool seal, size_t count)
{
	uint8_t tags[WG_BURST][TAG];
	const IMB_JOB *done;

	for (size_t i = 0; i < count; i++) {
		fill(l, IMB_GET_NEXT_JOB(l->mb), seal, i, tags[i]);
		check_job(IMB_SUBMIT_JOB_NOCHECK(l->mb));
		while ((done = IMB_GET_COMPLETED_JOB(l->mb)) != NULL) {
			check_job(done);
		}
	}
	while ((done = IMB_FLUSH_JOB(l->mb)) != NULL) {
		check_job(done);
	}
	for (size_t i = 0; i < count && !seal; i++) {
		BENCH_NEED(memcmp(tags[i], l->wire[i] + 16 + WG_PADDED, TAG) == 0);
	}
}
#endif

static void prepare_packets(struct wg_limit *l)
{
	memset(l->key, 'k', sizeof(l->key));
	memset(l->plain, 0x5a, sizeof(l->plain));
	l->seal = keyed(l, 1);
	l->open = keyed(l, 0);
	l->burst = evp_burst;
	l->aead_name = "libcrypto ChaCha20-Poly1305";
#ifdef ENN_HAVE_IPSEC_MB
	IMB_ARCH arch;
	l->mb = alloc_mb_mgr(0);
	BENCH_NEED(l->mb != NULL);
	init_mb_mgr_auto(l->mb, &arch);
	if (imb_get_errno(l->mb) == 0) {
		l->burst = mb_burst;
		l->aead_name = "ipsec-mb ChaCha20-Poly1305, jobs in bursts of 64";
	}
#endif
}

void wg_limit_transport(void *ctx, size_t n)
{
	struct wg_limit *l = ctx;

	for (size_t done = 0; done < n;) {
		size_t count = n - done < WG_BURST ? n - done : WG_BURST;
		for (size_t i = 0; i < count; i++, l->counter++) {
			memcpy(l->nonce[i] + 4, &l->counter, sizeof(l->counter));
		}
		l->burst(l, true, count);
		l->burst(l, false, count);
		done += count;
	}
}

/* ---- handshakes ------------------------------------------------------------------------------------ */

/* WP §5.4.2, §5.4.3, with the product of the static keys known: e, es; e, es again at the other end; ee and
 * se at both. */
void wg_limit_handshakes(void *ctx, size_t n)
{
	const struct wg_limit *l = ctx;

	for (size_t i = 0; i < n; i++) {
		bench_x25519_generate(l->x25519);
		bench_x25519_generate(l->x25519);
		for (int k = 0; k < 6; k++) {
			bench_x25519_derive(l->x25519);
		}
	}
}

/* ---- life ------------------------------------------------------------------------------------------- */

const char *wg_limit_aead_name(const struct wg_limit *l)
{
	return l->aead_name;
}

const char *wg_limit_x25519_name(const struct wg_limit *l)
{
	return bench_x25519_way(l->x25519);
}

double wg_limit_peer(void)
{
	/* public, preshared and static-static key; last timestamp; endpoint; two prefixes */
	return 3 * 32 + 12 + 18 + 5 + 17;
}

struct wg_limit *wg_limit_new(void)
{
	struct wg_limit *l = aligned_alloc(64, (sizeof(*l) + 63) & ~(size_t)63);

	BENCH_NEED(l != NULL);
	memset(l, 0, sizeof(*l));
	prepare_packets(l);
	l->x25519 = bench_x25519_new();
	return l;
}

void wg_limit_free(struct wg_limit *l)
{
	EVP_CIPHER_CTX_free(l->seal);
	EVP_CIPHER_CTX_free(l->open);
	bench_x25519_free(l->x25519);
#ifdef ENN_HAVE_IPSEC_MB
	if (l->mb != NULL) {
		free_mb_mgr(l->mb);
	}
#endif
	free(l);
}
