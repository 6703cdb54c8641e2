/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data (survey ED): the server's decision against replay, RFC 8446 §8.
 */
#ifndef ENN_FEATURES_EARLY_DATA_H
#define ENN_FEATURES_EARLY_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "features/security.h"

enum enn_early_data_verdict {
	ENN_EARLY_DATA_FRESH,	 /* accept: fresh, and seen for the first time */
	ENN_EARLY_DATA_STALE,	 /* §8.3: ticket age and arrival do not fit */
	ENN_EARLY_DATA_REPLAYED, /* §8.1, §8.2: seen before, or not rememberable */
};

/* ticket_issued and wall_now in UNIX nanoseconds; client_age_ms is the de-obfuscated age of the
 * ticket as the client reckons it. unique identifies the ClientHello (its binder). */
enum enn_early_data_verdict enn_early_data_check(const struct enn_security *security,
						 int64_t wall_now, int64_t ticket_issued,
						 uint32_t client_age_ms, const uint8_t *unique,
						 size_t unique_len);

/* The same where the claims are in a store that is elsewhere, in two steps. §8.3; *until: when a copy is not
 * fresh any more, for the claim. */
bool enn_early_data_is_fresh(const struct enn_security *security, int64_t wall_now,
			     int64_t ticket_issued, uint32_t client_age_ms, int64_t *until);
/* §8.2 for a pool: whether every claim that could have been made of this ClientHello is in the store, which
 * has all of them since then. Clocks of a pool may differ by as much as the window. */
bool enn_early_data_is_covered(const struct enn_security *security, int64_t ticket_issued,
			       uint32_t client_age_ms, int64_t since);

#endif
