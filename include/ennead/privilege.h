/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving up what a process no longer needs once its sockets and interfaces are open.
 */
#ifndef ENNEAD_PRIVILEGE_H
#define ENNEAD_PRIVILEGE_H

#include <stdbool.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed gives up everything and stays the user that it is. */
struct enn_privilege_options {
	const char *
		user; /* become this user and its group, without other groups; NULL: do not. Ignored
			   * if the process is neither root nor has CAP_SETUID */
	bool keep_net_admin; /* keep CAP_NET_ADMIN, which SO_MARK needs, and
			      * CAP_NET_BIND_SERVICE; the filter keeps it from configuring the
			      * system's network */
	bool no_filter;	     /* no system call filter */
};

/* For the calling thread, so call it before there are others; those made later inherit it.
 * Besides: no new privileges by execve, no core files, and a seccomp filter under which
 * starting programs, tracing, mounting, loading modules, changing identity, other
 * sockets than those of IP and UNIX, and the like are answered with EPERM. There
 * is no way back.
 * Errors: ENN_E_NOT_FOUND (no such user), ENN_E_SYSTEM; the process should end then, for it may have
 * given up a part. */
ENN_API ENN_MUST_CHECK enum enn_status enn_privilege_drop(
	const struct enn_privilege_options *options, struct enn_error *error);

#ifdef __cplusplus
}
#endif
#endif
