/* SPDX-License-Identifier: Apache-2.0
 *
 * From the sockets to the interface.
 */
#include "runtime/tunnel_internal.h"

#define MOST_RECEIVES 16 /* of one turn, so that the other direction gets its share */
#define SLICE	      64 /* packets given to the engine in one call */

static void write_run(struct enn_tunnel *t, const struct enn_join_run *run)
{
	/* a flow keeps to one queue, and so its order */
	unsigned queue = run->first.flow % t->tun.queues;

	t->stats.writes++;
	if (enn_tun_write(&t->tun, queue, run) != 0) { /* it is down, or full */
		t->stats.dropped += run->count;
		return;
	}
	t->stats.inner_out_packets += run->count;
	t->stats.inner_out_bytes += run->len;
}

void enn_tunnel_deliver(struct enn_tunnel *t, bool all)
{
	struct enn_join_run *run;

	while ((run = enn_join_take(&t->join, all)) != NULL) {
		write_run(t, run);
	}
}

/* The engine returns the buffers that it decrypted in, but what it told of lies in them; they are
 * not used again before all was delivered. */
void enn_tunnel_packet_received(struct enn_tunnel *t, const struct enn_message *message)
{
	uint8_t *packet = (uint8_t *)(uintptr_t)message->data; /* our own */

	if (!enn_join_add(&t->join, packet, message->len)) {
		enn_tunnel_deliver(t, true);
		(void)enn_join_add(&t->join, packet, message->len);
	}
}

static void ingest(struct enn_tunnel *t, const struct enn_path *path, struct enn_packet *packets,
		   size_t count)
{
	if (enn_engine_ingest(t->engine, t->now, path, packets, count) != ENN_OK) {
		t->stats.dropped += count;
		return;
	}
	enn_tunnel_turn(t);
	enn_tunnel_deliver(t, false);
}

void enn_tunnel_readable(void *owner)
{
	struct enn_tunnel *t = owner;
	struct enn_packet packets[SLICE];
	struct enn_path path;
	size_t count;

	t->now = uv_hrtime();
	for (int i = 0; i < MOST_RECEIVES && !t->over && enn_udp_receive(t->udp); i++) {
		while (!t->over && (count = enn_udp_take(t->udp, &path, packets, SLICE)) > 0) {
			ingest(t, &path, packets, count);
		}
		enn_tunnel_deliver(t, true);
	}
	enn_tunnel_arm(t);
}
