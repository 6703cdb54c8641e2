/* SPDX-License-Identifier: Apache-2.0
 *
 * What else a peer shows of itself: compressed certificates, OCSP responses, raw public keys; and the texts
 * that name keys. The first byte says which. Where it is odd the rest are changes to something that
 * is right, otherwise the thing itself.
 */
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/x509.h"
#include "features/compression.h"
#include "fuzz.h"

#define MOST 4096

static struct {
	struct enn_trust *trust; /* the issuer */
	struct enn_bytes leaf;
	uint8_t response[MOST];
	size_t response_len;
	uint8_t packed[3][MOST];
	size_t packed_len[3];
	uint8_t plain[1024];
	uint8_t spki[256];
	size_t spki_len;
} right;

static EVP_PKEY *key_of(const char *text)
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)text, 32);
}

static X509 *certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *x = X509_new();

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), issuer == NULL ? 1 : 2);
	ASN1_TIME_set_string(X509_getm_notBefore(x), "20200101000000Z");
	ASN1_TIME_set_string(X509_getm_notAfter(x), "20490101000000Z");
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer == NULL ? x : issuer));
	X509_set_pubkey(x, key);
	if (issuer == NULL) {
		X509_EXTENSION *e =
			X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	FUZZ_ASSERT(X509_sign(x, issuer_key, NULL) > 0);
	return x;
}

static void make_response(X509 *leaf, X509 *issuer, EVP_PKEY *issuer_key)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha256(), leaf, issuer);
	ASN1_TIME *from = ASN1_GENERALIZEDTIME_set(NULL, 1799990000);
	ASN1_TIME *until = ASN1_GENERALIZEDTIME_set(NULL, 1800090000);
	uint8_t *at = right.response;

	FUZZ_ASSERT(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from,
					   until) != NULL);
	FUZZ_ASSERT(OCSP_basic_sign(basic, issuer, issuer_key, NULL, NULL, OCSP_NOCERTS) == 1);
	OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	FUZZ_ASSERT(i2d_OCSP_RESPONSE(response, NULL) <= MOST);
	right.response_len = (size_t)i2d_OCSP_RESPONSE(response, &at);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}

static void make_right(void)
{
	EVP_PKEY *issuer_key = key_of("the key of an authority to fuzz.");
	EVP_PKEY *key = key_of("the key of a leaf, to fuzz with.");
	X509 *issuer = certificate("issuer", issuer_key, NULL, issuer_key);
	X509 *leaf = certificate("localhost", key, issuer, issuer_key);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;
	uint8_t *der = NULL;
	uint8_t *at = right.spki;

	PEM_write_bio_X509(bio, issuer);
	long pem_len = BIO_get_mem_data(bio, &pem);
	right.trust = enn_trust_new();
	FUZZ_ASSERT(right.trust != NULL &&
		    enn_trust_add_pem(right.trust, pem, (size_t)pem_len, NULL) == ENN_OK);
	BIO_free(bio);
	int len = i2d_X509(leaf, &der);
	right.leaf = (struct enn_bytes){der, (size_t)len};
	make_response(leaf, issuer, issuer_key);
	right.spki_len = (size_t)i2d_PUBKEY(key, &at);
	for (size_t i = 0; i < sizeof(right.plain); i++) {
		right.plain[i] = (uint8_t)(i * i >> 5);
	}
	for (uint16_t a = 1; a <= 3; a++) {
		struct enn_bytes plain = {right.plain, sizeof(right.plain)};
		uint8_t *packed = NULL;
		FUZZ_ASSERT(enn_compress(a, plain, &packed, &right.packed_len[a - 1]) == ENN_OK &&
			    right.packed_len[a - 1] <= MOST);
		memcpy(right.packed[a - 1], packed, right.packed_len[a - 1]);
		free(packed);
	}
	X509_free(issuer);
	X509_free(leaf);
	EVP_PKEY_free(key);
	EVP_PKEY_free(issuer_key);
}

/* The thing itself, or changes (u16 where, u8 what) to the right one. */
static struct enn_bytes input(bool change, const uint8_t *data, size_t size, const uint8_t *good,
			      size_t good_len, uint8_t room[MOST])
{
	if (!change) {
		return (struct enn_bytes){data, size};
	}
	memcpy(room, good, good_len);
	for (; size >= 3; data += 3, size -= 3) {
		room[(size_t)(data[0] << 8 | data[1]) % good_len] ^= data[2];
	}
	/* one or two bytes more: cut */
	return (struct enn_bytes){room, size > 0 ? data[0] % (good_len + 1) : good_len};
}

static void check_status(struct enn_bytes response)
{
	static const uint16_t schemes[] = {0x0807};
	struct enn_peer_chain *chain = NULL;
	struct enn_error error = {.status = ENN_OK};
	int64_t until;
	struct enn_verify_policy policy = {
		.peer_is_server = true,
		.wall_seconds = 1800000000,
		.cert_signatures = schemes,
		.cert_signatures_len = 1,
		.status = response,
		.status_asked = true,
		.status_required = true,
	};

	FUZZ_ASSERT(enn_peer_chain_parse(&right.leaf, 1, &chain, &error) == ENN_OK);
	enum enn_status status = enn_trust_verify(right.trust, chain, &policy, &error);
	/* no other bytes than the right ones are signed by the issuer, but they may be encoded otherwise */
	FUZZ_ASSERT(status == ENN_OK ||
		    (status == ENN_E_AUTH && error.text[0] != '\0' && error.wire_code <= 255));
	bool same = response.len == right.response_len &&
		    memcmp(response.data, right.response, response.len) == 0;
	FUZZ_ASSERT(!same || status == ENN_OK);
	enn_peer_chain_free(chain);
	(void)enn_x509_status_until(response, &until);
}

static enum enn_status count_key(void *ctx, struct enn_bytes spki, enum enn_key_type type)
{
	FUZZ_ASSERT(spki.len > 0 && type != ENN_KEY_OTHER);
	(*(size_t *)ctx)++;
	return ENN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[MOST];
	uint8_t out[2048];
	struct enn_peer_chain *chain = NULL;
	struct enn_error error;
	size_t keys = 0;

	(void)fuzz_env();
	if (right.trust == NULL) {
		make_right();
	}
	if (size < 3) {
		return 0;
	}
	bool change = (data[0] & 1) != 0;
	uint8_t kind = (data[0] >> 1) % 6;
	if (kind < 3) {
		struct enn_bytes packed = input(change, data + 3, size - 3, right.packed[kind],
						right.packed_len[kind], room);
		size_t len = change ? sizeof(right.plain) + (size_t)(int8_t)data[1]
				    : ((size_t)data[1] << 8 | data[2]) % sizeof(out);
		(void)enn_decompress((uint16_t)(kind + 1), packed, out, len);
	} else if (kind == 3) {
		check_status(input(change, data + 1, size - 1, right.response, right.response_len,
				   room));
	} else {
		struct enn_bytes spki =
			input(change, data + 1, size - 1, right.spki, right.spki_len, room);
		if (kind == 4 && enn_peer_chain_from_key(spki, &chain, &error) == ENN_OK) {
			FUZZ_ASSERT(enn_peer_chain_key(chain) != NULL);
		}
		enn_peer_chain_free(chain);
		enum enn_status status =
			enn_spki_each(spki.data, spki.len, count_key, &keys, &error);
		FUZZ_ASSERT((status == ENN_OK) == (keys > 0) || status != ENN_OK);
	}
	return 0;
}
