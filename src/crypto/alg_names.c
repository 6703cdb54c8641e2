/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding algorithms by the names people write.
 */
#include "base/compiler.h"
#include "crypto/alg.h"

#define NAME_MAX_LEN 48

static const struct alias {
	enum enn_alg_kind kind;
	const char *name;
	uint16_t code;
} aliases[] = {
	{ENN_ALG_GROUP, "secp256r1", 0x0017},
	{ENN_ALG_GROUP, "prime256v1", 0x0017},
	{ENN_ALG_GROUP, "secp384r1", 0x0018},
	{ENN_ALG_SUITE, "AES_128_GCM_SHA256", 0x1301},
	{ENN_ALG_SUITE, "AES_128_GCM", 0x1301},
	{ENN_ALG_SUITE, "AES_256_GCM_SHA384", 0x1302},
	{ENN_ALG_SUITE, "AES_256_GCM", 0x1302},
	{ENN_ALG_SUITE, "CHACHA20_POLY1305_SHA256", 0x1303},
	{ENN_ALG_SUITE, "CHACHA20_POLY1305", 0x1303},
	{ENN_ALG_SUITE, "ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
	{ENN_ALG_SUITE, "ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
	{ENN_ALG_SUITE, "ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
	{ENN_ALG_SUITE, "ECDHE-RSA-AES128-GCM-SHA256", 0xc02f},
	{ENN_ALG_SUITE, "ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
	{ENN_ALG_SUITE, "ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},
	{ENN_ALG_SUITE, "ECDHE-PSK-AES128-GCM-SHA256", 0xd001},
	{ENN_ALG_SUITE, "ECDHE-PSK-AES256-GCM-SHA384", 0xd002},
	{ENN_ALG_SUITE, "ECDHE-PSK-CHACHA20-POLY1305", 0xccac},
	{ENN_ALG_VERSION, "TLS1.3", 0x0304},
	{ENN_ALG_VERSION, "TLS1.2", 0x0303},
	{ENN_ALG_VERSION, "1.3", 0x0304},
	{ENN_ALG_VERSION, "1.2", 0x0303},
	{ENN_ALG_SIGNATURE, "ecdsa_p256_sha256", 0x0403},
	{ENN_ALG_SIGNATURE, "ecdsa_p384_sha384", 0x0503},
};

struct row {
	const char *name; /* NULL past the end */
	uint16_t code;
};

/* Row `index` of a kind by its own name. */
static struct row row_at(enum enn_alg_kind kind, size_t index)
{
	static const struct row modes[] = {{"psk_dhe_ke", 1}, {"psk_ke", 0}};
	static const struct row versions[] = {{"TLSv1.3", 0x0304}, {"TLSv1.2", 0x0303}};
	/* RFC 8879 §7.3; 0 is reserved there */
	static const struct row compressions[] = {
		{"brotli", 2}, {"zstd", 3}, {"zlib", 1}, {"none", 0}};
	const struct enn_tls_suite *suite;
	const struct enn_sig_alg *sig;

	switch (kind) {
	case ENN_ALG_SUITE:
		suite = enn_tls_suite_at(index);
		return suite == NULL ? (struct row){NULL, 0}
				     : (struct row){suite->name, suite->code};
	case ENN_ALG_GROUP:
		if (index < ENN_KX_COUNT) {
			const struct enn_kx_alg *kx = enn_kx_alg((enum enn_kx_id)index);
			return (struct row){kx->name, kx->tls_group};
		}
		break;
	case ENN_ALG_SIGNATURE:
		sig = enn_sig_alg_at(index);
		return sig == NULL ? (struct row){NULL, 0}
				   : (struct row){sig->name, sig->tls_scheme};
	case ENN_ALG_PSK_MODE:
		if (index < ENN_ARRAY_LEN(modes)) {
			return modes[index];
		}
		break;
	case ENN_ALG_COMPRESSION:
		if (index < ENN_ARRAY_LEN(compressions)) {
			return compressions[index];
		}
		break;
	case ENN_ALG_VERSION:
		if (index < ENN_ARRAY_LEN(versions)) {
			return versions[index];
		}
		break;
	}
	return (struct row){NULL, 0};
}

/* Lower case without '-' and '_'. Returns the length; longer names are cut, and so fit nothing. */
static size_t fold(const char *name, size_t len, char out[NAME_MAX_LEN])
{
	size_t n = 0;
	for (size_t i = 0; i < len && n < NAME_MAX_LEN; i++) {
		char c = name[i];
		if (c == '-' || c == '_') {
			continue;
		}
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return n;
}

static bool same_name(const char *folded, size_t folded_len, const char *name)
{
	char other[NAME_MAX_LEN];
	size_t n = fold(name, strlen(name), other);
	return n == folded_len && memcmp(folded, other, n) == 0;
}

static size_t erase(char *text, size_t len, const char *what)
{
	size_t n = strlen(what);
	char *at = memmem(text, len, what, n);

	if (at == NULL) {
		return len;
	}
	memmove(at, at + n, len - n - (size_t)(at - text));
	return len - n;
}

/* OpenSSL's name of a suite, folded: "ECDHE-RSA-AES128-GCM-SHA256" has neither TLS nor WITH, and where the
 * hash or the mode is the only one, not that either. */
static size_t openssl_form(const char *name, char out[NAME_MAX_LEN])
{
	size_t n = fold(name, strlen(name), out);
	char *end = memmem(out, n, "poly1305", 8);

	n = end == NULL ? n : (size_t)(end + 8 - out);
	n = erase(out, n, "tls");
	n = erase(out, n, "with");
	return erase(out, n, "cbc");
}

static int32_t find_openssl_suite(const char *folded, size_t len)
{
	struct row row;

	for (size_t i = 0; (row = row_at(ENN_ALG_SUITE, i)).name != NULL; i++) {
		char form[NAME_MAX_LEN];
		size_t n = openssl_form(row.name, form);
		if (n == len && memcmp(form, folded, n) == 0) {
			return row.code;
		}
	}
	return -1;
}

int32_t enn_alg_find(enum enn_alg_kind kind, const char *name, size_t len)
{
	char folded[NAME_MAX_LEN];
	size_t n = fold(name, len, folded);
	struct row row;

	for (size_t i = 0; (row = row_at(kind, i)).name != NULL; i++) {
		if (same_name(folded, n, row.name)) {
			return row.code;
		}
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(aliases); i++) {
		if (aliases[i].kind == kind && same_name(folded, n, aliases[i].name)) {
			return aliases[i].code;
		}
	}
	return kind == ENN_ALG_SUITE ? find_openssl_suite(folded, n) : -1;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[NAME_MAX_LEN + 1];

	for (size_t j = 0; j <= b_len; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			row[j] = best;
		}
	}
	return row[b_len];
}

static size_t name_distance(const char *folded, size_t folded_len, const char *name)
{
	char other[NAME_MAX_LEN];
	size_t n = fold(name, strlen(name), other);
	return distance(folded, folded_len, other, n);
}

const char *enn_alg_nearest(enum enn_alg_kind kind, const char *name, size_t len)
{
	char folded[NAME_MAX_LEN];
	size_t n = fold(name, len, folded);
	size_t best = SIZE_MAX;
	const char *nearest = "";
	struct row row;

	for (size_t i = 0; (row = row_at(kind, i)).name != NULL; i++) {
		size_t d = name_distance(folded, n, row.name);
		if (d < best) {
			best = d;
			nearest = row.name;
		}
	}
	/* "AES_128_GMC" is nearer to an alias than to the full name: an alias of the kind counts
	 * too. */
	for (size_t i = 0; i < ENN_ARRAY_LEN(aliases); i++) {
		size_t d =
			aliases[i].kind == kind ? name_distance(folded, n, aliases[i].name) : best;
		if (d < best) {
			best = d;
			nearest = aliases[i].name;
		}
	}
	return nearest;
}

const char *enn_alg_at(enum enn_alg_kind kind, size_t index, uint16_t *code)
{
	struct row row = row_at(kind, index);

	*code = row.code;
	if (kind == ENN_ALG_GROUP && row.name != NULL && !enn_kx_available(row.code)) {
		return NULL; /* those are the last ones */
	}
	return row.name;
}

const char *enn_alg_name(enum enn_alg_kind kind, uint16_t code)
{
	struct row row;

	for (size_t i = 0; (row = row_at(kind, i)).name != NULL; i++) {
		if (row.code == code) {
			return row.name;
		}
	}
	return "?";
}

size_t enn_alg_distance(const char *name, size_t len, const char *known)
{
	char folded[NAME_MAX_LEN];

	return name_distance(folded, fold(name, len, folded), known);
}
