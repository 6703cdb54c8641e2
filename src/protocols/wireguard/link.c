/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of a message connection: an interface with one peer, behind a
 * thin layer that puts messages into packets and takes them out.
 */
#include "protocols/wireguard/link.h"

#include "base/checksum.h"
#include "base/log.h"
#include "crypto/blake2s.h"
#include "features/security.h"
#include "protocols/wireguard/inner.h"

#define NEXT_HEADER_UDP 17
#define HOP_LIMIT	64

static const char address_label[] = "ennead wireguard address";

enum enn_status enn_wg_link_address(const struct enn_env *env, const uint8_t *public_key,
				    uint8_t address[16])
{
	uint8_t hash[ENN_BLAKE2S];
	const struct enn_bytes pieces[2] = {
		{(const uint8_t *)address_label, sizeof(address_label) - 1},
		{public_key, ENN_WG_KEY},
	};

	ENN_TRY(enn_blake2s(env, pieces, 2, hash));
	address[0] = 0xfd; /* RFC 4193 §3.1 */
	memcpy(address + 1, hash, 15);
	return ENN_OK;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* IPv6 (RFC 8200 §3) and UDP (RFC 768), whose checksum also covers the addresses, the length and the
 * next header (RFC 8200 §8.1). */
static void write_head(const struct enn_wg_link *link, struct enn_bytes message, uint8_t *head)
{
	struct enn_writer w = enn_writer_of(head, LINK_HEADER);
	uint16_t udp_len = (uint16_t)(8 + message.len);
	uint8_t pseudo[4];
	struct enn_writer p = enn_writer_of(pseudo, sizeof(pseudo));

	enn_write_u32(&w, UINT32_C(6) << 28);
	enn_write_u16(&w, udp_len);
	enn_write_u8(&w, NEXT_HEADER_UDP);
	enn_write_u8(&w, HOP_LIMIT);
	enn_write_bytes(&w, link->own_address, 16);
	enn_write_bytes(&w, link->peer_address, 16);
	enn_write_u16(&w, LINK_PORT);
	enn_write_u16(&w, LINK_PORT);
	enn_write_u16(&w, udp_len);
	enn_write_u16(&w, 0);
	enn_write_u16(&p, udp_len);
	enn_write_u16(&p, NEXT_HEADER_UDP);
	uint64_t sum = enn_checksum_add(head + 8, LINK_HEADER - 8, 0);
	sum = enn_checksum_add(pseudo, sizeof(pseudo), sum);
	uint16_t checksum =
		(uint16_t)~enn_checksum_fold(enn_checksum_add(message.data, message.len, sum));
	enn_checksum_store(head + LINK_HEADER - 2, checksum == 0 ? 0xffff : checksum);
}

/* The message inside; false: a packet that is none. Who sent it was checked by its address. */
static bool take_out(const struct enn_wg_link *link, struct enn_message *message)
{
	struct enn_reader r = enn_reader_of(message->data, message->len);

	bool good = enn_read_u32(&r) >> 28 == 6;
	uint16_t len = enn_read_u16(&r);
	good = good && enn_read_u8(&r) == NEXT_HEADER_UDP;
	(void)enn_read_u8(&r);
	(void)enn_read_bytes(&r, 16);
	struct enn_bytes to = enn_read_bytes(&r, 16);
	struct enn_bytes own = {link->own_address, 16};
	(void)enn_read_u16(&r);
	good = good && enn_bytes_equal(to, own) && enn_read_u16(&r) == LINK_PORT &&
	       enn_read_u16(&r) == len;
	(void)enn_read_u16(&r); /* the tag has vouched for more than the checksum could */
	if (!good || !enn_reader_ok(&r) || len < 8 || enn_reader_left(&r) < (size_t)len - 8) {
		return false;
	}
	struct enn_bytes text = enn_read_bytes(&r, (size_t)len - 8);
	message->data = text.data;
	message->len = text.len;
	message->stream = 0;
	return true;
}

/* ---- the contract ---------------------------------------------------------------------------- */

static struct enn_wg_peer *only_peer(const struct enn_wireguard *d)
{
	return d->peers[0];
}

static void fail(struct enn_wireguard *d, const char *text)
{
	struct enn_wg_link *link = d->link;

	if (link->failed || d->closed) {
		return;
	}
	link->failed = true;
	(void)enn_error_set(&link->error, ENN_E_FAILED, ENN_REASON_TIMEOUT, "WireGuard", "%s",
			    text);
	link->error.origin = ENN_ORIGIN_NETWORK;
	enn_wg_device_close(d);
}

void enn_wg_link_gave_up(struct enn_wireguard *d)
{
	fail(d, "the peer has not answered for 90 seconds");
}

static void out_of_patience(void *owner, enn_time now)
{
	struct enn_wireguard *d = owner;

	(void)now;
	if (!d->ready) {
		fail(d, d->link->server
				? "the client did not finish its handshake"
				: "no answer: wrong address, wrong keys, or the peer is not there");
	}
}

static void free_link(struct enn_engine *e)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	const struct enn_env *env = d->env;
	struct enn_wg_link *link = d->link;
	void (*freed)(void *ctx) = link->freed;
	void *ctx = link->gone_ctx;

	if (link->gone != NULL) {
		link->gone(ctx, d);
	}
	enn_timers_set(&d->timers, &link->patience, ENN_TIME_NEVER);
	enn_security_free(link->security);
	enn_free_secret(env, link, sizeof(*link));
	enn_wg_device_free(d);
	if (freed != NULL) {
		freed(ctx);
	}
}

static enum enn_status start(struct enn_engine *e, enn_time now)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	uint64_t patience = d->link->security->value[ENN_SECURITY_HANDSHAKE_TIMEOUT];

	if (d->started) {
		return ENN_E_STATE;
	}
	d->started = true;
	if (patience > 0) {
		enn_timers_set(&d->timers, &d->link->patience, now + patience * ENN_MILLISECOND);
	}
	if (!d->link->server) {
		enn_wg_begin_handshake(only_peer(d), now, false);
	}
	return ENN_OK;
}

static enum enn_status status_of(const struct enn_wireguard *d)
{
	if (d->link->failed) {
		return ENN_E_FAILED;
	}
	return d->closed ? ENN_E_CLOSED : ENN_OK;
}

static enum enn_status ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count)
{
	ENN_TRY(status_of((struct enn_wireguard *)e));
	return enn_wg_ops.ingest(e, now, path, packets, count);
}

static enum enn_status send(struct enn_engine *e, enn_time now, const struct enn_message *message)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	struct enn_wg_link *link = d->link;
	uint8_t *head = link->heads[d->queue_tail % SEND_RING];

	(void)now;
	ENN_TRY(status_of(d));
	if (message->flags != 0 || message->stream != 0 || message->len > LINK_MAX_MESSAGE) {
		return ENN_E_ARGUMENT;
	}
	const struct enn_wg_plain plain = {head, LINK_HEADER, message->data, message->len};
	ENN_TRY(enn_wg_queue(d, only_peer(d), &plain, message->user));
	write_head(link, (struct enn_bytes){message->data, message->len}, head);
	return ENN_OK;
}

static void next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	struct enn_wg_link *link = d->link;

	do {
		enn_wg_device_next_event(d, now, event);
	} while ((event->type == ENN_EVENT_RECEIVED && !take_out(link, &event->u.received)) ||
		 (event->type == ENN_EVENT_KEYS_UPDATED && event->u.keys.generation == 0));
	event->peer = 0;
	if (event->type == ENN_EVENT_CLOSED && link->failed) {
		event->type = ENN_EVENT_NONE;
	}
	if (event->type == ENN_EVENT_NONE && link->failed && !link->failed_told) {
		link->failed_told = true;
		event->type = ENN_EVENT_FAILED;
		event->u.error = link->error;
	}
}

static enum enn_status rekey(struct enn_engine *e, enn_time now, bool both)
{
	ENN_TRY(status_of((struct enn_wireguard *)e));
	return enn_wg_ops.rekey(e, now, both);
}

/* The peer follows the first authentic message from the new address, so one is sent. */
static enum enn_status migrate(struct enn_engine *e, enn_time now, const struct enn_path *path)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;
	struct enn_wg_peer *p = only_peer(d);

	(void)now;
	ENN_TRY(status_of(d));
	p->path.local = path->local;
	if (path->remote.family != ENN_FAMILY_NONE) {
		p->path.remote = path->remote;
	}
	enn_wg_want(p, WANT_KEEPALIVE);
	return ENN_OK;
}

static enum enn_status close(struct enn_engine *e, enn_time now, uint64_t code)
{
	ENN_TRY(status_of((struct enn_wireguard *)e));
	return enn_wg_ops.close(e, now, code);
}

static void info(const struct enn_engine *e, struct enn_info *info)
{
	const struct enn_wireguard *d = (const struct enn_wireguard *)e;

	enn_wg_ops.info(e, info);
	info->server = d->link->server;
	info->external_psk = info->ready && enn_wg_has_psk(&only_peer(d)->remote);
	if (info->ready) { /* READY has told the first ones */
		info->keys_sent = info->keys_received = only_peer(d)->generation - 1;
	}
	info->max_message = LINK_MAX_MESSAGE;
}

static bool error(const struct enn_engine *e, struct enn_error *out)
{
	const struct enn_wireguard *d = (const struct enn_wireguard *)e;

	if (d->link->failed) {
		*out = d->link->error;
	}
	return d->link->failed;
}

static enum enn_status transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	return enn_wg_transmit(e, now, batch);
}

static enn_time deadline(const struct enn_engine *e)
{
	return enn_wg_ops.deadline(e);
}

static void expire(struct enn_engine *e, enn_time now)
{
	enn_wg_ops.expire(e, now);
}

static const struct enn_engine_ops link_ops = {
	.free = free_link,
	.start = start,
	.ingest = ingest,
	.transmit = transmit,
	.deadline = deadline,
	.expire = expire,
	.send = send,
	.next_event = next_event,
	.rekey = rekey,
	.migrate = migrate,
	.close = close,
	.info = info,
	.error = error,
};

/* ---- construction ---------------------------------------------------------------------------- */

/* Identity and peer, as for an interface. */
static enum enn_status configure(struct enn_wireguard *d, const struct enn_peer_key *peer,
				 const struct enn_path *path, struct enn_error *error_out)
{
	struct enn_wireguard_prefix allowed = {.family = ENN_FAMILY_IPV6, .bits = 128};
	struct enn_wireguard_peer_change change = {
		.flags = ENN_WIREGUARD_PEER_PSK,
		.allowed_ips = &allowed,
		.allowed_ips_count = 1,
	};
	struct enn_wireguard_change whole = {
		.set_private_key = true, .peers = &change, .peer_count = 1};

	memcpy(allowed.ip, d->link->peer_address, sizeof(allowed.ip));
	memcpy(change.public_key, peer->public_key, ENN_WG_KEY);
	memcpy(change.preshared_key, peer->psk, ENN_WG_KEY);
	memcpy(whole.private_key, enn_security_static_key(d->link->security)->secret, ENN_WG_KEY);
	if (path->remote.family != ENN_FAMILY_NONE) {
		change.flags |= ENN_WIREGUARD_PEER_ENDPOINT;
		change.endpoint = path->remote;
	}
	enum enn_status status = enn_wireguard_configure(&d->base, 0, &whole, error_out);
	enn_wipe(&whole, sizeof(whole));
	enn_wipe(&change, sizeof(change));
	if (status != ENN_OK) {
		return status;
	}
	if (d->peer_count == 0) {
		return enn_error_set(error_out, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "peer key", "the peer's public key is our own");
	}
	d->peers[0]->path = *path;
	return enn_wg_link_address(d->env, d->local.public_key, d->link->own_address);
}

static enum enn_status make(const struct enn_env *env, struct enn_security *security,
			    const struct enn_peer_key *peer, bool server,
			    const struct enn_path *path, struct enn_wg_indices *indices,
			    struct enn_wireguard **out, struct enn_error *error_out)
{
	struct enn_wireguard *d;

	ENN_TRY(enn_wg_device_new(env, indices, &d));
	struct enn_wg_link *link = enn_alloc(env, sizeof(*link));
	if (link == NULL) {
		enn_wg_device_free(d);
		return ENN_E_MEMORY;
	}
	link->security = enn_security_ref(security);
	link->server = server;
	d->mtu = MAX_INNER; /* padding must not make a message too long to send */
	enn_timer_init(&link->patience, out_of_patience, d);
	d->link = link;
	enum enn_status status = enn_wg_link_address(env, peer->public_key, link->peer_address);
	if (status == ENN_OK) {
		status = configure(d, peer, path, error_out);
	}
	d->base.ops = &link_ops;
	if (status != ENN_OK) {
		free_link(&d->base);
		return status;
	}
	*out = d;
	return ENN_OK;
}

enum enn_status enn_wg_link_new(const struct enn_env *env, struct enn_security *security,
				const struct enn_peer_key *peer, bool server,
				const struct enn_path *path, struct enn_wg_indices *indices,
				struct enn_wireguard **out, struct enn_error *error_out)
{
	(void)enn_error_set(error_out, ENN_OK, ENN_REASON_NONE, "WireGuard", "%s", "");
	enum enn_status status = make(env, security, peer, server, path, indices, out, error_out);
	if (status == ENN_E_MEMORY) {
		return enn_error_set(error_out, status, ENN_REASON_OUT_OF_MEMORY, "WireGuard",
				     "out of memory");
	}
	if (status != ENN_OK && (error_out == NULL || error_out->reason == ENN_REASON_NONE)) {
		return enn_error_set(error_out, status, ENN_REASON_SYSTEM, "WireGuard",
				     "the connection cannot be made");
	}
	return status;
}

enum enn_status enn_wg_new_client(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error_out)
{
	struct enn_wireguard *d = NULL;

	(void)protocol;
	ENN_TRY(enn_security_acquire(security, error_out));
	enum enn_status status = ENN_E_ARGUMENT;
	if (enn_security_static_key(security) == NULL) {
		(void)enn_error_set(error_out, status, ENN_REASON_INVALID_CONFIGURATION,
				    "static key", "WireGuard needs a static key of ours");
	} else if (security->peer_key_count != 1) {
		(void)enn_error_set(error_out, status, ENN_REASON_INVALID_CONFIGURATION, "peer key",
				    "WireGuard needs exactly one peer key, not %zu",
				    security->peer_key_count);
	} else if (options->path.remote.family == ENN_FAMILY_NONE ||
		   options->path.remote.port == 0) {
		(void)enn_error_set(error_out, status, ENN_REASON_INVALID_CONFIGURATION, "path",
				    "WireGuard needs the peer's address and port");
	} else {
		status = enn_wg_link_new(env, security, &security->peer_key[0], false,
					 &options->path, NULL, &d, error_out);
	}
	enn_security_free(security); /* the engine has its own reference */
	if (d != NULL) {
		*out = &d->base;
	}
	return status;
}

/* For a listener there is the acceptor; this is for two ends that know each other. */
enum enn_status enn_wg_new_server(const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error_out)
{
	struct enn_wireguard *d = NULL;

	(void)protocol;
	ENN_TRY(enn_security_acquire(security, error_out));
	enum enn_status status = ENN_E_ARGUMENT;
	if (enn_security_static_key(security) == NULL || security->peer_key_count != 1) {
		(void)enn_error_set(error_out, status, ENN_REASON_INVALID_CONFIGURATION,
				    "static key",
				    "WireGuard needs a static key of ours and one peer key");
	} else {
		status = enn_wg_link_new(env, security, &security->peer_key[0], true,
					 &options->path, NULL, &d, error_out);
	}
	enn_security_free(security);
	if (d != NULL) {
		*out = &d->base;
	}
	return status;
}
