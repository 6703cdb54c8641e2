/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials and trust: good, bad, from memory, from files, and whose fault it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "features/file.h"
#include "features/security.h"
#include "pki.h"

static struct pki_pair alice, bob, carol;
static char folder[64];

static int setup(void **state)
{
	(void)state;
	pki_make(&alice, "alice.example");
	pki_make(&bob, "bob.example");
	pki_make(&carol, "carol.example");
	strcpy(folder, "/tmp/ennead-test-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* A file in the test's folder; static, so one at a time unless copied. */
static const char *path_of(const char *name)
{
	static char path[2][128];
	static int which;

	which = !which;
	(void)snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
	return path[which];
}

static const char *write_file(const char *name, const char *text, size_t len)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void remove_file(const char *name)
{
	assert_int_equal(unlink(path_of(name)), 0);
}

static enum enn_status x509(const char *chain, const char *key, struct enn_error *error)
{
	struct enn_credential *c = (struct enn_credential *)&folder; /* to see that it is set */
	enum enn_status status =
		enn_credential_x509_pem(chain, strlen(chain), key, strlen(key), &c, error);

	assert_true((status == ENN_OK) == (c != NULL));
	enn_credential_free(c);
	return status;
}

static void test_x509(void **state)
{
	struct enn_error error;
	struct enn_credential *c;
	(void)state;

	assert_int_equal(enn_credential_x509_pem(alice.cert, strlen(alice.cert), alice.key,
						 strlen(alice.key), &c, &error),
			 ENN_OK);
	assert_int_equal(c->type, ENN_CREDENTIAL_X509);
	assert_int_equal(enn_chain_count(c->chain), 1);
	assert_non_null(c->key);
	assert_ptr_equal(enn_credential_ref(c), c);
	enn_credential_free(c);
	enn_credential_free(c);
	enn_credential_free(NULL);

	assert_int_equal(x509(alice.cert, bob.key, &error), ENN_E_CRYPTO);
	assert_string_equal(error.text, "the private key does not belong to the first certificate");
	assert_int_equal(x509(alice.cert, bob.key, NULL), ENN_E_CRYPTO);
	assert_int_equal(x509(alice.cert, alice.encrypted_key, &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, "encrypted"));
	assert_int_equal(x509(alice.cert,
			      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", &error),
			 ENN_E_PARSE);
	assert_non_null(strstr(error.text, "encrypted"));
	assert_int_equal(x509(alice.cert, alice.cert, &error), ENN_E_PARSE);
	assert_string_equal(error.text, "a certificate was given where the private key belongs");
	assert_int_equal(x509(alice.cert, "-----BEGIN PUBLIC KEY-----\n", &error), ENN_E_PARSE);
	assert_string_equal(error.text, "the PEM text holds no private key");
	assert_int_equal(x509(alice.cert, "", &error), ENN_E_PARSE);
	assert_int_equal(x509(alice.cert, "nonsense", &error), ENN_E_PARSE);
	assert_int_equal(x509("", alice.key, &error), ENN_E_PARSE);
	assert_int_equal(x509("nonsense", alice.key, &error), ENN_E_PARSE);
	assert_int_equal(x509(alice.key, alice.key, &error), ENN_E_PARSE);
	assert_int_equal(error.status, ENN_E_PARSE);
	assert_true(strlen(error.text) > 0);
}

static void test_x509_arguments(void **state)
{
	struct enn_credential *c;
	(void)state;

	assert_int_equal(enn_credential_x509_pem(NULL, 0, "k", 1, &c, NULL), ENN_E_ARGUMENT);
	assert_null(c);
	assert_int_equal(enn_credential_x509_pem("c", 1, NULL, 0, &c, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_pem("c", 1, "k", 1, NULL, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_external(NULL, 0, &c, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_external("c", 1, NULL, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_file(NULL, "k", &c, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_file("c", NULL, &c, NULL), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_x509_file("c", "k", NULL, NULL), ENN_E_ARGUMENT);
}

static void test_external(void **state)
{
	struct enn_credential *c;
	(void)state;

	assert_int_equal(enn_credential_x509_external(alice.cert, strlen(alice.cert), &c, NULL),
			 ENN_OK);
	assert_int_equal(c->type, ENN_CREDENTIAL_X509);
	assert_null(c->key);
	enn_credential_free(c);
	assert_int_equal(enn_credential_x509_external("nonsense", 8, &c, NULL), ENN_E_PARSE);
	assert_null(c);
}

static void test_files(void **state)
{
	char cert[128], key[128], absent[128];
	struct enn_credential *c;
	struct enn_error error;
	char line[400];
	(void)state;

	strcpy(cert, write_file("cert.pem", alice.cert, strlen(alice.cert)));
	strcpy(key, write_file("key.pem", alice.key, strlen(alice.key)));
	strcpy(absent, path_of("absent.pem"));
	assert_int_equal(enn_credential_x509_file(cert, key, &c, &error), ENN_OK);
	enn_credential_free(c);

	assert_int_equal(enn_credential_x509_file(absent, key, &c, &error), ENN_E_NOT_FOUND);
	assert_null(c);
	assert_int_equal(error.sys_errno, ENOENT);
	assert_string_equal(error.where, "certificate file");
	assert_non_null(strstr(enn_error_string(&error, line, sizeof(line)), absent));
	assert_non_null(strstr(line, "No such file"));
	assert_int_equal(enn_credential_x509_file(cert, absent, &c, &error), ENN_E_NOT_FOUND);
	assert_null(c);
	assert_string_equal(error.where, "private key file");
	assert_int_equal(enn_credential_x509_file(cert, absent, &c, NULL), ENN_E_NOT_FOUND);
	assert_int_equal(enn_credential_x509_file(folder, key, &c, &error), ENN_E_SYSTEM);
	assert_int_equal(error.sys_errno, EISDIR);
	/* The wrong contents are told with the path. */
	assert_int_equal(enn_credential_x509_file(cert, cert, &c, &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, cert));
	assert_non_null(strstr(error.text, "where the private key belongs"));
	assert_int_equal(enn_credential_x509_file(key, key, &c, &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, key));
	/* A key that nobody would have. */
	char *big = calloc(1, 65537);
	assert_non_null(big);
	memset(big, 'x', 65537);
	(void)write_file("key.pem", big, 65537);
	free(big);
	assert_int_equal(enn_credential_x509_file(cert, key, &c, &error), ENN_E_LIMIT);
	assert_non_null(strstr(error.text, "longer than 65536 bytes"));
	remove_file("cert.pem");
	remove_file("key.pem");
}

/* Whole files of every length around the sizes at which the buffer grows. */
static void test_file_lengths(void **state)
{
	static const size_t lengths[] = {0, 1, 8190, 8191, 8192, 16382, 16383, 16384, 19999, 20000};
	static char text[20001];
	struct enn_file file;
	struct enn_error error;
	(void)state;

	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)('a' + i % 23);
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *path = write_file("file", text, lengths[i]);
		assert_int_equal(enn_file_read(path, 20000, "test", &file, &error), ENN_OK);
		assert_int_equal(file.len, lengths[i]);
		assert_memory_equal(file.data, text, lengths[i]);
		assert_int_equal(file.data[file.len], 0);
		enn_file_free(&file);
		assert_null(file.data);
	}
	const char *path = write_file("file", text, 20001);
	assert_int_equal(enn_file_read(path, 20000, "test", &file, &error), ENN_E_LIMIT);
	assert_null(file.data);
	remove_file("file");
	/* Not a regular file: endless, and refused in time. */
	assert_int_equal(enn_file_read("/dev/zero", 20000, "test", &file, &error), ENN_E_LIMIT);
	/* A path too long for the message does no harm. */
	char longest[600];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(enn_file_read(longest, 10, "test", &file, &error), ENN_E_SYSTEM);
	assert_int_equal(error.sys_errno, ENAMETOOLONG);
	enn_file_blame(&error, longest);
	assert_true(strlen(error.text) < ENN_ERROR_TEXT_MAX);
	enn_file_blame(NULL, longest);
}

static void test_psk(void **state)
{
	uint8_t key[48] = {1, 2, 3}, *identity = calloc(1, 65536);
	struct enn_credential *c;
	(void)state;

	assert_non_null(identity);
	assert_int_equal(enn_credential_psk(identity, 0, key, 32, ENN_PSK_SHA256, &c),
			 ENN_E_ARGUMENT);
	assert_null(c);
	assert_int_equal(enn_credential_psk(identity, 65536, key, 32, ENN_PSK_SHA256, &c),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(NULL, 1, key, 32, ENN_PSK_SHA256, &c), ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 1, NULL, 32, ENN_PSK_SHA256, &c),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 1, key, 15, ENN_PSK_SHA256, &c),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 1, key, 16, (enum enn_psk_hash)0, &c),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 1, key, 16, (enum enn_psk_hash)3, &c),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 1, key, 16, ENN_PSK_SHA256, NULL),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_credential_psk(identity, 65535, key, 16, ENN_PSK_SHA256, &c), ENN_OK);
	assert_int_equal(c->type, ENN_CREDENTIAL_PSK);
	assert_int_equal(c->hash, ENN_HASH_SHA256);
	assert_int_equal(c->identity_len, 65535);
	enn_credential_free(c);
	memcpy(identity, "client 7", 8);
	assert_int_equal(enn_credential_psk(identity, 8, key, 48, ENN_PSK_SHA384, &c), ENN_OK);
	assert_int_equal(c->hash, ENN_HASH_SHA384);
	identity[0] = 'x'; /* copied */
	key[0] = 9;
	assert_memory_equal(c->identity, "client 7", 8);
	assert_int_equal(c->secret_len, 48);
	assert_int_equal(c->secret[0], 1);
	enn_credential_free(c);
	free(identity);
}

/* ---- trust ----------------------------------------------------------------------------------- */

/* The system's store becomes a file of this test's. */
static void use_system_store(const char *pem)
{
	const char *path = write_file("system.pem", pem, strlen(pem));

	assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0);
	assert_int_equal(setenv("SSL_CERT_DIR", path_of("no-such-folder"), 1), 0);
}

/* Whether the object, as it is, trusts this certificate. */
static bool trusts(struct enn_security *s, const struct pki_pair *pair)
{
	struct enn_chain *chain;
	struct enn_peer_chain *peer;
	struct enn_error error;
	struct enn_bytes der;

	assert_int_equal(enn_chain_parse_pem(pair->cert, strlen(pair->cert), &chain, NULL), ENN_OK);
	der = enn_chain_der(chain, 0);
	assert_int_equal(enn_peer_chain_parse(&der, 1, &peer, &error), ENN_OK);
	struct enn_verify_policy policy = {
		.peer_is_server = true,
		.wall_seconds = (int64_t)time(NULL),
		.cert_signatures = s->list[ENN_SECURITY_CERT_SIGNATURES].code,
		.cert_signatures_len = s->list[ENN_SECURITY_CERT_SIGNATURES].count,
	};
	assert_int_equal(enn_security_trust(s, &error), ENN_OK);
	enum enn_status status = enn_trust_verify(s->trust, peer, &policy, &error);
	assert_true(status == ENN_OK || status == ENN_E_AUTH);
	enn_peer_chain_free(peer);
	enn_chain_free(chain);
	return status == ENN_OK;
}

static enum enn_status add(struct enn_security *s, const struct pki_pair *pair)
{
	return enn_security_trust_pem(s, pair->cert, strlen(pair->cert), NULL);
}

static void test_trust(void **state)
{
	struct enn_security *s = enn_security_new();
	(void)state;

	use_system_store(alice.cert);
	/* Only the system's. */
	assert_true(trusts(s, &alice));
	assert_false(trusts(s, &bob));
	/* Anchors of its own take the place of the system's … */
	assert_int_equal(add(s, &bob), ENN_OK);
	assert_false(trusts(s, &alice));
	assert_true(trusts(s, &bob));
	/* … unless both were asked for. */
	assert_int_equal(enn_security_set_bool(s, ENN_SECURITY_SYSTEM_TRUST, true), ENN_OK);
	assert_true(trusts(s, &alice));
	assert_true(trusts(s, &bob));
	/* An anchor more, after all was loaded: the three together. */
	assert_int_equal(add(s, &carol), ENN_OK);
	assert_true(trusts(s, &alice));
	assert_true(trusts(s, &bob));
	assert_true(trusts(s, &carol));
	assert_int_equal(enn_security_set_bool(s, ENN_SECURITY_SYSTEM_TRUST, false), ENN_OK);
	assert_false(trusts(s, &alice));
	assert_true(trusts(s, &bob));
	enn_security_free(s);
	/* Nobody at all. */
	s = enn_security_new();
	assert_int_equal(enn_security_set_bool(s, ENN_SECURITY_SYSTEM_TRUST, false), ENN_OK);
	assert_false(trusts(s, &alice));
	enn_security_free(s);
	remove_file("system.pem");
}

static void test_trust_is_lazy(void **state)
{
	struct enn_security *s = enn_security_new();
	(void)state;

	use_system_store(alice.cert);
	assert_int_equal(enn_security_acquire(s, NULL), ENN_OK);
	assert_false(s->trust_complete);
	assert_false(enn_trust_has_anchors(s->trust));
	/* Frozen, and still it can be completed. */
	assert_true(trusts(s, &alice));
	assert_true(s->trust_complete);
	struct enn_trust *loaded = s->trust;
	assert_int_equal(enn_security_trust(s, NULL), ENN_OK); /* once */
	assert_ptr_equal(s->trust, loaded);
	/* A copy shares what was loaded until it goes its own way. */
	struct enn_security *copy = enn_security_copy(s);
	assert_ptr_equal(copy->trust, loaded);
	assert_true(copy->trust_complete);
	assert_int_equal(add(copy, &bob), ENN_OK);
	assert_true(trusts(copy, &bob));
	assert_false(trusts(copy, &alice));
	assert_true(trusts(s, &alice));
	assert_false(trusts(s, &bob));
	enn_security_free(copy);
	enn_security_free(s);
	enn_security_free(s);
	remove_file("system.pem");
}

/* A copy of an object with anchors keeps them, and the two part ways. */
static void test_trust_copy(void **state)
{
	struct enn_security *s = enn_security_new();
	(void)state;

	assert_int_equal(add(s, &alice), ENN_OK);
	struct enn_security *copy = enn_security_copy(s);
	assert_int_equal(add(copy, &bob), ENN_OK);
	assert_true(trusts(copy, &alice));
	assert_true(trusts(copy, &bob));
	assert_true(trusts(s, &alice));
	assert_false(trusts(s, &bob));
	/* What was said about the system's store goes with it, also before anything was loaded. */
	use_system_store(carol.cert);
	assert_int_equal(enn_security_set_bool(copy, ENN_SECURITY_SYSTEM_TRUST, true), ENN_OK);
	struct enn_security *third = enn_security_copy(copy);
	assert_true(trusts(third, &carol));
	assert_true(trusts(third, &bob));
	enn_security_free(third);
	assert_int_equal(enn_security_set_bool(copy, ENN_SECURITY_SYSTEM_TRUST, false), ENN_OK);
	remove_file("system.pem");
	/* The other way round: the original grows, the copy does not. */
	assert_int_equal(add(s, &carol), ENN_OK);
	assert_true(trusts(s, &carol));
	assert_false(trusts(copy, &carol));
	enn_security_free(s);
	assert_true(trusts(copy, &alice));
	enn_security_free(copy);
}

static void test_trust_errors(void **state)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error;
	char both[8192];
	(void)state;

	assert_int_equal(enn_security_trust_pem(NULL, "x", 1, &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_trust_pem(s, NULL, 1, &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_trust_file(s, NULL, &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_crl_file(NULL, "x", &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_security_trust_pem(s, "nonsense", 8, &error), ENN_E_PARSE);
	assert_int_equal(enn_security_crl_pem(s, "nonsense", 8, &error), ENN_E_PARSE);
	assert_int_equal(enn_security_crl_pem(s, alice.cert, strlen(alice.cert), &error),
			 ENN_E_PARSE);
	assert_int_equal(enn_security_trust_file(s, path_of("absent"), &error), ENN_E_NOT_FOUND);
	assert_string_equal(error.where, "trust file");
	assert_int_equal(enn_security_crl_file(s, path_of("absent"), &error), ENN_E_NOT_FOUND);
	assert_string_equal(error.where, "CRL file");
	const char *path = write_file("bad.pem", "nonsense", 8);
	assert_int_equal(enn_security_trust_file(s, path, &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, path));
	remove_file("bad.pem");
	/* All or nothing: a good certificate before a bad one is not kept. */
	(void)snprintf(both, sizeof(both),
		       "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		       alice.cert);
	assert_int_equal(enn_security_trust_pem(s, both, strlen(both), &error), ENN_E_PARSE);
	assert_false(enn_trust_has_anchors(s->own));
	path = write_file("good.pem", alice.cert, strlen(alice.cert));
	assert_int_equal(enn_security_trust_file(s, path, &error), ENN_OK);
	assert_true(trusts(s, &alice));
	remove_file("good.pem");
	enn_security_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x509),	     cmocka_unit_test(test_x509_arguments),
		cmocka_unit_test(test_external),     cmocka_unit_test(test_files),
		cmocka_unit_test(test_file_lengths), cmocka_unit_test(test_psk),
		cmocka_unit_test(test_trust),	     cmocka_unit_test(test_trust_is_lazy),
		cmocka_unit_test(test_trust_copy),   cmocka_unit_test(test_trust_errors),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
