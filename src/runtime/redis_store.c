/* SPDX-License-Identifier: Apache-2.0
 *
 * The session store in Redis: questions, what is sealed, and life. A question has a time limit; a server that
 * lets one pass is taken for gone.
 */
#include "runtime/redis_store.h"

#include <hiredis/sds.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include <utlist.h>

#define DEFAULT_TIMEOUT	 (200 * ENN_MILLISECOND)
#define DEFAULT_KEY_LIFE ((int64_t)12 * 3600 * (int64_t)ENN_SECOND)
#define LEAST_KEY_LIFE	 ((int64_t)ENN_SECOND)
#define EPOCH_LIFE	 "604800000" /* milliseconds: a new one costs a window of early data */
#define MEMORY_SESSIONS	 1024u
#define MAX_VALUE	 65536u
#define LEAST_POOL_KEY	 32u

struct enn_store_query {
	struct enn_redis *r;
	enum enn_store_op op;
	enn_store_done done; /* NULL: nobody waits any more */
	void *owner;
	enn_time deadline;
	unsigned replies; /* still to come */
	int64_t since;
	uint8_t digest[ENN_REDIS_DIGEST];
	struct enn_store_query *prev, *next;
};

int64_t enn_redis_wall(const struct enn_redis *r)
{
	return r->rt->env.wall_offset + (int64_t)enn_runtime_now(r->rt);
}

/* ---- names and values ------------------------------------------------------------------------- */

void enn_redis_name(const struct enn_redis *r, char kind, const void *name, size_t len,
		    uint8_t digest[ENN_REDIS_DIGEST], char out[ENN_REDIS_NAME])
{
	struct enn_hmac m = r->names;
	int at = snprintf(out, ENN_REDIS_NAME, "%s%c", r->prefix, kind);

	enn_hmac_update(&m, &kind, 1);
	enn_hmac_update(&m, name, len);
	enn_hmac_final(&m, digest);
	for (size_t i = 0; i < ENN_REDIS_DIGEST; i++) {
		(void)snprintf(out + at + 2 * i, 3, "%02x", digest[i]);
	}
}

uint8_t *enn_redis_seal(struct enn_redis *r, const uint8_t digest[ENN_REDIS_DIGEST],
			const uint8_t *value, size_t len, size_t *out_len)
{
	const struct enn_env *env = &r->rt->env;
	size_t plain_len = ENN_REDIS_DIGEST + len;
	size_t room = plain_len + ENN_TICKET_OVERHEAD;
	uint8_t *plain = enn_alloc(env, plain_len);
	uint8_t *sealed = plain == NULL ? NULL : enn_alloc(env, room);

	*out_len = 0;
	if (sealed != NULL) {
		memcpy(plain, digest, ENN_REDIS_DIGEST); /* it opens in its place only */
		memcpy(plain + ENN_REDIS_DIGEST, value, len);
		if (enn_ticket_seal(r->seal, env, enn_redis_wall(r), 1, plain, plain_len, sealed,
				    room, out_len) != ENN_OK) {
			enn_free(env, sealed, room);
			sealed = NULL;
		}
	}
	enn_free_secret(env, plain, plain_len);
	return sealed;
}

uint8_t *enn_redis_open(struct enn_redis *r, const uint8_t digest[ENN_REDIS_DIGEST],
			const uint8_t *sealed, size_t sealed_len, uint8_t **value, size_t *len,
			size_t *room)
{
	const struct enn_env *env = &r->rt->env;
	size_t plain_len = 0;
	uint8_t *plain;

	*len = 0;
	*room = sealed_len;
	if (sealed_len < ENN_TICKET_OVERHEAD + ENN_REDIS_DIGEST ||
	    (plain = enn_alloc(env, sealed_len)) == NULL) {
		return NULL;
	}
	if (enn_ticket_open(r->seal, env, enn_redis_wall(r), sealed, sealed_len, plain, sealed_len,
			    &plain_len) != ENN_OK ||
	    plain_len < ENN_REDIS_DIGEST || !enn_equal_secret(plain, digest, ENN_REDIS_DIGEST)) {
		enn_free_secret(env, plain, sealed_len);
		return NULL;
	}
	*value = plain + ENN_REDIS_DIGEST;
	*len = plain_len - ENN_REDIS_DIGEST;
	return plain;
}

/* ---- patience ---------------------------------------------------------------------------------- */

static void say(struct enn_store_query *q, const struct enn_store_reply *reply)
{
	static const struct enn_store_reply no;
	enn_store_done done = q->done;

	q->done = NULL;
	if (done != NULL) {
		done(q->owner, reply == NULL ? &no : reply);
	}
}

static void on_patience(uv_timer_t *timer);

static void arm(struct enn_redis *r)
{
	enn_time now;

	if (r->rt == NULL) {
		return;
	}
	if (r->queries == NULL) {
		(void)uv_timer_stop(&r->patience);
		return;
	}
	now = enn_runtime_now(r->rt);
	enn_time left = r->queries->deadline > now ? r->queries->deadline - now : 0;
	uv_update_time(r->rt->uv);
	(void)uv_timer_start(&r->patience, on_patience, left / ENN_MILLISECOND + 1, 0);
}

static void on_patience(uv_timer_t *timer)
{
	struct enn_redis *r = timer->data;

	r->rt->activity++;
	if (r->queries != NULL && r->queries->deadline <= enn_runtime_now(r->rt)) {
		enn_redis_unlink(r, "it does not answer in time"); /* ends all questions */
	}
	arm(r);
}

/* ---- replies ------------------------------------------------------------------------------------ */

static void reply_taken(struct enn_store_query *q, const redisReply *reply)
{
	struct enn_redis *r = q->r;
	uint8_t *value = NULL;
	size_t len = 0, room = 0;

	if (reply->type == REDIS_REPLY_ERROR && !r->without_getdel) {
		r->without_getdel = strstr(reply->str, "unknown command") != NULL;
	}
	if (reply->type != REDIS_REPLY_STRING) {
		say(q, NULL);
		return;
	}
	uint8_t *buffer = enn_redis_open(r, q->digest, (const uint8_t *)reply->str,
					 (size_t)reply->len, &value, &len, &room);
	struct enn_store_reply found = {.accept = buffer != NULL, .data = value, .len = len};
	say(q, &found);
	enn_free_secret(&r->home->env, buffer, room);
}

static void reply_claimed(struct enn_store_query *q, const redisReply *reply)
{
	struct enn_store_reply claimed = {.accept = reply->type == REDIS_REPLY_STATUS &&
						    q->since != INT64_MAX,
					  .since = q->since};

	say(q, &claimed);
}

static void on_reply(redisAsyncContext *link, void *data, void *private)
{
	const redisReply *reply = data;
	struct enn_store_query *q = private;
	struct enn_redis *r = q->r;

	(void)link;
	q->replies--;
	if (reply == NULL || q->done == NULL) {
		say(q, NULL);
	} else if (q->op == ENN_STORE_TAKE) {
		reply_taken(q, reply);
	} else if (q->replies == 0) {
		reply_claimed(q, reply);
	} else if (reply->type == REDIS_REPLY_STRING) { /* of three the one between: the epoch */
		q->since = strtoll(reply->str, NULL, 10);
	}
	if (q->replies == 0) {
		DL_DELETE(r->queries, q);
		r->query_count--;
		free(q);
		arm(r);
	}
}

/* ---- questions ------------------------------------------------------------------------------------ */

static bool command(struct enn_store_query *q, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int status = redisvAsyncCommand(q->r->link, on_reply, q, format, args);
	va_end(args);
	if (status == REDIS_OK) {
		q->replies++;
	}
	return status == REDIS_OK;
}

static bool send_take(struct enn_store_query *q, const char *name)
{
	static const char script[] = "local v = redis.call('GET', KEYS[1]) "
				     "redis.call('DEL', KEYS[1]) return v";

	return q->r->without_getdel ? command(q, "EVAL %s 1 %s", script, name)
				    : command(q, "GETDEL %s", name);
}

static void name_epoch(const struct enn_redis *r, char name[ENN_REDIS_NAME])
{
	uint8_t digest[ENN_REDIS_DIGEST];

	enn_redis_name(r, 'e', r->run_id, strlen(r->run_id), digest, name);
}

void enn_redis_begin_epoch(struct enn_redis *r)
{
	char epoch[ENN_REDIS_NAME];

	name_epoch(r, epoch);
	(void)redisAsyncCommand(r->link, NULL, NULL, "SET %s %" PRId64 " NX PX " EPOCH_LIFE, epoch,
				enn_redis_wall(r));
}

/* In one go, which one process answers in this order: since when it has the claims, and the claim. */
static bool send_claim(struct enn_store_query *q, const char *name, int64_t expires)
{
	struct enn_redis *r = q->r;
	char epoch[ENN_REDIS_NAME];
	int64_t left = (expires - enn_redis_wall(r)) / (int64_t)ENN_MILLISECOND + 1;

	if (r->run_id[0] == '\0' || left <= 0) {
		return false;
	}
	name_epoch(r, epoch);
	return command(q, "SET %s %" PRId64 " NX PX " EPOCH_LIFE, epoch, enn_redis_wall(r)) &&
	       command(q, "GET %s", epoch) && command(q, "SET %s 1 NX PX %" PRId64, name, left);
}

static struct enn_store_query *ask(void *backend, const void *domain, enum enn_store_op op,
				   const uint8_t *key, size_t key_len, int64_t expires,
				   enn_store_done done, void *owner)
{
	struct enn_redis *r = backend;
	char name[ENN_REDIS_NAME];

	if (r->rt == NULL || r->rt != domain || !enn_redis_linked(r) ||
	    r->query_count >= ENN_REDIS_QUERIES) {
		return NULL;
	}
	struct enn_store_query *q = calloc(1, sizeof(*q));
	if (q == NULL) {
		return NULL;
	}
	*q = (struct enn_store_query){.r = r,
				      .op = op,
				      .done = done,
				      .owner = owner,
				      .since = INT64_MAX,
				      .deadline = enn_runtime_now(r->rt) + r->timeout};
	enn_redis_name(r, op == ENN_STORE_TAKE ? 's' : 'c', key, key_len, q->digest, name);
	bool sent = op == ENN_STORE_TAKE ? send_take(q, name) : send_claim(q, name, expires);
	if (!sent && q->replies == 0) {
		free(q);
		return NULL;
	}
	DL_APPEND(r->queries, q);
	r->query_count++;
	arm(r);
	if (!sent) { /* half of it: what comes back is not looked at */
		q->done = NULL;
		return NULL;
	}
	return q;
}

static void cancel(struct enn_store_query *query)
{
	query->done = NULL;
}

static void put(void *backend, const void *domain, const uint8_t *key, size_t key_len,
		const uint8_t *value, size_t value_len, int64_t expires)
{
	struct enn_redis *r = backend;
	uint8_t digest[ENN_REDIS_DIGEST];
	char name[ENN_REDIS_NAME];
	size_t len = 0;

	if (r->rt == NULL || r->rt != domain || value_len > MAX_VALUE || !enn_redis_linked(r)) {
		return;
	}
	int64_t left = (expires - enn_redis_wall(r)) / (int64_t)ENN_MILLISECOND;
	if (left <= 0 || sdslen(r->link->c.obuf) > 16u * MAX_VALUE) { /* it does not keep up */
		return;
	}
	enn_redis_name(r, 's', key, key_len, digest, name);
	uint8_t *sealed = enn_redis_seal(r, digest, value, value_len, &len);
	if (sealed != NULL) {
		(void)redisAsyncCommand(r->link, NULL, NULL, "SET %s %b PX %" PRId64, name, sealed,
					len, left);
	}
	enn_free(&r->rt->env, sealed, len);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void free_if_over(struct enn_redis *r)
{
	if (!r->released || r->handles > 0) {
		return;
	}
	enn_ticket_keys_free(r->seal);
	enn_ticket_keys_free(r->tickets);
	enn_wipe(r, sizeof(*r));
	free(r);
}

static void on_closed(uv_handle_t *handle)
{
	struct enn_redis *r = handle->data;
	struct enn_runtime *home = r->home;

	r->handles--;
	free_if_over(r);
	enn_runtime_closed(home);
}

/* It says no from now on. */
static void stop(struct enn_redis *r)
{
	struct enn_runtime *rt = r->rt;

	if (rt == NULL) {
		return;
	}
	LL_DELETE(rt->redis, r);
	if (r->lookup != NULL) {
		enn_lookup_cancel(r->lookup);
		r->lookup = NULL;
	}
	enn_redis_unlink(r, NULL);
	r->rt = NULL;
	uv_close((uv_handle_t *)&r->patience, on_closed);
	uv_close((uv_handle_t *)&r->rotation, on_closed);
}

static void release(void *backend)
{
	struct enn_redis *r = backend;

	r->released = true;
	stop(r);
	free_if_over(r);
}

void enn_redis_detach_all(struct enn_runtime *rt)
{
	while (rt->redis != NULL) {
		stop(rt->redis);
	}
}

/* Two keys out of the pool's: one that names are made with, one that values are sealed with. */
static enum enn_status derive_keys(struct enn_redis *r, const struct enn_redis_options *options)
{
	const struct enn_hash_alg *hash = enn_hash_alg(ENN_HASH_SHA384);
	uint8_t prk[ENN_MAX_HASH];
	uint8_t out[64];

	enn_hkdf_extract(hash, NULL, 0, options->pool_key, options->pool_key_len, prk);
	enn_hkdf_expand(hash, prk, hash->len, (const uint8_t *)"ennead pool names", 17, out, 32);
	enn_hmac_init(&r->names, enn_hash_alg(ENN_HASH_SHA256), out, 32);
	enn_hkdf_expand(hash, prk, hash->len, (const uint8_t *)"ennead pool values", 18, out,
			sizeof(out));
	enum enn_status status = enn_ticket_keys_set(r->seal, out, sizeof(out), enn_redis_wall(r));
	enn_wipe(prk, sizeof(prk));
	enn_wipe(out, sizeof(out));
	return status;
}

static enum enn_status check(const struct enn_redis_options *o, struct enn_redis *r,
			     struct enn_error *error)
{
	const char *what = NULL;

	if (o->url == NULL || !enn_redis_parse_url(o->url, &r->url, &what)) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION,
				     "session store", "the store's URL is wrong: %s",
				     o->url == NULL ? "there is none" : what);
	}
	if (o->pool_key == NULL || o->pool_key_len < LEAST_POOL_KEY) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "pool key", "a pool's key has at least %u bytes",
				     LEAST_POOL_KEY);
	}
	if (o->prefix != NULL && strlen(o->prefix) > ENN_REDIS_PREFIX) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "prefix", "a prefix has at most %d characters",
				     ENN_REDIS_PREFIX);
	}
	return ENN_OK;
}

static const struct enn_store_backend redis_backend = {
	.ask = ask, .cancel = cancel, .put = put, .release = release};

static enum enn_status start(struct enn_redis *r, struct enn_session_store **out)
{
	(void)uv_timer_init(r->rt->uv, &r->patience);
	(void)uv_timer_init(r->rt->uv, &r->rotation);
	r->patience.data = r->rotation.data = r;
	uv_unref((uv_handle_t *)&r->patience);
	uv_unref((uv_handle_t *)&r->rotation);
	r->handles = 2;
	enn_runtime_opened(r->rt);
	enn_runtime_opened(r->rt);
	LL_PREPEND(r->rt->redis, r);
	*out = enn_session_store_new_remote(&redis_backend, r, r->tickets, MEMORY_SESSIONS);
	if (*out == NULL) {
		return ENN_E_MEMORY; /* and r is released */
	}
	enn_redis_rotate(r);
	return ENN_OK;
}

enum enn_status enn_redis_store_new(struct enn_runtime *rt, const struct enn_redis_options *options,
				    struct enn_session_store **out, struct enn_error *error)
{
	struct enn_redis *r = calloc(1, sizeof(*r));
	enum enn_status status = ENN_E_MEMORY;

	*out = NULL;
	if (r != NULL) {
		r->rt = r->home = rt;
		r->current = r->ready = -1;
		r->timeout = options->timeout > 0 ? options->timeout : DEFAULT_TIMEOUT;
		r->period = (int64_t)options->ticket_key_life;
		if (r->period < LEAST_KEY_LIFE) {
			r->period = r->period == 0 ? DEFAULT_KEY_LIFE : LEAST_KEY_LIFE;
		}
		r->seal = enn_ticket_keys_new();
		r->tickets = enn_ticket_keys_new();
		status = r->seal == NULL || r->tickets == NULL ? ENN_E_MEMORY
							       : check(options, r, error);
	}
	if (status == ENN_OK) {
		(void)snprintf(r->prefix, sizeof(r->prefix), "%s",
			       options->prefix == NULL ? "ennead:" : options->prefix);
		status = derive_keys(r, options);
	}
	if (status == ENN_OK) {
		status = start(r, out);
	} else if (r != NULL) {
		r->rt = NULL;
		r->released = true;
		free_if_over(r);
	}
	return status == ENN_E_MEMORY ? enn_error_set(error, status, ENN_REASON_OUT_OF_MEMORY,
						      "session store", "out of memory")
				      : status;
}
