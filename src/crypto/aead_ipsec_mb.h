/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the ipsec-mb back end.
 */
#ifndef ENN_CRYPTO_AEAD_IPSEC_MB_H
#define ENN_CRYPTO_AEAD_IPSEC_MB_H

#include "crypto/aead_backend.h"

extern const struct enn_aead_backend enn_aead_mb_chacha;

#endif
