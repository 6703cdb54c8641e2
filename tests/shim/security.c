/* SPDX-License-Identifier: Apache-2.0
 *
 * The security parameters of one connection of the shim.
 */
#include <string.h>

#include "shim.h"

static bool good(enum enn_status status, const char *what, const struct enn_error *error)
{
	if (status != ENN_OK) {
		say(0, ":USAGE:PARAMETER: %s: %s %s", what, enn_status_name(status),
		    error != NULL ? error->text : "");
	}
	return status == ENN_OK;
}

static bool add(struct enn_security *s, struct enn_credential *credential, const char *what)
{
	bool ok = good(enn_security_add_credential(s, credential), what, NULL);

	enn_credential_free(credential);
	return ok;
}

static bool add_psk(struct enn_security *s, const char *text)
{
	struct enn_credential *credential = NULL;
	const char *colon = strchr(text, ':');
	uint8_t key[256];
	size_t len = 0;

	if (colon == NULL || !unhex(colon + 1, strlen(colon + 1), key, sizeof(key), &len)) {
		say(0, ":USAGE:BAD_VALUE: --psk %s", text);
		return false;
	}
	return good(enn_credential_psk((const uint8_t *)text, (size_t)(colon - text), key, len,
				       ENN_PSK_SHA256, &credential),
		    "psk", NULL) &&
	       add(s, credential, "psk");
}

static bool identities(const struct flags *f, struct enn_security *s)
{
	struct enn_error error = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < f->certs; i++) {
		struct enn_credential *credential = NULL;

		ok = good(enn_credential_x509_file(f->cert[i], f->key[i], &credential, &error),
			  f->cert[i], &error) &&
		     add(s, credential, f->cert[i]);
	}
	for (size_t i = 0; ok && i < f->trusts; i++) {
		ok = good(enn_security_trust_file(s, f->trust[i], &error), f->trust[i], &error);
	}
	for (size_t i = 0; ok && i < f->crls; i++) {
		ok = good(enn_security_crl_file(s, f->crl[i], &error), f->crl[i], &error);
	}
	for (size_t i = 0; ok && i < f->psks; i++) {
		ok = add_psk(s, f->psk[i]);
	}
	if (ok && f->psk_answer != NULL) {
		ok = good(enn_security_ask_psk(s, true), "psk-answer", NULL);
	}
	return ok;
}

static bool parameters(const struct flags *f, struct enn_security *s)
{
	struct enn_error error = {0};
	bool ok = true;

	if (f->policy != NULL) {
		ok = good(enn_security_set_policy(s, f->policy, &error), "policy", &error);
	}
	for (size_t i = 0; ok && i < f->sets; i++) {
		char name[64];
		const char *equals = strchr(f->set[i], '=');

		if (equals == NULL || (size_t)(equals - f->set[i]) >= sizeof(name)) {
			say(0, ":USAGE:BAD_VALUE: --set %s", f->set[i]);
			return false;
		}
		memcpy(name, f->set[i], (size_t)(equals - f->set[i]));
		name[equals - f->set[i]] = 0;
		ok = good(enn_security_parse(s, name, equals + 1, &error), f->set[i], &error);
	}
	for (const char *at = f->alpn; ok && at != NULL && *at != 0;) {
		size_t len = strcspn(at, ",");

		ok = good(enn_security_add_alpn(s, (const uint8_t *)at, len), "alpn", NULL);
		at += len + (at[len] == ',');
	}
	if (ok && f->early != NULL) {
		ok = good(enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, true), "early", NULL);
	}
	if (ok && f->validate != VERDICT_NONE) {
		ok = good(enn_security_set_bool(s, ENN_SECURITY_DELEGATE_PEER, true), "validate",
			  NULL);
	}
	return ok;
}

/* The connections of one run may differ in their parameters and yet share sessions: one store, and one
 * ticket key for all of them. */
struct enn_security *security_make(const struct flags *f, struct enn_session_store *store)
{
	static const uint8_t ticket_key[64] =
		"one key for the tickets of all connections of this run";
	struct enn_security *s = enn_security_new();

	if (s != NULL && (!identities(f, s) || !parameters(f, s) ||
			  !good(enn_security_set_session_store(s, store), "store", NULL) ||
			  !good(enn_security_ticket_key(s, ticket_key, sizeof(ticket_key), 0),
				"ticket key", NULL))) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}
