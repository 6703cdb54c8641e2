/* SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload: for the program in it monotonic time runs FAST_CLOCK_RATE times as fast, so
 * that a session is renewed after seconds and not minutes. The time of day stays.
 */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define FOR_ALL __attribute__((visibility("default")))
#define SECOND	1000000000LL

static int (*real_clock)(clockid_t id, struct timespec *t);
static int (*real_wait)(int fd, struct epoll_event *events, int count, int timeout);
static int (*real_pwait)(int fd, struct epoll_event *events, int count, int timeout,
			 const sigset_t *mask);
static int (*real_poll)(struct pollfd *fds, nfds_t count, int timeout);
static int64_t begin;
static double rate = 1;

/* dlsym gives a data pointer; POSIX says that it may be used so. */
static void find(void *into, const char *name)
{
	*(void **)into = dlsym(RTLD_NEXT, name);
}

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * SECOND + t->tv_nsec;
}

__attribute__((constructor)) static void load(void)
{
	const char *text = getenv("FAST_CLOCK_RATE");
	struct timespec now;

	find(&real_clock, "clock_gettime");
	find(&real_wait, "epoll_wait");
	find(&real_pwait, "epoll_pwait");
	find(&real_poll, "poll");
	if (text != NULL && atof(text) > 0) {
		rate = atof(text);
	}
	(void)real_clock(CLOCK_MONOTONIC, &now);
	begin = nanoseconds(&now);
}

FOR_ALL int clock_gettime(clockid_t id, struct timespec *t)
{
	if (real_clock == NULL) { /* another library's constructor was first */
		load();
	}
	int status = real_clock(id, t);

	if (status == 0 && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
			    id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME)) {
		int64_t fast = begin + (int64_t)((double)(nanoseconds(t) - begin) * rate);
		t->tv_sec = fast / SECOND;
		t->tv_nsec = fast % SECOND;
	}
	return status;
}

static int shorter(int timeout)
{
	return timeout <= 0 ? timeout : 1 + (int)((double)timeout / rate);
}

FOR_ALL int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	return real_wait(fd, events, count, shorter(timeout));
}

FOR_ALL int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout,
			const sigset_t *mask)
{
	return real_pwait(fd, events, count, shorter(timeout), mask);
}

FOR_ALL int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return real_poll(fds, count, shorter(timeout));
}
