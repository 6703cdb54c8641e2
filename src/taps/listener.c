/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners: passive open on every local endpoint, and the connections that are
 * still in their handshake.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/security.h"
#include "runtime/address.h"
#include "taps/internal.h"
#include "taps/preconnection.h"

#define PORT_TRIES 16 /* for one free port in both families */

struct enn_listen *enn_listen_of(struct enn_listener listener)
{
	if (listener.context == NULL) {
		return NULL;
	}
	return enn_slots_get(&listener.context->listeners, listener.id);
}

void enn_listen_wake(struct enn_listen *l)
{
	if (!l->marked) {
		l->marked = true;
		l->next_marked = l->ctx->marked_listeners;
		l->ctx->marked_listeners = l;
		enn_runtime_wake(l->ctx->rt);
	}
}

/* ---- incoming connections ------------------------------------------------------------ */

static bool has_room(const struct enn_listen *l)
{
	return !l->stopped && l->handshaking < l->limit &&
	       l->ctx->connections.count < l->ctx->options.max_connections;
}

/* Tells the application that an incoming connection was lost, if it wants to know. */
static void soft_error(struct enn_listen *l, const struct enn_error *error)
{
	struct enn_queued queued = {.type = ENN_TAPS_SOFT_ERROR, .listener = l->id};

	if (l->config->value[ENN_PROPERTY_SOFT_ERROR_NOTIFY] > ENN_PREFER ||
	    l->soft_errors >= ENN_MAX_SOFT_ERRORS) {
		return;
	}
	queued.u.soft = enn_error_copy(enn_context_env(l->ctx), error);
	if (queued.u.soft == NULL) {
		return;
	}
	if (enn_context_push(l->ctx, &queued)) {
		l->soft_errors++;
	} else {
		enn_context_discard(l->ctx, &queued);
	}
}

static void lose(struct enn_listen *l, const struct enn_error *error)
{
	char line[ENN_ERROR_TEXT_MAX + 64];

	enn_log(enn_context_env(l->ctx), ENN_LOG_DEBUG, "incoming connection lost: %s",
		enn_error_string(error, line, sizeof(line)));
	soft_error(l, error);
}

/* Who comes waits until there is room, or is sent away to try again. */
static void hold(struct enn_listen *l)
{
	l->held = true;
	l->ctx->held = true;
	enn_inbound_pause(l->inbound, true);
}

void enn_listen_room(struct enn_context *ctx)
{
	if (!ctx->held) {
		return;
	}
	ctx->held = false;
	for (size_t i = 0; i < ctx->listeners.cap; i++) {
		struct enn_listen *l = enn_slots_at(&ctx->listeners, i);
		if (l != NULL && l->held) {
			ctx->held = true;
			enn_listen_wake(l);
		}
	}
}

/* Takes one who arrived; false: nobody was taken. */
static bool on_arrival(void *owner, struct enn_inbound *inbound)
{
	struct enn_listen *l = owner;
	struct enn_conn *c = NULL;
	struct enn_address nobody = {0};
	struct enn_error error = {.where = "accept", .wire_code = ENN_NO_WIRE_CODE};
	enum enn_status status;

	if (!has_room(l)) {
		hold(l);
		return false;
	}
	enn_runtime_sync_clock(l->ctx->rt);
	status = enn_conn_new(l->ctx, l->config, l->protocol, &c);
	if (status != ENN_OK) {
		enn_inbound_rest(inbound);
		return false;
	}
	c->server = true;
	c->listener = l->id;
	c->user = l->user;
	c->winner = enn_attempt_new(c, &nobody);
	l->handshaking++;
	if (c->winner == NULL) {
		(void)enn_error_set(&error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "accept",
				    "out of memory");
		status = ENN_E_MEMORY;
	} else {
		status = enn_attempt_accept(c->winner, inbound, &error);
	}
	if (status != ENN_OK) {
		enn_listen_lost(c, status == ENN_E_AGAIN ? NULL : &error);
	}
	return status == ENN_OK;
}

void enn_listen_announce(struct enn_conn *c)
{
	struct enn_listen *l = enn_slots_get(&c->ctx->listeners, c->listener);
	struct enn_queued queued = {.type = ENN_TAPS_CONNECTION_RECEIVED, .listener = c->listener};

	if (c->announced || l == NULL) {
		return;
	}
	c->announced = true;
	l->handshaking--;
	if (l->limit != UINT64_MAX) {
		l->limit--;
	}
	enn_conn_keep(c, &queued);
}

void enn_listen_lost(struct enn_conn *c, const struct enn_error *error)
{
	struct enn_listen *l = enn_slots_get(&c->ctx->listeners, c->listener);

	if (l != NULL) {
		l->handshaking--;
		if (error != NULL) {
			lose(l, error);
		}
	}
	enn_conn_destroy(c, ENN_RELEASE_LINGER); /* an alert may be on its way */
}

void enn_listen_work(struct enn_listen *l)
{
	if (!l->held || l->inbound == NULL || !has_room(l)) {
		return;
	}
	l->held = false;
	enn_inbound_pause(l->inbound, false);
}

/* ---- stopping ------------------------------------------------------------------------ */

static void close_sockets(struct enn_listen *l)
{
	enn_inbound_close(l->inbound);
	l->inbound = NULL;
}

/* Those still in their handshake and, with `all`, those that the application has not taken. */
static void drop_connections(struct enn_listen *l, bool all)
{
	struct enn_context *ctx = l->ctx;

	for (size_t i = 0; i < ctx->connections.cap; i++) {
		struct enn_conn *c = enn_slots_at(&ctx->connections, i);
		if (c == NULL || c->listener != l->id || !c->server) {
			continue;
		}
		if (!c->announced || (all && !c->taken)) {
			l->handshaking -= !c->announced;
			enn_conn_destroy(c, ENN_RELEASE_RESET);
		}
	}
}

enum enn_status enn_listener_stop(struct enn_listener listener)
{
	struct enn_listen *l = enn_listen_of(listener);
	struct enn_queued queued = {.type = ENN_TAPS_STOPPED};

	if (l == NULL) {
		return ENN_E_STALE;
	}
	if (l->stopped) {
		return ENN_E_CLOSED;
	}
	l->stopped = true;
	l->promised = false;
	close_sockets(l);
	drop_connections(l, false);
	queued.listener = l->id;
	enn_context_keep(l->ctx, &queued);
	return ENN_OK;
}

void enn_listen_destroy(struct enn_listen *l)
{
	struct enn_context *ctx = l->ctx;

	for (struct enn_listen **at = &ctx->marked_listeners; *at != NULL;
	     at = &(*at)->next_marked) {
		if (*at == l) {
			*at = l->next_marked;
			break;
		}
	}
	close_sockets(l);
	if (l->promised) {
		enn_queue_forgo(&ctx->queue, 1);
	}
	enn_slots_remove(&ctx->listeners, l->id);
	enn_config_free(l->config);
	enn_free(enn_context_env(ctx), l, sizeof(*l));
}

void enn_listener_free(struct enn_listener listener)
{
	struct enn_listen *l = enn_listen_of(listener);

	if (l != NULL) {
		drop_connections(l, true);
		enn_listen_destroy(l);
	}
}

enum enn_status enn_listener_set_new_connection_limit(struct enn_listener listener, uint64_t limit)
{
	struct enn_listen *l = enn_listen_of(listener);

	if (l == NULL) {
		return ENN_E_STALE;
	}
	if (l->stopped) {
		return ENN_E_CLOSED;
	}
	l->limit = limit;
	enn_listen_wake(l);
	return ENN_OK;
}

/* Whether a server's engine can be made with them: what is wrong shows now, not with the first client. */
static enum enn_status try_security(const struct enn_listen *l, struct enn_security *security,
				    struct enn_error *error)
{
	struct enn_engine *engine = NULL;
	enum enn_status status = enn_engine_new_server(l->protocol, enn_context_env(l->ctx),
						       security, NULL, &engine, error);

	enn_engine_free(engine);
	return status;
}

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "listener",
			     "out of memory");
}

enum enn_status enn_listener_set_security(struct enn_listener listener,
					  const struct enn_security *security,
					  struct enn_error *error)
{
	struct enn_listen *l = enn_listen_of(listener);

	if (l == NULL || l->stopped || security == NULL) {
		return enn_error_set(error,
				     l == NULL	  ? ENN_E_STALE
				     : l->stopped ? ENN_E_CLOSED
						  : ENN_E_ARGUMENT,
				     ENN_REASON_INVALID_CONFIGURATION, "listener",
				     "there is no listener, or nothing to set");
	}
	if (enn_protocol_is_lossy(l->protocol)) { /* its acceptor was made with the old ones */
		return enn_error_set(error, ENN_E_UNSUPPORTED, ENN_REASON_INVALID_CONFIGURATION,
				     "listener", "%s listeners keep their parameters",
				     l->protocol->name);
	}
	struct enn_security *copy = enn_security_copy(security);
	if (copy == NULL || enn_security_inherit(copy, l->config->security) != ENN_OK) {
		enn_security_free(copy);
		return no_memory(error);
	}
	enum enn_status status = try_security(l, copy, error);
	/* Connections of the listener share its configuration: they keep the old one. */
	struct enn_config *config =
		status == ENN_OK ? enn_config_own(enn_config_ref(l->config)) : NULL;
	if (config == NULL) {
		if (status == ENN_OK) {
			enn_config_free(l->config); /* the reference that could not be exchanged */
		}
		enn_security_free(copy);
		return status == ENN_OK ? no_memory(error) : status;
	}
	enn_security_free(config->security);
	config->security = copy;
	enn_config_free(l->config);
	l->config = config;
	return ENN_OK;
}

enum enn_status enn_listener_local_address(struct enn_listener listener, size_t index,
					   struct enn_address *out)
{
	const struct enn_listen *l = enn_listen_of(listener);

	if (l == NULL) {
		return ENN_E_STALE;
	}
	if (l->inbound == NULL || index >= enn_inbound_sockets(l->inbound)) {
		return ENN_E_NOT_FOUND;
	}
	enn_inbound_address(l->inbound, index, out);
	return ENN_OK;
}

/* ---- listening ----------------------------------------------------------------------- */

static enum enn_status bind_failed(const struct enn_address *address, int uv_error,
				   struct enn_error *error)
{
	char text[ENN_ADDRESS_TEXT_MAX];

	(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "listen", "%s: %s",
			    enn_address_string(address, text, sizeof(text)), uv_strerror(uv_error));
	if (error != NULL) {
		error->sys_errno = -uv_error;
	}
	return ENN_E_SYSTEM;
}

static enum enn_status add_socket(struct enn_listen *l, const struct enn_address *address,
				  int *uv_error)
{
	return enn_inbound_add(l->inbound, address, enn_required_interface(l->config), uv_error);
}

/* Both families on one port; a system without IPv6 has IPv4 alone. */
static enum enn_status listen_everywhere(struct enn_listen *l, uint16_t port,
					 struct enn_error *error)
{
	struct enn_address v6 = {.family = ENN_FAMILY_IPV6, .port = port};
	struct enn_address v4 = {.family = ENN_FAMILY_IPV4, .port = port};
	int uv_error = 0;

	for (int i = 0; i < PORT_TRIES; i++) {
		enum enn_status status = add_socket(l, &v6, &uv_error);
		if (status == ENN_E_SYSTEM &&
		    (uv_error == UV_EAFNOSUPPORT || uv_error == UV_EADDRNOTAVAIL)) {
			break;
		}
		if (status != ENN_OK) {
			return bind_failed(&v6, uv_error, error);
		}
		struct enn_address bound;
		enn_inbound_address(l->inbound, enn_inbound_sockets(l->inbound) - 1, &bound);
		v4.port = bound.port;
		if (add_socket(l, &v4, &uv_error) == ENN_OK) {
			return ENN_OK;
		}
		if (port != 0 || uv_error != UV_EADDRINUSE) {
			return bind_failed(&v4, uv_error, error);
		}
		enn_inbound_remove_last(l->inbound); /* the port is taken there: another */
		v4.port = 0;
	}
	return add_socket(l, &v4, &uv_error) == ENN_OK ? ENN_OK : bind_failed(&v4, uv_error, error);
}

static enum enn_status listen_on_host(struct enn_listen *l, const struct enn_local *local,
				      struct enn_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL;
	struct enn_address address;
	int uv_error = 0;

	if (enn_address_parse(local->host, local->port, &address)) {
		return add_socket(l, &address, &uv_error) == ENN_OK
			       ? ENN_OK
			       : bind_failed(&address, uv_error, error);
	}
	int failed = getaddrinfo(local->host, NULL, &hints, &list);
	if (failed != 0) {
		return enn_error_set(error, ENN_E_NOT_FOUND, ENN_REASON_RESOLUTION_FAILED,
				     "local endpoint", "%.100s: %s", local->host,
				     gai_strerror(failed));
	}
	enum enn_status status = ENN_E_NOT_FOUND;
	for (struct addrinfo *i = list;
	     i != NULL && enn_inbound_sockets(l->inbound) < ENN_INBOUND_SOCKETS; i = i->ai_next) {
		if (!enn_address_from_sockaddr(i->ai_addr, &address)) {
			continue;
		}
		address.port = local->port;
		status = add_socket(l, &address, &uv_error);
		if (status != ENN_OK) {
			status = bind_failed(&address, uv_error, error);
			break;
		}
	}
	freeaddrinfo(list);
	return status;
}

static enum enn_status open_sockets(struct enn_listen *l, struct enn_error *error)
{
	for (size_t i = 0; i < l->config->locals; i++) {
		const struct enn_local *local = l->config->local[i];
		if (enn_inbound_sockets(l->inbound) + 2 > ENN_INBOUND_SOCKETS) {
			return enn_error_set(error, ENN_E_LIMIT, ENN_REASON_INVALID_CONFIGURATION,
					     "local endpoint", "too many addresses");
		}
		ENN_TRY(local->host[0] == '\0' ? listen_everywhere(l, local->port, error)
					       : listen_on_host(l, local, error));
	}
	return ENN_OK;
}

static struct enn_listen *new_listener(struct enn_preconnection *pre,
				       const struct enn_protocol *protocol)
{
	struct enn_context *ctx = pre->ctx;
	const struct enn_env *env = enn_context_env(ctx);
	struct enn_listen *l;

	if (!enn_queue_promise(&ctx->queue, env, 1)) {
		return NULL;
	}
	l = enn_alloc(env, sizeof(*l));
	if (l != NULL) {
		l->id = enn_slots_add(&ctx->listeners, env, l);
	}
	if (l == NULL || l->id == 0) {
		enn_queue_forgo(&ctx->queue, 1);
		enn_free(env, l, sizeof(*l));
		return NULL;
	}
	l->ctx = ctx;
	l->config = enn_config_ref(pre->config);
	l->protocol = protocol;
	l->user = pre->config->user;
	l->limit = UINT64_MAX;
	l->promised = true;
	return l;
}

enum enn_status enn_preconnection_listen(struct enn_preconnection *pre, struct enn_listener *out,
					 struct enn_error *error)
{
	const struct enn_protocol *protocol = NULL;

	*out = (struct enn_listener){0};
	if (pre->config->locals == 0) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "preconnection", "there is no local endpoint");
	}
	ENN_TRY(enn_preconnection_complete(pre, error));
	ENN_TRY(enn_preconnection_select(pre, true, &protocol, error));
	struct enn_listen *l = new_listener(pre, protocol);
	if (l == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "preconnection",
				     "out of memory");
	}
	enum enn_status status = enn_transport_of(protocol)->listen(
		pre->ctx->rt, protocol, l->config->security, on_arrival, l, &l->inbound, error);
	if (status == ENN_OK) {
		status = open_sockets(l, error);
	}
	if (status != ENN_OK) {
		enn_listen_destroy(l);
		return status;
	}
	*out = (struct enn_listener){pre->ctx, l->id};
	return ENN_OK;
}
