/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of a tunnel.
 */
#include "tunnel_log.h"

#include <stdarg.h>
#include <syslog.h>
#include <time.h>

static int priority(enum enn_log_level level)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

	return priorities[level];
}

static void stamp(FILE *file)
{
	char text[32];
	time_t now = time(NULL);
	struct tm parts;

	if (localtime_r(&now, &parts) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S ", &parts) > 0) {
		fputs(text, file);
	}
}

void tunnel_log(const struct tunnel_log *log, enum enn_log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (level > log->level) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (log->file == NULL) {
		syslog(priority(level), "%s", text);
		return;
	}
	if (log->status_line) {
		fputs("\r\033[K", log->file);
	}
	if (log->stamps) {
		stamp(log->file);
	} else {
		fputs("ennead: ", log->file);
	}
	fprintf(log->file, "%s\n", text);
	(void)fflush(log->file);
}

void tunnel_log_error(const struct tunnel_log *log, const char *what, const struct enn_error *error)
{
	char text[ENN_ERROR_TEXT_MAX + 160];

	tunnel_log(log, ENN_LOG_ERROR, "%s: %s", what, enn_error_string(error, text, sizeof(text)));
}
