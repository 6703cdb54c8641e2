/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up the endpoints of peers. One look-up at a time: libuv's threads are few, and a name
 * server that does not answer costs the names behind it a wait, not the tunnel.
 */
#include "tunnel_names.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WAIT   1000 /* ms between attempts; doubles */
#define LONGEST_WAIT 60000

struct name {
	struct name *next;
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint16_t port;
	uint64_t wait;
	uint64_t when; /* not before this time of the loop */
	char host[];
};

struct tunnel_names {
	uv_getaddrinfo_t lookup;
	uv_timer_t timer;
	struct tunnel_device device;
	struct name *waiting; /* the first is looked up next */
	struct name *current; /* under way; NULL: none */
	bool outdated;	      /* current belongs to an older configuration */
	bool closed;
	bool timer_closed;
};

static void go_on(struct tunnel_names *n);

/* ---- lists ------------------------------------------------------------------------------------ */

static void free_waiting(struct tunnel_names *n)
{
	while (n->waiting != NULL) {
		struct name *name = n->waiting;
		n->waiting = name->next;
		free(name);
	}
}

/* In the order of their times. */
static void enqueue(struct tunnel_names *n, struct name *name)
{
	struct name **at = &n->waiting;

	while (*at != NULL && (*at)->when <= name->when) {
		at = &(*at)->next;
	}
	name->next = *at;
	*at = name;
}

static bool add(struct tunnel_names *n, const struct tunnel_peer *peer, struct name ***tail)
{
	size_t size = strlen(peer->host) + 1;
	struct name *name = calloc(1, sizeof(*name) + size);

	if (name == NULL) {
		return false;
	}
	memcpy(name->host, peer->host, size);
	memcpy(name->public_key, peer->public_key, sizeof(name->public_key));
	name->port = peer->endpoint.port;
	name->wait = FIRST_WAIT;
	name->when = uv_now(n->timer.loop);
	**tail = name;
	*tail = &name->next;
	return true;
}

/* ---- one look-up ------------------------------------------------------------------------------ */

static bool address_of(const struct addrinfo *info, uint16_t port, struct enn_address *out)
{
	for (; info != NULL; info = info->ai_next) {
		memset(out, 0, sizeof(*out));
		out->port = port;
		if (info->ai_family == AF_INET) {
			struct sockaddr_in in;
			memcpy(&in, info->ai_addr, sizeof(in));
			memcpy(out->ip, &in.sin_addr, 4);
			out->family = ENN_FAMILY_IPV4;
			return true;
		}
		if (info->ai_family == AF_INET6) {
			struct sockaddr_in6 in6;
			memcpy(&in6, info->ai_addr, sizeof(in6));
			memcpy(out->ip, &in6.sin6_addr, 16);
			out->scope = in6.sin6_scope_id;
			out->family = ENN_FAMILY_IPV6;
			return true;
		}
	}
	return false;
}

static void found(struct tunnel_names *n, const struct name *name,
		  const struct enn_address *address)
{
	struct enn_wireguard_peer_change peer = {.flags = ENN_WIREGUARD_PEER_UPDATE_ONLY |
							  ENN_WIREGUARD_PEER_ENDPOINT,
						 .endpoint = *address};
	struct enn_wireguard_change change = {.peers = &peer, .peer_count = 1};
	struct enn_error error;
	char text[TEXT_ENDPOINT_MAX];

	memcpy(peer.public_key, name->public_key, sizeof(peer.public_key));
	if (enn_wireguard_configure(n->device.engine, enn_tunnel_now(n->device.tunnel), &change,
				    &error) != ENN_OK) {
		tunnel_log_error(n->device.log, name->host, &error);
		return;
	}
	tunnel_log(n->device.log, ENN_LOG_INFO, "%s is %s", name->host,
		   text_from_endpoint(address, text));
	enn_tunnel_wake(n->device.tunnel);
}

static void again(struct tunnel_names *n, struct name *name, const char *why)
{
	enum enn_log_level level = name->wait == FIRST_WAIT ? ENN_LOG_WARNING : ENN_LOG_DEBUG;

	tunnel_log(n->device.log, level, "the endpoint %s is not found (%s); trying again",
		   name->host, why);
	name->when = uv_now(n->timer.loop) + name->wait;
	name->wait = 2 * name->wait < LONGEST_WAIT ? 2 * name->wait : LONGEST_WAIT;
	enqueue(n, name);
}

static void maybe_free(struct tunnel_names *n)
{
	if (n->closed && n->timer_closed && n->current == NULL) {
		free(n);
	}
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *info)
{
	struct tunnel_names *n = lookup->data;
	struct name *name = n->current;
	struct enn_address address;

	n->current = NULL;
	if (n->closed || n->outdated) {
		free(name);
	} else if (status == 0 && address_of(info, name->port, &address)) {
		found(n, name, &address);
		free(name);
	} else {
		again(n, name, status == 0 ? "no address" : uv_strerror(status));
	}
	n->outdated = false;
	uv_freeaddrinfo(info);
	if (n->closed) {
		maybe_free(n);
	} else {
		go_on(n);
	}
}

/* ---- one after the other ---------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void go_on(struct tunnel_names *n)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	struct name *name = n->waiting;
	uint64_t now = uv_now(n->timer.loop);

	if (n->current != NULL || name == NULL) {
		return;
	}
	if (name->when > now) {
		(void)uv_timer_start(&n->timer, on_timer, name->when - now, 0);
		return;
	}
	n->waiting = name->next;
	n->lookup.data = n;
	int failure = uv_getaddrinfo(n->timer.loop, &n->lookup, on_found, name->host, NULL, &hints);
	if (failure == 0) {
		n->current = name;
		return;
	}
	again(n, name, uv_strerror(failure));
	(void)uv_timer_start(&n->timer, on_timer, FIRST_WAIT, 0);
}

struct tunnel_names *tunnel_names_new(uv_loop_t *loop, const struct tunnel_device *device)
{
	struct tunnel_names *n = calloc(1, sizeof(*n));

	if (n == NULL || uv_timer_init(loop, &n->timer) != 0) {
		free(n);
		return NULL;
	}
	n->timer.data = n;
	n->device = *device;
	return n;
}

bool tunnel_names_set(struct tunnel_names *n, const struct tunnel_config *config)
{
	struct name **tail = &n->waiting;

	free_waiting(n);
	n->outdated = n->current != NULL;
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct tunnel_peer *peer = &config->peers[i];
		if (peer->host != NULL && peer->endpoint.family == ENN_FAMILY_NONE &&
		    !add(n, peer, &tail)) {
			return false;
		}
	}
	go_on(n);
	return true;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tunnel_names *n = handle->data;

	n->timer_closed = true;
	maybe_free(n);
}

void tunnel_names_free(struct tunnel_names *n)
{
	if (n == NULL) {
		return;
	}
	free_waiting(n);
	n->closed = true;
	if (n->current != NULL) {
		(void)uv_cancel((uv_req_t *)&n->lookup);
	}
	uv_close((uv_handle_t *)&n->timer, on_timer_closed);
}
