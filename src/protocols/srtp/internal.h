/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a session.
 *
 *   session.c   policy, master keys, streams     keys.c      derivation of session keys
 *   protect.c   packets out                      unprotect.c packets in
 *   transform.c nonces, header extensions, Cryptex
 */
#ifndef ENN_SRTP_INTERNAL_H
#define ENN_SRTP_INTERNAL_H

/* uthash takes memory where `env` of the surrounding function says. */
#define HASH_NONFATAL_OOM     1
#define uthash_malloc(sz)     enn_alloc(env, sz)
#define uthash_free(ptr, sz)  enn_free(env, ptr, sz)
#define uthash_bzero(ptr, sz) memset(ptr, 0, sz)

#include <string.h>
#include <uthash.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/ctr_hmac.h"
#include "features/replay.h"
#include "protocols/srtp/srtp.h"

#define AUTH_KEY	ENN_SHA1 /* RFC 3711 §5.2: 160 bits */
#define AEAD_TAG	16u
#define RUN		ENN_CTR_HMAC_JOBS /* packets of one set of keys that are worked on together */
#define KEY_SETS	8u /* with a key derivation rate: sets of one master key at a time */
#define DEFAULT_WINDOW	1024u
#define DEFAULT_STREAMS 256u

/* Session keys: of RTP or of RTCP, of one value of index DIV rate. */
struct srtp_keys {
	bool valid;
	uint64_t r;
	struct enn_ctr_hmac *cm; /* cipher and HMAC; NULL: AEAD */
	struct enn_aead *aead;
	struct enn_ctr_hmac *header; /* RFC 6904; NULL: not in use */
	uint8_t salt[16];	     /* zeros behind it */
	uint8_t header_salt[16];
};

struct srtp_master {
	size_t number;
	struct enn_ctr_hmac *prf; /* keyed with the master key: AES_CM_PRF */
	uint8_t salt[ENN_SRTP_MAX_SALT];
	uint8_t mki[ENN_SRTP_MAX_MKI];
	uint64_t from;
	uint64_t to;
	uint64_t limit[2]; /* packets of RTP, of RTCP */
	uint64_t used[2];
	struct srtp_keys keys[2][KEY_SETS];
	size_t next[2]; /* which set is given up next */
};

struct srtp_stream {
	uint32_t ssrc;
	uint32_t roc;		   /* while nothing was seen: given from outside, else 0 */
	struct enn_replay seen[2]; /* RTP, whose highest index tells ROC and s_l, and RTCP */
	uint32_t rtcp_next;	   /* sending: index of the next packet; 2^31: there is none */
	size_t size;		   /* of this block */
	UT_hash_handle hh;
	uint64_t bits[]; /* of both windows */
};

struct enn_srtp_session {
	const struct enn_env *env;
	const struct enn_srtp_suite *suite;
	bool sending;
	uint8_t mki_len;
	uint8_t kdr;
	bool encrypt[2]; /* RTP, RTCP */
	uint8_t tag[2];	 /* HMAC's */
	enum enn_srtp_cryptex cryptex;
	bool masks_headers;
	uint64_t encrypted_ids[4];
	size_t max_streams;
	uint32_t window_words;
	struct srtp_master *master[ENN_SRTP_MASTERS];
	size_t master_count;
	size_t next_number;
	struct srtp_master *current; /* sending */
	struct srtp_stream *streams;
	size_t stream_count;
	struct enn_srtp_stats stats;
};

/* A packet on its way. */
struct srtp_item {
	struct enn_srtp_packet *packet;
	struct srtp_stream *stream; /* receiving: NULL for a new one */
	uint32_t ssrc;
	uint64_t index;
	struct enn_rtp rtp;
	size_t body; /* where the cipher begins */
	size_t end;  /* and ends, without tags */
	bool cryptex;
	uint8_t nonce[16];
	uint8_t aad[RTCP_HEADER + SRTCP_INDEX];
	uint8_t tag[ENN_SHA1]; /* the packet's, or one that belongs elsewhere */
};

struct srtp_run {
	struct enn_srtp_session *s;
	struct srtp_master *master;
	struct srtp_keys *keys;
	unsigned rtcp; /* 0 or 1 */
	size_t count;
	struct srtp_item item[RUN];
};

/* session.c */
struct srtp_stream *srtp_stream_find(const struct enn_srtp_session *s, uint32_t ssrc);
/* ENN_SRTP_MANY_STREAMS, ENN_SRTP_NO_MEMORY */
enum enn_srtp_result srtp_stream_make(struct enn_srtp_session *s, uint32_t ssrc,
				      struct srtp_stream **out);
/* RFC 3711 §3.3.1, appendix A. False: it lies before the first packet, or behind the last. */
bool srtp_index_guess(const struct srtp_stream *stream, uint16_t sequence, uint64_t *index);
/* By what a packet tells: its MKI, or its index. NULL: none. */
struct srtp_master *srtp_master_by_mki(const struct enn_srtp_session *s, const uint8_t *mki);
struct srtp_master *srtp_master_by_index(const struct enn_srtp_session *s, uint64_t index);
void srtp_count(struct enn_srtp_session *s, const struct enn_srtp_packet *packet);

/* keys.c */
enum enn_status srtp_master_new(const struct enn_srtp_session *s,
				const struct enn_srtp_master *from, struct srtp_master **out);
void srtp_master_free(const struct enn_srtp_session *s, struct srtp_master *m);
/* The keys for an index if they are there; NULL: srtp_keys_make makes them, in place of others. */
struct srtp_keys *srtp_keys_find(const struct enn_srtp_session *s, struct srtp_master *m,
				 unsigned rtcp, uint64_t index);
enum enn_status srtp_keys_make(const struct enn_srtp_session *s, struct srtp_master *m,
			       unsigned rtcp, uint64_t index, struct srtp_keys **out);
/* Sets them without derivation: key_len bytes of cipher key, HMAC's if there is one, salt. For tests with given session
 * keys, and what srtp_keys_make ends with. */
enum enn_status srtp_keys_set(const struct enn_srtp_session *s, struct srtp_keys *k, unsigned rtcp,
			      const uint8_t *key, const uint8_t *salt);

/* transform.c */

/* RFC 3711 §4.1.1, RFC 7714 §8.1 and §9.1 */
void srtp_nonce(const struct enn_srtp_session *s, const uint8_t salt[16], uint32_t ssrc,
		uint64_t index, uint8_t out[16]);
/* RFC 6904: encrypts or decrypts the elements that the policy names. */
enum enn_status srtp_mask_header(const struct enn_srtp_session *s, const struct srtp_keys *k,
				 const struct srtp_item *item);
/* RFC 9335 §5.2: makes a packet to be sent ready. */
enum enn_srtp_result srtp_cryptex_begin(const struct enn_srtp_session *s, struct srtp_item *item);
/* Is a received one of that kind, and may it be? */
enum enn_srtp_result srtp_cryptex_check(const struct enn_srtp_session *s, struct srtp_item *item);
/* Puts the extension's header before the CSRCs, and back (RFC 9335 §6.2). */
void srtp_cryptex_gather(const struct srtp_item *item);
void srtp_cryptex_scatter(const struct srtp_item *item);
/* The profile that the sender's application gave it. */
void srtp_cryptex_end(const struct srtp_item *item);

#endif
