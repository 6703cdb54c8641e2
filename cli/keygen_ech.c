/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead keygen ech: a key of Encrypted ClientHello (RFC 9849) and the configuration that clients
 * need.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "keygen.h"

#define MAX_CONFIG 512

/* ---- making ------------------------------------------------------------------------------------- */

/* Both blocks in one file, for its owner only. */
static bool write_file(const char *path, EVP_PKEY *key, const uint8_t *list, size_t len, bool force)
{
	if (force && unlink(path) != 0 && errno != ENOENT) {
		cli_error("%s: %s", path, strerror(errno));
		return false;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL) {
		cli_error("%s: %s%s", path, strerror(errno),
			  errno == EEXIST ? " (--force replaces it)" : "");
		return false;
	}
	bool good = PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		    PEM_write(file, CLI_ECH_PEM, "", list, (long)len) > 0;
	if (fclose(file) != 0 || !good) {
		cli_error("%s: writing failed", path);
		return false;
	}
	return true;
}

/* What the "ech" parameter of an HTTPS record in the DNS takes (RFC 9848). */
static bool print_list(const uint8_t *list, size_t len)
{
	char text[MAX_CONFIG * 4 / 3 + 8];

	(void)EVP_EncodeBlock((unsigned char *)text, list, (int)len);
	return puts(text) >= 0;
}

static int make(const char *name, const char *path, bool force)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	uint8_t open_key[32];
	size_t open_len = sizeof(open_key);
	uint8_t id = 0;
	uint8_t list[MAX_CONFIG];
	size_t len = 0;
	int status = CLI_LOCAL;

	if (key == NULL || EVP_PKEY_get_raw_public_key(key, open_key, &open_len) != 1 ||
	    RAND_bytes(&id, 1) != 1) {
		cli_error("keygen: no key could be made");
	} else if ((len = enn_ech_config_make(name, 0, id, open_key, list, sizeof(list))) == 0) {
		cli_error("keygen ech: '%s' is not a host name", name);
		status = CLI_USAGE;
	} else if (write_file(path, key, list, len, force) && print_list(list, len)) {
		status = CLI_OK;
	}
	EVP_PKEY_free(key);
	return status;
}

int cli_keygen_ech(int argc, char **argv)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"out", required_argument, NULL, 'o'},
		{"force", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *name = NULL;
	const char *out = NULL;
	bool force = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			name = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		case 'f':
			force = true;
			break;
		case 'h':
			cli_keygen_help(stdout);
			return CLI_OK;
		default:
			cli_error("keygen ech: '%s' is unknown or lacks its value",
				  argv[optind - 1]);
			return CLI_USAGE;
		}
	}
	if (optind < argc || name == NULL || out == NULL) {
		cli_error("keygen ech takes --name, the public name, and --out, the file");
		return CLI_USAGE;
	}
	return make(name, out, force);
}
