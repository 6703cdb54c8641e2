/* SPDX-License-Identifier: Apache-2.0
 *
 * The guardian: starts the worker, does what needs privileges around it, and tidies up after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "tunnel_network.h"
#include "tunnel_server.h"

struct guardian {
	const struct tunnel_options *o;
	struct tunnel_config *config; /* without its keys */
	struct tunnel_log *log;
	struct tunnel_network network;
	struct tunnel_started worker;
	int to_worker;
	int signals;
	int parent; /* daemon: a pipe to the process that the user started, or -1 */
	pid_t pid;
	bool exited; /* the worker, with exit_status */
	int exit_status;
	bool stopping;
	bool dns_set;
	bool hooks_ran; /* PreUp was begun: PostDown is due */
	bool pid_file;
};

/* ---- output of a daemon ----------------------------------------------------------------------- */

void tunnel_detach_output(const struct tunnel_options *o, struct tunnel_log *log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= 2; fd++) {
		(void)dup2(null, fd);
	}
	if (null > 2) {
		(void)close(null);
	}
	if (o->log_file == NULL) {
		openlog("ennead-tunnel", LOG_PID, LOG_DAEMON);
		log->file = NULL;
	} else {
		(void)dup2(fileno(log->file), STDERR_FILENO); /* what libraries may say */
	}
}

/* The user's process waits for the daemon's word that all is set up: its exit status. */
static int wait_for_daemon(int fd)
{
	unsigned char status = CLI_LOCAL;
	ssize_t n;

	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	return status;
}

/* False in the process that is to end with *status. */
static bool become_daemon(struct guardian *g, int *status)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		*status = CLI_LOCAL;
		return false;
	}
	pid_t pid = fork();
	if (pid != 0) {
		(void)close(ends[1]);
		*status = pid < 0 ? CLI_LOCAL : wait_for_daemon(ends[0]);
		(void)close(ends[0]);
		return false;
	}
	(void)close(ends[0]);
	(void)setsid();
	(void)!chdir("/");
	g->parent = ends[1];
	return true;
}

static void tell_parent(struct guardian *g, int status)
{
	unsigned char byte = (unsigned char)status;

	if (g->parent >= 0) {
		(void)!write(g->parent, &byte, 1);
		(void)close(g->parent);
		g->parent = -1;
	}
}

static bool write_pid_file(struct guardian *g)
{
	if (g->o->pid_file == NULL) {
		return true;
	}
	int fd = open(g->o->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	bool good = file != NULL && fprintf(file, "%ld\n", (long)getpid()) > 0;
	if (file != NULL) {
		good = fclose(file) == 0 && good;
	}
	if (!good) {
		tunnel_log(g->log, ENN_LOG_ERROR, "%s: %s", g->o->pid_file, strerror(errno));
	}
	g->pid_file = good;
	return good;
}

/* ---- the worker ------------------------------------------------------------------------------- */

static bool start_worker(struct guardian *g, uint32_t mark)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		tunnel_log(g->log, ENN_LOG_ERROR, "no worker: %s", strerror(errno));
		return false;
	}
	(void)fflush(NULL);
	g->pid = fork();
	if (g->pid == 0) {
		(void)close(ends[0]);
		(void)close(g->signals);
		if (g->parent >= 0) {
			(void)close(g->parent);
		}
		enn_netlink_free(g->network.netlink);
		int status = tunnel_worker(g->o, g->config, mark, ends[1], g->log);
		(void)fflush(NULL);
		_exit(status); /* libuv's own end would wait for its threads */
	}
	(void)close(ends[1]);
	g->to_worker = ends[0];
	tunnel_config_wipe_keys(g->config);
	if (g->pid < 0) {
		tunnel_log(g->log, ENN_LOG_ERROR, "no worker: %s", strerror(errno));
		g->pid = 0;
		g->exited = true;
		return false;
	}
	return true;
}

static void reap(struct guardian *g, int flags)
{
	int status = 0;
	pid_t pid;

	do {
		pid = g->exited ? 0 : waitpid(g->pid, &status, flags);
	} while (pid < 0 && errno == EINTR);
	if (pid != g->pid || g->exited) {
		return;
	}
	g->exited = true;
	g->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_LOST;
	if (WIFSIGNALED(status)) {
		tunnel_log(g->log, ENN_LOG_ERROR, "the worker was ended by signal %d (%s)",
			   WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
}

/* Tells it to stop and waits; one that does not is killed. */
static void stop_worker(struct guardian *g)
{
	static const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

	if (g->to_worker >= 0) {
		(void)close(g->to_worker); /* it understands that */
		g->to_worker = -1;
	}
	for (int i = 0; i < 250 && !g->exited; i++) {
		reap(g, WNOHANG);
		if (!g->exited) {
			(void)nanosleep(&pause, NULL);
		}
	}
	if (!g->exited) {
		tunnel_log(g->log, ENN_LOG_ERROR, "the worker does not end; killing it");
		(void)kill(g->pid, SIGKILL);
		reap(g, 0);
	}
}

/* ---- set-up ----------------------------------------------------------------------------------- */

static bool has_dns(const struct tunnel_config *config)
{
	return config->dns.count + config->search.count > 0;
}

static bool set_up_system(struct guardian *g)
{
	const char *interface = g->worker.interface;

	g->hooks_ran = true;
	if (!tunnel_run_hooks(g->config, TUNNEL_PRE_UP, interface, g->log) ||
	    !tunnel_network_up(&g->network, g->config, g->worker.index, g->worker.mtu, g->log)) {
		return false;
	}
	if (has_dns(g->config) && g->o->allow_scripts) {
		g->dns_set = true;
		if (!tunnel_set_dns(g->config, interface, g->log)) {
			return false;
		}
	} else if (has_dns(g->config)) {
		tunnel_log(g->log, ENN_LOG_WARNING,
			   "DNS is not set: that takes another program, resolvconf(8), and "
			   "--allow-scripts");
	}
	return tunnel_run_hooks(g->config, TUNNEL_POST_UP, interface, g->log);
}

static bool set_up(struct guardian *g)
{
	uint32_t mark = 0;
	struct tunnel_message message;

	if (!tunnel_network_open(&g->network, g->log) ||
	    !tunnel_network_plan(&g->network, g->config, &mark, g->log) || !start_worker(g, mark)) {
		g->exit_status = CLI_LOCAL;
		return false;
	}
	if (!tunnel_message_receive(g->to_worker, &message, &g->worker, sizeof(g->worker)) ||
	    message.type != TUNNEL_STARTED || message.len != sizeof(g->worker) ||
	    !tunnel_message_receive(g->to_worker, &message, NULL, 0) ||
	    message.type != TUNNEL_CONFINED) {
		stop_worker(g);
		return false; /* it has said why */
	}
	if (!set_up_system(g) || !write_pid_file(g) ||
	    !tunnel_message_send(g->to_worker, TUNNEL_GO, NULL, 0, NULL, 0)) {
		stop_worker(g);
		g->exit_status = CLI_LOCAL;
		return false;
	}
	return true;
}

/* ---- while it runs ---------------------------------------------------------------------------- */

/* What `wg syncconf` does, and the routes. Addresses, MTU and scripts are as they were. */
static void change_to(struct guardian *g, const struct tunnel_config *config, struct text text)
{
	struct tunnel_reload header = {.has_mark = 0};

	if (!tunnel_network_plan(&g->network, config, &header.mark, g->log)) {
		return;
	}
	header.has_mark = config->has_fwmark || header.mark != 0;
	if (!tunnel_message_send(g->to_worker, TUNNEL_CONFIG, &header, sizeof(header), text.at,
				 text.len)) {
		tunnel_log(g->log, ENN_LOG_ERROR, "the worker is gone");
	}
	if (!tunnel_network_change(&g->network, config, g->log)) {
		tunnel_log(g->log, ENN_LOG_ERROR, "not all routes are as wanted");
	}
}

static void reload(struct guardian *g)
{
	struct tunnel_config config;
	struct text text;

	tunnel_notify("RELOADING=1");
	if (tunnel_load(g->o->path, &config, &text, g->log)) {
		tunnel_config_wipe_keys(&config);
		if (tunnel_is_complete(g->o->path, &config, g->log)) {
			change_to(g, &config, text);
			tunnel_config_free(g->config);
			*g->config = config;
		} else {
			tunnel_config_free(&config);
		}
		tunnel_free_text(&text);
	}
	tunnel_notify("READY=1");
}

static void take_signal(struct guardian *g)
{
	struct signalfd_siginfo info;

	if (read(g->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
		return;
	}
	switch (info.ssi_signo) {
	case SIGHUP:
		reload(g);
		break;
	case SIGCHLD:
		reap(g, WNOHANG);
		break;
	default:
		g->stopping = true;
		break;
	}
}

static void watch(struct guardian *g)
{
	while (!g->stopping && !g->exited) {
		struct pollfd fds[] = {{.fd = g->signals, .events = POLLIN},
				       {.fd = g->to_worker, .events = POLLIN}};
		if (poll(fds, 2, -1) <= 0) {
			continue;
		}
		if (fds[0].revents != 0) {
			take_signal(g);
		}
		if (fds[1].revents != 0) {
			reap(g, 0); /* it has closed its end, so it is about to exit */
		}
	}
}

static void tear_down(struct guardian *g)
{
	char path[128];
	const char *interface = g->worker.interface;

	if (g->pid_file) {
		(void)unlink(g->o->pid_file);
	}
	if (interface[0] != '\0' && tunnel_socket_path(interface, path, sizeof(path))) {
		(void)unlink(path);
	}
	tunnel_network_close(&g->network, g->log);
	if (g->dns_set) {
		tunnel_unset_dns(interface, g->log);
	}
	if (g->hooks_ran) {
		(void)tunnel_run_hooks(g->config, TUNNEL_POST_DOWN, interface, g->log);
	}
}

static void run(struct guardian *g)
{
	tell_parent(g, CLI_OK);
	tunnel_log(g->log, ENN_LOG_INFO, "%s is up, port %u, %zu peer%s", g->worker.interface,
		   g->worker.port, g->config->peer_count, g->config->peer_count == 1 ? "" : "s");
	if (g->o->daemon) {
		tunnel_detach_output(g->o, g->log);
	}
	tunnel_notify("READY=1\nMAINPID=%ld", (long)getpid());
	watch(g);
	tunnel_notify("STOPPING=1");
	if (g->stopping) {
		(void)tunnel_run_hooks(g->config, TUNNEL_PRE_DOWN, g->worker.interface, g->log);
	}
	bool by_itself = g->exited;
	stop_worker(g);
	if (!by_itself) {
		g->exit_status = CLI_OK; /* it did what it was told */
	}
}

/* Signals are taken one at a time from a descriptor: no handler interrupts anything. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
}

int tunnel_guardian(const struct tunnel_options *o, struct tunnel_config *config,
		    struct tunnel_log *log)
{
	struct guardian g = {.o = o, .config = config, .log = log, .to_worker = -1, .parent = -1};

	if (o->daemon && !become_daemon(&g, &g.exit_status)) {
		return g.exit_status;
	}
	g.signals = open_signals();
	if (g.signals < 0) {
		tunnel_log(log, ENN_LOG_ERROR, "signals: %s", strerror(errno));
		return CLI_LOCAL;
	}
	if (set_up(&g)) {
		run(&g);
	}
	tear_down(&g);
	tell_parent(&g, g.exit_status);
	(void)close(g.signals);
	return g.exit_status;
}
