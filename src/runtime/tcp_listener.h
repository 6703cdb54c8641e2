/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening TCP sockets.
 */
#ifndef ENN_RUNTIME_TCP_LISTENER_H
#define ENN_RUNTIME_TCP_LISTENER_H

#include "ennead/engine.h"
#include "runtime/runtime.h"

struct enn_tcp_listener;

/* A connection can be taken with enn_stream_accept on the handle. If it is not, the socket rests
 * until it is. error: libuv's, or 0. */
typedef void (*enn_incoming)(void *owner, struct enn_tcp_listener *listener, int error);

/* Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error. IPv6 sockets take IPv6 only. */
enum enn_status enn_tcp_listen(struct enn_runtime *rt, const struct enn_address *local,
			       const char *interface, enn_incoming incoming, void *owner,
			       struct enn_tcp_listener **out, int *error);
uv_stream_t *enn_tcp_listener_handle(struct enn_tcp_listener *listener);
void enn_tcp_listener_address(const struct enn_tcp_listener *listener, struct enn_address *out);
void enn_tcp_listener_close(struct enn_tcp_listener *listener);

#endif
