/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello: reading configurations, choosing one, holding keys.
 */
#include "features/ech.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "features/file.h"
#include "features/security.h"

#define MANDATORY    0x8000u /* the bit of an extension type that says so */
#define MAX_ECH_FILE (64u << 10)

/* ---- configurations ---------------------------------------------------------------------------- */

/* RFC 9849 §4.2: one of each type, and none that must be understood: we know none. */
static bool read_extensions(struct enn_reader *r, bool *known)
{
	struct enn_reader list = enn_read_sub(r, 2, 0, UINT16_MAX);
	uint32_t seen[32];
	size_t count = 0;

	while (enn_reader_left(&list) > 0) {
		uint16_t type = enn_read_u16(&list);
		(void)enn_read_vector(&list, 2, 0, UINT16_MAX);
		for (size_t i = 0; i < count; i++) {
			if (seen[i] == type) {
				return false;
			}
		}
		if (count == ENN_ARRAY_LEN(seen)) {
			return false;
		}
		seen[count++] = type;
		*known = *known && (type & MANDATORY) == 0;
	}
	return enn_reader_done(&list);
}

static bool read_contents(struct enn_reader *r, struct enn_ech_config *out)
{
	out->config_id = enn_read_u8(r);
	out->kem = enn_read_u16(r);
	out->public_key = enn_read_vector(r, 2, 1, UINT16_MAX);
	out->suites = enn_read_vector(r, 2, 4, UINT16_MAX - 3);
	out->maximum_name_length = enn_read_u8(r);
	out->public_name = enn_read_vector(r, 1, 1, 255);
	return out->suites.len % 4 == 0 && read_extensions(r, &out->known) && enn_reader_done(r);
}

bool enn_ech_config_next(struct enn_reader *list, struct enn_ech_config *out)
{
	const uint8_t *start = list->pos;

	memset(out, 0, sizeof(*out));
	out->version = enn_read_u16(list);
	struct enn_reader contents = enn_read_sub(list, 2, 0, UINT16_MAX);
	if (!enn_reader_ok(list)) {
		return false;
	}
	out->raw = (struct enn_bytes){start, (size_t)(list->pos - start)};
	out->known = out->version == ENN_ECH_VERSION;
	return !out->known || read_contents(&contents, out);
}

static bool is_letter_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9849 §6.1.7: dot-separated LDH labels of at most 63 octets, and not what could be read as an IPv4
 * address: a last label of digits only, or 0x and hexadecimal digits. */
static bool is_host_name(struct enn_bytes name)
{
	size_t label = 0;
	size_t last = 0;
	bool digits = true;

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		if (c == '.') {
			if (label == 0 || name.data[i - 1] == '-') {
				return false;
			}
			label = 0;
			last = i + 1;
			digits = true;
			continue;
		}
		if (!is_letter_or_digit(c) && !(c == '-' && label > 0)) {
			return false;
		}
		digits = digits && c >= '0' && c <= '9';
		label++;
		if (label > 63) {
			return false;
		}
	}
	bool hexadecimal =
		label >= 2 && name.data[last] == '0' && (name.data[last + 1] | 32) == 'x';
	return label > 0 && name.data[name.len - 1] != '-' && !digits && !hexadecimal;
}

bool enn_ech_has_suite(const struct enn_ech_config *config, uint16_t kdf, uint16_t aead)
{
	struct enn_reader r = enn_reader_of(config->suites.data, config->suites.len);

	while (enn_reader_left(&r) > 0) {
		uint16_t this_kdf = enn_read_u16(&r);
		uint16_t this_aead = enn_read_u16(&r);
		if (this_kdf == kdf && this_aead == aead) {
			return true;
		}
	}
	return false;
}

static bool choose_suite(const struct enn_ech_config *config, struct enn_hpke_suite *suite)
{
	struct enn_reader r = enn_reader_of(config->suites.data, config->suites.len);

	if (config->public_key.len != enn_hpke_public_len(config->kem)) {
		return false;
	}
	while (enn_reader_left(&r) > 0) {
		suite->kem = config->kem;
		suite->kdf = enn_read_u16(&r);
		suite->aead = enn_read_u16(&r);
		if (enn_hpke_supports(suite)) {
			return true;
		}
	}
	return false;
}

bool enn_ech_choose(struct enn_bytes list, struct enn_ech_config *out, struct enn_hpke_suite *suite,
		    bool *well_formed)
{
	struct enn_reader r = enn_reader_of(list.data, list.len);
	struct enn_reader configs = enn_read_sub(&r, 2, 4, UINT16_MAX);
	struct enn_ech_config config;
	bool found = false;

	*well_formed = enn_reader_done(&r);
	while (*well_formed && enn_reader_left(&configs) > 0) {
		*well_formed = enn_ech_config_next(&configs, &config);
		if (*well_formed && !found && config.known && is_host_name(config.public_name) &&
		    config.raw.len + 8 <= ENN_HPKE_MAX_INFO && choose_suite(&config, suite)) {
			*out = config;
			found = true;
		}
	}
	return *well_formed && found;
}

size_t enn_ech_info(const struct enn_ech_config *config, uint8_t out[ENN_HPKE_MAX_INFO])
{
	struct enn_writer w = enn_writer_of(out, ENN_HPKE_MAX_INFO);

	enn_write_bytes(&w, "tls ech", 8); /* with its zero */
	enn_write_bytes(&w, config->raw.data, config->raw.len);
	return enn_writer_ok(&w) ? enn_writer_len(&w) : 0;
}

/* ---- in security parameters ------------------------------------------------------------------------ */

static uint8_t *copy_of(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len);

	if (copy != NULL) {
		memcpy(copy, data, len);
	}
	return copy;
}

void enn_ech_settings_clear(struct enn_ech_settings *settings)
{
	free(settings->list);
	for (size_t i = 0; i < settings->key_count; i++) {
		enn_hpke_key_free(settings->key[i].key);
		free(settings->key[i].config);
	}
	*settings = (struct enn_ech_settings){.list = NULL};
}

static bool add_key(struct enn_ech_settings *settings, struct enn_hpke_key *key,
		    struct enn_bytes config)
{
	uint8_t *copy = copy_of(config.data, config.len);

	if (copy == NULL) {
		return false;
	}
	settings->key[settings->key_count++] = (struct enn_ech_key){
		.key = enn_hpke_key_ref(key), .config = copy, .config_len = config.len};
	return true;
}

bool enn_ech_settings_copy(struct enn_ech_settings *to, const struct enn_ech_settings *from)
{
	bool good = true;

	*to = (struct enn_ech_settings){.list = NULL};
	if (from->list_len > 0) {
		to->list = copy_of(from->list, from->list_len);
		to->list_len = from->list_len;
		good = to->list != NULL;
	}
	for (size_t i = 0; good && i < from->key_count; i++) {
		struct enn_bytes config = {from->key[i].config, from->key[i].config_len};
		good = add_key(to, from->key[i].key, config);
	}
	if (!good) {
		enn_ech_settings_clear(to);
	}
	return good;
}

static enum enn_status fail(struct enn_error *error, enum enn_status status, const char *what)
{
	return enn_error_set(error, status, ENN_REASON_INVALID_CONFIGURATION,
			     "Encrypted ClientHello", "%s", what);
}

static enum enn_status check(const struct enn_security *s, const void *data,
			     struct enn_error *error)
{
	if (s == NULL || data == NULL) {
		return fail(error, ENN_E_ARGUMENT, "a parameter is missing");
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen("Encrypted ClientHello", error);
	}
	if (!enn_hpke_available()) {
		return fail(error, ENN_E_UNSUPPORTED,
			    "this libcrypto has no HPKE: OpenSSL 3.2 or later is needed");
	}
	return ENN_OK;
}

enum enn_status enn_security_set_ech_configs(struct enn_security *s, const uint8_t *list,
					     size_t len, struct enn_error *error)
{
	struct enn_bytes bytes = {list, len};
	struct enn_ech_config config;
	struct enn_hpke_suite suite;
	bool well_formed = false;

	ENN_TRY(check(s, list, error));
	if (!enn_ech_choose(bytes, &config, &suite, &well_formed)) {
		return well_formed ? fail(error, ENN_E_UNSUPPORTED,
					  "none of the configurations can be used")
				   : fail(error, ENN_E_PARSE, "this is no ECHConfigList");
	}
	uint8_t *copy = copy_of(list, len);
	if (copy == NULL) {
		return fail(error, ENN_E_MEMORY, "out of memory");
	}
	free(s->ech.list);
	s->ech.list = copy;
	s->ech.list_len = len;
	return ENN_OK;
}

/* The configurations of a list that are for this key. */
static enum enn_status add_configs(struct enn_security *s, struct enn_hpke_key *key,
				   struct enn_bytes public_key, struct enn_bytes list,
				   struct enn_error *error)
{
	struct enn_reader r = enn_reader_of(list.data, list.len);
	struct enn_reader configs = enn_read_sub(&r, 2, 4, UINT16_MAX);
	struct enn_ech_config config;
	size_t before = s->ech.key_count;

	if (!enn_reader_done(&r)) {
		return fail(error, ENN_E_PARSE, "this is no ECHConfigList");
	}
	while (enn_reader_left(&configs) > 0) {
		if (!enn_ech_config_next(&configs, &config)) {
			return fail(error, ENN_E_PARSE, "this is no ECHConfigList");
		}
		if (!config.known || !enn_bytes_equal(config.public_key, public_key)) {
			continue;
		}
		if (s->ech.key_count == ENN_ECH_MAX_KEYS) {
			return fail(error, ENN_E_LIMIT, "more than 8 keys");
		}
		if (!add_key(&s->ech, key, config.raw)) {
			return fail(error, ENN_E_MEMORY, "out of memory");
		}
	}
	return s->ech.key_count > before
		       ? ENN_OK
		       : fail(error, ENN_E_CRYPTO, "no configuration is for this private key");
}

enum enn_status enn_security_add_ech_key_pem(struct enn_security *s, const char *pem, size_t len,
					     struct enn_error *error)
{
	struct enn_hpke_key *key = NULL;
	uint8_t public_key[ENN_HPKE_MAX_ENC];
	size_t public_len = 0;
	uint16_t kem = 0;
	uint8_t *list = NULL;
	size_t list_len = 0;

	ENN_TRY(check(s, pem, error));
	enum enn_status status =
		enn_hpke_key_parse((const uint8_t *)pem, len, &key, &kem, public_key, &public_len);
	if (status != ENN_OK) {
		return fail(error, status, "there is no X25519 or P-256 private key in PEM");
	}
	status = enn_hpke_config_parse(pem, len, &list, &list_len);
	if (status != ENN_OK) {
		(void)fail(error, status, "there is no ECHCONFIG block in PEM");
	} else {
		struct enn_bytes configs = {list, list_len};
		struct enn_bytes ours = {public_key, public_len};
		status = add_configs(s, key, ours, configs, error);
	}
	free(list);
	enn_hpke_key_free(key);
	return status;
}

enum enn_status enn_security_add_ech_key_file(struct enn_security *s, const char *path,
					      struct enn_error *error)
{
	struct enn_file file;

	if (path == NULL) {
		return fail(error, ENN_E_ARGUMENT, "a parameter is missing");
	}
	ENN_TRY(enn_file_read(path, MAX_ECH_FILE, "ECH key file", &file, error));
	enum enn_status status = enn_security_add_ech_key_pem(s, file.data, file.len, error);
	if (status != ENN_OK) {
		enn_file_blame(error, path);
	}
	enn_file_free(&file);
	return status;
}

size_t enn_ech_config_make(const char *public_name, uint8_t maximum_name_length, uint8_t config_id,
			   const uint8_t public_key[32], uint8_t *out, size_t cap)
{
	static const uint16_t aeads[] = {1, 3}; /* AES-128-GCM, ChaCha20Poly1305 */
	struct enn_bytes name = {(const uint8_t *)public_name, strlen(public_name)};
	struct enn_writer w = enn_writer_of(out, cap);

	if (name.len > 253 || !is_host_name(name)) {
		return 0;
	}
	size_t list = enn_write_begin(&w, 2);
	enn_write_u16(&w, ENN_ECH_VERSION);
	size_t contents = enn_write_begin(&w, 2);
	enn_write_u8(&w, config_id);
	enn_write_u16(&w, ENN_HPKE_KEM_X25519);
	enn_write_vector(&w, 2, public_key, 32);
	size_t suites = enn_write_begin(&w, 2);
	for (size_t i = 0; i < ENN_ARRAY_LEN(aeads); i++) {
		enn_write_u16(&w, 1); /* HKDF-SHA256 */
		enn_write_u16(&w, aeads[i]);
	}
	enn_write_end(&w, suites, 2);
	enn_write_u8(&w, maximum_name_length);
	enn_write_vector(&w, 1, name.data, name.len);
	enn_write_u16(&w, 0); /* extensions */
	enn_write_end(&w, contents, 2);
	enn_write_end(&w, list, 2);
	return enn_writer_ok(&w) ? enn_writer_len(&w) : 0;
}
