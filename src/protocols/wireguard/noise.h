/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WP §5.4): who we are, who
 * they are, and the state between the two messages.
 */
#ifndef ENN_WIREGUARD_NOISE_H
#define ENN_WIREGUARD_NOISE_H

#include <stdbool.h>

#include "crypto/aead.h"
#include "crypto/x25519.h"
#include "protocols/wireguard/wire.h"

/* Random bytes drawn many at a time: libcrypto's generator costs more a call than a byte. What was
 * handed out is wiped. */
struct enn_wg_stock {
	uint8_t bytes[256];
	size_t left;
};

/* What the handshake computes with. The AEADs are keyed anew for each use. */
struct enn_wg_tools {
	const struct enn_env *env;
	struct enn_aead *seal;
	struct enn_aead *open;
	struct enn_wg_stock *stock;
	uint8_t construction[ENN_WG_HASH]; /* where every chaining key begins */
};

enum enn_status enn_wg_tools_open(struct enn_wg_tools *tools, const struct enn_env *env);
void enn_wg_tools_close(struct enn_wg_tools *tools);
/* At most 64 bytes. ENN_E_CRYPTO. */
enum enn_status enn_wg_random(const struct enn_wg_tools *tools, uint8_t *out, size_t len);

/* This side's identity. */
struct enn_wg_local {
	bool present;
	uint8_t private_key[ENN_WG_KEY];
	struct enn_x25519_key *key; /* the same, ready for use */
	uint8_t public_key[ENN_WG_KEY];
	uint8_t initial_hash[ENN_WG_HASH]; /* of handshakes that others begin with us */
	uint8_t mac1_key[ENN_WG_HASH];	   /* HASH("mac1----" || public key) */
	uint8_t cookie_key[ENN_WG_HASH];   /* HASH("cookie--" || public key) */
};

/* Makes an identity. private_key all zero: none. */
enum enn_status enn_wg_local_set(const struct enn_wg_tools *tools, struct enn_wg_local *local,
				 const uint8_t private_key[ENN_WG_KEY]);

void enn_wg_local_clear(const struct enn_wg_tools *t, struct enn_wg_local *local);

/* A peer's identity. What costs a multiplication is computed when it is first needed, so that a
 * hundred thousand peers load at once. */
struct enn_wg_remote {
	uint8_t public_key[ENN_WG_KEY];
	uint8_t psk[ENN_WG_KEY]; /* zeros: none */
	bool hashes_known;
	uint8_t initial_hash[ENN_WG_HASH];
	uint8_t mac1_key[ENN_WG_HASH];
	uint8_t cookie_key[ENN_WG_HASH];
	bool shared_known;	    /* for the local identity of now */
	uint8_t shared[ENN_WG_KEY]; /* DH(own static, their static) */
};

enum enn_status enn_wg_remote_prepare(const struct enn_wg_tools *tools,
				      const struct enn_wg_local *local,
				      struct enn_wg_remote *remote);

enum enn_wg_handshake_state {
	ENN_WG_HANDSHAKE_IDLE = 0,
	ENN_WG_INITIATION_SENT,	    /* we wait for a response */
	ENN_WG_INITIATION_RECEIVED, /* we owe a response */
};

struct enn_wg_handshake {
	enum enn_wg_handshake_state state;
	uint32_t local_index; /* valid while INITIATION_SENT */
	uint32_t remote_index;
	uint8_t hash[ENN_WG_HASH];
	uint8_t chaining[ENN_WG_HASH];
	struct enn_x25519_key *ephemeral;     /* ours; NULL while we have none */
	uint8_t remote_ephemeral[ENN_WG_KEY]; /* public */
};

void enn_wg_handshake_wipe(const struct enn_wg_tools *t, struct enn_wg_handshake *hs);

/* Every call leaves the handshake unchanged unless it answers ENN_OK. ENN_E_CRYPTO: the message is
 * not authentic, or the library failed. */

/* Writes an initiation without MACs. */
enum enn_status enn_wg_make_initiation(const struct enn_wg_tools *tools,
				       const struct enn_wg_local *local,
				       const struct enn_wg_remote *remote, uint32_t index,
				       const uint8_t timestamp[ENN_WG_TIMESTAMP],
				       struct enn_wg_handshake *hs, uint8_t *out);
/* First step: finds out who it claims to be from. */
enum enn_status enn_wg_open_initiation(const struct enn_wg_tools *tools,
				       const struct enn_wg_local *local,
				       const struct enn_wg_initiation *m,
				       struct enn_wg_handshake *hs, uint8_t remote_key[ENN_WG_KEY]);
/* Second step: proves it. remote is prepared. */
enum enn_status enn_wg_prove_initiation(const struct enn_wg_tools *tools,
					const struct enn_wg_remote *remote,
					const struct enn_wg_initiation *m,
					struct enn_wg_handshake *hs,
					uint8_t timestamp[ENN_WG_TIMESTAMP]);
/* Writes the response without MACs, and gives the session's keys; hs becomes idle. */
enum enn_status enn_wg_make_response(const struct enn_wg_tools *tools,
				     const struct enn_wg_local *local,
				     const struct enn_wg_remote *remote, uint32_t index,
				     struct enn_wg_handshake *hs, uint8_t *out,
				     uint8_t send_key[ENN_WG_KEY], uint8_t receive_key[ENN_WG_KEY]);
enum enn_status enn_wg_open_response(const struct enn_wg_tools *tools,
				     const struct enn_wg_local *local,
				     const struct enn_wg_remote *remote,
				     const struct enn_wg_response *m, struct enn_wg_handshake *hs,
				     uint8_t send_key[ENN_WG_KEY], uint8_t receive_key[ENN_WG_KEY]);

bool enn_wg_has_psk(const struct enn_wg_remote *remote);

#endif
