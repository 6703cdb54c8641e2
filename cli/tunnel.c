/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead tunnel: a WireGuard interface out of a file of wg-quick's.
 */
#include "tunnel.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	INTERFACE = 256,
	DAEMON,
	NO_OFFLOAD,
	QUEUES,
	KEY_LOG,
	USER,
	LOG_FILE,
	PID_FILE,
	ALLOW_SCRIPTS,
	NO_FILTER,
	DROP_ALL,
	QUIET,
	CHECK,
	SHOW_KEYS,
};

static const struct row {
	const char *name;
	const char *argument; /* NULL: none */
	int id;
	const char *doc;
} rows[] = {
	{"interface", "NAME", INTERFACE, "its name; else the file's without .conf"},
	{"check", NULL, CHECK, "only print the file in its normal form"},
	{"show-keys", NULL, SHOW_KEYS, "with --check: the secret keys too"},
	{"daemon", NULL, DAEMON, "go to the background once all is set up"},
	{"pid-file", "FILE", PID_FILE, "of the daemon (/run/ennead-tunnel-NAME.pid)"},
	{"log", "FILE", LOG_FILE, "append messages to FILE (stderr; daemon: syslog)"},
	{"allow-scripts", NULL, ALLOW_SCRIPTS, "run PreUp, PostUp, PreDown, PostDown, resolvconf"},
	{"user", "NAME", USER, "the user that moves the packets (nobody)"},
	{"drop-all", NULL, DROP_ALL, "keep no capability: port and mark are final then"},
	{"no-filter", NULL, NO_FILTER, "no system call filter"},
	{"queues", "N", QUEUES, "queues of the interface (1)"},
	{"no-offload", NULL, NO_OFFLOAD, "no segmentation offload, inside and outside"},
	{"key-log", "FILE", KEY_LOG, "append session keys for Wireshark"},
	{"quiet", NULL, QUIET, "no status line, only errors"},
	{"verbose", NULL, 'v', "more messages"},
	{"help", NULL, 'h', "this"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void cli_tunnel_help(FILE *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		char left[48];
		char shorthand[8] = "    ";
		if (rows[i].id < 256) {
			(void)snprintf(shorthand, sizeof(shorthand), "-%c, ", rows[i].id);
		}
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", shorthand, rows[i].name,
			       rows[i].argument ? " " : "",
			       rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-28s %s\n", left, rows[i].doc);
	}
	fputs("\nFILE has the format of wg-quick(8). wg(8) shows and changes the tunnel while it "
	      "runs;\nSIGHUP reads FILE anew.\n",
	      out);
}

/* ---- the command line ------------------------------------------------------------------------- */

static bool take_interface(struct tunnel_options *o)
{
	size_t len = strlen(optarg);

	/* the kernel takes nearly anything; wg(8) and file names do not */
	if (len == 0 || len >= IF_NAMESIZE) {
		cli_error("tunnel: an interface's name has 1 to %d characters", IF_NAMESIZE - 1);
		return false;
	}
	memcpy(o->interface, optarg, len + 1);
	return true;
}

static bool take_queues(struct tunnel_options *o)
{
	uint64_t n = 0;

	if (!text_number(text_of(optarg), 256, &n) || n == 0) {
		cli_error("tunnel: --queues wants a number from 1 to 256, not '%s'", optarg);
		return false;
	}
	o->queues = (unsigned)n;
	return true;
}

static bool take_flag(struct tunnel_options *o, int id)
{
	switch (id) {
	case DAEMON:
		o->daemon = true;
		return true;
	case NO_OFFLOAD:
		o->no_offload = true;
		return true;
	case ALLOW_SCRIPTS:
		o->allow_scripts = true;
		return true;
	case NO_FILTER:
		o->no_filter = true;
		return true;
	case DROP_ALL:
		o->drop_all = true;
		return true;
	case QUIET:
		o->quiet = true;
		return true;
	case CHECK:
		o->check = true;
		return true;
	case SHOW_KEYS:
		o->show_keys = true;
		return true;
	case 'v':
		o->verbose++;
		return true;
	default:
		return false;
	}
}

static bool take_value(struct tunnel_options *o, int id)
{
	switch (id) {
	case INTERFACE:
		return take_interface(o);
	case QUEUES:
		return take_queues(o);
	case KEY_LOG:
		o->keylog = optarg;
		return true;
	case USER:
		o->user = optarg;
		return true;
	case LOG_FILE:
		o->log_file = optarg;
		return true;
	case PID_FILE:
		o->pid_file = optarg;
		return true;
	default:
		return false;
	}
}

static int unknown_option(const char *word)
{
	const char *names[ROWS];

	word += strspn(word, "-");
	for (size_t i = 0; i < ROWS; i++) {
		names[i] = rows[i].name;
	}
	const char *near = cli_nearest(word, names, ROWS);
	cli_error("tunnel: '--%s' is unknown or lacks its value%s%s%s", word,
		  near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
	return CLI_USAGE;
}

static void build_options(struct option *options)
{
	for (size_t i = 0; i < ROWS; i++) {
		options[i] = (struct option){rows[i].name,
					     rows[i].argument ? required_argument : no_argument,
					     NULL, rows[i].id};
	}
	options[ROWS] = (struct option){NULL, 0, NULL, 0};
}

/* Returns CLI_OK to go on, or the exit status in *end with -1. */
static bool parse(int argc, char **argv, struct tunnel_options *o, int *end)
{
	struct option options[ROWS + 1];
	int c;

	build_options(options);
	opterr = 0;
	*end = CLI_USAGE;
	while ((c = getopt_long(argc, argv, ":vh", options, NULL)) != -1) {
		if (c == 'h') {
			cli_tunnel_help(stdout);
			*end = CLI_OK;
			return false;
		}
		if (c == '?' || c == ':') {
			*end = unknown_option(argv[optind - 1]);
			return false;
		}
		if (optarg == NULL ? !take_flag(o, c) : !take_value(o, c)) {
			return false;
		}
	}
	if (argc - optind != 1) {
		cli_error(optind == argc ? "tunnel: a configuration file is needed"
					 : "tunnel: one configuration file is enough");
		return false;
	}
	return true;
}

/* ---- running ---------------------------------------------------------------------------------- */

static bool check_scripts(const struct tunnel_options *o, const struct tunnel_config *config)
{
	for (int i = 0; i < TUNNEL_HOOKS && !o->allow_scripts; i++) {
		if (config->hooks[i].count > 0) {
			cli_error("%s has %s, commands that would run as root; --allow-scripts "
				  "allows that",
				  o->path, tunnel_hook_name((enum tunnel_hook)i));
			return false;
		}
	}
	return true;
}

/* What can be known to be wrong before anything is touched. */
static bool check(const struct tunnel_options *o, const struct tunnel_config *config)
{
	if (!check_scripts(o, config)) {
		return false;
	}
	if (strpbrk(o->interface, "/ \t\n:%") != NULL || strcmp(o->interface, ".") == 0 ||
	    strcmp(o->interface, "..") == 0) {
		cli_error("'%s' is no name for an interface", o->interface);
		return false;
	}
	if (config->save) {
		cli_error("warning: SaveConfig has no effect: ennead does not write to %s",
			  o->path);
	}
	if (!config->has_private_key) {
		cli_error("warning: %s has no PrivateKey; nothing works before `wg set %s "
			  "private-key FILE`",
			  o->path, o->interface);
	}
	return true;
}

static bool open_log(struct tunnel_options *o, struct tunnel_log *log)
{
	if (o->log_file == NULL) {
		return true;
	}
	log->file = fopen(o->log_file, "ae");
	if (log->file == NULL) {
		log->file = stderr;
		cli_error("%s cannot be written", o->log_file);
		return false;
	}
	log->stamps = true;
	return true;
}

/* A daemon changes its directory. */
static char *absolute(const char *path)
{
	char *full = strcmp(path, "-") == 0 ? NULL : realpath(path, NULL);

	return full != NULL ? full : strdup(path);
}

static int run(struct tunnel_options *o, struct tunnel_config *config, struct tunnel_log *log)
{
	if (!tunnel_is_complete(o->path, config, log)) {
		return CLI_USAGE;
	}
	if (o->interface[0] == '\0' && !tunnel_name_from(o->path, o->interface, log)) {
		return CLI_USAGE;
	}
	if (!check(o, config) || !open_log(o, log)) {
		return CLI_USAGE;
	}
	if (o->daemon && o->pid_file == NULL) {
		(void)snprintf(o->default_pid_file, sizeof(o->default_pid_file),
			       "/run/ennead-tunnel-%s.pid", o->interface);
		o->pid_file = o->default_pid_file;
	}
	return tunnel_guardian(o, config, log);
}

int cli_tunnel(int argc, char **argv)
{
	struct tunnel_options o = {.user = "nobody"};
	struct tunnel_log log = {.file = stderr, .level = ENN_LOG_INFO};
	struct tunnel_config config;
	int status = CLI_USAGE;

	if (!parse(argc, argv, &o, &status)) {
		return status;
	}
	log.level = o.quiet ? ENN_LOG_WARNING : o.verbose > 0 ? ENN_LOG_DEBUG : ENN_LOG_INFO;
	char *found = tunnel_find_file(argv[optind], &log);
	char *path = found == NULL ? NULL : absolute(found);
	free(found);
	o.path = path;
	if (path == NULL || !tunnel_load(path, &config, NULL, &log)) {
		free(path);
		return CLI_USAGE;
	}
	if (o.check) {
		tunnel_config_print(stdout, &config, o.show_keys);
		status = fflush(stdout) == 0 ? CLI_OK : CLI_LOCAL;
	} else {
		status = run(&o, &config, &log);
	}
	tunnel_config_free(&config);
	free(path);
	return status;
}
