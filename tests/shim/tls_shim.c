/* SPDX-License-Identifier: Apache-2.0
 *
 * The shim's sockets and connections, one after the other.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t loopback(const struct flags *f, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (f->ipv6) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)f->port);
		a->v6.sin6_addr = in6addr_loopback;
		return sizeof(a->v6);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons((uint16_t)f->port);
	a->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(a->v4);
}

static int listen_on(const struct flags *f)
{
	union address a;
	socklen_t len = loopback(f, &a);
	int one = 1, fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, &a.any, len) != 0 || listen(fd, 8) != 0 ||
	    getsockname(fd, &a.any, &len) != 0) {
		return -1;
	}
	fprintf(stderr, "listening %u\n", ntohs(f->ipv6 ? a.v6.sin6_port : a.v4.sin_port));
	return fd;
}

static int meet(const struct flags *f, int listener)
{
	union address a;
	socklen_t len = loopback(f, &a);
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd, one = 1;

	if (listener >= 0) {
		fd = poll(&p, 1, (int)f->timeout_ms) == 1 ? accept(listener, NULL, NULL) : -1;
	} else {
		fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, &a.any, len) != 0) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
			ioctl(fd, FIONBIO, &one) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Runners that are connected to by many shims at once want to know which one calls. */
static bool introduce(const struct flags *f, int fd)
{
	uint8_t id[8];

	for (unsigned i = 0; i < 8; i++) {
		id[i] = (uint8_t)(f->shim_id >> (8 * i));
	}
	return !f->has_shim_id || send(fd, id, sizeof(id), MSG_NOSIGNAL) == (ssize_t)sizeof(id);
}

static bool make(struct shim *s, struct enn_security *security, const uint8_t *session,
		 size_t session_len)
{
	const struct enn_protocol *tls = enn_protocol_by_scheme("tls");
	struct enn_engine_options options = {.server_name = s->flags->name};
	struct enn_error error = {0};
	enum enn_status status;

	if (!s->flags->no_session) {
		options.session = session;
		options.session_len = session_len;
	}
	if (s->flags->role == ROLE_SERVER) {
		options = (struct enn_engine_options){0};
		status = enn_engine_new_server(tls, s->env, security, &options, &s->engine, &error);
	} else {
		status = enn_engine_new_client(tls, s->env, security, &options, &s->engine, &error);
	}
	if (status != ENN_OK) {
		say(s->number, ":USAGE:PARAMETER: %s %s", enn_status_name(status), error.text);
		return false;
	}
	s->in_cap = 65536;
	s->out_cap = tls->min_batch > 65536 ? tls->min_batch : 65536;
	s->in = malloc(s->in_cap);
	s->out = malloc(s->out_cap);
	s->data = calloc(1, 65536 + 1);
	return s->in != NULL && s->out != NULL && s->data != NULL;
}

static void drop(struct shim *s)
{
	enn_engine_free(s->engine);
	shim_free_blocks(s);
	free(s->in);
	free(s->out);
	free(s->data);
	if (s->fd >= 0) {
		close(s->fd);
	}
}

struct whole {
	int argc;
	char **argv;
	struct enn_env env;
	struct enn_session_store *store;
	int listener;
	uint8_t *session; /* of the connection before */
	size_t session_len;
};

static enum status one(struct whole *w, unsigned number)
{
	struct flags flags;
	struct shim s = {.flags = &flags, .env = &w->env, .number = number, .fd = -1};
	enum status status = flags_read(&flags, w->argc, w->argv, number);
	struct enn_security *security = NULL;

	s.tail = &s.blocks;
	if (status != STATUS_OK) {
		return status;
	}
	security = security_make(&flags, w->store);
	if (security == NULL || !make(&s, security, w->session, w->session_len)) {
		status = STATUS_USAGE;
	} else {
		s.fd = meet(&flags, w->listener);
		if (s.fd < 0 || !introduce(&flags, s.fd)) {
			say(number, ":SYSTEM:NONE:SOCKET: nobody is there");
			status = STATUS_SYSTEM;
		} else {
			status = check(&s, run(&s));
		}
	}
	if (s.session != NULL) {
		free(w->session);
		w->session = s.session;
		w->session_len = s.session_len;
	}
	drop(&s);
	enn_security_free(security);
	return status;
}

static bool open_env(struct whole *w)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	w->env.wall_offset =
		(int64_t)t.tv_sec * (int64_t)ENN_SECOND + t.tv_nsec - (int64_t)shim_now();
	w->store = enn_session_store_new(1024);
	return w->store != NULL && enn_crypto_new(ENN_CRYPTO_AUTO, &w->env.crypto) == ENN_OK;
}

int main(int argc, char **argv)
{
	struct whole w = {.argc = argc, .argv = argv, .listener = -1};
	struct flags flags;
	enum status status = STATUS_OK;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		flags_help();
		return argc < 2 ? STATUS_USAGE : STATUS_OK;
	}
	status = flags_read(&flags, argc, argv, 0);
	if (status != STATUS_OK) {
		return (int)status;
	}
	if (!open_env(&w) || (flags.listen && (w.listener = listen_on(&flags)) < 0)) {
		say(0, ":SYSTEM:NONE:SOCKET: no memory, or no socket");
		status = STATUS_SYSTEM;
	}
	for (unsigned i = 0; status == STATUS_OK && i <= flags.resume; i++) {
		status = one(&w, i);
	}
	if (w.listener >= 0) {
		close(w.listener);
	}
	free(w.session);
	enn_session_store_free(w.store);
	enn_crypto_free(w.env.crypto);
	return (int)status;
}
