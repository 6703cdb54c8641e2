/* SPDX-License-Identifier: Apache-2.0
 *
 * What was decided and why, for people.
 */
#include "handshake/reasons.h"

#include "base/log.h"

#define INFO ENN_LOG_INFO

/* How many of ours the other side has, and where the chosen one stands among them; both count from 1. */
struct place {
	size_t at;
	size_t shared;
};

static struct place place_in(const struct enn_code_list *ours, struct enn_bytes theirs,
			     uint16_t chosen)
{
	struct place p = {0, 0};

	for (size_t i = 0; i < ours->count; i++) {
		p.shared += enn_u16_list_has(theirs, ours->code[i]);
		p.at = ours->code[i] == chosen ? p.shared : p.at;
	}
	return p;
}

static const char *version_name(uint16_t version)
{
	return enn_alg_name(ENN_ALG_VERSION, version);
}

/* ---- server ------------------------------------------------------------------------------------------- */

static void server_version(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			   uint16_t version)
{
	const struct enn_code_list *ours = enn_security_list(hs->security, ENN_SECURITY_VERSIONS);
	struct place p = place_in(ours, ch->versions, version);

	if (ch->versions.len == 0) {
		enn_log(hs->env, INFO, "%s: the client offers nothing newer",
			version_name(version));
	} else {
		enn_log(hs->env, INFO, "%s: number %zu of the %zu versions that both have",
			version_name(version), p.at, p.shared);
	}
}

static void server_group(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			 const struct enn_kx_alg *group, bool have_share)
{
	struct place p = place_in(enn_security_list(hs->security, ENN_SECURITY_GROUPS), ch->groups,
				  group->tls_group);

	if (hs->retry_group == group->tls_group && have_share) {
		enn_log(hs->env, INFO, "%s: the client followed the HelloRetryRequest",
			group->name);
	} else if (!have_share) {
		enn_log(hs->env, INFO,
			"%s: our best of the %zu groups that both have; no key share came for any, "
			"hence a HelloRetryRequest",
			group->name, p.shared);
	} else {
		enn_log(hs->env, INFO, "%s: number %zu of the %zu groups that both have%s",
			group->name, p.at, p.shared,
			p.at > 1 ? ", the first with a key share" : "");
	}
}

void enn_reasons_server(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			const struct enn_tls_suite *suite, const struct enn_kx_alg *group,
			bool have_share, bool psk)
{
	if (hs->env->log == NULL) {
		return;
	}
	struct place p = place_in(enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES),
				  ch->cipher_suites, suite->code);
	server_version(hs, ch, suite->version);
	enn_log(hs->env, INFO, "%s: number %zu of the %zu suites that both have%s", suite->name,
		p.at, p.shared, psk ? ", as the pre-shared key wants it" : ", by our order");
	if (group == NULL) {
		enn_log(hs->env, INFO, "no key exchange: psk_ke was offered and is preferred here");
	} else if (suite->version == 0x0304) {
		server_group(hs, ch, group, have_share);
	}
	if (hs->security->alpn_count > 0 && !(ch->has & ENN_HAS_ALPN)) {
		enn_log(hs->env, INFO, "no application protocol: the client offers none");
	}
}

/* By its number, for who configured it. */
void enn_reasons_certificate(const struct enn_handshake *hs, struct enn_bytes name)
{
	const char *scheme = enn_alg_name(ENN_ALG_SIGNATURE, hs->own_scheme);
	size_t number = 0;

	if (hs->env->log == NULL || hs->own == NULL) {
		return;
	}
	if (hs->own == hs->given) {
		enn_log(hs->env, INFO, "the credential that the application gave, with %s", scheme);
		return;
	}
	while (number < hs->security->credential_count &&
	       hs->security->credential[number] != hs->own) {
		number++;
	}
	enn_log(hs->env, INFO, "credential %zu with %s: %s", number + 1, scheme,
		hs->own->type == ENN_CREDENTIAL_RAW_KEY
			? "the first raw public key that the client can verify"
		: name.len == 0	    ? "fits the client best; it named no server"
		: hs->own_fits_name ? "is for the name, and fits the client best"
				    : "none is for the name; fits the client best");
}

/* ---- client -------------------------------------------------------------------------------------------- */

static void client_choice(const struct enn_handshake *hs, enum enn_security_parameter id,
			  enum enn_alg_kind kind, uint16_t chosen)
{
	const struct enn_code_list *ours = enn_security_list(hs->security, id);

	for (size_t i = 0; i < ours->count; i++) {
		if (ours->code[i] == chosen) {
			enn_log(hs->env, INFO, "%s: the server's choice, number %zu of our %zu",
				enn_alg_name(kind, chosen), i + 1, ours->count);
		}
	}
}

void enn_reasons_client(const struct enn_handshake *hs)
{
	const struct enn_handshake_result *result = &hs->c->result;

	if (hs->env->log == NULL) {
		return;
	}
	client_choice(hs, ENN_SECURITY_VERSIONS, ENN_ALG_VERSION, result->version);
	client_choice(hs, ENN_SECURITY_CIPHER_SUITES, ENN_ALG_SUITE, result->suite->code);
	if (result->group != 0) {
		client_choice(hs, ENN_SECURITY_GROUPS, ENN_ALG_GROUP, result->group);
	}
	if (result->hello_retry && hs->retry_group != 0) {
		enn_log(hs->env, INFO, "the server asked for a key share of %s in a retry",
			enn_alg_name(ENN_ALG_GROUP, hs->retry_group));
	}
	if (hs->psk_count > 0 && !result->resumed && !result->external_psk) {
		enn_log(hs->env, INFO, "the server did not take the %s that was offered",
			hs->psk[0].kind != ENN_PSK_RESUMPTION ? "pre-shared key" : "session");
	}
}

void enn_reasons_early_data(const struct enn_handshake *hs)
{
	const struct enn_handshake_result *result = &hs->c->result;

	enn_log(hs->env, INFO, "early data is rejected: %s",
		result->hello_retry ? "the server asked for another ClientHello"
		: !result->resumed  ? "the server did not take the session"
				    : "the server took the session, but not the data");
}

void enn_reasons_session(const struct enn_handshake *hs, const char *what, const char *why)
{
	if (why != NULL) {
		enn_log(hs->env, INFO, "%s: %s", what, why);
	}
}
