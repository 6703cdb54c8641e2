/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: whole reads, and sessions that are replaced in one step and only for us to read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define MAX_FILE ((size_t)16 * 1024 * 1024)

static uint8_t *read_all(int fd, size_t *len)
{
	size_t cap = 4096;
	uint8_t *data = malloc(cap);

	*len = 0;
	while (data != NULL) {
		ssize_t n = read(fd, data + *len, cap - *len);
		if (n == 0) {
			return data;
		}
		if (n < 0 || *len + (size_t)n > MAX_FILE) {
			errno = n < 0 ? errno : EFBIG;
			break;
		}
		*len += (size_t)n;
		if (*len == cap) {
			uint8_t *more = realloc(data, cap * 2);
			if (more == NULL) {
				break;
			}
			data = more;
			cap *= 2;
		}
	}
	free(data);
	return NULL;
}

uint8_t *cli_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data = fd < 0 ? NULL : read_all(fd, len);

	if (data == NULL) {
		cli_error("%s: %s", path, strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return data;
}

bool cli_session_read(const char *path, uint8_t **data, size_t *len)
{
	struct stat st;

	*data = NULL;
	*len = 0;
	if (stat(path, &st) != 0) {
		if (errno != ENOENT) {
			cli_error("%s: %s", path, strerror(errno));
		}
		return errno == ENOENT;
	}
	if (!S_ISREG(st.st_mode)) { /* it will be replaced: no device may be */
		cli_error("%s: not a regular file", path);
		return false;
	}
	*data = cli_read_file(path, len);
	if (*data == NULL) {
		return false;
	}
	if (*len == 0) { /* it waits for its first session */
		free(*data);
		*data = NULL;
	}
	return true;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0) {
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0;
}

bool cli_session_write(const char *path, const uint8_t *data, size_t len)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof(temporary)) {
		cli_error("%s: the name is too long", path);
		return false;
	}
	int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	bool good = fd >= 0 && write_all(fd, data, len);
	if (fd >= 0 && close(fd) != 0) {
		good = false;
	}
	if (!good || rename(temporary, path) != 0) {
		cli_error("%s: %s", path, strerror(errno));
		if (fd >= 0) {
			(void)unlink(temporary);
		}
		return false;
	}
	return true;
}
