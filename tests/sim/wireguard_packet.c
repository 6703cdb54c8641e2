/* SPDX-License-Identifier: Apache-2.0
 *
 * IP packets as messages, and what an attacker can write who knows public keys.
 */
#include <string.h>

#include "crypto/blake2s.h"
#include "wireguard_world.h"

/* ---- inner packets -------------------------------------------------------------------------------- */

void wg_inner_address(unsigned host, unsigned family, unsigned n, uint8_t out[16])
{
	memset(out, 0, 16);
	if (family == ENN_FAMILY_IPV4) {
		memcpy(out, (uint8_t[]){10, 77, (uint8_t)host, (uint8_t)n}, 4);
	} else {
		memcpy(out, (uint8_t[]){0xfd, 0x77, 0, (uint8_t)host}, 4);
		out[15] = (uint8_t)n;
	}
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *out, size_t x)
{
	out[0] = (uint8_t)(x >> 8);
	out[1] = (uint8_t)x;
}

/* A third of the messages go by IPv6; a quarter each has one of the ECN codes. */
static size_t write_header(const struct dgram_message *m, uint8_t *out)
{
	uint8_t ecn = (uint8_t)(m->number / 3 % 4);
	uint8_t address[16];

	if (m->number % 3 == 0) {
		memset(out, 0, 40);
		out[0] = 0x60;
		out[1] = (uint8_t)(ecn << 4);
		put16(out + 4, m->len);
		out[6] = 253; /* RFC 3692: for experiments */
		out[7] = 64;
		wg_inner_address(m->from, ENN_FAMILY_IPV6, 1 + m->number % 200, address);
		memcpy(out + 8, address, 16);
		wg_inner_address(m->to, ENN_FAMILY_IPV6, 1 + m->number % 100, address);
		memcpy(out + 24, address, 16);
		return 40;
	}
	memset(out, 0, 20);
	out[0] = 0x45;
	out[1] = ecn;
	put16(out + 2, 20u + m->len);
	put16(out + 4, m->number);
	out[8] = 64;
	out[9] = 253;
	wg_inner_address(m->from, ENN_FAMILY_IPV4, 1 + m->number % 200, address);
	memcpy(out + 12, address, 4);
	wg_inner_address(m->to, ENN_FAMILY_IPV4, 1 + m->number % 100, address);
	memcpy(out + 16, address, 4);
	put16(out + 10, checksum(out, 20));
	return 20;
}

size_t wg_wrap(struct dgram_world *w, const struct dgram_message *m, const uint8_t *payload,
	       uint8_t *out)
{
	size_t head = write_header(m, out);

	(void)w;
	memcpy(out + head, payload, m->len);
	return head + m->len;
}

/* The header as it was sent, but for a congestion mark that the sender allows. */
static bool header_is_intact(const struct dgram_message *m, const uint8_t *packet)
{
	uint8_t sent[40];
	size_t head = write_header(m, sent);
	uint8_t *ecn = &sent[1];
	unsigned shift = head == 40 ? 4 : 0;
	unsigned before = (unsigned)*ecn >> shift & 3u;
	unsigned now = (unsigned)packet[1] >> shift & 3u;

	if (now != before && before != 0 && now == 3) {
		*ecn = (uint8_t)(*ecn | 3u << shift);
		if (head == 20) {
			put16(sent + 10, 0);
			put16(sent + 10, checksum(sent, 20));
		}
	}
	return memcmp(sent, packet, head) == 0;
}

bool wg_unwrap(struct dgram_end *end, const struct enn_event *event, const uint8_t **payload,
	       size_t *len, unsigned *from)
{
	struct dgram_world *w = end->h->w;
	const uint8_t *packet = event->u.received.data;
	size_t whole = event->u.received.len;
	size_t head = whole > 0 && packet[0] >> 4 == 6 ? 40 : 20;

	*from = wg_peer_host(end->h, event->peer);
	if (whole < head + 16 || *from == DGRAM_STRANGER) {
		return false;
	}
	*payload = packet + head;
	*len = whole - head;
	uint32_t number = (uint32_t)packet[head + 8] | (uint32_t)packet[head + 9] << 8 |
			  (uint32_t)packet[head + 10] << 16 | (uint32_t)packet[head + 11] << 24;
	if (number >= w->message_count || w->messages[number].len != *len ||
	    !header_is_intact(&w->messages[number], packet)) {
		return false;
	}
	wg_saw_received(end->h, *from);
	return true;
}

/* ---- outer packets -------------------------------------------------------------------------------- */

const char *wg_describe(const uint8_t *data, size_t len)
{
	static const char *const names[] = {"initiation", "response", "cookie reply", "data"};

	if (len < 4 || data[0] < 1 || data[0] > 4) {
		return "noise";
	}
	return len == 32 && data[0] == 4 ? "keepalive" : names[data[0] - 1];
}

/* Messages of the right form. Public keys are known to attackers, so mac1 fits half of the time, and always in a
 * flood. */
size_t wg_forge(struct dgram_world *w, unsigned target, bool first, struct sim_rng *r, uint8_t *out,
		size_t cap)
{
	static const size_t lengths[] = {148, 92, 64, 0};
	size_t type = first ? 0 : (size_t)sim_rng_below(r, 4);
	size_t len = type < 3 ? lengths[type] : 32 + 16 * (size_t)sim_rng_below(r, 80);

	len = len < cap ? len : cap;
	sim_rng_fill(r, out, len);
	memset(out, 0, 4);
	out[0] = (uint8_t)(type + 1);
	if (type < 2 && (first || sim_rng_chance(r, 50))) {
		(void)enn_blake2s_mac(&w->host[target].env, wg_of(w)->host[target].mac1_key, 32,
				      out, len - 32, out + len - 32);
	}
	/* an index that the observer has seen in use */
	if (type > 0 && sim_rng_chance(r, 70) && wg_of(w)->streams > 0) {
		const struct wg_world *own = wg_of(w);
		size_t at = own->streams < WG_STREAMS ? own->streams : WG_STREAMS;
		const struct wg_stream *s = &own->stream[sim_rng_below(r, at)];
		memcpy(out + (type == 1 ? 8 : 4), &s->receiver, 4);
	}
	if (type == 3 && sim_rng_chance(r, 60)) {
		uint64_t counter = sim_rng_size(r, 0, UINT64_MAX - 1);
		memcpy(out + 8, &counter, sizeof(counter));
	}
	return len;
}
