/* SPDX-License-Identifier: Apache-2.0
 *
 * What was decided and why, in words: lines of the environment's log at ENN_LOG_INFO. Nothing is done
 * where there is no log.
 */
#ifndef ENN_HANDSHAKE_REASONS_H
#define ENN_HANDSHAKE_REASONS_H

#include "handshake/internal.h"

/* Server, when version, suite and group are chosen for this ClientHello. group NULL: psk_ke.
 * psk: the PSK decides the suite. */
void enn_reasons_server(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			const struct enn_tls_suite *suite, const struct enn_kx_alg *group,
			bool have_share, bool psk);
/* Server: the credential, when enn_certificate_choose has set hs->own. */
void enn_reasons_certificate(const struct enn_handshake *hs, struct enn_bytes name);
/* Client, when the ServerHello has been taken: result has the suite, the version and the group. */
void enn_reasons_client(const struct enn_handshake *hs);
/* Client: early data was rejected. */
void enn_reasons_early_data(const struct enn_handshake *hs);
/* why NULL: nothing is said. "the session is not offered: …" */
void enn_reasons_session(const struct enn_handshake *hs, const char *what, const char *why);

#endif
