/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages between guardian and worker, and from both to systemd.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tunnel.h"

/* The descriptor may be in non-blocking mode: the worker's loop has its end. */
static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		n = poll(&p, 1, -1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (!wait_for(fd, POLLOUT)) {
				return false;
			}
			continue;
		}
		if (n < 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

bool tunnel_message_send(int fd, enum tunnel_message_type type, const void *data, size_t len,
			 const void *more, size_t more_len)
{
	struct tunnel_message message = {.type = (uint32_t)type, .len = (uint32_t)(len + more_len)};

	return send_all(fd, &message, sizeof(message)) && send_all(fd, data, len) &&
	       send_all(fd, more, more_len);
}

static bool receive_all(int fd, void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		ssize_t n = recv(fd, at, len, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

bool tunnel_message_receive(int fd, struct tunnel_message *message, void *data, size_t cap)
{
	return receive_all(fd, message, sizeof(*message)) && message->len <= cap &&
	       receive_all(fd, data, message->len);
}

/* ---- systemd ---------------------------------------------------------------------------------- */

/* sd_notify(3) is one datagram: not worth a library. */
void tunnel_notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[256];
	va_list args;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(to.sun_path)) {
		return;
	}
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t len = strlen(path);
	memcpy(to.sun_path, path, len);
	to.sun_path[0] = path[0] == '@' ? '\0' : path[0]; /* the abstract name space */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return;
	}
	size_t size = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	(void)sendto(fd, text, size, MSG_NOSIGNAL, (const struct sockaddr *)(const void *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}
