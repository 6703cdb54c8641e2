/* SPDX-License-Identifier: Apache-2.0
 *
 * One WireGuard message after another, to an interface in each of its states. The input
 * chooses the state, and for each message how much of it is put right, so that changed messages get
 * past mac1, the look-up of indices, and the AEAD.
 *
 *   state (1) { repair (1) | length (2) | bytes }…
 */
#include <string.h>

#include "crypto/blake2s.h"
#include "protocols/wireguard/internal.h"
#include "wireguard.h"

#define VICTIM 0
#define HELPER 1

enum state {
	IDLE,
	INITIATION_SENT,
	SESSION_AS_RESPONDER,
	SESSION_AS_INITIATOR,
	REKEYING,
	UNDER_LOAD,
	STATES
};

enum repair {
	REPAIR_MAC1 = 1,
	REPAIR_INDEX = 2,
	REPAIR_SEAL = 4,      /* the bytes are what the helper's session seals */
	REPAIR_HANDSHAKE = 8, /* the bytes are the timestamp of a sound initiation */
	REPAIR_LENGTH = 16,   /* and the first four bytes */
	FROM_ELSEWHERE = 32,
	HURRY = 64, /* the next one comes at the same time */
};

static struct enn_wireguard *device(struct fuzz_wg *w, unsigned side)
{
	return (struct enn_wireguard *)w->side[side].engine;
}

static void prepare(struct fuzz_wg *w, enum state state)
{
	const struct enn_wireguard_change load = {.set_under_load = true, .under_load = true};

	fuzz_wg_open(w);
	switch (state) {
	case INITIATION_SENT:
		FUZZ_ASSERT(fuzz_wg_send(w, VICTIM, 60));
		w->count = 0; /* the initiation does not arrive */
		break;
	case SESSION_AS_RESPONDER:
		FUZZ_ASSERT(fuzz_wg_send(w, HELPER, 60));
		fuzz_wg_settle(w);
		break;
	case REKEYING:
	case SESSION_AS_INITIATOR:
		FUZZ_ASSERT(fuzz_wg_send(w, VICTIM, 60));
		fuzz_wg_settle(w);
		if (state == REKEYING) {
			fuzz_wg_wait(w, 6 * ENN_SECOND);
			FUZZ_ASSERT(enn_engine_rekey(w->side[VICTIM].engine, w->now, true) ==
				    ENN_OK);
			fuzz_wg_pump(w, VICTIM);
			w->count = 0;
		}
		break;
	case UNDER_LOAD:
		fuzz_wg_configure(w, VICTIM, &load);
		break;
	default:
		break;
	}
	FUZZ_ASSERT(state == IDLE || state == UNDER_LOAD || state == INITIATION_SENT ||
		    w->message[0].delivered);
}

/* ---- repairs ---------------------------------------------------------------------------------- */

static void repair_length(struct fuzz_wg_packet *p)
{
	static const size_t lengths[] = {148, 92, 64};
	uint8_t type = (uint8_t)(p->len > 0 ? p->data[0] & 3 : 0);

	memset(p->data, 0, 4);
	p->data[0] = (uint8_t)(type + 1);
	if (type < 3) {
		memset(p->data + p->len, 0, p->len < lengths[type] ? lengths[type] - p->len : 0);
		p->len = lengths[type];
	} else if (p->len < 32) {
		p->len = 32;
	}
}

static void repair_index(struct fuzz_wg *w, struct fuzz_wg_packet *p)
{
	const struct enn_wg_peer *peer = device(w, VICTIM)->peers[0];
	bool response = p->data[0] == ENN_WG_RESPONSE;
	uint32_t index = peer->current != NULL && !response ? peer->current->index.value
							    : peer->handshake_index.value;
	size_t at = response ? 8 : 4;

	if (p->len >= at + 4) {
		for (size_t i = 0; i < 4; i++) {
			p->data[at + i] = (uint8_t)(index >> (8 * i));
		}
	}
}

static void repair_mac1(struct fuzz_wg *w, struct fuzz_wg_packet *p)
{
	size_t len = p->len;

	if (len >= 32) {
		FUZZ_ASSERT(enn_blake2s_mac(fuzz_env(), device(w, VICTIM)->local.mac1_key, 32,
					    p->data, len - 32, p->data + len - 32) == ENN_OK);
	}
}

/* Any plaintext, sealed as the helper would. */
static bool seal(struct fuzz_wg *w, struct fuzz_wg_packet *p)
{
	struct enn_wg_peer *peer = device(w, HELPER)->peers[0];
	struct enn_wg_keypair *kp = peer->current;
	uint8_t nonce[12] = {0};
	uint8_t message[FUZZ_WG_PACKET];

	if (kp == NULL || p->len > FUZZ_WG_PACKET - ENN_WIREGUARD_OVERHEAD) {
		return false;
	}
	memcpy(nonce + 4, &kp->send_counter, sizeof(kp->send_counter));
	struct enn_aead_job job = {.nonce = nonce,
				   .in = p->data,
				   .in_len = p->len,
				   .out = message + ENN_WG_TRANSPORT_HEADER};
	enn_wg_write_transport_header(kp->remote_index, kp->send_counter++, message);
	FUZZ_ASSERT(enn_aead_seal(kp->seal, &job) == ENN_OK);
	p->len += ENN_WIREGUARD_OVERHEAD;
	memcpy(p->data, message, p->len);
	return true;
}

static bool forge_initiation(struct fuzz_wg *w, struct fuzz_wg_packet *p)
{
	struct enn_wireguard *d = device(w, HELPER);
	struct enn_wg_peer *peer = d->peers[0];
	struct enn_wg_handshake hs = {.state = ENN_WG_HANDSHAKE_IDLE};
	uint8_t time[ENN_WG_TIMESTAMP] = {0};

	memcpy(time, p->data, p->len < sizeof(time) ? p->len : sizeof(time));
	bool made = enn_wg_remote_prepare(&d->tools, &d->local, &peer->remote) == ENN_OK &&
		    enn_wg_make_initiation(&d->tools, &d->local, &peer->remote, 0x01020304, time,
					   &hs, p->data) == ENN_OK;
	enn_wg_handshake_wipe(&d->tools, &hs);
	if (!made) {
		return false;
	}
	p->len = ENN_WG_INITIATION_LEN;
	memset(p->data + p->len - ENN_WG_MACS, 0, ENN_WG_MACS);
	return true;
}

/* ---- one message ------------------------------------------------------------------------------ */

/* Sealed nonsense is told only if it is an IP packet from the helper: that is not a message of ours, so the check of
 * what was received would abort. Its first byte is changed to no version of IP. */
static void spoil(struct fuzz_wg_packet *p)
{
	uint8_t version = p->len > 0 ? p->data[0] >> 4 : 0;

	if (version == 4 || version == 6) {
		bool from_helper = p->len >= 16 && version == 4 && p->data[12] == 10;
		bool from_helper6 = p->len >= 24 && version == 6 && p->data[8] == 0xfd;
		p->data[0] =
			from_helper || from_helper6 ? (uint8_t)(p->data[0] & 0x0f) : p->data[0];
	}
}

static void message(struct fuzz_wg *w, uint8_t repair, const uint8_t *data, size_t len)
{
	struct fuzz_wg_packet p = {
		.to = VICTIM,
		.path = {.local = w->side[VICTIM].address, .remote = w->side[HELPER].address},
		.len = len < 2048 ? len : 2048};
	bool authentic = false;

	memcpy(p.data, data, p.len);
	if ((repair & REPAIR_SEAL) != 0) {
		spoil(&p);
		authentic = seal(w, &p);
	} else if ((repair & REPAIR_HANDSHAKE) != 0) {
		authentic = forge_initiation(w, &p);
	} else if ((repair & REPAIR_LENGTH) != 0) {
		repair_length(&p);
	}
	if ((repair & REPAIR_INDEX) != 0) {
		repair_index(w, &p);
	}
	if ((repair & REPAIR_MAC1) != 0) {
		repair_mac1(w, &p);
	}
	if ((repair & FROM_ELSEWHERE) != 0) {
		p.path.remote.ip[3] = 77;
	}
	if ((repair & HURRY) == 0) {
		fuzz_wg_wait(w, 30 * ENN_MILLISECOND);
		w->count = 0;
	}
	w->side[VICTIM].out_bytes = 0;
	fuzz_wg_lend(w, VICTIM, &p, 1);
	fuzz_wg_pump(w, VICTIM);
	/* who is not known gets no more than it sent */
	FUZZ_ASSERT(authentic || w->side[VICTIM].out_bytes <= p.len);
	while (w->count > 0) {
		fuzz_wg_deliver(w);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_wg w;

	(void)fuzz_env();
	fuzz_env_reset();
	enum state state = (enum state)(size > 0 ? data[0] % STATES : 0);
	prepare(&w, state);
	for (size_t at = 1; at + 3 <= size;) {
		size_t len = (size_t)data[at + 1] << 8 | data[at + 2];
		len = len < size - at - 3 ? len : size - at - 3;
		message(&w, data[at], data + at + 3, len);
		at += 3 + len;
	}
	/* whatever came: a session that was there is still good */
	if (state == SESSION_AS_RESPONDER || state == SESSION_AS_INITIATOR || state == REKEYING) {
		size_t number = w.messages;
		FUZZ_ASSERT(fuzz_wg_send(&w, HELPER, 100));
		fuzz_wg_settle(&w);
		FUZZ_ASSERT(w.message[number].delivered);
	}
	fuzz_wg_close(&w);
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
