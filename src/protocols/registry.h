/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocols that have an engine: each defines its own row in its own folder.
 * The rows of the others are in registry.c until they have one.
 */
#ifndef ENN_PROTOCOLS_REGISTRY_H
#define ENN_PROTOCOLS_REGISTRY_H

#include "ennead/protocol.h"

extern const struct enn_protocol enn_dtls_protocol;	 /* dtls/protocol.c */
extern const struct enn_protocol enn_tls_protocol;	 /* tls/protocol.c */
extern const struct enn_protocol enn_wireguard_protocol; /* wireguard/engine.c */

#endif
