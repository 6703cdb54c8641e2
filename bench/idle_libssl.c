/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl's listener of the idle rows: epoll, one SSL a connection, its buffers given back while
 * a connection is idle (SSL_MODE_RELEASE_BUFFERS).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "idle.h"

#define POLL_EVENTS 64

static volatile sig_atomic_t stop;

static void on_term(int signo)
{
	(void)signo;
	stop = 1;
}

struct peer {
	SSL *ssl;
	int fd;
	struct peer *next;
	struct peer **back;
};

struct server {
	SSL_CTX *ctx;
	int epoll;
	int listener;
	struct peer *live;
};

static void drop(struct peer *p)
{
	*p->back = p->next;
	if (p->next != NULL) {
		p->next->back = p->back;
	}
	SSL_free(p->ssl);
	(void)close(p->fd);
	free(p);
}

static void watch(struct server *s, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

	BENCH_NEED(epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void accept_one(struct server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		return;
	}
	struct peer *p = calloc(1, sizeof(*p));
	BENCH_NEED(p != NULL);
	p->fd = fd;
	p->ssl = SSL_new(s->ctx);
	BENCH_NEED(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1);
	SSL_set_accept_state(p->ssl);
	p->next = s->live;
	p->back = &s->live;
	if (p->next != NULL) {
		p->next->back = &p->next;
	}
	s->live = p;
	watch(s, fd, p);
}

/* Sends back what there is to read; false when the connection is over. */
static bool echo(struct peer *p)
{
	uint8_t data[4096];

	for (;;) {
		int n = SSL_read(p->ssl, data, sizeof(data));
		if (n <= 0) {
			int why = SSL_get_error(p->ssl, n);
			if (why == SSL_ERROR_ZERO_RETURN) {
				(void)SSL_shutdown(p->ssl);
			}
			return why == SSL_ERROR_WANT_READ;
		}
		BENCH_NEED(SSL_write(p->ssl, data, n) == n); /* small: the socket has room */
	}
}

static void turn(struct server *s)
{
	struct epoll_event events[POLL_EVENTS];
	int n = epoll_wait(s->epoll, events, POLL_EVENTS, 100);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL) {
			accept_one(s);
		} else if (!echo(events[i].data.ptr)) {
			drop(events[i].data.ptr);
		}
	}
}

static void make_context(struct server *s, const struct tls_pki *pki)
{
	s->ctx = SSL_CTX_new(TLS_server_method());
	BENCH_NEED(s->ctx != NULL && SSL_CTX_use_certificate(s->ctx, pki->server.cert) == 1 &&
		   SSL_CTX_use_PrivateKey(s->ctx, pki->server.key) == 1);
	(void)SSL_CTX_set_mode(s->ctx, SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION);
}

int idle_serve_libssl(const struct tls_pki *pki, int report_fd)
{
	struct server s = {.live = NULL};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	(void)signal(SIGTERM, on_term);
	(void)signal(SIGPIPE, SIG_IGN);
	make_context(&s, pki);
	s.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	BENCH_NEED(s.listener >= 0 && s.epoll >= 0 &&
		   bind(s.listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		   listen(s.listener, 4096) == 0 &&
		   getsockname(s.listener, (struct sockaddr *)&address, &len) == 0);
	watch(&s, s.listener, NULL);
	uint16_t port = ntohs(address.sin_port);
	BENCH_NEED(write(report_fd, &port, sizeof(port)) == sizeof(port));
	while (!stop) {
		turn(&s);
	}
	for (struct peer *p = s.live; p != NULL; p = p->next) {
		(void)SSL_shutdown(p->ssl);
	}
	while (s.live != NULL) {
		turn(&s);
	}
	(void)close(s.listener);
	(void)close(s.epoll);
	SSL_CTX_free(s.ctx);
	return 0;
}
