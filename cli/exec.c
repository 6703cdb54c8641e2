/* SPDX-License-Identifier: Apache-2.0
 *
 * --exec: a command with the connection as its standard input and output, told in its environment
 * what was negotiated and with whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificate.h"
#include "pump.h"

#define VARIABLES 32

extern char **environ;

/* What is added to our own environment; all of it is made before the fork, because afterwards a child
 * of a process with threads may not allocate. */
struct environment {
	char *added[VARIABLES];
	size_t count;
	char **all; /* what execve gets */
};

/* Much of what is told was chosen by the peer: printable characters only. */
static void put(struct environment *e, const char *name, const char *value, size_t len)
{
	char *text = NULL;

	if (value == NULL || e->count == VARIABLES ||
	    asprintf(&text, "ENNEAD_%s=%.*s", name, (int)len, value) < 0) {
		return;
	}
	for (char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~') {
			*c = '?';
		}
	}
	e->added[e->count++] = text;
}

static void put_text(struct environment *e, const char *name, const char *value)
{
	put(e, name, value, value == NULL ? 0 : strlen(value));
}

static void put_flag(struct environment *e, const char *name, bool value)
{
	put_text(e, name, value ? "1" : "0");
}

static void put_address(struct environment *e, const char *name, const struct enn_address *address)
{
	char text[ENN_ADDRESS_TEXT_MAX];

	put_text(e, name, enn_address_string(address, text, sizeof(text)));
}

static void put_peer(struct environment *e, const struct enn_info *s)
{
	struct certificate c;
	char pin[CERTIFICATE_PIN];

	put_flag(e, "PEER_AUTHENTICATED", s->peer_authenticated);
	put(e, "PSK_IDENTITY", (const char *)s->psk_identity, s->psk_identity_len);
	if (s->peer_raw_key && certificate_key_pin(s->peer_key, s->peer_key_len, pin)) {
		put_text(e, "PEER_PIN", pin);
	}
	if (s->peer_chain_len == 0 ||
	    !certificate_read(s->peer_chain[0].der, s->peer_chain[0].len, &c)) {
		return;
	}
	put_text(e, "PEER_PIN", c.pin);
	put_text(e, "PEER_SUBJECT", c.subject);
	put_text(e, "PEER_ISSUER", c.issuer);
	put_text(e, "PEER_NAMES", c.names);
	put_text(e, "PEER_SHA256", c.fingerprint);
}

static void put_connection(struct environment *e, const struct cli_options *o,
			   const struct enn_connection_info *info)
{
	const struct enn_info *s = &info->security;
	static const char *const early[] = {"none", "offered", "accepted", "rejected"};

	put_text(e, "PROTOCOL", o->protocol->scheme);
	put_text(e, "VERSION", s->version);
	put_text(e, "CIPHER", s->cipher);
	put_text(e, "GROUP", s->key_exchange);
	put_text(e, "SIGNATURE", s->signature);
	put(e, "ALPN", (const char *)s->alpn, s->alpn_len);
	put_text(e, "SERVER_NAME", s->server_name);
	put_flag(e, "RESUMED", s->resumed);
	put_text(e, "EARLY_DATA", early[s->early_data]);
	put_address(e, "LOCAL", &info->path.local);
	put_address(e, "REMOTE", &info->path.remote);
	put_peer(e, s);
}

/* Ours first, where getenv finds it. What we were started with under these names is not passed on. */
static bool join(struct environment *e)
{
	size_t n = 0;

	while (environ[n] != NULL) {
		n++;
	}
	e->all = calloc(e->count + n + 1, sizeof(*e->all));
	if (e->all == NULL) {
		return false;
	}
	memcpy(e->all, e->added, e->count * sizeof(*e->all));
	size_t to = e->count;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "ENNEAD_", 7) != 0) {
			e->all[to++] = environ[i];
		}
	}
	return true;
}

static void clear(struct environment *e)
{
	for (size_t i = 0; i < e->count; i++) {
		free(e->added[i]);
	}
	free(e->all);
}

static void run(int fd, const char *command, char *const *environment)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};

	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execve("/bin/sh", argv, environment);
	_exit(127);
}

/* stdin and stdout are one socket pair, so that the command's end of input can be told apart. */
static bool start(struct pump *p, const char *command, char *const *environment)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		cli_error("--exec: %s", strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		run(pair[1], command, environment);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		cli_error("--exec: %s", strerror(errno));
		(void)close(pair[0]);
		return false;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	p->child = pid;
	p->in = pair[0];
	p->out = pair[0];
	p->owns_fds = true;
	p->source = PUMP_FROM_FD;
	return true;
}

bool pump_exec(struct pump_loop *loop, struct pump *p)
{
	struct environment e = {.count = 0};
	struct enn_connection_info info;

	if (enn_connection_info(p->c, &info) == ENN_OK) {
		put_connection(&e, loop->o, &info);
	}
	bool good = join(&e) && start(p, loop->o->exec, e.all);

	clear(&e);
	return good;
}
