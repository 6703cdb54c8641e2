/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters from text: names, numbers and lists of algorithms, with
 * errors that say where the mistake is and what was probably meant.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "features/security.h"

/* ---- names of parameters --------------------------------------------------------------------- */

/* The next character that counts, in lower case; 0 at the end. */
static int next_char(const char **s)
{
	while (**s == '-' || **s == '_') {
		(*s)++;
	}
	if (**s == '\0') {
		return 0;
	}
	return tolower((unsigned char)*(*s)++);
}

static bool same_name(const char *a, const char *b)
{
	for (;;) {
		int x = next_char(&a);
		int y = next_char(&b);

		if (x != y) {
			return false;
		}
		if (x == 0) {
			return true;
		}
	}
}

enum enn_security_parameter enn_security_find(const char *name)
{
	unsigned i;

	for (i = 0; i < ENN_SECURITY_PARAMETER_COUNT; i++) {
		if (same_name(name, enn_security_parameter_name((enum enn_security_parameter)i))) {
			break;
		}
	}
	return (enum enn_security_parameter)i;
}

#define NAME_MAX_COMPARED 64

/* Edit distance (insert, remove, replace), case ignored; both are cut to NAME_MAX_COMPARED. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strnlen(a, NAME_MAX_COMPARED);
	size_t m = strnlen(b, NAME_MAX_COMPARED);
	size_t row[NAME_MAX_COMPARED + 1];

	for (size_t j = 0; j <= m; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t replace = diagonal + (tolower((unsigned char)a[i - 1]) !=
						     tolower((unsigned char)b[j - 1]));
			size_t change = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = replace < change ? replace : change;
		}
	}
	return row[m];
}

static const char *nearest_parameter(const char *name)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (unsigned i = 0; i < ENN_SECURITY_PARAMETER_COUNT; i++) {
		const char *candidate = enn_security_parameter_name((enum enn_security_parameter)i);
		size_t d = distance(name, candidate);
		if (d < best_distance) {
			best_distance = d;
			best = candidate;
		}
	}
	return best;
}

/* ---- lists ----------------------------------------------------------------------------------- */

enum enn_alg_kind enn_security_list_kind(enum enn_security_parameter id)
{
	switch (id) {
	case ENN_SECURITY_CIPHER_SUITES:
		return ENN_ALG_SUITE;
	case ENN_SECURITY_GROUPS:
		return ENN_ALG_GROUP;
	case ENN_SECURITY_PSK_MODES:
		return ENN_ALG_PSK_MODE;
	case ENN_SECURITY_VERSIONS:
		return ENN_ALG_VERSION;
	case ENN_SECURITY_CERT_COMPRESSION:
		return ENN_ALG_COMPRESSION;
	default:
		return ENN_ALG_SIGNATURE;
	}
}

/* The name to suggest: enn_alg_nearest may answer with an alias, and people should learn the
 * name that is in the manual. */
static const char *suggestion(enum enn_alg_kind kind, const char *name, size_t len)
{
	const char *nearest = enn_alg_nearest(kind, name, len);
	int32_t code = enn_alg_find(kind, nearest, strlen(nearest));
	const struct enn_tls_suite *suite = enn_tls_suite_by_code((uint16_t)code);
	const struct enn_kx_alg *group = enn_kx_alg_by_tls((uint16_t)code);
	const struct enn_sig_alg *sig = enn_sig_alg_by_tls((uint16_t)code);

	if (kind == ENN_ALG_SUITE && suite != NULL) {
		return suite->name;
	}
	if (kind == ENN_ALG_GROUP && group != NULL) {
		return group->name;
	}
	if (kind == ENN_ALG_SIGNATURE && sig != NULL) {
		return sig->name;
	}
	return nearest;
}

/* One name of a list; position counts from 1. */
static enum enn_status add_name(struct enn_code_list *list, enum enn_security_parameter id,
				const char *name, size_t len, size_t position,
				struct enn_error *error)
{
	const char *what = enn_security_parameter_name(id);
	int shown = len > 48 ? 48 : (int)len;

	if (len == 0) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: the name at position %zu is empty", what, position);
	}
	int32_t code = enn_alg_find(enn_security_list_kind(id), name, len);
	if (code < 0) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: unknown name '%.*s' at position %zu, nearest is %s", what,
				     shown, name, position,
				     suggestion(enn_security_list_kind(id), name, len));
	}
	if (enn_code_list_has(list, (uint16_t)code)) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: '%.*s' at position %zu is named twice", what, shown, name,
				     position);
	}
	if (list->count == ENN_SECURITY_LIST_MAX) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: more than %d names", what, ENN_SECURITY_LIST_MAX);
	}
	/* What this libcrypto does not have falls away: one configuration serves with any. */
	if (id != ENN_SECURITY_GROUPS || enn_kx_available((uint16_t)code)) {
		list->code[list->count++] = (uint16_t)code;
	}
	return ENN_OK;
}

enum enn_status enn_security_parse_list(enum enn_security_parameter id, const char *names,
					struct enn_code_list *out, struct enn_error *error)
{
	struct enn_code_list list = {.count = 0};

	for (size_t position = 1;; position++) {
		size_t len = strcspn(names, ":");
		ENN_TRY(add_name(&list, id, names, len, position, error));
		if (names[len] == '\0') {
			break;
		}
		names += len + 1;
	}
	if (list.count == 0) {
		return enn_error_set(error, ENN_E_UNSUPPORTED, ENN_REASON_INVALID_CONFIGURATION,
				     enn_security_parameter_name(id),
				     "%s: this libcrypto has none of them (ML-KEM needs 3.5)",
				     enn_security_parameter_name(id));
	}
	*out = list;
	return ENN_OK;
}

enum enn_status enn_security_set_list(struct enn_security *s, enum enn_security_parameter id,
				      const char *names, struct enn_error *error)
{
	const char *what = enn_security_parameter_name(id);

	if (s == NULL || names == NULL || what == NULL ||
	    enn_security_type(id) != ENN_SECURITY_TYPE_list) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     what == NULL ? "security" : what, "%s is not a list",
				     what == NULL ? "this parameter" : what);
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen(what, error);
	}
	return enn_security_parse_list(id, names, &s->list[id], error);
}

/* ---- name = value ---------------------------------------------------------------------------- */

enum enn_status enn_security_frozen(const char *where, struct enn_error *error)
{
	return enn_error_set(error, ENN_E_STATE, ENN_REASON_INVALID_CONFIGURATION, where,
			     "the security parameters are in use; copy them to change them");
}

static bool parse_bool(const char *text, bool *value)
{
	static const char *const words[2][4] = {{"false", "no", "off", "0"},
						{"true", "yes", "on", "1"}};

	for (size_t v = 0; v < 2; v++) {
		for (size_t i = 0; i < ENN_ARRAY_LEN(words[v]); i++) {
			if (strcasecmp(text, words[v][i]) == 0) {
				*value = v != 0;
				return true;
			}
		}
	}
	return false;
}

/* Decimal digits and nothing else: no sign, no space, no wrap. */
static bool parse_u64(const char *text, uint64_t *value)
{
	uint64_t x = 0;

	if (*text == '\0') {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(x, 10u, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(*text - '0'), &x)) {
			return false;
		}
	}
	*value = x;
	return true;
}

static enum enn_status set_bool_text(struct enn_security *s, enum enn_security_parameter id,
				     const char *text, struct enn_error *error)
{
	const char *what = enn_security_parameter_name(id);
	bool value;

	if (!parse_bool(text, &value)) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: '%.48s' is neither true nor false", what, text);
	}
	enum enn_status status = enn_security_set_bool(s, id, value);
	return status == ENN_E_STATE ? enn_security_frozen(what, error) : status;
}

static enum enn_status set_u64_text(struct enn_security *s, enum enn_security_parameter id,
				    const char *text, struct enn_error *error)
{
	const char *what = enn_security_parameter_name(id);
	uint64_t value, min, max;

	if (!parse_u64(text, &value)) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: '%.48s' is not a whole number", what, text);
	}
	(void)enn_security_range(id, &min, &max);
	if (value < min || value > max) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: %llu is outside %llu to %llu", what,
				     (unsigned long long)value, (unsigned long long)min,
				     (unsigned long long)max);
	}
	enum enn_status status = enn_security_set_u64(s, id, value);
	if (status == ENN_E_ARGUMENT) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "%s: %llu is not one of the values it can have", what,
				     (unsigned long long)value);
	}
	return status == ENN_E_STATE ? enn_security_frozen(what, error) : status;
}

enum enn_status enn_security_parse(struct enn_security *s, const char *name, const char *value,
				   struct enn_error *error)
{
	if (s == NULL || name == NULL || value == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "security", "a parameter is missing");
	}
	enum enn_security_parameter id = enn_security_find(name);
	if (id == ENN_SECURITY_PARAMETER_COUNT) {
		return enn_error_set(error, ENN_E_NOT_FOUND, ENN_REASON_INVALID_CONFIGURATION,
				     "security",
				     "unknown security parameter '%.48s', nearest is %s", name,
				     nearest_parameter(name));
	}
	switch (enn_security_type(id)) {
	case ENN_SECURITY_TYPE_bool:
		return set_bool_text(s, id, value, error);
	case ENN_SECURITY_TYPE_u64:
		return set_u64_text(s, id, value, error);
	default:
		return enn_security_set_list(s, id, value, error);
	}
}
