/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead features: the survey's table, with what this build has of it.
 */
#include <getopt.h>
#include <jansson.h>
#include <unistd.h>

#include "cli.h"

static char letter(enum enn_support support)
{
	return support == ENN_SUPPORT_MANDATORY	  ? 'M'
	       : support == ENN_SUPPORT_SUPPORTED ? 'S'
						  : 'U';
}

static bool is_built(const struct enn_protocol *p)
{
	return p->new_client != NULL;
}

void cli_features_help(FILE *out)
{
	fputs("  --policy POLICY   what an algorithm policy means, instead\n"
	      "  --json            the same as JSON: an array, one object for each protocol\n",
	      out);
	cli_policies_help(out);
}

static int print_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		const struct enn_protocol *p = enn_protocol_at(i);
		json_t *features = json_object();
		for (int f = 0; f < ENN_FEATURE_COUNT; f++) {
			char text[2] = {letter(enn_protocol_feature(p, (enum enn_feature)f)), '\0'};
			json_object_set_new(features, enn_feature_name((enum enn_feature)f),
					    json_pack("{s:s,s:b}", "survey", text, "built",
						      enn_protocol_built(p, (enum enn_feature)f)));
		}
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:b,s:o}", "name", p->name,
						      "scheme", p->scheme, "spec", p->spec, "built",
						      is_built(p), "features", features));
	}
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
	return CLI_OK;
}

static void print_cell(const struct enn_protocol *p, enum enn_feature f, int width, bool colour)
{
	bool built = enn_protocol_built(p, f);
	char c = letter(enn_protocol_feature(p, f));
	const char *on = !colour ? "" : built ? "\033[1;32m" : c == 'U' ? "\033[2m" : "";

	printf(" %*s%s%c%c%s", width - 2, "", on, c, built ? '+' : ' ', colour ? "\033[0m" : "");
}

static int print_table(void)
{
	bool colour = isatty(STDOUT_FILENO) == 1;
	static const char *const mandatory[ENN_FEATURE_OPTIONAL_FIRST] = {"AE", "FS", "PK", "RA",
									  "PSK"};

	printf("%-13s", "");
	for (int f = 0; f < ENN_FEATURE_COUNT; f++) {
		const char *name = f < (int)ENN_FEATURE_OPTIONAL_FIRST
					   ? mandatory[f]
					   : enn_feature_abbreviation((enum enn_feature)f);
		printf(" %3s", name);
	}
	putchar('\n');
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		const struct enn_protocol *p = enn_protocol_at(i);
		printf("%-13s", p->title);
		for (int f = 0; f < ENN_FEATURE_COUNT; f++) {
			print_cell(p, (enum enn_feature)f, 3, colour);
		}
		printf("  %s\n", is_built(p) ? p->spec : "");
	}
	puts("\nM mandatory, S supported, U unsupported by the protocol; + built here.");
	for (int f = 0; f < ENN_FEATURE_COUNT; f++) {
		const char *name = f < (int)ENN_FEATURE_OPTIONAL_FIRST
					   ? mandatory[f]
					   : enn_feature_abbreviation((enum enn_feature)f);
		printf("  %-4s %s\n", name, enn_feature_name((enum enn_feature)f));
	}
	return CLI_OK;
}

int cli_features(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"policy", required_argument, NULL, 'p'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *policy = NULL;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			cli_features_help(stdout);
			return CLI_OK;
		case 'j':
			json = true;
			break;
		case 'p':
			policy = optarg;
			break;
		default:
			cli_error(c == ':' ? "features: '%s' needs a value"
					   : "features: unknown option '%s'",
				  argv[optind - 1]);
			return CLI_USAGE;
		}
	}
	if (optind < argc) {
		cli_error("features takes no arguments");
		return CLI_USAGE;
	}
	if (policy != NULL) {
		return cli_features_policy(policy, json);
	}
	return json ? print_json() : print_table();
}
