/* SPDX-License-Identifier: Apache-2.0
 *
 * The interop driver: its engine, its sockets, main.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

static bool engine_make(struct conn *c, struct enn_security *security)
{
	const struct enn_protocol *tls = enn_protocol_by_scheme("tls");
	struct enn_engine_options options = {.server_name = c->o->server ? NULL : c->o->name};
	struct enn_error error = {0};
	struct blob session = {0};
	enum enn_status status;

	if (c->o->session_in != NULL) {
		if (!blob_load(&session, c->o->session_in)) {
			return false;
		}
		options.session = session.data;
		options.session_len = session.len;
	}
	status = c->o->server
			 ? enn_engine_new_server(tls, c->env, security, &options, &c->e, &error)
			 : enn_engine_new_client(tls, c->env, security, &options, &c->e, &error);
	free(session.data);
	if (status != ENN_OK) {
		progress("engine: %s: %s", enn_status_name(status), error.text);
		return false;
	}
	c->in_cap = 65536;
	c->out_cap = tls->min_batch > 65536 ? tls->min_batch : 65536;
	c->in = malloc(c->in_cap);
	c->out = malloc(c->out_cap);
	return c->in != NULL && c->out != NULL;
}

static void engine_drop(struct conn *c)
{
	enn_engine_free(c->e);
	while (c->echo_head != NULL) {
		struct echo_block *block = c->echo_head;

		c->echo_head = block->next;
		free(block);
	}
	free(c->in);
	free(c->out);
}

static enum result serve_one(const struct options *o, const struct enn_env *env,
			     struct enn_security *security, int fd)
{
	struct conn c = {.o = o, .env = env, .fd = fd};
	enum result result = RESULT_USAGE;
	int one = 1;

	c.echo_tail = &c.echo_head;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (engine_make(&c, security) && report_open(&c)) {
		result = run(&c);
		/* The report first: whoever waits for it need not wait for the peer's FIN. */
		report_print(&c, result);
		linger(&c);
	}
	report_close(&c);
	engine_drop(&c);
	close(fd);
	return result;
}

static int open_socket(const struct options *o)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(o->port)};
	socklen_t len = sizeof(sa);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, o->host, &sa.sin_addr) != 1) {
		return -1;
	}
	if (!o->server) {
		return connect(fd, (struct sockaddr *)&sa, len) == 0 ? fd : -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
		return -1;
	}
	progress("listening %u", ntohs(sa.sin_port));
	return fd;
}

static void set_nonblocking(int fd)
{
	int flags = 1;

	if (ioctl(fd, FIONBIO, &flags) != 0) {
		perror("ioctl");
	}
}

static enum result serve(const struct options *o, const struct enn_env *env,
			 struct enn_security *security)
{
	enum result result = RESULT_TIMEOUT;
	int fd = open_socket(o);

	if (fd < 0) {
		perror("socket");
		return RESULT_SYSTEM;
	}
	if (!o->server) {
		set_nonblocking(fd);
		return serve_one(o, env, security, fd);
	}
	for (unsigned i = 0; i < o->connections; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int accepted;

		if (poll(&p, 1, (int)o->timeout_ms) != 1) {
			progress("nobody came");
			result = RESULT_TIMEOUT;
			break;
		}
		accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted < 0) {
			result = RESULT_SYSTEM;
			break;
		}
		result = serve_one(o, env, security, accepted);
	}
	close(fd);
	return result;
}

static void keylog_line(void *ctx, const char *line)
{
	fprintf(ctx, "%s\n", line);
	fflush(ctx);
}

static void log_line(void *ctx, enum enn_log_level level, const char *text)
{
	(void)ctx;
	progress("log %d: %s", (int)level, text);
}

int main(int argc, char **argv)
{
	enum result result = RESULT_USAGE;
	struct enn_security *security = NULL;
	struct enn_env env = {.log = log_line};
	struct options o;
	bool ok;

	signal(SIGPIPE, SIG_IGN);
	ok = options_parse(&o, argc, argv);
	env.wall_offset = (int64_t)(clock_now(CLOCK_REALTIME) - now_mono());
	if (ok && o.keylog != NULL) {
		env.keylog_ctx = fopen(o.keylog, "a");
		env.keylog = keylog_line;
		ok = env.keylog_ctx != NULL;
	}
	ok = ok && enn_crypto_new(o.backend, &env.crypto) == ENN_OK;
	if (ok) {
		security = options_security(&o);
	}
	if (security != NULL) {
		result = serve(&o, &env, security);
	}
	enn_security_free(security);
	enn_crypto_free(env.crypto);
	if (env.keylog_ctx != NULL) {
		fclose(env.keylog_ctx);
	}
	options_free(&o);
	return (int)result;
}
