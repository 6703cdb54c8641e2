/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello (RFC 9849) inside the handshake. A client writes two hellos: the inner one, which
 * says what it wants, goes encrypted inside the outer one, which everybody can read. Which of the two
 * counts is known with the server's first message.
 *
 *   ClientHelloOuter: … encrypted_client_hello { outer, u16 kdf, u16 aead, u8 config_id,
 *                       <0..2^16-1> enc, <1..2^16-1> payload } …
 *   payload: HPKE.seal(ClientHelloOuter with zeros for payload, EncodedClientHelloInner)
 */
#ifndef ENN_HANDSHAKE_ECH_H
#define ENN_HANDSHAKE_ECH_H

#include "crypto/hpke.h"
#include "handshake/internal.h"

#define ENN_ECH_CONFIRMATION 8

enum enn_ech_type { ENN_ECH_OUTER = 0, ENN_ECH_INNER = 1 };

struct enn_ech {
	enum enn_ech_state state;
	struct enn_hpke_suite suite;
	uint8_t config_id;
	struct enn_hpke *hpke; /* keeps count: the second hello of a retry continues with it */

	/* client */
	char public_name[256];
	uint8_t maximum_name_length;
	uint8_t enc[ENN_HPKE_MAX_ENC];
	size_t enc_len;	    /* 0 in the second hello */
	size_t payload_len; /* of the outer hello that is being written */
	uint8_t inner_random[ENN_HS_RANDOM];
	struct enn_hash inner[2]; /* the inner transcript, until it is the one that counts */
	uint8_t *extension;	  /* as first sent: goes again if it was not accepted */
	size_t extension_len;
	uint8_t *retry; /* the server's other configurations; nobody vouches for them yet */
	size_t retry_len;

	/* server */
	uint8_t *hello; /* the inner ClientHello, with its header */
	size_t hello_len;
};

/* Fills in the confirmation (RFC 9849 §7.2) for a message of which the bytes at `at` are zero; transcript is
 * that of the inner hello up to it. */
void enn_ech_confirmation(const struct enn_handshake *hs, const struct enn_hash *transcript,
			  const struct enn_hash_alg *alg, const uint8_t *inner_random,
			  const char *label, struct enn_bytes message, size_t at,
			  uint8_t out[ENN_ECH_CONFIRMATION]);

#endif
