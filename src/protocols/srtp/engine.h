/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection whose messages are RTP and RTCP packets, with keys that both sides have already: the engine contract around two
 * sessions. There is no handshake, so it is ready at once, and nothing tells the peer of its end (RFC 3711 has no such message;
 * RTCP's BYE is the application's).
 */
#ifndef ENN_SRTP_ENGINE_H
#define ENN_SRTP_ENGINE_H

#include "ennead/engine.h"
#include "protocols/srtp/srtp.h"

#define ENN_SRTP_MIN_BATCH 2048u

struct enn_srtp_keys {
	const struct enn_srtp_policy *send;
	const struct enn_srtp_policy *receive;
	struct enn_path path; /* where it sends to; it takes authentic packets from anywhere */
};

/* Everything is copied but env. As enn_srtp_session_new; ENN_E_ARGUMENT besides: no remote address. */
enum enn_status enn_srtp_engine_new(const struct enn_env *env, const struct enn_srtp_keys *keys,
				    struct enn_engine **out, struct enn_error *error);
/* To re-key, to set rollover counters, to count. Lent; the engine keeps it. */
struct enn_srtp_session *enn_srtp_engine_session(struct enn_engine *e,
						 enum enn_direction direction);

#endif
