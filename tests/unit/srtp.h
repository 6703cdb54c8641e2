/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of SRTP share: packets, pairs of sessions.
 */
#ifndef ENN_TESTS_UNIT_SRTP_H
#define ENN_TESTS_UNIT_SRTP_H

#include "protocols/srtp/internal.h"
#include "protocols/srtp/srtp.h"
#include "support.h"

#define SRTP_ROOM 2048

/* One packet in a buffer of its own. */
struct srtp_buffer {
	uint8_t data[SRTP_ROOM];
	struct enn_srtp_packet p;
};

/* The two ends of one direction. */
struct srtp_pair {
	struct test_env t;
	struct enn_srtp_session *out;
	struct enn_srtp_session *in;
};

extern enum enn_crypto_backend srtp_backend;

struct enn_srtp_master srtp_master_of(uint8_t seed);
void srtp_open(struct srtp_pair *pair, const struct enn_srtp_policy *policy);
void srtp_close(struct srtp_pair *pair);
/* A packet of RTP whose payload tells its sequence number. */
void srtp_rtp(struct srtp_buffer *b, uint32_t ssrc, uint16_t sequence, size_t payload);
/* The same with CSRCs and a one-byte extension with the elements 1 (two bytes), 5 (three bytes). */
void srtp_rtp_rich(struct srtp_buffer *b, uint32_t ssrc, uint16_t sequence, size_t payload);
/* A sender report and a description. */
void srtp_rtcp(struct srtp_buffer *b, uint32_t ssrc, uint32_t value);
void srtp_raw(struct srtp_buffer *b, const void *data, size_t len, enum enn_srtp_kind kind);
enum enn_srtp_result srtp_send(struct srtp_pair *pair, struct srtp_buffer *b);
enum enn_srtp_result srtp_receive(struct srtp_pair *pair, struct srtp_buffer *b);
/* Protects, unprotects a copy, and compares; leaves the protected packet in b. */
void srtp_across(struct srtp_pair *pair, struct srtp_buffer *b);

#endif
