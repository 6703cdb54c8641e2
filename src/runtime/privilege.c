/* SPDX-License-Identifier: Apache-2.0
 *
 * Another user, fewer capabilities, no new ones.
 */
#include "runtime/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static enum enn_status refuse(struct enn_error *error, const char *what, int number)
{
	(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "privileges", "%s: %s", what,
			    strerror(number));
	if (error != NULL) {
		error->sys_errno = number;
	}
	return ENN_E_SYSTEM;
}

static enum enn_status find_user(const char *name, uid_t *uid, gid_t *gid, struct enn_error *error)
{
	char names[4096];
	struct passwd entry;
	struct passwd *found = NULL;
	int failure = getpwnam_r(name, &entry, names, sizeof(names), &found);

	if (found == NULL) {
		return enn_error_set(error, ENN_E_NOT_FOUND, ENN_REASON_SYSTEM, "privileges",
				     "there is no user '%s'%s%s", name, failure ? ": " : "",
				     failure ? strerror(failure) : "");
	}
	*uid = found->pw_uid;
	*gid = found->pw_gid;
	return ENN_OK;
}

/* The capabilities that are kept, if the process has them at all. */
static void choose(bool keep_net_admin)
{
	bool admin = capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) == 1;
	bool bind = capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) == 1;
	capng_type_t kinds = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

	capng_clear(CAPNG_SELECT_ALL);
	if (keep_net_admin && admin) {
		(void)capng_update(CAPNG_ADD, kinds, CAP_NET_ADMIN);
	}
	if (keep_net_admin && bind) {
		(void)capng_update(CAPNG_ADD, kinds, CAP_NET_BIND_SERVICE);
	}
}

static enum enn_status become(const char *user, struct enn_error *error)
{
	uid_t uid = 0;
	gid_t gid = 0;
	enum enn_status status = find_user(user, &uid, &gid, error);

	if (status != ENN_OK) {
		return status;
	}
	errno = 0;
	/* libcap-ng clears the bounding set before it gives up the right to do so */
	if (capng_change_id((int)uid, (int)gid,
			    CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT) !=
	    0) {
		return refuse(error, "another user's identity was refused", errno);
	}
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid) {
		return refuse(error, "another user's identity was refused", EPERM);
	}
	return ENN_OK;
}

enum enn_status enn_privilege_drop(const struct enn_privilege_options *options,
				   struct enn_error *error)
{
	if (capng_get_caps_process() != 0) {
		return refuse(error, "the capabilities cannot be read", errno ? errno : EIO);
	}
	bool may_change = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) == 1 &&
			  capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) == 1;
	choose(options->keep_net_admin);
	if (options->user != NULL && may_change) {
		enum enn_status status = become(options->user, error);
		if (status != ENN_OK) {
			return status;
		}
	} else if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
		return refuse(error, "the capabilities cannot be given up", errno);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return refuse(error, "new privileges cannot be ruled out", errno);
	}
	/* keys are in memory: no core file, and nobody who is the same user traces us */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		return refuse(error, "core files cannot be ruled out", errno);
	}
	int failure = options->no_filter ? 0 : enn_privilege_filter();
	return failure == 0 ? ENN_OK : refuse(error, "the system call filter was refused", failure);
}
