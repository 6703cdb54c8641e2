/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of a tunnel, in the file format of wg-quick(8).
 */
#ifndef ENN_CLI_TUNNEL_CONFIG_H
#define ENN_CLI_TUNNEL_CONFIG_H

#include <stdio.h>

#include "tunnel_text.h"

enum tunnel_hook { TUNNEL_PRE_UP, TUNNEL_POST_UP, TUNNEL_PRE_DOWN, TUNNEL_POST_DOWN };
#define TUNNEL_HOOKS 4

enum tunnel_table { TUNNEL_TABLE_AUTO, TUNNEL_TABLE_OFF, TUNNEL_TABLE_NUMBER };

/* A list of strings that it owns. */
struct tunnel_strings {
	char **item;
	size_t count;
};

struct tunnel_peer {
	unsigned line; /* where its section begins */
	bool has_public_key;
	bool has_preshared_key;
	bool has_keepalive;
	uint16_t keepalive;
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint8_t preshared_key[ENN_WIREGUARD_KEY];
	char *host;		     /* of its endpoint as it is written; NULL: none */
	struct enn_address endpoint; /* family NONE: host is a name that must be resolved first */
	struct enn_wireguard_prefix *allowed_ips;
	size_t allowed_count;
};

struct tunnel_config {
	bool has_interface; /* the section is there at all */
	bool has_private_key;
	bool has_listen_port;
	bool has_fwmark;
	bool save;
	uint8_t private_key[ENN_WIREGUARD_KEY];
	uint16_t listen_port;
	uint16_t mtu; /* 0: not given */
	uint32_t fwmark;
	enum tunnel_table table;
	uint32_t table_number;
	struct enn_prefix *addresses;
	size_t address_count;
	struct tunnel_strings dns;    /* servers */
	struct tunnel_strings search; /* domains */
	struct tunnel_strings hooks[TUNNEL_HOOKS];
	struct tunnel_peer *peers;
	size_t peer_count;
};

struct tunnel_config_error {
	unsigned line; /* both count from 1; 0: the file as a whole */
	unsigned column;
	char text[240];
};

/* Reads a whole file's text. False with *error; nothing is to be freed then. */
bool tunnel_config_parse(const char *data, size_t len, struct tunnel_config *config,
			 struct tunnel_config_error *error);
/* Wipes the keys. A zeroed one is legal. */
void tunnel_config_free(struct tunnel_config *config);
/* Only the keys, where the rest is still needed. */
void tunnel_config_wipe_keys(struct tunnel_config *config);
/* In a form that tunnel_config_parse understands, unless the secrets are hidden. */
void tunnel_config_print(FILE *out, const struct tunnel_config *config, bool secrets);
/* The name of a hook's key. */
const char *tunnel_hook_name(enum tunnel_hook hook);

#endif
