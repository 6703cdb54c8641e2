/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a tunnel's messages go: standard error, a file, or syslog.
 */
#ifndef ENN_CLI_TUNNEL_LOG_H
#define ENN_CLI_TUNNEL_LOG_H

#include <stdio.h>

#include "ennead/ennead.h"

struct tunnel_log {
	FILE *file;		  /* NULL: syslog */
	enum enn_log_level level; /* and what is more important */
	bool stamps;		  /* lines begin with the time */
	bool status_line;	  /* the terminal's last line is a status to be overwritten */
};

void tunnel_log(const struct tunnel_log *log, enum enn_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* With the text of an error value. */
void tunnel_log_error(const struct tunnel_log *log, const char *what,
		      const struct enn_error *error);

#endif
