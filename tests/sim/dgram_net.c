/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated network of datagrams.
 */
#include "dgram_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT	     51820
#define NAT_PORT     40000
#define MAX_DATAGRAM 65535u

struct dgram_flight {
	enn_time due;
	uint64_t order; /* among those that are due together */
	struct dgram_datagram d;
};

static void *need(void *mem)
{
	if (mem == NULL) {
		abort();
	}
	return mem;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static struct enn_address address4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	return (struct enn_address){.ip = {a, b, c, d}, .port = port, .family = ENN_FAMILY_IPV4};
}

static struct enn_address address6(uint8_t net, uint8_t host, uint8_t last, uint16_t port)
{
	struct enn_address a = {.ip = {0x20, 0x01, 0x0d, 0xb8, net, 0, 0, host},
				.port = port,
				.family = ENN_FAMILY_IPV6};
	a.ip[15] = last;
	return a;
}

/* Behind a NAT: 10.h.m.2, seen as 203.0.113.h with a port of the NAT's; else 192.0.2.x. */
static void settle(struct dgram_net *n, unsigned host)
{
	struct dgram_place *p = &n->place[host];
	uint8_t h = (uint8_t)host;
	uint8_t m = (uint8_t)p->moves;
	uint16_t mapped = (uint16_t)(NAT_PORT + 100 * host + p->binds);

	if (n->s->host[host].nat == DGRAM_NAT_NONE) {
		p->inside[0] = address4(192, 0, 2, (uint8_t)(40 * host + m + 1), PORT);
		p->inside[1] = address6(1, h, (uint8_t)(m + 1), PORT);
		p->outside[0] = p->inside[0];
		p->outside[1] = p->inside[1];
	} else {
		p->inside[0] = address4(10, h, m, 2, PORT);
		p->inside[1] = address6(10, h, m, PORT);
		p->outside[0] = address4(203, 0, 113, (uint8_t)(40 * host + m + 1), mapped);
		p->outside[1] = address6(2, h, (uint8_t)(m + 1), mapped);
	}
	p->heard_count = 0;
}

bool dgram_same_address(const struct enn_address *a, const struct enn_address *b)
{
	size_t len = a->family == ENN_FAMILY_IPV4 ? 4 : 16;

	return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, len) == 0;
}

static bool same_ip(const struct enn_address *a, const struct enn_address *b)
{
	size_t len = a->family == ENN_FAMILY_IPV4 ? 4 : 16;

	return a->family == b->family && memcmp(a->ip, b->ip, len) == 0;
}

const char *dgram_address_text(const struct enn_address *a, char *out, size_t cap)
{
	if (a->family == ENN_FAMILY_IPV4) {
		(void)snprintf(out, cap, "%u.%u.%u.%u:%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3],
			       a->port);
	} else if (a->family == ENN_FAMILY_IPV6) {
		(void)snprintf(out, cap, "[%x:%x:%x:%x::%x]:%u", a->ip[0] << 8 | a->ip[1],
			       a->ip[2] << 8 | a->ip[3], a->ip[4] << 8 | a->ip[5],
			       a->ip[6] << 8 | a->ip[7], a->ip[14] << 8 | a->ip[15], a->port);
	} else {
		(void)snprintf(out, cap, "nowhere");
	}
	return out;
}

struct enn_address dgram_address(const struct dgram_net *n, unsigned host, unsigned family)
{
	return n->place[host].outside[family == ENN_FAMILY_IPV6];
}

struct enn_address dgram_inside(const struct dgram_net *n, unsigned host, unsigned family)
{
	return n->place[host].inside[family == ENN_FAMILY_IPV6];
}

unsigned dgram_resident(const struct dgram_net *n, const struct enn_address *a)
{
	for (unsigned h = 0; h < n->s->hosts; h++) {
		if (dgram_same_address(a, &n->place[h].outside[a->family == ENN_FAMILY_IPV6])) {
			return h;
		}
	}
	return DGRAM_STRANGER;
}

void dgram_rebind(struct dgram_net *n, unsigned host)
{
	n->place[host].binds++;
	settle(n, host);
}

void dgram_move(struct dgram_net *n, unsigned host)
{
	n->place[host].moves++;
	settle(n, host);
}

/* ---- life ----------------------------------------------------------------------------------- */

void dgram_net_init(struct dgram_net *n, const struct dgram_scenario *s)
{
	memset(n, 0, sizeof(*n));
	n->s = s;
	for (unsigned h = 0; h < DGRAM_HOSTS; h++) {
		settle(n, h);
	}
}

void dgram_net_free(struct dgram_net *n)
{
	for (size_t i = 0; i < n->count; i++) {
		free(n->flight[i].d.data);
	}
	free(n->flight);
}

/* ---- the heap of what is on the way ------------------------------------------------------------ */

static bool before(const struct dgram_flight *a, const struct dgram_flight *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void swap(struct dgram_flight *a, struct dgram_flight *b)
{
	struct dgram_flight t = *a;
	*a = *b;
	*b = t;
}

static void push(struct dgram_net *n, enn_time due, const struct dgram_datagram *d)
{
	if (n->count == n->cap) {
		n->cap = n->cap == 0 ? 64 : 2 * n->cap;
		n->flight = need(realloc(n->flight, n->cap * sizeof(n->flight[0])));
	}
	size_t i = n->count++;
	n->flight[i] = (struct dgram_flight){.due = due, .order = n->order++, .d = *d};
	n->flight[i].d.data = need(malloc(d->len > 0 ? d->len : 1));
	memcpy(n->flight[i].d.data, d->data, d->len);
	for (; i > 0 && before(&n->flight[i], &n->flight[(i - 1) / 2]); i = (i - 1) / 2) {
		swap(&n->flight[i], &n->flight[(i - 1) / 2]);
	}
}

static void pop(struct dgram_net *n)
{
	n->flight[0] = n->flight[--n->count];
	for (size_t i = 0;;) {
		size_t least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < n->count; k++) {
			least = before(&n->flight[k], &n->flight[least]) ? k : least;
		}
		if (least == i) {
			return;
		}
		swap(&n->flight[i], &n->flight[least]);
		i = least;
	}
}

void dgram_net_calm(struct dgram_net *n)
{
	struct dgram_flight *old = n->flight;
	size_t count = n->count;

	n->calm = true;
	n->flight = NULL;
	n->count = n->cap = 0;
	for (size_t i = 0; i < count; i++) {
		if ((old[i].d.fate & DGRAM_FATE_FORGED) == 0) {
			push(n, old[i].due, &old[i].d);
		}
		free(old[i].d.data);
	}
	free(old);
}

/* ---- faults --------------------------------------------------------------------------------- */

/* A generator for one packet's one kind of fate. */
static struct sim_rng lot(const struct dgram_net *n, unsigned from, unsigned to, uint64_t number,
			  unsigned kind)
{
	struct sim_rng r;

	sim_rng_seed(&r, n->s->seed ^ number * UINT64_C(0x9e3779b97f4a7c15),
		     1000 + (from * DGRAM_HOSTS + to) * 64 + kind);
	return r;
}

/* A packet that is to go over a link, and what has been decided about it. */
struct passage {
	struct dgram_net *n;
	const struct dgram_link_shape *shape;
	unsigned from, to;
	uint64_t number;
	enn_time now, due;
};

static bool struck(const struct passage *p, unsigned kind, unsigned per_mille, struct sim_rng *r)
{
	if (p->n->calm || per_mille == 0 || !dgram_has(p->n->s, kind)) {
		return false;
	}
	*r = lot(p->n, p->from, p->to, p->number, kind);
	return sim_rng_below(r, 1000) < per_mille;
}

static bool lost(const struct passage *p, size_t len)
{
	const struct dgram_link_shape *shape = p->shape;
	const struct dgram_scenario *s = p->n->s;
	struct sim_rng r;

	if (p->n->calm) {
		return false;
	}
	if (dgram_has(s, DGRAM_BURST) && shape->slot > 0) {
		r = lot(p->n, p->from, p->to, p->now / shape->slot, DGRAM_BURST);
		if (sim_rng_below(&r, 1000) < shape->bad) {
			return true;
		}
	}
	if (dgram_has(s, DGRAM_MTU) && len > shape->mtu[p->now >= shape->change]) {
		return true;
	}
	return struck(p, DGRAM_DROP, shape->drop, &r);
}

/* The time at which it has left the sender's queue; false: the queue is full. */
static bool queued(struct passage *p, size_t len)
{
	struct dgram_link *link = &p->n->link[p->from][p->to];

	if (p->n->calm || !dgram_has(p->n->s, DGRAM_QUEUE) || p->shape->rate == 0) {
		return true;
	}
	enn_time begin = link->busy > p->now ? link->busy : p->now;
	if ((begin - p->now) * p->shape->rate / ENN_SECOND > p->shape->queue) {
		return false;
	}
	link->busy = begin + len * ENN_SECOND / p->shape->rate;
	p->due += link->busy - p->now;
	return true;
}

static void delay(struct passage *p)
{
	struct sim_rng r = lot(p->n, p->from, p->to, p->number, 40);

	p->due += p->shape->delay;
	if (p->shape->jitter > 0) {
		p->due += sim_rng_below(&r, p->shape->jitter);
	}
	if (struck(p, DGRAM_REORDER, p->shape->reorder, &r)) {
		p->due += sim_rng_below(&r, p->shape->held + 1);
	}
}

static void damage(const struct passage *p, struct dgram_datagram *d, uint8_t *room)
{
	struct sim_rng r;

	if (struck(p, DGRAM_CORRUPT, p->shape->corrupt, &r) && d->len > 0) {
		/* an odd number, so that they never undo each other */
		for (uint64_t bits = 1 + 2 * sim_rng_below(&r, 2); bits > 0; bits--) {
			/* half of them in the first bytes, where the fields are */
			size_t within = sim_rng_chance(&r, 50) && d->len > 24 ? 24 : d->len;
			d->data[sim_rng_below(&r, within)] ^= (uint8_t)(1u << sim_rng_below(&r, 8));
		}
		d->fate |= DGRAM_FATE_CHANGED;
	}
	if (struck(p, DGRAM_TRUNCATE, p->shape->truncate, &r) && d->len > 0) {
		d->len = sim_rng_chance(&r, 50) ? d->len - sim_rng_size(&r, 1, d->len)
						: (size_t)sim_rng_below(&r, d->len);
		d->fate |= DGRAM_FATE_CHANGED;
	}
	if (struck(p, DGRAM_EXTEND, p->shape->extend, &r) && d->len < MAX_DATAGRAM - 2000) {
		size_t more = (size_t)sim_rng_size(&r, 1, 1500);
		if (sim_rng_chance(&r, 30)) {
			memset(room + d->len, 0, more);
		} else {
			sim_rng_fill(&r, room + d->len, more);
		}
		d->len += more;
		d->fate |= DGRAM_FATE_CHANGED;
	}
	if (struck(p, DGRAM_ECN, p->shape->mark, &r) && d->ecn != 0) {
		d->ecn = 3; /* congestion experienced; only of packets that are capable of it */
	}
}

static void travel(struct passage *p, const struct dgram_datagram *original)
{
	static uint8_t room[MAX_DATAGRAM + 1];
	struct dgram_datagram d = *original;
	struct sim_rng r;

	if (lost(p, d.len) || !queued(p, d.len)) {
		p->n->dropped++;
		return;
	}
	delay(p);
	memcpy(room, d.data, d.len);
	d.data = room;
	damage(p, &d, room);
	push(p->n, p->due, &d);
	if (struck(p, DGRAM_DUPLICATE, p->shape->duplicate, &r)) {
		d.fate |= DGRAM_FATE_COPY;
		for (uint64_t more = sim_rng_range(&r, 1, 2); more > 0; more--) {
			push(p->n, p->due + sim_rng_size(&r, 0, p->shape->held), &d);
		}
	}
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void hear(struct dgram_place *p, const struct enn_address *remote)
{
	const size_t most = sizeof(p->heard) / sizeof(p->heard[0]);

	for (size_t i = 0; i < p->heard_count && i < most; i++) {
		if (dgram_same_address(&p->heard[i], remote)) {
			return;
		}
	}
	p->heard[p->heard_count++ % most] = *remote; /* the oldest is forgotten */
}

uint32_t dgram_send(struct dgram_net *n, enn_time now, unsigned host, const struct enn_path *path,
		    const uint8_t *data, size_t len, uint8_t ecn)
{
	struct dgram_place *place = &n->place[host];
	unsigned six = path->remote.family == ENN_FAMILY_IPV6;
	struct dgram_datagram d = {
		.id = ++n->ids,
		.sender = (uint8_t)host,
		.receiver = (uint8_t)dgram_resident(n, &path->remote),
		.ecn = ecn,
		.path = {.local = path->remote, .remote = place->outside[six]},
		.len = len,
		.data = (uint8_t *)(uintptr_t)data,
	};

	hear(place, &path->remote);
	if (n->tap != NULL && n->tap(n->tap_ctx, now, &d)) {
		return d.id;
	}
	if (d.receiver == DGRAM_STRANGER || d.receiver == host) {
		n->dropped++;
		return d.id;
	}
	struct passage p = {
		.n = n,
		.shape = &n->s->link[host][d.receiver],
		.from = host,
		.to = d.receiver,
		.number = n->link[host][d.receiver].sent++,
		.now = now,
		.due = now,
	};
	travel(&p, &d);
	return d.id;
}

void dgram_inject(struct dgram_net *n, enn_time when, const struct dgram_datagram *d)
{
	push(n, when, d);
}

/* ---- arriving ---------------------------------------------------------------------------------- */

enn_time dgram_due(const struct dgram_net *n)
{
	return n->count == 0 ? ENN_TIME_NEVER : n->flight[0].due;
}

static bool admitted(const struct dgram_net *n, unsigned host, const struct enn_address *remote)
{
	const struct dgram_place *p = &n->place[host];
	const size_t most = sizeof(p->heard) / sizeof(p->heard[0]);

	if (n->s->host[host].nat != DGRAM_NAT_STRICT) {
		return true;
	}
	for (size_t i = 0; i < p->heard_count && i < most; i++) {
		if (same_ip(&p->heard[i], remote) && p->heard[i].port == remote->port) {
			return true;
		}
	}
	return false;
}

/* Drops what is addressed to nobody any more. */
const struct dgram_datagram *dgram_peek(struct dgram_net *n, enn_time now)
{
	while (n->count > 0 && n->flight[0].due <= now) {
		struct dgram_datagram *d = &n->flight[0].d;
		unsigned host = dgram_resident(n, &d->path.local);
		if (host != DGRAM_STRANGER && admitted(n, host, &d->path.remote)) {
			d->receiver = (uint8_t)host;
			return d;
		}
		n->dropped++;
		free(d->data);
		pop(n);
	}
	return NULL;
}

bool dgram_take(struct dgram_net *n, enn_time now, struct dgram_datagram *d)
{
	if (dgram_peek(n, now) == NULL) {
		return false;
	}
	*d = n->flight[0].d;
	d->path.local = n->place[d->receiver].inside[d->path.local.family == ENN_FAMILY_IPV6];
	pop(n);
	return true;
}
