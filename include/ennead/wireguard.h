/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard interfaces: an engine that takes IP packets from above, chooses
 * the peer of each by its destination (cryptokey routing), and talks to all
 * peers over UDP.
 *
 * The engine is driven by the contract of engine.h. What is particular:
 *  - enn_engine_send takes one whole IPv4 or IPv6 packet. Which peer gets it is
 *    decided by the allowed IPs. ENN_E_NOT_FOUND: no peer is responsible for the
 *    destination; ENN_E_STATE: the peer has no endpoint yet; ENN_E_ARGUMENT: not an IP
 *    packet. A packet for a peer without a session is copied and waits for the
 *    handshake that it starts; SENT means sealed or so kept. It is given up, oldest first,
 *    when more than a fixed number waits, or when the handshake fails for 90 seconds.
 *  - ENN_EVENT_RECEIVED is one whole IP packet whose source address is one of the allowed IPs
 *    of the peer that sent it.
 *  - enn_event.peer says which peer an event is about, as the id of struct
 *    enn_wireguard_peer_info.
 *  - transmit: one batch is for one peer: equal packets (UDP GSO), the last may be shorter.
 *  - ingest: the packets of one call have come on one path; their buffers must be writable,
 *    plaintext lies inside them.
 *  - It has no end of its own: peers come and go by configuration. FAILED only if
 *    the random source or memory fails in a way that cannot be recovered from.
 *
 * Specification: J. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel" (NDSS 2017,
 * and its later revisions), cited as WP §n.
 */
#ifndef ENNEAD_WIREGUARD_H
#define ENNEAD_WIREGUARD_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENN_WIREGUARD_KEY	  32
#define ENN_WIREGUARD_KEY_TEXT	  45 /* base64 with its NUL */
#define ENN_WIREGUARD_OVERHEAD	  32 /* of a transport message over the padded packet */
#define ENN_WIREGUARD_DEFAULT_MTU 1420

/* ---- keys ----------------------------------------------------------------------- */

/* A private key out of 32 random bytes of env, clamped (RFC 7748 §5). ENN_E_CRYPTO. */
ENN_API ENN_MUST_CHECK enum enn_status enn_wireguard_generate_key(
	const struct enn_env *env, uint8_t private_key[ENN_WIREGUARD_KEY]);
ENN_API ENN_MUST_CHECK enum enn_status enn_wireguard_public_key(
	const struct enn_env *env, const uint8_t private_key[ENN_WIREGUARD_KEY],
	uint8_t public_key[ENN_WIREGUARD_KEY]);
/* Base64 (RFC 4648 §4) as the tools write it, in constant time. out gets the NUL. */
ENN_API void enn_wireguard_key_encode(const uint8_t key[ENN_WIREGUARD_KEY],
				      char out[ENN_WIREGUARD_KEY_TEXT]);
/* Exactly 44 characters. ENN_E_PARSE. */
ENN_API ENN_MUST_CHECK enum enn_status enn_wireguard_key_decode(const char *text, size_t len,
								uint8_t key[ENN_WIREGUARD_KEY]);

/* ---- configuration ---------------------------------------------------------------- */

struct enn_wireguard_prefix {
	uint8_t ip[16]; /* network order; IPv4 uses the first four; host bits are ignored */
	uint8_t family; /* enum enn_family */
	uint8_t bits;
	bool remove; /* take it from the peer, if the peer has it */
};

enum enn_wireguard_peer_flag {
	ENN_WIREGUARD_PEER_REMOVE = 1u << 0,	  /* the peer goes */
	ENN_WIREGUARD_PEER_UPDATE_ONLY = 1u << 1, /* only if it is there */
	ENN_WIREGUARD_PEER_REPLACE_IPS = 1u << 2, /* its allowed IPs become those given */
	ENN_WIREGUARD_PEER_PSK = 1u << 3,	  /* preshared_key is set; all zero: none */
	ENN_WIREGUARD_PEER_ENDPOINT = 1u << 4,	  /* endpoint is set */
	ENN_WIREGUARD_PEER_KEEPALIVE = 1u << 5,	  /* persistent_keepalive is set */
};

/* A change of one peer. */
struct enn_wireguard_peer_change {
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint32_t flags;
	uint8_t preshared_key[ENN_WIREGUARD_KEY];
	struct enn_address endpoint;
	uint16_t persistent_keepalive; /* seconds; 0: off */
	const struct enn_wireguard_prefix *allowed_ips;
	size_t allowed_ips_count;
};

/* A change of the interface. Zeroed changes nothing. */
struct enn_wireguard_change {
	bool set_private_key;
	uint8_t private_key[ENN_WIREGUARD_KEY]; /* all zero: none */
	bool replace_peers;			/* all peers that are not in this change go */
	bool set_mtu;
	uint16_t mtu; /* inner; packets are not padded beyond it */
	bool set_under_load;
	bool under_load; /* always ask for cookies, not only when there are many handshakes */
	const struct enn_wireguard_peer_change *peers;
	size_t peer_count;
};

/* A new interface without key and peers. env is borrowed for the engine's life; ENN_E_MEMORY. It
 * must be started like every engine. */
ENN_API ENN_MUST_CHECK enum enn_status enn_wireguard_new(const struct enn_env *env,
							 struct enn_engine **out,
							 struct enn_error *error);

/* Applies a change as one: either all of it or, on an error, nothing. Everything is copied.
 * Errors: ENN_E_ARGUMENT (a prefix that is too long, a family that is none, an engine of another
 * protocol), ENN_E_MEMORY, ENN_E_CRYPTO (a public key of small order), ENN_E_LIMIT (2^24 peers). */
ENN_API ENN_MUST_CHECK enum enn_status enn_wireguard_configure(
	struct enn_engine *e, enn_time now, const struct enn_wireguard_change *change,
	struct enn_error *error);

/* ---- what there is ------------------------------------------------------------------ */

struct enn_wireguard_info {
	bool has_private_key;
	uint8_t private_key[ENN_WIREGUARD_KEY]; /* wipe it after use */
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint16_t mtu;
	size_t peer_count;
	bool under_load; /* now */
	/* Counted since the engine was made. */
	uint64_t handshakes_dropped; /* bad mac1, no cookie while under load, rate limit, replay */
	uint64_t packets_dropped;    /* transport messages: unknown index, bad tag, replayed, source
				      * not allowed, no IP packet */
};
ENN_API void enn_wireguard_info(const struct enn_engine *e, struct enn_wireguard_info *info);

struct enn_wireguard_peer_info {
	uint64_t id; /* never used again in this engine */
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint8_t preshared_key[ENN_WIREGUARD_KEY]; /* wipe it after use */
	bool has_preshared_key;
	struct enn_path path;	/* remote.family ENN_FAMILY_NONE: no endpoint is known */
	int64_t last_handshake; /* UNIX time in nanoseconds; 0: never */
	uint64_t sent_bytes;	/* on the outside, with headers, like the tools count */
	uint64_t received_bytes;
	uint16_t persistent_keepalive;
	bool has_session; /* there are keys; they may be too old to send with */
	size_t allowed_ips_count;
};

/* The peers in the order in which they were added: *cursor is 0 to begin with. False: no more. A
 * peer that is removed between calls is left out. */
ENN_API bool enn_wireguard_next_peer(const struct enn_engine *e, uint64_t *cursor,
				     struct enn_wireguard_peer_info *info);
ENN_API bool enn_wireguard_find_peer(const struct enn_engine *e,
				     const uint8_t public_key[ENN_WIREGUARD_KEY],
				     struct enn_wireguard_peer_info *info);
/* Fills in up to cap of the allowed IPs of a peer, and returns how many it has; 0 for an unknown
 * id. */
ENN_API size_t enn_wireguard_allowed_ips(const struct enn_engine *e, uint64_t peer,
					 struct enn_wireguard_prefix *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
