/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard behind the engine contract: an interface is one engine.
 */
#include "base/log.h"
#include "protocols/survey.h"
#include "protocols/wireguard/link.h"

/* ---- lists ------------------------------------------------------------------------------------ */

/* Rings: the head is served first, new ones join at the end. */
void enn_wg_want(struct enn_wg_peer *p, uint32_t wants)
{
	struct enn_wg_peer **head = &p->device->writers;

	if (p->wants == 0) {
		if (*head == NULL) {
			*head = p->next_writer = p->prev_writer = p;
		} else {
			p->next_writer = *head;
			p->prev_writer = (*head)->prev_writer;
			p->prev_writer->next_writer = p;
			(*head)->prev_writer = p;
		}
	}
	p->wants |= wants;
}

void enn_wg_unwant(struct enn_wg_peer *p, uint32_t wants)
{
	struct enn_wg_peer **head = &p->device->writers;
	bool was = p->wants != 0;

	p->wants &= ~wants;
	if (was && p->wants == 0) {
		p->prev_writer->next_writer = p->next_writer;
		p->next_writer->prev_writer = p->prev_writer;
		if (*head == p) {
			*head = p->next_writer == p ? NULL : p->next_writer;
		}
		p->next_writer = p->prev_writer = NULL;
	}
}

void enn_wg_tell(struct enn_wg_peer *p, uint32_t news)
{
	struct enn_wg_peer **head = &p->device->news;

	if (p->news == 0) {
		if (*head == NULL) {
			*head = p->next_news = p->prev_news = p;
		} else {
			p->next_news = *head;
			p->prev_news = (*head)->prev_news;
			p->prev_news->next_news = p;
			(*head)->prev_news = p;
		}
	}
	p->news |= news;
}

void enn_wg_untell(struct enn_wg_peer *p, uint32_t news)
{
	struct enn_wg_peer **head = &p->device->news;
	bool was = p->news != 0;

	p->news &= ~news;
	if (was && p->news == 0) {
		p->prev_news->next_news = p->next_news;
		p->next_news->prev_news = p->prev_news;
		if (*head == p) {
			*head = p->next_news == p ? NULL : p->next_news;
		}
		p->next_news = p->prev_news = NULL;
	}
}

/* ---- life ------------------------------------------------------------------------------------- */

void enn_wg_device_free(struct enn_wireguard *d)
{
	const struct enn_env *env = d->env;

	enn_wg_free_peers(d);
	enn_wg_cookies_close(d);
	enn_wg_local_clear(&d->tools, &d->local);
	enn_wg_tools_close(&d->tools);
	enn_prefix_clear(&d->routes);
	enn_free_secret(env, d, sizeof(*d));
}

static void free_engine(struct enn_engine *e)
{
	enn_wg_device_free((struct enn_wireguard *)e);
}

static enum enn_status open_parts(struct enn_wireguard *d)
{
	ENN_TRY(enn_wg_tools_open(&d->tools, d->env));
	return enn_wg_cookies_open(d);
}

enum enn_status enn_wg_device_new(const struct enn_env *env, struct enn_wg_indices *indices,
				  struct enn_wireguard **out)
{
	struct enn_wireguard *d = enn_alloc(env, sizeof(*d));

	*out = NULL;
	if (d == NULL) {
		return ENN_E_MEMORY;
	}
	d->base.ops = &enn_wg_ops;
	d->base.protocol = &enn_wireguard_protocol;
	d->env = env;
	d->tools.env = env;
	d->routes.env = env;
	d->indices = indices == NULL ? &d->own_indices : indices;
	enum enn_status status = open_parts(d);
	if (status != ENN_OK) {
		enn_wg_device_free(d);
		return status;
	}
	*out = d;
	return ENN_OK;
}

enum enn_status enn_wireguard_new(const struct enn_env *env, struct enn_engine **out,
				  struct enn_error *error)
{
	struct enn_wireguard *d;

	if (out == NULL || env == NULL || env->crypto == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "engine", "a parameter is missing");
	}
	*out = NULL;
	enum enn_status status = enn_wg_device_new(env, NULL, &d);
	if (status != ENN_OK) {
		return enn_error_set(error, status,
				     status == ENN_E_MEMORY ? ENN_REASON_OUT_OF_MEMORY
							    : ENN_REASON_SYSTEM,
				     "engine", "the interface cannot be made");
	}
	d->mtu = ENN_WIREGUARD_DEFAULT_MTU;
	*out = &d->base;
	return ENN_OK;
}

/* ---- the verbs -------------------------------------------------------------------------------- */

static enum enn_status start(struct enn_engine *e, enn_time now)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	if (d->started) {
		return ENN_E_STATE;
	}
	d->started = true;
	for (size_t i = 0; i < d->peer_count; i++) {
		enn_wg_timers_keepalive_changed(d->peers[i], now);
	}
	return ENN_OK;
}

static enum enn_status ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	(void)now;
	if (d->closed) {
		return ENN_E_CLOSED;
	}
	if (d->input.next != d->input.count || d->input.opened_next != d->input.next) {
		return ENN_E_AGAIN;
	}
	d->input = (struct enn_wg_input){.packets = packets, .count = count, .path = *path};
	return ENN_OK;
}

static enn_time deadline(const struct enn_engine *e)
{
	const struct enn_wireguard *d = (const struct enn_wireguard *)e;

	return d->started && !d->closed ? enn_timers_first(&d->timers) : ENN_TIME_NEVER;
}

static void expire(struct enn_engine *e, enn_time now)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	if (d->started && !d->closed) {
		enn_timers_expire(&d->timers, now);
	}
}

/* ---- events ----------------------------------------------------------------------------------- */

static void tell_news(struct enn_wireguard *d, struct enn_event *event)
{
	struct enn_wg_peer *p = d->news;

	event->peer = p->id;
	if (d->ready && !d->ready_told) {
		d->ready_told = true;
		event->type = ENN_EVENT_READY;
	} else if ((p->news & NEWS_KEYS) != 0) {
		enn_wg_untell(p, NEWS_KEYS);
		event->type = ENN_EVENT_KEYS_UPDATED;
		event->u.keys.direction = ENN_DIRECTION_SEND;
		event->u.keys.generation = p->generation - 1;
	} else {
		enn_wg_untell(p, NEWS_PATH);
		event->type = ENN_EVENT_PATH_CHANGED;
		event->u.path = p->path;
	}
}

static bool tell_sent(struct enn_wireguard *d, struct enn_event *event)
{
	if (d->queue_told == d->queue_sealed) {
		return false;
	}
	event->type = ENN_EVENT_SENT;
	event->u.sent.user = d->queue[d->queue_told++ % SEND_RING].user;
	return true;
}

void enn_wg_device_next_event(struct enn_wireguard *d, enn_time now, struct enn_event *event)
{
	memset(event, 0, offsetof(struct enn_event, u));
	for (;;) {
		if (d->news != NULL) {
			tell_news(d, event);
			return;
		}
		if (!d->closed && enn_wg_next_packet(d, now, event)) {
			return;
		}
		if (d->news == NULL) {
			break;
		}
	}
	if (!tell_sent(d, event) && d->closed && !d->closed_told) {
		d->closed_told = true;
		event->type = ENN_EVENT_CLOSED;
	}
}

static void next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	enn_wg_device_next_event((struct enn_wireguard *)e, now, event);
}

/* ---- the survey's post-connection interfaces --------------------------------------------------- */

/* With every peer that has a session; `both` changes nothing, new keys are for both directions. */
static enum enn_status rekey(struct enn_engine *e, enn_time now, bool both)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	(void)both;
	for (size_t i = 0; i < d->peer_count; i++) {
		if (d->peers[i]->current != NULL) {
			enn_wg_begin_handshake(d->peers[i], now, false);
		}
	}
	return ENN_OK;
}

/* All keys go. The protocol has no message for it: peers notice by silence. */
void enn_wg_device_close(struct enn_wireguard *d)
{
	d->closed = true;
	d->reply_head = d->reply_tail;
	d->queue_sealed = d->queue_tail;
	for (size_t i = 0; i < d->peer_count; i++) {
		struct enn_wg_peer *p = d->peers[i];
		enn_wg_timers_stop(p);
		enn_wg_keypairs_drop(p);
		enn_wg_handshake_clear(p);
		enn_wg_handshake_wipe(&p->device->tools, &p->incoming);
		enn_wg_unstage(p);
		enn_wg_unwant(p, UINT32_MAX);
		enn_wg_untell(p, UINT32_MAX);
	}
}

static enum enn_status close(struct enn_engine *e, enn_time now, uint64_t code)
{
	struct enn_wireguard *d = (struct enn_wireguard *)e;

	(void)now;
	(void)code;
	if (d->closed) {
		return ENN_E_CLOSED;
	}
	enn_wg_device_close(d);
	return ENN_OK;
}

static void info(const struct enn_engine *e, struct enn_info *info)
{
	const struct enn_wireguard *d = (const struct enn_wireguard *)e;

	memset(info, 0, sizeof(*info));
	info->protocol = e->protocol;
	info->ready = d->ready;
	info->version = "WireGuard v1";
	info->version_code = 1;
	info->cipher = "ChaCha20-Poly1305";
	info->key_exchange = "X25519";
	info->peer_authenticated = d->ready;
}

const struct enn_engine_ops enn_wg_ops = {
	.free = free_engine,
	.start = start,
	.ingest = ingest,
	.transmit = enn_wg_transmit,
	.deadline = deadline,
	.expire = expire,
	.send = enn_wg_send,
	.next_event = next_event,
	.rekey = rekey,
	.close = close,
	.info = info,
};

/* ---- the row of the survey's table -------------------------------------------------------------- */

#define BUILT(feature) (1u << ENN_FEATURE_##feature)

const struct enn_protocol enn_wireguard_protocol = {
	.id = ENN_PROTOCOL_WIREGUARD,
	.name = "WireGuard",
	.scheme = "wireguard",
	.title = "WireGuard",
	.spec = "Donenfeld, WireGuard, NDSS 2017",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_DATAGRAM, /* of connections; interfaces carry IP packets */
	.min_batch = MIN_BATCH,
	.features = ENN_SURVEY_WIREGUARD,
	.built = BUILT(AUTHENTICATED_ENCRYPTION) | BUILT(FORWARD_SECRECY) |
		 BUILT(PUBLIC_KEY_AUTHENTICATION) | BUILT(RESPONDER_AUTHENTICATION) |
		 BUILT(PRE_SHARED_KEY) | BUILT(MUTUAL_AUTHENTICATION) | BUILT(DOS_MITIGATION) |
		 BUILT(SOURCE_VALIDATION) | BUILT(LENGTH_HIDING_PADDING),
	.interfaces = ENN_INTERFACE_IDENTITY | ENN_INTERFACE_PSK_IMPORT |
		      ENN_INTERFACE_IDENTITY_VALIDATION | ENN_INTERFACE_SOURCE_VALIDATION |
		      ENN_INTERFACE_TERMINATION | ENN_INTERFACE_KEY_UPDATE | ENN_INTERFACE_MOBILITY,
	.new_client = enn_wg_new_client,
	.new_server = enn_wg_new_server,
	.new_acceptor = enn_wg_new_acceptor,
};
