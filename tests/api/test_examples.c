/* SPDX-License-Identifier: Apache-2.0
 *
 * The examples do what they say: the three clients each talk to the echo server.
 * argv: the directory with the built examples.
 */
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../unit/certs.h"

extern char **environ;

static const char *directory;
static char work[64];
static char cert_path[128];
static char key_path[128];
static char port[16];
static pid_t server;

/* Starts an example; *out becomes the reading end of its standard output. */
static pid_t start(const char *name, const char *a, const char *b, const char *c, int *out)
{
	char path[512];
	const char *argv[] = {path, a, b, c, NULL};
	posix_spawn_file_actions_t actions;
	int pipes[2];
	pid_t pid = -1;

	(void)snprintf(path, sizeof(path), "%s/example_%s", directory, name);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO), 0);
	assert_int_equal(posix_spawn_file_actions_addclose(&actions, pipes[0]), 0);
	assert_int_equal(posix_spawn(&pid, path, &actions, NULL, (char **)argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(pipes[1]);
	*out = pipes[0];
	return pid;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct cert_options options = {.names = "DNS:localhost",
				       .not_before = time(NULL) - CERT_DAY,
				       .not_after = time(NULL) + CERT_DAY};
	struct cert *cert = cert_make(&options);
	int out;

	(void)state;
	(void)snprintf(work, sizeof(work), "/tmp/ennead-examples-XXXXXX");
	assert_non_null(mkdtemp(work));
	(void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", work);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", work);
	write_file(cert_path, cert->pem);
	write_file(key_path, cert->key_pem);
	cert_free(cert);
	server = start("echo_server", "0", cert_path, key_path, &out);
	ssize_t n = read(out, port, sizeof(port) - 1);
	assert_true(n > 1);
	port[strcspn(port, "\n")] = '\0';
	(void)close(out);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)kill(server, SIGTERM);
	(void)waitpid(server, NULL, 0);
	(void)unlink(cert_path);
	(void)unlink(key_path);
	(void)rmdir(work);
	return 0;
}

/* Runs a client and checks what it prints and how it ends. */
static void run(const char *name, const char *trust, const char *printed, int exit_code)
{
	char text[256] = {0};
	size_t len = 0;
	int status = -1;
	int out;
	pid_t pid = start(name, "localhost", port, trust, &out);

	for (ssize_t n = 1; n > 0 && len<sizeof(text) - 1; len += n> 0 ? (size_t)n : 0) {
		n = read(out, text + len, sizeof(text) - 1 - len);
	}
	(void)close(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(text, printed);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), exit_code);
}

static void test_clients(void **state)
{
	(void)state;
	run("client", cert_path, "hello\n", 0);
	run("libuv_embed", cert_path, "hello\n", 0);
	run("poll_engine", cert_path, "hello\n", 0);
}

/* Without the trust file the server is nobody to them. */
static void test_refusals(void **state)
{
	(void)state;
	run("client", NULL, "", 1);
	run("libuv_embed", NULL, "", 1);
	run("poll_engine", NULL, "", 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_refusals),
	};

	if (argc != 2) {
		return 2;
	}
	directory = argv[1];
	return cmocka_run_group_tests_name("examples", tests, setup, teardown);
}
