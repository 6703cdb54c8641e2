/* SPDX-License-Identifier: Apache-2.0
 *
 * Setting and reading the properties of a preconnection.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "taps/preconnection.h"

static enum enn_status set_value(struct enn_preconnection *pre, enum enn_property id,
				 uint64_t value)
{
	struct enn_config *config;

	if (!enn_property_valid(id, value) ||
	    enn_property_at(id)->phase == ENN_PROPERTY_PHASE_readonly) {
		return ENN_E_ARGUMENT;
	}
	config = enn_preconnection_change(pre);
	if (config == NULL) {
		return ENN_E_MEMORY;
	}
	config->value[id] = value;
	config->set[id] = true;
	return ENN_OK;
}

static bool has_type(enum enn_property id, enum enn_property_type type)
{
	const struct enn_property_row *row = enn_property_at(id);

	return row != NULL && row->type == type;
}

enum enn_status enn_preconnection_set_pref(struct enn_preconnection *pre, enum enn_property id,
					   enum enn_preference value)
{
	if (!has_type(id, ENN_PROPERTY_TYPE_pref)) {
		return ENN_E_ARGUMENT;
	}
	return set_value(pre, id, value);
}

enum enn_status enn_preconnection_set_bool(struct enn_preconnection *pre, enum enn_property id,
					   bool value)
{
	if (!has_type(id, ENN_PROPERTY_TYPE_bool)) {
		return ENN_E_ARGUMENT;
	}
	return set_value(pre, id, value);
}

enum enn_status enn_preconnection_set_u64(struct enn_preconnection *pre, enum enn_property id,
					  uint64_t value)
{
	if (has_type(id, ENN_PROPERTY_TYPE_pref) || has_type(id, ENN_PROPERTY_TYPE_bool)) {
		return ENN_E_ARGUMENT;
	}
	return set_value(pre, id, value);
}

enum enn_status enn_preconnection_set_entry(struct enn_preconnection *pre, enum enn_property id,
					    enum enn_preference preference, const char *name)
{
	struct enn_config *config;
	struct enn_entry *entry;

	if (!has_type(id, ENN_PROPERTY_TYPE_set) || name == NULL || *name == '\0' ||
	    strlen(name) >= ENN_ENTRY_NAME ||
	    !enn_property_valid(ENN_PROPERTY_RELIABILITY, preference)) {
		return ENN_E_ARGUMENT;
	}
	if (pre->config->entries == ENN_MAX_ENTRIES) {
		return ENN_E_LIMIT;
	}
	config = enn_preconnection_change(pre);
	entry = config == NULL ? NULL : enn_alloc(&config->env, sizeof(*entry));
	if (entry == NULL) {
		return ENN_E_MEMORY;
	}
	entry->property = id;
	entry->preference = preference;
	memcpy(entry->name, name, strlen(name) + 1);
	config->entry[config->entries++] = entry;
	return ENN_OK;
}

/* ---- by name ------------------------------------------------------------------------- */

/* How many letters must change to make b out of a (Levenshtein), for short words. */
static size_t distance(const char *a, const char *b)
{
	enum { MOST = 40 };
	size_t row[MOST + 1];
	size_t len = strnlen(b, MOST);

	for (size_t j = 0; j <= len; j++) {
		row[j] = j;
	}
	for (size_t i = 1; *a != '\0' && i <= MOST; i++, a++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t best = diagonal + ((*a | 0x20) != (b[j - 1] | 0x20));
			diagonal = row[j];
			if (row[j] + 1 < best) {
				best = row[j] + 1;
			}
			if (row[j - 1] + 1 < best) {
				best = row[j - 1] + 1;
			}
			row[j] = best;
		}
	}
	return row[len];
}

static const char *nearest(const char *name)
{
	const char *best = "";
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < ENN_PROPERTY_COUNT; i++) {
		const char *candidate = enn_property_name((enum enn_property)i);
		size_t d = distance(name, candidate);
		if (d < least) {
			least = d;
			best = candidate;
		}
	}
	return best;
}

static enum enn_status parse_entry(struct enn_preconnection *pre, enum enn_property id,
				   const char *text, struct enn_error *error)
{
	enum enn_preference preference;
	size_t len = strcspn(text, " ");
	const char *name = text + len + strspn(text + len, " ");

	if (!enn_preference_parse(text, len, &preference) || *name == '\0') {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION,
				     enn_property_name(id),
				     "%s: \"%.40s\" is not a preference and a name",
				     enn_property_name(id), text);
	}
	enum enn_status status = enn_preconnection_set_entry(pre, id, preference, name);
	if (status != ENN_OK) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
				     enn_property_name(id), "%s: \"%.40s\" cannot be added",
				     enn_property_name(id), text);
	}
	return ENN_OK;
}

enum enn_status enn_preconnection_parse(struct enn_preconnection *pre, const char *name,
					const char *value, struct enn_error *error)
{
	uint64_t number = 0;

	if (name == NULL || value == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "property", "a name or a value is missing");
	}
	enum enn_property id = enn_property_find(name);
	if (id == ENN_PROPERTY_COUNT) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "property", "there is no property \"%.40s\"; nearest is %s",
				     name, nearest(name));
	}
	if (has_type(id, ENN_PROPERTY_TYPE_set)) {
		return parse_entry(pre, id, value, error);
	}
	ENN_TRY(enn_property_parse(id, value, &number, error));
	enum enn_status status = set_value(pre, id, number);
	if (status != ENN_OK) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
				     enn_property_name(id), "%s cannot be set",
				     enn_property_name(id));
	}
	return ENN_OK;
}

enum enn_status enn_preconnection_get(const struct enn_preconnection *pre, enum enn_property id,
				      uint64_t *value)
{
	if (enn_property_at(id) == NULL || has_type(id, ENN_PROPERTY_TYPE_set)) {
		return ENN_E_ARGUMENT;
	}
	*value = pre->config->value[id];
	return ENN_OK;
}
