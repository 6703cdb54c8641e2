/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process may still do after it gave its privileges up, each case in a process of its own;
 * and the arithmetic of prefixes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ennead/netlink.h"
#include "ennead/privilege.h"

/* Runs `probe` in a child after the drop; what it returns is the number of the check that failed. */
static int after(const struct enn_privilege_options *options, int (*probe)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct enn_error error;
		_exit(enn_privilege_drop(options, &error) == ENN_OK ? probe() : 99);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool denied(int result, int with)
{
	return result == -1 && errno == with;
}

/* ---- the filter --------------------------------------------------------------------------------- */

static int probe_refused(void)
{
	char *const nothing[] = {NULL};
	struct ifreq request = {.ifr_name = "lo"};
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	if (!denied(execve("/bin/true", nothing, nothing), EPERM)) {
		return 1;
	}
	if (!denied(socket(AF_NETLINK, SOCK_DGRAM, 0), EAFNOSUPPORT) ||
	    !denied(socket(AF_PACKET, SOCK_DGRAM, 0), EAFNOSUPPORT)) {
		return 2;
	}
	if (!denied(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), EPERM)) {
		return 3;
	}
	if (!denied(ioctl(udp, SIOCSIFFLAGS, &request), EPERM)) {
		return 4;
	}
	if (!denied((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM)) {
		return 5;
	}
	if (!denied(chroot("/"), EPERM) || !denied(setuid(0), EPERM) ||
	    !denied(setsockopt(udp, IPPROTO_IP, 64, "", 0), EPERM)) {
		return 6;
	}
	return 0;
}

static void test_refused(void **state)
{
	struct enn_privilege_options options = {.keep_net_admin = true};

	(void)state;
	assert_int_equal(after(&options, probe_refused), 0);
}

static int probe_allowed(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	struct sockaddr_in any = {.sin_family = AF_INET};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int null = open("/dev/null", O_RDONLY);
	void *memory = malloc(64 << 20);

	if (udp < 0 || bind(udp, (struct sockaddr *)(void *)&any, sizeof(any)) != 0) {
		return 1;
	}
	if (socket(AF_INET6, SOCK_STREAM, 0) < 0 && errno != EAFNOSUPPORT) {
		return 2;
	}
	if (socket(AF_UNIX, SOCK_DGRAM, 0) < 0 || null < 0 || memory == NULL) {
		return 3;
	}
	free(memory);
	if (getaddrinfo("127.0.0.1", "53", &hints, &found) != 0) {
		return 4;
	}
	freeaddrinfo(found);
	if (getaddrinfo("localhost", NULL, NULL, &found) ==
	    0) { /* a machine may have no such name */
		freeaddrinfo(found);
	}
	pid_t pid = fork();
	if (pid == 0) {
		_exit(0);
	}
	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 5;
}

static void test_allowed(void **state)
{
	struct enn_privilege_options options = {.keep_net_admin = false};

	(void)state;
	assert_int_equal(after(&options, probe_allowed), 0);
}

static int probe_unfiltered(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ? 0 : 1;
}

static void test_without_filter(void **state)
{
	struct enn_privilege_options options = {.no_filter = true};

	(void)state;
	assert_int_equal(after(&options, probe_unfiltered), 0);
}

/* ---- identity and capabilities -------------------------------------------------------------------- */

static int set_mark(void)
{
	int mark = 5;
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	return setsockopt(udp, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static int probe_nobody_with_mark(void)
{
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getgroups(0, NULL) != 0) {
		return 1;
	}
	if (open("/etc/shadow", O_RDONLY) >= 0) {
		return 2;
	}
	return set_mark() == 0 ? 0 : 3;
}

static int probe_nobody(void)
{
	return getuid() != 0 && denied(set_mark(), EPERM) ? 0 : 1;
}

static void test_identity(void **state)
{
	struct enn_privilege_options options = {.user = "nobody", .keep_net_admin = true};

	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(after(&options, probe_nobody_with_mark), 0);
	options.keep_net_admin = false;
	assert_int_equal(after(&options, probe_nobody), 0);
}

/* Somebody who is not root has nothing to become, and drops the rest all the same. */
static int drop_twice(void)
{
	struct enn_privilege_options options = {.user = "nobody"};
	struct enn_error error;

	return enn_privilege_drop(&options, &error) == ENN_OK ? probe_refused() : 50;
}

static void test_again_as_nobody(void **state)
{
	struct enn_privilege_options options = {.user = "nobody", .no_filter = true};

	(void)state;
	assert_int_equal(after(&options, drop_twice), 0);
}

static void test_unknown_user(void **state)
{
	struct enn_privilege_options options = {.user = "nobody-of-that-name"};
	struct enn_error error;

	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	/* nothing was given up, so this process can go on */
	assert_int_equal(enn_privilege_drop(&options, &error), ENN_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "nobody-of-that-name"));
	assert_true(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
}

/* ---- prefixes --------------------------------------------------------------------------------------- */

static void test_mask(void **state)
{
	static const struct {
		uint8_t bits;
		uint8_t want[4];
	} rows[] = {
		{0, {0, 0, 0, 0}},	    {1, {128, 0, 0, 0}},	{7, {254, 0, 0, 0}},
		{8, {255, 0, 0, 0}},	    {9, {255, 128, 0, 0}},	{24, {255, 255, 255, 0}},
		{31, {255, 255, 255, 254}}, {32, {255, 255, 255, 255}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct enn_prefix prefix = {.family = ENN_FAMILY_IPV4, .bits = rows[i].bits};
		memset(prefix.ip, 255, 4);
		enn_prefix_mask(&prefix);
		assert_memory_equal(prefix.ip, rows[i].want, 4);
	}
}

static void test_contains(void **state)
{
	struct enn_prefix eight = {.ip = {10, 9}, .family = ENN_FAMILY_IPV4, .bits = 8};
	struct enn_prefix sixteen = {.ip = {10, 77}, .family = ENN_FAMILY_IPV4, .bits = 16};
	struct enn_prefix other = {.ip = {11, 77}, .family = ENN_FAMILY_IPV4, .bits = 16};
	struct enn_prefix all6 = {.family = ENN_FAMILY_IPV6, .bits = 0};

	(void)state;
	assert_true(enn_prefix_contains(&eight, &sixteen));
	assert_true(enn_prefix_contains(&eight, &eight));
	assert_false(enn_prefix_contains(&sixteen, &eight));
	assert_false(enn_prefix_contains(&eight, &other));
	assert_false(enn_prefix_contains(&all6, &eight));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_without_filter),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_again_as_nobody),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_contains),
	};

	return cmocka_run_group_tests_name("runtime_privilege", tests, NULL, NULL);
}
