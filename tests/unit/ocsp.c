/* SPDX-License-Identifier: Apache-2.0 */
#include "ocsp.h"

#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>

/* assert() goes away with NDEBUG; these must not. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "ocsp.c:%d: %s\n", __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static ASN1_TIME *time_of(int64_t seconds)
{
	ASN1_TIME *time = ASN1_GENERALIZEDTIME_set(NULL, (time_t)seconds);

	CHECK(time != NULL);
	return time;
}

static OCSP_BASICRESP *answer(const struct ocsp_options *o)
{
	static const int words[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
				    V_OCSP_CERTSTATUS_UNKNOWN};
	const struct cert *signer = o->signer == NULL ? o->issuer : o->signer;
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_get_digestbyname(o->hash == NULL ? "SHA1" : o->hash),
					  o->about->x509, o->issuer->x509);
	ASN1_TIME *this_update = time_of(o->this_update == 0 ? CERT_NOW - 3600 : o->this_update);
	ASN1_TIME *next_update =
		o->next_update < 0
			? NULL
			: time_of(o->next_update == 0 ? CERT_NOW + CERT_DAY : o->next_update);
	ASN1_TIME *revoked = time_of(CERT_NOW - CERT_DAY);

	CHECK(basic != NULL && id != NULL);
	CHECK(OCSP_basic_add1_status(basic, id, words[o->word], OCSP_REVOKED_STATUS_KEYCOMPROMISE,
				     o->word == OCSP_REVOKED ? revoked : NULL, this_update,
				     next_update) != NULL);
	CHECK(OCSP_basic_sign(basic, signer->x509, signer->key,
			      EVP_PKEY_is_a(signer->key, "ED25519") ? NULL : EVP_sha256(), NULL,
			      signer == o->issuer ? OCSP_NOCERTS : 0) == 1);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(this_update);
	ASN1_TIME_free(next_update);
	ASN1_TIME_free(revoked);
	return basic;
}

struct enn_bytes ocsp_make(const struct ocsp_options *o)
{
	OCSP_BASICRESP *basic = o->try_later ? NULL : answer(o);

	if (o->break_signature) {
		const ASN1_OCTET_STRING *signature = OCSP_resp_get0_signature(basic);
		((unsigned char *)(uintptr_t)ASN1_STRING_get0_data(
			signature))[ASN1_STRING_length(signature) - 1] ^= 1;
	}
	OCSP_RESPONSE *response = OCSP_response_create(
		o->try_later ? OCSP_RESPONSE_STATUS_TRYLATER : OCSP_RESPONSE_STATUS_SUCCESSFUL,
		basic);
	unsigned char *der = NULL;
	int len = i2d_OCSP_RESPONSE(response, &der);

	CHECK(len > 0);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	return (struct enn_bytes){der, (size_t)len};
}

void ocsp_free(struct enn_bytes response)
{
	OPENSSL_free((void *)(uintptr_t)response.data);
}
