/* SPDX-License-Identifier: Apache-2.0
 *
 * The UAPI socket, /var/run/wireguard/INTERFACE.sock, on which wg(8) talks to a
 * userspace WireGuard.
 */
#ifndef ENN_CLI_TUNNEL_SERVER_H
#define ENN_CLI_TUNNEL_SERVER_H

#include <uv.h>

#include "ennead/tunnel.h"
#include "tunnel_log.h"

#define TUNNEL_SOCKET_DIRECTORY "/var/run/wireguard"

/* Where the socket of an interface is. False: the name is too long. */
bool tunnel_socket_path(const char *interface, char *out, size_t cap);
/* Makes the socket, for its owner only, and listens. A socket that nobody listens on any more
 * is replaced. Returns the descriptor, or -1 after a message. */
int tunnel_socket_open(const char *interface, const struct tunnel_log *log);

struct tunnel_server;

/* What the requests are about. Everything is borrowed. */
struct tunnel_device {
	struct enn_engine *engine;
	struct enn_tunnel *tunnel;
	const struct tunnel_log *log;
};

/* Takes the descriptor over. NULL: out of memory, after a message. */
struct tunnel_server *tunnel_server_new(uv_loop_t *loop, int fd,
					const struct tunnel_device *device);
/* The loop must run until its handles are closed. The socket's file stays. NULL is legal. */
void tunnel_server_free(struct tunnel_server *server);

#endif
