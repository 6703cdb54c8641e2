/* SPDX-License-Identifier: Apache-2.0
 *
 * RTP and RTCP through a pair of sessions that the input configures. Each packet is, as the input says, protected and must come
 * back the same, or is given to the receiver as it stands or changed, and must not be taken.
 *
 *   suite (1) | flags (1) | kdr (1) { how (1) | length (2) | bytes }…
 */
#include <string.h>

#include "fuzz.h"
#include "protocols/srtp/srtp.h"

#define ROOM 4096u

enum flag { MKI = 1, CRYPTEX = 2, HEADERS = 4, PLAIN_RTP = 8, PLAIN_RTCP = 16, LIFETIME = 32 };
enum how { RAW = 0, ACROSS = 1, CHANGED = 2, CUT = 3 };

static struct enn_srtp_session *open_session(const uint8_t *data, bool sending)
{
	struct enn_srtp_master master = {.key = {1, 2, 3}, .salt = {4, 5, 6}};
	struct enn_srtp_policy policy = {
		.suite = (enum enn_srtp_suite_id)(data[0] % ENN_SRTP_SUITE_COUNT),
		.master = &master,
		.master_count = 1,
		.kdr = data[2] % 25,
		.window = 64,
		.max_streams = 16,
		.null_allowed = true,
		.unencrypted_rtp = (data[1] & PLAIN_RTP) != 0,
		.unencrypted_rtcp = (data[1] & PLAIN_RTCP) != 0,
	};
	struct enn_srtp_session *s;

	master.mki_len = (data[1] & MKI) != 0 ? 3 : 0;
	master.lifetime = (data[1] & LIFETIME) != 0 ? 5 : 0;
	if ((data[1] & CRYPTEX) != 0) {
		policy.cryptex = ENN_SRTP_CRYPTEX_ON;
	} else if ((data[1] & HEADERS) != 0) {
		memset(policy.encrypted_ids, 0x5a, sizeof(policy.encrypted_ids));
	}
	FUZZ_ASSERT(enn_srtp_session_new(fuzz_env(), &policy, sending, &s, NULL) == ENN_OK);
	return s;
}

static bool same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* Cryptex gives CSRCs without extension an empty one: the receiver sees it. */
static bool may_grow(const uint8_t *session, const uint8_t *data)
{
	return (session[1] & CRYPTEX) != 0 && (data[0] & 0x1f) != 0 && (data[0] & 0x10) == 0;
}

static void one(struct enn_srtp_session *out, struct enn_srtp_session *in, const uint8_t *session,
		uint8_t how, const uint8_t *data, size_t len)
{
	static uint8_t buffer[ROOM];
	struct enn_srtp_packet p = {.data = buffer, .len = len, .cap = ROOM};

	memcpy(buffer, data, len);
	if (how % 4 == RAW) {
		FUZZ_ASSERT(enn_srtp_unprotect(in, &p, 1) == 0); /* nobody guesses a tag */
		return;
	}
	if (enn_srtp_protect(out, &p, 1) == 0) {
		FUZZ_ASSERT(p.result != ENN_SRTP_OK && p.result != ENN_SRTP_BROKEN);
		return;
	}
	bool rtcp = p.kind == ENN_SRTP_RTCP;
	bool grows = !rtcp && may_grow(session, data);
	FUZZ_ASSERT(p.len == len + enn_srtp_session_overhead(out, rtcp) + (grows ? 4 : 0));
	if (how % 4 == CHANGED) {
		buffer[(how >> 2) * 7u % p.len] ^= 1;
		FUZZ_ASSERT(enn_srtp_unprotect(in, &p, 1) == 0);
	} else if (how % 4 == CUT) {
		p.len -= 1u + (how >> 2) % p.len;
		FUZZ_ASSERT(enn_srtp_unprotect(in, &p, 1) == 0);
	} else if (enn_srtp_unprotect(in, &p, 1) == 1) {
		FUZZ_ASSERT(grows || same(buffer, p.len, data, len));
	} else {
		/* The receiver has not seen what was changed or cut on the way: then its idea of ROC may be another. */
		FUZZ_ASSERT(p.result == ENN_SRTP_FORGED || p.result == ENN_SRTP_REPLAYED ||
			    p.result == ENN_SRTP_MANY_STREAMS || p.result == ENN_SRTP_EXPIRED_KEY);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_env_reset();
	if (size < 3) {
		return 0;
	}
	struct enn_srtp_session *out = open_session(data, true);
	struct enn_srtp_session *in = open_session(data, false);
	for (size_t at = 3; at + 3 <= size;) {
		size_t len = (size_t)data[at + 1] << 8 | data[at + 2];
		len = len < size - at - 3 ? len : size - at - 3;
		size_t used = len < ROOM - 256 ? len : ROOM - 256;
		one(out, in, data, data[at], data + at + 3, used);
		at += 3 + len;
	}
	enn_srtp_session_free(out);
	enn_srtp_session_free(in);
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
