/* SPDX-License-Identifier: Apache-2.0
 *
 * The passive side of message connections: one socket, one identity, many
 * peers that are known by their keys. A peer gets an engine with its first authentic
 * initiation; until then nothing is kept of it.
 */
#include "base/log.h"
#include "features/security.h"
#include "protocols/wireguard/link.h"

/* A peer that may connect. */
struct entry {
	const struct enn_peer_key *key; /* in the security parameters */
	struct enn_wireguard *engine;	/* NULL: not connected */
	uint8_t latest_timestamp[ENN_WG_TIMESTAMP];
	UT_hash_handle hh;
	uint8_t public_key[ENN_WG_KEY];
};

/* What acceptor and engines share; it goes with the last of them. */
struct hub {
	const struct enn_env *env;
	size_t refs;
	struct enn_security *security;
	struct enn_wg_indices indices;
	struct entry *table;
	struct entry *entries;
	size_t count;
};

struct acceptor {
	struct enn_acceptor base;
	struct hub *hub;
	struct enn_wireguard *front; /* judges and opens the first message of strangers */
};

/* ---- the hub ---------------------------------------------------------------------------------- */

static void hub_release(struct hub *hub)
{
	const struct enn_env *env = hub->env;

	if (--hub->refs > 0) {
		return;
	}
	HASH_CLEAR(hh, hub->table);
	enn_free(env, hub->entries, hub->count * sizeof(struct entry));
	enn_security_free(hub->security);
	enn_free(env, hub, sizeof(*hub));
}

static enum enn_status hub_fill(struct hub *hub)
{
	const struct enn_env *env = hub->env;
	const struct enn_security *s = hub->security;

	hub->entries = enn_alloc(env, s->peer_key_count * sizeof(struct entry));
	if (hub->entries == NULL) {
		return ENN_E_MEMORY;
	}
	hub->count = s->peer_key_count;
	for (size_t i = 0; i < hub->count; i++) {
		struct entry *e = &hub->entries[i];
		e->key = &s->peer_key[i];
		memcpy(e->public_key, e->key->public_key, ENN_WG_KEY);
		HASH_ADD(hh, hub->table, public_key, ENN_WG_KEY, e);
		if (e->hh.tbl == NULL) {
			return ENN_E_MEMORY;
		}
	}
	return ENN_OK;
}

static enum enn_status hub_new(const struct enn_env *env, struct enn_security *security,
			       struct hub **out)
{
	struct hub *hub = enn_alloc(env, sizeof(*hub));

	*out = NULL;
	if (hub == NULL) {
		return ENN_E_MEMORY;
	}
	hub->env = env;
	hub->refs = 1;
	hub->security = enn_security_ref(security);
	if (hub_fill(hub) != ENN_OK) {
		hub_release(hub);
		return ENN_E_MEMORY;
	}
	*out = hub;
	return ENN_OK;
}

static struct entry *find(struct hub *hub, const uint8_t *key)
{
	struct entry *e = NULL;

	HASH_FIND(hh, hub->table, key, ENN_WG_KEY, e);
	return e;
}

/* What must outlive the engine, so that an old initiation does not make a new one. */
static void engine_gone(void *ctx, const struct enn_wireguard *d)
{
	struct hub *hub = ctx;
	struct entry *e = find(hub, d->peers[0]->remote.public_key);

	if (e != NULL && e->engine == d) {
		memcpy(e->latest_timestamp, d->peers[0]->latest_timestamp, ENN_WG_TIMESTAMP);
		e->engine = NULL;
	}
}

/* The engine's indices are in the hub, so it holds the hub until they are gone. */
static void engine_freed(void *ctx)
{
	hub_release(ctx);
}

/* An engine that has ended may be held by the application for long: the peer is as good as gone. */
static void forget_ended(struct entry *e)
{
	const struct enn_wireguard *d = e->engine;

	if (d != NULL && d->closed) {
		memcpy(e->latest_timestamp, d->peers[0]->latest_timestamp, ENN_WG_TIMESTAMP);
		e->engine = NULL;
	}
}

/* ---- accepting -------------------------------------------------------------------------------- */

/* Whether the initiation is authentic and new, by the same rules as an engine's (WP §5.1). */
static bool is_authentic(struct acceptor *a, struct entry *e, const struct enn_wg_initiation *m,
			 struct enn_wg_handshake *hs)
{
	struct enn_wireguard *front = a->front;
	struct enn_wg_remote remote = {.hashes_known = false};
	uint8_t time[ENN_WG_TIMESTAMP];

	memcpy(remote.public_key, e->public_key, ENN_WG_KEY);
	bool good = enn_wg_remote_prepare(&front->tools, &front->local, &remote) == ENN_OK &&
		    enn_wg_prove_initiation(&front->tools, &remote, m, hs, time) == ENN_OK &&
		    memcmp(time, e->latest_timestamp, sizeof(time)) > 0;
	enn_wipe(&remote, sizeof(remote));
	return good;
}

/* The peer that an initiation is from; NULL: nobody we know. */
static struct entry *sender_of(struct acceptor *a, struct enn_bytes message)
{
	struct enn_wireguard *front = a->front;
	struct enn_wg_handshake hs = {.state = ENN_WG_HANDSHAKE_IDLE};
	struct enn_wg_initiation m;
	uint8_t key[ENN_WG_KEY];
	struct entry *e = NULL;

	enn_wg_parse_initiation(message, &m);
	if (enn_wg_open_initiation(&front->tools, &front->local, &m, &hs, key) == ENN_OK) {
		e = find(a->hub, key);
	}
	if (e != NULL) {
		forget_ended(e);
	}
	if (e != NULL && e->engine == NULL && !is_authentic(a, e, &m, &hs)) {
		e = NULL;
	}
	enn_wipe(&hs, sizeof(hs));
	return e;
}

static enum enn_status engine_for(struct acceptor *a, const struct enn_path *path, struct entry *e,
				  struct enn_engine **out, bool *created)
{
	struct hub *hub = a->hub;

	if (e->engine == NULL) {
		struct enn_wireguard *d;
		ENN_TRY(enn_wg_link_new(hub->env, hub->security, e->key, true, path, &hub->indices,
					&d, NULL));
		memcpy(d->peers[0]->latest_timestamp, e->latest_timestamp, ENN_WG_TIMESTAMP);
		d->link->gone = engine_gone;
		d->link->freed = engine_freed;
		d->link->gone_ctx = hub;
		hub->refs++;
		e->engine = d;
		*created = true;
	}
	*out = &e->engine->base;
	return ENN_OK;
}

static enum enn_status accept_initiation(struct acceptor *a, enn_time now,
					 const struct enn_path *path, struct enn_bytes message,
					 struct enn_batch *reply, struct enn_engine **out,
					 bool *created)
{
	struct entry *e = NULL;

	a->front->input.path = *path;
	switch (enn_wg_judge(a->front, now, message)) {
	case VERDICT_DROP:
		break;
	case VERDICT_COOKIE:
		enn_wg_reply_cookie(a->front, message);
		if (a->front->reply_head != a->front->reply_tail &&
		    reply->cap >= ENN_WG_COOKIE_REPLY_LEN) {
			enn_wg_write_reply(a->front, reply);
		}
		break;
	case VERDICT_WORK:
		e = sender_of(a, message);
		break;
	}
	return e == NULL ? ENN_OK : engine_for(a, path, e, out, created);
}

/* Everything but an initiation names the receiver. */
static struct enn_engine *receiver_of(struct acceptor *a, enum enn_wg_type type,
				      struct enn_bytes message)
{
	struct enn_reader r = enn_reader_of(message.data, message.len);

	(void)enn_read_u32_le(&r);
	if (type == ENN_WG_RESPONSE) {
		(void)enn_read_u32_le(&r);
	}
	struct enn_wg_index *index = enn_wg_indices_find(&a->hub->indices, enn_read_u32_le(&r));
	return index == NULL ? NULL : &index->peer->device->base;
}

static enum enn_status accept(struct enn_acceptor *base, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count, struct enn_batch *reply,
			      struct enn_engine **out, bool *created)
{
	struct acceptor *a = (struct acceptor *)base;

	*out = NULL;
	*created = false;
	reply->len = 0;
	/* One path is one peer: the first message that says whose it is decides for all. */
	for (size_t i = 0; i < count && *out == NULL; i++) {
		struct enn_bytes message = {packets[i].data, packets[i].len};
		enum enn_wg_type type = enn_wg_classify(message);
		if (type == ENN_WG_INITIATION) {
			ENN_TRY(accept_initiation(a, now, path, message, reply, out, created));
		} else if (type != ENN_WG_NONE) {
			*out = receiver_of(a, type, message);
		}
	}
	return ENN_OK;
}

static void free_acceptor(struct enn_acceptor *base)
{
	struct acceptor *a = (struct acceptor *)base;
	const struct enn_env *env = a->hub->env;

	enn_wg_device_free(a->front);
	hub_release(a->hub);
	enn_free(env, a, sizeof(*a));
}

static const struct enn_acceptor_ops acceptor_ops = {.free = free_acceptor, .accept = accept};

/* ---- construction ----------------------------------------------------------------------------- */

static enum enn_status fill(struct acceptor *a, const struct enn_env *env,
			    struct enn_security *security)
{
	ENN_TRY(hub_new(env, security, &a->hub));
	ENN_TRY(enn_wg_device_new(env, NULL, &a->front));
	return enn_wg_local_set(&a->front->tools, &a->front->local,
				enn_security_static_key(security)->secret);
}

static enum enn_status make(const struct enn_protocol *protocol, const struct enn_env *env,
			    struct enn_security *security, struct enn_acceptor **out)
{
	struct acceptor *a = enn_alloc(env, sizeof(*a));

	if (a == NULL) {
		return ENN_E_MEMORY;
	}
	a->base.ops = &acceptor_ops;
	a->base.protocol = protocol;
	enum enn_status status = fill(a, env, security);
	if (status != ENN_OK) {
		if (a->front != NULL) {
			enn_wg_device_free(a->front);
		}
		if (a->hub != NULL) {
			hub_release(a->hub);
		}
		enn_free(env, a, sizeof(*a));
		return status;
	}
	*out = &a->base;
	return ENN_OK;
}

enum enn_status enn_wg_new_acceptor(const struct enn_protocol *protocol, const struct enn_env *env,
				    struct enn_security *security, struct enn_acceptor **out,
				    struct enn_error *error)
{
	ENN_TRY(enn_security_acquire(security, error));
	enum enn_status status = ENN_E_ARGUMENT;
	if (enn_security_static_key(security) == NULL || security->peer_key_count == 0) {
		(void)enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION, "static key",
				    "WireGuard needs a static key of ours and the peers' keys");
	} else {
		status = make(protocol, env, security, out);
		if (status != ENN_OK) {
			(void)enn_error_set(error, status,
					    status == ENN_E_MEMORY ? ENN_REASON_OUT_OF_MEMORY
								   : ENN_REASON_SYSTEM,
					    "WireGuard", "the listener cannot be made");
		}
	}
	enn_security_free(security); /* the hub has its own reference */
	return status;
}
