/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead probe: the command.
 */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT 30.0

void cli_probe_help(FILE *out)
{
	cli_options_help(out, CLI_FOR_PROBE);
	fputs("\nThe exit status is 0 if the server was probed, whatever is wrong with it; 6 with\n"
	      "--check if something is; 2 if it cannot be reached; 3 if no version of TLS is\n"
	      "spoken that can be probed.\n",
	      out);
}

/* What could not be used in any shot is said once, before the first. */
static bool check_files(const struct cli_options *o)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error;
	const char *wrong = NULL;

	for (size_t i = 0; s != NULL && i < o->ca.count && wrong == NULL; i++) {
		wrong = enn_security_trust_file(s, o->ca.item[i], &error) == ENN_OK ? NULL
										    : o->ca.item[i];
	}
	for (size_t i = 0; s != NULL && i < o->crl.count && wrong == NULL; i++) {
		wrong = enn_security_crl_file(s, o->crl.item[i], &error) == ENN_OK ? NULL
										   : o->crl.item[i];
	}
	if (wrong != NULL) {
		cli_error("%s: %s", wrong, error.text);
	}
	bool good = s != NULL && wrong == NULL && cli_add_ech(o, s);
	enn_security_free(s);
	return good;
}

/* "h2,http/1.1" into names of the copy. */
static void split_protocols(struct probe *p, char *copy)
{
	char *rest = copy;
	char *name;

	while (copy != NULL && (name = strsep(&rest, ",")) != NULL &&
	       p->asked_count < PROBE_PROTOCOLS) {
		if (*name != '\0') {
			p->asked[p->asked_count++] = name;
		}
	}
}

static int report(const struct probe *p)
{
	const struct cli_options *o = p->o;

	if (!p->reached) {
		cli_report_error(o, "cannot connect", &p->error);
		return CLI_CONNECT;
	}
	if (o->json) {
		probe_print_json(p);
	} else {
		probe_print(p);
	}
	for (int v = 0; v < PROBE_VERSIONS; v++) {
		if (p->version[v].supported) {
			return o->check && p->problem_count > 0 ? CLI_PROBLEM : CLI_OK;
		}
	}
	return CLI_HANDSHAKE;
}

static int probe(const struct cli_options *o)
{
	struct enn_context_options options = {.keylog_path = o->keylog,
					      .close_timeout = 300 * ENN_MILLISECOND};
	struct probe *p = calloc(1, sizeof(*p));
	struct enn_error error;
	char *protocols = o->alpn == NULL ? NULL : strdup(o->alpn);
	int status = CLI_LOCAL;

	if (p == NULL) {
		cli_error("out of memory");
		free(protocols);
		return CLI_LOCAL;
	}
	p->o = o;
	p->name = o->name != NULL ? o->name : o->host;
	p->last = &p->waiting;
	split_protocols(p, protocols);
	if (enn_context_new(&options, &p->context, &error) != ENN_OK) {
		cli_report_error(o, "cannot start", &error);
	} else {
		p->started = enn_context_now(p->context);
		p->deadline =
			p->started +
			(enn_time)((o->timeout > 0 ? o->timeout : DEFAULT_TIMEOUT) * ENN_SECOND);
		probe_begin(p);
		probe_run(p);
		probe_find_problems(p);
		status = report(p);
		probe_clear(p);
		enn_context_free(p->context);
	}
	free(protocols);
	free(p);
	return status;
}

int cli_probe(int argc, char **argv)
{
	struct cli_options o;
	bool help = false;

	if (!cli_parse_options(argc, argv, CLI_FOR_PROBE, &o, &help)) {
		return CLI_USAGE;
	}
	if (help) {
		cli_probe_help(stdout);
		return CLI_OK;
	}
	if (o.protocol->id != ENN_PROTOCOL_TLS) {
		cli_error("only tls:// can be probed");
		return CLI_USAGE;
	}
	if (!check_files(&o)) {
		return CLI_USAGE;
	}
	return probe(&o);
}
