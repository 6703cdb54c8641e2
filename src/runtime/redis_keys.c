/* SPDX-License-Identifier: Apache-2.0
 *
 * The ticket keys of a pool. Time is cut into periods; the key of a period is made by whoever comes first (SET
 * NX) and fetched by the others, so that all seal with the same one and open each other's tickets. Each keeps
 * the two before it, and has the next one before it is used. A server that cannot reach the store goes on
 * with what it has, and with keys of its own when that is too old.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/redis_store.h"

#define TICKET_KEY 64u
#define EARLIER	   2
#define RETRY	   1000u /* milliseconds */

/* One key on its way. */
struct fetch {
	struct enn_redis *r;
	int64_t period;
	uint8_t digest[ENN_REDIS_DIGEST];
};

static int64_t period_of(const struct enn_redis *r, int64_t wall)
{
	return wall / r->period;
}

static void take_key(struct enn_redis *r, int64_t period, const uint8_t *key, size_t len)
{
	int64_t wall = enn_redis_wall(r);
	int64_t current = period_of(r, wall);

	if (period == current) {
		/* beyond its period, if the store is away: one more */
		if (enn_ticket_keys_set_until(r->tickets, key, len, wall,
					      (period + 2) * r->period) == ENN_OK) {
			r->current = period;
		}
	} else {
		(void)!enn_ticket_keys_add(r->tickets, key, len, wall,
					   (period + EARLIER + 1) * r->period);
	}
	if (period > r->ready) {
		r->ready = period;
	}
}

static void on_key(redisAsyncContext *link, void *data, void *private)
{
	const redisReply *reply = data;
	struct fetch *f = private;
	struct enn_redis *r = f->r;

	if (link->data != NULL && reply != NULL && reply->type == REDIS_REPLY_STRING) {
		uint8_t *key = NULL;
		size_t len = 0, room = 0;
		uint8_t *buffer = enn_redis_open(r, f->digest, (const uint8_t *)reply->str,
						 (size_t)reply->len, &key, &len, &room);
		if (buffer != NULL && len == TICKET_KEY) {
			take_key(r, f->period, key, len);
		} else {
			enn_log(&r->rt->env, ENN_LOG_WARNING,
				"session store: a ticket key there is not this pool's");
		}
		enn_free_secret(&r->rt->env, buffer, room);
	}
	free(f);
}

static void name_period(struct enn_redis *r, int64_t period, uint8_t digest[ENN_REDIS_DIGEST],
			char name[ENN_REDIS_NAME])
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld", (long long)period);

	enn_redis_name(r, 'k', text, (size_t)n, digest, name);
}

/* Offers a key for a period, which counts if there is none. */
static void offer(struct enn_redis *r, int64_t period)
{
	uint8_t digest[ENN_REDIS_DIGEST];
	char name[ENN_REDIS_NAME];
	uint8_t key[TICKET_KEY];
	size_t len = 0;
	int64_t left = (period + EARLIER + 2) * r->period - enn_redis_wall(r);

	name_period(r, period, digest, name);
	if (enn_random(&r->rt->env, key, sizeof(key)) == ENN_OK) {
		uint8_t *sealed = enn_redis_seal(r, digest, key, sizeof(key), &len);
		if (sealed != NULL) {
			(void)redisAsyncCommand(r->link, NULL, NULL, "SET %s %b NX PX %lld", name,
						sealed, len,
						(long long)(left / (int64_t)ENN_MILLISECOND) + 1);
		}
		enn_free_secret(&r->rt->env, sealed, len);
	}
	enn_wipe(key, sizeof(key));
}

static void fetch(struct enn_redis *r, int64_t period)
{
	char name[ENN_REDIS_NAME];
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		return;
	}
	f->r = r;
	f->period = period;
	name_period(r, period, f->digest, name);
	if (redisAsyncCommand(r->link, on_key, f, "GET %s", name) != REDIS_OK) {
		free(f);
	}
}

static void on_rotation(uv_timer_t *timer)
{
	struct enn_redis *r = timer->data;

	r->rt->activity++;
	enn_redis_rotate(r);
}

/* When there is something to do next: the last tenth of the period, or its end. */
static void sleep_until_due(struct enn_redis *r, int64_t wall, int64_t period)
{
	int64_t end = (period + 1) * r->period;
	int64_t early = end - r->period / 10;
	int64_t due = (r->ready > period ? end : early) - wall;
	uint64_t ms = due <= 0 ? RETRY : (uint64_t)due / ENN_MILLISECOND + 1;

	if (r->current != period) {
		ms = RETRY;
	}
	(void)uv_timer_start(&r->rotation, on_rotation, ms, 0);
}

void enn_redis_rotate(struct enn_redis *r)
{
	int64_t wall, period;

	if (r->rt == NULL || r->released) {
		return;
	}
	wall = enn_redis_wall(r);
	period = period_of(r, wall);
	/* Not before the server has let us in: what a password protects is not asked for without. */
	if (enn_redis_linked(r) && r->run_id[0] != '\0') {
		if (r->current != period) {
			offer(r, period);
			fetch(r, period);
			for (int64_t i = 1; i <= EARLIER; i++) {
				fetch(r, period - i);
			}
		}
		if (r->ready <= period && wall >= (period + 1) * r->period - r->period / 10) {
			offer(r, period + 1);
			fetch(r, period + 1);
		}
	}
	sleep_until_due(r, wall, period);
}
