/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment: everything an engine may not take for itself.
 *
 * An engine never reads a clock, a random device, a file or a global. What it
 * needs comes from here, so that a run with a seeded environment can be
 * repeated to the byte.
 */
#ifndef ENNEAD_ENV_H
#define ENNEAD_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds on a monotonic clock that the caller chooses. */
typedef uint64_t enn_time;
#define ENN_TIME_NEVER	UINT64_MAX
#define ENN_MICROSECOND UINT64_C(1000)
#define ENN_MILLISECOND UINT64_C(1000000)
#define ENN_SECOND	UINT64_C(1000000000)

/* The cryptographic context: chosen back ends and prefetched algorithms.
 * Belongs to one thread (an ipsec-mb manager is not shareable); many engines of
 * that thread share it. Owned by the caller and must outlive them. */
struct enn_crypto;

enum enn_crypto_backend {
	ENN_CRYPTO_AUTO = 0,	  /* ipsec-mb when library and CPU allow, else libcrypto */
	ENN_CRYPTO_LIBCRYPTO = 1, /* libcrypto only */
	ENN_CRYPTO_IPSEC_MB = 2,  /* ipsec-mb required: ENN_E_UNSUPPORTED without it */
};

/* Errors: ENN_E_MEMORY, ENN_E_UNSUPPORTED. */
ENN_API ENN_MUST_CHECK enum enn_status enn_crypto_new(enum enn_crypto_backend backend,
						      struct enn_crypto **out);
ENN_API void enn_crypto_free(struct enn_crypto *crypto);
/* "ipsec-mb 1.3.0 (AVX512), OpenSSL 3.0.22 25 Aug 2026". Lives as long as crypto. */
ENN_API const char *enn_crypto_describe(const struct enn_crypto *crypto);

enum enn_log_level { ENN_LOG_ERROR, ENN_LOG_WARNING, ENN_LOG_INFO, ENN_LOG_DEBUG };

struct enn_limits {
	size_t max_handshake_message; /* bytes of one handshake message; 0 means 131072 */
	size_t max_certificates;      /* certificates in a chain; 0 means 16 */
	size_t max_pending_messages; /* reserved for message services; 0 means the engine's default */
};

/* Plain data, borrowed by every engine made from it: it and what it points at
 * must outlive them. A zeroed struct with `crypto` set is a working environment.
 *
 * Callbacks are called on the engine's thread, must not call back into the
 * engine, and must not block. */
struct enn_env {
	struct enn_crypto *crypto; /* required */

	/* UNIX time in nanoseconds at enn_time 0: certificate validity and ticket
	 * ages are reckoned as wall_offset + now. */
	int64_t wall_offset;

	/* Fills out with len random bytes. NULL: libcrypto's generator. A failure is
	 * any non-zero return and fails the engine. */
	int (*random)(void *ctx, uint8_t *out, size_t len);
	void *random_ctx;

	/* Aligned to 16 bytes, like malloc. NULL: malloc and free. free gets the size
	 * that alloc was given. */
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *ptr, size_t size);
	void *alloc_ctx;

	/* One line of the NSS key log format, without newline; NUL-terminated.
	 * NULL: keys never leave the engine. */
	void (*keylog)(void *ctx, const char *line);
	void *keylog_ctx;

	/* One line of text for a person; never holds secrets. NULL: no log. */
	void (*log)(void *ctx, enum enn_log_level level, const char *text);
	void *log_ctx;

	/* One JSON object (qlog style) per protocol event. NULL: no trace. */
	void (*trace)(void *ctx, enn_time now, const char *json);
	void *trace_ctx;

	struct enn_limits limits;
};

#ifdef __cplusplus
}
#endif
#endif
