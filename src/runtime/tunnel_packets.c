/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets through a tunnel: from the interface to the engine, from the engine to
 * the interface.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/tunnel_driver.h"

/* Inner packets begin at multiples of this: the cipher likes it. */
#define ALIGNMENT 64u

/* ---- outward ----------------------------------------------------------------------------------- */

/* One packet for the engine; it lies in t->inner, which is not used again before the engine's loop
 * has run to its end. */
static void give(struct enn_tunnel *t, const uint8_t *packet, size_t len)
{
	struct enn_message message = {.data = packet, .len = len};

	t->stats.inner_in_packets++;
	t->stats.inner_in_bytes += len;
	enum enn_status status = enn_engine_send(t->engine, t->now, &message);
	if (status == ENN_E_AGAIN) {
		enn_tunnel_run(t);
		status = enn_engine_send(t->engine, t->now, &message);
	}
	if (status != ENN_OK) {
		t->stats.dropped++;
	}
}

static uint8_t *take_room(struct enn_tunnel *t, size_t len)
{
	if (t->inner_used + len > INNER_ROOM) {
		enn_tunnel_run(t); /* all that was lent comes back, or the socket is full */
		if (t->batch_done < t->batch.len) {
			return NULL;
		}
		t->inner_used = 0;
	}
	uint8_t *room = t->inner + t->inner_used;
	t->inner_used += (len + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	return room;
}

static void take_in(struct enn_tunnel *t, size_t len)
{
	struct virtio_net_hdr header;
	struct enn_cut cut;

	if (len <= ENN_VNET_HEADER) {
		t->stats.dropped++;
		return;
	}
	memcpy(&header, t->read_room, ENN_VNET_HEADER);
	if (enn_cut_begin(&cut, &header, t->read_room + ENN_VNET_HEADER, len - ENN_VNET_HEADER) !=
	    ENN_OK) {
		t->stats.dropped++;
		return;
	}
	for (;;) {
		uint8_t *room = take_room(t, enn_cut_room(&cut));
		size_t piece = room == NULL ? 0 : enn_cut_next(&cut, room);
		if (piece == 0) {
			break;
		}
		give(t, room, piece);
	}
}

void enn_tunnel_read_interface(struct enn_tunnel *t, int fd)
{
	if (t->batch_done == t->batch.len) {
		t->inner_used = 0; /* nothing is lent: the engine's loop has run to its end */
	}
	for (int i = 0; i < INNER_BUDGET && t->batch_done == t->batch.len; i++) {
		ssize_t n = read(fd, t->read_room, ENN_TUN_READ_MAX);
		t->stats.reads++;
		if (n <= 0) {
			break;
		}
		take_in(t, (size_t)n);
	}
	enn_tunnel_run(t);
}

/* ---- inward ------------------------------------------------------------------------------------ */

static void write_run(struct enn_tunnel *t, const struct enn_join_run *run)
{
	/* a flow keeps to one queue, and so its order */
	int fd = t->tun.fd[run->first.flow % t->tun.queues];

	t->stats.writes++;
	if (writev(fd, run->iov, (int)run->count + 1) < 0) {
		t->stats.dropped += run->count; /* the interface is down, or its queue full */
		return;
	}
	t->stats.inner_out_packets += run->count;
	t->stats.inner_out_bytes += run->len;
}

void enn_tunnel_flush_join(struct enn_tunnel *t, bool all)
{
	struct enn_join_run *run;

	while ((run = enn_join_take(&t->join, all)) != NULL) {
		write_run(t, run);
	}
}

/* The packets lie in the receive buffers (wireguard.h) and stay there until the next recvmmsg, so
 * several can be told before they are written. */
void enn_tunnel_deliver(struct enn_tunnel *t, const struct enn_message *message)
{
	uint8_t *packet = t->receive_room + (message->data - t->receive_room);

	if (!enn_join_add(&t->join, packet, message->len)) {
		enn_tunnel_flush_join(t, true);
		(void)enn_join_add(&t->join, packet, message->len);
	}
}

static void ingest(struct enn_tunnel *t, struct enn_tunnel_received *r)
{
	struct enn_packet packets[MAX_SEGMENTS];

	t->stats.outer_in_bytes += r->len;
	for (size_t at = 0; at < r->len;) {
		size_t count = 0;
		while (at < r->len && count < MAX_SEGMENTS) {
			size_t left = r->len - at;
			size_t len = left < r->segment ? left : r->segment;
			packets[count++] = (struct enn_packet){
				.data = r->data + at, .len = len, .ecn = r->ecn};
			at += len;
		}
		t->stats.outer_in_packets += count;
		if (enn_engine_ingest(t->engine, t->now, &r->path, packets, count) != ENN_OK) {
			t->stats.dropped += count;
			continue;
		}
		enn_tunnel_run(t);
	}
}

void enn_tunnel_read_socket(struct enn_tunnel *t, const struct enn_tunnel_udp *u)
{
	struct enn_tunnel_received received[RECEIVE_SLOTS];

	for (int i = 0; i < OUTER_BUDGET; i++) {
		int n = enn_tunnel_udp_receive(u, t->receive_room, received);
		t->stats.receives++;
		for (int k = 0; k < n; k++) {
			ingest(t, &received[k]);
		}
		enn_tunnel_flush_join(t, true);
		if (n < RECEIVE_SLOTS) {
			break;
		}
	}
}
