/* SPDX-License-Identifier: Apache-2.0
 *
 * SRTP and SRTCP with given keys: the inside that the engine, DTLS-SRTP and ZRTP build on.
 *
 *   keys (SDES, an exporter) ─► struct enn_srtp_policy ─► struct enn_srtp_session, one direction
 *                                                               │
 *           packets of any number of streams, in place ─► protect or unprotect, in batches
 *
 * A session is what one master key protects in one direction (RFC 3711 §3.2): all SSRCs that it sees are streams of it,
 * each with its own rollover counter and replay list. It takes no time, no randomness and no sockets.
 */
#ifndef ENN_SRTP_SRTP_H
#define ENN_SRTP_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/env.h"
#include "protocols/srtp/wire.h"

/* ---- suites (suite.c) ------------------------------------------------------------------------ */

enum enn_srtp_suite_id {
	ENN_SRTP_AES_CM_128_HMAC_SHA1_80, /* RFC 3711 */
	ENN_SRTP_AES_CM_128_HMAC_SHA1_32,
	ENN_SRTP_AES_192_CM_HMAC_SHA1_80, /* RFC 6188 */
	ENN_SRTP_AES_192_CM_HMAC_SHA1_32,
	ENN_SRTP_AES_256_CM_HMAC_SHA1_80,
	ENN_SRTP_AES_256_CM_HMAC_SHA1_32,
	ENN_SRTP_AEAD_AES_128_GCM, /* RFC 7714 */
	ENN_SRTP_AEAD_AES_256_GCM,
	ENN_SRTP_NULL_HMAC_SHA1_80, /* RFC 5764 §4.1.2: no confidentiality */
	ENN_SRTP_NULL_HMAC_SHA1_32,
	ENN_SRTP_SUITE_COUNT
};

#define ENN_SRTP_MAX_KEY  32
#define ENN_SRTP_MAX_SALT 14
#define ENN_SRTP_MAX_MKI  128 /* RFC 4568 §6.1 */
#define ENN_SRTP_MASTERS  16

struct enn_srtp_suite {
	enum enn_srtp_suite_id id;
	const char *name;      /* IANA's of SDP security descriptions; NULL: it has none */
	uint16_t dtls_profile; /* RFC 5764 §4.1.2, RFC 7714 §14.2; 0: none */
	uint8_t key_len;       /* of the master key, and of the cipher's unless it is NULL */
	uint8_t salt_len;      /* of the master salt */
	uint8_t rtp_tag;       /* HMAC's; 0: the cipher authenticates */
	uint8_t rtcp_tag;
	bool aead;
	bool cipher; /* false: NULL */
};

/* NULL: no such. */
const struct enn_srtp_suite *enn_srtp_suite(enum enn_srtp_suite_id id);
const struct enn_srtp_suite *enn_srtp_suite_by_name(struct enn_bytes name); /* ignores case */
const struct enn_srtp_suite *enn_srtp_suite_by_dtls(uint16_t profile);

/* ---- policy ------------------------------------------------------------------------------------ */

#define ENN_SRTP_RTP_LIFETIME  (UINT64_C(1) << 48) /* RFC 3711 §9.2, RFC 7714 §10 */
#define ENN_SRTP_RTCP_LIFETIME (UINT64_C(1) << 31)

struct enn_srtp_master {
	uint8_t key[ENN_SRTP_MAX_KEY];
	uint8_t salt[ENN_SRTP_MAX_SALT];
	uint8_t mki[ENN_SRTP_MAX_MKI]; /* as on the wire */
	uint8_t mki_len;	       /* the same for all keys of a policy; 0: no MKI */
	uint64_t
		lifetime; /* packets of RTP, and of RTCP; 0: what the suite allows (RFC 4568 §6.1) */
	/* RFC 3711 §8.1.1: the indices of RTP that it is for, both included; to 0: no such limits. Without MKI they
	 * tell the keys apart. */
	uint64_t from;
	uint64_t to;
};

enum enn_srtp_cryptex {
	ENN_SRTP_CRYPTEX_OFF,
	ENN_SRTP_CRYPTEX_ON,	   /* sends with it, takes both */
	ENN_SRTP_CRYPTEX_REQUIRED, /* refuses packets that could have used it and do not */
};

/* Zeroed but for suite and masters is a sound policy. Copied. */
struct enn_srtp_policy {
	enum enn_srtp_suite_id suite;
	const struct enn_srtp_master *master;
	size_t master_count;
	uint8_t kdr;	    /* the key derivation rate is 2^kdr, 1 to 24; 0: derive once */
	size_t window;	    /* replay window, packets; 0: 1024; at least 64 */
	size_t max_streams; /* 0: 256 */
	bool null_allowed;  /* the NULL cipher, or one of the next three, needs to be said twice */
	bool unencrypted_rtp;	  /* RFC 4568 §6.3.2 */
	bool unencrypted_rtcp;	  /* the E bit is 0 */
	bool unauthenticated_rtp; /* RFC 4568 §6.3.3; not with AEAD; replays cannot be told then */
	enum enn_srtp_cryptex cryptex;
	/* RFC 6904: bit `id` of these is set if the header extension elements of that id are encrypted. Not together
	 * with Cryptex. */
	uint64_t encrypted_ids[4];
};

/* ---- sessions (session.c) -------------------------------------------------------------------------- */

struct enn_srtp_session;

/* env is borrowed for the session's life. ENN_E_ARGUMENT: the policy contradicts itself, and *why (may be NULL)
 * says how; ENN_E_MEMORY; ENN_E_CRYPTO. */
enum enn_status enn_srtp_session_new(const struct enn_env *env,
				     const struct enn_srtp_policy *policy, bool sending,
				     struct enn_srtp_session **out, const char **why);
void enn_srtp_session_free(struct enn_srtp_session *s);

/* Re-keying (RFC 3711 §8.1): counters and replay lists go on. The new key must have an MKI or a range if others stay.
 * ENN_E_LIMIT: 16 keys; ENN_E_ARGUMENT: this MKI is taken, or has another length. */
enum enn_status enn_srtp_session_add_master(struct enn_srtp_session *s,
					    const struct enn_srtp_master *master);
/* By its number in the order of adding. Sending: packets are protected with this one from now on (the first at the
 * beginning). ENN_E_NOT_FOUND. */
enum enn_status enn_srtp_session_use_master(struct enn_srtp_session *s, size_t number);
/* Forgets it. ENN_E_STATE: it is the one that sends. */
enum enn_status enn_srtp_session_drop_master(struct enn_srtp_session *s, size_t number);
/* One key in place of all there are: what re-keying without MKI is, at a point that both sides know. */
enum enn_status enn_srtp_session_replace_masters(struct enn_srtp_session *s,
						 const struct enn_srtp_master *master);

/* The rollover counter of a stream, for who joins late (RFC 3711 §3.3.1); makes the stream if there is none. It only goes
 * forward: ENN_E_ARGUMENT. ENN_E_LIMIT: too many streams. ENN_E_NOT_FOUND: there is no such stream. */
enum enn_status enn_srtp_session_set_roc(struct enn_srtp_session *s, uint32_t ssrc, uint32_t roc);
enum enn_status enn_srtp_session_get_roc(const struct enn_srtp_session *s, uint32_t ssrc,
					 uint32_t *roc);
/* Forgets a stream, and with it which packets have been seen: only for a source that is gone for good. */
enum enn_status enn_srtp_session_drop_stream(struct enn_srtp_session *s, uint32_t ssrc);

/* What a packet grows by at most; where Cryptex has to add an extension, 4 more. */
size_t enn_srtp_session_overhead(const struct enn_srtp_session *s, bool rtcp);

enum enn_srtp_key_state {
	ENN_SRTP_KEY_FRESH,
	ENN_SRTP_KEY_EXPIRING, /* 15/16 of its lifetime are gone: re-key */
	ENN_SRTP_KEY_EXPIRED,  /* it protects and opens nothing more */
};
/* Of the key in use; receiving, of the most used one. */
enum enn_srtp_key_state enn_srtp_session_key_state(const struct enn_srtp_session *s);

/* ---- packets (protect.c, unprotect.c) ---------------------------------------------------------------- */

enum enn_srtp_result {
	ENN_SRTP_OK,
	ENN_SRTP_MALFORMED,    /* no RTP or RTCP */
	ENN_SRTP_NO_ROOM,      /* cap is too small */
	ENN_SRTP_REPLAYED,     /* this index was used, or is behind the window */
	ENN_SRTP_FORGED,       /* the tag does not fit */
	ENN_SRTP_UNKNOWN_KEY,  /* an MKI, or an index, that no key has */
	ENN_SRTP_EXPIRED_KEY,  /* the key's lifetime is used up, or the index */
	ENN_SRTP_MANY_STREAMS, /* another SSRC than the policy's limit allows */
	ENN_SRTP_REFUSED,      /* encrypted or not, Cryptex or not, against the policy */
	ENN_SRTP_NO_MEMORY,
	ENN_SRTP_BROKEN, /* the cryptographic library failed */
	ENN_SRTP_RESULT_COUNT
};
/* "the tag does not fit" */
const char *enn_srtp_result_name(enum enn_srtp_result result);

struct enn_srtp_packet {
	uint8_t *data;
	size_t len; /* in and out */
	size_t cap; /* of data; needed to protect, and with Cryptex */
	enum enn_srtp_kind
		kind; /* ENN_SRTP_OTHER: by its first bytes, as where one port carries both; set then */
	enum enn_srtp_result result; /* out */
};

/* In place, any number of packets of any streams; returns how many are ENN_SRTP_OK. A packet that is not must not be used:
 * its bytes are undefined. Nothing is allocated but for a stream that is new. */
size_t enn_srtp_protect(struct enn_srtp_session *s, struct enn_srtp_packet *packets, size_t count);
size_t enn_srtp_unprotect(struct enn_srtp_session *s, struct enn_srtp_packet *packets,
			  size_t count);

/* Counts since the session was made. */
struct enn_srtp_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t refused[ENN_SRTP_RESULT_COUNT]; /* by result */
	size_t streams;
};
void enn_srtp_session_stats(const struct enn_srtp_session *s, struct enn_srtp_stats *stats);

/* ---- the key derivation function (keys.c) -------------------------------------------------------------- */

/* RFC 3711 §4.3.2, RFC 6904 §2 */
enum enn_srtp_label {
	ENN_SRTP_LABEL_RTP_KEY = 0,
	ENN_SRTP_LABEL_RTP_AUTH = 1,
	ENN_SRTP_LABEL_RTP_SALT = 2,
	ENN_SRTP_LABEL_RTCP_KEY = 3,
	ENN_SRTP_LABEL_RTCP_AUTH = 4,
	ENN_SRTP_LABEL_RTCP_SALT = 5,
	ENN_SRTP_LABEL_HEADER_KEY = 6,
	ENN_SRTP_LABEL_HEADER_SALT = 7,
};

/* AES_CM_PRF, AES_192_CM_PRF, AES_256_CM_PRF (RFC 3711 §4.3.3, RFC 6188 §3): key_len chooses. r is the index DIV the key
 * derivation rate. out_len is at most 2^20. */
enum enn_status enn_srtp_derive(const struct enn_env *env, const uint8_t *key, size_t key_len,
				const uint8_t *salt, size_t salt_len, enum enn_srtp_label label,
				uint64_t r, uint8_t *out, size_t out_len);

#endif
