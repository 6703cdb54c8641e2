/* SPDX-License-Identifier: Apache-2.0
 *
 * Ennead's side: client and server engines in one thread, driven by the loop of
 * ennead/engine.h.
 */
#include <ennead/engine.h>
#include <ennead/protocol.h>
#include <ennead/security.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "features/security.h"
#include "tls.h"

#define FLIGHT_ROOM	 (TLS_MESSAGE / 1024 * 1046 + TLS_RECORD_ROOM) /* a message in 1 KiB records */
#define IDLE_CONNECTIONS 64

struct end {
	struct enn_engine *engine;
	bool ready;
	size_t received;
	struct enn_batch batch;
};

struct ours {
	struct enn_env env;
	struct enn_security *client_security;
	struct enn_security *server_security;
	const struct enn_protocol *protocol;
	enn_time now;
	uint8_t *session; /* to resume, or NULL */
	size_t session_len;
	bool keep_session;
	size_t record;
	struct end client;
	struct end server;
	uint8_t *message;
	struct bench_heap *client_heap; /* not NULL: blocks are charged to their side */
	struct bench_heap *server_heap;
};

/* ---- the loop -------------------------------------------------------------------------------------- */

static void charge(const struct ours *o, const struct end *end)
{
	if (o->client_heap != NULL) {
		bench_heap_count(end == &o->client ? o->client_heap : o->server_heap);
	}
}

static void keep_session(struct ours *o, const struct enn_event *event)
{
	if (o->keep_session && o->session == NULL) {
		o->session = malloc(event->u.session.len);
		BENCH_NEED(o->session != NULL);
		memcpy(o->session, event->u.session.data, event->u.session.len);
		o->session_len = event->u.session.len;
	}
}

static void take_events(struct ours *o, struct end *end)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(end->engine, o->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			end->ready = true;
			break;
		case ENN_EVENT_RECEIVED:
			end->received += event.u.received.len;
			break;
		case ENN_EVENT_STORE_SESSION:
			keep_session(o, &event);
			break;
		case ENN_EVENT_FAILED:
			bench_die("Ennead: %s: %s", event.u.error.where, event.u.error.text);
		default:
			break;
		}
	}
}

/* Events of one end, then what it has to send to the other. True if it sent something. */
static bool step(struct ours *o, struct end *from, struct end *to)
{
	bool sent = false;

	charge(o, from);
	take_events(o, from);
	for (;;) {
		charge(o, from);
		from->batch.len = 0;
		BENCH_NEED(enn_engine_transmit(from->engine, o->now, &from->batch) == ENN_OK);
		if (from->batch.len == 0) {
			return sent;
		}
		sent = true;
		struct enn_packet packet = {.data = from->batch.buf, .len = from->batch.len};
		charge(o, to);
		BENCH_NEED(enn_engine_ingest(to->engine, o->now, NULL, &packet, 1) == ENN_OK);
		take_events(o, to);
		charge(o, from);
		take_events(o, from);
	}
}

static void settle(struct ours *o)
{
	bool more = true;
	while (more) {
		more = step(o, &o->client, &o->server);
		more = step(o, &o->server, &o->client) || more;
	}
}

static void open_pair(struct ours *o)
{
	struct enn_engine_options options = {
		.server_name = TLS_NAME, .session = o->session, .session_len = o->session_len};
	struct enn_engine_options none = {.server_name = NULL};
	struct enn_error error;

	o->client.ready = false;
	o->server.ready = false;
	charge(o, &o->client);
	if (enn_engine_new_client(o->protocol, &o->env, o->client_security, &options,
				  &o->client.engine, &error) != ENN_OK) {
		bench_die("Ennead: %s: %s", error.where, error.text);
	}
	charge(o, &o->server);
	if (enn_engine_new_server(o->protocol, &o->env, o->server_security, &none,
				  &o->server.engine, &error) != ENN_OK) {
		bench_die("Ennead: %s: %s", error.where, error.text);
	}
	charge(o, &o->client);
	BENCH_NEED(enn_engine_start(o->client.engine, o->now) == ENN_OK);
	charge(o, &o->server);
	BENCH_NEED(enn_engine_start(o->server.engine, o->now) == ENN_OK);
	settle(o);
	BENCH_NEED(o->client.ready && o->server.ready);
}

void ours_connect(struct ours *o)
{
	open_pair(o);
}

void ours_disconnect(struct ours *o)
{
	enn_engine_free(o->client.engine);
	enn_engine_free(o->server.engine);
	o->client.engine = NULL;
	o->server.engine = NULL;
}

void ours_handshakes(void *ctx, size_t n)
{
	struct ours *o = ctx;

	for (size_t i = 0; i < n; i++) {
		open_pair(o);
		ours_disconnect(o);
	}
}

/* ---- bulk -------------------------------------------------------------------------------------------- */

static void move(struct ours *o, size_t len)
{
	struct enn_message message = {.data = o->message, .len = len};
	size_t want = o->server.received + len;

	BENCH_NEED(enn_engine_send(o->client.engine, o->now, &message) == ENN_OK);
	(void)step(o, &o->client, &o->server);
	BENCH_NEED(o->server.received == want);
}

void ours_bulk(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		move(ctx, TLS_MESSAGE);
	}
}

void ours_bulk_single(void *ctx, size_t n)
{
	struct ours *o = ctx;
	for (size_t i = 0; i < n; i++) {
		move(o, o->record);
	}
}

/* ---- heap ------------------------------------------------------------------------------------------------ */

/* Every side is established, has said something, has taken its tickets, and then was left alone until its
 * engine asked for nothing more. */
static void make_idle(struct ours *o)
{
	struct enn_message hello = {.data = o->message, .len = 64};
	struct end *ends[2] = {&o->client, &o->server};

	open_pair(o);
	for (size_t i = 0; i < 2; i++) {
		charge(o, ends[i]);
		BENCH_NEED(enn_engine_send(ends[i]->engine, o->now, &hello) == ENN_OK);
		settle(o);
	}
	o->now += 10 * ENN_SECOND;
	for (size_t i = 0; i < 2; i++) {
		charge(o, ends[i]);
		if (enn_engine_deadline(ends[i]->engine) <= o->now) {
			enn_engine_expire(ends[i]->engine, o->now);
		}
	}
	settle(o);
}

void ours_idle(struct ours *o, double *client, double *server)
{
	struct bench_heap client_heap = {.calls = 0};
	struct bench_heap server_heap = {.calls = 0};
	struct enn_engine *open[2 * IDLE_CONNECTIONS];

	for (size_t i = 0; i < 4; i++) { /* what is made once and kept is not a connection's */
		make_idle(o);
		ours_disconnect(o);
	}
	o->client_heap = &client_heap;
	o->server_heap = &server_heap;
	for (size_t i = 0; i < IDLE_CONNECTIONS; i++) {
		make_idle(o);
		open[2 * i] = o->client.engine;
		open[2 * i + 1] = o->server.engine;
	}
	bench_heap_count(NULL);
	o->client_heap = NULL;
	for (size_t i = 0; i < 2 * IDLE_CONNECTIONS; i++) {
		enn_engine_free(open[i]);
	}
	*client = (double)client_heap.bytes / IDLE_CONNECTIONS;
	*server = (double)server_heap.bytes / IDLE_CONNECTIONS;
}

/* ---- set-up ----------------------------------------------------------------------------------------------- */

static void need(enum enn_status status, const struct enn_error *error)
{
	if (status != ENN_OK) {
		bench_die("Ennead: %s: %s", error->where, error->text);
	}
}

static void add_identity(struct enn_security *security, const struct tls_identity *id)
{
	struct enn_credential *credential;
	struct enn_error error;

	need(enn_credential_x509_pem(id->cert_pem, strlen(id->cert_pem), id->key_pem,
				     strlen(id->key_pem), &credential, &error),
	     &error);
	BENCH_NEED(enn_security_add_credential(security, credential) == ENN_OK);
	enn_credential_free(credential);
}

static struct enn_security *make_security(const struct tls_setup *setup, bool server,
					  unsigned tickets)
{
	static const uint8_t ticket_key[64] = {'b', 'e', 'n', 'c', 'h'};
	const struct tls_pki *pki = setup->pki;
	struct enn_security *s = enn_security_new();
	struct enn_error error;

	BENCH_NEED(s != NULL);
	need(enn_security_trust_pem(s, pki->root.cert_pem, strlen(pki->root.cert_pem), &error),
	     &error);
	need(enn_security_set_list(s, ENN_SECURITY_VERSIONS,
				   tls_is_12(setup) ? "TLSv1.2" : "TLSv1.3", &error),
	     &error);
	need(enn_security_set_list(s, ENN_SECURITY_CIPHER_SUITES, setup->suite, &error), &error);
	need(enn_security_set_list(s, ENN_SECURITY_GROUPS, "X25519", &error), &error);
	BENCH_NEED(enn_security_set_u64(s, ENN_SECURITY_MAX_RECORD, setup->record) == ENN_OK);
	if (server) {
		add_identity(s, &pki->server);
		BENCH_NEED(enn_security_set_u64(s, ENN_SECURITY_TICKETS, tickets) == ENN_OK);
		BENCH_NEED(enn_security_ticket_key(s, ticket_key, sizeof(ticket_key), 0) == ENN_OK);
		BENCH_NEED(enn_security_set_bool(s, ENN_SECURITY_REQUIRE_CLIENT, setup->mutual) ==
			   ENN_OK);
	} else if (setup->mutual) {
		add_identity(s, &pki->client);
	}
	need(enn_security_trust(s, &error), &error);
	enn_trust_set_cache(s->trust, setup->cached_chain);
	return s;
}

/* A session from a server that gives tickets under the same ticket key. */
static void make_session(struct ours *o, const struct tls_setup *setup)
{
	struct enn_security *quiet = o->server_security;

	o->server_security = make_security(setup, true, 1);
	o->keep_session = true;
	open_pair(o);
	settle(o);
	ours_disconnect(o);
	o->keep_session = false;
	BENCH_NEED(o->session != NULL);
	enn_security_free(o->server_security);
	o->server_security = quiet;
}

/* One connection, to see that it is what the row says. */
static void check(struct ours *o, const struct tls_setup *setup)
{
	struct enn_info info;

	open_pair(o);
	enn_engine_info(o->client.engine, &info);
	/* A resumption in TLS 1.2 exchanges no keys. */
	bool exchanged = !(tls_is_12(setup) && setup->resume);
	BENCH_NEED(strcmp(info.cipher, setup->suite) == 0 && info.peer_authenticated &&
		   (info.key_exchange != NULL) == exchanged &&
		   (!exchanged || strcmp(info.key_exchange, "X25519") == 0) &&
		   info.resumed == setup->resume);
	enn_engine_info(o->server.engine, &info);
	BENCH_NEED(info.peer_authenticated == setup->mutual && info.resumed == setup->resume);
	ours_disconnect(o);
}

struct ours *ours_new(const struct tls_setup *setup)
{
	struct ours *o = calloc(1, sizeof(*o));
	struct timespec wall;

	BENCH_NEED(o != NULL && clock_gettime(CLOCK_REALTIME, &wall) == 0);
	BENCH_NEED(enn_crypto_new(ENN_CRYPTO_AUTO, &o->env.crypto) == ENN_OK);
	o->env.wall_offset = (int64_t)wall.tv_sec * (int64_t)ENN_SECOND + wall.tv_nsec;
	o->now = ENN_SECOND;
	o->protocol = enn_protocol_by_id(ENN_PROTOCOL_TLS);
	o->record = setup->record;
	o->client_security = make_security(setup, false, 0);
	o->server_security = make_security(setup, true, setup->tickets);
	struct end *ends[2] = {&o->client, &o->server};
	for (size_t i = 0; i < 2; i++) {
		ends[i]->batch.cap = FLIGHT_ROOM;
		ends[i]->batch.buf = malloc(FLIGHT_ROOM);
		BENCH_NEED(ends[i]->batch.buf != NULL);
	}
	o->message = malloc(TLS_MESSAGE);
	BENCH_NEED(o->message != NULL);
	memset(o->message, 'e', TLS_MESSAGE);
	if (setup->resume) {
		make_session(o, setup);
	}
	check(o, setup);
	return o;
}

void ours_free(struct ours *o)
{
	enn_security_free(o->client_security);
	enn_security_free(o->server_security);
	enn_crypto_free(o->env.crypto);
	free(o->session);
	free(o->client.batch.buf);
	free(o->server.batch.buf);
	free(o->message);
	free(o);
}

const char *ours_describe(const struct ours *o)
{
	return enn_crypto_describe(o->env.crypto);
}
