/* SPDX-License-Identifier: Apache-2.0
 *
 * The property table, made from properties.def.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "base/log.h"
#include "taps/config.h"

static const struct enn_property_row rows[] = {
#define ENN_PROPERTY(id, rfc_name, kind, def, stage, text)                                         \
	{rfc_name, ENN_PROPERTY_TYPE_##kind, def, ENN_PROPERTY_PHASE_##stage, text},
#include "ennead/properties.def"
#undef ENN_PROPERTY
};

struct name {
	const char *text;
	uint64_t value;
};

/* The names of each enumerated type's values; the order of the types is enum
 * enn_property_type's. */
static const struct name preferences[] = {{"require", ENN_REQUIRE},
					  {"prefer", ENN_PREFER},
					  {"no preference", ENN_NO_PREFERENCE},
					  {"none", ENN_NO_PREFERENCE},
					  {"avoid", ENN_AVOID},
					  {"prohibit", ENN_PROHIBIT},
					  {NULL, 0}};
static const struct name bools[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"on", 1},
				    {"off", 0},	 {"1", 1},     {"0", 0},   {NULL, 0}};
static const struct name directions[] = {{"bidirectional", ENN_BIDIRECTIONAL},
					 {"unidirectional-send", ENN_UNIDIRECTIONAL_SEND},
					 {"unidirectional-receive", ENN_UNIDIRECTIONAL_RECEIVE},
					 {NULL, 0}};
static const struct name multipaths[] = {{"disabled", ENN_MULTIPATH_DISABLED},
					 {"active", ENN_MULTIPATH_ACTIVE},
					 {"passive", ENN_MULTIPATH_PASSIVE},
					 {NULL, 0}};
static const struct name handovers[] = {{"handover", ENN_HANDOVER},
					{"interactive", ENN_INTERACTIVE},
					{"aggregate", ENN_AGGREGATE},
					{NULL, 0}};
static const struct name schedulers[] = {{"wfq", ENN_SCHEDULER_WFQ},
					 {"fcfs", ENN_SCHEDULER_FCFS},
					 {"rr", ENN_SCHEDULER_RR},
					 {"prio", ENN_SCHEDULER_PRIO},
					 {NULL, 0}};
static const struct name capacities[] = {
	{"default", ENN_CAPACITY_DEFAULT},
	{"scavenger", ENN_CAPACITY_SCAVENGER},
	{"low-latency-interactive", ENN_CAPACITY_LOW_LATENCY_INTERACTIVE},
	{"low-latency-non-interactive", ENN_CAPACITY_LOW_LATENCY_NON_INTERACTIVE},
	{"constant-rate-streaming", ENN_CAPACITY_CONSTANT_RATE},
	{"capacity-seeking", ENN_CAPACITY_SEEKING},
	{NULL, 0}};
static const struct name states[] = {{"establishing", ENN_STATE_ESTABLISHING},
				     {"established", ENN_STATE_ESTABLISHED},
				     {"closing", ENN_STATE_CLOSING},
				     {"closed", ENN_STATE_CLOSED},
				     {NULL, 0}};

static const struct name *names_of(enum enn_property_type type)
{
	switch (type) {
	case ENN_PROPERTY_TYPE_pref:
		return preferences;
	case ENN_PROPERTY_TYPE_bool:
		return bools;
	case ENN_PROPERTY_TYPE_direction:
		return directions;
	case ENN_PROPERTY_TYPE_multipath:
		return multipaths;
	case ENN_PROPERTY_TYPE_handover:
		return handovers;
	case ENN_PROPERTY_TYPE_scheduler:
		return schedulers;
	case ENN_PROPERTY_TYPE_capacity:
		return capacities;
	case ENN_PROPERTY_TYPE_state:
		return states;
	default:
		return NULL;
	}
}

const struct enn_property_row *enn_property_at(enum enn_property id)
{
	return (unsigned)id < ENN_ARRAY_LEN(rows) ? &rows[id] : NULL;
}

const char *enn_property_name(enum enn_property id)
{
	const struct enn_property_row *row = enn_property_at(id);

	return row == NULL ? NULL : row->name;
}

const char *enn_property_doc(enum enn_property id)
{
	const struct enn_property_row *row = enn_property_at(id);

	return row == NULL ? NULL : row->doc;
}

/* Equal but for case, '-', '_' and spaces; the first `len` bytes of a. */
static bool same_name(const char *a, size_t len, const char *b)
{
	size_t i = 0;

	for (;;) {
		while (i < len && strchr("-_ ", a[i]) != NULL) {
			i++;
		}
		while (*b != '\0' && strchr("-_ ", *b) != NULL) {
			b++;
		}
		if (i == len || *b == '\0') {
			return i == len && *b == '\0';
		}
		if (tolower((unsigned char)a[i]) != tolower((unsigned char)*b)) {
			return false;
		}
		i++;
		b++;
	}
}

enum enn_property enn_property_find(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ENN_ARRAY_LEN(rows); i++) {
		if (same_name(name, len, rows[i].name)) {
			return (enum enn_property)i;
		}
	}
	return ENN_PROPERTY_COUNT;
}

static bool find_name(const struct name *names, const char *text, size_t len, uint64_t *value)
{
	for (; names->text != NULL; names++) {
		if (same_name(text, len, names->text)) {
			*value = names->value;
			return true;
		}
	}
	return false;
}

bool enn_preference_parse(const char *text, size_t len, enum enn_preference *out)
{
	uint64_t value = 0;

	if (!find_name(preferences, text, len, &value)) {
		return false;
	}
	*out = (enum enn_preference)value;
	return true;
}

bool enn_property_valid(enum enn_property id, uint64_t value)
{
	const struct enn_property_row *row = enn_property_at(id);

	if (row == NULL || row->type == ENN_PROPERTY_TYPE_set) {
		return false;
	}
	const struct name *names = names_of(row->type);
	if (names == NULL) {
		return true;
	}
	for (; names->text != NULL; names++) {
		if (names->value == value) {
			return true;
		}
	}
	return false;
}

/* A decimal number, `unit` times. */
static bool parse_number(const char *text, uint64_t unit, uint64_t *value)
{
	char *end = NULL;

	if (!isdigit((unsigned char)*text)) {
		return false;
	}
	unsigned long long n = strtoull(text, &end, 10);
	if (*end != '\0' || n > UINT64_MAX / unit) {
		return false;
	}
	*value = n * unit;
	return true;
}

/* "require, prefer, …" into buf. */
static const char *list_names(const struct name *names, char *buf, size_t cap)
{
	size_t at = 0;

	buf[0] = '\0';
	for (; names->text != NULL; names++) {
		size_t len = strlen(names->text);
		if (at + len + 3 > cap) {
			break;
		}
		if (at > 0) {
			memcpy(buf + at, ", ", 2);
			at += 2;
		}
		memcpy(buf + at, names->text, len + 1);
		at += len;
	}
	return buf;
}

enum enn_status enn_property_parse(enum enn_property id, const char *text, uint64_t *value,
				   struct enn_error *error)
{
	const struct enn_property_row *row = enn_property_at(id);
	const struct name *names = row == NULL ? NULL : names_of(row->type);
	char list[128];

	if (row == NULL || row->type == ENN_PROPERTY_TYPE_set) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "property", "no such property");
	}
	if (names != NULL) {
		if (find_name(names, text, strlen(text), value)) {
			return ENN_OK;
		}
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION,
				     row->name, "%s: \"%.40s\" is none of %s", row->name, text,
				     list_names(names, list, sizeof(list)));
	}
	if (row->type == ENN_PROPERTY_TYPE_limit && strcasecmp(text, "unlimited") == 0) {
		*value = UINT64_MAX;
		return ENN_OK;
	}
	if (row->type == ENN_PROPERTY_TYPE_duration && strcasecmp(text, "never") == 0) {
		*value = ENN_TIME_NEVER;
		return ENN_OK;
	}
	if (parse_number(text, row->type == ENN_PROPERTY_TYPE_duration ? ENN_MILLISECOND : 1,
			 value)) {
		return ENN_OK;
	}
	return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, row->name,
			     "%s: \"%.40s\" is not a number%s", row->name, text,
			     row->type == ENN_PROPERTY_TYPE_duration ? " of milliseconds, or never"
			     : row->type == ENN_PROPERTY_TYPE_limit  ? ", or unlimited"
								     : "");
}
