/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials whose key is elsewhere and that know how to have it sign.
 */
#include "base/log.h"
#include "features/security.h"

static void release_context(void (*release)(void *ctx), void *ctx)
{
	if (release != NULL) {
		release(ctx);
	}
}

enum enn_status enn_credential_x509_signer(const char *chain, size_t chain_len,
					   enn_sign_function sign, void (*release)(void *ctx),
					   void *ctx, struct enn_credential **out,
					   struct enn_error *error)
{
	if (sign == NULL) {
		release_context(release, ctx);
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "credential", "a parameter is missing");
	}
	enum enn_status status = enn_credential_x509_external(chain, chain_len, out, error);
	if (status != ENN_OK) {
		release_context(release, ctx);
		return status;
	}
	(*out)->sign = sign;
	(*out)->sign_release = release;
	(*out)->sign_ctx = ctx;
	return ENN_OK;
}

bool enn_credential_can_sign(const struct enn_credential *credential)
{
	return credential != NULL && credential->sign != NULL;
}

enum enn_status enn_credential_sign(struct enn_credential *credential, uint16_t scheme,
				    const uint8_t *input, size_t input_len, uint8_t *signature,
				    size_t *len)
{
	if (credential == NULL || input == NULL || signature == NULL || len == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (credential->sign == NULL) {
		return ENN_E_UNSUPPORTED;
	}
	return credential->sign(credential->sign_ctx, scheme, input, input_len, signature, len);
}
