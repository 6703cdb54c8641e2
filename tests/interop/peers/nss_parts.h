/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the NSS peer: Encrypted ClientHello (nss_ech.c), compressed certificates (nss_compress.c).
 */
#ifndef TESTS_INTEROP_NSS_PARTS_H
#define TESTS_INTEROP_NSS_PARTS_H

#include <nspr.h>
#include <ssl.h>

#include "peer.h"

/* Server: makes its key, and writes the configuration for it to o->ech_out. */
bool nss_ech_open(const struct peer_options *o);
void nss_ech_close(void);
SECStatus nss_ech_set(PRFileDesc *fd, const struct peer_options *o);
/* Client, after a refusal: writes what the server wants instead to o->ech_retry_out. */
void nss_ech_keep_retry(PRFileDesc *fd, const struct peer_options *o);

/* o->compress, both ways. */
SECStatus nss_compress_set(PRFileDesc *fd, const struct peer_options *o);

#endif
