/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting and joining of IP packets: nothing is read or written outside, every packet comes out once,
 * and what was joined is cut again to what it was.
 *
 * Input: a byte of choices; then for cutting a virtio header and a packet, for joining packets with
 * their lengths in front.
 */
#include <string.h>

#include "base/checksum.h"
#include "fuzz.h"
#include "runtime/offload.h"

#define JOIN   1u /* else cut */
#define REPAIR 2u /* lengths and checksums are put right before */
#define NO_TCP 4u
#define NO_UDP 8u
#define MOST   100 /* packets */
#define IP4_DF 0x40

struct piece {
	uint8_t *live; /* given away: exactly as long as it is */
	uint8_t *kept;
	size_t len;
};

static struct piece pieces[MOST];
static size_t count;
static struct enn_join join;

static void keep(const uint8_t *data, size_t len)
{
	struct piece *p = &pieces[count++];

	p->live = malloc(len + (len == 0));
	p->kept = malloc(len + (len == 0));
	p->len = len;
	FUZZ_ASSERT(p->live != NULL && p->kept != NULL);
	memcpy(p->live, data, len);
	memcpy(p->kept, data, len);
}

static void drop_all(void)
{
	while (count > 0) {
		count--;
		free(pieces[count].live);
		free(pieces[count].kept);
	}
}

/* ---- putting right ------------------------------------------------------------------- */

static void store(uint8_t *at, uint64_t sum)
{
	uint16_t value = (uint16_t)~enn_checksum_fold(sum);

	enn_checksum_store(at, value == 0 ? UINT16_MAX : value);
}

static void store_len(uint8_t *at, size_t len)
{
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
}

static void repair(uint8_t *p, size_t len)
{
	bool v6 = len > 0 && (p[0] & 1) != 0;
	size_t ip = v6 ? 40 : 20;

	if (len < ip + 20) {
		return;
	}
	p[0] = v6 ? 0x60 : 0x45;
	store_len(p + (v6 ? 4 : 2), v6 ? len - 40 : len);
	bool udp = (p[v6 ? 6 : 9] & 1) != 0;
	p[v6 ? 6 : 9] = udp ? 17 : 6;
	uint8_t rest[4] = {0, udp ? 17 : 6};
	store_len(rest + 2, len - ip);
	if (!v6) {
		p[6] &= IP4_DF;
		p[7] = 0;
		store_len(p + 10, 0);
		store(p + 10, enn_checksum_add(p, 20, 0));
	}
	uint64_t sum =
		enn_checksum_add(p + (v6 ? 8 : 12), v6 ? 32 : 8, enn_checksum_add(rest, 4, 0));
	if (udp) {
		store_len(p + ip + 4, len - ip);
	}
	store_len(p + ip + (udp ? 6 : 16), 0);
	store(p + ip + (udp ? 6 : 16), enn_checksum_add(p + ip, len - ip, sum));
}

/* ---- joining ------------------------------------------------------------------------- */

static const struct piece *piece_at(const void *place)
{
	const uint8_t *at = place;

	for (size_t i = 0; i < count; i++) {
		if (at >= pieces[i].live && at <= pieces[i].live + pieces[i].len) {
			return &pieces[i];
		}
	}
	abort();
}

/* But for the id of packets that may not be fragmented, which means nothing. */
static void same(const struct piece *p, const uint8_t *data, size_t len)
{
	static uint8_t copy[65536];

	FUZZ_ASSERT(p->len == len);
	memcpy(copy, data, len);
	if (copy[0] >> 4 == 4 && (copy[6] & IP4_DF) != 0) {
		memcpy(copy + 4, p->kept + 4, 2);
		memcpy(copy + 10, p->kept + 10, 2);
	}
	FUZZ_ASSERT(memcmp(copy, p->kept, len) == 0);
}

static void check_run(const struct enn_join_run *run)
{
	static uint8_t whole[65536 + ENN_JOIN_PIECES];
	static uint8_t out[65536];
	struct enn_cut cut;
	size_t len = 0;

	FUZZ_ASSERT(run->count > 0 && run->count <= ENN_JOIN_PIECES);
	for (uint32_t i = 1; i <= run->count; i++) {
		FUZZ_ASSERT(len + run->iov[i].iov_len <= 65535);
		memcpy(whole + len, run->iov[i].iov_base, run->iov[i].iov_len);
		len += run->iov[i].iov_len;
	}
	FUZZ_ASSERT(len == run->len);
	if (run->count == 1) {
		const struct piece *p = piece_at(run->iov[1].iov_base);
		FUZZ_ASSERT(p->len == len && memcmp(whole, p->kept, len) == 0);
		return;
	}
	FUZZ_ASSERT(enn_cut_begin(&cut, &run->header, whole, len) == ENN_OK);
	for (uint32_t i = 1; i <= run->count; i++) {
		FUZZ_ASSERT(enn_cut_room(&cut) <= sizeof(out));
		size_t n = enn_cut_next(&cut, out);
		same(piece_at(run->iov[i].iov_base), out, n);
	}
	FUZZ_ASSERT(enn_cut_next(&cut, out) == 0);
}

static size_t take(bool all)
{
	struct enn_join_run *run;
	size_t taken = 0;

	while ((run = enn_join_take(&join, all)) != NULL) {
		check_run(run);
		taken += run->count;
	}
	return taken;
}

static void join_all(uint8_t choices)
{
	size_t taken = 0;

	enn_join_init(&join, (choices & NO_TCP) == 0, (choices & NO_UDP) == 0);
	for (size_t i = 0; i < count; i++) {
		if (!enn_join_add(&join, pieces[i].live, pieces[i].len)) {
			taken += take(true);
			FUZZ_ASSERT(enn_join_add(&join, pieces[i].live, pieces[i].len));
		}
		if (choices >> 4 > 0 && i % (choices >> 4) == 0) {
			taken += take(false);
		}
	}
	taken += take(true);
	FUZZ_ASSERT(taken == count);
}

static void read_packets(const uint8_t *data, size_t size, uint8_t choices)
{
	while (size >= 2 && count < MOST) {
		size_t len = (size_t)data[0] << 8 | data[1];
		data += 2;
		size -= 2;
		len = len < size ? len : size;
		if (len > 0) {
			keep(data, len);
		}
		if (len > 0 && (choices & REPAIR) != 0) {
			repair(pieces[count - 1].live, len);
			memcpy(pieces[count - 1].kept, pieces[count - 1].live, len);
		}
		data += len;
		size -= len;
	}
}

/* ---- cutting ------------------------------------------------------------------------- */

static void cut_all(const uint8_t *data, size_t size, uint8_t choices)
{
	struct virtio_net_hdr header;
	struct enn_cut cut;
	size_t total = 0;
	size_t n = 1;

	if (size < ENN_VNET_HEADER) {
		return;
	}
	memcpy(&header, data, ENN_VNET_HEADER);
	size -= ENN_VNET_HEADER;
	uint8_t *packet = malloc(size + (size == 0)); /* exactly as long as it is */
	FUZZ_ASSERT(packet != NULL);
	memcpy(packet, data + ENN_VNET_HEADER, size);
	if (enn_cut_begin(&cut, &header, packet, size) == ENN_OK) {
		while (n > 0) {
			size_t room = enn_cut_room(&cut);
			uint8_t *out = malloc(room);
			FUZZ_ASSERT(room <= size && out != NULL);
			n = enn_cut_next(&cut, out);
			FUZZ_ASSERT(n <= room);
			total += n == 0 ? 0 : n - cut.header;
			if (n > 0 && count < MOST) {
				keep(out, n);
			}
			free(out);
		}
		FUZZ_ASSERT(total == size - cut.header); /* all of the payload, once */
		join_all(choices);
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && (data[0] & JOIN) != 0) {
		read_packets(data + 1, size - 1, data[0]);
		join_all(data[0]);
	} else if (size > 0) {
		cut_all(data + 1, size - 1, data[0]);
	}
	drop_all();
	return 0;
}
