/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters: whom we trust. The application's anchors and CRLs are
 * taken at once, the system's only when something is to be verified with them.
 */
#include "base/log.h"
#include "features/file.h"
#include "features/security.h"

/* Large enough for every bundle of authorities in use, small enough to refuse a device file. */
#define MAX_TRUST_FILE (16u << 20)

void enn_security_trust_changed(struct enn_security *s)
{
	if (s->trust != NULL && s->trust != s->own) {
		enn_trust_free(s->trust);
		s->trust = enn_trust_ref(s->own);
	}
	s->trust_complete = false;
}

static bool wants_system(const struct enn_security *s)
{
	if (!enn_security_flag(s, ENN_SECURITY_SYSTEM_TRUST)) {
		return false;
	}
	return s->system_trust_set || (!enn_trust_has_anchors(s->own) && s->raw_keys.count == 0);
}

enum enn_status enn_security_trust(struct enn_security *s, struct enn_error *error)
{
	struct enn_trust *both;
	enum enn_status status;

	if (s->trust_complete) {
		return ENN_OK;
	}
	if (!wants_system(s)) {
		s->trust_complete = true;
		return ENN_OK;
	}
	both = enn_trust_copy(s->own);
	if (both == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "trust store",
				     "out of memory");
	}
	status = enn_trust_add_system(both);
	if (status != ENN_OK) {
		enn_trust_free(both);
		return enn_error_set(error, status,
				     status == ENN_E_MEMORY ? ENN_REASON_OUT_OF_MEMORY
							    : ENN_REASON_SYSTEM,
				     "trust store", "the system's trust store cannot be loaded");
	}
	enn_trust_free(s->trust);
	s->trust = both;
	s->trust_complete = true;
	return ENN_OK;
}

typedef enum enn_status (*add_fn)(struct enn_trust *trust, const char *pem, size_t len,
				  struct enn_error *error);

static enum enn_status add_pem(struct enn_security *s, add_fn add, const char *pem, size_t len,
			       struct enn_error *error)
{
	if (s == NULL || pem == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "trust", "a parameter is missing");
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen("trust", error);
	}
	/* On a new object: a list of which only a part could be read is not left behind, and
	 * copies of these parameters that share the old one do not notice. */
	struct enn_trust *next = enn_trust_copy(s->own);
	if (next == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "trust",
				     "out of memory");
	}
	enum enn_status status = add(next, pem, len, error);
	if (status != ENN_OK) {
		enn_trust_free(next);
		return status;
	}
	enn_trust_free(s->trust);
	enn_trust_free(s->own);
	s->own = next;
	s->trust = enn_trust_ref(next);
	s->trust_complete = false;
	return ENN_OK;
}

static enum enn_status add_file(struct enn_security *s, add_fn add, const char *path,
				const char *what, struct enn_error *error)
{
	struct enn_file file;

	if (s == NULL || path == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, what,
				     "a parameter is missing");
	}
	ENN_TRY(enn_file_read(path, MAX_TRUST_FILE, what, &file, error));
	enum enn_status status = add_pem(s, add, file.data, file.len, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

enum enn_status enn_security_trust_pem(struct enn_security *s, const char *pem, size_t len,
				       struct enn_error *error)
{
	return add_pem(s, enn_trust_add_pem, pem, len, error);
}

enum enn_status enn_security_trust_file(struct enn_security *s, const char *path,
					struct enn_error *error)
{
	return add_file(s, enn_trust_add_pem, path, "trust file", error);
}

enum enn_status enn_security_crl_pem(struct enn_security *s, const char *pem, size_t len,
				     struct enn_error *error)
{
	return add_pem(s, enn_trust_add_crl_pem, pem, len, error);
}

enum enn_status enn_security_crl_file(struct enn_security *s, const char *path,
				      struct enn_error *error)
{
	return add_file(s, enn_trust_add_crl_pem, path, "CRL file", error);
}
