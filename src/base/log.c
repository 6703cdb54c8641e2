/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for people: log lines and error values.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#define LOG_LINE_MAX 256

void enn_log(const struct enn_env *env, enum enn_log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	if (env->log == NULL) {
		return;
	}
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0) {
		text[0] = '\0';
	}
	va_end(args);
	env->log(env->log_ctx, level, text);
}

enum enn_status enn_error_set(struct enn_error *error, enum enn_status status,
			      enum enn_reason reason, const char *where, const char *format, ...)
{
	va_list args;

	if (error == NULL) {
		return status;
	}
	*error = (struct enn_error){
		.status = status,
		.reason = reason,
		.origin = ENN_ORIGIN_LOCAL,
		.wire_code = ENN_NO_WIRE_CODE,
		.where = where == NULL ? "" : where,
	};
	va_start(args, format);
	if (vsnprintf(error->text, sizeof(error->text), format, args) < 0) {
		error->text[0] = '\0';
	}
	va_end(args);
	return status;
}
