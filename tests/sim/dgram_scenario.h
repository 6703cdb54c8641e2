/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run over datagrams does, as plain data drawn from its seed before anything
 * happens: hosts, links and their faults, traffic, and deeds (address changes,
 * restarts, attacks …) at their times.
 *
 * Every part can be switched off without changing what the others do. That is how a failing seed
 * is made small: dgram_main.c switches parts off as long as it still fails.
 */
#ifndef ENN_TESTS_SIM_DGRAM_SCENARIO_H
#define ENN_TESTS_SIM_DGRAM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/engine.h"
#include "rng.h"

#define DGRAM_HOSTS 5
#define DGRAM_FLOWS 24
#define DGRAM_DEEDS 24

/* Kinds of trouble that may be on in a run, as bits of dgram_scenario.troubles. */
enum dgram_trouble {
	/* of the network */
	DGRAM_DROP,
	DGRAM_BURST, /* nothing passes for a while */
	DGRAM_DUPLICATE,
	DGRAM_REORDER,	/* now and then a packet is held back */
	DGRAM_CORRUPT,	/* bits flip */
	DGRAM_TRUNCATE, /* the end is missing */
	DGRAM_EXTEND,	/* foreign bytes follow */
	DGRAM_MTU,	/* longer packets vanish; the limit changes on the way */
	DGRAM_QUEUE,	/* links have a rate and a bounded queue */
	DGRAM_ECN,	/* congestion marks */
	/* of the driver */
	DGRAM_PAUSE,	   /* takes no events for a while */
	DGRAM_BLOCK,	   /* its socket takes no packets for a while */
	DGRAM_SMALL_BATCH, /* gives transmit as little room as it may */
	DGRAM_MISUSE,	   /* tries what the contract forbids, now and then */
	DGRAM_TROUBLES,
	DGRAM_OWN = 32, /* the protocol's own begin here */
};

struct dgram_link_shape { /* of one direction between two hosts */
	enn_time delay, jitter;
	/* per 1000 packets */
	unsigned drop, duplicate, reorder, corrupt, truncate, extend, mark;
	enn_time held; /* how long DGRAM_REORDER holds a packet back, at most */
	/* DGRAM_BURST: time is cut in slots, so many per 1000 of them are bad */
	enn_time slot;
	unsigned bad;
	/* DGRAM_MTU: before and after `change` */
	size_t mtu[2];
	enn_time change;
	/* DGRAM_QUEUE */
	uint64_t rate; /* bytes per second */
	size_t queue;  /* bytes that wait, at most */
};

enum dgram_nat {
	DGRAM_NAT_NONE,
	DGRAM_NAT_OPEN,	  /* whoever knows the mapping gets through */
	DGRAM_NAT_STRICT, /* only those that were sent to */
};

struct dgram_host_shape {
	enum dgram_nat nat;
	size_t batch_min, batch_max; /* capacity given to transmit */
	unsigned together;	     /* packets of one ingest, at most */
	unsigned pause_percent;	     /* DGRAM_PAUSE: after a message received */
	enn_time pause;
	unsigned block_percent; /* DGRAM_BLOCK: after a batch */
	enn_time block;
};

struct dgram_flow { /* messages from one host to another */
	bool off;
	uint8_t from, to;
	uint16_t count; /* bursts */
	uint16_t burst; /* messages at a time */
	enn_time start, gap_min, gap_max;
	size_t size_min, size_max; /* of the payload, at least DGRAM_MESSAGE_MIN */
};

enum dgram_deed_kind {
	DGRAM_DEED_REBIND,  /* the host's NAT forgets its mappings */
	DGRAM_DEED_MOVE,    /* the host gets other addresses */
	DGRAM_DEED_RESTART, /* the host's engines are freed, and made anew `length` later */
	DGRAM_DEED_SLEEP,   /* the host does nothing for `length`, then its clock shows it */
	/* attackers, from outside or on the way; `target` is the victim */
	DGRAM_DEED_REPLAY,    /* recorded packets again, from where they came */
	DGRAM_DEED_SPOOF,     /* recorded packets again, from other addresses */
	DGRAM_DEED_CROSS,     /* recorded packets of others */
	DGRAM_DEED_REFLECT,   /* the victim's own packets */
	DGRAM_DEED_MUTATE,    /* recorded packets, changed */
	DGRAM_DEED_GARBAGE,   /* invented packets */
	DGRAM_DEED_FLOOD,     /* many first packets of handshakes, from many addresses */
	DGRAM_DEED_INTERCEPT, /* packets taken off the link for `length`, and played later, some from
			       * another address */
	DGRAM_DEED_OVERTAKE,  /* copies from another address that arrive before their originals */
	DGRAM_DEED_COMMON,
	DGRAM_DEED_OWN = 32, /* the protocol's own */
};

struct dgram_deed {
	bool off;
	uint8_t kind;
	uint8_t target;
	enn_time at, every, length;
	uint16_t count; /* times */
	uint32_t argument;
};

struct dgram_scenario {
	uint64_t seed;
	unsigned hosts;
	bool libcrypto;	   /* instead of the back end chosen at run time */
	enn_time storm;	   /* troubles and deeds end then, and the calm begins */
	enn_time quiet;	   /* what is waited at the end */
	uint64_t troubles; /* a set of enum dgram_trouble and the protocol's */
	struct dgram_host_shape host[DGRAM_HOSTS];
	struct dgram_link_shape link[DGRAM_HOSTS][DGRAM_HOSTS];
	struct dgram_flow flow[DGRAM_FLOWS];
	struct dgram_deed deed[DGRAM_DEEDS];
	size_t flows, deeds;
	uint64_t own[256]; /* the protocol's part */
};

static inline bool dgram_has(const struct dgram_scenario *s, unsigned trouble)
{
	return (s->troubles >> trouble & 1) != 0;
}

struct dgram_protocol;

/* Everything out of the seed. */
void dgram_scenario_draw(struct dgram_scenario *s, const struct dgram_protocol *p, uint64_t seed);
/* Two hosts, two flows, no trouble: what hand-written ones start from. */
void dgram_scenario_plain(struct dgram_scenario *s, uint64_t seed);
/* Nothing in it loses or delays a message for long: the strongest claims hold. (The protocol's own part is asked
 * besides.) */
bool dgram_scenario_lossless(const struct dgram_scenario *s);
/* Adds one that the protocol draws; false if there is no room. */
bool dgram_add_deed(struct dgram_scenario *s, const struct dgram_deed *deed);
bool dgram_add_flow(struct dgram_scenario *s, const struct dgram_flow *flow);
/* For people. */
void dgram_scenario_print(const struct dgram_scenario *s, const struct dgram_protocol *p);
const char *dgram_trouble_name(const struct dgram_protocol *p, unsigned trouble);
const char *dgram_deed_name(const struct dgram_protocol *p, unsigned kind);

/* The parts that can be switched off, by number: troubles that are on, deeds, flows, the last host, the quiet, the
 * later half of the storm. dgram_part_name writes "drop", "deed:3", "flow:1", "hosts:2", "quiet:0" or
 * "storm:3100" (milliseconds), or nothing where there is no such part now; dgram_switch_off takes such names
 * with commas between. False: there is no such thing. */
size_t dgram_parts(void);
void dgram_part_name(const struct dgram_scenario *s, const struct dgram_protocol *p, size_t part,
		     char *out, size_t cap);
bool dgram_switch_off(struct dgram_scenario *s, const struct dgram_protocol *p, const char *names);

#endif
