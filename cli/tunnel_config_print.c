/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration written out in its normal form, and freed.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel_config.h"

/* ---- printing --------------------------------------------------------------------------------- */

static void print_key(FILE *out, const char *name, const uint8_t key[ENN_WIREGUARD_KEY], bool shown)
{
	char text[ENN_WIREGUARD_KEY_TEXT];

	if (!shown) {
		fprintf(out, "%s = (hidden)\n", name);
		return;
	}
	enn_wireguard_key_encode(key, text);
	fprintf(out, "%s = %s\n", name, text);
	OPENSSL_cleanse(text, sizeof(text));
}

static void print_strings(FILE *out, const char *name, const struct tunnel_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		fprintf(out, "%s = %s\n", name, list->item[i]);
	}
}

static void print_interface(FILE *out, const struct tunnel_config *c, bool secrets)
{
	char text[TEXT_PREFIX_MAX];

	fputs("[Interface]\n", out);
	if (c->has_private_key) {
		print_key(out, "PrivateKey", c->private_key, secrets);
	}
	if (c->has_listen_port) {
		fprintf(out, "ListenPort = %u\n", c->listen_port);
	}
	if (c->has_fwmark) {
		fprintf(out, c->fwmark == 0 ? "FwMark = off\n" : "FwMark = 0x%x\n", c->fwmark);
	}
	for (size_t i = 0; i < c->address_count; i++) {
		fprintf(out, "Address = %s\n", text_from_prefix(&c->addresses[i], text));
	}
	print_strings(out, "DNS", &c->dns);
	print_strings(out, "DNS", &c->search);
	if (c->mtu != 0) {
		fprintf(out, "MTU = %u\n", c->mtu);
	}
	if (c->table == TUNNEL_TABLE_NUMBER) {
		fprintf(out, "Table = %u\n", c->table_number);
	} else if (c->table == TUNNEL_TABLE_OFF) {
		fputs("Table = off\n", out);
	}
	for (int i = 0; i < TUNNEL_HOOKS; i++) {
		print_strings(out, tunnel_hook_name((enum tunnel_hook)i), &c->hooks[i]);
	}
	if (c->save) {
		fputs("SaveConfig = true\n", out);
	}
}

static void print_allowed_ips(FILE *out, const struct tunnel_peer *peer)
{
	char text[TEXT_PREFIX_MAX];

	fputs("AllowedIPs =", out);
	for (size_t i = 0; i < peer->allowed_count; i++) {
		struct enn_prefix prefix = {.family = peer->allowed_ips[i].family,
					    .bits = peer->allowed_ips[i].bits};
		memcpy(prefix.ip, peer->allowed_ips[i].ip, sizeof(prefix.ip));
		enn_prefix_mask(&prefix);
		fprintf(out, "%s%s", i == 0 ? " " : ", ", text_from_prefix(&prefix, text));
	}
	fputc('\n', out);
}

static void print_peer(FILE *out, const struct tunnel_peer *peer, bool secrets)
{
	char text[TEXT_ENDPOINT_MAX];

	fputs("\n[Peer]\n", out);
	print_key(out, "PublicKey", peer->public_key, true);
	if (peer->has_preshared_key) {
		print_key(out, "PresharedKey", peer->preshared_key, secrets);
	}
	print_allowed_ips(out, peer);
	if (peer->host != NULL && peer->endpoint.family == ENN_FAMILY_NONE) {
		fprintf(out, "Endpoint = %s:%u\n", peer->host, peer->endpoint.port);
	} else if (peer->host != NULL) {
		fprintf(out, "Endpoint = %s\n", text_from_endpoint(&peer->endpoint, text));
	}
	if (peer->has_keepalive && peer->keepalive == 0) {
		fputs("PersistentKeepalive = off\n", out);
	} else if (peer->has_keepalive) {
		fprintf(out, "PersistentKeepalive = %u\n", peer->keepalive);
	}
}

void tunnel_config_print(FILE *out, const struct tunnel_config *config, bool secrets)
{
	print_interface(out, config, secrets);
	for (size_t i = 0; i < config->peer_count; i++) {
		print_peer(out, &config->peers[i], secrets);
	}
}

/* ---- freeing ---------------------------------------------------------------------------------- */

static void free_strings(struct tunnel_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->item[i]);
	}
	free(list->item);
}

void tunnel_config_wipe_keys(struct tunnel_config *config)
{
	OPENSSL_cleanse(config->private_key, sizeof(config->private_key));
	for (size_t i = 0; i < config->peer_count; i++) {
		OPENSSL_cleanse(config->peers[i].preshared_key,
				sizeof(config->peers[i].preshared_key));
	}
}

void tunnel_config_free(struct tunnel_config *config)
{
	tunnel_config_wipe_keys(config);
	free_strings(&config->dns);
	free_strings(&config->search);
	for (int i = 0; i < TUNNEL_HOOKS; i++) {
		free_strings(&config->hooks[i]);
	}
	for (size_t i = 0; i < config->peer_count; i++) {
		free(config->peers[i].host);
		free(config->peers[i].allowed_ips);
	}
	free(config->peers);
	free(config->addresses);
	memset(config, 0, sizeof(*config));
}
