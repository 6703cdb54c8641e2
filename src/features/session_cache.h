/* SPDX-License-Identifier: Apache-2.0
 *
 * Session caching and management (survey SC): the in-memory store and the keys that
 * seal stateless tickets.
 */
#ifndef ENN_FEATURES_SESSION_CACHE_H
#define ENN_FEATURES_SESSION_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "ennead/security.h"

struct enn_session_store *enn_session_store_ref(struct enn_session_store *store);

/* Ticket protection after the recipe of RFC 5077 §4 with an AEAD: key name, nonce, AES-256-GCM. */
struct enn_ticket_keys;
#define ENN_TICKET_OVERHEAD (16u + 12u + 16u)

struct enn_ticket_keys *enn_ticket_keys_new(void);
struct enn_ticket_keys *enn_ticket_keys_ref(struct enn_ticket_keys *keys);
/* An independent copy of all keys. NULL: out of memory. */
struct enn_ticket_keys *enn_ticket_keys_copy(const struct enn_ticket_keys *keys);
void enn_ticket_keys_free(struct enn_ticket_keys *keys);
enum enn_status enn_ticket_keys_set(struct enn_ticket_keys *keys, const uint8_t *key, size_t len,
				    int64_t wall_now);

/* Seals state into out (len + ENN_TICKET_OVERHEAD bytes). Makes and rotates random keys (from
 * env's random source) as lifetime demands. ENN_E_SPACE, ENN_E_CRYPTO, ENN_E_MEMORY. */
enum enn_status enn_ticket_seal(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, int64_t lifetime, const uint8_t *state,
				size_t len, uint8_t *out, size_t cap, size_t *out_len);
/* Opens into out (at least len bytes of room). ENN_E_NOT_FOUND: not one of ours, or its key is
 * gone. ENN_E_CRYPTO: forged. */
enum enn_status enn_ticket_open(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, const uint8_t *ticket, size_t len, uint8_t *out,
				size_t cap, size_t *out_len);

/* UNIX time of the first use of these keys by this process; INT64_MAX before it. A ticket issued
 * earlier comes from another process that had the same key (RFC 8446 §8.2). */
int64_t enn_ticket_keys_since(const struct enn_ticket_keys *keys);

#endif
