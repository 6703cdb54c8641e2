/* SPDX-License-Identifier: Apache-2.0
 *
 * What an AEAD back end provides. Private to aead*.c.
 */
#ifndef ENN_CRYPTO_AEAD_BACKEND_H
#define ENN_CRYPTO_AEAD_BACKEND_H

#include "crypto/aead.h"
#include "crypto/crypto.h"

struct enn_aead_backend {
	/* Bytes after struct enn_aead, and how they must be aligned (a power of two >= 16). */
	size_t state_len;
	size_t state_align;
	/* state is zeroed before init. rekey replaces the key in place. */
	enum enn_status (*init)(struct enn_aead *aead, const uint8_t *key);
	enum enn_status (*rekey)(struct enn_aead *aead, const uint8_t *key);
	void (*done)(struct enn_aead *aead); /* frees what init took; NULL: nothing */
	enum enn_status (*seal)(struct enn_aead *aead, struct enn_aead_job *job);
	/* in_len >= tag_len. Wipes nothing: the dispatcher does. */
	enum enn_status (*open)(struct enn_aead *aead, struct enn_aead_job *job);
	/* NULL: one at a time. */
	void (*seal_batch)(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);
	void (*open_batch)(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);
};

struct enn_aead {
	const struct enn_aead_backend *backend;
	const struct enn_aead_alg *alg;
	const struct enn_crypto *crypto;
	void *state; /* inside the same allocation */
	uint32_t size;
	enum enn_aead_direction direction;
};

/* NULL: this back end does not have the algorithm, or is not open. */
const struct enn_aead_backend *enn_aead_libcrypto(enum enn_aead_id id);
const struct enn_aead_backend *enn_aead_ipsec_mb(enum enn_aead_id id);

#endif
