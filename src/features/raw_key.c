/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw public keys (RFC 7250) as credentials and as what is trusted, and pins: both are known by the
 * SHA-256 of the SubjectPublicKeyInfo.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/file.h"
#include "features/security.h"

#define MAX_DIGESTS   65536u
#define MAX_KEY_FILE  (64u << 10)
#define MAX_SPKI_FILE (16u << 20)

/* ---- sets of digests --------------------------------------------------------------------------- */

/* Where a digest is, or would be put: they are in order. */
static size_t place_of(const struct enn_digest_set *set, const uint8_t *digest, bool *there)
{
	size_t low = 0;
	size_t high = set->count;

	*there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(digest, set->digest[middle], ENN_DIGEST);
		if (order == 0) {
			*there = true;
			return middle;
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return low;
}

bool enn_digest_set_has(const struct enn_digest_set *set, const uint8_t *digest)
{
	bool there;

	(void)place_of(set, digest, &there);
	return there;
}

enum enn_status enn_digest_set_add(struct enn_digest_set *set, const uint8_t *digest)
{
	bool there;
	size_t place = place_of(set, digest, &there);

	if (there) {
		return ENN_OK;
	}
	if (set->count == MAX_DIGESTS) {
		return ENN_E_LIMIT;
	}
	if (set->count == set->cap) {
		size_t cap = set->cap == 0 ? 4 : 2 * set->cap;
		uint8_t(*larger)[ENN_DIGEST] = realloc(set->digest, cap * sizeof(*larger));
		if (larger == NULL) {
			return ENN_E_MEMORY;
		}
		set->digest = larger;
		set->cap = cap;
	}
	memmove(set->digest[place + 1], set->digest[place], (set->count - place) * ENN_DIGEST);
	memcpy(set->digest[place], digest, ENN_DIGEST);
	set->count++;
	return ENN_OK;
}

bool enn_digest_set_copy(struct enn_digest_set *to, const struct enn_digest_set *from)
{
	*to = (struct enn_digest_set){.digest = NULL};
	if (from->count == 0) {
		return true;
	}
	to->digest = malloc(from->count * sizeof(*to->digest));
	if (to->digest == NULL) {
		return false;
	}
	memcpy(to->digest, from->digest, from->count * sizeof(*to->digest));
	to->count = to->cap = from->count;
	return true;
}

void enn_digest_set_free(struct enn_digest_set *set)
{
	free(set->digest);
	*set = (struct enn_digest_set){.digest = NULL};
}

/* ---- credentials ---------------------------------------------------------------------------------- */

static enum enn_status missing(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "raw key",
			     "a parameter is missing");
}

static enum enn_status no_memory(struct enn_error *error)
{
	return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "raw key",
			     "out of memory");
}

enum enn_status enn_credential_raw_key_pem(const char *key, size_t key_len,
					   struct enn_credential **out, struct enn_error *error)
{
	struct enn_private_key *parsed = NULL;

	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (key == NULL) {
		return missing(error);
	}
	ENN_TRY(enn_credential_parse_key(key, key_len, &parsed, error));
	struct enn_credential *c = enn_credential_new(ENN_CREDENTIAL_RAW_KEY);
	if (c == NULL) {
		enn_private_key_free(parsed);
		return no_memory(error);
	}
	c->key = parsed;
	c->key_type = enn_private_key_type(parsed);
	if (enn_private_key_spki(parsed, &c->spki, &c->spki_len) != ENN_OK) {
		enn_credential_free(c);
		return no_memory(error);
	}
	*out = c;
	return ENN_OK;
}

enum enn_status enn_credential_raw_key_file(const char *path, struct enn_credential **out,
					    struct enn_error *error)
{
	struct enn_file file;

	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (path == NULL) {
		return missing(error);
	}
	ENN_TRY(enn_file_read(path, MAX_KEY_FILE, "private key file", &file, error));
	enum enn_status status = enn_credential_raw_key_pem(file.data, file.len, out, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

/* The first key that there is. */
static enum enn_status take_spki(void *ctx, struct enn_bytes spki, enum enn_key_type type)
{
	struct enn_credential *c = ctx;

	if (c->spki != NULL) {
		return ENN_OK;
	}
	c->spki = malloc(spki.len);
	if (c->spki == NULL) {
		return ENN_E_MEMORY;
	}
	memcpy(c->spki, spki.data, spki.len);
	c->spki_len = spki.len;
	c->key_type = type;
	return ENN_OK;
}

enum enn_status enn_credential_raw_key_external(const uint8_t *spki, size_t len,
						struct enn_credential **out,
						struct enn_error *error)
{
	if (out == NULL) {
		return missing(error);
	}
	*out = NULL;
	if (spki == NULL) {
		return missing(error);
	}
	struct enn_credential *c = enn_credential_new(ENN_CREDENTIAL_RAW_KEY);
	if (c == NULL) {
		return no_memory(error);
	}
	enum enn_status status = enn_spki_each(spki, len, take_spki, c, error);
	if (status != ENN_OK) {
		enn_credential_free(c);
		return status;
	}
	*out = c;
	return ENN_OK;
}

enum enn_status enn_credential_spki(const struct enn_credential *credential, uint8_t *out,
				    size_t *len)
{
	if (credential == NULL || len == NULL || credential->spki == NULL) {
		return ENN_E_ARGUMENT;
	}
	size_t room = *len;
	*len = credential->spki_len;
	if (out == NULL || room < credential->spki_len) {
		return ENN_E_SPACE;
	}
	memcpy(out, credential->spki, credential->spki_len);
	return ENN_OK;
}

/* ---- trust ------------------------------------------------------------------------------------------ */

static enum enn_status add_digest(void *ctx, struct enn_bytes spki, enum enn_key_type type)
{
	uint8_t digest[ENN_DIGEST];

	(void)type;
	enn_spki_digest(spki, digest);
	return enn_digest_set_add(ctx, digest);
}

enum enn_status enn_security_trust_raw_key(struct enn_security *s, const uint8_t *spki, size_t len,
					   struct enn_error *error)
{
	struct enn_digest_set next;

	if (s == NULL || spki == NULL) {
		return missing(error);
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen("raw key", error);
	}
	/* All or none of what the text holds. */
	if (!enn_digest_set_copy(&next, &s->raw_keys)) {
		return no_memory(error);
	}
	enum enn_status status = enn_spki_each(spki, len, add_digest, &next, error);
	if (status == ENN_E_LIMIT) {
		(void)enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION, "raw key",
				    "more than %u raw keys are trusted", MAX_DIGESTS);
	}
	if (status != ENN_OK) {
		enn_digest_set_free(&next);
		return status;
	}
	enn_digest_set_free(&s->raw_keys);
	s->raw_keys = next;
	enn_security_trust_changed(s);
	return ENN_OK;
}

enum enn_status enn_security_trust_raw_key_file(struct enn_security *s, const char *path,
						struct enn_error *error)
{
	struct enn_file file;

	if (s == NULL || path == NULL) {
		return missing(error);
	}
	ENN_TRY(enn_file_read(path, MAX_SPKI_FILE, "public key file", &file, error));
	enum enn_status status =
		enn_security_trust_raw_key(s, (const uint8_t *)file.data, file.len, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

bool enn_security_takes_raw_keys(const struct enn_security *s)
{
	return s->raw_keys.count > 0 || enn_security_flag(s, ENN_SECURITY_RAW_KEYS);
}

bool enn_security_takes_certificates(const struct enn_security *s)
{
	return s->raw_keys.count == 0 || enn_trust_has_anchors(s->own) ||
	       (s->system_trust_set && enn_security_flag(s, ENN_SECURITY_SYSTEM_TRUST)) ||
	       enn_security_flag(s, ENN_SECURITY_DELEGATE_PEER);
}

/* ---- pins --------------------------------------------------------------------------------------------- */

enum enn_status enn_security_pin_spki(struct enn_security *s, const uint8_t sha256[32])
{
	if (s == NULL || sha256 == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	return enn_digest_set_add(&s->pins, sha256);
}

enum enn_status enn_security_pin_text(struct enn_security *s, const char *pin,
				      struct enn_error *error)
{
	uint8_t digest[ENN_DIGEST];

	if (s == NULL || pin == NULL) {
		return missing(error);
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen("pin", error);
	}
	if (!enn_spki_pin_parse(pin, digest)) {
		return enn_error_set(error, ENN_E_PARSE, ENN_REASON_INVALID_CONFIGURATION, "pin",
				     "'%.60s' is no pin: sha256/ and 32 bytes in base64, "
				     "44 characters",
				     pin);
	}
	enum enn_status status = enn_digest_set_add(&s->pins, digest);
	return status == ENN_OK ? ENN_OK : no_memory(error);
}
