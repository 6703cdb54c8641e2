/* SPDX-License-Identifier: Apache-2.0
 *
 * From options to security parameters and transport properties.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool bad(const char *what, const struct enn_error *error)
{
	cli_error("%s: %s", what, error->text);
	return false;
}

/* A key file, or a key in a token (RFC 7512). */
static enum enn_status load_credential(const char *cert, const char *key,
				       struct enn_credential **out, struct enn_error *error)
{
	size_t len = 0;

	if (strncmp(key, "pkcs11:", 7) != 0) {
		return enn_credential_x509_file(cert, key, out, error);
	}
	uint8_t *chain = cli_read_file(cert, &len);
	if (chain == NULL) {
		(void)snprintf(error->text, sizeof(error->text), "cannot be read");
		return ENN_E_NOT_FOUND;
	}
	enum enn_status status =
		enn_credential_x509_pkcs11(key, (const char *)chain, len, out, error);
	free(chain);
	return status;
}

/* Takes over the credential. */
static bool add_credential(struct enn_security *s, struct enn_credential *credential,
			   const char *what)
{
	enum enn_status status = enn_security_add_credential(s, credential);

	enn_credential_free(credential);
	if (status != ENN_OK) {
		cli_error("%s: %s", what, enn_status_name(status));
	}
	return status == ENN_OK;
}

static bool add_certificates(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;

	for (size_t i = 0; i < o->cert.count; i++) {
		const char *cert = o->cert.item[i];
		struct enn_credential *credential = NULL;
		if (load_credential(cert, o->key.item[i], &credential, &error) != ENN_OK) {
			return bad(cert, &error);
		}
		if (i < o->ocsp.count &&
		    enn_credential_set_ocsp_file(credential, o->ocsp.item[i], &error) != ENN_OK) {
			enn_credential_free(credential);
			return bad(o->ocsp.item[i], &error);
		}
		if (!add_credential(s, credential, cert)) {
			return false;
		}
	}
	return true;
}

static bool add_raw_keys(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;

	for (size_t i = 0; i < o->raw_key.count; i++) {
		struct enn_credential *credential = NULL;
		if (enn_credential_raw_key_file(o->raw_key.item[i], &credential, &error) !=
		    ENN_OK) {
			return bad(o->raw_key.item[i], &error);
		}
		if (!add_credential(s, credential, o->raw_key.item[i])) {
			return false;
		}
	}
	for (size_t i = 0; i < o->peer_raw_key.count; i++) {
		if (enn_security_trust_raw_key_file(s, o->peer_raw_key.item[i], &error) != ENN_OK) {
			return bad(o->peer_raw_key.item[i], &error);
		}
	}
	return true;
}

static bool add_pins(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;

	for (size_t i = 0; i < o->pin.count; i++) {
		if (enn_security_pin_text(s, o->pin.item[i], &error) != ENN_OK) {
			return bad("--pin", &error);
		}
	}
	return true;
}

static bool add_psk(const struct cli_options *o, struct enn_security *s)
{
	uint8_t key[128];
	size_t len = 0;
	size_t text_len = 0;
	bool good = true;

	if (o->psk_file == NULL) {
		return true;
	}
	uint8_t *text = cli_read_file(o->psk_file, &text_len);
	if (text == NULL) {
		return false;
	}
	while (text_len > 0 && isspace(text[text_len - 1])) {
		text_len--;
	}
	good = text_len % 2 == 0 && text_len / 2 <= sizeof(key);
	for (size_t i = 0; good && i < text_len; i += 2) {
		char pair[3] = {(char)text[i], (char)text[i + 1], '\0'};
		good = isxdigit(text[i]) && isxdigit(text[i + 1]);
		key[len++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	explicit_bzero(text, text_len);
	free(text);
	struct enn_credential *credential = NULL;
	enum enn_status status = ENN_E_PARSE;
	if (good && o->psk_context != NULL) {
		const struct enn_psk_import import = {
			.identity = (const uint8_t *)o->psk_identity,
			.identity_len = strlen(o->psk_identity),
			.context = (const uint8_t *)o->psk_context,
			.context_len = strlen(o->psk_context),
			.key = key,
			.key_len = len,
		};
		status = enn_security_import_psk(s, &import);
	} else if (good) {
		status = enn_credential_psk((const uint8_t *)o->psk_identity,
					    strlen(o->psk_identity), key, len, ENN_PSK_SHA256,
					    &credential);
	}
	explicit_bzero(key, sizeof(key));
	if (credential != NULL) {
		status = enn_security_add_credential(s, credential);
	}
	enn_credential_free(credential);
	if (status != ENN_OK) {
		cli_error("%s: a pre-shared key is 16 to 128 bytes in hexadecimal", o->psk_file);
	}
	return status == ENN_OK;
}

static bool add_alpn(const struct cli_options *o, struct enn_security *s)
{
	const char *p = o->alpn;

	while (p != NULL) {
		size_t len = strcspn(p, ",");
		if (enn_security_add_alpn(s, (const uint8_t *)p, len) != ENN_OK) {
			cli_error("--alpn: '%.*s' is not an application protocol", (int)len, p);
			return false;
		}
		p = p[len] == ',' ? p + len + 1 : NULL;
	}
	return true;
}

static bool add_trust(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;

	for (size_t i = 0; i < o->ca.count; i++) {
		if (enn_security_trust_file(s, o->ca.item[i], &error) != ENN_OK) {
			return bad(o->ca.item[i], &error);
		}
	}
	for (size_t i = 0; i < o->crl.count; i++) {
		if (enn_security_crl_file(s, o->crl.item[i], &error) != ENN_OK) {
			return bad(o->crl.item[i], &error);
		}
	}
	return true;
}

static bool set_flag(struct enn_security *s, enum enn_security_parameter id, bool value)
{
	if (enn_security_set_bool(s, id, value) == ENN_OK) {
		return true;
	}
	cli_error("%s cannot be set", enn_security_parameter_name(id));
	return false;
}

static bool add_flags(const struct cli_options *o, struct enn_security *s)
{
	bool good = true;

	if (o->insecure) {
		cli_report_warning(o, "--insecure: anybody can be the peer");
		good = set_flag(s, ENN_SECURITY_VERIFY_PEER, false);
	}
	good = good && set_flag(s, ENN_SECURITY_KEEP_PEER_CHAIN, true);
	if (o->early_data_file != NULL) {
		good = good && set_flag(s, ENN_SECURITY_EARLY_DATA, true);
	}
	return good;
}

/* The value of a setting; its name in `name`. */
static const char *split(const struct cli_setting *setting, char *name, size_t cap)
{
	const char *from = setting->name == NULL ? setting->value : setting->name;
	size_t len = strcspn(from, "=");
	size_t kept = len < cap ? len : cap - 1;

	memcpy(name, from, kept);
	name[kept] = '\0';
	return setting->name == NULL ? setting->value + len + 1 : setting->value;
}

static bool is_security_name(const char *name)
{
	struct enn_security *probe = enn_security_new();
	struct enn_error error;
	/* an unknown name is told apart from a wrong value by the status */
	bool known =
		probe != NULL && enn_security_parse(probe, name, "", &error) != ENN_E_NOT_FOUND;

	enn_security_free(probe);
	return known;
}

/* Before single lists are set, wherever it was given. */
static bool add_policy(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;

	if (o->policy == NULL || enn_security_set_policy(s, o->policy, &error) == ENN_OK) {
		return true;
	}
	cli_error("%s", error.text);
	return false;
}

static bool add_settings(const struct cli_options *o, struct enn_security *s)
{
	for (size_t i = 0; i < o->setting_count; i++) {
		char name[64];
		struct enn_error error;
		const char *value = split(&o->setting[i], name, sizeof(name));
		if (!is_security_name(name)) {
			if (enn_property_find(name) == ENN_PROPERTY_COUNT) {
				cli_ignore(enn_security_parse(s, name, value, &error));
				return bad("-o", &error);
			}
			continue;
		}
		if (enn_security_parse(s, name, value, &error) != ENN_OK) {
			return bad("-o", &error);
		}
	}
	return true;
}

/* What a stream is expected to be by default, and messages are not. */
static bool expect_messages(struct enn_preconnection *pre)
{
	static const enum enn_property streams[] = {ENN_PROPERTY_RELIABILITY,
						    ENN_PROPERTY_PRESERVE_ORDER,
						    ENN_PROPERTY_CONGESTION_CONTROL};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		if (enn_preconnection_set_pref(pre, streams[i], ENN_NO_PREFERENCE) != ENN_OK) {
			cli_error("out of memory");
			return false;
		}
	}
	return true;
}

bool cli_apply_properties(const struct cli_options *o, struct enn_preconnection *pre)
{
	if (cli_has_messages(o) && !expect_messages(pre)) {
		return false;
	}
	for (size_t i = 0; i < o->setting_count; i++) {
		char name[64];
		struct enn_error error;
		const char *value = split(&o->setting[i], name, sizeof(name));
		if (!is_security_name(name) &&
		    enn_preconnection_parse(pre, name, value, &error) != ENN_OK) {
			return bad("-o", &error);
		}
	}
	return true;
}

struct enn_security *cli_security(const struct cli_options *o)
{
	struct enn_security *s = enn_security_new();

	if (s == NULL) {
		cli_error("out of memory");
		return NULL;
	}
	bool good = add_flags(o, s) && add_trust(o, s) && add_certificates(o, s) &&
		    add_raw_keys(o, s) && add_pins(o, s) && cli_add_ech(o, s) && add_psk(o, s) &&
		    cli_add_static_keys(o, s) && add_alpn(o, s) && add_policy(o, s) &&
		    add_settings(o, s);
	if (good && o->timeout > 0) {
		uint64_t ms = (uint64_t)(o->timeout * 1000);
		good = enn_security_set_u64(s, ENN_SECURITY_HANDSHAKE_TIMEOUT, ms > 0 ? ms : 1) ==
		       ENN_OK;
	}
	if (good && o->store != NULL) {
		good = enn_security_set_session_store(s, o->store) == ENN_OK;
	}
	if (!good) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}
