/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead features --policy: what an algorithm policy means, list by list.
 */
#include <jansson.h>
#include <string.h>

#include "cli.h"

#define TEXT_MAX 4096

static const struct list {
	const char *title;
	const char *key;
	enum enn_security_parameter parameter;
} lists[] = {
	{"versions", "versions", ENN_SECURITY_VERSIONS},
	{"suites", "suites", ENN_SECURITY_CIPHER_SUITES},
	{"groups", "groups", ENN_SECURITY_GROUPS},
	{"signatures", "signatures", ENN_SECURITY_SIGNATURES},
	{"  in certificates", "certificate_signatures", ENN_SECURITY_CERT_SIGNATURES},
	{"PSK modes", "psk_modes", ENN_SECURITY_PSK_MODES},
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

/* The names of suites of TLS 1.2 say what they are used WITH (RFC 5246 §C), those of TLS 1.3 do not. */
static const char *note(enum enn_security_parameter parameter, const char *name, size_t len)
{
	if (parameter != ENN_SECURITY_CIPHER_SUITES) {
		return "";
	}
	return memmem(name, len, "_WITH_", 6) != NULL ? "TLSv1.2" : "TLSv1.3";
}

static void print_list(const struct enn_security *s, const struct list *list)
{
	char text[TEXT_MAX];
	const char *title = list->title;

	(void)enn_security_get_list(s, list->parameter, text, sizeof(text));
	for (const char *at = text;; title = "") {
		size_t len = strcspn(at, ":");
		const char *about = note(list->parameter, at, len);
		printf("%-18s %.*s%*s%s\n", title, (int)len, at,
		       about[0] == '\0' ? 0 : 46 - (int)len, "", about);
		if (at[len] == '\0') {
			return;
		}
		at += len + 1;
	}
}

static json_t *names(const struct enn_security *s, enum enn_security_parameter parameter)
{
	char text[TEXT_MAX];
	json_t *array = json_array();

	(void)enn_security_get_list(s, parameter, text, sizeof(text));
	for (const char *at = text; *at != '\0';) {
		size_t len = strcspn(at, ":");
		json_array_append_new(array, json_stringn(at, len));
		at += len + (at[len] == ':');
	}
	return array;
}

static void print_json(const struct enn_security *s, const char *policy)
{
	json_t *j = json_pack("{s:s}", "policy", policy);

	for (size_t i = 0; i < LISTS; i++) {
		json_object_set_new(j, lists[i].key, names(s, lists[i].parameter));
	}
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

void cli_policies_help(FILE *out)
{
	const char *name;
	const char *means;
	const char *doc;

	fputs("\nPOLICY is one of these, and what is to be different from it "
	      "(ennead-features(1)):\n",
	      out);
	for (size_t i = 0; (name = enn_policy_at(i, &means, &doc)) != NULL; i++) {
		fprintf(out, "  %-11s %s\n", name, doc);
	}
}

int cli_features_policy(const char *text, bool json)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error;
	char policy[TEXT_MAX];

	if (s == NULL) {
		cli_error("out of memory");
		return CLI_LOCAL;
	}
	if (enn_security_set_policy(s, text, &error) != ENN_OK) {
		cli_error("%s", error.text);
		enn_security_free(s);
		return CLI_USAGE;
	}
	(void)enn_security_policy_text(s, policy, sizeof(policy));
	if (json) {
		print_json(s, policy);
	} else {
		printf("%-18s %s\n", "policy", policy);
		for (size_t i = 0; i < LISTS; i++) {
			print_list(s, &lists[i]);
		}
	}
	enn_security_free(s);
	return CLI_OK;
}
