/* SPDX-License-Identifier: Apache-2.0
 *
 * Preconnections: endpoints, security, protocols. Properties are in
 * preconnection_set.c.
 */
#include "taps/preconnection.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"
#include "taps/internal.h"

struct enn_preconnection *enn_preconnection_new(struct enn_context *context)
{
	const struct enn_env *env = enn_context_env(context);
	struct enn_preconnection *pre = enn_alloc(env, sizeof(*pre));

	if (pre == NULL) {
		return NULL;
	}
	pre->ctx = context;
	pre->config = enn_config_new(env);
	if (pre->config == NULL) {
		enn_free(env, pre, sizeof(*pre));
		return NULL;
	}
	return pre;
}

void enn_preconnection_free(struct enn_preconnection *pre)
{
	if (pre == NULL) {
		return;
	}
	struct enn_env env = pre->config->env;
	enn_config_free(pre->config);
	enn_free(&env, pre, sizeof(*pre));
}

struct enn_config *enn_preconnection_change(struct enn_preconnection *pre)
{
	struct enn_config *own = enn_config_own(pre->config);

	if (own != NULL) {
		pre->config = own;
	}
	return own;
}

/* ---- endpoints ----------------------------------------------------------------------- */

static enum enn_status add_remote(struct enn_preconnection *pre, const struct enn_remote *remote)
{
	struct enn_config *config;
	struct enn_remote *copy;

	if (pre->config->remotes == ENN_MAX_REMOTES) {
		return ENN_E_LIMIT;
	}
	config = enn_preconnection_change(pre);
	copy = config == NULL ? NULL : enn_alloc(&config->env, sizeof(*copy));
	if (copy == NULL) {
		return ENN_E_MEMORY;
	}
	*copy = *remote;
	config->remote[config->remotes++] = copy;
	return ENN_OK;
}

enum enn_status enn_preconnection_add_remote(struct enn_preconnection *pre, const char *host,
					     const char *service)
{
	struct enn_remote remote = {.host = ""};
	uint16_t port = 0;

	if (host == NULL || service == NULL || *host == '\0' || strlen(host) >= ENN_HOST_MAX ||
	    !enn_service_parse(service, &port) || port == 0) {
		return ENN_E_ARGUMENT;
	}
	(void)snprintf(remote.host, sizeof(remote.host), "%s", host);
	if (enn_address_parse(host, port, &remote.address)) {
		remote.host[strcspn(remote.host, "%")] = '\0'; /* the zone is no part of a name */
	} else {
		memset(&remote.address, 0, sizeof(remote.address));
		remote.address.port = port;
	}
	return add_remote(pre, &remote);
}

enum enn_status enn_preconnection_add_remote_address(struct enn_preconnection *pre,
						     const struct enn_address *address)
{
	struct enn_remote remote = {.host = ""};

	if (address == NULL || address->port == 0 ||
	    (address->family != ENN_FAMILY_IPV4 && address->family != ENN_FAMILY_IPV6)) {
		return ENN_E_ARGUMENT;
	}
	remote.address = *address;
	return add_remote(pre, &remote);
}

enum enn_status enn_preconnection_add_local(struct enn_preconnection *pre, const char *host,
					    const char *service)
{
	struct enn_config *config;
	struct enn_local *local;
	uint16_t port = 0;

	if ((service != NULL && !enn_service_parse(service, &port)) ||
	    (host != NULL && strlen(host) >= ENN_HOST_MAX)) {
		return ENN_E_ARGUMENT;
	}
	if (pre->config->locals == ENN_MAX_LOCALS) {
		return ENN_E_LIMIT;
	}
	config = enn_preconnection_change(pre);
	local = config == NULL ? NULL : enn_alloc(&config->env, sizeof(*local));
	if (local == NULL) {
		return ENN_E_MEMORY;
	}
	(void)snprintf(local->host, sizeof(local->host), "%s", host == NULL ? "" : host);
	local->port = port;
	config->local[config->locals++] = local;
	return ENN_OK;
}

/* ---- security ------------------------------------------------------------------------ */

enum enn_status enn_preconnection_set_server_name(struct enn_preconnection *pre, const char *name)
{
	struct enn_config *config;

	if (name == NULL || strlen(name) >= ENN_HOST_MAX) {
		return ENN_E_ARGUMENT;
	}
	config = enn_preconnection_change(pre);
	if (config == NULL) {
		return ENN_E_MEMORY;
	}
	(void)snprintf(config->server_name, sizeof(config->server_name), "%s", name);
	config->named = true;
	return ENN_OK;
}

enum enn_status enn_preconnection_set_security(struct enn_preconnection *pre,
					       const struct enn_security *security)
{
	struct enn_security *copy;
	struct enn_config *config;

	if (security == NULL) {
		return ENN_E_ARGUMENT;
	}
	copy = enn_security_copy(security);
	config = copy == NULL ? NULL : enn_preconnection_change(pre);
	if (config == NULL) {
		enn_security_free(copy);
		return ENN_E_MEMORY;
	}
	enn_security_free(config->security);
	config->security = copy;
	return ENN_OK;
}

enum enn_status enn_preconnection_allow_protocol(struct enn_preconnection *pre,
						 enum enn_protocol_id id)
{
	struct enn_config *config;

	if (enn_protocol_by_id(id) == NULL) {
		return ENN_E_ARGUMENT;
	}
	for (size_t i = 0; i < pre->config->allowed_count; i++) {
		if (pre->config->allowed[i] == id) {
			return ENN_OK;
		}
	}
	config = enn_preconnection_change(pre);
	if (config == NULL) {
		return ENN_E_MEMORY;
	}
	config->allowed[config->allowed_count++] = id;
	return ENN_OK;
}

void enn_preconnection_set_user(struct enn_preconnection *pre, void *user)
{
	struct enn_config *config = enn_preconnection_change(pre);

	if (config != NULL) {
		config->user = user;
	}
}

enum enn_status enn_preconnection_complete(struct enn_preconnection *pre, struct enn_error *error)
{
	struct enn_config *config = pre->config;

	if (config->security != NULL) {
		return ENN_OK;
	}
	config = enn_preconnection_change(pre);
	if (config != NULL) {
		config->security = enn_security_new();
	}
	if (config == NULL || config->security == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "preconnection",
				     "out of memory");
	}
	return ENN_OK;
}

/* ---- selection ----------------------------------------------------------------------- */

enum enn_status enn_preconnection_select(struct enn_preconnection *pre, bool listen,
					 const struct enn_protocol **out, struct enn_error *error)
{
	struct enn_choice choice[ENN_PROTOCOL_COUNT];
	size_t n = enn_select(pre->config, pre->ctx->protocols, listen, choice);

	if (n > 0 && !choice[0].pruned) {
		*out = choice[0].protocol;
		return ENN_OK;
	}
	/* That a protocol was not allowed is what the caller knows; why an allowed one fell is
	 * not. */
	size_t telling = 0;
	while (telling + 1 < n && choice[telling].reason == ENN_REASON_POLICY_PROHIBITED) {
		telling++;
	}
	return enn_error_set(error, ENN_E_NOT_FOUND, ENN_REASON_NO_CANDIDATES, "selection",
			     "no protocol is left over; %s",
			     n > 0 ? choice[telling].why : "none is known");
}

size_t enn_preconnection_explain(const struct enn_preconnection *pre, bool listen,
				 struct enn_candidate_report *out, size_t n)
{
	struct enn_choice choice[ENN_PROTOCOL_COUNT];
	size_t count = enn_select(pre->config, pre->ctx->protocols, listen, choice);

	for (size_t i = 0; i < count && i < n; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		out[i].protocol = choice[i].protocol;
		out[i].fate = choice[i].pruned ? ENN_CANDIDATE_PRUNED
			      : i == 0	       ? ENN_CANDIDATE_WAITING
					       : ENN_CANDIDATE_UNTRIED;
		(void)enn_error_set(&out[i].error, choice[i].pruned ? ENN_E_NOT_FOUND : ENN_OK,
				    choice[i].reason, "selection", "%s", choice[i].why);
		out[i].error.wire_code = ENN_NO_WIRE_CODE;
	}
	return count;
}
