/* SPDX-License-Identifier: Apache-2.0
 *
 * Drivers: each runs one engine by the loop of engine.h, over whatever its protocol
 * runs on. Who uses them does not know which kind it has.
 */
#ifndef ENN_RUNTIME_DRIVER_H
#define ENN_RUNTIME_DRIVER_H

#include "ennead/engine.h"
#include "ennead/protocol.h"
#include "runtime/runtime.h"
#include "runtime/socket_options.h"

struct enn_driver;
struct enn_inbound;

enum enn_release {
	ENN_RELEASE_LINGER, /* what is pending is still written, if the substrate can */
	ENN_RELEASE_CLOSE,  /* at once */
	ENN_RELEASE_RESET,  /* at once, and the peer is told if the substrate can */
};

/* The owner must not free the driver in these calls: it marks itself and wakes the runtime. */
struct enn_driver_ops {
	/* The way to the peer stands. The owner calls enn_driver_run_engine, or fails. */
	void (*connected)(void *owner);
	/* Every engine event but NONE. Received data lies in `block`: a reference keeps it. */
	void (*event)(void *owner, const struct enn_event *event, struct enn_block *block);
	/* All events of one piece of work have been told. */
	void (*told)(void *owner);
	/* Puts messages into the engine; true if it put any. */
	bool (*pump)(void *owner);
	/* May more be received? If not, a driver pauses; one of a service that may lose messages
	 * loses them instead. */
	bool (*hungry)(void *owner);
	/* The driver is of no use any more; the engine was not told. */
	void (*failed)(void *owner, const struct enn_error *error);
	/* Packets were lost for a reason that the network or the system gives. Nothing has ended:
	 * such reports are not authenticated, and may pass. */
	void (*troubled)(void *owner, const struct enn_error *error);
	/* Some output was written, or the pending write is over. */
	void (*progress)(void *owner);
};

/* ---- for the owner ------------------------------------------------------------------- */

/* Takes ownership of the engine, starts it and begins the loop. */
void enn_driver_run_engine(struct enn_driver *driver, struct enn_engine *engine);
/* Runs the loop after the owner called the engine, or may have room or appetite again. */
void enn_driver_run(struct enn_driver *driver);
/* No more output comes after what the engine has. */
void enn_driver_finish(struct enn_driver *driver);
/* Moves to another path, and tells the engine. Errors as of enn_engine_migrate, and ENN_E_SYSTEM:
 * there is no socket for it. */
enum enn_status enn_driver_migrate(struct enn_driver *driver, const struct enn_path *path);
void enn_driver_set_options(struct enn_driver *driver, const struct enn_socket_options *options);

struct enn_engine *enn_driver_engine(const struct enn_driver *driver);
/* All zero once stopped. */
void enn_driver_path(const struct enn_driver *driver, struct enn_path *path);
/* Is there output that the kernel has not taken? */
bool enn_driver_writing(const struct enn_driver *driver);
/* When the pending write began; ENN_TIME_NEVER if there is none. */
enn_time enn_driver_writing_since(const struct enn_driver *driver);
/* Bytes of it that the kernel has not taken. */
size_t enn_driver_unwritten(const struct enn_driver *driver);
/* Received messages that nobody had room for. */
uint64_t enn_driver_dropped(const struct enn_driver *driver);

/* Lets go of the network; the engine stays, for what it can tell. */
void enn_driver_stop(struct enn_driver *driver, enum enn_release how);
/* Frees the engine too. One that was not stopped is closed. NULL is legal. */
void enn_driver_free(struct enn_driver *driver);

/* ---- the passive side ---------------------------------------------------------------- */

/* There may be somebody to take with enn_inbound_accept. True: call again for the next. False:
 * none is wanted now, or there is none. */
typedef bool (*enn_arrival)(void *owner, struct enn_inbound *inbound);

/* Binds one more socket. Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error (libuv's); ENN_E_LIMIT. */
enum enn_status enn_inbound_add(struct enn_inbound *inbound, const struct enn_address *local,
				const char *interface, int *error);
/* Closes the one that was added last. */
void enn_inbound_remove_last(struct enn_inbound *inbound);
size_t enn_inbound_sockets(const struct enn_inbound *inbound);
void enn_inbound_address(const struct enn_inbound *inbound, size_t index, struct enn_address *out);
/* While paused, those who come wait, or are sent away to try again. */
void enn_inbound_pause(struct enn_inbound *inbound, bool paused);
/* Pauses for a while: for want of something that may be there again by then. */
void enn_inbound_rest(struct enn_inbound *inbound);
/* In the call of enn_arrival. A driver that has an engine needs none made; the path stands.
 * Errors: ENN_E_AGAIN (there is nobody), ENN_E_MEMORY, ENN_E_SYSTEM with *error. */
enum enn_status enn_inbound_accept(struct enn_inbound *inbound, const struct enn_driver_ops *ops,
				   void *owner, uint64_t account, struct enn_driver **out,
				   struct enn_engine **engine, int *error);
/* Nobody is let in any more. Drivers that were accepted live on. NULL is legal. */
void enn_inbound_close(struct enn_inbound *inbound);

/* ---- substrates ---------------------------------------------------------------------- */

#define ENN_INBOUND_SOCKETS 16

/* What connections of a substrate are made from. */
struct enn_transport {
	/* account: whom read buffers are charged to. Errors: ENN_E_MEMORY; ENN_E_SYSTEM with
	 * *error (libuv's). `connected` or `failed` follows. */
	enum enn_status (*connect)(struct enn_runtime *rt, const struct enn_driver_ops *ops,
				   void *owner, uint64_t account, const struct enn_address *remote,
				   const struct enn_socket_options *options,
				   struct enn_driver **out, int *error);
	/* A passive side without sockets. Refuses what could not serve anybody. */
	enum enn_status (*listen)(struct enn_runtime *rt, const struct enn_protocol *protocol,
				  struct enn_security *security, enn_arrival arrival, void *owner,
				  struct enn_inbound **out, struct enn_error *error);
};

/* NULL: this build cannot run it. */
const struct enn_transport *enn_transport_of(const struct enn_protocol *protocol);
extern const struct enn_transport enn_stream_transport;	  /* stream_inbound.c */
extern const struct enn_transport enn_datagram_transport; /* datagram_listener.c */

/* One message sent is one message received, or none. */
static inline bool enn_protocol_is_lossy(const struct enn_protocol *protocol)
{
	return protocol->service == ENN_SERVICE_DATAGRAM ||
	       protocol->service == ENN_SERVICE_IP_PACKET;
}

/* ---- for those who write a driver ---------------------------------------------------- */

struct enn_driver_type {
	void (*run)(struct enn_driver *d);
	void (*finish)(struct enn_driver *d);
	enum enn_status (*migrate)(struct enn_driver *d, const struct enn_path *path);
	void (*set_options)(struct enn_driver *d, const struct enn_socket_options *options);
	void (*path)(const struct enn_driver *d, struct enn_path *path);
	bool (*writing)(const struct enn_driver *d);
	enn_time (*writing_since)(const struct enn_driver *d);
	size_t (*unwritten)(const struct enn_driver *d);
	void (*stop)(struct enn_driver *d, enum enn_release how);
	void (*release)(struct enn_driver *d); /* the engine is gone too; or NULL */
	/* The engine follows its peer to another path; or NULL. */
	void (*changed_path)(struct enn_driver *d, const struct enn_path *path);
	size_t size; /* of the whole object, which begins with the struct below */
};

struct enn_driver {
	const struct enn_driver_type *type;
	struct enn_runtime *rt;
	const struct enn_driver_ops *ops;
	void *owner;
	uint64_t account;
	struct enn_engine *engine; /* NULL until run_engine */
	struct enn_block *copies;  /* takes data that does not lie where it may stay */
	struct enn_timer timer;	   /* for the engine's deadline */
	uint64_t dropped;
	bool again;  /* a turn ended early */
	bool failed; /* of no use any more */
};

/* NULL: out of memory. */
struct enn_driver *enn_driver_new(struct enn_runtime *rt, const struct enn_driver_type *type,
				  const struct enn_driver_ops *ops, void *owner, uint64_t account);
void enn_driver_fail(struct enn_driver *d, const struct enn_error *error);
void enn_driver_fail_with(struct enn_driver *d, int uv_error, const char *where);
/* An error value for one of libuv's. */
void enn_driver_network_error(int uv_error, const char *where, struct enn_error *error);
/* Step 1 of the loop. Data that lies in `reading` is handed on as it is; NULL: it is copied. */
void enn_driver_take_events(struct enn_driver *d, enn_time now, struct enn_block *reading);
/* Step 4. */
void enn_driver_arm(struct enn_driver *d, enn_time now);

struct enn_inbound_type {
	enum enn_status (*add)(struct enn_inbound *in, const struct enn_address *local,
			       const char *interface, int *error);
	void (*remove_last)(struct enn_inbound *in);
	void (*address)(const struct enn_inbound *in, size_t index, struct enn_address *out);
	void (*pause)(struct enn_inbound *in, bool paused);
	void (*rest)(struct enn_inbound *in);
	enum enn_status (*accept)(struct enn_inbound *in, const struct enn_driver_ops *ops,
				  void *owner, uint64_t account, struct enn_driver **out,
				  struct enn_engine **engine, int *error);
	void (*close)(struct enn_inbound *in);
};

struct enn_inbound {
	const struct enn_inbound_type *type;
	struct enn_runtime *rt;
	enn_arrival arrival;
	void *owner;
	size_t sockets;
};

#endif
