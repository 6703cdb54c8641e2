/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data (survey ED): the decision against replay, RFC 8446 §8.
 */
#include "features/early_data.h"

#include "ennead/env.h"

/* a + b without overflow: wall times come from the peer's ticket and may be anything. */
static int64_t add_clamped(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum)) {
		return b < 0 ? INT64_MIN : INT64_MAX;
	}
	return sum;
}

static int64_t window_of(const struct enn_security *security)
{
	return (int64_t)(security->value[ENN_SECURITY_EARLY_DATA_WINDOW] * ENN_MILLISECOND);
}

/* §8.3: when the ClientHello says that it was sent. */
static int64_t expected_at(int64_t ticket_issued, uint32_t client_age_ms)
{
	return add_clamped(ticket_issued, (int64_t)client_age_ms * (int64_t)ENN_MILLISECOND);
}

bool enn_early_data_is_fresh(const struct enn_security *security, int64_t wall_now,
			     int64_t ticket_issued, uint32_t client_age_ms, int64_t *until)
{
	int64_t expected = expected_at(ticket_issued, client_age_ms);
	int64_t last = add_clamped(expected, window_of(security));

	*until = add_clamped(last, 1);
	return wall_now <= last && wall_now >= add_clamped(expected, -window_of(security));
}

bool enn_early_data_is_covered(const struct enn_security *security, int64_t ticket_issued,
			       uint32_t client_age_ms, int64_t since)
{
	return expected_at(ticket_issued, client_age_ms) > add_clamped(since, window_of(security));
}

enum enn_early_data_verdict enn_early_data_check(const struct enn_security *security,
						 int64_t wall_now, int64_t ticket_issued,
						 uint32_t client_age_ms, const uint8_t *unique,
						 size_t unique_len)
{
	int64_t expected = expected_at(ticket_issued, client_age_ms);
	int64_t until;

	if (!enn_early_data_is_fresh(security, wall_now, ticket_issued, client_age_ms, &until)) {
		return ENN_EARLY_DATA_STALE;
	}
	/* §8.2: an earlier process with the same ticket key may have accepted it, and its records
	 * are gone. It can have done so only with an expected time before our start + window. */
	int64_t since = enn_ticket_keys_since(security->tickets);
	if (ticket_issued < since && expected <= add_clamped(since, window_of(security))) {
		return ENN_EARLY_DATA_REPLAYED;
	}
	/* §8.1. Remembered for as long as a copy of it would be fresh, and no longer. */
	if (enn_session_store_claim(security->store, unique, unique_len, wall_now, until) !=
	    ENN_OK) {
		return ENN_EARLY_DATA_REPLAYED;
	}
	return ENN_EARLY_DATA_FRESH;
}
