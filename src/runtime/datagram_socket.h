/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP sockets for drivers: runs of packets in (one path, received as one with UDP_GRO),
 * batches out (sent as one with UDP_SEGMENT), with ECN and the local address of each.
 */
#ifndef ENN_RUNTIME_DATAGRAM_SOCKET_H
#define ENN_RUNTIME_DATAGRAM_SOCKET_H

#include "ennead/engine.h"
#include "runtime/runtime.h"
#include "runtime/socket_options.h"

struct enn_datagram_socket;

/* Never called after enn_datagram_close. */
struct enn_datagram_ops {
	/* There may be something to receive, or an error to learn of. */
	void (*readable)(void *owner, struct enn_datagram_socket *socket);
};

/* Somebody who could not write and waits. */
struct enn_datagram_waiter {
	struct enn_datagram_waiter *next;
	struct enn_datagram_waiter **link; /* NULL: is not waiting */
	struct enn_datagram_socket *socket;
	void (*ready)(void *owner);
	void *owner;
};

/* What one call received: `len` bytes that are packets of `segment` bytes, the last maybe
 * shorter. */
struct enn_datagram_run {
	uint8_t *data;
	size_t len;
	size_t segment;
	uint8_t ecn;
	struct enn_path path;
};

/* account: whom read buffers are charged to. remote NULL: takes packets from anybody. Errors: ENN_E_MEMORY; ENN_E_SYSTEM with *error
 * (libuv's). */
enum enn_status enn_datagram_open(struct enn_runtime *rt, const struct enn_datagram_ops *ops,
				  void *owner, uint64_t account, const struct enn_address *remote,
				  const struct enn_socket_options *options,
				  struct enn_datagram_socket **out, int *error);
void enn_datagram_set_options(struct enn_datagram_socket *s,
			      const struct enn_socket_options *options);
/* What is pending is lost. */
void enn_datagram_close(struct enn_datagram_socket *s);
void enn_datagram_path(const struct enn_datagram_socket *s, struct enn_path *path);
/* What it is bound to. */
const struct enn_address *enn_datagram_local(const struct enn_datagram_socket *s);

void enn_datagram_read(struct enn_datagram_socket *s, bool on);
/* Receives into *block behind what it holds, or where that is too little into a new one that takes
 * its place; the bytes are not yet counted as used. ENN_E_AGAIN: there is nothing. ENN_E_MEMORY.
 * ENN_E_SYSTEM: *error says what the network reported; ask again. */
enum enn_status enn_datagram_receive(struct enn_datagram_socket *s, struct enn_block **block,
				     struct enn_datagram_run *run, int *error);
/* Cuts up to n packets off the front of the run. */
size_t enn_datagram_slice(struct enn_datagram_run *run, struct enn_packet *packets, size_t n);

/* Is a write pending? Then no other may begin. */
bool enn_datagram_full(const struct enn_datagram_socket *s);
/* Sends a batch that lies in `block`, and takes the reference. What does not go now is pending. The
 * result is 0, or libuv's error for which packets were lost. */
int enn_datagram_write(struct enn_datagram_socket *s, struct enn_block *block,
		       const struct enn_batch *batch);
size_t enn_datagram_unwritten(const struct enn_datagram_socket *s);
/* `ready` once nothing is pending; others may come first and make it full again. */
void enn_datagram_wait(struct enn_datagram_socket *s, struct enn_datagram_waiter *waiter);
void enn_datagram_forget(struct enn_datagram_waiter *waiter);

#endif
