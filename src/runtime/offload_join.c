/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins received packets of one flow: TCP segments that follow each other, UDP datagrams of one size.
 * What a large packet is cut into again is what it was joined from, so nothing is joined that
 * differs in more than cutting would restore.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/checksum.h"
#include "runtime/ip_format.h"
#include "runtime/offload.h"

/* ---- looking at a packet ------------------------------------------------------------- */

/* Only to find candidates fast; they are compared in full. */
static uint32_t hash(const uint8_t *data, size_t len, uint64_t h)
{
	for (; len > 0; data += 4, len -= 4) { /* addresses and ports come in fours */
		uint32_t w;
		memcpy(&w, data, sizeof(w));
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (uint32_t)h | 1;
}

static void look_at_tcp(const struct enn_join *join, struct enn_join_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data + p->l4, p->len - p->l4);

	(void)enn_read_u32(&r); /* ports */
	p->sequence = enn_read_u32(&r);
	(void)enn_read_u32(&r); /* acknowledgment */
	uint8_t offset = enn_read_u8(&r);
	uint8_t flags = enn_read_u8(&r);
	p->payload = p->l4 + (size_t)(offset >> 4) * 4;
	p->push = (flags & TCP_PSH) != 0;
	p->joins = join->tcp && enn_reader_left(&r) >= TCP_HEADER - TCP_WINDOW &&
		   offset >> 4 >= TCP_HEADER / 4 && (offset & 15) == 0 && p->payload < p->len &&
		   (flags & ~TCP_PSH) == TCP_ACK_FLAG;
}

static void look_at_udp(const struct enn_join *join, struct enn_join_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data + p->l4, p->len - p->l4);

	(void)enn_read_u32(&r);
	size_t total = enn_read_u16(&r);
	bool has_sum = enn_read_u16(&r) != 0;
	p->payload = p->l4 + UDP_HEADER;
	p->joins = join->udp && enn_reader_ok(&r) && has_sum && total == p->len - p->l4 &&
		   p->payload < p->len;
}

/* False: not something that could be joined, and it may belong to any flow. */
static bool look_at_ip(struct enn_join_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data, p->len);
	uint8_t first = enn_read_u8(&r);

	if (first >> 4 == 6) {
		(void)enn_read_bytes(&r, IP6_LENGTH - 1);
		size_t payload = enn_read_u16(&r);
		p->family = 6;
		p->l4 = IP6_HEADER;
		p->protocol = enn_read_u8(&r);
		return enn_reader_ok(&r) && payload + IP6_HEADER == p->len;
	}
	(void)enn_read_u8(&r);
	size_t total = enn_read_u16(&r);
	(void)enn_read_u16(&r);
	unsigned fragment = enn_read_u16(&r);
	(void)enn_read_u8(&r);
	p->family = 4;
	p->l4 = IP4_HEADER;
	p->protocol = enn_read_u8(&r);
	(void)enn_read_bytes(&r, IP4_HEADER - IP4_SUM);
	return enn_reader_ok(&r) && first == (4 << 4 | IP4_HEADER / 4) && total == p->len &&
	       (fragment & IP4_IS_FRAGMENT) == 0;
}

static void look_at(const struct enn_join *join, struct enn_join_packet *p, uint8_t *data,
		    size_t len)
{
	*p = (struct enn_join_packet){.data = data, .len = len};
	if (!look_at_ip(p)) {
		return;
	}
	bool v4 = p->family == 4;
	uint32_t pair = hash(data + (v4 ? IP4_SOURCE : IP6_SOURCE), v4 ? 8 : 32, p->protocol);
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		p->flow = pair;
		return;
	}
	if ((p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP) ||
	    p->len < p->l4 + UDP_HEADER) {
		return;
	}
	p->flow = hash(data + p->l4, 4, pair); /* both begin with the ports */
	if (p->protocol == IPPROTO_TCP) {
		look_at_tcp(join, p);
	} else {
		look_at_udp(join, p);
	}
}

/* ---- does it belong to a run? -------------------------------------------------------- */

static uint64_t pseudo_sum(const struct enn_join_packet *p, size_t l4_len)
{
	const uint8_t *source = p->data + (p->family == 4 ? IP4_SOURCE : IP6_SOURCE);

	return enn_checksum_add(source, p->family == 4 ? 8 : 32,
				(uint64_t)htons(p->protocol) + htons((uint16_t)l4_len));
}

static bool sums_are_good(const struct enn_join_packet *p)
{
	size_t l4_len = p->len - p->l4;

	if (p->family == 4 &&
	    enn_checksum_fold(enn_checksum_add(p->data, IP4_HEADER, 0)) != UINT16_MAX) {
		return false;
	}
	return enn_checksum_fold(enn_checksum_add(p->data + p->l4, l4_len,
						  pseudo_sum(p, l4_len))) == UINT16_MAX;
}

static bool same(const struct enn_join_packet *a, const struct enn_join_packet *b, size_t from,
		 size_t to)
{
	return memcmp(a->data + from, b->data + from, to - from) == 0;
}

static unsigned id_of(const struct enn_join_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data + IP4_ID, 2);

	return enn_read_u16(&r);
}

/* Cutting counts the id up. Where nobody may fragment it means nothing (RFC 6864 §4.1). */
static bool id_follows(const struct enn_join_run *run, const struct enn_join_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data + IP4_FRAGMENT, 2);

	return (enn_read_u16(&r) & IP4_DONT_FRAGMENT) != 0 ||
	       (uint16_t)(id_of(&run->first) + run->count) == id_of(p);
}

static bool same_ip(const struct enn_join_run *run, const struct enn_join_packet *p)
{
	const struct enn_join_packet *f = &run->first;

	if (p->family != f->family || p->payload != f->payload) {
		return false;
	}
	if (p->family == 4) {
		return same(f, p, 0, IP4_LENGTH) && same(f, p, IP4_FRAGMENT, IP4_SUM) &&
		       same(f, p, IP4_SOURCE, IP4_HEADER) && id_follows(run, p);
	}
	return same(f, p, 0, IP6_LENGTH) && same(f, p, IP6_NEXT, IP6_HEADER);
}

/* Everything but sequence, PSH and checksum; ports are at the front in both. */
static bool same_l4(const struct enn_join_run *run, const struct enn_join_packet *p)
{
	const struct enn_join_packet *f = &run->first;
	size_t l4 = p->l4;

	if (!same(f, p, l4, l4 + TCP_SEQUENCE)) {
		return false;
	}
	return p->protocol == IPPROTO_UDP ||
	       (p->sequence == run->next_sequence && same(f, p, l4 + TCP_ACK, l4 + TCP_FLAGS) &&
		same(f, p, l4 + TCP_WINDOW, l4 + TCP_SUM) &&
		same(f, p, l4 + TCP_URGENT, p->payload));
}

static bool fits(struct enn_join_run *run, const struct enn_join_packet *p)
{
	size_t payload = p->len - p->payload;

	if (!run->open || !p->joins || payload > run->size || run->len + payload > UINT16_MAX ||
	    !same_ip(run, p) || !same_l4(run, p)) {
		return false;
	}
	if (!run->verified) {
		run->verified = sums_are_good(&run->first);
	}
	return run->verified && sums_are_good(p);
}

/* ---- runs ---------------------------------------------------------------------------- */

static struct enn_join_run *run_at(struct enn_join *join, uint32_t place)
{
	return &join->runs[place % ENN_JOIN_RUNS];
}

static void append(struct enn_join_run *run, const struct enn_join_packet *p)
{
	size_t payload = p->len - p->payload;

	run->iov[++run->count] = (struct iovec){p->data + p->payload, payload};
	run->len += payload;
	run->next_sequence += (uint32_t)payload;
	run->first.push = p->push;
	run->open = payload == run->size && !p->push && run->count < ENN_JOIN_PIECES;
}

static void begin(struct enn_join_run *run, const struct enn_join_packet *p)
{
	run->first = *p;
	run->count = 1;
	run->len = p->len;
	run->size = p->len - p->payload;
	run->next_sequence = p->sequence + (uint32_t)run->size;
	run->open = p->joins && !p->push;
	run->verified = false;
	run->iov[1] = (struct iovec){p->data, p->len};
}

/* The newest run of the flow: an older one must not grow past it. */
static struct enn_join_run *find(struct enn_join *join, const struct enn_join_packet *p)
{
	for (uint32_t i = join->tail; i != join->head; i--) {
		struct enn_join_run *run = run_at(join, i - 1);
		if (run->first.flow == p->flow) {
			return run;
		}
	}
	return NULL;
}

static void close_all(struct enn_join *join)
{
	for (uint32_t i = join->head; i != join->tail; i++) {
		run_at(join, i)->open = false;
	}
}

void enn_join_init(struct enn_join *join, bool tcp, bool udp)
{
	join->tcp = tcp;
	join->udp = udp;
	join->head = join->tail = 0;
}

bool enn_join_add(struct enn_join *join, uint8_t *packet, size_t len)
{
	struct enn_join_packet p;
	struct enn_join_run *run;

	look_at(join, &p, packet, len);
	if (p.flow == 0) {
		close_all(join);
	} else if ((run = find(join, &p)) != NULL) {
		if (fits(run, &p)) {
			append(run, &p);
			return true;
		}
		run->open = false;
	}
	if (join->tail - join->head == ENN_JOIN_RUNS) {
		return false;
	}
	begin(run_at(join, join->tail++), &p);
	return true;
}

/* ---- giving out ---------------------------------------------------------------------- */

static uint8_t gso_type(const struct enn_join_packet *p)
{
	if (p->protocol == IPPROTO_UDP) {
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	}
	return p->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/* Makes the first packet's headers those of all. */
static void write_headers(struct enn_join_run *run)
{
	struct enn_join_packet *p = &run->first;
	size_t l4_len = run->len - p->l4;
	bool tcp = p->protocol == IPPROTO_TCP;

	if (p->family == 4) {
		enn_patch_u16(p->data + IP4_LENGTH, run->len);
		enn_patch_u16(p->data + IP4_SUM, 0);
		enn_checksum_store(p->data + IP4_SUM, (uint16_t)~enn_checksum_fold(enn_checksum_add(
							      p->data, IP4_HEADER, 0)));
	} else {
		enn_patch_u16(p->data + IP6_LENGTH, l4_len);
	}
	if (!tcp) {
		enn_patch_u16(p->data + p->l4 + UDP_LENGTH, l4_len);
	} else if (p->push) {
		p->data[p->l4 + TCP_FLAGS] |= TCP_PSH;
	}
	run->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_type(p),
		.hdr_len = (uint16_t)p->payload,
		.gso_size = (uint16_t)run->size,
		.csum_start = (uint16_t)p->l4,
		.csum_offset = tcp ? TCP_SUM : UDP_SUM,
	};
	/* of the pseudo-header only, and not complemented */
	enn_checksum_store(p->data + p->l4 + run->header.csum_offset,
			   enn_checksum_fold(pseudo_sum(p, l4_len)));
}

struct enn_join_run *enn_join_take(struct enn_join *join, bool all)
{
	if (join->head == join->tail || (!all && run_at(join, join->head)->open)) {
		return NULL;
	}
	struct enn_join_run *run = run_at(join, join->head++);
	run->open = false;
	run->header = (struct virtio_net_hdr){.flags = 0};
	run->iov[0] = (struct iovec){&run->header, ENN_VNET_HEADER};
	if (run->count > 1) {
		write_headers(run);
	}
	return run;
}
