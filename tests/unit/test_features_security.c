/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters: every row of security.def, text, freezing, copying.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "features/security.h"

static struct enn_security *fresh(void)
{
	struct enn_security *s = enn_security_new();

	assert_non_null(s);
	return s;
}

/* The rows once more, as this test understands them. */
enum type { is_bool, is_u64, is_list };
static const struct {
	enum enn_security_parameter id;
	const char *name;
	enum type type;
	const char *text;
} rows[] = {
#define ENN_SECURITY_PARAMETER(id, name, type, def, doc) {ENN_SECURITY_##id, name, is_##type, #def},
#include "ennead/security.def"
#undef ENN_SECURITY_PARAMETER
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void test_rows(void **state)
{
	struct enn_security *s = fresh();
	(void)state;

	assert_int_equal(ROWS, ENN_SECURITY_PARAMETER_COUNT);
	for (size_t i = 0; i < ROWS; i++) {
		enum enn_security_parameter id = rows[i].id;
		assert_int_equal(id, i);
		assert_string_equal(enn_security_parameter_name(id), rows[i].name);
		assert_true(strlen(enn_security_parameter_doc(id)) > 10);
		assert_int_equal(enn_security_find(rows[i].name), id);
		/* The documented default is what a new object has, and can be given as text. */
		const char *text = enn_security_parameter_default(id);
		switch (rows[i].type) {
		case is_bool:
			assert_string_equal(text, rows[i].text);
			assert_int_equal(enn_security_get_bool(s, id), strcmp(text, "true") == 0);
			break;
		case is_u64: {
			char number[24];
			(void)snprintf(number, sizeof(number), "%llu",
				       (unsigned long long)enn_security_get_u64(s, id));
			assert_string_equal(text, rows[i].text);
			assert_string_equal(text, number);
			break;
		}
		case is_list:
			assert_true(s->list[id].count > 0);
			break;
		}
		struct enn_code_list before = s->list[id];
		uint64_t value = s->value[id];
		assert_int_equal(enn_security_parse(s, rows[i].name, text, NULL), ENN_OK);
		assert_memory_equal(&before, &s->list[id], sizeof(before));
		assert_int_equal(value, s->value[id]);
	}
	assert_null(enn_security_parameter_name(ENN_SECURITY_PARAMETER_COUNT));
	assert_null(enn_security_parameter_doc(ENN_SECURITY_PARAMETER_COUNT));
	assert_null(enn_security_parameter_default(ENN_SECURITY_PARAMETER_COUNT));
	assert_null(enn_security_parameter_name((enum enn_security_parameter)1000));
	enn_security_free(s);
}

static void test_safe_defaults(void **state)
{
	static const uint16_t suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c,
					  0xc030, 0xcca9, 0xcca8, 0xd001, 0xd002, 0xccac};
	static const uint16_t groups[] = {0x001d, 0x0017, 0x0018};
	struct enn_security *s = fresh();
	(void)state;

	assert_true(enn_security_get_bool(s, ENN_SECURITY_VERIFY_PEER));
	assert_true(enn_security_get_bool(s, ENN_SECURITY_CHECK_NAME));
	assert_false(enn_security_get_bool(s, ENN_SECURITY_EARLY_DATA));
	assert_false(enn_security_get_bool(s, ENN_SECURITY_DELEGATE_PEER));
	assert_int_equal(s->list[ENN_SECURITY_CIPHER_SUITES].count, 12);
	assert_memory_equal(s->list[ENN_SECURITY_CIPHER_SUITES].code, suites, sizeof(suites));
	assert_int_equal(s->list[ENN_SECURITY_GROUPS].count, 3);
	assert_memory_equal(s->list[ENN_SECURITY_GROUPS].code, groups, sizeof(groups));
	assert_int_equal(s->list[ENN_SECURITY_PSK_MODES].count, 1);
	assert_int_equal(s->list[ENN_SECURITY_PSK_MODES].code[0], 1);
	assert_int_equal(s->list[ENN_SECURITY_SIGNATURES].count, 9);
	assert_int_equal(s->list[ENN_SECURITY_CERT_SIGNATURES].count, 12);
	for (size_t i = 0; i < 9; i++) { /* PKCS #1 v1.5 never signs a handshake */
		assert_int_not_equal(s->list[ENN_SECURITY_SIGNATURES].code[i] & 0xff, 0x01);
	}
	enn_security_free(s);
}

static void test_types(void **state)
{
	struct enn_security *s = fresh();
	enum enn_security_parameter none = ENN_SECURITY_PARAMETER_COUNT;
	(void)state;

	for (size_t i = 0; i < ROWS; i++) {
		enum enn_security_parameter id = rows[i].id;
		enum enn_status b = enn_security_set_bool(s, id, enn_security_get_bool(s, id));
		uint64_t now = enn_security_get_u64(s, id);
		enum enn_status u = enn_security_set_u64(s, id, now);
		enum enn_status l = enn_security_set_list(s, id, "psk_ke", NULL);
		assert_int_equal(b, rows[i].type == is_bool ? ENN_OK : ENN_E_ARGUMENT);
		assert_int_equal(u, rows[i].type == is_u64 ? ENN_OK : ENN_E_ARGUMENT);
		assert_int_equal(l, id == ENN_SECURITY_PSK_MODES ? ENN_OK : ENN_E_ARGUMENT);
	}
	assert_int_equal(enn_security_set_bool(s, none, true), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_u64(s, none, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_list(s, none, "X25519", NULL), ENN_E_ARGUMENT);
	assert_false(enn_security_get_bool(s, none));
	assert_int_equal(enn_security_get_u64(s, none), 0);
	assert_int_equal(enn_security_set_bool(NULL, ENN_SECURITY_GREASE, true), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_u64(NULL, ENN_SECURITY_PADDING, 1), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_list(NULL, ENN_SECURITY_GROUPS, "X25519", NULL),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, NULL, NULL), ENN_E_ARGUMENT);
	assert_false(enn_security_get_bool(NULL, ENN_SECURITY_GREASE));
	assert_int_equal(enn_security_get_u64(NULL, ENN_SECURITY_PADDING), 0);
	assert_int_equal(enn_security_parse(NULL, "grease", "true", NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_parse(s, NULL, "true", NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_parse(s, "grease", NULL, NULL), ENN_E_ARGUMENT);
	enn_security_free(s);
}

static void test_ranges(void **state)
{
	static const struct {
		enum enn_security_parameter id;
		uint64_t min, max;
	} want[] = {
		{ENN_SECURITY_KEY_SHARES, 0, 3},
		{ENN_SECURITY_TICKETS, 0, 16},
		{ENN_SECURITY_TICKET_LIFETIME, 0, 604800},
		{ENN_SECURITY_PADDING, 0, 16384},
		{ENN_SECURITY_MAX_RECORD, 64, 16384},
		{ENN_SECURITY_MAX_EARLY_DATA, 0, 4294967295u},
		{ENN_SECURITY_KEY_UPDATE_RECORDS, 0, UINT64_MAX},
	};
	struct enn_security *s = fresh();
	(void)state;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		enum enn_security_parameter id = want[i].id;
		assert_int_equal(enn_security_set_u64(s, id, want[i].min), ENN_OK);
		assert_int_equal(enn_security_get_u64(s, id), want[i].min);
		assert_int_equal(enn_security_set_u64(s, id, want[i].max), ENN_OK);
		assert_int_equal(enn_security_get_u64(s, id), want[i].max);
		if (want[i].max < UINT64_MAX) {
			assert_int_equal(enn_security_set_u64(s, id, want[i].max + 1),
					 ENN_E_ARGUMENT);
		}
		if (want[i].min > 0) {
			assert_int_equal(enn_security_set_u64(s, id, want[i].min - 1),
					 ENN_E_ARGUMENT);
		}
		assert_int_equal(enn_security_get_u64(s, id), want[i].max);
	}
	/* Milliseconds become nanoseconds without wrapping. */
	uint64_t min, max;
	assert_true(enn_security_range(ENN_SECURITY_HANDSHAKE_TIMEOUT, &min, &max));
	assert_true(max <= INT64_MAX / ENN_MILLISECOND);
	assert_true(enn_security_range(ENN_SECURITY_EARLY_DATA_WINDOW, &min, &max));
	assert_true(max <= INT64_MAX / ENN_MILLISECOND);
	assert_false(enn_security_range(ENN_SECURITY_GREASE, &min, &max));
	enn_security_free(s);
}

static void test_parse_bool(void **state)
{
	static const char *const yes[] = {"true", "TRUE", "yes", "On", "1"};
	static const char *const no[] = {"false", "False", "NO", "off", "0"};
	static const char *const bad[] = {"", "maybe", "tru", "true ", " true", "2", "y"};
	struct enn_security *s = fresh();
	struct enn_error error;
	(void)state;

	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(enn_security_parse(s, "grease", no[i], NULL), ENN_OK);
		assert_false(enn_security_get_bool(s, ENN_SECURITY_GREASE));
		assert_int_equal(enn_security_parse(s, "grease", yes[i], NULL), ENN_OK);
		assert_true(enn_security_get_bool(s, ENN_SECURITY_GREASE));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(enn_security_parse(s, "grease", bad[i], &error), ENN_E_PARSE);
		assert_int_equal(error.status, ENN_E_PARSE);
		assert_int_equal(error.reason, ENN_REASON_INVALID_CONFIGURATION);
		assert_string_equal(error.where, "grease");
	}
	assert_int_equal(enn_security_parse(s, "grease", "maybe", &error), ENN_E_PARSE);
	assert_string_equal(error.text, "grease: 'maybe' is neither true nor false");
	assert_true(enn_security_get_bool(s, ENN_SECURITY_GREASE));
	enn_security_free(s);
}

static void test_parse_number(void **state)
{
	static const char *const bad[] = {"",	  "-1",
					  "+1",	  " 1",
					  "1 ",	  "1k",
					  "0x10", "18446744073709551616",
					  "1.5",  "99999999999999999999999"};
	struct enn_security *s = fresh();
	struct enn_error error;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(enn_security_parse(s, "keyUpdateRecords", bad[i], &error),
				 ENN_E_PARSE);
		assert_non_null(strstr(error.text, "is not a whole number"));
	}
	assert_int_equal(enn_security_parse(s, "keyUpdateRecords", "18446744073709551615", NULL),
			 ENN_OK);
	assert_true(enn_security_get_u64(s, ENN_SECURITY_KEY_UPDATE_RECORDS) == UINT64_MAX);
	assert_int_equal(enn_security_parse(s, "key-update_records", "007", NULL), ENN_OK);
	assert_int_equal(enn_security_get_u64(s, ENN_SECURITY_KEY_UPDATE_RECORDS), 7);
	assert_int_equal(enn_security_parse(s, "keyShares", "4", &error), ENN_E_ARGUMENT);
	assert_string_equal(error.text, "keyShares: 4 is outside 0 to 3");
	assert_int_equal(enn_security_parse(s, "maxRecord", "63", &error), ENN_E_ARGUMENT);
	assert_string_equal(error.text, "maxRecord: 63 is outside 64 to 16384");
	enn_security_free(s);
}

static void test_parse_names(void **state)
{
	struct enn_security *s = fresh();
	struct enn_error error;
	(void)state;

	assert_int_equal(enn_security_parse(s, "VERIFY-peer", "false", NULL), ENN_OK);
	assert_false(enn_security_get_bool(s, ENN_SECURITY_VERIFY_PEER));
	assert_int_equal(enn_security_parse(s, "__verify_Peer--", "true", NULL), ENN_OK);
	assert_true(enn_security_get_bool(s, ENN_SECURITY_VERIFY_PEER));
	assert_int_equal(enn_security_parse(s, "ciphersuites", "x", &error), ENN_E_NOT_FOUND);
	assert_string_equal(error.text,
			    "unknown security parameter 'ciphersuites', nearest is ciphersuite");
	assert_int_equal(enn_security_parse(s, "VERIFYPER", "x", &error), ENN_E_NOT_FOUND);
	assert_non_null(strstr(error.text, "nearest is verifyPeer"));
	assert_int_equal(enn_security_parse(s, "", "x", &error), ENN_E_NOT_FOUND);
	assert_int_equal(enn_security_parse(s, "-", "x", NULL), ENN_E_NOT_FOUND);
	/* A long name is cut in the message, not in the comparison. */
	char name[600];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(enn_security_parse(s, name, "x", &error), ENN_E_NOT_FOUND);
	assert_true(strlen(error.text) < ENN_ERROR_TEXT_MAX);
	enn_security_free(s);
}

static void test_lists(void **state)
{
	struct enn_security *s = fresh();
	struct enn_error error;
	const struct enn_code_list *list = &s->list[ENN_SECURITY_CIPHER_SUITES];
	(void)state;

	assert_int_equal(enn_security_parse(s, "ciphersuite",
					    "TLS_CHACHA20_POLY1305_SHA256:tls-aes-128-gcm-sha256",
					    &error),
			 ENN_OK);
	assert_int_equal(list->count, 2);
	assert_int_equal(list->code[0], 0x1303);
	assert_int_equal(list->code[1], 0x1301);

	assert_int_equal(enn_security_parse(s, "ciphersuite", "TLS_AES_128_GCN", &error),
			 ENN_E_ARGUMENT);
	assert_string_equal(error.text,
			    "ciphersuite: unknown name 'TLS_AES_128_GCN' at position 1, "
			    "nearest is TLS_AES_128_GCM_SHA256");
	assert_string_equal(error.where, "ciphersuite");
	/* Aliases are understood, and the suggestion is the name itself. */
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, "prime256v2", &error),
			 ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "nearest is P-256"));
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_SIGNATURES, "ed25518", &error),
			 ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "nearest is ed25519"));
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_PSK_MODES, "psk_kee", &error),
			 ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "nearest is psk_ke"));
	assert_int_equal(
		enn_security_set_list(s, ENN_SECURITY_GROUPS, "X25519:P-256:P-521", &error),
		ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "'P-521' at position 3, nearest is P-"));
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, "X25519::P-256", &error),
			 ENN_E_ARGUMENT);
	assert_string_equal(error.text, "supportedGroup: the name at position 2 is empty");
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, "", &error), ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "position 1 is empty"));
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, "X25519:", &error),
			 ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "position 2 is empty"));
	assert_int_equal(
		enn_security_set_list(s, ENN_SECURITY_GROUPS, "P-256:X25519:secp256r1", &error),
		ENN_E_ARGUMENT);
	assert_string_equal(error.text, "supportedGroup: 'secp256r1' at position 3 is named twice");
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_CERT_SIGNATURES,
					       "ed25519:rsa_pkcs1_sha256", &error),
			 ENN_OK);
	assert_int_equal(
		enn_security_set_list(s, ENN_SECURITY_PSK_MODES, "psk_ke:psk_dhe_ke", NULL),
		ENN_OK);
	assert_int_equal(s->list[ENN_SECURITY_PSK_MODES].code[0], 0);
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GREASE, "true", &error),
			 ENN_E_ARGUMENT);
	assert_string_equal(error.text, "grease is not a list");
	/* Nothing of a refused list was taken. */
	assert_int_equal(list->count, 2);
	assert_int_equal(s->list[ENN_SECURITY_GROUPS].count, 3);
	assert_int_equal(s->list[ENN_SECURITY_GROUPS].code[0], 0x001d);
	enn_security_free(s);
}

static void test_alpn(void **state)
{
	struct enn_security *s = fresh();
	uint8_t id[256];
	(void)state;

	memset(id, 'a', sizeof(id));
	assert_int_equal(enn_security_add_alpn(s, id, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_add_alpn(s, id, 256), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_add_alpn(s, NULL, 2), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_add_alpn(NULL, id, 2), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_add_alpn(s, id, 255), ENN_OK);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h\0x", 3), ENN_OK);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h\0y", 3), ENN_OK);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h\0x", 3), ENN_OK);
	assert_int_equal(s->alpn_count, 3);
	assert_int_equal(s->alpn[0]->len, 255);
	assert_memory_equal(s->alpn[0]->id, id, 255);
	assert_memory_equal(s->alpn[1]->id, "h\0x", 3);
	assert_memory_equal(s->alpn[2]->id, "h\0y", 3);
	for (uint8_t i = 3; i < ENN_SECURITY_MAX_ALPN; i++) {
		assert_int_equal(enn_security_add_alpn(s, &i, 1), ENN_OK);
	}
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"more", 4), ENN_E_LIMIT);
	assert_int_equal(s->alpn_count, ENN_SECURITY_MAX_ALPN);
	enn_security_free(s);
}

static struct enn_credential *psk(const char *identity)
{
	static const uint8_t key[32] = {1, 2, 3};
	struct enn_credential *c;

	assert_int_equal(enn_credential_psk((const uint8_t *)identity, strlen(identity), key,
					    sizeof(key), ENN_PSK_SHA256, &c),
			 ENN_OK);
	return c;
}

static void test_credentials(void **state)
{
	struct enn_security *s = fresh();
	struct enn_credential *c = psk("a");
	(void)state;

	assert_int_equal(enn_security_add_credential(s, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_add_credential(NULL, c), ENN_E_ARGUMENT);
	for (size_t i = 0; i < ENN_SECURITY_MAX_CREDENTIALS; i++) {
		assert_int_equal(enn_security_add_credential(s, c), ENN_OK);
	}
	assert_int_equal(enn_security_add_credential(s, c), ENN_E_LIMIT);
	enn_credential_free(c); /* the object keeps its references */
	assert_memory_equal(s->credential[31]->identity, "a", 1);
	enn_security_free(s);
}

/* Every setter of a frozen object answers ENN_E_STATE and changes nothing. */
static void test_frozen(void **state)
{
	struct enn_security *s = fresh();
	struct enn_credential *c = psk("a");
	struct enn_session_store *store = enn_session_store_new(4);
	struct enn_error error;
	uint8_t key[64] = {7};
	(void)state;

	assert_int_equal(enn_security_acquire(NULL, &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_acquire(s, &error), ENN_OK);
	assert_non_null(s->store);
	assert_non_null(s->tickets);
	assert_non_null(s->trust);
	assert_int_equal(enn_security_set_bool(s, ENN_SECURITY_VERIFY_PEER, false), ENN_E_STATE);
	assert_true(enn_security_get_bool(s, ENN_SECURITY_VERIFY_PEER));
	assert_int_equal(enn_security_set_u64(s, ENN_SECURITY_PADDING, 9), ENN_E_STATE);
	assert_int_equal(enn_security_get_u64(s, ENN_SECURITY_PADDING), 0);
	assert_int_equal(enn_security_set_list(s, ENN_SECURITY_GROUPS, "P-256", &error),
			 ENN_E_STATE);
	assert_non_null(strstr(error.text, "copy them"));
	assert_int_equal(s->list[ENN_SECURITY_GROUPS].count, 3);
	assert_int_equal(enn_security_parse(s, "verifyPeer", "false", &error), ENN_E_STATE);
	assert_int_equal(error.status, ENN_E_STATE);
	assert_int_equal(enn_security_parse(s, "padding", "9", &error), ENN_E_STATE);
	assert_int_equal(error.status, ENN_E_STATE);
	assert_int_equal(enn_security_parse(s, "pskMode", "psk_ke", &error), ENN_E_STATE);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h2", 2), ENN_E_STATE);
	assert_int_equal(enn_security_add_credential(s, c), ENN_E_STATE);
	assert_int_equal(enn_security_ask_psk(s, true), ENN_E_STATE);
	assert_int_equal(enn_security_set_session_store(s, store), ENN_E_STATE);
	assert_int_equal(enn_security_trust_pem(s, "x", 1, &error), ENN_E_STATE);
	assert_int_equal(enn_security_crl_pem(s, "x", 1, &error), ENN_E_STATE);
	/* The one exception. */
	assert_int_equal(enn_security_ticket_key(s, key, sizeof(key), 0), ENN_OK);
	/* Again: the same store and keys, one more reference. */
	struct enn_session_store *made = s->store;
	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);
	assert_ptr_equal(made, s->store);
	enn_security_free(s);
	enn_security_free(s);
	assert_true(enn_security_get_bool(s, ENN_SECURITY_VERIFY_PEER)); /* one reference left */
	enn_security_free(s);
	enn_session_store_free(store);
	enn_credential_free(c);
	enn_security_free(NULL);
}

static void test_copy(void **state)
{
	struct enn_security *s = fresh();
	struct enn_credential *c = psk("a");
	uint8_t key[64] = {7};
	(void)state;

	assert_null(enn_security_copy(NULL));
	assert_int_equal(enn_security_parse(s, "padding", "128", NULL), ENN_OK);
	assert_int_equal(enn_security_parse(s, "supportedGroup", "P-384", NULL), ENN_OK);
	assert_int_equal(enn_security_add_alpn(s, (const uint8_t *)"h2", 2), ENN_OK);
	assert_int_equal(enn_security_add_credential(s, c), ENN_OK);
	assert_int_equal(enn_security_ask_psk(s, true), ENN_OK);
	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);

	struct enn_security *copy = enn_security_copy(s);
	assert_non_null(copy);
	assert_int_equal(enn_security_get_u64(copy, ENN_SECURITY_PADDING), 128);
	assert_int_equal(copy->list[ENN_SECURITY_GROUPS].code[0], 0x0018);
	assert_ptr_equal(copy->credential[0], c);
	assert_ptr_not_equal(copy->alpn[0], s->alpn[0]);
	assert_memory_equal(copy->alpn[0]->id, "h2", 2);
	assert_true(copy->ask_psk);
	/* What the original made for itself stays its own. */
	assert_null(copy->store);
	assert_null(copy->tickets);
	/* It is mutable, and the original does not notice. */
	assert_int_equal(enn_security_set_u64(copy, ENN_SECURITY_PADDING, 5), ENN_OK);
	assert_int_equal(enn_security_add_alpn(copy, (const uint8_t *)"h3", 2), ENN_OK);
	assert_int_equal(enn_security_get_u64(s, ENN_SECURITY_PADDING), 128);
	assert_int_equal(s->alpn_count, 1);
	assert_int_equal(enn_security_acquire(copy, NULL), ENN_OK);
	assert_ptr_not_equal(copy->store, s->store);
	enn_security_free(copy);
	enn_security_free(copy);

	/* What was given is shared (the store) or copied (the ticket key). */
	copy = enn_security_copy(s);
	struct enn_session_store *store = enn_session_store_new(4);
	assert_int_equal(enn_security_set_session_store(copy, store), ENN_OK);
	assert_int_equal(enn_security_set_session_store(copy, store), ENN_OK); /* again: legal */
	assert_int_equal(enn_security_ticket_key(copy, key, sizeof(key), 0), ENN_OK);
	struct enn_security *second = enn_security_copy(copy);
	assert_ptr_equal(second->store, store);
	assert_non_null(second->tickets);
	assert_ptr_not_equal(second->tickets, copy->tickets);
	enn_security_free(copy);
	enn_security_free(second);
	enn_session_store_free(store);
	enn_security_free(s);
	enn_security_free(s);
	enn_credential_free(c);
}

static void test_arguments(void **state)
{
	struct enn_security *s = fresh();
	uint8_t key[64] = {0};
	(void)state;

	assert_int_equal(enn_security_ask_psk(NULL, true), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_session_store(NULL, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_session_store(s, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_ticket_key(NULL, key, 64, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_ticket_key(s, NULL, 64, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_ticket_key(s, key, 63, 0), ENN_E_ARGUMENT);
	assert_null(enn_security_ref(NULL));
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	    cmocka_unit_test(test_safe_defaults),
		cmocka_unit_test(test_types),	    cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_parse_bool),  cmocka_unit_test(test_parse_number),
		cmocka_unit_test(test_parse_names), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_alpn),	    cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_frozen),	    cmocka_unit_test(test_copy),
		cmocka_unit_test(test_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
