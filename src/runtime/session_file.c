/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's sessions in a file: only for its owner, replaced in one step.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/mem.h"
#include "ennead/taps.h"

#define LARGEST ((off_t)256 * 1024 * 1024)

static int64_t wall_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * (int64_t)ENN_SECOND + t.tv_nsec;
}

static enum enn_status failed(struct enn_error *error, const char *path, int number)
{
	enum enn_status status = number == ENOENT ? ENN_E_NOT_FOUND : ENN_E_SYSTEM;

	(void)enn_error_set(error, status, ENN_REASON_SYSTEM, "session file", "%s: %s", path,
			    strerror(number));
	if (error != NULL) {
		error->sys_errno = number;
	}
	return status;
}

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "session file",
			     "out of memory");
}

static void release(uint8_t *data, size_t len)
{
	if (data != NULL) {
		enn_wipe(data, len);
		free(data);
	}
}

/* ---- load --------------------------------------------------------------------------------------- */

/* What others can read or write is no secret of ours. */
static enum enn_status check(const struct stat *st, const char *path, struct enn_error *error)
{
	if (!S_ISREG(st->st_mode) || st->st_size > LARGEST) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION,
				     "session file", "%s: not a file of sessions", path);
	}
	if (st->st_uid != geteuid() || (st->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return enn_error_set(error, ENN_E_AUTH, ENN_REASON_INVALID_CONFIGURATION,
				     "session file", "%s: not ours alone (chmod 600)", path);
	}
	return ENN_OK;
}

static bool read_exactly(int fd, uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			errno = n == 0 ? EIO : errno; /* shorter than it was */
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static enum enn_status load(struct enn_session_store *store, int fd, const char *path,
			    struct enn_error *error)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return failed(error, path, errno);
	}
	ENN_TRY(check(&st, path, error));
	size_t len = (size_t)st.st_size;
	uint8_t *data = malloc(len + 1);
	if (data == NULL) {
		return no_memory(error);
	}
	enum enn_status status = read_exactly(fd, data, len)
					 ? enn_session_store_import(store, wall_now(), data, len)
					 : failed(error, path, errno);
	release(data, len);
	if (status == ENN_E_PARSE) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
				     "session file", "%s: damaged, or not a file of sessions",
				     path);
	}
	if (status == ENN_E_STATE) {
		return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
				     "session file", "the store is in use already");
	}
	return status;
}

enum enn_status enn_session_store_load(struct enn_session_store *store, const char *path,
				       struct enn_error *error)
{
	if (store == NULL || path == NULL) {
		return ENN_E_ARGUMENT;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe does not hold us up */
	if (fd < 0) {
		return failed(error, path, errno);
	}
	enum enn_status status = load(store, fd, path, error);
	(void)close(fd);
	return status;
}

/* ---- save --------------------------------------------------------------------------------------- */

static enum enn_status take_bytes(struct enn_session_store *store, uint8_t **data, size_t *len,
				  struct enn_error *error)
{
	*data = NULL;
	*len = 0;
	for (;;) { /* it may grow meanwhile */
		size_t room = *len;
		enum enn_status status = enn_session_store_export(store, wall_now(), *data, len);
		if (status != ENN_E_SPACE) {
			if (status != ENN_OK) {
				release(*data, room);
			}
			return status;
		}
		release(*data, room);
		*data = malloc(*len);
		if (*data == NULL) {
			return no_memory(error);
		}
	}
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0;
}

static enum enn_status replace(const char *path, const uint8_t *data, size_t len,
			       struct enn_error *error)
{
	char temporary[PATH_MAX];
	struct stat st;
	int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof(temporary)) {
		return failed(error, path, ENAMETOOLONG);
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* no device is to be replaced */
		return failed(error, path, EINVAL);
	}
	int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0) {
		return failed(error, path, errno);
	}
	bool good = write_all(fd, data, len);
	int number = errno;
	if (close(fd) != 0 && good) {
		good = false;
		number = errno;
	}
	if (good && rename(temporary, path) != 0) {
		good = false;
		number = errno;
	}
	if (!good) {
		(void)unlink(temporary);
		return failed(error, path, number);
	}
	return ENN_OK;
}

enum enn_status enn_session_store_save(struct enn_session_store *store, const char *path,
				       struct enn_error *error)
{
	uint8_t *data;
	size_t len;

	if (store == NULL || path == NULL) {
		return ENN_E_ARGUMENT;
	}
	ENN_TRY(take_bytes(store, &data, &len, error));
	enum enn_status status = replace(path, data, len, error);
	release(data, len);
	return status;
}
