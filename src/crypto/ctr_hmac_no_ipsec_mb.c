/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for ctr_hmac_ipsec_mb.c in a build without the library: never called.
 */
#include "crypto/ctr_hmac_backend.h"

void enn_ctr_hmac_mb_rekey(struct enn_ctr_hmac *x, const uint8_t *key)
{
	(void)x;
	(void)key;
}

void enn_ctr_mb(struct enn_ctr_hmac *x, struct enn_ctr_job *jobs, size_t count)
{
	(void)x;
	(void)jobs;
	(void)count;
}

void enn_hmac_sha1_mb(struct enn_ctr_hmac *x, struct enn_mac_job *jobs, size_t count)
{
	(void)x;
	(void)jobs;
	(void)count;
}
