/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one engine over one TCP stream: the loop of engine.h. A datagram driver
 * stands beside it with the same operations.
 */
#ifndef ENN_RUNTIME_STREAM_DRIVER_H
#define ENN_RUNTIME_STREAM_DRIVER_H

#include "ennead/engine.h"
#include "runtime/stream.h"

struct enn_stream_driver;

/* The owner must not free the driver in these calls: it marks itself and wakes the runtime. */
struct enn_driver_ops {
	/* TCP stands. The owner calls enn_driver_run_engine, or enn_driver_fail. */
	void (*connected)(void *owner);
	/* Every engine event but NONE. Received data lies in `block`: a reference keeps it. */
	void (*event)(void *owner, const struct enn_event *event, struct enn_block *block);
	/* All events of one piece of work have been told. */
	void (*told)(void *owner);
	/* Puts messages into the engine; true if it put any. */
	bool (*pump)(void *owner);
	/* May more be read from the network? */
	bool (*hungry)(void *owner);
	/* The stream failed, before or after connecting; the engine was not told. */
	void (*failed)(void *owner, const struct enn_error *error);
	/* Some output was written, or the pending write is over. */
	void (*progress)(void *owner);
};

/* account: whom read buffers are charged to. Errors as of enn_stream_connect. */
enum enn_status enn_driver_connect(struct enn_runtime *rt, const struct enn_driver_ops *ops,
				   void *owner, uint64_t account, const struct enn_address *remote,
				   const struct enn_stream_options *options,
				   struct enn_stream_driver **out, int *error);
/* `connected` is not called: the stream stands. ENN_E_AGAIN: there is no connection to accept. */
enum enn_status enn_driver_accept(struct enn_tcp_listener *listener,
				  const struct enn_driver_ops *ops, void *owner, uint64_t account,
				  struct enn_stream_driver **out, int *error);

/* Takes ownership of the engine, starts it and begins the loop. */
void enn_driver_run_engine(struct enn_stream_driver *driver, struct enn_engine *engine);
/* Runs the loop after the owner called the engine, or may have room or appetite again. */
void enn_driver_run(struct enn_stream_driver *driver);

/* No more output comes after what the engine has: FIN once it is written. */
void enn_driver_finish(struct enn_stream_driver *driver);

struct enn_engine *enn_driver_engine(const struct enn_stream_driver *driver);
struct enn_stream *enn_driver_stream(const struct enn_stream_driver *driver);
/* Is there output that the kernel has not taken? */
bool enn_driver_writing(const struct enn_stream_driver *driver);
/* When the pending write began; ENN_TIME_NEVER if there is none. */
enn_time enn_driver_writing_since(const struct enn_stream_driver *driver);

/* Lets go of the stream; the engine stays, for what it can tell. */
void enn_driver_stop(struct enn_stream_driver *driver, enum enn_release how);
/* Frees the engine too. A stream that was not stopped is closed. NULL is legal. */
void enn_driver_free(struct enn_stream_driver *driver);

#endif
