/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_srtp: packets protected and unprotected, Ennead against libsrtp2. See README.md.
 *
 * Both do the same: packets of one stream, one after another in the order of their sequence numbers, in place,
 * from a buffer that holds a plain packet each time. What is unprotected was protected by libsrtp2, so that every packet has
 * an index of its own. The copies into place are timed in both.
 */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "bench.h"
#include "protocols/srtp/srtp.h"

#define BATCH	 32u
#define STREAM	 8192u /* packets that are unprotected before a new receiver is made */
#define ROOM	 1280u
#define HEADER	 12u
#define SSRC	 0x1234567u
#define KEY_SALT 46u

struct profile {
	const char *name;
	enum enn_srtp_suite_id id;
	void (*set)(srtp_crypto_policy_t *);
};

static const struct profile profiles[] = {
	{"aes_cm_128_hmac_sha1_80", ENN_SRTP_AES_CM_128_HMAC_SHA1_80,
	 srtp_crypto_policy_set_rtp_default},
	{"aead_aes_128_gcm", ENN_SRTP_AEAD_AES_128_GCM, srtp_crypto_policy_set_aes_gcm_128_16_auth},
};
static const size_t sizes[] = {160, 1200};

struct work {
	const struct profile *profile;
	size_t payload;
	bool single;
	struct enn_env env;
	struct enn_srtp_session *ours;
	srtp_t theirs;
	uint64_t next[2]; /* packets so far */
	size_t sealed_len;
	uint8_t (*sealed)[ROOM]; /* STREAM protected packets */
	uint8_t buffer[BATCH][ROOM];
	uint8_t key[KEY_SALT];
};

/* ---- packets ------------------------------------------------------------------------------------ */

static void write_header(uint8_t *at, uint16_t sequence)
{
	const uint8_t head[HEADER] = {0x80,
				      0,
				      (uint8_t)(sequence >> 8),
				      (uint8_t)sequence,
				      0,
				      0,
				      0,
				      0,
				      (uint8_t)(SSRC >> 24),
				      (uint8_t)(SSRC >> 16),
				      (uint8_t)(SSRC >> 8),
				      (uint8_t)SSRC};
	memcpy(at, head, sizeof(head));
}

/* ---- Ennead ------------------------------------------------------------------------------------- */

static void open_ours(struct work *w, bool sending)
{
	struct enn_srtp_master master = {.mki_len = 0};
	const struct enn_srtp_suite *suite = enn_srtp_suite(w->profile->id);
	const struct enn_srtp_policy policy = {
		.suite = suite->id, .master = &master, .master_count = 1};

	memcpy(master.key, w->key, suite->key_len);
	memcpy(master.salt, w->key + suite->key_len, suite->salt_len);
	enn_srtp_session_free(w->ours);
	BENCH_NEED(enn_srtp_session_new(&w->env, &policy, sending, &w->ours, NULL) == ENN_OK);
}

static void ours_protect(void *ctx, size_t n)
{
	struct work *w = ctx;
	struct enn_srtp_packet p[BATCH];
	size_t batch = w->single ? 1 : BATCH;

	for (size_t done = 0; done < n; done += batch) {
		for (size_t i = 0; i < batch; i++) {
			write_header(w->buffer[i], (uint16_t)w->next[0]++);
			p[i] = (struct enn_srtp_packet){.data = w->buffer[i],
							.len = HEADER + w->payload,
							.cap = ROOM,
							.kind = ENN_SRTP_RTP};
		}
		BENCH_NEED(enn_srtp_protect(w->ours, p, batch) == batch);
	}
}

static void ours_unprotect(void *ctx, size_t n)
{
	struct work *w = ctx;
	struct enn_srtp_packet p[BATCH];
	size_t batch = w->single ? 1 : BATCH;

	for (size_t done = 0; done < n; done += batch) {
		if (w->next[0] % STREAM == 0) {
			open_ours(w, false);
		}
		for (size_t i = 0; i < batch; i++) {
			memcpy(w->buffer[i], w->sealed[w->next[0]++ % STREAM], w->sealed_len);
			p[i] = (struct enn_srtp_packet){.data = w->buffer[i],
							.len = w->sealed_len,
							.cap = ROOM,
							.kind = ENN_SRTP_RTP};
		}
		BENCH_NEED(enn_srtp_unprotect(w->ours, p, batch) == batch);
	}
}

/* ---- libsrtp2 ----------------------------------------------------------------------------------- */

static void open_theirs(struct work *w, bool sending)
{
	srtp_policy_t policy;

	memset(&policy, 0, sizeof(policy));
	w->profile->set(&policy.rtp);
	w->profile->set(&policy.rtcp);
	policy.ssrc.type = sending ? ssrc_any_outbound : ssrc_any_inbound;
	policy.key = w->key;
	policy.window_size = 1024; /* as ours */
	if (w->theirs != NULL) {
		(void)srtp_dealloc(w->theirs);
	}
	BENCH_NEED(srtp_create(&w->theirs, &policy) == srtp_err_status_ok);
}

static void theirs_protect(void *ctx, size_t n)
{
	struct work *w = ctx;
	size_t batch = w->single ? 1 : BATCH;

	for (size_t done = 0; done < n; done += batch) {
		for (size_t i = 0; i < batch; i++) {
			int len = (int)(HEADER + w->payload);
			write_header(w->buffer[i], (uint16_t)w->next[1]++);
			BENCH_NEED(srtp_protect(w->theirs, w->buffer[i], &len) ==
				   srtp_err_status_ok);
		}
	}
}

static void theirs_unprotect(void *ctx, size_t n)
{
	struct work *w = ctx;
	size_t batch = w->single ? 1 : BATCH;

	for (size_t done = 0; done < n; done += batch) {
		if (w->next[1] % STREAM == 0) {
			open_theirs(w, false);
		}
		for (size_t i = 0; i < batch; i++) {
			int len = (int)w->sealed_len;
			memcpy(w->buffer[i], w->sealed[w->next[1]++ % STREAM], w->sealed_len);
			BENCH_NEED(srtp_unprotect(w->theirs, w->buffer[i], &len) ==
				   srtp_err_status_ok);
		}
	}
}

/* ---- rows --------------------------------------------------------------------------------------- */

static void make_sealed(struct work *w)
{
	w->sealed = calloc(STREAM, sizeof(*w->sealed));
	BENCH_NEED(w->sealed != NULL);
	open_theirs(w, true);
	for (size_t i = 0; i < STREAM; i++) {
		int len = (int)(HEADER + w->payload);
		write_header(w->sealed[i], (uint16_t)i);
		BENCH_NEED(srtp_protect(w->theirs, w->sealed[i], &len) == srtp_err_status_ok);
		w->sealed_len = (size_t)len;
	}
}

static void run(const struct bench_options *options, const char *name, bool protect,
		const struct profile *profile, size_t payload, bool single)
{
	struct work *w = calloc(1, sizeof(*w));

	BENCH_NEED(w != NULL);
	BENCH_NEED(enn_crypto_new(ENN_CRYPTO_AUTO, &w->env.crypto) == ENN_OK);
	w->profile = profile;
	w->payload = payload;
	w->single = single;
	for (size_t i = 0; i < sizeof(w->key); i++) {
		w->key[i] = (uint8_t)(i * 29 + 1);
	}
	if (!protect) {
		make_sealed(w);
	}
	open_ours(w, protect);
	open_theirs(w, protect);
	struct bench_contender c[BENCH_CONTENDERS] = {
		[BENCH_OURS] = {.ctx = w, .run = protect ? ours_protect : ours_unprotect},
		[BENCH_PEER] = {.ctx = w, .run = protect ? theirs_protect : theirs_unprotect},
	};
	bench_race(options, c);
	bench_timed(name, "packets/s", 1, "libsrtp2", NULL, c);
	enn_srtp_session_free(w->ours);
	(void)srtp_dealloc(w->theirs);
	enn_crypto_free(w->env.crypto);
	free(w->sealed);
	free(w);
}

#define ROWS 16
static char names[ROWS][64];
static struct bench_bar bars[ROWS];

static void each(const struct bench_options *options, bool list)
{
	for (size_t i = 0; i < ROWS; i++) {
		bool protect = (i & 1) == 0;
		bool single = (i & 2) != 0;
		size_t payload = sizes[i >> 2 & 1];
		const struct profile *profile = &profiles[i >> 3];
		(void)snprintf(names[i], sizeof(names[i]), "srtp.%s.%s.%zu%s",
			       protect ? "protect" : "unprotect", profile->name, payload,
			       single ? ".single" : "");
		bars[i] =
			(struct bench_bar){names[i], "of libsrtp2", BENCH_BAR_PEER, single ? 1 : 2};
		if (list) {
			(void)puts(names[i]);
		} else if (bench_wanted(options, names[i])) {
			run(options, names[i], protect, profile, payload, single);
		}
	}
}

static void print_head(const struct bench_options *options)
{
	struct enn_env env = {.wall_offset = 0};
	char stacks[256];
	char how[160];

	(void)bench_pin();
	BENCH_NEED(enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK);
	(void)snprintf(stacks, sizeof(stacks), "Ennead on %s; %s", enn_crypto_describe(env.crypto),
		       srtp_get_version_string());
	(void)snprintf(how, sizeof(how),
		       "batches of %u, or one by one (.single); %u turns of %.0f ms of each "
		       "contender, interleaved",
		       BATCH, options->turns, options->turn_seconds * 1e3);
	enn_crypto_free(env.crypto);
	const char *lines[] = {stacks, how};
	bench_print_head(lines, 2);
}

int main(int argc, char **argv)
{
	struct bench_options options = {.turns = 21, .turn_seconds = 0.02, .alone = -1};

	bench_parse(argc, argv, "bench_srtp", "libsrtp2", &options);
	if (options.list) {
		each(&options, true);
		return 0;
	}
	BENCH_NEED(srtp_init() == srtp_err_status_ok);
	print_head(&options);
	each(&options, false);
	bench_print_summary();
	if (options.bars) {
		bench_print_bars(bars, ROWS);
	}
	if (options.json != NULL) {
		bench_write_json(options.json);
	}
	(void)srtp_shutdown();
	return 0;
}
