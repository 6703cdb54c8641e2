/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead survey: proves what `ennead features` claims.
 */
#include "survey.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static const struct survey_subject *const subjects[] = {&survey_tls, &survey_wireguard};

enum result {
	RESULT_PROVED,
	RESULT_FAILED,
	RESULT_SUBSTRATE,   /* what is below brings it, and the check saw that it is relied on */
	RESULT_NOT_BUILT,   /* the survey says S or M, this build has it not */
	RESULT_NOT_OFFERED, /* the survey says U */
	RESULT_ABSENT,	    /* the library below lacks what it takes */
};

static const char *const result_names[] = {
	[RESULT_PROVED] = "proved",	      [RESULT_FAILED] = "FAILED",
	[RESULT_SUBSTRATE] = "substrate",     [RESULT_NOT_BUILT] = "not built",
	[RESULT_NOT_OFFERED] = "not offered", [RESULT_ABSENT] = "absent",
};

/* ---- checks ---------------------------------------------------------------------------------- */

void survey_refute(struct survey *s, const char *why)
{
	if (!s->refuted) {
		s->refuted = true;
		(void)snprintf(s->evidence, sizeof(s->evidence), "%s", why);
	}
}

void survey_absent(struct survey *s, const char *why)
{
	survey_refute(s, why);
	s->absent = true;
}

void survey_tell(struct survey *s, const char *format, ...)
{
	va_list args;

	if (!s->refuted) {
		va_start(args, format);
		(void)vsnprintf(s->evidence, sizeof(s->evidence), format, args);
		va_end(args);
	}
}

static const struct survey_subject *subject_of(const struct enn_protocol *p)
{
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (subjects[i]->id == p->id) {
			return subjects[i];
		}
	}
	return NULL;
}

/* Also what the survey's table denies is checked, if this build has it all the same. */
static enum result judge(struct survey *s, const struct survey_subject *subject, enum enn_feature f)
{
	survey_check check = subject == NULL ? NULL : subject->check[f];
	bool built = enn_protocol_built(s->protocol, f);

	s->evidence[0] = '\0';
	s->refuted = false;
	if (check == NULL && built) {
		survey_refute(s, "built, but nothing here proves it");
		return RESULT_FAILED;
	}
	if (check != NULL) {
		check(s);
		(void)survey_expect(s, s->evidence[0] != '\0', "the check came to no end");
		return s->refuted		       ? RESULT_FAILED
		       : subject->substrate[f] != NULL ? RESULT_SUBSTRATE
						       : RESULT_PROVED;
	}
	return enn_protocol_feature(s->protocol, f) == ENN_SUPPORT_UNSUPPORTED ? RESULT_NOT_OFFERED
									       : RESULT_NOT_BUILT;
}

static enum result judge_more(struct survey *s, survey_check check)
{
	s->evidence[0] = '\0';
	s->refuted = false;
	s->absent = false;
	check(s);
	(void)survey_expect(s, s->evidence[0] != '\0', "the check came to no end");
	return s->absent ? RESULT_ABSENT : s->refuted ? RESULT_FAILED : RESULT_PROVED;
}

/* ---- output ---------------------------------------------------------------------------------- */

static const char *letter(enum enn_support support)
{
	return support == ENN_SUPPORT_MANDATORY	  ? "M"
	       : support == ENN_SUPPORT_SUPPORTED ? "S"
						  : "U";
}

static const char *result_name(const struct survey_subject *subject, enum enn_feature f,
			       enum result result)
{
	return result == RESULT_SUBSTRATE ? subject->substrate[f] : result_names[result];
}

static json_t *as_json(const struct survey *s, enum enn_feature f, enum result result)
{
	json_t *row = json_pack("{s:s,s:s,s:s}", "feature", enn_feature_name(f), "survey",
				letter(enn_protocol_feature(s->protocol, f)), "result",
				result_names[result]);

	if (s->evidence[0] != '\0') {
		json_object_set_new(row, "evidence", json_string(s->evidence));
	}
	return row;
}

static void print_result(const char *name, const char *support, const char *result,
			 const char *evidence)
{
	printf("  %-37s %s  %s%*s%s\n", name, support, result,
	       evidence[0] == '\0' ? 0 : 13 - (int)strlen(result), "", evidence);
}

/* Returns how many failed. */
static unsigned survey_features(struct survey *s, const struct survey_subject *subject, bool open,
				json_t *rows)
{
	unsigned failed = 0;

	for (int i = 0; i < ENN_FEATURE_COUNT; i++) {
		enum enn_feature f = (enum enn_feature)i;
		enum result result = open ? judge(s, subject, f) : RESULT_FAILED;
		failed += result == RESULT_FAILED ? 1u : 0u;
		if (rows == NULL) {
			print_result(enn_feature_name(f),
				     letter(enn_protocol_feature(s->protocol, f)),
				     result_name(subject, f, result), s->evidence);
		} else {
			json_array_append_new(rows, as_json(s, f, result));
		}
	}
	return failed;
}

static unsigned survey_more(struct survey *s, const struct survey_more *more, json_t *rows)
{
	unsigned failed = 0;

	for (; more != NULL && more->name != NULL; more++) {
		enum result result = judge_more(s, more->check);
		failed += result == RESULT_FAILED ? 1u : 0u;
		if (rows == NULL) {
			print_result(more->name, "+", result_names[result], s->evidence);
		} else {
			json_array_append_new(
				rows, json_pack("{s:s,s:s,s:s}", "feature", more->name, "result",
						result_names[result], "evidence", s->evidence));
		}
	}
	return failed;
}

/* One protocol; adds to *list if there is one. Returns how many checks failed. */
static unsigned survey_protocol(const struct enn_protocol *protocol, const struct enn_env *env,
				json_t *list)
{
	const struct survey_subject *subject = subject_of(protocol);
	struct survey s = {.protocol = protocol, .env = *env};
	json_t *rows = list == NULL ? NULL : json_array();
	json_t *more = list == NULL ? NULL : json_array();
	bool open = subject == NULL || subject->open == NULL || subject->open(&s);

	if (list == NULL) {
		printf("%s (%s)\n", protocol->title, protocol->spec);
	}
	unsigned failed = survey_features(&s, subject, open, rows);
	if (subject != NULL && open) {
		failed += survey_more(&s, subject->more, more);
	}
	if (subject != NULL && subject->close != NULL) {
		subject->close(&s);
	}
	if (list != NULL) {
		json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:o}", "protocol",
						      protocol->name, "scheme", protocol->scheme,
						      "features", rows, "more", more));
	}
	return failed;
}

static bool make_env(struct enn_env *env)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	env->wall_offset = (int64_t)t.tv_sec * (int64_t)ENN_SECOND;
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &env->crypto) != ENN_OK) {
		cli_error("the cryptographic libraries cannot be used");
		return false;
	}
	return true;
}

/* only NULL: every protocol of this build. */
static int survey(const struct enn_protocol *only, bool json)
{
	struct enn_env env = {.crypto = NULL};
	json_t *list = NULL;
	unsigned failed = 0;
	unsigned done = 0;

	if (!make_env(&env)) {
		return CLI_LOCAL;
	}
	list = json ? json_array() : NULL;
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		const struct enn_protocol *p = enn_protocol_at(i);
		if (only == NULL ? p->new_client != NULL : p == only) {
			if (done++ > 0 && !json) {
				putchar('\n');
			}
			failed += survey_protocol(p, &env, list);
		}
	}
	if (json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(list);
	}
	enn_crypto_free(env.crypto);
	if (failed > 0) {
		cli_error("%u %s failed", failed, failed == 1 ? "check" : "checks");
	}
	return failed > 0 ? 1 : CLI_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

void cli_survey_help(FILE *out)
{
	fputs("Each feature of the survey's table that this build has is exercised on two engines "
	      "in\n"
	      "memory: bits are flipped, keys exchanged for others, messages replayed, the clock\n"
	      "moved. PROTOCOL is a scheme such as tls or wireguard; without it, all that are\n"
	      "built are surveyed.\n\n"
	      "  --json   a JSON array, one object for each protocol\n\n"
	      "The exit status is 1 if a check failed.\n",
	      out);
}

static const struct enn_protocol *protocol_named(const char *name)
{
	const char *schemes[ENN_PROTOCOL_COUNT];
	const struct enn_protocol *p = enn_protocol_by_scheme(name);

	if (p != NULL) {
		return p;
	}
	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		schemes[i] = enn_protocol_at(i)->scheme;
	}
	const char *near = cli_nearest(name, schemes, ENN_PROTOCOL_COUNT);
	cli_error("there is no protocol '%s'%s%s%s", name, near ? "; did you mean '" : "",
		  near ? near : "", near ? "'?" : "");
	return NULL;
}

int cli_survey(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const struct enn_protocol *only = NULL;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			cli_survey_help(stdout);
			return CLI_OK;
		}
		if (c != 'j') {
			cli_error("survey: unknown option '%s'", argv[optind - 1]);
			return CLI_USAGE;
		}
		json = true;
	}
	if (argc - optind > 1) {
		cli_error("survey takes one protocol, or none for all");
		return CLI_USAGE;
	}
	if (optind < argc && (only = protocol_named(argv[optind])) == NULL) {
		return CLI_USAGE;
	}
	return survey(only, json);
}
