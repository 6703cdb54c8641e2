/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one engine over one TCP stream.
 */
#ifndef ENN_RUNTIME_STREAM_DRIVER_H
#define ENN_RUNTIME_STREAM_DRIVER_H

#include "runtime/driver.h"
#include "runtime/stream.h"

/* account: whom read buffers are charged to. Errors as of enn_stream_connect. */
enum enn_status enn_stream_driver_connect(struct enn_runtime *rt, const struct enn_driver_ops *ops,
					  void *owner, uint64_t account,
					  const struct enn_address *remote,
					  const struct enn_socket_options *options,
					  struct enn_driver **out, int *error);
/* `connected` is not called: the stream stands. ENN_E_AGAIN: there is no connection to accept. */
enum enn_status enn_stream_driver_accept(struct enn_tcp_listener *listener,
					 const struct enn_driver_ops *ops, void *owner,
					 uint64_t account, struct enn_driver **out, int *error);

#endif
