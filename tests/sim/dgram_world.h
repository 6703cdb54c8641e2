/* SPDX-License-Identifier: Apache-2.0
 *
 * One simulated run over datagrams: up to five hosts with their engines, the network
 * between them, attackers, and one virtual clock. Protocols come in as a
 * struct dgram_protocol; the rest knows engines by ennead/engine.h only.
 *
 * The course of a run:
 *   the storm   troubles of the network, deeds, traffic of the scenario's flows
 *   the calm    nothing is lost any more, attackers are gone, every host is up:
 *   - probes    each pair must reach each other in time, or the protocol says why it cannot
 *   - the tail  what is sent between those that reached each other arrives, all of it
 *   - quiet     nothing is sent, time passes
 *   - the end   some engines are closed first; all are freed
 */
#ifndef ENN_TESTS_SIM_DGRAM_WORLD_H
#define ENN_TESTS_SIM_DGRAM_WORLD_H

#include "dgram_net.h"
#include "heap.h"
#include "scan.h"

#define DGRAM_ENDS	  8  /* engines of one host */
#define DGRAM_TOGETHER	  64 /* packets of one ingest, at most */
#define DGRAM_MESSAGE_MIN 24 /* bytes of payload */
#define DGRAM_MESSAGE_MAX 9000
#define DGRAM_MARKER	  "pLa1NtX7"

struct dgram_world;
struct dgram_host;
struct dgram_end;
struct dgram_message;

enum dgram_reach { DGRAM_REACH_NO, DGRAM_REACH_MAYBE, DGRAM_REACH_YES };

/* What a protocol tells the simulator. Entries that are NULL are not needed. */
struct dgram_protocol {
	const char *name;
	const char *const *troubles; /* names of its own, from DGRAM_OWN on */
	size_t trouble_count;
	const char *const *deeds; /* from DGRAM_DEED_OWN on */
	size_t deed_count;
	enn_time storm_least, storm_most;
	enn_time settle;      /* after the storm, before the first probe */
	enn_time probe_every; /* between two probes */
	unsigned probes;      /* before a pair counts as apart */
	/* What may be sent to an address that has not been validated, for each byte received from it, in
	 * percent; 0: nothing is said about it. */
	unsigned amplification;

	/* Adds to a drawn scenario, or prints its own part. */
	void (*draw)(struct dgram_scenario *s, struct sim_rng *r);
	void (*print)(const struct dgram_scenario *s);
	/* w->own and each host's own, before engines are made; and after. */
	void (*open)(struct dgram_world *w);
	void (*close)(struct dgram_world *w);
	/* Makes the host's engine and gives it to dgram_adopt, or sets h->acceptor. Called again after
	 * a restart. ENN_E_MEMORY is borne where memory was denied. */
	enum enn_status (*make)(struct dgram_host *h);
	/* The host's engines are about to be freed. */
	void (*stops)(struct dgram_host *h);

	/* The bytes of a message as they are given to send; returns their number. out has room for
	 * DGRAM_MESSAGE_MAX + 64. NULL: the payload itself. */
	size_t (*wrap)(struct dgram_world *w, const struct dgram_message *m, const uint8_t *payload,
		       uint8_t *out);
	/* Back: where the payload lies in what was received, and from whom it is as the engine says. */
	bool (*unwrap)(struct dgram_end *end, const struct enn_event *event,
		       const uint8_t **payload, size_t *len, unsigned *from);
	/* Which engine is to send it; NULL: the host's first. */
	struct dgram_end *(*route)(struct dgram_host *h, const struct dgram_message *m);
	/* send refused the message: is that right? */
	bool (*refusal)(struct dgram_host *h, const struct dgram_message *m,
			enum enn_status status);
	/* Each event but RECEIVED and SENT. */
	void (*event)(struct dgram_end *end, const struct enn_event *event);
	/* The calm begins: what deeds of its own have broken is to be repaired. */
	void (*calm)(struct dgram_world *w);
	/* A line of the key log: what is secret in it is the protocol's to know. */
	void (*keylog)(struct dgram_host *h, const char *line);
	/* A deed of its own. */
	void (*deed)(struct dgram_world *w, const struct dgram_deed *deed);
	/* An invented packet for the target: a plausible one. Its length. */
	size_t (*forge)(struct dgram_world *w, unsigned target, bool first_of_handshake,
			struct sim_rng *r, uint8_t *out, size_t cap);
	/* "initiation", for traces. */
	const char *(*describe)(const uint8_t *data, size_t len);
	/* Each packet that a host sends, and each one that it gets. */
	void (*sent)(struct dgram_host *h, const struct enn_path *path, const uint8_t *data,
		     size_t len);
	void (*arrived)(struct dgram_host *h, const struct dgram_datagram *d);
	/* Has the host reason to believe in this address by itself: by configuration, say? */
	bool (*trusts)(const struct dgram_host *h, const struct enn_address *a);
	/* Does this packet show that the address is its sender's? NULL: an unchanged first copy of
	 * what the host at the other end has sent does. */
	bool (*validates)(const struct dgram_host *h, const struct dgram_datagram *d);
	/* The most memory that the host's engines may take now. */
	size_t (*memory)(const struct dgram_host *h);
	/* More that must hold after every step. */
	void (*check)(struct dgram_world *w);
	/* And at the end, before the engines are freed. */
	void (*check_end)(struct dgram_world *w);
	/* Nothing in the scenario's own part loses a message. */
	bool (*lossless)(const struct dgram_scenario *s);
	/* Will messages from one to the other arrive now? *why is static text if not. */
	enum dgram_reach (*reach)(struct dgram_world *w, unsigned from, unsigned to,
				  const char **why);
};

/* What all runs of a process share. */
struct dgram_lab {
	const struct dgram_protocol *protocol;
	struct enn_crypto *crypto;    /* the back end chosen at run time */
	struct enn_crypto *libcrypto; /* that one only */
	bool verbose;
};
void dgram_lab_open(struct dgram_lab *lab, const struct dgram_protocol *protocol);
void dgram_lab_close(struct dgram_lab *lab);

/* One message that was given to an engine, or was to be. */
struct dgram_message {
	uint32_t number;
	uint8_t from, to;
	uint16_t len; /* of the payload */
	enum {
		DGRAM_WAITING, /* send answered ENN_E_AGAIN, or was not called yet */
		DGRAM_LENT,
		DGRAM_SENT,
		DGRAM_REFUSED,
		DGRAM_LOST, /* with its engine */
	} state;
	bool must; /* arrive */
	bool probe;
	unsigned deliveries;
	enum enn_status status; /* of a refusal */
	uint32_t life[2];	/* of both hosts, when it was given */
	enn_time given, sent, delivered;
	uint8_t *data; /* while lent */
	size_t data_len;
};

/* One engine and its driver. */
struct dgram_end {
	struct dgram_host *h;
	struct enn_engine *e;
	uint8_t peer; /* of an acceptor's engine: whose first packet it was; else DGRAM_STRANGER */
	bool ready, failed, closed, close_called;
	struct enn_error error;
	bool lending; /* the buffers below are the engine's */
	struct enn_packet packets[DGRAM_TOGETHER];
	uint8_t *lent[DGRAM_TOGETHER];
	size_t lent_count;
	bool paused;
	enn_time wake;
	bool blocked; /* its socket takes nothing */
	enn_time unblock;
	uint32_t *waiting; /* message numbers, until send takes them */
	size_t waiting_head, waiting_tail, waiting_cap;
	uint32_t *out; /* lent, in order */
	size_t out_head, out_tail, out_cap;
	unsigned idle; /* expire calls in a row that did nothing */
	enn_time idle_at;
	void *own;
};

struct dgram_source; /* what a host knows of an address */

struct dgram_host {
	struct dgram_world *w;
	unsigned index;
	char name[4];
	struct enn_env env;
	struct sim_heap heap;
	struct sim_rng rng;    /* the driver's decisions */
	struct sim_rng random; /* the engine's */
	uint64_t randoms, random_fails_at;
	bool random_failed;
	struct enn_acceptor *acceptor;
	struct dgram_end *end[DGRAM_ENDS];
	bool down; /* restarting */
	bool asleep;
	enn_time wake;
	enn_time lag; /* its clock is so much behind the world's */
	uint32_t life;
	struct dgram_datagram *inbox; /* what has arrived and could not be ingested yet */
	size_t inbox_head, inbox_tail, inbox_cap;
	struct dgram_source *sources;
	size_t source_count, source_cap;
	void *own;
};

struct dgram_recorder;

struct dgram_world {
	struct dgram_lab *lab;
	const struct dgram_protocol *protocol;
	const struct dgram_scenario *s;
	enn_time now;
	struct dgram_net net;
	struct dgram_host host[DGRAM_HOSTS];
	struct sim_scan scan; /* secrets */
	struct dgram_recorder *recorder;
	struct dgram_message *messages;
	size_t message_count, message_cap;
	struct {
		enn_time next;
		uint32_t done;
		struct sim_rng rng;
	} flow[DGRAM_FLOWS], deed[DGRAM_DEEDS];
	/* by transmission: who got it unchanged, and in which life */
	struct dgram_receipt {
		uint8_t host;
		uint32_t life;
	} * receipts;
	size_t receipt_cap;

	bool lossless, calm, probing, closing;
	bool reached[DGRAM_HOSTS][DGRAM_HOSTS];
	unsigned probes_done;
	const char *reasons[DGRAM_HOSTS][DGRAM_HOSTS];
	void *own;

	struct { /* denied to one host */
		unsigned host;
		bool for_good;
		uint64_t allocation, random; /* at the n-th request, from 1; 0: never */
	} starve;
	bool starved;

	uint64_t hash;	      /* of all bytes and events */
	char violation[320];  /* the first thing that did not hold; empty: all did */
	const char *violated; /* its format: which kind of thing */
	struct {
		uint64_t steps, packets, bytes, given, delivered, refused, replayed, pairs, apart;
	} count;
};

/* Says what does not hold; the first word counts. */
void dgram_violation(struct dgram_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static inline bool dgram_violated(const struct dgram_world *w)
{
	return w->violation[0] != '\0';
}
void dgram_trace(const struct dgram_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void dgram_hash(struct dgram_world *w, const void *data, size_t len);
void *dgram_need(void *mem); /* aborts on NULL */

/* ---- dgram_world.c ---- */
/* Runs a scenario to its end and checks everything. w is zeroed, or has `starve` set. */
void dgram_run(struct dgram_world *w, struct dgram_lab *lab, const struct dgram_scenario *s);
/* In pieces, for those who do something between: */
void dgram_open(struct dgram_world *w, struct dgram_lab *lab, const struct dgram_scenario *s);
void dgram_go(struct dgram_world *w, enn_time until);
void dgram_calm(struct dgram_world *w);
void dgram_finish(struct dgram_world *w); /* checks the end, frees the engines */
void dgram_close(struct dgram_world *w);

/* ---- dgram_host.c ---- */
void dgram_host_open(struct dgram_world *w, unsigned index);
void dgram_host_close(struct dgram_host *h);
/* Makes its engines, or frees them as a crash does. */
void dgram_host_start(struct dgram_host *h);
void dgram_host_stop(struct dgram_host *h);
/* The host's driver takes the engine over and starts it. NULL: no place, or it cannot be started; then it
 * is freed. */
struct dgram_end *dgram_adopt(struct dgram_host *h, struct enn_engine *e);
/* Frees one engine of it; what it had is lost. */
void dgram_drop(struct dgram_end *end);
static inline enn_time dgram_clock(const struct dgram_host *h)
{
	return h->w->now - h->lag;
}
static inline bool dgram_up(const struct dgram_host *h)
{
	return !h->down && !h->asleep;
}
/* The loop of engine.h until nothing moves. */
void dgram_pump(struct dgram_end *end);
/* Ends the connection in the protocol's way; what that leads to, see dgram_check_closed. */
void dgram_end_close(struct dgram_end *end);
void dgram_host_input(struct dgram_host *h, const struct dgram_datagram *d);
/* Ingests what waits, as far as the driver takes it. */
void dgram_host_ingest(struct dgram_host *h);
/* In the world's time: when it wants to be called; and that call. */
enn_time dgram_host_deadline(const struct dgram_host *h);
void dgram_host_expire(struct dgram_host *h);

/* ---- dgram_traffic.c ---- */
/* A message from one to the other is given to its engine now. */
struct dgram_message *dgram_give(struct dgram_world *w, unsigned from, unsigned to, size_t len);
/* Offers what waits; true if the engine took any. */
bool dgram_offer(struct dgram_end *end);
void dgram_received(struct dgram_end *end, const struct enn_event *event);
void dgram_sent(struct dgram_end *end, void *user);
/* The engine is gone: what it had is lost. */
void dgram_forget(struct dgram_end *end);
void dgram_traffic_free(struct dgram_world *w);
enn_time dgram_flow_due(const struct dgram_world *w);
void dgram_flow_turn(struct dgram_world *w);

/* ---- dgram_deed.c ---- */
enn_time dgram_deed_due(const struct dgram_world *w);
void dgram_deed_turn(struct dgram_world *w);

#endif
