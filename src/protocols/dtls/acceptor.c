/* SPDX-License-Identifier: Apache-2.0
 *
 * The passive side: many associations behind one socket, told apart by where their packets come from. Of a
 * stranger nothing is kept: his first ClientHello is answered with a cookie, by a HelloRetryRequest in 1.3 and
 * by a HelloVerifyRequest in 1.2, and an engine is made for him who brings it back (RFC 6347 §4.2.1,
 * RFC 9147 §5.1). A client that begins anew from the same place does the same (RFC 6347 §4.2.8).
 */
#include "base/compiler.h"
#include "base/log.h"
#include "features/cookie.h"
#include "features/security.h"
#include "handshake/codec.h"
#include "protocols/dtls/internal.h"

/* uthash takes memory where `env` of the surrounding function says. */
#define HASH_NONFATAL_OOM     1
#define uthash_malloc(sz)     enn_alloc(env, sz)
#define uthash_free(ptr, sz)  enn_free(env, ptr, sz)
#define uthash_bzero(ptr, sz) memset(ptr, 0, sz)
#include <uthash.h>

#define KEY_LEN 46u /* two addresses */
#define ADDRESS 19u
#define COOKIE	32u /* of 1.2: more is too long for NSS */
#define MADE	8u  /* of these: when it was made */
#define SECRET	32u

/* The place of an association in the table, and of one that is to follow it: until the client has finished that
 * handshake it has proved nothing, for what began it may be a replay (RFC 6347 §4.2.8, RFC 9147 §5.11). */
struct entry {
	struct enn_dtls *engine;
	struct enn_dtls *next; /* NULL: none is on its way */
	UT_hash_handle hh;
	uint8_t key[KEY_LEN];
};

/* What acceptor and engines share; it goes with the last of them. */
struct enn_dtls_hub {
	const struct enn_env *env;
	size_t refs;
	struct enn_security *security;
	struct entry *table;
	uint8_t secret[SECRET]; /* that cookies of 1.2 are made with */
};

struct acceptor {
	struct enn_acceptor base;
	struct enn_dtls_hub *hub;
};

/* ---- the hub ---------------------------------------------------------------------------------- */

static void hub_release(struct enn_dtls_hub *hub)
{
	const struct enn_env *env = hub->env;

	if (--hub->refs > 0) {
		return;
	}
	enn_security_free(hub->security);
	enn_free_secret(env, hub, sizeof(*hub));
}

static void write_address(struct enn_writer *w, const struct enn_address *a)
{
	enn_write_u8(w, a->family);
	enn_write_bytes(w, a->ip, sizeof(a->ip));
	enn_write_u16(w, a->port);
	enn_write_u32(w, a->scope);
}

static void key_of(const struct enn_path *path, uint8_t key[KEY_LEN])
{
	struct enn_writer w = enn_writer_of(key, KEY_LEN);

	write_address(&w, &path->remote);
	write_address(&w, &path->local);
}

static struct entry *find(const struct enn_dtls_hub *hub, const struct enn_path *path)
{
	uint8_t key[KEY_LEN];
	struct entry *e = NULL;

	key_of(path, key);
	HASH_FIND(hh, hub->table, key, KEY_LEN, e);
	return e;
}

static bool enter(struct enn_dtls_hub *hub, const struct enn_path *path, struct enn_dtls *d)
{
	const struct enn_env *env = hub->env;
	struct entry *e = find(hub, path);

	if (e != NULL) {
		e->next = d;
		d->hub = hub;
		hub->refs++;
		return true;
	}
	e = enn_alloc(env, sizeof(*e));
	if (e == NULL) {
		return false;
	}
	e->engine = d;
	key_of(path, e->key);
	HASH_ADD(hh, hub->table, key, KEY_LEN, e);
	if (e->hh.tbl == NULL) {
		enn_free(env, e, sizeof(*e));
		return false;
	}
	d->hub = hub;
	hub->refs++;
	return true;
}

void enn_dtls_leave_hub(struct enn_dtls *d)
{
	struct enn_dtls_hub *hub = d->hub;
	const struct enn_env *env = hub->env;
	struct entry *e = find(hub, &d->path);

	d->hub = NULL;
	if (e != NULL && e->next == d) {
		e->next = NULL;
	} else if (e != NULL && e->engine == d) {
		e->engine = e->next;
		e->next = NULL;
		if (e->engine == NULL) {
			HASH_DEL(hub->table, e);
			enn_free(env, e, sizeof(*e));
		}
	}
	hub_release(hub);
}

/* ---- a stranger's hello ------------------------------------------------------------------------- */

struct hello {
	uint64_t sequence; /* of its record */
	uint16_t number;   /* of the message */
	struct enn_bytes body;
	struct enn_client_hello ch;
	bool wants_13;
};

/* A ClientHello that is whole and plain: in parts it cannot be answered without keeping them. */
static bool read_hello(const struct enn_dtls_hub *hub, const struct enn_packet *p, struct hello *h)
{
	struct enn_reader r = enn_reader_of(p->data, p->len);
	struct enn_fault fault;

	bool good = enn_read_u8(&r) == ENN_DTLS_HANDSHAKE;
	good = enn_read_u16(&r) >> 8 == ENN_DTLS_1_2 >> 8 && good;
	good = enn_read_u16(&r) == ENN_DTLS_EPOCH_PLAIN && good;
	h->sequence = enn_read_uint(&r, 6);
	struct enn_reader f = enn_read_sub(&r, 2, ENN_DTLS_FRAGMENT, UINT16_MAX);
	good = enn_read_u8(&f) == ENN_HS_CLIENT_HELLO && good;
	uint32_t len = enn_read_u24(&f);
	h->number = enn_read_u16(&f);
	good = enn_read_u24(&f) == 0 && enn_read_u24(&f) == len && good;
	h->body = enn_read_bytes(&f, len);
	if (!good || !enn_reader_ok(&f) || h->number > 1 ||
	    !enn_parse_client_hello(h->body, true, &h->ch, &fault)) {
		return false;
	}
	h->wants_13 = (h->ch.has & ENN_HAS_SUPPORTED_VERSIONS) != 0 &&
		      enn_u16_list_has(h->ch.versions, ENN_DTLS_1_3) &&
		      enn_code_list_has(enn_security_list(hub->security, ENN_SECURITY_VERSIONS),
					ENN_TLS_1_3);
	return true;
}

static struct enn_bytes address_of(const struct enn_path *path, uint8_t room[ADDRESS])
{
	struct enn_writer w = enn_writer_of(room, ADDRESS);

	enn_write_u8(&w, path->remote.family);
	enn_write_bytes(&w, path->remote.ip, sizeof(path->remote.ip));
	enn_write_u16(&w, path->remote.port);
	return (struct enn_bytes){room, ADDRESS};
}

static int64_t wall(const struct enn_dtls_hub *hub, enn_time now)
{
	return hub->env->wall_offset + (int64_t)now;
}

/* The cookie of 1.2: when it was made, and a MAC over that, the address, and what the hello must repeat
 * (RFC 6347 §4.2.1). */
static void make_verify_cookie(const struct enn_dtls_hub *hub, const struct enn_path *path,
			       const struct enn_client_hello *ch, int64_t made, uint8_t out[COOKIE])
{
	uint8_t address[ADDRESS], mac[ENN_MAX_HASH];
	struct enn_bytes from = address_of(path, address);
	struct enn_writer w = enn_writer_of(out, COOKIE);
	struct enn_hmac m;

	enn_write_u64(&w, (uint64_t)made);
	enn_hmac_init(&m, enn_hash_alg(ENN_HASH_SHA256), hub->secret, sizeof(hub->secret));
	enn_hmac_update(&m, out, MADE);
	enn_hmac_update(&m, from.data, from.len);
	enn_hmac_update(&m, ch->random.data, ch->random.len);
	enn_hmac_update(&m, ch->session_id.data, ch->session_id.len);
	enn_hmac_update(&m, ch->cipher_suites.data, ch->cipher_suites.len);
	enn_hmac_update(&m, ch->compression.data, ch->compression.len);
	enn_hmac_final(&m, mac);
	enn_write_bytes(&w, mac, COOKIE - MADE);
}

static bool fits_verify_cookie(const struct enn_dtls_hub *hub, enn_time now,
			       const struct enn_path *path, const struct enn_client_hello *ch)
{
	struct enn_reader r = enn_reader_of(ch->hello_cookie.data, ch->hello_cookie.len);
	int64_t made = (int64_t)enn_read_u64(&r);
	uint8_t want[COOKIE];
	int64_t age;

	if (ch->hello_cookie.len != COOKIE || __builtin_sub_overflow(wall(hub, now), made, &age) ||
	    age < 0 || age >= ENN_COOKIE_LIFETIME) {
		return false;
	}
	make_verify_cookie(hub, path, ch, made, want);
	return enn_equal_secret(want, ch->hello_cookie.data, COOKIE);
}

/* Whether the hello brings a cookie of ours, for this address. What a cookie of 1.3 says of the first hello
 * the handshake looks at. */
static bool brings_cookie(const struct enn_dtls_hub *hub, enn_time now, const struct enn_path *path,
			  const struct hello *h)
{
	struct enn_bytes cookie = h->ch.cookie;
	uint8_t room[512], address[ADDRESS];
	struct enn_bytes state;

	if (!h->wants_13) {
		return fits_verify_cookie(hub, now, path, &h->ch);
	}
	return cookie.len > 0 && cookie.len <= sizeof(room) &&
	       enn_cookie_open(hub->security->tickets, hub->env, wall(hub, now),
			       address_of(path, address), cookie, room, &state) == ENN_OK;
}

/* ---- answers without state --------------------------------------------------------------------- */

static void reply_verify(const struct enn_dtls_hub *hub, enn_time now, const struct enn_path *path,
			 const struct hello *h, struct enn_batch *reply)
{
	struct enn_writer w = enn_writer_of(reply->buf, reply->cap);
	uint8_t cookie[COOKIE];
	const uint32_t len = 3 + COOKIE;

	make_verify_cookie(hub, path, &h->ch, wall(hub, now), cookie);
	enn_write_u8(&w, ENN_DTLS_HANDSHAKE);
	enn_write_u16(&w, ENN_DTLS_1_2);
	enn_write_u16(&w, ENN_DTLS_EPOCH_PLAIN);
	enn_write_uint(&w, h->sequence, 6);
	size_t record = enn_write_begin(&w, 2);
	enn_write_u8(&w, ENN_HS_HELLO_VERIFY_REQUEST);
	enn_write_u24(&w, len);
	enn_write_u16(&w, 0);
	enn_write_u24(&w, 0);
	enn_write_u24(&w, len);
	enn_write_u16(&w, ENN_DTLS_1_0); /* whatever comes of it (RFC 6347 §4.2.1) */
	enn_write_vector(&w, 1, cookie, COOKIE);
	enn_write_end(&w, record, 2);
	if (enn_writer_ok(&w)) {
		reply->len = reply->segment_size = enn_writer_len(&w);
	}
}

/* An engine that lives as long as its answer takes: the HelloRetryRequest has all that is to be known
 * (handshake/cookie.c), and what is wrong with the hello is told with an alert. */
static void reply_retry(const struct enn_dtls_hub *hub, enn_time now, const struct enn_path *path,
			struct enn_packet *p, struct enn_batch *reply)
{
	const struct enn_engine_options options = {.path = *path};
	struct enn_dtls *d = NULL;
	struct enn_event event;

	if (enn_dtls_new(hub->env, hub->security, true, &options, &d, NULL) != ENN_OK) {
		return;
	}
	d->carrier.want_cookie = true;
	if (enn_engine_start(&d->base, now) == ENN_OK &&
	    enn_engine_ingest(&d->base, now, path, p, 1) == ENN_OK) {
		enn_engine_next_event(&d->base, now, &event);
		bool asks = event.type != ENN_EVENT_NONE && event.type != ENN_EVENT_FAILED;
		if (!asks) {
			(void)!enn_engine_transmit(&d->base, now, reply);
		}
	}
	enn_engine_free(&d->base);
}

/* ---- accepting --------------------------------------------------------------------------------- */

static enum enn_status create(struct enn_dtls_hub *hub, const struct enn_path *path,
			      const struct hello *h, struct enn_engine **out)
{
	const struct enn_engine_options options = {.path = *path};
	struct enn_dtls *d = NULL;

	ENN_TRY(enn_dtls_new(hub->env, hub->security, true, &options, &d, NULL));
	d->carrier.want_cookie = true;
	d->validated = true; /* by its cookie */
	memcpy(d->hello_random, h->ch.random.data, ENN_HS_RANDOM);
	if (!enter(hub, path, d)) {
		enn_engine_free(&d->base);
		return ENN_E_MEMORY;
	}
	*out = &d->base;
	return ENN_OK;
}

/* Of two with one client: it is over. Its peer hears nothing of that, for the other one is there. */
static void dismiss(struct enn_dtls *d)
{
	enn_dtls_leave_hub(d);
	enn_dtls_fail(d, ENN_ALERT_CLOSE_NOTIFY, ENN_REASON_CONNECTION_ABORTED, "ClientHello",
		      "the client began anew from the same address");
	d->alert_pending = false;
}

/* The one that was to follow has come to its handshake's end: the earlier one is over. */
static struct entry *settle(const struct enn_dtls_hub *hub, const struct enn_path *path)
{
	struct entry *e = find(hub, path);

	if (e != NULL && e->next != NULL && e->next->state == ENN_DTLS_STATE_OPEN) {
		dismiss(e->engine);
		e = find(hub, path);
	}
	return e;
}

/* Whether a packet is of the handshake that is on its way: by its epoch, which the header shows. */
static bool is_for_next(const struct entry *e, const struct enn_packet *p)
{
	struct enn_reader r = enn_reader_of(p->data, p->len);
	uint8_t first = enn_read_u8(&r);

	if ((first & ENN_DTLS_UNIFIED_MASK) == ENN_DTLS_UNIFIED) {
		return (first & ENN_DTLS_UNIFIED_EPOCH) == ENN_DTLS_EPOCH_HANDSHAKE;
	}
	(void)enn_read_u16(&r);
	/* In 1.2 both have the same epochs: the new one's counts from when it has keys. */
	return enn_read_u16(&r) == ENN_DTLS_EPOCH_PLAIN ||
	       e->next->receive[ENN_DTLS_SLOT_CURRENT].present;
}

static struct enn_engine *whose(const struct entry *e, const struct enn_packet *packets,
				size_t count)
{
	if (e == NULL) {
		return NULL;
	}
	bool next = e->next != NULL && count > 0 && is_for_next(e, &packets[0]);
	return next ? &e->next->base : &e->engine->base;
}

/* The hello that an association began with, late or replayed, does not begin another. */
static bool is_repeated(const struct entry *e, const struct hello *h)
{
	const uint8_t *random = h->ch.random.data;

	return e != NULL &&
	       (memcmp(e->engine->hello_random, random, ENN_HS_RANDOM) == 0 ||
		(e->next != NULL && memcmp(e->next->hello_random, random, ENN_HS_RANDOM) == 0));
}

static enum enn_status accept(struct enn_acceptor *base, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count, struct enn_batch *reply,
			      struct enn_engine **out, bool *created)
{
	struct enn_dtls_hub *hub = ((struct acceptor *)base)->hub;
	struct entry *e = settle(hub, path);
	struct hello h;

	*out = whose(e, packets, count);
	*created = false;
	reply->len = 0;
	if (count == 0 || !read_hello(hub, &packets[0], &h) || is_repeated(e, &h)) {
		return ENN_OK;
	}
	*out = NULL;
	if (!brings_cookie(hub, now, path, &h)) {
		reply->path = *path;
		if (h.wants_13) {
			reply_retry(hub, now, path, &packets[0], reply);
		} else {
			reply_verify(hub, now, path, &h, reply);
		}
		return ENN_OK;
	}
	if (e != NULL && e->next != NULL) {
		dismiss(e->next);
	}
	ENN_TRY(create(hub, path, &h, out));
	*created = true;
	return ENN_OK;
}

/* ---- construction ------------------------------------------------------------------------------ */

static void free_acceptor(struct enn_acceptor *base)
{
	struct acceptor *a = (struct acceptor *)base;
	const struct enn_env *env = a->hub->env;

	hub_release(a->hub);
	enn_free(env, a, sizeof(*a));
}

static const struct enn_acceptor_ops acceptor_ops = {.free = free_acceptor, .accept = accept};

static enum enn_status make(const struct enn_protocol *protocol, const struct enn_env *env,
			    struct enn_security *security, struct enn_acceptor **out)
{
	struct acceptor *a = enn_alloc(env, sizeof(*a));
	struct enn_dtls_hub *hub = enn_alloc(env, sizeof(*hub));

	if (a == NULL || hub == NULL) {
		enn_free(env, a, sizeof(*a));
		enn_free(env, hub, sizeof(*hub));
		return ENN_E_MEMORY;
	}
	*hub = (struct enn_dtls_hub){.env = env, .refs = 1, .security = enn_security_ref(security)};
	*a = (struct acceptor){.base = {.ops = &acceptor_ops, .protocol = protocol}, .hub = hub};
	*out = &a->base;
	return ENN_OK;
}

enum enn_status enn_dtls_new_acceptor(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      struct enn_acceptor **out, struct enn_error *error)
{
	const struct enn_engine_options none = {.server_name = NULL};
	struct enn_dtls *trial = NULL;

	/* What a server lacks is said now, and not to each client. */
	ENN_TRY(enn_dtls_new(env, security, true, &none, &trial, error));
	enum enn_status status = make(protocol, env, trial->carrier.security, out);
	enn_engine_free(&trial->base);
	return status == ENN_OK ? status
				: enn_error_set(error, status,
						status == ENN_E_MEMORY ? ENN_REASON_OUT_OF_MEMORY
								       : ENN_REASON_SYSTEM,
						"acceptor", "the listener cannot be made");
}
