/* SPDX-License-Identifier: Apache-2.0
 *
 * Attempts: one driver with one engine on it, and what its events mean for the
 * connection. Engine events only change state and mark the connection.
 */
#include <net/if.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"
#include "taps/internal.h"

static const struct enn_env *env_of(const struct enn_attempt *a)
{
	return enn_context_env(a->conn->ctx);
}

/* ---- life ---------------------------------------------------------------------------- */

struct enn_attempt *enn_attempt_new(struct enn_conn *c, const struct enn_address *remote)
{
	const struct enn_env *env = enn_context_env(c->ctx);
	struct enn_attempt *a;

	if (c->attempts == c->attempts_cap) {
		size_t cap = c->attempts_cap == 0 ? 1 : 2 * c->attempts_cap;
		struct enn_attempt **more = enn_alloc(env, cap * sizeof(struct enn_attempt *));
		if (more == NULL) {
			return NULL;
		}
		if (c->attempts > 0) {
			memcpy(more, c->attempt, c->attempts * sizeof(struct enn_attempt *));
		}
		enn_free(env, c->attempt, c->attempts_cap * sizeof(struct enn_attempt *));
		c->attempt = more;
		c->attempts_cap = cap;
	}
	a = enn_alloc(env, sizeof(*a));
	if (a != NULL) {
		a->conn = c;
		a->remote = *remote;
		a->fate = ENN_CANDIDATE_WAITING;
		c->attempt[c->attempts++] = a;
	}
	return a;
}

void enn_attempt_answered(struct enn_attempt *a)
{
	enn_free(env_of(a), a->asked, a->asked_len);
	a->asked = NULL;
	a->asked_len = 0;
	a->question = ENN_NO_QUESTION;
}

void enn_attempt_free(struct enn_attempt *a)
{
	enn_attempt_answered(a);
	enn_attempt_stop_signing(a);
	enn_attempt_stop_asking(a);
	enn_driver_free(a->driver);
	enn_free(env_of(a), a->ech_retry, a->ech_retry_len);
	enn_free(env_of(a), a->error, sizeof(*a->error));
	enn_free(env_of(a), a->trouble, sizeof(*a->trouble));
	enn_free(env_of(a), a, sizeof(*a));
}

void enn_attempt_drop(struct enn_attempt *a, enum enn_candidate_fate fate, enum enn_release how)
{
	if (a->fate == ENN_CANDIDATE_WAITING) {
		a->fate = ENN_CANDIDATE_UNTRIED;
	} else if (a->fate == ENN_CANDIDATE_CONNECTING || a->fate == ENN_CANDIDATE_HANDSHAKE) {
		a->fate = fate;
		a->ended = enn_context_now(a->conn->ctx);
	}
	enn_attempt_stop_signing(a);
	enn_attempt_stop_asking(a);
	if (a->driver != NULL) {
		enn_driver_stop(a->driver, how);
		enn_driver_free(a->driver);
		a->driver = NULL;
	}
	if (a->early) {
		a->early = false;
		enn_conn_unsend(a->conn); /* the next candidate sends them */
	}
	enn_attempt_answered(a);
}

void enn_attempt_fail(struct enn_attempt *a, const struct enn_error *error)
{
	if (a->failed) {
		return;
	}
	a->failed = true;
	a->ended = enn_context_now(a->conn->ctx);
	a->error = enn_error_copy(env_of(a), error);
	enn_conn_wake(a->conn);
}

static void fail_locally(struct enn_attempt *a, enum enn_status status, enum enn_reason reason,
			 const char *where, const char *text)
{
	struct enn_error error;

	(void)enn_error_set(&error, status, reason, where, "%s", text);
	error.wire_code = ENN_NO_WIRE_CODE;
	enn_attempt_fail(a, &error);
}

/* ---- questions ----------------------------------------------------------------------- */

static void ask(struct enn_attempt *a, enum enn_question question, enum enn_taps_event_type type,
		const uint8_t *data, size_t len)
{
	struct enn_context *ctx = a->conn->ctx;
	struct enn_queued queued = {.type = type, .connection = a->conn->id};

	enn_attempt_answered(a);
	if (len > 0) {
		a->asked = enn_alloc(env_of(a), len);
		if (a->asked == NULL) {
			fail_locally(a, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "question",
				     "out of memory");
			return;
		}
		memcpy(a->asked, data, len);
		a->asked_len = len;
	}
	a->question = question;
	a->request = ++ctx->last_request;
	queued.u.request = a->request;
	if (!enn_context_push(ctx, &queued)) {
		fail_locally(a, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "question",
			     "out of memory");
	}
}

static void on_want_credential(struct enn_attempt *a, const struct enn_event *event)
{
	size_t name_len = event->u.credential.server_name_len;
	size_t len = name_len + 1 + event->u.credential.alpn_len;
	uint8_t *asked = enn_alloc(env_of(a), len);

	if (asked == NULL) {
		fail_locally(a, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "question",
			     "out of memory");
		return;
	}
	struct enn_writer w = enn_writer_of(asked, len);
	enn_write_bytes(&w, event->u.credential.server_name, name_len);
	enn_write_u8(&w, 0);
	enn_write_bytes(&w, event->u.credential.alpn, event->u.credential.alpn_len);
	ask(a, ENN_ASK_CREDENTIAL, ENN_TAPS_CREDENTIAL_REQUEST, asked, len);
	enn_free(env_of(a), asked, len);
}

static void on_want_signature(struct enn_attempt *a, const struct enn_event *event)
{
	if (!enn_credential_can_sign(event->u.sign.credential)) {
		a->scheme = event->u.sign.scheme;
		ask(a, ENN_ASK_SIGN, ENN_TAPS_SIGN_REQUEST, event->u.sign.input,
		    event->u.sign.input_len);
		return;
	}
	enum enn_status status = enn_attempt_sign(a, event);
	if (status != ENN_OK) {
		fail_locally(a, status, ENN_REASON_OUT_OF_MEMORY, "signer",
			     "the signature could not be asked for");
	}
}

/* ---- engine events ------------------------------------------------------------------- */

static void on_ready(struct enn_attempt *a)
{
	struct enn_conn *c = a->conn;
	struct enn_queued queued = {.type = ENN_TAPS_READY};

	if (!c->server) {
		if (c->winner != NULL) {
			return; /* in the same turn as another: that one won */
		}
		enn_establish_won(a);
		enn_conn_keep(c, &queued);
	} else {
		bool early = c->announced; /* delivered when early data began */
		c->ready = enn_context_now(c->ctx);
		if (early) {
			enn_conn_keep(c, &queued);
		} else {
			enn_listen_announce(c);
		}
	}
	enn_conn_wake(c);
}

static void on_early_data(struct enn_attempt *a, bool accepted)
{
	struct enn_queued queued = {.type = ENN_TAPS_EARLY_DATA, .u.accepted = accepted};

	if (a->conn->server) {
		enn_listen_announce(a->conn);
	}
	enn_conn_push(a->conn, &queued);
}

static void on_keys_updated(struct enn_conn *c, enum enn_direction direction)
{
	struct enn_queued queued = {.type = ENN_TAPS_KEYS_UPDATED, .u.direction = direction};

	if (!c->keys_queued[direction]) { /* the event tells the newest generation */
		c->keys_queued[direction] = true;
		enn_conn_push(c, &queued);
	}
}

static void on_session(struct enn_conn *c, const struct enn_event *event)
{
	struct enn_queued queued = {.type = ENN_TAPS_SESSION_STORED,
				    .u.expires = event->u.session.expires};

	if (enn_session_keep(c, event->u.session.data, event->u.session.len,
			     event->u.session.expires) &&
	    !c->session_queued) {
		c->session_queued = true;
		enn_conn_push(c, &queued);
	}
}

/* The engine is freed with its candidate, before the application can ask for this. */
static void keep_ech_retry(struct enn_attempt *a, const struct enn_error *error)
{
	struct enn_info info;

	if (error->reason != ENN_REASON_ECH_REFUSED || a->ech_retry != NULL) {
		return;
	}
	enn_engine_info(enn_driver_engine(a->driver), &info);
	if (info.ech_retry_len > 0) {
		a->ech_retry = enn_alloc(env_of(a), info.ech_retry_len);
	}
	if (a->ech_retry != NULL) { /* without memory it is as if there were none */
		memcpy(a->ech_retry, info.ech_retry, info.ech_retry_len);
		a->ech_retry_len = info.ech_retry_len;
	}
}

/* Where no answer came, what the network had to say about it is more telling. */
static void fail_as_engine(struct enn_attempt *a, const struct enn_error *error)
{
	bool silence = error->reason == ENN_REASON_TIMEOUT && a->conn->ready == 0;

	keep_ech_retry(a, error);
	enn_attempt_fail(a, silence && a->trouble != NULL ? a->trouble : error);
}

static void on_event(void *owner, const struct enn_event *event, struct enn_block *block)
{
	struct enn_attempt *a = owner;
	struct enn_conn *c = a->conn;
	struct enn_queued queued = {0};

	switch (event->type) {
	case ENN_EVENT_READY:
		on_ready(a);
		break;
	case ENN_EVENT_RECEIVED:
		enn_conn_received(c, &event->u.received, block);
		break;
	case ENN_EVENT_SENT:
		enn_conn_sent(c, a, event->u.sent.user);
		break;
	case ENN_EVENT_EARLY_DATA:
		on_early_data(a, event->u.early_data.accepted);
		break;
	case ENN_EVENT_VALIDATE_PEER:
		ask(a, ENN_ASK_TRUST, ENN_TAPS_TRUST_REQUEST, NULL, 0);
		break;
	case ENN_EVENT_WANT_PSK:
		ask(a, ENN_ASK_PSK, ENN_TAPS_PSK_REQUEST, event->u.psk.identity,
		    event->u.psk.identity_len);
		break;
	case ENN_EVENT_WANT_CREDENTIAL:
		on_want_credential(a, event);
		break;
	case ENN_EVENT_WANT_IDENTITY:
		on_want_signature(a, event);
		break;
	case ENN_EVENT_SESSION_TAKE:
	case ENN_EVENT_SESSION_CLAIM:
		enn_attempt_ask_store(a, event);
		break;
	case ENN_EVENT_SESSION_PUT:
		enn_attempt_put(a, event);
		break;
	case ENN_EVENT_STORE_SESSION:
		on_session(c, event);
		break;
	case ENN_EVENT_KEYS_UPDATED:
		on_keys_updated(c, event->u.keys.direction);
		break;
	case ENN_EVENT_PEER_AUTHENTICATED:
		queued.type = ENN_TAPS_PEER_AUTHENTICATED;
		queued.u.accepted = event->u.authenticated.accepted;
		enn_conn_push(c, &queued);
		break;
	case ENN_EVENT_KEYS_EXPIRING:
		queued.type = ENN_TAPS_KEYS_EXPIRING;
		enn_conn_push(c, &queued);
		break;
	case ENN_EVENT_PATH_CHANGED:
		queued.type = ENN_TAPS_PATH_CHANGE;
		enn_conn_push(c, &queued);
		break;
	case ENN_EVENT_CLOSED:
		a->closed = true;
		enn_conn_wake(c);
		break;
	case ENN_EVENT_FAILED:
		fail_as_engine(a, &event->u.error);
		break;
	default:
		break;
	}
}

/* ---- the driver's other calls -------------------------------------------------------- */

static void on_told(void *owner)
{
	struct enn_attempt *a = owner;

	enn_conn_match(a->conn);
}

static bool pump(void *owner)
{
	struct enn_attempt *a = owner;

	return enn_conn_pump(a->conn, a);
}

static bool hungry(void *owner)
{
	struct enn_attempt *a = owner;
	struct enn_conn *c = a->conn;
	bool yes = enn_conn_hungry(c);

	c->starved = !yes;
	return yes;
}

static void on_failed(void *owner, const struct enn_error *error)
{
	enn_attempt_fail(owner, error);
}

/* Errors that the network reports are not authenticated, and may pass: nothing ends by them. While
 * the handshake is under way they are a reason to try the next address, too. */
static void on_troubled(void *owner, const struct enn_error *error)
{
	struct enn_attempt *a = owner;
	struct enn_conn *c = a->conn;

	if (c->ready != 0) {
		enn_conn_soft_error(c, error);
		return;
	}
	enn_free(env_of(a), a->trouble, sizeof(*a->trouble));
	a->trouble = enn_error_copy(env_of(a), error);
	a->doubtful = true;
	enn_conn_wake(c);
}

static void on_progress(void *owner)
{
	struct enn_attempt *a = owner;
	struct enn_conn *c = a->conn;

	c->progress = enn_context_now(c->ctx);
	/* Somebody waits for output: connTimeout is watched, or the end for its last byte. */
	if (a->closed || c->close_called ||
	    enn_conn_value(c, ENN_PROPERTY_CONN_TIMEOUT) != ENN_TIME_NEVER) {
		enn_conn_wake(c);
	}
}

/* ---- connecting ---------------------------------------------------------------------- */

static enum enn_status make_client(struct enn_attempt *a, struct enn_engine **out,
				   struct enn_error *error)
{
	struct enn_conn *c = a->conn;
	struct enn_engine_options options = {.server_name = enn_config_server_name(c->config)};
	size_t len = 0;

	enn_driver_path(a->driver, &options.path);
	uint8_t *session = enn_session_take(c, &len);

	options.session = session;
	options.session_len = len;
	enum enn_status status = enn_engine_new_client(c->protocol, env_of(a), c->config->security,
						       &options, out, error);
	/* Early data goes out on one candidate at most: tickets are for one use. */
	a->early = session != NULL &&
		   enn_conn_value(c, ENN_PROPERTY_ZERO_RTT_MSG) != ENN_PROHIBIT &&
		   enn_security_get_bool(c->config->security, ENN_SECURITY_EARLY_DATA);
	enn_session_drop(c, session, len);
	return status;
}

/* A prohibited interface can only be seen once the system has chosen a route. */
static bool check_interface(struct enn_attempt *a)
{
	struct enn_path path;
	char name[IF_NAMESIZE];

	if (a->conn->config->entries == 0) {
		return true;
	}
	enn_driver_path(a->driver, &path);
	return !enn_address_interface(&path.local, name) ||
	       !enn_interface_refused(a->conn->config, name);
}

static void on_connected(void *owner)
{
	struct enn_attempt *a = owner;
	struct enn_engine *engine = NULL;
	struct enn_error error;

	if (!check_interface(a)) {
		fail_locally(a, ENN_E_FAILED, ENN_REASON_POLICY_PROHIBITED, "interface",
			     "the route leads over an interface that is not wanted");
		return;
	}
	a->connected = enn_context_now(a->conn->ctx);
	a->fate = ENN_CANDIDATE_HANDSHAKE;
	if (make_client(a, &engine, &error) != ENN_OK) {
		enn_attempt_fail(a, &error);
		return;
	}
	enn_driver_run_engine(a->driver, engine);
}

static const struct enn_driver_ops driver_ops = {
	.connected = on_connected,
	.event = on_event,
	.told = on_told,
	.pump = pump,
	.hungry = hungry,
	.failed = on_failed,
	.troubled = on_troubled,
	.progress = on_progress,
};

static uint32_t milliseconds(enn_time t)
{
	uint64_t ms = t / ENN_MILLISECOND;

	return t == ENN_TIME_NEVER ? 0 : ms == 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
}

/* RFC 9622 §8.1.6 names the per-hop behaviours that fit each profile. */
static uint8_t code_point(enum enn_capacity_profile profile)
{
	switch (profile) {
	case ENN_CAPACITY_SCAVENGER:
		return 1; /* LE, RFC 8622 */
	case ENN_CAPACITY_LOW_LATENCY_INTERACTIVE:
		return 34; /* AF41 */
	case ENN_CAPACITY_LOW_LATENCY_NON_INTERACTIVE:
		return 18; /* AF21 */
	case ENN_CAPACITY_CONSTANT_RATE:
		return 26; /* AF31 */
	case ENN_CAPACITY_SEEKING:
		return 10; /* AF11 */
	default:
		return 0;
	}
}

void enn_conn_socket_options(const struct enn_conn *c, struct enn_socket_options *out)
{
	uint64_t rate = enn_conn_value(c, ENN_PROPERTY_MAX_SEND_RATE);
	uint64_t keepalive = enn_conn_value(c, ENN_PROPERTY_KEEP_ALIVE_TIMEOUT);
	uint64_t temporary = enn_conn_value(c, ENN_PROPERTY_USE_TEMPORARY_LOCAL_ADDRESS);

	memset(out, 0, sizeof(*out));
	out->interface = enn_required_interface(c->config);
	out->user_timeout_ms = milliseconds(enn_conn_value(c, ENN_PROPERTY_CONN_TIMEOUT));
	if (enn_conn_value(c, ENN_PROPERTY_TCP_USER_TIMEOUT_ENABLED) != 0) {
		out->user_timeout_ms =
			milliseconds(enn_conn_value(c, ENN_PROPERTY_TCP_USER_TIMEOUT_VALUE));
	}
	if (keepalive != ENN_TIME_NEVER) {
		out->keepalive_s = keepalive < ENN_SECOND ? 1
				   : keepalive / ENN_SECOND > 32767
					   ? 32767 /* the most that Linux takes */
					   : (uint32_t)(keepalive / ENN_SECOND);
	}
	if (rate != UINT64_MAX) {
		out->pacing = rate < 8 ? 1 : rate / 8;
	}
	out->dscp = code_point(
		(enum enn_capacity_profile)enn_conn_value(c, ENN_PROPERTY_CONN_CAPACITY_PROFILE));
	out->temporary = temporary <= ENN_PREFER ? 1 : temporary >= ENN_AVOID ? -1 : 0;
}

/* The local endpoint of the remote's family, if local endpoints were given; false if none fits. */
static bool choose_local(const struct enn_attempt *a, struct enn_address *out)
{
	const struct enn_config *config = a->conn->config;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < config->locals; i++) {
		const struct enn_local *local = config->local[i];
		if (local->host[0] == '\0') { /* every address: only the port binds */
			if (local->port != 0) {
				out->family = a->remote.family;
				out->port = local->port;
			}
			return true;
		}
		if (enn_address_parse(local->host, local->port, out) &&
		    out->family == a->remote.family) {
			return true;
		}
	}
	return config->locals == 0;
}

void enn_attempt_connect(struct enn_attempt *a)
{
	struct enn_conn *c = a->conn;
	struct enn_socket_options options;
	struct enn_error error = {.where = "connect", .wire_code = ENN_NO_WIRE_CODE};
	int uv_error = 0;

	a->started = enn_context_now(c->ctx);
	a->fate = ENN_CANDIDATE_CONNECTING;
	enn_conn_socket_options(c, &options);
	if (!choose_local(a, &options.local)) {
		fail_locally(a, ENN_E_FAILED, ENN_REASON_NO_CANDIDATES, "local endpoint",
			     "no local endpoint is of this address family");
		return;
	}
	enum enn_status status = enn_transport_of(c->protocol)
					 ->connect(c->ctx->rt, &driver_ops, a, c->id, &a->remote,
						   &options, &a->driver, &uv_error);
	if (status == ENN_E_MEMORY) {
		fail_locally(a, status, ENN_REASON_OUT_OF_MEMORY, "connect", "out of memory");
	} else if (status != ENN_OK) {
		(void)enn_error_set(&error, status, ENN_REASON_SYSTEM, "connect", "%s",
				    uv_strerror(uv_error));
		error.origin = ENN_ORIGIN_NETWORK;
		error.sys_errno = -uv_error;
		error.wire_code = ENN_NO_WIRE_CODE;
		enn_attempt_fail(a, &error);
	}
}

enum enn_status enn_attempt_accept(struct enn_attempt *a, struct enn_inbound *inbound,
				   struct enn_error *error)
{
	struct enn_conn *c = a->conn;
	struct enn_socket_options options;
	struct enn_engine *engine = NULL;
	struct enn_path path;
	int uv_error = 0;
	enum enn_status status =
		enn_inbound_accept(inbound, &driver_ops, a, c->id, &a->driver, &engine, &uv_error);

	if (status == ENN_E_AGAIN) {
		return status;
	}
	if (status != ENN_OK) {
		(void)enn_error_set(error, status, ENN_REASON_SYSTEM, "accept", "%s",
				    status == ENN_E_MEMORY ? "out of memory"
							   : uv_strerror(uv_error));
		error->sys_errno = -uv_error;
		return status;
	}
	enn_conn_socket_options(c, &options);
	enn_driver_set_options(a->driver, &options);
	enn_driver_path(a->driver, &path);
	a->remote = path.remote;
	a->started = a->connected = c->transport_ready = c->started;
	a->fate = ENN_CANDIDATE_HANDSHAKE;
	if (engine == NULL) {
		status = enn_engine_new_server(c->protocol, env_of(a), c->config->security, NULL,
					       &engine, error);
	}
	if (status == ENN_OK) {
		enn_driver_run_engine(a->driver, engine);
	}
	return status;
}
