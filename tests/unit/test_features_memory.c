/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation of the feature layer fails once: the answer is ENN_E_MEMORY or NULL, nothing
 * leaks (the address sanitizer and the count here look), and what was there before still works.
 *
 * The linker puts these functions in the place of malloc and its kin for our own code; libcrypto
 * keeps the real ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "features/security.h"
#include "pki.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void __wrap_free(void *ptr);

static long until_failure = -1; /* allocations left before one fails; negative: none fails */
static long live;
static const char *secret; /* looked for in all memory that is given back, unless NULL */
static size_t secret_len;
static long secrets_freed;

static bool fails(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
	void *p = fails() ? NULL : __real_calloc(1, size); /* zeros: the search reads it all */
	live += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_calloc(n, size);
	live += p != NULL;
	return p;
}

void *__wrap_realloc(void *ptr, size_t size)
{
	void *p = fails() ? NULL : __real_realloc(ptr, size);
	live += p != NULL && ptr == NULL;
	return p;
}

void __wrap_free(void *ptr)
{
	live -= ptr != NULL;
	if (ptr != NULL && secret != NULL) {
		secrets_freed += memmem(ptr, malloc_usable_size(ptr), secret, secret_len) != NULL;
	}
	__real_free(ptr);
}

static struct pki_pair pair;
static struct enn_env env;

/* A scenario is run with its first, second, … allocation failing until it needs no more. It answers
 * ENN_OK or ENN_E_MEMORY and gives back all that it took. */
typedef enum enn_status (*scenario)(void);

static void sweep(scenario run)
{
	long failed = 0;

	for (long n = 0;; n++) {
		long before = live;
		until_failure = n;
		enum enn_status status = run();
		bool reached = until_failure < 0;
		until_failure = -1;
		assert_int_equal(live, before);
		if (!reached) {
			assert_int_equal(status, ENN_OK);
			break;
		}
		assert_int_equal(status, ENN_E_MEMORY);
		failed++;
	}
	assert_true(failed > 0);
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static enum enn_status fill(struct enn_security *s)
{
	enum enn_status status = enn_security_add_alpn(s, (const uint8_t *)"h2", 2);
	uint8_t key[64] = {1};

	if (status == ENN_OK) {
		status = enn_security_ticket_key(s, key, sizeof(key), 0);
	}
	if (status == ENN_OK) {
		status = enn_security_trust_pem(s, pair.cert, strlen(pair.cert), NULL);
	}
	return status;
}

static enum enn_status run_security(void)
{
	struct enn_security *s = enn_security_new();
	struct enn_security *copy = NULL;
	enum enn_status status = s == NULL ? ENN_E_MEMORY : fill(s);

	if (status == ENN_OK) {
		copy = enn_security_copy(s);
		status = copy == NULL ? ENN_E_MEMORY : ENN_OK;
	}
	if (status == ENN_OK) {
		status = enn_security_acquire(copy, NULL);
	}
	if (status == ENN_OK) {
		enn_security_free(copy);
	}
	enn_security_free(copy);
	enn_security_free(s);
	return status;
}

static enum enn_status run_system_trust(void)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error = {.status = ENN_OK};

	if (s == NULL) {
		return ENN_E_MEMORY;
	}
	enum enn_status status = enn_security_trust(s, &error);
	assert_int_equal(error.status, status);
	enn_security_free(s);
	return status;
}

static enum enn_status run_x509(void)
{
	struct enn_credential *c;
	enum enn_status status = enn_credential_x509_pem(pair.cert, strlen(pair.cert), pair.key,
							 strlen(pair.key), &c, NULL);

	enn_credential_free(c);
	return status;
}

static enum enn_status run_psk(void)
{
	uint8_t key[16] = {1};
	struct enn_credential *c;
	enum enn_status status =
		enn_credential_psk((const uint8_t *)"i", 1, key, sizeof(key), ENN_PSK_SHA256, &c);

	enn_credential_free(c);
	return status;
}

/* What a failed put or claim leaves behind is what was there before. */
static enum enn_status run_store(void)
{
	struct enn_session_store *s = enn_session_store_new(64);
	enum enn_status status = s == NULL ? ENN_E_MEMORY : ENN_OK;
	uint8_t value[8] = {0}, out[8];
	uint8_t done = 0;

	for (; done < 40 && status == ENN_OK; done++) {
		value[0] = done;
		status = done % 2 == 0 ? enn_session_store_put(s, &done, 1, value, 8, 100)
				       : enn_session_store_claim(s, &done, 1, 0, 100);
		if (status == ENN_OK && done == 2) { /* in place of itself */
			status = enn_session_store_put(s, &done, 1, value, 8, 50);
		}
	}
	uint8_t kept = status == ENN_OK ? done : (uint8_t)(done > 0 ? done - 1 : 0);
	/* Key 2 is there when only its second put failed. */
	bool second_put = status != ENN_OK && done == 3 && enn_session_store_count(s) == 3;
	assert_int_equal(enn_session_store_count(s), second_put ? 3 : kept);
	for (uint8_t i = 0; i < kept; i++) {
		size_t len = sizeof(out);
		if (i % 2 == 0) {
			assert_int_equal(enn_session_store_take(s, &i, 1, 1, out, &len), ENN_OK);
			assert_int_equal(out[0], i);
		} else {
			assert_int_equal(enn_session_store_claim(s, &i, 1, 1, 100), ENN_E_STATE);
		}
	}
	enn_session_store_free(s);
	return status;
}

static enum enn_status run_tickets(void)
{
	static const uint8_t state[20] = {1, 2, 3};
	struct enn_ticket_keys *keys = enn_ticket_keys_new();
	uint8_t ticket[sizeof(state) + ENN_TICKET_OVERHEAD], out[sizeof(ticket)];
	size_t len = 0;

	if (keys == NULL) {
		return ENN_E_MEMORY;
	}
	enum enn_status status = enn_ticket_seal(keys, &env, 0, 1000, state, sizeof(state), ticket,
						 sizeof(ticket), &len);
	if (status == ENN_OK) {
		status = enn_ticket_open(keys, &env, 1, ticket, len, out, sizeof(out), &len);
	}
	if (status == ENN_OK) {
		struct enn_ticket_keys *copy = enn_ticket_keys_copy(keys);
		status = copy == NULL ? ENN_E_MEMORY : ENN_OK;
		enn_ticket_keys_free(copy);
	}
	enn_ticket_keys_free(keys);
	return status;
}

/* ---- nothing secret is given back ------------------------------------------------------------ */

/* Where a moved block was is out of reach, so nothing that holds secrets may use realloc; the
 * search below is told of the blocks that are freed. */
static void look_for(const char *what, size_t len)
{
	secret = what;
	secret_len = len;
	secrets_freed = 0;
}

static void found_none(void)
{
	assert_int_equal(secrets_freed, 0);
	secret = NULL;
}

static void test_wiped(void **state)
{
	static const char marker[64] =
		"a key of sixty-four bytes that is easily found: 0123456789 ....";
	const uint8_t *key = (const uint8_t *)marker;
	struct enn_credential *c;
	struct enn_ticket_keys *keys;
	struct enn_session_store *s;
	uint8_t out[64];
	size_t len = sizeof(out);
	(void)state;

	/* The search finds what is there. */
	look_for(marker, 16);
	char *copy = enn_alloc(&env, sizeof(marker));
	assert_non_null(copy);
	memcpy(copy, marker, sizeof(marker));
	enn_free(&env, copy,
		 sizeof(marker)); /* not free, which lets the compiler drop the memcpy */
	assert_int_equal(secrets_freed, 1);

	look_for(marker, 16);
	assert_int_equal(enn_credential_psk((const uint8_t *)"i", 1, key, 64, ENN_PSK_SHA256, &c),
			 ENN_OK);
	enn_credential_free(c);
	found_none();

	look_for(marker, 16);
	keys = enn_ticket_keys_new();
	assert_int_equal(enn_ticket_keys_set(keys, key, 64, 0), ENN_OK);
	enn_ticket_keys_free(enn_ticket_keys_copy(keys));
	enn_ticket_keys_free(keys);
	found_none();

	look_for(marker, 16);
	s = enn_session_store_new(2);
	for (uint8_t i = 0; i < 4; i++) { /* pushed out, replaced, taken, left behind */
		assert_int_equal(enn_session_store_put(s, &i, 1, key, 64, 100), ENN_OK);
	}
	uint8_t last = 3;
	assert_int_equal(enn_session_store_put(s, &last, 1, key, 64, 100), ENN_OK);
	assert_int_equal(enn_session_store_take(s, &last, 1, 0, out, &len), ENN_OK);
	assert_memory_equal(out, marker, 64);
	enn_session_store_free(s);
	found_none();
}

static char folder[] = "/tmp/ennead-test-XXXXXX";

/* A private key that was read from a file, longer than the first buffer, so that it is moved. */
static void test_key_file_wiped(void **state)
{
	char path[64];
	struct enn_credential *c;
	(void)state;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/both.pem", folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(pair.key, f) > 0 && fputs(pair.cert, f) > 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(fputs("# a comment\n", f) > 0);
	}
	assert_int_equal(fclose(f), 0);
	look_for(pair.key + 60, 40); /* within the base64 */
	assert_int_equal(enn_credential_x509_file(path, path, &c, NULL), ENN_OK);
	enn_credential_free(c);
	found_none();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void test_security(void **state)
{
	(void)state;
	sweep(run_security);
}
static void test_system_trust(void **state)
{
	(void)state;
	sweep(run_system_trust);
}
static void test_x509(void **state)
{
	(void)state;
	sweep(run_x509);
}
static void test_psk(void **state)
{
	(void)state;
	sweep(run_psk);
}
static void test_store(void **state)
{
	(void)state;
	sweep(run_store);
}
static void test_tickets(void **state)
{
	(void)state;
	sweep(run_tickets);
}

static int setup(void **state)
{
	(void)state;
	pki_make(&pair, "server.example");
	return enn_crypto_new(ENN_CRYPTO_LIBCRYPTO, &env.crypto) == ENN_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	enn_crypto_free(env.crypto);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_security), cmocka_unit_test(test_system_trust),
		cmocka_unit_test(test_x509),	 cmocka_unit_test(test_psk),
		cmocka_unit_test(test_store),	 cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_wiped),	 cmocka_unit_test(test_key_file_wiped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
