/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening TCP sockets.
 */
#ifndef ENN_RUNTIME_TCP_LISTENER_H
#define ENN_RUNTIME_TCP_LISTENER_H

#include "ennead/engine.h"
#include "runtime/runtime.h"

struct enn_tcp_listener;

/* There may be a connection to take with enn_stream_accept. True: call again for the next. False:
 * none is wanted now, or there is none. */
typedef bool (*enn_incoming)(void *owner, struct enn_tcp_listener *listener);

/* Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error (libuv's). IPv6 sockets take IPv6 only. */
enum enn_status enn_tcp_listen(struct enn_runtime *rt, const struct enn_address *local,
			       const char *interface, enn_incoming incoming, void *owner,
			       struct enn_tcp_listener **out, int *error);
/* While paused, connections wait in the kernel. */
void enn_tcp_listener_pause(struct enn_tcp_listener *listener, bool paused);
/* Pauses for a tenth of a second: for want of something that may be there again by then. */
void enn_tcp_listener_rest(struct enn_tcp_listener *listener);
void enn_tcp_listener_address(const struct enn_tcp_listener *listener, struct enn_address *out);
void enn_tcp_listener_close(struct enn_tcp_listener *listener);

/* For streams: a new socket, or -1 and *error. Out of descriptors or memory, the listener rests for
 * a while. */
int enn_tcp_listener_accept(struct enn_tcp_listener *listener, int *error);
struct enn_runtime *enn_tcp_listener_runtime(const struct enn_tcp_listener *listener);

#endif
