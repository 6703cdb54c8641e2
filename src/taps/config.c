/* SPDX-License-Identifier: Apache-2.0
 *
 * What a preconnection holds, with its copies.
 */
#include "taps/config.h"

#include <string.h>

#include "base/mem.h"

struct enn_config *enn_config_new(const struct enn_env *env)
{
	struct enn_config *config = enn_alloc(env, sizeof(*config));

	if (config == NULL) {
		return NULL;
	}
	config->env = *env;
	config->refs = 1;
	for (size_t i = 0; i < ENN_PROPERTY_COUNT; i++) {
		config->value[i] = enn_property_at((enum enn_property)i)->value;
	}
	return config;
}

struct enn_config *enn_config_ref(struct enn_config *config)
{
	config->refs++;
	return config;
}

void enn_config_free(struct enn_config *config)
{
	if (config == NULL || --config->refs > 0) {
		return;
	}
	struct enn_env env = config->env;
	for (size_t i = 0; i < config->remotes; i++) {
		enn_free(&env, config->remote[i], sizeof(*config->remote[i]));
	}
	for (size_t i = 0; i < config->locals; i++) {
		enn_free(&env, config->local[i], sizeof(*config->local[i]));
	}
	for (size_t i = 0; i < config->entries; i++) {
		enn_free(&env, config->entry[i], sizeof(*config->entry[i]));
	}
	enn_security_free(config->security);
	enn_free_secret(&env, config->session, config->session_len);
	enn_free(&env, config, sizeof(*config));
}

static void *duplicate(const struct enn_env *env, const void *from, size_t size)
{
	void *to = enn_alloc(env, size);

	if (to != NULL) {
		memcpy(to, from, size);
	}
	return to;
}

static bool copy_lists(struct enn_config *to, const struct enn_config *from)
{
	for (; to->remotes < from->remotes; to->remotes++) {
		struct enn_remote **at = &to->remote[to->remotes];
		*at = duplicate(&to->env, from->remote[to->remotes], sizeof(**at));
		if (*at == NULL) {
			return false;
		}
	}
	for (; to->locals < from->locals; to->locals++) {
		struct enn_local **at = &to->local[to->locals];
		*at = duplicate(&to->env, from->local[to->locals], sizeof(**at));
		if (*at == NULL) {
			return false;
		}
	}
	for (; to->entries < from->entries; to->entries++) {
		struct enn_entry **at = &to->entry[to->entries];
		*at = duplicate(&to->env, from->entry[to->entries], sizeof(**at));
		if (*at == NULL) {
			return false;
		}
	}
	return true;
}

struct enn_config *enn_config_own(struct enn_config *config)
{
	if (config->refs == 1) {
		return config;
	}
	struct enn_config *copy = duplicate(&config->env, config, sizeof(*config));
	if (copy == NULL) {
		return NULL;
	}
	copy->refs = 1;
	copy->remotes = copy->locals = copy->entries = 0;
	copy->session = NULL; /* one connection's only: it stays with the original */
	copy->session_len = 0;
	if (copy->security != NULL) {
		copy->security = enn_security_ref(copy->security);
	}
	if (!copy_lists(copy, config)) {
		enn_config_free(copy);
		return NULL;
	}
	enn_config_free(config);
	return copy;
}

const char *enn_config_server_name(const struct enn_config *config)
{
	if (config->named) {
		return config->server_name[0] == '\0' ? NULL : config->server_name;
	}
	if (config->remotes > 0 && config->remote[0]->host[0] != '\0') {
		return config->remote[0]->host;
	}
	return NULL;
}
