/* SPDX-License-Identifier: Apache-2.0
 *
 * The toy protocol, sound and otherwise.
 */
#include "dgram_toy.h"

#include <string.h>

#include "crypto/aead.h"
#include "ennead/protocol.h"

#define QUEUE	64u /* of each peer */
#define HOARD	65536u
#define EVENTS	80u
#define HEADER	10u
#define TAG	16u
#define NONCE	8u
#define WINDOW	4096u
#define AGAIN	(2 * ENN_SECOND) /* between two hellos */
#define GIVE_UP (9 * ENN_SECOND) /* the oldest message of a peer that does not answer */

enum { HELLO = 1, REPLY = 2, DATA = 3 };

const char *const toy_defect_names[TOY_DEFECTS] = {"sound",   "twice", "trusting", "plain",
						   "key",     "busy",  "loud",	   "forgetful",
						   "hoarder", "leaky", "order",	   "deaf"};

struct toy_peer {
	struct enn_path path;
	struct toy_copy {
		uint8_t *data;
		size_t len;
		enn_time since;
	} queue[QUEUE];
	size_t queued;
	bool known; /* its nonce of this life */
	uint8_t nonce[NONCE];
	bool hello;	   /* is to go out */
	enn_time hello_at; /* when the next one is; NEVER: not wanted */
	unsigned replies;  /* owed */
	struct enn_path reply_path;
	uint8_t reply_echo[NONCE];
	uint64_t counter; /* of what is sent */
	uint64_t top;	  /* received */
	uint8_t seen[WINDOW / 8];
};

struct toy {
	struct enn_engine base;
	const struct enn_env *env;
	enum toy_defect defect;
	unsigned self;
	struct enn_aead *seal, *open;
	uint8_t key[16];
	uint8_t nonce[NONCE]; /* of this life */
	struct toy_peer peer[TOY_PEERS];
	void *held; /* TOY_ORDER: a message whose 'sent' comes after the next one's */
	uint64_t messages;
	struct enn_event event[EVENTS];
	size_t event_head, event_tail;
	bool lent, ready;
	enn_time started;
	struct {
		void *next;
	} * hoard;
};

/* ---- sealing -------------------------------------------------------------------------------------- */

/* additional data: header and a nonce of the receiver's life; AEAD nonce: sender, receiver, counter */
static bool crypt(struct toy *t, bool sealing, uint8_t *packet, size_t len, unsigned receiver,
		  const uint8_t *life)
{
	uint8_t aad[HEADER + NONCE];
	uint8_t nonce[12] = {packet[0], packet[1], (uint8_t)receiver, 0};
	struct enn_aead_job job = {
		.nonce = nonce,
		.aad = aad,
		.aad_len = sizeof(aad),
		.in = packet + HEADER,
		.in_len = len - HEADER - (sealing ? TAG : 0),
		.out = packet + HEADER,
	};

	memcpy(aad, packet, HEADER);
	memcpy(aad + HEADER, life, NONCE);
	memcpy(nonce + 4, packet + 2, 8);
	if (sealing) {
		return enn_aead_seal(t->seal, &job) == ENN_OK;
	}
	uint8_t kept[2048];
	memcpy(kept, packet, len < sizeof(kept) ? len : sizeof(kept));
	if (enn_aead_open(t->open, &job) == ENN_OK) {
		return true;
	}
	if (t->defect != TOY_TRUSTING || len > sizeof(kept)) {
		return false;
	}
	/* decrypts as if the tag fitted: seal what is there, which is the same stream of keys */
	memcpy(packet, kept, len);
	job.in_len = len - HEADER - TAG;
	return enn_aead_seal(t->seal, &job) == ENN_OK;
}

static const uint8_t no_life[NONCE];

/* ---- events ----------------------------------------------------------------------------------------- */

static struct enn_event *emit(struct toy *t, enum enn_event_type type, unsigned peer)
{
	struct enn_event *event = &t->event[t->event_tail++ % EVENTS];

	*event = (struct enn_event){.type = type, .peer = peer + 1};
	return event;
}

static void toy_next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	struct toy *t = (struct toy *)e;

	(void)now;
	if (t->event_head == t->event_tail) {
		t->lent = false;
		return;
	}
	*event = t->event[t->event_head++ % EVENTS];
}

/* ---- in -------------------------------------------------------------------------------------------- */

static void got_hello(struct toy *t, struct toy_peer *p, const struct enn_path *path,
		      const uint8_t *body)
{
	p->replies = t->defect == TOY_LOUD ? 3 : 1;
	p->reply_path = *path;
	memcpy(p->reply_echo, body, NONCE);
	if (t->defect == TOY_HOARDER) {
		void *more = t->env->alloc(t->env->alloc_ctx, HOARD);
		if (more != NULL) {
			memset(more, 0, HOARD);
			memcpy(more, &t->hoard, sizeof(t->hoard));
			t->hoard = more;
		}
	}
}

static void got_reply(struct toy *t, unsigned from, const uint8_t *body)
{
	struct toy_peer *p = &t->peer[from];

	if (memcmp(body + NONCE, t->nonce, NONCE) != 0) {
		return;
	}
	memcpy(p->nonce, body, NONCE);
	p->known = true;
	if (!t->ready) {
		t->ready = true;
		(void)emit(t, ENN_EVENT_READY, from);
	}
}

static bool fresh(struct toy_peer *p, uint64_t counter)
{
	if (counter + WINDOW <= p->top) {
		return false;
	}
	for (unsigned i = 0; p->top < counter; i++) {
		p->top = i < WINDOW ? p->top + 1 : counter;
		p->seen[p->top % WINDOW / 8] &= (uint8_t) ~(1u << p->top % 8);
	}
	uint8_t bit = (uint8_t)(1u << counter % 8);
	bool seen = (p->seen[counter % WINDOW / 8] & bit) != 0;
	p->seen[counter % WINDOW / 8] |= bit;
	return !seen;
}

static void got_data(struct toy *t, unsigned from, const struct enn_path *path, uint8_t *packet,
		     size_t len)
{
	struct toy_peer *p = &t->peer[from];
	uint64_t counter;

	memcpy(&counter, packet + 2, sizeof(counter));
	if (!fresh(p, counter) && t->defect != TOY_TWICE) {
		return;
	}
	p->path.remote = path->remote;
	if (!t->ready) {
		t->ready = true;
		(void)emit(t, ENN_EVENT_READY, from);
	}
	packet[HEADER] = (uint8_t)from;
	struct enn_event *event = emit(t, ENN_EVENT_RECEIVED, from);
	event->u.received =
		(struct enn_message){.data = packet + HEADER, .len = len - HEADER - TAG};
}

static void got(struct toy *t, enn_time now, const struct enn_path *path, uint8_t *packet,
		size_t len)
{
	if (len < HEADER + TAG + 1 || packet[1] >= TOY_PEERS || packet[1] == t->self ||
	    (t->defect == TOY_DEAF && now > t->started + 10 * ENN_SECOND)) {
		return;
	}
	const uint8_t *life = packet[0] == DATA ? t->nonce : no_life;
	unsigned from = packet[1];
	if (!crypt(t, false, packet, len, t->self, life)) {
		return;
	}
	if (packet[0] == HELLO && len == TOY_HELLO) {
		got_hello(t, &t->peer[from], path, packet + HEADER);
	} else if (packet[0] == REPLY && len == HEADER + 2 * NONCE + TAG) {
		got_reply(t, from, packet + HEADER);
	} else if (packet[0] == DATA) {
		got_data(t, from, path, packet, len);
	}
}

static enum enn_status toy_ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
				  struct enn_packet *packets, size_t count)
{
	struct toy *t = (struct toy *)e;

	if (t->lent || t->event_tail - t->event_head + count > EVENTS - 8) {
		return ENN_E_AGAIN;
	}
	t->lent = true;
	for (size_t i = 0; i < count; i++) {
		got(t, now, path, packets[i].data, packets[i].len);
	}
	return ENN_OK;
}

/* ---- out ------------------------------------------------------------------------------------------- */

/* Copies, so 'sent' follows at once; the oldest one makes room. */
static void drop_first(struct toy *t, struct toy_peer *p)
{
	enn_free(t->env, p->queue[0].data, p->queue[0].len);
	memmove(p->queue, p->queue + 1, --p->queued * sizeof(p->queue[0]));
}

static void tell_sent(struct toy *t, const struct enn_message *m)
{
	if (t->defect == TOY_ORDER && t->held == NULL) {
		t->held = m->user;
		return;
	}
	emit(t, ENN_EVENT_SENT, m->data[0])->u.sent.user = m->user;
	if (t->held != NULL) {
		emit(t, ENN_EVENT_SENT, m->data[0])->u.sent.user = t->held;
		t->held = NULL;
	}
}

static enum enn_status toy_send(struct enn_engine *e, enn_time now, const struct enn_message *m)
{
	struct toy *t = (struct toy *)e;

	if (m->len < 1 || m->len > 1500 || m->data[0] >= TOY_PEERS || m->data[0] == t->self) {
		return ENN_E_ARGUMENT;
	}
	if (t->event_tail - t->event_head + 2 > EVENTS) {
		return ENN_E_AGAIN;
	}
	struct toy_peer *p = &t->peer[m->data[0]];
	if (p->queued == QUEUE) {
		drop_first(t, p);
	}
	struct toy_copy *copy = &p->queue[p->queued];
	*copy = (struct toy_copy){.data = enn_alloc(t->env, m->len), .len = m->len, .since = now};
	if (copy->data == NULL) {
		return ENN_E_MEMORY;
	}
	memcpy(copy->data, m->data, m->len);
	p->queued++;
	if (p->hello_at == ENN_TIME_NEVER) {
		p->hello = true;
		p->hello_at = now + AGAIN;
	}
	tell_sent(t, m);
	return ENN_OK;
}

static void finish(struct toy *t, struct enn_batch *b, unsigned to, uint8_t type, size_t len,
		   const struct enn_path *path, const uint8_t *life)
{
	uint64_t counter = t->peer[to].counter++;

	b->buf[0] = type;
	b->buf[1] = (uint8_t)t->self;
	memcpy(b->buf + 2, &counter, sizeof(counter));
	b->len = b->segment_size = HEADER + len + TAG;
	b->path = *path;
	bool plain = type == DATA && t->defect == TOY_PLAIN && counter % 4 == 3;
	if (!plain) {
		(void)crypt(t, true, b->buf, b->len, to, life);
	}
	if (t->defect == TOY_KEY && type == HELLO) {
		memcpy(b->buf + HEADER + NONCE, t->key, sizeof(t->key));
	}
}

static bool send_control(struct toy *t, struct enn_batch *b)
{
	for (unsigned i = 0; i < TOY_PEERS; i++) {
		struct toy_peer *p = &t->peer[i];
		if (p->replies > 0) {
			p->replies--;
			memcpy(b->buf + HEADER, t->nonce, NONCE);
			memcpy(b->buf + HEADER + NONCE, p->reply_echo, NONCE);
			finish(t, b, i, REPLY, 2 * NONCE, &p->reply_path, no_life);
			return true;
		}
		if (p->hello) {
			p->hello = false;
			memset(b->buf + HEADER, 0, TOY_HELLO - HEADER - TAG);
			memcpy(b->buf + HEADER, t->nonce, NONCE);
			finish(t, b, i, HELLO, TOY_HELLO - HEADER - TAG, &p->path, no_life);
			return true;
		}
	}
	return false;
}

static bool send_data(struct toy *t, enn_time now, struct enn_batch *b)
{
	for (unsigned i = 0; i < TOY_PEERS; i++) {
		struct toy_peer *p = &t->peer[i];
		while (p->queued > 0 && now >= p->queue[0].since + GIVE_UP) {
			drop_first(t, p);
		}
		while (p->known && p->queued > 0) {
			size_t len = p->queue[0].len;
			memcpy(b->buf + HEADER, p->queue[0].data, len);
			drop_first(t, p);
			if (t->defect != TOY_FORGETFUL || ++t->messages % 7 != 0) {
				finish(t, b, i, DATA, len, &p->path, p->nonce);
				return true;
			}
		}
	}
	return false;
}

static enum enn_status toy_transmit(struct enn_engine *e, enn_time now, struct enn_batch *b)
{
	struct toy *t = (struct toy *)e;

	if (!send_control(t, b)) {
		(void)send_data(t, now, b);
	}
	return ENN_OK;
}

/* ---- time ------------------------------------------------------------------------------------------ */

static enn_time toy_deadline(const struct enn_engine *e)
{
	const struct toy *t = (const struct toy *)e;
	enn_time next = ENN_TIME_NEVER;

	for (unsigned i = 0; i < TOY_PEERS; i++) {
		const struct toy_peer *p = &t->peer[i];
		next = p->hello_at < next ? p->hello_at : next;
	}
	return t->defect == TOY_BUSY && next != ENN_TIME_NEVER ? t->started : next;
}

/* A hello asks for nonces anew while there is something to send, for a peer may have another life. */
static void toy_expire(struct enn_engine *e, enn_time now)
{
	struct toy *t = (struct toy *)e;

	for (unsigned i = 0; i < TOY_PEERS; i++) {
		struct toy_peer *p = &t->peer[i];
		if (p->hello_at > now) {
			continue;
		}
		p->hello = p->queued > 0;
		p->known = p->known && p->hello;
		p->hello_at = p->hello ? now + AGAIN : ENN_TIME_NEVER;
	}
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void toy_free(struct enn_engine *e)
{
	struct toy *t = (struct toy *)e;
	const struct enn_env *env = t->env;

	while (t->hoard != NULL && t->defect == TOY_HOARDER) {
		void *next = t->hoard->next;
		enn_free(env, t->hoard, HOARD);
		t->hoard = next;
	}
	for (unsigned i = 0; i < TOY_PEERS; i++) {
		while (t->peer[i].queued > 0) {
			drop_first(t, &t->peer[i]);
		}
	}
	enn_aead_free(env, t->seal);
	if (t->defect != TOY_LEAKY) {
		enn_aead_free(env, t->open);
	}
	enn_free_secret(env, t, sizeof(*t));
}

static enum enn_status toy_start(struct enn_engine *e, enn_time now)
{
	struct toy *t = (struct toy *)e;

	t->started = now;
	for (unsigned i = 0; i < TOY_PEERS; i++) {
		t->peer[i].counter = now / ENN_MICROSECOND; /* beyond those of an earlier life */
	}
	return enn_random(t->env, t->nonce, NONCE);
}

static const struct enn_protocol protocol = {
	.name = "toy", .substrate = ENN_SUBSTRATE_DATAGRAM, .min_batch = 1600};

enum enn_status toy_new(const struct enn_env *env, enum toy_defect defect, unsigned self,
			const struct enn_address peers[TOY_PEERS], const uint8_t key[16],
			struct enn_engine **out)
{
	static const struct enn_engine_ops ops = {
		.free = toy_free,
		.start = toy_start,
		.ingest = toy_ingest,
		.transmit = toy_transmit,
		.deadline = toy_deadline,
		.expire = toy_expire,
		.send = toy_send,
		.next_event = toy_next_event,
	};
	const struct enn_aead_alg *alg = enn_aead_alg(ENN_AEAD_AES_128_GCM);
	struct toy *t = enn_alloc(env, sizeof(*t));

	if (t == NULL) {
		return ENN_E_MEMORY;
	}
	t->base = (struct enn_engine){.ops = &ops, .protocol = &protocol};
	t->env = env;
	t->defect = defect;
	t->self = self;
	memcpy(t->key, key, sizeof(t->key));
	for (unsigned i = 0; i < TOY_PEERS; i++) {
		t->peer[i].path.remote = peers[i];
		t->peer[i].hello_at = ENN_TIME_NEVER;
	}
	if (enn_aead_new(env, alg, ENN_AEAD_SEAL, key, &t->seal) != ENN_OK ||
	    enn_aead_new(env, alg, ENN_AEAD_OPEN, key, &t->open) != ENN_OK) {
		toy_free(&t->base);
		return ENN_E_MEMORY;
	}
	*out = &t->base;
	return ENN_OK;
}

/* ---- the passive side: an engine is made for the first hello -------------------------------------- */

struct toy_acceptor {
	struct enn_acceptor base;
	const struct enn_env *env;
	enum toy_defect defect;
	unsigned self;
	struct enn_address peers[TOY_PEERS];
	uint8_t key[16];
	struct enn_engine *e; /* the caller's */
};

static void acceptor_free(struct enn_acceptor *a)
{
	enn_free_secret(((struct toy_acceptor *)a)->env, a, sizeof(struct toy_acceptor));
}

static enum enn_status acceptor_accept(struct enn_acceptor *acceptor, enn_time now,
				       const struct enn_path *path, struct enn_packet *packets,
				       size_t count, struct enn_batch *reply,
				       struct enn_engine **out, bool *created)
{
	struct toy_acceptor *a = (struct toy_acceptor *)acceptor;

	(void)now;
	(void)path;
	(void)reply;
	if (a->e == NULL && count > 0 && packets[0].len == TOY_HELLO &&
	    packets[0].data[0] == HELLO) {
		enum enn_status status =
			toy_new(a->env, a->defect, a->self, a->peers, a->key, &a->e);
		if (status != ENN_OK) {
			return status;
		}
		*created = true;
	}
	*out = a->e;
	return ENN_OK;
}

enum enn_status toy_acceptor_new(const struct enn_env *env, enum toy_defect defect, unsigned self,
				 const struct enn_address peers[TOY_PEERS], const uint8_t key[16],
				 struct enn_acceptor **out)
{
	static const struct enn_acceptor_ops ops = {.free = acceptor_free,
						    .accept = acceptor_accept};
	struct toy_acceptor *a = enn_alloc(env, sizeof(*a));

	if (a == NULL) {
		return ENN_E_MEMORY;
	}
	a->base = (struct enn_acceptor){.ops = &ops, .protocol = &protocol};
	a->env = env;
	a->defect = defect;
	a->self = self;
	memcpy(a->peers, peers, sizeof(a->peers));
	memcpy(a->key, key, sizeof(a->key));
	*out = &a->base;
	return ENN_OK;
}
