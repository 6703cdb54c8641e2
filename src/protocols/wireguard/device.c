/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration of an interface. A change is checked first and everything it
 * needs is put aside; then it is applied, and that cannot fail.
 */
#include "base/log.h"
#include "protocols/wireguard/internal.h"

static struct enn_wireguard *device_of(const struct enn_engine *e)
{
	return e != NULL && e->ops == &enn_wg_ops ? (struct enn_wireguard *)e : NULL;
}

static struct enn_wg_peer *find(const struct enn_wireguard *d, const uint8_t *key)
{
	struct enn_wg_peer *p = NULL;

	HASH_FIND(hh, d->by_key, key, ENN_WG_KEY, p);
	return p;
}

/* Where the peers with a larger id begin. */
static size_t first_after(const struct enn_wireguard *d, uint64_t id)
{
	size_t low = 0;
	size_t high = d->peer_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (d->peers[middle]->id <= id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* ---- peers come and go ---------------------------------------------------------------------- */

/* Appends; ids grow, so the array stays in their order. */
static enum enn_status room_for_peer(struct enn_wireguard *d)
{
	if (d->peer_count < d->peer_cap) {
		return ENN_OK;
	}
	size_t cap = d->peer_cap == 0 ? 4 : 2 * d->peer_cap;
	struct enn_wg_peer **peers = enn_alloc(d->env, cap * sizeof(struct enn_wg_peer *));
	if (peers == NULL) {
		return ENN_E_MEMORY;
	}
	if (d->peer_count > 0) {
		memcpy(peers, d->peers, d->peer_count * sizeof(struct enn_wg_peer *));
	}
	enn_free(d->env, d->peers, d->peer_cap * sizeof(struct enn_wg_peer *));
	d->peers = peers;
	d->peer_cap = cap;
	return ENN_OK;
}

static enum enn_status add_peer(struct enn_wireguard *d, const uint8_t *key)
{
	const struct enn_env *env = d->env;

	ENN_TRY(room_for_peer(d));
	struct enn_wg_peer *p = enn_alloc(env, sizeof(*p));
	if (p == NULL) {
		return ENN_E_MEMORY;
	}
	p->device = d;
	p->fresh = true;
	p->last_initiation_received = p->last_initiation_sent = ENN_TIME_NEVER;
	p->staged_tail = &p->staged;
	memcpy(p->remote.public_key, key, ENN_WG_KEY);
	enn_wg_timers_init(p);
	HASH_ADD(hh, d->by_key, remote.public_key, ENN_WG_KEY, p);
	if (p->hh.tbl == NULL) {
		enn_free(env, p, sizeof(*p));
		return ENN_E_MEMORY;
	}
	p->id = ++d->last_id;
	d->peers[d->peer_count++] = p;
	return ENN_OK;
}

/* All but its place in d->peers. */
static void free_peer(struct enn_wg_peer *p)
{
	struct enn_wireguard *d = p->device;
	const struct enn_env *env = d->env;

	if (d->input.peer == p->id) {
		d->input.opened_next = d->input.next; /* what it sent is not told any more */
	}
	enn_wg_timers_stop(p);
	enn_wg_forget_queued(p);
	enn_wg_keypairs_drop(p);
	enn_wg_handshake_clear(p);
	enn_wg_handshake_wipe(&p->device->tools, &p->incoming);
	enn_wg_unstage(p);
	enn_wg_unwant(p, UINT32_MAX);
	enn_wg_untell(p, UINT32_MAX);
	enn_prefix_remove_all(&d->routes, &p->allowed);
	HASH_DEL(d->by_key, p);
	enn_free_secret(env, p, sizeof(*p));
}

/* Frees those for which `gone` holds, in one pass. */
static void free_peers_if(struct enn_wireguard *d, bool (*gone)(const struct enn_wg_peer *p))
{
	size_t left = 0;

	for (size_t i = 0; i < d->peer_count; i++) {
		if (gone(d->peers[i])) {
			free_peer(d->peers[i]);
		} else {
			d->peers[left++] = d->peers[i];
		}
	}
	d->peer_count = left;
}

static bool any(const struct enn_wg_peer *p)
{
	(void)p;
	return true;
}

static bool is_fresh(const struct enn_wg_peer *p)
{
	return p->fresh;
}

static bool is_not_kept(const struct enn_wg_peer *p)
{
	return !p->kept;
}

void enn_wg_free_peers(struct enn_wireguard *d)
{
	free_peers_if(d, any);
	enn_free(d->env, d->peers, d->peer_cap * sizeof(struct enn_wg_peer *));
	d->peers = NULL;
	d->peer_cap = 0;
}

/* ---- checking a change ---------------------------------------------------------------------- */

static bool address_is_valid(const struct enn_address *a)
{
	return (a->family == ENN_FAMILY_IPV4 || a->family == ENN_FAMILY_IPV6) && a->port != 0;
}

static enum enn_status check_prefix(const struct enn_wireguard_prefix *prefix,
				    struct enn_error *error)
{
	unsigned most = prefix->family == ENN_FAMILY_IPV4 ? 32 : 128;

	if (prefix->family != ENN_FAMILY_IPV4 && prefix->family != ENN_FAMILY_IPV6) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "allowed IPs", "%u is no address family", prefix->family);
	}
	if (prefix->bits > most) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "allowed IPs", "a prefix of %u bits is longer than an address",
				     prefix->bits);
	}
	return ENN_OK;
}

static enum enn_status check_peer(const struct enn_wireguard_peer_change *c, size_t *prefixes,
				  struct enn_error *error)
{
	if (c->allowed_ips_count > 0 && c->allowed_ips == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "allowed IPs", "there is a count and no list");
	}
	if ((c->flags & ENN_WIREGUARD_PEER_ENDPOINT) != 0 && !address_is_valid(&c->endpoint)) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "endpoint", "an endpoint needs an address and a port");
	}
	for (size_t i = 0; i < c->allowed_ips_count; i++) {
		ENN_TRY(check_prefix(&c->allowed_ips[i], error));
	}
	*prefixes += c->allowed_ips_count;
	return ENN_OK;
}

static enum enn_status prepare(struct enn_wireguard *d, const struct enn_wireguard_change *change,
			       const struct enn_wg_local *local, struct enn_error *error)
{
	size_t prefixes = 0;

	for (size_t i = 0; i < change->peer_count; i++) {
		ENN_TRY(check_peer(&change->peers[i], &prefixes, error));
	}
	for (size_t i = 0; i < change->peer_count; i++) {
		const struct enn_wireguard_peer_change *c = &change->peers[i];
		uint32_t never = ENN_WIREGUARD_PEER_REMOVE | ENN_WIREGUARD_PEER_UPDATE_ONLY;
		bool ourselves =
			local->present && memcmp(c->public_key, local->public_key, ENN_WG_KEY) == 0;
		if ((c->flags & never) != 0 || ourselves || find(d, c->public_key) != NULL) {
			continue;
		}
		if (d->peer_count >= MAX_PEERS) {
			return enn_error_set(error, ENN_E_LIMIT, ENN_REASON_INVALID_CONFIGURATION,
					     "peers", "there are %u peers already", MAX_PEERS);
		}
		if (add_peer(d, c->public_key) != ENN_OK) {
			return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "peers",
					     "out of memory");
		}
	}
	if (enn_prefix_reserve(&d->routes, prefixes) != ENN_OK) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "allowed IPs",
				     "out of memory");
	}
	return ENN_OK;
}

/* ---- applying it ---------------------------------------------------------------------------- */

/* Sessions are between two identities: with a new one of ours they end. */
static void change_identity(struct enn_wireguard *d, struct enn_wg_local *local)
{
	bool same = local->present == d->local.present &&
		    memcmp(local->public_key, d->local.public_key, ENN_WG_KEY) == 0;

	enn_wg_local_clear(&d->tools, &d->local);
	d->local = *local;
	local->key = NULL;
	if (same) {
		return;
	}
	for (size_t i = 0; i < d->peer_count; i++) {
		struct enn_wg_peer *p = d->peers[i];
		p->remote.shared_known = false;
		p->last_initiation_sent = ENN_TIME_NEVER;
		enn_wg_keypairs_drop(p);
		enn_wg_handshake_clear(p);
		enn_wg_handshake_wipe(&p->device->tools, &p->incoming);
		enn_wg_unwant(p, WANT_INITIATION | WANT_RESPONSE);
	}
}

static void set_endpoint(struct enn_wg_peer *p, const struct enn_address *endpoint)
{
	if (!enn_wg_same_address(&p->path.remote, endpoint)) {
		memset(&p->path, 0, sizeof(p->path));
		p->path.remote = *endpoint;
	}
}

static void set_allowed(struct enn_wg_peer *p, const struct enn_wireguard_peer_change *c)
{
	struct enn_wireguard *d = p->device;

	if ((c->flags & ENN_WIREGUARD_PEER_REPLACE_IPS) != 0) {
		enn_prefix_remove_all(&d->routes, &p->allowed);
	}
	for (size_t i = 0; i < c->allowed_ips_count; i++) {
		const struct enn_wireguard_prefix *a = &c->allowed_ips[i];
		struct enn_prefix prefix = {.family = a->family, .bits = a->bits};
		memcpy(prefix.ip, a->ip, sizeof(prefix.ip));
		if (a->remove) {
			(void)enn_prefix_remove(&d->routes, &prefix, &p->allowed);
		} else {
			(void)enn_prefix_insert(&d->routes, &prefix, &p->allowed);
		}
	}
}

/* A peer that stays through replace_peers has only what the change says, and its sessions. */
static void forget_settings(struct enn_wg_peer *p)
{
	enn_prefix_remove_all(&p->device->routes, &p->allowed);
	memset(p->remote.psk, 0, sizeof(p->remote.psk));
	p->persistent_keepalive = 0;
}

static void change_peer(struct enn_wg_peer *p, enn_time now,
			const struct enn_wireguard_peer_change *c)
{
	if ((c->flags & ENN_WIREGUARD_PEER_PSK) != 0) {
		memcpy(p->remote.psk, c->preshared_key, ENN_WG_KEY);
	}
	if ((c->flags & ENN_WIREGUARD_PEER_ENDPOINT) != 0) {
		set_endpoint(p, &c->endpoint);
	}
	set_allowed(p, c);
	if ((c->flags & ENN_WIREGUARD_PEER_KEEPALIVE) != 0) {
		bool changed = p->persistent_keepalive != c->persistent_keepalive;
		p->persistent_keepalive = c->persistent_keepalive;
		if (changed && p->device->started) {
			enn_wg_timers_keepalive_changed(p, now);
		}
	}
	if (p->staged != NULL && p->current == NULL) {
		enn_wg_begin_handshake(p, now, false); /* it may have an endpoint now */
	}
}

static void remove_peer(struct enn_wg_peer *p)
{
	struct enn_wireguard *d = p->device;
	size_t at = first_after(d, p->id - 1);

	memmove(&d->peers[at], &d->peers[at + 1],
		(d->peer_count - at - 1) * sizeof(struct enn_wg_peer *));
	d->peer_count--;
	free_peer(p);
}

static void apply_peers(struct enn_wireguard *d, enn_time now,
			const struct enn_wireguard_change *change)
{
	if (change->replace_peers) {
		for (size_t i = 0; i < d->peer_count; i++) {
			d->peers[i]->kept = d->peers[i]->fresh;
		}
		for (size_t i = 0; i < change->peer_count; i++) {
			struct enn_wg_peer *p = find(d, change->peers[i].public_key);
			if (p != NULL && !p->kept) {
				p->kept = true;
				forget_settings(p);
			}
		}
		free_peers_if(d, is_not_kept);
	}
	for (size_t i = 0; i < change->peer_count; i++) {
		struct enn_wg_peer *p = find(d, change->peers[i].public_key);
		if (p == NULL) {
			continue;
		}
		if ((change->peers[i].flags & ENN_WIREGUARD_PEER_REMOVE) != 0) {
			remove_peer(p);
		} else {
			p->fresh = false;
			change_peer(p, now, &change->peers[i]);
		}
	}
}

static void apply(struct enn_wireguard *d, enn_time now, const struct enn_wireguard_change *change,
		  struct enn_wg_local *local)
{
	if (change->set_private_key) {
		change_identity(d, local);
	}
	if (change->set_mtu) {
		d->mtu = change->mtu;
	}
	if (change->set_under_load) {
		d->cookies.always = change->under_load;
	}
	apply_peers(d, now, change);
	/* Nobody is a peer of itself. */
	struct enn_wg_peer *self = d->local.present ? find(d, d->local.public_key) : NULL;
	if (self != NULL) {
		remove_peer(self);
	}
}

enum enn_status enn_wireguard_configure(struct enn_engine *e, enn_time now,
					const struct enn_wireguard_change *change,
					struct enn_error *error)
{
	struct enn_wireguard *d = device_of(e);

	if (d == NULL || change == NULL || (change->peer_count > 0 && change->peers == NULL)) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "change", "there is no interface, or no change");
	}
	if (d->closed) {
		return enn_error_set(error, ENN_E_CLOSED, ENN_REASON_INVALID_CONFIGURATION,
				     "change", "the interface is closed");
	}
	struct enn_wg_local local = d->local;
	enum enn_status status = ENN_OK;
	local.key = NULL; /* stays the device's */
	if (change->set_private_key) {
		status = enn_wg_local_set(&d->tools, &local, change->private_key);
		if (status != ENN_OK) {
			(void)enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
					    "private key", "there is no public key for it");
		}
	}
	if (status == ENN_OK) {
		status = prepare(d, change, &local, error);
	}
	if (status == ENN_OK) {
		apply(d, now, change, &local);
	} else {
		free_peers_if(d, is_fresh);
	}
	enn_wg_local_clear(&d->tools, &local);
	return status;
}

/* ---- queries -------------------------------------------------------------------------------- */

void enn_wireguard_info(const struct enn_engine *e, struct enn_wireguard_info *info)
{
	const struct enn_wireguard *d = device_of(e);

	memset(info, 0, sizeof(*info));
	if (d == NULL) {
		return;
	}
	info->has_private_key = d->local.present;
	memcpy(info->private_key, d->local.private_key, ENN_WG_KEY);
	memcpy(info->public_key, d->local.public_key, ENN_WG_KEY);
	info->mtu = d->mtu;
	info->peer_count = d->peer_count;
	info->under_load = d->cookies.always || d->cookies.messages.left == 0;
	info->handshakes_dropped = d->handshakes_dropped;
	info->packets_dropped = d->packets_dropped;
}

static void describe(const struct enn_wg_peer *p, struct enn_wireguard_peer_info *info)
{
	memset(info, 0, sizeof(*info));
	info->id = p->id;
	memcpy(info->public_key, p->remote.public_key, ENN_WG_KEY);
	memcpy(info->preshared_key, p->remote.psk, ENN_WG_KEY);
	info->has_preshared_key = enn_wg_has_psk(&p->remote);
	info->path = p->path;
	info->last_handshake = p->last_handshake;
	info->sent_bytes = p->sent_bytes;
	info->received_bytes = p->received_bytes;
	info->persistent_keepalive = p->persistent_keepalive;
	info->has_session = p->current != NULL;
	info->allowed_ips_count = p->allowed.count;
}

bool enn_wireguard_next_peer(const struct enn_engine *e, uint64_t *cursor,
			     struct enn_wireguard_peer_info *info)
{
	const struct enn_wireguard *d = device_of(e);
	size_t at = d == NULL ? 0 : first_after(d, *cursor);

	if (d == NULL || at == d->peer_count) {
		return false;
	}
	describe(d->peers[at], info);
	*cursor = info->id;
	return true;
}

bool enn_wireguard_find_peer(const struct enn_engine *e,
			     const uint8_t public_key[ENN_WIREGUARD_KEY],
			     struct enn_wireguard_peer_info *info)
{
	const struct enn_wireguard *d = device_of(e);
	const struct enn_wg_peer *p = d == NULL ? NULL : find(d, public_key);

	if (p == NULL) {
		return false;
	}
	describe(p, info);
	return true;
}

size_t enn_wireguard_allowed_ips(const struct enn_engine *e, uint64_t peer,
				 struct enn_wireguard_prefix *out, size_t cap)
{
	const struct enn_wireguard *d = device_of(e);
	size_t at = d == NULL || peer == 0 ? 0 : first_after(d, peer - 1);

	if (d == NULL || at == d->peer_count || d->peers[at]->id != peer) {
		return 0;
	}
	const struct enn_prefix_owner *allowed = &d->peers[at]->allowed;
	const struct enn_prefix_node *node = NULL;
	struct enn_prefix prefix;
	for (size_t i = 0; i < cap && enn_prefix_walk(allowed, &node, &prefix); i++) {
		out[i] =
			(struct enn_wireguard_prefix){.family = prefix.family, .bits = prefix.bits};
		memcpy(out[i].ip, prefix.ip, sizeof(out[i].ip));
	}
	return allowed->count;
}
