/* SPDX-License-Identifier: Apache-2.0
 *
 * Other programs, only with --allow-scripts: the hooks of the file, and resolvconf(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tunnel.h"

extern char **environ;

/* Signals as a program expects them: the guardian blocks some for itself. input: its standard
 * input, or -1. Returns what waitpid said, or -1. */
static int run(const char *const *argv, int input, const struct tunnel_log *log)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid = -1;
	int status = -1;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0) {
		return -1;
	}
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -1;
	}
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	if (input >= 0) {
		(void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	}
	/* posix_spawnp does not change the arguments: its type is of an older time */
	int failure = posix_spawnp(&pid, argv[0], &actions, &attributes,
				   (char *const *)(uintptr_t)argv, environ);
	if (failure != 0) {
		tunnel_log(log, ENN_LOG_ERROR, "%s: %s", argv[0], strerror(failure));
	} else {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		}
	}
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return status;
}

/* ---- hooks ------------------------------------------------------------------------------------ */

/* With the interface's name for each %i (malloc). */
static char *expand(const char *command, const char *interface)
{
	size_t size = strlen(command) * (strlen(interface) + 1) + 1;
	char *out = malloc(size);
	char *at = out;

	for (const char *p = command; out != NULL && *p != '\0'; p++) {
		if (p[0] == '%' && p[1] == 'i') {
			at = stpcpy(at, interface);
			p++;
		} else {
			*at++ = *p;
		}
	}
	if (out != NULL) {
		*at = '\0';
	}
	return out;
}

bool tunnel_run_hooks(const struct tunnel_config *config, enum tunnel_hook hook,
		      const char *interface, const struct tunnel_log *log)
{
	const struct tunnel_strings *list = &config->hooks[hook];

	for (size_t i = 0; i < list->count; i++) {
		char *command = expand(list->item[i], interface);
		if (command == NULL) {
			tunnel_log(log, ENN_LOG_ERROR, "out of memory");
			return false;
		}
		tunnel_log(log, ENN_LOG_INFO, "%s: %s", tunnel_hook_name(hook), command);
		const char *argv[] = {"/bin/sh", "-c", command, NULL};
		int status = run(argv, -1, log);
		free(command);
		if (status != 0) {
			tunnel_log(log, ENN_LOG_ERROR, "%s failed: %s", tunnel_hook_name(hook),
				   list->item[i]);
			return false;
		}
	}
	return true;
}

/* ---- names ------------------------------------------------------------------------------------ */

/* What resolvconf reads, as a file without a name. */
static int resolv_conf(const struct tunnel_config *config)
{
	int fd = memfd_create("resolv.conf", MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (out == NULL) {
		if (copy >= 0) {
			(void)close(copy);
		}
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	for (size_t i = 0; i < config->dns.count; i++) {
		fprintf(out, "nameserver %s\n", config->dns.item[i]);
	}
	for (size_t i = 0; i < config->search.count; i++) {
		fprintf(out, "%s%s", i == 0 ? "search " : " ", config->search.item[i]);
	}
	fputs(config->search.count > 0 ? "\n" : "", out);
	bool good = fclose(out) == 0 && lseek(fd, 0, SEEK_SET) == 0;
	if (!good) {
		(void)close(fd);
	}
	return good ? fd : -1;
}

bool tunnel_set_dns(const struct tunnel_config *config, const char *interface,
		    const struct tunnel_log *log)
{
	const char *argv[] = {"resolvconf", "-a", interface, "-m", "0", "-x", NULL};
	int input = resolv_conf(config);

	if (input < 0) {
		tunnel_log(log, ENN_LOG_ERROR, "resolvconf: %s", strerror(errno));
		return false;
	}
	int status = run(argv, input, log);
	(void)close(input);
	if (status != 0) {
		tunnel_log(log, ENN_LOG_ERROR, "resolvconf did not take the name servers");
	}
	return status == 0;
}

void tunnel_unset_dns(const char *interface, const struct tunnel_log *log)
{
	const char *argv[] = {"resolvconf", "-d", interface, "-f", NULL};

	(void)run(argv, -1, log);
}
