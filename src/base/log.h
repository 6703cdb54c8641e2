/* SPDX-License-Identifier: Apache-2.0
 *
 * Text and trace sinks of the environment, and building error values.
 */
#ifndef ENN_BASE_LOG_H
#define ENN_BASE_LOG_H

#include "base/compiler.h"
#include "ennead/env.h"

/* One line for a person, at most 255 bytes; nothing is formatted without a sink. */
void enn_log(const struct enn_env *env, enum enn_log_level level, const char *format, ...)
	ENN_PRINTF(3, 4);

/* Fills *error (NULL is legal) and returns status, so that a caller can write
 * `return enn_error_set(error, ENN_E_PARSE, …)`. where must be static. */
enum enn_status enn_error_set(struct enn_error *error, enum enn_status status,
			      enum enn_reason reason, const char *where, const char *format, ...)
	ENN_PRINTF(5, 6);

/* "bad_certificate" (RFC 8446 §6 and its predecessors); static text, NULL for an unknown alert. */
const char *enn_alert_name(uint64_t alert);

#endif
