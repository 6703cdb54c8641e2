/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a UDP socket, for datagram_socket.c and datagram_send.c.
 */
#ifndef ENN_RUNTIME_DATAGRAM_INTERNAL_H
#define ENN_RUNTIME_DATAGRAM_INTERNAL_H

#include "runtime/datagram_socket.h"

struct enn_datagram_socket {
	uv_poll_t poll;
	int fd;
	int watched; /* what uv_poll was started for */
	uint8_t family;
	uint8_t dscp;
	bool connected;
	bool segments; /* the kernel cuts batches */
	bool paced;
	bool reading; /* is wanted */
	bool closing;
	struct enn_runtime *rt;
	const struct enn_datagram_ops *ops;
	void *owner;
	uint64_t account;
	struct enn_path path; /* local; remote if connected */
	/* The rest of a batch that the kernel did not take, from `written` on. */
	struct enn_block *pending;
	struct enn_batch batch;
	size_t written;
	struct enn_datagram_waiter *waiters;
	struct enn_datagram_waiter **waiters_tail; /* while there are any */
};

/* Waits for what the socket's state says. */
void enn_datagram_watch(struct enn_datagram_socket *s);
/* The socket takes output again. */
void enn_datagram_write_more(struct enn_datagram_socket *s);

#endif
