/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead keygen wireguard: static keys and preshared keys in the form of the WireGuard tools.
 */
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "ennead/wireguard.h"
#include "keygen.h"

/* A key on its line. */
static bool print_key(FILE *out, const char *label, const uint8_t key[ENN_WIREGUARD_KEY])
{
	char text[ENN_WIREGUARD_KEY_TEXT];

	enn_wireguard_key_encode(key, text);
	bool good = fprintf(out, "%s%s\n", label, text) > 0 && fflush(out) == 0;
	OPENSSL_cleanse(text, sizeof(text));
	return good;
}

static void warn_of_readers(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO) != 0) {
		cli_error("warning: the key goes to a file that everybody may read; "
			  "`umask 077` before prevents it");
	}
}

static int failed(enum enn_status status)
{
	cli_error("keygen: no key could be made (%s)", enn_status_name(status));
	return CLI_LOCAL;
}

static int make_private(const struct enn_env *env)
{
	uint8_t secret[ENN_WIREGUARD_KEY];
	uint8_t open_key[ENN_WIREGUARD_KEY];
	enum enn_status status = enn_wireguard_generate_key(env, secret);

	if (status == ENN_OK) {
		status = enn_wireguard_public_key(env, secret, open_key);
	}
	if (status != ENN_OK) {
		return failed(status);
	}
	warn_of_readers();
	bool good = print_key(stdout, "", secret) && print_key(stderr, "public key: ", open_key);
	OPENSSL_cleanse(secret, sizeof(secret));
	return good ? CLI_OK : CLI_LOCAL;
}

static int make_preshared(void)
{
	uint8_t key[ENN_WIREGUARD_KEY];

	if (RAND_priv_bytes(key, sizeof(key)) != 1) {
		return failed(ENN_E_CRYPTO);
	}
	warn_of_readers();
	bool good = print_key(stdout, "", key);
	OPENSSL_cleanse(key, sizeof(key));
	return good ? CLI_OK : CLI_LOCAL;
}

/* Like `wg pubkey`: one key on standard input, with or without white space behind it. */
static int make_public(const struct enn_env *env)
{
	char text[256];
	uint8_t secret[ENN_WIREGUARD_KEY];
	uint8_t open_key[ENN_WIREGUARD_KEY];
	size_t len = fread(text, 1, sizeof(text), stdin);

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
		len--;
	}
	enum enn_status status = enn_wireguard_key_decode(text, len, secret);
	OPENSSL_cleanse(text, sizeof(text));
	if (status != ENN_OK) {
		cli_error("keygen: standard input has no private key (44 characters of base64)");
		return CLI_USAGE;
	}
	status = enn_wireguard_public_key(env, secret, open_key);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (status != ENN_OK) {
		return failed(status);
	}
	return print_key(stdout, "", open_key) ? CLI_OK : CLI_LOCAL;
}

int cli_keygen_wireguard(int argc, char **argv)
{
	static const struct option options[] = {
		{"psk", no_argument, NULL, 'p'},
		{"pubkey", no_argument, NULL, 'P'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	bool preshared = false;
	bool open_key = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			preshared = true;
			break;
		case 'P':
			open_key = true;
			break;
		case 'h':
			cli_keygen_help(stdout);
			return CLI_OK;
		default:
			cli_error("keygen wireguard takes --psk or --pubkey, not '%s'",
				  argv[optind - 1]);
			return CLI_USAGE;
		}
	}
	if (optind < argc || (preshared && open_key)) {
		cli_error("keygen wireguard takes --psk or --pubkey, and nothing else");
		return CLI_USAGE;
	}
	struct enn_env env = {.crypto = NULL};
	if (enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &env.crypto) != ENN_OK) {
		cli_error("the cryptographic libraries cannot be used");
		return CLI_LOCAL;
	}
	int status = preshared	? make_preshared()
		     : open_key ? make_public(&env)
				: make_private(&env);
	enn_crypto_free(env.crypto);
	return status;
}
