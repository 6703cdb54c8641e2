/* SPDX-License-Identifier: Apache-2.0
 *
 * Name look-ups, one address family at a time: RFC 8305 §3 wants to see the answers
 * apart.
 */
#ifndef ENN_RUNTIME_RESOLVER_H
#define ENN_RUNTIME_RESOLVER_H

#include "ennead/engine.h"
#include "runtime/runtime.h"

struct enn_lookup;

/* addresses are in the order of the system's destination address selection (RFC 6724), with `port`.
 * count 0: none, and uv_error says why. The look-up is over: the handle is gone. */
typedef void (*enn_lookup_done)(void *owner, enum enn_family family,
				const struct enn_address *addresses, size_t count, int uv_error);

/* At most `most` addresses are reported. */
enum enn_status enn_lookup_start(struct enn_runtime *rt, const char *host, uint16_t port,
				 enum enn_family family, size_t most, enn_lookup_done done,
				 void *owner, struct enn_lookup **out);
/* done will not be called. The system's resolver may go on for a while behind the scenes. */
void enn_lookup_cancel(struct enn_lookup *lookup);

#endif
