/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for the ipsec-mb back end in a build without the library.
 */
#include "crypto/aead_backend.h"

enum enn_status enn_ipsec_mb_open(struct enn_crypto *crypto, bool any)
{
	(void)crypto;
	(void)any;
	return ENN_E_UNSUPPORTED;
}

void enn_ipsec_mb_close(struct enn_crypto *crypto)
{
	(void)crypto;
}

void enn_ipsec_mb_describe(const struct enn_crypto *crypto, char *out, size_t cap)
{
	(void)crypto;
	if (cap > 0) {
		out[0] = '\0';
	}
}

const struct enn_aead_backend *enn_aead_ipsec_mb(enum enn_aead_id id)
{
	(void)id;
	return NULL;
}
