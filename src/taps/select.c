/* SPDX-License-Identifier: Apache-2.0
 *
 * Selection (RFC 9622 §4 and §6.2, RFC 9623 §4.3): what a protocol offers against
 * what the properties ask. Require and Prohibit prune; Prefer and Avoid sort. The result
 * is an order, of which only the first is used: between security protocols there is no
 * racing and no falling back.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "features/security.h"
#include "runtime/driver.h"
#include "taps/config.h"

#define BIT(property) (UINT64_C(1) << ENN_PROPERTY_##property)

#define OF_RELIABLE_STREAM                                                                         \
	(BIT(RELIABILITY) | BIT(PRESERVE_ORDER) | BIT(FULL_CHECKSUM_SEND) |                        \
	 BIT(FULL_CHECKSUM_RECV) | BIT(CONGESTION_CONTROL) | BIT(SOFT_ERROR_NOTIFY))
#define OF_DATAGRAMS                                                                               \
	(BIT(PRESERVE_MSG_BOUNDARIES) | BIT(FULL_CHECKSUM_SEND) | BIT(FULL_CHECKSUM_RECV) |        \
	 BIT(SOFT_ERROR_NOTIFY))

/* What each protocol's service is like. useTemporaryLocalAddress is of the path and not of the
 * protocol: everything that runs over IP gives it. */
static const uint64_t gives[] = {
	[ENN_PROTOCOL_TLS] = OF_RELIABLE_STREAM | BIT(ZERO_RTT_MSG) | BIT(KEEP_ALIVE) |
			     BIT(ACTIVE_READ_BEFORE_SEND),
	[ENN_PROTOCOL_DTLS] = OF_DATAGRAMS | BIT(ZERO_RTT_MSG),
	[ENN_PROTOCOL_QUIC] = OF_RELIABLE_STREAM | BIT(ZERO_RTT_MSG) | BIT(KEEP_ALIVE) |
			      BIT(MULTISTREAMING) | BIT(PER_MSG_RELIABILITY),
	[ENN_PROTOCOL_IKEV2_ESP] = OF_DATAGRAMS | BIT(KEEP_ALIVE),
	[ENN_PROTOCOL_SRTP] = OF_DATAGRAMS,
	[ENN_PROTOCOL_TCPCRYPT] =
		OF_RELIABLE_STREAM | BIT(KEEP_ALIVE) | BIT(ACTIVE_READ_BEFORE_SEND),
	[ENN_PROTOCOL_WIREGUARD] = OF_DATAGRAMS | BIT(KEEP_ALIVE),
	[ENN_PROTOCOL_MINIMALT] =
		OF_RELIABLE_STREAM | BIT(ZERO_RTT_MSG) | BIT(MULTISTREAMING) | BIT(KEEP_ALIVE),
	[ENN_PROTOCOL_CURVECP] = OF_RELIABLE_STREAM,
};

/* What a protocol can do and need not: prohibiting it prunes nothing, it is just not done. */
static const uint64_t optional = BIT(ZERO_RTT_MSG) | BIT(KEEP_ALIVE) | BIT(SOFT_ERROR_NOTIFY) |
				 BIT(PER_MSG_RELIABILITY) | BIT(ACTIVE_READ_BEFORE_SEND) |
				 BIT(USE_TEMPORARY_LOCAL_ADDRESS);

bool enn_protocol_gives(const struct enn_protocol *protocol, enum enn_property id)
{
	if (id == ENN_PROPERTY_USE_TEMPORARY_LOCAL_ADDRESS) {
		return true;
	}
	return (size_t)protocol->id < sizeof(gives) / sizeof(gives[0]) &&
	       (gives[protocol->id] >> id & 1) != 0;
}

static bool is_preference(size_t i)
{
	return enn_property_at((enum enn_property)i)->type == ENN_PROPERTY_TYPE_pref;
}

/* ---- interfaces ---------------------------------------------------------------------- */

const char *enn_required_interface(const struct enn_config *config)
{
	for (size_t i = 0; i < config->entries; i++) {
		const struct enn_entry *e = config->entry[i];
		if (e->property == ENN_PROPERTY_INTERFACE && e->preference == ENN_REQUIRE) {
			return e->name;
		}
	}
	return NULL;
}

bool enn_interface_refused(const struct enn_config *config, const char *name)
{
	const char *required = enn_required_interface(config);

	for (size_t i = 0; i < config->entries; i++) {
		const struct enn_entry *e = config->entry[i];
		if (e->property == ENN_PROPERTY_INTERFACE && e->preference == ENN_PROHIBIT &&
		    strcmp(e->name, name) == 0) {
			return true;
		}
	}
	return required != NULL && strcmp(required, name) != 0;
}

/* ---- pruning ------------------------------------------------------------------------- */

static void prune(struct enn_choice *choice, enum enn_reason reason, const char *what,
		  const char *which, const char *rest)
{
	choice->pruned = true;
	choice->reason = reason;
	(void)snprintf(choice->why, sizeof(choice->why), "%s: %s%s%s", choice->protocol->name, what,
		       which, rest);
}

static bool allowed(const struct enn_config *config, enum enn_protocol_id id, size_t *rank)
{
	*rank = 0;
	for (; *rank < config->allowed_count; ++*rank) {
		if (config->allowed[*rank] == id) {
			return true;
		}
	}
	return config->allowed_count == 0;
}

static void judge_entries(const struct enn_config *config, struct enn_choice *choice)
{
	for (size_t i = 0; i < config->entries && !choice->pruned; i++) {
		const struct enn_entry *e = config->entry[i];
		if (e->preference != ENN_REQUIRE) {
			continue;
		}
		if (e->property == ENN_PROPERTY_PVD) {
			prune(choice, ENN_REASON_NO_CANDIDATES,
			      "this system has no provisioning domain ", e->name, "");
		} else if (if_nametoindex(e->name) == 0) {
			prune(choice, ENN_REASON_NO_CANDIDATES, "there is no interface ", e->name,
			      "");
		}
	}
}

static void judge_properties(const struct enn_config *config, struct enn_choice *choice)
{
	for (size_t i = 0; i < ENN_PROPERTY_COUNT && !choice->pruned; i++) {
		if (!is_preference(i)) {
			continue;
		}
		bool has = enn_protocol_gives(choice->protocol, (enum enn_property)i);
		const char *name = enn_property_name((enum enn_property)i);
		if (config->value[i] == ENN_REQUIRE && !has) {
			prune(choice, ENN_REASON_NO_CANDIDATES, "has no ", name,
			      ", which is required");
		} else if (config->value[i] == ENN_PROHIBIT && has && (optional >> i & 1) == 0) {
			prune(choice, ENN_REASON_NO_CANDIDATES, "always has ", name,
			      ", which is prohibited");
		}
	}
}

/* Protocols whose peers know each other by static keys, and by nothing else. */
static bool needs_static_keys(enum enn_protocol_id id)
{
	return id == ENN_PROTOCOL_WIREGUARD || id == ENN_PROTOCOL_MINIMALT ||
	       id == ENN_PROTOCOL_CURVECP;
}

static void judge_credentials(const struct enn_config *config, bool listen,
			      struct enn_choice *choice)
{
	const struct enn_security *s = config->security;

	if (!needs_static_keys(choice->protocol->id)) {
		return;
	}
	if (s == NULL || enn_security_static_key(s) == NULL) {
		prune(choice, ENN_REASON_INVALID_CONFIGURATION,
		      "needs a static key of ours (enn_credential_static_key)", "", "");
	} else if (s->peer_key_count == 0) {
		prune(choice, ENN_REASON_INVALID_CONFIGURATION,
		      "needs the peer's public key (enn_security_add_peer_key)", "", "");
	} else if (!listen && s->peer_key_count > 1) {
		prune(choice, ENN_REASON_INVALID_CONFIGURATION,
		      "needs the public key of one peer, and not of several", "", "");
	}
}

/* Datagrams are demultiplexed by an acceptor, which makes the engines. */
static bool has_engine(const struct enn_protocol *p, bool listen)
{
	if (!listen) {
		return p->new_client != NULL;
	}
	return p->substrate == ENN_SUBSTRATE_BYTE_STREAM ? p->new_server != NULL
							 : p->new_acceptor != NULL;
}

static void judge(const struct enn_config *config, bool listen, struct enn_choice *choice)
{
	const struct enn_protocol *p = choice->protocol;
	size_t rank;

	if (!allowed(config, p->id, &rank)) {
		prune(choice, ENN_REASON_POLICY_PROHIBITED,
		      "is not among the protocols that were allowed", "", "");
		return;
	}
	judge_properties(config, choice);
	judge_entries(config, choice);
	if (!choice->pruned && !has_engine(p, listen)) {
		prune(choice, ENN_REASON_NO_CANDIDATES, "this build has no engine for it", "", "");
	}
	if (!choice->pruned && enn_transport_of(p) == NULL) {
		prune(choice, ENN_REASON_NO_CANDIDATES,
		      "this build cannot run what it runs on for connections", "", "");
	}
	if (!choice->pruned) {
		judge_credentials(config, listen, choice);
	}
}

/* ---- sorting ------------------------------------------------------------------------- */

/* How well the preferences are met: one point for each Prefer that is and each Avoid that is not
 * given. */
static size_t score(const struct enn_config *config, const struct enn_protocol *p)
{
	size_t points = 0;

	for (size_t i = 0; i < ENN_PROPERTY_COUNT; i++) {
		if (!is_preference(i)) {
			continue;
		}
		bool has = enn_protocol_gives(p, (enum enn_property)i);
		points += (config->value[i] == ENN_PREFER && has) ||
			  (config->value[i] == ENN_AVOID && !has);
	}
	return points;
}

/* Does a go before b? An explicit list of protocols is an order of its own. */
static bool before(const struct enn_config *config, const struct enn_choice *a,
		   const struct enn_choice *b)
{
	size_t rank_a;
	size_t rank_b;

	if (a->pruned != b->pruned) {
		return b->pruned;
	}
	if (a->pruned) {
		return false;
	}
	(void)allowed(config, a->protocol->id, &rank_a);
	(void)allowed(config, b->protocol->id, &rank_b);
	if (rank_a != rank_b) {
		return rank_a < rank_b;
	}
	return score(config, a->protocol) > score(config, b->protocol);
}

size_t enn_select(const struct enn_config *config, const struct enn_protocol *const *list,
		  bool listen, struct enn_choice out[ENN_PROTOCOL_COUNT])
{
	size_t n = 0;

	for (; n < ENN_PROTOCOL_COUNT && list[n] != NULL; n++) {
		struct enn_choice choice = {.protocol = list[n]};
		size_t at = n;

		judge(config, listen, &choice);
		for (; at > 0 && before(config, &choice, &out[at - 1]); at--) {
			out[at] = out[at - 1];
		}
		out[at] = choice;
	}
	for (size_t i = 1; i < n && !out[i].pruned; i++) {
		(void)snprintf(out[i].why, sizeof(out[i].why), "%s: ranks below %s",
			       out[i].protocol->name, out[0].protocol->name);
	}
	return n;
}
