/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one engine over UDP: a client's on a socket of its own, a server's on the
 * sockets that it shares with all connections of its listener.
 *
 * A service that may lose messages loses those for which the application has no room, so that
 * the protocol's own packets are always read. Others pause reading, and their protocol's
 * flow control does the rest.
 */
#ifndef ENN_RUNTIME_DATAGRAM_DRIVER_H
#define ENN_RUNTIME_DATAGRAM_DRIVER_H

/* uthash takes memory where `env` of the surrounding function says. */
#define HASH_NONFATAL_OOM    1
#define uthash_malloc(sz)    enn_alloc(env, sz)
#define uthash_free(ptr, sz) enn_free(env, ptr, sz)
#include <uthash.h>

#include "runtime/datagram_socket.h"
#include "runtime/driver.h"

struct enn_datagram_listener;
struct enn_datagram_driver;

enum enn_status enn_datagram_driver_connect(struct enn_runtime *rt,
					    const struct enn_driver_ops *ops, void *owner,
					    uint64_t account, const struct enn_address *remote,
					    const struct enn_socket_options *options,
					    struct enn_driver **out, int *error);

/* ---- between a listener and its drivers ---------------------------------------------- */

/* In a driver: how its listener finds it by its engine. */
struct enn_datagram_member {
	struct enn_engine *engine;
	struct enn_datagram_driver *driver;
	UT_hash_handle hh;
};

/* A driver for an engine to which packets of this path belong. NULL: out of memory. */
struct enn_datagram_driver *enn_datagram_driver_new(struct enn_datagram_listener *listener,
						    struct enn_engine *engine,
						    const struct enn_path *path,
						    struct enn_runtime *rt,
						    const struct enn_driver_ops *ops, void *owner,
						    uint64_t account);
struct enn_driver *enn_datagram_driver_base(struct enn_datagram_driver *d);
/* Packets for its engine. block: where they lie, if received data may stay there; else NULL. */
void enn_datagram_driver_ingest(struct enn_datagram_driver *d, const struct enn_path *path,
				struct enn_packet *packets, size_t count, struct enn_block *block);

/* Packets of the member's engine go to it; false: out of memory. The listener stays until it is
 * released again. */
bool enn_datagram_listener_enter(struct enn_datagram_listener *l, struct enn_datagram_member *m);
/* No more packets. */
void enn_datagram_listener_leave(struct enn_datagram_listener *l, struct enn_datagram_member *m);
void enn_datagram_listener_release(struct enn_datagram_listener *l);
/* A socket that has output pending, or NULL. */
struct enn_datagram_socket *enn_datagram_listener_full(const struct enn_datagram_listener *l);
/* The socket for a path; NULL: none is of its family. */
struct enn_datagram_socket *enn_datagram_listener_socket(const struct enn_datagram_listener *l,
							 const struct enn_path *path);

#endif
