/* SPDX-License-Identifier: Apache-2.0
 *
 * The session store that listeners of a pool share, `ennead keygen pool-key`, its secret, and the sessions that
 * a client keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "keygen.h"

#define POOL_KEY 32

/* ---- the key's file: hexadecimal digits --------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return -1;
}

static bool decode(const uint8_t *text, size_t len, uint8_t key[POOL_KEY])
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
		len--;
	}
	if (len != (size_t)2 * POOL_KEY) {
		return false;
	}
	for (size_t i = 0; i < POOL_KEY; i++) {
		int high = digit((char)text[2 * i]);
		int low = digit((char)text[2 * i + 1]);
		if (high < 0 || low < 0) {
			return false;
		}
		key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool read_key(const char *path, uint8_t key[POOL_KEY])
{
	struct stat st;
	size_t len = 0;

	if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		cli_error("%s: others may read it (chmod 600)", path);
		return false;
	}
	uint8_t *text = cli_read_file(path, &len);
	if (text == NULL) {
		return false;
	}
	bool good = decode(text, len, key);
	explicit_bzero(text, len);
	free(text);
	if (!good) {
		cli_error("%s: not a pool's key; `ennead keygen pool-key` makes one", path);
	}
	return good;
}

static int write_key(const char *path, bool force)
{
	uint8_t key[POOL_KEY];

	if (force && unlink(path) != 0 && errno != ENOENT) {
		cli_error("%s: %s", path, strerror(errno));
		return CLI_LOCAL;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL) {
		cli_error("%s: %s%s", path, strerror(errno),
			  errno == EEXIST ? " (--force replaces it)" : "");
		return CLI_LOCAL;
	}
	bool good = RAND_bytes(key, sizeof(key)) == 1;
	for (size_t i = 0; good && i < sizeof(key); i++) {
		good = fprintf(file, "%02x", key[i]) == 2;
	}
	explicit_bzero(key, sizeof(key));
	good = good && fputc('\n', file) != EOF;
	if (fclose(file) != 0 || !good) {
		cli_error("%s: writing failed", path);
		return CLI_LOCAL;
	}
	return CLI_OK;
}

int cli_keygen_pool_key(int argc, char **argv)
{
	static const struct option options[] = {
		{"out", required_argument, NULL, 'o'},
		{"force", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *out = NULL;
	bool force = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
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
			cli_error("keygen pool-key: '%s' is unknown or lacks its value",
				  argv[optind - 1]);
			return CLI_USAGE;
		}
	}
	if (optind < argc || out == NULL) {
		cli_error("keygen pool-key takes --out, the file");
		return CLI_USAGE;
	}
	return write_key(out, force);
}

/* ---- a client's sessions ---------------------------------------------------------------------------- */

#define CACHED_SESSIONS 1024

bool cli_load_session_cache(struct cli_options *o)
{
	struct enn_error error;

	if (o->session_cache == NULL) {
		return true;
	}
	if (o->session_file != NULL) {
		cli_error("--session-cache and --session-file are two ways to do one thing");
		return false;
	}
	o->store = enn_session_store_new(CACHED_SESSIONS);
	if (o->store == NULL) {
		cli_error("out of memory");
		return false;
	}
	enum enn_status status = enn_session_store_load(o->store, o->session_cache, &error);
	if (status != ENN_OK && status != ENN_E_NOT_FOUND) {
		cli_error("%s", error.text);
	}
	return status == ENN_OK || status == ENN_E_NOT_FOUND || status == ENN_E_PARSE;
}

bool cli_save_session_cache(const struct cli_options *o)
{
	struct enn_error error;

	if (o->session_cache == NULL || o->store == NULL) {
		return true;
	}
	bool saved = enn_session_store_save(o->store, o->session_cache, &error) == ENN_OK;
	if (!saved) {
		cli_error("%s", error.text);
	}
	return saved;
}

/* ---- the store ------------------------------------------------------------------------------------ */

bool cli_open_session_store(struct cli_options *o, struct enn_context *context)
{
	uint8_t key[POOL_KEY];
	struct enn_error error;

	if ((o->session_store == NULL) != (o->pool_key == NULL)) {
		cli_error("--session-store and --pool-key go together");
		return false;
	}
	if (o->session_store == NULL) {
		return true;
	}
	if (!read_key(o->pool_key, key)) {
		return false;
	}
	struct enn_redis_options options = {
		.url = o->session_store, .pool_key = key, .pool_key_len = sizeof(key)};
	enum enn_status status = enn_context_redis_store(context, &options, &o->store, &error);
	explicit_bzero(key, sizeof(key));
	if (status != ENN_OK) {
		cli_error("%s: %s", o->session_store, error.text);
	}
	return status == ENN_OK;
}
