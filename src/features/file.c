/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files into memory that is wiped. Plain read(2): stdio would keep a copy
 * of a private key in a buffer of its own.
 */
#include "features/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define FIRST_CAP 8192u

/* enn_error_string adds what errno means. */
static enum enn_status system_error(struct enn_error *error, const char *what, const char *path,
				    const char *verb)
{
	int code = errno;
	bool absent = code == ENOENT || code == ENOTDIR;
	enum enn_status status =
		enn_error_set(error, absent ? ENN_E_NOT_FOUND : ENN_E_SYSTEM,
			      absent ? ENN_REASON_INVALID_CONFIGURATION : ENN_REASON_SYSTEM, what,
			      "cannot %s '%.150s'", verb, path);

	if (error != NULL) {
		error->sys_errno = code;
	}
	return status;
}

/* Doubles the buffer, up to max + 1 bytes and the NUL: one byte more shows that there is too
 * much. */
static bool grow(struct enn_file *file, size_t max)
{
	size_t cap = file->cap == 0 ? FIRST_CAP : file->cap * 2;

	if (cap > max + 2) {
		cap = max + 2;
	}
	char *data = malloc(cap); /* NOLINT(clang-analyzer-optin.portability.UnixAPI): at least 2 */
	if (data == NULL) {
		return false;
	}
	if (file->len > 0) {
		memcpy(data, file->data, file->len);
		enn_wipe(file->data, file->len);
	}
	free(file->data);
	file->data = data;
	file->cap = cap;
	return true;
}

static enum enn_status read_all(int fd, size_t max, const char *what, const char *path,
				struct enn_file *file, struct enn_error *error)
{
	for (;;) {
		if (file->len + 1 >= file->cap && !grow(file, max)) {
			return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, what,
					     "out of memory");
		}
		ssize_t n = read(fd, file->data + file->len, file->cap - 1 - file->len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return system_error(error, what, path, "read");
		}
		if (n == 0) {
			file->data[file->len] = '\0';
			return ENN_OK;
		}
		file->len += (size_t)n;
		if (file->len > max) {
			return enn_error_set(error, ENN_E_LIMIT, ENN_REASON_INVALID_CONFIGURATION,
					     what, "'%.100s' is longer than %zu bytes", path, max);
		}
	}
}

enum enn_status enn_file_read(const char *path, size_t max, const char *what, struct enn_file *file,
			      struct enn_error *error)
{
	*file = (struct enn_file){NULL, 0, 0};

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return system_error(error, what, path, "open");
	}
	enum enn_status status = read_all(fd, max, what, path, file, error);
	(void)close(fd);
	if (status != ENN_OK) {
		enn_file_free(file);
	}
	return status;
}

void enn_file_free(struct enn_file *file)
{
	if (file->data != NULL) {
		enn_wipe(file->data, file->cap);
		free(file->data);
	}
	*file = (struct enn_file){NULL, 0, 0};
}

void enn_file_blame(struct enn_error *error, const char *path)
{
	char text[ENN_ERROR_TEXT_MAX];

	if (error == NULL) {
		return;
	}
	(void)snprintf(text, sizeof(text), "%.80s: %.100s", path, error->text);
	memcpy(error->text, text, sizeof(text));
}
