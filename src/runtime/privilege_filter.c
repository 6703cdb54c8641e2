/* SPDX-License-Identifier: Apache-2.0
 *
 * The system call filter of a process that only moves packets any more.
 *
 * It names what is refused, not what is allowed: libc, its name service modules and libuv choose
 * their calls anew with every release, and a filter that stops a tunnel after an update is one
 * that gets switched off. What remains allowed is what an ordinary user may do anyway;
 * what is refused is the way from there to somewhere else.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "runtime/privilege.h"

static const char *const refused[] = {
	/* starting programs */
	"execve",
	"execveat",
	/* other processes */
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"kcmp",
	"pidfd_getfd",
	"process_madvise",
	/* identity */
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	"setfsuid",
	"setfsgid",
	"capset",
	/* namespaces, mounts, roots */
	"unshare",
	"setns",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"fsopen",
	"fsmount",
	"fsconfig",
	"fspick",
	"move_mount",
	"open_tree",
	"mount_setattr",
	"open_by_handle_at",
	"name_to_handle_at",
	/* the kernel and the machine */
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"settimeofday",
	"clock_settime",
	"adjtimex",
	"clock_adjtime",
	"sethostname",
	"setdomainname",
	"syslog",
	"quotactl",
	"iopl",
	"ioperm",
	"vhangup",
	/* wide interfaces that nothing here uses */
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"keyctl",
	"add_key",
	"request_key",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"personality",
	"modify_ldt",
	"lookup_dcookie",
	"fanotify_init",
	"mbind",
	"move_pages",
	"migrate_pages",
};

/* With CAP_NET_ADMIN these would change the system's network. */
static const unsigned long refused_ioctls[] = {
	SIOCADDRT,
	SIOCDELRT,
	SIOCSIFLINK,
	SIOCSIFFLAGS,
	SIOCSIFADDR,
	SIOCSIFDSTADDR,
	SIOCSIFBRDADDR,
	SIOCSIFNETMASK,
	SIOCSIFMETRIC,
	SIOCSIFMEM,
	SIOCSIFMTU,
	SIOCSIFNAME,
	SIOCSIFHWADDR,
	SIOCSIFENCAP,
	SIOCSIFSLAVE,
	SIOCADDMULTI,
	SIOCDELMULTI,
	SIOCSIFPFLAGS,
	SIOCDIFADDR,
	SIOCSIFHWBROADCAST,
	SIOCSIFBR,
	SIOCSIFTXQLEN,
	SIOCETHTOOL,
	SIOCSMIIREG,
	SIOCWANDEV,
	SIOCDARP,
	SIOCSARP,
	SIOCDRARP,
	SIOCSRARP,
	SIOCSIFMAP,
	SIOCADDDLCI,
	SIOCDELDLCI,
	SIOCSIFVLAN,
	SIOCBONDENSLAVE,
	SIOCBONDRELEASE,
	SIOCBONDSETHWADDR,
	SIOCBONDCHANGEACTIVE,
	SIOCBRADDBR,
	SIOCBRDELBR,
	SIOCBRADDIF,
	SIOCBRDELIF,
	SIOCSHWTSTAMP,
	TIOCSTI,
};

/* Unknown names and those that this architecture has not are no failure: nobody can call them. */
static int refuse_call(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	int result = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);

	return result == -EEXIST || result == -EDOM ? 0 : result;
}

static int refuse_with(scmp_filter_ctx filter, int error, int call, struct scmp_arg_cmp argument)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint16_t)error), call, 1, &argument);
}

static int refuse_calls(scmp_filter_ctx filter)
{
	int result = 0;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && result == 0; i++) {
		result = refuse_call(filter, refused[i]);
	}
	for (size_t i = 0; i < sizeof(refused_ioctls) / sizeof(refused_ioctls[0]) && result == 0;
	     i++) {
		/* the kernel looks at 32 bits of it */
		struct scmp_arg_cmp request = {1, SCMP_CMP_MASKED_EQ, UINT32_MAX,
					       refused_ioctls[i]};
		result = refuse_with(filter, EPERM, SCMP_SYS(ioctl), request);
	}
	return result;
}

/* Sockets of IP and UNIX only, and none that are raw. */
static int refuse_sockets(scmp_filter_ctx filter)
{
	/* the type's low four bits; the others are flags */
	struct scmp_arg_cmp raw = {1, SCMP_CMP_MASKED_EQ, 15, SOCK_RAW};
	int result = refuse_with(filter, EPERM, SCMP_SYS(socket), raw);

	for (int family = 0; family < AF_MAX && result == 0; family++) {
		struct scmp_arg_cmp here = {0, SCMP_CMP_EQ, (scmp_datum_t)family, 0};
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6) {
			result = refuse_with(filter, EAFNOSUPPORT, SCMP_SYS(socket), here);
		}
	}
	return result;
}

/* No packet filters: {IPT,IP6T}_SO_SET_REPLACE and …_ADD_COUNTERS at either level. */
static int refuse_tables(scmp_filter_ctx filter)
{
	static const int levels[] = {IPPROTO_IP, IPPROTO_IPV6};
	int result = 0;

	for (unsigned i = 0; i < 4 && result == 0; i++) {
		struct scmp_arg_cmp arguments[] = {
			{1, SCMP_CMP_EQ, (scmp_datum_t)levels[i / 2], 0},
			{2, SCMP_CMP_EQ, 64 + i % 2, 0},
		};
		result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt),
						2, arguments);
	}
	return result;
}

int enn_privilege_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int result = filter == NULL ? -ENOMEM : 0;

	if (result == 0) {
		result = refuse_calls(filter);
	}
	if (result == 0) {
		result = refuse_sockets(filter);
	}
	if (result == 0) {
		result = refuse_tables(filter);
	}
	if (result == 0) {
		result = seccomp_load(filter);
	}
	seccomp_release(filter);
	return -result;
}
