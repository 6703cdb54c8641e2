/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead: one command for every protocol. The table below is all there is to
 * know about its subcommands.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

static void no_options(FILE *out)
{
	fputs("It takes no options.\n", out);
}

const struct cli_command cli_commands[] = {
	{"connect", "URL [OPTION]…", "connect and join the connection to stdin and stdout",
	 cli_connect, cli_connect_help},
	{"listen", "URL [OPTION]…", "accept connections", cli_listen, cli_listen_help},
	{"probe", "URL [OPTION]…", "find out what a TLS server can do, and what is wrong with it",
	 cli_probe, cli_probe_help},
	{"tunnel", "FILE [OPTION]…", "run a WireGuard interface", cli_tunnel, cli_tunnel_help},
	{"keygen", "[OPTION]…", "make keys, certificates and revocation lists", cli_keygen,
	 cli_keygen_help},
	{"features", "[--policy POLICY] [--json]",
	 "print the survey's table of protocols and features", cli_features, cli_features_help},
	{"survey", "[PROTOCOL] [--json]", "prove the table's features on live pairs of engines",
	 cli_survey, cli_survey_help},
	{"help", "[COMMAND]", "explain a command", run_help, no_options},
	{"version", "", "print the version", run_version, no_options},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);

static void usage(FILE *out)
{
	fputs("usage: ennead COMMAND …\n\n", out);
	for (size_t i = 0; i < cli_command_count; i++) {
		fprintf(out, "  %-9s %s\n", cli_commands[i].name, cli_commands[i].summary);
	}
	fputs("\nexamples:\n"
	      "  ennead keygen --ca --name 'My CA' --out ca\n"
	      "  ennead keygen --issuer ca --host localhost --out server\n"
	      "  ennead listen tls://127.0.0.1:4433 --cert server.pem --key server.key --echo\n"
	      "  ennead connect tls://localhost:4433 --ca ca.pem -v\n",
	      out);
}

static const struct cli_command *find(const char *name)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strcmp(cli_commands[i].name, name) == 0) {
			return &cli_commands[i];
		}
	}
	return NULL;
}

static int unknown(const char *name)
{
	const char *names[16];

	for (size_t i = 0; i < cli_command_count; i++) {
		names[i] = cli_commands[i].name;
	}
	const char *near = cli_nearest(name, names, cli_command_count);
	cli_error("there is no command '%s'%s%s%s", name, near ? "; did you mean '" : "",
		  near ? near : "", near ? "'?" : "");
	return CLI_USAGE;
}

static int run_help(int argc, char **argv)
{
	if (argc < 2) {
		usage(stdout);
		return CLI_OK;
	}
	const struct cli_command *command = find(argv[1]);
	if (command == NULL) {
		return unknown(argv[1]);
	}
	printf("usage: ennead %s %s\n\n%c%s.\n\n", command->name, command->arguments,
	       command->summary[0] - 'a' + 'A', command->summary + 1);
	command->help(stdout);
	return CLI_OK;
}

static int run_version(int argc, char **argv)
{
	struct enn_crypto *crypto = NULL;

	(void)argc;
	(void)argv;
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &crypto) != ENN_OK) {
		cli_error("the cryptographic libraries cannot be used");
		return CLI_LOCAL;
	}
	printf("ennead %s, %s\n", enn_version(), enn_crypto_describe(crypto));
	enn_crypto_free(crypto);
	return CLI_OK;
}

/* Where we were started without them, a socket would take their numbers, and a message to a person
 * would go to the peer. */
static bool have_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null",
			  O_RDWR); /* NOLINT(android-cloexec-open): a child needs them too */
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* What was printed has arrived, or the command has failed. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0) {
		return status;
	}
	cli_error("writing: %s", strerror(errno));
	return status == CLI_OK ? CLI_LOCAL : status;
}

int main(int argc, char **argv)
{
	if (!have_standard_streams()) {
		return CLI_LOCAL;
	}
	if (argc < 2) {
		usage(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return flushed(CLI_OK);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		return flushed(run_version(argc, argv));
	}
	const struct cli_command *command = find(argv[1]);
	return command == NULL ? unknown(argv[1]) : flushed(command->run(argc - 1, argv + 1));
}
