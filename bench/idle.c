/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_idle: what 10,000 idle connections cost the process that holds them, whether new ones come through
 * meanwhile, and whether the end is clean. See README.md.
 *
 * The listener is a child; this process is all of its clients, in both turns the same.
 */
#include <ennead/ennead.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "idle.h"

#define CONNECTIONS 10000u
#define WARM_UP	    64u	 /* opened and closed before the baseline is taken */
#define IN_FLIGHT   100u /* handshakes at a time */
#define RATE	    50u	 /* new connections a second beside the idle ones … */
#define RATE_FOR    10u	 /* … for so many seconds */
#define END_WITHIN  (30 * ENN_SECOND)
#define POLL_EVENTS 64

static const uint8_t message[IDLE_MESSAGE];

enum role { KEPT, PASSING };

struct clients {
	struct enn_context *context;
	struct enn_preconnection *pre;
	struct enn_connection *kept;
	size_t opened;	/* kept ones that were begun */
	size_t settled; /* … and have their echo */
	size_t passing; /* passing ones alive */
	size_t passed;	/* … that came, got their echo and closed */
	size_t ended;	/* kept ones that ended in the orderly way */
	size_t failed;
};

/* ---- clients --------------------------------------------------------------------------------- */

static struct enn_connection open_one(struct clients *c, enum role role)
{
	struct enn_connection connection;

	enn_preconnection_set_user(c->pre, (void *)(uintptr_t)role);
	BENCH_NEED(enn_preconnection_initiate(c->pre, &connection, NULL) == ENN_OK);
	BENCH_NEED(enn_connection_send(connection, message, sizeof(message), NULL) == ENN_OK);
	return connection;
}

static void received(struct clients *c, const struct enn_taps_event *event)
{
	enum role role = (enum role)(uintptr_t)event->user;

	if (event->u.received.len > 0) {
		c->failed += event->u.received.len == sizeof(message) ? 0 : 1;
		c->settled += role == KEPT ? 1 : 0;
		(void)enn_message_release(event->u.received.loan);
	}
	if (role == PASSING || (event->u.received.flags & ENN_MESSAGE_FINAL) != 0) {
		(void)enn_connection_close(event->connection);
	} else if (enn_connection_receive(event->connection, 1, 0, NULL) != ENN_OK) {
		c->failed++;
	}
}

static void over(struct clients *c, const struct enn_taps_event *event)
{
	enum role role = (enum role)(uintptr_t)event->user;

	if (event->type != ENN_TAPS_CLOSED) {
		char line[256];
		(void)fprintf(stderr, "%s\n",
			      enn_error_string(&event->u.error, line, sizeof(line)));
		c->failed++;
	} else if (role == PASSING) {
		c->passed++;
	} else {
		c->ended++;
	}
	c->passing -= role == PASSING ? 1 : 0;
	enn_connection_free(event->connection);
}

static void poll_clients(struct clients *c, enn_time timeout)
{
	struct enn_taps_event events[POLL_EVENTS];
	size_t n = enn_poll(c->context, events, POLL_EVENTS, timeout);

	for (size_t i = 0; i < n; i++) {
		switch (events[i].type) {
		case ENN_TAPS_READY:
			BENCH_NEED(enn_connection_receive(events[i].connection, sizeof(message), 0,
							  NULL) == ENN_OK);
			break;
		case ENN_TAPS_RECEIVED:
			received(c, &events[i]);
			break;
		case ENN_TAPS_CLOSED:
		case ENN_TAPS_CONNECTION_ERROR:
		case ENN_TAPS_ESTABLISHMENT_ERROR:
			over(c, &events[i]);
			break;
		default:
			break;
		}
	}
}

static void pass(struct clients *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)open_one(c, PASSING);
		c->passing++;
	}
	while (c->passing > 0) {
		poll_clients(c, 100 * ENN_MILLISECOND);
	}
}

static void fill(struct clients *c)
{
	while (c->settled + c->failed < CONNECTIONS) {
		while (c->opened < CONNECTIONS && c->opened - c->settled < IN_FLIGHT) {
			c->kept[c->opened++] = open_one(c, KEPT);
		}
		poll_clients(c, 100 * ENN_MILLISECOND);
	}
}

/* RATE new ones a second beside those that are kept. */
static void trickle(struct clients *c)
{
	enn_time start = enn_context_now(c->context);
	size_t begun = 0;

	while (begun < RATE * RATE_FOR || c->passing > 0) {
		enn_time due = start + begun * (ENN_SECOND / RATE);
		enn_time now = enn_context_now(c->context);
		if (begun < RATE * RATE_FOR && now >= due) {
			(void)open_one(c, PASSING);
			c->passing++;
			begun++;
			continue;
		}
		poll_clients(c, begun < RATE * RATE_FOR ? due - now : 100 * ENN_MILLISECOND);
	}
}

static void clients_new(struct clients *c, const struct tls_pki *pki, uint16_t port)
{
	struct enn_security *security = enn_security_new();
	struct enn_address address = {
		.family = ENN_FAMILY_IPV4, .port = port, .ip = {127, 0, 0, 1}};

	*c = (struct clients){.kept = calloc(CONNECTIONS, sizeof(*c->kept))};
	BENCH_NEED(c->kept != NULL && enn_context_new(NULL, &c->context, NULL) == ENN_OK);
	c->pre = enn_preconnection_new(c->context);
	BENCH_NEED(c->pre != NULL && security != NULL);
	BENCH_NEED(enn_security_trust_pem(security, pki->root.cert_pem, strlen(pki->root.cert_pem),
					  NULL) == ENN_OK);
	/* Each connection is a new client: nothing is resumed. */
	BENCH_NEED(enn_security_set_bool(security, ENN_SECURITY_RESUME, false) == ENN_OK);
	BENCH_NEED(enn_preconnection_set_security(c->pre, security) == ENN_OK);
	BENCH_NEED(enn_preconnection_allow_protocol(c->pre, ENN_PROTOCOL_TLS) == ENN_OK);
	BENCH_NEED(enn_preconnection_add_remote_address(c->pre, &address) == ENN_OK);
	BENCH_NEED(enn_preconnection_set_server_name(c->pre, TLS_NAME) == ENN_OK);
	enn_security_free(security);
}

static void clients_free(struct clients *c)
{
	enn_preconnection_free(c->pre);
	enn_context_free(c->context);
	free(c->kept);
}

/* ---- the listener's process ------------------------------------------------------------------- */

static double resident_mib(pid_t pid)
{
	char path[64], line[256];
	double kib = -1;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	FILE *f = fopen(path, "r");
	BENCH_NEED(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0) {
			kib = strtod(line + 6, NULL);
		}
	}
	(void)fclose(f);
	BENCH_NEED(kib > 0);
	return kib / 1024;
}

static pid_t start(int (*serve)(const struct tls_pki *pki, int report_fd),
		   const struct tls_pki *pki, uint16_t *port)
{
	int fd[2];

	BENCH_NEED(pipe(fd) == 0 && fflush(NULL) == 0);
	pid_t pid = fork();
	BENCH_NEED(pid >= 0);
	if (pid == 0) {
		(void)close(fd[0]);
		exit(serve(pki, fd[1]));
	}
	(void)close(fd[1]);
	BENCH_NEED(read(fd[0], port, sizeof(*port)) == sizeof(*port));
	(void)close(fd[0]);
	return pid;
}

struct outcome {
	double mib;
	double failed;
};

static struct outcome measure(int (*serve)(const struct tls_pki *pki, int report_fd),
			      const struct tls_pki *pki)
{
	struct clients c;
	uint16_t port;
	int status = -1;
	pid_t pid = start(serve, pki, &port);

	clients_new(&c, pki, port);
	pass(&c, WARM_UP);
	double before = resident_mib(pid);
	fill(&c);
	double after = resident_mib(pid);
	trickle(&c);
	BENCH_NEED(kill(pid, SIGTERM) == 0);
	enn_time last = enn_context_now(c.context) + END_WITHIN;
	while (c.ended + c.failed < CONNECTIONS && enn_context_now(c.context) < last) {
		poll_clients(&c, 100 * ENN_MILLISECOND);
	}
	clients_free(&c);
	BENCH_NEED(waitpid(pid, &status, 0) == pid);
	size_t missing = CONNECTIONS - c.ended + (WARM_UP + RATE * RATE_FOR - c.passed);
	if (status != 0) {
		(void)fprintf(stderr, "the listener ended with status 0x%x\n", (unsigned)status);
		missing++;
	}
	return (struct outcome){after - before, (double)missing};
}

static void raise_file_limit(void)
{
	struct rlimit limit;

	BENCH_NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	BENCH_NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < CONNECTIONS + 1024) {
		bench_die("%u connections need as many open files; the limit is %llu", CONNECTIONS,
			  (unsigned long long)limit.rlim_cur);
	}
}

int main(int argc, char **argv)
{
	static const char *const head[] = {
		"10,000 TLS connections held by one listener, after 64 bytes each way; resident "
		"memory above a warm baseline",
	};
	static const struct bench_bar bars[] = {
		{"tls.memory.idle10k", "MiB above the baseline", BENCH_BAR_AT_MOST, 80},
		{"tls.idle10k.failed", "connections that failed or did not end cleanly",
		 BENCH_BAR_AT_MOST, 0},
	};
	static struct tls_pki pki;
	struct bench_options options = {.turns = 1, .alone = -1};
	struct outcome ours, libssl = {-1, -1};

	bench_parse(argc, argv, "bench_idle", "libssl", &options);
	if (options.list) {
		(void)puts("tls.memory.idle10k\ntls.idle10k.failed");
		return 0;
	}
	if (!bench_wanted(&options, "tls.memory.idle10k") &&
	    !bench_wanted(&options, "tls.idle10k.failed")) {
		return 0;
	}
	raise_file_limit();
	tls_pki_make(&pki);
	bench_print_head(head, 1);
	ours = measure(idle_serve_ours, &pki);
	if (options.alone < 0) {
		libssl = measure(idle_serve_libssl, &pki);
	}
	bench_counted("tls.memory.idle10k", "MiB", false, ours.mib, libssl.mib, -1, "libssl, epoll",
		      NULL);
	bench_counted("tls.idle10k.failed", "connections", true, ours.failed, libssl.failed, -1,
		      "libssl, epoll", NULL);
	bench_print_summary();
	if (options.bars) {
		bench_print_bars(bars, sizeof(bars) / sizeof(bars[0]));
	}
	if (options.json != NULL) {
		bench_write_json(options.json);
	}
	tls_pki_free(&pki);
	return 0;
}
