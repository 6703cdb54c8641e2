/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust objects, the cache of validated chains, and our own chains.
 */
#include <stdlib.h>

#include "certs.h"
#include "crypto/x509.h"
#include "crypto/x509_internal.h"
#include "support.h"

static struct cert *root;
static struct cert *leaf;
static const uint16_t schemes[] = {0x0403, 0x0503, 0x0804};

static int make_pki(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "Root",
						.ca = true,
						.not_before = CERT_NOW - 90 * CERT_DAY,
						.not_after = CERT_NOW + 90 * CERT_DAY});
	leaf = cert_make(&(struct cert_options){
		.names = "DNS:a.example,DNS:b.example,IP:192.0.2.1", .issuer = root, .serial = 7});
	return 0;
}

static int free_pki(void **state)
{
	(void)state;
	cert_free(root);
	cert_free(leaf);
	return 0;
}

static struct enn_trust *trust_in(const struct cert *anchor)
{
	struct enn_trust *trust = enn_trust_new();
	assert_non_null(trust);
	assert_int_equal(enn_trust_add_pem(trust, anchor->pem, strlen(anchor->pem), NULL), ENN_OK);
	return trust;
}

static struct enn_verify_policy policy_for(const char *name)
{
	return (struct enn_verify_policy){.peer_is_server = true,
					  .name = name,
					  .wall_seconds = CERT_NOW,
					  .cert_signatures = schemes,
					  .cert_signatures_len = 3};
}

/* Verifies a fresh copy of the chain; *parsed tells whether that parsed it. */
static enum enn_status verify(struct enn_trust *trust, const struct cert *c,
			      const struct enn_verify_policy *policy, bool *parsed)
{
	struct enn_peer_chain *chain;
	struct enn_error error;
	assert_int_equal(enn_peer_chain_parse(&c->der, 1, &chain, NULL), ENN_OK);
	enum enn_status status = enn_trust_verify(trust, chain, policy, &error);
	*parsed = chain->leaf != NULL;
	if (status == ENN_OK) {
		/* Remembered or not, the key is there and is the leaf's. */
		assert_int_equal(enn_public_key_type(enn_peer_chain_key(chain)), ENN_KEY_P256);
		assert_int_equal(enn_public_key_bits(enn_peer_chain_key(chain)), 256);
		assert_true(enn_peer_chain_may_sign(chain));
		assert_true(!*parsed == (chain->leaf == NULL));
	}
	enn_peer_chain_free(chain);
	return status;
}

/* ---- trust objects --------------------------------------------------------------------------- */

static void test_contents(void **state)
{
	struct enn_trust *trust = enn_trust_new();
	struct enn_error error;
	char *crl = crl_make(&(struct crl_options){.issuer = root});

	(void)state;
	assert_false(enn_trust_has_anchors(trust));
	assert_false(enn_trust_has_crls(trust));
	assert_int_equal(enn_trust_add_pem(trust, "nothing", 7, &error), ENN_E_PARSE);
	assert_string_equal(error.text, "there is no trust anchor in this PEM text");
	assert_int_equal(enn_trust_add_crl_pem(trust, root->pem, strlen(root->pem), &error),
			 ENN_E_PARSE);
	assert_string_equal(error.text, "there is no CRL in this PEM text");
	assert_false(enn_trust_has_anchors(trust));
	assert_int_equal(enn_trust_add_pem(trust, root->pem, strlen(root->pem), &error), ENN_OK);
	assert_int_equal(enn_trust_add_crl_pem(trust, crl, strlen(crl), &error), ENN_OK);
	assert_true(enn_trust_has_anchors(trust));
	assert_true(enn_trust_has_crls(trust));
	free(crl);
	enn_trust_free(trust);
	enn_trust_free(NULL);
}

static void test_bad_pem(void **state)
{
	struct enn_trust *trust = enn_trust_new();
	struct enn_error error;
	char text[8192];

	(void)state;
	/* Two good ones, then one with its middle cut out. */
	(void)snprintf(text, sizeof(text), "%s%s%.80s%s", root->pem, leaf->pem, root->pem,
		       root->pem + 120);
	assert_int_equal(enn_trust_add_pem(trust, text, strlen(text), &error), ENN_E_PARSE);
	assert_string_equal(error.text, "trust anchor 3 cannot be read");
	assert_int_equal(error.reason, ENN_REASON_CERT_MALFORMED);
	enn_trust_free(trust);
}

static void test_frozen_and_copy(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct enn_trust *copy;
	struct enn_verify_policy policy = policy_for("a.example");
	struct enn_error error;
	bool parsed;

	(void)state;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_int_equal(enn_trust_add_pem(trust, root->pem, strlen(root->pem), &error),
			 ENN_E_STATE);
	assert_int_equal(enn_trust_add_system(trust), ENN_E_STATE);
	copy = enn_trust_copy(trust);
	enn_trust_free(trust);
	assert_true(enn_trust_has_anchors(copy));
	struct cert *other = cert_make(&(struct cert_options){.subject = "Other", .ca = true});
	assert_int_equal(enn_trust_add_pem(copy, other->pem, strlen(other->pem), &error), ENN_OK);
	assert_int_equal(verify(copy, leaf, &policy, &parsed), ENN_OK);
	assert_true(parsed); /* what the original remembered is not the copy's */
	assert_ptr_equal(enn_trust_ref(copy), copy);
	enn_trust_free(copy);
	assert_int_equal(verify(copy, leaf, &policy, &parsed), ENN_OK);
	enn_trust_free(copy);
	cert_free(other);
}

/* SSL_CERT_FILE names the system's anchors. */
static void test_system(void **state)
{
	char path[] = "/tmp/enn-test-anchors-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct enn_verify_policy policy = policy_for("a.example");
	bool parsed;

	(void)state;
	assert_non_null(file);
	(void)fputs(root->pem, file);
	(void)fclose(file);
	(void)setenv("SSL_CERT_FILE", path, 1);
	(void)setenv("SSL_CERT_DIR", "/nonexistent", 1);
	struct enn_trust *trust = enn_trust_new();
	assert_int_equal(enn_trust_add_system(trust), ENN_OK);
	assert_int_equal(enn_trust_add_system(trust), ENN_OK);
	assert_true(enn_trust_has_anchors(trust));
	struct enn_trust *copy = enn_trust_copy(trust);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_int_equal(verify(copy, leaf, &policy, &parsed), ENN_OK);
	enn_trust_free(trust);
	enn_trust_free(copy);
	(void)unsetenv("SSL_CERT_FILE");
	(void)unsetenv("SSL_CERT_DIR");
	(void)remove(path);
}

/* ---- the cache ------------------------------------------------------------------------------- */

static void test_cache_hit(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct enn_verify_policy policy = policy_for("a.example");
	bool parsed;

	(void)state;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_true(parsed);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
		assert_false(parsed);
	}
	assert_int_equal(enn_chain_cache_count(trust->cache), 1);
	enn_trust_set_cache(trust, false);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_true(parsed);
	enn_trust_set_cache(trust, true);
	enn_trust_set_cache(trust, true);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_true(parsed);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_false(parsed);
	enn_trust_free(trust);
}

/* Another question is another entry, and is never answered by the wrong one. */
static void test_cache_key(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct enn_verify_policy base = policy_for("a.example");
	struct enn_verify_policy other = base;
	bool parsed;

	(void)state;
	assert_int_equal(verify(trust, leaf, &base, &parsed), ENN_OK);
	other.name = "wrong.example";
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_E_AUTH);
	other.name = "b.example";
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_OK);
	assert_true(parsed);
	other.name = NULL;
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_OK);
	assert_true(parsed);
	other = base;
	other.peer_is_server = false;
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_OK);
	assert_true(parsed);
	other = base;
	other.check_revocation = true; /* there is no CRL */
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_E_AUTH);
	other = base;
	other.cert_signatures = schemes + 1; /* without the one that is used */
	other.cert_signatures_len = 2;
	assert_int_equal(verify(trust, leaf, &other, &parsed), ENN_E_AUTH);
	struct cert *twin = cert_make(
		&(struct cert_options){.names = "DNS:a.example,DNS:b.example,IP:192.0.2.1",
				       .issuer = root,
				       .serial = 7,
				       .break_signature = true});
	assert_int_equal(verify(trust, twin, &base, &parsed), ENN_E_AUTH);
	cert_free(twin);
	/* Failures are not remembered. */
	assert_int_equal(enn_chain_cache_count(trust->cache), 4);
	assert_int_equal(verify(trust, leaf, &base, &parsed), ENN_OK);
	assert_false(parsed);
	enn_trust_free(trust);
}

static void test_cache_time(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct enn_verify_policy policy = policy_for("a.example");
	bool parsed;

	(void)state;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	/* At either end of the leaf's days the answer is libcrypto's, to the second. */
	static const struct {
		int64_t now;
		enum enn_status want;
	} at[] = {{CERT_NOW - CERT_DAY, ENN_OK},
		  {CERT_NOW - CERT_DAY - 1, ENN_E_AUTH},
		  {CERT_NOW + 30 * CERT_DAY - 1, ENN_OK},
		  {CERT_NOW + 30 * CERT_DAY, ENN_E_AUTH},
		  {CERT_NOW + 80 * CERT_DAY, ENN_E_AUTH}};
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		policy.wall_seconds = CERT_NOW;
		assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
		policy.wall_seconds = at[i].now;
		assert_int_equal(verify(trust, leaf, &policy, &parsed), at[i].want);
		enn_trust_set_cache(trust, false);
		assert_int_equal(verify(trust, leaf, &policy, &parsed), at[i].want);
		enn_trust_set_cache(trust, true);
	}
	enn_trust_free(trust);
}

/* A CRL's nextUpdate ends what it vouched for. */
static void test_cache_crl_time(void **state)
{
	struct enn_trust *trust = trust_in(root);
	char *crl =
		crl_make(&(struct crl_options){.issuer = root, .next_update = CERT_NOW + CERT_DAY});
	struct enn_verify_policy policy = policy_for("a.example");
	bool parsed;

	(void)state;
	policy.check_revocation = true;
	assert_int_equal(enn_trust_add_crl_pem(trust, crl, strlen(crl), NULL), ENN_OK);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_false(parsed);
	policy.wall_seconds = CERT_NOW + CERT_DAY;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_E_AUTH);
	policy.wall_seconds = CERT_NOW + CERT_DAY - 1;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	free(crl);
	enn_trust_free(trust);
}

/* 256 entries, the least recently used goes. */
static void test_cache_bound(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct cert *wild =
		cert_make(&(struct cert_options){.names = "DNS:*.w.example", .issuer = root});
	char name[32];
	bool parsed;

	(void)state;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "h%d.w.example", i);
		struct enn_verify_policy policy = policy_for(name);
		assert_int_equal(verify(trust, wild, &policy, &parsed), ENN_OK);
		assert_true(parsed);
		policy.name = "h0.w.example"; /* kept warm */
		assert_int_equal(verify(trust, wild, &policy, &parsed), ENN_OK);
		assert_false(parsed);
	}
	assert_int_equal(enn_chain_cache_count(trust->cache), 256);
	struct enn_verify_policy policy = policy_for("h299.w.example");
	assert_int_equal(verify(trust, wild, &policy, &parsed), ENN_OK);
	assert_false(parsed);
	policy.name = "h1.w.example";
	assert_int_equal(verify(trust, wild, &policy, &parsed), ENN_OK);
	assert_true(parsed);
	cert_free(wild);
	enn_trust_free(trust);
}

/* A key out of the cache outlives the trust object. */
static void test_cache_key_lives(void **state)
{
	struct enn_trust *trust = trust_in(root);
	struct enn_verify_policy policy = policy_for("a.example");
	struct enn_peer_chain *chain;
	bool parsed;

	(void)state;
	assert_int_equal(verify(trust, leaf, &policy, &parsed), ENN_OK);
	assert_int_equal(enn_peer_chain_parse(&leaf->der, 1, &chain, NULL), ENN_OK);
	assert_int_equal(enn_trust_verify(trust, chain, &policy, NULL), ENN_OK);
	enn_trust_free(trust);
	assert_int_equal(enn_public_key_type(enn_peer_chain_key(chain)), ENN_KEY_P256);
	enn_peer_chain_free(chain);
}

/* ---- our own chains -------------------------------------------------------------------------- */

static struct enn_chain *chain_of(const struct cert *a, const struct cert *b)
{
	char text[8192];
	struct enn_chain *chain;
	(void)snprintf(text, sizeof(text), "a comment\n%s\n%s", a->pem, b == NULL ? "" : b->pem);
	assert_int_equal(enn_chain_parse_pem(text, strlen(text), &chain, NULL), ENN_OK);
	return chain;
}

static void test_chain(void **state)
{
	struct enn_chain *chain = chain_of(leaf, root);
	struct enn_private_key *key;

	(void)state;
	assert_int_equal(enn_chain_count(chain), 2);
	assert_true(enn_bytes_equal(enn_chain_der(chain, 0), leaf->der));
	assert_true(enn_bytes_equal(enn_chain_der(chain, 1), root->der));
	assert_int_equal(enn_chain_der(chain, 2).len, 0);
	assert_int_equal(enn_chain_key_type(chain), ENN_KEY_P256);
	assert_int_equal(enn_private_key_parse((const uint8_t *)leaf->key_pem,
					       strlen(leaf->key_pem), &key, NULL),
			 ENN_OK);
	assert_true(enn_chain_fits_key(chain, key));
	enn_private_key_free(key);
	assert_int_equal(enn_private_key_parse((const uint8_t *)root->key_pem,
					       strlen(root->key_pem), &key, NULL),
			 ENN_OK);
	assert_false(enn_chain_fits_key(chain, key));
	enn_private_key_free(key);
	assert_ptr_equal(enn_chain_ref(chain), chain);
	enn_chain_free(chain);
	enn_chain_free(chain);
	enn_chain_free(NULL);
}

static void test_chain_names(void **state)
{
	struct enn_chain *chain = chain_of(leaf, NULL);
	static const struct {
		const char *name;
		bool fits;
	} names[] = {{"a.example", true},   {"B.EXAMPLE", true},  {"c.example", false},
		     {"192.0.2.1", true},   {"192.0.2.2", false}, {"::1", false},
		     {"a.example.", true},  {"", false},	  {".example", false},
		     {".a.example", false}, {"test", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(enn_chain_fits_name(chain, names[i].name), names[i].fits);
		assert_int_equal(enn_chain_fits_name(chain, names[i].name), names[i].fits);
	}
	enn_chain_free(chain);
}

static void test_chain_authorities(void **state)
{
	struct cert *other = cert_make(&(struct cert_options){.subject = "Other", .ca = true});
	struct enn_chain *chain = chain_of(leaf, NULL);
	const struct cert *const cas[] = {other, root};
	struct enn_bytes names[3];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const unsigned char *der;
		size_t len;
		assert_int_equal(
			X509_NAME_get0_der(X509_get_subject_name(cas[i]->x509), &der, &len), 1);
		names[i] = (struct enn_bytes){der, len};
	}
	names[2] = (struct enn_bytes){(const uint8_t *)"junk", 4};
	assert_true(enn_chain_fits_authorities(chain, NULL, 0));
	assert_false(enn_chain_fits_authorities(chain, names, 1));
	assert_true(enn_chain_fits_authorities(chain, names, 2));
	assert_false(enn_chain_fits_authorities(chain, names + 2, 1));
	enn_chain_free(chain);
	cert_free(other);
}

static void test_chain_bad_pem(void **state)
{
	struct enn_chain *chain;
	struct enn_error error;
	char text[8192];

	(void)state;
	assert_int_equal(enn_chain_parse_pem("", 0, &chain, &error), ENN_E_PARSE);
	assert_string_equal(error.text, "there is no certificate in this PEM text");
	assert_null(chain);
	(void)snprintf(text, sizeof(text), "%s%.90s%s", leaf->pem, root->pem, root->pem + 130);
	assert_int_equal(enn_chain_parse_pem(text, strlen(text), &chain, &error), ENN_E_PARSE);
	assert_string_equal(error.text, "certificate 2 of the chain cannot be read");
	(void)snprintf(text, sizeof(text), "%.200s", leaf->pem);
	assert_int_equal(enn_chain_parse_pem(text, strlen(text), &chain, &error), ENN_E_PARSE);
	char *many = malloc(40 * strlen(leaf->pem) + 1);
	many[0] = '\0';
	for (int i = 0; i < 40; i++) {
		strcat(many, leaf->pem);
	}
	assert_int_equal(enn_chain_parse_pem(many, strlen(many), &chain, &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, "more than 32"));
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_bad_pem),
		cmocka_unit_test(test_frozen_and_copy),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_cache_hit),
		cmocka_unit_test(test_cache_key),
		cmocka_unit_test(test_cache_time),
		cmocka_unit_test(test_cache_crl_time),
		cmocka_unit_test(test_cache_bound),
		cmocka_unit_test(test_cache_key_lives),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_chain_names),
		cmocka_unit_test(test_chain_authorities),
		cmocka_unit_test(test_chain_bad_pem),
	};
	return cmocka_run_group_tests(tests, make_pki, free_pki);
}
