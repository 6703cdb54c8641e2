/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to what the engine asks: pre-shared keys, signatures, trust.
 */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static bool give(struct conn *c, enn_time now, const struct enn_answer *answer)
{
	enum enn_status status = enn_engine_answer(c->e, now, answer);

	if (status != ENN_OK) {
		progress("answer: %s", enn_status_name(status));
	}
	return status == ENN_OK;
}

bool answer_psk(struct conn *c, enn_time now, const struct enn_event *event)
{
	struct enn_answer answer = {.type = ENN_ANSWER_PSK, .hash = ENN_PSK_SHA256};
	struct blob key = {0};
	bool ok;

	progress("want-psk %.*s", (int)event->u.psk.identity_len,
		 (const char *)event->u.psk.identity);
	if (c->o->answer_psk != NULL && hex_decode(c->o->answer_psk, &key)) {
		answer.accept = true;
		answer.data = key.data;
		answer.len = key.len;
	}
	ok = give(c, now, &answer);
	free(key.data);
	return ok;
}

bool answer_peer(struct conn *c, enn_time now)
{
	struct enn_answer answer = {.type = ENN_ANSWER_PEER};

	answer.accept = c->o->delegate != NULL && strcmp(c->o->delegate, "accept") == 0;
	return give(c, now, &answer);
}

/* RFC 8446 §4.2.3: the hash that belongs to a signature scheme; NULL for EdDSA. */
static const EVP_MD *scheme_hash(uint16_t scheme)
{
	switch (scheme) {
	case 0x0401: /* rsa_pkcs1_sha256 */
	case 0x0403: /* ecdsa_secp256r1_sha256 */
	case 0x0804: /* rsa_pss_rsae_sha256 */
	case 0x0809: /* rsa_pss_pss_sha256 */
		return EVP_sha256();
	case 0x0503:
	case 0x0805:
	case 0x080a:
		return EVP_sha384();
	case 0x0806:
	case 0x080b:
		return EVP_sha512();
	default:
		return NULL;
	}
}

static bool sign(const char *path, const struct enn_event *event, uint8_t *out, size_t *len)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	uint16_t scheme = event->u.sign.scheme;
	bool ok;

	ok = key != NULL && md != NULL &&
	     EVP_DigestSignInit(md, &ctx, scheme_hash(scheme), NULL, key) == 1;
	if (ok && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && scheme >= 0x0800) {
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	}
	ok = ok && EVP_DigestSign(md, out, len, event->u.sign.input, event->u.sign.input_len) == 1;
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	if (f != NULL) {
		fclose(f);
	}
	return ok;
}

bool answer_sign(struct conn *c, enn_time now, const struct enn_event *event)
{
	struct enn_answer answer = {.type = ENN_ANSWER_SIGNATURE};
	uint8_t signature[1024];
	size_t len = sizeof(signature);

	if (c->o->external_key != NULL && sign(c->o->external_key, event, signature, &len)) {
		answer.accept = true;
		answer.data = signature;
		answer.len = len;
	}
	return give(c, now, &answer);
}
