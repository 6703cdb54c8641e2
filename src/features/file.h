/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files into memory that is wiped: certificates, keys, CRLs.
 */
#ifndef ENN_FEATURES_FILE_H
#define ENN_FEATURES_FILE_H

#include <stddef.h>

#include "ennead/error.h"

struct enn_file {
	char *data; /* len bytes and a NUL after them */
	size_t len;
	size_t cap;
};

/* Regular files, pipes and terminals up to max bytes. what (static) says what the file is for.
 * Errors: ENN_E_NOT_FOUND, ENN_E_SYSTEM (with errno), ENN_E_LIMIT, ENN_E_MEMORY, each with the
 * path in *error. */
enum enn_status enn_file_read(const char *path, size_t max, const char *what, struct enn_file *file,
			      struct enn_error *error);
void enn_file_free(struct enn_file *file);

/* Puts the path before the text of an error that its contents caused. error may be NULL. */
void enn_file_blame(struct enn_error *error, const char *path);

#endif
