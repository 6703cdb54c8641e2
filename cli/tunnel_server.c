/* SPDX-License-Identifier: Apache-2.0
 *
 * The UAPI socket on the loop: clients, their requests one after another, and answers in parts.
 *
 * While an answer is under way nothing is read from that client. Its next request waits in its
 * input buffer or in the socket.
 */
#include "tunnel_server.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tunnel_uapi.h"

#define MAX_CLIENTS 64
#define INPUT	    65536
#define PART	    ((size_t)65536) /* of an answer */

struct client {
	uv_pipe_t pipe;
	uv_write_t write;
	struct client *next;
	struct client *previous;
	struct tunnel_server *server;
	struct uapi_request request;
	struct uapi_buffer answer;
	uint64_t cursor;
	bool getting;  /* more parts are to come */
	bool writing;  /* one part is under way */
	bool overlong; /* the rest of this line is skipped */
	bool ended;    /* it sends nothing more */
	bool closing;
	size_t line_len;
	size_t input_at;
	size_t input_len;
	char line[UAPI_MAX_LINE];
	char input[INPUT];
};

struct tunnel_server {
	uv_pipe_t pipe;
	struct tunnel_device device;
	struct client *clients;
	size_t count;
	bool closed; /* and freed when the last client is gone */
};

/* ---- the socket ------------------------------------------------------------------------------- */

bool tunnel_socket_path(const char *interface, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/%s.sock", TUNNEL_SOCKET_DIRECTORY, interface);

	return n > 0 && (size_t)n < cap;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)address,
					   sizeof(*address)) == 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return answered;
}

int tunnel_socket_open(const char *interface, const struct tunnel_log *log)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!tunnel_socket_path(interface, address.sun_path, sizeof(address.sun_path))) {
		tunnel_log(log, ENN_LOG_ERROR, "'%s' is too long", interface);
		return -1;
	}
	if (mkdir(TUNNEL_SOCKET_DIRECTORY, 0755) != 0 && errno != EEXIST) {
		tunnel_log(log, ENN_LOG_ERROR, "%s: %s", TUNNEL_SOCKET_DIRECTORY, strerror(errno));
		return -1;
	}
	if (somebody_listens(&address)) {
		tunnel_log(log, ENN_LOG_ERROR, "%s is in use: this interface is up already",
			   address.sun_path);
		return -1;
	}
	(void)unlink(address.sun_path);
	mode_t mask = umask(0177);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool good =
		fd >= 0 &&
		bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0 &&
		listen(fd, 16) == 0;
	int failure = errno;
	(void)umask(mask);
	if (good) {
		return fd;
	}
	tunnel_log(log, ENN_LOG_ERROR, "%s: %s", address.sun_path, strerror(failure));
	if (fd >= 0) {
		(void)close(fd);
	}
	return -1;
}

/* ---- clients ---------------------------------------------------------------------------------- */

static void maybe_free(struct tunnel_server *server)
{
	if (server->closed && server->clients == NULL && server->pipe.data == NULL) {
		free(server);
	}
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct tunnel_server *server = c->server;

	if (c->next != NULL) {
		c->next->previous = c->previous;
	}
	*(c->previous != NULL ? &c->previous->next : &server->clients) = c->next;
	server->count--;
	uapi_reset(&c->request);
	uapi_buffer_free(&c->answer);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
	maybe_free(server);
}

static void close_client(struct client *c)
{
	if (!c->closing) {
		c->closing = true;
		uv_close((uv_handle_t *)&c->pipe, on_client_closed);
	}
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void go_on(struct client *c);

static void on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;

	c->writing = false;
	OPENSSL_cleanse(c->answer.data, c->answer.len);
	c->answer.len = 0;
	if (status < 0) {
		close_client(c);
	} else if (!c->closing) {
		go_on(c);
	}
}

static void write_answer(struct client *c)
{
	uv_buf_t buf = uv_buf_init(c->answer.data, (unsigned)c->answer.len);

	c->write.data = c;
	c->writing = true;
	if (c->answer.failed ||
	    uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) != 0) {
		c->writing = false;
		close_client(c); /* the client sees that there is no "errno=" */
	}
}

static void answer_get(struct client *c, bool first)
{
	const struct tunnel_device *device = &c->server->device;
	struct uapi_extra extra = {.listen_port = enn_tunnel_port(device->tunnel),
				   .fwmark = enn_tunnel_mark(device->tunnel)};

	c->getting = uapi_get(device->engine, &extra, &c->cursor, first, PART, &c->answer);
	write_answer(c);
}

/* The socket's options first: they can fail for reasons that the engine cannot know. */
static enum enn_status set_sockets(const struct tunnel_device *device,
				   const struct uapi_request *request, struct enn_error *error)
{
	enum enn_status status = ENN_OK;

	if (request->has_fwmark && request->fwmark != enn_tunnel_mark(device->tunnel)) {
		status = enn_tunnel_set_mark(device->tunnel, request->fwmark, error);
	}
	if (status == ENN_OK && request->has_listen_port &&
	    (request->listen_port == 0 ||
	     request->listen_port != enn_tunnel_port(device->tunnel))) {
		status = enn_tunnel_set_port(device->tunnel, request->listen_port, error);
	}
	return status;
}

static int apply(const struct tunnel_device *device, const struct uapi_request *request)
{
	struct enn_error error = {.status = ENN_OK};
	enum enn_status status = set_sockets(device, request, &error);

	if (status == ENN_OK) {
		status = enn_wireguard_configure(device->engine, enn_tunnel_now(device->tunnel),
						 &request->change, &error);
	}
	enn_tunnel_wake(device->tunnel);
	if (status != ENN_OK) {
		tunnel_log_error(device->log, "a change through the UAPI socket was refused",
				 &error);
		error.status = status;
		return uapi_errno_of(&error);
	}
	tunnel_log(device->log, ENN_LOG_DEBUG, "changed through the UAPI socket: %zu peers named",
		   request->change.peer_count);
	return 0;
}

static void answer(struct client *c)
{
	if (c->request.error == 0 && c->request.kind == UAPI_GET) {
		c->cursor = 0;
		answer_get(c, true);
	} else {
		int error = c->request.error;
		if (error == 0 && c->request.kind == UAPI_SET) {
			error = apply(&c->server->device, &c->request);
		}
		uapi_put_errno(&c->answer, error);
		write_answer(c);
	}
	uapi_reset(&c->request);
}

/* ---- requests --------------------------------------------------------------------------------- */

/* A complete line is in c->line. */
static void take_line(struct client *c)
{
	struct text line = {c->line, c->line_len};

	if (c->overlong) {
		c->request.error = c->request.error != 0 ? c->request.error : EINVAL;
	} else if (c->line_len > 0 && c->line[c->line_len - 1] == '\r') {
		line.len--;
	}
	/* an empty line between requests means nothing */
	bool idle = c->request.kind == UAPI_NOTHING && c->request.error == 0;
	if (!(idle && line.len == 0) && uapi_take_line(&c->request, line)) {
		answer(c);
	}
	OPENSSL_cleanse(c->line, c->line_len);
	c->line_len = 0;
	c->overlong = false;
}

static void take_byte(struct client *c, char byte)
{
	if (byte == '\n') {
		take_line(c);
	} else if (c->line_len < sizeof(c->line)) {
		c->line[c->line_len++] = byte;
	} else {
		c->overlong = true;
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->input, sizeof(c->input));
}

/* Takes what is in the input until an answer is under way. */
static void go_on(struct client *c)
{
	if (c->getting && !c->writing) {
		answer_get(c, false);
	}
	while (!c->writing && !c->closing && c->input_at < c->input_len) {
		take_byte(c, c->input[c->input_at++]);
	}
	if (c->writing || c->closing) {
		return;
	}
	OPENSSL_cleanse(c->input, c->input_len);
	c->input_at = 0;
	c->input_len = 0;
	if (c->ended || uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
		close_client(c);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;

	(void)buf;
	if (n == 0) {
		return;
	}
	(void)uv_read_stop(stream);
	if (n < 0) {
		c->ended = true;
	} else {
		c->input_len = (size_t)n;
	}
	go_on(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct tunnel_server *server = stream->data;
	struct client *c = status < 0 ? NULL : calloc(1, sizeof(*c));

	if (c == NULL) {
		return;
	}
	if (uv_pipe_init(stream->loop, &c->pipe, 0) != 0) {
		free(c);
		return;
	}
	c->pipe.data = c;
	c->server = server;
	c->next = server->clients;
	if (c->next != NULL) {
		c->next->previous = c;
	}
	server->clients = c;
	server->count++;
	if (uv_accept(stream, (uv_stream_t *)&c->pipe) != 0 || server->count > MAX_CLIENTS) {
		close_client(c);
		return;
	}
	go_on(c);
}

/* ---- the server ------------------------------------------------------------------------------- */

static void on_server_closed(uv_handle_t *handle)
{
	struct tunnel_server *server = handle->data;

	handle->data = NULL;
	maybe_free(server);
}

struct tunnel_server *tunnel_server_new(uv_loop_t *loop, int fd, const struct tunnel_device *device)
{
	struct tunnel_server *server = calloc(1, sizeof(*server));

	if (server == NULL || uv_pipe_init(loop, &server->pipe, 0) != 0) {
		tunnel_log(device->log, ENN_LOG_ERROR, "out of memory");
		free(server);
		(void)close(fd);
		return NULL;
	}
	server->device = *device;
	server->pipe.data = server;
	int failure = uv_pipe_open(&server->pipe, fd);
	if (failure != 0) {
		(void)close(fd);
	} else {
		failure = uv_listen((uv_stream_t *)&server->pipe, 16, on_connection);
	}
	if (failure != 0) {
		tunnel_log(device->log, ENN_LOG_ERROR, "the UAPI socket: %s", uv_strerror(failure));
		tunnel_server_free(server);
		return NULL;
	}
	return server;
}

void tunnel_server_free(struct tunnel_server *server)
{
	if (server == NULL) {
		return;
	}
	server->closed = true;
	uv_close((uv_handle_t *)&server->pipe, on_server_closed);
	for (struct client *c = server->clients; c != NULL; c = c->next) {
		close_client(c);
	}
}
