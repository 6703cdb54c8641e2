/* SPDX-License-Identifier: Apache-2.0
 *
 * A bare TLS engine in a poll() loop: what engine.h asks of a driver, in full, without
 * the objects of taps.h. Connects, says hello, prints what comes back.
 *
 *     poll_engine HOST PORT [TRUST.pem]
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ennead/engine.h>
#include <ennead/protocol.h>
#include <ennead/security.h>

struct program {
	struct enn_engine *engine;
	int fd;
	uint8_t in[65536];
	uint8_t out[131072]; /* one batch: at least enn_protocol.min_batch */
	size_t out_len;	     /* of it, what is not written yet lies in … */
	size_t out_done;     /* … out[out_done, out_len) */
	bool over;
	int result;
};

static enn_time now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (enn_time)t.tv_sec * ENN_SECOND + (enn_time)t.tv_nsec;
}

/* Step 1 of the loop: take every event. */
static void take_events(struct program *p)
{
	struct enn_event event;
	char line[256];

	for (;;) {
		enn_engine_next_event(p->engine, now(), &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:		/* lent until the next call of next_event */
			if (event.u.received.len > 0) { /* 0: the server's bare end of data */
				(void)fwrite(event.u.received.data, 1, event.u.received.len,
					     stdout);
			}
			break;
		case ENN_EVENT_CLOSED:
			p->over = true;
			p->result = 0;
			break;
		case ENN_EVENT_FAILED:
			(void)fprintf(stderr, "poll_engine: %s\n",
				      enn_error_string(&event.u.error, line, sizeof(line)));
			p->over = true;
			p->result = 1;
			break;
		default:
			break;
		}
	}
}

/* Step 2: write what the engine has. True if it had something and all of it is written. */
static bool put_out(struct program *p)
{
	if (p->out_done == p->out_len) {
		struct enn_batch batch = {.buf = p->out, .cap = sizeof(p->out)};
		p->out_done = p->out_len = 0;
		if (enn_engine_transmit(p->engine, now(), &batch) != ENN_OK || batch.len == 0) {
			return false;
		}
		p->out_len = batch.len;
	}
	while (p->out_done < p->out_len) {
		ssize_t n =
			send(p->fd, p->out + p->out_done, p->out_len - p->out_done, MSG_NOSIGNAL);
		if (n < 0) {
			p->over |= errno != EAGAIN && errno != EINTR;
			return false;
		}
		p->out_done += (size_t)n;
	}
	return true;
}

/* Step 3: again, because writing makes events and events make output. */
static void run_engine(struct program *p)
{
	do {
		take_events(p);
	} while (put_out(p));
}

static void read_in(struct program *p)
{
	ssize_t n = recv(p->fd, p->in, sizeof(p->in), 0);

	if (n > 0) {
		struct enn_packet packet = {.data = p->in, .len = (size_t)n};
		if (enn_engine_ingest(p->engine, now(), NULL, &packet, 1) != ENN_OK) {
			p->over = true;
		}
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		if (enn_engine_end(p->engine, now()) != ENN_OK) {
			p->over = true;
		}
	}
}

/* Step 4: wait for the socket or the engine's deadline, whichever comes first. */
static void wait_for_something(struct program *p)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};
	enn_time deadline = enn_engine_deadline(p->engine);
	enn_time t = now();
	int timeout = -1;

	if (p->out_done < p->out_len) {
		fd.events |= POLLOUT;
	}
	if (deadline != ENN_TIME_NEVER) {
		timeout = deadline <= t ? 0 : (int)((deadline - t) / ENN_MILLISECOND + 1);
	}
	(void)poll(&fd, 1, timeout);
	if ((fd.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		read_in(p);
	}
	if (deadline <= now()) {
		enn_engine_expire(p->engine, now());
	}
}

static int talk(struct program *p)
{
	static const char hello[] = "hello\n";
	struct enn_message message = {
		.data = (const uint8_t *)hello, .len = strlen(hello), .flags = ENN_MESSAGE_FINAL};

	if (enn_engine_start(p->engine, now()) != ENN_OK ||
	    enn_engine_send(p->engine, now(), &message) != ENN_OK) {
		return 1;
	}
	run_engine(p);
	while (!p->over) {
		wait_for_something(p);
		run_engine(p);
	}
	(void)put_out(p); /* a failed engine still has its closing alert to send */
	return p->result;
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &list) != 0) {
		return -1;
	}
	for (struct addrinfo *i = list; i != NULL && fd < 0; i = i->ai_next) {
		fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, i->ai_addr, i->ai_addrlen) != 0) {
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd >= 0) {
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	}
	return fd;
}

static int64_t wall_offset(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * (int64_t)ENN_SECOND + t.tv_nsec - (int64_t)now();
}

int main(int argc, char **argv)
{
	static struct program p = {.result = 1};
	struct enn_env env = {.wall_offset = wall_offset()};
	struct enn_engine_options options = {.server_name = argc > 1 ? argv[1] : NULL};
	struct enn_error error = {0};
	char line[256];

	if (argc != 3 && argc != 4) {
		(void)fprintf(stderr, "usage: poll_engine HOST PORT [TRUST.pem]\n");
		return 2;
	}
	struct enn_security *security = enn_security_new();
	p.fd = connect_to(argv[1], argv[2]);
	if (p.fd < 0) {
		(void)fprintf(stderr, "poll_engine: cannot connect to %s\n", argv[1]);
	} else if (enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK &&
		   (argc < 4 || enn_security_trust_file(security, argv[3], &error) == ENN_OK) &&
		   enn_engine_new_client(enn_protocol_by_id(ENN_PROTOCOL_TLS), &env, security,
					 &options, &p.engine, &error) == ENN_OK) {
		p.result = talk(&p);
	} else {
		(void)fprintf(stderr, "poll_engine: %s\n",
			      enn_error_string(&error, line, sizeof(line)));
	}
	enn_engine_free(p.engine);
	enn_security_free(security);
	enn_crypto_free(env.crypto);
	if (p.fd >= 0) {
		(void)close(p.fd);
	}
	return p.result;
}
