/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate compression (RFC 8879): the algorithms by themselves, with input that is broken or made to
 * explode, and on live pairs in both directions.
 */
#include <stdlib.h>

#include "features/compression.h"
#include "handshake/wire.h"
#include "ocsp.h"
#include "tls_pair.h"

static struct cert *root, *middle, *leaf;
static struct test_env world;
static const char host[] = "a.example";
static const char *const names[] = {"none", "zlib", "brotli", "zstd"};

static int open_world(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "root", .ca = true});
	middle = cert_make(
		&(struct cert_options){.subject = "the middle one", .issuer = root, .ca = true});
	leaf = cert_make(&(struct cert_options){
		.subject = "leaf",
		.issuer = middle,
		.serial = 2,
		.names = "DNS:a.example,DNS:www.a.example,DNS:mail.a.example,DNS:b.example,"
			 "DNS:www.b.example,DNS:mail.b.example,DNS:c.example,DNS:www.c.example"});
	test_env_open(&world, ENN_CRYPTO_AUTO);
	world.env.wall_offset = CERT_NOW * (int64_t)ENN_SECOND;
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	test_env_close(&world);
	cert_free(leaf);
	cert_free(middle);
	cert_free(root);
	return 0;
}

/* ---- algorithms ---------------------------------------------------------------------------------- */

static void test_round_trips(void **state)
{
	uint64_t seed = test_seed();
	static uint8_t in[70000];
	static uint8_t out[70000];

	(void)state;
	test_fill(&seed, in, 3000);
	for (uint16_t a = ENN_COMPRESSION_ZLIB; a <= ENN_COMPRESSION_ZSTD; a++) {
		static const size_t lengths[] = {1, 2, 1000, 4096, 70000};
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint8_t *packed = NULL;
			size_t len = 0;
			struct enn_bytes all = {in, lengths[i]};
			MUST(enn_compress(a, all, &packed, &len));
			struct enn_bytes c = {packed, len};
			MUST(enn_decompress(a, c, out, lengths[i]));
			assert_memory_equal(in, out, lengths[i]);
			/* neither more nor less than was said */
			assert_int_equal(enn_decompress(a, c, out, lengths[i] + 1), ENN_E_PARSE);
			assert_int_equal(enn_decompress(a, c, out, lengths[i] - 1), ENN_E_PARSE);
			free(packed);
		}
		assert_string_equal(enn_compression_name(a), names[a]);
	}
	assert_null(enn_compression_name(0));
	assert_null(enn_compression_name(4));
	struct enn_bytes some = {in, 10};
	uint8_t *none = NULL;
	size_t len = 0;
	assert_int_equal(enn_compress(4, some, &none, &len), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_decompress(4, some, out, 10), ENN_E_UNSUPPORTED);
}

static void test_broken_input(void **state)
{
	uint64_t seed = test_seed();
	uint8_t in[600];
	uint8_t out[600];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++) {
		in[i] = (uint8_t)(i % 50);
	}
	for (uint16_t a = ENN_COMPRESSION_ZLIB; a <= ENN_COMPRESSION_ZSTD; a++) {
		uint8_t *packed = NULL;
		size_t len = 0;
		struct enn_bytes all = {in, sizeof(in)};
		MUST(enn_compress(a, all, &packed, &len));
		/* cut at every place, in exact allocations so that reading past the end shows */
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *part = malloc(cut + 1);
			assert_non_null(part);
			memcpy(part, packed, cut);
			struct enn_bytes c = {part, cut};
			assert_int_equal(enn_decompress(a, c, out, sizeof(out)), ENN_E_PARSE);
			/* with something behind it */
			free(part);
		}
		uint8_t *longer = malloc(len + 1);
		assert_non_null(longer);
		memcpy(longer, packed, len);
		longer[len] = 0;
		struct enn_bytes behind = {longer, len + 1};
		assert_int_equal(enn_decompress(a, behind, out, sizeof(out)), ENN_E_PARSE);
		/* bits turned over: an error or other bytes, but never more than there is room for */
		for (int round = 0; round < 2000; round++) {
			uint64_t r = test_random(&seed);
			memcpy(longer, packed, len);
			longer[r % len] ^= (uint8_t)(1u << (r >> 32) % 8);
			struct enn_bytes turned = {longer, len};
			enum enn_status status = enn_decompress(a, turned, out, sizeof(out));
			assert_true(status == ENN_OK || status == ENN_E_PARSE);
		}
		free(longer);
		free(packed);
	}
}

/* 64 MiB of zeros in some kilobytes, said to be 100 KB. */
static void test_bombs(void **state)
{
	const size_t huge = 64u << 20;
	const size_t said = 100000;
	uint8_t *zeros = calloc(1, huge);
	uint8_t *out = malloc(said);

	(void)state;
	assert_non_null(zeros);
	assert_non_null(out);
	for (uint16_t a = ENN_COMPRESSION_ZLIB; a <= ENN_COMPRESSION_ZSTD; a++) {
		uint8_t *packed = NULL;
		size_t len = 0;
		struct enn_bytes all = {zeros, huge};
		MUST(enn_compress(a, all, &packed, &len));
		assert_true(len < huge / 500);
		struct enn_bytes bomb = {packed, len};
		assert_int_equal(enn_decompress(a, bomb, out, said), ENN_E_PARSE);
		free(packed);
	}
	free(zeros);
	free(out);
}

/* ---- live pairs ------------------------------------------------------------------------------------- */

static struct enn_security *side(const char *list, const char *more, struct enn_credential *k)
{
	char setting[64];
	const char *const settings[] = {setting, more, NULL};

	(void)snprintf(setting, sizeof(setting), "certificateCompression=%s", list);
	struct enn_security *s = tls_security(settings);
	tls_trust(s, root);
	if (k != NULL) {
		MUST(enn_security_add_credential(s, k));
	}
	return s;
}

static struct enn_credential *chain(void)
{
	const struct cert *rest[] = {middle};

	return tls_credential(leaf, rest, 1);
}

static void test_negotiation(void **state)
{
	static const struct {
		const char *client, *server;
		const char *used; /* of the server's certificate */
		const char *back; /* of the client's */
	} rows[] = {
		{"zlib", "zlib", "zlib", "zlib"},
		{"brotli", "brotli", "brotli", "brotli"},
		{"zstd", "zstd", "zstd", "zstd"},
		{"none", "zstd", NULL, NULL},
		{"zstd", "none", NULL, NULL},
		{"zlib", "zstd:brotli", NULL, NULL},
		/* each sender's order decides */
		{"zlib:brotli:zstd", "brotli:zstd:zlib", "brotli", "zlib"},
		{"zlib:zstd", "brotli:zstd:zlib", "zstd", "zlib"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_pair p = {.user = NULL};
		struct enn_credential *k = chain();
		struct enn_credential *mine = chain();
		struct enn_security *client = side(rows[i].client, NULL, mine);
		struct enn_security *server = side(rows[i].server, "requireClient=true", k);

		for (int round = 0; round < 2; round++) { /* made, then remembered */
			tls_pair_run(&p, &world.env, client, server, host, NULL);
			tls_pair_must_be_ready(&p);
			for (int end = 0; end < 2; end++) {
				const char *want = end == 0 ? rows[i].used : rows[i].back;
				const char *got = (end == 0 ? &p.client : &p.server)
							  ->info.certificate_compression;
				assert_true((want == NULL) == (got == NULL));
				assert_true(want == NULL || strcmp(want, got) == 0);
			}
			assert_int_equal(p.client.info.peer_chain_len, 2);
			assert_int_equal(p.client.info.peer_chain[0].len, leaf->der.len);
			assert_memory_equal(p.client.info.peer_chain[0].der, leaf->der.data,
					    leaf->der.len);
			tls_pair_free(&p);
		}
		enn_credential_free(k);
		enn_credential_free(mine);
		enn_security_free(client);
		enn_security_free(server);
	}
}

/* A response that is replaced is in the next message, though one was remembered. */
static void test_status_is_part(void **state)
{
	struct tls_pair p = {.user = NULL};
	struct enn_credential *k = chain();
	struct enn_security *client = side("brotli", NULL, NULL);
	struct enn_security *blunt = side("brotli", "requestStatus=false", NULL);
	struct enn_security *server = side("brotli", NULL, k);

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct enn_bytes response = ocsp_make(
			&(struct ocsp_options){.about = leaf,
					       .issuer = middle,
					       .word = i == 2 ? OCSP_REVOKED : OCSP_GOOD});
		MUST(enn_credential_set_ocsp(k, response.data, response.len, NULL));
		tls_pair_run(&p, &world.env, client, server, host, NULL);
		if (i == 2) {
			tls_pair_must_fail(&p, false, ENN_REASON_CERT_REVOKED,
					   ENN_ALERT_CERTIFICATE_REVOKED);
		} else {
			tls_pair_must_be_ready(&p);
			assert_int_equal(p.client.info.peer_status_len, response.len);
			assert_memory_equal(p.client.info.peer_status, response.data, response.len);
		}
		tls_pair_free(&p);
		tls_pair_run(&p, &world.env, blunt, server, host, NULL);
		tls_pair_must_be_ready(&p);
		assert_int_equal(p.client.info.peer_status_len, 0);
		assert_string_equal(p.client.info.certificate_compression, "brotli");
		tls_pair_free(&p);
		ocsp_free(response);
	}
	enn_credential_free(k);
	enn_security_free(client);
	enn_security_free(blunt);
	enn_security_free(server);
}

/* What a hostile server could put into the message, by way of what ours remembers. */
static void test_hostile_messages(void **state)
{
	enum { TURNED, SHORT, LONG, HUGE_, CUT, EMPTY, KINDS };
	(void)state;
	for (uint16_t a = ENN_COMPRESSION_ZLIB; a <= ENN_COMPRESSION_ZSTD; a++) {
		for (int kind = TURNED; kind < KINDS; kind++) {
			struct tls_pair p = {.user = NULL};
			struct enn_credential *k = chain();
			struct enn_security *client = side(names[a], NULL, NULL);
			struct enn_security *server = side(names[a], NULL, k);

			tls_pair_run(&p, &world.env, client, server, host, NULL);
			tls_pair_must_be_ready(&p);
			tls_pair_free(&p);
			struct enn_compressed *c = &k->compressed[a - 1][0];
			assert_true(c->known && c->len > 0 && c->len < c->full_len);
			switch (kind) {
			case TURNED:
				memset(c->data, 0xff, 8);
				break;
			case SHORT:
				c->full_len--;
				break;
			case LONG:
				c->full_len++;
				break;
			case HUGE_:
				c->full_len = 0xffffff;
				break;
			case CUT:
				c->len--;
				break;
			default:
				c->full_len = 0;
				break;
			}
			tls_pair_run(&p, &world.env, client, server, host, NULL);
			tls_pair_must_fail(&p, false, ENN_REASON_CERT_MALFORMED,
					   ENN_ALERT_BAD_CERTIFICATE);
			tls_pair_free(&p);
			enn_credential_free(k);
			enn_security_free(client);
			enn_security_free(server);
		}
	}
}

/* The limit on messages is one on what they are uncompressed. */
static void test_limit(void **state)
{
	struct tls_pair p = {.user = NULL};
	struct enn_credential *k = chain();
	struct enn_security *client = side("zstd", NULL, NULL);
	struct enn_security *server = side("zstd", NULL, k);
	struct enn_env own = world.env;

	(void)state;
	p.server_env = &own;
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_be_ready(&p);
	tls_pair_free(&p);
	const struct enn_compressed *c = &k->compressed[ENN_COMPRESSION_ZSTD - 1][0];
	size_t before = world.env.limits.max_handshake_message;
	world.env.limits.max_handshake_message = (uint32_t)(c->full_len - 1);
	assert_true(c->len + 100 < c->full_len);
	tls_pair_run(&p, &world.env, client, server, host, NULL);
	tls_pair_must_fail(&p, false, ENN_REASON_CERT_MALFORMED, ENN_ALERT_BAD_CERTIFICATE);
	tls_pair_free(&p);
	world.env.limits.max_handshake_message = (uint32_t)before;
	enn_credential_free(k);
	enn_security_free(client);
	enn_security_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),    cmocka_unit_test(test_broken_input),
		cmocka_unit_test(test_bombs),	       cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_status_is_part), cmocka_unit_test(test_hostile_messages),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests_name("tls_compression", tests, open_world, close_world);
}
