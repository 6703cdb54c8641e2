/* SPDX-License-Identifier: Apache-2.0
 *
 * Ennead's listener of the idle rows: what an application would write, and nothing else.
 */
#include <ennead/ennead.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "idle.h"

#define POLL_EVENTS 64

static volatile sig_atomic_t stop;

static void on_term(int signo)
{
	(void)signo;
	stop = 1;
}

struct server {
	struct enn_context *context;
	struct enn_listener listener;
	struct enn_connection *live; /* by slot; id 0: free */
	size_t live_cap;
	size_t live_count;
	int failed;
};

/* The slot travels as the connection's user pointer, plus one: NULL is none. */
static void add(struct server *s, struct enn_connection connection)
{
	size_t slot = 0;

	while (slot < s->live_cap && s->live[slot].id != 0) {
		slot++;
	}
	if (slot == s->live_cap) {
		s->live_cap = s->live_cap == 0 ? 1024 : 2 * s->live_cap;
		s->live = realloc(s->live, s->live_cap * sizeof(*s->live));
		BENCH_NEED(s->live != NULL);
		memset(s->live + slot, 0, (s->live_cap - slot) * sizeof(*s->live));
	}
	s->live[slot] = connection;
	s->live_count++;
	BENCH_NEED(enn_connection_set_user(connection, (void *)(uintptr_t)(slot + 1)) == ENN_OK);
}

static void drop(struct server *s, const struct enn_taps_event *event)
{
	size_t slot = (size_t)(uintptr_t)event->user;

	if (slot > 0) {
		s->live[slot - 1].id = 0;
		s->live_count--;
	}
	enn_connection_free(event->connection);
}

static void handle(struct server *s, const struct enn_taps_event *event)
{
	switch (event->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		add(s, event->connection);
		BENCH_NEED(enn_connection_receive(event->connection, 1, 0, NULL) == ENN_OK);
		break;
	case ENN_TAPS_RECEIVED:
		if (event->u.received.len > 0) {
			struct enn_loan loan = event->u.received.loan;
			BENCH_NEED(enn_connection_send(event->connection, event->u.received.data,
						       event->u.received.len, NULL) == ENN_OK);
			BENCH_NEED(enn_message_release(loan) == ENN_OK);
		}
		if (event->u.received.flags & ENN_MESSAGE_FINAL) {
			(void)enn_connection_close(event->connection);
		} else if (enn_connection_receive(event->connection, 1, 0, NULL) != ENN_OK) {
			s->failed++;
		}
		break;
	case ENN_TAPS_CONNECTION_ERROR:
		s->failed++;
		drop(s, event);
		break;
	case ENN_TAPS_CLOSED:
		drop(s, event);
		break;
	default:
		break;
	}
}

static void end_all(struct server *s)
{
	BENCH_NEED(enn_listener_stop(s->listener) == ENN_OK);
	for (size_t i = 0; i < s->live_cap; i++) {
		if (s->live[i].id != 0) {
			(void)enn_connection_close(s->live[i]);
		}
	}
}

static void serve(struct server *s)
{
	struct enn_taps_event events[POLL_EVENTS];
	bool ending = false;

	while (!ending || s->live_count > 0) {
		size_t n = enn_poll(s->context, events, POLL_EVENTS, 100 * ENN_MILLISECOND);
		for (size_t i = 0; i < n; i++) {
			handle(s, &events[i]);
		}
		if (stop && !ending) {
			ending = true;
			end_all(s);
		}
	}
}

int idle_serve_ours(const struct tls_pki *pki, int report_fd)
{
	struct server s = {.failed = 0};
	struct enn_credential *credential;
	struct enn_address address;

	(void)signal(SIGTERM, on_term);
	BENCH_NEED(enn_context_new(NULL, &s.context, NULL) == ENN_OK);
	struct enn_preconnection *pre = enn_preconnection_new(s.context);
	struct enn_security *security = enn_security_new();
	BENCH_NEED(pre != NULL && security != NULL);
	BENCH_NEED(enn_credential_x509_pem(pki->server.cert_pem, strlen(pki->server.cert_pem),
					   pki->server.key_pem, strlen(pki->server.key_pem),
					   &credential, NULL) == ENN_OK);
	BENCH_NEED(enn_security_add_credential(security, credential) == ENN_OK);
	BENCH_NEED(enn_preconnection_set_security(pre, security) == ENN_OK);
	BENCH_NEED(enn_preconnection_allow_protocol(pre, ENN_PROTOCOL_TLS) == ENN_OK);
	BENCH_NEED(enn_preconnection_add_local(pre, "127.0.0.1", "0") == ENN_OK);
	BENCH_NEED(enn_preconnection_listen(pre, &s.listener, NULL) == ENN_OK);
	BENCH_NEED(enn_listener_local_address(s.listener, 0, &address) == ENN_OK);
	BENCH_NEED(write(report_fd, &address.port, sizeof(address.port)) == sizeof(address.port));
	serve(&s);
	enn_listener_free(s.listener);
	enn_preconnection_free(pre);
	enn_credential_free(credential);
	enn_security_free(security);
	enn_context_free(s.context);
	free(s.live);
	return s.failed == 0 ? 0 : 1;
}
