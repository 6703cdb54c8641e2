/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of connect, listen and probe: options.def gives the parser, the help and the
 * suggestions for what was mistyped.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum action {
	ACTION_TEXT,
	ACTION_LIST,
	ACTION_FLAG,
	ACTION_COUNT,
	ACTION_TIME,
	ACTION_SET,	/* parameter=VALUE */
	ACTION_ON,	/* parameter=true */
	ACTION_OFF,	/* parameter=false */
	ACTION_SETTING, /* NAME=VALUE */
	ACTION_KEEP,	/* no end of connections */
	ACTION_FAMILY,
	ACTION_VERBOSE,
	ACTION_HELP,
};

enum group {
	GROUP_IDENTITY,
	GROUP_TRUST,
	GROUP_ALGORITHMS,
	GROUP_SESSIONS,
	GROUP_DATA,
	GROUP_COMMAND,
	GROUP_COUNT
};

static const char *const group_names[GROUP_COUNT] = {
	[GROUP_IDENTITY] = "Who we are",       [GROUP_TRUST] = "Whom we trust",
	[GROUP_ALGORITHMS] = "Algorithms",     [GROUP_SESSIONS] = "Sessions and protocol",
	[GROUP_DATA] = "Data and connections", [GROUP_COMMAND] = "The command",
};

#define C	     CLI_FOR_CONNECT
#define L	     CLI_FOR_LISTEN
#define P	     CLI_FOR_PROBE
#define FIELD(f)     offsetof(struct cli_options, f), NULL
#define PARAMETER(p) 0, p

static const struct row {
	const char *name;
	const char *argument; /* NULL: none */
	int letter;	      /* 0: none */
	unsigned which;	      /* enum cli_for */
	enum group group;
	enum action action;
	size_t offset; /* in struct cli_options */
	const char *parameter;
	const char *doc;
} rows[] = {
#define CLI_OPTION(name, argument, letter, which, group, action, target, doc)                      \
	{name, argument, letter, which, GROUP_##group, ACTION_##action, target, doc},
#include "options.def"
#undef CLI_OPTION
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
#undef C
#undef L
#undef P

static void print_row(FILE *out, const struct row *row)
{
	char left[48];
	char shorthand[8] = "    ";

	if (row->letter != 0) {
		(void)snprintf(shorthand, sizeof(shorthand), "-%c, ", row->letter);
	}
	(void)snprintf(left, sizeof(left), "%s--%s%s%s", shorthand, row->name,
		       row->argument ? " " : "", row->argument ? row->argument : "");
	fprintf(out, "  %-28s %s\n", left, row->doc);
}

void cli_options_help(FILE *out, enum cli_for which)
{
	int group = -1;

	for (size_t i = 0; i < ROWS; i++) {
		if (!(rows[i].which & which)) {
			continue;
		}
		if ((int)rows[i].group != group) {
			fprintf(out, "%s%s:\n", group < 0 ? "" : "\n", group_names[rows[i].group]);
			group = (int)rows[i].group;
		}
		print_row(out, &rows[i]);
	}
}

/* ---- messages -------------------------------------------------------------------------- */

/* What getopt_long did not take: a letter, a name, or a name that was given a value. */
static void complain_unknown(const char *word, int letter, enum cli_for which)
{
	const char *names[ROWS];
	size_t count = 0;

	if (letter > 0 && letter < 256 && word[0] == '-' && word[1] != '-') {
		cli_error("unknown option '-%c'", letter);
		return;
	}
	word += strspn(word, "-");
	if (letter > 0) {
		cli_error("option '--%.*s' takes no value", (int)strcspn(word, "="), word);
		return;
	}
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].which & which) {
			names[count++] = rows[i].name;
		}
	}
	const char *near = cli_nearest(word, names, count);
	cli_error("unknown option '--%s'%s%s%s", word, near ? "; did you mean '--" : "",
		  near ? near : "", near ? "'?" : "");
}

/* ---- URLs ------------------------------------------------------------------------------------------ */

static const char *default_port(const struct enn_protocol *protocol)
{
	return protocol->id == ENN_PROTOCOL_TLS ? "443" : NULL;
}

/* host, host:port, [address], [address]:port or, to listen, :port. */
static bool split_authority(const char *text, const char *from, const char *to,
			    struct cli_options *o)
{
	bool bracket = *from == '[';
	const char *host = bracket ? from + 1 : from;
	const char *end = memchr(host, bracket ? ']' : ':', (size_t)(to - host));
	const char *rest = end == NULL ? to : bracket ? end + 1 : end; /* ":port" or nothing */
	const char *port = rest < to ? rest + 1 : default_port(o->protocol);

	if (!bracket && rest < to && memchr(rest + 1, ':', (size_t)(to - rest - 1)) != NULL) {
		cli_error("'%s': an IPv6 address goes in brackets: tls://[::1]:443", text);
		return false;
	}
	if (port == NULL || port == to) {
		cli_error("'%s' needs a port: %s://host:port", text, o->protocol->scheme);
		return false;
	}
	size_t host_len = (size_t)((end == NULL ? to : end) - host);
	size_t port_len = rest < to ? (size_t)(to - port) : strlen(port);
	if ((bracket && end == NULL) || (rest < to && *rest != ':') ||
	    (host_len == 0 && (bracket || rest == to || !o->listen)) ||
	    host_len >= sizeof(o->host) || port_len >= sizeof(o->service)) {
		cli_error("'%s' has no usable host or port", text);
		return false;
	}
	memcpy(o->host, host, host_len);
	memcpy(o->service, port, port_len);
	return true;
}

bool cli_parse_url(const char *text, struct cli_options *o)
{
	char scheme[16];
	const char *rest = strstr(text, "://");

	if (rest == NULL || (size_t)(rest - text) >= sizeof(scheme)) {
		cli_error("'%s' is not a URL like tls://host:port", text);
		return false;
	}
	memcpy(scheme, text, (size_t)(rest - text));
	scheme[rest - text] = '\0';
	rest += 3;
	o->protocol = enn_protocol_by_scheme(scheme);
	if (o->protocol == NULL) {
		cli_error("there is no protocol '%s'; `ennead features` lists them", scheme);
		return false;
	}
	if (o->protocol->new_client == NULL) {
		cli_error("this build has no %s", o->protocol->name);
		return false;
	}
	size_t length = strcspn(rest, "/?#");
	if (rest[length] != '\0' && strcmp(rest + length, "/") != 0) {
		cli_error("'%s': a path has no meaning here", text);
		return false;
	}
	return split_authority(text, rest, rest + length, o);
}

/* ---- parsing --------------------------------------------------------------------------------------- */

static bool parse_count(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;

	if (text[0] < '0' || text[0] > '9' || (shift != 0 ? end[1] : *end) != '\0' ||
	    errno == ERANGE || n > (UINT64_MAX >> shift)) {
		cli_error("'%s' is not a number", text);
		return false;
	}
	*out = (uint64_t)n << shift;
	return true;
}

static bool add(struct cli_list *list, const char *value, const char *what)
{
	if (list->count == sizeof(list->item) / sizeof(list->item[0])) {
		cli_error("too many --%s options", what);
		return false;
	}
	list->item[list->count++] = value;
	return true;
}

/* name NULL: it is in the value, before the '='. */
static bool add_setting(struct cli_options *o, const char *name, const char *value)
{
	if (o->setting_count == CLI_MAX_SETTINGS) {
		cli_error("too many -o options");
		return false;
	}
	o->setting[o->setting_count++] = (struct cli_setting){name, value};
	return true;
}

static bool take_time(double *time, const char *value)
{
	char *end;

	*time = strtod(value, &end);
	if (end == value || *end != '\0' || !(*time > 0) || *time > 1e6) {
		cli_error("'%s' is not a time in seconds", value);
		return false;
	}
	return true;
}

static bool take_count(uint64_t *count, const struct row *row, const char *value)
{
	if (!parse_count(value, count)) {
		return false;
	}
	if (*count == 0) {
		cli_error("--%s needs at least 1", row->name);
	}
	return *count > 0;
}

static bool take(struct cli_options *o, const struct row *row, const char *value)
{
	void *field = (char *)o + row->offset;

	switch (row->action) {
	case ACTION_TEXT:
		*(const char **)field = value;
		return true;
	case ACTION_LIST:
		return add(field, value, row->name);
	case ACTION_FLAG:
		*(bool *)field = true;
		return true;
	case ACTION_COUNT:
		return take_count(field, row, value);
	case ACTION_TIME:
		return take_time(field, value);
	case ACTION_SET:
		return add_setting(o, row->parameter, value);
	case ACTION_ON:
		return add_setting(o, row->parameter, "true");
	case ACTION_OFF:
		return add_setting(o, row->parameter, "false");
	case ACTION_SETTING:
		if (strchr(value, '=') == NULL) {
			cli_error("-o wants NAME=VALUE, not '%s'", value);
			return false;
		}
		return add_setting(o, NULL, value);
	case ACTION_KEEP:
		o->connections = 0;
		return true;
	case ACTION_FAMILY:
		o->family = row->letter - '0';
		return true;
	case ACTION_VERBOSE:
		o->verbose++;
		return true;
	case ACTION_HELP:
		return true;
	}
	return false;
}

static bool check_ends(const struct cli_options *o)
{
	int ends = (o->exec != NULL) + o->echo + (o->send_bytes > 0);

	if (ends > 1) {
		cli_error("--exec, --echo and --send-bytes exclude each other");
	}
	return ends <= 1;
}

static bool check_static_keys(const struct cli_options *o)
{
	if (o->private_key == NULL || o->peer_key.count == 0 ||
	    (!o->listen && o->peer_key.count > 1)) {
		cli_error("%s needs --private-key and %s; `ennead keygen wireguard` makes keys",
			  o->protocol->name,
			  o->listen ? "a --peer-key for each client" : "one --peer-key");
		return false;
	}
	return true;
}

/* What does not go together. */
static bool check(const struct cli_options *o)
{
	if (o->cert.count != o->key.count) {
		cli_error("%zu --cert but %zu --key", o->cert.count, o->key.count);
		return false;
	}
	if (o->ocsp.count > o->cert.count) {
		cli_error("%zu --ocsp but %zu --cert", o->ocsp.count, o->cert.count);
		return false;
	}
	if ((o->psk_identity == NULL) != (o->psk_file == NULL)) {
		cli_error("--psk-identity and --psk-file go together");
		return false;
	}
	if (o->protocol->id == ENN_PROTOCOL_WIREGUARD) {
		return check_static_keys(o) && check_ends(o);
	}
	if (o->private_key != NULL || o->peer_key.count > 0) {
		cli_error("--private-key and --peer-key are not for %s", o->protocol->name);
		return false;
	}
	if (o->listen && o->cert.count == 0 && o->raw_key.count == 0 && o->psk_file == NULL) {
		cli_error("a listener needs --cert and --key, --raw-key or a pre-shared key; "
			  "`ennead keygen` makes them");
		return false;
	}
	return check_ends(o);
}

/* getopt_long answers with the letter, or with 256 and the row's number. */
static int id_of(size_t row)
{
	return rows[row].letter != 0 ? rows[row].letter : 256 + (int)row;
}

static const struct row *row_of(int id, enum cli_for which)
{
	for (size_t i = 0; i < ROWS; i++) {
		if ((rows[i].which & which) && id_of(i) == id) {
			return &rows[i];
		}
	}
	return NULL;
}

static void build_options(struct option *options, char *letters, enum cli_for which)
{
	size_t count = 0;

	*letters++ = ':';
	for (size_t i = 0; i < ROWS; i++) {
		if (!(rows[i].which & which)) {
			continue;
		}
		options[count++] = (struct option){
			rows[i].name, rows[i].argument ? required_argument : no_argument, NULL,
			id_of(i)};
		if (rows[i].letter != 0) {
			*letters++ = (char)rows[i].letter;
			if (rows[i].argument) {
				*letters++ = ':';
			}
		}
	}
	*letters = '\0';
	options[count] = (struct option){NULL, 0, NULL, 0};
}

/* False after a message; *help: -h was among them. */
static bool take_all(int argc, char **argv, enum cli_for which, struct cli_options *o, bool *help)
{
	struct option options[ROWS + 1];
	char letters[64];
	int c;

	build_options(options, letters, which);
	opterr = 0;
	while (!*help && (c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (c == '?') {
			/* in the middle of a cluster of letters optind is still at it */
			bool cluster = optopt > 0 && optopt < 256 && optind < argc &&
				       argv[optind][0] == '-' && argv[optind][1] != '-' &&
				       strchr(argv[optind], optopt) != NULL;
			complain_unknown(argv[cluster ? optind : optind - 1], optopt, which);
			return false;
		}
		if (c == ':') {
			cli_error("'%s' needs a value", argv[optind - 1]);
			return false;
		}
		const struct row *row = row_of(c, which);
		if (row == NULL || !take(o, row, optarg)) {
			return false;
		}
		*help = row->action == ACTION_HELP;
	}
	return true;
}

bool cli_parse_options(int argc, char **argv, enum cli_for which, struct cli_options *o, bool *help)
{
	memset(o, 0, sizeof(*o));
	o->listen = which == CLI_FOR_LISTEN;
	o->connections = 1;
	o->keylog = getenv("SSLKEYLOGFILE");
	*help = false;
	if (!take_all(argc, argv, which, o, help)) {
		return false;
	}
	if (*help) {
		return true;
	}
	if (argc - optind != 1) {
		cli_error(optind == argc ? "a URL is needed: tls://host:port"
					 : "one URL is enough: '%s'",
			  optind == argc ? "" : argv[argc - 1]);
		return false;
	}
	return cli_parse_url(argv[optind], o) && (which == CLI_FOR_PROBE || check(o));
}
