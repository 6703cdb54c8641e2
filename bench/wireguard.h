/* SPDX-License-Identifier: Apache-2.0
 *
 * The WireGuard contenders: two of Ennead's engines, and the primitives alone.
 */
#ifndef ENN_BENCH_WIREGUARD_H
#define ENN_BENCH_WIREGUARD_H

#include "bench.h"

#define WG_BURST  64u	/* packets that travel together, as behind a TUN interface */
#define WG_PACKET 1400u /* bytes of an inner packet */
#define WG_PADDED 1408u /* to a multiple of 16 */
#define WG_SEALED (WG_PADDED + 32u)

/* ---- Ennead (wireguard_ours.c): two interfaces in one thread -------------------------------------- */

struct wg_ours;
struct wg_ours *wg_ours_new(void);
void wg_ours_free(struct wg_ours *o);
const char *wg_ours_describe(const struct wg_ours *o);
/* n packets of WG_PACKET bytes from one side to the other: sealed in bursts, opened, taken. */
void wg_ours_transport(void *ctx, size_t n);
/* n times: the session has grown old, a packet makes a new one, both ends finish it. */
void wg_ours_handshakes(void *ctx, size_t n);

/* One interface with that many peers, each with an endpoint and an IPv4 and IPv6 address allowed. */
struct wg_load {
	double bytes;	/* of heap for each peer, the libraries' included */
	double seconds; /* that configuring them all took */
};
struct wg_load wg_ours_load(size_t peers);

/* ---- primitives (wireguard_limit.c) --------------------------------------------------------------- */

struct wg_limit;
struct wg_limit *wg_limit_new(void);
void wg_limit_free(struct wg_limit *l);
void wg_limit_transport(void *ctx, size_t n);  /* n packets sealed out of place, opened in place */
void wg_limit_handshakes(void *ctx, size_t n); /* 2 X25519 key generations and 6 derivations each */
const char *wg_limit_aead_name(const struct wg_limit *l);
const char *wg_limit_x25519_name(const struct wg_limit *l);
/* Bytes that no configured peer can do without. */
double wg_limit_peer(void);

#endif
