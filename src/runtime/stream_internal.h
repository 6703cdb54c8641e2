/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a stream, for stream.c and stream_open.c.
 */
#ifndef ENN_RUNTIME_STREAM_INTERNAL_H
#define ENN_RUNTIME_STREAM_INTERNAL_H

#include "runtime/stream.h"

struct enn_stream {
	uv_poll_t poll;
	int fd;
	int watched; /* what uv_poll was started for */
	struct enn_runtime *rt;
	const struct enn_stream_ops *ops;
	void *owner;
	struct enn_stream *next; /* of all streams */
	struct enn_stream **link;
	struct enn_block *writing; /* pending, from `written` on */
	size_t written;
	struct enn_timer linger;
	bool connecting;
	bool reading; /* is wanted */
	bool released;
	bool shut;  /* FIN is wanted */
	bool fin;   /* and is sent */
	bool ended; /* nothing more to read */
	bool closing;
	bool tuned; /* has socket options that are not the system's defaults */
};

/* Takes the socket over, also when it fails. */
enum enn_status enn_stream_new(struct enn_runtime *rt, int fd, const struct enn_stream_ops *ops,
			       void *owner, struct enn_stream **out, int *error);
/* Waits for what the stream's state says. */
void enn_stream_watch(struct enn_stream *stream);

#endif
