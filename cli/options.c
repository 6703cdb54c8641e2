/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of connect and listen: one table gives the parser, the help and the
 * suggestions for what was mistyped.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum option_id {
	OPT_NAME = 256,
	OPT_CA,
	OPT_CRL,
	OPT_CERT,
	OPT_KEY,
	OPT_INSECURE,
	OPT_PSK_IDENTITY,
	OPT_PSK_FILE,
	OPT_ALPN,
	OPT_POLICY,
	OPT_CIPHERS,
	OPT_GROUPS,
	OPT_SIGALGS,
	OPT_SESSION_FILE,
	OPT_EARLY_DATA_FILE,
	OPT_UPDATE_KEYS,
	OPT_KEYLOG,
	OPT_EXEC,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_QUIET,
	OPT_CLIENT_CA,
	OPT_REQUEST_CLIENT,
	OPT_REQUIRE_CLIENT,
	OPT_ACCEPT_EARLY,
	OPT_TICKETS,
	OPT_KEEP,
	OPT_CONNECTIONS,
	OPT_ECHO,
	OPT_DISCARD,
	OPT_SEND_BYTES,
	OPT_NO_RESUME,
	OPT_PRIVATE_KEY,
	OPT_PEER_KEY,
	OPT_WAIT,
};

static const struct row {
	const char *name;
	const char *argument; /* NULL: none */
	int id;
	enum cli_for which;
	const char *doc;
} rows[] = {
	{"cert", "FILE", OPT_CERT, CLI_FOR_BOTH, "our certificate chain (PEM), may be given again"},
	{"key", "FILE", OPT_KEY, CLI_FOR_BOTH, "its private key (PEM), once for each --cert"},
	{"ca", "FILE", OPT_CA, CLI_FOR_CONNECT, "trust these authorities instead of the system's"},
	{"client-ca", "FILE", OPT_CLIENT_CA, CLI_FOR_LISTEN, "authorities of client certificates"},
	{"crl", "FILE", OPT_CRL, CLI_FOR_BOTH, "revocation lists (PEM)"},
	{"name", "NAME", OPT_NAME, CLI_FOR_CONNECT, "the name that the server must prove, and SNI"},
	{"insecure", NULL, OPT_INSECURE, CLI_FOR_CONNECT, "accept any server: no security at all"},
	{"request-client", NULL, OPT_REQUEST_CLIENT, CLI_FOR_LISTEN,
	 "ask for a client certificate"},
	{"require-client", NULL, OPT_REQUIRE_CLIENT, CLI_FOR_LISTEN, "refuse clients without one"},
	{"psk-identity", "TEXT", OPT_PSK_IDENTITY, CLI_FOR_BOTH, "identity of a pre-shared key"},
	{"psk-file", "FILE", OPT_PSK_FILE, CLI_FOR_BOTH, "the pre-shared key, in hexadecimal"},
	{"private-key", "FILE", OPT_PRIVATE_KEY, CLI_FOR_BOTH, "our static key (WireGuard)"},
	{"peer-key", "KEY", OPT_PEER_KEY, CLI_FOR_BOTH,
	 "a peer's static public key; KEY:FILE adds a preshared key"},
	{"alpn", "A,B", OPT_ALPN, CLI_FOR_BOTH, "application protocols, best first"},
	{"policy", "POLICY", OPT_POLICY, CLI_FOR_BOTH,
	 "algorithms: modern, compatible, fips-like, and changes to them"},
	{"ciphers", "A:B", OPT_CIPHERS, CLI_FOR_BOTH, "cipher suites, best first"},
	{"groups", "A:B", OPT_GROUPS, CLI_FOR_BOTH, "key exchange groups, best first"},
	{"sigalgs", "A:B", OPT_SIGALGS, CLI_FOR_BOTH, "signature algorithms, best first"},
	{"session-file", "FILE", OPT_SESSION_FILE, CLI_FOR_CONNECT,
	 "keep a session here and resume it"},
	{"early-data", "FILE", OPT_EARLY_DATA_FILE, CLI_FOR_CONNECT,
	 "send this first, at once if a session allows"},
	{"accept-early-data", NULL, OPT_ACCEPT_EARLY, CLI_FOR_LISTEN,
	 "accept early data; it may be replayed"},
	{"no-resume", NULL, OPT_NO_RESUME, CLI_FOR_BOTH, "neither offer nor accept resumption"},
	{"tickets", "N", OPT_TICKETS, CLI_FOR_LISTEN, "session tickets after a full handshake"},
	{"update-keys", NULL, OPT_UPDATE_KEYS, CLI_FOR_BOTH,
	 "renew the keys of both directions once connected"},
	{"exec", "COMMAND", OPT_EXEC, CLI_FOR_BOTH,
	 "join the connection to a shell command instead"},
	{"echo", NULL, OPT_ECHO, CLI_FOR_BOTH, "send back what comes"},
	{"discard", NULL, OPT_DISCARD, CLI_FOR_BOTH, "throw away what comes"},
	{"send-bytes", "N", OPT_SEND_BYTES, CLI_FOR_BOTH,
	 "send N zero bytes instead of stdin (suffixes K, M, G)"},
	{"keep", NULL, OPT_KEEP, CLI_FOR_LISTEN, "serve connections until interrupted"},
	{"connections", "N", OPT_CONNECTIONS, CLI_FOR_LISTEN, "serve N connections (1)"},
	{"keylog", "FILE", OPT_KEYLOG, CLI_FOR_BOTH,
	 "append secrets for Wireshark; also $SSLKEYLOGFILE"},
	{"timeout", "SECONDS", OPT_TIMEOUT, CLI_FOR_BOTH, "give up a handshake after this long"},
	{"wait", "SECONDS", OPT_WAIT, CLI_FOR_BOTH,
	 "messages: end after the input's end and so much silence (1)"},
	{"ipv4", NULL, '4', CLI_FOR_CONNECT, "only IPv4"},
	{"ipv6", NULL, '6', CLI_FOR_CONNECT, "only IPv6"},
	{"option", "NAME=VALUE", 'o', CLI_FOR_BOTH, "any security parameter or transport property"},
	{"json", NULL, OPT_JSON, CLI_FOR_BOTH, "events as JSON, one object a line, on stderr"},
	{"quiet", NULL, OPT_QUIET, CLI_FOR_BOTH, "no progress, no notes"},
	{"verbose", NULL, 'v', CLI_FOR_BOTH, "what was negotiated; again for more"},
	{"help", NULL, 'h', CLI_FOR_BOTH, "this"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void cli_options_help(FILE *out, enum cli_for which)
{
	for (size_t i = 0; i < ROWS; i++) {
		char left[48];
		char shorthand[8] = "    ";
		if (!(rows[i].which & which)) {
			continue;
		}
		if (rows[i].id < 256) {
			(void)snprintf(shorthand, sizeof(shorthand), "-%c, ", rows[i].id);
		}
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", shorthand, rows[i].name,
			       rows[i].argument ? " " : "",
			       rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-28s %s\n", left, rows[i].doc);
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

static bool add(const char **list, size_t *count, size_t most, const char *value, const char *what)
{
	if (*count == most) {
		cli_error("too many %s options", what);
		return false;
	}
	list[(*count)++] = value;
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

static bool take_flag(struct cli_options *o, int id)
{
	switch (id) {
	case OPT_INSECURE:
		o->insecure = true;
		return true;
	case OPT_REQUEST_CLIENT:
		o->request_client = true;
		return true;
	case OPT_REQUIRE_CLIENT:
		o->require_client = true;
		return true;
	case OPT_ACCEPT_EARLY:
		o->accept_early = true;
		return true;
	case OPT_NO_RESUME:
		o->no_resume = true;
		return true;
	case OPT_UPDATE_KEYS:
		o->update_keys = true;
		return true;
	case OPT_ECHO:
		o->echo = true;
		return true;
	case OPT_DISCARD:
		o->discard = true;
		return true;
	case OPT_KEEP:
		o->connections = 0;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_QUIET:
		o->quiet = true;
		return true;
	case 'v':
		o->verbose++;
		return true;
	case '4':
		o->family = 4;
		return true;
	case '6':
		o->family = 6;
		return true;
	default:
		return false;
	}
}

static bool take_value(struct cli_options *o, int id, const char *value)
{
	switch (id) {
	case OPT_CERT:
		return add(o->cert, &o->cert_count, 8, value, "--cert");
	case OPT_KEY:
		return add(o->key, &o->key_count, 8, value, "--key");
	case OPT_CA:
	case OPT_CLIENT_CA:
		return add(o->ca, &o->ca_count, 8, value, "--ca");
	case OPT_CRL:
		return add(o->crl, &o->crl_count, 8, value, "--crl");
	case OPT_NAME:
		o->name = value;
		return true;
	case OPT_PSK_IDENTITY:
		o->psk_identity = value;
		return true;
	case OPT_PSK_FILE:
		o->psk_file = value;
		return true;
	case OPT_ALPN:
		o->alpn = value;
		return true;
	case OPT_POLICY:
		o->policy = value;
		return true;
	case OPT_CIPHERS:
		return add_setting(o, "ciphersuite", value);
	case OPT_GROUPS:
		return add_setting(o, "supportedGroup", value);
	case OPT_SIGALGS:
		return add_setting(o, "signatureAlgorithm", value);
	case OPT_TICKETS:
		return add_setting(o, "tickets", value);
	case OPT_SESSION_FILE:
		o->session_file = value;
		return true;
	case OPT_EARLY_DATA_FILE:
		o->early_data_file = value;
		return true;
	case OPT_KEYLOG:
		o->keylog = value;
		return true;
	case OPT_EXEC:
		o->exec = value;
		return true;
	case OPT_TIMEOUT:
		return take_time(&o->timeout, value);
	case OPT_WAIT:
		return take_time(&o->wait, value);
	case OPT_PRIVATE_KEY:
		o->private_key = value;
		return true;
	case OPT_PEER_KEY:
		return add(o->peer_key, &o->peer_key_count, 64, value, "--peer-key");
	case OPT_CONNECTIONS:
		return parse_count(value, &o->connections);
	case OPT_SEND_BYTES:
		return parse_count(value, &o->send_bytes) &&
		       (o->send_bytes > 0 || (cli_error("--send-bytes needs at least 1"), false));
	case 'o':
		if (strchr(value, '=') == NULL) {
			cli_error("-o wants NAME=VALUE, not '%s'", value);
			return false;
		}
		return add_setting(o, NULL, value);
	default:
		return false;
	}
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
	if (o->private_key == NULL || o->peer_key_count == 0 ||
	    (!o->listen && o->peer_key_count > 1)) {
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
	if (o->cert_count != o->key_count) {
		cli_error("%zu --cert but %zu --key", o->cert_count, o->key_count);
		return false;
	}
	if ((o->psk_identity == NULL) != (o->psk_file == NULL)) {
		cli_error("--psk-identity and --psk-file go together");
		return false;
	}
	if (o->protocol->id == ENN_PROTOCOL_WIREGUARD) {
		return check_static_keys(o) && check_ends(o);
	}
	if (o->private_key != NULL || o->peer_key_count > 0) {
		cli_error("--private-key and --peer-key are not for %s", o->protocol->name);
		return false;
	}
	if (o->listen && o->cert_count == 0 && o->psk_file == NULL) {
		cli_error("a listener needs --cert and --key, or a pre-shared key; "
			  "`ennead keygen` makes them");
		return false;
	}
	return check_ends(o);
}

static size_t build_options(struct option *options, char *letters, enum cli_for which)
{
	size_t count = 0;

	*letters++ = ':';
	for (size_t i = 0; i < ROWS; i++) {
		if (!(rows[i].which & which)) {
			continue;
		}
		options[count++] = (struct option){
			rows[i].name, rows[i].argument ? required_argument : no_argument, NULL,
			rows[i].id};
		if (rows[i].id < 256) {
			*letters++ = (char)rows[i].id;
			if (rows[i].argument) {
				*letters++ = ':';
			}
		}
	}
	*letters = '\0';
	options[count] = (struct option){NULL, 0, NULL, 0};
	return count;
}

bool cli_parse_options(int argc, char **argv, bool listen, struct cli_options *o, bool *help)
{
	struct option options[ROWS + 1];
	char letters[64];
	enum cli_for which = listen ? CLI_FOR_LISTEN : CLI_FOR_CONNECT;
	int c;

	memset(o, 0, sizeof(*o));
	o->listen = listen;
	o->connections = 1;
	o->keylog = getenv("SSLKEYLOGFILE");
	*help = false;
	(void)build_options(options, letters, which);
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (c == 'h') {
			*help = true;
			return true;
		}
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
		if (optarg == NULL ? !take_flag(o, c) : !take_value(o, c, optarg)) {
			return false;
		}
	}
	if (argc - optind != 1) {
		cli_error(optind == argc ? "a URL is needed: tls://host:port"
					 : "one URL is enough: '%s'",
			  optind == argc ? "" : argv[argc - 1]);
		return false;
	}
	return cli_parse_url(argv[optind], o) && check(o);
}
