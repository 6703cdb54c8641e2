/* SPDX-License-Identifier: Apache-2.0
 *
 * Message connections: one peer, and its messages instead of IP packets.
 *
 * Each message travels as an IPv6 UDP packet between addresses that follow from the two public
 * keys, so whoever is at the other end may as well be an ordinary WireGuard interface
 * with a UDP socket on it (docs/protocols/wireguard.md has the recipe).
 */
#ifndef ENN_WIREGUARD_LINK_H
#define ENN_WIREGUARD_LINK_H

#include "features/security.h"
#include "protocols/wireguard/internal.h"

/* Inside: IPv6 and UDP headers. */
#define LINK_HEADER	 48
#define LINK_PORT	 17742
#define LINK_MAX_MESSAGE (MAX_INNER - LINK_HEADER)

struct enn_wg_link {
	struct enn_security *security;
	bool server;
	bool failed;
	bool failed_told;
	struct enn_error error;
	struct enn_timer patience; /* of the handshake */
	uint8_t own_address[16];
	uint8_t peer_address[16];
	uint8_t heads[SEND_RING][LINK_HEADER];
	/* Acceptor: told when the engine goes. */
	void (*gone)(void *ctx, const struct enn_wireguard *d); /* before */
	void (*freed)(void *ctx);				/* after */
	void *gone_ctx;
};

/* fd, and the first 15 bytes of BLAKE2s("ennead wireguard address" || public key): a unique local
 * address (RFC 4193) that nobody can choose. */
enum enn_status enn_wg_link_address(const struct enn_env *env, const uint8_t *public_key,
				    uint8_t address[16]);

/* The engine between our static key and one peer's. indices NULL: its own. */
enum enn_status enn_wg_link_new(const struct enn_env *env, struct enn_security *security,
				const struct enn_peer_key *peer, bool server,
				const struct enn_path *path, struct enn_wg_indices *indices,
				struct enn_wireguard **out, struct enn_error *error);

/* For the row of the table. */
enum enn_status enn_wg_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error);
enum enn_status enn_wg_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error);
enum enn_status enn_wg_new_acceptor(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security, struct enn_acceptor **out,
				    struct enn_error *error);

/* The peer has not answered for REKEY_ATTEMPT_TIME. */
void enn_wg_link_gave_up(struct enn_wireguard *d);

#endif
