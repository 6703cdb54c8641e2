/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS 1.3 key schedule (RFC 8446 §7.1): one running secret and what is
 * derived from it. The figure in §7.1 read from top to bottom is the order of
 * these calls.
 */
#ifndef ENN_HANDSHAKE_KEY_SCHEDULE_H
#define ENN_HANDSHAKE_KEY_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"

#define ENN_MAX_SECRET 48 /* SHA-384 */

/* What labels begin with: "tls13 ", or of DTLS 1.3 "dtls13" (RFC 9147 §5.9). */
extern const char enn_label_tls13[];
extern const char enn_label_dtls13[];

struct enn_key_schedule {
	const struct enn_hash_alg *hash;
	const char *prefix;		/* one of the two above */
	uint8_t secret[ENN_MAX_SECRET]; /* Early Secret, then Handshake Secret, then Main Secret */
	struct enn_hmac keyed;		/* with that secret: several labels hang on each */
};

/* Early Secret = HKDF-Extract(0, PSK); psk NULL is the string of zeros. */
void enn_key_schedule_early(struct enn_key_schedule *ks, const char *prefix,
			    const struct enn_hash_alg *hash, const uint8_t *psk, size_t psk_len);
/* Handshake Secret; shared NULL (psk_ke) is the string of zeros. */
void enn_key_schedule_handshake(struct enn_key_schedule *ks, const uint8_t *shared,
				size_t shared_len);
/* Main Secret. */
void enn_key_schedule_main(struct enn_key_schedule *ks);
/* Derive-Secret(secret, label, transcript), transcript given as its hash; NULL is Hash(""). */
void enn_key_schedule_derive(const struct enn_key_schedule *ks, const char *label,
			     const uint8_t *transcript_hash, uint8_t *out);
void enn_key_schedule_wipe(struct enn_key_schedule *ks);

/* finished: HMAC(HKDF-Expand-Label(base, "finished", "", Hash.length), transcript_hash) (§4.4.4);
 * also the binders with the binder key as base (§4.2.11.2). */
void enn_finished_mac(const char *prefix, const struct enn_hash_alg *hash, const uint8_t *base,
		      const uint8_t *transcript_hash, uint8_t *out);
/* application_traffic_secret_N+1 in place (§7.2). */
void enn_traffic_secret_update(const char *prefix, const struct enn_hash_alg *hash,
			       uint8_t *secret);
/* The write key and IV of a traffic secret (§7.3). */
void enn_traffic_keys(const char *prefix, const struct enn_hash_alg *hash, const uint8_t *secret,
		      uint8_t *key, size_t key_len, uint8_t iv[12]);
/* PSK of a ticket: HKDF-Expand-Label(resumption secret, "resumption", nonce) (§4.6.1). */
void enn_resumption_psk(const char *prefix, const struct enn_hash_alg *hash,
			const uint8_t *resumption_secret, const uint8_t *nonce, size_t nonce_len,
			uint8_t *out);
/* TLS-Exporter(label, context, len) from an exporter secret (§7.5). label at most 249 bytes. */
void enn_exporter(const char *prefix, const struct enn_hash_alg *hash,
		  const uint8_t *exporter_secret, const char *label, const uint8_t *context,
		  size_t context_len, uint8_t *out, size_t len);

#endif
