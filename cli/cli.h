/* SPDX-License-Identifier: Apache-2.0
 *
 * What the subcommands share: exit statuses, options, reports, the loop.
 */
#ifndef ENN_CLI_CLI_H
#define ENN_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ennead/ennead.h"

/* Part of the interface: ennead(1). */
enum cli_exit {
	CLI_OK = 0,
	CLI_USAGE = 1,	   /* wrong arguments, unreadable credentials */
	CLI_CONNECT = 2,   /* no address, no transport connection, cannot listen */
	CLI_HANDSHAKE = 3, /* the peer was refused, or refused us */
	CLI_LOST = 4,	   /* broken or cut off after the handshake */
	CLI_LOCAL = 5,	   /* reading, writing or starting a program here failed */
	CLI_PROBLEM = 6,   /* probe --check found something wrong */
	CLI_INTERRUPTED = 130,
};

/* For calls whose refusal is reported by an event anyway. */
static inline void cli_ignore(enum enn_status status)
{
	(void)status;
}

struct cli_command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(int argc, char **argv);
	void (*help)(FILE *out);
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
int cli_connect(int argc, char **argv);
int cli_listen(int argc, char **argv);
int cli_probe(int argc, char **argv);
int cli_keygen(int argc, char **argv);
int cli_tunnel(int argc, char **argv);
int cli_features(int argc, char **argv);
int cli_survey(int argc, char **argv);
void cli_connect_help(FILE *out);
void cli_listen_help(FILE *out);
void cli_probe_help(FILE *out);
void cli_keygen_help(FILE *out);
void cli_tunnel_help(FILE *out);
void cli_features_help(FILE *out);
void cli_survey_help(FILE *out);
/* features --policy (features_policy.c) */
int cli_features_policy(const char *text, bool json);
void cli_policies_help(FILE *out);

/* ---- options (options.c) ------------------------------------------------------------------ */

enum cli_for { CLI_FOR_CONNECT = 1, CLI_FOR_LISTEN = 2, CLI_FOR_PROBE = 4 };

#define CLI_MAX_SETTINGS 64

struct cli_setting {
	const char *name; /* NULL: value is "name=value" */
	const char *value;
};

struct cli_list {
	const char *item[64];
	size_t count;
};

/* What the command line of connect, listen or probe said: options.def fills it in. Strings point into
 * argv. */
struct cli_options {
	bool listen;
	const struct enn_protocol *protocol;
	char host[256];
	char service[32];
	const char *name;
	struct cli_list ca;
	struct cli_list crl;
	struct cli_list cert; /* cert[i] goes with key[i] and ocsp[i] */
	struct cli_list key;
	struct cli_list ocsp;
	struct cli_list raw_key;
	struct cli_list peer_raw_key;
	struct cli_list pin;
	struct cli_list ech_key;
	const char *ech;
	const char *private_key;  /* a static key, in a file */
	struct cli_list peer_key; /* KEY or KEY:PSKFILE */
	double wait;		  /* seconds, 0: the default */
	const char *psk_identity;
	const char *psk_file;
	const char *psk_context;
	const char *alpn;
	const char *policy;
	const char *session_file;
	const char *session_cache;
	const char *session_store;	 /* URL of a pool's store … */
	const char *pool_key;		 /* … and the file with its key */
	struct enn_session_store *store; /* of session_cache or session_store */
	const char *early_data_file;
	const char *keylog;
	const char *exec;
	struct cli_setting setting[CLI_MAX_SETTINGS]; /* in order */
	size_t setting_count;
	uint64_t send_bytes;
	uint64_t connections; /* listen: serve this many, 0: no end */
	uint64_t parallel;    /* probe: 0: the default */
	double timeout;	      /* seconds, 0: the default */
	int family;	      /* 0, 4, 6 */
	int verbose;
	bool insecure;
	bool json;
	bool quiet;
	bool update_keys;
	bool request_later;
	bool echo;
	bool discard;
	bool check;
};

/* Fills *o; false after a message on stderr. `help` was asked for: *help. */
bool cli_parse_options(int argc, char **argv, enum cli_for which, struct cli_options *o,
		       bool *help);
void cli_options_help(FILE *out, enum cli_for which);
/* Splits scheme://host:port; false after a message. */
bool cli_parse_url(const char *text, struct cli_options *o);
/* Does the protocol carry messages, and may lose some? */
bool cli_has_messages(const struct cli_options *o);
/* Static keys (static_keys.c); false after a message. */
bool cli_add_static_keys(const struct cli_options *o, struct enn_security *s);
/* Encrypted ClientHello (ech.c); false after a message. */
bool cli_add_ech(const struct cli_options *o, struct enn_security *s);
#define CLI_ECH_PEM "ECHCONFIG"
/* What a server wants instead of the configurations that it refused: binary, and in base64. */
struct cli_ech_retry {
	uint8_t *list; /* NULL: nothing */
	size_t len;
	char *text;
};
/* Of a connection that failed; false: it is no such failure, or the server has none. */
bool cli_keep_ech_retry(struct enn_connection c, struct cli_ech_retry *retry);
void cli_free_ech_retry(struct cli_ech_retry *retry);
/* The security parameters that the options ask for; NULL after a message. */
struct enn_security *cli_security(const struct cli_options *o);
/* connect: opens the sessions of earlier runs into o->store; and keeps them for later ones. False after a
 * message; a damaged file is a warning, and replaced. */
bool cli_load_session_cache(struct cli_options *o);
bool cli_save_session_cache(const struct cli_options *o);
/* listen: opens the pool's session store, if there is to be one, into o->store; false after a message. */
bool cli_open_session_store(struct cli_options *o, struct enn_context *context);
/* Applies -o settings that are transport properties; false after a message. */
bool cli_apply_properties(const struct cli_options *o, struct enn_preconnection *pre);
/* The name among `names` nearest to a mistyped one, NULL if none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t count);

/* ---- reports (report.c) -------------------------------------------------------------------- */

void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A sentence that is shown even with --quiet; as JSON when asked for. */
void cli_report_warning(const struct cli_options *o, const char *text);
/* A log sink, with the options as its context: what was decided and why. */
void cli_report_log(void *options, enum enn_log_level level, const char *text);
/* An error value with what it means; also as JSON when asked for. */
void cli_report_error(const struct cli_options *o, const char *what, const struct enn_error *error);
void cli_report_ready(const struct cli_options *o, struct enn_connection c);
void cli_report_event(const struct cli_options *o, const struct enn_taps_event *event);
void cli_report_listening(const struct cli_options *o, struct enn_listener l);
void cli_report_reloaded(const struct cli_options *o);
/* The server wants other configurations, and is tried again with them. */
void cli_report_ech_retry(const struct cli_options *o, const struct cli_ech_retry *retry);
void cli_report_end(const struct cli_options *o, struct enn_connection c);
/* A line that is rewritten in place: only on a terminal, only after a second. */
void cli_progress(const struct cli_options *o, uint64_t sent, uint64_t received, double seconds);
void cli_progress_end(void);
/* The status that an error ends the command with. */
int cli_exit_for(const struct enn_error *error, bool established);

/* ---- session file (session_file.c) --------------------------------------------------------- */

/* Reads a session into *data (malloc), NULL if there is no such file or nothing in it. False after
 * a message. */
bool cli_session_read(const char *path, uint8_t **data, size_t *len);
/* Writes it beside the file (0600) and renames it into place. */
bool cli_session_write(const char *path, const uint8_t *data, size_t len);
/* A whole file into memory (malloc); NULL after a message. */
uint8_t *cli_read_file(const char *path, size_t *len);

#endif
