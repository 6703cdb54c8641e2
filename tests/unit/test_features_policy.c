/* SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm policies: profiles, refinements, what is said about mistakes, and back to text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "features/policy.h"

static const enum enn_security_parameter lists[ENN_POLICY_KINDS] = {
	ENN_SECURITY_VERSIONS,	 ENN_SECURITY_CIPHER_SUITES,   ENN_SECURITY_GROUPS,
	ENN_SECURITY_SIGNATURES, ENN_SECURITY_CERT_SIGNATURES, ENN_SECURITY_PSK_MODES};

static struct enn_security *under(const char *policy)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error;

	assert_non_null(s);
	if (enn_security_set_policy(s, policy, &error) != ENN_OK) {
		fail_msg("%s: %s", policy, error.text);
	}
	return s;
}

static const char *names(const struct enn_security *s, enum enn_security_parameter id)
{
	static char text[2048];

	assert_true(enn_security_get_list(s, id, text, sizeof(text)) < sizeof(text));
	return text;
}

static const char *policy_of(const struct enn_security *s)
{
	static char text[2048];

	assert_true(enn_security_policy_text(s, text, sizeof(text)) < sizeof(text));
	return text;
}

static bool has(const struct enn_security *s, enum enn_security_parameter id, const char *name)
{
	int32_t code = enn_alg_find(enn_security_list_kind(id), name, strlen(name));

	assert_true(code >= 0);
	return enn_code_list_has(&s->list[id], (uint16_t)code);
}

static void test_modern_is_the_default(void **state)
{
	struct enn_security *fresh = enn_security_new();
	struct enn_security *modern = under("modern");
	(void)state;

	assert_memory_equal(fresh->list, modern->list, sizeof(fresh->list));
	assert_string_equal(policy_of(fresh), "modern");
	assert_false(has(modern, ENN_SECURITY_SIGNATURES, "rsa_pkcs1_sha256"));
	assert_null(strstr(names(modern, ENN_SECURITY_CIPHER_SUITES), "CBC"));
	enn_security_free(fresh);
	enn_security_free(modern);
}

static void test_compatible(void **state)
{
	struct enn_security *s = under("compatible");
	(void)state;

	assert_true(has(s, ENN_SECURITY_SIGNATURES, "rsa_pkcs1_sha256"));
	assert_false(enn_security_get_bool(s, ENN_SECURITY_REQUIRE_EMS));
	assert_int_equal(enn_security_set_policy(s, "modern", NULL), ENN_OK);
	assert_true(enn_security_get_bool(s, ENN_SECURITY_REQUIRE_EMS));
	assert_int_equal(enn_security_set_policy(s, "compatible", NULL), ENN_OK);
	assert_null(strstr(names(s, ENN_SECURITY_CIPHER_SUITES), "CBC"));
	assert_string_equal(policy_of(s), "compatible");
	enn_security_free(s);
}

/* RFC 8446 §9.1's suite and groups, and nothing from outside NIST. */
static void test_fips_like(void **state)
{
	struct enn_security *s = under("FIPS_like");
	(void)state;

	assert_string_equal(names(s, ENN_SECURITY_GROUPS), "P-256:P-384");
	assert_true(has(s, ENN_SECURITY_CIPHER_SUITES, "TLS_AES_128_GCM_SHA256"));
	assert_null(strstr(names(s, ENN_SECURITY_CIPHER_SUITES), "CHACHA20"));
	assert_null(strstr(names(s, ENN_SECURITY_SIGNATURES), "ed25519"));
	assert_null(strstr(names(s, ENN_SECURITY_CERT_SIGNATURES), "ed25519"));
	assert_string_equal(policy_of(s), "fips-like");
	enn_security_free(s);
}

static void test_refinements(void **state)
{
	static const struct {
		const char *policy;
		enum enn_security_parameter list;
		const char *names;
	} cases[] = {
		{"modern:-P-384", ENN_SECURITY_GROUPS, "X25519:P-256"},
		{"-P-384:+p384", ENN_SECURITY_GROUPS, "X25519:P-256:P-384"},
		{"modern,-X25519 +X25519", ENN_SECURITY_GROUPS, "P-256:P-384:X25519"},
		{"groups=P-384:x25519", ENN_SECURITY_GROUPS, "P-384:X25519"},
		{"fips-like:curves=P-384", ENN_SECURITY_GROUPS, "P-384"},
		{"groups=P-384:X25519:-X25519", ENN_SECURITY_GROUPS, "P-384"},
		{"groups=P-256:P-256", ENN_SECURITY_GROUPS, "P-256"},
		{"versions=TLSv1.3:!CHACHA20:-AES256", ENN_SECURITY_CIPHER_SUITES,
		 "TLS_AES_128_GCM_SHA256"},
		{"modern:suites=TLS_CHACHA20_POLY1305_SHA256", ENN_SECURITY_VERSIONS, "TLSv1.3"},
		{"modern:!RSA:-ed25519", ENN_SECURITY_SIGNATURES,
		 "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384"},
		{"modern:!RSA:-ed25519", ENN_SECURITY_CERT_SIGNATURES,
		 "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384"},
		{"certificate-signatures=ed25519", ENN_SECURITY_CERT_SIGNATURES, "ed25519"},
		{"versions=TLSv1.2:!RSA:!PSK:!AES256:-CHACHA20", ENN_SECURITY_CIPHER_SUITES,
		 "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{"versions=TLSv1.2:suites=ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-"
		 "SHA384",
		 ENN_SECURITY_CIPHER_SUITES,
		 "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_"
		 "SHA384"},
		{"modern:-TLSv1.2", ENN_SECURITY_CIPHER_SUITES,
		 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"},
		{"!PSS:!ECDSA:+rsa_pkcs1_sha512", ENN_SECURITY_SIGNATURES,
		 "ed25519:rsa_pkcs1_sha512"},
		{"psk-modes=psk_ke:psk_dhe_ke", ENN_SECURITY_PSK_MODES, "psk_ke:psk_dhe_ke"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct enn_security *s = under(cases[i].policy);
		assert_string_equal(names(s, cases[i].list), cases[i].names);
		enn_security_free(s);
	}
}

/* CBC is there only for who says so, by IANA's name or OpenSSL's. */
static void test_legacy_cbc(void **state)
{
	struct enn_security *s = under("versions=TLSv1.2:legacy-cbc:suites=ECDHE-RSA-AES128-SHA");
	(void)state;

	assert_string_equal(names(s, ENN_SECURITY_CIPHER_SUITES),
			    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA");
	assert_true(enn_security_get_bool(s, ENN_SECURITY_LEGACY_CBC));
	assert_int_equal(enn_security_set_policy(s, "modern", NULL), ENN_OK);
	assert_false(enn_security_get_bool(s, ENN_SECURITY_LEGACY_CBC));
	enn_security_free(s);
}

/* A list of one kind leaves the others to the profile. */
static void test_other_lists_stay(void **state)
{
	struct enn_security *modern = under("modern");
	struct enn_security *s = under("groups=P-256");
	(void)state;

	for (size_t i = 0; i < ENN_POLICY_KINDS; i++) {
		if (lists[i] != ENN_SECURITY_GROUPS) {
			assert_memory_equal(&modern->list[lists[i]], &s->list[lists[i]],
					    sizeof(struct enn_code_list));
		}
	}
	assert_string_equal(policy_of(s), "modern:groups=P-256");
	enn_security_free(modern);
	enn_security_free(s);
}

static void test_text_is_read_again(void **state)
{
	static const char *const policies[] = {
		"modern",
		"compatible:-P-384",
		"fips-like:!RSA",
		"versions=TLSv1.3:suites=TLS_AES_256_GCM_SHA384:groups=P-384",
		"compatible:signatures=rsa_pkcs1_sha256:certificate-signatures=ed25519",
		"modern:psk-modes=psk_ke",
		"modern:legacy-cbc:+TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
		"legacy-cbc",
		"modern:without-ems",
		"fips-like:without-ems:legacy-cbc",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct enn_security *a = under(policies[i]);
		struct enn_security *b = under(policy_of(a));
		char small[24];
		size_t len = strlen(policy_of(a));
		assert_memory_equal(a->list, b->list, sizeof(a->list));
		assert_memory_equal(a->value, b->value, sizeof(a->value));
		memset(small, 'x', sizeof(small));
		assert_int_equal(enn_security_policy_text(a, small, 10), len);
		assert_int_equal(strlen(small), len < 9 ? len : 9);
		assert_memory_equal(small, policy_of(a), strlen(small));
		assert_int_equal(small[10], 'x');
		assert_int_equal(enn_security_policy_text(a, NULL, 0), len);
		enn_security_free(a);
		enn_security_free(b);
	}
}

/* What is wrong, where, and what was probably meant. */
static const struct {
	const char *policy;
	const char *says[3];
} mistakes[] = {
	{"moderne", {"'moderne' (item 1, character 1)", "no profile", "nearest is modern"}},
	{"compatable:-P-384", {"item 1, character 1)", "nearest is compatible"}},
	{"fips", {"item 1", "nearest is fips-like"}},
	{"modern:+X2551", {"'X2551' (item 2, character 9)", "unknown", "nearest is X25519"}},
	{"modern:-P-38", {"'P-38' (item 2, character 9)", "nearest is P-384"}},
	{"modern:!CHACHA", {"item 2, character 9)", "nearest is CHACHA20"}},
	{"modern:+CHACHA", {"item 2, character 9)", "unknown", "nearest is "}},
	{"modern:-P-384:+TLS_AES_128_GCN_SHA256",
	 {"(item 3, character 16)", "nearest is TLS_AES_128_GCM_SHA256"}},
	{"groups=X25519:P-265", {"'P-265' (item 2, character 15)", "nearest is P-256"}},
	{"groups=X25519:ed25519", {"'ed25519' (item 2", "unknown here", "X25519"}},
	{"gruops=X25519", {"'gruops' (item 1, character 1)", "nearest is groups"}},
	{"modern:sigalg=ed25519", {"(item 2, character 8)", "nearest is sigalgs"}},
	{"modern:versions=TLSv1.4", {"'TLSv1.4' (item 2, character 17)", "nearest is TLSv1."}},
	{"modern:P-256", {"'P-256' (item 2, character 8)", "needs a sign"}},
	{"modern:fips-like", {"'fips-like' (item 2", "needs a sign"}},
	{"psk-modes=psk_ke:modern", {"'modern' (item 2", "unknown here", "psk_"}},
	{"modern:!P-384:+P-384", {"'P-384' (item 3, character 16)", "removed for good"}},
	{"fips-like:+X25519", {"'X25519' (item 2, character 12)", "removed for good"}},
	{"fips-like:groups=X25519", {"'X25519' (item 2, character 18)", "removed for good"}},
	{"modern:+TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	 {"(item 2, character 9)", "obsolete", "'legacy-cbc'"}},
	{"suites=ECDHE-RSA-AES128-SHA", {"(item 1, character 8)", "'legacy-cbc'"}},
	{"modern:legacy-cbc:!CBC:+ECDHE-RSA-AES128-SHA", {"(item 4", "removed for good"}},
	{"", {"(item 1, character 1)", "empty"}},
	{"modern::-P-384", {"(item 2, character 8)", "empty"}},
	{"modern:", {"(item 2, character 8)", "empty"}},
	{"modern:+", {"(item 2, character 9)", "empty"}},
	{"groups=", {"(item 1, character 8)", "empty"}},
	{"groups=:P-256", {"(item 1, character 8)", "empty"}},
	{"!X25519:-P-256:-P-384:!MLKEM", {"nothing is left of the groups"}},
	{"-AESGCM:-CHACHA20", {"nothing is left of the versions"}},
	{"!RSA:!ECDSA:!ed25519", {"nothing is left of the signatures"}},
};

static void test_mistakes(void **state)
{
	struct enn_security *s = under("compatible:-P-384");
	struct enn_security *before = enn_security_copy(s);
	(void)state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct enn_error error;
		assert_int_equal(enn_security_set_policy(s, mistakes[i].policy, &error),
				 ENN_E_ARGUMENT);
		assert_int_equal(error.reason, ENN_REASON_INVALID_CONFIGURATION);
		for (size_t j = 0; j < 3 && mistakes[i].says[j] != NULL; j++) {
			if (strstr(error.text, mistakes[i].says[j]) == NULL) {
				fail_msg("%s: '%s' does not say '%s'", mistakes[i].policy,
					 error.text, mistakes[i].says[j]);
			}
		}
		assert_int_equal(enn_security_set_policy(s, mistakes[i].policy, NULL),
				 ENN_E_ARGUMENT);
		assert_memory_equal(s->list, before->list, sizeof(s->list));
	}
	assert_int_equal(enn_security_set_policy(NULL, "modern", NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_set_policy(s, NULL, NULL), ENN_E_ARGUMENT);
	enn_security_free(before);
	enn_security_free(s);
}

/* Each name with one letter wrong is answered with itself. */
static void test_every_name_is_suggested(void **state)
{
	static const enum enn_alg_kind kinds[] = {ENN_ALG_VERSION, ENN_ALG_SUITE, ENN_ALG_GROUP,
						  ENN_ALG_SIGNATURE};
	struct enn_security *s = enn_security_new();
	const char *name;
	uint16_t code;
	(void)state;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (size_t i = 0; (name = enn_alg_at(kinds[k], i, &code)) != NULL; i++) {
			char text[80];
			struct enn_error error;
			(void)snprintf(text, sizeof(text), "modern:+%sz", name);
			assert_int_equal(enn_security_set_policy(s, text, &error), ENN_E_ARGUMENT);
			assert_non_null(strstr(error.text, name));
			assert_string_equal(strstr(error.text, "nearest is ") + 11, name);
			assert_string_equal(enn_alg_name(kinds[k], code), name);
		}
	}
	enn_security_free(s);
}

static void test_frozen(void **state)
{
	struct enn_security *s = under("modern");
	struct enn_error error;
	(void)state;

	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);
	assert_int_equal(enn_security_set_policy(s, "compatible", &error), ENN_E_STATE);
	assert_string_equal(policy_of(s), "modern");
	enn_security_free(s);
	enn_security_free(s);
}

static void test_profiles_are_listed(void **state)
{
	const char *means;
	const char *doc;
	size_t n = 0;
	(void)state;

	for (const char *name; (name = enn_policy_at(n, &means, &doc)) != NULL; n++) {
		struct enn_security *s = under(name);
		assert_string_equal(policy_of(s), name);
		assert_true(strlen(doc) > 20);
		if (means[0] != '\0') {
			struct enn_security *same = under(means);
			assert_memory_equal(s->list, same->list, sizeof(s->list));
			enn_security_free(same);
		}
		enn_security_free(s);
	}
	assert_int_equal(n, 3);
	assert_string_equal(enn_policy_at(0, NULL, NULL), "modern");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modern_is_the_default),
		cmocka_unit_test(test_compatible),
		cmocka_unit_test(test_fips_like),
		cmocka_unit_test(test_refinements),
		cmocka_unit_test(test_legacy_cbc),
		cmocka_unit_test(test_other_lists_stay),
		cmocka_unit_test(test_text_is_read_again),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_every_name_is_suggested),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_profiles_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
