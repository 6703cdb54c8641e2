/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP streams. A stream outlives its owner: released, it sends what is left in the
 * background and closes.
 *
 * They are sockets under uv_poll and not uv_tcp_t, because libuv writes with write(2): to a
 * peer that is gone, that raises SIGPIPE, which a library must not do to its application.
 */
#ifndef ENN_RUNTIME_STREAM_H
#define ENN_RUNTIME_STREAM_H

#include "ennead/engine.h"
#include "runtime/driver.h"

struct enn_tcp_listener;

/* Errors are libuv's (negative errno). Never called after enn_stream_release. */
struct enn_stream_ops {
	void (*connected)(void *owner, int error); /* once after enn_stream_connect */
	/* Where to read to: at least one byte, or NULL when there is no memory. */
	uint8_t *(*room)(void *owner, size_t *cap);
	void (*readable)(void *owner, uint8_t *data, size_t len); /* len 0: room was not needed */
	void (*ended)(void *owner, int error);			  /* 0: FIN. Reading has stopped */
	void (*drained)(void *owner, int error);		  /* the pending write is over */
};

/* Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error (a libuv error). */
enum enn_status enn_stream_connect(struct enn_runtime *rt, const struct enn_stream_ops *ops,
				   void *owner, const struct enn_address *remote,
				   const struct enn_socket_options *options,
				   struct enn_stream **out, int *error);
/* Takes the next connection off a listening socket. ENN_E_AGAIN: there is none. */
enum enn_status enn_stream_accept(struct enn_tcp_listener *listener,
				  const struct enn_stream_ops *ops, void *owner,
				  struct enn_stream **out, int *error);
void enn_stream_set_options(struct enn_stream *stream, const struct enn_socket_options *options);

void enn_stream_read(struct enn_stream *stream, bool on);

/* Writes block->data[0 … used) and takes the reference. ENN_OK: all is with the kernel.
 * ENN_E_AGAIN: the rest is pending and `drained` follows; no other write till then. ENN_E_SYSTEM:
 * *error. */
enum enn_status enn_stream_write(struct enn_stream *stream, struct enn_block *block, int *error);
/* Bytes of the pending write that the kernel has not taken. */
size_t enn_stream_unwritten(const struct enn_stream *stream);
/* FIN after the pending write. */
void enn_stream_shutdown(struct enn_stream *stream);

void enn_stream_path(const struct enn_stream *stream, struct enn_path *path);

void enn_stream_release(struct enn_stream *stream, enum enn_release how);

void enn_streams_close_all(struct enn_runtime *rt);

#endif
