/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to a Redis server: hiredis on libuv, made when it is wanted, made again after failures at
 * growing intervals. While there is none, who asks is told no at once.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"
#include "runtime/redis_store.h"

#define FIRST_PAUSE   (50 * ENN_MILLISECOND)
#define LONGEST_PAUSE (2 * ENN_SECOND)

/* ---- hiredis's hooks ------------------------------------------------------------------------ */

struct watch {
	uv_poll_t poll;
	struct enn_runtime *rt;
	redisAsyncContext *link; /* NULL: gone */
	int events;
};

/* hiredis writes without MSG_NOSIGNAL: a server that went away must not end the process. */
static void write_without_signal(redisAsyncContext *link)
{
	static const struct timespec at_once;
	sigset_t pipe_only, before, waiting;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)sigpending(&waiting);
	bool had = sigismember(&waiting, SIGPIPE) == 1;
	(void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	redisAsyncHandleWrite(link);
	if (!had) {
		(void)sigtimedwait(&pipe_only, NULL, &at_once);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	w->rt->activity++;
	if (status != 0) { /* what is wrong shows when it is read from */
		events = UV_READABLE | UV_WRITABLE;
	}
	if (w->link != NULL && (events & UV_READABLE)) {
		redisAsyncHandleRead(w->link);
	}
	if (w->link != NULL && (events & UV_WRITABLE)) {
		write_without_signal(w->link);
	}
}

static void watch_for(struct watch *w, int events)
{
	w->events = events;
	if (events == 0) {
		(void)uv_poll_stop(&w->poll);
	} else {
		(void)uv_poll_start(&w->poll, events, on_poll);
	}
}

static void add_read(void *data)
{
	watch_for(data, ((struct watch *)data)->events | UV_READABLE);
}

static void del_read(void *data)
{
	watch_for(data, ((struct watch *)data)->events & ~UV_READABLE);
}

static void add_write(void *data)
{
	watch_for(data, ((struct watch *)data)->events | UV_WRITABLE);
}

static void del_write(void *data)
{
	watch_for(data, ((struct watch *)data)->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;
	struct enn_runtime *rt = w->rt;

	free(w);
	enn_runtime_closed(rt);
}

static void cleanup(void *data)
{
	struct watch *w = data;

	w->link = NULL;
	uv_close((uv_handle_t *)&w->poll, on_poll_closed);
}

static bool attach(struct enn_redis *r, redisAsyncContext *link)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL || uv_poll_init(r->rt->uv, &w->poll, link->c.fd) != 0) {
		free(w);
		return false;
	}
	enn_runtime_opened(r->rt);
	uv_unref((uv_handle_t *)&w->poll); /* nothing lives for the store's sake */
	w->poll.data = w;
	w->rt = r->rt;
	w->link = link;
	link->ev.data = w;
	link->ev.addRead = add_read;
	link->ev.delRead = del_read;
	link->ev.addWrite = add_write;
	link->ev.delWrite = del_write;
	link->ev.cleanup = cleanup;
	return true;
}

/* ---- failure -------------------------------------------------------------------------------- */

static void lost(struct enn_redis *r, const char *why)
{
	enn_time pause = FIRST_PAUSE << (r->failures < 8 ? r->failures : 8);

	r->link = NULL;
	r->run_id[0] = '\0';
	r->failures++;
	r->not_before = enn_runtime_now(r->rt) + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE);
	if (why != NULL) {
		enn_log(&r->rt->env, r->failures == 1 ? ENN_LOG_WARNING : ENN_LOG_INFO,
			"session store: %s", why);
	}
}

void enn_redis_unlink(struct enn_redis *r, const char *why)
{
	redisAsyncContext *link = r->link;

	if (link != NULL) {
		lost(r, why);
		link->data = NULL;
		redisAsyncFree(link); /* tells all that waits */
	}
}

static void on_connect(const redisAsyncContext *link, int status)
{
	struct enn_redis *r = link->data;

	if (r != NULL && status != REDIS_OK) { /* hiredis frees it */
		lost(r, link->errstr == NULL || link->errstr[0] == '\0' ? "it cannot be reached"
									: link->errstr);
	}
}

static void on_disconnect(const redisAsyncContext *link, int status)
{
	struct enn_redis *r = link->data;

	if (r != NULL) {
		lost(r, status == REDIS_OK || link->errstr == NULL ? "the connection ended"
								   : link->errstr);
	}
}

/* ---- connecting -------------------------------------------------------------------------------- */

/* AUTH and SELECT: without them nothing may be asked. */
static void on_setup(redisAsyncContext *link, void *data, void *private)
{
	const redisReply *reply = data;
	struct enn_redis *r = link->data;

	(void)private;
	if (r == NULL || reply == NULL || reply->type != REDIS_REPLY_ERROR) {
		return;
	}
	lost(r, reply->str);
	link->data = NULL;
	redisAsyncFree(link); /* behind this call; tells all that waits */
}

/* The process that answers: one that was started again has forgotten claims. */
static void on_info(redisAsyncContext *link, void *data, void *private)
{
	const redisReply *reply = data;
	struct enn_redis *r = link->data;

	(void)private;
	if (r == NULL || reply == NULL || reply->type != REDIS_REPLY_STRING) {
		return;
	}
	const char *id = strstr(reply->str, "run_id:");
	size_t len = id == NULL ? 0 : strcspn(id + 7, "\r\n");
	if (len == 0 || len >= sizeof(r->run_id)) {
		return; /* nobody knows: no claims */
	}
	if (r->failures > 0) {
		enn_log(&r->rt->env, ENN_LOG_INFO, "session store: it answers again");
	}
	r->failures = 0;
	memcpy(r->run_id, id + 7, len);
	r->run_id[len] = '\0';
	enn_redis_begin_epoch(r);
	enn_redis_rotate(r);
}

static void begin(struct enn_redis *r, redisAsyncContext *link)
{
	if (link == NULL || link->err != 0 || !attach(r, link)) {
		lost(r, link == NULL || link->err == 0 ? "out of memory" : link->errstr);
		if (link != NULL) {
			redisAsyncFree(link);
		}
		return;
	}
	r->link = link;
	link->data = r;
	(void)redisAsyncSetConnectCallback(link, on_connect);
	(void)redisAsyncSetDisconnectCallback(link, on_disconnect);
	if (r->url.user[0] != '\0') {
		(void)redisAsyncCommand(link, on_setup, NULL, "AUTH %s %s", r->url.user,
					r->url.password);
	} else if (r->url.password[0] != '\0') {
		(void)redisAsyncCommand(link, on_setup, NULL, "AUTH %s", r->url.password);
	}
	if (r->url.database != 0) {
		(void)redisAsyncCommand(link, on_setup, NULL, "SELECT %u", r->url.database);
	}
	(void)redisAsyncCommand(link, on_info, NULL, "INFO server");
}

static void on_address(void *owner, enum enn_family family, const struct enn_address *found,
		       size_t count, int status)
{
	struct enn_redis *r = owner;
	char text[INET6_ADDRSTRLEN] = "";

	(void)family;
	r->lookup = NULL;
	if (count > 0) {
		const void *bytes = found[0].ip;
		(void)inet_ntop(found[0].family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6, bytes,
				text, sizeof(text));
	}
	if (status != 0 || text[0] == '\0') {
		lost(r, "its name has no address");
		return;
	}
	begin(r, redisAsyncConnect(text, r->url.port));
}

static bool is_address(const char *host)
{
	uint8_t out[16];

	return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

static void connect_now(struct enn_redis *r)
{
	if (r->url.path[0] != '\0') {
		begin(r, redisAsyncConnectUnix(r->url.path));
	} else if (is_address(r->url.host)) {
		begin(r, redisAsyncConnect(r->url.host, r->url.port));
	} else if (enn_lookup_start(r->rt, r->url.host, r->url.port, ENN_FAMILY_IPV4, 1, on_address,
				    r, &r->lookup) != ENN_OK) { /* hiredis would block */
		lost(r, "its name cannot be looked up");
	}
}

bool enn_redis_linked(struct enn_redis *r)
{
	if (r->rt == NULL || r->released) {
		return false;
	}
	if (r->link == NULL && r->lookup == NULL && enn_runtime_now(r->rt) >= r->not_before) {
		connect_now(r);
	}
	return r->link != NULL && (r->link->c.flags & (REDIS_DISCONNECTING | REDIS_FREEING)) == 0;
}
