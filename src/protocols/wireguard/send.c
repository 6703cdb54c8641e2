/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets out: the queue between send and transmit, packets that wait for a
 * session, and sealing runs of packets into one batch.
 */
#include "protocols/wireguard/inner.h"
#include "protocols/wireguard/internal.h"

/* The largest UDP payload over IPv4, and how many segments the kernel takes. */
#define MAX_PAYLOAD 65507

static const uint8_t zeros[16];

/* ---- waiting for a session ------------------------------------------------------------------- */

static void drop_first_staged(struct enn_wg_peer *p)
{
	struct enn_wg_staged *first = p->staged;

	p->staged = first->next;
	if (p->staged == NULL) {
		p->staged_tail = &p->staged;
	}
	p->staged_count--;
	enn_free_secret(p->device->env, first, sizeof(*first) + first->len);
}

void enn_wg_unstage(struct enn_wg_peer *p)
{
	while (p->staged != NULL) {
		drop_first_staged(p);
	}
	enn_wg_unwant(p, WANT_STAGED);
}

/* Without memory the packet is lost, as on any network. */
static void stage(struct enn_wg_peer *p, const struct enn_wg_plain *plain)
{
	size_t len = enn_wg_plain_len(plain);
	struct enn_wg_staged *s = enn_alloc(p->device->env, sizeof(*s) + len);

	if (s == NULL) {
		p->device->packets_dropped++;
		return;
	}
	if (p->staged_count == MAX_STAGED) {
		drop_first_staged(p);
		p->device->packets_dropped++;
	}
	s->len = len;
	struct enn_writer w = enn_writer_of(s->data, len);
	enn_write_bytes(&w, plain->head, plain->head_len);
	enn_write_bytes(&w, plain->data, plain->data_len);
	*p->staged_tail = s;
	p->staged_tail = &s->next;
	p->staged_count++;
}

/* ---- sealing --------------------------------------------------------------------------------- */

/* WP §5.4.6: to a multiple of 16, but not beyond what the path takes. */
static size_t padding(const struct enn_wireguard *d, size_t len)
{
	size_t padded = (len + 15) & ~(size_t)15;

	if (d->mtu > 0 && padded > d->mtu) {
		padded = len > d->mtu ? len : d->mtu;
	}
	return padded - len;
}

static uint8_t ecn_of(const struct enn_wg_plain *plain)
{
	struct enn_inner inner;
	struct enn_bytes packet = {plain->data, plain->data_len};

	return plain->head_len == 0 && enn_inner_parse(packet, &inner) ? inner.ecn : 0;
}

static size_t sealed_len(const struct enn_wireguard *d, const struct enn_wg_plain *plain)
{
	size_t len = enn_wg_plain_len(plain);

	return len + padding(d, len) + ENN_WIREGUARD_OVERHEAD;
}

/* How many of the packets go into one batch: all of one size, the last may be shorter. */
static size_t run_length(const struct enn_wireguard *d, const struct enn_wg_plain *packets,
			 size_t count, const struct enn_batch *batch, size_t *segment)
{
	size_t cap = batch->cap < MAX_PAYLOAD ? batch->cap : MAX_PAYLOAD;
	size_t used = 0;
	size_t n = 0;

	*segment = sealed_len(d, &packets[0]);
	while (n < count) {
		size_t size = sealed_len(d, &packets[n]);
		if (size > *segment || used + size > cap ||
		    (n > 0 && ecn_of(&packets[n]) != batch->ecn)) {
			break;
		}
		used += size;
		n++;
		if (size < *segment) {
			break;
		}
	}
	return n;
}

/* One packet's header in place, and its job. at: where its message begins. */
static void plan(const struct enn_wireguard *d, const struct enn_wg_keypair *kp, uint64_t counter,
		 const struct enn_wg_plain *plain, uint8_t *at, uint8_t nonce[12],
		 struct enn_aead_job *job)
{
	uint8_t *text = at + ENN_WG_TRANSPORT_HEADER;
	struct enn_writer w = enn_writer_of(nonce, 12);

	enn_write_u32(&w, 0);
	enn_write_u64_le(&w, counter);
	enn_wg_write_transport_header(kp->remote_index, counter, at);
	*job = (struct enn_aead_job){
		.nonce = nonce,
		.in = plain->data,
		.in_len = plain->data_len,
		.trailer = zeros,
		.trailer_len = padding(d, enn_wg_plain_len(plain)),
		.out = text,
	};
	if (plain->head_len > 0) {
		struct enn_writer t = enn_writer_of(text, enn_wg_plain_len(plain));
		enn_write_bytes(&t, plain->head, plain->head_len);
		enn_write_bytes(&t, plain->data, plain->data_len);
		job->in = text;
		job->in_len = enn_wg_plain_len(plain);
	}
}

/* Seals count packets one behind the other. */
static void seal(const struct enn_wireguard *d, struct enn_wg_keypair *kp,
		 const struct enn_wg_plain *packets, size_t count, struct enn_batch *batch)
{
	struct enn_aead_job jobs[BATCH];
	uint8_t nonces[BATCH][12];
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		plan(d, kp, kp->send_counter + i, &packets[i], batch->buf + at, nonces[i],
		     &jobs[i]);
		at += jobs[i].in_len + jobs[i].trailer_len + ENN_WIREGUARD_OVERHEAD;
	}
	enn_aead_seal_batch(kp->seal, jobs, count);
	kp->send_counter += count;
	batch->len = at;
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].status != ENN_OK) {
			batch->len = 0; /* the library failed: these packets are lost */
		}
	}
}

/* Fills the batch with the first of the packets; returns how many are dealt with. */
static size_t write_packets(struct enn_wg_peer *p, struct enn_wg_keypair *kp, enn_time now,
			    const struct enn_wg_plain *packets, size_t count,
			    struct enn_batch *batch)
{
	struct enn_wireguard *d = p->device;
	size_t segment;

	batch->ecn = ecn_of(&packets[0]);
	size_t n = run_length(d, packets, count, batch, &segment);
	if (n == 0) {
		d->packets_dropped++; /* larger than the driver's buffer */
		return 1;
	}
	seal(d, kp, packets, n, batch);
	if (batch->len == 0) {
		d->packets_dropped += n;
		return n;
	}
	batch->segment_size = segment;
	batch->path = p->path;
	p->sent_bytes += batch->len;
	if (enn_wg_plain_len(&packets[0]) > 0) {
		enn_wg_timers_data_sent(p, now);
	}
	enn_wg_timers_authenticated_sent(p, now);
	enn_wg_keep_fresh_sent(p, now);
	return n;
}

void enn_wg_keep_fresh_sent(struct enn_wg_peer *p, enn_time now)
{
	const struct enn_wg_keypair *kp = p->current;

	if (kp != NULL && (kp->send_counter >= REKEY_AFTER_MESSAGES ||
			   (kp->initiator && now - kp->born >= REKEY_AFTER_TIME))) {
		enn_wg_begin_handshake(p, now, false);
	}
}

/* WP §6.2: who began the session also renews it when only the peer sends. */
void enn_wg_keep_fresh_received(struct enn_wg_peer *p, enn_time now)
{
	const struct enn_wg_keypair *kp = p->current;

	if (kp != NULL && kp->initiator && !p->last_minute &&
	    now - kp->born >= REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT) {
		p->last_minute = true;
		enn_wg_begin_handshake(p, now, false);
	}
}

/* ---- what a peer wants to write --------------------------------------------------------------- */

static void write_message(struct enn_wg_peer *p, size_t len, struct enn_batch *batch)
{
	batch->len = len;
	batch->segment_size = len;
	batch->path = p->path;
	batch->ecn = 0;
	p->sent_bytes += len;
}

static void write_staged(struct enn_wg_peer *p, struct enn_wg_keypair *kp, enn_time now,
			 struct enn_batch *batch)
{
	struct enn_wg_plain packets[BATCH];
	size_t count = 0;

	for (struct enn_wg_staged *s = p->staged; s != NULL && count < BATCH; s = s->next) {
		packets[count++] = (struct enn_wg_plain){.data = s->data, .data_len = s->len};
	}
	if (count == 0) {
		enn_wg_unwant(p, WANT_STAGED);
		return;
	}
	for (size_t n = write_packets(p, kp, now, packets, count, batch); n > 0; n--) {
		drop_first_staged(p);
	}
}

static void write_wanted(struct enn_wg_peer *p, enn_time now, struct enn_batch *batch)
{
	static const struct enn_wg_plain nothing = {.data = zeros};

	if ((p->wants & WANT_RESPONSE) != 0) {
		enn_wg_unwant(p, WANT_RESPONSE);
		write_message(p, enn_wg_write_response_now(p, now, batch->buf), batch);
		return;
	}
	if ((p->wants & WANT_INITIATION) != 0) {
		enn_wg_unwant(p, WANT_INITIATION);
		write_message(p, enn_wg_write_initiation_now(p, now, batch->buf), batch);
		return;
	}
	struct enn_wg_keypair *kp = enn_wg_keypair_usable(p, now);
	if (kp == NULL) {
		enn_wg_unwant(p, WANT_STAGED | WANT_KEEPALIVE);
		enn_wg_begin_handshake(p, now, false);
	} else if ((p->wants & WANT_STAGED) != 0) {
		enn_wg_unwant(p, WANT_KEEPALIVE);
		write_staged(p, kp, now, batch);
	} else {
		enn_wg_unwant(p, WANT_KEEPALIVE);
		(void)write_packets(p, kp, now, &nothing, 1, batch);
	}
}

/* ---- the queue --------------------------------------------------------------------------------- */

static struct enn_wg_queued *queued(struct enn_wireguard *d, uint32_t place)
{
	return &d->queue[place % SEND_RING];
}

void enn_wg_forget_queued(struct enn_wg_peer *p)
{
	struct enn_wireguard *d = p->device;

	for (uint32_t i = d->queue_sealed; i != d->queue_tail; i++) {
		if (queued(d, i)->peer == p) {
			queued(d, i)->peer = NULL;
		}
	}
}

enum enn_status enn_wg_queue(struct enn_wireguard *d, struct enn_wg_peer *p,
			     const struct enn_wg_plain *plain, void *user)
{
	if (d->queue_tail - d->queue_told == SEND_RING) {
		return ENN_E_AGAIN;
	}
	*queued(d, d->queue_tail++) =
		(struct enn_wg_queued){.plain = *plain, .user = user, .peer = p};
	return ENN_OK;
}

enum enn_status enn_wg_send(struct enn_engine *e, enn_time now, const struct enn_message *message)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	struct enn_bytes packet = {message->data, message->len};
	struct enn_wg_plain plain = {.data = message->data, .data_len = message->len};
	struct enn_inner inner;

	(void)now;
	if (d->closed) {
		return ENN_E_CLOSED;
	}
	if (message->flags != 0 || message->len > MAX_INNER || !enn_inner_parse(packet, &inner)) {
		return ENN_E_ARGUMENT;
	}
	struct enn_prefix_owner *owner =
		inner.family == ENN_FAMILY_IPV4
			? enn_prefix_lookup4(&d->routes, inner.destination.data)
			: enn_prefix_lookup6(&d->routes, inner.destination.data);
	if (owner == NULL) {
		return ENN_E_NOT_FOUND;
	}
	struct enn_wg_peer *p = enn_wg_peer_of(owner);
	return p->path.remote.family == ENN_FAMILY_NONE ? ENN_E_STATE
							: enn_wg_queue(d, p, &plain, message->user);
}

/* The packets at the head that are for one peer. */
static size_t head_of_queue(struct enn_wireguard *d, struct enn_wg_plain *packets)
{
	struct enn_wg_peer *p = queued(d, d->queue_sealed)->peer;
	size_t count = 0;

	for (uint32_t i = d->queue_sealed; i != d->queue_tail && count < BATCH; i++) {
		if (queued(d, i)->peer != p) {
			break;
		}
		packets[count++] = queued(d, i)->plain;
	}
	return count;
}

static void write_queued(struct enn_wireguard *d, enn_time now, struct enn_batch *batch)
{
	struct enn_wg_plain packets[BATCH];
	size_t count = head_of_queue(d, packets);
	struct enn_wg_peer *p = queued(d, d->queue_sealed)->peer;

	if (p == NULL) {
		d->packets_dropped += count;
		d->queue_sealed += (uint32_t)count;
		return;
	}
	struct enn_wg_keypair *kp = enn_wg_keypair_usable(p, now);
	if (kp != NULL) {
		d->queue_sealed += (uint32_t)write_packets(p, kp, now, packets, count, batch);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		stage(p, &packets[i]);
	}
	d->queue_sealed += (uint32_t)count;
	enn_wg_begin_handshake(p, now, false);
}

void enn_wg_write_reply(struct enn_wireguard *d, struct enn_batch *batch)
{
	const struct enn_wg_reply *r = &d->replies[d->reply_head++ % REPLY_RING];

	memcpy(batch->buf, r->message, sizeof(r->message));
	batch->len = sizeof(r->message);
	batch->segment_size = batch->len;
	batch->path = r->path;
	batch->ecn = 0;
}

enum enn_status enn_wg_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	batch->len = 0;
	batch->segment_size = 0;
	while (batch->len == 0) {
		if (d->reply_head != d->reply_tail) {
			enn_wg_write_reply(d, batch);
		} else if (d->writers != NULL) {
			write_wanted(d->writers, now, batch);
		} else if (d->queue_sealed != d->queue_tail) {
			write_queued(d, now, batch);
		} else {
			break;
		}
	}
	return ENN_OK;
}
