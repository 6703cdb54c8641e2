/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer's timers (WP §6). The functions are named after what has happened.
 *
 * A peer has one timer in the interface's heap, armed at or before the first of its
 * deadlines: moving a deadline away, which happens for every batch of packets, does not touch
 * the heap.
 */
#include "base/log.h"
#include "protocols/wireguard/link.h"

static void set(struct enn_wg_peer *p, enum enn_wg_deadline which, enn_time when)
{
	p->deadline[which] = when;
	if (when != ENN_TIME_NEVER && (!p->timer.armed || when < p->timer.when)) {
		enn_timers_set(&p->device->timers, &p->timer, when);
	}
}

static void clear(struct enn_wg_peer *p, enum enn_wg_deadline which)
{
	p->deadline[which] = ENN_TIME_NEVER;
}

static bool pending(const struct enn_wg_peer *p, enum enn_wg_deadline which)
{
	return p->deadline[which] != ENN_TIME_NEVER;
}

/* Without randomness there is no jitter, and nothing worse. */
static enn_time jitter(const struct enn_wg_peer *p)
{
	uint8_t bytes[4] = {0};
	uint32_t r;

	if (enn_wg_random(&p->device->tools, bytes, sizeof(bytes)) != ENN_OK) {
		return 0;
	}
	memcpy(&r, bytes, sizeof(r));
	return r % REKEY_JITTER;
}

/* ---- what expires --------------------------------------------------------------------------- */

/* WP §6.4: tries for REKEY_ATTEMPT_TIME, then gives up what waits. */
static void retry_expired(struct enn_wg_peer *p, enn_time now)
{
	bool gone = p->device->link != NULL && p->unanswered_since != ENN_TIME_NEVER &&
		    now - p->unanswered_since >= REKEY_ATTEMPT_TIME;

	if (gone || p->attempts >= REKEY_ATTEMPT_TIME / REKEY_TIMEOUT) {
		enn_log(p->device->env, ENN_LOG_INFO,
			"wireguard: peer %llu does not answer; giving up for now",
			(unsigned long long)p->id);
		if (p->device->link != NULL) {
			enn_wg_link_gave_up(p->device);
			return;
		}
		clear(p, DEADLINE_KEEPALIVE);
		enn_wg_unstage(p);
		enn_wg_handshake_clear(p);
		if (!pending(p, DEADLINE_ZERO_KEYS)) {
			set(p, DEADLINE_ZERO_KEYS, now + 3 * REJECT_AFTER_TIME);
		}
		return;
	}
	p->attempts++;
	/* Perhaps the address that it was reached from is no longer ours. */
	memset(&p->path.local, 0, sizeof(p->path.local));
	enn_wg_begin_handshake(p, now, true);
}

static void keepalive_expired(struct enn_wg_peer *p, enn_time now)
{
	enn_wg_want(p, WANT_KEEPALIVE);
	if (p->another_keepalive) {
		p->another_keepalive = false;
		set(p, DEADLINE_KEEPALIVE, now + KEEPALIVE_TIMEOUT);
	}
}

/* WP §6.5: we have sent and nothing came back. */
static void silence_expired(struct enn_wg_peer *p, enn_time now)
{
	memset(&p->path.local, 0, sizeof(p->path.local));
	enn_wg_begin_handshake(p, now, false);
}

/* WP §6.3 */
static void zero_keys_expired(struct enn_wg_peer *p)
{
	enn_wg_keypairs_drop(p);
	enn_wg_handshake_clear(p);
}

static void persistent_expired(struct enn_wg_peer *p)
{
	if (p->persistent_keepalive > 0) {
		enn_wg_want(p, WANT_KEEPALIVE);
	}
}

static void deadline_expired(struct enn_wg_peer *p, enum enn_wg_deadline which, enn_time now)
{
	switch (which) {
	case DEADLINE_RETRY:
		retry_expired(p, now);
		break;
	case DEADLINE_KEEPALIVE:
		keepalive_expired(p, now);
		break;
	case DEADLINE_SILENCE:
		silence_expired(p, now);
		break;
	case DEADLINE_ZERO_KEYS:
		zero_keys_expired(p);
		break;
	case DEADLINE_PERSISTENT:
		persistent_expired(p);
		break;
	case DEADLINE_COUNT:
		break;
	}
}

static void fire(void *owner, enn_time now)
{
	struct enn_wg_peer *p = owner;
	enn_time first = ENN_TIME_NEVER;

	for (int i = 0; i < DEADLINE_COUNT; i++) {
		if (p->deadline[i] <= now) {
			p->deadline[i] = ENN_TIME_NEVER;
			deadline_expired(p, (enum enn_wg_deadline)i, now);
		}
	}
	for (int i = 0; i < DEADLINE_COUNT; i++) {
		first = p->deadline[i] < first ? p->deadline[i] : first;
	}
	enn_timers_set(&p->device->timers, &p->timer, first);
}

/* ---- what happened -------------------------------------------------------------------------- */

void enn_wg_timers_init(struct enn_wg_peer *p)
{
	p->unanswered_since = ENN_TIME_NEVER;
	enn_timer_init(&p->timer, fire, p);
	for (int i = 0; i < DEADLINE_COUNT; i++) {
		p->deadline[i] = ENN_TIME_NEVER;
	}
}

void enn_wg_timers_stop(struct enn_wg_peer *p)
{
	for (int i = 0; i < DEADLINE_COUNT; i++) {
		p->deadline[i] = ENN_TIME_NEVER;
	}
	enn_timers_set(&p->device->timers, &p->timer, ENN_TIME_NEVER);
}

void enn_wg_timers_initiation_sent(struct enn_wg_peer *p, enn_time now)
{
	if (p->unanswered_since == ENN_TIME_NEVER) {
		p->unanswered_since = now;
	}
	set(p, DEADLINE_RETRY, now + REKEY_TIMEOUT + jitter(p));
}

void enn_wg_timers_wait_for_retry(struct enn_wg_peer *p)
{
	if (!pending(p, DEADLINE_RETRY)) {
		set(p, DEADLINE_RETRY, p->last_initiation_sent + REKEY_TIMEOUT + jitter(p));
	}
}

void enn_wg_timers_handshake_complete(struct enn_wg_peer *p, enn_time now)
{
	clear(p, DEADLINE_RETRY);
	enn_wg_handshake_clear(p); /* the other one, if both had begun */
	p->attempts = 0;
	p->last_minute = false;
	p->last_handshake = p->device->env->wall_offset + (int64_t)now;
	p->generation++;
	p->device->ready = true;
	enn_wg_tell(p, NEWS_KEYS);
}

void enn_wg_timers_session_derived(struct enn_wg_peer *p, enn_time now)
{
	set(p, DEADLINE_ZERO_KEYS, now + 3 * REJECT_AFTER_TIME);
}

void enn_wg_timers_data_sent(struct enn_wg_peer *p, enn_time now)
{
	if (!pending(p, DEADLINE_SILENCE)) {
		set(p, DEADLINE_SILENCE, now + KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + jitter(p));
	}
}

void enn_wg_timers_data_received(struct enn_wg_peer *p, enn_time now)
{
	if (pending(p, DEADLINE_KEEPALIVE)) {
		p->another_keepalive = true;
	} else {
		set(p, DEADLINE_KEEPALIVE, now + KEEPALIVE_TIMEOUT);
	}
}

static void traversed(struct enn_wg_peer *p, enn_time now)
{
	if (p->persistent_keepalive > 0) {
		set(p, DEADLINE_PERSISTENT, now + (enn_time)p->persistent_keepalive * ENN_SECOND);
	}
}

void enn_wg_timers_authenticated_sent(struct enn_wg_peer *p, enn_time now)
{
	clear(p, DEADLINE_KEEPALIVE);
	traversed(p, now);
}

void enn_wg_timers_authenticated_received(struct enn_wg_peer *p, enn_time now)
{
	p->unanswered_since = ENN_TIME_NEVER;
	clear(p, DEADLINE_SILENCE);
	traversed(p, now);
}

void enn_wg_timers_keepalive_changed(struct enn_wg_peer *p, enn_time now)
{
	if (p->persistent_keepalive == 0) {
		clear(p, DEADLINE_PERSISTENT);
	} else {
		set(p, DEADLINE_PERSISTENT, now);
	}
}
