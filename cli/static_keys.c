/* SPDX-License-Identifier: Apache-2.0
 *
 * Static keys, in the form of the WireGuard tools: ours from a file, our peers'
 * from the command line.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ennead/wireguard.h"

/* A file with one key and white space behind it. */
static bool read_key(const char *path, const char *what, uint8_t key[ENN_WIREGUARD_KEY])
{
	size_t len = 0;
	uint8_t *text = cli_read_file(path, &len);
	size_t size = len;

	if (text == NULL) {
		return false;
	}
	while (len > 0 && isspace(text[len - 1])) {
		len--;
	}
	enum enn_status status = enn_wireguard_key_decode((const char *)text, len, key);
	explicit_bzero(text, size);
	free(text);
	if (status != ENN_OK) {
		cli_error("%s: %s is 44 characters of base64; `ennead keygen wireguard` makes one",
			  path, what);
	}
	return status == ENN_OK;
}

static bool add_own(const struct cli_options *o, struct enn_security *s)
{
	struct enn_credential *credential = NULL;
	uint8_t key[ENN_WIREGUARD_KEY];

	if (!read_key(o->private_key, "a private key", key)) {
		return false;
	}
	enum enn_status status = enn_credential_static_key(key, &credential);
	explicit_bzero(key, sizeof(key));
	if (status == ENN_OK) {
		status = enn_security_add_credential(s, credential);
	}
	enn_credential_free(credential);
	if (status != ENN_OK) {
		cli_error("%s: %s", o->private_key, enn_status_name(status));
	}
	return status == ENN_OK;
}

static bool add_peer(const char *text, struct enn_security *s)
{
	size_t len = strcspn(text, ":");
	uint8_t key[ENN_WIREGUARD_KEY];
	uint8_t psk[ENN_WIREGUARD_KEY];
	bool has_psk = text[len] == ':';

	if (enn_wireguard_key_decode(text, len, key) != ENN_OK) {
		cli_error("--peer-key: '%.*s' is not a public key (44 characters of base64)",
			  (int)len, text);
		return false;
	}
	if (has_psk && !read_key(text + len + 1, "a preshared key", psk)) {
		return false;
	}
	enum enn_status status = enn_security_add_peer_key(s, key, has_psk ? psk : NULL);
	explicit_bzero(psk, sizeof(psk));
	if (status != ENN_OK) {
		cli_error("--peer-key: %s", enn_status_name(status));
	}
	return status == ENN_OK;
}

bool cli_add_static_keys(const struct cli_options *o, struct enn_security *s)
{
	bool good = o->private_key == NULL || add_own(o, s);

	for (size_t i = 0; good && i < o->peer_key.count; i++) {
		good = add_peer(o->peer_key.item[i], s);
	}
	return good;
}
