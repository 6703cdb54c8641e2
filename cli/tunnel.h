/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead tunnel, in two processes.
 *
 *   guardian  keeps the privileges that the user started it with and does nothing but what needs
 *             them: addresses, routes, rules, scripts, reading the file anew, tidying up. It
 *             never sees a packet.
 *   worker    makes the interface and the sockets, gives its privileges up, and then moves
 *             packets and answers wg(8).
 *
 * They talk over a socket pair in the messages below. When one is gone the other ends too: what the
 * guardian set up is undone however the worker ends.
 */
#ifndef ENN_CLI_TUNNEL_H
#define ENN_CLI_TUNNEL_H

#include <net/if.h>

#include "cli.h"
#include "tunnel_config.h"
#include "tunnel_log.h"

struct tunnel_options {
	const char *path; /* of the configuration */
	char interface[IF_NAMESIZE];
	const char *keylog;
	const char *user;
	const char *log_file; /* NULL: standard error, or with daemon syslog */
	const char *pid_file;
	char default_pid_file[64];
	unsigned queues;
	int verbose;
	bool daemon;
	bool no_offload;
	bool allow_scripts;
	bool no_filter;
	bool drop_all;
	bool quiet;
	bool check;
	bool show_keys;
};

/* ---- the file (tunnel_file.c) ----------------------------------------------------------------- */

/* "wg0" is /etc/wireguard/wg0.conf unless there is such a file here. NULL after a message. */
char *tunnel_find_file(const char *argument, const struct tunnel_log *log);
/* The interface's name out of the file's; false after a message. */
bool tunnel_name_from(const char *path, char name[IF_NAMESIZE], const struct tunnel_log *log);
/* Reads and parses. *text (may be NULL) gets what was read: wipe and free it with
 * tunnel_free_text. False after a message. */
bool tunnel_load(const char *path, struct tunnel_config *config, struct text *text,
		 const struct tunnel_log *log);
void tunnel_free_text(struct text *text);
/* False, after a message, if it has no [Interface]: an empty file is no configuration, and what was
 * read from a pipe cannot be read again. */
bool tunnel_is_complete(const char *path, const struct tunnel_config *config,
			const struct tunnel_log *log);

/* ---- what guardian and worker say to each other (tunnel_message.c) ---------------------------- */

enum tunnel_message_type {
	TUNNEL_STARTED,	 /* worker: the interface is there. struct tunnel_started */
	TUNNEL_CONFINED, /* worker: and its privileges are gone */
	TUNNEL_GO,	 /* guardian: all is set up */
	TUNNEL_CONFIG,	 /* guardian: the file was read anew. struct tunnel_reload, then its text */
	TUNNEL_STOP,	 /* guardian */
};

struct tunnel_message {
	uint32_t type;
	uint32_t len; /* of what follows */
};

struct tunnel_started {
	char interface[IF_NAMESIZE];
	uint32_t index;
	uint16_t port;
	uint16_t mtu;
};

struct tunnel_reload {
	uint32_t has_mark;
	uint32_t mark;
};

#define TUNNEL_MAX_CONFIG ((size_t)256 << 20)

/* Both block; false: the other side is gone. */
bool tunnel_message_send(int fd, enum tunnel_message_type type, const void *data, size_t len,
			 const void *more, size_t more_len);
bool tunnel_message_receive(int fd, struct tunnel_message *message, void *data, size_t cap);

/* ---- the processes ---------------------------------------------------------------------------- */

/* Returns the exit status. *log may be redirected. */
int tunnel_guardian(const struct tunnel_options *o, struct tunnel_config *config,
		    struct tunnel_log *log);
/* mark: of outer packets. fd: to the guardian. The process is to _exit with what it returns. */
int tunnel_worker(const struct tunnel_options *o, struct tunnel_config *config, uint32_t mark,
		  int fd, struct tunnel_log *log);
/* From now on messages go where those of a daemon go. */
void tunnel_detach_output(const struct tunnel_options *o, struct tunnel_log *log);

/* ---- small things ----------------------------------------------------------------------------- */

/* A line for systemd, if it listens ($NOTIFY_SOCKET): "READY=1". */
void tunnel_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a hook's commands with %i replaced by the interface's name; false if one fails. */
bool tunnel_run_hooks(const struct tunnel_config *config, enum tunnel_hook hook,
		      const char *interface, const struct tunnel_log *log);
/* Tells resolvconf(8) the servers, or that there are none any more. */
bool tunnel_set_dns(const struct tunnel_config *config, const char *interface,
		    const struct tunnel_log *log);
void tunnel_unset_dns(const char *interface, const struct tunnel_log *log);

#endif
