/* SPDX-License-Identifier: Apache-2.0
 *
 * From the interface to the sockets.
 */
#include <errno.h>

#include "runtime/tunnel_internal.h"

#define ALIGN 64
/* Of one turn, so that the other direction gets its share. */
#define MOST_READS    256
#define MOST_BYTES    ((uint64_t)1024 * 1024)
#define BATCH_PACKETS 64

/* ---- the ring ------------------------------------------------------------------------ */

/* Room for a packet of up to `len` bytes; NULL: some must be sent first. */
static uint8_t *ring_room(struct enn_tunnel_ring *r, size_t len)
{
	size_t place = r->head % ENN_TUNNEL_RING;
	size_t skip = place + len > ENN_TUNNEL_RING ? ENN_TUNNEL_RING - place : 0;

	if (r->head + skip + len - r->tail > ENN_TUNNEL_RING) {
		return NULL;
	}
	r->head += skip; /* packets do not wrap */
	return r->data + r->head % ENN_TUNNEL_RING;
}

static void ring_take(struct enn_tunnel_ring *r, size_t len)
{
	r->head += (len + ALIGN - 1) / ALIGN * ALIGN;
}

/* Nothing is in it: begin again with the memory that is in the cache. */
static void ring_reset(struct enn_tunnel_ring *r)
{
	r->head = r->tail = 0;
}

void enn_tunnel_packet_sent(struct enn_tunnel *t, const void *user)
{
	t->ring.tail = (size_t)user;
	t->on_loan--;
	if (t->on_loan == 0 && t->unsent.len == 0) {
		ring_reset(&t->ring);
	}
}

/* ---- engine → sockets ---------------------------------------------------------------- */

/* One large batch, or single packets for different peers: these go in one call. */
bool enn_tunnel_put_batch(struct enn_tunnel *t)
{
	struct enn_batch batches[ENN_UDP_BATCHES];
	size_t count = 0;
	size_t used = 0;
	bool single = true;

	while (single && count < ENN_UDP_BATCHES && !enn_udp_holds(t->udp)) {
		struct enn_batch *batch = &batches[count];
		*batch = (struct enn_batch){.buf = t->batch + used, .cap = ENN_TUNNEL_BATCH};
		if (enn_engine_transmit(t->engine, t->now, batch) != ENN_OK || batch->len == 0) {
			break;
		}
		single = batch->len == batch->segment_size && batch->len <= ENN_TUNNEL_SINGLE;
		used += ENN_TUNNEL_SINGLE;
		count++;
	}
	if (count == 0) {
		return false;
	}
	(void)enn_udp_send(t->udp, batches,
			   count); /* if it holds some, it calls when they are sent */
	return true;
}

/* One batch, so that the engine gives packets back. */
static bool make_place(struct enn_tunnel *t)
{
	if (!enn_tunnel_put_batch(t)) {
		return false;
	}
	enn_tunnel_events(t);
	return true;
}

void enn_tunnel_writable(void *owner)
{
	struct enn_tunnel *t = owner;

	t->now = uv_hrtime();
	enn_tunnel_turn(t);
	enn_tunnel_arm(t);
}

/* ---- interface → engine -------------------------------------------------------------- */

enum step { STEP_MORE, STEP_DONE, STEP_WAIT };

/* The next piece, into the ring. */
static enum step cut_piece(struct enn_tunnel *t)
{
	uint8_t *at = ring_room(&t->ring, enn_cut_room(&t->cut));

	if (at == NULL) {
		return STEP_WAIT;
	}
	size_t len = enn_cut_next(&t->cut, at);
	if (len == 0) {
		return STEP_DONE;
	}
	ring_take(&t->ring, len);
	t->unsent = (struct enn_message){.data = at, .len = len, .user = (void *)t->ring.head};
	return STEP_MORE;
}

static enum step send_piece(struct enn_tunnel *t)
{
	enum enn_status status = enn_engine_send(t->engine, t->now, &t->unsent);

	if (status == ENN_E_AGAIN) {
		return STEP_WAIT;
	}
	if (status == ENN_OK) {
		t->on_loan++;
		t->stats.inner_in_packets++;
		t->stats.inner_in_bytes += t->unsent.len;
	} else { /* nobody is responsible for it */
		t->stats.dropped++;
		if (t->on_loan == 0) {
			ring_reset(&t->ring);
		}
	}
	t->unsent.len = 0;
	return STEP_MORE;
}

/* All pieces of the packet into the engine. False: the rest waits, for the sockets, or for the
 * engine to give packets back. */
static bool send_packet(struct enn_tunnel *t)
{
	enum step step;

	do {
		step = t->unsent.len > 0 ? send_piece(t) : cut_piece(t);
		if (step == STEP_WAIT && make_place(t)) {
			step = STEP_MORE;
		}
	} while (step == STEP_MORE);
	return step == STEP_DONE;
}

void enn_tunnel_resume(struct enn_tunnel *t)
{
	if (t->parked && !t->over && !enn_udp_holds(t->udp)) {
		t->parked = !send_packet(t);
	}
}

/* A full batch goes at once; what is left waits for company from the next packet. */
static void put_full_batches(struct enn_tunnel *t)
{
	while (t->on_loan >= BATCH_PACKETS || t->ring.head - t->ring.tail >= ENN_TUNNEL_BATCH) {
		if (!make_place(t)) {
			return;
		}
	}
}

/* False: there is none now. */
static bool take_packet(struct enn_tunnel *t, unsigned queue)
{
	struct virtio_net_hdr header;
	ssize_t n = enn_tun_read(&t->tun, queue, t->packet, ENN_TUNNEL_PACKET, &header);

	t->stats.reads++;
	if (n == -EBADFD || n == -ENODEV) { /* somebody has removed it */
		enn_tunnel_fail(t, (int)-n, "interface");
		return false;
	}
	if (n == 0) {
		return false;
	}
	if (n < 0 || enn_cut_begin(&t->cut, &header, t->packet, (size_t)n) != ENN_OK) {
		t->stats.dropped++;
		return true;
	}
	t->parked = !send_packet(t);
	put_full_batches(t);
	return true;
}

void enn_tunnel_on_interface(uv_poll_t *poll, int status, int events)
{
	struct enn_tunnel_queue *queue = poll->data;
	struct enn_tunnel *t = queue->tunnel;

	(void)events;
	if (status < 0) {
		t->reading = false; /* libuv has stopped; reading says why */
	}
	t->now = uv_hrtime();
	uint64_t enough = t->stats.inner_in_bytes + MOST_BYTES;
	for (int i = 0; i < MOST_READS && !t->parked && !t->over; i++) {
		if (!take_packet(t, queue->index) || t->stats.inner_in_bytes >= enough) {
			break;
		}
	}
	enn_tunnel_turn(t);
	enn_tunnel_arm(t);
}
