/* SPDX-License-Identifier: Apache-2.0
 *
 * SDP security descriptions (RFC 4568): the a=crypto line, which carries keys as text.
 *
 *   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4 KDR=1
 *            │ suite                   key and salt, lifetime, MKI:its length            session parameters
 *            tag
 *
 * Whoever can read the line can read the media: it belongs on a protected channel.
 */
#ifndef ENN_SRTP_SDES_H
#define ENN_SRTP_SDES_H

#include "protocols/srtp/srtp.h"

struct enn_srtp_sdes {
	uint32_t tag;
	enum enn_srtp_suite_id suite;
	struct enn_srtp_master master[ENN_SRTP_MASTERS];
	size_t master_count;
	uint8_t kdr; /* 0: not said */
	bool unencrypted_rtp;
	bool unencrypted_rtcp;
	bool unauthenticated_rtp;
	uint32_t window; /* a hint; 0: none */
};

#define ENN_SRTP_SDES_MAX 8192 /* bytes of a line that are looked at */

/* With or without "a=crypto:" and the end of line. ENN_E_PARSE: invalid as a whole (RFC 4568 §6.1, §6.3), *why tells; wipe *out when
 * done with it. ENN_E_UNSUPPORTED: a suite, or a session parameter, that is not ours: to be ignored. */
enum enn_status enn_srtp_sdes_parse(struct enn_bytes line, struct enn_srtp_sdes *out,
				    const char **why);
/* The line, with "a=crypto:" and without its end; what does not fit makes w bad. */
void enn_srtp_sdes_write(struct enn_writer *w, const struct enn_srtp_sdes *sdes);
/* Borrows sdes->master. NULL ciphers and the like stay refused until the caller sets null_allowed. */
void enn_srtp_sdes_policy(const struct enn_srtp_sdes *sdes, struct enn_srtp_policy *policy);

#endif
