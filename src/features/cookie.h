/* SPDX-License-Identifier: Apache-2.0
 *
 * Stateless cookies (survey: mitigation of denial of service): what a server wants to know again when its peer
 * comes back, sealed and given to the peer. Only who can receive at an address can return the cookie
 * that was sent there. TLS puts the state of a HelloRetryRequest in it; DTLS and QUIC can do the same with theirs.
 *
 *   ticket_seal( u8 format, u64 made (UNIX ns), <0..255> address, state )
 */
#ifndef ENN_FEATURES_COOKIE_H
#define ENN_FEATURES_COOKIE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "features/session_cache.h"

/* What a cookie is longer than address and state together. */
#define ENN_COOKIE_OVERHEAD (ENN_TICKET_OVERHEAD + 10u)
/* How long one is good for: two flights of a slow peer, with some loss. */
#define ENN_COOKIE_LIFETIME (60 * (int64_t)ENN_SECOND)

/* The keys, and so their rotation and who shares them, are those of session tickets; key_lifetime is how long a
 * ticket lives, which is what they rotate by. address: opaque bytes that the cookie is bound to, at most 255,
 * may be none. ENN_E_SPACE, ENN_E_CRYPTO, ENN_E_MEMORY. */
enum enn_status enn_cookie_seal(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, int64_t key_lifetime, struct enn_bytes address,
				struct enn_bytes state, uint8_t *out, size_t cap, size_t *out_len);
/* room has cookie.len bytes, in which *state is. ENN_E_NOT_FOUND: not one of ours, or for somebody else;
 * ENN_E_STALE: too old; ENN_E_MEMORY. */
enum enn_status enn_cookie_open(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, struct enn_bytes address, struct enn_bytes cookie,
				uint8_t *room, struct enn_bytes *state);

#endif
