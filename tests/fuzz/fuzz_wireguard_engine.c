/* SPDX-License-Identifier: Apache-2.0
 *
 * Two WireGuard interfaces and a network that does what the input says, byte by byte: see
 * enum deed. Whatever it does, packets arrive at most once and unchanged; and if nobody was
 * reconfigured, the two find each other again afterwards.
 */
#include <string.h>

#include "wireguard.h"

enum deed {
	SEND,	     /* from, length */
	DELIVER,     /* the oldest packet */
	DROP,	     /* it is lost */
	DUPLICATE,   /* comes twice */
	LATER,	     /* goes behind all others */
	CHANGE,	     /* where, how: a byte of it */
	CUT,	     /* length */
	EXTEND,	     /* by how much */
	MOMENT,	     /* tenths of a second pass */
	WHILE,	     /* seconds, times five */
	REPLAY,	     /* which of the last ones; from another address or not */
	SETTLE,	     /* everything arrives */
	TOGETHER,    /* up to eight packets for one side in one call */
	LEND,	     /* the oldest packet, and its events are not taken yet */
	RECONFIGURE, /* side, what */
	RESTART,     /* side */
	REKEY,	     /* side */
	MOVE,	     /* side: its address changes */
	DEEDS
};

#define RECORDS 32u

static struct {
	const uint8_t *at;
	size_t left;
} script;
static struct fuzz_wg_packet record[RECORDS];
static size_t recorded;

static uint8_t next(void)
{
	if (script.left == 0) {
		return 0;
	}
	script.left--;
	return *script.at++;
}

static void tap(struct fuzz_wg *w, const struct fuzz_wg_packet *packet)
{
	(void)w;
	record[recorded++ % RECORDS] = *packet;
}

/* ---- deeds ------------------------------------------------------------------------------------ */

static void alter(struct fuzz_wg_packet *p, enum deed deed)
{
	uint8_t a = next();
	uint8_t b = next();

	if (deed == CHANGE && p->len > 0) {
		p->data[a % p->len] ^= b;
	} else if (deed == CUT) {
		p->len = p->len * a / 256;
	} else if (deed == EXTEND && p->len + a <= sizeof(p->data)) {
		memset(p->data + p->len, b, a);
		p->len += a;
	}
}

static void together(struct fuzz_wg *w)
{
	struct fuzz_wg_packet some[8];
	size_t count = 0;

	while (w->count > 0 && count < 8 && (count == 0 || w->wire[0].to == some[0].to)) {
		fuzz_wg_take(w, 0, &some[count++]);
	}
	if (count > 0) {
		fuzz_wg_lend(w, some[0].to, some, count);
		fuzz_wg_pump(w, some[0].to);
	}
}

static void replay(struct fuzz_wg *w)
{
	uint8_t which = next();

	if (recorded > 0 && w->count < FUZZ_WG_WIRE) {
		size_t have = recorded < RECORDS ? recorded : RECORDS;
		struct fuzz_wg_packet p = record[(which & 127) % have];
		if ((which & 128) != 0) {
			p.path.remote.ip[2] = which;
		}
		fuzz_wg_put(w, &p);
	}
}

static void reconfigure(struct fuzz_wg *w)
{
	unsigned side = next() & 1;
	struct enn_wireguard_prefix prefix[2];
	struct enn_wireguard_peer_change peer;
	struct enn_wireguard_change change = fuzz_wg_peer(w, side, &peer, prefix);
	uint8_t value = next();

	switch (next() % 9) {
	case 0:
		peer.flags = ENN_WIREGUARD_PEER_REMOVE;
		break;
	case 1:
		peer.flags |= ENN_WIREGUARD_PEER_PSK;
		peer.preshared_key[0] = value;
		break;
	case 2:
		peer.flags = ENN_WIREGUARD_PEER_KEEPALIVE;
		peer.persistent_keepalive = value;
		break;
	case 3:
		change = (struct enn_wireguard_change){.set_under_load = true,
						       .under_load = value & 1};
		break;
	case 4:
		change.set_private_key = true;
		memcpy(change.private_key, w->side[side].private_key, sizeof(change.private_key));
		change.private_key[5] ^= value;
		break;
	case 5:
		change = (struct enn_wireguard_change){.replace_peers = true};
		break;
	case 6:
		prefix[value & 1].bits = (uint8_t)(value % 33);
		break;
	case 7:
		change = (struct enn_wireguard_change){.set_mtu = true,
						       .mtu = (uint16_t)(value * 8)};
		break;
	default: /* as it was */
		change.set_private_key = true;
		memcpy(change.private_key, w->side[side].private_key, sizeof(change.private_key));
		peer.flags |= ENN_WIREGUARD_PEER_PSK | ENN_WIREGUARD_PEER_KEEPALIVE;
	}
	fuzz_wg_configure(w, side, &change);
}

/* One packet, and what becomes of it. */
static void packet_deed(struct fuzz_wg *w, enum deed deed)
{
	struct fuzz_wg_packet p;

	if (w->count == 0) {
		return;
	}
	switch (deed) {
	case DELIVER:
		fuzz_wg_deliver(w);
		break;
	case DROP:
		fuzz_wg_take(w, 0, &p);
		break;
	case DUPLICATE:
		p = w->wire[0];
		fuzz_wg_put(w, &p);
		break;
	case LATER:
		fuzz_wg_take(w, 0, &p);
		fuzz_wg_put(w, &p);
		break;
	case LEND:
		fuzz_wg_take(w, 0, &p);
		fuzz_wg_lend(w, p.to, &p, 1);
		break;
	default:
		alter(&w->wire[0], deed);
	}
}

/* True if it may keep the two apart for good. */
static bool perform(struct fuzz_wg *w, enum deed deed)
{
	unsigned side;

	switch (deed) {
	case SEND:
		side = next() & 1;
		(void)fuzz_wg_send(w, side, 48 + (size_t)next() * 6);
		return false;
	case MOMENT:
		fuzz_wg_wait(w, next() * (ENN_SECOND / 10));
		return false;
	case WHILE:
		fuzz_wg_wait(w, next() * 5 * ENN_SECOND);
		return false;
	case REPLAY:
		replay(w);
		return false;
	case SETTLE:
		fuzz_wg_settle(w);
		return false;
	case TOGETHER:
		together(w);
		return false;
	case RECONFIGURE:
		reconfigure(w);
		return true;
	case RESTART:
		fuzz_wg_restart(w, next() & 1);
		return false;
	case REKEY:
		FUZZ_ASSERT(enn_engine_rekey(w->side[next() & 1].engine, w->now, true) == ENN_OK);
		return false;
	case MOVE:
		side = next() & 1;
		w->side[side].address.port++;
		return false;
	default:
		packet_deed(w, deed);
		return false;
	}
}

/* With both asking now and then, each gets a packet through. */
static void find_each_other(struct fuzz_wg *w)
{
	bool found[2] = {false, false};

	w->count = 0;
	for (unsigned try = 0; try < 12 && !(found[0] && found[1]); try++) {
		size_t number[2];
		for (unsigned side = 0; side < 2; side++) {
			number[side] = w->messages;
			(void)fuzz_wg_send(w, side, 64);
		}
		for (unsigned i = 0; i < 32; i++) {
			fuzz_wg_settle(w);
			fuzz_wg_wait(w, ENN_SECOND / 2);
		}
		for (unsigned side = 0; side < 2; side++) {
			found[side] = found[side] || (number[side] < w->messages &&
						      w->message[number[side]].delivered);
		}
	}
	FUZZ_ASSERT(found[0] && found[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_wg w;
	bool apart = false;

	(void)fuzz_env();
	fuzz_env_reset();
	script.at = data;
	script.left = size < 512 ? size : 512;
	recorded = 0;
	fuzz_wg_open(&w);
	w.tap = tap;
	while (script.left > 0 && w.messages < FUZZ_WG_MESSAGES - 32) {
		enum deed deed = (enum deed)(next() % DEEDS);
		apart = perform(&w, deed) || apart;
	}
	if (!apart) {
		find_each_other(&w);
	}
	fuzz_wg_close(&w);
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
