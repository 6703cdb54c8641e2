/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated network, datagram form: hosts with addresses of both families, some
 * behind NATs, and a link for each direction between two of them.
 *
 * What becomes of a packet depends on the seed, the link, the packet's number on it and the kind
 * of fault alone: switching one kind off leaves the others as they are.
 */
#ifndef ENN_TESTS_SIM_DGRAM_NET_H
#define ENN_TESTS_SIM_DGRAM_NET_H

#include "dgram_scenario.h"

#define DGRAM_STRANGER 0xffu /* a sender that is no host */

/* What happened to a datagram on its way, as bits. */
enum dgram_fate {
	DGRAM_FATE_CHANGED = 1u << 0, /* its bytes are not those that were sent */
	DGRAM_FATE_COPY = 1u << 1,    /* the network made it: another one is, or was, on the way */
	DGRAM_FATE_FORGED = 1u << 2,  /* an attacker put it on the way */
};

struct dgram_datagram {
	uint32_t id;	/* of the transmission that it stems from; 0: invented */
	uint8_t sender; /* host, or DGRAM_STRANGER */
	uint8_t receiver;
	uint8_t ecn;
	uint8_t fate;
	struct enn_path path; /* as the receiver sees it: local is the receiver's */
	size_t len;
	uint8_t *data; /* a block of its own, so that a checker sees every byte outside it */
};

struct dgram_flight;

struct dgram_net {
	const struct dgram_scenario *s;
	bool calm; /* no faults from now on */

	struct dgram_flight *flight; /* a heap by arrival */
	size_t count, cap;
	uint64_t order;

	struct dgram_link {
		uint64_t sent; /* packets so far */
		enn_time busy; /* DGRAM_QUEUE: until then it sends what waits */
	} link[DGRAM_HOSTS][DGRAM_HOSTS];

	struct dgram_place {
		unsigned moves, binds;
		struct enn_address inside[2];  /* IPv4, IPv6 */
		struct enn_address outside[2]; /* the mapping; equal to inside without NAT */
		struct enn_address heard[32];  /* DGRAM_NAT_STRICT: who was sent to */
		size_t heard_count;
	} place[DGRAM_HOSTS];

	/* Called for each datagram that is sent, before faults. True: it goes no further. */
	bool (*tap)(void *ctx, enn_time now, const struct dgram_datagram *d);
	void *tap_ctx;
	uint32_t ids;
	uint64_t dropped; /* packets, for whatever reason */
};

void dgram_net_init(struct dgram_net *n, const struct dgram_scenario *s);
void dgram_net_free(struct dgram_net *n);

/* The address at which others reach a host now. family: enum enn_family. */
struct enn_address dgram_address(const struct dgram_net *n, unsigned host, unsigned family);
/* Its own view of it. */
struct enn_address dgram_inside(const struct dgram_net *n, unsigned host, unsigned family);
/* The host that is reached at an address now, or DGRAM_STRANGER. */
unsigned dgram_resident(const struct dgram_net *n, const struct enn_address *a);
bool dgram_same_address(const struct enn_address *a, const struct enn_address *b);
/* "192.0.2.1:51820", in a buffer of the caller's. */
const char *dgram_address_text(const struct enn_address *a, char *out, size_t cap);
#define DGRAM_ADDRESS_TEXT 64

/* A host sends one packet. path as transmit gave it: local may be of no family, then the host's. The id
 * of the transmission. */
uint32_t dgram_send(struct dgram_net *n, enn_time now, unsigned host, const struct enn_path *path,
		    const uint8_t *data, size_t len, uint8_t ecn);
/* Somebody else puts a datagram on the way to the address d->path.local; the bytes are copied, and it arrives
 * at `when` without faults. d->path.remote is what the receiver will see as the source. */
void dgram_inject(struct dgram_net *n, enn_time when, const struct dgram_datagram *d);

/* When the next one arrives; ENN_TIME_NEVER. Who receives it is decided then: packets to an address that was
 * left, or to a mapping that is gone, vanish. */
enn_time dgram_due(const struct dgram_net *n);
/* Takes it. False: none is due. d->data is the caller's to free. */
bool dgram_take(struct dgram_net *n, enn_time now, struct dgram_datagram *d);
/* What would be taken next, or NULL. */
const struct dgram_datagram *dgram_peek(struct dgram_net *n, enn_time now);

/* No faults from now on, and what attackers have put on the way is gone. */
void dgram_net_calm(struct dgram_net *n);

/* Address changes. */
void dgram_rebind(struct dgram_net *n, unsigned host);
void dgram_move(struct dgram_net *n, unsigned host);

#endif
