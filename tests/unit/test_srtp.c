/* SPDX-License-Identifier: Apache-2.0
 *
 * SRTP sessions: indices, replays, streams, keys and their lifetimes, what is refused.
 */
#include "srtp.h"

#define SSRC 0x12345678u

static const struct enn_srtp_policy plain = {.suite = ENN_SRTP_AES_CM_128_HMAC_SHA1_80};

static enum enn_srtp_result cross(struct srtp_pair *pair, struct srtp_buffer *b)
{
	assert_int_equal(srtp_send(pair, b), ENN_SRTP_OK);
	return srtp_receive(pair, b);
}

/* ---- indices ----------------------------------------------------------------------------------- */

static void wraps(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;
	uint32_t roc;

	(void)state;
	srtp_open(&pair, &plain);
	for (uint32_t i = 65000; i < 3 * 65536 + 10; i += 97) {
		srtp_rtp(&b, SSRC, (uint16_t)i, 20);
		srtp_across(&pair, &b);
	}
	assert_int_equal(enn_srtp_session_get_roc(pair.in, SSRC, &roc), ENN_OK);
	assert_int_equal(roc, 2);
	assert_int_equal(enn_srtp_session_get_roc(pair.out, SSRC, &roc), ENN_OK);
	assert_int_equal(roc, 2);
	assert_int_equal(enn_srtp_session_get_roc(pair.out, 1, &roc), ENN_E_NOT_FOUND);
	srtp_close(&pair);
}

/* Sent in order, received out of it, across the wrap, and once more. */
static void reorder(void **state)
{
	static struct srtp_buffer sent[40];
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &plain);
	for (unsigned i = 0; i < 40; i++) {
		srtp_rtp(&sent[i], SSRC, (uint16_t)(65516 + i), i);
		assert_int_equal(srtp_send(&pair, &sent[i]), ENN_SRTP_OK);
	}
	for (unsigned i = 0; i < 40; i++) {
		unsigned k = i * 27 % 40; /* 0, 27, 14, … */
		srtp_raw(&b, sent[k].data, sent[k].p.len, ENN_SRTP_OTHER);
		assert_int_equal(srtp_receive(&pair, &b), ENN_SRTP_OK);
		assert_int_equal(b.p.len, 12 + k);
	}
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(srtp_receive(&pair, &sent[i]), ENN_SRTP_REPLAYED);
	}
	srtp_close(&pair);
}

static void late_joiner(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &plain);
	assert_int_equal(enn_srtp_session_set_roc(pair.out, SSRC, 7), ENN_OK);
	srtp_rtp(&b, SSRC, 9, 10);
	assert_int_equal(cross(&pair, &b), ENN_SRTP_FORGED); /* ROC is authenticated */
	assert_int_equal(enn_srtp_session_set_roc(pair.in, SSRC, 7), ENN_OK);
	srtp_rtp(&b, SSRC, 10, 10);
	srtp_across(&pair, &b);
	/* going back would use keystream again */
	assert_int_equal(enn_srtp_session_set_roc(pair.out, SSRC, 6), ENN_E_ARGUMENT);
	srtp_close(&pair);
}

static void old_packets(void **state)
{
	const struct enn_srtp_policy policy = {.window = 64};
	struct srtp_pair pair;
	struct srtp_buffer first;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &policy);
	srtp_rtp(&first, SSRC, 100, 10);
	assert_int_equal(srtp_send(&pair, &first), ENN_SRTP_OK);
	srtp_rtp(&b, SSRC, 100 + 63, 10);
	assert_int_equal(cross(&pair, &b), ENN_SRTP_OK);
	struct srtp_buffer again = first;
	again.p.data = again.data;
	assert_int_equal(srtp_receive(&pair, &again), ENN_SRTP_OK);
	srtp_rtp(&b, SSRC, 1000, 10);
	assert_int_equal(cross(&pair, &b), ENN_SRTP_OK);
	assert_int_equal(srtp_receive(&pair, &first), ENN_SRTP_REPLAYED);
	srtp_close(&pair);
}

/* One index protects one packet: the same sequence number again would be the same keystream. */
static void sender_never_repeats(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &plain);
	srtp_rtp(&b, SSRC, 5, 10);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_OK);
	srtp_rtp(&b, SSRC, 5, 11);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_REPLAYED);
	srtp_close(&pair);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* RTP and RTCP of several streams in one call; a duplicate among them; first packets around the wrap. */
static void mixed_batch(void **state)
{
	static struct srtp_buffer buffer[90];
	struct enn_srtp_packet p[91];
	struct srtp_pair pair;
	struct srtp_buffer copy;

	(void)state;
	for (int suite = 0; suite < 8; suite++) {
		const struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)suite};
		srtp_open(&pair, &policy);
		for (unsigned i = 0; i < 90; i++) {
			if (i % 10 == 9) {
				srtp_rtcp(&buffer[i], SSRC + i % 3, i);
			} else {
				srtp_rtp(&buffer[i], SSRC + i % 3, (uint16_t)(65530 + i / 3), i);
			}
			p[i] = buffer[i].p;
		}
		assert_int_equal(enn_srtp_protect(pair.out, p, 90), 90);
		srtp_raw(&copy, p[88].data, p[88].len, ENN_SRTP_OTHER);
		p[90] = copy.p;
		assert_int_equal(enn_srtp_unprotect(pair.in, p, 91), 90);
		assert_int_equal(p[90].result, ENN_SRTP_REPLAYED);
		for (unsigned i = 0; i < 90; i++) {
			if (i % 10 == 9) {
				srtp_rtcp(&copy, SSRC + i % 3, i);
				assert_int_equal(p[i].kind, ENN_SRTP_RTCP);
			} else {
				srtp_rtp(&copy, SSRC + i % 3, (uint16_t)(65530 + i / 3), i);
			}
			assert_int_equal(p[i].len, copy.p.len);
			assert_memory_equal(p[i].data, copy.data, copy.p.len);
		}
		struct enn_srtp_stats stats;
		enn_srtp_session_stats(pair.in, &stats);
		assert_int_equal(stats.packets, 90);
		assert_int_equal(stats.refused[ENN_SRTP_REPLAYED], 1);
		assert_int_equal(stats.streams, 3);
		srtp_close(&pair);
	}
}

/* Nothing is allocated for packets of streams that are known. */
static void no_allocation(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;
	const struct enn_srtp_policy policy = {.kdr = 4};

	(void)state;
	srtp_open(&pair, &policy);
	srtp_rtp(&b, SSRC, 0, 10);
	assert_int_equal(cross(&pair, &b), ENN_SRTP_OK);
	size_t calls = pair.t.calls;
	for (uint16_t i = 1; i < 500; i++) {
		srtp_rtp(&b, SSRC, i, 10);
		srtp_across(&pair, &b);
	}
	assert_int_equal(pair.t.calls, calls);
	srtp_close(&pair);
}

/* ---- streams ----------------------------------------------------------------------------------- */

static void bounded_streams(void **state)
{
	const struct enn_srtp_policy policy = {.max_streams = 4};
	struct srtp_pair pair;
	struct srtp_buffer b;
	struct enn_srtp_stats stats;

	(void)state;
	srtp_open(&pair, &policy);
	/* forged ones make no state */
	for (uint32_t i = 0; i < 1000; i++) {
		srtp_rtp(&b, i, 1, 40);
		assert_int_equal(srtp_receive(&pair, &b), ENN_SRTP_FORGED);
	}
	enn_srtp_session_stats(pair.in, &stats);
	assert_int_equal(stats.streams, 0);
	for (uint32_t i = 0; i < 4; i++) {
		srtp_rtp(&b, i, 1, 40);
		assert_int_equal(cross(&pair, &b), ENN_SRTP_OK);
	}
	srtp_rtp(&b, 4, 1, 40);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_MANY_STREAMS);
	assert_int_equal(srtp_receive(&pair, &b), ENN_SRTP_MANY_STREAMS);
	assert_int_equal(enn_srtp_session_drop_stream(pair.out, 0), ENN_OK);
	assert_int_equal(enn_srtp_session_drop_stream(pair.in, 0), ENN_OK);
	assert_int_equal(enn_srtp_session_drop_stream(pair.in, 0), ENN_E_NOT_FOUND);
	srtp_across(&pair, &b);
	assert_int_equal(enn_srtp_session_set_roc(pair.in, 9, 1), ENN_E_LIMIT);
	srtp_close(&pair);
}

/* ---- keys -------------------------------------------------------------------------------------- */

static struct enn_srtp_master with_mki(uint8_t seed, uint8_t mki)
{
	struct enn_srtp_master m = srtp_master_of(seed);

	m.mki_len = 2;
	m.mki[1] = mki;
	return m;
}

static void mki_switch(void **state)
{
	const struct enn_srtp_master masters[2] = {with_mki(1, 1), with_mki(2, 2)};
	const struct enn_srtp_master third = with_mki(3, 3);
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	for (int suite = 0; suite < 8; suite++) {
		const struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)suite,
						       .master = masters,
						       .master_count = 2};
		srtp_open(&pair, &policy);
		for (uint16_t i = 0; i < 30; i++) {
			assert_int_equal(enn_srtp_session_use_master(pair.out, i & 1), ENN_OK);
			srtp_rtp(&b, SSRC, i, 33);
			srtp_across(&pair, &b);
			srtp_rtcp(&b, SSRC, i);
			srtp_across(&pair, &b);
		}
		assert_int_equal(enn_srtp_session_add_master(pair.out, &third), ENN_OK);
		assert_int_equal(enn_srtp_session_add_master(pair.out, &third), ENN_E_ARGUMENT);
		assert_int_equal(enn_srtp_session_use_master(pair.out, 2), ENN_OK);
		assert_int_equal(enn_srtp_session_use_master(pair.out, 3), ENN_E_NOT_FOUND);
		assert_int_equal(enn_srtp_session_drop_master(pair.out, 2), ENN_E_STATE);
		srtp_rtp(&b, SSRC, 100, 33);
		assert_int_equal(cross(&pair, &b), ENN_SRTP_UNKNOWN_KEY);
		assert_int_equal(enn_srtp_session_add_master(pair.in, &third), ENN_OK);
		assert_int_equal(enn_srtp_session_drop_master(pair.in, 0), ENN_OK);
		srtp_rtp(&b, SSRC, 101, 33);
		srtp_across(&pair, &b);
		srtp_close(&pair);
	}
}

static void ranges(void **state)
{
	struct enn_srtp_master masters[2] = {srtp_master_of(1), srtp_master_of(2)};
	const struct enn_srtp_policy policy = {.master = masters, .master_count = 2};
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	masters[0].to = 65536 + 9;
	masters[1].from = 65536 + 10;
	masters[1].to = 65536 + 19;
	srtp_open(&pair, &policy);
	for (uint32_t i = 65500; i < 65536 + 20; i++) {
		srtp_rtp(&b, SSRC, (uint16_t)i, 12);
		srtp_across(&pair, &b);
	}
	srtp_rtp(&b, SSRC, 20, 12);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_UNKNOWN_KEY);
	srtp_close(&pair);
}

static void lifetime(void **state)
{
	struct enn_srtp_master master = srtp_master_of(1);
	const struct enn_srtp_policy policy = {.master = &master, .master_count = 1};
	const struct enn_srtp_master next = srtp_master_of(2);
	static struct srtp_buffer buffer[110];
	struct enn_srtp_packet p[110];
	struct srtp_pair pair;

	(void)state;
	master.lifetime = 100;
	srtp_open(&pair, &policy);
	for (uint16_t i = 0; i < 110; i++) {
		srtp_rtp(&buffer[i], SSRC, i, 12);
		p[i] = buffer[i].p;
	}
	assert_int_equal(enn_srtp_session_key_state(pair.out), ENN_SRTP_KEY_FRESH);
	assert_int_equal(enn_srtp_protect(pair.out, p, 95), 95);
	assert_int_equal(enn_srtp_session_key_state(pair.out), ENN_SRTP_KEY_EXPIRING);
	assert_int_equal(enn_srtp_protect(pair.out, p + 95, 15), 5);
	assert_int_equal(p[109].result, ENN_SRTP_EXPIRED_KEY);
	assert_int_equal(enn_srtp_session_key_state(pair.out), ENN_SRTP_KEY_EXPIRED);
	assert_int_equal(enn_srtp_unprotect(pair.in, p, 100), 100);
	assert_int_equal(enn_srtp_session_key_state(pair.in), ENN_SRTP_KEY_EXPIRED);
	/* the other kind has a count of its own, the next key too; indices go on */
	srtp_rtcp(&buffer[0], SSRC, 1);
	srtp_across(&pair, &buffer[0]);
	assert_int_equal(enn_srtp_session_replace_masters(pair.out, &next), ENN_OK);
	srtp_rtp(&buffer[0], SSRC, 50, 12);
	assert_int_equal(srtp_send(&pair, &buffer[0]), ENN_SRTP_REPLAYED);
	srtp_rtp(&buffer[0], SSRC, 150, 12);
	assert_int_equal(srtp_send(&pair, &buffer[0]), ENN_SRTP_OK);
	assert_int_equal(srtp_receive(&pair, &buffer[0]), ENN_SRTP_EXPIRED_KEY);
	assert_int_equal(enn_srtp_session_replace_masters(pair.in, &next), ENN_OK);
	srtp_rtp(&buffer[0], SSRC, 151, 12);
	srtp_across(&pair, &buffer[0]);
	srtp_close(&pair);
}

static void last_indices(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &plain);
	assert_int_equal(enn_srtp_session_set_roc(pair.out, SSRC, UINT32_MAX), ENN_OK);
	assert_int_equal(enn_srtp_session_set_roc(pair.in, SSRC, UINT32_MAX), ENN_OK);
	srtp_rtp(&b, SSRC, 65535, 12);
	srtp_across(&pair, &b);
	srtp_rtp(&b, SSRC, 0, 12);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_EXPIRED_KEY);
	srtp_rtcp(&b, SSRC, 1);
	srtp_stream_find(pair.out, SSRC)->rtcp_next = (uint32_t)ENN_SRTP_RTCP_LIFETIME - 1;
	srtp_across(&pair, &b);
	srtp_rtcp(&b, SSRC, 1);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_EXPIRED_KEY);
	srtp_close(&pair);
}

/* With a rate: the keys change every 2^kdr packets, also backwards, and differ from those without. */
static void derivation_rate(void **state)
{
	static struct srtp_buffer sent[64];
	struct srtp_pair pair;
	struct srtp_pair other;
	struct srtp_buffer b;

	(void)state;
	for (int suite = 0; suite < 8; suite++) {
		struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)suite, .kdr = 2};
		srtp_open(&pair, &policy);
		policy.kdr = 0;
		srtp_open(&other, &policy);
		for (unsigned i = 0; i < 64; i++) {
			srtp_rtp(&sent[i], SSRC, (uint16_t)i, 24);
			assert_int_equal(srtp_send(&pair, &sent[i]), ENN_SRTP_OK);
			srtp_rtp(&b, SSRC, (uint16_t)i, 24);
			assert_int_equal(srtp_send(&other, &b), ENN_SRTP_OK);
			assert_int_equal(memcmp(b.data, sent[i].data, b.p.len) == 0, i < 4);
			srtp_rtcp(&b, SSRC, i);
			srtp_across(&pair, &b);
		}
		for (unsigned i = 0; i < 64; i++) {
			assert_int_equal(srtp_receive(&pair, &sent[i * 37 % 64]), ENN_SRTP_OK);
		}
		srtp_close(&pair);
		srtp_close(&other);
	}
}

/* ---- hostile packets ---------------------------------------------------------------------------- */

static void tampered(const struct enn_srtp_policy *policy, bool rtcp)
{
	struct srtp_pair pair;
	struct srtp_buffer sealed;
	struct srtp_buffer b;

	srtp_open(&pair, policy);
	if (rtcp) {
		srtp_rtcp(&sealed, SSRC, 1);
	} else {
		srtp_rtp_rich(&sealed, SSRC, 1, 30);
	}
	assert_int_equal(srtp_send(&pair, &sealed), ENN_SRTP_OK);
	enum enn_srtp_kind kind = sealed.p.kind;
	for (size_t i = 0; i < sealed.p.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			srtp_raw(&b, sealed.data, sealed.p.len, kind);
			b.data[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(srtp_receive(&pair, &b), ENN_SRTP_OK);
		}
	}
	for (size_t len = 0; len < sealed.p.len; len++) {
		srtp_raw(&b, sealed.data, len, kind);
		assert_int_not_equal(srtp_receive(&pair, &b), ENN_SRTP_OK);
	}
	assert_int_equal(srtp_receive(&pair, &sealed), ENN_SRTP_OK); /* nothing of it did harm */
	srtp_close(&pair);
}

static void every_bit(void **state)
{
	const struct enn_srtp_master mki = with_mki(1, 1);

	(void)state;
	for (int suite = 0; suite < ENN_SRTP_SUITE_COUNT; suite++) {
		for (int variant = 0; variant < 4; variant++) {
			struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)suite,
							 .null_allowed = true};
			policy.cryptex = variant == 1 ? ENN_SRTP_CRYPTEX_ON : ENN_SRTP_CRYPTEX_OFF;
			policy.encrypted_ids[0] = variant == 2 ? 1u << 5 : 0;
			policy.unencrypted_rtp = policy.unencrypted_rtcp = variant == 3;
			tampered(&policy, false);
			tampered(&policy, true);
		}
	}
	/* an MKI is not authenticated, but another is that of no key */
	const struct enn_srtp_policy policy = {.master = &mki, .master_count = 1};
	tampered(&policy, false);
	tampered(&policy, true);
}

static void no_room(void **state)
{
	const struct enn_srtp_master mki = with_mki(1, 1);
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	for (int suite = 0; suite < ENN_SRTP_SUITE_COUNT; suite++) {
		const struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)suite,
						       .master = &mki,
						       .master_count = 1,
						       .null_allowed = true};
		srtp_open(&pair, &policy);
		for (int rtcp = 0; rtcp < 2; rtcp++) {
			size_t over = enn_srtp_session_overhead(pair.out, rtcp != 0);
			for (size_t short_by = over + 1; short_by-- > 0;) {
				if (rtcp != 0) {
					srtp_rtcp(&b, SSRC, 1);
				} else {
					srtp_rtp(&b, SSRC, 1, 20);
				}
				size_t len = b.p.len;
				b.p.cap = len + over - short_by;
				assert_int_equal(srtp_send(&pair, &b),
						 short_by == 0 ? ENN_SRTP_OK : ENN_SRTP_NO_ROOM);
				assert_true(short_by != 0 || b.p.len == len + over);
			}
		}
		srtp_close(&pair);
	}
}

/* ---- policy ------------------------------------------------------------------------------------ */

static void refused_policies(void **state)
{
	struct enn_srtp_master m[2] = {srtp_master_of(1), srtp_master_of(2)};
	struct enn_srtp_master uneven[2] = {with_mki(1, 1), srtp_master_of(2)};
	struct enn_srtp_master same[2] = {with_mki(1, 1), with_mki(2, 1)};
	const struct enn_srtp_policy bad[] = {
		{.suite = ENN_SRTP_SUITE_COUNT, .master = m, .master_count = 1},
		{.master_count = 0},
		{.master = m, .master_count = ENN_SRTP_MASTERS + 1},
		{.master = m, .master_count = 2},
		{.master = uneven, .master_count = 2},
		{.master = same, .master_count = 2},
		{.suite = ENN_SRTP_NULL_HMAC_SHA1_80, .master = m, .master_count = 1},
		{.master = m, .master_count = 1, .unencrypted_rtp = true},
		{.master = m, .master_count = 1, .unencrypted_rtcp = true},
		{.master = m, .master_count = 1, .unauthenticated_rtp = true},
		{.suite = ENN_SRTP_AEAD_AES_128_GCM,
		 .master = m,
		 .master_count = 1,
		 .null_allowed = true,
		 .unauthenticated_rtp = true},
		{.master = m, .master_count = 1, .kdr = 25},
		{.master = m, .master_count = 1, .window = 63},
		{.master = m,
		 .master_count = 1,
		 .cryptex = ENN_SRTP_CRYPTEX_ON,
		 .encrypted_ids = {2}},
	};
	struct test_env t;

	(void)state;
	test_env_open(&t, srtp_backend);
	for (size_t i = 0; i < ENN_ARRAY_LEN(bad); i++) {
		struct enn_srtp_session *s;
		const char *why = NULL;
		assert_int_equal(enn_srtp_session_new(&t.env, &bad[i], true, &s, &why),
				 ENN_E_ARGUMENT);
		assert_null(s);
		assert_non_null(why);
	}
	test_env_close(&t);
}

static void memory_fails(void **state)
{
	const struct enn_srtp_master m = srtp_master_of(1);
	const struct enn_srtp_policy policy = {
		.master = &m, .master_count = 1, .kdr = 3, .encrypted_ids = {2}};
	struct test_env t;
	struct enn_srtp_session *s = NULL;

	(void)state;
	test_env_open(&t, srtp_backend);
	size_t n = 0;
	for (;; n++) {
		t.fail_at = t.calls + n + 1;
		enum enn_status status = enn_srtp_session_new(&t.env, &policy, false, &s, NULL);
		if (status == ENN_OK) {
			break;
		}
		assert_int_equal(status, ENN_E_MEMORY);
		assert_null(s);
	}
	assert_true(n > 10);
	t.fail_at = t.calls + 1;
	assert_int_equal(enn_srtp_session_set_roc(s, 1, 1), ENN_E_MEMORY);
	t.fail_at = 0;
	enn_srtp_session_free(s);
	test_env_close(&t);
}

/* RFC 4568 §6.3.2, RFC 9335 §5.3: what does not look as agreed is not taken. */
static void against_policy(void **state)
{
	const struct enn_srtp_policy off = {.null_allowed = true, .unencrypted_rtcp = true};
	const struct enn_srtp_policy cryptex = {.cryptex = ENN_SRTP_CRYPTEX_REQUIRED};
	struct srtp_pair a;
	struct srtp_pair b;
	struct srtp_buffer p;

	(void)state;
	srtp_open(&a, &off);
	srtp_open(&b, &cryptex);
	srtp_rtcp(&p, SSRC, 1);
	assert_int_equal(srtp_send(&a, &p), ENN_SRTP_OK);
	assert_int_equal(srtp_receive(&b, &p), ENN_SRTP_REFUSED);
	srtp_rtp_rich(&p, SSRC, 1, 30);
	assert_int_equal(srtp_send(&a, &p), ENN_SRTP_OK);
	assert_int_equal(srtp_receive(&b, &p), ENN_SRTP_REFUSED);
	srtp_rtp(&p, SSRC, 2, 30); /* nothing to hide in this one */
	assert_int_equal(srtp_send(&a, &p), ENN_SRTP_OK);
	assert_int_equal(srtp_receive(&b, &p), ENN_SRTP_OK);
	srtp_close(&a);
	srtp_close(&b);
}

static void unauthenticated(void **state)
{
	const struct enn_srtp_policy policy = {.null_allowed = true, .unauthenticated_rtp = true};
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	srtp_open(&pair, &policy);
	for (uint32_t i = 65500; i < 65600; i++) {
		srtp_rtp(&b, SSRC, (uint16_t)i, 40);
		size_t len = b.p.len;
		srtp_across(&pair, &b);
		assert_int_equal(b.p.len, len);
	}
	srtp_rtcp(&b, SSRC, 1); /* RTCP is authenticated all the same (RFC 3711 §3.4) */
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_OK);
	b.data[10] ^= 1;
	assert_int_equal(srtp_receive(&pair, &b), ENN_SRTP_FORGED);
	srtp_close(&pair);
}

/* RFC 5761 §4, RFC 7983 §7 */
static void kinds(void **state)
{
	uint8_t p[2];

	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		p[0] = (uint8_t)(i >> 8);
		p[1] = (uint8_t)i;
		enum enn_srtp_kind want = p[0] < 128 || p[0] > 191     ? ENN_SRTP_OTHER
					  : p[1] >= 192 && p[1] <= 223 ? ENN_SRTP_RTCP
								       : ENN_SRTP_RTP;
		assert_int_equal(enn_srtp_classify((struct enn_bytes){p, 2}), want);
	}
	assert_int_equal(enn_srtp_classify((struct enn_bytes){p, 1}), ENN_SRTP_OTHER);
}

static void compounds(void **state)
{
	struct srtp_buffer b;

	(void)state;
	srtp_rtcp(&b, SSRC, 1);
	assert_true(enn_rtcp_whole((struct enn_bytes){b.data, b.p.len}));
	for (size_t len = 0; len < b.p.len; len++) { /* the first packet alone is one too */
		assert_int_equal(enn_rtcp_whole((struct enn_bytes){b.data, len}), len == 28);
	}
	b.data[28] ^= 0x40;
	assert_false(enn_rtcp_whole((struct enn_bytes){b.data, b.p.len}));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wraps),	   cmocka_unit_test(reorder),
		cmocka_unit_test(late_joiner),	   cmocka_unit_test(old_packets),
		cmocka_unit_test(mixed_batch),	   cmocka_unit_test(sender_never_repeats),
		cmocka_unit_test(no_allocation),   cmocka_unit_test(bounded_streams),
		cmocka_unit_test(mki_switch),	   cmocka_unit_test(ranges),
		cmocka_unit_test(lifetime),	   cmocka_unit_test(last_indices),
		cmocka_unit_test(derivation_rate), cmocka_unit_test(every_bit),
		cmocka_unit_test(no_room),	   cmocka_unit_test(refused_policies),
		cmocka_unit_test(memory_fails),	   cmocka_unit_test(against_policy),
		cmocka_unit_test(unauthenticated), cmocka_unit_test(kinds),
		cmocka_unit_test(compounds),
	};

	srtp_backend = test_backend(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
