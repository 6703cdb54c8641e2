/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file of a tunnel: where it is, what its name says, who may read it.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tunnel.h"

#define SUFFIX ".conf"

char *tunnel_find_file(const char *argument, const struct tunnel_log *log)
{
	char *path = NULL;

	if (strcmp(argument, "-") == 0 || strchr(argument, '/') != NULL ||
	    access(argument, F_OK) == 0) {
		path = strdup(argument);
	} else {
		const char *suffix = strstr(argument, SUFFIX) == NULL ? SUFFIX : "";
		if (asprintf(&path, "/etc/wireguard/%s%s", argument, suffix) < 0) {
			path = NULL;
		}
	}
	if (path == NULL) {
		tunnel_log(log, ENN_LOG_ERROR, "out of memory");
	}
	return path;
}

bool tunnel_name_from(const char *path, char name[IF_NAMESIZE], const struct tunnel_log *log)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	size_t len = strlen(base);

	if (len > strlen(SUFFIX) && strcmp(base + len - strlen(SUFFIX), SUFFIX) == 0) {
		len -= strlen(SUFFIX);
	}
	if (len == 0 || len >= IF_NAMESIZE) {
		tunnel_log(log, ENN_LOG_ERROR,
			   "'%s' gives no interface name of up to %d characters; --interface does",
			   base, IF_NAMESIZE - 1);
		return false;
	}
	(void)snprintf(name, IF_NAMESIZE, "%.*s", (int)len, base);
	return true;
}

/* ---- reading ---------------------------------------------------------------------------------- */

void tunnel_free_text(struct text *text)
{
	char *data = (char *)(uintptr_t)text->at; /* malloc gave it to us */

	if (data != NULL) {
		OPENSSL_cleanse(data, text->len);
	}
	free(data);
	*text = (struct text){NULL, 0};
}

static void warn_of_readers(const char *path, const struct stat *st, const struct tunnel_log *log)
{
	if ((st->st_mode & S_IRWXO) != 0) {
		tunnel_log(log, ENN_LOG_WARNING,
			   "%s can be read by everybody, and it holds the private key; "
			   "`chmod 600 %s` changes that",
			   path, path);
	}
}

static bool read_all(int fd, struct text *text)
{
	size_t capacity = 65536;
	char *data = malloc(capacity);

	text->len = 0;
	while (data != NULL) {
		ssize_t n = read(fd, data + text->len, capacity - text->len);
		text->at = data;
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n == 0;
		}
		text->len += (size_t)n;
		if (text->len < capacity) {
			continue;
		}
		if (capacity >= TUNNEL_MAX_CONFIG) {
			errno = EFBIG;
			return false;
		}
		char *bigger = malloc(2 * capacity);
		if (bigger != NULL) {
			memcpy(bigger, data, text->len);
			capacity *= 2;
		}
		OPENSSL_cleanse(data, text->len);
		free(data);
		data = bigger;
		text->at = data;
	}
	text->len = 0;
	errno = ENOMEM;
	return false;
}

static bool read_file(const char *path, struct text *text, const struct tunnel_log *log)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	*text = (struct text){NULL, 0};
	if (fd < 0 || fstat(fd, &st) != 0) {
		tunnel_log(log, ENN_LOG_ERROR, "%s: %s", path, strerror(errno));
		if (fd >= 0) {
			(void)close(fd);
		}
		return false;
	}
	if (S_ISREG(st.st_mode)) {
		warn_of_readers(path, &st, log);
	}
	bool good = read_all(fd, text);
	if (!good) {
		tunnel_log(log, ENN_LOG_ERROR, "%s: %s", path, strerror(errno));
		tunnel_free_text(text);
	}
	(void)close(fd);
	return good;
}

bool tunnel_load(const char *path, struct tunnel_config *config, struct text *text,
		 const struct tunnel_log *log)
{
	struct tunnel_config_error error;
	struct text data;

	memset(config, 0, sizeof(*config));
	if (!read_file(path, &data, log)) {
		return false;
	}
	bool good = tunnel_config_parse(data.at, data.len, config, &error);
	if (!good) {
		tunnel_log(log, ENN_LOG_ERROR, "%s:%u:%u: %s", path, error.line, error.column,
			   error.text);
	}
	if (good && text != NULL) {
		*text = data;
	} else {
		tunnel_free_text(&data);
	}
	return good;
}

bool tunnel_is_complete(const char *path, const struct tunnel_config *config,
			const struct tunnel_log *log)
{
	if (!config->has_interface) {
		tunnel_log(log, ENN_LOG_ERROR, "%s has no [Interface]", path);
	}
	return config->has_interface;
}
