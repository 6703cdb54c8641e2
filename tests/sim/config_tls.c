/* SPDX-License-Identifier: Apache-2.0
 *
 * Security objects out of scenarios.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

const uint8_t sim_psk_identity[] = "sim-psk-identity";
const size_t sim_psk_identity_len = sizeof(sim_psk_identity) - 1;
const uint8_t sim_psk_key[32] = {0x91, 0x3e, 0xc4, 0x07, 0x5d, 0xba, 0x28, 0xf6, 0x0c, 0x73, 0xe1,
				 0x4a, 0x86, 0x1f, 0xd9, 0x52, 0xab, 0x34, 0x6e, 0xc0, 0x17, 0x8b,
				 0xfd, 0x40, 0x2c, 0x95, 0x68, 0xda, 0x03, 0xb7, 0x5f, 0xe2};

/* What a scenario says must be possible, or it is the scenario that is wrong. */
static bool must(enum enn_status status, const char *what)
{
	if (status == ENN_E_MEMORY) {
		return false;
	}
	if (status != ENN_OK) {
		fprintf(stderr, "sim: %s: %s\n", what, enn_status_name(status));
		abort();
	}
	return true;
}

static bool set_list(struct enn_security *s, enum enn_security_parameter id,
		     const struct sim_list *list, const char *const *names)
{
	char text[160];

	sim_list_text(list, names, text, sizeof(text));
	return must(enn_security_set_list(s, id, text, NULL), text);
}

/* The suites of TLS 1.3, then one of TLS 1.2 with each kind of authentication. */
static bool set_suites(struct enn_security *s, const struct sim_side *side)
{
	const char *name = sim_suite12_names[side->suite12];
	char text[400];
	size_t n;

	sim_list_text(&side->suites, sim_suite_names, text, sizeof(text));
	n = strlen(text);
	(void)snprintf(text + n, sizeof(text) - n,
		       ":TLS_ECDHE_ECDSA_WITH_%s:TLS_ECDHE_RSA_WITH_%s:TLS_ECDHE_PSK_WITH_%s", name,
		       name, name);
	return must(enn_security_set_list(s, ENN_SECURITY_CIPHER_SUITES, text, NULL), text) &&
	       must(enn_security_set_bool(s, ENN_SECURITY_LEGACY_CBC, side->suite12 >= SIM_CBC12),
		    "legacyCbc");
}

static bool set_lists(struct enn_security *s, const struct sim_side *side)
{
	bool ok = set_suites(s, side) &&
		  set_list(s, ENN_SECURITY_VERSIONS, &side->versions, sim_version_names) &&
		  set_list(s, ENN_SECURITY_GROUPS, &side->groups, sim_group_names) &&
		  set_list(s, ENN_SECURITY_PSK_MODES, &side->modes, sim_mode_names);

	for (size_t i = 0; i < side->alpn.count && ok; i++) {
		const char *name = sim_alpn_names[side->alpn.at[i]];
		ok = must(enn_security_add_alpn(s, (const uint8_t *)name, strlen(name)), name);
	}
	return ok;
}

static bool set_bool(struct enn_security *s, enum enn_security_parameter id, bool value)
{
	return must(enn_security_set_bool(s, id, value), enn_security_parameter_name(id));
}

static bool set_number(struct enn_security *s, enum enn_security_parameter id, uint64_t value)
{
	return must(enn_security_set_u64(s, id, value), enn_security_parameter_name(id));
}

static bool set_values(struct enn_security *s, const struct sim_side *side, bool server)
{
	return set_bool(s, ENN_SECURITY_VERIFY_PEER, side->trust != SIM_TRUST_NONE) &&
	       set_bool(s, ENN_SECURITY_DELEGATE_PEER, side->trust == SIM_TRUST_DELEGATE) &&
	       set_bool(s, ENN_SECURITY_REQUEST_CLIENT, server && side->request_client) &&
	       set_bool(s, ENN_SECURITY_REQUIRE_CLIENT, server && side->require_client) &&
	       set_bool(s, ENN_SECURITY_RESUME, side->resume) &&
	       set_bool(s, ENN_SECURITY_EARLY_DATA, side->early) &&
	       set_bool(s, ENN_SECURITY_GREASE, side->grease) &&
	       set_bool(s, ENN_SECURITY_MIDDLEBOX_COMPATIBILITY, side->compatible) &&
	       set_bool(s, ENN_SECURITY_KEEP_PEER_CHAIN, side->keep_chain) &&
	       set_number(s, ENN_SECURITY_KEY_SHARES, side->key_shares) &&
	       set_number(s, ENN_SECURITY_TICKETS, side->tickets) &&
	       set_number(s, ENN_SECURITY_MAX_EARLY_DATA, side->max_early_data) &&
	       set_number(s, ENN_SECURITY_PADDING, side->padding) &&
	       set_number(s, ENN_SECURITY_MAX_RECORD, side->max_record) &&
	       set_number(s, ENN_SECURITY_RECORD_SIZE_LIMIT, side->record_limit) &&
	       set_number(s, ENN_SECURITY_MAX_FRAGMENT_LENGTH, side->max_fragment) &&
	       set_number(s, ENN_SECURITY_KEY_UPDATE_RECORDS, side->key_update_records) &&
	       set_number(s, ENN_SECURITY_HANDSHAKE_TIMEOUT, side->timeout_ms);
}

static bool add_psk(struct enn_security *s, const struct sim_side *side)
{
	static const uint8_t stranger[] = "nobody-knows-me";
	bool unknown = side->psk == SIM_PSK_UNKNOWN;
	struct enn_credential *psk = NULL;
	uint8_t key[sizeof(sim_psk_key)];

	memcpy(key, sim_psk_key, sizeof(key));
	key[5] ^= side->psk == SIM_PSK_OTHER_KEY;
	bool ok = must(enn_credential_psk(unknown ? stranger : sim_psk_identity,
					  unknown ? sizeof(stranger) : sim_psk_identity_len, key,
					  sizeof(key),
					  side->psk_sha384 ? ENN_PSK_SHA384 : ENN_PSK_SHA256, &psk),
		       "psk") &&
		  must(enn_security_add_credential(s, psk), "add_credential");
	enn_credential_free(psk);
	return ok;
}

static bool add_identity(struct enn_security *s, const struct sim_run *run,
			 const struct sim_side *side, bool server)
{
	bool ok = true;

	if (side->has_certificate) {
		ok = must(enn_security_add_credential(s, sim_pki_credential(run->lab->pki, server,
									    side->key,
									    side->external_key)),
			  "add_credential");
	}
	if (server && side->ask_psk) {
		return ok && must(enn_security_ask_psk(s, true), "ask_psk");
	}
	return ok && (side->psk == SIM_PSK_NONE || add_psk(s, side));
}

static bool add_sessions(struct enn_security *s, const struct sim_run *run,
			 const struct sim_connection *c)
{
	/* A server that was not restarted has had its key all the time. */
	int64_t known_since =
		SIM_EPOCH * (int64_t)ENN_SECOND + (c->server_restart ? (int64_t)run->now : 0);

	return must(enn_security_ticket_key(s, run->ticket_key, sizeof(run->ticket_key),
					    known_since),
		    "ticket_key") &&
	       (c->server_restart || must(enn_security_set_session_store(s, run->store), "store"));
}

struct enn_security *sim_security(const struct sim_run *run, const struct sim_connection *c,
				  bool server)
{
	const struct sim_side *side = &c->side[server];
	struct enn_security *s = enn_security_new();
	struct enn_error error;

	if (s == NULL) {
		return NULL;
	}
	const char *root = side->trust == SIM_TRUST_STRANGER ? sim_pki_stranger(run->lab->pki)
							     : sim_pki_root(run->lab->pki);
	bool ok = must(enn_security_trust_pem(s, root, strlen(root), &error), "trust_pem") &&
		  set_lists(s, side) && set_values(s, side, server) &&
		  add_identity(s, run, side, server) && (!server || add_sessions(s, run, c));
	if (!ok) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}
